/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at the memory of a child and of all that it started; called once a second by
 * pool_tick and command, and costs nothing without a limit.
 */
#include "worker/executors/memory.h"

#include <stdio.h>

static void format_size(int64_t bytes, char *out, size_t size)
{
    if (bytes >= 1024 * 1024) {
        (void)snprintf(out, size, "%lld MiB", (long long)(bytes / (1024 * 1024)));
    } else {
        (void)snprintf(out, size, "%lld KiB", (long long)(bytes / 1024));
    }
}

wh_memory_verdict wh_memory_check(const wh_child *process, int64_t limit, char *text,
                                  size_t size)
{
    char is[32];
    char may[32];
    int64_t rss = limit > 0 ? wh_child_rss(process) : -1;
    if (rss > limit) { /* many that share pages may look like more than they are */
        rss = wh_child_pss(process);
    }
    if (rss <= limit) {
        return WH_MEMORY_FINE;
    }
    if (rss / 2 <= limit) {
        return WH_MEMORY_RECYCLE;
    }
    format_size(rss, is, sizeof is);
    format_size(limit, may, sizeof may);
    (void)snprintf(text, size, "killed: resident memory %s over twice the limit of %s",
                   is, may);
    return WH_MEMORY_KILL;
}
