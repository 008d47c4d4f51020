/* SPDX-License-Identifier: Apache-2.0 */
/* Children: what they get, what they do not get, and that nothing of them stays. */
#include "common/base/buf.h"
#include "common/io/child.h"
#include "tests/support/loop_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct fixture {
    wh_loop *loop;
    wh_child *child;
    int exits, status;
    int out[2]; /* the child's fd 1 */
    bool free_on_exit;
} fixture;

static int setup(void **state)
{
    fixture *f = test_calloc(1, sizeof *f);

    assert_int_equal(wh_loop_new(&f->loop), WH_OK);
    assert_int_equal(wh_child_setup(f->loop, NULL), WH_OK);
    assert_int_equal(pipe(f->out), 0); /* without CLOEXEC on purpose */
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    wh_child_free(f->child);
    close(f->out[0]);
    close(f->out[1]);
    wh_loop_free(f->loop);
    while (waitpid(-1, NULL, 0) > 0) { /* killed by _free, not yet reaped */
    }
    test_free(f);
    return 0;
}

static void on_exit_status(void *arg, int status)
{
    fixture *f = arg;

    f->exits++;
    f->status = status;
    if (f->free_on_exit) {
        wh_child_free(f->child);
        f->child = NULL;
    }
}

static wh_err spawn(fixture *f, const char *const *argv, wh_child_options o,
                    wh_errbuf *eb)
{
    const wh_child_fd fds[] = {{f->out[1], 1}};

    o.argv = argv;
    if (o.fds == NULL) {
        o.fds = fds;
        o.n_fds = 1;
    }
    o.on_exit = on_exit_status;
    o.arg = f;
    return wh_child_spawn(f->loop, &o, &f->child, eb);
}

static void shell(fixture *f, const char *script, wh_child_options o)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    wh_errbuf eb = {0};

    if (spawn(f, argv, o, &eb) != WH_OK) {
        fail_msg("%s", eb.text);
    }
}

/* The number that the child wrote, 0: none yet. */
static const char *output(fixture *f);
static pid_t output_pid(fixture *f)
{
    return (pid_t)strtol(output(f), NULL, 10);
}

/* What the child wrote; it has exited, or writes no more than fits a pipe. */
static const char *output(fixture *f)
{
    static char text[4096];
    ssize_t n;

    assert_int_equal(fcntl(f->out[0], F_SETFL, O_NONBLOCK), 0);
    n = read(f->out[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void status_arrives_once(void **state)
{
    char text[64];
    fixture *f = *state;

    shell(f, "exit 3", (wh_child_options){0});
    assert_true(wh_child_is_running(f->child));
    assert_true(wh_child_pid(f->child) > 1);
    assert_int_equal(f->exits, 0);
    WH_WAIT_FOR(f->loop, f->exits == 1);
    assert_false(wh_child_is_running(f->child));
    wh_child_describe(f->status, text, sizeof text);
    assert_string_equal(text, "exit status 3");
    assert_int_equal(wh_child_rss(f->child), -1);
    wh_child_kill(f->child, SIGKILL); /* legal, without effect */
    assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    assert_int_equal(f->exits, 1);
}

static void signals_are_described(void **state)
{
    char text[64];
    fixture *f = *state;

    shell(f, "kill -SEGV $$", (wh_child_options){0});
    WH_WAIT_FOR(f->loop, f->exits == 1);
    wh_child_describe(f->status, text, sizeof text);
    assert_string_equal(text, "signal 11 (SIGSEGV)");
    wh_child_describe(33, text, sizeof text);
    assert_string_equal(text, "signal 33");
}

static void environment_folder_and_arguments(void **state)
{
    static const char *const env[] = {"PATH=/usr/bin:/bin", "A=b c", NULL};
    fixture *f = *state;

    shell(f, "pwd; echo \"$A|$HOME\"", (wh_child_options){.env = env, .dir = "/usr"});
    WH_WAIT_FOR(f->loop, f->exits == 1);
    assert_string_equal(output(f), "/usr\nb c|\n");
}

static void only_chosen_fds_are_open(void **state)
{
    fixture *f = *state;
    int secret = open("/dev/zero", O_RDONLY);
    char script[200];

    snprintf(script, sizeof script,
             "for n in 0 2 3 %d %d 10; do [ -e /proc/self/fd/$n ] && "
             "echo $n $(readlink /proc/$$/fd/$n); done; true",
             secret, f->out[0]);
    const wh_child_fd fds[] = {{f->out[1], 1}};
    shell(f, script, (wh_child_options){.fds = fds, .n_fds = 1});
    WH_WAIT_FOR(f->loop, f->exits == 1);
    assert_string_equal(output(f), "0 /dev/null\n2 /dev/null\n");
    close(secret);
}

/* Numbers that cross: what is 3 here becomes 4 there and the other way round. */
static void fds_may_be_swapped(void **state)
{
    fixture *f = *state;
    int a = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    int b = open("/dev/full", O_WRONLY | O_CLOEXEC);
    const wh_child_fd fds[] = {{f->out[1], 1}, {a, b}, {b, a}, {f->out[1], 63}};
    char script[200];

    snprintf(script, sizeof script,
             "readlink /proc/$$/fd/%d /proc/$$/fd/%d; echo x >&63", a, b);
    /* dash knows no two-digit fd: bash would, so write through /proc. */
    snprintf(script, sizeof script,
             "readlink /proc/$$/fd/%d /proc/$$/fd/%d; echo x > /proc/$$/fd/63", a, b);
    shell(f, script, (wh_child_options){.fds = fds, .n_fds = 4});
    WH_WAIT_FOR(f->loop, f->exits == 1);
    assert_string_equal(output(f), "/dev/full\n/dev/zero\nx\n");
    close(a);
    close(b);
}

static void signals_are_as_after_login(void **state)
{
    fixture *f = *state;

    shell(f, "grep -E '^Sig(Blk|Ign)' /proc/self/status | cut -f2",
          (wh_child_options){0});
    WH_WAIT_FOR(f->loop, f->exits == 1);
    assert_string_equal(output(f), "0000000000000000\n0000000000000000\n");
}

static void kill_reaches_the_group(void **state)
{
    fixture *f = *state;
    char text[32];
    pid_t grandchild = 0;

    shell(f, "sleep 1000 & echo $!; wait", (wh_child_options){0});
    WH_WAIT_FOR(f->loop, (grandchild = output_pid(f)) > 0);
    assert_true(wh_child_rss(f->child) > 0);
    assert_int_equal(getpgid(grandchild), wh_child_pid(f->child));
    wh_child_kill(f->child, SIGTERM);
    WH_WAIT_FOR(f->loop, f->exits == 1);
    wh_child_describe(f->status, text, sizeof text);
    assert_string_equal(text, "signal 15 (SIGTERM)");
    WH_WAIT_FOR(f->loop, kill(grandchild, 0) != 0 && errno == ESRCH);
}

static void leftovers_die_with_the_leader(void **state)
{
    fixture *f = *state;
    pid_t grandchild = 0;

    shell(f, "sleep 1000 & echo $!", (wh_child_options){0});
    WH_WAIT_FOR(f->loop, f->exits == 1);
    grandchild = output_pid(f);
    assert_true(grandchild > 0);
    /* An orphan comes to us, and is reaped although nobody asked for it. */
    WH_WAIT_FOR(f->loop, kill(grandchild, 0) != 0 && errno == ESRCH);
    assert_int_equal(f->exits, 1);
}

/* A daemon leaves group and session; its mark, which its own children inherit, stays. */
static const char daemon_script[] =
    "setsid sh -c 'echo $$; trap \"\" TERM; sleep 1000; :' >&1 &\n";

static void daemons_die_with_the_leader(void **state)
{
    fixture *f = *state;
    char script[200];
    pid_t daemon = 0;

    (void)snprintf(script, sizeof script, "%sread x", daemon_script);
    shell(f, script, (wh_child_options){0}); /* reads from /dev/null: ends at once */
    WH_WAIT_FOR(f->loop, f->exits == 1);
    daemon = output_pid(f);
    if (daemon > 0) { /* else it died before it had said a word */
        WH_WAIT_FOR(f->loop, kill(daemon, 0) != 0 && errno == ESRCH);
    }
    assert_int_equal(f->exits, 1);
}

static void daemons_die_when_it_is_killed(void **state)
{
    fixture *f = *state;
    char script[200];
    pid_t daemon = 0;

    (void)snprintf(script, sizeof script, "%ssleep 1000", daemon_script);
    shell(f, script, (wh_child_options){0});
    WH_WAIT_FOR(f->loop, (daemon = output_pid(f)) > 0);
    assert_int_not_equal(getpgid(daemon), wh_child_pid(f->child));
    assert_int_equal(kill(daemon, SIGTERM), 0);
    wh_child_kill(f->child, SIGKILL);
    WH_WAIT_FOR(f->loop, f->exits == 1);
    WH_WAIT_FOR(f->loop, kill(daemon, 0) != 0 && errno == ESRCH);
}

static void free_kills_without_a_word(void **state)
{
    fixture *f = *state;
    pid_t pid;

    shell(f, "trap '' TERM; while :; do sleep 1000; done", (wh_child_options){0});
    pid = wh_child_pid(f->child);
    wh_child_free(f->child);
    f->child = NULL;
    WH_WAIT_FOR(f->loop, kill(pid, 0) != 0 && errno == ESRCH);
    assert_int_equal(f->exits, 0);
    wh_child_free(NULL);
}

static void free_in_on_exit(void **state)
{
    fixture *f = *state;

    f->free_on_exit = true;
    shell(f, ":", (wh_child_options){0});
    WH_WAIT_FOR(f->loop, f->exits == 1);
    assert_null(f->child);
}

static void many_at_once(void **state)
{
    enum { N = 40 };
    const char *const argv[] = {"true", NULL};
    fixture *f = *state;
    wh_child *children[N];

    for (int i = 0; i < N; i++) {
        assert_int_equal(spawn(f, argv, (wh_child_options){0}, NULL), WH_OK);
        children[i] = f->child;
        f->child = NULL;
    }
    WH_WAIT_FOR(f->loop, f->exits == N);
    for (int i = 0; i < N; i++) {
        assert_false(wh_child_is_running(children[i]));
        wh_child_free(children[i]);
    }
}

static void memory_limit_holds(void **state)
{
    fixture *f = *state;

    shell(f, "grep 'Max address space' /proc/self/limits | tr -s ' ' | cut -d' ' -f4,5",
          (wh_child_options){.memory_limit = INT64_C(256) * 1024 * 1024});
    WH_WAIT_FOR(f->loop, f->exits == 1);
    assert_string_equal(output(f), "268435456 268435456\n");
}

static void what_can_not_run(void **state)
{
    char path[] = "/tmp/wh-child-XXXXXX";
    const char *const missing[] = {"no-such-program-here", NULL};
    const char *const gone[] = {"/nonexistent/program", NULL};
    const char *const empty[] = {NULL};
    const char *const no_format[] = {path, NULL};
    const char *const fine[] = {"true", NULL};
    fixture *f = *state;
    const wh_child_fd fds[] = {{f->out[1], 2}};
    const wh_child_fd bad[] = {{f->out[1], 64}};
    wh_errbuf eb = {0};

    assert_int_equal(spawn(f, missing, (wh_child_options){0}, &eb), WH_ENOTFOUND);
    assert_non_null(strstr(eb.text, "no-such-program-here"));
    assert_int_equal(spawn(f, empty, (wh_child_options){0}, &eb), WH_EINVAL);
    assert_int_equal(spawn(f, fine, (wh_child_options){.dir = "/nonexistent"}, &eb),
                     WH_ENOTFOUND);
    assert_int_equal(spawn(f, fine, (wh_child_options){.fds = bad, .n_fds = 1}, &eb),
                     WH_EINVAL);
    assert_null(f->child);

    assert_int_equal(spawn(f, gone, (wh_child_options){.fds = fds, .n_fds = 1}, &eb),
                     WH_OK);
    WH_WAIT_FOR(f->loop, f->exits == 1);
    assert_int_equal(WEXITSTATUS(f->status), 127);
    assert_string_equal(
        output(f), "wherry: cannot run /nonexistent/program: exec failed, errno 2\n");
    wh_child_free(f->child);

    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0700), 0);
    close(fd);
    fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd,
                           "\x7f"
                           "ELF",
                           4),
                     4);
    close(fd);
    assert_int_equal(
        spawn(f, no_format, (wh_child_options){.fds = fds, .n_fds = 1}, &eb), WH_OK);
    WH_WAIT_FOR(f->loop, f->exits == 2);
    assert_int_equal(WEXITSTATUS(f->status), 126);
    unlink(path);
}

/* A parent that is killed leaves nothing: the child is in a process of its own here. */
static void children_die_with_their_parent(void **state)
{
    fixture *f = *state;
    int grandchild = 0;
    pid_t parent = fork();

    if (parent == 0) {
        wh_loop *l = NULL;
        wh_child *c = NULL;
        const char *const argv[] = {"sleep", "1000", NULL};
        const wh_child_options o = {.argv = argv};

        if (wh_loop_new(&l) != WH_OK || wh_child_spawn(l, &o, &c, NULL) != WH_OK ||
            dprintf(f->out[1], "%d\n", (int)wh_child_pid(c)) < 0) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    WH_WAIT_FOR(f->loop, (grandchild = output_pid(f)) > 0);
    assert_int_equal(kill(grandchild, 0), 0);
    assert_int_equal(kill(parent, SIGKILL), 0);
    WH_WAIT_FOR(f->loop, kill(grandchild, 0) != 0 && errno == ESRCH);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(status_arrives_once),
        TEST(signals_are_described),
        TEST(environment_folder_and_arguments),
        TEST(only_chosen_fds_are_open),
        TEST(fds_may_be_swapped),
        TEST(signals_are_as_after_login),
        TEST(kill_reaches_the_group),
        TEST(leftovers_die_with_the_leader),
        TEST(daemons_die_with_the_leader),
        TEST(daemons_die_when_it_is_killed),
        TEST(free_kills_without_a_word),
        TEST(free_in_on_exit),
        TEST(many_at_once),
        TEST(memory_limit_holds),
        TEST(what_can_not_run),
        TEST(children_die_with_their_parent),
    };

    return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
