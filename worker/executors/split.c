/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splitting of command lines from the configuration. Called when an executor is made.
 */
#include "worker/executors/split.h"

#include "common/base/alloc.h"
#include "common/base/buf.h"

#include <string.h>

typedef struct splitter {
    const char *line, *at;
    char **words;
    size_t count, cap;
    wh_buf word;
} splitter;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* From behind an opening quote to behind the closing one. */
static wh_err take_quoted(splitter *s, char quote, wh_errbuf *eb)
{
    const char *opened = s->at - 1;
    for (; *s->at != '\0'; s->at++) {
        if (*s->at == quote) {
            s->at++;
            return WH_OK;
        }
        if (quote == '"' && *s->at == '\\' && (s->at[1] == '"' || s->at[1] == '\\')) {
            s->at++;
        }
        wh_buf_addc(&s->word, *s->at);
    }
    return wh_err_set(eb, WH_ECONFIG,
                      "command line: the quote %c at character %zu is not closed",
                      quote, (size_t)(opened - s->line) + 1);
}

static wh_err take_word(splitter *s, wh_errbuf *eb)
{
    while (*s->at != '\0' && !is_blank(*s->at)) {
        char c = *s->at++;
        if (c == '\'' || c == '"') {
            wh_err err = take_quoted(s, c, eb);
            if (err != WH_OK) {
                return err;
            }
        } else if (c == '\\' && *s->at != '\0') {
            wh_buf_addc(&s->word, *s->at++);
        } else {
            wh_buf_addc(&s->word, c);
        }
    }
    char **words = wh_grow(s->words, &s->cap, s->count + 2, sizeof *words);
    if (words == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "out of memory");
    }
    s->words = words;
    s->words[s->count] = wh_buf_take(&s->word);
    if (s->words[s->count] == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "out of memory");
    }
    s->words[++s->count] = NULL;
    return WH_OK;
}

wh_err wh_split_words(const char *line, char ***out, wh_errbuf *eb)
{
    splitter s = {.line = line, .at = line};
    wh_err err = WH_OK;
    *out = NULL;
    while (err == WH_OK) {
        while (is_blank(*s.at)) {
            s.at++;
        }
        if (*s.at == '\0') {
            break;
        }
        err = take_word(&s, eb);
    }
    wh_buf_fini(&s.word);
    if (err == WH_OK && (s.count == 0 || s.words[0][0] == '\0')) {
        err = wh_err_set(eb, WH_ECONFIG, "command line: no program in it");
    }
    if (err != WH_OK) {
        wh_split_free(s.words);
        return err;
    }
    *out = s.words;
    return WH_OK;
}

void wh_split_free(char **words)
{
    for (size_t i = 0; words != NULL && words[i] != NULL; i++) {
        wh_free(words[i]);
    }
    wh_free(words);
}
