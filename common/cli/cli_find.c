/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One wh1_job per partition until one knows the id.
 */
#include "common/cli/cli_find.h"

#include <string.h>

wh_err wh_cli_find_in(wh_cli *c, const wh_cli_partition *p, const char *id,
                      wh_job_record *rec, wh_errbuf *eb)
{
    const wh_reply *reply = NULL;
    wh_call call;

    wh_job_record_fini(rec);
    wh_call_init(&call, "wh1_job", true, p->key);
    wh_call_args(&call, id);
    wh_err err = wh_cli_redis_try(c, &call, &reply, eb);
    if (err != WH_OK) {
        return err;
    }
    err = wh_store_read_record(reply, rec);
    return err == WH_OK ? WH_OK : wh_err_set(eb, err, "%s", wh_err_text(err));
}

/* The default partition counts too: a producer may use one that no worker named yet. */
static wh_exit candidates(wh_cli *c, wh_cli_partitions *out)
{
    wh_cli_partition dflt = {.key = ""};
    wh_exit status = wh_cli_partition_all(c, NULL, out);

    if (status == WH_EXIT_OK) {
        status = wh_cli_partition_default(c, &dflt);
    }
    if (status == WH_EXIT_OK && !wh_cli_partition_in(out, &dflt)) {
        out->list[out->n++] = dflt; /* room for one more was left */
    }
    return status;
}

/* WH_ENOTFOUND when none of them has it; *damage: so many could not be asked. */
static wh_err search(wh_cli *c, const wh_cli_partitions *all, const char *id,
                     wh_cli_partition *where, wh_job_record *rec, size_t *damage)
{
    wh_err err = WH_ENOTFOUND;

    for (size_t i = 0; i < all->n && err == WH_ENOTFOUND; i++) {
        wh_errbuf eb = {.code = WH_OK};

        *where = all->list[i];
        err = wh_cli_find_in(c, where, id, rec, &eb);
        if (wh_cli_redis_is_damage(err)) {
            (void)wh_cli_redis_fail(c, where, err, &eb);
            (*damage)++;
            err = WH_ENOTFOUND;
        } else if (err != WH_OK && err != WH_ENOTFOUND) {
            (void)wh_cli_redis_fail(c, where, err, &eb);
        }
    }
    return err;
}

wh_exit wh_cli_find_job(wh_cli *c, const char *id, wh_cli_partition *where,
                        wh_job_record *rec)
{
    wh_cli_partitions all = {.list = NULL};
    uint8_t raw[WH_UUID_BYTES];
    size_t damage = 0;

    wh_job_record_init(rec);
    if (!wh_rng_uuid_parse(id, strlen(id), raw)) {
        return wh_cli_usage(c,
                            "\"%.60s\" is no job id; an id has 36 characters, like "
                            "0190c6a0-1c6e-7c3a-9d52-3f1f0a4b2c11",
                            id);
    }
    wh_exit status = candidates(c, &all);
    if (status == WH_EXIT_OK) {
        wh_err err = search(c, &all, id, where, rec, &damage);

        status = err == WH_OK ? WH_EXIT_OK : wh_err_exit(err);
        if (err == WH_ENOTFOUND) {
            wh_cli_error(c,
                         "there is no job %s in %s%s: either it never was there, or "
                         "it has ended and is not kept (wherry queue set: keep, "
                         "keep-count)",
                         id, all.n == 1 ? all.list[0].name : "any of the partitions",
                         c->has_partition ? "" : " (see wherry queue list)");
            status = damage > 0 ? WH_EXIT_DATA : WH_EXIT_NOTFOUND;
        }
    }
    wh_cli_partition_list_fini(&all);
    return status;
}
