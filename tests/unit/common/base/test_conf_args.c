/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: spellings, refusals, actions, and what is left for others.
 */
#include "tests/unit/common/base/conf_fixture.h"

static void test_spellings(void **state)
{
    (void)state;
    wh_conf *c = demo_ok(NULL, NULL,
                         LIST("-s5", "-v", "--payload-max=2KiB", "--no-color", "--once",
                              "--log-level", "debug", "--tags", "x", "--tags=y,z"));
    const demo *d = demo_of(c);
    assert_int_equal(d->slots, 5);
    assert_true(d->verbose);
    assert_int_equal(d->payload_max, 2048);
    assert_false(d->color);
    assert_true(d->once);
    assert_int_equal(d->log_level, 0);
    assert_int_equal(d->tags.count, 3);
    assert_string_equal(d->tags.items[2], "z");
    wh_conf_free(c);

    c = demo_ok(NULL, NULL, LIST("-s", "6", "--verbose=no", "--color=on", "--"));
    d = demo_of(c);
    assert_int_equal(d->slots, 6);
    assert_false(d->verbose);
    assert_true(d->color);
    wh_conf_free(c);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *args[4];
        const char *want;
    } cases[] = {
        {{"--slots", "x"}, "--slots: \"x\" is no whole number; write digits, e.g. 5"},
        {{"-s", "0"}, "--slots: \"0\" is out of range; 1 to 1000 is allowed"},
        {{"--slots"}, "--slots: a value is missing"},
        {{"-s"}, "-s: a value is missing"},
        {{"--slots=1", "-s2"}, "--slots: given twice"},
        {{"--solts=1"}, "unknown option \"--solts\"; did you mean \"--slots\"?"},
        {{"--redis-passwort-file", "x"},
         "unknown option \"--redis-passwort-file\"; did you mean "
         "\"--redis-password-file\"?"},
        {{"--concurrency=5"},
         "unknown option \"--concurrency\"; did you mean \"--slots\"?"},
        {{"--max-threads", "5"},
         "unknown option \"--max-threads\"; did you mean \"--slots\"?"},
        {{"--max"}, "unknown option \"--max\"; see wherry-demo --help"},
        {{"--halp"}, "unknown option \"--halp\"; did you mean \"--help\"?"},
        {{"--quxxxx"}, "unknown option \"--quxxxx\"; see wherry-demo --help"},
        {{"-x"}, "unknown option \"-x\"; see wherry-demo --help"},
        {{"--redis.url=x"},
         "unknown option \"--redis.url\"; did you mean "
         "\"--redis-url\"?"},
        {{"--no-slots"}, "unknown option \"--no-slots\"; see wherry-demo --help"},
        {{"--queue", "a", "--queue=a"}, "--queue: \"a\" is given twice"},
        {{"--queue", "a="}, "--queue: \"\" is no whole number; write digits, e.g. 5"},
        {{"--queue", "=5"}, "--queue: a name must not be empty"},
        {{"--config=a", "-cb"}, "--config: given twice"},
        {{"--redis-password=x", "--redis-password-file=/dev/null"},
         "--redis-password-file: with -file and without exclude each other"},
        {{"--tags=a,b,c", "--tags=d,e"}, "--tags: it has 5 items; 0 to 4 is allowed"},
        {{"--json"}, "--json: goes with --check-config or --print-config"},
        {{"--check-config", "--json=x"},
         "unknown option \"--json\"; did you mean \"--json\"?"},
        {{"file.txt"}, "unexpected argument \"file.txt\"; see wherry-demo --help"},
        {{"--", "--once"}, "unexpected argument \"--once\"; see wherry-demo --help"},
        {{"--redis-password-file=/nonexistent"},
         "--redis-password-file: /nonexistent: No such file or directory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wh_conf *c = NULL;
        wh_errbuf eb = {.text = ""};
        wh_err err = demo_load(NULL, NULL, cases[i].args, &c, &eb);
        assert_string_equal(eb.text, cases[i].want);
        assert_int_equal(err, WH_EINVAL);
        assert_null(c);
    }
}

static void check_action(const char *const *args, wh_conf_action want)
{
    wh_conf *c = demo_ok(NULL, NULL, args);
    assert_int_equal(wh_conf_action_of(c), want);
    wh_conf_free(c);
}

static void test_actions(void **state)
{
    (void)state;
    check_action(LIST("--once"), WH_CONF_RUN);
    check_action(LIST("--print-config"), WH_CONF_PRINT);
    check_action(LIST("--check-config", "--slots=2"), WH_CONF_CHECK);
    check_action(LIST("--check-config", "--json"), WH_CONF_CHECK);
    check_action(LIST("-V"), WH_CONF_VERSION);
    check_action(LIST("--print-config", "-h"), WH_CONF_HELP);
    /* Help comes even where the configuration can't be read. */
    check_action(LIST("--help", "-c", "/nonexistent", "--slots=x"), WH_CONF_HELP);
}

static void test_config_file(void **state)
{
    (void)state;
    static const char text[] = "slots: 77\n";
    char *path = demo_file(text, strlen(text));
    char env[128];
    (void)snprintf(env, sizeof env, "WHERRY_CONFIG=%s", path);
    wh_conf *c = demo_ok(NULL, LIST("WHERRY_CONFIG=/nonexistent"), LIST("-c", path));
    assert_int_equal(demo_of(c)->slots, 77);
    assert_string_equal(wh_conf_file(c), path);
    wh_conf_free(c);
    c = demo_ok(NULL, LIST(env), NULL);
    assert_int_equal(demo_of(c)->slots, 77);
    wh_conf_free(c);
    (void)unlink(path);
}

static void check_rest(int argc, char **argv, const char *const *want)
{
    wh_conf *c = NULL;
    wh_errbuf eb;
    wh_conf_source src = {.argc = argc, .argv = argv, .allow_rest = true};
    assert_int_equal(wh_conf_load(&demo_table, &src, &c, &eb), WH_OK);
    char *const *rest = NULL;
    size_t n = wh_conf_rest(c, &rest);
    for (size_t i = 0; want[i] != NULL; i++) {
        assert_true(i < n);
        assert_string_equal(rest[i], want[i]);
        assert_true(want[i + 1] != NULL || n == i + 1);
    }
    assert_int_equal(demo_of(c)->slots, 4);
    wh_conf_free(c);
}

static void test_rest(void **state)
{
    (void)state;
    char program[] = "wherry";
    char slots[] = "--slots=4";
    char job[] = "job";
    char limit[] = "--limit";
    char ten[] = "10";
    char dashes[] = "--";
    char dash[] = "-";
    char *late[] = {program, job, limit, ten, slots, dash, dashes, slots, NULL};
    check_rest(8, late, LIST("job", "--limit", "10", "-", "--", "--slots=4"));
    char *early[] = {program, slots, dashes, job, NULL};
    check_rest(4, early, LIST("job"));

    /* In front of the first operand nothing unknown passes. */
    char *unknown[] = {program, limit, job, NULL};
    wh_conf *c = NULL;
    wh_errbuf eb;
    wh_conf_source src = {.argc = 3, .argv = unknown, .allow_rest = true};
    assert_int_equal(wh_conf_load(&demo_table, &src, &c, &eb), WH_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_actions),   cmocka_unit_test(test_config_file),
        cmocka_unit_test(test_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
