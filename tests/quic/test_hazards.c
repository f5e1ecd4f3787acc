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
            r.client.q->original.bytes[0] ^= 1;
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
