/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orgs are found by an open hash table of their names; each has a list of its jobs. Orgs
 * come in the order of their first jobs.
 */
#include "common/client/client_order.h"

#include "common/base/alloc.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

enum { SLOTS = 2048, NONE = UINT16_MAX };

static_assert(WH_JOB_BATCH_MAX < SLOTS / 2 + SLOTS / 4, "the table stays sparse");

typedef struct org_list {
    const char *org;
    uint16_t first, last;
} org_list;

typedef struct sorter {
    org_list *lists;
    uint16_t *next; /* by job: the next one of its org */
    uint16_t n_lists;
    size_t runs;           /* of jobs of one org in a row */
    uint16_t slots[SLOTS]; /* list + 1 by the hash of its org, 0: none */
} sorter;

static const char *org_of(const wh_job_spec *spec)
{
    return spec->org != NULL ? spec->org : "default";
}

/* FNV-1a. */
static uint32_t hash_of(const char *text)
{
    uint32_t h = 2166136261U;

    for (; *text != '\0'; text++) {
        h = (h ^ (uint8_t)*text) * 16777619U;
    }
    return h ^ (h >> 16);
}

/* The list of an org; a new one is empty. */
static uint16_t list_of(sorter *s, const char *org)
{
    uint32_t at = hash_of(org) % SLOTS;

    for (; s->slots[at] != 0; at = (at + 1) % SLOTS) {
        uint16_t l = (uint16_t)(s->slots[at] - 1);

        if (strcmp(s->lists[l].org, org) == 0) {
            return l;
        }
    }
    s->slots[at] = (uint16_t)(s->n_lists + 1);
    s->lists[s->n_lists] = (org_list){.org = org, .first = NONE, .last = NONE};
    return s->n_lists++;
}

static void sort(sorter *s, const wh_job_spec *specs, size_t n)
{
    uint16_t l = NONE;

    for (size_t i = 0; i < n; i++) {
        const char *org = org_of(&specs[i]);

        if (l == NONE ||
            (org != s->lists[l].org && strcmp(org, s->lists[l].org) != 0)) {
            l = list_of(s, org);
            s->runs++;
        }
        org_list *list = &s->lists[l];
        if (list->first == NONE) {
            list->first = (uint16_t)i;
        } else {
            s->next[list->last] = (uint16_t)i;
        }
        list->last = (uint16_t)i;
        s->next[i] = NONE;
    }
}

static void write_order(const sorter *s, uint16_t *order)
{
    size_t n = 0;

    for (size_t l = 0; l < s->n_lists; l++) {
        for (uint16_t i = s->lists[l].first; i != NONE; i = s->next[i]) {
            order[n++] = i;
        }
    }
}

static bool is_one_org(const wh_job_spec *specs, size_t n)
{
    const char *org = org_of(&specs[0]);

    for (size_t i = 1; i < n; i++) {
        const char *other = org_of(&specs[i]);

        if (other != org && strcmp(other, org) != 0) {
            return false;
        }
    }
    return true;
}

wh_err wh_client_order(const wh_job_spec *specs, size_t n, uint16_t **order)
{
    wh_err err = WH_ENOMEM;

    *order = NULL;
    if (is_one_org(specs, n)) {
        return WH_OK;
    }
    sorter s = {.lists = wh_calloc(n, sizeof *s.lists),
                .next = wh_calloc(n, sizeof *s.next)};
    if (s.lists == NULL || s.next == NULL) {
        goto done;
    }
    sort(&s, specs, n);
    err = WH_OK;
    if (s.runs > s.n_lists) {
        *order = wh_calloc(n, sizeof **order);
        if (*order == NULL) {
            err = WH_ENOMEM;
        } else {
            write_order(&s, *order);
        }
    }
done:
    wh_free(s.lists);
    wh_free(s.next);
    return err;
}
