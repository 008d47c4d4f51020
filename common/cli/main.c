/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `wherry` command. Everything is in the wh_cli layer, so that tests can link it.
 */
#include "common/cli/cli.h"

int main(int argc, char **argv)
{
    return wh_cli_main(argc, argv);
}
