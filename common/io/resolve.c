/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The question and its answer live in a block that the thread and the asker share:
 * whoever lets go last frees it. The thread touches nothing else, writes the answer
 * under the lock and wakes the loop through an eventfd. A thread that hangs in the
 * system's resolver costs its stack until the resolver gives up.
 */
#include "common/io/resolve.h"

#include "common/base/alloc.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREAD_STACK = 1024 * 1024 };

typedef struct question {
    pthread_mutex_t lock;
    int refs; /* under lock, as is everything below */
    bool answered;
    int rc; /* of getaddrinfo */
    int sys;
    struct addrinfo *list;
    int event_fd;
    char port[8];
    char host[]; /* constant */
} question;

struct wh_resolve {
    question *q;
    wh_watch *watch;
    wh_resolve_fn *cb;
    void *arg;
};

static void drop_question(question *q)
{
    (void)pthread_mutex_lock(&q->lock);
    bool last = --q->refs == 0;
    (void)pthread_mutex_unlock(&q->lock);
    if (!last) {
        return;
    }
    if (q->list != NULL) {
        freeaddrinfo(q->list);
    }
    if (q->event_fd >= 0) {
        close(q->event_fd);
    }
    (void)pthread_mutex_destroy(&q->lock);
    wh_free(q);
}

static int look_up(const question *q, int flags, struct addrinfo **list)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = flags | AI_NUMERICSERV};

    return getaddrinfo(q->host, q->port, &hints, list);
}

static void answer(question *q, int rc, int sys, struct addrinfo *list)
{
    const uint64_t one = 1;

    (void)pthread_mutex_lock(&q->lock);
    q->answered = true;
    q->rc = rc;
    q->sys = sys;
    q->list = rc == 0 ? list : NULL;
    (void)pthread_mutex_unlock(&q->lock);
    /* Can't fail: eight bytes into a fresh counter. */
    ssize_t n = write(q->event_fd, &one, sizeof one);
    (void)n;
}

static void *resolver_thread(void *arg)
{
    question *q = arg;
    struct addrinfo *list = NULL;
    int rc = look_up(q, AI_ADDRCONFIG, &list);

    answer(q, rc, errno, list);
    drop_question(q);
    return NULL;
}

static void on_answer(void *arg, unsigned events)
{
    wh_resolve *r = arg;
    question *q = r->q;
    char why[160] = "";

    (void)events;
    (void)pthread_mutex_lock(&q->lock);
    bool answered = q->answered;
    int rc = q->rc;
    const struct addrinfo *list = q->list;
    if (rc != 0) {
        (void)snprintf(why, sizeof why, "can't resolve %.64s: %s", q->host,
                       rc == EAI_SYSTEM ? strerror(q->sys) : gai_strerror(rc));
    }
    (void)pthread_mutex_unlock(&q->lock);
    if (!answered) {
        return;
    }
    wh_watch_set(r->watch, 0);
    if (rc == 0) {
        /* The list stays while the callback runs, even if it frees r. */
        (void)pthread_mutex_lock(&q->lock);
        q->refs++;
        (void)pthread_mutex_unlock(&q->lock);
        r->cb(r->arg, WH_OK, list, NULL);
        drop_question(q);
    } else {
        r->cb(r->arg, WH_ECONN, NULL, why);
    }
}

/* Signals stay with the loop's thread: the new one blocks them all. */
static int start_thread(question *q)
{
    sigset_t all;
    sigset_t before;
    pthread_attr_t attr;
    pthread_t thread;
    int rc = pthread_attr_init(&attr);

    if (rc != 0) {
        return rc;
    }
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attr, THREAD_STACK);
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    (void)pthread_mutex_lock(&q->lock);
    q->refs++;
    (void)pthread_mutex_unlock(&q->lock);
    rc = pthread_create(&thread, &attr, resolver_thread, q);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        drop_question(q);
    }
    (void)pthread_attr_destroy(&attr);
    return rc;
}

static question *make_question(const char *host, int port)
{
    size_t len = strlen(host) + 1;
    question *q = wh_calloc(1, sizeof *q + len);

    if (q == NULL) {
        return NULL;
    }
    if (pthread_mutex_init(&q->lock, NULL) != 0) {
        wh_free(q);
        return NULL;
    }
    q->refs = 1;
    memcpy(q->host, host, len);
    (void)snprintf(q->port, sizeof q->port, "%d", port);
    q->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return q;
}

wh_err wh_resolve_start(wh_loop *l, const char *host, int port, wh_resolve_fn *cb,
                        void *arg, wh_resolve **out)
{
    struct addrinfo *list = NULL;
    wh_err err = WH_ENOMEM;
    wh_resolve *r = wh_calloc(1, sizeof *r);

    *out = NULL;
    if (r == NULL) {
        return WH_ENOMEM;
    }
    r->cb = cb;
    r->arg = arg;
    r->q = make_question(host, port);
    if (r->q == NULL) {
        goto fail;
    }
    err = WH_EIO;
    if (r->q->event_fd < 0) {
        goto fail;
    }
    err = wh_watch_new(l, r->q->event_fd, WH_WATCH_READ, on_answer, r, &r->watch);
    if (err != WH_OK) {
        goto fail;
    }
    if (look_up(r->q, AI_NUMERICHOST, &list) == 0) {
        answer(r->q, 0, 0, list);
    } else if (start_thread(r->q) != 0) {
        err = WH_EIO;
        goto fail;
    }
    *out = r;
    return WH_OK;
fail:
    wh_resolve_free(r);
    return err;
}

void wh_resolve_free(wh_resolve *r)
{
    if (r == NULL) {
        return;
    }
    wh_watch_free(r->watch);
    if (r->q != NULL) {
        drop_question(r->q);
    }
    wh_free(r);
}
