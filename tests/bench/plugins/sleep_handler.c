/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handler of fairness.py and delayed.py: sleeps as many microseconds as the payload says and writes
 * down when it ran, on CLOCK_MONOTONIC: one record of 128 bytes a job in a file of its
 * process, in the folder BENCH_STAMPS. stamps.py reads them.
 */
#include "common/client/plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct stamp {
    uint64_t start_ns, end_ns;
    char org[40], type[32], id[40];
};
_Static_assert(sizeof(struct stamp) == 128, "stamps.py reads records of 128 bytes");

static int file = -1;

static int start(void)
{
    char path[4096];
    const char *folder = getenv("BENCH_STAMPS");

    if (folder == NULL) {
        (void)fprintf(stderr, "BENCH_STAMPS is not set\n");
        return 1;
    }
    (void)snprintf(path, sizeof path, "%s/%ld", folder, (long)getpid());
    file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    return file < 0;
}

static uint64_t now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static int run_sleep(wh_task *t, const void *payload, size_t n)
{
    struct stamp s = {.start_ns = now()};
    char text[24] = "";

    memcpy(text, payload, n < sizeof text ? n : sizeof text - 1);
    long us = strtol(text, NULL, 10);
    uint64_t until = s.start_ns + (uint64_t)us * 1000U;
    struct timespec at = {(time_t)(until / 1000000000U), (long)(until % 1000000000U)};
    /* Without a sleep the handler must not give the processor away. */
    while (us > 0 &&
           clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
    }
    (void)snprintf(s.org, sizeof s.org, "%s", t->org);
    (void)snprintf(s.type, sizeof s.type, "%s", t->type);
    (void)snprintf(s.id, sizeof s.id, "%s", t->id);
    s.end_ns = now();
    return write(file, &s, sizeof s) == (ssize_t)sizeof s ? WH_TASK_OK : WH_TASK_FAIL;
}

static const wh_handler handlers[] = {{"*", run_sleep}};

const wh_plugin *wherry_plugin_v1(void)
{
    static const wh_plugin plugin = {
        WH_PLUGIN_ABI, sizeof(wh_plugin), "sleep", "1.0", handlers, 1, start, NULL};
    return &plugin;
}
