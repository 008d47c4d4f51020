/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One session per run, opened by the command that needs it.
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
    if (strstr(why.text, "read-only replica") != NULL) {
        return wh_err_set(eb, WH_EBUSY, "%s" WH_CLI_REPLICA_HINT,
                          short_reason(why.text));
    }
    if (err == WH_ECONN || err == WH_ETIMEOUT) {
        return wh_err_set(eb, WH_ECONN, "can't reach Redis at %s",
                          short_reason(why.text));
    }
    if (err == WH_EINVAL && c->url_from != NULL) {
        return wh_err_set(eb, err, "%s: %s", c->url_from, why.text);
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

    if (err == WH_OK) {
        return WH_EXIT_OK;
    }
    wh_exit status = wh_cli_fail(c, err, &eb);
    if (strstr(eb.text, ": Connection refused") != NULL ||
        strstr(eb.text, ": No such file or directory") != NULL) {
        wh_cli_note(c,
                    "Say where Redis is: --redis URL or REDIS_URL. One to play with: "
                    "wherry dev");
    }
    return status;
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
    wh_cli_error(c, "%s: %s", p->name, wh_cli_reason(err, eb));
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
