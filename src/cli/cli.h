/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line. One const table of commands and options (commands.c) is what the parser obeys and what help, manual
 * pages and completions are printed from, so none of them can say what another does not.
 *
 * Results go to standard output, diagnostics to standard error.
 */
#ifndef HF_CLI_CLI_H
#define HF_CLI_CLI_H

#include <stdio.h>

#include <handfast/version.h>

#include "serve.h"

/* Scripts may rely on these. From 10 on: the layer that failed, lowest first. */
typedef enum hf_exit {
    HF_EXIT_OK = 0,
    HF_EXIT_FAILED = 1,
    HF_EXIT_USAGE = 2,
    HF_EXIT_CONFIG = 3,
    HF_EXIT_DNS = 10,
    HF_EXIT_TCP = 11,
    HF_EXIT_TLS = 12,
    HF_EXIT_HTTP = 13,
    HF_EXIT_POLICY = 14
} hf_exit;

/* ---- the table ---------------------------------------------------------------------------------------------- */

typedef enum hf_option_kind {
    HF_OPTION_FLAG,     /* --name */
    HF_OPTION_BOOLEAN,  /* --name and --no-name */
    HF_OPTION_VALUE,    /* --name VALUE, --name=VALUE */
    HF_OPTION_OPTIONAL  /* --name, --name=VALUE; with `choices` also --name VALUE */
} hf_option_kind;

/* What a shell may offer for a value. */
typedef enum hf_complete {
    HF_COMPLETE_NOTHING,
    HF_COMPLETE_CHOICES, /* the option's `choices` */
    HF_COMPLETE_FILE,
    HF_COMPLETE_FOLDER,
    HF_COMPLETE_LIMIT,   /* NAME= of limits.def */
    HF_COMPLETE_ERROR,   /* the codes of errors.def */
    HF_COMPLETE_COMMAND,
    HF_COMPLETE_USER
} hf_complete;

typedef struct hf_option {
    const char *name;  /* without dashes */
    char letter;       /* -h; 0 for none */
    hf_option_kind kind;
    bool on;           /* BOOLEAN: what it is unless asked; help shows the other spelling */
    bool repeats;      /* VALUE: may be given many times; otherwise twice is a mistake */
    const char *value; /* its value's name in help: "URL" */
    const char *preset; /* what holds when it is not given; NULL when that is plain */
    const char *help;
    hf_complete complete;
    const char *const *choices; /* NULL-terminated: nothing else is accepted */
} hf_option;

typedef struct hf_example {
    const char *line, *meaning;
} hf_example;

typedef struct hf_exit_row {
    int status; /* an hf_exit, but for sim */
    const char *meaning;
} hf_exit_row;

struct hf_cli;
struct hf_arguments;

typedef struct hf_command {
    const char *name;
    const char *operands; /* "[DIR]", for the synopsis; NULL: none are taken */
    size_t operands_least, operands_most;
    hf_complete operands_complete;
    const char *const *operand_choices;
    const char *summary;
    const char *const *description; /* paragraphs, NULL-terminated */
    const hf_option *options;
    size_t option_count;
    const hf_example *examples;
    size_t example_count;
    const hf_exit_row *exits; /* NULL: done, failed, usage */
    size_t exit_count;
    bool raw; /* everything behind the command's name, but --help, is its own to parse */
    int (*run)(struct hf_cli *cli, const struct hf_arguments *arguments);
} hf_command;

extern const hf_command hf_commands[];
extern const size_t hf_command_count;
/* --help, which every command takes, then those that every command takes but the raw ones. */
extern const hf_option hf_common_options[];
extern const size_t hf_common_option_count;
extern const hf_exit_row hf_exit_rows[];
extern const size_t hf_exit_row_count;
extern const char *const hf_cli_description[]; /* of the program; paragraphs, NULL-terminated */

const hf_command *hf_command_find(const char *name);
/* Each option that `command` takes: its own, then the common ones; NULL past the end. */
const hf_option *hf_option_at(const hf_command *command, size_t i);

/* ---- a run -------------------------------------------------------------------------------------------------- */

/* What stands behind the commands: given by main, and by tests something else. */
typedef struct hf_cli_doors {
    int (*serve)(const hf_serve_options *options);
    int (*sim)(int argc, char **argv);
} hf_cli_doors;

typedef struct hf_cli {
    FILE *out, *err;
    bool colour_out, colour_err;
    const hf_command *command; /* that runs, for messages; NULL before it is known */
    char **argv;               /* what was given behind its name, and how many */
    int argc;
    const hf_cli_doors *doors;
} hf_cli;

/* Everything: parses, runs, answers the exit status. `cli` has out, err and doors; the colours are found here, from the
 * environment and from what the streams are. */
int hf_cli_run(hf_cli *cli, int argc, char **argv);

/* ---- parsing ------------------------------------------------------------------------------------------------ */

/* One option as it was given. */
typedef struct hf_given {
    const hf_option *option;
    const char *value; /* NULL: none */
    bool on;           /* BOOLEAN, FLAG: not --no- */
} hf_given;

/* Arrays are the caller's, with room for argc each. */
typedef struct hf_arguments {
    hf_given *given;
    size_t given_count;
    char **operands;
    size_t operand_count;
} hf_arguments;

/* argv begins behind the command's name. Reports what is wrong and answers HF_EXIT_USAGE. */
hf_exit hf_arguments_parse(hf_cli *cli, const hf_command *command, int argc, char **argv, hf_arguments *arguments);
/* The last of that name; NULL when it was not given. */
const hf_given *hf_arguments_find(const hf_arguments *arguments, const char *name);
/* A flag or boolean, by its table's default unless given. */
bool hf_arguments_on(const hf_arguments *arguments, const hf_command *command, const char *name);

/* "handfast serve: ...", and on a second line where help is. Answers HF_EXIT_USAGE. */
hf_exit hf_cli_misuse(hf_cli *cli, const char *format, ...) HF_PRINTF(2, 3);
/* "handfast serve: ...". Answers HF_EXIT_FAILED. */
hf_exit hf_cli_failed(hf_cli *cli, const char *format, ...) HF_PRINTF(2, 3);

/* Fills `options` from what `handfast serve` was given; what is wrong is reported. Lends argv to `options`. */
hf_exit hf_serve_parse(hf_cli *cli, const hf_arguments *arguments, hf_serve_options *options);
/* Only what is about our own network stack, which no configuration says; and whether an option is. */
hf_exit hf_serve_parse_net(hf_cli *cli, const hf_arguments *arguments, hf_serve_options *options);
bool hf_serve_is_net(const hf_given *given);
/* `handfast serve -c FILE`: loads it, says what is wrong with it, or serves it. */
hf_exit hf_serve_configured(hf_cli *cli, const hf_arguments *arguments);

/* ---- the commands ------------------------------------------------------------------------------------------- */

int hf_command_serve(hf_cli *cli, const hf_arguments *arguments);
int hf_command_cert(hf_cli *cli, const hf_arguments *arguments);
int hf_command_jwt(hf_cli *cli, const hf_arguments *arguments);
int hf_command_sim(hf_cli *cli, const hf_arguments *arguments);
int hf_command_replay(hf_cli *cli, const hf_arguments *arguments);
int hf_command_story(hf_cli *cli, const hf_arguments *arguments);
int hf_command_check(hf_cli *cli, const hf_arguments *arguments);
int hf_command_fmt(hf_cli *cli, const hf_arguments *arguments);
int hf_command_config(hf_cli *cli, const hf_arguments *arguments);
int hf_command_get(hf_cli *cli, const hf_arguments *arguments);
int hf_command_bench(hf_cli *cli, const hf_arguments *arguments);
int hf_command_doctor(hf_cli *cli, const hf_arguments *arguments);
int hf_command_ws(hf_cli *cli, const hf_arguments *arguments);
int hf_command_events(hf_cli *cli, const hf_arguments *arguments);
int hf_command_status(hf_cli *cli, const hf_arguments *arguments);
int hf_command_connections(hf_cli *cli, const hf_arguments *arguments);
int hf_command_reload(hf_cli *cli, const hf_arguments *arguments);
int hf_command_errors(hf_cli *cli, const hf_arguments *arguments);
int hf_command_explain(hf_cli *cli, const hf_arguments *arguments);
int hf_explain_chain(hf_cli *cli, const hf_arguments *arguments); /* explain chain FILE|URL */
int hf_explain_url(hf_cli *cli, const hf_arguments *arguments);   /* explain URL */
int hf_explain_browser(hf_cli *cli, const hf_arguments *arguments); /* explain URL --origin, --cookies */
bool hf_explain_is_file(const char *asked); /* a file that is there, or a line of a log or a token itself */
int hf_explain_file(hf_cli *cli, const hf_arguments *arguments); /* explain FILE */
int hf_command_ports(hf_cli *cli, const hf_arguments *arguments);
int hf_command_limits(hf_cli *cli, const hf_arguments *arguments);
int hf_command_version(hf_cli *cli, const hf_arguments *arguments);
int hf_command_help(hf_cli *cli, const hf_arguments *arguments);
int hf_command_manpage(hf_cli *cli, const hf_arguments *arguments);
int hf_command_completion(hf_cli *cli, const hf_arguments *arguments);

/* ---- printed from the table --------------------------------------------------------------------------------- */

/* `command` NULL: the program's. */
void hf_print_help(FILE *out, bool colour, const hf_command *command);
void hf_print_manpage(FILE *out, const hf_command *command);
/* `shell` is "bash", "zsh" or "fish"; false for others. */
bool hf_print_completion(FILE *out, const char *shell);
/* "[DIR]" with "[OPTION]...": what follows the command's name in a synopsis. */
void hf_print_synopsis(FILE *out, const hf_command *command);
/* The exit statuses of `command`; of the program when it is NULL. */
const hf_exit_row *hf_exits_of(const hf_command *command, size_t *count);
/* "--listen URL", "--spa[=FILE]", "--no-precompressed": as one writes it. */
void hf_print_option(FILE *out, const hf_option *option);

#endif
