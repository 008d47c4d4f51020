/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fire times are full seconds. After a long downtime there may be millions of them, and
 * only the latest few count: those are found by halving the window, never by walking it.
 */
#include "common/schedule/firing.h"

#include <string.h>

int64_t wh_firing_next(const wh_schedule *s, const wh_zone *zone, int64_t after_ms)
{
    int64_t at = 0;

    return wh_cron_next(&s->cron, zone, after_ms, &at) ? at : 0;
}

/* The latest `max` fire times in the window. */
static size_t latest(const wh_schedule *s, const wh_zone *zone, wh_cron_window w,
                     int64_t *out, size_t max)
{
    int64_t none = w.until_ms; /* fewer than max are behind this one */

    if (wh_cron_list(&s->cron, zone, w, NULL, max) == max) {
        while (none - w.after_ms > 1) {
            wh_cron_window half = {w.after_ms + (none - w.after_ms) / 2, w.until_ms};

            if (wh_cron_list(&s->cron, zone, half, NULL, max) == max) {
                w.after_ms = half.after_ms;
            } else {
                none = half.after_ms;
            }
        }
    }
    return wh_cron_list(&s->cron, zone, w, out, max);
}

void wh_firing_due(const wh_schedule *s, const wh_zone *zone, int64_t expected_ms,
                   int64_t now_ms, wh_firing *out)
{
    const wh_cron_window w = {expected_ms - 1, now_ms};
    size_t max = 1;

    if (s->misfire == WH_SCHEDULE_ALL) {
        max = s->misfire_max > 0 ? (size_t)s->misfire_max
                                 : WH_SCHEDULE_MISFIRE_MAX_DEFAULT;
    }
    out->n = latest(s, zone, w, out->at_ms, max);
    if (out->n == 0) { /* the zone's rules changed meanwhile: rather now than never */
        out->at_ms[out->n++] = expected_ms;
    }
    if (s->misfire == WH_SCHEDULE_SKIP &&
        now_ms - out->at_ms[out->n - 1] > WH_FIRING_GRACE_MS) {
        out->n = 0;
    }
    out->next_ms = wh_firing_next(s, zone, now_ms);
}

/* ---- ids and jitter ---- */

/* FNV-1a, and the finish of MurmurHash3, without which neighbours stay neighbours. */
static uint64_t hash_add(uint64_t h, const void *p, size_t n)
{
    const unsigned char *bytes = p;

    for (size_t i = 0; i < n; i++) {
        h = (h ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return h;
}

static uint64_t hash_of(const wh_firing_of *f, unsigned char salt)
{
    unsigned char at[8];
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < sizeof at; i++) {
        at[i] = (unsigned char)((uint64_t)f->at_ms >> (8 * i) & 0xff);
    }
    h = hash_add(h, &salt, 1);
    h = hash_add(h, f->partition, strlen(f->partition) + 1);
    h = hash_add(h, f->name, strlen(f->name) + 1);
    h = hash_add(h, at, sizeof at);
    h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

static void put(uint8_t *to, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = (uint8_t)(v >> (8 * (n - 1 - i)) & 0xff);
    }
}

void wh_firing_id(const wh_firing_of *f, uint8_t id[WH_UUID_BYTES])
{
    put(id, (uint64_t)f->at_ms, 6);
    put(id + 6, hash_of(f, 1), 2);
    put(id + 8, hash_of(f, 2), 8);
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x80);
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
}

int64_t wh_firing_jitter(const wh_schedule *s, const wh_firing_of *f)
{
    return (int64_t)(hash_of(f, 3) % (uint64_t)(s->jitter_ms + 1));
}

wh_job_spec wh_firing_job(const wh_schedule *s, const wh_firing_of *f,
                          uint8_t id[WH_UUID_BYTES])
{
    int64_t delay = f->at_ms + wh_firing_jitter(s, f) - f->now_ms;
    wh_job_spec job = wh_schedule_job(s);

    wh_firing_id(f, id);
    job.delay_ms = delay > 0 ? delay : 0;
    job.id = id;
    return job;
}
