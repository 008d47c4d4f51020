/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets in files of their own (NAME_file), and the warning about files that hold a
 * secret and that everybody on the machine can read. Each file is remembered with the
 * mode it had when it was read; the log is not set up by then.
 */
#include "common/base/alloc.h"
#include "common/base/conf_internal.h"
#include "common/base/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SECRET_FILE_MAX = 65536 };

static wh_err remember(wh_conf *c, const char *path, unsigned mode)
{
    wh_conf_secret_file *grown = wh_grow(c->secret_files, &c->cap_secret_files,
                                         c->n_secret_files + 1, sizeof *grown);
    if (grown == NULL) {
        return WH_ENOMEM;
    }
    c->secret_files = grown;
    char *copy = wh_strdup(path);
    if (copy == NULL) {
        return WH_ENOMEM;
    }
    c->secret_files[c->n_secret_files++] =
        (wh_conf_secret_file){.path = copy, .mode = mode};
    return WH_OK;
}

/* The line end that editors and `echo` leave is not part of a secret. */
static void cut_line_end(wh_buf *text)
{
    if (text->len > 0 && text->data[text->len - 1] == '\n') {
        text->data[--text->len] = '\0';
    }
    if (text->len > 0 && text->data[text->len - 1] == '\r') {
        text->data[--text->len] = '\0';
    }
}

wh_err wh_conf_secret_set(wh_conf *c, const wh_opt *o, void *base, const char *path,
                          wh_buf *why)
{
    wh_errbuf eb = {.text = ""};
    wh_conf_read_result file = {0};
    wh_err err = wh_conf_read(path, SECRET_FILE_MAX, &file, &eb);
    if (err == WH_OK && memchr(file.text.data, '\0', file.text.len) != NULL) {
        err = wh_err_set(&eb, WH_EINVAL, "%s: it holds a NUL byte", path);
    }
    if (err != WH_OK) {
        wh_buf_adds(why, eb.text);
        err = err == WH_ENOMEM || !wh_buf_ok(why) ? WH_ENOMEM : WH_EINVAL;
    } else {
        cut_line_end(&file.text);
        err = wh_conf_value_set(o, base, wh_buf_str(&file.text), why);
    }
    if (err == WH_OK) {
        err = remember(c, path, file.mode);
    }
    wh_conf_read_fini(&file);
    return err;
}

void wh_conf_secret_fini(wh_conf *c)
{
    for (size_t i = 0; i < c->n_secret_files; i++) {
        wh_free(c->secret_files[i].path);
    }
    wh_free(c->secret_files);
}

/* ---- the warning ---- */

static void warn(const char *file, unsigned mode)
{
    char text[16];
    if ((mode & S_IROTH) == 0) {
        return;
    }
    (void)snprintf(text, sizeof text, "%04o", mode);
    WH_LOG(WARN, "config.secret_exposed", WH_F_STR("file", file),
           WH_F_STR("mode", text),
           WH_F_STR("advice", "every user of this machine can read this secret; chmod "
                              "o-r takes that away"));
}

/* Would the option's value be masked when shown? */
static bool is_secret(const wh_opt *o, const void *base)
{
    if ((o->flags & WH_OPT_SECRET) == 0 || wh_conf_format_is_null(o, base)) {
        return false;
    }
    char *const *text = (const void *)((const char *)base + o->offset);
    return (o->flags & WH_OPT_URL) == 0 || wh_conf_format_has_password(*text);
}

static bool file_has_secret(const wh_conf *c)
{
    for (size_t i = 0; i < c->n_opts; i++) {
        if (c->from[i].kind == WH_CONF_FROM_FILE && !c->from[i].is_secret_file &&
            is_secret(&c->opts[i], c->values)) {
            return true;
        }
    }
    return false;
}

void wh_conf_warn(const wh_conf *c)
{
    for (size_t i = 0; i < c->n_secret_files; i++) {
        warn(c->secret_files[i].path, c->secret_files[i].mode);
    }
    if (c->file != NULL && file_has_secret(c)) {
        warn(c->file, c->file_mode);
    }
    for (size_t i = 0; i < c->n_opts; i++) {
        const wh_opt *o = &c->opts[i];
        struct stat st;
        if ((o->flags & WH_OPT_PRIVATE) == 0 || wh_conf_format_is_null(o, c->values)) {
            continue;
        }
        char *const *path = (const void *)((const char *)c->values + o->offset);
        if (stat(*path, &st) == 0) {
            warn(*path, (unsigned)st.st_mode & 07777U);
        }
    }
}
