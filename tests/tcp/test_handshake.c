/* SPDX-License-Identifier: Apache-2.0
 *
 * The three-way handshake: every segment lost in turn, old duplicates before, between and after the real ones, both ends at
 * once, floods. And the two models of a handshake of two messages, which show what the third is for.
 */
#include "tcp/world.h"

#include "two_way.h"

static world w;
static const app plain = { .total = 1000, .most_read = UINT64_MAX, .end_after = true };

static void begin(void)
{
    world_init(&w, 7);
    w.accept.total = 1000;
    serve(&w, 80);
}

static void expect_exchange(unsigned nth)
{
    const app *c = &w.apps[0], *s = accepted_app(&w, nth);
    assert_non_null(s);
    assert_int_equal(c->received, 1000);
    assert_int_equal(s->received, 1000);
    assert_true(c->opened && c->closed && s->closed);
    assert_int_equal(c->err.code, 0);
}

static void end(void)
{
    for (unsigned i = 0; i < w.app_count; i++)
        if (!w.apps[i].freed)
            hf_tcp_free(w.apps[i].tcp);
    world_fini(&w);
}

/* ---- H1: each segment lost ---------------------------------------------------------------------------------------- */

static uint8_t lost_flags;
static int lost_to;
static unsigned lost_times;
static fate lose_some(world *x, int to, uint64_t index, const hf_segment *s)
{
    (void)x, (void)index;
    if (to == lost_to && (s->flags & (HF_SYN | HF_ACK)) == lost_flags && lost_times > 0) {
        lost_times--;
        return DROP;
    }
    return PASS;
}

static void lost(int to, uint8_t flags, unsigned times)
{
    begin();
    lost_to = to;
    lost_flags = flags;
    lost_times = times;
    w.rule = lose_some;
    dial(&w, &plain, 80);
    run_for(&w, HF_SECONDS(30));
    expect_exchange(0);
    assert_int_equal(lost_times, 0);
    end();
}

static void a_lost_syn_is_sent_again(void **state)
{
    (void)state;
    lost(1, HF_SYN, 1);
    lost(1, HF_SYN, 3);
}
static void a_lost_syn_ack_is_sent_again(void **state)
{
    (void)state;
    lost(0, HF_SYN | HF_ACK, 1);
    lost(0, HF_SYN | HF_ACK, 2);
}
static void a_lost_third_ack_is_made_good_by_data_or_by_the_repeated_syn_ack(void **state)
{
    (void)state;
    lost(1, HF_ACK, 1);
    lost(1, HF_ACK, 2);
    lost(1, HF_ACK, 3);
}

static void a_connection_opens_at_the_third_segment_and_not_before(void **state)
{
    (void)state;
    begin();
    dial(&w, &plain, 80);
    run_for(&w, MS(15)); /* the SYN has arrived, and its answer left */
    assert_int_equal(counts_of(&w, 1).half_open, 1);
    assert_null(accepted_app(&w, 0));
    assert_int_equal(w.apps[0].opened, 0);
    assert_int_equal(info_of(&w.apps[0]).state, HF_TCP_SYN_SENT);
    run_for(&w, MS(10)); /* the SYN-ACK */
    assert_true(w.apps[0].opened);
    assert_null(accepted_app(&w, 0));
    run_for(&w, MS(10));
    assert_non_null(accepted_app(&w, 0));
    assert_int_equal(counts_of(&w, 1).half_open, 0);
    run_for(&w, HF_SECONDS(5));
    expect_exchange(0);
    end();
}

static void the_first_two_segments_carry_no_data_and_the_third_may(void **state)
{
    (void)state;
    begin();
    w.link[0].cut = true;
    const hf_segment syn = { .source = 4000, .destination = 80, .seq = { 500 }, .flags = HF_SYN, .window = 65535, .mss = 1460 };
    w.quiet = true;
    inject(&w, 1, syn, 0, 0);
    settle(&w);
    assert_int_equal(w.last[0].flags, HF_SYN | HF_ACK);
    assert_int_equal(w.last[0].payload.len, 0);
    assert_int_equal(w.last[0].ack.n, 501);
    hf_segment third = { .source = 4000, .destination = 80, .seq = { 501 }, .ack = hf_seq_add(w.last[0].seq, 1), .flags = HF_ACK | HF_PSH, .window = 65535 };
    inject(&w, 1, third, 0, 300);
    settle(&w);
    assert_int_equal(accepted_app(&w, 0)->received, 300);
    end();
}

/* ---- H2, H3: old duplicates ---------------------------------------------------------------------------------------- */

static void an_old_duplicate_syn_is_answered_reset_by_the_peer_and_leaves_nothing(void **state)
{
    (void)state;
    begin();
    /* the client's host has no such connection any more: it answers the SYN-ACK with a RST */
    const hf_segment old = { .source = 4000, .destination = 80, .seq = { 90000 }, .flags = HF_SYN, .window = 65535, .mss = 1460 };
    w.quiet = true;
    inject(&w, 1, old, 0, 0);
    run_for(&w, MS(5));
    assert_int_equal(counts_of(&w, 1).half_open, 1);
    run_for(&w, HF_SECONDS(2));
    assert_int_equal(w.resets[1], 1);
    assert_int_equal(counts_of(&w, 1).half_open, 0);
    assert_int_equal(counts_of(&w, 1).accepted, 0);
    assert_int_equal(w.app_count, 0);
    end();
}

static void old_and_new(bool old_first)
{
    begin();
    w.quiet = true;
    dial(&w, &plain, 80);
    settle(&w);
    const hf_segment genuine = w.last[1];
    hf_segment old = genuine;
    old.seq = hf_seq_add(genuine.seq, (uint32_t)-100000);
    old.stamp -= 5000;
    if (old_first)
        inject(&w, 1, old, 0, 0);
    run_for(&w, MS(11));
    if (!old_first)
        inject(&w, 1, old, 0, 0);
    run_for(&w, HF_SECONDS(30));
    assert_int_equal(counts_of(&w, 1).accepted, 1);
    expect_exchange(0);
    end();
}

static void an_old_syn_before_the_real_one_does_no_harm(void **state)
{
    (void)state;
    old_and_new(true);
}
static void an_old_syn_behind_the_real_one_does_no_harm(void **state)
{
    (void)state;
    old_and_new(false);
}

/* ---- H4: the models ------------------------------------------------------------------------------------------------ */

static void two_messages_accept_an_old_syn(void **state)
{
    (void)state;
    const hf_segment old = { .source = 4000, .destination = 80, .seq = { 90000 }, .flags = HF_SYN, .window = 65535 };
    hf_two_way model = { .next_iss = { 1 } };
    hf_segment answer;
    assert_true(hf_two_way_arrive(&model, &old, &answer));
    assert_int_equal(model.opened, 1); /* its application holds a connection that nobody wanted */
    begin();
    w.quiet = true;
    inject(&w, 1, old, 0, 0);
    run_for(&w, HF_SECONDS(2));
    assert_int_equal(counts_of(&w, 1).accepted, 0); /* ours does not */
    end();
}

static void two_messages_lose_what_is_sent_on_a_number_nobody_confirmed(void **state)
{
    (void)state;
    /* the server's SYN-ACK is lost; it writes, for it believes to be open; the client has no number to place the bytes by,
     * and asks again; for the server that is another connection */
    const hf_segment syn = { .source = 4000, .destination = 80, .seq = { 500 }, .flags = HF_SYN, .window = 65535 };
    hf_two_way model = { .next_iss = { 1 } };
    hf_segment answer;
    assert_true(hf_two_way_arrive(&model, &syn, &answer));
    const hf_segment data = hf_two_way_write(&model, 80, 4000, 1000);
    assert_true(hf_two_way_arrive(&model, &syn, &answer)); /* the SYN once more */
    assert_int_equal(model.opened, 2);
    assert_int_equal(model.forgotten, 1);
    assert_false(hf_seq_same(data.seq, hf_seq_add(answer.seq, 1))); /* the 1000 bytes lie nowhere in the second one's numbers */
    assert_int_equal(model.written, 1000);
    /* the same with three: one connection, and every byte */
    begin();
    lost_to = 0;
    lost_flags = HF_SYN | HF_ACK;
    lost_times = 1;
    w.rule = lose_some;
    dial(&w, &plain, 80);
    run_for(&w, HF_SECONDS(30));
    assert_int_equal(counts_of(&w, 1).accepted, 1);
    expect_exchange(0);
    end();
}

/* ---- H5 to H8 ------------------------------------------------------------------------------------------------------ */

static void both_ends_may_open_at_once(void **state)
{
    (void)state;
    world_init(&w, 9);
    const hf_tcp_pair here = { .local = w.ip[0], .remote = w.ip[1], .local_port = 1000, .remote_port = 2000 };
    const hf_tcp_pair there = { .local = w.ip[1], .remote = w.ip[0], .local_port = 2000, .remote_port = 1000 };
    hf_err err;
    w.quiet = true;
    app *a = app_add(&w, 0, hf_tcp_connect(w.ep[0], w.now, &here, 0, &err), &plain);
    app *b = app_add(&w, 1, hf_tcp_connect(w.ep[1], w.now, &there, 0, &err), &plain);
    run_for(&w, MS(11));
    assert_int_equal(info_of(a).state, HF_TCP_SYN_RECEIVED);
    assert_int_equal(info_of(b).state, HF_TCP_SYN_RECEIVED);
    run_for(&w, HF_SECONDS(30));
    assert_true(a->opened && b->opened);
    assert_int_equal(a->received, 1000);
    assert_int_equal(b->received, 1000);
    assert_true(a->closed && b->closed);
    end();
}

static void a_port_where_nobody_listens_refuses(void **state)
{
    (void)state;
    begin();
    const app *c = dial(&w, &plain, 81);
    run_for(&w, HF_SECONDS(2));
    assert_true(c->faulted && !c->opened);
    assert_int_equal(c->err.code, HF_ERR_TCP_REFUSED);
    end();
}

static void a_host_that_never_answers_times_out_after_r2(void **state)
{
    (void)state;
    begin();
    w.link[1].cut = true;
    const app *c = dial(&w, &plain, 80);
    run_for(&w, HF_SECONDS(150));
    assert_false(c->faulted);
    assert_true(w.syns[1] >= 6 && w.syns[1] <= 10);
    run_for(&w, HF_SECONDS(100));
    assert_true(c->faulted);
    assert_int_equal(c->err.code, HF_ERR_TCP_TIMEOUT);
    end();
}

static void odd_first_segments_get_what_the_rfc_says(void **state)
{
    (void)state;
    begin();
    w.quiet = true;
    w.link[0].cut = true;
    const hf_segment base = { .source = 4000, .destination = 80, .seq = { 500 }, .ack = { 9 }, .window = 65535 };
    static const struct {
        uint8_t flags, answer; /* 0: silence */
    } rows[] = {
        { HF_ACK, HF_RST }, { HF_FIN | HF_ACK, HF_RST }, { HF_RST, 0 }, { HF_RST | HF_ACK, 0 }, { HF_SYN | HF_RST, 0 }, { HF_SYN | HF_FIN, 0 },
        { HF_SYN | HF_ACK, HF_RST }, { 0, 0 }, { HF_FIN, 0 }, { HF_PSH | HF_URG, 0 },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const uint64_t before = w.sent[0];
        hf_segment s = base;
        s.flags = rows[i].flags;
        inject(&w, 1, s, 0, 0);
        settle(&w);
        assert_int_equal(w.sent[0] - before, rows[i].answer != 0);
        if (rows[i].answer)
            assert_int_equal(w.last[0].flags & (HF_RST | HF_ACK), rows[i].answer);
        if (rows[i].answer == HF_RST)
            assert_int_equal(w.last[0].seq.n, 9); /* RFC 9293 3.5.2: from the ACK field */
    }
    assert_int_equal(counts_of(&w, 1).half_open, 0);
    end();
}

static void a_wrong_acknowledgement_of_our_syn_is_reset_and_harms_nothing(void **state)
{
    (void)state;
    begin();
    w.quiet = true;
    app *c = dial(&w, &plain, 80);
    settle(&w);
    const hf_segment syn = w.last[1];
    hf_segment forged = { .source = 80, .destination = syn.source, .seq = { 77 }, .ack = hf_seq_add(syn.seq, 2), .flags = HF_SYN | HF_ACK, .window = 1000 };
    inject(&w, 0, forged, 0, 0);
    settle(&w);
    assert_int_equal(w.last[1].flags, HF_RST);
    assert_int_equal(w.last[1].seq.n, forged.ack.n);
    forged.flags = HF_RST | HF_ACK; /* and a RST with a wrong ACK is nothing at all */
    inject(&w, 0, forged, 0, 0);
    assert_int_equal(info_of(c).state, HF_TCP_SYN_SENT);
    run_for(&w, HF_SECONDS(30));
    expect_exchange(0);
    end();
}

static void a_peer_that_restarted_is_found_out_by_its_syn(void **state)
{
    (void)state;
    begin();
    w.accept.end_after = false;
    const app open = { .total = 1000, .most_read = UINT64_MAX };
    const app *c = dial(&w, &open, 80);
    run_for(&w, HF_SECONDS(1));
    /* the client's host restarts and dials again from the same port */
    hf_tcp_pair pair = c->tcp->pair;
    app *s = accepted_app(&w, 0);
    hf_tcp_endpoint_free(w.ep[0]);
    w.apps[0].freed = true;
    w.ep[0] = hf_tcp_endpoint_new(&w.env[0].env, &w.config[0], w.now);
    w.quiet = true;
    hf_err err;
    app *again = app_add(&w, 0, hf_tcp_connect(w.ep[0], w.now, &pair, 0, &err), &plain);
    run_for(&w, MS(25));
    /* RFC 9293 figure 10: SYN on ESTABLISHED, a challenge ACK, a RST */
    assert_int_equal(counts_of(&w, 1).challenges, 1);
    run_for(&w, HF_SECONDS(3));
    assert_true(s->faulted);
    assert_int_equal(s->err.code, HF_ERR_TCP_RESET);
    assert_true(again->opened);
    end();
}

/* ---- H9, A7: floods ------------------------------------------------------------------------------------------------ */

static void flood(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t bytes[HF_TCP_HEADER_MOST];
        const hf_segment syn = { .source = (uint16_t)(1024 + hf_random_below(&w.random, 60000)), .destination = 80,
                                 .seq = { (uint32_t)hf_random_next(&w.random) }, .flags = HF_SYN, .window = 1000, .mss = 1460 };
        const size_t length = hf_segment_write(bytes, &syn);
        const uint32_t host = (uint32_t)hf_random_next(&w.random);
        const hf_tcp_input in = { .source = hf_ip_make4(172, (uint8_t)host, (uint8_t)(host >> 8), (uint8_t)(host >> 16)), .destination = w.ip[1],
                                  .checked = true, .segment = hf_bytes_make(bytes, length) };
        const hf_err err = hf_tcp_endpoint_input(w.ep[1], w.now, &in);
        assert_int_equal(err.code, 0);
        uint8_t scratch[128];
        hf_extent pieces[8];
        hf_out out = { .pieces = pieces, .capacity = 8, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = 2000 };
        hf_tcp_packet p;
        assert_true(hf_tcp_endpoint_emit(w.ep[1], w.now, &out, &p)); /* into the void */
    }
}

static void limit_tcp_syns(void **state)
{
    (void)state;
    world_limits(&w, 7);
    w.env[1].limits.tcp_syns = 16;
    world_begin(&w);
    w.accept.total = 100000;
    serve(&w, 80);
    flood(16);
    assert_int_equal(counts_of(&w, 1).half_open, 16);
    assert_int_equal(counts_of(&w, 1).cookies_out, 0);
    const size_t held = w.env[1].memory.held;
    flood(5000);
    assert_int_equal(counts_of(&w, 1).half_open, 16);
    assert_int_equal(counts_of(&w, 1).cookies_out, 5000);
    assert_int_equal(w.env[1].memory.held, held); /* not a byte for them */
    const app client = { .total = 100000, .most_read = UINT64_MAX, .end_after = true };
    dial(&w, &client, 80);
    run_for(&w, HF_SECONDS(1));
    assert_int_equal(counts_of(&w, 1).cookies_in, 1);
    const hf_tcp_info info = info_of(accepted_app(&w, 0));
    assert_true(info.sack && info.timestamps && info.scaled);
    assert_int_equal(info.send_scale, hf_scale_here(w.ep[0]));
    assert_int_equal(info.segment, 1448);
    run_for(&w, HF_SECONDS(20));
    assert_int_equal(w.apps[0].received, 100000);
    assert_int_equal(accepted_app(&w, 0)->received, 100000);
    end();
}

static void a_forged_or_stale_cookie_opens_nothing(void **state)
{
    (void)state;
    world_limits(&w, 7);
    w.env[1].limits.tcp_syns = 1;
    world_begin(&w);
    serve(&w, 80);
    w.quiet = true;
    w.link[0].cut = true;
    flood(1);
    const hf_segment syn = { .source = 4000, .destination = 80, .seq = { 500 }, .flags = HF_SYN, .window = 65535, .mss = 1460 };
    inject(&w, 1, syn, 0, 0);
    settle(&w);
    const hf_seq cookie = w.last[0].seq;
    hf_segment ack = { .source = 4000, .destination = 80, .seq = { 501 }, .flags = HF_ACK, .window = 65535 };
    for (int bit = 0; bit < 32; bit++) {
        ack.ack = hf_seq_add((hf_seq){ cookie.n ^ UINT32_C(1) << bit }, 1);
        inject(&w, 1, ack, 0, 0);
        settle(&w);
        assert_int_equal(w.last[0].flags, HF_RST);
    }
    ack.ack = hf_seq_add(cookie, 1);
    ack.source = 4001; /* another port */
    inject(&w, 1, ack, 0, 0);
    assert_int_equal(counts_of(&w, 1).accepted, 0);
    ack.source = 4000;
    run_for(&w, HF_SECONDS(60));
    inject(&w, 1, ack, 0, 0); /* a minute old: good */
    assert_int_equal(counts_of(&w, 1).accepted, 1);
    settle(&w);
    inject(&w, 1, (hf_segment){ .source = 4000, .destination = 80, .seq = { 501 }, .flags = HF_RST }, 0, 0);
    settle(&w);
    run_for(&w, HF_SECONDS(70));
    flood(3); /* cookies are still looked at, but this one is too old */
    inject(&w, 1, ack, 0, 0);
    assert_int_equal(counts_of(&w, 1).accepted, 1);
    end();
}

static void genuine_connections_all_succeed_under_a_flood(void **state)
{
    (void)state;
    world_limits(&w, 11);
    w.env[1].limits.tcp_syns = 64;
    world_begin(&w);
    w.accept.total = 1000;
    w.accept.free_when_over = true;
    serve(&w, 80);
    app client = plain;
    client.free_when_over = true;
    for (unsigned i = 0; i < 200; i++) {
        flood(500);
        dial(&w, &client, 80);
        run_for(&w, MS(100));
        for (unsigned k = 0; k < w.app_count; k++)
            assert_int_equal(w.apps[k].err.code, 0);
        if (w.app_count > 40) { /* the finished ones make room */
            unsigned kept = 0;
            for (unsigned k = 0; k < w.app_count; k++)
                if (!w.apps[k].freed)
                    w.apps[kept++] = w.apps[k];
            w.app_count = kept;
        }
    }
    run_for(&w, HF_SECONDS(10));
    assert_int_equal(counts_of(&w, 1).accepted, 200);
    assert_int_equal(counts_of(&w, 0).opened, 200);
    assert_true(counts_of(&w, 1).cookies_out > 90000);
    end();
}

static void limit_tcp_backlog(void **state)
{
    (void)state;
    world_limits(&w, 7);
    w.env[1].limits.tcp_backlog = 2;
    world_begin(&w);
    serve(&w, 80);
    w.quiet = true;
    w.link[0].cut = true;
    hf_segment third[3];
    for (uint16_t i = 0; i < 3; i++) {
        inject(&w, 1, (hf_segment){ .source = (uint16_t)(4000 + i), .destination = 80, .seq = { 500 }, .flags = HF_SYN, .window = 65535 }, 0, 0);
        speak(&w, 1);
        third[i] = (hf_segment){ .source = (uint16_t)(4000 + i), .destination = 80, .seq = { 501 }, .ack = hf_seq_add(w.last[0].seq, 1), .flags = HF_ACK, .window = 65535 };
    }
    for (int i = 0; i < 3; i++)
        inject(&w, 1, third[i], 0, 0); /* the application is slow: nobody steps */
    assert_int_equal(counts_of(&w, 1).accepted, 2);
    assert_int_equal(counts_of(&w, 1).backlog_full, 1);
    settle(&w); /* now it takes them */
    inject(&w, 1, third[2], 0, 0);
    assert_int_equal(counts_of(&w, 1).accepted, 3);
    settle(&w);
    end();
}

static void limit_tcp_syn_retries(void **state)
{
    (void)state;
    begin();
    w.quiet = true;
    w.link[0].cut = true;
    inject(&w, 1, (hf_segment){ .source = 4000, .destination = 80, .seq = { 500 }, .flags = HF_SYN, .window = 65535 }, 0, 0);
    run_for(&w, HF_SECONDS(62));
    assert_int_equal(w.syns[0], 1 + w.env[1].limits.tcp_syn_retries);
    assert_int_equal(counts_of(&w, 1).half_open, 1);
    run_for(&w, HF_SECONDS(70));
    assert_int_equal(w.syns[0], 1 + w.env[1].limits.tcp_syn_retries);
    assert_int_equal(counts_of(&w, 1).half_open, 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_syn_is_sent_again),
        cmocka_unit_test(a_lost_syn_ack_is_sent_again),
        cmocka_unit_test(a_lost_third_ack_is_made_good_by_data_or_by_the_repeated_syn_ack),
        cmocka_unit_test(a_connection_opens_at_the_third_segment_and_not_before),
        cmocka_unit_test(the_first_two_segments_carry_no_data_and_the_third_may),
        cmocka_unit_test(an_old_duplicate_syn_is_answered_reset_by_the_peer_and_leaves_nothing),
        cmocka_unit_test(an_old_syn_before_the_real_one_does_no_harm),
        cmocka_unit_test(an_old_syn_behind_the_real_one_does_no_harm),
        cmocka_unit_test(two_messages_accept_an_old_syn),
        cmocka_unit_test(two_messages_lose_what_is_sent_on_a_number_nobody_confirmed),
        cmocka_unit_test(both_ends_may_open_at_once),
        cmocka_unit_test(a_port_where_nobody_listens_refuses),
        cmocka_unit_test(a_host_that_never_answers_times_out_after_r2),
        cmocka_unit_test(odd_first_segments_get_what_the_rfc_says),
        cmocka_unit_test(a_wrong_acknowledgement_of_our_syn_is_reset_and_harms_nothing),
        cmocka_unit_test(a_peer_that_restarted_is_found_out_by_its_syn),
        cmocka_unit_test(limit_tcp_syns),
        cmocka_unit_test(a_forged_or_stale_cookie_opens_nothing),
        cmocka_unit_test(genuine_connections_all_succeed_under_a_flood),
        cmocka_unit_test(limit_tcp_backlog),
        cmocka_unit_test(limit_tcp_syn_retries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
