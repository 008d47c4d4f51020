/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots come in chunks that never move, so pointers to them stay valid; the map is open
 * addressing over the tokens' hashes with backward-shift deletion. Tokens are unique
 * among live claims; a LOST slot may share one with a live slot (Redis lost data and
 * counted anew), hence lookups also compare the job's address or the state.
 */
#include "worker/slots.h"

#include "common/base/alloc.h"
#include "common/base/rng.h"
#include "worker/partition.h"

#include <string.h>

enum { CHUNK = 64, MAP_MIN = 256 };

struct wh_slots {
    wh_slot **chunks;
    size_t n_chunks, cap_chunks;
    wh_slot_list free;
    wh_slot **map;
    size_t map_size, in_use;
    uint64_t seed;
    size_t count[WH_SLOT_STATE_COUNT];
};

static const bool legal[WH_SLOT_STATE_COUNT][WH_SLOT_STATE_COUNT] = {
    [WH_SLOT_FREE] = {[WH_SLOT_WAITING] = true},
    [WH_SLOT_WAITING] =
        {[WH_SLOT_RUNNING] = true, [WH_SLOT_FINISHING] = true, [WH_SLOT_FREE] = true},
    [WH_SLOT_RUNNING] = {[WH_SLOT_WAITING] = true,
                         [WH_SLOT_FINISHING] = true,
                         [WH_SLOT_LOST] = true,
                         [WH_SLOT_FREE] = true},
    [WH_SLOT_FINISHING] = {[WH_SLOT_FREE] = true},
    [WH_SLOT_LOST] = {[WH_SLOT_FREE] = true},
};

bool wh_slots_may_go(wh_slot_state from, wh_slot_state to)
{
    return legal[from][to];
}

const char *wh_slots_state_name(wh_slot_state state)
{
    static const char *const names[WH_SLOT_STATE_COUNT] = {
        [WH_SLOT_FREE] = "free",       [WH_SLOT_WAITING] = "waiting",
        [WH_SLOT_RUNNING] = "running", [WH_SLOT_FINISHING] = "finishing",
        [WH_SLOT_LOST] = "lost",
    };
    return names[state];
}

/* ---- lists ---- */

void wh_slots_push(wh_slot_list *l, wh_slot *slot)
{
    slot->next = NULL;
    slot->prev = l->last;
    if (l->last != NULL) {
        l->last->next = slot;
    } else {
        l->first = slot;
    }
    l->last = slot;
    l->count++;
}

void wh_slots_push_front(wh_slot_list *l, wh_slot *slot)
{
    slot->prev = NULL;
    slot->next = l->first;
    if (l->first != NULL) {
        l->first->prev = slot;
    } else {
        l->last = slot;
    }
    l->first = slot;
    l->count++;
}

void wh_slots_remove(wh_slot_list *l, wh_slot *slot)
{
    if (slot->prev != NULL) {
        slot->prev->next = slot->next;
    } else {
        l->first = slot->next;
    }
    if (slot->next != NULL) {
        slot->next->prev = slot->prev;
    } else {
        l->last = slot->prev;
    }
    slot->prev = slot->next = NULL;
    l->count--;
}

wh_slot *wh_slots_pop(wh_slot_list *l)
{
    wh_slot *slot = l->first;

    if (slot != NULL) {
        wh_slots_remove(l, slot);
    }
    return slot;
}

void wh_slots_prepend(wh_slot_list *l, wh_slot_list *from)
{
    if (from->first == NULL) {
        return;
    }
    from->last->next = l->first;
    if (l->first != NULL) {
        l->first->prev = from->last;
    } else {
        l->last = from->last;
    }
    l->first = from->first;
    l->count += from->count;
    *from = (wh_slot_list){0};
}

/* ---- map ---- */

/* Ids may be chosen by producers, hence the seed. */
static uint64_t hash_token(const wh_slots *s, const char *p, size_t n)
{
    uint64_t h = s->seed;
    uint64_t word = 0;

    while (n >= 8) {
        memcpy(&word, p, 8);
        h = (h ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        h ^= h >> 32U;
        p += 8;
        n -= 8;
    }
    word = 0;
    memcpy(&word, p, n);
    h = (h ^ word ^ n) * UINT64_C(0xBF58476D1CE4E5B9);
    return h ^ (h >> 29U);
}

static void map_put(wh_slot **map, size_t size, wh_slot *slot)
{
    size_t at = slot->hash & (size - 1);

    while (map[at] != NULL) {
        at = (at + 1) & (size - 1);
    }
    map[at] = slot;
}

static wh_err map_room(wh_slots *s)
{
    if ((s->in_use + 1) * 2 <= s->map_size) {
        return WH_OK;
    }
    size_t size = s->map_size == 0 ? MAP_MIN : s->map_size * 2;
    wh_slot **map = wh_calloc(size, sizeof(void *));
    if (map == NULL) {
        return WH_ENOMEM;
    }
    for (size_t i = 0; i < s->map_size; i++) {
        if (s->map[i] != NULL) {
            map_put(map, size, s->map[i]);
        }
    }
    wh_free(s->map);
    s->map = map;
    s->map_size = size;
    return WH_OK;
}

static void map_drop(wh_slots *s, const wh_slot *slot)
{
    size_t mask = s->map_size - 1;
    size_t hole = slot->hash & mask;

    while (s->map[hole] != slot) {
        hole = (hole + 1) & mask;
    }
    for (size_t at = (hole + 1) & mask; s->map[at] != NULL; at = (at + 1) & mask) {
        size_t home = s->map[at]->hash & mask;

        /* It may move into the hole unless its home lies behind the hole. */
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            s->map[hole] = s->map[at];
            hole = at;
        }
    }
    s->map[hole] = NULL;
}

wh_slot *wh_slots_of_job(const wh_slots *s, const wh_job *job)
{
    if (s->in_use == 0) {
        return NULL;
    }
    size_t mask = s->map_size - 1;
    size_t at = hash_token(s, job->token, job->token_len) & mask;

    while (s->map[at] != NULL && s->map[at]->job != job) {
        at = (at + 1) & mask;
    }
    return s->map[at];
}

wh_slot *wh_slots_of_token(const wh_slots *s, const wh_partition *p, wh_slice token)
{
    if (s->in_use == 0) {
        return NULL;
    }
    size_t mask = s->map_size - 1;
    uint64_t hash = hash_token(s, token.p, token.n);

    for (size_t at = hash & mask; s->map[at] != NULL; at = (at + 1) & mask) {
        wh_slot *slot = s->map[at];

        if (slot->hash == hash && slot->partition == p && slot->state != WH_SLOT_LOST &&
            slot->token.n == token.n && memcmp(slot->token.p, token.p, token.n) == 0) {
            return slot;
        }
    }
    return NULL;
}

/* ---- pool ---- */

wh_err wh_slots_new(wh_slots **out)
{
    *out = NULL;
    wh_slots *s = wh_calloc(1, sizeof *s);

    if (s == NULL) {
        return WH_ENOMEM;
    }
    wh_err err = wh_rng_bytes(&s->seed, sizeof s->seed);
    if (err == WH_OK) {
        err = map_room(s);
    }
    if (err != WH_OK) {
        wh_slots_free(s);
        return err;
    }
    *out = s;
    return WH_OK;
}

static void clear_slot(wh_slot *slot)
{
    wh_job_free(slot->job);
    wh_free(slot->texts);
    wh_free(slot->note);
}

void wh_slots_free(wh_slots *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->n_chunks; i++) {
        for (size_t k = 0; k < CHUNK; k++) {
            clear_slot(&s->chunks[i][k]);
        }
        wh_free(s->chunks[i]);
    }
    wh_free(s->chunks);
    wh_free(s->map);
    wh_free(s);
}

static wh_err add_chunk(wh_slots *s)
{
    wh_slot **grown =
        wh_grow(s->chunks, &s->cap_chunks, s->n_chunks + 1, sizeof(void *));

    if (grown == NULL) {
        return WH_ENOMEM;
    }
    s->chunks = grown;
    wh_slot *chunk = wh_calloc(CHUNK, sizeof *chunk);
    if (chunk == NULL) {
        return WH_ENOMEM;
    }
    s->chunks[s->n_chunks++] = chunk;
    for (size_t i = 0; i < CHUNK; i++) {
        wh_slots_push(&s->free, &chunk[i]);
    }
    return WH_OK;
}

static void move(wh_slots *s, wh_slot *slot, wh_slot_state to)
{
    WH_ASSERT(legal[slot->state][to]);
    s->count[slot->state]--;
    slot->partition->count[slot->state]--;
    slot->state = to;
    s->count[to]++;
    slot->partition->count[to]++;
}

static wh_err take(wh_slots *s, wh_partition *p, wh_slot **out)
{
    wh_err err = map_room(s);

    *out = NULL;
    if (err == WH_OK && s->free.first == NULL) {
        err = add_chunk(s);
    }
    if (err != WH_OK) {
        return err;
    }
    wh_slot *slot = wh_slots_pop(&s->free);
    *slot = (wh_slot){.partition = p, .percent = -1};
    *out = slot;
    return WH_OK;
}

static void enter(wh_slots *s, wh_slot *slot)
{
    slot->hash = hash_token(s, slot->token.p, slot->token.n);
    map_put(s->map, s->map_size, slot);
    s->in_use++;
    s->count[WH_SLOT_FREE]++;
    slot->partition->count[WH_SLOT_FREE]++;
    move(s, slot, WH_SLOT_WAITING);
}

wh_err wh_slots_take(wh_slots *s, wh_partition *p, wh_job *job, wh_slot **out)
{
    wh_err err = take(s, p, out);

    if (err != WH_OK) {
        wh_job_free(job);
        return err;
    }
    (*out)->job = job;
    (*out)->token = (wh_slice){job->token, job->token_len};
    enter(s, *out);
    return WH_OK;
}

wh_err wh_slots_take_token(wh_slots *s, wh_partition *p, wh_slice token, wh_slot **out)
{
    wh_err err = take(s, p, out);

    if (err != WH_OK) {
        return err;
    }
    (*out)->texts = wh_memdup(token.p, token.n);
    if ((*out)->texts == NULL) {
        wh_slots_push_front(&s->free, *out);
        *out = NULL;
        return WH_ENOMEM;
    }
    (*out)->token = (wh_slice){(*out)->texts, token.n};
    enter(s, *out);
    return WH_OK;
}

void wh_slots_put(wh_slots *s, wh_slot *slot)
{
    move(s, slot, WH_SLOT_FREE);
    s->count[WH_SLOT_FREE]--;
    slot->partition->count[WH_SLOT_FREE]--;
    map_drop(s, slot);
    s->in_use--;
    clear_slot(slot);
    *slot = (wh_slot){0};
    wh_slots_push_front(&s->free, slot);
}

void wh_slots_set_state(wh_slots *s, wh_slot *slot, wh_slot_state state)
{
    WH_ASSERT(state != WH_SLOT_FREE);
    move(s, slot, state);
}

wh_slot *wh_slots_next(const wh_slots *s, size_t *at)
{
    for (size_t n = s->n_chunks * CHUNK; *at < n; ++*at) {
        wh_slot *slot = &s->chunks[*at / CHUNK][*at % CHUNK];

        if (slot->state != WH_SLOT_FREE) {
            ++*at;
            return slot;
        }
    }
    return NULL;
}

size_t wh_slots_count(const wh_slots *s, wh_slot_state state)
{
    return s->count[state];
}

size_t wh_slots_held(const wh_slots *s)
{
    return s->in_use - s->count[WH_SLOT_LOST];
}
