/* SPDX-License-Identifier: Apache-2.0
 *
 * What a field section means to its lane (RFC 9114 4): requests, responses, trailers. The rules of a message are in
 * message.h.
 */
#include "http3_core.h"

#include "glimpse.h"

/* What RFC 9114 4 calls the rules of a message. */
const hf_message_rules hf_http3_rules = {
    HF_HTTP_3, HF_ERR_HTTP3_FIELD_NAME, HF_ERR_HTTP3_FIELD_VALUE, HF_ERR_HTTP3_FIELD_FORBIDDEN, HF_ERR_HTTP3_PSEUDO,
    HF_ERR_HTTP3_LENGTH, HF_ERR_HTTP3_TRAILERS
};

static bool answers(hf_step *answer, hf_step with)
{
    *answer = with;
    return true;
}

static bool memory_ended(hf_http3 *h, hf_step *answer)
{
    return answers(answer, hf_http3_fail(h, NULL, NULL, (hf_http3_flaw){ HF_ERR_BASE_MEMORY, NULL, "memory" }));
}

static bool is_partial(const hf_http3 *h)
{
    return h->list.too_large || h->list.too_many;
}

/* ---- requests ----------------------------------------------------------------------------------------------- */

/* What came before its request. When it was the last, its memory is given back. */
static bool take_early(hf_http3 *h, hf_lane lane, hf_priority *p)
{
    bool found = false, more = false;
    for (unsigned i = 0; i < HF_HTTP3_EARLY; i++) {
        if (h->early[i].lane == lane) {
            *p = h->early[i].priority;
            h->early[i].lane = HF_HTTP3_NO_LANE;
            found = true;
        }
        more |= h->early[i].lane != HF_HTTP3_NO_LANE;
    }
    if (!more) {
        hf_free(&h->env->alloc, h->early, HF_HTTP3_EARLY * sizeof *h->early);
        h->early = NULL;
    }
    return found;
}

static void find_priority(hf_http3 *h, hf_http3_lane *l, hf_fields fields)
{
    const hf_field *const f = hf_fields_find_name(fields, hf_text("priority"));
    hf_priority p = l->priority;
    if (f != NULL && !l->explicit_priority) {
        hf_priority_parse(f->value, &p);
        l->explicit_priority = true;
    }
    /* RFC 9218 10: "the most recently received PRIORITY_UPDATE frame can be considered as the most up-to-date information
     * that overrides any other signal" */
    if (h->early != NULL && take_early(h, l->id, &p))
        l->explicit_priority = true;
    hf_http3_set_priority(h, l, p);
}

static bool is_too_large(const hf_http3 *h, const hf_http3_event *event, hf_http3_flaw *flaw)
{
    if (is_partial(h))
        *flaw = (hf_http3_flaw){ HF_ERR_HTTP3_HEAD_TOO_LARGE, NULL, "fields within header_bytes and header_fields" };
    else if (event->request.target.len > h->env->limits->target_bytes)
        *flaw = (hf_http3_flaw){ HF_ERR_HTTP3_TARGET_TOO_LONG, event->request.target.ptr, "a target within target_bytes" };
    else
        return false;
    return true;
}

static void note_request(hf_http3_lane *l, hf_request_head *head, int64_t length)
{
    l->declared = head->method == HF_METHOD_CONNECT ? -1 : length;
    l->head = head->method == HF_METHOD_HEAD;
    l->connect = head->method == HF_METHOD_CONNECT;
    l->continue_owed = head->expect_continue;
    l->undeclared = !l->connect && length < 0 && hf_method_describe(head->method)->body == HF_BODY_MEANINGLESS;
    if (l->undeclared) {
        head->content_length = HF_LENGTH_NONE;
        l->continue_owed = head->expect_continue = false;
    }
    l->place = l->connect ? HF_PLACE_TUNNEL : HF_PLACE_BODY;
}

static bool accept_request(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_http3_event *event, hf_step *answer)
{
    hf_http3_flaw flaw;
    hf_message m;
    *event = (hf_http3_event){ .kind = HF_HTTP3_REQUEST, .lane = l->id };
    h->requests++;
    if (hf_http3_is_worn(h))
        hf_http3_drain(h, h->now, HF_SECONDS(1));
    const bool partial = is_partial(h);
    const bool protocol = h->options.connect_protocol;
    if (!partial && (!hf_message_parse(&hf_http3_rules, &h->list, &m, &flaw) ||
                     !hf_message_request(&hf_http3_rules, &m, protocol, false, &event->request, &flaw)))
        return !hf_http3_stream_error(h, l, in, flaw, answer);
    if (!partial && !hf_message_join_cookies(&h->list, &event->request.fields))
        return memory_ended(h, answer);
    if (is_too_large(h, event, &flaw)) {
        l->place = HF_PLACE_BODY;
        const bool done = hf_http3_refuse(h, l, in, flaw, event, answer);
        hf_glimpse_fields((hf_fields){ h->list.at, h->list.count }, HF_HTTP_3, &event->request);
        return done;
    }
    note_request(l, &event->request, m.length);
    find_priority(h, l, event->request.fields);
    l->known = true;
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP3_HEAD, l->id, event->request.method);
    return answers(answer, HF_EVENT);
}

/* ---- responses ---------------------------------------------------------------------------------------------- */

static bool check_interim(const hf_http3 *h, hf_http3_lane *l, unsigned status, hf_http3_flaw *flaw)
{
    if (status >= 200 || ++l->interims <= h->env->limits->informational_responses)
        return true;
    *flaw = (hf_http3_flaw){ HF_ERR_HTTP3_INTERIM_FLOOD, NULL, "a final response" };
    return false;
}

static bool accept_response(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_http3_event *event, hf_step *answer)
{
    hf_http3_flaw flaw;
    hf_message m;
    *event = (hf_http3_event){ .kind = HF_HTTP3_RESPONSE, .lane = l->id, .push = l->push };
    if (is_partial(h)) {
        flaw = (hf_http3_flaw){ HF_ERR_HTTP3_HEAD_TOO_LARGE, NULL, "fields within header_bytes and header_fields" };
        return !hf_http3_stream_error(h, l, in, flaw, answer);
    }
    if (!hf_message_parse(&hf_http3_rules, &h->list, &m, &flaw) ||
        !hf_message_response(&hf_http3_rules, &m, l->head, false, &event->response, &flaw) ||
        !check_interim(h, l, event->response.status, &flaw))
        return !hf_http3_stream_error(h, l, in, flaw, answer);
    const uint16_t status = event->response.status;
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP3_HEAD, l->id, status);
    l->known = true;
    if (status < 200)
        return answers(answer, HF_EVENT);
    l->connect = l->connect && status / 100 == 2;
    l->place = l->connect ? HF_PLACE_TUNNEL : HF_PLACE_BODY;
    l->declared = l->head || status == 204 || status == 304 ? 0 : l->connect ? -1 : m.length;
    return answers(answer, HF_EVENT);
}

/* ---- trailers ----------------------------------------------------------------------------------------------- */

static bool accept_trailers(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_http3_event *event, hf_step *answer)
{
    hf_http3_flaw flaw;
    if (!hf_message_trailers(&hf_http3_rules, &h->list, h->env->limits->trailer_bytes, &flaw))
        return !hf_http3_stream_error(h, l, in, flaw, answer);
    l->place = HF_PLACE_TAIL;
    *event = (hf_http3_event){ .kind = HF_HTTP3_TRAILERS, .lane = l->id, .trailers = hf_field_list_fields(&h->list) };
    return answers(answer, HF_EVENT);
}

/* ---- any section -------------------------------------------------------------------------------------------- */

hf_http3_decoded hf_http3_decode(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_bytes section, hf_step *answer)
{
    hf_field_flaw broken = { 0 };
    hf_http3_starve(h, l, false);
    switch (hf_qpack_decode(&h->decoder, l->id, section, &h->list, &broken)) {
    case HF_QPACK_GOOD: return HF_DECODED;
    case HF_QPACK_BAD: break;
    case HF_QPACK_BLOCKED:
        /* RFC 9204 2.1.2: "If a decoder encounters more blocked streams than it promised to support, it MUST treat
         * this as a connection error of type QPACK_DECOMPRESSION_FAILED." */
        if (h->starving >= h->env->limits->http3_blocked_streams) {
            const hf_http3_flaw flaw = { HF_ERR_HTTP3_BLOCKED, section.ptr, "fewer sections that must wait" };
            *answer = hf_http3_fail(h, l, in, flaw);
            return HF_DECODE_FAILED;
        }
        if (!hf_qpack_required(&h->decoder, section, &l->required))
            break;
        hf_http3_starve(h, l, true);
        return HF_DECODE_WAITS;
    }
    const int32_t code = broken.memory ? HF_ERR_BASE_MEMORY
                         : broken.bomb ? HF_ERR_HTTP3_SECTION_TOO_LARGE
                                       : HF_ERR_HTTP3_COMPRESSION;
    *answer = hf_http3_fail(h, l, in, (hf_http3_flaw){ code, broken.at, broken.wanted });
    return HF_DECODE_FAILED;
}

bool hf_http3_read_section(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_bytes section, bool *waits, hf_http3_event *event,
                           hf_step *answer)
{
    const hf_http3_decoded decoded = hf_http3_decode(h, l, in, section, answer);
    *waits = decoded == HF_DECODE_WAITS;
    if (decoded != HF_DECODED)
        return decoded == HF_DECODE_FAILED;
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP3_FRAME, l->id, (uint64_t)HF_H3_HEADERS << 32 | (uint32_t)section.len);
    hf_http3_progress(h, l);
    if (l->place == HF_PLACE_HEAD)
        return (h->server ? accept_request : accept_response)(h, l, in, event, answer);
    return accept_trailers(h, l, in, event, answer);
}
