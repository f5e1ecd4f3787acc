/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

enum { SEEDS = 20, BYTES = 200000 };

/* Sends BYTES each way over links spoiled by `spoil`, for SEEDS seeds. */
static void deliver_over(void (*spoil)(hf_link_options *))
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        rig r;
        rig_init(&r, seed);
        spoil(rig_link(&r, true));
        spoil(rig_link(&r, false));
        r.client.sends = r.server.sends = BYTES;
        rig_listen(&r);
        rig_connect(&r);
        rig_run(&r, 3600);
        rig_assert_delivered(&r);
        rig_fini(&r);
    }
}

static void clean(hf_link_options *o)
{
    (void)o;
}
static void lossy(hf_link_options *o)
{
    o->loss = 50000;
}
static void very_lossy(hf_link_options *o)
{
    o->loss = 200000;
}
static void reordering(hf_link_options *o)
{
    o->reorder = 200000;
    o->jitter_ns = HF_MILLISECONDS(5);
}
static void duplicating(hf_link_options *o)
{
    o->duplicate = 300000;
    o->jitter_ns = HF_MILLISECONDS(5);
}
static void corrupting(hf_link_options *o)
{
    o->corrupt = 50000;
}
static void narrow(hf_link_options *o)
{
    o->rate = 10000000;
    o->queue_bytes = 8000;
    o->mtu = 300;
    o->delay_ns = HF_MILLISECONDS(20);
}
static void awful(hf_link_options *o)
{
    *o = (hf_link_options){ .delay_ns = HF_MILLISECONDS(10), .jitter_ns = HF_MILLISECONDS(30), .loss = 50000, .reorder = 50000,
                            .duplicate = 50000, .corrupt = 50000, .mtu = 576, .rate = 50000000, .queue_bytes = 30000 };
}

static void a_stream_arrives_whole_over_clean_links(void **state)
{
    (void)state;
    deliver_over(clean);
}
static void a_stream_survives_loss(void **state)
{
    (void)state;
    deliver_over(lossy);
}
static void a_stream_survives_heavy_loss(void **state)
{
    (void)state;
    deliver_over(very_lossy);
}
static void a_stream_survives_reordering(void **state)
{
    (void)state;
    deliver_over(reordering);
}
static void a_stream_survives_duplication(void **state)
{
    (void)state;
    deliver_over(duplicating);
}
static void a_stream_survives_corruption_and_the_damage_is_counted(void **state)
{
    (void)state;
    deliver_over(corrupting);
    rig r;
    rig_init(&r, 1);
    corrupting(rig_link(&r, true));
    r.client.sends = BYTES;
    rig_listen(&r);
    rig_connect(&r);
    rig_run(&r, 3600);
    const hf_link_counts *c = hf_world_link_counts(r.client.io, r.server.io);
    assert_true(c->corrupted > 0);
    assert_int_equal(c->dropped[HF_DROP_CHECKSUM], c->corrupted); /* not one slipped through */
    rig_fini(&r);
}
static void a_stream_survives_a_narrow_link(void **state)
{
    (void)state;
    deliver_over(narrow);
}
static void a_stream_survives_all_of_it_together(void **state)
{
    (void)state;
    deliver_over(awful);
}

static void a_slow_reader_holds_the_writer_back_and_gets_everything(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    hf_world_options(r.client.io)->send_buffer = 8192;
    hf_world_options(r.server.io)->receive_buffer = 4096;
    r.client.sends = 1000000;
    r.server.holds_back = true;
    rig_listen(&r);
    rig_connect(&r);
    rig_run(&r, 300); /* far longer than give_up: probes that are answered keep the stream alive */
    assert_true(r.client.sent <= 8192 + 4096 + 1024);
    assert_false(r.client.faulted);
    r.server.holds_back = false;
    r.server.take_most = 1000;
    r.server.take_again = hf_world_now(r.world);
    hf_world_poke(r.server.io);
    rig_run(&r, 300);
    rig_assert_delivered(&r);
    rig_fini(&r);
}

static void a_lost_window_update_is_recovered_by_probes(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    hf_world_options(r.server.io)->receive_buffer = 2000;
    r.client.sends = 10000;
    r.server.holds_back = true;
    rig_listen(&r);
    rig_connect(&r);
    rig_run(&r, 5);
    rig_link(&r, false)->down = true; /* the update is lost */
    r.server.holds_back = false;
    r.server.take_again = hf_world_now(r.world);
    hf_world_poke(r.server.io);
    rig_run(&r, 1);
    rig_link(&r, false)->down = false;
    rig_run(&r, 60);
    rig_assert_delivered(&r);
    rig_fini(&r);
}

static void each_direction_ends_by_itself(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    r.client.sends = 1000; /* and FIN at once */
    r.server.sends = 5000000;
    r.client.take_most = 3000;
    hf_world_options(r.client.io)->receive_buffer = 6000;
    rig_listen(&r);
    rig_connect(&r);
    rig_run(&r, 1);
    assert_true(r.server.ended && !r.client.ended);
    assert_int_equal(r.server.ending, HF_ENDING_FIN);
    rig_run(&r, 3600);
    rig_assert_delivered(&r);
    rig_fini(&r);
}

static void a_port_without_listener_refuses(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    rig_connect(&r);
    rig_run(&r, 5);
    assert_true(r.client.ended && r.client.faulted && !r.client.opened);
    assert_int_equal(r.client.ending, HF_ENDING_RESET);
    assert_int_equal(r.client.err.code, HF_ERR_IO_REFUSED);
    rig_fini(&r);
}

static void a_silent_peer_times_out(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    rig_listen(&r);
    rig_link(&r, true)->down = true;
    hf_world_options(r.client.io)->give_up_ns = HF_SECONDS(20);
    rig_connect(&r);
    rig_run(&r, 10);
    assert_false(r.client.ended);
    rig_run(&r, 60);
    assert_int_equal(r.client.err.code, HF_ERR_IO_TIMEOUT);
    assert_false(r.client.opened);
    rig_fini(&r);
}

static void an_address_nobody_has_times_out(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    const hf_address nowhere = hf_world_address(99, RIG_PORT);
    assert_int_equal(r.client.io->ops->connect(r.client.io, &nowhere, &r.client, &r.client.pier).code, 0);
    rig_run(&r, 300);
    assert_int_equal(r.client.err.code, HF_ERR_IO_TIMEOUT);
    rig_fini(&r);
}

static void a_cut_in_mid_stream_times_out_on_both_sides(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    r.client.sends = r.server.sends = 50000000;
    r.client.take_most = r.server.take_most = 10000;
    rig_listen(&r);
    rig_connect(&r);
    rig_run(&r, 1);
    rig_link(&r, true)->down = rig_link(&r, false)->down = true;
    rig_run(&r, 300);
    assert_int_equal(r.client.err.code, HF_ERR_IO_TIMEOUT);
    assert_int_equal(r.server.err.code, HF_ERR_IO_TIMEOUT);
    assert_false(r.client.spoiled || r.server.spoiled);
    rig_fini(&r);
}

static void a_partition_that_heals_costs_nothing_but_time(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        rig r;
        rig_init(&r, seed);
        awful(rig_link(&r, true));
        awful(rig_link(&r, false));
        r.client.sends = r.server.sends = 2000000;
        rig_listen(&r);
        rig_connect(&r);
        rig_run(&r, 1);
        rig_link(&r, true)->down = rig_link(&r, false)->down = true;
        rig_run(&r, 30);
        assert_false(r.client.closed && r.server.closed);
        hf_world_heal(r.world);
        rig_run(&r, 60);
        rig_assert_delivered(&r);
        rig_fini(&r);
    }
}

static void a_reset_reaches_the_peer_as_such(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    r.client.sends = 50000000;
    r.server.take_most = 10000;
    rig_listen(&r);
    rig_connect(&r);
    rig_run(&r, 1);
    assert_int_equal(r.client.pier.ops->end(r.client.pier.self, 0, (hf_ending){ HF_ENDING_RESET, 7 }).code, 0);
    assert_int_equal(r.client.pier.ops->end(r.client.pier.self, 0, (hf_ending){ HF_ENDING_STOP, 7 }).code, HF_ERR_BASE_USAGE);
    hf_pier_event ev;
    assert_int_equal(r.client.pier.ops->event(r.client.pier.self, hf_world_now(r.world), &ev), HF_FAULT);
    r.client.faulted = true;
    rig_run(&r, 5);
    assert_true(r.server.ended && r.server.faulted);
    assert_int_equal(r.server.ending, HF_ENDING_RESET);
    assert_int_equal(r.server.err.code, HF_ERR_IO_RESET);
    rig_fini(&r);
}

static void letting_go_with_unread_input_resets(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    r.client.sends = 100;
    r.server.holds_back = true;
    rig_listen(&r);
    rig_connect(&r);
    rig_run(&r, 1);
    end_free(&r.server);
    rig_run(&r, 1);
    assert_int_equal(r.client.err.code, HF_ERR_IO_RESET);
    rig_fini(&r);
}

static void letting_go_in_good_order_still_delivers_and_leaves_nothing_behind(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    lossy(rig_link(&r, true));
    lossy(rig_link(&r, false));
    r.client.sends = 30000;
    rig_listen(&r);
    rig_connect(&r);
    while (r.client.sent < r.client.sends)
        assert_int_equal(hf_world_step(r.world, HF_NEVER), HF_WORLD_MOVED);
    end_free(&r.client); /* most of it is still in the socket buffer */
    rig_run(&r, 60);
    assert_int_equal(r.server.got, 30000);
    assert_int_equal(r.server.ending, HF_ENDING_FIN);
    end_free(&r.server);
    rig_run(&r, 300);
    assert_int_equal(hf_world_streams(r.client.io), 0);
    assert_int_equal(hf_world_streams(r.server.io), 0);
    rig_fini(&r);
}

static void a_pier_that_was_let_go_is_never_ready_again(void **state)
{
    (void)state;
    rig r;
    hf_io_event events[4];
    rig_init(&r, 1);
    r.client.fin_put = r.server.fin_put = true;
    rig_listen(&r);
    rig_connect(&r);
    rig_run(&r, 1);
    hf_world_pause(r.server.io);
    r.client.fin_put = false;
    r.client.take_again = hf_world_now(r.world);
    hf_world_poke(r.client.io);
    rig_run(&r, 1);
    end_free(&r.server); /* READY was due for the client's FIN */
    assert_int_equal(r.server.io->ops->wait(r.server.io, hf_world_now(r.world), events, HF_COUNT(events)), 0);
    rig_fini(&r);
}

static void tokens_are_released_once_each_in_order_after_the_copy(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    static uint8_t bytes[100000];
    hf_world_options(r.client.io)->send_buffer = 10000;
    rig_listen(&r);
    rig_connect(&r);
    r.client.fin_put = true; /* by hand here */
    rig_run(&r, 1);
    const hf_extent pieces[] = { { .kind = HF_EXTENT_LENT, .token = 1, .bytes = { bytes, sizeof bytes } },
                                 { .kind = HF_EXTENT_COPIED, .bytes = { bytes, 10 } },
                                 { .kind = HF_EXTENT_LENT, .token = 2, .bytes = { bytes, 5 } } };
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = rig_byte(r.client.pattern, i);
    r.server.holds_back = true;
    const hf_pier p = r.client.pier;
    assert_int_equal(p.ops->put(p.self, 0, pieces, 3), sizeof bytes + 15);
    assert_true(p.ops->unsent(p.self, 0) > 0);
    assert_int_equal(p.ops->put(p.self, 0, pieces, 1), 0); /* back-pressure */
    rig_run(&r, 5);
    assert_int_equal(r.client.released, 0); /* the window is shut, so not all of it could be copied */
    r.server.holds_back = false;
    r.server.take_again = hf_world_now(r.world);
    hf_world_poke(r.server.io);
    rig_run(&r, 60);
    assert_int_equal(r.client.released, 2);
    assert_int_equal(p.ops->unsent(p.self, 0), 0);
    assert_int_equal(r.server.got, sizeof bytes + 15);
    rig_fini(&r);
}

static void a_file_is_sent_as_it_is_and_a_change_ends_the_stream(void **state)
{
    (void)state;
    for (int change = 0; change < 2; change++) {
        rig r;
        hf_file file;
        static uint8_t bytes[100000];
        rig_init(&r, 1);
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = i < 50 ? 0 : rig_byte(r.client.pattern, i - 50);
        assert_true(hf_world_file(r.world, hf_bytes_make(bytes, sizeof bytes), &file));
        hf_world_options(r.client.io)->send_buffer = 10000;
        rig_listen(&r);
        rig_connect(&r);
        r.client.fin_put = true;
        rig_run(&r, 1);
        const hf_extent piece = { .kind = HF_EXTENT_FILE, .token = 9, .file = &file, .offset = 50, .length = 99950 };
        const hf_pier p = r.client.pier;
        assert_int_equal(p.ops->put(p.self, 0, &piece, 1), 99950);
        if (change)
            hf_world_file_touch(r.world, &file);
        rig_run(&r, 60);
        assert_false(r.server.spoiled);
        assert_int_equal(r.client.released, 1);
        if (change) {
            assert_int_equal(r.client.err.code, HF_ERR_IO_FILE_CHANGED);
            assert_int_equal(r.server.err.code, HF_ERR_IO_RESET);
            assert_true(r.server.got < 99950);
        } else {
            assert_int_equal(r.server.got, 99950);
        }
        rig_fini(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_arrives_whole_over_clean_links),
        cmocka_unit_test(a_stream_survives_loss),
        cmocka_unit_test(a_stream_survives_heavy_loss),
        cmocka_unit_test(a_stream_survives_reordering),
        cmocka_unit_test(a_stream_survives_duplication),
        cmocka_unit_test(a_stream_survives_corruption_and_the_damage_is_counted),
        cmocka_unit_test(a_stream_survives_a_narrow_link),
        cmocka_unit_test(a_stream_survives_all_of_it_together),
        cmocka_unit_test(a_slow_reader_holds_the_writer_back_and_gets_everything),
        cmocka_unit_test(a_lost_window_update_is_recovered_by_probes),
        cmocka_unit_test(each_direction_ends_by_itself),
        cmocka_unit_test(a_port_without_listener_refuses),
        cmocka_unit_test(a_silent_peer_times_out),
        cmocka_unit_test(an_address_nobody_has_times_out),
        cmocka_unit_test(a_cut_in_mid_stream_times_out_on_both_sides),
        cmocka_unit_test(a_partition_that_heals_costs_nothing_but_time),
        cmocka_unit_test(a_reset_reaches_the_peer_as_such),
        cmocka_unit_test(letting_go_with_unread_input_resets),
        cmocka_unit_test(letting_go_in_good_order_still_delivers_and_leaves_nothing_behind),
        cmocka_unit_test(a_pier_that_was_let_go_is_never_ready_again),
        cmocka_unit_test(tokens_are_released_once_each_in_order_after_the_copy),
        cmocka_unit_test(a_file_is_sent_as_it_is_and_a_change_ends_the_stream),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
