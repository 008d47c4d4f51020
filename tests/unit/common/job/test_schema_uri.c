/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References are resolved as RFC 3986 section 5.4 lists them, and what is no reference
 * is refused.
 */
#include "common/job/schema_uri.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static void assert_resolves(const char *base, const char *ref, const char *wanted)
{
    wh_schema_uri b, r;
    wh_buf out = {0};
    wh_schema_uri_split(base, strlen(base), &b);
    wh_schema_uri_split(ref, strlen(ref), &r);
    wh_schema_uri_resolve(&b, &r, &out);
    assert_string_equal(wh_buf_str(&out), wanted);
    wh_buf_fini(&out);
}

static void test_resolve(void **state)
{
    static const char *const cases[][2] = {
        {"g:h", "g:h"},
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q"},
        {"g#s", "http://a/b/c/g"},
        {";x", "http://a/b/c/;x"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"http:g", "http:g"},
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        assert_resolves("http://a/b/c/d;p?q", cases[i][0], cases[i][1]);
    }
    assert_resolves("", "a/b", "a/b");
    assert_resolves("", "", "");
    assert_resolves("http://a", "b", "http://a/b");
    assert_resolves("urn:x:y", "#z", "urn:x:y");
}

static bool is_valid(const char *text)
{
    wh_schema_uri uri;
    wh_schema_uri_split(text, strlen(text), &uri);
    return wh_schema_uri_is_valid(&uri);
}

static void test_valid(void **state)
{
    static const char *const good[] = {
        "",
        "a",
        "#a/b?c",
        "http://u:p@h:80/p;q?r#s",
        "http://[::1]:80/",
        "//h",
        "%41",
        "urn:a:b",
        "http://[v1.a:b]/",
        "http://h:",
        "./a:b",
        "mailto:a@b",
        "file:///a/b",
    };
    static const char *const bad[] = {
        "a b",
        "%4",
        "%zz",
        "http://h:x/",
        "http://[::1",
        "http://[1]/",
        "1a:b",
        "a\\b",
        "http://a@b@c/",
        "<a>",
        "a#b#c",
        "\xc3\xa9",
        "http://[::1]x/",
        ":a",
        "a^b",
        "http://[v.a]/",
    };
    (void)state;
    for (size_t i = 0; i < LEN(good); i++) {
        print_message("%s\n", good[i]);
        assert_true(is_valid(good[i]));
    }
    for (size_t i = 0; i < LEN(bad); i++) {
        print_message("%s\n", bad[i]);
        assert_false(is_valid(bad[i]));
    }
}

static void test_decode(void **state)
{
    (void)state;
    wh_buf out = {0};
    assert_true(wh_schema_uri_decode((wh_schema_uri_part){"/a%25%2fb", 9}, &out));
    assert_string_equal(wh_buf_str(&out), "/a%/b");
    wh_buf_clear(&out);
    assert_false(wh_schema_uri_decode((wh_schema_uri_part){"a%2", 3}, &out));
    assert_false(wh_schema_uri_decode((wh_schema_uri_part){"%g0", 3}, &out));
    wh_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_decode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
