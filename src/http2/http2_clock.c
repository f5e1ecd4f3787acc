/* SPDX-License-Identifier: Apache-2.0
 *
 * What is late. Each stream has a deadline at most (its body stopped, its answer is not taken); h->stream_wake is never
 * later than the earliest of them, so that nobody looks at all streams but when one is due.
 */
#include "http2_core.h"

/* ---- streams ------------------------------------------------------------------------------------------------ */

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
    ns = ns < HF_HTTP2_RATE_GRACE_NS ? HF_HTTP2_RATE_GRACE_NS : ns;
    return ns - waited_ns;
}

static hf_time deadline(const hf_http2 *h, const hf_http2_exchange *s)
{
    const hf_limits *const l = h->env->limits;
    hf_time at = HF_NEVER;
    if (s->waiting) {
        const int64_t pause = (int64_t)(h->server ? s->pace.pause_ns : l->idle_ns);
        const int64_t rest = h->server ? allowance(s->received, s->pace.rate, s->waited_ns) : HF_NEVER_NS;
        at = hf_time_after(s->since, earlier(pause, rest));
    }
    if (s->blocked) {
        const int64_t rest = allowance(s->put_bytes - s->output.pending, l->send_rate, s->blocked_ns);
        at = hf_time_earlier(at, hf_time_after(s->blocked_since, earlier((int64_t)l->send_idle_ns, rest)));
    }
    return at;
}

void hf_http2_touch(hf_http2 *h, const hf_http2_exchange *s)
{
    h->stream_wake = hf_time_earlier(h->stream_wake, deadline(h, s));
}

void hf_http2_pace(hf_http2 *h, hf_http2_stream stream, hf_pace pace)
{
    hf_http2_exchange *const s = hf_http2_find(h, stream);
    if (s == NULL)
        return;
    s->pace = pace;
    hf_http2_touch(h, s);
}

void hf_http2_progress(hf_http2 *h, hf_http2_exchange *s)
{
    s->continue_owed = false;
    if (s->waiting)
        s->waited_ns += h->now.ns - s->since.ns;
    s->waiting = false;
}

void hf_http2_await(hf_http2 *h, hf_http2_exchange *s)
{
    const bool begun = h->server || s->phase == HF_PHASE_ENDED || s->responded;
    /* a tunnel may be silent for as long as it likes: its ends know better */
    if (!hf_http2_remote_open(s) || s->continue_owed || s->connect || !begun || s->waiting ||
        (!s->discarding && hf_queue_length(&s->held) > 0))
        return;
    s->waiting = true;
    s->since = h->now;
    hf_http2_touch(h, s);
}

void hf_http2_block(hf_http2 *h, hf_http2_exchange *s, bool blocked)
{
    if (s->blocked == blocked)
        return;
    if (!blocked)
        s->blocked_ns += h->now.ns - s->blocked_since.ns;
    s->blocked = blocked;
    s->blocked_since = h->now;
    hf_http2_touch(h, s);
}

void hf_http2_block_all(hf_http2 *h, bool blocked)
{
    if (h->blocked == blocked)
        return;
    if (!blocked)
        h->blocked_ns += h->now.ns - h->blocked_since.ns;
    h->blocked = blocked;
    h->blocked_since = h->now;
}

static void act_on_late_body(hf_http2 *h, hf_http2_exchange *s)
{
    const int32_t err = h->server ? HF_ERR_HTTP2_BODY_TIMEOUT : HF_ERR_HTTP2_RESPONSE_TIMEOUT;
    s->waiting = false;
    if (!h->server || s->phase != HF_PHASE_OWED || s->refused) {
        hf_http2_reset(h, s, err, HF_HTTP2_CANCEL);
        return;
    }
    hf_http2_note(h, NULL, (hf_http2_flaw){ err, NULL, "the rest of the body" });
    s->refused = s->discarding = true;
    s->why = err;
    s->due = 0;
    hf_http2_owe(h, s, HF_DUE_REFUSED);
}

static void check_stream(hf_http2 *h, hf_http2_exchange *s)
{
    if (hf_time_before(h->now, deadline(h, s))) {
        hf_http2_touch(h, s);
        return;
    }
    const bool body_is_late = s->waiting && !s->blocked;
    if (s->blocked)
        hf_http2_reset(h, s, HF_ERR_HTTP2_STALLED, HF_HTTP2_CANCEL);
    else if (body_is_late)
        act_on_late_body(h, s);
}

/* ---- the connection ----------------------------------------------------------------------------------------- */

bool hf_http2_is_at_rest(const hf_http2 *h)
{
    return h->table.count == 0 && hf_http2_output_empty(h) && !h->partial;
}

static bool holds_memory(const hf_http2 *h)
{
    return h->control.memory != NULL || h->list.at != NULL || h->list.text != NULL || h->spare != NULL ||
           h->table.rows != NULL || h->block.memory != NULL || h->tokens.tokens != NULL || h->memo != NULL;
}

static void trim(hf_http2 *h)
{
    hf_queue_trim(&h->control);
    hf_queue_trim(&h->block);
    hf_field_list_fini(&h->list);
    hf_http2_memo_free(h); /* its fields were there */
    hf_http2_trim_spare(h);
    hf_tokens_fini(&h->tokens, &h->env->alloc);
}

static hf_time settings_deadline(const hf_http2 *h)
{
    if (!h->settings_received || h->settings_acked)
        return HF_NEVER;
    return hf_time_after(h->settings_at, (int64_t)h->env->limits->http2_settings_ns);
}

static hf_time frame_deadline(const hf_http2 *h)
{
    const hf_limits *const l = h->env->limits;
    if (h->partial)
        return hf_time_after(h->since_frame, (int64_t)(h->server ? l->head_ns : l->idle_ns));
    if (h->reading == HF_READING_PREFACE || h->reading == HF_READING_SETTINGS)
        return hf_time_after(h->since, (int64_t)l->first_byte_ns);
    return HF_NEVER;
}

static hf_time idle_deadline(const hf_http2 *h)
{
    if (!h->server || !hf_http2_is_at_rest(h) || h->reading < HF_READING_FRAME)
        return HF_NEVER;
    return hf_time_after(h->since, (int64_t)h->env->limits->idle_ns);
}

static hf_time stall_deadline(const hf_http2 *h)
{
    const hf_limits *const l = h->env->limits;
    if (!h->blocked)
        return HF_NEVER;
    const int64_t rest = allowance(h->data_sent, l->send_rate, h->blocked_ns);
    return hf_time_after(h->blocked_since, earlier((int64_t)l->send_idle_ns, rest));
}

static hf_time drain_deadline(const hf_http2 *h)
{
    return h->draining && !h->goaway_sent ? h->drain_at : HF_NEVER;
}

static hf_time trim_deadline(const hf_http2 *h)
{
    return hf_http2_is_at_rest(h) && holds_memory(h) ? hf_time_after(h->since, HF_HTTP2_TRIM_NS) : HF_NEVER;
}

hf_time hf_http2_wake(const hf_http2 *h)
{
    if (h->reading >= HF_READING_CLOSED)
        return HF_NEVER;
    hf_time at = hf_time_earlier(h->stream_wake, settings_deadline(h));
    at = hf_time_earlier(at, frame_deadline(h));
    at = hf_time_earlier(at, idle_deadline(h));
    at = hf_time_earlier(at, stall_deadline(h));
    at = hf_time_earlier(at, drain_deadline(h));
    return hf_time_earlier(at, trim_deadline(h));
}

static bool is_late(const hf_http2 *h, hf_time at)
{
    return at.ns != HF_NEVER_NS && !hf_time_before(h->now, at);
}

static bool fails(hf_http2 *h, int32_t code, const char *wanted, hf_step *answer)
{
    *answer = hf_http2_fail(h, NULL, (hf_http2_flaw){ code, NULL, wanted });
    return true;
}

bool hf_http2_check_clock(hf_http2 *h, hf_step *answer)
{
    if (is_late(h, h->stream_wake)) {
        h->stream_wake = HF_NEVER;
        hf_http2_each(h, check_stream);
    }
    if (is_late(h, settings_deadline(h)))
        return fails(h, HF_ERR_HTTP2_SETTINGS_TIMEOUT, "an acknowledgement of SETTINGS", answer);
    if (is_late(h, stall_deadline(h)))
        return fails(h, HF_ERR_HTTP2_STALLED, "a WINDOW_UPDATE of the connection", answer);
    if (is_late(h, frame_deadline(h)))
        return fails(h, HF_ERR_HTTP2_HEAD_TIMEOUT, "the rest of a frame or header block", answer);
    if (is_late(h, idle_deadline(h)) && !h->goaway_sent) /* in good order, but a limit did it */
        h->fault = (hf_fault){ .err = { HF_ERR_HTTP2_IDLE }, .offset = h->offset, .wanted = "a request" };
    if (is_late(h, drain_deadline(h)) || is_late(h, idle_deadline(h)))
        hf_http2_finish_drain(h);
    if (is_late(h, trim_deadline(h)))
        trim(h);
    return false;
}
