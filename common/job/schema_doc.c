/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of values of a document, the names of its objects sorted, and the text
 * that could not be borrowed. Filled by schema_json and schema_msgpack, looked at by
 * everything else of schema. Invariants: names within an object are unique; a value's
 * `next` is above its own place; nothing nests deeper than depth_max.
 */
#include "common/job/schema_doc.h"

#include "common/base/alloc.h"

#include <math.h>
#include <string.h>

enum { COMPARE_COST = 2, DOUBLE_COST = 100 }; /* steps, see schema.c */
#define EXACT_MAX INT64_C(9007199254740992)   /* 2^53: all whole doubles up to there */

struct wh_schema_doc_block {
    struct wh_schema_doc_block *next;
    size_t used, size;
    char data[];
};

void wh_schema_doc_init(wh_schema_doc *d, unsigned depth_max)
{
    WH_ASSERT(depth_max <= WH_SCHEMA_DOC_DEPTH_LIMIT);
    d->values = d->small_values;
    d->order = d->small_order;
    d->values_cap = WH_SCHEMA_DOC_SMALL;
    d->order_cap = WH_SCHEMA_DOC_SMALL / 2;
    d->count = d->order_count = 0;
    d->blocks = NULL;
    d->open = WH_SCHEMA_NONE;
    d->depth = 0;
    d->depth_max = depth_max;
    d->work = UINT64_MAX;
    d->fault = NULL;
}

void wh_schema_doc_fini(wh_schema_doc *d)
{
    if (d->values != d->small_values) {
        wh_free(d->values);
    }
    if (d->order != d->small_order) {
        wh_free(d->order);
    }
    while (d->blocks != NULL) {
        struct wh_schema_doc_block *block = d->blocks;
        d->blocks = block->next;
        wh_free(block);
    }
    wh_schema_doc_init(d, d->depth_max);
}

/* Like wh_grow, but the first `used` elements may lie in `small`. */
static void *grow(void *p, const void *small, size_t *cap, size_t used, size_t size)
{
    if (p != small) {
        return wh_grow(p, cap, used + 1, size);
    }
    size_t fresh_cap = *cap * 4;
    void *fresh = wh_malloc(fresh_cap * size);
    if (fresh != NULL) {
        memcpy(fresh, p, used * size);
        *cap = fresh_cap;
    }
    return fresh;
}

/* The number of names is half the number of values at most: checked by their limit. */
static wh_err add_order(wh_schema_doc *d, uint32_t name)
{
    if (d->order_count == d->order_cap) {
        uint32_t *order = grow(d->order, d->small_order, &d->order_cap, d->order_count,
                               sizeof *order);
        if (order == NULL) {
            return WH_ENOMEM;
        }
        d->order = order;
    }
    d->order[d->order_count++] = name;
    return WH_OK;
}

static wh_err too_big(wh_schema_doc *d, const char *fault)
{
    d->fault = fault;
    return WH_ETOOBIG;
}

wh_err wh_schema_doc_add(wh_schema_doc *d, const wh_schema_value *v)
{
    if (d->count == WH_SCHEMA_DOC_VALUES_MAX) {
        return too_big(d, "holds too many values");
    }
    if (d->count == d->values_cap) {
        wh_schema_value *values =
            grow(d->values, d->small_values, &d->values_cap, d->count, sizeof *values);
        if (values == NULL) {
            return WH_ENOMEM;
        }
        d->values = values;
    }
    wh_schema_value *added = &d->values[d->count++];
    *added = *v;
    added->next = d->count;
    added->parent = d->open;
    if (d->open != WH_SCHEMA_NONE) {
        d->values[d->open].n++; /* of an OBJECT: halved when it closes */
    }
    return WH_OK;
}

wh_err wh_schema_doc_open(wh_schema_doc *d, wh_schema_kind kind)
{
    if (d->depth == d->depth_max) {
        return too_big(d, "nests too deep");
    }
    wh_err err = wh_schema_doc_add(d, &(wh_schema_value){.kind = (uint8_t)kind});
    if (err == WH_OK) {
        d->open = d->count - 1;
        d->depth++;
    }
    return err;
}

static int compare_bytes(const wh_schema_value *a, const char *p, size_t n)
{
    size_t common = a->n < n ? a->n : n;
    int order = common > 0 ? memcmp(a->u.p, p, common) : 0;
    return order != 0 ? order : (a->n > n) - (a->n < n);
}

/* ------------------------------------------------------------------ sorting */

typedef struct sorting {
    const wh_schema_doc *doc;
    uint64_t cost, work; /* taken, and what may be */
} sorting;

static int compare_items(sorting *s, uint32_t a, uint32_t b)
{
    return wh_schema_doc_compare((wh_schema_spot){s->doc, a},
                                 (wh_schema_spot){s->doc, b}, &s->cost);
}

static void sift_down(sorting *s, uint32_t *items, size_t root, size_t n)
{
    for (size_t child = root * 2 + 1; child < n; child = root * 2 + 1) {
        if (child + 1 < n && compare_items(s, items[child], items[child + 1]) < 0) {
            child++;
        }
        if (compare_items(s, items[root], items[child]) >= 0) {
            return;
        }
        uint32_t item = items[root];
        items[root] = items[child];
        items[child] = item;
        root = child;
    }
}

/* Heapsort: no input makes it slow, and it needs no memory. */
static void sort(sorting *s, uint32_t *items, size_t n)
{
    for (size_t i = n / 2; i-- > 0 && s->cost <= s->work;) {
        sift_down(s, items, i, n);
    }
    for (size_t i = n - 1; i > 0 && s->cost <= s->work; i--) {
        uint32_t item = items[0];
        items[0] = items[i];
        items[i] = item;
        sift_down(s, items, 0, i);
    }
}

bool wh_schema_doc_sort(const wh_schema_doc *d, uint32_t *items, size_t n,
                        uint64_t *work)
{
    sorting s = {.doc = d, .work = *work};
    uint64_t looks = 2 * (uint64_t)n; /* of sort(), about */
    bool is_sorted = true;
    for (size_t i = 1; i < n && is_sorted && s.cost <= s.work; i++) {
        is_sorted = compare_items(&s, items[i - 1], items[i]) <= 0;
    }
    for (size_t i = n; i > 1; i /= 2) {
        looks += 2 * (uint64_t)n;
    }
    if (!is_sorted && s.cost + looks * COMPARE_COST > s.work) {
        s.cost = s.work + 1; /* not begun when it can't be finished */
    } else if (!is_sorted) {
        sort(&s, items, n);
    }
    bool is_done = s.cost <= s.work;
    *work = is_done ? s.work - s.cost : 0;
    return is_done;
}

static wh_err close_object(wh_schema_doc *d, uint32_t at)
{
    uint32_t first = d->order_count;
    for (uint32_t name = at + 1; name < d->count; name = d->values[name + 1].next) {
        wh_err err = add_order(d, name);
        if (err != WH_OK) {
            return err;
        }
    }
    d->values[at].x.order = first;
    d->values[at].n = d->order_count - first;
    uint32_t *names = &d->order[first];
    size_t n = d->order_count - first;
    if (!wh_schema_doc_sort(d, names, n, &d->work)) {
        return too_big(d, "has too many members whose names are in no order");
    }
    for (size_t i = 1; i < n; i++) {
        const wh_schema_value *name = &d->values[names[i]];
        if (compare_bytes(&d->values[names[i - 1]], name->u.p, name->n) == 0) {
            return WH_EBADDATA;
        }
    }
    return WH_OK;
}

wh_err wh_schema_doc_close(wh_schema_doc *d)
{
    uint32_t at = d->open;
    d->values[at].next = d->count;
    d->open = d->values[at].parent;
    d->depth--;
    return d->values[at].kind == WH_SCHEMA_OBJECT ? close_object(d, at) : WH_OK;
}

/* ------------------------------------------------------------ text, numbers */

char *wh_schema_doc_text(wh_schema_doc *d, size_t n)
{
    enum { BLOCK = 4000 };
    if (d->blocks == NULL || d->blocks->size - d->blocks->used < n) {
        size_t size = n > BLOCK ? n : BLOCK;
        struct wh_schema_doc_block *block = wh_malloc(sizeof *block + size);
        if (block == NULL) {
            return NULL;
        }
        *block = (struct wh_schema_doc_block){.next = d->blocks, .size = size};
        d->blocks = block;
    }
    char *text = d->blocks->data + d->blocks->used;
    d->blocks->used += n;
    return text;
}

wh_err wh_schema_doc_add_number(wh_schema_doc *d, const char *p, size_t n)
{
    wh_schema_number number;
    int64_t integer = 0;
    char small[WH_SCHEMA_NUMBER_TEXT];
    char *digits = n <= sizeof small ? small : wh_schema_doc_text(d, n);
    if (digits == NULL) {
        return WH_ENOMEM;
    }
    if (!wh_schema_number_read(p, n, digits, &number)) {
        return too_big(d, number.n > WH_SCHEMA_NUMBER_POINT_MAX
                              ? "a number has more than 9999 digits"
                              : "a number's exponent is beyond 9999");
    }
    if (wh_schema_number_to_integer(&number, &integer)) {
        return wh_schema_doc_add(
            d, &(wh_schema_value){.kind = WH_SCHEMA_INTEGER, .u.integer = integer});
    }
    if (digits == small) {
        digits = wh_schema_doc_text(d, number.n);
        if (digits == NULL) {
            return WH_ENOMEM;
        }
        memcpy(digits, small, number.n);
    }
    return wh_schema_doc_add(d, &(wh_schema_value){.kind = WH_SCHEMA_DECIMAL,
                                                   .u.p = digits,
                                                   .n = number.n,
                                                   .x.exponent = number.exponent,
                                                   .negative = number.negative});
}

wh_err wh_schema_doc_add_double(wh_schema_doc *d, double real)
{
    double whole = 0, part = modf(real, &whole); /* not trunc: that one is in libm */
    bool is_whole = !(part < 0) && !(part > 0);
    if (is_whole && fabs(real) <= (double)EXACT_MAX) {
        return wh_schema_doc_add(d, &(wh_schema_value){.kind = WH_SCHEMA_INTEGER,
                                                       .u.integer = (int64_t)real});
    }
    return wh_schema_doc_add(d, &(wh_schema_value){.kind = WH_SCHEMA_DECIMAL,
                                                   .u.real = real,
                                                   .x.exponent = is_whole ? 0 : -1,
                                                   .is_double = true});
}

void wh_schema_doc_number(const wh_schema_value *v, char digits[WH_SCHEMA_NUMBER_TEXT],
                          wh_schema_number *out, uint64_t *cost)
{
    char text[WH_SCHEMA_NUMBER_TEXT];
    if (v->is_double) {
        *cost += DOUBLE_COST;
        size_t n = wh_schema_number_of_double(v->u.real, text);
        (void)wh_schema_number_read(text, n, digits, out); /* no double is too far */
        return;
    }
    if (v->kind == WH_SCHEMA_INTEGER) {
        wh_schema_number_of_integer(v->u.integer, digits, out);
        return;
    }
    *out = (wh_schema_number){.digits = v->u.p,
                              .n = v->n,
                              .exponent = v->x.exponent,
                              .negative = v->negative};
}

/* --------------------------------------------------------- finding, comparing */

uint32_t wh_schema_doc_find(const wh_schema_doc *d, uint32_t object, const char *name,
                            size_t n)
{
    const uint32_t *names = &d->order[d->values[object].x.order];
    uint32_t low = 0, high = d->values[object].n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare_bytes(&d->values[names[middle]], name, n);
        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return WH_SCHEMA_NONE;
}

uint32_t wh_schema_doc_get(const wh_schema_doc *d, uint32_t object, const char *name,
                           size_t n)
{
    uint32_t i = wh_schema_doc_find(d, object, name, n);
    return i == WH_SCHEMA_NONE ? i : d->order[d->values[object].x.order + i] + 1;
}

bool wh_schema_doc_is_text(const wh_schema_value *v, const char *text)
{
    return v->kind == WH_SCHEMA_STRING && compare_bytes(v, text, strlen(text)) == 0;
}

/* Is it the same number as a double? Then doubles compare as their decimals do. */
static bool to_double(const wh_schema_value *v, double *out)
{
    if (v->is_double) {
        *out = v->u.real;
        return true;
    }
    *out = (double)v->u.integer;
    return v->kind == WH_SCHEMA_INTEGER && v->u.integer <= EXACT_MAX &&
           v->u.integer >= -EXACT_MAX;
}

static int compare_numbers(const wh_schema_value *a, const wh_schema_value *b,
                           uint64_t *cost)
{
    double a_real = 0, b_real = 0;
    char a_digits[WH_SCHEMA_NUMBER_TEXT], b_digits[WH_SCHEMA_NUMBER_TEXT];
    wh_schema_number a_number, b_number;
    if (a->kind == WH_SCHEMA_INTEGER && b->kind == WH_SCHEMA_INTEGER) {
        return (a->u.integer > b->u.integer) - (a->u.integer < b->u.integer);
    }
    if (to_double(a, &a_real) && to_double(b, &b_real)) {
        return (a_real > b_real) - (a_real < b_real);
    }
    wh_schema_doc_number(a, a_digits, &a_number, cost);
    wh_schema_doc_number(b, b_digits, &b_number, cost);
    return wh_schema_number_compare(&a_number, &b_number);
}

static int compare_arrays(wh_schema_spot a, wh_schema_spot b, uint64_t *cost)
{
    uint32_t n = a.doc->values[a.at].n, b_n = b.doc->values[b.at].n;
    int order = (n > b_n) - (n < b_n);
    a.at++;
    b.at++;
    for (uint32_t i = 0; i < n && order == 0; i++) {
        order = wh_schema_doc_compare(a, b, cost);
        a.at = a.doc->values[a.at].next;
        b.at = b.doc->values[b.at].next;
    }
    return order;
}

static int compare_objects(wh_schema_spot a, wh_schema_spot b, uint64_t *cost)
{
    const wh_schema_value *object = &a.doc->values[a.at], *other = &b.doc->values[b.at];
    int order = (object->n > other->n) - (object->n < other->n);
    for (uint32_t i = 0; i < object->n && order == 0; i++) {
        a.at = a.doc->order[object->x.order + i];
        b.at = b.doc->order[other->x.order + i];
        *cost += COMPARE_COST;
        order = wh_schema_doc_compare(a, b, cost);
        a.at++;
        b.at++;
        order = order != 0 ? order : wh_schema_doc_compare(a, b, cost);
    }
    return order;
}

/* Recurses no deeper than the documents nest. */
int wh_schema_doc_compare(wh_schema_spot a, wh_schema_spot b, uint64_t *cost)
{
    const wh_schema_value *v = &a.doc->values[a.at], *w = &b.doc->values[b.at];
    *cost += COMPARE_COST;
    bool numbers = (v->kind == WH_SCHEMA_INTEGER || v->kind == WH_SCHEMA_DECIMAL) &&
                   (w->kind == WH_SCHEMA_INTEGER || w->kind == WH_SCHEMA_DECIMAL);
    if (v->kind != w->kind && !numbers) {
        return v->kind < w->kind ? -1 : 1;
    }
    switch ((wh_schema_kind)v->kind) {
    case WH_SCHEMA_NULL:
    case WH_SCHEMA_FALSE:
    case WH_SCHEMA_TRUE:
        return 0;
    case WH_SCHEMA_INTEGER:
    case WH_SCHEMA_DECIMAL:
        *cost += (v->n < w->n ? v->n : w->n) / 8;
        return compare_numbers(v, w, cost);
    case WH_SCHEMA_STRING:
    case WH_SCHEMA_BINARY:
    case WH_SCHEMA_EXTENSION:
        *cost += (v->n < w->n ? v->n : w->n) / 8;
        return compare_bytes(v, w->u.p, w->n);
    case WH_SCHEMA_ARRAY:
        return compare_arrays(a, b, cost);
    case WH_SCHEMA_OBJECT:
        return compare_objects(a, b, cost);
    }
    return 0;
}
