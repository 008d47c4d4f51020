/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stdout. Job types, messages and payloads were written by others: none of their bytes
 * may steer the operator's terminal.
 */
#include "common/cli/cli_out.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static uint32_t code_point(const char *s, size_t len)
{
    static const unsigned char mask[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t v = (unsigned char)s[0] & mask[len];

    for (size_t i = 1; i < len; i++) {
        v = v << 6 | ((unsigned char)s[i] & 0x3fU);
    }
    return v;
}

/* C0, C1, and what turns the direction of writing round. */
static bool is_harmful(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0x2028 ||
           c == 0x2029;
}

void wh_cli_out_clean(wh_buf *out, const char *s, size_t n, bool one_line)
{
    for (size_t i = 0; i < n;) {
        size_t len = wh_buf_utf8_len(s + i, n - i);
        bool is_break = s[i] == '\n' || s[i] == '\t';

        if (len > 0 &&
            ((is_break && !one_line) || !is_harmful(code_point(s + i, len)))) {
            wh_buf_add(out, s + i, len);
            i += len;
            continue;
        }
        if (is_break) {
            wh_buf_adds(out, s[i] == '\n' ? "\\n" : "\\t");
            i++;
            continue;
        }
        for (len = len == 0 ? 1 : len; len > 0; len--, i++) {
            wh_buf_addf(out, "\\x%02x", (unsigned)(unsigned char)s[i]);
        }
    }
}

/* East Asian wide and emoji blocks; good enough for columns. */
static bool is_wide(uint32_t c)
{
    return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
           (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
           (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1faff) ||
           (c >= 0x20000 && c <= 0x3fffd);
}

static bool is_combining(uint32_t c)
{
    return (c >= 0x300 && c <= 0x36f) || (c >= 0x1ab0 && c <= 0x1aff) ||
           (c >= 0x20d0 && c <= 0x20ff) || (c >= 0xfe00 && c <= 0xfe0f) ||
           (c >= 0x200b && c <= 0x200d);
}

size_t wh_cli_out_width(const char *s, size_t n)
{
    size_t width = 0;

    for (size_t i = 0; i < n;) {
        size_t len = wh_buf_utf8_len(s + i, n - i);
        uint32_t c = len == 0 ? '?' : code_point(s + i, len);

        width += is_combining(c) ? 0 : is_wide(c) ? 2 : 1;
        i += len == 0 ? 1 : len;
    }
    return width;
}

size_t wh_cli_out_columns(const wh_cli *c)
{
    struct winsize size;

    if (!c->is_out_terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) {
        return 0;
    }
    return size.ws_col;
}

void wh_cli_out_flush(wh_cli *c, wh_buf *b)
{
    bool ok =
        c->out_failed || b->len == 0 || fwrite(b->data, 1, b->len, stdout) == b->len;

    if (ok && !c->out_failed) {
        ok = fflush(stdout) == 0;
    }
    if (!ok) {
        c->out_failed = true;
        if (errno != EPIPE) {
            wh_cli_error(c, "can't write to stdout: %s", strerror(errno));
        }
    }
    wh_buf_clear(b);
}

wh_exit wh_cli_out_status(wh_cli *c, const wh_buf *b)
{
    if (b != NULL && !wh_buf_ok(b)) {
        return wh_cli_no_memory(c);
    }
    return c->out_failed ? WH_EXIT_IO : WH_EXIT_OK;
}

wh_exit wh_cli_out_print(wh_cli *c, wh_buf *out)
{
    wh_exit status = wh_cli_out_status(c, out);

    if (status == WH_EXIT_OK) {
        wh_cli_out_flush(c, out);
        status = wh_cli_out_status(c, NULL);
    }
    wh_buf_fini(out);
    return status;
}

wh_exit wh_cli_out_done(wh_cli *c, wh_buf *out, const char *did)
{
    wh_buf copy = {0};

    wh_buf_add(&copy, wh_buf_str(out), out->len);
    wh_exit status = wh_cli_out_print(c, out);
    if (status != WH_EXIT_OK) {
        const char *text = wh_buf_str(&copy);

        wh_cli_error(c, "%s all the same: %.*s", did, (int)strcspn(text, "\n"), text);
    }
    wh_buf_fini(&copy);
    return status;
}

void wh_cli_out_color(const wh_cli *c, wh_buf *b, const char *sgr, const char *text)
{
    if (c->is_out_color && sgr != NULL) {
        wh_buf_addf(b, "\033[%sm%s\033[0m", sgr, text);
    } else {
        wh_buf_adds(b, text);
    }
}

const char *wh_cli_out_status_color(const char *status)
{
    static const struct {
        const char *status, *sgr;
    } colors[] = {
        {"completed", "32"}, {"in_progress", "36"}, {"failed", "31"},
        {"cancelled", "33"}, {"expired", "33"},     {"scheduled", "34"},
        {"ok", "32"},        {"warn", "33"},        {"fail", "31"},
        {"paused", "33"},
    };

    for (size_t i = 0; i < sizeof colors / sizeof colors[0]; i++) {
        if (strcmp(colors[i].status, status) == 0) {
            return colors[i].sgr;
        }
    }
    return NULL;
}

wh_exit wh_cli_out_changed(wh_cli *c, const char *partition, const wh_buf *more,
                           const char *result)
{
    wh_buf out = {0};

    if (!c->json) {
        return WH_EXIT_OK;
    }
    if (more != NULL && !wh_buf_ok(more)) {
        return wh_cli_no_memory(c);
    }
    wh_buf_adds(&out, "{\"partition\":");
    wh_buf_add_json(&out, partition, strlen(partition));
    wh_buf_adds(&out, more == NULL ? "" : wh_buf_str(more));
    wh_buf_adds(&out, ",\"result\":");
    wh_buf_add_json(&out, result, strlen(result));
    wh_buf_adds(&out, "}\n");
    return wh_cli_out_done(c, &out, "done");
}
