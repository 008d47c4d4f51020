/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of checks, each of which adds findings. Facts about Redis come from INFO, since
 * CONFIG is refused by many hosted servers; a fact that can't be had is said to be
 * unknown, never guessed.
 */
#include "common/cli/cli_doctor.h"

#include "common/base/clock.h"
#include "common/cli/cli_functions.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_partition.h"
#include "common/cli/cli_scheduler.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { SKEW_WARN_MS = 2000, FILES_WARN = 1024, PARTITIONS_MAX = 200, VALUE_MAX = 64 };

typedef enum mark { MARK_OK, MARK_WARN, MARK_FAIL } mark;
static const char *const mark_names[] = {"ok", "warn", "fail"};

typedef struct doctor {
    wh_cli *cli;
    wh_buf out;
    wh_buf info; /* the answer to INFO */
    size_t findings, fails;
} doctor;

/* advice NULL: none is needed. */
static void find(doctor *d, mark m, const char *check, const char *text,
                 const char *advice)
{
    d->fails += m == MARK_FAIL;
    if (d->cli->json) {
        wh_buf_adds(&d->out, d->findings == 0 ? "" : ",");
        wh_buf_addf(&d->out, "{\"check\":\"%s\",\"state\":\"%s\",\"text\":", check,
                    mark_names[m]);
        wh_buf_add_json(&d->out, text, strlen(text));
        wh_buf_adds(&d->out, ",\"advice\":");
        if (advice == NULL) {
            wh_buf_adds(&d->out, "null}");
        } else {
            wh_buf_add_json(&d->out, advice, strlen(advice));
            wh_buf_addc(&d->out, '}');
        }
    } else {
        wh_cli_out_color(d->cli, &d->out, wh_cli_out_status_color(mark_names[m]),
                         mark_names[m]);
        wh_buf_addf(&d->out, "%*s%-12s ", m == MARK_OK ? 4 : 2, "", check);
        wh_cli_out_clean(&d->out, text, strlen(text), true);
        wh_buf_addc(&d->out, '\n');
        if (advice != NULL) {
            wh_buf_adds(&d->out, "                   -> ");
            wh_cli_out_clean(&d->out, advice, strlen(advice), true);
            wh_buf_addc(&d->out, '\n');
        }
    }
    d->findings++;
}

/* ---- INFO ---- */

/* The value of "name:" in INFO, or "" when it is not there. */
static const char *info(const doctor *d, const char *name, char out[VALUE_MAX])
{
    size_t len = strlen(name);
    const char *p = wh_buf_str(&d->info);

    out[0] = '\0';
    for (; p != NULL && *p != '\0'; p = strchr(p, '\n'), p = p == NULL ? NULL : p + 1) {
        if (strncmp(p, name, len) == 0 && p[len] == ':') {
            size_t n = strcspn(p + len + 1, "\r\n");
            (void)snprintf(out, VALUE_MAX, "%.*s",
                           (int)(n < VALUE_MAX ? n : VALUE_MAX - 1), p + len + 1);
            break;
        }
    }
    return out;
}

static int64_t info_int(const doctor *d, const char *name, int64_t dflt)
{
    char value[VALUE_MAX];

    info(d, name, value);
    return value[0] == '\0' ? dflt : strtoll(value, NULL, 10);
}

static void check_version(doctor *d)
{
    char redis[VALUE_MAX];
    char valkey[VALUE_MAX];
    char text[160];

    info(d, "redis_version", redis);
    info(d, "valkey_version", valkey);
    (void)snprintf(text, sizeof text, "%s %s", valkey[0] != '\0' ? "Valkey" : "Redis",
                   valkey[0] != '\0'  ? valkey
                   : redis[0] != '\0' ? redis
                                      : "unknown");
    if (redis[0] != '\0' && strtol(redis, NULL, 10) < 7) {
        find(d, MARK_FAIL, "version", text,
             "Wherry needs Redis 7.0 or newer, or Valkey");
    } else {
        find(d, redis[0] == '\0' ? MARK_WARN : MARK_OK, "version", text, NULL);
    }
}

static void check_role(doctor *d)
{
    char role[VALUE_MAX];

    if (strcmp(info(d, "role", role), "slave") == 0) {
        find(d, MARK_FAIL, "role", "this server is a replica: it refuses writes",
             "give --redis the address of the primary");
    } else {
        find(d, MARK_OK, "role", role[0] == '\0' ? "unknown" : "primary", NULL);
    }
}

static void check_eviction(doctor *d)
{
    char policy[VALUE_MAX];
    char text[160];
    bool bounded = info_int(d, "maxmemory", 0) > 0;

    info(d, "maxmemory_policy", policy);
    (void)snprintf(text, sizeof text, "maxmemory-policy %s",
                   policy[0] == '\0' ? "unknown" : policy);
    if (strcmp(policy, "noeviction") == 0) {
        find(d, MARK_OK, "eviction", text, NULL);
    } else if (policy[0] == '\0') {
        find(d, MARK_WARN, "eviction", text, "make sure that it is noeviction");
    } else {
        find(d, bounded ? MARK_FAIL : MARK_WARN, "eviction", text,
             "set maxmemory-policy noeviction: any other one deletes jobs when memory "
             "is "
             "short");
    }
}

static void check_memory(doctor *d)
{
    int64_t used = info_int(d, "used_memory", -1);
    int64_t max = info_int(d, "maxmemory", 0);
    int64_t all = max > 0 ? max : info_int(d, "total_system_memory", 0);
    char text[200];

    if (used < 0 || all <= 0) {
        find(d, MARK_WARN, "memory", "unknown", NULL);
        return;
    }
    int64_t share = (int64_t)((double)used * 100 / (double)all);
    (void)snprintf(text, sizeof text, "%" PRId64 " MiB, %" PRId64 "%% of %s",
                   used >> 20, share,
                   max > 0 ? "maxmemory" : "the machine (no maxmemory is set)");
    if (share >= 95) {
        find(d, MARK_FAIL, "memory", text,
             "enqueues fail when it is full: raise maxmemory, trim (queue set "
             "keep=...), or "
             "look why jobs pile up");
    } else if (share >= 80) {
        find(d, MARK_WARN, "memory", text, "plan for more memory");
    } else {
        find(d, MARK_OK, "memory", text, NULL);
    }
}

/* "always", "everysec", "no", or "" when CONFIG is refused. */
static void fsync_policy(doctor *d, char out[VALUE_MAX])
{
    const wh_reply *reply = NULL;
    wh_call call;
    wh_errbuf eb = {.code = WH_OK};

    out[0] = '\0';
    wh_call_init_command(&call, "CONFIG");
    wh_call_args(&call, "GET");
    wh_call_args(&call, "appendfsync");
    if (wh_cli_redis_try(d->cli, &call, &reply, &eb) == WH_OK) {
        wh_slice s = wh_reply_str(wh_reply_at(reply, 1));
        (void)snprintf(out, VALUE_MAX, "%s", s.p == NULL ? "" : s.p);
    }
}

static void check_persistence(doctor *d)
{
    char fsync[VALUE_MAX];
    char state[VALUE_MAX];
    char text[200];

    if (info_int(d, "aof_enabled", -1) < 0) {
        find(d, MARK_WARN, "persistence", "unknown",
             "make sure that appendonly is yes");
        return;
    }
    if (info_int(d, "aof_enabled", 0) == 0) {
        find(d, MARK_WARN, "persistence",
             "AOF is off: a crash of Redis loses every job since the last snapshot",
             "set appendonly yes (appendfsync everysec: at most about 2 s of jobs are "
             "lost "
             "with a power failure)");
        return;
    }
    if (strcmp(info(d, "aof_last_write_status", state), "err") == 0) {
        find(d, MARK_FAIL, "persistence",
             "Redis can't write its AOF: writes are refused",
             "look at the disk of the Redis server");
        return;
    }
    fsync_policy(d, fsync);
    const char *lost =
        strcmp(fsync, "always") == 0 ? "nothing is lost with an honest disk"
        : strcmp(fsync, "no") == 0
            ? "a power failure loses what the kernel had not written (30 s)"
            : "a power failure loses up to about 2 s of jobs";
    (void)snprintf(text, sizeof text, "AOF is on, appendfsync %s: %s",
                   fsync[0] == '\0' ? "unknown" : fsync, lost);
    find(d, strcmp(fsync, "no") == 0 ? MARK_WARN : MARK_OK, "persistence", text,
         strcmp(fsync, "no") == 0 ? "set appendfsync everysec" : NULL);
}

static void check_clients(doctor *d)
{
    int64_t now = info_int(d, "connected_clients", 0);
    int64_t max = info_int(d, "maxclients", 0);
    char text[120];

    (void)snprintf(text, sizeof text, "%" PRId64 " of %" PRId64 " connections", now,
                   max);
    if (max > 0) {
        find(d, now * 10 >= max * 9 ? MARK_WARN : MARK_OK, "clients", text,
             now * 10 >= max * 9 ? "raise maxclients" : NULL);
    }
}

static void check_info(doctor *d)
{
    const wh_reply *reply = NULL;
    wh_call call;
    wh_errbuf eb = {.code = WH_OK};

    wh_call_init_command(&call, "INFO");
    wh_err err = wh_cli_redis_try(d->cli, &call, &reply, &eb);
    if (err != WH_OK) {
        find(
            d, MARK_WARN, "info", eb.text,
            "allow INFO to this user; version, memory and persistence are unknown now");
        return;
    }
    wh_slice text = wh_reply_str(reply);
    wh_buf_add(&d->info, text.p, text.n);
    check_version(d);
    check_role(d);
    check_eviction(d);
    check_memory(d);
    check_persistence(d);
    check_clients(d);
}

/* ---- the rest ---- */

static void check_clock(doctor *d)
{
    const wh_reply *reply = NULL;
    wh_call call;
    wh_errbuf eb = {.code = WH_OK};
    char text[120];
    char human[24];

    wh_call_init_command(&call, "TIME");
    int64_t before = wh_clock_wall_ms();
    if (wh_cli_redis_try(d->cli, &call, &reply, &eb) != WH_OK) {
        find(d, MARK_WARN, "clock", eb.text, "allow TIME to this user");
        return;
    }
    int64_t there = wh_reply_int(wh_reply_at(reply, 0), 0) * 1000 +
                    wh_reply_int(wh_reply_at(reply, 1), 0) / 1000;
    int64_t skew = there - (before + wh_clock_wall_ms()) / 2;
    int64_t size = skew < 0 ? -skew : skew;
    (void)snprintf(text, sizeof text, "Redis is %s %s",
                   wh_clock_human(size, human, sizeof human),
                   skew < 0 ? "behind this host" : "ahead of this host");
    find(d, size > SKEW_WARN_MS ? MARK_WARN : MARK_OK, "clock", text,
         size > SKEW_WARN_MS
             ? "jobs follow the clock of Redis, logs that of each host: run "
               "NTP on both"
             : NULL);
}

static bool check_library(doctor *d)
{
    wh_funclib_status st = {.major = 0};
    wh_errbuf eb = {.code = WH_OK};
    wh_err err = wh_session_library(d->cli->session, false, false, &st, &eb);
    char text[160];

    if (err != WH_OK) {
        find(d, MARK_FAIL, "library", eb.text, wh_err_text(err));
        return false;
    }
    if (st.revision == 0) {
        find(d, MARK_FAIL, "library", "the functions are not loaded",
             "run wherry functions load, or start a worker or scheduler that may");
        return false;
    }
    if (!wh_cli_functions_is_ours(&st)) {
        find(
            d, MARK_FAIL, "library",
            "the function wh1_version in Redis is somebody else's",
            "look with redis-cli FUNCTION LIST, and FUNCTION DELETE the other library");
        return false;
    }
    (void)snprintf(text, sizeof text, "revision %d.%d (%.12s), this program has %d.%d",
                   st.major, st.revision, st.hash, st.own_major, st.own_revision);
    if (st.revision < st.own_revision) {
        find(d, MARK_WARN, "library", text, "run wherry functions load");
    } else {
        find(d, MARK_OK, "library", text, NULL);
    }
    return true;
}

/* A share of a maxmemory that Redis does not have refuses nothing. */
static void check_memory_limit(doctor *d, const wh_cli_partition *p)
{
    const wh_reply *flat = NULL;
    wh_errbuf eb = {.code = WH_OK};
    wh_call call;
    char text[320];

    if (info_int(d, "maxmemory", -1) != 0) {
        return;
    }
    wh_call_init(&call, "wh1_limits", true, p->key);
    if (wh_cli_redis_try(d->cli, &call, &flat, &eb) != WH_OK) {
        return;
    }
    int64_t share = wh_cli_redis_field(flat, "memory:queue", 0);
    if (share > 0) {
        (void)snprintf(text, sizeof text,
                       "%s: memory:queue=%" PRId64
                       "%% refuses nothing: Redis has no maxmemory",
                       p->name, share);
        find(d, MARK_WARN, "limits", text,
             "set maxmemory (and maxmemory-policy noeviction)");
    }
}

static void check_partition(doctor *d, const wh_cli_partition *p)
{
    const wh_reply *reply = NULL;
    wh_errbuf eb = {.code = WH_OK};
    wh_call call;
    char text[320];

    wh_call_init(&call, "wh1_stats", true, p->key);
    if (wh_cli_redis_try(d->cli, &call, &reply, &eb) != WH_OK) {
        (void)snprintf(text, sizeof text, "%s: %.150s", p->name, eb.text);
        find(d, MARK_FAIL, "queue", text,
             "run wherry audit, and look at what wrote there");
        return;
    }
    int64_t pending = wh_cli_redis_field(reply, "pending", 0);
    int64_t workers = wh_cli_redis_field(reply, "workers", 0);
    bool is_paused = wh_cli_redis_field(reply, "paused", 0) != 0;
    (void)snprintf(text, sizeof text,
                   "%s: %" PRId64 " pending, %" PRId64 " dead, %" PRId64 " workers%s",
                   p->name, pending, wh_cli_redis_field(reply, "dead", 0), workers,
                   is_paused ? ", paused" : "");
    if (is_paused) {
        find(d, MARK_WARN, "queue", text,
             "wherry queue resume, when the reason is gone");
    } else if (workers == 0) {
        find(d, MARK_WARN, "queue", text, "no worker lives here: start wherry-worker");
    } else {
        find(d, MARK_OK, "queue", text, NULL);
    }
}

static void check_scheduler(doctor *d, const wh_cli_partitions *all)
{
    wh_buf text = {0};
    const char *advice = NULL;

    wh_cli_scheduler_look(d->cli, all, &text, &advice);
    find(d, advice == NULL ? MARK_OK : MARK_WARN, "scheduler", wh_buf_str(&text),
         advice);
    d->out.failed = d->out.failed || !wh_buf_ok(&text);
    wh_buf_fini(&text);
}

static void check_partitions(doctor *d)
{
    wh_cli_partitions all = {.list = NULL};

    if (wh_cli_partition_all(d->cli, NULL, &all) != WH_EXIT_OK) {
        find(d, MARK_FAIL, "queues", "the list of queues can't be read", NULL);
    } else if (all.n == 0) {
        find(d, MARK_OK, "queues", "none is known yet", NULL);
    }
    for (size_t i = 0; i < all.n && i < PARTITIONS_MAX; i++) {
        check_partition(d, &all.list[i]);
        check_memory_limit(d, &all.list[i]);
    }
    check_scheduler(d, &all);
    wh_cli_partition_list_fini(&all);
}

static void check_limits(doctor *d)
{
    struct rlimit files;
    char text[120];

    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return;
    }
    (void)snprintf(text, sizeof text, "%" PRIu64 " open files allowed here",
                   (uint64_t)files.rlim_cur);
    find(d, files.rlim_cur < FILES_WARN ? MARK_WARN : MARK_OK, "ulimit", text,
         files.rlim_cur < FILES_WARN
             ? "allow at least 1024 (ulimit -n), for workers too"
             : NULL);
}

static void check_all(doctor *d)
{
    wh_errbuf eb = {.code = WH_OK};
    int64_t start_us = wh_clock_mono_us();
    wh_err err = wh_cli_redis_try_open(d->cli, true, &eb);
    char text[420];

    if (err != WH_OK) {
        find(d, MARK_FAIL, "redis", eb.text,
             err == WH_EAUTH
                 ? "set WHERRY_REDIS_USER and WHERRY_REDIS_PASSWORD"
                 : "start Redis, or say where it is: --redis URL or REDIS_URL "
                   "(wherry dev starts one to play with)");
        check_limits(d);
        return;
    }
    (void)snprintf(text, sizeof text, "connected to %s in %" PRId64 " ms",
                   wh_session_endpoint(d->cli->session),
                   (wh_clock_mono_us() - start_us + 999) / 1000);
    find(d, MARK_OK, "redis", text, NULL);
    check_info(d);
    check_clock(d);
    if (check_library(d)) {
        check_partitions(d);
    }
    check_limits(d);
}

wh_exit wh_cli_doctor_run(wh_cli *c)
{
    doctor d = {.cli = c};
    wh_buf all = {0};

    check_all(&d);
    if (c->json) {
        wh_buf_addf(&all, "{\"ok\":%s,\"checks\":[", d.fails == 0 ? "true" : "false");
        wh_buf_add(&all, d.out.data, d.out.len);
        wh_buf_adds(&all, "]}\n");
    } else {
        wh_buf_add(&all, d.out.data, d.out.len);
    }
    wh_exit status =
        wh_buf_ok(&d.out) ? wh_cli_out_print(c, &all) : wh_cli_no_memory(c);
    wh_buf_fini(&all);
    wh_buf_fini(&d.out);
    wh_buf_fini(&d.info);
    return status == WH_EXIT_OK && d.fails > 0 ? WH_EXIT_FAILED : status;
}
