/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_heartbeat: leases, progress, log lines, commands, leaving.
 */
#include "tests/support/lua_case.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void becomes_live_and_stays(void **state)
{
    (void)state;
    redisReply *r = wh_lc_call("wh1_heartbeat", "w 10000 new %s", "{\"host\":\"a\"}");
    assert_int_equal(r->elements, 2);
    assert_int_equal(r->element[0]->integer, WH_LC_T0);
    assert_int_equal(r->element[1]->integer, 0);
    freeReplyObject(r);
    wh_lc_stat("workers", 1);
    wh_lc_advance(9999);
    wh_lc_ok("wh1_heartbeat", "w 10000 renew %s", "");
    wh_lc_advance(9999);
    wh_lc_ok("wh1_heartbeat", "w 10000 new %s", "");
    r = wh_lc_call("wh1_workers", "");
    assert_int_equal(r->elements, 5);
    assert_string_equal(r->element[0]->str, "w");
    assert_int_equal(r->element[1]->integer, 10000);
    assert_string_equal(r->element[4]->str, "{\"host\":\"a\"}");
    freeReplyObject(r);
    wh_lc_advance(10000);
    wh_lc_stat("workers", 0);
    wh_lc_error("WHLOST", "wh1_heartbeat", "w 10000 renew %s", "");
    wh_lc_error("WHLOST", "wh1_heartbeat", "w 10000 new %s", "");
    wh_lc_error("WHLOST", "wh1_heartbeat", "w 10000 bye %s", "");
    wh_lc_error("WHLOST", "wh1_heartbeat", "x 10000 renew %s", "");
}

static void repeated_changes_nothing(void **state)
{
    char before[41], after[41];

    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_claim("w", 1, "1");
    for (int i = 0; i < 2; i++) {
        wh_lc_ok("wh1_heartbeat", "w 9000 renew i %b 50 half", WH_LC_TOK(1, 1));
        wh_lc_digest(i == 0 ? before : after);
    }
    assert_string_equal(before, after);
    wh_lc_audit();
}

static void carries_progress(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_claim("w", 1, "1");
    redisReply *r = wh_lc_call("wh1_heartbeat", "w 9000 renew %s %b 0 begun %b 99 x",
                               "", WH_LC_TOK(1, 1), WH_LC_TOK(2, 1));
    assert_int_equal(r->element[1]->integer, 1);
    freeReplyObject(r);
    wh_lc_field(1, "progress", "0");
    wh_lc_field(1, "progress_message", "begun");
    wh_lc_ok("wh1_heartbeat", "w 9000 renew %s %b 40 %s", "", WH_LC_TOK(1, 1), "");
    wh_lc_field(1, "progress", "40");
    wh_lc_field(1, "progress_message", "begun");
    wh_lc_ok("wh1_heartbeat", "w 9000 renew %s %b %s more", "", WH_LC_TOK(1, 1), "");
    wh_lc_field(1, "progress", "40");
    wh_lc_field(1, "progress_message", "more");
    wh_lc_ok("wh1_heartbeat", "w 9000 renew %s %b 1 stale", "", WH_LC_TOK(1, 2));
    wh_lc_field(1, "progress", "40");
    wh_lc_status(1, "in_progress");
    wh_lc_done("w", 1, 1, true);
    wh_lc_audit();
}

static void carries_log_lines(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_worker("w");
    wh_lc_worker("v");
    wh_lc_enqueue(1, "");
    wh_lc_claim("w", 1, "1");
    wh_lc_ok("wh1_heartbeat", "w 9000 renew %s LOG %b one %b %b", "", WH_LC_TOK(1, 1),
             WH_LC_TOK(1, 1), "t\0o", (size_t)3);
    wh_lc_ok("wh1_heartbeat", "w 9000 renew %s LOG %b x", "", WH_LC_TOK(1, 2));
    wh_lc_ok("wh1_heartbeat", "v 9000 renew %s LOG %b x", "", WH_LC_TOK(1, 1));
    redisReply *r = wh_lc_call("wh1_log", "%s", wh_lc_id(1));
    assert_int_equal(r->elements, 2);
    assert_string_equal(r->element[0]->str, "one");
    assert_memory_equal(r->element[1]->str, "t\0o", 3);
    freeReplyObject(r);
    wh_lc_add_text(&a, "w");
    wh_lc_add_text(&a, "9000");
    wh_lc_add_text(&a, "renew");
    wh_lc_add(&a, "", 0);
    wh_lc_add_text(&a, "LOG");
    for (unsigned i = 0; i < 150; i++) {
        wh_lc_add(&a, wh_lc_token(1, 1), 17);
        wh_lc_add_text(&a, "line %u", i);
    }
    freeReplyObject(wh_lc_call_args("wh1_heartbeat", &a));
    r = wh_lc_call("wh1_log", "%s", wh_lc_id(1));
    assert_int_equal(r->elements, 100);
    assert_string_equal(r->element[0]->str, "line 50");
    assert_string_equal(r->element[99]->str, "line 149");
    freeReplyObject(r);
    redisReply *ttl = wh_lc_cmd("PTTL " WH_LC_P ":log:%s", wh_lc_id(1));
    assert_in_range(ttl->integer, 86000000, 86400000);
    freeReplyObject(ttl);
}

static void brings_commands(void **state)
{
    char want[64] = "cancel ";

    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_enqueue(2, "");
    wh_lc_claim("w", 2, "1 2");
    wh_lc_text("requested", "wh1_cancel", "%s", wh_lc_id(1));
    wh_lc_text("requested", "wh1_cancel", "%s", wh_lc_id(2));
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":bell:w"), 2);
    wh_lc_done("w", 2, 1, true);
    memcpy(want + 7, wh_lc_token(1, 1), 17);
    for (int i = 0; i < 2; i++) { /* they stay until the claim ends */
        redisReply *r = wh_lc_call("wh1_heartbeat", "w 9000 renew %s", "");
        assert_int_equal(r->elements, 3);
        assert_int_equal(r->element[2]->len, 24);
        assert_memory_equal(r->element[2]->str, want, 24);
        freeReplyObject(r);
    }
    assert_int_equal(wh_lc_count("SCARD " WH_LC_P ":command:w"), 1);
    wh_lc_text("OK", "wh1_quiet", "w");
    redisReply *r = wh_lc_call("wh1_heartbeat", "w 9000 renew %s", "");
    assert_int_equal(r->elements, 4);
    freeReplyObject(r);
}

static void bye_gives_everything_back(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_worker("v");
    wh_lc_enqueue(3, "");
    for (unsigned n = 1; n <= 3; n++) {
        if (n != 3) {
            wh_lc_enqueue(n, "");
        }
    }
    wh_lc_claim("w", 2, "3 1");
    wh_lc_text("OK", "wh1_quiet", "w");
    redisReply *r = wh_lc_call("wh1_heartbeat", "w 9000 bye %s", "");
    assert_int_equal(r->element[1]->integer, 0);
    freeReplyObject(r);
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":run:w " WH_LC_P ":bell:w " WH_LC_P
                                 ":command:w " WH_LC_P ":active"),
                     0);
    wh_lc_stat("workers", 1);
    wh_lc_field(1, "attempts", "0");
    wh_lc_field(1, "recoveries", "0");
    wh_lc_claim("v", 9, "1 3 2"); /* given back in order of their ids */
    wh_lc_error("WHLOST", "wh1_cycle", "w 1 0");
    wh_lc_ok("wh1_heartbeat", "w 9000 bye %s", "");
    wh_lc_audit();
}

static void refuses_bad_arguments(void **state)
{
    static const char *const bad[] = {"w",
                                      "w 9000",
                                      "w 9000 new",
                                      "w 499 new {}",
                                      "w 3600001 new {}",
                                      "w x new {}",
                                      "w -1 new {}",
                                      "w 9000 old {}",
                                      "w 9000 NEW {}",
                                      "a:b 9000 new {}",
                                      "a{b 9000 new {}",
                                      "w 9000 new {} x",
                                      "w 9000 new {} x y",
                                      "w 9000 new {} x 5 y",
                                      "w 9000 new {} LOG x",
                                      "w 9000 new {} LOG x y"};
    static const char *const percent[] = {"101", "-1", "x", "1.5"};
    char big[10240];

    (void)state;
    wh_lc_error("WHBADARG", "wh1_heartbeat", "");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (strcmp(bad[i], "w 9000 new") == 0) {
            wh_lc_error("WHTOOBIG", "wh1_heartbeat", bad[i]);
        } else {
            wh_lc_error("WHBADARG", "wh1_heartbeat", bad[i]);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        wh_lc_error("WHBADARG", "wh1_heartbeat", "w 9000 new {} %b %s m",
                    WH_LC_TOK(1, 1), percent[i]);
    }
    memset(big, 'x', sizeof big);
    wh_lc_error("WHBADARG", "wh1_heartbeat", "%s 9000 new {}", "");
    wh_lc_error("WHBADARG", "wh1_heartbeat", "%b 9000 new {}", big, sizeof big);
    wh_lc_error("WHTOOBIG", "wh1_heartbeat", "w 9000 new %b", big, (size_t)4097);
    wh_lc_error("WHTOOBIG", "wh1_heartbeat", "w 9000 new {} %b 5 %b", WH_LC_TOK(1, 1),
                big, (size_t)257);
    wh_lc_error("WHTOOBIG", "wh1_heartbeat", "w 9000 new {} LOG %b %b", WH_LC_TOK(1, 1),
                big, (size_t)1025);
    wh_lc_error("WHBADARG", "wh1_heartbeat", "w 9000 new {} %b 5", WH_LC_TOK(1, 1));
    wh_lc_error("WHBADARG", "wh1_heartbeat", "w 9000 new {} LOG %b", WH_LC_TOK(1, 1));
    assert_int_equal(wh_lc_count("DBSIZE"), 0);
}

static void refuses_too_many_items(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_add_text(&a, "w");
    wh_lc_add_text(&a, "9000");
    wh_lc_add_text(&a, "new");
    wh_lc_add(&a, "", 0);
    wh_lc_add_text(&a, "LOG");
    for (unsigned i = 0; i < 1001; i++) {
        wh_lc_add(&a, wh_lc_token(1, 1), 17);
        wh_lc_add(&a, "", 0);
    }
    wh_lc_error_args("WHBADARG", "wh1_heartbeat", &a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(becomes_live_and_stays), WH_LC_TEST(repeated_changes_nothing),
        WH_LC_TEST(carries_progress),       WH_LC_TEST(carries_log_lines),
        WH_LC_TEST(brings_commands),        WH_LC_TEST(bye_gives_everything_back),
        WH_LC_TEST(refuses_bad_arguments),  WH_LC_TEST(refuses_too_many_items),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
