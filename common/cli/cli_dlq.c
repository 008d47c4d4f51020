/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the dead-letter queue. A cursor is the id of the last entry seen.
 */
#include "common/cli/cli_dlq.h"

#include "common/cli/cli_find.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_record.h"
#include "common/cli/cli_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LIMIT_DEFAULT = 50, CALL_MAX = 1000, ENTRY_MAX = 48, HINT_PARTITIONS_MAX = 200 };

static const wh_cli_column columns[] = {
    {"ENTRY", NULL, false}, {"JOB", NULL, false},      {"TYPE", NULL, false},
    {"ORG", NULL, false},   {"CATEGORY", NULL, false}, {"ATTEMPTS", NULL, true},
    {"DIED", NULL, false},  {"ERROR", NULL, false},
};

void wh_cli_dlq_add_filters(const wh_cli *c, wh_call *call)
{
    static const char *const flags[][2] = {
        {"org", "ORG"}, {"type", "TYPE"}, {"category", "CATEGORY"}};

    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        const char *value = wh_cli_args_text(&c->args, flags[i][0]);

        if (value != NULL) {
            wh_call_args(call, flags[i][1]);
            wh_call_args(call, value);
        }
    }
}

/* "1700000000000-0": two numbers. */
static bool parse_entry(const char *s, uint64_t *ms, uint64_t *seq)
{
    int used = 0;

    return strlen(s) < ENTRY_MAX && strspn(s, "0123456789-") == strlen(s) &&
           sscanf(s, "%" SCNu64 "-%" SCNu64 "%n", ms, seq, &used) == 2 &&
           s[used] == '\0' && s[0] != '-';
}

wh_exit wh_cli_dlq_check_cursor(wh_cli *c)
{
    const char *cursor = wh_cli_args_text(&c->args, "cursor");
    uint64_t ms = 0;
    uint64_t seq = 0;

    if (cursor == NULL || strcmp(cursor, "-") == 0 || parse_entry(cursor, &ms, &seq)) {
        return WH_EXIT_OK;
    }
    return wh_cli_usage(c, "--cursor: \"%.60s\" is no entry, like 1700000000000-0",
                        cursor);
}

/* ---- list ---- */

/* Entry r: [stream id, flat fields]. */
static wh_err read_entry(const wh_reply *r, wh_job_record *rec)
{
    wh_slice entry = wh_reply_str(wh_reply_at(r, 0));

    wh_job_record_fini(rec);
    wh_err err = wh_store_read_record(wh_reply_at(r, 1), rec);
    if (err != WH_OK) {
        return err;
    }
    rec->status = WH_JOB_FAILED;
    return wh_job_record_set(rec, "dlq_entry", 9, entry.p, entry.n);
}

static wh_exit add_row(wh_cli *c, wh_cli_table *t, const wh_job_record *r)
{
    if (c->json) {
        t->total++;
        return wh_cli_record_print_json(c, r);
    }
    wh_cli_table_text(t, r->dlq_entry);
    wh_cli_table_text(t, r->id);
    wh_cli_table_text(t, r->type);
    wh_cli_table_text(t, r->org);
    wh_cli_table_text(t, r->error_category);
    wh_cli_table_int(t, r->attempts);
    wh_cli_table_time(t, r->finished_at_ms);
    wh_cli_table_text(t, r->error_message);
    wh_cli_table_row(t);
    return wh_cli_out_status(c, NULL);
}

/* Prints a page; an entry that somebody else's XADD made is told, not fatal. */
static wh_exit add_page(wh_cli *c, wh_cli_table *t, const wh_reply *reply)
{
    wh_exit status = WH_EXIT_OK;

    for (size_t i = 1; i < wh_reply_count(reply) && status == WH_EXIT_OK; i++) {
        const wh_reply *entry = wh_reply_at(reply, i);
        wh_job_record r;
        wh_job_record_init(&r);
        wh_err err = read_entry(entry, &r);

        if (err == WH_OK) {
            status = add_row(c, t, &r);
        } else if (err == WH_ENOMEM) {
            status = wh_cli_no_memory(c);
        } else {
            wh_cli_warn(c, "entry %s is none that Wherry wrote; left out",
                        wh_reply_str(wh_reply_at(entry, 0)).p);
        }
        wh_job_record_fini(&r);
    }
    return status;
}

static wh_exit fetch(wh_cli *c, const wh_cli_partition *p, const char *cursor,
                     int64_t limit, const wh_reply **reply)
{
    wh_call call;

    wh_call_init(&call, "wh1_dlq_list", true, p->key);
    wh_call_args(&call, cursor);
    wh_call_argi(&call, limit);
    wh_cli_dlq_add_filters(c, &call);
    return wh_cli_redis_call(c, &call, reply);
}

static wh_exit list(wh_cli *c, const wh_cli_partition *p, wh_cli_table *t)
{
    int64_t left = wh_cli_args_has(&c->args, "all")
                       ? INT64_MAX
                       : wh_cli_args_number(&c->args, "limit", LIMIT_DEFAULT);
    const char *given = wh_cli_args_text(&c->args, "cursor");
    char cursor[ENTRY_MAX];
    const wh_reply *reply = NULL;
    wh_exit status = WH_EXIT_OK;

    (void)snprintf(cursor, sizeof cursor, "%s", given == NULL ? "-" : given);
    while (status == WH_EXIT_OK && cursor[0] != '\0' && left > 0) {
        status = fetch(c, p, cursor, left < CALL_MAX ? left : CALL_MAX, &reply);
        if (status == WH_EXIT_OK) {
            wh_slice next = wh_reply_str(wh_reply_at(reply, 0));

            (void)snprintf(cursor, sizeof cursor, "%s", next.p == NULL ? "" : next.p);
            left -= (int64_t)wh_reply_count(reply) - 1;
            status = add_page(c, t, reply);
        }
    }
    if (status == WH_EXIT_OK && cursor[0] != '\0') {
        wh_cli_table_flush(t);
        wh_cli_note(c, "more: --cursor %s", cursor);
    }
    return status;
}

/* Nobody named a partition and the one that was chosen is empty: where are the dead? */
static void hint(wh_cli *c, const wh_cli_partition *chosen)
{
    wh_cli_partitions all = {.list = NULL};
    wh_buf where = {0};

    if (wh_cli_args_operand(&c->args, 0) != NULL || c->quiet ||
        wh_cli_partition_all(c, NULL, &all) != WH_EXIT_OK) {
        return;
    }
    for (size_t i = 0; i < all.n && i < HINT_PARTITIONS_MAX; i++) {
        const wh_reply *stats = NULL;
        wh_call call;

        if (strcmp(all.list[i].key, chosen->key) == 0) {
            continue;
        }
        wh_call_init(&call, "wh1_stats", true, all.list[i].key);
        if (wh_cli_redis_try(c, &call, &stats, NULL) == WH_OK &&
            wh_cli_redis_field(stats, "dead", 0) > 0) {
            wh_buf_addf(&where, "%s%s (%" PRId64 ")", where.len == 0 ? "" : ", ",
                        all.list[i].name, wh_cli_redis_field(stats, "dead", 0));
        }
    }
    if (where.len > 0) {
        wh_cli_note(c, "there are dead jobs in %s", wh_buf_str(&where));
    }
    wh_buf_fini(&where);
    wh_cli_partition_list_fini(&all);
}

static bool is_narrowed(const wh_cli *c)
{
    return wh_cli_args_has(&c->args, "org") || wh_cli_args_has(&c->args, "type") ||
           wh_cli_args_has(&c->args, "category") || wh_cli_args_has(&c->args, "cursor");
}

wh_exit wh_cli_dlq_list(wh_cli *c)
{
    wh_cli_partition p;
    wh_cli_table t;
    char empty[192];
    wh_exit status = wh_cli_dlq_check_cursor(c);

    if (status == WH_EXIT_OK) {
        status = wh_cli_redis_open(c);
    }
    if (status == WH_EXIT_OK) {
        status = wh_cli_partition_one(c, wh_cli_args_operand(&c->args, 0), &p);
    }
    if (status != WH_EXIT_OK) {
        return status;
    }
    wh_cli_table_init(&t, c, columns, sizeof columns / sizeof columns[0]);
    status = list(c, &p, &t);
    (void)snprintf(empty, sizeof empty, "no %sdead job in %s",
                   is_narrowed(c) ? "such " : "", p.name);
    bool is_empty = t.total == 0;
    wh_exit printed = wh_cli_table_finish(&t, status == WH_EXIT_OK ? empty : NULL);
    if (status == WH_EXIT_OK && printed == WH_EXIT_OK && is_empty) {
        hint(c, &p);
    }
    return status == WH_EXIT_OK ? printed : status;
}

/* ---- show ---- */

/* The list begins behind a cursor: give it the greatest id before the wanted one. */
static void before(uint64_t ms, uint64_t seq, char out[ENTRY_MAX])
{
    if (seq > 0) {
        (void)snprintf(out, ENTRY_MAX, "%" PRIu64 "-%" PRIu64, ms, seq - 1);
    } else if (ms > 0) {
        (void)snprintf(out, ENTRY_MAX, "%" PRIu64 "-999999999", ms - 1);
    } else {
        (void)snprintf(out, ENTRY_MAX, "-");
    }
}

/* Is the first entry of the page the wanted one? */
static bool is_entry(const wh_reply *reply, uint64_t ms, uint64_t seq)
{
    wh_slice id = wh_reply_str(wh_reply_at(wh_reply_at(reply, 1), 0));
    uint64_t found_ms = 0;
    uint64_t found_seq = 0;

    return id.p != NULL && parse_entry(id.p, &found_ms, &found_seq) && found_ms == ms &&
           found_seq == seq;
}

static wh_exit find_entry(wh_cli *c, const char *text, wh_job_record *rec)
{
    wh_cli_partitions all = {.list = NULL};
    const wh_reply *reply = NULL;
    char cursor[ENTRY_MAX];
    uint64_t ms = 0;
    uint64_t seq = 0;
    bool found = false;
    bool is_damaged = false;

    WH_ASSERT(parse_entry(text, &ms, &seq));
    before(ms, seq, cursor);
    wh_exit status = wh_cli_partition_all(c, NULL, &all);
    for (size_t i = 0; status == WH_EXIT_OK && i < all.n && !found; i++) {
        wh_errbuf eb = {.code = WH_OK};
        wh_call call;

        wh_call_init(&call, "wh1_dlq_list", true, all.list[i].key);
        wh_call_args(&call, cursor);
        wh_call_args(&call, "1");
        wh_err err = wh_cli_redis_try(c, &call, &reply, &eb);
        found = err == WH_OK && is_entry(reply, ms, seq);
        if (err != WH_OK) {
            wh_exit failed = wh_cli_redis_fail(c, &all.list[i], err, &eb);

            is_damaged = is_damaged || wh_cli_redis_is_damage(err);
            status = wh_cli_redis_is_damage(err) ? WH_EXIT_OK : failed;
        }
    }
    if (found) {
        wh_err err = read_entry(wh_reply_at(reply, 1), rec);
        status = err == WH_OK ? WH_EXIT_OK : wh_cli_fail(c, err, NULL);
    } else if (status == WH_EXIT_OK) {
        wh_cli_error(c, "there is no dead job with the entry %s", text);
        status = is_damaged ? WH_EXIT_DATA : WH_EXIT_NOTFOUND;
    }
    wh_cli_partition_list_fini(&all);
    return status;
}

wh_exit wh_cli_dlq_show(wh_cli *c)
{
    const char *text = wh_cli_args_operand(&c->args, 0);
    wh_cli_partition where;
    wh_job_record rec;
    uint8_t id[WH_UUID_BYTES];
    uint64_t ms = 0;
    uint64_t seq = 0;
    bool is_id = wh_rng_uuid_parse(text, strlen(text), id);

    if (!is_id && !parse_entry(text, &ms, &seq)) {
        return wh_cli_usage(
            c,
            "\"%.60s\" is neither an entry, like 1700000000000-0, nor a "
            "job id of 36 characters",
            text);
    }
    wh_exit status = wh_cli_redis_open(c);
    wh_job_record_init(&rec);
    if (status == WH_EXIT_OK && !is_id) {
        status = find_entry(c, text, &rec);
    } else if (status == WH_EXIT_OK) {
        status = wh_cli_find_job(c, text, &where, &rec);
        if (status == WH_EXIT_OK && rec.status != WH_JOB_FAILED) {
            wh_cli_error(c, "job %s is not dead but %s (see wherry job show)", rec.id,
                         wh_job_status_name(rec.status));
            status = WH_EXIT_CONFLICT;
        }
    }
    if (status == WH_EXIT_OK) {
        status = wh_cli_record_print(c, &rec);
    }
    wh_job_record_fini(&rec);
    return status;
}
