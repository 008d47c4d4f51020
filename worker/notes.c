/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress stays in the slots, so a job that ends takes its own along. Lines are copied
 * with their token, since the job may end before they are sent. What a heartbeat carried
 * is forgotten even when its reply is lost: notes are worth less than a second try.
 */
#include "worker/notes.h"

#include "common/base/alloc.h"
#include "common/base/log.h"

#include <string.h>

enum { FLUSH_MS = 500, LINES_MAX = 400, CARRY_MAX = 500, LINE_BYTES_MAX = 1024 };

typedef struct line {
    char token[WH_JOB_TOKEN_MAX];
    size_t token_len, len;
    char *text;
} line;

typedef struct desk { /* of one partition */
    line *lines;
    size_t n_lines, cap_lines;
    uint64_t left_out;
    bool is_due;
} desk;

struct wh_notes {
    wh_notes_setup o;
    desk *desks;
    wh_timer *timer;
    wh_store_progress *progress; /* scratch, CARRY_MAX */
    wh_store_log_line *lines;    /* scratch, LINES_MAX */
    wh_slot **carried;           /* the slots of `progress` */
    size_t n_carried;
};

static void due(wh_notes *n, const wh_partition *p)
{
    n->desks[p->index].is_due = true;
    if (!wh_timer_is_running(n->timer)) {
        wh_timer_start(n->timer, FLUSH_MS);
    }
}

static void on_timer(void *arg)
{
    wh_notes *n = arg;

    for (size_t i = 0; i < n->o.partitions->n; i++) {
        if (n->desks[i].is_due) {
            n->o.on_due(n->o.arg, &n->o.partitions->list[i]);
        }
    }
}

void wh_notes_changed(wh_notes *n, const wh_slot *slot)
{
    due(n, slot->partition);
}

/* Not cut inside a UTF-8 character. */
static size_t cut(const char *p, size_t len)
{
    size_t at = LINE_BYTES_MAX;

    if (len <= at) {
        return len;
    }
    while (at > LINE_BYTES_MAX - 4 && ((unsigned char)p[at] & 0xC0U) == 0x80U) {
        at--;
    }
    return at;
}

void wh_notes_line(wh_notes *n, const wh_slot *slot, wh_slice text)
{
    desk *d = &n->desks[slot->partition->index];
    size_t len = cut(text.p, text.n);

    due(n, slot->partition);
    if (d->n_lines >= LINES_MAX) {
        d->left_out++;
        return;
    }
    line *grown = wh_grow(d->lines, &d->cap_lines, d->n_lines + 1, sizeof *grown);
    if (grown == NULL) {
        d->left_out++;
        return;
    }
    d->lines = grown;
    line *l = &d->lines[d->n_lines];
    l->text = wh_memdup(text.p, len);
    if (l->text == NULL) {
        d->left_out++;
        return;
    }
    l->len = len;
    l->token_len = slot->token.n < sizeof l->token ? slot->token.n : sizeof l->token;
    memcpy(l->token, slot->token.p, l->token_len);
    d->n_lines++;
}

static void fill_progress(wh_notes *n, const wh_partition *p)
{
    wh_slot *slot = NULL;

    n->n_carried = 0;
    for (size_t at = 0;
         n->n_carried < CARRY_MAX && (slot = wh_slots_next(n->o.slots, &at)) != NULL;) {
        if (slot->partition != p || !slot->has_note || slot->state != WH_SLOT_RUNNING) {
            continue;
        }
        n->progress[n->n_carried] = (wh_store_progress){
            .token = slot->token,
            .percent = slot->percent,
            .message = {slot->note, slot->note == NULL ? 0 : strlen(slot->note)}};
        n->carried[n->n_carried++] = slot;
    }
}

bool wh_notes_is_due(const wh_notes *n, const wh_partition *p)
{
    return n->desks[p->index].is_due;
}

void wh_notes_fill(wh_notes *n, const wh_partition *p, wh_store_heartbeat_args *a)
{
    desk *d = &n->desks[p->index];

    n->n_carried = 0;
    if (!d->is_due) {
        return;
    }
    fill_progress(n, p);
    for (size_t i = 0; i < d->n_lines; i++) {
        n->lines[i] =
            (wh_store_log_line){.token = {d->lines[i].token, d->lines[i].token_len},
                                .line = {d->lines[i].text, d->lines[i].len}};
    }
    a->progress = n->progress;
    a->n_progress = n->n_carried;
    a->lines = n->lines;
    a->n_lines = d->n_lines;
}

static void clear(desk *d)
{
    for (size_t i = 0; i < d->n_lines; i++) {
        wh_free(d->lines[i].text);
    }
    d->n_lines = 0;
}

void wh_notes_sent(wh_notes *n, const wh_partition *p, bool sent)
{
    desk *d = &n->desks[p->index];

    if (!sent || !d->is_due) {
        return;
    }
    for (size_t i = 0; i < n->n_carried; i++) {
        n->carried[i]->has_note = false;
    }
    clear(d);
    if (d->left_out > 0) {
        WH_LOG(WARN, "handler.lines_left_out", WH_F_STR("queue", p->queue),
               WH_F_INT("lines", d->left_out));
        d->left_out = 0;
    }
    d->is_due = false;
    if (n->n_carried == CARRY_MAX) {
        due(n, p); /* there may be more */
    }
}

wh_err wh_notes_new(const wh_notes_setup *o, wh_notes **out)
{
    *out = NULL;
    wh_notes *n = wh_calloc(1, sizeof *n);

    if (n == NULL) {
        return WH_ENOMEM;
    }
    n->o = *o;
    n->desks = wh_calloc(o->partitions->n, sizeof *n->desks);
    n->progress = wh_calloc(CARRY_MAX, sizeof *n->progress);
    n->lines = wh_calloc(LINES_MAX, sizeof *n->lines);
    n->carried = wh_calloc(CARRY_MAX, sizeof(void *));
    wh_err err = WH_ENOMEM;
    if (n->desks != NULL && n->progress != NULL && n->lines != NULL &&
        n->carried != NULL) {
        err = wh_timer_new(o->loop, on_timer, n, &n->timer);
    }
    if (err != WH_OK) {
        wh_notes_free(n);
        return err;
    }
    *out = n;
    return WH_OK;
}

void wh_notes_free(wh_notes *n)
{
    if (n == NULL) {
        return;
    }
    wh_timer_free(n->timer);
    for (size_t i = 0; n->desks != NULL && i < n->o.partitions->n; i++) {
        clear(&n->desks[i]);
        wh_free(n->desks[i].lines);
    }
    wh_free(n->desks);
    wh_free(n->progress);
    wh_free(n->lines);
    wh_free(n->carried);
    wh_free(n);
}
