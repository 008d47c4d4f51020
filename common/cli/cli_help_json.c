/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every member is always there, null when there is nothing to say.
 */
#include "common/cli/cli_help_json.h"

#include "common/cli/cli_help.h"
#include "common/cli/cli_markdown.h"
#include "generated/version.h"

#include <inttypes.h>
#include <string.h>

/* ,"name":"text", or null. */
static void add_text(wh_buf *out, const char *name, const char *text)
{
    wh_buf_addf(out, ",\"%s\":", name);
    if (text == NULL) {
        wh_buf_adds(out, "null");
    } else {
        wh_buf_add_json(out, text, strlen(text));
    }
}

/* ,"name":["a","b"] of a text in which each piece ends at stop or at the end. */
static void add_list(wh_buf *out, const char *name, const char *text, const char *stop)
{
    const char *comma = "";

    wh_buf_addf(out, ",\"%s\":[", name);
    for (const char *p = text == NULL ? "" : text; *p != '\0';) {
        size_t n = strcspn(p, stop);

        wh_buf_adds(out, comma);
        wh_buf_add_json(out, p, n);
        comma = ",";
        p += n + (p[n] != '\0');
    }
    wh_buf_addc(out, ']');
}

static const char *kind_name(wh_cli_kind kind)
{
    switch (kind) {
    case WH_CLI_SWITCH:
        return "switch";
    case WH_CLI_TEXT:
        return "text";
    case WH_CLI_NAME:
        return "name";
    case WH_CLI_NUMBER:
        return "number";
    case WH_CLI_DURATION:
        return "duration";
    case WH_CLI_RATE:
        return "rate";
    case WH_CLI_CHOICE:
        return "choice";
    case WH_CLI_CHOICES:
        return "choices";
    }
    return "text";
}

static void add_flags(const wh_cli_flag *flags, size_t n, wh_buf *out)
{
    wh_buf_adds(out, "\"flags\":[");
    for (size_t i = 0; i < n; i++) {
        const wh_cli_flag *f = &flags[i];
        const char letter[2] = {f->letter, '\0'};

        wh_buf_addf(out, "%s{\"name\":\"%s\"", i == 0 ? "" : ",", f->name);
        add_text(out, "letter", f->letter == 0 ? NULL : letter);
        add_text(out, "kind", kind_name(f->kind));
        add_text(out, "value", f->value);
        add_list(out, "choices", f->choices, "|");
        if (f->min == 0 && f->max == 0) {
            wh_buf_adds(out, ",\"min\":null,\"max\":null");
        } else {
            wh_buf_addf(out, ",\"min\":%" PRId64 ",\"max\":%" PRId64, f->min, f->max);
        }
        add_text(out, "not_with", f->not_with);
        add_text(out, "help", f->help);
        wh_buf_addc(out, '}');
    }
    wh_buf_addc(out, ']');
}

static void add_command(const wh_cli_command *command, wh_buf *out)
{
    wh_buf usage = {0};

    wh_cli_help_usage(command, &usage);
    wh_buf_addf(out, "{\"noun\":\"%s\"", command->noun);
    add_text(out, "verb", command->verb);
    add_text(out, "usage", wh_buf_str(&usage));
    add_text(out, "operands", command->operands);
    wh_buf_addf(out, ",\"min_operands\":%zu,\"max_operands\":%zu,\"json\":%s",
                command->min_operands, command->max_operands,
                command->no_json ? "false" : "true");
    add_text(out, "summary", command->summary);
    add_text(out, "details", command->details);
    add_list(out, "examples", command->examples, "\n");
    wh_buf_addc(out, ',');
    add_flags(command->flags, command->n_flags, out);
    wh_buf_addc(out, '}');
    wh_buf_fini(&usage);
}

void wh_cli_help_json_add(const wh_cli_set *set, const char *noun,
                          const wh_cli_command *command, wh_buf *out)
{
    const char *comma = "";
    size_t n = 0;
    const wh_cli_markdown_exit *exits = wh_cli_markdown_exits(&n);

    wh_buf_adds(out, "{\"version\":\"" WH_VERSION "\",\"commands\":[");
    for (size_t i = 0; i < set->n_commands; i++) {
        const wh_cli_command *one = &set->commands[i];

        if (command != NULL ? one == command
                            : noun == NULL || strcmp(one->noun, noun) == 0) {
            wh_buf_adds(out, comma);
            add_command(one, out);
            comma = ",";
        }
    }
    wh_buf_adds(out, "],");
    add_flags(set->globals, set->n_globals, out);
    wh_buf_adds(out, ",\"exit_statuses\":[");
    for (size_t i = 0; i < n; i++) {
        wh_buf_addf(out, "%s{\"status\":%d", i == 0 ? "" : ",", (int)exits[i].status);
        add_text(out, "meaning", exits[i].meaning);
        wh_buf_addc(out, '}');
    }
    wh_buf_adds(out, "]}\n");
}
