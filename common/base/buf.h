/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer that remembers failure: after one failed allocation all
 * further appends are no-ops and wh_buf_ok() is false, so a caller checks once,
 * at the end. Zero-initialised is a valid empty buffer.
 */
#ifndef WH_COMMON_BASE_BUF_H
#define WH_COMMON_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wh_buf {
    char *data; /* NUL-terminated once anything was appended; owned */
    size_t len;
    size_t cap;
    bool failed;
} wh_buf;

void wh_buf_fini(wh_buf *b);  /* frees; leaves it empty and usable */
void wh_buf_clear(wh_buf *b); /* keeps the memory */
bool wh_buf_ok(const wh_buf *b);
/* The text so far, "" when empty. */
const char *wh_buf_str(const wh_buf *b);
/* Takes the memory out (never NULL unless failed); the buffer is empty then. */
char *wh_buf_take(wh_buf *b);
/* Makes room for n more bytes and returns where they go (NULL on failure); set len yourself. */
char *wh_buf_reserve(wh_buf *b, size_t n);
void wh_buf_add(wh_buf *b, const void *p, size_t n);
void wh_buf_adds(wh_buf *b, const char *s);
void wh_buf_addc(wh_buf *b, char c);
void wh_buf_addi(wh_buf *b, int64_t v);
void wh_buf_addf(wh_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The shortest decimal text that reads back as v, with '.' in every locale; NaN, +Inf,
 * -Inf (as Prometheus writes them; JSON has no such numbers: check first). */
void wh_buf_add_double(wh_buf *b, double v);
/* Drops n bytes at the front (n <= len). */
void wh_buf_consume(wh_buf *b, size_t n);
/* A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void wh_buf_add_json(wh_buf *b, const char *s, size_t n);

/* Length of the well-formed UTF-8 character at s (n bytes are there); 0 when none. */
size_t wh_buf_utf8_len(const char *s, size_t n);

#endif
