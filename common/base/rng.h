/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Randomness: ids (UUID version 7, RFC 9562, method 1: a counter in rand_a keeps
 * ids of one process in order within a millisecond), tokens, jitter.
 */
#ifndef WH_COMMON_BASE_RNG_H
#define WH_COMMON_BASE_RNG_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WH_UUID_BYTES 16
#define WH_UUID_TEXT 36

/* Bytes from the system's generator. */
wh_err wh_rng_bytes(void *out, size_t n) WH_MUSTCHECK;
/* A fast, non-cryptographic number in [0, n); n > 0. For jitter and tests. */
uint64_t wh_rng_below(uint64_t n);
/* Makes wh_rng_below repeatable (tests). */
void wh_rng_seed(uint64_t seed);
/* ms ± fraction (0..1) of it, uniformly; never negative. */
int64_t wh_rng_jitter(int64_t ms, double fraction);

wh_err wh_rng_uuid7(uint8_t out[WH_UUID_BYTES]) WH_MUSTCHECK;
/* 36 lower-case characters and a NUL. */
void wh_rng_uuid_format(const uint8_t in[WH_UUID_BYTES], char out[WH_UUID_TEXT + 1]);
bool wh_rng_uuid_parse(const char *s, size_t n, uint8_t out[WH_UUID_BYTES]);

#endif
