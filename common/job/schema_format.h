/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The formats that schema asserts.
 */
#ifndef WH_COMMON_JOB_SCHEMA_FORMAT_H
#define WH_COMMON_JOB_SCHEMA_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

typedef bool (*wh_schema_format_fn)(const char *p, size_t n);

/* The check of a format by its name; NULL: there is none. */
wh_schema_format_fn wh_schema_format_get(const char *name, size_t n);
/* All names, for messages: "date, date-time, ...". */
const char *wh_schema_format_names(void);
bool wh_schema_format_is_ipv6(const char *p, size_t n);

#endif
