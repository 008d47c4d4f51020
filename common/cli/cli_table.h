/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of rows: aligned columns for people, one JSON object a line with --json. Cells
 * are added from left to right, wh_cli_table_row ends each row. Failure of memory stays
 * in the buffers and is told by wh_cli_table_finish.
 */
#ifndef WH_COMMON_CLI_CLI_TABLE_H
#define WH_COMMON_CLI_CLI_TABLE_H

#include "common/cli/cli.h"

typedef struct wh_cli_column {
    const char *title; /* "OLDEST"; NULL: only in the JSON */
    const char *key;   /* "oldest_ms"; NULL: only for people */
    bool is_right;
} wh_cli_column;

enum { WH_CLI_TABLE_COLUMNS_MAX = 24 };

typedef struct wh_cli_table {
    wh_cli *cli;
    const wh_cli_column *columns;
    size_t n_columns;
    size_t widths[WH_CLI_TABLE_COLUMNS_MAX];
    wh_buf cells; /* for people: text NUL colour NUL, row after row */
    wh_buf json;  /* the row under construction */
    wh_buf out;
    size_t column; /* the next cell's */
    size_t n_rows; /* in cells */
    size_t total;  /* ever */
} wh_cli_table;

void wh_cli_table_init(wh_cli_table *t, wh_cli *c, const wh_cli_column *columns,
                       size_t n);
/* s NULL: an empty cell, null in JSON. */
void wh_cli_table_text(wh_cli_table *t, const char *s);
void wh_cli_table_slice(wh_cli_table *t, const char *s, size_t n);
void wh_cli_table_colored(wh_cli_table *t, const char *s, const char *sgr);
void wh_cli_table_int(wh_cli_table *t, int64_t v);
/* A duration: human, and ms in JSON. Negative: empty, null. */
void wh_cli_table_ms(wh_cli_table *t, int64_t ms);
/* A point in time (ms since the epoch): ISO. 0: empty. */
void wh_cli_table_time(wh_cli_table *t, int64_t ms);
/* JSON as it is in the JSON; the same text for people. */
void wh_cli_table_raw(wh_cli_table *t, const char *json, const char *text);
void wh_cli_table_bool(wh_cli_table *t, bool v, const char *yes);
void wh_cli_table_row(wh_cli_table *t);
/* Prints what is gathered, so that a message may follow. */
void wh_cli_table_flush(wh_cli_table *t);
/* The same; with no row ever, says `empty` as a note (may be NULL). Frees. */
wh_exit wh_cli_table_finish(wh_cli_table *t, const char *empty);

#endif
