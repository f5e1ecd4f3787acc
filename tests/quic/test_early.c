/* SPDX-License-Identifier: Apache-2.0
 *
 * 0-RTT: what is sent with the first datagram, taken, taken once, or not taken; and what a client remembers for it.
 */
#include "rig.h"

#include <stdalign.h>

static alignas(64) uint8_t memory[64 + 512];

/* A first connection, whose session the next one has; both ends are fresh but for the secrets. */
static void setup(rig *r, uint64_t seed)
{
    rig_open(r, seed);
    memset(memory, 0, sizeof memory);
    r->tls[0].early_data = r->tls[1].early_data = true;
    r->tls[0].strikes = hf_tls_strikes_make(memory, sizeof memory, 1);
    rig_connect(r);
    assert_true(r->client.session_length > 0);
}

static void forget(rig_end *e)
{
    memset(e->lanes, 0, sizeof e->lanes);
    e->opened = e->confirmed = e->early = e->rejected = false;
    e->accepted = e->released = 0;
}

static void again(rig *r)
{
    static uint8_t session[2048];
    const size_t n = r->client.session_length;
    memcpy(session, r->client.session, n);
    hf_quic_close(r->client.q, r->now, 0, hf_text(""));
    rig_run(r, HF_SECONDS(5));
    hf_quic_free(r->client.q);
    if (r->server.q != NULL)
        hf_quic_free(r->server.q);
    r->client.q = r->server.q = NULL;
    forget(&r->client);
    forget(&r->server);
    rig_start_with(r, hf_bytes_make(session, n), hf_text(""));
}

static hf_quic_info info_of(const rig_end *e)
{
    hf_quic_info info;
    hf_quic_info_of(e->q, &info);
    return info;
}

/* What the client says early, and the answer to it, are all there. */
static void check_answer(rig *r, hf_lane lane, uint64_t asked, uint64_t answered)
{
    assert_int_equal(rig_lane_of(&r->server, lane)->read, asked);
    assert_true(rig_lane_of(&r->server, lane)->fin);
    assert_int_equal(rig_lane_of(&r->client, lane)->read, answered);
    assert_true(rig_lane_of(&r->client, lane)->fin);
}

static void a_request_and_its_answer_take_one_round_trip(void **state)
{
    (void)state;
    rig r;
    setup(&r, 1);
    again(&r);
    r.server.echo = 2000;
    rig_turn(&r, &r.client);
    assert_true(r.client.early && hf_quic_is_early(r.client.q));
    const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 3000);
    rig_run(&r, HF_MILLISECONDS(15));
    assert_true(r.server.early && hf_quic_is_early(r.server.q) && !r.server.opened);
    assert_int_equal(rig_lane_of(&r.server, lane)->read, 3000);
    rig_run(&r, HF_MILLISECONDS(10));
    check_answer(&r, lane, 3000, 2000);
    rig_run(&r, HF_SECONDS(1));
    assert_true(r.client.confirmed && r.server.confirmed && !hf_quic_is_early(r.server.q) && !hf_quic_is_early(r.client.q));
    assert_true(info_of(&r.client).early && info_of(&r.server).early && info_of(&r.client).resumed);
    assert_int_equal(info_of(&r.client).packets_lost, 0);
    assert_null(r.client.q->zero);
    assert_null(r.server.q->zero); /* its keys are gone, too */
    rig_close(&r);
}

/* What was LENT is told, the lanes are gone, and the same is asked once more. */
static void refused(rig *r, uint64_t asked)
{
    static const uint8_t lent[1000];
    hf_lane lane;
    rig_turn(r, &r->client);
    assert_true(r->client.early);
    assert_int_equal(hf_quic_open(r->client.q, HF_LANE_BIDIRECTIONAL, &lane).code, 0);
    const hf_extent extent = { .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(lent, sizeof lent), .token = 5 };
    assert_int_equal(hf_quic_put(r->client.q, lane, &extent, 1), sizeof lent);
    rig_run(r, HF_SECONDS(1));
    assert_true(r->client.rejected && r->client.opened && !r->server.early);
    assert_int_equal(r->client.released, 1);
    assert_false(info_of(&r->client).early);
    assert_false(info_of(&r->server).early);
    assert_false(hf_quic_has(r->client.q, lane));
    assert_false(hf_quic_has(r->server.q, lane));
    r->server.echo = 2000;
    const hf_lane anew = rig_send(r, &r->client, HF_LANE_BIDIRECTIONAL, asked);
    assert_int_equal(anew, lane);
    rig_run(r, HF_SECONDS(2));
    check_answer(r, anew, asked, 2000);
}

static void what_was_taken_once_is_not_taken_again(void **state)
{
    (void)state;
    rig r;
    static uint8_t first[2048];
    setup(&r, 2);
    const size_t n = r.client.session_length;
    memcpy(first, r.client.session, n);
    again(&r);
    rig_run(&r, HF_SECONDS(1));
    assert_true(info_of(&r.server).early);
    memcpy(r.client.session, first, r.client.session_length = n);
    again(&r);
    refused(&r, 100000);
    assert_true(info_of(&r.client).resumed); /* a session may be resumed again */
    rig_close(&r);
}

/* The very datagrams of a client, seen on the way and sent once more from elsewhere. */
typedef struct copies {
    rig_packet at[8];
    size_t count;
} copies;
static copies seen;

static bool keep_copies(rig *r, rig_packet *p)
{
    (void)r;
    if (p->to_server && seen.count < HF_COUNT(seen.at)) {
        rig_packet *const c = &seen.at[seen.count++];
        *c = *p;
        c->bytes = malloc(p->length);
        memcpy(c->bytes, p->bytes, p->length);
    }
    return true;
}

static void a_copy_of_the_first_flight_does_nothing(void **state)
{
    (void)state;
    rig r;
    setup(&r, 3);
    again(&r);
    seen.count = 0;
    r.filter = keep_copies;
    rig_turn(&r, &r.client);
    const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 500);
    rig_turn(&r, &r.client);
    r.filter = NULL;
    rig_run(&r, HF_SECONDS(1));
    assert_int_equal(rig_lane_of(&r.server, lane)->read, 500);
    hf_quic_close(r.client.q, r.now, 0, hf_text(""));
    rig_run(&r, HF_SECONDS(5));
    hf_quic_free(r.server.q);
    r.server.q = NULL;
    forget(&r.server);
    assert_true(seen.count > 0);
    for (size_t i = 0; i < seen.count; i++) {
        const hf_quic_input in = { seen.at[i].path, 0, 0, { seen.at[i].bytes, seen.at[i].length } };
        (void)hf_quic_endpoint_input(r.server.ep, r.now, &in).code;
        rig_turn(&r, &r.server);
        free(seen.at[i].bytes);
    }
    rig_run(&r, HF_MILLISECONDS(100));
    hf_quic_counts counts;
    hf_quic_endpoint_counts(r.server.ep, &counts);
    assert_int_equal(counts.half_open, 1); /* a handshake begins, which the attacker cannot complete */
    assert_int_equal(r.server.accepted, 0); /* and nobody above hears of it */
    rig_close(&r);
}

static void servers_that_do_not_take_it_are_asked_anew(void **state)
{
    (void)state;
    rig r;
    setup(&r, 4);
    r.tls[0].early_data = false;
    again(&r);
    refused(&r, 3000);
    rig_close(&r);
}

static void changed_settings_make_it_void(void **state)
{
    (void)state;
    for (unsigned what = 0; what < 3; what++) {
        rig r;
        setup(&r, 5 + what);
        if (what == 0)
            r.w.limits.quic_streams--;
        else if (what == 1)
            r.w.limits.quic_window_bytes /= 2;
        else
            hf_quic_endpoint_settings(r.server.ep, 99); /* the application's */
        again(&r);
        refused(&r, 3000);
        rig_close(&r);
    }
}

/* Whatever is lost of the first flights, and however often: all that was asked is answered. */
static void each_datagram_may_be_lost(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 12; n++) {
        rig r;
        setup(&r, 20 + n);
        again(&r);
        r.loss = n * 30000;
        r.late = n * 50000;
        r.server.echo = 20000;
        rig_turn(&r, &r.client);
        const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 30000);
        rig_run(&r, HF_SECONDS(25));
        check_answer(&r, lane, 30000, 20000);
        rig_close(&r);
    }
}

static void each_of_the_first_datagrams_may_be_lost(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 8; n++) {
        rig r;
        setup(&r, 40 + n);
        again(&r);
        r.server.echo = 2000;
        rig_turn(&r, &r.client);
        const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 5000);
        r.lose_next = n;
        rig_run(&r, HF_SECONDS(20));
        check_answer(&r, lane, 5000, 2000);
        rig_close(&r);
    }
}

static void a_retry_repeats_it(void **state)
{
    (void)state;
    rig r;
    setup(&r, 60);
    r.w.limits.quic_half_open = 0;
    again(&r);
    r.server.echo = 1000;
    rig_turn(&r, &r.client);
    const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 4000);
    rig_run(&r, HF_MILLISECONDS(45)); /* two round trips */
    assert_true(r.server.early);
    check_answer(&r, lane, 4000, 1000);
    assert_true(info_of(&r.client).retried && info_of(&r.client).early);
    rig_close(&r);
}

/* RFC 9000 7.4.1: what is remembered bounds what is sent. */
static void remembered_limits_hold(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 70);
    memset(memory, 0, sizeof memory);
    r.tls[0].early_data = r.tls[1].early_data = true;
    r.tls[0].strikes = hf_tls_strikes_make(memory, sizeof memory, 1);
    r.w.limits.quic_streams = 3;
    r.w.limits.quic_window_bytes = 4 * 1500;
    r.w.limits.quic_connection_window_bytes = 4 * 4000;
    rig_connect(&r);
    again(&r);
    rig_turn(&r, &r.client);
    for (unsigned i = 0; i < 3; i++)
        (void)rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 10000);
    hf_lane more;
    assert_int_equal(hf_quic_open(r.client.q, HF_LANE_BIDIRECTIONAL, &more).code, HF_ERR_QUIC_STREAMS);
    rig_turn(&r, &r.client);
    assert_int_equal(info_of(&r.client).sent, 4000);
    assert_int_equal(info_of(&r.client).send_allowed, 4000);
    r.server.echo = 10;
    rig_run(&r, HF_SECONDS(3));
    for (unsigned i = 0; i < 3; i++)
        check_answer(&r, i * 4, 10000, 10);
    rig_close(&r);
}

/* The session is a client's own to keep, and what it remembers is what the server said: here it remembers more. */
static void a_server_that_takes_back_what_it_gave_is_left(void **state)
{
    (void)state;
    rig r;
    setup(&r, 80);
    hf_quic_params p;
    uint8_t text[512];
    const char *wanted;
    uint8_t *const at = r.client.session + 4; /* behind the version */
    const size_t kept = (size_t)at[0] << 8 | at[1];
    assert_int_equal(hf_quic_params_read(hf_bytes_make(at + 2, kept), true, &p, &wanted).code, 0);
    assert_int_equal(p.streams, r.w.limits.quic_streams);
    assert_false(p.has_initial || p.has_original || p.has_reset_token);
    p.streams++;
    hf_writer w = hf_writer_make(text, sizeof text);
    hf_quic_params_write(&w, &p);
    memmove(at + 2 + w.length, at + 2 + kept, r.client.session_length - 6 - kept);
    memcpy(at + 2, text, w.length);
    at[1] = (uint8_t)w.length;
    r.client.session_length += w.length - kept;
    again(&r);
    rig_run(&r, HF_SECONDS(1));
    assert_int_equal(r.client.last, HF_FAULT);
    assert_int_equal(hf_quic_fault_of(r.client.q)->err.code, HF_ERR_QUIC_EARLY);
    assert_int_equal(hf_quic_fault_of(r.client.q)->code, HF_QUIC_PROTOCOL_VIOLATION);
    rig_close(&r);
}

static void sessions_that_are_none_begin_anew(void **state)
{
    (void)state;
    for (unsigned cut = 0; cut < 200; cut += 7) {
        rig r;
        setup(&r, 90 + cut);
        r.client.session_length = cut < r.client.session_length ? cut : r.client.session_length - 1;
        again(&r);
        rig_run(&r, HF_SECONDS(1));
        assert_true(r.client.opened && !info_of(&r.client).early && !info_of(&r.client).resumed);
        rig_close(&r);
    }
}

/* RFC 9000 12.4: frames that 0-RTT packets must not have. The client seals one by hand. */
static void frames_of_later_are_refused(void **state)
{
    (void)state;
    static const struct { uint8_t frame[24]; size_t length; } forbidden[] = {
        { { 0x02, 0, 0, 0, 0 }, 5 },       /* ACK */
        { { 0x06, 0, 1, 'x' }, 4 },        /* CRYPTO */
        { { 0x07, 1, 'x' }, 3 },           /* NEW_TOKEN */
        { { 0x1b, 1, 2, 3, 4, 5, 6, 7, 8 }, 9 }, /* PATH_RESPONSE */
        { { 0x1e }, 1 },                   /* HANDSHAKE_DONE */
    };
    for (size_t i = 0; i < HF_COUNT(forbidden); i++) {
        rig r;
        setup(&r, 300 + i);
        again(&r);
        rig_turn(&r, &r.client);
        hf_quic *const q = r.client.q;
        uint8_t packet[256];
        size_t length_at;
        hf_writer w = hf_writer_make(packet, sizeof packet);
        hf_quic_write_long(&w, HF_QUIC_V1, HF_QUIC_ZERO_RTT, 1, &q->their_ids[0].cid, &q->our_ids[0].cid, hf_text(""), &length_at);
        const size_t number_at = w.length;
        hf_write_byte(&w, 100);
        hf_write(&w, hf_bytes_make(forbidden[i].frame, forbidden[i].length));
        while (w.length < number_at + 40)
            hf_write_byte(&w, 0);
        hf_put_varint2(packet + length_at, w.length + HF_QUIC_TAG - number_at);
        assert_true(hf_quic_seal(hf_quic_early_writes(q), 100, packet, number_at, 1, w.length));
        const hf_quic_output o = { .path = { r.client_address, r.server_address }, .length = (uint32_t)w.length + HF_QUIC_TAG };
        rig_fly(&r, true, &o, packet, w.length + HF_QUIC_TAG);
        rig_run(&r, HF_MILLISECONDS(12));
        assert_int_equal(r.server.last, HF_FAULT);
        assert_int_equal(hf_quic_fault_of(r.server.q)->err.code, HF_ERR_QUIC_FRAME_PLACE);
        rig_close(&r);
    }
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    size_t failures = 0;
    for (size_t n = 1;; n++) {
        rig r;
        setup(&r, 400);
        again(&r); /* the last of what must not fail is the connection itself: test_endpoint.c has that */
        const size_t at = r.w.memory.calls + n;
        r.w.memory.fail_at = at;
        rig_turn(&r, &r.client);
        hf_lane lane;
        if (hf_quic_open(r.client.q, HF_LANE_BIDIRECTIONAL, &lane).code == 0) {
            rig_lane_of(&r.client, lane)->to_send = 3000;
            rig_pump(&r, &r.client, rig_lane_of(&r.client, lane));
        }
        r.server.echo = 1000;
        rig_run(&r, HF_MILLISECONDS(600));
        const bool reached = r.w.memory.calls >= at;
        failures += reached;
        rig_close(&r);
        if (!reached)
            break;
    }
    assert_true(failures > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_and_its_answer_take_one_round_trip), cmocka_unit_test(what_was_taken_once_is_not_taken_again),
        cmocka_unit_test(a_copy_of_the_first_flight_does_nothing), cmocka_unit_test(servers_that_do_not_take_it_are_asked_anew),
        cmocka_unit_test(changed_settings_make_it_void), cmocka_unit_test(each_datagram_may_be_lost),
        cmocka_unit_test(each_of_the_first_datagrams_may_be_lost), cmocka_unit_test(a_retry_repeats_it),
        cmocka_unit_test(remembered_limits_hold), cmocka_unit_test(a_server_that_takes_back_what_it_gave_is_left),
        cmocka_unit_test(sessions_that_are_none_begin_anew), cmocka_unit_test(frames_of_later_are_refused),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
