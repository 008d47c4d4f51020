/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of wherry-executor. Its outbox lies in the shared page (see page.h): bytes
 * are copied there first and written to the channel in one go, when no job waits, the
 * outbox is full, or the last write was more than FLUSH_US ago. A worker that is gone
 * ends the process.
 */
#include "worker/executors/host/host.h"

#include "common/base/clock.h"
#include "worker/executors/host/load.h"
#include "worker/executors/host/task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLUSH_US 1000
#define READ_SIZE ((size_t)128 * 1024)
#define KEEP_SIZE ((size_t)1024 * 1024)
/* Out of the way of handlers that count on low numbers or close them all up to 20. */
#define CHANNEL_FD_MIN 200

wh_err wh_host_init(wh_host *h, int channel_fd, int page_fd, wh_errbuf *eb)
{
    struct stat st;
    *h = (wh_host){.channel = -1};
    if (fstat(page_fd, &st) != 0 || st.st_size < (off_t)sizeof(wh_page)) {
        return wh_err_set(eb, WH_EIO,
                          "fd %d is no page of a worker; wherry-executor is started by "
                          "wherry-worker",
                          page_fd);
    }
    h->channel = fcntl(channel_fd, F_DUPFD_CLOEXEC, CHANNEL_FD_MIN);
    if (h->channel < 0) {
        return wh_err_sys(eb, errno, "fd %d is no channel", channel_fd);
    }
    void *page =
        mmap(NULL, sizeof(wh_page), PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
    if (page == MAP_FAILED) {
        return wh_err_sys(eb, errno, "mmap of the worker's page");
    }
    h->page = page;
    (void)close(channel_fd);
    (void)close(page_fd);
    return h->page->magic == WH_PAGE_MAGIC
               ? WH_OK
               : wh_err_set(
                     eb, WH_EVERSION,
                     "wherry-executor and wherry-worker are of different versions");
}

void wh_host_fini(wh_host *h)
{
    if (h->page != NULL) {
        (void)munmap(h->page, sizeof(wh_page));
    }
    if (h->channel >= 0) {
        (void)close(h->channel);
    }
    wh_buf_fini(&h->in);
    wh_buf_fini(&h->scratch);
}

/* ------------------------------------------------------------------ writing */

/* The channel has ended or is no longer what it was: nobody hears us. */
WH_NORETURN static void leave(void)
{
    _exit(EXIT_FAILURE);
}

static void write_all(const wh_host *h, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = send(h->channel, p, n, MSG_NOSIGNAL);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            leave();
        }
        p += done;
        n -= (size_t)done;
    }
}

/* A seqlock whose counter is out_base: first the length shrinks, then the base moves,
 * then new bytes may come. */
static void move_base(wh_host *h, size_t n)
{
    atomic_store(&h->page->out_len, 0);
    h->out_base += n;
    atomic_store(&h->page->out_base, h->out_base);
    atomic_thread_fence(memory_order_seq_cst);
}

static void flush(wh_host *h)
{
    if (h->out_len > 0) {
        write_all(h, h->page->outbox, h->out_len);
        move_base(h, h->out_len);
        h->out_len = 0;
    }
}

void wh_host_post(wh_host *h)
{
    size_t n = h->scratch.len;
    if (!wh_buf_ok(&h->scratch)) {
        (void)fprintf(stderr, "wherry-executor: out of memory\n");
        leave();
    }
    if (n > WH_PAGE_OUTBOX - h->out_len) {
        flush(h);
    }
    if (n > WH_PAGE_OUTBOX) {
        write_all(h, h->scratch.data, n);
        move_base(h, n);
    } else {
        memcpy(h->page->outbox + h->out_len, h->scratch.data, n);
        h->out_len += n;
        atomic_store_explicit(&h->page->out_len, h->out_len, memory_order_release);
    }
    wh_buf_clear(&h->scratch);
}

void wh_host_refuse(wh_host *h, const char *reason)
{
    wh_frame_add_refuse(&h->scratch, reason);
    wh_host_post(h);
    flush(h);
}

static void say_ready(wh_host *h)
{
    wh_frame_ready *ready = calloc(1, sizeof *ready);
    if (ready == NULL) {
        leave();
    }
    ready->name = (wh_frame_text){h->plugin->name, strlen(h->plugin->name)};
    ready->version = (wh_frame_text){h->plugin->version, strlen(h->plugin->version)};
    ready->n_types = h->plugin->n_handlers;
    for (size_t i = 0; i < ready->n_types; i++) {
        const char *type = h->plugin->handlers[i].type;
        ready->types[i] = (wh_frame_text){type, strlen(type)};
    }
    wh_frame_add_ready(&h->scratch, ready);
    free(ready);
    wh_host_post(h);
    flush(h);
}

/* ------------------------------------------------------------------ serving */

/* The order of the two stores and the load is what page.h promises. */
static void run(wh_host *h, const wh_frame_job *job)
{
    int64_t now_us = wh_clock_mono_us();
    atomic_store_explicit(&h->page->started_us, now_us, memory_order_relaxed);
    atomic_store(&h->page->started, job->seq);
    if (atomic_load(&h->page->recall_from) <= job->seq) {
        wh_frame_note skipped = {.seq = job->seq, .text = {"", 0}};
        wh_frame_add_note(&h->scratch, WH_FRAME_SKIPPED, &skipped);
        wh_host_post(h);
    } else {
        now_us = wh_task_run(h, job, now_us);
    }
    atomic_store(&h->page->finished, job->seq);
    if (now_us - h->flushed_us > FLUSH_US) {
        flush(h);
        h->flushed_us = now_us;
    }
}

/* *go_on false: shut down. */
static wh_err handle_frames(wh_host *h, bool *go_on)
{
    wh_frame f;
    wh_frame_job job;
    size_t used = 0;
    *go_on = true;
    for (;;) {
        const char *p = wh_buf_str(&h->in) + h->parsed;
        wh_err err = wh_frame_parse(p, h->in.len - h->parsed, WH_FRAME_MAX_DOWN, &f,
                                    &used, NULL);
        if (err != WH_OK || used == 0) {
            return err;
        }
        if (f.op == WH_FRAME_SHUTDOWN) {
            *go_on = false;
            return WH_OK;
        }
        if (f.op != WH_FRAME_JOB || wh_frame_read_job(&f, &job) != WH_OK) {
            return WH_EPROTO;
        }
        run(h, &job);
        h->parsed += used;
    }
}

/* Makes room, so that what is left of a frame comes to the front, and waits for more. */
static wh_err read_more(wh_host *h)
{
    wh_buf_consume(&h->in, h->parsed);
    h->parsed = 0;
    if (h->in.len == 0 && h->in.cap > KEEP_SIZE) {
        wh_buf_fini(&h->in); /* after a big payload */
    }
    char *to = wh_buf_reserve(&h->in, READ_SIZE);
    if (to == NULL) {
        return WH_ENOMEM;
    }
    ssize_t n = -1;
    do {
        n = recv(h->channel, to, READ_SIZE, 0);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return WH_ECONN;
    }
    h->in.len += (size_t)n;
    h->flushed_us = wh_clock_mono_us();
    return WH_OK;
}

wh_err wh_host_serve(wh_host *h, const wh_plugin *plugin)
{
    bool go_on = true;
    wh_err err = WH_OK;
    h->plugin = plugin;
    say_ready(h);
    while (err == WH_OK && go_on) {
        err = read_more(h);
        if (err == WH_OK) {
            err = handle_frames(h, &go_on);
        }
        flush(h);
    }
    return err;
}
