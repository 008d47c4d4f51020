/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_enqueue_batch: heads as bytes from the wire, all or nothing, what exists already.
 */
#include "tests/support/lua_case.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Heads in msgpack. */
#define HEAD                                                                           \
    "\x93\xa4mail\xa4"                                                                 \
    "acme\x05"
#define HEAD9                                                                          \
    "\x93\xa4mail\xa4"                                                                 \
    "acme\x09"
#define BYTES(s) s, sizeof(s) - 1

static void refuse(const char *word, const void *head, size_t len)
{
    struct wh_lc_args a = {0};

    wh_lc_add(&a, wh_lc_raw(1), 16);
    wh_lc_add(&a, BYTES(HEAD));
    wh_lc_add(&a, BYTES("good"));
    wh_lc_add(&a, wh_lc_raw(2), 16);
    wh_lc_add(&a, head, len);
    wh_lc_add(&a, BYTES("p"));
    wh_lc_error_args(word, "wh1_enqueue_batch", &a);
    assert_int_equal(wh_lc_count("DBSIZE"), 0);
}

static void accept(unsigned n, const void *head, size_t len)
{
    redisReply *r = wh_lc_call("wh1_enqueue_batch", "%b %b p", WH_LC_RAW(n), head, len);

    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->element[0]->integer, 1);
    freeReplyObject(r);
    wh_lc_status(n, "pending");
}

static void makes_many(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    for (unsigned n = 1; n <= 1000; n++) {
        wh_lc_add(&a, wh_lc_raw(n), 16);
        if (n % 2 == 0) {
            wh_lc_add(&a, BYTES(HEAD));
        } else {
            wh_lc_add(&a, BYTES(HEAD9));
        }
        wh_lc_add_text(&a, "p%u", n);
    }
    redisReply *r = wh_lc_call_args("wh1_enqueue_batch", &a);
    assert_int_equal(r->elements, 2);
    assert_int_equal(r->element[0]->integer, 1000);
    assert_int_equal(r->element[1]->integer, WH_LC_T0);
    freeReplyObject(r);
    wh_lc_field(1, "priority", "9");
    wh_lc_field(1000, "payload", "p1000");
    wh_lc_stat("pending", 1000);
    wh_lc_worker("w");
    wh_lc_claim("w", 3, "1 3 5");
    wh_lc_audit();
}

static void tells_what_exists(void **state)
{
    (void)state;
    wh_lc_enqueue(2, "");
    redisReply *r = wh_lc_call("wh1_enqueue_batch", "%b %b p %s %b p %b %b p %b %b p",
                               WH_LC_RAW(1), BYTES(HEAD), wh_lc_id(2), BYTES(HEAD),
                               WH_LC_RAW(3), BYTES(HEAD), WH_LC_RAW(1), BYTES(HEAD9));
    assert_int_equal(r->elements, 6);
    assert_int_equal(r->element[0]->integer, 2);
    assert_int_equal(r->element[2]->integer, 2);
    assert_string_equal(r->element[3]->str, wh_lc_id(2));
    assert_int_equal(r->element[4]->integer, 4);
    assert_string_equal(r->element[5]->str, wh_lc_id(1));
    freeReplyObject(r);
    wh_lc_field(1, "priority", "5");
    wh_lc_stat("pending", 3);
    wh_lc_audit();
}

static void one_key_one_job_within_a_batch(void **state)
{
    static const char head[] = "\x94\xa4mail\xa4"
                               "acme\x05\x81\xa1k\xa2k1";

    (void)state;
    redisReply *r = wh_lc_call("wh1_enqueue_batch", "%b %b p %b %b p", WH_LC_RAW(1),
                               BYTES(head), WH_LC_RAW(2), BYTES(head));
    assert_int_equal(r->element[0]->integer, 1);
    assert_string_equal(r->element[3]->str, wh_lc_id(1));
    freeReplyObject(r);
    wh_lc_status(2, NULL);
    assert_in_range(wh_lc_count("PTTL " WH_LC_P ":unique:acme:k1"), 86000000, 86400000);
    wh_lc_audit();
}

static void repeated_changes_nothing(void **state)
{
    char before[41], after[41];

    (void)state;
    for (int i = 0; i < 2; i++) {
        wh_lc_ok("wh1_enqueue_batch", "%b %b p %b %b p", WH_LC_RAW(1), BYTES(HEAD),
                 WH_LC_RAW(2), BYTES(HEAD9));
        wh_lc_digest(i == 0 ? before : after);
    }
    assert_string_equal(before, after);
}

static void refuses_wrong_counts(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_error("WHBADARG", "wh1_enqueue_batch", "");
    wh_lc_error("WHBADARG", "wh1_enqueue_batch", "%b", WH_LC_RAW(1));
    wh_lc_error("WHBADARG", "wh1_enqueue_batch", "%b %b", WH_LC_RAW(1), BYTES(HEAD));
    wh_lc_error("WHBADARG", "wh1_enqueue_batch", "%b %b p x", WH_LC_RAW(1),
                BYTES(HEAD));
    wh_lc_error("WHBADARG", "wh1_enqueue_batch", "%b %b p", "123456789012345",
                (size_t)15, BYTES(HEAD));
    wh_lc_error("WHBADARG", "wh1_enqueue_batch", "%s %b p", "", BYTES(HEAD));
    for (unsigned n = 0; n <= 1000; n++) {
        wh_lc_add(&a, wh_lc_raw(n), 16);
        wh_lc_add(&a, BYTES(HEAD));
        wh_lc_add(&a, BYTES("p"));
    }
    wh_lc_error_args("WHTOOBIG", "wh1_enqueue_batch", &a);
}

static void refuses_bad_payloads(void **state)
{
    char *big = calloc(1, 262145);

    (void)state;
    assert_non_null(big);
    wh_lc_error("WHTOOBIG the payload has 262145 bytes, this partition takes 262144",
                "wh1_enqueue_batch", "%b %b ok %b %b %b", WH_LC_RAW(1), BYTES(HEAD),
                WH_LC_RAW(2), BYTES(HEAD), big, (size_t)262145);
    free(big);
}

static void refuses_bad_heads(void **state)
{
    (void)state;
    refuse("WHBADARG", "", 0);
    refuse("WHBADARG", BYTES("text"));
    refuse("WHBADARG", BYTES("\xc1"));
    refuse("WHBADARG", BYTES("\xc0"));
    refuse("WHBADARG", BYTES("\x90"));
    refuse("WHBADARG", BYTES("\x92\xa4mail\xa4"
                             "acme"));
    refuse("WHBADARG", BYTES("\x93\xa4mail\xa4"
                             "acme"));      /* cut */
    refuse("WHBADARG", BYTES(HEAD "\x01")); /* something behind it */
    refuse("WHBADARG", BYTES("\x93\xa0\xa4"
                             "acme\x05")); /* empty type */
    refuse("WHBADARG", BYTES("\x93\xa4mail\xa3"
                             "a:b\x05"));
    refuse("WHBADARG", BYTES("\x93\xa4mail\xa2"
                             "a\0\x05"));
    refuse("WHBADARG", BYTES("\x93\x01\xa4"
                             "acme\x05")); /* type a number */
    refuse("WHBADARG", BYTES("\x93\xa4mail\xa4"
                             "acme\x0a"));
    refuse("WHBADARG", BYTES("\x93\xa4mail\xa4"
                             "acme\xff")); /* -1 */
    refuse("WHBADARG", BYTES("\x93\xa4mail\xa4"
                             "acme\xa1"
                             "5"));
    refuse("WHBADARG", BYTES("\x93\xa4mail\xa4"
                             "acme\xcb\x40\x04\0\0\0\0\0\0")); /* 2.5 */
    refuse("WHBADARG", BYTES("\x94\xa4mail\xa4"
                             "acme\x05\x01"));
    refuse("WHBADARG", BYTES("\x94\xa4mail\xa4"
                             "acme\x05\xc2"));
    refuse("WHBADARG", BYTES("\x95\xa4mail\xa4"
                             "acme\x05\x80\x01"));
    refuse("WHBADARG", BYTES("\x83\x01\xa4mail\x02\xa4"
                             "acme\x03\x05")); /* a map */
}

static void refuses_bad_options(void **state)
{
#define OPTIONS                                                                        \
    "\x94\xa4mail\xa4"                                                                 \
    "acme\x05\x81"
    char long_key[512] = OPTIONS "\xa1k\xda\x01\x01";
    size_t at = sizeof(OPTIONS "\xa1k\xda\x01\x01") - 1;

    (void)state;
    refuse("WHBADARG", BYTES(OPTIONS "\xa2zz\x01")); /* unknown */
    refuse("WHBADARG", BYTES(OPTIONS "\x01\x01"));   /* key a number */
    refuse("WHBADARG", BYTES(OPTIONS "\xc0\x01"));   /* key nil */
    refuse("WHBADARG", BYTES(OPTIONS "\xcb\x7f\xf8\0\0\0\0\0\0\x01")); /* key NaN */
    refuse("WHBADARG", BYTES(OPTIONS "\xa2ma\x00"));
    refuse("WHBADARG", BYTES(OPTIONS "\xa2ma\xcd\x03\xe9")); /* 1001 */
    refuse("WHBADARG", BYTES(OPTIONS "\xa2ma\xa1"
                                     "5"));
    refuse("WHBADARG", BYTES(OPTIONS "\xa2ma\xff"));
    refuse("WHBADARG", BYTES(OPTIONS "\xa2"
                                     "dl\xcb\x7f\xf8\0\0\0\0\0\0")); /* NaN */
    refuse("WHBADARG", BYTES(OPTIONS "\xa2"
                                     "dl\xcb\x7f\xf0\0\0\0\0\0\0")); /* inf */
    refuse("WHBADARG", BYTES(OPTIONS "\xa2"
                                     "dl\xcf\xff\xff\xff\xff\xff\xff\xff\xff"));
    refuse("WHBADARG", BYTES(OPTIONS "\xa2to\x00"));
    refuse("WHBADARG", BYTES(OPTIONS "\xa2xp\x00"));
    refuse("WHBADARG", BYTES(OPTIONS "\xa2kt\x00"));
    refuse("WHBADARG", BYTES(OPTIONS "\xa2"
                                     "et\xa0"));
    refuse("WHBADARG", BYTES(OPTIONS "\xa2"
                                     "ei\x05"));
    refuse("WHBADARG", BYTES(OPTIONS "\xa2tp\x90"));
    refuse("WHBADARG", BYTES(OPTIONS "\xa1k\xa3"
                                     "a b"));
    memset(long_key + at, 'x', 257);
    refuse("WHBADARG", long_key, at + 257);
}

/* Packed to make a decoder allocate or recurse without end: refused at once. */
static void refuses_bombs(void **state)
{
    char deep[2049];

    (void)state;
    refuse("WHBADARG", BYTES("\xdd\xff\xff\xff\xff"));
    refuse("WHBADARG", BYTES("\xdf\xff\xff\xff\xff"));
    refuse("WHBADARG", BYTES("\xdb\xff\xff\xff\xff"));
    refuse("WHBADARG", BYTES("\x94\xa4mail\xa4"
                             "acme\x05\xdf\xff\xff\xff\xff"));
    refuse("WHBADARG", BYTES("\x94\xa4mail\xa4"
                             "acme\x05\x81\xa2"
                             "et\xdb\xff\xff\xff\xff"));
    memset(deep, 0x91, sizeof deep);
    refuse("WHBADARG", deep, 2048);
    refuse("WHTOOBIG", deep, 2049);
    memset(deep, 0x81, sizeof deep);
    refuse("WHBADARG", deep, 2048);
    memset(deep, 0xdd, sizeof deep);
    refuse("WHBADARG", deep, 2048);
    assert_int_equal(wh_lc_count("DBSIZE"), 0);
}

/* What other packers write is accepted and kept in the one form that C reads. */
static void stores_heads_in_one_form(void **state)
{
    static const char *const want = "\x94\xa4mail\xa4"
                                    "acme\x05\x81\xa2ma\x03p";

    (void)state;
    /* array32, str8, str16, priority and number as doubles, a doubled key */
    accept(1, BYTES("\xdd\0\0\0\x04\xd9\x04mail\xda\0\x04"
                    "acme\xcb\x40\x14\0\0\0\0\0\0"
                    "\x82\xa2ma\x02\xa2ma\xcb\x40\x08\0\0\0\0\0\0"));
    redisReply *r = wh_lc_cmd("HGET " WH_LC_P ":jobs %b", WH_LC_RAW(1));
    assert_int_equal(r->len, 9 + strlen(want));
    assert_memory_equal(r->str + 9, want, strlen(want));
    freeReplyObject(r);
    wh_lc_field(1, "max_attempts", "3");
    accept(2, BYTES("\x94\xa4mail\xa4"
                    "acme\x05\x80"));
    r = wh_lc_cmd("HGET " WH_LC_P ":jobs %b", WH_LC_RAW(2));
    assert_int_equal(r->len, 9 + sizeof(HEAD) - 1 + 1);
    freeReplyObject(r);
    accept(3, BYTES("\x94\xa4mail\xa4"
                    "acme\x05\xc0"));
    wh_lc_audit();
}

static void keeps_big_numbers_and_odd_bytes(void **state)
{
    (void)state;
    /* kt and xp over 2^31, entity id with high bytes and NUL, payload like a tombstone */
    accept(1, BYTES("\x94\xa4mail\xa4"
                    "acme\x05\x83\xa2to\xce\x24\x0c\x84\x00"
                    "\xa2xp\xcf\x00\x00\x00\x49\x6c\xeb\xb8\x00\xa2"
                    "ei\xa4\xff\0\x80\xc3"));
    wh_lc_field(1, "timeout_ms", "604800000");
    wh_lc_field(1, "expires_at_ms", "2015360000000");
    redisReply *r = wh_lc_call("wh1_job", "%s", wh_lc_id(1));
    assert_memory_equal(wh_lc_find(r, "entity_id")->str, "\xff\0\x80\xc3", 4);
    freeReplyObject(r);
    wh_lc_worker("w");
    wh_lc_claim("w", 1, "1");
    wh_lc_dead("w", 1, "error");
    wh_lc_text("pending", "wh1_retry", "%s", wh_lc_id(1));
    wh_lc_field(1, "timeout_ms", "604800000");
    r = wh_lc_call("wh1_job", "%s", wh_lc_id(1));
    assert_memory_equal(wh_lc_find(r, "entity_id")->str, "\xff\0\x80\xc3", 4);
    freeReplyObject(r);
    wh_lc_audit();
}

static void delays_in_order(void **state)
{
    (void)state;
    accept(1, BYTES(HEAD));
    wh_lc_ok("wh1_enqueue_batch", "%b %b p %b %b p", WH_LC_RAW(2),
             BYTES("\x94\xa4mail\xa4"
                   "acme\x05\x81\xa2"
                   "dl\x64"),
             WH_LC_RAW(3),
             BYTES("\x94\xa4mail\xa4"
                   "acme\x05\x81\xa2"
                   "dl\x0a"));
    wh_lc_status(2, "scheduled");
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":bell:scheduler"), 1);
    assert_int_equal(wh_lc_nth(2, "wh1_promote", "10"), 10);
    wh_lc_advance(100);
    wh_lc_worker("w");
    wh_lc_claim("w", 5, "1 3 2");
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(makes_many),
        WH_LC_TEST(tells_what_exists),
        WH_LC_TEST(one_key_one_job_within_a_batch),
        WH_LC_TEST(repeated_changes_nothing),
        WH_LC_TEST(refuses_wrong_counts),
        WH_LC_TEST(refuses_bad_payloads),
        WH_LC_TEST(refuses_bad_heads),
        WH_LC_TEST(refuses_bad_options),
        WH_LC_TEST(refuses_bombs),
        WH_LC_TEST(stores_heads_in_one_form),
        WH_LC_TEST(keeps_big_numbers_and_odd_bytes),
        WH_LC_TEST(delays_in_order),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
