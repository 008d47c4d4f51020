/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations about limits and explanations (lua_model_cron.c: schedules).
 */
#include "tests/support/lua_model_run.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SETTINGS = 7 };

/* --------------------------------------------------------------- limits */

struct setting {
    char name[WH_LM_SETTING_LEN], value[64];
};

/* The three orgs with most jobs, or each org. */
static const char *org_of(struct wh_lmr *run)
{
    static const char *const names[] = {"o00", "o01", "o02", "*"};

    return names[wh_lmr_random(run, 4)];
}

static const char *type_of(struct wh_lmr *run, bool any)
{
    unsigned t = wh_lmr_random(run, WH_LM_TYPES + (any ? 1 : 0));

    return t < WH_LM_TYPES ? wh_lm_types[t] : "*";
}

/* A pace of 20 ms or more. */
static void choose_rate(struct wh_lmr *run, struct setting *s)
{
    static const unsigned periods[] = {100, 300, 1000, 3000};
    unsigned scope = wh_lmr_random(run, 9);

    if (scope == 0) {
        snprintf(s->name, sizeof s->name, "rate:queue");
    } else if (scope < 3) {
        snprintf(s->name, sizeof s->name, "rate:org/%s", org_of(run));
    } else if (scope < 6) {
        snprintf(s->name, sizeof s->name, "rate:type/%s", type_of(run, true));
    } else {
        snprintf(s->name, sizeof s->name, "rate:org/%s/type/%s", org_of(run),
                 type_of(run, false));
    }
    snprintf(s->value, sizeof s->value, "%u/%u/%u", 1 + wh_lmr_random(run, 5),
             periods[wh_lmr_random(run, 4)], 1 + wh_lmr_random(run, 12));
}

static void choose_cap(struct wh_lmr *run, struct setting *s)
{
    unsigned scope = wh_lmr_random(run, 9);

    if (scope == 0) {
        snprintf(s->name, sizeof s->name, "active:queue");
        snprintf(s->value, sizeof s->value, "%u", 5 + wh_lmr_random(run, 60));
        return;
    }
    if (scope < 3) {
        snprintf(s->name, sizeof s->name, "active:org/%s", org_of(run));
    } else if (scope < 6) {
        snprintf(s->name, sizeof s->name, "active:type/%s", type_of(run, true));
    } else if (scope < 8) {
        snprintf(s->name, sizeof s->name, "active:group");
    } else {
        snprintf(s->name, sizeof s->name, "active:org/o0%u/group/g%u",
                 wh_lmr_random(run, 3), 1 + wh_lmr_random(run, WH_LM_GROUPS - 1));
    }
    snprintf(s->value, sizeof s->value, "%u",
             1 + wh_lmr_random(run, wh_lmr_chance(run, 50) ? 3 : 15));
}

static void choose_quota(struct wh_lmr *run, struct setting *s)
{
    const char *what = wh_lmr_chance(run, 50) ? "jobs" : "bytes";
    bool all = wh_lmr_chance(run, 40);
    unsigned n = (all ? 60 : 10) + wh_lmr_random(run, all ? 150 : 40);

    if (all && wh_lmr_chance(run, 20)) { /* there is no maxmemory: never over it */
        snprintf(s->name, sizeof s->name, "memory:queue");
        snprintf(s->value, sizeof s->value, "%u", 1 + wh_lmr_random(run, 100));
        return;
    }
    snprintf(s->name, sizeof s->name, all ? "%s:queue" : "%s:org/%s", what,
             org_of(run));
    snprintf(s->value, sizeof s->value, "%u", what[0] == 'b' ? 60 * n : n);
}

static void choose_breaker(struct wh_lmr *run, struct setting *s)
{
    static const unsigned windows[] = {100, 1000, 5000};
    static const unsigned cooldowns[] = {20, 300, 1500};

    if (wh_lmr_chance(run, 30)) {
        snprintf(s->name, sizeof s->name, "adaptive:type/%s", type_of(run, false));
        snprintf(s->value, sizeof s->value, "%u/%u/%u", 1 + wh_lmr_random(run, 5),
                 20 + wh_lmr_random(run, 30), 1 + wh_lmr_random(run, 20));
        return;
    }
    snprintf(s->name, sizeof s->name, "breaker:type/%s", type_of(run, true));
    snprintf(s->value, sizeof s->value, "%u/%u/%u/%u/%u", 10 + wh_lmr_random(run, 60),
             1 + wh_lmr_random(run, 8), windows[wh_lmr_random(run, 3)],
             cooldowns[wh_lmr_random(run, 3)], 1 + wh_lmr_random(run, 4));
}

static void choose_setting(struct wh_lmr *run, struct setting *s)
{
    const struct wh_lm_limits *l = &run->m.limits;
    unsigned what = wh_lmr_random(run, 20);

    s->value[0] = '\0';
    if (l->n > 0 && (l->n >= SETTINGS || wh_lmr_chance(run, 40))) {
        memcpy(s->name, l->name[wh_lmr_random(run, l->n)], sizeof s->name);
    } else if (what < 6) {
        choose_rate(run, s);
    } else if (what < 12) {
        choose_cap(run, s);
    } else if (what < 14) {
        choose_quota(run, s);
    } else if (what < 18) {
        choose_breaker(run, s);
    } else {
        snprintf(s->value, sizeof s->value, "1");
        if (what == 18) {
            snprintf(s->name, sizeof s->name, "pause:org/o0%u", wh_lmr_random(run, 3));
        } else {
            snprintf(s->name, sizeof s->name, "pause:type/%s", type_of(run, false));
        }
    }
}

static void refuse_bad_setting(struct wh_lmr *run)
{
    static const char *const bad[] = {
        "rate:queue 0/1/1",      "rate:group 1/1/1", "active:memory 1",
        "pause:org/* 1",         "jobs:type/mail 5", "breaker:queue 1/1/100/1/1",
        "adaptive:type/* 1/2/1", "memory:queue 101", "active:org/a/group/ 1",
        "active:queue"};

    redisReply *r = wh_lmr_words(run, "wh1_limit", true, bad[wh_lmr_random(run, 10)]);
    wh_lmr_is_error(r, "WHBADARG ");
    freeReplyObject(r);
}

static void add_setting(struct wh_lmr *run, struct wh_lc_args *a,
                        const struct setting *s, char *text, size_t size)
{
    if (!wh_lm_set_limit(&run->m.limits, (double)run->m.now, s->name, s->value)) {
        fail_msg("the model knows no setting %s", s->name);
    }
    wh_lc_add_text(a, "%s", s->name);
    wh_lc_add_text(a, "%s", s->value);
    snprintf(text + strlen(text), size - strlen(text), " %s %s", s->name, s->value);
}

/* Before a setting changes, and before its reason is asked for: who cut which bucket so far? */
static void look_at_rates(struct wh_lmr *run)
{
    static const struct wh_lm_spent none;
    struct wh_lm_snap snap;
    struct wh_lc_args a = {0};

    freeReplyObject(wh_lmr_see(run, "wh1_limits", &a, &snap));
    if (!wh_lm_adopt_cuts(&run->m.limits, &snap.tat, &none)) {
        fail_msg("a bucket is not what it can be");
    }
}

void wh_lmr_limit(struct wh_lmr *run)
{
    unsigned count = wh_lmr_chance(run, 80) ? 1 : 1 + wh_lmr_random(run, 4);
    bool all = run->m.limits.n > 0 && wh_lmr_chance(run, 6); /* none any more */
    struct wh_lc_args a = {0};
    struct wh_lm_snap snap;
    struct setting s;
    char text[200] = "";

    if (wh_lmr_chance(run, 4)) {
        wh_lmr_note(run, "limit, a bad one");
        refuse_bad_setting(run);
        return;
    }
    look_at_rates(run);
    for (unsigned i = 0; all ? run->m.limits.n > 0 : i < count; i++) {
        if (all) {
            s.value[0] = '\0';
            memcpy(s.name, run->m.limits.name[0], sizeof s.name);
        } else {
            choose_setting(run, &s);
        }
        add_setting(run, &a, &s, text, sizeof text);
    }
    wh_lm_settle_limits(&run->m.limits);
    wh_lmr_note(run, "limit%s", text);
    run->no_events = true;
    redisReply *r = wh_lmr_call_seen(run, "wh1_limit", &a, true, &snap);
    run->no_events = false;
    assert_string_equal(r->str, "OK");
    wh_lm_look(&run->m, &snap); /* a new cap says what becomes of those set aside */
    freeReplyObject(r);
}

void wh_lmr_storm(struct wh_lmr *run)
{
    static const unsigned cooldowns[] = {5, 20, 100};
    struct wh_lc_args a = {0};
    struct setting s;
    char text[200] = "";

    look_at_rates(run);
    snprintf(s.name, sizeof s.name, "breaker:type/%s",
             wh_lmr_chance(run, 60) ? "*" : type_of(run, true));
    snprintf(s.value, sizeof s.value, "%u/%u/1000/%u/%u", 1 + wh_lmr_random(run, 60),
             1 + wh_lmr_random(run, 3), cooldowns[wh_lmr_random(run, 3)],
             2 + wh_lmr_random(run, 5));
    add_setting(run, &a, &s, text, sizeof text);
    wh_lm_settle_limits(&run->m.limits);
    run->storm = run->op + 40 + wh_lmr_random(run, 80);
    wh_lmr_note(run, "storm until %lu:%s", run->storm, text);
    run->no_events = true;
    redisReply *r = wh_lmr_call(run, "wh1_limit", &a, true);
    run->no_events = false;
    assert_string_equal(r->str, "OK");
    freeReplyObject(r);
}

/* Those that it does not list are closed. */
void wh_lmr_check_breakers(const struct wh_lmr *r)
{
    redisReply *list = wh_lc_call("wh1_limits", "");

    wh_lmr_is_array(list);
    for (unsigned t = 0; t < WH_LM_TYPES; t++) {
        char field[32];
        snprintf(field, sizeof field, "state:type/%s", wh_lm_types[t]);
        const redisReply *said = wh_lc_find(list, field);
        const char *want = wh_lm_breaker_text(&r->m.limits, (double)r->m.now, t);
        const char *is = said != NULL ? said->str : want != NULL ? "closed" : "none";
        if (strcmp(is, want != NULL ? want : "none") != 0) {
            fail_msg("the breaker of %s is %s, the model says %s", wh_lm_types[t], is,
                     want != NULL ? want : "none");
        }
    }
    freeReplyObject(list);
}

/* The first job of the group as Redis says it, n when it says none; checked. What was given back
 * or recovered in one call came to the head in an order that the model does not know; what may
 * stand aside, where Redis says no first one, is let pass. */
static unsigned first_of_group(struct wh_lmr *run, unsigned n, const redisReply *r)
{
    const redisReply *said = wh_lc_find(r, "group_first");
    const struct wh_lm_stand *stand = run->m.stand;
    unsigned first = n;

    if (run->m.job[n].state != WH_LM_READY || !wh_lm_keeps_order(&run->m, n)) {
        assert_null(said);
        assert_null(wh_lc_find(r, "group_at"));
        return n;
    }
    if (stand[n].unsure && wh_lc_find(r, "group_at") == NULL) {
        return n;
    }
    assert_non_null(wh_lc_find(r, "group_at"));
    for (unsigned i = 0; i < WH_LM_JOBS && said != NULL; i++) {
        first = strcmp(said->str, wh_lc_id(i)) == 0 ? i : first;
    }
    if ((said != NULL) != (first != n) || run->m.job[first].state != WH_LM_READY ||
        !wh_lm_same_place(&stand[first], &stand[n])) {
        fail_msg("explain %u: the first of its group is %u?", n, first);
    }
    for (unsigned i = 0; i < WH_LM_JOBS; i++) {
        if (run->m.job[i].state == WH_LM_READY && !stand[i].fresh &&
            !stand[first].fresh && wh_lm_same_place(&stand[i], &stand[n]) &&
            stand[i].rank < stand[first].rank) {
            fail_msg("explain %u: %u stands before %u, the first of its group", n, i,
                     first);
        }
    }
    return first;
}

/* Of one that is due: what would hold it, were it back already. NULL: it does not wait. */
static const char *reason_of(struct wh_lmr *run, unsigned n, unsigned first)
{
    const struct wh_lm_job *j = &run->m.job[n];
    const char *held = "ready";

    if (j->state != WH_LM_READY && j->state != WH_LM_DELAYED) {
        return NULL;
    }
    if (j->state == WH_LM_READY || j->due <= run->m.now) {
        held = wh_lm_reason(&run->m, n, first);
    }
    if (j->state == WH_LM_READY || strcmp(held, "ready") != 0) {
        return held;
    }
    return j->put_off        ? "last_chance"
           : j->not_started  ? "not_started"
           : j->snoozed      ? "snoozed"
           : j->attempts > 0 ? "retry"
                             : "delayed";
}

void wh_lmr_explain(struct wh_lmr *run)
{
    unsigned n = wh_lmr_chance(run, 70) ? wh_lmr_pick_in(run, WH_LM_READY)
                                        : wh_lmr_random(run, WH_LM_JOBS);
    const struct wh_lm_job *j = &run->m.job[n];

    wh_lmr_note(run, "explain %u", n);
    look_at_rates(run);
    redisReply *r = wh_lc_call("wh1_explain", "%s", wh_lc_id(n));
    if (j->state == WH_LM_NONE || j->state == WH_LM_TOMB) {
        wh_lmr_is_error(r, "WHNOTFOUND ");
        freeReplyObject(r);
        return;
    }
    wh_lmr_is_array(r);
    const redisReply *reason = wh_lc_find(r, "reason"),
                     *ahead = wh_lc_find(r, "ahead_org");
    unsigned first = first_of_group(run, n, r);
    const char *want = reason_of(run, n, first);
    const char *said = reason == NULL                            ? "none"
                       : strcmp(reason->str, "retry_after") == 0 ? "type_rate"
                                                                 : reason->str;
    if (strcmp(said, want != NULL ? want : "none") != 0) {
        fail_msg("explain %u: %s, the model says %s", n, said,
                 want != NULL ? want : "none");
    }
    if (j->state == WH_LM_READY) {
        const redisReply *ready = wh_lc_find(r, "org_ready");
        assert_non_null(ahead);
        assert_non_null(ready);
        assert_true(strtol(ahead->str, NULL, 10) < strtol(ready->str, NULL, 10));
    }
    freeReplyObject(r);
}
