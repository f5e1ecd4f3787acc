/* SPDX-License-Identifier: Apache-2.0
 *
 * Two hosts on one wire, in virtual time: what leaves one arrives at the other later, or not, or twice, or out of order, or
 * damaged, as the seed says. Connections carry a pattern, and every byte is compared. After every event the invariants of
 * both hosts are asked for.
 */
#ifndef HF_TESTS_HOST_WIRE_H
#define HF_TESTS_HOST_WIRE_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "host_core.h"
#include "random.h"
#include "tcp_core.h"

enum { WIRE_PACKETS = 4096, PATTERN = 65521, APPS = 8 };
#define MS(n) HF_MILLISECONDS(n)

typedef struct flying {
    hf_time at;
    uint64_t order;
    int to;
    bool checked;
    size_t length;
    uint8_t *bytes;
} flying;

/* The program at one end of a connection: sends `total` bytes of the pattern, then its end; reads everything. */
typedef struct app {
    hf_tcp *tcp;
    int end;
    uint64_t total, put, received;
    bool ended, peer_ended, opened, over;
    hf_err err;
} app;

typedef struct wire {
    hf_test_world env[2];
    hf_host_config config[2];
    hf_host *host[2];
    hf_time now;
    hf_random random;
    int64_t delay_ns, jitter_ns;
    uint32_t loss, twice, damage; /* parts in a million */
    bool cut[2];                  /* nothing reaches this end */
    flying *flying[WIRE_PACKETS];
    unsigned count;
    uint64_t order, sent[2];
    app apps[APPS];
    unsigned app_count;
    uint64_t answer;              /* what accepted connections send */
    hf_host_datagram heard;       /* the last datagram */
    uint8_t heard_bytes[2048];
    unsigned datagrams;
    hf_host_packet last[2];       /* that left each end */
    uint8_t last_bytes[2][70000];
    uint8_t *lasting[2];          /* the last packet that reached each end: it lasts */
    bool hand;                    /* the test itself is the other end: nothing is delivered */
} wire;

static uint8_t pattern[PATTERN + 65536];

static inline hf_ip four(uint8_t last)
{
    return hf_ip_make4(10, 0, 0, last);
}
static inline hf_ip six(uint8_t last)
{
    return (hf_ip){ { 0xfd, 0, [15] = last } };
}

static inline void wire_init(wire *w, uint64_t seed, bool ethernet)
{
    memset(w, 0, sizeof *w);
    hf_random_seed(&w->random, seed);
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (uint8_t)((i % PATTERN) * 2654435761u >> 13);
    for (int i = 0; i < 2; i++) {
        hf_test_world_init(&w->env[i], seed * 2 + (uint64_t)i);
        hf_host_config *c = &w->config[i];
        c->addresses[0] = (hf_host_address){ four((uint8_t)(i + 1)), 24 };
        c->addresses[1] = (hf_host_address){ six((uint8_t)(i + 1)), 64 };
        c->address_count = 2;
        c->ethernet = ethernet;
        c->mac = (hf_mac){ { 2, 0, 0, 0, 0, (uint8_t)(i + 1) } };
        for (unsigned k = 0; k < 32; k++)
            c->tcp.secret[k] = (uint8_t)hf_random_next(&w->random);
    }
    w->now = hf_time_make(HF_SECONDS(1000));
    w->delay_ns = MS(5);
}

static inline void wire_begin(wire *w)
{
    for (int i = 0; i < 2; i++) {
        w->host[i] = hf_host_new(&w->env[i].env, &w->config[i], w->now);
        assert_non_null(w->host[i]);
    }
}

static inline void wire_fini(wire *w)
{
    for (unsigned i = 0; i < w->count; i++) {
        free(w->flying[i]->bytes);
        free(w->flying[i]);
    }
    for (int i = 0; i < 2; i++) {
        hf_host_free(w->host[i]);
        free(w->lasting[i]);
        hf_test_world_fini(&w->env[i]);
    }
}

static inline void holds(wire *w)
{
    for (int i = 0; i < 2; i++) {
        const char *wrong = hf_host_wrong(w->host[i]);
        if (wrong == NULL)
            wrong = hf_tcp_endpoint_wrong(hf_host_tcp(w->host[i]));
        if (wrong != NULL)
            fail_msg("end %d: %s", i, wrong);
    }
}

/* ---- programs ----------------------------------------------------------------------------------------------------- */

static inline void app_write(app *a)
{
    while (a->put < a->total) {
        const uint64_t left = a->total - a->put;
        const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(pattern + a->put % PATTERN, left < 8000 ? (size_t)left : 8000) };
        const uint64_t n = hf_tcp_put(a->tcp, &e, 1);
        a->put += n;
        if (n == 0)
            return;
    }
    if (!a->ended && a->total > 0) {
        a->ended = true;
        assert_int_equal(hf_tcp_end(a->tcp, (hf_ending){ HF_ENDING_FIN, 0 }).code, 0);
    }
}

static inline void app_read(app *a)
{
    for (hf_span got; (got = hf_tcp_peek(a->tcp)).len > 0;) {
        for (size_t i = 0; i < got.len; i++)
            if (got.ptr[i] != pattern[(a->received + i) % PATTERN])
                fail_msg("byte %llu is wrong", (unsigned long long)(a->received + i));
        a->received += got.len;
        hf_tcp_take(a->tcp, got.len);
    }
}

static inline app *app_of(wire *w, const hf_tcp *tcp)
{
    for (unsigned i = 0; i < w->app_count; i++)
        if (w->apps[i].tcp == tcp)
            return &w->apps[i];
    fail_msg("an event for nobody");
    return NULL;
}

static inline void app_turn(wire *w, hf_tcp *tcp)
{
    app *a = app_of(w, tcp);
    hf_pier_event e;
    hf_step s;
    while ((s = hf_tcp_next(tcp, w->now, &e)) == HF_EVENT) {
        a->opened |= e.kind == HF_PIER_OPENED;
        if (e.kind == HF_PIER_ENDED) {
            a->peer_ended = true;
            a->err = e.err;
        }
        app_read(a);
        app_write(a);
    }
    a->over |= s == HF_CLOSED || s == HF_FAULT;
}

static inline app *dial(wire *w, hf_ip local, hf_ip remote, uint16_t port, uint64_t total)
{
    hf_err err;
    app *a = &w->apps[w->app_count++];
    const hf_tcp_pair pair = { .local = local, .remote = remote, .remote_port = port };
    *a = (app){ .total = total, .tcp = hf_tcp_connect(hf_host_tcp(w->host[0]), w->now, &pair, 0, &err) };
    if (a->tcp == NULL)
        w->app_count--;
    else
        app_write(a);
    return a->tcp != NULL ? a : NULL;
}

/* ---- the wire ----------------------------------------------------------------------------------------------------- */

static inline bool happens(wire *w, uint32_t parts)
{
    return parts > 0 && hf_random_below(&w->random, 1000000) < parts;
}

static inline void launch(wire *w, int to, const uint8_t *bytes, size_t length, bool checked)
{
    if (w->cut[to] || happens(w, w->loss) || w->count == WIRE_PACKETS)
        return;
    flying *f = malloc(sizeof *f);
    *f = (flying){ .to = to, .order = w->order++, .length = length, .checked = checked, .bytes = malloc(length) };
    memcpy(f->bytes, bytes, length);
    f->at = hf_time_after(w->now, w->delay_ns + (w->jitter_ns > 0 ? (int64_t)hf_random_below(&w->random, (uint64_t)w->jitter_ns) : 0));
    if (happens(w, w->damage))
        f->bytes[hf_random_below(&w->random, length)] ^= (uint8_t)(1 << hf_random_below(&w->random, 8));
    w->flying[w->count++] = f;
}

static inline bool look(wire *w, int end)
{
    hf_host_event e;
    bool any = false;
    for (; hf_host_step(w->host[end], w->now, &e) == HF_EVENT; any = true) {
        if (e.kind == HF_HOST_DATAGRAM) {
            w->heard = e.datagram;
            assert_true(e.datagram.bytes.len <= sizeof w->heard_bytes);
            memcpy(w->heard_bytes, e.datagram.bytes.ptr, e.datagram.bytes.len);
            w->datagrams++;
            continue;
        }
        if (e.kind == HF_HOST_ACCEPTED) {
            assert_true(w->app_count < APPS);
            w->apps[w->app_count++] = (app){ .tcp = e.tcp, .end = end, .total = w->answer };
        }
        app_turn(w, e.tcp);
    }
    return any;
}

static inline bool leave(wire *w, int end)
{
    bool any = false;
    hf_extent pieces[32];
    uint8_t scratch[HF_HOST_HEADER];
    hf_host_packet packet;
    for (;; any = true) {
        hf_out out = { .pieces = pieces, .capacity = 32, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = 66000 };
        if (!hf_host_emit(w->host[end], w->now, &out, &packet))
            return any;
        size_t n = 0;
        for (size_t i = 0; i < out.count; i++) {
            memcpy(w->last_bytes[end] + n, out.pieces[i].bytes.ptr, out.pieces[i].bytes.len);
            n += out.pieces[i].bytes.len;
        }
        assert_int_equal(n, packet.length);
        assert_int_equal(n, out.bytes);
        w->last[end] = packet;
        w->sent[end]++;
        if (!w->hand) {
            launch(w, 1 - end, w->last_bytes[end], n, packet.checksum_start > 0);
            if (happens(w, w->twice))
                launch(w, 1 - end, w->last_bytes[end], n, packet.checksum_start > 0);
        }
    }
}

static inline void settle(wire *w)
{
    for (int end = 0; end < 2; end++)
        for (bool more = true; more;) {
            const bool told = look(w, end), left = leave(w, end);
            more = told || left;
        }
    holds(w);
}

static inline hf_err receive(wire *w, int end, const void *bytes, size_t length)
{
    const hf_host_input in = { .packet = hf_bytes_make(bytes, length) };
    const hf_err err = hf_host_receive(w->host[end], w->now, &in);
    settle(w);
    return err;
}

/* The next thing that happens, up to `until`. */
static inline bool wire_step(wire *w, hf_time until)
{
    hf_time at = hf_time_earlier(hf_host_wake(w->host[0]), hf_host_wake(w->host[1]));
    flying *first = NULL;
    unsigned place = 0;
    for (unsigned i = 0; i < w->count; i++)
        if (first == NULL || w->flying[i]->at.ns < first->at.ns || (w->flying[i]->at.ns == first->at.ns && w->flying[i]->order < first->order)) {
            first = w->flying[i];
            place = i;
        }
    const bool packet = first != NULL && first->at.ns <= at.ns;
    at = packet ? first->at : at;
    if (at.ns > until.ns)
        return false;
    w->now = at.ns > w->now.ns ? at : w->now;
    if (packet) {
        w->flying[place] = w->flying[--w->count];
        const hf_host_input in = { .packet = hf_bytes_make(first->bytes, first->length), .checked = first->checked, .lasts = first->order % 3 > 0 };
        (void)!hf_host_receive(w->host[first->to], w->now, &in).code;
        free(w->lasting[first->to]);
        w->lasting[first->to] = first->bytes;
        free(first);
    }
    settle(w);
    for (int i = 0; i < 2; i++) /* the law of every core: after idle and an empty emit, wake lies in the future */
        assert_true(hf_host_wake(w->host[i]).ns > w->now.ns);
    return true;
}

static inline void run_for(wire *w, int64_t ns)
{
    const hf_time until = hf_time_after(w->now, ns);
    settle(w);
    while (wire_step(w, until))
        ;
    w->now = until;
    settle(w);
}

static inline hf_host_counts counts_of(const wire *w, int end)
{
    hf_host_counts c;
    hf_host_counts_of(w->host[end], &c);
    return c;
}

/* ---- packets by hand ------------------------------------------------------------------------------------------------ */

/* An IP packet without a link header. Its length. */
static inline size_t ip_packet(uint8_t *to, hf_ip source, hf_ip destination, uint8_t protocol, const void *payload, size_t length)
{
    const hf_ip_packet p = { .source = source, .destination = destination, .protocol = protocol, .hops = 64, .whole = true };
    const size_t at = hf_ip_write(to, &p, length);
    if (length > 0)
        memcpy(to + at, payload, length);
    return at + length;
}

static inline size_t echo_packet(uint8_t *to, hf_ip source, hf_ip destination, size_t length)
{
    uint8_t message[65000];
    const hf_icmp m = { .kind = HF_ICMP_ECHO, .id = 7, .sequence = 9, .payload = hf_bytes_make(pattern, length) };
    const size_t n = hf_icmp_write(message, sizeof message, &source, &destination, &m);
    return ip_packet(to, source, destination, hf_ip_is4(&destination) ? HF_PROTOCOL_ICMP : HF_PROTOCOL_ICMPV6, message, n);
}

static inline size_t udp_packet(uint8_t *to, hf_ip source, hf_ip destination, uint16_t port, size_t length)
{
    uint8_t datagram[65000];
    const hf_udp u = { .source = 5000, .destination = port, .payload = hf_bytes_make(pattern, length) };
    hf_udp_write(datagram, &source, &destination, &u);
    memcpy(datagram + HF_UDP_HEADER, pattern, length);
    return ip_packet(to, source, destination, HF_PROTOCOL_UDP, datagram, HF_UDP_HEADER + length);
}

/* The last packet that left `end`, read. */
static inline hf_ip_packet last_packet(const wire *w, int end)
{
    hf_ip_packet p;
    const size_t link = w->config[end].ethernet ? HF_ETHERNET_HEADER : 0;
    assert_int_equal(hf_ip_read(hf_limits_default(), hf_bytes_make(w->last_bytes[end] + link, w->last[end].length - link), &p).code, 0);
    return p;
}

/* `packet`, an IPv4 one, as parts of `each` bytes. Their number; each has a length and its bytes. */
typedef struct part {
    size_t length;
    uint8_t bytes[2048];
} part;
static inline unsigned cut_up(const uint8_t *packet, size_t length, uint32_t id, size_t each, part *parts)
{
    hf_ip_packet p;
    assert_int_equal(hf_ip_read(hf_limits_default(), hf_bytes_make(packet, length), &p).code, 0);
    unsigned n = 0;
    for (size_t at = 0; at < p.payload.len; at += each, n++) {
        const size_t size = p.payload.len - at < each ? p.payload.len - at : each;
        hf_ip_packet piece = p;
        piece.whole = false;
        piece.id = id;
        piece.offset = (uint32_t)at;
        piece.more = at + size < p.payload.len;
        const size_t header = hf_ip_write(parts[n].bytes, &piece, size);
        memcpy(parts[n].bytes + header, p.payload.ptr + at, size);
        parts[n].length = header + size;
    }
    return n;
}

#endif
