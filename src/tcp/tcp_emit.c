/* SPDX-License-Identifier: Apache-2.0
 *
 * What leaves: in this order the SYN, what was lost, a probe, new data, a keep-alive, a bare acknowledgement.
 */
#include "tcp_core.h"

#include "net_bytes.h"
#include "panic.h"

/* ---- sizes ------------------------------------------------------------------------------------------------------ */

uint32_t hf_tcp_full(const hf_tcp *t)
{
    return t->mss - (t->stamps ? 12u : 0u);
}

uint32_t hf_tcp_stamp_now(const hf_tcp *t, hf_time now)
{
    return t->stamp_offset + (uint32_t)((uint64_t)now.ns / 1000000);
}

uint64_t hf_tcp_sent(const hf_tcp *t)
{
    if (t->state < HF_TCP_ESTABLISHED)
        return 0;
    const uint32_t out = (uint32_t)hf_seq_from(t->nxt, t->una);
    return t->una_at + out - (t->fin_sent && out > 0 ? 1 : 0);
}

/* RFC 9293 3.8.6.2.2: the right edge moves only by as much as is worth a segment; it never moves back. */
static hf_seq edge_to_tell(const hf_tcp *t)
{
    const uint32_t room = t->receive_most > t->in.length ? t->receive_most - t->in.length : 0;
    const hf_seq edge = hf_seq_add(t->rcv_nxt, room);
    const uint32_t half = t->receive_most / 2;
    const uint32_t least = half < t->mss ? half : t->mss;
    return hf_seq_from(edge, t->edge) >= (int32_t)least ? edge : t->edge;
}

bool hf_tcp_window_opened(const hf_tcp *t)
{
    const int32_t more = hf_seq_from(edge_to_tell(t), t->edge);
    const int32_t left = hf_seq_from(t->edge, t->rcv_nxt);
    /* told when the window was nearly shut, or has grown by a quarter */
    return more > 0 && (left < 2 * (int32_t)t->mss || more >= (int32_t)(t->receive_most / 4));
}

/* The window's field, and the edge that it amounts to. */
static uint16_t tell_window(hf_tcp *t, bool syn)
{
    const hf_seq edge = edge_to_tell(t);
    const uint32_t window = hf_seq_before(t->rcv_nxt, edge) ? (uint32_t)hf_seq_from(edge, t->rcv_nxt) : 0;
    const unsigned scale = syn ? 0 : t->receive_scale;
    /* rounded up, or the edge would move back by up to a unit (RFC 7323 2.4); the buffer bears the difference */
    uint32_t field = (uint32_t)(((uint64_t)window + (1u << scale) - 1) >> scale);
    if ((field << scale) > t->receive_most - (t->in.length < t->receive_most ? t->in.length : t->receive_most) + (1u << scale))
        field = window >> scale;
    field = field < 65535 ? field : 65535;
    const hf_seq told = hf_seq_add(t->rcv_nxt, field << scale);
    if (hf_seq_before(t->edge, told))
        t->edge = told;
    return (uint16_t)field;
}

/* ---- a segment's dress ------------------------------------------------------------------------------------------ */

void hf_tcp_seal(hf_tcp_endpoint *ep, const hf_ip *source, const hf_ip *destination, const hf_segment *s, hf_out *out, size_t at, hf_tcp_packet *packet)
{
    uint8_t *header = out->scratch + out->scratch_used;
    const size_t length = hf_segment_write(header, s);
    out->scratch_used += length;
    out->bytes += length;
    out->pieces[at] = (hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(header, length) };
    packet->header = (uint16_t)length;
    packet->length = 0;
    for (size_t i = at; i < out->count; i++)
        packet->length += (uint32_t)out->pieces[i].bytes.len;
    hf_checksum sum = { 0 };
    hf_checksum_pseudo(&sum, source, destination, HF_PROTOCOL_TCP, packet->length);
    if (ep->config.partial_checksum) {
        hf_set16(header + 16, (uint16_t)~hf_checksum_value(&sum));
    } else {
        for (size_t i = at; i < out->count; i++)
            hf_checksum_add(&sum, out->pieces[i].bytes);
        hf_set16(header + 16, hf_checksum_value(&sum));
    }
    ep->counts.segments_out++;
}

/* RFC 2018 4: the block with the newest piece first; RFC 2883: before it, what came twice. */
static void add_sacks(hf_tcp *t, hf_segment *s)
{
    const unsigned most = s->has_stamp ? 3 : 4;
    if (!t->sack)
        return;
    if (!hf_seq_same(t->again.start, t->again.end)) {
        s->sack[s->sacks++] = t->again;
        t->again = (hf_sack){ { 0 }, { 0 } };
    }
    unsigned newest = 0;
    for (unsigned i = 0; i < t->in.range_count; i++)
        if (hf_seq_upto(t->in.ranges[i].start, t->latest) && hf_seq_before(t->latest, t->in.ranges[i].end))
            newest = i;
    for (unsigned k = 0; k < t->in.range_count && s->sacks < most; k++)
        s->sack[s->sacks++] = t->in.ranges[(newest + k) % t->in.range_count];
}

static hf_segment dress(hf_tcp *t, hf_time now, hf_seq seq, uint8_t flags)
{
    hf_segment s = { .source = t->pair.local_port, .destination = t->pair.remote_port, .seq = seq, .ack = t->rcv_nxt, .flags = flags };
    if (t->stamps) {
        s.has_stamp = true;
        s.stamp = hf_tcp_stamp_now(t, now);
        s.echo = t->recent;
    }
    if (t->echo_mark)
        s.flags |= HF_ECE;
    if (flags & HF_ACK)
        add_sacks(t, &s);
    return s;
}

static void told_all(hf_tcp *t)
{
    t->ack_due = false;
    t->ack_at = HF_NEVER;
    t->unacknowledged = 0;
    t->last_ack = t->rcv_nxt;
}

static void send(hf_tcp *t, hf_time now, hf_segment *s, hf_out *out, size_t at, hf_tcp_packet *packet)
{
    s->window = tell_window(t, (s->flags & HF_SYN) != 0);
    packet->source = t->pair.local;
    packet->destination = t->pair.remote;
    hf_tcp_seal(t->ep, &t->pair.local, &t->pair.remote, s, out, at, packet);
    if (s->flags & HF_ACK)
        told_all(t);
    t->segments_out++;
    hf_trace(t->ep->env, now, t->id, HF_TRACE_TCP_SENT, (uint64_t)s->seq.n << 8 | s->flags, packet->length - packet->header);
}

/* ---- SYN, bare ACK, keep-alive ----------------------------------------------------------------------------------- */

static void write_syn(hf_tcp *t, hf_time now, hf_out *out, hf_tcp_packet *packet)
{
    const hf_tcp_config *config = &t->ep->config;
    const bool answer = t->state == HF_TCP_SYN_RECEIVED;
    t->stamps |= !answer && !config->no_timestamps; /* offered, until the answer says otherwise */
    hf_segment s = dress(t, now, t->iss, (uint8_t)(HF_SYN | (answer ? HF_ACK : 0)));
    s.mss = hf_mss_here(t->ep, &t->pair.remote);
    s.has_scale = answer ? t->receive_scale > 0 || t->send_scale > 0 : !config->no_scale;
    s.scale = hf_scale_here(t->ep);
    s.sack_permitted = answer ? t->sack : !config->no_sack;
    if (!answer) {
        s.ack = hf_seq_make(0);
        /* RFC 3168 6.1.1.1: not again after the first two, in case somebody on the way drops such SYNs */
        s.flags |= config->ecn && t->backoff < 2 ? HF_ECE | HF_CWR : 0;
    }
    const size_t at = out->count++;
    send(t, now, &s, out, at, packet);
    t->syn_due = false;
    t->nxt = hf_seq_add(t->iss, 1);
    if (t->backoff == 0)
        t->quiet_since = now;
    t->timing = HF_TIMING_RTO;
    t->retransmit_at = hf_time_after(now, hf_tcp_rto(t));
}

static void write_ack(hf_tcp *t, hf_time now, hf_out *out, hf_tcp_packet *packet, hf_seq seq)
{
    hf_segment s = dress(t, now, seq, HF_ACK);
    const size_t at = out->count++;
    send(t, now, &s, out, at, packet);
}

/* ---- data -------------------------------------------------------------------------------------------------------- */

/* [seq, seq + length) with the FIN where it is the last of it; as much as `out` has pieces for. The bytes sent. */
static uint32_t write_data(hf_tcp *t, hf_time now, hf_seq seq, uint32_t length, bool fin, hf_out *out, hf_tcp_packet *packet)
{
    const uint64_t offset = t->una_at + (uint32_t)hf_seq_from(seq, t->una);
    hf_segment s = dress(t, now, seq, HF_ACK);
    const uint32_t most = t->mss - (uint32_t)hf_segment_options(&s); /* SACK blocks take their room from the payload */
    const size_t at = out->count++;
    if (length > most && t->ep->config.super_segment == 0) {
        length = most;
        fin = false;
    }
    if (length > most)
        packet->segment = (uint16_t)most;
    const uint32_t n = length > 0 ? (uint32_t)hf_tcp_send_gather(&t->out, offset, length, out) : 0;
    if (n < length)
        fin = false;
    s.flags |= fin ? HF_FIN : 0;
    s.flags |= n > 0 && offset + n == t->out.end ? HF_PSH : 0;
    if (t->cut_mark && n > 0) {
        s.flags |= HF_CWR;
        t->cut_mark = false;
    }
    send(t, now, &s, out, at, packet);
    t->quiet_since = now;
    return n + (fin ? 1 : 0);
}

static uint32_t most_at_once(const hf_tcp *t, const hf_out *out)
{
    const uint32_t full = hf_tcp_full(t);
    uint32_t most = t->ep->config.super_segment > full ? t->ep->config.super_segment / full * full : full;
    if (out->room - out->bytes < most + HF_TCP_HEADER_MOST)
        most = out->room - out->bytes > HF_TCP_HEADER_MOST ? (uint32_t)(out->room - out->bytes - HF_TCP_HEADER_MOST) : 0;
    return most;
}

/* Bytes that congestion control lets out now. */
static uint64_t congestion_room(const hf_tcp *t)
{
    if (t->mood == HF_MOOD_RECOVERY)
        return t->sender->allowance;
    const uint64_t window = hf_congestion_window(&t->sender->congestion), flight = hf_tcp_flight(t);
    return window > flight ? window - flight : 0;
}

static void count_out(hf_tcp *t, uint32_t bytes)
{
    hf_pacer_sent(&t->sender->pacer, bytes);
    if (t->mood == HF_MOOD_RECOVERY) {
        hf_prr_sent(&t->sender->prr, bytes);
        t->sender->allowance = t->sender->allowance > bytes ? t->sender->allowance - bytes : 0;
    }
}

/* Bytes that the pacer lets out now. A window that could have been the first one may leave in one burst, as that did (RFC
 * 9002 7.7); and it is with small windows that delayed acknowledgements make the round trip seem long, and the pace slow. */
static uint64_t pacer_room(hf_tcp *t, hf_time now)
{
    if (hf_congestion_window(&t->sender->congestion) <= (uint64_t)HF_TCP_INITIAL_SEGMENTS * hf_tcp_full(t))
        return UINT64_MAX;
    return hf_pacer_room(&t->sender->pacer, now);
}

static void push(hf_tcp *t, const hf_record *record)
{
    hf_tcp_sender *s = t->sender;
    hf_records_push(&s->records, record);
    s->rest_at = HF_NEVER;
    const uint32_t flight = hf_tcp_flight(t);
    if (flight > s->used || hf_seq_upto(s->used_until, t->una)) {
        s->used = flight;
        s->used_until = hf_record_end(record);
    }
}

/* False: the pacer says later. */
static bool paced(hf_tcp *t, hf_time now, uint32_t bytes)
{
    const uint32_t full = hf_tcp_full(t);
    const uint32_t unit = bytes < full ? bytes : full;
    if (pacer_room(t, now) >= unit)
        return true;
    t->sender->pace_at = hf_pacer_when(&t->sender->pacer, now, unit);
    return false;
}

/* Sends record i again, or its front. */
static void resend(hf_tcp *t, hf_time now, uint32_t i, uint32_t length, hf_out *out, hf_tcp_packet *packet)
{
    const hf_record *record = hf_record_at(&t->sender->records, i);
    const hf_seq start = record->start;
    const bool last = t->fin_sent && length == record->length && hf_seq_same(hf_record_end(record), t->nxt);
    const uint32_t sent = write_data(t, now, start, length - last, last, out, packet);
    HF_ASSERT(sent > 0);
    if (sent < record->length)
        hf_records_split(&t->sender->records, i, hf_seq_add(start, sent));
    hf_record *again = hf_record_at(&t->sender->records, i);
    again->sent_at = now;
    hf_records_mark(&t->sender->records, again, HF_RECORD_AGAIN, HF_RECORD_LOST);
    const uint32_t segments = (sent + hf_tcp_full(t) - 1) / hf_tcp_full(t);
    t->retransmitted += segments;
    t->ep->counts.retransmitted += segments;
    t->bytes_retransmitted += sent;
    t->sender->undo_left++;
    count_out(t, sent);
    if (t->timing == HF_TIMING_NONE || t->timing == HF_TIMING_PROBE || (i == 0 && t->mood == HF_MOOD_RECOVERY)) {
        t->timing = HF_TIMING_RTO;
        t->retransmit_at = hf_time_after(now, hf_tcp_rto(t));
    }
}

static bool write_lost(hf_tcp *t, hf_time now, hf_out *out, hf_tcp_packet *packet)
{
    if (!hf_tcp_is_out(t) || t->sender->records.lost == 0 || !hf_records_reserve(&t->sender->records, t->ep->alloc, 2))
        return false;
    uint32_t i = 0;
    while (!(hf_record_at(&t->sender->records, i)->flags & HF_RECORD_LOST))
        i++;
    const hf_record *record = hf_record_at(&t->sender->records, i);
    uint32_t length = record->length;
    const uint32_t most = most_at_once(t, out), full = hf_tcp_full(t);
    const uint64_t room = congestion_room(t);
    length = length < most ? length : most;
    if (length == 0)
        return false;
    if (room < length) {
        /* at least one segment when nothing else is out: something has to go */
        if (room < full && hf_tcp_flight(t) > 0 && room < record->length)
            return false;
        const uint32_t fits = room < full ? full : (uint32_t)(room / full * full);
        length = length < fits ? length : fits;
    }
    /* RFC 9293 3.8.6: "A TCP receiver SHOULD NOT shrink the window", but some do; only the first goes beyond it, as a probe */
    const int32_t window = hf_seq_from(hf_seq_add(t->una, t->window), record->start);
    if (i > 0 && window < (int32_t)length) {
        if (window <= 0)
            return false;
        length = (uint32_t)window;
    }
    if (t->mood == HF_MOOD_OPEN || paced(t, now, length)) {
        resend(t, now, i, length, out, packet);
        return true;
    }
    return false;
}

/* RFC 8985 7.3: the last segment once more. */
static void resend_tail(hf_tcp *t, hf_time now, hf_out *out, hf_tcp_packet *packet)
{
    uint32_t i = t->sender->records.count - 1;
    const uint32_t full = hf_tcp_full(t);
    const hf_record *last = hf_record_at(&t->sender->records, i);
    if (last->length > full) {
        hf_records_split(&t->sender->records, i, hf_seq_add(hf_record_end(last), -full));
        i++;
    }
    t->probe_again = true;
    resend(t, now, i, hf_record_at(&t->sender->records, i)->length, out, packet);
}

static bool may_close(const hf_tcp *t)
{
    return t->end_asked && !t->fin_sent && (t->state == HF_TCP_ESTABLISHED || t->state == HF_TCP_CLOSE_WAIT);
}

/* How much of what is unsent may leave now; UINT32_MAX: nothing, and not even a FIN. */
enum { HELD = -1 };
static int64_t new_length(hf_tcp *t, hf_time now, uint64_t available, bool forced, const hf_out *out)
{
    const uint32_t full = hf_tcp_full(t), most = most_at_once(t, out);
    const int32_t window = hf_seq_from(hf_seq_add(t->una, t->window), t->nxt);
    if (window <= 0)
        return available > 0 ? HELD : 0;
    uint64_t length = available < most ? available : most;
    if (length > (uint32_t)window) {
        length = (uint32_t)window;
        /* RFC 9293 3.8.6.2.1: no silly segments: a full one, or half of the largest window, or when the timer says so */
        if (length < full && length < t->window_most / 2 && !forced)
            return HELD;
    }
    const uint64_t room = congestion_room(t);
    if (length > room && !forced) {
        t->held_by_window = true;
        if (room < full)
            return HELD;
        length = room;
    }
    if (length > full && length < available)
        length = length / full * full;
    if (length > 0 && !forced && !paced(t, now, (uint32_t)length)) {
        t->held_by_window = true;
        return HELD;
    }
    if (length > full && pacer_room(t, now) < length) {
        const uint64_t allowed = pacer_room(t, now) / full * full;
        length = allowed > full ? allowed : full;
    }
    /* RFC 9293 3.7.4, Nagle: a small segment waits while anything is unacknowledged */
    if (t->nagle && length < full && length == available && hf_tcp_is_out(t) && !t->end_asked && !forced)
        return HELD;
    return (int64_t)length;
}

static bool write_new(hf_tcp *t, hf_time now, bool forced, hf_out *out, hf_tcp_packet *packet)
{
    const uint64_t available = t->out.end - hf_tcp_sent(t);
    const bool close = may_close(t);
    if ((available == 0 && !close) || !hf_tcp_rouse(t, now, 3))
        return false;
    if (available > 0 && !hf_tcp_is_out(t) && now.ns - t->quiet_since.ns > hf_tcp_rto(t))
        hf_congestion_idle(&t->sender->congestion, now.ns - t->quiet_since.ns);
    if (!hf_tcp_is_out(t))
        t->progress_at = t->timing == HF_TIMING_PERSIST ? t->progress_at : now;
    const int64_t length = new_length(t, now, available, forced, out);
    if (length == HELD || (length == 0 && available > 0))
        return false;
    const bool fin = close && (uint64_t)length == available;
    const hf_seq start = t->nxt;
    const uint32_t sent = write_data(t, now, start, (uint32_t)length, fin, out, packet);
    HF_ASSERT(sent > 0);
    const bool with_fin = fin && sent == (uint64_t)length + 1;
    const hf_record record = { .start = start, .length = sent, .sent_at = now };
    push(t, &record);
    t->nxt = hf_seq_add(start, sent);
    if (with_fin) {
        t->fin_sent = true;
        hf_tcp_move_on(t, HF_TCP_MOVE_CLOSE);
    }
    count_out(t, sent);
    t->held_by_window = false;
    if (t->timing != HF_TIMING_RTO)
        hf_tcp_rearm(t, now);
    if (t->wants_room && hf_tcp_unsent(t) == 0) {
        t->wants_room = false;
        t->tell_writable = true;
        hf_tcp_note(t);
    }
    return true;
}

/* RFC 9293 3.8.6.1: one octet beyond the window. When it is out already, the same again. */
static bool write_zero_probe(hf_tcp *t, hf_time now, hf_out *out, hf_tcp_packet *packet)
{
    if (!hf_tcp_rouse(t, now, 2))
        return false;
    if (hf_tcp_is_out(t)) {
        resend(t, now, 0, 1, out, packet);
    } else {
        const hf_seq start = t->nxt;
        const bool fin = t->out.end == hf_tcp_sent(t);
        if (fin && !may_close(t))
            return false;
        write_data(t, now, start, fin ? 0 : 1, fin, out, packet);
        push(t, &(hf_record){ .start = start, .length = 1, .sent_at = now, .flags = HF_RECORD_AGAIN });
        t->nxt = hf_seq_add(start, 1);
        if (fin) {
            t->fin_sent = true;
            hf_tcp_move_on(t, HF_TCP_MOVE_CLOSE);
        }
    }
    t->zero_probe = true;
    hf_tcp_rearm(t, now);
    return true;
}

static bool write_probe(hf_tcp *t, hf_time now, hf_out *out, hf_tcp_packet *packet)
{
    t->probe_due = false;
    if (!t->probing) {
        const int32_t window = hf_seq_from(hf_seq_add(t->una, t->window), t->nxt);
        if (window > 0 && !hf_tcp_is_out(t))
            return write_new(t, now, true, out, packet);
        return write_zero_probe(t, now, out, packet);
    }
    const bool sent = write_new(t, now, true, out, packet);
    if (!sent && hf_tcp_is_out(t) && hf_records_reserve(&t->sender->records, t->ep->alloc, 2))
        resend_tail(t, now, out, packet);
    t->sender->probe_end = t->nxt;
    return sent || t->probe_again;
}

static bool write_any(hf_tcp *t, hf_time now, hf_out *out, hf_tcp_packet *packet)
{
    if (t->state < HF_TCP_ESTABLISHED) {
        if (!t->syn_due) {
            if (!t->ack_due || t->state != HF_TCP_SYN_RECEIVED)
                return false;
            write_ack(t, now, out, packet, t->nxt);
            return true;
        }
        write_syn(t, now, out, packet);
        return true;
    }
    if (write_lost(t, now, out, packet) || (t->probe_due && write_probe(t, now, out, packet)) || write_new(t, now, false, out, packet))
        return true;
    if (t->keepalive_due) {
        t->keepalive_due = false;
        write_ack(t, now, out, packet, hf_seq_add(t->nxt, UINT32_MAX));
        return true;
    }
    if (!t->ack_due)
        return false;
    write_ack(t, now, out, packet, t->nxt);
    return true;
}

bool hf_tcp_write(hf_tcp *t, hf_time now, hf_out *out, hf_tcp_packet *packet)
{
    if (out->capacity - out->count < 2 || out->scratch_capacity - out->scratch_used < HF_TCP_HEADER_MOST)
        return false;
    *packet = (hf_tcp_packet){ .source = t->pair.local };
    const bool sent = write_any(t, now, out, packet);
    /* data that waits for a window has a timer, whatever else happens */
    if (!sent && t->timing == HF_TIMING_NONE && t->state >= HF_TCP_ESTABLISHED && (hf_tcp_sent(t) < t->out.end || (may_close(t) && !hf_tcp_is_out(t))))
        hf_tcp_rearm(t, now);
    /* RFC 3168 6.1.4, 6.1.5: new data may be marked, acknowledgements and retransmissions may not */
    if (sent && t->ecn && packet->length > packet->header && t->mood == HF_MOOD_OPEN)
        packet->ecn = HF_ECN_ECT0;
    hf_tcp_set_timer(t);
    return sent;
}
