/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One operation = one heap block that walks PROBE -> LOAD -> CONFIRM and ends in its
 * callback. The server's answer to the last probe is what counts, so a loader that lost
 * a race against another process ends well when the winner's library is good enough.
 */
#include "common/store/funclib.h"

#include "common/base/alloc.h"
#include "common/store/call.h"
#include "generated/lua_bundle.h"

#include <stdio.h>
#include <string.h>

/* The only state of the process here; tests set it before they connect. */
static const char *bundle_text;
static size_t bundle_len;

typedef struct operation {
    wh_conn *conn;
    wh_funclib_fn *cb;
    void *arg;
    enum { STEP_PROBE, STEP_LOAD, STEP_CONFIRM } step;
    bool may_load, force;
    wh_funclib_status status;
    wh_err load_err; /* how the load itself went */
    wh_errbuf load_eb;
} operation;

void wh_funclib_set_bundle(const char *text, size_t len)
{
    bundle_text = text;
    bundle_len = len;
}

static const char *bundle(size_t *len)
{
    *len = bundle_text == NULL ? wh_lua_bundle_len : bundle_len;
    return bundle_text == NULL ? wh_lua_bundle : bundle_text;
}

/* The bundle states its own version: local MAJOR, REVISION, HASH = 1, 1, '<hex>' */
static wh_err read_own(wh_funclib_status *st)
{
    static const char mark[] = "local MAJOR, REVISION, HASH = ";
    size_t len = 0;
    const char *text = bundle(&len);
    const char *at = len == 0 ? NULL : strstr(text, mark);

    if (at == NULL || sscanf(at + sizeof mark - 1, "%6d, %6d, '%32[0-9a-f]'",
                             &st->own_major, &st->own_revision, st->own_hash) != 3) {
        return WH_EVERSION;
    }
    return WH_OK;
}

static void finish(operation *op, wh_err err, const wh_errbuf *eb)
{
    op->cb(op->arg, err, eb, &op->status);
    wh_free(op);
}

static void on_reply(void *arg, wh_err err, const struct redisReply *reply);

static wh_err send_call(operation *op, wh_call *call)
{
    wh_buf request = {0};
    wh_err err = wh_call_finish(call, &request);

    if (err == WH_OK) {
        err = wh_conn_send(op->conn, &(wh_conn_request){.data = request.data,
                                                        .len = request.len,
                                                        .cb = on_reply,
                                                        .arg = op});
    }
    wh_buf_fini(&request);
    return err;
}

static wh_err send_probe(operation *op)
{
    wh_call call;

    wh_call_init(&call, "wh1_version", true, NULL);
    return send_call(op, &call);
}

static wh_err send_load(operation *op)
{
    wh_call call;
    size_t len = 0;
    const char *text = bundle(&len);

    op->step = STEP_LOAD;
    wh_call_init_command(&call, "FUNCTION");
    wh_call_args(&call, "LOAD");
    if (op->status.revision > 0) {
        wh_call_args(&call, "REPLACE");
    }
    wh_call_arg(&call, text, len);
    return send_call(op, &call);
}

static wh_err read_version(operation *op, wh_err err, const wh_reply *r, wh_errbuf *eb)
{
    wh_funclib_status *st = &op->status;

    st->major = st->revision = 0;
    st->hash[0] = '\0';
    st->newer_there = false;
    if (err == WH_ENOFUNC) {
        return WH_OK;
    }
    if (err == WH_EREDIS && strstr(eb->text, "unknown command") != NULL) {
        return wh_err_set(
            eb, WH_EVERSION,
            "this server has no functions: Redis 7.0 or newer, or Valkey, "
            "is needed");
    }
    if (err != WH_OK) {
        return err;
    }
    st->major = (int)wh_reply_int(wh_reply_at(r, 0), 0);
    st->revision = (int)wh_reply_int(wh_reply_at(r, 1), 0);
    wh_slice hash = wh_reply_str(wh_reply_at(r, 2));
    snprintf(st->hash, sizeof st->hash, "%.*s", (int)(hash.n > 32 ? 32 : hash.n),
             hash.n == 0 ? "" : hash.p);
    if (st->revision <= 0 || st->major != st->own_major) {
        return wh_err_set(
            eb, WH_EVERSION,
            "the server's wh1_version answers %d.%d: not Wherry's library %d",
            st->major, st->revision, st->own_major);
    }
    st->newer_there = st->revision > st->own_revision;
    return WH_OK;
}

static bool wants_load(const operation *op)
{
    const wh_funclib_status *st = &op->status;

    if (!op->may_load || st->newer_there) {
        return false;
    }
    return op->force || st->revision < st->own_revision;
}

static void after_probe(operation *op, wh_err err, wh_errbuf *eb)
{
    if (err == WH_OK && wants_load(op)) {
        err = send_load(op);
        if (err == WH_OK) {
            return;
        }
        (void)wh_err_set(eb, err, "%s", wh_err_text(err));
    }
    finish(op, err, eb);
}

/* Whatever the load said, ask what is there now. */
static void after_load(operation *op, wh_err err, wh_errbuf *eb)
{
    op->load_err = err;
    op->load_eb = *eb;
    op->step = STEP_CONFIRM;
    if (err == WH_EPERM) {
        bool is_needed = op->status.revision < op->status.own_revision;

        (void)wh_err_set(&op->load_eb, err, "%s: %s",
                         is_needed
                             ? "the function library is missing or old, and this "
                               "Redis user may not load it"
                             : "this Redis user may not load the function library",
                         eb->text);
    }
    if (err == WH_EUNCERTAIN || err == WH_ECANCELED || err == WH_ETIMEOUT) {
        finish(op, err, eb);
        return;
    }
    err = send_probe(op);
    if (err != WH_OK) {
        (void)wh_err_set(eb, err, "%s", wh_err_text(err));
        finish(op, err, eb);
    }
}

static void after_confirm(operation *op, wh_err err, wh_errbuf *eb)
{
    wh_funclib_status *st = &op->status;
    bool good = err == WH_OK && st->revision >= st->own_revision;

    st->loaded_now = good && op->load_err == WH_OK;
    if (err == WH_OK && op->load_err != WH_OK && (!good || op->force)) {
        err = op->load_err;
        *eb = op->load_eb;
    } else if (err == WH_OK && !good) {
        err = wh_err_set(eb, WH_EVERSION,
                         "after loading revision %d the server answers revision %d",
                         st->own_revision, st->revision);
    }
    finish(op, err, eb);
}

static void on_reply(void *arg, wh_err err, const struct redisReply *reply)
{
    operation *op = arg;
    wh_errbuf eb = {.code = err};

    if (err == WH_OK) {
        err = wh_call_error(reply, &eb);
    } else {
        (void)wh_err_set(&eb, err, "%s", wh_err_text(err));
    }
    if (op->step == STEP_LOAD) {
        after_load(op, err, &eb);
        return;
    }
    err = read_version(op, err, wh_call_view(reply), &eb);
    if (op->step == STEP_PROBE) {
        after_probe(op, err, &eb);
    } else {
        after_confirm(op, err, &eb);
    }
}

static wh_err start(wh_conn *c, operation wish)
{
    operation *op = NULL;
    wh_err err = read_own(&wish.status);

    if (err != WH_OK) {
        return err;
    }
    op = wh_malloc(sizeof *op);
    if (op == NULL) {
        return WH_ENOMEM;
    }
    *op = wish;
    op->conn = c;
    err = send_probe(op);
    if (err != WH_OK) {
        wh_free(op);
    }
    return err;
}

wh_err wh_funclib_probe(wh_conn *c, wh_funclib_fn *cb, void *arg)
{
    return start(c, (operation){.cb = cb, .arg = arg});
}

wh_err wh_funclib_load(wh_conn *c, bool force, wh_funclib_fn *cb, void *arg)
{
    return start(c,
                 (operation){.cb = cb, .arg = arg, .may_load = true, .force = force});
}
