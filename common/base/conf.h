/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration from one option table per program: file (YAML), environment,
 * command line; flag > environment > file > default. The same table gives
 * --help, --print-config and the options page. Anything unknown, doubled or
 * malformed is refused with file:line:column, the option's path and what would
 * be right. Anchors, aliases, tags and merge keys are refused.
 *
 * An option named "redis.url" is `redis: {url: …}` in the file, `--redis-url` on
 * the command line and WHERRY_REDIS_URL in the environment. A secret option NAME
 * also has NAME_file (`redis.password_file`), read at load; its value is never
 * printed (of a URL: all but its password is).
 *
 * Every source is checked whole, also where another one wins. Checks that need more
 * than one value come later, elsewhere; their errors start with an option's path and
 * wh_conf_blame (conf_report.h) puts in front where that value stands.
 *
 * A section is a mapping of named items ("queues", "handlers"), each item a struct
 * whose first member is `char *name` and which has an option table of its own. A
 * scalar instead of an item's mapping sets the first option of that table. On the
 * command line: `--queue NAME[=VALUE]` (repeatable; the first one replaces the
 * file's items); in the environment WHERRY_QUEUES="a=5,b=1".
 */
#ifndef WH_COMMON_BASE_CONF_H
#define WH_COMMON_BASE_CONF_H

#include "common/base/buf.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum wh_opt_type {
    WH_OPT_BOOL,     /* bool: true/false/yes/no/on/off */
    WH_OPT_INT,      /* int64_t */
    WH_OPT_NUMBER,   /* double */
    WH_OPT_DURATION, /* int64_t ms: 250ms 5s 2m 1h 7d; a bare number is refused */
    WH_OPT_SIZE,     /* int64_t bytes: 64KiB 1MiB 2GiB 500 */
    WH_OPT_STRING,   /* char *, owned; NULL only with a NULL default */
    WH_OPT_ENUM,     /* int: index into choices "a|b|c" */
    WH_OPT_LIST      /* wh_strlist: YAML sequence, or comma-separated */
} wh_opt_type;

typedef struct wh_strlist {
    char **items; /* owned */
    size_t count;
} wh_strlist;

enum {
    WH_OPT_RELOAD = 1,    /* may change on SIGHUP */
    WH_OPT_SECRET = 2,    /* masked everywhere */
    WH_OPT_FLAG_ONLY = 4, /* not in the file (e.g. --once) */
    WH_OPT_URL = 8,       /* with SECRET: only the password in it is one */
    WH_OPT_PRIVATE = 16   /* names a file that others should not be able to read */
};

/* Is this text fit? WH_ECONFIG with the whole reason, secrets left out, or WH_ENOMEM. */
typedef wh_err wh_opt_check_fn(const char *text, wh_errbuf *eb);

typedef struct wh_opt {
    const char *name;
    wh_opt_type type;
    size_t offset;
    const char *dflt;         /* as text; NULL = none */
    char *(*find_dflt)(void); /* what this machine has instead, owned; may be NULL */
    double min, max;          /* both 0: unbounded; for STRING the length */
    const char *choices;      /* ENUM */
    unsigned flags;
    const char *env;  /* a second environment name: "REDIS_URL", or NULL */
    char letter;      /* short flag or 0 */
    const char *unit; /* for help: "duration", "url", "path" … */
    const char *help;
    const char *aka; /* what others call it: "a|b", for "did you mean"; or NULL */
    wh_opt_check_fn *check; /* STRING, each item of a LIST; NULL: anything goes */
} wh_opt;

/* Rows that several programs have, and where their struct is in the config struct. */
typedef struct wh_opt_group {
    const wh_opt *opts;
    size_t n_opts;
    size_t offset;
} wh_opt_group;

typedef struct wh_conf_items {
    void *items; /* array of item structs, owned */
    size_t count;
} wh_conf_items;

typedef struct wh_opt_section {
    const char *name; /* "queues" */
    const char *flag; /* "queue", or NULL: file only */
    size_t offset;    /* of a wh_conf_items in the config struct */
    size_t item_size;
    const wh_opt *opts;
    size_t n_opts;
    const char *help;
    const char *dflt;    /* NAME[=VALUE] of the item there is without any; or NULL */
    const char *example; /* an item as it may stand in the file: "a: 1" */
    wh_opt_check_fn *check_name; /* NULL: any name */
} wh_opt_section;

typedef struct wh_opt_table {
    const char *program;  /* "wherry-worker" */
    const char *synopsis; /* "[options]" */
    const char *examples; /* shown first in --help */
    const char *about;
    const wh_opt *opts;
    size_t n_opts;
    const wh_opt_group *groups; /* more of them, behind those */
    size_t n_groups;
    const wh_opt_section *sections;
    size_t n_sections;
    size_t size; /* of the config struct */
} wh_opt_table;

/* What the command line asked for besides values. */
typedef enum wh_conf_action {
    WH_CONF_RUN,
    WH_CONF_HELP,
    WH_CONF_VERSION,
    WH_CONF_PRINT,
    WH_CONF_CHECK
} wh_conf_action;

typedef struct wh_conf wh_conf; /* the loaded values and where each came from */
typedef struct wh_conf_report wh_conf_report; /* conf_report.h */

/* Looks at all values, also when some of them were refused (these have their defaults then:
 * wh_conf_is_refused), and puts each mistake into the report with wh_conf_blame; eb has the
 * first. */
typedef wh_err wh_conf_check_fn(const wh_conf *c, wh_conf_report *report,
                                wh_errbuf *eb);

typedef struct wh_conf_source {
    int argc;
    char **argv;            /* argv[0] is skipped; NULL: none */
    const char *const *env; /* environ; NULL: none */
    const char *file;       /* NULL: --config/-c, else WHERRY_CONFIG, else none */
    bool allow_rest; /* keep operands (see wh_conf_rest) instead of refusing them */
    wh_conf_report
        *report; /* filled in any case; NULL: the first mistake ends the load */
    wh_conf_check_fn *check; /* with a report: of more than one value; may be NULL */
} wh_conf_source;

/* Loads and validates everything. On error *out is NULL and eb says what, where and
 * what would be right (WH_ECONFIG; a wrong command line is WH_EINVAL) of the first
 * mistake; the report has the others too. With a check, *out is there also when something
 * was refused but all was read: for what comes later and finds more to tell at once
 * (wh_conf_blame knows what was refused already). --config FILE,
 * --help, --version, --print-config, --check-config (both with --json) are understood
 * by themselves. */
wh_err wh_conf_load(const wh_opt_table *t, const wh_conf_source *src, wh_conf **out,
                    wh_errbuf *eb) WH_MUSTCHECK;
void wh_conf_free(wh_conf *c);
/* The config struct (table->size bytes); owned by c. */
const void *wh_conf_values(const wh_conf *c);
wh_conf_action wh_conf_action_of(const wh_conf *c);
const char *wh_conf_file(const wh_conf *c);
/* Operands when allow_rest; returns their number. Behind the first operand, flags that
 * the table does not know (and "--") are kept in place too, for whoever reads the
 * rest; flags it knows are taken wherever they stand before "--". */
size_t wh_conf_rest(const wh_conf *c, char *const **rest);

/* YAML with a comment naming each value's source; secrets as "********". With --json
 * one object {"redis.url": {"value": …, "source": …}, …}. */
void wh_conf_print(const wh_conf *c, wh_buf *out);
/* One JSON object {"redis.url": …}, secrets masked, for the log. */
void wh_conf_print_json(const wh_conf *c, wh_buf *out);
void wh_conf_help(const wh_opt_table *t, wh_buf *out);
/* Markdown table of all options (docs/options page). */
void wh_conf_markdown(const wh_opt_table *t, wh_buf *out);
/* After a reload: names in `changed` (comma-separated) of options that differ but are
 * not WH_OPT_RELOAD; returns their number. */
size_t wh_conf_frozen_changes(const wh_conf *old_conf, const wh_conf *new_conf,
                              wh_buf *changed);

/* A duration, size or number as it could be typed: the largest unit that needs no
 * fraction. */
void wh_conf_format_number(wh_opt_type type, double v, wh_buf *out);
/* The scalar parsers, for the CLI's own flags. */
bool wh_conf_parse_duration(const char *s, int64_t *ms);
bool wh_conf_parse_size(const char *s, int64_t *bytes);
bool wh_conf_parse_int(const char *s, int64_t min, int64_t max, int64_t *out);

/* Nearest of n names to a mistyped one (edit distance <= 2), or NULL. */
const char *wh_conf_suggest(const char *word, const char *const *names, size_t n);

#endif
