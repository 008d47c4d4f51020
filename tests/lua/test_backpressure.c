/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enqueue refused: quotas of waiting jobs and bytes by queue and org, and Redis' memory.
 * A refusal changes nothing and says when to try again.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void refused(unsigned n, const char *org)
{
    wh_lc_error("WHBACKPRESSURE", "wh1_enqueue", "mail p ORG %s ID %s", org,
                wh_lc_id(n));
}

static void taken(unsigned n, const char *org)
{
    char options[64];

    snprintf(options, sizeof options, "ORG %s", org);
    wh_ll_put(n, "mail", options);
}

static void jobs_of_a_queue(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_ll_set("jobs:queue", "3");
    taken(1, "a");
    taken(2, "b");
    taken(3, "a");
    refused(4, "a");
    refused(4, "c");
    wh_lc_claim("w", 1, "1"); /* it waits no more */
    taken(4, "c");
    refused(5, "a");
    wh_lc_done("w", 1, 1, true);
    refused(5, "a");
    wh_ll_set("jobs:queue", "4");
    taken(5, "a");
    refused(6, "a");
    wh_ll_set("jobs:queue", "");
    taken(6, "a");
    wh_lc_audit();
}

static void jobs_of_an_org(void **state)
{
    (void)state;
    wh_ll_set("jobs:org/a", "2");
    taken(1, "a");
    taken(2, "a");
    refused(3, "a");
    for (unsigned n = 10; n < 20; n++) {
        taken(n, "b");
    }
    wh_ll_set("jobs:org/*", "11");
    taken(20, "b");
    refused(21, "b");
    refused(3, "a");
    wh_lc_audit();
}

/* One setting of an org's own leaves the others of '*' as they are. */
static void each_setting_has_its_own_default(void **state)
{
    (void)state;
    wh_ll_set("jobs:org/a", "1000");
    wh_ll_set("bytes:org/*", "100");
    wh_lc_error("WHTOOBIG", "wh1_enqueue", "mail %b ORG a",
                "01234567890123456789012345678901234567890123456789"
                "01234567890123456789012345678901234567890123456789",
                (size_t)100);
    wh_ll_set("bytes:org/a", "1000");
    wh_ll_set("jobs:org/*", "1");
    wh_ll_set("jobs:org/a", "");
    taken(1, "a");
    refused(2, "a");
}

/* refusal: the error expected, NULL for none. */
static void put_bytes(unsigned n, size_t size, const char *org, const char *refusal)
{
    char *payload = calloc(1, size);
    struct wh_lc_args a = {0};

    assert_non_null(payload);
    wh_lc_add_text(&a, "mail");
    wh_lc_add(&a, payload, size);
    wh_lc_add_text(&a, "ID");
    wh_lc_add_text(&a, "%s", wh_lc_id(n));
    wh_lc_add_text(&a, "ORG");
    wh_lc_add_text(&a, "%s", org);
    free(payload);
    if (refusal != NULL) {
        wh_lc_error_args(refusal, "wh1_enqueue", &a);
        return;
    }
    redisReply *r = wh_lc_call_args("wh1_enqueue", &a);
    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    freeReplyObject(r);
}

#define FULL "WHBACKPRESSURE"

/* Bytes are those of the records: 9 for the time, the head, the payload. */
enum { HEAD = 9 + 1 + 5 + 2 + 1 };

static void bytes_of_records(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_ll_set("bytes:org/a", "1000");
    put_bytes(1, 600 - HEAD, "a", NULL);
    put_bytes(2, 401 - HEAD, "a", FULL);
    put_bytes(2, 400 - HEAD, "a", NULL);
    put_bytes(3, 1, "a", FULL);
    put_bytes(4, 5000, "b", NULL);
    wh_lc_claim("w", 1, "1");
    put_bytes(3, 600 - HEAD, "a", NULL);
    wh_ll_set("bytes:queue", "7000");
    put_bytes(5, 1000, "b", FULL);
    wh_ll_set("bytes:queue", "7100");
    put_bytes(5, 1000, "b", NULL);
    wh_lc_audit();
}

/* What is over a quota alone is never told to try again, whatever else waits or memory there is. */
static void what_never_fits_is_too_big(void **state)
{
    (void)state;
    wh_ll_set("bytes:queue", "1000");
    taken(1, "a");
    put_bytes(2, 1000 - HEAD, "a", FULL);
    put_bytes(
        2, 1001 - HEAD, "a",
        "WHTOOBIG the job has 1001 bytes, the quota of the queue (bytes:queue) is "
        "1000: it never fits; make it smaller or raise the quota");
    wh_ll_set("bytes:org/*", "500");
    put_bytes(2, 500 - HEAD, "b", NULL);
    put_bytes(3, 501 - HEAD, "b",
              "WHTOOBIG the job has 501 bytes, the quota of its org (bytes:org/...) is "
              "500: it never fits; make it smaller or raise the quota");
    wh_ll_set("bytes:org/b", "5000");
    put_bytes(3, 501 - HEAD, "b", FULL); /* of the queue */
    wh_ll_set("bytes:queue", "");
    put_bytes(3, 501 - HEAD, "b", NULL);
    wh_lc_audit();
}

/* Delayed and set-aside jobs wait as well; a retry is no enqueue and never refused. */
static void what_counts_as_waiting(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_ll_set("jobs:queue", "2");
    wh_ll_put(1, "mail", "DELAY 1000");
    taken(2, "a");
    refused(3, "a");
    wh_ll_set("pause:type/mail", "1");
    wh_lc_claim("w", 5, "");
    refused(3, "a");
    wh_ll_set("pause:type/mail", "");
    wh_lc_claim("w", 5, "2");
    taken(3, "a");
    wh_ll_end("w", 2, 1, "retry", 0, "error"); /* over the quota now */
    refused(4, "a");
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(1));
    refused(4, "a");
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(3));
    taken(4, "a"); /* a cancelled job takes no room, though its id stands in the list */
    wh_lc_audit();
}

static void recovered_and_replayed_are_never_refused(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_worker("lost");
    wh_ll_set("jobs:queue", "1");
    taken(1, "a");
    wh_lc_claim("lost", 1, "1");
    taken(2, "a");
    wh_lc_advance(30001);
    wh_lc_ok("wh1_recover", "10");
    wh_lc_status(1, "pending");
    wh_lc_worker("w2");
    wh_lc_claim("w2", 2, "1 2");
    wh_ll_end("w2", 2, 1, "dead", 0, "invalid");
    taken(3, "a");
    wh_lc_text("pending", "wh1_retry", "%s", wh_lc_id(2));
    wh_lc_status(2, "pending");
    wh_lc_audit();
}

static void existing_jobs_need_no_room(void **state)
{
    (void)state;
    wh_ll_set("jobs:queue", "1");
    wh_ll_put(1, "mail", "KEY k");
    redisReply *r = wh_lc_call("wh1_enqueue", "mail p KEY k");
    assert_string_equal(r->element[1]->str, "existing");
    freeReplyObject(r);
    r = wh_lc_call("wh1_enqueue", "mail p KEY k CONFLICT replace");
    assert_string_equal(r->element[1]->str, "replaced");
    freeReplyObject(r);
    r = wh_lc_call("wh1_enqueue", "mail p KEY k CONFLICT keep_last"); /* one for one */
    assert_string_equal(r->element[1]->str, "created");
    freeReplyObject(r);
    refused(2, "default");
    wh_ll_set("jobs:queue", "");
    wh_ll_set("bytes:queue", "40");
    wh_lc_error("WHTOOBIG", "wh1_enqueue", "mail %s KEY k CONFLICT replace",
                "a payload that makes the record larger than the quota");
    wh_ll_set("bytes:queue",
              "80"); /* 22 bytes and a key wait; the other needs more room */
    taken(3, "default");
    wh_lc_error("WHBACKPRESSURE", "wh1_enqueue", "mail %s KEY k CONFLICT replace",
                "a payload that would do without job 3");
    wh_lc_audit();
}

/* All or nothing; more jobs than the quota has room for are too big together. */
static void a_batch_counts_whole(void **state)
{
    static const char *const refusals[] = {
        [10] = NULL,
        [11] = "WHBACKPRESSURE",
        [12] =
            "WHTOOBIG the call has 12 jobs, the quota of the queue (jobs:queue) is 11: "
            "it never fits; enqueue fewer in one call or raise the quota",
    };

    (void)state;
    wh_ll_set("jobs:queue", "11");
    taken(100, "a");
    for (unsigned n = 12; n >= 10; n--) {
        struct wh_lc_args a = {0};

        for (unsigned i = 0; i < n; i++) {
            wh_lc_add(&a, wh_lc_raw(i + 1), 16);
            wh_lc_add(&a, "\x93\xa4mail\xa1o\x05", 9);
            wh_lc_add_text(&a, "p");
        }
        if (refusals[n] != NULL) {
            wh_lc_error_args(refusals[n], "wh1_enqueue_batch", &a);
        } else {
            redisReply *r = wh_lc_call_args("wh1_enqueue_batch", &a);
            assert_int_equal(r->element[0]->integer, 10);
            freeReplyObject(r);
        }
    }
    wh_lc_stat("pending", 11);
    wh_lc_audit();
}

/* Jobs 1 to 4 of orgs z, z, c and b in one call. With a time to expire they go the long way. */
static void four_are_refused(bool expire, const char *want)
{
    struct wh_lc_args a = {0};

    for (unsigned i = 0; i < 4; i++) {
        char head[32];
        int n = snprintf(head, sizeof head, "%c\xa4mail\xa1%c\x05%s",
                         expire ? '\x94' : '\x93', "zzcb"[i],
                         expire ? "\x81\xa2xp\x64" : "");

        wh_lc_add(&a, wh_lc_raw(i + 1), 16);
        wh_lc_add(&a, head, (size_t)n);
        wh_lc_add_text(&a, "p");
    }
    wh_lc_error_args(want, "wh1_enqueue_batch", &a);
}

#define BYTES(more)                                                                    \
    "WHBACKPRESSURE 1000 job 3: the org is full: bytes that wait: 22, more: " more     \
    ", quota: 30 (bytes:org/...)"

static void refusals_name_the_job(bool expire)
{
    wh_ll_set("jobs:org/*", "2");
    wh_ll_set("jobs:org/z", "4");
    wh_ll_set("bytes:org/c", "30");
    wh_ll_set("jobs:queue", "6");
    taken(100, "b");
    taken(101, "b");
    taken(102, "c");
    four_are_refused(expire, expire ? BYTES("24") : BYTES("19"));
    wh_ll_set("bytes:org/c", "");
    four_are_refused(expire, "WHBACKPRESSURE 1000 job 4: the org is full: jobs that "
                             "wait: 2, more: 1, quota: 2 (jobs:org/...)");
    wh_ll_set("jobs:org/b", "9");
    four_are_refused(expire,
                     "WHBACKPRESSURE 1000 the queue is full: jobs that wait: 3, "
                     "more: 4, quota: 6 (jobs:queue)");
    wh_ll_set("jobs:org/z", "1");
    four_are_refused(expire,
                     "WHTOOBIG job 1: the call has 2 jobs, the quota of its org "
                     "(jobs:org/...) is 1: it never fits; enqueue fewer in one "
                     "call or raise the quota");
}

/* Of a call the first job of a full org is named, before a full queue. */
static void a_refusal_names_the_job_and_the_quota(void **state)
{
    (void)state;
    refusals_name_the_job(false);
}

static void also_on_the_long_way(void **state)
{
    (void)state;
    refusals_name_the_job(true);
    wh_ll_set("jobs:org/b", "2");
    wh_lc_error(
        "WHBACKPRESSURE 1000 the org is full: jobs that wait: 2, more: 1, quota: "
        "2 (jobs:org/...)",
        "wh1_enqueue", "mail p ORG b");
}

/* "WHBACKPRESSURE <ms> text": what a producer waits. */
static void says_when_to_try_again(void **state)
{
    (void)state;
    wh_ll_set("jobs:queue", "1");
    taken(1, "a");
    redisReply *r = wh_lc_call("wh1_enqueue", "mail p");
    assert_int_equal(r->type, REDIS_REPLY_ERROR);
    char *end = NULL;
    long ms = strtol(r->str + strlen("WHBACKPRESSURE "), &end, 10);
    assert_in_range(ms, 1, 60000);
    assert_int_equal(*end, ' ');
    freeReplyObject(r);
}

static long long used_memory(void)
{
    redisReply *r = wh_lc_cmd("INFO memory");
    const char *at = strstr(r->str, "used_memory:");
    long long used = strtoll(at + strlen("used_memory:"), NULL, 10);

    freeReplyObject(r);
    return used;
}

static void set_maxmemory(long long bytes)
{
    redisReply *r = wh_lc_cmd("CONFIG SET maxmemory %lld", bytes);

    assert_string_equal(r->str, "OK");
    freeReplyObject(r);
}

/* Beside it what the server needs for clients comes and goes unseen. */
static void fill_memory(void)
{
    assert_int_equal(wh_lc_count("SETRANGE filler 67108863 x"), 67108864);
}

/* Asked once a second: the clock must move for the next look. */
static void a_share_of_redis_memory(void **state)
{
    (void)state;
    fill_memory();
    wh_lc_worker("w");
    taken(1, "a");
    wh_ll_set("memory:queue", "80");
    taken(2, "a"); /* no maxmemory: no share of it */
    set_maxmemory(used_memory() * 100 / 90);
    wh_lc_advance(1000);
    refused(3, "a");
    wh_lc_claim("w", 2, "1 2"); /* the rest goes on */
    wh_lc_done("w", 1, 1, true);
    set_maxmemory(used_memory() * 2);
    wh_lc_advance(999);
    refused(3, "a"); /* as known */
    wh_lc_advance(1);
    taken(3, "a");
    set_maxmemory(used_memory() * 100 / 90);
    wh_lc_advance(1000);
    refused(4, "a");
    wh_ll_set("memory:queue", "");
    taken(4, "a");
    set_maxmemory(0);
    wh_lc_audit();
}

/* A schedule fires once at its time or never: no quota stands in its way. */
static void cron_is_not_refused(void **state)
{
    (void)state;
    wh_ll_set("jobs:queue", "1");
    taken(1, "a");
    wh_ll_fire(2);
    wh_lc_status(2, "pending");
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(jobs_of_a_queue),
        WH_LC_TEST(jobs_of_an_org),
        WH_LC_TEST(each_setting_has_its_own_default),
        WH_LC_TEST(bytes_of_records),
        WH_LC_TEST(what_never_fits_is_too_big),
        WH_LC_TEST(what_counts_as_waiting),
        WH_LC_TEST(recovered_and_replayed_are_never_refused),
        WH_LC_TEST(existing_jobs_need_no_room),
        WH_LC_TEST(a_batch_counts_whole),
        WH_LC_TEST(a_refusal_names_the_job_and_the_quota),
        WH_LC_TEST(also_on_the_long_way),
        WH_LC_TEST(says_when_to_try_again),
        WH_LC_TEST(a_share_of_redis_memory),
        WH_LC_TEST(cron_is_not_refused),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
