/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A native handler that misbehaves as the payload says: "<word> [number]". Used by
 * tests/fault only, never installed. Writes "start id attempt fence pid" and "end …" to
 * the journal named by FAULT_JOURNAL (O_APPEND), so that the tests know what ran.
 */
#include "common/client/plugin.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void note(const char *what, const wh_task *t)
{
    static int journal = -1;
    char line[160];
    const char *path = getenv("FAULT_JOURNAL");

    if (journal < 0 && path != NULL) {
        journal = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    }
    int n =
        snprintf(line, sizeof line, "%s %s %u %llu %ld\n", what, t->id,
                 (unsigned)t->attempt, (unsigned long long)t->fence, (long)getpid());
    if (journal >= 0 && n > 0 && write(journal, line, (size_t)n) != n) {
        abort(); /* without its journal the test would prove nothing */
    }
}

/* Works for that long; stops early when cancelled, if it listens. */
static int wait_ms(wh_task *t, long ms, int listens)
{
    const struct timespec step = {.tv_nsec = 5000000};

    for (long waited = 0; waited < ms; waited += 5) {
        if (listens && t->is_cancelled(t)) {
            return WH_TASK_RETRY;
        }
        nanosleep(&step, NULL);
    }
    return WH_TASK_OK;
}

/* Works until the test opens the gate, for all or for this fence; or is cancelled. */
static int hold(wh_task *t)
{
    const struct timespec step = {.tv_nsec = 20000000};
    const char *path = getenv("FAULT_JOURNAL");
    char all[512];
    char mine[544];

    (void)snprintf(all, sizeof all, "%s.open", path == NULL ? "" : path);
    (void)snprintf(mine, sizeof mine, "%s.%llu", all, (unsigned long long)t->fence);
    while (access(all, F_OK) != 0 && access(mine, F_OK) != 0) {
        if (t->is_cancelled(t)) {
            return WH_TASK_RETRY;
        }
        nanosleep(&step, NULL);
    }
    return WH_TASK_OK;
}

static int overflow_stack(volatile char *above)
{
    volatile char here[4096];

    here[0] = above[0];
    return here[0] == 0 ? 0 : 1 + overflow_stack(here);
}

static int leak(long megabytes)
{
    size_t n = (size_t)megabytes << 20U;
    char *hoard = malloc(n);

    if (hoard == NULL) {
        return WH_TASK_RETRY;
    }
    memset(hoard, 'x', n);
    volatile char *kept = hoard; /* never freed: that is the fault */
    return kept[n - 1] == 'x' ? WH_TASK_OK : WH_TASK_FAIL;
}

/* A grandchild in a session of its own that stays for ever. */
static void leave_daemon(void)
{
    if (fork() == 0) {
        (void)setsid();
        if (fork() == 0) {
            for (;;) {
                pause();
            }
        }
        _exit(0);
    }
}

static int misbehave(wh_task *t, const char *word, long number)
{
    volatile char one = 1;

    if (strcmp(word, "sleep") == 0) {
        return wait_ms(t, number, 1);
    }
    if (strcmp(word, "hold") == 0) {
        return hold(t);
    }
    if (strcmp(word, "hang") == 0) {
        return wait_ms(t, 3600000, 0);
    }
    if (strcmp(word, "segv") == 0) {
        static int *volatile nowhere;
        *nowhere = 1;
    }
    if (strcmp(word, "abort") == 0) {
        abort();
    }
    if (strcmp(word, "overflow") == 0) {
        return overflow_stack(&one);
    }
    if (strcmp(word, "exit") == 0) {
        _exit((int)number);
    }
    if (strcmp(word, "leak") == 0) {
        return leak(number);
    }
    if (strcmp(word, "daemon") == 0) {
        leave_daemon();
    }
    if (strcmp(word, "close") == 0) {
        for (int fd = 0; fd < 16; fd++) {
            close(fd);
        }
    }
    return WH_TASK_OK;
}

static int run_fault(wh_task *t, const void *payload, size_t n)
{
    char text[64] = "";

    memcpy(text, payload, n < sizeof text ? n : sizeof text - 1);
    char *blank = strchr(text, ' ');
    if (blank != NULL) {
        *blank = '\0';
    }
    note("start", t);
    int status = misbehave(t, text, blank == NULL ? 0 : strtol(blank + 1, NULL, 10));
    note("end", t);
    return status;
}

static int run_nothing(wh_task *t, const void *payload, size_t n)
{
    (void)t;
    (void)payload;
    (void)n;
    return WH_TASK_OK;
}

static const wh_handler handlers[] = {{"noop", run_nothing}, {"*", run_fault}};
WH_PLUGIN("fault", "1.0", handlers)
