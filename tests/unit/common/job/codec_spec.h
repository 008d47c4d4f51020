/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spec that sets everything, for the tests of the codec.
 */
#ifndef WH_TESTS_UNIT_COMMON_JOB_CODEC_SPEC_H
#define WH_TESTS_UNIT_COMMON_JOB_CODEC_SPEC_H

#include "common/job/codec.h"

static const wh_job_spec full_spec = {
    .type = "mail.send",
    .org = "acme",
    .payload = "body",
    .payload_len = 4,
    .priority_plus1 = 8,
    .delay_ms = 60000,
    .timeout_ms = 30000,
    .expires_ms = 86400000,
    .max_attempts = 7,
    .key = "order-17",
    .key_ttl_ms = 1000,
    .entity_type = "order",
    .entity_id = "17",
    .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    .group = "batch-9",
    .unique = WH_JOB_UNIQUE_DONE,
    .conflict = WH_JOB_CONFLICT_REPLACE,
    .retry_for_ms = 7200000,
};

#endif
