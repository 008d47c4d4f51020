/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retry policy: attempt + policy -> delay, or dead. Default: at once, then 1, 5, 15,
 * 60, 60 … minutes, each ± 10 % jitter, 5 attempts in all.
 */
#ifndef WH_COMMON_JOB_RETRY_H
#define WH_COMMON_JOB_RETRY_H

#include "common/base/err.h"
#include "common/job/errclass.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum wh_retry_kind {
    WH_RETRY_NONE, /* whatever the job says */
    WH_RETRY_LIST,
    WH_RETRY_FIXED,
    WH_RETRY_EXPONENTIAL
} wh_retry_kind;
#define WH_RETRY_STEPS_MAX 16

typedef struct wh_retry_policy {
    wh_retry_kind kind;
    int64_t
        steps_ms[WH_RETRY_STEPS_MAX]; /* LIST: the last one repeats. FIXED: steps_ms[0].
                                             EXPONENTIAL: steps_ms[0] * factor^(n-1) up to steps_ms[1] */
    int n_steps;
    double factor;
    double jitter; /* fraction 0..1 */
    int max_attempts;
} wh_retry_policy;

void wh_retry_default(wh_retry_policy *p);
/* "0s,1m,5m,15m,1h" | "fixed:30s" | "exp:1s:1h" | "exp:1s:1h:3" (base:max[:factor]) | "none".
 * Leaves max_attempts and jitter as they are (but "none" sets max_attempts 1, and the
 * job's own does not count then). */
wh_err wh_retry_parse(const char *text, wh_retry_policy *p, wh_errbuf *eb) WH_MUSTCHECK;

typedef struct wh_retry_question {
    int attempt;      /* the attempt that just failed, from 1 */
    int max_attempts; /* of the job; 0: the policy's */
    wh_errclass category;
    int64_t asked_delay_ms; /* the handler's own wish (Retry-After); -1: none */
} wh_retry_question;
/* true: try again after *delay_ms. false: dead. */
bool wh_retry_decide(const wh_retry_policy *p, const wh_retry_question *q,
                     int64_t *delay_ms);

#endif
