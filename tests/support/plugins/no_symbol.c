/* SPDX-License-Identifier: Apache-2.0 */
/* A shared object that is no plug-in: the symbol is missing. */
int no_symbol_of_a_plugin(void);

int no_symbol_of_a_plugin(void)
{
    return 1;
}
