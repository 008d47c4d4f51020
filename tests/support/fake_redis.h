/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted peer that stands for Redis on a unix socket, in a thread of its own. It
 * accepts one connection after another and works through the script: a step that needs
 * a connection accepts one first. Every wait has a deadline of 10 s. What the client
 * did against the script is told by _error, which every test must look at.
 */
#ifndef WH_TESTS_SUPPORT_FAKE_REDIS_H
#define WH_TESTS_SUPPORT_FAKE_REDIS_H

#include <stddef.h>

typedef enum wh_fake_op {
    WH_FAKE_END = 0, /* as STALL, without complaint when the connection stays open */
    WH_FAKE_EXPECT,  /* one command; its words joined by blanks equal text ("*": any) */
    WH_FAKE_SEND,    /* raw bytes: text (len 0: strlen) */
    WH_FAKE_DRIP,    /* the same, one byte per system call */
    WH_FAKE_HELLO, /* EXPECT "PING" and SEND "+PONG\r\n": all of a handshake without options */
    WH_FAKE_CLOSE, /* close the connection */
    WH_FAKE_STALL, /* read nothing and send nothing until the client hangs up */
    WH_FAKE_FLOOD /* SEND text again and again, `len` times at most, until the client hangs up */
} wh_fake_op;

typedef struct wh_fake_step {
    wh_fake_op op;
    const char *text;
    size_t len;
} wh_fake_step;

typedef struct wh_fake_redis wh_fake_redis;

/* The script ends with a WH_FAKE_END step and must stay valid. Aborts the test when the
 * socket can't be made; never NULL. */
wh_fake_redis *wh_fake_redis_start(const wh_fake_step *script);
/* Ends the thread wherever it is, removes the socket. NULL is legal. */
void wh_fake_redis_stop(wh_fake_redis *f);
const char *wh_fake_redis_path(const wh_fake_redis *f);
/* NULL as long as the client follows the script. */
const char *wh_fake_redis_error(wh_fake_redis *f);
/* How many steps are done. */
size_t wh_fake_redis_steps(wh_fake_redis *f);

#endif
