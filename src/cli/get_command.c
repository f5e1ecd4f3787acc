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
#include "calling.h"
#include "text.h"
#include "token.h"

enum { BODY_MOST = 1 << 30 }; /* of what is held */

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

/* A body that is one file, byte for byte, is sent as it is read; what is joined of pieces is held. */
static hf_exit hold_body(hf_get *g)
{
    const char *const path = g->body_file;
    g->body_file = NULL;
    return path != NULL ? append_file(g, path, false) : HF_EXIT_OK;
}

static hf_exit take_data(hf_get *g, const hf_given *given)
{
    const char *const name = given->option->name;
    const bool upload = strcmp(name, "upload") == 0, json = strcmp(name, "json") == 0, plain = strcmp(name, "data") == 0;
    const bool first = !g->has_body;
    if (g->has_body && (upload || g->uploads))
        return hf_cli_misuse(g->cli, "--upload is a body of its own");
    hf_exit result = hold_body(g);
    if (g->has_body && !json && result == HF_EXIT_OK)
        result = append(g, "&", 1);
    g->has_body = true;
    g->uploads = upload;
    g->json = g->json || json;
    if (result != HF_EXIT_OK)
        return result;
    if (first && (upload || (given->value[0] == '@' && strcmp(name, "data-binary") == 0))) {
        g->body_file = upload ? given->value : given->value + 1;
        return HF_EXIT_OK;
    }
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
    hf_field f;
    const hf_bytes name = hf_bytes_make(text, strlen(text) > 0 ? strlen(text) - 1 : 0);
    if (hf_ends_with(hf_text(text), hf_text(";")) && hf_is_token(name) && g->field_count < HF_GET_FIELDS) {
        g->empty[g->field_count] = true;
        return add_field(g, name, hf_text(""), false);
    }
    const hf_exit bad = hf_calling_read_header(g->cli, text, &f);
    if (bad != HF_EXIT_OK)
        return bad;
    if (f.id == HF_FIELD_CONTENT_LENGTH || f.id == HF_FIELD_TRANSFER_ENCODING || f.id == HF_FIELD_CONNECTION)
        return hf_cli_misuse(g->cli, "--header %s: how a message is framed is not for fields to say", text);
    if (f.id == HF_FIELD_HOST) {
        g->host = f.value;
        return HF_EXIT_OK;
    }
    return add_field(g, f.name, f.value, f.id == HF_FIELD_AUTHORIZATION || f.id == HF_FIELD_COOKIE);
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
    static const char *const named[][2] = { { "user-agent", "User-Agent" }, { "referer", "Referer" }, { "range", "Range" } };
    hf_exit result = HF_EXIT_OK;
    for (size_t i = 0; i < HF_COUNT(named) && result == HF_EXIT_OK; i++) {
        const char *const value = option(g, named[i][0]);
        if (value == NULL)
            continue;
        if (!hf_is_field_value(hf_text(value)))
            return hf_cli_misuse(g->cli, "--%s: this cannot be the value of a field", named[i][0]);
        if (i < 2)
            result = add_field(g, hf_text(named[i][1]), hf_text(value), false);
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
        else if (strcmp(name, "cookie") == 0 && strchr(given->value, '=') != NULL)
            result = hf_is_field_value(hf_text(given->value)) ? add_field(g, hf_text("Cookie"), hf_text(given->value), true)
                                                              : hf_cli_misuse(g->cli, "--cookie: this cannot be the value of a field");
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
    static const char *const ways[] = { "http1.0", "http1.1", "http2", "http3", "http3-only" };
    static const hf_version versions[] = { HF_HTTP_1_0, HF_HTTP_1_1, HF_HTTP_2, HF_HTTP_3, HF_HTTP_3 };
    unsigned given = 0;
    for (size_t i = 0; i < HF_COUNT(ways); i++)
        if (is_on(g, ways[i])) {
            g->version = versions[i];
            g->only = i == 4;
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
    g->resume = option(g, "continue-at");
    g->bar = is_on(g, "progress-bar") || (!is_on(g, "silent") && isatty(STDERR_FILENO));
    if (most != NULL && !hf_parse_decimal(hf_text(most), &redirects))
        return hf_cli_misuse(g->cli, "--max-redirs %s: give a number", most);
    g->redirects_most = redirects;
    if (option(g, "retry") != NULL && !hf_parse_decimal(hf_text(option(g, "retry")), &g->retries))
        return hf_cli_misuse(g->cli, "--retry %s: give a number", option(g, "retry"));
    if (g->resume != NULL && (g->compressed || option(g, "range") != NULL))
        return hf_cli_misuse(g->cli, "--continue-at asks for a range of its own, of what is not compressed");
    hf_exit result = take_repeated(g);
    result = result == HF_EXIT_OK ? take_version(g) : result;
    /* RFC 1945 7.2.2: it must know how long a body is; and standard input is there once, for several URLs */
    const bool shared = g->body_file != NULL && strcmp(g->body_file, "-") == 0 && g->arguments->operand_count > 1;
    if (result == HF_EXIT_OK && (g->version == HF_HTTP_1_0 || shared))
        result = hold_body(g);
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

/* The transfers: `most` at a time, in order. */
static hf_exit get_all(hf_get *g, size_t most)
{
    const size_t count = g->arguments->operand_count;
    hf_get **const all = calloc(count, sizeof *all);
    hf_exit worst = HF_EXIT_OK;
    hf_time shown = hf_time_after(hf_dialer_now(g->dialer), HF_SECONDS(1));
    if (all == NULL)
        return hf_cli_failed(g->cli, "out of memory");
    for (size_t begun = 0, running = 0, i; begun < count || running > 0;) {
        while (running < most && begun < count) {
            hf_get *const t = all[begun] = malloc(sizeof *t);
            if (t == NULL) { /* those that run come to their end */
                worst = hf_cli_failed(g->cli, "out of memory");
                begun = count;
                break;
            }
            *t = *g;
            t->output = output_of(g, begun);
            t->remote_name = is_on(g, "remote-name");
            hf_get_begin(t, g->arguments->operands[begun++]);
            running++;
        }
        hf_line_pool_event e;
        const bool any = hf_line_pool_next(g->pool, &e);
        if (any)
            hf_get_hear(e.call->user, &e);
        hf_time wake = hf_line_pool_wake(g->pool);
        const hf_time now = hf_dialer_now(g->dialer);
        bool over = false;
        int waits = -1; /* a body that had nothing to read; where there are several, each is looked at soon */
        for (i = 0; i < begun; i++) {
            hf_get *const t = all[i];
            if (t != NULL && !t->done)
                hf_get_tick(t, now);
            if (t != NULL && !t->done)
                wake = hf_time_earlier(wake, hf_get_wake(t));
            if (t != NULL && !t->done && t->body_waits && waits >= 0)
                wake = hf_time_earlier(wake, hf_time_after(now, HF_MILLISECONDS(20)));
            if (t != NULL && !t->done && t->body_waits && waits < 0)
                waits = t->body_fd;
            if (t == NULL || !t->done)
                continue;
            worst = t->result != HF_EXIT_OK ? t->result : worst;
            running--;
            over = true;
            free(t);
            all[i] = NULL;
        }
        if (g->bar && !hf_time_before(now, shown)) {
            hf_get_tell_progress(all, begun, now);
            shown = hf_time_after(now, HF_MILLISECONDS(200));
        }
        if (!any && !over && running > 0)
            (void)hf_dialer_wait(g->dialer, g->bar ? hf_time_earlier(wake, shown) : wake, waits);
    }
    free(all);
    return worst;
}

/* "both" is what both kinds of URLs take where their own says nothing. Only lower case for http: HTTP_PROXY is what a CGI script
 * gets from a field Proxy of a request. */
static const char *from_environment(const char *lower, const char *upper, const char *both)
{
    const char *const names[] = { lower, upper, both, both != NULL ? "ALL_PROXY" : NULL };
    for (size_t i = 0; i < HF_COUNT(names); i++)
        if (names[i] != NULL && getenv(names[i]) != NULL)
            return getenv(names[i]);
    return NULL;
}

static hf_exit open_all(hf_get *g, size_t most)
{
    const char *const proxy = option(g, "proxy"), *const none = option(g, "noproxy");
    char text[512];
    hf_writer why = hf_writer_make(text, sizeof text);
    const hf_exit bad = hf_calling_open_net(g->cli, g->arguments, &g->net);
    if (bad != HF_EXIT_OK)
        return bad;
    const hf_dialer_options options = { .world = hf_calling_world(g->net), .roots = option(g, "cacert"), .insecure = is_on(g, "insecure"), .connect_ns = g->connect_ns,
        .aliases = g->aliases, .alias_count = g->alias_count,
        .proxy_http = proxy != NULL ? proxy : from_environment("http_proxy", NULL, "all_proxy"),
        .proxy_https = proxy != NULL ? proxy : from_environment("https_proxy", "HTTPS_PROXY", "all_proxy"),
        .name_servers = option(g, "dns-servers"), .no_proxy = none != NULL ? none : from_environment("no_proxy", "NO_PROXY", NULL) };
    g->dialer = hf_dialer_new(&options, &why);
    if (g->dialer == NULL)
        return hf_cli_failed(g->cli, "%.*s", HF_STR(hf_written(&why)));
    const hf_line_pool_options pool = { .all = most > 64 ? (uint32_t)most : 0, .per_origin = most > 6 ? (uint32_t)most : 0 };
    g->pool = hf_line_pool_new(g->dialer, &pool);
    if (g->pool == NULL)
        return hf_cli_failed(g->cli, "out of memory");
    const char *files[16];
    size_t n = 0;
    for (size_t i = 0; i < g->arguments->given_count && n < HF_COUNT(files); i++)
        if (strcmp(g->arguments->given[i].option->name, "cookie") == 0 && strchr(g->arguments->given[i].value, '=') == NULL)
            files[n++] = g->arguments->given[i].value;
    return n > 0 || option(g, "cookie-jar") != NULL ? hf_get_open_jar(g, files, n) : HF_EXIT_OK;
}

int hf_command_get(hf_cli *cli, const hf_arguments *arguments)
{
    hf_get *const g = calloc(1, sizeof *g);
    if (g == NULL)
        return hf_cli_failed(cli, "out of memory");
    g->cli = cli;
    g->arguments = arguments;
    uint64_t most = 50;
    hf_exit result = take_all(g);
    if (option(g, "parallel-max") != NULL && (!hf_parse_decimal(hf_text(option(g, "parallel-max")), &most) || most < 1 || most > 250))
        result = hf_cli_misuse(cli, "--parallel-max: give a number from 1 to 250");
    most = is_on(g, "parallel") ? most : 1;
    if (result == HF_EXIT_OK)
        result = open_all(g, (size_t)most);
    if (result == HF_EXIT_OK)
        result = get_all(g, (size_t)most);
    if (g->jar != NULL && option(g, "cookie-jar") != NULL) {
        const hf_exit saved = hf_get_save_jar(g, option(g, "cookie-jar"));
        result = result == HF_EXIT_OK ? saved : result;
    }
    hf_line_pool_free(g->pool);
    hf_jar_free(g->jar);
    hf_dialer_free(g->dialer);
    hf_calling_close_net(g->net);
    free(g->body);
    free(g->basic);
    free(g);
    return result;
}
