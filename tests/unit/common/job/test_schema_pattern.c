/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns mean what ECMA-262 says, what only PCRE2 knows is refused, and no text makes
 * a match cost more than its budget.
 */
#include "common/job/schema_pattern.h"
#include "tests/unit/common/job/failing_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define PLENTY UINT64_C(1000000)

static wh_err match(const char *pattern, const char *text, size_t n, uint64_t *work,
                    bool *matches)
{
    wh_schema_pattern *p = NULL;
    wh_schema_pattern_scratch scratch = {0};
    wh_errbuf eb = {0};
    wh_err err = wh_schema_pattern_new(pattern, strlen(pattern), &p, &eb);
    if (err != WH_OK) {
        print_message("%s: %s\n", pattern, eb.text);
        assert_int_equal(err, WH_OK);
    }
    err = wh_schema_pattern_match(p, &scratch, text, n, work, matches);
    wh_schema_pattern_scratch_fini(&scratch);
    wh_schema_pattern_free(p);
    return err;
}

static const struct {
    const char *pattern, *text;
    bool matches;
} meanings[] = {
    {"b", "abc", true}, /* anywhere */
    {"^b", "abc", false},
    {"^a.c$", "a\nc", false},
    {"^a.c$",
     "a\xE2\x80\xA8"
     "c",
     false}, /* a line separator */
    {"^a.c$",
     "a\xC3\xA9"
     "c",
     true}, /* one character, not one byte */
    {"^a$", "a\n", false},
    {"^\\d+$", "123", true},
    {"^\\d+$", "\xD9\xA3", false}, /* an Arabic digit */
    {"^\\w$", "\xC3\xA9", false},
    {"^\\W$", "\xC3\xA9", true},
    {"^[\\W]$", "\xC3\xA9", true},
    {"^[^\\W]$", "_", true},
    {"^[\\D]$", "5", false},
    {"^[\\S]$", "\xC2\xA0", false},
    {"^\\s$", "\xEF\xBB\xBF", true}, /* U+FEFF */
    {"^[\\s]$", "\xC2\xA0", true},
    {"^\\S$", "\xE2\x80\xA9", false},
    {"^\\cJ\\x41\\u0042\\u{1F600}\\0$", "\nAB\xF0\x9F\x98\x80", false},
    {"^\\cJ\\x41\\u0042\\u{1F600}$", "\nAB\xF0\x9F\x98\x80", true},
    {"^\\uD83D\\uDE00$", "\xF0\x9F\x98\x80", true},
    {"^[\\b]\\t\\v\\f$", "\b\t\v\f", true},
    {"^[[:alpha:]\\]$", "a]", true}, /* no POSIX class */
    {"^[[:alpha:]\\]$", "b]", false},
    {"^[a-]$", "-", true},
    {"^[-a]$", "-", true},
    {"^[^-a]$", "-", false},
    {"^[a^-b]$", "_", true}, /* from ^ to b */
    {"^[\\--\\/]$", ".", true},
    {"[]", "a", false},
    {"^[^]$", "\n", true},
    {"^(?<y>a)\\k<y>$", "aa", true},
    {"^(a)(b)\\2\\1$", "abba", true},
    {"^(?:(a)|b)\\1$", "b", true}, /* a group that took no part is empty */
    /* a reference right behind its group in the same repeat, and any to others */
    {"^(?:(['\"])x\\1,?)+$", "'x',\"x\"", true},
    {"^(?:(['\"])x\\1,?)+$", "'x',\"x'", false},
    {"^(?:(?<q>a|b)(?:c|\\k<q>)*;)*$", "aaca;bb;", true},
    {"^(?:(?:x(a|b)){1}\\1|c)*$", "xaacxbb", true},
    {"^(?:(a)|b)?\\1$", "aa", true},
    {"^(a)(?:b\\1)*$", "ababa", true},
    {"^(?=a)a(?!b)", "ac", true},
    {"(?<=a)b(?<!c)", "ab", true},
    /* look-behinds whose alternatives have one length each */
    {"(?<=\\$\\d|\\$\\d\\d|\\$\\d{3})x", "$123x", true},
    {"(?<=\\$\\d|\\$\\d\\d|\\$\\d{3})x", "$1234x", false},
    {"(?<!ad|bcd)x$", "bcdx", false},
    {"(?<=^(?:a\xC3\xA9|\\u00e9{2}|\\p{L}[b]|.\\b-)c{0}\\w{2}?)x", "a\xC3\xA9xyx",
     true},
    {"(?<=\xC3\xA9{2}(?=x))x", "\xC3\xA9\xC3\xA9x", true},
    {"(?<=(a)b)c\\1", "abca", true},
    {"^a{2,3}?$", "aaa", true},
    {"^a{2}$", "aaa", false},
    {"^\\p{Letter}+$", "\xC3\xA9", true},
    {"^\\p{L}\\P{Lu}[\\p{Nd}]$", "ab7", true},
    {"^\\p{General_Category=Decimal_Number}$", "x", false},
    {"^\\p{Script=Greek}$", "\xCE\xB1", true},
    {"^\\p{sc=Old_Italic}|\\p{Script_Extensions=Grek}$", "\xCE\xB1", true},
    {"^\\p{Alphabetic}\\p{gc=LC}\\p{White_Space}$", "ab ", true},
    {"^\\P{Any}$", "a", false},
    {"^\\p{Assigned}\\P{Assigned}$", "a\xCD\xB8", true},
    {"^\\-\\@\\#\\/\\$$", "-@#/$", true},
    {"^#a b$", "#a b", true}, /* no extended syntax */
    {"\\bb", "a b", true},
    {"", "anything", true},
};

static void test_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(meanings); i++) {
        bool matches = !meanings[i].matches;
        uint64_t work = PLENTY;
        print_message("%s\n", meanings[i].pattern);
        assert_int_equal(match(meanings[i].pattern, meanings[i].text,
                               strlen(meanings[i].text), &work, &matches),
                         WH_OK);
        assert_int_equal(matches, meanings[i].matches);
    }
}

static void test_nul_in_text(void **state)
{
    (void)state;
    bool matches = false;
    uint64_t work = PLENTY;
    assert_int_equal(match("^a\\0b$", "a\0b", 3, &work, &matches), WH_OK);
    assert_true(matches);
}

static const char *const not_ecma[] = {
    "a++",
    "a**",
    "*a",
    "^*",
    "a{",
    "a{,3}",
    "a}",
    "a]",
    "(a",
    "a)",
    "[a",
    "\\",
    "[\\",
    "\\a",
    "\\A",
    "\\z",
    "\\Z",
    "\\Q",
    "\\K",
    "\\R",
    "\\X",
    "\\h",
    "\\N",
    "\\G",
    "\\e",
    "\\_",
    "(?i)a",
    "(?>a)",
    "(?|a)",
    "(?#a)",
    "(?P<n>a)",
    "(?R)",
    "(?1)",
    "(?C1)",
    "(*UTF)a",
    "(*F)",
    "(?(1)a|b)",
    "\\01",
    "\\x4",
    "\\u12",
    "\\uD83D",
    "\\u{110000}",
    "\\u{}",
    "\\c1",
    "\\p",
    "\\p{L",
    "\\p{Nope}",
    "\\p{L,}",
    "\\k",
    "\\k<n>",
    "\\1",
    "[\\d-z]",
    "[a-\\d]",
    "[z-a]",
    "(?<1>a)",
    "(?<a>b",
    "(?<a>b)(?<a>c)",
    "a{70000}",
    "a{2,1}",
    "[\\a]",
    "(?=a)*",
    "(?!a)?",
    "(?<=a){2}",
    "\\p{Xan}",
    "\\p{Xwd}",
    "\\p{l}",
    "\\p{L&}",
    "\\p{greek}",
    "\\p{Greek}",
    "\\p{L_u}",
    "\\p{lowercase}",
    "\\p{Script=greek}",
    "\\p{Script=OldItalic}",
    "\\p{sc=}",
    "\\p{gc=}",
    "\\p{gc=Alphabetic}",
    "\\p{script=Greek}",
    "\\p{Script=Klingon}",
    "\\p{^L}",
    "\\p{}",
    "\\k<>",
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(not_ecma); i++) {
        wh_schema_pattern *p = NULL;
        wh_errbuf eb = {0};
        wh_err err = wh_schema_pattern_new(not_ecma[i], strlen(not_ecma[i]), &p, &eb);
        if (err != WH_EINVAL || p != NULL || eb.text[0] == '\0') {
            fail_msg("%s is accepted", not_ecma[i]);
        }
    }
    char longest[5000];
    wh_schema_pattern *p = NULL;
    memset(longest, 'a', sizeof longest);
    assert_int_equal(wh_schema_pattern_new(longest, sizeof longest, &p, NULL),
                     WH_EINVAL);
}

/* What PCRE2 does otherwise than ECMA-262, or otherwise in each version, is refused with
 * its place and what would do. */
static void test_refused_with_advice(void **state)
{
    static const char repeat[] =
        "refers to a group in a repeat, which each repeat empties";
    static const char behind[] = "each alternative of a look-behind wants one length";
    static const struct {
        const char *pattern, *place, *text;
    } cases[] = {
        {"^(?:(a)|b)*\\1$", "at byte 12 ", repeat},
        {"^(?:(?<n>a)|b)+\\k<n>$", "at byte 18 ", repeat},
        {"^(?:(a)?b){2}\\1", "at byte 14 ", repeat},
        {"(?:\\1(a))*", "at byte 4 ", repeat},        /* before it */
        {"(?:(?:(a)|b)\\1)*", "at byte 13 ", repeat}, /* a way around it */
        {"(?:(a)|\\1b)*", "at byte 8 ", repeat},
        {"(?:(a)?\\1b)*", "at byte 8 ", repeat},
        {"(?:(?:(a))?\\1b)*", "at byte 12 ", repeat},
        {"(?:(?:x|(a))(?:b|\\1))*", "at byte 18 ", repeat},
        {"(a\\1)*", "at byte 3 ", repeat}, /* inside it */
        {"(a*)*\\1", "at byte 6 ", repeat},
        {"(?:(?:(a)|b){1,2}\\1)", "at byte 18 ", repeat},
        {"x(?<=\\$\\d{1,3})x", "at byte 1 ", behind},
        {"(?<=(?:a|bc)d)x", "at byte 0 ", behind},
        {"(?<!a*)b", "at byte 0 ", behind},
        {"(?<=a|b?)c", "at byte 0 ", behind},
        {"(?<=(?:a|b{2}))c", "at byte 0 ", behind},
        {"(a)(?<=\\1)b", "at byte 3 ", behind},
        {"(?=a)*", "at byte 5 ", "a look-ahead or look-behind can't be repeated"},
        {"\\p{greek}", "at byte 2 ", "case counts, and a script is Script=Greek"},
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        wh_schema_pattern *p = NULL;
        wh_errbuf eb = {0};
        const char *pattern = cases[i].pattern;
        wh_err err = wh_schema_pattern_new(pattern, strlen(pattern), &p, &eb);
        print_message("%s: %s\n", pattern, eb.text);
        assert_int_equal(err, WH_EINVAL);
        assert_memory_equal(eb.text, cases[i].place, strlen(cases[i].place));
        assert_non_null(strstr(eb.text, cases[i].text));
    }
}

/* Each would take minutes to ages; the budget ends it. */
static void test_costly(void **state)
{
    static const char *const patterns[] = {
        "^(a+)+$",  "^(a|a)*$",   "(a*)*b",         "(a+a+)+y",      "a+b",
        "[ab]+\\d", "(?:a|aa)+$", "(?=(a+))a*b\\1", "a{100,200}b",   "[ab]{60000}c",
        "\\p{L}+c", "(?<=a)a*c",  "^(a*)\\1*b",     "(a*)(a*)(a*)1",
    };
    enum { N = 200000 };
    char *text = malloc(N);
    (void)state;
    assert_non_null(text);
    memset(text, 'a', N);
    memcpy(text + N - 10, ";b;c;y;1;!", 10); /* what they look for, but not there */
    for (size_t i = 0; i < LEN(patterns); i++) {
        bool matches = true;
        uint64_t work = PLENTY;
        wh_err err = match(patterns[i], text, N, &work, &matches);
        print_message("%s: %s, %u left\n", patterns[i], wh_err_name(err),
                      (unsigned)work);
        assert_true(err == WH_ETOOBIG || (err == WH_OK && !matches));
    }
    free(text);
}

/* What is honest stays within a few steps for each byte. */
static void test_cheap(void **state)
{
    static const char *const patterns[] = {"^[a-z]+$", "a$", "^.*$", "b",
                                           "^(?:[a-z]|-)*$"};
    enum { N = 20000 };
    char *text = malloc(N);
    (void)state;
    assert_non_null(text);
    memset(text, 'a', N);
    for (size_t i = 0; i < LEN(patterns); i++) {
        bool matches = false;
        uint64_t work = UINT64_C(16) * N;
        assert_int_equal(match(patterns[i], text, N, &work, &matches), WH_OK);
        assert_int_equal(matches, strcmp(patterns[i], "b") != 0);
        assert_true(work < UINT64_C(16) * N);
    }
    free(text);
}

static void test_no_budget(void **state)
{
    (void)state;
    bool matches = false;
    uint64_t work = 0;
    assert_int_equal(match("a", "a", 1, &work, &matches), WH_ETOOBIG);
}

static void test_no_memory(void **state)
{
    (void)state;
    static const char pattern[] = "^(?:(?<n>a)\\k<n>?|b)*[\\s]$";
    wh_err err = WH_ENOMEM;
    for (long nth = 1; err == WH_ENOMEM && nth < 100; nth++) {
        wh_schema_pattern *p = NULL;
        wh_schema_pattern_scratch scratch = {0};
        bool matches = false;
        uint64_t work = PLENTY;
        failing_alloc_on(nth);
        err = wh_schema_pattern_new(pattern, strlen(pattern), &p, NULL);
        if (err == WH_OK) {
            err = wh_schema_pattern_match(p, &scratch, "abab ", 5, &work, &matches);
            assert_int_equal(matches, err == WH_OK);
        }
        wh_schema_pattern_scratch_fini(&scratch);
        wh_schema_pattern_free(p);
        failing_alloc_off();
        assert_int_equal(failing_alloc_held, 0);
        assert_true(err == WH_OK || nth == failing_alloc_count ||
                    nth < failing_alloc_count);
    }
    assert_int_equal(err, WH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meaning),   cmocka_unit_test(test_nul_in_text),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_refused_with_advice),
        cmocka_unit_test(test_costly),    cmocka_unit_test(test_cheap),
        cmocka_unit_test(test_no_budget), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
