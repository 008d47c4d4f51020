/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines: `wherry [global flags] NOUN [VERB] [flags and operands in any order]`.
 * Every value is checked here, so that commands only see values of their kind. Called
 * by cli.c once per process.
 */
#include "common/cli/cli_args.h"

#include "common/base/alloc.h"
#include "common/base/conf.h"
#include "common/cli/cli_unknown.h"
#include "common/job/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CHOICES_MAX = 32 };

/* ---- looking up ---- */

const wh_cli_command *wh_cli_args_find_noun(const wh_cli_set *set, const char *noun)
{
    for (size_t i = 0; i < set->n_commands; i++) {
        if (strcmp(set->commands[i].noun, noun) == 0) {
            return &set->commands[i];
        }
    }
    return NULL;
}

const wh_cli_command *wh_cli_args_find(const wh_cli_set *set, const char *noun,
                                       const char *verb)
{
    for (size_t i = 0; i < set->n_commands; i++) {
        const wh_cli_command *c = &set->commands[i];
        bool same_verb =
            c->verb == NULL ? verb == NULL : verb != NULL && strcmp(c->verb, verb) == 0;

        if (same_verb && strcmp(c->noun, noun) == 0) {
            return c;
        }
    }
    return NULL;
}

static const wh_cli_flag *find_in(const wh_cli_flag *flags, size_t n, const char *name,
                                  size_t len)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(flags[i].name) == len && memcmp(flags[i].name, name, len) == 0) {
            return &flags[i];
        }
    }
    return NULL;
}

static const wh_cli_flag *find_long(const wh_cli_args *a, const char *name, size_t len)
{
    const wh_cli_flag *f = NULL;

    if (a->command != NULL) {
        f = find_in(a->command->flags, a->command->n_flags, name, len);
    }
    return f != NULL ? f : find_in(a->set->globals, a->set->n_globals, name, len);
}

static const wh_cli_flag *find_letter(const wh_cli_args *a, char letter)
{
    for (size_t i = 0; a->command != NULL && i < a->command->n_flags; i++) {
        if (a->command->flags[i].letter == letter) {
            return &a->command->flags[i];
        }
    }
    for (size_t i = 0; i < a->set->n_globals; i++) {
        if (a->set->globals[i].letter == letter) {
            return &a->set->globals[i];
        }
    }
    return NULL;
}

/* ---- values ---- */

/* Is word[0..len) among "a|b|c"? */
static bool is_choice(const char *choices, const char *word, size_t len)
{
    for (const char *p = choices; *p != '\0';) {
        size_t n = strcspn(p, "|");

        if (n == len && memcmp(p, word, len) == 0) {
            return true;
        }
        p += n + (p[n] == '|');
    }
    return false;
}

/* The nearest of "a|b|c", or NULL. */
static const char *nearest_choice(const char *choices, const char *word, char *copy,
                                  size_t size)
{
    const char *names[CHOICES_MAX];
    size_t n = 0;

    (void)snprintf(copy, size, "%s", choices);
    for (char *p = copy; p != NULL && n < CHOICES_MAX; n++) {
        names[n] = p;
        p = strchr(p, '|');
        if (p != NULL) {
            *p++ = '\0';
        }
    }
    return n == 0 ? NULL : wh_conf_suggest(word, names, n);
}

static wh_err refuse_choice(const wh_cli_flag *f, const char *word, size_t len,
                            wh_errbuf *eb)
{
    char shown[64];
    char copy[256];

    (void)snprintf(shown, sizeof shown, "%.*s", (int)(len < 60 ? len : 60), word);
    const char *best = nearest_choice(f->choices, shown, copy, sizeof copy);
    return wh_err_set(eb, WH_EINVAL, "--%s: \"%s\" is none of %s%s%s%s%s", f->name,
                      shown, f->choices,
                      f->kind == WH_CLI_CHOICES ? " (several: a,b)" : "",
                      best == NULL ? "" : "; did you mean \"", best == NULL ? "" : best,
                      best == NULL ? "" : "\"?");
}

static wh_err check_choices(const wh_cli_flag *f, const char *text, wh_errbuf *eb)
{
    const char *stop = f->kind == WH_CLI_CHOICES ? "," : "";

    for (const char *p = text;;) {
        size_t n = strcspn(p, stop);

        if (!is_choice(f->choices, p, n)) {
            return refuse_choice(f, p, n, eb);
        }
        if (p[n] == '\0') {
            return WH_OK;
        }
        p += n + 1;
    }
}

static wh_err check_number(const wh_cli_flag *f, const char *text, int64_t *out,
                           wh_errbuf *eb)
{
    char digits[24];
    size_t len = strlen(text);
    bool per_second = f->kind == WH_CLI_RATE && len > 2 && len < sizeof digits &&
                      strcmp(text + len - 2, "/s") == 0;

    if (per_second) {
        memcpy(digits, text, len - 2);
        digits[len - 2] = '\0';
    }
    if (wh_conf_parse_int(per_second ? digits : text, f->min, f->max, out)) {
        return WH_OK;
    }
    return wh_err_set(eb, WH_EINVAL,
                      "--%s: \"%.40s\" is no number from %" PRId64 " to %" PRId64,
                      f->name, text, f->min, f->max);
}

static wh_err check_duration(const wh_cli_flag *f, const char *text, int64_t *out,
                             wh_errbuf *eb)
{
    if (!wh_conf_parse_duration(text, out)) {
        return wh_err_set(eb, WH_EINVAL,
                          "--%s: \"%.40s\" is no duration; write a number with a unit, "
                          "like 500ms, 5s, 10m, 2h, 7d",
                          f->name, text);
    }
    if (*out >= f->min && *out <= f->max) {
        return WH_OK;
    }
    wh_buf range = {0};
    wh_conf_format_number(WH_OPT_DURATION, (double)f->min, &range);
    wh_buf_adds(&range, " to ");
    wh_conf_format_number(WH_OPT_DURATION, (double)f->max, &range);
    wh_err err = wh_err_set(eb, WH_EINVAL, "--%s: \"%.40s\" is out of range: %s",
                            f->name, text, wh_buf_str(&range));
    wh_buf_fini(&range);
    return err;
}

static wh_err check_value(const wh_cli_flag *f, const char *text, int64_t *number,
                          wh_errbuf *eb)
{
    switch (f->kind) {
    case WH_CLI_SWITCH:
    case WH_CLI_TEXT:
        return WH_OK;
    case WH_CLI_NAME:
        if (wh_job_name_ok(text, strlen(text))) {
            return WH_OK;
        }
        return wh_err_set(
            eb, WH_EINVAL,
            "--%s: \"%.70s\" is no name; give 1 to %d characters of A-Z a-z "
            "0-9 _ . -",
            f->name, text, WH_JOB_NAME_MAX);
    case WH_CLI_NUMBER:
    case WH_CLI_RATE:
        return check_number(f, text, number, eb);
    case WH_CLI_DURATION:
        return check_duration(f, text, number, eb);
    case WH_CLI_CHOICE:
    case WH_CLI_CHOICES:
        return check_choices(f, text, eb);
    }
    return WH_EINVAL;
}

static wh_err set_value(wh_cli_args *a, const wh_cli_flag *f, const char *text,
                        wh_errbuf *eb)
{
    wh_cli_value *v = NULL;
    int64_t number = 0;
    wh_err err = check_value(f, text, &number, eb);

    if (err != WH_OK) {
        return err;
    }
    for (size_t i = 0; i < a->n_values; i++) {
        if (a->values[i].flag == f) {
            v = &a->values[i];
        }
    }
    if (v == NULL) {
        WH_ASSERT(a->n_values < WH_CLI_FLAGS_MAX);
        v = &a->values[a->n_values++];
    }
    *v = (wh_cli_value){.flag = f, .text = text, .number = number};
    return WH_OK;
}

/* ---- the line ---- */

typedef struct line {
    int argc;
    char **argv;
    int at;
} line;

/* A flag at l->at; moves l->at to its last word. */
static wh_err parse_flag(wh_cli_args *a, line *l, wh_errbuf *eb)
{
    const char *word = l->argv[l->at];
    const char *name = word + 2;
    const char *value = NULL;
    const wh_cli_flag *f = NULL;
    size_t len = 0;

    if (word[1] == '-') {
        len = strcspn(name, "=");
        value = name[len] == '=' ? name + len + 1 : NULL;
        f = find_long(a, name, len);
        if (f == NULL) {
            return wh_cli_unknown_flag(a, name, len, eb);
        }
    } else {
        f = find_letter(a, word[1]);
        value = word[2] != '\0' ? word + 2 : NULL;
        if (f == NULL) {
            return wh_err_set(eb, WH_EINVAL,
                              "there is no flag \"-%c\" (put -- before an operand that "
                              "begins with a dash)",
                              word[1]);
        }
    }
    if (f->kind == WH_CLI_SWITCH) {
        return value == NULL
                   ? set_value(a, f, "", eb)
                   : wh_err_set(eb, WH_EINVAL, "--%s takes no value", f->name);
    }
    if (value == NULL) {
        if (l->at + 1 >= l->argc) {
            return wh_err_set(eb, WH_EINVAL, "--%s needs a value: --%s %s", f->name,
                              f->name, f->value);
        }
        value = l->argv[++l->at];
    }
    return set_value(a, f, value, eb);
}

static wh_err parse_word(wh_cli_args *a, const char *word, wh_errbuf *eb)
{
    if (a->command != NULL) {
        if (a->n_operands >= a->command->max_operands) {
            return wh_err_set(eb, WH_EINVAL, "\"%.60s\" is one operand too many", word);
        }
        a->operands[a->n_operands++] = word;
        return WH_OK;
    }
    if (a->noun == NULL) {
        const wh_cli_command *first = wh_cli_args_find_noun(a->set, word);

        if (first == NULL) {
            return wh_cli_unknown_noun(a->set, word, eb);
        }
        a->noun = first->noun;
        a->command = first->verb == NULL ? first : NULL;
        return WH_OK;
    }
    a->command = wh_cli_args_find(a->set, a->noun, word);
    return a->command == NULL ? wh_cli_unknown_verb(a->set, a->noun, word, eb) : WH_OK;
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            return true;
        }
    }
    return false;
}

static wh_err check_conflicts(const wh_cli_args *a, wh_errbuf *eb)
{
    for (size_t i = 0; i < a->n_values; i++) {
        const wh_cli_flag *f = a->values[i].flag;

        if (f->not_with != NULL && wh_cli_args_has(a, f->not_with)) {
            return wh_err_set(eb, WH_EINVAL, "--%s and --%s exclude each other",
                              f->name, f->not_with);
        }
    }
    return WH_OK;
}

wh_err wh_cli_args_parse(wh_cli_args *a, const wh_cli_set *set, int argc, char **argv,
                         wh_errbuf *eb)
{
    line l = {.argc = argc, .argv = argv, .at = 1};
    bool flags_end = false;
    wh_err err = WH_OK;

    *a = (wh_cli_args){.set = set, .help = asks_help(argc, argv)};
    a->operands = wh_calloc((size_t)argc + 1, sizeof *a->operands);
    if (a->operands == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    for (; l.at < argc && err == WH_OK; l.at++) {
        const char *word = argv[l.at];

        if (!flags_end && strcmp(word, "--") == 0) {
            flags_end = true;
        } else if (!flags_end && word[0] == '-' && word[1] != '\0') {
            err = parse_flag(a, &l, eb);
        } else {
            err = parse_word(a, word, eb);
        }
    }
    if (a->help) {
        return WH_OK;
    }
    if (err == WH_OK && a->command != NULL &&
        a->n_operands < a->command->min_operands) {
        err = wh_err_set(eb, WH_EINVAL, "an operand is missing: %s",
                         a->command->operands);
    }
    return err == WH_OK ? check_conflicts(a, eb) : err;
}

void wh_cli_args_fini(wh_cli_args *a)
{
    wh_free(a->operands);
    a->operands = NULL;
    a->n_operands = 0;
}

/* ---- reading ---- */

static const wh_cli_value *find_value(const wh_cli_args *a, const char *name)
{
    const wh_cli_flag *f = find_long(a, name, strlen(name));

    WH_ASSERT(f != NULL);
    for (size_t i = 0; i < a->n_values; i++) {
        if (a->values[i].flag == f) {
            return &a->values[i];
        }
    }
    return NULL;
}

bool wh_cli_args_has(const wh_cli_args *a, const char *name)
{
    return find_value(a, name) != NULL;
}

const char *wh_cli_args_text(const wh_cli_args *a, const char *name)
{
    const wh_cli_value *v = find_value(a, name);

    return v == NULL ? NULL : v->text;
}

int64_t wh_cli_args_number(const wh_cli_args *a, const char *name, int64_t dflt)
{
    const wh_cli_value *v = find_value(a, name);

    return v == NULL ? dflt : v->number;
}

const char *wh_cli_args_operand(const wh_cli_args *a, size_t i)
{
    return i < a->n_operands ? a->operands[i] : NULL;
}

bool wh_cli_args_chosen(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = list; p != NULL;) {
        size_t n = strcspn(p, ",");

        if (n == len && memcmp(p, word, len) == 0) {
            return true;
        }
        p = p[n] == ',' ? p + n + 1 : NULL;
    }
    return false;
}
