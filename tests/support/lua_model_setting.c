/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of limits as wh1_limit takes them, for the model. Only what the random operations
 * make is known here: their orgs, types and groups; values are well formed.
 */
#include "tests/support/lua_model_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What stands between the colon and the end of a setting. */
struct scope {
    enum { QUEUE, ORG, TYPE, PAIR, GROUP, ORG_GROUP } kind;
    unsigned org, type, group;
};

static bool parse_org(const char *text, unsigned *org)
{
    if (text[0] == '*') {
        *org = WH_LM_ORGS;
        return true;
    }
    *org = (unsigned)strtoul(text + 1, NULL, 10);
    return text[0] == 'o' && *org < WH_LM_ORGS;
}

static bool parse_type(const char *text, unsigned *type)
{
    for (*type = 0; *type < WH_LM_TYPES; ++*type) {
        if (strcmp(text, wh_lm_types[*type]) == 0) {
            return true;
        }
    }
    return strcmp(text, "*") == 0;
}

static bool parse_scope(const char *text, struct scope *s)
{
    char org[8], rest[16];

    memset(s, 0, sizeof *s);
    if (strcmp(text, "queue") == 0 || strcmp(text, "group") == 0) {
        s->kind = text[0] == 'q' ? QUEUE : GROUP;
        return true;
    }
    if (sscanf(text, "org/%7[^/]/type/%15s", org, rest) == 2) {
        s->kind = PAIR;
        return parse_org(org, &s->org) && parse_type(rest, &s->type);
    }
    if (sscanf(text, "org/%7[^/]/group/g%u", org, &s->group) == 2) {
        s->kind = ORG_GROUP;
        return parse_org(org, &s->org) && s->group < WH_LM_GROUPS;
    }
    if (sscanf(text, "type/%15s", rest) == 1) {
        s->kind = TYPE;
        return parse_type(rest, &s->type);
    }
    s->kind = ORG;
    return sscanf(text, "org/%7s", org) == 1 && parse_org(org, &s->org);
}

static struct wh_lm_rate *rate_at(struct wh_lm_limits *l, const struct scope *s)
{
    switch (s->kind) {
    case ORG:
        return &l->rate_org[s->org];
    case TYPE:
        return &l->rate_type[s->type];
    case PAIR:
        return &l->rate_pair[s->org][s->type];
    case QUEUE:
    case GROUP:
    case ORG_GROUP:
        break;
    }
    return &l->rate_queue;
}

static double *cap_at(struct wh_lm_limits *l, const struct scope *s)
{
    switch (s->kind) {
    case ORG:
        return &l->cap_org[s->org];
    case TYPE:
        return &l->cap_type[s->type];
    case GROUP:
        return &l->cap_group;
    case ORG_GROUP:
        return &l->cap_org_group[s->org][s->group];
    case QUEUE:
    case PAIR:
        break;
    }
    return &l->cap_queue;
}

static void set_breaker(struct wh_lm_limits *l, unsigned type,
                        struct wh_lm_breaker_setting to)
{
    if (!l->touched[type]) {
        l->touched[type] = true;
        l->breaker_was[type] = l->breaker[type];
    }
    l->breaker[type] = to;
}

static void set_adaptive(struct wh_lm_limits *l, unsigned type,
                         struct wh_lm_adaptive to)
{
    if (!l->touched_pace[type]) {
        l->touched_pace[type] = true;
        l->adaptive_was[type] = l->adaptive[type];
    }
    l->adaptive[type] = to;
}

static bool went(const struct wh_lm_limits *l, unsigned t)
{
    return l->touched[t] && l->breaker_was[t].probes > 0 && l->breaker[t].probes <= 0;
}

/* What a type's breaker knew goes with it, unless that of all types follows. What one of all types knew of those
 * that are closed is not looked for. */
static bool breaker_went(const struct wh_lm_limits *l, unsigned t)
{
    if (l->breaker[t].probes > 0 || l->breaker[WH_LM_TYPES].probes > 0) {
        return false;
    }
    return went(l, t) || (went(l, WH_LM_TYPES) && l->state[t].state != WH_LM_CLOSED);
}

/* An adaptive rate that changed starts over. Of settings that stood twice in the call the last ones count. */
void wh_lm_settle_limits(struct wh_lm_limits *l)
{
    for (unsigned t = 0; t < WH_LM_TYPES; t++) {
        struct wh_lm_breaker *b = &l->state[t];
        if (breaker_went(l, t)) {
            *b = (struct wh_lm_breaker){.rate = b->rate,
                                        .rate_at = b->rate_at,
                                        .halved_at = b->halved_at,
                                        .tat = b->tat};
        }
        if (l->touched_pace[t] &&
            memcmp(&l->adaptive_was[t], &l->adaptive[t], sizeof l->adaptive[t]) != 0) {
            b->rate = b->rate_at = b->halved_at = 0;
            b->tat = (struct wh_lm_tat){0, 0};
        }
        l->touched[t] = l->touched_pace[t] = false;
    }
    l->touched[WH_LM_TYPES] = false;
}

static void apply(struct wh_lm_limits *l, const char *what, const struct scope *s,
                  const char *value)
{
    double v[5] = {0};
    int n = sscanf(value, "%lf/%lf/%lf/%lf/%lf", &v[0], &v[1], &v[2], &v[3], &v[4]);
    bool on = n > 0;

    if (strcmp(what, "rate") == 0) {
        *rate_at(l, s) = (struct wh_lm_rate){.n = v[0], .period = v[1], .burst = v[2]};
    } else if (strcmp(what, "active") == 0) {
        *cap_at(l, s) = v[0];
    } else if (strcmp(what, "pause") == 0) {
        *(s->kind == ORG ? &l->pause_org[s->org] : &l->pause_type[s->type]) = on;
    } else if (strcmp(what, "jobs") == 0) {
        *(s->kind == ORG ? &l->jobs_org[s->org] : &l->jobs_queue) = (long long)v[0];
    } else if (strcmp(what, "bytes") == 0) {
        *(s->kind == ORG ? &l->bytes_org[s->org] : &l->bytes_queue) = (long long)v[0];
    } else if (strcmp(what, "breaker") == 0) {
        set_breaker(l, s->type,
                    (struct wh_lm_breaker_setting){v[0], v[1], v[2], v[3], v[4]});
    } else if (strcmp(what, "adaptive") == 0) {
        set_adaptive(l, s->type, (struct wh_lm_adaptive){v[0], v[1], v[2]});
    }
}

static void remember(struct wh_lm_limits *l, const char *setting, bool on)
{
    unsigned at = 0;

    while (at < l->n && strcmp(l->name[at], setting) != 0) {
        at++;
    }
    if (on && at == l->n && at < WH_LM_SETTINGS) {
        snprintf(l->name[l->n++], WH_LM_SETTING_LEN, "%s", setting);
    } else if (!on && at < l->n) {
        memmove(l->name[at], l->name[l->n - 1], WH_LM_SETTING_LEN);
        l->n--;
    }
}

bool wh_lm_set_limit(struct wh_lm_limits *l, double now, const char *setting,
                     const char *value)
{
    char what[16];
    int used = 0;
    struct scope s;

    if (sscanf(setting, "%15[a-z]:%n", what, &used) != 1 || used == 0 ||
        !parse_scope(setting + used, &s)) {
        return false;
    }
    apply(l, what, &s, value);
    remember(l, setting, value[0] != '\0');
    l->changed_at = now;
    return true;
}

static bool is_type_held(const struct wh_lm_limits *l, unsigned t)
{
    return l->cap_type[t] > 0 || l->rate_type[t].n > 0 || l->breaker[t].probes > 0;
}

bool wh_lm_holds_types(const struct wh_lm_limits *l)
{
    bool any = is_type_held(l, WH_LM_TYPES);

    for (unsigned t = 0; t < WH_LM_TYPES; t++) {
        any |= is_type_held(l, t) || l->pause_type[t] || l->adaptive[t].max > 0;
        for (unsigned o = 0; o <= WH_LM_ORGS; o++) {
            any |= l->rate_pair[o][t].n > 0;
        }
    }
    return any;
}
