/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The facts are wh1_explain's (docs/protocol.md section 8); here they become a sentence
 * and a table. A fact or reason of a newer library is shown as it is.
 */
#include "common/cli/cli_explain.h"

#include "common/base/clock.h"
#include "common/cli/cli_find.h"
#include "common/cli/cli_fleet.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_setting.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_WIDTH = 16 };

/* A fact as text, or NULL. */
static const char *fact(const wh_reply *flat, const char *name)
{
    for (size_t i = 0; i + 1 < wh_reply_count(flat); i += 2) {
        const char *have = wh_reply_str(wh_reply_at(flat, i)).p;

        if (have != NULL && strcmp(have, name) == 0) {
            return wh_reply_str(wh_reply_at(flat, i + 1)).p;
        }
    }
    return NULL;
}

static const char *text_of(const wh_reply *flat, const char *name, const char *dflt)
{
    const char *have = fact(flat, name);

    return have == NULL ? dflt : have;
}

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
    const char *name = fact(flat, "limit");
    const char *value = fact(flat, "of");

    if (name != NULL) {
        wh_buf_addf(out, ": %s=", name);
        wh_cli_setting_show(name, value == NULL ? "" : value, out);
    }
}

/* "org acme", "type mail of org acme", "the queue". */
static void add_subject(const wh_reply *flat, const char *reason, wh_buf *out)
{
    const char *org = text_of(flat, "org", "?");

    if (strncmp(reason, "org_type", 8) == 0) {
        wh_buf_addf(out, "type %s of org %s", text_of(flat, "type", "?"), org);
    } else if (strncmp(reason, "org", 3) == 0) {
        wh_buf_addf(out, "org %s", org);
    } else if (strncmp(reason, "type", 4) == 0) {
        wh_buf_addf(out, "type %s", text_of(flat, "type", "?"));
    } else if (strncmp(reason, "group", 5) == 0) {
        wh_buf_addf(out, "group %s of org %s", text_of(flat, "group", "?"), org);
    } else {
        wh_buf_adds(out, "the queue");
    }
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);

    return n >= k && strcmp(s + n - k, end) == 0;
}

/* Nothing in Redis holds it: its workers may. */
static void add_workers(const wh_cli_fleet *f, wh_buf *out)
{
    const char *all = f->workers == 1 ? "the one live worker" : "each live worker";

    if (f->quiet == f->workers) {
        wh_buf_addf(out, "waits because %s is quiet or about to end", all);
    } else if (f->quiet + f->pressed == f->workers) {
        wh_buf_addf(out, "waits because %s claims nothing for now (%s)", all, f->why);
    } else if (f->slots > 0 && f->held >= f->slots) {
        wh_buf_addf(out, "waits for a slot: all %" PRId64 " are in use", f->slots);
    } else {
        wh_buf_adds(out, "waits for its turn: nothing holds it");
    }
}

static void add_turn(const wh_reply *flat, const wh_cli_fleet *f, wh_buf *out)
{
    int64_t jobs = wh_cli_redis_field(flat, "ahead_org", -1);
    int64_t orgs = wh_cli_redis_field(flat, "ahead_orgs", -1);
    int64_t wait_ms = wh_cli_redis_field(flat, "wait_ms", -1);
    char human[24];

    add_workers(f, out);
    if (jobs > 0) {
        wh_buf_addf(out, "; %" PRId64 " job%s of org %s before it", jobs,
                    jobs == 1 ? " is" : "s are", text_of(flat, "org", "?"));
    }
    if (orgs > 0) {
        wh_buf_addf(out, "; %" PRId64 " org%s visited first", orgs,
                    orgs == 1 ? " is" : "s are");
    }
    if (wait_ms >= 0) {
        wh_buf_addf(out, "; about %s", wh_clock_human(wait_ms, human, sizeof human));
    }
}

static void add_reason(const wh_reply *flat, const char *reason, const wh_cli_fleet *f,
                       wh_buf *out)
{
    if (strcmp(reason, "ready") == 0) {
        add_turn(flat, f, out);
    } else if (strcmp(reason, "delayed") == 0) {
        wh_buf_adds(out, "waits because it is delayed");
        add_until(flat, "runs", out);
    } else if (strcmp(reason, "no_worker") == 0) {
        wh_buf_adds(out, "waits because no worker of this partition is alive");
    } else if (strcmp(reason, "breaker_open") == 0) {
        wh_buf_addf(out, "waits because the circuit breaker of type %s is open",
                    text_of(flat, "type", "?"));
        add_until(flat, "probes", out);
        add_setting(flat, out);
    } else if (ends_with(reason, "_paused")) {
        wh_buf_adds(out, "waits because ");
        add_subject(flat, reason, out);
        wh_buf_adds(out, " is paused");
    } else if (ends_with(reason, "_cap")) {
        wh_buf_adds(out, "waits because ");
        add_subject(flat, reason, out);
        wh_buf_addf(out, " is at its cap of %s (%s running)", text_of(flat, "of", "?"),
                    text_of(flat, "used", "?"));
        add_setting(flat, out);
    } else if (ends_with(reason, "_rate")) {
        wh_buf_adds(out, "waits because ");
        add_subject(flat, reason, out);
        wh_buf_adds(out, " is at its rate limit");
        add_until(flat, "next", out);
        add_setting(flat, out);
    } else {
        wh_buf_addf(out, "waits: %s", reason);
    }
}

static void add_sentence(const wh_reply *flat, const wh_cli_fleet *f, wh_buf *out)
{
    const char *status = text_of(flat, "status", "");
    const char *reason = fact(flat, "reason");
    const char *worker = fact(flat, "worker");

    if (reason != NULL) {
        add_reason(flat, reason, f, out);
    } else if (strcmp(status, "in_progress") == 0) {
        wh_buf_addf(out, "runs%s%s", worker == NULL ? "" : " on worker ",
                    worker == NULL ? "" : worker);
    } else {
        wh_buf_addf(out, "does not wait: it is %s", status);
    }
}

/* ---- the facts ---- */

static const struct shown {
    const char *name, *label;
    bool is_duration;
} shown[] = {
    {"status", "status", false},
    {"type", "type", false},
    {"org", "org", false},
    {"group", "group", false},
    {"worker", "worker", false},
    {"ahead_org", "before it", false},
    {"ahead_orgs", "orgs first", false},
    {"wait_ms", "estimated wait", true},
    {"expected_ms", "run time of type", true},
    {"org_ready", "org: ready", false},
    {"org_active", "org: running", false},
    {"org_weight", "org: weight", false},
    {"active", "all running", false},
    {"workers", "live workers", false},
    {"holders", "slots used by", false},
};

static void add_table(const wh_cli *c, const wh_reply *flat, wh_buf *out)
{
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        const char *text = fact(flat, shown[i].name);
        char label[32];
        char human[24];

        if (text == NULL || text[0] == '\0') {
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

/* "acme 5, globex 2" as [{"org":"acme","active":5},…]. */
static void add_holders_json(const char *text, wh_buf *out)
{
    const char *before = "";

    wh_buf_addc(out, '[');
    while (*text != '\0') {
        size_t n = strcspn(text, " "), rest = strcspn(text, ",");

        wh_buf_addf(out, "%s{\"org\":", before);
        wh_buf_add_json(out, text, n < rest ? n : rest);
        wh_buf_addf(out, ",\"active\":%" PRId64 "}",
                    n < rest ? (int64_t)strtoll(text + n + 1, NULL, 10) : 0);
        before = ",";
        text += rest + strspn(text + rest, ", ");
    }
    wh_buf_addc(out, ']');
}

/* A number without quotes where it is one; a limit's value may be "100/60000/20". */
static void add_value_json(const char *text, size_t n, wh_buf *out)
{
    char *end = NULL;

    (void)strtod(text, &end);
    if (n > 0 && n < 20 && *end == '\0' && strspn(text, "0123456789") == n) {
        wh_buf_add(out, text, n);
    } else {
        wh_buf_add_json(out, text, n);
    }
}

/* Names of jobs stay texts, also those that look like numbers. */
static bool is_number(const char *name)
{
    static const char *const texts[] = {"id",  "status",    "reason", "type",
                                        "org", "group",     "worker", "limit",
                                        "of",  "org_weight"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(texts[i], name) == 0) {
            return false;
        }
    }
    return true;
}

static void add_json(const wh_reply *flat, const wh_cli_partition *where,
                     const wh_cli_fleet *f, const char *sentence, wh_buf *out)
{
    wh_buf_adds(out, "{\"partition\":");
    wh_buf_add_json(out, where->name, strlen(where->name));
    wh_buf_adds(out, ",\"sentence\":");
    wh_buf_add_json(out, sentence, strlen(sentence));
    for (size_t i = 0; i + 1 < wh_reply_count(flat); i += 2) {
        wh_slice name = wh_reply_str(wh_reply_at(flat, i));
        wh_slice value = wh_reply_str(wh_reply_at(flat, i + 1));

        if (name.p == NULL || value.p == NULL) {
            continue;
        }
        wh_buf_addc(out, ',');
        wh_buf_add_json(out, name.p, name.n);
        wh_buf_addc(out, ':');
        if (strcmp(name.p, "holders") == 0) {
            add_holders_json(value.p, out);
        } else if (is_number(name.p)) {
            add_value_json(value.p, value.n, out);
        } else {
            wh_buf_add_json(out, value.p, value.n);
        }
    }
    wh_buf_addf(out,
                ",\"fleet\":{\"workers\":%" PRId64 ",\"slots\":%" PRId64
                ",\"held\":%" PRId64 ",\"quiet\":%" PRId64 ",\"backpressure\":%" PRId64
                "}}\n",
                f->workers, f->slots, f->held, f->quiet, f->pressed);
}

static wh_exit print(wh_cli *c, const wh_cli_partition *where, const wh_reply *flat,
                     const wh_cli_fleet *f)
{
    wh_buf sentence = {0}, out = {0};

    add_sentence(flat, f, &sentence);
    if (c->json) {
        add_json(flat, where, f, wh_buf_str(&sentence), &out);
    } else {
        wh_buf_addf(&out, "job %s in %s ", text_of(flat, "id", "?"), where->name);
        wh_cli_out_clean(&out, wh_buf_str(&sentence), sentence.len, true);
        wh_buf_adds(&out, "\n\n");
        add_table(c, flat, &out);
    }
    out.failed = out.failed || sentence.failed;
    wh_exit status = wh_cli_out_status(c, &out);
    if (status == WH_EXIT_OK) {
        wh_cli_out_flush(c, &out);
        status = wh_cli_out_status(c, NULL);
    }
    wh_buf_fini(&sentence);
    wh_buf_fini(&out);
    return status;
}

wh_exit wh_cli_explain_run(wh_cli *c)
{
    wh_cli_partition where;
    wh_job_record rec;
    wh_call call;
    const wh_reply *reply = NULL;
    wh_reply *flat = NULL;
    wh_cli_fleet fleet;

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
        status = wh_cli_fleet_read(c, &where, &fleet);
    }
    if (status == WH_EXIT_OK) {
        status = print(c, &where, flat, &fleet);
    }
    wh_reply_free(flat);
    wh_job_record_fini(&rec);
    return status;
}
