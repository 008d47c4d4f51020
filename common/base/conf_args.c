/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: split into arguments first (so that --config and --help are
 * known before any file is read), applied last (so that it wins). Flags are spelled
 * `--redis-url V`, `--redis-url=V`, `-s V`, `-sV`; truth values also stand alone
 * or as `--no-…`. Doubled flags are refused, except lists and sections, which grow.
 *
 * With allow_rest, operands are kept in order, and behind the first one flags that
 * the table does not know are kept as well: they belong to whoever reads the rest.
 */
#include "common/base/alloc.h"
#include "common/base/conf_internal.h"

#include <string.h>

/* One walk over argv. */
struct walk {
    wh_conf *c;
    const wh_conf_source *src;
    wh_conf_args *args;
    wh_errbuf *eb;
    int at;
};

/* A flag as it was found: the argument, its name's length, its value if attached. */
struct flag {
    const char *arg;
    const char *name; /* behind the dashes */
    size_t len;
    const char *attached;
    bool is_long;
};

enum { NO_SUFFIX, FILE_SUFFIX };

static char flag_char(char c)
{
    return c == '.' || c == '_' ? '-' : c;
}

void wh_conf_args_flag(const char *name, wh_buf *out)
{
    wh_buf_adds(out, "--");
    for (const char *p = name; *p != '\0'; p++) {
        wh_buf_addc(out, flag_char(*p));
    }
}

void wh_conf_args_env(const char *name, wh_buf *out)
{
    wh_buf_adds(out, "WHERRY_");
    for (const char *p = name; *p != '\0'; p++) {
        char c = flag_char(*p) == '-' ? '_' : *p;
        wh_buf_addc(out, c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
    }
}

void wh_conf_args_fini(wh_conf_args *args)
{
    wh_free(args->list);
    *args = (wh_conf_args){0};
}

static wh_err no_memory(wh_errbuf *eb)
{
    return wh_err_set(eb, WH_ENOMEM, "out of memory while reading the command line");
}

/* Is the flag's name that of the option (plus "-file")? */
static bool is_named(const struct flag *f, const char *name, int suffix)
{
    size_t n = strlen(name);
    size_t more = suffix == FILE_SUFFIX ? strlen("-file") : 0;
    if (f->len != n + more) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (f->name[i] != flag_char(name[i])) {
            return false;
        }
    }
    return more == 0 || memcmp(f->name + n, "-file", more) == 0;
}

static wh_err add_arg(struct walk *w, wh_conf_arg arg)
{
    wh_conf_args *args = w->args;
    wh_conf_arg *grown = wh_grow(args->list, &args->cap, args->count + 1, sizeof arg);
    if (grown == NULL) {
        return no_memory(w->eb);
    }
    args->list = grown;
    args->list[args->count++] = arg;
    return WH_OK;
}

static wh_err add_rest(struct walk *w, const char *arg)
{
    wh_conf *c = w->c;
    char **grown = wh_grow(c->rest, &c->cap_rest, c->n_rest + 1, sizeof(char *));
    if (grown == NULL) {
        return no_memory(w->eb);
    }
    c->rest = grown;
    char *copy = wh_strdup(arg);
    if (copy == NULL) {
        return no_memory(w->eb);
    }
    c->rest[c->n_rest++] = copy;
    return WH_OK;
}

/* "-s" as it was typed, or the whole long name without its value. */
static int shown_len(const struct flag *f)
{
    return (int)(f->is_long ? f->len + 2 : 2);
}

/* The flag's value: attached, or the next argument. */
static wh_err take_value(struct walk *w, const struct flag *f, const char **out)
{
    if (f->attached != NULL) {
        *out = f->attached;
        return WH_OK;
    }
    if (w->at + 1 >= w->src->argc) {
        return wh_err_set(w->eb, WH_EINVAL, "%.*s: a value is missing", shown_len(f),
                          f->arg);
    }
    *out = w->src->argv[++w->at];
    return WH_OK;
}

static wh_err take_option(struct walk *w, const struct flag *f, const wh_opt *o,
                          int suffix)
{
    wh_conf_arg arg = {.opt = o, .is_secret_file = suffix == FILE_SUFFIX};
    if (o->type == WH_OPT_BOOL && suffix == NO_SUFFIX) {
        arg.value = f->attached != NULL ? f->attached : "true";
        return add_arg(w, arg);
    }
    wh_err err = take_value(w, f, &arg.value);
    return err != WH_OK ? err : add_arg(w, arg);
}

/* --help and its kind. */
static bool take_action(struct walk *w, const struct flag *f)
{
    static const struct {
        const char *name;
        char letter;
        wh_conf_action action;
    } actions[] = {{"help", 'h', WH_CONF_HELP},
                   {"version", 'V', WH_CONF_VERSION},
                   {"print-config", 0, WH_CONF_PRINT},
                   {"check-config", 0, WH_CONF_CHECK}};
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        bool is_it = f->is_long ? is_named(f, actions[i].name, NO_SUFFIX)
                                : f->arg[1] == actions[i].letter;
        if (is_it && (!f->is_long || f->attached == NULL)) {
            /* The first of --help and --version wins over the rest. */
            if (w->c->action != WH_CONF_HELP && w->c->action != WH_CONF_VERSION) {
                w->c->action = actions[i].action;
            }
            return true;
        }
    }
    return false;
}

static bool take_json(struct walk *w, const struct flag *f)
{
    bool is_it = f->is_long && f->attached == NULL && is_named(f, "json", NO_SUFFIX);
    w->c->as_json = w->c->as_json || is_it;
    return is_it;
}

static wh_err take_config(struct walk *w, const struct flag *f)
{
    if (w->args->config != NULL) {
        return wh_err_set(w->eb, WH_EINVAL, "--config: given twice");
    }
    return take_value(w, f, &w->args->config);
}

static const wh_opt *find_option(const wh_conf *c, const struct flag *f, int *suffix)
{
    for (size_t i = 0; i < c->n_opts; i++) {
        const wh_opt *o = &c->opts[i];
        *suffix = NO_SUFFIX;
        if (f->is_long ? is_named(f, o->name, NO_SUFFIX)
                       : o->letter != '\0' && f->arg[1] == o->letter) {
            return o;
        }
        *suffix = FILE_SUFFIX;
        if (f->is_long && (o->flags & WH_OPT_SECRET) != 0 &&
            is_named(f, o->name, FILE_SUFFIX)) {
            return o;
        }
    }
    *suffix = NO_SUFFIX;
    return NULL;
}

/* --no-colour: the option it turns off. */
static const wh_opt *find_negated(const wh_conf *c, const struct flag *f)
{
    if (!f->is_long || f->attached != NULL || f->len <= 3 ||
        memcmp(f->name, "no-", 3) != 0) {
        return NULL;
    }
    struct flag positive = {.name = f->name + 3, .len = f->len - 3, .is_long = true};
    int suffix = NO_SUFFIX;
    const wh_opt *o = find_option(c, &positive, &suffix);
    return o != NULL && o->type == WH_OPT_BOOL && suffix == NO_SUFFIX ? o : NULL;
}

static void collect(wh_buf *names, const char *name)
{
    wh_conf_args_flag(name, names);
    wh_buf_addc(names, '\0');
}

/* Every long flag there is, each with its NUL. */
static void collect_flags(const wh_conf *c, wh_buf *names)
{
    const wh_opt_table *t = c->t;
    static const char *const own[] = {"config",       "help",         "version",
                                      "print-config", "check-config", "json"};
    for (size_t i = 0; i < c->n_opts; i++) {
        collect(names, c->opts[i].name);
        if ((c->opts[i].flags & WH_OPT_SECRET) != 0) {
            wh_conf_args_flag(c->opts[i].name, names);
            wh_buf_add(names, "-file", sizeof "-file");
        }
    }
    for (size_t i = 0; i < t->n_sections; i++) {
        if (t->sections[i].flag != NULL) {
            collect(names, t->sections[i].flag);
        }
    }
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        collect(names, own[i]);
    }
}

static wh_err refuse_unknown(struct walk *w, const struct flag *f)
{
    wh_buf word = {0};
    wh_buf quoted = {0};
    wh_buf names = {0};
    wh_buf_add(&word, f->arg, (size_t)shown_len(f));
    wh_conf_format_quote(&quoted, wh_buf_str(&word));
    collect_flags(w->c, &names);
    wh_err err = WH_EINVAL;
    if (!wh_buf_ok(&word) || !wh_buf_ok(&quoted) || !wh_buf_ok(&names)) {
        err = no_memory(w->eb);
    } else {
        const char *best = wh_conf_suggest_in(word.data, &names);
        const char *name =
            best != NULL || !f->is_long
                ? NULL
                : wh_conf_suggest_aka(word.data + 2, w->c->opts, w->c->n_opts);
        if (name != NULL) {
            wh_buf_clear(&names);
            collect(&names, name);
            best = wh_buf_ok(&names) ? names.data : NULL;
        }
        if (f->is_long && best != NULL) {
            (void)wh_err_set(w->eb, err, "unknown option %s; did you mean \"%s\"?",
                             quoted.data, best);
        } else {
            (void)wh_err_set(w->eb, err, "unknown option %s; see %s --help",
                             quoted.data, w->c->t->program);
        }
    }
    wh_buf_fini(&word);
    wh_buf_fini(&quoted);
    wh_buf_fini(&names);
    return err;
}

static wh_err take_flag(struct walk *w, const struct flag *f)
{
    const wh_opt_table *t = w->c->t;
    int suffix = NO_SUFFIX;
    const wh_opt *o = find_option(w->c, f, &suffix);
    if (o != NULL) {
        return take_option(w, f, o, suffix);
    }
    if (take_action(w, f) || take_json(w, f)) {
        return WH_OK;
    }
    if (f->is_long ? is_named(f, "config", NO_SUFFIX) : f->arg[1] == 'c') {
        return take_config(w, f);
    }
    for (size_t i = 0; f->is_long && i < t->n_sections; i++) {
        if (t->sections[i].flag != NULL &&
            is_named(f, t->sections[i].flag, NO_SUFFIX)) {
            wh_conf_arg arg = {.section = i};
            wh_err err = take_value(w, f, &arg.value);
            return err != WH_OK ? err : add_arg(w, arg);
        }
    }
    o = find_negated(w->c, f);
    if (o != NULL) {
        return add_arg(w, (wh_conf_arg){.opt = o, .value = "false"});
    }
    if (w->src->allow_rest && w->c->n_rest > 0) {
        return add_rest(w, f->arg);
    }
    return refuse_unknown(w, f);
}

static struct flag split(const char *arg)
{
    struct flag f = {.arg = arg, .is_long = arg[1] == '-'};
    f.name = arg + (f.is_long ? 2 : 1);
    f.len = f.is_long ? strcspn(f.name, "=") : 1;
    if (f.name[f.len] != '\0') {
        /* -s5 and -s=5 mean the same. */
        f.attached = f.name + f.len + (f.name[f.len] == '=' ? 1 : 0);
    }
    return f;
}

static wh_err take_operand(struct walk *w, const char *arg)
{
    if (w->src->allow_rest) {
        return add_rest(w, arg);
    }
    wh_buf quoted = {0};
    wh_conf_format_quote(&quoted, arg);
    wh_err err = wh_err_set(w->eb, WH_EINVAL, "unexpected argument %s; see %s --help",
                            wh_buf_str(&quoted), w->c->t->program);
    wh_buf_fini(&quoted);
    return err;
}

wh_err wh_conf_args_parse(wh_conf *c, const wh_conf_source *src, wh_conf_args *args,
                          wh_errbuf *eb)
{
    struct walk w = {.c = c, .src = src, .args = args, .eb = eb, .at = 1};
    bool only_operands = false;
    for (; src->argv != NULL && w.at < src->argc; w.at++) {
        const char *arg = src->argv[w.at];
        wh_err err = WH_OK;
        if (only_operands || arg[0] != '-' || arg[1] == '\0') {
            err = take_operand(&w, arg);
        } else if (strcmp(arg, "--") == 0) {
            only_operands = true;
            /* Whoever reads the rest must know that no flags follow. */
            err = c->n_rest > 0 ? add_rest(&w, arg) : WH_OK;
        } else {
            struct flag f = split(arg);
            err = take_flag(&w, &f);
        }
        if (err != WH_OK) {
            return err;
        }
    }
    if (c->as_json && c->action == WH_CONF_RUN) {
        return wh_err_set(eb, WH_EINVAL,
                          "--json: goes with --check-config or --print-config");
    }
    return WH_OK;
}

/* ---- applying ---- */

static bool was_given(const wh_conf_args *args, size_t n, const wh_opt *o)
{
    for (size_t i = 0; i < n; i++) {
        if (args->list[i].opt == o) {
            return true;
        }
    }
    return false;
}

static wh_err apply_option(wh_conf *c, const wh_conf_args *args, size_t n, wh_buf *why)
{
    const wh_conf_arg *arg = &args->list[n];
    const wh_opt *o = arg->opt;
    bool again = was_given(args, n, o);
    if (again && o->type != WH_OPT_LIST) {
        wh_buf_adds(why, c->from[o - c->opts].is_secret_file == arg->is_secret_file
                             ? "given twice"
                             : "with -file and without exclude each other");
        return wh_buf_ok(why) ? WH_EINVAL : WH_ENOMEM;
    }
    c->from[o - c->opts] = (wh_conf_from){.kind = WH_CONF_FROM_FLAG,
                                          .is_secret_file = arg->is_secret_file};
    if (arg->is_secret_file) {
        return wh_conf_secret_set(c, o, c->values, arg->value, why);
    }
    if (!again) {
        return wh_conf_value_set(o, c->values, arg->value, why);
    }
    wh_err err = wh_conf_value_append_all(o, c->values, arg->value, why);
    return err != WH_OK ? err : wh_conf_value_check_list(o, c->values, why);
}

static wh_err apply_item(wh_conf *c, const wh_conf_arg *arg, wh_buf *why)
{
    const wh_conf_from from = {.kind = WH_CONF_FROM_FLAG};
    if (c->sections[arg->section].from.kind != WH_CONF_FROM_FLAG) {
        wh_conf_items_clear(c, arg->section);
        c->sections[arg->section].from = from;
    }
    return wh_conf_items_add_text(c, arg->section, arg->value, from, why);
}

wh_err wh_conf_args_apply(wh_conf *c, const wh_conf_args *args, wh_errbuf *eb)
{
    wh_buf why = {0};
    wh_buf name = {0};
    wh_err err = WH_OK;
    for (size_t i = 0; i < args->count && err == WH_OK; i++) {
        const wh_conf_arg *arg = &args->list[i];
        err = arg->opt != NULL ? apply_option(c, args, i, &why)
                               : apply_item(c, arg, &why);
        if (err == WH_ENOMEM) {
            (void)no_memory(eb);
        } else if (err != WH_OK) {
            const wh_opt_section *s = &c->t->sections[arg->section];
            wh_conf_args_flag(arg->opt != NULL ? arg->opt->name : s->flag, &name);
            wh_buf_adds(&name, arg->is_secret_file ? "-file" : "");
            const wh_conf_refusal r = {.source = wh_buf_str(&name),
                                       .option =
                                           arg->opt != NULL ? arg->opt->name : s->name,
                                       .is_named = true,
                                       .message = wh_buf_str(&why)};
            (void)wh_conf_refuse(c->report, eb, err, &r);
            err = wh_conf_refuse_more(c->report, err);
            wh_buf_clear(&why);
            wh_buf_clear(&name);
        }
    }
    wh_buf_fini(&why);
    wh_buf_fini(&name);
    return err;
}
