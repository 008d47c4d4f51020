/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands on one job, named by its id alone: it is looked for in all partitions.
 */
#include "common/cli/cli_job.h"

#include "common/base/clock.h"
#include "common/cli/cli_find.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_record.h"

#include <string.h>

enum { POLL_MIN_MS = 100, POLL_MAX_MS = 1000 };

static wh_exit find(wh_cli *c, wh_cli_partition *where, wh_job_record *rec)
{
    wh_job_record_init(rec);
    wh_exit status = wh_cli_redis_open(c);

    return status != WH_EXIT_OK
               ? status
               : wh_cli_find_job(c, wh_cli_args_operand(&c->args, 0), where, rec);
}

wh_exit wh_cli_job_show(wh_cli *c)
{
    wh_cli_partition where;
    wh_job_record rec;
    wh_exit status = find(c, &where, &rec);

    if (status == WH_EXIT_OK) {
        status = wh_cli_record_print(c, &rec);
    }
    wh_job_record_fini(&rec);
    return status;
}

/* {"id":…,"partition":…,"result":…}, or the result alone. */
static wh_exit print_result(wh_cli *c, const char *id, const wh_cli_partition *where,
                            wh_slice result)
{
    wh_buf out = {0};

    if (c->json) {
        wh_buf_adds(&out, "{\"id\":");
        wh_buf_add_json(&out, id, strlen(id));
        wh_buf_adds(&out, ",\"partition\":");
        wh_buf_add_json(&out, where->name, strlen(where->name));
        wh_buf_adds(&out, ",\"result\":");
        wh_buf_add_json(&out, result.p, result.n);
        wh_buf_adds(&out, "}\n");
    } else {
        wh_buf_add(&out, result.p, result.n);
        wh_buf_addc(&out, '\n');
    }
    return wh_cli_out_done(c, &out, "done");
}

static wh_exit change(wh_cli *c, const char *function)
{
    wh_cli_partition where;
    wh_job_record rec;
    wh_call call;
    const wh_reply *reply = NULL;
    wh_exit status = find(c, &where, &rec);

    if (status == WH_EXIT_OK) {
        wh_call_init(&call, function, false, where.key);
        wh_call_args(&call, rec.id);
        status = wh_cli_redis_call(c, &call, &reply);
    }
    if (status == WH_EXIT_OK) {
        wh_slice result = wh_reply_str(reply);

        status = print_result(c, rec.id, &where,
                              result.p == NULL ? (wh_slice){"", 0} : result);
    }
    wh_job_record_fini(&rec);
    return status;
}

wh_exit wh_cli_job_cancel(wh_cli *c)
{
    return change(c, "wh1_cancel");
}

wh_exit wh_cli_job_retry(wh_cli *c)
{
    return change(c, "wh1_retry");
}

/* ---- wait ---- */

static bool has_ended(wh_job_status s, wh_exit *status)
{
    switch (s) {
    case WH_JOB_COMPLETED:
        *status = WH_EXIT_OK;
        return true;
    case WH_JOB_FAILED:
    case WH_JOB_CANCELLED:
    case WH_JOB_EXPIRED:
        *status = WH_EXIT_FAILED;
        return true;
    case WH_JOB_PENDING:
    case WH_JOB_SCHEDULED:
    case WH_JOB_IN_PROGRESS:
    case WH_JOB_STATUS_COUNT:
        break;
    }
    return false;
}

/* Asks again until the job has ended; an outage shorter than the deadline is sat out. */
static wh_exit poll_job(wh_cli *c, const wh_cli_partition *where, wh_job_record *rec,
                        int64_t deadline_ms)
{
    int64_t pause_ms = POLL_MIN_MS;
    wh_exit status = WH_EXIT_OK;
    char id[WH_UUID_TEXT + 1];

    memcpy(id, rec->id, sizeof id);
    while (!has_ended(rec->status, &status)) {
        int64_t left = deadline_ms - wh_clock_mono_ms();
        wh_errbuf eb = {.code = WH_OK};
        wh_job_status before = rec->status;

        if (left <= 0 || c->interrupted) {
            wh_cli_error(c, "job %s is still %s", id, wh_job_status_name(rec->status));
            return WH_EXIT_TEMPFAIL;
        }
        status = wh_cli_redis_sleep(c, pause_ms < left ? pause_ms : left);
        if (status != WH_EXIT_OK) {
            return status;
        }
        pause_ms = pause_ms * 2 < POLL_MAX_MS ? pause_ms * 2 : POLL_MAX_MS;
        wh_err err = wh_cli_find_in(c, where, id, rec, &eb);
        if (err == WH_ENOTFOUND) {
            wh_cli_error(c, "job %s is gone: it ended and was not kept, or was purged",
                         id);
            return WH_EXIT_NOTFOUND;
        }
        if (err != WH_OK && !wh_err_is_transient(err)) {
            return wh_cli_fail(c, err, &eb);
        }
        rec->status = err == WH_OK ? rec->status : before;
    }
    return status;
}

wh_exit wh_cli_job_wait(wh_cli *c)
{
    int64_t timeout_ms = wh_cli_args_number(&c->args, "timeout", INT64_MAX / 4);
    wh_cli_partition where;
    wh_job_record rec;
    wh_exit status = find(c, &where, &rec);

    if (status == WH_EXIT_OK) {
        status = wh_cli_redis_catch(c);
    }
    if (status == WH_EXIT_OK) {
        status = poll_job(c, &where, &rec, wh_clock_mono_ms() + timeout_ms);
        if (status == WH_EXIT_OK || status == WH_EXIT_FAILED) {
            wh_exit printed = wh_cli_record_print(c, &rec);

            status = status == WH_EXIT_OK ? printed : status;
        }
    }
    wh_job_record_fini(&rec);
    return status;
}

/* ---- logs ---- */

static void add_line(const wh_cli *c, wh_buf *out, wh_slice line)
{
    const char *p = line.p == NULL ? "" : line.p;

    if (c->json) {
        wh_buf_adds(out, "{\"line\":");
        wh_buf_add_json(out, p, line.n);
        wh_buf_adds(out, "}\n");
    } else if (c->is_out_terminal) {
        wh_cli_out_clean(out, p, line.n, true);
        wh_buf_addc(out, '\n');
    } else {
        wh_buf_add(out, p, line.n);
        wh_buf_addc(out, '\n');
    }
}

wh_exit wh_cli_job_logs(wh_cli *c)
{
    wh_cli_partition where;
    wh_job_record rec;
    wh_call call;
    wh_buf out = {0};
    const wh_reply *reply = NULL;
    wh_exit status = find(c, &where, &rec);

    if (status == WH_EXIT_OK) {
        wh_call_init(&call, "wh1_log", true, where.key);
        wh_call_args(&call, rec.id);
        status = wh_cli_redis_call(c, &call, &reply);
    }
    for (size_t i = 0; status == WH_EXIT_OK && i < wh_reply_count(reply); i++) {
        add_line(c, &out, wh_reply_str(wh_reply_at(reply, i)));
    }
    if (status == WH_EXIT_OK && wh_reply_count(reply) == 0) {
        wh_cli_note(c, "job %s has no log lines (they are kept for a day)", rec.id);
    }
    if (status == WH_EXIT_OK) {
        status = wh_cli_out_print(c, &out);
    }
    wh_buf_fini(&out);
    wh_job_record_fini(&rec);
    return status;
}
