/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All bytes of a small file: a configuration, a secret, a schema, a time zone.
 */
#ifndef WH_COMMON_BASE_CONF_READ_H
#define WH_COMMON_BASE_CONF_READ_H

#include "common/base/buf.h"
#include "common/base/err.h"

typedef struct wh_conf_read_result {
    wh_buf text;
    unsigned mode; /* permission bits of the file */
} wh_conf_read_result;

/* All of a file of at most max bytes; WH_EIO, WH_ETOOBIG fill eb. */
wh_err wh_conf_read(const char *path, size_t max, wh_conf_read_result *out,
                    wh_errbuf *eb) WH_MUSTCHECK;
/* Appends what is left of an open file; the path is for messages. */
wh_err wh_conf_read_fd(int fd, const char *path, size_t max, wh_buf *out,
                       wh_errbuf *eb) WH_MUSTCHECK;
/* Overwrites and frees the text: it may hold secrets. */
void wh_conf_read_fini(wh_conf_read_result *r);

#endif
