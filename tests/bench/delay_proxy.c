/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link with a long round trip: relays unix socket connections and holds every byte back
 * for a fixed time in each direction, without limiting how many are under way.
 *   delay_proxy LISTEN TARGET DELAY_US
 * Runs until a signal ends it. region.py uses it, since traffic shaping needs rights and
 * kernel modules that few machines give.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 256 * 1024, PAIRS_MAX = 500 };

struct piece {
    struct piece *next;
    int64_t due_us;
    size_t len, sent;
    char data[];
};

/* One direction of a connection. */
struct way {
    int from, to;
    struct piece *first, *last;
    int is_read_out, is_shut; /* its end came; that was passed on */
};

struct pair {
    struct way ways[2];
};

static struct pair *pairs[PAIRS_MAX];
static size_t n_pairs;
static int64_t delay_us;
static const char *target;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static struct sockaddr_un address(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof a.sun_path) {
        (void)fprintf(stderr, "%s: too long\n", path);
        exit(1);
    }
    memcpy(a.sun_path, path, strlen(path) + 1);
    return a;
}

static int unix_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        die("socket");
    }
    return fd;
}

static void accept_one(int listener)
{
    struct sockaddr_un a = address(target);
    int near = accept(listener, NULL, NULL);
    int far = unix_socket();
    struct pair *p = calloc(1, sizeof *p);

    if (near < 0 || p == NULL || n_pairs == PAIRS_MAX ||
        connect(far, (struct sockaddr *)&a, sizeof a) < 0) { /* like a refusal */
        if (near >= 0) {
            (void)close(near);
        }
        (void)close(far);
        free(p);
        return;
    }
    if (fcntl(near, F_SETFL, O_NONBLOCK) < 0 || fcntl(far, F_SETFL, O_NONBLOCK) < 0) {
        die("fcntl");
    }
    p->ways[0] = (struct way){.from = near, .to = far};
    p->ways[1] = (struct way){.from = far, .to = near};
    pairs[n_pairs++] = p;
}

/* ---- one direction ---- */

static void take_in(struct way *w)
{
    static char data[READ_SIZE];
    ssize_t n = read(w->from, data, sizeof data);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        w->is_read_out = 1;
    }
    size_t len = n > 0 ? (size_t)n : 0; /* an empty piece: the end, later too */
    struct piece *p = malloc(sizeof *p + len);
    if (p == NULL) {
        die("malloc");
    }
    *p = (struct piece){.due_us = now_us() + delay_us, .len = len};
    memcpy(p->data, data, len);
    if (w->last != NULL) {
        w->last->next = p;
    } else {
        w->first = p;
    }
    w->last = p;
}

static void drop_first(struct way *w)
{
    struct piece *p = w->first;

    w->first = p->next;
    w->last = w->first == NULL ? NULL : w->last;
    free(p);
}

static void give_out(struct way *w, int64_t now)
{
    while (w->first != NULL && w->first->due_us <= now) {
        struct piece *p = w->first;
        ssize_t n = p->len > 0
                        ? send(w->to, p->data + p->sent, p->len - p->sent, MSG_NOSIGNAL)
                        : 0;

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n < 0 || p->len == 0) {
            (void)shutdown(w->to, SHUT_WR);
            w->is_shut = 1;
        }
        p->sent += n > 0 ? (size_t)n : p->len;
        if (p->sent >= p->len) {
            drop_first(w);
        }
    }
}

static void forget_if_over(size_t i)
{
    struct pair *p = pairs[i];

    if (!p->ways[0].is_shut || !p->ways[1].is_shut) {
        return;
    }
    for (int k = 0; k < 2; k++) {
        while (p->ways[k].first != NULL) {
            drop_first(&p->ways[k]);
        }
        (void)close(p->ways[k].from);
    }
    free(p);
    pairs[i] = pairs[--n_pairs];
}

/* ---- all of them ---- */

/* Waits for what can be read, for what is due, or for room to write what is overdue. */
static void wait_for_news(int listener, struct pollfd *fds)
{
    int64_t next_us = INT64_MAX;
    int64_t now = now_us();

    fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (size_t i = 0; i < n_pairs; i++) {
        struct pollfd *f = &fds[1 + 2 * i];

        for (int k = 0; k < 2; k++) {
            f[k] = (struct pollfd){.fd = pairs[i]->ways[k].from};
        }
        for (int k = 0; k < 2; k++) {
            const struct way *w = &pairs[i]->ways[k];

            f[k].events = (short)(f[k].events | (w->is_read_out ? 0 : POLLIN));
            if (w->first != NULL && w->first->due_us <= now) {
                f[1 - k].events = (short)(f[1 - k].events | POLLOUT);
            } else if (w->first != NULL && w->first->due_us < next_us) {
                next_us = w->first->due_us;
            }
        }
        for (int k = 0; k < 2;
             k++) { /* an end that was seen must not wake us for ever */
            f[k].fd = f[k].events != 0 ? f[k].fd : -1;
        }
    }
    int64_t left_us = next_us == INT64_MAX ? -1 : next_us - now;
    struct timespec wait = {.tv_sec = left_us / 1000000,
                            .tv_nsec = left_us % 1000000 * 1000};
    if (ppoll(fds, 1 + 2 * n_pairs, left_us < 0 ? NULL : &wait, NULL) < 0 &&
        errno != EINTR) {
        die("ppoll");
    }
}

static void relay(int listener)
{
    static struct pollfd fds[1 + 2 * PAIRS_MAX];
    size_t n = n_pairs;

    wait_for_news(listener, fds);
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < 2; k++) {
            if ((fds[1 + 2 * i + (size_t)k].revents & (POLLIN | POLLHUP | POLLERR)) !=
                    0 &&
                !pairs[i]->ways[k].is_read_out) {
                take_in(&pairs[i]->ways[k]);
            }
        }
    }
    int64_t now = now_us();
    for (size_t i = n_pairs; i-- > 0;) {
        give_out(&pairs[i]->ways[0], now);
        give_out(&pairs[i]->ways[1], now);
        forget_if_over(i);
    }
    if ((fds[0].revents & POLLIN) != 0) {
        accept_one(listener);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        (void)fprintf(stderr, "usage: delay_proxy LISTEN TARGET DELAY_US\n");
        return 2;
    }
    struct sockaddr_un a = address(argv[1]);
    int listener = unix_socket();

    target = argv[2];
    delay_us = strtoll(argv[3], NULL, 10);
    if (bind(listener, (struct sockaddr *)&a, sizeof a) < 0 ||
        listen(listener, 64) < 0) {
        die(argv[1]);
    }
    for (;;) {
        relay(listener);
    }
}
