/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every error has a name, a sentence and an exit status; texts are cut cleanly.
 */
#include "common/base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_table_is_whole(void **state)
{
    (void)state;
    for (int i = 0; i < (int)WH_ERR_COUNT; i++) {
        wh_err e = (wh_err)i;
        assert_non_null(wh_err_name(e));
        assert_true(strlen(wh_err_text(e)) > 5);
        assert_true(e == WH_OK || wh_err_exit(e) != WH_EXIT_OK);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(wh_err_name(e), wh_err_name((wh_err)j));
        }
    }
    assert_string_equal(wh_err_name(WH_ERR_COUNT), "unknown");
    assert_non_null(wh_err_text((wh_err)99));
    assert_int_equal(wh_err_exit((wh_err)99), WH_EXIT_SOFTWARE);
}

static void test_exit_and_transient(void **state)
{
    (void)state;
    assert_int_equal(wh_err_exit(WH_OK), 0);
    assert_int_equal(wh_err_exit(WH_EINVAL), WH_EXIT_USAGE);
    assert_int_equal(wh_err_exit(WH_ENOTFOUND), WH_EXIT_NOTFOUND);
    assert_int_equal(wh_err_exit(WH_ESTATE), WH_EXIT_CONFLICT);
    assert_int_equal(wh_err_exit(WH_ECONN), WH_EXIT_UNAVAILABLE);
    assert_int_equal(wh_err_exit(WH_ECONFIG), WH_EXIT_CONFIG);
    assert_int_equal(wh_err_exit(WH_EBACKPRESSURE), WH_EXIT_TEMPFAIL);
    assert_true(wh_err_is_transient(WH_EBACKPRESSURE));
    assert_true(wh_err_is_transient(WH_EBUSY));
    assert_true(wh_err_is_transient(WH_ECONN));
    assert_false(wh_err_is_transient(WH_EINVAL));
    assert_false(wh_err_is_transient(WH_ELOST));
    assert_false(wh_err_is_transient(WH_OK));
}

static void test_set(void **state)
{
    (void)state;
    wh_errbuf eb = {.sys = 7, .retry_after_ms = 9};
    assert_int_equal(wh_err_set(&eb, WH_ESTATE, "job %d is %s", 5, "done"), WH_ESTATE);
    assert_int_equal(eb.code, WH_ESTATE);
    assert_int_equal(eb.sys, 0);
    assert_true(eb.retry_after_ms == 0);
    assert_string_equal(eb.text, "job 5 is done");
    assert_int_equal(wh_err_set(NULL, WH_EPROTO, "%s", "x"), WH_EPROTO);

    /* Wrapping the text of the same buffer. */
    (void)wh_err_set(&eb, WH_ESTATE, "while cancelling: %s", eb.text);
    assert_string_equal(eb.text, "while cancelling: job 5 is done");
}

static void test_cut_at_a_character(void **state)
{
    (void)state;
    wh_errbuf eb;
    char text[1000];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'x', sizeof text);
        for (size_t i = shift; i + 3 < sizeof text; i += 3) {
            memcpy(text + i, "\xE2\x82\xAC", 3);
        }
        text[sizeof text - 1] = '\0';
        (void)wh_err_set(&eb, WH_EINVAL, "%s", text);
        size_t len = strlen(eb.text);
        assert_true(len < sizeof eb.text && len > sizeof eb.text - 8);
        assert_string_equal(eb.text + len - 3, "...");
        assert_int_equal((len - 3 - shift) % 3, 0);
    }
}

static void test_sys(void **state)
{
    (void)state;
    wh_errbuf eb;
    assert_int_equal(wh_err_sys(&eb, ENOENT, "open %s", "a.yaml"), WH_EIO);
    assert_int_equal(eb.sys, ENOENT);
    assert_string_equal(eb.text, "open a.yaml: No such file or directory");
    assert_int_equal(wh_err_sys(&eb, ENOMEM, "fork"), WH_ENOMEM);
    assert_int_equal(wh_err_sys(NULL, EIO, "x"), WH_EIO);

    char text[400];
    memset(text, 'y', sizeof text);
    text[sizeof text - 1] = '\0';
    (void)wh_err_sys(&eb, ENOENT, "%s", text);
    assert_true(strlen(eb.text) < sizeof eb.text);
    text[sizeof eb.text - 6] = '\0';
    (void)wh_err_sys(&eb, ENOENT, "%s", text);
    assert_int_equal(strlen(eb.text), sizeof eb.text - 1);
    assert_string_equal(eb.text + sizeof eb.text - 4, "...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_whole),
        cmocka_unit_test(test_exit_and_transient),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_cut_at_a_character),
        cmocka_unit_test(test_sys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
