/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renders one event to one line and hands it to the sink. `state` is the mutable
 * process-wide data that house rules allow; the loop thread owns it, as it owns
 * all objects.
 *
 * Standard error is never trusted: each write is preceded by a poll, which also
 * sees a reader that went away before SIGPIPE could; a line that finds no room is
 * dropped and counted, and after a drop nobody waits again until room is back.
 * Lines up to PIPE_BUF bytes go out in one write(2), so they never interleave.
 */
#include "common/base/log.h"

#include "common/base/buf.h"
#include "common/base/clock.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum {
    FIELD_MAX = 4096,
    COMMON_MAX = 8,
    COMMON_KEY_MAX = 32,
    COMMON_TEXT_MAX = 256,
    LIMIT_SLOTS = 64,
    EVENT_MAX = 48,
    WAIT_MS = 20,
    MINUTE_MS = 60000
};

struct limit {
    char event[EVENT_MAX];
    int64_t since_ms;
    unsigned written;
    uint64_t left_out;
};

static struct {
    wh_log_level level;
    wh_log_format format;
    bool is_configured;
    bool is_stalled; /* the last line found no room: do not wait */
    bool is_torn;    /* the last line was written in part */
    uint64_t dropped;
    wh_log_sink_fn *sink;
    void *sink_arg;
    size_t n_common;
    wh_log_field common[COMMON_MAX];
    char common_keys[COMMON_MAX][COMMON_KEY_MAX];
    char common_texts[COMMON_MAX][COMMON_TEXT_MAX];
    struct limit limits[LIMIT_SLOTS];
} state = {.level = WH_LOG_LEVEL_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const level_tags[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};

void wh_log_configure(wh_log_level level, wh_log_format format)
{
    state.level = level;
    state.format = format;
    state.is_configured = true;
}

/* At most max bytes of s[0..n), not cutting a UTF-8 character in two. */
static size_t cut_len(const char *s, size_t n, size_t max)
{
    if (n <= max) {
        return n;
    }
    size_t end = max;
    while (end > 0 && max - end < 4 && ((unsigned char)s[end] & 0xC0U) == 0x80U) {
        end--;
    }
    return end;
}

static size_t text_len(const wh_log_field *f)
{
    if (f->str == NULL) {
        return 0;
    }
    return f->type == WH_FIELD_STRN ? f->len : strlen(f->str);
}

static bool is_text(const wh_log_field *f)
{
    return f->type == WH_FIELD_STR || f->type == WH_FIELD_STRN ||
           f->type == WH_FIELD_RAW;
}

void wh_log_set_common(const wh_log_field *fields, size_t n)
{
    state.n_common = 0;
    for (size_t i = 0; i < n && state.n_common < COMMON_MAX; i++) {
        const wh_log_field *from = &fields[i];
        size_t key = strlen(from->key);
        size_t len = text_len(from);
        /* Half a JSON value would break every line. */
        if (key >= COMMON_KEY_MAX ||
            (from->type == WH_FIELD_RAW && len >= COMMON_TEXT_MAX)) {
            continue;
        }
        size_t at = state.n_common++;
        wh_log_field *to = &state.common[at];
        *to = *from;
        memcpy(state.common_keys[at], from->key, key + 1);
        to->key = state.common_keys[at];
        if (is_text(from) && from->str != NULL) {
            to->len = cut_len(from->str, len, COMMON_TEXT_MAX - 1);
            memcpy(state.common_texts[at], from->str, to->len);
            state.common_texts[at][to->len] = '\0';
            to->str = state.common_texts[at];
        }
    }
}

void wh_log_set_sink(wh_log_sink_fn *sink, void *arg)
{
    state.sink = sink;
    state.sink_arg = arg;
}

bool wh_log_is_on(wh_log_level level)
{
    return level >= state.level;
}

uint64_t wh_log_dropped(void)
{
    return state.dropped;
}

bool wh_log_parse_level(const char *s, wh_log_level *out)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(s, level_names[i]) == 0) {
            *out = (wh_log_level)i;
            return true;
        }
    }
    return false;
}

static void add_cut_json(wh_buf *b, const char *s, size_t n)
{
    static const char more[] = "\xE2\x80\xA6"; /* an ellipsis */
    if (n <= FIELD_MAX) {
        wh_buf_add_json(b, s, n);
        return;
    }
    char text[FIELD_MAX];
    size_t len = cut_len(s, n, FIELD_MAX - (sizeof more - 1));
    memcpy(text, s, len);
    memcpy(text + len, more, sizeof more - 1);
    wh_buf_add_json(b, text, len + sizeof more - 1);
}

/* JSON may be laid out over lines; control characters are only white space in it. */
static void add_raw(wh_buf *b, const char *json)
{
    size_t from = b->len;
    wh_buf_adds(b, json);
    for (size_t i = from; i < b->len; i++) {
        if ((unsigned char)b->data[i] < ' ') {
            b->data[i] = ' ';
        }
    }
}

/* May the text stand without quotes behind "key="? */
static bool is_bare(const char *s, size_t n)
{
    if (n == 0 || n > FIELD_MAX) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '\\' || c == '=') {
            return false;
        }
    }
    return true;
}

static void add_value(wh_buf *b, const wh_log_field *f, bool json)
{
    size_t len = 0;
    switch (f->type) {
    case WH_FIELD_STR:
    case WH_FIELD_STRN:
        len = text_len(f);
        if (f->str == NULL) {
            wh_buf_adds(b, "null");
        } else if (!json && is_bare(f->str, len)) {
            wh_buf_add(b, f->str, len);
        } else {
            add_cut_json(b, f->str, len);
        }
        break;
    case WH_FIELD_INT:
        wh_buf_addi(b, f->num);
        break;
    case WH_FIELD_DBL:
        if (isfinite(f->dbl)) {
            wh_buf_add_double(b, f->dbl);
        } else {
            wh_buf_adds(b, "null");
        }
        break;
    case WH_FIELD_BOOL:
        wh_buf_adds(b, f->num != 0 ? "true" : "false");
        break;
    case WH_FIELD_RAW:
        add_raw(b, f->str != NULL ? f->str : "null");
        break;
    }
}

static void add_fields(wh_buf *b, const wh_log_field *fields, size_t n, bool json)
{
    for (size_t i = 0; i < n; i++) {
        if (json) {
            wh_buf_addc(b, ',');
            wh_buf_add_json(b, fields[i].key, strlen(fields[i].key));
            wh_buf_addc(b, ':');
        } else {
            wh_buf_addc(b, ' ');
            wh_buf_adds(b, fields[i].key);
            wh_buf_addc(b, '=');
        }
        add_value(b, &fields[i], json);
    }
}

static void render(wh_buf *b, wh_log_level level, const char *event,
                   const wh_log_field *fields, size_t n)
{
    if (!state.is_configured) {
        state.format = isatty(STDERR_FILENO) ? WH_LOG_FORMAT_TEXT : WH_LOG_FORMAT_JSON;
        state.is_configured = true;
    }
    bool json = state.format == WH_LOG_FORMAT_JSON;
    char ts[32];
    (void)wh_clock_iso(wh_clock_wall_ms(), ts, sizeof ts);
    if (json) {
        wh_buf_addf(b, "{\"ts\":\"%s\",\"level\":\"%s\",\"event\":", ts,
                    level_names[level]);
        wh_buf_add_json(b, event, strlen(event));
    } else {
        wh_buf_addf(b, "%s %s %s", ts, level_tags[level], event);
    }
    add_fields(b, state.common, state.n_common, json);
    add_fields(b, fields, n, json);
    if (json) {
        wh_buf_addc(b, '}');
    }
}

/* Waits for room on standard error; false when there is none or nobody reads. */
static bool has_room(void)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    int n = 0;
    do {
        n = poll(&p, 1, state.is_stalled ? 0 : WAIT_MS);
    } while (n < 0 && errno == EINTR);
    return n > 0 && (p.revents & (POLLERR | POLLHUP | POLLNVAL)) == 0;
}

static void write_stderr(const char *s, size_t n)
{
    size_t done = 0;
    while (done < n) {
        size_t slice = n - done > PIPE_BUF ? PIPE_BUF : n - done;
        ssize_t w = has_room() ? write(STDERR_FILENO, s + done, slice) : -1;
        if (w < 0 && errno == EINTR) {
            continue;
        }
        if (w <= 0) {
            break;
        }
        done += (size_t)w;
    }
    state.is_stalled = done < n;
    if (done < n) {
        state.dropped++;
        /* A torn line's successor starts with the newline that mends it. */
        state.is_torn = done != (state.is_torn ? 1U : 0U);
    } else {
        state.is_torn = false;
    }
}

void wh_log_write(wh_log_level level, const char *event, const wh_log_field *fields,
                  size_t n)
{
    if (!wh_log_is_on(level)) {
        return;
    }
    wh_buf line = {0};
    if (state.sink == NULL && state.is_torn) {
        wh_buf_addc(&line, '\n'); /* end the half line that is out there */
    }
    render(&line, level, event, fields, n);
    if (state.sink == NULL) {
        wh_buf_addc(&line, '\n');
    }
    if (!wh_buf_ok(&line)) {
        state.dropped++;
    } else if (state.sink != NULL) {
        state.sink(state.sink_arg, level, wh_buf_str(&line), line.len);
    } else {
        write_stderr(line.data, line.len);
    }
    wh_buf_fini(&line);
}

/* The slot of this event: its own, a free one, or the one idle for longest. */
static struct limit *limit_of(const char *event, int64_t now)
{
    struct limit *oldest = &state.limits[0];
    for (size_t i = 0; i < LIMIT_SLOTS; i++) {
        struct limit *l = &state.limits[i];
        if (strncmp(l->event, event, EVENT_MAX - 1) == 0) {
            return l;
        }
        if (l->since_ms < oldest->since_ms || l->event[0] == '\0') {
            oldest = l;
        }
        if (l->event[0] == '\0') {
            break;
        }
    }
    size_t len = strnlen(event, EVENT_MAX - 1);
    memcpy(oldest->event, event, len);
    oldest->event[len] = '\0';
    oldest->since_ms = now;
    oldest->written = 0;
    oldest->left_out = 0;
    return oldest;
}

void wh_log_limited(wh_log_level level, unsigned per_minute, const char *event,
                    const wh_log_field *fields, size_t n)
{
    enum { FIELDS_MAX = 31 };
    if (!wh_log_is_on(level)) {
        return;
    }
    int64_t now = wh_clock_mono_ms();
    struct limit *l = limit_of(event, now);
    if (now - l->since_ms >= MINUTE_MS || now < l->since_ms) {
        l->since_ms = now;
        l->written = 0;
    }
    if (l->written >= per_minute) {
        l->left_out++;
        return;
    }
    l->written++;
    if (l->left_out == 0 || n > FIELDS_MAX) {
        wh_log_write(level, event, fields, n);
        return;
    }
    wh_log_field all[FIELDS_MAX + 1];
    if (n > 0) {
        memcpy(all, fields, n * sizeof *fields);
    }
    all[n] = WH_F_INT("left_out", l->left_out);
    l->left_out = 0;
    wh_log_write(level, event, all, n + 1);
}
