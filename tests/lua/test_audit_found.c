/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_audit finds what somebody else did to a partition by hand.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_problem(const char *part)
{
    redisReply *r = wh_lc_call("wh1_audit", "1000");
    int found = 0;

    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    for (size_t i = 1; i < r->elements; i++) {
        found = found || strstr(r->element[i]->str, part) != NULL;
    }
    if (!found) {
        fail_msg("no problem with \"%s\" among %zu", part, r->elements - 1);
    }
    freeReplyObject(r);
}

static void entries_that_no_job_points_to(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_claim("w", 1, "1");
    wh_lc_dead("w", 1, "invalid");
    wh_lc_audit();
    freeReplyObject(wh_lc_cmd("XADD " WH_LC_P ":dlq * id %s type mail", wh_lc_id(1)));
    expect_problem("1 entries that no job points to");
}

static void a_job_that_would_not_expire(void **state)
{
    (void)state;
    wh_lc_enqueue(1, "EXPIRES 60000");
    wh_lc_audit();
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":expiry"));
    expect_problem("has a time to expire but would not");
}

static void a_claim_and_a_record_that_vanished(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_enqueue(2, "");
    wh_lc_claim("w", 1, "1");
    wh_lc_audit();
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":run:w"));
    expect_problem("stands in no index");
    expect_problem("active of");
    freeReplyObject(wh_lc_cmd("HDEL " WH_LC_P ":jobs %b", WH_LC_RAW(2)));
    expect_problem("has no record");
}

static void a_probe_that_nobody_counts(void **state)
{
    (void)state;
    wh_ll_set("breaker:type/mail", "1/1/10000/1000/2");
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_enqueue(2, "");
    wh_lc_claim("w", 1, "1");
    wh_lc_dead("w", 1, "timeout");
    wh_lc_advance(1000);
    wh_lc_claim("w", 1, "2");
    wh_lc_audit();
    for (unsigned held = 0; held < 3; held += 2) {
        wh_lc_count("HSET " WH_LC_P ":breaker:mail held %u", held);
        expect_problem(held == 0 ? "probes of mail is 0, counted 1"
                                 : "probes of mail is 2, counted 1");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(entries_that_no_job_points_to),
        WH_LC_TEST(a_job_that_would_not_expire),
        WH_LC_TEST(a_claim_and_a_record_that_vanished),
        WH_LC_TEST(a_probe_that_nobody_counts),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
