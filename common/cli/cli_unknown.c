/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nearest of the words that could stand there. When none is near, a noun's verbs are
 * all named: they are few.
 */
#include "common/cli/cli_unknown.h"

#include "common/base/buf.h"
#include "common/base/conf.h"

#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 256, WORD_SHOWN = 64 };

/* `there is no flag "--x"`, and `; did you mean "--y"?` when there is one near. */
static wh_err unknown(wh_errbuf *eb, const char *what, const char *word,
                      const char *nearest)
{
    if (nearest == NULL) {
        return wh_err_set(eb, WH_EINVAL, "there is no %s \"%.100s\"", what, word);
    }
    return wh_err_set(eb, WH_EINVAL, "there is no %s \"%.100s\"; did you mean \"%s\"?",
                      what, word, nearest);
}

/* All commands with this verb: `"job list", "queue list"`. */
static wh_err unknown_but_verb(const wh_cli_set *set, const char *word,
                               const char *verb, wh_errbuf *eb)
{
    wh_buf list = {0};

    for (size_t i = 0; i < set->n_commands; i++) {
        const wh_cli_command *c = &set->commands[i];

        if (c->verb != NULL && strcmp(c->verb, verb) == 0) {
            wh_buf_addf(&list, "%s\"%s %s\"", list.len == 0 ? "" : ", ", c->noun, verb);
        }
    }
    wh_err err =
        wh_err_set(eb, WH_EINVAL, "there is no command \"%.100s\"; did you mean %s?",
                   word, wh_buf_str(&list));
    wh_buf_fini(&list);
    return err;
}

wh_err wh_cli_unknown_noun(const wh_cli_set *set, const char *word, wh_errbuf *eb)
{
    const char *names[NAMES_MAX];
    size_t n = 0;

    for (size_t i = 0; i < set->n_commands && n < NAMES_MAX; i++) {
        names[n++] = set->commands[i].noun;
    }
    for (size_t i = 0; i < set->n_commands && n < NAMES_MAX; i++) {
        if (set->commands[i].verb != NULL) {
            names[n++] = set->commands[i].verb;
        }
    }
    const char *best = wh_conf_suggest(word, names, n);
    return best == NULL || wh_cli_args_find_noun(set, best) != NULL
               ? unknown(eb, "command", word, best)
               : unknown_but_verb(set, word, best, eb);
}

static wh_err name_verbs(const char *noun, const char *const *verbs, size_t n,
                         const char *shown, wh_errbuf *eb)
{
    wh_buf list = {0};

    for (size_t i = 0; i < n; i++) {
        wh_buf_addf(&list, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " and ", verbs[i]);
    }
    wh_err err = wh_err_set(eb, WH_EINVAL, "there is no command \"%s\"; %s has %s",
                            shown, noun, wh_buf_str(&list));
    wh_buf_fini(&list);
    return err;
}

/* What other programs call it: letters tell nothing of it. */
static const char *other_word(const char *word, const char *const *verbs, size_t n)
{
    static const struct {
        const char *word, *verb;
    } others[] = {
        {"unpause", "resume"}, {"continue", "resume"}, {"start", "resume"},
        {"stop", "pause"},     {"unset", "remove"},    {"delete", "remove"},
        {"del", "remove"},     {"rm", "remove"},       {"rm", "forget"},
        {"delete", "forget"},  {"ls", "list"},         {"get", "show"},
        {"status", "show"},    {"status", "stats"},    {"info", "show"},
        {"info", "stats"},     {"add", "enqueue"},     {"push", "enqueue"},
        {"add", "set"},        {"create", "set"},      {"requeue", "replay"},
        {"requeue", "retry"},  {"kill", "cancel"},     {"clear", "purge"},
    };

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        for (size_t k = 0; strcmp(word, others[i].word) == 0 && k < n; k++) {
            if (strcmp(verbs[k], others[i].verb) == 0) {
                return verbs[k];
            }
        }
    }
    return NULL;
}

wh_err wh_cli_unknown_verb(const wh_cli_set *set, const char *noun, const char *word,
                           wh_errbuf *eb)
{
    const char *names[NAMES_MAX] = {NULL};
    char shown[WORD_SHOWN * 2];
    char nearest[WORD_SHOWN * 2];
    size_t n = 0;

    for (size_t i = 0; i < set->n_commands && n < NAMES_MAX; i++) {
        const wh_cli_command *c = &set->commands[i];

        if (c->verb != NULL && strcmp(c->noun, noun) == 0) {
            names[n++] = c->verb;
        }
    }
    const char *best = other_word(word, names, n);
    best = best == NULL ? wh_conf_suggest(word, names, n) : best;
    (void)snprintf(shown, sizeof shown, "%s %.60s", noun, word);
    if (best == NULL && n > 0) {
        return name_verbs(noun, names, n, shown, eb);
    }
    (void)snprintf(nearest, sizeof nearest, "%s %s", noun, best == NULL ? "" : best);
    return unknown(eb, "command", shown, best == NULL ? NULL : nearest);
}

wh_err wh_cli_unknown_flag(const wh_cli_args *a, const char *name, size_t len,
                           wh_errbuf *eb)
{
    const char *names[NAMES_MAX];
    char word[64];
    char shown[68];
    char nearest[80];
    size_t n = 0;

    (void)snprintf(word, sizeof word, "%.*s", (int)(len < 60 ? len : 60), name);
    (void)snprintf(shown, sizeof shown, "--%s", word);
    for (size_t i = 0; a->command != NULL && i < a->command->n_flags; i++) {
        names[n++] = a->command->flags[i].name;
    }
    for (size_t i = 0; i < a->set->n_globals; i++) {
        names[n++] = a->set->globals[i].name;
    }
    const char *best = wh_conf_suggest(word, names, n);
    (void)snprintf(nearest, sizeof nearest, "--%s", best == NULL ? "" : best);
    return unknown(eb, "flag", shown, best == NULL ? NULL : nearest);
}
