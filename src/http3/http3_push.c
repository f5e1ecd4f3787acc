/* SPDX-License-Identifier: Apache-2.0
 *
 * Push (RFC 9114 4.6), both sides: answers to what nobody asked for yet, by number.
 */
#include "http3_core.h"

#include "alloc.h"

static bool wrong(hf_http3 *h, const hf_http3_lane *l, const hf_in *in, int32_t code, const uint8_t *at,
                  const char *wanted, hf_step *answer)
{
    *answer = hf_http3_fail(h, l, in, (hf_http3_flaw){ code, at, wanted });
    return true;
}

static uint64_t hash_of(uint64_t hash, hf_bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        hash = (hash ^ b.ptr[i]) * 0x100000001b3u;
    return (hash ^ 0xff) * 0x100000001b3u;
}

static bool has_promises(hf_http3 *h)
{
    if (h->promises == NULL)
        h->promises = hf_alloc_zeroed(&h->env->alloc, h->env->limits->http3_pushes * sizeof *h->promises);
    return h->promises != NULL;
}

hf_http3_promise *hf_http3_promise_of(hf_http3 *h, uint64_t push)
{
    return &h->promises[push];
}

/* ---- client ------------------------------------------------------------------------------------------------- */

/* Is the number one that we allowed? */
static bool is_allowed(hf_http3 *h, const hf_http3_lane *l, const hf_in *in, uint64_t push, const uint8_t *at,
                       hf_step *answer)
{
    if (push >= h->push_allowed) /* RFC 9114 4.6: more than MAX_PUSH_ID "MUST be treated as a connection error" */
        return !wrong(h, l, in, HF_ERR_HTTP3_ID, at, "a push number within MAX_PUSH_ID", answer);
    if (!has_promises(h))
        return !wrong(h, l, in, HF_ERR_BASE_MEMORY, NULL, "memory", answer);
    h->push_next = push >= h->push_next ? push + 1 : h->push_next;
    return true;
}

bool hf_http3_begin_push(hf_http3 *h, hf_http3_lane *l, hf_in *in, uint64_t push, const uint8_t *at, hf_step *answer)
{
    if (!is_allowed(h, l, in, push, at, answer))
        return true;
    hf_http3_promise *const p = &h->promises[push];
    /* RFC 9114 4.6: a push ID names one push stream, else H3_ID_ERROR */
    if (p->state == HF_PUSH_LANE || (p->state == HF_PUSH_NONE && p->lane != 0))
        return wrong(h, l, in, HF_ERR_HTTP3_ID, at, "one stream for each push", answer);
    p->lane = l->id;
    l->push = push;
    if (p->state == HF_PUSH_CANCELLED) {
        hf_http3_stop(h, l, HF_HTTP3_REQUEST_CANCELLED);
        return false;
    }
    l->use = HF_USE_PUSH;
    l->place = HF_PLACE_HEAD;
    l->head = p->head;
    h->exchanges++;
    if (p->state == HF_PUSH_PROMISED)
        p->state = HF_PUSH_LANE;
    return false;
}

static uint64_t hash_fields(hf_fields fields)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < fields.count; i++)
        hash = hash_of(hash_of(hash, fields.at[i].name), fields.at[i].value);
    return hash;
}

static bool accept_promise(hf_http3 *h, hf_http3_lane *l, hf_in *in, uint64_t push, hf_http3_event *event, hf_step *answer)
{
    hf_http3_promise *const p = &h->promises[push];
    hf_http3_flaw flaw;
    hf_message m;
    const uint64_t hash = hash_fields(hf_field_list_fields(&h->list));
    if (p->hash != 0 && p->hash != hash)
        return wrong(h, l, in, HF_ERR_HTTP3_PROMISE, NULL, "what was promised before", answer);
    if (p->hash != 0 || p->state == HF_PUSH_CANCELLED)
        return false;
    p->hash = hash;
    *event = (hf_http3_event){ .kind = HF_HTTP3_PUSHED, .lane = l->id, .push = push };
    const bool fits = !h->list.too_large && !h->list.too_many && hf_message_parse(&hf_http3_rules, &h->list, &m, &flaw) &&
                      hf_message_request(&hf_http3_rules, &m, false, true, &event->request, &flaw);
    /* RFC 9114 4.6: "Clients SHOULD send a CANCEL_PUSH frame upon receipt of a PUSH_PROMISE frame carrying a request that is
     * not cacheable, is not known to be safe" */
    if (!fits || (event->request.method != HF_METHOD_GET && event->request.method != HF_METHOD_HEAD)) {
        hf_http3_cancel_push(h, push);
        return false;
    }
    hf_http3_lane *const there = p->state == HF_PUSH_NONE && p->lane != 0 ? hf_http3_find(h, p->lane) : NULL;
    p->head = event->request.method == HF_METHOD_HEAD;
    p->state = p->lane != 0 ? HF_PUSH_LANE : HF_PUSH_PROMISED;
    if (there != NULL) {
        there->head = p->head;
        hf_http3_owe(h, there, HF_DUE_READABLE);
    }
    *answer = HF_EVENT;
    return true;
}

bool hf_http3_read_promise(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_bytes payload, bool *waits, hf_http3_event *event,
                           hf_step *answer)
{
    uint64_t push;
    const size_t n = hf_h3_int_parse(payload.ptr, payload.ptr + payload.len, &push);
    if (n == 0)
        return wrong(h, l, in, HF_ERR_HTTP3_FRAME, payload.ptr, "the number of a push", answer);
    if (!is_allowed(h, l, in, push, payload.ptr, answer))
        return true;
    const hf_http3_decoded decoded =
        hf_http3_decode(h, l, in, hf_bytes_make(payload.ptr + n, payload.len - n), answer);
    *waits = decoded == HF_DECODE_WAITS;
    if (decoded != HF_DECODED)
        return decoded == HF_DECODE_FAILED;
    if (!hf_http3_tolerate(h, l, in, payload.ptr, answer))
        return true;
    return accept_promise(h, l, in, push, event, answer);
}

void hf_http3_cancel_push(hf_http3 *h, uint64_t push)
{
    if (h->server || push >= h->push_allowed || h->state != HF_HTTP3_RUNNING || !has_promises(h))
        return;
    hf_http3_promise *const p = &h->promises[push];
    hf_http3_lane *const l = p->lane != 0 ? hf_http3_find(h, p->lane) : NULL;
    const bool before = p->lane == 0 && p->state != HF_PUSH_CANCELLED;
    p->state = HF_PUSH_CANCELLED;
    if (before)
        (void)hf_http3_say(h, HF_H3_CANCEL_PUSH, push);
    if (l != NULL) {
        l->known = false;
        hf_http3_reset(h, l, 0, HF_HTTP3_REQUEST_CANCELLED);
    }
}

/* ---- CANCEL_PUSH, both sides -------------------------------------------------------------------------------- */

bool hf_http3_read_cancel_push(hf_http3 *h, hf_http3_lane *l, hf_in *in, uint64_t push, const uint8_t *at,
                               hf_step *answer)
{
    if (!h->server) {
        if (!is_allowed(h, l, in, push, at, answer))
            return true;
        hf_http3_promise *const p = &h->promises[push];
        if (p->state == HF_PUSH_PROMISED)
            h->unpushed = push;
        if (p->state != HF_PUSH_LANE)
            p->state = HF_PUSH_CANCELLED;
        return false;
    }
    /* RFC 9114 7.2.3: "If a server receives a CANCEL_PUSH frame for a push ID that has not yet been mentioned by a
     * PUSH_PROMISE frame, this MUST be treated as a connection error of type H3_ID_ERROR." */
    if (push >= h->push_next)
        return wrong(h, l, in, HF_ERR_HTTP3_ID, at, "a push that was promised", answer);
    hf_http3_lane *const s = hf_http3_find(h, h->promises[push].lane);
    if (s != NULL && s->out == HF_HALF_OPEN)
        hf_http3_reset(h, s, HF_ERR_HTTP3_PEER_RESET, HF_HTTP3_REQUEST_CANCELLED);
    return false;
}

/* ---- server ------------------------------------------------------------------------------------------------- */

bool hf_http3_can_push(const hf_http3 *h)
{
    const uint64_t most = h->env->limits->http3_pushes;
    return h->server && h->options.push && !h->draining && h->state == HF_HTTP3_RUNNING &&
           h->push_next < (h->push_allowed < most ? h->push_allowed : most) &&
           (!h->goaway_received || h->push_next < h->peer_goaway);
}

static bool was_pushed(const hf_http3 *h, uint64_t hash)
{
    for (uint64_t i = 0; i < h->push_next; i++)
        if (h->promises[i].hash == hash)
            return true;
    return false;
}

/* The promise on its parent's lane, and the head of the push's own. */
static bool write_promise(hf_http3 *h, hf_http3_lane *parent, hf_http3_lane *l, const hf_message_request_out *o)
{
    hf_http3_section s;
    uint8_t head[2 * HF_H3_INT_BYTES];
    if (!hf_http3_open_section(h, parent->id, hf_http3_request_most(o), &s))
        return false;
    hf_http3_write_request(h, &s.w, o);
    if (!hf_http3_close_section(h, parent, &s, HF_H3_PUSH_PROMISE, l->push))
        return false;
    size_t n = hf_h3_int_write(head, HF_H3_STREAM_PUSH);
    n += hf_h3_int_write(head + n, l->push);
    if (!hf_outlet_append(&l->output, hf_bytes_make(head, n))) {
        h->out_of_memory = true;
        return false;
    }
    h->copied_bytes += n;
    hf_http3_schedule(h, parent);
    hf_http3_schedule(h, l);
    return true;
}

hf_err hf_http3_push(hf_http3 *h, hf_lane lane, const hf_request_head *request, hf_lane promised)
{
    hf_http3_lane *const parent = hf_http3_find(h, lane);
    hf_message_request_out o;
    if (parent == NULL || parent->use != HF_USE_EXCHANGE || !parent->known || parent->out != HF_HALF_OPEN ||
        parent->phase == HF_PHASE_ENDED)
        return hf_err_make(HF_ERR_HTTP3_NO_STREAM);
    if (!hf_http3_can_push(h) || parent->framed_left > 0 || hf_http3_find(h, promised) != NULL)
        return hf_err_make(HF_ERR_HTTP3_PUSH);
    if (!hf_message_prepare(request, false, h->env->limits->header_bytes, &o) ||
        !(hf_bytes_equal(o.method, hf_text("GET")) || hf_bytes_equal(o.method, hf_text("HEAD"))))
        return hf_err_make(HF_ERR_HTTP3_BAD_HEAD);
    o.length = -1;
    const uint64_t hash = hash_of(hash_of(0xcbf29ce484222325u, o.authority), o.path);
    if (!has_promises(h))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    if (was_pushed(h, hash))
        return hf_err_make(HF_ERR_HTTP3_PUSH);
    hf_http3_lane *const l = hf_http3_add(h, promised, HF_USE_PUSH);
    if (l == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    l->in = HF_HALF_ENDED;
    l->known = true;
    l->push = h->push_next++;
    h->promises[l->push] = (hf_http3_promise){ .state = HF_PUSH_LANE, .lane = promised, .hash = hash };
    l->head = hf_bytes_equal(o.method, hf_text("HEAD"));
    if (write_promise(h, parent, l, &o))
        return HF_OK;
    h->out_of_memory = true; /* half of it may be written: the next step ends the connection */
    return hf_err_make(HF_ERR_BASE_MEMORY);
}
