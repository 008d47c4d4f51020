/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the credit is split: sums, proportions, bounds.
 */
#include "worker/share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static size_t sum(const wh_share *s, size_t n)
{
    size_t total = 0;

    for (size_t i = 0; i < n; i++) {
        total += s[i].got;
    }
    return total;
}

static void test_strict(void **state)
{
    (void)state;
    wh_share s[3] = {
        {.weight = 1}, {.wants = true, .weight = 1}, {.wants = true, .weight = 9}};

    wh_share_split(s, 3, WH_SHARE_STRICT, 10, 1000);
    assert_int_equal(s[0].got, 0);
    assert_int_equal(s[1].got, 10);
    assert_int_equal(s[2].got, 0);
    wh_share_split(s, 3, WH_SHARE_STRICT, 10,
                   6); /* a batch has a bound: the rest goes on */
    assert_int_equal(s[1].got, 6);
    assert_int_equal(s[2].got, 4);
    wh_share_split(s, 3, WH_SHARE_STRICT, 0, 1000);
    assert_int_equal(sum(s, 3), 0);
}

static void test_weighted_in_proportion(void **state)
{
    (void)state;
    wh_share s[3] = {{.wants = true, .weight = 5},
                     {.wants = true, .weight = 3},
                     {.wants = true, .weight = 2}};

    wh_share_split(s, 3, WH_SHARE_WEIGHTED, 100, 1000);
    assert_int_equal(s[0].got, 50);
    assert_int_equal(s[1].got, 30);
    assert_int_equal(s[2].got, 20);
}

/* One slot at a time: over 100 rounds it is the same. */
static void test_single_credits_even_out(void **state)
{
    (void)state;
    wh_share s[3] = {{.wants = true, .weight = 5},
                     {.wants = true, .weight = 3},
                     {.wants = true, .weight = 2}};
    size_t got[3] = {0};

    for (int round = 0; round < 100; round++) {
        wh_share_split(s, 3, WH_SHARE_WEIGHTED, 1, 1000);
        assert_int_equal(sum(s, 3), 1);
        for (int i = 0; i < 3; i++) {
            got[i] += s[i].got;
        }
    }
    assert_in_range(got[0], 49, 51);
    assert_in_range(got[1], 29, 31);
    assert_in_range(got[2], 19, 21);
}

static void test_weighted_gives_all_or_the_bound(void **state)
{
    (void)state;
    wh_share s[4] = {{.wants = true, .weight = 0.001},
                     {.wants = true, .weight = 1000},
                     {.wants = true, .weight = 1},
                     {.weight = 7}};

    for (size_t credit = 0; credit < 300; credit++) {
        wh_share_split(s, 4, WH_SHARE_WEIGHTED, credit, 64);
        assert_int_equal(sum(s, 4), credit < 3 * 64 ? credit : 3 * 64);
        assert_int_equal(s[3].got, 0);
        for (int i = 0; i < 3; i++) {
            assert_in_range(s[i].got, 0, 64);
        }
    }
}

/* Who did not want has no claim to what went by. */
static void test_no_hoarding(void **state)
{
    (void)state;
    wh_share s[2] = {{.wants = true, .weight = 1}, {.weight = 1}};

    for (int i = 0; i < 50; i++) {
        wh_share_split(s, 2, WH_SHARE_WEIGHTED, 3, 1000);
        assert_int_equal(s[0].got, 3);
    }
    s[1].wants = true;
    size_t late = 0;
    for (int i = 0; i < 10; i++) {
        wh_share_split(s, 2, WH_SHARE_WEIGHTED, 1, 1000);
        late += s[1].got;
    }
    assert_in_range(late, 4, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_weighted_in_proportion),
        cmocka_unit_test(test_single_credits_even_out),
        cmocka_unit_test(test_weighted_gives_all_or_the_bound),
        cmocka_unit_test(test_no_hoarding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
