/* SPDX-License-Identifier: Apache-2.0
 *
 * `handfast replay`: a recording of `handfast serve --record`, played again through the same code.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recording.h"

#define REPLAY_MOST (UINT64_C(4) << 30) /* whatever record_bytes was there: it must fit into memory here */

/* As `handfast serve` understood it. */
static hf_exit parse_again(hf_cli *cli, hf_recording *r, hf_arguments *arguments, hf_serve_options *options)
{
    const hf_command *const ours = cli->command;
    hf_exit result = HF_EXIT_FAILED;
    arguments->given = calloc(r->argument_count + 1, sizeof *arguments->given);
    arguments->operands = calloc(r->argument_count + 1, sizeof *arguments->operands);
    cli->command = hf_command_find("serve");
    if (arguments->given == NULL || arguments->operands == NULL)
        hf_cli_failed(cli, "out of memory");
    else
        result = hf_arguments_parse(cli, cli->command, (int)r->argument_count, r->arguments, arguments);
    if (result == HF_EXIT_OK)
        result = hf_serve_parse(cli, arguments, options);
    const char *const why = result == HF_EXIT_OK ? hf_recording_refuses(options) : NULL;
    cli->command = ours;
    if (result != HF_EXIT_OK)
        return hf_cli_failed(cli, "what the recorded server was asked is not to be understood");
    return why != NULL ? hf_cli_failed(cli, "%s", why) : HF_EXIT_OK;
}

/* The difference, or the end, and what it came to. */
static hf_exit tell(hf_cli *cli, const char *path, const hf_tape *t, const hf_replayed *went)
{
    if (hf_tape_differs(t))
        return hf_cli_failed(cli, "%s: a difference: %s", path, hf_tape_why(t));
    fprintf(cli->out, "same %s: trace %016llx, %llu connections, %llu requests, %llu turns\n",
        hf_tape_is_whole(t) ? "to the last byte" : "as far as the recording goes", (unsigned long long)hf_tape_hash(t),
        (unsigned long long)went->connections, (unsigned long long)went->requests, (unsigned long long)hf_tape_turns(t));
    return HF_EXIT_OK;
}

static hf_exit replay(hf_cli *cli, const char *path, hf_recording *r, hf_tape *t)
{
    static hf_serve_options options; /* large */
    char text[1024];
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_arguments arguments = { 0 };
    hf_replayed went = { 0 };
    if (!hf_recording_note(r, t))
        return hf_cli_failed(cli, "%s: its beginning says too little: %s", path,
            hf_tape_is_over(t) ? hf_tape_why(t) : "out of memory");
    hf_exit result = HF_EXIT_OK;
    if (strcmp(r->version, HF_VERSION) != 0)
        result = hf_cli_failed(cli, "%s was recorded by version %s, and this is " HF_VERSION ": only the same one does the same",
            path, r->version);
    if (result == HF_EXIT_OK)
        result = parse_again(cli, r, &arguments, &options);
    if (result == HF_EXIT_OK && !hf_recording_replay(r, &options, t, &went, &why))
        result = hf_cli_failed(cli, "%s: the server cannot be made again: %.*s", path, HF_STR(hf_written(&why)));
    if (result == HF_EXIT_OK)
        result = tell(cli, path, t, &went);
    free(arguments.given);
    free(arguments.operands);
    return result;
}

int hf_command_replay(hf_cli *cli, const hf_arguments *arguments)
{
    const char *const path = arguments->operands[0];
    char text[512];
    hf_writer why = hf_writer_make(text, sizeof text);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return hf_cli_failed(cli, "%s: %s", path, strerror(errno));
    hf_tape *t = hf_tape_play(fd, REPLAY_MOST, &why);
    close(fd);
    if (t == NULL)
        return hf_cli_failed(cli, "%s: %.*s", path, HF_STR(hf_written(&why)));
    hf_recording *r = calloc(1, sizeof *r);
    const hf_exit result = r != NULL ? replay(cli, path, r, t) : hf_cli_failed(cli, "out of memory");
    if (r != NULL)
        hf_recording_fini(r);
    free(r);
    hf_tape_free(t);
    return result;
}
