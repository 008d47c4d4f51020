/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap of all layers behind three replaceable functions. Every size is checked
 * for overflow here, so that callers may multiply through wh_calloc and wh_grow
 * without care. A size of 0 still gives a distinct block: NULL always means "out
 * of memory". Must be set before threads start; nothing here locks.
 */
#include "common/base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROW_MIN = 8 };

static wh_allocator heap = {malloc, realloc, free};

void wh_alloc_set(const wh_allocator *a)
{
    static const wh_allocator libc = {malloc, realloc, free};
    heap = a != NULL ? *a : libc;
}

void *wh_malloc(size_t size)
{
    return heap.malloc_fn(size > 0 ? size : 1);
}

void *wh_calloc(size_t count, size_t size)
{
    if (size > 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    void *p = wh_malloc(count * size);
    if (p != NULL) {
        memset(p, 0, count * size);
    }
    return p;
}

void *wh_realloc(void *p, size_t size)
{
    return heap.realloc_fn(p, size > 0 ? size : 1);
}

void *wh_grow(void *p, size_t *cap, size_t want, size_t size)
{
    if (p != NULL && want <= *cap) {
        return p;
    }
    size_t n = *cap < GROW_MIN ? GROW_MIN : *cap;
    while (n < want) {
        n = n > SIZE_MAX / 2 ? want : n * 2;
    }
    if (size > 0 && n > SIZE_MAX / size) {
        return NULL;
    }
    void *grown = wh_realloc(p, n * size);
    if (grown != NULL) {
        *cap = n;
    }
    return grown;
}

void wh_free(void *p)
{
    if (p != NULL) {
        heap.free_fn(p);
    }
}

char *wh_strdup(const char *s)
{
    return wh_memdup(s, strlen(s));
}

char *wh_strndup(const char *s, size_t n)
{
    return wh_memdup(s, strnlen(s, n));
}

void *wh_memdup(const void *p, size_t n)
{
    if (n == SIZE_MAX) {
        return NULL;
    }
    char *copy = wh_malloc(n + 1);
    if (copy != NULL) {
        if (n > 0) {
            memcpy(copy, p, n);
        }
        copy[n] = '\0';
    }
    return copy;
}

char *wh_asprintf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        return NULL;
    }
    size_t size = (size_t)n + 1;
    char *s = wh_malloc(size);
    if (s == NULL) {
        return NULL;
    }
    va_start(ap, fmt);
    (void)vsnprintf(s, size, fmt, ap);
    va_end(ap);
    return s;
}
