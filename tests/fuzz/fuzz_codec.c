/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a claim, and the bounds scan against msgpack-c. Input: one byte chooses
 * the target, for a claim one more each for the length of token and meta; what is left
 * is the record. What the scan takes msgpack-c must take, and end at the same byte; a
 * job that was made must point into itself and keep the protocol's limits.
 */
#include "common/base/alloc.h"
#include "common/job/codec.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_slice(const wh_job *job, wh_slice s, size_t record_len)
{
    const char *begin = (const char *)(job + 1), *end = begin + record_len;
    WH_ASSERT(s.p == NULL ? s.n == 0 : s.p >= begin && s.n <= (size_t)(end - s.p));
}

static void check_job(const wh_job *job, const wh_codec_claim *claim)
{
    check_slice(job, job->traceparent, claim->record.n);
    check_slice(job, job->entity_type, claim->record.n);
    check_slice(job, job->entity_id, claim->record.n);
    check_slice(job, job->payload, claim->record.n);
    check_slice(job, job->group, claim->record.n);
    WH_ASSERT(job->group.n == 0 || wh_job_name_ok(job->group.p, job->group.n));
    WH_ASSERT(job->retry_for_ms >= 0);
    WH_ASSERT(job->payload.p[job->payload.n] == '\0');
    WH_ASSERT(wh_job_name_ok(job->type, strlen(job->type)));
    WH_ASSERT(wh_job_name_ok(job->org, strlen(job->org)));
    WH_ASSERT(job->priority >= 0 && job->priority <= 9);
    WH_ASSERT(job->attempt >= 1 && job->recoveries >= 0 && job->fence >= 1);
    WH_ASSERT(job->max_attempts >= 0 && job->max_attempts <= 1000);
    WH_ASSERT(job->timeout_ms >= 0 && job->ready_at_ms >= 0 && job->expires_at_ms >= 0);
    WH_ASSERT(job->token_len == claim->token.n);
}

/* What was read can be packed again, and is the same job then. */
static void check_repacked(const wh_job *job)
{
    wh_buf record = {0};
    wh_job *again = NULL;
    char group[WH_JOB_NAME_MAX + 1] = "";
    if (job->group.n > 0) {
        memcpy(group, job->group.p, job->group.n);
    }
    const wh_job_spec spec = {.type = job->type,
                              .org = job->org,
                              .priority_plus1 = job->priority + 1,
                              .max_attempts = job->max_attempts,
                              .timeout_ms = job->timeout_ms,
                              .group = group[0] != '\0' ? group : NULL,
                              .retry_for_ms = job->retry_for_ms};
    wh_buf_add(&record, "\xcf\0\0\0\0\0\0\0\0", 9);
    WH_ASSERT(wh_job_spec_check(&spec, 0, NULL) == WH_OK);
    WH_ASSERT(wh_codec_pack_head(&spec, &record) == WH_OK);
    wh_buf_add(&record, job->payload.p, job->payload.n);
    const wh_codec_claim claim = {.token = {job->token, job->token_len},
                                  .record = {record.data, record.len}};
    WH_ASSERT(wh_codec_unpack_job(&claim, &again, NULL) == WH_OK);
    WH_ASSERT(strcmp(again->type, job->type) == 0 && strcmp(again->org, job->org) == 0);
    WH_ASSERT(again->priority == job->priority && again->fence == job->fence);
    WH_ASSERT(again->max_attempts == job->max_attempts);
    WH_ASSERT(again->timeout_ms == job->timeout_ms);
    WH_ASSERT(again->retry_for_ms == job->retry_for_ms);
    WH_ASSERT(again->group.n == job->group.n);
    WH_ASSERT(memcmp(again->group.n > 0 ? again->group.p : "", group, job->group.n) ==
              0);
    WH_ASSERT(again->payload.n == job->payload.n);
    WH_ASSERT(memcmp(again->payload.p, job->payload.p, job->payload.n) == 0);
    wh_job_free(again);
    wh_buf_fini(&record);
}

static void try_claim(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return;
    }
    size_t token_len = data[0], meta_len = data[1];
    const char *p = (const char *)data + 2;
    size -= 2;
    token_len = token_len < size ? token_len : size;
    meta_len = meta_len < size - token_len ? meta_len : size - token_len;
    wh_codec_claim claim = {
        .token = {p, token_len},
        .meta = {p + token_len, meta_len},
        .record = {p + token_len + meta_len, size - token_len - meta_len},
        .now_ms = 1};
    wh_job *job = NULL;
    wh_errbuf eb = {0};
    wh_err err = wh_codec_unpack_job(&claim, &job, &eb);
    WH_ASSERT((err == WH_OK) == (job != NULL));
    if (job == NULL) {
        WH_ASSERT(err == WH_EPROTO || err == WH_EBADDATA);
        WH_ASSERT(eb.text[0] != '\0');
        return;
    }
    check_job(job, &claim);
    check_repacked(job);
    wh_job_free(job);
}

static void try_scan(const uint8_t *data, size_t size)
{
    size_t used = 0, offset = 0;
    if (wh_codec_scan(data, size, 8, 1000, &used) != WH_OK) {
        WH_ASSERT(wh_codec_scan(data, size, 8, 1000, NULL) != WH_OK);
        return;
    }
    WH_ASSERT(used > 0 && used <= size);
    WH_ASSERT((wh_codec_scan(data, size, 8, 1000, NULL) == WH_OK) == (used == size));
    WH_ASSERT(wh_codec_scan(data, used - 1, 8, 1000, NULL) != WH_OK);
    msgpack_unpacked un;
    msgpack_unpacked_init(&un);
    msgpack_unpack_return result =
        msgpack_unpack_next(&un, (const char *)data, size, &offset);
    WH_ASSERT(result == MSGPACK_UNPACK_SUCCESS && offset == used);
    msgpack_unpacked_destroy(&un);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] % 2 == 0) {
        try_claim(data + 1, size - 1);
    } else if (size > 0) {
        try_scan(data + 1, size - 1);
    }
    return 0;
}
