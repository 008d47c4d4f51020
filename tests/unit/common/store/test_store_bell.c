/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bell against a real server: rung, timed out, server gone.
 */
#include "common/base/clock.h"
#include "common/store/store.h"
#include "tests/support/loop_wait.h"
#include "tests/support/redis_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <hiredis/hiredis.h>

#include <cmocka.h>

typedef struct fixture {
    wh_redis_fixture *redis;
    wh_loop *loop;
    wh_store *store;
} fixture;

static int setup(void **state)
{
    static fixture f;
    wh_store_options o = {.on_ready = NULL};

    f = (fixture){.redis = wh_redis_fixture_start(NULL)};
    assert_int_equal(wh_loop_new(&f.loop), WH_OK);
    assert_int_equal(
        wh_endpoint_parse(wh_redis_fixture_url(f.redis), &o.conn.endpoint, NULL),
        WH_OK);
    assert_int_equal(wh_store_new(f.loop, &o, &f.store, NULL), WH_OK);
    wh_endpoint_fini(&o.conn.endpoint);
    wh_store_start(f.store);
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

typedef struct bell_note {
    int calls, partition;
    wh_err err;
    char what;
} bell_note;

static void on_bell(void *arg, wh_err err, int partition, char what,
                    const wh_codec_claim *claim)
{
    (void)claim;
    bell_note *n = arg;

    *n = (bell_note){
        .calls = n->calls + 1, .partition = partition, .err = err, .what = what};
}

static void test_bell(void **state)
{
    static const char *const partitions[] = {"wh:{eu:a}", "wh:{eu:b}"};
    fixture *f = *state;
    bell_note n = {0};
    wh_store_bell_args args = {
        .partitions = partitions, .n = 2, .worker = "w1", .timeout_ms = 60000};

    WH_WAIT_FOR(f->loop, wh_store_is_ready(f->store));
    assert_int_equal(wh_store_wait_bell(f->store, &args, on_bell, &n), WH_OK);
    assert_int_equal(wh_store_wait_bell(f->store, &args, on_bell, &n), WH_ESTATE);
    redisReply *r = wh_redis_fixture_cmd(f->redis, "RPUSH wh:{eu:b}:bell:w1 w");
    freeReplyObject(r);
    WH_WAIT_FOR(f->loop, n.calls == 1);
    assert_int_equal(n.err, WH_OK);
    assert_int_equal(n.partition, 1);
    assert_int_equal(n.what, 'w');

    args.timeout_ms = 20;
    assert_int_equal(wh_store_wait_bell(f->store, &args, on_bell, &n), WH_OK);
    WH_WAIT_FOR(f->loop, n.calls == 2);
    assert_int_equal(n.err, WH_OK);
    assert_int_equal(n.partition, -1);

    args.timeout_ms = 60000;
    assert_int_equal(wh_store_wait_bell(f->store, &args, on_bell, &n), WH_OK);
    wh_redis_fixture_kill9(f->redis);
    WH_WAIT_FOR(f->loop, n.calls == 3);
    assert_int_not_equal(n.err, WH_OK);
    args.timeout_ms = 20; /* nobody there: the wait is held back, and runs out */
    assert_int_equal(wh_store_wait_bell(f->store, &args, on_bell, &n), WH_OK);
    WH_WAIT_FOR(f->loop, n.calls == 4);
    assert_int_equal(n.partition, -1);
}

/* The store ends while a wait is under way: its callback comes, once. */
static void test_free_while_waiting(void **state)
{
    static const char *const partitions[] = {"wh:{eu:a}"};
    fixture *f = *state;
    bell_note n = {0};
    wh_store_bell_args args = {
        .partitions = partitions, .n = 1, .worker = "w1", .timeout_ms = 20};

    WH_WAIT_FOR(f->loop, wh_store_is_ready(f->store));
    assert_int_equal(wh_store_wait_bell(f->store, &args, on_bell, &n), WH_OK);
    WH_WAIT_FOR(f->loop, n.calls == 1); /* the bell's connection stands now */
    args.timeout_ms = 60000;
    assert_int_equal(wh_store_wait_bell(f->store, &args, on_bell, &n), WH_OK);
    wh_store_free(f->store);
    f->store = NULL;
    WH_WAIT_FOR(f->loop, n.calls == 2);
    assert_int_equal(n.err, WH_ECANCELED);
    assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    assert_int_equal(n.calls, 2);
}

/* The same for a wait that its connection never got. */
static void test_free_before_sending(void **state)
{
    static const char *const partitions[] = {"wh:{eu:a}"};
    fixture *f = *state;
    bell_note n = {0};
    wh_store_bell_args args = {
        .partitions = partitions, .n = 1, .worker = "w1", .timeout_ms = 60000};

    assert_int_equal(wh_store_wait_bell(f->store, &args, on_bell, &n), WH_OK);
    wh_store_free(f->store);
    f->store = NULL;
    assert_int_equal(n.calls, 0);
    WH_WAIT_FOR(f->loop, n.calls == 1);
    assert_int_equal(n.err, WH_ECANCELED);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_bell),
        WITH_SERVER(test_free_while_waiting),
        WITH_SERVER(test_free_before_sending),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
