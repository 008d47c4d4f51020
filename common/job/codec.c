/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packs the head of a job and unpacks claimed jobs (docs/protocol.md sections 3, 4).
 * Called by client and store.
 *
 * Packing goes through msgpack-c. Unpacking reads with a cursor of its own: a claim
 * is the hot path, and this way a job costs one allocation, whose size comes from
 * the length of the reply and never from a count inside it. Every read is checked
 * against the end of the input; a value that nobody needs is stepped over by the
 * bounds scan. Strings may be str or bin and whole numbers may be floats, because
 * Lua, which has checked the head at enqueue, does not tell them apart.
 */
#include "common/job/codec.h"

#include "common/base/alloc.h"
#include "common/job/codec_internal.h"

#include <string.h>

#include <msgpack.h>

#define SCAN_DEPTH_MAX 32 /* also where msgpack-c stops */
#define SKIP_DEPTH 8
#define SKIP_ITEMS 4096
#define DURATION_MAX_MS INT64_C(315360000000)

wh_err wh_codec_scan(const void *p, size_t n, unsigned max_depth, size_t max_items,
                     size_t *used)
{
    size_t open[SCAN_DEPTH_MAX]; /* values still to come in each open array or map */
    unsigned depth = 0, limit = max_depth < SCAN_DEPTH_MAX ? max_depth : SCAN_DEPTH_MAX;
    size_t items = 0;
    if (p == NULL || n == 0) {
        return WH_EBADDATA;
    }
    wh_cursor c = {p, (const unsigned char *)p + n};
    do {
        wh_cursor_value v;
        if (!wh_cursor_next(&c, &v)) {
            return WH_EBADDATA;
        }
        if (++items > max_items) {
            return WH_ETOOBIG;
        }
        if (v.kind == WH_CURSOR_ARRAY || v.kind == WH_CURSOR_MAP) {
            if (depth == limit || v.n > max_items - items) {
                return WH_ETOOBIG;
            }
            if (v.n > 0) {
                open[depth++] = v.n;
                continue;
            }
        }
        while (depth > 0 && --open[depth - 1] == 0) {
            depth--;
        }
    } while (depth > 0);
    if (used != NULL) {
        *used = (size_t)(c.p - (const unsigned char *)p);
        return WH_OK;
    }
    return c.p == c.end ? WH_OK : WH_EBADDATA;
}

bool wh_codec_skip(wh_cursor *c)
{
    size_t used = 0;
    if (wh_codec_scan(c->p, (size_t)(c->end - c->p), SKIP_DEPTH, SKIP_ITEMS, &used) !=
        WH_OK) {
        return false;
    }
    c->p += used;
    return true;
}

/* ------------------------------------------------------------------ packing */

static int append_packed(void *data, const char *bytes, size_t n)
{
    wh_buf *out = data;
    wh_buf_add(out, bytes, n);
    return wh_buf_ok(out) ? 0 : -1;
}

static void pack_text(msgpack_packer *pk, const char *s)
{
    size_t n = strlen(s);
    (void)msgpack_pack_str(pk, n);
    (void)msgpack_pack_str_body(pk, s, n);
}

typedef struct head_option {
    const char *key, *text; /* text NULL: the number */
    int64_t number;
} head_option;

enum { HEAD_OPTIONS = 13 };

/* The letter of a mode; the default one goes without saying. */
static const char *unique_letter(const wh_job_spec *s)
{
    static const char *const letters[WH_JOB_UNIQUE_COUNT] = {
        [WH_JOB_UNIQUE_DONE] = "d", [WH_JOB_UNIQUE_QUEUED] = "q"};
    return s->key == NULL ? NULL : letters[s->unique];
}

static const char *conflict_letter(const wh_job_spec *s)
{
    static const char *const letters[WH_JOB_CONFLICT_COUNT] = {
        [WH_JOB_CONFLICT_REPLACE] = "r",
        [WH_JOB_CONFLICT_EXTEND] = "e",
        [WH_JOB_CONFLICT_KEEP_LAST] = "l"};
    return s->key == NULL ? NULL : letters[s->conflict];
}

/* The options that are set; their number. */
static size_t collect_options(const wh_job_spec *s, head_option out[HEAD_OPTIONS])
{
    const head_option all[] = {
        {"ma", NULL, s->max_attempts},
        {"to", NULL, s->timeout_ms},
        {"et", s->entity_type, 0},
        {"ei", s->entity_id, 0},
        {"tp", s->traceparent, 0},
        {"dl", NULL, s->delay_ms},
        {"xp", NULL, s->expires_ms},
        {"k", s->key, 0},
        {"kt", NULL, s->key != NULL ? s->key_ttl_ms : 0},
        {"ku", unique_letter(s), 0},
        {"kc", conflict_letter(s), 0},
        {"g", s->group, 0},
        {"rf", NULL, s->retry_for_ms},
    };
    size_t n = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i].number > 0 || (all[i].text != NULL && all[i].text[0] != '\0')) {
            out[n++] = all[i];
        }
    }
    return n;
}

wh_err wh_codec_pack_head(const wh_job_spec *s, wh_buf *out)
{
    head_option options[HEAD_OPTIONS];
    size_t n = collect_options(s, options);
    /* The packer's own results are not looked at: the buffer remembers a failure. */
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, append_packed);
    (void)msgpack_pack_array(&pk, n > 0 ? 4 : 3);
    pack_text(&pk, s->type);
    pack_text(&pk, s->org != NULL ? s->org : "default");
    if (s->priority_plus1 > 0) {
        (void)msgpack_pack_int(&pk, s->priority_plus1 - 1);
    } else {
        (void)msgpack_pack_nil(&pk);
    }
    if (n > 0) {
        (void)msgpack_pack_map(&pk, n);
    }
    for (size_t i = 0; i < n; i++) {
        pack_text(&pk, options[i].key);
        if (options[i].text != NULL) {
            pack_text(&pk, options[i].text);
        } else {
            (void)msgpack_pack_int64(&pk, options[i].number);
        }
    }
    return wh_buf_ok(out) ? WH_OK : WH_ENOMEM;
}

/* ---------------------------------------------------------------- unpacking */

typedef struct head {
    wh_slice type, org, entity_type, entity_id, traceparent, group;
    int64_t priority, max_attempts, timeout_ms, delay_ms, expires_ms, retry_for_ms;
} head;

/* Key and kind of each option that a worker needs; the others are stepped over,
 * known ones (idempotency key) and those of a newer library alike. */
static const struct option_rule {
    char key[3];
    bool is_text;
    int64_t max; /* value or length */
    size_t offset;
    const char *name;
} option_rules[] = {
    {"ma", false, 1000, offsetof(head, max_attempts), "max_attempts"},
    {"to", false, INT64_C(604800000), offsetof(head, timeout_ms), "timeout_ms"},
    {"dl", false, DURATION_MAX_MS, offsetof(head, delay_ms), "delay_ms"},
    {"xp", false, DURATION_MAX_MS, offsetof(head, expires_ms), "expires_ms"},
    {"et", true, 256, offsetof(head, entity_type), "entity_type"},
    {"ei", true, 256, offsetof(head, entity_id), "entity_id"},
    {"tp", true, 256, offsetof(head, traceparent), "traceparent"},
    {"g", true, WH_JOB_NAME_MAX, offsetof(head, group), "group"},
    {"rf", false, DURATION_MAX_MS, offsetof(head, retry_for_ms), "retry_for_ms"},
};

static const struct option_rule *find_rule(const wh_cursor_value *key)
{
    if (key->kind != WH_CURSOR_TEXT) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof option_rules / sizeof option_rules[0]; i++) {
        if (strlen(option_rules[i].key) == key->n &&
            memcmp(option_rules[i].key, key->p, key->n) == 0) {
            return &option_rules[i];
        }
    }
    return NULL;
}

static bool store_option(head *h, const struct option_rule *rule,
                         const wh_cursor_value *v)
{
    char *field = (char *)h + rule->offset;
    if (v->kind == WH_CURSOR_NIL) {
        return true;
    }
    if (rule->is_text) {
        wh_slice text = {v->p, v->n};
        if (v->kind != WH_CURSOR_TEXT || v->n > (size_t)rule->max) {
            return false;
        }
        memcpy(field, &text, sizeof text);
        return true;
    }
    int64_t number = 0;
    if (!wh_cursor_int(v, 0, rule->max, &number)) {
        return false;
    }
    memcpy(field, &number, sizeof number);
    return true;
}

static wh_err read_options(wh_cursor *c, head *h, wh_errbuf *eb)
{
    wh_cursor_value map, key, v;
    /* Lua packs a table without entries as an empty array. */
    if (!wh_cursor_next(c, &map) ||
        !(map.kind == WH_CURSOR_MAP || (map.kind == WH_CURSOR_ARRAY && map.n == 0))) {
        return wh_err_set(eb, WH_EBADDATA, "record: the options are not a map");
    }
    for (size_t i = 0; i < map.n / 2; i++) {
        wh_cursor before = *c;
        bool ok = wh_codec_skip(c); /* the key, of whatever kind */
        const struct option_rule *rule =
            ok && wh_cursor_next(&before, &key) ? find_rule(&key) : NULL;
        if (rule == NULL) {
            if (!ok || !wh_codec_skip(c)) {
                return wh_err_set(eb, WH_EBADDATA, "record: an option is cut off");
            }
        } else if (!wh_cursor_next(c, &v) || !store_option(h, rule, &v)) {
            return wh_err_set(eb, WH_EBADDATA, "record: option %s is malformed",
                              rule->name);
        }
    }
    return WH_OK;
}

static bool read_name(wh_cursor *c, wh_slice *out)
{
    wh_cursor_value v;
    if (!wh_cursor_next(c, &v) || v.kind != WH_CURSOR_TEXT ||
        !wh_job_name_ok(v.p, v.n)) {
        return false;
    }
    *out = (wh_slice){v.p, v.n};
    return true;
}

static wh_err read_head(wh_cursor *c, head *h, wh_errbuf *eb)
{
    wh_cursor_value array, priority;
    if (!wh_cursor_next(c, &array) || array.kind != WH_CURSOR_ARRAY || array.n < 3) {
        return wh_err_set(eb, WH_EBADDATA,
                          "record: the head is not an array of 3 or more");
    }
    if (!read_name(c, &h->type)) {
        return wh_err_set(eb, WH_EBADDATA, "record: the type is not a name");
    }
    if (!read_name(c, &h->org)) {
        return wh_err_set(eb, WH_EBADDATA, "record: the org is not a name");
    }
    if (!wh_cursor_next(c, &priority) ||
        !wh_cursor_int(&priority, 0, 9, &h->priority)) {
        return wh_err_set(eb, WH_EBADDATA, "record: the priority is not 0 to 9");
    }
    if (array.n > 3) {
        wh_err err = read_options(c, h, eb);
        if (err != WH_OK) {
            return err;
        }
    }
    if (h->group.n > 0 && !wh_job_name_ok(h->group.p, h->group.n)) {
        return wh_err_set(eb, WH_EBADDATA, "record: the group is not a name");
    }
    for (size_t i = 4; i < array.n; i++) {
        if (!wh_codec_skip(c)) {
            return wh_err_set(eb, WH_EBADDATA, "record: the head is cut off");
        }
    }
    return WH_OK;
}

/* 16 id bytes, then the fence in decimal without leading zero. */
static bool read_token(wh_slice token, uint64_t *fence)
{
    *fence = 0;
    if (token.p == NULL || token.n <= WH_UUID_BYTES || token.n > WH_JOB_TOKEN_MAX ||
        token.p[WH_UUID_BYTES] == '0') {
        return false;
    }
    for (size_t i = WH_UUID_BYTES; i < token.n; i++) {
        if (token.p[i] < '0' || token.p[i] > '9') {
            return false;
        }
        *fence = *fence * 10 + (uint64_t)(token.p[i] - '0');
    }
    return true;
}

/* A slice of the record, moved to its copy in the job's block. */
static wh_slice moved(wh_slice s, const char *from, const char *to)
{
    return s.p == NULL ? (wh_slice){NULL, 0} : (wh_slice){to + (s.p - from), s.n};
}

/* The block: the job, the record's bytes, a NUL (so that a text payload can be printed), what
 * it was snoozed with. */
static wh_job *make_job(const wh_codec_claim *c, const head *h, const wh_codec_meta *m,
                        wh_slice payload)
{
    size_t record_n = c->record.n, snooze_n = m->snooze_message.n;

    if (record_n > SIZE_MAX - sizeof(wh_job) - 1 - snooze_n) {
        return NULL;
    }
    wh_job *job = wh_malloc(sizeof *job + record_n + 1 + snooze_n);
    if (job == NULL) {
        return NULL;
    }
    memset(job, 0, sizeof *job);
    char *bytes = (char *)(job + 1);
    memcpy(bytes, c->record.p, record_n);
    bytes[record_n] = '\0';
    if (snooze_n > 0) {
        memcpy(bytes + record_n + 1, m->snooze_message.p, snooze_n);
        job->snooze_message = (wh_slice){bytes + record_n + 1, snooze_n};
    }
    job->is_snoozed = m->is_snoozed;
    job->snooze_category = m->snooze_category;
    memcpy(job->id, c->token.p, sizeof job->id);
    memcpy(job->token, c->token.p, c->token.n);
    job->token_len = c->token.n;
    memcpy(job->type, h->type.p, h->type.n);
    memcpy(job->org, h->org.p, h->org.n);
    job->traceparent = moved(h->traceparent, c->record.p, bytes);
    job->entity_type = moved(h->entity_type, c->record.p, bytes);
    job->entity_id = moved(h->entity_id, c->record.p, bytes);
    job->payload = moved(payload, c->record.p, bytes);
    job->group = moved(h->group, c->record.p, bytes);
    job->priority = (int)h->priority;
    job->max_attempts = (int)h->max_attempts;
    job->timeout_ms = h->timeout_ms;
    job->retry_for_ms = h->retry_for_ms;
    return job;
}

wh_err wh_codec_unpack_job(const wh_codec_claim *c, wh_job **out, wh_errbuf *eb)
{
    head h = {0};
    wh_codec_meta m = {.category = WH_ERRCLASS_ERROR,
                       .snooze_category = WH_ERRCLASS_ERROR};
    wh_cursor_value enqueued;
    uint64_t fence = 0;
    int64_t enqueued_at_ms = 0;
    *out = NULL;
    if (!read_token(c->token, &fence)) {
        return wh_err_set(eb, WH_EPROTO, "claim: a token of %zu bytes is malformed",
                          c->token.n);
    }
    if (c->record.n == 0) {
        return wh_err_set(eb, WH_EBADDATA, "record: empty");
    }
    wh_cursor in = {(const unsigned char *)c->record.p,
                    (const unsigned char *)c->record.p + c->record.n};
    if (*in.p != 0xcf || !wh_cursor_next(&in, &enqueued) ||
        !wh_cursor_int(&enqueued, 0, WH_CODEC_TIME_MAX_MS, &enqueued_at_ms)) {
        return wh_err_set(eb, WH_EBADDATA, "record: does not begin with a time");
    }
    wh_err err = read_head(&in, &h, eb);
    if (err == WH_OK) {
        err = wh_codec_read_meta(c->meta, &m, eb);
    }
    if (err != WH_OK) {
        return err;
    }
    wh_job *job =
        make_job(c, &h, &m, (wh_slice){(const char *)in.p, (size_t)(in.end - in.p)});
    if (job == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "a job of %zu bytes", c->record.n);
    }
    job->fence = fence;
    job->attempt = (int)m.attempts + 1;
    job->recoveries = (int)m.recoveries;
    job->last_error = m.category;
    job->has_run = wh_codec_has_run(&m);
    job->was_put_off = wh_codec_was_put_off(&m);
    job->enqueued_at_ms = enqueued_at_ms;
    job->claimed_at_ms = c->now_ms;
    job->ready_at_ms =
        m.next_retry_at_ms > 0 ? m.next_retry_at_ms : enqueued_at_ms + h.delay_ms;
    job->expires_at_ms = h.expires_ms > 0 ? enqueued_at_ms + h.expires_ms : 0;
    *out = job;
    return WH_OK;
}
