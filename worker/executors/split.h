/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command line as words: blanks separate, '…' takes all as it is, "…" knows \" and
 * \\, a backslash outside quotes takes the next character. No shell, no variables.
 */
#ifndef WH_WORKER_EXECUTORS_SPLIT_H
#define WH_WORKER_EXECUTORS_SPLIT_H

#include "common/base/err.h"

/* *out: NULL-terminated, at least one word; free with wh_split_free. WH_ECONFIG with
 * the place of a quote that does not end. */
wh_err wh_split_words(const char *line, char ***out, wh_errbuf *eb) WH_MUSTCHECK;
void wh_split_free(char **words);

#endif
