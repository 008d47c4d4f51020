/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids are well-formed, distinct and in order, whatever the clock does; small numbers
 * are even and repeatable.
 */
#include "common/base/clock.h"
#include "common/base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_bytes(void **state)
{
    (void)state;
    unsigned char a[64] = {0};
    unsigned char b[64] = {0};
    assert_int_equal(wh_rng_bytes(a, sizeof a), WH_OK);
    assert_int_equal(wh_rng_bytes(b, sizeof b), WH_OK);
    assert_memory_not_equal(a, b, sizeof a);
    assert_int_equal(wh_rng_bytes(a, 0), WH_OK);
    static unsigned char large[100000];
    assert_int_equal(wh_rng_bytes(large, sizeof large), WH_OK);
    assert_memory_not_equal(large, large + 50000, 50000);
}

static void test_below(void **state)
{
    (void)state;
    uint64_t first[8];
    wh_rng_seed(7);
    for (size_t i = 0; i < 8; i++) {
        first[i] = wh_rng_below(UINT64_MAX);
    }
    wh_rng_seed(7);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(wh_rng_below(UINT64_MAX), first[i]);
    }
    unsigned hits[6] = {0};
    for (int i = 0; i < 60000; i++) {
        uint64_t v = wh_rng_below(6);
        assert_true(v < 6);
        hits[v]++;
    }
    for (size_t i = 0; i < 6; i++) {
        assert_true(hits[i] > 9500 && hits[i] < 10500); /* seeded: no chance in it */
    }
    assert_int_equal(wh_rng_below(1), 0);
}

static void test_jitter(void **state)
{
    (void)state;
    int64_t low = 1000;
    int64_t high = 1000;
    wh_rng_seed(3);
    for (int i = 0; i < 10000; i++) {
        int64_t v = wh_rng_jitter(1000, 0.25);
        assert_true(v >= 750 && v <= 1250);
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    assert_true(low < 760 && high > 1240);
    assert_int_equal(wh_rng_jitter(1000, 0), 1000);
    assert_int_equal(wh_rng_jitter(0, 0.5), 0);
    assert_int_equal(wh_rng_jitter(-5, 0.5), 0);
    assert_true(wh_rng_jitter(10, 7.0) >= 0);
    assert_true(wh_rng_jitter(INT64_MAX, 1.0) >= 0);
}

static void check_order(const uint8_t *before, const uint8_t *after)
{
    assert_true(memcmp(before, after, WH_UUID_BYTES) < 0);
    assert_int_equal(after[6] >> 4, 7);
    assert_int_equal(after[8] >> 6, 2);
}

static void test_uuid_order(void **state)
{
    (void)state;
    uint8_t last[WH_UUID_BYTES] = {0};
    uint8_t id[WH_UUID_BYTES];
    /* One stopped millisecond takes more ids than its counter holds. */
    wh_clock_fake(1, INT64_C(1800000000000));
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(wh_rng_uuid7(id), WH_OK);
        check_order(last, id);
        memcpy(last, id, sizeof id);
    }
    /* A clock set back a little does not bring ids back. */
    wh_clock_fake(1, INT64_C(1800000000000) - 3000);
    assert_int_equal(wh_rng_uuid7(id), WH_OK);
    check_order(last, id);
    wh_clock_fake(1, INT64_C(1800000001000));
    memcpy(last, id, sizeof id);
    assert_int_equal(wh_rng_uuid7(id), WH_OK);
    check_order(last, id);
    wh_clock_real();

    /* One that is set back by a lot is believed. */
    assert_int_equal(wh_rng_uuid7(id), WH_OK);
    int64_t ms = 0;
    for (int i = 0; i < 6; i++) {
        ms = ms * 256 + id[i];
    }
    int64_t now = wh_clock_wall_ms();
    assert_true(now < INT64_C(1800000000000) ? ms <= now && ms > now - 60000 : true);
}

/* The random part of an id is neither another's in the same thread, nor a child's. */
static void test_uuid_random(void **state)
{
    enum { IDS = 60 };
    uint8_t ids[2 * IDS][WH_UUID_BYTES];
    int ends[2];

    (void)state;
    assert_int_equal(wh_rng_uuid7(ids[0]), WH_OK); /* some are left for others now */
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    for (int i = 0; i < IDS; i++) {
        if (wh_rng_uuid7(ids[i]) != WH_OK && child == 0) {
            _exit(1);
        }
    }
    if (child == 0) {
        _exit(write(ends[1], ids, sizeof ids / 2) == (ssize_t)sizeof ids / 2 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], (uint8_t *)ids + sizeof ids / 2, sizeof ids / 2),
                     sizeof ids / 2);
    close(ends[0]);
    close(ends[1]);
    for (int i = 0; i < 2 * IDS; i++) {
        for (int j = 0; j < i; j++) {
            assert_int_not_equal(memcmp(ids[i] + 8, ids[j] + 8, 8), 0);
        }
    }
}

static void test_uuid_text(void **state)
{
    (void)state;
    static const uint8_t in[WH_UUID_BYTES] = {0x01, 0x7F, 0x22, 0xE2, 0x79, 0xB0,
                                              0x7C, 0xC3, 0x98, 0xC4, 0xDC, 0x0C,
                                              0x0C, 0x07, 0x39, 0x8F};
    static const char text[] = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
    char out[WH_UUID_TEXT + 1];
    uint8_t back[WH_UUID_BYTES];
    wh_rng_uuid_format(in, out);
    assert_string_equal(out, text);
    assert_true(wh_rng_uuid_parse(text, strlen(text), back));
    assert_memory_equal(back, in, sizeof in);
    assert_true(wh_rng_uuid_parse("017F22E2-79B0-7CC3-98C4-DC0C0C07398F", 36, back));
    assert_memory_equal(back, in, sizeof in);
    assert_false(wh_rng_uuid_parse(text, 35, back));
    assert_false(wh_rng_uuid_parse("017f22e2079b0-7cc3-98c4-dc0c0c07398f", 36, back));
    assert_false(wh_rng_uuid_parse("017f22e2-79b0-7cc3-98c4-dc0c0c07398g", 36, back));
    assert_false(wh_rng_uuid_parse("{17f22e2-79b0-7cc3-98c4-dc0c0c07398f", 36, back));
    assert_false(wh_rng_uuid_parse("", 0, back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),       cmocka_unit_test(test_below),
        cmocka_unit_test(test_jitter),      cmocka_unit_test(test_uuid_order),
        cmocka_unit_test(test_uuid_random), cmocka_unit_test(test_uuid_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
