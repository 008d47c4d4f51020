/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server: answers, refusals, limits; driven through raw sockets on the loop. */
#include "common/base/log.h"
#include "common/io/http.h"
#include "tests/support/loop_wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct fixture {
    wh_loop *loop;
    wh_http *http;
    int calls;
    char path[64];
} fixture;

static int setup(void **state)
{
    fixture *f = test_calloc(1, sizeof *f);

    wh_log_configure(WH_LOG_LEVEL_ERROR, WH_LOG_FORMAT_TEXT);
    assert_int_equal(wh_loop_new(&f->loop), WH_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    wh_http_free(f->http);
    wh_loop_free(f->loop);
    wh_clock_real();
    test_free(f);
    return 0;
}

static void handle(void *arg, const wh_http_request *rq, wh_http_response *rs)
{
    fixture *f = arg;

    f->calls++;
    snprintf(f->path, sizeof f->path, "%s", rq->path);
    if (strcmp(rq->path, "/big") == 0) {
        for (int i = 0; i < 40000; i++) {
            wh_buf_adds(&rs->body, "0123456789\n");
        }
    } else if (strcmp(rq->path, "/json") == 0) {
        rs->content_type = "application/json";
        wh_buf_adds(&rs->body, "{}");
    } else if (strcmp(rq->path, "/empty") == 0) {
        rs->status = 503;
    } else if (strcmp(rq->path, "/bug") == 0) {
        rs->status = 7;
    } else {
        rs->status = 404;
        wh_buf_adds(&rs->body, "no such page\n");
    }
}

static void serve(fixture *f, const char *where, unsigned max)
{
    const wh_http_options o = {
        .listen = where, .max_connections = max, .handler = handle, .arg = f};
    wh_errbuf eb = {0};

    if (wh_http_new(f->loop, &o, &f->http, &eb) != WH_OK) {
        fail_msg("%s", eb.text);
    }
    assert_true(wh_http_port(f->http) > 0);
}

static int dial(const fixture *f)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)wh_http_port(f->http)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* Appends what has come; true at the end of the connection. */
static bool drain(int fd, wh_buf *in)
{
    char piece[4096];
    ssize_t n;

    while ((n = read(fd, piece, sizeof piece)) > 0) {
        wh_buf_add(in, piece, (size_t)n);
    }
    return n == 0 || (errno != EAGAIN && errno != EINTR);
}

/* Sends text and returns all that comes until the server hangs up. */
static const char *talk(fixture *f, const char *text)
{
    static wh_buf in;
    int fd = dial(f);

    wh_buf_fini(&in);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    WH_WAIT_FOR(f->loop, drain(fd, &in));
    close(fd);
    assert_true(wh_buf_ok(&in));
    static char copy[1024 * 1024];
    snprintf(copy, sizeof copy, "%s", wh_buf_str(&in));
    wh_buf_fini(&in);
    return copy;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void get_and_head(void **state)
{
    fixture *f = *state;
    const char *r;

    serve(f, "127.0.0.1:0", 0);
    r = talk(f, "GET /json?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_true(begins(r, "HTTP/1.1 200 OK\r\n"));
    assert_string_equal(f->path, "/json");
    assert_non_null(strstr(r, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(r, "X-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(r, "\r\n\r\n{}"));
    r = talk(f, "HEAD /json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_true(begins(r, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(r, "Content-Length: 2\r\n"));
    assert_null(strstr(r, "{}"));
    r = talk(f, "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_true(begins(r, "HTTP/1.1 404 "));
    assert_non_null(strstr(r, "text/plain; charset=utf-8"));
    r = talk(f, "GET /empty HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_true(begins(r, "HTTP/1.1 503 "));
    r = talk(f, "GET /bug HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_true(begins(r, "HTTP/1.1 500 "));
    assert_int_equal(f->calls, 5);
}

static void large_answers_are_whole(void **state)
{
    fixture *f = *state;
    const char *r;

    serve(f, "127.0.0.1:0", 0);
    r = talk(f, "GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_true(begins(r, "HTTP/1.1 200 OK\r\n"));
    assert_int_equal(strlen(strstr(r, "\r\n\r\n") + 4), 440000);
}

static void keep_alive_serves_several(void **state)
{
    static const char request[] = "GET /json HTTP/1.1\r\nHost: x\r\n\r\n";
    fixture *f = *state;
    wh_buf in = {0};
    int fd;

    serve(f, "127.0.0.1:0", 0);
    fd = dial(f);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(write(fd, request, strlen(request)), strlen(request));
        WH_WAIT_FOR(f->loop, !drain(fd, &in) && f->calls == i &&
                                 strstr(wh_buf_str(&in), "{}") != NULL);
        wh_buf_clear(&in);
    }
    close(fd);
    wh_buf_fini(&in);
}

static void everything_else_is_refused(void **state)
{
    static const struct {
        const char *request, *status;
    } cases[] = {
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 405 "},
        {"DELETE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 405 "},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 413 "},
        {"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "HTTP/1.1 413 "},
    };
    fixture *f = *state;

    serve(f, "127.0.0.1:0", 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *r = talk(f, cases[i].request);

        if (!begins(r, cases[i].status)) {
            fail_msg("%s -> %.60s", cases[i].request, r);
        }
        assert_null(strstr(r, "\r\n\r\nHTTP/1.1")); /* the body is no second request */
    }
    assert_true(
        begins(talk(f, "GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 ")); /* no Host */
    assert_null(strstr(talk(f, "nonsense\r\n\r\n"), " 200 "));
    assert_non_null(
        strstr(talk(f, "PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
               "Allow: GET, HEAD\r\n"));
    assert_int_equal(f->calls, 0);
}

static void oversized_headers_are_refused(void **state)
{
    static char request[40000];
    fixture *f = *state;
    size_t n =
        (size_t)snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: x\r\nX: ");

    serve(f, "127.0.0.1:0", 0);
    memset(request + n, 'a', sizeof request - n - 5);
    memcpy(request + sizeof request - 5, "\r\n\r\n", 5);
    assert_true(begins(talk(f, request), "HTTP/1.1 431 "));
    assert_int_equal(f->calls, 0);
}

/* One byte now and then keeps an idle limit from ever ending it. */
static void slow_request_is_cut(void **state)
{
    fixture *f = *state;
    wh_buf in = {0};
    int fd;
    bool ended = false;

    serve(f, "127.0.0.1:0", 0);
    fd = dial(f);
    assert_true(write(fd, "GET / HT", 8) == 8);
    /* Its time starts when the loop takes it; then our clock alone moves on, so the
     * library's own limit can't be what ends it. */
    for (int i = 0; i < 5; i++) {
        assert_int_equal(wh_loop_turn(f->loop, 20), WH_OK);
    }
    wh_clock_fake(wh_clock_mono_us() + 3 * 1000000, wh_clock_wall_ms());
    for (int i = 0; i < 500 && !ended; i++) {
        assert_int_equal(wh_loop_turn(f->loop, 20), WH_OK);
        ended = drain(fd, &in);
    }
    assert_true(ended);
    close(fd);
    wh_buf_fini(&in);
}

/* Many that never finish a request: the last ones stay, and a probe gets through at
 * once, from the same address and without any time-out (the clock stands still). */
static void probes_get_through(void **state)
{
    enum { N = 300, MOST = 32 };
    static const char probe[] =
        "GET /json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    fixture *f = *state;
    int fds[N];
    wh_buf in = {0};
    int open_ones = 0;

    serve(f, "127.0.0.1:0", 2 * MOST);
    wh_clock_fake(wh_clock_mono_us(), wh_clock_wall_ms());
    for (int i = 0; i < N; i++) {
        fds[i] = dial(f);
        assert_true(write(fds[i], "GET / HT", 8) == 8);
        assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    }
    assert_true(begins(talk(f, probe), "HTTP/1.1 200"));
    WH_WAIT_FOR(f->loop, drain(fds[N - MOST - 1], &in));
    for (int i = 0; i < N; i++) {
        open_ones += drain(fds[i], &in) ? 0 : 1;
        close(fds[i]);
    }
    assert_in_range(open_ones, MOST - 1, MOST);
    assert_true(begins(talk(f, probe), "HTTP/1.1 200"));
    assert_int_equal(f->calls, 2);
    wh_buf_fini(&in);
}

static void all_addresses(void **state)
{
    fixture *f = *state;

    serve(f, ":0", 0);
    assert_true(
        begins(talk(f, "GET /json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
               "HTTP/1.1 200"));
}

static void bad_addresses(void **state)
{
    static const char *const cases[] = {
        "",           "127.0.0.1",       "9394",
        "127.0.0.1:", "127.0.0.1:x",     "::1:80",
        "[::1]80",    "127.0.0.1:70000", "not a host:80"};
    fixture *f = *state;
    char taken[32];
    wh_http *other = NULL;
    wh_errbuf eb = {0};
    wh_http_options o = {.handler = handle, .arg = f};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        o.listen = cases[i];
        if (wh_http_new(f->loop, &o, &other, &eb) == WH_OK) {
            fail_msg("accepted: %s", cases[i]);
        }
        assert_null(other);
    }
    serve(f, "127.0.0.1:0", 0);
    snprintf(taken, sizeof taken, "127.0.0.1:%d", wh_http_port(f->http));
    o.listen = taken;
    assert_int_equal(wh_http_new(f->loop, &o, &other, &eb), WH_EIO);
    assert_int_equal(eb.sys, EADDRINUSE);
    wh_http_free(NULL);
}

/* Freed with open connections: nothing may come back to it. */
static void free_with_clients(void **state)
{
    fixture *f = *state;
    int fd;
    wh_buf in = {0};

    serve(f, "127.0.0.1:0", 0);
    fd = dial(f);
    assert_true(write(fd, "GET / HT", 8) == 8);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wh_loop_turn(f->loop, 20), WH_OK);
    }
    wh_http_free(f->http);
    f->http = NULL;
    WH_WAIT_FOR(f->loop, drain(fd, &in));
    close(fd);
    wh_buf_fini(&in);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(get_and_head),
        TEST(large_answers_are_whole),
        TEST(keep_alive_serves_several),
        TEST(everything_else_is_refused),
        TEST(oversized_headers_are_refused),
        TEST(slow_request_is_cut),
        TEST(probes_get_through),
        TEST(all_addresses),
        TEST(bad_addresses),
        TEST(free_with_clients),
    };

    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
