/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The producer of the side-by-side benchmark, on libwherry as any user would write it.
 *   producer enqueue N         ids PEERS_FIRST …, in calls of 20,000 jobs
 *   producer latency N GAP_US  one at a time
 * PEERS_ORGS=1 puts all jobs into one org of Wherry's (the org in the payload stays).
 */
#include "common/client/wherry.h"
#include "tests/bench/peers/lib/peers_common.h"

#include <time.h>

#define CHUNK 20000

static wh_client *client;
static const wh_client_queue queue = {"eu", "bench"};

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, client ? wh_client_error(client) : "");
    exit(1);
}

static void open_client(void)
{
    const char *sock = getenv("PEERS_REDIS_SOCK");
    char url[4200], error[256] = "";
    if (sock && *sock)
        snprintf(url, sizeof url, "unix://%s", sock);
    else
        snprintf(url, sizeof url, "redis://127.0.0.1:%ld",
                 pc_env("PEERS_REDIS_PORT", 6379));
    wh_client_options o = wh_client_options_make();
    o.error = error;
    o.error_size = sizeof error;
    if (wh_client_open(url, &o, &client)) {
        fprintf(stderr, "%s\n", error);
        exit(1);
    }
}

typedef struct job_text {
    char payload[256], org[32];
} job_text;

static wh_client_job make(job_text *t, long i, uint64_t stamp)
{
    int n = pc_payload(t->payload, sizeof t->payload, i, stamp);
    wh_client_job job = wh_client_job_make("noop", t->payload, (size_t)n);
    long orgs = pc_env("PEERS_ORGS", 0);
    if (orgs) {
        snprintf(t->org, sizeof t->org, "org-%05ld", i % orgs);
    } else {
        const char *o = strstr(t->payload, "\"org\":\"") + 7;
        memcpy(t->org, o, 9);
        t->org[9] = '\0';
    }
    job.org = t->org;
    return job;
}

static void enqueue(long n)
{
    long first = pc_env("PEERS_FIRST", 0);
    job_text *texts = calloc(CHUNK, sizeof *texts);
    wh_client_job *jobs = calloc(CHUNK, sizeof *jobs);
    uint64_t spent = 0;
    if (!texts || !jobs)
        pc_die("calloc");
    for (long done = 0; done < n; done += CHUNK) {
        size_t count = n - done < CHUNK ? (size_t)(n - done) : CHUNK;
        for (size_t k = 0; k < count; k++)
            jobs[k] = make(&texts[k], first + done + (long)k, 0);
        uint64_t t0 = pc_now();
        if (wh_client_enqueue_batch(client, &queue, jobs, count, NULL))
            die("enqueue");
        spent += pc_now() - t0;
    }
    printf("{\"n\":%ld,\"seconds\":%.6f}\n", n, (double)spent / 1e9);
    free(texts);
    free(jobs);
}

static void latency(long n, long gap_us)
{
    uint64_t *calls = calloc((size_t)n, sizeof *calls);
    if (!calls)
        pc_die("calloc");
    const struct timespec gap = {gap_us / 1000000, gap_us % 1000000 * 1000};
    for (long i = 0; i < n; i++) {
        job_text t;
        uint64_t t0 = pc_now();
        wh_client_job job = make(&t, i, t0);
        if (wh_client_enqueue(client, &queue, &job, NULL))
            die("enqueue");
        calls[i] = pc_now() - t0;
        nanosleep(&gap, NULL); /* the pace of the load; nothing is waited for */
    }
    pc_print_latency(calls, n);
    free(calls);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: producer enqueue N | latency N GAP_US\n");
        return 2;
    }
    open_client();
    if (strcmp(argv[1], "enqueue") == 0)
        enqueue(atol(argv[2]));
    else
        latency(atol(argv[2]), argc > 3 ? atol(argv[3]) : 2000);
    wh_client_close(client);
    return 0;
}
