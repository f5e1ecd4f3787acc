/* SPDX-License-Identifier: Apache-2.0
 *
 * `handfast sim`: the lab parses its own words.
 */
#include "cli.h"

#include <stdlib.h>

int hf_command_sim(hf_cli *cli, const hf_arguments *arguments)
{
    char **argv = calloc(arguments->operand_count + 2, sizeof *argv);
    static char name[] = "handfast sim";
    if (!argv)
        return hf_cli_failed(cli, "out of memory");
    argv[0] = name;
    for (size_t i = 0; i < arguments->operand_count; i++)
        argv[i + 1] = arguments->operands[i];
    const int result = cli->doors->sim((int)arguments->operand_count + 1, argv);
    free(argv);
    return result;
}
