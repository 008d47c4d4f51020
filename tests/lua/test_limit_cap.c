/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Caps of jobs in flight: never exceeded, whatever ends a claim, and no slot leaks: after any
 * number of finishes, lost workers and changes of the settings all work is done in the end.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Orgs a and b, types mail and sms, groups none, x and y: job n is of kind n >> 16. */
enum { KINDS = 8, WORKERS = 3, EACH = 1 << 16 };
static const struct {
    const char *org, *type, *group;
} kinds[KINDS] = {
    {"a", "mail", NULL}, {"a", "sms", NULL}, {"b", "mail", NULL}, {"b", "sms", NULL},
    {"a", "mail", "x"},  {"a", "mail", "y"}, {"b", "mail", "x"},  {"b", "sms", "y"},
};

struct scope {
    const char *name;
    int counter[KINDS]; /* which counter a kind is in, -1: none */
};

static const struct scope scopes[] = {
    {"active:queue", {0, 0, 0, 0, 0, 0, 0, 0}},
    {"active:org/a", {0, 0, -1, -1, 0, 0, -1, -1}},
    {"active:org/*", {0, 0, 1, 1, 0, 0, 1, 1}},
    {"active:type/sms", {-1, 0, -1, 0, -1, -1, -1, 0}},
    {"active:type/*", {0, 1, 0, 1, 0, 0, 0, 1}},
    {"active:group", {-1, -1, -1, -1, 0, 1, 2, 3}},
    {"active:org/a/group/x", {-1, -1, -1, -1, 0, -1, -1, -1}},
};
enum { SCOPES = sizeof scopes / sizeof scopes[0] };

static const char *worker_of(unsigned w)
{
    static char names[WORKERS][8];

    snprintf(names[w], sizeof names[w], "w%u", w);
    return names[w];
}

static void start(unsigned jobs)
{
    for (unsigned w = 0; w < WORKERS; w++) {
        wh_lc_worker(worker_of(w));
    }
    for (unsigned i = 0; i < KINDS && jobs > 0; i++) {
        struct wh_ll_jobs list = {.first = i * EACH,
                                  .count = jobs,
                                  .type = kinds[i].type,
                                  .org = kinds[i].org,
                                  .group = kinds[i].group};

        wh_ll_fill(&list);
    }
}

struct held {
    unsigned n;
    struct {
        unsigned worker, id, fence;
    } claim[4096];
};

/* Every claim that there is. */
static void read_held(struct held *h)
{
    h->n = 0;
    for (unsigned w = 0; w < WORKERS; w++) {
        redisReply *r = wh_lc_cmd("HKEYS " WH_LC_P ":run:%s", worker_of(w));

        for (size_t i = 0; i < r->elements; i++) {
            const unsigned char *raw = (const unsigned char *)r->element[i]->str;

            assert_in_range(h->n, 0, 4095);
            h->claim[h->n].worker = w;
            h->claim[h->n].id = (unsigned)raw[12] << 24 | (unsigned)raw[13] << 16 |
                                (unsigned)raw[14] << 8 | raw[15];
            h->claim[h->n++].fence =
                (unsigned)strtoul((const char *)raw + 16, NULL, 10);
        }
        freeReplyObject(r);
    }
}

static unsigned most_of(const struct scope *s, const struct held *h)
{
    unsigned in_flight[KINDS] = {0}, most = 0;

    for (unsigned i = 0; i < h->n; i++) {
        int c = s->counter[h->claim[i].id / EACH];
        if (c >= 0) {
            in_flight[c]++;
        }
    }
    for (int i = 0; i < KINDS; i++) {
        most = in_flight[i] > most ? in_flight[i] : most;
    }
    return most;
}

static unsigned counters_of(const struct scope *s)
{
    int last = 0;

    for (int i = 0; i < KINDS; i++) {
        last = s->counter[i] > last ? s->counter[i] : last;
    }
    return (unsigned)last + 1;
}

static unsigned kinds_within(const struct scope *s)
{
    unsigned n = 0;

    for (int i = 0; i < KINDS; i++) {
        n += s->counter[i] >= 0;
    }
    return n;
}

static void take_all(void)
{
    for (unsigned i = 0; i < 12; i++) {
        wh_ll_take_count(worker_of(i % WORKERS), 500);
    }
}

static void every_cap_is_filled_and_kept(void **state)
{
    (void)state;
    for (int i = 0; i < SCOPES; i++) {
        static struct held h;
        const struct scope *s = &scopes[i];
        unsigned within = kinds_within(s);

        wh_lc_reset(NULL);
        start(20);
        wh_ll_set(s->name, "7");
        take_all();
        read_held(&h);
        assert_int_equal(most_of(s, &h), 7);
        assert_int_equal(h.n, (KINDS - within) * 20 + 7 * counters_of(s));
        wh_lc_audit();
        /* one slot free, one job more */
        for (unsigned j = 0; j < h.n; j++) {
            if (s->counter[h.claim[j].id / EACH] == 0) {
                wh_lc_done(worker_of(h.claim[j].worker), h.claim[j].id,
                           h.claim[j].fence, true);
                break;
            }
        }
        unsigned before = h.n;
        take_all();
        read_held(&h);
        assert_int_equal(h.n, before);
        assert_int_equal(most_of(s, &h), 7);
        wh_lc_audit();
    }
}

static void claims_in_flight_count_for_a_new_cap(void **state)
{
    (void)state;
    for (int i = 0; i < SCOPES; i++) {
        static struct held h;

        wh_lc_reset(NULL);
        start(5);
        take_all(); /* all 40 run */
        for (unsigned k = 0; k < KINDS; k++) {
            struct wh_ll_jobs more = {.first = k * EACH + 100,
                                      .count = 5,
                                      .type = kinds[k].type,
                                      .org = kinds[k].org,
                                      .group = kinds[k].group};
            wh_ll_fill(&more);
        }
        wh_ll_set(scopes[i].name, "3");
        wh_lc_audit();
        take_all();
        read_held(&h);
        assert_int_equal(h.n, 40 + 5 * (KINDS - kinds_within(&scopes[i])));
        wh_lc_audit();
        wh_ll_set(scopes[i].name, "1000");
        take_all();
        read_held(&h);
        assert_int_equal(h.n, 80);
        wh_lc_audit();
        wh_ll_set(scopes[i].name, "");
        wh_lc_audit();
        assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":load"), 0);
    }
}

/* Everything that ends a claim gives its slot back. */
static void every_ending_frees_its_slot(void **state)
{
    static const struct {
        const char *outcome;
        long long delay;
    } endings[] = {{"ok", 0},      {"retry", 0},     {"retry", 10},
                   {"dead", 0},    {"snooze", 0},    {"snooze", 10},
                   {"release", 0}, {"cancelled", 0}, {"expired", 0}};

    (void)state;
    for (int i = 0; i < SCOPES; i++) {
        wh_lc_reset(NULL);
        start(0);
        wh_ll_set(scopes[i].name, "1");
        for (unsigned e = 0; e < sizeof endings / sizeof endings[0]; e++) {
            for (unsigned k = 0; k < KINDS; k++) {
                struct wh_ll_claims c;
                struct wh_ll_jobs one = {.first = k * EACH + e,
                                         .count = 1,
                                         .type = kinds[k].type,
                                         .org = kinds[k].org,
                                         .group = kinds[k].group};

                wh_ll_fill(&one);
                wh_ll_take("w0", 1, &c);
                assert_int_equal(c.n, 1);
                wh_ll_end("w0", c.id[0], c.fence[0], endings[e].outcome,
                          endings[e].delay, "timeout");
                wh_lc_audit();
                wh_lc_advance(20);
                wh_lc_ok("wh1_promote", "10");
                wh_ll_take("w0", 1, &c);
                if (c.n == 1) { /* it waited again */
                    wh_ll_done("w0", &c);
                }
            }
        }
        assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":load " WH_LC_P ":active"), 0);
        wh_lc_audit();
    }
}

static void lost_workers_leak_no_slot(void **state)
{
    (void)state;
    for (int i = 0; i < SCOPES; i++) {
        wh_lc_reset(NULL);
        start(2);
        wh_ll_set(scopes[i].name, "1");
        take_all();
        wh_lc_ok("wh1_resync", "w0");
        wh_lc_audit();
        wh_lc_ok("wh1_heartbeat", "w1 30000 bye %s", "");
        wh_lc_audit();
        /* w0 and w2 hold the slots now, and are lost */
        wh_ll_take_count("w0", 100);
        wh_ll_take_count("w2", 100);
        wh_lc_advance(30001);
        wh_lc_ok("wh1_recover", "1000");
        wh_lc_audit();
        assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":load " WH_LC_P ":active"), 0);
    }
}

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

static void end_some(struct held *h, unsigned *seed)
{
    static const char *const outcome[] = {"ok",      "ok",   "retry",     "snooze",
                                          "release", "dead", "cancelled", "expired"};

    read_held(h);
    for (unsigned i = 0; i < h->n; i++) {
        unsigned r = next_random(seed);
        if (r % 3 == 0) {
            wh_ll_end(worker_of(h->claim[i].worker), h->claim[i].id, h->claim[i].fence,
                      outcome[r / 3 % 8], r % 2 == 0 ? 0 : r % 700,
                      r % 5 == 0 ? "rate_limited" : "error");
        }
    }
}

/* One step of a fleet in bad weather. */
static void step(struct held *h, unsigned *seed, unsigned *made)
{
    unsigned r = next_random(seed), w = next_random(seed) % WORKERS;
    const char *worker = worker_of(w);

    switch (r % 12) {
    case 0: /* its heartbeats stop: whatever it holds is lost */
        wh_lc_advance(31000);
        wh_lc_ok("wh1_recover", "%u", 1 + r / 16 % 9);
        break;
    case 1:
        wh_lc_ok("wh1_heartbeat", "%s 30000 new %s", worker, "{}");
        wh_lc_ok("wh1_resync", "%s", worker);
        break;
    case 2:
        wh_lc_ok("wh1_heartbeat", "%s 30000 new %s", worker, "{}");
        wh_lc_ok("wh1_heartbeat", "%s 30000 bye %s", worker, "");
        break;
    case 3:
    case 4: {
        unsigned k = r / 16 % KINDS;
        struct wh_ll_jobs jobs = {.first = k * EACH + *made,
                                  .count = 1 + r / 512 % 6,
                                  .type = kinds[k].type,
                                  .org = kinds[k].org,
                                  .group = kinds[k].group,
                                  .priority = r / 8192 % 2 == 0 ? 5 : 7};
        wh_ll_fill(&jobs);
        *made += 6;
        break;
    }
    case 5:
        wh_lc_advance(r / 16 % 500);
        wh_lc_ok("wh1_promote", "100");
        break;
    case 6:
    case 7:
        end_some(h, seed);
        break;
    default:
        break;
    }
    for (unsigned i = 0; i < WORKERS; i++) { /* those whose lease ran out begin anew */
        wh_lc_ok("wh1_recover", "1000");
        wh_lc_worker(worker_of(i));
    }
    wh_ll_take_count(worker, 1 + r / 64 % 20);
}

/* Finishes what there is until nothing is left: nobody was forgotten. */
static void drain(struct held *h)
{
    for (unsigned round = 0; round < 400; round++) {
        wh_lc_advance(1000);
        for (unsigned w = 0; w < WORKERS; w++) {
            wh_lc_worker(worker_of(w));
            wh_ll_take_count(worker_of(w), 100);
        }
        read_held(h);
        for (unsigned i = 0; i < h->n; i++) {
            wh_lc_done(worker_of(h->claim[i].worker), h->claim[i].id, h->claim[i].fence,
                       true);
        }
        if (h->n == 0 && wh_lc_get_stat("pending") == 0 &&
            wh_lc_get_stat("scheduled") == 0) {
            return;
        }
    }
    wh_lc_audit();
    fail_msg("%lld jobs are never claimed", wh_lc_get_stat("pending"));
}

static void bad_weather(const struct scope *s, unsigned seed)
{
    static struct held h;
    unsigned made = 0;

    wh_lc_reset(NULL);
    start(0);
    wh_ll_set(s->name, "3");
    for (unsigned i = 0; i < 120; i++) {
        step(&h, &seed, &made);
        read_held(&h);
        if (most_of(s, &h) > 3) {
            fail_msg("%s: %u in flight, step %u", s->name, most_of(s, &h), i);
        }
        wh_lc_audit();
    }
    drain(&h);
    wh_lc_audit();
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":load " WH_LC_P ":active"), 0);
}

static void caps_hold_and_nothing_leaks_in_bad_weather(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SCOPES; i++) {
        for (unsigned seed = 1; seed <= 2; seed++) {
            bad_weather(&scopes[i], seed * 7919 + i);
        }
    }
}

/* All at once, with rates: caps of three kinds hold together. */
static void all_caps_together(void **state)
{
    static struct held h;
    unsigned seed = 4711, made = 0;

    (void)state;
    start(0);
    for (unsigned i = 0; i < SCOPES; i++) {
        wh_ll_set(scopes[i].name, i == 0 ? "9" : "3");
    }
    wh_ll_set("rate:org/*/type/mail", "20/1000/10");
    wh_ll_set("rate:type/sms", "20/1000/10");
    for (unsigned i = 0; i < 200; i++) {
        step(&h, &seed, &made);
        read_held(&h);
        for (unsigned j = 0; j < SCOPES; j++) {
            assert_in_range(most_of(&scopes[j], &h), 0, j == 0 ? 9 : 3);
        }
        wh_lc_audit();
    }
    drain(&h);
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(every_cap_is_filled_and_kept),
        WH_LC_TEST(claims_in_flight_count_for_a_new_cap),
        WH_LC_TEST(every_ending_frees_its_slot),
        WH_LC_TEST(lost_workers_leak_no_slot),
        WH_LC_TEST(caps_hold_and_nothing_leaks_in_bad_weather),
        WH_LC_TEST(all_caps_together),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
