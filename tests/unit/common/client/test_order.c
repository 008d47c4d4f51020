/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of jobs within a call: each job once, an org's side by side and as they came,
 * orgs by their first job; nothing to do where that is so already.
 */
#include "common/base/alloc.h"
#include "common/client/client_order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = WH_JOB_BATCH_MAX };

static void check(const char *const *orgs, size_t n, const char *want)
{
    wh_job_spec specs[16] = {{0}};
    uint16_t *order = NULL;
    char seen[64] = "";

    for (size_t i = 0; i < n; i++) {
        specs[i].org = orgs[i];
    }
    assert_int_equal(wh_client_order(specs, n, &order), WH_OK);
    for (size_t i = 0; i < n && order != NULL; i++) {
        size_t len = strlen(seen);
        snprintf(seen + len, sizeof seen - len, "%u", order[i]);
    }
    wh_free(order);
    assert_string_equal(seen, want);
}

static void test_small_ones(void **state)
{
    char copy[] = "acme";

    (void)state;
    check((const char *const[]){"acme"}, 1, "");
    check((const char *const[]){"acme", "acme", copy}, 3, "");
    check((const char *const[]){"acme", "acme", "beta", "core", "core"}, 5, "");
    check((const char *const[]){"acme", "beta", copy}, 3, "021");
    check((const char *const[]){"beta", "acme", "beta", "acme", "beta"}, 5, "02413");
    /* A job without an org is of "default". */
    check((const char *const[]){NULL, "beta", "default", "beta", NULL}, 5, "02413");
    check((const char *const[]){NULL, "default", NULL}, 3, "");
}

/* As many orgs as a call can have, each twice but for the odd ones. */
static void test_many(void **state)
{
    static wh_job_spec specs[MANY];
    static char names[MANY][16];
    uint16_t *order = NULL;
    size_t at = 0;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "org-%u", i % 700);
        specs[i].org = names[i];
    }
    assert_int_equal(wh_client_order(specs, MANY, &order), WH_OK);
    assert_non_null(order);
    for (unsigned i = 0; i < 700; i++) {
        assert_int_equal(order[at++], i);
        if (i + 700 < MANY) {
            assert_int_equal(order[at++], i + 700);
        }
    }
    assert_int_equal(at, MANY);
    wh_free(order);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "org-%u", i);
    }
    assert_int_equal(wh_client_order(specs, MANY, &order), WH_OK);
    assert_null(order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_ones),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
