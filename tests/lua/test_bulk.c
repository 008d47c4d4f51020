/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short way of wh1_enqueue_batch for jobs that wait in lists: the same order, counts and
 * refusals as the long one, of which one job alone is a case.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* What follows type and org in a head: a priority, and options. */
struct tail {
    int size; /* elements of the head */
    const char *bytes;
};

static const struct tail five = {3, "\x05"}, none = {3, "\xc0"}, seven = {3, "\x07"},
                         attempts = {4, "\xc0\x81\xa2ma\x03"};

static void add_with(struct wh_lc_args *a, unsigned n, const char *type,
                     const char *org, const struct tail *t)
{
    char head[64];
    int len = snprintf(head, sizeof head, "%c%c%s%c%s%s", (char)(0x90 + t->size),
                       (char)(0xa0 + strlen(type)), type, (char)(0xa0 + strlen(org)),
                       org, t->bytes);

    wh_lc_add(a, wh_lc_raw(n), 16);
    wh_lc_add(a, head, (size_t)len);
    wh_lc_add_text(a, "p%u", n);
}

static void add(struct wh_lc_args *a, unsigned n, const char *type, const char *org)
{
    add_with(a, n, type, org, &five);
}

/* Sends them and expects so many to be created; the reply is the caller's. */
static redisReply *send(struct wh_lc_args *a, long long created)
{
    redisReply *r = wh_lc_call_args("wh1_enqueue_batch", a);

    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->element[0]->integer, created);
    return r;
}

static void types_of_an_org_keep_their_order(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    add(&a, 1, "mail", "acme");
    add(&a, 2, "sms", "acme");
    add(&a, 3, "mail", "acme");
    add(&a, 4, "sms", "acme");
    add(&a, 5, "mail", "acme");
    freeReplyObject(send(&a, 5));
    wh_lc_field(4, "payload", "p4");
    wh_lc_field(4, "type", "sms");
    wh_lc_stat("pending", 5);
    wh_lc_audit();
    wh_lc_worker("w");
    wh_lc_claim("w", 5, "1 2 3 4 5");
    wh_lc_audit();
}

static void send_thirty(unsigned way, const char *const (*settings)[2])
{
    static const struct tail *const tails[] = {&five, &none, &seven, &attempts};
    struct wh_lc_args a = {0};

    wh_lc_reset(NULL);
    for (unsigned i = 0; settings[i][0] != NULL; i++) {
        wh_ll_set(settings[i][0], settings[i][1]);
    }
    wh_ll_put(99, "late", "ORG beta");
    for (unsigned n = 1; n <= 30; n++) {
        add_with(&a, n, n % 5 == 0 ? "sms" : "mail", n % 3 == 0 ? "acme" : "beta",
                 tails[n / 3 % 4]);
        if (way == 1) {
            freeReplyObject(send(&a, 1));
        }
    }
    if (way == 0) {
        freeReplyObject(send(&a, 30));
    }
    wh_lc_audit();
}

/* Without what says when a setting changed. */
static void digest(char out[41])
{
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":events"));
    freeReplyObject(wh_lc_cmd("HDEL " WH_LC_P ":ctl limits"));
    wh_lc_digest(out);
}

/* Whatever is set: a call of many leaves what calls of one leave. */
static void as_one_by_one(void **state)
{
    static const char *const settings[][3][2] = {
        {{NULL, NULL}},
        {{"active:org/*", "5"}, {"rate:type/*", "5/1000/5"}, {NULL, NULL}},
        {{"priority:type/mail", "8"}, {"priority:queue", "2"}, {NULL, NULL}},
        {{"jobs:org/*", "40"}, {"bytes:queue", "100000"}, {NULL, NULL}},
    };
    char together[41], alone[41];

    (void)state;
    for (unsigned i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        send_thirty(0, settings[i]);
        digest(together);
        send_thirty(1, settings[i]);
        digest(alone);
        assert_string_equal(together, alone);
    }
}

/* One org has the type set aside: its new jobs go there too, in their order. */
static void those_behind_a_held_type(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_worker("w");
    wh_ll_set("pause:type/mail", "1");
    wh_ll_put(1, "mail", "ORG acme");
    wh_lc_claim("w", 5, "");
    for (unsigned n = 2; n <= 7; n++) {
        add_with(&a, n, "mail", n % 2 == 0 ? "acme" : "beta", &none);
    }
    freeReplyObject(send(&a, 6));
    assert_int_equal(wh_lc_count("ZCARD " WH_LC_P ":aside:acme:mail"), 4);
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":ready:beta:5"), 3);
    wh_lc_audit();
    wh_lc_claim("w", 5, "");
    wh_ll_set("pause:type/mail", "");
    wh_lc_advance(2000);
    assert_int_equal(wh_ll_take_count("w", 10), 7);
    wh_lc_audit();
}

static void a_quota_counts_the_call(void **state)
{
    struct wh_lc_args a = {0};
    char before[41], after[41];

    (void)state;
    wh_ll_set("jobs:org/acme", "3");
    wh_ll_put(9, "mail", "ORG acme");
    wh_lc_digest(before);
    for (unsigned n = 1; n <= 3; n++) {
        add_with(&a, n, "mail", "acme", n == 2 ? &seven : &none);
    }
    wh_lc_error_args("WHBACKPRESSURE", "wh1_enqueue_batch", &a);
    wh_lc_digest(after);
    assert_string_equal(before, after);
    for (unsigned n = 1; n <= 4; n++) { /* the same one four times is one */
        add_with(&a, 1 + n / 4, "mail", "acme", &none);
    }
    freeReplyObject(send(&a, 2));
    wh_lc_stat("pending", 3);
    wh_lc_audit();
}

static void an_id_that_comes_twice_is_one_job(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    add(&a, 1, "mail", "acme");
    add(&a, 2, "mail", "acme");
    add(&a, 1, "sms", "beta");
    redisReply *r = send(&a, 2);
    assert_int_equal(r->elements, 4);
    assert_int_equal(r->element[2]->integer, 3);
    assert_string_equal(r->element[3]->str, wh_lc_id(1));
    freeReplyObject(r);
    wh_lc_field(1, "type", "mail");
    wh_lc_stat("pending", 2);
    wh_lc_audit();
}

static void one_that_exists_is_left_alone(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_enqueue(2, "ORG beta");
    add(&a, 1, "sms", "acme");
    add(&a, 2, "sms", "acme");
    redisReply *r = send(&a, 1);
    assert_int_equal(r->element[2]->integer, 2);
    assert_string_equal(r->element[3]->str, wh_lc_id(2));
    freeReplyObject(r);
    wh_lc_field(2, "type", "mail");
    wh_lc_stat("pending", 2);
    wh_lc_audit();
}

static void a_wrong_list_leaves_nothing(void **state)
{
    struct wh_lc_args a = {0};
    char before[41], after[41];

    (void)state;
    wh_lc_enqueue(9, "ORG acme");
    freeReplyObject(wh_lc_cmd("SET " WH_LC_P ":ready:beta:5 x"));
    wh_lc_digest(before);
    add(&a, 1, "mail", "acme");
    add(&a, 2, "mail", "gamma");
    add(&a, 3, "mail", "beta");
    add(&a, 4, "mail", "acme");
    wh_lc_error_args("WHBADDATA", "wh1_enqueue_batch", &a);
    wh_lc_digest(after);
    assert_string_equal(before, after);
    add(&a, 1, "mail", "acme"); /* nor is anything left for the next call */
    add(&a, 2, "mail", "gamma");
    freeReplyObject(send(&a, 2));
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":ready:beta:5"));
    wh_lc_stat("pending", 3);
    wh_lc_audit();
}

/* More orgs than are remembered, in calls of one job each and then of some more. */
static void many_orgs(void **state)
{
    enum { ORGS = 4000, CALL = 1000 };
    struct wh_lc_args a = {0};

    (void)state;
    for (unsigned n = 0; n < 2 * ORGS; n++) {
        char org[16];
        snprintf(org, sizeof org, "o%u", n < ORGS ? n : (n - ORGS) / 30);
        add(&a, n + 1, "mail", org);
        if ((n + 1) % CALL == 0) {
            freeReplyObject(send(&a, CALL));
        }
    }
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":ready:o0:5"), 31);
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":ready:o133:5"), 11);
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":ready:o134:5"), 1);
    assert_int_equal(wh_lc_count("ZCARD " WH_LC_P ":ring"), ORGS);
    wh_lc_stat("pending", 2LL * ORGS);
    wh_lc_audit();
}

/* Many orgs come back after some calls, with one type or both, so that heads and lists are forgotten at different
 * times; also in another partition, and with a type whose priority changes. An org's jobs count once. */
static void orgs_that_come_back(void **state)
{
    enum { CALLS = 24, CALL = 1000 };
    static const unsigned strides[] = {1, 7, 331};
    struct wh_lc_args a = {0};
    unsigned id = 0;

    (void)state;
    for (unsigned c = 0; c < CALLS; c++) {
        unsigned orgs = c % 3 == 0 ? 2600 : 450;

        wh_ll_set("priority:type/sms", c % 8 < 4 ? "7" : "");
        for (unsigned n = 0; n < CALL; n++) {
            char org[16];
            snprintf(org, sizeof org, "o%u", (n * strides[c % 3] + c * 131) % orgs);
            add_with(&a, ++id, n % 3 == 0 ? "sms" : "mail", org, &none);
        }
        freeReplyObject(send(&a, CALL));
        freeReplyObject(wh_lc_cmd("FCALL wh1_enqueue_batch 1 wh:{eu:other} %b %b p",
                                  wh_lc_raw(c + 1), (size_t)16,
                                  "\x93\xa4mail\xa2o1\xc0", (size_t)10));
    }
    wh_lc_stat("pending", (long long)CALLS * CALL);
    assert_int_equal(wh_lc_count("LLEN wh:{eu:other}:ready:o1:5"), CALLS);
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(types_of_an_org_keep_their_order),
        WH_LC_TEST(as_one_by_one),
        WH_LC_TEST(those_behind_a_held_type),
        WH_LC_TEST(a_quota_counts_the_call),
        WH_LC_TEST(an_id_that_comes_twice_is_one_job),
        WH_LC_TEST(one_that_exists_is_left_alone),
        WH_LC_TEST(a_wrong_list_leaves_nothing),
        WH_LC_TEST(many_orgs),
        WH_LC_TEST(orgs_that_come_back),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
