/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The priority of a job: its own, else its type's, else the queue's, else 5. Decided at the
 * enqueue, whichever function it comes by.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A job of this type over the batch function; priority -1: the head has nil there. */
static void put(unsigned n, const char *type, int priority)
{
    struct wh_lc_args a = {0};
    char head[64];
    int len =
        snprintf(head, sizeof head, "\x93%c%s\xa4%s%c", (int)(0xa0 + strlen(type)),
                 type, "acme", priority < 0 ? 0xc0 : priority);

    wh_lc_add(&a, wh_lc_raw(n), 16);
    wh_lc_add(&a, head, (size_t)len);
    wh_lc_add_text(&a, "p");
    redisReply *r = wh_lc_call_args("wh1_enqueue_batch", &a);
    if (r->type != REDIS_REPLY_ARRAY) {
        fail_msg("%s", r->str);
    }
    freeReplyObject(r);
}

static void own_then_type_then_queue(void **state)
{
    (void)state;
    wh_ll_put(1, "mail", "");
    put(2, "mail", -1);
    wh_ll_set("priority:queue", "3");
    wh_ll_put(3, "mail", "");
    put(4, "mail", -1);
    wh_ll_set("priority:type/mail", "7");
    wh_ll_put(5, "mail", "");
    put(6, "mail", -1);
    wh_ll_put(7, "other", "");
    put(8, "other", -1);
    wh_ll_put(9, "mail", "PRIORITY 0");
    put(10, "mail", 5);
    static const char *const want[] = {"5", "5", "3", "3", "7",
                                       "7", "3", "3", "0", "5"};
    for (unsigned n = 1; n <= 10; n++) {
        wh_lc_field(n, "priority", want[n - 1]);
    }
    wh_lc_audit();
}

/* They run in that order, and one that waits keeps what it got. */
static void later_changes_do_not_move_those_that_wait(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_ll_set("priority:type/slow", "0");
    put(1, "slow", -1);
    put(2, "mail", -1);
    wh_ll_set("priority:type/slow", "9");
    put(3, "slow", -1);
    wh_ll_set("priority:type/slow", "");
    put(4, "slow", -1);
    wh_lc_claim("w", 4, "3 2 4 1");
    wh_lc_audit();
}

/* A delayed job, a retried and a replayed one too. */
static void kept_over_its_life(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_ll_set("priority:queue", "2");
    wh_ll_put(1, "mail", "DELAY 10");
    wh_ll_set("priority:queue", "8");
    wh_lc_advance(10);
    wh_lc_claim("w", 1, "1");
    wh_lc_dead("w", 1, "error");
    wh_lc_text("pending", "wh1_retry", "%s", wh_lc_id(1));
    wh_lc_field(1, "priority", "2");
    wh_lc_audit();
}

/* Settings that only an enqueue looks at leave claims and hand-offs as they are. */
static void costs_claims_nothing(void **state)
{
    (void)state;
    for (unsigned with = 0; with < 2; with++) {
        static long long calls[2];
        struct wh_ll_claims c;

        wh_lc_reset(NULL);
        wh_lc_worker("w");
        if (with > 0) {
            wh_ll_set("priority:type/mail", "5");
            wh_ll_set("jobs:org/*", "1000");
        }
        wh_ll_fill(
            &(struct wh_ll_jobs){.first = 1, .count = 100, .type = "mail", .org = "a"});
        wh_ll_reset_calls();
        wh_ll_take("w", 50, &c);
        wh_ll_done("w", &c);
        calls[with] = wh_ll_calls(NULL);
        assert_int_equal(calls[with], calls[0]);
        wh_lc_audit();
    }
}

static void malformed_is_refused(void **state)
{
    (void)state;
    wh_lc_error("WHBADARG", "wh1_limit", "priority:queue 10");
    wh_lc_error("WHBADARG", "wh1_limit", "priority:queue x");
    wh_lc_error("WHBADARG", "wh1_limit", "priority:type/* 5");
    wh_lc_error("WHBADARG", "wh1_limit", "priority:org/a 5");
    wh_lc_error("WHBADARG", "wh1_enqueue_batch", "%b %b p", WH_LC_RAW(1),
                "\x92\xa4mail\xa1o", (size_t)8); /* none at all */
    wh_lc_error("WHBADARG", "wh1_enqueue_batch", "%b %b p", WH_LC_RAW(1),
                "\xdc\x00\x03\xa4mail\xa1o\xc0", (size_t)11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(own_then_type_then_queue),
        WH_LC_TEST(later_changes_do_not_move_those_that_wait),
        WH_LC_TEST(kept_over_its_life),
        WH_LC_TEST(costs_claims_nothing),
        WH_LC_TEST(malformed_is_refused),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
