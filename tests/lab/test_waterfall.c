/* SPDX-License-Identifier: Apache-2.0
 *
 * The waterfall: everything arrives whatever is lost, the same seed is the same load, and what each way is known for shows.
 */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#include "waterfall.h"

static hf_waterfall load(hf_waterfall_way way, uint64_t seed, uint32_t loss)
{
    hf_waterfall w;
    hf_waterfall_network network = HF_WATERFALL_USUAL;
    network.seed = seed;
    network.loss = loss;
    if (!hf_waterfall_load(way, &network, &w))
        fail_msg("%s, seed %llu, loss %u: the page was never there", hf_waterfall_name(way), (unsigned long long)seed, loss);
    return w;
}

static void every_part_arrives_in_its_time_whatever_is_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++)
        for (hf_waterfall_way way = 0; way < HF_WATERFALL_WAYS; way++) {
            const hf_waterfall w = load(way, seed, (uint32_t)seed % 4 * 20000);
            for (unsigned i = 0; i < HF_WATERFALL_PARTS; i++) {
                const hf_waterfall_bar *const b = &w.bars[i];
                assert_true(b->wanted_ns <= b->asked_ns && b->asked_ns < b->first_ns && b->first_ns <= b->done_ns && b->done_ns <= w.done_ns);
                assert_true(i == 0 || b->wanted_ns == w.bars[0].done_ns);
            }
            assert_true(w.packets > 300 && (w.lost > 0) == (seed % 4 != 0));
        }
}

static void the_same_seed_is_the_same_load(void **state)
{
    (void)state;
    for (hf_waterfall_way way = 0; way < HF_WATERFALL_WAYS; way++) {
        const hf_waterfall a = load(way, 7, 20000), b = load(way, 7, 20000), c = load(way, 8, 20000);
        assert_memory_equal(a.bars, b.bars, sizeof a.bars);
        assert_int_equal(a.packets, b.packets);
        assert_memory_not_equal(a.bars, c.bars, sizeof a.bars);
    }
}

static void each_way_shows_what_it_is_known_for(void **state)
{
    (void)state;
    hf_waterfall w[HF_WATERFALL_WAYS];
    for (hf_waterfall_way way = 0; way < HF_WATERFALL_WAYS; way++)
        w[way] = load(way, 1, 0);
    const hf_waterfall *const one = &w[HF_WATERFALL_ONE], *const piped = &w[HF_WATERFALL_PIPELINED], *const six = &w[HF_WATERFALL_SIX],
                             *const two = &w[HF_WATERFALL_HTTP2], *const three = &w[HF_WATERFALL_HTTP3];
    assert_int_equal(one->connections, 1);
    assert_int_equal(piped->connections, 1);
    assert_int_equal(six->connections, 6);
    assert_int_equal(two->connections, 1);
    assert_int_equal(three->connections, 1);
    for (unsigned i = 2; i < HF_WATERFALL_PARTS; i++) {
        assert_true(one->bars[i].asked_ns >= one->bars[i - 1].done_ns);   /* one after the other */
        assert_true(piped->bars[i].asked_ns < piped->bars[i - 1].done_ns);  /* many at once ... */
        assert_true(piped->bars[i].first_ns >= piped->bars[i - 1].done_ns); /* ... and answered in order */
        assert_true(two->bars[i].asked_ns == two->bars[1].asked_ns);
        assert_true(three->bars[i].asked_ns == three->bars[1].asked_ns);
    }
    assert_true(two->bars[HF_WATERFALL_PARTS - 1].done_ns < two->bars[3].done_ns); /* a small part does not wait for a large one */
    assert_true(piped->done_ns * 2 < one->done_ns);
    assert_true(six->done_ns * 2 < one->done_ns);
    assert_true(two->done_ns * 2 < one->done_ns);
    assert_true(two->request_heads * 5 < one->request_heads); /* HPACK */
    assert_true(two->answer_heads * 5 < one->answer_heads);
    assert_true(three->request_heads * 3 < one->request_heads); /* QPACK: what came at once cannot yet lean on the table */
    assert_true(three->answer_heads * 3 < one->answer_heads);
    assert_int_equal(piped->request_heads, one->request_heads);
}

static void one_lost_packet_holds_up_every_stream_of_http2_and_one_of_six_connections(void **state)
{
    (void)state;
    unsigned six_better = 0, seeds = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        const hf_waterfall two = load(HF_WATERFALL_HTTP2, seed, 20000), six = load(HF_WATERFALL_SIX, seed, 20000);
        six_better += six.done_ns < two.done_ns;
        seeds++;
    }
    assert_true(six_better > seeds / 4); /* clean, HTTP/2 is always the quicker one */
}

/* The mean of when the parts are there, in microseconds. */
static int64_t mean_us(const hf_waterfall *w)
{
    int64_t sum = 0;
    for (unsigned i = 1; i < HF_WATERFALL_PARTS; i++)
        sum += w->bars[i].done_ns / 1000;
    return sum / (HF_WATERFALL_PARTS - 1);
}

static void a_lost_packet_holds_up_its_own_streams_of_http3_alone(void **state)
{
    (void)state;
    int64_t two = 0, three = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        const hf_waterfall behind = load(HF_WATERFALL_HTTP2, seed, 30000), beside = load(HF_WATERFALL_HTTP3, seed, 30000);
        two += mean_us(&behind);
        three += mean_us(&beside);
    }
    assert_true(three * 100 < two * 85); /* clean, HTTP/2 in the clear is the quicker one */
}

static void the_json_is_whole(void **state)
{
    (void)state;
    static char text[16384];
    const hf_waterfall w = load(HF_WATERFALL_HTTP2, 1, 0);
    hf_writer to = hf_writer_make(text, sizeof text - 1);
    hf_waterfall_json(&to, HF_WATERFALL_HTTP2, &w);
    assert_false(to.overflowed);
    assert_non_null(strstr(text, "{\"way\":\"HTTP/2, one connection\",\"done_us\":"));
    assert_non_null(strstr(text, "[\"/favicon.svg\",1200,"));
    assert_string_equal(text + to.length - 2, "]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_arrives_in_its_time_whatever_is_lost),
        cmocka_unit_test(the_same_seed_is_the_same_load),
        cmocka_unit_test(each_way_shows_what_it_is_known_for),
        cmocka_unit_test(one_lost_packet_holds_up_every_stream_of_http2_and_one_of_six_connections),
        cmocka_unit_test(a_lost_packet_holds_up_its_own_streams_of_http3_alone),
        cmocka_unit_test(the_json_is_whole),
    };
    return cmocka_run_group_tests_name("waterfall", tests, NULL, NULL);
}
