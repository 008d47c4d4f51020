/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of log.* and their way into the log. The choices of the level are the words
 * of wh_log_level in its order.
 */
#include "common/base/log_options.h"

#include "common/base/log.h"

#include <unistd.h>

const wh_opt wh_log_options_rows[WH_LOG_OPTIONS_COUNT] = {
    {.name = "log.level",
     .type = WH_OPT_ENUM,
     .offset = offsetof(wh_log_options, level),
     .dflt = "info",
     .choices = "debug|info|warn|error",
     .flags = WH_OPT_RELOAD,
     .env = "LOG_LEVEL",
     .help = "least level that is logged"},
    {.name = "log.format",
     .type = WH_OPT_ENUM,
     .offset = offsetof(wh_log_options, format),
     .dflt = "auto",
     .choices = "auto|json|text",
     .help = "auto: text on a terminal, else JSON lines"},
};

void wh_log_options_apply(const wh_log_options *o)
{
    enum { AUTO, JSON, TEXT };
    static const wh_log_level levels[] = {WH_LOG_LEVEL_DEBUG, WH_LOG_LEVEL_INFO,
                                          WH_LOG_LEVEL_WARN, WH_LOG_LEVEL_ERROR};
    bool is_text =
        o->format == TEXT || (o->format == AUTO && isatty(STDERR_FILENO) == 1);

    wh_log_configure(levels[o->level],
                     is_text ? WH_LOG_FORMAT_TEXT : WH_LOG_FORMAT_JSON);
}
