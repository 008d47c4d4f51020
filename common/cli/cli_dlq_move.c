/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One bounded call after another. A run ends at the entries that were there when it began
 * (UNTIL), or a replayed job that dies again would be replayed for ever. A call whose
 * answer was lost is repeated: its entries are gone by then, so nothing happens twice.
 */
#include "common/cli/cli_dlq_move.h"

#include "common/base/clock.h"
#include "common/cli/cli_dlq.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_partition.h"
#include "common/cli/cli_progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CALL_MAX = 200, ENTRY_MAX = 48, TRIES = 5, PAUSE_MS = 250, PACE_PER_S = 10 };
enum { PROGRESS_PARTS = 1000000 };

typedef struct move {
    wh_cli *cli;
    const char *function, *verb, *done; /* "wh1_dlq_replay", "replay", "replayed" */
    wh_cli_partition where;
    bool is_dry;
    int64_t limit; /* jobs that may be moved; -1: all */
    int64_t rate;  /* per second; 0: no limit */
    int64_t looked, matched, dead;
    int64_t taken;  /* stay: another job has their idempotency key */
    int64_t due_us; /* when the rate allows the next call */
    char cursor[ENTRY_MAX], until[ENTRY_MAX];
} move;

static wh_exit prepare(move *m)
{
    const char *given = wh_cli_args_text(&m->cli->args, "cursor");
    const wh_reply *stats = NULL;
    wh_exit status = wh_cli_redis_ask(m->cli, "wh1_stats", &m->where, &stats);

    if (status != WH_EXIT_OK) {
        return status;
    }
    (void)snprintf(m->cursor, sizeof m->cursor, "%s", given == NULL ? "-" : given);
    (void)snprintf(m->until, sizeof m->until, "%" PRId64 "-999999999",
                   wh_cli_redis_field(stats, "now_ms", 0));
    m->dead = wh_cli_redis_field(stats, "dead", 0);
    return WH_EXIT_OK;
}

static bool is_at_limit(const move *m)
{
    return m->limit >= 0 && m->matched >= m->limit;
}

/* How many entries the next call may look at. */
static int64_t batch_of(const move *m)
{
    int64_t n = CALL_MAX;

    if (m->rate > 0 && !m->is_dry) {
        n = m->rate / PACE_PER_S < 1 ? 1 : m->rate / PACE_PER_S;
        n = n < CALL_MAX ? n : CALL_MAX;
    }
    if (m->limit >= 0 && m->limit - m->matched < n) {
        n = m->limit - m->matched;
    }
    return n;
}

static wh_err send(move *m, const wh_reply **reply, wh_errbuf *eb)
{
    wh_call call;

    wh_call_init(&call, m->function, false, m->where.key);
    wh_call_args(&call, m->cursor);
    wh_call_argi(&call, batch_of(m));
    wh_call_args(&call, "UNTIL");
    wh_call_args(&call, m->until);
    if (m->is_dry) {
        wh_call_args(&call, "DRYRUN");
    }
    wh_cli_dlq_add_filters(m->cli, &call);
    return wh_cli_redis_try(m->cli, &call, reply, eb);
}

/* One step; waits out short outages. */
static wh_exit step(move *m)
{
    const wh_reply *reply = NULL;
    wh_errbuf eb = {.code = WH_OK};
    wh_err err = send(m, &reply, &eb);

    for (int i = 1; i < TRIES && wh_err_is_transient(err) && !m->cli->interrupted;
         i++) {
        if (i == 1) {
            wh_cli_note(m->cli, "%s: %s; trying again for some seconds", m->where.name,
                        wh_cli_reason(err, &eb));
        }
        wh_exit slept = wh_cli_redis_sleep(m->cli, PAUSE_MS << i);

        if (slept != WH_EXIT_OK) {
            return slept;
        }
        err = send(m, &reply, &eb);
    }
    if (err != WH_OK) {
        return wh_cli_fail(m->cli, err, &eb);
    }
    wh_slice next = wh_reply_str(wh_reply_at(reply, 0));
    (void)snprintf(m->cursor, sizeof m->cursor, "%s", next.p == NULL ? "" : next.p);
    m->looked += wh_reply_int(wh_reply_at(reply, 1), 0);
    m->matched += wh_reply_int(wh_reply_at(reply, 2), 0);
    m->taken += wh_reply_int(wh_reply_at(reply, 3), 0);
    return WH_EXIT_OK;
}

/* Sleeps until the rate allows more. Time that an outage took is not made up for: the
 * jobs that it held back would all come at once. */
static wh_exit pace(move *m, int64_t moved)
{
    int64_t now_us = wh_clock_mono_us();

    if (m->rate <= 0 || m->is_dry || m->cursor[0] == '\0' || is_at_limit(m)) {
        return WH_EXIT_OK;
    }
    m->due_us = (m->due_us > now_us ? m->due_us : now_us) + moved * 1000000 / m->rate;
    return wh_cli_redis_sleep(m->cli, (m->due_us - now_us) / 1000);
}

/* How far it is, of PROGRESS_PARTS. The end is reached when all entries were looked at or
 * when the limit's number of jobs was moved, whichever comes first. */
static int64_t parts_done(const move *m)
{
    int64_t looked =
        m->dead <= 0 ? 0
                     : (int64_t)((double)m->looked * PROGRESS_PARTS / (double)m->dead);
    int64_t moved =
        m->limit <= 0
            ? 0
            : (int64_t)((double)m->matched * PROGRESS_PARTS / (double)m->limit);

    return looked > moved ? looked : moved;
}

static wh_exit run(move *m)
{
    wh_cli_progress progress;
    /* Nobody knows how many entries are behind a cursor. */
    bool has_end = !wh_cli_args_has(&m->cli->args, "cursor");
    wh_exit status = wh_cli_redis_catch(m->cli);

    wh_cli_progress_start(&progress, m->cli, m->verb, has_end ? PROGRESS_PARTS : 0);
    while (status == WH_EXIT_OK && m->cursor[0] != '\0' && !is_at_limit(m) &&
           !m->cli->interrupted) {
        int64_t before = m->matched;

        status = step(m);
        if (status == WH_EXIT_OK) {
            wh_cli_progress_set(&progress, has_end ? parts_done(m) : 0, m->matched);
            status = pace(m, m->matched - before);
        }
    }
    wh_cli_progress_end(&progress);
    return status;
}

/* ---- asking and telling ---- */

static wh_exit print(const move *m)
{
    wh_buf out = {0};
    bool is_cut = m->cursor[0] != '\0';

    if (m->cli->json) {
        wh_buf_addf(&out,
                    "{\"partition\":\"%s\",\"looked_at\":%" PRId64 ",\"%s\":%" PRId64
                    ",\"dry_run\":%s",
                    m->where.name, m->looked, m->done, m->matched,
                    m->is_dry ? "true" : "false");
        if (m->taken > 0) {
            wh_buf_addf(&out, ",\"key_taken\":%" PRId64, m->taken);
        }
        wh_buf_adds(&out, ",\"cursor\":");
        wh_buf_addf(&out, is_cut ? "\"%s\"}\n" : "null}\n", m->cursor);
    } else {
        wh_buf_addf(&out, "%" PRId64 " dead job%s %s%s in %s\n", m->matched,
                    m->matched == 1 ? "" : "s", m->is_dry ? "would be " : "", m->done,
                    m->where.name);
        if (m->taken > 0) {
            wh_buf_addf(&out,
                        "%" PRId64 " %s: another job has %s idempotency key now\n",
                        m->taken, m->is_dry ? "would stay" : "stayed",
                        m->taken == 1 ? "its" : "their");
        }
    }
    return m->is_dry ? wh_cli_out_print(m->cli, &out)
                     : wh_cli_out_done(m->cli, &out, "done");
}

/* What is typed must be the partition's name: "y" is typed too easily. */
static wh_exit confirm(const move *m)
{
    wh_cli *c = m->cli;
    char line[2 * WH_JOB_NAME_MAX + 16];

    if (m->is_dry || wh_cli_args_has(&c->args, "yes")) {
        return WH_EXIT_OK;
    }
    if (isatty(STDIN_FILENO) != 1) {
        return wh_cli_usage(c,
                            "purge deletes dead jobs for good and can't ask here; give "
                            "--yes if you mean it, or --dry-run");
    }
    wh_cli_error(c,
                 "this deletes dead jobs of %s (it has %" PRId64
                 ") for good; type %s to "
                 "go on:",
                 m->where.name, m->dead, m->where.name);
    if (fgets(line, sizeof line, stdin) == NULL) {
        line[0] = '\0';
    }
    line[strcspn(line, "\r\n")] = '\0';
    if (strcmp(line, m->where.name) != 0) {
        wh_cli_error(c, "nothing was purged");
        return WH_EXIT_FAILED;
    }
    return WH_EXIT_OK;
}

static wh_exit tell(move *m, wh_exit status)
{
    wh_exit printed = print(m);
    bool is_cut = m->cursor[0] != '\0';

    if (is_cut && (status != WH_EXIT_OK || m->cli->interrupted)) {
        wh_cli_error(m->cli, "stopped; go on with --cursor %s", m->cursor);
        return status == WH_EXIT_OK ? WH_EXIT_TEMPFAIL : status;
    }
    if (is_cut) {
        wh_cli_note(m->cli, "more: --cursor %s", m->cursor);
    }
    return status == WH_EXIT_OK ? printed : status;
}

static wh_exit move_dead(move *m, bool ask)
{
    wh_cli *c = m->cli;
    bool all = wh_cli_args_has(&c->args, "all");

    if (all == wh_cli_args_has(&c->args, "limit")) {
        return wh_cli_usage(c, "say how much: --limit N, or --all");
    }
    m->limit = all ? -1 : wh_cli_args_number(&c->args, "limit", 0);
    m->rate = wh_cli_args_number(&c->args, "rate", 0);
    m->is_dry = wh_cli_args_has(&c->args, "dry-run");
    wh_exit status = wh_cli_dlq_check_cursor(c);
    if (status == WH_EXIT_OK) {
        status = wh_cli_redis_open(c);
    }
    if (status == WH_EXIT_OK) {
        status = wh_cli_partition_one(c, wh_cli_args_operand(&c->args, 0), &m->where);
    }
    if (status == WH_EXIT_OK) {
        status = prepare(m);
    }
    if (status == WH_EXIT_OK && ask) {
        status = confirm(m);
    }
    return status == WH_EXIT_OK ? tell(m, run(m)) : status;
}

wh_exit wh_cli_dlq_move_replay(wh_cli *c)
{
    move m = {
        .cli = c, .function = "wh1_dlq_replay", .verb = "replay", .done = "replayed"};

    return move_dead(&m, false);
}

wh_exit wh_cli_dlq_move_purge(wh_cli *c)
{
    move m = {.cli = c, .function = "wh1_dlq_purge", .verb = "purge", .done = "purged"};

    return move_dead(&m, true);
}
