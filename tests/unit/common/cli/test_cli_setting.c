/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits as people write them, as the protocol has them, and back.
 */
#include "common/cli/cli_setting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_forms(void **state)
{
    static const struct {
        const char *word, *name, *value, *shown;
    } cases[] = {
        {"rate:org/acme=100/60s/20", "rate:org/acme", "100/60000/20", "100/1m/20"},
        {"rate:queue=5/1s", "rate:queue", "5/1000/1", "5/1s/1"},
        {"rate:org/*/type/mail=1/1500ms/3", "rate:org/*/type/mail", "1/1500/3",
         "1/1500ms/3"},
        {"rate:type/*=10/1d", "rate:type/*", "10/86400000/1", "10/1d/1"},
        {"active:org/*=5", "active:org/*", "5", "5"},
        {"active:group=1", "active:group", "1", "1"},
        {"active:org/a/group/b=2", "active:org/a/group/b", "2", "2"},
        {"pause:type/mail=1", "pause:type/mail", "1", "1"},
        {"jobs:org/*=100000", "jobs:org/*", "100000", "100000"},
        {"bytes:queue=2GiB", "bytes:queue", "2147483648", "2GiB"},
        {"bytes:queue=1536KiB", "bytes:queue", "1572864", "1536KiB"},
        {"bytes:queue=1500", "bytes:queue", "1500", "1500"},
        {"memory:queue=80%", "memory:queue", "80", "80%"},
        {"memory:queue=80", "memory:queue", "80", "80%"},
        {"breaker:type/mail=50%/20/30s/10s/3", "breaker:type/mail",
         "50/20/30000/10000/3", "50%/20/30s/10s/3"},
        {"adaptive:type/mail=0.5/100/5", "adaptive:type/mail", "0.5/100/5",
         "0.5/100/5"},
        {"adaptive:type/mail=0.001/0.001/0.0001", "adaptive:type/mail",
         "0.001/0.001/0.0001", "0.001/0.001/0.0001"},
        {"priority:queue=0", "priority:queue", "0", "0"},
        {"priority:type/mail=9", "priority:type/mail", "9", "9"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wh_cli_setting s;
        wh_errbuf eb = {0};
        wh_buf shown = {0};

        if (wh_cli_setting_parse(cases[i].word, &s, &eb) != WH_OK) {
            fail_msg("%s: %s", cases[i].word, eb.text);
        }
        assert_string_equal(s.name, cases[i].name);
        assert_string_equal(s.value, cases[i].value);
        wh_cli_setting_show(s.name, s.value, &shown);
        assert_string_equal(wh_buf_str(&shown), cases[i].shown);
        wh_buf_fini(&shown);
        assert_int_equal(wh_cli_setting_name(cases[i].name, &s, &eb), WH_OK);
        assert_string_equal(s.value, "");
    }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *word, *why;
    } cases[] = {
        {"", "is no setting; write WHAT:SCOPE=VALUE"},
        {"weight:org/acme=3",
         "set an org's share of the workers with: wherry org weight"},
        {"rat:org/a=1/1s", "did you mean \"rate\"? Write one like rate:org/acme="},
        {"rate=5", "lacks its scope"},
        {"rate:org/a", "lacks its value"},
        {"rate:org/a=", "lacks its value"},
        {"rate:group=1/1s", "rate is for queue, org/NAME"},
        {"rate:org/a/type/*=1/1s", "rate is for"},
        {"rate:org/a b=1/1s", "\"a b\" is no org; a name has 1 to 64 characters"},
        {"active:org/a b=1", "\"a b\" is no org"},
        {"active:org/a/group/g h=1", "\"g h\" is no group"},
        {"rate:org/*/type/ö=1/1s", "\"ö\" is no type"},
        {"pause:type/=1", "\"\" is no type"},
        {"active:org/a/queue=1", "active is for"},
        {"active:org/*/group/g=1", "active is for"},
        {"pause:org/*=1", "pause is for org/NAME, type/NAME"},
        {"pause:queue=1", "pause is for"},
        {"rate:queue=100/60/20", "times need a unit"},
        {"rate:queue=0/1s", "\"0\" is no good number (1 to 1000000)"},
        {"rate:queue=1/25h", "no good period (1ms to 1d)"},
        {"rate:queue=100/2d", "\"2d\" is no good period (1ms to 1d); the value is"},
        {"rate:queue=1/1s/1/1", "the value is NUMBER/PERIOD/BURST"},
        {"active:queue=1000001", "no good number (1 to 1000000)"},
        {"active:queue=1x", "no good number"},
        {"pause:org/a=2", "no good switch (1)"},
        {"memory:queue=101%", "no good percentage (1 to 100 percent)"},
        {"breaker:type/a=50%/20/30s/10s", "the value is PERCENT%/VOLUME"},
        {"breaker:type/a=50%/20/10ms/10s/3", "no good window (100ms to 1d)"},
        {"adaptive:type/a=1/x/2", "no good highest rate"},
        {"priority:queue=10", "no good priority (0 to 9); the value is a number"},
        {"priority:type/a=-1", "no good priority"},
        {"priority:type/*=1", "priority is for queue, type/NAME"},
        {"priority:org/a=1", "priority is for queue, type/NAME"},
        {"adaptive:type/a=1/1e3/2",
         "no good highest rate (a plain decimal number, 0.001 to 1000000)"},
        {"adaptive:type/a=5/1/1", "\"5/1/1\": the lowest rate is over the highest"},
        {"adaptive:type/a=1/0/1", "no good highest rate"},
        {"adaptive:type/a=0.0009/1/1", "no good lowest rate"},
        {"adaptive:type/a=1/2/0", "no good step (a plain decimal number, above 0"},
        {"bytes:queue=0", "no good size (1 to 999999999999999 bytes"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wh_cli_setting s;
        wh_errbuf eb = {0};

        assert_int_equal(wh_cli_setting_parse(cases[i].word, &s, &eb), WH_EINVAL);
        if (strstr(eb.text, cases[i].why) == NULL) {
            fail_msg("%s: %s", cases[i].word, eb.text);
        }
    }
}

static void test_removal(void **state)
{
    wh_cli_setting s;
    wh_errbuf eb = {0};

    (void)state;
    assert_int_equal(wh_cli_setting_name("rate:org/a=1/1s", &s, &eb), WH_EINVAL);
    assert_non_null(strstr(eb.text, "without one"));
    assert_int_equal(wh_cli_setting_name("eu:default", &s, &eb), WH_EINVAL);
}

/* What a newer or foreign library says is shown as it is. */
static void test_shows_the_unknown(void **state)
{
    wh_buf out = {0};

    (void)state;
    wh_cli_setting_show("colour:queue", "red/1000", &out);
    assert_string_equal(wh_buf_str(&out), "red/1000");
    wh_buf_clear(&out);
    wh_cli_setting_show("rate:queue", "x/y/z/1", &out);
    assert_string_equal(wh_buf_str(&out), "x/y/z/1");
    wh_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_removal),
        cmocka_unit_test(test_shows_the_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
