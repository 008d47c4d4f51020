/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads are read back by msgpack-c, byte by byte where it matters.
 */
#include "tests/unit/common/job/codec_spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <msgpack.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const msgpack_object *option_of(const msgpack_object *map, const char *key)
{
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object *k = &map->via.map.ptr[i].key;
        assert_int_equal(k->type, MSGPACK_OBJECT_STR);
        if (k->via.str.size == strlen(key) &&
            memcmp(k->via.str.ptr, key, k->via.str.size) == 0) {
            return &map->via.map.ptr[i].val;
        }
    }
    return NULL;
}

static void assert_text(const msgpack_object *o, const char *expect)
{
    assert_non_null(o);
    assert_int_equal(o->type, MSGPACK_OBJECT_STR);
    assert_int_equal(o->via.str.size, strlen(expect));
    assert_memory_equal(o->via.str.ptr, expect, strlen(expect));
}

static void assert_number(const msgpack_object *o, uint64_t expect)
{
    assert_non_null(o);
    assert_int_equal(o->type, MSGPACK_OBJECT_POSITIVE_INTEGER);
    assert_true(o->via.u64 == expect);
}

static void test_pack_full(void **state)
{
    (void)state;
    wh_buf out = {0};
    msgpack_unpacked un;
    size_t offset = 0;
    assert_int_equal(wh_codec_pack_head(&full_spec, &out), WH_OK);
    assert_int_equal(wh_codec_scan(out.data, out.len, 2, 64, NULL), WH_OK);
    msgpack_unpacked_init(&un);
    assert_int_equal(msgpack_unpack_next(&un, out.data, out.len, &offset),
                     MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(offset, out.len);
    assert_int_equal(un.data.type, MSGPACK_OBJECT_ARRAY);
    assert_int_equal(un.data.via.array.size, 4);
    const msgpack_object *item = un.data.via.array.ptr;
    assert_text(&item[0], "mail.send");
    assert_text(&item[1], "acme");
    assert_number(&item[2], 7);
    assert_int_equal(item[3].type, MSGPACK_OBJECT_MAP);
    assert_int_equal(item[3].via.map.size, 13);
    assert_number(option_of(&item[3], "ma"), 7);
    assert_number(option_of(&item[3], "to"), 30000);
    assert_number(option_of(&item[3], "dl"), 60000);
    assert_number(option_of(&item[3], "xp"), 86400000);
    assert_number(option_of(&item[3], "kt"), 1000);
    assert_text(option_of(&item[3], "k"), "order-17");
    assert_text(option_of(&item[3], "et"), "order");
    assert_text(option_of(&item[3], "ei"), "17");
    assert_text(option_of(&item[3], "tp"), full_spec.traceparent);
    assert_text(option_of(&item[3], "g"), "batch-9");
    assert_text(option_of(&item[3], "ku"), "d");
    assert_text(option_of(&item[3], "kc"), "r");
    assert_number(option_of(&item[3], "rf"), 7200000);
    msgpack_unpacked_destroy(&un);
    wh_buf_fini(&out);
}

static void assert_packed(const wh_job_spec *spec, const char *expect)
{
    wh_buf out = {0};
    assert_int_equal(wh_codec_pack_head(spec, &out), WH_OK);
    assert_int_equal(out.len, strlen(expect));
    assert_memory_equal(out.data, expect, out.len);
    wh_buf_fini(&out);
}

static void test_pack_bytes(void **state)
{
    (void)state;
    static const struct {
        wh_job_spec spec;
        const char *expect;
    } rows[] = {
        {{.type = "a"},
         "\x93\xa1"
         "a\xa7"
         "default\xc0"},
        {{.type = "a", .org = "b", .priority_plus1 = 10},
         "\x93\xa1"
         "a\xa1"
         "b\x09"},
        /* A key's time to live without a key, and empty labels, are no options. */
        {{.type = "a", .org = "b", .key_ttl_ms = 5, .entity_id = ""},
         "\x93\xa1"
         "a\xa1"
         "b\xc0"},
        {{.type = "a", .org = "b", .max_attempts = 3},
         "\x94\xa1"
         "a\xa1"
         "b\xc0\x81\xa2"
         "ma\x03"},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        assert_packed(&rows[i].spec, rows[i].expect);
    }
    /* Appends: what is there stays. */
    wh_buf out = {0};
    wh_buf_adds(&out, "x");
    assert_int_equal(wh_codec_pack_head(&rows[0].spec, &out), WH_OK);
    assert_string_equal(wh_buf_str(&out), "x\x93\xa1"
                                          "a\xa7"
                                          "default\xc0");
    wh_buf_fini(&out);
}

/* Modes of a key that is not there, and the default ones, are no options. */
static void test_pack_modes(void **state)
{
    (void)state;
    static const struct {
        wh_job_spec spec;
        const char *expect;
    } rows[] = {
        {{.type = "a",
          .org = "b",
          .unique = WH_JOB_UNIQUE_DONE,
          .conflict = WH_JOB_CONFLICT_EXTEND},
         "\x93\xa1"
         "a\xa1"
         "b\xc0"},
        {{.type = "a", .org = "b", .key = "c"},
         "\x94\xa1"
         "a\xa1"
         "b\xc0\x81\xa1"
         "k\xa1"
         "c"},
        {{.type = "a",
          .org = "b",
          .key = "c",
          .unique = WH_JOB_UNIQUE_QUEUED,
          .conflict = WH_JOB_CONFLICT_KEEP_LAST},
         "\x94\xa1"
         "a\xa1"
         "b\xc0\x83\xa1"
         "k\xa1"
         "c\xa2"
         "ku\xa1"
         "q\xa2"
         "kc\xa1"
         "l"},
        {{.type = "a",
          .org = "b",
          .key = "c",
          .conflict = WH_JOB_CONFLICT_EXTEND,
          .group = "g"},
         "\x94\xa1"
         "a\xa1"
         "b\xc0\x83\xa1"
         "k\xa1"
         "c\xa2"
         "kc\xa1"
         "e\xa1"
         "g\xa1"
         "g"},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        assert_packed(&rows[i].spec, rows[i].expect);
    }
}

/* The largest legal head stays below the protocol's bound. */
static void test_pack_largest(void **state)
{
    (void)state;
    char name[WH_JOB_NAME_MAX + 1], label[257];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    memset(label, '~', sizeof label - 1);
    label[sizeof label - 1] = '\0';
    wh_job_spec spec = full_spec;
    spec.type = spec.org = spec.group = name;
    spec.key = spec.entity_id = spec.entity_type = spec.traceparent = label;
    spec.timeout_ms = 604800000;
    spec.delay_ms = spec.expires_ms = spec.key_ttl_ms = INT64_C(315360000000);
    spec.retry_for_ms = spec.delay_ms;
    wh_buf out = {0};
    assert_int_equal(wh_job_spec_check(&spec, 0, NULL), WH_OK);
    assert_int_equal(wh_codec_pack_head(&spec, &out), WH_OK);
    assert_true(out.len <= WH_JOB_HEAD_MAX);
    wh_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_full),
        cmocka_unit_test(test_pack_bytes),
        cmocka_unit_test(test_pack_modes),
        cmocka_unit_test(test_pack_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
