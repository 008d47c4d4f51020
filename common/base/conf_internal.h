/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of conf share, for no one else: conf.c (order of sources), _args
 * (command line), _file (YAML), _read (its bytes), _items (sections), _value and _format
 * (one typed value and its text), _secret, _parse (scalars), _suggest, _report, _print,
 * _help and _markdown.
 *
 * A `why` buffer takes the half of an error message that does not depend on where
 * the value stood: `"5" is no duration; write a number with a unit, …`.
 */
#ifndef WH_COMMON_BASE_CONF_INTERNAL_H
#define WH_COMMON_BASE_CONF_INTERNAL_H

#include "common/base/conf.h"
#include "common/base/conf_read.h"
#include "common/base/conf_report.h"

enum { WH_CONF_ITEMS_MAX = 4096 };

/* Where a value in force comes from. */
typedef struct wh_conf_from {
    enum {
        WH_CONF_FROM_DEFAULT,
        WH_CONF_FROM_FILE,
        WH_CONF_FROM_ENV,
        WH_CONF_FROM_FLAG
    } kind;
    size_t line, column; /* in the file */
    bool is_second_env;  /* it was wh_opt.env, not WHERRY_… */
    bool is_secret_file; /* it was NAME_file */
} wh_conf_from;

typedef struct wh_conf_section {
    wh_conf_from from;
    wh_conf_from *opts; /* of each item: n_opts, then the item's own; owned */
    size_t cap_items, cap_opts;
} wh_conf_section;

/* A file that held a secret, as it was when it was read. */
typedef struct wh_conf_secret_file {
    char *path; /* owned */
    unsigned mode;
} wh_conf_secret_file;

struct wh_conf {
    const wh_opt_table *t;
    wh_opt *opts; /* rows of the table and its groups, offsets from `values`; owned */
    size_t n_opts;
    wh_conf_action action;
    bool as_json;
    wh_conf_report *report; /* while it is loaded; may be NULL */
    char *file;
    unsigned file_mode;
    bool is_cut; /* the file or another source was not read to its end */
    void *values;
    wh_conf_from *from;        /* n_opts */
    wh_conf_section *sections; /* n_sections */
    char **rest;
    size_t n_rest, cap_rest;
    wh_conf_secret_file *secret_files; /* owned */
    size_t n_secret_files, cap_secret_files;
};

/* ---- conf.c ---- */

/* All rows of a table as one array, to be freed; WH_ENOMEM. */
wh_err wh_conf_rows(const wh_opt_table *t, wh_opt **out, size_t *n) WH_MUSTCHECK;

/* ---- conf_value.c: the value of option o in the struct at base ---- */

/* Sets it from text; WH_EINVAL, and WH_ECONFIG from the row's own check, fill why. The
 * old value stays on failure. */
wh_err wh_conf_value_set(const wh_opt *o, void *base, const char *text,
                         wh_buf *why) WH_MUSTCHECK;
/* What a row's (or section's) own check says; NULL: WH_OK. */
wh_err wh_conf_value_check(wh_opt_check_fn *check, const char *text,
                           wh_buf *why) WH_MUSTCHECK;
/* Appends one item to a LIST. */
wh_err wh_conf_value_append(const wh_opt *o, void *base, const char *text,
                            wh_buf *why) WH_MUSTCHECK;
/* Appends comma-separated items to a LIST. */
wh_err wh_conf_value_append_all(const wh_opt *o, void *base, const char *text,
                                wh_buf *why) WH_MUSTCHECK;
/* Is a LIST's number of items within its bounds? */
wh_err wh_conf_value_check_list(const wh_opt *o, const void *base,
                                wh_buf *why) WH_MUSTCHECK;
/* Frees what it owns and zeroes it. */
void wh_conf_value_clear(const wh_opt *o, void *base);
/* Defaults of n options into a zeroed struct. */
wh_err wh_conf_value_defaults(const wh_opt *opts, size_t n, void *base,
                              wh_buf *why) WH_MUSTCHECK;
bool wh_conf_value_equal(const wh_opt *o, const void *a, const void *b);

/* ---- conf_format.c: the same as text ---- */

/* A STRING that is not set? */
bool wh_conf_format_is_null(const wh_opt *o, const void *base);
/* As JSON, which is YAML too; durations and sizes as the texts one would write;
 * secrets as "********", passwords in URLs as "***". */
void wh_conf_format_json(const wh_opt *o, const void *base, wh_buf *out);
/* Is there a password in this URL, so that it is shown masked? */
bool wh_conf_format_has_password(const char *url);
/* "text" escaped and cut; for messages. */
void wh_conf_format_quote(wh_buf *out, const char *text);

/* ---- conf_items.c: the items of section number `at` ---- */

wh_conf_items *wh_conf_items_of(const wh_conf *c, size_t at);
void wh_conf_items_clear(wh_conf *c, size_t at);
/* A new item with defaults; WH_EINVAL (name doubled, empty, too many) and WH_ECONFIG
 * (refused by the section's check) fill why. */
wh_err wh_conf_items_add(wh_conf *c, size_t at, const char *name,
                         wh_buf *why) WH_MUSTCHECK;
/* The same from NAME[=VALUE]. */
wh_err wh_conf_items_add_text(wh_conf *c, size_t at, const char *text,
                              wh_conf_from from, wh_buf *why) WH_MUSTCHECK;
/* The last item, and where its options come from (behind them: the item itself). */
void *wh_conf_items_last(const wh_conf *c, size_t at, wh_conf_from **from);
/* Where the options of item i come from, likewise. */
wh_conf_from *wh_conf_items_from(const wh_conf *c, size_t at, size_t i);
/* The struct of item i, or of the one with this name (NULL: none). */
void *wh_conf_items_at(const wh_conf *c, size_t at, size_t i);
void *wh_conf_items_find(const wh_conf *c, size_t at, const char *name);

/* ---- conf_args.c ---- */

typedef struct wh_conf_arg {
    const wh_opt *opt; /* NULL: of a section */
    size_t section;
    const char *value; /* borrowed from argv */
    bool is_secret_file;
} wh_conf_arg;

typedef struct wh_conf_args {
    wh_conf_arg *list; /* owned */
    size_t count, cap;
    const char *config; /* --config */
} wh_conf_args;

/* Splits the command line into args, c->action and c->rest. */
wh_err wh_conf_args_parse(wh_conf *c, const wh_conf_source *src, wh_conf_args *args,
                          wh_errbuf *eb) WH_MUSTCHECK;
wh_err wh_conf_args_apply(wh_conf *c, const wh_conf_args *args,
                          wh_errbuf *eb) WH_MUSTCHECK;
void wh_conf_args_fini(wh_conf_args *args);
/* "--redis-url" and "WHERRY_REDIS_URL" of "redis.url". */
void wh_conf_args_flag(const char *name, wh_buf *out);
void wh_conf_args_env(const char *name, wh_buf *out);

/* ---- conf_suggest.c ---- */

/* As wh_conf_suggest, among names that each end in a NUL. */
const char *wh_conf_suggest_in(const char *word, const wh_buf *names);
/* The name of the option that others call like this ('-' is '_'), or NULL. */
const char *wh_conf_suggest_aka(const char *word, const wh_opt *opts, size_t n);

/* ---- conf_report.c ---- */

/* A source of values, and the names that its flag and variable are made of. */
typedef struct wh_conf_spot {
    const wh_conf_from *from;
    const char *flag, *env;
    const char *second_env;
} wh_conf_spot;

/* "worker.yaml:3:5", "environment WHERRY_SLOTS", "--slots" or "default". */
void wh_conf_spot_add(const wh_conf *c, const wh_conf_spot *s, wh_buf *out);

typedef struct wh_conf_refusal {
    const char *file; /* NULL: not in a file; line 0: all of it */
    size_t line, column;
    const char *source; /* "environment WHERRY_SLOTS"; not for a file */
    const char *option; /* or NULL */
    bool is_named;      /* the source names the option already */
    const char *message;
} wh_conf_refusal;

/* Adds to report, and fills eb with the first; each may be NULL. Returns code. */
wh_err wh_conf_refuse(wh_conf_report *report, wh_errbuf *eb, wh_err code,
                      const wh_conf_refusal *r);
/* What the load does behind err: WH_OK to go on and look for more, err to end. */
wh_err wh_conf_refuse_more(const wh_conf_report *report, wh_err err) WH_MUSTCHECK;

/* ---- conf_secret.c ---- */

/* Sets an option from the contents of a file, and remembers the file. */
wh_err wh_conf_secret_set(wh_conf *c, const wh_opt *o, void *base, const char *path,
                          wh_buf *why) WH_MUSTCHECK;
void wh_conf_secret_fini(wh_conf *c);

/* ---- conf_file.c ---- */

/* WH_OK also when there is a refusal in c->report, behind which it went on. */
wh_err wh_conf_file_load(wh_conf *c, const char *path, wh_errbuf *eb) WH_MUSTCHECK;
/* The same from memory; path is for messages. */
wh_err wh_conf_file_parse(wh_conf *c, const char *path, const char *text, size_t n,
                          wh_errbuf *eb) WH_MUSTCHECK;

#endif
