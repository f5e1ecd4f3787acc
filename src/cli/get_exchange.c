/* SPDX-License-Identifier: Apache-2.0 */
#include "get.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "address.h"
#include "calling.h"
#include "compress.h"
#include "date.h"
#include "https_record.h"
#include "range.h"
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

/* ---- asking ------------------------------------------------------------------------------------------------- */

static bool is_same_origin(const hf_client_url *a, const hf_client_url *b)
{
    return a->secure == b->secure && a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* The jar's cookies, and the user's own behind them. */
static void add_cookies(hf_get *g, size_t *n)
{
    const hf_jar_request place = hf_get_place(g);
    hf_writer w = hf_writer_make(g->cookies, sizeof g->cookies);
    if (g->jar == NULL || hf_jar_write_cookies(g->jar, &place, (hf_wall){ (int64_t)time(NULL) }, &w) == 0)
        return;
    for (size_t i = 0; i < *n; i++)
        if (g->sent[i].id == HF_FIELD_COOKIE) {
            hf_write_text(&w, "; ");
            hf_write(&w, g->sent[i].value);
            g->sent[i].value = hf_written(&w);
            return;
        }
    g->sent[(*n)++] = (hf_field){ HF_LITERAL("Cookie"), hf_written(&w), HF_FIELD_COOKIE };
}

static void finish(hf_get *g, hf_exit result);

static void ask(hf_get *g)
{
    const hf_exit opened = hf_get_open_body(g);
    if (opened != HF_EXIT_OK) {
        finish(g, opened);
        return;
    }
    const bool streams = g->has_body && g->body_file != NULL;
    const bool stranger = !is_same_origin(&g->first_at, &g->at);
    size_t n = 0;
    g->sent[n++] = (hf_field){ HF_LITERAL("Host"), g->host.len > 0 && !stranger ? g->host : g->at.authority, HF_FIELD_HOST };
    for (size_t i = 0; i < g->field_count; i++)
        if (!(stranger && g->secret[i]) && (g->has_body || g->fields[i].id != HF_FIELD_CONTENT_TYPE) && (g->fields[i].value.len > 0 || g->empty[i]))
            g->sent[n++] = g->fields[i];
    add_cookies(g, &n);
    if (g->resume_from > 0) {
        snprintf(g->range_from, sizeof g->range_from, "bytes=%llu-", (unsigned long long)g->resume_from);
        g->sent[n++] = (hf_field){ HF_LITERAL("Range"), hf_text(g->range_from), HF_FIELD_RANGE };
    }
    g->call = (hf_call){ .url = &g->at, .body = hf_bytes_make(g->body, g->has_body ? g->body_length : 0), .source = streams ? &g->source : NULL, .version = g->version, .only = g->only, .user = g,
        .head = { .method = hf_method_parse(g->method), .method_name = g->method, .version = g->version == HF_HTTP_1_0 ? HF_HTTP_1_0 : HF_HTTP_1_1,
            .authority = g->sent[0].value, .fields = { g->sent, n }, .content_length = streams ? g->body_size : g->has_body ? (int64_t)g->body_length : HF_LENGTH_NONE } };
    g->moved = g->opened = false;
    if (g->version == HF_HTTP_3)
        hf_line_pool_offer_quic(g->pool, &g->at, g->at.port);
    hf_line_pool_ask(g->pool, &g->call);
}

/* ---- ending ------------------------------------------------------------------------------------------------- */

static void finish(hf_get *g, hf_exit result)
{
    hf_decompressor_free(g->decoder);
    g->decoder = NULL;
    hf_get_close_body(g);
    const hf_exit closed = hf_get_close_output(g);
    result = result == HF_EXIT_OK ? closed : result;
    if (result == HF_EXIT_OK && g->fails && g->status >= 400)
        result = hf_get_fail(g, HF_EXIT_HTTP, "the server answers %u", g->status);
    hf_get_write_out(g);
    g->result = result;
    g->done = true;
}

/* Ends a transfer whose exchange is still open. */
static void give_up(hf_get *g, hf_exit result)
{
    hf_line_pool_drop(g->pool, &g->call);
    finish(g, result);
}

/* --retry: what passes by itself, of what may be asked twice. `seconds`: as the server asks for; -1: it does not. */
static bool try_again(hf_get *g, int64_t seconds)
{
    if (g->tries >= g->retries || !hf_method_is_repeatable(g->method) || (g->out != NULL && g->received > 0))
        return false;
    const int64_t pause = seconds >= 0 && seconds < 3600 ? HF_SECONDS(seconds) : HF_SECONDS(1) << (g->tries < 9 ? g->tries : 9);
    g->tries++;
    g->tried = hf_time_after(hf_dialer_now(g->dialer), pause);
    hf_get_note(g, "trying again in %.1f s (%llu of %llu)", (double)pause / 1e9, (unsigned long long)g->tries, (unsigned long long)g->retries);
    return true;
}

/* RFC 9110 10.2.3: seconds, or a date. -1: neither. */
static int64_t retry_after(const hf_response_head *head)
{
    const hf_field *const f = hf_fields_find_name(head->fields, hf_text("retry-after"));
    const hf_wall now = { (int64_t)time(NULL) };
    uint64_t seconds;
    hf_wall date;
    if (f == NULL)
        return -1;
    if (hf_parse_decimal(f->value, &seconds))
        return seconds < INT32_MAX ? (int64_t)seconds : INT32_MAX;
    return hf_date_parse(f->value, now, &date) && date.s > now.s ? date.s - now.s : -1;
}

/* ---- hearing ------------------------------------------------------------------------------------------------ */

/* What was left of a file: 206 where it stopped, or all of it again. */
static hf_exit check_rest(hf_get *g, const hf_response_head *head, bool *whole)
{
    const hf_field *const f = hf_fields_find_name(head->fields, hf_text("content-range"));
    char wanted[40];
    *whole = false;
    if (g->resume_from == 0 || g->moved)
        return HF_EXIT_OK;
    if (head->status == 416) {
        snprintf(wanted, sizeof wanted, "bytes */%llu", (unsigned long long)g->resume_from);
        *whole = f != NULL && hf_bytes_equal(f->value, hf_text(wanted));
        return *whole ? HF_EXIT_OK : hf_get_fail(g, HF_EXIT_HTTP, "%s", hf_err_text(hf_err_make(HF_ERR_CLIENT_RESUMED_OTHER)));
    }
    snprintf(wanted, sizeof wanted, "bytes %llu-", (unsigned long long)g->resume_from);
    if (head->status == 206 && (f == NULL || !hf_starts_with(f->value, hf_text(wanted))))
        return hf_get_fail(g, HF_EXIT_HTTP, "%s: wanted %s, got %.*s", hf_err_text(hf_err_make(HF_ERR_CLIENT_RESUMED_OTHER)), wanted,
                           f != NULL ? (int)f->value.len : 4, f != NULL ? (const char *)f->value.ptr : "none");
    if (head->status == 200) {
        hf_get_note(g, "the server gives no ranges: all of it comes again");
        g->resume_from = 0;
    }
    return head->status == 200 || head->status == 206 ? HF_EXIT_OK : hf_get_fail(g, HF_EXIT_HTTP, "the server answers %u: that is not the rest", head->status);
}

static void hear_alternatives(hf_get *g, const hf_response_head *head)
{
    const hf_field *const f = hf_fields_find_name(head->fields, hf_text("alt-svc"));
    hf_alt_svc alt;
    if (f == NULL || !g->at.secure || !hf_alt_svc_parse(f->value, &alt))
        return;
    if (alt.h3 && alt.host[0] == 0)
        hf_line_pool_offer_quic(g->pool, &g->at, alt.port);
    else if (alt.clear)
        hf_line_pool_offer_quic(g->pool, &g->at, 0);
}

static hf_exit begin_answer(hf_get *g, const hf_response_head *head)
{
    const hf_field *const type = hf_fields_find(head->fields, HF_FIELD_CONTENT_TYPE), *const to = hf_fields_find(head->fields, HF_FIELD_LOCATION);
    bool whole = false;
    if (head->status < 200)
        return hf_get_write_head(g, head);
    g->status = head->status;
    g->answered = head->version;
    g->length = head->content_length > 0 ? (uint64_t)head->content_length : 0;
    snprintf(g->type, sizeof g->type, "%.*s", type != NULL ? (int)type->value.len : 0, type != NULL ? (const char *)type->value.ptr : "");
    hf_get_take_cookies(g, head);
    hear_alternatives(g, head);
    g->moved = g->follows && hf_redirect_of(head->status, g->method, to != NULL).follows;
    if (g->moved && !hf_client_url_join(&g->at, to->value, g->next, HF_CLIENT_URL_BYTES))
        return hf_get_fail(g, HF_EXIT_HTTP, "the redirect leads to a URL that is longer than %d bytes", HF_CLIENT_URL_BYTES);
    const hf_exit bad = check_rest(g, head, &whole), written = bad == HF_EXIT_OK ? hf_get_write_head(g, head) : bad;
    if (written != HF_EXIT_OK || whole)
        return written;
    const hf_encoding coding = g->compressed && !g->moved ? hf_decompress_coding(head->fields) : HF_ENCODING_IDENTITY;
    if (coding == HF_ENCODING_COUNT)
        return hf_get_fail(g, HF_EXIT_HTTP, "the body has a content coding that was not asked for");
    if (coding != HF_ENCODING_IDENTITY && (g->decoder = hf_decompressor_new(hf_dialer_env(g->dialer), coding)) == NULL)
        return hf_get_fail(g, HF_EXIT_FAILED, "out of memory");
    return HF_EXIT_OK;
}

static hf_exit take_piece(hf_get *g, hf_bytes piece)
{
    g->received += piece.len;
    if (g->moved || (g->fails && g->status >= 400) || (g->resume_from > 0 && g->status == 416))
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

static void move_on(hf_get *g);

static void end_answer(hf_get *g)
{
    const hf_err err = g->decoder != NULL ? hf_decompressor_end(g->decoder) : HF_OK;
    if (err.code != 0)
        finish(g, hf_get_fail(g, HF_EXIT_HTTP, "the compressed body stops in its middle"));
    else if (g->moved)
        move_on(g);
    else
        finish(g, HF_EXIT_OK);
}

static void hear_failure(hf_get *g, const hf_line_pool_event *e)
{
    if ((e->stage != HF_LINE_OPEN || e->lost) && e->stage != HF_LINE_TLS && try_again(g, -1))
        return;
    if (e->err.code == HF_ERR_CLIENT_BODY)
        finish(g, HF_EXIT_FAILED); /* who read it said why */
    else if (e->stage != HF_LINE_OPEN)
        finish(g, hf_get_fail(g, hf_calling_layer_of(e->stage), "%s", e->words));
    else if (e->err.code == HF_ERR_CLIENT_NO_VERSION)
        finish(g, hf_get_fail(g, HF_EXIT_HTTP, "%s: no HTTP/2 at %s", hf_err_text(e->err), g->at.host));
    else if (!g->opened)
        finish(g, hf_get_fail(g, HF_EXIT_HTTP, "the request cannot be sent: %s", e->words));
    else
        finish(g, hf_get_fail(g, e->lost ? HF_EXIT_TCP : HF_EXIT_HTTP, "the answer is not whole: %s", e->words));
}

static void hear_connected(hf_get *g, const hf_line_pool_event *e)
{
    hf_writer w = hf_writer_make(g->peer, sizeof g->peer - 1);
    g->opened = true;
    hf_address_write(&w, &e->line->peer, false);
    g->peer[w.length] = 0;
    g->peer_port = e->line->peer.port;
    g->connects += !e->reused;
    if (!e->reused) {
        g->named = e->line->named;
        g->connected = e->line->connected;
        g->secured = e->line->secured;
    }
    if (g->call.source == NULL)
        g->uploaded = g->call.body.len;
    hf_get_tell_line(g, e->line, e->version, e->reused);
    hf_request_head head = g->call.head;
    head.target = g->at.target;
    head.version = e->version == HF_HTTP_1_1 ? head.version : e->version;
    hf_get_tell_request(g, &head);
}

void hf_get_hear(hf_get *g, const hf_line_pool_event *e)
{
    hf_exit result = HF_EXIT_OK;
    if (g->first.ns == 0 && e->kind == HF_LINE_POOL_HEAD)
        g->first = hf_dialer_now(g->dialer);
    switch (e->kind) {
    case HF_LINE_POOL_CONNECTED: hear_connected(g, e); break;
    case HF_LINE_POOL_HEAD:
        if ((e->answer.head.status == 408 || e->answer.head.status == 429 || (e->answer.head.status >= 500 && e->answer.head.status != 501 && e->answer.head.status != 505)) &&
            try_again(g, retry_after(&e->answer.head))) {
            hf_line_pool_drop(g->pool, &g->call);
            return;
        }
        result = begin_answer(g, &e->answer.head);
        break;
    case HF_LINE_POOL_BODY: result = take_piece(g, e->answer.body); break;
    case HF_LINE_POOL_TRAILERS: break;
    case HF_LINE_POOL_END: end_answer(g); return;
    case HF_LINE_POOL_AGAIN: hf_get_note(g, "sent again: %s (%s)", e->words, hf_err_describe(e->err)->id); break;
    case HF_LINE_POOL_FAILED: hear_failure(g, e); return;
    }
    if (result != HF_EXIT_OK)
        give_up(g, result);
}

/* ---- a transfer --------------------------------------------------------------------------------------------- */

static void visit(hf_get *g)
{
    const char *const wrong = hf_client_url_parse(g->url, &g->at);
    if (wrong != NULL || g->at.live) {
        finish(g, g->redirects > 0 ? hf_get_fail(g, HF_EXIT_HTTP, "it redirects to %s: %s", g->url, wrong != NULL ? wrong : "that is no page")
                                   : hf_cli_misuse(g->cli, "%s: %s", g->url, wrong != NULL ? wrong : "that is for handfast ws"));
        return;
    }
    ask(g);
}

static void move_on(hf_get *g)
{
    if (g->redirects++ == g->redirects_most) {
        finish(g, hf_get_fail(g, HF_EXIT_HTTP, "more than %llu redirects (--max-redirs)", (unsigned long long)g->redirects_most));
        return;
    }
    hf_get_note(g, "%u leads to %s", g->status, g->next);
    if (hf_redirect_of(g->status, g->method, true).becomes_get) {
        g->method = hf_text("GET");
        g->has_body = false;
    }
    memcpy(g->url, g->next, sizeof g->next);
    g->received = 0; /* what is counted is the answer that is kept */
    visit(g);
}

/* What is there of the file already. */
static hf_exit find_rest(hf_get *g)
{
    struct stat s;
    if (g->resume == NULL)
        return HF_EXIT_OK;
    if (strcmp(g->resume, "-") != 0)
        return hf_parse_decimal(hf_text(g->resume), &g->resume_from) ? HF_EXIT_OK : hf_cli_misuse(g->cli, "--continue-at %s: give - or a number of bytes", g->resume);
    if (g->out_name[0] != 0 && stat(g->out_name, &s) == 0 && S_ISREG(s.st_mode))
        g->resume_from = (uint64_t)s.st_size;
    return HF_EXIT_OK;
}

void hf_get_begin(hf_get *g, const char *given)
{
    g->began = hf_dialer_now(g->dialer);
    g->until = g->patience_ns > 0 ? hf_time_after(g->began, g->patience_ns) : HF_NEVER;
    g->running = true;
    g->body_fd = -1;
    if ((size_t)snprintf(g->url, sizeof g->url, "%s%s", strstr(given, "://") == NULL ? "http://" : "", given) >= sizeof g->url) {
        finish(g, hf_cli_misuse(g->cli, "a URL is longer than %d bytes", HF_CLIENT_URL_BYTES));
        return;
    }
    const bool parsed = hf_client_url_parse(g->url, &g->first_at) == NULL; /* else visit says why not */
    const hf_exit named = parsed ? hf_get_name_output(g) : HF_EXIT_OK, bad = named == HF_EXIT_OK ? find_rest(g) : named;
    if (bad != HF_EXIT_OK)
        finish(g, bad);
    else
        visit(g);
}

void hf_get_tick(hf_get *g, hf_time now)
{
    if (!hf_time_before(now, g->until)) {
        give_up(g, hf_get_fail(g, HF_EXIT_TCP, "no whole answer within %.3g s (--max-time)", (double)g->patience_ns / 1e9));
    } else if (g->tried.ns != 0 && !hf_time_before(now, g->tried)) {
        g->tried = hf_time_make(0);
        g->received = 0;
        ask(g);
    }
}

hf_time hf_get_wake(const hf_get *g)
{
    return g->tried.ns != 0 ? hf_time_earlier(g->until, g->tried) : g->until;
}
