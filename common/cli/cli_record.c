/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The full view of a job. Payload and result are shown as text when they are, else as the
 * head of a hex dump.
 */
#include "common/cli/cli_record.h"

#include "common/base/clock.h"
#include "common/cli/cli_out.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_WIDTH = 14, TEXT_MAX = 16384, HEX_MAX = 256, HEX_ROW = 16 };

typedef struct view {
    const wh_cli *cli;
    wh_buf out;
} view;

static void label(view *v, const char *name)
{
    char padded[32];

    (void)snprintf(padded, sizeof padded, "%-*s", LABEL_WIDTH, name);
    wh_cli_out_color(v->cli, &v->out, "1", padded);
}

static void text(view *v, const char *name, const char *s)
{
    if (s == NULL || s[0] == '\0') {
        return;
    }
    label(v, name);
    wh_cli_out_clean(&v->out, s, strlen(s), true);
    wh_buf_addc(&v->out, '\n');
}

static void number(view *v, const char *name, int64_t n, int64_t absent)
{
    if (n != absent) {
        label(v, name);
        wh_buf_addf(&v->out, "%" PRId64 "\n", n);
    }
}

static void duration(view *v, const char *name, int64_t ms)
{
    char human[24];

    if (ms > 0) {
        text(v, name, wh_clock_human(ms, human, sizeof human));
    }
}

static void point(view *v, const char *name, int64_t ms, int64_t now)
{
    char iso[32];
    char human[24];
    int64_t distance = ms > now ? ms - now : now - ms;

    if (ms <= 0) {
        return;
    }
    label(v, name);
    wh_buf_addf(&v->out, ms > now ? "%s (in %s)\n" : "%s (%s ago)\n",
                wh_clock_iso(ms, iso, sizeof iso),
                wh_clock_human(distance, human, sizeof human));
}

static bool is_text(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = wh_buf_utf8_len(s + i, n - i);

        if (len == 0 ||
            (iscntrl((unsigned char)s[i]) && strchr("\n\r\t", s[i]) == NULL) ||
            s[i] == '\0') {
            return false;
        }
        i += len;
    }
    return true;
}

static void hex_row(wh_buf *out, const char *s, size_t at, size_t n)
{
    wh_buf_addf(out, "  %06zx ", at);
    for (size_t i = 0; i < HEX_ROW; i++) {
        if (i < n) {
            wh_buf_addf(out, " %02x", (unsigned)(unsigned char)s[at + i]);
        } else {
            wh_buf_adds(out, "   ");
        }
    }
    wh_buf_adds(out, "  ");
    for (size_t i = 0; i < n; i++) {
        char ch = s[at + i];

        wh_buf_addc(out, ch >= ' ' && ch <= '~' ? ch : '.');
    }
    wh_buf_addc(out, '\n');
}

static void indented(wh_buf *out, const char *s, size_t n)
{
    for (size_t at = 0; at < n;) {
        const char *end = memchr(s + at, '\n', n - at);
        size_t len = end == NULL ? n - at : (size_t)(end - (s + at));

        wh_buf_adds(out, "  ");
        wh_cli_out_clean(out, s + at, len, false);
        wh_buf_addc(out, '\n');
        at += len + 1;
    }
}

static void bytes(view *v, const char *name, const char *s, size_t n)
{
    bool as_text = s != NULL && is_text(s, n);
    size_t max = as_text ? TEXT_MAX : HEX_MAX;
    size_t shown = n < max ? n : max;

    if (s == NULL || n == 0) {
        return;
    }
    label(v, name);
    wh_buf_addf(&v->out, "%zu bytes%s\n", n, as_text ? "" : ", binary");
    if (as_text) {
        indented(&v->out, s, shown);
    } else {
        for (size_t at = 0; at < shown; at += HEX_ROW) {
            hex_row(&v->out, s, at, shown - at < HEX_ROW ? shown - at : HEX_ROW);
        }
    }
    if (shown < n) {
        wh_buf_addf(&v->out, "  ... %zu bytes more (all with --json)\n", n - shown);
    }
}

static void print_head(view *v, const wh_job_record *r)
{
    const char *status = wh_job_status_name(r->status);

    text(v, "id", r->id);
    label(v, "status");
    wh_cli_out_color(v->cli, &v->out, wh_cli_out_status_color(status), status);
    wh_buf_addc(&v->out, '\n');
    text(v, "type", r->type);
    text(v, "org", r->org);
    label(v, "partition");
    wh_buf_addf(&v->out, "%s:%s\n", r->region == NULL ? "" : r->region,
                r->queue == NULL ? "" : r->queue);
    number(v, "priority", r->priority, -1);
    label(v, "attempts");
    wh_buf_addf(&v->out, r->max_attempts > 0 ? "%d of %d\n" : "%d\n", r->attempts,
                r->max_attempts);
    number(v, "recoveries", r->recoveries, 0);
    number(v, "fence", r->fence, 0);
    text(v, "entity type", r->entity_type);
    text(v, "entity id", r->entity_id);
    text(v, "group", r->group);
    text(v, "key", r->idempotency_key);
    text(v, "unique", r->unique);
    text(v, "conflict", r->conflict);
    text(v, "traceparent", r->traceparent);
    text(v, "worker", r->worker);
    text(v, "dlq entry", r->dlq_entry);
}

static void print_error(view *v, const wh_job_record *r)
{
    text(v, "category", r->error_category);
    text(v, "error", r->error_message);
    if (r->error_context != NULL) {
        bytes(v, "context", r->error_context, strlen(r->error_context));
    }
    text(v, "history", r->history);
    number(v, "snoozes", r->snoozes, -1);
    text(v, "snoozed as", r->snooze_category);
    text(v, "snooze says", r->snooze_message);
}

wh_exit wh_cli_record_print_json(wh_cli *c, const wh_job_record *r)
{
    wh_buf out = {0};

    wh_job_record_json(r, &out);
    wh_buf_addc(&out, '\n');
    return wh_cli_out_print(c, &out);
}

wh_exit wh_cli_record_print(wh_cli *c, const wh_job_record *r)
{
    view v = {.cli = c};
    int64_t now = wh_clock_wall_ms(); /* for "ago" only */

    if (c->json) {
        return wh_cli_record_print_json(c, r);
    }
    print_head(&v, r);
    point(&v, "enqueued", r->enqueued_at_ms, now);
    point(&v, "started", r->started_at_ms, now);
    point(&v, "finished", r->finished_at_ms, now);
    point(&v,
          r->snoozed_until_ms > 0 ? "snoozed until"
          : r->attempts > 0       ? "next attempt"
                                  : "runs at",
          r->next_retry_at_ms, now);
    point(&v, "expires", r->expires_at_ms, now);
    duration(&v, "timeout", r->timeout_ms);
    duration(&v, "retry for", r->retry_for_ms);
    if (r->progress >= 0) {
        label(&v, "progress");
        wh_buf_addf(&v.out, "%d%%\n", r->progress);
    }
    text(&v, "doing", r->progress_message);
    print_error(&v, r);
    bytes(&v, "result", r->result, r->result_len);
    bytes(&v, "payload", r->payload, r->payload_len);
    return wh_cli_out_print(c, &v.out);
}
