/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exact decimal numbers for schema: what JSON can write is compared digit by digit,
 * so that 2^63 and 2^63 + 1 differ and 0.3 is a multiple of 0.1.
 */
#ifndef WH_COMMON_JOB_SCHEMA_NUMBER_H
#define WH_COMMON_JOB_SCHEMA_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WH_SCHEMA_NUMBER_POINT_MAX = 9999, /* |position of the decimal point| */
    WH_SCHEMA_NUMBER_DIVISOR_MAX = 18, /* digits of a divisor */
    WH_SCHEMA_NUMBER_TEXT = 40,        /* room for any int64, uint64 or double */
};

/* +-digits * 10^exponent. The digits begin and end in no zero; none: the number is 0. */
typedef struct wh_schema_number {
    const char *digits; /* borrowed */
    uint32_t n;
    int32_t exponent;
    bool negative;
} wh_schema_number;

/* Length of the JSON number at p; 0 when there is none. */
size_t wh_schema_number_scan(const char *p, size_t n);
/* Reads a number that was scanned; its digits go to `digits`, which has room for n.
 * false: the decimal point is too far away; out->n is how many digits there are. */
bool wh_schema_number_read(const char *p, size_t n, char *digits,
                           wh_schema_number *out);
/* The text that a double reads back from, as JSON writes it; its length. */
size_t wh_schema_number_of_double(double v, char text[WH_SCHEMA_NUMBER_TEXT]);
void wh_schema_number_of_integer(int64_t v, char digits[WH_SCHEMA_NUMBER_TEXT],
                                 wh_schema_number *out);
bool wh_schema_number_to_integer(const wh_schema_number *a, int64_t *out);
int wh_schema_number_compare(const wh_schema_number *a, const wh_schema_number *b);
/* Is a = m * some integer? m is positive and has at most DIVISOR_MAX digits. */
bool wh_schema_number_is_multiple(const wh_schema_number *a, const wh_schema_number *m);

#endif
