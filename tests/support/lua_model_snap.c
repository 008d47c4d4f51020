/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where every ready id stands after a call, and what is parked: read in the same transaction
 * as the call, from the keys themselves. The rates' keys are made to end by the library's
 * clock, not by that of Redis; those of breakers never, what they say ages by itself.
 */
#include "tests/support/lua_model_run.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char script[] =
    "local P, out = ARGV[1], {} "
    "for _, k in ipairs(redis.call('KEYS', P .. 'breaker:*')) do "
    "redis.call('PERSIST', k) end "
    "for _, k in ipairs(redis.call('KEYS', P .. '[drsapwh]*')) do "
    "local what, name, ids = string.match(k, '^([a-z]+):?(.*)$', #P + 1) "
    "if what == 'ready' then ids = redis.call('LRANGE', k, 0, -1) "
    "elseif what == 'soonest' or what == 'aside' then "
    "ids = redis.call('ZRANGE', k, 0, -1) "
    "elseif what == 'ratelimit' then local tat = redis.call('GET', k) "
    "if tonumber(tat) <= tonumber(ARGV[2]) then redis.call('DEL', k) else "
    "redis.call('PERSIST', k) out[#out + 1] = 'rate ' .. name .. ' ' .. tat end "
    "elseif what == 'delayed' then local f = redis.call('ZRANGE', k, 0, -1, "
    "'WITHSCORES') "
    "for i = 1, #f, 2 do local a, b = string.byte(f[i], 15, 16) "
    "out[#out + 1] = 'delayed ' .. a * 256 + b .. ' ' .. f[i + 1] end "
    "elseif what == 'ring' then out[#out + 1] = 'ring ' .. redis.call('ZCARD', k) "
    "elseif what == 'waiting' then "
    "for _, o in ipairs(redis.call('ZRANGE', k, 0, -1)) do "
    "out[#out + 1] = 'waiting ' .. o .. ' ' .. name end "
    "elseif what == 'held' then local org = string.match(name, '^[^:]*') "
    "for _, o in ipairs(redis.call('ZRANGE', k, 0, -1)) do "
    "local level, g = string.match(o, '^(%d)/(.*)$') "
    "local v = redis.call('ZSCORE', P .. 'groups:' .. org .. ':' .. level, g) "
    "out[#out + 1] = 'beside ' .. org "
    "if v and tonumber(v) >= 2 ^ 52 then "
    "out[#out + 1] = 'held ' .. org .. ' ' .. o end end "
    "elseif what == 'parked' then local f = redis.call('ZRANGE', k, 0, -1, "
    "'WITHSCORES') "
    "for i = 1, #f, 2 do out[#out + 1] = 'parked ' .. f[i] .. ' ' .. f[i + 1] end end "
    "if ids then for i, raw in ipairs(ids) do local a, b = string.byte(raw, 15, 16) "
    "ids[i] = a * 256 + b end "
    "out[#out + 1] = what .. ' ' .. name .. ' ' .. table.concat(ids, ' ') end end "
    "return table.concat(out, '\\n')";

static unsigned type_of(const char *name)
{
    for (unsigned t = 0; t < WH_LM_TYPES; t++) {
        if (strcmp(name, wh_lm_types[t]) == 0) {
            return t;
        }
    }
    fail_msg("what is of type %s?", name);
    return 0;
}

static void add_ids(struct wh_lm_snap *s, const struct wh_lm_stand *at, char *ids)
{
    char *save = NULL;
    struct wh_lm_stand stand = *at;

    stand.in = true;
    for (char *w = strtok_r(ids, " ", &save); w != NULL;
         w = strtok_r(NULL, " ", &save)) {
        unsigned n = (unsigned)strtoul(w, NULL, 10);
        if (n >= WH_LM_JOBS || s->stand[n].in) {
            fail_msg("job %u is unknown, or stands in two places", n);
        }
        s->first[s->n_ids] = stand.rank == 0;
        s->ids[s->n_ids++] = n;
        s->stand[n] = stand;
        stand.rank++;
    }
}

static bool add_place(struct wh_lm_snap *s, char *line)
{
    struct wh_lm_stand at = {.kind = WH_LM_LIST};
    char type[16];
    int used = 0;

    if (sscanf(line, "ready o%u:%u:g%u %n", &at.org, &at.level, &at.group, &used) ==
            3 ||
        (sscanf(line, "ready o%u:%u %n", &at.org, &at.level, &used) == 2 && used > 0)) {
        add_ids(s, &at, line + used);
        return true;
    }
    if (sscanf(line, "soonest o%u:%u %n", &at.org, &at.level, &used) == 2) {
        at.kind = WH_LM_SOONEST;
        add_ids(s, &at, line + used);
        return true;
    }
    if (sscanf(line, "aside o%u:%15[^ :]:%u:g%u %n", &at.org, type, &at.level,
               &at.group, &used) == 4 ||
        sscanf(line, "aside o%u:%15s %n", &at.org, type, &used) == 2) {
        at.kind = WH_LM_ASIDE;
        at.type = type_of(type);
        add_ids(s, &at, line + used);
        return true;
    }
    return false;
}

static void add_parked(struct wh_lm_snap *s, const char *line)
{
    unsigned org, level, group;
    char type[16];
    double at = 0;

    if (sscanf(line, "parked org/o%u/group/%u/g%u %lf", &org, &level, &group, &at) ==
        4) {
        s->parked_group[org][level][group] = at > 0 ? at : 1;
    } else if (sscanf(line, "parked org/o%u %lf", &org, &at) == 2) {
        s->parked_org[org] = at > 0 ? at : 1;
    } else if (sscanf(line, "parked type/%15s %lf", type, &at) == 2) {
        s->parked_type[type_of(type)] = at > 0 ? at : 1;
    } else if (sscanf(line, "parked queue %lf", &at) == 1) {
        s->parked_queue = at > 0 ? at : 1;
    }
}

static void add_rate(struct wh_lm_snap *s, const char *line)
{
    unsigned org;
    char type[16], tat[40];

    if (sscanf(line, "rate o%u:%15[a-z] %39s", &org, type, tat) == 3) {
        s->tat.pair[org][type_of(type)] = wh_lm_tat_of(tat);
    } else if (sscanf(line, "rate o%u: %39s", &org, tat) == 2) {
        s->tat.org[org] = wh_lm_tat_of(tat);
    } else if (sscanf(line, "rate :%15[a-z] %39s", type, tat) == 2) {
        s->tat.type[type_of(type)] = wh_lm_tat_of(tat);
    } else if (sscanf(line, "rate : %39s", tat) == 1) {
        s->tat.queue = wh_lm_tat_of(tat);
    }
}

static void parse(struct wh_lm_snap *s, char *text)
{
    unsigned org, level, group, n;
    long long due;
    char type[16], *save = NULL;

    memset(s, 0, sizeof *s);
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (add_place(s, line) || sscanf(line, "ring %u", &s->ring) == 1) {
            continue;
        }
        if (sscanf(line, "delayed %u %lld", &n, &due) == 2 && n < WH_LM_JOBS) {
            s->due[n] = due;
        } else if (sscanf(line, "waiting o%u %15s", &org, type) == 2) {
            s->waiting[org][type_of(type)] = true;
        } else if (sscanf(line, "held o%u %u/g%u", &org, &level, &group) == 3) {
            s->held_group[org][level][group] = true;
        } else if (sscanf(line, "beside o%u", &org) == 1) {
            s->beside[org] = true;
        } else if (strncmp(line, "rate ", 5) == 0) {
            add_rate(s, line);
        } else {
            add_parked(s, line);
        }
    }
}

/* The element of a transaction's reply, which loses it. */
static redisReply *steal(redisReply *r, size_t i)
{
    if (r->type != REDIS_REPLY_ARRAY || r->elements <= i) {
        fail_msg("EXEC: %s", r->str != NULL ? r->str : "no array");
    }
    redisReply *got = r->element[i];
    r->element[i] = NULL;
    return got;
}

redisReply *wh_lmr_see(const struct wh_lmr *run, const char *fn, struct wh_lc_args *a,
                       struct wh_lm_snap *snap)
{
    freeReplyObject(wh_lc_cmd("MULTI"));
    freeReplyObject(wh_lc_call_args(fn, a));
    freeReplyObject(wh_lc_cmd("EVAL %s 0 " WH_LC_P ": %lld", script, run->m.now));
    redisReply *all = wh_lc_cmd("EXEC");
    redisReply *reply = steal(all, 0), *seen = steal(all, 1);
    if (seen->type != REDIS_REPLY_STRING) {
        fail_msg("snapshot: %s", seen->str);
    }
    parse(snap, seen->str);
    freeReplyObject(seen);
    freeReplyObject(all);
    return reply;
}
