/* SPDX-License-Identifier: Apache-2.0
 *
 * What a header block means to its stream (RFC 9113 8): requests, responses, trailers, promises. The rules of a message
 * are in message.h.
 */
#include "http2_core.h"

#include "glimpse.h"
#include "message.h"

static bool answers(hf_step *answer, hf_step with)
{
    *answer = with;
    return true;
}

/* What RFC 9113 8 calls the rules of a message. */
static const hf_message_rules rules = {
    HF_HTTP_2, HF_ERR_HTTP2_FIELD_NAME, HF_ERR_HTTP2_FIELD_VALUE, HF_ERR_HTTP2_FIELD_FORBIDDEN, HF_ERR_HTTP2_PSEUDO,
    HF_ERR_HTTP2_LENGTH, HF_ERR_HTTP2_TRAILERS
};

static bool bad(hf_http2_flaw *flaw, int32_t code, const uint8_t *at, const char *wanted)
{
    *flaw = (hf_http2_flaw){ code, at, wanted };
    return false;
}

/* ---- requests ----------------------------------------------------------------------------------------------- */

static bool fill_request(const hf_http2 *h, const hf_message *p, bool ends, hf_http2_event *event, hf_http2_flaw *flaw)
{
    return hf_message_request(&rules, p, h->options.connect_protocol, ends, &event->request, flaw);
}

static void find_priority(hf_http2 *h, hf_http2_exchange *s, hf_fields fields)
{
    const hf_field *const f = hf_fields_find_name(fields, hf_text("priority"));
    if (f != NULL) {
        hf_priority_parse(f->value, &s->priority);
        s->explicit_priority = true;
    }
    for (unsigned i = 0; h->early_kept && i < HF_HTTP2_EARLY; i++) /* RFC 9218 7: PRIORITY_UPDATE "overrides any Priority header field" */
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
    hf_glimpse_fields((hf_fields){ h->list.at, h->list.count }, HF_HTTP_2, &event->request);
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

/* `again`: the block is the last one's, and the list is still what it said. */
static bool accept_request(hf_http2 *h, hf_in *in, hf_bytes block, bool again, hf_http2_event *event, hf_step *answer)
{
    const bool ends = (h->block_flags & HF_FLAG_END_STREAM) != 0;
    hf_http2_flaw flaw;
    hf_message p = { .length = -1 };
    *event = (hf_http2_event){ .kind = HF_HTTP2_REQUEST, .stream = h->block_stream };
    h->requests++;
    if (hf_http2_is_worn(h))
        hf_http2_drain(h);
    const bool anew = !again && !h->list.too_large && !h->list.too_many; /* else the fields are known, or not whole */
    if (again)
        event->request = *hf_http2_said(h);
    else if (anew && (!hf_message_parse(&rules, &h->list, &p, &flaw) || !fill_request(h, &p, ends, event, &flaw)))
        return !hf_http2_stream_error(h, in, h->block_stream, NULL, flaw, answer);
    hf_http2_exchange *const s = hf_http2_open(h, h->block_stream, false);
    if (s == NULL || (anew && !hf_message_join_cookies(&h->list, &event->request.fields)))
        return answers(answer, hf_http2_fail(h, in, (hf_http2_flaw){ HF_ERR_BASE_MEMORY, NULL, "memory" }));
    if (anew && ends && p.length < 0)
        hf_http2_remember(h, block, &event->request);
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

static bool accept_response(hf_http2 *h, hf_in *in, hf_http2_exchange *s, hf_http2_event *event, hf_step *answer)
{
    const bool ends = (h->block_flags & HF_FLAG_END_STREAM) != 0;
    hf_http2_flaw flaw;
    hf_message p;
    bool failed = false;
    *event = (hf_http2_event){ .kind = HF_HTTP2_RESPONSE, .stream = s->id };
    if (h->list.too_large || h->list.too_many) {
        flaw = (hf_http2_flaw){ HF_ERR_HTTP2_HEAD_TOO_LARGE, NULL, "fields within header_bytes and header_fields" };
        return !hf_http2_stream_error(h, in, s->id, s, flaw, answer);
    }
    if (!hf_message_parse(&rules, &h->list, &p, &flaw) || !hf_message_response(&rules, &p, s->head, ends, &event->response, &flaw))
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

static bool check_trailers(const hf_http2 *h, hf_http2_flaw *flaw)
{
    if ((h->block_flags & HF_FLAG_END_STREAM) == 0)
        return bad(flaw, HF_ERR_HTTP2_TRAILERS, NULL, "END_STREAM with the second HEADERS");
    return hf_message_trailers(&rules, &h->list, h->env->limits->trailer_bytes, flaw);
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
        *event = (hf_http2_event){ .kind = HF_HTTP2_TRAILERS, .stream = s->id, .trailers = hf_field_list_fields(&h->list) };
        return answers(answer, HF_EVENT);
    }
    if (!hf_http2_copy_fields(&h->env->alloc, hf_field_list_fields(&h->list), &s->trailers, &s->trailers_bytes))
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
    hf_message p;
    *event = (hf_http2_event){ .kind = HF_HTTP2_PUSHED, .stream = h->block_stream, .promised = promised };
    if (h->list.too_large || h->list.too_many || parent == NULL || h->pushed_open >= h->env->limits->http2_pushes) {
        hf_http2_reset_id(h, promised, HF_HTTP2_REFUSED_STREAM);
        flaw = (hf_http2_flaw){ HF_ERR_HTTP2_PUSH, NULL, "fewer pushes" };
        return !hf_http2_spend(h, &h->resets, h->env->limits->http2_resets, h->env->limits->http2_reset_rate) &&
               answers(answer, hf_http2_fail(h, in, flaw));
    }
    if (!hf_message_parse(&rules, &h->list, &p, &flaw) || !fill_request(h, &p, true, event, &flaw))
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
    hf_field_flaw broken = { 0 };
    h->block_purpose = HF_BLOCK_NONE;
    const bool again = purpose == HF_BLOCK_REQUEST && hf_http2_is_said_again(h, block);
    if (!again)
        hf_http2_listen_anew(h);
    if (!again && !hf_hpack_decode(&h->decoder, block, &h->list, &broken)) {
        const int32_t code = broken.memory ? HF_ERR_BASE_MEMORY
                             : broken.bomb ? HF_ERR_HTTP2_BLOCK_TOO_LARGE
                                           : HF_ERR_HTTP2_COMPRESSION;
        return answers(answer, hf_http2_fail(h, in, (hf_http2_flaw){ code, broken.at, broken.wanted }));
    }
    hf_http2_exchange *const s = hf_http2_find(h, h->block_stream);
    switch (purpose) {
    case HF_BLOCK_REQUEST:
        return accept_request(h, in, block, again, event, answer);
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
