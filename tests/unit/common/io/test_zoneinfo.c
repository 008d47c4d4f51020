/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zone files by name, from a folder made here; names that are none.
 */
#include "common/io/zoneinfo.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define SECRET "outside of the folder"

static char root[] = "/tmp/wherry-zoneinfo-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void write_file(const char *name, const char *text, size_t n)
{
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    assert_true(fwrite(text, 1, n, file) == n);
    assert_int_equal(fclose(file), 0);
}

static int make_folder(void **state)
{
    (void)state;
    static char large[65537];
    assert_non_null(mkdtemp(root));
    assert_int_equal(mkdir(path_of("zones"), 0700), 0);
    assert_int_equal(mkdir(path_of("zones/Europe"), 0700), 0);
    write_file("secret", SECRET, strlen(SECRET));
    write_file("zones/Europe/Berlin", "TZif\0Berlin", 11);
    write_file("zones/Large", large, sizeof large);
    write_file("zones/Largest", large, sizeof large - 1);
    write_file("zones/Empty", "", 0);
    write_file("zones/zone.tab", SECRET, strlen(SECRET));
    assert_int_equal(mkfifo(path_of("zones/Pipe"), 0600), 0);
    assert_int_equal(symlink("Europe/Berlin", path_of("zones/Link")), 0);
    return setenv("TZDIR", path_of("zones"), 1);
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"zones/Link",
                                        "zones/Pipe",
                                        "zones/zone.tab",
                                        "zones/Empty",
                                        "zones/Largest",
                                        "zones/Large",
                                        "zones/Europe/Berlin",
                                        "zones/Europe",
                                        "zones",
                                        "secret",
                                        ""};
    for (size_t i = 0; i < LEN(names); i++) {
        (void)remove(path_of(names[i]));
    }
    return 0;
}

static void expect_error(const char *name, wh_err expected, const char *says)
{
    wh_buf bytes = {0};
    wh_errbuf eb = {0};
    wh_err err = wh_zoneinfo_read(name, &bytes, &eb);
    if (err != expected || strstr(eb.text, says) == NULL) {
        fail_msg("\"%s\": error %d: %s", name, (int)err, eb.text);
    }
    assert_null(strstr(wh_buf_str(&bytes), SECRET));
    wh_buf_fini(&bytes);
}

static void test_found(void **state)
{
    (void)state;
    static const char *const names[] = {"Europe/Berlin", "Link"};
    for (size_t i = 0; i < LEN(names); i++) {
        wh_buf bytes = {0};
        assert_int_equal(wh_zoneinfo_read(names[i], &bytes, NULL), WH_OK);
        assert_int_equal(bytes.len, 11);
        assert_memory_equal(bytes.data, "TZif\0Berlin", 11);
        wh_buf_fini(&bytes);
    }
}

static void test_no_names(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",
        "/",
        "../secret",
        "..",
        "Europe/../../secret",
        ".",
        "./Link",
        "/etc/passwd",
        "Europe/",
        "/Europe/Berlin",
        "zone.tab",
        "a//b",
        "Europe\\Berlin",
        "Europe Berlin",
        ":Europe/Berlin",
        "Li\nnk",
        "%2e%2e/secret",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    for (size_t i = 0; i < LEN(names); i++) {
        expect_error(names[i], WH_EINVAL, "such as Europe/Berlin");
    }
    expect_error(NULL, WH_EINVAL, "such as Europe/Berlin");
}

static void test_of_the_host(void **state)
{
    (void)state;
    expect_error("localtime", WH_EINVAL, "localtime: it differs from host to host");
    expect_error("posixrules", WH_EINVAL, "it differs from host to host");
    expect_error("posix/localtime", WH_EINVAL, "it differs from host to host");
}

static void test_not_there(void **state)
{
    (void)state;
    expect_error("Europe/Nowhere", WH_ENOTFOUND, "there is none of this name");
    expect_error("europe/berlin", WH_ENOTFOUND, "upper and lower case");
    expect_error("Link/Berlin", WH_ENOTFOUND, "there is none of this name");
    expect_error("Europe", WH_ENOTFOUND, "give a whole name such as Europe/Berlin");
    expect_error("Pipe", WH_ENOTFOUND, "no file"); /* and does not wait for a writer */
}

static void test_sizes(void **state)
{
    (void)state;
    wh_buf bytes = {0};
    expect_error("Large", WH_ETOOBIG, "larger than 65536 bytes");
    assert_int_equal(wh_zoneinfo_read("Largest", &bytes, NULL), WH_OK);
    assert_int_equal(bytes.len, 65536);
    wh_buf_clear(&bytes);
    assert_int_equal(wh_zoneinfo_read("Empty", &bytes, NULL), WH_OK);
    assert_int_equal(bytes.len, 0);
    wh_buf_fini(&bytes);
}

static void test_no_data(void **state)
{
    (void)state;
    char folder[PATH_MAX], long_folder[2048];
    wh_buf bytes = {0};
    (void)snprintf(folder, sizeof folder, "%s", path_of("zones"));
    assert_int_equal(setenv("TZDIR", path_of("nothing"), 1), 0);
    expect_error("Europe/Berlin", WH_EIO, "install the package tzdata");
    /* UTC needs none */
    assert_int_equal(wh_zoneinfo_read("UTC", &bytes, NULL), WH_OK);
    assert_int_equal(bytes.len, 54);
    assert_memory_equal(bytes.data, "TZif", 4);
    assert_memory_equal(bytes.data + 50, "UTC", 4);
    wh_buf_fini(&bytes);
    memset(long_folder, 'a', sizeof long_folder - 1);
    long_folder[0] = '/';
    long_folder[sizeof long_folder - 1] = '\0';
    assert_int_equal(setenv("TZDIR", long_folder, 1), 0);
    expect_error("Europe/Berlin", WH_EINVAL, "TZDIR is too long");
    assert_int_equal(setenv("TZDIR", folder, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),       cmocka_unit_test(test_no_names),
        cmocka_unit_test(test_of_the_host), cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_sizes),       cmocka_unit_test(test_no_data),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
