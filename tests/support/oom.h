/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fails the n-th allocation through common/base/alloc and knows how many blocks are
 * still held. A sweep runs the same code with n = 1, 2, … until nothing failed:
 *
 *     for (long n = 1, more = 1; more; n++) {
 *         oom_on(n);  run();  more = oom_off();
 *     }
 */
#ifndef WH_TESTS_SUPPORT_OOM_H
#define WH_TESTS_SUPPORT_OOM_H

#include "common/base/alloc.h"

#include <stdbool.h>
#include <stdlib.h>

static long oom_nth, oom_count, oom_held;

static inline bool oom_refuses(void)
{
    return ++oom_count == oom_nth;
}

static inline void *oom_malloc(size_t size)
{
    void *p = oom_refuses() ? NULL : malloc(size);
    oom_held += p != NULL;
    return p;
}

static inline void *oom_realloc(void *old, size_t size)
{
    void *p = oom_refuses() ? NULL : realloc(old, size);
    oom_held += old == NULL && p != NULL;
    return p;
}

static inline void oom_free(void *p)
{
    oom_held--;
    free(p);
}

/* From now on the n-th allocation fails; 0: none. */
static inline void oom_on(long n)
{
    static const wh_allocator allocator = {oom_malloc, oom_realloc, oom_free};
    oom_nth = n;
    oom_count = 0;
    oom_held = 0;
    wh_alloc_set(&allocator);
}

/* Back to the system's allocator; did an allocation fail? */
static inline bool oom_off(void)
{
    wh_alloc_set(NULL);
    return oom_nth > 0 && oom_count >= oom_nth;
}

#endif
