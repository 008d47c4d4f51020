/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree of the C library (tsearch) of the names.
 */
#define _GNU_SOURCE /* tdestroy */
#include "common/cli/cli_full.h"

#include "common/base/alloc.h"

#include <search.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

bool wh_cli_full_has(const wh_cli_full *f, const char *org)
{
    return tfind(org, &f->tree, compare) != NULL;
}

wh_err wh_cli_full_add(wh_cli_full *f, const char *org)
{
    if (wh_cli_full_has(f, org)) {
        return WH_OK;
    }
    char *name = wh_strdup(org);
    if (name == NULL) {
        return WH_ENOMEM;
    }
    if (tsearch(name, &f->tree, compare) == NULL) {
        wh_free(name);
        return WH_ENOMEM;
    }
    f->n++;
    return WH_OK;
}

void wh_cli_full_fini(wh_cli_full *f)
{
    tdestroy(f->tree, wh_free);
    *f = (wh_cli_full){.tree = NULL};
}
