/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of this folder: TZif files made by hand, and zones from them.
 */
#ifndef WH_TESTS_UNIT_COMMON_JOB_ZONE_BYTES_H
#define WH_TESTS_UNIT_COMMON_JOB_ZONE_BYTES_H

#include "common/job/civil.h"
#include "common/job/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct zone_bytes {
    unsigned char data[4096];
    size_t n;
} zone_bytes;

typedef struct zone_bytes_type {
    int32_t offset_s;
    int is_dst;
    const char *name;
} zone_bytes_type;

typedef struct zone_bytes_table {
    char version; /* 0, '2', '3' … */
    size_t n_changes;
    const int64_t *at_s;
    const uint8_t *type_of;
    size_t n_types;
    const zone_bytes_type *types;
    const char *rule; /* NULL: no footer */
} zone_bytes_table;

static inline void zone_bytes_add(zone_bytes *b, uint64_t value, unsigned size)
{
    assert_true(b->n + size <= sizeof b->data);
    for (unsigned i = size; i > 0; i--) {
        b->data[b->n++] = (unsigned char)(value >> (8 * (i - 1)));
    }
}

static inline void zone_bytes_text(zone_bytes *b, const char *text, size_t n)
{
    assert_true(b->n + n <= sizeof b->data);
    memcpy(b->data + b->n, text, n);
    b->n += n;
}

static inline void zone_bytes_block(zone_bytes *b, const zone_bytes_table *t,
                                    unsigned size)
{
    size_t n_chars = 0;
    for (size_t i = 0; i < t->n_types; i++) {
        n_chars += strlen(t->types[i].name) + 1;
    }
    zone_bytes_text(b, "TZif", 4);
    zone_bytes_add(b, (unsigned char)t->version, 1);
    for (int i = 0; i < 15; i++) {
        zone_bytes_add(b, 0, 1);
    }
    const size_t counts[] = {0, 0, 0, t->n_changes, t->n_types, n_chars};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        zone_bytes_add(b, counts[i], 4);
    }
    for (size_t i = 0; i < t->n_changes; i++) {
        zone_bytes_add(b, (uint64_t)t->at_s[i], size);
    }
    for (size_t i = 0; i < t->n_changes; i++) {
        zone_bytes_add(b, t->type_of[i], 1);
    }
    size_t name = 0;
    for (size_t i = 0; i < t->n_types; i++) {
        zone_bytes_add(b, (uint32_t)t->types[i].offset_s, 4);
        zone_bytes_add(b, (uint64_t)t->types[i].is_dst, 1);
        zone_bytes_add(b, name, 1);
        name += strlen(t->types[i].name) + 1;
    }
    for (size_t i = 0; i < t->n_types; i++) {
        zone_bytes_text(b, t->types[i].name, strlen(t->types[i].name) + 1);
    }
}

static inline zone_bytes zone_bytes_make(const zone_bytes_table *t)
{
    zone_bytes b = {.n = 0};
    zone_bytes_block(&b, t, 4);
    if (t->version != 0) {
        zone_bytes_block(&b, t, 8);
    }
    if (t->rule != NULL) {
        zone_bytes_text(&b, "\n", 1);
        zone_bytes_text(&b, t->rule, strlen(t->rule));
        zone_bytes_text(&b, "\n", 1);
    }
    return b;
}

static inline wh_zone *zone_bytes_zone(const zone_bytes_table *t)
{
    zone_bytes b = zone_bytes_make(t);
    wh_zone *z = NULL;
    wh_errbuf eb = {0};
    if (wh_zone_parse(b.data, b.n, &z, &eb) != WH_OK) {
        fail_msg("%s", eb.text);
    }
    return z;
}

/* "2050-03-27T01:00" or "…T01:00:30", in UTC. */
static inline int64_t zone_bytes_at(const char *text)
{
    int year, month, day, hour, minute, second = 0;
    int n = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &year, &month, &day, &hour, &minute,
                   &second);
    assert_true(n >= 5);
    return wh_civil_to_days(year, month, day) * WH_CIVIL_DAY_S + hour * 3600 +
           minute * 60 + second;
}

/* A zone of one rule and no table, as in "CET-1CEST,M3.5.0,M10.5.0/3". */
static inline wh_zone *zone_bytes_rule(const char *rule)
{
    static const zone_bytes_type type = {0, 0, "LMT"};
    const zone_bytes_table t = {
        .version = '3', .n_types = 1, .types = &type, .rule = rule};
    return zone_bytes_zone(&t);
}

#endif
