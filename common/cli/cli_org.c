/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orgs are known to a partition while they have jobs that wait or run; a weight may be
 * given to one before.
 */
#include "common/cli/cli_org.h"

#include "common/cli/cli_near.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_partition.h"
#include "common/cli/cli_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT_DEFAULT = 100, CALL_MAX = 1000, FIELDS = 4, WEIGHT_LEN = 8 };

static const wh_cli_column columns[] = {
    {"ORG", "org", false},      {"READY", "ready", true}, {"RUNNING", "active", true},
    {"WEIGHT", "weight", true}, {"CAP", "cap", true},     {"STATE", "paused", false},
};

/* The value of "<what>:org/<org>", else of "<what>:org/" and a star; NULL: none. */
static const char *limit_of(const wh_reply *limits, const char *what, wh_slice org)
{
    const char *found = NULL;
    char own[32 + WH_JOB_NAME_MAX], all[32];

    (void)snprintf(own, sizeof own, "%s:org/%.*s", what,
                   (int)(org.n > WH_JOB_NAME_MAX ? WH_JOB_NAME_MAX : org.n), org.p);
    (void)snprintf(all, sizeof all, "%s:org/*", what);
    for (size_t i = 0; i + 1 < wh_reply_count(limits); i += 2) {
        const char *name = wh_reply_str(wh_reply_at(limits, i)).p;
        const char *value = wh_reply_str(wh_reply_at(limits, i + 1)).p;

        if (name != NULL && strcmp(name, own) == 0) {
            return value;
        }
        if (name != NULL && strcmp(name, all) == 0) {
            found = value;
        }
    }
    return found;
}

static void add_rows(wh_cli_table *t, const wh_reply *reply, const wh_reply *limits)
{
    for (size_t i = 1; i + FIELDS <= wh_reply_count(reply); i += FIELDS) {
        wh_slice org = wh_reply_str(wh_reply_at(reply, i));
        wh_slice weight = wh_reply_str(wh_reply_at(reply, i + 3));
        const char *w = weight.p == NULL ? "1" : weight.p;
        wh_buf json = {0};

        wh_buf_addf(&json, "%s%s", w[0] == '.' ? "0" : "", w); /* Redis keeps ".5" */
        wh_cli_table_slice(t, org.p, org.n);
        wh_cli_table_int(t, wh_reply_int(wh_reply_at(reply, i + 1), 0));
        wh_cli_table_int(t, wh_reply_int(wh_reply_at(reply, i + 2), 0));
        wh_cli_table_raw(t, wh_buf_str(&json), w);
        const char *cap = org.p == NULL ? NULL : limit_of(limits, "active", org);
        wh_cli_table_raw(t, cap == NULL ? "null" : cap, cap == NULL ? "" : cap);
        wh_cli_table_bool(t, org.p != NULL && limit_of(limits, "pause", org) != NULL,
                          "paused");
        wh_cli_table_row(t);
        wh_buf_fini(&json);
    }
}

static wh_exit list(wh_cli *c, const wh_cli_partition *p, const wh_reply *limits,
                    wh_cli_table *t)
{
    int64_t left = wh_cli_args_has(&c->args, "all")
                       ? INT64_MAX
                       : wh_cli_args_number(&c->args, "limit", LIMIT_DEFAULT);
    const char *given = wh_cli_args_text(&c->args, "cursor");
    char cursor[32] = "0";
    const wh_reply *reply = NULL;
    wh_exit status = WH_EXIT_OK;

    if (given != NULL) {
        if (given[0] == '\0' || strlen(given) >= sizeof cursor) {
            return wh_cli_usage(c, "--cursor: \"%.60s\" is none that this list gave",
                                given);
        }
        (void)snprintf(cursor, sizeof cursor, "%s", given);
    }
    while (status == WH_EXIT_OK && cursor[0] != '\0' && left > 0) {
        int64_t limit = left < CALL_MAX ? left : CALL_MAX;
        wh_call call;

        wh_call_init(&call, "wh1_orgs", true, p->key);
        wh_call_args(&call, cursor);
        wh_call_argi(&call, limit);
        status = wh_cli_redis_call(c, &call, &reply);
        if (status == WH_EXIT_OK) {
            wh_slice next = wh_reply_str(wh_reply_at(reply, 0));

            (void)snprintf(cursor, sizeof cursor, "%s", next.p == NULL ? "" : next.p);
            add_rows(t, reply, limits);
            left -= limit;
        }
    }
    if (status == WH_EXIT_OK && cursor[0] != '\0') {
        wh_cli_table_flush(t);
        wh_cli_note(c, "more: --cursor %s", cursor);
    }
    return status;
}

static wh_exit read_limits(wh_cli *c, const wh_cli_partition *p, wh_reply **out)
{
    const wh_reply *reply = NULL;
    wh_exit status = wh_cli_redis_ask(c, "wh1_limits", p, &reply);

    if (status == WH_EXIT_OK && wh_reply_copy(reply, out) != WH_OK) {
        status = wh_cli_no_memory(c);
    }
    return status;
}

wh_exit wh_cli_org_list(wh_cli *c)
{
    wh_cli_partition p;
    wh_cli_table t;
    char empty[192];
    wh_exit status = wh_cli_redis_open(c);

    if (status == WH_EXIT_OK) {
        status = wh_cli_partition_one(c, wh_cli_args_operand(&c->args, 0), &p);
    }
    if (status != WH_EXIT_OK) {
        return status;
    }
    wh_reply *limits = NULL;
    status = read_limits(c, &p, &limits);
    wh_cli_table_init(&t, c, columns, sizeof columns / sizeof columns[0]);
    if (status == WH_EXIT_OK) {
        status = list(c, &p, limits, &t);
    }
    wh_reply_free(limits);
    (void)snprintf(empty, sizeof empty, "no org has jobs that wait or run in %s",
                   p.name);
    wh_exit printed = wh_cli_table_finish(&t, status == WH_EXIT_OK ? empty : NULL);
    return status == WH_EXIT_OK ? printed : status;
}

/* Redis checks it too; here it can be shown. */
static bool is_weight(const char *text)
{
    static const char digits[] = "0123456789";
    size_t whole = strspn(text, digits), point = text[whole] == '.' ? 1 : 0;
    size_t rest = strspn(text + whole + point, digits);
    size_t len = whole + point + rest;
    double w = strtod(text, NULL);

    return text[len] == '\0' && len <= WEIGHT_LEN && (rest > 0 || point == 0) &&
           w >= 0.001 && w <= 1000;
}

wh_exit wh_cli_org_weight(wh_cli *c)
{
    wh_cli_partition p;
    wh_call call;
    const char *org = wh_cli_args_operand(&c->args, 0);
    const char *weight = wh_cli_args_operand(&c->args, 1);
    bool known = false;
    wh_exit status = WH_EXIT_OK;

    if (!wh_job_name_ok(org, strlen(org))) {
        return wh_cli_usage(c,
                            "\"%.70s\" is no org; a name has 1 to %d characters of A-Z "
                            "a-z 0-9 _ . -",
                            org, WH_JOB_NAME_MAX);
    }
    if (!is_weight(weight)) {
        return wh_cli_usage(
            c,
            "\"%.60s\" is no weight; write a plain decimal number from 0.001 to 1000 "
            "with at most %d characters, like 2.5",
            weight, WEIGHT_LEN);
    }
    status = wh_cli_redis_open(c);
    if (status == WH_EXIT_OK) {
        status = wh_cli_partition_any(c, wh_cli_args_operand(&c->args, 2), &p, &known);
    }
    if (status != WH_EXIT_OK) {
        return status;
    }
    wh_call_init(&call, "wh1_weight", false, p.key);
    wh_call_args(&call, org);
    wh_call_args(&call, weight);
    status = wh_cli_redis_call(c, &call, NULL);
    if (status == WH_EXIT_OK && !known) {
        wh_cli_partition_founded(c, &p);
    }
    if (status == WH_EXIT_OK) {
        wh_buf more = {0};

        wh_cli_note(c, "%s: org %s has weight %s", p.name, org, weight);
        wh_cli_near_org(c, &p, org);
        /* Redis takes ".5" and "02" as well: the number, not what was typed. */
        wh_buf_addf(&more, ",\"org\":\"%s\",\"weight\":%.15g", org,
                    strtod(weight, NULL));
        status = wh_cli_out_changed(c, p.name, &more, "set");
        wh_buf_fini(&more);
    }
    return status;
}
