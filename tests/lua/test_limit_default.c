/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_limit_default: a default cap is set once in the life of a partition; what was set or removed by hand
 * stays as it is.
 */
#include "tests/support/lua_case.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void dflt(const char *args, long long want)
{
    redisReply *r = wh_lc_call("wh1_limit_default", args);

    assert_int_equal(r->type, REDIS_REPLY_INTEGER);
    assert_int_equal(r->integer, want);
    freeReplyObject(r);
}

static void cap_is(const char *want)
{
    redisReply *r = wh_lc_cmd("HGET " WH_LC_P ":limits active:org/*");

    assert_int_equal(r->type, want == NULL ? REDIS_REPLY_NIL : REDIS_REPLY_STRING);
    if (want != NULL) {
        assert_string_equal(r->str, want);
    }
    freeReplyObject(r);
}

static void set_once_and_in_force(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_enqueue(2, "");
    wh_lc_enqueue(3, "ORG b");
    dflt("active:org/* 1", 1);
    dflt("active:org/* 1", 0);
    dflt("active:org/* 2", 0);
    cap_is("1");
    wh_lc_claim("w", 3, "3 1");
    wh_lc_audit();
    assert_int_equal(wh_lc_count("XLEN " WH_LC_P ":events"), 1);
}

static void a_removed_one_stays_removed(void **state)
{
    (void)state;
    dflt("active:org/* 3", 1);
    wh_lc_ok("wh1_limit", "active:org/* %s", "");
    dflt("active:org/* 3", 0);
    cap_is(NULL);
}

static void one_set_by_hand_stays(void **state)
{
    (void)state;
    wh_lc_ok("wh1_limit", "active:org/* 7");
    dflt("active:org/* 3", 0);
    cap_is("7");
    wh_lc_ok("wh1_limit", "active:org/* %s", "");
    dflt("active:org/* 3", 0);
    cap_is(NULL);
}

static void refusals_change_nothing(void **state)
{
    (void)state;
    wh_lc_error("WHBADARG", "wh1_limit_default", "active:org/*");
    wh_lc_error("WHBADARG", "wh1_limit_default", "active:org/* %s", "");
    wh_lc_error("WHBADARG", "wh1_limit_default", "active:org/* 0");
    wh_lc_error("WHBADARG", "wh1_limit_default", "active:queue 3");
    wh_lc_error("WHBADARG", "wh1_limit_default", "rate:org/a 1/1000/1");
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":ctl " WH_LC_P ":limits"), 0);
    freeReplyObject(wh_lc_cmd("SET " WH_LC_P ":limits x"));
    wh_lc_error("WHBADDATA", "wh1_limit_default", "active:org/* 3");
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":ctl"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(set_once_and_in_force),
        WH_LC_TEST(a_removed_one_stays_removed),
        WH_LC_TEST(one_set_by_hand_stays),
        WH_LC_TEST(refusals_change_nothing),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
