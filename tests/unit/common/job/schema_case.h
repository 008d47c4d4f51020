/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of schema: compiling and checking of text in one line each.
 */
#ifndef WH_TESTS_UNIT_COMMON_JOB_SCHEMA_CASE_H
#define WH_TESTS_UNIT_COMMON_JOB_SCHEMA_CASE_H

#include "common/job/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define DRAFT7 "\"$schema\":\"http://json-schema.org/draft-07/schema#\""

static inline wh_schema *schema_case_compile(const char *json)
{
    wh_schema *s = NULL;
    wh_errbuf eb = {0};
    if (wh_schema_compile(json, strlen(json), &s, &eb) != WH_OK) {
        fail_msg("%s: %s", json, eb.text);
    }
    return s;
}

static inline wh_err schema_case_check(const char *schema, const char *payload,
                                       wh_schema_report *report)
{
    wh_schema *s = schema_case_compile(schema);
    wh_err err = wh_schema_check_json(s, payload, strlen(payload), report);
    wh_schema_free(s);
    return err;
}

/* The schema is refused, and the text says where and why. */
static inline void schema_case_refused(const char *schema, const char *text)
{
    wh_schema *s = NULL;
    wh_errbuf eb = {0};
    wh_err err = wh_schema_compile(schema, strlen(schema), &s, &eb);
    if (err != WH_EINVAL || s != NULL || strstr(eb.text, text) == NULL) {
        wh_schema_free(s);
        fail_msg("%s: %s: '%s', not '%s'", schema, wh_err_name(err), eb.text, text);
    }
}

#endif
