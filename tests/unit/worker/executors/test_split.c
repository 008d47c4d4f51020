/* SPDX-License-Identifier: Apache-2.0 */
/* split.c: command lines as words. */
#include "worker/executors/split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void splits(const char *line, const char *first, const char *second)
{
    char **words = NULL;
    assert_int_equal(wh_split_words(line, &words, NULL), WH_OK);
    assert_string_equal(words[0], first);
    if (second != NULL) {
        assert_string_equal(words[1], second);
    }
    assert_null(words[second != NULL ? 2 : 1]);
    wh_split_free(words);
}

static void refuses(const char *line, const char *says)
{
    char **words = NULL;
    wh_errbuf eb = {0};
    assert_int_equal(wh_split_words(line, &words, &eb), WH_ECONFIG);
    assert_null(words);
    assert_non_null(strstr(eb.text, says));
}

static void test_words(void **state)
{
    (void)state;
    splits("  php \t worker.php \n", "php", "worker.php");
    splits("one", "one", NULL);
    splits("a\\ b \\'c", "a b", "'c");
    splits("a ''", "a", "");
}

static void test_quotes(void **state)
{
    (void)state;
    splits("'a b'\"c d\" $HOME*", "a bc d", "$HOME*");
    splits("x \"say \\\"hi\\\" \\\\ \\n\"", "x", "say \"hi\" \\ \\n");
    splits("x 'back\\slash \"'", "x", "back\\slash \"");
}

static void test_refusals(void **state)
{
    (void)state;
    refuses("", "no program");
    refuses("   ", "no program");
    refuses("'' x", "no program");
    refuses("a 'b", "the quote ' at character 3");
    refuses("\"\\\"", "the quote \" at character 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
