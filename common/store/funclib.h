/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads the Lua library: probes wh1_version, loads when missing, replaces a lower
 * revision, never a higher one (a newer process shares this Redis); "already exists" of
 * a racing loader counts as success. The store loads at most once a second.
 */
#ifndef WH_COMMON_STORE_FUNCLIB_H
#define WH_COMMON_STORE_FUNCLIB_H

#include "common/base/err.h"
#include "common/io/conn.h"

typedef struct wh_funclib_status {
    int major, revision; /* on the server; 0: none */
    char hash[33];
    int own_major, own_revision;
    char own_hash[33];
    bool loaded_now, newer_there;
} wh_funclib_status;

typedef void wh_funclib_fn(void *arg, wh_err err, const wh_errbuf *eb,
                           const wh_funclib_status *st);
/* Probe only, or probe and load (force: replace an equal or lower revision too). The callback comes exactly once. */
wh_err wh_funclib_probe(wh_conn *c, wh_funclib_fn *cb, void *arg) WH_MUSTCHECK;
wh_err wh_funclib_load(wh_conn *c, bool force, wh_funclib_fn *cb,
                       void *arg) WH_MUSTCHECK;

/* Tests put the test build of the bundle in place of the shipped one; NULL restores. */
void wh_funclib_set_bundle(const char *text, size_t len);

#endif
