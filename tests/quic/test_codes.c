/* SPDX-License-Identifier: Apache-2.0
 *
 * What a peer or the network does wrong, and the code by which we call it.
 */
#include "rig.h"

static bool frames(hf_quic *q, const void *bytes, size_t n)
{
    bool eliciting, probing;
    return hf_quic_frames(q, HF_LEVEL_APPLICATION, HF_QUIC_SHORT, hf_bytes_make(bytes, n), &eliciting, &probing);
}

#define BYTES(text) { (const uint8_t *)(text), sizeof(text) - 1 }

static void a_frame_that_must_not_be_ends_the_connection(void **state)
{
    (void)state;
    static const struct { hf_bytes frames; int32_t code; } rows[] = {
        { BYTES(""), HF_ERR_QUIC_EMPTY },
        { BYTES("\x11\3\0"), HF_ERR_QUIC_STREAM_STATE },           /* MAX_STREAM_DATA for a stream that only we send on: not opened */
        { BYTES("\5\3\0"), HF_ERR_QUIC_STREAM_STATE },             /* STOP_SENDING of the same */
        { BYTES("\x0b\0\1a\x0b\0\2ab"), HF_ERR_QUIC_FINAL_SIZE },  /* FIN at one byte, then at two */
        { BYTES("\4\0\0\1\4\0\0\2"), HF_ERR_QUIC_FINAL_SIZE },     /* RESET_STREAM twice, with two sizes */
        { BYTES("\x19\x40\x40"), HF_ERR_QUIC_ID_REUSED },          /* RETIRE_CONNECTION_ID of one that was never issued */
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        rig r;
        rig_open(&r, 1 + i);
        rig_connect(&r);
        assert_false(frames(r.server.q, rows[i].frames.ptr, rows[i].frames.len));
        assert_int_equal(hf_quic_fault_of(r.server.q)->err.code, rows[i].code);
        rig_close(&r);
    }
}

/* RFC 9001 4.1.3: "if any data was received beyond the end of a previously delivered level" */
static void handshake_data_after_its_level_is_told(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 20);
    rig_start(&r);
    for (int i = 0; i < 100 && (r.client.q == NULL || r.client.q->read_level == HF_LEVEL_INITIAL); i++)
        (void)rig_next(&r, hf_time_after(r.now, HF_SECONDS(1)));
    assert_true(r.client.q->read_level > HF_LEVEL_INITIAL);
    hf_quic *const q = r.client.q;
    assert_false(hf_quic_hello_data(q, HF_LEVEL_INITIAL, q->spaces[HF_LEVEL_INITIAL]->hello_in.highest, hf_text("more")));
    assert_int_equal(hf_quic_fault_of(q)->err.code, HF_ERR_QUIC_CRYPTO_PAST);
    rig_close(&r);
}

static hf_err give(rig *r, const uint8_t *bytes, size_t length)
{
    uint8_t own[HF_QUIC_DATAGRAM_MOST];
    memcpy(own, bytes, length); /* it is opened in place */
    const hf_quic_input in = { { r->server_address, r->client_address }, 0, 0, { own, length } };
    return hf_quic_endpoint_input(r->server.ep, r->now, &in);
}

/* A packet of the client, sealed with its own keys: PING, and padding for the sample. */
static size_t ping(rig *r, uint8_t first, uint8_t *bytes)
{
    hf_quic_space *const s = r->client.q->spaces[HF_LEVEL_APPLICATION];
    const uint64_t number = s->sent.next + 50;
    size_t n = 1 + HF_QUIC_ID;
    bytes[0] = (uint8_t)(first | 3 | (r->client.q->write_phase ? 4 : 0));
    memcpy(bytes + 1, r->server.q->our_ids[0].cid.bytes, HF_QUIC_ID);
    for (unsigned i = 0; i < 4; i++)
        bytes[n++] = (uint8_t)(number >> 8 * (3 - i));
    bytes[n++] = 1;
    memset(bytes + n, 0, 30);
    n += 30;
    assert_true(hf_quic_seal(&s->write, number, bytes, 1 + HF_QUIC_ID, 4, n));
    return n + HF_QUIC_TAG;
}

static void a_packet_that_comes_twice_is_dropped(void **state)
{
    (void)state;
    rig r;
    uint8_t bytes[HF_QUIC_DATAGRAM_MOST];
    rig_open(&r, 30);
    rig_connect(&r);
    const size_t n = ping(&r, 0x40, bytes);
    assert_int_equal(give(&r, bytes, n).code, 0);
    assert_int_equal(give(&r, bytes, n).code, HF_ERR_QUIC_DUPLICATE);
    assert_int_equal(r.server.q->state, HF_QUIC_OPEN);
    rig_close(&r);
}

static void reserved_bits_end_the_connection(void **state)
{
    (void)state;
    rig r;
    uint8_t bytes[HF_QUIC_DATAGRAM_MOST];
    rig_open(&r, 31);
    rig_connect(&r);
    const size_t n = ping(&r, 0x40 | 0x10, bytes);
    assert_int_equal(give(&r, bytes, n).code, 0);
    assert_int_equal(hf_quic_fault_of(r.server.q)->err.code, HF_ERR_QUIC_RESERVED);
    rig_close(&r);
}

static void a_datagram_of_another_protocol_is_dropped(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 32);
    rig_connect(&r);
    static const uint8_t nothing[] = { 0xc0, 0, 0, 0, 1, 40 }; /* a connection id that is longer than the packet */
    assert_int_equal(give(&r, nothing, sizeof nothing).code, HF_ERR_QUIC_HEADER);
    rig_close(&r);
}

/* The client's parameters name another version than the one in which it speaks: somebody changed its hello. */
static void versions_that_disagree_end_the_handshake(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 40);
    rig_start(&r);
    hf_send *const out = &r.client.q->spaces[HF_LEVEL_INITIAL]->hello_out;
    unsigned changed = 0;
    for (uint32_t i = 0; i < out->count; i++) {
        uint8_t *const bytes = (uint8_t *)(uintptr_t)out->chunks[out->first + i].ptr;
        const size_t n = (size_t)(out->chunks[out->first + i].end - out->chunks[out->first + i].start);
        for (size_t at = 0; at + 6 <= n; at++)
            if (bytes[at] == 0x11 && bytes[at + 1] % 4 == 0 && memcmp(bytes + at + 2, "\0\0\0\1", 4) == 0) { /* version_information, chosen */
                memcpy(bytes + at + 2, "\x6b\x33\x43\xcf", 4);
                changed++;
            }
    }
    assert_int_equal(changed, 1);
    for (int i = 0; i < 100 && r.server.q == NULL; i++)
        assert_true(rig_next(&r, hf_time_after(r.now, HF_SECONDS(1))));
    assert_int_equal(hf_quic_fault_of(r.server.q)->err.code, HF_ERR_QUIC_VERSIONS);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_that_must_not_be_ends_the_connection), cmocka_unit_test(handshake_data_after_its_level_is_told),
        cmocka_unit_test(a_packet_that_comes_twice_is_dropped), cmocka_unit_test(reserved_bits_end_the_connection),
        cmocka_unit_test(a_datagram_of_another_protocol_is_dropped), cmocka_unit_test(versions_that_disagree_end_the_handshake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
