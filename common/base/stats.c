/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics registry. A family keeps its series in an array (order of printing)
 * and finds them by an open-addressing table of indices over a hash of the label
 * values, so that the hot path neither allocates nor renders anything.
 *
 * Invariants: series[0] of a family always exists: it is the only one of a family
 * without labels, else the one whose values are all "other", which stands in when
 * the family is full or memory is short; it is printed once it was asked for. A
 * series' memory lives as long as the registry: _clear puts the blocks on a spare
 * list, from which new series are made, so a pointer kept over a _clear is safe to
 * use but may count for something else.
 */
#include "common/base/stats.h"

#include "common/base/alloc.h"
#include "common/base/stats_internal.h"

#include <math.h>
#include <string.h>

enum { LABELS_MAX = WH_STATS_LABELS_MAX, SERIES_MAX = 2000, TABLE_MIN = 16 };

const double wh_stats_time_bounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                       0.1,    0.25,  0.5,    1,     2.5,  5,     10,
                                       30,     60,    120,    300,   600,  1800,  3600};
const size_t wh_stats_n_time_bounds =
    sizeof wh_stats_time_bounds / sizeof wh_stats_time_bounds[0];

/* ---- registry and families ---- */

static void series_free(wh_stats_series *m)
{
    if (m != NULL) {
        wh_free(m->values);
        wh_free(m);
    }
}

static void family_free(wh_stats_family *f)
{
    if (f == NULL) {
        return;
    }
    for (size_t i = 0; i < f->n_series; i++) {
        series_free(f->series[i]);
    }
    while (f->spare != NULL) {
        wh_stats_series *next = f->spare->next_spare;
        series_free(f->spare);
        f->spare = next;
    }
    wh_free(f->series);
    wh_free(f->table);
    wh_free(f);
}

wh_err wh_stats_new(wh_stats **out)
{
    static const wh_stats_desc dropped = {
        .name = "wherry_metrics_series_dropped_total",
        .help = "Lookups of metrics series that a full family counted as \"other\".",
        .type = WH_STATS_COUNTER};

    *out = NULL;
    wh_stats *s = wh_calloc(1, sizeof *s);
    if (s == NULL) {
        return WH_ENOMEM;
    }
    wh_stats_family *f = NULL;
    wh_err err = wh_stats_family_add(s, &dropped, &f);
    if (err != WH_OK) {
        wh_stats_free(s);
        return err;
    }
    s->dropped = wh_stats_series_get(f, NULL, NULL, NULL);
    *out = s;
    return WH_OK;
}

void wh_stats_free(wh_stats *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->n_families; i++) {
        family_free(s->families[i]);
    }
    wh_free(s->families);
    wh_free(s);
}

static bool is_name(const char *s, bool allow_colon)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    if (s == NULL || s[0] == '\0') {
        return false;
    }
    for (size_t i = 0; s[i] != '\0'; i++) {
        bool ok = strchr(first, s[i]) != NULL ||
                  (i > 0 && s[i] >= '0' && s[i] <= '9') || (allow_colon && s[i] == ':');
        if (!ok) {
            return false;
        }
    }
    return true;
}

static bool has_good_bounds(const wh_stats_desc *d)
{
    if (d->type != WH_STATS_HISTOGRAM) {
        return d->n_bounds == 0;
    }
    if (d->bounds == NULL || d->n_bounds == 0) {
        return false;
    }
    for (size_t i = 0; i < d->n_bounds; i++) {
        if (!isfinite(d->bounds[i]) || (i > 0 && d->bounds[i] <= d->bounds[i - 1])) {
            return false;
        }
    }
    return true;
}

/* Copies the label names; false when there are too many or one is unfit. */
static bool take_labels(wh_stats_family *f, const wh_stats_desc *d)
{
    for (size_t i = 0; d->labels != NULL && d->labels[i] != NULL; i++) {
        if (i == LABELS_MAX || !is_name(d->labels[i], false) ||
            (d->type == WH_STATS_HISTOGRAM && strcmp(d->labels[i], "le") == 0)) {
            return false;
        }
        f->labels[i] = d->labels[i];
        f->n_labels = i + 1;
    }
    return true;
}

static bool is_known(const wh_stats *s, const char *name)
{
    for (size_t i = 0; i < s->n_families; i++) {
        if (strcmp(s->families[i]->desc.name, name) == 0) {
            return true;
        }
    }
    return false;
}

static wh_stats_series *add_series(wh_stats_family *f, const char *const *values,
                                   uint64_t hash);
static uint64_t hash_values(const wh_stats_family *f, const char *const *values);

wh_err wh_stats_family_add(wh_stats *s, const wh_stats_desc *d, wh_stats_family **out)
{
    static const char *const others[LABELS_MAX] = {"other", "other", "other"};

    *out = NULL;
    if (!is_name(d->name, true) || d->help == NULL || !has_good_bounds(d) ||
        is_known(s, d->name)) {
        return WH_EINVAL;
    }
    wh_stats_family *f = wh_calloc(1, sizeof *f);
    if (f == NULL) {
        return WH_ENOMEM;
    }
    wh_err err = WH_EINVAL;
    f->owner = s;
    f->desc = *d;
    f->max_series = d->max_series > 0 ? d->max_series : SERIES_MAX;
    if (!take_labels(f, d)) {
        goto fail;
    }
    err = WH_ENOMEM;
    wh_stats_series *first = add_series(f, others, hash_values(f, others));
    if (first == NULL) {
        goto fail;
    }
    first->is_shown = f->n_labels == 0;
    wh_stats_family **grown =
        wh_grow(s->families, &s->cap_families, s->n_families + 1, sizeof(void *));
    if (grown == NULL) {
        goto fail;
    }
    s->families = grown;
    s->families[s->n_families++] = f;
    *out = f;
    return WH_OK;
fail:
    family_free(f);
    return err;
}

/* ---- series ---- */

static size_t label_count(const wh_stats_family *f)
{
    WH_ASSERT(f->n_labels <= LABELS_MAX);
    return f->n_labels;
}

static uint64_t hash_values(const wh_stats_family *f, const char *const *values)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
    size_t n = label_count(f);
    for (size_t i = 0; i < n; i++) {
        const unsigned char *p = (const unsigned char *)values[i];
        do {
            h = (h ^ *p) * UINT64_C(1099511628211);
        } while (*p++ != '\0');
    }
    return h ^ (h >> 32U);
}

static bool has_values(const wh_stats_series *m, const char *const *values)
{
    const char *at = m->values;
    size_t n = label_count(m->family);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(at, values[i]) != 0) {
            return false;
        }
        at += strlen(at) + 1;
    }
    return true;
}

static wh_stats_series *find(const wh_stats_family *f, const char *const *values,
                             uint64_t hash)
{
    size_t mask = f->table_size - 1;
    for (size_t at = hash & mask; f->table[at] != 0; at = (at + 1) & mask) {
        wh_stats_series *m = f->series[f->table[at] - 1];
        if (m->hash == hash && has_values(m, values)) {
            return m;
        }
    }
    return NULL;
}

static void table_put(uint32_t *table, size_t size, uint64_t hash, size_t index)
{
    size_t mask = size - 1;
    size_t at = hash & mask;
    while (table[at] != 0) {
        at = (at + 1) & mask;
    }
    table[at] = (uint32_t)index + 1;
}

/* Makes room for one more series in array and table; false when out of memory. */
static bool make_room(wh_stats_family *f)
{
    if (f->n_series + 1 > UINT32_MAX / 2) {
        return false;
    }
    wh_stats_series **grown =
        wh_grow(f->series, &f->cap_series, f->n_series + 1, sizeof(void *));
    if (grown == NULL) {
        return false;
    }
    f->series = grown;
    if ((f->n_series + 1) * 2 <= f->table_size) {
        return true;
    }
    size_t size = f->table_size > 0 ? f->table_size * 2 : TABLE_MIN;
    uint32_t *table = wh_calloc(size, sizeof *table);
    if (table == NULL) {
        return false;
    }
    for (size_t i = 0; i < f->n_series; i++) {
        table_put(table, size, f->series[i]->hash, i);
    }
    wh_free(f->table);
    f->table = table;
    f->table_size = size;
    return true;
}

static void series_reset(wh_stats_series *m)
{
    m->value = 0;
    m->count = 0;
    memset(m->buckets, 0, m->family->desc.n_bounds * sizeof m->buckets[0]);
}

static char *join_values(const wh_stats_family *f, const char *const *values)
{
    wh_buf b = {0};
    size_t n = label_count(f);
    for (size_t i = 0; i < n; i++) {
        wh_buf_add(&b, values[i], strlen(values[i]) + 1);
    }
    return wh_buf_take(&b);
}

static wh_stats_series *add_series(wh_stats_family *f, const char *const *values,
                                   uint64_t hash)
{
    if (!make_room(f)) {
        return NULL;
    }
    char *joined = join_values(f, values);
    if (joined == NULL) {
        return NULL;
    }
    wh_stats_series *m = f->spare;
    if (m != NULL) {
        f->spare = m->next_spare;
        wh_free(m->values);
    } else {
        m = wh_calloc(1, sizeof *m + f->desc.n_bounds * sizeof m->buckets[0]);
        if (m == NULL) {
            wh_free(joined);
            return NULL;
        }
    }
    m->family = f;
    m->next_spare = NULL;
    m->values = joined;
    m->hash = hash;
    m->is_shown = true;
    series_reset(m);
    table_put(f->table, f->table_size, hash, f->n_series);
    f->series[f->n_series++] = m;
    return m;
}

wh_stats_series *wh_stats_series_get(wh_stats_family *f, const char *v1, const char *v2,
                                     const char *v3)
{
    const char *values[LABELS_MAX] = {v1 != NULL ? v1 : "", v2 != NULL ? v2 : "",
                                      v3 != NULL ? v3 : ""};
    uint64_t hash = hash_values(f, values);
    wh_stats_series *m = find(f, values, hash);
    if (m == NULL && f->n_series - 1 < f->max_series) {
        m = add_series(f, values, hash);
    }
    if (m == NULL) {
        m = f->series[0];
        wh_stats_add(f->owner->dropped, 1);
    }
    m->is_shown = true;
    return m;
}

void wh_stats_family_clear(wh_stats_family *f)
{
    for (size_t i = 1; i < f->n_series; i++) {
        f->series[i]->next_spare = f->spare;
        f->spare = f->series[i];
    }
    f->n_series = 1;
    f->series[0]->is_shown = false;
    series_reset(f->series[0]);
    memset(f->table, 0, f->table_size * sizeof *f->table);
    table_put(f->table, f->table_size, f->series[0]->hash, 0);
}

/* ---- values ---- */

void wh_stats_add(wh_stats_series *m, double v)
{
    if (m == NULL || isnan(v) || m->family->desc.type == WH_STATS_HISTOGRAM ||
        (v < 0 && m->family->desc.type == WH_STATS_COUNTER)) {
        return;
    }
    m->value += v;
}

void wh_stats_set(wh_stats_series *m, double v)
{
    if (m != NULL && m->family->desc.type == WH_STATS_GAUGE) {
        m->value = v;
    }
}

void wh_stats_observe(wh_stats_series *m, double v)
{
    if (m == NULL || isnan(v) || m->family->desc.type != WH_STATS_HISTOGRAM) {
        return;
    }
    const wh_stats_desc *d = &m->family->desc;
    size_t low = 0;
    size_t high = d->n_bounds; /* = beyond the last bound: only in +Inf */
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (v <= d->bounds[mid]) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    if (low < d->n_bounds) {
        m->buckets[low]++;
    }
    m->count++;
    m->value += v;
}

double wh_stats_value(const wh_stats_series *m)
{
    if (m == NULL) {
        return 0;
    }
    return m->family->desc.type == WH_STATS_HISTOGRAM ? (double)m->count : m->value;
}

double wh_stats_quantile(const wh_stats_series *m, double q)
{
    if (m == NULL || m->count == 0 || !(q >= 0) || q > 1) {
        return -1;
    }
    const wh_stats_desc *d = &m->family->desc;
    double rank = q * (double)m->count;
    double below = 0;
    for (size_t i = 0; i < d->n_bounds; i++) {
        double in = (double)m->buckets[i];
        if (in > 0 && below + in >= rank) {
            double low = i > 0 ? d->bounds[i - 1] : 0;
            if (low > d->bounds[i]) {
                return d->bounds[i]; /* a first bound below 0 has no lower end */
            }
            return low + (d->bounds[i] - low) * ((rank - below) / in);
        }
        below += in;
    }
    return d->bounds[d->n_bounds - 1];
}
