/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every key of a partition overwritten with a wrong type, against every function: it either
 * refuses with WHBADDATA and has not changed one byte, or does its work without losing a job.
 */
#include "tests/support/lua_case.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The keys that every change needs: nothing changes while one of them is wrong. */
static const char *const needed[] = {
    "jobs", "meta",    "levels", "weights", "info", "active", "stats",  "ctl",
    "ring", "delayed", "expiry", "workers", "idle", "done",   "dlq",    "events",
    "left", "parked",  "cronat", "cron",    "load", "types",  "queued", "limits"};
/* One worker, job or org only. */
static const char *const partial[] = {"ready:acme:5", "run:w",        "run:lost",
                                      "command:w",    "bell:w",       "bell:scheduler",
                                      "log",          "unique:acme:k"};

struct change {
    const char *fn;
    const char
        *args; /* T: token of job 1, held by w; I: job ids 1…9 as I1…I9; @: empty */
};

static const struct change changes[] = {
    {"wh1_enqueue", "mail p ORG acme KEY k"},
    {"wh1_enqueue", "mail p ORG acme ID I0"},
    {"wh1_enqueue", "mail p ORG new"},
    {"wh1_enqueue", "mail p ORG acme DELAY 1 EXPIRES 5"},
    {"wh1_cycle", "w 10 0"},
    {"wh1_cycle", "w 10 1 T"},
    {"wh1_cycle", "w 0 0 T retry 0 @ @ @ @"},
    {"wh1_cycle", "w 0 0 T retry 5 @ @ @ @"},
    {"wh1_cycle", "w 10 0 T dead 0 @ @ @ @"},
    {"wh1_cycle", "w 10 0 T release 0 @ @ @ @"},
    {"wh1_heartbeat", "w 9000 renew info T 5 half LOG T line"},
    {"wh1_heartbeat", "new 9000 new info"},
    {"wh1_heartbeat", "w 9000 bye @"},
    {"wh1_resync", "w"},
    {"wh1_promote", "10"},
    {"wh1_recover", "10"},
    {"wh1_expire", "10"},
    {"wh1_trim", "10"},
    {"wh1_cancel", "I1"},
    {"wh1_cancel", "I2"},
    {"wh1_cancel", "I3"},
    {"wh1_retry", "I3"},
    {"wh1_retry", "I4"},
    {"wh1_retry", "I5"},
    {"wh1_dlq_replay", "- 10"},
    {"wh1_dlq_purge", "- 10"},
    {"wh1_pause", ""},
    {"wh1_resume", ""},
    {"wh1_configure", "keep_ms 5"},
    {"wh1_weight", "acme 3"},
    {"wh1_quiet", "w"},
    {"wh1_limit", "active:org/acme 1"},
    {"wh1_cron_set", "nightly def 5"},
    {"wh1_cron_fire", "nightly 5 6"},
    {"wh1_cron_fire_batch", "nightly 5 6 def 0"},
};

static const struct change reads[] = {
    {"wh1_job", "I1"},
    {"wh1_job", "I4"},
    {"wh1_jobs", "pending - 10"},
    {"wh1_jobs", "scheduled - 10"},
    {"wh1_jobs", "in_progress - 10"},
    {"wh1_jobs", "completed - 10"},
    {"wh1_jobs", "failed - 10"},
    {"wh1_log", "I1"},
    {"wh1_dlq_list", "- 10"},
    {"wh1_stats", ""},
    {"wh1_workers", ""},
    {"wh1_orgs", "0 10"},
    {"wh1_usage", "10"},
    {"wh1_audit", "1000"},
    {"wh1_limits", ""},
    {"wh1_explain", "I2"},
    {"wh1_cron_list", ""},
};

static redisReply *run(const struct change *c)
{
    struct wh_lc_args a = {0};
    char words[256];
    char *save = NULL;

    snprintf(words, sizeof words, "%s", c->args);
    for (char *w = strtok_r(words, " ", &save); w != NULL;
         w = strtok_r(NULL, " ", &save)) {
        if (strcmp(w, "T") == 0) {
            wh_lc_add(&a, wh_lc_token(1, 1), 17);
        } else if (w[0] == 'I' && w[1] >= '0' && w[1] <= '9') {
            wh_lc_add_text(&a, "%s", wh_lc_id((unsigned)(w[1] - '0')));
        } else {
            wh_lc_add_text(&a, "%s", strcmp(w, "@") == 0 ? "" : w);
        }
    }
    return wh_lc_call_args(c->fn, &a);
}

/* 1 runs at w, 2 is pending, 3 delayed, 4 dead, 5 cancelled, 6 done, 7 runs at a lost worker,
 * 8 is due, 9 overdue; all of org acme. */
static void prepare(void)
{
    wh_lc_reset(NULL);
    wh_lc_worker("lost");
    wh_lc_enqueue(7, "ORG acme");
    wh_lc_claim("lost", 1, "7");
    wh_lc_advance(29000);
    wh_lc_worker("w");
    wh_lc_enqueue(4, "ORG acme");
    wh_lc_enqueue(6, "ORG acme");
    wh_lc_enqueue(1, "ORG acme");
    wh_lc_claim("w", 3, "4 6 1");
    wh_lc_dead("w", 4, "invalid");
    wh_lc_done("w", 6, 1, true);
    wh_lc_ok("wh1_heartbeat", "w 30000 renew i LOG %b line", WH_LC_TOK(1, 1));
    wh_lc_enqueue(2, "ORG acme");
    wh_lc_enqueue(3, "ORG acme DELAY 100000 KEY other");
    wh_lc_enqueue(5, "ORG acme");
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(5));
    wh_lc_enqueue(8, "ORG acme DELAY 1000");
    wh_lc_enqueue(9, "ORG acme EXPIRES 1000");
    wh_lc_ok("wh1_weight", "other 2");
    wh_lc_ok("wh1_configure", "keep_count 100");
    wh_lc_advance(1000);
    wh_lc_audit();
}

static void key_of(const char *name, char *key, size_t size)
{
    if (strcmp(name, "log") == 0) {
        snprintf(key, size, WH_LC_P ":log:%s", wh_lc_id(1));
    } else {
        snprintf(key, size, WH_LC_P ":%s", name);
    }
}

static void poison(const char *key)
{
    /* P:unique:acme:k is a string by nature */
    int string = strstr(key, ":unique:") != NULL;

    freeReplyObject(wh_lc_cmd("DEL %s", key));
    freeReplyObject(string ? wh_lc_cmd("RPUSH %s x", key) : wh_lc_cmd("SET %s x", key));
}

/* Returns whether the function refused. */
static int check(const struct change *c, const char *key)
{
    char before[41], after[41];

    wh_lc_digest(before);
    redisReply *r = run(c);
    int refused = r->type == REDIS_REPLY_ERROR;
    if (refused && strncmp(r->str, "WHBADDATA ", 10) != 0) {
        fail_msg("%s %s, %s poisoned: %s", c->fn, c->args, key, r->str);
    }
    freeReplyObject(r);
    if (refused) {
        wh_lc_digest(after);
        if (strcmp(before, after) != 0) {
            fail_msg("%s %s, %s poisoned: refused, but changed data", c->fn, c->args,
                     key);
        }
    }
    return refused;
}

static int is_one_of(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(name, names[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

/* A cycle, and new jobs, do not look at what they never touch, or only count in. */
static int may_do_without(const struct change *c, const char *name)
{
    static const char *const of_cycle[] = {"stats", "cron"};
    static const char *const of_enqueue[] = {"meta",  "weights", "info",   "active",
                                             "stats", "dlq",     "events", "cron",
                                             "load",  "types",   "limits"};

    if (strcmp(c->fn, "wh1_cycle") == 0) {
        return is_one_of(name, of_cycle, sizeof of_cycle / sizeof of_cycle[0]);
    }
    return strcmp(c->fn, "wh1_enqueue") == 0 &&
           is_one_of(name, of_enqueue, sizeof of_enqueue / sizeof of_enqueue[0]);
}

static void a_needed_key_stops_every_change(void **state)
{
    char key[128];

    (void)state;
    for (size_t k = 0; k < sizeof needed / sizeof needed[0]; k++) {
        prepare();
        key_of(needed[k], key, sizeof key);
        poison(key);
        for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
            if (check(&changes[i], key)) {
                continue;
            }
            if (!may_do_without(&changes[i], needed[k])) {
                fail_msg("%s should refuse, %s is poisoned", changes[i].fn, key);
            }
            prepare(); /* it did its work: begin again */
            poison(key);
        }
        for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
            check(&reads[i], key);
        }
    }
}

/* What must not be lost, whatever happened. */
static void check_jobs(const struct change *c, const char *key)
{
    char type[32];

    for (unsigned n = 1; n <= 9; n++) {
        redisReply *r = wh_lc_cmd("HGET " WH_LC_P ":jobs %b", WH_LC_RAW(n));
        int gone = r->type == REDIS_REPLY_NIL;
        freeReplyObject(r);
        if (gone && !(strcmp(c->fn, "wh1_dlq_purge") == 0 && n == 4)) {
            fail_msg("%s %s, %s poisoned: job %u is lost", c->fn, c->args, key, n);
        }
    }
    redisReply *r = wh_lc_cmd("TYPE %s", key);
    snprintf(type, sizeof type, "%s", r->str);
    freeReplyObject(r);
    if (strcmp(type, "none") == 0 || strstr(key, ":run:") != NULL ||
        strstr(key, "ready") != NULL) {
        return; /* what it held before is lost with it */
    }
    freeReplyObject(wh_lc_cmd("DEL %s", key));
    wh_lc_audit();
}

static void one_wrong_key_loses_nothing_else(void **state)
{
    char key[128];

    (void)state;
    for (size_t k = 0; k < sizeof partial / sizeof partial[0]; k++) {
        for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
            prepare();
            key_of(partial[k], key, sizeof key);
            poison(key);
            check(&changes[i], key);
            check_jobs(&changes[i], key);
        }
        for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
            check(&reads[i], key);
        }
    }
}

/* One org's list must not stop the others, nor time. */
static void other_orgs_go_on(void **state)
{
    (void)state;
    prepare();
    poison(WH_LC_P ":ready:acme:5");
    wh_lc_enqueue(20, "ORG good");
    wh_lc_enqueue(21, "ORG good DELAY 5");
    wh_lc_advance(5);
    wh_lc_claim("w", 10, "20 21");
    wh_lc_status(8, "scheduled"); /* due, but put off */
    wh_lc_status(7, "in_progress");
    wh_lc_error("WHBADDATA", "wh1_cycle", "w 0 1 %b %b retry 0 %s %s %s %s",
                WH_LC_TOK(20, 1), WH_LC_TOK(1, 1), "", "", "", "");
    wh_lc_done("w", 20, 1, true);
    wh_lc_done("w", 1, 1, true);
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":ready:acme:5"));
    wh_lc_ok("wh1_recover", "10");
    wh_lc_status(7, "pending");
    wh_lc_ok("wh1_heartbeat", "w 100000 renew %s", "");
    wh_lc_advance(60000);
    wh_lc_claim("w", 10, "7 8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(a_needed_key_stops_every_change),
        WH_LC_TEST(one_wrong_key_loses_nothing_else),
        WH_LC_TEST(other_orgs_go_on),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
