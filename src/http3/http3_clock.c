/* SPDX-License-Identifier: Apache-2.0
 *
 * What is late. Each lane has a deadline at most (its request stopped, its answer is not taken); h->lane_wake is
 * never later than the earliest of them, so that nobody looks at all lanes but when one is due.
 */
#include "http3_core.h"

#include "alloc.h"

/* ---- lanes -------------------------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What the least average rate leaves of its allowance: `bytes` took `waited` so far. */
static int64_t allowance(uint64_t bytes, uint64_t rate, int64_t waited_ns)
{
    if (rate == 0)
        return HF_NEVER_NS;
    const uint64_t seconds = bytes / rate;
    int64_t ns = seconds > 1u << 30 ? HF_NEVER_NS : HF_SECONDS(seconds + 1);
    ns = ns < HF_HTTP3_RATE_GRACE_NS ? HF_HTTP3_RATE_GRACE_NS : ns;
    return ns - waited_ns;
}

static uint64_t arrived(const hf_http3_lane *l)
{
    return l->reading == HF_READ_DATA ? l->received - l->left + l->shown : l->received;
}

static hf_time deadline(const hf_http3 *h, const hf_http3_lane *l)
{
    const hf_limits *const limits = h->env->limits;
    hf_time at = HF_NEVER;
    if (l->waiting) {
        const bool head = l->place == HF_PLACE_HEAD;
        const int64_t pause = (int64_t)(!h->server ? limits->idle_ns : head ? limits->head_ns : l->pace.pause_ns);
        const int64_t rest = h->server && !head ? allowance(arrived(l), l->pace.rate, l->waited_ns) : HF_NEVER_NS;
        at = hf_time_after(l->since, earlier(pause, rest));
    }
    if (l->blocked) {
        const uint64_t left = l->output.pending < l->put_bytes ? l->put_bytes - l->output.pending : 0;
        const int64_t rest = allowance(left, limits->send_rate, l->blocked_ns);
        at = hf_time_earlier(at, hf_time_after(l->blocked_since, earlier((int64_t)limits->send_idle_ns, rest)));
    }
    return at;
}

void hf_http3_touch(hf_http3 *h, const hf_http3_lane *l)
{
    h->lane_wake = hf_time_earlier(h->lane_wake, deadline(h, l));
}

void hf_http3_pace(hf_http3 *h, hf_lane lane, hf_pace pace)
{
    hf_http3_lane *const l = hf_http3_find(h, lane);
    if (l == NULL || !hf_http3_is_exchange(l))
        return;
    l->pace = pace;
    hf_http3_touch(h, l);
}

void hf_http3_progress(hf_http3 *h, hf_http3_lane *l)
{
    l->continue_owed = false;
    if (l->waiting)
        l->waited_ns += h->now.ns - l->since.ns;
    l->waiting = false;
}

void hf_http3_await(hf_http3 *h, hf_http3_lane *l)
{
    const bool begun = h->server || l->phase == HF_PHASE_ENDED || l->place != HF_PLACE_HEAD;
    const bool tunnel = l->connect && l->place == HF_PLACE_TUNNEL; /* may be silent for as long as it likes */
    if (!hf_http3_is_exchange(l) || l->in != HF_HALF_OPEN || l->continue_owed || tunnel || !begun || l->waiting)
        return;
    l->waiting = true;
    l->since = h->now;
    hf_http3_touch(h, l);
}

void hf_http3_block(hf_http3 *h, hf_http3_lane *l)
{
    const bool blocked = l->held_back && l->out == HF_HALF_OPEN && hf_outlet_waits(&l->output);
    if (l->blocked == blocked)
        return;
    if (!blocked)
        l->blocked_ns += h->now.ns - l->blocked_since.ns;
    l->blocked = blocked;
    l->blocked_since = h->now;
    hf_http3_touch(h, l);
}

static void act_on_late_bytes(hf_http3 *h, hf_http3_lane *l)
{
    const int32_t err = h->server ? HF_ERR_HTTP3_BODY_TIMEOUT : HF_ERR_HTTP3_RESPONSE_TIMEOUT;
    l->waiting = false;
    if (!h->server || l->phase != HF_PHASE_OWED || l->refused) {
        hf_http3_reset(h, l, err, HF_HTTP3_REQUEST_CANCELLED);
        return;
    }
    hf_http3_note(h, l, NULL, (hf_http3_flaw){ err, NULL, "the rest of the request" });
    l->known = l->refused = l->discarding = true;
    l->shown = l->taken = 0;
    l->why = err;
    l->due = 0;
    hf_http3_owe(h, l, HF_DUE_REFUSED);
}

static void check_lane(hf_http3 *h, hf_http3_lane *l)
{
    if (hf_time_before(h->now, deadline(h, l)))
        hf_http3_touch(h, l);
    else if (l->blocked)
        hf_http3_reset(h, l, HF_ERR_HTTP3_STALLED, HF_HTTP3_REQUEST_CANCELLED);
    else if (l->waiting)
        act_on_late_bytes(h, l);
}

/* ---- the connection ----------------------------------------------------------------------------------------- */

static bool holds_memory(const hf_http3 *h)
{
    return h->control.memory != NULL || h->scratch.memory != NULL || h->list.at != NULL || h->list.text != NULL ||
           h->spare != NULL || h->tokens.tokens != NULL || h->encoder.say.memory != NULL || h->decoder.say.memory != NULL ||
           !hf_qpack_encoder_is_at_rest(&h->encoder);
}

static void trim(hf_http3 *h)
{
    hf_queue_trim(&h->control);
    hf_queue_trim(&h->scratch);
    hf_queue_trim(&h->encoder.say);
    hf_queue_trim(&h->decoder.say);
    hf_qpack_encoder_rest(&h->encoder);
    hf_field_list_fini(&h->list);
    hf_http3_trim_spare(h);
    hf_tokens_fini(&h->tokens, &h->env->alloc);
}

static hf_time settings_deadline(const hf_http3 *h)
{
    return h->settings_received ? HF_NEVER : hf_time_after(h->opened, (int64_t)h->env->limits->first_byte_ns);
}

static hf_time idle_deadline(const hf_http3 *h)
{
    if (!h->server || !hf_http3_is_idle(h) || h->goaway_sent)
        return HF_NEVER;
    return hf_time_after(h->since, (int64_t)h->env->limits->idle_ns);
}

static hf_time drain_deadline(const hf_http3 *h)
{
    return h->draining && !h->goaway_sent ? h->drain_at : HF_NEVER;
}

static hf_time trim_deadline(const hf_http3 *h)
{
    return hf_http3_is_idle(h) && holds_memory(h) ? hf_time_after(h->since, HF_HTTP3_TRIM_NS) : HF_NEVER;
}

hf_time hf_http3_wake(const hf_http3 *h)
{
    if (h->state != HF_HTTP3_RUNNING)
        return HF_NEVER;
    hf_time at = hf_time_earlier(h->lane_wake, settings_deadline(h));
    at = hf_time_earlier(at, idle_deadline(h));
    at = hf_time_earlier(at, drain_deadline(h));
    return hf_time_earlier(at, trim_deadline(h));
}

static bool is_late(const hf_http3 *h, hf_time at)
{
    return at.ns != HF_NEVER_NS && !hf_time_before(h->now, at);
}

bool hf_http3_check_clock(hf_http3 *h, hf_step *answer)
{
    if (is_late(h, h->lane_wake)) {
        h->lane_wake = HF_NEVER;
        hf_http3_each(h, check_lane);
    }
    if (is_late(h, settings_deadline(h))) {
        const hf_http3_flaw flaw = { HF_ERR_HTTP3_MISSING_SETTINGS, NULL, "SETTINGS in time" };
        *answer = hf_http3_fail(h, NULL, NULL, flaw);
        return true;
    }
    if (is_late(h, idle_deadline(h))) /* in good order, but a limit did it */
        h->fault = (hf_fault){ .err = { HF_ERR_HTTP3_IDLE }, .wanted = "a request" };
    if (is_late(h, drain_deadline(h)) || is_late(h, idle_deadline(h)))
        hf_http3_finish_drain(h);
    if (is_late(h, trim_deadline(h)))
        trim(h);
    return false;
}
