/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a command line in this process and keeps what it says.
 */
#ifndef HF_TESTS_CLI_SHELL_H
#define HF_TESTS_CLI_SHELL_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli.h"

enum { SHELL_WORDS = 64 };

/* What one run left. Free with shell_done. */
typedef struct shell {
    int status;
    char *out, *err; /* NUL-terminated */
    bool served;
    hf_serve_options options; /* that serve was given; pointers live until the next run */
} shell;

static shell *shell_now; /* the run under way, for the doors */
static char shell_line[4096];

static int shell_serve(const hf_serve_options *options)
{
    shell_now->served = true;
    shell_now->options = *options;
    return 0;
}

static int shell_sim(int argc, char **argv)
{
    shell_now->served = strcmp(argv[argc - 1], "--anything") == 0 && argv[argc] == NULL;
    return 40 + argc;
}

/* Words are separated by '|', so that they may hold spaces. */
static void shell_run(shell *s, const char *line)
{
    static const hf_cli_doors doors = { .serve = shell_serve, .sim = shell_sim };
    static char name[] = "handfast";
    char *argv[SHELL_WORDS + 1] = { name };
    int argc = 1;
    size_t out_size, err_size;
    *s = (shell){ 0 };
    shell_now = s;
    assert_true(strlen(line) < sizeof shell_line);
    strcpy(shell_line, line);
    for (char *at = *shell_line ? shell_line : NULL; at != NULL && argc < SHELL_WORDS; argc++) {
        argv[argc] = at;
        at = strchr(at, '|');
        if (at)
            *at++ = 0;
    }
    hf_cli cli = { .out = open_memstream(&s->out, &out_size), .err = open_memstream(&s->err, &err_size), .doors = &doors };
    assert_non_null(cli.out);
    assert_non_null(cli.err);
    s->status = hf_cli_run(&cli, argc, argv);
    fclose(cli.out);
    fclose(cli.err);
}

static void shell_done(shell *s)
{
    free(s->out);
    free(s->err);
}

#endif
