/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a cron expression. What is refused is refused where it stands, with the
 * column (from 1) and with what would be right there. What other crons read in different
 * ways ("L" as a weekday, steps longer than their field) is refused, not guessed.
 */
#include "common/job/civil.h"
#include "common/job/cron.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum field_kind { SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };
enum { DIGITS_MAX = 4, LAST_MAX = 30, NTH_MAX = 5, NAME_LEN = 3, TOKEN_SHOWN = 24 };

typedef struct field {
    const char *name;
    int min, max;
    int count;         /* of different values, also the longest step */
    const char *names; /* of the values from min on, three letters each */
    const char *give;
} field;

static const field fields[FIELDS] = {
    [SECOND] = {"second", 0, 59, 60, "",
                "0-59, *, a range 1-5, a list 1,5, a step */10"},
    [MINUTE] = {"minute", 0, 59, 60, "",
                "0-59, *, a range 1-5, a list 1,5, a step */10"},
    [HOUR] = {"hour", 0, 23, 24, "", "0-23, *, a range 9-17, a list 6,18, a step */2"},
    [DAY] = {"day of month", 1, 31, 31, "",
             "1-31, *, a range 1-7, a list 1,15, a step */2, L (the last), L-3"},
    [MONTH] = {"month", 1, 12, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC",
               "1-12, JAN-DEC, *, a range 1-3, a list 1,7, a step */3"},
    [WEEKDAY] = {"day of week", 0, 7, 7, "SUNMONTUEWEDTHUFRISATSUN",
                 "0-7 (0 and 7 are Sunday), SUN-SAT, *, MON-FRI, 5L (the last Friday), "
                 "5#2 (the second)"},
};

static const struct word {
    const char *name, *means;
} words[] = {
    {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};

typedef struct parser {
    const char *text, *p;
    enum field_kind kind; /* of the field at p */
    wh_cron c;
    wh_errbuf *eb;
} parser;

/* A value and how it was written. */
typedef struct value {
    int n;
    bool is_name;
} value;

static wh_err refuse(const parser *ps, const char *at, const char *fmt, ...)
    WH_PRINTF(3, 4);

static wh_err refuse(const parser *ps, const char *at, const char *fmt, ...)
{
    char why[256];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return wh_err_set(ps->eb, WH_EINVAL, "cron expression, column %zu: %s",
                      (size_t)(at - ps->text) + 1, why);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool ends_field(char c)
{
    return c == '\0' || is_blank(c);
}

static const char *skip_blanks(const char *p)
{
    while (is_blank(*p)) {
        p++;
    }
    return p;
}

static const char *skip_field(const char *p)
{
    while (!ends_field(*p)) {
        p++;
    }
    return p;
}

/* What stands at p up to the next separator, printable and short, for a message. */
static const char *shown(const char *p, char out[TOKEN_SHOWN])
{
    size_t n = 0;
    while (!ends_field(p[n]) && p[n] != ',' && n < TOKEN_SHOWN - 1) {
        out[n] = isprint((unsigned char)p[n]) ? p[n] : '?';
        n++;
    }
    out[n] = '\0';
    return out;
}

static wh_err refuse_value(const parser *ps, const char *at)
{
    char token[TOKEN_SHOWN];
    const field *f = &fields[ps->kind];
    if (ends_field(*at) || *at == ',') {
        return refuse(ps, at, "a value is missing in the field %s; give %s", f->name,
                      f->give);
    }
    return refuse(ps, at, "\"%s\" is no %s; give %s", shown(at, token), f->name,
                  f->give);
}

/* ---- values ---- */

static bool same_letters(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (toupper((unsigned char)a[i]) != toupper((unsigned char)b[i])) {
            return false;
        }
    }
    return true;
}

/* Reads a number, or -1 and p unmoved. Never more than DIGITS_MAX digits. */
static int take_number(parser *ps)
{
    const char *p = ps->p;
    int n = 0;
    while (isdigit((unsigned char)*p) && p - ps->p <= DIGITS_MAX) {
        n = n * 10 + (*p++ - '0');
    }
    if (p == ps->p || p - ps->p > DIGITS_MAX) {
        return -1;
    }
    ps->p = p;
    return n;
}

static bool take_name(parser *ps, value *v)
{
    const field *f = &fields[ps->kind];
    for (int i = 0; f->names[i] != '\0'; i += NAME_LEN) {
        if (same_letters(ps->p, f->names + i, NAME_LEN)) {
            ps->p += NAME_LEN;
            *v = (value){.n = f->min + i / NAME_LEN, .is_name = true};
            return true;
        }
    }
    return false;
}

static wh_err take_value(parser *ps, value *v)
{
    const field *f = &fields[ps->kind];
    const char *at = ps->p;
    if (take_name(ps, v)) {
        /* Sunday's L may follow a name; "MONDAY" and "JANUARY" may not. */
        bool last = ps->kind == WEEKDAY && toupper((unsigned char)*ps->p) == 'L' &&
                    !isalpha((unsigned char)ps->p[1]);
        return isalpha((unsigned char)*ps->p) && !last ? refuse_value(ps, at) : WH_OK;
    }
    *v = (value){.n = take_number(ps)};
    return v->n < f->min || v->n > f->max ? refuse_value(ps, at) : WH_OK;
}

static void add(parser *ps, int n)
{
    wh_cron *c = &ps->c;
    switch (ps->kind) {
    case SECOND:
        c->seconds |= UINT64_C(1) << n;
        break;
    case MINUTE:
        c->minutes |= UINT64_C(1) << n;
        break;
    case HOUR:
        c->hours |= UINT32_C(1) << n;
        break;
    case DAY:
        c->days |= UINT32_C(1) << n;
        break;
    case MONTH:
        c->months = (uint16_t)(c->months | 1U << n);
        break;
    case WEEKDAY:
        c->weekdays = (uint8_t)(c->weekdays | 1U << n % 7);
        break;
    case FIELDS:
        break;
    }
}

/* ---- items of a list ---- */

static wh_err take_step(parser *ps, int *step)
{
    const field *f = &fields[ps->kind];
    const char *at = ps->p + 1;
    char token[TOKEN_SHOWN];
    *step = 1;
    if (*ps->p != '/') {
        return WH_OK;
    }
    ps->p++;
    if (ends_field(*at) || *at == ',') {
        return refuse(ps, at, "a step is missing in the field %s; give 1-%d", f->name,
                      f->count);
    }
    *step = take_number(ps);
    if (*step < 1 || *step > f->count) {
        return refuse(ps, at, "\"%s\" is no step of the field %s; give 1-%d%s",
                      shown(at, token), f->name, f->count,
                      *step > f->count ? ", or list the times" : "");
    }
    return WH_OK;
}

/* "L" or "L-3" in the day of the month. */
static wh_err take_last_day(parser *ps)
{
    int back = 0;
    ps->p++;
    if (*ps->p == '-') {
        const char *at = ++ps->p;
        back = take_number(ps);
        if (back < 1 || back > LAST_MAX) {
            return refuse(ps, at, "days before the last one are 1-%d: L-3", LAST_MAX);
        }
    }
    ps->c.days_from_end |= UINT32_C(1) << back;
    return WH_OK;
}

/* The "L" of 5L or the "#2" of 5#2. */
static wh_err take_which(parser *ps, int weekday)
{
    uint8_t *set = &ps->c.last_weekdays;
    if (*ps->p++ == '#') {
        const char *at = ps->p;
        int nth = take_number(ps);
        if (nth < 1 || nth > NTH_MAX) {
            return refuse(ps, at,
                          "a month has weekdays #1 to #%d; give 5#2 for the second "
                          "Friday, 5L for the last",
                          NTH_MAX);
        }
        set = &ps->c.nth_weekdays[nth - 1];
    }
    *set = (uint8_t)(*set | 1U << weekday % 7);
    return WH_OK;
}

static wh_err take_end(parser *ps, int from, int *to)
{
    const char *at = ps->p;
    value v;
    wh_err err = take_value(ps, &v);
    if (err != WH_OK) {
        return err;
    }
    if (ps->kind == WEEKDAY && v.is_name && v.n == 0) {
        v.n = from > 0 ? 7 : 0; /* FRI-SUN ends with the week */
    }
    if (v.n < from) {
        return refuse(ps, at, "this range runs backwards; write two, as in %s",
                      ps->kind == WEEKDAY ? "6-7,1-2 (7 is Sunday)"
                      : ps->kind == HOUR  ? "22-23,0-5"
                                          : "11-12,1-2");
    }
    *to = v.n;
    return WH_OK;
}

/* A value, a range, either with a step. */
static wh_err take_range(parser *ps, int *from, int *to)
{
    value v;
    wh_err err = take_value(ps, &v);
    if (err != WH_OK) {
        return err;
    }
    *from = *to = v.n;
    if (*ps->p == '-') {
        ps->p++;
        return take_end(ps, *from, to);
    }
    if (*ps->p == '/') { /* 5/15: from 5 on */
        *to = ps->kind == WEEKDAY && v.n < 7 ? 6 : fields[ps->kind].max;
    }
    return WH_OK;
}

static wh_err take_item(parser *ps)
{
    const field *f = &fields[ps->kind];
    const char *item = ps->p;
    int from = f->min, to = ps->kind == WEEKDAY ? 6 : f->max, step;
    char first = (char)toupper((unsigned char)*ps->p);
    if (first == 'L' && ps->kind == DAY) {
        return take_last_day(ps);
    }
    if (first == '*' || first == '?') {
        ps->p++;
    } else {
        wh_err err = take_range(ps, &from, &to);
        if (err != WH_OK) {
            return err;
        }
        char next = (char)toupper((unsigned char)*ps->p);
        bool range = memchr(item, '-', (size_t)(ps->p - item)) != NULL;
        if (ps->kind == WEEKDAY && !range && (next == 'L' || next == '#')) {
            return take_which(ps, from);
        }
    }
    wh_err err = take_step(ps, &step);
    for (int n = from; err == WH_OK && n <= to; n += step) {
        add(ps, n);
    }
    return err;
}

static wh_err take_field(parser *ps)
{
    const char *start = ps->p;
    bool star = *start == '*' || *start == '?';
    for (;;) {
        const char *item = ps->p;
        wh_err err = take_item(ps);
        if (err != WH_OK) {
            return err;
        }
        if (!ends_field(*ps->p) && *ps->p != ',') {
            return refuse_value(ps, item);
        }
        if (*ps->p != ',') {
            break;
        }
        ps->p++;
    }
    ps->c.any_day = ps->kind == DAY ? star : ps->c.any_day;
    ps->c.any_weekday = ps->kind == WEEKDAY ? star : ps->c.any_weekday;
    if (ps->kind == HOUR || ps->kind == MINUTE) {
        ps->c.is_interval = ps->c.is_interval || star;
    }
    return WH_OK;
}

/* ---- the whole ---- */

/* Is there a day in any year? 28 years have each length of February with each weekday. */
static bool has_day(const wh_cron *c)
{
    for (int year = 1972; year < 1972 + 28; year++) {
        for (int month = 1; month <= 12; month++) {
            if (wh_cron_days(c, year, month) != 0) {
                return true;
            }
        }
    }
    return false;
}

static wh_err take_fields(parser *ps, int count)
{
    const char *day = ps->p;
    ps->c.has_seconds = count == FIELDS;
    if (!ps->c.has_seconds) {
        ps->c.seconds = 1;
    }
    for (int kind = FIELDS - count; kind < FIELDS; kind++) {
        ps->kind = (enum field_kind)kind;
        day = ps->kind == DAY ? ps->p : day;
        wh_err err = take_field(ps);
        if (err != WH_OK) {
            return err;
        }
        ps->p = skip_blanks(ps->p);
    }
    if (!has_day(&ps->c)) {
        return refuse(
            ps, day, "no year has such a day: %s",
            ps->c.any_weekday && ps->c.weekdays == 0x7f
                ? "the months given are too short for it"
                : "a field that begins with * is met together with the other, "
                  "so day of month and day of week must agree");
    }
    return WH_OK;
}

static wh_err take_word(parser *ps)
{
    const char *at = ps->p;
    size_t n = (size_t)(skip_field(at) - at);
    const char *rest = skip_blanks(at + n);
    char token[TOKEN_SHOWN];
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i].name) == n && same_letters(at, words[i].name, n)) {
            if (*rest != '\0') {
                return refuse(ps, rest, "nothing may follow %s", words[i].name);
            }
            parser inner = *ps;
            inner.text = inner.p = words[i].means;
            wh_err err = take_fields(&inner, FIELDS - 1);
            ps->c = inner.c;
            return err;
        }
    }
    return refuse(ps, at,
                  "\"%s\" is unknown; give @hourly, @daily, @midnight, @weekly, "
                  "@monthly, @yearly or @annually, or five or six fields (*/5 * * * *: "
                  "every 5 minutes)",
                  shown(at, token));
}

static wh_err take_text(parser *ps)
{
    int count = 0;
    ps->p = skip_blanks(ps->text);
    if (*ps->p == '@') {
        return take_word(ps);
    }
    const char *after = ps->p; /* the first field too many, or the end */
    for (const char *p = ps->p; *p != '\0' && count <= FIELDS; count++) {
        after = p;
        p = skip_blanks(skip_field(p));
        after = count < FIELDS ? p : after;
    }
    if (count < FIELDS - 1 || count > FIELDS) {
        return refuse(ps, after,
                      "%s; give minute, hour, day of month, month and day of week "
                      "(0 3 * * MON-FRI), or these with the second first",
                      count == 0       ? "the expression is empty"
                      : count > FIELDS ? "a seventh field"
                                       : "too few fields");
    }
    return take_fields(ps, count);
}

wh_err wh_cron_parse(const char *text, wh_cron *out, wh_errbuf *eb)
{
    parser ps = {.text = text, .eb = eb};
    if (text == NULL) {
        return wh_err_set(eb, WH_EINVAL, "cron expression: there is none");
    }
    if (strnlen(text, WH_CRON_TEXT_MAX + 1) > WH_CRON_TEXT_MAX) {
        return wh_err_set(eb, WH_EINVAL,
                          "cron expression: it is longer than %d characters",
                          WH_CRON_TEXT_MAX);
    }
    wh_err err = take_text(&ps);
    if (err == WH_OK) {
        *out = ps.c;
    }
    return err;
}
