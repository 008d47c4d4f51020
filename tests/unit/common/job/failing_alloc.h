/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of this folder: an allocator that fails the n-th allocation, counts
 * all of them, and knows how many blocks are still held. Use it in one test at a
 * time, between failing_alloc_on and failing_alloc_off.
 */
#ifndef WH_TESTS_UNIT_COMMON_JOB_FAILING_ALLOC_H
#define WH_TESTS_UNIT_COMMON_JOB_FAILING_ALLOC_H

#include "common/base/alloc.h"

#include <stdlib.h>

static long failing_alloc_nth, failing_alloc_count, failing_alloc_held;

static int failing_alloc_refuses(void)
{
    return ++failing_alloc_count == failing_alloc_nth;
}

static void *failing_alloc_malloc(size_t size)
{
    void *p = failing_alloc_refuses() ? NULL : malloc(size > 0 ? size : 1);
    failing_alloc_held += p != NULL;
    return p;
}

static void *failing_alloc_realloc(void *old, size_t size)
{
    void *p = failing_alloc_refuses() ? NULL : realloc(old, size > 0 ? size : 1);
    failing_alloc_held += old == NULL && p != NULL;
    return p;
}

static void failing_alloc_free(void *p)
{
    failing_alloc_held -= p != NULL;
    free(p);
}

/* nth 0: none fails, only counts. */
static void failing_alloc_on(long nth)
{
    static const wh_allocator allocator = {failing_alloc_malloc, failing_alloc_realloc,
                                           failing_alloc_free};
    failing_alloc_nth = nth;
    failing_alloc_count = 0;
    failing_alloc_held = 0;
    wh_alloc_set(&allocator);
}

static void failing_alloc_off(void)
{
    wh_alloc_set(NULL);
}

#endif
