/* SPDX-License-Identifier: Apache-2.0
 *
 * The laws of pier.h for this core: any batching of segments gives the same bytes; any allocation may fail; the same seed
 * gives the same trace; wake lies in the future after idle (the world asserts that at each step).
 */
#include "tcp/world.h"

static world w;

static void a_run(uint64_t seed, hf_trace_hash *hash, size_t fail_at, bool fail_on)
{
    world_limits(&w, seed);
    for (int i = 0; i < 2; i++) {
        w.env[i].env.trace = hash != NULL ? &hash->sink : NULL;
        w.link[i].loss = 30000;
        w.link[i].jitter_ns = MS(3);
    }
    world_begin(&w);
    serve(&w, 80);
    w.accept.total = 60000;
    w.accept.free_when_over = true;
    dial(&w, &(app){ .total = 80000, .most_read = UINT64_MAX, .end_after = true, .lent = true }, 80);
    w.env[1].memory.fail_at = fail_at > 0 ? w.env[1].memory.calls + fail_at : 0;
    w.env[1].memory.fail_on = fail_on;
    run_for(&w, HF_SECONDS(5));
    w.env[1].memory.fail_at = 0;
    w.env[1].memory.fail_on = false;
    run_for(&w, HF_SECONDS(300));
}

static void end(void)
{
    for (unsigned i = 0; i < w.app_count; i++)
        if (!w.apps[i].freed)
            hf_tcp_free(w.apps[i].tcp);
    world_fini(&w);
}

static void the_same_seed_gives_the_same_trace(void **state)
{
    (void)state;
    uint64_t values[3];
    for (int i = 0; i < 3; i++) {
        hf_trace_hash hash;
        hf_trace_hash_init(&hash);
        a_run(i < 2 ? 5 : 6, &hash, 0, false);
        values[i] = hash.value;
        assert_true(hash.records > 100);
        end();
    }
    assert_int_equal(values[0], values[1]);
    assert_true(values[0] != values[2]);
}

static void any_allocation_may_fail_and_everything_still_arrives(void **state)
{
    (void)state;
    a_run(5, NULL, 0, false);
    const size_t calls = w.env[1].memory.calls;
    end();
    assert_true(calls > 10);
    for (size_t n = 1; n <= calls; n++) {
        a_run(5, NULL, n, false);
        const app *s = accepted_app(&w, 0);
        if (s == NULL || s->received != 80000 || w.apps[0].received != 60000)
            fail_msg("allocation %lu failed once: %lu and %lu bytes, %s", (unsigned long)n, s ? (unsigned long)s->received : 0, (unsigned long)w.apps[0].received,
                hf_err_text(w.apps[0].err));
        end();
    }
}

static void memory_that_stays_away_for_seconds_costs_no_byte(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 40; n += 3) {
        a_run(5, NULL, n, true);
        const app *s = accepted_app(&w, 0);
        assert_non_null(s);
        assert_int_equal(s->received, 80000);
        end();
    }
}

static void segments_of_one_moment_may_come_in_any_batch(void **state)
{
    (void)state;
    /* a burst arrives with a step after each segment, or with one at the end: the reader sees the same */
    for (int each = 0; each < 2; each++) {
        world_init(&w, 9);
        w.accept.end_after = false;
        serve(&w, 80);
        app *c = dial(&w, &(app){ .most_read = UINT64_MAX }, 80);
        run_for(&w, HF_SECONDS(1));
        c->total = 14000;
        app_write(c);
        settle(&w);
        assert_int_equal(w.packet_count, 10);
        w.now = hf_time_after(w.now, MS(10));
        while (w.packet_count > 0) {
            arrive(&w, next_packet(&w));
            if (each)
                settle(&w);
            if (each && w.packet_count > 0 && w.packets[next_packet(&w)]->to == 0)
                break;
        }
        settle(&w);
        run_for(&w, HF_SECONDS(1));
        assert_int_equal(accepted_app(&w, 0)->received, 14000);
        assert_int_equal(info_of(c).bytes_acked, 14000);
        assert_int_equal(w.ep[0]->counts.retransmitted, 0);
        end();
    }
}

static void memory_returns_to_where_it_was(void **state)
{
    (void)state;
    world_init(&w, 9);
    serve(&w, 80);
    w.accept.total = 1000;
    w.accept.free_when_over = true;
    const app brief = { .total = 1000, .most_read = UINT64_MAX, .end_after = true, .free_when_over = true };
    size_t held[2] = { 0 };
    for (int round = 0; round < 20; round++) {
        w.app_count = 0;
        for (int i = 0; i < 10; i++)
            dial(&w, &brief, 80);
        w.quiet = true;
        run_for(&w, HF_SECONDS(100)); /* TIME_WAIT is over too */
        for (int i = 0; i < 2; i++) {
            if (round == 1)
                held[i] = w.env[i].memory.held;
            if (round > 1)
                assert_int_equal(w.env[i].memory.held, held[i]); /* S12 */
            assert_int_equal(w.ep[i]->counts.connections, 0);
        }
    }
    world_fini(&w);
}

static void a_bulk_transfer_allocates_nothing_for_each_segment(void **state)
{
    (void)state;
    world_init(&w, 9);
    w.accept.end_after = false;
    serve(&w, 80);
    app *c = dial(&w, &(app){ .total = 40000000, .most_read = UINT64_MAX }, 80);
    c->lent = true;
    run_for(&w, MS(250));
    const size_t calls = w.env[0].memory.calls + w.env[1].memory.calls;
    const uint64_t before = w.sent[1];
    assert_true(before > 500);
    run_for(&w, HF_SECONDS(20));
    assert_true(w.sent[1] - before > 3000);
    assert_true(w.env[0].memory.calls + w.env[1].memory.calls - calls < 200); /* S17: buffers that grow, and no more */
    end();
}

static void extents_with_tokens_are_taken_whole_and_released_once(void **state)
{
    (void)state;
    world_init(&w, 9);
    w.accept.end_after = false;
    serve(&w, 80);
    app *c = dial(&w, &(app){ .most_read = UINT64_MAX }, 80);
    run_for(&w, HF_SECONDS(1));
    hf_extent many[64];
    for (unsigned i = 0; i < 64; i++)
        many[i] = (hf_extent){ .kind = HF_EXTENT_LENT, .token = i + 1, .bytes = hf_bytes_make(pattern + i * 100, 100) };
    assert_int_equal(hf_tcp_unsent(c->tcp), 0);
    assert_int_equal(hf_tcp_put(c->tcp, many, 64), 6400); /* while nothing is unsent, everything */
    assert_int_equal(hf_tcp_unsent(c->tcp), 6400);
    c->put = c->total = 6400;
    run_for(&w, HF_SECONDS(1));
    assert_int_equal(c->released, 64);
    assert_int_equal(hf_tcp_unsent(c->tcp), 0);
    /* copied output is bounded while anything is unsent */
    w.link[1].cut = true;
    const hf_extent copied = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(pattern, 60000) };
    assert_int_equal(hf_tcp_put(c->tcp, &copied, 1), 60000);
    assert_int_equal(hf_tcp_put(c->tcp, &copied, 1), 0);
    end();
}

/* What is on the wire arrives, up to the first packet for the listener's end. */
static void bring_one(void)
{
    for (int to = 0; to == 0;) {
        settle(&w);
        assert_true(w.packet_count > 0);
        const unsigned i = next_packet(&w);
        w.now = hf_time_before(w.now, w.packets[i]->at) ? w.packets[i]->at : w.now;
        to = w.packets[i]->to;
        arrive(&w, i);
    }
}

static bool lies_in_segment(hf_span seen)
{
    const uint8_t *from = w.lasting[1];
    return seen.ptr >= from && seen.ptr + seen.len <= from + w.lasting_length[1];
}

static void has_pattern(hf_span seen, uint64_t from)
{
    for (size_t i = 0; i < seen.len; i++)
        assert_int_equal(seen.ptr[i], pattern_at(from + i));
}

static void a_segment_that_lasts_is_read_where_it_lies(void **state)
{
    (void)state;
    world_init(&w, 10);
    w.accept.end_after = false;
    w.accept.most_read = 0;
    serve(&w, 80);
    app *c = dial(&w, &(app){ .most_read = UINT64_MAX }, 80);
    run_for(&w, HF_SECONDS(1));
    hf_tcp *reader = accepted_app(&w, 0)->tcp;
    w.lasts = true;
    for (unsigned i = 0; i < 3; i++) {
        c->total += 1000;
        app_write(c);
        bring_one();
        const hf_span seen = hf_tcp_peek(reader);
        assert_int_equal(seen.len, i == 0 ? 1000 : 1000 * (i + 1) - 300);
        assert_int_equal(lies_in_segment(seen), i == 0); /* behind what was not taken it is copied, and what was lent comes home */
        has_pattern(seen, i == 0 ? 0 : 300);
        if (i > 0)
            continue;
        hf_tcp_take(reader, 300);
        assert_ptr_equal(hf_tcp_peek(reader).ptr, seen.ptr + 300);
    }
    hf_tcp_take(reader, 2700);
    c->total += 1000;
    app_write(c);
    bring_one();
    assert_true(lies_in_segment(hf_tcp_peek(reader)));
    hf_tcp_endpoint_settle(w.ep[1]); /* asked for, it comes home without another segment */
    assert_false(lies_in_segment(hf_tcp_peek(reader)));
    assert_int_equal(hf_tcp_peek(reader).len, 1000);
    has_pattern(hf_tcp_peek(reader), 3000);
    hf_tcp_take(reader, 1000);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_trace),
        cmocka_unit_test(any_allocation_may_fail_and_everything_still_arrives),
        cmocka_unit_test(memory_that_stays_away_for_seconds_costs_no_byte),
        cmocka_unit_test(segments_of_one_moment_may_come_in_any_batch),
        cmocka_unit_test(memory_returns_to_where_it_was),
        cmocka_unit_test(a_bulk_transfer_allocates_nothing_for_each_segment),
        cmocka_unit_test(extents_with_tokens_are_taken_whole_and_released_once),
        cmocka_unit_test(a_segment_that_lasts_is_read_where_it_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
