/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The facts are wh1_explain's (docs/protocol.md section 8); here they become a sentence
 * and a table. A fact or reason of a newer library is shown as it is.
 */
#include "common/cli/cli_explain.h"

#include "common/base/clock.h"
#include "common/cli/cli_explain_json.h"
#include "common/cli/cli_explain_workers.h"
#include "common/cli/cli_find.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_setting.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_WIDTH = 16 };

/* ---- the sentence ---- */

/* " (2.5s more)", or nothing when it is not known. */
static void add_until(const wh_reply *flat, const char *what, wh_buf *out)
{
    int64_t ms = wh_cli_redis_field(flat, "until_ms", -1);
    char human[24];

    if (ms >= 0) {
        wh_buf_addf(out, " (%s in %s)", what, wh_clock_human(ms, human, sizeof human));
    }
}

/* ": active:org/acme=5", the setting that holds it. */
static void add_setting(const wh_reply *flat, wh_buf *out)
{
    const char *name = wh_cli_explain_fact(flat, "limit");
    const char *value = wh_cli_explain_fact(flat, "of");

    if (name != NULL) {
        wh_buf_addf(out, ": %s=", name);
        wh_cli_setting_show(name, value == NULL ? "" : value, out);
    }
}

/* Its own, or that of the first job of its group. */
static const char *held_type(const wh_reply *flat)
{
    return wh_cli_explain_text(flat, "held_type",
                               wh_cli_explain_text(flat, "type", "?"));
}

/* "org acme", "type mail of org acme", "the queue". */
static void add_subject(const wh_reply *flat, const char *reason, wh_buf *out)
{
    const char *org = wh_cli_explain_text(flat, "org", "?");

    if (strncmp(reason, "org_type", 8) == 0) {
        wh_buf_addf(out, "type %s of org %s", held_type(flat), org);
    } else if (strncmp(reason, "org", 3) == 0) {
        wh_buf_addf(out, "org %s", org);
    } else if (strncmp(reason, "type", 4) == 0) {
        wh_buf_addf(out, "type %s", held_type(flat));
    } else if (strncmp(reason, "group", 5) == 0) {
        wh_buf_addf(out, "group %s of org %s", wh_cli_explain_text(flat, "group", "?"),
                    org);
    } else {
        wh_buf_adds(out, "the queue");
    }
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);

    return n >= k && strcmp(s + n - k, end) == 0;
}

/* "waits because its handler snoozed it, 3 times so far, as rate_limited: try later" */
static void add_snooze(const wh_reply *flat, wh_buf *out)
{
    int64_t n = wh_cli_explain_number(flat, "snoozes");
    const char *category = wh_cli_explain_fact(flat, "snooze_category");
    const char *message = wh_cli_explain_fact(flat, "snooze_message");

    wh_buf_adds(out, "waits because its handler snoozed it");
    if (n > 1) {
        wh_buf_addf(out, ", %" PRId64 " times so far", n);
    }
    if (category != NULL) {
        wh_buf_addf(out, ", as %s", category);
    }
    if (message != NULL) {
        wh_buf_addf(out, ": %s", message);
    }
}

/* It waits for its time; false: for something else. */
static bool add_time(const wh_reply *flat, const char *reason, wh_buf *out)
{
    if (strcmp(reason, "retry") == 0) {
        wh_buf_addf(out, "waits for its next attempt: attempt %s failed as %s",
                    wh_cli_explain_text(flat, "attempts", "?"),
                    wh_cli_explain_text(flat, "error_category", "?"));
    } else if (strcmp(reason, "delayed") == 0) {
        wh_buf_adds(out, "waits because it is delayed");
    } else if (strcmp(reason, "snoozed") == 0) {
        add_snooze(flat, out);
    } else if (strcmp(reason, "not_started") == 0) {
        wh_buf_addf(out,
                    "waits because no handler started it: the worker that claimed it "
                    "gave it back, for its handler of type %s does not start",
                    wh_cli_explain_text(flat, "type", "?"));
    } else if (strcmp(reason, "last_chance") == 0) {
        wh_buf_addf(out,
                    "waits for its last chance: %s workers were lost with it, and it "
                    "runs apart from others like it",
                    wh_cli_explain_text(flat, "recoveries", "?"));
    } else {
        return false;
    }
    if (wh_cli_explain_number(flat, "until_ms") > 0) {
        add_until(flat, "runs", out);
    } else {
        wh_buf_adds(out, " (due: a worker's or scheduler's next call brings it back)");
    }
    if (strcmp(wh_cli_explain_text(flat, "error_category", ""), "no_handler") == 0) {
        wh_cli_explain_able(flat, out);
    }
    return true;
}

/* The jobs of a group with a cap keep their order: the first is held, and it with it. */
static void add_place_in_group(const wh_reply *flat, const char *reason, wh_buf *out)
{
    const char *first = wh_cli_explain_fact(flat, "group_first");
    const char *number = wh_cli_explain_fact(flat, "group_at");
    bool is_of_org = strncmp(reason, "org", 3) == 0 && strncmp(reason, "org_type", 8);

    if (first == NULL || is_of_org || strncmp(reason, "queue", 5) == 0) {
        return;
    }
    if (wh_cli_explain_fact(flat, "held_type") != NULL) {
        wh_buf_addf(out, ", which holds the first job of its group, %s", first);
    }
    if (number != NULL) {
        wh_buf_addf(out, "; it is number %s of group %s, whose jobs keep their order",
                    number, wh_cli_explain_text(flat, "group", "?"));
    }
}

static void add_breaker(const wh_reply *flat, wh_buf *out)
{
    bool is_half_open =
        strcmp(wh_cli_explain_text(flat, "breaker", ""), "half_open") == 0;

    wh_buf_addf(out, "waits because the circuit breaker of type %s is %s",
                held_type(flat), is_half_open ? "half open" : "open");
    if (is_half_open) {
        wh_buf_addf(out, " and waits for its probes to end (%s running)",
                    wh_cli_explain_text(flat, "probes", "?"));
    }
    add_until(flat, "probes", out);
    add_setting(flat, out);
}

/* A setting holds it; one that is not known here is shown as it is. */
static void add_limit(const wh_reply *flat, const char *reason, wh_buf *out)
{
    if (strcmp(reason, "breaker_open") == 0) {
        add_breaker(flat, out);
    } else if (ends_with(reason, "_paused")) {
        wh_buf_adds(out, "waits because ");
        add_subject(flat, reason, out);
        wh_buf_adds(out, " is paused");
    } else if (ends_with(reason, "_cap")) {
        wh_buf_adds(out, "waits because ");
        add_subject(flat, reason, out);
        wh_buf_addf(out, " is at its cap of %s (%s running)",
                    wh_cli_explain_text(flat, "of", "?"),
                    wh_cli_explain_text(flat, "used", "?"));
        add_setting(flat, out);
    } else if (strcmp(reason, "retry_after") == 0) {
        wh_buf_addf(out, "waits because type %s is held: a handler said Retry-After",
                    held_type(flat));
        add_until(flat, "over", out);
        add_setting(flat, out);
        wh_cli_explain_rate(flat, held_type(flat), out);
    } else if (ends_with(reason, "_rate")) {
        wh_buf_adds(out, "waits because ");
        add_subject(flat, reason, out);
        wh_buf_adds(out, " is at its rate limit");
        add_until(flat, "next", out);
        add_setting(flat, out);
        if (strcmp(reason, "type_rate") == 0) {
            wh_cli_explain_rate(flat, held_type(flat), out);
        }
    } else {
        wh_buf_addf(out, "waits: %s", reason);
    }
    add_place_in_group(flat, reason, out);
}

/* It runs, as far as anybody knows. */
static void add_running(const wh_reply *flat, wh_buf *out)
{
    const char *worker = wh_cli_explain_fact(flat, "worker");
    int64_t lost_ms = wh_cli_redis_field(flat, "lost_ms", -1);
    char human[24];

    if (lost_ms < 0) {
        wh_buf_addf(out, "runs%s%s", worker == NULL ? "" : " on worker ",
                    worker == NULL ? "" : worker);
        return;
    }
    wh_buf_addf(out,
                "was claimed by worker %s, which is lost: its lease ran out %s ago "
                "(crashed, frozen, or away from Redis). It comes back when a scheduler "
                "or another worker recovers it",
                worker == NULL ? "?" : worker,
                wh_clock_human(lost_ms, human, sizeof human));
}

/* The time for its retries, where its next start is one. */
static void add_retry_for(const wh_reply *flat, wh_buf *out)
{
    int64_t ms = wh_cli_redis_field(flat, "retries_end_ms", -1);
    char human[24];

    if (ms < 0 || wh_cli_explain_fact(flat, "is_retry") == NULL) {
        return;
    }
    if (ms == 0) {
        wh_buf_adds(out, "; the time for its retries (retry_for) is over: who claims "
                         "it ends it as failed");
    } else {
        wh_buf_addf(out, "; no retry of it starts later than in %s (retry_for)%s",
                    wh_clock_human(ms, human, sizeof human),
                    ms < wh_cli_explain_number(flat, "until_ms") ? ", before that"
                                                                 : "");
    }
}

/* Its time came, and what holds it holds whoever would bring it back too. Its end comes. */
static void add_ends(const wh_reply *flat, bool is_timed, wh_buf *out)
{
    int64_t overdue_ms = wh_cli_redis_field(flat, "overdue_ms", -1);
    int64_t ms = wh_cli_redis_field(flat, "expires_ms", -1);
    char human[24];

    if (overdue_ms >= 0 && !is_timed) {
        wh_buf_addf(out, "; its time came %s ago, and nobody brought it back yet",
                    wh_clock_human(overdue_ms, human, sizeof human));
    }
    if (ms >= 0) {
        wh_buf_addf(
            out, "; it expires in %s%s", wh_clock_human(ms, human, sizeof human),
            ms < wh_cli_explain_number(flat, "until_ms") ? ", before that" : "");
    }
    add_retry_for(flat, out);
}

static void add_sentence(const wh_cli_explained *e, wh_buf *out)
{
    const char *status = wh_cli_explain_text(e->flat, "status", "");

    if (e->reason != NULL) {
        bool is_timed = add_time(e->flat, e->reason, out);
        if (!is_timed && !wh_cli_explain_workers(e, out)) {
            add_limit(e->flat, e->reason, out);
        }
        add_ends(e->flat, is_timed, out);
    } else if (strcmp(status, "in_progress") == 0) {
        add_running(e->flat, out);
    } else {
        wh_buf_addf(out, "does not wait: it is %s", status);
    }
}

/* ---- the facts ---- */

static const struct shown {
    const char *name, *label;
    bool is_duration;
    bool is_rare; /* 0 is not worth a line */
} shown[] = {
    {"status", "status", false, false},
    {"type", "type", false, false},
    {"org", "org", false, false},
    {"group", "group", false, false},
    {"group_at", "number in group", false, false},
    {"group_first", "first of group", false, false},
    {"worker", "worker", false, false},
    {"lost_ms", "lost for", true, false},
    {"recoveries", "lost with worker", false, true},
    {"overdue_ms", "overdue by", true, false},
    {"expires_ms", "expires in", true, false},
    {"retries_end_ms", "retries end in", true, false},
    {"snoozes", "snoozed", false, false},
    {"snooze_category", "last snooze as", false, false},
    {"snooze_message", "last snooze says", false, false},
    {"adaptive_rate", "jobs per second", false, false},
    {"ahead_org", "before it", false, false},
    {"ahead_orgs", "orgs first", false, false},
    {"wait_ms", "estimated wait", true, false},
    {"expected_ms", "run time of type", true, false},
    {"org_ready", "org: ready", false, false},
    {"org_active", "org: running", false, false},
    {"org_weight", "org: weight", false, false},
    {"active", "all running", false, false},
    {"slots", "slots", false, true},
    {"workers", "live workers", false, false},
    {"workers_able", "with a handler", false, false},
    {"workers_lost", "lost workers", false, true},
    {"workers_quiet", "quiet", false, true},
    {"workers_pressed", "holding back", false, true},
    {"able_full", "without a slot", false, true},
    {"holders", "slots used by", false, false},
};

static void add_table(const wh_cli *c, const wh_reply *flat, wh_buf *out)
{
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        const char *text = wh_cli_explain_fact(flat, shown[i].name);
        char label[32];
        char human[24];

        if (text == NULL || text[0] == '\0' ||
            (shown[i].is_rare && strcmp(text, "0") == 0)) {
            continue;
        }
        if (shown[i].is_duration) {
            text = wh_clock_human(strtoll(text, NULL, 10), human, sizeof human);
        }
        (void)snprintf(label, sizeof label, "%-*s ", LABEL_WIDTH, shown[i].label);
        wh_cli_out_color(c, out, "1", label);
        wh_cli_out_clean(out, text, strlen(text), true);
        wh_buf_addc(out, '\n');
    }
}

static void add_json(const wh_cli_explained *e, const char *sentence, wh_buf *out)
{
    const wh_reply *flat = e->flat;

    wh_buf_adds(out, "{\"partition\":");
    wh_buf_add_json(out, e->where->name, strlen(e->where->name));
    wh_buf_adds(out, ",\"sentence\":");
    wh_buf_add_json(out, sentence, strlen(sentence));
    wh_cli_explain_json_add(flat, e->reason, out);
    if (e->fleet.elsewhere > 0) {
        wh_buf_addf(out, ",\"slots_elsewhere\":%" PRId64, e->fleet.elsewhere);
    }
    wh_buf_adds(out, "}\n");
}

static wh_exit print(wh_cli *c, const wh_cli_explained *e)
{
    wh_buf sentence = {0}, out = {0};

    add_sentence(e, &sentence);
    if (c->json) {
        add_json(e, wh_buf_str(&sentence), &out);
    } else {
        wh_buf_addf(&out, "job %s in %s ", wh_cli_explain_text(e->flat, "id", "?"),
                    e->where->name);
        wh_cli_out_clean(&out, wh_buf_str(&sentence), sentence.len, true);
        wh_buf_adds(&out, "\n\n");
        add_table(c, e->flat, &out);
    }
    out.failed = out.failed || sentence.failed;
    wh_buf_fini(&sentence);
    return wh_cli_out_print(c, &out);
}

/* Nothing here holds it; its workers may serve other queues too. */
static wh_exit look_elsewhere(wh_cli *c, wh_cli_explained *e)
{
    int64_t slots = wh_cli_explain_number(e->flat, "slots");

    if (e->reason == NULL || strcmp(e->reason, "ready") != 0 || slots == 0) {
        return WH_EXIT_OK;
    }
    wh_exit status = wh_cli_fleet_read(c, e->where, &e->fleet);
    if (wh_cli_explain_number(e->flat, "slots_used") + e->fleet.elsewhere >= slots) {
        e->reason = "no_slot";
    }
    return status;
}

wh_exit wh_cli_explain_run(wh_cli *c)
{
    wh_cli_partition where;
    wh_job_record rec;
    wh_call call;
    const wh_reply *reply = NULL;
    wh_reply *flat = NULL;
    wh_cli_explained e = {.where = &where};

    wh_job_record_init(&rec);
    wh_exit status = wh_cli_redis_open(c);
    if (status == WH_EXIT_OK) {
        status = wh_cli_find_job(c, wh_cli_args_operand(&c->args, 0), &where, &rec);
    }
    if (status == WH_EXIT_OK) {
        wh_call_init(&call, "wh1_explain", true, where.key);
        wh_call_args(&call, rec.id);
        status = wh_cli_redis_call(c, &call, &reply);
    }
    if (status == WH_EXIT_OK && wh_reply_copy(reply, &flat) != WH_OK) {
        status = wh_cli_no_memory(c);
    }
    if (status == WH_EXIT_OK) {
        e.flat = flat;
        e.reason = wh_cli_explain_fact(flat, "reason");
        status = look_elsewhere(c, &e);
    }
    if (status == WH_EXIT_OK) {
        status = print(c, &e);
    }
    wh_reply_free(flat);
    wh_job_record_fini(&rec);
    return status;
}
