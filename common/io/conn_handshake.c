/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said before a connection is ready, in one go: AUTH, CLIENT SETNAME, SELECT,
 * and PING, whose answer is the only one that tells whether Redis serves commands (the
 * others also work while it loads its data). A name that is refused is no reason to do
 * without the connection, nor is an ACL without PING.
 */
#include "common/io/conn_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    return strncmp(text, word, n) == 0 && (text[n] == ' ' || text[n] == '\0');
}

/* An error that any step may get; true if it ended the connection. */
static bool failed_for_now(wh_conn *c, const char *text)
{
    if (has_word(text, "LOADING")) {
        wh_conn_fail(c, WH_EBUSY,
                     "Redis is loading its data; waiting until it is done");
    } else if (has_word(text, "MASTERDOWN") || has_word(text, "BUSY")) {
        wh_conn_fail(c, WH_EBUSY, "Redis can't serve commands yet: %.200s", text);
    } else if (strstr(text, "max number of clients") != NULL) {
        wh_conn_fail(c, WH_EBUSY, "Redis takes no more connections: %.200s", text);
    } else if (has_word(text, "NOAUTH")) {
        wh_conn_fail(c, WH_EAUTH, "Redis wants a password and none is configured");
    } else {
        return false;
    }
    return true;
}

static void on_error(wh_conn *c, wh_conn_step step, const char *text)
{
    if (failed_for_now(c, text) || step == WH_CONN_STEP_NAME) {
        return;
    }
    switch (step) {
    case WH_CONN_STEP_AUTH:
        wh_conn_fail(c, WH_EAUTH, "Redis refused user and password: %.200s", text);
        break;
    case WH_CONN_STEP_SELECT:
        wh_conn_fail(c, WH_EREDIS, "Redis refused database %d: %.200s",
                     c->o.endpoint.db, text);
        break;
    case WH_CONN_STEP_PING:
        if (has_word(text, "NOPERM")) {
            wh_conn_established(c);
        } else {
            wh_conn_fail(c, WH_EREDIS, "Redis refused PING: %.200s", text);
        }
        break;
    case WH_CONN_STEP_NAME:
    case WH_CONN_STEPS:
        break;
    }
}

static void on_reply(void *arg, wh_err err, const redisReply *reply)
{
    const wh_conn_step_arg *a = arg;

    if (err != WH_OK || a->conn->ending || a->conn->freed) {
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        on_error(a->conn, a->step, reply->str);
    } else if (reply->type != REDIS_REPLY_STATUS) {
        wh_conn_fail(a->conn, WH_EPROTO, "the peer does not answer like Redis");
    } else if (a->step == WH_CONN_STEP_PING) {
        wh_conn_established(a->conn);
    }
}

/* argv[0 … argc-1] as this step; false: the connection failed. */
static bool say(wh_conn *c, wh_conn_step step, int argc, const char **argv)
{
    char *cmd = NULL;
    int len = (int)redisFormatCommandArgv(&cmd, argc, argv, NULL);
    wh_err err = WH_ENOMEM;

    if (len > 0) {
        wh_conn_slot p = {.cb = on_reply, .arg = &c->steps[step]};

        c->steps[step] = (wh_conn_step_arg){.conn = c, .step = step};
        err = wh_conn_push(c, cmd, (size_t)len, &p);
        redisFreeCommand(cmd);
    }
    if (err != WH_OK) {
        wh_conn_fail(c, err, "handshake: %s", wh_err_text(err));
    }
    return err == WH_OK;
}

static bool say_auth(wh_conn *c)
{
    const wh_endpoint *e = &c->o.endpoint;
    const char *with_user[] = {"AUTH", e->user, e->password};
    const char *without[] = {"AUTH", e->password};

    if (e->password == NULL) {
        return true;
    }
    return e->user != NULL ? say(c, WH_CONN_STEP_AUTH, 3, with_user)
                           : say(c, WH_CONN_STEP_AUTH, 2, without);
}

/* Redis takes no blanks and nothing beyond ASCII in a name. */
static bool say_name(wh_conn *c)
{
    char name[128];
    const char *argv[] = {"CLIENT", "SETNAME", name};

    if (c->o.name == NULL || *c->o.name == '\0') {
        return true;
    }
    (void)snprintf(name, sizeof name, "%s", c->o.name);
    for (char *p = name; *p != '\0'; p++) {
        if (*p < '!' || *p > '~') {
            *p = '-';
        }
    }
    return say(c, WH_CONN_STEP_NAME, 3, argv);
}

static bool say_select(wh_conn *c)
{
    char db[16];
    const char *argv[] = {"SELECT", db};

    if (c->o.endpoint.db == 0) {
        return true;
    }
    (void)snprintf(db, sizeof db, "%d", c->o.endpoint.db);
    return say(c, WH_CONN_STEP_SELECT, 2, argv);
}

void wh_conn_handshake_start(wh_conn *c)
{
    const char *ping[] = {"PING"};

    if (say_auth(c) && say_name(c) && say_select(c)) {
        (void)say(c, WH_CONN_STEP_PING, 1, ping);
    }
}
