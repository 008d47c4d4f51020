/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row for each kind of setting: where it may stand, the parts of its value and an
 * example. Parts are separated by slashes.
 */
#include "common/cli/cli_setting.h"

#include "common/base/conf.h"
#include "common/cli/cli_scope.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 5, DAY_MS = 86400000 };

typedef enum part_kind {
    PART_COUNT,
    PART_PERIOD, /* a duration */
    PART_PERCENT,
    PART_SIZE,
    PART_DECIMAL
} part_kind;

typedef struct part {
    part_kind kind;
    int64_t min, max; /* PART_DECIMAL: min in thousandths, and more than 0 */
    const char *name;
} part;

#define COUNT1(n) PART_COUNT, 1, (n)
static const struct what {
    const char *name;
    unsigned scopes;
    size_t n_parts, n_needed;
    part parts[PARTS_MAX];
    const char *example;
    const char *form;
} kinds[] = {
    {"rate",
     WH_CLI_AT_QUEUE | WH_CLI_AT_ORGS | WH_CLI_AT_TYPES | WH_CLI_AT_PAIR |
         WH_CLI_AT_ANY_PAIR,
     3,
     2,
     {{COUNT1(1000000), "number"},
      {PART_PERIOD, 1, DAY_MS, "period"},
      {COUNT1(1000000), "burst"}},
     "rate:org/acme=100/60s/20",
     "NUMBER/PERIOD/BURST"},
    {"active",
     WH_CLI_AT_QUEUE | WH_CLI_AT_ORGS | WH_CLI_AT_TYPES | WH_CLI_AT_GROUPS |
         WH_CLI_AT_GROUP,
     1,
     1,
     {{COUNT1(1000000), "number"}},
     "active:org/acme=5",
     "NUMBER"},
    {"pause",
     WH_CLI_AT_ORG | WH_CLI_AT_TYPE,
     1,
     1,
     {{COUNT1(1), "switch"}},
     "pause:type/mail=1",
     "1"},
    {"jobs",
     WH_CLI_AT_QUEUE | WH_CLI_AT_ORGS,
     1,
     1,
     {{COUNT1(INT64_C(999999999999999)), "number"}},
     "jobs:org/*=100000",
     "NUMBER"},
    {"bytes",
     WH_CLI_AT_QUEUE | WH_CLI_AT_ORGS,
     1,
     1,
     {{PART_SIZE, 1, INT64_C(999999999999999), "size"}},
     "bytes:queue=2GiB",
     "SIZE"},
    {"memory",
     WH_CLI_AT_QUEUE,
     1,
     1,
     {{PART_PERCENT, 1, 100, "percentage"}},
     "memory:queue=80%",
     "PERCENT%"},
    {"breaker",
     WH_CLI_AT_TYPES,
     5,
     5,
     {{PART_PERCENT, 1, 100, "percentage"},
      {COUNT1(1000000), "volume"},
      {PART_PERIOD, 100, DAY_MS, "window"},
      {PART_PERIOD, 1, DAY_MS, "cooldown"},
      {COUNT1(1000), "probes"}},
     "breaker:type/mail=50%/20/30s/10s/3",
     "PERCENT%/VOLUME/WINDOW/COOLDOWN/PROBES"},
    {"adaptive",
     WH_CLI_AT_TYPE,
     3,
     3,
     {{PART_DECIMAL, 1, 1000000, "lowest rate"},
      {PART_DECIMAL, 1, 1000000, "highest rate"},
      {PART_DECIMAL, 0, 1000000, "step"}},
     "adaptive:type/mail=1/100/5",
     "MIN/MAX/STEP (jobs per second)"},
    {"priority",
     WH_CLI_AT_QUEUE | WH_CLI_AT_TYPE,
     1,
     1,
     {{PART_COUNT, 0, 9, "priority"}},
     "priority:type/mail=8",
     "a number from 0 to 9, higher runs first"},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

/* ---- names ---- */

static const struct what *find_what(const char *word, size_t len)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        if (strlen(kinds[i].name) == len && memcmp(kinds[i].name, word, len) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

static wh_err unknown_what(const char *word, size_t len, wh_errbuf *eb)
{
    const char *names[N_KINDS];
    char shown[40];

    (void)snprintf(shown, sizeof shown, "%.*s", (int)(len < 39 ? len : 39), word);
    for (size_t i = 0; i < N_KINDS; i++) {
        names[i] = kinds[i].name;
    }
    const char *nearest = wh_conf_suggest(shown, names, N_KINDS);
    for (size_t i = 0; nearest != NULL && i < N_KINDS; i++) {
        if (strcmp(nearest, kinds[i].name) == 0) {
            return wh_err_set(eb, WH_EINVAL,
                              "there is no limit \"%s\"; did you mean \"%s\"? Write "
                              "one like %s",
                              shown, nearest, kinds[i].example);
        }
    }
    if (strcmp(shown, "weight") == 0) {
        return wh_err_set(
            eb, WH_EINVAL,
            "a weight is no limit; set an org's share of the workers with: "
            "wherry org weight ORG W");
    }
    return wh_err_set(
        eb, WH_EINVAL,
        "\"%s\" is no setting; write WHAT:SCOPE=VALUE, like "
        "rate:org/acme=100/60s/20 (what: rate, active, pause, jobs, bytes, "
        "memory, breaker, adaptive, priority)",
        shown);
}

static wh_err bad_scope(const struct what *w, const char *scope, wh_errbuf *eb)
{
    wh_buf list = {0};
    wh_err err = wh_cli_scope_names(scope, eb);

    if (err == WH_OK) {
        wh_cli_scope_list(w->scopes, &list);
        err = wh_err_set(eb, WH_EINVAL, "%s:%.80s: %s is for %s; write one like %s",
                         w->name, scope, w->name, wh_buf_str(&list), w->example);
        wh_buf_fini(&list);
    }
    return err;
}

/* Reads the name, up to `len` characters of word. */
static wh_err read_name(const char *word, size_t len, const struct what **what,
                        wh_cli_setting *out, wh_errbuf *eb)
{
    size_t head = strcspn(word, ":=");

    *out = (wh_cli_setting){.name = ""};
    *what = find_what(word, head < len ? head : len);
    if (*what == NULL || head >= len || word[head] != ':') {
        return *what == NULL
                   ? unknown_what(word, head < len ? head : len, eb)
                   : wh_err_set(eb, WH_EINVAL,
                                "\"%.60s\" lacks its scope; write one like %s", word,
                                (*what)->example);
    }
    if (len > WH_CLI_SETTING_NAME_MAX) {
        return bad_scope(*what, word + head + 1, eb);
    }
    memcpy(out->name, word, len);
    unsigned scope = wh_cli_scope_of(out->name + head + 1);
    return (scope & (*what)->scopes) != 0 ? WH_OK
                                          : bad_scope(*what, out->name + head + 1, eb);
}

/* ---- values ---- */

static bool read_decimal(const part *p, const char *text, wh_buf *out)
{
    char *end = NULL;
    double v = strtod(text, &end);

    if (strspn(text, "0123456789.") != strlen(text) || end == text || *end != '\0' ||
        v <= 0 || v * 1000 < (double)p->min || v > (double)p->max) {
        return false;
    }
    wh_buf_adds(out, text);
    return true;
}

static bool read_part(const part *p, const char *text, wh_buf *out)
{
    char digits[32];
    size_t len = strlen(text);
    int64_t value = 0;
    bool ok = false;

    if (len == 0 || len >= sizeof digits) {
        return false;
    }
    memcpy(digits, text, len + 1);
    if (p->kind == PART_PERCENT && digits[len - 1] == '%') {
        digits[len - 1] = '\0';
    }
    switch (p->kind) {
    case PART_COUNT:
    case PART_PERCENT:
        ok = wh_conf_parse_int(digits, p->min, p->max, &value);
        break;
    case PART_PERIOD:
        ok = wh_conf_parse_duration(text, &value);
        break;
    case PART_SIZE:
        ok = wh_conf_parse_size(text, &value);
        break;
    case PART_DECIMAL:
        return read_decimal(p, text, out);
    }
    wh_buf_addi(out, value);
    return ok && value >= p->min && value <= p->max;
}

/* What would have been good. */
static void add_range(const part *p, const char *text, wh_buf *out)
{
    int64_t value = 0;

    switch (p->kind) {
    case PART_COUNT:
    case PART_PERCENT:
        wh_buf_addi(out, p->min);
        if (p->min != p->max) {
            wh_buf_addf(out, " to %" PRId64, p->max);
        }
        wh_buf_adds(out, p->kind == PART_PERCENT ? " percent" : "");
        break;
    case PART_PERIOD:
        if (!wh_conf_parse_duration(text, &value)) {
            wh_buf_adds(out, "times need a unit: 500ms, 60s, 5m");
            break;
        }
        wh_conf_format_number(WH_OPT_DURATION, (double)p->min, out);
        wh_buf_adds(out, " to ");
        wh_conf_format_number(WH_OPT_DURATION, (double)p->max, out);
        break;
    case PART_SIZE:
        wh_buf_addf(out, "%" PRId64 " to %" PRId64 " bytes, or with a unit: 2GiB",
                    p->min, p->max);
        break;
    case PART_DECIMAL:
        wh_buf_addf(out, "a plain decimal number, %s %" PRId64,
                    p->min > 0 ? "0.001 to" : "above 0, up to", p->max);
        break;
    }
}

static wh_err bad_value(const struct what *w, const char *text, const part *p,
                        wh_errbuf *eb)
{
    wh_buf range = {0};

    add_range(p, text, &range);
    wh_err err = wh_err_set(
        eb, WH_EINVAL, "%s: \"%.40s\" is no good %s (%s); the value is %s, like %s",
        w->name, text, p->name, wh_buf_str(&range), w->form, w->example);
    wh_buf_fini(&range);
    return err;
}

/* MIN/MAX…, both good by themselves. */
static wh_err check_order(const struct what *w, const char *value, wh_errbuf *eb)
{
    const char *slash = strchr(value, '/');

    if (slash == NULL || strtod(value, NULL) <= strtod(slash + 1, NULL)) {
        return WH_OK;
    }
    return wh_err_set(
        eb, WH_EINVAL,
        "%s: \"%.40s\": the lowest rate is over the highest; the value is "
        "%s, like %s",
        w->name, value, w->form, w->example);
}

static wh_err read_value(const struct what *w, const char *text, wh_cli_setting *out,
                         wh_errbuf *eb)
{
    wh_buf value = {0};
    const char *at = text;
    size_t n = 0;
    wh_err err = WH_OK;

    for (; err == WH_OK && at != NULL && n < w->n_parts; n++) {
        char word[40];
        size_t len = strcspn(at, "/");

        (void)snprintf(word, sizeof word, "%.*s", (int)(len < 39 ? len : 39), at);
        wh_buf_adds(&value, n == 0 ? "" : "/");
        if (!read_part(&w->parts[n], word, &value)) {
            err = bad_value(w, word, &w->parts[n], eb);
        }
        at = at[len] == '/' ? at + len + 1 : NULL;
    }
    if (err == WH_OK && (at != NULL || n < w->n_needed)) {
        err = wh_err_set(eb, WH_EINVAL, "%s: \"%.40s\": the value is %s, like %s",
                         w->name, text, w->form, w->example);
    }
    if (err == WH_OK && w->parts[0].kind == PART_DECIMAL) {
        err = check_order(w, text, eb);
    }
    if (err == WH_OK && n < w->n_parts) {
        wh_buf_adds(&value, "/1"); /* no burst: evenly spaced */
    }
    if (err == WH_OK && (!wh_buf_ok(&value) || value.len > WH_CLI_SETTING_VALUE_MAX)) {
        err = wh_err_set(eb, WH_EINVAL, "%s: the value is too long", w->name);
    }
    if (err == WH_OK) {
        memcpy(out->value, wh_buf_str(&value), value.len + 1);
    }
    wh_buf_fini(&value);
    return err;
}

wh_err wh_cli_setting_parse(const char *word, wh_cli_setting *out, wh_errbuf *eb)
{
    size_t len = strcspn(word, "=");
    const struct what *w = NULL;
    wh_err err = read_name(word, len, &w, out, eb);

    if (err != WH_OK) {
        return err;
    }
    if (word[len] == '\0' || word[len + 1] == '\0') {
        return wh_err_set(eb, WH_EINVAL,
                          "%s lacks its value; write one like %s (wherry limit remove "
                          "takes one away)",
                          out->name, w->example);
    }
    return read_value(w, word + len + 1, out, eb);
}

wh_err wh_cli_setting_name(const char *word, wh_cli_setting *out, wh_errbuf *eb)
{
    const struct what *w = NULL;

    if (strchr(word, '=') != NULL) {
        return wh_err_set(eb, WH_EINVAL,
                          "\"%.60s\" has a value; what is removed is named without one",
                          word);
    }
    return read_name(word, strlen(word), &w, out, eb);
}

/* ---- showing ---- */

static void show_part(const part *p, const char *text, wh_buf *out)
{
    int64_t value = 0;

    if (p->kind == PART_DECIMAL ||
        !wh_conf_parse_int(text, 0, INT64_C(999999999999999), &value)) {
        wh_buf_adds(out, text);
    } else if (p->kind == PART_PERIOD || p->kind == PART_SIZE) {
        wh_conf_format_number(p->kind == PART_SIZE ? WH_OPT_SIZE : WH_OPT_DURATION,
                              (double)value, out);
    } else {
        wh_buf_addf(out, "%" PRId64 "%s", value, p->kind == PART_PERCENT ? "%" : "");
    }
}

void wh_cli_setting_show(const char *name, const char *value, wh_buf *out)
{
    const struct what *w = find_what(name, strcspn(name, ":"));
    const char *at = value;

    for (size_t n = 0; at != NULL; n++) {
        char word[WH_CLI_SETTING_VALUE_MAX + 1];
        size_t len = strcspn(at, "/");

        (void)snprintf(word, sizeof word, "%.*s",
                       (int)(len < sizeof word ? len : sizeof word - 1), at);
        wh_buf_adds(out, n == 0 ? "" : "/");
        if (w == NULL || n >= w->n_parts) {
            wh_buf_adds(out, word);
        } else {
            show_part(&w->parts[n], word, out);
        }
        at = at[len] == '/' ? at + len + 1 : NULL;
    }
}
