/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The edges of formats; tests/integration/test_schema_suite.c has the bulk.
 */
#include "common/job/schema_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* On a copy of exactly the text's length, so that a read past the end is caught. */
static bool fits(const char *format, const char *text, size_t n)
{
    wh_schema_format_fn is = wh_schema_format_get(format, strlen(format));
    char *copy = malloc(n > 0 ? n : 1);
    assert_non_null(is);
    assert_non_null(copy);
    memcpy(copy, text, n);
    bool result = is(copy, n);
    free(copy);
    return result;
}

static const struct {
    const char *format, *text;
    bool fits;
} edges[] = {
    {"date", "2024-02-29", true},
    {"date", "2023-02-29", false},
    {"date", "2000-02-29", true},
    {"date", "1900-02-29", false},
    {"date", "2024-00-01", false},
    {"date", "2024-04-31", false},
    {"date", "2024-1-01", false},
    {"time", "23:59:60Z", true},
    {"time", "22:59:60-01:00", true},
    {"time", "22:59:60Z", false},
    {"time", "24:00:00Z", false},
    {"time", "00:00:00", false},
    {"time", "00:00:00.Z", false},
    {"time", "00:00:00.123456789z", true},
    {"time", "00:00:00+24:00", false},
    {"date-time", "2024-02-29T00:00:00Z", true},
    {"date-time", "2024-02-29 00:00:00Z", false},
    {"date-time", "2024-02-29T00:00:00", false},
    {"duration", "P1Y2M3DT4H5M6S", true},
    {"duration", "P4W", true},
    {"duration", "P1Y2D", false},
    {"duration", "PT", false},
    {"duration", "P", false},
    {"duration", "P1DT", false},
    {"duration", "P99999999999999999999W", true},
    {"duration", "PW", false},
    {"email", "a.b+c@example.org", true},
    {"email", "\"a b\"@example.org", true},
    {"email", "a@[127.0.0.1]", true},
    {"email", "a@[IPv6:::1]", true},
    {"email", "a@[ipv6:::1]", true},
    {"email", "a@[IPv\x16:::1]", false},
    {"email", ".a@b", false},
    {"email", "a.@b", false},
    {"email", "a..b@c", false},
    {"email", "a@", false},
    {"email", "@b", false},
    {"email", "a@b@c", false},
    {"email", "a@[", false},
    {"email", "a@]", false},
    {"email", "\"a", false},
    {"hostname", "a-b.c", true},
    {"hostname", "-a", false},
    {"hostname", "a-.b", false},
    {"hostname", "a..b", false},
    {"hostname", "a_b", false},
    {"ipv4", "255.255.255.255", true},
    {"ipv4", "256.0.0.0", false},
    {"ipv4", "01.0.0.0", false},
    {"ipv4", "1.2.3", false},
    {"ipv4", "1.2.3.4.", false},
    {"ipv6", "::", true},
    {"ipv6", "::1", true},
    {"ipv6", "1::", true},
    {"ipv6", "1:2:3:4:5:6:7:8", true},
    {"ipv6", "1:2:3:4:5:6:7::", true},
    {"ipv6", "::ffff:1.2.3.4", true},
    {"ipv6", "1:2:3:4:5:6:1.2.3.4", true},
    {"ipv6", "1:2:3:4:5:6:7:1.2.3.4", false},
    {"ipv6", "1:2:3:4:5:6:7", false},
    {"ipv6", "1:2:3:4:5:6:7:8:9", false},
    {"ipv6", "1:2:3:4:5:6:7:8::", false},
    {"ipv6", "1::2::3", false},
    {"ipv6", ":1", false},
    {"ipv6", "1:", false},
    {"ipv6", ":", false},
    {"ipv6", "12345::", false},
    {"ipv6", "::1%eth0", false},
    {"ipv6", "1.2.3.4", false},
    {"json-pointer", "", true},
    {"json-pointer", "/a~0~1", true},
    {"json-pointer", "a", false},
    {"json-pointer", "/~2", false},
    {"uri", "http://a", true},
    {"uri", "//a", false},
    {"uri-reference", "//a", true},
    {"uuid", "2eb8aa08-aa98-11ea-b4aa-73b441d16380", true},
    {"uuid", "2eb8aa08-aa98-11ea-b4aa-73b441d1638", false},
    {"uuid", "2eb8aa08aa98-11ea-b4aa-73b441d163800", false},
};

static void test_edges(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(edges); i++) {
        if (fits(edges[i].format, edges[i].text, strlen(edges[i].text)) !=
            edges[i].fits) {
            fail_msg("%s %s", edges[i].format, edges[i].text);
        }
    }
}

/* The list for messages is the list of formats; none takes what no format is. */
static void test_names(void **state)
{
    char names[200];
    size_t n = 0;
    (void)state;
    assert_true(strlen(wh_schema_format_names()) < sizeof names);
    strcpy(names, wh_schema_format_names());
    for (char *name = strtok(names, ", "); name != NULL; name = strtok(NULL, ", ")) {
        print_message("%s\n", name);
        assert_false(fits(name, "\0", 1) && strcmp(name, "json-pointer") != 0);
        assert_false(fits(name, "\xff\n", 2));
        assert_true(strcmp(name, "json-pointer") == 0 ||
                    strcmp(name, "uri-reference") == 0 || !fits(name, "", 0));
        n++;
    }
    assert_int_equal(n, 12);
    assert_null(wh_schema_format_get("phone", 5));
    assert_null(wh_schema_format_get("dat", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
