/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schemas that the program gave for types. A program has few types, so a list is enough;
 * client_batch.c asks for every job before any is sent.
 */
#include "common/client/client_schema.h"

#include "common/base/alloc.h"

#include <string.h>

_Static_assert((int)WH_PAYLOAD_IS_JSON == (int)WH_PAYLOAD_JSON &&
                   (int)WH_PAYLOAD_IS_MSGPACK == (int)WH_PAYLOAD_MSGPACK,
               "public and own formats differ");

struct wh_client_schema {
    wh_client_schema *next;
    wh_schema *schema;
    wh_payload_format format;
    char type[WH_JOB_NAME_MAX + 1];
};

/* Where the entry of this type is, or would be. */
static wh_client_schema **find(wh_client_schema **list, const char *type)
{
    while (*list != NULL && strcmp((*list)->type, type) != 0) {
        list = &(*list)->next;
    }
    return list;
}

static void drop(wh_client_schema **at)
{
    wh_client_schema *s = *at;

    *at = s->next;
    wh_schema_free(s->schema);
    wh_free(s);
}

void wh_client_schema_clear(wh_client *c)
{
    while (c->schemas != NULL) {
        drop(&c->schemas);
    }
}

wh_err wh_client_schema_check(wh_client *c, const wh_job_spec *spec, wh_errbuf *eb)
{
    const wh_client_schema *s = *find(&c->schemas, spec->type);

    return s == NULL ? WH_OK
                     : wh_payload_check(s->schema, s->format,
                                        (wh_slice){spec->payload, spec->payload_len},
                                        NULL, eb);
}

int wh_client_set_schema(wh_client *c, const char *type, const void *schema, size_t len,
                         int format)
{
    wh_errbuf eb = {.code = WH_OK};
    wh_err err = wh_client_enter(c, false);

    if (err != WH_OK) {
        return (int)err;
    }
    if (type == NULL || !wh_job_name_ok(type, strlen(type))) {
        return wh_client_fail(c, WH_EINVAL,
                              "type: no name; use 1 to 64 of A-Z a-z 0-9 _ . -");
    }
    if (format < 0 || format >= (int)WH_PAYLOAD_FORMATS) {
        return wh_client_fail(c, WH_EINVAL,
                              "format: %d is none of enum wh_client_format", format);
    }
    wh_client_schema **at = find(&c->schemas, type);
    if (schema == NULL) {
        if (*at != NULL) {
            drop(at);
        }
        return (int)WH_OK;
    }
    wh_client_schema *s = wh_calloc(1, sizeof *s);
    err = s == NULL ? WH_ENOMEM : wh_schema_compile(schema, len, &s->schema, &eb);
    if (err != WH_OK) {
        wh_free(s);
        return wh_client_fail_with(c, err, &eb);
    }
    s->format = (wh_payload_format)format;
    memcpy(s->type, type, strlen(type) + 1);
    if (*at != NULL) {
        drop(at);
    }
    s->next = *at;
    *at = s;
    return (int)WH_OK;
}
