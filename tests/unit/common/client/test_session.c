/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session under the command line, against a real server: opening in all its ways,
 * calls, the library.
 */
#include "common/client/session.h"
#include "tests/support/redis_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include <cmocka.h>

#define P "wh:{any:default}"

static int setup(void **state)
{
    *state = wh_redis_fixture_start(NULL);
    return 0;
}

static int teardown(void **state)
{
    wh_redis_fixture_stop(*state);
    return 0;
}

static void test_session(void **state)
{
    wh_redis_fixture *redis = *state;
    wh_session *s = NULL;
    const wh_reply *r = NULL;
    wh_errbuf eb = {0};
    wh_call c;
    wh_funclib_status lib;
    wh_session_options o = {.url = wh_redis_fixture_url(redis)};

    assert_int_equal(wh_session_open(&o, &s, &eb), WH_OK);
    wh_call_init(&c, "wh1_stats", true, P);
    assert_int_equal(wh_session_call(s, &c, &r, &eb), WH_OK);
    assert_true(wh_reply_count(r) >= 20);
    wh_call_init_command(&c, "PING");
    assert_int_equal(wh_session_call(s, &c, &r, &eb), WH_OK);
    assert_string_equal(wh_reply_str(r).p, "PONG");
    wh_call_init(&c, "wh1_job", true, P);
    wh_call_args(&c, "0190a7b0-1111-7222-8333-444455556666");
    assert_int_equal(wh_session_call(s, &c, &r, &eb), WH_ENOTFOUND);
    assert_null(r);
    assert_string_not_equal(eb.text, "");
    assert_int_equal(wh_session_library(s, false, false, &lib, &eb), WH_OK);
    assert_int_equal(lib.revision, lib.own_revision);
    assert_int_equal(wh_session_library(s, true, true, &lib, &eb), WH_OK);
    assert_true(lib.loaded_now);
    assert_int_equal(wh_session_sleep(s, 1), WH_OK);
    assert_non_null(strstr(wh_session_endpoint(s), "redis.sock"));
    wh_session_free(s);
    wh_session_free(NULL);
}

/* A call's own time counts, be it less than the connection's or more than the session's. */
static void test_call_timeout(void **state)
{
    wh_redis_fixture *redis = *state;
    wh_session *s = NULL;
    wh_errbuf eb = {0};
    wh_call c;
    wh_session_options o = {.url = wh_redis_fixture_url(redis), .call_timeout_ms = 200};

    assert_int_equal(wh_session_open(&o, &s, &eb), WH_OK);
    freeReplyObject(wh_redis_fixture_cmd(redis, "CLIENT PAUSE 600 ALL"));
    wh_call_init_command(&c, "PING");
    c.timeout_ms = 30000;
    assert_int_equal(wh_session_call(s, &c, NULL, &eb), WH_OK);
    wh_session_free(s);

    o.call_timeout_ms = 30000;
    assert_int_equal(wh_session_open(&o, &s, &eb), WH_OK);
    wh_call_init_command(&c, "BLPOP");
    wh_call_args(&c, "nothing");
    wh_call_args(&c, "2");
    c.timeout_ms = 100;
    assert_int_equal(wh_session_call(s, &c, NULL, &eb), WH_ETIMEOUT);
    wh_session_free(s);
}

static void on_progress(void *arg, const char *text)
{
    (void)text;
    ++*(int *)arg;
}

static void test_session_open(void **state)
{
    wh_redis_fixture *redis = *state;
    wh_session *s = NULL;
    wh_errbuf eb = {0};
    wh_call c;
    int progress = 0;
    wh_session_options o = {.url = wh_redis_fixture_url(redis), .raw = true};

    freeReplyObject(wh_redis_fixture_cmd(redis, "FUNCTION FLUSH"));
    assert_int_equal(wh_session_open(&o, &s, &eb), WH_OK);
    wh_call_init_command(&c, "PING");
    assert_int_equal(wh_session_call(s, &c, NULL, &eb), WH_OK);
    wh_call_init(&c, "wh1_stats", true, P);
    assert_int_equal(wh_session_call(s, &c, NULL, &eb), WH_ENOFUNC);
    wh_session_free(s);

    o.raw = false;
    o.keep_library = true;
    assert_int_equal(wh_session_open(&o, &s, &eb), WH_ENOFUNC);
    assert_null(s);
    o.url = "unix:///nonexistent/redis.sock";
    assert_int_equal(wh_session_open(&o, &s, &eb), WH_ECONN);
    assert_non_null(strstr(eb.text, "nonexistent"));
    o.wait_for_server = true;
    o.open_timeout_ms = 300;
    o.on_progress = on_progress;
    o.arg = &progress;
    assert_int_equal(wh_session_open(&o, &s, &eb), WH_ECONN);
    assert_true(progress > 0);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_session),
        WITH_SERVER(test_call_timeout),
        WITH_SERVER(test_session_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
