/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plug-in for the unit tests of the native executor: each type is one way to behave
 * or misbehave. Never installed.
 */
#include "common/client/plugin.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void wait_ms(long ms)
{
    const struct timespec step = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&step, NULL);
}

static int run_echo(wh_task *t, const void *p, size_t n)
{
    return t->set_result(t, p, n) == 0 ? WH_TASK_OK : WH_TASK_FAIL;
}

/* What the host told about the job. */
static int run_facts(wh_task *t, const void *p, size_t n)
{
    char text[512];
    (void)p;
    int len = snprintf(text, sizeof text, "%s %s %s %s %s %u %u %llu %lld [%s] %zu",
                       t->id, t->type, t->org, t->region, t->queue, t->attempt,
                       t->max_attempts, (unsigned long long)t->fence,
                       (long long)t->deadline_ms, t->traceparent, n);
    return t->set_result(t, text, len > 0 ? (size_t)len : 0) == 0 ? WH_TASK_OK
                                                                  : WH_TASK_FAIL;
}

static int run_fail(wh_task *t, const void *p, size_t n)
{
    char word[64] = "";
    memcpy(word, p, n < sizeof word ? n : sizeof word - 1);
    t->set_error(t, word, "it did not work", "{\"line\": 7}");
    t->set_delay(t, 1234);
    return strcmp(word, "invalid") == 0 ? WH_TASK_FAIL : WH_TASK_RETRY;
}

static int run_snooze(wh_task *t, const void *p, size_t n)
{
    (void)p;
    (void)n;
    t->set_delay(t, 5000);
    return WH_TASK_SNOOZE;
}

static int run_odd(wh_task *t, const void *p, size_t n)
{
    (void)t;
    (void)p;
    (void)n;
    return 42;
}

static int run_big(wh_task *t, const void *p, size_t n)
{
    static char big[65537];
    (void)p;
    (void)n;
    memset(big, 'b', sizeof big);
    if (t->set_result(t, big, sizeof big) == 0) {
        return WH_TASK_OK; /* must not be */
    }
    return t->set_result(t, big, 65536) == 0 ? WH_TASK_OK : WH_TASK_FAIL;
}

static int run_talk(wh_task *t, const void *p, size_t n)
{
    (void)p;
    (void)n;
    (void)printf("on stdout\n");
    (void)fprintf(stderr, "on stderr\n");
    t->log(t, "by log");
    t->progress(t, 40, "on the way");
    wait_ms(3);
    return WH_TASK_OK;
}

/* As long as the payload says; "*" in front: deaf. */
static int run_sleep(wh_task *t, const void *p, size_t n)
{
    const char *text = p;
    int deaf = n > 0 && text[0] == '*';
    long ms = strtol(text + deaf, NULL, 10);
    for (long waited = 0; waited < ms; waited += 2) {
        if (!deaf && t->is_cancelled(t)) {
            t->set_error(t, "error", "told to stop", NULL);
            return WH_TASK_RETRY;
        }
        wait_ms(2);
    }
    return WH_TASK_OK;
}

static int overflow(volatile char *above, int depth)
{
    volatile char here[4096];
    here[0] = above[0];
    return depth < 0 ? 0 : here[0] + overflow(here, depth + 1);
}

static int run_die(wh_task *t, const void *p, size_t n)
{
    const char *how = p;
    volatile char zero = 0;
    (void)t;
    (void)n;
    if (strcmp(how, "segv") == 0) {
        volatile uintptr_t nowhere =
            64; /* not NULL: sanitizers have their own word for that */
        *(volatile int *)nowhere = 1;
    } else if (strcmp(how, "abort") == 0) {
        abort();
    } else if (strcmp(how, "overflow") == 0) {
        return overflow(&zero, 0);
    } else if (strcmp(how, "exit") == 0) {
        _exit(3);
    }
    return WH_TASK_OK;
}

/* Finds the channel as a vicious handler would. */
static int run_garbage(wh_task *t, const void *p, size_t n)
{
    char junk[64];
    (void)t;
    (void)p;
    (void)n;
    memset(junk, 0xff, sizeof junk);
    for (int fd = 3; fd < 1024; fd++) {
        int type = 0;
        socklen_t len = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
            write(fd, junk, sizeof junk) < 0) {
            return WH_TASK_FAIL;
        }
    }
    wait_ms(5000);
    return WH_TASK_OK;
}

static int run_close(wh_task *t, const void *p, size_t n)
{
    (void)t;
    (void)p;
    (void)n;
    for (int fd = 0; fd < 1024; fd++) {
        (void)close(fd);
    }
    wait_ms(5000);
    return WH_TASK_OK;
}

static int run_flood(wh_task *t, const void *p, size_t n)
{
    static char line[8192];
    (void)t;
    (void)p;
    (void)n;
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (int i = 0; i < 2000; i++) {
        if (write(STDOUT_FILENO, line, sizeof line) < 0) {
            return WH_TASK_FAIL;
        }
    }
    return WH_TASK_OK;
}

/* A copy of the process that comes back from the handler, too. */
static int run_fork(wh_task *t, const void *p, size_t n)
{
    (void)p;
    (void)n;
    if (fork() < 0) {
        return WH_TASK_FAIL;
    }
    return t->set_result(t, "one", 3) == 0 ? WH_TASK_OK : WH_TASK_FAIL;
}

/* "<MiB> <ms>": holds them so long, and never gives them back. */
static int run_leak(wh_task *t, const void *p, size_t n)
{
    char *end = NULL;
    size_t size = (size_t)strtol(p, &end, 10) << 20U;
    long ms = strtol(end, NULL, 10);
    char *hoard = malloc(size);
    (void)n;
    if (hoard == NULL) {
        return WH_TASK_RETRY;
    }
    memset(hoard, 'x', size);
    volatile char *kept = hoard;
    for (long waited = 0; waited < ms && !t->is_cancelled(t); waited += 2) {
        wait_ms(2);
    }
    return kept[size - 1] == 'x' ? WH_TASK_OK : WH_TASK_FAIL;
}

/* Busy for as many ms as the payload says. */
static int run_busy(wh_task *t, const void *p, size_t n)
{
    (void)n;
    if (!WH_TASK_HAS(t, busy)) {
        return WH_TASK_FAIL;
    }
    t->busy(t, strtoll(p, NULL, 10));
    return WH_TASK_OK;
}

static int run_pid(wh_task *t, const void *p, size_t n)
{
    char text[32];
    (void)p;
    (void)n;
    int len = snprintf(text, sizeof text, "%ld", (long)getpid());
    return t->set_result(t, text, len > 0 ? (size_t)len : 0) == 0 ? WH_TASK_OK
                                                                  : WH_TASK_FAIL;
}

static const wh_handler handlers[] = {
    {"echo", run_echo},       {"facts", run_facts}, {"fail", run_fail},
    {"snooze", run_snooze},   {"odd", run_odd},     {"big", run_big},
    {"talk", run_talk},       {"sleep", run_sleep}, {"die", run_die},
    {"garbage", run_garbage}, {"close", run_close}, {"flood", run_flood},
    {"fork", run_fork},       {"leak", run_leak},   {"pid", run_pid},
    {"busy", run_busy},
};

WH_PLUGIN("unruly", "1.0", handlers)
