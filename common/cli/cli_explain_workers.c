/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where all workers are alike one word says it; where they are not, each kind is counted.
 */
#include "common/cli/cli_explain_workers.h"

#include "common/base/clock.h"

#include <inttypes.h>
#include <string.h>

const char *wh_cli_explain_fact(const wh_reply *flat, const char *name)
{
    for (size_t i = 0; i + 1 < wh_reply_count(flat); i += 2) {
        const char *have = wh_reply_str(wh_reply_at(flat, i)).p;

        if (have != NULL && strcmp(have, name) == 0) {
            return wh_reply_str(wh_reply_at(flat, i + 1)).p;
        }
    }
    return NULL;
}

const char *wh_cli_explain_text(const wh_reply *flat, const char *name,
                                const char *dflt)
{
    const char *have = wh_cli_explain_fact(flat, name);

    return have == NULL ? dflt : have;
}

int64_t wh_cli_explain_number(const wh_reply *flat, const char *name)
{
    return wh_cli_redis_field(flat, name, 0);
}

void wh_cli_explain_rate(const wh_reply *flat, const char *type, wh_buf *out)
{
    const char *rate = wh_cli_explain_fact(flat, "adaptive_rate");

    if (rate != NULL) {
        wh_buf_addf(out, "; the adaptive rate of type %s is %s/s now", type, rate);
    }
}

static const char *type_of(const wh_reply *flat)
{
    return wh_cli_explain_text(flat, "type", "?");
}

/* "the one live worker" or "each of the 3 live workers". */
static void add_each(const wh_reply *flat, wh_buf *out)
{
    int64_t n = wh_cli_explain_number(flat, "workers");

    if (n == 1) {
        wh_buf_adds(out, "the one live worker");
    } else {
        wh_buf_addf(out, "each of the %" PRId64 " live workers", n);
    }
}

/* The live workers by what keeps them from this job. */
typedef struct kinds {
    int64_t live, quiet, lacking, pressed, full;
} kinds;

static kinds kinds_of(const wh_reply *flat)
{
    kinds k = {.live = wh_cli_explain_number(flat, "workers"),
               .quiet = wh_cli_explain_number(flat, "workers_quiet"),
               .pressed = wh_cli_explain_number(flat, "able_pressed"),
               .full = wh_cli_explain_number(flat, "able_full")};
    int64_t claiming = k.live - k.quiet;
    int64_t able = wh_cli_redis_field(flat, "workers_able", claiming);

    k.lacking = able < claiming ? claiming - able : 0;
    return k;
}

/* None is left, and not all are of one kind. */
static bool are_mixed(const kinds *k)
{
    int64_t most = k->quiet;

    most = k->lacking > most ? k->lacking : most;
    most = k->pressed > most ? k->pressed : most;
    most = k->full > most ? k->full : most;
    return most < k->live && k->quiet + k->lacking + k->pressed + k->full == k->live;
}

/* "of 3 live workers 1 is quiet or about to end, 2 have no free slot" */
static void add_kinds(const wh_reply *flat, const kinds *k, wh_buf *out)
{
    const struct {
        int64_t n;
        const char *one, *many, *more;
    } parts[] = {
        {k->quiet, "is", "are", "quiet or about to end"},
        {k->lacking, "has", "have", "no handler for type "},
        {k->pressed, "claims", "claim", "nothing for now"},
        {k->full, "has", "have", "no free slot"},
    };
    const char *before = " ";

    wh_buf_addf(out, "of %" PRId64 " live workers", k->live);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].n == 0) {
            continue;
        }
        wh_buf_addf(out, "%s%" PRId64 " %s %s", before, parts[i].n,
                    parts[i].n == 1 ? parts[i].one : parts[i].many, parts[i].more);
        if (i == 1) {
            wh_buf_adds(out, type_of(flat));
        } else if (i == 2) {
            wh_buf_addf(out, " (%s)", wh_cli_explain_text(flat, "pressure", "?"));
        }
        before = ", ";
    }
}

/* Some of those that claim would fail it or, of a ready one, have no room for it. */
static void add_able(const wh_reply *flat, bool is_ready, wh_buf *out)
{
    kinds k = kinds_of(flat);
    int64_t claiming = k.live - k.quiet, able = claiming - k.lacking;

    if (is_ready && k.pressed + k.full > 0 && k.live > 1) {
        wh_buf_adds(out, "; ");
        add_kinds(flat, &k, out);
    } else if (k.lacking > 0 && !are_mixed(&k)) {
        wh_buf_addf(
            out, "; only %" PRId64 " of %" PRId64 " workers %s a handler for type %s",
            able, claiming, able == 1 ? "has" : "have", type_of(flat));
    }
}

void wh_cli_explain_able(const wh_reply *flat, wh_buf *out)
{
    add_able(flat, false, out);
}

static void add_turn(const wh_reply *flat, bool is_ready, wh_buf *out)
{
    int64_t jobs = wh_cli_redis_field(flat, "ahead_org", -1);
    int64_t orgs = wh_cli_redis_field(flat, "ahead_orgs", -1);
    int64_t wait_ms = wh_cli_redis_field(flat, "wait_ms", -1);
    char human[24];

    add_able(flat, is_ready, out);
    if (jobs > 0) {
        wh_buf_addf(out, "; %" PRId64 " job%s of org %s before it", jobs,
                    jobs == 1 ? " is" : "s are", wh_cli_explain_text(flat, "org", "?"));
    }
    if (orgs > 0) {
        wh_buf_addf(out, "; %" PRId64 " org%s visited first", orgs,
                    orgs == 1 ? " is" : "s are");
    }
    if (wait_ms >= 0) {
        wh_buf_addf(out, "; about %s%s", wh_clock_human(wait_ms, human, sizeof human),
                    is_ready ? "" : " if what runs takes as long as such jobs do");
    }
    wh_cli_explain_rate(flat, type_of(flat), out);
}

/* "; all 8 are in use, 6 of them by other queues (eu:bulk 6)" */
static void add_slots(const wh_cli_explained *e, wh_buf *out)
{
    const wh_cli_fleet *f = &e->fleet;
    kinds k = kinds_of(e->flat);

    wh_buf_adds(out, "waits for a slot: ");
    if (are_mixed(&k)) {
        add_kinds(e->flat, &k, out);
        return;
    }
    wh_buf_addf(out, "all %s are in use", wh_cli_explain_text(e->flat, "slots", "?"));
    if (f->elsewhere > 0) {
        wh_buf_addf(out, ", %" PRId64 " of them by other queues (%s %" PRId64 "%s)",
                    f->elsewhere, f->name, f->most,
                    f->most < f->elsewhere ? ", ..." : "");
    }
}

static void add_ready(const wh_reply *flat, wh_buf *out)
{
    const char *org = wh_cli_explain_fact(flat, "kept_for");

    if (org != NULL) {
        wh_buf_addf(out,
                    "waits for its turn: what its type admits next is kept for org %s, "
                    "whose turn it is, for %s ms at most",
                    org, wh_cli_explain_text(flat, "kept_ms", "?"));
    } else {
        wh_buf_adds(out, "waits for its turn: nothing holds it");
        add_turn(flat, true, out);
    }
}

/* Nobody lives. */
static bool add_nobody(const wh_cli_explained *e, wh_buf *out)
{
    int64_t n = wh_cli_explain_number(e->flat, "workers_lost");

    if (strcmp(e->reason, "no_worker") == 0) {
        wh_buf_addf(out, "waits because no live worker serves %s", e->where->name);
    } else if (strcmp(e->reason, "workers_lost") == 0) {
        wh_buf_addf(out,
                    "waits because no worker is alive: the lease%s of %" PRId64
                    " ran out (crashed, frozen, or away from Redis)",
                    n == 1 ? "" : "s", n);
    } else {
        return false;
    }
    return true;
}

/* Those that live take nothing. */
static bool add_unwilling(const wh_reply *flat, const char *reason, wh_buf *out)
{
    int64_t ms = wh_cli_redis_field(flat, "until_ms", -1);
    kinds k = kinds_of(flat);
    char human[24];
    bool is_handler = strcmp(reason, "no_handler") == 0;
    bool is_quiet = strcmp(reason, "workers_quiet") == 0;

    if (!is_handler && !is_quiet && strcmp(reason, "backpressure") != 0) {
        return false;
    }
    if (are_mixed(&k)) {
        wh_buf_adds(out, "waits because no live worker takes it: ");
        add_kinds(flat, &k, out);
    } else if (is_handler) {
        wh_buf_addf(out, "waits because no live worker has a handler for type %s",
                    type_of(flat));
    } else {
        wh_buf_adds(out, "waits because ");
        add_each(flat, out);
        wh_buf_addf(out,
                    is_quiet ? " is quiet or about to end%s"
                             : " claims nothing for now (%s)",
                    is_quiet ? "" : wh_cli_explain_text(flat, "pressure", "?"));
    }
    if (is_handler && ms >= 0) {
        wh_buf_addf(out, " (tried again in %s)",
                    wh_clock_human(ms, human, sizeof human));
    }
    return true;
}

bool wh_cli_explain_workers(const wh_cli_explained *e, wh_buf *out)
{
    if (strcmp(e->reason, "ready") == 0) {
        add_ready(e->flat, out);
    } else if (strcmp(e->reason, "no_slot") == 0) {
        add_slots(e, out);
        add_turn(e->flat, false, out);
    } else if (!add_nobody(e, out)) {
        return add_unwilling(e->flat, e->reason, out);
    }
    return true;
}
