/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs on their way into one partition, in calls of at most 500 jobs and about 1 MiB.
 * Every job has its id before it is sent, so a call whose answer was lost is simply sent
 * again and creates nothing twice. A batch that Redis refuses for good goes in parts, in
 * order, until the refused job is known; what came before it is enqueued. Where the quota of
 * one org refuses it, it goes without that org's jobs, if that is wished (skips_full).
 */
#ifndef WH_COMMON_CLI_CLI_BATCH_H
#define WH_COMMON_CLI_CLI_BATCH_H

#include "common/cli/cli.h"
#include "common/cli/cli_full.h"
#include "common/cli/cli_redis.h"
#include "common/job/job.h"

enum { WH_CLI_BATCH_MAX = 500 };

typedef struct wh_cli_batch {
    wh_cli *cli;
    wh_cli_partition where;
    wh_call call;
    wh_buf head;
    uint8_t ids[WH_CLI_BATCH_MAX][WH_UUID_BYTES];
    int64_t lines[WH_CLI_BATCH_MAX];
    size_t ends[WH_CLI_BATCH_MAX]; /* of each job's arguments in call.body */
    char orgs[WH_CLI_BATCH_MAX][WH_JOB_NAME_MAX + 1];
    size_t head_argc, head_len; /* of the arguments before the first job's */
    size_t n;
    bool skips_full;   /* an org at its quota keeps out its own jobs only */
    wh_cli_full full;  /* these orgs */
    int64_t line;      /* where the job to be added comes from; 0: from no line */
    int64_t last_line; /* of the last job sent, or kept out */
    int64_t sent, created, existing;
    int64_t refused; /* kept out, each of them told */
    char
        last_id[WH_UUID_TEXT + 1]; /* of the last job sent, or of the one that exists */
    const char *last_result;       /* "created", "existing", "replaced", "extended" */
} wh_cli_batch;

void wh_cli_batch_init(wh_cli_batch *b, wh_cli *c, const wh_cli_partition *where);
void wh_cli_batch_fini(wh_cli_batch *b);
/* Copies the job in; WH_EINVAL or WH_ETOOBIG when it is no good. */
wh_err wh_cli_batch_add(wh_cli_batch *b, const wh_job_spec *spec,
                        wh_errbuf *eb) WH_MUSTCHECK;
bool wh_cli_batch_is_full(const wh_cli_batch *b);
/* One job that may change another one (replace, extend), sent at once: unlike a batch it
 * tells what became of that one. */
wh_exit wh_cli_batch_one(wh_cli_batch *b, const wh_job_spec *spec);
/* Sends what is there; tries again while that may help. Refused for good, it names the
 * line and forgets what was not sent. */
wh_exit wh_cli_batch_flush(wh_cli_batch *b);

#endif
