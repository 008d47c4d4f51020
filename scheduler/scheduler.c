/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two connections: one for calls, one that blocks on the bells of the registry and of all
 * partitions. When a job is delayed to a time earlier than all others, the bell of its
 * partition rings and the promote chore looks at once; otherwise it sleeps until the next
 * due time. The registry's rings for a new partition: nothing is waited for before the list
 * is there, so that the new one's bell is heard too.
 */
#include "scheduler/scheduler.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/io/http.h"
#include "common/store/store.h"
#include "scheduler/gauges.h"
#include "scheduler/partition.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_PARTITIONS 10000
#define BELL_TIMEOUT_MS 5000
#define LIVE_MS 10000

struct wh_scheduler {
    wh_loop *loop;
    const wh_scheduler_config *config;
    wh_store *store, *bells;
    wh_gauges *gauges;
    wh_http *http;
    wh_timer *discover, *bell_retry;
    wh_partition **partitions;
    const char **keys; /* of the registry and the partitions, for the bells; borrowed */
    size_t n, cap, keys_cap;
    wh_zones zones;
    wh_declared declared;
    bool discovering, discover_again, listening, configured_registered;
};

static void listen_to_bells(wh_scheduler *s);

static wh_partition *find(const wh_scheduler *s, const char *key, size_t len)
{
    for (size_t i = 0; i < s->n; i++) {
        const char *k = wh_partition_key(s->partitions[i]);
        if (strlen(k) == len && memcmp(k, key, len) == 0)
            return s->partitions[i];
    }
    return NULL;
}

static wh_err add_partition(wh_scheduler *s, const char *key)
{
    if (find(s, key, strlen(key)))
        return WH_OK;
    if (s->n >= MAX_PARTITIONS)
        return WH_ETOOBIG;
    wh_partition **grown =
        wh_grow(s->partitions, &s->cap, s->n + 1, sizeof(wh_partition *));
    if (!grown)
        return WH_ENOMEM;
    s->partitions = grown;
    const wh_partition_setup setup = {.loop = s->loop,
                                      .store = s->store,
                                      .gauges = s->gauges,
                                      .config = s->config,
                                      .zones = &s->zones,
                                      .declared = &s->declared};
    wh_err err = wh_partition_new(&setup, key, &s->partitions[s->n]);
    if (err)
        return err;
    s->n++;
    wh_gauges_partitions(s->gauges, s->n);
    WH_LOG(INFO, "scheduler.partition", WH_F_STR("partition", key));
    return WH_OK;
}

/* ---- discovery ---- */

static void add_named(wh_scheduler *s, wh_slice key)
{
    char text[WH_KEYS_PARTITION_MAX];
    if (key.n >= sizeof text || find(s, key.p, key.n))
        return;
    memcpy(text, key.p, key.n);
    text[key.n] = '\0';
    wh_err err = add_partition(s, text);
    if (err)
        WH_LOG_LIMITED(WARN, 6, "scheduler.partition_refused",
                       WH_F_STR("partition", text),
                       WH_F_STR("error", wh_err_text(err)));
}

static void on_partitions(void *arg, wh_err err, const wh_errbuf *eb, const wh_reply *r)
{
    wh_scheduler *s = arg;
    s->discovering = false;
    if (err)
        WH_LOG_LIMITED(WARN, 6, "scheduler.discover_failed",
                       WH_F_STR("error", eb ? eb->text : wh_err_text(err)));
    for (size_t i = 0; !err && i < wh_reply_count(r); i++)
        add_named(s, wh_reply_str(wh_reply_at(r, i)));
    wh_timer_start(s->discover, s->discover_again ? 0 : s->config->discover_ms);
    s->discover_again = false;
    listen_to_bells(s);
}

static void on_registered(void *arg, wh_err err, const wh_errbuf *eb, const wh_reply *r)
{
    wh_scheduler *s = arg;
    (void)r;
    if (!err)
        return;
    s->configured_registered = false; /* the next discovery tries again */
    WH_LOG_LIMITED(WARN, 6, "scheduler.register_failed",
                   WH_F_STR("error", eb ? eb->text : wh_err_text(err)));
}

/* Names the configured partitions in the registry, so that operators' tools find them. */
static void register_configured(wh_scheduler *s)
{
    if (s->configured_registered || s->n == 0 ||
        s->config->partitions.count + s->declared.n == 0)
        return;
    s->configured_registered = true; /* as long as no call fails */
    for (size_t i = 0; i < s->n;) {
        wh_call call;
        wh_call_init(&call, "wh1_register", false, WH_KEYS_REGISTRY);
        do
            wh_call_args(&call, wh_partition_key(s->partitions[i++]));
        while (i < s->n && i % WH_JOB_BATCH_MAX);
        if (wh_store_call(s->store, &call, on_registered, s))
            s->configured_registered = false;
    }
}

static void on_discover(void *arg)
{
    wh_scheduler *s = arg;
    s->discover_again = s->discovering; /* the list under way may be too old */
    if (s->discovering)
        return;
    wh_err err = WH_ECONN;
    if (wh_store_is_ready(s->store)) {
        register_configured(s);
        wh_call call;
        wh_call_init(&call, "wh1_partitions", true, WH_KEYS_REGISTRY);
        err = wh_store_call(s->store, &call, on_partitions, s);
    }
    s->discovering = err == WH_OK;
    if (err) {
        wh_timer_start(s->discover, s->config->discover_ms);
        listen_to_bells(s);
    }
}

/* ---- bells ---- */

static void on_bell(void *arg, wh_err err, int partition, char what,
                    const wh_codec_claim *claim)
{
    wh_scheduler *s = arg;
    (void)what;
    (void)claim;
    s->listening = false;
    if (err) {
        wh_timer_start(s->bell_retry, 200);
    } else if (partition == 0) { /* the registry's */
        on_discover(s);
    } else {
        if (partition > 0 && (size_t)partition <= s->n)
            wh_partition_ring(s->partitions[partition - 1]);
        listen_to_bells(s);
    }
}

static void listen_to_bells(wh_scheduler *s)
{
    if (s->listening || !wh_store_is_ready(s->bells))
        return;
    size_t n = s->n < WH_JOB_BATCH_MAX ? s->n + 1 : WH_JOB_BATCH_MAX;
    const char **keys = wh_grow((void *)s->keys, &s->keys_cap, n, sizeof(char *));
    if (!keys)
        return;
    s->keys = keys;
    s->keys[0] = WH_KEYS_REGISTRY;
    for (size_t i = 1; i < n; i++)
        s->keys[i] = wh_partition_key(s->partitions[i - 1]);
    const wh_store_bell_args args = {.partitions = s->keys,
                                     .n = n,
                                     .worker = "scheduler",
                                     .timeout_ms = BELL_TIMEOUT_MS};
    wh_err err = wh_store_wait_bell(s->bells, &args, on_bell, s);
    s->listening = err == WH_OK;
    if (err)
        wh_timer_start(s->bell_retry, 200);
}

static void on_bell_retry(void *arg)
{
    listen_to_bells(arg);
}

/* ---- connections ---- */

/* The store has said so in the log. */
static void on_ready(void *arg, bool ready, const char *why)
{
    wh_scheduler *s = arg;
    (void)why;
    if (!ready)
        return;
    wh_timer_start(s->discover, 0);
    for (size_t i = 0; i < s->n; i++)
        wh_partition_wake(s->partitions[i]);
}

static void on_bells_ready(void *arg, bool ready, const char *why)
{
    (void)why;
    if (ready)
        listen_to_bells(arg);
}

static wh_err open_store(wh_scheduler *s, const char *suffix,
                         void (*cb)(void *, bool, const char *), wh_store **out,
                         wh_errbuf *eb)
{
    const wh_scheduler_config *c = s->config;
    char name[128], host[65] = "";
    if (gethostname(host, sizeof host - 1))
        host[0] = '\0';
    snprintf(name, sizeof name, "wherry-scheduler:%s%s",
             c->name && *c->name ? c->name : host, suffix);
    wh_store_options o = {.on_ready = cb, .arg = s};
    o.conn.name = name;
    wh_err err = wh_redis_options_conn(&c->redis, &o.conn, eb);
    if (err)
        return err;
    err = wh_store_new(s->loop, &o, out, eb);
    wh_endpoint_fini(&o.conn.endpoint);
    return err;
}

/* ---- HTTP ---- */

static void on_http(void *arg, const wh_http_request *rq, wh_http_response *rs)
{
    wh_scheduler *s = arg;
    rs->status = 200;
    if (strcmp(rq->path, "/metrics") == 0) {
        rs->content_type = "text/plain; version=0.0.4; charset=utf-8";
        wh_stats_print(wh_gauges_stats(s->gauges), &rs->body);
    } else if (strcmp(rq->path, "/livez") == 0) {
        bool live = wh_clock_mono_ms() - wh_loop_last_turn_ms(s->loop) < LIVE_MS;
        rs->status = live ? 200 : 503;
        wh_buf_adds(&rs->body, live ? "ok\n" : "the loop does not tick\n");
    } else if (strcmp(rq->path, "/readyz") == 0) {
        bool ready = wh_store_is_ready(s->store);
        rs->status = ready ? 200 : 503;
        const char *why = ready ? "ok" : wh_store_error(s->store);
        wh_buf_addf(&rs->body, "%s\n", *why ? why : "connecting");
    } else {
        rs->status = 404;
        wh_buf_adds(&rs->body, "not found; there are /metrics, /livez, /readyz\n");
    }
}

/* ---- life ---- */

static wh_err add_configured(wh_scheduler *s, wh_errbuf *eb)
{
    for (size_t i = 0; i < s->config->partitions.count; i++) {
        const char *text = s->config->partitions.items[i];
        char key[WH_KEYS_PARTITION_MAX];
        wh_err err = wh_options_scheduler_partition(text, key, eb);
        if (err)
            return err;
        err = add_partition(s, key);
        if (err)
            return wh_err_set(eb, err, "%s", wh_err_text(err));
    }
    return WH_OK;
}

static wh_err add_declared(wh_scheduler *s, wh_errbuf *eb)
{
    for (size_t i = 0; i < s->declared.n; i++) {
        wh_err err = add_partition(s, s->declared.items[i].key);
        if (err)
            return wh_err_set(eb, err, "schedules.%s.partition: %s",
                              s->declared.items[i].name, wh_err_text(err));
    }
    return WH_OK;
}

static wh_err start_http(wh_scheduler *s, wh_errbuf *eb)
{
    const char *listen = s->config->metrics_listen;
    if (!listen || !*listen)
        return WH_OK;
    const wh_http_options o = {.listen = listen, .handler = on_http, .arg = s};
    wh_errbuf why = {0};
    wh_err err = wh_http_new(s->loop, &o, &s->http, &why);
    if (err)
        err = wh_err_set(eb, err == WH_EINVAL ? WH_ECONFIG : err, "metrics.listen: %s",
                         why.text);
    else
        WH_LOG(INFO, "metrics.listening", WH_F_STR("address", listen),
               WH_F_INT("port", wh_http_port(s->http)));
    return err;
}

wh_err wh_scheduler_new(wh_loop *l, const wh_scheduler_config *config,
                        wh_scheduler **out, wh_errbuf *eb)
{
    *out = NULL;
    wh_scheduler *s = wh_calloc(1, sizeof *s);
    if (!s)
        return WH_ENOMEM;
    s->loop = l;
    s->config = config;
    wh_err err = wh_gauges_new(&s->gauges);
    if (!err)
        err = wh_timer_new(l, on_discover, s, &s->discover);
    if (!err)
        err = wh_timer_new(l, on_bell_retry, s, &s->bell_retry);
    if (!err)
        err = open_store(s, "", on_ready, &s->store, eb);
    if (!err)
        err = open_store(s, ".bells", on_bells_ready, &s->bells, eb);
    if (!err)
        err = wh_declared_load(config, &s->declared, eb);
    if (!err)
        err = add_configured(s, eb);
    if (!err)
        err = add_declared(s, eb);
    if (!err)
        err = start_http(s, eb);
    if (err) {
        wh_scheduler_free(s);
        return err;
    }
    *out = s;
    return WH_OK;
}

void wh_scheduler_start(wh_scheduler *s)
{
    wh_store_start(s->store);
    wh_store_start(s->bells);
}

wh_err wh_scheduler_reload(wh_scheduler *s, const wh_scheduler_config *fresh,
                           wh_errbuf *eb)
{
    wh_err err = wh_declared_load(fresh, &s->declared, eb);
    if (err)
        return err;
    err = add_declared(s, eb);
    s->configured_registered = false;
    for (size_t i = 0; i < s->n; i++)
        wh_partition_redeclare(s->partitions[i]);
    wh_zones_clear(&s->zones);
    return err;
}

void wh_scheduler_free(wh_scheduler *s)
{
    if (!s)
        return;
    wh_http_free(s->http);
    for (size_t i = 0; i < s->n; i++)
        wh_partition_free(s->partitions[i]);
    if (s->store)
        wh_store_forget(s->store, s);
    if (s->bells)
        wh_store_forget(s->bells, s);
    wh_store_free(s->bells);
    wh_store_free(s->store);
    wh_timer_free(s->discover);
    wh_timer_free(s->bell_retry);
    wh_gauges_free(s->gauges);
    wh_free(s->partitions);
    wh_free((void *)s->keys);
    wh_zones_clear(&s->zones);
    wh_declared_fini(&s->declared);
    wh_free(s);
}
