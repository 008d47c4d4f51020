/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Examples come first: that is what most people look for.
 */
#include "common/cli/cli_help.h"

#include "common/cli/cli_help_json.h"
#include "common/cli/cli_markdown.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_unknown.h"
#include "generated/version.h"

#include <stdio.h>
#include <string.h>

enum { FLAG_COLUMN = 28, SUMMARY_COLUMN = 24 };

void wh_cli_help_flag(const wh_cli_flag *f, wh_buf *out)
{
    if (f->letter != 0) {
        wh_buf_addf(out, "-%c, ", f->letter);
    }
    wh_buf_addf(out, "--%s", f->name);
    if (f->value != NULL) {
        wh_buf_addf(out, " %s", f->value);
    }
}

void wh_cli_help_usage(const wh_cli_command *command, wh_buf *out)
{
    wh_buf_addf(out, "wherry %s%s%s", command->noun, command->verb == NULL ? "" : " ",
                command->verb == NULL ? "" : command->verb);
    if (command->operands[0] != '\0') {
        wh_buf_addf(out, " %s", command->operands);
    }
    if (command->n_flags > 0) {
        wh_buf_adds(out, " [flags]");
    }
}

static void indent(wh_buf *out, const char *lines)
{
    for (const char *p = lines; *p != '\0';) {
        size_t n = strcspn(p, "\n");

        wh_buf_adds(out, "  ");
        wh_buf_add(out, p, n);
        wh_buf_addc(out, '\n');
        p += n + (p[n] == '\n');
    }
}

static void pad_to(wh_buf *out, size_t start, size_t column)
{
    if (out->len - start >= column) {
        wh_buf_addc(out, '\n');
        start = out->len;
    }
    while (wh_buf_ok(out) && out->len - start < column) {
        wh_buf_addc(out, ' ');
    }
}

static void add_flags(const wh_cli_flag *flags, size_t n, wh_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        size_t start = out->len;

        wh_buf_adds(out, flags[i].letter != 0 ? "  " : "      ");
        wh_cli_help_flag(&flags[i], out);
        pad_to(out, start, FLAG_COLUMN);
        wh_buf_addf(out, "%s\n", flags[i].help);
        if (flags[i].choices != NULL) {
            pad_to(out, out->len, FLAG_COLUMN);
            wh_buf_addf(out, "(%s)\n", flags[i].choices);
        }
    }
}

static void heading(const wh_cli *c, wh_buf *out, const char *text)
{
    wh_buf_addc(out, '\n');
    wh_cli_out_color(c, out, "1", text);
    wh_buf_addc(out, '\n');
}

static void add_command(const wh_cli *c, const wh_cli_command *command, wh_buf *out)
{
    wh_buf_addf(out, "%s.\n", command->summary);
    heading(c, out, "Examples");
    indent(out, command->examples);
    heading(c, out, "Usage");
    wh_buf_adds(out, "  ");
    wh_cli_help_usage(command, out);
    wh_buf_addc(out, '\n');
    if (command->details != NULL) {
        wh_buf_addc(out, '\n');
        indent(out, command->details);
    }
    if (command->n_flags > 0) {
        heading(c, out, "Flags");
        add_flags(command->flags, command->n_flags, out);
    }
    heading(c, out, "Flags of all commands");
    add_flags(c->args.set->globals, c->args.set->n_globals, out);
}

static void add_list(const wh_cli_set *set, const char *noun, wh_buf *out)
{
    const char *last = NULL;

    for (size_t i = 0; i < set->n_commands; i++) {
        const wh_cli_command *command = &set->commands[i];
        size_t start = out->len;

        if (noun != NULL && strcmp(command->noun, noun) != 0) {
            continue;
        }
        if (noun == NULL && last != NULL && strcmp(command->noun, last) != 0 &&
            command->verb != NULL) {
            wh_buf_addc(out, '\n');
            start = out->len;
        }
        last = command->noun;
        wh_buf_addf(out, "  %s%s%s", command->noun, command->verb == NULL ? "" : " ",
                    command->verb == NULL ? "" : command->verb);
        pad_to(out, start, SUMMARY_COLUMN);
        wh_buf_addf(out, "%s\n", command->summary);
    }
}

static void add_exits(wh_buf *out)
{
    size_t n = 0;
    const wh_cli_markdown_exit *exits = wh_cli_markdown_exits(&n);

    for (size_t i = 0; i < n; i++) {
        wh_buf_addf(out, "  %2d  %s\n", exits[i].status, exits[i].meaning);
    }
}

static void add_noun(const wh_cli *c, const char *noun, wh_buf *out)
{
    wh_cli_out_color(c, out, "1", "Commands");
    wh_buf_addc(out, '\n');
    add_list(c->args.set, noun, out);
    wh_buf_addf(out, "\nMore: wherry %s VERB --help\n", noun);
}

static void add_all(const wh_cli *c, wh_buf *out)
{
    wh_buf_adds(out, "wherry: the command line of Wherry, a worker fleet on Redis.\n");
    heading(c, out, "Examples");
    indent(out, "wherry dev                                    a Redis to play with\n"
                "wherry job enqueue mail '{\"to\": \"a@b.c\"}' --org acme\n"
                "wherry queue list\n"
                "wherry dlq list --category timeout\n"
                "wherry doctor                                 is all well?\n");
    heading(c, out, "Commands");
    add_list(c->args.set, NULL, out);
    heading(c, out, "Flags of all commands");
    add_flags(c->args.set->globals, c->args.set->n_globals, out);
    heading(c, out, "Exit status");
    add_exits(out);
    wh_buf_adds(out, "\nMore: wherry NOUN VERB --help\n");
}

static void add(const wh_cli *c, const char *noun, const wh_cli_command *command,
                wh_buf *out)
{
    if (command != NULL) {
        add_command(c, command, out);
    } else if (noun != NULL) {
        add_noun(c, noun, out);
    } else {
        add_all(c, out);
    }
}

wh_exit wh_cli_help_show(wh_cli *c, const char *noun, const wh_cli_command *command)
{
    wh_buf out = {0};

    if (wh_cli_args_has(&c->args, "json")) {
        wh_cli_help_json_add(c->args.set, noun, command, &out);
    } else {
        add(c, noun, command, &out);
    }
    return wh_cli_out_print(c, &out);
}

wh_exit wh_cli_help_missing(wh_cli *c, const char *noun)
{
    wh_buf out = {0};

    c->is_out_color = c->is_err_color; /* it goes there */
    add(c, noun, NULL, &out);
    (void)fwrite(wh_buf_str(&out), 1, out.len, stderr);
    wh_buf_fini(&out);
    return WH_EXIT_USAGE;
}

wh_exit wh_cli_help_version(wh_cli *c)
{
    wh_buf out = {0};

    if (wh_cli_args_has(&c->args, "json")) {
        wh_buf_adds(&out, "{\"version\":\"" WH_VERSION "\"}\n");
    } else {
        wh_buf_adds(&out, "wherry " WH_VERSION "\n");
    }
    return wh_cli_out_print(c, &out);
}

wh_exit wh_cli_help_run(wh_cli *c)
{
    const char *noun = wh_cli_args_operand(&c->args, 0);
    const char *verb = wh_cli_args_operand(&c->args, 1);
    const wh_cli_set *set = c->args.set;
    const wh_cli_command *command = NULL;
    wh_errbuf eb = {.code = WH_OK};
    wh_buf out = {0};

    if (wh_cli_args_has(&c->args, "markdown")) {
        wh_cli_markdown_all(set, &out);
        return wh_cli_out_print(c, &out);
    }
    if (noun != NULL && wh_cli_args_find_noun(set, noun) == NULL) {
        (void)wh_cli_unknown_noun(set, noun, &eb);
        return wh_cli_usage(c, "%s", eb.text);
    }
    if (noun != NULL) {
        command = wh_cli_args_find(set, noun, verb);
    }
    if (verb != NULL && command == NULL) {
        (void)wh_cli_unknown_verb(set, noun, verb, &eb);
        return wh_cli_usage(c, "%s", eb.text);
    }
    return wh_cli_help_show(c, noun, command);
}
