/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a failed job runs again. Called by the worker when an attempt ended with an
 * error, and by its configuration. A decision never exceeds what the protocol
 * takes as a delay (10 years), whatever policy and wish say.
 */
#include "common/job/retry.h"

#include "common/base/conf.h"
#include "common/base/rng.h"
#include "common/job/job.h"

#include <stdlib.h>
#include <string.h>

#define DELAY_MAX_MS INT64_C(315360000000)
#define FACTOR_DEFAULT 2.0
#define FACTOR_MAX 100.0
#define WORD_SIZE 32
#define SYNTAX "give steps (0s,1m,5m), fixed:30s, exp:1s:1h[:factor] or none"

void wh_retry_default(wh_retry_policy *p)
{
    static const int64_t minutes[] = {0, 1, 5, 15, 60};
    *p = (wh_retry_policy){.kind = WH_RETRY_LIST,
                           .n_steps = (int)(sizeof minutes / sizeof minutes[0]),
                           .factor = FACTOR_DEFAULT,
                           .jitter = 0.1,
                           .max_attempts = WH_JOB_MAX_ATTEMPTS_DEFAULT};
    for (int i = 0; i < p->n_steps; i++) {
        p->steps_ms[i] = minutes[i] * 60000;
    }
}

/* Splits `text` at `separator` into at most max words; -1 when there are more or one
 * is empty or too long. */
static int split(const char *text, char separator, char (*words)[WORD_SIZE], int max)
{
    for (int count = 0; count < max; count++) {
        const char *end = strchr(text, separator);
        size_t n = end != NULL ? (size_t)(end - text) : strlen(text);
        while (n > 0 && *text == ' ') {
            text++;
            n--;
        }
        while (n > 0 && text[n - 1] == ' ') {
            n--;
        }
        if (n == 0 || n >= WORD_SIZE) {
            return -1;
        }
        memcpy(words[count], text, n);
        words[count][n] = '\0';
        if (end == NULL) {
            return count + 1;
        }
        text = end + 1;
    }
    return -1;
}

static wh_err parse_step(const char *word, int64_t *ms, wh_errbuf *eb)
{
    if (!wh_conf_parse_duration(word, ms) || *ms < 0) {
        return wh_err_set(eb, WH_EINVAL,
                          "\"%s\" is not a duration such as 250ms, 30s, 5m, 1h", word);
    }
    if (*ms > DELAY_MAX_MS) {
        return wh_err_set(eb, WH_EINVAL, "\"%s\" is longer than 10 years", word);
    }
    return WH_OK;
}

static wh_err parse_factor(const char *word, double *factor, wh_errbuf *eb)
{
    char *end = NULL;
    /* strtod alone would take hex, inf and nan. */
    bool ok = word[strspn(word, "0123456789.")] == '\0';
    double value = ok ? strtod(word, &end) : 0.0;
    if (!ok || *end != '\0' || value < 1.0 || value > FACTOR_MAX) {
        return wh_err_set(eb, WH_EINVAL, "factor \"%s\" is not a number from 1 to %.0f",
                          word, FACTOR_MAX);
    }
    *factor = value;
    return WH_OK;
}

static wh_err parse_fixed(const char *text, wh_retry_policy *p, wh_errbuf *eb)
{
    char word[1][WORD_SIZE];
    if (split(text, ':', word, 1) != 1) {
        return wh_err_set(eb, WH_EINVAL, "fixed needs one duration: fixed:30s");
    }
    p->kind = WH_RETRY_FIXED;
    p->n_steps = 1;
    return parse_step(word[0], &p->steps_ms[0], eb);
}

static wh_err parse_exponential(const char *text, wh_retry_policy *p, wh_errbuf *eb)
{
    char words[3][WORD_SIZE];
    int n = split(text, ':', words, 3);
    if (n < 2) {
        return wh_err_set(eb, WH_EINVAL,
                          "exp needs a base and a maximum: exp:1s:1h[:factor]");
    }
    p->kind = WH_RETRY_EXPONENTIAL;
    p->n_steps = 2;
    p->factor = FACTOR_DEFAULT;
    wh_err err = parse_step(words[0], &p->steps_ms[0], eb);
    if (err == WH_OK) {
        err = parse_step(words[1], &p->steps_ms[1], eb);
    }
    if (err == WH_OK && n == 3) {
        err = parse_factor(words[2], &p->factor, eb);
    }
    if (err == WH_OK && (p->steps_ms[0] == 0 || p->steps_ms[0] > p->steps_ms[1])) {
        err =
            wh_err_set(eb, WH_EINVAL,
                       "exp:%s:%s: the base must be above 0 and not above the maximum",
                       words[0], words[1]);
    }
    return err;
}

static wh_err parse_list(const char *text, wh_retry_policy *p, wh_errbuf *eb)
{
    char words[WH_RETRY_STEPS_MAX][WORD_SIZE];
    int n = split(text, ',', words, WH_RETRY_STEPS_MAX);
    if (n < 1) {
        return wh_err_set(eb, WH_EINVAL, "not 1 to %d steps; " SYNTAX,
                          WH_RETRY_STEPS_MAX);
    }
    p->kind = WH_RETRY_LIST;
    p->n_steps = n;
    for (int i = 0; i < n; i++) {
        wh_err err = parse_step(words[i], &p->steps_ms[i], eb);
        if (err != WH_OK) {
            return err;
        }
    }
    return WH_OK;
}

wh_err wh_retry_parse(const char *text, wh_retry_policy *p, wh_errbuf *eb)
{
    if (text == NULL || *text == '\0') {
        return wh_err_set(eb, WH_EINVAL, "a retry policy is empty; " SYNTAX);
    }
    if (strcmp(text, "none") == 0) {
        p->kind = WH_RETRY_NONE;
        p->max_attempts = 1;
        return WH_OK;
    }
    wh_retry_policy parsed = {
        .factor = p->factor, .jitter = p->jitter, .max_attempts = p->max_attempts};
    wh_err err;
    if (strncmp(text, "fixed:", 6) == 0) {
        err = parse_fixed(text + 6, &parsed, eb);
    } else if (strncmp(text, "exp:", 4) == 0) {
        err = parse_exponential(text + 4, &parsed, eb);
    } else {
        err = parse_list(text, &parsed, eb);
    }
    if (err == WH_OK) {
        *p = parsed;
    }
    return err;
}

static int64_t exponential_ms(const wh_retry_policy *p, int attempt)
{
    double ms = (double)p->steps_ms[0], max = (double)p->steps_ms[1];
    /* The bound only matters for factors next to 1, which grow too slowly to tell. */
    for (int i = 1; i < attempt && i < 4096 && ms < max; i++) {
        ms *= p->factor;
    }
    return ms < max ? (int64_t)ms : p->steps_ms[1];
}

static int64_t delay_ms(const wh_retry_policy *p, int attempt)
{
    int last = p->n_steps - 1;
    switch (p->kind) {
    case WH_RETRY_FIXED:
        return p->steps_ms[0];
    case WH_RETRY_EXPONENTIAL:
        return exponential_ms(p, attempt);
    case WH_RETRY_NONE:
    case WH_RETRY_LIST:
        break;
    }
    return last < 0 ? 0 : p->steps_ms[attempt - 1 < last ? attempt - 1 : last];
}

static int64_t clamp_ms(int64_t ms)
{
    return ms < 0 ? 0 : ms > DELAY_MAX_MS ? DELAY_MAX_MS : ms;
}

bool wh_retry_decide(const wh_retry_policy *p, const wh_retry_question *q, int64_t *out)
{
    int attempt = q->attempt > 0 ? q->attempt : 1;
    int max_attempts = q->max_attempts > 0 ? q->max_attempts : p->max_attempts;
    *out = 0;
    if (max_attempts <= 0) {
        max_attempts = WH_JOB_MAX_ATTEMPTS_DEFAULT;
    }
    if (p->kind == WH_RETRY_NONE || !wh_errclass_is_retryable(q->category) ||
        attempt >= max_attempts) {
        return false;
    }
    if (q->asked_delay_ms >= 0) {
        *out = clamp_ms(q->asked_delay_ms); /* the one who asks knows better than we */
    } else {
        *out = clamp_ms(wh_rng_jitter(clamp_ms(delay_ms(p, attempt)), p->jitter));
    }
    return true;
}
