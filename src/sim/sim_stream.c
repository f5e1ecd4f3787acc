/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_stream.h"

enum { FLAG_SYN = 1, FLAG_ACK = 2, FLAG_FIN = 4, FLAG_RST = 8, FLAG_PROBE = 16 };

/* On the wire: checksum 8, flags 1, unused 3, ports 2 + 2, seq 8, ack 8, window 8; then data. */
enum { HEADER = 40, ISLANDS = 256, FIRST_WINDOW = 10, NO_MTU = 9000 };

#define RTO_FIRST HF_SECONDS(1)
#define RTO_LEAST HF_MILLISECONDS(100)
#define RTO_MOST HF_SECONDS(16)
#define TIME_WAIT HF_SECONDS(4)    /* answers a FIN whose acknowledgement was lost */
#define FIN_WAIT HF_SECONDS(60)    /* nobody holds the pier and the peer does not end its direction */

typedef struct segment {
    uint8_t flags;
    uint16_t source, target;
    uint64_t seq, ack, window;
    hf_bytes data;
} segment;

static hf_world *world_of(const hf_sim_stream *s)
{
    return s->host->world;
}
static hf_time now_of(const hf_sim_stream *s)
{
    return s->host->world->now;
}

/* ---- the wire ----------------------------------------------------------------------------------------------- */

/* Each step is a bijection of the state for a given word and of the word for a given state, so damage within one word
 * is always seen; damage over several is missed once in 2^64. */
static uint64_t checksum(const uint8_t *p, size_t n)
{
    uint64_t h = 0x9e3779b97f4a7c15u ^ n;
    for (; n > 0; p += 8, n -= n < 8 ? n : 8) {
        uint64_t word = 0;
        memcpy(&word, p, n < 8 ? n : 8);
        h = (h ^ word) * 0xbf58476d1ce4e5b9u;
        h ^= h >> 32;
        if (n < 8)
            break;
    }
    return h;
}

static void emit(hf_sim_host *h, uint16_t to, const segment *g)
{
    hf_sim_packet *p = hf_sim_packet_new(h->world, HEADER + g->data.len);
    if (p == NULL)
        return; /* as good as lost */
    uint8_t *b = p->bytes;
    memset(b, 0, HEADER);
    b[8] = g->flags;
    memcpy(b + 12, &g->source, 2);
    memcpy(b + 14, &g->target, 2);
    memcpy(b + 16, &g->seq, 8);
    memcpy(b + 24, &g->ack, 8);
    memcpy(b + 32, &g->window, 8);
    if (g->data.len > 0)
        memcpy(b + HEADER, g->data.ptr, g->data.len);
    const uint64_t sum = checksum(b + 8, p->len - 8);
    memcpy(b, &sum, 8);
    hf_sim_packet_send(h, to, p);
}

static bool parse(const hf_sim_packet *p, segment *g)
{
    uint64_t sum;
    if (p->len < HEADER)
        return false;
    const uint8_t *b = p->bytes;
    memcpy(&sum, b, 8);
    if (sum != checksum(b + 8, p->len - 8))
        return false;
    g->flags = b[8];
    memcpy(&g->source, b + 12, 2);
    memcpy(&g->target, b + 14, 2);
    memcpy(&g->seq, b + 16, 8);
    memcpy(&g->ack, b + 24, 8);
    memcpy(&g->window, b + 32, 8);
    g->data = hf_bytes_make(b + HEADER, p->len - HEADER);
    return true;
}

static size_t room(const hf_sim_stream *s)
{
    const size_t held = hf_queue_length(&s->in);
    return held < s->receive_buffer ? s->receive_buffer - held : 0;
}

static void transmit(hf_sim_stream *s, uint8_t flags, uint64_t seq, hf_bytes data)
{
    const bool knows_peer = s->phase != HF_SIM_SYN_SENT;
    if (knows_peer) {
        const uint64_t edge = s->rcv_nxt + room(s);
        flags |= FLAG_ACK;
        s->edge = edge > s->edge ? edge : s->edge; /* RFC 9293 3.8.6.2.1: a receiver should not shrink the window */
    }
    const segment g = { .flags = flags, .source = s->local_port, .target = s->remote_port, .seq = seq,
                        .ack = knows_peer ? s->rcv_nxt : 0, .data = data,
                        .window = knows_peer ? s->edge - s->rcv_nxt : s->receive_buffer };
    emit(s->host, s->peer, &g);
}

/* Always with the highest number: an acknowledgement must look new even while old data is sent again. */
static void acknowledge(hf_sim_stream *s)
{
    transmit(s, 0, s->high, hf_bytes_make(NULL, 0));
}

/* RFC 9293 3.5.2: what belongs to no connection is answered with RST, which the other side can recognise. */
static void reject(hf_sim_host *h, uint16_t to, const segment *g)
{
    if (g->flags & FLAG_RST)
        return;
    segment r = { .flags = FLAG_RST, .source = g->target, .target = g->source };
    if (g->flags & FLAG_ACK) {
        r.seq = g->ack;
    } else {
        r.flags |= FLAG_ACK;
        r.ack = g->seq + g->data.len + !!(g->flags & FLAG_SYN) + !!(g->flags & FLAG_FIN);
    }
    emit(h, to, &r);
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static hf_sim_stream *make(hf_sim_host *h, uint16_t peer, uint16_t local_port, uint16_t remote_port)
{
    hf_world *w = h->world;
    hf_sim_stream *s = hf_alloc_zeroed(&w->alloc, sizeof *s);
    if (s == NULL)
        return NULL;
    s->host = h;
    s->peer = peer;
    s->local_port = local_port;
    s->remote_port = remote_port;
    if (peer < w->host_count)
        s->peer_address = w->hosts[peer]->address;
    s->peer_address.port = remote_port;
    hf_queue_init(&s->out, &w->alloc);
    hf_queue_init(&s->in, &w->alloc);
    s->send_buffer = h->options.send_buffer;
    s->receive_buffer = h->options.receive_buffer;
    s->iss = s->una = 1 + (hf_random_next(&w->random) >> 32); /* a stray of an older stream is not mistaken for ours */
    s->nxt = s->high = s->iss + 1;
    s->ssthresh = UINT64_MAX;
    s->rto_ns = RTO_FIRST;
    s->retry_at = hf_time_after(w->now, RTO_FIRST);
    s->expire_at = HF_NEVER;
    s->progress_at = w->now;
    s->timed_seq = s->nxt;
    s->timed_at = w->now;
    s->timer = (hf_timer){ .deadline = HF_NEVER, .placed = HF_NEVER };
    s->next = h->streams;
    h->streams = s;
    return s;
}

void hf_sim_stream_free(hf_sim_stream *s)
{
    hf_sim_host *h = s->host;
    hf_sim_stream **at = &h->streams;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    hf_sim_pier_forget(s);
    if (s->listener != NULL)
        hf_sim_listener_remove(h, s);
    hf_timer_unset(&h->world->timers, &s->timer);
    hf_sim_pier_fini(s);
    while (s->islands != NULL) {
        hf_sim_island *island = s->islands;
        s->islands = island->next;
        hf_free(&h->world->alloc, island, sizeof *island + island->len);
    }
    hf_queue_fini(&s->out);
    hf_queue_fini(&s->in);
    hf_free(&h->world->alloc, s, sizeof *s);
}

static void arm(hf_sim_stream *s)
{
    const hf_time at = hf_time_earlier(s->retry_at, s->expire_at);
    const bool set = hf_timer_set(&world_of(s)->timers, &s->timer, at);
    HF_ASSERT(set); /* sim.h: a world that cannot keep time is no world */
}

/* When both directions are over and nobody holds the pier, the stream lingers a while and goes. */
static void settle(hf_sim_stream *s)
{
    if (!s->held && s->phase == HF_SIM_OPEN && s->listener == NULL && s->fin_acked) {
        const int64_t stay = s->fin_received ? TIME_WAIT : FIN_WAIT;
        s->expire_at = hf_time_earlier(s->expire_at, hf_time_after(now_of(s), stay));
    }
    arm(s);
}

void hf_sim_stream_abort(hf_sim_stream *s, hf_err why, bool silent)
{
    if (s->phase == HF_SIM_DEAD)
        return;
    if (!silent)
        transmit(s, FLAG_RST, s->high, hf_bytes_make(NULL, 0));
    s->phase = HF_SIM_DEAD;
    s->failed = why;
    s->retry_at = s->expire_at = HF_NEVER;
    hf_timer_unset(&world_of(s)->timers, &s->timer);
    if (!s->held) {
        hf_sim_stream_free(s);
        return;
    }
    hf_queue_fini(&s->out); /* what arrived stays readable, as on Linux */
    hf_sim_pier_abandon(s);
    s->wants_writable = s->owes_writable = false;
    s->owes_ended = true;
    hf_sim_pier_ready(s);
}

void hf_sim_stream_let_go(hf_sim_stream *s)
{
    HF_ASSERT(s->held);
    s->held = s->owned = false;
    s->host->descriptors--;
    hf_sim_pier_forget(s);
    hf_sim_pier_fini(s);
    if (s->phase == HF_SIM_DEAD || s->phase == HF_SIM_SYN_SENT) {
        hf_sim_stream_free(s);
    } else if (hf_queue_length(&s->in) > 0) {
        /* RFC 9293 3.6.1 and RFC 2525 2.17: closing with unread input resets the connection, so that the peer learns
         * that its bytes were not taken. */
        hf_sim_stream_abort(s, HF_OK, false);
    } else {
        s->fin_wanted = true;
        hf_sim_stream_push(s);
    }
}

hf_sim_stream *hf_sim_stream_connect(hf_sim_host *h, const hf_address *to)
{
    const int peer = hf_sim_find(h->world, to);
    hf_sim_stream *s = make(h, peer < 0 ? HF_WORLD_HOSTS : (uint16_t)peer, h->next_port, to->port);
    if (s == NULL)
        return NULL;
    h->next_port = h->next_port == 65535 ? 32768 : (uint16_t)(h->next_port + 1);
    s->phase = HF_SIM_SYN_SENT;
    s->peer_address = *to;
    s->held = true;
    h->descriptors++;
    transmit(s, FLAG_SYN, s->iss, hf_bytes_make(NULL, 0));
    arm(s);
    return s;
}

/* ---- sending ------------------------------------------------------------------------------------------------ */

static uint64_t out_begin(const hf_sim_stream *s)
{
    return s->una > s->iss ? s->una : s->iss + 1;
}
/* Behind the last byte in the socket buffer; FIN has this number once it is sent. */
static uint64_t out_end(const hf_sim_stream *s)
{
    return out_begin(s) + hf_queue_length(&s->out);
}

/* The stand-in knows its link's MTU at every moment, as if path MTU discovery cost nothing. */
static uint64_t largest(const hf_sim_stream *s)
{
    const hf_world *w = world_of(s);
    uint32_t mtu = NO_MTU;
    if (s->peer < w->host_count)
        mtu = w->links[s->host->index * HF_WORLD_HOSTS + s->peer].options.mtu;
    if (mtu == 0 || mtu > NO_MTU)
        mtu = NO_MTU;
    return mtu > HEADER + 16 ? mtu - HEADER : 16;
}

static int64_t backoff(const hf_sim_stream *s)
{
    int64_t ns = s->rto_ns;
    for (unsigned i = 0; i < s->tries && ns < RTO_MOST; i++)
        ns *= 2;
    return ns < RTO_MOST ? ns : RTO_MOST;
}

static void send_at(hf_sim_stream *s, uint64_t seq, size_t len)
{
    const hf_span held = hf_queue_peek(&s->out);
    transmit(s, 0, seq, hf_bytes_make(held.ptr + (seq - out_begin(s)), len));
}

/* nxt moves on by what was just sent. */
static void advance(hf_sim_stream *s, uint64_t n)
{
    s->nxt += n;
    if (s->nxt > s->high) {
        s->high = s->nxt;
        if (s->timed_seq == 0) {
            s->timed_seq = s->nxt;
            s->timed_at = now_of(s);
        }
    }
    if (s->retry_at.ns == HF_NEVER_NS) {
        s->progress_at = now_of(s); /* the peer owes us an acknowledgement from now on */
        s->retry_at = hf_time_after(now_of(s), backoff(s));
    }
}

void hf_sim_stream_push(hf_sim_stream *s)
{
    if (s->phase != HF_SIM_OPEN || !hf_sim_pier_fill(s))
        return;
    const uint64_t mss = largest(s), end = out_end(s);
    if (s->cwnd == 0)
        s->cwnd = FIRST_WINDOW * mss;
    const uint64_t most = s->una + s->cwnd;
    const uint64_t limit = s->peer_edge < most ? s->peer_edge : most;
    while (s->nxt < end && s->nxt < limit) {
        uint64_t len = end - s->nxt < mss ? end - s->nxt : mss;
        if (len > limit - s->nxt) {
            len = limit - s->nxt;
            if (s->nxt > s->una)
                break; /* RFC 9293 3.8.6.2.1: no small segments while others are on their way */
        }
        send_at(s, s->nxt, len);
        advance(s, len);
    }
    if (s->fin_wanted && !s->fin_acked && s->pending == NULL && s->nxt == end) {
        s->fin_sent = true;
        transmit(s, FLAG_FIN, s->nxt, hf_bytes_make(NULL, 0));
        advance(s, 1);
    }
    if (s->nxt < end && s->una == s->nxt && s->retry_at.ns == HF_NEVER_NS) { /* the window is shut: probe it */
        s->progress_at = now_of(s);
        s->retry_at = hf_time_after(now_of(s), backoff(s));
    }
    settle(s);
}

static void resend_first(hf_sim_stream *s)
{
    const uint64_t mss = largest(s), held = hf_queue_length(&s->out);
    s->timed_seq = 0; /* Karn: an acknowledgement of what was sent twice times nothing */
    if (held > 0)
        send_at(s, out_begin(s), held < mss ? held : mss);
    else if (s->fin_sent && !s->fin_acked)
        transmit(s, FLAG_FIN, out_end(s), hf_bytes_make(NULL, 0));
}

static void slow_down(hf_sim_stream *s)
{
    const uint64_t mss = largest(s), half = (s->high - s->una) / 2;
    s->ssthresh = half > 2 * mss ? half : 2 * mss;
}

void hf_sim_stream_timeout(hf_sim_stream *s)
{
    const hf_time now = now_of(s);
    if (!hf_time_before(now, s->expire_at)) {
        hf_sim_stream_free(s);
        return;
    }
    if (hf_time_before(now, s->retry_at)) {
        arm(s);
        return;
    }
    s->tries++;
    if (s->tries > 2 && now.ns - s->progress_at.ns > s->host->options.give_up_ns) {
        hf_sim_stream_abort(s, hf_err_make(HF_ERR_IO_TIMEOUT), true);
        return;
    }
    s->retry_at = hf_time_after(now, backoff(s));
    s->timed_seq = 0;
    if (s->phase != HF_SIM_OPEN) {
        transmit(s, FLAG_SYN, s->iss, hf_bytes_make(NULL, 0));
    } else if (s->una < s->high) {
        slow_down(s);
        s->cwnd = largest(s);
        s->recovering = false;
        s->repeats = 0;
        s->nxt = s->una; /* go back; the receiver's acknowledgements skip what it has */
        hf_sim_stream_push(s);
        return;
    } else {
        transmit(s, FLAG_PROBE, s->una - 1, hf_bytes_make(NULL, 0));
    }
    arm(s);
}

/* ---- acknowledgements --------------------------------------------------------------------------------------- */

/* RFC 6298 2 */
static void measure(hf_sim_stream *s, uint64_t ack)
{
    if (s->timed_seq == 0 || ack < s->timed_seq)
        return;
    const int64_t r = now_of(s).ns - s->timed_at.ns;
    s->timed_seq = 0;
    if (s->srtt_ns == 0) {
        s->srtt_ns = r;
        s->rttvar_ns = r / 2;
    } else {
        const int64_t off = s->srtt_ns > r ? s->srtt_ns - r : r - s->srtt_ns;
        s->rttvar_ns = (3 * s->rttvar_ns + off) / 4;
        s->srtt_ns = (7 * s->srtt_ns + r) / 8;
    }
    const int64_t rto = s->srtt_ns + 4 * s->rttvar_ns;
    s->rto_ns = rto < RTO_LEAST ? RTO_LEAST : rto > RTO_MOST ? RTO_MOST : rto;
}

static void speed_up(hf_sim_stream *s, uint64_t acked)
{
    const uint64_t mss = largest(s);
    if (s->cwnd < s->ssthresh)
        s->cwnd += acked < mss ? acked : mss;
    else if (s->cwnd > 0)
        s->cwnd += mss * (acked < mss ? acked : mss) / s->cwnd;
}

static void progress(hf_sim_stream *s, uint64_t ack)
{
    const uint64_t begin = out_begin(s), end = out_end(s);
    if (s->fin_sent && ack > end)
        s->fin_acked = true;
    const uint64_t bytes = (ack < end ? ack : end) - begin;
    hf_queue_take(&s->out, bytes);
    if (hf_queue_length(&s->out) == 0)
        hf_queue_trim(&s->out);
    measure(s, ack);
    s->una = ack;
    if (s->nxt < ack)
        s->nxt = ack;
    s->tries = 0;
    s->repeats = 0;
    s->progress_at = now_of(s);
    s->retry_at = s->una == s->high ? HF_NEVER : hf_time_after(now_of(s), backoff(s));
    if (!s->recovering) {
        speed_up(s, bytes);
    } else if (ack >= s->recover) {
        s->recovering = false;
        s->cwnd = s->ssthresh;
    } else {
        resend_first(s); /* RFC 6582 3.2: a partial acknowledgement names the next hole */
    }
}

static void acknowledged(hf_sim_stream *s, const segment *g)
{
    if (!(g->flags & FLAG_ACK) || g->ack > s->high || g->ack < s->iss + 1)
        return;
    const bool opened = g->ack + g->window > s->peer_edge;
    if (opened)
        s->peer_edge = g->ack + g->window;
    if (g->ack > s->una) {
        progress(s, g->ack);
    } else if (s->una == s->high) {
        if (s->retry_at.ns != HF_NEVER_NS) { /* an answered probe: the peer is there, only busy */
            s->progress_at = now_of(s);
            if (opened) {
                s->tries = 0;
                s->retry_at = HF_NEVER;
            }
        }
    } else if (g->ack == s->una && g->data.len == 0 && !opened && !(g->flags & (FLAG_FIN | FLAG_SYN))) {
        if (++s->repeats == 3 && !s->recovering) { /* RFC 5681 3.2 */
            slow_down(s);
            s->cwnd = s->ssthresh;
            s->recovering = true;
            s->recover = s->high;
            resend_first(s);
        }
    }
    hf_sim_stream_push(s);
}

/* ---- receiving ---------------------------------------------------------------------------------------------- */

static void keep_island(hf_sim_stream *s, uint64_t seq, hf_bytes data)
{
    hf_sim_island **at = &s->islands;
    while (*at != NULL && (*at)->seq < seq)
        at = &(*at)->next;
    if (s->island_count >= ISLANDS || (*at != NULL && (*at)->seq == seq))
        return; /* it will come again */
    hf_sim_island *island = hf_alloc(&world_of(s)->alloc, sizeof *island + data.len);
    if (island == NULL)
        return;
    island->seq = seq;
    island->len = data.len;
    memcpy(island->bytes, data.ptr, data.len);
    island->next = *at;
    *at = island;
    s->island_count++;
}

/* Takes what continues the stream; cuts off what is there already. */
static void append(hf_sim_stream *s, uint64_t seq, hf_bytes data)
{
    if (seq + data.len <= s->rcv_nxt)
        return;
    const uint64_t skip = s->rcv_nxt - seq;
    if (hf_queue_append(&s->in, hf_bytes_make(data.ptr + skip, data.len - skip))) {
        s->rcv_nxt = seq + data.len;
        s->owes_readable = true;
    }
}

static void join_islands(hf_sim_stream *s)
{
    while (s->islands != NULL && s->islands->seq <= s->rcv_nxt) {
        hf_sim_island *island = s->islands;
        append(s, island->seq, hf_bytes_make(island->bytes, island->len));
        s->islands = island->next;
        s->island_count--;
        hf_free(&world_of(s)->alloc, island, sizeof *island + island->len);
    }
}

/* Data and FIN. False when the stream is gone. */
static bool take_in(hf_sim_stream *s, const segment *g)
{
    const uint64_t end = g->seq + g->data.len;
    const bool fin = (g->flags & FLAG_FIN) != 0;
    if (!s->held && s->listener == NULL && g->data.len > 0 && end > s->rcv_nxt) {
        hf_sim_stream_abort(s, HF_OK, false); /* nobody will ever read it: the peer must learn */
        return false;
    }
    if (end <= s->edge) {
        if (fin) {
            s->fin_known = true;
            s->fin_at = end;
        }
        if (g->seq > s->rcv_nxt && g->data.len > 0)
            keep_island(s, g->seq, g->data);
        else if (g->data.len > 0)
            append(s, g->seq, g->data);
        join_islands(s);
        if (s->fin_known && !s->fin_received && s->rcv_nxt == s->fin_at) {
            s->rcv_nxt++;
            s->fin_received = true;
            s->owes_ended = true;
        }
    }
    if (g->data.len > 0 || fin || (g->flags & (FLAG_PROBE | FLAG_SYN)))
        acknowledge(s);
    settle(s);
    hf_sim_pier_ready(s);
    return true;
}

void hf_sim_stream_opened_window(hf_sim_stream *s)
{
    if (s->phase != HF_SIM_OPEN || s->fin_received)
        return;
    const uint64_t grown = s->rcv_nxt + room(s) - s->edge;
    const uint64_t enough = s->receive_buffer / 2 < 2 * largest(s) ? s->receive_buffer / 2 : 2 * largest(s);
    if (s->rcv_nxt + room(s) > s->edge && grown >= enough)
        acknowledge(s);
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

static void open_up(hf_sim_stream *s)
{
    s->phase = HF_SIM_OPEN;
    s->tries = 0;
}

static void arrived_for_syn_sent(hf_sim_stream *s, const segment *g)
{
    const bool acks_us = (g->flags & FLAG_ACK) && g->ack == s->iss + 1;
    if (g->flags & FLAG_RST) {
        if (acks_us)
            hf_sim_stream_abort(s, hf_err_make(HF_ERR_IO_REFUSED), true);
    } else if ((g->flags & FLAG_ACK) && !acks_us) {
        reject(s->host, s->peer, g); /* the far side of an older stream between these ports */
    } else if (acks_us && (g->flags & FLAG_SYN)) {
        s->rcv_nxt = s->edge = g->seq + 1;
        open_up(s);
        s->owes_opened = true;
        acknowledge(s);
        acknowledged(s, g);
        hf_sim_pier_ready(s);
    }
}

static void arrived_for_open(hf_sim_stream *s, const segment *g)
{
    if (g->flags & FLAG_RST) {
        if (g->seq >= s->rcv_nxt && g->seq <= s->edge + 1)
            hf_sim_stream_abort(s, hf_err_make(HF_ERR_IO_RESET), true);
    } else if (g->flags & FLAG_SYN) {
        acknowledge(s); /* RFC 5961 4: whoever has forgotten this stream answers with RST */
    } else {
        acknowledged(s, g);
        if (s->phase == HF_SIM_OPEN)
            (void)take_in(s, g);
    }
}

static void arrived_for_syn_received(hf_sim_stream *s, const segment *g)
{
    if (g->flags & FLAG_RST) {
        if (g->seq >= s->rcv_nxt && g->seq <= s->edge + 1)
            hf_sim_stream_abort(s, HF_OK, true);
    } else if (g->flags & FLAG_SYN) {
        if (g->seq + 1 == s->rcv_nxt)
            transmit(s, FLAG_SYN, s->iss, hf_bytes_make(NULL, 0));
    } else if ((g->flags & FLAG_ACK) && g->ack > s->iss && g->ack <= s->high) {
        hf_sim_listener *l = s->listener;
        open_up(s);
        if (l->first != NULL)
            l->last->queue_next = s;
        else
            l->first = s;
        l->last = s;
        hf_sim_host_stir(s->host);
        arrived_for_open(s, g);
    } else {
        reject(s->host, s->peer, g);
    }
}

static void arrived_for_nobody(hf_sim_host *h, uint16_t from, const segment *g)
{
    hf_sim_listener *l = hf_sim_listener_find(h, g->target);
    if (l == NULL || (g->flags & (FLAG_SYN | FLAG_ACK | FLAG_RST)) != FLAG_SYN) {
        reject(h, from, g);
        return;
    }
    if (l->waiting >= h->options.backlog)
        return; /* a full line drops: the SYN comes again */
    hf_sim_stream *s = make(h, from, g->target, g->source);
    if (s == NULL)
        return;
    s->phase = HF_SIM_SYN_RECEIVED;
    s->listener = l;
    l->waiting++;
    s->rcv_nxt = s->edge = g->seq + 1;
    s->peer_edge = s->iss + 1 + g->window;
    transmit(s, FLAG_SYN, s->iss, hf_bytes_make(NULL, 0));
    arm(s);
}

void hf_sim_stream_receive(hf_sim_host *h, hf_sim_packet *p)
{
    segment g;
    if (!parse(p, &g)) {
        hf_sim_drop(h->world, p, HF_DROP_CHECKSUM);
        return;
    }
    hf_sim_stream *s = h->streams;
    while (s != NULL && !(s->phase != HF_SIM_DEAD && s->peer == p->from && s->local_port == g.target && s->remote_port == g.source))
        s = s->next;
    if (s == NULL)
        arrived_for_nobody(h, p->from, &g);
    else if (s->phase == HF_SIM_SYN_SENT)
        arrived_for_syn_sent(s, &g);
    else if (s->phase == HF_SIM_SYN_RECEIVED)
        arrived_for_syn_received(s, &g);
    else
        arrived_for_open(s, &g);
}
