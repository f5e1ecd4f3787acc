/* SPDX-License-Identifier: Apache-2.0
 *
 * Repair: every single loss of a transfer, every pair of a short one, bursts, tails, lost retransmissions, reneging,
 * reordering, delay spikes, a policer; and that repair is quick and needs no timeout where the RFCs say so.
 */
#include "tcp/world.h"

static world w;
static uint64_t lose_first, lose_second, lose_count, data_index;
static bool lose_retransmissions;

/* Data segments to the server, counted from 0; retransmissions only when asked for. */
static fate lose_numbered(world *x, int to, uint64_t index, const hf_segment *s)
{
    (void)index;
    if (to != 1 || s->payload.len == 0)
        return PASS;
    static hf_seq most;
    if (data_index == 0)
        most = s->seq;
    const bool again = data_index > 0 && hf_seq_before(s->seq, most);
    if (!hf_seq_before(s->seq, most))
        most = hf_seq_add(s->seq, 1);
    (void)x;
    if (again && !lose_retransmissions)
        return PASS;
    const uint64_t n = data_index++;
    return (n >= lose_first && n < lose_first + lose_count) || n == lose_second ? DROP : PASS;
}

static app *transfer(uint64_t bytes, unsigned gso, bool sack)
{
    world_limits(&w, 21);
    w.link[0].delay_ns = w.link[1].delay_ns = MS(20);
    w.config[0].super_segment = gso * 1448;
    w.config[0].no_sack = !sack;
    world_begin(&w);
    data_index = 0;
    w.rule = lose_numbered;
    serve(&w, 80);
    const app sender = { .total = bytes, .most_read = UINT64_MAX, .end_after = true, .lent = true };
    return dial(&w, &sender, 80);
}

static void done(app *c, uint64_t bytes)
{
    run_for(&w, HF_SECONDS(60));
    const app *s = accepted_app(&w, 0);
    assert_int_equal(s->received, bytes);
    assert_true(c->closed && s->closed);
    assert_int_equal(c->released, c->tokens);
    hf_tcp_free(c->tcp);
    hf_tcp_free(s->tcp);
    world_fini(&w);
}

static void no_loss_of_one_segment_matters(void **state)
{
    (void)state;
    lose_retransmissions = false;
    lose_count = 1;
    lose_second = UINT64_MAX;
    for (unsigned gso = 1; gso <= 44; gso += 43)
        for (uint64_t n = 0; n < 200; n++) {
            lose_first = n;
            app *c = transfer(200 * 1448, gso, true);
            run_for(&w, HF_SECONDS(5));
            assert_int_equal(accepted_app(&w, 0)->received, 200 * 1448);
            if (w.ep[0]->counts.timeouts > 0)
                fail_msg("loss of segment %lu (gso %u) took a timeout (B4)", (unsigned long)n, gso);
            assert_in_range(w.ep[0]->counts.retransmitted, 1, 2);
            done(c, 200 * 1448);
        }
}

static void no_loss_of_two_segments_matters(void **state)
{
    (void)state;
    lose_retransmissions = true;
    lose_count = 1;
    for (int sack = 0; sack < 2; sack++)
        for (lose_first = 0; lose_first < 30; lose_first++)
            for (lose_second = lose_first + 1; lose_second < 34; lose_second++)
                done(transfer(30 * 1448, 1, sack), 30 * 1448);
}

static void a_burst_is_repaired_in_a_round_trip(void **state)
{
    (void)state;
    lose_retransmissions = false;
    lose_second = UINT64_MAX;
    lose_first = 40;
    lose_count = 8;
    app *c = transfer(400 * 1448, 1, true);
    run_for(&w, HF_SECONDS(3));
    assert_int_equal(w.ep[0]->counts.timeouts, 0);
    assert_int_equal(w.ep[0]->counts.retransmitted, 8);
    done(c, 400 * 1448);
}

static void a_lost_tail_is_repaired_by_a_probe(void **state)
{
    (void)state;
    lose_retransmissions = false;
    lose_second = UINT64_MAX;
    for (uint64_t tail = 1; tail <= 3; tail++) {
        lose_first = 50 - tail;
        lose_count = tail;
        app *c = transfer(50 * 1448, 1, true);
        c->end_after = false;
        hf_time lost = { 0 };
        while (w.now.ns < HF_SECONDS(1010) && (accepted_app(&w, 0) == NULL || accepted_app(&w, 0)->received < 50 * 1448)) {
            run_for(&w, MS(1));
            if (lost.ns == 0 && w.dropped[1] == tail)
                lost = w.now;
        }
        assert_int_equal(w.ep[0]->counts.timeouts, 0);
        assert_int_equal(w.ep[0]->counts.probes, 1);
        /* B2: 2 SRTT and a delayed ACK until the probe, and the way; with more lost, a round trip for the rest */
        assert_true(w.now.ns - lost.ns < MS(2 * 40 + 200 + 20 + (tail > 1 ? 45 : 0)));
        c->end_after = true;
        app_write(c);
        done(c, 50 * 1448);
    }
}

static void a_lost_retransmission_is_noticed_without_a_timeout(void **state)
{
    (void)state;
    lose_retransmissions = true;
    lose_first = 30;
    lose_count = 1;
    static uint64_t again;
    again = 0;
    lose_second = UINT64_MAX;
    app *c = transfer(300 * 1448, 1, true);
    run_for(&w, MS(100));
    while (again == 0 && w.now.ns < HF_SECONDS(1005)) {
        if (w.ep[0]->counts.retransmitted == 1) { /* it has just left */
            again = 1;
            for (unsigned i = 0; i < w.packet_count; i++)
                if (w.packets[i]->to == 1) {
                    const hf_segment s = read_segment(&w, 1, w.packets[i]->bytes, w.packets[i]->length);
                    if (s.payload.len > 0 && hf_seq_same(s.seq, accepted_app(&w, 0)->tcp->rcv_nxt)) {
                        w.packets[i]->length = 1; /* unreadable when it arrives: lost */
                        again = 2;
                    }
                }
        }
        run_for(&w, 100000);
    }
    assert_int_equal(again, 2);
    run_for(&w, HF_SECONDS(3));
    assert_int_equal(w.ep[0]->counts.timeouts, 0);
    done(c, 300 * 1448);
}

static void half_of_all_acknowledgements_may_be_lost(void **state)
{
    (void)state;
    lose_count = 0;
    lose_second = UINT64_MAX;
    app *c = transfer(300 * 1448, 1, true);
    w.link[0].loss = 500000;
    run_for(&w, HF_SECONDS(20));
    w.link[0].loss = 0;
    done(c, 300 * 1448);
}

/* ---- R3: a peer that takes back what it said ------------------------------------------------------------------------- */

static void a_peer_that_reneges_gets_everything_again(void **state)
{
    (void)state;
    lose_retransmissions = false;
    lose_second = UINT64_MAX;
    lose_first = 20;
    lose_count = 1;
    app *c = transfer(40 * 1448, 1, true);
    while (accepted_app(&w, 0) == NULL || accepted_app(&w, 0)->tcp->in.range_count == 0)
        run_for(&w, MS(1));
    run_for(&w, MS(25)); /* the SACKs have arrived */
    hf_tcp *s = accepted_app(&w, 0)->tcp;
    hf_free(s->ep->alloc, s->in.ranges, s->in.range_capacity * sizeof *s->in.ranges);
    s->in.ranges = NULL;
    s->in.range_count = s->in.range_capacity = 0;
    w.quiet = true;
    done(c, 40 * 1448);
}

/* ---- R4, R5: what looks like loss ------------------------------------------------------------------------------------ */

static unsigned late_every;
static fate some_late(world *x, int to, uint64_t index, const hf_segment *s)
{
    if (to != 1 || s->payload.len == 0 || late_every == 0 || index % late_every != 0)
        return PASS;
    /* a quarter of a round trip later: its neighbours overtake it */
    packet *p = packet_make(x, to, x->last_bytes[to], x->last_length[to], hf_time_after(x->now, MS(29)), 0);
    (void)p;
    return DROP;
}

static void slight_reordering_costs_nothing_once_it_is_known(void **state)
{
    (void)state;
    lose_count = 0;
    app *c = transfer(3000 * 1448, 1, true);
    w.rule = some_late;
    late_every = 50;
    run_for(&w, HF_SECONDS(10));
    const uint64_t again = w.ep[0]->counts.retransmitted;
    if (again > 6)
        fail_msg("%lu needless retransmissions (B3)", (unsigned long)again);
    assert_int_equal(w.ep[0]->counts.timeouts, 0);
    done(c, 3000 * 1448);
}

static void a_delay_spike_is_found_out_and_undone(void **state)
{
    (void)state;
    lose_count = 0;
    lose_second = UINT64_MAX;
    app *c = transfer(2000 * 1448, 1, true);
    run_for(&w, MS(300));
    const uint64_t window = info_of(c).congestion_window;
    for (unsigned i = 0; i < w.packet_count; i++) /* all that is under way stands still for a second */
        w.packets[i]->at = hf_time_after(w.packets[i]->at, HF_SECONDS(1));
    w.link[0].delay_ns += HF_SECONDS(1);
    run_for(&w, MS(900));
    assert_true(w.ep[0]->counts.timeouts >= 1);
    assert_true(info_of(c).congestion_window < window);
    w.link[0].delay_ns -= HF_SECONDS(1);
    run_for(&w, HF_SECONDS(2));
    assert_true(w.ep[0]->counts.undone >= 1);
    assert_true(info_of(c).state != HF_TCP_ESTABLISHED || info_of(c).congestion_window >= window);
    done(c, 2000 * 1448);
}

static void a_policer_does_not_bring_it_to_its_knees(void **state)
{
    (void)state;
    lose_count = 0;
    world_limits(&w, 4);
    w.link[1].rate = 1250000;
    w.link[1].queue = 6000; /* hardly a queue */
    world_begin(&w);
    serve(&w, 80);
    const app sender = { .total = 5000000, .most_read = UINT64_MAX, .end_after = true };
    app *c = dial(&w, &sender, 80);
    const hf_time begun = w.now;
    while (!c->closed) {
        run_for(&w, MS(100));
        assert_true(w.now.ns - begun.ns < HF_SECONDS(60));
    }
    assert_true(w.now.ns - begun.ns < HF_SECONDS(9)); /* 4 s at the full rate */
    done(c, 5000000);
}

/* Bytes a second over a path that loses `loss` in a million of the segments there, and `back` of the acknowledgements. */
static uint64_t lossy(int64_t delay_ns, uint32_t loss, uint32_t back, uint64_t bytes, uint64_t seed)
{
    world_limits(&w, seed);
    w.watch_bytes = false;
    w.link[0].delay_ns = w.link[1].delay_ns = delay_ns;
    w.link[0].loss = back;
    w.link[1].loss = loss;
    w.link[1].rate = 100000000; /* so that segments come one after another, and are acknowledged so */
    world_begin(&w);
    serve(&w, 80);
    const app sender = { .total = bytes, .most_read = UINT64_MAX, .lent = true };
    const hf_time begun = w.now;
    app *c = dial(&w, &sender, 80);
    while (accepted_app(&w, 0) == NULL || accepted_app(&w, 0)->received < bytes)
        run_for(&w, MS(1));
    const int64_t took = w.now.ns - begun.ns;
    /* what was sent again is what was lost, but for a probe's segment and a timeout's few */
    const hf_tcp_counts n = counts_of(&w, 0);
    assert_in_range(n.retransmitted, w.dropped[1] - 5, w.dropped[1] + n.probes + 4 * n.timeouts);
    /* nothing here overtakes anything: what one acknowledgement tells of together was not reordered (RFC 8985 6.2 step 3) */
    if (n.undone == 0)
        assert_false(c->tcp->reordered);
    hf_tcp_free(c->tcp);
    hf_tcp_free(accepted_app(&w, 0)->tcp);
    world_fini(&w);
    return bytes * 1000 / (uint64_t)(took / 1000000);
}

/* A window grows by a segment a round trip and shrinks at every loss: sqrt(3 / 2p) = 5.5 segments on the average at a
 * twentieth lost (RFC 9438 4.3 takes its rate from the same law); timeouts, which the law leaves out, cost the rest. */
static void one_in_twenty_lost_costs_what_the_law_says_and_no_more(void **state)
{
    (void)state;
    const uint64_t law = 5477 * 1448 / 20; /* 5.477 segments in 20 ms */
    uint64_t sum = 0;
    for (uint64_t seed = 1; seed <= 8; seed++)
        sum += lossy(MS(10), 50000, 0, 2000000, seed);
    if (sum / 8 < law * 6 / 10)
        fail_msg("%lu bytes a second of the %lu that the law gives", (unsigned long)(sum / 8), (unsigned long)law);
    sum = 0;
    /* A short path that loses acknowledgements too: here nearly all time goes by in timers of 200 ms, so each one that
     * is not needed shows: 2.9 MB/s are
     * reached; 2 when a timeout's first segment opens no window and delays slow the pace. */
    for (uint64_t seed = 1; seed <= 8; seed++)
        sum += lossy(MS(1) / 20, 50000, 50000, 10000000, seed);
    if (sum / 8 < 2600000)
        fail_msg("%lu bytes a second", (unsigned long)(sum / 8));
}

/* `segments` of ten that the window allows, one after another, of which the first is lost or not. */
static app *first_window(uint64_t segments, bool lost)
{
    lose_retransmissions = false;
    lose_second = UINT64_MAX;
    lose_first = 0;
    lose_count = lost;
    app *c = transfer(segments * 1448, 1, true);
    c->end_after = false;
    w.link[1].rate = 10000000;
    return c;
}

static void duplicate_acknowledgements_do_not_widen_the_window(void **state)
{
    (void)state;
    app *c = first_window(20, true);
    uint32_t sacked = 0;
    while (sacked < 2 * 1448) { /* RFC 3042: with the first two a segment may leave; RFC 5681 3.2: the window stays */
        run_for(&w, MS(1) / 20);
        sacked = c->tcp->sender != NULL ? c->tcp->sender->records.sacked : 0;
        if (sacked > 0)
            assert_int_equal(info_of(c).congestion_window, 10 * 1448);
        assert_true(w.now.ns < HF_SECONDS(1001));
    }
    assert_int_equal(c->tcp->nxt.n - c->tcp->una.n, 12 * 1448);
    c->end_after = true;
    done(c, 20 * 1448);
}

static void a_window_that_is_mostly_used_grows_and_one_that_is_not_stays(void **state)
{
    (void)state;
    const unsigned sent[] = { 9, 5 }, grown[] = { 18, 10 }; /* slow start, up to twice what was in flight */
    for (unsigned i = 0; i < 2; i++) {
        app *c = first_window(sent[i], false);
        run_for(&w, MS(500));
        assert_int_equal(info_of(c).congestion_window, grown[i] * 1448);
        c->end_after = true;
        app_write(c);
        done(c, sent[i] * 1448);
    }
}

static void a_window_that_could_have_been_the_first_is_not_paced(void **state)
{
    (void)state;
    lose_count = 0;
    lose_second = UINT64_MAX;
    app *c = transfer(10 * 1448, 1, true);
    c->end_after = false;
    run_for(&w, HF_SECONDS(2));
    assert_int_equal(accepted_app(&w, 0)->received, 10 * 1448);
    /* acknowledgements that were delayed have made the round trip seem a second long, and the bucket is empty */
    c->tcp->rtt.smoothed_ns = HF_SECONDS(1);
    c->tcp->sender->congestion.now.window = 4 * 1448;
    hf_pacer_init(&c->tcp->sender->pacer, w.now, 0);
    hf_pacer_set(&c->tcp->sender->pacer, w.now, 4 * 1448, 0);
    const uint64_t before = w.sent[1];
    c->total += 20 * 1448;
    app_write(c);
    settle(&w);
    assert_int_equal(w.sent[1] - before, 4);
    c->end_after = true;
    app_write(c);
    done(c, 30 * 1448);
}

static void an_idle_connection_does_not_burst(void **state)
{
    (void)state;
    lose_count = 0;
    app *c = transfer(2000 * 1448, 1, true);
    c->end_after = false;
    run_for(&w, HF_SECONDS(2));
    assert_true(info_of(c).congestion_window > 20 * 1448);
    run_for(&w, HF_SECONDS(30));
    const uint64_t before = w.sent[1];
    c->total += 100 * 1448;
    app_write(c);
    settle(&w);
    assert_in_range(w.sent[1] - before, 1, 10); /* RFC 5681 4.1: the initial window */
    c->end_after = true;
    app_write(c);
    done(c, 2100 * 1448);
}

static void ecn_slows_down_without_a_loss(void **state)
{
    (void)state;
    lose_count = 0;
    world_limits(&w, 21);
    w.config[0].ecn = true;
    world_begin(&w);
    serve(&w, 80);
    const app sender = { .total = 3000000, .most_read = UINT64_MAX, .end_after = true };
    app *c = dial(&w, &sender, 80);
    run_for(&w, MS(80));
    assert_true(info_of(c).ecn);
    assert_true(info_of(c).slow_start);
    unsigned marked = 0;
    for (unsigned i = 0; i < w.packet_count; i++)
        if (w.packets[i]->ecn == HF_ECN_ECT0 && marked == 0) {
            w.packets[i]->ecn = HF_ECN_CE;
            marked++;
        }
    assert_int_equal(marked, 1);
    run_for(&w, MS(25));
    assert_false(info_of(c).slow_start);
    assert_int_equal(w.ep[0]->counts.retransmitted, 0);
    run_for(&w, MS(60));
    assert_false(accepted_app(&w, 0)->tcp->echo_mark); /* CWR was heard */
    done(c, 3000000);
}

static void limit_tcp_retry_ns(void **state)
{
    (void)state;
    world_init(&w, 3);
    w.accept.end_after = false;
    serve(&w, 80);
    const app open = { .most_read = UINT64_MAX };
    app *c = dial(&w, &open, 80);
    run_for(&w, HF_SECONDS(1));
    w.link[0].cut = w.link[1].cut = true;
    c->total = 5000;
    app_write(c);
    run_for(&w, HF_SECONDS(99));
    assert_false(c->faulted);
    run_for(&w, HF_SECONDS(70));
    assert_true(c->faulted);
    assert_int_equal(c->err.code, HF_ERR_TCP_TIMEOUT);
    hf_tcp_free(c->tcp);
    hf_tcp_free(accepted_app(&w, 0)->tcp);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_loss_of_one_segment_matters),
        cmocka_unit_test(no_loss_of_two_segments_matters),
        cmocka_unit_test(a_burst_is_repaired_in_a_round_trip),
        cmocka_unit_test(a_lost_tail_is_repaired_by_a_probe),
        cmocka_unit_test(a_lost_retransmission_is_noticed_without_a_timeout),
        cmocka_unit_test(half_of_all_acknowledgements_may_be_lost),
        cmocka_unit_test(a_peer_that_reneges_gets_everything_again),
        cmocka_unit_test(slight_reordering_costs_nothing_once_it_is_known),
        cmocka_unit_test(a_delay_spike_is_found_out_and_undone),
        cmocka_unit_test(a_policer_does_not_bring_it_to_its_knees),
        cmocka_unit_test(one_in_twenty_lost_costs_what_the_law_says_and_no_more),
        cmocka_unit_test(duplicate_acknowledgements_do_not_widen_the_window),
        cmocka_unit_test(a_window_that_is_mostly_used_grows_and_one_that_is_not_stays),
        cmocka_unit_test(a_window_that_could_have_been_the_first_is_not_paced),
        cmocka_unit_test(an_idle_connection_does_not_burst),
        cmocka_unit_test(ecn_slows_down_without_a_loss),
        cmocka_unit_test(limit_tcp_retry_ns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
