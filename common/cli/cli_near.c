/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orgs are those of wh1_orgs, types those that workers say they have handlers for. Names
 * of less than four letters are all much like each other: nothing is said of them.
 */
#include "common/cli/cli_near.h"

#include "common/base/conf.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

enum { NAME_MIN = 4, ORGS_CALL = 1000, ORGS_CALLS = 5, WORKER_FIELDS = 5 };

typedef struct search {
    const char *name;
    char near[WH_JOB_NAME_MAX + 1];
    bool is_known;
} search;

static void look(search *s, const char *candidate)
{
    const char *one[] = {candidate};

    if (strcmp(s->name, candidate) == 0 || strcmp(candidate, "*") == 0) {
        s->is_known = true;
    } else if (s->near[0] == '\0' && wh_conf_suggest(s->name, one, 1) != NULL) {
        (void)snprintf(s->near, sizeof s->near, "%s", candidate);
    }
}

static bool is_worth_it(const wh_cli *c, const char *name)
{
    return !c->quiet && strlen(name) >= NAME_MIN && strlen(name) <= WH_JOB_NAME_MAX;
}

/* NULL: no answer. */
static const wh_reply *ask(wh_cli *c, wh_call *call)
{
    const wh_reply *reply = NULL;
    wh_errbuf eb = {.code = WH_OK};

    return wh_cli_redis_try(c, call, &reply, &eb) == WH_OK ? reply : NULL;
}

/* False: not all of them were looked at. */
static bool search_orgs(wh_cli *c, const wh_cli_partition *p, search *s)
{
    char cursor[32] = "0";

    for (size_t n = 0; cursor[0] != '\0'; n++) {
        wh_call call;

        wh_call_init(&call, "wh1_orgs", true, p->key);
        wh_call_args(&call, cursor);
        wh_call_argi(&call, ORGS_CALL);
        const wh_reply *r = n < ORGS_CALLS ? ask(c, &call) : NULL;
        if (r == NULL) {
            return false;
        }
        const char *next = wh_reply_str(wh_reply_at(r, 0)).p;
        (void)snprintf(cursor, sizeof cursor, "%s", next == NULL ? "" : next);
        for (size_t i = 1; i < wh_reply_count(r); i += 4) {
            const char *name = wh_reply_str(wh_reply_at(r, i)).p;

            look(s, name == NULL ? "" : name);
        }
    }
    return true;
}

/* Returns whether there is nothing of the org, as far as can be told. */
static bool tell_org(wh_cli *c, const wh_cli_partition *p, search *s)
{
    bool is_all = search_orgs(c, p, s);

    if (is_all && !s->is_known && s->near[0] != '\0' && is_worth_it(c, s->name)) {
        wh_cli_note(c, "no job of an org %s waits or runs in %s; did you mean %s?",
                    s->name, p->name, s->near);
        return false;
    }
    return is_all && !s->is_known;
}

void wh_cli_near_org(wh_cli *c, const wh_cli_partition *p, const char *org)
{
    search s = {.name = org};

    if (is_worth_it(c, org)) {
        (void)tell_org(c, p, &s);
    }
}

void wh_cli_near_paused_org(wh_cli *c, const wh_cli_partition *p, const char *org)
{
    search s = {.name = org};

    if (!c->quiet && tell_org(c, p, &s)) {
        wh_cli_note(c,
                    "no job of org %s waits or runs in %s: the pause is for those that "
                    "come",
                    org, p->name);
    }
}

static void look_at_types(search *s, wh_slice info)
{
    json_t *o = json_loadb(info.p == NULL ? "" : info.p, info.n, 0, NULL);
    const json_t *types = json_object_get(o, "types");

    for (size_t i = 0; i < json_array_size(types); i++) {
        const char *name = json_string_value(json_array_get(types, i));

        look(s, name == NULL ? "" : name);
    }
    json_decref(o);
}

/* Returns whether workers live there and none of them handles it, as far as can be told. */
static bool tell_type(wh_cli *c, const wh_cli_partition *p, const char *type)
{
    search s = {.name = type};
    wh_call call;

    wh_call_init(&call, "wh1_workers", true, p->key);
    const wh_reply *r = ask(c, &call);
    for (size_t i = 0; r != NULL && i + WORKER_FIELDS <= wh_reply_count(r);
         i += WORKER_FIELDS) {
        look_at_types(&s, wh_reply_str(wh_reply_at(r, i + 4)));
    }
    if (!s.is_known && s.near[0] != '\0' && is_worth_it(c, type)) {
        wh_cli_note(c, "no worker of %s has a handler for type %s; did you mean %s?",
                    p->name, type, s.near);
        return false;
    }
    return !s.is_known && r != NULL && wh_reply_count(r) >= WORKER_FIELDS;
}

void wh_cli_near_type(wh_cli *c, const wh_cli_partition *p, const char *type)
{
    if (is_worth_it(c, type)) {
        (void)tell_type(c, p, type);
    }
}

void wh_cli_near_paused_type(wh_cli *c, const wh_cli_partition *p, const char *type)
{
    if (!c->quiet && tell_type(c, p, type)) {
        wh_cli_note(c, "no worker of %s has a handler for type %s", p->name, type);
    }
}

/* The part behind "org/" or "/type/", up to the next slash; "" for none and for all. */
static void part_of(const char *scope, const char *prefix,
                    char name[WH_JOB_NAME_MAX + 1])
{
    const char *at = strncmp(scope, prefix, strlen(prefix)) == 0 ? scope : NULL;

    name[0] = '\0';
    if (at != NULL) {
        at += strlen(prefix);
        size_t n = strcspn(at, "/");

        (void)snprintf(name, WH_JOB_NAME_MAX + 1, "%.*s",
                       (int)(n <= WH_JOB_NAME_MAX ? n : 0), at);
    }
}

void wh_cli_near_scope(wh_cli *c, const wh_cli_partition *p, const char *scope)
{
    char name[WH_JOB_NAME_MAX + 1];
    const char *type = strstr(scope, "type/");

    part_of(scope, "org/", name);
    if (name[0] != '\0') {
        wh_cli_near_org(c, p, name);
    }
    part_of(type == NULL ? "" : type, "type/", name);
    if (name[0] != '\0') {
        wh_cli_near_type(c, p, name);
    }
}
