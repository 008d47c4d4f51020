/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A time zone: from an instant to the wall clock's distance from UTC. Parsed from the
 * bytes of a TZif file (RFC 9636, versions 1 to 4), which common/io/zoneinfo reads.
 * For cron. Instants are seconds since 1970; a zone never changes after parsing.
 */
#ifndef WH_COMMON_JOB_ZONE_H
#define WH_COMMON_JOB_ZONE_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WH_ZONE_BYTES_MAX 65536             /* of a TZif file; the largest has 4 kB */
#define WH_ZONE_OFFSET_MAX_S (26 * 60 * 60) /* either way, of every zone */
#define WH_ZONE_ISO_SIZE 40

/* Everywhere below NULL stands for UTC. */
typedef struct wh_zone wh_zone;

/* A stretch of time in which the distance from UTC does not change. Two neighbours may
 * have the same distance. */
typedef struct wh_zone_span {
    int64_t from_s;   /* its first second; INT64_MIN: since ever */
    int64_t until_s;  /* the first second behind it; INT64_MAX: for ever */
    int32_t offset_s; /* wall clock minus UTC */
    bool is_dst;
    const char *abbreviation; /* "CEST"; lives as long as the zone */
} wh_zone_span;

/* Refuses what is malformed, and zones that count leap seconds ("right/…"). */
wh_err wh_zone_parse(const void *bytes, size_t n, wh_zone **out,
                     wh_errbuf *eb) WH_MUSTCHECK;
void wh_zone_free(wh_zone *z);
/* The span that holds this instant. */
wh_zone_span wh_zone_at(const wh_zone *z, int64_t utc_s);
/* "2026-03-29T03:00:00.000+02:00" into buf (>= WH_ZONE_ISO_SIZE bytes); returns buf.
 * Years are held within 0 and 9999. */
char *wh_zone_iso(const wh_zone *z, int64_t ms, char *buf, size_t size);

#endif
