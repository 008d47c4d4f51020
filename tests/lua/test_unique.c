/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idempotency keys: how long they are taken (UNIQUE), and what a second job with a taken key
 * does (CONFLICT), in every state of the first one.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Enqueues job n with a key and expects the answer and the id of job `who`. */
static void put(unsigned n, const char *payload, const char *options,
                const char *answer, unsigned who)
{
    struct wh_lc_args a = {0};
    char words[256];
    char *save = NULL;

    wh_lc_add_text(&a, "mail");
    wh_lc_add_text(&a, "%s", payload);
    wh_lc_add_text(&a, "ID");
    wh_lc_add_text(&a, "%s", wh_lc_id(n));
    wh_lc_add_text(&a, "KEY");
    wh_lc_add_text(&a, "k");
    snprintf(words, sizeof words, "%s", options);
    for (char *w = strtok_r(words, " ", &save); w != NULL;
         w = strtok_r(NULL, " ", &save)) {
        wh_lc_add_text(&a, "%s", w);
    }
    redisReply *r = wh_lc_call_args("wh1_enqueue", &a);
    if (r->type != REDIS_REPLY_ARRAY) {
        fail_msg("%s: %s", options, r->str);
    }
    assert_string_equal(r->element[1]->str, answer);
    assert_string_equal(r->element[0]->str, wh_lc_id(who));
    freeReplyObject(r);
}

static bool key_is_taken(void)
{
    return wh_lc_count("EXISTS " WH_LC_P ":unique:default:k") == 1;
}

static void a_key_is_taken_for_its_time(void **state)
{
    (void)state;
    wh_lc_worker("w");
    put(1, "p", "KEYTTL 5000", "created", 1);
    put(2, "p", "", "existing", 1);
    wh_lc_claim("w", 1, "1");
    put(2, "p", "UNIQUE ttl", "existing", 1);
    wh_lc_done("w", 1, 1, true);
    put(2, "p", "UNIQUE done", "existing", 1); /* the first one's word counts */
    assert_in_range(wh_lc_count("PTTL " WH_LC_P ":unique:default:k"), 1, 5000);
    wh_lc_status(2, NULL);
    wh_lc_audit();
}

static void default_time_is_a_day(void **state)
{
    (void)state;
    put(1, "p", "", "created", 1);
    assert_in_range(wh_lc_count("PTTL " WH_LC_P ":unique:default:k"), 86390000,
                    86400000);
}

/* However it ends. */
static void until_done_ends_with_the_job(void **state)
{
    static const char *const endings[] = {"completed", "ok", "dead", "cancelled",
                                          "expired"};

    (void)state;
    for (unsigned keep = 0; keep < 2; keep++) {
        for (unsigned i = 0; i < 5; i++) {
            wh_lc_reset(NULL);
            wh_lc_worker("w");
            wh_lc_ok("wh1_configure", "keep_count %u", keep * 100);
            put(1, "p", "UNIQUE done", "created", 1);
            wh_lc_claim("w", 1, "1");
            assert_true(key_is_taken());
            if (i == 0) {
                wh_lc_done("w", 1, 1, true);
            } else {
                wh_ll_end("w", 1, 1, endings[i], 0, "invalid");
            }
            if (key_is_taken()) {
                fail_msg("%s leaves the key", endings[i]);
            }
            put(2, "p", "UNIQUE done", "created", 2);
            wh_lc_audit();
        }
    }
}

static void until_done_outlives_retries(void **state)
{
    (void)state;
    wh_lc_worker("w");
    put(1, "p", "UNIQUE done", "created", 1);
    wh_lc_claim("w", 1, "1");
    wh_ll_end("w", 1, 1, "retry", 0, "error");
    assert_true(key_is_taken());
    wh_lc_claim("w", 1, "1");
    wh_ll_end("w", 1, 2, "snooze", 5, NULL);
    put(2, "p", "", "existing", 1);
    wh_lc_advance(5);
    wh_lc_claim("w", 1, "1");
    wh_ll_end("w", 1, 3, "release", 0, NULL);
    assert_true(key_is_taken());
    wh_lc_claim("w", 1, "1");
    wh_lc_done("w", 1, 4, true);
    assert_false(key_is_taken());
    wh_lc_audit();
}

static void until_done_ends_without_a_claim(void **state)
{
    (void)state;
    put(1, "p", "UNIQUE done", "created", 1);
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(1));
    assert_false(key_is_taken());
    put(2, "p", "UNIQUE done EXPIRES 10", "created", 2);
    wh_lc_advance(10);
    wh_lc_ok("wh1_expire", "10");
    assert_false(key_is_taken());
    put(3, "p", "UNIQUE queued DELAY 100", "created", 3);
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(3));
    assert_false(key_is_taken());
    wh_lc_audit();
}

static void until_done_ends_with_poison(void **state)
{
    (void)state;
    wh_lc_worker("w");
    put(1, "p", "UNIQUE done", "created", 1);
    for (unsigned i = 1; i <= 3; i++) {
        wh_lc_worker("lost");
        wh_lc_claim("lost", 1, "1");
        wh_lc_advance(30001);
        wh_lc_ok("wh1_recover", "10");
    }
    wh_lc_status(1, "failed");
    assert_false(key_is_taken());
    wh_lc_audit();
}

static void until_claimed_ends_at_the_claim(void **state)
{
    (void)state;
    wh_lc_worker("w");
    put(1, "p", "UNIQUE queued", "created", 1);
    put(2, "p", "UNIQUE queued", "existing", 1);
    wh_lc_claim("w", 1, "1");
    assert_false(key_is_taken());
    put(2, "p", "UNIQUE queued", "created", 2);
    wh_ll_end("w", 1, 1, "retry", 0, "error"); /* waits again, without the key */
    put(3, "p", "", "existing", 2);
    wh_lc_claim("w", 1, "2");
    assert_false(key_is_taken());
    wh_lc_claim("w", 1, "1");
    wh_lc_audit();
}

/* A key that expired and that another job has now is not that job's to give away. */
static void a_key_of_another_job_stays(void **state)
{
    (void)state;
    wh_lc_worker("w");
    put(1, "p", "UNIQUE done", "created", 1);
    wh_lc_claim("w", 1, "1");
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":unique:default:k"));
    put(2, "p", "UNIQUE done", "created", 2);
    wh_lc_done("w", 1, 1, true);
    put(3, "p", "", "existing", 2);
}

static void payload_is(unsigned n, const char *want)
{
    wh_lc_field(n, "payload", want);
}

static void replace_changes_a_waiting_job(void **state)
{
    (void)state;
    wh_lc_worker("w");
    put(1, "old", "MAXATTEMPTS 3", "created", 1);
    wh_lc_enqueue(9, "");
    wh_lc_advance(50);
    put(2, "a longer payload", "CONFLICT replace MAXATTEMPTS 7 EXPIRES 1000",
        "replaced", 1);
    payload_is(1, "a longer payload");
    wh_lc_field(1, "max_attempts", "7");
    wh_lc_field(1, "enqueued_at_ms", "1700000000000");
    wh_lc_field(1, "expires_at_ms", "1700000001050"); /* from now */
    wh_lc_status(2, NULL);
    wh_lc_audit();
    put(2, "p", "CONFLICT replace", "replaced", 1); /* and it expires no more */
    wh_lc_field(1, "expires_at_ms", NULL);
    wh_lc_advance(2000);
    wh_lc_ok("wh1_expire", "10");
    wh_lc_audit();
    wh_lc_claim("w", 2, "1 9"); /* its place */
    wh_lc_audit();
}

/* The times of the new options count from the call that brings them. */
static void new_options_count_from_now(void **state)
{
    (void)state;
    wh_lc_worker("w");
    put(1, "v1", "DELAY 60000", "created", 1);
    wh_lc_advance(1200);
    put(2, "v2", "CONFLICT extend DELAY 500 EXPIRES 1000 RETRYFOR 700", "extended", 1);
    wh_lc_field(1, "expires_at_ms", "1700000002200");
    wh_lc_field(1, "retry_for_ms", "1900"); /* after its enqueue, which stays */
    assert_int_equal(wh_lc_nth(1, "wh1_expire", "10"), 0);
    wh_lc_advance(100);
    put(2, "v3", "CONFLICT replace EXPIRES 315360000000", "replaced", 1);
    put(2, "v4", "CONFLICT replace EXPIRES 1000", "replaced", 1);
    wh_lc_audit();
    wh_lc_advance(999);
    assert_int_equal(wh_lc_nth(1, "wh1_expire", "10"), 0);
    wh_lc_status(1, "scheduled");
    wh_lc_advance(1);
    assert_int_equal(wh_lc_nth(1, "wh1_expire", "10"), 1);
    wh_lc_status(1, "expired");
    wh_lc_audit();
}

static void replace_keeps_the_time_of_a_delayed_job(void **state)
{
    (void)state;
    wh_lc_worker("w");
    put(1, "old", "DELAY 1000", "created", 1);
    wh_lc_advance(500);
    put(2, "new", "DELAY 1000 CONFLICT replace", "replaced", 1);
    wh_lc_audit();
    wh_lc_advance(500);
    wh_lc_claim("w", 1, "1");
    payload_is(1, "new");
}

/* Debounce: runs a while after the last call. */
static void extend_puts_a_delayed_job_off(void **state)
{
    (void)state;
    wh_lc_worker("w");
    put(1, "v1", "DELAY 1000 KEYTTL 5000 CONFLICT extend", "created", 1);
    for (unsigned i = 0; i < 5; i++) {
        wh_lc_advance(800);
        wh_lc_claim("w", 1, "");
        put(2, "v2", "DELAY 1000 KEYTTL 700000 CONFLICT extend", "extended", 1);
    }
    assert_in_range(wh_lc_count("PTTL " WH_LC_P ":unique:default:k"), 600000, 700000);
    wh_lc_advance(1000);
    wh_lc_claim("w", 1, "1");
    payload_is(1, "v2");
    wh_lc_audit();
}

static void extend_of_a_ready_job_is_no_delay(void **state)
{
    (void)state;
    wh_lc_worker("w");
    put(1, "v1", "", "created", 1);
    put(2, "v2", "DELAY 1000 CONFLICT extend", "extended", 1);
    wh_lc_claim("w", 1, "1");
    payload_is(1, "v2");
    wh_lc_audit();
}

static void keep_last_takes_the_place_of_the_first(void **state)
{
    (void)state;
    wh_lc_worker("w");
    put(1, "v1", "", "created", 1);
    wh_lc_enqueue(5, "");
    put(2, "v2", "CONFLICT keep_last PRIORITY 5", "created", 2);
    wh_lc_status(1, "cancelled");
    wh_lc_audit();
    put(3, "v3", "CONFLICT keep_last DELAY 10", "created", 3);
    wh_lc_status(2, "cancelled");
    put(4, "v4", "CONFLICT keep_last", "created", 4);
    wh_lc_status(3, "cancelled");
    wh_lc_audit();
    wh_lc_claim("w", 10, "5 4");
    put(6, "p", "", "existing", 4);
    wh_lc_audit();
}

static void keep_last_with_nothing_kept(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_ok("wh1_configure", "keep_count 0");
    put(1, "v1", "", "created", 1);
    put(2, "v2", "CONFLICT keep_last", "created", 2);
    wh_lc_status(1, NULL);
    wh_lc_audit();
    wh_lc_claim("w", 10, "2");
    wh_lc_audit();
}

/* A job that runs or ran is never touched. */
static void a_running_job_is_not_touched(void **state)
{
    (void)state;
    wh_lc_worker("w");
    put(1, "v1", "", "created", 1);
    wh_lc_claim("w", 1, "1");
    put(2, "v2", "CONFLICT replace", "existing", 1);
    put(2, "v2", "CONFLICT extend", "existing", 1);
    put(2, "v2", "CONFLICT keep", "existing", 1);
    payload_is(1, "v1");
    put(2, "v2", "CONFLICT keep_last", "created", 2);
    wh_lc_status(1, "in_progress");
    wh_lc_audit();
    wh_lc_done("w", 1, 1, true);
    wh_lc_claim("w", 1, "2");
    wh_lc_done("w", 2, 1, true);
    put(3, "v3", "CONFLICT replace", "existing", 2);
    put(3, "v3", "CONFLICT keep_last", "created", 3);
    wh_lc_status(2, "completed");
    wh_lc_audit();
}

/* In every state of the other org's job, whatever CONFLICT says. */
static void a_key_belongs_to_its_org(void **state)
{
    static const char *const how[] = {"keep", "replace", "extend", "keep_last"};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        char options[64];

        wh_lc_reset(NULL);
        put(1, "v1", "ORG acme UNIQUE done", "created", 1);
        snprintf(options, sizeof options, "ORG other UNIQUE done CONFLICT %s", how[i]);
        put(2, "v2", options, "created", 2);
        put(3, "v3", "ORG acme", "existing", 1);
        put(3, "v3", "ORG other", "existing", 2);
        wh_lc_status(1, "pending");
        payload_is(1, "v1");
        wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(2));
        put(3, "v3", "ORG acme", "existing", 1);
        put(3, "v3", options, "created", 3);
        wh_lc_error("WHSTATE", "wh1_retry", "%s", wh_lc_id(2));
        wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(3));
        wh_lc_text("pending", "wh1_retry", "%s", wh_lc_id(2));
        put(4, "v4", "ORG other", "existing", 2);
        wh_lc_audit();
    }
}

/* Nor one that ran and waits again; one that starts over, or that no handler had, never ran. */
static void a_job_that_ran_is_not_touched(void **state)
{
    static const char *const ends[][4] = {
        {"retry", "error", "existing", "existing"},
        {"snooze", "", "existing", "existing"},
        {"release", "", "existing", "existing"},
        {"release", "not_started", "replaced", "extended"},
        {"dead", "error", "replaced", "extended"}, /* and starts over */
        {"lost", NULL, "existing", "existing"},
    };

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        wh_lc_reset(NULL);
        wh_lc_worker("w");
        put(1, "v1", "", "created", 1);
        wh_lc_claim("w", 1, "1");
        if (ends[i][1] != NULL) {
            wh_ll_end("w", 1, 1, ends[i][0], i < 2 ? 50 : 0, ends[i][1]);
        } else {
            wh_lc_advance(30001);
            wh_lc_ok("wh1_recover", "10");
        }
        if (i == 4) {
            wh_lc_text("pending", "wh1_retry", "%s", wh_lc_id(1));
        }
        put(2, "v2", "CONFLICT replace", ends[i][2], 1);
        put(2, "v2", "CONFLICT extend", ends[i][3], 1);
        put(3, "v3", "CONFLICT keep_last", "created", 3);
        wh_lc_status(1, i == 3 || i == 4 ? "cancelled"
                        : i < 2          ? "scheduled"
                                         : "pending");
        wh_lc_audit();
    }
}

static void replace_needs_the_same_place(void **state)
{
    static const char *const other[] = {"PRIORITY 6", "GROUP g"};

    (void)state;
    put(1, "p", "", "created", 1);
    for (unsigned i = 0; i < 2; i++) {
        wh_lc_error("WHBADARG", "wh1_enqueue",
                    i == 0 ? "mail p KEY k CONFLICT extend PRIORITY 6 ID %s"
                           : "mail p KEY k CONFLICT replace GROUP g ID %s",
                    wh_lc_id(2));
        put(2, "p", other[i], "existing", 1); /* keep does not mind */
    }
    wh_lc_error("WHBADARG", "wh1_enqueue", "sms p KEY k CONFLICT replace ID %s",
                wh_lc_id(2));
}

static void replace_under_order_of_deadline(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_ok("wh1_configure", "order deadline");
    put(1, "v1", "EXPIRES 9000", "created", 1);
    wh_lc_enqueue(5, "EXPIRES 5000");
    put(2, "v2", "EXPIRES 8000 CONFLICT replace", "replaced", 1);
    wh_lc_audit();
    wh_lc_claim("w", 1, "5");
    wh_lc_enqueue(6, "EXPIRES 7000");
    put(2, "v3", "EXPIRES 6000 CONFLICT replace", "replaced", 1);
    wh_lc_claim("w", 10, "1 6");
    payload_is(1, "v3");
    wh_lc_audit();
}

static void set_aside_jobs_are_replaced_too(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_ll_set("pause:type/mail", "1");
    put(1, "v1", "", "created", 1);
    wh_lc_claim("w", 1, "");
    put(2, "v2 and longer", "CONFLICT replace", "replaced", 1);
    wh_lc_audit();
    put(3, "v3", "CONFLICT keep_last", "created", 3);
    wh_lc_audit();
    wh_ll_set("pause:type/mail", "");
    wh_lc_claim("w", 5, "3");
    wh_lc_audit();
}

/* A key may outlive its job, and the id come again: that job has its own key. */
static void a_key_of_an_earlier_job_of_the_id_changes_nothing(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_ok("wh1_configure", "keep_count 0");
    put(1, "old", "", "created", 1);
    wh_lc_claim("w", 1, "1");
    wh_lc_done("w", 1, 1, true);
    wh_lc_ok("wh1_enqueue", "mail new ID %s KEY other UNIQUE done", wh_lc_id(1));
    put(2, "x", "CONFLICT replace", "existing", 1);
    put(2, "x", "CONFLICT extend", "existing", 1);
    payload_is(1, "new");
    put(2, "x", "CONFLICT keep_last", "created", 2);
    wh_lc_audit();
    wh_lc_claim("w", 2, "1 2");
    wh_lc_done("w", 1, 1, true);
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":unique:default:other"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(a_key_is_taken_for_its_time),
        WH_LC_TEST(default_time_is_a_day),
        WH_LC_TEST(until_done_ends_with_the_job),
        WH_LC_TEST(until_done_outlives_retries),
        WH_LC_TEST(until_done_ends_without_a_claim),
        WH_LC_TEST(until_done_ends_with_poison),
        WH_LC_TEST(until_claimed_ends_at_the_claim),
        WH_LC_TEST(a_key_of_another_job_stays),
        WH_LC_TEST(replace_changes_a_waiting_job),
        WH_LC_TEST(new_options_count_from_now),
        WH_LC_TEST(replace_keeps_the_time_of_a_delayed_job),
        WH_LC_TEST(extend_puts_a_delayed_job_off),
        WH_LC_TEST(extend_of_a_ready_job_is_no_delay),
        WH_LC_TEST(keep_last_takes_the_place_of_the_first),
        WH_LC_TEST(keep_last_with_nothing_kept),
        WH_LC_TEST(a_running_job_is_not_touched),
        WH_LC_TEST(a_key_belongs_to_its_org),
        WH_LC_TEST(a_job_that_ran_is_not_touched),
        WH_LC_TEST(replace_needs_the_same_place),
        WH_LC_TEST(replace_under_order_of_deadline),
        WH_LC_TEST(set_aside_jobs_are_replaced_too),
        WH_LC_TEST(a_key_of_an_earlier_job_of_the_id_changes_nothing),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
