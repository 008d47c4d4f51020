/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured log: one line per event, JSON or text, stable keys
 * `ts level event …`. Level is checked before anything is formatted. A field's
 * text is escaped and cut at 4,096 bytes; a line never contains a raw control
 * character. Writing never blocks the loop for long and never kills the process
 * (EPIPE, ENOSPC are counted, not fatal). The sink is the one piece of mutable
 * process-wide state besides the signal flag.
 */
#ifndef WH_COMMON_BASE_LOG_H
#define WH_COMMON_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum wh_log_level {
    WH_LOG_LEVEL_DEBUG,
    WH_LOG_LEVEL_INFO,
    WH_LOG_LEVEL_WARN,
    WH_LOG_LEVEL_ERROR
} wh_log_level;
typedef enum wh_log_format { WH_LOG_FORMAT_JSON, WH_LOG_FORMAT_TEXT } wh_log_format;

/* A typed field; make them with the WH_F_* macros. */
typedef struct wh_log_field {
    const char *key;
    enum {
        WH_FIELD_STR,
        WH_FIELD_STRN,
        WH_FIELD_INT,
        WH_FIELD_DBL,
        WH_FIELD_BOOL,
        WH_FIELD_RAW
    } type;
    const char *str;
    size_t len;
    int64_t num;
    double dbl;
} wh_log_field;

#define WH_F_STR(k, v) ((wh_log_field){.key = (k), .type = WH_FIELD_STR, .str = (v)})
#define WH_F_STRN(k, v, n)                                                             \
    ((wh_log_field){.key = (k), .type = WH_FIELD_STRN, .str = (v), .len = (n)})
#define WH_F_INT(k, v)                                                                 \
    ((wh_log_field){.key = (k), .type = WH_FIELD_INT, .num = (int64_t)(v)})
#define WH_F_DBL(k, v) ((wh_log_field){.key = (k), .type = WH_FIELD_DBL, .dbl = (v)})
#define WH_F_BOOL(k, v)                                                                \
    ((wh_log_field){.key = (k), .type = WH_FIELD_BOOL, .num = (v) ? 1 : 0})
/* Already valid JSON, e.g. the configuration in force. */
#define WH_F_RAW(k, v) ((wh_log_field){.key = (k), .type = WH_FIELD_RAW, .str = (v)})

typedef void wh_log_sink_fn(void *arg, wh_log_level level, const char *line,
                            size_t len);

/* Default: stderr, INFO, JSON unless stderr is a terminal. */
void wh_log_configure(wh_log_level level, wh_log_format format);
/* Fields that every line carries, e.g. program, worker, region (copied; n <= 8). */
void wh_log_set_common(const wh_log_field *fields, size_t n);
/* Sink for tests and embedders; NULL restores stderr. */
void wh_log_set_sink(wh_log_sink_fn *sink, void *arg);
bool wh_log_is_on(wh_log_level level);
uint64_t wh_log_dropped(void);
bool wh_log_parse_level(const char *s, wh_log_level *out);

void wh_log_write(wh_log_level level, const char *event, const wh_log_field *fields,
                  size_t n);
/* At most `per_minute` lines with this event in a minute; says how many were left out. */
void wh_log_limited(wh_log_level level, unsigned per_minute, const char *event,
                    const wh_log_field *fields, size_t n);

/* WH_LOG(INFO, "job.finish", WH_F_STR("job", id), …); at least one field. */
#define WH_LOG(lvl, ev, ...)                                                           \
    do {                                                                               \
        if (wh_log_is_on(WH_LOG_LEVEL_##lvl)) {                                        \
            const wh_log_field wh_f_[] = {__VA_ARGS__};                                \
            wh_log_write(WH_LOG_LEVEL_##lvl, ev, wh_f_,                                \
                         sizeof wh_f_ / sizeof wh_f_[0]);                              \
        }                                                                              \
    } while (0)
#define WH_LOG_LIMITED(lvl, per_minute, ev, ...)                                       \
    do {                                                                               \
        if (wh_log_is_on(WH_LOG_LEVEL_##lvl)) {                                        \
            const wh_log_field wh_f_[] = {__VA_ARGS__};                                \
            wh_log_limited(WH_LOG_LEVEL_##lvl, per_minute, ev, wh_f_,                  \
                           sizeof wh_f_ / sizeof wh_f_[0]);                            \
        }                                                                              \
    } while (0)

#endif
