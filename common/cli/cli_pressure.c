/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of wh1_usage (docs/protocol.md section 8): facts, rows of types, rows of orgs.
 * A fact that is missing is left out for people and null in JSON.
 */
#include "common/cli/cli_pressure.h"

#include "common/base/clock.h"
#include "common/cli/cli_out.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_WIDTH = 12, VALUE_WIDTH = 14 };

typedef struct usage {
    const wh_reply *facts, *types, *orgs;
} usage;

/* ---- facts ---- */

static const char *text_of(const wh_reply *facts, const char *name)
{
    for (size_t i = 0; i + 1 < wh_reply_count(facts); i += 2) {
        const char *have = wh_reply_str(wh_reply_at(facts, i)).p;

        if (have != NULL && strcmp(have, name) == 0) {
            return wh_reply_str(wh_reply_at(facts, i + 1)).p;
        }
    }
    return NULL;
}

static int64_t number_of(const wh_reply *facts, const char *name)
{
    return wh_cli_redis_field(facts, name, 0);
}

static int64_t int_at(const wh_reply *row, size_t i)
{
    return wh_reply_int(wh_reply_at(row, i), 0);
}

static const char *str_at(const wh_reply *row, size_t i)
{
    const char *s = wh_reply_str(wh_reply_at(row, i)).p;
    return s == NULL ? "" : s;
}

/* ---- JSON ---- */

/* "name":value,… of numbers, in Redis' own digits. */
static void json_facts(const wh_reply *facts, const char *const *names, size_t n,
                       wh_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        const char *text = text_of(facts, names[i]);

        wh_buf_addf(out, "%s\"%s\":%s", i == 0 ? "" : ",", names[i],
                    text == NULL ? "null" : text);
    }
}

static void json_max(wh_buf *out, const char *name, int64_t max)
{
    if (max > 0) {
        wh_buf_addf(out, ",\"%s\":%" PRId64, name, max);
    } else {
        wh_buf_addf(out, ",\"%s\":null", name);
    }
}

static void json_types(const wh_reply *types, wh_buf *out)
{
    for (size_t i = 0; i < wh_reply_count(types); i++) {
        const wh_reply *row = wh_reply_at(types, i);

        wh_buf_addf(out, "%s{\"type\":", i == 0 ? "" : ",");
        wh_buf_add_json(out, str_at(row, 0), strlen(str_at(row, 0)));
        wh_buf_addf(out, ",\"jobs\":%" PRId64 ",\"orgs\":%" PRId64 ",\"reason\":",
                    int_at(row, 1), int_at(row, 2));
        if (str_at(row, 3)[0] == '\0') {
            wh_buf_adds(out, "null");
        } else {
            wh_buf_add_json(out, str_at(row, 3), strlen(str_at(row, 3)));
        }
        json_max(out, "until_ms", int_at(row, 4));
        wh_buf_addc(out, '}');
    }
}

static void json_orgs(const wh_reply *orgs, wh_buf *out)
{
    for (size_t i = 0; i < wh_reply_count(orgs); i++) {
        const wh_reply *row = wh_reply_at(orgs, i);

        wh_buf_addf(out, "%s{\"org\":", i == 0 ? "" : ",");
        wh_buf_add_json(out, str_at(row, 0), strlen(str_at(row, 0)));
        wh_buf_addf(out, ",\"jobs\":%" PRId64, int_at(row, 1));
        json_max(out, "jobs_max", int_at(row, 3));
        wh_buf_addf(out, ",\"bytes\":%" PRId64, int_at(row, 2));
        json_max(out, "bytes_max", int_at(row, 4));
        wh_buf_addf(out, ",\"percent\":%" PRId64 "}", int_at(row, 5));
    }
}

static void add_json(const usage *u, wh_buf *out)
{
    static const char *const waiting[] = {
        "ready",        "delayed",       "parked",       "set_aside",   "parked_orgs",
        "parked_types", "parked_groups", "parked_queue", "queue_paused"};
    static const char *const used[] = {"jobs",         "jobs_max",   "bytes",
                                       "bytes_max",    "memory_max", "memory_percent",
                                       "orgs_waiting", "orgs_seen"};
    static const char *const fleet[] = {
        "workers",      "workers_lost", "workers_quiet", "workers_pressed",
        "workers_full", "slots",        "slots_used",    "backpressure"};
    const char *why = text_of(u->facts, "pressure");

    wh_buf_adds(out, ",\"waiting\":{");
    json_facts(u->facts, waiting, sizeof waiting / sizeof waiting[0], out);
    wh_buf_adds(out, ",\"types\":[");
    json_types(u->types, out);
    wh_buf_adds(out, "]},\"usage\":{");
    json_facts(u->facts, used, sizeof used / sizeof used[0], out);
    wh_buf_adds(out, ",\"orgs\":[");
    json_orgs(u->orgs, out);
    wh_buf_adds(out, "]},\"fleet\":{");
    json_facts(u->facts, fleet, sizeof fleet / sizeof fleet[0], out);
    wh_buf_adds(out, ",\"pressure\":");
    if (why == NULL) {
        wh_buf_adds(out, "null");
    } else {
        wh_buf_add_json(out, why, strlen(why));
    }
    wh_buf_addc(out, '}');
}

/* ---- for people ---- */

/* A line like those of the figures above it; an empty note is none. */
static void add_number(wh_buf *out, const char *label, int64_t v, const char *note)
{
    wh_buf_addf(out, "  %-*s %*" PRId64 "%s%s\n", LABEL_WIDTH, label, VALUE_WIDTH, v,
                note[0] == '\0' ? "" : "  ", note);
}

static void size_text(int64_t bytes, char *text, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double v = (double)bytes;
    size_t i = 0;

    for (; v >= 1024 && i + 1 < sizeof units / sizeof units[0]; i++) {
        v /= 1024;
    }
    (void)snprintf(text, size, i == 0 ? "%.0f %s" : "%.1f %s", v, units[i]);
}

static void add_type(wh_buf *out, const wh_reply *row)
{
    wh_buf note = {0};
    char label[80], human[24];
    int64_t left = int_at(row, 4), orgs = int_at(row, 2);

    (void)snprintf(label, sizeof label, "  of %.64s", str_at(row, 0));
    wh_buf_adds(&note, str_at(row, 3)[0] == '\0' ? "runs again" : str_at(row, 3));
    if (left > 0) {
        wh_buf_addf(&note, ", next in %s", wh_clock_human(left, human, sizeof human));
    }
    if (orgs > 0) {
        wh_buf_addf(&note, "; %" PRId64 " org%s for it", orgs,
                    orgs == 1 ? " waits" : "s wait");
    }
    add_number(out, label, int_at(row, 1), wh_buf_str(&note));
    wh_buf_fini(&note);
}

static void add_waiting(const usage *u, wh_buf *out)
{
    int64_t orgs = number_of(u->facts, "parked_orgs");
    int64_t groups = number_of(u->facts, "parked_groups");
    char note[64] = "";

    if (number_of(u->facts, "queue_paused") != 0) {
        (void)snprintf(note, sizeof note, "the queue is paused");
    } else if (number_of(u->facts, "parked_queue") != 0) {
        (void)snprintf(note, sizeof note, "the queue is at a limit");
    } else if (orgs + groups > 0) {
        (void)snprintf(note, sizeof note, "%" PRId64 " org%s, %" PRId64 " group%s",
                       orgs, orgs == 1 ? "" : "s", groups, groups == 1 ? "" : "s");
    }
    wh_buf_adds(out, "waiting\n");
    add_number(out, "ready", number_of(u->facts, "ready"), "");
    add_number(out, "delayed", number_of(u->facts, "delayed"), "");
    add_number(out, "parked", number_of(u->facts, "parked"), note);
    add_number(out, "set aside", number_of(u->facts, "set_aside"), "");
    for (size_t i = 0; i < wh_reply_count(u->types); i++) {
        add_type(out, wh_reply_at(u->types, i));
    }
}

/* "5 of 10 jobs (50%)", "5 jobs" when there is no most. */
static void add_share(wh_buf *out, int64_t n, int64_t most, bool is_size)
{
    char there[32], max[32];

    if (is_size) {
        size_text(n, there, sizeof there);
        size_text(most, max, sizeof max);
    } else {
        (void)snprintf(there, sizeof there, "%" PRId64, n);
        (void)snprintf(max, sizeof max, "%" PRId64, most);
    }
    wh_buf_adds(out, there);
    if (most > 0) {
        wh_buf_addf(out, " of %s", max);
    }
    wh_buf_adds(out, is_size ? "" : n == 1 && most == 0 ? " job" : " jobs");
    if (most > 0) {
        wh_buf_addf(out, " (%.0f%%)", (double)n * 100 / (double)most);
    }
}

static void add_shares(wh_buf *out, int64_t jobs, int64_t jobs_max, int64_t bytes,
                       int64_t bytes_max)
{
    add_share(out, jobs, jobs_max, false);
    wh_buf_adds(out, ", ");
    add_share(out, bytes, bytes_max, true);
}

static void add_memory(const usage *u, wh_buf *out)
{
    const char *percent = text_of(u->facts, "memory_percent");
    int64_t max = number_of(u->facts, "memory_max");

    if (percent != NULL) {
        wh_buf_addf(out, "  redis memory: %s%% of maxmemory", percent);
    } else if (max > 0) {
        wh_buf_adds(out, "  redis memory: no maxmemory is set, or INFO is not allowed");
    } else {
        return;
    }
    if (max > 0) {
        wh_buf_addf(out, "; refused over %" PRId64 "%%", max);
    }
    wh_buf_addc(out, '\n');
}

static void add_usage(const usage *u, wh_buf *out)
{
    int64_t orgs = number_of(u->facts, "orgs_waiting");
    int64_t seen = number_of(u->facts, "orgs_seen");
    size_t n = wh_reply_count(u->orgs);

    wh_buf_adds(out, "usage\n  queue: ");
    if (text_of(u->facts, "jobs") == NULL) {
        wh_buf_adds(out, "not counted yet: jobs of an older library were there");
    } else {
        add_shares(out, number_of(u->facts, "jobs"), number_of(u->facts, "jobs_max"),
                   number_of(u->facts, "bytes"), number_of(u->facts, "bytes_max"));
    }
    wh_buf_addc(out, '\n');
    add_memory(u, out);
    for (size_t i = 0; i < n; i++) {
        const wh_reply *row = wh_reply_at(u->orgs, i);

        wh_buf_addf(out, "  org %s: ", str_at(row, 0));
        add_shares(out, int_at(row, 1), int_at(row, 3), int_at(row, 2), int_at(row, 4));
        wh_buf_addc(out, '\n');
    }
    if (orgs > (int64_t)n) {
        wh_buf_addf(out, "  %" PRId64 " more orgs%s\n", orgs - (int64_t)n,
                    seen < orgs ? ", not all of them looked at" : " (--orgs)");
    }
}

static void add_fleet(const usage *u, wh_buf *out)
{
    static const struct {
        const char *fact, *word;
    } parts[] = {{"workers", "live"},
                 {"workers_full", "full"},
                 {"workers_pressed", "holding back"},
                 {"workers_quiet", "quiet"},
                 {"workers_lost", "lost"}};
    const char *gauge = text_of(u->facts, "backpressure");
    const char *why = text_of(u->facts, "pressure");

    wh_buf_adds(out, "workers\n  ");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        int64_t v = number_of(u->facts, parts[i].fact);

        if (i == 0 || v > 0) {
            wh_buf_addf(out, "%s%" PRId64 " %s", i == 0 ? "" : ", ", v, parts[i].word);
        }
    }
    wh_buf_addf(out, "; %" PRId64 " of %" PRId64 " slots in use\n",
                number_of(u->facts, "slots_used"), number_of(u->facts, "slots"));
    if (gauge != NULL) {
        wh_buf_addf(out, "  backpressure: %s%s%s%s\n", gauge, why == NULL ? "" : " (",
                    why == NULL ? "" : why, why == NULL ? "" : ")");
    }
}

wh_exit wh_cli_pressure_add(wh_cli *c, const wh_cli_partition *p, int64_t rows,
                            wh_buf *out)
{
    const wh_reply *reply = NULL;
    wh_errbuf eb = {.code = WH_OK};
    wh_call call;

    wh_call_init(&call, "wh1_usage", true, p->key);
    wh_call_argi(&call, rows);
    wh_err err = wh_cli_redis_try(c, &call, &reply, &eb);
    if (err != WH_OK) {
        return wh_cli_redis_fail(c, p, err, &eb);
    }
    usage u = {wh_reply_at(reply, 0), wh_reply_at(reply, 1), wh_reply_at(reply, 2)};

    if (c->json) {
        add_json(&u, out);
    } else {
        add_waiting(&u, out);
        add_usage(&u, out);
        add_fleet(&u, out);
    }
    return WH_EXIT_OK;
}
