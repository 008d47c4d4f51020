/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random bytes for ids and tokens straight from the system's generator, and a fast
 * xoshiro256** per thread for jitter. The last UUID's time and counter live in one
 * atomic word, so that ids of all threads of the process stay in order. Each thread
 * draws the bytes of many ids at once: a system call for each would be what an
 * enqueue in bulk costs most.
 *
 * After fork: ids stay distinct (a child draws anew: `forks`), but it repeats its
 * parent's jitter until it calls wh_rng_seed with bytes of wh_rng_bytes. Wherry's
 * children exec at once and need not.
 */
#include "common/base/rng.h"

#include "common/base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/rand.h>

enum {
    COUNTER_BITS = 12,
    COUNTER_MASK = 0xFFF,
    /* The counter starts below its half: at least 2,048 ids before it overflows. */
    COUNTER_START_MASK = 0x7FF,
    /* A wall clock that went back further than this was set on purpose. */
    BACKWARD_MAX_MS = 10000
};

static _Thread_local struct {
    bool seeded;
    uint64_t s[4];
} fast;

static _Atomic uint64_t last_uuid; /* milliseconds << 12 | counter */

/* Of one id: 2 for its counter, 8 for itself. At most what getrandom gives at once. */
enum { ID_RANDOM = 10, POOL_IDS = 25 };

static _Thread_local struct {
    unsigned left, forks; /* ids that it is still good for; what `forks` was */
    uint8_t bytes[POOL_IDS * ID_RANDOM];
} pool;

static _Atomic unsigned forks; /* how many lie between this process and the first */
static pthread_once_t counts_forks = PTHREAD_ONCE_INIT;
static bool knows_forks; /* else each id draws its own bytes */

wh_err wh_rng_bytes(void *out, size_t n)
{
    unsigned char *p = out;
    size_t done = 0;
    while (done < n) {
        ssize_t got = getrandom(p + done, n - done, 0);
        if (got > 0) {
            done += (size_t)got;
        } else if (got == 0 || errno != EINTR) {
            break;
        }
    }
    if (done == n) {
        return WH_OK;
    }
    /* No getrandom here (old kernel, narrow seccomp filter). */
    size_t rest = n - done;
    if (rest > INT32_MAX || RAND_bytes(p + done, (int)rest) != 1) {
        return WH_EIO;
    }
    return WH_OK;
}

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void wh_rng_seed(uint64_t seed)
{
    for (size_t i = 0; i < 4; i++) {
        fast.s[i] = splitmix(&seed);
    }
    fast.seeded = true;
}

static uint64_t rotl(uint64_t v, unsigned by)
{
    return (v << by) | (v >> (64U - by));
}

static uint64_t fast_next(void)
{
    if (!fast.seeded) {
        uint64_t seed = 0;
        if (wh_rng_bytes(&seed, sizeof seed) != WH_OK) {
            seed = (uint64_t)wh_clock_mono_us(); /* only jitter depends on it */
        }
        wh_rng_seed(seed);
    }
    uint64_t *s = fast.s;
    uint64_t result = rotl(s[1] * 5U, 7U) * 9U;
    uint64_t t = s[1] << 17U;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45U);
    return result;
}

uint64_t wh_rng_below(uint64_t n)
{
    WH_ASSERT(n > 0);
    /* Values under 2^64 mod n would make small results likelier: draw again. */
    uint64_t least = (0U - n) % n;
    uint64_t v = fast_next();
    while (v < least) {
        v = fast_next();
    }
    return v % n;
}

int64_t wh_rng_jitter(int64_t ms, double fraction)
{
    if (ms <= 0) {
        return 0;
    }
    if (!(fraction > 0)) {
        return ms;
    }
    double span = (double)ms * (fraction < 1 ? fraction : 1);
    double unit = (double)(fast_next() >> 11U) * 0x1p-53; /* [0, 1) */
    double v = (double)ms + span * (2 * unit - 1);
    if (v < 0) {
        return 0;
    }
    return v < 0x1p62 ? (int64_t)v : ms;
}

/* The next (time, counter) pair, greater than every one before it. */
static uint64_t next_tick(uint16_t random)
{
    uint64_t now = (uint64_t)wh_clock_wall_ms();
    uint64_t old = atomic_load(&last_uuid);
    for (;;) {
        uint64_t then = old >> COUNTER_BITS;
        uint64_t next = old + 1; /* an overflow borrows the next millisecond */
        if (now > then || then - now > BACKWARD_MAX_MS) {
            next = (now << COUNTER_BITS) | (random & COUNTER_START_MASK);
        }
        if (atomic_compare_exchange_weak(&last_uuid, &old, next)) {
            return next;
        }
    }
}

static void note_fork(void)
{
    atomic_fetch_add(&forks, 1);
}

static void count_forks(void)
{
    knows_forks = pthread_atfork(NULL, NULL, note_fork) == 0;
}

/* Bytes that no other id has got. */
static wh_err draw(uint8_t out[ID_RANDOM])
{
    if (pthread_once(&counts_forks, count_forks) != 0 || !knows_forks) {
        return wh_rng_bytes(out, ID_RANDOM);
    }
    unsigned now = atomic_load(&forks);
    if (pool.left == 0 || pool.forks != now) {
        pool.left = 0;
        wh_err err = wh_rng_bytes(pool.bytes, sizeof pool.bytes);
        if (err != WH_OK) {
            return err;
        }
        pool.left = POOL_IDS;
        pool.forks = now;
    }
    pool.left--;
    memcpy(out, pool.bytes + (size_t)pool.left * ID_RANDOM, ID_RANDOM);
    return WH_OK;
}

wh_err wh_rng_uuid7(uint8_t out[WH_UUID_BYTES])
{
    uint8_t random[ID_RANDOM];
    wh_err err = draw(random);
    if (err != WH_OK) {
        return err;
    }
    uint64_t tick = next_tick((uint16_t)((random[8] << 8U) | random[9]));
    uint64_t ms = tick >> COUNTER_BITS;
    unsigned counter = (unsigned)(tick & COUNTER_MASK);

    for (unsigned i = 0; i < 6; i++) {
        out[i] = (uint8_t)(ms >> (40U - 8U * i));
    }
    out[6] = (uint8_t)(0x70U | (counter >> 8U)); /* version 7 */
    out[7] = (uint8_t)counter;
    memcpy(out + 8, random, 8);
    out[8] = (uint8_t)(0x80U | (out[8] & 0x3FU)); /* RFC 9562 variant */
    return WH_OK;
}

static bool has_dash_before(size_t byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void wh_rng_uuid_format(const uint8_t in[WH_UUID_BYTES], char out[WH_UUID_TEXT + 1])
{
    static const char digits[] = "0123456789abcdef";
    char *p = out;
    for (size_t i = 0; i < WH_UUID_BYTES; i++) {
        if (has_dash_before(i)) {
            *p++ = '-';
        }
        *p++ = digits[in[i] >> 4U];
        *p++ = digits[in[i] & 0xFU];
    }
    *p = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

bool wh_rng_uuid_parse(const char *s, size_t n, uint8_t out[WH_UUID_BYTES])
{
    if (n != WH_UUID_TEXT) {
        return false;
    }
    uint8_t bytes[WH_UUID_BYTES];
    const char *p = s;
    for (size_t i = 0; i < WH_UUID_BYTES; i++) {
        if (has_dash_before(i) && *p++ != '-') {
            return false;
        }
        int high = hex_value(p[0]);
        int low = hex_value(p[1]);
        if (high < 0 || low < 0) {
            return false;
        }
        bytes[i] = (uint8_t)(high * 16 + low);
        p += 2;
    }
    memcpy(out, bytes, sizeof bytes);
    return true;
}
