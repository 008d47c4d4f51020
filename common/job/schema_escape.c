/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The escapes of ECMA-262 that stand for one character: \n, \x41, \u0041, \u{41}, \cA,
 * \/ and the like. Called by schema_ecma. Invariant: what ECMA-262 does not list for
 * patterns in Unicode mode is refused.
 */
#include "common/job/schema_escape.h"

#include <stdbool.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Exactly `digits` hexadecimal digits at p; -1: they are not there. */
static int32_t read_hex(const char *p, const char *end, int digits)
{
    int32_t value = 0;
    if (end - p < digits) {
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

/* \u{X...}, the u read. */
static int32_t read_braced(const char **p, const char *end)
{
    int digits = 0;
    ++*p;
    while (digits < 7 && *p + digits < end && (*p)[digits] != '}') {
        digits++;
    }
    int32_t code =
        digits > 0 && digits < 7 && *p + digits < end ? read_hex(*p, end, digits) : -1;
    *p += code >= 0 ? digits + 1 : 0;
    return code;
}

/* The character of \uXXXX, \uXXXX\uXXXX or \u{X}, the u read; -1: not one. */
static int32_t read_unicode(const char **p, const char *end)
{
    int32_t code = 0;
    if (*p < end && **p == '{') {
        code = read_braced(p, end);
    } else {
        code = read_hex(*p, end, 4);
        *p += code >= 0 ? 4 : 0;
        bool is_high = code >= 0xD800 && code <= 0xDBFF;
        if (is_high && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
            int32_t low = read_hex(*p + 2, end, 4);
            if (low >= 0xDC00 && low <= 0xDFFF) {
                *p += 6;
                return 0x10000 + (code - 0xD800) * 0x400 + (low - 0xDC00);
            }
        }
    }
    bool is_half = code >= 0xD800 && code <= 0xDFFF;
    return is_half || code > 0x10FFFF ? -1 : code;
}

int32_t wh_schema_escape_read(const char **p, const char *end, char c)
{
    static const char letters[] = "fnrtv", codes[] = "\f\n\r\t\v";
    const char *letter = c != '\0' ? strchr(letters, c) : NULL;
    if (letter != NULL) {
        return codes[letter - letters];
    }
    if (c == 'u') {
        int32_t code = read_unicode(p, end);
        return code < 0 ? -2 : code;
    }
    if (c == 'x') {
        int32_t code = read_hex(*p, end, 2);
        *p += code >= 0 ? 2 : 0;
        return code < 0 ? -2 : code;
    }
    if (c == 'c') {
        if (*p == end || !is_letter(**p)) {
            return -2;
        }
        return *(*p)++ & 0x1f;
    }
    if (c == '0') {
        return *p < end && is_digit(**p) ? -2 : 0;
    }
    bool is_punctuation =
        c >= 0x20 && c < 0x7f && !is_letter(c) && !is_digit(c) && c != '_';
    return is_punctuation ? c : -1;
}
