/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading is the one thing here that changes what other processes run, so only
 * `functions load` does it to a library that is there already.
 */
#include "common/cli/cli_functions.h"

#include "common/cli/cli_out.h"
#include "common/cli/cli_redis.h"

#include <stdio.h>
#include <string.h>

static const char *verdict(const wh_funclib_status *st)
{
    if (st->revision == 0) {
        return "missing";
    }
    if (st->newer_there) {
        return "newer";
    }
    if (st->revision < st->own_revision) {
        return "older";
    }
    return strcmp(st->hash, st->own_hash) == 0 ? "same" : "differs";
}

static wh_exit print(wh_cli *c, const wh_funclib_status *st)
{
    wh_buf out = {0};

    if (c->json) {
        wh_buf_addf(&out,
                    "{\"state\":\"%s\",\"loaded_now\":%s,\"major\":%d,\"revision\":%d,"
                    "\"hash\":\"%s\",\"own_major\":%d,\"own_revision\":%d,"
                    "\"own_hash\":\"%s\"}\n",
                    verdict(st), st->loaded_now ? "true" : "false", st->major,
                    st->revision, st->hash, st->own_major, st->own_revision,
                    st->own_hash);
    } else {
        wh_buf_addf(&out, "state       %s%s\n", verdict(st),
                    st->loaded_now ? " (loaded now)" : "");
        if (st->revision > 0) {
            wh_buf_addf(&out, "in Redis    %d.%d  %s\n", st->major, st->revision,
                        st->hash);
        }
        wh_buf_addf(&out, "this wherry %d.%d  %s\n", st->own_major, st->own_revision,
                    st->own_hash);
    }
    return wh_cli_out_print(c, &out);
}

bool wh_cli_functions_is_ours(const wh_funclib_status *st)
{
    size_t len = strlen(st->hash);

    return st->revision == 0 ||
           (len > 0 && strspn(st->hash, "0123456789abcdef") == len);
}

/* An answer of wh1_version that Wherry's library never gives: some other library took the
 * name, and loading ours would not take it back. */
static wh_exit fail_foreign(wh_cli *c, const char *text)
{
    wh_cli_error(c,
                 "the function wh1_version in Redis is somebody else's: %s; find that "
                 "library with redis-cli FUNCTION LIST, remove it with FUNCTION DELETE",
                 text);
    return wh_err_exit(WH_EVERSION);
}

static wh_exit fail(wh_cli *c, wh_err err, const wh_errbuf *eb)
{
    bool is_foreign = err == WH_EREDIS || err == WH_EBADDATA ||
                      (err == WH_EVERSION && strstr(eb->text, "wh1_version") != NULL);

    return is_foreign ? fail_foreign(c, eb->text) : wh_cli_fail(c, err, eb);
}

static wh_exit act(wh_cli *c, bool load, wh_funclib_status *st)
{
    bool force = load && wh_cli_args_has(&c->args, "force");
    wh_errbuf eb = {.code = WH_OK};
    wh_exit status = wh_cli_redis_open_raw(c);

    if (status != WH_EXIT_OK) {
        return status;
    }
    wh_err err = wh_session_library(c->session, load, force, st, &eb);
    if (err != WH_OK) {
        return fail(c, err, &eb);
    }
    return wh_cli_functions_is_ours(st)
               ? print(c, st)
               : fail_foreign(c, "its answer holds no hash of a library");
}

wh_exit wh_cli_functions_load(wh_cli *c)
{
    wh_funclib_status st = {.major = 0};
    wh_exit status = act(c, true, &st);

    if (status == WH_EXIT_OK && st.newer_there) {
        wh_cli_note(c,
                    "a newer library is there; it serves older programs too and stays");
    }
    return status;
}

wh_exit wh_cli_functions_status(wh_cli *c)
{
    wh_funclib_status st = {.major = 0};
    wh_exit status = act(c, false, &st);

    if (status == WH_EXIT_OK && st.revision == 0) {
        wh_cli_note(c, "not loaded; wherry functions load does it");
        return WH_EXIT_NOTFOUND;
    }
    return status;
}
