/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry as Prometheus text, format 0.0.4: one HELP and TYPE line per family
 * that has something to show, families and series in the order they were made,
 * histogram buckets cumulative with +Inf last. Label values are escaped and made
 * valid UTF-8 here, whatever was put in.
 */
#include "common/base/stats_internal.h"

#include <string.h>

static void add_escaped(wh_buf *b, const char *s, bool quote)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n;) {
        size_t len = wh_buf_utf8_len(s + i, n - i);
        if (len == 0) {
            wh_buf_adds(b, "\xEF\xBF\xBD");
            len = 1;
        } else if (s[i] == '\n') {
            wh_buf_adds(b, "\\n");
        } else {
            if (s[i] == '\\' || (quote && s[i] == '"')) {
                wh_buf_addc(b, '\\');
            }
            wh_buf_add(b, s + i, len);
        }
        i += len;
    }
}

/* {queue="mail",le="0.5"} or nothing; le NULL: without that label. */
static void add_labels(wh_buf *b, const wh_stats_series *m, const char *le)
{
    const wh_stats_family *f = m->family;
    const char *value = m->values;
    char before = '{';
    for (size_t i = 0; i < f->n_labels; i++) {
        wh_buf_addc(b, before);
        wh_buf_adds(b, f->labels[i]);
        wh_buf_adds(b, "=\"");
        add_escaped(b, value, true);
        wh_buf_addc(b, '"');
        value += strlen(value) + 1;
        before = ',';
    }
    if (le != NULL) {
        wh_buf_addf(b, "%cle=\"%s\"", before, le);
        before = ',';
    }
    if (before == ',') {
        wh_buf_addc(b, '}');
    }
}

static void add_count(wh_buf *b, const wh_stats_series *m, const char *suffix,
                      const char *le, uint64_t count)
{
    wh_buf_adds(b, m->family->desc.name);
    wh_buf_adds(b, suffix);
    add_labels(b, m, le);
    wh_buf_addc(b, ' ');
    wh_buf_addi(b, (int64_t)count);
    wh_buf_addc(b, '\n');
}

static void add_value(wh_buf *b, const wh_stats_series *m, const char *suffix)
{
    wh_buf_adds(b, m->family->desc.name);
    wh_buf_adds(b, suffix);
    add_labels(b, m, NULL);
    wh_buf_addc(b, ' ');
    wh_buf_add_double(b, m->value);
    wh_buf_addc(b, '\n');
}

static void add_histogram(wh_buf *b, const wh_stats_series *m)
{
    const wh_stats_desc *d = &m->family->desc;
    wh_buf le = {0};
    uint64_t sum = 0;
    for (size_t i = 0; i < d->n_bounds; i++) {
        sum += m->buckets[i];
        wh_buf_clear(&le);
        wh_buf_add_double(&le, d->bounds[i]);
        b->failed = b->failed || !wh_buf_ok(&le);
        add_count(b, m, "_bucket", wh_buf_str(&le), sum);
    }
    wh_buf_fini(&le);
    add_count(b, m, "_bucket", "+Inf", m->count);
    add_value(b, m, "_sum");
    add_count(b, m, "_count", NULL, m->count);
}

static void add_head(wh_buf *b, const wh_stats_family *f)
{
    static const char *const types[] = {[WH_STATS_COUNTER] = "counter",
                                        [WH_STATS_GAUGE] = "gauge",
                                        [WH_STATS_HISTOGRAM] = "histogram"};
    wh_buf_addf(b, "# HELP %s ", f->desc.name);
    add_escaped(b, f->desc.help, false);
    wh_buf_addf(b, "\n# TYPE %s %s\n", f->desc.name, types[f->desc.type]);
}

void wh_stats_print(const wh_stats *s, wh_buf *out)
{
    for (size_t i = 0; i < s->n_families; i++) {
        const wh_stats_family *f = s->families[i];
        bool has_head = false;
        for (size_t j = 0; j < f->n_series; j++) {
            const wh_stats_series *m = f->series[j];
            if (!m->is_shown) {
                continue;
            }
            if (!has_head) {
                add_head(out, f);
                has_head = true;
            }
            if (f->desc.type == WH_STATS_HISTOGRAM) {
                add_histogram(out, m);
            } else {
                add_value(out, m, "");
            }
        }
    }
}
