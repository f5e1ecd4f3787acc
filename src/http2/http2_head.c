/* SPDX-License-Identifier: Apache-2.0
 *
 * What a header block means (RFC 9113 8): requests, responses, trailers, promises. Strict, because what is let through
 * here may be written as HTTP/1 further on.
 */
#include "http2_core.h"

#include "target.h"
#include "token.h"

static bool answers(hf_step *answer, hf_step with)
{
    *answer = with;
    return true;
}

static bool bad(hf_http2_flaw *flaw, int32_t code, const uint8_t *at, const char *wanted)
{
    *flaw = (hf_http2_flaw){ code, at, wanted };
    return false;
}

/* ---- fields ------------------------------------------------------------------------------------------------- */

/* A head taken apart: pseudo-headers by name, the rest as it came. ptr is NULL for what is missing. */
typedef struct parts {
    hf_bytes method, scheme, authority, path, protocol, status;
    hf_fields fields;
    int64_t length; /* Content-Length, or -1 */
} parts;

static hf_bytes *pseudo_place(parts *p, hf_bytes name)
{
    static const char *const names[] = { ":path", ":method", ":scheme", ":status", ":protocol", ":authority" };
    hf_bytes *const places[] = { &p->path, &p->method, &p->scheme, &p->status, &p->protocol, &p->authority };
    for (size_t i = 0; i < HF_COUNT(names); i++)
        if (hf_bytes_equal(name, hf_text(names[i])))
            return places[i];
    return NULL;
}

static bool has_capital(hf_bytes name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z')
            return true;
    return false;
}

/* RFC 9113 8.2.1, stricter where HTTP/1 is: field names are tokens, values hold no control byte but HTAB. */
static bool check_value(const hf_field *f, hf_http2_flaw *flaw)
{
    const hf_bytes v = f->value;
    if (!hf_is_field_value(v))
        return bad(flaw, HF_ERR_HTTP2_FIELD_VALUE, v.ptr, "a value without control bytes");
    if (v.len > 0 && (v.ptr[0] == ' ' || v.ptr[0] == '\t' || v.ptr[v.len - 1] == ' ' || v.ptr[v.len - 1] == '\t'))
        return bad(flaw, HF_ERR_HTTP2_FIELD_VALUE, v.ptr, "a value without white space at its ends");
    return true;
}

/* RFC 9113 8.2.2 */
static bool check_field(const hf_field *f, hf_http2_flaw *flaw)
{
    if (!hf_is_token(f->name) || has_capital(f->name))
        return bad(flaw, HF_ERR_HTTP2_FIELD_NAME, f->name.ptr, "a token in lower case");
    switch (f->id) {
    case HF_FIELD_CONNECTION:
    case HF_FIELD_KEEP_ALIVE:
    case HF_FIELD_TRANSFER_ENCODING:
    case HF_FIELD_UPGRADE:
        return bad(flaw, HF_ERR_HTTP2_FIELD_FORBIDDEN, f->name.ptr, "no field of the connection");
    case HF_FIELD_TE:
        if (!hf_bytes_equal(f->value, hf_text("trailers")))
            return bad(flaw, HF_ERR_HTTP2_FIELD_FORBIDDEN, f->name.ptr, "TE with trailers alone");
        break;
    case HF_FIELD_OTHER:
        if (hf_bytes_equal(f->name, hf_text("proxy-connection")))
            return bad(flaw, HF_ERR_HTTP2_FIELD_FORBIDDEN, f->name.ptr, "no field of the connection");
        break;
    default:
        break;
    }
    return check_value(f, flaw);
}

static bool read_length(parts *p, const hf_field *f, hf_http2_flaw *flaw)
{
    uint64_t n;
    if (!hf_parse_decimal(f->value, &n) || n > INT64_MAX)
        return bad(flaw, HF_ERR_HTTP2_LENGTH, f->value.ptr, "one decimal number");
    if (p->length >= 0)
        return bad(flaw, HF_ERR_HTTP2_LENGTH, f->value.ptr, "one Content-Length");
    p->length = (int64_t)n;
    return true;
}

static bool take_apart(const hf_hpack_list *l, parts *p, hf_http2_flaw *flaw)
{
    *p = (parts){ .length = -1 };
    uint32_t i = 0;
    for (; i < l->count && l->at[i].name.len > 0 && l->at[i].name.ptr[0] == ':'; i++) {
        const hf_field *const f = &l->at[i];
        hf_bytes *const place = pseudo_place(p, f->name);
        if (place == NULL || place->ptr != NULL)
            return bad(flaw, HF_ERR_HTTP2_PSEUDO, f->name.ptr, "a pseudo-header that there is, once");
        if (!check_value(f, flaw))
            return false;
        *place = f->value.len > 0 ? f->value : hf_bytes_make("", 0);
    }
    p->fields = (hf_fields){ l->count > 0 ? l->at + i : NULL, l->count - i };
    for (; i < l->count; i++) {
        const hf_field *const f = &l->at[i];
        if (f->name.len > 0 && f->name.ptr[0] == ':')
            return bad(flaw, HF_ERR_HTTP2_PSEUDO, f->name.ptr, "pseudo-headers before all other fields");
        if (!check_field(f, flaw) || (f->id == HF_FIELD_CONTENT_LENGTH && !read_length(p, f, flaw)))
            return false;
    }
    return true;
}

/* RFC 9113 8.2.3: cookie crumbs "MUST be concatenated into a single octet string using the two-octet delimiter of 0x3B,
 * 0x20" before anybody else sees them. False: no memory. */
static bool join_cookies(hf_hpack_list *l, hf_fields *fields)
{
    if (fields->count < 2)
        return true;
    hf_field *const at = l->at + (fields->at - l->at);
    size_t crumbs = 0, bytes = 0;
    for (size_t i = 0; i < fields->count; i++)
        if (at[i].id == HF_FIELD_COOKIE) {
            crumbs++;
            bytes += at[i].value.len + 2;
        }
    if (crumbs < 2)
        return true;
    uint8_t *const room = hf_hpack_list_room(l, bytes);
    if (room == NULL)
        return false;
    hf_writer w = hf_writer_make(room, bytes);
    hf_field *first = NULL;
    size_t kept = 0;
    for (size_t i = 0; i < fields->count; i++) {
        const bool crumb = at[i].id == HF_FIELD_COOKIE;
        if (crumb && w.length > 0)
            hf_write_text(&w, "; ");
        if (crumb)
            hf_write(&w, at[i].value);
        if (crumb && first != NULL)
            continue;
        at[kept] = at[i];
        first = crumb ? &at[kept] : first;
        kept++;
    }
    first->value = hf_written(&w);
    fields->count = kept;
    l->count = (uint32_t)(at - l->at + (ptrdiff_t)kept);
    return true;
}

/* ---- requests ----------------------------------------------------------------------------------------------- */

/* RFC 9113 8.3.1 and 8.5, RFC 8441 4: which pseudo-headers a request has. */
static bool check_request_pseudo(const hf_http2 *h, const parts *p, bool connect, hf_http2_flaw *flaw)
{
    if (p->method.len == 0 || !hf_is_token(p->method) || p->status.ptr != NULL)
        return bad(flaw, HF_ERR_HTTP2_PSEUDO, p->method.ptr, "one :method, a token, and no :status");
    if (p->protocol.ptr != NULL && (!connect || !h->options.connect_protocol || !hf_is_token(p->protocol)))
        return bad(flaw, HF_ERR_HTTP2_PSEUDO, p->protocol.ptr, ":protocol with CONNECT alone, and where it was allowed");
    if (connect && p->protocol.ptr == NULL) {
        if (p->scheme.ptr != NULL || p->path.ptr != NULL || p->authority.len == 0)
            return bad(flaw, HF_ERR_HTTP2_PSEUDO, p->method.ptr, "CONNECT with :authority alone");
        return true;
    }
    if (p->scheme.len == 0 || p->path.len == 0)
        return bad(flaw, HF_ERR_HTTP2_PSEUDO, p->method.ptr, ":scheme and :path, not empty");
    if (hf_span_of(p->scheme, HF_BYTE_TCHAR) != p->scheme.len)
        return bad(flaw, HF_ERR_HTTP2_PSEUDO, p->scheme.ptr, "a scheme");
    return true;
}

/* RFC 9113 8.3.1: "A server SHOULD treat a request as malformed if it contains a Host header field that identifies an entity
 * that differs from the entity in the ":authority" pseudo-header field." */
static bool check_authority(const parts *p, hf_request_head *head, hf_http2_flaw *flaw)
{
    const hf_field *const host = hf_fields_find(p->fields, HF_FIELD_HOST);
    if (host != NULL && hf_fields_next(p->fields, HF_FIELD_HOST, host) != NULL)
        return bad(flaw, HF_ERR_HTTP1_HOST_REPEATED, host->value.ptr, "one Host");
    if (host != NULL && p->authority.ptr != NULL && !hf_text_same(host->value, p->authority))
        return bad(flaw, HF_ERR_HTTP2_PSEUDO, host->value.ptr, "a Host that is :authority");
    head->authority = p->authority.ptr != NULL ? p->authority : host != NULL ? host->value : hf_bytes_make("", 0);
    hf_bytes name;
    int32_t port;
    if (head->authority.len == 0)
        return bad(flaw, HF_ERR_HTTP2_PSEUDO, p->path.ptr, ":authority or Host");
    const hf_err err = hf_authority_parse(head->authority, &name, &port);
    return err.code == 0 || bad(flaw, err.code, head->authority.ptr, "host[:port]");
}

static bool fill_target(const parts *p, bool connect, hf_request_head *head, hf_http2_flaw *flaw)
{
    if (connect && p->protocol.ptr == NULL) {
        head->form = HF_TARGET_AUTHORITY;
        head->target = p->authority;
        return true;
    }
    const bool asterisk = hf_bytes_equal(p->path, hf_text("*"));
    if (p->path.ptr[0] != '/' && !(asterisk && head->method == HF_METHOD_OPTIONS))
        return bad(flaw, HF_ERR_HTTP2_PSEUDO, p->path.ptr, "a path that begins with /, or * with OPTIONS");
    const hf_err err = asterisk ? hf_target_parse(p->path, head->method, head) : hf_target_parse_origin(p->path, head);
    if (err.code != 0)
        return bad(flaw, err.code, p->path.ptr, "a path without bytes that must be percent-encoded");
    head->target = p->path;
    head->scheme = p->scheme;
    return true;
}

static bool fill_request(const hf_http2 *h, const parts *p, bool ends, hf_request_head *head, hf_http2_flaw *flaw)
{
    *head = (hf_request_head){ .version = HF_HTTP_2, .method_name = p->method, .fields = p->fields, .keep_alive = true,
                               .method = hf_method_parse(p->method) };
    const bool connect = head->method == HF_METHOD_CONNECT;
    if (!check_request_pseudo(h, p, connect, flaw) || !fill_target(p, connect, head, flaw) ||
        !check_authority(p, head, flaw))
        return false;
    if (ends && p->length > 0)
        return bad(flaw, HF_ERR_HTTP2_LENGTH, NULL, "the body that Content-Length declares");
    head->content_length = p->length >= 0 ? p->length : ends || connect ? HF_LENGTH_NONE : HF_LENGTH_UNKNOWN;
    if (p->protocol.ptr != NULL)
        head->upgrade = p->protocol;
    const hf_field *const expect = hf_fields_find(p->fields, HF_FIELD_EXPECT);
    head->expect_continue = expect != NULL && !ends && hf_text_same(expect->value, hf_text("100-continue"));
    return true;
}

static void find_priority(hf_http2 *h, hf_http2_exchange *s, hf_fields fields)
{
    const hf_field *const f = hf_fields_find_name(fields, hf_text("priority"));
    if (f != NULL) {
        hf_priority_parse(f->value, &s->priority);
        s->explicit_priority = true;
    }
    for (unsigned i = 0; i < HF_HTTP2_EARLY; i++) /* RFC 9218 7: PRIORITY_UPDATE "overrides any Priority header field" */
        if (h->early[i].stream == s->id) {
            s->priority = h->early[i].priority;
            s->explicit_priority = true;
            h->early[i].stream = 0;
        }
}

/* A request that is answered without being handed on. */
static bool refuse_request(hf_http2 *h, const hf_in *in, hf_http2_exchange *s, hf_http2_flaw flaw, hf_http2_event *event,
                           hf_step *answer)
{
    hf_http2_note(h, in, flaw);
    s->refused = s->discarding = true;
    s->why = flaw.code;
    hf_http2_await(h, s);
    *event = (hf_http2_event){ .kind = HF_HTTP2_REFUSED, .stream = s->id, .err = hf_err_make(flaw.code) };
    return answers(answer, HF_EVENT);
}

static bool is_too_large(const hf_http2 *h, const hf_http2_event *event, hf_http2_flaw *flaw)
{
    if (h->list.too_large || h->list.too_many)
        return !bad(flaw, HF_ERR_HTTP2_HEAD_TOO_LARGE, NULL, "fields within the limits header_bytes and header_fields");
    if (event->request.target.len > h->env->limits->target_bytes)
        return !bad(flaw, HF_ERR_HTTP2_TARGET_TOO_LONG, event->request.target.ptr, "a target within target_bytes");
    return false;
}

static bool accept_request(hf_http2 *h, hf_in *in, hf_http2_event *event, hf_step *answer)
{
    const bool ends = (h->block_flags & HF_FLAG_END_STREAM) != 0;
    hf_http2_flaw flaw;
    parts p;
    *event = (hf_http2_event){ .kind = HF_HTTP2_REQUEST, .stream = h->block_stream };
    if (++h->requests >= h->env->limits->requests_per_connection)
        hf_http2_drain(h);
    const bool partial = h->list.too_large || h->list.too_many;
    if (!partial && (!take_apart(&h->list, &p, &flaw) || !fill_request(h, &p, ends, &event->request, &flaw)))
        return !hf_http2_stream_error(h, in, h->block_stream, NULL, flaw, answer);
    hf_http2_exchange *const s = hf_http2_open(h, h->block_stream, false);
    if (s == NULL || (!partial && !join_cookies(&h->list, &event->request.fields)))
        return answers(answer, hf_http2_fail(h, in, (hf_http2_flaw){ HF_ERR_BASE_MEMORY, NULL, "memory" }));
    hf_http2_move(h, s, HF_STREAM_MOVE_RECV_HEADERS);
    if (ends)
        hf_http2_move(h, s, HF_STREAM_MOVE_RECV_END);
    if (is_too_large(h, event, &flaw))
        return refuse_request(h, in, s, flaw, event, answer);
    const hf_method method = event->request.method;
    s->declared = p.length;
    s->head = method == HF_METHOD_HEAD;
    s->connect = method == HF_METHOD_CONNECT;
    s->continue_owed = event->request.expect_continue;
    find_priority(h, s, event->request.fields);
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP2_HEAD, s->id, method);
    hf_http2_owe(h, s, ends ? HF_DUE_END : 0);
    hf_http2_await(h, s);
    return answers(answer, HF_EVENT);
}

/* ---- responses ---------------------------------------------------------------------------------------------- */

static bool fill_response(const hf_http2_exchange *s, const parts *p, bool ends, hf_response_head *head,
                          hf_http2_flaw *flaw)
{
    uint64_t status;
    const bool others = p->method.ptr || p->path.ptr || p->scheme.ptr || p->authority.ptr || p->protocol.ptr;
    if (others || p->status.len != 3 || !hf_parse_decimal(p->status, &status) || status < 100)
        return bad(flaw, HF_ERR_HTTP2_PSEUDO, p->status.ptr, ":status alone, of three digits");
    /* RFC 9113 8.6: no 101; 8.1: an interim response does not end the stream */
    if (status == 101 || (status < 200 && ends))
        return bad(flaw, HF_ERR_HTTP2_PSEUDO, p->status.ptr, "an interim response that is one");
    *head = (hf_response_head){ .status = (uint16_t)status, .version = HF_HTTP_2, .fields = p->fields };
    const bool bodiless = s->head || status == 204 || status == 304;
    if (ends && p->length > 0 && !bodiless)
        return bad(flaw, HF_ERR_HTTP2_LENGTH, NULL, "the body that Content-Length declares");
    head->content_length = p->length >= 0 ? p->length : ends || bodiless ? HF_LENGTH_NONE : HF_LENGTH_UNKNOWN;
    return true;
}

static bool accept_response(hf_http2 *h, hf_in *in, hf_http2_exchange *s, hf_http2_event *event, hf_step *answer)
{
    const bool ends = (h->block_flags & HF_FLAG_END_STREAM) != 0;
    hf_http2_flaw flaw;
    parts p;
    bool failed = false;
    *event = (hf_http2_event){ .kind = HF_HTTP2_RESPONSE, .stream = s->id };
    if (h->list.too_large || h->list.too_many) {
        flaw = (hf_http2_flaw){ HF_ERR_HTTP2_HEAD_TOO_LARGE, NULL, "fields within header_bytes and header_fields" };
        return !hf_http2_stream_error(h, in, s->id, s, flaw, answer);
    }
    if (!take_apart(&h->list, &p, &flaw) || !fill_response(s, &p, ends, &event->response, &flaw))
        return !hf_http2_stream_error(h, in, s->id, s, flaw, answer);
    const uint16_t status = event->response.status;
    const hf_limits *const l = h->env->limits;
    if (status < 200 && !hf_http2_spend(h, &h->controls, l->http2_control, l->http2_control_rate)) {
        flaw = (hf_http2_flaw){ HF_ERR_HTTP2_CONTROL_FLOOD, NULL, "a final response" };
        return answers(answer, hf_http2_fail(h, in, flaw));
    }
    hf_http2_move(h, s, HF_STREAM_MOVE_RECV_HEADERS);
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP2_HEAD, s->id, status);
    hf_http2_progress(h, s);
    if (status >= 200) {
        s->responded = true;
        s->connect = s->connect && status / 100 == 2;
        s->declared = s->head || status == 204 || status == 304 ? 0 : s->connect ? -1 : p.length;
    }
    if (ends) {
        s->declared = -1;
        if (!hf_http2_end_of_message(h, in, s, &failed))
            return answers(answer, HF_FAULT);
        hf_http2_owe(h, s, HF_DUE_END);
    }
    hf_http2_await(h, s);
    return answers(answer, HF_EVENT);
}

/* ---- trailers ----------------------------------------------------------------------------------------------- */

static bool is_trailer(hf_field_id id)
{
    switch (id) {
    case HF_FIELD_CONTENT_LENGTH: case HF_FIELD_HOST: case HF_FIELD_TE: case HF_FIELD_TRAILER: case HF_FIELD_AUTHORIZATION:
    case HF_FIELD_CONTENT_ENCODING: case HF_FIELD_CONTENT_TYPE: case HF_FIELD_CONTENT_RANGE: case HF_FIELD_SET_COOKIE:
    case HF_FIELD_COOKIE: case HF_FIELD_EXPECT: case HF_FIELD_RANGE:
        return false; /* RFC 9110 6.5.1: not those that frame, route or modify a message */
    default:
        return true;
    }
}

static bool check_trailers(const hf_http2 *h, hf_http2_flaw *flaw)
{
    const hf_hpack_list *const l = &h->list;
    if ((h->block_flags & HF_FLAG_END_STREAM) == 0)
        return bad(flaw, HF_ERR_HTTP2_TRAILERS, NULL, "END_STREAM with the second HEADERS");
    if (l->too_large || l->too_many || l->bytes > h->env->limits->trailer_bytes + l->count * HF_HPACK_OVERHEAD)
        return bad(flaw, HF_ERR_HTTP2_TRAILERS, NULL, "trailers within the limit trailer_bytes");
    for (uint32_t i = 0; i < l->count; i++) {
        if (!check_field(&l->at[i], flaw))
            return false;
        if (!is_trailer(l->at[i].id))
            return bad(flaw, HF_ERR_HTTP2_TRAILERS, l->at[i].name.ptr, "a field that may come late");
    }
    return true;
}

static bool accept_trailers(hf_http2 *h, hf_in *in, hf_http2_exchange *s, hf_http2_event *event, hf_step *answer)
{
    hf_http2_flaw flaw;
    bool failed = false;
    if (!check_trailers(h, &flaw))
        return !hf_http2_stream_error(h, in, s->id, s, flaw, answer);
    hf_http2_move(h, s, HF_STREAM_MOVE_RECV_HEADERS);
    if (!hf_http2_end_of_message(h, in, s, &failed))
        return failed && answers(answer, HF_FAULT);
    if (s->discarding) {
        hf_http2_settle(h, s);
        return false;
    }
    if (hf_queue_length(&s->held) == 0) {
        hf_http2_owe(h, s, HF_DUE_END);
        *event = (hf_http2_event){ .kind = HF_HTTP2_TRAILERS, .stream = s->id, .trailers = hf_hpack_list_fields(&h->list) };
        return answers(answer, HF_EVENT);
    }
    if (!hf_http2_copy_fields(&h->env->alloc, hf_hpack_list_fields(&h->list), &s->trailers, &s->trailers_bytes))
        return answers(answer, hf_http2_fail(h, in, (hf_http2_flaw){ HF_ERR_BASE_MEMORY, NULL, "memory" }));
    s->trailers_count = h->list.count;
    hf_http2_owe(h, s, HF_DUE_TRAILERS | HF_DUE_END);
    return false;
}

bool hf_http2_end_of_message(hf_http2 *h, hf_in *in, hf_http2_exchange *s, bool *failed)
{
    hf_step answer;
    if (s->declared >= 0 && s->received != (uint64_t)s->declared) {
        const hf_http2_flaw flaw = { HF_ERR_HTTP2_LENGTH, NULL, "the body that Content-Length declares" };
        *failed = !hf_http2_stream_error(h, in, s->id, s, flaw, &answer);
        return false;
    }
    hf_http2_move(h, s, HF_STREAM_MOVE_RECV_END);
    return true;
}

/* ---- promises ----------------------------------------------------------------------------------------------- */

static bool accept_promise(hf_http2 *h, hf_in *in, hf_http2_event *event, hf_step *answer)
{
    const uint32_t promised = h->block_promised;
    hf_http2_exchange *const parent = hf_http2_find(h, h->block_stream);
    hf_http2_flaw flaw;
    parts p;
    *event = (hf_http2_event){ .kind = HF_HTTP2_PUSHED, .stream = h->block_stream, .promised = promised };
    if (h->list.too_large || h->list.too_many || parent == NULL || h->pushed_open >= h->env->limits->http2_pushes) {
        hf_http2_reset_id(h, promised, HF_HTTP2_REFUSED_STREAM);
        flaw = (hf_http2_flaw){ HF_ERR_HTTP2_PUSH, NULL, "fewer pushes" };
        return !hf_http2_spend(h, &h->resets, h->env->limits->http2_resets, h->env->limits->http2_reset_rate) &&
               answers(answer, hf_http2_fail(h, in, flaw));
    }
    if (!take_apart(&h->list, &p, &flaw) || !fill_request(h, &p, true, &event->request, &flaw))
        return !hf_http2_stream_error(h, in, promised, NULL, flaw, answer);
    /* RFC 9113 8.4: "Promised requests MUST be safe and cacheable and MUST NOT include any content" */
    if (event->request.method != HF_METHOD_GET && event->request.method != HF_METHOD_HEAD) {
        flaw = (hf_http2_flaw){ HF_ERR_HTTP2_PUSH, p.method.ptr, "GET or HEAD" };
        return !hf_http2_stream_error(h, in, promised, NULL, flaw, answer);
    }
    hf_http2_exchange *const s = hf_http2_open(h, promised, false);
    if (s == NULL)
        return answers(answer, hf_http2_fail(h, in, (hf_http2_flaw){ HF_ERR_BASE_MEMORY, NULL, "memory" }));
    hf_http2_move(h, s, HF_STREAM_MOVE_RECV_PROMISE);
    s->promised = true;
    h->pushed_open++;
    s->phase = HF_PHASE_ENDED;
    s->head = event->request.method == HF_METHOD_HEAD;
    return answers(answer, HF_EVENT);
}

/* ---- any block ---------------------------------------------------------------------------------------------- */

bool hf_http2_end_block(hf_http2 *h, hf_in *in, hf_bytes block, hf_http2_event *event, hf_step *answer)
{
    const hf_http2_purpose purpose = (hf_http2_purpose)h->block_purpose;
    hf_hpack_flaw broken = { 0 };
    h->block_purpose = HF_BLOCK_NONE;
    if (!hf_hpack_decode(&h->decoder, block, &h->list, &broken)) {
        const int32_t code = broken.memory ? HF_ERR_BASE_MEMORY
                             : broken.bomb ? HF_ERR_HTTP2_BLOCK_TOO_LARGE
                                           : HF_ERR_HTTP2_COMPRESSION;
        return answers(answer, hf_http2_fail(h, in, (hf_http2_flaw){ code, broken.at, broken.wanted }));
    }
    hf_http2_exchange *const s = hf_http2_find(h, h->block_stream);
    switch (purpose) {
    case HF_BLOCK_REQUEST:
        return accept_request(h, in, event, answer);
    case HF_BLOCK_PROMISE:
        return accept_promise(h, in, event, answer);
    case HF_BLOCK_MESSAGE:
        if (s == NULL || s->state >= HF_STREAM_CLOSED) /* we gave it up while the block was coming */
            return false;
        return (h->server || s->responded ? accept_trailers : accept_response)(h, in, s, event, answer);
    case HF_BLOCK_REFUSE: {
        const hf_http2_flaw flaw = { h->block_error, NULL, "a stream that can take it" };
        return !hf_http2_stream_error(h, in, h->block_stream, s, flaw, answer);
    }
    default:
        return false;
    }
}
