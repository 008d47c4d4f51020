/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers without quotes where they are some; names, and what may look like a number
 * but is none, stay texts.
 */
#include "common/cli/cli_explain_json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* "acme 5, globex 2" as [{"org":"acme","active":5},…]. */
static void add_holders_json(const char *text, wh_buf *out)
{
    const char *before = "";

    wh_buf_addc(out, '[');
    while (*text != '\0') {
        size_t n = strcspn(text, " "), rest = strcspn(text, ",");

        wh_buf_addf(out, "%s{\"org\":", before);
        wh_buf_add_json(out, text, n < rest ? n : rest);
        wh_buf_addf(out, ",\"active\":%" PRId64 "}",
                    n < rest ? (int64_t)strtoll(text + n + 1, NULL, 10) : 0);
        before = ",";
        text += rest + strspn(text + rest, ", ");
    }
    wh_buf_addc(out, ']');
}

/* A number without quotes where it is one as JSON has it, like 12 or 2.50. */
static void add_value_json(const char *text, size_t n, wh_buf *out)
{
    size_t whole = strspn(text, "0123456789");
    size_t parts = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
    bool is_plain = whole > 0 && (text[0] != '0' || whole == 1);

    if (is_plain && n < 20 && n == whole + (parts > 0 ? parts + 1 : 0)) {
        wh_buf_add(out, text, n);
    } else {
        wh_buf_add_json(out, text, n);
    }
}

/* Names of jobs stay texts, also those that look like numbers; and so does a limit's value, which
 * may be "100/60000/20". */
static bool is_number(const char *name)
{
    static const char *const texts[] = {"id",
                                        "status",
                                        "reason",
                                        "type",
                                        "org",
                                        "group",
                                        "worker",
                                        "limit",
                                        "of",
                                        "pressure",
                                        "held_type",
                                        "group_first",
                                        "error_category",
                                        "breaker",
                                        "snooze_category",
                                        "snooze_message"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(texts[i], name) == 0) {
            return false;
        }
    }
    return true;
}

void wh_cli_explain_json_add(const wh_reply *flat, const char *reason, wh_buf *out)
{
    for (size_t i = 0; i + 1 < wh_reply_count(flat); i += 2) {
        wh_slice name = wh_reply_str(wh_reply_at(flat, i));
        wh_slice value = wh_reply_str(wh_reply_at(flat, i + 1));

        if (name.p == NULL || value.p == NULL) {
            continue;
        }
        wh_buf_addc(out, ',');
        wh_buf_add_json(out, name.p, name.n);
        wh_buf_addc(out, ':');
        if (strcmp(name.p, "reason") == 0) {
            wh_buf_add_json(out, reason, strlen(reason));
        } else if (strcmp(name.p, "holders") == 0) {
            add_holders_json(value.p, out);
        } else if (is_number(name.p)) {
            add_value_json(value.p, value.n, out);
        } else {
            wh_buf_add_json(out, value.p, value.n);
        }
    }
}
