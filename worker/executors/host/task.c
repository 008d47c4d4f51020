/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task lives on the stack of one handler call; what the handler says is copied, so
 * that its buffers need not outlive its functions. Texts are cut to what the worker
 * would keep anyway.
 */
#include "worker/executors/host/task.h"

#include "common/base/clock.h"
#include "common/job/job.h"
#include "worker/executors/host/load.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CATEGORY_MAX 63
#define PROGRESS_TEXT_MAX 256
#define LOG_LINE_MAX 4096

typedef struct running {
    wh_task task; /* first: the handler's pointer is ours */
    wh_host *host;
    uint64_t seq;
    int64_t deadline_us;
    wh_buf result, message, context;
    char category[CATEGORY_MAX + 1];
    int64_t delay_ms;
} running;

/* Set in a process that a handler forked and that came back from the handler. */
static volatile int is_forked;

static void on_fork(void)
{
    is_forked = 1;
}

void wh_task_setup(void)
{
    (void)pthread_atfork(NULL, NULL, on_fork);
}

static running *running_of(wh_task *t)
{
    return (running *)(void *)t;
}

/* At most max bytes, not in the middle of a character. */
static wh_frame_text cut(const char *s, size_t max)
{
    if (s == NULL) {
        return (wh_frame_text){"", 0};
    }
    size_t n = strnlen(s, max + 1);
    if (n > max) {
        n = max;
        while (n > 0 && ((unsigned char)s[n] & 0xc0U) == 0x80U) {
            n--;
        }
    }
    return (wh_frame_text){s, n};
}

static wh_frame_text text_of(const wh_buf *b)
{
    return wh_buf_ok(b) ? (wh_frame_text){wh_buf_str(b), b->len}
                        : (wh_frame_text){"", 0};
}

/* ------------------------------------------------- what the handler may call */

static int set_result(wh_task *t, const void *p, size_t n)
{
    running *r = running_of(t);
    wh_buf_clear(&r->result);
    if (n > WH_JOB_RESULT_MAX || (p == NULL && n > 0)) {
        return -1;
    }
    wh_buf_add(&r->result, p, n);
    return wh_buf_ok(&r->result) ? 0 : -1;
}

static void set_text(wh_buf *b, const char *s, size_t max)
{
    wh_frame_text t = cut(s, max);
    wh_buf_clear(b);
    wh_buf_add(b, t.p, t.n);
}

static void set_error(wh_task *t, const char *category, const char *message,
                      const char *context)
{
    running *r = running_of(t);
    wh_frame_text word = cut(category, CATEGORY_MAX);
    memcpy(r->category, word.p, word.n);
    r->category[word.n] = '\0';
    set_text(&r->message, message, WH_JOB_MESSAGE_MAX);
    set_text(&r->context, context, WH_JOB_CONTEXT_MAX);
}

static void set_delay(wh_task *t, int64_t delay_ms)
{
    running_of(t)->delay_ms = delay_ms < 0 ? -1 : delay_ms;
}

static void progress(wh_task *t, int percent, const char *message)
{
    running *r = running_of(t);
    wh_frame_note note = {.seq = r->seq,
                          .percent = percent < 0 ? 0 : (percent > 100 ? 100 : percent),
                          .text = cut(message, PROGRESS_TEXT_MAX)};
    wh_frame_add_note(&r->host->scratch, WH_FRAME_PROGRESS, &note);
    wh_host_post(r->host);
}

static void log_line(wh_task *t, const char *line)
{
    running *r = running_of(t);
    wh_frame_note note = {.seq = r->seq, .text = cut(line, LOG_LINE_MAX)};
    wh_frame_add_note(&r->host->scratch, WH_FRAME_LOG, &note);
    wh_host_post(r->host);
}

static void busy(wh_task *t, int64_t for_ms)
{
    running *r = running_of(t);
    int64_t ms = for_ms < UINT32_MAX ? for_ms : UINT32_MAX; /* bounded by the worker */
    wh_frame_add_busy(&r->host->scratch, ms > 0 ? (uint32_t)ms : 0);
    wh_host_post(r->host);
}

static int is_cancelled(wh_task *t)
{
    const running *r = running_of(t);
    return atomic_load_explicit(&r->host->page->cancel, memory_order_relaxed) ==
               r->seq ||
           wh_clock_mono_us() >= r->deadline_us;
}

/* ------------------------------------------------------------------ the call */

static void fill(running *r, wh_host *h, const wh_frame_job *job, int64_t started_us)
{
    *r = (running){.host = h, .seq = job->seq, .delay_ms = -1};
    r->deadline_us = started_us + job->timeout_ms * 1000;
    r->task = (wh_task){
        .size = sizeof(wh_task),
        .id = job->id,
        .type = job->type.p,
        .org = job->org.p,
        .region = job->region.p,
        .queue = job->queue.p,
        .attempt = job->attempt,
        .max_attempts = job->max_attempts,
        .recoveries = job->recoveries,
        .fence = job->fence,
        .deadline_ms = job->timeout_ms,
        .traceparent = job->traceparent.p,
        .entity_type = job->entity_type.p,
        .entity_id = job->entity_id.p,
        .host = h,
        .set_result = set_result,
        .set_error = set_error,
        .set_delay = set_delay,
        .progress = progress,
        .log = log_line,
        .is_cancelled = is_cancelled,
        .busy = busy,
    };
}

static int call(running *r, const wh_frame_job *job)
{
    const wh_handler *handler = wh_load_find(r->host->plugin, job->type.p);
    if (handler == NULL) {
        set_error(&r->task, "no_handler", "the plug-in has no handler of this type",
                  NULL);
        return WH_TASK_FAIL;
    }
    int status = handler->run(&r->task, job->payload.p, job->payload.n);
    if (status < WH_TASK_OK || status > WH_TASK_SNOOZE) {
        char text[64];
        (void)snprintf(text, sizeof text, "the handler returned %d", status);
        set_error(&r->task, "error", text, NULL);
        status = WH_TASK_RETRY;
    }
    return status;
}

int64_t wh_task_run(wh_host *h, const wh_frame_job *job, int64_t started_us)
{
    running r;
    fill(&r, h, job, started_us);
    int status = call(&r, job);
    if (is_forked) {
        _exit(0); /* a copy of us: the original reports */
    }
    (void)fflush(stdout);
    int64_t now_us = wh_clock_mono_us();
    wh_frame_result result = {
        .seq = job->seq,
        .status = (uint32_t)status,
        .delay_ms = r.delay_ms,
        .run_us = now_us > started_us ? now_us - started_us : 0,
        .category = {r.category, strlen(r.category)},
        .message = text_of(&r.message),
        .context = text_of(&r.context),
        .result = text_of(&r.result),
    };
    wh_frame_add_result(&h->scratch, &result);
    wh_host_post(h);
    wh_buf_fini(&r.result);
    wh_buf_fini(&r.message);
    wh_buf_fini(&r.context);
    return now_us;
}
