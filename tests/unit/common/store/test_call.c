/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests as exact bytes, error words, views and copies of replies. Replies come out
 * of hiredis' own reader, as in the program.
 */
#include "common/base/alloc.h"
#include "common/store/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include <cmocka.h>

static redisReply *parse(const char *resp, size_t len)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    assert_int_equal(redisReaderFeed(reader, resp, len), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);
    return reply;
}

static redisReply *parse_text(const char *resp)
{
    return parse(resp, strlen(resp));
}

static void test_function_call(void **state)
{
    static const char want[] =
        "xy*7\r\n$5\r\nFCALL\r\n$9\r\nwh1_retry\r\n$1\r\n1\r\n"
        "$9\r\nwh:{eu:q}\r\n$3\r\na\0b\r\n$2\r\n-7\r\n$0\r\n\r\n";
    wh_call c;
    wh_buf out = {0};

    (void)state;
    wh_buf_adds(&out, "xy"); /* _finish appends */
    wh_call_init(&c, "wh1_retry", false, "wh:{eu:q}");
    assert_true(c.is_function);
    wh_call_arg(&c, "a\0b", 3);
    wh_call_argi(&c, -7);
    wh_call_args(&c, "");
    assert_int_equal(wh_call_finish(&c, &out), WH_OK);
    assert_int_equal(out.len, sizeof want - 1);
    assert_memory_equal(out.data, want, sizeof want - 1);
    assert_int_equal(c.argc, 0);
    wh_buf_fini(&out);
}

static void test_call_without_key(void **state)
{
    static const char want[] =
        "*3\r\n$8\r\nFCALL_RO\r\n$11\r\nwh1_version\r\n$1\r\n0\r\n";
    wh_call c;
    wh_buf out = {0};

    (void)state;
    wh_call_init(&c, "wh1_version", true, NULL);
    assert_int_equal(wh_call_finish(&c, &out), WH_OK);
    assert_string_equal(wh_buf_str(&out), want);
    wh_buf_fini(&out);
}

static void test_command_and_numbers(void **state)
{
    wh_call c;
    wh_buf out = {0};

    (void)state;
    wh_call_init_command(&c, "X");
    assert_false(c.is_function);
    wh_call_argi(&c, INT64_MIN);
    wh_call_argi(&c, INT64_MAX);
    wh_call_argi(&c, 0);
    assert_int_equal(wh_call_finish(&c, &out), WH_OK);
    assert_string_equal(wh_buf_str(&out),
                        "*4\r\n$1\r\nX\r\n$20\r\n-9223372036854775808\r\n"
                        "$19\r\n9223372036854775807\r\n$1\r\n0\r\n");
    wh_buf_fini(&out);
}

static int allocations_left;

static void *failing_malloc(size_t n)
{
    return allocations_left-- > 0 ? malloc(n) : NULL;
}

static void *failing_realloc(void *p, size_t n)
{
    return allocations_left-- > 0 ? realloc(p, n) : NULL;
}

static void test_out_of_memory(void **state)
{
    static const wh_allocator failing = {failing_malloc, failing_realloc, free};
    bool succeeded = false;

    (void)state;
    for (int n = 0; n < 40 && !succeeded; n++) {
        wh_call c;
        wh_buf out = {0};

        allocations_left = n;
        wh_alloc_set(&failing);
        wh_call_init(&c, "wh1_retry", false, "wh:{eu:q}");
        for (int i = 0; i < 100; i++) {
            wh_call_args(&c, "some argument that takes room");
        }
        wh_err err = wh_call_finish(&c, &out);
        wh_buf_fini(&out);
        wh_alloc_set(NULL);
        succeeded = err == WH_OK;
        assert_true(succeeded || err == WH_ENOMEM);
        assert_true(n > 0 || !succeeded);
    }
    assert_true(succeeded);
}

static void test_error_words(void **state)
{
    static const struct {
        const char *resp;
        wh_err code;
        const char *text;
    } cases[] = {
        {"-WHBADARG type is missing\r\n", WH_EINVAL, "type is missing"},
        {"-WHTOOBIG payload\r\n", WH_ETOOBIG, "payload"},
        {"-WHLOST unknown worker\r\n", WH_ELOST, "unknown worker"},
        {"-WHNOTFOUND no such job\r\n", WH_ENOTFOUND, "no such job"},
        {"-WHSTATE it runs\r\n", WH_ESTATE, "it runs"},
        {"-WHBADDATA key\r\n", WH_EBADDATA, "key"},
        {"-WHBACKPRESSURE 1500 quota of the org\r\n", WH_EBACKPRESSURE,
         "quota of the org (try again in 1500 ms)"},
        {"-WRONGTYPE Operation\r\n", WH_EBADDATA, "WRONGTYPE Operation"},
        {"-OOM command not allowed\r\n", WH_EFULL, "OOM command not allowed"},
        {"-MISCONF x\r\n", WH_EFULL, "MISCONF x"},
        {"-NOREPLICAS x\r\n", WH_EFULL, "NOREPLICAS x"},
        {"-BUSY x\r\n", WH_EBUSY, "BUSY x"},
        {"-LOADING x\r\n", WH_EBUSY, "LOADING x"},
        {"-MASTERDOWN x\r\n", WH_EBUSY, "MASTERDOWN x"},
        {"-READONLY x\r\n", WH_EBUSY, "READONLY x"},
        {"-TRYAGAIN x\r\n", WH_EBUSY, "TRYAGAIN x"},
        {"-CLUSTERDOWN x\r\n", WH_EBUSY, "CLUSTERDOWN x"},
        {"-UNBLOCKED x\r\n", WH_EBUSY, "UNBLOCKED x"},
        {"-NOAUTH x\r\n", WH_EAUTH, "NOAUTH x"},
        {"-WRONGPASS x\r\n", WH_EAUTH, "WRONGPASS x"},
        {"-NOPERM x\r\n", WH_EPERM, "NOPERM x"},
        {"-ERR Function not found\r\n", WH_ENOFUNC, "ERR Function not found"},
        {"-ERR ACL failure in script: x\r\n", WH_EPERM, "ERR ACL failure in script: x"},
        {"-ERR Function\r\n", WH_EREDIS, "ERR Function"},
        {"-BUSYKEY x\r\n", WH_EREDIS, "BUSYKEY x"},
        {"-WHLOST\r\n", WH_ELOST, "WHLOST"},
        {"-WHNEW word of a later version\r\n", WH_EREDIS, "word of a later version"},
        {"-\r\n", WH_EREDIS, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        redisReply *r = parse_text(cases[i].resp);
        wh_errbuf eb = {0};

        assert_int_equal(wh_call_error(r, &eb), cases[i].code);
        assert_int_equal(eb.code, cases[i].code);
        assert_string_equal(eb.text, cases[i].text);
        assert_int_equal(wh_call_error(r, NULL), cases[i].code);
        freeReplyObject(r);
    }
    assert_int_equal(wh_call_error(NULL, NULL), WH_EPROTO);
}

static void test_refused(void **state)
{
    static const struct {
        const char *resp;
        wh_err code;
        int64_t ms;
        size_t job;
        const char *text;
    } cases[] = {
        {"-WHBACKPRESSURE 1500 x\r\n", WH_EBACKPRESSURE, 1500, 0,
         "x (try again in 1500 ms)"},
        {"-WHBACKPRESSURE 0 x\r\n", WH_EBACKPRESSURE, 0, 0, "x (try again in 0 ms)"},
        {"-WHBACKPRESSURE 7\r\n", WH_EBACKPRESSURE, 7, 0, " (try again in 7 ms)"},
        {"-WHBACKPRESSURE x\r\n", WH_EBACKPRESSURE, 0, 0, "x (try again in 0 ms)"},
        {"-WHBACKPRESSURE\r\n", WH_EBACKPRESSURE, 0, 0, NULL},
        {"-WHBACKPRESSURE 99999999999999999999 x\r\n", WH_EBACKPRESSURE,
         INT64_C(999999999999999), 0, NULL},
        {"-WHBACKPRESSURE 20 job 17: full\r\n", WH_EBACKPRESSURE, 20, 17,
         "full (try again in 20 ms)"},
        {"-WHBACKPRESSURE 20 job : full\r\n", WH_EBACKPRESSURE, 20, 0,
         "job : full (try again in 20 ms)"},
        {"-WHBACKPRESSURE 20 job 17\r\n", WH_EBACKPRESSURE, 20, 0,
         "job 17 (try again in 20 ms)"},
        {"-WHBACKPRESSURE 20 job 17:\r\n", WH_EBACKPRESSURE, 20, 0,
         "job 17: (try again in 20 ms)"},
        {"-WHBACKPRESSURE 20 job 17: \r\n", WH_EBACKPRESSURE, 20, 17,
         " (try again in 20 ms)"},
        {"-WHTOOBIG job 3: it never fits\r\n", WH_ETOOBIG, 0, 3, "it never fits"},
        {"-WHTOOBIG 12 bytes\r\n", WH_ETOOBIG, 0, 0, "12 bytes"},
        {"-WHTOOBIG\r\n", WH_ETOOBIG, 0, 0, "WHTOOBIG"},
        {"-WHBADARG job 3: x\r\n", WH_EINVAL, 0, 0, "job 3: x"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        redisReply *r = parse_text(cases[i].resp);
        wh_errbuf eb = {.retry_after_ms = -1, .job = 99};

        assert_int_equal(wh_call_error(r, &eb), cases[i].code);
        assert_int_equal(eb.code, cases[i].code);
        assert_true(eb.retry_after_ms == cases[i].ms);
        assert_int_equal(eb.job, cases[i].job);
        if (cases[i].text != NULL) {
            assert_string_equal(eb.text, cases[i].text);
        }
        assert_int_equal(wh_call_error(r, NULL), cases[i].code);
        freeReplyObject(r);
    }
}

static const char sample[] =
    "*6\r\n:42\r\n$3\r\n-17\r\n$-1\r\n*2\r\n$3\r\na\0b\r\n:1\r\n"
    "+OK\r\n$0\r\n\r\n";

static void check_sample(const wh_reply *r)
{
    assert_int_equal(wh_reply_type_of(r), WH_REPLY_ARRAY);
    assert_int_equal(wh_reply_count(r), 6);
    assert_int_equal(wh_reply_type_of(wh_reply_at(r, 0)), WH_REPLY_INT);
    assert_int_equal(wh_reply_int(wh_reply_at(r, 0), 0), 42);
    assert_int_equal(wh_reply_int(wh_reply_at(r, 1), 0), -17);
    assert_int_equal(wh_reply_type_of(wh_reply_at(r, 2)), WH_REPLY_NIL);
    assert_int_equal(wh_reply_int(wh_reply_at(r, 2), 5), 5);
    const wh_reply *inner = wh_reply_at(r, 3);
    assert_int_equal(wh_reply_count(inner), 2);
    wh_slice s = wh_reply_str(wh_reply_at(inner, 0));
    assert_int_equal(s.n, 3);
    assert_memory_equal(s.p, "a\0b", 4);
    assert_int_equal(wh_reply_str(wh_reply_at(r, 4)).n, 2);
    s = wh_reply_str(wh_reply_at(r, 5));
    assert_non_null(s.p);
    assert_int_equal(s.n, 0);
    assert_null(wh_reply_at(r, 6));
    assert_null(wh_reply_at(wh_reply_at(r, 0), 0));
    assert_null(wh_reply_str(wh_reply_at(r, 0)).p);
}

static void test_view_and_copy(void **state)
{
    redisReply *r = parse(sample, sizeof sample - 1);
    wh_reply *copy = NULL;

    (void)state;
    assert_int_equal(wh_call_error(r, NULL), WH_OK);
    check_sample(wh_call_view(r));
    assert_int_equal(wh_reply_copy(wh_call_view(r), &copy), WH_OK);
    freeReplyObject(r);
    check_sample(copy);
    wh_reply_free(copy);
    assert_int_equal(wh_reply_copy(NULL, &copy), WH_OK);
    assert_null(copy);
    wh_reply_free(NULL);
}

static void test_copy_out_of_memory(void **state)
{
    static const wh_allocator failing = {failing_malloc, failing_realloc, free};
    redisReply *r = parse(sample, sizeof sample - 1);
    wh_reply *copy = NULL;
    int n = 0;

    (void)state;
    for (wh_err err = WH_ENOMEM; err != WH_OK; n++) {
        allocations_left = n;
        wh_alloc_set(&failing);
        err = wh_reply_copy(wh_call_view(r), &copy);
        wh_alloc_set(NULL);
        assert_true(err == WH_OK || (err == WH_ENOMEM && copy == NULL));
        assert_true(n < 100);
    }
    assert_true(n > 5);
    wh_reply_free(copy);
    freeReplyObject(r);
}

static void test_numbers_that_are_none(void **state)
{
    static const char *const bad[] = {"",   "-",  "1x",
                                      "+1", " 1", "99999999999999999999"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char resp[64];
        int n = snprintf(resp, sizeof resp, "$%zu\r\n%s\r\n", strlen(bad[i]), bad[i]);
        redisReply *r = parse(resp, (size_t)n);

        assert_int_equal(wh_reply_int(wh_call_view(r), -99), -99);
        freeReplyObject(r);
    }
    assert_int_equal(wh_reply_int(NULL, 3), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_function_call),
        cmocka_unit_test(test_call_without_key),
        cmocka_unit_test(test_command_and_numbers),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_error_words),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_view_and_copy),
        cmocka_unit_test(test_copy_out_of_memory),
        cmocka_unit_test(test_numbers_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
