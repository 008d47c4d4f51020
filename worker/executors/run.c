/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of runs and the rules about time that all executors share.
 */
#include "worker/executors/run.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"

#include <stdio.h>
#include <string.h>

wh_run *wh_run_new(wh_job *job)
{
    wh_run *run = wh_calloc(1, sizeof *run);
    if (run != NULL) {
        run->job = job;
        run->since_us = wh_clock_mono_us();
    }
    return run;
}

void wh_run_append(wh_run_list *list, wh_run *run)
{
    run->next = NULL;
    run->prev = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = run;
    list->last = run;
    list->count++;
}

void wh_run_prepend(wh_run_list *list, wh_run *run)
{
    run->prev = NULL;
    run->next = list->first;
    *(list->first != NULL ? &list->first->prev : &list->last) = run;
    list->first = run;
    list->count++;
}

void wh_run_remove(wh_run_list *list, wh_run *run)
{
    *(run->prev != NULL ? &run->prev->next : &list->first) = run->next;
    *(run->next != NULL ? &run->next->prev : &list->last) = run->prev;
    run->prev = run->next = NULL;
    list->count--;
}

wh_run *wh_run_find(const wh_run_list *list, const wh_job *job)
{
    wh_run *run = list->first;
    while (run != NULL && run->job != job) {
        run = run->next;
    }
    return run;
}

wh_run *wh_run_find_seq(const wh_run_list *list, uint64_t seq)
{
    wh_run *run = list->first;
    while (run != NULL && run->seq != seq) {
        run = run->next;
    }
    return run;
}

void wh_run_clear(wh_run_list *list)
{
    while (list->first != NULL) {
        wh_run *run = list->first;
        wh_run_remove(list, run);
        wh_free(run);
    }
}

void wh_run_set_limits(wh_run *run, const wh_handler_config *config)
{
    run->timeout_ms =
        run->job->timeout_ms > 0 ? run->job->timeout_ms : config->timeout_ms;
    run->grace_ms = config->grace_ms;
}

int64_t wh_run_timeout_us(const wh_run *run)
{
    int64_t ms = run->timeout_ms;
    return ms > 0 && ms < INT64_MAX / 4000 ? ms * 1000 : INT64_MAX / 4;
}

wh_slice wh_run_cut(wh_slice s, size_t max)
{
    if (s.n > max) {
        s.n = max;
        while (s.n > 0 && ((unsigned char)s.p[s.n] & 0xc0U) == 0x80U) {
            s.n--;
        }
    }
    return s;
}

void wh_run_copy(char *out, size_t size, const char *s)
{
    size_t n = strnlen(s, size - 1);
    memcpy(out, s, n);
    out[n] = '\0';
}

wh_result wh_run_stopped_result(const wh_run *run, char *text, size_t size)
{
    char human[24];
    wh_result r = {.delay_ms = -1};
    if (run->stop == WH_RUN_TIMED_OUT) {
        r.status = WH_RESULT_RETRY;
        r.category = WH_ERRCLASS_TIMEOUT;
        (void)snprintf(text, size, "timed out after %s",
                       wh_clock_human(run->timeout_ms, human, sizeof human));
    } else {
        r.status = WH_RESULT_CANCELLED;
        (void)snprintf(text, size, "cancelled while it ran");
    }
    r.message = (wh_slice){text, strlen(text)};
    return r;
}
