/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts of wh1_explain as texts. Each question is also a check that it writes nothing.
 */
#include "tests/support/lua_explain.h"

#include "tests/support/lua_case.h"

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
