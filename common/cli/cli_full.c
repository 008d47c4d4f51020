/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear probing; the table is never more than half full.
 */
#include "common/cli/cli_full.h"

#include "common/base/alloc.h"

#include <stdint.h>
#include <string.h>

enum { SIZE_MIN = 16 };

/* FNV-1a. */
static uint32_t hash_of(const char *text)
{
    uint32_t h = 2166136261U;

    for (; *text != '\0'; text++) {
        h = (h ^ (uint8_t)*text) * 16777619U;
    }
    return h ^ (h >> 16);
}

/* Where the org stands, or would. */
static size_t place_of(const wh_cli_full *f, const char *org)
{
    size_t at = hash_of(org) & (f->size - 1);

    while (f->orgs[at][0] != '\0' && strcmp(f->orgs[at], org) != 0) {
        at = (at + 1) & (f->size - 1);
    }
    return at;
}

bool wh_cli_full_has(const wh_cli_full *f, const char *org)
{
    return f->n > 0 && f->orgs[place_of(f, org)][0] != '\0';
}

static wh_err grow(wh_cli_full *f)
{
    wh_cli_full wide = {.n = f->n, .size = f->size == 0 ? SIZE_MIN : f->size * 2};

    wide.orgs = wh_calloc(wide.size, sizeof *wide.orgs);
    if (wide.orgs == NULL) {
        return WH_ENOMEM;
    }
    for (size_t i = 0; i < f->size; i++) {
        if (f->orgs[i][0] != '\0') {
            memcpy(wide.orgs[place_of(&wide, f->orgs[i])], f->orgs[i],
                   sizeof f->orgs[i]);
        }
    }
    wh_free(f->orgs);
    *f = wide;
    return WH_OK;
}

wh_err wh_cli_full_add(wh_cli_full *f, const char *org)
{
    size_t len = strlen(org);

    WH_ASSERT(len > 0 && len <= WH_JOB_NAME_MAX);
    if (wh_cli_full_has(f, org)) {
        return WH_OK;
    }
    if (f->n >= f->size / 2 && grow(f) != WH_OK) {
        return WH_ENOMEM;
    }
    memcpy(f->orgs[place_of(f, org)], org, len + 1);
    f->n++;
    return WH_OK;
}

void wh_cli_full_fini(wh_cli_full *f)
{
    wh_free(f->orgs);
    *f = (wh_cli_full){.n = 0};
}
