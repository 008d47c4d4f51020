/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and connecting the units. Order of making: store, metrics, dispatch, registry
 * (its executors call dispatch), notes, fetch, heartbeat, bell. Order of freeing: first
 * what calls, then what is called.
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "generated/version.h"
#include "worker/worker_internal.h"

#include <string.h>
#include <unistd.h>

/* TYPES_MAX: what 4,096 bytes of info have room for. */
enum { ANNOUNCE_MS = 30000, EXECUTOR_PATH_MAX = 4096, TYPES_MAX = 3000 };

const char *wh_worker_state_name(wh_worker_state s)
{
    static const char *const names[WH_WORKER_STATE_COUNT] = {
        [WH_WORKER_STARTING] = "starting", [WH_WORKER_RUNNING] = "running",
        [WH_WORKER_DRAINING] = "draining", [WH_WORKER_STOPPING] = "stopping",
        [WH_WORKER_LEAVING] = "leaving",   [WH_WORKER_STOPPED] = "stopped"};
    return names[s];
}

void wh_worker_set_state(wh_worker *w, wh_worker_state to)
{
    static const bool legal[WH_WORKER_STATE_COUNT][WH_WORKER_STATE_COUNT] = {
        [WH_WORKER_STARTING] =
            {[WH_WORKER_RUNNING] = true, [WH_WORKER_DRAINING] = true},
        [WH_WORKER_RUNNING] = {[WH_WORKER_DRAINING] = true},
        [WH_WORKER_DRAINING] =
            {[WH_WORKER_STOPPING] = true, [WH_WORKER_LEAVING] = true},
        [WH_WORKER_STOPPING] = {[WH_WORKER_LEAVING] = true},
        [WH_WORKER_LEAVING] = {[WH_WORKER_STOPPED] = true},
    };

    WH_ASSERT(legal[w->state][to]);
    WH_LOG(INFO, "worker.state", WH_F_STR("from", wh_worker_state_name(w->state)),
           WH_F_STR("to", wh_worker_state_name(to)),
           WH_F_INT("held", wh_slots_held(wh_dispatch_slots(w->dispatch))));
    w->state = to;
}

wh_exit wh_worker_exit(const wh_worker *w)
{
    return w->exit;
}

static void add_info(const wh_worker *w, const char *state, wh_buf *b)
{
    const char *why = wh_worker_backpressure(w);

    wh_buf_adds(b, "{\"name\":");
    wh_buf_add_json(b, w->name, strlen(w->name));
    wh_buf_addf(b, ",\"pid\":%ld,\"version\":\"%s\",\"region\":", (long)getpid(),
                WH_VERSION);
    wh_buf_add_json(b, w->o->region, strlen(w->o->region));
    wh_buf_addf(b, ",\"slots\":%zu,\"started_at_ms\":%lld,\"state\":\"%s\"", w->slots,
                (long long)w->started_ms, state);
    if (why[0] != '\0') {
        wh_buf_addf(b, ",\"backpressure\":\"%s\"", why);
    }
    wh_registry_tell_types(w->registry, TYPES_MAX, b);
    wh_buf_addc(b, '}');
}

void wh_worker_tell_info(wh_worker *w)
{
    wh_buf info = {0}, quiet_info = {0};

    const char *state = wh_worker_state_name(w->state);
    const char *quiet = w->state > WH_WORKER_RUNNING ? state : "quiet";

    add_info(w, w->is_quiet ? quiet : state, &info);
    add_info(w, quiet, &quiet_info);
    if (!wh_buf_ok(&info) || !wh_buf_ok(&quiet_info) ||
        wh_heartbeat_set_info(w->heartbeat, wh_buf_str(&info),
                              wh_buf_str(&quiet_info)) != WH_OK) {
        WH_LOG_LIMITED(ERROR, 1, "worker.out_of_memory", WH_F_STR("what", "info"));
    }
    wh_heartbeat_say(
        w->heartbeat); /* it may be over before the next heartbeat is due */
    wh_buf_fini(&info);
    wh_buf_fini(&quiet_info);
}

/* ---- events of the units ---- */

static void on_change(void *arg)
{
    wh_worker *w = arg;

    wh_pressure_look(w->pressure);
    wh_bell_go_on(w->bell);
    wh_fetch_kick(w->fetch);
    if (w->state >= WH_WORKER_DRAINING) {
        wh_worker_check(w);
    }
}

static void on_pressure(void *arg, wh_pressure_state now)
{
    wh_worker *w = arg;

    wh_fetch_hold(w->fetch, now.memory || now.busy);
    wh_worker_tell_info(w);
}

static void on_lack(void *arg, wh_lack lack)
{
    wh_worker *w = arg;

    wh_pressure_lack(w->pressure, lack);
}

static void on_line(void *arg, wh_slot *slot, wh_slice line)
{
    wh_worker *w = arg;

    wh_notes_line(w->notes, slot, line);
    if (wh_log_is_on(WH_LOG_LEVEL_INFO)) {
        char id[WH_UUID_TEXT + 1];

        wh_rng_uuid_format(slot->job->id, id);
        WH_LOG_LIMITED(INFO, 600, "job.output", WH_F_STR("job", id),
                       WH_F_STR("type", slot->job->type),
                       WH_F_STRN("line", line.p, line.n));
    }
}

static void on_note(void *arg, wh_slot *slot)
{
    wh_worker *w = arg;

    wh_notes_changed(w->notes, slot);
}

static void before_finish(void *arg, wh_partition *p)
{
    wh_worker *w = arg;

    wh_heartbeat_carry(w->heartbeat, p);
}

static void on_notes_due(void *arg, wh_partition *p)
{
    wh_worker *w = arg;

    wh_heartbeat_now(w->heartbeat, p);
}

static void on_lost(void *arg, wh_partition *p, const char *why)
{
    wh_worker *w = arg;

    wh_heartbeat_lost(w->heartbeat, p, why);
}

static void on_progress(void *arg)
{
    wh_worker *w = arg;

    if (w->state >= WH_WORKER_DRAINING) {
        wh_worker_check(w);
    }
}

static void on_lease_change(void *arg)
{
    wh_worker *w = arg;

    if (w->state == WH_WORKER_STARTING && wh_heartbeat_is_registered(w->heartbeat)) {
        wh_worker_set_state(w, WH_WORKER_RUNNING);
    }
    if (w->state == WH_WORKER_RUNNING) {
        /* Also after a FLUSHALL: who lost a lease may have lost the registry too. */
        wh_worker_tell_info(w);
        wh_timer_start(w->announce, 0);
    }
    on_progress(w);
}

static void on_work(void *arg, wh_partition *p)
{
    wh_worker *w = arg;

    wh_fetch_ring(w->fetch, p);
}

/* The claim was made for us; what is left is to run it, and to say that we wait again. */
static void on_job(void *arg, wh_partition *p, const wh_codec_claim *claim)
{
    wh_worker *w = arg;

    if (!p->registered || !wh_dispatch_handed(w->dispatch, p, claim)) {
        p->needs_resync = true;
    }
    wh_fetch_handed(w->fetch, p, WH_BELL_HOLD_US);
}

static void on_lost_call(void *arg)
{
    wh_worker *w = arg;

    for (size_t i = 0; i < w->partitions.n; i++) {
        w->partitions.list[i].needs_resync = w->partitions.list[i].registered;
    }
    wh_fetch_kick(w->fetch);
}

static void on_command(void *arg, wh_partition *p)
{
    wh_worker *w = arg;

    wh_heartbeat_now(w->heartbeat, p);
}

static void on_announced(void *arg, wh_err err, const wh_errbuf *eb, const wh_reply *r)
{
    (void)arg;
    (void)r;
    if (err != WH_OK && err != WH_ECANCELED) {
        WH_LOG_LIMITED(WARN, 6, "redis.call_failed", WH_F_STR("call", "register"),
                       WH_F_STR("error", eb == NULL ? wh_err_text(err) : eb->text));
    }
}

/* Schedulers find partitions by this. */
static void announce(void *arg)
{
    wh_worker *w = arg;
    wh_call call;

    wh_timer_start(w->announce, wh_rng_jitter(ANNOUNCE_MS, 0.2));
    if (!wh_store_is_ready(w->store)) {
        return;
    }
    wh_call_init(&call, "wh1_register", false, WH_KEYS_REGISTRY);
    for (size_t i = 0; i < w->partitions.n; i++) {
        wh_call_args(&call, w->partitions.list[i].key);
    }
    if (wh_store_call(w->store, &call, on_announced, w) != WH_OK) {
        WH_LOG_LIMITED(WARN, 6, "redis.call_failed", WH_F_STR("call", "register"));
    }
}

static void on_ready(void *arg, bool ready, const char *why)
{
    wh_worker *w = arg;

    if (!ready) {
        WH_LOG_LIMITED(WARN, 12, "store.not_ready", WH_F_STR("why", why));
        return;
    }
    WH_LOG_LIMITED(INFO, 12, "store.ready", WH_F_INT("partitions", w->partitions.n));
    announce(w);
    wh_fetch_reconnected(w->fetch);
    wh_heartbeat_connected(w->heartbeat);
}

/* ---- making ---- */

static wh_err make_partitions(wh_worker *w, wh_errbuf *eb)
{
    const wh_options *o = w->o;
    size_t n = wh_options_queue_count(o);
    wh_partition_queue *queues = wh_calloc(n, sizeof *queues);

    if (queues == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    for (size_t i = 0; i < n; i++) {
        wh_options_queue q = wh_options_queue_at(o, i);

        queues[i] = (wh_partition_queue){q.name, q.weight};
    }
    wh_partitions_setup setup = {.region = o->region,
                                 .also_any = o->also_any,
                                 .queues = queues,
                                 .n_queues = n,
                                 .name = w->name};
    wh_err err = wh_partitions_init(&w->partitions, &setup, eb);
    wh_free(queues);
    return err;
}

static wh_err make_store(wh_worker *w, wh_errbuf *eb)
{
    wh_store_options so = {.conn = {.name = w->name}, .on_ready = on_ready, .arg = w};
    wh_err err = wh_redis_options_conn(&w->o->redis, &so.conn, eb);

    if (err == WH_OK) {
        err = wh_store_new(w->loop, &so, &w->store, eb);
    }
    wh_endpoint_fini(&so.conn.endpoint);
    return err;
}

static wh_err make_handlers(wh_worker *w, const wh_registry_refusals *refusals,
                            wh_errbuf *eb)
{
    char program[EXECUTOR_PATH_MAX];
    wh_dispatch_events ev = {
        .on_change = on_change, .on_line = on_line, .on_note = on_note, .arg = w};
    wh_err err = wh_options_executor(w->o, program, sizeof program);

    if (err == WH_OK) {
        err = wh_metrics_new(&w->metrics);
    }
    if (err == WH_OK) {
        err = wh_dispatch_new(w->metrics, &ev, &w->dispatch);
    }
    if (err != WH_OK) {
        return wh_err_set(eb, err, "%s", wh_err_text(err));
    }
    wh_dispatch_ahead(w->dispatch)->is_off = !w->o->claim_ahead;
    wh_executor_events events = wh_dispatch_events_for_executors(w->dispatch);
    wh_registry_setup setup = {.configs = w->o->handlers.items,
                               .n = w->o->handlers.count,
                               .refusals = *refusals,
                               .executor = {.loop = w->loop,
                                            .events = &events,
                                            .worker = w->partitions.list[0].worker,
                                            .region = w->o->region,
                                            .executor_program = program,
                                            .slots = (unsigned)w->slots}};
    err = wh_registry_new(&setup, &w->registry, eb);
    if (err == WH_OK) {
        wh_dispatch_use(w->dispatch, w->registry);
        wh_dispatch_set_slots(w->dispatch, w->slots);
        err = wh_metrics_watch(w->metrics, &w->partitions, w->registry);
    }
    return err;
}

static wh_err make_calls(wh_worker *w)
{
    wh_notes_setup notes = {.loop = w->loop,
                            .slots = wh_dispatch_slots(w->dispatch),
                            .partitions = &w->partitions,
                            .on_due = on_notes_due,
                            .arg = w};
    wh_fetch_setup fetch = {.loop = w->loop,
                            .store = w->store,
                            .dispatch = w->dispatch,
                            .metrics = w->metrics,
                            .partitions = &w->partitions,
                            .order = (wh_share_order)w->o->order,
                            .over_bell = true,
                            .on_lost = on_lost,
                            .on_progress = on_progress,
                            .before_finish = before_finish,
                            .on_lack = on_lack,
                            .arg = w};
    wh_heartbeat_setup heartbeat = {.loop = w->loop,
                                    .store = w->store,
                                    .dispatch = w->dispatch,
                                    .metrics = w->metrics,
                                    .partitions = &w->partitions,
                                    .name = w->name,
                                    .lease_ms = w->o->lease_ms,
                                    .interval_ms = wh_options_heartbeat_ms(w->o),
                                    .on_change = on_lease_change,
                                    .arg = w};
    wh_bell_setup bell = {.loop = w->loop,
                          .store = w->store,
                          .partitions = &w->partitions,
                          .on_work = on_work,
                          .on_command = on_command,
                          .on_job = on_job,
                          .on_lost_call = on_lost_call,
                          .arg = w};
    wh_pressure_setup pressure = {
        .loop = w->loop, .registry = w->registry, .on_change = on_pressure, .arg = w};
    wh_err err = wh_notes_new(&notes, &w->notes);

    if (err == WH_OK) {
        err = wh_fetch_new(&fetch, &w->fetch);
    }
    if (err == WH_OK) {
        heartbeat.notes = w->notes;
        heartbeat.fetch = w->fetch;
        err = wh_heartbeat_new(&heartbeat, &w->heartbeat);
    }
    if (err == WH_OK) {
        err = wh_bell_new(&bell, &w->bell);
    }
    if (err == WH_OK) {
        err = wh_pressure_new(&pressure, &w->pressure);
    }
    if (err == WH_OK) {
        err = wh_timer_new(w->loop, wh_worker_on_deadline, w, &w->deadline);
    }
    return err == WH_OK ? wh_timer_new(w->loop, announce, w, &w->announce) : err;
}

wh_err wh_worker_new(wh_loop *l, const wh_options *o,
                     const wh_registry_refusals *refusals, wh_worker **out,
                     wh_errbuf *eb)
{
    wh_errbuf own = {0};

    *out = NULL;
    eb = eb == NULL ? &own : eb;
    wh_worker *w = wh_calloc(1, sizeof *w);
    if (w == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    w->loop = l;
    w->o = o;
    w->slots = (size_t)o->slots;
    w->drain_timeout_ms = o->drain_timeout_ms;
    w->started_ms = wh_clock_wall_ms();
    wh_options_name(o, w->name);
    wh_err err = make_partitions(w, eb);
    if (err == WH_OK) {
        err = make_store(w, eb);
        if (err == WH_ECONFIG) { /* the handlers' mistakes are told too */
            refusals->tell(refusals->arg, eb);
            (void)make_handlers(w, refusals, &(wh_errbuf){0});
        }
    }
    if (err == WH_OK) {
        err = make_handlers(w, refusals, eb);
    }
    if (err == WH_OK) {
        err = make_calls(w);
    }
    if (err != WH_OK) {
        if (eb->text[0] == '\0') {
            (void)wh_err_set(eb, err, "%s", wh_err_text(err));
        }
        wh_worker_free(w);
        return err;
    }
    wh_pressure_set_limit(w->pressure, o->memory_limit);
    wh_worker_tell_info(w);
    *out = w;
    return WH_OK;
}

wh_err wh_worker_start(wh_worker *w, wh_errbuf *eb)
{
    if (w->o->metrics_listen != NULL && w->o->metrics_listen[0] != '\0') {
        wh_http_options ho = {
            .listen = w->o->metrics_listen, .handler = wh_worker_on_http, .arg = w};
        wh_errbuf why = {0};
        wh_err err = wh_http_new(w->loop, &ho, &w->http, &why);

        if (err != WH_OK) {
            return wh_err_set(eb, err == WH_EINVAL ? WH_ECONFIG : err,
                              "metrics.listen: %s", why.text);
        }
        WH_LOG(INFO, "metrics.listening", WH_F_STR("listen", w->o->metrics_listen),
               WH_F_INT("port", wh_http_port(w->http)));
    }
    if (wh_registry_count(w->registry) == 0) {
        WH_LOG(WARN, "worker.no_handlers",
               WH_F_STR("advice", "without an item in handlers: nothing is claimed"));
    }
    wh_store_start(w->store);
    wh_bell_start(w->bell);
    return WH_OK;
}

void wh_worker_free(wh_worker *w)
{
    if (w == NULL) {
        return;
    }
    wh_http_free(w->http);
    if (w->store != NULL) {
        wh_store_forget(w->store, w);
    }
    wh_pressure_free(w->pressure);
    wh_registry_free(w->registry);
    wh_bell_free(w->bell);
    wh_heartbeat_free(w->heartbeat);
    wh_fetch_free(w->fetch);
    wh_notes_free(w->notes);
    wh_dispatch_free(w->dispatch);
    wh_metrics_free(w->metrics);
    wh_store_free(w->store);
    wh_timer_free(w->deadline);
    wh_timer_free(w->announce);
    wh_partitions_fini(&w->partitions);
    wh_free(w);
}
