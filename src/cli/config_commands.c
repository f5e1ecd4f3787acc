/* SPDX-License-Identifier: Apache-2.0
 *
 * check, fmt and config: what a person asks about handfast.conf; and serve -c, which runs it.
 */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocator.h"
#include "config.h"
#include "config_apps.h"
#include "config_plan.h"
#include "config_tree.h"
#include "words.h"

static const char *config_path(const hf_arguments *arguments)
{
    const hf_given *given = hf_arguments_find(arguments, "config");
    return given != NULL ? given->value : "handfast.conf";
}

static void begin(hf_config *c)
{
    hf_config_init(c, hf_allocator_default(), &hf_config_system, hf_limits_default());
}

/* All mistakes on standard error, and how many there are. */
static hf_exit report(hf_cli *cli, const hf_config *c)
{
    hf_config_report(c, cli->err, true, cli->colour_err);
    fprintf(cli->err, "%zu mistake%s in %s\n", c->problem_count, c->problem_count == 1 ? "" : "s", c->files[0].path);
    return HF_EXIT_CONFIG;
}

static hf_exit load(hf_cli *cli, hf_config *c, const char *path)
{
    begin(c);
    if (hf_config_load(c, path).code != 0)
        return hf_cli_failed(cli, "out of memory");
    return c->problem_count > 0 ? report(cli, c) : HF_EXIT_OK;
}

/* With its applications: for who asks what they answer. Whether their routes fit the rest is seen when they are planned together. */
static bool load_apps(hf_config *c)
{
    hf_config_plan plan;
    return c->problem_count == 0 && hf_config_has_apps(c) && hf_config_apps_load(c, false) ? hf_config_plan_make(c, &plan).code == 0 && c->problem_count == 0
                                                                                     : c->problem_count == 0;
}

static hf_exit load_with_apps(hf_cli *cli, hf_config *c, const char *path)
{
    const hf_exit result = load(cli, c, path);
    if (result != HF_EXIT_OK || load_apps(c))
        return result;
    return c->problem_count > 0 ? report(cli, c) : hf_cli_failed(cli, "out of memory");
}

/* ---- check ---------------------------------------------------------------------------------------------------- */

static void print_problems_json(hf_cli *cli, const hf_config *c)
{
    const char *comma = "";
    fputc('[', cli->out);
    for (const hf_config_problem *p = c->problems; p != NULL; p = p->next) {
        fprintf(cli->out, "%s\n{\"file\":", comma);
        hf_print_json(cli->out, c->files[p->place.file].path);
        fprintf(cli->out, ",\"line\":%u,\"column\":%u,\"message\":", p->place.line, p->place.column);
        hf_print_json(cli->out, p->text);
        fputc('}', cli->out);
        comma = ",";
    }
    fprintf(cli->out, "%s]\n", c->problems != NULL ? "\n" : "");
}

static void print_summary(hf_cli *cli, hf_config *c)
{
    hf_config_plan plan;
    hf_serve_options *options = hf_config_get(c, sizeof *options);
    if (options == NULL || hf_config_plan_make(c, &plan).code != 0)
        return;
    hf_config_plan_apply(&plan, options);
    fprintf(cli->out, "%s is valid: %zu listener%s, %zu site%s, %zu route%s\n", c->files[0].path, options->listener_count,
            options->listener_count == 1 ? "" : "s", plan.site_count, plan.site_count == 1 ? "" : "s", plan.route_count,
            plan.route_count == 1 ? "" : "s");
}

int hf_command_check(hf_cli *cli, const hf_arguments *arguments)
{
    hf_config c;
    hf_exit result = HF_EXIT_OK;
    if (hf_arguments_on(arguments, cli->command, "json")) {
        begin(&c);
        if (hf_config_load(&c, config_path(arguments)).code != 0)
            result = hf_cli_failed(cli, "out of memory");
        else if (load_apps(&c) || c.problem_count > 0)
            print_problems_json(cli, &c);
        else
            result = hf_cli_failed(cli, "out of memory");
        if (result == HF_EXIT_OK && c.problem_count > 0)
            result = HF_EXIT_CONFIG;
    } else {
        result = load_with_apps(cli, &c, config_path(arguments));
        if (result == HF_EXIT_OK && !hf_arguments_on(arguments, cli->command, "quiet"))
            print_summary(cli, &c);
    }
    hf_config_fini(&c);
    return result;
}

/* ---- fmt ------------------------------------------------------------------------------------------------------ */

/* A new file is written beside the old one and put in its place, so that no reader ever sees half of it. */
static hf_exit replace(hf_cli *cli, const char *path, hf_bytes text)
{
    struct stat st;
    char *real = realpath(path, NULL); /* a link stays a link */
    char *name = real != NULL ? malloc(strlen(real) + 16) : NULL;
    hf_exit result = HF_EXIT_OK;
    int fd = -1;
    if (name != NULL && stat(real, &st) == 0) {
        sprintf(name, "%s.XXXXXX", real);
        fd = mkstemp(name);
    }
    if (fd < 0 || fchmod(fd, st.st_mode & 07777) != 0 || write(fd, text.ptr, text.len) != (ssize_t)text.len ||
        fsync(fd) != 0 || rename(name, real) != 0) {
        result = hf_cli_failed(cli, "cannot write %s: %s", path, strerror(errno));
        if (fd >= 0)
            unlink(name);
    }
    if (fd >= 0)
        close(fd);
    free(name);
    free(real);
    return result;
}

static hf_exit deliver(hf_cli *cli, const hf_arguments *arguments, const hf_config_file *file, hf_bytes text)
{
    const bool same = hf_bytes_equal(text, file->text);
    if (hf_arguments_on(arguments, cli->command, "check"))
        return same ? HF_EXIT_OK : hf_cli_failed(cli, "%s is not in the form that handfast fmt gives it", file->path);
    if (hf_arguments_on(arguments, cli->command, "write"))
        return same ? HF_EXIT_OK : replace(cli, file->path, text);
    fwrite(text.ptr, 1, text.len, cli->out);
    return HF_EXIT_OK;
}

int hf_command_fmt(hf_cli *cli, const hf_arguments *arguments)
{
    hf_config c;
    const char *path = config_path(arguments);
    if (strcmp(path, "-") == 0 && hf_arguments_on(arguments, cli->command, "write"))
        return hf_cli_misuse(cli, "standard input cannot be written to: no --write with -c -");
    begin(&c);
    hf_exit result = HF_EXIT_OK;
    if (hf_config_read(&c, path).code != 0)
        result = hf_cli_failed(cli, "out of memory");
    else if (c.problem_count > 0)
        result = report(cli, &c);
    char *text = NULL;
    size_t size = 0;
    FILE *memory = result == HF_EXIT_OK ? open_memstream(&text, &size) : NULL;
    if (memory != NULL) {
        hf_config_print(c.files[0].statements, memory);
        result = fclose(memory) == 0 ? deliver(cli, arguments, &c.files[0], hf_bytes_make(text, size))
                                     : hf_cli_failed(cli, "out of memory");
    } else if (result == HF_EXIT_OK) {
        result = hf_cli_failed(cli, "out of memory");
    }
    free(text);
    hf_config_fini(&c);
    return result;
}

/* ---- config --------------------------------------------------------------------------------------------------- */

static hf_exit show(hf_cli *cli, const hf_arguments *arguments)
{
    hf_config c;
    const hf_exit result = load(cli, &c, config_path(arguments));
    if (result == HF_EXIT_OK && hf_arguments_on(arguments, cli->command, "json"))
        hf_config_print_json(&c, cli->out);
    else if (result == HF_EXIT_OK)
        hf_config_print_effective(&c, cli->out);
    hf_config_fini(&c);
    return result;
}

static hf_exit explain(hf_cli *cli, const hf_arguments *arguments)
{
    hf_config c;
    if (arguments->operand_count != 3)
        return hf_cli_misuse(cli, "explain needs METHOD and URL, as in handfast config explain GET http://localhost/about");
    hf_exit result = load_with_apps(cli, &c, config_path(arguments));
    if (result == HF_EXIT_OK && !hf_config_explain(&c, arguments->operands[1], arguments->operands[2], cli->out, cli->err))
        result = HF_EXIT_FAILED;
    hf_config_fini(&c);
    return result;
}

int hf_command_config(hf_cli *cli, const hf_arguments *arguments)
{
    if (arguments->operand_count == 0)
        return show(cli, arguments);
    const char *what = arguments->operands[0];
    if (strcmp(what, "explain") == 0)
        return explain(cli, arguments);
    if (strcmp(what, "settings") == 0 && arguments->operand_count == 1) {
        hf_config_print_schema(cli->out, hf_arguments_on(arguments, cli->command, "json"));
        return HF_EXIT_OK;
    }
    if (strcmp(what, "schema") == 0 && arguments->operand_count == 1) {
        hf_config_print_jsonschema(cli->out);
        return HF_EXIT_OK;
    }
    hf_nearest nearest = { .word = what };
    hf_nearest_try(&nearest, "explain");
    hf_nearest_try(&nearest, "settings");
    hf_nearest_try(&nearest, "schema");
    return nearest.best != NULL && strcmp(nearest.best, what) != 0
        ? hf_cli_misuse(cli, "unexpected \"%s\"; did you mean %s?", what, nearest.best)
        : hf_cli_misuse(cli, "unexpected \"%s\"; it takes explain METHOD URL, settings, schema, or nothing", what);
}

/* ---- serve -c ------------------------------------------------------------------------------------------------- */

hf_exit hf_serve_configured(hf_cli *cli, const hf_arguments *arguments)
{
    static hf_config c; /* lent, with all that follows, for as long as the server runs */
    static hf_config_plan plan;
    static hf_serve_options options;
    for (size_t i = 0; i < arguments->given_count; i++) {
        const char *name = arguments->given[i].option->name;
        if (strcmp(name, "config") != 0 && strcmp(name, "quiet") != 0 && strcmp(name, "color") != 0 && strcmp(name, "key-log") != 0 &&
            strcmp(name, "qlog") != 0 && !hf_serve_is_net(&arguments->given[i]))
            return hf_cli_misuse(cli, "--%s belongs into the configuration when there is one: no --%s with -c", name, name);
    }
    if (arguments->operand_count > 0)
        return hf_cli_misuse(cli, "the configuration says what to serve: no DIR (\"%s\") with -c", arguments->operands[0]);
    hf_exit result = load(cli, &c, config_path(arguments));
    if (result == HF_EXIT_OK && hf_config_plan_make(&c, &plan).code != 0)
        result = hf_cli_failed(cli, "out of memory");
    if (result == HF_EXIT_OK) {
        options = (hf_serve_options){ .colour = cli->colour_err, .quiet = hf_arguments_on(arguments, cli->command, "quiet") };
        hf_config_plan_apply(&plan, &options);
        const hf_given *key_log = hf_arguments_find(arguments, "key-log");
        options.key_log = key_log != NULL ? key_log->value : NULL;
        const hf_given *qlog = hf_arguments_find(arguments, "qlog");
        options.qlog = qlog != NULL ? qlog->value : NULL;
        result = hf_serve_parse_net(cli, arguments, &options);
    }
    if (result == HF_EXIT_OK) {
        fflush(cli->out);
        result = (hf_exit)cli->doors->serve(&options);
    }
    hf_config_fini(&c);
    return result;
}
