/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The no-op handler of the side-by-side benchmark: keeps the tally that
 * tests/bench/peers/README.md asks for. One child process, one tally file.
 */
#include "common/client/plugin.h"
#include "tests/bench/peers/lib/peers_common.h"

static struct pc_tally tally;

static int start(void)
{
    tally = pc_tally_open();
    return 0;
}

static int noop(wh_task *t, const void *payload, size_t n)
{
    char text[512];

    (void)t;
    if (n >= sizeof text) {
        return WH_TASK_FAIL;
    }
    memcpy(text, payload, n);
    text[n] = '\0';
    pc_job(&tally, text);
    return WH_TASK_OK;
}

static const wh_handler handlers[] = {{"noop", noop}};

const wh_plugin *wherry_plugin_v1(void)
{
    static const wh_plugin plugin = {
        WH_PLUGIN_ABI, sizeof(wh_plugin), "peers", "1.0", handlers, 1, start, NULL};
    return &plugin;
}
