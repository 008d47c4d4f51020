/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of requests: order through growth and wrap-around. */
#include "common/io/conn_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void keeps_order(void **state)
{
    wh_conn_fifo q = {0};
    wh_conn_slot p = {0};
    int64_t in = 0;
    int64_t out = 0;

    (void)state;
    assert_false(wh_conn_fifo_pop(&q, &p));
    /* Three in, two out: it grows while its head is anywhere. */
    for (int round = 0; round < 1000; round++) {
        for (int i = 0; i < 3; i++) {
            p = (wh_conn_slot){.deadline_ms = ++in};
            assert_int_equal(wh_conn_fifo_push(&q, &p), WH_OK);
        }
        for (int i = 0; i < 2; i++) {
            assert_true(wh_conn_fifo_pop(&q, &p));
            assert_int_equal(p.deadline_ms, ++out);
        }
        assert_int_equal(wh_conn_fifo_at(&q, 0)->deadline_ms, out + 1);
        assert_int_equal(wh_conn_fifo_at(&q, q.count - 1)->deadline_ms, in);
    }
    while (wh_conn_fifo_pop(&q, &p)) {
        assert_int_equal(p.deadline_ms, ++out);
    }
    assert_int_equal(in, out);
    wh_conn_fifo_fini(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keeps_order)};

    return cmocka_run_group_tests_name("conn_fifo", tests, NULL, NULL);
}
