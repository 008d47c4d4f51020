/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idempotency keys in a batch: several of its jobs may have the same one, its jobs may hold one
 * already; and a batch that is repeated after a lost reply changes nothing.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A job of type mail, org o, priority 5, with {"k": key, "kc": how}; how 0: without. */
static void add(struct wh_lc_args *a, unsigned n, const char *key, char how,
                const char *payload)
{
    char head[64];
    int len = snprintf(head, sizeof head, "\x93\xa4mail\xa1o%c", 5);

    if (how == 'k') { /* keeps: says nothing of it */
        len = snprintf(head, sizeof head, "\x94\xa4mail\xa1o\x05\x81\xa1k%c%s",
                       (char)(0xa0 | strlen(key)), key);
    } else if (how != 0) {
        len = snprintf(head, sizeof head,
                       "\x94\xa4mail\xa1o\x05\x82\xa1k%c%s\xa2kc\xa1%c",
                       (char)(0xa0 | strlen(key)), key, how);
    }
    wh_lc_add(a, wh_lc_raw(n), 16);
    wh_lc_add(a, head, (size_t)len);
    wh_lc_add_text(a, "%s", payload);
}

static void add_keyed(struct wh_lc_args *a, unsigned n, char how, const char *payload)
{
    add(a, n, "k", how, payload);
}

static void must_create(struct wh_lc_args *a, long long created)
{
    redisReply *r = wh_lc_call_args("wh1_enqueue_batch", a);

    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->element[0]->integer, created);
    freeReplyObject(r);
    wh_lc_audit();
}

static void batch(char how, long long created, size_t pairs)
{
    struct wh_lc_args a = {0};

    for (unsigned n = 1; n <= 3; n++) {
        char payload[8];

        snprintf(payload, sizeof payload, "v%u", n);
        add_keyed(&a, n + 10, how, payload);
    }
    redisReply *r = wh_lc_call_args("wh1_enqueue_batch", &a);
    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->element[0]->integer, created);
    assert_int_equal(r->elements, 2 + 2 * pairs);
    freeReplyObject(r);
    wh_lc_audit();
}

/* One key three times in one call, with nobody and with a waiting job before. */
static void one_key_twice_in_a_batch(void **state)
{
    static const char how[] = {'r', 'e', 'l'};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct wh_lc_args a = {0};

        wh_lc_reset(NULL);
        batch(how[i], 1, 2);
        wh_lc_stat("pending", 1);
        wh_lc_reset(NULL);
        add_keyed(&a, 1, how[i], "v0");
        freeReplyObject(wh_lc_call_args("wh1_enqueue_batch", &a));
        batch(how[i], how[i] == 'l' ? 1 : 0, how[i] == 'l' ? 2 : 3);
        wh_lc_stat("pending", 1);
    }
}

static void a_repeated_batch_of_one_key_changes_nothing(void **state)
{
    char before[41], after[41];

    (void)state;
    batch('l', 1, 2);
    wh_lc_digest(before);
    batch('l', 0, 3);
    wh_lc_digest(after);
    assert_string_equal(after, before);
}

/* The one that would have replaced the first holder meets the last job of its own call. */
static void a_repeated_batch_does_not_replace_its_own_job(void **state)
{
    char before[41], after[41];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct wh_lc_args a = {0};

        if (i == 0) {
            add_keyed(&a, 1, 'r', "first");
            must_create(&a, 1);
        }
        add_keyed(&a, 2, 'r', "replaces");
        add_keyed(&a, 3, 'l', "last");
        must_create(&a, i == 0 ? 1 : 0);
        wh_lc_digest(i == 0 ? before : after);
    }
    assert_string_equal(after, before);
    wh_lc_field(1, "payload", "first"); /* the last one of the call counts */
    wh_lc_status(1, "cancelled");
    wh_lc_field(3, "payload", "last");
}

/* A key may outlive the record of its job, and the id come again in the call. */
static void a_repeated_batch_does_not_replace_by_an_old_key(void **state)
{
    char before[41], after[41];

    (void)state;
    wh_lc_worker("w");
    wh_lc_ok("wh1_configure", "keep_count 0");
    wh_lc_enqueue(1, "ORG o KEY k");
    wh_lc_claim("w", 1, "1");
    wh_lc_done("w", 1, 1, true);
    wh_lc_status(1, NULL);
    for (unsigned i = 0; i < 2; i++) {
        struct wh_lc_args a = {0};

        add_keyed(&a, 2, 'r', "replaces");
        add(&a, 1, "", 0, "again");
        must_create(&a, i == 0 ? 1 : 0);
        wh_lc_digest(i == 0 ? before : after);
    }
    assert_string_equal(after, before);
    wh_lc_field(1, "payload", "again");
}

/* One that is known already is no newer state; the others are, also of what the call names. */
static void a_known_job_of_the_call_is_no_newer_state(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    add_keyed(&a, 1, 'r', "first");
    must_create(&a, 1);
    add_keyed(&a, 2, 'l', "last");
    add_keyed(&a, 1, 'r', "first");
    must_create(&a, 0);
    wh_lc_field(1, "payload", "first");
    wh_lc_status(2, NULL);
    add_keyed(&a, 1, 'r', "first");
    add_keyed(&a, 2, 'l', "last");
    add_keyed(&a, 3, 'e', "extends");
    must_create(&a, 0);
    wh_lc_field(1, "payload", "extends");
    add_keyed(&a, 1, 'r', "first");
    add_keyed(&a, 2, 'l', "last");
    must_create(&a, 1);
    wh_lc_status(1, "cancelled");
    wh_lc_field(2, "payload", "last");
}

/* The reply of one job of the batch: 0 when it was created. */
static void answers(const redisReply *r, long long index, unsigned who)
{
    for (size_t i = 2; i + 1 < r->elements; i += 2) {
        if (r->element[i]->integer == index) {
            assert_true(who > 0);
            assert_string_equal(r->element[i + 1]->str, wh_lc_id(who));
            return;
        }
    }
    assert_int_equal(who, 0);
}

struct row {
    char held[2], how[4]; /* held by job 1 before, or not; 'k': keeps */
    unsigned chosen;      /* its payload is that of job 10 + chosen */
};

/* Three jobs with one key, in one call and, the same again, in a second one. */
static void newest_counts(const struct row *row)
{
    struct wh_lc_args a = {0};
    bool is_held = row->held[0] != 0, is_last = row->how[row->chosen - 1] == 'l';
    bool is_kept = row->how[row->chosen - 1] == 'k';
    unsigned end = is_held && !is_last ? 1 : 10 + row->chosen;
    char want[8], before[41], after[41];

    wh_lc_reset(NULL);
    if (is_held) {
        add_keyed(&a, 1, row->held[0], "v0");
        must_create(&a, 1);
    }
    for (unsigned call = 0; call < 2; call++) {
        for (unsigned n = 1; n <= 3; n++) {
            char payload[8];

            snprintf(payload, sizeof payload, "v%u", n);
            add_keyed(&a, n + 10, row->how[n - 1], payload);
        }
        redisReply *r = wh_lc_call_args("wh1_enqueue_batch", &a);
        assert_int_equal(r->type, REDIS_REPLY_ARRAY);
        for (unsigned n = 1; n <= 3; n++) {
            bool is_new = call == 0 && end == 10 + n;
            answers(r, n, is_new ? 0 : end);
        }
        freeReplyObject(r);
        wh_lc_digest(call == 0 ? before : after);
        wh_lc_audit();
    }
    assert_string_equal(after, before);
    snprintf(want, sizeof want, "v%u", is_held && is_kept ? 0 : row->chosen);
    wh_lc_field(end, "payload", want);
    wh_lc_stat("pending", 1);
}

static void the_newest_state_counts(void **state)
{
    static const struct row rows[] = {
        {"", "rrr", 3},  {"", "eee", 3},  {"", "lll", 3},  {"", "kkk", 1},
        {"", "krk", 2},  {"", "lrk", 2},  {"", "rlk", 2},  {"", "kke", 3},
        {"r", "rrr", 3}, {"r", "eee", 3}, {"r", "lll", 3}, {"r", "kkk", 1},
        {"r", "krk", 2}, {"r", "lrk", 2}, {"r", "rlk", 2}, {"k", "kel", 3},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        newest_counts(&rows[i]);
    }
}

/* One call or several: it makes no difference. */
static void the_newest_state_counts_across_calls(void **state)
{
    static const char how[] = {'r', 'e', 'l'};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct wh_lc_args a = {0};

        wh_lc_reset(NULL);
        add_keyed(&a, 1, how[i], "v1");
        add_keyed(&a, 2, how[i], "v2");
        must_create(&a, 1);
        add_keyed(&a, 3, how[i], "v3");
        add_keyed(&a, 4, how[i], "v4");
        must_create(&a, how[i] == 'l' ? 1 : 0);
        wh_lc_field(how[i] == 'l' ? 4 : 2, "payload", "v4");
        wh_lc_stat("pending", 1);
    }
}

/* That the chosen one ended meanwhile does not make another of the call the newest. */
static void a_call_repeated_after_its_job_ran_creates_nothing(void **state)
{
    (void)state;
    wh_lc_worker("w");
    for (unsigned i = 0; i < 2; i++) {
        static const char head[] = "\x94\xa4mail\xa1o\x05\x83\xa1k\xa1k\xa2kc\xa1r"
                                   "\xa2ku\xa1q";
        struct wh_lc_args a = {0};

        for (unsigned n = 1; n <= 2; n++) {
            wh_lc_add(&a, wh_lc_raw(n), 16);
            wh_lc_add(&a, head, sizeof head - 1);
            wh_lc_add_text(&a, "v%u", n);
        }
        must_create(&a, i == 0 ? 1 : 0);
        if (i == 0) {
            wh_lc_claim("w", 5, "2");
            wh_lc_done("w", 2, 1, true);
        }
    }
    wh_lc_status(1, NULL);
    wh_lc_status(2, "completed");
}

/* One job more in org o, without a priority of its own. */
static void add_inheriting(struct wh_lc_args *a, unsigned n, char how,
                           const char *payload)
{
    char head[64];
    int len = snprintf(head, sizeof head,
                       "\x94\xa4mail\xa1o\xc0\x82\xa1k\xa1k\xa2kc\xa1%c", how);

    wh_lc_add(a, wh_lc_raw(n), 16);
    wh_lc_add(a, head, (size_t)len);
    wh_lc_add_text(a, "%s", payload);
}

/* What the type has by default may change while the job waits. */
static void replace_without_a_priority_keeps_that_of_the_job(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_worker("w");
    add_inheriting(&a, 1, 'r', "v1");
    must_create(&a, 1);
    wh_ll_set("priority:type/mail", "8");
    wh_lc_enqueue(9, "ORG o");
    add_inheriting(&a, 2, 'r', "v2");
    must_create(&a, 0);
    wh_lc_field(1, "payload", "v2");
    add_inheriting(&a, 2, 'e', "v3 and more");
    must_create(&a, 0);
    wh_lc_field(1, "payload", "v3 and more");
    wh_lc_error("WHBADARG", "wh1_enqueue",
                "mail p ORG o KEY k CONFLICT replace PRIORITY 8");
    wh_lc_ok("wh1_enqueue", "mail v4 ORG o KEY k CONFLICT replace");
    wh_lc_field(1, "payload", "v4");
    wh_lc_field(1, "priority", "5");
    wh_lc_audit();
    add_inheriting(&a, 2, 'l', "v5"); /* a new one */
    must_create(&a, 1);
    wh_lc_field(2, "priority", "8");
    wh_lc_claim("w", 5, "9 2");
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(one_key_twice_in_a_batch),
        WH_LC_TEST(a_repeated_batch_of_one_key_changes_nothing),
        WH_LC_TEST(a_repeated_batch_does_not_replace_its_own_job),
        WH_LC_TEST(a_repeated_batch_does_not_replace_by_an_old_key),
        WH_LC_TEST(a_known_job_of_the_call_is_no_newer_state),
        WH_LC_TEST(replace_without_a_priority_keeps_that_of_the_job),
        WH_LC_TEST(the_newest_state_counts),
        WH_LC_TEST(the_newest_state_counts_across_calls),
        WH_LC_TEST(a_call_repeated_after_its_job_ran_creates_nothing),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
