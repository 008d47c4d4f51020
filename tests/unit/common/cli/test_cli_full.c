/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set of orgs that are full, through all its sizes.
 */
#include "common/cli/cli_full.h"
#include "common/job/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_many(void **state)
{
    enum { MANY = 3000 };
    wh_cli_full f = {.n = 0};
    char org[WH_JOB_NAME_MAX + 1];

    (void)state;
    assert_false(wh_cli_full_has(&f, "acme"));
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(org, sizeof org, "org-%d", i);
        assert_false(wh_cli_full_has(&f, org));
        assert_int_equal(wh_cli_full_add(&f, org), WH_OK);
        assert_int_equal(wh_cli_full_add(&f, org), WH_OK);
        assert_true(wh_cli_full_has(&f, org));
    }
    assert_int_equal(f.n, MANY);
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(org, sizeof org, "org-%d", i);
        assert_true(wh_cli_full_has(&f, org));
    }
    memset(org, 'x', sizeof org - 1);
    org[sizeof org - 1] = '\0';
    assert_int_equal(wh_cli_full_add(&f, org), WH_OK);
    assert_true(wh_cli_full_has(&f, org));
    assert_false(wh_cli_full_has(&f, "org-3000"));
    wh_cli_full_fini(&f);
    assert_false(wh_cli_full_has(&f, org));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
