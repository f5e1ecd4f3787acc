/* SPDX-License-Identifier: Apache-2.0
 *
 * The types of pier.h, proved on sketches before the real things come: a record layer that decrypts in place and carries
 * an HTTP/1 exchange, files included, on its back; and a datagram core with lanes, loss and a timer. They are toys (the
 * cipher is an exclusive or), but every field and verb of pier.h that TLS and QUIC will need is used in earnest.
 */
#include "harness.h"

#include <handfast/http1.h>

#include "queue.h"
#include "random.h"

/* ---- a record layer: two bytes of length, then that many bytes, each xored with a counter ------------------- */

enum { RECORD_MOST = 1024 };

typedef struct record {
    uint8_t key_in, key_out;
    hf_span lent;      /* plaintext in the caller's input, until it is taken */
    size_t lent_total; /* with its header: used when all of it was taken */
    hf_queue out;      /* sealed, to be emitted */
    bool fin_put, fin_told;
} record;

typedef enum record_event { RECORD_READABLE, RECORD_ENDED } record_event;

static hf_step record_step(record *r, hf_in *in, record_event *event)
{
    in->used = 0;
    in->need = 0;
    if (r->lent_total > 0) {
        if (r->lent.len > 0)
            return HF_FULL; /* peeked plaintext lies in this buffer: it stays */
        in->used = r->lent_total;
        r->lent_total = 0;
    }
    uint8_t *at = in->used > 0 ? in->ptr + in->used : in->ptr;
    const size_t len = in->len - in->used;
    if (len < 2) {
        in->need = in->used + 2;
        if (!in->fin)
            return HF_IDLE;
        if (len > 0)
            return HF_FAULT; /* cut short */
        if (r->fin_told)
            return HF_CLOSED;
        r->fin_told = true;
        *event = RECORD_ENDED;
        return HF_EVENT;
    }
    const size_t size = (size_t)at[0] << 8 | at[1];
    if (size == 0 || size > RECORD_MOST)
        return HF_FAULT;
    if (len < 2 + size) {
        in->need = in->used + 2 + size;
        return in->fin ? HF_FAULT : HF_IDLE;
    }
    for (size_t i = 0; i < size; i++)
        at[2 + i] ^= r->key_in++; /* in place */
    r->lent = (hf_span){ at + 2, size };
    r->lent_total = in->used + 2 + size; /* with what this call consumed: nothing is used before it is taken */
    in->used = 0;
    *event = RECORD_READABLE;
    return HF_EVENT;
}

static void record_take(record *r, size_t n)
{
    assert_true(n <= r->lent.len);
    if (n > 0)
        r->lent.ptr += n;
    r->lent.len -= n;
}

/* Takes COPIED and LENT bytes; files must have been read by then (stack does it for layers that touch the bytes). */
static uint64_t record_put(record *r, const hf_extent *extents, size_t count)
{
    uint64_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        hf_bytes rest = extents[i].bytes;
        assert_int_not_equal(extents[i].kind, HF_EXTENT_FILE);
        while (rest.len > 0) {
            const size_t n = rest.len < RECORD_MOST ? rest.len : RECORD_MOST;
            hf_span to = hf_queue_reserve(&r->out, 2 + n);
            assert_non_null(to.ptr);
            to.ptr[0] = (uint8_t)(n >> 8);
            to.ptr[1] = (uint8_t)n;
            for (size_t k = 0; k < n; k++)
                to.ptr[2 + k] = rest.ptr[k] ^ r->key_out++;
            hf_queue_commit(&r->out, 2 + n);
            rest = hf_bytes_make(rest.ptr + n, rest.len - n);
            taken += n;
        }
    }
    return taken;
}

static size_t record_emit(record *r, hf_out *out)
{
    const hf_span all = hf_queue_peek(&r->out);
    size_t n = out->scratch_capacity - out->scratch_used;
    n = n < all.len ? n : all.len;
    n = n < out->room - out->bytes ? n : (size_t)(out->room - out->bytes);
    if (n == 0 || out->count == out->capacity)
        return 0;
    memcpy(out->scratch + out->scratch_used, all.ptr, n);
    out->pieces[out->count++] = (hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = { out->scratch + out->scratch_used, n } };
    out->scratch_used += n;
    out->bytes += n;
    hf_queue_take(&r->out, n);
    return n;
}

/* ---- one end of a conversation: http1 on a record layer on a byte pipe -------------------------------------- */

typedef struct end {
    hf_http1 *http;
    record layer;
    hf_queue wire_in;  /* arrived, not consumed by the layer */
    hf_bytes file;     /* what FILE extents read from */
    char heard[4096];
    size_t heard_length;
    bool server, done;
} end;

static void end_open(end *e, const hf_env *env, bool server)
{
    *e = (end){ .server = server };
    e->http = server ? hf_http1_server_new(env, 1, hf_time_make(0)) : hf_http1_client_new(env, 2, hf_time_make(0));
    assert_non_null(e->http);
    hf_queue_init(&e->layer.out, &env->alloc);
    hf_queue_init(&e->wire_in, &env->alloc);
}

static void end_close(end *e)
{
    hf_http1_free(e->http);
    hf_queue_fini(&e->layer.out);
    hf_queue_fini(&e->wire_in);
}

static void hear(end *e, hf_bytes b)
{
    assert_true(e->heard_length + b.len <= sizeof e->heard);
    memcpy(e->heard + e->heard_length, b.ptr, b.len);
    e->heard_length += b.len;
}

static const uint8_t file_content[] = "the range of a file, sent through a layer that touches every byte";
static const hf_file a_file = { .handle = 7, .size = sizeof file_content - 1 };

static void answer(end *e)
{
    hf_err err = HF_OK;
    const hf_extent body[] = { { .kind = HF_EXTENT_COPIED, .bytes = HF_LITERAL("head ") },
                               { .kind = HF_EXTENT_FILE, .token = 9, .file = &a_file, .offset = 4, .length = 40 } };
    assert_int_equal(hf_http1_respond(e->http, &(hf_response_head){ .status = 200, .content_length = 45 }).code, 0);
    assert_int_equal(hf_http1_put(e->http, body, 2, &err), 45);
    assert_int_equal(err.code, 0);
    assert_int_equal(hf_http1_end(e->http, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ 0 }).code, 0);
}

/* What stack does: plaintext upward, answers downward, until nothing moves. */
static void end_pump(end *e)
{
    record_event what;
    hf_http1_event event;
    for (;;) {
        const hf_span held = hf_queue_peek(&e->wire_in);
        hf_in raw = { .ptr = held.ptr, .len = held.len };
        const hf_step below = record_step(&e->layer, &raw, &what);
        hf_in plain = { .ptr = e->layer.lent.ptr, .len = e->layer.lent.len };
        const hf_step above = hf_http1_step(e->http, hf_time_make(1), &plain, &event);
        record_take(&e->layer, plain.used);
        if (above == HF_EVENT && event.kind == HF_HTTP1_REQUEST)
            answer(e);
        if (above == HF_EVENT && event.kind == HF_HTTP1_BODY) {
            hear(e, event.body);
            hf_http1_take(e->http, event.body.len);
        }
        if (above == HF_EVENT && event.kind == HF_HTTP1_END && !e->server)
            e->done = true;
        hf_queue_take(&e->wire_in, raw.used);
        assert_int_not_equal(below, HF_FAULT);
        if (above == HF_EVENT || below == HF_EVENT || raw.used > 0)
            continue;
        return;
    }
}

/* Emits http1's output; FILE extents are read before the layer sees them. */
static void end_flush(end *e)
{
    hf_extent pieces[4];
    uint8_t scratch[512];
    for (;;) {
        hf_out out = { .pieces = pieces, .capacity = 4, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = 300 };
        if (hf_http1_emit(e->http, hf_time_make(1), &out) == 0)
            return;
        for (size_t i = 0; i < out.count; i++)
            if (pieces[i].kind == HF_EXTENT_FILE) {
                assert_ptr_equal(pieces[i].file, &a_file);
                pieces[i] = (hf_extent){ .kind = HF_EXTENT_LENT, .token = pieces[i].token,
                    .bytes = { file_content + pieces[i].offset, pieces[i].length } };
            }
        assert_int_equal(record_put(&e->layer, pieces, out.count), out.bytes);
    }
}

/* Moves at most `n` sealed bytes across. */
static bool end_carry(end *from, end *to, size_t n)
{
    hf_extent piece;
    uint8_t scratch[64];
    hf_out out = { .pieces = &piece, .capacity = 1, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = n };
    if (record_emit(&from->layer, &out) == 0)
        return false;
    assert_true(hf_queue_append(&to->wire_in, piece.bytes));
    return true;
}

static void http1_stands_on_a_record_layer_for_any_slicing(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        static end client, server;
        hf_test_world w;
        hf_test_world_init(&w, seed);
        end_open(&client, &w.env, false);
        end_open(&server, &w.env, true);
        static const hf_field host[] = { { HF_LITERAL("Host"), HF_LITERAL("sketch"), HF_FIELD_HOST } };
        const hf_request_head head = { .method = HF_METHOD_GET, .target = HF_LITERAL("/"), .fields = { host, 1 },
            .content_length = HF_LENGTH_NONE };
        assert_int_equal(hf_http1_request(client.http, &head).code, 0);
        assert_int_equal(hf_http1_end(client.http, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ 0 }).code, 0);
        for (int turn = 0; turn < 4000 && !client.done; turn++) {
            end_flush(&client);
            end_carry(&client, &server, 1 + (size_t)hf_random_below(&w.random, 40));
            end_pump(&server);
            end_flush(&server);
            end_carry(&server, &client, 1 + (size_t)hf_random_below(&w.random, 40));
            end_pump(&client);
        }
        assert_true(client.done);
        assert_int_equal(client.heard_length, 45);
        assert_memory_equal(client.heard, "head range of a file, sent through a layer t", 44);
        end_close(&client);
        end_close(&server);
        hf_test_world_fini(&w);
    }
}

/* ---- a datagram core: numbered packets that carry lane, offset and bytes; acknowledged, sent again when lost --- */

enum { LANES = 3, PACKET = 20, CARRY = 8, STREAM = 64 };
#define RESEND_NS HF_MILLISECONDS(10)

typedef struct lane_out {
    uint8_t bytes[STREAM];
    size_t length, acked, sent;
} lane_out;

typedef struct gram {
    lane_out out[LANES];
    uint8_t in[LANES][STREAM];
    size_t in_length[LANES], taken[LANES];
    bool ack_owed[LANES];
    hf_time resend_at;
    uint64_t ce_marks; /* congestion marks seen */
    uint32_t path;     /* the peer's newest path: a change is followed */
} gram;

/* One packet a step; 'D' lane offset length bytes, or 'A' lane upto. */
static hf_step gram_step(gram *g, hf_time now, hf_in *in, hf_pier_event *event)
{
    *event = (hf_pier_event){ 0 };
    if (!hf_time_before(now, g->resend_at)) {
        for (size_t i = 0; i < LANES; i++)
            g->out[i].sent = g->out[i].acked;
        g->resend_at = HF_NEVER;
    }
    if (in->len == 0)
        return HF_IDLE;
    in->used = in->len;
    g->path = in->path;
    g->ce_marks += in->ecn == 3;
    const uint8_t *p = in->ptr;
    const size_t lane = p[1];
    if (in->len < 3 || lane >= LANES)
        return HF_IDLE; /* a stranger's packet is dropped, not a fault */
    if (p[0] == 'A' && p[2] <= g->out[lane].sent && p[2] > g->out[lane].acked) {
        g->out[lane].acked = p[2];
        *event = (hf_pier_event){ .kind = HF_PIER_WRITABLE, .lane = lane };
        return HF_EVENT;
    }
    if (p[0] != 'D' || in->len < 4u + p[3])
        return HF_IDLE;
    g->ack_owed[lane] = true;
    if (p[2] != g->in_length[lane])
        return HF_IDLE; /* out of order on this lane; the others go on: no head-of-line blocking between them */
    memcpy(g->in[lane] + p[2], p + 4, p[3]);
    g->in_length[lane] += p[3];
    *event = (hf_pier_event){ .kind = HF_PIER_READABLE, .lane = lane };
    return HF_EVENT;
}

/* A batch of packets of one size but the last: what one system call with segmentation offload sends. */
static size_t gram_emit(gram *g, hf_time now, hf_out *out)
{
    const uint64_t before = out->bytes;
    out->segment = PACKET;
    out->path = g->path;
    for (size_t i = 0; i < LANES; i++) {
        lane_out *l = &g->out[i];
        while (l->sent < l->length || g->ack_owed[i]) {
            if (out->count == out->capacity || out->scratch_used + PACKET > out->scratch_capacity || out->bytes + PACKET > out->room)
                return (size_t)(out->bytes - before);
            uint8_t *p = out->scratch + out->scratch_used;
            memset(p, 0, PACKET);
            if (g->ack_owed[i]) {
                p[0] = 'A', p[1] = (uint8_t)i, p[2] = (uint8_t)g->in_length[i];
                g->ack_owed[i] = false;
            } else {
                const size_t n = l->length - l->sent < CARRY ? l->length - l->sent : CARRY;
                p[0] = 'D', p[1] = (uint8_t)i, p[2] = (uint8_t)l->sent, p[3] = (uint8_t)n;
                memcpy(p + 4, l->bytes + l->sent, n);
                l->sent += n;
                if (g->resend_at.ns == HF_NEVER_NS)
                    g->resend_at = hf_time_after(now, RESEND_NS);
            }
            out->pieces[out->count++] = (hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = { p, PACKET } };
            out->scratch_used += PACKET;
            out->bytes += PACKET;
        }
    }
    return (size_t)(out->bytes - before);
}

typedef struct packet {
    uint8_t bytes[PACKET];
    bool used;
} packet;

static void gram_carry(gram *from, gram *to, hf_time now, hf_random *random, uint32_t lost)
{
    hf_extent pieces[8];
    uint8_t scratch[8 * PACKET];
    hf_out out = { .pieces = pieces, .capacity = 8, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = 6 * PACKET };
    (void)gram_emit(from, now, &out);
    for (size_t n = out.count; n > 0; n--) { /* any order */
        const size_t pick = (size_t)hf_random_below(random, n);
        const hf_extent e = pieces[pick];
        pieces[pick] = pieces[n - 1];
        if (hf_random_chance(random, lost))
            continue;
        hf_pier_event event;
        hf_in in = { .ptr = (uint8_t *)(uintptr_t)e.bytes.ptr, .len = e.bytes.len, .path = 1 + out.path, .ecn = hf_random_chance(random, 100000) ? 3 : 0 };
        (void)gram_step(to, now, &in, &event);
        assert_int_equal(in.used, in.len); /* a datagram is eaten whole, or dropped whole */
    }
}

static void lanes_of_a_datagram_core_arrive_whole_under_loss_and_reordering(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        hf_random random;
        hf_random_seed(&random, seed);
        gram a = { .resend_at = HF_NEVER }, b = { .resend_at = HF_NEVER };
        for (size_t i = 0; i < LANES; i++) {
            a.out[i].length = 1 + (size_t)hf_random_below(&random, STREAM);
            for (size_t k = 0; k < a.out[i].length; k++)
                a.out[i].bytes[k] = (uint8_t)hf_random_next(&random);
        }
        hf_time now = hf_time_make(0);
        bool whole = false;
        for (int turn = 0; turn < 2000 && !whole; turn++) {
            hf_pier_event event;
            hf_in nothing = { 0 };
            gram_carry(&a, &b, now, &random, 300000);
            gram_carry(&b, &a, now, &random, 300000);
            now = hf_time_after(now, HF_MILLISECONDS(1));
            assert_int_equal(gram_step(&a, now, &nothing, &event), HF_IDLE); /* a timer is a step without input */
            whole = true;
            for (size_t i = 0; i < LANES; i++)
                whole = whole && a.out[i].acked == a.out[i].length;
            hf_out none = { 0 };
            if (gram_emit(&a, now, &none) == 0 && !whole)
                assert_true(a.resend_at.ns == HF_NEVER_NS || hf_time_before(now, a.resend_at));
        }
        assert_true(whole);
        for (size_t i = 0; i < LANES; i++) {
            assert_int_equal(b.in_length[i], a.out[i].length);
            assert_memory_equal(b.in[i], a.out[i].bytes, a.out[i].length);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http1_stands_on_a_record_layer_for_any_slicing),
        cmocka_unit_test(lanes_of_a_datagram_core_arrive_whole_under_loss_and_reordering),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
