/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The YAML parser held on a short leash: UTF-8 only, one document, plain scalars,
 * sequences and mappings. Whatever gets past here means just what it looks like.
 * Called by conf_file.c; owns parser and current event.
 */
#include "common/base/conf_events.h"

#include <stdio.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

wh_err wh_conf_events_refuse(wh_conf_events *e, yaml_mark_t at, const char *option,
                             const char *fmt, ...)
{
    wh_errbuf text;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text.text, sizeof text.text, fmt, ap);
    va_end(ap);
    const wh_conf_refusal r = {.file = e->path,
                               .line = at.line + 1,
                               .column = at.column + 1,
                               .option = option,
                               .message = text.text};
    return wh_conf_refuse(e->report, e->eb, WH_ECONFIG, &r);
}

wh_err wh_conf_events_no_memory(wh_conf_events *e)
{
    return wh_err_set(e->eb, WH_ENOMEM, "%s: out of memory while reading it", e->path);
}

/* libyaml would take UTF-16 too and name byte offsets; say it better, and first. */
static wh_err check_bytes(wh_conf_events *e, const char *text, size_t n)
{
    yaml_mark_t at = {0};
    for (size_t i = 0; i < n;) {
        size_t len = wh_buf_utf8_len(text + i, n - i);
        unsigned char c = (unsigned char)text[i];
        if (len == 0) {
            return wh_conf_events_refuse(e, at, NULL, "the file is not UTF-8");
        }
        if ((c < ' ' && c != '\n' && c != '\r' && c != '\t') || c == 0x7F) {
            return wh_conf_events_refuse(
                e, at, NULL, "a control character (0x%02x) is not allowed", c);
        }
        at.column = c == '\n' ? 0 : at.column + 1;
        at.line += c == '\n' ? 1 : 0;
        i += len;
    }
    return WH_OK;
}

wh_err wh_conf_events_init(wh_conf_events *e, const char *text, size_t n)
{
    /* libyaml would count it as the first column, so that line 1 stood deeper than the
     * others. */
    if (n >= strlen(BYTE_ORDER_MARK) &&
        memcmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0) {
        text += strlen(BYTE_ORDER_MARK);
        n -= strlen(BYTE_ORDER_MARK);
    }
    wh_err err = check_bytes(e, text, n);
    if (err != WH_OK) {
        return err;
    }
    if (!yaml_parser_initialize(&e->parser)) {
        return wh_conf_events_no_memory(e);
    }
    const void *bytes = text;
    yaml_parser_set_encoding(&e->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&e->parser, bytes, n);
    return WH_OK;
}

void wh_conf_events_fini(wh_conf_events *e)
{
    yaml_event_delete(&e->event);
    yaml_parser_delete(&e->parser);
}

static wh_err check_plain(wh_conf_events *e)
{
    const yaml_event_t *ev = &e->event;
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    if (ev->type == YAML_ALIAS_EVENT) {
        return wh_conf_events_refuse(
            e, ev->start_mark, NULL,
            "an alias (*name) is not allowed; write the value out");
    }
    if (ev->type == YAML_SCALAR_EVENT) {
        anchor = ev->data.scalar.anchor;
        tag = ev->data.scalar.tag;
    } else if (ev->type == YAML_SEQUENCE_START_EVENT) {
        anchor = ev->data.sequence_start.anchor;
        tag = ev->data.sequence_start.tag;
    } else if (ev->type == YAML_MAPPING_START_EVENT) {
        anchor = ev->data.mapping_start.anchor;
        tag = ev->data.mapping_start.tag;
    }
    if (anchor != NULL) {
        return wh_conf_events_refuse(e, ev->start_mark, NULL,
                                     "an anchor (&name) is not allowed");
    }
    if (tag != NULL) {
        return wh_conf_events_refuse(e, ev->start_mark, NULL,
                                     "a tag (!name) is not allowed");
    }
    if (ev->type == YAML_SCALAR_EVENT &&
        memchr(ev->data.scalar.value, '\0', ev->data.scalar.length) != NULL) {
        return wh_conf_events_refuse(e, ev->start_mark, NULL,
                                     "a NUL character is not allowed");
    }
    return WH_OK;
}

static wh_err parse(wh_conf_events *e)
{
    yaml_event_delete(&e->event);
    memset(&e->event, 0, sizeof e->event);
    if (!yaml_parser_parse(&e->parser, &e->event)) {
        const yaml_parser_t *p = &e->parser;
        if (p->error == YAML_MEMORY_ERROR) {
            return wh_conf_events_no_memory(e);
        }
        return wh_conf_events_refuse(e, p->problem_mark, NULL, "not valid YAML: %s%s%s",
                                     p->problem != NULL ? p->problem : "unreadable",
                                     p->context != NULL ? " " : "",
                                     p->context != NULL ? p->context : "");
    }
    return check_plain(e);
}

wh_err wh_conf_events_next(wh_conf_events *e)
{
    wh_err err = parse(e);
    yaml_event_type_t type = e->event.type;
    e->is_broken = err != WH_OK;
    e->count++;
    if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT) {
        e->depth++;
    } else if (type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT) {
        e->depth--;
    }
    return err;
}

wh_err wh_conf_events_skip(wh_conf_events *e, size_t key, size_t depth)
{
    bool is_key = e->count == key;
    wh_err err = WH_OK;
    while (err == WH_OK && e->depth > depth) {
        err = wh_conf_events_next(e);
    }
    if (err != WH_OK || !is_key) {
        return err;
    }
    err = wh_conf_events_next(e);
    return err != WH_OK ? err : wh_conf_events_skip(e, key, depth);
}

wh_err wh_conf_events_begin(wh_conf_events *e, bool *empty)
{
    wh_err err = wh_conf_events_next(e); /* the stream's start */
    if (err == WH_OK) {
        err = wh_conf_events_next(e);
    }
    *empty = err == WH_OK && e->event.type == YAML_STREAM_END_EVENT;
    if (err != WH_OK || *empty) {
        return err;
    }
    if (e->event.data.document_start.tag_directives.start !=
        e->event.data.document_start.tag_directives.end) {
        return wh_conf_events_refuse(e, e->event.start_mark, NULL,
                                     "a %%TAG directive is not allowed");
    }
    return wh_conf_events_next(e);
}

wh_err wh_conf_events_end(wh_conf_events *e)
{
    wh_err err = wh_conf_events_next(e); /* the document's end */
    if (err == WH_OK) {
        err = wh_conf_events_next(e);
    }
    if (err == WH_OK && e->event.type != YAML_STREAM_END_EVENT) {
        return wh_conf_events_refuse(e, e->event.start_mark, NULL,
                                     "a second document is not allowed");
    }
    return err;
}

const char *wh_conf_events_text(const wh_conf_events *e)
{
    const void *text = e->event.data.scalar.value;
    return text;
}

bool wh_conf_events_is_null(const wh_conf_events *e)
{
    if (e->event.type != YAML_SCALAR_EVENT ||
        e->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
        return false;
    }
    const char *text = wh_conf_events_text(e);
    return text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}
