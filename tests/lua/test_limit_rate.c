/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates: over a simulated minute of waiting work each bucket admits burst + rate x time at
 * any instant, never more and never less, whoever asks; what no rate names is not held up.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The four kinds of jobs: org a or b, type mail or sms; job n is of kind n >> 16. */
enum { KINDS = 4, JOBS = 800, MINUTE = 60000, EACH = 1 << 16 };
static const char *const org_of[KINDS] = {"a", "a", "b", "b"};
static const char *const type_of[KINDS] = {"mail", "sms", "mail", "sms"};

struct scope {
    const char *name;
    int bucket[KINDS]; /* which bucket a kind is in, -1: none */
};

static const struct scope scopes[] = {
    {"rate:queue", {0, 0, 0, 0}},
    {"rate:org/a", {0, 0, -1, -1}},
    {"rate:org/*", {0, 0, 1, 1}},
    {"rate:type/mail", {0, -1, 0, -1}},
    {"rate:type/*", {0, 1, 0, 1}},
    {"rate:org/a/type/mail", {0, -1, -1, -1}},
    {"rate:org/*/type/mail", {0, -1, 1, -1}},
};
enum { SCOPES = sizeof scopes / sizeof scopes[0] };

struct rate {
    unsigned n, period, burst;
};
/* Bursts outlast the longest step between two claims, else what nobody took would be lost. Full
 * buckets last for a second or more: their keys expire by the real clock. */
static const struct rate rates[] = {{10, 1000, 20}, {3, 10000, 2}, {1, 777, 7}};
enum { RATES = sizeof rates / sizeof rates[0] };

static void start(void)
{
    wh_lc_ok("wh1_configure", "keep_count 0");
    for (unsigned w = 0; w < 3; w++) {
        wh_lc_ok("wh1_heartbeat", "w%u 3600000 new %s", w, "{}");
    }
    for (unsigned i = 0; i < KINDS; i++) {
        struct wh_ll_jobs jobs = {
            .first = i * EACH, .count = JOBS, .type = type_of[i], .org = org_of[i]};

        wh_ll_fill(&jobs);
    }
}

/* The buckets live by the library's clock in these tests, not by Redis' own. */
static void keep_buckets(void)
{
    redisReply *r = wh_lc_cmd("KEYS " WH_LC_P ":ratelimit:*");

    for (size_t i = 0; i < r->elements; i++) {
        freeReplyObject(wh_lc_cmd("PERSIST %s", r->element[i]->str));
    }
    freeReplyObject(r);
}

static void set_rate(const char *scope, const struct rate *rate)
{
    char value[64];

    snprintf(value, sizeof value, "%u/%u/%u", rate->n, rate->period, rate->burst);
    wh_ll_set(scope, value);
}

static void poll_once(unsigned turn, const int *bucket, unsigned *got,
                      unsigned *free_got)
{
    char worker[8];
    struct wh_ll_claims c;

    snprintf(worker, sizeof worker, "w%u", turn % 3);
    wh_ll_take(worker, 1000, &c);
    keep_buckets();
    for (unsigned i = 0; i < c.n; i++) {
        unsigned kind = c.id[i] / EACH;

        if (bucket[kind] < 0) {
            (*free_got)++;
        } else {
            got[bucket[kind]]++;
        }
    }
}

static unsigned admitted(const struct rate *rate, long long ms)
{
    return rate->burst + (unsigned)(ms * rate->n / rate->period);
}

/* A job may come a ms late: times are whole ms. */
static void check(const struct scope *s, const struct rate *rate, long long ms,
                  const unsigned *got)
{
    unsigned want = admitted(rate, ms);

    for (int i = 0; i < KINDS; i++) {
        int b = s->bucket[i];
        if (b >= 0 && got[b] != want && got[b] != admitted(rate, ms - 1)) {
            fail_msg("%s %u/%u/%u: %u jobs after %lld ms, should be %u", s->name,
                     rate->n, rate->period, rate->burst, got[b], ms, want);
        }
    }
}

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

static unsigned free_jobs(const struct scope *s)
{
    unsigned n = 0;

    for (int i = 0; i < KINDS; i++) {
        n += s->bucket[i] < 0 ? JOBS : 0;
    }
    return n;
}

static void a_minute(const struct scope *s, const struct rate *rate)
{
    unsigned got[KINDS] = {0}, free_got = 0, seed = rate->n, turn = 0;
    long long ms = 0;

    wh_lc_reset(NULL);
    start();
    set_rate(s->name, rate);
    for (; turn < 8; turn++) { /* each call sets a thousand jobs aside at most */
        poll_once(turn, s->bucket, got, &free_got);
    }
    assert_int_equal(free_got, free_jobs(s));
    while (ms < MINUTE) {
        check(s, rate, ms, got);
        unsigned step = 1 + next_random(&seed) % 300;
        ms += step;
        wh_lc_advance(step);
        poll_once(turn++, s->bucket, got, &free_got);
    }
    check(s, rate, ms, got);
    wh_lc_audit();
}

static void every_scope_admits_exactly_its_rate(void **state)
{
    (void)state;
    for (int i = 0; i < SCOPES; i++) {
        a_minute(&scopes[i], &rates[0]);
    }
}

static void every_rate_is_exact(void **state)
{
    (void)state;
    for (int i = 1; i < RATES; i++) {
        a_minute(&scopes[0], &rates[i]);
        a_minute(&scopes[2], &rates[i]);
        a_minute(&scopes[6], &rates[i]);
    }
}

/* One worker that claims one by one, as often as it may. */
struct run {
    const char *setting, *value, *key;
    struct rate rate; /* what the value says */
    unsigned step, ms;
};
#define QUEUE_RATE(n, period, burst, step, ms)                                         \
    {                                                                                  \
        "rate:queue", #n "/" #period "/" #burst, "ratelimit::", {n, period, burst},    \
            step, ms                                                                   \
    }
static const struct run runs[] = {
    QUEUE_RATE(3, 1000, 5, 100, 100000),
    QUEUE_RATE(7, 1000, 20, 100, 60000),
    QUEUE_RATE(300, 1000, 10, 3, 6000),
    QUEUE_RATE(2663, 1000, 20, 3, 900),
    QUEUE_RATE(100000, 1000, 150, 1, 30),
    QUEUE_RATE(999983, 1000, 1500, 1, 3),
    QUEUE_RATE(7, 86400000, 3, 1800000, 1296000000),
    {"adaptive:type/mail", "300/300/1", "breaker:mail", {300, 1000, 30}, 3, 9000},
    {"adaptive:type/mail",
     "1/33.333/1",
     "breaker:mail",
     {33333, 1000000, 3},
     25,
     60000},
};

/* In one transaction with what keeps its bucket, which may last for less than a ms of Redis' own clock. */
static unsigned take_one(const char *key)
{
    freeReplyObject(wh_lc_cmd("MULTI"));
    freeReplyObject(wh_lc_call("wh1_cycle", "w0 1 0"));
    freeReplyObject(wh_lc_cmd("PERSIST " WH_LC_P ":%s", key));
    redisReply *r = wh_lc_cmd("EXEC");
    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->element[0]->type, REDIS_REPLY_ARRAY);
    unsigned n = (unsigned)r->element[0]->element[4]->elements / 3;
    freeReplyObject(r);
    return n;
}

/* At any time the whole burst and rate x time, to the job and to the ms. */
static void one_by_one_it_is_as_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        const struct run *run = &runs[i];
        unsigned got = 0, end = admitted(&run->rate, run->ms);

        wh_lc_reset(NULL);
        wh_ll_set(run->setting, run->value);
        wh_ll_fill(&(struct wh_ll_jobs){.count = end + 1, .type = "mail", .org = "a"});
        for (unsigned ms = 0; ms <= run->ms; ms += run->step) {
            wh_lc_ok("wh1_heartbeat", "w0 3600000 new %s", "{}");
            while (take_one(run->key) > 0) {
                got++;
            }
            if (got != admitted(&run->rate, ms)) {
                fail_msg("%s=%s: %u jobs after %u ms, should be %u", run->setting,
                         run->value, got, ms, admitted(&run->rate, ms));
            }
            wh_lc_advance(run->step);
        }
        assert_in_range(got, end - 1, end);
    }
}

/* What an earlier revision wrote with three decimals holds as long, and not a ms longer. */
static void a_bucket_of_an_earlier_revision_counts(void **state)
{
    (void)state;
    start();
    wh_ll_set("rate:queue", "300/1000/300");
    freeReplyObject(wh_lc_cmd("SET " WH_LC_P ":ratelimit:: %lld.667", WH_LC_T0 + 666));
    assert_int_equal(wh_ll_take_count("w0", 1000), 99);
    redisReply *r = wh_lc_cmd("GET " WH_LC_P ":ratelimit::");
    double tat = strtod(r->str, NULL) - (double)WH_LC_T0; /* as that one reads it */
    assert_true(tat > 996.6 && tat < 996.7);
    freeReplyObject(r);
    keep_buckets();
    wh_lc_advance(1);
    assert_int_equal(wh_ll_take_count("w0", 1000), 1);
    wh_lc_audit();
}

/* Who sleeps as long as next_due_ms says is there in time: one job at each wake-up. */
static void next_due_tells_when(void **state)
{
    static const struct rate slow = {1, 2000, 1};

    (void)state;
    for (int i = 0; i < SCOPES; i++) {
        struct wh_ll_claims c;
        long long ms = 0;
        unsigned limited = 0;

        wh_lc_reset(NULL);
        start();
        set_rate(scopes[i].name, &slow);
        for (int j = 0; j < 8; j++) {
            wh_ll_take("w0", 1000, &c);
        }
        keep_buckets();
        assert_int_equal(c.n, 0);
        while (ms < 20000) {
            assert_in_range(c.next_due, 1, 2000);
            ms += c.next_due;
            wh_lc_advance(c.next_due);
            do {
                wh_ll_take("w0", 1000, &c);
                keep_buckets();
                limited += c.n;
            } while (c.n > 0);
        }
        unsigned buckets = 1;
        for (int j = 0; j < KINDS; j++) {
            buckets = scopes[i].bucket[j] > 0 ? 2 : buckets;
        }
        assert_int_equal(limited, 10 * buckets);
        wh_lc_audit();
    }
}

/* A named org's own rate counts in place of that of '*'. */
static void the_named_setting_wins(void **state)
{
    (void)state;
    start();
    wh_ll_set("rate:org/*", "1/60000/2");
    wh_ll_set("rate:org/a", "1/60000/5");
    assert_int_equal(wh_ll_take_count("w0", 100), 7);
    wh_lc_audit();
}

static void all_rates_hold_at_once(void **state)
{
    (void)state;
    start();
    wh_ll_set("rate:queue", "1/60000/100");
    wh_ll_set("rate:org/a", "1/60000/50");
    wh_ll_set("rate:type/mail", "1/60000/30");
    wh_ll_set("rate:org/*/type/sms", "1/60000/7");
    unsigned got = 0;
    for (int i = 0; i < 8; i++) {
        got += wh_ll_take_count("w0", 1000);
    }
    assert_int_equal(got, 30 + 7 + 7);
    wh_lc_audit();
}

/* What a slower rate left behind holds nobody up longer than the new one's burst. */
static void a_new_rate_is_effective_at_once(void **state)
{
    (void)state;
    start();
    wh_ll_set("rate:queue", "1/3600000/10");
    assert_int_equal(wh_ll_take_count("w0", 100), 10);
    keep_buckets();
    assert_int_equal(wh_ll_take_count("w0", 100), 0);
    wh_ll_set("rate:queue", "1/1000/2");
    assert_int_equal(wh_ll_take_count("w0", 100), 0);
    wh_lc_advance(1000);
    assert_int_equal(wh_ll_take_count("w0", 100), 1);
    keep_buckets();
    wh_ll_set("rate:queue", "");
    assert_int_equal(wh_ll_take_count("w0", 100), 100);
    wh_lc_audit();
}

/* Also where the jobs wait for the type outside the ring, and no claim meets its bucket. */
static void a_faster_rate_frees_those_that_wait(void **state)
{
    unsigned got = 0;

    (void)state;
    start();
    wh_ll_set("rate:type/late", "100/3600000/100");
    wh_ll_fill(&(struct wh_ll_jobs){
        .first = 500000, .count = 130, .type = "late", .org = "alone"});
    for (unsigned i = 0; i < 130;
         i++) { /* whatever else waits goes first, or with them */
        wh_ll_take_count("w0", 1000);
    }
    assert_int_equal(wh_lc_count("ZCARD " WH_LC_P ":aside:alone:late"), 30);
    assert_int_equal(wh_lc_count("ZCARD " WH_LC_P ":ring"), 0);
    wh_ll_set("rate:type/late", "100/60000/100");
    for (unsigned i = 0; i < 12; i++) { /* one each 600 ms */
        wh_lc_advance(500);
        freeReplyObject(wh_lc_call("wh1_promote", "10"));
        got += wh_ll_take_count("w0", 100);
    }
    assert_in_range(got, 9, 10);
    wh_lc_audit();
}

static void removal_frees_what_was_set_aside(void **state)
{
    static const char *const held[] = {"rate:type/mail", "rate:org/a/type/mail",
                                       "rate:org/a"};

    (void)state;
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        unsigned got = 0;

        wh_lc_reset(NULL);
        start();
        wh_ll_set(held[i], "1/86400000/1");
        for (int j = 0; j < 8; j++) {
            wh_ll_take_count("w0", 1000);
        }
        wh_lc_audit();
        wh_ll_set(held[i], "");
        for (int j = 0; j < 8; j++) {
            got += wh_ll_take_count("w0", 1000);
        }
        assert_int_equal(wh_lc_get_stat("in_progress"), KINDS * JOBS);
        assert_in_range(got, JOBS - 1, 2 * JOBS);
        wh_lc_audit();
    }
}

/* In so many ms the bucket's key goes by itself. */
static long long ends_in(const char *bucket)
{
    return wh_lc_count("PTTL " WH_LC_P ":ratelimit:%s", bucket) - WH_LC_KEPT_MS;
}

/* As many as all constraints allow, and a bucket's key goes by itself. */
static void buckets_have_their_keys(void **state)
{
    (void)state;
    start();
    wh_ll_set("rate:queue", "1/60000/10");
    wh_ll_set("rate:org/*", "1/60000/10");
    wh_ll_set("rate:type/*", "1/60000/10");
    wh_ll_set("rate:org/*/type/mail", "1/60000/10");
    assert_int_equal(wh_ll_take_count("w0", 2), 2);
    assert_in_range(ends_in(":"), 60001, 120000);
    assert_in_range(ends_in("a:"), 1, 60000);
    assert_in_range(ends_in("b:"), 1, 60000);
    assert_in_range(ends_in(":mail"), 60001, 120000);
    assert_in_range(ends_in("a:mail"), 1, 60000);
    assert_in_range(ends_in("b:mail"), 1, 60000);
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":ratelimit::sms"), 0);
}

/* A bucket that somebody overwrote is an empty one, no error. */
static void a_foreign_bucket_is_overwritten(void **state)
{
    (void)state;
    start();
    wh_ll_set("rate:queue", "1/60000/2");
    freeReplyObject(wh_lc_cmd("RPUSH " WH_LC_P ":ratelimit:: x"));
    assert_int_equal(wh_ll_take_count("w0", 10), 2);
    assert_int_equal(wh_ll_take_count("w0", 10), 0);
    freeReplyObject(wh_lc_cmd("SET " WH_LC_P ":ratelimit:: nan"));
    wh_lc_advance(60000);
    assert_in_range(wh_ll_take_count("w0", 10), 1, 2);
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(every_scope_admits_exactly_its_rate),
        WH_LC_TEST(every_rate_is_exact),
        WH_LC_TEST(one_by_one_it_is_as_exact),
        WH_LC_TEST(a_bucket_of_an_earlier_revision_counts),
        WH_LC_TEST(next_due_tells_when),
        WH_LC_TEST(the_named_setting_wins),
        WH_LC_TEST(all_rates_hold_at_once),
        WH_LC_TEST(a_new_rate_is_effective_at_once),
        WH_LC_TEST(a_faster_rate_frees_those_that_wait),
        WH_LC_TEST(removal_frees_what_was_set_aside),
        WH_LC_TEST(buckets_have_their_keys),
        WH_LC_TEST(a_foreign_bucket_is_overwritten),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
