/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decimals as digits and an exponent. Called by the readers of schema_doc and by
 * schema_run. Invariant: the form is unique, so equal numbers have equal digits,
 * exponent and sign; zero has no digits, exponent 0 and no sign.
 */
#include "common/job/schema_number.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits_at(const char *p, size_t i, size_t n)
{
    size_t begin = i;
    while (i < n && is_digit(p[i])) {
        i++;
    }
    return i - begin;
}

size_t wh_schema_number_scan(const char *p, size_t n)
{
    size_t i = n > 0 && p[0] == '-' ? 1 : 0;
    size_t whole = digits_at(p, i, n);
    if (whole == 0 || (whole > 1 && p[i] == '0')) {
        return 0;
    }
    i += whole;
    if (i < n && p[i] == '.') {
        size_t part = digits_at(p, i + 1, n);
        if (part == 0) {
            return 0;
        }
        i += 1 + part;
    }
    if (i < n && (p[i] == 'e' || p[i] == 'E')) {
        i++;
        if (i < n && (p[i] == '+' || p[i] == '-')) {
            i++;
        }
        size_t part = digits_at(p, i, n);
        if (part == 0) {
            return 0;
        }
        i += part;
    }
    return i;
}

/* The number behind the e; beyond any limit it stays there. */
static int64_t read_exponent(const char *p, size_t n)
{
    enum { FAR_AWAY = 1000000000 };
    bool negative = n > 0 && p[0] == '-';
    size_t i = n > 0 && (p[0] == '-' || p[0] == '+') ? 1 : 0;
    int64_t exponent = 0;
    for (; i < n; i++) {
        exponent = exponent * 10 + (p[i] - '0');
        if (exponent > FAR_AWAY) {
            exponent = FAR_AWAY;
        }
    }
    return negative ? -exponent : exponent;
}

bool wh_schema_number_read(const char *p, size_t n, char *digits, wh_schema_number *out)
{
    size_t count = 0, i = 0;
    int64_t exponent = 0;
    bool behind_point = false;
    *out = (wh_schema_number){.digits = digits, .negative = p[0] == '-'};
    for (i = out->negative ? 1 : 0; i < n && p[i] != 'e' && p[i] != 'E'; i++) {
        if (p[i] == '.') {
            behind_point = true;
            continue;
        }
        if (count > 0 || p[i] != '0') {
            digits[count++] = p[i];
        }
        exponent -= behind_point;
    }
    if (i < n) {
        exponent += read_exponent(p + i + 1, n - i - 1);
    }
    while (count > 0 && digits[count - 1] == '0') {
        count--;
        exponent++;
    }
    if (count == 0) {
        out->negative = false;
        return true;
    }
    int64_t point = exponent + (int64_t)count;
    out->n = (uint32_t)count;
    if (exponent < -WH_SCHEMA_NUMBER_POINT_MAX ||
        exponent > WH_SCHEMA_NUMBER_POINT_MAX || point < -WH_SCHEMA_NUMBER_POINT_MAX ||
        point > WH_SCHEMA_NUMBER_POINT_MAX) {
        return false;
    }
    out->exponent = (int32_t)exponent;
    return true;
}

/* So many digits are never too many: any decimal of no more that reads back as v is v
 * written with these, zeros at its end. 15, or fewer of a denormal, which has fewer bits;
 * at least 1. */
static int sure_digits(double v)
{
    int power = 0;
    (void)frexp(v, &power);
    int bits = power - (DBL_MIN_EXP - DBL_MANT_DIG);
    bits = bits < DBL_MANT_DIG ? bits : DBL_MANT_DIG;
    return bits > 4 ? (bits - 1) * 30103 / 100000 : 1;
}

/* Writes the next decimal of as many digits that is farther from 0. */
static void step_away(char *text, int digits)
{
    char mantissa[WH_SCHEMA_NUMBER_TEXT];
    size_t n = 0;
    const char *p = text, *exponent = strchr(text, 'e');
    for (; p < exponent; p++) {
        if (is_digit(*p)) {
            mantissa[n++] = *p;
        }
    }
    mantissa[n] = '\0';
    (void)snprintf(mantissa, sizeof mantissa, "%s%llue%ld", text[0] == '-' ? "-" : "",
                   strtoull(mantissa, NULL, 10) + 1,
                   strtol(exponent + 1, NULL, 10) - (digits - 1));
    memcpy(text, mantissa, strlen(mantissa) + 1);
}

static bool reads_back(const char *text, double v)
{
    double back = strtod(text, NULL);
    return !(back < v) && !(back > v);
}

size_t wh_schema_number_of_double(double v, char text[WH_SCHEMA_NUMBER_TEXT])
{
    int power = 0;
    double half = frexp(fabs(v), &power);
    for (int digits = sure_digits(v); digits <= DBL_DECIMAL_DIG; digits++) {
        (void)snprintf(text, WH_SCHEMA_NUMBER_TEXT, "%.*e", digits - 1, v);
        if (reads_back(text, v)) {
            break;
        }
        /* Below a power of two the doubles lie closer: the decimal above it, though not
         * the nearest, may read back. */
        if (!(half > 0.5)) {
            step_away(text, digits);
            if (reads_back(text, v)) {
                return strlen(text);
            }
        }
    }
    /* A locale may write the point as something else, of several bytes even. */
    size_t first = (text[0] == '-' ? 1 : 0) + 1;
    size_t point = strcspn(text + first, "0123456789e");
    if (point > 0) {
        text[first] = '.';
        memmove(text + first + 1, text + first + point,
                strlen(text + first + point) + 1);
    }
    return strlen(text);
}

void wh_schema_number_of_integer(int64_t v, char digits[WH_SCHEMA_NUMBER_TEXT],
                                 wh_schema_number *out)
{
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    *out = (wh_schema_number){.digits = digits, .negative = v < 0};
    for (; rest > 0 && rest % 10 == 0; rest /= 10) {
        out->exponent++;
    }
    char *end = digits + WH_SCHEMA_NUMBER_TEXT, *first = end;
    for (; rest > 0; rest /= 10) {
        *--first = (char)('0' + rest % 10);
    }
    out->digits = first;
    out->n = (uint32_t)(end - first);
}

bool wh_schema_number_to_integer(const wh_schema_number *a, int64_t *out)
{
    enum { INT64_DIGITS = 19 };
    if (a->exponent < 0 || (int64_t)a->n + a->exponent > INT64_DIGITS) {
        return false;
    }
    uint64_t sum = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        sum = sum * 10 + (uint64_t)(a->digits[i] - '0');
    }
    for (int32_t i = 0; i < a->exponent; i++) {
        sum *= 10;
    }
    if (sum > (uint64_t)INT64_MAX + (a->negative ? 1 : 0)) {
        return false;
    }
    *out = a->negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

static int compare_sizes(const wh_schema_number *a, const wh_schema_number *b)
{
    int64_t a_point = (int64_t)a->n + a->exponent;
    int64_t b_point = (int64_t)b->n + b->exponent;
    if (a_point != b_point) {
        return a_point < b_point ? -1 : 1;
    }
    uint32_t n = a->n < b->n ? a->n : b->n;
    int order = memcmp(a->digits, b->digits, n);
    return order != 0 ? order : (a->n > b->n) - (a->n < b->n);
}

static int sign_of(const wh_schema_number *a)
{
    return a->n == 0 ? 0 : a->negative ? -1 : 1;
}

int wh_schema_number_compare(const wh_schema_number *a, const wh_schema_number *b)
{
    int a_sign = sign_of(a), b_sign = sign_of(b);
    if (a_sign != b_sign || a_sign == 0) {
        return (a_sign > b_sign) - (a_sign < b_sign);
    }
    return a_sign * compare_sizes(a, b);
}

bool wh_schema_number_is_multiple(const wh_schema_number *a, const wh_schema_number *m)
{
    if (a->n == 0) {
        return true;
    }
    /* a's digits end in no zero: where m has more zeros behind, it is no divisor. */
    if (m->exponent > a->exponent) {
        return false;
    }
    uint64_t divisor = 0, rest = 0; /* rest * 10 + 9 < 10^19 < 2^64 */
    for (uint32_t i = 0; i < m->n; i++) {
        divisor = divisor * 10 + (uint64_t)(m->digits[i] - '0');
    }
    for (uint32_t i = 0; i < a->n; i++) {
        rest = (rest * 10 + (uint64_t)(a->digits[i] - '0')) % divisor;
    }
    for (int32_t i = m->exponent; i < a->exponent && rest > 0; i++) {
        rest = rest * 10 % divisor;
    }
    return rest == 0;
}
