/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The performance budget that no machine can blur: how many Redis commands the functions
 * run for a job, counted by Redis itself. Prints the table; the bounds are its limits.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { JOBS = 1000, BATCH = 100 };

static long long enqueue(unsigned orgs, const char *options, size_t len)
{
    struct wh_lc_args a = {0};

    wh_lc_ok("wh1_configure", "keep_count 0");
    /* What only the first call in a new partition does. */
    freeReplyObject(wh_lc_cmd("HSET " WH_LC_P ":ctl counted 1"));
    for (unsigned n = 0; n < JOBS; n++) {
        char head[64];
        size_t at = (size_t)snprintf(head, 32, "%c\xa4mail\xa4o%03u\x05",
                                     len > 0 ? 0x94 : 0x93, n % orgs);
        memcpy(head + at, options, len);
        wh_lc_add(&a, wh_lc_raw(n), 16);
        wh_lc_add(&a, head, at + len);
        wh_lc_add_text(&a, "payload");
    }
    wh_ll_reset_calls();
    redisReply *r = wh_lc_call_args("wh1_enqueue_batch", &a);
    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->element[0]->integer, JOBS);
    freeReplyObject(r);
    return wh_ll_calls(NULL);
}

/* Claims BATCH jobs, and so often finishes them and claims the next: calls of all. */
static long long cycles(unsigned *done)
{
    struct wh_lc_args a = {0};
    long long calls;

    *done = 0;
    wh_lc_add_text(&a, "w");
    wh_lc_add_text(&a, "%d", BATCH);
    wh_lc_add_text(&a, "0");
    wh_ll_reset_calls();
    for (;;) {
        redisReply *r = wh_lc_call_args("wh1_cycle", &a);
        assert_int_equal(r->type, REDIS_REPLY_ARRAY);
        const redisReply *c = r->element[4];
        wh_lc_add_text(&a, "w");
        wh_lc_add_text(&a, "%d", BATCH);
        wh_lc_add_text(&a, "%zu", c->elements / 3);
        for (size_t i = 0; i < c->elements; i += 3) {
            wh_lc_add(&a, c->element[i]->str, c->element[i]->len);
        }
        *done += (unsigned)(c->elements / 3);
        size_t got = c->elements;
        freeReplyObject(r);
        if (got == 0) {
            break;
        }
    }
    calls = wh_ll_calls(NULL);
    freeReplyObject(wh_lc_call_args("wh1_cycle", &a));
    return calls;
}

static void measure(unsigned orgs, double enqueue_bound, double cycle_bound)
{
    unsigned done;

    wh_lc_worker("w");
    double e = (double)enqueue(orgs, "", 0) / JOBS;
    double c = (double)cycles(&done) / JOBS;
    print_message("%4u orgs: enqueue %.3f, claim and finish %.3f commands a job\n",
                  orgs, e, c);
    assert_int_equal(done, JOBS);
    wh_lc_stat("completed", JOBS);
    wh_lc_audit();
    if (e > enqueue_bound || c > cycle_bound) {
        fail_msg("over the budget of %.3f and %.3f", enqueue_bound, cycle_bound);
    }
}

static void one_org(void **state)
{
    (void)state;
    measure(1, 0.028, 0.490);
}

static void ninety_nine_orgs(void **state)
{
    (void)state;
    measure(99, 0.130, 0.825);
}

static void a_thousand_orgs(void **state)
{
    (void)state;
    measure(1000, 1.035, 1.665);
}

static void delayed_in_few_calls(void **state)
{
    (void)state;
    assert_in_range(enqueue(99,
                            "\x81\xa2"
                            "dl\x05",
                            5),
                    1, 30);
    wh_lc_stat("scheduled", JOBS);
    wh_lc_advance(5);
    wh_ll_reset_calls();
    assert_int_equal(wh_lc_nth(1, "wh1_promote", "1000"), JOBS);
    long long calls = wh_ll_calls(NULL);
    print_message("promote %d jobs of 99 orgs: %lld commands\n", JOBS, calls);
    assert_in_range(calls, 99, 99 + 35); /* one for each org's list */
}

/* A job alone, as most producers enqueue: the keys are looked at once. */
static void one_job_without_an_id(void **state)
{
    (void)state;
    (void)enqueue(99, "", 0);
    wh_ll_reset_calls();
    freeReplyObject(wh_lc_call("wh1_enqueue", "mail p ORG acme"));
    assert_in_range(wh_ll_calls(NULL), 1, 30);
    wh_lc_stat("pending", JOBS + 1);
}

/* Its commands are the price of an idle start. */
static void a_hand_off_in_few_calls(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_worker("w");
    freeReplyObject(wh_lc_call("wh1_cycle", "w 4+ 0"));
    wh_lc_add(&a, wh_lc_raw(1), 16);
    wh_lc_add(&a,
              "\x93\xa4mail\xa4"
              "acme\x05",
              12);
    wh_lc_add_text(&a, "payload");
    wh_ll_reset_calls();
    freeReplyObject(wh_lc_call_args("wh1_enqueue_batch", &a));
    assert_in_range(wh_ll_calls(NULL), 1, 9);
    wh_lc_status(1, "in_progress");
    wh_lc_audit();
}

/* How far Lua's collector walks for what is allocated, asked by another library: all share one Lua. */
static void the_collector_walks_little(void **state)
{
    (void)state;
    freeReplyObject(wh_lc_cmd("FUNCTION LOAD %s",
                              "#!lua name=probe\n"
                              "redis.register_function('probe', function()\n"
                              "    local was = collectgarbage('setstepmul', 50)\n"
                              "    return was\n"
                              "end)"));
    freeReplyObject(wh_lc_call("wh1_version", ""));
    redisReply *r = wh_lc_cmd("FCALL probe 0");
    assert_int_equal(r->type, REDIS_REPLY_INTEGER);
    assert_in_range(r->integer, 1, 50);
    freeReplyObject(r);
    freeReplyObject(wh_lc_cmd("FUNCTION DELETE probe"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(one_org),
        WH_LC_TEST(ninety_nine_orgs),
        WH_LC_TEST(a_thousand_orgs),
        WH_LC_TEST(delayed_in_few_calls),
        WH_LC_TEST(one_job_without_an_id),
        WH_LC_TEST(a_hand_off_in_few_calls),
        WH_LC_TEST(the_collector_walks_little),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
