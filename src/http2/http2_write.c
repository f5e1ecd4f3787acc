/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands. Every frame but DATA goes into one queue in the order in which it was made, because header blocks must leave
 * in the order in which they were encoded; bodies wait in their streams, from which emit takes them in turns. Only the short
 * body of an answer that is given whole may follow its head there.
 */
#include "http2_core.h"

#include "alloc.h"
#include "message.h"
#include "panic.h"

/* ---- the control queue -------------------------------------------------------------------------------------- */

static uint8_t *reserve(hf_http2 *h, size_t n)
{
    uint8_t *const to = hf_queue_reserve(&h->control, n).ptr;
    h->out_of_memory = h->out_of_memory || to == NULL;
    return to;
}

static void commit(hf_http2 *h, size_t n)
{
    hf_queue_commit(&h->control, n);
    h->control_in += n;
}

bool hf_http2_send(hf_http2 *h, unsigned type, unsigned flags, uint32_t stream, hf_bytes payload)
{
    uint8_t *const to = reserve(h, HF_FRAME_HEADER_BYTES + payload.len);
    if (to == NULL)
        return false;
    hf_frame_write(to, (uint32_t)payload.len, type, flags, stream);
    if (payload.len > 0)
        memcpy(to + HF_FRAME_HEADER_BYTES, payload.ptr, payload.len);
    commit(h, HF_FRAME_HEADER_BYTES + payload.len);
    return true;
}

bool hf_http2_send_u32(hf_http2 *h, unsigned type, uint32_t stream, uint32_t value)
{
    uint8_t payload[4];
    hf_store_u32(payload, value);
    return hf_http2_send(h, type, 0, stream, hf_bytes_make(payload, sizeof payload));
}

bool hf_http2_send_goaway(hf_http2 *h, uint32_t last, hf_http2_code code, hf_bytes text)
{
    uint8_t payload[128];
    const size_t n = text.len < sizeof payload - 8 ? text.len : sizeof payload - 8;
    hf_store_u32(payload, last);
    hf_store_u32(payload + 4, code);
    if (n > 0)
        memcpy(payload + 8, text.ptr, n);
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP2_GOAWAY, last, code);
    return hf_http2_send(h, HF_FRAME_GOAWAY, 0, 0, hf_bytes_make(payload, 8 + n));
}

static void put_setting(hf_writer *w, uint16_t id, uint64_t value)
{
    uint8_t bytes[6] = { (uint8_t)(id >> 8), (uint8_t)id };
    hf_store_u32(bytes + 2, value > UINT32_MAX ? UINT32_MAX : (uint32_t)value);
    hf_write(w, hf_bytes_make(bytes, sizeof bytes));
}

bool hf_http2_send_settings(hf_http2 *h)
{
    const hf_limits *const l = h->env->limits;
    uint8_t payload[64];
    hf_writer w = hf_writer_make(payload, sizeof payload);
    HF_ASSERT(l->http2_frame_bytes >= HF_FRAME_LEAST_MAX && l->http2_frame_bytes <= HF_FRAME_MOST_MAX);
    if (!h->server) {
        uint8_t *const to = reserve(h, HF_PREFACE_BYTES);
        if (to == NULL)
            return false;
        memcpy(to, hf_http2_preface, HF_PREFACE_BYTES);
        commit(h, HF_PREFACE_BYTES);
        put_setting(&w, HF_SETTING_ENABLE_PUSH, h->options.push);
    }
    put_setting(&w, HF_SETTING_MAX_CONCURRENT_STREAMS, h->server ? l->http2_streams : l->http2_pushes);
    put_setting(&w, HF_SETTING_MAX_HEADER_LIST_SIZE, l->header_bytes);
    if (l->http2_table_bytes != 4096)
        put_setting(&w, HF_SETTING_HEADER_TABLE_SIZE, l->http2_table_bytes);
    if (l->http2_frame_bytes != HF_FRAME_LEAST_MAX)
        put_setting(&w, HF_SETTING_MAX_FRAME_SIZE, l->http2_frame_bytes);
    if (h->server && h->options.connect_protocol)
        put_setting(&w, HF_SETTING_ENABLE_CONNECT_PROTOCOL, 1);
    if (h->server)
        put_setting(&w, HF_SETTING_NO_RFC7540_PRIORITIES, 1);
    HF_ASSERT(!w.overflowed);
    return hf_http2_send(h, HF_FRAME_SETTINGS, 0, 0, hf_written(&w));
}

/* ---- header blocks ------------------------------------------------------------------------------------------ */

/* A frame under way in the control queue: its header, `prefix` bytes, then a block of fields. */
typedef struct block {
    uint8_t *at;
    size_t prefix;
    hf_writer w;
} block;

/* Room for fields of so many bytes in names, values and their framing. */
static bool open_block(hf_http2 *h, size_t prefix, size_t most, block *b)
{
    const size_t frames = 1 + (most + prefix) / h->peer_frame; /* each CONTINUATION will need its header */
    const size_t n = frames * HF_FRAME_HEADER_BYTES + prefix + most;
    b->at = hf_queue_reserve(&h->control, n).ptr;
    if (b->at == NULL)
        return false;
    b->prefix = prefix;
    b->w = hf_writer_make(b->at + HF_FRAME_HEADER_BYTES + prefix, most);
    hf_hpack_begin(&h->encoder, &b->w);
    return true;
}

/* Writes the headers of the frames; a block that is longer than a frame is cut, from its end, so that each part moves
 * once. */
static void close_block(hf_http2 *h, block *b, unsigned type, unsigned flags, uint32_t stream)
{
    HF_ASSERT(!b->w.overflowed);
    const size_t payload = b->prefix + b->w.length, most = h->peer_frame;
    const size_t more = payload <= most ? 0 : (payload - 1) / most;
    uint8_t *const bytes = b->at + HF_FRAME_HEADER_BYTES;
    for (size_t i = more; i > 0; i--) {
        const size_t n = i == more ? payload - i * most : most;
        uint8_t *const to = bytes + i * (most + HF_FRAME_HEADER_BYTES);
        memmove(to, bytes + i * most, n);
        hf_frame_write(to - HF_FRAME_HEADER_BYTES, (uint32_t)n, HF_FRAME_CONTINUATION, i == more ? HF_FLAG_END_HEADERS : 0,
                       stream);
    }
    flags |= more > 0 ? 0u : HF_FLAG_END_HEADERS;
    hf_frame_write(b->at, (uint32_t)(more > 0 ? most : payload), type, flags, stream);
    commit(h, HF_FRAME_HEADER_BYTES * (1 + more) + payload);
}

static size_t fields_most(hf_fields fields)
{
    size_t n = HF_HPACK_BEGIN_MOST;
    for (size_t i = 0; i < fields.count; i++)
        n += hf_hpack_field_most(fields.at[i].name.len, fields.at[i].value.len);
    return n;
}

static void write_fields(hf_http2 *h, hf_writer *w, hf_fields fields)
{
    for (size_t i = 0; i < fields.count; i++)
        hf_hpack_field(&h->encoder, w, &fields.at[i]);
}

static bool fields_are_fit(const hf_http2 *h, hf_fields fields)
{
    return hf_message_fields_fit(fields, h->env->limits->header_bytes);
}

static void write_length(hf_http2 *h, hf_writer *w, int64_t length)
{
    uint8_t digits[24];
    hf_writer text = hf_writer_make(digits, sizeof digits);
    hf_write_decimal(&text, (uint64_t)length);
    const hf_field f = { HF_LITERAL("content-length"), hf_written(&text), HF_FIELD_CONTENT_LENGTH };
    hf_hpack_field(&h->encoder, w, &f);
}

enum { LENGTH_MOST = 14 + 24 + 64, STATUS_MOST = 7 + 3 + 64 };

/* ---- respond ------------------------------------------------------------------------------------------------ */

static hf_err no_stream(void)
{
    return hf_err_make(HF_ERR_HTTP2_NO_STREAM);
}

static void write_status(hf_http2 *h, hf_writer *w, unsigned status)
{
    const uint8_t digits[3] = { (uint8_t)('0' + status / 100), (uint8_t)('0' + status / 10 % 10),
                                (uint8_t)('0' + status % 10) };
    hf_hpack_pseudo(&h->encoder, w, HF_HPACK_STATUS, hf_bytes_make(digits, 3));
}

/* `known` is the block, where it was said just so before; else empty. */
static hf_err send_response(hf_http2 *h, hf_http2_exchange *s, const hf_response_head *head, hf_fields lines, int64_t length,
                            hf_bytes known)
{
    block b;
    const size_t most = known.len > 0 ? known.len : fields_most(lines) + fields_most(head->fields) + LENGTH_MOST + STATUS_MOST;
    if (!open_block(h, 0, most, &b))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    if (known.len > 0) {
        hf_write(&b.w, known);
    } else {
        write_status(h, &b.w, head->status);
        write_fields(h, &b.w, lines);
        write_fields(h, &b.w, head->fields);
        if (length >= 0)
            write_length(h, &b.w, length);
        hf_hpack_remember(&h->encoder, head, length, hf_written(&b.w));
    }
    s->head_at = h->control_in + 4 + 1; /* the flags are the fifth byte */
    close_block(h, &b, HF_FRAME_HEADERS, 0, s->id);
    hf_http2_move(h, s, HF_STREAM_MOVE_SEND_HEADERS);
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP2_SENT_HEAD, s->id, head->status);
    return HF_OK;
}

static hf_err respond(hf_http2 *h, hf_http2_exchange *s, const hf_response_head *head)
{
    hf_field ready[HF_HTTP2_LINES];
    size_t count = 0;
    if (s == NULL || !h->server || s->phase != HF_PHASE_OWED || h->reading >= HF_READING_CLOSED)
        return no_stream();
    if (!hf_http2_local_open(s) && s->state != HF_STREAM_RESERVED_LOCAL)
        return no_stream();
    /* RFC 9113 8.6: "HTTP/2 removes support for the 101 (Switching Protocols) informational status code" */
    if (head->status < 100 || head->status > 999 || head->status == 101)
        return hf_err_make(HF_ERR_HTTP2_BAD_HEAD);
    const bool interim = head->status < 200, tunnel = s->connect && head->status / 100 == 2;
    if (interim && s->state == HF_STREAM_RESERVED_LOCAL)
        return hf_err_make(HF_ERR_HTTP2_BAD_HEAD);
    const int64_t length = interim || tunnel || head->status == 204 ? -1 : head->content_length;
    const hf_bytes known = hf_hpack_recall(&h->encoder, head, length);
    if (known.len == 0 && (!hf_message_lines(head->lines, ready, HF_COUNT(ready), &count) ||
                           !fields_are_fit(h, (hf_fields){ ready, count }) || !fields_are_fit(h, head->fields)))
        return hf_err_make(HF_ERR_HTTP2_BAD_HEAD); /* what is known was fit when it was said before */
    const hf_err err = send_response(h, s, head, (hf_fields){ ready, count }, length, known);
    if (err.code != 0)
        return err;
    if (interim) {
        if (head->status == 100) {
            s->continue_owed = false;
            hf_http2_await(h, s);
        }
        return HF_OK;
    }
    s->phase = HF_PHASE_SENDING;
    s->bodiless = s->head || head->status == 204 || head->status == 304;
    s->connect = tunnel;
    const int64_t declared = head->content_length < 0 ? 0 : head->content_length;
    s->put_left = tunnel || head->content_length == HF_LENGTH_UNKNOWN ? -1 : declared;
    return HF_OK;
}

hf_err hf_http2_respond(hf_http2 *h, hf_http2_stream stream, const hf_response_head *head)
{
    return respond(h, hf_http2_find(h, stream), head);
}

/* ---- request ------------------------------------------------------------------------------------------------ */

typedef hf_message_request_out outgoing;

static bool prepare(const hf_http2 *h, const hf_request_head *head, outgoing *o)
{
    return hf_message_prepare(head, h->peer_connect, h->env->limits->header_bytes, o);
}

static size_t outgoing_most(const outgoing *o)
{
    return fields_most(o->fields) + o->method.len + o->scheme.len + o->authority.len + o->path.len + o->protocol.len +
           LENGTH_MOST + 8 * 64;
}

static void write_request(hf_http2 *h, hf_writer *w, const outgoing *o)
{
    hf_hpack_pseudo(&h->encoder, w, HF_HPACK_METHOD, o->method);
    if (hf_message_has_path(o)) {
        hf_hpack_pseudo(&h->encoder, w, HF_HPACK_SCHEME, o->scheme);
        hf_hpack_pseudo(&h->encoder, w, HF_HPACK_PATH, o->path);
    }
    hf_hpack_pseudo(&h->encoder, w, HF_HPACK_AUTHORITY, o->authority);
    if (o->protocol.len > 0) {
        const hf_field f = { HF_LITERAL(":protocol"), o->protocol, HF_FIELD_OTHER };
        hf_hpack_field(&h->encoder, w, &f);
    }
    for (size_t i = 0; i < o->fields.count; i++) {
        const hf_field *const f = &o->fields.at[i];
        if ((f->id != HF_FIELD_OTHER ? f->id : hf_field_identify(f->name)) != HF_FIELD_HOST)
            hf_hpack_field(&h->encoder, w, f);
    }
    if (o->length >= 0)
        write_length(h, w, o->length);
    if (o->expects) {
        const hf_field f = { HF_LITERAL("expect"), HF_LITERAL("100-continue"), HF_FIELD_EXPECT };
        hf_hpack_field(&h->encoder, w, &f);
    }
}

hf_err hf_http2_request(hf_http2 *h, const hf_request_head *head, hf_http2_stream *stream)
{
    outgoing o;
    if (h->server)
        return no_stream();
    if (h->goaway_received || h->goaway_sent || h->draining || h->reading >= HF_READING_CLOSED ||
        h->next_own > HF_STREAM_MAX)
        return hf_err_make(HF_ERR_HTTP2_NOT_PROCESSED);
    if (!prepare(h, head, &o))
        return hf_err_make(HF_ERR_HTTP2_BAD_HEAD);
    if (h->own_open >= h->peer_streams) {
        h->slot_wanted = true;
        return hf_err_make(HF_ERR_BASE_LIMIT);
    }
    block b;
    hf_http2_exchange *const s = hf_http2_open(h, h->next_own, true);
    if (s == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    if (!open_block(h, 0, outgoing_most(&o), &b)) {
        s->state = HF_STREAM_CLOSED;
        s->phase = HF_PHASE_ENDED;
        s->told_end = true;
        hf_http2_settle(h, s);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    h->next_own += 2;
    write_request(h, &b.w, &o);
    s->head_at = h->control_in + 4 + 1;
    close_block(h, &b, HF_FRAME_HEADERS, 0, s->id);
    hf_http2_move(h, s, HF_STREAM_MOVE_SEND_HEADERS);
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP2_SENT_HEAD, s->id, hf_method_parse(o.method));
    s->phase = HF_PHASE_SENDING;
    s->head = hf_method_parse(o.method) == HF_METHOD_HEAD;
    s->connect = o.connect;
    s->put_left = o.connect || head->content_length == HF_LENGTH_UNKNOWN ? -1 : o.length < 0 ? 0 : o.length;
    *stream = s->id;
    return HF_OK;
}

/* ---- put ---------------------------------------------------------------------------------------------------- */

uint64_t hf_http2_copied_room(const hf_http2 *h, const hf_http2_exchange *s)
{
    const hf_limits *const l = h->env->limits;
    const uint64_t held = hf_outlet_copied(&s->output);
    const uint64_t mine = held < l->output_bytes ? l->output_bytes - held : 0;
    const uint64_t all = h->copied_bytes < l->http2_output_bytes ? l->http2_output_bytes - h->copied_bytes : 0;
    return mine < all ? mine : all;
}

size_t hf_http2_piece_room(const hf_http2 *h, const hf_http2_exchange *s)
{
    const uint64_t held = hf_outlet_pieces(&s->output), most = h->env->limits->output_extents;
    return held < most ? (size_t)(most - held) : 0;
}

/* One extent, or what there is room for. Returns the bytes; *full: the next one need not be tried. */
static uint64_t put_one(hf_http2 *h, hf_http2_exchange *s, const hf_extent *e, bool *full, hf_err *err)
{
    const uint64_t length = hf_extent_length(e);
    *full = true;
    if (s->put_left >= 0 && length > (uint64_t)s->put_left) {
        *err = hf_err_make(HF_ERR_HTTP2_BODY_LENGTH);
        return 0;
    }
    if (e->kind != HF_EXTENT_COPIED) {
        if (hf_http2_piece_room(h, s) == 0)
            return 0;
        if (length == 0 && e->token == 0) {
            *full = false;
            return 0;
        }
        if (!hf_outlet_reserve(&s->output, 1)) {
            *err = hf_err_make(HF_ERR_BASE_MEMORY);
            return 0;
        }
        hf_outlet_lend(&s->output, e);
        *full = false;
        return length;
    }
    const uint64_t room = hf_http2_copied_room(h, s), n = length <= room ? length : e->token != 0 ? 0 : room;
    if (n > 0 && !hf_outlet_append(&s->output, hf_bytes_make(e->bytes.ptr, (size_t)n))) {
        *err = hf_err_make(HF_ERR_BASE_MEMORY);
        return 0;
    }
    h->copied_bytes += n;
    *full = n < length;
    return n;
}

/* The body stays here; but whoever lent a piece waits to have it back. */
static uint64_t put_nowhere(hf_http2 *h, const hf_extent *extents, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (extents[i].token != 0)
            hf_http2_return_token(h, extents[i].token);
        bytes += hf_extent_length(&extents[i]);
    }
    return bytes;
}

uint64_t hf_http2_put(hf_http2 *h, hf_http2_stream stream, const hf_extent *extents, size_t count, hf_err *err)
{
    hf_http2_exchange *const s = hf_http2_find(h, stream);
    hf_err ignored;
    if (err == NULL)
        err = &ignored;
    *err = HF_OK;
    if (s == NULL || s->phase != HF_PHASE_SENDING || !hf_http2_local_open(s) || h->reading >= HF_READING_CLOSED) {
        *err = no_stream();
        return 0;
    }
    if (s->bodiless)
        return put_nowhere(h, extents, count);
    uint64_t bytes = 0;
    bool full = false;
    for (size_t i = 0; i < count && !full; i++) {
        const uint64_t n = put_one(h, s, &extents[i], &full, err);
        bytes += n;
        s->put_bytes += n;
        if (s->put_left >= 0)
            s->put_left -= (int64_t)n;
    }
    if (full && err->code == 0 && !s->put_short) {
        s->put_short = true;
        h->short_count++;
    }
    hf_http2_schedule(h, s);
    return bytes;
}

uint64_t hf_http2_room(const hf_http2 *h, hf_http2_stream stream)
{
    const hf_http2_exchange *const s = hf_http2_find(h, stream);
    if (s == NULL || s->phase != HF_PHASE_SENDING || h->reading >= HF_READING_CLOSED)
        return 0;
    if (s->bodiless)
        return UINT64_MAX;
    const uint64_t room = hf_http2_copied_room(h, s);
    return s->put_left >= 0 && (uint64_t)s->put_left < room ? (uint64_t)s->put_left : room;
}

/* ---- end ---------------------------------------------------------------------------------------------------- */

void hf_http2_sent_end(hf_http2 *h, hf_http2_exchange *s)
{
    s->end_sent = true;
    hf_http2_unschedule(h, s);
    hf_http2_move(h, s, HF_STREAM_MOVE_SEND_END);
    if (s->stopping && s->state < HF_STREAM_CLOSED) /* RFC 9113 8.1: "without error after sending a complete response" */
        hf_http2_reset(h, s, 0, HF_HTTP2_NO_ERROR);
    else
        hf_http2_settle(h, s);
}

bool hf_http2_send_trailers(hf_http2 *h, hf_http2_exchange *s, hf_fields fields)
{
    block b;
    if (!open_block(h, 0, fields_most(fields), &b))
        return false;
    write_fields(h, &b.w, fields);
    close_block(h, &b, HF_FRAME_HEADERS, HF_FLAG_END_STREAM, s->id);
    return true;
}

/* END_STREAM goes with the head when that still waits, or with the last DATA. */
static void end_sending(hf_http2 *h, hf_http2_exchange *s)
{
    if (!hf_outlet_waits(&s->output) && s->end_fields == NULL && s->head_at > h->control_out) {
        h->control.memory[h->control.head + (size_t)(s->head_at - 1 - h->control_out)] |= HF_FLAG_END_STREAM;
        hf_http2_sent_end(h, s);
        return;
    }
    hf_http2_schedule(h, s);
}

/* Nobody will read the rest of the request. */
static void stop_reading(hf_http2 *h, hf_http2_exchange *s)
{
    if (!hf_http2_remote_open(s))
        return;
    s->discarding = true;
    s->stopping = s->refused || s->continue_owed ||
                  (s->declared >= 0 && s->declared - (int64_t)s->received > s->recv_window);
    if (!s->waiting)
        hf_http2_await(h, s);
}

/* All was said of the stream, and leaves; nobody reads what still comes. */
static void leave(hf_http2 *h, hf_http2_exchange *s)
{
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP2_SENT_END, s->id, s->put_bytes);
    s->phase = HF_PHASE_ENDED;
    if (h->server) {
        s->due = 0;
        hf_http2_drop_held(h, s);
        stop_reading(h, s);
    } else {
        hf_http2_await(h, s);
    }
}

hf_err hf_http2_end(hf_http2 *h, hf_http2_stream stream, hf_ending ending, hf_fields trailers)
{
    hf_http2_exchange *const s = hf_http2_find(h, stream);
    if (s == NULL || !hf_http2_is_known(h, s) || h->reading >= HF_READING_CLOSED)
        return no_stream();
    const bool cut = s->phase == HF_PHASE_SENDING && !s->bodiless && s->put_left > 0;
    if (ending.kind == HF_ENDING_RESET || (cut && s->state < HF_STREAM_CLOSED)) {
        const bool chosen = ending.kind == HF_ENDING_RESET;
        s->phase = HF_PHASE_ENDED;
        s->told_end = true;
        s->due = 0;
        hf_http2_reset(h, s, 0, chosen ? (uint32_t)ending.code : HF_HTTP2_INTERNAL_ERROR);
        return HF_OK;
    }
    if (s->phase != HF_PHASE_SENDING)
        return no_stream();
    if (trailers.count > 0 && !s->bodiless) {
        if (!fields_are_fit(h, trailers))
            return hf_err_make(HF_ERR_HTTP2_BAD_HEAD);
        if (!hf_http2_copy_fields(&h->env->alloc, trailers, &s->end_fields, &s->end_bytes))
            return hf_err_make(HF_ERR_BASE_MEMORY);
        s->end_count = (uint32_t)trailers.count;
    }
    leave(h, s);
    if (s->state < HF_STREAM_CLOSED)
        end_sending(h, s);
    return HF_OK;
}

/* ---- the whole answer --------------------------------------------------------------------------------------- */

static bool is_anyone_ready(const hf_http2 *h)
{
    for (unsigned u = 0; u < HF_URGENCIES; u++)
        if (h->ready[u] != NULL)
            return true;
    return false;
}

/* All of a short body, as a frame right behind its head, for which the stream need not take a turn. Not where others wait for
 * theirs, and not before the windows let it. False: nothing happened. */
static bool send_short(hf_http2 *h, hf_http2_exchange *s, hf_bytes body)
{
    const int64_t n = (int64_t)body.len;
    const size_t held = hf_queue_length(&h->control);
    if (body.len > HF_HTTP2_SHORT || n != s->put_left || n > s->send_window || n > h->send_window ||
        held > HF_HTTP2_SHORT_MOST || is_anyone_ready(h))
        return false;
    uint8_t *const to = hf_queue_reserve(&h->control, HF_FRAME_HEADER_BYTES + body.len).ptr;
    if (to == NULL)
        return false;
    hf_frame_write(to, (uint32_t)body.len, HF_FRAME_DATA, HF_FLAG_END_STREAM, s->id);
    memcpy(to + HF_FRAME_HEADER_BYTES, body.ptr, body.len);
    commit(h, HF_FRAME_HEADER_BYTES + body.len);
    s->put_left = 0;
    s->put_bytes = body.len;
    hf_http2_charge(h, s, body.len);
    return true;
}

hf_err hf_http2_answer(hf_http2 *h, hf_http2_stream stream, const hf_response_head *head, hf_bytes body, bool *whole)
{
    hf_http2_exchange *const s = hf_http2_find(h, stream);
    *whole = false;
    const hf_err err = respond(h, s, head);
    if (err.code != 0 || s->phase != HF_PHASE_SENDING)
        return err;
    const bool bare = s->bodiless || (body.len == 0 && s->put_left <= 0);
    if (!bare && !send_short(h, s, body))
        return HF_OK;
    *whole = true;
    leave(h, s);
    if (bare)
        end_sending(h, s);
    else
        hf_http2_sent_end(h, s);
    return HF_OK;
}

/* ---- push --------------------------------------------------------------------------------------------------- */

static uint64_t hash_of(uint64_t hash, hf_bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        hash = (hash ^ b.ptr[i]) * 0x100000001b3u;
    return (hash ^ 0xff) * 0x100000001b3u;
}

/* Notes that this was pushed; false when it was before, or cannot be noted. */
static bool note_pushed(hf_http2 *h, const outgoing *o)
{
    const uint64_t most = h->env->limits->http2_pushes;
    const uint64_t hash = hash_of(hash_of(0xcbf29ce484222325u, o->authority), o->path);
    if (h->pushed == NULL)
        h->pushed = hf_alloc(&h->env->alloc, (size_t)most * sizeof *h->pushed);
    for (uint32_t i = 0; h->pushed != NULL && i < h->pushed_count; i++)
        if (h->pushed[i] == hash)
            return false;
    if (h->pushed == NULL)
        return false;
    h->pushed[h->pushed_count++] = hash;
    return true;
}

hf_err hf_http2_push(hf_http2 *h, hf_http2_stream stream, const hf_request_head *request, hf_http2_stream *promised)
{
    const hf_http2_exchange *const parent = hf_http2_find(h, stream);
    outgoing o;
    block b;
    if (parent == NULL || parent->ours || !hf_http2_local_open(parent) || parent->phase == HF_PHASE_ENDED)
        return no_stream();
    if (!hf_http2_can_push(h))
        return hf_err_make(HF_ERR_HTTP2_PUSH);
    const bool fit = prepare(h, request, &o);
    if (!fit || !(hf_bytes_equal(o.method, hf_text("GET")) || hf_bytes_equal(o.method, hf_text("HEAD"))))
        return hf_err_make(HF_ERR_HTTP2_BAD_HEAD);
    o.length = -1;
    if (!note_pushed(h, &o))
        return hf_err_make(HF_ERR_HTTP2_PUSH);
    hf_http2_exchange *const s = hf_http2_open(h, h->next_own, true);
    if (s == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    s->promised = true;
    h->pushed_open++;
    if (!open_block(h, 4, outgoing_most(&o), &b)) {
        s->state = HF_STREAM_CLOSED;
        s->phase = HF_PHASE_ENDED;
        hf_http2_settle(h, s);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    h->next_own += 2;
    hf_store_u32(b.at + HF_FRAME_HEADER_BYTES, s->id);
    write_request(h, &b.w, &o);
    close_block(h, &b, HF_FRAME_PUSH_PROMISE, 0, stream);
    hf_http2_move(h, s, HF_STREAM_MOVE_SEND_PROMISE);
    s->head = hf_bytes_equal(o.method, hf_text("HEAD"));
    *promised = s->id;
    return HF_OK;
}

/* ---- the connection ----------------------------------------------------------------------------------------- */

void hf_http2_prioritise(hf_http2 *h, hf_http2_stream stream, unsigned urgency, bool incremental)
{
    hf_http2_exchange *const s = hf_http2_find(h, stream);
    if (s == NULL || urgency >= HF_URGENCIES)
        return;
    s->explicit_priority = true;
    hf_http2_set_priority(h, s, (hf_priority){ (uint8_t)urgency, incremental });
    if (h->server || h->reading >= HF_READING_CLOSED)
        return;
    uint8_t payload[16];
    hf_store_u32(payload, stream);
    hf_writer w = hf_writer_make(payload + 4, sizeof payload - 4);
    hf_write_text(&w, "u=");
    hf_write_decimal(&w, urgency);
    hf_write_text(&w, incremental ? ", i" : "");
    (void)hf_http2_send(h, HF_FRAME_PRIORITY_UPDATE, 0, 0, hf_bytes_make(payload, 4 + w.length));
}

/* The first byte tells whose PING it is: 0 the owner's, then 1 that of a drain. */
static hf_err send_ping(hf_http2 *h, uint32_t mark)
{
    uint8_t payload[8] = { 0 };
    hf_store_u32(payload, mark);
    h->ping_at = h->now;
    return hf_err_make(hf_http2_send(h, HF_FRAME_PING, 0, 0, hf_bytes_make(payload, 8)) ? 0 : HF_ERR_BASE_MEMORY);
}

hf_err hf_http2_ping(hf_http2 *h)
{
    if (h->user_ping || h->drain_ping || h->reading >= HF_READING_CLOSED)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    h->user_ping = true;
    return send_ping(h, 0);
}

hf_err hf_http2_origins(hf_http2 *h, const hf_bytes *origins, size_t count)
{
    uint8_t payload[1024];
    hf_writer w = hf_writer_make(payload, sizeof payload);
    if (!h->server || h->reading >= HF_READING_CLOSED)
        return no_stream();
    for (size_t i = 0; i < count; i++) {
        const uint8_t length[2] = { (uint8_t)(origins[i].len >> 8), (uint8_t)origins[i].len };
        hf_write(&w, hf_bytes_make(length, 2));
        hf_write(&w, origins[i]);
    }
    if (w.overflowed)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    return hf_err_make(hf_http2_send(h, HF_FRAME_ORIGIN, 0, 0, hf_written(&w)) ? 0 : HF_ERR_BASE_MEMORY);
}

/* RFC 9113 6.8: "A server that is attempting to gracefully shut down a connection SHOULD send an initial GOAWAY frame with
 * the last stream identifier set to 2^31-1 and a NO_ERROR code. ... After allowing time for any in-flight stream creation
 * (at least one round-trip time), the server MAY send another GOAWAY frame with an updated last stream identifier." */
void hf_http2_drain(hf_http2 *h)
{
    if (h->draining || h->reading >= HF_READING_CLOSED)
        return;
    h->draining = true;
    if (!h->server) {
        hf_http2_finish_drain(h);
        return;
    }
    h->drain_at = hf_time_after(h->now, HF_HTTP2_DRAIN_NS);
    h->drain_ping = !h->user_ping;
    (void)hf_http2_send_goaway(h, HF_STREAM_MAX, HF_HTTP2_NO_ERROR, hf_bytes_make(NULL, 0));
    if (h->drain_ping)
        (void)send_ping(h, 1).code;
}

void hf_http2_finish_drain(hf_http2 *h)
{
    if (h->goaway_sent)
        return;
    h->goaway_sent = h->draining = true;
    h->goaway_last = h->last_peer;
    (void)hf_http2_send_goaway(h, h->last_peer, HF_HTTP2_NO_ERROR, hf_bytes_make(NULL, 0));
}
