/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_explain of a job whose type has several settings: which of them it names.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_explain.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>

#include <cmocka.h>

/* Two rates of one type: the one that holds it is named. */
static void an_adaptive_rate_beside_another(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_ll_set("adaptive:type/mail", "1/100/5");
    wh_ll_set("rate:type/mail", "1/60000/1000");
    wh_ll_put(1, "mail", "");
    wh_ll_put(2, "mail", "");
    wh_lc_claim("w", 1, "1");
    wh_ll_end("w", 1, 1, "snooze", 60000, "rate_limited");
    wh_le_is(2, "reason", "retry_after");
    wh_le_is(2, "adaptive_rate", "50");
    wh_le_is(2, "limit", "adaptive:type/mail");
    wh_le_is(2, "of", "1/100/5");
    wh_le_is(2, "until_ms", "60000");
    wh_ll_set("active:type/mail", "1");
    wh_le_is(2, "limit", "adaptive:type/mail");
    wh_ll_set("adaptive:type/mail", "");
    wh_lc_claim("w", 1, "2");
    wh_ll_put(3, "mail", "");
    wh_le_is(3, "limit", "active:type/mail");
    wh_ll_set("active:type/mail", "");
    wh_ll_set("adaptive:type/mail", "100/100/5");
    wh_ll_set("rate:type/mail", "1/60000/1"); /* slower: one a minute, and two ran */
    wh_le_is(3, "reason", "type_rate");
    wh_le_is(3, "limit", "rate:type/mail");
}

/* Of several settings the first one in the order of the protocol, not the one that lacks most. */
static void a_full_type_that_is_told_to_wait(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_ll_set("adaptive:type/mail", "1/100/5");
    for (unsigned n = 1; n <= 3; n++) {
        wh_ll_put(n, "mail", "");
    }
    wh_lc_claim("w", 2, "1 2");
    wh_ll_set("active:type/mail", "1");
    wh_ll_end("w", 1, 1, "snooze", 60000, "rate_limited");
    wh_le_is(3, "reason", "type_cap");
    wh_le_is(3, "limit", "active:type/mail");
    wh_lc_done("w", 2, 1, true);
    wh_le_is(3, "reason", "retry_after");
    wh_le_is(3, "limit", "adaptive:type/mail");
}

/* The value behind a name in wh1_limits. */
static void listed(const char *name, const char *want)
{
    redisReply *r = wh_lc_call("wh1_limits", "");
    const redisReply *v = wh_lc_find(r, name);

    assert_string_equal(v != NULL ? v->str : "", want);
    freeReplyObject(r);
}

/* Its rate as it is now, and how long a handler's Retry-After holds the type. */
static void how_an_adaptive_rate_goes(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_ll_put(1, "mail", "");
    wh_ll_put(2, "mail", "");
    wh_ll_put(3, "mail", "");
    wh_le_is(3, "adaptive_rate", "");
    wh_ll_set("adaptive:type/mail", "1/25/5");
    listed("pace:type/mail", "25");
    wh_le_is(3, "reason", "ready");
    wh_le_is(3, "adaptive_rate", "25");
    wh_lc_claim("w", 2, "1 2");
    wh_ll_end("w", 1, 1, "retry", 0, "unavailable"); /* it asks for no time */
    listed("pace:type/mail", "12.5");
    wh_le_is(3, "adaptive_rate", "12.5");
    wh_lc_advance(2000);
    wh_ll_end("w", 2, 1, "retry", 30000, "rate_limited");
    listed("pace:type/mail", "6.25 30000");
    wh_le_is(3, "reason", "retry_after");
    wh_le_is(3, "until_ms", "30000");
    wh_le_is(3, "limit", "adaptive:type/mail");
    wh_lc_claim("w", 9, ""); /* what is set aside is told of with the same word */
    redisReply *r = wh_lc_call("wh1_usage", "10");
    const redisReply *row = r->element[1]->element[0];
    assert_string_equal(row->element[3]->str, "retry_after");
    assert_int_equal(row->element[4]->integer, 30000);
    freeReplyObject(r);
    wh_lc_advance(20000);
    listed("pace:type/mail", "6.25 10000");
    wh_lc_advance(10000);
    listed("pace:type/mail", "6.25");
    wh_le_is(3, "reason", "ready");
    wh_ll_set("adaptive:type/mail", "");
    listed("pace:type/mail", "");
}

/* Half open: its probes are out, and when they end nobody knows. */
static void a_half_open_breaker(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_le_open_breaker("breaker:type/mail", 2);
    for (unsigned n = 2; n <= 4; n++) {
        wh_ll_put(n, "mail", "");
    }
    wh_le_is(2, "breaker", "open");
    wh_le_is(2, "until_ms", "5000");
    wh_le_is(2, "probes", "");
    wh_lc_advance(5000);
    wh_le_is(2, "reason", "ready");
    wh_le_is(2, "breaker", "");
    wh_lc_claim("w", 9, "2 3");
    for (unsigned i = 0; i < 2; i++) {
        wh_le_is(4, "reason", "breaker_open");
        wh_le_is(4, "limit", "breaker:type/mail");
        wh_le_is(4, "breaker", "half_open");
        wh_le_is(4, "probes", i == 0 ? "2" : "1");
        wh_le_is(4, "until_ms", "");
        if (i == 0) {
            wh_lc_done("w", 2, 1, true); /* a good one: one more is wanted */
        }
        wh_lc_advance(20000);
    }
    wh_lc_done("w", 3, 1, true);
    wh_le_is(4, "reason", "ready");
}

/* Its time is over, and one of an earlier try has the only place: that one's end decides. */
static void an_open_breaker_without_a_place(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_ll_set("breaker:type/mail", "50/1/10000/5000/2");
    for (unsigned n = 1; n <= 5; n++) {
        wh_ll_put(n, "mail", "");
    }
    wh_lc_claim("w", 1, "1");
    wh_ll_end("w", 1, 1, "dead", 0, "timeout");
    wh_lc_advance(5000);
    wh_lc_claim("w", 9, "2 3");
    wh_ll_set("breaker:type/mail", "50/1/10000/5000/1");
    wh_ll_end("w", 2, 1, "dead", 0, "timeout");
    wh_le_is(4, "breaker", "open");
    wh_le_is(4, "until_ms", "5000");
    wh_lc_advance(5000);
    wh_le_is(4, "reason", "breaker_open");
    wh_le_is(4, "breaker", "half_open");
    wh_le_is(4, "probes", "1");
    wh_le_is(4, "until_ms", "");
    wh_lc_done("w", 3, 1, true);
    wh_le_is(4, "reason", "ready");
    wh_lc_claim("w", 9, "4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(an_adaptive_rate_beside_another),
        WH_LC_TEST(a_full_type_that_is_told_to_wait),
        WH_LC_TEST(how_an_adaptive_rate_goes),
        WH_LC_TEST(a_half_open_breaker),
        WH_LC_TEST(an_open_breaker_without_a_place),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
