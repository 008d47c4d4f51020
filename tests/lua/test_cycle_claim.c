/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_cycle, the claiming half: order, fairness between orgs, what a worker is told.
 */
#include "tests/support/lua_case.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FLAGS = 2, CLAIMED = 4, PAUSED = 1, MORE = 2, IDLE = 4 };

static void in_order_of_priority_then_arrival(void **state)
{
    static const unsigned priority[] = {5, 0, 9, 5, 6, 4, 9};

    (void)state;
    wh_lc_worker("w");
    for (unsigned n = 0; n < 7; n++) {
        wh_lc_enqueue(n + 1, "PRIORITY %u", priority[n]);
    }
    wh_lc_audit();
    wh_lc_claim("w", 3, "3 7 5");
    wh_lc_audit();
    wh_lc_enqueue(8, "PRIORITY 9");
    wh_lc_claim("w", 10, "8 1 4 6 2");
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":levels"), 0);
    wh_lc_audit();
}

/* Taking exactly what a level has leaves its digit until the next visit. */
static void levels_run_empty(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "PRIORITY 9");
    wh_lc_enqueue(2, "PRIORITY 8");
    wh_lc_claim("w", 1, "1");
    wh_lc_audit();
    wh_lc_claim("w", 1, "2");
    wh_lc_audit();
    wh_lc_claim("w", 1, "");
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":levels " WH_LC_P ":ring"), 0);
    wh_lc_enqueue(3, "PRIORITY 9");
    wh_lc_claim("w", 5, "3");
    wh_lc_audit();
}

static void gives_token_meta_and_record(void **state)
{
    struct wh_lc_end e = {.n = 1, .fence = 1, .outcome = "retry"};

    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    redisReply *r = wh_lc_call("wh1_cycle", "w 1 0");
    assert_int_equal(r->element[0]->integer, WH_LC_T0);
    assert_int_equal(r->element[1]->integer, -1);
    const redisReply *c = r->element[CLAIMED];
    assert_int_equal(c->elements, 3);
    assert_int_equal(c->element[0]->len, 17);
    assert_memory_equal(c->element[0]->str, wh_lc_token(1, 1), 17);
    assert_int_equal(c->element[1]->len, 0);
    assert_int_equal((unsigned char)c->element[2]->str[0], 0xcf);
    freeReplyObject(r);
    wh_lc_finish("w", &e, true);
    r = wh_lc_call("wh1_cycle", "w 1 0");
    c = r->element[CLAIMED];
    assert_memory_equal(c->element[0]->str, wh_lc_token(1, 2), 17);
    assert_int_not_equal(c->element[1]->len, 0);
    freeReplyObject(r);
}

static void tokens_reach_two_digits(void **state)
{
    struct wh_lc_end e = {.n = 1, .outcome = "release"};

    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    for (unsigned i = 1; i <= 101; i++) {
        wh_lc_claim("w", 1, "1");
        e.fence = i;
        wh_lc_finish("w", &e, true);
    }
    wh_lc_claim("w", 1, "1");
    wh_lc_field(1, "fence", "102");
    wh_lc_done("w", 1, 102, true);
    wh_lc_audit();
}

static void flags_expect(const char *args, unsigned flags, unsigned jobs)
{
    redisReply *r = wh_lc_call("wh1_cycle", args);

    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->element[FLAGS]->integer, flags);
    assert_int_equal(r->element[CLAIMED]->elements, 3 * jobs);
    freeReplyObject(r);
}

static void tells_idle_and_more(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_worker("v");
    flags_expect("w 1 0", IDLE, 0);
    wh_lc_stat("idle", 1);
    wh_lc_enqueue(1, "");
    wh_lc_enqueue(2, "ORG b");
    wh_lc_stat("idle", 0);
    flags_expect("v 0 0", MORE, 0);
    flags_expect("w 1 0", MORE, 1);
    flags_expect("w 10 0", IDLE, 1);
    flags_expect("v 0 0", 0, 0);
    wh_lc_stat("idle", 1);
    wh_lc_audit();
}

static void wakes_the_next_idle_worker(void **state)
{
    (void)state;
    wh_lc_worker("w1");
    wh_lc_worker("w2");
    flags_expect("w1 1 0", IDLE, 0);
    wh_lc_advance(1);
    flags_expect("w2 1 0", IDLE, 0);
    wh_lc_enqueue(1, "");
    wh_lc_enqueue(2, "ORG b");
    wh_lc_enqueue(3, "ORG c");
    wh_lc_stat("idle", 0);
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":bell:w1 " WH_LC_P ":bell:w2"));
    wh_lc_claim("w1", 10, "2 3 1"); /* b, c, default */
    flags_expect("w2 1 0", IDLE, 0);
    wh_lc_enqueue(4, "");
    wh_lc_enqueue(5, "ORG b");
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":bell:w1 " WH_LC_P ":bell:w2"));
    wh_lc_advance(1);
    flags_expect("w2 0 0", MORE, 0); /* no free slot: passes it on */
    wh_lc_stat("idle", 0);
    flags_expect("w2 1 0", MORE, 1);
}

static void paused_gives_nothing(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_text("OK", "wh1_pause", "");
    flags_expect("w 1 0", PAUSED | IDLE, 0);
    wh_lc_stat("paused", 1);
    wh_lc_text("OK", "wh1_resume", "");
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":bell:w"), 1);
    flags_expect("w 1 0", 0, 1);
    wh_lc_audit();
}

/* A quiet worker must not swallow the wake-up calls of the others. */
static void quiet_gives_nothing_and_is_not_idle(void **state)
{
    (void)state;
    wh_lc_worker("w1");
    wh_lc_worker("w2");
    wh_lc_text("OK", "wh1_quiet", "w1");
    flags_expect("w1 1 0", PAUSED, 0);
    wh_lc_stat("idle", 0);
    flags_expect("w2 1 0", IDLE, 0);
    wh_lc_enqueue(1, "");
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":bell:w2"), 1);
    flags_expect("w1 1 0", PAUSED, 0);
    wh_lc_claim("w2", 1, "1");
}

static void fill(unsigned from, unsigned count, const char *org)
{
    for (unsigned n = from; n < from + count; n++) {
        wh_lc_enqueue(n, "ORG %s", org);
    }
}

static void orgs_take_turns(void **state)
{
    (void)state;
    wh_lc_worker("w");
    fill(1, 50, "big");
    fill(101, 3, "small");
    wh_lc_claim("w", 1, "1");
    wh_lc_claim("w", 1, "101");
    wh_lc_claim("w", 1, "2");
    wh_lc_claim("w", 1, "102");
    wh_lc_claim("w", 4, "3 4 103 5");
    wh_lc_audit();
}

static void active_counts_each_org(void **state)
{
    (void)state;
    wh_lc_worker("w");
    fill(1, 4, "a");
    fill(11, 2, "b");
    wh_lc_ok("wh1_cycle", "w 10 0");
    redisReply *r = wh_lc_cmd("HGETALL " WH_LC_P ":active");
    assert_int_equal(r->elements, 4);
    assert_string_equal(wh_lc_find(r, "a")->str, "4");
    assert_string_equal(wh_lc_find(r, "b")->str, "2");
    freeReplyObject(r);
    wh_lc_ok("wh1_cycle", "w 0 3 %b %b %b", WH_LC_TOK(11, 1), WH_LC_TOK(12, 1),
             WH_LC_TOK(1, 1));
    r = wh_lc_cmd("HGETALL " WH_LC_P ":active");
    assert_int_equal(r->elements, 2);
    assert_string_equal(wh_lc_find(r, "a")->str, "3");
    freeReplyObject(r);
    wh_lc_audit();
}

/* Counts how many jobs of orgs 'a', 'b', … a claim gives. */
static void count_orgs(unsigned want, unsigned *count)
{
    redisReply *r = wh_lc_call("wh1_cycle", "w %u 0", want);
    const redisReply *c = r->element[CLAIMED];

    for (size_t i = 0; i < c->elements; i += 3) {
        unsigned char third = (unsigned char)c->element[i]->str[13];
        count[third]++;
    }
    freeReplyObject(r);
}

static void weights_share(const unsigned want)
{
    unsigned count[8] = {0};

    wh_lc_worker("w");
    for (unsigned org = 1; org <= 3; org++) {
        fill(org << 16, 400, org == 1 ? "a" : org == 2 ? "b" : "c");
    }
    wh_lc_text("OK", "wh1_weight", "a 4");
    wh_lc_text("OK", "wh1_weight", "b 0.5");
    for (unsigned got = 0; got < 440; got += want) {
        count_orgs(want, count);
    }
    /* 4 : 0.5 : 1 of 440 = 320 : 40 : 80, within one quantum each */
    assert_in_range(count[1], 320 - want - 4, 320 + want + 4);
    assert_in_range(count[2], 39, 41);
    assert_in_range(count[3], 78, 82);
    wh_lc_audit();
}

static void weights_share_by_one(void **state)
{
    (void)state;
    weights_share(1);
}

static void weights_share_by_ten(void **state)
{
    (void)state;
    weights_share(10);
}

static void bad_weights_by_hand_count_as_one(void **state)
{
    static const char *const bad[] = {"0", "-1", "nan", "inf", "x", "1e300", ""};
    unsigned n = 1;

    (void)state;
    wh_lc_worker("w");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++, n += 4) {
        unsigned count[8] = {0};

        freeReplyObject(wh_lc_cmd("HSET " WH_LC_P ":weights a %s", bad[i]));
        fill(0x10000 + n, 4, "a");
        fill(0x20000 + n, 4, "b");
        count_orgs(4, count);
        assert_int_equal(count[1], 2);
        assert_int_equal(count[2], 2);
        count_orgs(10, count);
        assert_int_equal(count[1] + count[2], 8);
    }
    wh_lc_audit();
}

static void a_newcomer_neither_waits_nor_catches_up(void **state)
{
    unsigned count[8] = {0};

    (void)state;
    wh_lc_worker("w");
    fill(0x10000, 100, "a");
    wh_lc_ok("wh1_cycle", "w 40 0");
    fill(0x20000, 100, "b");
    count_orgs(20, count);
    assert_int_equal(count[1], 10);
    assert_int_equal(count[2], 10);
}

/* An org that always holds one job waiting gains nothing by running empty. */
static void running_empty_wins_nothing(void **state)
{
    unsigned count[8] = {0};

    (void)state;
    wh_lc_worker("w");
    fill(0x10000, 200, "a");
    for (unsigned i = 0; i < 50; i++) {
        fill(0x20000 + i, 1, "b");
        count_orgs(2, count);
    }
    assert_in_range(count[2], 49, 50);
    assert_in_range(count[1], 50, 51);
}

static void many_orgs_one_job_each(void **state)
{
    unsigned got = 0;

    (void)state;
    wh_lc_worker("w");
    for (unsigned n = 0; n < 1000; n++) {
        wh_lc_enqueue(n, "ORG o%u", n);
    }
    for (int i = 0; i < 10 && got < 1000; i++) {
        redisReply *r = wh_lc_call("wh1_cycle", "w 300 0");
        got += (unsigned)r->element[CLAIMED]->elements / 3;
        freeReplyObject(r);
    }
    assert_int_equal(got, 1000);
    wh_lc_stat("in_progress", 1000);
    wh_lc_audit();
    wh_lc_claim("w", 300, "");
    wh_lc_claim("w", 300, "");
    wh_lc_claim("w", 300, "");
    wh_lc_claim("w", 300, "");
    wh_lc_claim("w", 300, "");
    wh_lc_stat("orgs", 0);
}

/* Hand-made damage in one job must not stop the others. */
static void damaged_values_do_not_block(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_enqueue(2, "DELAY 5");
    wh_lc_enqueue(3, "");
    freeReplyObject(wh_lc_cmd("HSET " WH_LC_P ":meta %b garbage", WH_LC_RAW(1)));
    freeReplyObject(wh_lc_cmd("HSET " WH_LC_P ":jobs %b %b", WH_LC_RAW(2),
                              "\xcf\0\0\0\0\0\0\0\1\xc1zzz", (size_t)13));
    freeReplyObject(wh_lc_cmd("HSET " WH_LC_P ":stats claimed many promoted x"));
    wh_lc_advance(5);
    wh_lc_claim("w", 5, "1 3 2");
    wh_lc_dead("w", 2, "invalid");
    wh_lc_done("w", 1, 1, true);
    wh_lc_done("w", 3, 1, true);
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(in_order_of_priority_then_arrival),
        WH_LC_TEST(levels_run_empty),
        WH_LC_TEST(gives_token_meta_and_record),
        WH_LC_TEST(tokens_reach_two_digits),
        WH_LC_TEST(tells_idle_and_more),
        WH_LC_TEST(wakes_the_next_idle_worker),
        WH_LC_TEST(paused_gives_nothing),
        WH_LC_TEST(quiet_gives_nothing_and_is_not_idle),
        WH_LC_TEST(orgs_take_turns),
        WH_LC_TEST(active_counts_each_org),
        WH_LC_TEST(weights_share_by_one),
        WH_LC_TEST(weights_share_by_ten),
        WH_LC_TEST(bad_weights_by_hand_count_as_one),
        WH_LC_TEST(a_newcomer_neither_waits_nor_catches_up),
        WH_LC_TEST(running_empty_wins_nothing),
        WH_LC_TEST(many_orgs_one_job_each),
        WH_LC_TEST(damaged_values_do_not_block),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
