/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rewrites an ECMA-262 pattern for PCRE2, element by element, so that nothing that
 * only PCRE2 knows (verbs, recursion, possessive repeats, \A, POSIX classes) gets
 * through, and \d \w \s . $ mean what they mean there. Called by schema_pattern.
 * Invariant: every construct that is not in the tables here is refused.
 */
#include "common/job/schema_ecma.h"

#include "common/job/schema_category.h"
#include "common/job/schema_escape.h"
#include "common/job/schema_group.h"

#include <string.h>

/* ECMA's WhiteSpace and LineTerminator, and everything else, as parts of a class. */
#define SPACE                                                                          \
    "\\x{9}-\\x{d}\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}"        \
    "\\x{202f}\\x{205f}\\x{3000}\\x{feff}"
#define NO_SPACE                                                                       \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"   \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}"     \
    "\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}"

typedef struct scan {
    const char *begin, *p, *end;
    wh_schema_ecma *out;
    wh_errbuf *eb;
    wh_schema_groups groups;
    bool can_repeat; /* an atom stands before p */
} scan;

static wh_err refuse(const scan *s, const char *fault)
{
    return wh_err_set(s->eb, WH_EINVAL, "at byte %zu of the pattern: %s",
                      (size_t)(s->p - s->begin), fault);
}

static wh_err no_memory(const scan *s)
{
    return wh_err_set(s->eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
}

static void put(scan *s, const char *text)
{
    wh_buf_adds(&s->out->text, text);
}

static void put_code(scan *s, uint32_t code)
{
    wh_buf_addf(&s->out->text, "\\x{%x}", (unsigned)code);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ------------------------------------------------------------------ escapes */

/* \p{...} or \P{...}, the letter c read. */
static wh_err put_property(scan *s, char c)
{
    const char *close = s->p < s->end && *s->p == '{'
                            ? memchr(s->p, '}', (size_t)(s->end - s->p))
                            : NULL;
    if (close == NULL) {
        return refuse(s, "\\p wants a name in braces");
    }
    const char *name = s->p + 1;
    if (!wh_schema_category_put(name, (size_t)(close - name), c == 'P',
                                &s->out->text)) {
        return refuse(s, "ECMA-262 has no \\p of this name; case counts, and a script "
                         "is Script=Greek");
    }
    s->p = close + 1;
    return WH_OK;
}

/* \d \w \s and their opposites; false: c is none of them. */
static bool put_set(scan *s, char c, bool in_class)
{
    switch (c) {
    case 'd':
        put(s, in_class ? "0-9" : "[0-9]");
        return true;
    case 'w':
        put(s, in_class ? "0-9A-Z_a-z" : "[0-9A-Z_a-z]");
        return true;
    case 's':
        put(s, in_class ? SPACE : "[" SPACE "]");
        return true;
    case 'D':
        put(s, in_class ? "\\x{0}-/:-\\x{10ffff}" : "[^0-9]");
        return true;
    case 'W':
        put(s, in_class ? "\\x{0}-/:-@\\x{5b}-\\x{5e}`{-\\x{10ffff}" : "[^0-9A-Z_a-z]");
        return true;
    case 'S':
        put(s, in_class ? NO_SPACE : "[" NO_SPACE "]");
        return true;
    default:
        return false;
    }
}

static wh_err refer(scan *s, const char *name, const char *end)
{
    s->out->has_backrefs = true;
    return wh_schema_group_refer(&s->groups, name, (size_t)(end - name),
                                 (size_t)(name - s->begin)) == WH_OK
               ? WH_OK
               : no_memory(s);
}

static wh_err put_group_reference(scan *s, char c)
{
    if (c != 'k') {
        const char *digits = s->p - 1;
        while (s->p < s->end && is_digit(*s->p)) {
            s->p++;
        }
        put(s, "\\g{");
        wh_buf_add(&s->out->text, digits, (size_t)(s->p - digits));
        put(s, "}");
        return refer(s, digits, s->p);
    }
    const char *close = s->p < s->end && *s->p == '<'
                            ? memchr(s->p, '>', (size_t)(s->end - s->p))
                            : NULL;
    if (close == NULL || close == s->p + 1) {
        return refuse(s, "\\k wants the name of a group in < >");
    }
    const char *name = s->p + 1;
    put(s, "\\k");
    wh_buf_add(&s->out->text, s->p, (size_t)(close + 1 - s->p));
    s->p = close + 1;
    return refer(s, name, close);
}

/* What follows a backslash, outside a class. */
static wh_err put_escape(scan *s)
{
    if (s->p == s->end) {
        return refuse(s, "ends in a backslash");
    }
    char c = *s->p++;
    bool is_place = c == 'b' || c == 'B';
    s->can_repeat = !is_place;
    if (c == 'k' || (c >= '1' && c <= '9')) {
        return put_group_reference(s, c);
    }
    wh_schema_group_add(&s->groups, is_place ? 0 : 1);
    if (put_set(s, c, false)) {
        return WH_OK;
    }
    if (is_place) {
        put(s, c == 'b' ? "\\b" : "\\B");
        return WH_OK;
    }
    if (c == 'p' || c == 'P') {
        return put_property(s, c);
    }
    int32_t code = wh_schema_escape_read(&s->p, s->end, c);
    if (code < 0) {
        return refuse(s, code == -1 ? "ECMA-262 has no such escape" : "a wrong escape");
    }
    put_code(s, (uint32_t)code);
    return WH_OK;
}

/* ------------------------------------------------------------------ classes */

/* One element of a class; *is_set: it stands for many characters. */
static wh_err put_class_element(scan *s, bool *is_set)
{
    char c = *s->p++;
    *is_set = false;
    if (c == '[') {
        put(s, "\\[");
        return WH_OK;
    }
    if (c != '\\') {
        wh_buf_addc(&s->out->text, c);
        return WH_OK;
    }
    if (s->p == s->end) {
        return refuse(s, "ends in a backslash");
    }
    c = *s->p++;
    if (c == 'p' || c == 'P') {
        *is_set = true;
        return put_property(s, c);
    }
    if (put_set(s, c, true)) {
        *is_set = true;
        return WH_OK;
    }
    int32_t code = c == 'b' ? '\b' : wh_schema_escape_read(&s->p, s->end, c);
    if (code < 0) {
        return refuse(s, code == -1 ? "ECMA-262 has no such escape" : "a wrong escape");
    }
    put_code(s, (uint32_t)code);
    return WH_OK;
}

/* A hyphen in a class: literal at its edges and behind a set, else a range. */
static wh_err put_hyphen(scan *s, bool is_first, bool behind_set)
{
    bool is_last = s->end - s->p > 1 && s->p[1] == ']';
    bool before_set = s->end - s->p > 2 && s->p[1] == '\\' && s->p[2] != '\0' &&
                      strchr("dDwWsSpP", s->p[2]) != NULL;
    if (!is_first && !is_last && (behind_set || before_set)) {
        return refuse(s, "a range begins or ends in a set; write \\-");
    }
    put(s, is_first || is_last ? "\\-" : "-");
    s->p++;
    return WH_OK;
}

/* A class, its [ read. */
static wh_err put_class(scan *s)
{
    put(s, "[");
    if (s->p < s->end && *s->p == '^') {
        put(s, "^");
        s->p++;
    }
    bool is_set = false;
    for (const char *first = s->p; s->p < s->end && *s->p != ']';) {
        wh_err err = *s->p == '-' ? put_hyphen(s, s->p == first, is_set)
                                  : put_class_element(s, &is_set);
        if (err != WH_OK) {
            return err;
        }
    }
    if (s->p == s->end) {
        return refuse(s, "a [ is not closed");
    }
    s->p++;
    put(s, "]");
    wh_schema_group_add(&s->groups, 1);
    s->can_repeat = true;
    return WH_OK;
}

/* ----------------------------------------------------------- groups, repeats */

static wh_err open_group(scan *s, wh_schema_group_kind kind, const char *name, size_t n)
{
    size_t at = (size_t)(s->p - s->begin) - 1;
    return wh_schema_group_open(&s->groups, kind, name, n, at) == WH_OK ? WH_OK
                                                                        : no_memory(s);
}

/* (?<name>, the ( read. */
static wh_err put_named_group(scan *s)
{
    size_t left = (size_t)(s->end - s->p);
    const char *close = left > 3 && s->p[1] == '<' ? memchr(s->p, '>', left) : NULL;
    if (close == NULL) {
        return refuse(s, "ECMA-262 has no such group");
    }
    const char *name = s->p + 2;
    for (const char *p = name; p < close; p++) {
        if (!is_letter(*p) && *p != '_' && (!is_digit(*p) || p == name)) {
            return refuse(s, "a group's name may have letters, digits and _");
        }
    }
    wh_err err = open_group(s, WH_SCHEMA_GROUP_CAPTURE, name, (size_t)(close - name));
    wh_buf_add(&s->out->text, s->p, (size_t)(close + 1 - s->p));
    s->p = close + 1;
    return err;
}

/* The ( read. */
static wh_err put_group(scan *s)
{
    static const struct {
        const char *text;
        wh_schema_group_kind kind;
    } kinds[] = {
        {"?:", WH_SCHEMA_GROUP_PLAIN},       {"?=", WH_SCHEMA_GROUP_AHEAD},
        {"?!", WH_SCHEMA_GROUP_NOT_AHEAD},   {"?<=", WH_SCHEMA_GROUP_BEHIND},
        {"?<!", WH_SCHEMA_GROUP_NOT_BEHIND},
    };
    s->can_repeat = false;
    put(s, "(");
    if (s->p == s->end || *s->p != '?') {
        return open_group(s, WH_SCHEMA_GROUP_CAPTURE, NULL, 0);
    }
    size_t left = (size_t)(s->end - s->p);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t len = strlen(kinds[i].text);
        if (left >= len && memcmp(s->p, kinds[i].text, len) == 0) {
            wh_err err = open_group(s, kinds[i].kind, NULL, 0);
            put(s, kinds[i].text);
            s->p += len;
            return err;
        }
    }
    return put_named_group(s);
}

static bool read_count(scan *s, uint32_t *out)
{
    uint32_t count = 0;
    const char *begin = s->p;
    for (; s->p < s->end && is_digit(*s->p); s->p++) {
        count = count < 1000000 ? count * 10 + (uint32_t)(*s->p - '0') : count;
    }
    s->out->repeat_max = count > s->out->repeat_max ? count : s->out->repeat_max;
    *out = s->p > begin ? count : *out;
    return s->p > begin;
}

/* {n} {n,} {n,m}, the { read. */
static bool read_counts(scan *s, uint32_t *min, uint32_t *max)
{
    bool ok = read_count(s, min);
    *max = *min;
    if (ok && s->p < s->end && *s->p == ',') {
        s->p++;
        *max = UINT32_MAX;
        (void)read_count(s, max);
    }
    ok = ok && s->p < s->end && *s->p == '}';
    s->p += ok;
    return ok;
}

/* * + ? {n} {n,} {n,m}, each with a ? behind or not; the first byte not read. */
static wh_err put_repeat(scan *s)
{
    const char *begin = s->p;
    uint32_t min = *begin == '+', max = *begin == '?' ? 1 : UINT32_MAX;
    if (!s->can_repeat) {
        return refuse(s, wh_schema_group_was_look(&s->groups)
                             ? "a look-ahead or look-behind can't be repeated"
                             : "nothing that can be repeated; write a backslash "
                               "before it");
    }
    s->p++;
    if (*begin == '{' && !read_counts(s, &min, &max)) {
        s->p = begin;
        return refuse(s, "a { that repeats nothing; write \\{");
    }
    if (s->p < s->end && *s->p == '?') {
        s->p++;
    }
    wh_schema_group_repeat(&s->groups, min, max);
    wh_buf_add(&s->out->text, begin, (size_t)(s->p - begin));
    s->can_repeat = false;
    return WH_OK;
}

static wh_err put_close(scan *s)
{
    if (!wh_schema_group_close(&s->groups, (size_t)(s->p - s->begin))) {
        return refuse(s, "a ) without a (");
    }
    s->can_repeat = !wh_schema_group_was_look(&s->groups);
    wh_buf_addc(&s->out->text, *s->p++);
    return WH_OK;
}

/* One that stands for itself, of several bytes or one. */
static void put_character(scan *s)
{
    do {
        wh_buf_addc(&s->out->text, *s->p++);
    } while (s->p < s->end && ((unsigned char)*s->p & 0xC0U) == 0x80U);
    wh_schema_group_add(&s->groups, 1);
    s->can_repeat = true;
}

static wh_err put_next(scan *s)
{
    switch (*s->p) {
    case '*':
    case '+':
    case '?':
    case '{':
        return put_repeat(s);
    case '\\':
        s->p++;
        return put_escape(s);
    case '[':
        s->p++;
        return put_class(s);
    case '(':
        s->p++;
        return put_group(s);
    case ')':
        return put_close(s);
    case '}':
    case ']':
        return refuse(s, "a bracket that closes nothing; write a backslash before it");
    case '.':
        put(s, "[^\\n\\r\\x{2028}\\x{2029}]");
        wh_schema_group_add(&s->groups, 1);
        s->can_repeat = true;
        s->p++;
        return WH_OK;
    case '^':
    case '$':
        wh_schema_group_add(&s->groups, 0);
        s->can_repeat = false;
        break;
    case '|':
        wh_schema_group_alternative(&s->groups);
        s->can_repeat = false;
        break;
    default:
        put_character(s);
        return WH_OK;
    }
    wh_buf_addc(&s->out->text, *s->p++);
    return WH_OK;
}

wh_err wh_schema_ecma_translate(const char *p, size_t n, wh_schema_ecma *out,
                                wh_errbuf *eb)
{
    scan s = {.begin = p, .p = p, .end = p + n, .out = out, .eb = eb};
    *out = (wh_schema_ecma){0};
    wh_err err = WH_OK;
    while (err == WH_OK && s.p < s.end) {
        err = put_next(&s);
    }
    size_t at = 0;
    const char *fault = err == WH_OK ? wh_schema_group_check(&s.groups, &at) : NULL;
    if (fault != NULL) {
        s.p = p + at;
        err = refuse(&s, fault);
    }
    wh_schema_group_fini(&s.groups);
    if (err == WH_OK && !wh_buf_ok(&out->text)) {
        err = no_memory(&s);
    }
    if (err != WH_OK) {
        wh_buf_fini(&out->text);
    }
    return err;
}
