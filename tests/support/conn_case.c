/* SPDX-License-Identifier: Apache-2.0 */
/* Only tests of conn link this: it needs the io layer. */
#include "tests/support/conn_case.h"

#include "common/base/log.h"
#include "tests/support/loop_wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include <cmocka.h>

wh_conn_case *wh_conn_case_now;

int wh_conn_case_setup(void **state)
{
    wh_conn_case_now = test_calloc(1, sizeof *wh_conn_case_now);
    wh_log_configure(WH_LOG_LEVEL_ERROR, WH_LOG_FORMAT_TEXT);
    assert_int_equal(wh_loop_new(&wh_conn_case_now->loop), WH_OK);
    *state = wh_conn_case_now;
    return 0;
}

int wh_conn_case_teardown(void **state)
{
    wh_conn_case *f = *state;

    wh_conn_free(f->conn);
    wh_loop_free(f->loop);
    if (f->peer != NULL) {
        const char *error = wh_fake_redis_error(f->peer);

        if (error != NULL) {
            print_error("peer: %s\n", error);
        }
        wh_fake_redis_stop(f->peer);
        if (error != NULL) {
            return -1;
        }
    }
    test_free(f);
    return 0;
}

void wh_conn_case_on_state(void *arg, bool ready, const char *why)
{
    wh_conn_case *f = arg;

    if (ready) {
        f->ups++;
        assert_null(why);
    } else {
        f->downs++;
        snprintf(f->why, sizeof f->why, "%s", why);
    }
}

void wh_conn_case_on_reply(void *arg, wh_err err, const redisReply *r)
{
    wh_conn_answer *a = arg;

    a->calls++;
    a->err = err;
    a->order = ++wh_conn_case_now->order;
    assert_int_equal(err == WH_OK, r != NULL);
    if (r != NULL) {
        a->type = r->type;
        a->integer = r->integer;
        snprintf(a->text, sizeof a->text, "%s", r->str != NULL ? r->str : "");
    }
}

wh_conn_options wh_conn_case_options(const char *path)
{
    wh_conn_case *f = wh_conn_case_now;
    wh_conn_options o = {.backoff_min_ms = 1,
                         .backoff_max_ms = 5,
                         .on_state = wh_conn_case_on_state,
                         .arg = f};

    if (path != NULL) {
        snprintf(f->path, sizeof f->path, "%s", path);
        o.endpoint.path = f->path;
    }
    return o;
}

void wh_conn_case_begin_with(wh_conn_case *f, const wh_fake_step *script,
                             const wh_conn_options *o)
{
    wh_conn_options own = *o;
    wh_errbuf eb = {0};

    f->peer = wh_fake_redis_start(script);
    snprintf(f->path, sizeof f->path, "%s", wh_fake_redis_path(f->peer));
    own.endpoint.path = f->path;
    assert_int_equal(wh_conn_new(f->loop, &own, &f->conn, &eb), WH_OK);
    wh_conn_start(f->conn);
}

void wh_conn_case_begin(wh_conn_case *f, const wh_fake_step *script)
{
    wh_conn_options o = wh_conn_case_options(NULL);

    wh_conn_case_begin_with(f, script, &o);
}

void wh_conn_case_begin_ready(wh_conn_case *f, const wh_fake_step *script)
{
    wh_conn_case_begin(f, script);
    WH_WAIT_FOR(f->loop, f->ups == 1);
    assert_int_equal(wh_conn_state_of(f->conn), WH_CONN_READY);
}

wh_err wh_conn_case_send(wh_conn_case *f, int i, const char *data, int64_t timeout_ms)
{
    const wh_conn_request r = {.data = data,
                               .len = strlen(data),
                               .timeout_ms = timeout_ms,
                               .cb = wh_conn_case_on_reply,
                               .arg = &f->answers[i]};

    return wh_conn_send(f->conn, &r);
}
