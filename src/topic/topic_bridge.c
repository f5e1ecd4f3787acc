/* SPDX-License-Identifier: Apache-2.0
 *
 * The bridge: its two connections, what is published here, and the time without Redis.
 */
#include "crypto_secret.h"
#include "panic.h"
#include "random.h"
#include "topic_bridge_core.h"

/* What is on its way to Redis, at once. */
enum { OUT_MOST = 262144 };
static const int64_t again_ns = HF_MILLISECONDS(50), again_most_ns = HF_MILLISECONDS(500);

/* ---- life ----------------------------------------------------------------------------------------------------- */

hf_topic_bridge *hf_topic_bridge_new(const hf_env *env, const hf_topic_bridge_options *options, hf_time now)
{
    hf_topic_bridge *const b = hf_alloc_zeroed(&env->alloc, sizeof *b);
    if (b == NULL)
        return NULL;
    b->env = env;
    b->options = *options;
    for (size_t i = 0; i < HF_TOPIC_LANES; i++) {
        hf_queue_init(&b->lanes[i].out, &env->alloc);
        b->lanes[i].retry = now;
    }
    b->first = 1;
    b->away = now;
    b->asked = HF_NEVER;
    return b;
}

/* What is to be sent is forgotten; while we are not let in it is the password. */
static void forget_out(hf_topic_lane_state *l)
{
    const hf_span out = hf_queue_peek(&l->out);
    if (out.len > 0)
        hf_wipe(out.ptr, out.len);
    hf_queue_fini(&l->out);
}

void hf_topic_bridge_free(hf_topic_bridge *b)
{
    if (b == NULL)
        return;
    const hf_env *const env = b->env;
    for (size_t i = 0; i < HF_TOPIC_LANES; i++)
        forget_out(&b->lanes[i]);
    hf_topic_line_clear(&b->waiting, &env->alloc);
    hf_free(&env->alloc, b, sizeof *b);
}

hf_topic_bridge_state hf_topic_bridge_look(const hf_topic_bridge *b)
{
    return (hf_topic_bridge_state){ .joined = b->lanes[HF_TOPIC_LISTEN].wait >= HF_TOPIC_WAIT_FOLLOW, .alone = b->alone,
                                    .waiting = b->waiting.count, .waiting_bytes = b->waiting.bytes, .lost = b->lost,
                                    .skipped = b->skipped };
}

/* ---- connections ---------------------------------------------------------------------------------------------- */

static void go_down(hf_topic_bridge *b, hf_topic_lane lane, hf_time now)
{
    hf_topic_lane_state *const l = &b->lanes[lane];
    int64_t wait = again_ns << (l->failures < 5 ? l->failures : 5);
    wait = wait < again_most_ns ? wait : again_most_ns;
    forget_out(l);
    hf_queue_init(&l->out, &b->env->alloc);
    l->scan = (hf_resp_scan){ .at = 0 };
    l->wait = HF_TOPIC_WAIT_DOWN;
    l->failures++;
    /* Servers that lost their Redis at once do not come back at once. */
    l->retry = hf_time_after(now, wait / 2 + (int64_t)hf_random_below(b->env->random, (uint64_t)wait));
    if (lane == HF_TOPIC_ASK) {
        b->sent = 0;
        b->gap_sent = false;
    } else {
        b->entries = 0;
        b->joined_untold = b->skipping = false;
        b->away = hf_time_earlier(b->away, now);
    }
}

void hf_topic_hang_up(hf_topic_bridge *b, hf_topic_lane lane, hf_time now, hf_bytes why)
{
    hf_topic_lane_state *const l = &b->lanes[lane];
    if (l->wait == HF_TOPIC_WAIT_DOWN)
        return;
    go_down(b, lane, now);
    l->hang_up = true;
    l->why_length = why.len < sizeof l->why ? why.len : sizeof l->why;
    if (l->why_length > 0)
        memcpy(l->why, why.ptr, l->why_length);
}

bool hf_topic_bridge_connects(hf_topic_bridge *b, hf_topic_lane lane, hf_time now)
{
    hf_topic_lane_state *const l = &b->lanes[lane];
    if (l->wait != HF_TOPIC_WAIT_DOWN || l->hang_up || hf_time_before(now, l->retry))
        return false;
    l->wait = HF_TOPIC_WAIT_OPEN;
    l->since = now;
    return true;
}

/* The next of what is said first: who we are, which database, and then each lane's own. */
static void greet(hf_topic_bridge *b, hf_topic_lane lane, hf_time now)
{
    hf_topic_lane_state *const l = &b->lanes[lane];
    const hf_topic_wait before = l->wait;
    bool good = true;
    if (before < HF_TOPIC_WAIT_AUTH && b->options.password[0] != 0) {
        l->wait = HF_TOPIC_WAIT_AUTH;
        good = hf_topic_say_auth(b, l);
    } else if (before < HF_TOPIC_WAIT_SELECT && b->options.database > 0) {
        l->wait = HF_TOPIC_WAIT_SELECT;
        good = hf_topic_say_select(b, l);
    } else if (lane == HF_TOPIC_LISTEN) {
        l->wait = HF_TOPIC_WAIT_INFO;
        good = hf_topic_say_info(l);
    } else {
        l->wait = HF_TOPIC_WAIT_READY;
    }
    if (!good)
        hf_topic_hang_up(b, lane, now, hf_text("no memory"));
}

void hf_topic_bridge_opened(hf_topic_bridge *b, hf_topic_lane lane, hf_time now)
{
    if (b->lanes[lane].wait != HF_TOPIC_WAIT_OPEN)
        return;
    b->lanes[lane].since = now;
    b->lanes[lane].held = 0;
    greet(b, lane, now);
}

void hf_topic_bridge_closed(hf_topic_bridge *b, hf_topic_lane lane, hf_time now)
{
    if (b->lanes[lane].wait != HF_TOPIC_WAIT_DOWN)
        go_down(b, lane, now);
    b->lanes[lane].hang_up = false;
}

hf_bytes hf_topic_bridge_peek(const hf_topic_bridge *b, hf_topic_lane lane)
{
    const hf_span out = hf_queue_peek(&b->lanes[lane].out);
    return hf_bytes_make(out.ptr, out.len);
}

void hf_topic_bridge_take(hf_topic_bridge *b, hf_topic_lane lane, size_t n)
{
    hf_topic_lane_state *const l = &b->lanes[lane];
    if (l->wait == HF_TOPIC_WAIT_AUTH && n > 0)
        hf_wipe(hf_queue_peek(&l->out).ptr, n);
    hf_queue_take(&l->out, n);
    hf_queue_trim(&l->out);
}

/* ---- what is published here ------------------------------------------------------------------------------------- */

/* The oldest that waits goes: those who are here were told it, others are told a gap. */
static void lose_oldest(hf_topic_bridge *b)
{
    const hf_topic_message *const m = hf_topic_line_pop(&b->waiting).message;
    b->first++;
    b->lost += m != NULL;
    hf_topic_message_drop(m);
    b->gap_owed = true;
}

static void go_alone(hf_topic_bridge *b, hf_time now)
{
    b->alone = b->move_untold = b->alone_untold = true;
    b->own = (hf_topic_position){ hf_random_next(b->env->random) >> 16 | 1, 0 };
    if (b->lanes[HF_TOPIC_LISTEN].wait >= HF_TOPIC_WAIT_LOAD)
        hf_topic_hang_up(b, HF_TOPIC_LISTEN, now, hf_text("it takes no messages"));
}

static bool wait_behind(hf_topic_bridge *b, hf_time now, const hf_topic_message *m)
{
    if (!hf_topic_line_push(&b->waiting, &b->env->alloc, (hf_topic_entry){ .message = m }))
        return false;
    if (hf_time_before(now, b->asked) && b->waiting.count == 1)
        b->asked = now;
    return true;
}

/* Ends what waits with something missing that nobody was told yet? One is enough, of however many. */
static bool ends_in_missing(const hf_topic_bridge *b)
{
    return b->waiting.count > b->sent && b->first + b->waiting.count - 1 > b->told &&
           hf_topic_line_at(&b->waiting, b->waiting.count - 1)->message == NULL;
}

/* What is on its way cannot be taken back. Where it alone is too much, what comes is lost, not what waits. */
static bool full(const hf_topic_bridge *b)
{
    return (b->sent > 0 || b->gap_sent) && b->waiting.bytes >= b->env->limits->topics_waiting_bytes;
}

/* That something is missing takes its place among what waits: it is told and sent in its turn. False when there is no room. */
static bool admit_missing(hf_topic_bridge *b, hf_time now)
{
    if (b->missing && !full(b) && (ends_in_missing(b) || wait_behind(b, now, NULL)))
        b->missing = false;
    return !b->missing;
}

bool hf_topic_bridge_publish(hf_topic_bridge *b, hf_time now, const hf_topic_message *m)
{
    if (!full(b) && admit_missing(b, now) && wait_behind(b, now, m))
        return true;
    b->missing = true;
    b->lost++;
    return full(b);
}

/* What waits beyond its bound: told to those who are here if it was not, then lost for the others. */
static void bound_waiting(hf_topic_bridge *b, hf_time now)
{
    const uint64_t most = b->env->limits->topics_waiting_bytes;
    if (b->waiting.bytes > most && !b->alone && b->sent == 0 && !b->gap_sent && b->waiting.count > 1)
        go_alone(b, now);
    if (b->waiting.bytes > most && b->alone && (b->sent > 0 || b->gap_sent))
        hf_topic_hang_up(b, HF_TOPIC_ASK, now, hf_text("it takes no messages")); /* what it has it will say */
    while (b->alone && b->waiting.bytes > most && b->waiting.count > 1 && b->first <= b->told && b->sent == 0 && !b->gap_sent)
        lose_oldest(b);
}

static void send_waiting(hf_topic_bridge *b, hf_time now)
{
    hf_topic_lane_state *const l = &b->lanes[HF_TOPIC_ASK];
    if (l->wait != HF_TOPIC_WAIT_READY || b->lanes[HF_TOPIC_LISTEN].wait < HF_TOPIC_WAIT_LOAD || b->alone)
        return;
    bool good = true;
    if (b->sent == 0 && !b->gap_sent)
        l->since = now;
    if (b->gap_owed && !b->gap_sent && b->sent == 0)
        good = b->gap_sent = hf_topic_say_add(b, b->first - 1, NULL);
    while (good && b->sent < b->waiting.count && hf_queue_length(&l->out) < OUT_MOST)
        if ((good = hf_topic_say_add(b, b->first + b->sent, hf_topic_line_at(&b->waiting, b->sent)->message)))
            b->sent++;
    if (!good)
        hf_topic_hang_up(b, HF_TOPIC_ASK, now, hf_text("no memory"));
}

static void take_added(hf_topic_bridge *b, hf_time now, hf_resp v)
{
    if (v.kind != HF_RESP_INTEGER || v.number < 0 || (b->sent == 0 && !b->gap_sent)) {
        hf_topic_hang_up(b, HF_TOPIC_ASK, now, hf_text("the sequence is another"));
        hf_topic_hang_up(b, HF_TOPIC_LISTEN, now, hf_text("the sequence is another"));
        return;
    }
    b->lanes[HF_TOPIC_ASK].failures = 0;
    if (b->gap_sent) {
        b->gap_sent = b->gap_owed = false;
        return;
    }
    hf_topic_message_drop(hf_topic_line_pop(&b->waiting).message);
    b->sent--;
    b->first++;
    b->asked = b->waiting.count > 0 ? now : HF_NEVER;
    if (b->waiting.count == 0)
        hf_topic_line_clear(&b->waiting, &b->env->alloc);
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

/* Until when a lane's connection has to say something. */
static hf_time due(const hf_topic_bridge *b, hf_topic_lane lane)
{
    const hf_topic_lane_state *const l = &b->lanes[lane];
    const uint64_t answer = b->env->limits->store_ns, away = b->env->limits->topics_away_ns / 2;
    /* A connection that died in silence is noticed by the first message: there must be time to say it on another one. */
    const int64_t most = (int64_t)(lane == HF_TOPIC_ASK && away < answer ? away : answer);
    if (l->wait == HF_TOPIC_WAIT_DOWN || (l->wait == HF_TOPIC_WAIT_READY && b->sent == 0 && !b->gap_sent))
        return HF_NEVER;
    return hf_time_after(l->since, l->wait == HF_TOPIC_WAIT_FOLLOW ? most + HF_MILLISECONDS(HF_TOPIC_BLOCK_MS) : most);
}

/* When we are alone, if nothing changes. */
static hf_time patience(const hf_topic_bridge *b)
{
    const int64_t most = (int64_t)b->env->limits->topics_away_ns;
    return b->alone ? HF_NEVER : hf_time_earlier(hf_time_after(b->away, most), hf_time_after(b->asked, most));
}

hf_time hf_topic_bridge_wake(const hf_topic_bridge *b)
{
    hf_time at = patience(b);
    for (hf_topic_lane i = 0; i < HF_TOPIC_LANES; i++) {
        at = hf_time_earlier(at, due(b, i));
        if (b->lanes[i].wait == HF_TOPIC_WAIT_DOWN)
            at = hf_time_earlier(at, b->lanes[i].retry);
    }
    return at;
}

static void expire(hf_topic_bridge *b, hf_time now)
{
    for (hf_topic_lane i = 0; i < HF_TOPIC_LANES; i++)
        if (!hf_time_before(now, due(b, i)))
            hf_topic_hang_up(b, i, now, hf_text("it does not answer"));
    if (!hf_time_before(now, patience(b)))
        go_alone(b, now);
    if (b->alone && b->waiting.count > 0)
        b->asked = now; /* its patience begins when we are back */
    (void)admit_missing(b, now);
    bound_waiting(b, now);
}

/* ---- steps ------------------------------------------------------------------------------------------------------ */

/* What is to be told whatever arrives. */
static bool tell_state(hf_topic_bridge *b, hf_topic_bridge_event *event)
{
    for (hf_topic_lane i = 0; i < HF_TOPIC_LANES; i++)
        if (b->lanes[i].hang_up) {
            b->lanes[i].hang_up = false;
            *event = (hf_topic_bridge_event){ .kind = HF_TOPIC_BRIDGE_HANG_UP, .lane = i,
                                              .why = hf_bytes_make(b->lanes[i].why, b->lanes[i].why_length) };
            return true;
        }
    if (b->move_untold) {
        b->move_untold = false;
        *event = (hf_topic_bridge_event){ .kind = HF_TOPIC_BRIDGE_MOVE, .at = b->own };
        return true;
    }
    bool *const flag = b->alone_untold ? &b->alone_untold : &b->joined_untold;
    const bool untold = *flag;
    *event = (hf_topic_bridge_event){ .kind = b->alone_untold ? HF_TOPIC_BRIDGE_ALONE : HF_TOPIC_BRIDGE_JOINED };
    *flag = false;
    return untold;
}

/* While we are alone what waits is told here, once. It is nobody else's yet: so it can have a place in our own sequence. */
static bool tell_own(hf_topic_bridge *b, hf_topic_bridge_event *event)
{
    const uint64_t next = b->told + 1 > b->first ? b->told + 1 : b->first;
    if (!b->alone || next >= b->first + b->waiting.count)
        return false;
    const hf_topic_message *const waits = hf_topic_line_at(&b->waiting, (uint32_t)(next - b->first))->message;
    b->told = next;
    b->own.number++;
    if (waits == NULL) {
        *event = (hf_topic_bridge_event){ .kind = HF_TOPIC_BRIDGE_MOVE, .at = b->own };
        return true;
    }
    hf_topic_message *const m = hf_topic_message_keep(waits);
    hf_topic_message_place(m, b->own);
    *event = (hf_topic_bridge_event){ .kind = HF_TOPIC_BRIDGE_TELL, .at = b->own, .message = m };
    return true;
}

/* A reply that is whole. */
static bool take_reply(hf_topic_bridge *b, hf_time now, hf_topic_lane lane, hf_bytes *reply, hf_topic_bridge_event *event)
{
    hf_topic_lane_state *const l = &b->lanes[lane];
    if (reply->ptr[0] == '-') {
        hf_topic_hang_up(b, lane, now, hf_resp_next(reply).text);
        return false;
    }
    if (l->wait == HF_TOPIC_WAIT_AUTH || l->wait == HF_TOPIC_WAIT_SELECT)
        greet(b, lane, now);
    else if (lane == HF_TOPIC_LISTEN)
        return hf_topic_listen_reply(b, now, reply, event);
    else
        take_added(b, now, hf_resp_next(reply));
    *reply = hf_bytes_make(NULL, 0);
    return false;
}

/* Bytes at the front: *used of them are done with. False: more are needed. */
static bool eat(hf_topic_bridge *b, hf_time now, hf_topic_lane lane, hf_bytes bytes, size_t *used, bool *told, hf_topic_bridge_event *event)
{
    hf_topic_lane_state *const l = &b->lanes[lane];
    hf_bytes reply = { NULL, 0 };
    *told = false;
    *used = 0;
    if (lane == HF_TOPIC_LISTEN && b->skipping) {
        *told = hf_topic_listen_skip_on(b, now, bytes, used, event);
        return *told || *used > 0;
    }
    if (b->entries == 0 || lane != HF_TOPIC_LISTEN) {
        const hf_resp_state state = hf_resp_look(&l->scan, bytes, (size_t)b->env->limits->topics_reply_bytes);
        if (state == HF_RESP_LONG && lane == HF_TOPIC_LISTEN && hf_topic_listen_skip(b, bytes))
            return true;
        if (state == HF_RESP_LONG || state == HF_RESP_BROKEN)
            hf_topic_hang_up(b, lane, now, hf_text(state == HF_RESP_LONG ? "its answer is too long" : "its answer is no RESP"));
        if (state != HF_RESP_WHOLE)
            return false;
        reply = hf_bytes_make(bytes.ptr, l->scan.at);
        *told = take_reply(b, now, lane, &reply, event);
        *used = l->scan.at - reply.len;
    } else if (bytes.len >= l->scan.at) {
        *told = hf_topic_listen_entry(b, now, hf_bytes_make(bytes.ptr, l->scan.at), used, event);
    } else {
        return false;
    }
    if (l->wait == HF_TOPIC_WAIT_DOWN)
        return *told;
    l->scan.at -= *used;
    if (lane != HF_TOPIC_LISTEN || b->entries == 0) {
        *used += l->scan.at;
        l->scan = (hf_resp_scan){ .at = 0 };
    }
    l->since = now;
    return true;
}

hf_step hf_topic_bridge_step(hf_topic_bridge *b, hf_time now, hf_topic_lane lane, hf_in *in, hf_topic_bridge_event *event)
{
    hf_topic_lane_state *const l = &b->lanes[lane];
    in->used = in->need = 0;
    expire(b, now);
    for (;;) {
        size_t used;
        bool told;
        if (tell_state(b, event) || tell_own(b, event))
            return HF_EVENT;
        if (l->wait <= HF_TOPIC_WAIT_OPEN) {
            in->used = in->len; /* of a connection that is over */
            break;
        }
        const bool ate = in->used < in->len && eat(b, now, lane, hf_bytes_make(in->ptr + in->used, in->len - in->used), &used, &told, event);
        if (ate)
            in->used += used;
        if (ate && told)
            return HF_EVENT;
        if (!ate && l->wait > HF_TOPIC_WAIT_OPEN)
            break;
    }
    if (in->len - in->used != l->held) /* of a long reply every piece is a sign of life */
        l->since = now;
    l->held = in->len - in->used;
    send_waiting(b, now);
    return HF_IDLE;
}
