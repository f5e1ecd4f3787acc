/* SPDX-License-Identifier: Apache-2.0
 *
 * A server's connection over QUIC under hostile lanes: a client whose handshake is ours and whose streams are the input, an
 * application that obeys no order, files that change, datagrams that are lost, memory that ends. What is lent is freed as soon
 * as SENT allows it, so that the sanitizers find whoever still reads it.
 * Byte 0: 1 memory ends, 2 files change, 4 datagrams are lost, 8 the client reads nothing. Byte 1: the seed. Then parts: a byte
 * (bits 0-2 the lane, 3 lanes of one direction, 4 its end, 5 it is reset, 6 answers are refused, 7 a second passes), a byte of
 * length, and so many bytes.
 */
#include <stdlib.h>

#include "fuzz_memory.h"
#include "identities_generated.h"
#include "panic.h"
#include "random.h"
#include "web.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECES = 64, LENDINGS = 1024, LANES = 16, FLYING = 512 };

typedef struct lending {
    hf_exchange x;
    uint8_t *bytes;
    bool gone;
} lending;

typedef struct datagram {
    bool to_server;
    size_t length;
    uint8_t bytes[HF_QUIC_DATAGRAM_MOST];
} datagram;

typedef struct world {
    uint8_t mode;
    hf_random random;
    hf_env env, client_env;
    hf_limits limits;
    fuzz_memory memory;
    hf_time now;
    hf_quic_endpoint *server, *caller;
    hf_web *web;
    hf_quic *client;
    bool opened, over;
    hf_lane lanes[LANES];
    bool used[LANES];
    lending lendings[LENDINGS];
    size_t lent;
    hf_exchange open[64];
    size_t opened_count;
    hf_file file;
} world;

static world w;
static datagram flying[FLYING];
static size_t in_flight;
static hf_random entropy;
static hf_crypto *crypto;
static hf_tls_identity identity;
static hf_bytes protocol;
static hf_tls_config tls[2];
static uint8_t room[HF_WEB_ROOM], emitted[65536], scratch[16384];

static void fill(void *ctx, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)hf_random_next(ctx);
}

static unsigned pick(unsigned n)
{
    return (unsigned)hf_random_below(&w.random, n);
}

/* ---- the application ---------------------------------------------------------------------------------------- */

static hf_err read_file(const hf_file *file, uint64_t offset, void *to, size_t n)
{
    HF_ASSERT(offset + n <= file->size);
    if (w.mode & 2 && pick(4) == 0)
        return hf_err_make(HF_ERR_IO_FILE_CHANGED);
    memset(to, 'F', n);
    return HF_OK;
}

/* Frees the oldest that was lent for x; of an exchange that is gone, all. */
static void release(hf_exchange x)
{
    bool more = true;
    for (size_t i = 0; i < w.lent && more; i++)
        if (w.lendings[i].x == x && w.lendings[i].bytes != NULL) {
            free(w.lendings[i].bytes);
            w.lendings[i].bytes = NULL;
            more = w.lendings[i].gone;
        }
}

static void give_up(hf_exchange x)
{
    for (size_t i = 0; i < w.lent; i++)
        w.lendings[i].gone |= w.lendings[i].x == x;
}

static hf_extent some_extent(hf_exchange x)
{
    const size_t n = 1 + (pick(3) == 0 ? pick(100000) : pick(200));
    const unsigned kind = pick(3);
    if (kind == 0)
        return (hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(emitted, n < 5000 ? n : 5000) };
    if (kind == 1) {
        w.lendings[w.lent++] = (lending){ x, malloc(1), false };
        return (hf_extent){ .kind = HF_EXTENT_FILE, .token = x, .file = &w.file, .length = n };
    }
    uint8_t *const bytes = malloc(n);
    memset(bytes, 'L', n);
    w.lendings[w.lent++] = (lending){ x, bytes, false };
    return (hf_extent){ .kind = HF_EXTENT_LENT, .token = x, .bytes = hf_bytes_make(bytes, n) };
}

/* Does something for an exchange, whether it makes sense or not. */
static void meddle(hf_exchange x)
{
    const hf_field field = { .name = hf_text("X-A"), .value = hf_text("b") };
    const hf_response_head head = { .status = (uint16_t)(pick(8) == 0 ? 103 : 200), .fields = { &field, 1 }, .close = pick(60) == 0,
        .content_length = pick(2) == 0 ? HF_LENGTH_UNKNOWN : (int64_t)pick(300) };
    hf_err err = HF_OK;
    switch (pick(8)) {
    case 0:
    case 1: err = hf_web_respond(w.web, x, &head); break;
    case 2:
    case 3:
    case 4:
        if (w.lent < LENDINGS) {
            const hf_extent e = some_extent(x);
            if (hf_web_put(w.web, x, &e, 1, &err) == 0 && e.kind != HF_EXTENT_COPIED)
                free(w.lendings[--w.lent].bytes); /* what was not taken is not read */
        }
        break;
    case 5: {
        const hf_ending ending = { pick(9) == 0 ? HF_ENDING_RESET : HF_ENDING_FIN, 0 };
        err = hf_web_end(w.web, x, ending, (hf_fields){ 0 });
        if (ending.kind == HF_ENDING_RESET && err.code == 0)
            give_up(x);
        break;
    }
    case 6:
        if (pick(6) == 0)
            hf_web_cancel(w.web, x, hf_err_make(HF_ERR_HTTP_HANDLER));
        break;
    default: {
        const unsigned urgency = pick(8);
        if (pick(2) == 0 && urgency < 2)
            hf_web_pace(w.web, x, (hf_pace){ (uint64_t)HF_MILLISECONDS(urgency + 1), 1000 * urgency });
        else
            hf_web_prioritise(w.web, x, urgency, urgency == 5);
        break;
    }
    }
}

static void deal(const hf_web_event *e)
{
    switch (e->kind) {
    case HF_WEB_REQUEST:
    case HF_WEB_REFUSED:
        HF_ASSERT(e->kind == HF_WEB_REQUEST ? e->head != NULL : e->fault != NULL && e->fault->err.code != 0);
        w.open[w.opened_count++ % 64] = e->exchange;
        break;
    case HF_WEB_BODY:
        if (pick(4) > 0)
            hf_web_take(w.web, e->exchange, pick(4) > 0 ? e->body.len : pick((unsigned)e->body.len + 1));
        break;
    case HF_WEB_SENT: release(e->exchange); break;
    case HF_WEB_RESET: give_up(e->exchange); break;
    case HF_WEB_WANT_SIGN: hf_web_sign_here(w.web, e); break;
    case HF_WEB_WANT_VERIFY: hf_web_answer_verify(w.web, HF_OK); break;
    default: break;
    }
    for (unsigned i = pick(6); i > 0 && w.opened_count > 0 && e->kind != HF_WEB_CLOSED; i--)
        meddle(w.open[pick(w.opened_count < 64 ? (unsigned)w.opened_count : 64)]);
}

static void drive(void)
{
    hf_extent pieces[PIECES];
    hf_out out = { .pieces = pieces, .capacity = PIECES, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
    for (int i = 0; i < 100000 && w.web != NULL; i++) {
        hf_web_event e;
        const hf_step s = hf_web_step(w.web, w.now, &out, &e);
        if (s != HF_EVENT) {
            HF_ASSERT(s == HF_IDLE || s == HF_CLOSED);
            HF_ASSERT(hf_time_before(w.now, hf_web_wake(w.web)));
            return;
        }
        deal(&e);
    }
    HF_ASSERT(w.web == NULL);
}

/* ---- the network -------------------------------------------------------------------------------------------- */

static bool emit(hf_quic_endpoint *ep, bool to_server)
{
    hf_extent pieces[2];
    hf_out out = { .pieces = pieces, .capacity = 2, .scratch = emitted, .scratch_capacity = sizeof emitted, .room = UINT64_MAX };
    hf_quic_output o;
    if (!hf_quic_endpoint_emit(ep, w.now, &out, &o))
        return false;
    const size_t segment = o.segment > 0 ? o.segment : o.length;
    for (size_t at = 0; at < o.length; at += segment)
        if (in_flight < FLYING && !(w.mode & 4 && pick(12) == 0)) {
            datagram *const d = &flying[in_flight++];
            d->to_server = to_server;
            d->length = o.length - at < segment ? o.length - at : segment;
            memcpy(d->bytes, emitted + at, d->length);
        }
    return true;
}

static void read_lanes(const hf_quic_event *e)
{
    if (e->kind == HF_QUIC_READABLE && !(w.mode & 8))
        hf_quic_take(w.client, e->lane, hf_quic_peek(w.client, e->lane).len);
}

static void client_turn(void)
{
    hf_quic_event e;
    hf_step s = HF_IDLE;
    while (!w.over && (s = hf_quic_next(w.client, w.now, &e)) == HF_EVENT) {
        if (e.kind == HF_QUIC_WANT_VERIFY)
            hf_quic_answer_verify(w.client, w.now, HF_OK);
        w.opened |= e.kind == HF_QUIC_OPENED;
        read_lanes(&e);
    }
    w.over |= s == HF_CLOSED || s == HF_FAULT;
}

/* Both do what they can, and what they sent arrives. */
static void round_trip(const hf_web_options *options)
{
    static const hf_quic_path paths[2] = {
        { { .ip = { [15] = 2 }, .port = 50000 }, { .ip = { [15] = 1 }, .port = 443 } },
        { { .ip = { [15] = 1 }, .port = 443 }, { .ip = { [15] = 2 }, .port = 50000 } } };
    hf_quic_endpoint_event e;
    drive();
    for (int i = 0; i < 64; i++) {
        while (hf_quic_endpoint_step(w.server, w.now, &e) == HF_EVENT) {
            if (e.kind == HF_QUIC_ACCEPTED && w.web == NULL)
                w.web = hf_web_new_http3(&w.env, 1, e.quic, options, w.now);
            drive();
        }
        while (hf_quic_endpoint_step(w.caller, w.now, &e) == HF_EVENT)
            ;
        client_turn();
        while (emit(w.server, false) || emit(w.caller, true))
            ;
        if (in_flight == 0)
            return;
        for (size_t k = 0; k < in_flight; k++) {
            const hf_quic_input in = { .path = paths[flying[k].to_server], .bytes = { flying[k].bytes, flying[k].length } };
            (void)!hf_quic_endpoint_input(flying[k].to_server ? w.server : w.caller, w.now, &in).code;
        }
        in_flight = 0;
        w.now = hf_time_after(w.now, HF_MILLISECONDS(1));
    }
}

static void once(void)
{
    static const hf_entropy seeded = { fill, &entropy };
    static const hf_random any = { { 1, 2, 3, 4 } };
    static hf_env env;
    static hf_random random;
    if (crypto != NULL)
        return;
    random = any;
    env = (hf_env){ .alloc = fuzz_alloc(NULL), .random = &random, .limits = hf_limits_default() };
    crypto = hf_crypto_new(&env, &seeded);
    HF_ASSERT(crypto != NULL && hf_chain_load(crypto, hf_text(identity_p256_pem), &identity.chain).code == 0);
    HF_ASSERT(hf_key_load(crypto, hf_text(identity_p256_key), &identity.key).code == 0);
    protocol = hf_text("h3");
    tls[0] = (hf_tls_config){ .crypto = crypto, .identities = &identity, .identity_count = 1, .protocols = &protocol, .protocol_count = 1 };
    tls[1] = (hf_tls_config){ .crypto = crypto, .protocols = &protocol, .protocol_count = 1 };
}

static bool begin(void)
{
    const hf_quic_config config[2] = { { .tls = &tls[0], .accept = true, .secret = { 1 } }, { .tls = &tls[1], .secret = { 2 } } };
    const hf_quic_target target = { .host = hf_text("localhost"),
        .path = { { .ip = { [15] = 1 }, .port = 443 }, { .ip = { [15] = 2 }, .port = 50000 } } };
    hf_err err;
    w.server = hf_quic_endpoint_new(&w.env, &config[0], w.now);
    w.caller = hf_quic_endpoint_new(&w.client_env, &config[1], w.now);
    if (w.server == NULL)
        return false;
    w.client = hf_quic_connect(w.caller, w.now, &target, NULL, &err);
    HF_ASSERT(w.client != NULL);
    return true;
}

/* One part of the input; returns what of it was eaten. */
static size_t say(const uint8_t *data, size_t size)
{
    const uint8_t what = data[0];
    const size_t n = data[1] < size - 2 ? data[1] : size - 2;
    const unsigned i = what & 15;
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(data + 2, n) };
    if (!w.used[i])
        w.used[i] = hf_quic_open(w.client, i & 8 ? HF_LANE_UNIDIRECTIONAL : HF_LANE_BIDIRECTIONAL, &w.lanes[i]).code == 0;
    if (!w.used[i])
        return n + 2;
    (void)hf_quic_put(w.client, w.lanes[i], &e, 1);
    if (what & 16)
        (void)!hf_quic_end(w.client, w.lanes[i], (hf_ending){ HF_ENDING_FIN, 0 }).code;
    if (what & 32)
        (void)!hf_quic_end(w.client, w.lanes[i], (hf_ending){ HF_ENDING_RESET, n }).code;
    if (what & 64)
        (void)!hf_quic_end(w.client, w.lanes[i], (hf_ending){ HF_ENDING_STOP, n }).code;
    if (what & 16 && what & 32) /* another takes its place */
        w.used[i] = false;
    if (what & 128)
        w.now = hf_time_after(w.now, HF_SECONDS(1));
    return n + 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const hf_web_options options = { .room = { room, sizeof room }, .read = read_file, .http2.connect_protocol = true };
    if (size < 2)
        return 0;
    once();
    w = (world){ .mode = data[0], .now = hf_time_make(HF_SECONDS(1000)), .limits = *hf_limits_default(), .file = { .handle = 3, .size = 1 << 20 } };
    in_flight = 0;
    hf_random_seed(&w.random, data[1]);
    hf_random_seed(&entropy, data[1]);
    hf_random_seed(&w.memory.random, data[1]);
    w.memory.one_in = w.mode & 1 ? 200 : 0;
    w.env = (hf_env){ .alloc = fuzz_alloc(&w.memory), .random = &w.random, .limits = &w.limits };
    w.client_env = (hf_env){ .alloc = fuzz_alloc(NULL), .random = &w.random, .limits = hf_limits_default() };
    const bool begun = begin();
    for (int i = 0; begun && i < 40 && !w.opened && !w.over; i++) {
        round_trip(&options);
        w.now = hf_time_after(w.now, HF_MILLISECONDS(100));
    }
    for (size_t at = 2; w.opened && at + 2 <= size;) {
        at += say(data + at, size - at);
        if (pick(3) == 0)
            round_trip(&options);
    }
    if (begun && w.web != NULL && pick(2) == 0)
        hf_web_drain(w.web);
    for (int i = 0; begun && i < 30; i++) {
        round_trip(&options);
        w.now = hf_time_after(w.now, pick(4) == 0 ? HF_SECONDS(7) : HF_MILLISECONDS(10));
    }
    HF_ASSERT(w.memory.most < 64u << 20);
    hf_web_free(w.web);
    hf_quic_endpoint_free(w.server);
    hf_quic_endpoint_free(w.caller);
    for (size_t i = 0; i < w.lent; i++)
        free(w.lendings[i].bytes);
    HF_ASSERT(w.memory.held == 0);
    return 0;
}
