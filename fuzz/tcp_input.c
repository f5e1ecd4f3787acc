/* SPDX-License-Identifier: Apache-2.0
 *
 * A TCP endpoint with a listener and a connection of its own, fed segments from hostile bytes, with calls of the application
 * and time between them. The invariants hold after each.
 *
 * The input is a row of steps: a byte that says what, then what it needs. Sequence numbers are given as distances from the
 * right ones, so that a fuzzer comes near what matters. The first byte has the options; its highest bit makes one allocation in
 * sixteen fail.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz_env.h"
#include "net_bytes.h"
#include "tcp_core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct script {
    const uint8_t *at, *end;
} script;

static uint32_t next(script *s, unsigned bytes)
{
    uint32_t n = 0;
    for (unsigned i = 0; i < bytes; i++)
        n = n << 8 | (s->at < s->end ? *s->at++ : 0u);
    return n;
}

static hf_tcp_endpoint *ep;
static hf_tcp *apps[8];
static unsigned app_count;
static hf_time now;
static uint8_t bytes[65536];

static void holds(void)
{
    const char *wrong = hf_tcp_endpoint_wrong(ep);
    if (wrong != NULL) {
        fprintf(stderr, "tcp_input: %s\n", wrong);
        abort();
    }
}

static void drain(void)
{
    hf_tcp_event event;
    hf_pier_event told;
    for (unsigned i = 0; hf_tcp_endpoint_step(ep, now, &event) == HF_EVENT; i++) {
        if (event.kind == HF_TCP_ACCEPTED) {
            if (app_count < 8)
                apps[app_count++] = event.tcp;
            else
                hf_tcp_free(event.tcp);
        } else {
            while (hf_tcp_next(event.tcp, now, &told) == HF_EVENT)
                ;
        }
        if (i > 10000)
            abort();
    }
    for (unsigned i = 0;; i++) {
        uint8_t scratch[64];
        hf_extent pieces[32];
        hf_out out = { .pieces = pieces, .capacity = 32, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = 65536 };
        hf_tcp_packet packet;
        if (!hf_tcp_endpoint_emit(ep, now, &out, &packet))
            break;
        if (i > 10000 || packet.length != out.bytes)
            abort();
    }
    holds();
}

/* The connection that a segment is to be for, NULL: a fresh one. */
static const hf_tcp *aim(uint32_t which)
{
    const hf_tcp *t = ep->all.first;
    for (uint32_t i = 0; t != NULL && i < which; i++)
        t = t->all.after;
    return t;
}

static uint8_t *lasting; /* the segment before: it lasts until this one was put in, and no longer */

static void segment(script *s)
{
    static uint8_t wire[HF_TCP_HEADER_MOST + 2048];
    const hf_tcp *t = aim(next(s, 1) % 4);
    hf_segment seg = { .flags = (uint8_t)next(s, 1), .source = (uint16_t)(4000 + next(s, 1) % 4), .destination = (uint16_t)(80 + next(s, 1) % 2), .window = (uint16_t)next(s, 2) };
    seg.seq.n = (uint32_t)(int32_t)(int16_t)next(s, 2);
    seg.ack.n = (uint32_t)(int32_t)(int16_t)next(s, 2);
    const unsigned options = next(s, 1);
    hf_ip remote = hf_ip_make4(10, 0, 0, 2);
    if (t != NULL) {
        seg.source = t->pair.remote_port;
        seg.destination = t->pair.local_port;
        seg.seq.n += t->rcv_nxt.n;
        seg.ack.n += t->nxt.n;
    }
    seg.has_stamp = options & 1;
    seg.stamp = (t != NULL ? t->recent : 0) + (options & 1 ? next(s, 1) : 0);
    seg.echo = t != NULL ? hf_tcp_stamp_now(t, now) - next(s, 1) : 0;
    seg.mss = options & 2 ? (uint16_t)next(s, 2) : 0;
    seg.sack_permitted = options & 4 && seg.flags & HF_SYN;
    seg.has_scale = options & 8 && seg.flags & HF_SYN;
    seg.scale = (uint8_t)(options >> 4);
    for (seg.sacks = 0; !(seg.flags & HF_SYN) && seg.sacks < (options >> 6) && seg.sacks < 3; seg.sacks++) {
        const uint32_t base = t != NULL ? t->una.n : 0;
        seg.sack[seg.sacks] = (hf_sack){ { base + next(s, 2) }, { base + next(s, 2) } };
    }
    const size_t header = hf_segment_write(wire, &seg), payload = next(s, 2) % 2000;
    memset(wire + header, 'x', payload);
    uint8_t *copy = malloc(header + payload);
    if (copy == NULL)
        abort();
    memcpy(copy, wire, header + payload);
    const hf_tcp_input in = { .source = remote, .destination = hf_ip_make4(10, 0, 0, 1), .ecn = (uint8_t)(options & 3), .checked = true,
                              .lasts = payload % 2, .segment = hf_bytes_make(copy, header + payload) };
    const hf_err err = hf_tcp_endpoint_input(ep, now, &in);
    (void)err;
    free(lasting);
    lasting = copy;
}

static void raw(script *s)
{
    const size_t n = next(s, 1) % 80;
    const size_t left = (size_t)(s->end - s->at);
    const size_t length = n < left ? n : left;
    const hf_tcp_input in = { .source = hf_ip_make4(10, 0, 0, 2), .destination = hf_ip_make4(10, 0, 0, 1), .checked = true, .segment = hf_bytes_make(s->at, length) };
    const hf_err err = hf_tcp_endpoint_input(ep, now, &in);
    (void)err;
    s->at += length;
}

static void call(script *s)
{
    const unsigned which = next(s, 1);
    if (app_count == 0)
        return;
    hf_tcp *t = apps[which % app_count];
    switch (which >> 4) {
    case 0: case 1: case 2: {
        const hf_extent e = { .kind = which & 8 ? HF_EXTENT_LENT : HF_EXTENT_COPIED, .token = which & 8 ? 1 : 0, .bytes = hf_bytes_make(bytes, 1 + next(s, 2)) };
        hf_tcp_put(t, &e, 1);
        break;
    }
    case 3: case 4: case 5: hf_tcp_take(t, hf_tcp_peek(t).len / (1 + next(s, 1) % 3)); break;
    case 6: case 7: {
        const hf_err err = hf_tcp_end(t, (hf_ending){ which & 1 ? HF_ENDING_FIN : HF_ENDING_RESET, 0 });
        (void)err;
        break;
    }
    case 8:
        hf_tcp_free(t);
        apps[which % app_count] = apps[app_count - 1];
        app_count--;
        break;
    case 9: hf_tcp_set_keepalive(t, now, HF_SECONDS(next(s, 1))); break;
    case 10: hf_tcp_set_nagle(t, which & 1); break;
    default: {
        uint8_t quoted[8];
        hf_set16(quoted, t->pair.local_port);
        hf_set16(quoted + 2, t->pair.remote_port);
        hf_set32(quoted + 4, t->una.n + next(s, 1));
        hf_tcp_endpoint_icmp(ep, now, &t->pair.local, &t->pair.remote, hf_bytes_make(quoted, 8), which & 1, next(s, 2));
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 4096)
        return 0;
    fuzz_env_init();
    fuzz_env_memory = (fuzz_memory){ .one_in = data[0] & 0x80 ? 16 : 0 };
    hf_random_seed(&fuzz_env_memory.random, data[0]);
    fuzz_limits.tcp_syns = 2;
    fuzz_limits.tcp_timewaits = 4;
    const hf_tcp_config config = { .secret = { 1, 2, 3 }, .super_segment = data[0] & 1 ? 60000 : 0, .ecn = data[0] & 2, .newreno = data[0] & 4,
                                   .no_sack = data[0] & 8, .no_timestamps = data[0] & 16 };
    script s = { data + 1, data + size };
    now = hf_time_make(HF_SECONDS(100));
    app_count = 0;
    ep = hf_tcp_endpoint_new(&fuzz_env, &config, now);
    HF_ASSERT(ep != NULL || (fuzz_env_memory.one_in > 0 && fuzz_env_memory.held == 0));
    if (ep == NULL)
        return 0;
    const hf_ip local = hf_ip_make4(10, 0, 0, 1);
    hf_err err = hf_tcp_listen(ep, &local, 80, 0);
    const hf_tcp_pair pair = { .local = local, .remote = hf_ip_make4(10, 0, 0, 2), .remote_port = 90 };
    apps[0] = hf_tcp_connect(ep, now, &pair, 0, &err);
    app_count = apps[0] != NULL;
    drain();
    while (s.at < s.end) {
        const unsigned what = next(&s, 1);
        if (what < 150)
            segment(&s);
        else if (what < 160)
            raw(&s);
        else if (what < 220)
            call(&s);
        else
            now = hf_time_after(now, what < 250 ? HF_MILLISECONDS(next(&s, 2)) : HF_SECONDS(next(&s, 1)));
        drain();
    }
    hf_tcp_endpoint_free(ep);
    HF_ASSERT(fuzz_env_memory.held == 0);
    free(lasting);
    lasting = NULL;
    return 0;
}
