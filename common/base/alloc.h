/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one door to the heap for all layers: replaceable, so that tests can fail
 * the n-th allocation and applications can bring their own allocator.
 * Nothing here aborts; NULL means out of memory.
 */
#ifndef WH_COMMON_BASE_ALLOC_H
#define WH_COMMON_BASE_ALLOC_H

#include <stddef.h>

typedef struct wh_allocator {
    void *(*malloc_fn)(size_t size);
    void *(*realloc_fn)(void *p, size_t size);
    void (*free_fn)(void *p);
} wh_allocator;

/* Process-wide; call before anything is allocated. NULL restores libc's. */
void wh_alloc_set(const wh_allocator *a);

void *wh_malloc(size_t size);
void *wh_calloc(size_t count, size_t size); /* overflow-checked, zeroed */
void *wh_realloc(void *p, size_t size);
/* Grow an array of `size`-byte elements to at least `want`; *cap is updated. */
void *wh_grow(void *p, size_t *cap, size_t want, size_t size);
void wh_free(void *p);
char *wh_strdup(const char *s);
char *wh_strndup(const char *s, size_t n);
/* n bytes and a NUL behind them. */
void *wh_memdup(const void *p, size_t n);
/* printf into fresh memory; NULL when out of memory. */
char *wh_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
