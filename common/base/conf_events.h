/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml's events for conf_file.c, stripped of everything a configuration must not
 * use. Private to conf.
 */
#ifndef WH_COMMON_BASE_CONF_EVENTS_H
#define WH_COMMON_BASE_CONF_EVENTS_H

#include "common/base/conf_internal.h"

#include <yaml.h>

typedef struct wh_conf_events {
    const char *path; /* for messages; borrowed */
    wh_errbuf *eb;    /* may be NULL */
    wh_conf_report *report;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    size_t count;       /* events so far, that one too */
    size_t depth;       /* mappings and sequences that are open behind it */
    bool is_broken;     /* what follows can't be read */
} wh_conf_events;

/* Opens n bytes of text (borrowed until _fini) after checking that they are text. e
 * holds path, eb and report and is zero otherwise. */
wh_err wh_conf_events_init(wh_conf_events *e, const char *text, size_t n) WH_MUSTCHECK;
/* Only after _init succeeded. */
void wh_conf_events_fini(wh_conf_events *e);
/* Makes the next event the current one; refuses anchors, aliases, tags, NUL. */
wh_err wh_conf_events_next(wh_conf_events *e) WH_MUSTCHECK;
/* Goes to the end of the value whose key was event number `key`, in the mapping that
 * is open at `depth`. */
wh_err wh_conf_events_skip(wh_conf_events *e, size_t key, size_t depth) WH_MUSTCHECK;
/* Goes to the document's first event; *empty when there is no document. */
wh_err wh_conf_events_begin(wh_conf_events *e, bool *empty) WH_MUSTCHECK;
/* Refuses everything behind the document but the end. */
wh_err wh_conf_events_end(wh_conf_events *e) WH_MUSTCHECK;

/* The current event, a scalar, as text. */
const char *wh_conf_events_text(const wh_conf_events *e);
/* An unquoted ~, null or nothing at all? */
bool wh_conf_events_is_null(const wh_conf_events *e);

/* WH_ECONFIG with "file:line:column: option: …"; option may be NULL. */
wh_err wh_conf_events_refuse(wh_conf_events *e, yaml_mark_t at, const char *option,
                             const char *fmt, ...) WH_PRINTF(4, 5);
wh_err wh_conf_events_no_memory(wh_conf_events *e);

#endif
