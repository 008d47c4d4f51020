/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said of a word that names no command or flag: what may have been meant. All
 * return WH_EINVAL with it in eb.
 */
#ifndef WH_COMMON_CLI_CLI_UNKNOWN_H
#define WH_COMMON_CLI_CLI_UNKNOWN_H

#include "common/cli/cli_args.h"

/* "enqueue" may be a noun with a typing error, or the verb of a command. */
wh_err wh_cli_unknown_noun(const wh_cli_set *set, const char *word, wh_errbuf *eb);
/* noun is one of the set. */
wh_err wh_cli_unknown_verb(const wh_cli_set *set, const char *noun, const char *word,
                           wh_errbuf *eb);
/* Behind the dashes, without a value. */
wh_err wh_cli_unknown_flag(const wh_cli_args *a, const char *name, size_t len,
                           wh_errbuf *eb);

#endif
