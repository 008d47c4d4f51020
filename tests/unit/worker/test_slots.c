/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of slots, its map and its state machine.
 */
#include "common/base/alloc.h"
#include "worker/partition.h"
#include "worker/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static wh_partition part;

static wh_job *job(unsigned n, unsigned fence)
{
    wh_job *j = wh_calloc(1, sizeof *j);

    assert_non_null(j);
    memcpy(j->id, &n, sizeof n);
    memcpy(j->token, j->id, sizeof j->id);
    j->token[16] = (char)('0' + fence);
    j->token_len = 17;
    return j;
}

static wh_slot *take(wh_slots *s, unsigned n)
{
    wh_slot *slot = NULL;

    assert_int_equal(wh_slots_take(s, &part, job(n, 1), &slot), WH_OK);
    return slot;
}

static int set_up(void **state)
{
    wh_slots *s = NULL;

    part = (wh_partition){0};
    assert_int_equal(wh_slots_new(&s), WH_OK);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    wh_slots_free(*state);
    return 0;
}

static void test_map_survives_churn(void **state)
{
    enum { N = 1000 };
    wh_slots *s = *state;
    static wh_slot *held[N];
    unsigned next = N;

    for (unsigned i = 0; i < N; i++) {
        held[i] = take(s, i);
    }
    for (unsigned round = 0; round < 20000; round++) {
        unsigned i = (round * 7919U) % N;

        wh_slots_put(s, held[i]);
        held[i] = take(s, next++);
    }
    for (unsigned i = 0; i < N; i++) {
        wh_slice token = held[i]->token;

        assert_ptr_equal(wh_slots_of_job(s, held[i]->job), held[i]);
        assert_ptr_equal(wh_slots_of_token(s, &part, token), held[i]);
    }
    assert_int_equal(wh_slots_held(s), N);
    assert_int_equal(part.count[WH_SLOT_WAITING], N);
    for (unsigned i = 0; i < N; i++) {
        wh_slots_put(s, held[i]);
    }
    assert_int_equal(wh_slots_held(s), 0);
    assert_int_equal(part.count[WH_SLOT_WAITING], 0);
    size_t at = 0;
    assert_null(wh_slots_next(s, &at));
}

static void test_lookup_of_unknown(void **state)
{
    wh_slots *s = *state;
    wh_partition other = {.index = 1};
    wh_job *stranger = job(1, 1);

    assert_null(wh_slots_of_job(s, stranger));
    wh_slot *slot = take(s, 1);
    assert_null(wh_slots_of_job(s, stranger)); /* same token, another job */
    assert_null(wh_slots_of_token(s, &other, slot->token));
    stranger->token[16] = '2';
    assert_null(wh_slots_of_token(s, &part, (wh_slice){stranger->token, 17}));
    wh_job_free(stranger);
}

static void test_lost_slot_shares_its_token(void **state)
{
    wh_slots *s = *state;
    wh_slot *old = take(s, 1);

    wh_slots_set_state(s, old, WH_SLOT_RUNNING);
    wh_slots_set_state(s, old, WH_SLOT_LOST);
    assert_null(wh_slots_of_token(s, &part, old->token));
    wh_slot *young = take(s, 1);
    assert_ptr_equal(wh_slots_of_token(s, &part, old->token), young);
    assert_ptr_equal(wh_slots_of_job(s, old->job), old);
    assert_ptr_equal(wh_slots_of_job(s, young->job), young);
    assert_int_equal(wh_slots_held(s), 1);
    assert_int_equal(wh_slots_count(s, WH_SLOT_LOST), 1);
    assert_int_equal(wh_partition_held(&part), 1);
    wh_slots_put(s, old);
    assert_ptr_equal(wh_slots_of_job(s, young->job), young);
}

static void test_transitions(void **state)
{
    (void)state;
    static const char *const legal[] = {
        "free waiting",    "waiting running",   "waiting finishing", "waiting free",
        "running waiting", "running finishing", "running lost",      "running free",
        "finishing free",  "lost free"};
    size_t n = 0;

    for (int from = 0; from < WH_SLOT_STATE_COUNT; from++) {
        for (int to = 0; to < WH_SLOT_STATE_COUNT; to++) {
            n += wh_slots_may_go((wh_slot_state)from, (wh_slot_state)to) ? 1U : 0U;
        }
    }
    assert_int_equal(n, sizeof legal / sizeof legal[0]);
    for (size_t i = 0; i < n; i++) {
        int from = 0;
        int to = 0;
        const char *space = strchr(legal[i], ' ');

        while (strncmp(wh_slots_state_name((wh_slot_state)from), legal[i],
                       (size_t)(space - legal[i])) != 0) {
            from++;
        }
        while (strcmp(wh_slots_state_name((wh_slot_state)to), space + 1) != 0) {
            to++;
        }
        assert_true(wh_slots_may_go((wh_slot_state)from, (wh_slot_state)to));
    }
}

static void test_malformed_keeps_a_copy_of_the_token(void **state)
{
    wh_slots *s = *state;
    wh_slot *slot = NULL;
    char token[] = "0123456789abcdef7";

    assert_int_equal(wh_slots_take_token(s, &part, (wh_slice){token, 17}, &slot),
                     WH_OK);
    memset(token, 'x', 17);
    assert_ptr_equal(wh_slots_of_token(s, &part, (wh_slice){"0123456789abcdef7", 17}),
                     slot);
    assert_null(slot->job);
}

static void test_lists(void **state)
{
    wh_slots *s = *state;
    wh_slot_list a = {0};
    wh_slot_list b = {0};
    wh_slot *slot[5];

    for (unsigned i = 0; i < 5; i++) {
        slot[i] = take(s, i);
    }
    wh_slots_push(&a, slot[3]);
    wh_slots_push(&a, slot[4]);
    wh_slots_push(&b, slot[1]);
    wh_slots_push_front(&b, slot[0]);
    wh_slots_push(&b, slot[2]);
    wh_slots_prepend(&a, &b);
    assert_int_equal(a.count, 5);
    assert_int_equal(b.count, 0);
    assert_null(b.first);
    wh_slots_prepend(&a, &b); /* nothing to put in front */
    wh_slots_remove(&a, slot[2]);
    wh_slots_remove(&a, slot[4]);
    assert_ptr_equal(a.last, slot[3]);
    assert_ptr_equal(wh_slots_pop(&a), slot[0]);
    assert_ptr_equal(wh_slots_pop(&a), slot[1]);
    assert_ptr_equal(wh_slots_pop(&a), slot[3]);
    assert_null(wh_slots_pop(&a));
    assert_int_equal(a.count, 0);
    wh_slots_prepend(&b, &a);
    assert_null(b.first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_map_survives_churn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lookup_of_unknown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lost_slot_shares_its_token, set_up,
                                        tear_down),
        cmocka_unit_test(test_transitions),
        cmocka_unit_test_setup_teardown(test_malformed_keeps_a_copy_of_the_token,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lists, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
