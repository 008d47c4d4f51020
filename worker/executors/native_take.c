/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that a wherry-executor may say. A handler shares its process and may have
 * written into the channel itself: whatever does not fit what the worker knows about
 * this child is a protocol error, which costs the child its life.
 */
#include "worker/executors/native_take.h"

#include "common/base/alloc.h"
#include "common/client/plugin.h"

#include <stdio.h>
#include <string.h>

static wh_err refuse(wh_pool_child *c, const char *why)
{
    wh_pool_child_kill(c, WH_POOL_FATE_REFUSED, why);
    return WH_OK;
}

static bool offers(const wh_frame_ready *ready, const char *type, char *list,
                   size_t size)
{
    size_t at = 0;
    list[0] = '\0';
    for (size_t i = 0; i < ready->n_types; i++) {
        if (strcmp(ready->types[i].p, type) == 0 ||
            strcmp(ready->types[i].p, "*") == 0) {
            return true;
        }
        int n = snprintf(list + at, size - at, "%s%s", i > 0 ? ", " : "",
                         ready->types[i].p);
        at = n < 0 || (size_t)n >= size - at ? size - 1 : at + (size_t)n;
    }
    return false;
}

static wh_err take_ready(wh_pool_child *c, const wh_frame *f, wh_errbuf *eb)
{
    char list[100];
    char why[200];
    const char *type = c->pool->config->name;
    wh_frame_ready *ready = wh_calloc(1, sizeof *ready);
    if (ready == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "out of memory");
    }
    wh_err err = wh_frame_read_ready(f, ready);
    if (err != WH_OK || c->at_once > 0) {
        err = wh_err_set(eb, WH_EPROTO, "a ready frame that is malformed or repeated");
    } else if (strcmp(type, "*") != 0 && !offers(ready, type, list, sizeof list)) {
        (void)snprintf(why, sizeof why,
                       "%.40s has no handler of type \"%s\"; it offers %s",
                       ready->name.p, type, list);
        err = refuse(c, why);
    } else {
        wh_pool_child_ready(c, 1);
    }
    wh_free(ready);
    return err;
}

static wh_err take_result(wh_pool_child *c, const wh_frame *f, wh_errbuf *eb)
{
    static const wh_result_status statuses[] = {
        [WH_TASK_OK] = WH_RESULT_OK,
        [WH_TASK_RETRY] = WH_RESULT_RETRY,
        [WH_TASK_FAIL] = WH_RESULT_FAIL,
        [WH_TASK_SNOOZE] = WH_RESULT_SNOOZE,
    };
    wh_frame_result in;
    if (wh_frame_read_result(f, &in) != WH_OK || in.status > WH_TASK_SNOOZE ||
        in.result.n > WH_JOB_RESULT_MAX || in.run_us < 0 || in.delay_ms < -1) {
        return wh_err_set(eb, WH_EPROTO, "a malformed result frame");
    }
    wh_run *run = wh_run_find_seq(&c->runs, in.seq);
    if (run == NULL) {
        return wh_err_set(eb, WH_EPROTO, "a result for a job that it does not run");
    }
    wh_result out = {
        .status = statuses[in.status],
        .category = wh_errclass_of_word(in.category.p, in.category.n),
        .delay_ms = in.delay_ms,
        .message = {in.message.p, in.message.n},
        .context = {in.context.p, in.context.n},
        .result = {in.result.p, in.result.n},
        .run_us = in.run_us,
    };
    wh_pool_jobs_result(c, run, &out);
    return WH_OK;
}

static wh_err take_skipped(wh_pool_child *c, uint64_t seq, wh_errbuf *eb)
{
    wh_run *run = wh_run_find_seq(&c->runs, seq);
    if (run != NULL) { /* we believed that it had started */
        wh_run_remove(&c->runs, run);
        run->started_us = 0;
        if (run->stop == WH_RUN_CANCELLED || c->pool->is_draining) {
            wh_pool_jobs_settle(c->pool, run,
                                run->stop == WH_RUN_CANCELLED ? WH_RESULT_CANCELLED
                                                              : WH_RESULT_RELEASED);
        } else {
            run->stop = WH_RUN_GOES_ON;
            wh_run_prepend(&c->pool->waiting, run);
        }
        return WH_OK;
    }
    if (c->recalled == 0) {
        return wh_err_set(eb, WH_EPROTO, "it skipped a job that nobody took back");
    }
    c->recalled--;
    if (c->recalled == 0) {
        atomic_store(&((const wh_native_child *)c->state)->page->recall_from,
                     WH_PAGE_NO_RECALL);
        c->has_news = true;
        wh_pool_child_end_if_idle(c);
    }
    return WH_OK;
}

static wh_err take_note(wh_pool_child *c, const wh_frame *f, wh_errbuf *eb)
{
    wh_frame_note note;
    const wh_executor_events *events = &c->pool->events;
    if (wh_frame_read_note(f, &note) != WH_OK) {
        return wh_err_set(eb, WH_EPROTO, "a malformed progress or log frame");
    }
    if (f->op == WH_FRAME_SKIPPED) {
        return take_skipped(c, note.seq, eb);
    }
    const wh_run *run = wh_run_find_seq(&c->runs, note.seq);
    if (run == NULL) {
        return wh_err_set(eb, WH_EPROTO, "news of a job that it does not run");
    }
    wh_slice text = {note.text.p, note.text.n};
    if (f->op == WH_FRAME_LOG) {
        wh_lines_push(c->printed, run->job, text);
    } else if (events->on_progress != NULL) {
        events->on_progress(events->arg, run->job, note.percent, text);
    }
    return WH_OK;
}

static wh_err take_busy(wh_pool_child *c, const wh_frame *f, wh_errbuf *eb)
{
    uint32_t for_ms = 0;
    if (wh_frame_read_busy(f, &for_ms) != WH_OK) {
        return wh_err_set(eb, WH_EPROTO, "a malformed busy frame");
    }
    wh_pool_child_busy(c, for_ms);
    return WH_OK;
}

static wh_err take_frame(wh_pool_child *c, const wh_frame *f, wh_errbuf *eb)
{
    wh_frame_text text;
    switch (f->op) {
    case WH_FRAME_READY:
        return take_ready(c, f, eb);
    case WH_FRAME_REFUSE:
        return wh_frame_read_refuse(f, &text) != WH_OK
                   ? wh_err_set(eb, WH_EPROTO, "a malformed refuse frame")
                   : refuse(c, text.p);
    case WH_FRAME_RESULT:
        return take_result(c, f, eb);
    case WH_FRAME_PROGRESS:
    case WH_FRAME_LOG:
    case WH_FRAME_SKIPPED:
        return take_note(c, f, eb);
    case WH_FRAME_BUSY:
        return take_busy(c, f, eb);
    case WH_FRAME_JOB:
    case WH_FRAME_SHUTDOWN:
        break;
    }
    return wh_err_set(eb, WH_EPROTO, "a frame that only the worker may send");
}

wh_err wh_native_take_frames(wh_pool_child *c, wh_errbuf *eb)
{
    wh_frame f;
    size_t used = 0;
    for (;;) {
        wh_err err =
            wh_frame_parse(wh_buf_str(&c->in) + c->in_used, c->in.len - c->in_used,
                           WH_FRAME_MAX_UP, &f, &used, eb);
        if (err == WH_OK && used > 0) {
            err = take_frame(c, &f, eb);
            c->in_used += used;
        }
        if (err != WH_OK || used == 0) {
            return err;
        }
    }
}
