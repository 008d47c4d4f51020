/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msgpack to and from jobs: the head of a record (docs/protocol.md section 3), the
 * meta array (section 4). Every read is checked against the end of the input, and
 * element counts against the remaining bytes (depth <= 8). Fuzzed.
 */
#ifndef WH_COMMON_JOB_CODEC_H
#define WH_COMMON_JOB_CODEC_H

#include "common/job/job.h"

/* Appends the head of a checked spec. */
wh_err wh_codec_pack_head(const wh_job_spec *s, wh_buf *out) WH_MUSTCHECK;

typedef struct wh_codec_claim {
    wh_slice token, meta, record; /* meta empty: none */
    int64_t now_ms;               /* Redis time of the claim */
} wh_codec_claim;
/* Makes a job (one allocation) of one claimed triple. WH_EPROTO when the token itself is
 * malformed; WH_EBADDATA with a reason when only the rest is, so the caller can finish
 * the token as dead. */
wh_err wh_codec_unpack_job(const wh_codec_claim *c, wh_job **out,
                           wh_errbuf *eb) WH_MUSTCHECK;

/* The bounds scan alone: is `p` exactly one well-formed msgpack value (or, with `used` not
 * NULL, does it begin with one, of *used bytes) within max_depth (nested arrays and maps, at
 * most 32) and max_items (values in all)? WH_EBADDATA: malformed or cut off; WH_ETOOBIG:
 * deeper or more than that. For payload checks and tests. */
wh_err wh_codec_scan(const void *p, size_t n, unsigned max_depth, size_t max_items,
                     size_t *used) WH_MUSTCHECK;

#endif
