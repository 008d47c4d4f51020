/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draws over its own line with CR; a message wipes it away (has_bar).
 */
#include "common/cli/cli_progress.h"

#include "common/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REDRAW_MS = 100, BAR_WIDTH = 24 };

void wh_cli_progress_start(wh_cli_progress *p, wh_cli *c, const char *label,
                           int64_t total)
{
    const char *term = getenv("TERM");
    bool is_dumb = term != NULL && strcmp(term, "dumb") == 0;

    *p = (wh_cli_progress){.cli = c,
                           .on = c->is_err_terminal && !c->quiet && !is_dumb,
                           .label = label,
                           .total = total,
                           .start_ms = wh_clock_mono_ms()};
}

static void draw_bar(const wh_cli_progress *p, int64_t done)
{
    int64_t filled = done >= p->total ? BAR_WIDTH : done * BAR_WIDTH / p->total;

    fputs(" [", stderr);
    for (int64_t i = 0; i < BAR_WIDTH; i++) {
        fputc(i < filled ? '#' : '.', stderr);
    }
    fprintf(stderr, "] %3" PRId64 "%%", done >= p->total ? 100 : done * 100 / p->total);
}

void wh_cli_progress_set(wh_cli_progress *p, int64_t done, int64_t items)
{
    int64_t now = wh_clock_mono_ms();
    int64_t elapsed = now - p->start_ms;
    char human[24];

    if (!p->on || now - p->drawn_ms < REDRAW_MS) {
        return;
    }
    p->drawn_ms = now;
    p->cli->has_bar = true;
    fprintf(stderr, "\r\033[K%s", p->label);
    if (p->total > 0) {
        draw_bar(p, done);
    }
    fprintf(stderr, " %" PRId64, items);
    if (elapsed > 500) {
        fprintf(stderr, " (%" PRId64 "/s)", items * 1000 / elapsed);
    }
    if (elapsed > 500 && done > 0 && p->total > done) {
        double left = (double)elapsed * (double)(p->total - done) / (double)done;

        fprintf(stderr, " %s left", wh_clock_human((int64_t)left, human, sizeof human));
    }
    fflush(stderr);
}

void wh_cli_progress_end(wh_cli_progress *p)
{
    if (p->on && p->drawn_ms != 0) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    p->on = false;
    p->cli->has_bar = false;
}
