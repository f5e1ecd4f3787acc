/* SPDX-License-Identifier: Apache-2.0
 *
 * What shells need to complete a command line, from the table. The scripts are plain lists: they run no program while
 * somebody types.
 */
#include "cli.h"

#include "text.h"

typedef struct printer {
    FILE *out;
    const char *separator; /* between words of a list */
} printer;

/* Every word that may follow, for `complete`; files and the like are left to the shell. */
static void print_words(const printer *p, hf_complete complete, const char *const *choices)
{
    const char *between = "";
    hf_limit_info limit;
    hf_err err;
    const hf_err_info *info;
    for (size_t i = 0; complete == HF_COMPLETE_CHOICES && choices[i]; i++, between = p->separator)
        fprintf(p->out, "%s%s", between, choices[i]);
    for (size_t i = 0; complete == HF_COMPLETE_LIMIT && hf_limit_row(i, &limit); i++, between = p->separator)
        fprintf(p->out, "%s%s=", between, limit.name);
    for (size_t i = 0; complete == HF_COMPLETE_ERROR && hf_err_row(i, &err, &info); i++, between = p->separator)
        fprintf(p->out, "%s%s", between, info->id);
    for (size_t i = 0; complete == HF_COMPLETE_COMMAND && i < hf_command_count; i++, between = p->separator)
        fprintf(p->out, "%s%s", between, hf_commands[i].name);
}

static bool takes_words(hf_complete complete)
{
    return complete == HF_COMPLETE_CHOICES || complete == HF_COMPLETE_LIMIT || complete == HF_COMPLETE_ERROR ||
           complete == HF_COMPLETE_COMMAND;
}

/* ---- bash ----------------------------------------------------------------------------------------------------- */

static void bash_reply(FILE *out, hf_complete complete, const char *const *choices)
{
    const printer p = { out, " " };
    if (complete == HF_COMPLETE_FILE || complete == HF_COMPLETE_FOLDER) {
        fprintf(out, "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -%c -- \"$cur\")",
                complete == HF_COMPLETE_FILE ? 'f' : 'd');
    } else if (complete == HF_COMPLETE_USER) {
        fputs("mapfile -t COMPREPLY < <(compgen -u -- \"$cur\")", out);
    } else if (takes_words(complete)) {
        fprintf(out, "%smapfile -t COMPREPLY < <(compgen -W '", complete == HF_COMPLETE_LIMIT ? "compopt -o nospace; " : "");
        print_words(&p, complete, choices);
        fputs("' -- \"$cur\")", out);
    } else {
        fputs(":", out);
    }
}

static void bash_command(FILE *out, const hf_command *command)
{
    const hf_option *o;
    fprintf(out, "    %s)\n        case $prev in\n", command->name);
    for (size_t i = 0; (o = hf_option_at(command, i)) != NULL; i++) {
        if (o->kind != HF_OPTION_VALUE)
            continue;
        fprintf(out, "        --%s) ", o->name);
        bash_reply(out, o->complete, o->choices);
        fputs("; return ;;\n", out);
    }
    fputs("        esac\n        if [[ $cur == -* ]]; then\n            mapfile -t COMPREPLY < <(compgen -W '", out);
    for (size_t i = 0; (o = hf_option_at(command, i)) != NULL; i++) {
        fprintf(out, "%s--%s", i ? " " : "", o->name);
        if (o->kind == HF_OPTION_BOOLEAN)
            fprintf(out, " --no-%s", o->name);
    }
    fputs("' -- \"$cur\")\n        else\n            ", out);
    bash_reply(out, command->operands_complete, command->operand_choices);
    fputs("\n        fi ;;\n", out);
}

static void bash(FILE *out)
{
    const printer p = { out, " " };
    fputs("# bash completion for handfast\n_handfast()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n    COMPREPLY=()\n"
          "    # bash breaks --name=value at the equals sign\n"
          "    [[ $cur == = ]] && cur=\n"
          "    [[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
          "    if ((COMP_CWORD == 1)); then\n        mapfile -t COMPREPLY < <(compgen -W '", out);
    print_words(&p, HF_COMPLETE_COMMAND, NULL);
    fputs(" --help --version' -- \"$cur\")\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n", out);
    for (size_t i = 0; i < hf_command_count; i++)
        bash_command(out, &hf_commands[i]);
    fputs("    esac\n}\ncomplete -F _handfast handfast\n", out);
}

/* ---- zsh ------------------------------------------------------------------------------------------------------ */

/* Inside single quotes, in brackets, where colons separate: the first sentence of a help text. */
static void zsh_text(FILE *out, const char *text)
{
    for (; *text && !(*text == '.' && (text[1] == ' ' || text[1] == 0)); text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr("[]:\\", *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void zsh_values(FILE *out, hf_complete complete, const char *const *choices)
{
    const printer p = { out, " " };
    if (complete == HF_COMPLETE_FILE)
        fputs("_files", out);
    else if (complete == HF_COMPLETE_FOLDER)
        fputs("_files -/", out);
    else if (complete == HF_COMPLETE_USER)
        fputs("_users", out);
    if (!takes_words(complete))
        return;
    fputc('(', out);
    print_words(&p, complete, choices);
    fputc(')', out);
}

static void zsh_option(FILE *out, const hf_option *o, bool negated)
{
    const bool value = o->kind == HF_OPTION_VALUE || o->kind == HF_OPTION_OPTIONAL;
    if (o->letter && !negated) {
        fprintf(out, " \\\n            '(--%s)-%c[", o->name, o->letter);
        zsh_text(out, o->help);
        fputc(']', out);
        if (o->kind == HF_OPTION_VALUE) {
            fputc(':', out);
            zsh_text(out, o->value);
            fputc(':', out);
            zsh_values(out, o->complete, o->choices);
        }
        fputc('\'', out);
    }
    fprintf(out, " \\\n            '%s--%s%s%s[", o->repeats ? "*" : "", negated ? "no-" : "", o->name,
            o->kind == HF_OPTION_VALUE ? "=" : o->kind == HF_OPTION_OPTIONAL ? "=-" : "");
    zsh_text(out, o->help);
    fputc(']', out);
    if (value) {
        fprintf(out, "%s", o->kind == HF_OPTION_OPTIONAL ? "::" : ":");
        zsh_text(out, o->value);
        fputc(':', out);
        zsh_values(out, o->complete, o->choices);
    }
    fputc('\'', out);
}

static void zsh(FILE *out)
{
    fputs("#compdef handfast\n# zsh completion for handfast\n_handfast()\n{\n    local -a commands=(\n", out);
    for (size_t i = 0; i < hf_command_count; i++) {
        fprintf(out, "        '%s:", hf_commands[i].name);
        zsh_text(out, hf_commands[i].summary);
        fputs("'\n", out);
    }
    fputs("    )\n    if ((CURRENT == 2)); then\n        _describe command commands\n        return\n    fi\n"
          "    local command=$words[2]\n    shift words\n    ((CURRENT--))\n    case $command in\n", out);
    for (size_t i = 0; i < hf_command_count; i++) {
        const hf_command *command = &hf_commands[i];
        const hf_option *o;
        fprintf(out, "    %s)\n        _arguments", command->name);
        for (size_t k = 0; (o = hf_option_at(command, k)) != NULL; k++)
            zsh_option(out, o, o->kind == HF_OPTION_BOOLEAN && o->on);
        if (command->operands) {
            fprintf(out, " \\\n            '%s", command->operands_least ? "1:" : "1::");
            zsh_text(out, command->operands);
            fputc(':', out);
            zsh_values(out, command->operands_complete, command->operand_choices);
            fputc('\'', out);
        }
        fputs(" ;;\n", out);
    }
    /* Found by the shell in its fpath this file is the function; read with source it only defines it. */
    fputs("    esac\n}\nif [[ $funcstack[1] == _handfast ]]; then\n    _handfast \"$@\"\nelse\n    compdef _handfast handfast\nfi\n", out);
}

/* ---- fish ----------------------------------------------------------------------------------------------------- */

static void fish_text(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text && !(*text == '.' && (text[1] == ' ' || text[1] == 0)); text++) {
        if (*text == '\'' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('\'', out);
}

static void fish_values(FILE *out, hf_complete complete, const char *const *choices)
{
    const printer p = { out, " " };
    if (complete == HF_COMPLETE_FILE)
        fputs(" -F", out);
    else if (complete == HF_COMPLETE_FOLDER)
        fputs(" -a '(__fish_complete_directories)'", out);
    else if (complete == HF_COMPLETE_USER)
        fputs(" -a '(__fish_complete_users)'", out);
    if (!takes_words(complete))
        return;
    fputs(" -a '", out);
    print_words(&p, complete, choices);
    fputc('\'', out);
}

static void fish_option(FILE *out, const hf_command *command, const hf_option *o)
{
    fprintf(out, "complete -c handfast -n '__fish_seen_subcommand_from %s'", command->name);
    fprintf(out, " -l %s%s", o->kind == HF_OPTION_BOOLEAN && o->on ? "no-" : "", o->name);
    if (o->letter)
        fprintf(out, " -s '%c'", o->letter); /* one is '#', which begins a comment */
    if (o->kind == HF_OPTION_VALUE) /* -x: with a value, which is no file */
        fputs(o->complete == HF_COMPLETE_FILE ? " -r" : " -x", out);
    fish_values(out, o->complete, o->choices);
    fputs(" -d ", out);
    fish_text(out, o->help);
    fputc('\n', out);
}

static void fish(FILE *out)
{
    fputs("# fish completion for handfast\ncomplete -c handfast -f\n"
          "complete -c handfast -n __fish_use_subcommand -l version -d 'Show the version and exit'\n", out);
    for (size_t i = 0; i < hf_command_count; i++) {
        const hf_command *command = &hf_commands[i];
        const hf_option *o;
        fprintf(out, "complete -c handfast -n __fish_use_subcommand -a %s -d ", command->name);
        fish_text(out, command->summary);
        fputc('\n', out);
        for (size_t k = 0; (o = hf_option_at(command, k)) != NULL; k++)
            fish_option(out, command, o);
        if (!command->operands)
            continue;
        fprintf(out, "complete -c handfast -n '__fish_seen_subcommand_from %s'", command->name);
        fish_values(out, command->operands_complete, command->operand_choices);
        fputc('\n', out);
    }
}

/* ---- the command ---------------------------------------------------------------------------------------------- */

bool hf_print_completion(FILE *out, const char *shell)
{
    static const struct {
        const char *name;
        void (*print)(FILE *);
    } shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };
    for (size_t i = 0; i < HF_COUNT(shells); i++) {
        if (strcmp(shells[i].name, shell) != 0)
            continue;
        shells[i].print(out);
        return true;
    }
    return false;
}

int hf_command_completion(hf_cli *cli, const hf_arguments *arguments)
{
    if (!hf_print_completion(cli->out, arguments->operands[0]))
        return hf_cli_misuse(cli, "got \"%s\"; the shell must be bash, zsh or fish", arguments->operands[0]);
    return HF_EXIT_OK;
}
