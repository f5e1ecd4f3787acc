/* SPDX-License-Identifier: Apache-2.0
 *
 * What an attacker may try, where no limit is at stake (those are in test_limits.c). hazards.md is the list of all.
 */
#include "rig.h"

/* The client's first datagram, which has not left. */
static rig_packet *first_flight(rig *r)
{
    rig_start(r);
    rig_turn(r, &r->client);
    assert_int_equal(r->flying, 1);
    assert_true(r->flight[0].to_server && r->flight[0].length >= HF_QUIC_DATAGRAM_LEAST);
    return &r->flight[0];
}

static hf_err give(rig *r, const uint8_t *bytes, size_t length)
{
    uint8_t *const own = malloc(length > 0 ? length : 1);
    if (length > 0)
        memcpy(own, bytes, length);
    const hf_quic_input in = { { r->server_address, r->client_address }, 0, 0, { own, length } };
    const hf_err err = hf_quic_endpoint_input(r->server.ep, r->now, &in);
    free(own);
    return err;
}

static hf_quic_counts counts_of(const rig *r)
{
    hf_quic_counts c;
    hf_quic_endpoint_counts(r->server.ep, &c);
    return c;
}

/* RFC 9000 14.1: "A server MUST discard an Initial packet that is carried in a UDP datagram with a payload that is smaller than the
 * smallest allowed maximum datagram size of 1200 bytes." Else a small datagram would have a large answer. */
static void an_initial_in_a_short_datagram_begins_nothing(void **state)
{
    (void)state;
    static const struct { size_t length, id; int32_t err; } rows[] = {
        { HF_QUIC_DATAGRAM_LEAST - 1, 8, HF_ERR_QUIC_SHORT }, { 100, 8, HF_ERR_QUIC_SHORT },
        { HF_QUIC_DATAGRAM_LEAST, 7, HF_ERR_QUIC_SHORT }, /* RFC 9000 7.2: an id that can be guessed */
        { HF_QUIC_DATAGRAM_LEAST, 8, HF_ERR_QUIC_UNDECRYPTABLE } };
    rig r;
    rig_open(&r, 1);
    (void)first_flight(&r);
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        uint8_t bytes[HF_QUIC_DATAGRAM_MOST] = { 0xc0, 0, 0, 0, 1, (uint8_t)rows[i].id };
        const size_t head = 6 + rows[i].id + 2 + 2;
        hf_put_varint2(bytes + head - 2, rows[i].length - head);
        assert_int_equal(give(&r, bytes, rows[i].length).code, rows[i].err);
    }
    assert_int_equal(counts_of(&r).connections, 0);
    rig_close(&r);
}

static void what_is_not_authentic_leaves_nothing_behind(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 2);
    const rig_packet *const p = first_flight(&r);
    uint8_t forged[HF_QUIC_DATAGRAM_MOST];
    memcpy(forged, p->bytes, p->length);
    forged[p->length - 1] ^= 1; /* the tag, or what it covers */
    (void)give(&r, forged, p->length).code; /* what the first one of all makes, stays */
    const size_t held = r.w.memory.held;
    for (unsigned i = 0; i < 500; i++) {
        forged[p->length - 1] = (uint8_t)(p->bytes[p->length - 1] + 1 + i % 255);
        forged[6 + i % 8] ^= (uint8_t)(i + 1); /* another connection id each */
        assert_int_not_equal(give(&r, forged, p->length).code, 0);
    }
    assert_int_equal(r.w.memory.held, held);
    assert_int_equal(counts_of(&r).connections, 0);
    assert_int_equal(counts_of(&r).half_open, 0);
    assert_int_equal(counts_of(&r).accepted, 0);
    rig_close(&r);
}

/* CVE-2026-11352: a loop that waits for bytes of a datagram that has none. */
static void a_datagram_without_bytes_does_nothing(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 3);
    rig_connect(&r);
    const uint64_t received = r.server.q->packets_received;
    for (uint16_t segment = 0; segment < 2; segment++) {
        uint8_t none[1];
        const hf_quic_input in = { { r.server_address, r.client_address }, 0, segment, { none, 0 } };
        assert_int_not_equal(hf_quic_endpoint_input(r.server.ep, r.now, &in).code, 0);
    }
    assert_int_equal(r.server.q->packets_received, received);
    assert_true(r.server.last == HF_IDLE);
    rig_close(&r);
}

/* RFC 9000 12.2: "Receivers SHOULD ignore any subsequent packets with a different Destination Connection ID than the first packet in
 * the datagram." */
static void a_packet_of_another_connection_in_a_datagram_is_not_read(void **state)
{
    (void)state;
    static rig r, other;
    rig_open(&r, 4);
    rig_open(&other, 5);
    const rig_packet *const a = first_flight(&r), *const b = first_flight(&other);
    uint8_t both[2 * HF_QUIC_DATAGRAM_MOST];
    memcpy(both, a->bytes, a->length);
    memcpy(both + a->length, b->bytes, b->length);
    assert_int_equal(give(&r, both, a->length + b->length).code, 0);
    assert_int_equal(counts_of(&r).accepted, 1);
    assert_int_equal(counts_of(&r).connections, 1);
    hf_quic_endpoint_event event;
    assert_int_equal(hf_quic_endpoint_step(r.server.ep, r.now, &event), HF_EVENT);
    assert_int_equal(event.kind, HF_QUIC_ACCEPTED);
    assert_int_equal(event.quic->packets_received, 1);
    assert_int_equal(give(&r, b->bytes, b->length).code, 0); /* alone it is good */
    assert_int_equal(counts_of(&r).accepted, 2);
    rig_close(&r);
    rig_close(&other);
}

/* RFC 9000 7.3: who changes connection ids on the way, or makes up a Retry, is found out by the transport parameters. */
static void ids_that_were_changed_on_the_way_end_the_handshake(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        rig r;
        rig_open(&r, 6);
        (void)first_flight(&r);
        if (way == 0)
            r.client.q->shaking->original.bytes[0] ^= 1;
        else
            r.client.q->retried = true; /* of which the server knows nothing */
        rig_run(&r, HF_SECONDS(1));
        assert_false(r.client.opened);
        assert_int_equal(hf_quic_fault_of(r.client.q)->err.code, HF_ERR_QUIC_IDS_DIFFER);
        rig_close(&r);
    }
}

static size_t negotiation(const rig *r, uint32_t version, uint8_t *to, size_t room)
{
    hf_writer w = hf_writer_make(to, room);
    const hf_quic *const q = r->client.q;
    hf_write_byte(&w, 0xc0);
    hf_write_number(&w, 0, 4);
    hf_write_byte(&w, q->our_ids[0].cid.length);
    hf_write(&w, hf_cid_bytes(&q->our_ids[0].cid));
    hf_write_byte(&w, q->their_ids[0].cid.length);
    hf_write(&w, hf_cid_bytes(&q->their_ids[0].cid));
    hf_write_number(&w, version, 4);
    return w.length;
}

static void tell_client(rig *r, const uint8_t *bytes, size_t length)
{
    uint8_t own[256];
    memcpy(own, bytes, length);
    const hf_quic_input in = { { r->client_address, r->server_address }, 0, 0, { own, length } };
    (void)hf_quic_endpoint_input(r->client.ep, r->now, &in).code;
}

/* RFC 9000 6.2: a client "MUST discard any Version Negotiation packet if it has received and successfully processed any other packet",
 * and one "that lists the QUIC version selected by the client". */
static void version_negotiation_of_a_stranger_ends_nothing(void **state)
{
    (void)state;
    rig r;
    uint8_t bytes[256];
    rig_open(&r, 7);
    (void)first_flight(&r);
    size_t n = negotiation(&r, HF_QUIC_V1, bytes, sizeof bytes);
    tell_client(&r, bytes, n);
    assert_int_equal(r.client.q->state, HF_QUIC_SHAKING);
    rig_run(&r, HF_MILLISECONDS(25)); /* the server's first flight has come */
    assert_true(r.client.q->got_packet);
    n = negotiation(&r, 0x1a2a3a4a, bytes, sizeof bytes);
    tell_client(&r, bytes, n);
    rig_run(&r, HF_SECONDS(1));
    assert_true(r.client.confirmed && r.client.last == HF_IDLE);
    rig_close(&r);
}

/* RFC 9000 10.3.3: "an endpoint MUST ensure that every Stateless Reset that it sends is smaller than the packet that triggered it",
 * so that two endpoints that forgot each other do not talk for ever. */
static void a_reset_is_always_smaller_than_what_it_answers(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 8);
    rig_connect(&r);
    unsigned answered = 0;
    for (size_t length = 1; length < 60; length++) {
        uint8_t stray[64];
        memset(stray, 0x5a, sizeof stray);
        stray[0] = 0x40;
        stray[1] = r.config[0].thread;
        r.now = hf_time_after(r.now, HF_SECONDS(1)); /* the rate is not at stake */
        (void)give(&r, stray, length).code;
        uint8_t scratch[HF_QUIC_DATAGRAM_MOST + 1];
        hf_extent piece;
        hf_quic_output o;
        hf_out out = { .pieces = &piece, .capacity = 1, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
        const uint64_t resets = counts_of(&r).resets;
        while (hf_quic_endpoint_emit(r.server.ep, r.now, &out, &o)) {
            if (hf_quic_path_equal(&o.path, &(hf_quic_path){ r.server_address, r.client_address }) && resets > answered) {
                assert_true(o.length < length && o.length >= HF_QUIC_RESET_LEAST);
                answered++;
            }
            out = (hf_out){ .pieces = &piece, .capacity = 1, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
        }
    }
    assert_true(answered > 30);
    rig_close(&r);
}

/* A short packet of the client, which has not left otherwise. */
static size_t client_packet(rig *r, uint8_t *to, size_t room)
{
    const hf_extent some = { .kind = HF_EXTENT_COPIED, .bytes = HF_LITERAL("some bytes, so that there is a packet to send") };
    hf_extent piece;
    hf_quic_output o;
    hf_out out = { .pieces = &piece, .capacity = 1, .scratch = to, .scratch_capacity = room, .room = UINT64_MAX };
    hf_lane lane;
    assert_int_equal(hf_quic_open(r->client.q, HF_LANE_UNIDIRECTIONAL, &lane).code, 0);
    assert_int_equal(hf_quic_put(r->client.q, lane, &some, 1), some.bytes.len);
    assert_true(hf_quic_endpoint_emit(r->client.ep, r->now, &out, &o));
    assert_true(o.segment == 0 && (to[0] & 0x80) == 0);
    return o.length;
}

/* The linker puts it before ours (-Wl,--wrap): how often somebody tried to open something. */
static size_t opens;
bool __real_hf_aead_open(hf_aead *a, const uint8_t nonce[HF_AEAD_NONCE], hf_bytes associated, hf_span data);
bool __wrap_hf_aead_open(hf_aead *a, const uint8_t nonce[HF_AEAD_NONCE], hf_bytes associated, hf_span data);

bool __wrap_hf_aead_open(hf_aead *a, const uint8_t nonce[HF_AEAD_NONCE], hf_bytes associated, hf_span data)
{
    opens++;
    return __real_hf_aead_open(a, nonce, associated, data);
}

/* Work that can be counted: whose memory was asked for, what was tried, and which keys there are. */
typedef struct work {
    size_t calls, held, opens;
    uint8_t secret[HF_HASH_MOST];
    bool phase;
} work;

typedef enum forgery { FORGED_TAG, FORGED_PHASE, FORGED_OLD_PHASE, FORGERIES } forgery;

/* Gives a packet the last number before the phase. The mask is an XOR: what is changed above it is changed below it. */
static void make_old(const rig *r, uint8_t *bytes, size_t length)
{
    hf_quic_space *const from = r->client.q->spaces[HF_LEVEL_APPLICATION], *const to = r->server.q->spaces[HF_LEVEL_APPLICATION];
    const uint64_t number = from->sent.next - 1, old = r->server.q->phase_from - 1;
    uint8_t copy[2 * HF_QUIC_DATAGRAM_MOST];
    unsigned n = 0;
    uint64_t truncated = 0;
    memcpy(copy, bytes, length);
    assert_true(r->server.q->phase_from > 0);
    assert_true(hf_quic_unmask(&to->read.mask, (hf_span){ copy, length }, 1 + HF_QUIC_ID, &n, &truncated));
    truncated ^= number ^ old;
    assert_int_equal(hf_quic_number_decode(number, truncated, n), old);
    for (unsigned i = 0; i < n; i++)
        bytes[1 + HF_QUIC_ID + i] ^= (uint8_t)((number ^ old) >> 8 * (n - 1 - i));
}

static work forge(rig *r, forgery what)
{
    uint8_t bytes[2 * HF_QUIC_DATAGRAM_MOST];
    const size_t length = client_packet(r, bytes, sizeof bytes);
    if (what == FORGED_TAG)
        bytes[length - 1] ^= 1;
    else
        bytes[0] ^= 4;
    if (what == FORGED_OLD_PHASE)
        make_old(r, bytes, length);
    const size_t calls = r->w.memory.calls, held = r->w.memory.held, before = opens;
    assert_int_equal(give(r, bytes, length).code, HF_ERR_QUIC_UNDECRYPTABLE);
    assert_non_null(r->server.q->turnover);
    work w = { .calls = r->w.memory.calls - calls, .held = r->w.memory.held - held, .opens = opens - before, .phase = r->server.q->read_phase };
    memcpy(w.secret, r->server.q->turnover->next_read.secret, sizeof w.secret);
    return w;
}

/* When a forged packet comes: whether the client has updated its keys, how long ago, and whether it went on talking. */
typedef struct moment {
    bool updated, talks;
    int64_t after_ns;
    bool asleep, has_last; /* what the server is like then */
} moment;

static work forge_at(const moment *m, forgery what)
{
    rig r;
    rig_open(&r, 9);
    r.config[1].keep_alive_ns = m->talks ? HF_MILLISECONDS(50) : 0;
    rig_connect(&r);
    if (m->updated)
        assert_int_equal(hf_quic_update_keys(r.client.q, r.now).code, 0);
    rig_run(&r, m->after_ns);
    const hf_quic_turnover *const t = r.server.q->turnover;
    assert_int_equal(r.server.q->key_updates, m->updated);
    assert_int_equal(t == NULL, m->asleep);
    assert_int_equal(t != NULL && t->last_read.on, m->has_last);
    const work w = forge(&r, what);
    rig_close(&r);
    return w;
}

/* RFC 9001 6.3: "Endpoints ... MUST NOT generate a timing side-channel signal that might indicate that the Key Phase bit was invalid": what is
 * forged costs the same whatever its Key Phase, whether the connection is awake, or slept and has to make its keys anew, and
 * also when it claims to be of a phase whose keys are gone. */
static void a_forged_key_phase_costs_what_any_forged_packet_does(void **state)
{
    (void)state;
    static const moment moments[] = {
        { .after_ns = HF_SECONDS(5), .asleep = true },
        { .after_ns = HF_SECONDS(5), .talks = true },
        { .after_ns = HF_MILLISECONDS(30), .updated = true, .has_last = true },
        { .after_ns = HF_SECONDS(5), .updated = true, .asleep = true },
        { .after_ns = HF_SECONDS(5), .updated = true, .talks = true } };
    for (size_t i = 0; i < HF_COUNT(moments); i++) {
        const work any = forge_at(&moments[i], FORGED_TAG);
        assert_int_equal(any.opens, 1);
        for (forgery what = FORGED_PHASE; what < (moments[i].updated ? FORGERIES : FORGED_OLD_PHASE); what++) {
            const work w = forge_at(&moments[i], what);
            assert_int_equal(w.opens, any.opens);
            assert_int_equal(w.calls, any.calls);
            assert_int_equal(w.held, any.held);
            assert_int_equal(w.phase, any.phase);
            assert_memory_equal(w.secret, any.secret, sizeof w.secret); /* it made no keys on the way */
        }
    }
}

/* Ids that a stranger chose: they differ in one byte, in one word, in all, or in length alone. */
static void choose_id(hf_cid *cid, unsigned pattern, uint32_t i)
{
    *cid = (hf_cid){ .length = 20 };
    if (pattern < 5)
        memcpy(cid->bytes + 4 * pattern, &i, 4);
    else if (pattern < 10)
        cid->bytes[4 * (pattern - 5) + 3] = (uint8_t)i, cid->bytes[4 * ((pattern - 4) % 5) + 3] = (uint8_t)(i >> 8);
    else
        for (unsigned word = 0; word < 5; word++)
            memcpy(cid->bytes + 4 * word, &i, 4);
}

/* The ids of new connections are the client's choice. Whoever does not know the table's keys makes it no slower than chance does: 1.5 looks
 * in the mean, where all are in a place of their own but for chance. The bound is far above what chance gives (1.53 is the most of
 * fifty thousand keys), and far below what ids that count up give with a key with which they meet. */
static void chosen_ids_do_not_meet_in_one_place(void **state)
{
    (void)state;
    enum { IDS = 1024, PATTERNS = 11, KEYS = 100 };
    static hf_our_id ids[IDS];
    rig r;
    rig_open(&r, 10);
    for (unsigned key = 0; key < KEYS; key++) { /* an endpoint each, because keys are drawn once */
        hf_quic_endpoint *const ep = hf_quic_endpoint_new(&r.w.env, &r.config[0], r.now);
        assert_non_null(ep);
        uint64_t effort = 0;
        for (unsigned pattern = 0; pattern < PATTERNS; pattern++) {
            for (uint32_t i = 0; i < IDS; i++) {
                choose_id(&ids[i].cid, pattern, i);
                assert_true(hf_quic_table_add(ep, &ids[i]));
            }
            effort += hf_quic_table_effort(ep);
            for (uint32_t i = 0; i < IDS; i++)
                hf_quic_table_remove(ep, &ids[i]);
        }
        if (effort > 180 * PATTERNS)
            fail_msg("keys %u: %llu looks for 100 ids", key, (unsigned long long)effort / PATTERNS);
        hf_quic_endpoint_free(ep);
    }
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_initial_in_a_short_datagram_begins_nothing),
        cmocka_unit_test(what_is_not_authentic_leaves_nothing_behind),
        cmocka_unit_test(a_datagram_without_bytes_does_nothing),
        cmocka_unit_test(a_packet_of_another_connection_in_a_datagram_is_not_read),
        cmocka_unit_test(ids_that_were_changed_on_the_way_end_the_handshake),
        cmocka_unit_test(version_negotiation_of_a_stranger_ends_nothing),
        cmocka_unit_test(a_reset_is_always_smaller_than_what_it_answers),
        cmocka_unit_test(a_forged_key_phase_costs_what_any_forged_packet_does),
        cmocka_unit_test(chosen_ids_do_not_meet_in_one_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
