/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of log.level and log.format mean what they say, and rows of a group find
 * their struct within the program's.
 */
#include "common/base/log.h"
#include "common/base/log_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct program {
    int64_t first;
    wh_log_options log;
};

static const wh_opt own[] = {{.name = "first", .type = WH_OPT_INT, .dflt = "7"}};
static const wh_opt_group groups[] = {{.opts = wh_log_options_rows,
                                       .n_opts = WH_LOG_OPTIONS_COUNT,
                                       .offset = offsetof(struct program, log)}};
static const wh_opt_table table = {.program = "p",
                                   .opts = own,
                                   .n_opts = 1,
                                   .groups = groups,
                                   .n_groups = 1,
                                   .size = sizeof(struct program)};

static char first_byte;

static void sink(void *arg, wh_log_level level, const char *line, size_t len)
{
    (void)arg;
    (void)level;
    (void)len;
    first_byte = line[0];
}

static void check(const char *level, const char *format, bool has_info, bool is_json)
{
    const char *const env[] = {level, format, NULL};
    wh_conf *c = NULL;
    wh_errbuf eb = {.text = ""};
    const wh_conf_source src = {.env = env};
    assert_int_equal(wh_conf_load(&table, &src, &c, &eb), WH_OK);
    const struct program *p = wh_conf_values(c);
    assert_int_equal(p->first, 7);
    wh_log_options_apply(&p->log);
    wh_conf_free(c);
    assert_int_equal(wh_log_is_on(WH_LOG_LEVEL_INFO), has_info);
    assert_true(wh_log_is_on(WH_LOG_LEVEL_ERROR));
    wh_log_set_sink(sink, NULL);
    WH_LOG(ERROR, "test", WH_F_INT("n", 1));
    wh_log_set_sink(NULL, NULL);
    assert_int_equal(first_byte == '{', is_json);
}

static void test_apply(void **state)
{
    (void)state;
    check("LOG_LEVEL=debug", "WHERRY_LOG_FORMAT=json", true, true);
    check("LOG_LEVEL=info", "WHERRY_LOG_FORMAT=text", true, false);
    check("LOG_LEVEL=warn", "WHERRY_LOG_FORMAT=json", false, true);
    check("WHERRY_LOG_LEVEL=error", "WHERRY_LOG_FORMAT=text", false, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
