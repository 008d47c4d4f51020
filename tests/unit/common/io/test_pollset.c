/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one descriptor that stands for a loop: readable when a watched fd is, again when
 * the fd's number comes back as another file, bounded by the next timer.
 */
#include "common/io/pollset.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct fixture {
    wh_loop *loop;
    wh_pollset *set;
    int fd; /* that on_read empties */
    int reads, ticks;
} fixture;

static int setup(void **state)
{
    static fixture f;

    f = (fixture){.loop = NULL};
    assert_int_equal(wh_loop_new(&f.loop), WH_OK);
    assert_int_equal(wh_pollset_new(f.loop, &f.set, NULL), WH_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    wh_pollset_free(f->set);
    wh_pollset_free(NULL);
    wh_loop_free(f->loop);
    return 0;
}

static void on_read(void *arg, unsigned events)
{
    fixture *f = arg;
    char byte = 0;

    assert_int_equal(events, WH_WATCH_READ);
    assert_int_equal(read(f->fd, &byte, 1), 1);
    f->reads++;
}

static void on_tick(void *arg)
{
    ((fixture *)arg)->ticks++;
}

/* Is there something to do, at once? */
static int polled(fixture *f)
{
    struct pollfd p = {.fd = wh_pollset_fd(f->set), .events = POLLIN};
    int64_t timeout_ms = -1;

    assert_int_equal(wh_pollset_update(f->set, &timeout_ms), WH_OK);
    assert_true(timeout_ms >= 0 && timeout_ms <= 1000);
    return poll(&p, 1, 0);
}

static void test_watch(void **state)
{
    fixture *f = *state;
    wh_watch *w = NULL;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    f->fd = fds[0];
    assert_int_equal(wh_watch_new(f->loop, fds[0], WH_WATCH_READ, on_read, f, &w),
                     WH_OK);
    assert_int_equal(polled(f), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(polled(f), 1);
    assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    assert_int_equal(f->reads, 1);
    assert_int_equal(polled(f), 0);
    wh_watch_set(w, 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(polled(f), 0);
    wh_watch_set(w, WH_WATCH_READ);
    assert_int_equal(polled(f), 1);
    wh_watch_free(w);
    assert_int_equal(polled(f), 0);
    close(fds[0]);
    close(fds[1]);
}

static void test_number_comes_back(void **state)
{
    fixture *f = *state;
    int first = -1;

    for (int round = 0; round < 3; round++) {
        wh_watch *w = NULL;
        int fds[2];

        assert_int_equal(pipe(fds), 0);
        first = round == 0 ? fds[0] : first;
        assert_int_equal(fds[0], first); /* the lowest free number */
        assert_int_equal(wh_watch_new(f->loop, fds[0], WH_WATCH_READ, on_read, f, &w),
                         WH_OK);
        assert_int_equal(polled(f), 0);
        assert_int_equal(write(fds[1], "x", 1), 1);
        assert_int_equal(polled(f), 1);
        wh_watch_free(w);
        close(fds[0]);
        close(fds[1]);
    }
}

static void test_timer(void **state)
{
    fixture *f = *state;
    wh_timer *t = NULL;
    int64_t wait_ms = -1;

    assert_int_equal(wh_pollset_update(f->set, &wait_ms), WH_OK);
    assert_int_equal(wait_ms, 1000); /* nothing to wait for: the bound */
    assert_int_equal(wh_timer_new(f->loop, on_tick, f, &t), WH_OK);
    wh_timer_start(t, 300);
    assert_int_equal(wh_pollset_update(f->set, &wait_ms), WH_OK);
    assert_true(wait_ms <= 301);
    wh_timer_start(t, 0);
    while (f->ticks == 0) {
        assert_int_equal(wh_pollset_update(f->set, &wait_ms), WH_OK);
        assert_true(wait_ms <= 1);
        assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    }
    assert_int_equal(wh_pollset_update(f->set, &wait_ms), WH_OK);
    assert_int_equal(wait_ms, 1000);
    wh_timer_free(t);
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOOP(test_watch),
        WITH_LOOP(test_number_comes_back),
        WITH_LOOP(test_timer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
