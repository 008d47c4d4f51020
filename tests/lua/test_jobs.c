/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_job, wh1_jobs, wh1_log: what operators read. Every page of every status is complete.
 */
#include "tests/support/lua_case.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { JOBS = 210 };

static const char *const statuses[] = {"pending",   "scheduled", "in_progress",
                                       "completed", "failed",    "cancelled",
                                       "expired"};

/* Job n gets status n % 7. */
static void make_jobs(void)
{
    wh_lc_worker("w");
    wh_lc_worker("v");
    for (unsigned n = 0; n < JOBS; n++) {
        struct wh_lc_end e = {.n = n, .fence = 1};
        const char *worker = n % 2 != 0 ? "w" : "v";

        if (n % 7 == 0 || n % 7 == 5) {
            continue; /* the pending ones last */
        }
        wh_lc_enqueue(n, "ORG o%u PRIORITY %u DELAY %u", n % 3, n % 10,
                      n % 7 == 1 ? 500U : 0U);
        if (n % 7 == 1) {
            continue;
        }
        wh_lc_ok("wh1_cycle", "%s 1 0", worker);
        e.outcome = n % 7 == 3 ? "ok" : n % 7 == 4 ? "dead" : "expired";
        if (n % 7 != 2) {
            wh_lc_finish(worker, &e, true);
        }
    }
    for (unsigned n = 0; n < JOBS; n++) {
        if (n % 7 == 0 || n % 7 == 5) {
            wh_lc_enqueue(n, "ORG o%u PRIORITY %u", n % 3, n % 10);
        }
        if (n % 7 == 5) {
            wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(n));
        }
    }
    wh_lc_audit();
}

static unsigned number_of(const redisReply *record)
{
    return (unsigned)strtoul(wh_lc_find(record, "id")->str + 28, NULL, 16);
}

/* Reads all pages; marks the jobs met; returns how many. */
static unsigned page_through(const char *status, unsigned limit, const char *filter,
                             unsigned char seen[JOBS])
{
    char cursor[64] = "-";
    unsigned count = 0;

    memset(seen, 0, JOBS);
    for (int pages = 0; cursor[0] != '\0'; pages++) {
        char fmt[128];
        snprintf(fmt, sizeof fmt, "%s %s %u %s", status, cursor, limit, filter);
        redisReply *r = wh_lc_call("wh1_jobs", fmt);
        assert_int_equal(r->type, REDIS_REPLY_ARRAY);
        assert_true(r->elements <= limit + 1);
        assert_true(pages < 1000);
        for (size_t i = 1; i < r->elements; i++) {
            unsigned n = number_of(r->element[i]);
            assert_true(n < JOBS);
            assert_int_equal(seen[n], 0);
            assert_string_equal(wh_lc_find(r->element[i], "status")->str, status);
            assert_null(wh_lc_find(r->element[i], "payload"));
            seen[n] = 1;
            count++;
        }
        snprintf(cursor, sizeof cursor, "%s", r->element[0]->str);
        freeReplyObject(r);
    }
    return count;
}

static void pages_are_complete(void **state)
{
    static const unsigned limits[] = {1, 7, 29, 30, 31, 1000};
    unsigned char seen[JOBS];

    (void)state;
    make_jobs();
    for (unsigned s = 0; s < 7; s++) {
        for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++) {
            assert_int_equal(page_through(statuses[s], limits[l], "", seen), JOBS / 7);
            for (unsigned n = 0; n < JOBS; n++) {
                assert_int_equal(seen[n], n % 7 == s);
            }
        }
    }
}

static void filters(void **state)
{
    unsigned char seen[JOBS];

    (void)state;
    make_jobs();
    for (unsigned s = 0; s < 7; s++) {
        assert_int_equal(page_through(statuses[s], 13, "ORG o1", seen), JOBS / 21);
        for (unsigned n = 0; n < JOBS; n++) {
            assert_int_equal(seen[n], n % 7 == s && n % 3 == 1);
        }
        assert_int_equal(page_through(statuses[s], 13, "ORG o1 TYPE mail", seen),
                         JOBS / 21);
        assert_int_equal(page_through(statuses[s], 13, "TYPE other", seen), 0);
        assert_int_equal(page_through(statuses[s], 13, "ORG nobody", seen), 0);
    }
}

static void a_page_shows_what_the_job_shows(void **state)
{
    (void)state;
    make_jobs();
    for (unsigned s = 0; s < 7; s++) {
        redisReply *r = wh_lc_call("wh1_jobs", "%s - 3", statuses[s]);
        for (size_t i = 1; i < r->elements; i++) {
            const redisReply *rec = r->element[i];
            for (size_t f = 0; f < rec->elements; f += 2) {
                wh_lc_field(number_of(rec), rec->element[f]->str,
                            rec->element[f + 1]->str);
            }
        }
        freeReplyObject(r);
    }
}

static void an_unknown_job(void **state)
{
    (void)state;
    wh_lc_error("WHNOTFOUND", "wh1_job", "%s", wh_lc_id(1));
    redisReply *r = wh_lc_call("wh1_log", "%s", wh_lc_id(1));
    assert_int_equal(r->elements, 0);
    freeReplyObject(r);
}

static void refuses_bad_arguments(void **state)
{
    static const char *const bad[] = {"",
                                      "pending",
                                      "pending -",
                                      "nothing - 10",
                                      "PENDING - 10",
                                      "pending x 10",
                                      "pending -1 10",
                                      "pending 1-1 10",
                                      "pending - 0",
                                      "pending - 1001",
                                      "pending - x",
                                      "failed 10 10",
                                      "failed 1-99999999999999999999 10",
                                      "pending - 10 ORG",
                                      "pending - 10 ORG a:b",
                                      "pending - 10 CATEGORY x",
                                      "pending - 10 TYPE a TYPE b"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        wh_lc_error("WHBADARG", "wh1_jobs", bad[i]);
    }
    wh_lc_error("WHBADARG", "wh1_jobs", "%s - 10", "");
    wh_lc_error("WHBADARG", "wh1_job", "");
    wh_lc_error("WHBADARG", "wh1_job", "%s", "");
    wh_lc_error("WHBADARG", "wh1_job", "x y");
    wh_lc_error("WHBADARG", "wh1_job", "zzzzzzzz-cc00-7000-80ff-000000000001");
    wh_lc_error("WHBADARG", "wh1_log", "");
    wh_lc_error("WHBADARG", "wh1_log", "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(pages_are_complete),
        WH_LC_TEST(filters),
        WH_LC_TEST(a_page_shows_what_the_job_shows),
        WH_LC_TEST(an_unknown_job),
        WH_LC_TEST(refuses_bad_arguments),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
