/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libwherry's public API against a real server: enqueue in all forms, faults in the
 * middle, one job's life, the caller's own loop.
 */
#include "common/base/clock.h"
#include "common/client/wherry.h"
#include "tests/support/redis_fixture.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include <cmocka.h>

enum { DEADLINE_MS = 20000 };

typedef struct fixture {
    wh_redis_fixture *redis;
    wh_client *client;
} fixture;

static int setup(void **state)
{
    static fixture f;

    f = (fixture){.redis = wh_redis_fixture_start(NULL)};
    assert_int_equal(wh_client_open(wh_redis_fixture_url(f.redis), NULL, &f.client), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    wh_client_close(f->client);
    wh_redis_fixture_stop(f->redis);
    return 0;
}

static long long stat_of(fixture *f, size_t offset)
{
    wh_client_stats s = {.size = sizeof s};
    int64_t value = 0;

    assert_int_equal(wh_client_queue_stats(f->client, NULL, &s), 0);
    memcpy(&value, (char *)&s + offset, sizeof value);
    return value;
}
#define STAT(f, name) stat_of(f, offsetof(wh_client_stats, name))

static void test_open_errors(void **state)
{
    wh_client *c = NULL;
    char text[200] = "";
    wh_client_options o = wh_client_options_make();

    (void)state;
    o.error = text;
    o.error_size = sizeof text;
    o.timeout_ms = 200;
    assert_int_equal(wh_client_open("http://nonsense", &o, &c), WHERRY_EINVAL);
    assert_null(c);
    assert_string_not_equal(text, "");
    assert_int_equal(wh_client_open("unix:///nonexistent/redis.sock", &o, &c),
                     WHERRY_ECONN);
    assert_null(c);
    assert_string_not_equal(text, "");
    o.size = 0;
    assert_int_equal(wh_client_open(NULL, &o, &c), WHERRY_ECONFIG);
    assert_int_equal(wh_client_open(NULL, NULL, NULL), WHERRY_EINVAL);
    wh_client_close(NULL);
    assert_string_equal(wh_client_version(), WHERRY_VERSION);
    assert_string_equal(wh_client_code_name(WHERRY_ENOTFOUND), "not_found");
    assert_int_equal(wh_client_code_is_transient(WHERRY_EBUSY), 1);
    assert_non_null(wh_client_code_text(-5));
}

static void test_wrong_password(void **state)
{
    fixture *f = *state;
    wh_client *c = NULL;
    wh_client_options o = wh_client_options_make();
    int64_t begin = wh_clock_mono_ms();

    freeReplyObject(
        wh_redis_fixture_cmd(f->redis, "ACL SETUSER bob on >secret ~* +@all"));
    o.user = "bob";
    o.password = "wrong";
    assert_int_equal(wh_client_open(wh_redis_fixture_url(f->redis), &o, &c),
                     WHERRY_EAUTH);
    assert_true(wh_clock_mono_ms() - begin < 25000); /* it did not wait out the 30 s */
    o.password = "secret";
    assert_int_equal(wh_client_open(wh_redis_fixture_url(f->redis), &o, &c), WHERRY_OK);
    wh_client_close(c);
}

static void test_one_job(void **state)
{
    fixture *f = *state;
    const wh_client_queue q = {"eu", "mail"};
    wh_client_job job = wh_client_job_make("mail.send", "he\0llo", 6);
    wh_client_enqueued r = {0};
    wh_client_record *rec = NULL;

    job.org = "acme";
    job.priority = WH_PRIORITY(0);
    job.entity_type = "user";
    job.entity_id = "7";
    job.max_attempts = 3;
    assert_int_equal(wh_client_enqueue(f->client, &q, &job, &r), 0);
    assert_int_equal(r.created, 1);
    assert_int_equal(strlen(r.id), 36);
    assert_int_equal(wh_client_job_get(f->client, &q, r.id, &rec), 0);
    assert_int_equal(rec->size, sizeof *rec);
    assert_string_equal(rec->id, r.id);
    assert_string_equal(rec->type, "mail.send");
    assert_string_equal(rec->org, "acme");
    assert_string_equal(rec->region, "eu");
    assert_string_equal(rec->queue, "mail");
    assert_int_equal(rec->status, WH_STATUS_PENDING);
    assert_string_equal(rec->status_name, "pending");
    assert_int_equal(rec->priority, 0);
    assert_int_equal(rec->max_attempts, 3);
    assert_int_equal(rec->payload_len, 6);
    assert_memory_equal(rec->payload, "he\0llo", 6);
    assert_string_equal(rec->entity_id, "7");
    assert_null(rec->result);
    wh_client_record_free(rec);
    wh_client_record_free(NULL);

    assert_int_equal(wh_client_job_get(f->client, NULL, r.id, &rec), WHERRY_ENOTFOUND);
    assert_null(rec);
    assert_string_not_equal(wh_client_error(f->client), "");
    assert_int_equal(wh_client_job_get(f->client, NULL, "x", &rec), WHERRY_EINVAL);
}

static void test_same_id_and_key(void **state)
{
    fixture *f = *state;
    wh_client_job job = wh_client_job_make("a", NULL, 0);
    wh_client_enqueued r = {0};
    char first[40];

    job.id = "0190a7b0-1111-7222-8333-444455556666";
    job.key = "order-1";
    assert_int_equal(wh_client_enqueue(f->client, NULL, &job, &r), 0);
    assert_int_equal(r.created, 1);
    assert_string_equal(r.id, job.id);
    assert_int_equal(wh_client_enqueue(f->client, NULL, &job, &r), 0);
    assert_int_equal(r.created, 0);
    memcpy(first, r.id, sizeof first);
    job.id = NULL;
    assert_int_equal(wh_client_enqueue(f->client, NULL, &job, &r), 0);
    assert_int_equal(r.created, 0);
    assert_string_equal(r.id, first);
    assert_int_equal(STAT(f, pending), 1);
}

static void test_refused(void **state)
{
    fixture *f = *state;
    wh_client_job jobs[2] = {wh_client_job_make("ok", "x", 1),
                             wh_client_job_make("bad type", "x", 1)};
    wh_client_enqueued r[2] = {{0}};

    assert_int_equal(wh_client_enqueue_batch(f->client, NULL, jobs, 2, r),
                     WHERRY_EINVAL);
    assert_int_equal(r[1].error, WHERRY_EINVAL);
    assert_non_null(strstr(wh_client_error(f->client), "job 1"));
    jobs[1].size = 0;
    assert_int_equal(wh_client_enqueue_batch(f->client, NULL, jobs, 2, r),
                     WHERRY_EINVAL);
    jobs[0].size = 0;
    assert_int_equal(wh_client_enqueue(f->client, NULL, jobs, r), WHERRY_EINVAL);
    assert_int_equal(wh_client_enqueue(f->client, NULL, NULL, r), WHERRY_EINVAL);
    jobs[0] = wh_client_job_make("ok", NULL, 0);
    jobs[0].id = "no uuid";
    assert_int_equal(wh_client_enqueue(f->client, NULL, jobs, NULL), WHERRY_EINVAL);
    const wh_client_queue q = {"e:u", NULL};
    jobs[0].id = NULL;
    assert_int_equal(wh_client_enqueue(f->client, &q, jobs, NULL), WHERRY_EINVAL);
    assert_int_equal(STAT(f, pending), 0);
}

/* More jobs than four calls take, one of them too big for the partition. */
static void test_big_batch(void **state)
{
    enum { N = 7500, BAD = 4321 };
    static char payload[400 * 1024];
    fixture *f = *state;
    wh_client_job *jobs = calloc(N, sizeof *jobs);
    wh_client_enqueued *results = calloc(N, sizeof *results);

    assert_non_null(jobs);
    assert_non_null(results);
    for (size_t i = 0; i < N; i++) {
        jobs[i] = wh_client_job_make("bulk", payload, i % 100);
    }
    jobs[BAD].payload_len = sizeof payload;
    jobs[BAD - 1].org = jobs[BAD + 1].org = "other";
    assert_int_equal(wh_client_enqueue_batch(f->client, NULL, jobs, N, results),
                     WHERRY_ETOOBIG);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(results[i].error, i == BAD ? WHERRY_ETOOBIG : 0);
        assert_int_equal(results[i].created, i == BAD ? 0 : 1);
        assert_int_equal(strlen(results[i].id), 36);
    }
    assert_int_equal(STAT(f, pending), N - 1);
    free(jobs);
    free(results);
}

/* Payloads of 200 KiB: the 8 MiB bound cuts, not the number. */
static void test_big_payloads(void **state)
{
    enum { N = 100 };
    static char payload[200 * 1024];
    fixture *f = *state;
    wh_client_job jobs[N];

    for (size_t i = 0; i < N; i++) {
        jobs[i] = wh_client_job_make("bulk", payload, sizeof payload);
    }
    assert_int_equal(wh_client_enqueue_batch(f->client, NULL, jobs, N, NULL), 0);
    assert_int_equal(STAT(f, pending), N);
}

static void test_deadline(void **state)
{
    fixture *f = *state;
    wh_client *c = NULL;
    wh_client_options o = wh_client_options_make();
    wh_client_job job = wh_client_job_make("a", "x", 1);
    wh_client_enqueued r = {0};
    wh_client_stats s = {.size = sizeof s};

    o.timeout_ms = 300;
    assert_int_equal(wh_client_open(wh_redis_fixture_url(f->redis), &o, &c), 0);
    wh_redis_fixture_pause(f->redis);
    assert_int_equal(wh_client_enqueue(c, NULL, &job, &r), WHERRY_ETIMEOUT);
    assert_int_equal(r.error, WHERRY_ETIMEOUT);
    assert_int_equal(wh_client_queue_stats(c, NULL, &s), WHERRY_ETIMEOUT);
    wh_redis_fixture_resume(f->redis);
    int64_t until = wh_clock_mono_ms() + DEADLINE_MS;
    while (wh_client_queue_stats(c, NULL, &s) != 0) { /* usable again */
        assert_true(wh_clock_mono_ms() < until);
    }
    wh_redis_fixture_kill9(f->redis);
    assert_int_not_equal(wh_client_enqueue(c, NULL, &job, &r), 0);
    assert_string_not_equal(wh_client_error(c), "");
    wh_client_close(c);
}

static void test_full(void **state)
{
    fixture *f = *state;
    wh_client_job job = wh_client_job_make("a", "x", 1);

    freeReplyObject(wh_redis_fixture_cmd(f->redis, "CONFIG SET maxmemory 1"));
    assert_int_equal(wh_client_enqueue(f->client, NULL, &job, NULL), WHERRY_EFULL);
    freeReplyObject(wh_redis_fixture_cmd(f->redis, "CONFIG SET maxmemory 0"));
    assert_int_equal(wh_client_enqueue(f->client, NULL, &job, NULL), 0);
}

static void test_cancel_retry_wait(void **state)
{
    fixture *f = *state;
    wh_client_job job = wh_client_job_make("a", "x", 1);
    wh_client_enqueued r = {0};
    wh_client_record *rec = NULL;
    int requested = -1;

    job.delay_ms = 3600000;
    assert_int_equal(wh_client_enqueue(f->client, NULL, &job, &r), 0);
    assert_int_equal(wh_client_wait(f->client, NULL, r.id, 30, &rec), WHERRY_ETIMEOUT);
    assert_null(rec);
    assert_non_null(strstr(wh_client_error(f->client), "scheduled"));
    assert_int_equal(wh_client_retry(f->client, NULL, r.id), 0);
    assert_int_equal(STAT(f, pending), 1);
    assert_int_equal(wh_client_cancel(f->client, NULL, r.id, &requested), 0);
    assert_int_equal(requested, 0);
    assert_int_equal(wh_client_wait(f->client, NULL, r.id, -1, &rec), 0);
    assert_int_equal(rec->status, WH_STATUS_CANCELLED);
    wh_client_record_free(rec);
    assert_int_equal(
        wh_client_cancel(f->client, NULL, "0190a7b0-1111-7222-8333-444455556666", NULL),
        WHERRY_ENOTFOUND);
    assert_int_equal(STAT(f, cancelled), 1);
}

/* ---- the caller's own loop ---- */

typedef struct async_note {
    wh_client *client;
    int calls, error;
    size_t n, created;
    int nested;
} async_note;

static void on_done(void *arg, int error, const wh_client_enqueued *results, size_t n)
{
    async_note *a = arg;
    wh_client_job job = wh_client_job_make("a", "x", 1);

    a->calls++;
    a->error = error;
    a->n += n;
    for (size_t i = 0; i < n; i++) {
        a->created += results[i].created ? 1 : 0;
    }
    /* Synchronous calls are refused here, asynchronous ones are not. */
    assert_int_equal(wh_client_enqueue(a->client, NULL, &job, NULL), WHERRY_ESTATE);
    if (a->nested > 0) {
        a->nested--;
        assert_int_equal(wh_client_enqueue_async(a->client, NULL, &job, 1, on_done, a),
                         0);
    }
}

static void run_own_loop(wh_client *c, const async_note *a, int calls)
{
    int64_t until = wh_clock_mono_ms() + DEADLINE_MS;

    while (a->calls < calls) {
        struct pollfd p = {0};
        int events = 0;
        int timeout_ms = 0;

        assert_true(wh_clock_mono_ms() < until);
        assert_int_equal(wh_client_poll_info(c, &p.fd, &events, &timeout_ms), 0);
        assert_int_equal(events, WH_POLL_READ);
        assert_true(timeout_ms >= 0 && timeout_ms <= 1000);
        p.events = POLLIN;
        assert_true(poll(&p, 1, timeout_ms) >= 0);
        assert_int_equal(wh_client_process(c), 0);
    }
}

static void test_own_loop(void **state)
{
    fixture *f = *state;
    wh_client *c = NULL;
    wh_client_options o = wh_client_options_make();
    wh_client_job jobs[1500];
    char payload[] = "will be overwritten";

    o.no_wait = 1;
    assert_int_equal(wh_client_open(wh_redis_fixture_url(f->redis), &o, &c), 0);
    async_note a = {.client = c, .nested = 3};
    for (size_t i = 0; i < 1500; i++) {
        jobs[i] = wh_client_job_make("a", payload, sizeof payload);
    }
    assert_int_equal(wh_client_enqueue_async(c, NULL, jobs, 1500, on_done, &a), 0);
    memset(jobs, 0xff, sizeof jobs);
    memset(payload, 0, sizeof payload);
    assert_int_equal(a.calls, 0);
    assert_int_equal(wh_client_open_calls(c), 1);
    run_own_loop(c, &a, 4);
    assert_int_equal(a.error, 0);
    assert_int_equal(a.created, 1503);
    assert_int_equal(wh_client_open_calls(c), 0);
    assert_int_equal(STAT(f, pending), 1503);

    /* Closing ends what is open, once. */
    jobs[0] = wh_client_job_make("a", NULL, 0);
    a = (async_note){.client = c};
    assert_int_equal(wh_client_enqueue_async(c, NULL, jobs, 1, on_done, &a), 0);
    wh_client_close(c);
    assert_int_equal(a.calls, 1);
    assert_int_equal(a.error, WHERRY_ECANCELED);
}

/* Redis stops with the request in flight and comes back with its data: nothing twice. */
static void test_restart_in_flight(void **state)
{
    static const char *const durable[] = {"--appendonly", "yes", "--appendfsync",
                                          "always", NULL};
    fixture f = {.redis = wh_redis_fixture_start(durable)};
    wh_client_job jobs[2] = {wh_client_job_make("a", "x", 1),
                             wh_client_job_make("b", "y", 1)};

    (void)state;
    assert_int_equal(wh_client_open(wh_redis_fixture_url(f.redis), NULL, &f.client), 0);
    async_note a = {.client = f.client};
    assert_int_equal(wh_client_enqueue(f.client, NULL, jobs, NULL), 0);
    wh_redis_fixture_pause(f.redis);
    assert_int_equal(wh_client_enqueue_async(f.client, NULL, jobs, 2, on_done, &a), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wh_client_process(f.client), 0);
    }
    wh_redis_fixture_kill9(f.redis);
    assert_int_equal(wh_client_process(f.client), 0);
    assert_int_equal(a.calls, 0);
    wh_redis_fixture_restart(f.redis);
    run_own_loop(f.client, &a, 1);
    assert_int_equal(a.error, 0);
    assert_int_equal(a.created, 2);
    assert_int_equal(STAT(&f, pending), 3);
    wh_client_close(f.client);
    wh_redis_fixture_stop(f.redis);
}

/* A server that forgot everything while the client was away. */
static void test_restart_without_data(void **state)
{
    fixture *f = *state;
    wh_client_job job = wh_client_job_make("a", "x", 1);

    wh_redis_fixture_kill9(f->redis);
    wh_redis_fixture_restart(f->redis);
    assert_int_equal(wh_client_enqueue(f->client, NULL, &job, NULL), 0);
    assert_int_equal(STAT(f, pending), 1);
}

static void count_lines(void *arg, int level, const char *line, size_t len)
{
    assert_true(level >= 0 && level <= 3);
    assert_true(len > 0 && line[0] == '{');
    ++*(int *)arg;
}

static void test_log(void **state)
{
    fixture *f = *state;
    wh_client *c = NULL;
    int lines = 0;

    wh_client_set_log(count_lines, &lines);
    assert_int_equal(wh_client_open(wh_redis_fixture_url(f->redis), NULL, &c), 0);
    wh_client_close(c);
    wh_client_set_log(NULL, NULL);
    assert_true(lines > 0);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_errors),
        WITH_SERVER(test_wrong_password),
        WITH_SERVER(test_one_job),
        WITH_SERVER(test_same_id_and_key),
        WITH_SERVER(test_refused),
        WITH_SERVER(test_big_batch),
        WITH_SERVER(test_big_payloads),
        WITH_SERVER(test_deadline),
        WITH_SERVER(test_full),
        WITH_SERVER(test_cancel_retry_wait),
        WITH_SERVER(test_own_loop),
        cmocka_unit_test(test_restart_in_flight),
        WITH_SERVER(test_restart_without_data),
        WITH_SERVER(test_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
