/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry and the partition are in two Cluster slots, so no one call can look at the
 * one and change the other. The partition is looked at before, so that most refusals
 * change nothing, and again afterwards: what came in between puts it back.
 */
#include "common/cli/cli_forget.h"

#include "common/cli/cli_out.h"
#include "common/cli/cli_partition.h"

#include <inttypes.h>
#include <stdio.h>

/* "3 pending, 1 dead", "" when it is empty. */
static wh_exit holds(wh_cli *c, const wh_cli_partition *p, wh_buf *out)
{
    static const char *const places[] = {"pending", "scheduled", "in_progress", "kept",
                                         "dead"};
    const wh_reply *reply = NULL;
    wh_exit status = wh_cli_redis_ask(c, "wh1_stats", p, &reply);

    for (size_t i = 0; status == WH_EXIT_OK && i < sizeof places / sizeof places[0];
         i++) {
        int64_t n = wh_cli_redis_field(reply, places[i], 0);

        if (n > 0) {
            wh_buf_addf(out, "%s%" PRId64 " %s", out->len == 0 ? "" : ", ", n,
                        places[i]);
        }
    }
    /* Also those whose lease is over: they may come back. */
    if (status == WH_EXIT_OK) {
        status = wh_cli_redis_ask(c, "wh1_workers", p, &reply);
    }
    if (status == WH_EXIT_OK && wh_reply_count(reply) > 0) {
        wh_buf_addf(out, "%sworkers", out->len == 0 ? "" : ", ");
    }
    if (status == WH_EXIT_OK) {
        status = wh_cli_redis_ask(c, "wh1_cron_list", p, &reply);
    }
    if (status == WH_EXIT_OK && wh_reply_count(reply) > 1) {
        wh_buf_addf(out, "%sschedules", out->len == 0 ? "" : ", ");
    }
    return status == WH_EXIT_OK && !wh_buf_ok(out) ? wh_cli_no_memory(c) : status;
}

static wh_exit check_empty(wh_cli *c, const wh_cli_partition *p)
{
    wh_buf held = {0};
    wh_exit status = holds(c, p, &held);

    if (status == WH_EXIT_OK && held.len > 0) {
        wh_cli_error(c, "%s is not empty: %s", p->name, wh_buf_str(&held));
        status = WH_EXIT_CONFLICT;
    }
    wh_buf_fini(&held);
    return status;
}

static wh_exit check_registered(wh_cli *c, const wh_cli_partition *p)
{
    wh_cli_partitions all;
    wh_exit status = wh_cli_partition_registered(c, &all);

    if (status == WH_EXIT_OK && !wh_cli_partition_in(&all, p)) {
        status = wh_cli_partition_unknown(c, p, NULL);
    }
    wh_cli_partition_list_fini(&all);
    return status;
}

static wh_exit unregister(wh_cli *c, const wh_cli_partition *p)
{
    wh_call call;

    wh_call_init(&call, "wh1_unregister", false, WH_KEYS_REGISTRY);
    wh_call_args(&call, p->key);
    return wh_cli_redis_call(c, &call, NULL);
}

wh_exit wh_cli_forget_run(wh_cli *c)
{
    wh_cli_partition p;
    wh_exit status = wh_cli_partition_parse(c, wh_cli_args_operand(&c->args, 0), &p);

    if (status == WH_EXIT_OK) {
        status = wh_cli_redis_open(c);
    }
    if (status == WH_EXIT_OK) {
        status = check_registered(c, &p);
    }
    if (status == WH_EXIT_OK) {
        status = check_empty(c, &p);
    }
    if (status == WH_EXIT_OK) {
        status = unregister(c, &p);
    }
    if (status != WH_EXIT_OK) {
        return status;
    }
    status = check_empty(c, &p);
    if (status != WH_EXIT_OK) {
        (void)wh_cli_partition_register(c, &p);
        return status;
    }
    wh_cli_note(c, "%s is forgotten", p.name);
    return wh_cli_out_changed(c, p.name, NULL, "forgotten");
}
