/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A minimal root folder has no /etc/hosts, hence no "localhost": tests that need a name for
 * this machine skip there.
 */
#ifndef WH_TESTS_SUPPORT_LOCALHOST_H
#define WH_TESTS_SUPPORT_LOCALHOST_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>

static inline bool wh_has_localhost(void)
{
    struct addrinfo *list = NULL;
    bool has = getaddrinfo("localhost", NULL, NULL, &list) == 0;

    if (has) {
        freeaddrinfo(list);
    }
    return has;
}

#endif
