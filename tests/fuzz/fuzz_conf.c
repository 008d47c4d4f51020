/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a configuration file (or, behind a first byte 'E' or 'A', as the
 * environment or the command line): either refused with a text, or what is printed
 * of the result loads again. Never a crash, a leak, or a value beyond its bounds; and
 * going on behind a mistake changes neither the verdict nor what the first mistake is.
 */
#include "common/base/alloc.h"
#include "common/base/conf_internal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct item {
    char *name;
    int64_t weight;
    int64_t timeout_ms;
};

struct values {
    int64_t slots;
    int64_t bytes;
    int64_t timeout_ms;
    double share;
    char *url;
    char *region;
    bool on;
    int level;
    wh_strlist tags;
    wh_conf_items queues;
};

static const wh_opt item_opts[] = {
    {.name = "weight",
     .type = WH_OPT_INT,
     .offset = offsetof(struct item, weight),
     .dflt = "1",
     .min = 1,
     .max = 9,
     .help = ""},
    {.name = "run.timeout",
     .type = WH_OPT_DURATION,
     .offset = offsetof(struct item, timeout_ms),
     .help = ""},
};
static const wh_opt_section sections[] = {
    {.name = "queues",
     .flag = "queue",
     .offset = offsetof(struct values, queues),
     .item_size = sizeof(struct item),
     .opts = item_opts,
     .n_opts = 2,
     .help = "",
     .example = "a: 1"},
};
#define AT(m) offsetof(struct values, m)
static const wh_opt opts[] = {
    {.name = "slots",
     .type = WH_OPT_INT,
     .offset = AT(slots),
     .dflt = "5",
     .min = 1,
     .max = 100,
     .letter = 's',
     .help = ""},
    {.name = "bytes", .type = WH_OPT_SIZE, .offset = AT(bytes), .help = ""},
    {.name = "redis.timeout",
     .type = WH_OPT_DURATION,
     .offset = AT(timeout_ms),
     .help = ""},
    {.name = "share", .type = WH_OPT_NUMBER, .offset = AT(share), .max = 1, .help = ""},
    {.name = "redis.url", .type = WH_OPT_STRING, .offset = AT(url), .help = ""},
    {.name = "region",
     .type = WH_OPT_STRING,
     .offset = AT(region),
     .max = 8,
     .help = ""},
    {.name = "on", .type = WH_OPT_BOOL, .offset = AT(on), .help = ""},
    {.name = "log.level",
     .type = WH_OPT_ENUM,
     .offset = AT(level),
     .choices = "a|bc|d",
     .help = ""},
    {.name = "tags", .type = WH_OPT_LIST, .offset = AT(tags), .max = 5, .help = ""},
};
static const wh_opt_table table = {.program = "fuzz",
                                   .opts = opts,
                                   .n_opts = sizeof opts / sizeof opts[0],
                                   .sections = sections,
                                   .n_sections = 1,
                                   .size = sizeof(struct values)};

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void check_bounds(const struct values *v)
{
    require(v->slots >= 1 && v->slots <= 100 && v->bytes >= 0 && v->timeout_ms >= 0);
    require(v->share >= 0 && v->share <= 1 && v->level >= 0 && v->level <= 2);
    require(v->tags.count <= 5);
    require(v->region == NULL || strlen(v->region) <= 8);
    const struct item *items = v->queues.items;
    for (size_t i = 0; i < v->queues.count; i++) {
        require(items[i].name[0] != '\0');
        require(items[i].weight >= 1 && items[i].weight <= 9);
    }
}

/* Every option's value, one after the other. */
static void render(const wh_conf *c, wh_buf *out)
{
    wh_conf_print_json(c, out);
    require(wh_buf_ok(out));
}

/* Prints what was loaded, loads the print, and compares. */
static void check_again(const wh_conf *c)
{
    const wh_conf_source none = {0};
    wh_buf yaml = {0};
    wh_buf before = {0};
    wh_buf after = {0};
    wh_errbuf eb = {.text = ""};
    wh_conf *again = NULL;
    wh_conf_print(c, &yaml);
    require(wh_buf_ok(&yaml));
    require(wh_conf_load(&table, &none, &again, &eb) == WH_OK && again != NULL);
    require(wh_conf_file_parse(again, "again", wh_buf_str(&yaml), yaml.len, &eb) ==
            WH_OK);
    render(c, &before);
    render(again, &after);
    require(strcmp(wh_buf_str(&before), wh_buf_str(&after)) == 0);
    wh_conf_free(again);
    wh_buf_fini(&yaml);
    wh_buf_fini(&before);
    wh_buf_fini(&after);
}

/* As try_file, but on to the end; what the first pass said must be the first here. */
static void try_all_of_file(const char *text, size_t n, wh_err first, const char *said)
{
    static wh_conf_report report;
    const wh_conf_source none = {0};
    wh_errbuf eb = {.text = ""};
    wh_conf *c = NULL;
    require(wh_conf_load(&table, &none, &c, &eb) == WH_OK && c != NULL);
    report.n = 0;
    c->report = &report;
    wh_err err = wh_conf_file_parse(c, "f", text, n, &eb);
    require(report.n <= WH_CONF_FAULTS_MAX);
    require((report.n > 0) == (first != WH_OK) && (err == WH_OK || first == err));
    require(strcmp(eb.text, said) == 0);
    require(report.n == 0 || strcmp(report.faults[0].text, said) == 0);
    c->report = NULL;
    wh_conf_free(c);
}

static void try_file(const char *text, size_t n)
{
    const wh_conf_source none = {0};
    wh_errbuf eb = {.text = ""};
    wh_conf *c = NULL;
    require(wh_conf_load(&table, &none, &c, &eb) == WH_OK && c != NULL);
    wh_err err = wh_conf_file_parse(c, "f", text, n, &eb);
    require(err == WH_OK || (err == WH_ECONFIG && eb.text[0] != '\0'));
    try_all_of_file(text, n, err, eb.text);
    if (err == WH_OK) {
        check_bounds(wh_conf_values(c));
        check_again(c);
    }
    wh_conf_free(c);
}

/* Lines become arguments or variables. Nothing that names a file: no real paths. */
static void try_lines(char *text, bool as_args)
{
    enum { MAX = 16 };
    char program[] = "fuzz";
    char *argv[MAX + 2] = {program};
    const char *env[MAX + 1] = {NULL};
    int n = 0;
    for (char *line = text; line != NULL && n < MAX; n++) {
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end = '\0';
        }
        if (strstr(line, "CONFIG") != NULL || strncmp(line, "-c", 2) == 0 ||
            strncmp(line, "--c", 3) == 0) {
            break;
        }
        argv[n + 1] = line;
        env[n] = line;
        line = end != NULL ? end + 1 : NULL;
    }
    wh_conf_source src = {.env = as_args ? NULL : env, .allow_rest = true};
    if (as_args) {
        src.argc = n + 1;
        src.argv = argv;
    }
    wh_errbuf eb = {.text = ""};
    wh_conf *c = NULL;
    wh_err err = wh_conf_load(&table, &src, &c, &eb);
    require((err == WH_OK) == (c != NULL));
    require(err == WH_OK || eb.text[0] != '\0');
    if (c != NULL) {
        check_bounds(wh_conf_values(c));
    }
    wh_conf_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = wh_memdup(data, size);
    if (text == NULL) {
        return 0;
    }
    if (size > 0 && (text[0] == 'E' || text[0] == 'A')) {
        try_lines(text + 1, text[0] == 'A');
    } else {
        try_file(text, size);
    }
    wh_free(text);
    return 0;
}
