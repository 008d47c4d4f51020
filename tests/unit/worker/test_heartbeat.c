/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases against a real Redis: kept, guarded, given up; commands and notes.
 */
#include "tests/unit/worker/worker_case.h"

#include <stdlib.h>

static int set_up(void **state)
{
    (void)state;
    case_start(1000);
    return 0;
}

/* A heartbeat each 15 s. */
static int set_up_slow(void **state)
{
    (void)state;
    case_start(60000);
    return 0;
}

static long long lease_left(void)
{
    redisReply *r = wh_redis_fixture_cmd(w.redis, "FCALL_RO wh1_workers 1 " KEY);
    long long left = r->elements >= 2 ? r->element[1]->integer : -1;

    freeReplyObject(r);
    return left;
}

static void run_one(void)
{
    case_enqueue("a");
    wh_fetch_ring(w.fetch, w.p);
    WH_WAIT_FOR(w.loop, fakes[0].n == 1);
}

/* Over several leases nothing is lost. */
static void test_kept(void **state)
{
    (void)state;
    int64_t until = wh_clock_mono_ms() + 2500;

    run_one();
    WH_WAIT_FOR(w.loop, wh_clock_mono_ms() > until);
    assert_int_equal(w.lost, 0);
    assert_int_equal(w.p->generation, 0);
    assert_true(lease_left() > 0);
    assert_int_equal(wh_slots_held(w.slots), 1);
}

/* Redis stops answering: the handler is stopped before the lease ends there. */
static void test_guard(void **state)
{
    (void)state;
    run_one();
    wh_redis_fixture_pause(w.redis);
    WH_WAIT_FOR(w.loop, fakes[0].cancelled != NULL);
    assert_int_equal(fakes[0].why, WH_CANCEL_LOST);
    assert_int_equal(w.p->generation, 1);
    wh_redis_fixture_resume(w.redis);
    WH_WAIT_FOR(w.loop, w.p->registered);
}

static void test_cancel_command(void **state)
{
    (void)state;
    char id[WH_UUID_TEXT + 1];

    run_one();
    wh_rng_uuid_format(fakes[0].jobs[0]->id, id);
    freeReplyObject(wh_redis_fixture_cmd(w.redis, "FCALL wh1_cancel 1 " KEY " %s", id));
    wh_heartbeat_now(w.heartbeat, w.p);
    WH_WAIT_FOR(w.loop, fakes[0].cancelled == fakes[0].jobs[0]);
    assert_int_equal(fakes[0].why, WH_CANCEL_REQUESTED);
    case_report(0, (wh_result){.status = WH_RESULT_CANCELLED});
    WH_WAIT_FOR(w.loop, case_counter("cancelled") == 1);
}

static void test_quiet_command(void **state)
{
    (void)state;
    freeReplyObject(
        wh_redis_fixture_cmd(w.redis, "FCALL wh1_quiet 1 " KEY " %s", w.p->worker));
    wh_heartbeat_now(w.heartbeat, w.p);
    WH_WAIT_FOR(w.loop, w.p->quiet);
}

static void test_notes(void **state)
{
    (void)state;
    static char line[5000];
    char id[WH_UUID_TEXT + 1];
    wh_executor_events *e = &fakes[0].events;

    run_one();
    wh_rng_uuid_format(fakes[0].jobs[0]->id, id);
    memset(line, 'x', sizeof line);
    for (int i = 0; i < 500; i++) { /* more than one heartbeat keeps, each too long */
        e->on_log(e->arg, fakes[0].jobs[0], (wh_slice){line, sizeof line});
    }
    e->on_progress(e->arg, fakes[0].jobs[0], 12, (wh_slice){"begun", 5});
    e->on_progress(e->arg, fakes[0].jobs[0], 40, (wh_slice){NULL, 0});
    WH_WAIT_FOR(w.loop,
                wh_redis_fixture_int(w.redis, "LLEN " KEY ":log:%s", id) == 100);
    redisReply *r = wh_redis_fixture_cmd(w.redis, "FCALL_RO wh1_job 1 " KEY " %s", id);
    const char *percent = "", *message = "";
    for (size_t i = 0; i + 1 < r->elements; i += 2) {
        if (strcmp(r->element[i]->str, "progress") == 0) {
            percent = r->element[i + 1]->str;
        } else if (strcmp(r->element[i]->str, "progress_message") == 0) {
            message = r->element[i + 1]->str;
        }
    }
    assert_string_equal(percent, "40");
    assert_string_equal(message, "begun");
    freeReplyObject(r);
    assert_int_equal(w.lost, 0);
    case_report(0, (wh_result){.status = WH_RESULT_OK});
    WH_WAIT_FOR(w.loop, wh_slots_held(w.slots) == 0);
}

/* Redis holds a claim that we know nothing of: noticed, and given back. */
static void test_held_mismatch(void **state)
{
    (void)state;
    wh_fetch_stop_claiming(w.fetch);
    case_enqueue("a");
    freeReplyObject(
        wh_redis_fixture_cmd(w.redis, "FCALL wh1_cycle 1 " KEY " %s 1 0", w.p->worker));
    WH_WAIT_FOR(w.loop, case_counter("released") == 1);
}

static void test_bye(void **state)
{
    (void)state;
    run_one();
    wh_heartbeat_bye(w.heartbeat);
    WH_WAIT_FOR(w.loop, wh_heartbeat_is_gone(w.heartbeat));
    assert_int_equal(wh_redis_fixture_int(w.redis, "ZCARD " KEY ":workers"), 0);
    assert_int_equal(case_counter("released"), 1);
    assert_false(wh_heartbeat_is_registered(w.heartbeat));
}

static bool said(const char *json)
{
    redisReply *r = wh_redis_fixture_cmd(w.redis, "HVALS " KEY ":info");
    bool is_it = r->elements == 1 && strcmp(r->element[0]->str, json) == 0;

    freeReplyObject(r);
    return is_it;
}

/* Once, and another text where it is quiet. */
static void test_info(void **state)
{
    (void)state;
    assert_int_equal(wh_heartbeat_set_info(w.heartbeat, "{\"a\":1}", "{\"q\":1}"),
                     WH_OK);
    wh_heartbeat_now(w.heartbeat, w.p);
    WH_WAIT_FOR(w.loop, said("{\"a\":1}"));
    freeReplyObject(wh_redis_fixture_cmd(w.redis, "DEL " KEY ":info"));
    freeReplyObject(
        wh_redis_fixture_cmd(w.redis, "FCALL wh1_quiet 1 " KEY " %s", w.p->worker));
    wh_heartbeat_now(w.heartbeat, w.p);
    WH_WAIT_FOR(w.loop, w.p->quiet);
    assert_int_equal(wh_redis_fixture_int(w.redis, "EXISTS " KEY ":info"), 0);
    assert_int_equal(wh_heartbeat_set_info(w.heartbeat, "{\"a\":1}", "{\"q\":1}"),
                     WH_OK);
    wh_heartbeat_now(w.heartbeat, w.p);
    WH_WAIT_FOR(w.loop, said("{\"q\":1}"));
}

/* From here on Redis keeps every call, so that heartbeats can be told from the fetch's. */
static void keep_calls(void)
{
    freeReplyObject(wh_redis_fixture_cmd(w.redis,
                                         "CONFIG SET slowlog-log-slower-than 0 "
                                         "slowlog-max-len 100000"));
    freeReplyObject(wh_redis_fixture_cmd(w.redis, "SLOWLOG RESET"));
}

/* Calls of wh1_heartbeat since then. */
static unsigned heartbeats(void)
{
    redisReply *r = wh_redis_fixture_cmd(w.redis, "SLOWLOG GET -1");
    unsigned n = 0;

    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    for (size_t i = 0; i < r->elements; i++) {
        const redisReply *words = r->element[i]->element[3];
        n +=
            words->elements > 1 && strcmp(words->element[1]->str, "wh1_heartbeat") == 0;
    }
    freeReplyObject(r);
    return n;
}

static void say(const char *json)
{
    assert_int_equal(wh_heartbeat_set_info(w.heartbeat, json, "{}"), WH_OK);
    wh_heartbeat_say(w.heartbeat);
}

/* News goes at once although the next heartbeat is 15 s away; a second one waits for its second, and of
 * many only the last goes. Without news nothing is sent. */
static void test_say(void **state)
{
    (void)state;
    int64_t began = wh_clock_mono_ms();

    wh_heartbeat_now(w.heartbeat, w.p); /* nothing is due any more */
    wh_fetch_ring(w.fetch, w.p);
    WH_WAIT_FOR(w.loop, wh_redis_fixture_int(w.redis, "ZCARD " KEY ":idle") == 1 &&
                            wh_fetch_in_flight(w.fetch) == 0);
    wh_heartbeat_say(w.heartbeat);
    keep_calls();
    say("{\"a\":1}");
    WH_WAIT_FOR(w.loop, said("{\"a\":1}"));
    wh_heartbeat_say(w.heartbeat);
    for (int i = 0; i < 10; i++) {
        say("{\"a\":2}");
    }
    say("{\"a\":3}");
    WH_WAIT_FOR(w.loop, said("{\"a\":3}"));
    if (wh_clock_mono_ms() - began <
        12000) { /* else one of the regular ones may be among them */
        assert_int_equal(heartbeats(), 2);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, case_stop)
    const struct CMUnitTest tests[] = {
        TEST(test_kept),
        TEST(test_guard),
        TEST(test_cancel_command),
        TEST(test_quiet_command),
        TEST(test_notes),
        TEST(test_held_mismatch),
        TEST(test_bye),
        TEST(test_info),
        cmocka_unit_test_setup_teardown(test_say, set_up_slow, case_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
