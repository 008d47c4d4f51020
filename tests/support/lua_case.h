/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terse tests of the Redis functions: one private server per test program with the test
 * build of the library (its clock stands still until a test moves it), one partition.
 * Formats are hiredis': words separated by blanks, %s %d %lld, %b for bytes and length.
 * A call that expects an error also proves that not one byte of the data changed.
 */
#ifndef WH_TESTS_SUPPORT_LUA_CASE_H
#define WH_TESTS_SUPPORT_LUA_CASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hiredis/hiredis.h>

#define WH_LC_P "wh:{eu:q}"
#define WH_LC_T0 1700000000000LL

/* cmocka's group set-up and tear-down; _reset before each test: empty data, clock at T0. */
int wh_lc_start(void **state);
int wh_lc_stop(void **state);
int wh_lc_reset(void **state);

/* Sets the library's clock; _advance adds to it and returns the new time. */
void wh_lc_clock(long long ms);
long long wh_lc_advance(long long ms);
/* Buckets end by Redis' own clock, which runs on: so much later than they need be, in ms. */
#define WH_LC_KEPT_MS 3600000LL

/* Test ids: text form, raw bytes, and token = raw bytes + decimal fence. The pointers
 * stay good for the next 64 calls. */
const char *wh_lc_id(unsigned n);
const char *wh_lc_raw(unsigned n);
const char *wh_lc_token(unsigned n, unsigned fence);
size_t wh_lc_token_len(unsigned fence);
/* Two arguments for one %b. */
#define WH_LC_RAW(n) wh_lc_raw(n), (size_t)16
#define WH_LC_TOK(n, fence) wh_lc_token(n, fence), wh_lc_token_len(fence)

/* Any command; FCALL fn 1 WH_LC_P with arguments. Replies are the caller's. */
redisReply *wh_lc_cmd(const char *fmt, ...);
redisReply *wh_lc_call(const char *fn, const char *fmt, ...);
/* The same for a list of arguments made at run time. */
struct wh_lc_args {
    int n;
    int room;
    char **v;
    size_t *len;
};
void wh_lc_add(struct wh_lc_args *a, const void *bytes, size_t len);
void wh_lc_add_text(struct wh_lc_args *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Takes the arguments: a is empty afterwards. fn NULL: they are a whole command. */
redisReply *wh_lc_call_args(const char *fn, struct wh_lc_args *a);

/* These fail the test, showing the reply, unless it is as expected. */
void wh_lc_ok(const char *fn, const char *fmt, ...);
void wh_lc_text(const char *want, const char *fn, const char *fmt, ...);
void wh_lc_error(const char *word, const char *fn, const char *fmt, ...);
/* The same for an argument list; it is taken. */
void wh_lc_error_args(const char *word, const char *fn, struct wh_lc_args *a);
/* The integer at index i of an array reply. */
long long wh_lc_nth(long long i, const char *fn, const char *fmt, ...);
void wh_lc_field(unsigned n, const char *field, const char *want); /* NULL: absent */
void wh_lc_status(unsigned n, const char *want);                   /* NULL: unknown */
void wh_lc_stat(const char *name, long long want);
long long wh_lc_get_stat(const char *name);
void wh_lc_audit(void);
/* A value of a flat field-value array, NULL when absent. */
const redisReply *wh_lc_find(const redisReply *flat, const char *field);
/* SHA-1 over all keys and their values, 40 digits; the order inside hashes does not count. */
void wh_lc_digest(char out[41]);
long long wh_lc_count(const char *fmt, ...); /* integer reply of any command */

/* Shortcuts. _enqueue: type mail, payload "p<n>", more options in fmt. */
void wh_lc_worker(const char *worker);
void wh_lc_enqueue(unsigned n, const char *fmt, ...);
/* Claims want jobs and expects these tokens' jobs in this order, as "3 1 2" (numbers of
 * wh_lc_id); "" for none. */
void wh_lc_claim(const char *worker, unsigned want, const char *order);
/* Finishes one token with an outcome and expects whether it is accepted. */
struct wh_lc_end {
    unsigned n, fence;
    const char *outcome;
    long long delay_ms;
    const char *category, *message, *context, *result;
};
void wh_lc_finish(const char *worker, const struct wh_lc_end *e, bool accepted);
void wh_lc_done(const char *worker, unsigned n, unsigned fence, bool accepted);
void wh_lc_dead(const char *worker, unsigned n, const char *category);

/* main() of a suite: every test runs between _reset and a clean audit. */
#define WH_LC_TEST(f) cmocka_unit_test_setup(f, wh_lc_reset)

#endif
