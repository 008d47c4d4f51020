/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of texts by format. Called by schema_compile (which) and schema_run (is it),
 * and by schema_uri for addresses. Every check looks at each byte a bounded number of
 * times and keeps nothing.
 */
#include "common/job/schema_format.h"

#include "common/job/schema_uri.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The digits at p as a number; -1 when they are not all digits. */
static int number_at(const char *p, size_t digits)
{
    int value = 0;
    for (size_t i = 0; i < digits; i++) {
        if (!is_digit(p[i])) {
            return -1;
        }
        value = value * 10 + (p[i] - '0');
    }
    return value;
}

/* -------------------------------------------------------------- time (RFC 3339) */

static bool is_date(const char *p, size_t n)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (n != 10 || p[4] != '-' || p[7] != '-') {
        return false;
    }
    int year = number_at(p, 4), month = number_at(p + 5, 2), day = number_at(p + 8, 2);
    if (year < 0 || month < 1 || month > 12) {
        return false;
    }
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day >= 1 && day <= days[month - 1] + (month == 2 && is_leap);
}

/* The offset from UTC, in minutes: "Z" or "+hh:mm". */
static bool read_offset(const char *p, size_t n, int *minutes)
{
    *minutes = 0;
    if (n == 1) {
        return p[0] == 'Z' || p[0] == 'z';
    }
    if (n != 6 || (p[0] != '+' && p[0] != '-') || p[3] != ':') {
        return false;
    }
    int hour = number_at(p + 1, 2), minute = number_at(p + 4, 2);
    *minutes = (hour * 60 + minute) * (p[0] == '-' ? -1 : 1);
    return hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59;
}

static bool is_time(const char *p, size_t n)
{
    enum { DAY = 24 * 60, LEAP_AT = 23 * 60 + 59 };
    if (n < 9 || p[2] != ':' || p[5] != ':') {
        return false;
    }
    int hour = number_at(p, 2), minute = number_at(p + 3, 2),
        second = number_at(p + 6, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
        second > 60) {
        return false;
    }
    size_t i = 8;
    if (p[i] == '.') {
        for (i++; i < n && is_digit(p[i]); i++) {
        }
        if (i == 9) {
            return false;
        }
    }
    int offset = 0;
    if (!read_offset(p + i, n - i, &offset)) {
        return false;
    }
    /* A leap second is the last one of a day in UTC. */
    return second < 60 || (hour * 60 + minute - offset + DAY) % DAY == LEAP_AT;
}

static bool is_date_time(const char *p, size_t n)
{
    return n > 11 && is_date(p, 10) && (p[10] == 'T' || p[10] == 't') &&
           is_time(p + 11, n - 11);
}

/* Digits and a letter of `units`, in their order; *any: there was one. */
static bool read_units(const char **p, const char *end, const char *units, bool *any)
{
    while (*p < end && **p != 'T') {
        const char *begin = *p;
        while (*p < end && is_digit(**p)) {
            ++*p;
        }
        if (*p == begin || *p == end || **p == '\0') {
            return false;
        }
        const char *unit = strchr(units, **p);
        /* Each unit is followed by the next smaller one only: P1Y2D is no duration. */
        if (unit == NULL || (*any && unit != units)) {
            return false;
        }
        units = unit + 1;
        *any = true;
        ++*p;
    }
    return true;
}

static bool is_duration(const char *p, size_t n)
{
    const char *end = p + n;
    bool any_date = false, any_time = false;
    if (n < 3 || p[0] != 'P') {
        return false;
    }
    p++;
    if (end[-1] == 'W') {
        while (is_digit(*p)) {
            p++;
        }
        return p == end - 1;
    }
    if (!read_units(&p, end, "YMD", &any_date)) {
        return false;
    }
    if (p == end) {
        return any_date;
    }
    p++;
    return read_units(&p, end, "HMS", &any_time) && p == end && any_time;
}

/* ------------------------------------------------------------------ addresses */

static bool is_ipv4(const char *p, size_t n)
{
    size_t i = 0;
    for (int part = 0; part < 4; part++) {
        size_t begin = i;
        while (i < n && i - begin < 3 && is_digit(p[i])) {
            i++;
        }
        size_t digits = i - begin;
        if (digits == 0 || (digits > 1 && p[begin] == '0') ||
            number_at(p + begin, digits) > 255) {
            return false;
        }
        if (part < 3 && (i == n || p[i++] != '.')) {
            return false;
        }
    }
    return i == n;
}

/* Steps over the separator behind a group: ':', or '::' once. */
static bool skip_colons(const char *p, size_t n, size_t *i, bool *has_gap)
{
    if (p[*i] != ':' || *i + 1 == n) {
        return false; /* also when it ends in a single ':' */
    }
    ++*i;
    if (p[*i] == ':') {
        if (*has_gap) {
            return false;
        }
        *has_gap = true;
        ++*i;
    }
    return true;
}

bool wh_schema_format_is_ipv6(const char *p, size_t n)
{
    enum { GROUPS = 8 };
    int groups = 0;
    bool has_gap = n >= 2 && p[0] == ':' && p[1] == ':';
    for (size_t i = has_gap ? 2 : 0; i < n;) {
        size_t begin = i;
        while (i < n && i - begin < 4 && is_hex(p[i])) {
            i++;
        }
        if (i < n && p[i] == '.') {
            groups += 2;
            if (!is_ipv4(p + begin, n - begin)) {
                return false;
            }
            break;
        }
        groups++;
        if (i == begin || groups > GROUPS ||
            (i < n && !skip_colons(p, n, &i, &has_gap))) {
            return false;
        }
    }
    return has_gap ? groups < GROUPS : groups == GROUPS;
}

static bool is_hostname(const char *p, size_t n)
{
    enum { NAME_MAX_LEN = 253, LABEL_MAX_LEN = 63 };
    size_t begin = 0;
    if (n == 0 || n > NAME_MAX_LEN) {
        return false;
    }
    for (size_t i = 0; i <= n; i++) {
        if (i < n && p[i] != '.') {
            if (!is_alnum(p[i]) && p[i] != '-') {
                return false;
            }
            continue;
        }
        if (i == begin || i - begin > LABEL_MAX_LEN || p[begin] == '-' ||
            p[i - 1] == '-') {
            return false;
        }
        begin = i + 1;
    }
    return true;
}

/* A name in quotes, of which `n` bytes are there; its length with them, 0: none. */
static size_t quoted_len(const char *p, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (p[i] == '"') {
            return i + 1;
        }
        i += p[i] == '\\' ? 1 : 0;
        if (i >= n || (unsigned char)p[i] < 0x20 || (unsigned char)p[i] >= 0x7f) {
            return 0;
        }
    }
    return 0;
}

/* "IPv6:"; ABNF ignores the case of letters. */
static bool is_ipv6_tag(const char *p)
{
    return (p[0] | 0x20) == 'i' && (p[1] | 0x20) == 'p' && (p[2] | 0x20) == 'v' &&
           p[3] == '6' && p[4] == ':';
}

/* RFC 5321's Mailbox. */
static bool is_email(const char *p, size_t n)
{
    enum { LOCAL_MAX = 64 };
    size_t local = 0;
    if (n > 0 && p[0] == '"') {
        local = quoted_len(p, n);
    } else {
        for (; local < n && p[local] != '@'; local++) {
            char c = p[local];
            bool is_point = c == '.' && local > 0 && p[local - 1] != '.' &&
                            local + 1 < n && p[local + 1] != '@';
            if (!is_alnum(c) && !is_point &&
                (c == '\0' || strchr("!#$%&'*+-/=?^_`{|}~", c) == NULL)) {
                return false;
            }
        }
    }
    if (local == 0 || local > LOCAL_MAX || local + 1 >= n || p[local] != '@') {
        return false;
    }
    p += local + 1;
    n -= local + 1;
    if (p[0] != '[' || p[n - 1] != ']') {
        return is_hostname(p, n);
    }
    return n > 7 && is_ipv6_tag(p + 1) ? wh_schema_format_is_ipv6(p + 6, n - 7)
                                       : is_ipv4(p + 1, n - 2);
}

/* --------------------------------------------------------------- identifiers */

static bool is_uuid(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool is_hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_hyphen ? p[i] != '-' : !is_hex(p[i])) {
            return false;
        }
    }
    return n == 36;
}

static bool is_uri_reference(const char *p, size_t n)
{
    wh_schema_uri uri;
    wh_schema_uri_split(p, n, &uri);
    return wh_schema_uri_is_valid(&uri);
}

static bool is_uri(const char *p, size_t n)
{
    wh_schema_uri uri;
    wh_schema_uri_split(p, n, &uri);
    return uri.scheme.p != NULL && wh_schema_uri_is_valid(&uri);
}

static bool is_json_pointer(const char *p, size_t n)
{
    if (n > 0 && p[0] != '/') {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '~' && (i + 1 == n || (p[i + 1] != '0' && p[i + 1] != '1'))) {
            return false;
        }
    }
    return true;
}

static const struct {
    const char *name;
    wh_schema_format_fn is;
} formats[] = {
    {"date", is_date},
    {"date-time", is_date_time},
    {"duration", is_duration},
    {"email", is_email},
    {"hostname", is_hostname},
    {"ipv4", is_ipv4},
    {"ipv6", wh_schema_format_is_ipv6},
    {"json-pointer", is_json_pointer},
    {"time", is_time},
    {"uri", is_uri},
    {"uri-reference", is_uri_reference},
    {"uuid", is_uuid},
};

wh_schema_format_fn wh_schema_format_get(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strlen(formats[i].name) == n && memcmp(formats[i].name, name, n) == 0) {
            return formats[i].is;
        }
    }
    return NULL;
}

const char *wh_schema_format_names(void)
{
    return "date, date-time, duration, email, hostname, ipv4, ipv6, json-pointer, "
           "time, "
           "uri, uri-reference, uuid";
}
