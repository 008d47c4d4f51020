/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an error of a later check is put, and refusals in parts.
 */
#include "common/base/conf_report.h"
#include "tests/unit/common/base/conf_fixture.h"

static const char file_text[] = "slots: 20\n"
                                "redis: {timeout: 1s}\n"
                                "queues: {mail: 5}\n"
                                "handlers:\n"
                                "  job.hash:\n"
                                "    command: x\n"
                                "  job: {timeout: 1m}\n";

/* The file's random path is cut off. */
static void blamed(const wh_conf *c, const char *text, const char *want)
{
    wh_errbuf eb = {.code = WH_ECONFIG, .sys = 7};
    (void)snprintf(eb.text, sizeof eb.text, "%s", text);
    wh_conf_blame(c, &eb, NULL);
    const char *got = eb.text;
    if (strncmp(got, "/tmp/wherry-conf-", 17) == 0) {
        got += strcspn(got, ":") + 1;
    }
    assert_string_equal(got, want);
    assert_int_equal(eb.code, WH_ECONFIG);
    assert_int_equal(eb.sys, 7);
}

static void test_blame_file(void **state)
{
    (void)state;
    wh_conf *c = demo_ok(file_text, NULL, NULL);
    blamed(c, "slots: too many", "1:8: slots: too many");
    blamed(c, "redis.timeout: odd", "2:18: redis.timeout: odd");
    blamed(c, "queues: few", "3:1: queues: few");
    blamed(c, "queues.mail: bad", "3:10: queues.mail: bad");
    blamed(c, "queues.mail.weight: bad", "3:16: queues.mail.weight: bad");
    blamed(c, "handlers.job.hash.command: bad", "6:14: handlers.job.hash.command: bad");
    /* What is missing is missing where the item stands. */
    blamed(c, "handlers.job.hash.timeout: bad", "5:3: handlers.job.hash.timeout: bad");
    blamed(c, "handlers.job.timeout: bad", "7:18: handlers.job.timeout: bad");
    blamed(c, "handlers.job.command: bad", "7:3: handlers.job.command: bad");
    /* A default stands nowhere; and these are about no option. */
    blamed(c, "region: missing", "region: missing");
    blamed(c, "slotsx: a", "slotsx: a");
    blamed(c, "slots are few", "slots are few");
    blamed(c, "handlers.other: a", "handlers.other: a");
    blamed(c, "", "");
    wh_conf_free(c);
}

static void test_blame_others(void **state)
{
    (void)state;
    wh_conf *c = demo_ok(file_text,
                         LIST("WHERRY_SLOTS=3", "REDIS_URL=redis://h", "WHERRY_TAGS=x"),
                         LIST("--region=eu", "--queue=a=2"));
    blamed(c, "slots: bad", "environment WHERRY_SLOTS: bad");
    blamed(c, "redis.url: bad", "environment REDIS_URL: bad");
    blamed(c, "region: bad", "--region: bad");
    blamed(c, "queues.a.weight: bad", "--queue: queues.a.weight: bad");
    blamed(c, "queues.a: bad", "--queue: queues.a: bad");
    blamed(c, "queues: bad", "--queue: queues: bad");
    blamed(c, "queues.mail: bad", "queues.mail: bad"); /* it is gone */
    wh_conf_free(c);
}

static void test_report_of_blame(void **state)
{
    (void)state;
    wh_conf *c = demo_ok(file_text, LIST("WHERRY_REGION=eu"), NULL);
    wh_conf_report r = {.as_json = false};
    const wh_conf_fault *f = r.faults;
    wh_errbuf eb = {.text = "redis.timeout: too short"};
    wh_conf_blame(c, &eb, &r);
    assert_int_equal(r.n, 1);
    assert_true(f->in_file);
    assert_string_equal(r.file, wh_conf_file(c));
    assert_int_equal(f->line, 2);
    assert_int_equal(f->column, 18);
    assert_string_equal(f->source, "");
    assert_string_equal(f->option, "redis.timeout");
    assert_string_equal(f->message, "too short");
    assert_string_equal(f->text, eb.text);
    r = (wh_conf_report){.as_json = false};
    eb = (wh_errbuf){.text = "region: far"};
    wh_conf_blame(c, &eb, &r);
    assert_false(f->in_file);
    assert_int_equal(f->line, 0);
    assert_string_equal(f->source, "environment WHERRY_REGION");
    /* More go behind it; what is about no option too, and eb stays. */
    wh_errbuf late = {.text = "redis.timeout: too short"};
    wh_conf_blame(c, &late, &r);
    late = (wh_errbuf){.text = "no memory"};
    wh_conf_blame(c, &late, &r);
    assert_int_equal(r.n, 3);
    assert_string_equal(eb.text, "environment WHERRY_REGION: far");
    assert_int_equal(f[1].line, 2);
    assert_string_equal(f[2].text, "no memory");
    assert_string_equal(f[2].message, "no memory");
    assert_false(f[2].in_file);
    wh_conf_free(c);
}

/* The load must be refused, and be printed as this. %s is the file. */
static void check_print(const char *text, const char *const *env,
                        const char *const *args, const char *want)
{
    char *path = text != NULL ? demo_file(text, strlen(text)) : NULL;
    char *argv[8] = {NULL};
    int argc = 0;
    argv[argc++] = strdup("wherry-demo");
    for (size_t i = 0; args[i] != NULL; i++) {
        argv[argc++] = strdup(args[i]);
    }
    wh_conf_report r = {.n = 9}; /* of a load before */
    wh_errbuf eb = {.text = ""};
    wh_conf *c = NULL;
    wh_conf_source src = {
        .argc = argc, .argv = argv, .env = env, .file = path, .report = &r};
    assert_int_not_equal(wh_conf_load(&demo_table, &src, &c, &eb), WH_OK);
    if (path != NULL) {
        (void)unlink(path);
    }
    assert_int_equal(r.action, WH_CONF_CHECK);
    assert_true(r.as_json);
    wh_buf out = {0};
    char line[1024];
    wh_conf_report_print(&r, &eb, &out);
    (void)snprintf(line, sizeof line, "{\"valid\":false,\"errors\":[{%s%s%s}]}\n", want,
                   path != NULL ? path : "",
                   path != NULL ? strchr(want, '\0') + 1 : "");
    assert_string_equal(wh_buf_str(&out), line);
    wh_buf_fini(&out);
    for (int i = 0; i < argc; i++) {
        free(argv[i]);
    }
}

static void test_print(void **state)
{
    (void)state;
    const char *const *args = LIST("--check-config", "--json");
    /* The path goes where the NUL is. */
    check_print("handlers: {hash: {timeout: 5}}\n", NULL, args,
                "\"message\":\"\\\"5\\\" is no duration; write a number with a unit, "
                "e.g. 250ms, 5s, 2m, 1h\",\"file\":\"\0\",\"line\":1,\"column\":28,"
                "\"source\":null,\"option\":\"handlers.hash.timeout\"");
    check_print("solts: 1\n", NULL, args,
                "\"message\":\"unknown option \\\"solts\\\"; did you mean "
                "\\\"slots\\\"?\",\"file\":\"\0\",\"line\":1,\"column\":1,"
                "\"source\":null,\"option\":null");
    check_print("slots: x\n", LIST("WHERRY_SLOTS=0"), args,
                "\"message\":\"\\\"x\\\" is no whole number; write digits, e.g. 5\","
                "\"file\":\"\0\",\"line\":1,\"column\":8,\"source\":null,"
                "\"option\":\"slots\"},\n {"
                "\"message\":\"\\\"0\\\" is out of range; 1 to 1000 is allowed\","
                "\"file\":null,\"line\":null,\"column\":null,"
                "\"source\":\"environment WHERRY_SLOTS\",\"option\":\"slots\"");
    check_print(NULL, LIST("WHERRY_SLOTS=0"), args,
                "\"message\":\"\\\"0\\\" is out of range; 1 to 1000 is allowed\","
                "\"file\":null,\"line\":null,\"column\":null,"
                "\"source\":\"environment WHERRY_SLOTS\",\"option\":\"slots\"");
    check_print(NULL, LIST("WHERRY_CONFIG=/nowhere"), args,
                "\"message\":\"No such file or directory\",\"file\":\"/nowhere\","
                "\"line\":null,\"column\":null,\"source\":null,\"option\":null");
    check_print(NULL, NULL, LIST("--check-config", "--json", "--queue=a=0"),
                "\"message\":\"\\\"0\\\" is out of range; 1 to 100 is allowed\","
                "\"file\":null,\"line\":null,\"column\":null,"
                "\"source\":\"--queue\",\"option\":\"queues\"");

    wh_buf out = {0};
    wh_conf_report_print(&(wh_conf_report){.n = 0}, &(wh_errbuf){.text = ""}, &out);
    assert_string_equal(wh_buf_str(&out), "{\"valid\":true}\n");
    wh_buf_fini(&out);
}

/* Loads with a report: each refusal as a line, a file's random path cut off. */
static wh_err all_of(const char *text, const char *const *env, char *const *args,
                     wh_buf *out)
{
    static wh_conf_report r;
    wh_errbuf eb = {.text = ""};
    wh_conf *c = NULL;
    int argc = 0;
    while (args[argc] != NULL) {
        argc++;
    }
    wh_conf_source src = {.argc = argc,
                          .argv = (char **)(uintptr_t)args,
                          .env = env,
                          .file = demo_file(text, strlen(text)),
                          .report = &r};
    wh_err err = wh_conf_load(&demo_table, &src, &c, &eb);
    (void)unlink(src.file);
    wh_buf_clear(out);
    for (size_t i = 0; i < r.n; i++) {
        bool in_file = r.faults[i].in_file;
        const char *line = r.faults[i].text;
        wh_buf_addf(out, "%s\n", in_file ? line + strcspn(line, ":") + 1 : line);
    }
    assert_true(wh_buf_ok(out));
    assert_true((err == WH_OK) == (c != NULL));
    if (err != WH_OK) {
        assert_string_equal(eb.text, r.faults[0].text);
        assert_int_equal(err, eb.code);
    }
    wh_conf_free(c);
    return err;
}

#define NO_ARGS ((char *const[]){(char[]){"wherry-demo"}, NULL})

/* Behind each shape of a mistake the load finds its way to the next key. */
static void test_all(void **state)
{
    (void)state;
    static const char text[] = "solts: {a: [1, {b: 2}], c: 3}\n"
                               "? [1, {x: y}]\n: [{z: 1}, 2]\n"
                               "redis:\n"
                               "  timeout: soon\n"
                               "  url: [x, [y]]\n"
                               "  passwordd: z\n"
                               "<<: {slots: 1}\n"
                               "log: [level]\n"
                               "log: {level: loud}\n"
                               "tags: [a, '!', '!']\n"
                               "queues:\n"
                               "  a: {weightt: 2, weight: x}\n"
                               "  a: 5\n"
                               "  '': {weight: 1}\n"
                               "  b: [3]\n"
                               "  c: 0\n"
                               "slots: 5\n"
                               "slots: [1]\n"
                               "share: 2\n";
    static const char *const lines[] = {
        "1:1: unknown option \"solts\"; did you mean \"slots\"?",
        "2:3: the name of an option is expected here",
        "5:12: redis.timeout: \"soon\" is no duration; write a number with a unit, "
        "e.g. 250ms, 5s, 2m, 1h",
        "6:8: redis.url: one value is expected",
        "7:3: unknown option \"redis.passwordd\"; did you mean \"redis.password\"?",
        "8:1: a merge key (<<) is not allowed",
        "9:6: log: a mapping of options is expected",
        "10:1: log: given twice",
        "11:11: tags: \"!\" is too loud",
        "13:7: unknown option \"queues.a.weightt\"; did you mean \"queues.a.weight\"?",
        "13:27: queues.a.weight: \"x\" is no whole number; write digits, e.g. 5",
        "14:3: queues: \"a\" is given twice",
        "15:3: queues: a name must not be empty",
        "16:6: queues.b: a mapping of options is expected",
        "17:6: queues.c.weight: \"0\" is out of range; 1 to 100 is allowed",
        "19:1: slots: already given in line 18",
        "20:8: share: \"2\" is out of range; 0 to 1 is allowed",
    };
    wh_buf got = {0};
    wh_buf want = {0};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        wh_buf_addf(&want, "%s\n", lines[i]);
    }
    assert_int_equal(all_of(text, NULL, NO_ARGS, &got), WH_ECONFIG);
    assert_string_equal(wh_buf_str(&got), wh_buf_str(&want));
    wh_buf_fini(&got);
    wh_buf_fini(&want);
}

/* All sources, and the code of the first mistake. What can't be read ends the file. */
static void test_all_sources(void **state)
{
    (void)state;
    wh_buf got = {0};
    char *const args[] = {(char[]){"wherry-demo"}, (char[]){"--region="},
                          (char[]){"--queue=a=x"}, (char[]){"--share=9"},
                          (char[]){"-s7"},         NULL};
    const char *const *env = LIST("WHERRY_SLOTS=many", "WHERRY_REDIS_TIMEOUT=9",
                                  "WHERRY_QUEUES=a=1,a=2", "WHERRY_REGION=eu");
    assert_int_equal(all_of("slots: x\nregion: *y\nshare: 9\n", env, args, &got),
                     WH_ECONFIG);
    assert_string_equal(
        wh_buf_str(&got),
        "1:8: slots: \"x\" is no whole number; write digits, e.g. 5\n"
        "2:9: an alias (*name) is not allowed; write the value out\n"
        "environment WHERRY_SLOTS: \"many\" is no whole number; write digits, e.g. 5\n"
        "environment WHERRY_REDIS_TIMEOUT: \"9\" is no duration; write a number with a "
        "unit, e.g. 250ms, 5s, 2m, 1h\n"
        "environment WHERRY_QUEUES: \"a\" is given twice\n"
        "--region: it must not be empty\n"
        "--queue: \"x\" is no whole number; write digits, e.g. 5\n"
        "--share: \"9\" is out of range; 0 to 1 is allowed\n");
    assert_int_equal(all_of("slots: 1\n", NULL, args, &got), WH_EINVAL);
    assert_int_equal(all_of("slots: 1\n", NULL, NO_ARGS, &got), WH_OK);
    assert_string_equal(wh_buf_str(&got), "");
    wh_buf_fini(&got);
}

static wh_err check_tags(const wh_conf *c, wh_conf_report *report, wh_errbuf *eb)
{
    if (demo_of(c)->tags.count > 2) {
        return WH_OK;
    }
    (void)wh_err_set(eb, WH_ECONFIG, "tags: few");
    wh_conf_blame(c, eb, report);
    return WH_ECONFIG;
}

/* What is kept of a refused load: later checks tell of the rest, once and only of what
 * was not refused before. What was cut off is not kept. */
static void test_keeps_refused(void **state)
{
    (void)state;
    static wh_conf_report r;
    const char *const texts[] = {"slots: x\nregion: eu\nredis: {timeout: 1s}\n"
                                 "queues: {a: 5, a: 6}\n"
                                 "handlers: {h: [1], i.j: {timeout: 5}}\n",
                                 "slots: 3\nregion: {\n", "slots: 3\n",
                                 "tags: [a, b, c]\n"};
    for (size_t i = 0; i < 4; i++) {
        char *file = demo_file(texts[i], strlen(texts[i]));
        const wh_conf_source src = {.file = file, .report = &r, .check = check_tags};
        wh_errbuf eb = {.text = ""};
        wh_conf *c = NULL;
        assert_int_equal(wh_conf_load(&demo_table, &src, &c, &eb),
                         i == 3 ? WH_OK : WH_ECONFIG);
        (void)unlink(file);
        assert_true((c != NULL) == (i != 1));
        if (i > 0) {
            assert_true(i == 1 || strcmp(eb.text, i == 2 ? "tags: few" : "") == 0);
            wh_conf_free(c);
            continue;
        }
        assert_string_equal(r.faults[4].text, "tags: few");
        assert_int_equal(demo_of(c)->slots, 10); /* the default */
        assert_string_equal(demo_of(c)->region, "eu");
        assert_int_equal(r.n, 5);
        static const char *const known[] = {"slots: few", "handlers.h.command: missing",
                                            "handlers.i.j.timeout: short",
                                            "queues: few"};
        static const char *const fresh[] = {"redis.timeout: short", "region: far",
                                            "queues.a.weight: odd",
                                            "handlers.i.j.command: missing"};
        for (size_t k = 0; k < 4; k++) {
            wh_errbuf why = {.text = ""};
            (void)wh_err_set(&why, WH_ECONFIG, "%s", known[k]);
            wh_conf_blame(c, &why, &r);
            assert_int_equal(r.n, 5 + k);
            (void)wh_err_set(&why, WH_ECONFIG, "%s", fresh[k]);
            wh_conf_blame(c, &why, &r);
            assert_int_equal(r.n, 6 + k);
        }
        assert_true(wh_conf_is_refused(&r, "slots"));
        assert_false(wh_conf_is_refused(&r, "slot"));
        assert_false(wh_conf_is_refused(&r, "slotss"));
        assert_false(wh_conf_is_refused(&r, ""));
        assert_false(wh_conf_is_refused(NULL, "slots"));
        wh_conf_free(c);
    }
}

static void test_at_most(void **state)
{
    (void)state;
    wh_buf text = {0};
    wh_buf got = {0};
    for (int i = 0; i < WH_CONF_FAULTS_MAX + 5; i++) {
        wh_buf_addf(&text, "zzzzzzz%d: 1\n", i);
    }
    assert_int_equal(all_of(wh_buf_str(&text), LIST("WHERRY_SLOTS=x"), NO_ARGS, &got),
                     WH_ECONFIG);
    size_t lines = 0;
    for (const char *p = wh_buf_str(&got); (p = strchr(p, '\n')) != NULL; p++) {
        lines++;
    }
    assert_int_equal(lines, WH_CONF_FAULTS_MAX);
    assert_null(strstr(wh_buf_str(&got), "environment"));
    wh_buf_fini(&text);
    wh_buf_fini(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blame_file),
        cmocka_unit_test(test_blame_others),
        cmocka_unit_test(test_report_of_blame),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_all_sources),
        cmocka_unit_test(test_keeps_refused),
        cmocka_unit_test(test_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
