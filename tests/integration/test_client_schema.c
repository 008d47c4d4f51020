/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh_client_set_schema: what does not fit is refused before anything is sent.
 */
#include "common/client/wherry.h"
#include "tests/support/redis_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include <cmocka.h>

static wh_redis_fixture *redis;
static wh_client *client;

static int set_up(void **state)
{
    (void)state;
    redis = wh_redis_fixture_start(NULL);
    return wh_client_open(wh_redis_fixture_url(redis), NULL, &client);
}

static int tear_down(void **state)
{
    (void)state;
    wh_client_close(client);
    wh_redis_fixture_stop(redis);
    return 0;
}

static int set(const char *type, const char *schema, int format)
{
    return wh_client_set_schema(client, type, schema,
                                schema == NULL ? 0 : strlen(schema), format);
}

static int enqueue(const char *type, const char *payload)
{
    wh_client_job job = wh_client_job_make(type, payload, strlen(payload));

    return wh_client_enqueue(client, NULL, &job, NULL);
}

static int64_t pending(void)
{
    wh_client_stats s = {.size = sizeof s};

    assert_int_equal(wh_client_queue_stats(client, NULL, &s), 0);
    return s.pending;
}

static void has_error(const char *text)
{
    assert_string_equal(wh_client_error(client), text);
}

static void test_refused_schemas(void **state)
{
    (void)state;
    assert_int_equal(set("a b", "true", WH_PAYLOAD_IS_JSON), WHERRY_EINVAL);
    assert_int_equal(set(NULL, "true", WH_PAYLOAD_IS_JSON), WHERRY_EINVAL);
    assert_int_equal(set("mail", "true", 7), WHERRY_EINVAL);
    assert_int_equal(wh_client_set_schema(NULL, "mail", "true", 4, 0), WHERRY_EINVAL);
    assert_int_equal(set("mail", "{\"type\":\"string\"}", 0), WHERRY_OK);
    assert_int_equal(set("mail", "{\"typ\":\"array\"}", 0), WHERRY_EINVAL);
    assert_non_null(strstr(wh_client_error(client), "typ"));
    /* The one before is still in force. */
    assert_int_equal(enqueue("mail", "1"), WHERRY_EINVAL);
    assert_int_equal(enqueue("mail", "\"x\""), WHERRY_OK);
}

static void test_enqueue(void **state)
{
    (void)state;
    assert_int_equal(
        set("mail", "{\"properties\":{\"age\":{\"minimum\":18}}}", WH_PAYLOAD_IS_JSON),
        WHERRY_OK);
    assert_int_equal(set("packed", "{\"type\":\"array\"}", WH_PAYLOAD_IS_MSGPACK),
                     WHERRY_OK);
    assert_int_equal(enqueue("mail", "{\"age\":17}"), WHERRY_EINVAL);
    has_error("/age: 17 is less than minimum 18");
    assert_int_equal(enqueue("mail", "{"), WHERRY_EINVAL);
    assert_int_equal(enqueue("packed", "\xa1x"), WHERRY_EINVAL);
    assert_int_equal(pending(), 0);
    assert_int_equal(enqueue("mail", "{\"age\":18}"), WHERRY_OK);
    assert_int_equal(enqueue("packed", "\x91\x01"), WHERRY_OK);
    assert_int_equal(enqueue("other", "{\"age\":17}"), WHERRY_OK);
    assert_int_equal(pending(), 3);
    assert_int_equal(set("mail", "{\"minProperties\":2}", 0), WHERRY_OK);
    assert_int_equal(enqueue("mail", "{\"age\":18}"), WHERRY_EINVAL);
    assert_int_equal(set("mail", NULL, 0), WHERRY_OK);
    assert_int_equal(set("mail", NULL, 0), WHERRY_OK);
    assert_int_equal(enqueue("mail", "{\"age\":17}"), WHERRY_OK);
    assert_int_equal(enqueue("packed", "\xa1x"), WHERRY_EINVAL);
}

static void on_enqueued(void *arg, int error, const wh_client_enqueued *results,
                        size_t n)
{
    (void)error;
    (void)results;
    (void)n;
    ++*(int *)arg;
}

static void test_batch(void **state)
{
    (void)state;
    wh_client_enqueued results[3];
    wh_client_job jobs[3];
    int called = 0;

    for (size_t i = 0; i < 3; i++) {
        jobs[i] = wh_client_job_make("mail", i == 1 ? "[]" : "{}", 2);
    }
    assert_int_equal(set("mail", "{\"type\":\"object\"}", 0), WHERRY_OK);
    assert_int_equal(wh_client_enqueue_batch(client, NULL, jobs, 3, results),
                     WHERRY_EINVAL);
    has_error("job 1: payload: an array of 0 items is not of type \"object\"");
    assert_int_equal(results[1].error, WHERRY_EINVAL);
    assert_int_equal(
        wh_client_enqueue_async(client, NULL, jobs, 3, on_enqueued, &called),
        WHERRY_EINVAL);
    assert_int_equal(pending(), 0);
    assert_int_equal(called, 0);
    jobs[1].type = "other";
    assert_int_equal(wh_client_enqueue_batch(client, NULL, jobs, 3, results),
                     WHERRY_OK);
    assert_int_equal(pending(), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refused_schemas, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_enqueue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_batch, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
