/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job's way through the dispatcher, with an executor that does what the test says.
 */
#include "tests/unit/worker/dispatch_case.h"

static void test_happy_path(void **state)
{
    (void)state;
    claim('a', "mail");
    claim('b', "slow");
    assert_int_equal(wh_dispatch_room(dispatch), 8);
    assert_int_equal(fakes[0].n, 0); /* not before the end of the turn */
    wh_dispatch_pump(dispatch);
    assert_int_equal(fakes[0].n, 1);
    assert_string_equal(fakes[0].jobs[0]->type, "mail");
    assert_memory_equal(fakes[0].jobs[0]->payload.p, "payload", 7);
    assert_int_equal(fakes[1].n, 1);
    report(&fakes[0], 0, (wh_result){.status = WH_RESULT_OK, .result = {"R", 1}});
    assert_true(changes > 0);
    assert_int_equal(pending_outcome(), WH_STORE_OK);
    assert_memory_equal(part->pending.first->finish.result.p, "R", 1);
    assert_int_equal(wh_dispatch_room(dispatch),
                     9); /* its place is free before Redis knows */
    assert_int_equal(wh_slots_held(slots), 2);
    confirm_all();
    assert_int_equal(wh_slots_held(slots), 1);
}

static void test_room_follows_capacity(void **state)
{
    (void)state;
    fakes[0].room = 2;
    fakes[1].room = 1;
    assert_int_equal(wh_dispatch_room(dispatch), 3);
    claim('a', "slow");
    claim('b', "slow");
    claim('c', "slow");
    wh_dispatch_pump(dispatch);
    assert_int_equal(fakes[1].n, 1);
    assert_int_equal(wh_slots_count(slots, WH_SLOT_WAITING), 2);
    assert_int_equal(wh_dispatch_room(dispatch),
                     0); /* two wait, two could start elsewhere */
    assert_int_equal(wh_dispatch_lacks(dispatch), WH_LACK_CAPACITY);
    report(&fakes[1], 0, (wh_result){.status = WH_RESULT_OK});
    wh_dispatch_pump(dispatch);
    assert_int_equal(fakes[1].n, 1);
    assert_int_equal(fakes[1].jobs[0]->id[0], 'b'); /* in order */
    assert_int_equal(wh_dispatch_lacks(dispatch), WH_LACK_NOTHING);
    wh_dispatch_set_slots(dispatch, 1);
    assert_int_equal(wh_dispatch_room(dispatch), 0);
    assert_int_equal(wh_dispatch_lacks(dispatch), WH_LACK_NOTHING); /* but slots */
}

static void test_no_process_at_all(void **state)
{
    (void)state;
    fakes[0].room = fakes[1].room = 0;
    assert_int_equal(wh_dispatch_room(dispatch), 0);
    assert_int_equal(wh_dispatch_lacks(dispatch), WH_LACK_HANDLERS);
    fakes[1].room = 1; /* one that works is enough */
    assert_int_equal(wh_dispatch_lacks(dispatch), WH_LACK_NOTHING);
    claim('a', "slow");
    wh_dispatch_pump(dispatch);
    assert_int_equal(wh_dispatch_lacks(dispatch), WH_LACK_CAPACITY);
    wh_dispatch_drain(dispatch);
    assert_int_equal(wh_dispatch_lacks(dispatch), WH_LACK_NOTHING);
}

/* 64 s for retries from its enqueue at 1 s; the claim was at 5 s. */
static void test_retries_end_with_their_time(void **state)
{
    (void)state;
    const wh_job_spec spec = {.type = "mail", .retry_for_ms = 64000};
    wh_result r = {.status = WH_RESULT_RETRY, .delay_ms = 30000};

    claim_spec('a', &spec);
    claim_spec('b', &spec);
    claim_spec('c', &spec);
    wh_dispatch_pump(dispatch);
    report(&fakes[0], 0, r);
    assert_int_equal(pending_outcome(), WH_STORE_RETRY);
    confirm_all();
    r.delay_ms = 61000;
    report(&fakes[0], 0, r);
    assert_int_equal(pending_outcome(), WH_STORE_DEAD);
    confirm_all();
    /* Time that it ran counts. */
    wh_slot *slot = wh_slots_of_job(slots, fakes[0].jobs[0]);
    slot->claimed_us -= INT64_C(40000000);
    r.delay_ms = 30000;
    report(&fakes[0], 0, r);
    assert_int_equal(pending_outcome(), WH_STORE_DEAD);
    assert_memory_equal(part->pending.first->finish.message.p, "no retry", 8);
}

static void test_returned_jobs_go_again(void **state)
{
    (void)state;
    claim('a', "mail");
    for (int i = 0; i < 4; i++) {
        wh_dispatch_pump(dispatch);
        assert_int_equal(fakes[0].n, 1);
        report(&fakes[0], 0, (wh_result){.status = WH_RESULT_RELEASED});
        assert_int_equal(slot_of('a')->state, WH_SLOT_WAITING);
    }
    wh_dispatch_pump(dispatch);
    report(&fakes[0], 0, (wh_result){.status = WH_RESULT_RELEASED});
    assert_int_equal(pending_outcome(), WH_STORE_RETRY);
    assert_string_equal(part->pending.first->finish.category, "crash");
}

static void test_refused_submit_waits_for_capacity(void **state)
{
    (void)state;
    fakes[0].refuse = WH_EIO;
    claim('a', "mail");
    claim('b', "mail");
    wh_dispatch_pump(dispatch);
    assert_int_equal(wh_slots_count(slots, WH_SLOT_WAITING), 2);
    fakes[0].refuse = WH_OK;
    wh_dispatch_pump(dispatch);
    assert_int_equal(fakes[0].n, 0);
    fakes[0].events.on_capacity(fakes[0].events.arg);
    wh_dispatch_pump(dispatch);
    assert_int_equal(fakes[0].n, 2);
    assert_int_equal(fakes[0].jobs[0]->id[0], 'a');
}

static void test_what_has_run_does_not_expire(void **state)
{
    (void)state;
    const wh_job_spec late = {.type = "mail", .expires_ms = 4000}; /* until 5000 */
    meta = "\x93\x01\x00\x01"; /* one attempt, so it started in time */
    claim_spec('a', &late);
    meta = "\x93\x00\x01\x01"; /* one recovery */
    claim_spec('b', &late);
    assert_int_equal(part->pending.count, 0);
    meta = "\x93\x00\x00\x01"; /* a claim, given back */
    claim_spec('c', &late);
    assert_int_equal(pending_outcome(), WH_STORE_EXPIRED);
}

/* 3 s for retries from its enqueue at 1 s are over at the claim; 4 s are when it waited here. */
static void test_late_retries_do_not_start(void **state)
{
    (void)state;
    const wh_job_spec late = {.type = "mail", .retry_for_ms = 3000},
                      soon = {.type = "mail", .retry_for_ms = 4000};

    claim_spec('a', &late);    /* its first attempt may start whenever */
    meta = "\x93\x00\x01\x01"; /* and so may one that was recovered */
    claim_spec('b', &late);
    assert_int_equal(part->pending.count, 0);
    meta = "\x93\x01\x00\x01"; /* one attempt */
    claim_spec('c', &late);
    assert_int_equal(pending_outcome(), WH_STORE_DEAD);
    const wh_store_finish *f = &part->pending.first->finish;
    assert_string_equal(f->category, "error");
    assert_memory_equal(f->message.p, "no retry: more than 3000 ms (retry_for)", 39);
    confirm_all();
    claim_spec('d', &soon); /* at the last moment */
    claim_spec('e', &soon);
    slot_of('d')->claimed_us += INT64_C(60000000); /* just now, whenever that is */
    slot_of('e')->claimed_us -= 2000;
    assert_int_equal(part->pending.count, 0);
    wh_dispatch_pump(dispatch);
    assert_int_equal(pending_outcome(), WH_STORE_DEAD);
    assert_int_equal(part->pending.count, 1);
    assert_int_equal(part->pending.first->token.p[0], 'e');
    assert_int_equal(fakes[0].n, 3);
}

static void test_never_run(void **state)
{
    (void)state;
    claim_spec('a',
               &(wh_job_spec){.type = "mail", .expires_ms = 4000}); /* until 5000 */
    assert_int_equal(pending_outcome(), WH_STORE_EXPIRED);
    confirm_all();
    claim('b', "unknown");
    assert_int_equal(pending_outcome(), WH_STORE_RETRY);
    assert_string_equal(part->pending.first->finish.category, "no_handler");
    confirm_all();
    wh_codec_claim bad = {.token = token_of('c'), .record = {"junk", 4}, .now_ms = 1};
    assert_true(wh_dispatch_claims(dispatch, part,
                                   &(wh_store_cycle){.claims = &bad, .n_claims = 1}));
    assert_int_equal(pending_outcome(), WH_STORE_DEAD);
    assert_string_equal(part->pending.first->finish.category, "invalid");
    assert_true(part->pending.first->finish.message.n > 0);
    confirm_all();
    bad.token = (wh_slice){"short", 5};
    assert_false(wh_dispatch_claims(dispatch, part,
                                    &(wh_store_cycle){.claims = &bad, .n_claims = 1}));
    assert_int_equal(wh_slots_held(slots), 0);
}

static void test_jobs_know_their_place(void **state)
{
    (void)state;
    claim('a', "mail");
    wh_dispatch_pump(dispatch);
    assert_string_equal(fakes[0].jobs[0]->queue, "default");
    assert_string_equal(fakes[0].jobs[0]->region, "eu");
}

static void test_notes_and_lines(void **state)
{
    (void)state;
    claim('a', "mail");
    wh_dispatch_pump(dispatch);
    wh_job *job = fakes[0].jobs[0];

    fakes[0].events.on_progress(fakes[0].events.arg, job, 40, (wh_slice){"half", 4});
    fakes[0].events.on_progress(fakes[0].events.arg, job, -1, (wh_slice){"more", 4});
    assert_int_equal(notes, 2);
    assert_int_equal(slot_of('a')->percent, 40);
    assert_string_equal(slot_of('a')->note, "more");
    fakes[0].events.on_log(fakes[0].events.arg, job, (wh_slice){"line", 4});
    assert_int_equal(lines, 1);
}

static void test_payloads_must_fit(void **state)
{
    (void)state;
    static const char schema[] = "{\"type\":\"object\"}";
    wh_handler *h = wh_registry_find(registry, "mail");
    static const char want[] = "payload: not JSON at byte 0: ";

    assert_int_equal(wh_schema_compile(schema, sizeof schema - 1, &h->schema, NULL),
                     WH_OK);
    claim('a', "mail"); /* its payload is the word "payload" */
    wh_dispatch_pump(dispatch);
    assert_int_equal(pending_outcome(), WH_STORE_DEAD);
    const wh_store_finish *f = &part->pending.first->finish;
    assert_string_equal(f->category, "invalid");
    assert_string_equal(f->says, "not_started");
    assert_true(f->message.n > sizeof want);
    assert_memory_equal(f->message.p, want, sizeof want - 1);
    confirm_all();
    claim('b', "slow"); /* has no schema */
    wh_dispatch_pump(dispatch);
    assert_int_equal(fakes[0].n, 0);
    assert_int_equal(fakes[1].n, 1);
}

/* Payloads that take long to check hold up neither the loop nor other handlers. */
static void test_checks_take_turns(void **state)
{
    enum { JOBS = 9 };
    static const char schema[] = "{\"pattern\":\"^(a+)+$\"}";
    char text[3000];
    wh_handler *h = wh_registry_find(registry, "mail");

    (void)state;
    assert_int_equal(wh_schema_compile(schema, sizeof schema - 1, &h->schema, NULL),
                     WH_OK);
    memset(text, 'a', sizeof text);
    text[0] = '"';
    memcpy(text + sizeof text - 3, "!\"", 3);
    payload = text;
    for (int i = 0; i < JOBS; i++) {
        claim((char)('a' + i), "mail");
    }
    claim('z', "slow");
    changes = 0;
    wh_dispatch_pump(dispatch);
    assert_in_range(part->pending.count, 1, JOBS - 1);
    assert_int_equal(changes, 1); /* asks for the next turn */
    assert_int_equal(fakes[1].n, 1);
    while (part->pending.count < JOBS) {
        size_t before = part->pending.count;

        wh_dispatch_pump(dispatch);
        assert_true(part->pending.count > before);
    }
    assert_int_equal(part->pending.first->finish.outcome, WH_STORE_DEAD);
    assert_int_equal(fakes[0].n, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_happy_path),
        TEST(test_room_follows_capacity),
        TEST(test_no_process_at_all),
        TEST(test_retries_end_with_their_time),
        TEST(test_returned_jobs_go_again),
        TEST(test_refused_submit_waits_for_capacity),
        TEST(test_never_run),
        TEST(test_what_has_run_does_not_expire),
        TEST(test_late_retries_do_not_start),
        TEST(test_payloads_must_fit),
        TEST(test_checks_take_turns),
        TEST(test_jobs_know_their_place),
        TEST(test_notes_and_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
