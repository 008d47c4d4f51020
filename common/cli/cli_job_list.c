/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_jobs lists one status a time; here they come one behind the other. The cursor
 * that is handed out is "status:position", so that the next page goes on in the middle.
 */
#include "common/cli/cli_job_list.h"

#include "common/base/clock.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_partition.h"
#include "common/cli/cli_record.h"
#include "common/cli/cli_table.h"

#include <stdio.h>
#include <string.h>

enum { LIMIT_DEFAULT = 50, CALL_MAX = 1000, CALL_MAX_FULL = 100, CURSOR_MAX = 80 };

static const wh_job_status order[] = {
    WH_JOB_IN_PROGRESS, WH_JOB_PENDING,   WH_JOB_SCHEDULED, WH_JOB_FAILED,
    WH_JOB_COMPLETED,   WH_JOB_CANCELLED, WH_JOB_EXPIRED};
enum { N_STATUSES = sizeof order / sizeof order[0] };

static const wh_cli_column columns[] = {
    {"ID", NULL, false},       {"STATUS", NULL, false}, {"TYPE", NULL, false},
    {"ORG", NULL, false},      {"PRIO", NULL, true},    {"ATTEMPTS", NULL, true},
    {"ENQUEUED", NULL, false}, {"DETAIL", NULL, false},
};

typedef struct listing {
    wh_cli *cli;
    wh_cli_partition where;
    wh_cli_table table;
    const char *org, *type;
    int64_t left;            /* rows that may still be printed; -1: all */
    char cursor[CURSOR_MAX]; /* within the status */
    bool is_started;         /* the given cursor was reached */
} listing;

/* What matters most in each state. */
static void detail(const wh_job_record *r, char *out, size_t size)
{
    char human[24];
    int64_t now = wh_clock_wall_ms();

    out[0] = '\0';
    if (r->status == WH_JOB_SCHEDULED && r->next_retry_at_ms > 0) {
        int64_t in = r->next_retry_at_ms > now ? r->next_retry_at_ms - now : 0;
        bool is_snoozed = r->snoozed_until_ms > 0;
        const char *why = is_snoozed ? r->snooze_category : r->error_category;
        bool has_why = why != NULL && why[0] != '\0';

        (void)snprintf(out, size, "in %s%s%s%s",
                       wh_clock_human(in, human, sizeof human),
                       is_snoozed ? " after a snooze"
                       : has_why  ? " after "
                                  : "",
                       is_snoozed && has_why ? ": " : "", has_why ? why : "");
    } else if (r->status == WH_JOB_IN_PROGRESS) {
        int64_t since = now > r->started_at_ms ? now - r->started_at_ms : 0;
        (void)snprintf(out, size, "for %s on %s%s%s",
                       wh_clock_human(since, human, sizeof human),
                       r->worker == NULL ? "?" : r->worker,
                       r->progress_message == NULL ? "" : ": ",
                       r->progress_message == NULL ? "" : r->progress_message);
    } else if (r->status == WH_JOB_COMPLETED && r->finished_at_ms > r->started_at_ms &&
               r->started_at_ms > 0) {
        (void)snprintf(
            out, size, "took %s",
            wh_clock_human(r->finished_at_ms - r->started_at_ms, human, sizeof human));
    } else if (r->error_category != NULL) {
        (void)snprintf(out, size, "%s: %s", r->error_category,
                       r->error_message == NULL ? "" : r->error_message);
    }
}

static wh_exit print_row(listing *l, const wh_job_record *r)
{
    const char *status = wh_job_status_name(r->status);
    char text[512];

    if (l->cli->json) {
        l->table.total++;
        return wh_cli_record_print_json(l->cli, r);
    }
    detail(r, text, sizeof text);
    wh_cli_table_text(&l->table, r->id);
    wh_cli_table_colored(&l->table, status, wh_cli_out_status_color(status));
    wh_cli_table_text(&l->table, r->type);
    wh_cli_table_text(&l->table, r->org);
    wh_cli_table_int(&l->table, r->priority);
    wh_cli_table_int(&l->table, r->attempts);
    wh_cli_table_time(&l->table, r->enqueued_at_ms);
    wh_cli_table_text(&l->table, text);
    wh_cli_table_row(&l->table);
    return wh_cli_out_status(l->cli, NULL);
}

static wh_exit print_page(listing *l, const wh_reply *reply)
{
    wh_exit status = WH_EXIT_OK;

    for (size_t i = 1; i < wh_reply_count(reply) && status == WH_EXIT_OK; i++) {
        wh_job_record r;
        wh_job_record_init(&r);
        wh_err err = wh_store_read_record(wh_reply_at(reply, i), &r);

        status = err == WH_OK ? print_row(l, &r) : wh_cli_fail(l->cli, err, NULL);
        wh_job_record_fini(&r);
        l->left -= l->left > 0 ? 1 : 0;
    }
    return status;
}

/* One call. */
static wh_exit fetch(listing *l, const char *status_name, const wh_reply **reply)
{
    /* Records with payloads are large: a reply must stay within what a client buffers. */
    int64_t most = wh_cli_args_has(&l->cli->args, "full") ? CALL_MAX_FULL : CALL_MAX;
    wh_call call;

    wh_call_init(&call, "wh1_jobs", true, l->where.key);
    wh_call_args(&call, status_name);
    wh_call_args(&call, l->cursor);
    wh_call_argi(&call, l->left < 0 || l->left > most ? most : l->left);
    if (l->org != NULL) {
        wh_call_args(&call, "ORG");
        wh_call_args(&call, l->org);
    }
    if (l->type != NULL) {
        wh_call_args(&call, "TYPE");
        wh_call_args(&call, l->type);
    }
    if (wh_cli_args_has(&l->cli->args, "full")) {
        wh_call_args(&call, "FULL");
    }
    return wh_cli_redis_call(l->cli, &call, reply);
}

static wh_exit list_status(listing *l, const char *status_name)
{
    const wh_reply *reply = NULL;
    wh_exit status = WH_EXIT_OK;

    do {
        status = fetch(l, status_name, &reply);
        if (status == WH_EXIT_OK) {
            wh_slice next = wh_reply_str(wh_reply_at(reply, 0));

            (void)snprintf(l->cursor, sizeof l->cursor, "%.*s",
                           (int)(next.n < CURSOR_MAX ? next.n : CURSOR_MAX - 1),
                           next.p == NULL ? "" : next.p);
            status = print_page(l, reply);
        }
    } while (status == WH_EXIT_OK && l->cursor[0] != '\0' && l->left != 0);
    return status;
}

/* Splits --cursor: the status it stands in, and the position into l->cursor. */
static wh_exit read_cursor(listing *l, const char *statuses, char first[16])
{
    const char *text = wh_cli_args_text(&l->cli->args, "cursor");
    const char *colon = text == NULL ? NULL : strchr(text, ':');
    wh_job_status s;

    first[0] = '\0';
    if (text == NULL) {
        return WH_EXIT_OK;
    }
    if (colon == NULL && statuses != NULL && strchr(statuses, ',') == NULL) {
        (void)snprintf(first, 16, "%s", statuses);
        (void)snprintf(l->cursor, sizeof l->cursor, "%s", text);
        return WH_EXIT_OK;
    }
    if (colon != NULL && colon - text < 16) {
        (void)snprintf(first, 16, "%.*s", (int)(colon - text), text);
        (void)snprintf(l->cursor, sizeof l->cursor, "%s", colon + 1);
    }
    if (!wh_job_status_parse(first, &s) ||
        (statuses != NULL && !wh_cli_args_chosen(statuses, first))) {
        return wh_cli_usage(l->cli, "--cursor: \"%.60s\" is none that this list gave",
                            text);
    }
    return WH_EXIT_OK;
}

static wh_exit list_all(listing *l, const char *statuses, const char *first)
{
    wh_exit status = WH_EXIT_OK;
    const char *rest = NULL; /* where the next page begins */

    l->is_started = first[0] == '\0';
    for (size_t i = 0; i < N_STATUSES && status == WH_EXIT_OK && rest == NULL; i++) {
        const char *name = wh_job_status_name(order[i]);

        if (statuses != NULL && !wh_cli_args_chosen(statuses, name)) {
            continue;
        }
        if (!l->is_started && strcmp(name, first) != 0) {
            continue;
        }
        l->is_started = true;
        if (l->left == 0) {
            rest = name;
            break;
        }
        status = list_status(l, name);
        rest = l->cursor[0] != '\0' ? name : NULL;
    }
    if (status == WH_EXIT_OK && rest != NULL) {
        wh_cli_table_flush(&l->table);
        wh_cli_note(l->cli, "more: --cursor %s:%s", rest, l->cursor);
    }
    return status;
}

wh_exit wh_cli_job_list(wh_cli *c)
{
    listing l = {.cli = c,
                 .org = wh_cli_args_text(&c->args, "org"),
                 .type = wh_cli_args_text(&c->args, "type"),
                 .left = wh_cli_args_number(&c->args, "limit", LIMIT_DEFAULT)};
    const char *statuses = wh_cli_args_text(&c->args, "status");
    char first[16];
    char empty[256];
    wh_exit status = read_cursor(&l, statuses, first);

    if (status == WH_EXIT_OK) {
        status = wh_cli_redis_open(c);
    }
    if (status == WH_EXIT_OK) {
        status = wh_cli_partition_one(c, wh_cli_args_operand(&c->args, 0), &l.where);
    }
    if (status != WH_EXIT_OK) {
        return status;
    }
    l.left = wh_cli_args_has(&c->args, "all") ? -1 : l.left;
    wh_cli_table_init(&l.table, c, columns, sizeof columns / sizeof columns[0]);
    status = list_all(&l, statuses, first);
    (void)snprintf(empty, sizeof empty, "no such jobs in %s", l.where.name);
    wh_exit printed =
        wh_cli_table_finish(&l.table, status == WH_EXIT_OK ? empty : NULL);
    return status == WH_EXIT_OK ? printed : status;
}
