/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/lua_fleet.h"

#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void wh_lf_start(struct wh_lf_fleet *f)
{
    f->now = WH_LC_T0;
    wh_lc_ok("wh1_configure", "keep_count 0");
    wh_lc_ok("wh1_heartbeat", "w 3600000 new %s", "{}");
}

/* Jobs arrive by the hundred when fewer than depth wait. */
static void fill_up(struct wh_lf_fleet *f)
{
    for (unsigned o = 0; o < WH_LF_ORGS; o++) {
        while (f->org[o] != NULL && f->waiting[o] < f->depth[o]) {
            char group[16];
            struct wh_ll_jobs jobs = {.first = (o << WH_LF_BITS) + f->made[o],
                                      .count = f->depth[o] == 1 ? 1 : 50,
                                      .type = f->type[o],
                                      .org = f->org[o]};

            jobs.group = f->group[o];
            if (f->groups[o] > 0) {
                snprintf(group, sizeof group, "g%u", f->made[o] % f->groups[o]);
                jobs.group = group;
                jobs.count = 1;
            }
            wh_ll_fill(&jobs);
            f->made[o] += jobs.count;
            f->waiting[o] += jobs.count;
        }
    }
}

static void put_in_slot(struct wh_lf_fleet *f, const redisReply *token)
{
    const unsigned char *raw = (const unsigned char *)token->str;
    unsigned id = (unsigned)raw[12] << 24 | (unsigned)raw[13] << 16 |
                  (unsigned)raw[14] << 8 | raw[15];
    unsigned o = id >> WH_LF_BITS, i = 0;

    while (f->slot[i].end != 0) {
        i++;
        assert_in_range(i, 0, WH_LF_SLOTS - 1);
    }
    f->slot[i].id = id;
    f->slot[i].fence = (unsigned)strtoul((const char *)raw + 16, NULL, 10);
    f->slot[i].end = f->now + f->run_ms[o];
    f->waiting[o]--;
    if (f->started_at[o] == 0) {
        f->started_at[o] = f->now;
    }
}

/* Finishes what is due and claims for the free slots, in one call. */
static void cycle(struct wh_lf_fleet *f)
{
    struct wh_lc_args a = {0};
    unsigned free_slots = 0, n = 0;

    for (unsigned i = 0; i < WH_LF_SLOTS; i++) {
        free_slots += f->slot[i].end <= f->now;
        n += f->slot[i].end != 0 && f->slot[i].end <= f->now;
    }
    wh_lc_add_text(&a, "w");
    wh_lc_add_text(&a, "%u", free_slots);
    wh_lc_add_text(&a, "%u", n);
    for (unsigned i = 0; i < WH_LF_SLOTS; i++) {
        if (f->slot[i].end != 0 && f->slot[i].end <= f->now) {
            wh_lc_add(&a, WH_LC_TOK(f->slot[i].id, f->slot[i].fence));
            f->slot[i].end = 0;
        }
    }
    redisReply *r = wh_lc_call_args("wh1_cycle", &a);
    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->element[3]->elements, 0);
    for (size_t i = 0; i < r->element[4]->elements; i += 3) {
        put_in_slot(f, r->element[4]->element[i]);
    }
    freeReplyObject(r);
}

/* Moves to the next finish, or 100 ms on when nothing runs; counts busy time. */
static void pass_time(struct wh_lf_fleet *f, long long until)
{
    long long next = f->now + 100;

    for (unsigned i = 0; i < WH_LF_SLOTS; i++) {
        if (f->slot[i].end != 0 && f->slot[i].end < next) {
            next = f->slot[i].end;
        }
    }
    next = next > until ? until : next;
    for (unsigned i = 0; i < WH_LF_SLOTS; i++) {
        if (f->slot[i].end != 0) {
            f->busy[f->slot[i].id >> WH_LF_BITS] += (double)(next - f->now);
        }
    }
    f->now = next;
    wh_lc_clock(next);
}

void wh_lf_run_for(struct wh_lf_fleet *f, long long ms)
{
    long long until = f->now + ms;

    fill_up(f);
    while (f->now < until) {
        cycle(f);
        pass_time(f, until);
        fill_up(f);
    }
}

double wh_lf_share(const struct wh_lf_fleet *f, unsigned org)
{
    double sum = 0;

    for (unsigned o = 0; o < WH_LF_ORGS; o++) {
        sum += f->busy[o];
    }
    return f->busy[org] / sum;
}

void wh_lf_forget_busy(struct wh_lf_fleet *f)
{
    memset(f->busy, 0, sizeof f->busy);
}

void wh_lf_expect_share(const struct wh_lf_fleet *f, unsigned org, double want,
                        double within)
{
    double got = wh_lf_share(f, org);

    const char *group = f->group[org] != NULL ? f->group[org] : "";

    print_message("%s %s: %.2f %% of worker time, fair is %.2f %%\n", f->org[org],
                  group, got * 100, want * 100);
    if (got < want - within || got > want + within) {
        fail_msg("%s %s has %.2f %%, should be %.2f %%", f->org[org], group, got * 100,
                 want * 100);
    }
}
