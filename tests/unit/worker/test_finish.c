/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results on their way: texts are copied, batches go out in order and come back in order.
 */
#include "common/base/alloc.h"
#include "worker/finish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static wh_partition part;

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

static wh_slot *finished(wh_slots *s, char n)
{
    char token[17] = {n};
    wh_slot *slot = NULL;

    assert_int_equal(
        wh_slots_take_token(s, &part, (wh_slice){token, sizeof token}, &slot), WH_OK);
    wh_finish_queue(s, slot, &(wh_store_finish){.outcome = WH_STORE_OK});
    return slot;
}

static void test_texts_are_copied(void **state)
{
    wh_slots *s = *state;
    wh_slot *slot = NULL;
    char token[] = "0123456789abcdef1";
    char message[] = "message", context[] = "context", result[] = "result";
    wh_store_finish out;
    wh_slot_list batch = {0};

    assert_int_equal(wh_slots_take_token(s, &part, (wh_slice){token, 17}, &slot),
                     WH_OK);
    wh_finish_queue(s, slot,
                    &(wh_store_finish){.outcome = WH_STORE_DEAD,
                                       .delay_ms = 5,
                                       .category = "invalid",
                                       .message = {message, 7},
                                       .context = {context, 7},
                                       .result = {result, 6}});
    message[0] = context[0] = result[0] = token[0] = 'X';
    assert_int_equal(slot->state, WH_SLOT_FINISHING);
    assert_int_equal(wh_finish_take(&part, 10, &batch, &out), 1);
    assert_memory_equal(out.token.p, "0123456789abcdef1", 17);
    assert_memory_equal(out.message.p, "message", 7);
    assert_memory_equal(out.context.p, "context", 7);
    assert_memory_equal(out.result.p, "result", 6);
    assert_int_equal(out.delay_ms, 5);
    assert_ptr_equal(wh_slots_of_token(s, &part, out.token), slot);
    assert_int_equal(part.pending.count, 0);
}

static void test_long_texts_are_bounded(void **state)
{
    wh_slots *s = *state;
    wh_slot *slot = NULL;
    static char big[100000];

    assert_int_equal(wh_slots_take_token(s, &part, (wh_slice){big, 17}, &slot), WH_OK);
    wh_finish_queue(s, slot,
                    &(wh_store_finish){.outcome = WH_STORE_DEAD,
                                       .message = {big, sizeof big},
                                       .context = {big, sizeof big}});
    assert_in_range(slot->finish.message.n, WH_JOB_MESSAGE_MAX, WH_JOB_MESSAGE_MAX + 8);
    assert_in_range(slot->finish.context.n, WH_JOB_CONTEXT_MAX, WH_JOB_CONTEXT_MAX + 8);
}

static void test_batches_keep_order(void **state)
{
    wh_slots *s = *state;
    wh_store_finish out[4];
    wh_slot_list first = {0}, second = {0};

    for (char c = 'a'; c < 'h'; c++) {
        (void)finished(s, c);
    }
    assert_int_equal(wh_finish_take(&part, 3, &first, out), 3);
    assert_int_equal(out[0].token.p[0], 'a');
    assert_int_equal(wh_finish_take(&part, 2, &second, out), 2);
    assert_int_equal(out[0].token.p[0], 'd');
    wh_finish_requeue(&part, &second);
    wh_finish_requeue(&part, &first);
    assert_int_equal(part.pending.count, 7);
    assert_int_equal(wh_finish_take(&part, 4, &first, out), 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(out[i].token.p[0], 'a' + i);
    }
}

static void test_degrade_once(void **state)
{
    wh_slots *s = *state;
    wh_slot *slot = finished(s, 'a');

    assert_true(wh_finish_degrade(slot));
    assert_int_equal(slot->finish.outcome, WH_STORE_DEAD);
    assert_int_equal(slot->finish.token.n, 17);
    assert_false(wh_finish_degrade(slot));
}

static void *no_memory(size_t n)
{
    (void)n;
    return NULL;
}

static void *no_memory_again(void *p, size_t n)
{
    (void)p;
    (void)n;
    return NULL;
}

static void keep_memory(void *p)
{
    (void)p;
}

/* A failure is told without its words; a result that can't be kept gives back the job. */
static void test_out_of_memory(void **state)
{
    static const wh_allocator none = {no_memory, no_memory_again, keep_memory};
    wh_slots *s = *state;
    wh_slot *slot[2] = {NULL, NULL};

    for (int i = 0; i < 2; i++) {
        char token[17] = {(char)('a' + i)};

        assert_int_equal(
            wh_slots_take_token(s, &part, (wh_slice){token, sizeof token}, &slot[i]),
            WH_OK);
    }
    wh_alloc_set(&none);
    wh_finish_queue(s, slot[0],
                    &(wh_store_finish){.outcome = WH_STORE_RETRY, .message = {"m", 1}});
    wh_finish_queue(s, slot[1],
                    &(wh_store_finish){.outcome = WH_STORE_OK, .result = {"r", 1}});
    wh_alloc_set(NULL);
    assert_int_equal(slot[0]->finish.outcome, WH_STORE_RETRY);
    assert_int_equal(slot[0]->finish.message.n, 0);
    assert_int_equal(slot[1]->finish.outcome, WH_STORE_RELEASE);
    assert_int_equal(slot[1]->finish.result.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_texts_are_copied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_texts_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_batches_keep_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_degrade_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_out_of_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
