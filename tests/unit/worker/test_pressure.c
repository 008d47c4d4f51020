/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the worker holds back, and that it goes on by itself: memory with its two bounds,
 * the word of a handler with its time.
 */
#include "common/base/clock.h"
#include "common/io/child.h"
#include "tests/support/loop_wait.h"
#include "tests/unit/worker/fake_executor.h"
#include "worker/pressure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define GIB (INT64_C(1) << 30) /* far above what this test itself takes */

static char mail[] = "mail", slow[] = "slow", run[] = "fake:x";
static wh_loop *loop;
static wh_registry *registry;
static wh_pressure *pressure;
static wh_pressure_state told;
static unsigned changes;

static void on_change(void *arg, wh_pressure_state now)
{
    (void)arg;
    changes++;
    told = now;
}

static int set_up(void **state)
{
    (void)state;
    static const wh_executor_events events = {.arg = NULL};
    static const wh_handler_config configs[2] = {
        {.name = mail, .run = run, .max_attempts = 5},
        {.name = slow, .run = run, .max_attempts = 5}};
    wh_registry_setup ro = {.configs = configs,
                            .n = 2,
                            .executor = {.events = &events},
                            .kind_of = fake_kind_of};

    n_fakes = changes = 0;
    told = (wh_pressure_state){.memory = false};
    assert_int_equal(wh_loop_new(&loop), WH_OK);
    assert_int_equal(wh_registry_new(&ro, &registry, NULL), WH_OK);
    wh_pressure_setup o = {.loop = loop, .registry = registry, .on_change = on_change};
    assert_int_equal(wh_pressure_new(&o, &pressure), WH_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wh_pressure_free(pressure);
    wh_registry_free(registry);
    wh_loop_free(loop);
    return 0;
}

static void test_memory(void **state)
{
    (void)state;
    wh_pressure_set_limit(pressure, 100 * GIB);
    assert_int_equal(changes, 0);
    fakes[0].memory = 60 * GIB;
    fakes[1].memory = 50 * GIB;
    WH_WAIT_FOR(loop, told.memory); /* the sum, seen within a second or so */
    assert_int_equal(changes, 1);
    fakes[0].n = 1;
    fakes[1].memory = 35 * GIB; /* below the limit, but above 90 % of it; a job runs */
    wh_pressure_set_limit(pressure, 100 * GIB);
    assert_true(wh_pressure_now(pressure).memory);
    fakes[1].memory = 25 * GIB;
    WH_WAIT_FOR(loop, !told.memory);
    assert_int_equal(changes, 2);
    fakes[1].memory = 35 * GIB; /* on the way up 95 % are no reason yet */
    wh_pressure_set_limit(pressure, 100 * GIB);
    assert_false(wh_pressure_now(pressure).memory);
}

static void test_limit_changes(void **state)
{
    (void)state;
    assert_true(wh_child_rss_self() > 100000);
    wh_pressure_set_limit(pressure, 4096); /* the worker itself counts */
    assert_true(told.memory);
    wh_pressure_set_limit(pressure, 0);
    assert_false(told.memory);
    assert_int_equal(changes, 2);
}

static void test_busy_ends_by_itself(void **state)
{
    (void)state;
    wh_pressure_look(pressure);
    assert_int_equal(changes, 0);
    fakes[1].busy_until_us = wh_clock_mono_us() + 50000;
    wh_pressure_look(pressure);
    assert_true(told.busy);
    WH_WAIT_FOR(loop, !told.busy);
    assert_true(wh_clock_mono_us() >= fakes[1].busy_until_us);
    assert_int_equal(changes, 2);
}

static void test_busy_is_prolonged_and_taken_back(void **state)
{
    (void)state;
    fakes[0].busy_until_us = wh_clock_mono_us() + 1000;
    wh_pressure_look(pressure);
    fakes[1].busy_until_us = wh_clock_mono_us() + INT64_C(3600000000);
    wh_pressure_look(pressure);
    WH_WAIT_FOR(loop, wh_clock_mono_us() > fakes[0].busy_until_us + 20000);
    assert_true(told.busy); /* the other one still is */
    assert_int_equal(changes, 1);
    fakes[1].busy_until_us = 0;
    wh_pressure_look(pressure);
    assert_false(told.busy);
    assert_int_equal(changes, 2);
}

static void test_both(void **state)
{
    (void)state;
    wh_pressure_set_limit(pressure, 4096);
    fakes[0].busy_until_us = wh_clock_mono_us() + INT64_C(3600000000);
    wh_pressure_look(pressure);
    assert_true(told.busy && told.memory);
    wh_pressure_set_limit(pressure, 0);
    assert_true(told.busy && !told.memory);
    wh_registry_kill(registry); /* who is gone says nothing any more */
    wh_pressure_look(pressure);
    assert_false(told.busy);
}

/* Over the limit with nothing that runs: idle processes are replaced, the biggest first, and
 * no more of them than it takes. */
static void test_idle_processes_are_replaced(void **state)
{
    (void)state;
    fakes[0].memory = 60 * GIB;
    fakes[0].grown[0] = 5 * GIB;
    fakes[0].grown[1] = 15 * GIB;
    fakes[1].memory = 50 * GIB;
    fakes[1].grown[2] = 10 * GIB;
    fakes[1].n = 1; /* a job runs: its end may be the end of it */
    wh_pressure_set_limit(pressure, 100 * GIB);
    assert_true(told.memory);
    wh_pressure_set_limit(pressure, 100 * GIB);
    assert_int_equal(fakes[0].shed + fakes[1].shed, 0);
    fakes[1].n = 0;
    fakes[0].is_moving = true; /* who ends already may be enough */
    wh_pressure_set_limit(pressure, 100 * GIB);
    assert_int_equal(fakes[0].shed + fakes[1].shed, 0);
    fakes[0].is_moving = false;
    WH_WAIT_FOR(loop, !told.memory);
    assert_int_equal(fakes[0].grown[1], 0);
    assert_int_equal(fakes[1].grown[2], 0);
    assert_int_equal(fakes[0].shed, 1);
    assert_int_equal(fakes[1].shed, 1);
}

/* Nothing to replace any more: between 90 and 100 % it goes on, above it waits, and nothing is
 * started again and again. */
static void test_what_is_left_decides(void **state)
{
    (void)state;
    fakes[0].memory = 110 * GIB;
    fakes[0].grown[0] = 5 * GIB;
    wh_pressure_set_limit(pressure, 100 * GIB);
    wh_pressure_set_limit(pressure, 100 * GIB);
    assert_int_equal(fakes[0].shed, 1);
    wh_pressure_set_limit(pressure, 100 * GIB);
    assert_true(told.memory);
    assert_int_equal(fakes[0].shed, 1);
    fakes[0].memory = 95 * GIB;
    wh_pressure_set_limit(pressure, 100 * GIB);
    assert_false(told.memory);
}

/* Jobs end and others begin: a moment with room in between changes nothing, nor does a
 * moment without. */
static void test_capacity(void **state)
{
    (void)state;
    wh_pressure_lack(pressure, WH_LACK_CAPACITY);
    wh_pressure_lack(pressure, WH_LACK_NOTHING);
    wh_pressure_lack(pressure, WH_LACK_CAPACITY);
    assert_int_equal(changes, 0);
    WH_WAIT_FOR(loop, told.capacity);
    assert_false(told.handlers);
    assert_string_equal(wh_pressure_word(told), "capacity");
    wh_pressure_lack(pressure, WH_LACK_NOTHING);
    wh_pressure_lack(pressure, WH_LACK_CAPACITY);
    assert_int_equal(changes, 1);
    wh_pressure_lack(pressure, WH_LACK_NOTHING);
    WH_WAIT_FOR(loop, !told.capacity);
    assert_int_equal(changes, 2);
    assert_null(wh_pressure_word(told));
}

static void test_no_handler_has_a_process(void **state)
{
    (void)state;
    wh_pressure_lack(pressure, WH_LACK_HANDLERS);
    WH_WAIT_FOR(loop, told.handlers);
    assert_false(told.capacity);
    assert_string_equal(wh_pressure_word(told), "handlers");
    wh_pressure_lack(pressure, WH_LACK_NOTHING); /* one has: at once */
    assert_false(told.handlers);
    assert_int_equal(changes, 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_memory),
        TEST(test_limit_changes),
        TEST(test_busy_ends_by_itself),
        TEST(test_busy_is_prolonged_and_taken_back),
        TEST(test_both),
        TEST(test_idle_processes_are_replaced),
        TEST(test_what_is_left_decides),
        TEST(test_capacity),
        TEST(test_no_handler_has_a_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
