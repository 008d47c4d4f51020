/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop, a store and the waiting between them, for programs that do one thing after
 * another (the command line). Internal: not part of libwherry's public API. One session
 * belongs to one thread; nothing here prints or exits.
 *
 *     wh_session *s = NULL;
 *     wh_call call;
 *     const wh_reply *reply = NULL;
 *     err = wh_session_open(&(wh_session_options){.url = url}, &s, &eb);
 *     wh_call_init(&call, "wh1_stats", true, partition);
 *     err = wh_session_call(s, &call, &reply, &eb);   // reply lives until the next call
 *     wh_session_free(s);
 */
#ifndef WH_COMMON_CLIENT_SESSION_H
#define WH_COMMON_CLIENT_SESSION_H

#include "common/base/err.h"
#include "common/io/loop.h"
#include "common/store/call.h"
#include "common/store/funclib.h"
#include "common/store/store.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct wh_session wh_session;

typedef struct wh_session_options {
    const char *url;             /* NULL: redis://127.0.0.1:6379 */
    const char *user, *password; /* win over those in the URL; NULL: the URL's */
    const char *name;            /* CLIENT SETNAME; NULL: "wherry" */
    const char *ca_file, *cert_file, *key_file;
    int64_t open_timeout_ms; /* until ready; 0: 10,000 */
    int64_t call_timeout_ms; /* each call that has no longer one of its own, waiting
                                for a reconnect included; 0: 10,000 */
    bool keep_library;       /* never load the function library, only probe */
    bool raw;                /* open as soon as the connection stands, library or not */
    bool wait_for_server; /* an unreachable server is waited for until open_timeout_ms
                                      instead of failing the first connect */
    /* What it waits for, when that changes ("waiting for …: connection refused"). */
    void (*on_progress)(void *arg, const char *text);
    void *arg;
} wh_session_options;

/* Connects and waits until ready. Configuration faults (bad URL, wrong password, no right
 * to load the library) fail at once, an unreachable server with WH_ECONN and its reason. */
wh_err wh_session_open(const wh_session_options *o, wh_session **out,
                       wh_errbuf *eb) WH_MUSTCHECK;
void wh_session_free(wh_session *s);

/* Sends the call (consumed also on failure) and waits for its reply, which is valid until
 * the next call on this session or its end; reply may be NULL. A connection that is away
 * is waited for; a call whose outcome is unknown is not repeated (WH_EUNCERTAIN,
 * WH_ETIMEOUT): the caller knows whether it may be. Works for functions and, with
 * wh_call_init_command, for any command that does not block. */
wh_err wh_session_call(wh_session *s, wh_call *c, const wh_reply **reply,
                       wh_errbuf *eb) WH_MUSTCHECK;

/* Probes (load false) or loads the function library; force as in wh_funclib_load. */
wh_err wh_session_library(wh_session *s, bool load, bool force, wh_funclib_status *out,
                          wh_errbuf *eb) WH_MUSTCHECK;

/* Lets the loop work for that long, or until wh_session_wake (from a callback of the
 * loop: timer, watch, signal); for `top` and other programs that wait. */
wh_err wh_session_sleep(wh_session *s, int64_t ms) WH_MUSTCHECK;
void wh_session_wake(wh_session *s);

wh_store *wh_session_store(wh_session *s);
wh_loop *wh_session_loop(wh_session *s);
/* The endpoint for people, password masked. */
const char *wh_session_endpoint(const wh_session *s);

/* The URL (NULL: the default), with user and password put in where given. */
wh_err wh_session_parse_url(const char *url, const char *user, const char *password,
                            wh_endpoint *out, wh_errbuf *eb) WH_MUSTCHECK;
/* Can waiting help with what keeps a store from being ready? */
bool wh_session_is_hopeful(wh_err code);

#endif
