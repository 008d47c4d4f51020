/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading the library: missing, older, equal, newer, foreign, racing, forbidden. The
 * bundles are small ones made here, so that revisions can be chosen.
 */
#include "common/base/clock.h"
#include "common/store/funclib.h"
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

typedef struct fixture {
    wh_redis_fixture *redis;
    wh_loop *loop;
    wh_conn *conn;
    int calls, failures;
    wh_err err;
    char text[320];
    wh_funclib_status status;
    char bundle[1024];
} fixture;

static int setup(void **state)
{
    static fixture f;
    wh_conn_options o = {.name = "test"};

    f = (fixture){.redis = wh_redis_fixture_start(NULL)};
    assert_int_equal(wh_loop_new(&f.loop), WH_OK);
    assert_int_equal(
        wh_endpoint_parse(wh_redis_fixture_url(f.redis), &o.endpoint, NULL), WH_OK);
    assert_int_equal(wh_conn_new(f.loop, &o, &f.conn, NULL), WH_OK);
    wh_endpoint_fini(&o.endpoint);
    wh_conn_start(f.conn);
    WH_WAIT_FOR(f.loop, wh_conn_state_of(f.conn) == WH_CONN_READY);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    wh_funclib_set_bundle(NULL, 0);
    wh_conn_free(f->conn);
    wh_loop_free(f->loop);
    wh_redis_fixture_stop(f->redis);
    return 0;
}

static void write_bundle(char *out, size_t size, int revision, const char *hash)
{
    int n = snprintf(out, size,
                     "#!lua name=wherry_1\n"
                     "local MAJOR, REVISION, HASH = 1, %d, '%s'\n"
                     "redis.register_function{function_name='wh1_version', "
                     "callback=function() return {MAJOR, REVISION, HASH} end, "
                     "flags={'no-writes'}}\n",
                     revision, hash);
    assert_true(n > 0 && (size_t)n < size);
}

static void own(fixture *f, int revision, const char *hash)
{
    write_bundle(f->bundle, sizeof f->bundle, revision, hash);
    wh_funclib_set_bundle(f->bundle, strlen(f->bundle));
}

static void on_server(fixture *f, const char *text)
{
    redisReply *r = wh_redis_fixture_cmd(f->redis, "FUNCTION LOAD REPLACE %s", text);

    assert_non_null(r);
    assert_int_equal(r->type, REDIS_REPLY_STRING);
    freeReplyObject(r);
}

static void on_done(void *arg, wh_err err, const wh_errbuf *eb,
                    const wh_funclib_status *st)
{
    fixture *f = arg;

    f->calls++;
    f->failures += err != WH_OK;
    f->err = err;
    f->status = *st;
    snprintf(f->text, sizeof f->text, "%s", err == WH_OK ? "" : eb->text);
}

static void probe(fixture *f)
{
    int before = f->calls;

    assert_int_equal(wh_funclib_probe(f->conn, on_done, f), WH_OK);
    assert_int_equal(f->calls, before);
    WH_WAIT_FOR(f->loop, f->calls == before + 1);
}

static void load(fixture *f, bool force)
{
    int before = f->calls;

    assert_int_equal(wh_funclib_load(f->conn, force, on_done, f), WH_OK);
    WH_WAIT_FOR(f->loop, f->calls == before + 1);
}

static void test_the_shipped_bundle(void **state)
{
    fixture *f = *state;

    probe(f);
    assert_int_equal(f->err, WH_OK);
    assert_int_equal(f->status.revision, 0);
    assert_true(f->status.own_revision >= 1);
    assert_int_equal(strlen(f->status.own_hash), 16);
    load(f, false);
    assert_int_equal(f->err, WH_OK);
    assert_true(f->status.loaded_now);
    assert_int_equal(f->status.revision, f->status.own_revision);
    assert_string_equal(f->status.hash, f->status.own_hash);
    load(f, false);
    assert_int_equal(f->err, WH_OK);
    assert_false(f->status.loaded_now);
}

static void test_replaces_older_keeps_newer(void **state)
{
    fixture *f = *state;
    char text[1024];

    own(f, 5, "aaaa");
    write_bundle(text, sizeof text, 4, "bbbb");
    on_server(f, text);
    load(f, false);
    assert_int_equal(f->err, WH_OK);
    assert_true(f->status.loaded_now);
    assert_int_equal(f->status.revision, 5);

    write_bundle(text, sizeof text, 6, "cccc");
    on_server(f, text);
    load(f, true); /* not even by force */
    assert_int_equal(f->err, WH_OK);
    assert_false(f->status.loaded_now);
    assert_true(f->status.newer_there);
    assert_int_equal(f->status.revision, 6);
    assert_string_equal(f->status.hash, "cccc");
}

static void test_equal_revision(void **state)
{
    fixture *f = *state;
    char text[1024];

    own(f, 5, "aaaa");
    write_bundle(text, sizeof text, 5, "bbbb");
    on_server(f, text);
    load(f, false);
    assert_false(f->status.loaded_now);
    assert_string_equal(f->status.hash, "bbbb");
    load(f, true);
    assert_int_equal(f->err, WH_OK);
    assert_true(f->status.loaded_now);
    assert_string_equal(f->status.hash, "aaaa");
}

static void test_race(void **state)
{
    fixture *f = *state;

    own(f, 5, "aaaa");
    /* Both probe before either loads; the second load meets "already exists". */
    assert_int_equal(wh_funclib_load(f->conn, false, on_done, f), WH_OK);
    assert_int_equal(wh_funclib_load(f->conn, false, on_done, f), WH_OK);
    WH_WAIT_FOR(f->loop, f->calls == 2);
    assert_int_equal(f->failures, 0);
    assert_int_equal(f->status.revision, 5);
}

static void test_foreign(void **state)
{
    fixture *f = *state;

    own(f, 5, "aaaa");
    on_server(f, "#!lua name=other\n"
                 "redis.register_function{function_name='wh1_version', "
                 "callback=function() return 'hello' end, flags={'no-writes'}}\n");
    load(f, false);
    assert_int_equal(f->err, WH_EVERSION);
    assert_non_null(strstr(f->text, "not Wherry"));
}

static void test_forbidden(void **state)
{
    fixture *f = *state;

    own(f, 5, "aaaa");
    freeReplyObject(wh_redis_fixture_cmd(f->redis, "ACL SETUSER default -function"));
    load(f, false);
    assert_int_equal(f->err, WH_EPERM);
    assert_non_null(strstr(f->text, "may not load"));
}

static void test_broken_bundle(void **state)
{
    fixture *f = *state;

    wh_funclib_set_bundle("return 1", 8);
    assert_int_equal(wh_funclib_load(f->conn, false, on_done, f), WH_EVERSION);
    assert_int_equal(f->calls, 0);
    wh_funclib_set_bundle("local MAJOR, REVISION, HASH = 1, 7, 'aa'\nsyntax error", 51);
    load(f, false);
    assert_int_equal(f->err, WH_EREDIS);
}

static void test_connection_ends(void **state)
{
    fixture *f = *state;

    own(f, 5, "aaaa");
    wh_redis_fixture_pause(f->redis);
    assert_int_equal(wh_funclib_load(f->conn, false, on_done, f), WH_OK);
    assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    wh_redis_fixture_kill9(f->redis);
    WH_WAIT_FOR(f->loop, f->calls == 1);
    assert_int_equal(f->err, WH_EUNCERTAIN);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_the_shipped_bundle),
        WITH_SERVER(test_replaces_older_keeps_newer),
        WITH_SERVER(test_equal_revision),
        WITH_SERVER(test_race),
        WITH_SERVER(test_foreign),
        WITH_SERVER(test_forbidden),
        WITH_SERVER(test_broken_bundle),
        WITH_SERVER(test_connection_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
