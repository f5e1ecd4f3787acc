/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole transfers: clean, and with loss, reordering, duplicates and corruption from many seeds. Everything arrives, once, in
 * order, and both ends come to their end.
 */
#include "tcp/world.h"

static world w;

static void exchange(uint64_t there, uint64_t back, bool lent)
{
    serve(&w, 80);
    w.accept.total = back;
    w.accept.lent = lent;
    const app client = { .total = there, .most_read = UINT64_MAX, .end_after = true, .lent = lent };
    dial(&w, &client, 80);
}

static void expect_done(uint64_t there, uint64_t back)
{
    app *c = &w.apps[0], *s = accepted_app(&w, 0);
    assert_non_null(s);
    if (c->received != back || s->received != there || !c->closed || !s->closed)
        fail_msg("client: %lu of %lu, closed %d, error %s; server: %lu of %lu, closed %d, error %s (L1)", (unsigned long)c->received, (unsigned long)back,
            c->closed, hf_err_text(c->err), (unsigned long)s->received, (unsigned long)there, s->closed, hf_err_text(s->err));
    assert_true(c->peer_ended && s->peer_ended);
    if (c->lent)
        assert_int_equal(c->released, c->tokens);
    hf_tcp_free(c->tcp);
    hf_tcp_free(s->tcp);
    assert_int_equal(w.ep[0]->counts.connections, 0);
    assert_int_equal(w.ep[1]->counts.connections, 0);
}

static void a_clean_link_sees_no_retransmission(void **state)
{
    (void)state;
    for (int gso = 0; gso < 2; gso++) {
        world_limits(&w, 1);
        w.config[0].super_segment = w.config[1].super_segment = gso ? 64240 : 0;
        w.link[0].rate = w.link[1].rate = 12500000;
        world_begin(&w);
        exchange(5000000, 3000000, true);
        const hf_time begun = w.now;
        run_for(&w, HF_SECONDS(30));
        assert_int_equal(w.ep[0]->counts.retransmitted, 0); /* B1 */
        assert_int_equal(w.ep[1]->counts.retransmitted, 0);
        assert_int_equal(w.ep[0]->counts.timeouts + w.ep[1]->counts.timeouts, 0);
        expect_done(5000000, 3000000);
        (void)begun;
        world_fini(&w);
    }
}

static void a_clean_link_is_used_to_its_capacity(void **state)
{
    (void)state;
    world_limits(&w, 2);
    w.link[0].rate = w.link[1].rate = 12500000; /* 100 Mbit/s, 20 ms */
    w.link[0].queue = w.link[1].queue = 500000;
    w.config[0].super_segment = 64240;
    world_begin(&w);
    exchange(30000000, 0, true);
    const hf_time begun = w.now;
    app *s = NULL;
    while (s == NULL || s->received < 30000000) {
        run_for(&w, MS(10));
        s = accepted_app(&w, 0);
        assert_true(w.now.ns - begun.ns < HF_SECONDS(20));
    }
    const double capacity = (double)(w.now.ns - begun.ns) / 1e9 * 12500000;
    if (30000000 < 0.85 * capacity)
        fail_msg("%.2f of the capacity", 30000000 / capacity);
    run_for(&w, HF_SECONDS(5));
    expect_done(30000000, 0);
    world_fini(&w);
}

static void faults(uint64_t seed, unsigned gso)
{
    world_limits(&w, seed);
    hf_random r;
    hf_random_seed(&r, seed);
    for (int i = 0; i < 2; i++) {
        w.link[i].delay_ns = MS(1 + hf_random_below(&r, 60));
        w.link[i].jitter_ns = hf_random_below(&r, 3) == 0 ? MS(hf_random_below(&r, 40)) : 0;
        w.link[i].loss = hf_random_below(&r, 3) == 0 ? 0 : (uint32_t)hf_random_below(&r, 120000);
        w.link[i].duplicate = hf_random_below(&r, 3) == 0 ? (uint32_t)hf_random_below(&r, 100000) : 0;
        w.link[i].duplicate_after_ns = MS(hf_random_below(&r, 300));
        w.link[i].corrupt = hf_random_below(&r, 4) == 0 ? (uint32_t)hf_random_below(&r, 50000) : 0;
        w.link[i].rate = hf_random_below(&r, 2) == 0 ? 100000 + hf_random_below(&r, 5000000) : 0;
        w.link[i].queue = 20000 + hf_random_below(&r, 100000);
        w.config[i].super_segment = gso * 1460;
        w.config[i].no_sack = hf_random_below(&r, 4) == 0;
        w.config[i].no_timestamps = hf_random_below(&r, 4) == 0;
        w.config[i].no_scale = hf_random_below(&r, 4) == 0;
        w.config[i].newreno = hf_random_below(&r, 4) == 0;
        w.config[i].ecn = hf_random_below(&r, 2) == 0;
        w.config[i].mtu = hf_random_below(&r, 3) == 0 ? (uint16_t)(300 + hf_random_below(&r, 8000)) : 0;
    }
    world_begin(&w);
    const uint64_t there = hf_random_below(&r, 300000), back = hf_random_below(&r, 300000);
    exchange(there, back, hf_random_below(&r, 2) == 0);
    run_for(&w, HF_SECONDS(20));
    if (getenv("HF_TCP_SHOW"))
        printf("# seed %lu: %lu+%lu bytes, sent %lu, dropped %lu, again %lu, timeouts %lu, probes %lu, undone %lu, at %.3f s\n", (unsigned long)seed,
            (unsigned long)there, (unsigned long)back, (unsigned long)(w.sent[0] + w.sent[1]), (unsigned long)(w.dropped[0] + w.dropped[1]),
            (unsigned long)(w.ep[0]->counts.retransmitted + w.ep[1]->counts.retransmitted), (unsigned long)(w.ep[0]->counts.timeouts + w.ep[1]->counts.timeouts),
            (unsigned long)(w.ep[0]->counts.probes + w.ep[1]->counts.probes), (unsigned long)(w.ep[0]->counts.undone + w.ep[1]->counts.undone), (double)w.now.ns / 1e9);
    for (int i = 0; i < 2; i++) /* then all faults heal */
        w.link[i].loss = w.link[i].duplicate = w.link[i].corrupt = 0;
    run_for(&w, HF_SECONDS(400));
    expect_done(there, back);
    world_fini(&w);
}

static void everything_arrives_whatever_the_link_does(void **state)
{
    (void)state;
    const char *only = getenv("HF_TCP_SEED"), *many = getenv("HF_TCP_SEEDS"); /* one, to look at it; so many, for a long run */
    const uint64_t first = only ? strtoull(only, NULL, 10) : 1;
    const uint64_t last = only ? first : many ? strtoull(many, NULL, 10) : 150;
    for (uint64_t seed = first; seed <= last; seed++) {
        faults(seed, seed % 2 ? 1 : 44);
    }
}

/* 1721: a retransmission, whose number is old, acknowledges more than ever before: its window counts from there. */
static void what_long_runs_found_stays_mended(void **state)
{
    (void)state;
    static const uint64_t found[] = { 1721 };
    for (size_t i = 0; i < HF_COUNT(found); i++)
        faults(found[i], found[i] % 2 ? 1 : 44);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clean_link_sees_no_retransmission),
        cmocka_unit_test(a_clean_link_is_used_to_its_capacity),
        cmocka_unit_test(everything_arrives_whatever_the_link_does),
        cmocka_unit_test(what_long_runs_found_stays_mended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
