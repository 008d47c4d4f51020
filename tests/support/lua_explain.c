/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts of wh1_explain as texts. Each question is also a check that it writes nothing.
 */
#include "tests/support/lua_explain.h"

#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { FACTS = 8, FACT_MAX = 128 };

void wh_le_says(const char *worker, const char *info)
{
    wh_lc_ok("wh1_heartbeat", "%s 3600000 new %s", worker, info);
}

const char *wh_le_fact(unsigned n, const char *name)
{
    static char texts[FACTS][FACT_MAX];
    static unsigned next;
    char before[41], after[41];
    char *text = texts[next++ % FACTS];

    wh_lc_digest(before);
    redisReply *r = wh_lc_call("wh1_explain", "%s", wh_lc_id(n));
    if (r->type != REDIS_REPLY_ARRAY) {
        fail_msg("wh1_explain: %s", r->str);
    }
    const redisReply *v = wh_lc_find(r, name);
    snprintf(text, FACT_MAX, "%s", v != NULL ? v->str : "");
    freeReplyObject(r);
    wh_lc_digest(after);
    assert_string_equal(before, after);
    return text;
}

void wh_le_is(unsigned n, const char *name, const char *want)
{
    const char *got = wh_le_fact(n, name);

    if (strcmp(got, want) != 0) {
        fail_msg("job %u: %s is \"%s\", should be \"%s\"", n, name, got, want);
    }
}

bool wh_le_is_pause(const struct wh_le_holding *h)
{
    return strncmp(h->setting, "pause", 5) == 0;
}

void wh_le_held_by(unsigned n, const struct wh_le_holding *h)
{
    wh_le_is(n, "reason", h->reason);
    wh_le_is(n, "limit", h->setting);
    wh_le_is(n, "of", h->value);
    wh_le_is(n, "used", h->used);
    wh_le_is(n, "until_ms", h->until_ms);
}

void wh_le_each(const struct wh_le_holding *list, size_t n,
                void (*check)(const struct wh_le_holding *h, bool is_met))
{
    for (size_t i = 0; i < 2 * n; i++) {
        wh_lc_reset(NULL);
        wh_le_says("w", "{}");
        check(&list[i / 2], i % 2 == 1);
    }
}

void wh_le_meet(bool is_met)
{
    if (is_met) {
        wh_lc_claim("w", 10, "");
        wh_lc_audit();
    }
}

void wh_le_open_breaker(const char *setting, unsigned probes)
{
    char value[64];

    snprintf(value, sizeof value, "50/1/10000/5000/%u", probes);
    wh_ll_set(setting, value);
    wh_ll_put(1, "mail", "");
    wh_lc_claim("w", 1, "1");
    wh_ll_end("w", 1, 1, "dead", 0, "timeout");
}
