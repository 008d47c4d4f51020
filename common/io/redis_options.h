/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options redis.*, which all daemons have: their rows, the checks that a row can't
 * make, and the connection's options that come of them. Included by the programs'
 * options.h. Errors name the option first ("redis.ca_file: …"), for wh_conf_blame.
 */
#ifndef WH_COMMON_IO_REDIS_OPTIONS_H
#define WH_COMMON_IO_REDIS_OPTIONS_H

#include "common/base/conf.h"
#include "common/io/conn.h"

typedef struct wh_redis_options {
    char *url, *user, *password;
    char *ca_file, *cert_file, *key_file;
    int64_t timeout_ms;
} wh_redis_options;

enum { WH_REDIS_OPTIONS_COUNT = 7 };

/* Offsets are within wh_redis_options. */
extern const wh_opt wh_redis_options_rows[WH_REDIS_OPTIONS_COUNT];

/* Do the options fit each other? Opens no file. WH_ECONFIG. */
wh_err wh_redis_options_check(const wh_redis_options *o, wh_errbuf *eb) WH_MUSTCHECK;
/* The URL with user and password of their own options put in. */
wh_err wh_redis_options_endpoint(const wh_redis_options *o, wh_endpoint *out,
                                 wh_errbuf *eb) WH_MUSTCHECK;
/* Sets endpoint (to be ended with wh_endpoint_fini), TLS files (borrowed) and time-out,
 * after a look into the files. WH_ECONFIG. */
wh_err wh_redis_options_conn(const wh_redis_options *o, wh_conn_options *out,
                             wh_errbuf *eb) WH_MUSTCHECK;

#endif
