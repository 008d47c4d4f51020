/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations on the real functions against the model in tests/support/lua_model:
 * limits, groups, unique modes, breakers, expiry and schedules among them. After each one
 * the touched jobs must agree, after each cycle every place, now and then everything.
 * WH_MODEL_OPS sets how many (100,000), WH_MODEL_SEED the choices. A seed does not repeat a run
 * exactly: the order inside a hash is another one in each server.
 */
#include "tests/support/lua_model_run.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FULL_CHECK = 2000, SOME = 10, AUDIT = 100, DRAIN = 2000 };

static struct wh_lmr run;

static void step(void)
{
    static const struct {
        unsigned weight;
        void (*op)(struct wh_lmr *);
    } ops[] = {{12, wh_lmr_enqueue},     {10, wh_lmr_enqueue_batch},
               {9, wh_lmr_alone},        {30, wh_lmr_cycle},
               {9, wh_lmr_heartbeat},    {1, wh_lmr_bye},
               {3, wh_lmr_resync},       {1, wh_lmr_quiet},
               {12, wh_lmr_advance},     {4, wh_lmr_timed},
               {6, wh_lmr_cancel},       {6, wh_lmr_retry},
               {2, wh_lmr_pause_resume}, {4, wh_lmr_dlq},
               {2, wh_lmr_settings},     {3, wh_lmr_limit},
               {3, wh_lmr_explain},      {3, wh_lmr_cron},
               {1, wh_lmr_storm}};
    unsigned at = wh_lmr_random(&run, 121);

    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (at < ops[i].weight) {
            ops[i].op(&run);
            run.acted_at = ops[i].op == wh_lmr_advance ? run.acted_at : run.m.now;
            return;
        }
        at -= ops[i].weight;
    }
}

static void go(void)
{
    for (run.op = 0; run.op < run.ops; run.op++) {
        step();
        if (run.op % SOME == 0) {
            wh_lmr_check_stats(&run);
            wh_lmr_check_breakers(&run);
        }
        if (run.op % AUDIT == 0) {
            wh_lc_audit();
        }
        if (run.op % FULL_CHECK == FULL_CHECK - 1) {
            wh_lmr_check_all(&run);
        }
        if (run.op % DRAIN == DRAIN - 1) {
            wh_lmr_drain(&run);
            run.acted_at = run.m.now;
        }
    }
    wh_lmr_drain(&run);
    wh_lmr_check_all(&run);
    print_message("%lu jobs were handed over\n", run.handed);
    assert_true(run.handed > 0 || run.ops < FULL_CHECK);
    run.finished = true;
}

static void random_operations(void **state)
{
    (void)state;
    wh_lmr_init(&run, 100);
    go();
}

/* Where groups of several types wait for limits most of the time. */
static void many_groups(void **state)
{
    (void)state;
    wh_lmr_init(&run, 30);
    run.many_grouped = true;
    go();
}

static void every_call_twice(void **state)
{
    (void)state;
    wh_lmr_init(&run, 5);
    run.twice = true;
    go();
}

static int show_if_failed(void **state)
{
    (void)state;
    if (!run.finished) {
        wh_lmr_show(&run);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_operations, wh_lc_reset, show_if_failed),
        cmocka_unit_test_setup_teardown(many_groups, wh_lc_reset, show_if_failed),
        cmocka_unit_test_setup_teardown(every_call_twice, wh_lc_reset, show_if_failed),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
