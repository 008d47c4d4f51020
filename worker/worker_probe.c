/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /metrics, /livez, /readyz. livez never asks about Redis: restarting all workers does
 * not bring Redis back. Answering at all shows that the loop turns; the age of its last
 * turn is checked all the same.
 */
#include "common/base/clock.h"
#include "worker/worker_internal.h"

#include <string.h>

enum { STALLED_MS = 10000 };

const char *wh_worker_backpressure(const wh_worker *w)
{
    const char *word = wh_pressure_word(wh_pressure_now(w->pressure));

    return word == NULL ? "" : word;
}

static void why_handlers(const wh_worker *w, wh_buf *why)
{
    for (size_t i = 0; i < wh_registry_count(w->registry); i++) {
        const wh_handler *h = wh_registry_at(w->registry, i);
        wh_executor_stats s = {0};

        if (h->executor == NULL) {
            continue;
        }
        h->kind->stats(h->executor, &s);
        if (!s.healthy) {
            wh_buf_addf(why, "handler %s: %s\n", h->config.name, s.why);
        }
    }
}

void wh_worker_why_not_ready(const wh_worker *w, wh_buf *why)
{
    if (w->state > WH_WORKER_RUNNING) {
        wh_buf_addf(why, "%s\n", wh_worker_state_name(w->state));
    }
    if (w->is_quiet) {
        wh_buf_adds(why, "quiet\n");
    }
    for (size_t i = 0; i < w->partitions.n && !w->is_quiet; i++) {
        const wh_partition *p = &w->partitions.list[i];

        if (p->quiet) {
            wh_buf_addf(why, "quiet in %s:%s\n", p->region, p->queue);
        }
    }
    if (!wh_store_is_ready(w->store)) {
        const char *text = wh_store_error(w->store);

        wh_buf_addf(why, "redis: %s\n", text[0] != '\0' ? text : "connecting");
    } else if (!wh_heartbeat_is_registered(w->heartbeat)) {
        wh_buf_adds(why, "not registered in every partition\n");
    }
    why_handlers(w, why);
}

/* It was told to claim nothing any more, in each of its queues. */
static bool is_quiet(const wh_worker *w)
{
    bool all = true;

    for (size_t i = 0; i < w->partitions.n; i++) {
        all = all && w->partitions.list[i].quiet;
    }
    return w->is_quiet || all;
}

static void answer_ready(const wh_worker *w, wh_http_response *rs)
{
    wh_worker_why_not_ready(w, &rs->body);
    rs->status = 503;
    if (rs->body.len == 0) {
        rs->status = 200;
        wh_buf_adds(&rs->body, "ok\n");
    }
}

static void answer_live(const wh_worker *w, wh_http_response *rs)
{
    int64_t age_ms = wh_clock_mono_ms() - wh_loop_last_turn_ms(w->loop);

    rs->status = age_ms > STALLED_MS ? 503 : 200;
    wh_buf_adds(&rs->body, age_ms > STALLED_MS ? "the loop stands still\n" : "ok\n");
}

void wh_worker_on_http(void *arg, const wh_http_request *rq, wh_http_response *rs)
{
    wh_worker *w = arg;

    if (strcmp(rq->path, "/metrics") == 0) {
        wh_metrics_now now = {.n_slots = w->slots,
                              .store = w->store,
                              .loop = w->loop,
                              .pressure = wh_pressure_now(w->pressure),
                              .is_quiet = is_quiet(w),
                              .is_draining = w->state > WH_WORKER_RUNNING,
                              .now_us = wh_clock_mono_us()};

        rs->status = 200;
        rs->content_type = "text/plain; version=0.0.4; charset=utf-8";
        wh_metrics_print(w->metrics, &now, &rs->body);
    } else if (strcmp(rq->path, "/livez") == 0) {
        answer_live(w, rs);
    } else if (strcmp(rq->path, "/readyz") == 0) {
        answer_ready(w, rs);
    } else {
        rs->status = 404;
        wh_buf_adds(&rs->body, "there are /metrics, /livez and /readyz\n");
    }
}
