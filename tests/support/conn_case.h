/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection against one scripted peer: what the tests of conn have in common. The
 * teardown fails when the client did not keep to the script.
 */
#ifndef WH_TESTS_SUPPORT_CONN_CASE_H
#define WH_TESTS_SUPPORT_CONN_CASE_H

#include "common/io/conn.h"
#include "tests/support/fake_redis.h"

#define WH_PING "*1\r\n$4\r\nPING\r\n"
#define WH_GET_A "*2\r\n$3\r\nGET\r\n$1\r\na\r\n"

typedef struct wh_conn_answer {
    int calls;
    wh_err err;
    int type;
    char text[64];
    long long integer;
    int order; /* of its callback among all */
} wh_conn_answer;

typedef struct wh_conn_case {
    wh_loop *loop;
    wh_conn *conn;
    wh_fake_redis *peer;
    char path[128]; /* the endpoint's */
    int ups, downs, order;
    char why[320];
    wh_conn_answer answers[8];
    wh_err refused; /* what a _send inside a callback returned */
} wh_conn_case;

/* Of the running test: a request's callback only has its answer. */
extern wh_conn_case *wh_conn_case_now;

int wh_conn_case_setup(void **state);
int wh_conn_case_teardown(void **state);

/* Callbacks that note what they are told. */
void wh_conn_case_on_state(void *arg, bool ready, const char *why);
void wh_conn_case_on_reply(void *arg, wh_err err, const struct redisReply *r);

/* With these callbacks and a short back-off; path NULL: the peer's. */
wh_conn_options wh_conn_case_options(const char *path);
/* Starts peer and connection; _ready waits until it is. */
void wh_conn_case_begin_with(wh_conn_case *f, const wh_fake_step *script,
                             const wh_conn_options *o);
void wh_conn_case_begin(wh_conn_case *f, const wh_fake_step *script);
void wh_conn_case_begin_ready(wh_conn_case *f, const wh_fake_step *script);
/* A request whose outcome goes to answers[i]. */
wh_err wh_conn_case_send(wh_conn_case *f, int i, const char *data, int64_t timeout_ms);

#endif
