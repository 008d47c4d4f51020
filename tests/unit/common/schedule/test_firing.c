/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which fire times get a job: on time, late, after a downtime of years; ids and jitter.
 */
#include "common/schedule/firing.h"
#include "common/schedule/zones.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define KEY "wh:{eu:default}"
enum { MINUTE = 60000, HOUR = 3600000, DAY = 24 * HOUR };
#define T0 INT64_C(1774742400000) /* 2026-03-29T00:00:00Z */

static wh_schedule make(const char *expression, wh_schedule_misfire misfire, int max)
{
    wh_schedule s = {
        .expression = expression, .type = "t", .misfire = misfire, .misfire_max = max};
    wh_errbuf eb = {0};

    if (wh_schedule_check(&s, &eb) != WH_OK) {
        fail_msg("%s: %s", expression, eb.text);
    }
    return s;
}

static void test_on_time(void **state)
{
    (void)state;
    for (int m = 0; m < WH_SCHEDULE_MISFIRE_COUNT; m++) {
        wh_schedule s = make("*/10 * * * *", (wh_schedule_misfire)m, 0);
        wh_firing f;

        wh_firing_due(&s, NULL, T0, T0 + 3, &f);
        assert_int_equal(f.n, 1);
        assert_int_equal(f.at_ms[0], T0);
        assert_int_equal(f.next_ms, T0 + 10 * MINUTE);
        wh_firing_due(&s, NULL, T0, T0 + 10 * MINUTE, &f);
        assert_int_equal(f.at_ms[f.n - 1], T0 + 10 * MINUTE);
        assert_int_equal(f.next_ms, T0 + 20 * MINUTE);
    }
}

static void test_late(void **state)
{
    wh_schedule once = make("*/10 * * * *", WH_SCHEDULE_ONCE, 0);
    wh_schedule skip = make("*/10 * * * *", WH_SCHEDULE_SKIP, 0);
    wh_schedule all = make("*/10 * * * *", WH_SCHEDULE_ALL, 3);
    wh_schedule ten = make("*/10 * * * *", WH_SCHEDULE_ALL, 0);
    int64_t now = T0 + 2 * HOUR + 5 * MINUTE;
    wh_firing f;

    (void)state;
    wh_firing_due(&once, NULL, T0, now, &f);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.at_ms[0], T0 + 2 * HOUR);
    assert_int_equal(f.next_ms, T0 + 2 * HOUR + 10 * MINUTE);
    wh_firing_due(&skip, NULL, T0, now, &f);
    assert_int_equal(f.n, 0);
    assert_int_equal(f.next_ms, T0 + 2 * HOUR + 10 * MINUTE);
    wh_firing_due(&skip, NULL, T0, T0 + 2 * HOUR + WH_FIRING_GRACE_MS, &f);
    assert_int_equal(f.n, 1); /* that one is in time; the twelve before are skipped */
    assert_int_equal(f.at_ms[0], T0 + 2 * HOUR);
    wh_firing_due(&all, NULL, T0, now, &f);
    assert_int_equal(f.n, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(f.at_ms[i], T0 + 2 * HOUR + (i - 2) * 10 * MINUTE);
    }
    wh_firing_due(&ten, NULL, T0, now, &f);
    assert_int_equal(f.n, WH_SCHEDULE_MISFIRE_MAX_DEFAULT);
    wh_firing_due(&all, NULL, T0, T0 + 10 * MINUTE, &f);
    assert_int_equal(f.n, 2); /* fewer than the maximum: all of them */
}

/* 31 million fire times are not walked; nor are those that are years apart. */
static void test_downtime_of_years(void **state)
{
    wh_schedule seconds = make("* * * * * *", WH_SCHEDULE_ALL, 100);
    wh_schedule yearly = make("0 0 29 2 *", WH_SCHEDULE_ALL, 2);
    wh_firing f;

    (void)state;
    wh_firing_due(&seconds, NULL, T0, T0 + INT64_C(365) * DAY + 500, &f);
    assert_int_equal(f.n, 100);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(f.at_ms[i],
                         T0 + INT64_C(365) * DAY - (int64_t)(99 - i) * 1000);
    }
    /* 2028-02-29 to 2044: 2040 and 2044 are the latest two. */
    wh_firing_due(&yearly, NULL, INT64_C(1835395200000), INT64_C(2340403200000), &f);
    assert_int_equal(f.n, 2);
    assert_int_equal(f.at_ms[0], INT64_C(2214086400000));
    assert_int_equal(f.at_ms[1], INT64_C(2340316800000));
}

static void test_rules_changed(void **state)
{
    wh_schedule s = make("0 12 * * *", WH_SCHEDULE_ONCE, 0);
    wh_firing f;

    (void)state;
    wh_firing_due(&s, NULL, T0, T0 + 5, &f); /* T0 is no fire time of it */
    assert_int_equal(f.n, 1);
    assert_int_equal(f.at_ms[0], T0);
    assert_int_equal(f.next_ms, T0 + 12 * HOUR);
}

static void test_never_again(void **state)
{
    wh_schedule s = make("0 0 1 1 *", WH_SCHEDULE_ONCE, 0);
    wh_firing f;

    (void)state;
    assert_int_equal(wh_firing_next(&s, NULL, INT64_C(7258118400000)), 0); /* 2200 */
    wh_firing_due(&s, NULL, INT64_C(7226582400000), INT64_C(7226582400000), &f);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.next_ms, 0);
}

static void test_zone(void **state)
{
    wh_schedule s = make("30 2 * * *", WH_SCHEDULE_ONCE, 0);
    wh_zones zones = {0};
    const wh_zone *berlin = NULL, *again = NULL, *utc = NULL;
    wh_errbuf eb = {0};
    wh_firing f;

    (void)state;
    if (wh_zones_get(&zones, "Europe/Berlin", &berlin, &eb) != WH_OK) {
        skip(); /* no tzdata here */
    }
    /* 02:30 does not exist on 29 March 2026: 03:00 summer time, which is 01:00 UTC. */
    assert_int_equal(wh_firing_next(&s, berlin, T0), T0 + HOUR);
    wh_firing_due(&s, berlin, T0 + HOUR, T0 + HOUR, &f);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.next_ms, T0 + DAY + HOUR / 2);
    assert_int_equal(wh_zones_get(&zones, "Europe/Berlin", &again, &eb), WH_OK);
    assert_ptr_equal(again, berlin);
    assert_int_equal(wh_zones_get(&zones, "UTC", &utc, &eb), WH_OK);
    assert_null(utc);
    assert_int_equal(wh_zones_get(&zones, NULL, &utc, &eb), WH_OK);
    assert_int_equal(wh_zones_get(&zones, "Europe/Atlantis", &again, &eb),
                     WH_ENOTFOUND);
    assert_non_null(strstr(eb.text, "Europe/Atlantis"));
    assert_int_equal(wh_zones_get(&zones, "../passwd", &again, &eb), WH_EINVAL);
    wh_zones_clear(&zones);
    assert_int_equal(zones.n, 0);
}

/* ---- ids, jitter, jobs ---- */

static void test_ids(void **state)
{
    const wh_firing_of f = {KEY, "nightly", T0, T0};
    const wh_firing_of others[] = {{KEY, "nightly", T0 + 1000, T0},
                                   {KEY, "nightlz", T0, T0},
                                   {"wh:{eu:defaulu}", "nightly", T0, T0}};
    const wh_firing_of later = {KEY, "nightly", T0, T0 + HOUR};
    uint8_t id[WH_UUID_BYTES], other[WH_UUID_BYTES];
    char text[WH_UUID_TEXT + 1];

    (void)state;
    wh_firing_id(&f, id);
    wh_firing_id(&later, other); /* whoever is late makes the same */
    assert_memory_equal(id, other, sizeof id);
    assert_int_equal(id[6] >> 4, 8);
    assert_int_equal(id[8] >> 6, 2);
    wh_rng_uuid_format(id, text);
    assert_memory_equal(text, "019d36e3-", 9); /* the fire time leads */
    for (size_t i = 0; i < 3; i++) {
        wh_firing_id(&others[i], other);
        assert_memory_not_equal(id + 7, other + 7, 8);
    }
}

static void test_jitter(void **state)
{
    wh_schedule s = make("* * * * *", WH_SCHEDULE_ONCE, 0);
    bool low = false, high = false;
    uint8_t id[WH_UUID_BYTES];

    (void)state;
    for (int i = 0; i < 200; i++) {
        wh_firing_of f = {KEY, "s", T0 + i * MINUTE, T0 + i * MINUTE + 100};

        s.jitter_ms = 0;
        assert_int_equal(wh_firing_jitter(&s, &f), 0);
        assert_int_equal(wh_firing_job(&s, &f, id).delay_ms, 0);
        s.jitter_ms = 10000;
        int64_t jitter = wh_firing_jitter(&s, &f);
        assert_in_range(jitter, 0, 10000);
        assert_int_equal(jitter, wh_firing_jitter(&s, &f));
        assert_int_equal(wh_firing_job(&s, &f, id).delay_ms,
                         jitter > 100 ? jitter - 100 : 0);
        low = low || jitter < 2000;
        high = high || jitter > 8000;
    }
    assert_true(low && high);
}

static void test_job(void **state)
{
    wh_schedule s = {.expression = "@daily",
                     .type = "t",
                     .org = "o",
                     .group = "g",
                     .payload = "xy",
                     .payload_len = 2,
                     .priority_plus1 = 3,
                     .max_attempts = 4,
                     .timeout_ms = 5};
    const wh_firing_of f = {KEY, "s", T0, T0};
    uint8_t id[WH_UUID_BYTES];
    wh_errbuf eb;

    (void)state;
    const wh_job_spec j = wh_firing_job(&s, &f, id);
    assert_int_equal(wh_job_spec_check(&j, 0, &eb), WH_OK);
    assert_ptr_equal(j.id, id);
    assert_string_equal(j.org, "o");
    assert_string_equal(j.group, "g");
    assert_int_equal(j.payload_len, 2);
    assert_int_equal(j.priority_plus1, 3);
    assert_int_equal(j.max_attempts, 4);
    assert_int_equal(j.timeout_ms, 5);
}

/* A change: what was due before it is fired in any case but a pause. */
static void test_a_change(void **state)
{
    wh_schedule old = make("0 3 * * *", WH_SCHEDULE_ONCE, 0);
    wh_schedule same = make("0 3 * * *", WH_SCHEDULE_ALL, 0);
    wh_schedule other = make("0 4 * * *", WH_SCHEDULE_ONCE, 0);
    int64_t due = T0 + 3 * HOUR;
    wh_firing_change c = {&old, due, due};
    bool fire_old = false;

    (void)state;
    same.zone = "UTC"; /* as without one */
    assert_int_equal(wh_firing_changed(&c, &same, NULL, &fire_old), due);
    assert_false(fire_old);
    assert_int_equal(wh_firing_changed(&c, &other, NULL, &fire_old), T0 + 4 * HOUR);
    assert_true(fire_old);
    same.zone = "Asia/Kolkata"; /* the rules here are UTC's all the same */
    assert_int_equal(wh_firing_changed(&c, &same, NULL, &fire_old), due + DAY);
    assert_true(fire_old);
    other.paused = true;
    assert_int_equal(wh_firing_changed(&c, &other, NULL, &fire_old), 0);
    assert_false(fire_old);
    other.paused = false;
    c.now_ms = due - 1; /* not yet */
    assert_int_equal(wh_firing_changed(&c, &other, NULL, &fire_old), T0 + 4 * HOUR);
    assert_false(fire_old);
    c = (wh_firing_change){&old, -1, due}; /* it was paused */
    assert_int_equal(wh_firing_changed(&c, &other, NULL, &fire_old), T0 + 4 * HOUR);
    assert_false(fire_old);
    c = (wh_firing_change){NULL, due, due};
    assert_int_equal(wh_firing_changed(&c, &same, NULL, &fire_old), due + DAY);
    assert_false(fire_old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_on_time),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_downtime_of_years),
        cmocka_unit_test(test_rules_changed),
        cmocka_unit_test(test_never_again),
        cmocka_unit_test(test_zone),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_job),
        cmocka_unit_test(test_a_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
