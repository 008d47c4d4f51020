/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as a schema, and any bytes as a payload for it, as JSON and as msgpack.
 * Input: the schema, a NUL, the payload. A check must end, in one of the few ways that
 * schema.h names, with a report that fits; a refused schema must say why.
 */
#include "common/job/schema.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_is_text(const char *text, size_t size)
{
    const char *end = memchr(text, '\0', size);
    WH_ASSERT(end != NULL);
    for (const char *p = text; p < end; p++) {
        WH_ASSERT((unsigned char)*p >= 0x20 && *p != 0x7f);
    }
}

static void assert_result(wh_err err, const wh_schema_report *report)
{
    WH_ASSERT(err == WH_OK || err == WH_EINVAL || err == WH_EBADDATA ||
              err == WH_ETOOBIG);
    WH_ASSERT((err == WH_OK) == (report->text[0] == '\0'));
    WH_ASSERT(err == WH_EINVAL || report->keyword[0] == '\0');
    assert_is_text(report->instance, sizeof report->instance);
    assert_is_text(report->schema, sizeof report->schema);
    assert_is_text(report->keyword, sizeof report->keyword);
    assert_is_text(report->text, sizeof report->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
    size_t n = end != NULL ? (size_t)(end - data) : size;
    wh_schema *s = NULL;
    wh_errbuf eb = {0};
    wh_err err = wh_schema_compile(data, n, &s, &eb);
    if (err != WH_OK) {
        WH_ASSERT(err == WH_EINVAL || err == WH_ETOOBIG);
        WH_ASSERT(s == NULL && eb.code == err && eb.text[0] != '\0');
        return 0;
    }
    wh_schema_report report;
    const uint8_t *payload = end != NULL ? end + 1 : data;
    size_t len = end != NULL ? size - n - 1 : size;
    err = wh_schema_check_json(s, payload, len, &report);
    assert_result(err, &report);
    WH_ASSERT(wh_schema_check_json(s, payload, len, NULL) == err); /* nothing is kept */
    err = wh_schema_check_msgpack(s, payload, len, &report);
    assert_result(err, &report);
    wh_schema_free(s);
    return 0;
}
