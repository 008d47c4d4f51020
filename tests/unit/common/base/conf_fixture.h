/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small program's option table, one option of every type, for the tests of conf;
 * and a loader that takes the file as text.
 */
#ifndef WH_TESTS_CONF_FIXTURE_H
#define WH_TESTS_CONF_FIXTURE_H

#include "common/base/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct demo_handler {
    char *name;
    char *command;
    int64_t timeout_ms;
    int64_t retry_max;
} demo_handler;

typedef struct demo_queue {
    char *name;
    int64_t weight;
} demo_queue;

typedef struct demo {
    int64_t slots;
    char *region;
    char *redis_url;
    char *redis_password;
    int64_t redis_timeout_ms;
    int64_t payload_max;
    double share;
    bool verbose;
    bool color;
    bool once;
    int log_level;
    wh_strlist tags;
    wh_conf_items queues;
    wh_conf_items handlers;
} demo;

/* No '!' in a tag or a queue's name. */
static inline wh_err demo_check(const char *text, wh_errbuf *eb)
{
    return strchr(text, '!') == NULL
               ? WH_OK
               : wh_err_set(eb, WH_ECONFIG, "\"%s\" is too loud", text);
}

#define AT(m) offsetof(demo, m)
static const wh_opt demo_opts[] = {
    {.name = "slots",
     .type = WH_OPT_INT,
     .offset = AT(slots),
     .dflt = "10",
     .min = 1,
     .max = 1000,
     .flags = WH_OPT_RELOAD,
     .letter = 's',
     .aka = "concurrency|max_threads",
     .help = "Jobs at a time"},
    {.name = "region",
     .type = WH_OPT_STRING,
     .offset = AT(region),
     .min = 1,
     .max = 16,
     .help = "Where this runs"},
    {.name = "redis.url",
     .type = WH_OPT_STRING,
     .offset = AT(redis_url),
     .dflt = "redis://localhost",
     .env = "REDIS_URL",
     .unit = "url",
     .help = "The Redis to use"},
    {.name = "redis.password",
     .type = WH_OPT_STRING,
     .offset = AT(redis_password),
     .flags = WH_OPT_SECRET,
     .help = "Its password"},
    {.name = "redis.timeout",
     .type = WH_OPT_DURATION,
     .offset = AT(redis_timeout_ms),
     .dflt = "5s",
     .min = 100,
     .max = 60000,
     .help = "For one answer"},
    {.name = "payload_max",
     .type = WH_OPT_SIZE,
     .offset = AT(payload_max),
     .dflt = "1MiB",
     .help = "Largest payload"},
    {.name = "share",
     .type = WH_OPT_NUMBER,
     .offset = AT(share),
     .dflt = "0.5",
     .max = 1,
     .help = "A share"},
    {.name = "verbose",
     .type = WH_OPT_BOOL,
     .offset = AT(verbose),
     .letter = 'v',
     .help = "Say more"},
    {.name = "color",
     .type = WH_OPT_BOOL,
     .offset = AT(color),
     .dflt = "true",
     .help = "Colours"},
    {.name = "once",
     .type = WH_OPT_BOOL,
     .offset = AT(once),
     .flags = WH_OPT_FLAG_ONLY,
     .help = "End when idle"},
    {.name = "log.level",
     .type = WH_OPT_ENUM,
     .offset = AT(log_level),
     .dflt = "info",
     .choices = "debug|info|warn",
     .flags = WH_OPT_RELOAD,
     .help = "How much to log"},
    {.name = "tags",
     .type = WH_OPT_LIST,
     .offset = AT(tags),
     .dflt = "a,b",
     .max = 4,
     .check = demo_check,
     .help = "Words"},
};
static const wh_opt demo_queue_opts[] = {
    {.name = "weight",
     .type = WH_OPT_INT,
     .offset = offsetof(demo_queue, weight),
     .dflt = "1",
     .min = 1,
     .max = 100,
     .flags = WH_OPT_RELOAD,
     .help = "Its share"},
};
static const wh_opt demo_handler_opts[] = {
    {.name = "command",
     .type = WH_OPT_STRING,
     .offset = offsetof(demo_handler, command),
     .help = "What to run"},
    {.name = "timeout",
     .type = WH_OPT_DURATION,
     .offset = offsetof(demo_handler, timeout_ms),
     .dflt = "1m",
     .flags = WH_OPT_RELOAD,
     .help = "Its longest run"},
    {.name = "retry.max",
     .type = WH_OPT_INT,
     .offset = offsetof(demo_handler, retry_max),
     .dflt = "5",
     .help = "Attempts | tries"},
};
#undef AT
static const wh_opt_section demo_sections[] = {
    {.name = "queues",
     .flag = "queue",
     .offset = offsetof(demo, queues),
     .item_size = sizeof(demo_queue),
     .opts = demo_queue_opts,
     .n_opts = 1,
     .check_name = demo_check,
     .help = "A queue to serve",
     .dflt = "main=3",
     .example = "mail: 5"},
    {.name = "handlers",
     .offset = offsetof(demo, handlers),
     .item_size = sizeof(demo_handler),
     .opts = demo_handler_opts,
     .n_opts = 3,
     .help = "What runs a type of job",
     .example = "hash: /bin/hash"},
};
static const wh_opt_table demo_table = {
    .program = "wherry-demo",
    .synopsis = "[options]",
    .examples = "  wherry-demo --slots 5\n",
    .about = "Shows options.",
    .opts = demo_opts,
    .n_opts = sizeof demo_opts / sizeof demo_opts[0],
    .sections = demo_sections,
    .n_sections = 2,
    .size = sizeof(demo),
};

/* Writes text into a fresh file in the current folder's temp; returns its path. */
static inline char *demo_file(const char *text, size_t n)
{
    static char path[64];
    (void)snprintf(path, sizeof path, "%s", "/tmp/wherry-conf-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), (ssize_t)n);
    assert_int_equal(close(fd), 0);
    return path;
}

/* Loads from these; any may be NULL. args: NULL-ended, without the program. */
static inline wh_err demo_load(const char *text, const char *const *env,
                               const char *const *args, wh_conf **out, wh_errbuf *eb)
{
    char *argv[32] = {NULL};
    int argc = 0;
    argv[argc++] = strdup("wherry-demo");
    for (size_t i = 0; args != NULL && args[i] != NULL && argc < 31; i++) {
        argv[argc++] = strdup(args[i]);
    }
    char *path = text != NULL ? demo_file(text, strlen(text)) : NULL;
    wh_conf_source src = {.argc = argc, .argv = argv, .env = env, .file = path};
    wh_err err = wh_conf_load(&demo_table, &src, out, eb);
    if (path != NULL) {
        (void)unlink(path);
    }
    for (int i = 0; i < argc; i++) {
        free(argv[i]);
    }
    return err;
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline wh_conf *demo_ok(const char *text, const char *const *env,
                               const char *const *args)
{
    wh_conf *c = NULL;
    wh_errbuf eb = {.text = ""};
    wh_err err = demo_load(text, env, args, &c, &eb);
    if (err != WH_OK) {
        print_error("refused: %s\n", eb.text);
    }
    assert_int_equal(err, WH_OK);
    assert_non_null(c);
    return c;
}

static inline const demo *demo_of(const wh_conf *c)
{
    return wh_conf_values(c);
}

/* The load must be refused with exactly this text; a file's random path is cut off. */
static inline void demo_refused(const char *text, const char *const *env,
                                const char *const *args, const char *want)
{
    wh_conf *c = NULL;
    wh_errbuf eb = {.text = ""};
    wh_err err = demo_load(text, env, args, &c, &eb);
    const char *got = eb.text;
    if (strncmp(got, "/tmp/wherry-conf-", 17) == 0) {
        got += strcspn(got, ":") + 1;
    }
    assert_null(c);
    assert_string_equal(got, want);
    assert_int_equal(err, eb.code);
}

#endif
