/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scripts are static text: completing never runs wherry, so it works without Redis
 * and costs nothing.
 */
#include "common/cli/cli_completion.h"

#include "common/cli/cli_out.h"

#include <string.h>

/* ---- pieces ---- */

static bool is_first_of_noun(const wh_cli_set *set, size_t i)
{
    return i == 0 || strcmp(set->commands[i].noun, set->commands[i - 1].noun) != 0;
}

static void add_nouns(const wh_cli_set *set, wh_buf *out)
{
    for (size_t i = 0; i < set->n_commands; i++) {
        if (is_first_of_noun(set, i)) {
            wh_buf_addf(out, "%s%s", i == 0 ? "" : " ", set->commands[i].noun);
        }
    }
}

static void add_verbs(const wh_cli_set *set, const char *noun, wh_buf *out)
{
    const char *space = "";

    for (size_t i = 0; i < set->n_commands; i++) {
        const wh_cli_command *c = &set->commands[i];

        if (strcmp(c->noun, noun) == 0 && c->verb != NULL) {
            wh_buf_addf(out, "%s%s", space, c->verb);
            space = " ";
        }
    }
}

static void add_flags(const wh_cli_flag *flags, size_t n, wh_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        wh_buf_addf(out, "%s--%s", i == 0 ? "" : " ", flags[i].name);
    }
}

/* "a|b|c" -> "a b c"; also of the operands of completion itself. */
static void add_choices(const char *choices, wh_buf *out)
{
    for (const char *p = choices; *p != '\0'; p++) {
        wh_buf_addc(out, *p == '|' ? ' ' : *p);
    }
}

/* Text within single quotes of a shell. fish differs: there \' stands inside. */
static void add_quoted(const char *text, bool is_fish, wh_buf *out)
{
    wh_buf_addc(out, '\'');
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\'') {
            wh_buf_adds(out, is_fish ? "\\'" : "'\\''");
        } else if (*p == '\\' && is_fish) {
            wh_buf_adds(out, "\\\\");
        } else {
            wh_buf_addc(out, *p);
        }
    }
    wh_buf_addc(out, '\'');
}

/* Did an earlier flag with a value have this name? Globals come last. */
static bool is_repeated(const wh_cli_set *set, size_t command, const char *name)
{
    for (size_t i = 0; i < command && i < set->n_commands; i++) {
        for (size_t k = 0; k < set->commands[i].n_flags; k++) {
            const wh_cli_flag *f = &set->commands[i].flags[k];

            if (f->kind != WH_CLI_SWITCH && strcmp(f->name, name) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* --redis|--region|...: every flag with a value, as a pattern. */
static void add_value_flags(const wh_cli_set *set, wh_buf *out)
{
    const char *bar = "";

    for (size_t i = 0; i <= set->n_commands; i++) {
        bool is_global = i == set->n_commands;
        const wh_cli_flag *flags = is_global ? set->globals : set->commands[i].flags;
        size_t n = is_global ? set->n_globals : set->commands[i].n_flags;

        for (size_t k = 0; k < n; k++) {
            if (flags[k].kind != WH_CLI_SWITCH && !is_repeated(set, i, flags[k].name)) {
                wh_buf_addf(out, "%s--%s", bar, flags[k].name);
                bar = "|";
            }
        }
    }
}

static const char *verb_of(const wh_cli_command *c)
{
    return c->verb == NULL ? "" : c->verb;
}

/* ---- bash and zsh: noun and verb of the line so far ---- */

static void add_walk(const wh_cli_set *set, const char *word, const char *range,
                     wh_buf *out)
{
    wh_buf_addf(out,
                "    local noun='' verb='' word='' i\n"
                "    for ((%s)); do\n"
                "        word=%s\n"
                "        case \"$word\" in\n"
                "        ",
                range, word);
    add_value_flags(set, out);
    wh_buf_adds(
        out, ") i=$((i + 1)) ;;\n"
             "        -*) ;;\n"
             "        *) if [[ -z \"$noun\" ]]; then noun=$word; elif [[ -z \"$verb\" "
             "]]; then verb=$word; fi ;;\n"
             "        esac\n"
             "    done\n");
}

static void add_bash_choices(const wh_cli_command *c, wh_buf *out)
{
    for (size_t i = 0; i < c->n_flags; i++) {
        if (c->flags[i].choices != NULL) {
            wh_buf_addf(out, "    '%s %s --%s') words='", c->noun, verb_of(c),
                        c->flags[i].name);
            add_choices(c->flags[i].choices, out);
            wh_buf_adds(out, "' ;;\n");
        }
    }
}

static void add_bash(const wh_cli_set *set, wh_buf *out)
{
    wh_buf_adds(out, "# bash completion for wherry\n_wherry() {\n"
                     "    local cur=${COMP_WORDS[COMP_CWORD]} "
                     "prev=${COMP_WORDS[COMP_CWORD - 1]} words='' flags=''\n");
    add_walk(set, "${COMP_WORDS[i]}", "i = 1; i < COMP_CWORD; i++", out);
    wh_buf_adds(out, "    case \"$noun $verb\" in\n    ' ') words='");
    add_nouns(set, out);
    wh_buf_adds(out, "' ;;\n    'completion ') words='bash zsh fish' ;;\n");
    for (size_t i = 0; i < set->n_commands; i++) {
        const wh_cli_command *c = &set->commands[i];

        if (is_first_of_noun(set, i) && c->verb != NULL) {
            wh_buf_addf(out, "    '%s ') words='", c->noun);
            add_verbs(set, c->noun, out);
            wh_buf_adds(out, "' ;;\n");
        }
        if (c->n_flags > 0) {
            wh_buf_addf(
                out, c->verb == NULL ? "    '%s '*%s) flags='" : "    '%s %s') flags='",
                c->noun, verb_of(c));
            add_flags(c->flags, c->n_flags, out);
            wh_buf_adds(out, "' ;;\n");
        }
    }
    wh_buf_adds(out, "    esac\n    case \"$noun $verb $prev\" in\n");
    for (size_t i = 0; i < set->n_commands; i++) {
        add_bash_choices(&set->commands[i], out);
    }
    wh_buf_adds(out, "    esac\n    if [[ $cur == -* ]]; then words=\"$flags ");
    add_flags(set->globals, set->n_globals, out);
    wh_buf_adds(out,
                "\"; fi\n"
                "    if [[ -n $words ]]; then\n"
                "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
                "    else\n"
                "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
                "    fi\n}\ncomplete -F _wherry wherry\n");
}

/* ---- zsh ---- */

/* 'name:summary' for _describe; a colon of the name is none of ours. */
static void add_described(const char *name, const char *text, wh_buf *out)
{
    wh_buf item = {0};

    wh_buf_addf(&item, "%s:%s", name, text);
    wh_buf_addc(out, ' ');
    add_quoted(wh_buf_str(&item), false, out);
    wh_buf_fini(&item);
}

static void add_zsh_command(const wh_cli_command *c, wh_buf *out)
{
    wh_buf_addf(out, c->verb == NULL ? "    '%s '*%s) flags=(" : "    '%s %s') flags=(",
                c->noun, verb_of(c));
    for (size_t i = 0; i < c->n_flags; i++) {
        wh_buf name = {0};

        wh_buf_addf(&name, "--%s", c->flags[i].name);
        add_described(wh_buf_str(&name), c->flags[i].help, out);
        wh_buf_fini(&name);
    }
    wh_buf_adds(out, " ) ;;\n");
}

static void add_zsh_globals(const wh_cli_set *set, wh_buf *out)
{
    wh_buf_adds(out, "    if [[ $PREFIX == -* ]]; then\n        flags+=(");
    for (size_t i = 0; i < set->n_globals; i++) {
        wh_buf name = {0};

        wh_buf_addf(&name, "--%s", set->globals[i].name);
        add_described(wh_buf_str(&name), set->globals[i].help, out);
        wh_buf_fini(&name);
    }
    wh_buf_adds(out, " )\n        _describe flag flags\n"
                     "    elif (( $#list )); then\n        _describe command list\n"
                     "    else\n        _files\n    fi\n}\n");
}

static void add_zsh(const wh_cli_set *set, wh_buf *out)
{
    wh_buf_adds(out, "#compdef wherry\n_wherry() {\n    local -a list flags\n");
    add_walk(set, "${words[i]}", "i = 2; i < CURRENT; i++", out);
    wh_buf_adds(out, "    case \"$noun $verb\" in\n    ' ') list=(");
    for (size_t i = 0; i < set->n_commands; i++) {
        const wh_cli_command *c = &set->commands[i];

        if (is_first_of_noun(set, i)) {
            wh_buf verbs = {0};

            add_verbs(set, c->noun, &verbs);
            add_described(c->noun, c->verb == NULL ? c->summary : wh_buf_str(&verbs),
                          out);
            wh_buf_fini(&verbs);
        }
    }
    wh_buf_adds(out, " ) ;;\n    'completion ') list=(bash zsh fish) ;;\n");
    for (size_t i = 0; i < set->n_commands; i++) {
        const wh_cli_command *c = &set->commands[i];

        if (is_first_of_noun(set, i) && c->verb != NULL) {
            wh_buf_addf(out, "    '%s ') list=(", c->noun);
            for (size_t k = i;
                 k < set->n_commands && strcmp(set->commands[k].noun, c->noun) == 0;
                 k++) {
                add_described(verb_of(&set->commands[k]), set->commands[k].summary,
                              out);
            }
            wh_buf_adds(out, " ) ;;\n");
        }
        if (c->n_flags > 0) {
            add_zsh_command(c, out);
        }
    }
    wh_buf_adds(out, "    esac\n");
    add_zsh_globals(set, out);
    wh_buf_adds(out, "if [[ $funcstack[1] == _wherry ]]; then _wherry \"$@\"; "
                     "else compdef _wherry wherry; fi\n");
}

/* ---- fish ---- */

static void add_fish_flag(const wh_cli_flag *f, const char *condition, wh_buf *out)
{
    wh_buf_addf(out, "complete -c wherry%s -l %s", condition, f->name);
    if (f->letter != 0) {
        wh_buf_addf(out, " -s %c", f->letter);
    }
    wh_buf_adds(out, f->kind == WH_CLI_SWITCH ? "" : " -r");
    if (f->choices != NULL) {
        wh_buf_adds(out, " -f -a '");
        add_choices(f->choices, out);
        wh_buf_addc(out, '\'');
    }
    wh_buf_adds(out, " -d ");
    add_quoted(f->help, true, out);
    wh_buf_addc(out, '\n');
}

static void add_fish_command(const wh_cli_set *set, const wh_cli_command *c,
                             wh_buf *out)
{
    wh_buf condition = {0};

    if (c->verb != NULL) {
        wh_buf_addf(out,
                    "complete -c wherry -f -n '__fish_seen_subcommand_from %s; and not "
                    "__fish_seen_subcommand_from ",
                    c->noun);
        add_verbs(set, c->noun, out);
        wh_buf_addf(out, "' -a %s -d ", c->verb);
        add_quoted(c->summary, true, out);
        wh_buf_addc(out, '\n');
        wh_buf_addf(
            &condition,
            " -n '__fish_seen_subcommand_from %s; and __fish_seen_subcommand_from %s'",
            c->noun, c->verb);
    } else {
        wh_buf_addf(&condition, " -n '__fish_seen_subcommand_from %s'", c->noun);
    }
    for (size_t i = 0; i < c->n_flags; i++) {
        add_fish_flag(&c->flags[i], wh_buf_str(&condition), out);
    }
    wh_buf_fini(&condition);
}

static void add_fish(const wh_cli_set *set, wh_buf *out)
{
    wh_buf_adds(out, "# fish completion for wherry\n");
    for (size_t i = 0; i < set->n_commands; i++) {
        const wh_cli_command *c = &set->commands[i];

        if (is_first_of_noun(set, i)) {
            wh_buf verbs = {0};

            add_verbs(set, c->noun, &verbs);
            wh_buf_addf(out, "complete -c wherry -f -n __fish_use_subcommand -a %s -d ",
                        c->noun);
            add_quoted(c->verb == NULL ? c->summary : wh_buf_str(&verbs), true, out);
            wh_buf_addc(out, '\n');
            wh_buf_fini(&verbs);
        }
        add_fish_command(set, c, out);
    }
    wh_buf_adds(out,
                "complete -c wherry -f -n '__fish_seen_subcommand_from completion' -a "
                "'bash zsh fish'\n");
    for (size_t i = 0; i < set->n_globals; i++) {
        add_fish_flag(&set->globals[i], "", out);
    }
}

wh_exit wh_cli_completion_run(wh_cli *c)
{
    const char *shell = wh_cli_args_operand(&c->args, 0);
    wh_buf out = {0};

    if (strcmp(shell, "bash") == 0) {
        add_bash(c->args.set, &out);
    } else if (strcmp(shell, "zsh") == 0) {
        add_zsh(c->args.set, &out);
    } else if (strcmp(shell, "fish") == 0) {
        add_fish(c->args.set, &out);
    } else {
        return wh_cli_usage(
            c, "there is completion for bash, zsh and fish, not for \"%.40s\"", shell);
    }
    return wh_cli_out_print(c, &out);
}
