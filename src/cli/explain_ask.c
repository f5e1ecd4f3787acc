/* SPDX-License-Identifier: Apache-2.0
 *
 * explain URL: the request, and what comes for it.
 */
#include "explain_url.h"

#include <stdlib.h>

#include <handfast/websocket.h>

#include "calling.h"
#include "get.h"
#include "text.h"

enum { BODY_ENOUGH = 4 << 20, EVENTS_ENOUGH = 3 };

static const int64_t silence_ns = HF_MILLISECONDS(150); /* between bursts of an event stream */
static const int64_t listen_ns = HF_SECONDS(2);         /* to an event stream */

static bool is_redirect(uint16_t s)
{
    return s == 301 || s == 302 || s == 303 || s == 307 || s == 308;
}

static const hf_field *field_of(const hf_trail_hop *h, hf_field_id id)
{
    return hf_fields_find((hf_fields){ h->fields, h->field_count }, id);
}

static bool is_type(const hf_trail_hop *h, const char *type)
{
    const hf_field *const f = field_of(h, HF_FIELD_CONTENT_TYPE);
    const size_t n = strlen(type);
    return f != NULL && f->value.len >= n && hf_text_same(hf_bytes_make(f->value.ptr, n), hf_text(type));
}

/* ---- the head ------------------------------------------------------------------------------------------------- */

static void open_decoder(hf_trail *y, hf_trail_hop *h)
{
    const hf_encoding coding = hf_decompress_coding((hf_fields){ h->fields, h->field_count });
    if (coding != HF_ENCODING_IDENTITY && coding != HF_ENCODING_COUNT)
        h->decoder = hf_decompressor_new(hf_dialer_env(y->blind), coding); /* NULL: its body is counted alone */
    if (is_type(h, "text/html"))
        h->page = malloc(HF_TRAIL_PAGE);
}

static hf_err take_head(hf_trail *y, hf_trail_hop *h, const hf_response_head *head, int64_t ns)
{
    const hf_field *const where = hf_fields_find(head->fields, HF_FIELD_LOCATION);
    if (head->status < 200 && !(head->status == 101 && h->url.live))
        return HF_OK;
    h->answered = true;
    h->status = head->status;
    h->version = head->version;
    h->closes = head->close;
    h->head_ns = ns;
    if (is_redirect(head->status) && where != NULL && !hf_client_url_join(&h->url, where->value, h->next, sizeof h->next))
        h->next[0] = 0;
    free(h->memory);
    if (!hf_calling_keep_fields(head->fields, h->fields, HF_TRAIL_FIELDS, &h->field_count, &h->memory))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    open_decoder(y, h);
    return HF_OK;
}

/* ---- the body ------------------------------------------------------------------------------------------------- */

static void take_plain(hf_trail_hop *h, hf_bytes piece)
{
    const size_t room = h->page != NULL ? HF_TRAIL_PAGE - h->page_length : 0, n = piece.len < room ? piece.len : room;
    if (n > 0)
        memcpy(h->page + h->page_length, piece.ptr, n);
    h->page_length += n;
    h->plain += piece.len;
}

static hf_err take_body(hf_trail_hop *h, hf_bytes body)
{
    h->body += body.len;
    if (h->decoder == NULL) {
        take_plain(h, body);
        return HF_OK;
    }
    for (;;) {
        hf_bytes piece;
        const hf_err err = hf_decompressor_next(h->decoder, &body, &piece);
        if (err.code != 0 || piece.len == 0)
            return err;
        take_plain(h, piece);
    }
}

/* An event ends with a blank line. What stops elsewhere for a while was cut by something that counts bytes, not events. */
static void see_silence(hf_trail_events *e)
{
    if (e->bytes > 0 && !(e->tail[1] == '\n' || e->tail[1] == '\r') && e->cut_at == 0)
        e->cut_at = (size_t)e->bytes;
}

static void take_events(hf_trail_hop *h, hf_bytes body, int64_t ns)
{
    hf_trail_events *const e = &h->events;
    if (e->bytes > 0 && ns - e->last_ns >= silence_ns)
        see_silence(e);
    if (e->bytes == 0 || ns - e->last_ns >= silence_ns)
        e->pieces++;
    e->first_ns = e->bytes == 0 ? ns : e->first_ns;
    e->last_ns = ns;
    for (size_t i = 0; i < body.len; i++) {
        e->events += body.ptr[i] == '\n' && e->tail[1] == '\n';
        e->events += body.ptr[i] == '\r' && e->tail[1] == '\r';
        if (body.ptr[i] == '\r' && e->tail[1] == '\n' && e->tail[0] == '\r')
            e->events++;
        e->tail[0] = e->tail[1];
        e->tail[1] = body.ptr[i];
    }
    e->bytes += body.len;
}

/* ---- listening ------------------------------------------------------------------------------------------------ */

typedef struct listening {
    hf_trail *y;
    hf_trail_hop *h;
    hf_fetch *fetch;
    const hf_websocket_handshake *shake; /* NULL: no WebSocket is asked for */
    hf_time began, until;
} listening;

static hf_err check_upgrade(const listening *l, const hf_response_head *head)
{
    static const hf_websocket_deflate none = { .on = false };
    hf_websocket_deflate agreed;
    hf_bytes protocol;
    if (head->status == 101)
        l->h->upgraded = true;
    return hf_websocket_answer_check(hf_dialer_crypto(l->y->blind), l->shake, HF_HTTP_1_1, hf_text(""), &none, head, &protocol, &agreed);
}

static void take_event(const listening *l, const hf_fetch_event *e, hf_time now)
{
    hf_trail_hop *const h = l->h;
    const int64_t ns = now.ns - l->began.ns;
    if (e->kind == HF_FETCH_HEAD) {
        h->http_err = take_head(l->y, h, &e->head, ns);
        if (h->http_err.code == 0 && l->shake != NULL && h->answered)
            h->http_err = check_upgrade(l, &e->head);
    } else if (e->kind == HF_FETCH_BODY) {
        if (h->events.listened)
            take_events(h, e->body, ns);
        h->http_err = take_body(h, e->body);
    }
    h->whole = e->kind == HF_FETCH_END || e->kind == HF_FETCH_UPGRADED;
    if (h->whole && h->decoder != NULL && h->http_err.code == 0)
        h->http_err = hf_decompressor_end(h->decoder);
}

/* May it be left? */
static bool is_enough(listening *l, hf_time now, bool late)
{
    hf_trail_hop *const h = l->h;
    if (!h->answered || h->whole)
        return false;
    if (is_type(h, "text/event-stream") && !h->events.listened) {
        const int64_t patience = l->y->patience_ns < listen_ns ? l->y->patience_ns : listen_ns;
        h->events.listened = true;
        l->until = hf_time_after(now, patience);
        return false;
    }
    return h->body >= BODY_ENOUGH || late || (h->events.pieces > EVENTS_ENOUGH && h->events.cut_at == 0 && h->events.events >= EVENTS_ENOUGH);
}

/* Until the answer is whole, enough of it was read, or it failed: http_err. */
static void hear(listening *l)
{
    hf_trail_hop *const h = l->h;
    hf_dialer *const d = l->fetch->line->dialer;
    while (!h->whole && !h->cut && h->http_err.code == 0) {
        hf_fetch_event e = { .kind = HF_FETCH_END };
        hf_err why;
        const hf_step step = hf_fetch_step(l->fetch, &e, &why);
        const hf_time now = hf_dialer_now(d);
        const bool late = !hf_time_before(now, l->until);
        if (step == HF_EVENT)
            take_event(l, &e, now);
        else if (step != HF_IDLE)
            h->http_err = why;
        else if (!late)
            (void)hf_dialer_wait(d, hf_time_earlier(l->until, hf_fetch_wake(l->fetch)), -1);
        else if (!h->events.listened)
            h->http_err = hf_err_make(HF_ERR_IO_TIMEOUT);
        else if (now.ns - l->began.ns - h->events.last_ns >= silence_ns)
            see_silence(&h->events);
        if (late && step == HF_EVENT && !h->answered)
            h->http_err = hf_err_make(HF_ERR_IO_TIMEOUT);
        h->cut = h->http_err.code == 0 && is_enough(l, now, late); /* late, and it never rests: it was read for long enough */
        h->body_ns = now.ns - l->began.ns;
        if (h->answered && h->by_head.out == 0)
            (void)hf_line_packets(l->fetch->line, &h->by_head.out, &h->by_head.in);
    }
    (void)hf_line_packets(l->fetch->line, &h->by_end.out, &h->by_end.in);
}

/* ---- asking --------------------------------------------------------------------------------------------------- */

static hf_version version_of(const hf_line *line)
{
    if (line->quic != NULL)
        return HF_HTTP_3;
    return line->tls != NULL && hf_bytes_equal(hf_tls_protocol(hf_tls_pier_core(line->tls)), hf_text("h2")) ? HF_HTTP_2 : HF_HTTP_1_1;
}

void hf_trail_ask(hf_trail *y, hf_trail_hop *h, hf_line *line)
{
    static const hf_websocket_deflate none = { .on = false };
    hf_websocket_handshake shake;
    char origin[300];
    snprintf(origin, sizeof origin, "%s://%.*s", h->url.secure ? "https" : "http", HF_STR(h->url.authority));
    hf_field fields[16] = {
        { HF_LITERAL("Host"), h->url.authority, HF_FIELD_HOST },
        { HF_LITERAL("User-Agent"), HF_LITERAL("handfast/" HF_VERSION), HF_FIELD_USER_AGENT },
        { HF_LITERAL("Accept"), HF_LITERAL("text/html, */*;q=0.9"), HF_FIELD_ACCEPT },
        { HF_LITERAL("Accept-Encoding"), hf_text(hf_get_codings()), HF_FIELD_ACCEPT_ENCODING },
    };
    size_t n = 4;
    hf_request_head head = { .method = HF_METHOD_GET, .method_name = HF_LITERAL("GET"), .version = HF_HTTP_1_1,
        .scheme = hf_text(h->url.secure ? "https" : "http"), .authority = h->url.authority, .target = h->url.target, .content_length = HF_LENGTH_NONE };
    static hf_fetch fetch; /* large, and one is asked at a time */
    h->asked = true;
    h->http_err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (h->url.live) {
        if (hf_websocket_request_make(hf_dialer_crypto(y->blind), HF_HTTP_1_1, hf_text(""), &none, &shake).code != 0)
            return;
        n = 2;
        for (size_t i = 0; i < shake.count; i++)
            fields[n++] = shake.fields[i];
        fields[n++] = (hf_field){ HF_LITERAL("Origin"), hf_text(y->origin != NULL ? y->origin : origin), hf_field_identify(hf_text("origin")) };
        head.upgrade = hf_text("websocket");
    }
    head.fields = (hf_fields){ fields, n };
    if (hf_fetch_open(&fetch, line, version_of(line)))
        h->http_err = hf_fetch_request(&fetch, &head, hf_bytes_make(NULL, 0));
    if (h->http_err.code == 0) {
        const hf_time began = hf_dialer_now(line->dialer);
        listening l = { .y = y, .h = h, .fetch = &fetch, .shake = h->url.live ? &shake : NULL, .began = began, .until = hf_time_after(began, y->patience_ns) };
        hear(&l);
    }
    hf_fetch_close(&fetch);
}

bool hf_trail_offer(hf_line *line, hf_dialer *d, const hf_client_url *url)
{
    static const hf_bytes both[] = { HF_LITERAL("h2"), HF_LITERAL("http/1.1") };
    return hf_line_open(line, d, url, both + url->live, HF_COUNT(both) - url->live);
}

void hf_trail_hop_free(hf_trail_hop *h)
{
    if (h == NULL)
        return;
    hf_decompressor_free(h->decoder);
    free(h->memory);
    free(h->page);
    free(h);
}
