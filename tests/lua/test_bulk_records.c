/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_enqueue_records: what its records leave is what wh1_enqueue_batch leaves of the same jobs,
 * whether they are stored as they are or not.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define RECORDS "wh1_enqueue_records"

enum { ORDINARY = 5 };

/* Jobs first, first + 1, …: of one type and org, sent without a priority, with that level in
 * their records. */
struct group {
    const char *type, *org;
    char level;
    unsigned first, count;
};

static size_t put_head(char *out, size_t room, const struct group *g, char level)
{
    return (size_t)snprintf(out, room, "\x93%c%s%c%s%c", (char)(0xa0 + strlen(g->type)),
                            g->type, (char)(0xa0 + strlen(g->org)), g->org, level);
}

static size_t put_record(char *out, size_t room, long long stamp, const struct group *g,
                         unsigned n)
{
    size_t len = 9;

    out[0] = (char)0xcf;
    for (int i = 1; i < 9; i++) {
        out[i] = (char)((uint64_t)stamp >> (8 * (8 - i)));
    }
    len += put_head(out + len, room - len, g, g->level);
    return len + (size_t)snprintf(out + len, room - len, "p%u", n);
}

static void add_heads(struct wh_lc_args *a, long long stamp, const struct group *g,
                      unsigned n)
{
    char head[64];

    wh_lc_add_text(a, "%lld", stamp);
    wh_lc_add_text(a, "%u", n);
    for (unsigned i = 0; i < n; i++) {
        wh_lc_add(a, head, put_head(head, sizeof head, &g[i], '\xc0'));
        wh_lc_add_text(a, "%u", g[i].count);
    }
}

static void add_records(struct wh_lc_args *a, long long stamp, const struct group *g,
                        unsigned n)
{
    char rec[128];

    for (unsigned i = 0; i < n; i++) {
        for (unsigned j = g[i].first; j < g[i].first + g[i].count; j++) {
            wh_lc_add(a, wh_lc_raw(j), 16);
            wh_lc_add(a, rec, put_record(rec, sizeof rec, stamp, &g[i], j));
        }
    }
}

static void add(struct wh_lc_args *a, long long stamp, const struct group *g,
                unsigned n)
{
    add_heads(a, stamp, g, n);
    add_records(a, stamp, g, n);
}

static void add_triples(struct wh_lc_args *a, const struct group *g, unsigned n)
{
    char head[64];

    for (unsigned i = 0; i < n; i++) {
        for (unsigned j = g[i].first; j < g[i].first + g[i].count; j++) {
            wh_lc_add(a, wh_lc_raw(j), 16);
            wh_lc_add(a, head, put_head(head, sizeof head, &g[i], '\xc0'));
            wh_lc_add_text(a, "p%u", j);
        }
    }
}

/* Sends them; so many are created, and they were stored as they are or not. */
static redisReply *send(struct wh_lc_args *a, long long created, long long as_is)
{
    redisReply *r = wh_lc_call_args(RECORDS, a);

    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->element[0]->integer, created);
    assert_int_equal(r->element[2]->integer, as_is);
    return r;
}

/* Without what says when a setting changed. */
static void digest(char out[41])
{
    wh_lc_audit();
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":events"));
    freeReplyObject(wh_lc_cmd("HDEL " WH_LC_P ":ctl limits"));
    wh_lc_digest(out);
}

static void begin(const char *const (*settings)[2])
{
    wh_lc_reset(NULL);
    for (unsigned i = 0; settings[i][0] != NULL; i++) {
        wh_ll_set(settings[i][0], settings[i][1]);
    }
    wh_ll_put(99, "late", "ORG beta");
}

static void as_triples(void **state)
{
    static const char *const settings[][3][2] = {
        {{NULL, NULL}},
        {{"active:org/*", "5"}, {"rate:type/*", "5/1000/5"}, {NULL, NULL}},
        {{"jobs:org/*", "40"}, {"bytes:queue", "100000"}, {NULL, NULL}},
        {{"priority:queue", "2"}, {NULL, NULL}}, /* so no record says what it should */
    };
    static const struct group groups[] = {{"mail", "acme", ORDINARY, 1, 9},
                                          {"sms", "acme", ORDINARY, 10, 1},
                                          {"mail", "acme", ORDINARY, 11, 4},
                                          {"mail", "beta", ORDINARY, 15, 20}};
    struct wh_lc_args a = {0};
    char records[41], triples[41];

    (void)state;
    for (unsigned i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        begin(settings[i]);
        add(&a, WH_LC_T0, groups, 4);
        freeReplyObject(send(&a, 34, i < 3));
        digest(records);
        begin(settings[i]);
        add_triples(&a, groups, 4);
        freeReplyObject(wh_lc_call_args("wh1_enqueue_batch", &a));
        digest(triples);
        assert_string_equal(records, triples);
    }
    wh_lc_field(11, "priority", "2");
}

static void groups_of_an_org_keep_their_order(void **state)
{
    static const struct group groups[] = {{"mail", "acme", ORDINARY, 1, 2},
                                          {"sms", "acme", ORDINARY, 3, 1},
                                          {"mail", "acme", ORDINARY, 4, 2}};
    struct wh_lc_args a = {0};

    (void)state;
    add(&a, WH_LC_T0, groups, 3);
    freeReplyObject(send(&a, 5, 1));
    wh_lc_field(3, "type", "sms");
    wh_lc_field(4, "payload", "p4");
    wh_lc_field(4, "priority", "5");
    wh_lc_worker("w");
    wh_lc_claim("w", 5, "1 2 3 4 5");
    wh_lc_audit();
}

/* A stamp is the server's own, of a moment ago; any other is made anew. */
static void only_a_fresh_stamp_counts(void **state)
{
    static const struct {
        long long ago, as_is;
    } cases[] = {{0, 1}, {250, 1}, {251, 0}, {-1, 0}, {WH_LC_T0, 0}};
    struct wh_lc_args a = {0};
    char want[24];

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct group g = {"mail", "acme", ORDINARY, 10 * i + 1, 2};

        add(&a, WH_LC_T0 - cases[i].ago, &g, 1);
        freeReplyObject(send(&a, 2, cases[i].as_is));
        snprintf(want, sizeof want, "%lld",
                 WH_LC_T0 - (cases[i].as_is ? cases[i].ago : 0));
        wh_lc_field(10 * i + 2, "enqueued_at_ms", want);
        snprintf(want, sizeof want, "p%u", 10 * i + 2);
        wh_lc_field(10 * i + 2, "payload", want);
    }
    wh_lc_audit();
}

/* What another record says of its job counts for nothing but where its payload begins. */
static void the_head_of_the_group_counts(void **state)
{
    static const struct group said = {"mail", "acme", ORDINARY, 1, 2},
                              meant = {"sms", "beta", 7, 1, 2};
    struct wh_lc_args a = {0};

    (void)state;
    add_heads(&a, WH_LC_T0, &meant, 1);
    add_records(&a, WH_LC_T0, &said, 1);
    freeReplyObject(send(&a, 2, 0));
    wh_lc_field(2, "type", "sms");
    wh_lc_field(2, "org", "beta");
    wh_lc_field(2, "priority", "5");
    wh_lc_field(2, "payload", "p2");
    wh_lc_audit();
}

/* Options that have no part in where a job waits; and no payload. */
static void options_and_nothing(void **state)
{
    static const char sent[] = "\x94\xa4mail\xa4"
                               "acme\x05\x81\xa2ma\x03";
    struct wh_lc_args a = {0};
    char rec[64] = "\xcf";

    (void)state;
    for (int i = 1; i < 9; i++) {
        rec[i] = (char)((uint64_t)WH_LC_T0 >> (8 * (8 - i)));
    }
    memcpy(rec + 9, sent, sizeof sent - 1);
    wh_lc_add_text(&a, "%lld", WH_LC_T0);
    wh_lc_add_text(&a, "1");
    wh_lc_add(&a, sent, sizeof sent - 1);
    wh_lc_add_text(&a, "3");
    for (unsigned n = 1; n <= 3; n++) {
        wh_lc_add(&a, wh_lc_raw(n), 16);
        wh_lc_add(&a, rec, 9 + sizeof sent - 1);
    }
    freeReplyObject(send(&a, 3, 1));
    wh_lc_field(3, "max_attempts", "3");
    wh_lc_field(3, "payload", NULL);
    wh_lc_audit();
}

static void those_that_exist_are_told(void **state)
{
    static const struct group groups[] = {{"mail", "acme", ORDINARY, 1, 3},
                                          {"mail", "beta", ORDINARY, 3, 2}};
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_enqueue(2, "ORG beta");
    add(&a, WH_LC_T0, groups, 2); /* 2 exists, 3 comes twice */
    redisReply *r = send(&a, 3, 0);
    assert_int_equal(r->elements, 7);
    assert_int_equal(r->element[3]->integer, 2);
    assert_string_equal(r->element[4]->str, wh_lc_id(2));
    assert_int_equal(r->element[5]->integer, 4);
    assert_string_equal(r->element[6]->str, wh_lc_id(3));
    freeReplyObject(r);
    wh_lc_field(3, "org", "acme");
    wh_lc_stat("pending", 4);
    wh_lc_audit();
    add(&a, WH_LC_T0, groups, 1); /* sent again: nothing more */
    freeReplyObject(send(&a, 0, 0));
    wh_lc_stat("pending", 4);
    wh_lc_audit();
}

/* Of one call: an id that comes twice is found after the records are written. */
static void an_id_that_comes_twice_is_one_job(void **state)
{
    static const struct group groups[] = {{"mail", "acme", ORDINARY, 1, 3},
                                          {"mail", "beta", ORDINARY, 3, 2}};
    struct wh_lc_args a = {0};

    (void)state;
    add(&a, WH_LC_T0, groups, 2);
    freeReplyObject(send(&a, 4, 0));
    wh_lc_field(3, "org", "acme");
    wh_lc_stat("pending", 4);
    wh_lc_audit();
}

static void a_wrong_list_leaves_nothing(void **state)
{
    static const struct group groups[] = {{"mail", "acme", ORDINARY, 1, 2},
                                          {"mail", "gamma", ORDINARY, 3, 2},
                                          {"mail", "beta", ORDINARY, 5, 2}};
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_enqueue(9, "ORG acme");
    freeReplyObject(wh_lc_cmd("SET " WH_LC_P ":ready:beta:5 x"));
    add(&a, WH_LC_T0, groups, 3);
    wh_lc_error_args("WHBADDATA", RECORDS, &a);
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":ready:beta:5"));
    add(&a, WH_LC_T0, groups, 3);
    freeReplyObject(send(&a, 6, 1));
    wh_lc_stat("pending", 7);
    wh_lc_audit();
}

static void refusals(void **state)
{
    static const struct group g = {"mail", "acme", ORDINARY, 1, 2},
                              many = {"mail", "acme", ORDINARY, 1, 1000};
    static const struct group thousand_and_one[] = {
        {"mail", "acme", ORDINARY, 1, 1000}, {"mail", "beta", ORDINARY, 1001, 1}};
    struct wh_lc_args a = {0};

    (void)state;
    wh_ll_set("jobs:org/acme", "1");
    add(&a, WH_LC_T0, &g, 1);
    wh_lc_error_args("WHTOOBIG", RECORDS, &a);
    wh_ll_set("jobs:org/acme", "");
    freeReplyObject(wh_lc_call("wh1_configure", "payload_max 1"));
    add(&a, WH_LC_T0, &g, 1);
    wh_lc_error_args("WHTOOBIG", RECORDS, &a);
    freeReplyObject(wh_lc_call("wh1_configure", "payload_max 2"));
    add_heads(&a, WH_LC_T0, &many, 1);
    add_records(&a, WH_LC_T0, &g, 1);
    wh_lc_error_args("WHBADARG records: stamp,", RECORDS, &a);
    wh_lc_error("WHBADARG records: stamp,", RECORDS, "");
    wh_lc_error("WHBADARG records: stamp,", RECORDS, "1");
    wh_lc_error("WHBADARG records: stamp,", RECORDS, "1 1");
    wh_lc_error("WHBADARG records: stamp,", RECORDS, "x 1 h 1 i r");
    wh_lc_error("WHBADARG records: stamp,", RECORDS, "1 0");
    wh_lc_error("WHBADARG records: stamp,", RECORDS, "1 1 h 0");
    wh_lc_error("WHBADARG records: stamp,", RECORDS, "1 1 h 1 i");
    wh_lc_error("WHBADARG records: stamp,", RECORDS, "1 2 h 1 h 1 i r");
    wh_lc_error("WHBADARG records: stamp,", RECORDS, "1 1 h 1001");
    add(&a, WH_LC_T0, thousand_and_one, 2);
    wh_lc_error_args("WHTOOBIG", RECORDS, &a);
    wh_lc_error("WHBADARG the head", RECORDS, "1 1 h 1 %b %b", WH_LC_RAW(1),
                "\xcf\0\0\0\0\0\0\0\1\x90", (size_t)10);
    for (size_t len = 0; len < 12; len++) {
        wh_lc_error("WHBADARG a record", RECORDS, "1 1 %b 1 %b %b",
                    "\x93\xa4mail\xa2o1\xc0", (size_t)10, WH_LC_RAW(1),
                    "\xcf\0\0\0\0\0\0\0\1\x93\xa4m", len);
    }
    wh_lc_error("WHBADARG", RECORDS, "1 1 %b 1 %b %b", "\x93\xa4mail\xa2o1\xc0",
                (size_t)10, wh_lc_raw(1), (size_t)15, "\xcf\0\0\0\0\0\0\0\1\x90",
                (size_t)10);
}

/* What is remembered by heads and by lists has one table. */
static void a_head_that_names_a_list(void **state)
{
    static const struct group g = {"mail", "acme", ORDINARY, 1, 2};
    struct wh_lc_args a = {0};
    char now[24];

    (void)state;
    snprintf(now, sizeof now, "%lld", WH_LC_T0);
    add(&a, WH_LC_T0, &g, 1);
    freeReplyObject(send(&a, 2, 1));
    wh_lc_error("WHBADARG the head", RECORDS,
                "%s 1 " WH_LC_P ":ready:acme:5 2 %b r %b r", now, WH_LC_RAW(3),
                WH_LC_RAW(4));
    wh_lc_error("WHBADARG the head", "wh1_enqueue_batch",
                "%b " WH_LC_P ":ready:acme:5 p %b " WH_LC_P ":ready:acme:5 p",
                WH_LC_RAW(3), WH_LC_RAW(4));
}

/* A call of one is for who waits. */
static void one_is_handed_over(void **state)
{
    static const struct group g = {"mail", "acme", ORDINARY, 1, 1};
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_worker("w");
    freeReplyObject(wh_lc_call("wh1_cycle", "w 1+ 0"));
    add(&a, WH_LC_T0, &g, 1);
    freeReplyObject(send(&a, 1, 0));
    wh_lc_status(1, "in_progress");
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(as_triples),
        WH_LC_TEST(groups_of_an_org_keep_their_order),
        WH_LC_TEST(only_a_fresh_stamp_counts),
        WH_LC_TEST(the_head_of_the_group_counts),
        WH_LC_TEST(options_and_nothing),
        WH_LC_TEST(those_that_exist_are_told),
        WH_LC_TEST(an_id_that_comes_twice_is_one_job),
        WH_LC_TEST(a_wrong_list_leaves_nothing),
        WH_LC_TEST(refusals),
        WH_LC_TEST(a_head_that_names_a_list),
        WH_LC_TEST(one_is_handed_over),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
