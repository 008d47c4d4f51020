/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The msgpack cursor: every first byte, every cut, and whole numbers from whatever
 * stands for them.
 */
#include "common/job/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static bool read_one(const void *bytes, size_t n, wh_cursor_value *v, size_t *used)
{
    /* A copy of exactly n bytes: a read past the end is seen by the sanitizer. */
    unsigned char *copy = malloc(n > 0 ? n : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    wh_cursor c = {copy, copy + n};
    bool ok = wh_cursor_next(&c, v);
    *used = (size_t)(c.p - copy);
    free(copy);
    return ok;
}

static const struct {
    const char *bytes;
    size_t n;
    wh_cursor_kind kind;
    size_t inside; /* length or count */
    uint64_t bits;
} kinds[] = {
    {"\x00", 1, WH_CURSOR_UINT, 0, 0},
    {"\x7f", 1, WH_CURSOR_UINT, 0, 127},
    {"\xff", 1, WH_CURSOR_INT, 0, UINT64_MAX},
    {"\xe0", 1, WH_CURSOR_INT, 0, (uint64_t)INT64_C(-32)},
    {"\xcc\xff", 2, WH_CURSOR_UINT, 0, 255},
    {"\xcd\x01\x00", 3, WH_CURSOR_UINT, 0, 256},
    {"\xce\xff\xff\xff\xff", 5, WH_CURSOR_UINT, 0, UINT32_MAX},
    {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, WH_CURSOR_UINT, 0, UINT64_MAX},
    {"\xd0\x80", 2, WH_CURSOR_INT, 0, (uint64_t)INT64_C(-128)},
    {"\xd0\x7f", 2, WH_CURSOR_INT, 0, 127},
    {"\xd1\x80\x00", 3, WH_CURSOR_INT, 0, (uint64_t)INT64_C(-32768)},
    {"\xd2\x80\x00\x00\x00", 5, WH_CURSOR_INT, 0, (uint64_t)INT64_C(-2147483648)},
    {"\xd3\x80\0\0\0\0\0\0\0", 9, WH_CURSOR_INT, 0, UINT64_C(1) << 63},
    {"\xc0", 1, WH_CURSOR_NIL, 0, 0},
    {"\xc2", 1, WH_CURSOR_FALSE, 0, 0},
    {"\xc3", 1, WH_CURSOR_TRUE, 0, 0},
    {"\xa0", 1, WH_CURSOR_TEXT, 0, 0},
    {"\xa3"
     "abc",
     4, WH_CURSOR_TEXT, 3, 0},
    {"\xd9\x02hi", 4, WH_CURSOR_TEXT, 2, 2},
    {"\xda\x00\x02hi", 5, WH_CURSOR_TEXT, 2, 2},
    {"\xdb\x00\x00\x00\x02hi", 7, WH_CURSOR_TEXT, 2, 2},
    {"\xc4\x02hi", 4, WH_CURSOR_TEXT, 2, 2},
    {"\xc5\x00\x02hi", 5, WH_CURSOR_TEXT, 2, 2},
    {"\xc6\x00\x00\x00\x02hi", 7, WH_CURSOR_TEXT, 2, 2},
    {"\xc7\x02\x01hi", 5, WH_CURSOR_EXT, 2, 2},
    {"\xc8\x00\x02\x01hi", 6, WH_CURSOR_EXT, 2, 2},
    {"\xc9\x00\x00\x00\x02\x01hi", 8, WH_CURSOR_EXT, 2, 2},
    {"\xd4\x01x", 3, WH_CURSOR_EXT, 1, 0},
    {"\xd5\x01xx", 4, WH_CURSOR_EXT, 2, 0},
    {"\xd6\x01xxxx", 6, WH_CURSOR_EXT, 4, 0},
    {"\xd7\x01xxxxxxxx", 10, WH_CURSOR_EXT, 8, 0},
    {"\xd8\x01xxxxxxxxxxxxxxxx", 18, WH_CURSOR_EXT, 16, 0},
    {"\xca\x3f\x80\x00\x00", 5, WH_CURSOR_FLOAT, 0, 0x3f800000},
    {"\xcb\x3f\xf0\0\0\0\0\0\0", 9, WH_CURSOR_FLOAT, 0, UINT64_C(0x3ff0000000000000)},
};

static void test_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(kinds); i++) {
        wh_cursor_value v;
        size_t used = 0;
        assert_true(read_one(kinds[i].bytes, kinds[i].n, &v, &used));
        assert_int_equal(v.kind, kinds[i].kind);
        assert_int_equal(used, kinds[i].n);
        if (v.kind == WH_CURSOR_TEXT || v.kind == WH_CURSOR_EXT) {
            assert_int_equal(v.n, kinds[i].inside);
        } else {
            assert_true(v.bits == kinds[i].bits);
        }
        for (size_t cut = 0; cut < kinds[i].n; cut++) {
            assert_false(read_one(kinds[i].bytes, cut, &v, &used));
        }
    }
}

static void test_containers(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        wh_cursor_kind kind; /* BAD: refused */
        size_t inside;
    } rows[] = {
        {"\x90", 1, WH_CURSOR_ARRAY, 0},
        {"\x80", 1, WH_CURSOR_MAP, 0},
        {"\x92\x01\x02", 3, WH_CURSOR_ARRAY, 2},
        {"\x92\x01", 2, WH_CURSOR_BAD, 0},
        {"\x81\x01\x02", 3, WH_CURSOR_MAP, 2},
        {"\x81\x01", 2, WH_CURSOR_BAD, 0},
        {"\xdc\x00\x01\x00", 4, WH_CURSOR_ARRAY, 1},
        {"\xdd\x00\x00\x00\x01\x00", 6, WH_CURSOR_ARRAY, 1},
        {"\xde\x00\x01\x00\x00", 5, WH_CURSOR_MAP, 2},
        {"\xdf\x00\x00\x00\x01\x00\x00", 7, WH_CURSOR_MAP, 2},
        {"\xdd\xff\xff\xff\xff\x00", 6, WH_CURSOR_BAD, 0},
        {"\xdf\xff\xff\xff\xff\x00", 6, WH_CURSOR_BAD, 0},
        {"\xdf\x80\x00\x00\x00\x00", 6, WH_CURSOR_BAD, 0}, /* 2 x 2^31 wraps 32 bits */
        {"\xc6\xff\xff\xff\xff\x00", 6, WH_CURSOR_BAD, 0},
        {"\xc9\xff\xff\xff\xff\x00", 6, WH_CURSOR_BAD, 0},
        {"\xc1", 1, WH_CURSOR_BAD, 0},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        wh_cursor_value v;
        size_t used = 0;
        bool ok = read_one(rows[i].bytes, rows[i].n, &v, &used);
        assert_int_equal(ok, rows[i].kind != WH_CURSOR_BAD);
        if (ok) {
            assert_int_equal(v.kind, rows[i].kind);
            assert_int_equal(v.n, rows[i].inside);
        }
    }
}

static void test_whole_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        int64_t min, max, expect; /* expect -1: refused */
    } rows[] = {
        {"\x05", 1, 0, 9, 5},
        {"\x00", 1, 1, 9, -1},
        {"\x0a", 1, 0, 9, -1},
        {"\xff", 1, 0, INT64_C(9007199254740991), -1},
        {"\xd3\0\0\0\0\0\0\0\x07", 9, 0, 9, 7},
        {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, 0, INT64_C(9007199254740991), -1},
        {"\xca\x40\xa0\x00\x00", 5, 0, 9, 5},        /* 5.0 */
        {"\xcb\x40\x14\0\0\0\0\0\0", 9, 0, 9, 5},    /* 5.0 */
        {"\xcb\x40\x14\0\0\0\0\0\x01", 9, 0, 9, -1}, /* 5.0 and a bit */
        {"\xcb\xc0\x14\0\0\0\0\0\0", 9, 0, 9, -1},   /* -5.0 */
        {"\xcb\x80\0\0\0\0\0\0\0", 9, 0, 9, 0},      /* -0.0 */
        {"\xcb\x7f\xf8\0\0\0\0\0\0", 9, 0, 9, -1},   /* NaN */
        {"\xcb\x7f\xf0\0\0\0\0\0\0", 9, 0, 9, -1},   /* infinity */
        {"\xa1\x35", 2, 0, 9, -1},                   /* "5" */
        {"\xc0", 1, 0, 9, -1},
        {"\xc3", 1, 0, 9, -1},
        {"\x90", 1, 0, 9, -1},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        wh_cursor_value v;
        size_t used = 0;
        int64_t out = -1;
        assert_true(read_one(rows[i].bytes, rows[i].n, &v, &used));
        bool ok = wh_cursor_int(&v, rows[i].min, rows[i].max, &out);
        assert_int_equal(ok, rows[i].expect >= 0);
        if (ok) {
            assert_true(out == rows[i].expect);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_whole_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
