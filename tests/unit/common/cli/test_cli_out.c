/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that may go to a terminal, and how wide it is there.
 */
#include "common/cli/cli_out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *text, size_t n, bool one_line, const char *want)
{
    wh_buf out = {0};

    wh_cli_out_clean(&out, text, n, one_line);
    assert_string_equal(wh_buf_str(&out), want);
    wh_buf_fini(&out);
}

static void test_clean(void **state)
{
    (void)state;
    check("", 0, true, "");
    check("plain \xe2\x82\xac", 9, true, "plain \xe2\x82\xac");
    check("a\nb\tc", 5, true, "a\\nb\\tc");
    check("a\nb\tc", 5, false, "a\nb\tc");
    check("\033[31m\r\007\177", 8, false, "\\x1b[31m\\x0d\\x07\\x7f");
    check("a\0b", 3, true, "a\\x00b");
    check("\xc2\x9b"
          "31m",
          5, true, "\\xc2\\x9b31m"); /* C1 CSI */
    check("\xe2\x80\xae"
          "abc",
          6, true,
          "\\xe2\\x80\\xae"
          "abc"); /* right to left */
    check("\xff\xc0\x80", 3, true, "\\xff\\xc0\\x80");
    check("\xe2\x82", 2, true, "\\xe2\\x82");
}

static void test_width(void **state)
{
    static const struct {
        const char *text;
        size_t width;
    } cases[] = {{"", 0},
                 {"abc", 3},
                 {"\xe2\x82\xac", 1},
                 {"e\xcc\x81", 1},                /* combining accent */
                 {"\xe6\x97\xa5\xe6\x9c\xac", 4}, /* two wide characters */
                 {"\xf0\x9f\x9a\x80", 2}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(wh_cli_out_width(cases[i].text, strlen(cases[i].text)),
                         cases[i].width);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
