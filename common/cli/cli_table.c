/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows are gathered in pages, so that a list of millions neither fills the memory nor
 * keeps its reader waiting; widths never shrink from page to page. The last column is
 * cut at the terminal's edge, never in a pipe.
 */
#include "common/cli/cli_table.h"

#include "common/base/clock.h"
#include "common/cli/cli_out.h"

#include <string.h>

enum { PAGE_ROWS = 1000, GAP = 2, LAST_MIN = 12 };

void wh_cli_table_init(wh_cli_table *t, wh_cli *c, const wh_cli_column *columns,
                       size_t n)
{
    WH_ASSERT(n <= WH_CLI_TABLE_COLUMNS_MAX);
    *t = (wh_cli_table){.cli = c, .columns = columns, .n_columns = n};
    for (size_t i = 0; i < n; i++) {
        t->widths[i] = columns[i].title == NULL ? 0 : strlen(columns[i].title);
    }
}

/* Starts the JSON member of the next cell; false when it has none. */
static bool begin_json(wh_cli_table *t)
{
    const wh_cli_column *col = &t->columns[t->column];

    if (!t->cli->json || col->key == NULL) {
        return false;
    }
    wh_buf_addc(&t->json, t->json.len == 0 ? '{' : ',');
    wh_buf_add_json(&t->json, col->key, strlen(col->key));
    wh_buf_addc(&t->json, ':');
    return true;
}

static void add_cell(wh_cli_table *t, const char *s, size_t n, const char *sgr)
{
    size_t start = t->cells.len;

    WH_ASSERT(t->column < t->n_columns);
    if (!t->cli->json && t->columns[t->column].title != NULL) {
        wh_cli_out_clean(&t->cells, s, n, true);
        size_t width = wh_buf_ok(&t->cells) ? wh_cli_out_width(t->cells.data + start,
                                                               t->cells.len - start)
                                            : 0;
        if (width > t->widths[t->column]) {
            t->widths[t->column] = width;
        }
        wh_buf_addc(&t->cells, '\0');
        wh_buf_adds(&t->cells, sgr == NULL ? "" : sgr);
        wh_buf_addc(&t->cells, '\0');
    }
    t->column++;
}

void wh_cli_table_slice(wh_cli_table *t, const char *s, size_t n)
{
    if (begin_json(t)) {
        wh_buf_add_json(&t->json, s, n);
    }
    add_cell(t, s, n, NULL);
}

void wh_cli_table_raw(wh_cli_table *t, const char *json, const char *text)
{
    if (begin_json(t)) {
        wh_buf_adds(&t->json, json);
    }
    add_cell(t, text, strlen(text), NULL);
}

void wh_cli_table_text(wh_cli_table *t, const char *s)
{
    if (s == NULL) {
        wh_cli_table_raw(t, "null", "");
    } else {
        wh_cli_table_slice(t, s, strlen(s));
    }
}

void wh_cli_table_colored(wh_cli_table *t, const char *s, const char *sgr)
{
    if (begin_json(t)) {
        wh_buf_add_json(&t->json, s, strlen(s));
    }
    add_cell(t, s, strlen(s), sgr);
}

void wh_cli_table_int(wh_cli_table *t, int64_t v)
{
    wh_buf digits = {0};

    wh_buf_addi(&digits, v);
    wh_cli_table_raw(t, wh_buf_str(&digits), wh_buf_str(&digits));
    wh_buf_fini(&digits);
}

void wh_cli_table_ms(wh_cli_table *t, int64_t ms)
{
    wh_buf digits = {0};
    char human[24];

    if (ms < 0) {
        wh_cli_table_raw(t, "null", "-");
        return;
    }
    wh_buf_addi(&digits, ms);
    wh_cli_table_raw(t, wh_buf_str(&digits), wh_clock_human(ms, human, sizeof human));
    wh_buf_fini(&digits);
}

void wh_cli_table_time(wh_cli_table *t, int64_t ms)
{
    char iso[32];

    wh_cli_table_text(t, ms <= 0 ? NULL : wh_clock_iso(ms, iso, sizeof iso));
}

void wh_cli_table_bool(wh_cli_table *t, bool v, const char *yes)
{
    wh_cli_table_raw(t, v ? "true" : "false", v ? yes : "");
}

/* ---- printing ---- */

static void pad(wh_buf *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wh_buf_addc(out, ' ');
    }
}

static size_t last_column(const wh_cli_table *t)
{
    size_t last = 0;

    for (size_t i = 0; i < t->n_columns; i++) {
        last = t->columns[i].title != NULL ? i : last;
    }
    return last;
}

/* How wide the last column may be; 0: any. */
static size_t last_room(const wh_cli_table *t)
{
    size_t room = wh_cli_out_columns(t->cli);
    size_t used = 0;

    for (size_t i = 0; i < last_column(t); i++) {
        used += t->columns[i].title == NULL ? 0 : t->widths[i] + GAP;
    }
    if (room == 0) {
        return 0;
    }
    return room > used + LAST_MIN ? room - used : LAST_MIN;
}

/* The longest start of s that is at most width columns wide. */
static size_t fitting(const char *s, size_t n, size_t width)
{
    size_t at = 0;

    while (at < n) {
        size_t len = wh_buf_utf8_len(s + at, n - at);

        len = len == 0 ? 1 : len;
        if (wh_cli_out_width(s, at + len) > width) {
            break;
        }
        at += len;
    }
    return at;
}

static void print_cell(wh_cli_table *t, size_t i, const char *s, const char *sgr)
{
    size_t n = strlen(s);
    size_t width = wh_cli_out_width(s, n);
    bool is_last = i == last_column(t);
    size_t room = is_last ? last_room(t) : 0;
    bool cut = room > 0 && width > room;
    size_t gap = t->widths[i] > width ? t->widths[i] - width : 0;
    bool color = t->cli->is_out_color && sgr[0] != '\0';

    if (cut) {
        n = fitting(s, n, room - 1);
    }
    if (t->columns[i].is_right) {
        pad(&t->out, gap);
    }
    if (color) {
        wh_buf_addf(&t->out, "\033[%sm", sgr);
    }
    wh_buf_add(&t->out, s, n);
    wh_buf_adds(&t->out, cut ? "\xe2\x80\xa6" : "");
    wh_buf_adds(&t->out, color ? "\033[0m" : "");
    if (!is_last) {
        pad(&t->out, (t->columns[i].is_right ? 0 : gap) + GAP);
    }
}

/* Ends a line, without the blanks of empty last cells. */
static void end_line(wh_cli_table *t)
{
    while (t->out.len > 0 && t->out.data[t->out.len - 1] == ' ') {
        t->out.len--;
    }
    wh_buf_addc(&t->out, '\n');
}

void wh_cli_table_flush(wh_cli_table *t)
{
    const char *p = wh_buf_str(&t->cells);

    if (t->n_rows == 0 || !wh_buf_ok(&t->cells)) {
        return;
    }
    if (t->total == t->n_rows) {
        for (size_t i = 0; i < t->n_columns; i++) {
            if (t->columns[i].title != NULL) {
                print_cell(t, i, t->columns[i].title, "1");
            }
        }
        end_line(t);
    }
    for (size_t row = 0; row < t->n_rows; row++) {
        for (size_t i = 0; i < t->n_columns; i++) {
            if (t->columns[i].title != NULL) {
                const char *sgr = p + strlen(p) + 1;

                print_cell(t, i, p, sgr);
                p = sgr + strlen(sgr) + 1;
            }
        }
        end_line(t);
    }
    t->n_rows = 0;
    wh_buf_clear(&t->cells);
    wh_cli_out_flush(t->cli, &t->out);
}

void wh_cli_table_row(wh_cli_table *t)
{
    WH_ASSERT(t->column == t->n_columns);
    t->column = 0;
    t->total++;
    if (t->cli->json) {
        wh_buf_adds(&t->json, "}\n");
        if (wh_buf_ok(&t->json)) {
            wh_cli_out_flush(t->cli, &t->json);
        }
        return;
    }
    if (++t->n_rows >= PAGE_ROWS) {
        wh_cli_table_flush(t);
    }
}

wh_exit wh_cli_table_finish(wh_cli_table *t, const char *empty)
{
    wh_exit status = WH_EXIT_OK;

    wh_cli_table_flush(t);
    if (!wh_buf_ok(&t->cells) || !wh_buf_ok(&t->json) || !wh_buf_ok(&t->out)) {
        status = wh_cli_no_memory(t->cli);
    } else if (t->total == 0 && empty != NULL) {
        wh_cli_note(t->cli, "%s", empty);
    }
    wh_buf_fini(&t->cells);
    wh_buf_fini(&t->json);
    wh_buf_fini(&t->out);
    return status != WH_EXIT_OK ? status : wh_cli_out_status(t->cli, NULL);
}
