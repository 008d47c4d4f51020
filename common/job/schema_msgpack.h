/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msgpack as a schema_doc.
 */
#ifndef WH_COMMON_JOB_SCHEMA_MSGPACK_H
#define WH_COMMON_JOB_SCHEMA_MSGPACK_H

#include "common/job/schema_doc.h"

/* Reads exactly one value into d, which borrows the bytes. Maps are objects, so their
 * names must be str and unique; a float is the number that JSON would write for it.
 * WH_EBADDATA: malformed, or nothing that JSON has a word for (NaN, a str that is not
 * UTF-8); WH_ETOOBIG: deeper or larger than d takes. */
wh_err wh_schema_msgpack_read(wh_schema_doc *d, const void *p, size_t n,
                              wh_errbuf *eb) WH_MUSTCHECK;

#endif
