/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partition keys: made from names, taken apart again, bad names refused with a reason.
 */
#include "common/store/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_partition(void **state)
{
    char key[WH_KEYS_PARTITION_MAX];

    (void)state;
    assert_int_equal(wh_keys_partition("eu", "default", key, NULL), WH_OK);
    assert_string_equal(key, "wh:{eu:default}");
}

static void test_longest_names_fit(void **state)
{
    char name[WH_JOB_NAME_MAX + 2];
    char key[WH_KEYS_PARTITION_MAX];
    char bell[WH_KEYS_BELL_MAX];
    char region[WH_JOB_NAME_MAX + 1];
    char queue[WH_JOB_NAME_MAX + 1];

    (void)state;
    memset(name, 'x', sizeof name);
    name[WH_JOB_NAME_MAX] = '\0';
    assert_int_equal(wh_keys_partition(name, name, key, NULL), WH_OK);
    assert_int_equal(strlen(key), 2 * WH_JOB_NAME_MAX + 6);
    assert_true(wh_keys_split(key, region, queue));
    assert_string_equal(region, name);
    assert_string_equal(queue, name);
    wh_keys_bell(key, name, bell);
    assert_int_equal(strlen(bell), strlen(key) + 6 + WH_JOB_NAME_MAX);

    name[WH_JOB_NAME_MAX] = 'x';
    name[WH_JOB_NAME_MAX + 1] = '\0';
    assert_int_equal(wh_keys_partition(name, "q", key, NULL), WH_EINVAL);
    assert_string_equal(key, "");
}

static void test_bad_names(void **state)
{
    static const char *const bad[] = {"",    "a b",      "a:b", "a{b",
                                      "a}b", "\xc3\xa4", "a\nb"};
    char key[WH_KEYS_PARTITION_MAX];
    wh_errbuf eb = {0};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(wh_keys_partition(bad[i], "q", key, NULL), WH_EINVAL);
        assert_int_equal(wh_keys_partition("eu", bad[i], key, &eb), WH_EINVAL);
        assert_non_null(strstr(eb.text, "queue"));
    }
    assert_int_equal(wh_keys_partition(NULL, "q", key, &eb), WH_EINVAL);
    assert_non_null(strstr(eb.text, "region"));
}

static void test_split(void **state)
{
    static const char *const bad[] = {"",          "wh:{registry}", "wh:{eu:}",
                                      "wh:{:q}",   "wh:{eu:q}x",    "wh:eu:q",
                                      "wh:{a:b:c}"};
    char region[WH_JOB_NAME_MAX + 1];
    char queue[WH_JOB_NAME_MAX + 1];

    (void)state;
    assert_true(wh_keys_split("wh:{eu-1:mail.out}", region, queue));
    assert_string_equal(region, "eu-1");
    assert_string_equal(queue, "mail.out");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(wh_keys_split(bad[i], region, queue));
    }
}

static void test_bell(void **state)
{
    char bell[WH_KEYS_BELL_MAX];

    (void)state;
    wh_keys_bell("wh:{eu:q}", "w.1", bell);
    assert_string_equal(bell, "wh:{eu:q}:bell:w.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_partition), cmocka_unit_test(test_longest_names_fit),
        cmocka_unit_test(test_bad_names), cmocka_unit_test(test_split),
        cmocka_unit_test(test_bell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
