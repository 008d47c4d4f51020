/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of limits (docs/protocol.md section 10) between people and the protocol:
 * "rate:org/acme=100/60s/20" is "rate:org/acme" with the value "100/60000/20". Checks
 * scope and value, so that a refusal can say which form is right. Pure.
 */
#ifndef WH_COMMON_CLI_CLI_SETTING_H
#define WH_COMMON_CLI_CLI_SETTING_H

#include "common/base/buf.h"
#include "common/base/err.h"

enum { WH_CLI_SETTING_NAME_MAX = 200, WH_CLI_SETTING_VALUE_MAX = 100 };

typedef struct wh_cli_setting {
    char name[WH_CLI_SETTING_NAME_MAX + 1];
    char value[WH_CLI_SETTING_VALUE_MAX + 1]; /* as the protocol has it; "": removed */
    bool was_unset;                           /* a removal found nothing */
} wh_cli_setting;

/* "SETTING=VALUE". WH_EINVAL; eb says what would be right. */
wh_err wh_cli_setting_parse(const char *word, wh_cli_setting *out,
                            wh_errbuf *eb) WH_MUSTCHECK;
/* "SETTING" alone, to be removed. */
wh_err wh_cli_setting_name(const char *word, wh_cli_setting *out,
                           wh_errbuf *eb) WH_MUSTCHECK;
/* A stored value for people: "100/1m/20"; as it is when it is none that we know. */
void wh_cli_setting_show(const char *name, const char *value, wh_buf *out);

#endif
