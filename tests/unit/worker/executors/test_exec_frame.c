/* SPDX-License-Identifier: Apache-2.0 */
/* exec_frame.c: headers that a child may send, and what is said about the others. */
#include "worker/executors/exec_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ID "0190b6c0-0000-7000-8000-000000000001"

static wh_exec_frame accepted(const char *line)
{
    wh_exec_frame f;
    size_t used = 0;
    wh_errbuf eb = {0};
    if (wh_exec_frame_parse(line, strlen(line), &f, &used, &eb) != WH_OK) {
        fail_msg("%s: %s", line, eb.text);
    }
    assert_int_equal(used, strcspn(line, "\n") + 1);
    return f;
}

static void refused(const char *line, const char *says)
{
    wh_exec_frame f;
    size_t used = 0;
    wh_errbuf eb = {0};
    assert_int_equal(wh_exec_frame_parse(line, strlen(line), &f, &used, &eb),
                     WH_EPROTO);
    if (strstr(eb.text, says) == NULL) {
        fail_msg("%s: \"%s\" does not say \"%s\"", line, eb.text, says);
    }
}

static void test_result(void **state)
{
    (void)state;
    wh_exec_frame f =
        accepted("{\"op\":\"result\",\"id\":\"" ID "\",\"status\":\"retry\","
                 "\"category\":\"java.net.ConnectException\","
                 "\"message\":\"m\",\"context\":{\"a\":1},\"delay_ms\":1e3,"
                 "\"body_len\":7,\"later\":true}\nrest");
    assert_int_equal(f.op, WH_EXEC_FRAME_RESULT);
    assert_int_equal(f.status, WH_RESULT_RETRY);
    assert_int_equal(f.category, WH_ERRCLASS_CONNECTION);
    assert_int_equal(f.delay_ms, 1000);
    assert_int_equal(f.body_len, 7);
    assert_int_equal(f.id[0], 0x01);
    assert_int_equal(f.id[15], 0x01);
    assert_string_equal(f.context.p, "{\"a\":1}");
    wh_exec_frame_fini(&f);
    f = accepted("{\"op\":\"result\",\"id\":\"" ID
                 "\",\"status\":\"retry\",\"permanent\":true,"
                 "\"message\":null,\"delay_ms\":null}\n");
    assert_int_equal(f.status, WH_RESULT_FAIL);
    assert_int_equal(f.delay_ms, -1);
    assert_int_equal(f.message.n, 0);
    wh_exec_frame_fini(&f);
}

static void test_other_ops(void **state)
{
    (void)state;
    wh_exec_frame f = accepted("{\"op\":\"ready\",\"version\":1,\"concurrency\":8}\n");
    assert_int_equal(f.concurrency, 8);
    wh_exec_frame_fini(&f);
    f = accepted("{\"op\":\"ready\"}\n");
    assert_int_equal(f.concurrency, 1);
    assert_int_equal(f.version, 1);
    wh_exec_frame_fini(&f);
    f = accepted("{\"op\":\"busy\",\"for_ms\":2500}\n");
    assert_int_equal(f.op, WH_EXEC_FRAME_BUSY);
    assert_int_equal(f.for_ms, 2500);
    wh_exec_frame_fini(&f);
    f = accepted("{\"op\":\"busy\"}\n");
    assert_int_equal(f.for_ms, 5000);
    wh_exec_frame_fini(&f);
    f = accepted("{\"op\":\"busy\",\"for_ms\":-1}\n");
    assert_int_equal(f.for_ms, 0);
    wh_exec_frame_fini(&f);
    f = accepted("{\"op\":\"progress\",\"id\":\"" ID "\",\"percent\":133.7}\n");
    assert_int_equal(f.percent, 100);
    wh_exec_frame_fini(&f);
    f = accepted("{\"op\":\"novelty\",\"id\":5,\"body_len\":3}\n");
    assert_int_equal(f.op, WH_EXEC_FRAME_UNKNOWN);
    assert_int_equal(f.body_len, 3);
    wh_exec_frame_fini(&f);
}

static void test_refused(void **state)
{
    (void)state;
    refused("nonsense\n", "no JSON object");
    refused("[]\n", "no JSON object");
    refused("{\"op\":\"pong\",\"op\":\"pong\"}\n", "no JSON object");
    refused("{}\n", "op");
    refused("{\"op\":\"result\",\"id\":\"x\",\"status\":\"ok\"}\n", "job id");
    refused("{\"op\":\"result\",\"id\":\"" ID "\"}\n", "status");
    refused("{\"op\":\"result\",\"id\":\"" ID "\",\"status\":\"fine\"}\n", "status");
    refused("{\"op\":\"pong\",\"body_len\":-1}\n", "body_len -1");
    refused("{\"op\":\"pong\",\"body_len\":4294967295}\n", "body_len 4294967295");
    refused("{\"op\":\"pong\",\"body_len\":\"5\"}\n", "body_len is no number");
    refused("{\"op\":\"ready\",\"concurrency\":0}\n", "concurrency 0");
    refused("{\"op\":\"busy\",\"for_ms\":true}\n", "for_ms is no number");
    refused("{\"op\":\"log\",\"id\":\"" ID "\",\"message\":5}\n",
            "message is no string");
}

static void test_header_length(void **state)
{
    (void)state;
    static char line[WH_EXEC_FRAME_HEADER_MAX + 1];
    wh_exec_frame f;
    size_t used = 1;
    memset(line, ' ', sizeof line);
    memcpy(line, "{\"op\":\"pong\"}", 13);
    assert_int_equal(
        wh_exec_frame_parse(line, WH_EXEC_FRAME_HEADER_MAX - 1, &f, &used, NULL),
        WH_OK);
    assert_int_equal(used, 0); /* may still come */
    line[WH_EXEC_FRAME_HEADER_MAX - 1] = '\n';
    assert_int_equal(wh_exec_frame_parse(line, sizeof line, &f, &used, NULL), WH_OK);
    assert_int_equal(used, WH_EXEC_FRAME_HEADER_MAX);
    wh_exec_frame_fini(&f);
    line[WH_EXEC_FRAME_HEADER_MAX - 1] = ' ';
    line[WH_EXEC_FRAME_HEADER_MAX] = '\n';
    assert_int_equal(wh_exec_frame_parse(line, sizeof line, &f, &used, NULL),
                     WH_EPROTO);
}

static void test_what_we_say(void **state)
{
    (void)state;
    wh_buf b = {0};
    wh_job job = {.attempt = 2, .fence = 3, .type = "t", .org = "o", .queue = "q"};
    const wh_exec_frame_claim claim = {
        .region = "eu", .deadline_ms = 50, .max_attempts = 4};
    job.payload = (wh_slice){"ab", 2};
    job.entity_id = (wh_slice){"\"\n", 2};
    wh_exec_frame_add_hello(&b, "w\"1", "t");
    wh_exec_frame_add_job(&b, &job, &claim);
    wh_exec_frame_add_cancel(&b, &job, "timeout");
    wh_exec_frame_add_ping(&b);
    wh_exec_frame_add_shutdown(&b, 100);
    assert_string_equal(
        wh_buf_str(&b),
        "{\"op\":\"hello\",\"version\":1,\"worker\":\"w\\\"1\",\"type\":\"t\"}\n"
        "{\"op\":\"job\",\"id\":\"00000000-0000-0000-0000-000000000000\",\"attempt\":2,"
        "\"fence\":3,\"type\":\"t\",\"org\":\"o\",\"queue\":\"q\",\"region\":\"eu\","
        "\"deadline_ms\":50,\"max_attempts\":4,\"entity_id\":\"\\\"\\n\",\"body_len\":"
        "2}\n"
        "ab{\"op\":\"cancel\",\"id\":\"00000000-0000-0000-0000-000000000000\","
        "\"reason\":\"timeout\"}\n"
        "{\"op\":\"ping\"}\n"
        "{\"op\":\"shutdown\",\"grace_ms\":100}\n");
    wh_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result),      cmocka_unit_test(test_other_ops),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_header_length),
        cmocka_unit_test(test_what_we_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
