/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: order and lifetime of timers, watchers, deferred functions and signals. */
#include "common/base/clock.h"
#include "common/io/loop.h"
#include "tests/support/loop_wait.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct fixture {
    wh_loop *loop;
    wh_timer *timer;
    wh_watch *watch;
    int fired;
    unsigned events;
    int fds[2];
} fixture;

static int setup(void **state)
{
    fixture *f = test_calloc(1, sizeof *f);

    assert_int_equal(wh_loop_new(&f->loop), WH_OK);
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, f->fds), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    wh_timer_free(f->timer);
    wh_watch_free(f->watch);
    close(f->fds[0]);
    close(f->fds[1]);
    wh_loop_free(f->loop);
    wh_clock_real();
    test_free(f);
    return 0;
}

static void count(void *arg)
{
    ((fixture *)arg)->fired++;
}

static void timer_fires_once_and_not_early(void **state)
{
    fixture *f = *state;
    int64_t before = wh_clock_mono_us();

    assert_int_equal(wh_timer_new(f->loop, count, f, &f->timer), WH_OK);
    assert_false(wh_timer_is_running(f->timer));
    wh_timer_start_us(f->timer, 3000);
    assert_true(wh_timer_is_running(f->timer));
    WH_WAIT_FOR(f->loop, f->fired > 0);
    assert_true(wh_clock_mono_us() - before >= 3000);
    assert_false(wh_timer_is_running(f->timer));
    assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    assert_int_equal(f->fired, 1);
}

static void timer_stopped_or_moved_does_not_fire(void **state)
{
    fixture *f = *state;

    assert_int_equal(wh_timer_new(f->loop, count, f, &f->timer), WH_OK);
    wh_timer_start(f->timer, 0);
    wh_timer_stop(f->timer);
    assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    wh_timer_start(f->timer, 0);
    wh_timer_start(f->timer, 3600 * 1000);
    assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    assert_int_equal(f->fired, 0);
}

static void restart_next_turn(void *arg)
{
    fixture *f = arg;

    f->fired++;
    wh_timer_start(f->timer, 0);
}

static void delay_zero_waits_for_the_next_turn(void **state)
{
    fixture *f = *state;

    assert_int_equal(wh_timer_new(f->loop, restart_next_turn, f, &f->timer), WH_OK);
    wh_timer_start(f->timer, 0);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(wh_loop_turn(f->loop, 1000), WH_OK);
        assert_int_equal(f->fired, i);
    }
}

/* A turn that begins with a deferred function does not wait, but for one that only sends. */
static void output_does_not_end_the_wait(void **state)
{
    fixture *f = *state;
    wh_deferred d = {.fn = count, .arg = f};

    assert_int_equal(wh_timer_new(f->loop, count, f, &f->timer), WH_OK);
    wh_timer_start(f->timer, 3600 * 1000);
    wh_loop_defer(f->loop, &d);
    assert_int_equal(wh_loop_turn(f->loop, 60000), WH_OK);
    assert_int_equal(f->fired, 1);
    d.is_output = true;
    wh_timer_start(f->timer, 5);
    wh_loop_defer(f->loop, &d);
    assert_int_equal(wh_loop_turn(f->loop, 60000), WH_OK);
    assert_int_equal(f->fired, 3);
}

static void coarse_timers_are_not_early(void **state)
{
    fixture *f = *state;
    wh_loop *coarse = NULL;
    wh_timer *timer = NULL;

    assert_int_equal(wh_loop_new_coarse(&coarse), WH_OK);
    assert_int_equal(wh_timer_new(coarse, count, f, &timer), WH_OK);
    for (int i = 1; i <= 5; i++) {
        int64_t before = wh_clock_mono_us();

        wh_timer_start_us(timer, 1300 * i);
        WH_WAIT_FOR(coarse, f->fired == i);
        assert_true(wh_clock_mono_us() - before >= 1300 * i);
    }
    wh_timer_free(timer);
    wh_loop_free(coarse);
}

static void free_own_timer(void *arg)
{
    fixture *f = arg;

    f->fired++;
    wh_timer_free(f->timer);
    f->timer = NULL;
}

static void timer_may_free_itself(void **state)
{
    fixture *f = *state;

    assert_int_equal(wh_timer_new(f->loop, free_own_timer, f, &f->timer), WH_OK);
    wh_timer_start(f->timer, 0);
    WH_WAIT_FOR(f->loop, f->fired == 1);
    assert_null(f->timer);
}

static void on_watch(void *arg, unsigned events)
{
    fixture *f = arg;

    f->fired++;
    f->events = events;
}

static void watch_is_level_triggered_and_can_pause(void **state)
{
    fixture *f = *state;

    assert_int_equal(
        wh_watch_new(f->loop, f->fds[0], WH_WATCH_READ, on_watch, f, &f->watch), WH_OK);
    assert_int_equal(write(f->fds[1], "x", 1), 1);
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(wh_loop_turn(f->loop, 1000), WH_OK);
        assert_int_equal(f->fired, i);
        assert_int_equal(f->events, WH_WATCH_READ);
    }
    wh_watch_set(f->watch, 0);
    assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    assert_int_equal(f->fired, 2);
    wh_watch_set(f->watch, WH_WATCH_WRITE);
    assert_int_equal(wh_loop_turn(f->loop, 1000), WH_OK);
    assert_int_equal(f->events, WH_WATCH_WRITE);
    wh_watch_set(f->watch, WH_WATCH_READ | WH_WATCH_WRITE);
    assert_int_equal(wh_loop_turn(f->loop, 1000), WH_OK);
    assert_int_equal(f->events, WH_WATCH_READ | WH_WATCH_WRITE);
}

static void free_own_watch(void *arg, unsigned events)
{
    fixture *f = arg;

    on_watch(f, events);
    wh_watch_free(f->watch);
    f->watch = NULL;
}

static void watch_may_free_itself(void **state)
{
    fixture *f = *state;

    assert_int_equal(
        wh_watch_new(f->loop, f->fds[0], WH_WATCH_WRITE, free_own_watch, f, &f->watch),
        WH_OK);
    WH_WAIT_FOR(f->loop, f->fired > 0);
    assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    assert_int_equal(f->fired, 1);
}

static void watch_refuses_what_epoll_refuses(void **state)
{
    fixture *f = *state;
    wh_watch *w = NULL;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int closed = dup(fd);

    close(closed);
    close(fd);
    assert_int_equal(wh_watch_new(f->loop, closed, WH_WATCH_READ, on_watch, f, &w),
                     WH_EIO);
    assert_null(w);
}

typedef struct chain {
    wh_deferred node;
    wh_loop *loop;
    struct chain *next;
    int *clock;
    int at;
} chain;

static void run_chain(void *arg)
{
    chain *c = arg;

    c->at = ++*c->clock;
    if (c->next != NULL) {
        wh_loop_defer(c->loop, &c->next->node);
    }
}

static void deferred_run_once_in_order(void **state)
{
    fixture *f = *state;
    int clock = 0;
    chain a[3];

    for (size_t i = 0; i < 3; i++) {
        a[i] = (chain){.loop = f->loop, .clock = &clock};
        a[i].node = (wh_deferred){.fn = run_chain, .arg = &a[i]};
    }
    a[0].next = &a[2];
    wh_loop_defer(f->loop, &a[0].node);
    wh_loop_defer(f->loop, &a[1].node);
    wh_loop_defer(f->loop, &a[0].node); /* queued already */
    /* Waiting for ever would hang here if the turn forgot what was deferred before it. */
    assert_int_equal(wh_loop_turn(f->loop, -1), WH_OK);
    assert_int_equal(a[0].at, 1);
    assert_int_equal(a[1].at, 2);
    assert_int_equal(a[2].at, 3);
    assert_false(a[0].node.queued);
}

static void deferred_without_end_leaves_turns_alone(void **state)
{
    fixture *f = *state;
    int clock = 0;
    chain c = {.loop = f->loop, .clock = &clock};

    c.node = (wh_deferred){.fn = run_chain, .arg = &c};
    c.next = &c;
    wh_loop_defer(f->loop, &c.node);
    assert_int_equal(wh_loop_turn(f->loop, -1), WH_OK);
    assert_true(clock > 1);
    int before = clock;
    assert_int_equal(wh_loop_turn(f->loop, -1), WH_OK);
    assert_true(clock > before);
    c.next = NULL;
    assert_int_equal(wh_loop_turn(f->loop, -1), WH_OK);
}

static void free_runs_what_is_deferred(void **state)
{
    wh_loop *l = NULL;
    int clock = 0;
    chain c = {.clock = &clock};

    (void)state;
    assert_int_equal(wh_loop_new(&l), WH_OK);
    c.node = (wh_deferred){.fn = run_chain, .arg = &c};
    wh_loop_defer(l, &c.node);
    wh_loop_free(l);
    assert_int_equal(clock, 1);
    wh_loop_free(NULL);
}

static void stop_loop(void *arg)
{
    fixture *f = arg;

    f->fired++;
    wh_loop_stop(f->loop);
}

static void run_ends_with_stop(void **state)
{
    fixture *f = *state;

    assert_int_equal(wh_timer_new(f->loop, stop_loop, f, &f->timer), WH_OK);
    wh_timer_start(f->timer, 1);
    assert_int_equal(wh_loop_run(f->loop), WH_OK);
    assert_int_equal(f->fired, 1);
    wh_loop_stop(f->loop); /* before: the next run ends at once */
    assert_int_equal(wh_loop_run(f->loop), WH_OK);
    wh_timer_start(f->timer, 1);
    assert_int_equal(wh_loop_run(f->loop), WH_OK);
    assert_int_equal(f->fired, 2);
}

static void on_signal(void *arg, int signo)
{
    fixture *f = arg;

    f->fired++;
    f->events = (unsigned)signo;
}

static void signals_become_events(void **state)
{
    fixture *f = *state;

    assert_int_equal(wh_loop_on_signal(f->loop, SIGUSR1, on_signal, f), WH_OK);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(f->fired, 0); /* never in the handler */
    WH_WAIT_FOR(f->loop, f->fired > 0);
    assert_int_equal(f->events, SIGUSR1);
}

static void sigpipe_is_ignored(void **state)
{
    struct sigaction now;

    (void)state;
    assert_int_equal(sigaction(SIGPIPE, NULL, &now), 0);
    assert_true(now.sa_handler == SIG_IGN);
}

static void take_time(void *arg)
{
    fixture *f = arg;

    f->fired++;
    wh_clock_advance(70 * 1000);
}

static void lag_is_what_callbacks_took(void **state)
{
    fixture *f = *state;

    wh_clock_fake(1000000, 0);
    assert_int_equal(wh_timer_new(f->loop, take_time, f, &f->timer), WH_OK);
    (void)wh_loop_take_lag_us(f->loop);
    wh_clock_advance(5000000); /* waiting is no lag */
    wh_timer_start(f->timer, 0);
    assert_int_equal(wh_loop_turn(f->loop, 1000), WH_OK);
    assert_int_equal(f->fired, 1);
    assert_int_equal(wh_loop_take_lag_us(f->loop), 70 * 1000);
    assert_int_equal(wh_loop_take_lag_us(f->loop), 0);
    assert_int_equal(wh_loop_last_turn_ms(f->loop), 6000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(timer_fires_once_and_not_early),
        TEST(timer_stopped_or_moved_does_not_fire),
        TEST(delay_zero_waits_for_the_next_turn),
        TEST(output_does_not_end_the_wait),
        TEST(coarse_timers_are_not_early),
        TEST(timer_may_free_itself),
        TEST(watch_is_level_triggered_and_can_pause),
        TEST(watch_may_free_itself),
        TEST(watch_refuses_what_epoll_refuses),
        TEST(deferred_run_once_in_order),
        TEST(deferred_without_end_leaves_turns_alone),
        TEST(free_runs_what_is_deferred),
        TEST(run_ends_with_stop),
        TEST(signals_become_events),
        TEST(sigpipe_is_ignored),
        TEST(lag_is_what_callbacks_took),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
