/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings (pause, resume, configure, weight, quiet), figures (stats, workers, orgs, audit),
 * the registry and the version.
 */
#include "tests/support/lua_case.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void refuse_all(const char *fn, const char *const *bad, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wh_lc_error("WHBADARG", fn, bad[i]);
    }
}
#define REFUSE(fn, ...)                                                                \
    do {                                                                               \
        static const char *const bad_[] = {__VA_ARGS__};                               \
        refuse_all(fn, bad_, sizeof bad_ / sizeof bad_[0]);                            \
    } while (0)

static void pause_and_resume(void **state)
{
    char before[41], after[41];

    (void)state;
    for (int i = 0; i < 2; i++) {
        wh_lc_text("OK", "wh1_pause", "");
        wh_lc_digest(i == 0 ? before : after);
    }
    assert_string_equal(before, after);
    wh_lc_stat("paused", 1);
    assert_int_equal(wh_lc_count("XLEN " WH_LC_P ":events"), 1);
    for (int i = 0; i < 2; i++) {
        wh_lc_text("OK", "wh1_resume", "");
    }
    wh_lc_stat("paused", 0);
    assert_int_equal(wh_lc_count("XLEN " WH_LC_P ":events"), 2);
    REFUSE("wh1_pause", "x");
    REFUSE("wh1_resume", "x");
}

static void configure(void **state)
{
    (void)state;
    wh_lc_text("OK", "wh1_configure", "keep_ms 5 keep_count 0 payload_max 67108864");
    redisReply *r = wh_lc_cmd("HGETALL " WH_LC_P ":ctl");
    assert_int_equal(r->elements, 6);
    freeReplyObject(r);
    REFUSE("wh1_configure", "", "keep_ms", "foo 1", "paused 1", "keep_ms -1",
           "keep_ms x", "keep_ms 315360000001", "keep_count 1000001", "payload_max 0",
           "payload_max 67108865", "keep_ms 1 foo 2", "keep_ms 1 keep_count",
           "KEEP_MS 1");
    wh_lc_error("WHBADARG", "wh1_configure", "keep_ms %s", "");
}

static void weight(void **state)
{
    (void)state;
    wh_lc_text("OK", "wh1_weight", "acme 2.5");
    redisReply *r = wh_lc_cmd("HGET " WH_LC_P ":weights acme");
    assert_string_equal(r->str, "2.5");
    freeReplyObject(r);
    wh_lc_text("OK", "wh1_weight", "acme 1.0");
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":weights"), 0);
    wh_lc_text("OK", "wh1_weight", "acme 0.001");
    wh_lc_text("OK", "wh1_weight", "acme 1000");
    REFUSE("wh1_weight", "", "acme", "acme 0", "acme 0.0009", "acme 1000.1", "acme -1",
           "acme x", "acme 1e2", "acme nan", "acme inf", "acme 1.", "acme 1 2", "a:b 1",
           "acme 0x10", "acme 0000000001");
    wh_lc_error("WHBADARG", "wh1_weight", "acme %s", "");
    wh_lc_error("WHBADARG", "wh1_weight", "%s 2", "");
}

static void quiet(void **state)
{
    (void)state;
    wh_lc_error("WHNOTFOUND", "wh1_quiet", "w");
    wh_lc_worker("w");
    wh_lc_text("OK", "wh1_quiet", "w");
    wh_lc_text("OK", "wh1_quiet", "w");
    redisReply *r = wh_lc_call("wh1_heartbeat", "w 9000 renew %s", "");
    assert_int_equal(r->elements, 3);
    assert_string_equal(r->element[2]->str, "quiet");
    freeReplyObject(r);
    REFUSE("wh1_quiet", "", "a:b", "w w");
}

static void stats_of_nothing(void **state)
{
    (void)state;
    wh_lc_stat("now_ms", WH_LC_T0);
    wh_lc_stat("pending", 0);
    wh_lc_stat("oldest_ms", -1);
    wh_lc_stat("enqueued", 0);
    assert_int_equal(wh_lc_count("DBSIZE"), 0);
    freeReplyObject(wh_lc_cmd("HSET " WH_LC_P ":stats enqueued x"));
    wh_lc_stat("enqueued", 0);
    wh_lc_stat("promoted", 0);
}

static void stats_count_marks(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_advance(70);
    wh_lc_enqueue(2, "");
    wh_lc_enqueue(3, "ORG b");
    wh_lc_stat("oldest_ms", 70);
    wh_lc_stat("orgs", 2);
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(1));
    wh_lc_stat("pending", 2); /* the mark in the list does not count */
    wh_lc_stat("kept", 1);
    wh_lc_claim("w", 1, "3");
    wh_lc_stat("pending", 1);
    wh_lc_stat("in_progress", 1);
    wh_lc_audit();
}

static void workers_and_orgs(void **state)
{
    (void)state;
    wh_lc_worker("w1");
    wh_lc_ok("wh1_heartbeat", "w2 5000 new info2");
    wh_lc_enqueue(1, "ORG a");
    wh_lc_enqueue(2, "ORG a PRIORITY 9");
    wh_lc_enqueue(3, "ORG b");
    wh_lc_text("OK", "wh1_weight", "b 2");
    wh_lc_claim("w2", 1, "2");
    wh_lc_advance(6000);
    redisReply *r = wh_lc_call("wh1_workers", "");
    assert_int_equal(r->elements, 10);
    assert_string_equal(r->element[0]->str, "w2");
    assert_int_equal(r->element[1]->integer, -1000);
    assert_int_equal(r->element[2]->integer, 1);
    assert_string_equal(r->element[4]->str, "info2");
    assert_int_equal(r->element[6]->integer, 24000);
    freeReplyObject(r);
    r = wh_lc_call("wh1_orgs", "0 1");
    assert_string_equal(r->element[0]->str, "1");
    assert_string_equal(r->element[1]->str, "a");
    assert_int_equal(r->element[2]->integer, 1);
    assert_int_equal(r->element[3]->integer, 1);
    assert_string_equal(r->element[4]->str, "1");
    freeReplyObject(r);
    r = wh_lc_call("wh1_orgs", "1 1");
    assert_string_equal(r->element[0]->str, "");
    assert_string_equal(r->element[1]->str, "b");
    assert_int_equal(r->element[2]->integer, 1);
    assert_int_equal(r->element[3]->integer, 0);
    assert_string_equal(r->element[4]->str, "2");
    freeReplyObject(r);
    REFUSE("wh1_orgs", "", "0", "x 1", "-1 1", "0 0", "0 1001", "0 1 2");
}

static void expect_problem(const char *part)
{
    redisReply *r = wh_lc_call("wh1_audit", "100");

    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    for (size_t i = 1; i < r->elements; i++) {
        if (strstr(r->element[i]->str, part) != NULL) {
            freeReplyObject(r);
            return;
        }
    }
    fail_msg("the audit should tell of \"%s\"", part);
}

/* Each kind of damage, done by hand to a sound partition. */
static void audit_finds_damage(void **state)
{
    static const struct {
        const char *command, *problem;
    } cases[] = {
        {"HSET " WH_LC_P ":active acme 5", "active of acme"},
        {"HDEL " WH_LC_P ":active acme", "active of acme is missing"},
        {"DEL " WH_LC_P ":ready:acme:5", "stands in no index"},
        {"DEL " WH_LC_P ":ring", "neither ring, parked nor waiting"},
        {"DEL " WH_LC_P ":queued", "queued of acme is missing"},
        {"HSET " WH_LC_P ":load queue 3", "load of queue is 3"},
        {"DEL " WH_LC_P ":jobs", "has no record"},
        {"DEL " WH_LC_P ":delayed", "stands in no index"},
        {"DEL " WH_LC_P ":run:w", "stands in no index"},
        {"ZREM " WH_LC_P ":workers w", "stands in no index"},
        {"DEL " WH_LC_P ":done", "stands in no index"},
        {"DEL " WH_LC_P ":meta", "is finished in one of meta and done only"},
        {"XTRIM " WH_LC_P ":dlq MAXLEN 0", "entry is gone"},
        {"RPUSH " WH_LC_P ":ready:acme:5 0123456789abcdef", "has no record"},
        {"HSET " WH_LC_P ":jobs 0123456789abcdef x", "malformed"},
        {"HSET " WH_LC_P ":jobs 0123456789abcdef %b", "tombstone"},
        {"HSET " WH_LC_P ":meta 0123456789abcdef x", "has meta but is unknown"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wh_lc_reset(NULL);
        wh_lc_worker("w");
        for (unsigned n = 1; n <= 4; n++) {
            wh_lc_enqueue(n, "ORG acme");
        }
        wh_lc_enqueue(5, "DELAY 5");
        wh_lc_claim("w", 3, "1 2 3");
        wh_lc_done("w", 1, 1, true);
        wh_lc_dead("w", 2, "invalid");
        wh_lc_audit();
        freeReplyObject(wh_lc_cmd(cases[i].command, "", (size_t)0));
        expect_problem(cases[i].problem);
    }
}

static void audit_finds_doubles(void **state)
{
    (void)state;
    wh_lc_enqueue(1, "");
    freeReplyObject(wh_lc_cmd("ZADD " WH_LC_P ":delayed 5 %b", WH_LC_RAW(1)));
    expect_problem("stands in ready and in delayed");
    wh_lc_reset(NULL);
    wh_lc_enqueue(1, "");
    freeReplyObject(wh_lc_cmd("RPUSH " WH_LC_P ":ready:default:5 %b", WH_LC_RAW(1)));
    expect_problem("stands in ready and in ready");
    wh_lc_reset(NULL);
    wh_lc_enqueue(1, "ORG a");
    wh_lc_enqueue(2, "ORG b");
    freeReplyObject(
        wh_lc_cmd("LMOVE " WH_LC_P ":ready:a:5 " WH_LC_P ":ready:b:5 LEFT LEFT"));
    expect_problem("stands in the list of another org");
    wh_lc_reset(NULL);
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_claim("w", 1, "1");
    freeReplyObject(
        wh_lc_cmd("HSET " WH_LC_P ":run:w %b %s", WH_LC_TOK(2, 1), "1 default"));
    expect_problem("has no record");
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":run:w"));
    freeReplyObject(
        wh_lc_cmd("HSET " WH_LC_P ":run:w %b %s", WH_LC_TOK(1, 3), "1 default"));
    expect_problem("runs with a fence that its meta does not expect");
}

static void audit_is_bounded(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 3; n++) {
        wh_lc_enqueue(n, "");
    }
    wh_lc_error("WHTOOBIG", "wh1_audit", "2");
    redisReply *r = wh_lc_call("wh1_audit", "3");
    assert_int_equal(r->element[0]->integer, 3);
    freeReplyObject(r);
    REFUSE("wh1_audit", "", "0", "x", "-1", "10000001", "1 2");
}

static void registry(void **state)
{
    char name[10240];

    (void)state;
#define REGISTRY "1 wh:{registry}"
    assert_int_equal(wh_lc_count("FCALL wh1_register " REGISTRY " wh:{eu:a} wh:{eu:b}"),
                     2);
    assert_int_equal(wh_lc_count("FCALL wh1_register " REGISTRY " wh:{eu:a} wh:{us:a}"),
                     1);
    redisReply *r = wh_lc_cmd("FCALL_RO wh1_partitions " REGISTRY);
    assert_int_equal(r->elements, 3);
    freeReplyObject(r);
#define BELL "wh:{registry}:bell:scheduler"
    assert_int_equal(wh_lc_count("LLEN " BELL), 1); /* one call for all */
    assert_true(wh_lc_count("PTTL " BELL) > 0);
    assert_int_equal(wh_lc_count("DEL " BELL), 1);
    assert_int_equal(wh_lc_count("FCALL wh1_register " REGISTRY " wh:{us:a}"), 0);
    assert_int_equal(wh_lc_count("EXISTS " BELL), 0); /* no new one */
    assert_int_equal(
        wh_lc_count("FCALL wh1_unregister " REGISTRY " wh:{eu:b} wh:{x:y}"), 1);
    assert_int_equal(wh_lc_count("FCALL wh1_unregister " REGISTRY " wh:{eu:b}"), 0);
    assert_int_equal(wh_lc_count("ZCARD wh:{registry}"), 2);
    assert_int_equal(wh_lc_count("FCALL wh1_register " REGISTRY " wh:{eu:b}"), 1);
    static const char *const bad[] = {"FCALL wh1_register " REGISTRY,
                                      "FCALL wh1_register " REGISTRY " wh:{eu:a} eu:a",
                                      "FCALL wh1_register " REGISTRY " wh:{registry}",
                                      "FCALL wh1_register 1 wh:{eu:q} wh:{eu:q}",
                                      "FCALL wh1_unregister " REGISTRY,
                                      "FCALL wh1_unregister " REGISTRY
                                      " wh:{eu:a} eu:a",
                                      "FCALL wh1_unregister 1 wh:{eu:a} wh:{eu:a}",
                                      "FCALL wh1_register 0 wh:{eu:q}",
                                      "FCALL wh1_partitions 1 wh:{eu:q}",
                                      "FCALL wh1_stats 1 wh:{registry}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        r = wh_lc_cmd(bad[i]);
        assert_int_equal(r->type, REDIS_REPLY_ERROR);
        assert_int_equal(strncmp(r->str, "WHBADARG ", 9), 0);
        freeReplyObject(r);
    }
    memset(name, 'a', sizeof name);
    r = wh_lc_cmd("FCALL wh1_register " REGISTRY " wh:{eu:%b}", name, sizeof name);
    assert_int_equal(strncmp(r->str, "WHBADARG ", 9), 0);
    freeReplyObject(r);
    assert_int_equal(wh_lc_count("ZCARD wh:{registry}"), 3);
    freeReplyObject(wh_lc_cmd("SET wh:{registry} x"));
    r = wh_lc_cmd("FCALL wh1_register " REGISTRY " wh:{eu:a}");
    assert_int_equal(strncmp(r->str, "WHBADDATA ", 10), 0);
    freeReplyObject(r);
    r = wh_lc_cmd("FCALL wh1_unregister " REGISTRY " wh:{eu:a}");
    assert_int_equal(strncmp(r->str, "WHBADDATA ", 10), 0);
    freeReplyObject(r);
}

static void version(void **state)
{
    (void)state;
    redisReply *r = wh_lc_cmd("FCALL_RO wh1_version 0");
    assert_int_equal(r->elements, 3);
    assert_int_equal(r->element[0]->integer, 1);
    assert_in_range(r->element[1]->integer, 1, 1000000);
    assert_int_equal(r->element[2]->len, 16);
    assert_int_equal(strspn(r->element[2]->str, "0123456789abcdef"), 16);
    freeReplyObject(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(pause_and_resume),
        WH_LC_TEST(configure),
        WH_LC_TEST(weight),
        WH_LC_TEST(quiet),
        WH_LC_TEST(stats_of_nothing),
        WH_LC_TEST(stats_count_marks),
        WH_LC_TEST(workers_and_orgs),
        WH_LC_TEST(audit_finds_damage),
        WH_LC_TEST(audit_finds_doubles),
        WH_LC_TEST(audit_is_bounded),
        WH_LC_TEST(registry),
        WH_LC_TEST(version),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
