/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a file must not say, and the exact words it is refused with.
 */
#include "tests/unit/common/base/conf_fixture.h"

struct bad {
    const char *text;
    const char *want;
};

static void check_all(const struct bad *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        demo_refused(cases[i].text, NULL, NULL, cases[i].want);
    }
}

#define CHECK_ALL(cases) check_all(cases, sizeof(cases) / sizeof((cases)[0]))

static void test_names(void **state)
{
    (void)state;
    static const struct bad cases[] = {
        {"slots: 1\n\nregoin: eu\n",
         "3:1: unknown option \"regoin\"; did you mean \"region\"?"},
        {"redis:\n  ulr: x\n",
         "2:3: unknown option \"redis.ulr\"; did you mean \"redis.url\"?"},
        {"rediss:\n  url: x\n",
         "1:1: unknown option \"rediss\"; did you mean \"redis\"?"},
        {"quees: {a: 1}\n", "1:1: unknown option \"quees\"; did you mean \"queues\"?"},
        {"something: 1\n", "1:1: unknown option \"something\"; see wherry-demo --help"},
        {"handlers:\n  hash:\n    timeoutt: 5s\n",
         "3:5: unknown option \"handlers.hash.timeoutt\"; did you mean "
         "\"handlers.hash.timeout\"?"},
        {"redis.url: x\n",
         "1:1: a name with a dot; write its parts as nested mappings, e.g. \"redis: "
         "{url: ...}\""},
        {"slots: 1\nslots: 2\n", "2:1: slots: already given in line 1"},
        {"redis: {url: a}\nredis: {timeout: 1s}\n", "2:1: redis: given twice"},
        {"redis:\n  url: a\n  url: b\n", "3:3: redis.url: already given in line 2"},
        {"queues: {a: 1, a: 2}\n", "1:16: queues: \"a\" is given twice"},
        {"redis:\n  password: x\n  password_file: /dev/null\n",
         "3:3: redis.password_file: already given in line 2; with and without "
         "_file exclude each other"},
        {"queues: {a: 1}\nqueues: {b: 1}\n", "2:1: queues: already given in line 1"},
        {"once: true\n", "1:1: once: only the command line can set this"},
        {"? [a]\n: 1\n", "1:3: the name of an option is expected here"},
        {"~: 1\n", "1:1: the name of an option is expected here"},
        {"queues: {'': 1}\n", "1:10: queues: a name must not be empty"},
        {"queues: {[]: 1}\n", "1:10: queues: a name is expected here"},
        {"color_file: x\n",
         "1:1: unknown option \"color_file\"; see wherry-demo --help"},
    };
    CHECK_ALL(cases);
}

static void test_values(void **state)
{
    (void)state;
    static const struct bad cases[] = {
        {"handlers:\n  hash:\n    timeout: 5\n",
         "3:14: handlers.hash.timeout: \"5\" is no duration; write a number with a "
         "unit, e.g. 250ms, 5s, 2m, 1h"},
        {"payload_max: 5MB\n",
         "1:14: payload_max: \"5MB\" is no size; write bytes, or KiB, MiB, GiB, e.g. "
         "500, 64KiB, 1MiB"},
        {"slots: 0\n", "1:8: slots: \"0\" is out of range; 1 to 1000 is allowed"},
        {"slots: 1.5\n",
         "1:8: slots: \"1.5\" is no whole number; write digits, e.g. 5"},
        {"slots:\n", "1:1: slots: the value is missing; write one, or remove the line"},
        {"slots: [1]\n", "1:8: slots: one value is expected"},
        {"slots: {a: 1}\n", "1:8: slots: one value is expected"},
        {"redis: {timeout: 1h}\n",
         "1:18: redis.timeout: \"1h\" is out of range; 100ms to 1m is allowed"},
        {"share: half\n", "1:8: share: \"half\" is no number; write e.g. 0.5"},
        {"share: 1e99999\n", "1:8: share: \"1e99999\" is no number; write e.g. 0.5"},
        {"verbose: maybe\n",
         "1:10: verbose: \"maybe\" is no truth value; write true or false"},
        {"log: {level: loud}\n", "1:14: log.level: \"loud\" is not known; write one of "
                                 "debug, info, warn"},
        {"log: {level: deb}\n", "1:14: log.level: \"deb\" is not known; write one of "
                                "debug, info, warn"},
        {"region: ''\n", "1:9: region: it must not be empty"},
        {"region: 12345678901234567\n",
         "1:9: region: it is too long; 16 bytes are the most"},
        {"tags: [a, b, c, d, e]\n", "1:7: tags: it has 5 items; 0 to 4 is allowed"},
        {"tags: [a, [b]]\n", "1:11: tags: one value per item is expected"},
        {"tags: 'a,,b'\n", "1:7: tags: an item is empty"},
        {"redis: 5\n", "1:8: redis: a mapping of options is expected"},
        {"queues: [a]\n",
         "1:9: queues: a mapping of names is expected; write {mail: 5}"},
        {"handlers: [a]\n",
         "1:11: handlers: a mapping of names is expected; write {hash: /bin/hash}"},
        {"concurrency: 5\n",
         "1:1: unknown option \"concurrency\"; did you mean \"slots\"?"},
        {"queues: {a: [1]}\n", "1:13: queues.a: a mapping of options is expected"},
        {"queues: {a: x}\n", "1:13: queues.a.weight: \"x\" is no whole number; write "
                             "digits, e.g. 5"},
        {"slots: \"a\\nb\"\n",
         "1:8: slots: \"a\\nb\" is no whole number; write digits, e.g. 5"},
    };
    CHECK_ALL(cases);
}

static void test_yaml(void **state)
{
    (void)state;
    static const struct bad cases[] = {
        {"region: &a x\n", "1:9: an anchor (&name) is not allowed"},
        {"redis: &r {url: x}\n", "1:8: an anchor (&name) is not allowed"},
        {"region: *a\n", "1:9: an alias (*name) is not allowed; write the value out"},
        {"slots: !!int 5\n", "1:8: a tag (!name) is not allowed"},
        {"tags: !x [a]\n", "1:7: a tag (!name) is not allowed"},
        {"%TAG ! !x\n---\nslots: 1\n", "1:1: a %TAG directive is not allowed"},
        {"<<: {slots: 1}\n", "1:1: a merge key (<<) is not allowed"},
        {"queues:\n  <<: {a: 1}\n", "2:3: a merge key (<<) is not allowed"},
        {"slots: 1\n---\nslots: 2\n", "2:1: a second document is not allowed"},
        {"region: \"a\\0b\"\n", "1:9: a NUL character is not allowed"},
        {"region: \xC3\x28\n", "1:9: the file is not UTF-8"},
        {"\xFF\xFEs\n", "1:1: the file is not UTF-8"},
        {"region: a\x1b[0m\n", "1:10: a control character (0x1b) is not allowed"},
        {"- a\n", "1:1: a mapping of options is expected"},
        {"hello\n", "1:1: a mapping of options is expected"},
    };
    CHECK_ALL(cases);

    wh_conf *c = NULL;
    wh_errbuf eb;
    assert_int_equal(demo_load("redis: {\n", NULL, NULL, &c, &eb), WH_ECONFIG);
    assert_non_null(strstr(eb.text, ":2:1: not valid YAML: "));
    assert_int_equal(demo_load("slots: 1\n\tregion: x\n", NULL, NULL, &c, &eb),
                     WH_ECONFIG);
    assert_non_null(strstr(eb.text, "not valid YAML: "));
}

static void test_nul_byte(void **state)
{
    (void)state;
    char *path = demo_file("slots: 1\n\0", 10);
    wh_conf *c = NULL;
    wh_errbuf eb;
    wh_conf_source src = {.file = path};
    assert_int_equal(wh_conf_load(&demo_table, &src, &c, &eb), WH_ECONFIG);
    (void)unlink(path);
    assert_non_null(strstr(eb.text, ":2:1: a control character (0x00) is not allowed"));
}

static void test_accepted(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "# nothing\n",
                                       "---\n",
                                       "---\n...\n",
                                       "{}",
                                       "redis:\nqueues:\n",
                                       "~\n",
                                       "\xEF\xBB\xBFslots: 10\n",
                                       "slots: 10\r\nregion: eu\r\n",
                                       "%YAML 1.1\n---\nslots: 10\n",
                                       "slots: '10'\n",
                                       "tags: []\n",
                                       "tags: ''\n"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        wh_conf *c = demo_ok(good[i], NULL, NULL);
        assert_int_equal(demo_of(c)->slots, 10);
        wh_conf_free(c);
    }
    /* A byte order mark is no column: line 1 is no deeper than the others. */
    static const char *const marked[] = {
        "\xEF\xBB\xBFregion: eu\nslots: 10\n", "\xEF\xBB\xBF---\nslots: 10\n",
        "\xEF\xBB\xBF%YAML 1.1\n---\nslots: 10\n", "\xEF\xBB\xBF"};
    for (size_t i = 0; i < sizeof marked / sizeof marked[0]; i++) {
        wh_conf_free(demo_ok(marked[i], NULL, NULL));
    }
    demo_refused("\xEF\xBB\xBFslots: x\n", NULL, NULL,
                 "1:8: slots: \"x\" is no whole number; write digits, e.g. 5");
    wh_conf *c = demo_ok("region: |\n  a b\n", NULL, NULL);
    assert_string_equal(demo_of(c)->region, "a b\n");
    wh_conf_free(c);
}

static void test_hostile_sizes(void **state)
{
    (void)state;
    /* Deep nesting and a name or value without end stop at the first oddity. */
    size_t n = 200000;
    char *text = malloc(n + 16);
    assert_non_null(text);
    wh_conf *c = NULL;
    wh_errbuf eb;
    memset(text, '[', n);
    memcpy(text, "tags: ", 6);
    text[n] = '\0';
    assert_int_equal(demo_load(text, NULL, NULL, &c, &eb), WH_ECONFIG);
    memset(text, 'k', n);
    memcpy(text + n, ": 1\n", 5);
    assert_int_equal(demo_load(text, NULL, NULL, &c, &eb), WH_ECONFIG);
    memset(text, '5', n);
    memcpy(text, "slots: ", 7);
    text[n] = '\0';
    assert_int_equal(demo_load(text, NULL, NULL, &c, &eb), WH_ECONFIG);
    assert_true(strlen(eb.text) < 200);
    free(text);

    char *large = malloc((1 << 20) + 2);
    assert_non_null(large);
    memset(large, '#', (1 << 20) + 1);
    large[(1 << 20) + 1] = '\0';
    assert_int_equal(demo_load(large, NULL, NULL, &c, &eb), WH_ECONFIG);
    assert_non_null(strstr(eb.text, "larger than 1048576 bytes"));
    free(large);
}

static void test_unreadable(void **state)
{
    (void)state;
    wh_conf *c = NULL;
    wh_errbuf eb;
    wh_conf_source src = {.file = "/"};
    assert_int_equal(wh_conf_load(&demo_table, &src, &c, &eb), WH_ECONFIG);
    assert_int_equal(eb.code, WH_ECONFIG);
    assert_string_equal(eb.text, "/: Is a directory");
    assert_int_equal(wh_conf_load(&demo_table, &src, &c, NULL), WH_ECONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),      cmocka_unit_test(test_values),
        cmocka_unit_test(test_yaml),       cmocka_unit_test(test_nul_byte),
        cmocka_unit_test(test_accepted),   cmocka_unit_test(test_hostile_sizes),
        cmocka_unit_test(test_unreadable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
