/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the codec share.
 */
#ifndef WH_COMMON_JOB_CODEC_INTERNAL_H
#define WH_COMMON_JOB_CODEC_INTERNAL_H

#include "common/job/codec.h"
#include "common/job/cursor.h"

#define WH_CODEC_TIME_MAX_MS                                                           \
    INT64_C(9007199254740991) /* what a Lua number holds exactly */
#define WH_CODEC_COUNT_MAX INT64_C(1000000000)

/* Steps over a value, whatever it is; false: it is malformed or too deep. */
bool wh_codec_skip(wh_cursor *c) WH_MUSTCHECK;

typedef struct wh_codec_meta {
    int64_t attempts, recoveries, next_retry_at_ms, started, given_back;
    wh_errclass category, snooze_category;
    bool is_snoozed;
    wh_slice snooze_message; /* in the meta */
} wh_codec_meta;

/* Sets what the meta has. An empty one is good. Errors: WH_EBADDATA. */
wh_err wh_codec_read_meta(wh_slice in, wh_codec_meta *m, wh_errbuf *eb) WH_MUSTCHECK;
/* An attempt that an older library noted says nothing but its category. */
bool wh_codec_has_run(const wh_codec_meta *m);
/* A retry, or snoozed by its handler, and not released or lost with a worker since. */
bool wh_codec_was_put_off(const wh_codec_meta *m);

#endif
