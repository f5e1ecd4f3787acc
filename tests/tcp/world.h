/* SPDX-License-Identifier: Apache-2.0
 *
 * Two endpoints and the link between them, in virtual time: what leaves one arrives at the other later, or not, or twice, or
 * out of order, as the seed and a test's own rules say. After every event the invariants of both are asked for, and every
 * segment on the wire is judged by an eye of its own: checksums, bytes, windows, acknowledgements.
 */
#ifndef HF_TESTS_TCP_WORLD_H
#define HF_TESTS_TCP_WORLD_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "random.h"
#include "tcp_core.h"

enum { MOST_PACKETS = 8192, PATTERN = 65521, MOST_APPS = 64, MOST_TOLD = 256 };
#define MS(n) HF_MILLISECONDS(n)

typedef struct packet {
    hf_time at;
    uint64_t order;
    int to;         /* 0 or 1: which end */
    uint8_t ecn;
    size_t length;
    uint8_t *bytes; /* a TCP segment */
    hf_ip source, destination;
} packet;

/* One direction. Chances are parts in a million. */
typedef struct link_rules {
    int64_t delay_ns, jitter_ns;
    uint32_t loss, duplicate, corrupt;
    int64_t duplicate_after_ns;
    uint64_t rate;         /* bytes a second; 0: none */
    uint64_t queue;        /* bytes that may wait; 0: no bound */
    hf_time free_at;
    bool cut;              /* nothing passes */
} link_rules;

struct world;
/* What becomes of packet number `index` of its direction. */
typedef enum fate { PASS, DROP, TWICE, LATE } fate;
typedef fate (*fate_rule)(struct world *w, int to, uint64_t index, const hf_segment *s);

/* The application at one end of a connection: sends `total` bytes of the pattern, reads as told, ends. */
typedef struct app {
    hf_tcp *tcp;
    int end;
    uint64_t total, put, received, released, tokens;
    uint64_t most_read;   /* reads no more than this in all; UINT64_MAX: everything */
    bool lent;            /* puts LENT extents with tokens */
    bool end_after, ended; /* says FIN when all is put; has said it */
    bool opened, peer_ended, closed, faulted, freed, accepted;
    bool free_when_over;
    hf_err err;
    unsigned events;
} app;

/* The eye on the wire, for each direction of one connection. */
typedef struct eye {
    bool known;
    hf_seq iss, most_sent;  /* behind the last number sent */
    hf_seq before;          /* the same of the connection before: an old SYN that comes late has the listener begin another, which the
                               peer, who knows but the first, answers by acknowledging that once more (RFC 9293 3.5) */
    bool again;
    hf_seq edge;            /* the farthest that the receiver has ever told */
    bool edge_known;
    unsigned scale;
    uint16_t port;
} eye;

typedef struct world {
    hf_test_world env[2];
    hf_tcp_endpoint *ep[2];
    hf_tcp_config config[2];
    hf_ip ip[2];
    hf_time now;
    hf_random random;
    link_rules link[2];     /* by the end it leads to */
    packet *packets[MOST_PACKETS];
    unsigned packet_count;
    uint64_t order, index[2];
    fate_rule rule;
    void *rule_state;
    app apps[MOST_APPS];
    unsigned app_count;
    app accept;             /* how accepted connections behave */
    eye eyes[2][8];
    uint64_t sent[2], dropped[2], payload[2];
    bool watch_bytes;
    hf_segment last[2];     /* the last segment sent to each end */
    uint64_t resets[2], syns[2], fins[2];
    uint8_t *last_bytes[2];
    size_t last_length[2];
    bool lasts;             /* segments stay until the next one: what is read is read from them */
    uint8_t *lasting[2];    /* the last one, by its end */
    size_t lasting_length[2];
    bool quiet;             /* no judging of what an attacker forged */
} world;

static uint8_t pattern[PATTERN + 65536];

static inline uint8_t pattern_at(uint64_t offset)
{
    return pattern[offset % PATTERN];
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

static inline void world_limits(world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    hf_random_seed(&w->random, seed ^ 0x7463702d776f726cu);
    w->lasts = seed % 2 == 1;
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (uint8_t)((i % PATTERN) * 2654435761u >> 13);
    for (int i = 0; i < 2; i++) {
        hf_test_world_init(&w->env[i], seed * 2 + (uint64_t)i);
        w->link[i].delay_ns = MS(10);
        w->ip[i] = hf_ip_make4(10, 0, 0, (uint8_t)(i + 1));
        for (unsigned k = 0; k < 32; k++)
            w->config[i].secret[k] = (uint8_t)hf_random_next(&w->random);
    }
    w->now = hf_time_make(HF_SECONDS(1000));
    w->accept.most_read = UINT64_MAX;
    w->accept.end_after = true;
    w->watch_bytes = true;
}

static inline void world_begin(world *w)
{
    for (int i = 0; i < 2; i++) {
        w->ep[i] = hf_tcp_endpoint_new(&w->env[i].env, &w->config[i], w->now);
        assert_non_null(w->ep[i]);
    }
}

static inline void world_init(world *w, uint64_t seed)
{
    world_limits(w, seed);
    world_begin(w);
}

static inline void world_drop_packets(world *w)
{
    for (unsigned i = 0; i < w->packet_count; i++) {
        free(w->packets[i]->bytes);
        free(w->packets[i]);
    }
    w->packet_count = 0;
}

static inline void world_fini(world *w)
{
    world_drop_packets(w);
    for (int i = 0; i < 2; i++) {
        hf_tcp_endpoint_free(w->ep[i]);
        hf_test_world_fini(&w->env[i]);
        free(w->last_bytes[i]);
        free(w->lasting[i]);
    }
}

/* ---- the eye ------------------------------------------------------------------------------------------------------ */

/* The sum once more, the slow way. */
static inline bool checksum_right(const hf_ip *source, const hf_ip *destination, const uint8_t *p, size_t n)
{
    uint32_t sum = 0;
    const size_t skip = hf_ip_is4(source) ? 12 : 0;
    for (size_t i = skip; i < 16; i += 2)
        sum += (uint32_t)(source->bytes[i] << 8 | source->bytes[i + 1]) + (uint32_t)(destination->bytes[i] << 8 | destination->bytes[i + 1]);
    sum += 6 + (uint32_t)n;
    for (size_t i = 0; i < n; i += 2) {
        sum += (uint32_t)(p[i] << 8) + (i + 1 < n ? p[i + 1] : 0u);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum = (sum & 0xffff) + (sum >> 16);
    return sum == 0xffff;
}

static inline eye *eye_of(world *w, int from, uint16_t port)
{
    for (unsigned i = 0; i < 8; i++)
        if (w->eyes[from][i].port == port || w->eyes[from][i].port == 0) {
            w->eyes[from][i].port = port;
            return &w->eyes[from][i];
        }
    return NULL;
}

/* Judges a segment that leaves end `from`. Both directions are told apart by the client's port. */
static inline void judge_segment(world *w, int from, const hf_segment *s)
{
    const uint16_t port = from == 0 ? s->source : s->destination;
    eye *mine = eye_of(w, from, port), *theirs = eye_of(w, !from, port);
    if (mine == NULL || theirs == NULL || w->quiet || (s->flags & HF_RST))
        return;
    const hf_seq end = hf_seq_add(s->seq, hf_segment_length(s));
    if (s->flags & HF_SYN) {
        if (!mine->known || !hf_seq_same(mine->iss, s->seq))
            *mine = (eye){ .known = true, .iss = s->seq, .most_sent = end, .port = port, .again = mine->known, .before = mine->most_sent };
        mine->scale = s->has_scale ? s->scale : 0;
        if (s->flags & HF_ACK) {
            mine->scale = s->has_scale && theirs->known ? s->scale : 0;
            if (!s->has_scale)
                theirs->scale = 0;
        }
    }
    if (!mine->known)
        return;
    if (s->flags & HF_ACK) {
        if (theirs->known && hf_seq_before(theirs->most_sent, s->ack) && !(theirs->again && hf_seq_upto(s->ack, theirs->before)))
            fail_msg("an ACK for what was never sent (S5)");
        const hf_seq edge = hf_seq_add(s->ack, (uint32_t)s->window << ((s->flags & HF_SYN) ? 0 : mine->scale));
        if (!mine->edge_known || hf_seq_before(mine->edge, edge))
            mine->edge = edge;
        else if (hf_seq_from(mine->edge, edge) > 1 << 14 && hf_seq_same(s->ack, theirs->most_sent) && !(s->flags & HF_SYN) && s->window > 0)
            fail_msg("the right edge moved back by %d (S2)", hf_seq_from(mine->edge, edge));
        mine->edge_known = true;
        for (unsigned i = 0; i < s->sacks; i++)
            if (theirs->known && hf_seq_before(theirs->most_sent, s->sack[i].end))
                fail_msg("a SACK for what was never sent (S5)");
    }
    if (theirs->edge_known && s->payload.len > 0 && hf_seq_from(end, theirs->edge) > 1 + ((s->flags & HF_FIN) != 0))
        fail_msg("%d bytes beyond the window (S2)", hf_seq_from(end, theirs->edge));
    if (hf_seq_before(mine->most_sent, end))
        mine->most_sent = end;
    if (w->watch_bytes && s->payload.len > 0) {
        const uint32_t offset = (uint32_t)hf_seq_from(s->seq, hf_seq_add(mine->iss, 1));
        for (size_t i = 0; i < s->payload.len; i++)
            if (s->payload.ptr[i] != pattern_at((uint64_t)offset + i))
                fail_msg("byte %u of the stream left as another (S14)", offset + (unsigned)i);
    }
}

/* ---- the link ---------------------------------------------------------------------------------------------------- */

static inline packet *packet_make(world *w, int to, const uint8_t *bytes, size_t length, hf_time at, uint8_t ecn)
{
    assert_true(w->packet_count < MOST_PACKETS);
    packet *p = malloc(sizeof *p);
    *p = (packet){ .at = at, .order = w->order++, .to = to, .length = length, .bytes = malloc(length), .ecn = ecn, .source = w->ip[!to], .destination = w->ip[to] };
    memcpy(p->bytes, bytes, length);
    w->packets[w->packet_count++] = p;
    return p;
}

static inline hf_segment read_segment(world *w, int to, const uint8_t *bytes, size_t length)
{
    hf_segment s;
    const hf_tcp_input in = { .source = w->ip[!to], .destination = w->ip[to], .checked = true, .segment = hf_bytes_make(bytes, length) };
    const hf_err err = hf_segment_read(&in, &s);
    assert_int_equal(err.code, 0);
    return s;
}

/* When a packet that leaves now arrives; HF_NEVER: the queue is full. */
static inline hf_time arrival(world *w, int to, size_t length)
{
    link_rules *l = &w->link[to];
    hf_time leaves = w->now;
    if (l->rate > 0) {
        if (l->free_at.ns < w->now.ns)
            l->free_at = w->now;
        const uint64_t waiting = (uint64_t)(l->free_at.ns - w->now.ns) * l->rate / 1000000000u;
        if (l->queue > 0 && waiting + length > l->queue)
            return HF_NEVER;
        l->free_at = hf_time_after(l->free_at, (int64_t)((length + 40) * 1000000000u / l->rate));
        leaves = l->free_at;
    }
    int64_t jitter = l->jitter_ns > 0 ? (int64_t)hf_random_below(&w->random, (uint64_t)l->jitter_ns) : 0;
    return hf_time_after(leaves, l->delay_ns + jitter);
}

static inline void carry(world *w, int to, const uint8_t *bytes, size_t length, uint8_t ecn)
{
    link_rules *l = &w->link[to];
    const hf_segment s = read_segment(w, to, bytes, length);
    judge_segment(w, !to, &s);
    w->sent[to]++;
    w->payload[to] += s.payload.len;
    w->resets[to] += (s.flags & HF_RST) != 0;
    w->syns[to] += (s.flags & HF_SYN) != 0;
    w->fins[to] += (s.flags & HF_FIN) != 0;
    w->last[to] = s;
    const uint64_t index = w->index[to]++;
    fate f = w->rule != NULL ? w->rule(w, to, index, &s) : PASS;
    if (l->cut || hf_random_chance(&w->random, l->loss))
        f = DROP;
    const hf_time at = arrival(w, to, length);
    if (f == DROP || at.ns == HF_NEVER_NS) {
        w->dropped[to]++;
        return;
    }
    packet *p = packet_make(w, to, bytes, length, f == LATE ? hf_time_after(at, 3 * l->delay_ns) : at, ecn);
    if (hf_random_chance(&w->random, l->corrupt))
        p->bytes[hf_random_below(&w->random, length)] ^= (uint8_t)(1 << hf_random_below(&w->random, 8));
    if (f == TWICE || hf_random_chance(&w->random, l->duplicate))
        packet_make(w, to, bytes, length, hf_time_after(at, l->duplicate_after_ns), ecn);
}

/* As a card does it: cuts a super-segment. */
static inline void cut_up(world *w, int from, const uint8_t *bytes, const hf_tcp_packet *p)
{
    static uint8_t one[HF_TCP_HEADER_MOST + 65536];
    const size_t header = p->header, payload = p->length - header;
    for (size_t at = 0; at < payload; at += p->segment) {
        const size_t n = payload - at < p->segment ? payload - at : p->segment;
        memcpy(one, bytes, header);
        memcpy(one + header, bytes + header + at, n);
        const uint32_t seq = ((uint32_t)one[4] << 24 | (uint32_t)one[5] << 16 | (uint32_t)one[6] << 8 | one[7]) + (uint32_t)at;
        for (unsigned i = 0; i < 4; i++)
            one[4 + i] = (uint8_t)(seq >> (24 - 8 * i));
        if (at + n < payload)
            one[13] &= (uint8_t)~(HF_FIN | HF_PSH);
        if (at > 0)
            one[13] &= (uint8_t)~HF_CWR;
        one[16] = one[17] = 0;
        hf_checksum sum = { 0 };
        hf_checksum_pseudo(&sum, &p->source, &p->destination, HF_PROTOCOL_TCP, (uint32_t)(header + n));
        hf_checksum_add(&sum, hf_bytes_make(one, header + n));
        one[16] = (uint8_t)(hf_checksum_value(&sum) >> 8);
        one[17] = (uint8_t)hf_checksum_value(&sum);
        carry(w, !from, one, header + n, p->ecn);
    }
}

static inline void check_both(world *w)
{
    for (int i = 0; i < 2; i++) {
        const char *wrong = hf_tcp_endpoint_wrong(w->ep[i]);
        if (wrong != NULL)
            fail_msg("at %.6f s, end %d: broken: %s", (double)w->now.ns / 1e9, i, wrong);
    }
}

/* Everything that end has to say. True when it said something. */
static inline bool speak(world *w, int end)
{
    bool any = false;
    for (unsigned i = 0; i < 4096; i++) {
        static uint8_t scratch[128], bytes[65536 + 128];
        hf_extent pieces[64];
        hf_out out = { .pieces = pieces, .capacity = 64, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = 65536 };
        hf_tcp_packet p;
        if (!hf_tcp_endpoint_emit(w->ep[end], w->now, &out, &p))
            return any;
        any = true;
        size_t n = 0;
        for (size_t k = 0; k < out.count; k++) {
            memcpy(bytes + n, out.pieces[k].bytes.ptr, out.pieces[k].bytes.len);
            n += out.pieces[k].bytes.len;
        }
        assert_int_equal(n, p.length);
        assert_int_equal(n, out.bytes);
        if (!w->config[end].partial_checksum && !checksum_right(&p.source, &p.destination, bytes, n))
            fail_msg("a checksum is wrong (S15)");
        if (p.segment > 0) {
            cut_up(w, end, bytes, &p);
        } else {
            free(w->last_bytes[!end]);
            w->last_bytes[!end] = malloc(n);
            memcpy(w->last_bytes[!end], bytes, n);
            w->last_length[!end] = n;
            carry(w, !end, bytes, n, p.ecn);
        }
        check_both(w);
    }
    fail_msg("emit does not come to an end");
    return any;
}

/* ---- applications ------------------------------------------------------------------------------------------------ */

static inline app *app_of(world *w, const hf_tcp *t)
{
    for (unsigned i = 0; i < w->app_count; i++)
        if (w->apps[i].tcp == t && !w->apps[i].freed)
            return &w->apps[i];
    return NULL;
}

static inline void app_write(app *a)
{
    while (a->put < a->total && !a->freed) {
        uint64_t n = a->total - a->put;
        n = n < 16384 ? n : 16384;
        const uint64_t at = a->put % PATTERN;
        const hf_extent e = { .kind = a->lent ? HF_EXTENT_LENT : HF_EXTENT_COPIED, .token = a->lent ? a->tokens + 1 : 0,
                              .bytes = hf_bytes_make(pattern + at, n) };
        const uint64_t taken = hf_tcp_put(a->tcp, &e, 1);
        if (taken == 0)
            return;
        assert_int_equal(taken, n);
        a->tokens += a->lent;
        a->put += taken;
    }
    if (a->end_after && !a->ended && a->put == a->total) {
        a->ended = true;
        const hf_err err = hf_tcp_end(a->tcp, (hf_ending){ HF_ENDING_FIN, 0 });
        assert_int_equal(err.code, 0);
    }
}

static inline void app_read(app *a)
{
    const hf_span s = hf_tcp_peek(a->tcp);
    uint64_t n = s.len;
    if (a->received + n > a->most_read)
        n = a->most_read - a->received;
    for (uint64_t i = 0; i < n; i++)
        if (s.ptr[i] != pattern_at(a->received + i))
            fail_msg("byte %lu arrived as another (S1)", (unsigned long)(a->received + i));
    if (n > 0)
        hf_tcp_take(a->tcp, (size_t)n);
    a->received += n;
}

static inline void app_events(world *w, app *a)
{
    hf_pier_event e;
    hf_step step;
    while ((step = hf_tcp_next(a->tcp, w->now, &e)) == HF_EVENT) {
        assert_true(++a->events < 10000000);
        if (e.kind == HF_PIER_OPENED) {
            assert_false(a->opened);
            a->opened = true;
        } else if (e.kind == HF_PIER_RELEASED) {
            assert_int_equal(e.token, ++a->released); /* in order, each once */
        } else if (e.kind == HF_PIER_ENDED) {
            assert_false(a->peer_ended);
            a->peer_ended = true;
            a->err = e.err;
            if (e.ending.kind == HF_ENDING_FIN)
                assert_int_equal(hf_tcp_peek(a->tcp).len, 0);
        }
        app_read(a);
        app_write(a);
    }
    a->closed |= step == HF_CLOSED;
    a->faulted |= step == HF_FAULT;
    app_read(a);
    app_write(a);
    if (a->free_when_over && (a->closed || a->faulted) && !a->freed) {
        a->freed = true;
        hf_tcp_free(a->tcp);
    }
}

static inline app *app_add(world *w, int end, hf_tcp *t, const app *like)
{
    assert_true(w->app_count < MOST_APPS);
    app *a = &w->apps[w->app_count++];
    *a = *like;
    a->tcp = t;
    a->end = end;
    return a;
}

static inline app *dial(world *w, const app *like, uint16_t port)
{
    const hf_tcp_pair pair = { .local = w->ip[0], .remote = w->ip[1], .remote_port = port };
    hf_err err;
    hf_tcp *t = hf_tcp_connect(w->ep[0], w->now, &pair, 0, &err);
    assert_non_null(t);
    return app_add(w, 0, t, like);
}

static inline void serve(world *w, uint16_t port)
{
    const hf_err err = hf_tcp_listen(w->ep[1], &w->ip[1], port, port);
    assert_int_equal(err.code, 0);
}

static inline bool listen_to(world *w, int end)
{
    hf_tcp_event e;
    bool any = false;
    while (hf_tcp_endpoint_step(w->ep[end], w->now, &e) == HF_EVENT) {
        any = true;
        if (e.kind == HF_TCP_ACCEPTED) {
            app *a = app_add(w, end, e.tcp, &w->accept);
            a->accepted = a->opened = true;
            app_write(a);
        } else {
            app *a = app_of(w, e.tcp);
            if (a != NULL)
                app_events(w, a);
        }
        check_both(w);
    }
    return any;
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static inline void settle(world *w)
{
    for (unsigned i = 0; i < 10000; i++) {
        bool any = false;
        for (int end = 0; end < 2; end++) {
            any |= listen_to(w, end);
            any |= speak(w, end);
        }
        if (!any)
            return;
    }
    fail_msg("the two never fall silent at one moment");
}

static inline unsigned next_packet(const world *w)
{
    unsigned best = 0;
    for (unsigned i = 1; i < w->packet_count; i++) {
        const packet *a = w->packets[i], *b = w->packets[best];
        if (a->at.ns < b->at.ns || (a->at.ns == b->at.ns && a->order < b->order))
            best = i;
    }
    return best;
}

/* Whoever still reads it shall be seen. */
static inline void forget_last(world *w, int to)
{
    if (w->lasting[to] != NULL)
        memset(w->lasting[to], 0xdd, w->lasting_length[to]);
    free(w->lasting[to]);
    w->lasting[to] = NULL;
}

static inline void arrive(world *w, unsigned i)
{
    packet *p = w->packets[i];
    w->packets[i] = w->packets[--w->packet_count];
    const hf_tcp_input in = { .source = p->source, .destination = p->destination, .ecn = p->ecn, .lasts = w->lasts, .segment = hf_bytes_make(p->bytes, p->length) };
    const uint64_t resets = w->ep[p->to]->reply_count;
    const hf_err err = hf_tcp_endpoint_input(w->ep[p->to], w->now, &in);
    if (!err.code && (p->bytes[13] & HF_RST))
        for (uint64_t k = resets; k < w->ep[p->to]->reply_count; k++)
            assert_false(w->ep[p->to]->replies[(w->ep[p->to]->reply_head + k) % w->env[p->to].limits.tcp_replies].segment.flags & HF_RST); /* S6 */
    forget_last(w, p->to);
    if (w->lasts) {
        w->lasting[p->to] = p->bytes;
        w->lasting_length[p->to] = p->length;
    } else {
        free(p->bytes);
    }
    free(p);
    check_both(w);
}

static inline hf_time next_moment(const world *w)
{
    hf_time at = hf_time_earlier(hf_tcp_endpoint_wake(w->ep[0]), hf_tcp_endpoint_wake(w->ep[1]));
    return w->packet_count > 0 ? hf_time_earlier(at, w->packets[next_packet(w)]->at) : at;
}

/* Until `until`, or nothing is left to happen. */
static inline void run_until(world *w, hf_time until)
{
    settle(w);
    for (unsigned rounds = 0; rounds < 3000000; rounds++) {
        const hf_time at = next_moment(w);
        if (at.ns > until.ns) {
            if (until.ns != HF_NEVER_NS)
                w->now = until;
            return;
        }
        /* after idle, wake lies in the future: packets may come at this very moment, timers may not */
        const hf_time wake = hf_time_earlier(hf_tcp_endpoint_wake(w->ep[0]), hf_tcp_endpoint_wake(w->ep[1]));
        assert_true(wake.ns > w->now.ns);
        if (at.ns > w->now.ns)
            w->now = at;
        while (w->packet_count > 0 && w->packets[next_packet(w)]->at.ns <= w->now.ns)
            arrive(w, next_packet(w));
        settle(w);
    }
    fail_msg("it never ends");
}

static inline void run_for(world *w, int64_t ns)
{
    run_until(w, hf_time_after(w->now, ns));
}

/* Forges a segment and lets it arrive at once. `payload` bytes of the pattern from `offset`. */
static inline void inject(world *w, int to, hf_segment s, uint64_t offset, size_t payload)
{
    uint8_t bytes[HF_TCP_HEADER_MOST + 2048];
    const size_t header = hf_segment_write(bytes, &s);
    memcpy(bytes + header, pattern + offset % PATTERN, payload);
    const hf_tcp_input in = { .source = w->ip[!to], .destination = w->ip[to], .checked = true, .segment = hf_bytes_make(bytes, header + payload) };
    const hf_err err = hf_tcp_endpoint_input(w->ep[to], w->now, &in);
    (void)err;
    check_both(w);
}

static inline app *accepted_app(world *w, unsigned nth)
{
    for (unsigned i = 0; i < w->app_count; i++)
        if (w->apps[i].accepted && nth-- == 0)
            return &w->apps[i];
    return NULL;
}

static inline hf_tcp_info info_of(const app *a)
{
    hf_tcp_info info;
    hf_tcp_info_of(a->tcp, &info);
    return info;
}
static inline hf_tcp_counts counts_of(const world *w, int end)
{
    hf_tcp_counts c;
    hf_tcp_endpoint_counts(w->ep[end], &c);
    return c;
}

#endif
