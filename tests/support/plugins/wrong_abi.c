/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in of an ABI that no host knows: it must be refused with that number named. */
#include "common/client/plugin.h"

const wh_plugin *wherry_plugin_v1(void)
{
    static const wh_plugin plugin = {
        .abi = 99, .size = sizeof(wh_plugin), .name = "wrong_abi", .version = "1.0"};
    return &plugin;
}
