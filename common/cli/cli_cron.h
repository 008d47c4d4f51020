/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry cron …`: the schedules of partitions. A schedule is named alone where its name is
 * in one partition only.
 */
#ifndef WH_COMMON_CLI_CLI_CRON_H
#define WH_COMMON_CLI_CLI_CRON_H

#include "common/cli/cli_partition.h"
#include "common/schedule/schedule.h"
#include "common/schedule/zones.h"

wh_exit wh_cli_cron_list(wh_cli *c);
wh_exit wh_cli_cron_show(wh_cli *c);
wh_exit wh_cli_cron_remove(wh_cli *c);
wh_exit wh_cli_cron_pause(wh_cli *c);
wh_exit wh_cli_cron_resume(wh_cli *c);
wh_exit wh_cli_cron_run(wh_cli *c);
wh_exit wh_cli_cron_set(wh_cli *c);
wh_exit wh_cli_cron_next(wh_cli *c);

/* One schedule as it is kept. */
typedef struct wh_cli_cron {
    wh_cli_partition where;
    char name[WH_JOB_NAME_MAX + 1];
    char near[WH_JOB_NAME_MAX + 1]; /* where there is none: what may be meant, or "" */
    char *text;                     /* owned */
    size_t text_n;
    wh_schedule schedule;
    wh_err err; /* of reading the text; then schedule is empty */
    wh_errbuf why;
    int64_t next_ms; /* -1: paused, or never again */
    int64_t now_ms;  /* Redis' clock */
} wh_cli_cron;

/* What schedules there are that fire, and how late they are. */
typedef struct wh_cli_cron_tally {
    size_t active, late;
    int64_t late_ms;                     /* of the latest one */
    char latest[WH_JOB_NAME_MAX + 1];    /* its name, */
    char where[2 * WH_JOB_NAME_MAX + 2]; /* and its partition's */
} wh_cli_cron_tally;

/* Adds those of p; says nothing where they can't be read. */
void wh_cli_cron_count(wh_cli *c, const wh_cli_partition *p, wh_cli_cron_tally *t);

/* Fires this one, which is due, as a scheduler would; false: it was not what it is here any
 * more. *next_ms: when it fires next, 0: never. What can't be fired has been said, and is
 * left out. */
wh_exit wh_cli_cron_fire(wh_cli *c, const wh_cli_cron *s, int64_t *next_ms,
                         bool *fired);
/* Finds one by name in the partition named, or in all. WH_EXIT_NOTFOUND has been said. */
wh_exit wh_cli_cron_find(wh_cli *c, const char *name, const char *operand,
                         wh_cli_cron *out);
/* The schedule of this name in out->where; out->text NULL: there is none. */
wh_exit wh_cli_cron_read(wh_cli *c, const char *name, wh_cli_cron *out);
void wh_cli_cron_fini(wh_cli_cron *s);

#endif
