/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of a connection: what is refused before the first attempt, defaults, and
 * the connection's own copy of all texts.
 */
#include "common/base/alloc.h"
#include "common/io/conn_internal.h"

#include <string.h>

enum {
    CONNECT_TIMEOUT_MS = 5000,
    REQUEST_TIMEOUT_MS = 10000,
    BACKOFF_MIN_MS = 50,
    BACKOFF_MAX_MS = 5000
};

static bool copy_text(char **to, const char *from)
{
    *to = from == NULL ? NULL : wh_strdup(from);
    return from == NULL || *to != NULL;
}

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

static void fill_defaults(wh_conn_options *o)
{
    o->use = o->use != NULL ? o->use : "calls";
    o->connect_timeout_ms = or_default(o->connect_timeout_ms, CONNECT_TIMEOUT_MS);
    o->request_timeout_ms = or_default(o->request_timeout_ms, REQUEST_TIMEOUT_MS);
    o->backoff_min_ms = or_default(o->backoff_min_ms, BACKOFF_MIN_MS);
    o->backoff_max_ms = or_default(o->backoff_max_ms, BACKOFF_MAX_MS);
    if (o->backoff_max_ms < o->backoff_min_ms) {
        o->backoff_max_ms = o->backoff_min_ms;
    }
}

wh_err wh_conn_options_init(wh_conn *c, const wh_conn_options *o)
{
    const wh_endpoint *e = &o->endpoint;
    wh_endpoint *own = &c->o.endpoint;

    c->o = *o;
    *own = (wh_endpoint){.port = e->port, .db = e->db, .tls = e->tls};
    bool ok =
        copy_text(&own->path, e->path) && copy_text(&own->host, e->host) &&
        copy_text(&own->user, e->user) && copy_text(&own->password, e->password) &&
        copy_text(&c->strings[0], o->name) && copy_text(&c->strings[1], o->ca_file) &&
        copy_text(&c->strings[2], o->cert_file) &&
        copy_text(&c->strings[3], o->key_file);
    c->o.name = c->strings[0];
    c->o.ca_file = c->strings[1];
    c->o.cert_file = c->strings[2];
    c->o.key_file = c->strings[3];
    fill_defaults(&c->o);
    return ok ? WH_OK : WH_ENOMEM;
}

void wh_conn_options_fini(wh_conn *c)
{
    wh_endpoint_fini(&c->o.endpoint);
    for (size_t i = 0; i < sizeof c->strings / sizeof c->strings[0]; i++) {
        wh_free(c->strings[i]);
        c->strings[i] = NULL;
    }
}

wh_err wh_conn_options_check(const wh_conn_options *o, wh_errbuf *eb)
{
    const wh_endpoint *e = &o->endpoint;
    struct ssl_st *ssl = NULL;

    if ((e->path == NULL) == (e->host == NULL)) {
        return wh_err_set(eb, WH_EINVAL, "an endpoint has either a path or a host");
    }
    if (e->path != NULL && (strlen(e->path) > 107 || e->tls)) {
        return wh_err_set(eb, WH_EINVAL, "not a unix socket's path: %s", e->path);
    }
    if (!e->tls) {
        return WH_OK;
    }
    wh_err err = wh_conn_tls_new(o, &ssl, eb);
    wh_conn_tls_free(ssl);
    return err;
}
