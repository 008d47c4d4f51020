/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers by type, refused configurations, reload.
 */
#include "tests/unit/worker/fake_executor.h"
#include "worker/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static char mail[] = "mail", sms[] = "sms", any[] = "*", run[] = "fake:x",
            broken[] = "fake:broken";
static char other_kind[] = "magic:x", bad_dir[] = "/nowhere", bad_retry[] = "fixed:";

static wh_handler_config handler(char *name, char *text)
{
    return (wh_handler_config){.name = name,
                               .run = text,
                               .timeout_ms = 1000,
                               .max_attempts = 5,
                               .jitter = 0.1};
}

static wh_err make(wh_handler_config *c, size_t n, wh_registry **out, wh_errbuf *eb)
{
    static const wh_executor_events none;
    wh_registry_setup o = {
        .configs = c, .n = n, .executor = {.events = &none}, .kind_of = fake_kind_of};

    n_fakes = 0;
    return wh_registry_new(&o, out, eb);
}

static void test_find(void **state)
{
    (void)state;
    wh_handler_config c[2] = {handler(any, run), handler(mail, run)};
    wh_registry *r = NULL;

    assert_int_equal(make(c, 2, &r, NULL), WH_OK);
    assert_ptr_equal(wh_registry_find(r, "mail"), wh_registry_at(r, 1));
    assert_ptr_equal(wh_registry_find(r, "else"), wh_registry_at(r, 0));
    wh_registry_drain(r);
    assert_true(fakes[0].is_drained && fakes[1].is_drained);
    wh_registry_free(r);
    assert_true(fakes[0].is_freed && fakes[1].is_freed);
    assert_int_equal(make(&c[1], 1, &r, NULL), WH_OK);
    assert_null(wh_registry_find(r, "else"));
    wh_registry_free(r);
    assert_int_equal(make(NULL, 0, &r, NULL), WH_OK);
    assert_null(wh_registry_find(r, "mail"));
    wh_registry_free(r);
}

static void types_are(const wh_registry *r, size_t max, const char *want)
{
    wh_buf b = {0};

    wh_registry_tell_types(r, max, &b);
    assert_string_equal(wh_buf_str(&b), want);
    wh_buf_fini(&b);
}

static void test_types(void **state)
{
    (void)state;
    wh_handler_config c[3] = {handler(mail, run), handler(any, run), handler(sms, run)};
    wh_registry *r = NULL;

    assert_int_equal(make(c, 3, &r, NULL), WH_OK);
    types_are(r, 100, ",\"types\":[\"*\",\"mail\",\"sms\"]");
    types_are(r, 13, ",\"types\":[\"*\",\"mail\",\"sms\"]");
    types_are(r, 12, ",\"types\":[\"*\",\"mail\"],\"types_cut\":true");
    types_are(r, 6, ",\"types\":[\"*\",\"sms\"],\"types_cut\":true");
    wh_registry_free(r);
    assert_int_equal(make(NULL, 0, &r, NULL), WH_OK);
    types_are(r, 100, ",\"types\":[]");
    wh_registry_free(r);
}

static void test_many(void **state)
{
    (void)state;
    static char names[FAKE_KINDS][8];
    wh_handler_config c[FAKE_KINDS];
    wh_registry *r = NULL;
    for (size_t i = 0; i < FAKE_KINDS; i++) {
        snprintf(names[i], sizeof names[i], "t%zu", i);
        c[i] = handler(names[i], run);
    }
    assert_int_equal(make(c, FAKE_KINDS, &r, NULL), WH_OK);
    for (size_t i = 0; i < FAKE_KINDS; i++) {
        assert_ptr_equal(wh_registry_find(r, names[i]), wh_registry_at(r, i));
    }
    wh_registry_free(r);
}

static void note_refusal(void *arg, const wh_errbuf *eb)
{
    wh_buf_addf(arg, "%s\n", eb->text);
}

/* Whoever wants to know hears of all of them, and of nothing is anything left. */
static void test_each_refusal_is_told(void **state)
{
    (void)state;
    static const wh_executor_events none;
    static char nowhere[] = "/nowhere";
    wh_handler_config c[4] = {handler(any, NULL), handler(mail, run),
                              handler(mail, run), handler(mail, run)};
    wh_buf said = {0};
    wh_registry *r = NULL;
    wh_errbuf eb = {0};
    wh_registry_setup o = {.configs = c,
                           .n = 4,
                           .executor = {.events = &none},
                           .kind_of = fake_kind_of,
                           .refusals = {note_refusal, &said}};

    n_fakes = 0;
    c[0].dir = nowhere; /* both of it */
    c[2].retry = bad_retry;
    assert_int_equal(wh_registry_new(&o, &r, &eb), WH_ECONFIG);
    assert_null(r);
    assert_non_null(strstr(wh_buf_str(&said), "\nhandlers.*.dir: /nowhere"));
    const char *second = strstr(wh_buf_str(&said), "\nhandlers.mail.retry: ");
    assert_non_null(second);
    assert_memory_equal(wh_buf_str(&said), eb.text, strlen(eb.text));
    assert_ptr_equal(strchr(second + 1, '\n'), said.data + said.len - 1);
    assert_int_equal(n_fakes, 3);
    for (size_t i = 0; i < n_fakes; i++) {
        assert_true(fakes[i].is_freed);
    }
    wh_buf_fini(&said);
}

static void refused(wh_handler_config c, const char *word)
{
    wh_handler_config both[2] = {handler(mail, run), c};
    wh_registry *r = NULL;
    wh_errbuf eb = {0};

    assert_int_equal(make(both, 2, &r, &eb), WH_ECONFIG);
    assert_null(r);
    assert_non_null(strstr(eb.text, word));
    assert_true(fakes[0].is_freed); /* the good one, too */
}

static void test_refused(void **state)
{
    (void)state;
    wh_handler_config c = handler(any, run);

    refused(handler(any, broken), "handlers.*.run: it is broken");
    refused(handler(any, other_kind), "handlers.*.run: no such kind");
    c.dir = bad_dir;
    refused(c, "handlers.*.dir: /nowhere is no folder");
    c.dir = NULL;
    refused(handler(any, NULL), "missing");
    c.retry = bad_retry;
    refused(c, "handlers.*.retry");
}

static void test_reload(void **state)
{
    (void)state;
    static char retry[] = "fixed:9s";
    wh_handler_config c = handler(mail, run);
    wh_registry *r = NULL;

    assert_int_equal(make(&c, 1, &r, NULL), WH_OK);
    wh_handler_config fresh[2] = {handler(mail, other_kind), handler(any, run)};
    fresh[0].retry = bad_retry;
    fresh[0].timeout_ms = 7;
    assert_int_equal(wh_registry_reload(r, fresh, 2, NULL), WH_ECONFIG);
    assert_int_equal(wh_registry_at(r, 0)->config.timeout_ms, 1000);
    fresh[0].retry = retry;
    fresh[0].max_attempts = 9;
    assert_int_equal(wh_registry_reload(r, fresh, 2, NULL), WH_OK);
    assert_int_equal(wh_registry_at(r, 0)->config.timeout_ms, 7);
    assert_int_equal(wh_registry_at(r, 0)->policy.max_attempts, 9);
    assert_int_equal(wh_registry_at(r, 0)->policy.steps_ms[0], 9000);
    assert_string_equal(wh_registry_at(r, 0)->config.run,
                        run); /* that needs a restart */
    assert_int_equal(wh_registry_count(r), 1);
    wh_registry_set_slots(r, 12);
    assert_int_equal(fakes[0].slots, 12);
    wh_registry_free(r);
}

static void write_schema(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static bool fits(const wh_registry *r, const char *payload)
{
    return wh_schema_check_json(wh_registry_at(r, 0)->schema, payload, strlen(payload),
                                NULL) == WH_OK;
}

static void test_schema(void **state)
{
    (void)state;
    static char path[64];
    wh_handler_config c = handler(mail, run);
    wh_registry *r = NULL;
    wh_errbuf eb = {0};

    assert_int_equal(make(&c, 1, &r, NULL), WH_OK);
    assert_null(wh_registry_at(r, 0)->schema);
    wh_registry_free(r);
    snprintf(path, sizeof path, "/tmp/wh-registry-%ld.json", (long)getpid());
    c.schema = path;
    refused(c, "handlers.mail.schema: /tmp/wh-registry-"); /* no such file */
    write_schema(path, "{\"nonsense\":1}");
    refused(c, "nonsense");
    write_schema(path, "{\"minimum\":5}");
    assert_int_equal(make(&c, 1, &r, NULL), WH_OK);
    assert_true(fits(r, "5") && !fits(r, "4"));

    /* A reload reads the file again, and takes all or nothing. */
    wh_handler_config fresh[2] = {c, handler(any, run)};
    write_schema(path, "{\"minimum\":3}");
    fresh[1].retry = bad_retry;
    assert_int_equal(wh_registry_reload(r, fresh, 2, &eb), WH_ECONFIG);
    assert_false(fits(r, "4"));
    fresh[0].schema_format = WH_PAYLOAD_MSGPACK;
    assert_int_equal(wh_registry_reload(r, fresh, 1, &eb), WH_OK);
    assert_true(fits(r, "4"));
    assert_int_equal(wh_registry_at(r, 0)->config.schema_format, WH_PAYLOAD_MSGPACK);
    write_schema(path, "{");
    assert_int_equal(wh_registry_reload(r, fresh, 1, &eb), WH_ECONFIG);
    assert_non_null(strstr(eb.text, "handlers.mail.schema: "));
    assert_true(fits(r, "4"));
    fresh[0].schema = NULL;
    assert_int_equal(wh_registry_reload(r, fresh, 1, &eb), WH_OK);
    assert_null(wh_registry_at(r, 0)->schema);
    wh_registry_free(r);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_refusal_is_told),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
