/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idempotency keys in a batch: several of its jobs may have the same one, its jobs may hold one
 * already; and a batch that is repeated after a lost reply changes nothing.
 */
#include "tests/support/lua_case.h"

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

    if (how != 0) {
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
    wh_lc_field(1, "payload", "replaces");
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

/* What was there before this call is replaced and superseded, in the order of the call. */
static void a_known_job_of_the_call_keeps_its_key(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    add_keyed(&a, 1, 'r', "first");
    must_create(&a, 1);
    add_keyed(&a, 1, 'r', "first");
    add_keyed(&a, 2, 'l', "last");
    add_keyed(&a, 3, 'e', "extends");
    must_create(&a, 0);
    wh_lc_field(1, "payload", "first");
    add_keyed(&a, 2, 'l', "last");
    add_keyed(&a, 1, 'r', "first");
    must_create(&a, 1);
    wh_lc_status(1, "cancelled");
    wh_lc_field(2, "payload", "last");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(one_key_twice_in_a_batch),
        WH_LC_TEST(a_repeated_batch_of_one_key_changes_nothing),
        WH_LC_TEST(a_repeated_batch_does_not_replace_its_own_job),
        WH_LC_TEST(a_repeated_batch_does_not_replace_by_an_old_key),
        WH_LC_TEST(a_known_job_of_the_call_keeps_its_key),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
