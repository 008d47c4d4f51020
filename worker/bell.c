/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wait's own time-out is also the back-off when the connection is away: the store
 * holds a wait back that long. Only a wait that ends at once with an error needs ours.
 */
#include "worker/bell.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/rng.h"

/* WAIT: with two partitions an idle worker says less than one command a second; a bell that is
 * lost on the way is noticed within a lease. */
enum { WAIT_MS = 8000, RETRY_MS = 500 };

struct wh_bell {
    wh_bell_setup o;
    const char **keys, **workers; /* of the partitions, borrowed */
    uint64_t *generations;        /* whose bells these were when the wait began */
    wh_timer *timer;
    bool is_on, is_waiting;
    bool is_held; /* a job came: the next wait begins a little later */
};

static void wait_again(wh_bell *b);

/* What the job needs comes first: a wait that begins now would wake Redis while the
 * handler's process is about to start. Nobody rings before the next cycle anyway. */
static void hold(wh_bell *b)
{
    b->is_held = true;
    wh_timer_start_us(b->timer, WH_BELL_HOLD_US);
}

static void on_bell(void *arg, wh_err err, int partition, char what,
                    const wh_codec_claim *claim)
{
    wh_bell *b = arg;

    b->is_waiting = false;
    if (!b->is_on) {
        return;
    }
    if (err != WH_OK) {
        WH_LOG_LIMITED(WARN, 6, "bell.failed", WH_F_STR("error", wh_err_text(err)));
        wh_timer_start(b->timer, wh_rng_jitter(RETRY_MS, 0.5));
        b->o.on_lost_call(b->o.arg);
        return;
    }
    if (partition >= 0 && (size_t)partition < b->o.partitions->n) {
        wh_partition *p = &b->o.partitions->list[partition];

        if (what == 'j') {
            /* One for a worker that we are no more comes back when its lease is over. */
            if (b->generations[partition] == p->generation) {
                b->o.on_job(b->o.arg, p, claim);
                hold(b);
            }
        } else if (what == 'c') {
            b->o.on_command(b->o.arg, p);
        } else {
            b->o.on_work(b->o.arg, p);
        }
    }
    if (b->is_on && !b->is_waiting && !b->is_held) {
        wait_again(b);
    }
}

static void wait_again(wh_bell *b)
{
    size_t n = b->o.partitions->n;

    for (size_t i = 0; i < n; i++) {
        b->keys[i] = b->o.partitions->list[i].key;
        b->workers[i] = b->o.partitions->list[i].worker;
        b->generations[i] = b->o.partitions->list[i].generation;
    }
    wh_store_bell_args a = {
        .partitions = b->keys, .workers = b->workers, .n = n, .timeout_ms = WAIT_MS};
    wh_err err = wh_store_wait_bell(b->o.store, &a, on_bell, b);
    if (err != WH_OK) {
        WH_LOG_LIMITED(WARN, 6, "bell.failed", WH_F_STR("error", wh_err_text(err)));
        wh_timer_start(b->timer, wh_rng_jitter(RETRY_MS, 0.5));
        return;
    }
    b->is_waiting = true;
}

static void on_timer(void *arg)
{
    wh_bell *b = arg;

    b->is_held = false;
    if (b->is_on && !b->is_waiting) {
        wait_again(b);
    }
}

void wh_bell_go_on(wh_bell *b)
{
    if (b->is_held) {
        wh_timer_stop(b->timer);
        on_timer(b);
    }
}

void wh_bell_start(wh_bell *b)
{
    if (!b->is_on) {
        b->is_on = true;
        on_timer(b);
    }
}

void wh_bell_stop(wh_bell *b)
{
    b->is_on = b->is_held = false;
    wh_timer_stop(b->timer);
}

wh_err wh_bell_new(const wh_bell_setup *o, wh_bell **out)
{
    size_t n = o->partitions->n;

    *out = NULL;
    wh_bell *b = wh_calloc(1, sizeof *b);
    if (b == NULL) {
        return WH_ENOMEM;
    }
    b->o = *o;
    b->keys = wh_calloc(n, sizeof *b->keys);
    b->workers = wh_calloc(n, sizeof *b->workers);
    b->generations = wh_calloc(n, sizeof *b->generations);
    wh_err err = WH_ENOMEM;
    if (b->keys != NULL && b->workers != NULL && b->generations != NULL) {
        err = wh_timer_new(o->loop, on_timer, b, &b->timer);
    }
    if (err != WH_OK) {
        wh_bell_free(b);
        return err;
    }
    *out = b;
    return WH_OK;
}

void wh_bell_free(wh_bell *b)
{
    if (b == NULL) {
        return;
    }
    if (b->is_waiting) {
        wh_store_forget(b->o.store, b);
    }
    wh_timer_free(b->timer);
    wh_free(b->keys);
    wh_free(b->workers);
    wh_free(b->generations);
    wh_free(b);
}
