/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything at once, at random: settings come and go while jobs of all kinds are enqueued,
 * claimed, ended in every way, lost, cancelled and replaced. After each step the audit is
 * clean; in the end, with no setting or with those that are left, all work gets done.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORKERS = 3, STEPS = 250, MAX_HELD = 2048 };

static const char *const orgs[] = {"a", "b", "c"};
static const char *const types[] = {"mail", "sms", "push"};
static const char *const options[] = {"",
                                      "",
                                      "PRIORITY 8",
                                      "GROUP x",
                                      "GROUP y",
                                      "DELAY 300",
                                      "EXPIRES 900",
                                      "GROUP x PRIORITY 8",
                                      "KEY k1 CONFLICT keep_last",
                                      "KEY k2 UNIQUE done CONFLICT replace",
                                      "KEY k3 UNIQUE queued"};

struct setting {
    const char *name, *value;
    bool blocks; /* nothing of it runs while it is there */
};
static const struct setting settings[] = {
    {"pause:org/a", "1", true},
    {"pause:type/sms", "1", true},
    {"pause:type/mail", "1", true},
    {"active:queue", "9", false},
    {"active:org/*", "5", false},
    {"active:org/b", "1", false},
    {"active:type/mail", "2", false},
    {"active:type/*", "6", false},
    {"active:group", "1", false},
    {"active:org/a/group/x", "2", false},
    {"rate:queue", "20/1000/20", false},
    {"rate:org/*", "9/1000/5", false},
    {"rate:type/sms", "5/1000/1", false},
    {"rate:org/*/type/push", "5/1000/2", false},
    {"breaker:type/*", "50/5/5000/700/2", false},
    {"adaptive:type/mail", "2/50/5", false},
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

struct weather {
    unsigned seed, made, step;
    unsigned n_held;
    struct {
        unsigned worker, id, fence;
    } held[MAX_HELD];
};

static unsigned roll(struct weather *x, unsigned n)
{
    x->seed = x->seed * 1664525U + 1013904223U;
    return (x->seed >> 10) % n;
}

static const char *worker_of(unsigned w)
{
    static const char *const names[WORKERS] = {"w0", "w1", "w2"};

    return names[w];
}

static void read_held(struct weather *x)
{
    x->n_held = 0;
    for (unsigned w = 0; w < WORKERS; w++) {
        redisReply *r = wh_lc_cmd("HKEYS " WH_LC_P ":run:%s", worker_of(w));

        for (size_t i = 0; i < r->elements; i++) {
            const unsigned char *raw = (const unsigned char *)r->element[i]->str;

            assert_in_range(x->n_held, 0, MAX_HELD - 1);
            x->held[x->n_held].worker = w;
            x->held[x->n_held].id = (unsigned)raw[12] << 24 | (unsigned)raw[13] << 16 |
                                    (unsigned)raw[14] << 8 | raw[15];
            x->held[x->n_held++].fence =
                (unsigned)strtoul((const char *)raw + 16, NULL, 10);
        }
        freeReplyObject(r);
    }
}

/* Any answer will do but an error that is not about the job's place. */
static void enqueue(struct weather *x)
{
    for (unsigned i = roll(x, 8); i > 0; i--) {
        struct wh_lc_args a = {0};
        char words[128];
        char *save = NULL;

        wh_lc_add_text(&a, "%s", types[roll(x, 3)]);
        wh_lc_add_text(&a, "payload %u", x->step);
        wh_lc_add_text(&a, "ID");
        wh_lc_add_text(&a, "%s", wh_lc_id(++x->made));
        wh_lc_add_text(&a, "ORG");
        wh_lc_add_text(&a, "%s", orgs[roll(x, 3)]);
        snprintf(words, sizeof words, "%s",
                 options[roll(x, sizeof options / sizeof options[0])]);
        for (char *w = strtok_r(words, " ", &save); w != NULL;
             w = strtok_r(NULL, " ", &save)) {
            wh_lc_add_text(&a, "%s", w);
        }
        redisReply *r = wh_lc_call_args("wh1_enqueue", &a);
        if (r->type == REDIS_REPLY_ERROR && strstr(r->str, "CONFLICT") == NULL) {
            fail_msg("wh1_enqueue: %s", r->str);
        }
        freeReplyObject(r);
    }
}

static void end_some(struct weather *x)
{
    static const char *const outcome[] = {"ok",      "ok",   "retry",     "snooze",
                                          "release", "dead", "cancelled", "expired"};
    static const char *const category[] = {"timeout", "rate_limited", "invalid"};

    read_held(x);
    for (unsigned i = 0; i < x->n_held; i++) {
        if (roll(x, 3) == 0) {
            wh_ll_end(worker_of(x->held[i].worker), x->held[i].id, x->held[i].fence,
                      outcome[roll(x, 8)], roll(x, 2) * roll(x, 500),
                      category[roll(x, 3)]);
        }
    }
}

/* One job, whatever state it is in. */
static void meddle(struct weather *x)
{
    unsigned n = 1 + roll(x, x->made + 1);

    freeReplyObject(
        wh_lc_call(roll(x, 2) == 0 ? "wh1_cancel" : "wh1_retry", "%s", wh_lc_id(n)));
}

static void change_a_setting(struct weather *x)
{
    const struct setting *s = &settings[roll(x, SETTINGS)];

    wh_ll_set(s->name, roll(x, 2) == 0 ? s->value : "");
}

static void some_weather(struct weather *x)
{
    unsigned w = roll(x, WORKERS);

    switch (roll(x, 12)) {
    case 0:
    case 1:
        change_a_setting(x);
        break;
    case 2:
        wh_lc_advance(31000); /* all workers are lost */
        wh_lc_ok("wh1_recover", "%u", 1 + roll(x, 9));
        break;
    case 3:
        wh_lc_ok("wh1_resync", "%s", worker_of(w));
        break;
    case 4:
        wh_lc_ok("wh1_heartbeat", "%s 30000 bye %s", worker_of(w), "");
        break;
    case 5:
    case 6:
        wh_lc_advance(roll(x, 400));
        break;
    case 7:
        meddle(x);
        wh_lc_ok("wh1_trim", "100");
        wh_lc_ok("wh1_dlq_replay", "- 3");
        break;
    case 8:
    case 9:
        enqueue(x);
        break;
    default:
        end_some(x);
    }
}

static void live(void)
{
    wh_lc_ok("wh1_recover", "1000");
    for (unsigned w = 0; w < WORKERS; w++) {
        wh_lc_worker(worker_of(w));
    }
}

/* Until nothing waits: each round a second later. */
static void drain(struct weather *x)
{
    for (unsigned round = 0; round < 600; round++) {
        live();
        wh_lc_advance(1000);
        for (unsigned w = 0; w < WORKERS; w++) {
            wh_ll_take_count(worker_of(w), 50);
        }
        read_held(x);
        for (unsigned i = 0; i < x->n_held; i++) {
            wh_lc_done(worker_of(x->held[i].worker), x->held[i].id, x->held[i].fence,
                       true);
        }
        if (x->n_held == 0 && wh_lc_get_stat("pending") == 0 &&
            wh_lc_get_stat("scheduled") == 0) {
            return;
        }
    }
    fail_msg("seed %u: %lld jobs are never claimed", x->seed,
             wh_lc_get_stat("pending"));
}

static void bad_weather(unsigned seed, bool settings_stay)
{
    static struct weather x;

    wh_lc_reset(NULL);
    memset(&x, 0, sizeof x);
    x.seed = seed;
    wh_lc_ok("wh1_configure", "keep_count 20");
    live();
    for (x.step = 0; x.step < STEPS; x.step++) {
        some_weather(&x);
        wh_lc_audit();
        live();
        wh_ll_take_count(worker_of(roll(&x, WORKERS)), 1 + roll(&x, 15));
        wh_lc_audit();
    }
    for (unsigned i = 0; i < SETTINGS; i++) {
        if (settings[i].blocks || !settings_stay) {
            wh_ll_set(settings[i].name, "");
        }
    }
    drain(&x);
    wh_lc_audit();
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":active " WH_LC_P ":load"), 0);
}

static void all_work_is_done_when_the_settings_are_gone(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 5; seed++) {
        bad_weather(seed * 104729, false);
    }
}

static void all_work_is_done_under_the_settings(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 5; seed++) {
        bad_weather(seed * 15485863, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(all_work_is_done_when_the_settings_are_gone),
        WH_LC_TEST(all_work_is_done_under_the_settings),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
