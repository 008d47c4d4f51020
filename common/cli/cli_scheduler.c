/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CLIENT LIST is refused to many users (it is "dangerous"), so its answer may be unknown;
 * then only schedules that are late tell of it.
 */
#include "common/cli/cli_scheduler.h"

#include "common/base/clock.h"
#include "common/cli/cli_cron.h"

#include <string.h>

typedef enum presence { UNKNOWN, MISSING, CONNECTED } presence;

static presence ask(wh_cli *c)
{
    const wh_reply *reply = NULL;
    wh_errbuf eb = {.code = WH_OK};
    wh_call call;

    wh_call_init_command(&call, "CLIENT");
    wh_call_args(&call, "LIST");
    if (wh_cli_redis_try(c, &call, &reply, &eb) != WH_OK) {
        return UNKNOWN;
    }
    wh_slice list = wh_reply_str(reply);
    return list.p != NULL && strstr(list.p, " name=wherry-scheduler:") != NULL
               ? CONNECTED
               : MISSING;
}

bool wh_cli_scheduler_is_missing(wh_cli *c)
{
    return ask(c) == MISSING;
}

static void add_late(const wh_cli_cron_tally *t, wh_buf *text)
{
    char human[24];

    wh_buf_addf(text, "schedule %s of %s is %s late", t->latest, t->where,
                wh_clock_human(t->late_ms, human, sizeof human));
    if (t->late > 1) {
        wh_buf_addf(text, ", and %zu more", t->late - 1);
    }
}

static void add_count(const wh_cli_cron_tally *t, wh_buf *text)
{
    if (t->active == 0) {
        wh_buf_adds(text, "no schedule");
    } else {
        wh_buf_addf(text, "%zu schedule%s", t->active, t->active == 1 ? "" : "s");
    }
}

void wh_cli_scheduler_look(wh_cli *c, const wh_cli_partitions *all, wh_buf *text,
                           const char **advice)
{
    wh_cli_cron_tally t = {.late = 0};
    presence there = ask(c);

    for (size_t i = 0; i < all->n; i++) {
        wh_cli_cron_count(c, &all->list[i], &t);
    }
    wh_buf_adds(text, there == CONNECTED ? "connected; "
                      : there == MISSING ? "none is connected; "
                                         : "");
    if (t.late > 0) {
        add_late(&t, text);
    } else {
        add_count(&t, text);
    }
    if (there == MISSING) {
        *advice =
            "start wherry-scheduler: schedules fire only while one runs, and delayed "
            "jobs are late by up to 5 s without";
    } else {
        *advice = t.late == 0
                      ? NULL
                      : "start wherry-scheduler, or look into its log if it runs";
    }
}
