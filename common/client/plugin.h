/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ABI of native handlers. A plug-in is a shared object with one exported symbol,
 * wherry_plugin_v1, returning a description. It is loaded in executor child processes
 * (RTLD_NOW | RTLD_LOCAL), never in the worker: a crash, hang, leak or fork costs one
 * attempt of one job.
 *
 *     static int hash(wh_task *t, const void *payload, size_t n) { … return WH_TASK_OK; }
 *     static const wh_handler handlers[] = {{"hash", hash}};
 *     WH_PLUGIN("hash", "1.0", handlers)
 *
 * A handler runs alone in its process; handlers are called one after the other. Nothing
 * given to it outlives the call. The ABI grows at the end of structs only; `size` tells
 * what the other side knows.
 */
#ifndef WHERRY_PLUGIN_H
#define WHERRY_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WH_PLUGIN_ABI 1
#define WH_PLUGIN_SYMBOL "wherry_plugin_v1"

/* What a handler returns. */
enum {
    WH_TASK_OK = 0,
    WH_TASK_RETRY = 1, /* failed; the category decides whether trying again helps */
    WH_TASK_FAIL = 2,  /* failed for good */
    WH_TASK_SNOOZE = 3 /* not now: again after the delay, no attempt used */
};

typedef struct wh_task wh_task;

/* What the handler may ask of the host; all pointers stay valid during the call. */
struct wh_task {
    uint32_t size;
    const char *id; /* 36 characters */
    const char *type, *org, *region, *queue;
    uint32_t attempt, max_attempts, recoveries;
    uint64_t fence; /* grows with each claim of this job: for fencing outside systems */
    int64_t deadline_ms;                               /* time left at the call */
    const char *traceparent, *entity_type, *entity_id; /* "" when absent */
    void *host;

    /* Copies the result (<= 64 KiB). 0, or -1 when it is too big or memory is short. */
    int (*set_result)(wh_task *t, const void *p, size_t n);
    /* category: a word of docs/protocol.md section 5 or a usual error name; may be NULL. */
    void (*set_error)(wh_task *t, const char *category, const char *message,
                      const char *context);
    /* Delay wished for a retry or a snooze. */
    void (*set_delay)(wh_task *t, int64_t delay_ms);
    void (*progress)(wh_task *t, int percent, const char *message);
    void (*log)(wh_task *t, const char *line);
    /* Not 0 once the job was cancelled or its time is up: return soon. */
    int (*is_cancelled)(wh_task *t);

    /* From here on a worker may be older than this header: ask WH_TASK_HAS(t, busy) first. */

    /* What the handler needs is overloaded: the worker claims nothing, of any type, for so
     * long (at most 10 minutes). 0: it may again. Jobs that were claimed before still run. */
    void (*busy)(wh_task *t, int64_t for_ms);
};

/* Does the host of this task know the member? */
#define WH_TASK_HAS(t, member)                                                         \
    ((t)->size >= offsetof(struct wh_task, member) + sizeof((t)->member))

typedef struct wh_handler {
    const char *type; /* "*": any type that no other handler takes */
    int (*run)(wh_task *t, const void *payload, size_t payload_len);
} wh_handler;

typedef struct wh_plugin {
    uint32_t abi; /* WH_PLUGIN_ABI */
    uint32_t size;
    const char *name, *version;
    const wh_handler *handlers;
    size_t n_handlers;
    int (*init)(void); /* once per child process; not 0 refuses to start; may be NULL */
    void (*shutdown)(void); /* may be NULL */
} wh_plugin;

#if defined(__GNUC__)
#define WH_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define WH_PLUGIN_EXPORT
#endif

WH_PLUGIN_EXPORT const wh_plugin *wherry_plugin_v1(void);

#define WH_PLUGIN(name_, version_, handlers_)                                          \
    WH_PLUGIN_EXPORT const wh_plugin *wherry_plugin_v1(void)                           \
    {                                                                                  \
        static const wh_plugin plugin = {                                              \
            WH_PLUGIN_ABI, sizeof(wh_plugin),                                          \
            (name_),       (version_),                                                 \
            (handlers_),   sizeof(handlers_) / sizeof((handlers_)[0]),                 \
            NULL,          NULL};                                                      \
        return &plugin;                                                                \
    }

#ifdef __cplusplus
}
#endif

#endif
