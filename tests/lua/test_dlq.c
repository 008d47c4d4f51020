/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_dlq_list, wh1_dlq_replay, wh1_dlq_purge: cursors, filters, dry runs, foreign entries.
 */
#include "tests/support/lua_case.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Dead jobs 1…n: org a for odd ones, else b; type mail; category invalid or (n % 3 == 0)
 * not_found. */
static void make_dead(unsigned n)
{
    wh_lc_worker("w");
    for (unsigned i = 1; i <= n; i++) {
        struct wh_lc_end e = {.n = i, .fence = 1, .outcome = "dead"};

        e.category = i % 3 == 0 ? "not_found" : "invalid";
        wh_lc_enqueue(i, "ORG %s", i % 2 != 0 ? "a" : "b");
        wh_lc_ok("wh1_cycle", "w 1 0");
        wh_lc_finish("w", &e, true);
    }
}

static void list(const char *args, unsigned want, char *cursor, size_t size)
{
    redisReply *r = wh_lc_call("wh1_dlq_list", args);

    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->elements, 1 + want);
    if (cursor != NULL) {
        snprintf(cursor, size, "%s", r->element[0]->str);
    }
    freeReplyObject(r);
}

static void lists_by_cursor(void **state)
{
    char cursor[64], args[128];

    (void)state;
    list("- 10", 0, cursor, sizeof cursor);
    assert_string_equal(cursor, "");
    make_dead(5);
    list("- 2", 2, cursor, sizeof cursor);
    snprintf(args, sizeof args, "%s 2", cursor);
    list(args, 2, cursor, sizeof cursor);
    snprintf(args, sizeof args, "%s 2", cursor);
    list(args, 1, cursor, sizeof cursor);
    assert_string_equal(cursor, "");
    redisReply *r = wh_lc_call("wh1_dlq_list", "- 1");
    assert_int_equal(r->element[1]->elements, 2);
    assert_string_equal(wh_lc_find(r->element[1]->element[1], "id")->str, wh_lc_id(1));
    freeReplyObject(r);
}

static void lists_by_filter(void **state)
{
    (void)state;
    make_dead(6);
    list("- 10 ORG a", 3, NULL, 0);
    list("- 10 org b CATEGORY not_found", 1, NULL, 0);
    list("- 10 TYPE mail", 6, NULL, 0);
    list("- 10 TYPE other", 0, NULL, 0);
}

static void walk(const char *fn, const char *args, long long seen, long long matched)
{
    redisReply *r = wh_lc_call(fn, args);

    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->elements, 3);
    assert_int_equal(r->element[1]->integer, seen);
    assert_int_equal(r->element[2]->integer, matched);
    freeReplyObject(r);
}

static void replays_by_filter(void **state)
{
    char before[41], after[41];

    (void)state;
    make_dead(6);
    wh_lc_digest(before);
    walk("wh1_dlq_replay", "- 10 DRYRUN ORG a", 6, 3);
    walk("wh1_dlq_purge", "- 10 ORG a DRYRUN", 6, 3);
    wh_lc_digest(after);
    assert_string_equal(before, after);
    walk("wh1_dlq_replay", "- 10 ORG a CATEGORY invalid", 6, 2);
    walk("wh1_dlq_replay", "- 10 ORG a CATEGORY invalid", 4, 0);
    wh_lc_status(1, "pending");
    wh_lc_status(2, "failed");
    wh_lc_status(3, "failed");
    wh_lc_status(5, "pending");
    wh_lc_stat("dead", 4);
    wh_lc_stat("replayed", 2);
    wh_lc_audit();
    wh_lc_claim("w", 9, "1 5");
    wh_lc_done("w", 1, 2, true);
    wh_lc_audit();
}

static void purges_in_steps(void **state)
{
    char args[128];

    (void)state;
    make_dead(5);
    redisReply *r = wh_lc_call("wh1_dlq_purge", "- 2");
    assert_int_equal(r->element[2]->integer, 2);
    snprintf(args, sizeof args, "%s 2", r->element[0]->str);
    freeReplyObject(r);
    wh_lc_status(2, NULL);
    walk("wh1_dlq_purge", args, 2, 2);
    walk("wh1_dlq_purge", args, 1, 1); /* the old cursor finds what is left */
    walk("wh1_dlq_purge", args, 0, 0);
    wh_lc_stat("dead", 0);
    wh_lc_stat("purged", 5);
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":jobs"), 0);
    wh_lc_audit();
}

static void stops_at_until(void **state)
{
    char args[128];

    (void)state;
    make_dead(4);
    redisReply *r = wh_lc_call("wh1_dlq_list", "- 2");
    snprintf(args, sizeof args, "- 10 UNTIL %s", r->element[2]->element[0]->str);
    freeReplyObject(r);
    walk("wh1_dlq_replay", args, 2, 2);
    wh_lc_status(2, "pending");
    wh_lc_status(3, "failed");
}

/* Entries that somebody added by hand are listed and purged, never replayed. */
static void foreign_entries(void **state)
{
    (void)state;
    make_dead(1);
    freeReplyObject(wh_lc_cmd("XADD " WH_LC_P ":dlq * note hello"));
    freeReplyObject(wh_lc_cmd(
        "XADD " WH_LC_P ":dlq * id %s type mail org a payload forged", wh_lc_id(1)));
    freeReplyObject(wh_lc_cmd("XADD " WH_LC_P ":dlq * id x id y type %s", "a b"));
    wh_lc_enqueue(2, "");
    freeReplyObject(
        wh_lc_cmd("XADD " WH_LC_P ":dlq * id %s type mail org a", wh_lc_id(2)));
    list("- 10", 5, NULL, 0);
    walk("wh1_dlq_replay", "- 10", 5, 1);
    wh_lc_field(1, "payload", "p1");
    wh_lc_stat("dead", 4);
    redisReply *r = wh_lc_call("wh1_jobs", "failed - 10");
    assert_int_equal(r->elements, 5);
    freeReplyObject(r);
    walk("wh1_dlq_purge", "- 10", 4, 4);
    wh_lc_status(1, "pending");
    wh_lc_status(2, "pending");
    wh_lc_stat("dead", 0);
    wh_lc_audit();
}

static void refuses_bad_arguments(void **state)
{
    static const char *const fns[] = {"wh1_dlq_list", "wh1_dlq_replay",
                                      "wh1_dlq_purge"};
    static const char *const bad[] = {"",
                                      "-",
                                      "x 10",
                                      "- 0",
                                      "- 1001",
                                      "- -1",
                                      "- x",
                                      "1 10",
                                      "1- 10",
                                      "-1 10",
                                      "1-1-1 10",
                                      "1-x 10",
                                      "+ 10",
                                      "$ 10",
                                      "99999999999999999999-1 10",
                                      "1-99999999999999999999 10",
                                      "- 10 ORG",
                                      "- 10 ORG a:b",
                                      "- 10 TYPE a{",
                                      "- 10 CATEGORY a/b",
                                      "- 10 FOO x",
                                      "- 10 ORG a ORG b"};

    (void)state;
    make_dead(2);
    for (size_t f = 0; f < 3; f++) {
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            wh_lc_error("WHBADARG", fns[f], bad[i]);
        }
        wh_lc_error("WHBADARG", fns[f], "%s 10", "");
        wh_lc_error("WHBADARG", fns[f], "- 10 ORG %s", "");
    }
    wh_lc_error("WHBADARG", "wh1_dlq_list", "- 10 DRYRUN");
    wh_lc_error("WHBADARG", "wh1_dlq_purge", "- 10 UNTIL x");
    wh_lc_error("WHBADARG", "wh1_dlq_purge", "- 10 UNTIL");
    wh_lc_error("WHBADARG", "wh1_dlq_purge", "- 10 DRYRUN DRYRUN");
}

static void a_thousand_at_once(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_worker("w");
    for (unsigned n = 0; n < 1000; n++) {
        wh_lc_enqueue(n, "ORG o%u PRIORITY %u", n % 40, n % 10);
    }
    for (int i = 0; i < 20 && wh_lc_get_stat("in_progress") < 1000; i++) {
        wh_lc_ok("wh1_cycle", "w 1000 0");
    }
    wh_lc_add_text(&a, "w");
    wh_lc_add_text(&a, "0");
    wh_lc_add_text(&a, "0");
    for (unsigned n = 0; n < 1000; n++) {
        wh_lc_add(&a, wh_lc_token(n, 1), 17);
        wh_lc_add_text(&a, "dead");
        wh_lc_add_text(&a, "0");
        for (int i = 0; i < 4; i++) {
            wh_lc_add(&a, "", 0);
        }
    }
    freeReplyObject(wh_lc_call_args("wh1_cycle", &a));
    wh_lc_stat("dead", 1000);
    wh_lc_audit();
    walk("wh1_dlq_replay", "- 1000", 1000, 1000);
    wh_lc_stat("pending", 1000);
    wh_lc_audit();
}

/* Job n, of which one waits, dies. */
static void dies(unsigned n)
{
    wh_lc_ok("wh1_cycle", "w 1 0");
    wh_lc_dead("w", n, "invalid");
}

static void holder_is(unsigned n)
{
    redisReply *r = wh_lc_cmd("GET " WH_LC_P ":unique:default:k");

    assert_string_equal(r->type == REDIS_REPLY_STRING ? r->str : "nobody",
                        n > 0 ? wh_lc_id(n) : "nobody");
    freeReplyObject(r);
}

static void a_replayed_job_has_its_key_again(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "KEY k UNIQUE done KEYTTL 5000 RETRYFOR 1000 MAXATTEMPTS 3");
    dies(1);
    holder_is(0);
    wh_lc_field(1, "idempotency_key", "k");
    walk("wh1_dlq_replay", "- 10", 1, 1);
    holder_is(1);
    assert_in_range(wh_lc_count("PTTL " WH_LC_P ":unique:default:k"), 1, 5000);
    wh_lc_field(1, "max_attempts", "3");
    wh_lc_field(1, "retry_for_ms", NULL); /* starts over, without the bound */
    redisReply *r = wh_lc_call("wh1_enqueue", "mail p KEY k UNIQUE done");
    assert_string_equal(r->element[1]->str, "existing");
    assert_string_equal(r->element[0]->str, wh_lc_id(1));
    freeReplyObject(r);
    wh_lc_audit();
    wh_lc_claim("w", 5, "1");
    holder_is(1);
    wh_lc_done("w", 1, 2, true);
    holder_is(0);
    wh_lc_enqueue(2, "KEY k UNIQUE queued");
    dies(2);
    walk("wh1_dlq_replay", "- 10", 1, 1);
    holder_is(2);
    wh_lc_claim("w", 5, "2");
    holder_is(0); /* claimed again */
    wh_lc_audit();
}

/* The reply with how many stay because of their key. */
static void replay_with_taken(const char *args, long long matched, long long taken)
{
    redisReply *r = wh_lc_call("wh1_dlq_replay", args);

    assert_int_equal(r->elements, 4);
    assert_int_equal(r->element[2]->integer, matched);
    assert_int_equal(r->element[3]->integer, taken);
    freeReplyObject(r);
}

static void one_whose_key_is_taken_stays(void **state)
{
    (void)state;
    wh_lc_worker("w");
    for (unsigned n = 1; n <= 3; n++) {
        wh_lc_enqueue(n, "KEY k UNIQUE done");
        dies(n);
    }
    wh_lc_enqueue(4, "");
    dies(4);
    wh_lc_enqueue(5, "KEY k UNIQUE done");
    replay_with_taken("- 10 DRYRUN", 1, 3);
    replay_with_taken("- 10", 1, 3);
    wh_lc_status(1, "failed");
    wh_lc_status(4, "pending");
    wh_lc_error("WHSTATE", "wh1_retry", "%s", wh_lc_id(2));
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(5));
    replay_with_taken("- 10", 1, 2); /* the first one has it */
    holder_is(1);
    wh_lc_error("WHSTATE", "wh1_retry", "%s",
                wh_lc_id(5)); /* cancelled: nor that one */
    wh_lc_status(5, "cancelled");
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(1));
    wh_lc_text("pending", "wh1_retry", "%s", wh_lc_id(5));
    holder_is(5);
    wh_lc_audit();
}

/* A key that is taken for its time alone has nothing to do with the job's end. */
static void a_key_by_time_hinders_nobody(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "KEY k");
    dies(1);
    freeReplyObject(
        wh_lc_cmd("DEL " WH_LC_P ":unique:default:k")); /* its time is over */
    wh_lc_enqueue(2, "KEY k");
    walk("wh1_dlq_replay", "- 10", 1, 1);
    holder_is(2);
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(lists_by_cursor),
        WH_LC_TEST(lists_by_filter),
        WH_LC_TEST(replays_by_filter),
        WH_LC_TEST(purges_in_steps),
        WH_LC_TEST(stops_at_until),
        WH_LC_TEST(foreign_entries),
        WH_LC_TEST(refuses_bad_arguments),
        WH_LC_TEST(a_thousand_at_once),
        WH_LC_TEST(a_replayed_job_has_its_key_again),
        WH_LC_TEST(one_whose_key_is_taken_stays),
        WH_LC_TEST(a_key_by_time_hinders_nobody),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
