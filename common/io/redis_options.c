/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of redis.*, and how they become a connection's options.
 */
#include "common/io/redis_options.h"

#include "common/base/alloc.h"
#include "common/io/conn_internal.h"
#include "common/io/redis_dev.h"

#include <string.h>

#define AT(field) offsetof(wh_redis_options, field)

static wh_err check_url(const char *text, wh_errbuf *eb)
{
    wh_endpoint e = {0};
    wh_err err = wh_endpoint_parse(text, &e, eb);

    wh_endpoint_fini(&e);
    return err == WH_OK || err == WH_ENOMEM ? err : WH_ECONFIG;
}

const wh_opt wh_redis_options_rows[WH_REDIS_OPTIONS_COUNT] = {
    {.name = "redis.url",
     .type = WH_OPT_STRING,
     .offset = AT(url),
     .dflt = WH_REDIS_DEFAULT_URL,
     .find_dflt = wh_redis_dev_url,
     .env = "REDIS_URL",
     .unit = "url",
     .flags = WH_OPT_SECRET | WH_OPT_URL,
     .check = check_url,
     .help =
         "redis://[user:password@]host[:port][/db], rediss://… for TLS, unix:///path. "
         "Where `wherry dev` runs and nothing else is said: that one"},
    {.name = "redis.user",
     .type = WH_OPT_STRING,
     .offset = AT(user),
     .help = "ACL user; wins over the URL's"},
    {.name = "redis.password",
     .type = WH_OPT_STRING,
     .offset = AT(password),
     .flags = WH_OPT_SECRET,
     .help = "wins over the URL's; better given as redis.password_file"},
    {.name = "redis.ca_file",
     .type = WH_OPT_STRING,
     .offset = AT(ca_file),
     .unit = "path",
     .help = "CA bundle for rediss://; default: the system's"},
    {.name = "redis.cert_file",
     .type = WH_OPT_STRING,
     .offset = AT(cert_file),
     .unit = "path",
     .help = "client certificate"},
    {.name = "redis.key_file",
     .type = WH_OPT_STRING,
     .offset = AT(key_file),
     .unit = "path",
     .flags = WH_OPT_PRIVATE,
     .help = "client key"},
    {.name = "redis.timeout",
     .type = WH_OPT_DURATION,
     .offset = AT(timeout_ms),
     .dflt = "10s",
     .min = 100,
     .max = 600000,
     .help = "a request without answer for so long ends the connection"},
};

wh_err wh_redis_options_check(const wh_redis_options *o, wh_errbuf *eb)
{
    if ((o->cert_file == NULL) == (o->key_file == NULL)) {
        return WH_OK;
    }
    return wh_err_set(eb, WH_ECONFIG, "redis.%s: it goes with redis.%s; give both",
                      o->cert_file != NULL ? "cert_file" : "key_file",
                      o->cert_file != NULL ? "key_file" : "cert_file");
}

static wh_err replace(char **text, const char *by)
{
    if (by == NULL || by[0] == '\0') {
        return WH_OK;
    }
    char *copy = wh_strdup(by);
    if (copy == NULL) {
        return WH_ENOMEM;
    }
    wh_free(*text);
    *text = copy;
    return WH_OK;
}

wh_err wh_redis_options_endpoint(const wh_redis_options *o, wh_endpoint *out,
                                 wh_errbuf *eb)
{
    wh_errbuf inner = {0};

    wh_err err = wh_endpoint_parse(o->url, out, &inner);

    if (err != WH_OK) {
        return wh_err_set(eb, err == WH_ENOMEM ? err : WH_ECONFIG, "redis.url: %s",
                          inner.text);
    }
    if (replace(&out->user, o->user) != WH_OK ||
        replace(&out->password, o->password) != WH_OK) {
        wh_endpoint_fini(out);
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    return WH_OK;
}

/* First without certificate, then with it: so it shows whose fault it is. */
static wh_err check_files(const wh_conn_options *o, wh_errbuf *eb)
{
    wh_errbuf inner = {0};
    wh_conn_options only_ca = *o;

    only_ca.cert_file = only_ca.key_file = NULL;
    wh_err err = wh_conn_options_check(&only_ca, &inner);
    if (err != WH_OK && o->ca_file != NULL) {
        return wh_err_set(eb, err, "redis.ca_file: %s", inner.text);
    }
    if (err == WH_OK && o->cert_file != NULL) {
        err = wh_conn_options_check(o, &inner);
        if (err != WH_OK) {
            bool is_key = strstr(inner.text, o->cert_file) == NULL;

            return wh_err_set(eb, err, "redis.%s: %s",
                              is_key ? "key_file" : "cert_file", inner.text);
        }
    }
    return err == WH_OK ? WH_OK : wh_err_set(eb, err, "redis.url: %s", inner.text);
}

wh_err wh_redis_options_conn(const wh_redis_options *o, wh_conn_options *out,
                             wh_errbuf *eb)
{
    wh_err err = wh_redis_options_endpoint(o, &out->endpoint, eb);

    if (err != WH_OK) {
        return err;
    }
    out->ca_file = o->ca_file;
    out->cert_file = o->cert_file;
    out->key_file = o->key_file;
    out->request_timeout_ms = o->timeout_ms;
    err = check_files(out, eb);
    if (err != WH_OK) {
        wh_endpoint_fini(&out->endpoint);
    }
    return err;
}
