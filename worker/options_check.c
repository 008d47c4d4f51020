/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the option table can't say: relations between options, and values that are made
 * of several or of the machine.
 */
#include "worker/options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

size_t wh_options_queue_count(const wh_options *o)
{
    return o->queues.count;
}

wh_options_queue wh_options_queue_at(const wh_options *o, size_t i)
{
    const wh_options_queue *q = o->queues.items;

    return q[i];
}

int64_t wh_options_heartbeat_ms(const wh_options *o)
{
    int64_t third = o->lease_ms / 3;

    return o->heartbeat_ms > 0 ? o->heartbeat_ms : third > 0 ? third : 1;
}

void wh_options_name(const wh_options *o, char out[WH_JOB_NAME_MAX + 1])
{
    if (o->name != NULL && o->name[0] != '\0') {
        snprintf(out, WH_JOB_NAME_MAX + 1, "%s", o->name);
        return;
    }
    if (gethostname(out, WH_JOB_NAME_MAX + 1) != 0 || out[0] == '\0') {
        snprintf(out, WH_JOB_NAME_MAX + 1, "worker");
    }
    out[WH_JOB_NAME_MAX] = '\0';
    for (char *p = out; *p != '\0'; p++) {
        *p = wh_job_name_ok(p, 1) ? *p : '-';
    }
}

wh_err wh_options_executor(const wh_options *o, char *out, size_t size)
{
    if (o->executor != NULL && o->executor[0] != '\0') {
        return snprintf(out, size, "%s", o->executor) < (int)size ? WH_OK : WH_ETOOBIG;
    }
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    if (n <= 0) {
        return WH_EIO;
    }
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    size_t dir = slash == NULL ? 0 : (size_t)(slash - out) + 1;
    return snprintf(out + dir, size - dir, "wherry-executor") < (int)(size - dir)
               ? WH_OK
               : WH_ETOOBIG;
}

static wh_err check_heartbeat(const wh_options *o, wh_errbuf *eb)
{
    if (wh_options_heartbeat_ms(o) > o->lease_ms / 2) {
        return wh_err_set(
            eb, WH_ECONFIG,
            "heartbeat: must be at most half the lease (%lld ms), so that one "
            "may be lost",
            (long long)o->lease_ms);
    }
    return WH_OK;
}

static wh_err check_queues(const wh_options *o, wh_errbuf *eb)
{
    if (wh_options_queue_count(o) > 500) {
        return wh_err_set(eb, WH_ECONFIG, "queues: at most 500 of one worker");
    }
    return WH_OK;
}

static wh_err check_redis(const wh_options *o, wh_errbuf *eb)
{
    return wh_redis_options_check(&o->redis, eb);
}

static const struct {
    wh_err (*run)(const wh_options *o, wh_errbuf *eb);
    const char *with; /* besides the option that it blames it looks at this one */
} checks[] = {{check_heartbeat, "lease"}, {check_queues, ""}, {check_redis, ""}};

enum { CHECKS = sizeof checks / sizeof checks[0] };

wh_err wh_options_check(const wh_options *o, wh_errbuf *eb)
{
    wh_err err = WH_OK;

    for (size_t i = 0; i < CHECKS && err == WH_OK; i++) {
        err = checks[i].run(o, eb);
    }
    return err;
}

wh_err wh_options_check_all(const wh_conf *conf, wh_conf_report *report, wh_errbuf *eb)
{
    wh_err first = WH_OK;

    for (size_t i = 0; i < CHECKS; i++) {
        wh_errbuf why = {0};
        wh_err err = wh_conf_is_refused(report, checks[i].with)
                         ? WH_OK
                         : checks[i].run(wh_conf_values(conf), &why);

        if (err == WH_OK) {
            continue;
        }
        wh_conf_blame(conf, &why, report);
        if (first == WH_OK) {
            first = err;
            *eb = why;
        }
    }
    return first;
}
