/* SPDX-License-Identifier: Apache-2.0
 *
 * Manual pages in man(7) macros, from the table. They carry no date: the same source gives the same page.
 */
#include "cli.h"

/* Text of ours into roff: what it would read as markup is escaped, and "-" is a real hyphen-minus, so that an option
 * can be copied from the page. */
static void roff_text(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++) {
        switch (*text) {
        case '\\': fputs("\\e", out); break;
        case '-': fputs("\\-", out); break;
        case '\'': fputs("\\(aq", out); break;
        case '`': fputs("\\(ga", out); break;
        case '^': fputs("\\(ha", out); break;
        case '~': fputs("\\(ti", out); break;
        default: fputc(*text, out); break;
        }
    }
}

static void roff_line(FILE *out, const char *text)
{
    roff_text(out, text);
    fputc('\n', out);
}

static void upper(FILE *out, const char *text)
{
    for (; *text; text++)
        fputc(*text >= 'a' && *text <= 'z' ? *text - 32 : *text, out);
}

static void option(FILE *out, const hf_option *o)
{
    fputs(".TP\n", out);
    if (o->letter)
        fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", out);
    if (o->kind == HF_OPTION_BOOLEAN && o->on)
        fputs("no\\-", out);
    roff_text(out, o->name);
    fputs("\\fR", out);
    if (o->value)
        fprintf(out, o->kind == HF_OPTION_OPTIONAL ? "[=\\fI%s\\fR]" : " \\fI%s\\fR", o->value);
    fputc('\n', out);
    roff_line(out, o->help);
    if (o->preset) {
        fputs(".br\nDefault: ", out);
        roff_line(out, o->preset);
    }
}

static void exit_status(FILE *out, const hf_command *command)
{
    size_t count;
    const hf_exit_row *rows = hf_exits_of(command, &count);
    fputs(".SH EXIT STATUS\n", out);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, ".TP\n%d\n", rows[i].status);
        roff_line(out, rows[i].meaning);
    }
}

static void environment(FILE *out)
{
    fputs(".SH ENVIRONMENT\n.TP\n\\fBNO_COLOR\\fR\nNot empty: no colour.\n"
          ".TP\n\\fBCLICOLOR_FORCE\\fR\nNot empty and not 0: colour even where no terminal is.\n"
          ".TP\n\\fBHF_LOG\\fR\nerror, warning, info or debug: what is said on standard error.\n", out);
}

static void paragraphs(FILE *out, const char *const *text)
{
    for (size_t i = 0; text[i]; i++) {
        if (i > 0)
            fputs(".PP\n", out);
        roff_line(out, text[i]);
    }
}

static void program(FILE *out)
{
    fputs(".TH HANDFAST 1 \"\" \"handfast " HF_VERSION "\" \"Handfast Manual\"\n.SH NAME\n"
          "handfast \\- web server and the tool that explains connections\n.SH SYNOPSIS\n"
          "\\fBhandfast\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n.SH DESCRIPTION\n", out);
    paragraphs(out, hf_cli_description);
    fputs(".SH COMMANDS\n", out);
    for (size_t i = 0; i < hf_command_count; i++) {
        fprintf(out, ".TP\n\\fB%s\\fR\n", hf_commands[i].name);
        roff_text(out, hf_commands[i].summary);
        fprintf(out, ": see \\fBhandfast\\-%s\\fR(1).\n", hf_commands[i].name);
    }
    fputs(".SH OPTIONS\n", out);
    for (size_t i = 0; i < hf_common_option_count; i++)
        option(out, &hf_common_options[i]);
    fputs(".TP\n\\fB\\-V\\fR, \\fB\\-\\-version\\fR\nShow the version and exit.\n", out);
    exit_status(out, NULL);
    environment(out);
}

static void synopsis(FILE *out, const hf_command *command)
{
    fprintf(out, ".SH SYNOPSIS\n\\fBhandfast %s\\fR", command->name);
    if (command->option_count > 0)
        fputs(" [\\fIOPTION\\fR]...", out);
    if (command->operands)
        fprintf(out, " \\fI%s\\fR", command->operands);
    fputc('\n', out);
}

void hf_print_manpage(FILE *out, const hf_command *command)
{
    if (!command) {
        program(out);
        return;
    }
    fputs(".TH HANDFAST\\-", out);
    upper(out, command->name);
    fprintf(out, " 1 \"\" \"handfast %s\" \"Handfast Manual\"\n.SH NAME\nhandfast\\-%s \\- ", HF_VERSION, command->name);
    fputc(command->summary[0] | 0x20, out);
    roff_line(out, command->summary + 1);
    synopsis(out, command);
    fputs(".SH DESCRIPTION\n", out);
    paragraphs(out, command->description);
    fputs(".SH OPTIONS\n", out);
    const hf_option *o;
    for (size_t i = 0; (o = hf_option_at(command, i)) != NULL; i++)
        option(out, o);
    if (command->example_count > 0)
        fputs(".SH EXAMPLES\n", out);
    for (size_t i = 0; i < command->example_count; i++) {
        fputs(".TP\n\\fB", out);
        roff_text(out, command->examples[i].line);
        fputs("\\fR\n", out);
        roff_line(out, command->examples[i].meaning);
    }
    exit_status(out, command);
    fputs(".SH SEE ALSO\n\\fBhandfast\\fR(1)\n", out);
}

int hf_command_manpage(hf_cli *cli, const hf_arguments *arguments)
{
    const hf_command *about = NULL;
    if (arguments->operand_count > 0) {
        about = hf_command_find(arguments->operands[0]);
        if (!about)
            return hf_cli_misuse(cli, "there is no command %s", arguments->operands[0]);
    }
    hf_print_manpage(cli->out, about);
    return HF_EXIT_OK;
}
