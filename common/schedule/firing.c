/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fire times are full seconds. After a long downtime there may be millions of them, and
 * only the latest few count: those are found by halving the window, never by walking it.
 */
#include "common/schedule/firing.h"

#include "common/job/codec.h"

#include <inttypes.h>
#include <stdio.h>
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

int64_t wh_firing_changed(const wh_firing_change *c, const wh_schedule *s,
                          const wh_zone *zone, bool *fire_old)
{
    bool is_due = c->old != NULL && c->old_next_ms > 0 && c->old_next_ms <= c->now_ms;
    bool is_kept = is_due && !s->paused && wh_schedule_same_times(c->old, s);

    *fire_old = is_due && !s->paused && !is_kept;
    if (s->paused) {
        return 0;
    }
    return is_kept ? c->old_next_ms : wh_firing_next(s, zone, c->now_ms);
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

/* ---- the call ---- */

static void put_number(wh_firing_put *out, void *arg, int64_t n)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%" PRId64, n);

    out(arg, text, (size_t)len);
}

static wh_err put_job(const wh_schedule *s, const wh_firing_of *f, wh_firing_put *out,
                      void *arg)
{
    uint8_t id[WH_UUID_BYTES];
    wh_buf head = {0};
    const wh_job_spec spec = wh_firing_job(s, f, id);
    wh_err err = wh_codec_pack_head(&spec, &head);

    if (err == WH_OK && !wh_buf_ok(&head)) {
        err = WH_ENOMEM;
    }
    if (err == WH_OK) {
        out(arg, id, sizeof id);
        out(arg, head.data, head.len);
        out(arg, s->payload_len > 0 ? s->payload : "", s->payload_len);
    }
    wh_buf_fini(&head);
    return err;
}

wh_err wh_firing_write(const wh_firing_call *c, const wh_schedule *s,
                       const wh_firing *due, wh_firing_put *out, void *arg)
{
    wh_firing_of f = {.partition = c->partition, .name = c->name, .now_ms = c->now_ms};
    wh_err err = WH_OK;

    out(arg, c->name, strlen(c->name));
    put_number(out, arg, c->expected_ms);
    put_number(out, arg, due->next_ms);
    out(arg, c->text.p, c->text.n);
    put_number(out, arg, (int64_t)due->n);
    for (size_t i = 0; i < due->n && err == WH_OK; i++) {
        f.at_ms = due->at_ms[i];
        err = put_job(s, &f, out, arg);
    }
    return err;
}
