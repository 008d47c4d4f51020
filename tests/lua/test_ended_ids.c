/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids of jobs that expired stand in the lists until a claim meets them. However many there
 * are, of one org or of many: others are served in the same call, each call does a bounded
 * part of the work, and jobs behind such ids come soon. Commands of Redis, counted by Redis.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 50000, SOME = 20000, LIVE = 900001, OTHER = 900002 };

/* A call drops so many as its work may be: a command for each, and some for each visit. */
enum { MOST = 4000 };

/* Jobs of an org that expire within a millisecond. */
static void fill(unsigned first, unsigned count, const char *org)
{
    char head[64];
    int len = snprintf(head, sizeof head, "\x94\xa4mail%c%s\x05\x81\xa2xp\x01",
                       (int)(0xa0 | strlen(org)), org);

    for (unsigned done = 0; done < count;) {
        struct wh_lc_args a = {0};
        unsigned batch = count - done < 1000 ? count - done : 1000;
        for (unsigned i = 0; i < batch; i++) {
            wh_lc_add(&a, wh_lc_raw(first + done + i), 16);
            wh_lc_add(&a, head, (size_t)len);
            wh_lc_add_text(&a, "payload");
        }
        redisReply *r = wh_lc_call_args("wh1_enqueue_batch", &a);
        assert_int_equal(r->type, REDIS_REPLY_ARRAY);
        freeReplyObject(r);
        done += batch;
    }
}

/* All that can end does. */
static void expire(void)
{
    wh_lc_advance(10);
    while (wh_lc_nth(1, "wh1_expire", "1000") > 0) {
    }
}

/* One claim; whether it gave a job. */
static bool gives(unsigned n, unsigned want, struct wh_ll_claims *c)
{
    bool is_there = false;

    wh_ll_reset_calls();
    wh_ll_take("w", want, c);
    assert_in_range(wh_ll_calls(NULL), 1, MOST);
    for (unsigned i = 0; i < c->n; i++) {
        is_there = is_there || c->id[i] == n;
    }
    return is_there;
}

/* Claims until it comes: how many those are. */
static unsigned claims_until(unsigned n, unsigned want)
{
    struct wh_ll_claims c;

    for (unsigned calls = 1;; calls++) {
        if (gives(n, want, &c)) {
            return calls;
        }
        assert_true((c.flags & 2) != 0);
        assert_true(calls < 1000);
    }
}

static void start(bool is_kept)
{
    wh_lc_reset(NULL);
    wh_ll_start();
    if (is_kept) {
        wh_lc_ok("wh1_configure", "keep_count 1000000");
    }
}

/* Of both kinds: tombstones, and ids of jobs that are kept for a while. */
static void of_one_org(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    for (unsigned is_kept = 0; is_kept < 2; is_kept++) {
        unsigned want = is_kept != 0 ? 100 : 8;
        start(is_kept != 0);
        fill(1, MANY, "o");
        expire();
        wh_ll_put(LIVE, "mail", "ORG o");
        wh_ll_put(OTHER, "mail", "ORG p");
        assert_true(gives(OTHER, want, &c));
        assert_true((c.flags & 2) != 0);
        unsigned calls = claims_until(LIVE, want);
        print_message("claims of %u behind %d ids: %u\n", want, MANY, calls);
        assert_in_range(calls, 1, MANY / 1000);
        wh_lc_audit();
    }
}

/* The other org had much more than its share already. */
static void of_one_org_that_is_owed_much(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    start(false);
    fill(1, SOME, "o");
    expire();
    wh_ll_put(OTHER, "mail", "ORG p");
    assert_int_equal(wh_lc_count("ZADD " WH_LC_P ":ring XX CH 1000000000000 p"), 1);
    assert_true(gives(OTHER, 8, &c));
    wh_lc_audit();
}

static void of_very_many_orgs(void **state)
{
    enum { ORGS = 1000, EACH = 20 };
    char org[16];

    (void)state;
    start(false);
    for (unsigned i = 0; i < ORGS; i++) {
        (void)snprintf(org, sizeof org, "o%u", i);
        fill(i * EACH + 1, EACH, org);
    }
    expire();
    wh_ll_put(OTHER, "mail", "ORG zzz");
    unsigned calls = claims_until(OTHER, 8);
    print_message("beside %d orgs: %u calls\n", ORGS, calls);
    assert_in_range(calls, 1, ORGS / 50);
    wh_lc_audit();
}

/* Those of a type that is held are looked at in one go. */
static void of_a_held_type(void **state)
{
    (void)state;
    start(true);
    wh_ll_put(OTHER, "mail", "ORG o");
    fill(1, SOME, "o");
    expire();
    wh_ll_put(LIVE, "other", "ORG o");
    wh_ll_set("pause:type/mail", "1");
    assert_in_range(claims_until(LIVE, 8), 1, SOME / 500);
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(of_one_org),
        WH_LC_TEST(of_one_org_that_is_owed_much),
        WH_LC_TEST(of_very_many_orgs),
        WH_LC_TEST(of_a_held_type),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
