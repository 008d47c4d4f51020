/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_cycle, the finishing half: every outcome, fencing, malformed lists.
 */
#include "tests/support/lua_case.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void claim_one(const char *worker, const char *options)
{
    wh_lc_worker(worker);
    wh_lc_enqueue(1, options);
    wh_lc_claim(worker, 1, "1");
    wh_lc_status(1, "in_progress");
}

static void plain_success(void **state)
{
    (void)state;
    claim_one("w", "ORG acme");
    wh_lc_field(1, "worker", "w");
    wh_lc_field(1, "started_at_ms", "1700000000000");
    wh_lc_stat("in_progress", 1);
    wh_lc_advance(50);
    wh_lc_done("w", 1, 1, true);
    wh_lc_status(1, "completed");
    wh_lc_field(1, "finished_at_ms", "1700000000050");
    wh_lc_field(1, "started_at_ms", "1700000000000");
    wh_lc_field(1, "worker", "w");
    wh_lc_field(1, "fence", "1");
    wh_lc_field(1, "attempts", "0");
    wh_lc_stat("in_progress", 0);
    wh_lc_stat("completed", 1);
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":active"), 0);
    wh_lc_audit();
}

static void success_with_result(void **state)
{
    struct wh_lc_end e = {
        .n = 1, .fence = 1, .outcome = "ok", .result = "{\"rows\":3}"};

    (void)state;
    claim_one("w", "");
    wh_lc_finish("w", &e, true);
    wh_lc_status(1, "completed");
    wh_lc_field(1, "result", "{\"rows\":3}");
    wh_lc_stat("completed", 1);
    wh_lc_audit();
}

static void kept_none(void **state)
{
    struct wh_lc_end e = {.n = 2, .fence = 1, .outcome = "ok", .result = "x"};

    (void)state;
    wh_lc_ok("wh1_configure", "keep_count 0");
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_enqueue(2, "");
    wh_lc_claim("w", 2, "1 2");
    wh_lc_done("w", 1, 1, true);
    wh_lc_finish("w", &e, true);
    wh_lc_status(1, NULL);
    wh_lc_status(2, NULL);
    assert_int_equal(
        wh_lc_count("EXISTS " WH_LC_P ":jobs " WH_LC_P ":meta " WH_LC_P ":done"), 0);
    wh_lc_stat("completed", 2);
    wh_lc_audit();
}

static void keeps_no_more_than_it_should(void **state)
{
    (void)state;
    wh_lc_ok("wh1_configure", "keep_count 2");
    wh_lc_worker("w");
    for (unsigned n = 1; n <= 4; n++) {
        wh_lc_enqueue(n, "");
        wh_lc_ok("wh1_cycle", "w 1 0");
        wh_lc_advance(1);
        wh_lc_done("w", n, 1, true);
    }
    wh_lc_status(2, NULL);
    wh_lc_status(3, "completed");
    wh_lc_stat("kept", 2);
    wh_lc_audit();
}

static void retry_waits_then_runs(void **state)
{
    struct wh_lc_end e = {.n = 1,
                          .fence = 1,
                          .outcome = "retry",
                          .delay_ms = 60000,
                          .category = "timeout",
                          .message = "no_answer",
                          .context = "{}"};

    (void)state;
    claim_one("w", "PRIORITY 7 ORG acme");
    wh_lc_finish("w", &e, true);
    wh_lc_status(1, "scheduled");
    wh_lc_field(1, "attempts", "1");
    wh_lc_field(1, "error_category", "timeout");
    wh_lc_field(1, "error_message", "no_answer");
    wh_lc_field(1, "error_context", "{}");
    wh_lc_field(1, "next_retry_at_ms", "1700000060000");
    wh_lc_field(1, "history",
                "[[\"2023-11-14T22:13:20.000Z\",\"timeout\",\"no_answer\"]]");
    wh_lc_claim("w", 1, "");
    wh_lc_worker("w");
    wh_lc_advance(29999);
    wh_lc_worker("w");
    wh_lc_claim("w", 1, "");
    wh_lc_advance(29999);
    wh_lc_worker("w");
    wh_lc_advance(2);
    wh_lc_claim("w", 1, "1");
    wh_lc_field(1, "fence", "2");
    wh_lc_done("w", 1, 1, false);
    wh_lc_status(1, "in_progress");
    wh_lc_done("w", 1, 2, true);
    wh_lc_status(1, "completed");
    wh_lc_field(1, "attempts", "1");
    wh_lc_audit();
}

static void retry_at_once_goes_to_the_end(void **state)
{
    struct wh_lc_end e = {.n = 1, .fence = 1, .outcome = "retry"};

    (void)state;
    claim_one("w", "");
    wh_lc_enqueue(2, "");
    wh_lc_finish("w", &e, true);
    wh_lc_status(1, "pending");
    wh_lc_field(1, "error_category", "error");
    wh_lc_claim("w", 2, "2 1");
    wh_lc_audit();
}

static void snooze_uses_no_attempt(void **state)
{
    struct wh_lc_end e = {.n = 1, .fence = 1, .outcome = "snooze", .delay_ms = 10};

    (void)state;
    claim_one("w", "");
    wh_lc_finish("w", &e, true);
    wh_lc_status(1, "scheduled");
    wh_lc_field(1, "attempts", "0");
    wh_lc_field(1, "history", NULL);
    wh_lc_stat("snoozed", 1);
    wh_lc_advance(10);
    wh_lc_claim("w", 1, "1");
    wh_lc_audit();
}

static void release_goes_to_the_head(void **state)
{
    struct wh_lc_end e = {.n = 1, .fence = 1, .outcome = "release"};

    (void)state;
    claim_one("w", "");
    wh_lc_enqueue(2, "");
    wh_lc_finish("w", &e, true);
    wh_lc_status(1, "pending");
    wh_lc_field(1, "attempts", "0");
    wh_lc_claim("w", 2, "1 2");
    wh_lc_stat("released", 1);
    wh_lc_audit();
}

/* The entry of job 1; NULL: its id. */
static const char *const dead_entry[] = {
    "id",
    NULL,
    "type",
    "mail",
    "org",
    "acme",
    "region",
    "eu",
    "queue",
    "q",
    "error_category",
    "not_found",
    "error_message",
    "gone",
    "failed_at",
    "2023-11-14T22:13:21.500Z",
    "error_context",
    "ctx",
    "attempts",
    "1",
    "max_attempts",
    "3",
    "recoveries",
    "0",
    "priority",
    "5",
    "entity_type",
    "invoice",
    "entity_id",
    "42",
    "worker",
    "w",
    "enqueued_at",
    "2023-11-14T22:13:20.000Z",
    "started_at",
    "2023-11-14T22:13:20.000Z",
    "enqueued_at_ms",
    "1700000000000",
    "started_at_ms",
    "1700000000000",
    "finished_at_ms",
    "1700000001500",
    "fence",
    "1",
    "history",
    "[[\"2023-11-14T22:13:21.500Z\",\"not_found\",\"gone\"]]",
    "payload",
    "p1"};

static void dead_goes_to_the_stream(void **state)
{
    struct wh_lc_end e = {.n = 1,
                          .fence = 1,
                          .outcome = "dead",
                          .category = "not_found",
                          .message = "gone",
                          .context = "ctx"};

    (void)state;
    claim_one("w", "ORG acme ENTITY invoice 42 MAXATTEMPTS 3");
    wh_lc_advance(1500);
    wh_lc_finish("w", &e, true);
    redisReply *r = wh_lc_cmd("XRANGE " WH_LC_P ":dlq - +");
    assert_int_equal(r->elements, 1);
    const redisReply *f = r->element[0]->element[1];
    assert_int_equal(f->elements, sizeof dead_entry / sizeof dead_entry[0]);
    for (size_t i = 0; i < f->elements; i++) {
        assert_string_equal(f->element[i]->str,
                            dead_entry[i] != NULL ? dead_entry[i] : wh_lc_id(1));
    }
    freeReplyObject(r);
    wh_lc_status(1, "failed");
    wh_lc_stat("dead", 1);
    wh_lc_stat("dead_total", 1);
    wh_lc_audit();
}

static void binary_survives_the_stream(void **state)
{
    struct wh_lc_end e = {.n = 1, .fence = 1, .outcome = "dead"};
    char payload[256];

    (void)state;
    for (size_t i = 0; i < sizeof payload; i++) {
        payload[i] = (char)i;
    }
    wh_lc_worker("w");
    wh_lc_ok("wh1_enqueue", "mail %b ID %s", payload, sizeof payload, wh_lc_id(1));
    wh_lc_claim("w", 1, "1");
    wh_lc_finish("w", &e, true);
    wh_lc_text("pending", "wh1_retry", "%s", wh_lc_id(1));
    redisReply *r = wh_lc_call("wh1_job", "%s", wh_lc_id(1));
    assert_int_equal(wh_lc_find(r, "payload")->len, sizeof payload);
    assert_memory_equal(wh_lc_find(r, "payload")->str, payload, sizeof payload);
    freeReplyObject(r);
}

static void ends_as_cancelled_or_expired(void **state)
{
    struct wh_lc_end e = {.n = 1, .fence = 1, .outcome = "cancelled"};

    (void)state;
    claim_one("w", "");
    wh_lc_finish("w", &e, true);
    wh_lc_status(1, "cancelled");
    wh_lc_enqueue(2, "");
    wh_lc_claim("w", 1, "2");
    e.n = 2;
    e.outcome = "expired";
    wh_lc_finish("w", &e, true);
    wh_lc_status(2, "expired");
    wh_lc_stat("cancelled", 1);
    wh_lc_stat("expired", 1);
    wh_lc_audit();
}

/* Whatever would run again ends as cancelled once that was asked for. */
static void a_cancelled_job_does_not_run_again(void **state)
{
    static const char *const outcomes[] = {"retry", "snooze", "release"};
    struct wh_lc_end e = {.fence = 1};

    (void)state;
    wh_lc_worker("w");
    for (unsigned n = 1; n <= 6; n++) {
        wh_lc_enqueue(n, "");
        wh_lc_ok("wh1_cycle", "w 1 0");
        wh_lc_text("requested", "wh1_cancel", "%s", wh_lc_id(n));
        e.n = n;
        e.outcome = outcomes[n % 3];
        e.delay_ms = n > 3 ? 1000 : 0;
        wh_lc_finish("w", &e, true);
        wh_lc_status(n, "cancelled");
    }
    wh_lc_stat("cancelled", 6);
    wh_lc_audit();
}

static void success_wins_over_cancel(void **state)
{
    (void)state;
    claim_one("w", "");
    wh_lc_text("requested", "wh1_cancel", "%s", wh_lc_id(1));
    wh_lc_done("w", 1, 1, true);
    wh_lc_status(1, "completed");
    wh_lc_audit();
}

static void history_is_short(void **state)
{
    struct wh_lc_end e = {.n = 1, .outcome = "retry", .category = "crash"};
    char message[301];

    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    memset(message, 'm', 300);
    strcpy(message + 199, "\xc3\xa9\xc3\xa9");
    for (unsigned i = 1; i <= 7; i++) {
        wh_lc_ok("wh1_cycle", "w 1 0");
        e.fence = i;
        e.message = message;
        wh_lc_finish("w", &e, true);
    }
    wh_lc_field(1, "attempts", "7");
    redisReply *r = wh_lc_call("wh1_job", "%s", wh_lc_id(1));
    const char *text = wh_lc_find(r, "history")->str;
    unsigned rows = 0;
    for (const char *p = text; (p = strstr(p, "crash")) != NULL; p++) {
        rows++;
    }
    assert_int_equal(rows, 5);
    assert_null(strchr(text, '\xc3')); /* cut before the character, not inside it */
    freeReplyObject(r);
    wh_lc_audit();
}

static void repeated_finish_is_fenced(void **state)
{
    static const char *const outcomes[] = {"ok",      "retry",     "dead",   "snooze",
                                           "release", "cancelled", "expired"};
    char before[41], after[41];

    (void)state;
    wh_lc_worker("w");
    for (unsigned i = 0; i < 7; i++) {
        struct wh_lc_end e = {
            .n = i + 1, .fence = 1, .outcome = outcomes[i], .delay_ms = 99};

        wh_lc_enqueue(i + 1, "ORG o%u", i);
        wh_lc_ok("wh1_cycle", "w 1 0");
        wh_lc_finish("w", &e, true);
        freeReplyObject(wh_lc_cmd("HDEL " WH_LC_P ":stats fenced"));
        wh_lc_digest(before);
        wh_lc_finish("w", &e, false);
        wh_lc_done("w", i + 1, 1, false);
        freeReplyObject(wh_lc_cmd("HDEL " WH_LC_P ":stats fenced"));
        wh_lc_digest(after);
        assert_string_equal(before, after);
        if (strcmp(outcomes[i], "release") == 0) {
            wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(i + 1));
        }
    }
    wh_lc_audit();
}

static void a_token_named_twice_counts_once(void **state)
{
    (void)state;
    claim_one("w", "");
    redisReply *r =
        wh_lc_call("wh1_cycle", "w 0 2 %b %b %b dead 0 %s %s %s %s", WH_LC_TOK(1, 1),
                   WH_LC_TOK(1, 1), WH_LC_TOK(1, 1), "", "", "", "");
    assert_int_equal(r->element[3]->elements, 2);
    freeReplyObject(r);
    wh_lc_status(1, "completed");
    wh_lc_stat("completed", 1);
    wh_lc_stat("fenced", 2);
    wh_lc_audit();
}

static void strangers_are_fenced(void **state)
{
    (void)state;
    claim_one("w1", "");
    wh_lc_worker("w2");
    wh_lc_done("w2", 1, 1, false);
    wh_lc_done("w1", 1, 2, false);
    wh_lc_done("w1", 1, 99999, false);
    wh_lc_done("w1", 2, 1, false);
    wh_lc_error("WHLOST", "wh1_cycle", "w3 0 1 %b", WH_LC_TOK(1, 1));
    wh_lc_status(1, "in_progress");
    wh_lc_stat("fenced", 4);
    wh_lc_done("w1", 1, 1, true);
    wh_lc_audit();
}

static void a_lost_lease_is_fenced(void **state)
{
    (void)state;
    claim_one("w1", "");
    wh_lc_advance(30000);
    wh_lc_error("WHLOST", "wh1_cycle", "w1 0 1 %b", WH_LC_TOK(1, 1));
    wh_lc_error("WHLOST", "wh1_cycle", "w1 1 0");
    wh_lc_worker("w2");
    wh_lc_claim("w2", 1, "1"); /* recovered on the way */
    wh_lc_field(1, "recoveries", "1");
    wh_lc_field(1, "attempts", "0");
    wh_lc_error("WHLOST", "wh1_cycle", "w1 0 1 %b", WH_LC_TOK(1, 1));
    wh_lc_done("w2", 1, 1, false);
    wh_lc_done("w2", 1, 2, true);
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(plain_success),
        WH_LC_TEST(success_with_result),
        WH_LC_TEST(kept_none),
        WH_LC_TEST(keeps_no_more_than_it_should),
        WH_LC_TEST(retry_waits_then_runs),
        WH_LC_TEST(retry_at_once_goes_to_the_end),
        WH_LC_TEST(snooze_uses_no_attempt),
        WH_LC_TEST(release_goes_to_the_head),
        WH_LC_TEST(dead_goes_to_the_stream),
        WH_LC_TEST(binary_survives_the_stream),
        WH_LC_TEST(ends_as_cancelled_or_expired),
        WH_LC_TEST(a_cancelled_job_does_not_run_again),
        WH_LC_TEST(success_wins_over_cancel),
        WH_LC_TEST(history_is_short),
        WH_LC_TEST(repeated_finish_is_fenced),
        WH_LC_TEST(a_token_named_twice_counts_once),
        WH_LC_TEST(strangers_are_fenced),
        WH_LC_TEST(a_lost_lease_is_fenced),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
