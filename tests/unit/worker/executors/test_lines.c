/* SPDX-License-Identifier: Apache-2.0 */
/* lines.c: a child's output as lines, its limits, and the tail that becomes a message. */
#include "tests/support/loop_wait.h"
#include "worker/executors/fds.h"
#include "worker/executors/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct fixture {
    wh_loop *loop;
    wh_lines *lines;
    int writer;
    unsigned count;
    wh_buf text; /* lines, each followed by '|' */
} fixture;

static void on_line(void *arg, wh_job *job, wh_slice line)
{
    fixture *f = arg;
    (void)job;
    f->count++;
    wh_buf_add(&f->text, line.p, line.n);
    wh_buf_addc(&f->text, '|');
}

static int set_up(void **state)
{
    static fixture f;
    wh_fds_pair pair;
    f = (fixture){0};
    wh_clock_fake(INT64_C(1000000000), 0);
    assert_int_equal(wh_loop_new(&f.loop), WH_OK);
    assert_int_equal(wh_fds_pipe(true, &pair, NULL), WH_OK);
    assert_int_equal(wh_lines_new(f.loop, pair.ours, on_line, &f, &f.lines), WH_OK);
    f.writer = pair.theirs;
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    wh_clock_real();
    wh_lines_free(f->lines);
    wh_fds_close(&f->writer);
    wh_loop_free(f->loop);
    wh_buf_fini(&f->text);
    return 0;
}

static void say(fixture *f, const char *p, size_t n)
{
    assert_int_equal(write(f->writer, p, n), (ssize_t)n);
    wh_lines_drain(f->lines);
}

static void test_lines(void **state)
{
    fixture *f = *state;
    say(f, "one\ntwo\r\n\nth", 12);
    assert_string_equal(wh_buf_str(&f->text), "one|two||");
    say(f, "ree\nrest", 8);
    assert_string_equal(wh_buf_str(&f->text), "one|two||three|");
    wh_fds_close(&f->writer);
    wh_lines_drain(f->lines);
    wh_lines_flush(f->lines);
    assert_string_equal(wh_buf_str(&f->text), "one|two||three|rest|");
}

static void test_the_loop_reads(void **state)
{
    fixture *f = *state;
    assert_int_equal(write(f->writer, "x\n", 2), 2);
    wh_clock_real();
    WH_WAIT_FOR(f->loop, f->count == 1);
}

static void test_long_line_is_cut(void **state)
{
    fixture *f = *state;
    char big[6000];
    memset(big, 'x', sizeof big);
    say(f, big, sizeof big);
    say(f, big, sizeof big);
    say(f, "\nnext\n", 6);
    assert_int_equal(f->count, 2);
    assert_int_equal(f->text.len, WH_LINES_LENGTH_MAX + strlen(" ... [cut]||next") + 0);
    assert_non_null(strstr(wh_buf_str(&f->text), "xxx ... [cut]|next|"));
}

static void test_rate_limit_says_what_is_missing(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 250; i++) {
        say(f, "l\n", 2);
    }
    assert_int_equal(f->count, WH_LINES_PER_SECOND);
    wh_clock_advance(1000000);
    say(f, "later\n", 6);
    assert_int_equal(f->count, WH_LINES_PER_SECOND + 2);
    assert_non_null(strstr(wh_buf_str(&f->text), "|[150 lines left out]|later|"));
}

static void test_pushed_lines_count_too(void **state)
{
    fixture *f = *state;
    char big[5000];
    memset(big, 'p', sizeof big);
    wh_lines_push(f->lines, NULL, (wh_slice){big, sizeof big});
    assert_non_null(strstr(wh_buf_str(&f->text), "ppp ... [cut]|"));
    for (int i = 0; i < 200; i++) {
        wh_lines_push(f->lines, NULL, (wh_slice){"x", 1});
    }
    assert_int_equal(f->count, WH_LINES_PER_SECOND);
}

static void test_tail(void **state)
{
    fixture *f = *state;
    assert_int_equal(wh_lines_tail(f->lines, 100).n, 0);
    say(f, "first\nlast \xc3\xa4\n", 14);
    wh_slice tail = wh_lines_tail(f->lines, 100);
    assert_int_equal(tail.n, 13);
    tail =
        wh_lines_tail(f->lines, 1); /* would begin inside the two bytes of a letter */
    assert_int_equal(tail.n, 0);
    tail = wh_lines_tail(f->lines, 7);
    assert_memory_equal(tail.p, "last \xc3\xa4", 7);
    for (int i = 0; i < 3000; i++) {
        char text[16];
        int n = snprintf(text, sizeof text, "%d\n", i);
        say(f, text, (size_t)n);
    }
    tail = wh_lines_tail(f->lines, WH_LINES_TAIL_MAX);
    assert_true(tail.n >= WH_LINES_TAIL_MAX - 1);
    assert_memory_equal(tail.p + tail.n - 9, "2998\n2999", 9);
    wh_lines_forget(f->lines);
    assert_int_equal(wh_lines_tail(f->lines, 100).n, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_lines),
        CASE(test_the_loop_reads),
        CASE(test_long_line_is_cut),
        CASE(test_rate_limit_says_what_is_missing),
        CASE(test_pushed_lines_count_too),
        CASE(test_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
