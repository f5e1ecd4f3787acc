/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's preferred address (RFC 9000 9.6): clients go on there once it is proven, and only then.
 */
#include "rig.h"

static hf_quic_address other;      /* which the server prefers */
static unsigned to_other, from_other, to_first; /* datagrams */
static bool deaf, mute;            /* nothing reaches it, nothing leaves it */

static bool same(const hf_quic_address *a, const hf_quic_address *b)
{
    return memcmp(a->ip, b->ip, 16) == 0 && a->port == b->port;
}

static bool watch([[maybe_unused]] rig *r, rig_packet *p)
{
    const hf_quic_address *const of_server = p->to_server ? &p->path.local : &p->path.remote;
    if (!same(of_server, &other)) {
        to_first += p->to_server;
        return true;
    }
    to_other += p->to_server;
    from_other += !p->to_server;
    return p->to_server ? !deaf : !mute;
}

static void setup(rig *r, uint64_t seed)
{
    rig_open(r, seed);
    other = (hf_quic_address){ .ip = { [10] = 0xff, 0xff, 198, 51, 100, 7 }, .port = 8443 };
    to_other = from_other = to_first = 0;
    deaf = mute = false;
    r->config[0].preferred[0] = other;
    r->filter = watch;
}

static const hf_quic_path *path_of(const rig_end *e)
{
    return &e->q->routes[e->q->route].path;
}

/* Some bytes each way. */
static void talk(rig *r)
{
    r->server.echo = 50000;
    const hf_lane lane = rig_send(r, &r->client, HF_LANE_BIDIRECTIONAL, 50000);
    rig_run(r, HF_SECONDS(20));
    assert_int_equal(rig_lane_of(&r->client, lane)->read, 50000);
    assert_int_equal(rig_lane_of(&r->server, lane)->read, 50000);
}

static void a_client_goes_on_where_the_server_prefers(void **state)
{
    (void)state;
    rig r;
    setup(&r, 1);
    rig_connect(&r);
    rig_run(&r, HF_SECONDS(1));
    assert_true(same(&path_of(&r.client)->remote, &other) && same(&path_of(&r.server)->local, &other));
    assert_true(hf_quic_route(r.client.q)->validated && hf_quic_route(r.server.q)->validated);
    assert_int_equal(r.client.moved, 1);
    assert_int_equal(r.server.moved, 1);
    to_first = 0;
    talk(&r);
    assert_int_equal(to_first, 0);
    /* RFC 9000 9.5: each address has ids of its own */
    assert_int_equal(hf_quic_route(r.client.q)->id, 1);
    assert_int_not_equal(hf_quic_route(r.server.q)->id, 0);
    rig_close(&r);
}

static void a_download_goes_on_meanwhile(void **state)
{
    (void)state;
    for (uint64_t seed = 10; seed < 30; seed++) {
        rig r;
        setup(&r, seed);
        r.loss = seed % 2 == 0 ? 0 : 50000;
        r.late = 100000;
        rig_start(&r);
        for (int i = 0; i < 100 && !r.client.opened; i++)
            rig_run(&r, HF_MILLISECONDS(20));
        r.server.echo = 300000;
        const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 1000);
        rig_run(&r, HF_SECONDS(60));
        assert_int_equal(rig_lane_of(&r.client, lane)->read, 300000);
        assert_true(same(&path_of(&r.client)->remote, &other) && same(&path_of(&r.server)->local, &other));
        rig_close(&r);
    }
}

static void an_address_that_does_not_answer_is_left_alone(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        rig r;
        setup(&r, 40);
        deaf = way == 0;
        mute = way == 1;
        rig_connect(&r);
        talk(&r);
        assert_true(to_other >= 2 && to_other < 10); /* RFC 9000 8.2.4: tried for three timeouts */
        assert_true(same(&path_of(&r.client)->remote, &r.server_address) && same(&path_of(&r.server)->local, &r.server_address));
        assert_int_equal(r.client.moved + r.server.moved, 0);
        rig_close(&r);
    }
}

/* RFC 9000 9.6.2: the server sends nothing but probes from there until the client has answered. This client does not ask first,
 * or somebody carries its packets there, and nothing that leaves from there comes to it. */
static bool divert([[maybe_unused]] rig *r, rig_packet *p)
{
    if (p->to_server)
        p->path.local = other;
    else if (same(&p->path.remote, &other)) {
        from_other++;
        return false;
    }
    return true;
}

static void nothing_but_probes_leaves_it_before_the_client_has_answered(void **state)
{
    (void)state;
    rig r;
    setup(&r, 41);
    r.config[1].no_preferred = true;
    rig_connect(&r);
    r.filter = divert;
    talk(&r);
    assert_true(from_other > 0 && from_other < 60); /* a probe now and then: ever more seldom for three seconds, then anew */
    assert_true(same(&path_of(&r.server)->local, &r.server_address));
    assert_int_equal(r.server.moved, 0);
    rig_close(&r);
}

static void a_client_may_stay(void **state)
{
    (void)state;
    rig r;
    setup(&r, 42);
    r.config[1].no_preferred = true;
    rig_connect(&r);
    talk(&r);
    assert_int_equal(to_other, 0);
    assert_true(same(&path_of(&r.client)->remote, &r.server_address));
    rig_close(&r);
}

static void who_came_there_need_not_move(void **state)
{
    (void)state;
    rig r;
    setup(&r, 43);
    r.server_address = other;
    rig_connect(&r);
    talk(&r);
    assert_false(r.server.q->prefers);
    assert_int_equal(r.client.moved + r.server.moved, 0);
    rig_close(&r);
}

static void who_came_to_one_of_two_need_not_move(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        rig r;
        setup(&r, 44);
        hf_quic_address *const p = r.config[0].preferred;
        p[1] = (hf_quic_address){ .ip = { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 }, .port = 9443 };
        r.server_address = p[i];
        if (i == 1)
            r.client_address = (hf_quic_address){ .ip = { 0x20, 0x01, 0x0d, 0xb8, [15] = 99 }, .port = r.client_address.port };
        rig_connect(&r);
        talk(&r);
        assert_false(r.server.q->prefers);
        assert_int_equal(r.client.moved + r.server.moved, 0);
        rig_close(&r);
    }
}

/* RFC 9000 21.5.3: a server far away does not make us send to this machine or this network, nor to everybody. */
static void nobody_near_us_is_sent_to_for_a_server_far_away(void **state)
{
    (void)state;
    static const struct { uint8_t first[4], next[4]; bool moves; } rows[] = {
        { { 192, 0, 2, 1 }, { 127, 0, 0, 1 }, false },   { { 192, 0, 2, 1 }, { 10, 0, 0, 1 }, false },
        { { 192, 0, 2, 1 }, { 172, 20, 0, 1 }, false },  { { 192, 0, 2, 1 }, { 192, 168, 1, 1 }, false },
        { { 192, 0, 2, 1 }, { 169, 254, 1, 1 }, false }, { { 192, 0, 2, 1 }, { 224, 0, 0, 1 }, false },
        { { 192, 0, 2, 1 }, { 255, 255, 255, 255 }, false }, { { 10, 0, 0, 1 }, { 127, 0, 0, 1 }, false },
        { { 10, 0, 0, 1 }, { 192, 168, 1, 1 }, true },   { { 127, 0, 0, 1 }, { 127, 0, 0, 2 }, true },
        { { 10, 0, 0, 1 }, { 198, 51, 100, 1 }, true } };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        rig r;
        setup(&r, 50 + i);
        memcpy(r.server_address.ip + 12, rows[i].first, 4);
        memcpy(other.ip + 12, rows[i].next, 4);
        r.config[0].preferred[0] = other;
        rig_connect(&r);
        rig_run(&r, HF_SECONDS(1));
        assert_int_equal(same(&path_of(&r.client)->remote, &other), rows[i].moves);
        assert_int_equal(to_other > 0, rows[i].moves);
        talk(&r);
        rig_close(&r);
    }
}

static void the_family_in_use_stays(void **state)
{
    (void)state;
    static const uint8_t ip6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 };
    for (int six = 0; six < 2; six++) {
        rig r;
        setup(&r, 70);
        hf_quic_address *const p = r.config[0].preferred;
        p[1] = (hf_quic_address){ .port = 9443 };
        memcpy(p[1].ip, ip6, 16);
        if (six) {
            memcpy(r.server_address.ip, ip6, 16);
            r.server_address.ip[15] = 1;
            memcpy(r.client_address.ip, ip6, 16);
            r.client_address.ip[15] = 99;
        }
        rig_connect(&r);
        rig_run(&r, HF_SECONDS(1));
        assert_true(same(&path_of(&r.client)->remote, &p[six]));
        talk(&r);
        rig_close(&r);
    }
}

/* RFC 9000 9.6.3. */
static void a_client_that_moves_meanwhile_arrives_there_too(void **state)
{
    (void)state;
    rig r;
    setup(&r, 80);
    deaf = true; /* for a while */
    rig_connect(&r);
    hf_quic_address mine = r.client_address;
    mine.ip[15] = 77;
    assert_false(same(&path_of(&r.client)->remote, &other));
    deaf = false;
    assert_int_equal(hf_quic_migrate(r.client.q, r.now, &mine).code, 0);
    talk(&r);
    assert_true(same(&path_of(&r.client)->remote, &other) && same(&path_of(&r.client)->local, &mine));
    assert_true(same(&path_of(&r.server)->local, &other) && same(&path_of(&r.server)->remote, &mine));
    rig_close(&r);
}

/* RFC 9000 18.2: disable_active_migration is of the address of the handshake alone. */
static void who_is_there_may_move_on(void **state)
{
    (void)state;
    rig r;
    setup(&r, 81);
    r.config[0].no_migration = true;
    hf_quic_address mine = r.client_address;
    mine.ip[15] = 77;
    deaf = true;
    rig_connect(&r);
    assert_int_equal(hf_quic_migrate(r.client.q, r.now, &mine).code, HF_ERR_QUIC_MIGRATION);
    rig_close(&r);
    setup(&r, 82);
    r.config[0].no_migration = true;
    rig_connect(&r);
    rig_run(&r, HF_SECONDS(1));
    assert_int_equal(hf_quic_migrate(r.client.q, r.now, &mine).code, 0);
    talk(&r);
    assert_true(same(&path_of(&r.client)->remote, &other) && same(&path_of(&r.client)->local, &mine));
    assert_true(same(&path_of(&r.server)->remote, &mine));
    r.nat = mine; /* and so may who is behind a NAT */
    r.client_address = mine;
    r.nat.port = 4321;
    talk(&r);
    assert_int_equal(path_of(&r.server)->remote.port, 4321);
    assert_true(same(&path_of(&r.server)->local, &other));
    rig_close(&r);
}

/* RFC 9000 9.6.2: a server that has moved does not go back. */
static bool back(rig *r, rig_packet *p)
{
    if (p->to_server && same(&p->path.local, &other))
        p->path.local = r->server_address;
    return true;
}

static void what_still_comes_to_the_old_address_moves_nothing_back(void **state)
{
    (void)state;
    rig r;
    setup(&r, 83);
    rig_connect(&r);
    rig_run(&r, HF_SECONDS(1));
    r.filter = back;
    talk(&r);
    assert_true(same(&path_of(&r.server)->local, &other));
    assert_int_equal(r.server.moved, 1);
    rig_close(&r);
}

/* A reload may name another one; who is there stays. */
static void a_connection_keeps_its_address_when_the_server_prefers_another(void **state)
{
    (void)state;
    rig r;
    setup(&r, 84);
    rig_connect(&r);
    rig_run(&r, HF_SECONDS(1));
    hf_quic_address next[2] = { other };
    next[0].port = 9999;
    hf_quic_endpoint_prefer(r.server.ep, next);
    r.nat = r.client_address;
    r.nat.port = 4321;
    talk(&r);
    assert_true(same(&path_of(&r.server)->local, &other));
    assert_int_equal(path_of(&r.server)->remote.port, 4321);
    rig_close(&r);
}

static void what_is_said_of_it_is_read_as_it_was_written(void **state)
{
    (void)state;
    hf_quic_params p, again;
    uint8_t bytes[HF_QUIC_PARAMS_MOST];
    const char *wanted = NULL;
    hf_quic_params_init(&p);
    p.has_preferred = true;
    p.preferred.at[0] = (hf_quic_address){ .ip = { [10] = 0xff, 0xff, 1, 2, 3, 4 }, .port = 5 };
    p.preferred.at[1] = (hf_quic_address){ .ip = { 0x20, 1, [15] = 6 }, .port = 7 };
    p.preferred.cid = hf_cid_make(hf_text("12345678"));
    memset(p.preferred.reset_token, 0x5a, sizeof p.preferred.reset_token);
    for (unsigned without = 0; without < 3; without++) {
        hf_quic_params some = p;
        if (without < 2)
            some.preferred.at[without] = (hf_quic_address){ 0 };
        hf_writer w = hf_writer_make(bytes, sizeof bytes);
        hf_quic_params_write(&w, &some);
        assert_false(w.overflowed);
        assert_int_equal(hf_quic_params_read(hf_written(&w), true, &again, &wanted).code, 0);
        assert_true(again.has_preferred && hf_cid_equal(&again.preferred.cid, &p.preferred.cid));
        assert_memory_equal(again.preferred.reset_token, p.preferred.reset_token, HF_QUIC_RESET_TOKEN);
        for (unsigned i = 0; i < 2; i++)
            assert_true(same(&again.preferred.at[i], &some.preferred.at[i]));
        for (size_t n = 0; n < w.length; n++) /* cut short anywhere, it is none */
            assert_int_equal(hf_quic_params_read(hf_bytes_make(bytes, n), true, &again, &wanted).code, n == 0 ? 0 : HF_ERR_QUIC_PARAMETERS);
        assert_int_equal(hf_quic_params_read(hf_written(&w), false, &again, &wanted).code, HF_ERR_QUIC_PARAMETERS);
    }
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    bool spared = false;
    for (size_t at = 1; !spared; at++) {
        rig r;
        setup(&r, 90);
        r.server.ep = hf_quic_endpoint_new(&r.w.env, &r.config[0], r.now);
        r.client.ep = hf_quic_endpoint_new(&r.w.env, &r.config[1], r.now);
        r.w.memory.fail_at = r.w.memory.calls + at;
        const size_t fails_at = r.w.memory.fail_at;
        const hf_quic_target target = { { r.client_address, r.server_address }, hf_text("localhost"), hf_text(""), hf_text("") };
        hf_err err;
        r.client.q = hf_quic_connect(r.client.ep, r.now, &target, &r.client, &err);
        if (r.client.q != NULL)
            rig_run(&r, HF_SECONDS(2));
        spared = r.w.memory.calls < fails_at;
        if (spared)
            assert_true(same(&path_of(&r.client)->remote, &other));
        rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_goes_on_where_the_server_prefers),
        cmocka_unit_test(a_download_goes_on_meanwhile),
        cmocka_unit_test(an_address_that_does_not_answer_is_left_alone),
        cmocka_unit_test(nothing_but_probes_leaves_it_before_the_client_has_answered),
        cmocka_unit_test(a_client_may_stay),
        cmocka_unit_test(who_came_there_need_not_move),
        cmocka_unit_test(who_came_to_one_of_two_need_not_move),
        cmocka_unit_test(nobody_near_us_is_sent_to_for_a_server_far_away),
        cmocka_unit_test(the_family_in_use_stays),
        cmocka_unit_test(a_client_that_moves_meanwhile_arrives_there_too),
        cmocka_unit_test(who_is_there_may_move_on),
        cmocka_unit_test(what_still_comes_to_the_old_address_moves_nothing_back),
        cmocka_unit_test(a_connection_keeps_its_address_when_the_server_prefers_another),
        cmocka_unit_test(what_is_said_of_it_is_read_as_it_was_written),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
