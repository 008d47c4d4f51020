/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handler runs on a stack of its own (the fault may be a stack overflow), calls
 * only what is safe in the state at hand, and an alarm ends it should it hang.
 */
#include "worker/executors/host/crash.h"

#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define FRAMES_MAX 32
#define LAST_WORDS_S 2

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};

static void say(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
}

/* SA_RESETHAND has restored the default action already. */
static void on_crash(int signo)
{
    void *frames[FRAMES_MAX];
    char number[] = "signal 00, backtrace:\n";
    (void)signal(SIGALRM, SIG_DFL);
    (void)alarm(LAST_WORDS_S);
    number[7] = (char)('0' + signo / 10 % 10);
    number[8] = (char)('0' + signo % 10);
    say(number);
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
    (void)raise(signo);
}

void wh_crash_install(void)
{
    static char stack[64 * 1024];
    void *frame[1];
    stack_t alt;
    struct sigaction action;
    memset(&alt, 0, sizeof alt);
    alt.ss_sp = stack;
    alt.ss_size = sizeof stack;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_crash;
    action.sa_flags = (int)((unsigned)SA_ONSTACK | (unsigned)SA_RESETHAND);
    (void)sigemptyset(&action.sa_mask);
    (void)backtrace(frame, 1); /* loads what it needs while memory is sound */
    if (sigaltstack(&alt, NULL) != 0) {
        return;
    }
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        (void)sigaction(signals[i], &action, NULL);
    }
}
