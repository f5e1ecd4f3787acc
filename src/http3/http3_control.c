/* SPDX-License-Identifier: Apache-2.0
 *
 * The frames of the control stream (RFC 9114 7.2, RFC 9218 7.2).
 */
#include "http3_core.h"

static bool wrong(hf_http3 *h, const hf_http3_lane *l, const hf_in *in, int32_t code, const uint8_t *at,
                  const char *wanted, hf_step *answer)
{
    *answer = hf_http3_fail(h, l, in, (hf_http3_flaw){ code, at, wanted });
    return true;
}

static bool read_settings(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_bytes payload, hf_step *answer)
{
    hf_h3_settings s;
    hf_http3_flaw flaw;
    if (!hf_h3_settings_parse(payload, &s, &flaw)) {
        *answer = hf_http3_fail(h, l, in, flaw);
        return true;
    }
    l->place = HF_PLACE_CONTROL;
    l->waiting = false;
    h->settings_received = h->ready_due = true;
    h->peer_connect = s.connect;
    hf_qpack_encoder_allow(&h->encoder, s.table, h->options.never_block ? 0 : s.blocked);
    return false;
}

static void lose_unprocessed(hf_http3 *h, hf_http3_lane *l)
{
    if (l->use == HF_USE_EXCHANGE && l->id >= h->peer_goaway)
        hf_http3_reset(h, l, HF_ERR_HTTP3_NOT_PROCESSED, HF_HTTP3_REQUEST_REJECTED);
}

static bool read_goaway(hf_http3 *h, hf_http3_lane *l, hf_in *in, uint64_t id, const uint8_t *at, hf_step *answer)
{
    /* RFC 9114 7.2.6: "A client MUST treat receipt of a GOAWAY frame containing a stream ID of any other type as a
     * connection error of type H3_ID_ERROR."; 5.2: "Receiving a GOAWAY containing a larger identifier than previously
     * received MUST be treated as a connection error of type H3_ID_ERROR." */
    if ((!h->server && id % 4 != 0) || (h->goaway_received && id > h->peer_goaway))
        return wrong(h, l, in, HF_ERR_HTTP3_ID, at, "a request of ours, and none above the last GOAWAY", answer);
    h->goaway_due = h->goaway_due || !h->goaway_received;
    h->goaway_received = true;
    h->peer_goaway = id;
    if (!h->server)
        hf_http3_each(h, lose_unprocessed);
    return false;
}

static bool read_max_push(hf_http3 *h, hf_http3_lane *l, hf_in *in, uint64_t id, const uint8_t *at, hf_step *answer)
{
    /* RFC 9114 7.2.7: "A MAX_PUSH_ID frame cannot reduce the maximum push ID; receipt of a MAX_PUSH_ID frame that
     * contains a smaller value than previously received MUST be treated as a connection error of type H3_ID_ERROR." */
    if (id + 1 < h->push_allowed)
        return wrong(h, l, in, HF_ERR_HTTP3_ID, at, "at least what was allowed before", answer);
    h->push_allowed = id + 1;
    return false;
}

/* The newest few are kept. It is but a hint: without memory it is forgotten. */
static void keep_early(hf_http3 *h, hf_lane lane, hf_priority p)
{
    if (h->early == NULL) {
        h->early = hf_alloc(&h->env->alloc, HF_HTTP3_EARLY * sizeof *h->early);
        for (unsigned i = 0; h->early != NULL && i < HF_HTTP3_EARLY; i++)
            h->early[i].lane = HF_HTTP3_NO_LANE;
    }
    if (h->early != NULL)
        h->early[h->early_next++ % HF_HTTP3_EARLY] = (hf_http3_early){ lane, p };
}

static bool update_request(hf_http3 *h, hf_http3_lane *l, hf_in *in, uint64_t id, const uint8_t *at, hf_priority p,
                           hf_step *answer)
{
    if (id % 4 != 0) /* RFC 9218 7.2: it names a request */
        return wrong(h, l, in, HF_ERR_HTTP3_ID, at, "the stream of a request", answer);
    hf_http3_lane *const s = hf_http3_find(h, id);
    if (s != NULL) {
        s->explicit_priority = true;
        hf_http3_set_priority(h, s, p);
        if (s->place != HF_PLACE_HEAD)
            return false;
    } else if (id < h->peer_next) {
        return false;
    }
    keep_early(h, id, p);
    return false;
}

static bool read_priority(hf_http3 *h, hf_http3_lane *l, hf_in *in, const hf_h3_frame *f, uint64_t id, hf_bytes value,
                          const uint8_t *at, hf_step *answer)
{
    hf_priority p = { HF_URGENCY_USUAL, false };
    hf_priority_parse(value, &p);
    if (f->type == HF_H3_PRIORITY_UPDATE)
        return update_request(h, l, in, id, at, p, answer);
    if (id >= h->push_next) /* RFC 9218 7.2: "a push ID ... that has not yet been promised" */
        return wrong(h, l, in, HF_ERR_HTTP3_ID, at, "a push that was promised", answer);
    hf_http3_lane *const s = hf_http3_find(h, hf_http3_promise_of(h, id)->lane);
    if (s != NULL) {
        s->explicit_priority = true;
        hf_http3_set_priority(h, s, p);
    }
    return false;
}

bool hf_http3_read_control(hf_http3 *h, hf_http3_lane *l, hf_in *in, const hf_h3_frame *f, hf_bytes payload,
                           hf_step *answer)
{
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP3_FRAME, l->id, f->type << 32 | (uint32_t)f->length);
    if (f->type == HF_H3_SETTINGS)
        return read_settings(h, l, in, payload, answer);
    const uint8_t *const at = payload.ptr;
    uint64_t id = 0;
    const size_t n = hf_h3_int_parse(at, at + payload.len, &id);
    const bool priority = f->type == HF_H3_PRIORITY_UPDATE || f->type == HF_H3_PRIORITY_UPDATE_PUSH;
    if (n == 0 || (!priority && n != payload.len))
        return wrong(h, l, in, HF_ERR_HTTP3_FRAME, in->ptr + in->used, "one integer", answer);
    if (!hf_http3_tolerate(h, l, in, at, answer))
        return true;
    switch (f->type) {
    case HF_H3_GOAWAY: return read_goaway(h, l, in, id, at, answer);
    case HF_H3_MAX_PUSH_ID: return read_max_push(h, l, in, id, at, answer);
    case HF_H3_CANCEL_PUSH: return hf_http3_read_cancel_push(h, l, in, id, at, answer);
    default: return read_priority(h, l, in, f, id, hf_bytes_make(at + n, payload.len - n), at, answer);
    }
}
