/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An executor for tests: takes jobs up to a capacity that the test sets, remembers them
 * and what was cancelled, and reports results when the test says so. Static state: one
 * test file includes it, one test at a time uses it.
 */
#ifndef WH_TESTS_UNIT_WORKER_FAKE_EXECUTOR_H
#define WH_TESTS_UNIT_WORKER_FAKE_EXECUTOR_H

#include "worker/dispatch.h"

#include <string.h>

enum { FAKE_JOBS = 64, FAKE_KINDS = 100 };

static struct fake {
    wh_executor base;
    wh_executor_events events;
    unsigned room;
    wh_err refuse;
    wh_job *jobs[FAKE_JOBS];
    unsigned n, slots;
    wh_job *cancelled;
    wh_cancel_reason why;
    bool is_drained, is_freed, is_sick;
    int64_t busy_until_us, memory;
    int64_t grown[4]; /* of its memory: idle processes that had jobs */
    unsigned shed;
    bool is_moving;
} fakes[FAKE_KINDS];
static unsigned n_fakes;

static struct fake *fake_of(const wh_executor *e)
{
    unsigned i = 0;

    while (i < n_fakes && &fakes[i].base != e) {
        i++;
    }
    WH_ASSERT(i < n_fakes); /* only executors that fake_create made */
    return &fakes[i];
}

static const wh_executor_kind fake_kind;

static wh_err fake_create(const wh_executor_setup *s, wh_executor **out, wh_errbuf *eb)
{
    *out = NULL;
    if (strcmp(s->config->run, "fake:broken") == 0) {
        return wh_err_set(eb, WH_ECONFIG, "it is broken");
    }
    struct fake *f = &fakes[n_fakes++];
    *f = (struct fake){
        .base = {&fake_kind}, .events = *s->events, .room = 1000, .slots = s->slots};
    *out = &f->base;
    return WH_OK;
}

static unsigned fake_capacity(const wh_executor *e)
{
    const struct fake *f = fake_of(e);

    return f->n < f->room ? f->room - f->n : 0;
}

static wh_err fake_submit(wh_executor *e, wh_job *const *jobs, unsigned n)
{
    struct fake *f = fake_of(e);

    if (f->refuse != WH_OK) {
        return f->refuse;
    }
    for (unsigned i = 0; i < n; i++) {
        f->jobs[f->n++] = jobs[i];
    }
    return WH_OK;
}

static void fake_cancel(wh_executor *e, wh_job *job, wh_cancel_reason why)
{
    struct fake *f = fake_of(e);

    f->cancelled = job;
    f->why = why;
}

static void fake_drain(wh_executor *e)
{
    fake_of(e)->is_drained = true;
}

static void fake_stats(const wh_executor *e, wh_executor_stats *out)
{
    *out = (wh_executor_stats){.children = 1,
                               .busy = fake_of(e)->n,
                               .moving = fake_of(e)->is_moving,
                               .healthy = !fake_of(e)->is_sick};
}

static void fake_free(wh_executor *e)
{
    fake_of(e)->is_freed = true;
}

static void fake_set_slots(wh_executor *e, unsigned slots)
{
    fake_of(e)->slots = slots;
}

static int64_t fake_busy_until_us(const wh_executor *e)
{
    return fake_of(e)->busy_until_us;
}

static int64_t fake_memory(const wh_executor *e)
{
    return fake_of(e)->memory;
}

static int64_t fake_shed(wh_executor *e, bool end)
{
    struct fake *f = fake_of(e);
    int64_t *biggest = &f->grown[0];

    for (unsigned i = 1; i < 4; i++) {
        biggest = f->grown[i] > *biggest ? &f->grown[i] : biggest;
    }
    int64_t bytes = *biggest;
    if (end && bytes > 0) {
        f->shed++;
        f->memory -= bytes;
        *biggest = 0;
    }
    return bytes;
}

static const wh_executor_kind fake_kind = {.name = "fake",
                                           .create = fake_create,
                                           .capacity = fake_capacity,
                                           .submit = fake_submit,
                                           .cancel = fake_cancel,
                                           .drain = fake_drain,
                                           .stats = fake_stats,
                                           .free = fake_free,
                                           .set_slots = fake_set_slots,
                                           .busy_until_us = fake_busy_until_us,
                                           .memory = fake_memory,
                                           .shed = fake_shed};

static const wh_executor_kind *fake_kind_of(const char *run, const char **rest,
                                            wh_errbuf *eb)
{
    if (strncmp(run, "fake:", 5) != 0) {
        (void)wh_err_set(eb, WH_ECONFIG, "no such kind");
        return NULL;
    }
    *rest = run + 5;
    return &fake_kind;
}

#endif
