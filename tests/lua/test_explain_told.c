/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_explain, wh1_job and wh1_usage: what a handler said when it snoozed a job, the time for its
 * retries, workers that are not all alike, and what is paused before a claim met it.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_explain.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static void snooze(unsigned n, unsigned fence, const char *category,
                   const char *message)
{
    struct wh_lc_end e = {.n = n,
                          .fence = fence,
                          .outcome = "snooze",
                          .delay_ms = 5000,
                          .category = category,
                          .message = message};

    wh_lc_finish("w", &e, true);
}

/* A field of a list that a function gave. */
static void field_is(redisReply *r, const char *name, const char *want)
{
    const redisReply *v = wh_lc_find(r, name);

    if (strcmp(v != NULL ? v->str : "", want) != 0) {
        fail_msg("%s is \"%s\", should be \"%s\"", name, v != NULL ? v->str : "", want);
    }
}

/* A field of job n's record. */
static void shows(unsigned n, const char *name, const char *want)
{
    redisReply *r = wh_lc_call("wh1_job", "%s", wh_lc_id(n));

    field_is(r, name, want);
    freeReplyObject(r);
}

static void what_a_snooze_said(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_ll_put(1, "mail", "");
    wh_lc_claim("w", 1, "1");
    snooze(1, 1, "rate_limited", "try later");
    wh_le_is(1, "reason", "snoozed");
    wh_le_is(1, "until_ms", "5000");
    wh_le_is(1, "snoozes", "1");
    wh_le_is(1, "snooze_category", "rate_limited");
    wh_le_is(1, "snooze_message", "try later");
    shows(1, "snoozes", "1");
    shows(1, "snooze_category", "rate_limited");
    shows(1, "snooze_message", "try later");
    shows(1, "error_message", "");
    redisReply *r = wh_lc_call("wh1_job", "%s", wh_lc_id(1));
    assert_string_equal(wh_lc_find(r, "snoozed_until_ms")->str,
                        wh_lc_find(r, "next_retry_at_ms")->str);
    freeReplyObject(r);
    wh_lc_advance(5000);
    wh_lc_claim("w", 1, "1");
    shows(1, "snoozed_until_ms", "");
    snooze(1, 2, NULL, NULL);
    wh_le_is(1, "snoozes", "2");
    wh_le_is(1, "snooze_category", "");
    wh_le_is(1, "snooze_message", "");
    wh_lc_audit();
}

/* It counts, but the last word is another one. */
static void other_ends_after_a_snooze(void **state)
{
    static const char *const ends[][2] = {{"retry", "retry"}, {"release", "ready"}};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        wh_lc_reset(NULL);
        wh_le_says("w", "{}");
        wh_ll_put(1, "mail", "");
        wh_lc_claim("w", 1, "1");
        snooze(1, 1, "rate_limited", "try later");
        wh_lc_advance(5000);
        wh_lc_claim("w", 1, "1");
        wh_ll_end("w", 1, 2, ends[i][0], i == 0 ? 4000 : 0, NULL);
        wh_le_is(1, "reason", ends[i][1]);
        wh_le_is(1, "snoozes", "1");
        wh_le_is(1, "snooze_message", "");
        shows(1, "snoozed_until_ms", "");
    }
    wh_lc_claim("w", 1, "1");
    wh_lc_done("w", 1, 3, true);
    shows(1, "status", "completed");
    shows(1, "snooze_message", "");
    wh_ll_put(2, "mail", ""); /* that its handler does not start is the worker's word */
    wh_lc_claim("w", 1, "2");
    snooze(2, 1, "not_started", "exit status 1");
    wh_le_is(2, "reason", "not_started");
    wh_le_is(2, "snoozes", "");
    wh_le_is(2, "snooze_message", "");
}

/* What no handler put off keeps no more than before. */
static void a_plain_job_keeps_nothing(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_ll_put(1, "mail", "");
    wh_lc_claim("w", 1, "1");
    wh_ll_end("w", 1, 1, "retry", 4000, "timeout");
    redisReply *r = wh_lc_cmd("HGET " WH_LC_P ":meta %b", WH_LC_RAW(1));
    assert_int_equal((unsigned char)r->str[0], 0xdc); /* an array of 18 */
    assert_int_equal((unsigned char)r->str[2], 18);
    freeReplyObject(r);
}

/* The time for its retries, and whether its next start is bound by it. */
static void the_time_for_retries(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_ll_put(1, "mail", "RETRYFOR 20000");
    wh_ll_put(2, "mail", "RETRYFOR 20000 DELAY 30000");
    wh_ll_put(3, "mail", "");
    wh_lc_advance(1000);
    wh_le_is(1, "retries_end_ms", "19000");
    wh_le_is(1, "is_retry", "");
    wh_le_is(2, "retries_end_ms", "19000");
    wh_le_is(2, "is_retry", "");
    wh_le_is(3, "retries_end_ms", "");
    wh_lc_claim("w", 2, "1 3");
    wh_le_is(1, "retries_end_ms", "");
    wh_ll_end("w", 1, 1, "retry", 4000, "timeout");
    wh_le_is(1, "retries_end_ms", "19000");
    wh_le_is(1, "is_retry", "1");
    wh_lc_advance(4000);
    wh_lc_claim("w", 1, "1");
    wh_ll_end("w", 1, 2, "release", 0, NULL); /* it may start whenever that is */
    wh_le_is(1, "retries_end_ms", "15000");
    wh_le_is(1, "is_retry", "");
    wh_lc_claim("w", 1, "1");
    snooze(1, 3, NULL, NULL);
    wh_le_is(1, "is_retry", "1");
    wh_lc_advance(16000);
    wh_le_is(1, "retries_end_ms", "0");
}

/* Those that have no handler for it do not hide what holds the others. */
static void workers_of_several_kinds(void **state)
{
    (void)state;
    wh_le_says("able", "{\"types\":[\"mail\"],\"slots\":1}");
    wh_le_says("other", "{\"types\":[\"sms\"],\"slots\":4}");
    wh_ll_put(1, "mail", "");
    wh_ll_put(2, "mail", "");
    wh_le_is(2, "reason", "ready");
    wh_lc_claim("able", 1, "1");
    wh_le_is(2, "reason", "no_slot");
    wh_le_is(2, "workers_able", "1");
    wh_le_is(2, "able_full", "1");
    wh_le_is(2, "able_pressed", "0");
    wh_le_says("busy", "{\"types\":[\"mail\"],\"slots\":2,\"backpressure\":\"busy\"}");
    wh_le_says("other", "{\"types\":[\"sms\"],\"backpressure\":\"memory\"}");
    wh_le_is(2, "reason", "no_slot");
    wh_le_is(2, "workers_able", "2");
    wh_le_is(2, "able_full", "1");
    wh_le_is(2, "able_pressed", "1");
    wh_le_is(2, "workers_pressed", "2");
    wh_le_is(2, "pressure", "busy"); /* of the one that could */
    wh_lc_text("OK", "wh1_quiet", "able");
    wh_le_is(2, "reason", "backpressure");
    wh_le_is(2, "able_full", "0");
    wh_le_says("busy", "{\"types\":[\"mail\"],\"slots\":2}");
    wh_le_is(2, "reason", "ready");
}

static void waits(const char *ready, const char *parked, const char *orgs,
                  const char *paused)
{
    redisReply *r = wh_lc_call("wh1_usage", "10");

    field_is(r->element[0], "ready", ready);
    field_is(r->element[0], "parked", parked);
    field_is(r->element[0], "parked_orgs", orgs);
    field_is(r->element[0], "queue_paused", paused);
    freeReplyObject(r);
}

/* A claim that meets them changes no figure. */
static void what_is_paused_is_not_ready(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    for (unsigned n = 1; n <= 3; n++) {
        wh_ll_put(n, "mail", "ORG o");
        wh_ll_put(10 + n, "mail", n < 3 ? "ORG p GROUP g" : "ORG p PRIORITY 9");
    }
    waits("6", "0", "0", "0");
    wh_lc_text("OK", "wh1_pause", "");
    waits("0", "6", "0", "1");
    wh_lc_claim("w", 9, "");
    waits("0", "6", "0", "1");
    wh_lc_text("OK", "wh1_resume", "");
    waits("6", "0", "0", "0");
    wh_ll_set("pause:org/p", "1");
    wh_ll_set("pause:org/nobody", "1");
    waits("3", "3", "1", "0");
    wh_lc_claim("w", 9, "1 2 3");
    waits("0", "3", "1", "0");
    wh_ll_put(20, "mail", "ORG p");
    waits("0", "4", "1", "0");
    wh_ll_set("pause:org/p", "");
    waits("4", "0", "0", "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(what_a_snooze_said),        WH_LC_TEST(other_ends_after_a_snooze),
        WH_LC_TEST(a_plain_job_keeps_nothing), WH_LC_TEST(the_time_for_retries),
        WH_LC_TEST(workers_of_several_kinds),  WH_LC_TEST(what_is_paused_is_not_ready),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
