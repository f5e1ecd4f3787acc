/* SPDX-License-Identifier: Apache-2.0
 *
 * Endpoints: answers without a connection, moving between addresses, keys, ends, and the laws of every core.
 */
#include "rig.h"

static void a_retry_proves_the_address(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 1);
    r.config[0].always_retry = true;
    rig_connect(&r);
    hf_quic_info info;
    hf_quic_info_of(r.client.q, &info);
    assert_true(info.retried);
    r.server.echo = 5000;
    const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 10);
    rig_run(&r, HF_SECONDS(1));
    assert_int_equal(rig_lane_of(&r.client, lane)->read, 5000);
    rig_close(&r);
}

static bool change_retry(rig *r, rig_packet *p)
{
    (void)r;
    if (!p->to_server && (p->bytes[0] & 0xf0) == 0xf0)
        p->bytes[30] ^= 1;
    return true;
}

static void a_changed_retry_is_not_believed(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 2);
    r.config[0].always_retry = true;
    r.filter = change_retry;
    rig_start(&r);
    rig_run(&r, HF_SECONDS(2));
    assert_false(r.client.q->retried);
    assert_false(r.client.opened);
    rig_close(&r);
}

static void an_unknown_version_is_told_ours(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 3);
    r.server.ep = hf_quic_endpoint_new(&r.w.env, &r.config[0], r.now);
    uint8_t bytes[1200] = { 0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 3, 9, 9, 9 }, scratch[2000];
    hf_quic_input in = { { r.server_address, r.client_address }, 0, 0, { bytes, 1199 } };
    assert_int_equal(hf_quic_endpoint_input(r.server.ep, r.now, &in).code, HF_ERR_QUIC_VERSION); /* too short to answer */
    in.bytes.len = 1200;
    assert_int_equal(hf_quic_endpoint_input(r.server.ep, r.now, &in).code, 0);
    hf_extent piece;
    hf_out out = { .pieces = &piece, .capacity = 1, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
    hf_quic_output o;
    assert_true(hf_quic_endpoint_emit(r.server.ep, r.now, &out, &o));
    hf_quic_header h;
    assert_int_equal(hf_quic_header_read(piece.bytes, 0, &h).code, 0);
    assert_int_equal(h.kind, HF_QUIC_NEGOTIATION);
    assert_true(h.dcid.length == 3 && h.scid.length == 8 && h.versions.len == 12);
    assert_memory_equal(h.versions.ptr, "\0\0\0\1", 4);
    assert_memory_equal(h.versions.ptr + 4, "\x6b\x33\x43\xcf", 4);
    assert_int_equal(h.versions.ptr[8] & 0x0f, 0x0a);
    rig_close(&r);
}

static void version_negotiation_without_ours_ends_the_attempt(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 4);
    r.cut = true;
    rig_start(&r);
    rig_turn(&r, &r.client);
    uint8_t bytes[100];
    hf_writer w = hf_writer_make(bytes, sizeof bytes);
    hf_quic_write_negotiation(&w, &r.client.q->our_ids[0].cid, &r.client.q->shaking->original, 7);
    hf_quic_input in = { { r.client_address, r.server_address }, 0, 0, { bytes, w.length } };
    assert_int_not_equal(hf_quic_endpoint_input(r.client.ep, r.now, &in).code, 0); /* it names ours: an attack */
    assert_int_equal(r.client.q->state, HF_QUIC_SHAKING);
    bytes[w.length - 9] = 9;
    assert_int_equal(hf_quic_endpoint_input(r.client.ep, r.now, &in).code, 0);
    rig_turn(&r, &r.client);
    assert_int_equal(r.client.last, HF_FAULT);
    assert_int_equal(hf_quic_fault_of(r.client.q)->err.code, HF_ERR_QUIC_VERSION);
    rig_close(&r);
}

static void a_server_that_forgot_says_so(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 5);
    rig_connect(&r);
    hf_quic_endpoint_free(r.server.ep); /* it starts anew with the same secret */
    r.server.q = NULL;
    r.server.ep = hf_quic_endpoint_new(&r.w.env, &r.config[0], r.now);
    (void)rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 500);
    rig_run(&r, HF_SECONDS(1));
    assert_int_equal(r.client.last, HF_FAULT);
    assert_int_equal(hf_quic_fault_of(r.client.q)->err.code, HF_ERR_QUIC_RESET);
    rig_close(&r);
}

static void a_server_sends_no_more_than_three_times_what_it_got(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 6);
    rig_start(&r);
    rig_turn(&r, &r.client);
    r.client.ep = NULL; /* nobody answers */
    hf_quic_endpoint *const ep = r.client.q->ep;
    rig_run(&r, HF_SECONDS(9));
    assert_true(r.sent_to_client > 0 && r.sent_to_client <= 3 * r.sent_to_server);
    r.client.ep = ep;
    rig_close(&r);
}

static void a_new_port_of_the_client_is_followed(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 7);
    rig_connect(&r);
    r.server.echo = 400000;
    const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 1000);
    rig_run(&r, HF_MILLISECONDS(50));
    for (int i = 1; i <= 5; i++) { /* five rebindings in mid-download */
        r.nat = r.client_address;
        r.nat.port = (uint16_t)(r.client_address.port + i);
        rig_run(&r, HF_MILLISECONDS(15));
        hf_quic_send_datagram(r.client.q, hf_text("x")).code == 0 ? (void)0 : (void)hf_quic_update_keys(r.client.q, r.now).code;
        rig_run(&r, HF_MILLISECONDS(100));
    }
    rig_run(&r, HF_SECONDS(20));
    assert_int_equal(rig_lane_of(&r.client, lane)->read, 400000);
    hf_quic_info info;
    hf_quic_info_of(r.server.q, &info);
    assert_true(info.migrations >= 1);
    assert_int_equal(info.path.remote.port, r.nat.port);
    assert_true(r.server.moved >= 1);
    rig_close(&r);
}

static void a_client_moves_to_another_address(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 8);
    rig_connect(&r);
    r.server.echo = 200000;
    const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 1000);
    rig_run(&r, HF_MILLISECONDS(50));
    hf_quic_address other = r.client_address;
    other.ip[15] = 77;
    const uint64_t id = hf_quic_route(r.client.q)->id;
    assert_int_equal(hf_quic_migrate(r.server.q, r.now, &other).code, HF_ERR_QUIC_MIGRATION); /* servers do not */
    assert_int_equal(hf_quic_migrate(r.client.q, r.now, &other).code, 0);
    rig_run(&r, HF_SECONDS(5));
    assert_int_equal(rig_lane_of(&r.client, lane)->read, 200000);
    assert_int_equal(r.client.moved, 1);
    assert_int_equal(hf_quic_route(r.client.q)->path.local.ip[15], 77);
    assert_int_equal(hf_quic_route(r.server.q)->path.remote.ip[15], 77);
    assert_int_not_equal(hf_quic_route(r.client.q)->id, id); /* RFC 9000 9.5 */
    assert_true(hf_quic_route(r.server.q)->validated);
    rig_close(&r);
}

/* Cables, radios, and a NAT that hands out another address and port: whatever happens to the way, the download goes on. */
static void a_download_survives_five_changes_of_address(void **state)
{
    (void)state;
    enum { BYTES = 2000000 };
    rig r;
    rig_open(&r, 32);
    r.loss = 10000;
    r.late = 50000;
    rig_connect(&r);
    r.server.echo = BYTES;
    const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 1000);
    const rig_lane *const got = rig_lane_of(&r.client, lane);
    for (unsigned i = 1; i <= 5; i++) {
        for (unsigned k = 0; k < 200 && got->read < i * (BYTES / 8); k++)
            rig_run(&r, HF_MILLISECONDS(50));
        assert_true(got->read >= i * (BYTES / 8) && !got->fin); /* in its middle, each time */
        hf_quic_address other = hf_quic_route(r.client.q)->path.local;
        other.ip[15] = (uint8_t)(60 + i);
        other.port = (uint16_t)(other.port + i);
        if (i < 5) {
            assert_int_equal(hf_quic_migrate(r.client.q, r.now, &other).code, 0);
        } else { /* the last time without its knowledge */
            r.client_address = hf_quic_route(r.client.q)->path.local;
            r.nat = other;
            assert_int_equal(hf_quic_update_keys(r.client.q, r.now).code, 0); /* it speaks up */
        }
        for (unsigned k = 0; k < 200 && hf_quic_route(r.server.q)->path.remote.ip[15] != other.ip[15]; k++)
            rig_run(&r, HF_MILLISECONDS(50));
        assert_int_equal(hf_quic_route(r.server.q)->path.remote.ip[15], other.ip[15]);
    }
    for (unsigned k = 0; k < 1000 && !got->fin; k++)
        rig_run(&r, HF_MILLISECONDS(50));
    assert_true(got->fin && got->read == BYTES);
    assert_true(r.server.q->migrations >= 5);
    rig_close(&r);
}

/* RFC 9000 19.15: the frame may come more than once; what it gave may have been used up since. */
static void an_id_that_was_retired_does_not_come_back(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 31);
    rig_connect(&r);
    hf_quic *const q = r.server.q;
    const hf_their_id old = q->their_ids[2];
    assert_true(old.on && !old.used && old.sequence > 0);
    const hf_frame f = { .kind = HF_FRAME_NEW_CONNECTION_ID, .type = 0x18, .id = old.sequence, .bytes = hf_cid_bytes(&old.cid),
                         .reset_token = old.reset_token };
    assert_true(hf_quic_new_id(q, &f)); /* while it is here, it changes nothing */
    assert_true(q->their_ids[2].on);
    assert_true(hf_quic_drop_id(q, old.sequence));
    hf_quic_touch(q);
    rig_run(&r, HF_SECONDS(1));
    assert_true(hf_quic_new_id(q, &f));
    for (unsigned i = 0; i < HF_QUIC_THEIR_IDS; i++)
        assert_false(q->their_ids[i].on && q->their_ids[i].sequence == old.sequence);
    rig_run(&r, HF_SECONDS(1));
    assert_true(r.server.last == HF_IDLE && r.client.last == HF_IDLE);
    rig_close(&r);
}

static void keys_are_updated_by_either_side(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 9);
    rig_start(&r);
    assert_int_equal(hf_quic_update_keys(r.client.q, r.now).code, HF_ERR_QUIC_KEY_UPDATE);
    rig_run(&r, HF_SECONDS(1));
    r.server.echo = 2000; /* both sides have something acknowledged in each phase */
    for (int i = 0; i < 4; i++) {
        rig_end *const e = i % 2 ? &r.server : &r.client;
        assert_int_equal(hf_quic_update_keys(e->q, r.now).code, 0);
        assert_int_equal(hf_quic_update_keys(e->q, r.now).code, HF_ERR_QUIC_KEY_UPDATE); /* not acknowledged yet */
        for (int k = 0; k < 2; k++) {
            (void)rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 3000);
            rig_run(&r, HF_SECONDS(1));
        }
    }
    assert_int_equal(r.client.q->key_updates, 4);
    assert_int_equal(r.server.q->key_updates, 4);
    assert_int_equal(r.server.q->forged + r.client.q->forged, 0);
    rig_close(&r);
}

static void a_session_resumes(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 10);
    rig_connect(&r);
    assert_true(r.client.session_length > 0);
    r.client.q = r.server.q = NULL;
    r.client.confirmed = false;
    r.client_address.port++;
    rig_start_with(&r, hf_bytes_make(r.client.session, r.client.session_length), hf_text(""));
    rig_run(&r, HF_SECONDS(1));
    hf_quic_info info;
    hf_quic_info_of(r.client.q, &info);
    assert_true(r.client.confirmed && info.resumed);
    rig_close(&r);
}

static void both_sides_learn_of_the_end(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 11);
    rig_connect(&r);
    hf_quic_close(r.server.q, r.now, 0x107, hf_text("go away"));
    rig_run(&r, HF_SECONDS(2));
    assert_int_equal(r.server.last, HF_CLOSED);
    assert_int_equal(r.client.last, HF_FAULT);
    const hf_quic_fault *f = hf_quic_fault_of(r.client.q);
    assert_true(f->remote && f->application && f->code == 0x107 && f->reason_length == 7);
    assert_int_equal(f->err.code, HF_ERR_QUIC_PEER_APPLICATION);
    hf_quic_counts counts;
    hf_quic_endpoint_counts(r.server.ep, &counts);
    assert_int_equal(counts.connections, 0);
    hf_quic_free(r.server.q);
    r.server.q = NULL;
    rig_close(&r);
}

static void lanes_end_in_all_ways(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 12);
    rig_connect(&r);
    r.server.no_read = true;
    const hf_lane a = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 400000);
    rig_run(&r, HF_MILLISECONDS(100));
    assert_int_equal(hf_quic_end(r.client.q, a, (hf_ending){ HF_ENDING_RESET, 42 }).code, 0);
    rig_run(&r, HF_MILLISECONDS(100));
    assert_true(rig_lane_of(&r.server, a)->reset && rig_lane_of(&r.server, a)->code == 42);
    const hf_lane b = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 400000);
    rig_run(&r, HF_MILLISECONDS(100));
    assert_int_equal(hf_quic_end(r.server.q, b, (hf_ending){ HF_ENDING_STOP, 43 }).code, 0);
    rig_run(&r, HF_MILLISECONDS(100));
    assert_true(rig_lane_of(&r.client, b)->stopped && rig_lane_of(&r.client, b)->code == 43);
    /* what nobody read is given back to the connection's window */
    assert_int_equal(r.server.q->taken_bytes, r.server.q->received_bytes);
    rig_close(&r);
}

static void lent_memory_is_released_when_acknowledged(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 13);
    rig_connect(&r);
    static uint8_t big[50000];
    hf_lane lane;
    assert_int_equal(hf_quic_open(r.client.q, HF_LANE_UNIDIRECTIONAL, &lane).code, 0);
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = rig_byte(lane, i, false);
    const hf_extent lent = { .kind = HF_EXTENT_LENT, .token = 5, .bytes = { big, sizeof big } };
    assert_int_equal(hf_quic_put(r.client.q, lane, &lent, 1), sizeof big);
    rig_run(&r, HF_MILLISECONDS(11));
    assert_int_equal(r.client.released, 0);
    rig_run(&r, HF_SECONDS(1));
    assert_int_equal(r.client.released, 1);
    assert_int_equal(r.client.released_last, 5);
    assert_int_equal(rig_lane_of(&r.server, lane)->read, sizeof big);
    rig_close(&r);
}

static void an_optimistic_acknowledgement_is_refused(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 14);
    rig_connect(&r);
    hf_quic_space *const s = r.server.q->spaces[HF_LEVEL_APPLICATION];
    const hf_frame_ack a = { .largest = s->sent.next };
    assert_false(hf_quic_acked(r.server.q, HF_LEVEL_APPLICATION, &a));
    assert_int_equal(hf_quic_fault_of(r.server.q)->err.code, HF_ERR_QUIC_ACK_UNSENT);
    rig_close(&r);
    rig_open(&r, 15);
    rig_connect(&r);
    const uint64_t before = r.server.q->spaces[HF_LEVEL_APPLICATION]->sent.next;
    r.server.q->skip_next = before;
    r.cut = true;
    (void)rig_send(&r, &r.server, HF_LANE_UNIDIRECTIONAL, 3000);
    rig_turn(&r, &r.server);
    const uint64_t largest = r.server.q->spaces[HF_LEVEL_APPLICATION]->sent.next - 1;
    const hf_frame_ack all = { .largest = largest, .first = largest - before };
    assert_true(largest > before + 2);
    assert_false(hf_quic_acked(r.server.q, HF_LEVEL_APPLICATION, &all)); /* the number that was left out */
    rig_close(&r);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    size_t n = 1, failures = 0;
    for (;; n += n < 60 ? 1 : 7) {
        rig r;
        rig_open(&r, 16);
        r.server.ep = hf_quic_endpoint_new(&r.w.env, &r.config[0], r.now);
        r.client.ep = hf_quic_endpoint_new(&r.w.env, &r.config[1], r.now);
        const hf_quic_target target = { { r.client_address, r.server_address }, hf_text("localhost"), { NULL, 0 }, { NULL, 0 } };
        hf_err err;
        r.w.memory.fail_at = r.w.memory.calls + n;
        const size_t at = r.w.memory.fail_at;
        r.client.q = hf_quic_connect(r.client.ep, r.now, &target, &r.client, &err);
        if (r.client.q != NULL) {
            rig_run(&r, HF_MILLISECONDS(300));
            hf_lane lane;
            if (r.client.q->state == HF_QUIC_OPEN && hf_quic_open(r.client.q, HF_LANE_BIDIRECTIONAL, &lane).code == 0) {
                const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = { (const uint8_t *)"\0\x1f", 1 } };
                (void)hf_quic_put(r.client.q, lane, &e, 1);
                (void)hf_quic_end(r.client.q, lane, (hf_ending){ HF_ENDING_FIN, 0 }).code;
            }
            rig_run(&r, HF_MILLISECONDS(300));
        }
        const bool reached = r.w.memory.calls >= at;
        failures += reached;
        rig_close(&r);
        if (!reached)
            break;
    }
    assert_true(failures > 60);
}

static void a_datagram_may_come_alone_or_in_a_batch(void **state)
{
    (void)state;
    uint64_t read[2];
    for (int batched = 0; batched < 2; batched++) {
        rig r;
        rig_open(&r, 17);
        rig_connect(&r);
        (void)rig_send(&r, &r.client, HF_LANE_UNIDIRECTIONAL, 9000);
        static uint8_t scratch[70000];
        hf_extent piece;
        hf_out out = { .pieces = &piece, .capacity = 1, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
        hf_quic_output o;
        assert_true(hf_quic_endpoint_emit(r.client.ep, r.now, &out, &o));
        if (o.segment != 1200 || o.length <= 7 * 1200)
            fail_msg("segment %d, length %d, window %d", o.segment, (int)o.length, (int)r.client.q->congestion.now.window);
        for (size_t at = 0; at < o.length; at += batched ? o.length : o.segment) {
            const size_t n = batched || o.length - at < o.segment ? o.length - at : o.segment;
            const hf_quic_input in = { { r.server_address, r.client_address }, o.ecn, batched ? o.segment : 0, { scratch + at, n } };
            assert_int_equal(hf_quic_endpoint_input(r.server.ep, r.now, &in).code, 0);
        }
        rig_turn(&r, &r.server);
        read[batched] = rig_lane_of(&r.server, 2)->read;
        rig_close(&r);
    }
    assert_int_equal(read[0], 9000);
    assert_int_equal(read[1], 9000);
}

static void tokens_and_ids_are_ours_alone(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 18);
    rig_connect(&r);
    hf_quic_counts counts;
    uint8_t bytes[1200] = { 0xc0, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0x20, 1 };
    const hf_quic_input in = { { r.server_address, r.client_address }, 0, 0, { bytes, sizeof bytes } };
    bytes[48] = 0x44;
    bytes[49] = 0x7e;
    assert_int_equal(hf_quic_endpoint_input(r.server.ep, r.now, &in).code, HF_ERR_QUIC_TOKEN); /* a forged Retry token */
    bytes[16] = 2;
    assert_int_equal(hf_quic_endpoint_input(r.server.ep, r.now, &in).code, HF_ERR_QUIC_UNDECRYPTABLE);
    hf_quic_endpoint_counts(r.server.ep, &counts);
    assert_true(counts.tokens_bad >= 2);
    assert_int_equal(counts.connections, 1); /* nothing is kept of what is not authentic */
    assert_int_equal(r.server.q->our_ids[1].cid.bytes[0], 0); /* the thread, plain */
    assert_int_equal(r.client.q->our_ids[1].cid.bytes[0], 1);
    rig_close(&r);
}

static int threads_seen[2]; /* of datagrams to the server: begun by the client's own id, and by ours */

static bool note_thread(rig *r, rig_packet *p)
{
    (void)r;
    const int thread = p->to_server ? hf_quic_thread_of(hf_bytes_make(p->bytes, p->length)) : -1;
    if (p->to_server)
        threads_seen[thread >= 0]++;
    assert_true(thread < 0 || thread == 5);
    return true;
}

static void a_datagram_says_which_thread_it_is_for(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 400);
    r.config[0].thread = 5;
    r.filter = note_thread;
    threads_seen[0] = threads_seen[1] = 0;
    rig_connect(&r);
    assert_true(threads_seen[0] > 0 && threads_seen[1] > 0);
    assert_int_equal(hf_quic_thread_of(hf_text("")), -1);
    assert_int_equal(hf_quic_thread_of(hf_text("\x40")), -1);
    rig_close(&r);
}

static void an_endpoint_goes_on_with_other_certificates(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 401);
    rig_connect(&r);
    hf_tls_config other = r.tls[0];
    hf_quic_endpoint_retarget(r.server.ep, &other);
    assert_true(hf_quic_endpoint_uses(r.server.ep, &r.tls[0]));
    assert_false(hf_quic_endpoint_uses(r.server.ep, &other));
    r.server.echo = 1000;
    const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 10); /* who was there stays */
    rig_run(&r, HF_SECONDS(1));
    assert_int_equal(rig_lane_of(&r.client, lane)->read, 1000);
    hf_quic_close(r.client.q, r.now, 0, hf_text(""));
    rig_run(&r, HF_SECONDS(20));
    assert_false(hf_quic_endpoint_uses(r.server.ep, &r.tls[0]) && r.server.last != HF_CLOSED);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_datagram_says_which_thread_it_is_for),
        cmocka_unit_test(an_endpoint_goes_on_with_other_certificates),
        cmocka_unit_test(a_retry_proves_the_address), cmocka_unit_test(a_changed_retry_is_not_believed),
        cmocka_unit_test(an_unknown_version_is_told_ours), cmocka_unit_test(version_negotiation_without_ours_ends_the_attempt),
        cmocka_unit_test(a_server_that_forgot_says_so), cmocka_unit_test(a_server_sends_no_more_than_three_times_what_it_got),
        cmocka_unit_test(a_new_port_of_the_client_is_followed), cmocka_unit_test(a_client_moves_to_another_address),
        cmocka_unit_test(a_download_survives_five_changes_of_address),
        cmocka_unit_test(an_id_that_was_retired_does_not_come_back),
        cmocka_unit_test(keys_are_updated_by_either_side), cmocka_unit_test(a_session_resumes),
        cmocka_unit_test(both_sides_learn_of_the_end), cmocka_unit_test(lanes_end_in_all_ways),
        cmocka_unit_test(lent_memory_is_released_when_acknowledged), cmocka_unit_test(an_optimistic_acknowledgement_is_refused),
        cmocka_unit_test(any_allocation_may_fail), cmocka_unit_test(a_datagram_may_come_alone_or_in_a_batch),
        cmocka_unit_test(tokens_and_ids_are_ours_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
