/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native handlers: a pool of wherry-executor processes that load one plug-in. Jobs go
 * out as binary frames (frame.h) on a socket; a shared page (page.h) tells which job
 * runs, cancels it, takes back jobs that wait in the child, and holds the child's
 * unsent words.
 */
#include "common/base/alloc.h"
#include "worker/executors/fds.h"
#include "worker/executors/native_take.h"
#include "worker/executors/program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define READY_MS 10000
#define FIRST_READY_MS 5000
#define NO_TIMEOUT_MS INT64_C(315360000000)

static wh_native_child *state_of(const wh_pool_child *c)
{
    return c->state;
}

/* ------------------------------------------------------------------ channel */

static void native_close(wh_pool_child *c)
{
    wh_native_child *n = state_of(c);
    if (n != NULL) {
        if (n->page != NULL) {
            (void)munmap(n->page, sizeof(wh_page));
        }
        wh_free(n);
        c->state = NULL;
    }
}

static wh_err native_open(wh_pool_child *c, wh_child_fd *fds, size_t *n, wh_errbuf *eb)
{
    wh_fds_pair channel = {-1, -1};
    int memory = -1;
    void *page = MAP_FAILED;
    wh_err err = WH_ENOMEM;
    wh_native_child *state = wh_calloc(1, sizeof *state);
    c->state = state;
    if (state == NULL) {
        return wh_err_set(eb, err, "out of memory");
    }
    err = wh_fds_socket(&channel, eb);
    if (err == WH_OK) {
        err = wh_fds_memory(sizeof(wh_page), &memory, eb);
    }
    if (err == WH_OK) {
        page =
            mmap(NULL, sizeof(wh_page), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
        err = page == MAP_FAILED ? wh_err_sys(eb, errno, "mmap") : WH_OK;
    }
    if (err != WH_OK) {
        wh_fds_close(&channel.ours);
        wh_fds_close(&channel.theirs);
        wh_fds_close(&memory);
        return err;
    }
    state->page = page;
    state->page->magic = WH_PAGE_MAGIC;
    atomic_store(&state->page->recall_from, WH_PAGE_NO_RECALL);
    c->read_fd = c->write_fd = channel.ours;
    fds[(*n)++] = (wh_child_fd){channel.theirs, 3};
    fds[(*n)++] = (wh_child_fd){memory, 4};
    return WH_OK;
}

/* ------------------------------------------------------------------ to them */

static wh_frame_text text_of(const char *s)
{
    return (wh_frame_text){s != NULL ? s : "", s != NULL ? strlen(s) : 0};
}

static wh_frame_text slice_of(wh_slice s)
{
    return (wh_frame_text){s.p != NULL ? s.p : "", s.n};
}

static void native_write_job(wh_pool_child *c, const wh_run *run)
{
    const wh_job *job = run->job;
    int64_t timeout_us = wh_run_timeout_us(run);
    char id[WH_UUID_TEXT + 1];
    wh_rng_uuid_format(job->id, id);
    const wh_frame_job frame = {
        .seq = run->seq,
        .fence = job->fence,
        .attempt = (uint32_t)(job->attempt > 0 ? job->attempt : 0),
        .max_attempts = (uint32_t)wh_executor_attempts(c->pool->config, job),
        .recoveries = (uint32_t)(job->recoveries > 0 ? job->recoveries : 0),
        .timeout_ms =
            timeout_us / 1000 > NO_TIMEOUT_MS ? NO_TIMEOUT_MS : timeout_us / 1000,
        .id = id,
        .type = text_of(job->type),
        .org = text_of(job->org),
        .region = text_of(job->region != NULL ? job->region : c->pool->region),
        .queue = text_of(job->queue),
        .traceparent = slice_of(job->traceparent),
        .entity_type = slice_of(job->entity_type),
        .entity_id = slice_of(job->entity_id),
        .payload = slice_of(job->payload),
    };
    wh_frame_add_job(&c->out, &frame);
}

static void native_write_shutdown(wh_pool_child *c)
{
    wh_frame_add_shutdown(&c->out);
}

static void native_ask_to_stop(wh_pool_child *c, const wh_run *run, const char *reason)
{
    (void)reason;
    atomic_store(&state_of(c)->page->cancel, run->seq);
}

/* page.h says why one load behind one store is enough. Until the child has confirmed
 * all of them it gets no new jobs, so recall_from never hits a later one. */
static void native_recall(wh_pool_child *c, wh_run *from, wh_run_list *taken)
{
    wh_page *page = state_of(c)->page;
    if (from->seq < atomic_load(&page->recall_from)) {
        atomic_store(&page->recall_from, from->seq);
    }
    uint64_t started = atomic_load(&page->started);
    for (wh_run *run = from; run != NULL;) {
        wh_run *next = run->next;
        if (run->seq > started) {
            wh_run_remove(&c->runs, run);
            wh_run_append(taken, run);
            c->recalled++;
        }
        run = next;
    }
    if (c->recalled == 0) {
        atomic_store(&page->recall_from, WH_PAGE_NO_RECALL);
    }
}

/* ---------------------------------------------------------------- the page */

/* Of n bytes that the socket gave, those that native_peek has not taken before. */
static size_t native_fresh(wh_pool_child *c, size_t n)
{
    wh_native_child *s = state_of(c);
    s->socket_at += n;
    if (s->socket_at <= s->stream_at) {
        return 0;
    }
    uint64_t fresh = s->socket_at - s->stream_at;
    s->stream_at = s->socket_at;
    return fresh < n ? (size_t)fresh : n;
}

/* Takes what the child has not written yet. */
static void native_peek(wh_pool_child *c)
{
    wh_native_child *s = state_of(c);
    if (c->is_parsing) {
        return; /* frames of c->in are in use */
    }
    uint64_t base = atomic_load(&s->page->out_base);
    uint64_t len = atomic_load_explicit(&s->page->out_len, memory_order_acquire);
    if (len == 0 || len > WH_PAGE_OUTBOX || base > s->stream_at ||
        s->stream_at - base >= len) {
        return;
    }
    size_t skip = (size_t)(s->stream_at - base);
    size_t n = (size_t)len - skip;
    char *to = wh_buf_reserve(&c->in, n);
    if (to == NULL) {
        return;
    }
    memcpy(to, s->page->outbox + skip, n);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(&s->page->out_base) != base) {
        return; /* written in the meantime: it comes by the socket */
    }
    c->in.len += n;
    s->stream_at += n;
    wh_pool_child_parse(c);
}

static wh_err read_started(wh_pool_child *c, uint64_t *started, int64_t *started_us,
                           wh_errbuf *eb)
{
    const wh_page *page = state_of(c)->page;
    do {
        *started = atomic_load(&page->started);
        *started_us = atomic_load(&page->started_us);
    } while (*started != atomic_load(&page->started));
    return *started <= c->sent
               ? WH_OK
               : wh_err_set(eb, WH_EPROTO, "its shared page holds nonsense");
}

static wh_err native_look(wh_pool_child *c, wh_errbuf *eb)
{
    uint64_t started = 0;
    int64_t started_us = 0;
    wh_err err = read_started(c, &started, &started_us, eb);
    if (err != WH_OK) {
        return err;
    }
    wh_run *run = wh_run_find_seq(&c->runs, started);
    if (run != NULL && run->started_us == 0) {
        run->started_us = started_us > 0 ? started_us : 1;
    }
    return WH_OK;
}

/* Everything it said is taken; of what is left, the jobs up to `started` were in its
 * hands. */
static void native_last_look(wh_pool_child *c)
{
    const wh_page *page = state_of(c)->page;
    uint64_t started = atomic_load(&page->started);
    int64_t started_us = atomic_load(&page->started_us);
    native_peek(c);
    for (wh_run *run = c->runs.first; run != NULL; run = run->next) {
        if (run->seq > started) {
            run->started_us = 0;
        } else if (run->started_us == 0) {
            run->started_us = started_us > 0 ? started_us : 1;
        }
    }
}

/* ----------------------------------------------------------------- creation */

static const wh_pool_driver native_driver = {
    .queues = true,
    .ready_ms = READY_MS,
    .open = native_open,
    .close = native_close,
    .write_job = native_write_job,
    .write_shutdown = native_write_shutdown,
    .ask_to_stop = native_ask_to_stop,
    .parse = wh_native_take_frames,
    .look = native_look,
    .peek = native_peek,
    .last_look = native_last_look,
    .fresh = native_fresh,
    .recall = native_recall,
};

static wh_err set_argv(wh_pool *pool, const char *program, char *plugin)
{
    pool->argv = wh_calloc(3, sizeof *pool->argv);
    if (pool->argv == NULL) {
        wh_free(plugin);
        return WH_ENOMEM;
    }
    pool->argv[0] = wh_strdup(program);
    pool->argv[1] = plugin;
    if (pool->argv[0] == NULL) {
        wh_free(plugin);
        pool->argv[1] = NULL;
        return WH_ENOMEM;
    }
    return WH_OK;
}

/* The first child tells whether the plug-in can be used at all. */
static wh_err probe(wh_pool *pool, const char *path, wh_errbuf *eb)
{
    pool->is_creating = true;
    wh_pool_child_spawn(pool);
    wh_pool_child *c = pool->children;
    if (c == NULL) {
        return wh_err_set(eb, WH_EIO, "%s: %s", path, pool->why);
    }
    wh_pool_child_await_ready(c, FIRST_READY_MS);
    pool->is_creating = false;
    if (c->phase == WH_POOL_READY) {
        c->has_news = false;
        return WH_OK;
    }
    wh_slice tail = wh_lines_tail(c->complained, 160);
    if (c->fate == WH_POOL_FATE_REFUSED) {
        return wh_err_set(eb, WH_ECONFIG, "%s", c->why);
    }
    return wh_err_set(eb, WH_ECONFIG, "%s: loading it failed: %s%s%.*s", path, c->why,
                      tail.n > 0 ? ": " : "", (int)tail.n, tail.p);
}

static wh_err native_create(const wh_executor_setup *s, wh_executor **out,
                            wh_errbuf *eb)
{
    const char *path = NULL;
    char *plugin = NULL;
    wh_pool *pool = NULL;
    *out = NULL;
    if (wh_executor_kind_of(s->config->run, &path, eb) != &wh_native_kind) {
        return WH_ECONFIG;
    }
    wh_err err = wh_program_dir(s->config->dir, eb);
    if (err == WH_OK) {
        err = wh_program_plugin(path, &plugin, eb);
    }
    if (err == WH_OK) {
        err = wh_pool_new(s, &wh_native_kind, &native_driver, &pool, eb);
    }
    if (err != WH_OK) {
        wh_free(plugin);
        return err;
    }
    if (set_argv(pool, s->executor_program, plugin) != WH_OK) {
        err = wh_err_set(eb, WH_ENOMEM, "out of memory");
        goto fail;
    }
    err = probe(pool, pool->argv[1], eb);
    if (err != WH_OK) {
        goto fail;
    }
    *out = &pool->base;
    return WH_OK;
fail:
    wh_pool_free(&pool->base);
    return err;
}

const wh_executor_kind wh_native_kind = {
    .name = "native",
    .create = native_create,
    .capacity = wh_pool_capacity,
    .submit = wh_pool_submit,
    .cancel = wh_pool_cancel,
    .drain = wh_pool_drain,
    .stats = wh_pool_stats,
    .free = wh_pool_free,
    .set_slots = wh_pool_set_slots,
    .busy_until_us = wh_pool_busy_until,
    .memory = wh_pool_memory,
    .shed = wh_pool_shed,
};
