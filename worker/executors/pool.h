/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long-lived child processes that run jobs of one handler: the part that native and
 * exec share. A pool keeps one child alive, adds more while jobs wait and all are
 * busy, replaces the dead with growing delay, hands out jobs, watches time and memory.
 * How a job is said to a child is the driver's business.
 *
 * pool.c: the executor interface; pool_child.c: life and channel of one child;
 * pool_jobs.c: which job goes where and how it ends; pool_tick.c: time and memory.
 *
 * Invariants: a run is in exactly one list (waiting, a child's runs, settled); a child
 * leaves the list only when its process was reaped (or in _free); no callback is made
 * from submit, cancel or drain, and none may call _free.
 */
#ifndef WH_WORKER_EXECUTORS_POOL_H
#define WH_WORKER_EXECUTORS_POOL_H

#include "common/base/buf.h"
#include "common/io/child.h"
#include "worker/executors/environ.h"
#include "worker/executors/executor.h"
#include "worker/executors/lines.h"
#include "worker/executors/run.h"

typedef struct wh_pool wh_pool;
typedef struct wh_pool_child wh_pool_child;

typedef enum wh_pool_phase {
    WH_POOL_STARTING, /* until it says ready */
    WH_POOL_READY,
    WH_POOL_ENDING, /* takes no more jobs; told to end when it has none */
    WH_POOL_KILLED  /* waits to be reaped */
} wh_pool_phase;

/* Why a child was killed by us. */
typedef enum wh_pool_fate {
    WH_POOL_FATE_NONE,
    WH_POOL_FATE_STOPPED, /* a job of it did not stop in time */
    WH_POOL_FATE_MEMORY,
    WH_POOL_FATE_CLOSED,   /* its end of the channel */
    WH_POOL_FATE_PROTOCOL, /* nothing that it says after that counts */
    WH_POOL_FATE_LATE,     /* not ready in time */
    WH_POOL_FATE_REFUSED   /* it said that it can't work */
} wh_pool_fate;

typedef struct wh_pool_driver {
    /* Jobs may queue in a child (they run one by one); else each starts when it is sent. */
    bool queues;
    int64_t ready_ms; /* a child must be ready after this time */
    /* Makes channels: sets c->read_fd, c->write_fd and c->state, and the child's ends in
     * fds (at most 4, *n counts them); the caller closes those after the start. */
    wh_err (*open)(wh_pool_child *c, wh_child_fd *fds, size_t *n, wh_errbuf *eb);
    void (*close)(wh_pool_child *c); /* frees c->state; NULL state is fine */
    /* To c->out: */
    void (*hello)(wh_pool_child *c); /* may be NULL */
    void (*write_job)(wh_pool_child *c, const wh_run *run);
    void (*write_shutdown)(wh_pool_child *c);
    void (*ask_to_stop)(wh_pool_child *c, const wh_run *run, const char *reason);
    /* Something arrived in c->in: uses up what is complete. */
    wh_err (*parse)(wh_pool_child *c, wh_errbuf *eb);
    /* Brings started_us up to date. WH_EPROTO ends the child. May be NULL. */
    wh_err (*look)(wh_pool_child *c, wh_errbuf *eb);
    /* Takes what the child has not written yet (may call back). May be NULL. */
    void (*peek)(wh_pool_child *c);
    /* Takes what a dead child left behind. May be NULL. */
    void (*last_look)(wh_pool_child *c);
    /* n bytes were read: how many of them, at the end, are new. NULL: all. */
    size_t (*fresh)(wh_pool_child *c, size_t n);
    /* Takes back runs from this one on that have not started, in order. NULL: never. */
    void (*recall)(wh_pool_child *c, wh_run *from, wh_run_list *taken);
} wh_pool_driver;

struct wh_pool_child {
    wh_pool *pool;
    wh_pool_child *next;
    wh_child *process;
    wh_pool_phase phase;
    wh_pool_fate fate;
    char why[320];         /* of the fate */
    int read_fd, write_fd; /* one socket or two pipes; -1 closed */
    wh_watch *reader, *writer;
    wh_buf in, out;
    size_t in_used, out_sent;
    wh_lines *printed, *complained; /* stdout, stderr */
    wh_run_list runs;               /* in the order sent */
    unsigned at_once;      /* jobs that it runs at a time (not when they queue) */
    unsigned recalled;     /* taken back, and the child has not said so yet */
    uint64_t sent, ended;  /* jobs */
    int64_t busy_until_us; /* it said so: claim nothing for now */
    int64_t deadline_us;   /* to be ready, or to be gone once told to end or closed */
    bool told_to_end, is_recycled, is_parsing;
    bool has_news; /* results were handed out since on_capacity was called */
    void *state;   /* the driver's */
};

struct wh_pool {
    wh_executor base; /* first */
    const wh_pool_driver *driver;
    wh_loop *loop;
    const wh_handler_config *config;
    wh_executor_events events;
    char *worker, *region;
    char **argv;
    wh_environ env;
    unsigned max_children;
    wh_pool_child *children;
    wh_run_list waiting, settled;
    wh_timer *tick, *respawn, *settle;
    unsigned failures; /* starts in a row that led to nothing */
    bool is_creating;  /* no callbacks yet */
    bool is_draining;
    bool is_proven;   /* a child was ready once */
    bool is_late;     /* the last start took longer than it may */
    unsigned at_once; /* of the last child that was ready */
    double run_us;    /* moving average of run times, < 0 unknown */
    int64_t memory_checked_us, tick_due_us;
    uint64_t spawned, crashed, killed_timeout, killed_memory, recycled;
    char why[160];
};

/* ------------------------------------------------------------------ pool.c */

/* Without argv and without a child yet. */
wh_err wh_pool_new(const wh_executor_setup *s, const wh_executor_kind *kind,
                   const wh_pool_driver *driver, wh_pool **out,
                   wh_errbuf *eb) WH_MUSTCHECK;
/* The functions of wh_executor_kind. */
unsigned wh_pool_capacity(const wh_executor *e);
wh_err wh_pool_submit(wh_executor *e, wh_job *const *jobs, unsigned n);
void wh_pool_cancel(wh_executor *e, wh_job *job, wh_cancel_reason why);
void wh_pool_drain(wh_executor *e);
void wh_pool_stats(const wh_executor *e, wh_executor_stats *out);
void wh_pool_free(wh_executor *e);
void wh_pool_set_slots(wh_executor *e, unsigned slots);
int64_t wh_pool_busy_until(const wh_executor *e);
int64_t wh_pool_memory(const wh_executor *e);
int64_t wh_pool_shed(wh_executor *e, bool end);
/* Tells the dispatcher that capacity or health may have changed. */
void wh_pool_announce(wh_pool *pool);

/* ------------------------------------------------------------ pool_child.c */

/* Starts one; failures are counted and tried again later. */
void wh_pool_child_spawn(wh_pool *pool);
/* Waits without the loop; only before it runs. */
void wh_pool_child_await_ready(wh_pool_child *c, int64_t timeout_ms);
/* For drivers: the child said that it can work, at_once jobs at a time. */
void wh_pool_child_ready(wh_pool_child *c, unsigned at_once);
/* For drivers: it said that it is busy, for so long at most; 0: no longer. */
void wh_pool_child_busy(wh_pool_child *c, int64_t for_ms);
/* Kills it; what becomes of its jobs is decided when it is reaped. */
void wh_pool_child_kill(wh_pool_child *c, wh_pool_fate fate, const char *why);
/* Says goodbye when it is ENDING and has nothing to do. */
void wh_pool_child_end_if_idle(wh_pool_child *c);
/* Writes what is in c->out. */
void wh_pool_child_flush(wh_pool_child *c);
/* Parses c->in; a fault kills the child. */
void wh_pool_child_parse(wh_pool_child *c);
void wh_pool_child_free(wh_pool_child *c);
/* A child is wanted: now, or when the delay after failures is over. */
void wh_pool_child_ensure(wh_pool *pool);
/* The timer behind that. */
void wh_pool_child_on_respawn(void *arg);
/* A start led to nothing. */
void wh_pool_child_failed(wh_pool *pool, const char *why);

/* ------------------------------------------------------------- pool_jobs.c */

/* Jobs that this child takes now. */
unsigned wh_pool_jobs_room(const wh_pool_child *c);
/* How many jobs may queue in one child. */
unsigned wh_pool_jobs_depth(const wh_pool *pool);
/* Gives waiting runs to children; starts children if some are left. */
void wh_pool_jobs_place(wh_pool *pool);
/* For drivers: a handler's result. Frees the run. */
void wh_pool_jobs_result(wh_pool_child *c, wh_run *run, wh_result *r);
/* Ends a run that never started with this verdict, from the loop. */
void wh_pool_jobs_settle(wh_pool *pool, wh_run *run, wh_result_status verdict);
void wh_pool_jobs_on_settle(void *arg);
/* Asks a started run to stop. */
void wh_pool_jobs_stop(wh_pool_child *c, wh_run *run, wh_run_stop why,
                       const char *reason);
/* Results for the runs of a child that was reaped. */
void wh_pool_jobs_bury(wh_pool_child *c, int status);
/* Takes back what has not started from `from` on. */
void wh_pool_jobs_recall(wh_pool_child *c, wh_run *from, wh_run_list *taken);
/* The run that output of this child belongs to, if that is certain. */
wh_job *wh_pool_jobs_speaker(const wh_pool_child *c);

/* ------------------------------------------------------------- pool_tick.c */

void wh_pool_tick_on(void *arg);
/* Starts the timer if there is something to watch. */
void wh_pool_tick_start(wh_pool *pool);

#endif
