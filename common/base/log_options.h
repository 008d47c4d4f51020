/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options log.level and log.format, which all daemons have: their rows, and what
 * they mean. Included by the programs' options.h.
 */
#ifndef WH_COMMON_BASE_LOG_OPTIONS_H
#define WH_COMMON_BASE_LOG_OPTIONS_H

#include "common/base/conf.h"

typedef struct wh_log_options {
    int level, format; /* in the order of the rows' choices */
} wh_log_options;

enum { WH_LOG_OPTIONS_COUNT = 2 };

/* Offsets are within wh_log_options. */
extern const wh_opt wh_log_options_rows[WH_LOG_OPTIONS_COUNT];

/* Configures the log; "auto" is text on a terminal. */
void wh_log_options_apply(const wh_log_options *o);

#endif
