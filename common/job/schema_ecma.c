/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rewrites an ECMA-262 pattern for PCRE2, element by element, so that nothing that
 * only PCRE2 knows (verbs, recursion, possessive repeats, \A, POSIX classes) gets
 * through, and \d \w \s . $ mean what they mean there. Called by schema_pattern.
 * Invariant: every construct that is not in the tables here is refused.
 */
#include "common/job/schema_ecma.h"

#include "common/job/schema_category.h"

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
    unsigned groups; /* open */
    bool can_repeat; /* an atom stands before p */
} scan;

static wh_err refuse(const scan *s, const char *fault)
{
    return wh_err_set(s->eb, WH_EINVAL, "at byte %zu of the pattern: %s",
                      (size_t)(s->p - s->begin), fault);
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

/* Exactly `digits` hexadecimal digits at p; -1: they are not there. */
static int32_t read_hex(const scan *s, const char *p, int digits)
{
    int32_t value = 0;
    if (s->end - p < digits) {
        return -1;
    }
    for (int i = 0; i < digits; i++) {
        char lower = (char)(p[i] | 0x20);
        if (!is_digit(p[i]) && (lower < 'a' || lower > 'f')) {
            return -1;
        }
        value = value * 16 + (is_digit(p[i]) ? p[i] - '0' : lower - 'a' + 10);
    }
    return value;
}

/* ------------------------------------------------------------------ escapes */

/* \u{X...}, the u read. */
static int32_t read_braced(scan *s)
{
    int digits = 0;
    s->p++;
    while (digits < 7 && s->p + digits < s->end && s->p[digits] != '}') {
        digits++;
    }
    int32_t code = digits > 0 && digits < 7 && s->p + digits < s->end
                       ? read_hex(s, s->p, digits)
                       : -1;
    s->p += code >= 0 ? digits + 1 : 0;
    return code;
}

/* The character of \uXXXX, \uXXXX\uXXXX or \u{X}, the u read; -1: not one. */
static int32_t read_unicode(scan *s)
{
    int32_t code = 0;
    if (s->p < s->end && *s->p == '{') {
        code = read_braced(s);
    } else {
        code = read_hex(s, s->p, 4);
        s->p += code >= 0 ? 4 : 0;
        bool is_high = code >= 0xD800 && code <= 0xDBFF;
        if (is_high && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u') {
            int32_t low = read_hex(s, s->p + 2, 4);
            if (low >= 0xDC00 && low <= 0xDFFF) {
                s->p += 6;
                return 0x10000 + (code - 0xD800) * 0x400 + (low - 0xDC00);
            }
        }
    }
    bool is_half = code >= 0xD800 && code <= 0xDFFF;
    return is_half || code > 0x10FFFF ? -1 : code;
}

/* An escape that stands for one character, `c` behind the backslash read; -1: not one,
 * -2: malformed. */
static int32_t read_char_escape(scan *s, char c)
{
    static const char letters[] = "fnrtv", codes[] = "\f\n\r\t\v";
    const char *letter = c != '\0' ? strchr(letters, c) : NULL;
    if (letter != NULL) {
        return codes[letter - letters];
    }
    if (c == 'u') {
        int32_t code = read_unicode(s);
        return code < 0 ? -2 : code;
    }
    if (c == 'x') {
        int32_t code = read_hex(s, s->p, 2);
        s->p += code >= 0 ? 2 : 0;
        return code < 0 ? -2 : code;
    }
    if (c == 'c') {
        if (s->p == s->end || !is_letter(*s->p)) {
            return -2;
        }
        return *s->p++ & 0x1f;
    }
    if (c == '0') {
        return s->p < s->end && is_digit(*s->p) ? -2 : 0;
    }
    bool is_punctuation =
        c >= 0x20 && c < 0x7f && !is_letter(c) && !is_digit(c) && c != '_';
    return is_punctuation ? c : -1;
}

/* \p{...} or \P{...}, the letter c read; PCRE2 judges the name. */
static wh_err put_property(scan *s, char c)
{
    static const char *const prefixes[] = {"General_Category=", "gc="};
    const char *close = s->p < s->end && *s->p == '{'
                            ? memchr(s->p, '}', (size_t)(s->end - s->p))
                            : NULL;
    if (close == NULL) {
        return refuse(s, "\\p wants a name in braces");
    }
    const char *name = s->p + 1;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t len = strlen(prefixes[i]);
        if ((size_t)(close - name) > len && memcmp(name, prefixes[i], len) == 0) {
            name += len;
            break;
        }
    }
    size_t n = (size_t)(close - name);
    for (size_t i = 0; i < n; i++) {
        if (!is_letter(name[i]) && !is_digit(name[i]) && name[i] != '_' &&
            name[i] != '=') {
            return refuse(s, "\\p has a wrong name");
        }
    }
    const char *category = wh_schema_category_short(name, n);
    put(s, c == 'p' ? "\\p{" : "\\P{");
    wh_buf_add(&s->out->text, category != NULL ? category : name,
               category != NULL ? strlen(category) : n);
    put(s, "}");
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

static wh_err put_group_reference(scan *s, char c)
{
    s->out->has_backrefs = true;
    if (c != 'k') {
        put(s, "\\g{");
        wh_buf_addc(&s->out->text, c);
        while (s->p < s->end && is_digit(*s->p)) {
            wh_buf_addc(&s->out->text, *s->p++);
        }
        put(s, "}");
        return WH_OK;
    }
    const char *close = s->p < s->end && *s->p == '<'
                            ? memchr(s->p, '>', (size_t)(s->end - s->p))
                            : NULL;
    if (close == NULL) {
        return refuse(s, "\\k wants the name of a group in < >");
    }
    put(s, "\\k");
    wh_buf_add(&s->out->text, s->p, (size_t)(close + 1 - s->p));
    s->p = close + 1;
    return WH_OK;
}

/* What follows a backslash, outside a class. */
static wh_err put_escape(scan *s)
{
    if (s->p == s->end) {
        return refuse(s, "ends in a backslash");
    }
    char c = *s->p++;
    s->can_repeat = c != 'b' && c != 'B';
    if (put_set(s, c, false)) {
        return WH_OK;
    }
    if (c == 'b' || c == 'B') {
        put(s, c == 'b' ? "\\b" : "\\B");
        return WH_OK;
    }
    if (c == 'p' || c == 'P') {
        return put_property(s, c);
    }
    if (c == 'k' || (c >= '1' && c <= '9')) {
        return put_group_reference(s, c);
    }
    int32_t code = read_char_escape(s, c);
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
    int32_t code = c == 'b' ? '\b' : read_char_escape(s, c);
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
    s->can_repeat = true;
    return WH_OK;
}

/* ----------------------------------------------------------- groups, repeats */

static wh_err put_group(scan *s)
{
    static const char *const kinds[] = {"?:", "?=", "?!", "?<=", "?<!"};
    s->groups++;
    s->can_repeat = false;
    put(s, "(");
    if (s->p == s->end || *s->p != '?') {
        return WH_OK;
    }
    size_t left = (size_t)(s->end - s->p);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t len = strlen(kinds[i]);
        if (left >= len && memcmp(s->p, kinds[i], len) == 0) {
            put(s, kinds[i]);
            s->p += len;
            return WH_OK;
        }
    }
    const char *close = left > 3 && s->p[1] == '<' ? memchr(s->p, '>', left) : NULL;
    if (close == NULL) {
        return refuse(s, "ECMA-262 has no such group");
    }
    for (const char *p = s->p + 2; p < close; p++) {
        if (!is_letter(*p) && *p != '_' && (!is_digit(*p) || p == s->p + 2)) {
            return refuse(s, "a group's name may have letters, digits and _");
        }
    }
    wh_buf_add(&s->out->text, s->p, (size_t)(close + 1 - s->p));
    s->p = close + 1;
    return WH_OK;
}

static bool read_count(scan *s)
{
    unsigned count = 0;
    const char *begin = s->p;
    for (; s->p < s->end && is_digit(*s->p); s->p++) {
        count = count < 1000000 ? count * 10 + (unsigned)(*s->p - '0') : count;
    }
    s->out->repeat_max = count > s->out->repeat_max ? count : s->out->repeat_max;
    return s->p > begin;
}

/* * + ? {n} {n,} {n,m}, each with a ? behind or not; the first byte not read. */
static wh_err put_repeat(scan *s)
{
    const char *begin = s->p;
    if (!s->can_repeat) {
        return refuse(s, "nothing that can be repeated; write a backslash before it");
    }
    if (*s->p++ == '{') {
        bool ok = read_count(s);
        if (ok && s->p < s->end && *s->p == ',') {
            s->p++;
            (void)read_count(s);
        }
        if (!ok || s->p == s->end || *s->p != '}') {
            s->p = begin;
            return refuse(s, "a { that repeats nothing; write \\{");
        }
        s->p++;
    }
    if (s->p < s->end && *s->p == '?') {
        s->p++;
    }
    wh_buf_add(&s->out->text, begin, (size_t)(s->p - begin));
    s->can_repeat = false;
    return WH_OK;
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
        if (s->groups == 0) {
            return refuse(s, "a ) without a (");
        }
        s->groups--;
        s->can_repeat = true;
        break;
    case '}':
    case ']':
        return refuse(s, "a bracket that closes nothing; write a backslash before it");
    case '.':
        put(s, "[^\\n\\r\\x{2028}\\x{2029}]");
        s->can_repeat = true;
        s->p++;
        return WH_OK;
    case '^':
    case '$':
    case '|':
        s->can_repeat = false;
        break;
    default:
        s->can_repeat = true;
        break;
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
    if (err == WH_OK && s.groups > 0) {
        err = refuse(&s, "a ( is not closed");
    }
    if (err == WH_OK && !wh_buf_ok(&out->text)) {
        err = wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    if (err != WH_OK) {
        wh_buf_fini(&out->text);
    }
    return err;
}
