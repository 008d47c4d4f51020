/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks go through common/job/payload.h, so a payload that passes here passes the worker.
 * Needs no Redis.
 */
#include "common/cli/cli_schema.h"

#include "common/cli/cli_out.h"
#include "common/cli/cli_payload.h"

#include <string.h>

static wh_err load(const char *path, const char *format, wh_cli_schema *out,
                   wh_errbuf *eb)
{
    *out = (wh_cli_schema){.schema = NULL};
    if (format != NULL) {
        (void)wh_payload_format_parse(format, &out->format);
    }
    return path == NULL ? WH_OK : wh_payload_schema(path, &out->schema, eb);
}

wh_exit wh_cli_schema_load(wh_cli *c, const char *path, const char *format,
                           wh_cli_schema *out)
{
    wh_errbuf eb = {.code = WH_OK};
    wh_err err = load(path, format, out, &eb);

    if (path == NULL && format != NULL) {
        return wh_cli_usage(c, "--schema-format is of no use without --schema");
    }
    return err == WH_OK ? WH_EXIT_OK : wh_cli_fail(c, err, &eb);
}

void wh_cli_schema_fini(wh_cli_schema *s)
{
    wh_schema_free(s->schema);
    *s = (wh_cli_schema){.schema = NULL};
}

wh_exit wh_cli_schema_check(wh_cli *c, const wh_cli_schema *s, wh_slice payload)
{
    wh_errbuf eb = {.code = WH_OK};
    wh_err err = s->schema == NULL
                     ? WH_OK
                     : wh_payload_check(s->schema, s->format, payload, NULL, &eb);

    if (err == WH_EINVAL) {
        wh_cli_error(c, "%s", eb.text);
        return WH_EXIT_DATA;
    }
    return err == WH_OK ? WH_EXIT_OK : wh_cli_fail(c, err, &eb);
}

static void add_member(wh_buf *out, const char *name, const char *value)
{
    wh_buf_addf(out, ",\"%s\":", name);
    wh_buf_add_json(out, value, strlen(value));
}

/* report NULL: it fits. */
static void print(wh_cli *c, const char *name, const wh_schema_report *report,
                  wh_buf *out)
{
    if (!c->json) {
        wh_cli_out_clean(out, name, strlen(name), true);
        wh_buf_addf(out, ": ");
        if (report == NULL) {
            wh_buf_adds(out, "valid");
        } else {
            wh_cli_out_clean(out, report->text, strlen(report->text), true);
        }
        wh_buf_addc(out, '\n');
        return;
    }
    wh_buf_adds(out, "{\"payload\":");
    wh_buf_add_json(out, name, strlen(name));
    wh_buf_addf(out, ",\"valid\":%s", report == NULL ? "true" : "false");
    if (report != NULL) {
        add_member(out, "instance", report->instance);
        add_member(out, "schema", report->schema);
        add_member(out, "keyword", report->keyword);
        add_member(out, "message", report->text);
    }
    wh_buf_adds(out, "}\n");
}

static wh_exit check(wh_cli *c, const wh_cli_schema *s, const char *name, wh_buf *out)
{
    wh_buf payload = {0};
    wh_schema_report report;
    wh_errbuf eb = {.code = WH_OK};
    wh_exit status = wh_cli_payload_file(c, name, &payload);

    if (status == WH_EXIT_OK) {
        wh_slice bytes = {wh_buf_str(&payload), payload.len};
        wh_err err = wh_payload_check(s->schema, s->format, bytes, &report, &eb);

        if (err == WH_OK || err == WH_EINVAL) {
            print(c, name, err == WH_OK ? NULL : &report, out);
            status = err == WH_OK ? WH_EXIT_OK : WH_EXIT_DATA;
        } else {
            status = wh_cli_fail(c, err, &eb);
        }
    }
    wh_buf_fini(&payload);
    return status;
}

/* why NULL: it is a good one. */
static void print_schema(wh_cli *c, const char *path, const char *why, wh_buf *out)
{
    if (c->json) {
        wh_buf_adds(out, "{\"schema\":");
        wh_buf_add_json(out, path, strlen(path));
        wh_buf_addf(out, ",\"valid\":%s", why == NULL ? "true" : "false");
        if (why != NULL) {
            add_member(out, "message", why);
        }
        wh_buf_adds(out, "}\n");
    } else if (why == NULL) {
        wh_cli_out_clean(out, path, strlen(path), true);
        wh_buf_adds(out, ": a schema\n");
    }
}

/* With --json a bad schema is a result as a bad payload is. */
static wh_exit load_first(wh_cli *c, const char *path, wh_cli_schema *s, wh_buf *out)
{
    wh_errbuf eb = {.code = WH_OK};
    wh_err err = load(path, wh_cli_args_text(&c->args, "schema-format"), s, &eb);

    if (err != WH_OK && (err == WH_ENOMEM || !c->json)) {
        return wh_cli_fail(c, err, &eb);
    }
    if (err != WH_OK || c->args.n_operands == 1) {
        print_schema(c, path, err == WH_OK ? NULL : eb.text, out);
    }
    return err == WH_OK ? WH_EXIT_OK : wh_err_exit(err);
}

wh_exit wh_cli_schema_run(wh_cli *c)
{
    wh_cli_schema s;
    wh_buf out = {0};
    wh_exit status = load_first(c, wh_cli_args_operand(&c->args, 0), &s, &out);

    /* All are told; a payload that can't be read at all ends it. */
    for (size_t i = 1; i < c->args.n_operands && s.schema != NULL; i++) {
        wh_exit one = check(c, &s, wh_cli_args_operand(&c->args, i), &out);

        status = one == WH_EXIT_OK ? status : one;
        if (one != WH_EXIT_OK && one != WH_EXIT_DATA) {
            break;
        }
    }
    wh_cli_out_flush(c, &out);
    wh_exit written = wh_cli_out_status(c, &out);
    wh_buf_fini(&out);
    wh_cli_schema_fini(&s);
    return status == WH_EXIT_OK ? written : status;
}
