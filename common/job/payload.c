/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files are read with conf's reader, so they have its messages; checks keep no state.
 */
#include "common/job/payload.h"

#include "common/base/conf_read.h"

#include <string.h>

static const char *const formats[WH_PAYLOAD_FORMATS] = {
    [WH_PAYLOAD_JSON] = "json", [WH_PAYLOAD_MSGPACK] = "msgpack"};

bool wh_payload_format_parse(const char *text, wh_payload_format *out)
{
    for (int i = 0; i < WH_PAYLOAD_FORMATS; i++) {
        if (strcmp(text, formats[i]) == 0) {
            *out = (wh_payload_format)i;
            return true;
        }
    }
    return false;
}

wh_err wh_payload_schema(const char *path, wh_schema **out, wh_errbuf *eb)
{
    wh_conf_read_result file = {0};
    wh_errbuf inner = {0};

    *out = NULL;
    wh_err err = wh_conf_read(path, WH_SCHEMA_BYTES_MAX, &file, eb);
    if (err == WH_OK) {
        err = wh_schema_compile(wh_buf_str(&file.text), file.text.len, out, &inner);
        if (err == WH_EINVAL || err == WH_ETOOBIG) {
            err = WH_ECONFIG;
        }
        if (err != WH_OK) {
            (void)wh_err_set(eb, err, "%s: %s", path,
                             inner.text[0] != '\0' ? inner.text : wh_err_text(err));
        }
    } else if (err == WH_ETOOBIG) {
        err = WH_ECONFIG;
        if (eb != NULL) {
            eb->code = err;
        }
    }
    wh_conf_read_fini(&file);
    return err;
}

wh_err wh_payload_check(const wh_schema *s, wh_payload_format format, wh_slice payload,
                        wh_schema_report *report, wh_errbuf *eb)
{
    wh_schema_report own;

    report = report == NULL ? &own : report;
    wh_err err = format == WH_PAYLOAD_MSGPACK
                     ? wh_schema_check_msgpack(s, payload.p, payload.n, report)
                     : wh_schema_check_json(s, payload.p, payload.n, report);
    if (err == WH_OK) {
        return WH_OK;
    }
    err = err == WH_EBADDATA || err == WH_ETOOBIG ? WH_EINVAL : err;
    return wh_err_set(eb, err, "%s",
                      report->text[0] != '\0' ? report->text : wh_err_text(err));
}
