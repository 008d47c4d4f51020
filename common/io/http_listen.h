/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between http.c and http_listen.c. wh_http_listen_check, for everybody, is in http.h.
 */
#ifndef WH_COMMON_IO_HTTP_LISTEN_H
#define WH_COMMON_IO_HTTP_LISTEN_H

#include "common/base/err.h"

/* A listening socket for "ADDRESS:PORT", "[IPV6]:PORT" or ":PORT", and its port. The
 * caller closes it; -1 on failure. */
wh_err wh_http_listen_open(const char *text, int *out, int *port_out,
                           wh_errbuf *eb) WH_MUSTCHECK;

#endif
