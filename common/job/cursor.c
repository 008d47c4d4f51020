/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads msgpack value by value. Called by codec for everything that comes from
 * Redis. Invariant: no byte outside [p, end) is read, whatever the input claims,
 * and nothing is allocated.
 */
#include "common/job/cursor.h"

#include <string.h>

/* First bytes c0 to df: what follows, and in how many bytes its number or length is. */
static const struct {
    uint8_t kind, width, fixed;
} forms[32] = {
    {WH_CURSOR_NIL, 0, 0},  {WH_CURSOR_BAD, 0, 0},   {WH_CURSOR_FALSE, 0, 0},
    {WH_CURSOR_TRUE, 0, 0}, {WH_CURSOR_TEXT, 1, 0},  {WH_CURSOR_TEXT, 2, 0},
    {WH_CURSOR_TEXT, 4, 0}, {WH_CURSOR_EXT, 1, 0},   {WH_CURSOR_EXT, 2, 0},
    {WH_CURSOR_EXT, 4, 0},  {WH_CURSOR_FLOAT, 4, 0}, {WH_CURSOR_FLOAT, 8, 0},
    {WH_CURSOR_UINT, 1, 0}, {WH_CURSOR_UINT, 2, 0},  {WH_CURSOR_UINT, 4, 0},
    {WH_CURSOR_UINT, 8, 0}, {WH_CURSOR_INT, 1, 0},   {WH_CURSOR_INT, 2, 0},
    {WH_CURSOR_INT, 4, 0},  {WH_CURSOR_INT, 8, 0},   {WH_CURSOR_EXT, 0, 1},
    {WH_CURSOR_EXT, 0, 2},  {WH_CURSOR_EXT, 0, 4},   {WH_CURSOR_EXT, 0, 8},
    {WH_CURSOR_EXT, 0, 16}, {WH_CURSOR_TEXT, 1, 0},  {WH_CURSOR_TEXT, 2, 0},
    {WH_CURSOR_TEXT, 4, 0}, {WH_CURSOR_ARRAY, 2, 0}, {WH_CURSOR_ARRAY, 4, 0},
    {WH_CURSOR_MAP, 2, 0},  {WH_CURSOR_MAP, 4, 0},
};

static uint64_t read_big_endian(const unsigned char *p, unsigned width)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < width; i++) {
        bits = bits << 8 | p[i];
    }
    return bits;
}

/* The first byte's part of a value; a length or count goes to v->n. */
static bool read_first(wh_cursor *c, wh_cursor_value *v)
{
    if (c->p == c->end) {
        return false;
    }
    unsigned char first = *c->p++;
    if (first < 0x80 || first >= 0xe0) {
        v->kind = first < 0x80 ? WH_CURSOR_UINT : WH_CURSOR_INT;
        v->bits = first < 0x80 ? first : (uint64_t)(int64_t)(int8_t)first;
        return true;
    }
    if (first < 0xc0) {
        v->kind = first < 0x90   ? WH_CURSOR_MAP
                  : first < 0xa0 ? WH_CURSOR_ARRAY
                                 : WH_CURSOR_TEXT;
        v->n = first < 0xa0 ? first & 0x0fU : first & 0x1fU;
        return true;
    }
    v->kind = (wh_cursor_kind)forms[first & 0x1fU].kind;
    v->width = forms[first & 0x1fU].width;
    if (v->kind == WH_CURSOR_BAD || v->width > (size_t)(c->end - c->p)) {
        return false;
    }
    v->bits = read_big_endian(c->p, v->width);
    c->p += v->width;
    v->n = v->width == 0 ? forms[first & 0x1fU].fixed : (size_t)v->bits;
    if (v->kind == WH_CURSOR_INT && v->width < 8) {
        uint64_t sign = UINT64_C(1) << (8 * v->width - 1);
        v->bits = (v->bits ^ sign) - sign;
    }
    return true;
}

bool wh_cursor_next(wh_cursor *c, wh_cursor_value *v)
{
    *v = (wh_cursor_value){.kind = WH_CURSOR_BAD};
    if (!read_first(c, v)) {
        return false;
    }
    size_t left = (size_t)(c->end - c->p);
    if (v->kind == WH_CURSOR_TEXT || v->kind == WH_CURSOR_EXT) {
        /* An ext has a type byte before its bytes; n <= UINT32_MAX, left is what is there. */
        size_t extra = v->kind == WH_CURSOR_EXT ? 1 : 0;
        if (v->n > left || extra > left - v->n) {
            return false;
        }
        v->p = (const char *)c->p;
        c->p += v->n + extra;
    } else if (v->kind == WH_CURSOR_ARRAY || v->kind == WH_CURSOR_MAP) {
        /* Each value inside takes a byte at least. */
        size_t per_item = v->kind == WH_CURSOR_MAP ? 2 : 1;
        if (v->n > left / per_item) {
            return false;
        }
        v->n *= per_item;
    }
    return true;
}

static double float_of(const wh_cursor_value *v)
{
    if (v->width == 4) {
        float f;
        uint32_t bits = (uint32_t)v->bits;
        memcpy(&f, &bits, sizeof f);
        return (double)f;
    }
    double d;
    memcpy(&d, &v->bits, sizeof d);
    return d;
}

bool wh_cursor_int(const wh_cursor_value *v, int64_t min, int64_t max, int64_t *out)
{
    if (v->kind == WH_CURSOR_FLOAT) {
        double d = float_of(v);
        if (!(d >= (double)min && d <= (double)max)) { /* also NaN */
            return false;
        }
        *out = (int64_t)d;
        return !(d > (double)*out);
    }
    bool is_integer = v->kind == WH_CURSOR_UINT || v->kind == WH_CURSOR_INT;
    /* A negative INT is a huge number here. */
    if (!is_integer || v->bits > (uint64_t)max || v->bits < (uint64_t)min) {
        return false;
    }
    *out = (int64_t)v->bits;
    return true;
}
