/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line per event, in both formats, whatever the fields hold; levels, limits,
 * and a standard error that does not take any more.
 */
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static wh_buf lines;
static size_t n_lines;

static void capture(void *arg, wh_log_level level, const char *line, size_t len)
{
    (void)arg;
    (void)level;
    assert_int_equal(strlen(line), len);
    assert_null(memchr(line, '\n', len));
    wh_buf_clear(&lines);
    wh_buf_add(&lines, line, len);
    n_lines++;
}

static int setup(void **state)
{
    (void)state;
    n_lines = 0;
    wh_buf_clear(&lines);
    wh_clock_fake(INT64_C(9000000000), INT64_C(951827696123));
    wh_log_configure(WH_LOG_LEVEL_INFO, WH_LOG_FORMAT_JSON);
    wh_log_set_common(NULL, 0);
    wh_log_set_sink(capture, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wh_clock_real();
    wh_log_set_sink(NULL, NULL);
    wh_buf_fini(&lines);
    return 0;
}

static void test_json(void **state)
{
    (void)state;
    WH_LOG(INFO, "job.finish", WH_F_STR("job", "a\"b\n"), WH_F_INT("ms", 12),
           WH_F_DBL("rate", 0.5), WH_F_BOOL("ok", true), WH_F_STR("none", NULL),
           WH_F_STRN("cut", "abcdef", 3), WH_F_RAW("conf", "{\"a\":\n1}"),
           WH_F_DBL("nan", 0.0 / 0.0));
    assert_string_equal(wh_buf_str(&lines),
                        "{\"ts\":\"2000-02-29T12:34:56.123Z\",\"level\":\"info\","
                        "\"event\":\"job.finish\",\"job\":\"a\\\"b\\n\",\"ms\":12,"
                        "\"rate\":0.5,\"ok\":true,\"none\":null,\"cut\":\"abc\","
                        "\"conf\":{\"a\": 1},\"nan\":null}");
}

static void test_text(void **state)
{
    (void)state;
    wh_log_configure(WH_LOG_LEVEL_DEBUG, WH_LOG_FORMAT_TEXT);
    WH_LOG(WARN, "conn.down", WH_F_STR("host", "r1:6379"), WH_F_STR("why", "no route"),
           WH_F_STR("esc", "\x1b[31m"), WH_F_STR("empty", ""), WH_F_INT("n", -1));
    assert_string_equal(wh_buf_str(&lines),
                        "2000-02-29T12:34:56.123Z WARN  conn.down host=r1:6379 "
                        "why=\"no route\" esc=\"\\u001b[31m\" empty=\"\" n=-1");
}

static void test_level(void **state)
{
    (void)state;
    WH_LOG(DEBUG, "x", WH_F_INT("a", 1));
    assert_int_equal(n_lines, 0);
    assert_false(wh_log_is_on(WH_LOG_LEVEL_DEBUG));
    assert_true(wh_log_is_on(WH_LOG_LEVEL_ERROR));
    wh_log_write(WH_LOG_LEVEL_DEBUG, "x", NULL, 0);
    assert_int_equal(n_lines, 0);
    wh_log_level level = WH_LOG_LEVEL_INFO;
    assert_true(wh_log_parse_level("error", &level));
    assert_int_equal(level, WH_LOG_LEVEL_ERROR);
    assert_false(wh_log_parse_level("ERROR", &level));
    assert_false(wh_log_parse_level("", &level));
}

static void test_common(void **state)
{
    (void)state;
    char region[] = "eu-1";
    wh_log_field common[] = {WH_F_STR("program", "wherry-worker"),
                             WH_F_STR("region", region), WH_F_INT("pid", 7)};
    wh_log_set_common(common, 3);
    memset(region, 'x', 4); /* copied */
    wh_log_write(WH_LOG_LEVEL_ERROR, "e", NULL, 0);
    assert_string_equal(wh_buf_str(&lines),
                        "{\"ts\":\"2000-02-29T12:34:56.123Z\",\"level\":\"error\","
                        "\"event\":\"e\",\"program\":\"wherry-worker\","
                        "\"region\":\"eu-1\",\"pid\":7}");
}

static void test_long_field(void **state)
{
    (void)state;
    static char text[20000];
    for (size_t i = 0; i + 2 < sizeof text; i += 2) {
        memcpy(text + i, "\xC3\xA9", 2);
    }
    WH_LOG(INFO, "x", WH_F_STR("body", text));
    const char *body = strstr(wh_buf_str(&lines), "\"body\":\"");
    assert_non_null(body);
    body += 8;
    size_t len = strlen(body);
    assert_true(len - 2 <= 4096 && len - 2 > 4090);
    assert_string_equal(body + len - 5, "\xE2\x80\xA6\"}");
    for (size_t i = 0; i + 5 < len; i += 2) {
        assert_memory_equal(body + i, "\xC3\xA9", 2);
    }
}

static void test_limited(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        WH_LOG_LIMITED(WARN, 3, "redis.noperm", WH_F_INT("i", i));
    }
    assert_int_equal(n_lines, 3);
    WH_LOG_LIMITED(WARN, 3, "other", WH_F_INT("i", 0));
    assert_int_equal(n_lines, 4);
    wh_clock_advance(INT64_C(60000000));
    WH_LOG_LIMITED(WARN, 3, "redis.noperm", WH_F_INT("i", 10));
    assert_int_equal(n_lines, 5);
    assert_non_null(strstr(wh_buf_str(&lines), "\"i\":10,\"left_out\":7}"));
    WH_LOG_LIMITED(WARN, 3, "redis.noperm", WH_F_INT("i", 11));
    assert_null(strstr(wh_buf_str(&lines), "left_out"));

    /* More events than slots: the limits of the oldest are forgotten, no more. */
    for (int i = 0; i < 200; i++) {
        char event[24];
        (void)snprintf(event, sizeof event, "event.%d", i);
        wh_log_limited(WH_LOG_LEVEL_WARN, 1, event, NULL, 0);
        wh_clock_advance(1000);
    }
    assert_int_equal(n_lines, 206);
}

/* Standard error becomes the given descriptor; returns a copy of the old one. */
static int redirect(int fd)
{
    int old = dup(STDERR_FILENO);
    assert_true(old >= 0);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    return old;
}

static void restore(int old)
{
    assert_int_equal(dup2(old, STDERR_FILENO), STDERR_FILENO);
    (void)close(old);
}

static void test_full_pipe(void **state)
{
    (void)state;
    int fds[2];
    char text[3000];
    memset(text, 'p', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(pipe(fds), 0);
    uint64_t dropped = wh_log_dropped();
    wh_log_set_sink(NULL, NULL);
    int old = redirect(fds[1]);
    for (int i = 0; i < 100; i++) { /* 300 kB into 64 kB: no reader, no blocking */
        WH_LOG(INFO, "x", WH_F_STR("body", text));
    }
    restore(old);
    assert_true(wh_log_dropped() > dropped + 50);
    dropped = wh_log_dropped();

    /* Room again: writing goes on, and every line in the pipe is whole. */
    static char all[400000];
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    ssize_t got = read(fds[0], all, sizeof all);
    assert_true(got > 3000);
    assert_int_equal(all[got - 1], '\n');
    old = redirect(fds[1]);
    WH_LOG(INFO, "again", WH_F_INT("n", 1));
    restore(old);
    assert_int_equal(wh_log_dropped(), dropped);
    got = read(fds[0], all, sizeof all);
    assert_true(got > 0 && all[0] == '{' && all[got - 1] == '\n');
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void test_reader_gone(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    (void)close(fds[0]);
    uint64_t dropped = wh_log_dropped();
    wh_log_set_sink(NULL, NULL);
    int old = redirect(fds[1]);
    WH_LOG(INFO, "x", WH_F_INT("n", 1)); /* SIGPIPE would end this test */
    restore(old);
    assert_int_equal(wh_log_dropped(), dropped + 1);
    (void)close(fds[1]);
}

int main(void)
{
#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        LOG_TEST(test_json),      LOG_TEST(test_text),        LOG_TEST(test_level),
        LOG_TEST(test_common),    LOG_TEST(test_long_field),  LOG_TEST(test_limited),
        LOG_TEST(test_full_pipe), LOG_TEST(test_reader_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
