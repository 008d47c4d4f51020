/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One session per run. A partition that nobody named is chosen only when there is no
 * doubt: a command that replays or purges must not guess.
 */
#include "common/cli/cli_redis.h"

#include "common/base/alloc.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPEN_TIMEOUT_MS = 4500, CALL_TIMEOUT_MS = 30000 };

/* ---- connection ---- */

static const char *env_text(const char *name)
{
    const char *value = getenv(name);

    return value == NULL || value[0] == '\0' ? NULL : value;
}

static wh_err try_session(wh_cli *c, bool raw, bool keep, wh_errbuf *eb)
{
    wh_session_options o = {.url = c->url,
                            .user = env_text("WHERRY_REDIS_USER"),
                            .password = c->password,
                            .name = "wherry",
                            .ca_file = env_text("WHERRY_REDIS_CA_FILE"),
                            .cert_file = env_text("WHERRY_REDIS_CERT_FILE"),
                            .key_file = env_text("WHERRY_REDIS_KEY_FILE"),
                            .open_timeout_ms = OPEN_TIMEOUT_MS,
                            .call_timeout_ms = CALL_TIMEOUT_MS,
                            .keep_library = keep,
                            .raw = raw};

    return wh_session_open(&o, &c->session, eb);
}

/* "URL: can't connect to URL: why" -> "URL: why" */
static const char *short_reason(const char *text)
{
    static const char verb[] = ": can't connect to ";
    const char *at = strstr(text, verb);
    size_t len = at == NULL ? 0 : (size_t)(at - text);
    const char *second = at == NULL ? NULL : at + sizeof verb - 1;

    return second != NULL && strncmp(second, text, len) == 0 && second[len] == ':'
               ? second
               : text;
}

wh_err wh_cli_redis_try_open(wh_cli *c, bool raw, wh_errbuf *eb)
{
    wh_errbuf why = {.code = WH_OK};

    if (c->session != NULL) {
        return WH_OK;
    }
    wh_err err = try_session(c, raw, true, &why);
    if (err == WH_ENOFUNC && !raw) {
        err = try_session(c, raw, false, &why);
    }
    if (err == WH_OK) {
        return WH_OK;
    }
    if (err == WH_ECONN || err == WH_ETIMEOUT) {
        return wh_err_set(eb, WH_ECONN, "can't reach Redis at %s",
                          short_reason(why.text));
    }
    if (eb != NULL) {
        *eb = why;
    }
    return err;
}

static wh_exit open_session(wh_cli *c, bool raw)
{
    wh_errbuf eb = {.code = WH_OK};
    wh_err err = wh_cli_redis_try_open(c, raw, &eb);

    return err == WH_OK ? WH_EXIT_OK : wh_cli_fail(c, err, &eb);
}

wh_exit wh_cli_redis_open(wh_cli *c)
{
    return open_session(c, false);
}

wh_exit wh_cli_redis_open_raw(wh_cli *c)
{
    return open_session(c, true);
}

/* ---- calls ---- */

wh_err wh_cli_redis_try(wh_cli *c, wh_call *call, const wh_reply **reply, wh_errbuf *eb)
{
    const wh_reply *r = NULL;
    wh_err err = wh_session_call(c->session, call, &r, eb);

    if (err == WH_OK && r == NULL) {
        err = wh_err_set(eb, WH_EPROTO, "Redis sent an empty reply");
    }
    if (reply != NULL) {
        *reply = r;
    }
    return err;
}

wh_exit wh_cli_redis_call(wh_cli *c, wh_call *call, const wh_reply **reply)
{
    wh_errbuf eb = {.code = WH_OK};
    wh_err err = wh_cli_redis_try(c, call, reply, &eb);

    return err == WH_OK ? WH_EXIT_OK : wh_cli_fail(c, err, &eb);
}

wh_exit wh_cli_redis_ask(wh_cli *c, const char *function, const wh_cli_partition *p,
                         const wh_reply **reply)
{
    wh_errbuf eb = {.code = WH_OK};
    wh_call call;

    wh_call_init(&call, function, true, p->key);
    wh_err err = wh_cli_redis_try(c, &call, reply, &eb);
    return err == WH_OK ? WH_EXIT_OK : wh_cli_redis_fail(c, p, err, &eb);
}

wh_exit wh_cli_redis_fail(wh_cli *c, const wh_cli_partition *p, wh_err err,
                          const wh_errbuf *eb)
{
    wh_cli_error(c, "%s: %s", p->name,
                 eb->text[0] == '\0' ? wh_err_text(err) : eb->text);
    return wh_err_exit(err);
}

/* WH_EREDIS: a function stumbled over values that it can't compute with. */
bool wh_cli_redis_is_damage(wh_err err)
{
    return err == WH_EBADDATA || err == WH_EREDIS;
}

int64_t wh_cli_redis_field(const wh_reply *flat, const char *name, int64_t dflt)
{
    size_t len = strlen(name);

    for (size_t i = 0; i + 1 < wh_reply_count(flat); i += 2) {
        wh_slice s = wh_reply_str(wh_reply_at(flat, i));

        if (s.n == len && memcmp(s.p, name, len) == 0) {
            return wh_reply_int(wh_reply_at(flat, i + 1), dflt);
        }
    }
    return dflt;
}

/* ---- partitions ---- */

static void name_partition(wh_cli_partition *p)
{
    (void)snprintf(p->name, sizeof p->name, "%s:%s", p->region, p->queue);
}

static wh_exit make(wh_cli *c, const char *region, const char *queue,
                    wh_cli_partition *out)
{
    wh_errbuf eb = {.code = WH_OK};
    wh_err err = wh_keys_partition(region, queue, out->key, &eb);

    if (err != WH_OK) {
        return wh_cli_usage(c, "%s", eb.text);
    }
    WH_ASSERT(wh_keys_split(out->key, out->region, out->queue));
    name_partition(out);
    return WH_EXIT_OK;
}

wh_exit wh_cli_redis_parse(wh_cli *c, const char *text, wh_cli_partition *out)
{
    const char *colon = strchr(text, ':');
    char region[WH_JOB_NAME_MAX + 2];

    if (colon == NULL) {
        return make(c, c->region, text, out);
    }
    if ((size_t)(colon - text) >= sizeof region) {
        return wh_cli_usage(c, "\"%.80s\" is no partition; write region:queue", text);
    }
    (void)snprintf(region, sizeof region, "%.*s", (int)(colon - text), text);
    return make(c, region, colon + 1, out);
}

wh_exit wh_cli_redis_default(wh_cli *c, wh_cli_partition *out)
{
    return make(c, c->region, c->queue, out);
}

void wh_cli_redis_partitions_fini(wh_cli_partitions *p)
{
    wh_free(p->list);
    *p = (wh_cli_partitions){.list = NULL};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const wh_cli_partition *)a)->name,
                  ((const wh_cli_partition *)b)->name);
}

static wh_exit registered(wh_cli *c, wh_cli_partitions *out)
{
    const wh_reply *reply = NULL;
    wh_call call;

    *out = (wh_cli_partitions){.list = NULL};
    wh_call_init(&call, "wh1_partitions", true, WH_KEYS_REGISTRY);
    wh_exit status = wh_cli_redis_call(c, &call, &reply);
    if (status != WH_EXIT_OK) {
        return status;
    }
    size_t n = wh_reply_count(reply);
    out->list = wh_calloc(n + 1, sizeof *out->list);
    if (out->list == NULL) {
        return wh_cli_no_memory(c);
    }
    for (size_t i = 0; i < n; i++) {
        wh_cli_partition *p = &out->list[out->n];
        wh_slice key = wh_reply_str(wh_reply_at(reply, i));

        if (key.p != NULL && key.n < sizeof p->key &&
            wh_keys_split(key.p, p->region, p->queue)) {
            memcpy(p->key, key.p, key.n + 1);
            name_partition(p);
            out->n++;
        }
    }
    qsort(out->list, out->n, sizeof *out->list, by_name);
    return WH_EXIT_OK;
}

static wh_exit single(wh_cli *c, const char *operand, wh_cli_partitions *out)
{
    out->list = wh_calloc(1, sizeof *out->list);
    if (out->list == NULL) {
        return wh_cli_no_memory(c);
    }
    out->n = 1;
    return operand != NULL ? wh_cli_redis_parse(c, operand, out->list)
                           : wh_cli_redis_default(c, out->list);
}

wh_exit wh_cli_redis_all(wh_cli *c, const char *operand, wh_cli_partitions *out)
{
    *out = (wh_cli_partitions){.list = NULL};
    if (operand != NULL || c->has_partition) {
        return single(c, operand, out);
    }
    return registered(c, out);
}

static wh_exit choose(wh_cli *c, const wh_cli_partitions *all)
{
    wh_buf names = {0};

    for (size_t i = 0; i < all->n && i < 20; i++) {
        wh_buf_addf(&names, "%s%s", i == 0 ? "" : ", ", all->list[i].name);
    }
    wh_exit status = wh_cli_usage(c, "which partition? Name one of: %s%s",
                                  wh_buf_str(&names), all->n > 20 ? ", ..." : "");
    wh_buf_fini(&names);
    return status;
}

wh_exit wh_cli_redis_one(wh_cli *c, const char *operand, wh_cli_partition *out)
{
    wh_cli_partitions all = {.list = NULL};

    if (operand != NULL) {
        return wh_cli_redis_parse(c, operand, out);
    }
    wh_exit status = wh_cli_redis_default(c, out);
    if (status != WH_EXIT_OK || c->has_partition) {
        return status;
    }
    status = registered(c, &all);
    if (status == WH_EXIT_OK && all.n == 1) {
        *out = all.list[0];
    }
    if (status == WH_EXIT_OK && all.n > 1 &&
        bsearch(out, all.list, all.n, sizeof *all.list, by_name) == NULL) {
        status = choose(c, &all);
    }
    wh_cli_redis_partitions_fini(&all);
    return status;
}

/* ---- jobs ---- */

wh_err wh_cli_redis_job(wh_cli *c, const wh_cli_partition *p, const char *id,
                        wh_job_record *rec, wh_errbuf *eb)
{
    const wh_reply *reply = NULL;
    wh_call call;

    wh_job_record_fini(rec);
    wh_call_init(&call, "wh1_job", true, p->key);
    wh_call_args(&call, id);
    wh_err err = wh_cli_redis_try(c, &call, &reply, eb);
    if (err != WH_OK) {
        return err;
    }
    err = wh_store_read_record(reply, rec);
    return err == WH_OK ? WH_OK : wh_err_set(eb, err, "%s", wh_err_text(err));
}

/* The default partition counts too: a producer may use one that no worker named yet. */
static wh_exit candidates(wh_cli *c, wh_cli_partitions *out)
{
    wh_cli_partition dflt = {.key = ""};
    wh_exit status = wh_cli_redis_all(c, NULL, out);

    if (status != WH_EXIT_OK || c->has_partition) {
        return status;
    }
    status = wh_cli_redis_default(c, &dflt);
    if (status == WH_EXIT_OK &&
        bsearch(&dflt, out->list, out->n, sizeof dflt, by_name) == NULL) {
        out->list[out->n++] = dflt; /* registered() left room for one */
    }
    return status;
}

wh_exit wh_cli_redis_find_job(wh_cli *c, const char *id, wh_cli_partition *where,
                              wh_job_record *rec)
{
    wh_cli_partitions all = {.list = NULL};
    wh_errbuf eb = {.code = WH_OK};
    uint8_t raw[WH_UUID_BYTES];

    wh_job_record_init(rec);
    if (!wh_rng_uuid_parse(id, strlen(id), raw)) {
        return wh_cli_usage(c,
                            "\"%.60s\" is no job id; an id has 36 characters, like "
                            "0190c6a0-1c6e-7c3a-9d52-3f1f0a4b2c11",
                            id);
    }
    wh_exit status = candidates(c, &all);
    wh_err err = WH_ENOTFOUND;
    for (size_t i = 0; status == WH_EXIT_OK && i < all.n && err == WH_ENOTFOUND; i++) {
        *where = all.list[i];
        err = wh_cli_redis_job(c, where, id, rec, &eb);
    }
    if (status == WH_EXIT_OK && err == WH_ENOTFOUND) {
        wh_cli_error(c, "there is no job %s in %s%s", id,
                     all.n == 1 ? all.list[0].name : "any of the partitions",
                     c->has_partition ? "" : " (see wherry queue list)");
        status = WH_EXIT_NOTFOUND;
    } else if (status == WH_EXIT_OK && err != WH_OK) {
        status = wh_cli_fail(c, err, &eb);
    }
    wh_cli_redis_partitions_fini(&all);
    return status;
}

/* ---- waiting ---- */

static void on_signal(void *arg, int signo)
{
    wh_cli *c = arg;

    (void)signo;
    c->interrupted = true;
    wh_session_wake(c->session);
}

wh_exit wh_cli_redis_catch(wh_cli *c)
{
    wh_loop *l = wh_session_loop(c->session);

    if (wh_loop_on_signal(l, SIGINT, on_signal, c) != WH_OK ||
        wh_loop_on_signal(l, SIGTERM, on_signal, c) != WH_OK) {
        return wh_cli_no_memory(c);
    }
    return WH_EXIT_OK;
}

wh_exit wh_cli_redis_sleep(wh_cli *c, int64_t ms)
{
    if (c->interrupted || ms <= 0) {
        return WH_EXIT_OK;
    }
    wh_err err = wh_session_sleep(c->session, ms);
    return err == WH_OK ? WH_EXIT_OK : wh_cli_fail(c, err, NULL);
}
