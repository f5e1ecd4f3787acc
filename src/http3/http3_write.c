/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands. What a lane has to say, frames and all, waits in the lane; what the connection has, in the queue of the
 * control lane. QPACK's own words wait in its encoder and decoder.
 */
#include "http3_core.h"

#include "alloc.h"
#include "panic.h"

/* ---- the control lane --------------------------------------------------------------------------------------- */

static bool control(hf_http3 *h, hf_bytes bytes)
{
    const bool good = hf_queue_append(&h->control, bytes);
    h->out_of_memory = h->out_of_memory || !good;
    return good;
}

static bool say_frame(hf_http3 *h, uint64_t type, hf_bytes payload)
{
    uint8_t header[HF_H3_FRAME_HEADER_BYTES];
    size_t n = hf_h3_int_write(header, type);
    n += hf_h3_int_write(header + n, payload.len);
    return control(h, hf_bytes_make(header, n)) && control(h, payload);
}

bool hf_http3_say(hf_http3 *h, uint64_t type, uint64_t value)
{
    uint8_t payload[HF_H3_INT_BYTES];
    return say_frame(h, type, hf_bytes_make(payload, hf_h3_int_write(payload, value)));
}

static size_t put_setting(uint8_t *to, uint64_t id, uint64_t value)
{
    const size_t n = hf_h3_int_write(to, id);
    return n + hf_h3_int_write(to + n, value);
}

/* The types of our three lanes, SETTINGS, MAX_PUSH_ID. */
bool hf_http3_say_settings(hf_http3 *h)
{
    static const uint8_t control_type = HF_H3_STREAM_CONTROL, encoder_type = HF_H3_STREAM_ENCODER,
                         decoder_type = HF_H3_STREAM_DECODER;
    const hf_limits *const l = h->env->limits;
    uint8_t payload[6 * HF_H3_FRAME_HEADER_BYTES];
    size_t n = put_setting(payload, HF_H3_SETTING_TABLE, l->http3_table_bytes);
    n += put_setting(payload + n, HF_H3_SETTING_BLOCKED, l->http3_blocked_streams);
    n += put_setting(payload + n, HF_H3_SETTING_SECTION, l->header_bytes);
    if (h->server && h->options.connect_protocol)
        n += put_setting(payload + n, HF_H3_SETTING_CONNECT, 1);
    /* RFC 9114 7.2.4.1: reserved settings "exercise the requirement that unknown identifiers be ignored. Such
     * settings have no defined meaning ... Endpoints SHOULD include at least one such setting" */
    n += put_setting(payload + n, 0x1f * (h->id % 1000) + 0x21, h->id % 64);
    if (!control(h, hf_bytes_make(&control_type, 1)) || !say_frame(h, HF_H3_SETTINGS, hf_bytes_make(payload, n)) ||
        !hf_queue_append(&h->encoder.say, hf_bytes_make(&encoder_type, 1)) ||
        !hf_queue_append(&h->decoder.say, hf_bytes_make(&decoder_type, 1)))
        return false;
    if (h->server || !h->options.push || l->http3_pushes == 0)
        return true;
    h->push_allowed = l->http3_pushes;
    return hf_http3_say(h, HF_H3_MAX_PUSH_ID, h->push_allowed - 1);
}

uint64_t hf_http3_settings_number(const hf_limits *l, const hf_http3_options *options)
{
    const uint64_t all[] = { l->http3_table_bytes, l->http3_blocked_streams, l->header_bytes, options->connect_protocol };
    uint64_t n = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < HF_COUNT(all); i++)
        n = (n ^ all[i]) * UINT64_C(0x100000001b3) ^ n >> 29;
    return n;
}

/* ---- field sections ----------------------------------------------------------------------------------------- */

bool hf_http3_open_section(hf_http3 *h, hf_lane lane, size_t most, hf_http3_section *s)
{
    most += HF_QPACK_PREFIX_MOST;
    uint8_t *const room = hf_queue_reserve(&h->scratch, most).ptr;
    if (room == NULL)
        return false;
    s->w = hf_writer_make(room, most);
    s->lane = lane;
    hf_qpack_begin(&h->encoder, lane, &s->w);
    return true;
}

/* Bytes at the end of the lane's output. */
static bool append(hf_http3 *h, hf_http3_lane *l, hf_bytes bytes)
{
    if (!hf_outlet_append(&l->output, bytes)) {
        h->out_of_memory = true; /* half a frame may stand there: the next step ends the connection */
        return false;
    }
    h->copied_bytes += bytes.len;
    return true;
}

static bool append_header(hf_http3 *h, hf_http3_lane *l, uint64_t type, uint64_t length)
{
    uint8_t header[HF_H3_FRAME_HEADER_BYTES];
    size_t n = hf_h3_int_write(header, type);
    n += hf_h3_int_write(header + n, length);
    return append(h, l, hf_bytes_make(header, n));
}

bool hf_http3_close_section(hf_http3 *h, hf_http3_lane *l, hf_http3_section *s, uint64_t type, uint64_t push)
{
    HF_ASSERT(!s->w.overflowed);
    const hf_bytes section = hf_qpack_finish(&h->encoder, &s->w);
    uint8_t number[HF_H3_INT_BYTES];
    const size_t n = type == HF_H3_PUSH_PROMISE ? hf_h3_int_write(number, push) : 0;
    return append_header(h, l, type, n + section.len) && append(h, l, hf_bytes_make(number, n)) && append(h, l, section);
}

static size_t fields_most(hf_fields fields)
{
    size_t n = 0;
    for (size_t i = 0; i < fields.count; i++)
        n += hf_qpack_field_most(fields.at[i].name.len, fields.at[i].value.len);
    return n;
}

static void write_fields(hf_http3 *h, hf_writer *w, hf_fields fields)
{
    for (size_t i = 0; i < fields.count; i++)
        hf_qpack_field(&h->encoder, w, &fields.at[i]);
}

static bool fields_are_fit(const hf_http3 *h, hf_fields fields)
{
    return hf_message_fields_fit(fields, h->env->limits->header_bytes);
}

static void write_length(hf_http3 *h, hf_writer *w, int64_t length)
{
    uint8_t digits[24];
    hf_writer text = hf_writer_make(digits, sizeof digits);
    hf_write_decimal(&text, (uint64_t)length);
    const hf_field f = { HF_LITERAL("content-length"), hf_written(&text), HF_FIELD_CONTENT_LENGTH };
    hf_qpack_field(&h->encoder, w, &f);
}

enum { LENGTH_MOST = 14 + 24 + 64, STATUS_MOST = 7 + 3 + 64 };

/* ---- respond ------------------------------------------------------------------------------------------------ */

static hf_err no_stream(void)
{
    return hf_err_make(HF_ERR_HTTP3_NO_STREAM);
}

static void write_status(hf_http3 *h, hf_writer *w, unsigned status)
{
    const uint8_t digits[3] = { (uint8_t)('0' + status / 100), (uint8_t)('0' + status / 10 % 10),
                                (uint8_t)('0' + status % 10) };
    hf_qpack_pseudo(&h->encoder, w, HF_QPACK_STATUS, hf_bytes_make(digits, 3));
}

static hf_err send_response(hf_http3 *h, hf_http3_lane *l, const hf_response_head *head, int64_t length)
{
    hf_http3_section s;
    if (!hf_http3_open_section(h, l->id, fields_most(head->fields) + LENGTH_MOST + STATUS_MOST, &s))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    write_status(h, &s.w, head->status);
    write_fields(h, &s.w, head->fields);
    if (length >= 0)
        write_length(h, &s.w, length);
    if (!hf_http3_close_section(h, l, &s, HF_H3_HEADERS, 0))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP3_SENT_HEAD, l->id, head->status);
    hf_http3_schedule(h, l);
    return HF_OK;
}

hf_err hf_http3_respond(hf_http3 *h, hf_lane lane, const hf_response_head *head)
{
    hf_http3_lane *const l = hf_http3_find(h, lane);
    if (l == NULL || !h->server || !l->known || l->phase != HF_PHASE_OWED || l->out != HF_HALF_OPEN ||
        h->state != HF_HTTP3_RUNNING)
        return no_stream();
    /* RFC 9114 4.5: "HTTP/3 does not support ... the 101 (Switching Protocols) informational status code" */
    if (head->status < 100 || head->status > 999 || head->status == 101 || !fields_are_fit(h, head->fields))
        return hf_err_make(HF_ERR_HTTP3_BAD_HEAD);
    const bool interim = head->status < 200, tunnel = l->connect && head->status / 100 == 2;
    const bool lengthless = interim || tunnel || head->status == 204;
    const hf_err err = send_response(h, l, head, lengthless ? -1 : head->content_length);
    if (err.code != 0)
        return err;
    if (interim) {
        if (head->status == 100) {
            l->continue_owed = false;
            hf_http3_await(h, l);
        }
        return HF_OK;
    }
    l->phase = HF_PHASE_SENDING;
    l->bodiless = l->head || head->status == 204 || head->status == 304;
    if (l->connect && !tunnel)
        l->discarding = true; /* RFC 9114 4.4: no tunnel; nobody reads what was meant for it */
    l->connect = tunnel;
    const int64_t declared = head->content_length < 0 ? 0 : head->content_length;
    l->put_left = tunnel || head->content_length == HF_LENGTH_UNKNOWN ? -1 : declared;
    return HF_OK;
}

/* ---- request ------------------------------------------------------------------------------------------------ */

size_t hf_http3_request_most(const hf_message_request_out *o)
{
    return fields_most(o->fields) + o->method.len + o->scheme.len + o->authority.len + o->path.len + o->protocol.len +
           LENGTH_MOST + 8 * 64;
}

void hf_http3_write_request(hf_http3 *h, hf_writer *w, const hf_message_request_out *o)
{
    hf_qpack_pseudo(&h->encoder, w, HF_QPACK_METHOD, o->method);
    if (hf_message_has_path(o)) {
        hf_qpack_pseudo(&h->encoder, w, HF_QPACK_SCHEME, o->scheme);
        hf_qpack_pseudo(&h->encoder, w, HF_QPACK_PATH, o->path);
    }
    hf_qpack_pseudo(&h->encoder, w, HF_QPACK_AUTHORITY, o->authority);
    if (o->protocol.len > 0) {
        const hf_field f = { HF_LITERAL(":protocol"), o->protocol, HF_FIELD_OTHER };
        hf_qpack_field(&h->encoder, w, &f);
    }
    for (size_t i = 0; i < o->fields.count; i++) {
        const hf_field *const f = &o->fields.at[i];
        if ((f->id != HF_FIELD_OTHER ? f->id : hf_field_identify(f->name)) != HF_FIELD_HOST)
            hf_qpack_field(&h->encoder, w, f);
    }
    if (o->length >= 0)
        write_length(h, w, o->length);
    if (o->expects) {
        const hf_field f = { HF_LITERAL("expect"), HF_LITERAL("100-continue"), HF_FIELD_EXPECT };
        hf_qpack_field(&h->encoder, w, &f);
    }
}

hf_err hf_http3_may_request(const hf_http3 *h, const hf_request_head *head)
{
    hf_message_request_out o;
    if (h->server || h->state != HF_HTTP3_RUNNING || h->goaway_received || h->draining)
        return hf_err_make(HF_ERR_HTTP3_NOT_PROCESSED);
    if (head != NULL && !hf_message_prepare(head, h->peer_connect, h->env->limits->header_bytes, &o))
        return hf_err_make(HF_ERR_HTTP3_BAD_HEAD);
    return HF_OK;
}

hf_err hf_http3_request(hf_http3 *h, hf_lane lane, const hf_request_head *head)
{
    hf_message_request_out o;
    const hf_err may = hf_http3_may_request(h, head);
    if (may.code != 0)
        return may;
    if (lane % 4 != 0 || hf_http3_find(h, lane) != NULL)
        return no_stream();
    (void)hf_message_prepare(head, h->peer_connect, h->env->limits->header_bytes, &o);
    hf_http3_section s;
    hf_http3_lane *const l = hf_http3_add(h, lane, HF_USE_EXCHANGE);
    if (l == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    if (!hf_http3_open_section(h, lane, hf_http3_request_most(&o), &s)) {
        l->in = l->out = HF_HALF_ENDED;
        hf_http3_settle(h, l);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    const hf_method method = hf_method_parse(o.method);
    hf_http3_write_request(h, &s.w, &o);
    l->known = true;
    l->phase = HF_PHASE_SENDING;
    l->head = method == HF_METHOD_HEAD;
    l->connect = o.connect;
    l->put_left = o.connect || head->content_length == HF_LENGTH_UNKNOWN ? -1 : o.length < 0 ? 0 : o.length;
    if (!hf_http3_close_section(h, l, &s, HF_H3_HEADERS, 0))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP3_SENT_HEAD, lane, method);
    hf_http3_schedule(h, l);
    return HF_OK;
}

/* ---- put ---------------------------------------------------------------------------------------------------- */

uint64_t hf_http3_copied_room(const hf_http3 *h, const hf_http3_lane *l)
{
    const hf_limits *const limits = h->env->limits;
    const uint64_t held = hf_outlet_copied(&l->output);
    const uint64_t mine = held < limits->output_bytes ? limits->output_bytes - held : 0;
    const uint64_t all = h->copied_bytes < limits->http3_output_bytes ? limits->http3_output_bytes - h->copied_bytes : 0;
    return mine < all ? mine : all;
}

size_t hf_http3_piece_room(const hf_http3 *h, const hf_http3_lane *l)
{
    const uint64_t held = hf_outlet_pieces(&l->output), most = h->env->limits->output_extents;
    return held < most ? (size_t)(most - held) : 0;
}

/* What of a put will be accepted: so many extents whole, then so many bytes of the next. */
typedef struct plan {
    size_t whole, pieces;
    uint64_t partial, total;
    bool full;
} plan;

static plan make_plan(const hf_http3 *h, const hf_http3_lane *l, const hf_extent *extents, size_t count, hf_err *err)
{
    plan p = { 0 };
    uint64_t room = hf_http3_copied_room(h, l);
    const size_t places = hf_http3_piece_room(h, l);
    for (; p.whole < count; p.whole++) {
        const hf_extent *const e = &extents[p.whole];
        const uint64_t length = hf_extent_length(e);
        p.full = true;
        if (l->put_left >= 0 && length > (uint64_t)l->put_left - p.total) {
            *err = hf_err_make(HF_ERR_HTTP3_BODY_LENGTH);
            return p;
        }
        if (e->kind != HF_EXTENT_COPIED && p.pieces == places)
            return p;
        if (e->kind == HF_EXTENT_COPIED && length > room) {
            p.partial = e->token != 0 ? 0 : room;
            p.total += p.partial;
            return p;
        }
        p.pieces += e->kind != HF_EXTENT_COPIED;
        room -= e->kind == HF_EXTENT_COPIED ? length : 0;
        p.total += length;
    }
    p.full = false;
    return p;
}

static bool put_one(hf_http3 *h, hf_http3_lane *l, const hf_extent *e, uint64_t n)
{
    if (e->kind == HF_EXTENT_COPIED)
        return n == 0 || append(h, l, hf_bytes_make(e->bytes.ptr, (size_t)n));
    if (n == 0 && e->token == 0)
        return true;
    hf_outlet_lend(&l->output, e);
    return true;
}

/* One DATA frame for a whole body of declared length, else one for each put. */
static bool frame_body(hf_http3 *h, hf_http3_lane *l, uint64_t total)
{
    if (l->framed_left < total) {
        HF_ASSERT(l->framed_left == 0);
        l->framed_left = l->put_left >= 0 ? (uint64_t)l->put_left : total;
        if (!append_header(h, l, HF_H3_DATA, l->framed_left))
            return false;
    }
    l->framed_left -= total;
    return true;
}

static uint64_t carry_out(hf_http3 *h, hf_http3_lane *l, const hf_extent *extents, const plan *p, hf_err *err)
{
    bool good = hf_outlet_reserve(&l->output, p->pieces);
    if (!good) {
        *err = hf_err_make(HF_ERR_BASE_MEMORY);
        return 0;
    }
    good = p->total == 0 || frame_body(h, l, p->total);
    for (size_t i = 0; good && i < p->whole; i++)
        good = put_one(h, l, &extents[i], hf_extent_length(&extents[i]));
    if (good && p->partial > 0)
        good = put_one(h, l, &extents[p->whole], p->partial);
    if (!good) {
        *err = hf_err_make(HF_ERR_BASE_MEMORY);
        return 0;
    }
    l->put_bytes += p->total;
    if (l->put_left >= 0)
        l->put_left -= (int64_t)p->total;
    return p->total;
}

/* The body stays here; but whoever lent a piece waits to have it back. */
static uint64_t put_nowhere(hf_http3 *h, const hf_extent *extents, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (extents[i].token != 0)
            hf_http3_return_token(h, extents[i].token);
        bytes += hf_extent_length(&extents[i]);
    }
    return bytes;
}

uint64_t hf_http3_put(hf_http3 *h, hf_lane lane, const hf_extent *extents, size_t count, hf_err *err)
{
    hf_http3_lane *const l = hf_http3_find(h, lane);
    hf_err ignored;
    if (err == NULL)
        err = &ignored;
    *err = HF_OK;
    if (l == NULL || !l->known || l->phase != HF_PHASE_SENDING || (l->out != HF_HALF_OPEN && !l->nowhere) ||
        h->state != HF_HTTP3_RUNNING) {
        *err = no_stream();
        return 0;
    }
    if (l->bodiless || l->nowhere)
        return put_nowhere(h, extents, count);
    const plan p = make_plan(h, l, extents, count, err);
    if (p.full && err->code == 0 && !l->put_short) {
        l->put_short = true;
        h->short_count++;
    }
    const hf_err planned = *err;
    const uint64_t bytes = carry_out(h, l, extents, &p, err);
    if (planned.code != 0)
        *err = planned;
    hf_http3_schedule(h, l);
    return bytes;
}

uint64_t hf_http3_room(const hf_http3 *h, hf_lane lane)
{
    const hf_http3_lane *const l = hf_http3_find(h, lane);
    if (l == NULL || !l->known || l->phase != HF_PHASE_SENDING || h->state != HF_HTTP3_RUNNING)
        return 0;
    if (l->bodiless || l->nowhere)
        return UINT64_MAX;
    const uint64_t room = l->out == HF_HALF_OPEN ? hf_http3_copied_room(h, l) : 0;
    return l->put_left >= 0 && (uint64_t)l->put_left < room ? (uint64_t)l->put_left : room;
}

/* ---- end ---------------------------------------------------------------------------------------------------- */

static hf_err send_trailers(hf_http3 *h, hf_http3_lane *l, hf_fields trailers)
{
    hf_http3_section s;
    if (!fields_are_fit(h, trailers))
        return hf_err_make(HF_ERR_HTTP3_BAD_HEAD);
    if (!hf_http3_open_section(h, l->id, fields_most(trailers), &s))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    write_fields(h, &s.w, trailers);
    return hf_err_make(hf_http3_close_section(h, l, &s, HF_H3_HEADERS, 0) ? 0 : HF_ERR_BASE_MEMORY);
}

/* Nobody will read the rest of the request. */
static void stop_reading(hf_http3 *h, hf_http3_lane *l)
{
    if (l->in != HF_HALF_OPEN)
        return;
    const bool rests = l->shown > 0;
    l->discarding = true;
    l->shown = l->taken = 0;
    hf_http3_await(h, l);
    if (rests)
        hf_http3_owe(h, l, HF_DUE_READABLE);
}

hf_err hf_http3_end(hf_http3 *h, hf_lane lane, hf_ending ending, hf_fields trailers)
{
    hf_http3_lane *const l = hf_http3_find(h, lane);
    const bool known = l != NULL && l->known && (l->phase != HF_PHASE_ENDED || (!h->server && !l->told_end));
    if (!known || h->state != HF_HTTP3_RUNNING)
        return no_stream();
    const bool cut = l->phase == HF_PHASE_SENDING && !l->bodiless && !l->nowhere && l->put_left > 0;
    if (ending.kind == HF_ENDING_RESET || cut) {
        l->known = false;
        hf_http3_reset(h, l, 0, ending.kind == HF_ENDING_RESET ? ending.code : (uint64_t)HF_HTTP3_INTERNAL_ERROR);
        return HF_OK;
    }
    if (l->phase != HF_PHASE_SENDING)
        return no_stream();
    if (trailers.count > 0 && !l->bodiless && !l->nowhere) {
        const hf_err err = send_trailers(h, l, trailers);
        if (err.code != 0)
            return err;
    }
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP3_SENT_END, l->id, l->put_bytes);
    l->phase = HF_PHASE_ENDED;
    if (h->server) {
        l->due = 0;
        stop_reading(h, l);
    } else {
        hf_http3_await(h, l);
    }
    hf_http3_schedule(h, l);
    hf_http3_settle(h, l);
    return HF_OK;
}

/* ---- priorities --------------------------------------------------------------------------------------------- */

void hf_http3_prioritise(hf_http3 *h, hf_lane lane, unsigned urgency, bool incremental)
{
    hf_http3_lane *const l = hf_http3_find(h, lane);
    if (l == NULL || urgency >= HF_URGENCIES || !hf_http3_is_exchange(l) || h->state != HF_HTTP3_RUNNING)
        return;
    l->explicit_priority = true;
    hf_http3_set_priority(h, l, (hf_priority){ (uint8_t)urgency, incremental });
    if (h->server)
        return;
    uint8_t payload[HF_H3_INT_BYTES + 8];
    const bool push = l->use == HF_USE_PUSH;
    const size_t n = hf_h3_int_write(payload, push ? l->push : lane);
    hf_writer w = hf_writer_make(payload + n, sizeof payload - n);
    hf_write_text(&w, "u=");
    hf_write_decimal(&w, urgency);
    hf_write_text(&w, incremental ? ", i" : "");
    (void)say_frame(h, push ? HF_H3_PRIORITY_UPDATE_PUSH : HF_H3_PRIORITY_UPDATE, hf_bytes_make(payload, n + w.length));
}
