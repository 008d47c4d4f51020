/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap's door: overflow, growth, zero sizes, the replaceable allocator.
 */
#include "common/base/alloc.h"
#include "tests/support/oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_sizes(void **state)
{
    (void)state;
    void *p = wh_malloc(0);
    assert_non_null(p);
    p = wh_realloc(p, 0);
    assert_non_null(p);
    wh_free(p);
    wh_free(NULL);

    assert_null(wh_calloc(SIZE_MAX / 2, 3));
    assert_null(wh_memdup("", SIZE_MAX));
    unsigned char *z = wh_calloc(16, 4);
    assert_non_null(z);
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(z[i], 0);
    }
    wh_free(z);
}

static void test_grow(void **state)
{
    (void)state;
    size_t cap = 0;
    int *a = wh_grow(NULL, &cap, 1, sizeof *a);
    assert_non_null(a);
    assert_true(cap >= 1);
    a[0] = 42;
    size_t before = cap;
    int *same = wh_grow(a, &cap, before, sizeof *a);
    assert_ptr_equal(same, a);
    assert_int_equal(cap, before);
    a = wh_grow(a, &cap, 1000, sizeof *a);
    assert_non_null(a);
    assert_true(cap >= 1000);
    assert_int_equal(a[0], 42);

    before = cap;
    assert_null(wh_grow(a, &cap, SIZE_MAX / 2, sizeof *a));
    assert_int_equal(cap, before);
    assert_int_equal(a[0], 42);
    wh_free(a);
}

static void test_copies(void **state)
{
    (void)state;
    char *s = wh_strdup("abc");
    assert_string_equal(s, "abc");
    wh_free(s);
    s = wh_strndup("abcdef", 3);
    assert_string_equal(s, "abc");
    wh_free(s);
    s = wh_strndup("ab", 9);
    assert_string_equal(s, "ab");
    wh_free(s);
    s = wh_memdup("a\0b", 3);
    assert_memory_equal(s, "a\0b\0", 4);
    wh_free(s);
    s = wh_memdup(NULL, 0);
    assert_string_equal(s, "");
    wh_free(s);
    s = wh_asprintf("%s-%05d", "job", 17);
    assert_string_equal(s, "job-00017");
    wh_free(s);
}

static void test_replaced(void **state)
{
    (void)state;
    oom_on(2);
    char *a = wh_strdup("one");
    char *b = wh_asprintf("%d", 2);
    char *c = wh_malloc(3);
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    assert_int_equal(oom_held, 2);
    wh_free(a);
    wh_free(c);
    assert_int_equal(oom_held, 0);
    assert_true(oom_off());

    size_t cap = 4;
    oom_on(1);
    assert_null(wh_grow(NULL, &cap, 9, 8));
    assert_int_equal(cap, 4);
    assert_true(oom_off());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
