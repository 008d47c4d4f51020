/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is JSON and what is not: the reader agrees with jansson where that is as strict,
 * and texts become the values they mean.
 */
#include "common/job/schema_json.h"
#include "common/job/schema_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define BYTES(literal)                                                                 \
    {                                                                                  \
        (literal), sizeof(literal) - 1                                                 \
    }

/* Reads a copy of exactly n bytes, so that a read past the end is caught. */
static wh_err read_copy(const char *p, size_t n, wh_errbuf *eb)
{
    char *copy = malloc(n > 0 ? n : 1);
    wh_schema_doc doc;
    assert_non_null(copy);
    memcpy(copy, p, n);
    wh_schema_doc_init(&doc, 64);
    wh_err err = wh_schema_json_read(&doc, copy, n, eb);
    wh_schema_doc_fini(&doc);
    free(copy);
    return err;
}

static const struct {
    const char *p;
    size_t n;
} texts[] = {
    BYTES("null"),
    BYTES(" true\r\n\t"),
    BYTES("false"),
    BYTES("nul"),
    BYTES("nullx"),
    BYTES("True"),
    BYTES("0"),
    BYTES("-0"),
    BYTES("01"),
    BYTES("-"),
    BYTES("+1"),
    BYTES(".5"),
    BYTES("5."),
    BYTES("1e5"),
    BYTES("1E+05"),
    BYTES("1e"),
    BYTES("1e-"),
    BYTES("1.5e-3"),
    BYTES("0x1"),
    BYTES("1_0"),
    BYTES("NaN"),
    BYTES("Infinity"),
    BYTES("\"\""),
    BYTES("\""),
    BYTES("\"a"),
    BYTES("\"\n\""),
    BYTES("\"\\n\""),
    BYTES("\"\\x41\""),
    BYTES("\"\\u0041\""),
    BYTES("\"\\u00\""),
    BYTES("\"\\u00g0\""),
    BYTES("\"\\ud83d\\ude00\""),
    BYTES("\"\\ud83d\""),
    BYTES("\"\\ude00\""),
    BYTES("\"\\ud83dx\""),
    BYTES("\"\\ud83d\\u0041\""),
    BYTES("\"\xc3\xa9\""),
    BYTES("\"\xc3\""),
    BYTES("\"\xff\""),
    BYTES("\"\xc0\x80\""),
    BYTES("\"\xed\xa0\x80\""),
    BYTES("\"\xf4\x90\x80\x80\""),
    BYTES("\"\\\""),
    BYTES("\"\\"),
    BYTES("\"\\\xc3\xa9\""),
    BYTES("\"a\0b\""),
    BYTES("\"\x7f\""),
    BYTES("[]"),
    BYTES("[1]"),
    BYTES("[1,]"),
    BYTES("[,1]"),
    BYTES("[1 2]"),
    BYTES("[1"),
    BYTES("]"),
    BYTES("[}"),
    BYTES("{}"),
    BYTES("{\"a\":1}"),
    BYTES("{\"a\":1,}"),
    BYTES("{\"a\"}"),
    BYTES("{\"a\":}"),
    BYTES("{a:1}"),
    BYTES("{1:1}"),
    BYTES("{\"a\":1 \"b\":2}"),
    BYTES("{\"a\" : [ { } ] }"),
    BYTES("{\"a\":1,\"a\":2}"),
    BYTES("{\"a\":1,\"\\u0061\":2}"),
    BYTES("1 2"),
    BYTES("// c\n1"),
    BYTES("[1]x"),
    BYTES(" "),
    BYTES("\xef\xbb\xbf"
          "1"),
    BYTES("'a'"),
};

static void test_like_jansson(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(texts); i++) {
        wh_errbuf eb = {0};
        json_t *theirs =
            json_loadb(texts[i].p, texts[i].n,
                       JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        wh_err err = read_copy(texts[i].p, texts[i].n, &eb);
        print_message("%s: %s\n", texts[i].p, eb.text);
        assert_int_equal(err, theirs != NULL ? WH_OK : WH_EBADDATA);
        assert_true((err == WH_OK) == (eb.text[0] == '\0'));
        json_decref(theirs);
    }
}

/* Cut anywhere, it is refused. */
static void test_cut(void **state)
{
    static const char json[] =
        "{\"a\":[1.5e3,true,{\"\\u00e9\\n\":null}],\"b\":\"\xc3\xa9\"}";
    (void)state;
    assert_int_equal(read_copy(json, sizeof json - 1, NULL), WH_OK);
    for (size_t n = 0; n < sizeof json - 1; n++) {
        assert_int_equal(read_copy(json, n, NULL), WH_EBADDATA);
    }
}

static void test_values(void **state)
{
    static const char json[] =
        "{\"z\":[1,-2.50,3e2,1e30,\"a\\u00e9\\ud83d\\ude00\\u0000\"],\"a\":{\"b\":[]}}";
    wh_schema_doc d;
    char path[64];
    (void)state;
    wh_schema_doc_init(&d, 64);
    assert_int_equal(wh_schema_json_read(&d, json, sizeof json - 1, NULL), WH_OK);
    const wh_schema_value *root = &d.values[0];
    assert_int_equal(root->kind, WH_SCHEMA_OBJECT);
    assert_int_equal(root->n, 2);
    assert_int_equal(root->next, d.count);
    uint32_t z = wh_schema_doc_get(&d, 0, "z", 1), a = wh_schema_doc_get(&d, 0, "a", 1);
    assert_int_equal(wh_schema_doc_get(&d, 0, "b", 1), WH_SCHEMA_NONE);
    assert_int_equal(wh_schema_doc_find(&d, 0, "a", 1), 0); /* sorted */
    assert_int_equal(d.values[z].n, 5);
    assert_int_equal(d.values[z + 1].u.integer, 1);
    assert_int_equal(d.values[z + 2].kind, WH_SCHEMA_DECIMAL);
    assert_memory_equal(d.values[z + 2].u.p, "25", 2);
    assert_int_equal(d.values[z + 2].x.exponent, -1);
    assert_true(d.values[z + 2].negative);
    assert_int_equal(d.values[z + 3].u.integer, 300);
    assert_int_equal(d.values[z + 4].x.exponent, 30);
    assert_int_equal(d.values[z + 5].n, 8);
    assert_memory_equal(d.values[z + 5].u.p, "a\xc3\xa9\xf0\x9f\x98\x80", 8);
    wh_schema_path_format(&d, wh_schema_doc_get(&d, a, "b", 1), path, sizeof path);
    assert_string_equal(path, "/a/b");
    wh_schema_path_format(&d, z + 5, path, sizeof path);
    assert_string_equal(path, "/z/4");
    assert_int_equal(wh_schema_path_follow(&d, 0, "z/4", 3), z + 5);
    assert_int_equal(wh_schema_path_follow(&d, 0, "z/5", 3), WH_SCHEMA_NONE);
    assert_int_equal(wh_schema_path_follow(&d, 0, "z/04", 4), WH_SCHEMA_NONE);
    assert_int_equal(wh_schema_path_follow(&d, 0, "z/-", 3), WH_SCHEMA_NONE);
    assert_int_equal(wh_schema_path_follow(&d, 0, "z/4/0", 5), WH_SCHEMA_NONE);
    wh_schema_doc_fini(&d);
}

/* Values of all kinds in one order, equal only to themselves. */
static void test_order(void **state)
{
    static const char json[] = "[null,false,true,-1e30,-2,-0.5,0,0.5,1,1e30,\"\",\"a\","
                               "\"ab\",\"b\",[],[1],[1,1],"
                               "{},{\"a\":1},{\"a\":2},{\"b\":0},{\"a\":0,\"b\":0}]";
    static const char same[] = "[1,1.0,10e-1,0.1e1]";
    wh_schema_doc d;
    uint64_t cost = 0;
    (void)state;
    wh_schema_doc_init(&d, 64);
    assert_int_equal(wh_schema_json_read(&d, json, sizeof json - 1, NULL), WH_OK);
    for (uint32_t a = 1; a < d.count; a = d.values[a].next) {
        for (uint32_t b = 1; b < d.count; b = d.values[b].next) {
            int order = wh_schema_doc_compare((wh_schema_spot){&d, a},
                                              (wh_schema_spot){&d, b}, &cost);
            assert_int_equal((order > 0) - (order < 0), (a > b) - (a < b));
        }
    }
    wh_schema_doc_fini(&d);
    assert_int_equal(wh_schema_json_read(&d, same, sizeof same - 1, NULL), WH_OK);
    for (uint32_t a = 2; a < d.count; a++) {
        assert_int_equal(wh_schema_doc_compare((wh_schema_spot){&d, 1},
                                               (wh_schema_spot){&d, a}, &cost),
                         0);
    }
    wh_schema_doc_fini(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_like_jansson),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
