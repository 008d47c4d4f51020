/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that groups, deadlines and limits add, each overwritten with a wrong type, against
 * every function that may meet it: refused without a change, or done without losing a job of
 * anybody else.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { JOBS = 12 };

static const char *const keys[] = {
    "turns:sms",      "held:acme:sms",   "groups:acme:5",  "ready:acme:5:g",
    "soonest:acme:5", "aside:acme:sms",  "waiting:sms",    "breaker:mail",
    "breaker:sms",    "ratelimit:acme:", "ratelimit::sms", "ratelimit::",
    "ready:acme:5",   "kept::sms",       "kept:acme:sms",  "ready:zeta:5"};

struct change {
    const char *fn, *args; /* T<n>: token of job n; I<n>: its id; @: empty */
};

static const struct change changes[] = {
    {"wh1_enqueue", "mail p ORG acme GROUP g ID I40"},
    {"wh1_enqueue", "mail p ORG acme GROUP new ID I40"},
    {"wh1_enqueue", "mail p ORG acme EXPIRES 5000 ID I40"},
    {"wh1_enqueue", "sms p ORG acme ID I40"},
    {"wh1_enqueue", "mail p ORG acme KEY k2 CONFLICT replace ID I40"},
    {"wh1_enqueue", "mail p ORG acme KEY k2 CONFLICT keep_last ID I40"},
    {"wh1_cycle", "w 1 0"},
    {"wh1_cycle", "w 100 0"},
    {"wh1_cycle", "w 100 1 T1"},
    {"wh1_cycle", "w 100 0 T1 retry 0 timeout @ @ @"},
    {"wh1_cycle", "w 100 0 T2 release 0 @ @ @ @"},
    {"wh1_cycle", "w 100 0 T3 retry 0 error @ @ @"},
    {"wh1_cycle", "w 100 0 T2 snooze 100 rate_limited @ @ @"},
    {"wh1_cycle", "w 0 0 T1 dead 0 error @ @ @ T2 dead 0 error @ @ @"},
    {"wh1_heartbeat", "w 9000 bye @"},
    {"wh1_resync", "w"},
    {"wh1_promote", "10"},
    {"wh1_expire", "10"},
    {"wh1_limit", "pause:type/sms @"},
    {"wh1_limit", "active:group 1 rate:queue @ rate:org/acme @"},
    {"wh1_limit", "breaker:type/* @ rate:type/sms @"},
    {"wh1_cancel", "I5"},
    {"wh1_cancel", "I6"},
    {"wh1_cancel", "I8"},
    {"wh1_retry", "I9"},
    {"wh1_pause", ""},
    {"wh1_explain", "I5"},
    {"wh1_explain", "I8"},
    {"wh1_limits", ""},
    {"wh1_jobs", "pending 0 100"},
    {"wh1_stats", ""},
    {"wh1_orgs", "0 100"},
    {"wh1_usage", "10"},
    {"wh1_audit", "1000"},
};

static void add_word(struct wh_lc_args *a, const char *w)
{
    if (w[0] == 'T' && w[1] >= '1' && w[1] <= '9') {
        wh_lc_add(a, wh_lc_token((unsigned)atoi(w + 1), 1), 17);
    } else if (w[0] == 'I' && w[1] >= '1' && w[1] <= '9') {
        wh_lc_add_text(a, "%s", wh_lc_id((unsigned)atoi(w + 1)));
    } else {
        wh_lc_add_text(a, "%s", strcmp(w, "@") == 0 ? "" : w);
    }
}

static redisReply *run(const struct change *c)
{
    struct wh_lc_args a = {0};
    char words[256];
    char *save = NULL;

    snprintf(words, sizeof words, "%s", c->args);
    for (char *w = strtok_r(words, " ", &save); w != NULL;
         w = strtok_r(NULL, " ", &save)) {
        add_word(&a, w);
    }
    return wh_lc_call_args(c->fn, &a);
}

/* 1 plain, 2 by deadline and 3 of a group run; 4 is plain and has a key; 5 and 6 of a group and
 * 7 by deadline wait; 8 is set aside; 9 delayed; 10 to 12 are another org's, last in the ring. */
static void prepare(void)
{
    wh_lc_reset(NULL);
    wh_lc_worker("w");
    wh_lc_ok("wh1_configure", "order deadline");
    wh_ll_set("active:group", "2");
    wh_ll_set("rate:org/acme", "100/3600000/100");
    wh_ll_set("rate:queue", "100/3600000/100");
    wh_ll_set("breaker:type/*", "50/100/5000/1000/2");
    wh_ll_set("rate:type/sms", "100/3600000/100");
    wh_ll_put(1, "mail", "ORG acme");
    wh_lc_claim("w", 1, "1");
    wh_ll_put(2, "mail", "ORG acme EXPIRES 900000");
    wh_lc_claim("w", 1, "2");
    wh_ll_put(3, "mail", "ORG acme GROUP g");
    wh_lc_claim("w", 1, "3");
    wh_ll_set("pause:type/sms", "1");
    wh_ll_put(8, "sms", "ORG acme");
    wh_lc_claim("w", 1, "");
    wh_ll_put(4, "mail", "ORG acme KEY k2");
    wh_ll_put(5, "mail", "ORG acme GROUP g");
    wh_ll_put(6, "mail", "ORG acme GROUP g");
    wh_ll_put(7, "mail", "ORG acme EXPIRES 900000");
    wh_ll_put(9, "mail", "ORG acme DELAY 90000");
    for (unsigned n = 10; n <= JOBS; n++) {
        wh_ll_put(n, "mail", n < 12 ? "ORG zeta" : "ORG zeta GROUP z");
    }
    wh_lc_audit();
}

static void poison(const char *key)
{
    bool is_text = strstr(key, "ratelimit") != NULL;

    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":%s", key));
    freeReplyObject(is_text ? wh_lc_cmd("RPUSH " WH_LC_P ":%s x", key)
                            : wh_lc_cmd("SET " WH_LC_P ":%s x", key));
}

static bool is_known(unsigned n)
{
    redisReply *r = wh_lc_cmd("HGET " WH_LC_P ":jobs %b", WH_LC_RAW(n));
    bool known = r->type == REDIS_REPLY_STRING;

    freeReplyObject(r);
    return known;
}

/* Ids in P:run:w. */
static bool runs(unsigned n, unsigned fence)
{
    return wh_lc_count("HEXISTS " WH_LC_P ":run:w %b", WH_LC_TOK(n, fence)) == 1;
}

/* The key is gone: whoever it did not hold is in one place, and comes to run. */
static void check_rest(const struct change *c, const char *key)
{
    redisReply *r = wh_lc_call("wh1_audit", "1000");

    for (size_t i = 1; i < r->elements; i++) {
        for (unsigned n = 10; n <= JOBS; n++) {
            if (strstr(key, "zeta") == NULL &&
                strstr(r->element[i]->str, wh_lc_id(n)) != NULL) {
                fail_msg("%s %s, %s poisoned: %s", c->fn, c->args, key,
                         r->element[i]->str);
            }
        }
        if (strstr(r->element[i]->str, "active of") != NULL ||
            strstr(r->element[i]->str, "load of") != NULL ||
            strstr(r->element[i]->str, "stands in run") != NULL) {
            fail_msg("%s %s, %s poisoned: %s", c->fn, c->args, key, r->element[i]->str);
        }
    }
    freeReplyObject(r);
}

static void check(const struct change *c, const char *key)
{
    char before[41], after[41];

    prepare();
    poison(key);
    wh_lc_digest(before);
    redisReply *r = run(c);
    if (r->type == REDIS_REPLY_ERROR) {
        if (strncmp(r->str, "WHBADDATA ", 10) != 0) {
            fail_msg("%s %s, %s poisoned: %s", c->fn, c->args, key, r->str);
        }
        wh_lc_digest(after);
        if (strcmp(before, after) != 0) {
            fail_msg("%s %s, %s poisoned: refused, but changed data", c->fn, c->args,
                     key);
        }
    }
    freeReplyObject(r);
    for (unsigned n = 1; n <= JOBS; n++) {
        if (!is_known(n)) {
            fail_msg("%s %s, %s poisoned: job %u is lost", c->fn, c->args, key, n);
        }
    }
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":%s", key));
    check_rest(c, key);
}

static void one_wrong_key_loses_nothing_else(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
            check(&changes[i], keys[k]);
        }
    }
}

/* The other org is served beside each of them, at once. */
static void the_other_org_goes_on(void **state)
{
    (void)state;
    for (size_t k = 0; k + 1 < sizeof keys / sizeof keys[0]; k++) {
        prepare();
        poison(keys[k]);
        for (unsigned i = 0; i < 3; i++) {
            redisReply *r = wh_lc_call("wh1_cycle", "w 100 0");

            if (r->type == REDIS_REPLY_ERROR) {
                fail_msg("%s poisoned: %s", keys[k], r->str);
            }
            freeReplyObject(r);
        }
        for (unsigned n = 10; n <= JOBS; n++) {
            if (!runs(n, 1)) {
                fail_msg("%s poisoned: job %u of another org does not run", keys[k], n);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(one_wrong_key_loses_nothing_else),
        WH_LC_TEST(the_other_org_goes_on),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
