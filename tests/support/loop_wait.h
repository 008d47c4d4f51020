/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting in tests: turns the loop until a condition holds, and fails the cmocka test
 * when it does not hold within 10 s. For files that include cmocka.h.
 */
#ifndef WH_TESTS_SUPPORT_LOOP_WAIT_H
#define WH_TESTS_SUPPORT_LOOP_WAIT_H

#include "common/base/clock.h"
#include "common/io/loop.h"

#define WH_WAIT_FOR(loop, condition)                                                   \
    do {                                                                               \
        int64_t wh_until_ = wh_clock_mono_ms() + 10000;                                \
        while (!(condition)) {                                                         \
            if (wh_clock_mono_ms() > wh_until_) {                                      \
                fail_msg("not within 10 s: %s", #condition);                           \
            }                                                                          \
            assert_int_equal(wh_loop_turn((loop), 20), WH_OK);                         \
        }                                                                              \
    } while (0)

#endif
