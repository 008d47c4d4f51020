/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_explain: for every reason that holds a job it names this one, its setting and its time,
 * and it writes nothing.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_explain.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>

#include <cmocka.h>

static void ready_and_delayed(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_ll_put(1, "mail", "ORG acme GROUP g");
    wh_ll_put(2, "sms", "DELAY 5000");
    wh_le_is(1, "id", wh_lc_id(1));
    wh_le_is(1, "status", "pending");
    wh_le_is(1, "type", "mail");
    wh_le_is(1, "org", "acme");
    wh_le_is(1, "group", "g");
    wh_le_is(1, "reason", "ready");
    wh_le_is(1, "until_ms", "");
    wh_le_is(1, "limit", "");
    wh_le_is(1, "workers", "1");
    wh_le_is(2, "status", "scheduled");
    wh_le_is(2, "reason", "delayed");
    wh_le_is(2, "until_ms", "5000");
    wh_lc_advance(4000);
    wh_le_is(2, "until_ms", "1000");
    wh_lc_advance(2000); /* due, and nobody promoted it yet */
    wh_le_is(2, "until_ms", "0");
}

static void one_that_expires(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_ll_put(1, "mail", "EXPIRES 9000");
    wh_ll_put(2, "mail", "EXPIRES 2000 DELAY 5000");
    wh_ll_put(3, "mail", "");
    wh_lc_advance(500);
    wh_le_is(1, "expires_ms", "8500");
    wh_le_is(2, "expires_ms", "1500");
    wh_le_is(2, "until_ms", "4500");
    wh_le_is(3, "expires_ms", "");
    wh_lc_claim("w", 1, "1");
    wh_le_is(1, "expires_ms", ""); /* it started */
}

static void jobs_that_do_not_wait(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    for (unsigned n = 1; n <= 4; n++) {
        wh_ll_put(n, "mail", "");
    }
    wh_lc_claim("w", 3, "1 2 3");
    wh_le_is(1, "status", "in_progress");
    wh_le_is(1, "worker", "w");
    wh_le_is(1, "reason", "");
    wh_lc_done("w", 2, 1, true);
    wh_le_is(2, "status", "completed");
    wh_le_is(2, "reason", "");
    wh_lc_dead("w", 3, "invalid");
    wh_le_is(3, "status", "failed");
    wh_le_is(3, "reason", "");
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(4));
    wh_le_is(4, "status", "cancelled");
    wh_le_is(4, "reason", "");
    wh_lc_error("WHNOTFOUND", "wh1_explain", "%s", wh_lc_id(99));
    wh_lc_error("WHBADARG", "wh1_explain", "nonsense");
    wh_lc_error("WHBADARG", "wh1_explain", "");
}

/* Each holds job 3 of org o, type mail, group g, while 1 and 2 run. */
static const struct wh_le_holding holdings[] = {
    {"pause:org/o", "1", "org_paused", "", ""},
    {"pause:type/mail", "1", "type_paused", "", ""},
    {"rate:queue", "1/10000/2", "queue_rate", "10000", ""},
    {"rate:org/o", "1/10000/2", "org_rate", "10000", ""},
    {"rate:org/*", "1/10000/2", "org_rate", "10000", ""},
    {"rate:type/mail", "1/10000/2", "type_rate", "10000", ""},
    {"rate:type/*", "1/10000/2", "type_rate", "10000", ""},
    {"rate:org/o/type/mail", "1/10000/2", "org_type_rate", "10000", ""},
    {"rate:org/*/type/mail", "1/10000/2", "org_type_rate", "10000", ""},
    {"active:queue", "2", "queue_cap", "", "2"},
    {"active:org/o", "2", "org_cap", "", "2"},
    {"active:org/*", "2", "org_cap", "", "2"},
    {"active:type/mail", "2", "type_cap", "", "2"},
    {"active:type/*", "2", "type_cap", "", "2"},
    {"active:group", "2", "group_cap", "", "2"},
    {"active:org/o/group/g", "2", "group_cap", "", "2"},
};

static void check_holding(const struct wh_le_holding *h, bool is_met)
{
    if (!wh_le_is_pause(h)) {
        wh_ll_set(h->setting, h->value);
    }
    for (unsigned n = 1; n <= 3; n++) {
        wh_ll_put(n, "mail", "ORG o GROUP g");
    }
    wh_lc_claim("w", 2, "1 2");
    if (wh_le_is_pause(h)) {
        wh_ll_set(h->setting, h->value);
    }
    wh_le_meet(is_met); /* it is parked or set aside then */
    wh_le_is(3, "status", "pending");
    wh_le_held_by(3, h);
    wh_le_is(3, "org_active", "2");
    wh_le_is(3, "org_ready", "1");
    wh_le_is(3, "holders", "o 2");
    wh_ll_set(h->setting, "");
    wh_le_is(3, "reason", "ready");
}

/* Nobody runs it any more: it comes back when somebody recovers it. */
static void whose_worker_is_lost(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_ll_put(1, "mail", "");
    wh_lc_claim("w", 1, "1");
    wh_lc_advance(29999);
    wh_le_is(1, "lost_ms", "");
    wh_lc_advance(1501);
    wh_le_is(1, "status", "in_progress");
    wh_le_is(1, "worker", "w");
    wh_le_is(1, "lost_ms", "1500");
    wh_lc_ok("wh1_recover", "10");
    wh_le_is(1, "reason", "no_worker");
    wh_le_is(1, "lost_ms", "");
}

static void every_setting_is_named(void **state)
{
    (void)state;
    wh_le_each(holdings, sizeof holdings / sizeof holdings[0], check_holding);
}

static void an_open_breaker(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_le_open_breaker("breaker:type/*", 1);
    wh_ll_put(2, "mail", "");
    wh_lc_advance(1000);
    wh_le_is(2, "reason", "breaker_open");
    wh_le_is(2, "limit", "breaker:type/*");
    wh_le_is(2, "until_ms", "4000");
}

static void an_adaptive_rate(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_ll_set("adaptive:type/mail", "0.1/0.1/1");
    wh_ll_put(1, "mail", "");
    wh_ll_put(2, "mail", "");
    wh_lc_claim("w", 10, "1");
    wh_le_is(2, "reason", "type_rate");
    wh_le_is(2, "limit", "adaptive:type/mail");
    wh_le_is(2, "until_ms", "10000");
}

static void a_paused_queue_and_no_worker(void **state)
{
    (void)state;
    wh_ll_put(1, "mail", "");
    wh_le_is(1, "reason", "no_worker");
    wh_le_is(1, "workers", "0");
    wh_lc_worker("w");
    wh_le_is(1, "reason", "ready");
    wh_lc_advance(30001);
    wh_le_is(1, "reason", "workers_lost");
    wh_le_is(1, "workers_lost", "1");
    wh_lc_ok("wh1_recover", "10");
    wh_le_is(1, "reason", "no_worker");
    wh_le_is(1, "workers_lost", "0");
    wh_lc_text("OK", "wh1_pause", "");
    wh_le_is(1, "reason", "queue_paused");
    wh_lc_text("OK", "wh1_resume", "");
    wh_le_is(1, "reason", "no_worker");
}

/* Due, and still there: nobody brings it back, and what would hold it is named. */
static void an_overdue_job(void **state)
{
    (void)state;
    wh_ll_put(1, "mail", "DELAY 5000");
    wh_ll_put(2, "mail", "DELAY 5000 ORG o GROUP g");
    wh_lc_advance(4999);
    wh_le_is(1, "reason", "delayed");
    wh_le_is(1, "overdue_ms", "");
    wh_lc_advance(1001);
    wh_le_is(1, "status", "scheduled");
    wh_le_is(1, "reason", "no_worker");
    wh_le_is(1, "until_ms", "");
    wh_le_is(1, "overdue_ms", "1000");
    wh_lc_text("OK", "wh1_pause", "");
    wh_le_is(1, "reason", "queue_paused");
    wh_lc_text("OK", "wh1_resume", "");
    wh_le_says("w", "{\"types\":[\"sms\"]}");
    wh_le_is(1, "reason", "no_handler");
    wh_lc_text("OK", "wh1_quiet", "w");
    wh_le_is(1, "reason", "workers_quiet");
    wh_le_says("v", "{}");
    wh_le_is(1, "reason", "delayed");
    wh_le_is(1, "until_ms", "0");
    wh_ll_set("active:group", "1");
    wh_ll_set("pause:org/o", "1");
    wh_le_is(1, "reason", "delayed");
    wh_le_is(2, "reason", "org_paused");
    wh_le_is(2, "limit", "pause:org/o");
    wh_le_is(2, "group_at", "");
    wh_le_is(2, "ahead_org", "");
    wh_lc_claim("v", 10, "1");
    wh_ll_end("v", 1, 1, "retry", 4000, "timeout");
    wh_lc_text("OK", "wh1_quiet", "v");
    wh_le_is(1, "reason", "retry");
    wh_lc_advance(4000);
    wh_le_is(1, "reason", "workers_quiet");
    wh_le_is(1, "overdue_ms", "0");
    wh_le_is(2, "status", "pending"); /* the claim call brought it back */
    wh_le_is(2, "overdue_ms", "");
}

/* What a worker says, and what holds job 1 then. */
static void then(const char *worker, const char *info, const char *reason)
{
    wh_le_says(worker, info);
    wh_le_is(1, "reason", reason);
}

/* Job 1 is of type mail; w and v are the workers. */
static void no_handler_of_the_type(void **state)
{
    static const char *const can[] = {"{\"types\":[\"sms\",\"mail\"]}",
                                      "{\"types\":[\"*\"]}",
                                      "{\"slots\":4}",
                                      "{\"types\":[\"sms\"],\"types_cut\":true}",
                                      "[1]",
                                      "no JSON",
                                      "{\"types\":7}"};
    static const char *const can_not[] = {"{\"types\":[\"sms\",\"mails\"]}",
                                          "{\"types\":[]}", "{\"types\":[1,null]}"};

    (void)state;
    wh_ll_put(1, "mail", "");
    for (size_t i = 0; i < sizeof can / sizeof can[0]; i++) {
        wh_le_says("w", can[i]);
        wh_le_is(1, "reason", "ready");
        wh_le_is(1, "workers_able", "1");
    }
    for (size_t i = 0; i < sizeof can_not / sizeof can_not[0]; i++) {
        wh_le_says("w", can_not[i]);
        wh_le_is(1, "reason", "no_handler");
        wh_le_is(1, "workers_able", "0");
        wh_le_is(1, "workers", "1");
    }
    then("v", "{\"types\":[\"mail\"]}", "ready");
    wh_le_is(1, "workers_able", "1");
    wh_le_is(1, "workers", "2");
    wh_lc_text("OK", "wh1_quiet", "v"); /* the one that could */
    wh_le_is(1, "reason", "no_handler");
    /* A limit that holds it comes first. */
    wh_ll_set("pause:type/mail", "1");
    wh_le_is(1, "reason", "type_paused");
}

static void quiet_workers(void **state)
{
    (void)state;
    wh_ll_put(1, "mail", "");
    wh_le_says("w", "{\"state\":\"running\"}");
    then("v", "{\"state\":\"draining\"}", "ready");
    wh_le_is(1, "workers_quiet", "1");
    wh_lc_text("OK", "wh1_quiet", "w"); /* it has not heard of it yet */
    wh_le_is(1, "reason", "workers_quiet");
    wh_le_is(1, "workers_quiet", "2");
    then("x", "{\"state\":\"starting\"}", "ready");
}

static void workers_that_hold_back(void **state)
{
    (void)state;
    wh_ll_put(1, "mail", "");
    then("w", "{\"state\":\"running\",\"backpressure\":\"memory\"}", "backpressure");
    wh_le_is(1, "pressure", "memory");
    then("v", "{\"state\":\"quiet\",\"slots\":9}", "backpressure");
    wh_le_is(1, "slots", "0");
    then("v", "{\"state\":\"running\",\"slots\":9}", "ready");
    wh_le_is(1, "workers_pressed", "1");
    then("v", "{\"backpressure\":\"busy\"}", "backpressure");
    wh_le_is(1, "workers_pressed", "2");
}

static void all_slots_in_use(void **state)
{
    (void)state;
    wh_le_says("w", "{\"slots\":2}");
    for (unsigned n = 1; n <= 3; n++) {
        wh_ll_put(n, "mail", "");
    }
    wh_lc_claim("w", 1, "1");
    wh_le_is(3, "reason", "ready");
    wh_le_is(3, "slots", "2");
    wh_le_is(3, "slots_used", "1");
    wh_lc_claim("w", 1, "2");
    wh_le_is(3, "reason", "no_slot");
    wh_le_is(3, "slots_used", "2");
    wh_le_is(3, "holders", "default 2");
    wh_le_says("v", "{\"slots\":5,\"backpressure\":\"busy\"}");
    wh_le_is(3, "reason", "no_slot");
    wh_le_says("v", "{\"slots\":5}");
    wh_le_is(3, "reason", "ready");
}

/* Who has no handler claims it all the same: the job waits between its attempts. */
static void retries(void **state)
{
    (void)state;
    wh_le_says("w", "{\"types\":[\"sms\"]}");
    wh_ll_put(1, "mail", "");
    wh_lc_claim("w", 1, "1");
    wh_ll_end("w", 1, 1, "retry", 4000, "no_handler");
    wh_le_is(1, "status", "scheduled");
    wh_le_is(1, "reason", "no_handler");
    wh_le_is(1, "until_ms", "4000");
    wh_le_is(1, "attempts", "1");
    then("w", "{\"types\":[\"mail\"]}", "retry");
    wh_le_is(1, "error_category", "no_handler");
    wh_ll_put(2, "mail", "");
    wh_lc_claim("w", 1, "2");
    wh_ll_end("w", 2, 1, "retry", 4000, "timeout");
    wh_le_says("w", "{\"types\":[\"sms\"]}");
    wh_le_is(2, "reason", "retry");
    wh_le_is(2, "error_category", "timeout");
    wh_ll_put(3, "mail", "");
    wh_lc_claim("w", 1, "3");
    wh_ll_end("w", 3, 1, "snooze", 4000, NULL);
    wh_le_is(3, "reason", "snoozed");
}

/* Given back since its handler does not start; whatever ends its next claim takes that back. */
static void a_handler_that_does_not_start(void **state)
{
    static const char *const ends[][3] = {{"snooze", "", "snoozed"},
                                          {"retry", "timeout", "retry"},
                                          {"retry", "no_handler", "retry"}};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        wh_lc_reset(NULL);
        wh_le_says("w", "{}");
        wh_ll_put(1, "mail", "");
        wh_lc_claim("w", 1, "1");
        wh_ll_end("w", 1, 1, "snooze", 1000, "not_started");
        wh_le_is(1, "reason", "not_started");
        wh_le_is(1, "until_ms", "1000");
        wh_le_is(1, "attempts", "0");
        wh_lc_text("OK", "wh1_quiet", "w");
        wh_lc_advance(1000);
        wh_le_is(1, "reason", "workers_quiet");
        wh_le_says("v", "{}");
        wh_le_is(1, "reason", "not_started");
        wh_lc_claim("v", 1, "1");
        wh_ll_end("v", 1, 2, ends[i][0], 9000, ends[i][1]);
        wh_le_is(1, "reason", ends[i][2]);
        wh_lc_audit();
    }
    wh_ll_put(9, "mail", "");
    wh_lc_claim("v", 1, "9");
    wh_ll_end("v", 9, 1, "release", 0, "not_started"); /* at once */
    wh_le_is(9, "reason", "ready");
}

/* The first that holds it, from the queue to the group. */
static void the_outermost_comes_first(void **state)
{
    static const char *const order[][2] = {{"active:queue", "queue_cap"},
                                           {"active:org/o", "org_cap"},
                                           {"active:type/mail", "type_cap"},
                                           {"active:group", "group_cap"}};

    (void)state;
    wh_le_says("w", "{}");
    for (unsigned i = 0; i < 4; i++) {
        wh_ll_set(order[i][0], "1");
    }
    wh_ll_put(1, "mail", "ORG o GROUP g");
    wh_ll_put(2, "mail", "ORG o GROUP g");
    wh_lc_claim("w", 10, "1");
    for (unsigned i = 0; i < 4; i++) {
        wh_le_is(2, "reason", order[i][1]);
        wh_ll_set(order[i][0], "");
    }
    wh_le_is(2, "reason", "ready");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(ready_and_delayed),
        WH_LC_TEST(one_that_expires),
        WH_LC_TEST(jobs_that_do_not_wait),
        WH_LC_TEST(whose_worker_is_lost),
        WH_LC_TEST(every_setting_is_named),
        WH_LC_TEST(an_open_breaker),
        WH_LC_TEST(an_adaptive_rate),
        WH_LC_TEST(a_paused_queue_and_no_worker),
        WH_LC_TEST(an_overdue_job),
        WH_LC_TEST(no_handler_of_the_type),
        WH_LC_TEST(quiet_workers),
        WH_LC_TEST(workers_that_hold_back),
        WH_LC_TEST(all_slots_in_use),
        WH_LC_TEST(retries),
        WH_LC_TEST(a_handler_that_does_not_start),
        WH_LC_TEST(the_outermost_comes_first),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
