/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is refused when a schema is compiled, with the place in the schema; and what
 * notes and references are accepted.
 */
#include "tests/unit/common/job/schema_case.h"

#include <stdio.h>
#include <stdlib.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const char *const refused[][2] = {
    {"", "not JSON: empty"},
    {"{", "not JSON at byte 1"},
    {"{} {}", "something follows"},
    {"{\"type\":\"null\",\"type\":\"null\"}", "the same name twice"},
    {"3", "at the root: a schema is an object"},
    {"{\"items\":3}", "at /items: a schema is an object"},
    /* keywords that would not be checked */
    {"{\"mandatory\":[\"a\"]}", "at /mandatory: this keyword would not be checked"},
    {"{\"properties\":{\"a\":{\"min\":1}}}", "at /properties/a/min: "},
    {"{\"$dynamicRef\":\"#a\"}", "at /$dynamicRef: "},
    {"{\"$dynamicAnchor\":\"a\"}", "at /$dynamicAnchor: "},
    {"{\"$recursiveRef\":\"#\"}", "at /$recursiveRef: "},
    {"{\"$vocabulary\":{}}", "at /$vocabulary: "},
    {"{\"unevaluatedItems\":false}", "at /unevaluatedItems: "},
    {"{\"unevaluatedProperties\":false}", "at /unevaluatedProperties: "},
    {"{\"contentSchema\":{}}", "at /contentSchema: "},
    {"{\"nullable\":true}", "at /nullable: "},
    {"{\"$defs\":{\"a\":{\"b\":1}}}", "at /$defs/a/b: "},
    /* also where a $ref leads into another one, or what it leads to has one */
    {"{\"a\":{},\"b\":{},\"$ref\":\"#/a\"}", "at /b: this keyword would not"},
    {"{\"a\":{\"b\":{}},\"$ref\":\"#/a\"}", "at /a/b: this keyword would not"},
    {"{\"a\":{\"$ref\":\"#/a\"}}", "at /a: this keyword would not"},
    {"{\"a\":{},\"const\":{\"$ref\":\"#/a\"}}", "at /a: this keyword would not"},
    {"{\"unevaluatedItems\":{},\"$ref\":\"#/unevaluatedItems\"}",
     "at /unevaluatedItems: this keyword would not"},
    {"{\"$dynamicRef\":{},\"$ref\":\"#/$dynamicRef\"}", "at /$dynamicRef: "},
    {"{\"a\":{\"b\":3},\"$ref\":\"#/a/b\"}", "at /a/b: a schema is an object"},
    {"{\"a\":{\"b\":{}},\"$ref\":\"#/a/c\"}", "at /$ref: leads to no schema"},
    {"{\"a\":{\"$ref\":\"#/b/c\"},\"b\":{\"c\":{\"not\":{\"$ref\":\"#/"
     "a\"}}},\"items\":{\"$ref\":\"#/a\"}}",
     "a loop"},
    {"{\"format\":\"phone\"}", "at /format: no format that is checked; there are date"},
    /* drafts */
    {"{\"$schema\":\"http://json-schema.org/draft-04/schema#\"}", "unknown draft"},
    {"{\"$schema\":\"https://json-schema.org/draft/2019-09/schema\"}", "unknown draft"},
    {"{\"$schema\":7}", "unknown draft"},
    {"{\"items\":{" DRAFT7 "}}", "at /items/$schema: $schema differs"},
    {"{" DRAFT7 ",\"prefixItems\":[true]}",
     "at /prefixItems: this keyword is not in draft-07"},
    {"{" DRAFT7 ",\"dependentRequired\":{}}", "not in draft-07"},
    {"{" DRAFT7 ",\"minContains\":1}", "not in draft-07"},
    {"{\"additionalItems\":false}",
     "at /additionalItems: this keyword is not in 2020-12"},
    {"{\"items\":[true]}", "write prefixItems"},
    /* values */
    {"{\"type\":\"int\"}", "at /type: no such type"},
    {"{\"type\":[\"null\",\"int\"]}", "at /type/1: no such type"},
    {"{\"type\":[]}", "at /type: "},
    {"{\"enum\":[]}", "at /enum: "},
    {"{\"enum\":{}}", "at /enum: "},
    {"{\"minimum\":\"1\"}", "at /minimum: wants a number"},
    {"{\"minLength\":-1}", "at /minLength: wants an integer of 0 or more"},
    {"{\"minItems\":1.5}", "at /minItems: "},
    {"{\"minContains\":true}", "at /minContains: "},
    {"{\"contains\":{},\"maxContains\":-1}", "at /maxContains: "},
    {"{\"multipleOf\":0}", "at /multipleOf: wants a number above 0"},
    {"{\"multipleOf\":-0.5}", "at /multipleOf: "},
    {"{\"multipleOf\":0.1234567890123456789}", "at most 18 digits"},
    {"{\"uniqueItems\":1}", "at /uniqueItems: "},
    {"{\"required\":\"a\"}", "at /required: wants an array of strings"},
    {"{\"required\":[1]}", "at /required: "},
    {"{\"required\":[[\"a\"]]}", "at /required: "},
    {"{\"properties\":[]}", "at /properties: wants an object"},
    {"{\"allOf\":[]}", "at /allOf: wants an array of schemas"},
    {"{\"anyOf\":{}}", "at /anyOf: "},
    {"{\"oneOf\":[1]}", "at /oneOf/0: "},
    {"{\"dependentRequired\":{\"a\":{}}}", "at /dependentRequired/a: "},
    {"{\"dependentSchemas\":{\"a\":[\"b\"]}}", "at /dependentSchemas/a: "},
    {"{\"pattern\":\"(\"}", "at /pattern: at byte 0 of the pattern: a ( is not closed"},
    {"{\"patternProperties\":{\"[\":{}}}", "at /patternProperties/[: at byte"},
    {"{\"title\":1}", "at /title: wants a string"},
    {"{\"$ref\":1}", "at /$ref: wants a string"},
    /* references */
    {"{\"$ref\":\"http://example.com/a\"}", "at /$ref: leads out of the document"},
    {"{\"$ref\":\"other.json#/a\"}", "leads out of the document"},
    {"{\"$ref\":\"https://json-schema.org/draft/2020-12/schema\"}", "leads out"},
    {"{\"$ref\":\"#/$defs/a\"}", "leads to no schema"},
    {"{\"$ref\":\"#a\"}", "leads to no schema"},
    {"{\"const\":{\"a\":{}},\"$ref\":\"#/const/a\"}", "leads to no schema"},
    {"{\"$ref\":\"#/properties\",\"properties\":{}}", "leads to no schema"},
    {"{\"$ref\":\"#%\"}", "wants a URI reference"},
    {"{\"$ref\":\"a b\"}", "wants a URI reference"},
    {"{\"$id\":\"a b\"}", "at /$id: wants a URI reference"},
    {"{\"$id\":\"#a\"}", "at /$id: no fragment"},
    {"{\"$anchor\":\"#a\"}", "at /$anchor: "},
    {"{\"$anchor\":\"a\",\"items\":{\"$anchor\":\"a\"}}", "there twice"},
    {"{\"$id\":\"http://a/b\",\"items\":{\"$id\":\"b\"}}", "there twice"},
    /* loops that consume nothing */
    {"{\"$ref\":\"#\"}", "at /$ref: a loop"},
    {"{\"allOf\":[{\"not\":{\"$ref\":\"#\"}}]}", "a loop"},
    {"{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"if\":{\"$ref\":\"#/$defs/b\"}},"
     "\"b\":{\"dependentSchemas\":{\"x\":{\"anyOf\":[{\"$ref\":\"#/$defs/"
     "a\"}]}}}}}",
     "a loop"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(refused); i++) {
        schema_case_refused(refused[i][0], refused[i][1]);
    }
}

static void test_accepted(void **state)
{
    static const char *const cases[] = {
        "true",
        "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema#\"}",
        "{\"title\":\"t\",\"description\":\"d\",\"default\":{\"a\":1},\"examples\":[1],"
        "\"$comment\":\"c\",\"deprecated\":true,\"readOnly\":true,\"writeOnly\":false,"
        "\"contentMediaType\":\"text/"
        "plain\",\"contentEncoding\":\"base64\",\"x-team\":[1]}",
        "{\"properties\":{\"mandatory\":{\"$ref\":\"#\"},\"$ref\":{\"type\":\"string\"}"
        "}"
        "}",
        "{\"then\":false,\"minContains\":3}",
        "{" DRAFT7 ",\"$id\":\"#root\",\"items\":{\"items\":{\"type\":\"integer\"},"
        "\"not\":{\"items\":{\"$ref\":\"#root\"},\"type\":\"null\"}}}",
        "{" DRAFT7 ",\"additionalItems\":false,\"items\":true}",
        "{" DRAFT7 ",\"items\":{\"$ref\":\"#/definitions/a\",\"maxItems\":0},"
        "\"definitions\":{\"a\":{\"$id\":\"#a\"}}}",
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        wh_schema_report report;
        assert_int_equal(schema_case_check(cases[i], "[[1]]", &report), WH_OK);
    }
}

/* In draft-07 what stands beside a $ref does not count; in 2020-12 it does. */
static void test_beside_ref(void **state)
{
#define BESIDE                                                                         \
    "\"items\":{\"$ref\":\"#/definitions/"                                             \
    "a\",\"maxItems\":0},\"definitions\":{\"a\":true}}"
    (void)state;
    assert_int_equal(schema_case_check("{" DRAFT7 "," BESIDE, "[[1]]", NULL), WH_OK);
    assert_int_equal(schema_case_check("{" BESIDE, "[[1]]", NULL), WH_EINVAL);
}

/* Where a $ref leads under a name that is no keyword there is a schema, and all of it
 * counts; what lies beside it under that name is nobody's. */
static void test_places(void **state)
{
    static const char *const schemas[] = {
        "{\"a~b/c%d\":{\"type\":\"integer\"},\"items\":{\"$ref\":\"#/"
        "a~0b~1c%25d\"}}",
        "{\"items\":{\"$ref\":\"#/components/schemas/1/"
        "of\"},\"components\":{\"other\":7,"
        "\"schemas\":[{},{\"of\":{\"$ref\":\"#/more/a\"}}]},\"more\":{\"a\":"
        "{\"allOf\":[{\"$ref\":\"#/more/a/properties/b\"}],\"properties\":{\"b\":"
        "{\"type\":\"integer\"}}}}}",
        "{" DRAFT7 ",\"items\":{\"here\":{\"a\":{\"type\":\"integer\"}},\"allOf\":[{"
        "\"$ref\":\"#/items/here/a\"},{\"$ref\":\"#/items/here/a\"}]}}",
        "{\"$id\":\"http://a/b\",\"items\":{\"$ref\":\"c#/here/d\"},\"$defs\":{\"c\":"
        "{\"$id\":\"c\",\"here\":{\"d\":{\"$ref\":\"#/$defs/e\"}},\"$defs\":{\"e\":"
        "{\"type\":\"integer\"}}}}}",
    };
    (void)state;
    for (size_t i = 0; i < LEN(schemas); i++) {
        print_message("%s\n", schemas[i]);
        assert_int_equal(schema_case_check(schemas[i], "[1]", NULL), WH_OK);
        assert_int_equal(schema_case_check(schemas[i], "[\"1\"]", NULL), WH_EINVAL);
    }
}

/* A chain of schemas on one value has an end. */
static void test_chain(void **state)
{
    char schema[8000];
    (void)state;
    for (int n = 95; n <= 101; n += 6) {
        char *to = schema + sprintf(schema, "{\"$ref\":\"#/$defs/0\",\"$defs\":{");
        for (int i = 0; i < n; i++) {
            to += sprintf(to, "\"%d\":{\"$ref\":\"#/$defs/%d\"},", i, i + 1);
        }
        (void)sprintf(to, "\"%d\":{\"const\":1}}}", n);
        if (n > 99) {
            schema_case_refused(schema, "more than 100 schemas");
        } else {
            assert_int_equal(schema_case_check(schema, "1", NULL), WH_OK);
            assert_int_equal(schema_case_check(schema, "2", NULL), WH_EINVAL);
        }
    }
}

static void test_bounds(void **state)
{
    enum { TOO_LONG = WH_SCHEMA_BYTES_MAX + 1, DEEP = 200 };
    char *text = malloc(TOO_LONG);
    wh_schema *s = NULL;
    wh_errbuf eb = {0};
    (void)state;
    assert_non_null(text);
    memset(text, ' ', TOO_LONG);
    memcpy(text, "true", 4);
    assert_int_equal(wh_schema_compile(text, TOO_LONG, &s, &eb), WH_ETOOBIG);
    assert_null(s);
    assert_int_equal(wh_schema_compile(text, TOO_LONG - 1, &s, &eb), WH_OK);
    wh_schema_free(s);
    memset(text, '[', DEEP);
    memset(text + DEEP, ']', DEEP);
    assert_int_equal(wh_schema_compile(text, (size_t)2 * DEEP, &s, &eb), WH_ETOOBIG);
    free(text);
    wh_schema_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_beside_ref), cmocka_unit_test(test_chain),
        cmocka_unit_test(test_bounds),     cmocka_unit_test(test_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
