/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims beyond the slots, those that wait too long for a slot or their handler, and those
 * that were handed over and find no room.
 */
#include "common/base/clock.h"
#include "tests/unit/worker/dispatch_case.h"

enum { FAR_US = 80000, SECOND_US = 1000000, HELD_US = 20000 };

/* As after a round trip over a long link in which so many jobs of 1 ms ended. */
static void be_far(size_t jobs, int64_t now_us)
{
    wh_ahead *a = wh_dispatch_ahead(dispatch);

    wh_ahead_reply(a, FAR_US, now_us);
    assert_int_equal(wh_dispatch_turn(dispatch, now_us), 0);
    for (size_t i = 0; i < jobs; i++) {
        wh_ahead_result(a, 1000, 7);
    }
    assert_int_equal(wh_dispatch_turn(dispatch, now_us + 1), 0);
}

/* "mail" runs one at a time, and these wait for it. Returns when the last was claimed, at
 * the latest. */
static int64_t fill(const char *ids)
{
    fakes[0].room = 1;
    for (const char *id = ids; *id != '\0'; id++) {
        claim(*id, "mail");
    }
    wh_dispatch_pump(dispatch);
    return wh_clock_mono_us();
}

/* The ids of what is given back, in the order in which Redis hears of it. */
static void assert_given_back(const char *ids)
{
    const wh_slot *slot = part->pending.first;

    assert_int_equal(part->pending.count, strlen(ids));
    for (; slot != NULL; slot = slot->next, ids++) {
        assert_int_equal(slot->token.p[0], *ids);
        assert_int_equal(slot->finish.outcome, WH_STORE_RELEASE);
        assert_string_equal(slot->finish.category, "not_started");
    }
}

/* More is claimed than there are slots, but no more is started. */
static void test_claims_ahead(void **state)
{
    (void)state;
    wh_dispatch_set_slots(dispatch, 2);
    be_far(2, wh_clock_mono_us());
    assert_int_equal(wh_dispatch_room(dispatch), 6);
    claim('a', "mail");
    claim('b', "mail");
    claim('c', "mail");
    claim('d', "slow");
    wh_dispatch_pump(dispatch);
    assert_int_equal(fakes[0].n, 2);
    assert_int_equal(fakes[1].n, 0);
    assert_int_equal(wh_dispatch_room(dispatch), 2);
    report(&fakes[0], 0, (wh_result){.status = WH_RESULT_OK});
    wh_dispatch_pump(dispatch);
    assert_int_equal(fakes[0].n, 2);
    assert_int_equal(wh_dispatch_room(dispatch), 3);
}

/* No slot became free for a second and the round trip that claims ahead wait anyway. */
static void test_beyond_the_slots(void **state)
{
    (void)state;
    int64_t now = wh_clock_mono_us();

    wh_dispatch_set_slots(dispatch, 2);
    be_far(2, now);
    for (char id = 'a'; id <= 'd'; id++) {
        claim(id, "mail");
    }
    wh_dispatch_pump(dispatch);
    int64_t at = wh_dispatch_turn(dispatch, now);
    assert_in_range(at, now + SECOND_US + FAR_US, now + 10 * SECOND_US);
    assert_int_equal(wh_slots_count(slots, WH_SLOT_WAITING), 2);
    assert_in_range(wh_dispatch_turn(dispatch, at), at + 1, at + SECOND_US);
    assert_int_equal(wh_slots_count(slots, WH_SLOT_WAITING), 0);
    assert_given_back("dc");
    assert_int_equal(fakes[0].n, 2);
    assert_int_equal(wh_dispatch_turn(dispatch, at + SECOND_US), 0);
}

/* Slots are free, but the handler has no process for these: the newest first. */
static void test_a_full_handler(void **state)
{
    (void)state;
    int64_t now = fill("abcd");
    int64_t at = wh_dispatch_turn(dispatch, now);

    claim('e', "slow");
    wh_dispatch_pump(dispatch);
    assert_in_range(at, now, now + SECOND_US);
    assert_in_range(wh_dispatch_turn(dispatch, at - 1), at, at);
    assert_int_equal(part->pending.count, 0);
    (void)wh_dispatch_turn(dispatch, now + SECOND_US);
    assert_given_back("dcb");
    assert_int_equal(fakes[0].n, 1);
    assert_int_equal(fakes[1].n, 1);
}

/* Who has a process for them may claim them first, though there is room for more here; one of
 * ours that gets free counts at once. */
static void test_is_not_claimed_again_at_once(void **state)
{
    (void)state;
    int64_t now = fill("abcd") + SECOND_US;
    int64_t until = wh_dispatch_turn(dispatch, now);

    assert_in_range(until, now + 1, now + HELD_US);
    confirm_all();
    assert_true(wh_dispatch_is_holding(dispatch));
    assert_int_equal(wh_dispatch_room(dispatch), 0);
    assert_int_equal(wh_dispatch_lacks(dispatch), WH_LACK_NOTHING);
    report(&fakes[0], 0, (wh_result){.status = WH_RESULT_OK});
    assert_int_equal(wh_dispatch_room(dispatch), 1);
    (void)wh_dispatch_turn(dispatch, until - 1);
    assert_true(wh_dispatch_is_holding(dispatch));
    assert_int_equal(wh_dispatch_turn(dispatch, until), 0);
    assert_false(wh_dispatch_is_holding(dispatch));
    assert_int_equal(wh_dispatch_room(dispatch), 10);
}

/* The gauge does not flicker. */
static void test_lacks_while_it_holds_back(void **state)
{
    (void)state;
    fakes[1].room = 2;
    int64_t now = fill("abc");

    assert_int_equal(wh_dispatch_lacks(dispatch), WH_LACK_CAPACITY);
    (void)wh_dispatch_turn(dispatch, now + SECOND_US);
    assert_given_back("cb");
    assert_int_equal(wh_dispatch_room(dispatch), 0);
    assert_int_equal(wh_dispatch_lacks(dispatch), WH_LACK_CAPACITY);
}

/* What it starts before other jobs can be here stays: 150 in a second are 3 in 20 ms. */
static void test_keeps_what_starts_soon(void **state)
{
    (void)state;
    int64_t now = fill("abcdefgh");

    (void)wh_dispatch_turn(dispatch, now);
    for (unsigned i = 0; i < 150; i++) {
        report(&fakes[0], 0, (wh_result){.status = WH_RESULT_OK});
        confirm_all();
        claim('A', "mail");
        wh_slot *slot = slot_of('A'); /* it comes before the others */
        wh_slots_remove(&slot->handler->waiting, slot);
        wh_slots_push_front(&slot->handler->waiting, slot);
        wh_dispatch_pump(dispatch);
    }
    now += SECOND_US;
    int64_t again = wh_dispatch_turn(dispatch, now);
    assert_given_back("hgfe");
    assert_in_range(again, now + 1, now + HELD_US);
    confirm_all();
    (void)wh_dispatch_turn(dispatch, again); /* as fast as it was: still soon */
    assert_int_equal(part->pending.count, 0);
    (void)wh_dispatch_turn(dispatch, now + SECOND_US); /* none started in this second */
    assert_given_back("dcb");
}

/* A retry with a time till when would start however late it is, once Redis had it back. */
static void test_a_bounded_retry_stays(void **state)
{
    (void)state;
    int64_t now = fill("a");

    meta = "\x93\x01\x00\x00"; /* one attempt */
    claim_spec('b', &(wh_job_spec){.type = "mail", .retry_for_ms = 3600000});
    meta = NULL;
    claim('c', "mail");
    (void)wh_dispatch_turn(dispatch, wh_clock_mono_us() + SECOND_US);
    assert_given_back("c");
    confirm_all();
    assert_int_equal(wh_dispatch_turn(dispatch, now + 3 * SECOND_US), 0);
    assert_int_equal(slot_of('b')->state, WH_SLOT_WAITING);
}

static bool hand(char id)
{
    static const char record[] = "\xcf\0\0\0\0\0\0\x03\xe8";
    wh_buf b = {0};
    wh_slice token = token_of(id);

    wh_buf_add(&b, record, 9);
    assert_int_equal(
        wh_codec_pack_head(&(wh_job_spec){.type = "mail", .priority_plus1 = 6}, &b),
        WH_OK);
    wh_codec_claim c = {
        .token = token, .record = {b.data, b.len}, .meta = {NULL, 0}, .now_ms = 5000};
    bool all = wh_dispatch_handed(dispatch, part, &c);
    wh_buf_fini(&b);
    return all;
}

/* Redis took us for idle, and perhaps another worker is. */
static void test_handed_over(void **state)
{
    (void)state;
    wh_dispatch_set_slots(dispatch, 2);
    assert_true(hand('a'));
    assert_int_equal(fakes[0].n, 1);
    fakes[0].room = 1;
    changes = 0;
    assert_true(hand('b')); /* no process */
    assert_given_back("b");
    assert_int_equal(changes, 1);
    confirm_all();
    fakes[0].room = 10;
    claim('c', "slow");
    wh_dispatch_pump(dispatch);
    assert_true(hand('d')); /* no slot */
    assert_given_back("d");
    confirm_all();
    wh_dispatch_drain(dispatch);
    assert_true(hand('e'));
    assert_given_back("e");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_claims_ahead),
        TEST(test_beyond_the_slots),
        TEST(test_a_full_handler),
        TEST(test_is_not_claimed_again_at_once),
        TEST(test_lacks_while_it_holds_back),
        TEST(test_keeps_what_starts_soon),
        TEST(test_a_bounded_retry_stays),
        TEST(test_handed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
