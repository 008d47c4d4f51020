/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry help --markdown > docs/cli.md`; a test compares the two.
 */
#include "common/cli/cli_markdown.h"

#include "common/base/err.h"
#include "common/cli/cli_help.h"

#include <string.h>

static const wh_cli_markdown_exit exits[] = {
    {WH_EXIT_OK, "all is well; an empty list too"},
    {WH_EXIT_FAILED,
     "what was asked about is not well: the job failed, a check or an audit "
     "found something, nobody confirmed"},
    {WH_EXIT_USAGE, "wrong command line, or an argument that Redis refused"},
    {WH_EXIT_NOTFOUND, "no such job, entry, worker, partition"},
    {WH_EXIT_CONFLICT, "its state does not allow it"},
    {WH_EXIT_DATA,
     "malformed or oversize input; data in Redis that Wherry did not write"},
    {WH_EXIT_UNAVAILABLE, "Redis can't be reached, or a needed program is missing"},
    {WH_EXIT_SOFTWARE, "an answer that should not be possible"},
    {WH_EXIT_OS, "out of memory, or the system refused a process"},
    {WH_EXIT_IO, "a file, or stdout, can't be read or written"},
    {WH_EXIT_TEMPFAIL, "not yet, or interrupted: try again, or go on from the cursor"},
    {WH_EXIT_NOPERM, "Redis refused the user, the password or the command"},
    {WH_EXIT_CONFIG, "the configuration was refused"},
};

const wh_cli_markdown_exit *wh_cli_markdown_exits(size_t *n)
{
    *n = sizeof exits / sizeof exits[0];
    return exits;
}

static void add_flags(const wh_cli_flag *flags, size_t n, wh_buf *out)
{
    wh_buf_adds(out, "| flag | meaning |\n|---|---|\n");
    for (size_t i = 0; i < n; i++) {
        wh_buf_adds(out, "| `");
        wh_cli_help_flag(&flags[i], out);
        wh_buf_addf(out, "` | %s", flags[i].help);
        if (flags[i].choices != NULL) {
            wh_buf_adds(out, ": ");
            for (const char *p = flags[i].choices; *p != '\0'; p++) {
                if (*p == '|') {
                    wh_buf_adds(out, ", ");
                } else {
                    wh_buf_addc(out, *p);
                }
            }
        }
        wh_buf_adds(out, " |\n");
    }
    wh_buf_addc(out, '\n');
}

static void add_command(const wh_cli_command *command, wh_buf *out)
{
    wh_buf_addf(out, "### wherry %s%s%s\n\n%s.\n\n", command->noun,
                command->verb == NULL ? "" : " ",
                command->verb == NULL ? "" : command->verb, command->summary);
    wh_buf_adds(out, "```\n");
    wh_cli_help_usage(command, out);
    wh_buf_addf(out, "\n```\n\nExamples:\n\n```\n%s```\n\n", command->examples);
    if (command->details != NULL) {
        wh_buf_addf(out, "%s\n", command->details);
    }
    if (command->n_flags > 0) {
        add_flags(command->flags, command->n_flags, out);
    }
}

static void add_intro(wh_buf *out)
{
    wh_buf_adds(out, "# The command line\n\n"
                     "This page is made by `wherry help --markdown` from the table of "
                     "commands; a test "
                     "keeps it true.\n\n"
                     "Data go to stdout, messages to stderr. With `--json` a command "
                     "prints one JSON "
                     "document, a list one\n"
                     "object a line and, when it is empty, nothing. Text that others "
                     "wrote (types, errors, payloads) "
                     "is printed with "
                     "control characters as\n"
                     "`\\xNN`, so that it can't steer a terminal. Colours appear only "
                     "on a terminal, not "
                     "with `--no-color`,\n"
                     "`NO_COLOR` or `TERM=dumb`. Durations are written with a unit: "
                     "`500ms`, `5s`, `10m`, "
                     "`2h`, `7d`.\n\n"
                     "A PARTITION is one queue in one region: `eu:default`; a lone "
                     "word is a queue of the "
                     "region in force. Without\n"
                     "one, `--region` and `--queue` say which is meant; without those, "
                     "the only partition "
                     "there is, or\n"
                     "`any:default` if it is known; otherwise the command asks you to "
                     "choose. `queue list`, "
                     "`worker list` and\n"
                     "`audit` look at all partitions, and so do commands that are "
                     "given a job's id; one of the two flags\n"
                     "narrows that to a region or a queue.\n\n"
                     "A partition is known once a job was enqueued there by `wherry` "
                     "or libwherry, or a worker or scheduler named it.\n"
                     "One that producers made with plain Redis is known when they "
                     "call `wh1_register` (docs/producers.md), or once\n"
                     "a command names it, by region and queue. A command that is\n"
                     "given another one says so, with the name that may be meant, and "
                     "ends with status 3: an empty queue\n"
                     "never looks like a mistyped one. `job enqueue`, `queue set`, "
                     "`limit set`, `cron set` and `org weight`\n"
                     "may make a new one, `queue pause` with `--new`.\n\n");
}

static void add_environment(wh_buf *out)
{
    wh_buf_adds(out, "## Environment\n\n| variable | meaning |\n|---|---|\n"
                     "| `WHERRY_REDIS_URL`, `REDIS_URL` | where Redis is; the first "
                     "wins, `--redis` beats "
                     "both |\n"
                     "| `WHERRY_REDIS_USER` | user name, instead of the URL's |\n"
                     "| `WHERRY_REDIS_PASSWORD`, `WHERRY_REDIS_PASSWORD_FILE` | "
                     "password, or the file that "
                     "holds it; keep it out of argv |\n"
                     "| `WHERRY_REDIS_CA_FILE`, `WHERRY_REDIS_CERT_FILE`, "
                     "`WHERRY_REDIS_KEY_FILE` | TLS "
                     "(`rediss://`); host and chain are always verified |\n"
                     "| `WHERRY_REGION` | default of `--region` |\n"
                     "| `NO_COLOR`, `TERM` | see above |\n"
                     "| `XDG_DATA_HOME` | where `wherry dev` keeps its data |\n\n");
}

void wh_cli_markdown_all(const wh_cli_set *set, wh_buf *out)
{
    const char *noun = "";

    add_intro(out);
    wh_buf_adds(out, "## Flags of all commands\n\n");
    add_flags(set->globals, set->n_globals, out);
    add_environment(out);
    wh_buf_adds(out, "## Exit status\n\n| status | meaning |\n|---|---|\n");
    for (size_t i = 0; i < sizeof exits / sizeof exits[0]; i++) {
        wh_buf_addf(out, "| %d | %s |\n", exits[i].status, exits[i].meaning);
    }
    wh_buf_addc(out, '\n');
    for (size_t i = 0; i < set->n_commands; i++) {
        if (strcmp(set->commands[i].noun, noun) != 0) {
            noun = set->commands[i].noun;
            wh_buf_addf(out, "## %s\n\n", noun);
        }
        add_command(&set->commands[i], out);
    }
    while (wh_buf_ok(out) && out->len > 1 && out->data[out->len - 1] == '\n' &&
           out->data[out->len - 2] == '\n') {
        out->len--;
        out->data[out->len] = '\0';
    }
}
