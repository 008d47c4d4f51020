/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines against a small table of their own: order, values, refusals; and the real
 * table's own consistency.
 */
#include "common/cli/cli_args.h"
#include "common/cli/cli_commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const wh_cli_flag flags[] = {
    {.name = "limit",
     .letter = 'l',
     .kind = WH_CLI_NUMBER,
     .value = "N",
     .min = 1,
     .max = 9,
     .not_with = "kind"},
    {.name = "wait", .kind = WH_CLI_DURATION, .value = "T", .min = 10, .max = 60000},
    {.name = "rate", .kind = WH_CLI_RATE, .value = "N/s", .min = 1, .max = 100},
    {.name = "kind", .kind = WH_CLI_CHOICE, .value = "K", .choices = "red|green"},
    {.name = "kinds", .kind = WH_CLI_CHOICES, .value = "K,...", .choices = "red|green"},
    {.name = "org", .kind = WH_CLI_NAME, .value = "ORG"},
};
static const wh_cli_flag globals[] = {
    {.name = "json", .kind = WH_CLI_SWITCH},
    {.name = "redis", .letter = 'r', .kind = WH_CLI_TEXT, .value = "URL"},
};
static const wh_cli_command commands[] = {
    {.noun = "job",
     .verb = "list",
     .operands = "[A [B]]",
     .max_operands = 2,
     .flags = flags,
     .n_flags = sizeof flags / sizeof flags[0]},
    {.noun = "job",
     .verb = "show",
     .operands = "ID",
     .min_operands = 1,
     .max_operands = 1},
    {.noun = "audit", .operands = ""},
    {.noun = "other", .verb = "list", .operands = ""},
};
static const wh_cli_set set = {
    .commands = commands, .n_commands = 4, .globals = globals, .n_globals = 2};

static wh_errbuf eb;

/* Splits a line at blanks and parses it. */
static wh_err parse(wh_cli_args *a, const char *text)
{
    static char copy[256];
    static char *argv[32];
    int argc = 0;

    assert_true(strlen(text) < sizeof copy);
    memcpy(copy, text, strlen(text) + 1);
    for (char *p = strtok(copy, " "); p != NULL; p = strtok(NULL, " ")) {
        argv[argc++] = p;
    }
    argv[argc] = NULL;
    eb = (wh_errbuf){.code = WH_OK};
    return wh_cli_args_parse(a, &set, argc, argv, &eb);
}

static void refused(const char *line, const char *why)
{
    wh_cli_args a;

    assert_int_equal(parse(&a, line), WH_EINVAL);
    if (strstr(eb.text, why) == NULL) {
        fail_msg("\"%s\": %s", line, eb.text);
    }
    wh_cli_args_fini(&a);
}

static void test_values(void **state)
{
    wh_cli_args a;

    (void)state;
    assert_int_equal(
        parse(&a, "wherry --json job list x --limit=7 --wait 2s --rate 5/s -r u"
                  " --kinds green,red -- -y"),
        WH_OK);
    assert_string_equal(a.command->verb, "list");
    assert_true(wh_cli_args_has(&a, "json"));
    assert_int_equal(wh_cli_args_number(&a, "limit", 0), 7);
    assert_int_equal(wh_cli_args_number(&a, "wait", 0), 2000);
    assert_int_equal(wh_cli_args_number(&a, "rate", 0), 5);
    assert_string_equal(wh_cli_args_text(&a, "redis"), "u");
    assert_null(wh_cli_args_text(&a, "org"));
    assert_string_equal(wh_cli_args_operand(&a, 0), "x");
    assert_string_equal(wh_cli_args_operand(&a, 1), "-y");
    assert_null(wh_cli_args_operand(&a, 2));
    assert_true(wh_cli_args_chosen(wh_cli_args_text(&a, "kinds"), "red"));
    assert_false(wh_cli_args_chosen(wh_cli_args_text(&a, "kinds"), "gre"));
    wh_cli_args_fini(&a);
}

static void test_last_wins_and_letters(void **state)
{
    wh_cli_args a;

    (void)state;
    assert_int_equal(parse(&a, "wherry job list -l3 --rate 9 --limit 4 -"), WH_OK);
    assert_int_equal(wh_cli_args_number(&a, "limit", 0), 4);
    assert_int_equal(wh_cli_args_number(&a, "rate", 0), 9);
    assert_string_equal(wh_cli_args_operand(&a, 0), "-");
    wh_cli_args_fini(&a);
}

static void test_partial(void **state)
{
    wh_cli_args a;

    (void)state;
    assert_int_equal(parse(&a, "wherry"), WH_OK);
    assert_null(a.noun);
    wh_cli_args_fini(&a);
    assert_int_equal(parse(&a, "wherry job"), WH_OK);
    assert_string_equal(a.noun, "job");
    assert_null(a.command);
    wh_cli_args_fini(&a);
    assert_int_equal(parse(&a, "wherry audit"), WH_OK);
    assert_ptr_equal(a.command, &commands[2]);
    wh_cli_args_fini(&a);
    assert_int_equal(parse(&a, "wherry job show --nonsense -h"), WH_OK);
    assert_true(a.help);
    assert_ptr_equal(a.command, &commands[1]);
    wh_cli_args_fini(&a);
}

static void test_refusals(void **state)
{
    (void)state;
    refused("wherry jop list", "did you mean \"job\"");
    refused("wherry job lst", "did you mean \"job list\"");
    refused("wherry list", "did you mean \"job list\", \"other list\"?");
    refused("wherry sho", "did you mean \"job show\"?");
    refused("wherry xyzzy", "there is no command \"xyzzy\"");
    refused("wherry job help", "job has list and show");
    refused("wherry other gone", "other has list");
    refused("wherry job list --limt 3", "did you mean \"--limit\"");
    refused("wherry job list --limit 10", "from 1 to 9");
    refused("wherry job list --limit 3x", "\"3x\" is no number");
    refused("wherry job list --limit", "--limit N");
    refused("wherry job list --wait 3", "write a number with a unit");
    refused("wherry job list --wait 2m", "\"2m\" is out of range: 10ms to 1m");
    refused("wherry job list --rate 0", "from 1");
    refused("wherry job list --rate 5/m", "no number");
    refused("wherry job list --kind blue", "none of red|green");
    refused("wherry job list --kind red,green", "none of");
    refused("wherry job list --kinds red,gren",
            "none of red|green (several: a,b); did you mean \"green\"?");
    refused("wherry job list --kinds red,", "\"\" is none of");
    refused("wherry job list --org a:b", "is no name");
    refused("wherry job list --kind red -l 2", "--limit and --kind exclude each other");
    refused("wherry job list --json=1", "takes no value");
    refused("wherry job list a b c", "\"c\" is one operand too many");
    refused("wherry job show", "ID");
    refused("wherry job list -z", "no flag \"-z\"");
    refused("wherry --limit 3 job list", "no flag \"--limit\"");
}

static void check_flags(const wh_cli_flag *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const wh_cli_flag *f = &list[i];
        bool has_choices = f->kind == WH_CLI_CHOICE || f->kind == WH_CLI_CHOICES;

        assert_non_null(f->help);
        assert_int_equal(f->kind == WH_CLI_SWITCH, f->value == NULL);
        assert_int_equal(has_choices, f->choices != NULL);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(f->name, list[k].name);
        }
    }
}

static void test_real_table(void **state)
{
    const wh_cli_set *s = wh_cli_commands_set();

    (void)state;
    check_flags(s->globals, s->n_globals);
    for (size_t i = 0; i < s->n_commands; i++) {
        const wh_cli_command *c = &s->commands[i];

        assert_true(c->run != NULL);
        assert_non_null(c->operands);
        assert_true(strlen(c->summary) > 0 && strncmp(c->examples, "", 1) != 0);
        assert_int_equal(c->examples[strlen(c->examples) - 1], '\n');
        assert_true(c->min_operands <= c->max_operands);
        assert_true(c->n_flags + s->n_globals <= WH_CLI_FLAGS_MAX);
        assert_ptr_equal(wh_cli_args_find(s, c->noun, c->verb), c);
        check_flags(c->flags, c->n_flags);
        for (size_t k = 0; k < c->n_flags; k++) {
            wh_cli_args a = {.set = s, .command = c};

            /* Asserts that there is such a flag. */
            assert_false(c->flags[k].not_with != NULL &&
                         wh_cli_args_has(&a, c->flags[k].not_with));
            for (size_t g = 0; g < s->n_globals; g++) {
                assert_string_not_equal(c->flags[k].name, s->globals[g].name);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),     cmocka_unit_test(test_last_wins_and_letters),
        cmocka_unit_test(test_partial),    cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_real_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
