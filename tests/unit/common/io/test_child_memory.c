/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose memory counts as a child's: that of its group, of its descendants in groups of
 * their own, of daemons that it left to us; and shared pages only once when asked so.
 */
#include "common/io/child.h"
#include "tests/support/loop_wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#define MIB (INT64_C(1) << 20)
/* Holds 64 MiB until it is killed; its pipe's other end stays open. */
#define FAT "{ head -c 67108864 /dev/zero; sleep 1000; } | tail -c 67108864 >/dev/null"

typedef struct fixture {
    wh_loop *loop;
    wh_child *child, *other;
} fixture;

static int setup(void **state)
{
    fixture *f = test_calloc(1, sizeof *f);

    assert_int_equal(wh_loop_new(&f->loop), WH_OK);
    assert_int_equal(wh_child_setup(f->loop, NULL), WH_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    wh_child_free(f->child);
    wh_child_free(f->other);
    wh_loop_free(f->loop);
    wh_child_teardown();
    while (waitpid(-1, NULL, 0) > 0) {
    }
    test_free(f);
    return 0;
}

static wh_child *shell(fixture *f, const char *script)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    const wh_child_options o = {.argv = argv};
    wh_errbuf eb = {0};
    wh_child *c = NULL;

    if (wh_child_spawn(f->loop, &o, &c, &eb) != WH_OK) {
        fail_msg("%s", eb.text);
    }
    return c;
}

static void is_seen(fixture *f, const char *script)
{
    f->other = shell(f, "exec sleep 1000");
    f->child = shell(f, script);
    WH_WAIT_FOR(f->loop, wh_child_rss(f->child) > 60 * MIB);
    assert_true(wh_child_pss(f->child) > 60 * MIB);
    assert_in_range(wh_child_rss(f->other), 1, 20 * MIB);
    assert_true(wh_child_rss_self() > 0);
}

static void a_subprocess(void **state)
{
    is_seen(*state, FAT);
}

static void one_in_a_session_of_its_own(void **state)
{
    is_seen(*state, "setsid sh -c '" FAT "' & wait");
}

static void one_whose_parent_ended(void **state)
{
    is_seen(*state, "(" FAT " &); exec sleep 1000");
}

static void a_daemon(void **state)
{
    is_seen(*state, "(setsid sh -c '" FAT "' &); exec sleep 1000");
}

/* Copies of a fat process that share its pages. */
static void shared_pages(void **state)
{
    fixture *f = *state;

    f->child = shell(f, "x=$(head -c 33554432 /dev/zero | tr '\\0' x)\n"
                        "for i in 1 2 3 4 5; do (sleep 1000; : \"$x\") & done; wait");
    WH_WAIT_FOR(f->loop, wh_child_rss(f->child) > 6 * 32 * MIB);
    int64_t pss = wh_child_pss(f->child);
    assert_true(pss > 30 * MIB);
    assert_true(pss < wh_child_rss(f->child) / 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_subprocess),           TEST(one_in_a_session_of_its_own),
        TEST(one_whose_parent_ended), TEST(a_daemon),
        TEST(shared_pages),
    };

    return cmocka_run_group_tests_name("child_memory", tests, NULL, NULL);
}
