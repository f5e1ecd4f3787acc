/* SPDX-License-Identifier: Apache-2.0
 *
 * `handfast story`: a play of our own TCP as a ladder, and as a capture.
 */
#include "cli.h"

#include <errno.h>
#include <string.h>

#include "story.h"

static int list(hf_cli *cli)
{
    hf_story_info info;
    for (size_t i = 0; hf_story_row(i, &info); i++)
        fprintf(cli->out, "%-20s %s\n", info.name, info.title);
    return HF_EXIT_OK;
}

static bool find(const char *name, hf_story_info *info)
{
    for (size_t i = 0; hf_story_row(i, info); i++)
        if (strcmp(info->name, name) == 0)
            return true;
    return false;
}

int hf_command_story(hf_cli *cli, const hf_arguments *arguments)
{
    const hf_given *pcap = hf_arguments_find(arguments, "pcap");
    if (arguments->operand_count == 0 && pcap)
        return hf_cli_misuse(cli, "--pcap needs the name of a story");
    if (arguments->operand_count == 0)
        return list(cli);
    hf_story_info info;
    if (!find(arguments->operands[0], &info))
        return hf_cli_misuse(cli, "there is no story '%s'", arguments->operands[0]);
    if (pcap && info.no_capture)
        return hf_cli_misuse(cli, "the story '%s' plays in memory, and there is no --pcap of it", info.name);
    FILE *capture = NULL;
    if (pcap && (capture = fopen(pcap->value, "wb")) == NULL)
        return hf_cli_failed(cli, "%s: %s", pcap->value, strerror(errno));
    const bool played = hf_story_play(arguments->operands[0], cli->out, capture);
    if (capture) {
        const bool broken = ferror(capture) != 0;
        if (fclose(capture) != 0 || broken)
            return hf_cli_failed(cli, "%s: %s", pcap->value, strerror(errno));
    }
    if (!played)
        return hf_cli_failed(cli, "out of memory");
    return HF_EXIT_OK;
}
