/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker needs of the meta of a claimed job (docs/protocol.md section 4).
 */
#include "common/job/codec_internal.h"

/* Numbers of elements; besides, 1 and 2 are the attempts and recoveries, 6 the next retry. */
enum {
    META_NEEDED = 6,
    META_CATEGORY = 7,
    META_STARTED = 18,
    META_GIVEN_BACK = 19,
    META_SNOOZE = 22
};

static void read_category(wh_cursor *c, wh_errclass *out)
{
    wh_cursor_value v;

    if (wh_cursor_next(c, &v) && v.kind == WH_CURSOR_TEXT) {
        *out = wh_errclass_of_word((const char *)v.p, v.n);
    }
}

/* [category, message]; the category may be empty. */
static void read_snooze(wh_cursor *c, wh_codec_meta *m)
{
    wh_cursor_value v;

    if (!wh_cursor_next(c, &v) || v.kind != WH_CURSOR_ARRAY || v.n < 2) {
        return;
    }
    m->is_snoozed = true;
    read_category(c, &m->snooze_category);
    if (wh_cursor_next(c, &v) && v.kind == WH_CURSOR_TEXT) {
        m->snooze_message = (wh_slice){(const char *)v.p, v.n};
    }
}

/* Elements behind the sixth: what is malformed there is as good as absent. */
static void read_meta_rest(wh_cursor *c, size_t n, wh_codec_meta *m)
{
    wh_cursor_value v;

    for (size_t i = META_NEEDED + 1; i <= n && i <= META_SNOOZE; i++) {
        wh_cursor before = *c;
        if (!wh_codec_skip(c)) {
            return;
        }
        if (i == META_CATEGORY) {
            read_category(&before, &m->category);
        } else if (i == META_SNOOZE) {
            read_snooze(&before, m);
        } else if (i == META_STARTED || i == META_GIVEN_BACK) {
            int64_t *out = i == META_STARTED ? &m->started : &m->given_back;
            if (!wh_cursor_next(&before, &v) || !wh_cursor_int(&v, 0, 1, out)) {
                *out = 0;
            }
        }
    }
}

bool wh_codec_has_run(const wh_codec_meta *m)
{
    return m->started > 0 || m->recoveries > 0 ||
           (m->attempts > 0 && m->category != WH_ERRCLASS_NO_HANDLER);
}

bool wh_codec_was_put_off(const wh_codec_meta *m)
{
    return m->given_back == 0 &&
           (m->attempts > 0 || (m->started > 0 && m->next_retry_at_ms > 0));
}

wh_err wh_codec_read_meta(wh_slice in, wh_codec_meta *m, wh_errbuf *eb)
{
    if (in.n == 0) {
        return WH_OK;
    }
    wh_cursor c = {(const unsigned char *)in.p, (const unsigned char *)in.p + in.n};
    int64_t ignored = 0;
    const struct {
        int64_t max, *out; /* max 0: any value */
    } elements[META_NEEDED] = {
        {WH_CODEC_COUNT_MAX, &m->attempts},
        {WH_CODEC_COUNT_MAX, &m->recoveries},
        {0, &ignored},
        {0, &ignored},
        {0, &ignored},
        {WH_CODEC_TIME_MAX_MS, &m->next_retry_at_ms},
    };
    wh_cursor_value array, v;
    if (!wh_cursor_next(&c, &array) || array.kind != WH_CURSOR_ARRAY) {
        return wh_err_set(eb, WH_EBADDATA, "meta: not an array");
    }
    for (size_t i = 0; i < array.n && i < META_NEEDED; i++) {
        if (elements[i].max == 0) {
            if (!wh_codec_skip(&c)) {
                return wh_err_set(eb, WH_EBADDATA, "meta: element %zu is cut off",
                                  i + 1);
            }
            continue;
        }
        bool ok = wh_cursor_next(&c, &v);
        bool is_absent = v.kind == WH_CURSOR_NIL || v.kind == WH_CURSOR_FALSE;
        if (!ok ||
            (!is_absent && !wh_cursor_int(&v, 0, elements[i].max, elements[i].out))) {
            return wh_err_set(eb, WH_EBADDATA, "meta: element %zu is malformed", i + 1);
        }
    }
    read_meta_rest(&c, array.n, m);
    return WH_OK;
}
