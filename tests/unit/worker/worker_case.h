/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All units of a worker but its life and its listener, on a real Redis, with the fake
 * executor: one partition, type "mail". Static state: one test file includes it.
 */
#ifndef WH_TESTS_UNIT_WORKER_WORKER_CASE_H
#define WH_TESTS_UNIT_WORKER_WORKER_CASE_H

#include "tests/support/loop_wait.h"
#include "tests/support/redis_fixture.h"
#include "tests/unit/worker/fake_executor.h"
#include "worker/heartbeat.h"

#include <string.h>

#include <hiredis/hiredis.h>

#define KEY "wh:{eu:default}"

static struct worker_case {
    wh_redis_fixture *redis;
    wh_loop *loop;
    wh_store *store;
    wh_partitions parts;
    wh_partition *p;
    wh_metrics *metrics;
    wh_registry *registry;
    wh_dispatch *dispatch;
    wh_slots *slots;
    wh_notes *notes;
    wh_fetch *fetch;
    wh_heartbeat *heartbeat;
    unsigned lost;
    int64_t lease_ms;
} w;

static void case_on_change(void *arg)
{
    (void)arg;
    wh_fetch_kick(w.fetch);
}

static void case_on_line(void *arg, wh_slot *slot, wh_slice line)
{
    (void)arg;
    wh_notes_line(w.notes, slot, line);
}

static void case_on_note(void *arg, wh_slot *slot)
{
    (void)arg;
    wh_notes_changed(w.notes, slot);
}

static void case_on_due(void *arg, wh_partition *p)
{
    (void)arg;
    wh_heartbeat_now(w.heartbeat, p);
}

static void case_on_lost(void *arg, wh_partition *p, const char *why)
{
    (void)arg;
    w.lost++;
    wh_heartbeat_lost(w.heartbeat, p, why);
}

static void case_ignore(void *arg)
{
    (void)arg;
}

static void case_on_ready(void *arg, bool ready, const char *why)
{
    (void)arg;
    (void)why;
    if (ready) {
        wh_fetch_reconnected(w.fetch);
        wh_heartbeat_connected(w.heartbeat);
    }
}

static void case_make_store(void)
{
    wh_store_options o = {.on_ready = case_on_ready,
                          .conn = {.request_timeout_ms = 5000}};

    assert_int_equal(
        wh_endpoint_parse(wh_redis_fixture_url(w.redis), &o.conn.endpoint, NULL),
        WH_OK);
    assert_int_equal(wh_store_new(w.loop, &o, &w.store, NULL), WH_OK);
    wh_endpoint_fini(&o.conn.endpoint);
}

static void case_make_jobs(void)
{
    static char mail[] = "mail", run[] = "fake:x";
    static const wh_handler_config config = {
        .name = mail, .run = run, .max_attempts = 5};
    static const wh_partition_queue queue = {"default", 1};
    wh_dispatch_events ev = {
        .on_change = case_on_change, .on_line = case_on_line, .on_note = case_on_note};
    wh_partitions_setup ps = {
        .region = "eu", .queues = &queue, .n_queues = 1, .name = "w"};

    n_fakes = 0;
    assert_int_equal(wh_partitions_init(&w.parts, &ps, NULL), WH_OK);
    w.p = &w.parts.list[0];
    assert_int_equal(wh_metrics_new(&w.metrics), WH_OK);
    assert_int_equal(wh_dispatch_new(w.metrics, &ev, &w.dispatch), WH_OK);
    wh_executor_events events = wh_dispatch_events_for_executors(w.dispatch);
    wh_registry_setup rs = {.configs = &config,
                            .n = 1,
                            .executor = {.events = &events},
                            .kind_of = fake_kind_of};
    assert_int_equal(wh_registry_new(&rs, &w.registry, NULL), WH_OK);
    assert_int_equal(wh_metrics_watch(w.metrics, &w.parts, w.registry), WH_OK);
    wh_dispatch_use(w.dispatch, w.registry);
    wh_dispatch_set_slots(w.dispatch, 8);
    w.slots = wh_dispatch_slots(w.dispatch);
}

static void case_make_calls(void)
{
    wh_notes_setup ns = {.loop = w.loop,
                         .slots = w.slots,
                         .partitions = &w.parts,
                         .on_due = case_on_due};
    wh_fetch_setup fs = {.loop = w.loop,
                         .store = w.store,
                         .dispatch = w.dispatch,
                         .metrics = w.metrics,
                         .partitions = &w.parts,
                         .on_lost = case_on_lost,
                         .on_progress = case_ignore};
    assert_int_equal(wh_notes_new(&ns, &w.notes), WH_OK);
    assert_int_equal(wh_fetch_new(&fs, &w.fetch), WH_OK);
    wh_heartbeat_setup hs = {.loop = w.loop,
                             .store = w.store,
                             .dispatch = w.dispatch,
                             .fetch = w.fetch,
                             .notes = w.notes,
                             .metrics = w.metrics,
                             .partitions = &w.parts,
                             .name = "w",
                             .lease_ms = w.lease_ms,
                             .interval_ms = w.lease_ms / 4,
                             .on_change = case_ignore};
    assert_int_equal(wh_heartbeat_new(&hs, &w.heartbeat), WH_OK);
}

/* Registered when it returns. */
static void case_start(int64_t lease_ms)
{
    w = (struct worker_case){.redis = wh_redis_fixture_start(NULL),
                             .lease_ms = lease_ms};
    assert_int_equal(wh_loop_new(&w.loop), WH_OK);
    case_make_store();
    case_make_jobs();
    case_make_calls();
    wh_store_start(w.store);
    WH_WAIT_FOR(w.loop, w.p->registered);
}

static int case_stop(void **state)
{
    (void)state;
    wh_registry_free(w.registry);
    wh_heartbeat_free(w.heartbeat);
    wh_fetch_free(w.fetch);
    wh_notes_free(w.notes);
    wh_dispatch_free(w.dispatch);
    wh_metrics_free(w.metrics);
    wh_store_free(w.store);
    wh_partitions_fini(&w.parts);
    wh_loop_free(w.loop);
    wh_redis_fixture_stop(w.redis);
    return 0;
}

/* A plain job of type "mail" with this payload. */
static void case_enqueue(const char *payload)
{
    freeReplyObject(
        wh_redis_fixture_cmd(w.redis, "FCALL wh1_enqueue 1 " KEY " mail %s", payload));
}

static long long case_counter(const char *name)
{
    return wh_redis_fixture_int(w.redis, "HGET " KEY ":stats %s", name);
}

/* The executor's i-th job ends like this. */
static void case_report(unsigned i, wh_result r)
{
    wh_job *job = fakes[0].jobs[i];

    fakes[0].jobs[i] = fakes[0].jobs[--fakes[0].n];
    fakes[0].events.on_result(fakes[0].events.arg, job, &r);
}

#endif
