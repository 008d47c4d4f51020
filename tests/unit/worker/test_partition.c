/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which partitions a configuration means, and names of incarnations.
 */
#include "worker/heartbeat.h"
#include "worker/partition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const wh_partition_queue queues[] = {{"mail", 5}, {"default", 1}};

static void test_region_and_any(void **state)
{
    (void)state;
    wh_partitions ps;
    wh_partitions_setup o = {
        .region = "eu", .also_any = true, .queues = queues, .n_queues = 2, .name = "w"};
    static const char *const keys[] = {"wh:{eu:mail}", "wh:{any:mail}",
                                       "wh:{eu:default}", "wh:{any:default}"};

    assert_int_equal(wh_partitions_init(&ps, &o, NULL), WH_OK);
    assert_int_equal(ps.n, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(ps.list[i].key, keys[i]);
        assert_int_equal(ps.list[i].index, i);
        assert_string_equal(ps.list[i].worker, ps.list[0].worker);
    }
    wh_partitions_fini(&ps);
    o.also_any = false;
    assert_int_equal(wh_partitions_init(&ps, &o, NULL), WH_OK);
    assert_int_equal(ps.n, 2);
    wh_partitions_fini(&ps);
    o.also_any = true;
    o.region = "any"; /* once is enough */
    assert_int_equal(wh_partitions_init(&ps, &o, NULL), WH_OK);
    assert_int_equal(ps.n, 2);
    wh_partitions_fini(&ps);
}

static void test_bad_names(void **state)
{
    (void)state;
    wh_partitions ps;
    wh_errbuf eb = {0};
    wh_partition_queue bad = {"a}b", 1};
    wh_partitions_setup o = {
        .region = "eu", .queues = &bad, .n_queues = 1, .name = "w"};

    assert_int_equal(wh_partitions_init(&ps, &o, &eb), WH_EINVAL);
    assert_true(eb.text[0] != '\0');
    assert_null(ps.list);
}

static void test_incarnations(void **state)
{
    (void)state;
    char one[WH_JOB_NAME_MAX + 1], two[WH_JOB_NAME_MAX + 1];
    char longest[200];

    assert_int_equal(wh_partition_incarnation("host", one), WH_OK);
    assert_int_equal(wh_partition_incarnation("host", two), WH_OK);
    assert_string_not_equal(one, two);
    assert_memory_equal(one, "host-", 5);
    /* A worker of that name does not listen at the scheduler's bell. */
    assert_int_equal(wh_partition_incarnation("scheduler", one), WH_OK);
    assert_string_not_equal(one, "scheduler");
    memset(longest, 'x', sizeof longest);
    longest[3] = '/';
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(wh_partition_incarnation(longest, one), WH_OK);
    assert_true(wh_job_name_ok(one, strlen(one)));
    assert_memory_equal(one, "xxx-xxx", 7);
}

static void test_renew(void **state)
{
    (void)state;
    wh_partition p = {.worker = "old", .registered = true, .needs_resync = true};

    assert_int_equal(wh_partition_renew(&p, "w"), WH_OK);
    assert_int_equal(p.generation, 1);
    assert_false(p.registered);
    assert_false(p.needs_resync);
    assert_string_not_equal(p.worker, "old");
}

static void test_guard(void **state)
{
    (void)state;
    assert_int_equal(wh_heartbeat_guard_ms(500), 100);
    assert_int_equal(wh_heartbeat_guard_ms(2000), 400);
    assert_int_equal(wh_heartbeat_guard_ms(5000), 1000);
    assert_int_equal(wh_heartbeat_guard_ms(15000), 1500);
    assert_int_equal(wh_heartbeat_guard_ms(3600000), 360000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_region_and_any), cmocka_unit_test(test_bad_names),
        cmocka_unit_test(test_incarnations),   cmocka_unit_test(test_renew),
        cmocka_unit_test(test_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
