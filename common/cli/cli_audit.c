/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_audit on each partition. Redis serves nobody else meanwhile, hence the bound.
 */
#include "common/cli/cli_audit.h"

#include "common/base/clock.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_partition.h"

#include <inttypes.h>
#include <string.h>

enum {
    MAX_JOBS_DEFAULT = 200000,
    US_A_JOB = 7,           /* measured with 200,000 and with a million */
    US_A_JOB_AT_WORST = 50, /* until when an answer is waited for */
    TIMEOUT_MS = 10000,     /* what any call may take */
    MAX_JOBS_CALM = 500000  /* the busiest server passes them within a lease of 15 s */
};

static void add_json(wh_buf *out, const wh_cli_partition *p, const wh_reply *reply)
{
    wh_buf_adds(out, "{\"partition\":");
    wh_buf_add_json(out, p->name, strlen(p->name));
    wh_buf_addf(out, ",\"jobs\":%" PRId64 ",\"problems\":[",
                wh_reply_int(wh_reply_at(reply, 0), 0));
    for (size_t i = 1; i < wh_reply_count(reply); i++) {
        wh_slice s = wh_reply_str(wh_reply_at(reply, i));

        wh_buf_adds(out, i > 1 ? "," : "");
        wh_buf_add_json(out, s.p == NULL ? "" : s.p, s.n);
    }
    wh_buf_adds(out, "]}\n");
}

static void add_text(const wh_cli *c, wh_buf *out, const wh_cli_partition *p,
                     const wh_reply *reply)
{
    size_t problems = wh_reply_count(reply) - 1;

    wh_cli_out_color(c, out, problems == 0 ? "32" : "31",
                     problems == 0 ? "ok  " : "fail");
    int64_t jobs = wh_reply_int(wh_reply_at(reply, 0), 0);

    wh_buf_addf(out, "  %s: %" PRId64 " job%s, ", p->name, jobs, jobs == 1 ? "" : "s");
    if (problems == 0) {
        wh_buf_adds(out, "no problem\n");
    } else {
        wh_buf_addf(out, "%zu problem%s%s\n", problems, problems == 1 ? "" : "s",
                    problems >= 100 ? " or more" : "");
    }
    for (size_t i = 1; i < wh_reply_count(reply); i++) {
        wh_slice s = wh_reply_str(wh_reply_at(reply, i));

        wh_buf_adds(out, "      ");
        wh_cli_out_clean(out, s.p == NULL ? "" : s.p, s.n, true);
        wh_buf_addc(out, '\n');
    }
}

/* What holds something else than Wherry's is a finding, not the end of the audit. */
static void add_damage(const wh_cli *c, wh_buf *out, const wh_cli_partition *p,
                       const char *text)
{
    if (c->json) {
        wh_buf_adds(out, "{\"partition\":");
        wh_buf_add_json(out, p->name, strlen(p->name));
        wh_buf_adds(out, ",\"jobs\":null,\"problems\":[");
        wh_buf_add_json(out, text, strlen(text));
        wh_buf_adds(out, "]}\n");
        return;
    }
    wh_cli_out_color(c, out, "31", "fail");
    wh_buf_addf(out, "  %s: ", p->name);
    wh_cli_out_clean(out, text, strlen(text), true);
    wh_buf_addc(out, '\n');
}

/* No line at all would read like an audit that broke down. */
static wh_exit print_nothing(wh_cli *c)
{
    wh_buf out = {0};

    if (c->json) {
        wh_buf_adds(&out, "{\"partition\":null,\"jobs\":0,\"problems\":[]}\n");
    }
    return wh_cli_out_print(c, &out);
}

static int64_t bound(const wh_cli *c)
{
    return wh_cli_args_number(&c->args, "max-jobs", MAX_JOBS_DEFAULT);
}

/* While the pass runs no heartbeat comes through: the first scheduler that is served
 * afterwards may find leases that have run out. */
static void warn_of_bound(wh_cli *c)
{
    char human[24];

    if (bound(c) > MAX_JOBS_CALM) {
        wh_cli_warn(c,
                    "a pass over %" PRId64
                    " jobs stops Redis for %s and more: leases (15s unless workers are "
                    "told otherwise) may run out, and their jobs run again",
                    bound(c),
                    wh_clock_human(bound(c) * US_A_JOB / 1000, human, sizeof human));
    }
}

static wh_exit refuse_size(wh_cli *c, const wh_cli_partition *p)
{
    wh_cli_error(c,
                 "%s has more than %" PRId64 " jobs; an audit stops Redis for about "
                 "%d us a job: allow more with --max-jobs",
                 p->name, bound(c), US_A_JOB);
    return WH_EXIT_DATA;
}

/* Redis doesn't stop a function because nobody waits for its answer any more. */
static wh_exit fail(wh_cli *c, const wh_cli_partition *p, wh_err err,
                    const wh_errbuf *eb)
{
    wh_exit status = wh_cli_redis_fail(c, p, err, eb);

    if (err == WH_ETIMEOUT || err == WH_EUNCERTAIN) {
        wh_cli_error(c,
                     "the audit of %s may still be running in Redis, which serves "
                     "nobody else until it ends: don't start another one",
                     p->name);
    }
    return status;
}

/* Audits one; *is_clean becomes false when it has problems. */
static wh_exit audit(wh_cli *c, const wh_cli_partition *p, bool *is_clean)
{
    const wh_reply *reply = NULL;
    wh_errbuf eb = {.code = WH_OK};
    wh_buf out = {0};
    wh_call call;

    wh_call_init(&call, "wh1_audit", true, p->key);
    wh_call_argi(&call, bound(c));
    call.timeout_ms = TIMEOUT_MS + bound(c) * US_A_JOB_AT_WORST / 1000;
    wh_err err = wh_cli_redis_try(c, &call, &reply, &eb);
    if (err == WH_ETOOBIG) {
        return refuse_size(c, p);
    }
    if (err == WH_OK && wh_reply_count(reply) == 0) {
        err = WH_EPROTO;
    }
    if (err != WH_OK && !wh_cli_redis_is_damage(err)) {
        return fail(c, p, err, &eb);
    }
    *is_clean = *is_clean && err == WH_OK && wh_reply_count(reply) == 1;
    if (err != WH_OK) {
        add_damage(c, &out, p, eb.text[0] == '\0' ? wh_err_text(err) : eb.text);
    } else if (c->json) {
        add_json(&out, p, reply);
    } else {
        add_text(c, &out, p, reply);
    }
    return wh_cli_out_print(c, &out);
}

wh_exit wh_cli_audit_run(wh_cli *c)
{
    wh_cli_partitions all = {.list = NULL};
    bool is_clean = true;
    wh_exit status = wh_cli_redis_open(c);

    if (status == WH_EXIT_OK) {
        status = wh_cli_partition_all(c, wh_cli_args_operand(&c->args, 0), &all);
    }
    if (status == WH_EXIT_OK && all.n == 0) {
        wh_cli_note(c, "no queue is known yet: nothing to audit");
        status = print_nothing(c);
    }
    if (status == WH_EXIT_OK && all.n > 0) {
        warn_of_bound(c);
    }
    for (size_t i = 0; i < all.n && status == WH_EXIT_OK; i++) {
        status = audit(c, &all.list[i], &is_clean);
    }
    wh_cli_partition_list_fini(&all);
    if (status != WH_EXIT_OK) {
        return status;
    }
    return is_clean ? WH_EXIT_OK : WH_EXIT_FAILED;
}
