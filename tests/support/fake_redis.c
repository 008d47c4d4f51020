/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread owns the sockets and its position in the script; what others may ask is
 * under the lock. An eventfd ends every wait when the test stops the peer.
 */
#include "tests/support/fake_redis.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WAIT_MS = 10000, MAX_COMMAND = 256 * 1024 };

struct wh_fake_redis {
    char dir[64];
    char path[96];
    const wh_fake_step *script;
    pthread_t thread;
    int stop_fd, listen_fd, fd; /* fd: the connection, -1 none */
    char *in;                   /* unread bytes of the connection */
    size_t in_len;
    pthread_mutex_t lock;
    char error[1024]; /* under lock */
    bool has_error;
    size_t steps;
};

static void complain(wh_fake_redis *f, const char *what, const char *detail)
{
    pthread_mutex_lock(&f->lock);
    if (!f->has_error) {
        f->has_error = true;
        snprintf(f->error, sizeof f->error, "step %zu: %s %.800s", f->steps, what,
                 detail);
    }
    pthread_mutex_unlock(&f->lock);
}

typedef enum wait_result { READY, TIMED_OUT, STOPPED } wait_result;

static wait_result wait_for(wh_fake_redis *f, int fd, short events)
{
    struct pollfd fds[2] = {{f->stop_fd, POLLIN, 0}, {fd, events, 0}};
    int n;

    do {
        n = poll(fds, 2, WAIT_MS);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return TIMED_OUT;
    }
    return fds[0].revents != 0 ? STOPPED : READY;
}

static void hang_up(wh_fake_redis *f)
{
    if (f->fd >= 0) {
        close(f->fd);
        f->fd = -1;
    }
    f->in_len = 0;
}

/* False: stopped, or nobody came. */
static bool have_client(wh_fake_redis *f)
{
    if (f->fd >= 0) {
        return true;
    }
    wait_result r = wait_for(f, f->listen_fd, POLLIN);
    if (r == TIMED_OUT) {
        complain(f, "nobody connects", "");
    }
    if (r != READY) {
        return false;
    }
    f->fd = accept(f->listen_fd, NULL, NULL);
    return f->fd >= 0;
}

/* Appends a word, cut at the end of the buffer. */
static void add_word(char *words, size_t size, const char *word, size_t len)
{
    size_t at = strlen(words);

    if (at > 0 && at + 1 < size) {
        words[at++] = ' ';
    }
    if (len > size - 1 - at) {
        len = size - 1 - at;
    }
    memcpy(words + at, word, len);
    words[at + len] = '\0';
}

/* The number behind `type` at in[*at], and *at behind its line. 0: the line is not
 * complete, -1: it is another type. */
static int parse_header(const char *in, size_t len, char type, size_t *at, long *n)
{
    if (*at >= len || memchr(in + *at, '\n', len - *at) == NULL) {
        return 0;
    }
    if (in[*at] != type) {
        return -1;
    }
    char *end = NULL;
    *n = strtol(in + *at + 1, &end, 10);
    *at = (size_t)(end - in) + 2;
    return *n < 0 ? -1 : 1;
}

/* Parses "*N\r\n$L\r\n…" at the front of the input into words joined by blanks. Returns
 * the command's length, 0 if it is not complete, -1 if it is no command. */
static long parse_command(const char *in, size_t len, char *words, size_t size)
{
    size_t at = 0;
    long n = 0;
    int rc = parse_header(in, len, '*', &at, &n);

    words[0] = '\0';
    for (; rc == 1 && n > 0; n--) {
        long bulk = 0;

        rc = parse_header(in, len, '$', &at, &bulk);
        if (rc == 1 && at + (size_t)bulk + 2 > len) {
            rc = 0;
        }
        if (rc == 1) {
            add_word(words, size, in + at, (size_t)bulk);
            at += (size_t)bulk + 2;
        }
    }
    return rc == 1 ? (long)at : rc;
}

static bool expect(wh_fake_redis *f, const char *want)
{
    static _Thread_local char words[MAX_COMMAND];
    long used = 0;

    while ((used = parse_command(f->in, f->in_len, words, sizeof words)) == 0) {
        wait_result r = wait_for(f, f->fd, POLLIN);

        if (r != READY) {
            if (r == TIMED_OUT) {
                complain(f, "no command came; wanted:", want);
            }
            return false;
        }
        ssize_t n = f->in_len == MAX_COMMAND
                        ? -1
                        : read(f->fd, f->in + f->in_len, MAX_COMMAND - f->in_len);
        if (n <= 0) {
            complain(f, "the client hung up; wanted:", want);
            return false;
        }
        f->in_len += (size_t)n;
        f->in[f->in_len] = '\0';
    }
    if (used < 0) {
        complain(f, "not a command:", f->in);
        return false;
    }
    memmove(f->in, f->in + used, f->in_len - (size_t)used + 1);
    f->in_len -= (size_t)used;
    if (strcmp(want, "*") != 0 && strcmp(want, words) != 0) {
        char both[900];

        snprintf(both, sizeof both, "\"%.400s\", got \"%.400s\"", want, words);
        complain(f, "wanted", both);
        return false;
    }
    return true;
}

/* False: stopped or the client hung up, which is no error by itself. */
static bool send_bytes(wh_fake_redis *f, const char *data, size_t len, size_t piece)
{
    while (len > 0) {
        ssize_t n =
            send(f->fd, data, len < piece ? len : piece, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (wait_for(f, f->fd, POLLOUT) != READY) {
                return false;
            }
        } else if (n < 0) {
            return false;
        } else {
            data += n;
            len -= (size_t)n;
        }
    }
    return true;
}

/* Until the client hangs up (POLLHUP needs no asking); its data stay unread. */
static bool stall(wh_fake_redis *f)
{
    wait_result r = wait_for(f, f->fd, 0);

    if (r == TIMED_OUT) {
        complain(f, "the client does not hang up", "");
    }
    hang_up(f);
    return r == READY;
}

static bool do_step(wh_fake_redis *f, const wh_fake_step *s)
{
    size_t len = s->len > 0 ? s->len : (s->text != NULL ? strlen(s->text) : 0);

    if (!have_client(f)) {
        return false;
    }
    switch (s->op) {
    case WH_FAKE_EXPECT:
        return expect(f, s->text);
    case WH_FAKE_SEND:
        return send_bytes(f, s->text, len, len);
    case WH_FAKE_DRIP:
        return send_bytes(f, s->text, len, 1);
    case WH_FAKE_HELLO:
        return expect(f, "PING") && send_bytes(f, "+PONG\r\n", 7, 7);
    case WH_FAKE_CLOSE:
        hang_up(f);
        return true;
    case WH_FAKE_STALL:
        return stall(f);
    case WH_FAKE_FLOOD:
        for (size_t i = 0; i < s->len; i++) {
            if (!send_bytes(f, s->text, strlen(s->text), strlen(s->text))) {
                break;
            }
        }
        return true;
    case WH_FAKE_END:
        break;
    }
    return false;
}

static void *run(void *arg)
{
    wh_fake_redis *f = arg;

    for (const wh_fake_step *s = f->script; s->op != WH_FAKE_END; s++) {
        if (!do_step(f, s)) {
            break;
        }
        pthread_mutex_lock(&f->lock);
        f->steps++;
        pthread_mutex_unlock(&f->lock);
    }
    /* The connection stays as it is until the test stops us. */
    struct pollfd stop = {f->stop_fd, POLLIN, 0};
    while (poll(&stop, 1, -1) < 0 && errno == EINTR) {
    }
    hang_up(f);
    return NULL;
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "fake_redis: %s: %s\n", what, strerror(errno));
        abort();
    }
}

wh_fake_redis *wh_fake_redis_start(const wh_fake_step *script)
{
    wh_fake_redis *f = calloc(1, sizeof *f);
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    sigset_t all;
    sigset_t before;

    must(f != NULL, "memory");
    f->in = malloc(MAX_COMMAND + 1);
    must(f->in != NULL, "memory");
    f->in[0] = '\0';
    f->script = script;
    f->fd = -1;
    snprintf(f->dir, sizeof f->dir, "/tmp/wh-fake-XXXXXX");
    must(mkdtemp(f->dir) != NULL, "mkdtemp");
    snprintf(f->path, sizeof f->path, "%s/redis.sock", f->dir);
    memcpy(sa.sun_path, f->path, strlen(f->path) + 1);
    f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(f->listen_fd >= 0, "socket");
    must(bind(f->listen_fd, (struct sockaddr *)&sa, sizeof sa) == 0, "bind");
    must(listen(f->listen_fd, 16) == 0, "listen");
    f->stop_fd = eventfd(0, EFD_CLOEXEC);
    must(f->stop_fd >= 0, "eventfd");
    must(pthread_mutex_init(&f->lock, NULL) == 0, "mutex");
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    must(pthread_create(&f->thread, NULL, run, f) == 0, "thread");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return f;
}

void wh_fake_redis_stop(wh_fake_redis *f)
{
    const uint64_t one = 1;

    if (f == NULL) {
        return;
    }
    must(write(f->stop_fd, &one, sizeof one) == (ssize_t)sizeof one, "stop");
    pthread_join(f->thread, NULL);
    close(f->listen_fd);
    close(f->stop_fd);
    unlink(f->path);
    rmdir(f->dir);
    pthread_mutex_destroy(&f->lock);
    free(f->in);
    free(f);
}

const char *wh_fake_redis_path(const wh_fake_redis *f)
{
    return f->path;
}

const char *wh_fake_redis_error(wh_fake_redis *f)
{
    pthread_mutex_lock(&f->lock);
    bool has_error = f->has_error; /* written once: the text stays as it is */
    pthread_mutex_unlock(&f->lock);
    return has_error ? f->error : NULL;
}

size_t wh_fake_redis_steps(wh_fake_redis *f)
{
    pthread_mutex_lock(&f->lock);
    size_t steps = f->steps;
    pthread_mutex_unlock(&f->lock);
    return steps;
}
