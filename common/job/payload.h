/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A payload against the schema of its type, the same for producers (client, command
 * line) and the worker: one way to read a schema, one meaning, one text.
 */
#ifndef WH_COMMON_JOB_PAYLOAD_H
#define WH_COMMON_JOB_PAYLOAD_H

#include "common/job/job.h"
#include "common/job/schema.h"

/* Nothing is guessed from the bytes: "1" is both. */
typedef enum wh_payload_format {
    WH_PAYLOAD_JSON,
    WH_PAYLOAD_MSGPACK,
    WH_PAYLOAD_FORMATS
} wh_payload_format;
#define WH_PAYLOAD_FORMAT_CHOICES "json|msgpack"

/* "json"; false: no such word. */
bool wh_payload_format_parse(const char *text, wh_payload_format *out);

/* Reads and compiles a file. WH_ECONFIG: it is no schema that can be checked; WH_EIO,
 * WH_ENOMEM. The text begins with the path. */
wh_err wh_payload_schema(const char *path, wh_schema **out, wh_errbuf *eb) WH_MUSTCHECK;

/* WH_EINVAL: it does not fit, can't be read or takes too much work, with the report's
 * text in eb; WH_ENOMEM: that was not found out. The report may be NULL. */
wh_err wh_payload_check(const wh_schema *s, wh_payload_format format, wh_slice payload,
                        wh_schema_report *report, wh_errbuf *eb) WH_MUSTCHECK;

#endif
