/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of the store against a real server: readiness, the library that is missing,
 * forbidden, gone and back, a restart, calls that end with the store.
 */
#include "common/base/clock.h"
#include "common/store/store.h"
#include "tests/support/loop_wait.h"
#include "tests/support/redis_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include <cmocka.h>

#define P "wh:{eu:q}"

typedef struct fixture {
    wh_redis_fixture *redis;
    wh_loop *loop;
    wh_store *store;
    int ready_calls, unready_calls;
    char why[320];
    int calls; /* callbacks so far */
    wh_err err;
    char text[320];
    size_t count;
} fixture;

static void on_ready(void *arg, bool ready, const char *why)
{
    fixture *f = arg;

    if (ready) {
        f->ready_calls++;
    } else {
        f->unready_calls++;
    }
    snprintf(f->why, sizeof f->why, "%s", why);
}

static void open_store(fixture *f, bool keep_library)
{
    wh_store_options o = {.on_ready = on_ready, .arg = f, .keep_library = keep_library};

    o.conn.backoff_max_ms = 100;
    assert_int_equal(
        wh_endpoint_parse(wh_redis_fixture_url(f->redis), &o.conn.endpoint, NULL),
        WH_OK);
    assert_int_equal(wh_store_new(f->loop, &o, &f->store, NULL), WH_OK);
    wh_endpoint_fini(&o.conn.endpoint);
    assert_false(wh_store_is_ready(f->store));
    wh_store_start(f->store);
}

static int setup(void **state)
{
    static fixture f;

    f = (fixture){.redis = wh_redis_fixture_start(NULL)};
    assert_int_equal(wh_loop_new(&f.loop), WH_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    wh_store_free(f->store);
    wh_loop_free(f->loop);
    wh_redis_fixture_stop(f->redis);
    return 0;
}

static void ready(fixture *f)
{
    open_store(f, false);
    WH_WAIT_FOR(f->loop, wh_store_is_ready(f->store));
}

static void on_reply(void *arg, wh_err err, const wh_errbuf *eb, const wh_reply *r)
{
    fixture *f = arg;

    f->calls++;
    f->err = err;
    snprintf(f->text, sizeof f->text, "%s", err == WH_OK ? "" : eb->text);
    f->count = wh_reply_count(r);
}

static void await(fixture *f, int calls)
{
    WH_WAIT_FOR(f->loop, f->calls >= calls);
    assert_int_equal(f->calls, calls);
}

static void ask(fixture *f)
{
    wh_call c;
    int before = f->calls;

    wh_call_init(&c, "wh1_stats", true, P);
    assert_int_equal(wh_store_call(f->store, &c, on_reply, f), WH_OK);
    assert_int_equal(f->calls, before);
    await(f, before + 1);
}

static void test_loads_the_library(void **state)
{
    fixture *f = *state;
    wh_call c;

    wh_call_init(&c, "wh1_stats", true, P);
    open_store(f, false);
    assert_int_equal(wh_store_call(f->store, &c, on_reply, f), WH_ECONN);
    WH_WAIT_FOR(f->loop, f->ready_calls == 1);
    assert_string_equal(wh_store_error(f->store), "");
    assert_int_equal(wh_store_error_code(f->store), WH_OK);
    wh_call_init(&c, "wh1_version", true, NULL);
    assert_int_equal(wh_store_call(f->store, &c, on_reply, f), WH_OK);
    assert_int_equal(f->calls, 0);
    await(f, 1);
    assert_int_equal(f->count, 3);
}

static void test_keep_library(void **state)
{
    fixture *f = *state;
    wh_call c;

    open_store(f, true);
    WH_WAIT_FOR(f->loop, f->unready_calls == 1);
    assert_int_equal(wh_store_error_code(f->store), WH_ENOFUNC);
    assert_non_null(strstr(f->why, "not loaded"));
    wh_call_init(&c, "wh1_version", true, NULL);
    assert_int_equal(wh_store_call(f->store, &c, on_reply, f), WH_ECONN);
    wh_call_init_command(&c, "TIME"); /* other commands need only the connection */
    assert_int_equal(wh_store_call(f->store, &c, on_reply, f), WH_OK);
    await(f, 1);
    assert_int_equal(f->count, 2);
}

static void flush_functions(fixture *f)
{
    redisReply *r = wh_redis_fixture_cmd(f->redis, "FUNCTION FLUSH");

    assert_non_null(r);
    assert_string_equal(r->str, "OK");
    freeReplyObject(r);
}

static void test_library_comes_back(void **state)
{
    fixture *f = *state;

    ready(f);
    flush_functions(f);
    ask(f);
    assert_int_equal(f->err, WH_OK);
    flush_functions(f); /* a second time within the second waits for it */
    ask(f);
    assert_int_equal(f->err, WH_OK);
    assert_int_equal(f->ready_calls, 1); /* its owner saw nothing of it */
}

static void test_library_stays_away(void **state)
{
    fixture *f = *state;
    wh_call c;

    ready(f);
    flush_functions(f);
    redisReply *r = wh_redis_fixture_cmd(f->redis, "ACL SETUSER default -function");
    assert_non_null(r);
    assert_string_equal(r->str, "OK");
    freeReplyObject(r);
    wh_call_init(&c, "wh1_stats", true, P);
    assert_int_equal(wh_store_call(f->store, &c, on_reply, f), WH_OK);
    await(f, 1);
    assert_int_equal(f->err, WH_ENOFUNC);
    assert_false(wh_store_is_ready(f->store));
    assert_int_equal(wh_store_error_code(f->store), WH_EPERM);
    r = wh_redis_fixture_cmd(f->redis, "ACL SETUSER default +function");
    freeReplyObject(r);
    WH_WAIT_FOR(f->loop, wh_store_is_ready(f->store)); /* it tries by itself */
}

static void test_restart(void **state)
{
    fixture *f = *state;
    wh_call c;

    ready(f);
    wh_redis_fixture_pause(f->redis);
    wh_call_init(&c, "wh1_stats", true, P);
    assert_int_equal(wh_store_call(f->store, &c, on_reply, f), WH_OK);
    assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    wh_redis_fixture_kill9(f->redis);
    await(f, 1);
    assert_int_equal(f->err, WH_EUNCERTAIN);
    WH_WAIT_FOR(f->loop, f->unready_calls == 1);
    assert_false(wh_store_is_ready(f->store));
    wh_redis_fixture_restart(f->redis);
    WH_WAIT_FOR(f->loop, f->ready_calls == 2); /* without persistence: loaded again */
    ask(f);
    assert_int_equal(f->err, WH_OK);
}

static void test_free_with_pending_calls(void **state)
{
    fixture *f = *state;
    wh_call c;

    ready(f);
    for (int i = 0; i < 3; i++) {
        wh_call_init(&c, "wh1_stats", true, P);
        assert_int_equal(wh_store_call(f->store, &c, on_reply, f), WH_OK);
    }
    wh_call_init(&c, "wh1_stats", true, P);
    int other = 0;
    assert_int_equal(wh_store_call(f->store, &c, on_reply, &other), WH_OK);
    wh_store_forget(f->store, &other);
    wh_store_free(f->store);
    f->store = NULL;
    assert_int_equal(f->calls, 0);
    await(f, 3);
    assert_int_equal(f->err, WH_ECANCELED);
    assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_loads_the_library),
        WITH_SERVER(test_keep_library),
        WITH_SERVER(test_library_comes_back),
        WITH_SERVER(test_library_stays_away),
        WITH_SERVER(test_restart),
        WITH_SERVER(test_free_with_pending_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
