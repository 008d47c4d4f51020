/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making partitions and names. The random half of a name keeps two processes apart that
 * have the same host name and pid, as containers do.
 */
#include "worker/partition.h"

#include "common/base/alloc.h"
#include "common/base/rng.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

wh_err wh_partition_incarnation(const char *name, char out[WH_JOB_NAME_MAX + 1])
{
    char tail[32];
    uint32_t random = 0;
    wh_err err = wh_rng_bytes(&random, sizeof random);

    if (err != WH_OK) {
        return err;
    }
    int n = snprintf(tail, sizeof tail, "-%ld-%08lx", (long)getpid(),
                     (unsigned long)random);
    size_t room = WH_JOB_NAME_MAX - (size_t)n;
    size_t len = strlen(name);
    if (len > room) {
        len = room;
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = wh_job_name_ok(&name[i], 1) ? name[i] : '-';
    }
    memcpy(out + len, tail, (size_t)n + 1);
    return WH_OK;
}

wh_err wh_partition_renew(wh_partition *p, const char *name)
{
    char worker[WH_JOB_NAME_MAX + 1];
    wh_err err = wh_partition_incarnation(name, worker);

    if (err == WH_OK) {
        memcpy(p->worker, worker, sizeof p->worker);
        p->generation++;
        p->registered = p->needs_resync = false;
    }
    return err;
}

size_t wh_partition_held(const wh_partition *p)
{
    return p->count[WH_SLOT_WAITING] + p->count[WH_SLOT_RUNNING] +
           p->count[WH_SLOT_FINISHING];
}

static wh_err add(wh_partitions *ps, const char *region, const wh_partition_queue *q,
                  wh_errbuf *eb)
{
    wh_partition *p = &ps->list[ps->n];
    wh_err err = wh_keys_partition(region, q->name, p->key, eb);

    if (err == WH_OK) {
        snprintf(p->region, sizeof p->region, "%s", region);
        snprintf(p->queue, sizeof p->queue, "%s", q->name);
        p->weight = q->weight;
        p->index = ps->n++;
    }
    return err;
}

wh_err wh_partitions_init(wh_partitions *ps, const wh_partitions_setup *o,
                          wh_errbuf *eb)
{
    bool both = o->also_any && strcmp(o->region, "any") != 0;
    char worker[WH_JOB_NAME_MAX + 1];
    wh_err err = wh_partition_incarnation(o->name, worker);

    *ps = (wh_partitions){0};
    if (err == WH_OK) {
        ps->list = wh_calloc(o->n_queues * 2, sizeof *ps->list);
        err = ps->list == NULL ? WH_ENOMEM : WH_OK;
    }
    if (err != WH_OK) {
        return wh_err_set(eb, err, "%s", wh_err_text(err));
    }
    for (size_t i = 0; i < o->n_queues && err == WH_OK; i++) {
        err = add(ps, o->region, &o->queues[i], eb);
        if (err == WH_OK && both) {
            err = add(ps, "any", &o->queues[i], eb);
        }
    }
    for (size_t i = 0; i < ps->n; i++) {
        memcpy(ps->list[i].worker, worker, sizeof worker);
    }
    if (err != WH_OK) {
        wh_partitions_fini(ps);
    }
    return err;
}

void wh_partitions_fini(wh_partitions *ps)
{
    wh_free(ps->list);
    *ps = (wh_partitions){0};
}
