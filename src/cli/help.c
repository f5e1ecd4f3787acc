/* SPDX-License-Identifier: Apache-2.0
 *
 * Help on the terminal, from the table.
 */
#include "cli.h"

#include "words.h"

enum { WIDTH = 92, OPTION_COLUMN = 6, TEXT_COLUMN = 10, NAME_COLUMN = 14 };

/* Bold where there is colour: on, text, off. */
static void heading(FILE *out, bool colour, const char *text)
{
    fprintf(out, "\n%s%s%s\n", colour ? "\x1b[1m" : "", text, colour ? "\x1b[0m" : "");
}

void hf_print_option(FILE *out, const hf_option *o)
{
    if (o->letter)
        fprintf(out, "-%c, ", o->letter);
    fprintf(out, "--%s%s", o->kind == HF_OPTION_BOOLEAN && o->on ? "no-" : "", o->name);
    if (o->kind == HF_OPTION_VALUE)
        fprintf(out, " %s", o->value);
    else if (o->kind == HF_OPTION_OPTIONAL)
        fprintf(out, "[=%s]", o->value);
}

void hf_print_synopsis(FILE *out, const hf_command *command)
{
    if (command->option_count > 0)
        fputs(" [OPTION]...", out);
    if (command->operands)
        fprintf(out, " %s", command->operands);
}

static void print_option(FILE *out, bool colour, const hf_option *o)
{
    fprintf(out, "%*s%s", o->letter ? OPTION_COLUMN - 4 : OPTION_COLUMN, "", colour ? "\x1b[36m" : "");
    hf_print_option(out, o);
    fprintf(out, "%s\n%*s", colour ? "\x1b[0m" : "", TEXT_COLUMN, "");
    hf_print_wrapped(out, o->help, TEXT_COLUMN, TEXT_COLUMN, WIDTH);
    if (o->preset)
        fprintf(out, "%*sDefault: %s\n", TEXT_COLUMN, "", o->preset);
}

static void print_paragraphs(FILE *out, const char *const *paragraphs)
{
    for (; *paragraphs; paragraphs++) {
        fputs("\n", out);
        hf_print_wrapped(out, *paragraphs, 0, 0, WIDTH);
    }
}

static void print_exits(FILE *out, bool colour, const hf_command *command)
{
    size_t count;
    const hf_exit_row *rows = hf_exits_of(command, &count);
    heading(out, colour, "Exit status");
    for (size_t i = 0; i < count; i++)
        fprintf(out, "  %2d  %s\n", rows[i].status, rows[i].meaning);
}

static void print_program(FILE *out, bool colour)
{
    fputs("Usage: handfast COMMAND [OPTION]... [ARGUMENT]...\n", out);
    print_paragraphs(out, hf_cli_description);
    heading(out, colour, "Commands");
    for (size_t i = 0; i < hf_command_count; i++) {
        const int gap = NAME_COLUMN - 2 - (int)strlen(hf_commands[i].name);
        fprintf(out, "  %s%s%s%*s%s\n", colour ? "\x1b[36m" : "", hf_commands[i].name, colour ? "\x1b[0m" : "",
                gap > 1 ? gap : 1, "", hf_commands[i].summary);
    }
    heading(out, colour, "Options");
    for (size_t i = 0; i < hf_common_option_count; i++)
        print_option(out, colour, &hf_common_options[i]);
    fprintf(out, "  -V, --version\n%*sShow the version and exit.\n", TEXT_COLUMN, "");
    print_exits(out, colour, NULL);
    fputs("\nhandfast COMMAND --help says more about each command.\n", out);
}

void hf_print_help(FILE *out, bool colour, const hf_command *command)
{
    if (!command) {
        print_program(out, colour);
        return;
    }
    fprintf(out, "Usage: handfast %s", command->name);
    hf_print_synopsis(out, command);
    fprintf(out, "\n\n%s.\n", command->summary);
    print_paragraphs(out, command->description);
    heading(out, colour, "Options");
    const hf_option *o;
    for (size_t i = 0; (o = hf_option_at(command, i)) != NULL; i++)
        print_option(out, colour, o);
    if (command->example_count > 0)
        heading(out, colour, "Examples");
    for (size_t i = 0; i < command->example_count; i++)
        fprintf(out, "%s  %s\n      %s\n", i ? "\n" : "", command->examples[i].line, command->examples[i].meaning);
    print_exits(out, colour, command);
}

int hf_command_help(hf_cli *cli, const hf_arguments *arguments)
{
    const hf_command *about = NULL;
    if (arguments->operand_count > 0) {
        about = hf_command_find(arguments->operands[0]);
        if (!about) {
            hf_nearest nearest = { .word = arguments->operands[0] };
            for (size_t i = 0; i < hf_command_count; i++)
                hf_nearest_try(&nearest, hf_commands[i].name);
            return hf_cli_misuse(cli, "there is no command %s%s%s%s", arguments->operands[0],
                                 nearest.best ? "; did you mean " : "", nearest.best ? nearest.best : "", nearest.best ? "?" : "");
        }
    }
    hf_print_help(cli->out, cli->colour_out, about);
    return HF_EXIT_OK;
}
