/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_enqueue: every option, every malformed argument, ids and idempotency keys.
 */
#include "tests/support/lua_case.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void makes_a_pending_job(void **state)
{
    (void)state;
    redisReply *r = wh_lc_call("wh1_enqueue", "mail %b", "a\0b\xff", (size_t)4);

    assert_int_equal(r->elements, 2);
    assert_int_equal(strlen(r->element[0]->str), 36);
    assert_int_equal(r->element[0]->str[14], '7');
    assert_string_equal(r->element[1]->str, "created");
    redisReply *job = wh_lc_call("wh1_job", "%s", r->element[0]->str);
    assert_string_equal(wh_lc_find(job, "status")->str, "pending");
    assert_string_equal(wh_lc_find(job, "org")->str, "default");
    assert_string_equal(wh_lc_find(job, "priority")->str, "5");
    assert_string_equal(wh_lc_find(job, "region")->str, "eu");
    assert_string_equal(wh_lc_find(job, "queue")->str, "q");
    assert_string_equal(wh_lc_find(job, "enqueued_at_ms")->str, "1700000000000");
    assert_int_equal(wh_lc_find(job, "payload")->len, 4);
    assert_memory_equal(wh_lc_find(job, "payload")->str, "a\0b\xff", 4);
    freeReplyObject(job);
    freeReplyObject(r);
    wh_lc_stat("pending", 1);
    wh_lc_stat("enqueued", 1);
    wh_lc_audit();
}

static void keeps_every_option(void **state)
{
    (void)state;
    wh_lc_enqueue(
        1, "org acme PRIORITY 9 delay 5000 KEY k/{1} KEYTTL 3000000000 MAXATTEMPTS 7 "
           "TIMEOUT 604800000 EXPIRES 315360000000 ENTITY invoice 42 "
           "TRACEPARENT 00-aa-bb-01");
    wh_lc_field(1, "org", "acme");
    wh_lc_field(1, "priority", "9");
    wh_lc_field(1, "status", "scheduled");
    wh_lc_field(1, "next_retry_at_ms", "1700000005000");
    wh_lc_field(1, "max_attempts", "7");
    wh_lc_field(1, "timeout_ms", "604800000");
    wh_lc_field(1, "expires_at_ms", "2015360000000");
    wh_lc_field(1, "entity_type", "invoice");
    wh_lc_field(1, "entity_id", "42");
    wh_lc_field(1, "traceparent", "00-aa-bb-01");
    wh_lc_field(1, "payload", "p1");
    wh_lc_field(1, "attempts", "0");
    assert_in_range(wh_lc_count("PTTL " WH_LC_P ":unique:acme:k/{1}"), 2999000000,
                    3000000000);
    wh_lc_audit();
}

static void takes_ids_in_any_form(void **state)
{
    (void)state;
    wh_lc_ok("wh1_enqueue", "mail x ID %b", WH_LC_RAW(1));
    wh_lc_status(1, "pending");
    redisReply *r = wh_lc_call("wh1_enqueue", "mail x ID %s",
                               "0188AABB-CC00-7000-80FF-000000000001");
    assert_string_equal(r->element[0]->str, wh_lc_id(1));
    assert_string_equal(r->element[1]->str, "existing");
    freeReplyObject(r);
    wh_lc_ok("wh1_job", "0188AABB-cc00-7000-80FF-000000000001");
    wh_lc_stat("enqueued", 1);
}

static void repeated_is_existing(void **state)
{
    char before[41], after[41];

    (void)state;
    wh_lc_enqueue(1, "KEY order-1 DELAY 10");
    wh_lc_digest(before);
    redisReply *r = wh_lc_call("wh1_enqueue", "mail p1 ID %s KEY order-1", wh_lc_id(1));
    assert_string_equal(r->element[1]->str, "existing");
    freeReplyObject(r);
    r = wh_lc_call("wh1_enqueue", "mail other KEY order-1 ID %s", wh_lc_id(2));
    assert_string_equal(r->element[0]->str, wh_lc_id(1));
    assert_string_equal(r->element[1]->str, "existing");
    freeReplyObject(r);
    wh_lc_digest(after);
    assert_string_equal(before, after);
    wh_lc_status(2, NULL);
}

static void dead_and_finished_ids_are_existing(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_enqueue(2, "");
    wh_lc_claim("w", 2, "1 2");
    wh_lc_done("w", 1, 1, true);
    wh_lc_dead("w", 2, "invalid");
    for (unsigned n = 1; n <= 2; n++) {
        redisReply *r = wh_lc_call("wh1_enqueue", "mail x ID %s", wh_lc_id(n));
        assert_string_equal(r->element[1]->str, "existing");
        freeReplyObject(r);
    }
    wh_lc_audit();
}

static void empty_payload_and_limits(void **state)
{
    char *big = calloc(1, 262146);

    (void)state;
    assert_non_null(big);
    wh_lc_ok("wh1_enqueue", "mail %s ID %s", "", wh_lc_id(1));
    wh_lc_field(1, "payload", NULL);
    wh_lc_ok("wh1_enqueue", "mail %b", big, (size_t)262144);
    wh_lc_error("WHTOOBIG the payload has 262145 bytes, this partition takes 262144 "
                "(payload_max; wherry queue set",
                "wh1_enqueue", "mail %b", big, (size_t)262145);
    wh_lc_ok("wh1_configure", "payload_max 10");
    wh_lc_ok("wh1_enqueue", "mail 1234567890");
    wh_lc_error("WHTOOBIG the payload has 11 bytes, this partition takes 10",
                "wh1_enqueue", "mail 12345678901");
    free(big);
    wh_lc_audit();
}

static void refuses_bad_names(void **state)
{
    static const char *const bad[] = {"",     "a b",         "a:b", "a{b}",
                                      "a\nb", "caf\xc3\xa9", "a/b"};
    char name[10240];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        wh_lc_error("WHBADARG", "wh1_enqueue", "%s p", bad[i]);
        wh_lc_error("WHBADARG", "wh1_enqueue", "mail p ORG %s", bad[i]);
    }
    wh_lc_error("WHBADARG", "wh1_enqueue", "%b p", "a\0b", (size_t)3);
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p ORG %b", "a\0", (size_t)2);
    memset(name, 'a', sizeof name);
    wh_lc_error("WHBADARG", "wh1_enqueue", "%b p", name, sizeof name);
    wh_lc_error("WHBADARG", "wh1_enqueue", "%b p", name, (size_t)65);
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p ORG %b", name, sizeof name);
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p %b 1", name, sizeof name);
    wh_lc_ok("wh1_enqueue", "%b p ORG %b", name, (size_t)64, name, (size_t)64);
    wh_lc_audit();
}

static void refuses_bad_options(void **state)
{
    static const char *const bad[] = {"",
                                      "mail",
                                      "mail p ORG",
                                      "mail p FOO 1",
                                      "mail p ORG a ORG b",
                                      "mail p ENTITY t",
                                      "mail p PRIORITY 10",
                                      "mail p PRIORITY -1",
                                      "mail p PRIORITY 5.0",
                                      "mail p PRIORITY x",
                                      "mail p DELAY -1",
                                      "mail p DELAY 315360000001",
                                      "mail p DELAY 1e3",
                                      "mail p DELAY 0x10",
                                      "mail p DELAY 9999999999999999",
                                      "mail p MAXATTEMPTS 0",
                                      "mail p MAXATTEMPTS 1001",
                                      "mail p TIMEOUT 0",
                                      "mail p TIMEOUT 604800001",
                                      "mail p EXPIRES 0",
                                      "mail p EXPIRES 315360000001",
                                      "mail p KEY k KEYTTL 0",
                                      "mail p ID 0188aabb-cc00-7000-80ff-00000000000",
                                      "mail p ID zz",
                                      "mail p ID 0188aabb-cc00-7000-80ff-00000000000g",
                                      "mail p ID 0188aabbc-c00-7000-80ff-000000000001",
                                      "mail p ID 0188aabb-cc00-7000-80ff0-00000000001"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        wh_lc_error("WHBADARG", "wh1_enqueue", bad[i]);
    }
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p PRIORITY %s", "");
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p DELAY %s", "");
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p ID %s", "");
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p KEY %s", "");
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p KEY %s", "a b");
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p KEY %b", "a\0", (size_t)2);
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p ENTITY %s x", "");
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p ENTITY x %s", "");
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p TRACEPARENT %s", "");
}

static void refuses_long_options(void **state)
{
    static const char *const word[] = {"KEY %b", "ENTITY %b x", "ENTITY x %b",
                                       "TRACEPARENT %b"};
    char text[257], fmt[64];

    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < sizeof word / sizeof word[0]; i++) {
        snprintf(fmt, sizeof fmt, "mail p %s", word[i]);
        wh_lc_error("WHBADARG", "wh1_enqueue", fmt, text, (size_t)257);
        wh_lc_ok("wh1_enqueue", fmt, text, (size_t)256);
    }
}

static void refuses_bad_partitions(void **state)
{
    static const char *const bad[] = {"",           "wh",         "wh:{eu:q",
                                      "wh:eu:q",    "wh:{eu}",    "wh:{eu:}",
                                      "wh:{:q}",    "wh:{eu:q:}", "wh:{e{u:q}",
                                      "wh:{eu:q}x", "xwh:{eu:q}", "wh:{e u:q}"};
    char name[10240];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        redisReply *r = wh_lc_cmd("FCALL wh1_enqueue 1 %s mail p", bad[i]);
        assert_int_equal(r->type, REDIS_REPLY_ERROR);
        assert_int_equal(strncmp(r->str, "WHBADARG ", 9), 0);
        freeReplyObject(r);
    }
    memset(name, 'a', sizeof name);
    redisReply *r =
        wh_lc_cmd("FCALL wh1_enqueue 1 wh:{eu:%b} mail p", name, sizeof name);
    assert_int_equal(strncmp(r->str, "WHBADARG ", 9), 0);
    freeReplyObject(r);
    r = wh_lc_cmd("FCALL wh1_enqueue 1 wh:{eu:%b} mail p", "a\0", (size_t)2);
    assert_int_equal(strncmp(r->str, "WHBADARG ", 9), 0);
    freeReplyObject(r);
    r = wh_lc_cmd("FCALL wh1_enqueue 0 mail p");
    assert_int_equal(strncmp(r->str, "WHBADARG ", 9), 0);
    freeReplyObject(r);
    r = wh_lc_cmd("FCALL wh1_enqueue 2 wh:{eu:q} wh:{eu:q} mail p");
    assert_int_equal(strncmp(r->str, "WHBADARG ", 9), 0);
    freeReplyObject(r);
    assert_int_equal(wh_lc_count("DBSIZE"), 0);
}

static void a_full_redis_refuses_new_work_only(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    freeReplyObject(wh_lc_cmd("CONFIG SET maxmemory 1"));
    redisReply *r = wh_lc_call("wh1_enqueue", "mail p");
    assert_int_equal(r->type, REDIS_REPLY_ERROR);
    assert_int_equal(strncmp(r->str, "OOM ", 4), 0);
    freeReplyObject(r);
    wh_lc_claim("w", 1, "1");
    wh_lc_done("w", 1, 1, true);
    freeReplyObject(wh_lc_cmd("CONFIG SET maxmemory 0"));
    wh_lc_status(1, "completed");
    wh_lc_audit();
}

static void wakes_one_idle_worker(void **state)
{
    (void)state;
    wh_lc_worker("w1");
    wh_lc_worker("w2");
    wh_lc_claim("w1", 1, "");
    wh_lc_advance(1);
    wh_lc_claim("w2", 1, "");
    wh_lc_stat("idle", 2);
    wh_lc_enqueue(1, "");
    wh_lc_stat("idle", 1);
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":bell:w1"), 1);
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":bell:w2"), 0);
    wh_lc_enqueue(2, "DELAY 1000");
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":bell:w2"), 0);
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":bell:scheduler"), 1);
}

static void a_bell_never_rings_for_a_lost_worker(void **state)
{
    (void)state;
    wh_lc_worker("w1");
    wh_lc_claim("w1", 1, "");
    wh_lc_advance(30000);
    wh_lc_worker("w2");
    wh_lc_ok("wh1_cycle", "w2 1 0");
    wh_lc_enqueue(1, "");
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":bell:w1"), 0);
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":bell:w2"), 1);
}

static void bad_words_of_keys_are_refused(void **state)
{
    (void)state;
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p KEY k UNIQUE forever");
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p KEY k CONFLICT maybe");
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p KEY k UNIQUE done UNIQUE done");
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p KEY k KEYTTL 0");
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p KEY %s", "with blank");
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p KEY %s", "");
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p RETRYFOR 0");
}

/* Which one it is, without what was sent. */
static void a_refusal_names_the_option(void **state)
{
    static const char *const bad[][2] = {
        {"WHBADARG GROUP", "mail p GROUP a,b"},
        {"WHBADARG GROUP",
         "mail p GROUP "
         "gggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg"
         "g"},
        {"WHBADARG KEY (k)", "mail p KEY \xc3\xa4"},
        {"WHBADARG KEYTTL", "mail p KEY k KEYTTL 0"},
        {"WHBADARG DELAY", "mail p DELAY -1"},
        {"WHBADARG EXPIRES", "mail p EXPIRES 0"},
    };
    static const char *const heads[][2] = {
        {"WHBADARG GROUP (g)", "\x81\xa1g\xa1,"},
        {"WHBADARG GROUP (g)", "\x81\xa1g\x05"},
        {"WHBADARG KEY (k)", "\x81\xa1k\xa1 "},
        {"WHBADARG TRACEPARENT", "\x81\xa2tp\xa0"},
        {"WHBADARG EXPIRES (xp)", "\x81\xa2xp\xa1x"},
        {"WHBADARG UNIQUE (ku)", "\x82\xa1k\xa1k\xa2ku\xa1x"},
        {"WHBADARG CONFLICT (kc)", "\x82\xa1k\xa1k\xa2kc\xa1x"},
        {"WHBADARG head: unknown", "\x81\xa2zz\x05"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        wh_lc_error(bad[i][0], "wh1_enqueue", bad[i][1]);
    }
    wh_lc_error("WHBADARG TRACEPARENT", "wh1_enqueue", "mail p TRACEPARENT %s", "");
    wh_lc_error("WHBADARG the type of ENTITY", "wh1_enqueue", "mail p ENTITY %s x", "");
    wh_lc_error("WHBADARG the id of ENTITY", "wh1_enqueue", "mail p ENTITY x %s", "");
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        char head[64];
        int len = snprintf(head, sizeof head, "\x94\xa4mail\xa1o\x05%s", heads[i][1]);
        wh_lc_error(heads[i][0], "wh1_enqueue_batch", "%b %b p", WH_LC_RAW(1), head,
                    (size_t)len);
    }
}

/* What is about a key says nothing without one, in each way to enqueue. */
static void words_of_keys_need_one(void **state)
{
    static const char *const words[] = {"KEYTTL 5",        "UNIQUE done",
                                        "UNIQUE queued",   "CONFLICT replace",
                                        "CONFLICT extend", "CONFLICT keep_last"};
    static const char *const options[] = {"\x81\xa2kt\x05",
                                          "\x81\xa2ku\xa1"
                                          "d",
                                          "\x81\xa2kc\xa1r"};
    char text[96];

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        snprintf(text, sizeof text, "mail p %s", words[i]);
        wh_lc_error("WHBADARG KEYTTL (kt), UNIQUE", "wh1_enqueue", text);
    }
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        int len = snprintf(text, sizeof text, "\x94\xa4mail\xa1o\x05%s", options[i]);
        wh_lc_error("WHBADARG KEYTTL (kt), UNIQUE", "wh1_enqueue_batch", "%b %b p",
                    WH_LC_RAW(1), text, (size_t)len);
        wh_lc_error("WHBADARG KEYTTL (kt), UNIQUE", "wh1_enqueue_batch",
                    "%b %b p %b %b p", WH_LC_RAW(1), text, (size_t)len, WH_LC_RAW(2),
                    text, (size_t)len);
    }
    wh_lc_enqueue(1, "UNIQUE ttl CONFLICT keep"); /* what is so anyway */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(makes_a_pending_job),
        WH_LC_TEST(keeps_every_option),
        WH_LC_TEST(takes_ids_in_any_form),
        WH_LC_TEST(repeated_is_existing),
        WH_LC_TEST(dead_and_finished_ids_are_existing),
        WH_LC_TEST(empty_payload_and_limits),
        WH_LC_TEST(refuses_bad_names),
        WH_LC_TEST(refuses_bad_options),
        WH_LC_TEST(refuses_long_options),
        WH_LC_TEST(refuses_bad_partitions),
        WH_LC_TEST(a_full_redis_refuses_new_work_only),
        WH_LC_TEST(wakes_one_idle_worker),
        WH_LC_TEST(a_bell_never_rings_for_a_lost_worker),
        WH_LC_TEST(bad_words_of_keys_are_refused),
        WH_LC_TEST(a_refusal_names_the_option),
        WH_LC_TEST(words_of_keys_need_one),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
