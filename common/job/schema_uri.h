/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URI references (RFC 3986) for schema: identifiers, and the formats uri and
 * uri-reference.
 */
#ifndef WH_COMMON_JOB_SCHEMA_URI_H
#define WH_COMMON_JOB_SCHEMA_URI_H

#include "common/base/buf.h"

typedef struct wh_schema_uri_part {
    const char *p; /* NULL: not there */
    size_t n;
} wh_schema_uri_part;

typedef struct wh_schema_uri {
    wh_schema_uri_part scheme, authority, path, query, fragment; /* borrowed */
} wh_schema_uri;

void wh_schema_uri_split(const char *p, size_t n, wh_schema_uri *out);
/* Is it a well-formed reference, all characters and authority included? */
bool wh_schema_uri_is_valid(const wh_schema_uri *uri);
/* Appends what `ref` means at `base`, without its fragment. */
void wh_schema_uri_resolve(const wh_schema_uri *base, const wh_schema_uri *ref,
                           wh_buf *out);
/* Appends the bytes with %XX decoded; false: a wrong escape. */
bool wh_schema_uri_decode(wh_schema_uri_part part, wh_buf *out);

#endif
