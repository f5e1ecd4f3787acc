/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

/* A busy run over bad links; what its trace folds to. */
static uint64_t trace_of(uint64_t seed, uint64_t *records)
{
    rig r;
    rig_init(&r, seed);
    for (int up = 0; up < 2; up++)
        *rig_link(&r, up) = (hf_link_options){ .delay_ns = 1000000, .jitter_ns = 3000000, .loss = 20000, .reorder = 20000,
                                               .duplicate = 20000, .corrupt = 20000, .mtu = 1500 };
    hf_world_options(r.server.io)->turn_delay_ns = HF_MILLISECONDS(3);
    r.client.sends = r.server.sends = 100000;
    rig_listen(&r);
    rig_connect(&r);
    rig_run(&r, 600);
    rig_assert_delivered(&r);
    const uint64_t value = r.hash.value;
    *records = r.hash.records;
    rig_fini(&r);
    return value;
}

static void the_same_seed_gives_the_same_trace_and_another_another(void **state)
{
    (void)state;
    uint64_t last = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        uint64_t a, b;
        const uint64_t value = trace_of(seed, &a);
        assert_int_equal(value, trace_of(seed, &b));
        assert_int_equal(a, b);
        assert_true(a > 300);
        assert_int_not_equal(value, last);
        last = value;
    }
}

static void a_paused_program_gets_no_turn_and_its_network_goes_on(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    r.client.sends = 1000000;
    hf_world_options(r.server.io)->receive_buffer = 30000;
    rig_listen(&r);
    hf_world_pause(r.server.io);
    rig_connect(&r);
    rig_run(&r, 5);
    assert_true(r.client.opened); /* the kernel shook hands all the same */
    assert_int_equal(r.server.turns, 0);
    assert_true(r.client.sent >= 30000 && r.client.sent < 1000000);
    hf_world_resume(r.server.io);
    rig_run(&r, 60);
    rig_assert_delivered(&r);
    rig_fini(&r);
}

static void killing_the_process_resets_its_connections_and_refuses_new_ones(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    r.client.sends = 1000;
    r.server.sends = 50000000;
    r.client.take_most = 1000;
    rig_listen(&r);
    rig_connect(&r);
    rig_run(&r, 1);
    hf_world_kill(r.server.io, HF_KILL_PROCESS);
    rig_run(&r, 1);
    assert_int_equal(r.client.err.code, HF_ERR_IO_RESET);
    end_free(&r.client);
    end_free(&r.server); /* its owner's to free, though the stream is gone */
    r.client = (end){ .rig = &r, .io = r.client.io, .take_again = HF_NEVER };
    rig_connect(&r);
    rig_run(&r, 1);
    assert_int_equal(r.client.err.code, HF_ERR_IO_REFUSED);
    rig_fini(&r);
}

static void a_power_cut_is_silent_and_the_restart_answers_with_reset(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    r.client.sends = 50000000;
    r.server.take_most = 1000;
    rig_listen(&r);
    rig_connect(&r);
    rig_run(&r, 1);
    hf_world_kill(r.server.io, HF_KILL_POWER);
    end_free(&r.server);
    rig_run(&r, 10);
    assert_false(r.client.faulted);
    assert_true(hf_world_link_counts(r.client.io, r.server.io)->dropped[HF_DROP_NO_HOST] > 0);
    hf_world_restart(r.server.io);
    rig_run(&r, 30);
    assert_int_equal(r.client.err.code, HF_ERR_IO_RESET);
    end_free(&r.client);
    r.client = (end){ .rig = &r, .io = r.client.io, .sends = 500, .pattern = 3, .take_again = HF_NEVER };
    r.server = (end){ .rig = &r, .io = r.server.io, .sends = 700, .pattern = 9, .take_again = HF_NEVER };
    hf_world_program(r.server.io, (hf_program){ &r.server, end_turn, end_wake });
    rig_listen(&r);
    rig_connect(&r);
    rig_run(&r, 5);
    rig_assert_delivered(&r);
    rig_fini(&r);
}

static void the_civil_clock_may_jump_and_the_other_never_does(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    const hf_io_ops *ops = r.client.io->ops;
    const int64_t before = ops->wall(r.client.io).s;
    const hf_time then = ops->now(r.client.io);
    assert_true(before >= 1577836800);
    assert_int_equal(before, ops->wall(r.server.io).s);
    hf_world_options(r.client.io)->wall_skew_s = -86400;
    assert_int_equal(ops->wall(r.client.io).s, before - 86400);
    assert_int_equal(ops->now(r.client.io).ns, then.ns);
    rig_run(&r, 100);
    assert_int_equal(ops->now(r.client.io).ns, then.ns + HF_SECONDS(100));
    assert_in_range(ops->wall(r.server.io).s, before + 99, before + 100);
    rig_fini(&r);
}

static void a_world_in_which_nothing_happens_is_quiet(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    const hf_time until = hf_time_after(hf_world_now(r.world), HF_SECONDS(5));
    assert_int_equal(hf_world_step(r.world, until), HF_WORLD_QUIET);
    assert_int_equal(hf_world_now(r.world).ns, until.ns);
    r.client.io->ops->wake(r.client.io);
    assert_int_equal(hf_world_step(r.world, until), HF_WORLD_MOVED);
    assert_int_equal(r.client.woken, 1);
    assert_int_equal(hf_world_step(r.world, until), HF_WORLD_QUIET);
    rig_fini(&r);
}

static hf_time wakes_in_the_past(void *self)
{
    (void)self;
    return hf_time_make(1);
}

static void a_program_that_spins_is_found_out(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    hf_world_program(r.client.io, (hf_program){ &r.client, end_turn, wakes_in_the_past });
    assert_int_equal(rig_run(&r, 5), HF_WORLD_SPINNING);
    rig_fini(&r);
}

static void listening_has_the_errors_of_the_kernel(void **state)
{
    (void)state;
    rig r;
    rig_init(&r, 1);
    const hf_io_ops *ops = r.server.io->ops;
    rig_listen(&r);
    const hf_address same = hf_world_address(2, RIG_PORT), other = hf_world_address(1, 81), none = hf_world_address(2, 0);
    assert_int_equal(ops->listen(r.server.io, &same, -1, NULL).code, HF_ERR_IO_ADDRESS_IN_USE);
    assert_int_equal(ops->listen(r.server.io, &other, -1, NULL).code, HF_ERR_IO_ADDRESS_UNAVAILABLE);
    assert_int_equal(ops->listen(r.server.io, &none, -1, NULL).code, HF_ERR_BASE_USAGE);
    ops->unlisten(r.server.io);
    rig_connect(&r);
    rig_run(&r, 5);
    assert_int_equal(r.client.err.code, HF_ERR_IO_REFUSED);
    rig_fini(&r);
}

static void a_server_out_of_descriptors_says_so_and_accepts_later(void **state)
{
    (void)state;
    rig r;
    hf_pier second;
    rig_init(&r, 1);
    const hf_address to = hf_world_address(2, RIG_PORT);
    hf_world_options(r.server.io)->descriptors = 1;
    r.client.fin_put = r.server.fin_put = true;
    rig_listen(&r);
    rig_connect(&r);
    rig_run(&r, 1);
    assert_int_equal(r.client.io->ops->connect(r.client.io, &to, &r.client, &second).code, 0);
    rig_run(&r, 1);
    assert_int_equal(r.server.accepted, 1);
    assert_in_range(r.server.accept_failed, 2, 12); /* it rests in between */
    end_free(&r.server);
    rig_run(&r, 1);
    assert_int_equal(r.server.accepted, 2);
    second.ops->free(second.self);
    rig_fini(&r);
}

static void a_full_backlog_makes_clients_wait(void **state)
{
    (void)state;
    rig r;
    hf_pier more[3];
    rig_init(&r, 1);
    const hf_address to = hf_world_address(2, RIG_PORT);
    hf_world_options(r.server.io)->backlog = 2;
    rig_listen(&r);
    hf_world_pause(r.server.io);
    r.client.fin_put = true;
    rig_connect(&r);
    for (int i = 0; i < 3; i++)
        assert_int_equal(r.client.io->ops->connect(r.client.io, &to, &r.client, &more[i]).code, 0);
    rig_run(&r, 2);
    assert_int_equal(hf_world_streams(r.server.io), 2);
    hf_world_resume(r.server.io);
    rig_run(&r, 30);
    assert_int_equal(r.server.accepted, 4);
    for (int i = 0; i < 3; i++)
        more[i].ops->free(more[i].self);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_trace_and_another_another),
        cmocka_unit_test(a_paused_program_gets_no_turn_and_its_network_goes_on),
        cmocka_unit_test(killing_the_process_resets_its_connections_and_refuses_new_ones),
        cmocka_unit_test(a_power_cut_is_silent_and_the_restart_answers_with_reset),
        cmocka_unit_test(the_civil_clock_may_jump_and_the_other_never_does),
        cmocka_unit_test(a_world_in_which_nothing_happens_is_quiet),
        cmocka_unit_test(a_program_that_spins_is_found_out),
        cmocka_unit_test(listening_has_the_errors_of_the_kernel),
        cmocka_unit_test(a_server_out_of_descriptors_says_so_and_accepts_later),
        cmocka_unit_test(a_full_backlog_makes_clients_wait),
    };
    return cmocka_run_group_tests_name("world", tests, NULL, NULL);
}
