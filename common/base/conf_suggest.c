/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "Did you mean …?": the nearest known name to a mistyped one. The distance counts
 * inserted, lost, changed and swapped neighbouring characters (optimal string
 * alignment). Pure; used by conf and by the command line.
 */
#include "common/base/conf_internal.h"

#include <string.h>

enum { WORD_MAX = 64, FAR = 3 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The distance, or FAR when it is FAR or more. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t n = strnlen(a, WORD_MAX + 1);
    size_t m = strnlen(b, WORD_MAX + 1);
    if (n > WORD_MAX || m > WORD_MAX || n + FAR <= m || m + FAR <= n) {
        return FAR;
    }
    for (size_t j = 0; j <= m; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[i % 3];
        const size_t *last = rows[(i + 2) % 3];
        const size_t *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t d = last[j - 1] + (a[i - 1] != b[j - 1] ? 1U : 0U);
            d = least(d, least(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                d = least(d, before[j - 2] + 1);
            }
            now[j] = d;
        }
    }
    return least(rows[n % 3][m], FAR);
}

/* Is d better than the best so far, and worth a question at all? Two changes make
 * anything of a two-letter word. */
static bool is_better(size_t d, size_t best, size_t word_len)
{
    return d < best && d < word_len;
}

const char *wh_conf_suggest(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t best_distance = FAR;
    size_t len = strlen(word);
    for (size_t i = 0; i < n; i++) {
        size_t d = distance(word, names[i]);
        if (is_better(d, best_distance, len)) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}

const char *wh_conf_suggest_in(const char *word, const wh_buf *names)
{
    const char *best = NULL;
    size_t best_distance = FAR;
    size_t len = strlen(word);
    for (size_t at = 0; at < names->len; at += strlen(names->data + at) + 1) {
        size_t d = distance(word, names->data + at);
        if (is_better(d, best_distance, len)) {
            best = names->data + at;
            best_distance = d;
        }
    }
    return best;
}

/* The first n bytes of b? */
static bool is_word(const char *word, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (word[i] != b[i] && (word[i] != '-' || b[i] != '_')) {
            return false;
        }
    }
    return word[n] == '\0';
}

const char *wh_conf_suggest_aka(const char *word, const wh_opt *opts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (const char *p = opts[i].aka; p != NULL && *p != '\0';) {
            size_t len = strcspn(p, "|");
            if (is_word(word, p, len)) {
                return opts[i].name;
            }
            p += len + strspn(p + len, "|");
        }
    }
    return NULL;
}
