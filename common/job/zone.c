/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A zone is one block of memory: the head, then the table's columns. The bytes come from
 * outside: every count is checked against what is left of them before it is used, every
 * index before it is kept. Instants at and behind the table's last change follow the rule.
 */
#include "common/job/zone.h"

#include "common/base/alloc.h"
#include "common/job/civil.h"
#include "common/job/zone_rule.h"

#include <stdio.h>
#include <string.h>

enum { HEADER = 44, TYPE_SIZE = 6, TYPES_MAX = 256, V1 = 4, V2 = 8 };
#define INSTANT_MAX (INT64_C(1) << 60) /* writers of TZif stay within ±2^59 */

typedef struct local_type {
    int32_t offset_s;
    uint8_t is_dst;
    uint8_t name; /* where its abbreviation starts */
} local_type;

struct wh_zone {
    wh_zone_rule rule;
    bool has_rule;
    size_t n_changes;
    int64_t *at_s;     /* ascending */
    local_type *types; /* [0] also holds before the first change */
    uint8_t *type_of;  /* from at_s[i] on */
    char *names;       /* each ends with a NUL */
};

/* The counts of a header, and where its block's columns start. */
typedef struct block {
    uint32_t n_ut, n_std, n_leaps, n_changes, n_types, n_chars;
    size_t time_size;
    const uint8_t *changes, *type_of, *types, *chars, *end;
} block;

/* ---- reading ---- */

static uint32_t read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int32_t read_i32(const uint8_t *p)
{
    uint32_t bits = read_u32(p);
    return bits <= INT32_MAX ? (int32_t)bits : -(int32_t)(UINT32_MAX - bits) - 1;
}

static int64_t read_instant(const uint8_t *p, size_t size)
{
    if (size == V1) {
        return read_i32(p);
    }
    return (int64_t)read_i32(p) * (INT64_C(1) << 32) + (int64_t)read_u32(p + 4);
}

static wh_err malformed(wh_errbuf *eb, const char *why)
{
    return wh_err_set(eb, WH_EINVAL, "time zone: %s", why);
}

/* Reads the header at p and finds the columns behind it. */
static wh_err read_block(const uint8_t *p, size_t n, size_t time_size, block *b,
                         wh_errbuf *eb)
{
    if (n < HEADER || memcmp(p, "TZif", 4) != 0) {
        return malformed(eb, "these bytes are no TZif data (they begin with \"TZif\")");
    }
    *b = (block){.n_ut = read_u32(p + 20),
                 .n_std = read_u32(p + 24),
                 .n_leaps = read_u32(p + 28),
                 .n_changes = read_u32(p + 32),
                 .n_types = read_u32(p + 36),
                 .n_chars = read_u32(p + 40),
                 .time_size = time_size};
    /* Six counts of 32 bits, each times at most 12: no overflow in 64 bits. */
    uint64_t need = (uint64_t)b->n_changes * (time_size + 1) +
                    (uint64_t)b->n_types * TYPE_SIZE + b->n_chars +
                    (uint64_t)b->n_leaps * (time_size + 4) + b->n_std + b->n_ut;
    if (need > n - HEADER) {
        return malformed(eb, "its data end too early");
    }
    b->changes = p + HEADER;
    b->type_of = b->changes + b->n_changes * time_size;
    b->types = b->type_of + b->n_changes;
    b->chars = b->types + (size_t)b->n_types * TYPE_SIZE;
    b->end = p + HEADER + need;
    return WH_OK;
}

static wh_err check_block(const block *b, wh_errbuf *eb)
{
    if (b->n_leaps != 0) {
        return malformed(
            eb, "it counts leap seconds; use the same zone without \"right/\"");
    }
    if (b->n_types == 0 || b->n_types > TYPES_MAX) {
        return malformed(eb, "its number of local times is not 1 to 256");
    }
    if (b->n_chars == 0 || b->n_chars > 256 || b->chars[b->n_chars - 1] != '\0') {
        return malformed(eb, "its abbreviations do not end");
    }
    if ((b->n_std != 0 && b->n_std != b->n_types) ||
        (b->n_ut != 0 && b->n_ut != b->n_types)) {
        return malformed(eb, "its numbers of indicators and local times differ");
    }
    return WH_OK;
}

static wh_err fill_types(wh_zone *z, const block *b, wh_errbuf *eb)
{
    for (uint32_t i = 0; i < b->n_types; i++) {
        const uint8_t *p = b->types + (size_t)i * TYPE_SIZE;
        local_type *t = &z->types[i];
        *t = (local_type){.offset_s = read_i32(p), .is_dst = p[4], .name = p[5]};
        if (t->offset_s < -WH_ZONE_OFFSET_MAX_S || t->offset_s > WH_ZONE_OFFSET_MAX_S) {
            return malformed(eb, "a distance from UTC is more than 26 hours");
        }
        if (t->is_dst > 1 || t->name >= b->n_chars) {
            return malformed(eb, "a local time points outside of the abbreviations");
        }
    }
    memcpy(z->names, b->chars, b->n_chars);
    return WH_OK;
}

static wh_err fill_changes(wh_zone *z, const block *b, wh_errbuf *eb)
{
    for (size_t i = 0; i < b->n_changes; i++) {
        int64_t at_s = read_instant(b->changes + i * b->time_size, b->time_size);
        if (at_s < -INSTANT_MAX || at_s > INSTANT_MAX ||
            (i > 0 && at_s <= z->at_s[i - 1])) {
            return malformed(eb, "its changes are not in order");
        }
        if (b->type_of[i] >= b->n_types) {
            return malformed(eb, "a change leads to a local time that is not there");
        }
        z->at_s[i] = at_s;
        z->type_of[i] = b->type_of[i];
    }
    z->n_changes = b->n_changes;
    return WH_OK;
}

/* One block, the columns in the order of their alignment. */
static wh_zone *make(const block *b)
{
    size_t n_changes = b->n_changes, n_types = b->n_types;
    wh_zone *z = wh_calloc(1, sizeof *z + n_changes * (sizeof(int64_t) + 1) +
                                  n_types * sizeof(local_type) + b->n_chars);
    if (z != NULL) {
        z->at_s = (int64_t *)(void *)(z + 1);
        z->types = (local_type *)(void *)(z->at_s + n_changes);
        z->type_of = (uint8_t *)(z->types + n_types);
        z->names = (char *)(z->type_of + n_changes);
    }
    return z;
}

/* Behind the last block: a line break, the rule, a line break. */
static wh_err read_footer(wh_zone *z, const char *p, size_t n, wh_errbuf *eb)
{
    const char *end = n > 0 && *p == '\n' ? memchr(p + 1, '\n', n - 1) : NULL;
    if (end == NULL) {
        return malformed(eb, "the rule at its end is cut off");
    }
    if (end == p + 1) {
        return WH_OK; /* it says nothing about later times: the last change holds on */
    }
    z->has_rule = true;
    return wh_zone_rule_parse(p + 1, (size_t)(end - p - 1), &z->rule, eb);
}

wh_err wh_zone_parse(const void *bytes, size_t n, wh_zone **out, wh_errbuf *eb)
{
    const uint8_t *p = bytes;
    block b;
    if (n > WH_ZONE_BYTES_MAX) {
        return wh_err_set(eb, WH_ETOOBIG, "time zone: it has more than %d bytes",
                          WH_ZONE_BYTES_MAX);
    }
    wh_err err = read_block(p, n, V1, &b, eb);
    bool has_v2 = err == WH_OK && p[4] != '\0';
    if (has_v2) { /* the first block is for readers of 1988 */
        err = read_block(b.end, n - (size_t)(b.end - p), V2, &b, eb);
    }
    if (err == WH_OK) {
        err = check_block(&b, eb);
    }
    if (err != WH_OK) {
        return err;
    }
    wh_zone *z = make(&b);
    if (z == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "time zone: out of memory");
    }
    err = fill_types(z, &b, eb);
    if (err == WH_OK) {
        err = fill_changes(z, &b, eb);
    }
    if (err == WH_OK && has_v2) {
        err = read_footer(z, (const char *)b.end, n - (size_t)(b.end - p), eb);
    }
    if (err != WH_OK) {
        wh_zone_free(z);
        return err;
    }
    *out = z;
    return WH_OK;
}

void wh_zone_free(wh_zone *z)
{
    wh_free(z);
}

/* ---- asking ---- */

/* How many changes are not behind this instant. */
static size_t count_changes(const wh_zone *z, int64_t utc_s)
{
    size_t low = 0, high = z->n_changes;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (z->at_s[middle] <= utc_s) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

wh_zone_span wh_zone_at(const wh_zone *z, int64_t utc_s)
{
    if (z == NULL) {
        return (wh_zone_span){
            .from_s = INT64_MIN, .until_s = INT64_MAX, .abbreviation = "UTC"};
    }
    size_t n = count_changes(z, utc_s);
    int64_t from_s = n > 0 ? z->at_s[n - 1] : INT64_MIN;
    if (n == z->n_changes && z->has_rule) {
        wh_zone_span s = wh_zone_rule_at(&z->rule, utc_s);
        s.from_s = s.from_s > from_s ? s.from_s : from_s;
        return s;
    }
    const local_type *t = &z->types[n > 0 ? z->type_of[n - 1] : 0];
    return (wh_zone_span){.from_s = from_s,
                          .until_s = n < z->n_changes ? z->at_s[n] : INT64_MAX,
                          .offset_s = t->offset_s,
                          .is_dst = t->is_dst != 0,
                          .abbreviation = z->names + t->name};
}

char *wh_zone_iso(const wh_zone *z, int64_t ms, char *buf, size_t size)
{
    static const int64_t min_ms = INT64_C(-62167132800000); /* 0000-01-02 */
    static const int64_t max_ms = INT64_C(253402214399999); /* 9999-12-30 */
    int64_t held = ms < min_ms ? min_ms : ms > max_ms ? max_ms : ms;
    int64_t utc_s = held / 1000 - (held % 1000 < 0 ? 1 : 0);
    int offset_s = wh_zone_at(z, utc_s).offset_s;
    int64_t days = wh_civil_of_seconds(utc_s + offset_s);
    int of_day = (int)(utc_s + offset_s - days * WH_CIVIL_DAY_S);
    wh_civil date = wh_civil_of_days(days);
    int minutes = (offset_s < 0 ? -offset_s : offset_s) / 60;
    (void)snprintf(buf, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03d%c%02d:%02d",
                   (int)date.year, date.month, date.day, of_day / 3600,
                   of_day / 60 % 60, of_day % 60, (int)(held - utc_s * 1000),
                   offset_s < 0 ? '-' : '+', minutes / 60, minutes % 60);
    return buf;
}
