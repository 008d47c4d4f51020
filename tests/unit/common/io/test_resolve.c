/* SPDX-License-Identifier: Apache-2.0 */
/* Name resolution beside the loop: names, numbers, failures, and answers nobody wants. */
#include "common/io/resolve.h"
#include "tests/support/localhost.h"
#include "tests/support/loop_wait.h"

#include <dirent.h>
#include <netdb.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

typedef struct fixture {
    wh_loop *loop;
    wh_resolve *resolve;
    int calls, addresses;
    int threads; /* of this process before the test asked for anything */
    wh_err err;
    char why[160];
} fixture;

static int count_threads(void)
{
    DIR *d = opendir("/proc/self/task");
    int n = 0;

    assert_non_null(d);
    while (readdir(d) != NULL) {
        n++;
    }
    closedir(d);
    return n;
}

static int setup(void **state)
{
    fixture *f = test_calloc(1, sizeof *f);

    assert_int_equal(wh_loop_new(&f->loop), WH_OK);
    f->threads = count_threads();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    wh_resolve_free(f->resolve);
    /* A thread that ends frees what the C library keeps for it after the sanitizer
     * has forgotten the thread: a program that ends just then would seem to leak. */
    WH_WAIT_FOR(f->loop, count_threads() <= f->threads);
    wh_loop_free(f->loop);
    test_free(f);
    return 0;
}

static void on_answer(void *arg, wh_err err, const struct addrinfo *list,
                      const char *why)
{
    fixture *f = arg;

    f->calls++;
    f->err = err;
    wh_resolve_free(f->resolve); /* legal here, and the list still stands */
    f->resolve = NULL;
    for (; list != NULL; list = list->ai_next) {
        assert_int_equal(list->ai_socktype, SOCK_STREAM);
        f->addresses++;
    }
    if (why != NULL) {
        strncpy(f->why, why, sizeof f->why - 1);
    }
}

static void ask(fixture *f, const char *host)
{
    assert_int_equal(wh_resolve_start(f->loop, host, 6379, on_answer, f, &f->resolve),
                     WH_OK);
    assert_int_equal(f->calls, 0);
}

static void numbers_and_names(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "::1", "localhost"};
    fixture *f = *state;

    int n = wh_has_localhost() ? 3 : 2;

    for (int i = 0; i < n; i++) {
        ask(f, hosts[i]);
        WH_WAIT_FOR(f->loop, f->calls == 1);
        assert_int_equal(f->err, WH_OK);
        assert_true(f->addresses > 0);
        f->calls = f->addresses = 0;
    }
}

static void failures_have_a_reason(void **state)
{
    fixture *f = *state;

    ask(f, "does-not-exist.invalid");
    WH_WAIT_FOR(f->loop, f->calls == 1);
    assert_int_equal(f->err, WH_ECONN);
    assert_non_null(strstr(f->why, "does-not-exist.invalid: "));
}

static void freed_before_the_answer(void **state)
{
    fixture *f = *state;

    for (int i = 0; i < 20; i++) {
        ask(f, "127.0.0.1"); /* no name server is still asked when the program ends */
        wh_resolve_free(f->resolve);
        f->resolve = NULL;
        assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    }
    assert_int_equal(f->calls, 0);
    wh_resolve_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(numbers_and_names),
        TEST(failures_have_a_reason),
        TEST(freed_before_the_answer),
    };

    return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
