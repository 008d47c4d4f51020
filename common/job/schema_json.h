/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text (RFC 8259) as a schema_doc.
 */
#ifndef WH_COMMON_JOB_SCHEMA_JSON_H
#define WH_COMMON_JOB_SCHEMA_JSON_H

#include "common/job/schema_doc.h"

/* Reads exactly one value into d, which borrows the text. WH_EBADDATA: not JSON, or an
 * object has a name twice; WH_ETOOBIG: deeper or larger than d takes. eb says where, but
 * shows nothing of the text. */
wh_err wh_schema_json_read(wh_schema_doc *d, const void *json, size_t n,
                           wh_errbuf *eb) WH_MUSTCHECK;

#endif
