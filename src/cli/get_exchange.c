/* SPDX-License-Identifier: Apache-2.0 */
#include "get.h"

#include <stdlib.h>

#include "compress.h"
#include "text.h"

/* ---- aliases ------------------------------------------------------------------------------------------------ */

static bool parse_port(hf_bytes text, uint16_t *port)
{
    uint64_t number = 0;
    const bool good = text.len == 0 || (hf_parse_decimal(text, &number) && number <= 65535);
    *port = (uint16_t)number;
    return good;
}

static hf_bytes without_brackets(hf_bytes b)
{
    return b.len > 1 && b.ptr[0] == '[' && b.ptr[b.len - 1] == ']' ? hf_bytes_make(b.ptr + 1, b.len - 2) : b;
}

static bool parse_alias(hf_bytes rest, bool resolve, hf_dialer_alias *a, char from[256], char to[256])
{
    hf_bytes host, port, target_port = { NULL, 0 };
    if (!hf_split(&rest, ':', &host) || !hf_split(&rest, ':', &port) || rest.ptr == NULL)
        return false;
    const uint8_t *const colon = !resolve && rest.len > 0 ? memrchr(rest.ptr, ':', rest.len) : NULL;
    if (!resolve && colon == NULL)
        return false;
    const hf_bytes target = without_brackets(resolve ? rest : hf_bytes_make(rest.ptr, (size_t)(colon - rest.ptr)));
    if (!resolve)
        target_port = hf_bytes_make(colon + 1, (size_t)(rest.ptr + rest.len - colon - 1));
    if (!parse_port(port, &a->port) || !parse_port(target_port, &a->to_port) || host.len >= 256 || target.len >= 256 || (resolve && target.len == 0))
        return false;
    snprintf(from, 256, "%.*s", HF_STR(host));
    snprintf(to, 256, "%.*s", HF_STR(target));
    a->host = from;
    a->to_host = to;
    return true;
}

hf_exit hf_get_take_alias(hf_get *g, const char *text, bool resolve)
{
    const size_t i = g->alias_count;
    if (i == HF_GET_ALIASES)
        return hf_cli_misuse(g->cli, "more than %d of --resolve and --connect-to", HF_GET_ALIASES);
    if (!parse_alias(hf_text(text), resolve, &g->aliases[i], g->alias_text[i][0], g->alias_text[i][1]))
        return hf_cli_misuse(g->cli, "--%s %s: write it as %s", resolve ? "resolve" : "connect-to", text,
                             resolve ? "HOST:PORT:ADDRESS" : "HOST1:PORT1:HOST2:PORT2");
    g->alias_count++;
    return HF_EXIT_OK;
}

const char *hf_get_codings(void)
{
    static char text[64];
    hf_writer w = hf_writer_make(text, sizeof text - 1);
    for (hf_encoding e = HF_ENCODING_COUNT; e-- > HF_ENCODING_GZIP;)
        if (hf_compress_codings() & 1u << e) {
            hf_write_text(&w, w.length > 0 ? ", " : "");
            hf_write_text(&w, hf_encoding_name(e));
        }
    text[w.length] = 0;
    return w.length > 0 ? text : "identity";
}

/* ---- connecting --------------------------------------------------------------------------------------------- */

void hf_get_hang_up(hf_get *g)
{
    if (!g->connected)
        return;
    hf_fetch_close(&g->fetch);
    hf_line_close(&g->line);
    g->connected = false;
}

static bool is_same_origin(const hf_client_url *a, const hf_client_url *b)
{
    return a->secure == b->secure && a->port == b->port && strcmp(a->host, b->host) == 0;
}

static hf_exit layer_of(hf_line_stage stage)
{
    return stage == HF_LINE_NAME ? HF_EXIT_DNS : stage == HF_LINE_CONNECT ? HF_EXIT_TCP : HF_EXIT_TLS;
}

static hf_version version_of(const hf_get *g)
{
    if (g->line.tls == NULL)
        return g->version == HF_HTTP_2 ? HF_HTTP_2 : HF_HTTP_1_1; /* on a plain port: prior knowledge */
    const hf_bytes agreed = hf_tls_protocol(hf_tls_pier_core(g->line.tls));
    return hf_bytes_equal(agreed, hf_text("h2")) ? HF_HTTP_2 : HF_HTTP_1_1;
}

static hf_exit connect_to(hf_get *g, const hf_client_url *url)
{
    static const hf_bytes both[] = { HF_LITERAL("h2"), HF_LITERAL("http/1.1") };
    const hf_bytes *const offered = g->version == HF_HTTP_1_0 || g->version == HF_HTTP_1_1 ? both + 1 : both;
    const size_t count = g->version == HF_HTTP_2 ? 1 : (size_t)(both + HF_COUNT(both) - offered);
    if (g->connected && is_same_origin(url, &g->at) && !hf_fetch_is_over(&g->fetch)) {
        hf_get_note(g, "the connection to %s is used again", url->host);
        g->at = *url;
        return HF_EXIT_OK;
    }
    hf_get_hang_up(g);
    if (!hf_line_open(&g->line, g->dialer, url, offered, count))
        return hf_get_fail(g, layer_of(g->line.stage), "%s", g->line.words);
    const hf_version version = version_of(g);
    g->at = *url;
    g->connected = true;
    hf_get_tell_line(g);
    if (g->version == HF_HTTP_2 && version != HF_HTTP_2)
        return hf_get_fail(g, HF_EXIT_HTTP, "the server does not speak HTTP/2 at %s", url->host);
    return hf_fetch_open(&g->fetch, &g->line, version) ? HF_EXIT_OK : hf_get_fail(g, HF_EXIT_FAILED, "out of memory");
}

/* ---- asking ------------------------------------------------------------------------------------------------- */

static hf_exit ask(hf_get *g, bool stranger)
{
    hf_field fields[HF_GET_FIELDS + 1];
    size_t n = 0;
    const bool has_body = g->has_body && g->method.len > 0;
    fields[n++] = (hf_field){ HF_LITERAL("Host"), g->host.len > 0 && !stranger ? g->host : g->at.authority, HF_FIELD_HOST };
    for (size_t i = 0; i < g->field_count; i++)
        if (!(stranger && g->secret[i]) && (has_body || g->fields[i].id != HF_FIELD_CONTENT_TYPE))
            fields[n++] = g->fields[i];
    const hf_request_head head = { .method = hf_method_parse(g->method), .method_name = g->method,
        .version = g->version == HF_HTTP_1_0 ? HF_HTTP_1_0 : HF_HTTP_1_1, .scheme = hf_text(g->at.secure ? "https" : "http"),
        .authority = fields[0].value, .target = g->at.target, .fields = { fields, n },
        .content_length = has_body ? (int64_t)g->body_length : HF_LENGTH_NONE };
    hf_get_tell_request(g, &head);
    const hf_err err = hf_fetch_request(&g->fetch, &head, hf_bytes_make(g->body, has_body ? g->body_length : 0));
    return err.code == 0 ? HF_EXIT_OK : hf_get_fail(g, HF_EXIT_HTTP, "the request cannot be sent: %s", hf_err_text(err));
}

/* ---- hearing ------------------------------------------------------------------------------------------------ */

static bool is_redirect(const hf_get *g, const hf_response_head *head)
{
    const uint16_t s = head->status;
    return g->follows && (s == 301 || s == 302 || s == 303 || s == 307 || s == 308) && hf_fields_find(head->fields, HF_FIELD_LOCATION) != NULL;
}

static hf_exit begin_answer(hf_get *g, const hf_response_head *head, char *next, bool *moved)
{
    const hf_exit written = hf_get_write_head(g, head);
    const hf_field *const type = hf_fields_find(head->fields, HF_FIELD_CONTENT_TYPE);
    if (written != HF_EXIT_OK || head->status < 200)
        return written;
    g->status = head->status;
    g->answered = head->version;
    snprintf(g->type, sizeof g->type, "%.*s", type != NULL ? (int)type->value.len : 0, type != NULL ? (const char *)type->value.ptr : "");
    *moved = is_redirect(g, head);
    if (*moved && !hf_client_url_join(&g->at, hf_fields_find(head->fields, HF_FIELD_LOCATION)->value, next, HF_CLIENT_URL_BYTES))
        return hf_get_fail(g, HF_EXIT_HTTP, "the redirect leads to a URL that is longer than %d bytes", HF_CLIENT_URL_BYTES);
    const hf_encoding coding = g->compressed && !*moved ? hf_decompress_coding(head->fields) : HF_ENCODING_IDENTITY;
    if (coding == HF_ENCODING_COUNT)
        return hf_get_fail(g, HF_EXIT_HTTP, "the body has a content coding that was not asked for");
    if (coding != HF_ENCODING_IDENTITY && (g->decoder = hf_decompressor_new(hf_dialer_env(g->dialer), coding)) == NULL)
        return hf_get_fail(g, HF_EXIT_FAILED, "out of memory");
    return HF_EXIT_OK;
}

static hf_exit take_piece(hf_get *g, hf_bytes piece)
{
    g->received += piece.len;
    if (g->fails && g->status >= 400)
        return HF_EXIT_OK;
    if (g->decoder == NULL)
        return hf_get_write(g, piece);
    for (;;) {
        hf_bytes plain;
        const hf_err err = hf_decompressor_next(g->decoder, &piece, &plain);
        if (err.code != 0)
            return hf_get_fail(g, HF_EXIT_HTTP, "the body cannot be decompressed: %s", hf_err_text(err));
        if (plain.len == 0)
            return HF_EXIT_OK;
        const hf_exit result = hf_get_write(g, plain);
        if (result != HF_EXIT_OK)
            return result;
    }
}

static hf_exit end_answer(hf_get *g)
{
    const hf_err err = g->decoder != NULL ? hf_decompressor_end(g->decoder) : HF_OK;
    hf_decompressor_free(g->decoder);
    g->decoder = NULL;
    return err.code == 0 ? HF_EXIT_OK : hf_get_fail(g, HF_EXIT_HTTP, "the compressed body stops in its middle");
}

/* Until the answer is whole. *moved, and where to. */
static hf_exit hear(hf_get *g, char *next, bool *moved)
{
    hf_exit result = HF_EXIT_OK;
    *moved = false;
    for (;;) {
        hf_fetch_event e = { .kind = HF_FETCH_END };
        hf_err why;
        const hf_step step = hf_fetch_step(&g->fetch, &e, &why);
        const hf_time now = hf_dialer_now(g->dialer);
        if (!hf_time_before(now, g->until))
            return hf_get_fail(g, HF_EXIT_TCP, "no whole answer within %.3g s (--max-time)", (double)g->patience_ns / 1e9);
        if (step == HF_IDLE) {
            (void)hf_dialer_wait(g->dialer, hf_time_earlier(g->until, hf_fetch_wake(&g->fetch)), -1);
            continue;
        }
        if (step != HF_EVENT)
            return hf_get_fail(g, g->line.broken && why.code == g->line.err.code ? HF_EXIT_TCP : HF_EXIT_HTTP, "the answer is not whole: %s", hf_err_text(why));
        if (g->first.ns == 0)
            g->first = now;
        if (e.kind == HF_FETCH_HEAD)
            result = begin_answer(g, &e.head, next, moved);
        else if (e.kind == HF_FETCH_BODY && !*moved)
            result = take_piece(g, e.body);
        else if (e.kind == HF_FETCH_END)
            return end_answer(g);
        if (result != HF_EXIT_OK)
            return result;
    }
}

/* RFC 9110 15.4: 303 asks anew, 301 and 302 do where it was a POST (15.4.2, note), 307 and 308 repeat it all. */
static void change_method(hf_get *g)
{
    const bool post = hf_bytes_equal(g->method, hf_text("POST")), head = hf_bytes_equal(g->method, hf_text("HEAD"));
    if ((g->status == 303 && !head) || ((g->status == 301 || g->status == 302) && post)) {
        g->method = hf_text("GET");
        g->has_body = false;
    }
}

static hf_exit follow(hf_get *g, const char *url)
{
    hf_client_url first, here;
    char next[HF_CLIENT_URL_BYTES];
    snprintf(g->url, sizeof g->url, "%s", url);
    for (bool moved = true; moved;) {
        const char *const wrong = hf_client_url_parse(g->url, &here);
        if (wrong != NULL || here.live)
            return g->redirects > 0 ? hf_get_fail(g, HF_EXIT_HTTP, "it redirects to %s: %s", g->url, wrong != NULL ? wrong : "that is no page")
                                    : hf_cli_misuse(g->cli, "%s: %s", g->url, wrong != NULL ? wrong : "that is for handfast ws");
        if (g->redirects == 0)
            (void)hf_client_url_parse(g->url, &first);
        hf_exit result = connect_to(g, &here);
        result = result == HF_EXIT_OK ? ask(g, !is_same_origin(&first, &g->at)) : result;
        result = result == HF_EXIT_OK ? hear(g, next, &moved) : result;
        if (result != HF_EXIT_OK)
            return result;
        if (moved && g->redirects++ == g->redirects_most)
            return hf_get_fail(g, HF_EXIT_HTTP, "more than %llu redirects (--max-redirs)", (unsigned long long)g->redirects_most);
        if (moved) {
            hf_get_note(g, "%u leads to %s", g->status, next);
            change_method(g);
            memcpy(g->url, next, sizeof next);
        }
    }
    return HF_EXIT_OK;
}

hf_exit hf_get_one(hf_get *g, const char *given)
{
    char url[HF_CLIENT_URL_BYTES];
    const hf_bytes method = g->method;
    const bool has_body = g->has_body;
    if ((size_t)snprintf(url, sizeof url, "%s%s", strstr(given, "://") == NULL ? "http://" : "", given) >= sizeof url)
        return hf_cli_misuse(g->cli, "a URL is longer than %d bytes", HF_CLIENT_URL_BYTES);
    g->began = hf_dialer_now(g->dialer);
    g->first = hf_time_make(0);
    g->until = g->patience_ns > 0 ? hf_time_after(g->began, g->patience_ns) : HF_NEVER;
    g->received = g->redirects = 0;
    g->status = 0;
    g->out = NULL;
    g->out_name[0] = g->type[0] = 0;
    hf_exit result = follow(g, url);
    if (result != HF_EXIT_OK) /* nothing can be known of where in the stream it stands */
        hf_get_hang_up(g);
    hf_decompressor_free(g->decoder);
    g->decoder = NULL;
    const hf_exit closed = hf_get_close_output(g);
    result = result == HF_EXIT_OK ? closed : result;
    if (result == HF_EXIT_OK && g->fails && g->status >= 400)
        result = hf_get_fail(g, HF_EXIT_HTTP, "the server answers %u", g->status);
    hf_get_write_out(g);
    g->method = method;
    g->has_body = has_body;
    return result;
}
