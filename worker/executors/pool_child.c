/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of one child: started with its channel and two output pipes, ready, ending or
 * killed, reaped. Its struct goes only when its process was reaped: everything else
 * may still hold a pointer to it until then.
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/executors/fds.h"
#include "worker/executors/pool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_SIZE ((size_t)64 * 1024)
#define READS_PER_TURN 4
#define READS_OF_THE_DEAD 256
#define DYING_US 200000 /* from closing its files to being a zombie */
#define RESPAWN_MIN_MS 100
#define RESPAWN_MAX_MS 30000
#define FAILURES_LOGGED_PER_MINUTE 6
#define KEEP_SIZE ((size_t)1024 * 1024)

/* ------------------------------------------------------------------ channel */

void wh_pool_child_parse(wh_pool_child *c)
{
    wh_errbuf eb = {0};
    if (c->fate == WH_POOL_FATE_PROTOCOL || c->fate == WH_POOL_FATE_REFUSED) {
        wh_buf_clear(&c->in); /* it speaks no sense any more */
        return;
    }
    c->is_parsing = true;
    wh_err err = c->pool->driver->parse(c, &eb);
    c->is_parsing = false;
    wh_buf_consume(&c->in, c->in_used);
    c->in_used = 0;
    if (c->in.len == 0 && c->in.cap > KEEP_SIZE) {
        wh_buf_fini(&c->in);
    }
    if (err != WH_OK) {
        wh_pool_child_kill(c, WH_POOL_FATE_PROTOCOL, eb.text);
        wh_buf_clear(&c->in);
    }
}

/* What we write on stays open if it is another fd: its end tells a child to exit. */
static void close_reader(wh_pool_child *c)
{
    wh_watch_free(c->reader);
    c->reader = NULL;
    if (c->read_fd == c->write_fd) {
        wh_watch_free(c->writer);
        c->writer = NULL;
        c->write_fd = -1;
    }
    wh_fds_close(&c->read_fd);
}

static void close_channel(wh_pool_child *c)
{
    close_reader(c);
    wh_watch_free(c->writer);
    c->writer = NULL;
    wh_fds_close(&c->write_fd);
}

/* False: nothing more for now. */
static bool read_once(wh_pool_child *c)
{
    char *to = c->read_fd >= 0 ? wh_buf_reserve(&c->in, READ_SIZE) : NULL;
    if (to == NULL) {
        return false;
    }
    ssize_t n = read(c->read_fd, to, READ_SIZE);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (n <= 0) {
        close_reader(c);
        return false;
    }
    size_t fresh = (size_t)n;
    if (c->pool->driver->fresh != NULL) {
        fresh = c->pool->driver->fresh(c, (size_t)n);
        memmove(to, to + ((size_t)n - fresh), fresh);
    }
    c->in.len += fresh;
    wh_pool_child_parse(c);
    return (size_t)n == READ_SIZE;
}

/* A channel that ends: the process is dying, and its status will say of what, or it
 * closed our descriptors and lives on, for which it is killed (pool_tick.c). */
static void pump(wh_pool_child *c, int reads)
{
    while (reads-- > 0 && read_once(c)) {
    }
    if (c->read_fd < 0 && c->phase != WH_POOL_KILLED && !c->told_to_end) {
        c->phase = WH_POOL_KILLED; /* without a fate yet */
        wh_run_copy(c->why, sizeof c->why, "it ended, or closed its channel");
        c->deadline_us = wh_clock_mono_us() + DYING_US;
        wh_pool_tick_start(c->pool);
    }
    if (c->in.failed) {
        wh_pool_child_kill(c, WH_POOL_FATE_PROTOCOL, "out of memory for what it says");
    }
}

static void on_readable(void *arg, unsigned events)
{
    wh_pool_child *c = arg;
    (void)events;
    pump(c, READS_PER_TURN);
    wh_pool_jobs_place(c->pool);
    if (c->has_news) {
        c->has_news = false;
        wh_pool_announce(c->pool);
    }
}

void wh_pool_child_flush(wh_pool_child *c)
{
    while (c->write_fd >= 0 && c->out_sent < c->out.len) {
        ssize_t n =
            write(c->write_fd, c->out.data + c->out_sent, c->out.len - c->out_sent);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            break;
        }
        if (n < 0) { /* EPIPE: it is dying, and that is noticed elsewhere */
            c->out_sent = c->out.len;
            break;
        }
        c->out_sent += (size_t)n;
    }
    bool more = c->write_fd >= 0 && c->out_sent < c->out.len;
    if (!more) {
        wh_buf_clear(&c->out);
        c->out_sent = 0;
        if (c->out.cap > KEEP_SIZE) {
            wh_buf_fini(&c->out);
        }
    }
    if (c->writer != NULL) {
        wh_watch_set(c->writer, more ? WH_WATCH_WRITE : 0);
    }
}

static void on_writable(void *arg, unsigned events)
{
    (void)events;
    wh_pool_child_flush(arg);
}

/* ------------------------------------------------------------------- output */

static void on_line(void *arg, wh_job *job, wh_slice line)
{
    const wh_pool_child *c = arg;
    const wh_executor_events *events = &c->pool->events;
    if (events->on_log != NULL && !c->pool->is_creating) {
        events->on_log(events->arg, job != NULL ? job : wh_pool_jobs_speaker(c), line);
    }
}

/* --------------------------------------------------------------------- end */

void wh_pool_child_kill(wh_pool_child *c, wh_pool_fate fate, const char *why)
{
    if (c->phase == WH_POOL_KILLED && c->fate != WH_POOL_FATE_NONE) {
        return;
    }
    c->phase = WH_POOL_KILLED;
    c->fate = fate;
    wh_run_copy(c->why, sizeof c->why, why);
    if (c->process != NULL) {
        wh_child_kill(c->process, SIGKILL);
    }
}

void wh_pool_child_end_if_idle(wh_pool_child *c)
{
    if (c->phase != WH_POOL_ENDING || c->told_to_end || c->runs.count > 0 ||
        c->recalled > 0) {
        return;
    }
    int64_t grace_ms =
        c->pool->config->grace_ms > 1000 ? c->pool->config->grace_ms : 1000;
    c->told_to_end = true;
    c->deadline_us = wh_clock_mono_us() + grace_ms * 1000;
    c->pool->driver->write_shutdown(c);
    wh_pool_child_flush(c);
    wh_pool_tick_start(c->pool);
}

void wh_pool_child_free(wh_pool_child *c)
{
    if (c == NULL) {
        return;
    }
    wh_child_free(c->process);
    close_channel(c);
    wh_lines_free(c->printed);
    wh_lines_free(c->complained);
    wh_run_clear(&c->runs);
    c->pool->driver->close(c);
    wh_buf_fini(&c->in);
    wh_buf_fini(&c->out);
    wh_free(c);
}

static void unlink_child(wh_pool_child *c)
{
    wh_pool_child **at = &c->pool->children;
    while (*at != NULL && *at != c) {
        at = &(*at)->next;
    }
    if (*at == c) {
        *at = c->next;
    }
}

static int64_t respawn_delay_ms(unsigned failures)
{
    int64_t ms = RESPAWN_MIN_MS;
    for (unsigned i = 1; i < failures && ms < RESPAWN_MAX_MS; i++) {
        ms *= 2;
    }
    return ms < RESPAWN_MAX_MS ? ms : RESPAWN_MAX_MS;
}

void wh_pool_child_failed(wh_pool *pool, const char *why)
{
    wh_run_copy(pool->why, sizeof pool->why, why);
    pool->failures++;
    WH_LOG_LIMITED(WARN, FAILURES_LOGGED_PER_MINUTE, "handler.start_failed",
                   WH_F_STR("handler", pool->config->name), WH_F_STR("why", why),
                   WH_F_INT("failures", pool->failures));
    if (!pool->is_draining && !wh_timer_is_running(pool->respawn)) {
        wh_timer_start(pool->respawn, respawn_delay_ms(pool->failures));
    }
}

/* Why a child that was never ready ended. */
static void explain_start(const wh_pool_child *c, int status, char *out, size_t size)
{
    char how[64];
    wh_slice tail = wh_lines_tail(c->complained, 120);
    bool by_us = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (c->fate == WH_POOL_FATE_NONE || (c->fate == WH_POOL_FATE_CLOSED && !by_us)) {
        wh_child_describe(status, how, sizeof how);
        (void)snprintf(out, size, "ended before it was ready: %s%s%.*s", how,
                       tail.n > 0 ? ": " : "", (int)tail.n, tail.p);
    } else {
        (void)snprintf(out, size, "%s%s%.*s", c->why, tail.n > 0 ? ": " : "",
                       (int)tail.n, tail.p);
    }
}

/* Counts the end of a child; true if it tells of a start that led to nothing. */
static void account(const wh_pool_child *c, bool was_ready, int status)
{
    char why[512];
    wh_pool *pool = c->pool;
    if (!was_ready && !pool->is_draining) {
        explain_start(c, status, why, sizeof why);
        pool->is_late = c->fate == WH_POOL_FATE_LATE;
        wh_pool_child_failed(pool, why);
    } else if (c->fate == WH_POOL_FATE_STOPPED) {
        /* counted when it was killed */
    } else if (c->fate == WH_POOL_FATE_MEMORY) {
        pool->killed_memory++;
    } else if (c->told_to_end) {
        pool->recycled += c->is_recycled ? 1 : 0;
    } else {
        pool->crashed++;
        if (c->runs.count == 0 && c->ended == 0) { /* ready, and gone without a job */
            explain_start(c, status, why, sizeof why);
            wh_pool_child_failed(pool, why);
        }
    }
}

static void on_exit_status(void *arg, int status)
{
    wh_pool_child *c = arg;
    wh_pool *pool = c->pool;
    bool was_ready = c->at_once > 0;
    unlink_child(c);
    wh_lines_drain(c->printed);
    wh_lines_drain(c->complained);
    for (int i = 0; i < READS_OF_THE_DEAD && read_once(c); i++) {
    }
    if (pool->driver->last_look != NULL) {
        pool->driver->last_look(c);
    }
    wh_lines_flush(c->printed);
    wh_lines_flush(c->complained);
    account(c, was_ready, status);
    wh_pool_jobs_bury(c, status);
    wh_pool_child_free(c);
    wh_pool_child_ensure(pool);
    wh_pool_jobs_place(pool);
    wh_pool_tick_start(pool);
    wh_pool_announce(pool);
}

/* ------------------------------------------------------------------- start */

static wh_err start_process(wh_pool_child *c, const wh_child_fd *fds, size_t n,
                            wh_errbuf *eb)
{
    const wh_pool *pool = c->pool;
    const char *dir = pool->config->dir;
    const wh_child_options options = {
        .argv = (const char *const *)pool->argv,
        .env = (const char *const *)pool->env.items,
        .dir = dir != NULL && *dir != '\0' ? dir : NULL,
        .fds = fds,
        .n_fds = n,
        .on_exit = on_exit_status,
        .arg = c,
    };
    return wh_child_spawn(pool->loop, &options, &c->process, eb);
}

static wh_err watch(wh_pool_child *c, int out_fd, int err_fd, wh_errbuf *eb)
{
    wh_loop *loop = c->pool->loop;
    wh_err err = wh_lines_new(loop, out_fd, on_line, c, &c->printed);
    wh_err also = wh_lines_new(loop, err_fd, on_line, c, &c->complained);
    if (err == WH_OK) {
        err = also;
    }
    if (err == WH_OK) {
        err = wh_watch_new(loop, c->read_fd, WH_WATCH_READ, on_readable, c, &c->reader);
    }
    if (err == WH_OK) {
        err = wh_watch_new(loop, c->write_fd, 0, on_writable, c, &c->writer);
    }
    return err == WH_OK ? WH_OK : wh_err_set(eb, err, "can't watch a child's channel");
}

static wh_err make(wh_pool_child *c, wh_errbuf *eb)
{
    wh_child_fd fds[6];
    size_t n = 0;
    wh_fds_pair out = {-1, -1};
    wh_fds_pair complaints = {-1, -1};
    wh_err err = c->pool->driver->open(c, fds, &n, eb);
    if (err == WH_OK) {
        err = wh_fds_pipe(true, &out, eb);
    }
    if (err == WH_OK) {
        err = wh_fds_pipe(true, &complaints, eb);
    }
    if (err == WH_OK) {
        fds[n++] = (wh_child_fd){out.theirs, 1};
        fds[n++] = (wh_child_fd){complaints.theirs, 2};
        err = start_process(c, fds, n, eb);
    } else {
        wh_fds_close(&out.theirs);
    }
    for (size_t i = 0; i < n; i++) {
        wh_fds_close(&fds[i].parent_fd);
    }
    if (err == WH_OK) {
        return watch(c, out.ours, complaints.ours, eb);
    }
    wh_fds_close(&out.ours);
    wh_fds_close(&complaints.ours);
    return err;
}

void wh_pool_child_spawn(wh_pool *pool)
{
    wh_errbuf eb = {0};
    wh_pool_child *c = wh_calloc(1, sizeof *c);
    if (c == NULL) {
        wh_pool_child_failed(pool, "out of memory");
        return;
    }
    c->pool = pool;
    c->read_fd = c->write_fd = -1;
    c->deadline_us = wh_clock_mono_us() + pool->driver->ready_ms * 1000;
    if (make(c, &eb) != WH_OK) {
        wh_pool_child_free(c);
        wh_pool_child_failed(pool, eb.text);
        return;
    }
    pool->spawned++;
    c->next = pool->children;
    pool->children = c;
    if (pool->driver->hello != NULL) {
        pool->driver->hello(c);
        wh_pool_child_flush(c);
    }
    wh_pool_tick_start(pool);
}

void wh_pool_child_await_ready(wh_pool_child *c, int64_t timeout_ms)
{
    int64_t until_ms = wh_clock_mono_ms() + timeout_ms;
    while (c->phase == WH_POOL_STARTING && c->read_fd >= 0) {
        int64_t left_ms = until_ms - wh_clock_mono_ms();
        struct pollfd p = {.fd = c->read_fd, .events = POLLIN};
        if (left_ms <= 0) {
            wh_pool_child_kill(c, WH_POOL_FATE_LATE, "was not ready in time");
            break;
        }
        if (poll(&p, 1, (int)left_ms) > 0) {
            pump(c, 1);
        }
    }
    wh_lines_drain(c->complained);
}

void wh_pool_child_ready(wh_pool_child *c, unsigned at_once)
{
    c->at_once = at_once;
    c->pool->at_once = at_once;
    c->pool->is_proven = true;
    c->pool->is_late = false;
    c->pool->failures = 0;
    c->has_news = true;
    if (c->phase == WH_POOL_STARTING) {
        c->phase = WH_POOL_READY;
    }
}

void wh_pool_child_busy(wh_pool_child *c, int64_t for_ms)
{
    int64_t ms = for_ms > WH_EXECUTOR_BUSY_MAX_MS ? WH_EXECUTOR_BUSY_MAX_MS : for_ms;
    c->busy_until_us = ms > 0 ? wh_clock_mono_us() + ms * 1000 : 0;
    c->has_news = true;
}

/* ----------------------------------------------------------------- respawn */

void wh_pool_child_ensure(wh_pool *pool)
{
    if (pool->is_draining || wh_timer_is_running(pool->respawn)) {
        return;
    }
    for (const wh_pool_child *c = pool->children; c != NULL; c = c->next) {
        if (c->phase == WH_POOL_STARTING || c->phase == WH_POOL_READY) {
            return;
        }
    }
    if (pool->failures == 0) {
        wh_pool_child_spawn(pool);
    }
    if (pool->failures > 0) {
        wh_timer_start(pool->respawn, respawn_delay_ms(pool->failures));
    }
}

void wh_pool_child_on_respawn(void *arg)
{
    wh_pool *pool = arg;
    unsigned before = pool->failures;
    wh_pool_child_spawn(pool);
    if (pool->failures > before) {
        wh_timer_start(pool->respawn, respawn_delay_ms(pool->failures));
    }
}
