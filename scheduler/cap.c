/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two calls; after a failure the next wake tries again.
 */
#include "scheduler/cap.h"

#include "common/base/log.h"

#include <string.h>

#define SETTING "active:org/*"

static void tell(const wh_cap *c, wh_err err, const wh_errbuf *eb)
{
    if (err)
        WH_LOG_LIMITED(WARN, 6, "limit.default_failed", WH_F_STR("partition", c->key),
                       WH_F_STR("error", eb ? eb->text : wh_err_text(err)));
    else
        WH_LOG(INFO, "limit.default_set", WH_F_STR("partition", c->key),
               WH_F_STR("setting", SETTING), WH_F_INT("value", c->jobs));
}

static void on_set(void *arg, wh_err err, const wh_errbuf *eb, const wh_reply *r)
{
    wh_cap *c = arg;
    (void)r;
    c->is_open = false;
    c->is_done = err == WH_OK;
    tell(c, err, eb);
}

static bool has_setting(const wh_reply *flat)
{
    for (size_t i = 0; i + 1 < wh_reply_count(flat); i += 2) {
        wh_slice name = wh_reply_str(wh_reply_at(flat, i));
        if (name.p && strcmp(name.p, SETTING) == 0)
            return true;
    }
    return false;
}

static void on_limits(void *arg, wh_err err, const wh_errbuf *eb, const wh_reply *r)
{
    wh_cap *c = arg;
    c->is_open = false;
    if (err) {
        tell(c, err, eb);
        return;
    }
    if (has_setting(r)) {
        c->is_done = true;
        return;
    }
    wh_call call;
    wh_call_init(&call, "wh1_limit", false, c->key);
    wh_call_args(&call, SETTING);
    wh_call_argi(&call, c->jobs);
    c->is_open = wh_store_call(c->store, &call, on_set, c) == WH_OK;
}

void wh_cap_wake(wh_cap *c)
{
    if (c->jobs == 0 || c->is_done || c->is_open || !wh_store_is_ready(c->store))
        return;
    wh_call call;
    wh_call_init(&call, "wh1_limits", true, c->key);
    c->is_open = wh_store_call(c->store, &call, on_limits, c) == WH_OK;
}

void wh_cap_fini(wh_cap *c)
{
    if (c->is_open)
        wh_store_forget(c->store, c);
}
