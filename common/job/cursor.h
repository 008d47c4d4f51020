/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A position in msgpack bytes, for codec: hands out one value after the other, in
 * place. The value of an array or map is only its opening; what is inside follows.
 */
#ifndef WH_COMMON_JOB_CURSOR_H
#define WH_COMMON_JOB_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum wh_cursor_kind {
    WH_CURSOR_BAD,
    WH_CURSOR_NIL,
    WH_CURSOR_FALSE,
    WH_CURSOR_TRUE,
    WH_CURSOR_UINT,
    WH_CURSOR_INT,
    WH_CURSOR_FLOAT,
    WH_CURSOR_TEXT, /* str or bin: Lua does not tell them apart */
    WH_CURSOR_EXT,
    WH_CURSOR_ARRAY,
    WH_CURSOR_MAP
} wh_cursor_kind;

typedef struct wh_cursor {
    const unsigned char *p, *end;
} wh_cursor;

typedef struct wh_cursor_value {
    wh_cursor_kind kind;
    uint64_t bits;  /* numbers: as in the input; INT sign-extended */
    unsigned width; /* of a FLOAT: 4 or 8 */
    const char *p;  /* TEXT: its bytes, borrowed */
    size_t n;       /* TEXT: length; ARRAY, MAP: values inside (a pair is two) */
} wh_cursor_value;

/* Reads a scalar, or the opening of an array or map whose values can all be there.
 * false: malformed or cut off; the cursor is then of no use. */
bool wh_cursor_next(wh_cursor *c, wh_cursor_value *v);
/* The value as a whole number from min to max, both within 0..2^53; a float without
 * fraction counts. */
bool wh_cursor_int(const wh_cursor_value *v, int64_t min, int64_t max, int64_t *out);

#endif
