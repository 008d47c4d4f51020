/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validation of payloads by JSON Schema (draft-07 and 2020-12; docs/schemas.md). A schema
 * is compiled once and immutable from then on; checks of it may run side by side. What
 * can't be checked is refused when the schema is compiled, never ignored. Fuzzed.
 */
#ifndef WH_COMMON_JOB_SCHEMA_H
#define WH_COMMON_JOB_SCHEMA_H

#include "common/base/err.h"

enum {
    WH_SCHEMA_BYTES_MAX = 256 * 1024, /* of a schema */
    WH_SCHEMA_PAYLOAD_DEPTH_MAX = 64, /* nested arrays and objects */
};

typedef struct wh_schema wh_schema;

/* Where a payload fails, and why. All texts are NUL-terminated, free of control
 * characters, and show at most 60 bytes of a value of the payload. */
typedef struct wh_schema_report {
    char instance[128]; /* JSON pointer to the value, "" the payload itself */
    char schema[128];   /* JSON pointer to the keyword in the schema */
    char keyword[32];   /* "minimum"; "" when the payload can't be read or checked */
    char text[320];     /* "/user/age: 17 is less than minimum 18" */
} wh_schema_report;

/* Compiles a schema of n bytes of JSON; nothing of them is kept. WH_EINVAL: eb says
 * where in the schema and what; WH_ETOOBIG, WH_ENOMEM. */
wh_err wh_schema_compile(const void *json, size_t n, wh_schema **out,
                         wh_errbuf *eb) WH_MUSTCHECK;
void wh_schema_free(wh_schema *s);

/* WH_OK: the payload is valid. WH_EINVAL: it is not; WH_EBADDATA: it is not JSON, or not
 * msgpack that JSON could write; WH_ETOOBIG: it is deeper than PAYLOAD_DEPTH_MAX, too
 * large, or takes too much work to read and check. The report (may be NULL) is filled with
 * all of these, and WH_ENOMEM; it is empty with WH_OK. */
wh_err wh_schema_check_json(const wh_schema *s, const void *json, size_t n,
                            wh_schema_report *report) WH_MUSTCHECK;
wh_err wh_schema_check_msgpack(const wh_schema *s, const void *p, size_t n,
                               wh_schema_report *report) WH_MUSTCHECK;

#endif
