/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One reader per output pipe of a child. Memory is bounded: one line, one tail, one
 * read buffer on the stack.
 */
#include "worker/executors/lines.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "worker/executors/fds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE ((size_t)16 * 1024)
#define READS_PER_TURN 8 /* other children want to be heard, too */
#define DRAIN_READS 64
#define WINDOW_US 1000000

static const char cut_marker[] = " ... [cut]";

struct wh_lines {
    int fd;
    wh_watch *watch;
    wh_lines_fn *on_line;
    void *arg;
    char line[WH_LINES_LENGTH_MAX + sizeof cut_marker];
    size_t line_len;
    bool is_cut; /* skipping to the end of a line that is too long */
    int64_t window_us;
    unsigned in_window;
    uint64_t left_out;
    char tail[WH_LINES_TAIL_MAX]; /* a ring */
    size_t tail_len, tail_at;
    char tail_copy[WH_LINES_TAIL_MAX];
};

/* ------------------------------------------------------------------- output */

static void say_left_out(wh_lines *l)
{
    char text[64];
    if (l->left_out > 0) {
        int n = snprintf(text, sizeof text, "[%llu lines left out]",
                         (unsigned long long)l->left_out);
        l->left_out = 0;
        l->on_line(l->arg, NULL, (wh_slice){text, n > 0 ? (size_t)n : 0});
    }
}

static void emit(wh_lines *l, wh_job *job, wh_slice line)
{
    int64_t now_us = wh_clock_mono_us();
    if (now_us - l->window_us >= WINDOW_US) {
        l->window_us = now_us;
        l->in_window = 0;
        say_left_out(l);
    }
    if (l->in_window >= WH_LINES_PER_SECOND) {
        l->left_out++;
        return;
    }
    l->in_window++;
    l->on_line(l->arg, job, line);
}

static void end_line(wh_lines *l)
{
    size_t n = l->line_len;
    if (l->is_cut) {
        memcpy(l->line + n, cut_marker, sizeof cut_marker - 1);
        n += sizeof cut_marker - 1;
    } else if (n > 0 && l->line[n - 1] == '\r') {
        n--;
    }
    l->line_len = 0;
    l->is_cut = false;
    emit(l, NULL, (wh_slice){l->line, n});
}

static void add_to_line(wh_lines *l, const char *p, size_t n)
{
    size_t room = WH_LINES_LENGTH_MAX - l->line_len;
    if (n > room) {
        l->is_cut = true;
        n = room;
    }
    memcpy(l->line + l->line_len, p, n);
    l->line_len += n;
}

static void add_to_tail(wh_lines *l, const char *p, size_t n)
{
    if (n > sizeof l->tail) {
        p += n - sizeof l->tail;
        n = sizeof l->tail;
    }
    size_t first = sizeof l->tail - l->tail_at;
    if (first > n) {
        first = n;
    }
    memcpy(l->tail + l->tail_at, p, first);
    memcpy(l->tail, p + first, n - first);
    l->tail_at = (l->tail_at + n) % sizeof l->tail;
    l->tail_len = l->tail_len + n > sizeof l->tail ? sizeof l->tail : l->tail_len + n;
}

static void take(wh_lines *l, const char *p, size_t n)
{
    add_to_tail(l, p, n);
    while (n > 0) {
        const char *newline = memchr(p, '\n', n);
        size_t len = newline != NULL ? (size_t)(newline - p) : n;
        add_to_line(l, p, len);
        if (newline == NULL) {
            return;
        }
        end_line(l);
        p += len + 1;
        n -= len + 1;
    }
}

/* -------------------------------------------------------------------- input */

static void read_some(wh_lines *l, int reads)
{
    char buf[READ_SIZE];
    while (reads-- > 0 && l->fd >= 0) {
        ssize_t n = read(l->fd, buf, sizeof buf);
        if (n > 0) {
            take(l, buf, (size_t)n);
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && errno == EAGAIN) {
            return;
        } else {
            wh_watch_free(l->watch);
            l->watch = NULL;
            wh_fds_close(&l->fd);
        }
    }
}

static void on_readable(void *arg, unsigned events)
{
    (void)events;
    read_some(arg, READS_PER_TURN);
}

wh_err wh_lines_new(wh_loop *loop, int fd, wh_lines_fn *on_line, void *arg,
                    wh_lines **out)
{
    *out = NULL;
    wh_lines *l = wh_calloc(1, sizeof *l);
    if (l == NULL) {
        wh_fds_close(&fd);
        return WH_ENOMEM;
    }
    l->fd = fd;
    l->on_line = on_line;
    l->arg = arg;
    l->window_us = wh_clock_mono_us();
    wh_err err = wh_watch_new(loop, fd, WH_WATCH_READ, on_readable, l, &l->watch);
    if (err != WH_OK) {
        wh_lines_free(l);
        return err;
    }
    *out = l;
    return WH_OK;
}

void wh_lines_free(wh_lines *l)
{
    if (l != NULL) {
        wh_watch_free(l->watch);
        wh_fds_close(&l->fd);
        wh_free(l);
    }
}

void wh_lines_drain(wh_lines *l)
{
    if (l != NULL) {
        read_some(l, DRAIN_READS);
    }
}

void wh_lines_flush(wh_lines *l)
{
    if (l != NULL) {
        if (l->line_len > 0 || l->is_cut) {
            end_line(l);
        }
        say_left_out(l);
    }
}

void wh_lines_push(wh_lines *l, wh_job *job, wh_slice line)
{
    char text[WH_LINES_LENGTH_MAX + sizeof cut_marker];
    if (line.n <= WH_LINES_LENGTH_MAX) {
        emit(l, job, line);
        return;
    }
    memcpy(text, line.p, WH_LINES_LENGTH_MAX);
    memcpy(text + WH_LINES_LENGTH_MAX, cut_marker, sizeof cut_marker);
    emit(l, job, (wh_slice){text, WH_LINES_LENGTH_MAX + sizeof cut_marker - 1});
}

wh_slice wh_lines_tail(wh_lines *l, size_t max)
{
    if (l == NULL || l->tail_len == 0) {
        return (wh_slice){"", 0};
    }
    size_t start = (l->tail_at + sizeof l->tail - l->tail_len) % sizeof l->tail;
    for (size_t i = 0; i < l->tail_len; i++) {
        l->tail_copy[i] = l->tail[(start + i) % sizeof l->tail];
    }
    const char *p = l->tail_copy;
    size_t n = l->tail_len;
    while (n > 0 && (p[n - 1] == '\n' || p[n - 1] == '\r')) {
        n--;
    }
    size_t skip = n > max ? n - max : 0;
    while (skip < n && skip > 0 && ((unsigned char)p[skip] & 0xc0U) == 0x80U) {
        skip++;
    }
    return (wh_slice){p + skip, n - skip};
}

void wh_lines_forget(wh_lines *l)
{
    if (l != NULL) {
        l->tail_len = 0;
    }
}
