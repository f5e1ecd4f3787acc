/* SPDX-License-Identifier: Apache-2.0 */
#include "live.h"

#include <stdarg.h>
#include <stdlib.h>

#include "calling.h"
#include "text.h"
#include "token.h"

static const char *option(const hf_arguments *arguments, const char *name)
{
    const hf_given *const given = hf_arguments_find(arguments, name);
    return given != NULL ? given->value : NULL;
}

/* ---- what was given ----------------------------------------------------------------------------------------- */

static hf_exit take_header(hf_live *l, const char *text)
{
    hf_field *const next = &l->own[l->own_count];
    if (l->own_count == HF_LIVE_FIELDS)
        return hf_cli_misuse(l->cli, "--header is given more than %d times", HF_LIVE_FIELDS);
    l->own_count++;
    return hf_calling_read_header(l->cli, text, next);
}

static hf_exit take_number(hf_live *l, const char *name, uint64_t most, uint64_t *n)
{
    const char *const text = option(l->arguments, name);
    if (text == NULL || (hf_parse_decimal(hf_text(text), n) && *n <= most))
        return HF_EXIT_OK;
    return hf_cli_misuse(l->cli, "--%s %s: give a number from 0 to %llu", name, text, (unsigned long long)most);
}

static hf_exit take_all(hf_live *l)
{
    const char *const text = l->arguments->operands[0];
    const char *const wrong = hf_client_url_parse(text, &l->url);
    const char *const id = option(l->arguments, "last-event-id");
    if (wrong != NULL)
        return hf_cli_misuse(l->cli, "%s: %s", text, wrong);
    for (size_t i = 0; i < l->arguments->given_count; i++)
        if (strcmp(l->arguments->given[i].option->name, "header") == 0) {
            const hf_exit bad = take_header(l, l->arguments->given[i].value);
            if (bad != HF_EXIT_OK)
                return bad;
        }
    if (hf_arguments_on(l->arguments, l->cli->command, "http2") && l->version == HF_HTTP_3)
        return hf_cli_misuse(l->cli, "--http2 and --http3: one version of HTTP at a time");
    if (l->version == HF_HTTP_3 && !l->url.secure)
        return hf_cli_misuse(l->cli, "--http3 needs TLS: a URL with https:// or wss://");
    if (id != NULL)
        hf_live_keep_id(l, hf_text(id));
    if (id != NULL && (l->id_length == 0 || !hf_is_field_value(hf_text(id))))
        return hf_cli_misuse(l->cli, "--last-event-id: not a value of a field, or longer than %d bytes", HF_LIVE_ID);
    return take_number(l, "retries", 1000000, &l->retries);
}

hf_exit hf_live_open(hf_live *l, hf_cli *cli, const hf_arguments *arguments)
{
    char text[512];
    hf_writer why = hf_writer_make(text, sizeof text - 1);
    *l = (hf_live){ .cli = cli, .arguments = arguments, .retries = 10 };
    l->json = hf_arguments_on(arguments, cli->command, "json");
    l->quiet = hf_arguments_on(arguments, cli->command, "quiet");
    l->reconnect = hf_arguments_on(arguments, cli->command, "reconnect");
    l->version = hf_arguments_on(arguments, cli->command, "http3") ? HF_HTTP_3 : hf_arguments_on(arguments, cli->command, "http2") ? HF_HTTP_2 : HF_HTTP_1_1;
    const hf_exit bad = take_all(l);
    if (bad != HF_EXIT_OK)
        return bad;
    const hf_dialer_options options = { .roots = option(arguments, "cacert"), .insecure = hf_arguments_on(arguments, cli->command, "insecure") };
    l->dialer = hf_dialer_new(&options, &why);
    text[why.length] = 0;
    return l->dialer != NULL ? HF_EXIT_OK : hf_cli_failed(cli, "%s", text);
}

void hf_live_close(hf_live *l)
{
    hf_live_hang_up(l);
    hf_dialer_free(l->dialer);
    l->dialer = NULL;
}

/* ---- words -------------------------------------------------------------------------------------------------- */

void hf_live_note(const hf_live *l, const char *format, ...)
{
    va_list arguments;
    if (l->quiet)
        return;
    fprintf(l->cli->err, "handfast %s: ", l->cli->command->name);
    va_start(arguments, format);
    vfprintf(l->cli->err, format, arguments);
    va_end(arguments);
    fputc('\n', l->cli->err);
}

void hf_live_member(const hf_live *l, bool first, const char *name, hf_bytes value)
{
    const size_t room = 6 * value.len + 8;
    char *const text = malloc(room);
    if (text == NULL)
        return;
    hf_writer w = hf_writer_make(text, room);
    hf_write_json(&w, value);
    fprintf(l->cli->out, "%s\"%s\":\"%.*s\"", first ? "" : ",", name, (int)w.length, text);
    free(text);
}

void hf_live_keep_id(hf_live *l, hf_bytes id)
{
    l->id_length = id.len <= sizeof l->id ? id.len : 0;
    if (l->id_length > 0)
        memcpy(l->id, id.ptr, id.len);
}

/* ---- connecting --------------------------------------------------------------------------------------------- */

static bool open_line(hf_live *l)
{
    static const hf_bytes one = HF_LITERAL("http/1.1"), two = HF_LITERAL("h2");
    const bool quic = l->version == HF_HTTP_3;
    hf_step s;
    hf_line_begin(&l->line, l->dialer, &l->url, &(hf_line_wish){ .protocols = l->version == HF_HTTP_2 ? &two : &one, .protocol_count = 1,
                                                                  .quic = quic, .quic_only = quic });
    while ((s = hf_line_step(&l->line)) == HF_IDLE)
        (void)hf_dialer_wait(l->dialer, hf_line_wake(&l->line), -1);
    if (s == HF_EVENT)
        return true;
    hf_line_close(&l->line);
    return false;
}

/* RFC 8441 3, RFC 9220 3: a tunnel is asked for once the server has said that it takes such requests. */
static hf_err ask(hf_live *l, const hf_request_head *head, const hf_body_source *source)
{
    const hf_time until = hf_time_after(hf_dialer_now(l->dialer), HF_SECONDS(5));
    hf_fetch_event e;
    hf_err why = HF_OK;
    if (source == NULL || l->version < HF_HTTP_2)
        return hf_fetch_request(&l->fetch, head, hf_bytes_make(NULL, 0));
    for (;;) {
        const hf_err err = hf_fetch_ask_from(&l->fetch, head, source, NULL);
        if ((err.code != HF_ERR_HTTP2_BAD_HEAD && err.code != HF_ERR_HTTP3_BAD_HEAD) || !hf_time_before(hf_dialer_now(l->dialer), until))
            return err;
        const hf_step step = hf_fetch_step(&l->fetch, &e, &why);
        if (step == HF_FAULT)
            return why;
        if (step == HF_IDLE)
            (void)hf_dialer_wait(l->dialer, hf_time_earlier(until, hf_fetch_wake(&l->fetch)), -1);
    }
}

hf_exit hf_live_ask(hf_live *l, const hf_field *fields, size_t count, const char *upgrade, const hf_body_source *source)
{
    hf_field all[2 * HF_LIVE_FIELDS];
    size_t n = 0;
    const bool tunnel = upgrade != NULL && l->version >= HF_HTTP_2;
    if (!open_line(l))
        return hf_calling_layer_of(l->line.stage);
    all[n++] = (hf_field){ .name = HF_LITERAL("Host"), .value = l->url.authority, .id = HF_FIELD_HOST };
    for (size_t i = 0; i < count && n < HF_COUNT(all); i++)
        all[n++] = fields[i];
    for (size_t i = 0; i < l->own_count && n < HF_COUNT(all); i++)
        all[n++] = l->own[i];
    const hf_request_head head = { .method = tunnel ? HF_METHOD_CONNECT : HF_METHOD_GET, .version = l->version, .target = l->url.target,
                                   .scheme = hf_text(l->version >= HF_HTTP_2 ? l->url.secure ? "https" : "http" : ""), .fields = { all, n },
                                   .content_length = tunnel ? HF_LENGTH_UNKNOWN : HF_LENGTH_NONE, .upgrade = hf_text(upgrade) };
    const hf_err err = hf_fetch_open(&l->fetch, &l->line, l->version) ? ask(l, &head, tunnel ? source : NULL) : hf_err_make(HF_ERR_BASE_MEMORY);
    if (err.code == 0)
        return HF_EXIT_OK;
    snprintf(l->line.words, sizeof l->line.words, "the request cannot be sent: %s", hf_err_text(err));
    l->hopeless = true;
    return HF_EXIT_HTTP;
}

void hf_live_hang_up(hf_live *l)
{
    hf_fetch_close(&l->fetch);
    hf_line_close(&l->line);
}

hf_exit hf_live_retry(hf_live *l, hf_exit exit, const char *why)
{
    hf_live_hang_up(l);
    if (!l->reconnect || l->hopeless || l->backoff.failures >= l->retries) {
        fprintf(l->cli->err, "handfast %s: %s\n", l->cli->command->name, why);
        return exit;
    }
    const int64_t wait = hf_backoff_next(&l->backoff, hf_dialer_draw(l->dialer, UINT32_MAX));
    hf_live_note(l, "%s; trying again in %.1f s", why, (double)wait / 1e9);
    const hf_time until = hf_time_after(hf_dialer_now(l->dialer), wait);
    while (hf_time_before(hf_dialer_now(l->dialer), until))
        (void)hf_dialer_wait(l->dialer, until, -1);
    return HF_EXIT_OK;
}
