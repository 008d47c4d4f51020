/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same process is known by what it says about itself: its name, process id and start.
 * What it says is JSON of any version: one that lacks them is nobody's other half.
 */
#include "common/cli/cli_fleet.h"

#include "common/cli/cli_partition.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

enum { FIELDS = 5, PARTITIONS_MAX = 100 };

/* "name/pid/start" and a line's end of a live worker; nothing when it does not tell. */
static void add_identity(const wh_reply *r, size_t i, wh_buf *out)
{
    wh_slice info = wh_reply_str(wh_reply_at(r, i + 4));

    if (wh_reply_int(wh_reply_at(r, i + 1), 0) <= 0) {
        return; /* its lease ran out */
    }
    json_t *o = json_loadb(info.p == NULL ? "" : info.p, info.n, 0, NULL);
    const char *name = json_string_value(json_object_get(o, "name"));
    json_int_t pid = json_integer_value(json_object_get(o, "pid"));
    json_int_t start = json_integer_value(json_object_get(o, "started_at_ms"));

    if (name != NULL && pid > 0 && start > 0) {
        wh_buf_addf(out, "\n%s/%lld/%lld\n", name, (long long)pid, (long long)start);
    }
    json_decref(o);
}

/* Claims in r of the workers in `ours`. */
static int64_t held_by(const wh_reply *r, wh_buf *ours)
{
    int64_t held = 0;

    for (size_t i = 0; i + FIELDS <= wh_reply_count(r); i += FIELDS) {
        wh_buf one = {0};

        add_identity(r, i, &one);
        if (one.len > 0 && wh_buf_ok(&one) &&
            strstr(wh_buf_str(ours), wh_buf_str(&one)) != NULL) {
            held += wh_reply_int(wh_reply_at(r, i + 2), 0);
        }
        wh_buf_fini(&one);
    }
    return held;
}

static wh_exit add_others(wh_cli *c, const wh_cli_partition *p, wh_buf *ours,
                          wh_cli_fleet *out)
{
    wh_cli_partitions all = {.list = NULL};
    wh_exit status = wh_cli_partition_registered(c, &all);

    for (size_t i = 0; i < all.n && i < PARTITIONS_MAX && status == WH_EXIT_OK; i++) {
        const wh_reply *r = NULL;
        wh_errbuf eb = {.code = WH_OK};
        wh_call call;

        if (strcmp(all.list[i].key, p->key) == 0) {
            continue;
        }
        wh_call_init(&call, "wh1_workers", true, all.list[i].key);
        wh_err err = wh_cli_redis_try(c, &call, &r, &eb);
        if (err != WH_OK && !wh_cli_redis_is_damage(err)) {
            status = wh_cli_redis_fail(c, &all.list[i], err, &eb);
        }
        int64_t held = err == WH_OK ? held_by(r, ours) : 0;
        out->elsewhere += held;
        if (held > out->most) {
            out->most = held;
            (void)snprintf(out->name, sizeof out->name, "%s", all.list[i].name);
        }
    }
    wh_cli_partition_list_fini(&all);
    return status;
}

wh_exit wh_cli_fleet_read(wh_cli *c, const wh_cli_partition *p, wh_cli_fleet *out)
{
    const wh_reply *r = NULL;
    wh_buf ours = {0};
    wh_exit status = wh_cli_redis_ask(c, "wh1_workers", p, &r);

    *out = (wh_cli_fleet){.elsewhere = 0};
    for (size_t i = 0; status == WH_EXIT_OK && i + FIELDS <= wh_reply_count(r);
         i += FIELDS) {
        add_identity(r, i, &ours);
    }
    if (status == WH_EXIT_OK && !wh_buf_ok(&ours)) {
        status = wh_cli_no_memory(c);
    }
    if (status == WH_EXIT_OK && ours.len > 0) {
        status = add_others(c, p, &ours, out);
    }
    wh_buf_fini(&ours);
    return status;
}
