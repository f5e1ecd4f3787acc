/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes out. Output is one queue of copied bytes, cut by the pieces that are lent or lie in files: each piece knows how
 * many copied bytes leave before it. A small answer is then one append for the head, one for the body, and one copy out.
 */
#include "http1_core.h"

#include "alloc.h"
#include "outlet.h"
#include "panic.h"
#include "token.h"

/* ---- the queue ---------------------------------------------------------------------------------------------- */

static uint64_t copied_room(const hf_http1 *h)
{
    const uint64_t held = hf_queue_length(&h->copied) + HF_HTTP1_FRAMING_BYTES, most = h->env->limits->output_bytes;
    return held < most ? most - held : 0;
}

static size_t piece_room(const hf_http1 *h)
{
    const uint64_t held = (uint64_t)h->piece_count - h->piece_first, most = h->env->limits->output_extents;
    return held < most ? (size_t)(most - held) : 0;
}

void hf_http1_trim(hf_http1 *h)
{
    HF_ASSERT(hf_http1_output_empty(h) && h->lent == 0);
    hf_queue_trim(&h->copied);
    hf_free(&h->env->alloc, h->fields, h->field_capacity * sizeof *h->fields);
    hf_http1_forget(h);
    hf_free(&h->env->alloc, h->pieces, h->piece_capacity * sizeof *h->pieces);
    h->fields = NULL;
    h->pieces = NULL;
    h->field_count = h->field_capacity = 0;
    h->piece_first = h->piece_count = h->piece_capacity = 0;
}

/* Place for `n` more pieces, so that adding them cannot fail. */
static bool reserve_pieces(hf_http1 *h, size_t n)
{
    const size_t held = (size_t)(h->piece_count - h->piece_first);
    if ((size_t)(h->piece_capacity - h->piece_count) >= n)
        return true;
    if (held > 0)
        memmove(h->pieces, h->pieces + h->piece_first, held * sizeof *h->pieces);
    h->piece_first = 0;
    h->piece_count = (uint16_t)held;
    if (h->piece_capacity - held >= n)
        return true;
    size_t capacity = h->piece_capacity == 0 ? 4 : h->piece_capacity;
    while (capacity < held + n)
        capacity *= 2;
    if (capacity > UINT16_MAX)
        return false;
    hf_http1_piece *pieces =
        hf_resize(&h->env->alloc, h->pieces, h->piece_capacity * sizeof *pieces, capacity * sizeof *pieces);
    if (pieces == NULL)
        return false;
    h->pieces = pieces;
    h->piece_capacity = (uint16_t)capacity;
    return true;
}

static void add_copied(hf_http1 *h, hf_bytes b)
{
    const bool fits = hf_queue_append(&h->copied, b);
    HF_ASSERT(fits); /* it was reserved */
    h->tail += b.len;
}

static void add_piece(hf_http1 *h, const hf_extent *e)
{
    HF_ASSERT(h->piece_count < h->piece_capacity);
    h->pieces[h->piece_count++] = (hf_http1_piece){ h->tail, *e };
    h->tail = 0;
}

/* A writer on `n` bytes at the back of the queue; capacity 0 when memory ends. */
static hf_writer open_writer(hf_http1 *h, size_t n)
{
    const hf_span room = hf_queue_reserve(&h->copied, n);
    return hf_writer_make(room.ptr, room.ptr == NULL ? 0 : n);
}

static void close_writer(hf_http1 *h, const hf_writer *w)
{
    HF_ASSERT(!w->overflowed);
    hf_queue_commit(&h->copied, w->length);
    h->tail += w->length;
}

/* ---- emit --------------------------------------------------------------------------------------------------- */

size_t hf_http1_emit(hf_http1 *h, hf_time now, hf_out *out)
{
    const uint64_t before = out->bytes;
    if (hf_http1_output_empty(h))
        return 0;
    h->now = now;
    for (;;) {
        hf_http1_piece *const piece = h->piece_first < h->piece_count ? &h->pieces[h->piece_first] : NULL;
        uint64_t *const copied = piece != NULL ? &piece->before : &h->tail;
        if (*copied > 0) {
            const size_t n = hf_out_queue(out, &h->copied, *copied);
            if (n == 0)
                break;
            *copied -= n;
        } else if (piece != NULL) {
            bool whole;
            (void)hf_out_extent(out, &piece->extent, UINT64_MAX, &whole);
            h->piece_first += whole;
            if (!whole)
                break;
        } else {
            break;
        }
    }
    if (hf_http1_output_empty(h)) {
        h->piece_first = h->piece_count = 0;
        /* the peer's time to think begins when it has what we said */
        if (h->reading == HF_READ_WAIT || (!h->server && h->reading == HF_READ_FIRST))
            h->since = now;
    }
    return (size_t)(out->bytes - before);
}

/* ---- heads -------------------------------------------------------------------------------------------------- */

/* What the core writes itself, and nobody else may. RFC 9112 9.6: "the field name "Close" is reserved". */
static bool is_framing(hf_field_id id)
{
    return id == HF_FIELD_CONTENT_LENGTH || id == HF_FIELD_TRANSFER_ENCODING || id == HF_FIELD_CONNECTION ||
           id == HF_FIELD_KEEP_ALIVE;
}

/* May these fields leave? Whoever splits a response writes CR and LF into a field (RFC 9112 11.1). */
static bool fields_are_fit(hf_fields fields, bool upgrade_allowed)
{
    for (size_t i = 0; i < fields.count; i++) {
        const hf_field *const f = &fields.at[i];
        const hf_field_id id = f->id != HF_FIELD_OTHER ? f->id : hf_field_identify(f->name);
        if (is_framing(id) || (id == HF_FIELD_UPGRADE && !upgrade_allowed) || !hf_http1_field_is_fit(f))
            return false;
    }
    return true;
}

/* The most that is added to the fields of a head: framing, Connection, the empty line. */
enum { HEAD_EXTRA_BYTES = 160 };

static size_t ready_bytes(const hf_response_head *head)
{
    return head->reason.len + head->lines[0].len + head->lines[1].len;
}

/* The status line and all that the caller says. */
static void write_said(hf_writer *w, const hf_response_head *head)
{
    hf_http1_status_line_write(w, head->status, head->reason);
    hf_write(w, head->lines[0]);
    hf_write(w, head->lines[1]);
    hf_http1_fields_write(w, head->fields);
}

static hf_err open_head(hf_http1 *h, hf_fields fields, size_t line_bytes, hf_writer *w)
{
    const size_t bytes = line_bytes + hf_http1_fields_length(fields) + HEAD_EXTRA_BYTES;
    if (bytes > h->env->limits->header_bytes + HEAD_EXTRA_BYTES)
        return hf_err_make(HF_ERR_HTTP1_BAD_HEAD);
    *w = open_writer(h, bytes);
    return hf_err_make(w->capacity == 0 ? HF_ERR_BASE_MEMORY : 0);
}

static void close_head(hf_http1 *h, hf_writer *w, unsigned what)
{
    hf_write_literal(w, "\r\n");
    close_writer(h, w);
    h->sent_bytes = 0;
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP1_SENT_HEAD, w->length, what);
}

static void write_length(hf_writer *w, int64_t length)
{
    hf_write_literal(w, "Content-Length: ");
    hf_write_decimal(w, (uint64_t)length);
    hf_write_literal(w, "\r\n");
}

/* How the body of an answer is framed, and what the head says about it. */
typedef struct framing {
    hf_http1_write_move move;
    int64_t length; /* Content-Length to write, or HF_LENGTH_NONE */
    bool chunked;   /* Transfer-Encoding to write */
    bool close;     /* only the end of the connection ends the body */
} framing;

static framing frame_response(const hf_http1 *h, const hf_response_head *head)
{
    framing f = { HF_WRITE_MOVE_EMPTY, head->content_length, false, false };
    /* RFC 9110 8.6: "A server MUST NOT send a Content-Length header field in any response with a status code of 1xx
     * (Informational) or 204 (No Content)"; RFC 9112 6.1 says the same of Transfer-Encoding. */
    const bool bodiless_status = head->status == 204 || head->status == 304;
    if (head->status == 204 || head->content_length < 0)
        f.length = HF_LENGTH_NONE;
    if (head->content_length == HF_LENGTH_UNKNOWN && !bodiless_status) {
        f.chunked = !h->version_1_0; /* RFC 9112 6.1: never to HTTP/1.0 */
        f.move = h->version_1_0 ? HF_WRITE_MOVE_UNMEASURED : HF_WRITE_MOVE_CHUNKED;
        f.close = h->version_1_0 && !h->bodiless;
    } else if (!bodiless_status && !h->bodiless) {
        f.move = head->content_length > 0 ? HF_WRITE_MOVE_MEASURED : HF_WRITE_MOVE_EMPTY;
        if (head->content_length == HF_LENGTH_NONE) /* else the client would read until close: RFC 9112 6.3, item 8 */
            f.length = 0;
    }
    if (h->bodiless)
        f.move = HF_WRITE_MOVE_EMPTY;
    return f;
}

static bool must_close(const hf_http1 *h, const hf_response_head *head)
{
    /* RFC 9110 10.1.1: a final status before the body was read "SHOULD indicate whether it intends to close". A client
     * that got no 100 may send the body or not: what comes next cannot be told apart, so we close. */
    return head->close || h->closing || h->draining || !h->keep_alive || h->expecting ||
           hf_http1_is_worn(h);
}

static void write_persistence(const hf_http1 *h, hf_writer *w)
{
    if (h->closing)
        hf_write(w, hf_text("Connection: close\r\n"));
    else if (h->version_1_0) /* RFC 9112 C.2.2: there it must be said */
        hf_write(w, hf_text("Connection: keep-alive\r\n"));
}

static hf_err respond_finally(hf_http1 *h, const hf_response_head *head)
{
    const framing f = frame_response(h, head);
    hf_writer w;
    const hf_err err = open_head(h, head->fields, ready_bytes(head) + 64, &w);
    if (err.code != 0)
        return err;
    h->closing = must_close(h, head) || f.close;
    write_said(&w, head);
    if (f.length >= 0)
        write_length(&w, f.length);
    if (f.chunked)
        hf_write(&w, hf_text("Transfer-Encoding: chunked\r\n"));
    if (head->status == 426 && hf_fields_find(head->fields, HF_FIELD_UPGRADE) != NULL)
        hf_write(&w, h->closing ? hf_text("Connection: close, upgrade\r\n") : hf_text("Connection: upgrade\r\n"));
    else
        write_persistence(h, &w);
    close_head(h, &w, head->status);
    h->put_left = f.move == HF_WRITE_MOVE_MEASURED ? (uint64_t)head->content_length : 0;
    hf_http1_move_writing(h, f.move);
    return HF_OK;
}

/* 1xx, and 2xx to CONNECT: no framing. */
static hf_err respond_bare(hf_http1 *h, const hf_response_head *head)
{
    hf_writer w;
    const hf_err err = open_head(h, head->fields, ready_bytes(head) + 64, &w);
    if (err.code != 0)
        return err;
    write_said(&w, head);
    if (head->status == 101) /* RFC 9110 7.8: "A sender of Upgrade MUST also send an "Upgrade" connection option" */
        hf_write(&w, hf_text("Connection: upgrade\r\n"));
    close_head(h, &w, head->status);
    if (head->status == 100)
        h->expecting = false;
    if (head->status == 101 || head->status >= 200)
        hf_http1_move_writing(h, HF_WRITE_MOVE_UPGRADE);
    return HF_OK;
}

hf_err hf_http1_respond(hf_http1 *h, const hf_response_head *head)
{
    if (!h->server || h->writing != HF_WRITE_OWED)
        return hf_err_make(HF_ERR_HTTP1_NO_EXCHANGE);
    const bool may_upgrade = head->status == 101 || head->status == 426;
    if (head->status < 100 || head->status > 999 || !fields_are_fit(head->fields, may_upgrade) ||
        hf_span_of(head->reason, HF_BYTE_VALUE) != head->reason.len)
        return hf_err_make(HF_ERR_HTTP1_BAD_HEAD);
    /* RFC 9110 7.8: "A server MUST NOT switch to a protocol that was not indicated by the client" */
    if (head->status == 101 && !h->upgradable)
        return hf_err_make(HF_ERR_HTTP1_BAD_HEAD);
    if (head->status == 101 || (head->status / 100 == 2 && h->connect))
        return h->closing ? hf_err_make(HF_ERR_HTTP1_BAD_HEAD) : respond_bare(h, head);
    if (head->status >= 200)
        return respond_finally(h, head);
    /* RFC 9110 15.2: "a server MUST NOT send a 1xx response to an HTTP/1.0 client" */
    if (h->version_1_0)
        return HF_OK;
    return copied_room(h) == 0 ? hf_err_make(HF_ERR_BASE_LIMIT) : respond_bare(h, head);
}

/* ---- requests ----------------------------------------------------------------------------------------------- */

static bool request_is_fit(const hf_request_head *head, hf_bytes method)
{
    if (!hf_is_token(method) || head->target.len == 0 || !fields_are_fit(head->fields, false))
        return false;
    if (head->upgrade.len > 0 && !hf_is_field_value(head->upgrade))
        return false;
    if (head->version == HF_HTTP_1_0 && head->content_length == HF_LENGTH_UNKNOWN)
        return false;
    for (size_t i = 0; i < head->target.len; i++)
        if (head->target.ptr[i] <= ' ' || head->target.ptr[i] == 0x7f)
            return false;
    return true;
}

static void write_request_framing(hf_writer *w, const hf_request_head *head, hf_method method)
{
    /* RFC 9110 8.6: a user agent "SHOULD send Content-Length in a request when the method defines a meaning for enclosed
     * content", also when there is none */
    const bool expects_body = hf_method_describe(method)->body != HF_BODY_MEANINGLESS && method != HF_METHOD_UNKNOWN;
    if (head->content_length >= 0)
        write_length(w, head->content_length);
    else if (head->content_length == HF_LENGTH_UNKNOWN)
        hf_write(w, hf_text("Transfer-Encoding: chunked\r\n"));
    else if (expects_body)
        write_length(w, 0);
    if (head->expect_continue && (head->content_length > 0 || head->content_length == HF_LENGTH_UNKNOWN))
        hf_write(w, hf_text("Expect: 100-continue\r\n"));
    if (head->upgrade.len > 0) {
        hf_write(w, hf_text("Connection: upgrade\r\n"));
        hf_http1_field_write(w, hf_text("Upgrade"), head->upgrade);
    } else if (head->version == HF_HTTP_1_0 && head->keep_alive) {
        hf_write(w, hf_text("Connection: keep-alive\r\n"));
    }
}

hf_err hf_http1_request(hf_http1 *h, const hf_request_head *head)
{
    const bool over = h->reading >= HF_READ_UPGRADED || h->closing || h->raw;
    if (h->server || over || h->writing != HF_WRITE_IDLE)
        return hf_err_make(HF_ERR_HTTP1_NO_EXCHANGE);
    if (h->outstanding == HF_HTTP1_PIPELINE || copied_room(h) == 0)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    const hf_bytes method =
        head->method_name.len > 0 ? head->method_name : hf_text(hf_method_describe(head->method)->name);
    if (!request_is_fit(head, method))
        return hf_err_make(HF_ERR_HTTP1_BAD_HEAD);
    hf_writer w;
    const hf_err err = open_head(h, head->fields, method.len + head->target.len + head->upgrade.len + 32, &w);
    if (err.code != 0)
        return err;
    const hf_method id = hf_method_parse(method);
    hf_http1_request_line_write(&w, method, head->target, head->version);
    hf_http1_fields_write(&w, head->fields);
    write_request_framing(&w, head, id);
    close_head(h, &w, id);
    if (h->outstanding == 0)
        h->blanks = 0;
    h->sent[h->outstanding++] = (uint8_t)((id == HF_METHOD_HEAD ? HF_SENT_HEAD : 0) |
                                          (id == HF_METHOD_CONNECT ? HF_SENT_CONNECT : 0) |
                                          (head->upgrade.len > 0 ? HF_SENT_UPGRADE : 0));
    h->since = h->now;
    h->put_left = head->content_length > 0 ? (uint64_t)head->content_length : 0;
    hf_http1_move_writing(h, head->content_length == HF_LENGTH_UNKNOWN ? HF_WRITE_MOVE_CHUNKED
                             : head->content_length > 0                ? HF_WRITE_MOVE_MEASURED
                                                                       : HF_WRITE_MOVE_EMPTY);
    return HF_OK;
}

/* ---- bodies ------------------------------------------------------------------------------------------------- */

/* What put takes of the extents it is offered. */
typedef struct offer {
    uint64_t bytes;  /* in all */
    uint64_t copied; /* of them, to be copied */
    size_t whole;    /* extents taken whole, from the first */
    size_t part;     /* bytes taken of the next, which is COPIED */
    size_t pieces;   /* LENT and FILE among the whole ones */
    bool too_long;   /* more than the declared length */
} offer;

static offer weigh(const hf_http1 *h, const hf_extent *extents, size_t count)
{
    offer o = { 0 };
    const uint64_t room = copied_room(h), owed = h->writing == HF_WRITE_LENGTH ? h->put_left : UINT64_MAX;
    const size_t slots = piece_room(h);
    for (; o.whole < count; o.whole++) {
        const hf_extent *const e = &extents[o.whole];
        const uint64_t length = hf_extent_length(e);
        if (length > owed - o.bytes) {
            o.too_long = true;
            break;
        }
        if (e->kind != HF_EXTENT_COPIED) {
            if (o.pieces == slots)
                break;
            o.pieces++;
        } else if (length > room - o.copied) {
            o.part = e->token == 0 ? (size_t)(room - o.copied) : 0;
            o.copied += o.part;
            o.bytes += o.part;
            break;
        } else {
            o.copied += length;
        }
        o.bytes += length;
    }
    return o;
}

static void add_extents(hf_http1 *h, const hf_extent *extents, const offer *o)
{
    for (size_t i = 0; i < o->whole; i++) {
        if (extents[i].kind == HF_EXTENT_COPIED)
            add_copied(h, extents[i].bytes);
        else if (extents[i].token != 0 || hf_extent_length(&extents[i]) > 0)
            add_piece(h, &extents[i]);
    }
    if (o->part > 0)
        add_copied(h, hf_bytes_make(extents[o->whole].bytes.ptr, o->part));
}

static bool queue_offer(hf_http1 *h, const hf_extent *extents, const offer *o)
{
    /* everything is reserved first: then memory cannot end in the middle of a chunk */
    const size_t bytes = (size_t)o->copied + HF_HTTP1_FRAMING_BYTES;
    if (!reserve_pieces(h, o->pieces) || hf_queue_reserve(&h->copied, bytes).ptr == NULL)
        return false;
    const bool chunk = h->writing == HF_WRITE_CHUNKED && o->bytes > 0; /* a chunk of size 0 would end the body */
    if (chunk) {
        hf_writer w = open_writer(h, HF_HTTP1_FRAMING_BYTES);
        hf_write_hex(&w, o->bytes);
        hf_write(&w, hf_bytes_make("\r\n", 2));
        close_writer(h, &w);
    }
    add_extents(h, extents, o);
    if (chunk)
        add_copied(h, hf_bytes_make("\r\n", 2));
    return true;
}

/* The body stays here; but whoever lent a piece waits to have it back, so the tokens leave on empty pieces. */
static uint64_t put_nowhere(hf_http1 *h, const hf_extent *extents, size_t count, hf_err *err)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (extents[i].token != 0) {
            const hf_extent empty = { .kind = HF_EXTENT_LENT, .token = extents[i].token };
            if (piece_room(h) == 0)
                return bytes;
            if (!reserve_pieces(h, 1)) {
                *err = hf_err_make(HF_ERR_BASE_MEMORY);
                return bytes;
            }
            add_piece(h, &empty);
        }
        bytes += hf_extent_length(&extents[i]);
    }
    return bytes;
}

/* A small body in one piece, for which there is room: what nearly all are. False: the long way must be gone. */
static bool put_at_once(hf_http1 *h, hf_bytes body)
{
    const size_t n = body.len;
    if (h->writing != HF_WRITE_LENGTH || n > h->put_left || n > copied_room(h) || !hf_queue_append(&h->copied, body))
        return false;
    h->tail += n;
    h->put_left -= n;
    h->sent_bytes += n;
    return true;
}

static uint64_t put(hf_http1 *h, const hf_extent *extents, size_t count, hf_err *err)
{
    if (count == 1 && extents->kind == HF_EXTENT_COPIED && put_at_once(h, extents->bytes))
        return extents->bytes.len;
    if (h->writing == HF_WRITE_EMPTY)
        return put_nowhere(h, extents, count, err);
    if (h->writing < HF_WRITE_LENGTH || h->writing > HF_WRITE_RAW) {
        *err = hf_err_make(HF_ERR_HTTP1_NO_EXCHANGE);
        return 0;
    }
    const offer o = weigh(h, extents, count);
    if (o.too_long)
        *err = hf_err_make(HF_ERR_HTTP1_BODY_LENGTH);
    if (o.bytes == 0 && o.pieces == 0)
        return 0;
    if (!queue_offer(h, extents, &o)) {
        *err = hf_err_make(HF_ERR_BASE_MEMORY);
        return 0;
    }
    if (h->writing == HF_WRITE_LENGTH)
        h->put_left -= o.bytes;
    h->sent_bytes += o.bytes;
    return o.bytes;
}

uint64_t hf_http1_put(hf_http1 *h, const hf_extent *extents, size_t count, hf_err *err)
{
    hf_err ignored;
    if (err == NULL)
        err = &ignored;
    *err = HF_OK;
    return put(h, extents, count, err);
}

uint64_t hf_http1_room(const hf_http1 *h)
{
    if (h->writing == HF_WRITE_EMPTY)
        return UINT64_MAX;
    if (h->writing < HF_WRITE_LENGTH || h->writing > HF_WRITE_RAW)
        return 0;
    const uint64_t room = copied_room(h);
    return h->writing == HF_WRITE_LENGTH && h->put_left < room ? h->put_left : room;
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

/* "0 CRLF" trailers CRLF. */
static hf_err end_chunks(hf_http1 *h, hf_fields trailers)
{
    const size_t bytes = hf_http1_fields_length(trailers);
    if (bytes > h->env->limits->trailer_bytes || !fields_are_fit(trailers, false))
        return hf_err_make(HF_ERR_HTTP1_BAD_HEAD);
    for (size_t i = 0; i < trailers.count; i++)
        if (!hf_http1_trailer_is_fit(hf_field_identify(trailers.at[i].name)))
            return hf_err_make(HF_ERR_HTTP1_BAD_HEAD);
    hf_writer w = open_writer(h, bytes + 8);
    if (w.capacity == 0)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_write(&w, hf_bytes_make("0\r\n", 3));
    hf_http1_fields_write(&w, trailers);
    hf_write(&w, hf_bytes_make("\r\n", 2));
    close_writer(h, &w);
    return HF_OK;
}

/* Server: the answer is over; the request may not have been read whole. RFC 9112 9.3: "A server MUST read the entire
 * request message body or close the connection after sending its response" */
static void settle_request(hf_http1 *h)
{
    if (h->reading < HF_READ_LENGTH || h->reading > HF_READ_UNTIL_CLOSE)
        return;
    const uint64_t known = h->reading == HF_READ_LENGTH ? h->left : 0;
    /* chunks are read on, though the connection closes then: their end may come soon, and their size is logged */
    h->abandoned = known > HF_HTTP1_DISCARD_BYTES || (h->closing && (h->reading == HF_READ_LENGTH || h->expecting));
    h->discarding = true;
    h->discard_left = HF_HTTP1_DISCARD_BYTES;
}

static void end_message(hf_http1 *h)
{
    hf_http1_move_writing(h, HF_WRITE_MOVE_END);
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP1_SENT_END, h->sent_bytes, 0);
    if (h->server)
        settle_request(h);
}

/* What nearly every answer is: a 200 with a body, to a client of HTTP/1.1 that stays. */
static bool is_usual(const hf_http1 *h, const hf_response_head *head, hf_bytes body)
{
    return h->writing == HF_WRITE_OWED && head->status == 200 && head->reason.len == 0 && body.len > 0 &&
           head->content_length == (int64_t)body.len && !h->bodiless && !h->connect && !h->version_1_0 && !must_close(h, head);
}

/* Head, body and end of a usual answer in one go. False: the long way must be gone, and nothing happened. */
static bool answer_usual(hf_http1 *h, const hf_response_head *head, hf_bytes body)
{
    const size_t bytes = ready_bytes(head) + hf_http1_fields_length(head->fields) + 64;
    if (bytes > h->env->limits->header_bytes || bytes + body.len > copied_room(h) || !fields_are_fit(head->fields, false))
        return false;
    hf_writer w = open_writer(h, bytes + body.len);
    if (w.capacity == 0)
        return false;
    hf_write_literal(&w, "HTTP/1.1 200 OK\r\n");
    hf_write(&w, head->lines[0]);
    hf_write(&w, head->lines[1]);
    if (head->fields.count > 0)
        hf_http1_fields_write(&w, head->fields);
    hf_write_literal(&w, "Content-Length: ");
    hf_write_decimal(&w, body.len);
    hf_write_literal(&w, "\r\n\r\n");
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP1_SENT_HEAD, w.length, 200);
    hf_write(&w, body);
    close_writer(h, &w);
    h->put_left = 0;
    h->sent_bytes = body.len;
    hf_http1_move_writing(h, HF_WRITE_MOVE_MEASURED);
    end_message(h);
    return true;
}

hf_err hf_http1_answer(hf_http1 *h, const hf_response_head *head, hf_bytes body, bool *whole)
{
    *whole = false;
    hf_response_head last;
    /* The answer is over before a body that is too long to be swallowed, or in chunks, of which nobody knows how many will
     * come. RFC 9112 9.6: a sender says "close" "when it intends to close a connection" */
    if (h->server && h->reading >= HF_READ_LENGTH && h->reading <= HF_READ_UNTIL_CLOSE &&
        (h->reading != HF_READ_LENGTH || h->left > HF_HTTP1_DISCARD_BYTES)) {
        last = *head;
        last.close = true;
        head = &last;
    }
    *whole = is_usual(h, head, body) && answer_usual(h, head, body);
    if (*whole)
        return HF_OK;
    const hf_err err = hf_http1_respond(h, head);
    if (err.code != 0)
        return err;
    *whole = h->writing == HF_WRITE_EMPTY || (h->put_left == body.len && put_at_once(h, body));
    if (*whole)
        end_message(h);
    return HF_OK;
}

hf_err hf_http1_end(hf_http1 *h, hf_ending ending, hf_fields trailers)
{
    const bool answering = h->writing > HF_WRITE_OWED && h->writing < HF_WRITE_BROKEN;
    if (!answering && !(h->writing == HF_WRITE_OWED && ending.kind == HF_ENDING_RESET))
        return hf_err_make(HF_ERR_HTTP1_NO_EXCHANGE);
    if (ending.kind == HF_ENDING_RESET || (h->writing == HF_WRITE_LENGTH && h->put_left > 0)) {
        h->closing = true;
        hf_http1_move_writing(h, HF_WRITE_MOVE_BREAK);
        return HF_OK;
    }
    if (h->writing == HF_WRITE_CHUNKED) {
        const hf_err err = end_chunks(h, trailers);
        if (err.code != 0)
            return err;
    }
    end_message(h);
    return HF_OK;
}
