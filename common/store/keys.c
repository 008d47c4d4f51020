/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys are plain text with one hash tag, so everything of a partition lies in one
 * Cluster slot. Names are checked before they become part of a key: a brace or a colon
 * in one would move the tag.
 */
#include "common/store/keys.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "wh:{"
#define PREFIX_LEN (sizeof PREFIX - 1)

static wh_err check_name(const char *what, const char *name, wh_errbuf *eb)
{
    if (name == NULL || !wh_job_name_ok(name, strlen(name))) {
        return wh_err_set(eb, WH_EINVAL,
                          "%s: a name is 1 to %d of A-Z a-z 0-9 _ . - (got \"%.80s\")",
                          what, WH_JOB_NAME_MAX, name == NULL ? "" : name);
    }
    return WH_OK;
}

wh_err wh_keys_partition(const char *region, const char *queue,
                         char out[WH_KEYS_PARTITION_MAX], wh_errbuf *eb)
{
    wh_err err = check_name("region", region, eb);

    if (err == WH_OK) {
        err = check_name("queue", queue, eb);
    }
    if (err != WH_OK) {
        out[0] = '\0';
        return err;
    }
    snprintf(out, WH_KEYS_PARTITION_MAX, PREFIX "%s:%s}", region, queue);
    return WH_OK;
}

static bool copy_name(char out[WH_JOB_NAME_MAX + 1], const char *from, size_t n)
{
    if (!wh_job_name_ok(from, n)) {
        return false;
    }
    memcpy(out, from, n);
    out[n] = '\0';
    return true;
}

bool wh_keys_split(const char *partition, char region[WH_JOB_NAME_MAX + 1],
                   char queue[WH_JOB_NAME_MAX + 1])
{
    size_t len = strlen(partition);

    if (len < PREFIX_LEN + 4 || strncmp(partition, PREFIX, PREFIX_LEN) != 0 ||
        partition[len - 1] != '}') {
        return false;
    }
    const char *first = partition + PREFIX_LEN;
    const char *end = partition + len - 1;
    const char *colon = memchr(first, ':', (size_t)(end - first));
    if (colon == NULL) {
        return false;
    }
    return copy_name(region, first, (size_t)(colon - first)) &&
           copy_name(queue, colon + 1, (size_t)(end - colon - 1));
}

void wh_keys_bell(const char *partition, const char *worker, char out[WH_KEYS_BELL_MAX])
{
    snprintf(out, WH_KEYS_BELL_MAX, "%s:bell:%s", partition, worker);
}
