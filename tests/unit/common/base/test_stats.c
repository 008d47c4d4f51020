/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Families and series, their limits, histograms, and the exact Prometheus text.
 */
#include "common/base/stats.h"
#include "tests/support/oom.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const queue_state[] = {"queue", "state", NULL};
static const char *const only_queue[] = {"queue", NULL};
static const double bounds[] = {0.1, 1, 10};

static const wh_stats_desc jobs = {.name = "wherry_jobs_total",
                                   .help = "Jobs \\ by\nstate.",
                                   .type = WH_STATS_COUNTER,
                                   .labels = queue_state};
static const wh_stats_desc up = {
    .name = "wherry_up", .help = "Is it up?", .type = WH_STATS_GAUGE};
static const wh_stats_desc run = {.name = "wherry_run_seconds",
                                  .help = "Run time.",
                                  .type = WH_STATS_HISTOGRAM,
                                  .labels = only_queue,
                                  .bounds = bounds,
                                  .n_bounds = 3};

static wh_stats *new_stats(void)
{
    wh_stats *s = NULL;
    assert_int_equal(wh_stats_new(&s), WH_OK);
    return s;
}

static wh_stats_family *add(wh_stats *s, const wh_stats_desc *d)
{
    wh_stats_family *f = NULL;
    assert_int_equal(wh_stats_family_add(s, d, &f), WH_OK);
    return f;
}

static void check_print(const wh_stats *s, const char *want)
{
    wh_buf b = {0};
    wh_stats_print(s, &b);
    assert_string_equal(wh_buf_str(&b), want);
    wh_buf_fini(&b);
}

#define DROPPED(n)                                                                     \
    "# HELP wherry_metrics_series_dropped_total Lookups of metrics series that a "     \
    "full family counted as \"other\".\n"                                              \
    "# TYPE wherry_metrics_series_dropped_total counter\n"                             \
    "wherry_metrics_series_dropped_total " n "\n"

static void test_text(void **state)
{
    (void)state;
    wh_stats *s = new_stats();
    wh_stats_family *j = add(s, &jobs);
    wh_stats_family *r = add(s, &run);
    wh_stats_family *u = add(s, &up);
    check_print(s, DROPPED("0") "# HELP wherry_up Is it up?\n"
                                "# TYPE wherry_up gauge\nwherry_up 0\n");

    wh_stats_add(wh_stats_series_get(j, "a\"\\\n", "\xFFok", NULL), 2);
    wh_stats_add(wh_stats_series_get(j, "b", "", NULL), 0.5);
    wh_stats_set(wh_stats_series_get(u, NULL, NULL, NULL), -1);
    wh_stats_series *m = wh_stats_series_get(r, "mail", NULL, NULL);
    wh_stats_observe(m, 0.1); /* a bound belongs to its own bucket */
    wh_stats_observe(m, 0.5);
    wh_stats_observe(m, 100);
    check_print(
        s,
        DROPPED(
            "0") "# HELP wherry_jobs_total Jobs \\\\ by\\nstate.\n"
                 "# TYPE wherry_jobs_total counter\n"
                 "wherry_jobs_total{queue=\"a\\\"\\\\\\n\",state=\"\xEF\xBF\xBDok\"} "
                 "2\n"
                 "wherry_jobs_total{queue=\"b\",state=\"\"} 0.5\n"
                 "# HELP wherry_run_seconds Run time.\n"
                 "# TYPE wherry_run_seconds histogram\n"
                 "wherry_run_seconds_bucket{queue=\"mail\",le=\"0.1\"} 1\n"
                 "wherry_run_seconds_bucket{queue=\"mail\",le=\"1\"} 2\n"
                 "wherry_run_seconds_bucket{queue=\"mail\",le=\"10\"} 2\n"
                 "wherry_run_seconds_bucket{queue=\"mail\",le=\"+Inf\"} 3\n"
                 "wherry_run_seconds_sum{queue=\"mail\"} 100.6\n"
                 "wherry_run_seconds_count{queue=\"mail\"} 3\n"
                 "# HELP wherry_up Is it up?\n# TYPE wherry_up gauge\nwherry_up -1\n");
    wh_stats_free(s);
}

static void test_values(void **state)
{
    (void)state;
    wh_stats *s = new_stats();
    wh_stats_series *c = wh_stats_series_get(add(s, &jobs), "q", "done", NULL);
    wh_stats_series *g = wh_stats_series_get(add(s, &up), NULL, NULL, NULL);
    wh_stats_add(c, 1);
    wh_stats_add(c, -5);
    wh_stats_add(c, (double)NAN);
    wh_stats_set(c, 9);
    wh_stats_observe(c, 9);
    assert_true(wh_stats_value(c) == 1);
    wh_stats_set(g, 5);
    wh_stats_add(g, -7);
    assert_true(wh_stats_value(g) == -2);
    assert_true(wh_stats_quantile(c, 0.5) == -1);
    wh_stats_add(NULL, 1);
    wh_stats_observe(NULL, 1);
    assert_true(wh_stats_value(NULL) == 0);
    wh_stats_free(s);
    wh_stats_free(NULL);
}

static void test_lookup(void **state)
{
    (void)state;
    wh_stats *s = new_stats();
    wh_stats_family *f = add(s, &jobs);
    wh_stats_series *kept[500];
    char name[16];
    for (unsigned i = 0; i < 500; i++) {
        (void)snprintf(name, sizeof name, "q%u", i % 1000);
        kept[i] = wh_stats_series_get(f, name, "done", NULL);
        wh_stats_add(kept[i], i);
    }
    for (unsigned i = 0; i < 500; i++) {
        (void)snprintf(name, sizeof name, "q%u", i % 1000);
        assert_ptr_equal(wh_stats_series_get(f, name, "done", NULL), kept[i]);
        assert_true(wh_stats_value(kept[i]) == (double)i);
    }
    /* Where one value ends and the next begins matters. */
    assert_ptr_not_equal(wh_stats_series_get(f, "ab", "c", NULL),
                         wh_stats_series_get(f, "a", "bc", NULL));
    wh_stats_free(s);
}

static void test_full_family(void **state)
{
    (void)state;
    wh_stats *s = new_stats();
    wh_stats_desc small = {.name = "wherry_x",
                           .help = "X.",
                           .type = WH_STATS_GAUGE,
                           .labels = only_queue,
                           .max_series = 2};
    wh_stats_family *f = add(s, &small);
    wh_stats_series *a = wh_stats_series_get(f, "a", NULL, NULL);
    wh_stats_set(a, 1);
    wh_stats_set(wh_stats_series_get(f, "b", NULL, NULL), 2);
    wh_stats_series *other = wh_stats_series_get(f, "c", NULL, NULL);
    wh_stats_add(other, 3);
    wh_stats_add(wh_stats_series_get(f, "d", NULL, NULL), 4);
    assert_ptr_equal(other, wh_stats_series_get(f, "other", NULL, NULL));
    assert_ptr_equal(a, wh_stats_series_get(f, "a", NULL, NULL));
    check_print(s, DROPPED("2") "# HELP wherry_x X.\n# TYPE wherry_x gauge\n"
                                "wherry_x{queue=\"other\"} 7\n"
                                "wherry_x{queue=\"a\"} 1\nwherry_x{queue=\"b\"} 2\n");

    wh_stats_family_clear(f);
    check_print(s, DROPPED("2"));
    wh_stats_set(a, 99); /* a pointer kept too long does no harm */
    assert_true(wh_stats_value(wh_stats_series_get(f, "e", NULL, NULL)) == 0);
    assert_true(wh_stats_value(wh_stats_series_get(f, "f", NULL, NULL)) == 0);
    check_print(s, DROPPED("2") "# HELP wherry_x X.\n# TYPE wherry_x gauge\n"
                                "wherry_x{queue=\"e\"} 0\nwherry_x{queue=\"f\"} 0\n");
    wh_stats_free(s);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad_label[] = {"a-b", NULL};
    static const char *const le[] = {"le", NULL};
    static const char *const four[] = {"a", "b", "c", "d", NULL};
    static const double falling[] = {1, 1};
    static const wh_stats_desc bad[] = {
        {.name = "9x", .help = "", .type = WH_STATS_GAUGE},
        {.name = "", .help = "", .type = WH_STATS_GAUGE},
        {.name = "x", .help = NULL, .type = WH_STATS_GAUGE},
        {.name = "x", .help = "", .labels = bad_label},
        {.name = "x", .help = "", .labels = four},
        {.name = "x", .help = "", .bounds = bounds, .n_bounds = 3},
        {.name = "x", .help = "", .type = WH_STATS_HISTOGRAM},
        {.name = "x",
         .help = "",
         .type = WH_STATS_HISTOGRAM,
         .bounds = falling,
         .n_bounds = 2},
        {.name = "x",
         .help = "",
         .type = WH_STATS_HISTOGRAM,
         .bounds = bounds,
         .n_bounds = 3,
         .labels = le},
        {.name = "wherry_metrics_series_dropped_total", .help = ""},
    };
    wh_stats *s = new_stats();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        wh_stats_family *f = NULL;
        assert_int_equal(wh_stats_family_add(s, &bad[i], &f), WH_EINVAL);
        assert_null(f);
    }
    check_print(s, DROPPED("0"));
    wh_stats_free(s);
}

static bool is_near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

static void test_quantile(void **state)
{
    (void)state;
    wh_stats *s = new_stats();
    wh_stats_series *m = wh_stats_series_get(add(s, &run), "q", NULL, NULL);
    assert_true(wh_stats_quantile(m, 0.5) < 0);
    for (int i = 0; i < 10; i++) {
        wh_stats_observe(m, 0.5);
    }
    assert_true(is_near(wh_stats_quantile(m, 0.5), 0.55)); /* half way 0.1 .. 1 */
    assert_true(is_near(wh_stats_quantile(m, 1), 1));
    for (int i = 0; i < 10; i++) {
        wh_stats_observe(m, 0.01);
    }
    assert_true(is_near(wh_stats_quantile(m, 0.25), 0.05));
    wh_stats_observe(m, 1e9);
    assert_true(is_near(wh_stats_quantile(m, 1), 10)); /* the last bound there is */
    assert_true(wh_stats_quantile(m, 2) < 0);
    assert_true(wh_stats_quantile(m, (double)NAN) < 0);
    assert_true(wh_stats_value(m) == 21);
    wh_stats_free(s);
}

static void test_time_bounds(void **state)
{
    (void)state;
    assert_true(is_near(wh_stats_time_bounds[0], 0.0005));
    assert_true(is_near(wh_stats_time_bounds[wh_stats_n_time_bounds - 1], 3600));
    wh_stats *s = new_stats();
    wh_stats_desc d = run;
    d.bounds = wh_stats_time_bounds;
    d.n_bounds = wh_stats_n_time_bounds;
    assert_non_null(add(s, &d));
    wh_stats_free(s);
}

/* Builds a registry; false when memory ran out where it must be reported. */
static bool build(void)
{
    wh_stats *s = NULL;
    wh_stats_family *f = NULL;
    bool ok = wh_stats_new(&s) == WH_OK && wh_stats_family_add(s, &run, &f) == WH_OK;
    for (unsigned i = 0; ok && i < 40; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "q%u", i % 1000);
        wh_stats_series *m = wh_stats_series_get(f, name, NULL, NULL);
        assert_non_null(m); /* "other" when memory is short */
        wh_stats_observe(m, 1);
    }
    if (ok) {
        wh_buf b = {0};
        wh_stats_print(s, &b);
        ok = wh_buf_ok(&b);
        wh_buf_fini(&b);
    }
    wh_stats_free(s);
    return ok;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (long n = 1, more = 1; more; n++) {
        oom_on(n);
        bool ok = build();
        assert_int_equal(oom_held, 0);
        more = oom_off();
        failures += !ok;
        assert_true(more || ok);
        assert_true(n < 10000);
    }
    assert_true(failures > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),        cmocka_unit_test(test_values),
        cmocka_unit_test(test_lookup),      cmocka_unit_test(test_full_family),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_quantile),
        cmocka_unit_test(test_time_bounds), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
