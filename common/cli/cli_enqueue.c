/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All ways lead through cli_batch. The partition is registered afterwards, so that
 * `queue list` and `job show` find it before any worker has named it.
 */
#include "common/cli/cli_enqueue.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/cli/cli_batch.h"
#include "common/cli/cli_jsonl.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_partition.h"
#include "common/cli/cli_payload.h"
#include "common/cli/cli_progress.h"
#include "common/cli/cli_schema.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENTITY_MAX = 256 };

/* A blocking read of stdin must end, so the loop's own signals are of no use here. */
static volatile sig_atomic_t stop_asked;

static void on_stop(int signo)
{
    (void)signo;
    stop_asked = 1;
}

/* ---- the job from the flags ---- */

typedef struct request {
    wh_job_spec spec;
    uint8_t id[WH_UUID_BYTES];
    char entity_type[ENTITY_MAX + 1];
    wh_buf payload;
    wh_cli_schema schema;
} request;

static wh_exit read_payload(wh_cli *c, request *r)
{
    wh_exit status =
        wh_cli_payload_read(c, wh_cli_args_operand(&c->args, 1), &r->payload);

    r->spec.payload = r->payload.data;
    r->spec.payload_len = r->payload.len;
    return status;
}

static wh_exit read_entity(wh_cli *c, request *r)
{
    const char *text = wh_cli_args_text(&c->args, "entity");
    const char *slash = text == NULL ? NULL : strchr(text, '/');

    if (text == NULL) {
        return WH_EXIT_OK;
    }
    if (slash == NULL || slash == text || slash - text > ENTITY_MAX ||
        slash[1] == '\0') {
        return wh_cli_usage(c, "--entity: write TYPE/ID, like invoice/4711");
    }
    (void)snprintf(r->entity_type, sizeof r->entity_type, "%.*s", (int)(slash - text),
                   text);
    r->spec.entity_type = r->entity_type;
    r->spec.entity_id = slash + 1;
    return WH_EXIT_OK;
}

static void read_key_modes(const wh_cli_args *a, wh_job_spec *spec)
{
    const char *unique = wh_cli_args_text(a, "unique");
    const char *conflict = wh_cli_args_text(a, "conflict");

    if (unique != NULL) {
        (void)wh_job_unique_parse(unique, &spec->unique);
    }
    if (conflict != NULL) {
        (void)wh_cli_jsonl_conflict(conflict, &spec->conflict);
    }
}

static wh_exit read_flags(wh_cli *c, request *r)
{
    const wh_cli_args *a = &c->args;
    const char *id = wh_cli_args_text(a, "id");

    r->spec = (wh_job_spec){
        .type = wh_cli_args_operand(a, 0),
        .org = wh_cli_args_text(a, "org"),
        .priority_plus1 = (int)wh_cli_args_number(a, "priority", -1) + 1,
        .delay_ms = wh_cli_args_number(a, "delay", 0),
        .timeout_ms = wh_cli_args_number(a, "timeout", 0),
        .expires_ms = wh_cli_args_number(a, "expires", 0),
        .max_attempts = (int)wh_cli_args_number(a, "max-attempts", 0),
        .key = wh_cli_args_text(a, "key"),
        .key_ttl_ms = wh_cli_args_number(a, "key-ttl", 0),
        .traceparent = wh_cli_args_text(a, "traceparent"),
        .group = wh_cli_args_text(a, "group"),
        .retry_for_ms = wh_cli_args_number(a, "retry-for", 0),
    };
    read_key_modes(a, &r->spec);
    if (id != NULL) {
        if (!wh_rng_uuid_parse(id, strlen(id), r->id)) {
            return wh_cli_usage(c, "--id: \"%.60s\" is no UUID", id);
        }
        r->spec.id = r->id;
    }
    if (r->spec.traceparent != NULL && !wh_cli_jsonl_is_trace(r->spec.traceparent)) {
        return wh_cli_usage(c, "--traceparent: \"%.80s\" is " WH_CLI_JSONL_NO_TRACE,
                            r->spec.traceparent);
    }
    return read_entity(c, r);
}

static wh_exit check_combination(wh_cli *c)
{
    const wh_cli_args *a = &c->args;
    bool is_bulk = wh_cli_args_has(a, "jsonl");

    if (!is_bulk && a->n_operands == 0) {
        return wh_cli_usage(c, "an operand is missing: TYPE");
    }
    if (is_bulk && (a->n_operands > 1 || wh_cli_args_has(a, "count") ||
                    wh_cli_args_has(a, "id") || wh_cli_args_has(a, "key"))) {
        return wh_cli_usage(c,
                            "--jsonl takes payload, id and key from each line; leave "
                            "PAYLOAD, --id, --key and --count out");
    }
    if (wh_cli_args_number(a, "count", 1) > 1 &&
        (wh_cli_args_has(a, "id") || wh_cli_args_has(a, "key"))) {
        return wh_cli_usage(c, "--count makes several jobs: leave --id and --key out");
    }
    int64_t expires_ms = wh_cli_args_number(a, "expires", 0);
    if (expires_ms > 0 && expires_ms <= wh_cli_args_number(a, "delay", 0)) {
        wh_cli_warn(c, "--expires ends before --delay does, or with it: the job "
                       "expires unstarted");
    }
    return WH_EXIT_OK;
}

/* A type that no line could have is none that lines may leave out either, and a partition in its
 * place would let the jobs go to another one. */
static wh_exit check_type(wh_cli *c)
{
    const char *type = wh_cli_args_operand(&c->args, 0);
    const char *colon = type == NULL ? NULL : strchr(type, ':');
    const wh_job_spec spec = {.type = type};
    wh_errbuf eb = {.code = WH_OK};

    if (colon != NULL && wh_job_name_ok(type, (size_t)(colon - type)) &&
        wh_job_name_ok(colon + 1, strlen(colon + 1))) {
        return wh_cli_usage(c,
                            "\"%s\" is a partition, no type; write it as "
                            "--region %.*s --queue %s",
                            type, (int)(colon - type), type, colon + 1);
    }
    if (type != NULL && wh_job_spec_check(&spec, WH_CLI_PAYLOAD_MAX, &eb) != WH_OK) {
        return wh_cli_usage(c, "%s", eb.text);
    }
    return WH_EXIT_OK;
}

/* ---- results ---- */

static wh_exit print_one(wh_cli_batch *b)
{
    wh_buf out = {0};

    if (b->cli->json) {
        wh_buf_addf(&out, "{\"id\":\"%s\",\"result\":\"%s\",\"partition\":\"%s\"}\n",
                    b->last_id, b->last_result, b->where.name);
    } else {
        wh_buf_addf(&out, "%s\n", b->last_id);
        if (strcmp(b->last_result, "existing") == 0) {
            wh_cli_note(b->cli, "this job existed before; nothing was enqueued");
        } else if (strcmp(b->last_result, "created") != 0) {
            wh_cli_note(b->cli, "the job that waited with this key is %s; no new one",
                        b->last_result);
        }
    }
    return wh_cli_out_done(b->cli, &out, "enqueued");
}

static wh_exit print_many(wh_cli_batch *b, int64_t start_ms)
{
    int64_t took_ms = wh_clock_mono_ms() - start_ms;
    wh_buf out = {0};
    char human[24];

    if (b->cli->json) {
        wh_buf_addf(&out,
                    "{\"created\":%" PRId64 ",\"existing\":%" PRId64
                    ",\"refused\":%" PRId64 ",\"partition\":\"%s\",\"took_ms\":%" PRId64
                    "}\n",
                    b->created, b->existing, b->refused, b->where.name, took_ms);
    } else if (!b->cli->quiet) {
        wh_buf_addf(&out, "%" PRId64 " job%s enqueued in %s", b->created,
                    b->created == 1 ? "" : "s", b->where.name);
        if (b->existing > 0) {
            wh_buf_addf(&out, ", %" PRId64 " existed before", b->existing);
        }
        if (b->refused > 0) {
            wh_buf_addf(&out, ", %" PRId64 " not, since their orgs are full",
                        b->refused);
        }
        wh_buf_addf(&out, " (%s)\n", wh_clock_human(took_ms, human, sizeof human));
    }
    return wh_cli_out_done(b->cli, &out, "enqueued");
}

/* ---- the ways ---- */

static wh_err check_schema(const request *r, const wh_job_spec *spec, wh_errbuf *eb)
{
    return r->schema.schema == NULL
               ? WH_OK
               : wh_payload_check(r->schema.schema, r->schema.format,
                                  (wh_slice){spec->payload, spec->payload_len}, NULL,
                                  eb);
}

static wh_exit refuse(wh_cli *c, wh_err err, const wh_errbuf *eb, int64_t line)
{
    if (line > 0) {
        wh_cli_error(c, "line %" PRId64 ": %s", line, eb->text);
        return err == WH_EINVAL ? WH_EXIT_DATA : wh_err_exit(err);
    }
    return err == WH_EINVAL ? wh_cli_usage(c, "%s", eb->text) : wh_cli_fail(c, err, eb);
}

static wh_exit enqueue_count(wh_cli_batch *b, const request *r, int64_t count)
{
    wh_cli_progress progress;
    wh_exit status = WH_EXIT_OK;
    wh_errbuf eb = {.code = WH_OK};

    wh_cli_progress_start(&progress, b->cli, "enqueue", count > 1 ? count : 0);
    for (int64_t i = 0; i < count && status == WH_EXIT_OK && !stop_asked; i++) {
        wh_err err = wh_cli_batch_add(b, &r->spec, &eb);

        status = err == WH_OK ? WH_EXIT_OK : refuse(b->cli, err, &eb, 0);
        if (status == WH_EXIT_OK && (wh_cli_batch_is_full(b) || i + 1 == count)) {
            status = wh_cli_batch_flush(b);
            wh_cli_progress_set(&progress, b->sent, b->sent);
        }
    }
    wh_cli_progress_end(&progress);
    if (status == WH_EXIT_OK && b->sent == count) {
        return WH_EXIT_OK;
    }
    if (count > 1) {
        wh_cli_error(b->cli, "stopped; %" PRId64 " of %" PRId64 " jobs are enqueued",
                     b->sent, count);
    }
    return status == WH_EXIT_OK ? WH_EXIT_TEMPFAIL : status;
}

/* Adds one line's job. */
static wh_exit add_line(wh_cli_batch *b, const request *r,
                        const wh_cli_jsonl_reader *in, wh_slice line)
{
    wh_cli_jsonl_job job;
    wh_errbuf eb = {.code = WH_OK};
    wh_err err = wh_cli_jsonl_parse(line.p, line.n, &r->spec, &job, &eb);

    b->line = in->line;
    if (err == WH_OK) {
        err = check_schema(r, &job.spec, &eb);
    }
    if (err == WH_OK) {
        err = wh_cli_batch_add(b, &job.spec, &eb);
    }
    wh_cli_jsonl_job_fini(&job);
    return err == WH_OK ? WH_EXIT_OK : refuse(b->cli, err, &eb, in->line);
}

/* Sends lines until the input ends, a line is bad or somebody interrupts. */
static wh_exit pump(wh_cli_batch *b, const request *r, wh_cli_jsonl_reader *in,
                    wh_cli_progress *progress)
{
    wh_exit status = WH_EXIT_OK;
    wh_errbuf eb = {.code = WH_OK};
    wh_slice line = {"", 0};

    while (status == WH_EXIT_OK && line.p != NULL && !stop_asked) {
        wh_err err = wh_cli_jsonl_next(in, &line.p, &line.n, &eb);
        if (err == WH_ECANCELED) {
            continue;
        }
        if (err != WH_OK) {
            status = wh_cli_fail(b->cli, err, &eb);
        } else if (line.p != NULL) {
            status = add_line(b, r, in, line);
        }
        if (status == WH_EXIT_OK && (wh_cli_batch_is_full(b) || line.p == NULL)) {
            status = wh_cli_batch_flush(b);
            wh_cli_progress_set(progress, in->bytes, b->sent);
        }
    }
    /* What was read well goes in, so that the first bad line is where to go on. */
    if (status == WH_EXIT_DATA || stop_asked) {
        wh_exit rest = wh_cli_batch_flush(b);
        status = status == WH_EXIT_OK ? rest : status;
    }
    return status == WH_EXIT_OK && stop_asked ? WH_EXIT_TEMPFAIL : status;
}

/* Where to go on. */
static void tell_stop(wh_cli_batch *b)
{
    char but[80] = "";

    if (b->last_line == 0) {
        wh_cli_error(b->cli, "stopped; nothing is enqueued: go on at line 1");
        return;
    }
    if (b->refused > 0) {
        (void)snprintf(but, sizeof but,
                       ", but for the %" PRId64 " named above whose orgs are full",
                       b->refused);
    }
    wh_cli_error(b->cli,
                 "stopped; the jobs up to line %" PRId64
                 " are enqueued%s: go on at line %" PRId64,
                 b->last_line, but, b->last_line + 1);
}

static wh_exit enqueue_lines(wh_cli_batch *b, const request *r)
{
    wh_cli_jsonl_reader in;
    wh_cli_progress progress;
    struct stat st;
    bool is_file = fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode);

    if (isatty(STDIN_FILENO) == 1) {
        wh_cli_note(b->cli, "reading JSON lines from the terminal; end with Ctrl-D");
    }
    b->skips_full = true;
    wh_cli_jsonl_init(&in, STDIN_FILENO);
    wh_cli_progress_start(&progress, b->cli, "enqueue",
                          is_file ? (int64_t)st.st_size : 0);
    wh_exit status = pump(b, r, &in, &progress);
    wh_cli_progress_end(&progress);
    if (status != WH_EXIT_OK) {
        tell_stop(b);
    } else if (b->refused > 0) {
        wh_cli_error(b->cli,
                     "%" PRId64
                     " line%s not enqueued, of %zu org%s at their quota; all "
                     "others are: hand these in again later",
                     b->refused, b->refused == 1 ? " is" : "s are", b->full.n,
                     b->full.n == 1 ? "" : "s");
        status = WH_EXIT_TEMPFAIL;
    }
    wh_cli_jsonl_fini(&in);
    return status;
}

static wh_exit enqueue(wh_cli *c, const request *r)
{
    wh_cli_partition where;
    wh_cli_batch b;
    bool is_bulk = wh_cli_args_has(&c->args, "jsonl");
    int64_t count = wh_cli_args_number(&c->args, "count", 1);
    int64_t start_ms = wh_clock_mono_ms();
    wh_exit status = wh_cli_partition_default(c, &where);

    if (status == WH_EXIT_OK) {
        status = wh_cli_redis_open(c);
    }
    if (status != WH_EXIT_OK) {
        return status;
    }
    if (is_bulk || count > 1) {
        struct sigaction sa = {.sa_handler = on_stop};
        (void)sigaction(SIGINT, &sa, NULL);
        (void)sigaction(SIGTERM, &sa, NULL);
    }
    wh_cli_batch_init(&b, c, &where);
    if (is_bulk) {
        status = enqueue_lines(&b, r);
    } else if (r->spec.conflict == WH_JOB_CONFLICT_REPLACE ||
               r->spec.conflict == WH_JOB_CONFLICT_EXTEND) {
        status =
            wh_cli_batch_one(&b, &r->spec); /* a conflict needs a key: count is 1 */
    } else {
        status = enqueue_count(&b, r, count);
    }
    if (b.sent > 0) {
        wh_cli_partition_founded(c, &where);
    } else if (status == WH_EXIT_OK) {
        wh_cli_note(c, "there was no line: nothing was enqueued");
    }
    if (b.sent > 0 || (c->json && is_bulk)) {
        wh_exit printed =
            is_bulk || count > 1 ? print_many(&b, start_ms) : print_one(&b);
        status = status == WH_EXIT_OK ? printed : status;
    }
    wh_cli_batch_fini(&b);
    return status;
}

/* The one job of the flags, before anything is sent. */
static wh_exit check_one(wh_cli *c, const request *r)
{
    wh_errbuf eb = {.code = WH_OK};
    wh_err err = wh_job_spec_check(&r->spec, WH_CLI_PAYLOAD_MAX, &eb);

    if (err != WH_OK) {
        return refuse(c, err, &eb, 0);
    }
    return wh_cli_schema_check(c, &r->schema,
                               (wh_slice){r->spec.payload, r->spec.payload_len});
}

wh_exit wh_cli_enqueue_run(wh_cli *c)
{
    request r = {.payload = {0}};
    wh_exit status = check_combination(c);

    if (status == WH_EXIT_OK) {
        status = check_type(c);
    }
    if (status == WH_EXIT_OK) {
        status = read_flags(c, &r);
    }
    if (status == WH_EXIT_OK) {
        status =
            wh_cli_schema_load(c, wh_cli_args_text(&c->args, "schema"),
                               wh_cli_args_text(&c->args, "schema-format"), &r.schema);
    }
    if (status == WH_EXIT_OK) {
        status = read_payload(c, &r);
    }
    if (status == WH_EXIT_OK && !wh_cli_args_has(&c->args, "jsonl")) {
        status = check_one(c, &r);
    }
    if (status == WH_EXIT_OK) {
        status = enqueue(c, &r);
    }
    wh_cli_schema_fini(&r.schema);
    wh_buf_fini(&r.payload);
    return status;
}
