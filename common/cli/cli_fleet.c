/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker says is JSON of any version: what is missing there counts as nothing.
 */
#include "common/cli/cli_fleet.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

enum { FIELDS = 5 };

static void add_worker(wh_cli_fleet *f, const json_t *info, int64_t held)
{
    const char *state = json_string_value(json_object_get(info, "state"));
    const char *why = json_string_value(json_object_get(info, "backpressure"));

    f->workers++;
    f->held += held;
    f->slots += (int64_t)json_integer_value(json_object_get(info, "slots"));
    if (state != NULL && strcmp(state, "running") != 0 &&
        strcmp(state, "starting") != 0) {
        f->quiet++;
    } else if (why != NULL) {
        f->pressed++;
        (void)snprintf(f->why, sizeof f->why, "%.23s", why);
    }
}

wh_exit wh_cli_fleet_read(wh_cli *c, const wh_cli_partition *p, wh_cli_fleet *out)
{
    const wh_reply *r = NULL;
    wh_exit status = wh_cli_redis_ask(c, "wh1_workers", p, &r);

    *out = (wh_cli_fleet){.workers = 0};
    for (size_t i = 0; status == WH_EXIT_OK && i + FIELDS <= wh_reply_count(r);
         i += FIELDS) {
        wh_slice info = wh_reply_str(wh_reply_at(r, i + 4));

        if (wh_reply_int(wh_reply_at(r, i + 1), 0) <= 0) {
            continue; /* its lease ran out */
        }
        json_t *object = json_loadb(info.p == NULL ? "" : info.p, info.n, 0, NULL);
        add_worker(out, object, wh_reply_int(wh_reply_at(r, i + 2), 0));
        json_decref(object);
    }
    return status;
}
