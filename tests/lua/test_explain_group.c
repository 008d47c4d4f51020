/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_explain of a job in a group that keeps its order: what holds the first job of the group
 * holds it too, and is named.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_explain.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>

#include <cmocka.h>

static void is_behind(unsigned n, unsigned first, const char *number)
{
    wh_le_is(n, "group_at", number);
    wh_le_is(n, "group_first", first == n ? "" : wh_lc_id(first));
}

/* Each is of type mail and holds job 2; job 1 runs, if it isn't a pause. */
static const struct wh_le_holding holdings[] = {
    {"pause:type/mail", "1", "type_paused", "", ""},
    {"active:type/mail", "1", "type_cap", "", "1"},
    {"active:type/*", "1", "type_cap", "", "1"},
    {"rate:type/mail", "1/10000/1", "type_rate", "10000", ""},
    {"adaptive:type/mail", "0.1/0.1/1", "type_rate", "10000", ""},
    {"rate:org/o/type/mail", "1/10000/1", "org_type_rate", "10000", ""},
    {"rate:org/*/type/mail", "1/10000/1", "org_type_rate", "10000", ""},
};

static void check_holding(const struct wh_le_holding *h, bool is_met)
{
    wh_ll_set("active:group", "9");
    wh_ll_set(h->setting, h->value);
    if (!wh_le_is_pause(h)) {
        wh_ll_put(1, "mail", "ORG o");
        wh_lc_claim("w", 1, "1");
    }
    wh_ll_put(2, "mail", "ORG o GROUP g");
    wh_ll_put(3, "sms", "ORG o GROUP g");
    wh_ll_put(4, "mail", "ORG o GROUP g");
    wh_le_meet(is_met); /* the group is held then */
    for (unsigned n = 2; n <= 4; n++) {
        char number[] = {(char)('0' + n - 1), '\0'};

        wh_le_held_by(n, h);
        wh_le_is(n, "held_type", n == 3 ? "mail" : "");
        is_behind(n, 2, number);
    }
    wh_ll_put(5, "sms", "ORG o GROUP other"); /* nothing holds this one */
    wh_le_is(5, "reason", "ready");
    is_behind(5, 5, "1");
    wh_ll_set(h->setting, "");
    wh_le_is(3, "reason", "ready");
    wh_le_is(3, "held_type", "");
    is_behind(3, 2, "2");
    assert_int_equal(wh_ll_take_count("w", 10), 4);
}

static void what_holds_the_first_is_named(void **state)
{
    (void)state;
    wh_le_each(holdings, sizeof holdings / sizeof holdings[0], check_holding);
}

static void an_open_breaker(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_ll_set("active:group", "9");
    wh_le_open_breaker("breaker:type/*", 1);
    wh_ll_put(2, "mail", "GROUP g");
    wh_ll_put(3, "sms", "GROUP g");
    wh_lc_advance(1000);
    wh_le_is(3, "reason", "breaker_open");
    wh_le_is(3, "limit", "breaker:type/*");
    wh_le_is(3, "held_type", "mail");
    wh_le_is(3, "until_ms", "4000");
}

/* The cap of the group itself: all of it waits for one of its own. */
static void the_cap_of_the_group(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_ll_set("active:org/default/group/g", "1");
    for (unsigned n = 1; n <= 4; n++) {
        wh_ll_put(n, n % 2 == 1 ? "mail" : "sms", "GROUP g");
    }
    wh_lc_claim("w", 9, "1");
    for (unsigned n = 2; n <= 4; n++) {
        char number[] = {(char)('0' + n - 1), '\0'};

        wh_le_is(n, "reason", "group_cap");
        wh_le_is(n, "held_type", "");
        is_behind(n, 2, number);
    }
    /* The first is held by its type as well: the outer one comes first. */
    wh_ll_set("pause:type/sms", "1");
    wh_le_is(3, "reason", "type_paused");
    wh_le_is(3, "limit", "pause:type/sms");
    wh_le_is(3, "held_type", "sms");
    /* What holds its own type only comes behind that of the first. */
    wh_ll_set("pause:type/mail", "1");
    wh_le_is(3, "limit", "pause:type/sms");
    wh_ll_set("pause:type/sms", "");
    wh_le_is(3, "limit", "pause:type/mail");
    wh_le_is(3, "held_type", "");
    wh_le_is(4, "reason", "group_cap");
    wh_ll_set("pause:type/mail", "");
}

/* Ids of ended jobs at the head of the list hold nobody. */
static void the_first_one_ended(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_ll_set("active:group", "9");
    wh_ll_set("pause:type/mail", "1");
    wh_ll_put(1, "mail", "GROUP g");
    wh_ll_put(2, "mail", "GROUP g");
    wh_ll_put(3, "sms", "GROUP g");
    wh_ll_put(4, "sms", "GROUP g");
    wh_lc_claim("w", 9, "");
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(1));
    wh_le_is(4, "reason", "type_paused");
    is_behind(2, 2, "1");
    is_behind(4, 2, "3");
    wh_lc_ok("wh1_configure", "keep_count 0"); /* the next one leaves a tombstone */
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(2));
    wh_le_is(3, "reason", "ready");
    wh_le_is(4, "reason", "ready");
    is_behind(4, 3, "2");
    wh_lc_claim("w", 9, "3 4");
}

/* Jobs of a group without a cap pass one that is set aside, and those of other levels have an
 * order of their own. */
static void groups_without_an_order(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_ll_set("pause:type/mail", "1");
    wh_ll_put(1, "mail", "GROUP g");
    wh_ll_put(2, "sms", "GROUP g");
    wh_le_is(1, "reason", "type_paused");
    wh_le_is(2, "reason", "ready");
    is_behind(2, 2, "");
    wh_lc_claim("w", 1, "2"); /* the first one is set aside */
    wh_ll_put(3, "sms", "GROUP g");
    wh_ll_set("active:group", "9");
    wh_le_is(1, "reason", "type_paused");
    is_behind(1, 1, "");
    wh_le_is(3, "reason", "ready");
    is_behind(3, 3, "1");
    wh_ll_put(4, "mail", "GROUP g PRIORITY 7");
    wh_le_is(3, "reason", "ready");
    is_behind(4, 4, "1");
    wh_ll_put(5, "sms", ""); /* of no group */
    wh_le_is(5, "reason", "ready");
    is_behind(5, 5, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(what_holds_the_first_is_named), WH_LC_TEST(an_open_breaker),
        WH_LC_TEST(the_cap_of_the_group),          WH_LC_TEST(the_first_one_ended),
        WH_LC_TEST(groups_without_an_order),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
