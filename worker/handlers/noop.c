/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handler that does nothing, successfully: for benchmarks, and to see that a fleet
 * runs jobs before the first real handler exists.
 */
#include "common/client/plugin.h"

static int noop(wh_task *t, const void *payload, size_t payload_len)
{
    (void)t;
    (void)payload;
    (void)payload_len;
    return WH_TASK_OK;
}

static const wh_handler handlers[] = {{"noop", noop}};

WH_PLUGIN("noop", "1.0", handlers)
