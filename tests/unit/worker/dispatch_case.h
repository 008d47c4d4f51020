/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dispatcher with two handlers, "mail" and "slow", both fake, and ten slots: nothing
 * comes from Redis, claims are made by hand. Static state: one test file includes it.
 */
#ifndef WH_TESTS_UNIT_WORKER_DISPATCH_CASE_H
#define WH_TESTS_UNIT_WORKER_DISPATCH_CASE_H

#include "common/base/buf.h"
#include "tests/unit/worker/fake_executor.h"
#include "worker/finish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char mail[] = "mail", slow[] = "slow", run[] = "fake:x";
static wh_partition_queue queue = {"default", 1};
static wh_partitions parts;
static wh_partition *part;
static wh_metrics *metrics;
static wh_registry *registry;
static wh_dispatch *dispatch;
static wh_slots *slots;
static unsigned changes, notes, lines;
static const char *payload, *meta; /* of what is claimed; 3 numbers or NULL */

static inline void on_change(void *arg)
{
    (void)arg;
    changes++;
}

static inline void on_line(void *arg, wh_slot *slot, wh_slice line)
{
    (void)arg;
    (void)line;
    lines += slot->state == WH_SLOT_RUNNING ? 1U : 0U;
}

static inline void on_note(void *arg, wh_slot *slot)
{
    (void)arg;
    notes += slot->has_note ? 1U : 0U;
}

static inline int set_up(void **state)
{
    (void)state;
    static const wh_handler_config configs[2] = {
        {.name = mail, .run = run, .max_attempts = 5},
        {.name = slow, .run = run, .max_attempts = 5}};
    wh_dispatch_events ev = {
        .on_change = on_change, .on_line = on_line, .on_note = on_note};

    n_fakes = changes = notes = lines = 0;
    payload = "payload";
    meta = NULL;
    assert_int_equal(wh_partitions_init(&parts,
                                        &(wh_partitions_setup){.region = "eu",
                                                               .queues = &queue,
                                                               .n_queues = 1,
                                                               .name = "w"},
                                        NULL),
                     WH_OK);
    part = &parts.list[0];
    assert_int_equal(wh_metrics_new(&metrics), WH_OK);
    assert_int_equal(wh_dispatch_new(metrics, &ev, &dispatch), WH_OK);
    wh_executor_events events = wh_dispatch_events_for_executors(dispatch);
    wh_registry_setup o = {.configs = configs,
                           .n = 2,
                           .executor = {.events = &events},
                           .kind_of = fake_kind_of};
    assert_int_equal(wh_registry_new(&o, &registry, NULL), WH_OK);
    assert_int_equal(wh_metrics_watch(metrics, &parts, registry), WH_OK);
    wh_dispatch_use(dispatch, registry);
    wh_dispatch_set_slots(dispatch, 10);
    slots = wh_dispatch_slots(dispatch);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    wh_registry_free(registry);
    wh_dispatch_free(dispatch);
    wh_metrics_free(metrics);
    wh_partitions_fini(&parts);
    return 0;
}

/* Claims a job of this type; its token is 16 times `id` and fence 1. */
static inline void claim_spec(char id, const wh_job_spec *spec)
{
    char token[17];
    wh_buf record = {0};
    static const char at[9] = {(char)0xcf, 0, 0,    0,         0,
                               0,          0, 0x03, (char)0xe8}; /* 1000 */

    memset(token, id, 16);
    token[16] = '1';
    wh_job_spec stored = *spec; /* in a record the priority is always there */
    stored.priority_plus1 = spec->priority_plus1 > 0 ? spec->priority_plus1 : 6;
    wh_buf_add(&record, at, sizeof at);
    assert_int_equal(wh_codec_pack_head(&stored, &record), WH_OK);
    wh_buf_adds(&record, payload);
    wh_codec_claim claim = {.token = {token, 17},
                            .record = {record.data, record.len},
                            .meta = {meta, meta == NULL ? 0 : 4},
                            .now_ms = 5000};
    assert_true(wh_dispatch_claims(dispatch, part,
                                   &(wh_store_cycle){.claims = &claim, .n_claims = 1}));
    wh_buf_fini(&record);
}

static inline void claim(char id, const char *type)
{
    claim_spec(id, &(wh_job_spec){.type = type});
}

static inline wh_slice token_of(char id)
{
    static char token[17];

    memset(token, id, 16);
    token[16] = '1';
    return (wh_slice){token, 17};
}

static inline wh_slot *slot_of(char id)
{
    return wh_slots_of_token(slots, part, token_of(id));
}

static inline void report(struct fake *f, unsigned i, wh_result r)
{
    wh_job *job = f->jobs[i];

    f->jobs[i] = f->jobs[--f->n];
    f->events.on_result(f->events.arg, job, &r);
}

static inline wh_store_outcome pending_outcome(void)
{
    assert_int_equal(part->pending.count, 1);
    return part->pending.first->finish.outcome;
}

static inline void confirm_all(void)
{
    wh_slot *slot = NULL;

    while ((slot = wh_slots_pop(&part->pending)) != NULL) {
        wh_dispatch_confirm(dispatch, slot);
    }
}

#endif
