/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FCALL in, decoded replies out: builds the RESP request, and turns what comes back
 * into a wh_err and a read-only view, so that no redisReply and no error word is seen
 * above this unit. The one table error word -> wh_err lives here.
 */
#ifndef WH_COMMON_STORE_CALL_H
#define WH_COMMON_STORE_CALL_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/job/job.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A view of a reply; valid during the callback that hands it over. */
typedef struct wh_reply wh_reply;
typedef enum wh_reply_type {
    WH_REPLY_NIL,
    WH_REPLY_INT,
    WH_REPLY_STR,
    WH_REPLY_ARRAY
} wh_reply_type;
wh_reply_type wh_reply_type_of(const wh_reply *r);
/* Elements of an array, else 0. */
size_t wh_reply_count(const wh_reply *r);
/* NULL when out of range or no array. */
const wh_reply *wh_reply_at(const wh_reply *r, size_t i);
/* An integer, or a decimal string; dflt otherwise. r may be NULL. */
int64_t wh_reply_int(const wh_reply *r, int64_t dflt);
/* Bytes of a string; {NULL, 0} otherwise. r may be NULL. NUL-terminated. */
wh_slice wh_reply_str(const wh_reply *r);
/* A copy that outlives the callback; NULL of NULL. */
wh_err wh_reply_copy(const wh_reply *r, wh_reply **out) WH_MUSTCHECK;
void wh_reply_free(wh_reply *r);

/* A request under construction, straight into RESP bytes. */
typedef struct wh_call {
    wh_buf body;
    size_t argc;
    bool is_function;   /* needs the library: FCALL, not any other command */
    int64_t timeout_ms; /* for a call that may well take long; 0: the connection's */
} wh_call;
/* FCALL or FCALL_RO of function with one key (NULL: no key). */
void wh_call_init(wh_call *c, const char *function, bool read_only, const char *key);
void wh_call_arg(wh_call *c, const void *p, size_t n);
void wh_call_args(wh_call *c, const char *s);
void wh_call_argi(wh_call *c, int64_t v);
/* Any other command ("BLPOP"). */
void wh_call_init_command(wh_call *c, const char *command);
/* Appends the finished command to out. WH_ENOMEM. Leaves c empty and usable. */
wh_err wh_call_finish(wh_call *c, wh_buf *out) WH_MUSTCHECK;
void wh_call_fini(wh_call *c);

/* The pieces themselves, for the hot path, which knows its argument count beforehand:
 * head first, then that many bulks. Failure stays in the buffer. */
void wh_call_put_head(wh_buf *out, size_t argc);
void wh_call_put(wh_buf *out, const void *data, size_t n);
void wh_call_puts(wh_buf *out, const char *s);
void wh_call_puti(wh_buf *out, int64_t v);

struct redisReply;
/* Error replies -> wh_err and eb (with the time of a WHBACKPRESSURE, and the job whose org's quota
 * refuses); WH_OK otherwise. */
wh_err wh_call_error(const struct redisReply *r, wh_errbuf *eb) WH_MUSTCHECK;
const wh_reply *wh_call_view(const struct redisReply *r);

#endif
