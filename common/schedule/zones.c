/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flat array: nobody has more than the few hundred names that there are.
 */
#include "common/schedule/zones.h"

#include "common/base/alloc.h"
#include "common/io/zoneinfo.h"

#include <string.h>

struct wh_zones_entry {
    char name[WH_ZONEINFO_NAME_MAX + 1];
    wh_zone *zone;
};

static wh_err load(const char *name, wh_zone **out, wh_errbuf *eb)
{
    wh_buf bytes = {0};
    wh_errbuf why = {0};
    wh_err err = wh_zoneinfo_read(name, &bytes, eb);

    if (err == WH_OK) {
        err = wh_zone_parse(bytes.data, bytes.len, out, &why);
        if (err != WH_OK) {
            (void)wh_err_set(eb, err, "time zone %s: %s", name, why.text);
        }
    }
    wh_buf_fini(&bytes);
    return err;
}

wh_err wh_zones_get(wh_zones *z, const char *name, const wh_zone **out, wh_errbuf *eb)
{
    *out = NULL;
    if (name == NULL || strcmp(name, "UTC") == 0) {
        return WH_OK;
    }
    for (size_t i = 0; i < z->n; i++) {
        if (strcmp(z->entries[i].name, name) == 0) {
            *out = z->entries[i].zone;
            return WH_OK;
        }
    }
    struct wh_zones_entry *grown =
        wh_grow(z->entries, &z->cap, z->n + 1, sizeof *z->entries);
    if (grown == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    z->entries = grown;
    wh_zone *zone = NULL;
    wh_err err = load(name, &zone, eb);
    if (err != WH_OK) {
        return err;
    }
    struct wh_zones_entry *e = &z->entries[z->n++];
    memcpy(e->name, name, strlen(name) + 1); /* a name that was read has a fit length */
    e->zone = zone;
    *out = zone;
    return WH_OK;
}

void wh_zones_clear(wh_zones *z)
{
    for (size_t i = 0; i < z->n; i++) {
        wh_zone_free(z->entries[i].zone);
    }
    wh_free(z->entries);
    *z = (wh_zones){0};
}
