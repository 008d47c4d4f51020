/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scopes of settings as text and as bits. A name is one of docs/protocol.md section 2, or "*"
 * where the setting has a form for all that have none of their own.
 */
#include "common/cli/cli_scope.h"

#include "common/job/job.h"

#include <string.h>

static bool is_name(const char *s, size_t n)
{
    return wh_job_name_ok(s, n);
}

static bool is_any(const char *s, size_t n)
{
    return n == 1 && s[0] == '*';
}

/* The scope "org/<name><rest>" or "type/<name>" after its first slash. */
static unsigned scope_of_org(const char *s)
{
    size_t n = strcspn(s, "/");
    const char *rest = s + n;
    bool any = is_any(s, n);

    if (!any && !is_name(s, n)) {
        return 0;
    }
    if (*rest == '\0') {
        return any ? WH_CLI_AT_ANY_ORG : WH_CLI_AT_ORG;
    }
    if (strncmp(rest, "/type/", 6) == 0 && is_name(rest + 6, strlen(rest + 6))) {
        return any ? WH_CLI_AT_ANY_PAIR : WH_CLI_AT_PAIR;
    }
    if (strncmp(rest, "/group/", 7) == 0 && is_name(rest + 7, strlen(rest + 7))) {
        return any ? 0 : WH_CLI_AT_GROUP;
    }
    return 0;
}

unsigned wh_cli_scope_of(const char *s)
{
    if (strcmp(s, "queue") == 0) {
        return WH_CLI_AT_QUEUE;
    }
    if (strcmp(s, "group") == 0) {
        return WH_CLI_AT_GROUPS;
    }
    if (strncmp(s, "org/", 4) == 0) {
        return scope_of_org(s + 4);
    }
    if (strncmp(s, "type/", 5) == 0) {
        const char *name = s + 5;

        return is_any(name, strlen(name))    ? WH_CLI_AT_ANY_TYPE
               : is_name(name, strlen(name)) ? WH_CLI_AT_TYPE
                                             : 0;
    }
    return 0;
}

void wh_cli_scope_list(unsigned bits, wh_buf *out)
{
    static const struct {
        unsigned bit;
        const char *text;
    } all[] = {{WH_CLI_AT_QUEUE, "queue"},
               {WH_CLI_AT_ORG, "org/NAME"},
               {WH_CLI_AT_ANY_ORG, "org/*"},
               {WH_CLI_AT_TYPE, "type/NAME"},
               {WH_CLI_AT_ANY_TYPE, "type/*"},
               {WH_CLI_AT_PAIR, "org/NAME/type/NAME"},
               {WH_CLI_AT_ANY_PAIR, "org/*/type/NAME"},
               {WH_CLI_AT_GROUPS, "group"},
               {WH_CLI_AT_GROUP, "org/NAME/group/NAME"}};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if ((bits & all[i].bit) != 0) {
            wh_buf_addf(out, "%s%s", out->len == 0 ? "" : ", ", all[i].text);
        }
    }
}

wh_err wh_cli_scope_names(const char *s, wh_errbuf *eb)
{
    static const char *const of[] = {"org", "type", "group"};

    for (size_t i = 0; i < sizeof of / sizeof of[0];) {
        size_t head = strlen(of[i]);

        if (strncmp(s, of[i], head) != 0 || s[head] != '/') {
            i++;
            continue;
        }
        const char *name = s + head + 1;
        size_t n = strcspn(name, "/");
        if (!is_any(name, n) && !is_name(name, n)) {
            return wh_err_set(eb, WH_EINVAL,
                              "\"%.*s\" is no %s; a name has 1 to %d characters of A-Z "
                              "a-z 0-9 _ . -",
                              (int)(n < 70 ? n : 70), name, of[i], WH_JOB_NAME_MAX);
        }
        s = name[n] == '/' ? name + n + 1 : "";
        i = 0;
    }
    return WH_OK;
}
