/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules that a transfer goes well without, until a day when it does not: each has a fault in mutants.txt that only its test here
 * notices.
 */
#include "tcp/open_pair.h"

static void a_fin_behind_what_does_not_fit_is_not_taken(void **state)
{
    (void)state;
    begin();
    server->tcp->edge = hf_seq_add(server->tcp->rcv_nxt, 50);
    forged.flags |= HF_FIN;
    inject(&w, 1, forged, 500, 100);
    settle(&w);
    assert_int_equal(server->received, 550);
    forged.flags = HF_ACK;
    forged.seq = hf_seq_add(forged.seq, 50);
    inject(&w, 1, forged, 550, 50);
    settle(&w);
    assert_int_equal(server->received, 600);
    assert_false(server->peer_ended); /* it comes again, where it fits */
    end();
}

static void the_new_part_of_what_overlaps_is_taken(void **state)
{
    (void)state;
    begin();
    forged.seq = hf_seq_add(forged.seq, (uint32_t)-50);
    inject(&w, 1, forged, 450, 100);
    settle(&w);
    assert_int_equal(server->received, 550);
    end();
}

static void what_comes_twice_is_told_in_the_first_block(void **state)
{
    (void)state;
    begin();
    forged.seq = hf_seq_add(forged.seq, (uint32_t)-100);
    inject(&w, 1, forged, 400, 60);
    speak(&w, 1);
    assert_int_equal(w.last[0].sacks, 1);
    assert_true(hf_seq_same(w.last[0].sack[0].start, forged.seq) && hf_seq_same(w.last[0].sack[0].end, hf_seq_add(forged.seq, 60)));
    assert_true(hf_seq_same(w.last[0].ack, server->tcp->rcv_nxt));
    end();
}

/* RFC 6298 3: "RTT samples MUST NOT be made using segments that were retransmitted" */
static void a_syn_that_was_sent_twice_measures_nothing(void **state)
{
    (void)state;
    world_init(&w, 52);
    w.link[1].cut = true;
    w.accept.end_after = false;
    serve(&w, 80);
    client = dial(&w, &silent, 80);
    run_for(&w, MS(500));
    w.link[1].cut = false;
    run_for(&w, HF_SECONDS(2));
    assert_true(client->opened);
    assert_false(client->tcp->rtt.measured);
    end();
    world_init(&w, 52); /* and one that was sent once does */
    open_both();
    assert_int_equal(client->tcp->rtt.smoothed_ns, MS(20));
    end();
}

static void the_window_of_a_syn_ack_is_not_scaled(void **state)
{
    (void)state;
    world_init(&w, 52);
    open_both();
    assert_int_equal(w.last[0].flags, HF_SYN | HF_ACK);
    assert_true(client->tcp->send_scale > 0);
    assert_int_equal(client->tcp->window, w.last[0].window);
    end();
}

/* RFC 6528: nobody can tell the number of one connection from that of another. */
static void first_numbers_of_different_pairs_and_keys_have_nothing_in_common(void **state)
{
    (void)state;
    const hf_sip_key keys[] = { { 1, 2 }, { 1, 3 } };
    const hf_time now = hf_time_make(HF_SECONDS(5));
    uint32_t numbers[8];
    for (unsigned i = 0; i < 8; i++) {
        const hf_tcp_pair pair = { .local = hf_ip_make4(10, 0, 0, 1), .remote = hf_ip_make4(10, 0, 0, (uint8_t)(2 + (i & 1))), .local_port = 80,
                                   .remote_port = (uint16_t)(4000 + (i >> 1 & 1)) };
        numbers[i] = hf_isn(keys[i >> 2], &pair, now).n;
        for (unsigned k = 0; k < i; k++) {
            const uint32_t away = numbers[i] - numbers[k];
            assert_true(away > 1000 && away < UINT32_MAX - 1000); /* one seed: this does not depend on chance */
        }
    }
}

static void the_window_of_what_was_overtaken_does_not_count(void **state)
{
    (void)state;
    begin();
    forged.seq = hf_seq_add(forged.seq, 100);
    forged.window = 3;
    inject(&w, 1, forged, 600, 10);
    assert_int_equal(server->tcp->window, 3u << server->tcp->send_scale);
    forged.seq = hf_seq_add(forged.seq, (uint32_t)-100);
    forged.window = 400;
    inject(&w, 1, forged, 500, 50);
    assert_int_equal(server->tcp->window, 3u << server->tcp->send_scale);
    forged.seq = hf_seq_add(forged.seq, 50);
    inject(&w, 1, forged, 550, 50);
    assert_int_equal(server->tcp->rcv_nxt.n - forged.seq.n, 60);
    forged.seq = hf_seq_add(forged.seq, 60);
    inject(&w, 1, forged, 610, 10);
    assert_int_equal(server->tcp->window, 400u << server->tcp->send_scale);
    end();
}

static void a_sack_that_reaches_beyond_what_was_sent_is_ignored(void **state)
{
    (void)state;
    begin();
    server->total += 5000;
    app_write(server);
    settle(&w);
    const hf_records *const records = &server->tcp->sender->records;
    forged.ack = server->tcp->una;
    forged.sacks = 1;
    forged.sack[0] = (hf_sack){ hf_seq_add(server->tcp->una, 1448), hf_seq_add(server->tcp->nxt, 1) };
    inject(&w, 1, forged, 0, 0);
    assert_int_equal(records->sacked, 0);
    forged.sack[0].end = server->tcp->nxt; /* what was sent may be */
    inject(&w, 1, forged, 0, 0);
    assert_int_equal(records->sacked, 5000 - 1448);
    end();
}

/* RFC 9293 3.6.1: the next connection of the pair begins "larger than the largest sequence number it used on the previous". */
static void who_follows_a_connection_in_time_wait_begins_behind_its_numbers(void **state)
{
    (void)state;
    begin();
    server->end_after = true;
    app_write(server);
    run_for(&w, MS(50));
    client->end_after = true;
    app_write(client);
    run_for(&w, MS(50));
    hf_timewait *const waiting = hf_timewaits_find(&w.ep[1]->timewaits, &(hf_tcp_pair){ .local = w.ip[1], .remote = w.ip[0], .local_port = 80, .remote_port = forged.source });
    assert_non_null(waiting);
    waiting->nxt = hf_seq_add(hf_isn(w.ep[1]->secret, &server->tcp->pair, w.now), 100000000); /* it sent more than the clock of numbers moved */
    const hf_seq used = waiting->nxt;
    forged.flags = HF_SYN;
    forged.ack = hf_seq_make(0);
    forged.seq = hf_seq_add(forged.seq, 1000000);
    forged.stamp += 10000;
    inject(&w, 1, forged, 0, 0);
    speak(&w, 1);
    assert_int_equal(w.last[0].flags, HF_SYN | HF_ACK);
    assert_true(hf_seq_before(used, w.last[0].seq));
    end();
}

/* ---- the receiver's part against silly windows --------------------------------------------------------------------- */

static hf_seq told;
static unsigned small_steps, steps;

static fate watch_edge(world *x, int to, uint64_t index, const hf_segment *s)
{
    (void)index;
    if (to == 0 && !(s->flags & HF_SYN)) {
        const hf_seq edge = hf_seq_add(s->ack, (uint32_t)s->window << accepted_app(x, 0)->tcp->receive_scale);
        const int32_t more = hf_seq_from(edge, told);
        steps += more > 0;
        small_steps += more > 1 && more < 1448; /* by one: it is told in units of two, and rounded up */
        told = more > 0 ? edge : told;
    }
    return PASS;
}

/* RFC 9293 3.8.6.2.2: "avoid advancing the right window edge RCV.NXT+RCV.WND in small increments" */
static void a_window_that_was_shut_opens_by_a_segment_at_least(void **state)
{
    (void)state;
    world_limits(&w, 52);
    w.env[1].limits.tcp_receive_bytes = 65536;
    world_begin(&w);
    w.accept.most_read = 0;
    open_both();
    told = server->tcp->edge;
    client->total = 200000;
    app_write(client);
    run_for(&w, HF_SECONDS(3));
    assert_true(hf_seq_from(server->tcp->edge, server->tcp->rcv_nxt) < 1460);
    told = server->tcp->edge;
    steps = small_steps = 0;
    w.rule = watch_edge;
    for (unsigned i = 0; i < 400; i++) {
        server->most_read += 100;
        app_read(server);
        run_for(&w, MS(20));
    }
    assert_true(steps > 5);
    assert_int_equal(small_steps, 0);
    end();
}

/* ---- what a loss costs, and what is none ---------------------------------------------------------------------------- */

static uint64_t sent_data;
static uint64_t victim;

static fate drop_one(world *x, int to, uint64_t index, const hf_segment *s)
{
    (void)x;
    (void)index;
    return to == 0 && s->payload.len > 0 && ++sent_data == victim ? DROP : PASS;
}

/* RFC 9438 4.6: the window becomes 0.7 of what it was. */
static void a_loss_narrows_the_window(void **state)
{
    (void)state;
    begin();
    const uint64_t before = info_of(server).congestion_window;
    sent_data = 0;
    victim = 3;
    w.rule = drop_one;
    server->total += 10 * 1448;
    app_write(server);
    run_for(&w, MS(21)); /* the acknowledgements of the others are there, and the third is lost */
    assert_int_equal(counts_of(&w, 1).retransmitted, 1);
    assert_true(info_of(server).congestion_window <= before * 8 / 10);
    run_for(&w, HF_SECONDS(1));
    assert_int_equal(client->received, 500 + 10 * 1448);
    end();
}

/* RFC 8985 7.4.2, case 1: the original was only late. */
static void a_probe_that_was_not_needed_costs_no_window(void **state)
{
    (void)state;
    begin();
    const uint64_t before = info_of(server).congestion_window;
    w.link[1].delay_ns = MS(120); /* of acknowledgements, beyond the probe's time and within the timeout's */
    server->total += 5 * 1448;
    app_write(server);
    run_for(&w, MS(400));
    assert_int_equal(counts_of(&w, 1).probes, 1);
    assert_int_equal(counts_of(&w, 1).timeouts, 0);
    server->total += 5 * 1448; /* and nothing is held against it later */
    app_write(server);
    run_for(&w, MS(400));
    assert_true(info_of(server).congestion_window >= before);
    assert_int_equal(client->received, 500 + 10 * 1448);
    end();
}

/* RFC 8985 7.4.2: the probe came, the original did not, as the next acknowledgement beyond it shows. */
static void a_loss_that_a_probe_repaired_narrows_the_window(void **state)
{
    (void)state;
    begin();
    const uint64_t before = info_of(server).congestion_window;
    sent_data = 0;
    victim = 5;
    w.rule = drop_one;
    server->total += 5 * 1448;
    app_write(server);
    run_for(&w, MS(400));
    assert_int_equal(counts_of(&w, 1).probes, 1);
    assert_int_equal(client->received, 500 + 5 * 1448);
    server->total += 100;
    app_write(server);
    run_for(&w, MS(400));
    assert_true(info_of(server).congestion_window <= before * 8 / 10);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fin_behind_what_does_not_fit_is_not_taken),
        cmocka_unit_test(the_new_part_of_what_overlaps_is_taken),
        cmocka_unit_test(what_comes_twice_is_told_in_the_first_block),
        cmocka_unit_test(a_syn_that_was_sent_twice_measures_nothing),
        cmocka_unit_test(the_window_of_a_syn_ack_is_not_scaled),
        cmocka_unit_test(first_numbers_of_different_pairs_and_keys_have_nothing_in_common),
        cmocka_unit_test(the_window_of_what_was_overtaken_does_not_count),
        cmocka_unit_test(a_sack_that_reaches_beyond_what_was_sent_is_ignored),
        cmocka_unit_test(who_follows_a_connection_in_time_wait_begins_behind_its_numbers),
        cmocka_unit_test(a_window_that_was_shut_opens_by_a_segment_at_least),
        cmocka_unit_test(a_loss_narrows_the_window),
        cmocka_unit_test(a_probe_that_was_not_needed_costs_no_window),
        cmocka_unit_test(a_loss_that_a_probe_repaired_narrows_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
