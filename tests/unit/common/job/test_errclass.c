/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words, exit statuses and HTTP statuses to categories. The names and which of them
 * are retried stand in docs/protocol.md section 5.
 */
#include "common/job/errclass.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static void test_names(void **state)
{
    (void)state;
    static const struct {
        wh_errclass category;
        const char *name;
        bool is_retryable;
    } rows[] = {
        {WH_ERRCLASS_ERROR, "error", true},
        {WH_ERRCLASS_TIMEOUT, "timeout", true},
        {WH_ERRCLASS_CONNECTION, "connection", true},
        {WH_ERRCLASS_RATE_LIMITED, "rate_limited", true},
        {WH_ERRCLASS_UNAVAILABLE, "unavailable", true},
        {WH_ERRCLASS_CRASH, "crash", true},
        {WH_ERRCLASS_NOT_FOUND, "not_found", false},
        {WH_ERRCLASS_INVALID, "invalid", false},
        {WH_ERRCLASS_UNSUPPORTED, "unsupported", false},
        {WH_ERRCLASS_PERMISSION, "permission", false},
        {WH_ERRCLASS_OVERSIZE, "oversize", false},
        {WH_ERRCLASS_LOST_WORKER, "lost_worker", false},
        {WH_ERRCLASS_NO_HANDLER, "no_handler", false},
    };
    assert_int_equal(LEN(rows), WH_ERRCLASS_COUNT);
    for (size_t i = 0; i < LEN(rows); i++) {
        assert_string_equal(wh_errclass_name(rows[i].category), rows[i].name);
        assert_int_equal(wh_errclass_is_retryable(rows[i].category),
                         rows[i].is_retryable);
        assert_int_equal(wh_errclass_of_word(rows[i].name, strlen(rows[i].name)),
                         rows[i].category);
    }
    assert_string_equal(wh_errclass_name(WH_ERRCLASS_COUNT), "error");
    assert_true(wh_errclass_is_retryable(WH_ERRCLASS_COUNT));
}

static const struct {
    const char *word;
    wh_errclass category;
} words[] = {
    {"ETIMEDOUT", WH_ERRCLASS_TIMEOUT},
    {"TimeoutError", WH_ERRCLASS_TIMEOUT},
    {"TimeoutException", WH_ERRCLASS_TIMEOUT},
    {"requests.exceptions.ReadTimeout", WH_ERRCLASS_TIMEOUT},
    {"context.DeadlineExceeded", WH_ERRCLASS_TIMEOUT},
    {"DEADLINE_EXCEEDED", WH_ERRCLASS_TIMEOUT},
    {"UND_ERR_HEADERS_TIMEOUT", WH_ERRCLASS_TIMEOUT},
    {"timed out", WH_ERRCLASS_TIMEOUT},
    {"ECONNREFUSED", WH_ERRCLASS_CONNECTION},
    {"econnreset", WH_ERRCLASS_CONNECTION},
    {"ConnectionError", WH_ERRCLASS_CONNECTION},
    {"ConnectionRefusedError", WH_ERRCLASS_CONNECTION},
    {"BrokenPipeError", WH_ERRCLASS_CONNECTION},
    {"java.net.ConnectException", WH_ERRCLASS_CONNECTION},
    {"Errno::ECONNREFUSED", WH_ERRCLASS_CONNECTION},
    {"ENOTFOUND", WH_ERRCLASS_CONNECTION}, /* a host name, in Node */
    {"EAI_AGAIN", WH_ERRCLASS_CONNECTION},
    {"socket.gaierror", WH_ERRCLASS_CONNECTION},
    {"TooManyRequests", WH_ERRCLASS_RATE_LIMITED},
    {"too_many_requests", WH_ERRCLASS_RATE_LIMITED},
    {"RateLimitError", WH_ERRCLASS_RATE_LIMITED},
    {"RESOURCE_EXHAUSTED", WH_ERRCLASS_RATE_LIMITED},
    {"ThrottlingException", WH_ERRCLASS_RATE_LIMITED},
    {"ServiceUnavailable", WH_ERRCLASS_UNAVAILABLE},
    {"UNAVAILABLE", WH_ERRCLASS_UNAVAILABLE},
    {"EAGAIN", WH_ERRCLASS_UNAVAILABLE},
    {"ENOSPC", WH_ERRCLASS_UNAVAILABLE},
    {"SIGSEGV", WH_ERRCLASS_CRASH},
    {"panic", WH_ERRCLASS_CRASH},
    {"FileNotFoundError", WH_ERRCLASS_NOT_FOUND},
    {"ENOENT", WH_ERRCLASS_NOT_FOUND},
    {"NotFoundException", WH_ERRCLASS_NOT_FOUND},
    {"not found", WH_ERRCLASS_NOT_FOUND},
    {"ActiveRecord::RecordNotFound", WH_ERRCLASS_NOT_FOUND},
    {"ValueError", WH_ERRCLASS_INVALID},
    {"json.decoder.JSONDecodeError", WH_ERRCLASS_INVALID},
    {"IllegalArgumentException", WH_ERRCLASS_INVALID},
    {"INVALID_ARGUMENT", WH_ERRCLASS_INVALID},
    {"SyntaxError", WH_ERRCLASS_INVALID},
    {"ValidationError", WH_ERRCLASS_INVALID},
    {"NotImplementedError", WH_ERRCLASS_UNSUPPORTED},
    {"UnsupportedOperationException", WH_ERRCLASS_UNSUPPORTED},
    {"PermissionError", WH_ERRCLASS_PERMISSION},
    {"EACCES", WH_ERRCLASS_PERMISSION},
    {"Forbidden", WH_ERRCLASS_PERMISSION},
    {"access denied", WH_ERRCLASS_PERMISSION},
    {"Payload Too Large", WH_ERRCLASS_OVERSIZE},
    {"EMSGSIZE", WH_ERRCLASS_OVERSIZE},
    {"404", WH_ERRCLASS_NOT_FOUND},
    {"429", WH_ERRCLASS_RATE_LIMITED},
    /* Not known, or bugs of a handler that a new version may mend: retried. */
    {"TypeError", WH_ERRCLASS_ERROR},
    {"KeyError", WH_ERRCLASS_ERROR},
    {"RuntimeError", WH_ERRCLASS_ERROR},
    {"MemoryError", WH_ERRCLASS_ERROR},
    {"Error", WH_ERRCLASS_ERROR},
    {"Exception", WH_ERRCLASS_ERROR},
    {"ErrorError", WH_ERRCLASS_ERROR},
    {"...", WH_ERRCLASS_ERROR},
    {" ", WH_ERRCLASS_ERROR},
    {"fou", WH_ERRCLASS_ERROR}, /* part of a word */
    {"a word that is much longer than any error name ever was, and more of it",
     WH_ERRCLASS_ERROR},
    {"timeout\xff", WH_ERRCLASS_TIMEOUT},
};

static void test_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(words); i++) {
        wh_errclass category =
            wh_errclass_of_word(words[i].word, strlen(words[i].word));
        assert_string_equal(wh_errclass_name(category),
                            wh_errclass_name(words[i].category));
    }
    assert_int_equal(wh_errclass_of_word(NULL, 0), WH_ERRCLASS_ERROR);
    assert_int_equal(wh_errclass_of_word("timeout", 0), WH_ERRCLASS_ERROR);
    assert_int_equal(wh_errclass_of_word("timeouts", 7), WH_ERRCLASS_TIMEOUT);
    assert_int_equal(wh_errclass_of_word("time\0out", 8), WH_ERRCLASS_TIMEOUT);
}

static void test_exit_statuses(void **state)
{
    (void)state;
    static const struct {
        int status;
        wh_errclass category;
    } rows[] = {
        {1, WH_ERRCLASS_ERROR},       {2, WH_ERRCLASS_ERROR},
        {64, WH_ERRCLASS_INVALID},    {65, WH_ERRCLASS_INVALID},
        {66, WH_ERRCLASS_NOT_FOUND},  {67, WH_ERRCLASS_NOT_FOUND},
        {68, WH_ERRCLASS_CONNECTION}, {69, WH_ERRCLASS_UNAVAILABLE},
        {70, WH_ERRCLASS_ERROR},      {75, WH_ERRCLASS_UNAVAILABLE},
        {77, WH_ERRCLASS_PERMISSION}, {78, WH_ERRCLASS_ERROR},
        {124, WH_ERRCLASS_TIMEOUT},   {127, WH_ERRCLASS_ERROR},
        {128, WH_ERRCLASS_ERROR},     {139, WH_ERRCLASS_CRASH},
        {192, WH_ERRCLASS_CRASH},     {193, WH_ERRCLASS_ERROR},
        {255, WH_ERRCLASS_ERROR},     {-1, WH_ERRCLASS_ERROR},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        assert_int_equal(wh_errclass_of_exit(rows[i].status), rows[i].category);
    }
}

static void test_http_statuses(void **state)
{
    (void)state;
    static const struct {
        int status;
        wh_errclass category;
    } rows[] = {
        {0, WH_ERRCLASS_CONNECTION},     {-1, WH_ERRCLASS_CONNECTION},
        {302, WH_ERRCLASS_ERROR},        {400, WH_ERRCLASS_INVALID},
        {401, WH_ERRCLASS_PERMISSION},   {403, WH_ERRCLASS_PERMISSION},
        {404, WH_ERRCLASS_NOT_FOUND},    {408, WH_ERRCLASS_TIMEOUT},
        {409, WH_ERRCLASS_ERROR},        {410, WH_ERRCLASS_NOT_FOUND},
        {413, WH_ERRCLASS_OVERSIZE},     {415, WH_ERRCLASS_UNSUPPORTED},
        {418, WH_ERRCLASS_INVALID},      {422, WH_ERRCLASS_INVALID},
        {429, WH_ERRCLASS_RATE_LIMITED}, {500, WH_ERRCLASS_ERROR},
        {501, WH_ERRCLASS_UNSUPPORTED},  {502, WH_ERRCLASS_UNAVAILABLE},
        {503, WH_ERRCLASS_UNAVAILABLE},  {504, WH_ERRCLASS_TIMEOUT},
        {599, WH_ERRCLASS_ERROR},        {600, WH_ERRCLASS_ERROR},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        assert_int_equal(wh_errclass_of_http(rows[i].status), rows[i].category);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_exit_statuses),
        cmocka_unit_test(test_http_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
