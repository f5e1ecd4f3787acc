/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "words.h"

static void HF_PRINTF(2, 0) complain(hf_cli *cli, const char *format, va_list args)
{
    fprintf(cli->err, "%shandfast%s%s:%s ", cli->colour_err ? "\x1b[1;31m" : "", cli->command ? " " : "",
            cli->command ? cli->command->name : "", cli->colour_err ? "\x1b[0m" : "");
    vfprintf(cli->err, format, args);
    fputc('\n', cli->err);
}

hf_exit hf_cli_failed(hf_cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(cli, format, args);
    va_end(args);
    return HF_EXIT_FAILED;
}

hf_exit hf_cli_misuse(hf_cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(cli, format, args);
    va_end(args);
    fprintf(cli->err, "See handfast %s%s--help.\n", cli->command ? cli->command->name : "", cli->command ? " " : "");
    return HF_EXIT_USAGE;
}

const hf_command *hf_command_find(const char *name)
{
    for (size_t i = 0; i < hf_command_count; i++)
        if (strcmp(hf_commands[i].name, name) == 0)
            return &hf_commands[i];
    return NULL;
}

static hf_exit unknown_command(hf_cli *cli, const char *name)
{
    const char *kind = name[0] == '-' ? "option" : "command";
    hf_nearest nearest = { .word = name };
    for (size_t i = 0; name[0] != '-' && i < hf_command_count; i++)
        hf_nearest_try(&nearest, hf_commands[i].name);
    for (size_t i = 0; name[0] == '-' && i < 2; i++)
        hf_nearest_try(&nearest, i == 0 ? "--help" : "--version");
    if (nearest.best)
        return hf_cli_misuse(cli, "unknown %s %s; did you mean %s?", kind, name, nearest.best);
    return hf_cli_misuse(cli, "unknown %s %s", kind, name);
}

/* ---- colour --------------------------------------------------------------------------------------------------- */

static void find_colours(hf_cli *cli)
{
    const char *no_color = getenv("NO_COLOR"), *force = getenv("CLICOLOR_FORCE"), *term = getenv("TERM");
    cli->colour_out = hf_colour_wanted(no_color, force, term, isatty(fileno(cli->out)));
    cli->colour_err = hf_colour_wanted(no_color, force, term, isatty(fileno(cli->err)));
}

static bool is_colour(const char *when)
{
    return strcmp(when, "always") == 0 || strcmp(when, "never") == 0 || strcmp(when, "auto") == 0;
}

static void colour_is(hf_cli *cli, const char *when)
{
    if (strcmp(when, "always") == 0 || strcmp(when, "never") == 0)
        cli->colour_out = cli->colour_err = strcmp(when, "always") == 0;
}

static void obey_colour(hf_cli *cli, const hf_arguments *arguments)
{
    const hf_given *given = hf_arguments_find(arguments, "color");
    if (given)
        colour_is(cli, given->value);
}

/* Where help is asked for, nothing else is parsed; yet it is to have the colour that was asked for. Returns how many of
 * the first arguments are about colour: they may stand before the command. */
static int look_for_colour(hf_cli *cli, int argc, char **argv)
{
    static const char option[] = "--color";
    const size_t length = sizeof option - 1;
    int first = 0;
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const bool joined = strncmp(argv[i], option, length) == 0 && argv[i][length] == '=';
        if (!joined && (strcmp(argv[i], option) != 0 || i + 1 == argc))
            continue;
        const bool leads = first == i;
        const char *const when = joined ? argv[i] + length + 1 : argv[++i];
        colour_is(cli, when);
        first = leads && is_colour(when) ? i + 1 : first; /* what is no colour is refused where it stands */
    }
    return first;
}

/* ---- a run ---------------------------------------------------------------------------------------------------- */

static bool wants_help(const hf_command *command, int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || (!command->raw && strcmp(argv[i], "-h") == 0))
            return true;
    return false;
}

static int run_command(hf_cli *cli, const hf_command *command, int argc, char **argv)
{
    if (wants_help(command, argc, argv)) {
        (void)look_for_colour(cli, argc, argv);
        hf_print_help(cli->out, cli->colour_out, command);
        return HF_EXIT_OK;
    }
    hf_arguments arguments = { 0 };
    cli->argv = argv;
    cli->argc = argc;
    arguments.given = calloc((size_t)argc + 1, sizeof *arguments.given);
    arguments.operands = calloc((size_t)argc + 1, sizeof *arguments.operands);
    int result = HF_EXIT_FAILED;
    if (!arguments.given || !arguments.operands) {
        hf_cli_failed(cli, "out of memory");
    } else if (command->raw) {
        for (int i = 0; i < argc; i++)
            arguments.operands[arguments.operand_count++] = argv[i];
        result = command->run(cli, &arguments);
    } else {
        result = hf_arguments_parse(cli, command, argc, argv, &arguments);
        obey_colour(cli, &arguments);
        if (result == HF_EXIT_OK)
            result = command->run(cli, &arguments);
    }
    free(arguments.given);
    free(arguments.operands);
    return result;
}

static int run(hf_cli *cli, int argc, char **argv)
{
    const int about_colour = argc > 1 ? look_for_colour(cli, argc - 1, argv + 1) : 0;
    argc -= about_colour;
    argv += about_colour;
    if (argc < 2) {
        hf_print_help(cli->err, cli->colour_err, NULL);
        return HF_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    cli->command = NULL;
    const hf_command *command = hf_command_find(name);
    if (!command)
        return unknown_command(cli, name);
    cli->command = command;
    return run_command(cli, command, argc - 2, argv + 2);
}

int hf_cli_run(hf_cli *cli, int argc, char **argv)
{
    find_colours(cli);
    const int result = run(cli, argc, argv);
    /* A result that did not arrive is no result: `handfast limits > /dev/full` must not succeed. */
    if (fflush(cli->out) != 0 || ferror(cli->out)) {
        fprintf(cli->err, "handfast: cannot write to standard output: %s\n", strerror(errno));
        return result == HF_EXIT_OK ? HF_EXIT_FAILED : result;
    }
    return result;
}
