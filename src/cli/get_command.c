/* SPDX-License-Identifier: Apache-2.0
 *
 * `handfast get`: asks for URLs, with curl's habits. Bodies go to standard output or to files, all that is said about them to
 * standard error.
 */
#include "get.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base64.h"
#include "text.h"
#include "token.h"

enum { BODY_MOST = 1 << 30 };

static const char *option(const hf_get *g, const char *name)
{
    const hf_given *const given = hf_arguments_find(g->arguments, name);
    return given != NULL ? given->value : NULL;
}

static bool is_on(const hf_get *g, const char *name)
{
    return hf_arguments_on(g->arguments, g->cli->command, name);
}

/* ---- the body ----------------------------------------------------------------------------------------------- */

static hf_exit append(hf_get *g, const void *bytes, size_t n)
{
    if (n > BODY_MOST - g->body_length)
        return hf_cli_misuse(g->cli, "the body is larger than %d bytes", BODY_MOST);
    char *const grown = realloc(g->body, g->body_length + n + 1);
    if (grown == NULL)
        return hf_cli_failed(g->cli, "out of memory");
    memcpy(grown + g->body_length, bytes, n);
    g->body = grown;
    g->body_length += n;
    return HF_EXIT_OK;
}

/* A file, whole; "-" is standard input. `plain`: without the ends of its lines, as curl's --data does. */
static hf_exit append_file(hf_get *g, const char *path, bool plain)
{
    char piece[65536];
    const bool standard = strcmp(path, "-") == 0;
    FILE *const f = standard ? stdin : fopen(path, "rb");
    hf_exit result = HF_EXIT_OK;
    size_t n;
    if (f == NULL)
        return hf_cli_failed(g->cli, "%s: %s", path, strerror(errno));
    while (result == HF_EXIT_OK && (n = fread(piece, 1, sizeof piece, f)) > 0) {
        size_t kept = 0;
        for (size_t i = 0; i < n; i++)
            if (!plain || (piece[i] != '\n' && piece[i] != '\r' && piece[i] != 0))
                piece[kept++] = piece[i];
        result = append(g, piece, kept);
    }
    if (result == HF_EXIT_OK && ferror(f))
        result = hf_cli_failed(g->cli, "%s: %s", path, strerror(errno));
    if (!standard)
        fclose(f);
    return result;
}

static hf_exit take_data(hf_get *g, const hf_given *given)
{
    const char *const name = given->option->name;
    const bool upload = strcmp(name, "upload") == 0, json = strcmp(name, "json") == 0, plain = strcmp(name, "data") == 0;
    if (g->has_body && (upload || g->uploads))
        return hf_cli_misuse(g->cli, "--upload is a body of its own");
    hf_exit result = HF_EXIT_OK;
    if (g->has_body && !json)
        result = append(g, "&", 1);
    g->has_body = true;
    g->uploads = upload;
    g->json = g->json || json;
    if (result != HF_EXIT_OK)
        return result;
    if (upload)
        return append_file(g, given->value, false);
    return given->value[0] == '@' ? append_file(g, given->value + 1, plain) : append(g, given->value, strlen(given->value));
}

/* ---- fields ------------------------------------------------------------------------------------------------- */

static bool is_given(const hf_get *g, const char *name)
{
    for (size_t i = 0; i < g->field_count; i++)
        if (hf_text_same(g->fields[i].name, hf_text(name)))
            return true;
    return false;
}

static hf_exit add_field(hf_get *g, hf_bytes name, hf_bytes value, bool own)
{
    if (g->field_count == HF_GET_FIELDS)
        return hf_cli_misuse(g->cli, "more than %d fields", HF_GET_FIELDS);
    g->secret[g->field_count] = own;
    g->fields[g->field_count++] = (hf_field){ .name = name, .value = value, .id = hf_field_identify(name) };
    return HF_EXIT_OK;
}

static hf_exit take_header(hf_get *g, const char *text)
{
    const char *const colon = strchr(text, ':');
    const hf_bytes name = hf_bytes_make(text, colon != NULL ? (size_t)(colon - text) : 0);
    const hf_bytes value = colon != NULL ? hf_trim(hf_text(colon + 1)) : hf_text("");
    if (!hf_is_token(name) || !hf_is_field_value(value))
        return hf_cli_misuse(g->cli, "--header %s: write it as \"Name: value\"", text);
    const hf_field_id id = hf_field_identify(name);
    if (id == HF_FIELD_CONTENT_LENGTH || id == HF_FIELD_TRANSFER_ENCODING || id == HF_FIELD_CONNECTION)
        return hf_cli_misuse(g->cli, "--header %s: how a message is framed is not for fields to say", text);
    if (id == HF_FIELD_HOST) {
        g->host = value;
        return HF_EXIT_OK;
    }
    return add_field(g, name, value, id == HF_FIELD_AUTHORIZATION || id == HF_FIELD_COOKIE);
}

static hf_exit take_user(hf_get *g, const char *user)
{
    const size_t room = 6 + hf_base64_length(HF_BASE64, strlen(user)) + 1;
    g->basic = malloc(room);
    if (g->basic == NULL)
        return hf_cli_failed(g->cli, "out of memory");
    if (strchr(user, ':') == NULL)
        return hf_cli_misuse(g->cli, "--user %s: write it as NAME:PASSWORD", user);
    hf_writer w = hf_writer_make(g->basic, room);
    hf_write_text(&w, "Basic ");
    hf_base64_write(&w, HF_BASE64, hf_text(user));
    return add_field(g, hf_text("Authorization"), hf_written(&w), true);
}

/* What was not given, and is usual. */
static hf_exit add_usual(hf_get *g)
{
    static const char *const named[][2] = { { "user-agent", "User-Agent" }, { "referer", "Referer" }, { "cookie", "Cookie" }, { "range", "Range" } };
    hf_exit result = HF_EXIT_OK;
    for (size_t i = 0; i < HF_COUNT(named) && result == HF_EXIT_OK; i++) {
        const char *const value = option(g, named[i][0]);
        if (value == NULL)
            continue;
        if (!hf_is_field_value(hf_text(value)))
            return hf_cli_misuse(g->cli, "--%s: this cannot be the value of a field", named[i][0]);
        if (i < 3)
            result = add_field(g, hf_text(named[i][1]), hf_text(value), i == 2);
        else if ((size_t)snprintf(g->range, sizeof g->range, "bytes=%s", value) < sizeof g->range)
            result = add_field(g, hf_text("Range"), hf_text(g->range), false);
        else
            result = hf_cli_misuse(g->cli, "--range %s is too long", value);
    }
    if (result == HF_EXIT_OK && !is_given(g, "user-agent"))
        result = add_field(g, hf_text("User-Agent"), hf_text("handfast/" HF_VERSION), false);
    if (result == HF_EXIT_OK && !is_given(g, "accept"))
        result = add_field(g, hf_text("Accept"), hf_text(g->json ? "application/json" : "*/*"), false);
    if (result == HF_EXIT_OK && g->compressed && !is_given(g, "accept-encoding"))
        result = add_field(g, hf_text("Accept-Encoding"), hf_text(hf_get_codings()), false);
    if (result == HF_EXIT_OK && g->has_body && !g->uploads && !is_given(g, "content-type"))
        result = add_field(g, hf_text("Content-Type"), hf_text(g->json ? "application/json" : "application/x-www-form-urlencoded"), false);
    return result;
}

/* ---- what was given ----------------------------------------------------------------------------------------- */

static hf_exit take_seconds(hf_get *g, const char *name, int64_t *ns)
{
    const char *const text = option(g, name);
    char *end = NULL;
    const double seconds = text != NULL ? strtod(text, &end) : 0;
    if (text == NULL)
        return HF_EXIT_OK;
    if (end == text || *end != 0 || !(seconds > 0) || seconds > 1e6)
        return hf_cli_misuse(g->cli, "--%s %s: give seconds, such as 10 or 0.5", name, text);
    *ns = (int64_t)(seconds * 1e9);
    return HF_EXIT_OK;
}

static hf_exit take_repeated(hf_get *g)
{
    for (size_t i = 0; i < g->arguments->given_count; i++) {
        const hf_given *const given = &g->arguments->given[i];
        const char *const name = given->option->name;
        hf_exit result = HF_EXIT_OK;
        if (strcmp(name, "header") == 0)
            result = take_header(g, given->value);
        else if (strcmp(name, "data") == 0 || strcmp(name, "data-binary") == 0 || strcmp(name, "json") == 0 || strcmp(name, "upload") == 0)
            result = take_data(g, given);
        else if (strcmp(name, "resolve") == 0 || strcmp(name, "connect-to") == 0)
            result = hf_get_take_alias(g, given->value, name[0] == 'r');
        else if (strcmp(name, "user") == 0)
            result = take_user(g, given->value);
        if (result != HF_EXIT_OK)
            return result;
    }
    return HF_EXIT_OK;
}

static hf_exit take_method(hf_get *g)
{
    const char *const given = option(g, "request");
    g->method = hf_text(given != NULL ? given : g->head_only ? "HEAD" : g->uploads ? "PUT" : g->has_body ? "POST" : "GET");
    g->method_given = given != NULL;
    if (!hf_is_token(g->method))
        return hf_cli_misuse(g->cli, "--request %s: a method is a word", given);
    if (g->head_only && g->has_body)
        return hf_cli_misuse(g->cli, "--head asks without a body");
    return HF_EXIT_OK;
}

static hf_exit take_version(hf_get *g)
{
    static const char *const ways[] = { "http1.0", "http1.1", "http2" };
    unsigned given = 0;
    for (size_t i = 0; i < HF_COUNT(ways); i++)
        if (is_on(g, ways[i])) {
            g->version = i == 0 ? HF_HTTP_1_0 : i == 1 ? HF_HTTP_1_1 : HF_HTTP_2;
            given++;
        }
    return given < 2 ? HF_EXIT_OK : hf_cli_misuse(g->cli, "one version of HTTP at a time");
}

static hf_exit take_all(hf_get *g)
{
    uint64_t redirects = 50;
    const char *const most = option(g, "max-redirs");
    g->head_only = is_on(g, "head");
    g->with_heads = is_on(g, "include") || g->head_only;
    g->compressed = is_on(g, "compressed");
    g->silent = is_on(g, "silent") && !is_on(g, "show-error");
    g->verbose = is_on(g, "verbose");
    g->follows = is_on(g, "location");
    g->fails = is_on(g, "fail");
    g->format = option(g, "write-out");
    if (most != NULL && !hf_parse_decimal(hf_text(most), &redirects))
        return hf_cli_misuse(g->cli, "--max-redirs %s: give a number", most);
    g->redirects_most = redirects;
    hf_exit result = take_repeated(g);
    result = result == HF_EXIT_OK ? take_version(g) : result;
    result = result == HF_EXIT_OK ? take_method(g) : result;
    result = result == HF_EXIT_OK ? take_seconds(g, "max-time", &g->patience_ns) : result;
    result = result == HF_EXIT_OK ? take_seconds(g, "connect-timeout", &g->connect_ns) : result;
    return result == HF_EXIT_OK ? add_usual(g) : result;
}

/* ---- the command -------------------------------------------------------------------------------------------- */

/* The nth --output, in order. */
static const char *output_of(const hf_get *g, size_t n)
{
    for (size_t i = 0; i < g->arguments->given_count; i++)
        if (strcmp(g->arguments->given[i].option->name, "output") == 0 && n-- == 0)
            return g->arguments->given[i].value;
    return NULL;
}

static hf_exit get_all(hf_get *g)
{
    hf_exit worst = HF_EXIT_OK;
    for (size_t i = 0; i < g->arguments->operand_count; i++) {
        g->output = output_of(g, i);
        g->remote_name = is_on(g, "remote-name");
        const hf_exit result = hf_get_one(g, g->arguments->operands[i]);
        worst = result != HF_EXIT_OK ? result : worst;
    }
    return worst;
}

int hf_command_get(hf_cli *cli, const hf_arguments *arguments)
{
    hf_get *const g = calloc(1, sizeof *g);
    if (g == NULL)
        return hf_cli_failed(cli, "out of memory");
    g->cli = cli;
    g->arguments = arguments;
    hf_exit result = take_all(g);
    char text[512];
    hf_writer why = hf_writer_make(text, sizeof text - 1);
    const hf_dialer_options options = { .roots = option(g, "cacert"), .insecure = is_on(g, "insecure"), .connect_ns = g->connect_ns,
                                        .aliases = g->aliases, .alias_count = g->alias_count };
    if (result == HF_EXIT_OK && (g->dialer = hf_dialer_new(&options, &why)) == NULL)
        result = hf_cli_failed(cli, "%.*s", HF_STR(hf_written(&why)));
    if (result == HF_EXIT_OK)
        result = get_all(g);
    hf_get_hang_up(g);
    hf_dialer_free(g->dialer);
    free(g->body);
    free(g->basic);
    free(g);
    return result;
}
