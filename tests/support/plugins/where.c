/* SPDX-License-Identifier: Apache-2.0 */
/* A native handler whose result says where its job belongs: "region:queue attempts". */
#include "common/client/plugin.h"

#include <stdio.h>
#include <string.h>

static int run_where(wh_task *t, const void *payload, size_t n)
{
    char text[192];

    (void)payload;
    (void)n;
    (void)snprintf(text, sizeof text, "%s:%s %u", t->region, t->queue,
                   (unsigned)t->max_attempts);
    t->set_result(t, text, strlen(text));
    return WH_TASK_OK;
}

static const wh_handler handlers[] = {{"*", run_where}};
WH_PLUGIN("where", "1.0", handlers)
