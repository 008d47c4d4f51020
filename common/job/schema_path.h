/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a value lies in its document, as a JSON pointer for people.
 */
#ifndef WH_COMMON_JOB_SCHEMA_PATH_H
#define WH_COMMON_JOB_SCHEMA_PATH_H

#include "common/job/schema_doc.h"

enum { WH_SCHEMA_PATH_NAME_MAX = 48 }; /* bytes of one name that are shown */

/* The pointer of a value, or of a member by its name, "" for the root. Control
 * characters are shown as '?', and what does not fit is replaced by "...". size is 32
 * at least. */
void wh_schema_path_format(const wh_schema_doc *d, uint32_t at, char *out, size_t size);
/* Follows a pointer without its leading '/' ("a/0"; percent-decoded) from a value.
 * WH_SCHEMA_NONE: it leads nowhere. */
uint32_t wh_schema_path_follow(const wh_schema_doc *d, uint32_t at, const char *p,
                               size_t n);
/* Copies at most max bytes, at most as fit, and ends a text that was cut in "...",
 * never inside a character. Control characters become '?'. Returns the length. */
size_t wh_schema_path_show(const char *p, size_t n, size_t max, char *out, size_t size);

#endif
