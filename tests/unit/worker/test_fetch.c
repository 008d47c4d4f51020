/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cycles and resyncs against a real Redis: what is claimed, confirmed, refused, lost.
 */
#include "common/base/clock.h"
#include "tests/unit/worker/worker_case.h"

#include <stdlib.h>

static int set_up(void **state)
{
    (void)state;
    case_start(30000);
    return 0;
}

static void test_claims_and_finishes(void **state)
{
    (void)state;
    case_enqueue("a");
    case_enqueue("b");
    wh_fetch_ring(w.fetch, w.p);
    WH_WAIT_FOR(w.loop, fakes[0].n == 2);
    assert_int_equal(wh_slots_held(w.slots), 2);
    case_report(0, (wh_result){.status = WH_RESULT_OK, .result = {"R", 1}});
    case_report(0, (wh_result){.status = WH_RESULT_OK});
    WH_WAIT_FOR(w.loop, wh_slots_held(w.slots) == 0);
    assert_int_equal(case_counter("completed"), 2);
    assert_int_equal(wh_fetch_in_flight(w.fetch), 0);
}

static void test_never_more_than_there_is_room_for(void **state)
{
    (void)state;
    fakes[0].room = 3;
    for (int i = 0; i < 20; i++) {
        case_enqueue("x");
    }
    wh_fetch_ring(w.fetch, w.p);
    for (int done = 0; done < 20; done++) {
        WH_WAIT_FOR(w.loop, fakes[0].n > 0);
        assert_true(wh_slots_count(w.slots, WH_SLOT_RUNNING) <= 3);
        assert_int_equal(wh_slots_count(w.slots, WH_SLOT_WAITING), 0);
        case_report(0, (wh_result){.status = WH_RESULT_OK});
    }
    WH_WAIT_FOR(w.loop, case_counter("completed") == 20);
}

static void test_no_claims_after_stop(void **state)
{
    (void)state;
    case_enqueue("a");
    wh_fetch_ring(w.fetch, w.p);
    WH_WAIT_FOR(w.loop, fakes[0].n == 1);
    wh_fetch_stop_claiming(w.fetch);
    case_enqueue("b");
    wh_fetch_ring(w.fetch, w.p);
    case_report(0, (wh_result){.status = WH_RESULT_OK});
    WH_WAIT_FOR(w.loop,
                wh_slots_held(w.slots) == 0 && wh_fetch_in_flight(w.fetch) == 0);
    assert_int_equal(case_counter("claimed"), 1);
}

/* After a hand-over it asks within the time given; at once when the job's end kicks it. */
static void test_handed_waits_for_the_end(void **state)
{
    (void)state;
    WH_WAIT_FOR(w.loop, wh_redis_fixture_int(w.redis, "ZCARD " KEY ":idle") == 1 &&
                            wh_fetch_in_flight(w.fetch) == 0);
    assert_int_equal(wh_loop_turn(w.loop, 0), WH_OK); /* the look after the reply */
    unsigned before = wh_fetch_epoch(w.fetch, w.p);
    int64_t from_us = wh_clock_mono_us();
    wh_fetch_handed(w.fetch, w.p, 30000);
    WH_WAIT_FOR(w.loop, wh_fetch_epoch(w.fetch, w.p) != before);
    assert_true(wh_clock_mono_us() - from_us >= 30000);
    WH_WAIT_FOR(w.loop, wh_fetch_in_flight(w.fetch) == 0);
    before = wh_fetch_epoch(w.fetch, w.p);
    wh_fetch_handed(w.fetch, w.p, INT64_C(3600000000));
    wh_fetch_kick(w.fetch);
    WH_WAIT_FOR(w.loop, wh_fetch_epoch(w.fetch, w.p) != before);
    WH_WAIT_FOR(w.loop, wh_redis_fixture_int(w.redis, "ZCARD " KEY ":idle") == 1);
}

static void turns(int n)
{
    for (int i = 0; i < n; i++) {
        wh_fetch_kick(w.fetch);
        assert_int_equal(wh_loop_turn(w.loop, 0), WH_OK);
    }
}

/* While no reply comes, as over a long link, all that may be claimed ahead is asked for; what
 * is claimed besides goes in parts that leave calls for what comes later. */
static void test_calls_over_a_long_link(void **state)
{
    (void)state;
    enum { CALLS = WH_AHEAD_MAX / WH_JOB_BATCH_MAX, PART = 500 };

    WH_WAIT_FOR(w.loop, wh_fetch_in_flight(w.fetch) == 0);
    freeReplyObject(wh_redis_fixture_cmd(w.redis, "CLIENT PAUSE 60000 WRITE"));
    *wh_dispatch_ahead(w.dispatch) = (wh_ahead){.least_us = {80000, 0},
                                                .span_ends_us = INT64_MAX,
                                                .ended = {WH_AHEAD_MAX},
                                                .round_ends_us = INT64_MAX};
    wh_fetch_ring(w.fetch, w.p);
    turns(2 * CALLS);
    assert_int_equal(wh_fetch_in_flight(w.fetch), CALLS);
    fakes[0].room = WH_JOB_BATCH_MAX;
    wh_dispatch_set_slots(w.dispatch, PART - 1);
    turns(2);
    assert_int_equal(wh_fetch_in_flight(w.fetch), CALLS);
    wh_dispatch_set_slots(w.dispatch, PART);
    turns(2);
    assert_int_equal(wh_fetch_in_flight(w.fetch), CALLS + 1);
    freeReplyObject(wh_redis_fixture_cmd(w.redis, "CLIENT UNPAUSE"));
    WH_WAIT_FOR(w.loop, wh_fetch_in_flight(w.fetch) == 0);
}

/* While it is held back it stands in no idle list, so that others are called; then it asks
 * by itself. */
static void test_hold(void **state)
{
    (void)state;
    wh_fetch_ring(w.fetch, w.p);
    WH_WAIT_FOR(w.loop, wh_redis_fixture_int(w.redis, "ZCARD " KEY ":idle") == 1);
    wh_fetch_hold(w.fetch, true);
    WH_WAIT_FOR(w.loop, wh_redis_fixture_int(w.redis, "ZCARD " KEY ":idle") == 0);
    case_enqueue("a");
    unsigned before = wh_fetch_epoch(w.fetch, w.p);
    wh_fetch_ring(w.fetch, w.p);
    WH_WAIT_FOR(w.loop, wh_fetch_epoch(w.fetch, w.p) != before &&
                            wh_fetch_in_flight(w.fetch) == 0);
    assert_int_equal(case_counter("claimed"), 0);
    wh_fetch_hold(w.fetch, false);
    WH_WAIT_FOR(w.loop, fakes[0].n == 1);
}

static long long number_of(const redisReply *r)
{
    return r->type == REDIS_REPLY_INTEGER ? r->integer : strtoll(r->str, NULL, 10);
}

/* The Redis time of the last claim, from what the only claim says of itself. */
static long long claimed_at(void)
{
    redisReply *r = wh_redis_fixture_cmd(w.redis, "HVALS " KEY ":run:%s", w.p->worker);
    long long at = r->elements == 1 ? number_of(r->element[0]) : 0;

    freeReplyObject(r);
    return at;
}

/* A rate of 20 a second: the next job is claimed when it is due, not some time later. On a busy machine some
 * may come late, but hardly most of them. */
static void test_comes_when_a_rate_admits_more(void **state)
{
    (void)state;
    enum { JOBS = 16, PACE_MS = 50 };
    long long last = 0;
    int prompt = 0;

    freeReplyObject(wh_redis_fixture_cmd(w.redis, "FCALL wh1_limit 1 " KEY
                                                  " rate:queue 20/1000/1"));
    for (int i = 0; i < JOBS; i++) {
        case_enqueue("x");
    }
    wh_fetch_ring(w.fetch, w.p);
    for (int i = 0; i < JOBS; i++) {
        WH_WAIT_FOR(w.loop, fakes[0].n == 1);
        long long at = claimed_at();
        assert_true(at >= last + (last > 0 ? PACE_MS : 0));
        prompt += last > 0 && at < last + PACE_MS + 15;
        last = at;
        case_report(0, (wh_result){.status = WH_RESULT_OK});
        WH_WAIT_FOR(w.loop,
                    wh_fetch_in_flight(w.fetch) == 0 && w.p->pending.count == 0);
    }
    assert_true(prompt >= JOBS / 4);
}

/* One finish that Redis refuses: the others are confirmed, it ends as dead. */
static void test_refused_finish_is_isolated(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        case_enqueue("x");
    }
    wh_fetch_ring(w.fetch, w.p);
    WH_WAIT_FOR(w.loop, fakes[0].n == 4);
    for (int i = 0; i < 4; i++) {
        case_report(0, (wh_result){.status = WH_RESULT_OK});
    }
    wh_slot *bad = w.p->pending.first->next;
    bad->finish.outcome = WH_STORE_SNOOZE;
    bad->finish.delay_ms = INT64_C(999999999999); /* over the protocol's bound */
    WH_WAIT_FOR(w.loop, wh_slots_held(w.slots) == 0);
    assert_int_equal(case_counter("completed"), 3);
    assert_int_equal(case_counter("dead_total"), 1);
}

/* Its worker claimed a job, but the reply never came: a resync gives it back. */
static void test_resync_gives_back_the_unknown(void **state)
{
    (void)state;
    wh_fetch_stop_claiming(w.fetch);
    case_enqueue("a");
    freeReplyObject(
        wh_redis_fixture_cmd(w.redis, "FCALL wh1_cycle 1 " KEY " %s 1 0", w.p->worker));
    assert_int_equal(case_counter("claimed"), 1);
    w.p->needs_resync = true;
    wh_fetch_kick(w.fetch);
    WH_WAIT_FOR(w.loop, !w.p->needs_resync);
    assert_int_equal(case_counter("released"), 1);
}

/* Its claim was taken away while it ran: the handler is stopped, the result dropped. */
static void test_resync_tells_what_is_gone(void **state)
{
    (void)state;
    case_enqueue("a");
    wh_fetch_ring(w.fetch, w.p);
    WH_WAIT_FOR(w.loop, fakes[0].n == 1);
    freeReplyObject(wh_redis_fixture_cmd(w.redis, "DEL " KEY ":run:%s", w.p->worker));
    w.p->needs_resync = true;
    wh_fetch_kick(w.fetch);
    WH_WAIT_FOR(w.loop, fakes[0].cancelled != NULL);
    assert_int_equal(fakes[0].why, WH_CANCEL_LOST);
    assert_int_equal(wh_slots_held(w.slots), 0);
    case_report(0, (wh_result){.status = WH_RESULT_OK});
    assert_int_equal(wh_slots_count(w.slots, WH_SLOT_LOST), 0);
}

static void test_a_fenced_finish_is_dropped(void **state)
{
    (void)state;
    case_enqueue("a");
    wh_fetch_ring(w.fetch, w.p);
    WH_WAIT_FOR(w.loop, fakes[0].n == 1);
    freeReplyObject(wh_redis_fixture_cmd(w.redis, "DEL " KEY ":run:%s", w.p->worker));
    case_report(0, (wh_result){.status = WH_RESULT_OK});
    WH_WAIT_FOR(w.loop, wh_slots_held(w.slots) == 0);
    assert_int_equal(case_counter("completed"), 0);
    assert_int_equal(case_counter("fenced"), 1);
}

/* The connection breaks: finishes go again, running jobs are still ours. */
static void test_reconnect(void **state)
{
    (void)state;
    case_enqueue("a");
    case_enqueue("b");
    wh_fetch_ring(w.fetch, w.p);
    WH_WAIT_FOR(w.loop, fakes[0].n == 2);
    wh_conn_reset(wh_store_conn(w.store), "the test says so");
    case_report(0, (wh_result){.status = WH_RESULT_OK});
    WH_WAIT_FOR(w.loop, wh_slots_held(w.slots) == 1);
    assert_int_equal(case_counter("completed"), 1);
    case_report(0, (wh_result){.status = WH_RESULT_OK});
    WH_WAIT_FOR(w.loop, wh_slots_held(w.slots) == 0);
    assert_int_equal(case_counter("completed"), 2);
    assert_int_equal(case_counter("released"), 0);
    assert_int_equal(w.lost, 0);
}

/* The incarnation ended in Redis: everything of it is dropped, and another begins. */
static void test_lost_lease(void **state)
{
    (void)state;
    char old[WH_JOB_NAME_MAX + 1];

    memcpy(old, w.p->worker, sizeof old);
    case_enqueue("a");
    case_enqueue("b");
    wh_fetch_ring(w.fetch, w.p);
    WH_WAIT_FOR(w.loop, fakes[0].n == 2);
    freeReplyObject(wh_redis_fixture_cmd(w.redis, "ZREM " KEY ":workers %s", old));
    case_report(0, (wh_result){.status = WH_RESULT_OK});
    WH_WAIT_FOR(w.loop, w.lost == 1);
    assert_int_equal(fakes[0].why, WH_CANCEL_LOST);
    assert_int_equal(wh_slots_held(w.slots), 0);
    WH_WAIT_FOR(w.loop, w.p->registered);
    assert_string_not_equal(w.p->worker, old);
    assert_int_equal(case_counter("completed"), 0);
    case_enqueue("c");
    wh_fetch_ring(w.fetch, w.p);
    WH_WAIT_FOR(w.loop, fakes[0].n == 2);
    case_report(1, (wh_result){.status = WH_RESULT_OK});
    WH_WAIT_FOR(w.loop, case_counter("completed") == 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, case_stop)
    const struct CMUnitTest tests[] = {
        TEST(test_claims_and_finishes),
        TEST(test_never_more_than_there_is_room_for),
        TEST(test_no_claims_after_stop),
        TEST(test_handed_waits_for_the_end),
        TEST(test_calls_over_a_long_link),
        TEST(test_hold),
        TEST(test_comes_when_a_rate_admits_more),
        TEST(test_refused_finish_is_isolated),
        TEST(test_resync_gives_back_the_unknown),
        TEST(test_resync_tells_what_is_gone),
        TEST(test_a_fenced_finish_is_dropped),
        TEST(test_reconnect),
        TEST(test_lost_lease),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
