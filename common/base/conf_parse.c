/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to number, strictly: no blanks, no signs where none make sense, no rest, no
 * overflow. Used by conf_value.c and by the command line's own flags.
 */
#include "common/base/conf.h"

#include <stdint.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t scale;
};

static const struct unit time_units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                         {"h", 3600000}, {"d", 86400000}, {NULL, 0}};

static const struct unit size_units[] = {{"", 1},
                                         {"B", 1},
                                         {"KiB", INT64_C(1) << 10},
                                         {"MiB", INT64_C(1) << 20},
                                         {"GiB", INT64_C(1) << 30},
                                         {"TiB", INT64_C(1) << 40},
                                         {NULL, 0}};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits at *s; false when there are none or they don't fit. */
static bool parse_digits(const char **s, int64_t *out)
{
    const char *p = *s;
    int64_t v = 0;
    while (is_digit(*p)) {
        int digit = *p++ - '0';
        if (v > (INT64_MAX - digit) / 10) {
            return false;
        }
        v = v * 10 + digit;
    }
    bool any = p != *s;
    *s = p;
    *out = v;
    return any;
}

/* "2.5" of a unit, if that is a whole number of the smallest one. */
static bool parse_scaled(const char *s, const struct unit *units, int64_t *out)
{
    int64_t whole = 0;
    int64_t part = 0;
    int64_t parts = 1;
    if (!parse_digits(&s, &whole)) {
        return false;
    }
    if (*s == '.') {
        const char *from = ++s;
        if (!parse_digits(&s, &part) || s - from > 6) {
            return false;
        }
        for (const char *p = from; p < s; p++) {
            parts *= 10;
        }
    }
    for (const struct unit *u = units; u->name != NULL; u++) {
        if (strcmp(s, u->name) != 0) {
            continue;
        }
        int64_t extra = part * u->scale; /* < 10^6 * 2^40 */
        if (extra % parts != 0 || whole > (INT64_MAX - extra / parts) / u->scale) {
            return false;
        }
        *out = whole * u->scale + extra / parts;
        return true;
    }
    return false;
}

bool wh_conf_parse_duration(const char *s, int64_t *ms)
{
    return parse_scaled(s, time_units, ms);
}

bool wh_conf_parse_size(const char *s, int64_t *bytes)
{
    return parse_scaled(s, size_units, bytes);
}

bool wh_conf_parse_int(const char *s, int64_t min, int64_t max, int64_t *out)
{
    bool negative = *s == '-';
    int64_t v = 0;
    if (negative) {
        s++;
    }
    if (!parse_digits(&s, &v) || *s != '\0') {
        return false;
    }
    if (negative) {
        v = -v;
    }
    if (v < min || v > max) {
        return false;
    }
    *out = v;
    return true;
}
