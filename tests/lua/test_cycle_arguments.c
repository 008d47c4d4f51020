/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_cycle: malformed lists, and the biggest ones.
 */
#include "tests/support/lua_case.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void claim_one(const char *worker, const char *options)
{
    wh_lc_worker(worker);
    wh_lc_enqueue(1, options);
    wh_lc_claim(worker, 1, "1");
    wh_lc_status(1, "in_progress");
}

static void refuses_bad_lists(void **state)
{
    static const char *const bad[] = {"",
                                      "w",
                                      "w 1",
                                      "w -1 0",
                                      "w 1001 0",
                                      "w x 0",
                                      "w 1 -1",
                                      "w 1 1001",
                                      "w 1 x",
                                      "w 1 1",
                                      "w 0 0 x",
                                      "w 0 0 1 2 3 4 5 6",
                                      "w 0 1 short",
                                      "a:b 1 0",
                                      "w 1.0 0",
                                      "w 1 0 1"};
    char name[10240];

    (void)state;
    claim_one("w", "");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        wh_lc_error("WHBADARG", "wh1_cycle", bad[i]);
    }
    wh_lc_error("WHBADARG", "wh1_cycle", "%s 1 0", "");
    wh_lc_error("WHBADARG", "wh1_cycle", "%b 1 0", "w\0", (size_t)2);
    memset(name, 'w', sizeof name);
    wh_lc_error("WHBADARG", "wh1_cycle", "%b 1 0", name, sizeof name);
    wh_lc_error("WHBADARG", "wh1_cycle", "w 0 1 %b", name, sizeof name);
    wh_lc_error("WHBADARG", "wh1_cycle", "w 0 1 %s", "");
}

static void refuses_bad_groups(void **state)
{
#define GROUP "w 0 0 %b %s %s %s %b %b %b"
    static const char *const outcomes[] = {"", "recover", "OK", "done", "retry "};
    static const char *const delays[] = {"", "-1", "x", "315360000001", "1.5"};
    char *big = malloc(65537);
    const size_t none = 0;

    (void)state;
    assert_non_null(big);
    memset(big, 'x', 65537);
    claim_one("w", "");
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
        wh_lc_error("WHBADARG", "wh1_cycle", GROUP, WH_LC_TOK(1, 1), outcomes[i], "0",
                    "", "", none, "", none, "", none);
    }
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        wh_lc_error("WHBADARG", "wh1_cycle", GROUP, WH_LC_TOK(1, 1), "retry", delays[i],
                    "", "", none, "", none, "", none);
    }
    wh_lc_error("WHBADARG", "wh1_cycle", GROUP, WH_LC_TOK(1, 1), "dead", "0", "a b", "",
                none, "", none, "", none);
    wh_lc_error("WHBADARG", "wh1_cycle", GROUP, WH_LC_RAW(1), "dead", "0", "", "", none,
                "", none, "", none);
    wh_lc_error("WHBADARG", "wh1_cycle", GROUP, "0123456789abcdefx1", (size_t)18,
                "dead", "0", "", "", none, "", none, "", none);
    wh_lc_error("WHTOOBIG", "wh1_cycle", GROUP, WH_LC_TOK(1, 1), "dead", "0", "", big,
                (size_t)1025, "", none, "", none);
    wh_lc_error("WHTOOBIG", "wh1_cycle", GROUP, WH_LC_TOK(1, 1), "dead", "0", "", "",
                none, big, (size_t)4097, "", none);
    wh_lc_error("WHTOOBIG", "wh1_cycle", GROUP, WH_LC_TOK(1, 1), "ok", "0", "", "",
                none, "", none, big, (size_t)65537);
    wh_lc_ok("wh1_cycle", GROUP, WH_LC_TOK(1, 1), "ok", "0", "", big, (size_t)1024, big,
             (size_t)4096, big, (size_t)65536);
    free(big);
    wh_lc_status(1, "completed");
}

/* 1,000 plain ones and 1,000 groups in one call, of 1,500 orgs. */
static void the_biggest_batch(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_worker("w");
    for (unsigned n = 1; n <= 2000; n++) {
        wh_lc_enqueue(n, "ORG o%u", n % 1500);
    }
    for (int i = 0; i < 10 && wh_lc_get_stat("in_progress") < 2000; i++) {
        wh_lc_ok("wh1_cycle", "w 1000 0"); /* visits are bounded: may give less */
    }
    wh_lc_stat("in_progress", 2000);
    wh_lc_audit();
    wh_lc_add_text(&a, "w");
    wh_lc_add_text(&a, "1000");
    wh_lc_add_text(&a, "1000");
    for (unsigned n = 1; n <= 1000; n++) {
        wh_lc_add(&a, wh_lc_token(n, 1), 17);
    }
    for (unsigned n = 1001; n <= 2000; n++) {
        wh_lc_add(&a, wh_lc_token(n, 1), 17);
        wh_lc_add_text(&a, "%s", n % 2 == 0 ? "retry" : "cancelled");
        wh_lc_add_text(&a, "0");
        for (int i = 0; i < 4; i++) {
            wh_lc_add(&a, "", 0);
        }
    }
    redisReply *r = wh_lc_call_args("wh1_cycle", &a);
    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->element[3]->elements, 0);
    assert_in_range(r->element[4]->elements, 3, 3 * 500);
    freeReplyObject(r);
    for (int i = 0; i < 10 && wh_lc_get_stat("in_progress") < 500; i++) {
        wh_lc_ok("wh1_cycle", "w 1000 0");
    }
    wh_lc_stat("in_progress", 500);
    wh_lc_stat("completed", 1000);
    wh_lc_stat("cancelled", 500);
    wh_lc_audit();
}

/* Over 4,000 marks to trim at once, each a tombstone. */
static void trims_many_queued_ones(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_worker("w");
    for (unsigned n = 1; n <= 6000; n++) {
        wh_lc_enqueue(n, "");
        if (n > 2000) {
            wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(n));
        }
    }
    wh_lc_ok("wh1_cycle", "w 1000 0");
    wh_lc_ok("wh1_cycle", "w 1000 0");
    wh_lc_ok("wh1_configure", "keep_count 1");
    wh_lc_add_text(&a, "w");
    wh_lc_add_text(&a, "0");
    wh_lc_add_text(&a, "1000");
    for (unsigned n = 1; n <= 2000; n++) {
        wh_lc_add(&a, wh_lc_token(n, 1), 17);
        for (int i = 0; n > 1000 && i < 6; i++) {
            wh_lc_add_text(&a, "%s", i == 0 ? "cancelled" : i == 1 ? "0" : "");
        }
    }
    redisReply *r = wh_lc_call_args("wh1_cycle", &a);
    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    freeReplyObject(r);
    wh_lc_stat("kept", 2000);
    wh_lc_audit();
    wh_lc_claim("w", 1, "");
    for (int i = 0; i < 100 && wh_lc_get_stat("orgs") > 0; i++) {
        wh_lc_claim("w", 1000, "");
    }
    wh_lc_stat("orgs", 0);
    wh_lc_stat("pending", 0);
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(refuses_bad_lists),
        WH_LC_TEST(refuses_bad_groups),
        WH_LC_TEST(the_biggest_batch),
        WH_LC_TEST(trims_many_queued_ones),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
