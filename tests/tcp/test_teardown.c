/* SPDX-License-Identifier: Apache-2.0
 *
 * The four-way teardown, and TIME_WAIT: who waits, for how long, what ends it and what must not.
 */
#include "tcp/world.h"

static world w;
static const app silent = { .most_read = UINT64_MAX };

static app *client, *server;

/* An open connection on which nobody has said anything. */
static void begin_with(uint64_t seed, int64_t msl_ns)
{
    world_limits(&w, seed);
    for (int i = 0; i < 2; i++)
        if (msl_ns > 0)
            w.env[i].limits.tcp_msl_ns = (uint64_t)msl_ns;
    world_begin(&w);
    w.accept.end_after = false;
    serve(&w, 80);
    client = dial(&w, &silent, 80);
    run_for(&w, HF_SECONDS(1));
    server = accepted_app(&w, 0);
    assert_non_null(server);
    w.sent[0] = w.sent[1] = w.fins[0] = w.fins[1] = 0;
}
static void begin(void)
{
    begin_with(5, 0);
}

static void end(void)
{
    for (unsigned i = 0; i < w.app_count; i++)
        if (!w.apps[i].freed)
            hf_tcp_free(w.apps[i].tcp);
    world_fini(&w);
}

static hf_tcp_state state_of(const app *a)
{
    return info_of(a).state;
}
static void say_end(app *a)
{
    const hf_err err = hf_tcp_end(a->tcp, (hf_ending){ HF_ENDING_FIN, 0 });
    assert_int_equal(err.code, 0);
    a->ended = true;
    settle(&w);
}
static void put(app *a, uint64_t n)
{
    a->total += n;
    app_write(a);
    settle(&w);
}
static bool waits(int at, const app *a, hf_time *until)
{
    return hf_tcp_in_timewait(w.ep[at], &a->tcp->pair, until);
}

/* ---- T1 to T4 ------------------------------------------------------------------------------------------------------ */

static void four_segments_and_only_the_active_closer_waits(void **state)
{
    (void)state;
    begin();
    say_end(client);
    assert_int_equal(state_of(client), HF_TCP_FIN_WAIT_1);
    run_for(&w, MS(10));
    assert_int_equal(state_of(server), HF_TCP_CLOSE_WAIT);
    assert_true(server->peer_ended);
    run_for(&w, MS(10));
    assert_int_equal(state_of(client), HF_TCP_FIN_WAIT_2);
    assert_int_equal(w.sent[0] + w.sent[1], 2);
    say_end(server);
    assert_int_equal(state_of(server), HF_TCP_LAST_ACK);
    run_for(&w, MS(10));
    assert_int_equal(state_of(client), HF_TCP_TIME_WAIT);
    run_for(&w, MS(10));
    assert_int_equal(state_of(server), HF_TCP_CLOSED);
    assert_int_equal(w.sent[0] + w.sent[1], 4);
    assert_true(client->closed && server->closed);
    hf_time until;
    assert_true(waits(0, client, &until));
    assert_in_range(until.ns - w.now.ns, HF_SECONDS(59), HF_SECONDS(60));
    assert_false(waits(1, server, &until));
    assert_int_equal(counts_of(&w, 0).timewaits, 1);
    run_for(&w, HF_SECONDS(61));
    assert_int_equal(counts_of(&w, 0).timewaits, 0);
    end();
}

static void limit_tcp_msl_ns(void **state)
{
    (void)state;
    begin_with(5, HF_SECONDS(120)); /* the RFC's own */
    say_end(client);
    say_end(server);
    run_for(&w, HF_SECONDS(239));
    assert_int_equal(counts_of(&w, 0).timewaits + counts_of(&w, 1).timewaits, 2); /* both ended at once: both wait */
    run_for(&w, HF_SECONDS(2));
    assert_int_equal(counts_of(&w, 0).timewaits + counts_of(&w, 1).timewaits, 0);
    end();
}

static void an_answer_that_ends_at_once_takes_three_segments(void **state)
{
    (void)state;
    begin();
    server->end_after = true; /* ends as soon as it hears of it; the ACK and the FIN are one */
    server->total = 0;
    say_end(client);
    run_for(&w, HF_SECONDS(1));
    assert_true(client->closed && server->closed);
    assert_int_equal(w.sent[0] + w.sent[1], 3);
    end();
}

static unsigned acks_to_lose;
static fate lose_last_ack(world *x, int to, uint64_t index, const hf_segment *s)
{
    (void)index;
    if (to == 1 && x->fins[0] > 0 && s->flags == HF_ACK && acks_to_lose > 0) {
        acks_to_lose--;
        return DROP;
    }
    return PASS;
}

static void a_lost_last_ack_is_repeated_and_the_wait_begins_anew(void **state)
{
    (void)state;
    begin();
    acks_to_lose = 2;
    w.rule = lose_last_ack;
    say_end(client);
    run_for(&w, MS(100));
    say_end(server);
    run_for(&w, MS(15));
    hf_time first, second;
    assert_true(waits(0, client, &first));
    assert_int_equal(state_of(server), HF_TCP_LAST_ACK);
    run_for(&w, HF_SECONDS(3));
    assert_int_equal(w.fins[0], 3);
    assert_int_equal(state_of(server), HF_TCP_CLOSED);
    assert_true(server->closed && server->err.code == 0);
    assert_true(waits(0, client, &second));
    assert_true(second.ns > first.ns + MS(100)); /* S10: from the last FIN on */
    run_until(&w, hf_time_make(second.ns - MS(5)));
    assert_int_equal(counts_of(&w, 0).timewaits, 1);
    run_for(&w, MS(10));
    assert_int_equal(counts_of(&w, 0).timewaits, 0);
    end();
}

static void both_may_close_at_once(void **state)
{
    (void)state;
    begin();
    say_end(client);
    say_end(server);
    assert_int_equal(state_of(client), HF_TCP_FIN_WAIT_1);
    assert_int_equal(state_of(server), HF_TCP_FIN_WAIT_1);
    run_for(&w, MS(11));
    assert_int_equal(state_of(client), HF_TCP_CLOSING);
    assert_int_equal(state_of(server), HF_TCP_CLOSING);
    run_for(&w, MS(11));
    assert_int_equal(state_of(client), HF_TCP_TIME_WAIT);
    assert_int_equal(state_of(server), HF_TCP_TIME_WAIT);
    assert_int_equal(w.sent[0] + w.sent[1], 4);
    end();
}

static void a_half_closed_connection_carries_data_for_minutes(void **state)
{
    (void)state;
    begin();
    say_end(client);
    run_for(&w, HF_SECONDS(1));
    for (int minute = 0; minute < 10; minute++) {
        put(server, 20000);
        run_for(&w, HF_SECONDS(60));
    }
    assert_int_equal(client->received, 200000);
    assert_int_equal(state_of(client), HF_TCP_FIN_WAIT_2);
    assert_int_equal(state_of(server), HF_TCP_CLOSE_WAIT);
    say_end(server);
    run_for(&w, HF_SECONDS(1));
    assert_true(client->closed && server->closed);
    end();
}

/* ---- T5 to T10 ------------------------------------------------------------------------------------------------------ */

static void closing_with_unread_bytes_is_a_reset(void **state)
{
    (void)state;
    begin();
    server->most_read = 0;
    put(client, 500);
    run_for(&w, HF_SECONDS(1));
    const hf_err err = hf_tcp_end(server->tcp, (hf_ending){ HF_ENDING_FIN, 0 });
    assert_int_equal(err.code, 0);
    hf_tcp_free(server->tcp);
    server->freed = true;
    run_for(&w, HF_SECONDS(1));
    assert_true(client->faulted);
    assert_int_equal(client->err.code, HF_ERR_TCP_RESET);
    end();
}

static void closing_with_lent_bytes_unacknowledged_gives_them_back_and_resets(void **state)
{
    (void)state;
    begin();
    client->lent = true;
    w.link[1].cut = true;
    put(client, 5000);
    hf_tcp_free(client->tcp);
    client->freed = true;
    settle(&w);
    assert_int_equal(w.resets[1], 1);
    assert_int_equal(counts_of(&w, 0).connections, 0);
    end();
}

static void what_was_copied_is_delivered_after_the_owner_has_gone(void **state)
{
    (void)state;
    begin();
    client->total = 50000;
    client->end_after = true;
    app_write(client);
    assert_int_equal(client->put, 50000);
    hf_tcp_free(client->tcp);
    client->freed = true;
    run_for(&w, HF_SECONDS(2));
    assert_int_equal(server->received, 50000);
    assert_true(server->peer_ended && server->err.code == 0);
    say_end(server);
    run_for(&w, HF_SECONDS(1));
    assert_int_equal(counts_of(&w, 0).connections, 0);
    assert_int_equal(counts_of(&w, 0).timewaits, 1);
    end();
}

static void limit_tcp_orphan_ns(void **state)
{
    (void)state;
    begin();
    say_end(client);
    run_for(&w, HF_SECONDS(1));
    assert_int_equal(state_of(client), HF_TCP_FIN_WAIT_2);
    hf_tcp_free(client->tcp);
    client->freed = true;
    run_for(&w, HF_SECONDS(59));
    assert_int_equal(counts_of(&w, 0).connections, 1);
    run_for(&w, HF_SECONDS(2));
    assert_int_equal(counts_of(&w, 0).connections, 0);
    end();
}

static void bytes_for_an_owner_that_has_gone_are_reset(void **state)
{
    (void)state;
    begin();
    say_end(client);
    hf_tcp_free(client->tcp);
    client->freed = true;
    run_for(&w, HF_SECONDS(1));
    put(server, 100);
    run_for(&w, HF_SECONDS(1));
    assert_true(server->faulted);
    assert_int_equal(counts_of(&w, 0).connections, 0);
    end();
}

static void a_reset_ends_both_sides_at_once(void **state)
{
    (void)state;
    begin();
    const hf_err err = hf_tcp_end(client->tcp, (hf_ending){ HF_ENDING_RESET, 0 });
    assert_int_equal(err.code, 0);
    settle(&w);
    assert_true((w.last[1].flags & HF_RST) != 0 && w.last[1].has_stamp); /* RFC 7323 3.2 */
    assert_int_equal(w.last[1].echo, client->tcp->recent);
    run_for(&w, MS(15));
    assert_true(server->faulted);
    assert_int_equal(server->err.code, HF_ERR_TCP_RESET);
    assert_int_equal(counts_of(&w, 0).timewaits + counts_of(&w, 1).timewaits, 0);
    end();
}

static void an_attempt_that_is_given_up_leaves_nothing(void **state)
{
    (void)state;
    world_init(&w, 5);
    serve(&w, 80);
    client = dial(&w, &silent, 80);
    settle(&w);
    say_end(client); /* in SYN_SENT */
    assert_int_equal(state_of(client), HF_TCP_CLOSED);
    assert_true(client->closed);
    run_for(&w, HF_SECONDS(3)); /* the SYN-ACK finds nobody, and is reset */
    assert_int_equal(counts_of(&w, 1).half_open, 0);
    assert_int_equal(counts_of(&w, 1).accepted, 0);
    end();
}

static void an_end_said_with_data_in_syn_sent_waits_for_the_handshake(void **state)
{
    (void)state;
    world_init(&w, 5);
    w.accept.end_after = true;
    serve(&w, 80);
    const app eager = { .total = 3000, .most_read = UINT64_MAX, .end_after = true };
    client = dial(&w, &eager, 80);
    app_write(client);
    assert_true(client->ended);
    run_for(&w, HF_SECONDS(2));
    assert_int_equal(accepted_app(&w, 0)->received, 3000);
    assert_true(client->closed);
    end();
}

static fate late_data(world *x, int to, uint64_t index, const hf_segment *s)
{
    (void)x, (void)index;
    return to == 1 && s->payload.len > 0 && !(s->flags & HF_FIN) ? LATE : PASS;
}

static void a_fin_that_overtakes_its_data_waits_for_it(void **state)
{
    (void)state;
    begin();
    w.rule = late_data;
    put(client, 1000);
    say_end(client);
    run_for(&w, MS(12));
    assert_int_equal(state_of(server), HF_TCP_ESTABLISHED);
    assert_false(server->peer_ended);
    run_for(&w, HF_SECONDS(1));
    assert_int_equal(server->received, 1000);
    assert_true(server->peer_ended);
    end();
}

/* ---- W: TIME_WAIT --------------------------------------------------------------------------------------------------- */

static hf_tcp_pair closed_pair;
static hf_segment from_server; /* as the server's next segment of the old connection would be */

/* The client has closed first and waits. */
static void begin_waiting(void)
{
    begin();
    put(server, 500);
    say_end(client);
    run_for(&w, MS(50));
    say_end(server);
    run_for(&w, MS(50));
    closed_pair = client->tcp->pair;
    const hf_tcp_info info = info_of(client);
    from_server = (hf_segment){ .source = 80, .destination = closed_pair.local_port, .seq = { info.rcv_nxt }, .ack = { info.nxt }, .flags = HF_ACK,
                                .window = 1000, .has_stamp = true, .stamp = client->tcp->recent, .echo = 0 };
    hf_time until;
    assert_true(waits(0, client, &until));
    w.quiet = true;
}

static void old_duplicates_do_not_assassinate_time_wait(void **state)
{
    (void)state;
    static const struct {
        uint8_t flags;
        int32_t away;
        size_t payload;
        bool answered;
    } rows[] = {
        { HF_RST, 0, 0, false },          { HF_RST | HF_ACK, 0, 0, false }, { HF_RST, -500, 0, false },       { HF_ACK | HF_PSH, -500, 400, true },
        { HF_ACK | HF_PSH, 0, 10, true }, { HF_FIN | HF_ACK, -300, 0, true }, { HF_SYN, -502, 0, true },       { HF_SYN | HF_ACK, -502, 0, true },
        { HF_ACK, 0, 0, false },          { HF_ACK, 50000, 0, true },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        begin_waiting();
        hf_time before, after;
        assert_true(waits(0, client, &before));
        run_for(&w, HF_SECONDS(5));
        hf_segment s = from_server;
        s.flags = rows[i].flags;
        s.seq = hf_seq_add(s.seq, (uint32_t)rows[i].away);
        s.stamp -= 100;
        const uint64_t sent = w.sent[1];
        inject(&w, 0, s, 0, rows[i].payload);
        speak(&w, 0);
        assert_int_equal(w.sent[1] - sent, rows[i].answered);
        if (rows[i].answered) {
            assert_int_equal(w.last[1].flags, HF_ACK);
            assert_int_equal(w.last[1].ack.n, from_server.seq.n);
        }
        assert_true(waits(0, client, &after));
        assert_in_range(after.ns, before.ns - MS(2), before.ns + MS(2)); /* and none of them restarts it */
        end();
    }
}

static void only_a_syn_that_is_surely_new_ends_time_wait(void **state)
{
    (void)state;
    static const struct {
        int32_t stamp_ahead, seq_ahead;
        bool stamp, reopens;
    } rows[] = {
        { 1, -100000, true, true },   /* RFC 6191: a larger timestamp, whatever the number */
        { -1, 100000, true, false },  { 0, 1, true, true }, { 0, 0, true, false },
        { 0, 1, false, true },        { 0, -1, false, false }, { 0, 0, false, false },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        /* the server waits here: it closed first */
        begin();
        put(client, 500);
        say_end(server);
        run_for(&w, MS(50));
        say_end(client);
        run_for(&w, MS(50));
        hf_time until;
        assert_true(waits(1, server, &until));
        const hf_tcp_info old = info_of(server);
        w.quiet = true;
        w.link[0].cut = true;
        hf_segment syn = { .source = server->tcp->pair.remote_port, .destination = 80, .seq = hf_seq_add((hf_seq){ old.rcv_nxt }, (uint32_t)rows[i].seq_ahead),
                           .flags = HF_SYN, .window = 65535, .mss = 1460, .has_stamp = rows[i].stamp, .stamp = server->tcp->recent + (uint32_t)rows[i].stamp_ahead };
        inject(&w, 1, syn, 0, 0);
        settle(&w);
        assert_int_equal(counts_of(&w, 1).timewaits_reused, rows[i].reopens);
        if (rows[i].reopens) {
            assert_int_equal(w.last[0].flags, HF_SYN | HF_ACK);
            assert_true(hf_seq_before((hf_seq){ old.nxt }, w.last[0].seq)); /* S9 */
            assert_int_equal(counts_of(&w, 1).half_open, 1);
        } else {
            assert_int_equal(w.last[0].flags, HF_ACK);
            assert_true(waits(1, server, &until));
        }
        end();
    }
}

/* One short connection after another from one client that closes first. */
static unsigned short_connections(unsigned wanted, bool reuse, bool stamps, int64_t each_ns)
{
    world_limits(&w, 3);
    w.config[0].port_first = 40000;
    w.config[0].port_last = 40099;
    w.config[0].no_reuse = !reuse;
    w.config[0].no_timestamps = !stamps;
    w.link[0].delay_ns = w.link[1].delay_ns = MS(1);
    world_begin(&w);
    w.quiet = true;
    serve(&w, 80);
    w.accept.free_when_over = true;
    const app brief = { .total = 10, .most_read = UINT64_MAX, .end_after = true, .free_when_over = true };
    unsigned made = 0;
    for (; made < wanted; made++) {
        const hf_tcp_pair pair = { .local = w.ip[0], .remote = w.ip[1], .remote_port = 80 };
        hf_err err;
        hf_tcp *t = hf_tcp_connect(w.ep[0], w.now, &pair, 0, &err);
        if (t == NULL) {
            assert_int_equal(err.code, HF_ERR_TCP_PORTS);
            break;
        }
        w.app_count = 0;
        app_add(&w, 0, t, &brief);
        run_for(&w, each_ns);
        assert_true(w.apps[0].freed);
        assert_int_equal(w.apps[0].err.code, 0);
    }
    return made;
}

static void ports_run_out_without_reuse_and_do_not_with_it(void **state)
{
    (void)state;
    assert_int_equal(short_connections(300, false, true, MS(20)), 100); /* every port waits 60 s */
    end();
    assert_int_equal(short_connections(300, true, false, MS(20)), 100); /* no timestamps: nothing tells old from new */
    end();
    assert_int_equal(short_connections(1000, true, true, MS(20)), 1000); /* 50 a second, each port again after 2 s */
    assert_true(counts_of(&w, 0).timewaits_reused >= 900);
    assert_int_equal(counts_of(&w, 1).accepted, 1000);
    end();
}

static void limit_tcp_timewaits(void **state)
{
    (void)state;
    world_limits(&w, 3);
    w.env[0].limits.tcp_timewaits = 20;
    world_begin(&w);
    w.quiet = true;
    serve(&w, 80);
    w.accept.free_when_over = true;
    const app brief = { .total = 10, .most_read = UINT64_MAX, .end_after = true, .free_when_over = true };
    for (unsigned i = 0; i < 50; i++) {
        w.app_count = 0;
        dial(&w, &brief, 80);
        run_for(&w, MS(100));
        assert_true(w.apps[0].freed);
    }
    assert_int_equal(counts_of(&w, 0).timewaits, 20);
    assert_int_equal(counts_of(&w, 0).timewaits_evicted, 30);
    end();
}

static void a_table_of_many_waits_costs_48_bytes_each(void **state)
{
    (void)state;
    size_t timewait, half_open, connection;
    hf_tcp_sizes(&timewait, &half_open, &connection);
    assert_int_equal(timewait, 48);
    assert_int_equal(half_open, 64);
    hf_test_world env;
    hf_test_world_init(&env, 1);
    hf_timewaits t = { .key = { 1, 2 } };
    hf_tcp_pair pair = { .local = hf_ip_make4(10, 0, 0, 1), .remote = hf_ip_make4(10, 0, 0, 2), .local_port = 80 };
    enum { N = 65536 };
    for (unsigned i = 0; i < N; i++) {
        pair.remote_port = (uint16_t)i;
        assert_non_null(hf_timewaits_add(&t, &env.env.alloc, N, &pair, 1000 + i));
    }
    assert_true(env.memory.held <= N * 52 + 1024); /* 48 and a bucket of 4 */
    for (unsigned i = 0; i < N; i++) {
        pair.remote_port = (uint16_t)i;
        assert_non_null(hf_timewaits_find(&t, &pair));
    }
    /* restarted ones outlive those that came after them */
    pair.remote_port = 5;
    hf_timewaits_find(&t, &pair)->expires_ms = 1000 + N + 10;
    assert_int_equal(hf_timewaits_expire(&t, &env.env.alloc, 1000 + N / 2), 1);
    assert_int_equal(t.count, N / 2);
    assert_non_null(hf_timewaits_find(&t, &pair));
    pair.remote_port = 6;
    assert_null(hf_timewaits_find(&t, &pair));
    hf_timewaits_expire(&t, &env.env.alloc, 1000 + N);
    assert_int_equal(t.count, 1);
    assert_int_equal(hf_timewaits_expire(&t, &env.env.alloc, 1000 + N + 10), UINT32_MAX);
    assert_int_equal(env.memory.held, 0);
    hf_test_world_fini(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_segments_and_only_the_active_closer_waits),
        cmocka_unit_test(limit_tcp_msl_ns),
        cmocka_unit_test(an_answer_that_ends_at_once_takes_three_segments),
        cmocka_unit_test(a_lost_last_ack_is_repeated_and_the_wait_begins_anew),
        cmocka_unit_test(both_may_close_at_once),
        cmocka_unit_test(a_half_closed_connection_carries_data_for_minutes),
        cmocka_unit_test(closing_with_unread_bytes_is_a_reset),
        cmocka_unit_test(closing_with_lent_bytes_unacknowledged_gives_them_back_and_resets),
        cmocka_unit_test(what_was_copied_is_delivered_after_the_owner_has_gone),
        cmocka_unit_test(limit_tcp_orphan_ns),
        cmocka_unit_test(bytes_for_an_owner_that_has_gone_are_reset),
        cmocka_unit_test(a_reset_ends_both_sides_at_once),
        cmocka_unit_test(an_attempt_that_is_given_up_leaves_nothing),
        cmocka_unit_test(an_end_said_with_data_in_syn_sent_waits_for_the_handshake),
        cmocka_unit_test(a_fin_that_overtakes_its_data_waits_for_it),
        cmocka_unit_test(old_duplicates_do_not_assassinate_time_wait),
        cmocka_unit_test(only_a_syn_that_is_surely_new_ends_time_wait),
        cmocka_unit_test(ports_run_out_without_reuse_and_do_not_with_it),
        cmocka_unit_test(limit_tcp_timewaits),
        cmocka_unit_test(a_table_of_many_waits_costs_48_bytes_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
