/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real redis-server of a test's own: on a unix socket in a fresh temporary folder,
 * no TCP port, no snapshots. It dies with the test that started it (also when the test
 * is killed). Anything that goes wrong here prints why and aborts the test, so callers
 * need not check. The program is `redis-server`, or what WH_REDIS_SERVER names.
 */
#ifndef WH_TESTS_SUPPORT_REDIS_FIXTURE_H
#define WH_TESTS_SUPPORT_REDIS_FIXTURE_H

#include <stdarg.h>
#include <sys/types.h>

struct redisReply;
typedef struct wh_redis_fixture wh_redis_fixture;

/* extra: NULL-terminated arguments that come last and so win over the defaults
 * (save "", appendonly no), e.g. {"--appendonly", "yes", "--appendfsync", "always", NULL};
 * NULL: none. Returns once the server answers PING. Never NULL. */
wh_redis_fixture *wh_redis_fixture_start(const char *const *extra);
/* Stops the server and removes its folder. NULL is legal. */
void wh_redis_fixture_stop(wh_redis_fixture *f);

/* The unix socket; "unix://" and the same; the temporary folder (data, log). */
const char *wh_redis_fixture_path(const wh_redis_fixture *f);
const char *wh_redis_fixture_url(const wh_redis_fixture *f);
const char *wh_redis_fixture_dir(const wh_redis_fixture *f);
pid_t wh_redis_fixture_pid(const wh_redis_fixture *f);

/* SIGKILL, and wait until it is gone. The folder stays. */
void wh_redis_fixture_kill9(wh_redis_fixture *f);
/* Start again on the same folder and socket (after _kill9; a running one is ended
 * with SIGTERM first). Waits until it has loaded its data. */
void wh_redis_fixture_restart(wh_redis_fixture *f);
/* SIGSTOP and SIGCONT. */
void wh_redis_fixture_pause(wh_redis_fixture *f);
void wh_redis_fixture_resume(wh_redis_fixture *f);

/* A command over a blocking helper connection (reconnected when it broke), formatted by
 * hiredis (%s, %b …). The reply is the caller's to free with freeReplyObject; error
 * replies are returned like others. NULL only if the server can't be reached or does
 * not answer within 10 s. */
struct redisReply *wh_redis_fixture_cmd(wh_redis_fixture *f, const char *fmt, ...);
struct redisReply *wh_redis_fixture_vcmd(wh_redis_fixture *f, const char *fmt,
                                         va_list ap);
/* The same with an argument vector; lens NULL: C strings. */
struct redisReply *wh_redis_fixture_argv(wh_redis_fixture *f, int argc,
                                         const char **argv, const size_t *lens);
/* The integer a command returns (a string reply is parsed, nil is 0); aborts on any other reply. */
long long wh_redis_fixture_int(wh_redis_fixture *f, const char *fmt, ...);

/* A TCP port of 127.0.0.1 that nobody listens on at the moment. */
int wh_redis_fixture_free_port(void);

#endif
