/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call, which does nothing the second time; after a failure the next wake tries again.
 */
#include "scheduler/cap.h"

#include "common/base/log.h"

#define SETTING "active:org/*"

static void on_set(void *arg, wh_err err, const wh_errbuf *eb, const wh_reply *r)
{
    wh_cap *c = arg;

    c->is_open = false;
    c->is_done = err == WH_OK;
    if (err)
        WH_LOG_LIMITED(WARN, 6, "limit.default_failed", WH_F_STR("partition", c->key),
                       WH_F_STR("error", eb ? eb->text : wh_err_text(err)));
    else if (wh_reply_int(r, 0) > 0)
        WH_LOG(INFO, "limit.default_set", WH_F_STR("partition", c->key),
               WH_F_STR("setting", SETTING), WH_F_INT("value", c->jobs));
}

void wh_cap_wake(wh_cap *c)
{
    if (c->jobs == 0 || c->is_done || c->is_open || !wh_store_is_ready(c->store))
        return;
    wh_call call;
    wh_call_init(&call, "wh1_limit_default", false, c->key);
    wh_call_args(&call, SETTING);
    wh_call_argi(&call, c->jobs);
    c->is_open = wh_store_call(c->store, &call, on_set, c) == WH_OK;
}

void wh_cap_fini(wh_cap *c)
{
    if (c->is_open)
        wh_store_forget(c->store, c);
}
