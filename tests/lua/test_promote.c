/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_promote: each due job goes to the place that its head names, whatever stands before
 * it in the batch. Neighbours here differ in as little as can be.
 */
#include "tests/support/lua_case.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void promote(long long want)
{
    assert_int_equal(wh_lc_nth(1, "wh1_promote", "1000"), want);
}

/* The key's ids in order, as "3 1 2". */
static void holds(const char *key, const char *want)
{
    char got[256] = "";
    redisReply *type = wh_lc_cmd("TYPE " WH_LC_P ":%s", key);
    redisReply *r = strcmp(type->str, "zset") == 0
                        ? wh_lc_cmd("ZRANGE " WH_LC_P ":%s 0 -1", key)
                        : wh_lc_cmd("LRANGE " WH_LC_P ":%s 0 -1", key);

    for (size_t i = 0; i < r->elements; i++) {
        unsigned n = 0;
        while (n < 64 && memcmp(r->element[i]->str, wh_lc_raw(n), 16) != 0) {
            n++;
        }
        size_t at = strlen(got);
        snprintf(got + at, sizeof got - at, "%s%u", at > 0 ? " " : "", n);
    }
    freeReplyObject(type);
    freeReplyObject(r);
    assert_string_equal(got, want);
}

/* A dot of one name must not stand for any letter of another, and so on. */
static void names_that_are_alike(void **state)
{
    (void)state;
    wh_lc_enqueue(1, "DELAY 70000 ORG a.b");
    wh_lc_enqueue(2, "DELAY 70000 ORG axb");
    wh_lc_enqueue(3, "DELAY 70000 ORG a-b");
    wh_lc_enqueue(4, "DELAY 70000 ORG a.b");
    wh_lc_enqueue(5, "DELAY 70000 ORG a.bb");
    wh_lc_enqueue(6, "DELAY 70000 ORG a.b PRIORITY 0");
    wh_lc_enqueue(7, "DELAY 70000 ORG a.b PRIORITY 9");
    for (unsigned n = 8; n <= 11; n++) {
        wh_lc_enqueue(n, "DELAY 70000 ORG a.b");
    }
    wh_lc_advance(70000);
    promote(11);
    holds("ready:a.b:5", "1 4 8 9 10 11");
    holds("ready:axb:5", "2");
    holds("ready:a-b:5", "3");
    holds("ready:a.bb:5", "5");
    holds("ready:a.b:0", "6");
    holds("ready:a.b:9", "7");
    wh_lc_audit();
}

/* Options that change the place between such that do not; delays of each width; a head
 * without options (a job that is tried again). */
static void options_that_matter_and_others(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(9, "ORG a");
    wh_lc_claim("w", 1, "9");
    wh_lc_finish(
        "w", &(struct wh_lc_end){.n = 9, .fence = 1, .outcome = "retry", .delay_ms = 1},
        true);
    wh_lc_enqueue(1, "ORG a DELAY 127");
    wh_lc_enqueue(2, "ORG a DELAY 128");
    wh_lc_enqueue(3, "ORG a DELAY 129 GROUP g");
    wh_lc_enqueue(4, "ORG a DELAY 130 MAXATTEMPTS 3");
    wh_lc_enqueue(5, "ORG a DELAY 256");
    wh_lc_enqueue(6, "ORG a DELAY 257 EXPIRES 9000000000");
    wh_lc_enqueue(7, "ORG a DELAY 65536");
    wh_lc_enqueue(8, "ORG a DELAY 4294967296");
    wh_lc_enqueue(10, "ORG a DELAY 65537 GROUP g");
    wh_lc_enqueue(11, "ORG a DELAY 65538");
    wh_lc_enqueue(12, "ORG a DELAY 65539 TIMEOUT 5");
    wh_lc_advance(4294967296);
    promote(12);
    holds("ready:a:5", "9 1 2 4 5 6 7 11 12 8");
    holds("ready:a:5:g", "3 10");
    wh_lc_audit();
}

static void in_order_of_deadlines(void **state)
{
    (void)state;
    wh_lc_ok("wh1_configure", "order deadline");
    wh_lc_enqueue(1, "ORG a DELAY 10");
    wh_lc_enqueue(2, "ORG a DELAY 10 EXPIRES 900");
    wh_lc_enqueue(3, "ORG a DELAY 10");
    wh_lc_enqueue(4, "ORG a DELAY 10 EXPIRES 800");
    wh_lc_advance(10);
    promote(4);
    holds("ready:a:5", "1 3");
    holds("soonest:a:5", "4 2");
    wh_lc_audit();
}

static void put_record(unsigned n, const char *head, size_t len)
{
    char rec[128] = "\xcf\0\0\x01\x8b\xcf\xe5\x68\0";

    memcpy(rec + 9, head, len);
    freeReplyObject(
        wh_lc_cmd("HSET " WH_LC_P ":jobs %b %b", WH_LC_RAW(n), rec, len + 9));
}

/* Overwritten by hand: they go where such jobs go, and those beside them where they belong. */
static void heads_that_are_damaged(void **state)
{
    static const char unknown[] = "\x94\xa4mail\xa1"
                                  "a\x05\x81\xa2zz\x0a";
    static const char text[] = "\x94\xa4mail\xa1"
                               "a\x05\x81\xa2"
                               "dl\xa1x12345678";
    static const char level[] = "\x94\xa4mail\xa1"
                                "a\x0b\x81\xa2"
                                "dl\x0a";

    (void)state;
    for (unsigned n = 1; n <= 7; n++) {
        wh_lc_enqueue(n, "ORG a DELAY 10");
    }
    put_record(2, unknown, sizeof unknown - 1);
    put_record(3, text, sizeof text - 1);
    put_record(4, level, sizeof level - 1);
    put_record(5, level, 7); /* ends within the org */
    freeReplyObject(wh_lc_cmd("HSET " WH_LC_P ":jobs %b %s", WH_LC_RAW(6), "what"));
    wh_lc_advance(10);
    promote(6);
    holds("ready:a:5", "1 7");
    holds("ready:default:5", "2 3 4 5");
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":delayed"), 0);
}

/* A place of a wrong type blocks nobody else; its jobs wait a minute more. */
static void a_place_of_a_wrong_type(void **state)
{
    (void)state;
    wh_lc_enqueue(1, "ORG a DELAY 10");
    wh_lc_enqueue(2, "ORG b DELAY 10");
    wh_lc_enqueue(3, "ORG b DELAY 10 GROUP g");
    wh_lc_enqueue(4, "ORG a DELAY 10");
    wh_lc_enqueue(5, "ORG b DELAY 10");
    freeReplyObject(wh_lc_cmd("SET " WH_LC_P ":ready:b:5 x"));
    wh_lc_advance(10);
    promote(3);
    holds("ready:a:5", "1 4");
    holds("ready:b:5:g", "3");
    holds("delayed", "2 5");
    wh_lc_advance(59999);
    promote(0);
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":ready:b:5"));
    wh_lc_advance(1);
    promote(2);
    holds("ready:b:5", "2 5");
    wh_lc_stat("promoted", 5);
    wh_lc_audit();
}

/* What is known of heads is not of another partition. */
static void two_partitions(void **state)
{
    static const char head[] = "\x94\xa4mail\xa1"
                               "a\x05\x81\xa2"
                               "dl\xce\0\0\0\x0a";
    static const char other[] = "wh:{eu:other}";

    (void)state;
    wh_lc_enqueue(1, "ORG a DELAY 10");
    freeReplyObject(wh_lc_cmd("FCALL wh1_enqueue_batch 1 %s %b %b %s", other,
                              WH_LC_RAW(2), head, sizeof head - 1, "p"));
    wh_lc_advance(10);
    promote(1);
    freeReplyObject(wh_lc_cmd("FCALL wh1_promote 1 %s 10", other));
    holds("ready:a:5", "1");
    assert_int_equal(wh_lc_count("LLEN %s:ready:a:5", other), 1);
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(names_that_are_alike),    WH_LC_TEST(options_that_matter_and_others),
        WH_LC_TEST(in_order_of_deadlines),   WH_LC_TEST(heads_that_are_damaged),
        WH_LC_TEST(a_place_of_a_wrong_type), WH_LC_TEST(two_partitions),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
