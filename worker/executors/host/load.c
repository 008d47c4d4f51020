/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plug-in is trusted to run but not to be well made: whatever its description says
 * is checked here once, so that the rest of the host may use it as it stands.
 */
#include "worker/executors/host/load.h"

#include "common/job/job.h"
#include "worker/executors/frame.h"

#include <dlfcn.h>
#include <string.h>

typedef const wh_plugin *(*describe_fn)(void);

static wh_err check_handler(const char *path, const wh_plugin *p, size_t i,
                            wh_errbuf *eb)
{
    const wh_handler *h = &p->handlers[i];
    if (h->type == NULL || h->run == NULL) {
        return wh_err_set(eb, WH_ECONFIG, "%s: handler %zu has no %s", path, i,
                          h->type == NULL ? "type" : "function");
    }
    if (strcmp(h->type, "*") != 0 && !wh_job_name_ok(h->type, strlen(h->type))) {
        return wh_err_set(eb, WH_ECONFIG,
                          "%s: type \"%.70s\" of handler %zu is no name (1 to %d "
                          "characters of A-Z a-z 0-9 _ . -) and not \"*\"",
                          path, h->type, i, WH_JOB_NAME_MAX);
    }
    for (size_t k = 0; k < i; k++) {
        if (strcmp(p->handlers[k].type, h->type) == 0) {
            return wh_err_set(eb, WH_ECONFIG, "%s: two handlers of type \"%s\"", path,
                              h->type);
        }
    }
    return WH_OK;
}

static wh_err check(const char *path, const wh_plugin *p, wh_errbuf *eb)
{
    if (p == NULL) {
        return wh_err_set(eb, WH_ECONFIG, "%s: %s() returned NULL", path,
                          WH_PLUGIN_SYMBOL);
    }
    if (p->abi != WH_PLUGIN_ABI) {
        return wh_err_set(
            eb, WH_ECONFIG,
            "%s: built for plug-in ABI %u, this is ABI %d; build it again "
            "with this version's plugin.h",
            path, p->abi, WH_PLUGIN_ABI);
    }
    if (p->size < sizeof *p) {
        return wh_err_set(
            eb, WH_ECONFIG,
            "%s: describes itself in %u bytes, ABI %d needs %zu; set size "
            "to sizeof(wh_plugin)",
            path, p->size, WH_PLUGIN_ABI, sizeof *p);
    }
    if (p->name == NULL || p->version == NULL || p->handlers == NULL) {
        return wh_err_set(eb, WH_ECONFIG, "%s: has no %s", path,
                          p->name == NULL      ? "name"
                          : p->version == NULL ? "version"
                                               : "handlers");
    }
    if (p->n_handlers == 0 || p->n_handlers > WH_FRAME_TYPES_MAX) {
        return wh_err_set(eb, WH_ECONFIG, "%s: has %zu handlers; give 1 to %d", path,
                          p->n_handlers, WH_FRAME_TYPES_MAX);
    }
    for (size_t i = 0; i < p->n_handlers; i++) {
        wh_err err = check_handler(path, p, i, eb);
        if (err != WH_OK) {
            return err;
        }
    }
    return WH_OK;
}

/* dlerror() names the file itself most of the time. */
static wh_err refuse_loading(const char *path, wh_errbuf *eb)
{
    const char *why = dlerror();
    if (why == NULL) {
        why = "unknown reason";
    }
    bool names_it = strncmp(why, path, strlen(path)) == 0;
    return wh_err_set(eb, WH_ECONFIG, "%s%s%s", names_it ? "" : path,
                      names_it ? "" : ": ", why);
}

wh_err wh_load_plugin(const char *path, const wh_plugin **out, wh_errbuf *eb)
{
    describe_fn describe = NULL;
    *out = NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return refuse_loading(path, eb);
    }
    void *symbol = dlsym(library, WH_PLUGIN_SYMBOL);
    if (symbol == NULL) {
        (void)dlclose(library);
        return wh_err_set(eb, WH_ECONFIG,
                          "%s: no symbol %s; it is no plug-in of Wherry, or lacks the "
                          "line WH_PLUGIN(name, version, handlers)",
                          path, WH_PLUGIN_SYMBOL);
    }
    memcpy(&describe, &symbol, sizeof describe); /* as POSIX promises for dlsym */
    const wh_plugin *p = describe();
    wh_err err = check(path, p, eb);
    if (err != WH_OK) {
        return err;
    }
    int failed = p->init != NULL ? p->init() : 0;
    if (failed != 0) {
        return wh_err_set(eb, WH_ECONFIG, "%s: its init() failed with %d", path,
                          failed);
    }
    *out = p;
    return WH_OK;
}

const wh_handler *wh_load_find(const wh_plugin *plugin, const char *type)
{
    const wh_handler *any = NULL;
    for (size_t i = 0; i < plugin->n_handlers; i++) {
        const wh_handler *h = &plugin->handlers[i];
        if (strcmp(h->type, type) == 0) {
            return h;
        }
        if (strcmp(h->type, "*") == 0) {
            any = h;
        }
    }
    return any;
}
