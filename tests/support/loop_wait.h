/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting in tests: turns the loop until a condition holds, and fails the cmocka test
 * when it does not hold within 15 s.
 */
#ifndef WH_TESTS_SUPPORT_LOOP_WAIT_H
#define WH_TESTS_SUPPORT_LOOP_WAIT_H

#include "common/base/clock.h"
#include "common/io/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static inline void wh_loop_wait_turn(wh_loop *l, int64_t until_ms,
                                     const char *condition)
{
    if (wh_clock_mono_ms() > until_ms) {
        fail_msg("not within 15 s: %s", condition);
    }
    assert_int_equal(wh_loop_turn(l, 20), WH_OK);
}

#define WH_WAIT_FOR(loop, condition)                                                   \
    for (int64_t wh_until_ = wh_clock_mono_ms() + 15000; !(condition);                 \
         wh_loop_wait_turn((loop), wh_until_, #condition)) {                           \
    }

#endif
