/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libwherry: groups, idempotency keys with their modes, refusals of a full queue, and
 * callers that were compiled with an older and smaller job struct.
 */
#include "common/base/clock.h"
#include "common/client/wherry.h"
#include "tests/support/redis_fixture.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include <cmocka.h>

#define P "wh:{any:default}"
enum { DEADLINE_MS = 20000 };

static wh_redis_fixture *redis;
static wh_client *client;

static int setup(void **state)
{
    (void)state;
    redis = wh_redis_fixture_start(NULL);
    return wh_client_open(wh_redis_fixture_url(redis), NULL, &client);
}

static int teardown(void **state)
{
    (void)state;
    wh_client_close(client);
    wh_redis_fixture_stop(redis);
    return 0;
}

static wh_client_job keyed(const char *payload, int conflict)
{
    wh_client_job job = wh_client_job_make("build", payload, strlen(payload));

    job.key = "page-7";
    job.conflict = conflict;
    return job;
}

static wh_client_enqueued enqueue(const wh_client_job *job)
{
    wh_client_enqueued r = {0};

    if (wh_client_enqueue(client, NULL, job, &r) != WHERRY_OK) {
        fail_msg("enqueue: %s", wh_client_error(client));
    }
    assert_int_equal(r.created, r.fate == WH_ENQUEUED_CREATED);
    return r;
}

static wh_client_record *get(const char *id)
{
    wh_client_record *rec = NULL;

    assert_int_equal(wh_client_job_get(client, NULL, id, &rec), WHERRY_OK);
    return rec;
}

static void assert_job(const char *id, int status, const char *payload)
{
    wh_client_record *rec = get(id);

    assert_int_equal(rec->status, status);
    assert_int_equal(rec->payload_len, strlen(payload));
    assert_memory_equal(rec->payload, payload, rec->payload_len);
    wh_client_record_free(rec);
}

static void test_fields_arrive(void **state)
{
    wh_client_job job = keyed("x", WH_CONFLICT_KEEP);

    (void)state;
    job.group = "batch-9";
    job.unique = WH_UNIQUE_DONE;
    job.retry_for_ms = 7200000;
    wh_client_enqueued r = enqueue(&job);
    wh_client_record *rec = get(r.id);
    assert_string_equal(rec->group, "batch-9");
    assert_string_equal(rec->key, "page-7");
    assert_true(rec->retry_for_ms == 7200000);
    wh_client_record_free(rec);
    job.group = "not a name";
    assert_int_equal(wh_client_enqueue(client, NULL, &job, NULL), WHERRY_EINVAL);
    assert_non_null(strstr(wh_client_error(client), "group"));
    job.group = NULL;
    job.unique = 7;
    assert_int_equal(wh_client_enqueue(client, NULL, &job, NULL), WHERRY_EINVAL);
    assert_non_null(strstr(wh_client_error(client), "unique is 7"));
}

/* Redis' clock, which all times of jobs are of. */
static int64_t redis_now_ms(void)
{
    redisReply *r = wh_redis_fixture_cmd(redis, "TIME");
    int64_t ms = strtoll(r->element[0]->str, NULL, 10) * 1000 +
                 strtoll(r->element[1]->str, NULL, 10) / 1000;

    freeReplyObject(r);
    return ms;
}

static void test_conflicts(void **state)
{
    (void)state;
    wh_client_job job = keyed("one", WH_CONFLICT_REPLACE);
    job.group = "g";
    job.priority = WH_PRIORITY(2);
    job.entity_type = "page";
    job.entity_id = "7";
    job.traceparent = "00-1-2-01";
    job.max_attempts = 3;
    job.timeout_ms = 60000;
    job.expires_ms = 600000;
    job.retry_for_ms = 500000;
    wh_client_enqueued first = enqueue(&job);
    int64_t created = redis_now_ms();
    assert_int_equal(first.fate, WH_ENQUEUED_CREATED);
    while (redis_now_ms() == created) { /* so that "from the second call" is later */
    }
    job.payload = "two";
    int64_t before = redis_now_ms();
    wh_client_enqueued r = enqueue(&job);
    int64_t after = redis_now_ms();
    assert_int_equal(r.fate, WH_ENQUEUED_REPLACED);
    assert_string_equal(r.id, first.id);
    assert_job(first.id, WH_STATUS_PENDING, "two");
    wh_client_record *rec = get(first.id); /* every option went along */
    assert_int_equal(rec->priority, 2);
    assert_string_equal(rec->group, "g");
    assert_string_equal(rec->entity_id, "7");
    assert_string_equal(rec->traceparent, "00-1-2-01");
    assert_int_equal(rec->max_attempts, 3);
    assert_true(rec->timeout_ms == 60000);
    /* They count from the second call. */
    assert_in_range(rec->enqueued_at_ms + rec->retry_for_ms, before + 500000,
                    after + 500000);
    assert_in_range(rec->expires_at_ms, before + 600000, after + 600000);
    wh_client_record_free(rec);

    job.conflict = WH_CONFLICT_KEEP;
    job.payload = "six";
    r = enqueue(&job);
    assert_int_equal(r.fate, WH_ENQUEUED_EXISTING);
    assert_string_equal(r.id, first.id);
    assert_job(first.id, WH_STATUS_PENDING, "two");

    job.conflict = WH_CONFLICT_KEEP_LAST;
    r = enqueue(&job);
    assert_int_equal(r.fate, WH_ENQUEUED_CREATED);
    assert_string_not_equal(r.id, first.id);
    assert_job(first.id, WH_STATUS_CANCELLED, "two");
    assert_job(r.id, WH_STATUS_PENDING, "six");

    job.conflict = WH_CONFLICT_REPLACE;
    job.type = "other"; /* it would be another place */
    assert_int_equal(wh_client_enqueue(client, NULL, &job, &r), WHERRY_EINVAL);
    assert_int_equal(r.error, WHERRY_EINVAL);
}

static void test_debounce(void **state)
{
    (void)state;
    wh_client_job job = keyed("one", WH_CONFLICT_EXTEND);
    job.delay_ms = 60000;
    wh_client_enqueued first = enqueue(&job);
    job.delay_ms = 3600000;
    job.payload = "two";
    int64_t before = redis_now_ms();
    wh_client_enqueued r = enqueue(&job);
    int64_t after = redis_now_ms();
    assert_int_equal(r.fate, WH_ENQUEUED_EXTENDED);
    assert_string_equal(r.id, first.id);
    wh_client_record *rec = get(r.id);
    assert_int_equal(rec->status, WH_STATUS_SCHEDULED);
    assert_in_range(rec->next_retry_at_ms, before + 3600000, after + 3600000);
    wh_client_record_free(rec);
    /* Several at once: what exists is not told apart. */
    wh_client_job jobs[2] = {job, job};
    wh_client_enqueued results[2];
    jobs[1].key = "page-8";
    assert_int_equal(wh_client_enqueue_batch(client, NULL, jobs, 2, results), 0);
    assert_int_equal(results[0].fate, WH_ENQUEUED_EXISTING);
    assert_string_equal(results[0].id, first.id);
    assert_int_equal(results[1].fate, WH_ENQUEUED_CREATED);
}

typedef struct note {
    unsigned calls;
    int error;
    int64_t retry_after_ms;
    short fate;
} note;

static void on_done(void *arg, int error, const wh_client_enqueued *results, size_t n)
{
    note *a = arg;

    assert_int_equal(n, 1);
    a->calls++;
    a->error = error;
    a->fate = results[0].fate;
    a->retry_after_ms = wh_client_retry_after_ms(client);
}

static void turn_until_called(const note *a)
{
    int64_t until = wh_clock_mono_ms() + DEADLINE_MS;

    while (a->calls == 0) {
        struct pollfd p = {.events = POLLIN};
        int events = 0;
        int timeout_ms = 0;

        assert_int_equal(wh_client_poll_info(client, &p.fd, &events, &timeout_ms), 0);
        (void)poll(&p, 1, timeout_ms);
        assert_int_equal(wh_client_process(client), 0);
        assert_true(wh_clock_mono_ms() < until);
    }
}

static void test_backpressure(void **state)
{
    (void)state;
    wh_client_job job = wh_client_job_make("a", "x", 1);
    wh_client_enqueued r = {0};

    freeReplyObject(
        wh_redis_fixture_cmd(redis, "FCALL wh1_limit 1 " P " jobs:queue 1"));
    assert_int_equal(wh_client_enqueue(client, NULL, &job, &r), 0);
    assert_int_equal(wh_client_retry_after_ms(client), 0);
    assert_int_equal(wh_client_enqueue(client, NULL, &job, &r), WHERRY_EBACKPRESSURE);
    assert_int_equal(r.error, WHERRY_EBACKPRESSURE);
    assert_int_equal(r.created, 0);
    assert_true(wh_client_retry_after_ms(client) > 0);
    assert_non_null(strstr(wh_client_error(client), "full"));
    assert_int_equal(wh_client_code_is_transient(WHERRY_EBACKPRESSURE), 1);
    assert_string_equal(wh_client_code_name(WHERRY_EBACKPRESSURE), "backpressure");
    wh_client_stats s = {.size = sizeof s};
    assert_int_equal(wh_client_queue_stats(client, NULL, &s), 0);
    assert_int_equal(wh_client_retry_after_ms(client), 0); /* of the last call only */
    assert_int_equal(s.pending, 1);

    note a = {0};
    assert_int_equal(wh_client_enqueue_async(client, NULL, &job, 1, on_done, &a), 0);
    turn_until_called(&a);
    assert_int_equal(a.error, WHERRY_EBACKPRESSURE);
    assert_true(a.retry_after_ms > 0);
    freeReplyObject(
        wh_redis_fixture_cmd(redis, "FCALL wh1_limit 1 " P " jobs:queue %s", ""));
    assert_int_equal(wh_client_enqueue(client, NULL, &job, &r), 0);
    assert_int_equal(wh_client_retry_after_ms(NULL), 0);
}

/* The text names a job of the org whose quota refuses the call, by its place in the batch. */
static void test_full_org(void **state)
{
    (void)state;
    wh_client_job jobs[4];
    wh_client_enqueued r[4] = {0};

    for (size_t i = 0; i < 4; i++) {
        jobs[i] = wh_client_job_make("a", "x", 1);
        jobs[i].org = i % 2 == 0 ? "north" : "acme"; /* put in another order */
    }
    freeReplyObject(
        wh_redis_fixture_cmd(redis, "FCALL wh1_limit 1 " P " jobs:org/acme 2"));
    assert_int_equal(wh_client_enqueue(client, NULL, &jobs[1], r), 0);
    assert_int_equal(wh_client_enqueue_batch(client, NULL, jobs, 4, r),
                     WHERRY_EBACKPRESSURE);
    assert_string_equal(wh_client_error(client),
                        "job 1: org acme: the org is full: jobs that wait: 1, more: 2, "
                        "quota: 2 (jobs:org/...) (try again in 1000 ms)");
    assert_true(wh_client_retry_after_ms(client) > 0);
    assert_int_equal(wh_client_enqueue(client, NULL, &jobs[1], r), 0);
    assert_int_equal(wh_client_enqueue(client, NULL, &jobs[1], r),
                     WHERRY_EBACKPRESSURE);
    assert_int_equal(strncmp(wh_client_error(client), "org acme: the org is full", 25),
                     0);
    freeReplyObject(
        wh_redis_fixture_cmd(redis, "FCALL wh1_limit 1 " P " jobs:org/acme %s", ""));
}

/* Over the quota alone: for good, and the rest of its batch goes in. */
static void test_never_fits(void **state)
{
    (void)state;
    char large[200] = {0};
    wh_client_job jobs[3] = {wh_client_job_make("a", "x", 1),
                             wh_client_job_make("a", large, sizeof large),
                             wh_client_job_make("a", "y", 1)};
    wh_client_enqueued r[3] = {0};

    freeReplyObject(
        wh_redis_fixture_cmd(redis, "FCALL wh1_limit 1 " P " bytes:queue 100"));
    assert_int_equal(wh_client_enqueue(client, NULL, &jobs[1], r), WHERRY_ETOOBIG);
    assert_non_null(strstr(wh_client_error(client), "(bytes:queue) is 100: "));
    assert_int_equal(wh_client_retry_after_ms(client), 0);
    assert_int_equal(wh_client_code_is_transient(WHERRY_ETOOBIG), 0);
    assert_int_equal(wh_client_enqueue_batch(client, NULL, jobs, 3, r), WHERRY_ETOOBIG);
    assert_int_equal(r[0].created, 1);
    assert_int_equal(r[1].error, WHERRY_ETOOBIG);
    assert_int_equal(r[2].created, 1);
}

/* The texts of an asynchronous call are copied, the new one too. */
static void test_async_copies(void **state)
{
    (void)state;
    char group[] = "g1";
    note a = {0};
    wh_client_job job = wh_client_job_make("a", "x", 1);

    job.id = "0190a7b0-1111-7222-8333-444455556666";
    job.group = group;
    assert_int_equal(wh_client_enqueue_async(client, NULL, &job, 1, on_done, &a), 0);
    memset(group, '!', sizeof group - 1);
    turn_until_called(&a);
    assert_int_equal(a.error, 0);
    assert_int_equal(a.fate, WH_ENQUEUED_CREATED);
    wh_client_record *rec = get(job.id);
    assert_string_equal(rec->group, "g1");
    wh_client_record_free(rec);
}

/* Orgs in turn, though a call has the jobs of each side by side: results are of the jobs in
 * the caller's order. Every third job exists already. */
static void test_orgs_in_turn(void **state)
{
    enum { N = 2500 };
    static const char *const orgs[] = {"acme", "beta", NULL, "core"};
    (void)state;
    wh_client_job jobs[N];
    wh_client_enqueued first[N], second[N];

    for (unsigned i = 0; i < N; i++) {
        jobs[i] = wh_client_job_make("bulk", &orgs[i % 4], i % 4 + 1);
        jobs[i].org = orgs[i % 4];
    }
    assert_int_equal(wh_client_enqueue_batch(client, NULL, jobs, N, first), 0);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(first[i].created, 1);
        jobs[i].id = i % 3 == 0 ? first[i].id : NULL;
    }
    assert_int_equal(wh_client_enqueue_batch(client, NULL, jobs, N, second), 0);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(second[i].created, i % 3 == 0 ? 0 : 1);
        assert_int_equal(strcmp(second[i].id, first[i].id) == 0, i % 3 == 0);
    }
    for (unsigned i = 0; i < N; i += 499) {
        wh_client_record *r = NULL;

        assert_int_equal(wh_client_job_get(client, NULL, second[i].id, &r), 0);
        assert_string_equal(r->org, orgs[i % 4] != NULL ? orgs[i % 4] : "default");
        assert_int_equal(r->payload_len, i % 4 + 1);
        wh_client_record_free(r);
    }
}

/* As a program hands them over that knows nothing behind `id`. */
static void test_older_struct(void **state)
{
    (void)state;
    enum { OLD = offsetof(wh_client_job, group) };
    char *two = malloc((size_t)2 * OLD);
    wh_client_enqueued results[2];

    assert_non_null(two);
    for (size_t i = 0; i < 2; i++) {
        wh_client_job job = wh_client_job_make("old", i == 0 ? "a" : "b", 1);

        job.size = OLD;
        memcpy(two + i * OLD, &job, OLD);
    }
    const void *jobs = two;
    assert_int_equal(wh_client_enqueue_batch(client, NULL, jobs, 2, results), 0);
    assert_int_equal(results[1].created, 1);
    assert_job(results[1].id, WH_STATUS_PENDING, "b");
    free(two);
    /* Results are laid out as ever. */
    assert_int_equal(sizeof(wh_client_enqueued), 48);
    assert_int_equal(offsetof(wh_client_enqueued, id), 8);
}

int main(void)
{
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_fields_arrive), WITH_SERVER(test_conflicts),
        WITH_SERVER(test_debounce),      WITH_SERVER(test_backpressure),
        WITH_SERVER(test_full_org),      WITH_SERVER(test_never_fits),
        WITH_SERVER(test_async_copies),  WITH_SERVER(test_older_struct),
        WITH_SERVER(test_orgs_in_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
