/* SPDX-License-Identifier: Apache-2.0
 *
 * Version 2 (RFC 9369), its keys and packets; going on in it from version 1 (RFC 9368); and what is good for one version alone.
 */
#include "rig.h"

#include <stdalign.h>

static size_t unhex(const char *hex, uint8_t *to)
{
    size_t n = 0;
    for (unsigned byte; sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
        to[n] = (uint8_t)byte;
    return n;
}

static void assert_hex(const uint8_t *got, const char *hex)
{
    uint8_t wanted[128];
    assert_memory_equal(got, wanted, unhex(hex, wanted));
}

/* RFC 9369, appendix A. */
static void keys_are_those_of_rfc_9369(void **state)
{
    (void)state;
    rig r;
    uint8_t bytes[64], packet[64], tag[HF_QUIC_TAG];
    hf_quic_keys client = { 0 }, server = { 0 }, k = { 0 }, next = { 0 };
    rig_open(&r, 1);
    const hf_cid dcid = hf_cid_make(hf_bytes_make(bytes, unhex("8394c8f03e515708", bytes)));
    assert_true(hf_quic_keys_initial(&client, &server, r.crypto, HF_QUIC_V2, &dcid, false));
    assert_hex(client.secret, "14ec9d6eb9fd7af83bf5a668bc17a7e283766aade7ecd0891f70f9ff7f4bf47b");
    assert_hex(client.aead.key, "8b1a0bc121284290a29e0971b5cd045d");
    assert_hex(client.iv, "91f73e2351d8fa91660e909f");
    assert_hex(client.mask.key, "45b95e15235d6f45a6b19cbcb0294ba9");
    const hf_suite suite = { .hash = HF_HASH_SHA256, .aead = HF_AEAD_CHACHA20_POLY1305 };
    unhex("9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b", bytes);
    assert_true(hf_quic_keys_set(&k, r.crypto, HF_QUIC_V2, &suite, true, bytes));
    assert_hex(k.aead.key, "3bfcddd72bcf02541d7fa0dd1f5f9eeea817e09a6963a0e6c7df0f9a1bab90f2");
    assert_hex(k.iv, "a6b5bc6ab7dafce30ffff5dd");
    assert_hex(k.mask.key, "d659760d2ba434a226fd37b35c69e2da8211d10c4f12538787d65645d5d1b8e2");
    assert_true(hf_quic_keys_next(&k, &next));
    assert_hex(next.secret, "c69374c49e3d2a9466fa689e49d476db5d0dfbc87d32ceeaa6343fd0ae4c7d88");
    unhex("4200bff401", packet); /* a short header, the number 654360564 in three bytes, PING */
    assert_true(hf_quic_seal(&k, 654360564, packet, 1, 3, 5));
    assert_hex(packet, "5558b1c60ae7b6b932bc27d786f4bc2bb20f2162ba");
    /* the keys of Retry come from a secret that the RFC names; a tag is of one version alone */
    uint8_t other[HF_QUIC_TAG];
    const hf_bytes text = hf_text("\xcfk3C\xcf a Retry");
    assert_true(hf_quic_retry_tag(r.crypto, HF_QUIC_V2, &dcid, text, tag) && hf_quic_retry_tag(r.crypto, HF_QUIC_V1, &dcid, text, other));
    assert_memory_not_equal(tag, other, sizeof tag);
    hf_quic_keys_fini(&client);
    hf_quic_keys_fini(&server);
    hf_quic_keys_fini(&k);
    hf_quic_keys_fini(&next);
    rig_close(&r);
}

static void long_headers_have_their_types(void **state)
{
    (void)state;
    static const struct { hf_quic_kind kind; uint8_t first, second; } rows[] = { /* RFC 9000 17.2 and RFC 9369 3.2 */
        { HF_QUIC_INITIAL, 0, 1 }, { HF_QUIC_ZERO_RTT, 1, 2 }, { HF_QUIC_HANDSHAKE, 2, 3 }, { HF_QUIC_RETRY, 3, 0 } };
    const hf_cid id = { 8, "12345678" };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        for (unsigned v = 0; v < 2; v++) {
            uint8_t bytes[128] = { 0 };
            size_t at;
            hf_quic_header h;
            hf_writer w = hf_writer_make(bytes, sizeof bytes);
            hf_quic_write_long(&w, v == 0 ? HF_QUIC_V1 : HF_QUIC_V2, rows[i].kind, 1, &id, &id, hf_text(""), &at);
            assert_int_equal(bytes[0] >> 4 & 3, v == 0 ? rows[i].first : rows[i].second);
            assert_int_equal(hf_quic_header_read(hf_bytes_make(bytes, sizeof bytes), 8, &h).code, 0);
            assert_int_equal(h.kind, rows[i].kind);
            assert_int_equal(h.version, v == 0 ? HF_QUIC_V1 : HF_QUIC_V2);
        }
}

static void what_is_said_of_versions_is_held_to_its_form(void **state)
{
    (void)state;
    static const struct { const char *hex; bool good, speaks_1, speaks_2; } rows[] = {
        { "1104" "00000001", true, false, false }, { "1108" "00000001" "00000001", true, true, false },
        { "1110" "6b3343cf" "6b3343cf" "00000001" "1a2a3a4a", true, true, true }, { "1100", false, false, false },
        { "1103" "000000", false, false, false }, { "1106" "00000001" "0000", false, false, false },
        { "1104" "00000000", false, false, false }, { "1108" "00000001" "00000000", false, false, false },
        { "1104" "00000001" "1104" "00000001", false, false, false } };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        for (unsigned server = 0; server < 2; server++) {
            uint8_t bytes[64];
            hf_quic_params p;
            const char *wanted = NULL;
            const size_t n = unhex(rows[i].hex, bytes);
            assert_int_equal(hf_quic_params_read(hf_bytes_make(bytes, n), server, &p, &wanted).code, rows[i].good ? 0 : HF_ERR_QUIC_PARAMETERS);
            if (rows[i].good)
                assert_true(p.speaks_1 == rows[i].speaks_1 && p.speaks_2 == rows[i].speaks_2 && p.chosen != 0);
        }
}

static uint32_t version_of(const rig_end *e)
{
    hf_quic_info info;
    hf_quic_info_of(e->q, &info);
    return info.version;
}

static void transfer(rig *r, uint32_t version)
{
    if (!r->client.confirmed || !r->server.confirmed)
        fail_msg("no handshake in %x: %s, %s", version, hf_err_describe(hf_quic_fault_of(r->client.q)->err)->id,
                 r->server.q != NULL ? hf_err_describe(hf_quic_fault_of(r->server.q)->err)->id : "");
    r->server.echo = 50000;
    const hf_lane lane = rig_send(r, &r->client, HF_LANE_BIDIRECTIONAL, 20000);
    rig_run(r, HF_SECONDS(10));
    assert_int_equal(rig_lane_of(&r->client, lane)->read, 50000);
    assert_int_equal(version_of(&r->client), version);
    assert_int_equal(version_of(&r->server), version);
    assert_int_equal(hf_quic_update_keys(r->client.q, r->now).code, 0);
    rig_run(r, HF_SECONDS(1));
    assert_true(r->client.q->key_updates > 0 && r->client.last == HF_IDLE);
}

/* Who begins in which version, and in which it goes on. */
static void versions_meet(void **state)
{
    (void)state;
    static const struct { bool server, client, retry; uint32_t version; } rows[] = {
        { false, false, false, HF_QUIC_V1 }, { false, true, false, HF_QUIC_V2 }, { true, false, false, HF_QUIC_V2 },
        { true, true, false, HF_QUIC_V2 }, { false, true, true, HF_QUIC_V2 }, { true, false, true, HF_QUIC_V2 } };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        for (unsigned lost = 0; lost < 7; lost++) {
            rig r;
            rig_open(&r, 10 * i + lost);
            r.config[0].version_2 = rows[i].server;
            r.config[0].always_retry = rows[i].retry;
            r.config[1].version_2 = rows[i].client;
            r.lose_next = lost;
            rig_start(&r);
            rig_run(&r, HF_SECONDS(9));
            transfer(&r, rows[i].version);
            rig_close(&r);
        }
}

static void versions_meet_whatever_is_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        rig r;
        rig_open(&r, 100 + seed);
        r.config[0].version_2 = true;
        r.w.limits.quic_handshake_ns = HF_SECONDS(60);
        r.loss = 100000;
        r.late = 300000;
        r.doubled = 50000;
        rig_start(&r);
        rig_run(&r, HF_SECONDS(30));
        transfer(&r, HF_QUIC_V2);
        rig_close(&r);
    }
}

/* Each side believes that the connection began in another version than the other says. */
static void a_wrong_version_in_the_parameters_ends_it(void **state)
{
    (void)state;
    for (unsigned side = 0; side < 2; side++) {
        rig r;
        rig_open(&r, 200 + side);
        rig_start(&r);
        rig_end *const e = side == 0 ? &r.server : &r.client;
        if (side == 0) {
            for (int i = 0; i < 4 && r.server.q == NULL; i++)
                (void)rig_next(&r, hf_time_after(r.now, HF_SECONDS(1)));
            assert_non_null(r.server.q);
        }
        e->q->theirs = (hf_quic_terms){ .chosen = HF_QUIC_V2 };
        assert_false(hf_quic_version_agrees(e->q));
        e->q->theirs.chosen = HF_QUIC_V1;
        assert_true(hf_quic_version_agrees(e->q));
        e->q->theirs.chosen = 0;
        assert_true(hf_quic_version_agrees(e->q));
        e->q->version = HF_QUIC_V2; /* RFC 9368 2.3: only who says so may go on with another */
        assert_int_equal(hf_quic_version_agrees(e->q), side == 0);
        rig_close(&r);
    }
}

static alignas(64) uint8_t memory[64 + 512];

/* RFC 9369 5: tickets and tokens of one version are of no use in the other; so a session chooses with which a client begins. */
static void sessions_and_tokens_are_of_one_version(void **state)
{
    (void)state;
    for (unsigned row = 0; row < 4; row++) { /* from 1 to 2, from 2 to 1, from 2 to 2, and from 2 where 1 would be begun with */
        rig r;
        static uint8_t session[2048], token[256];
        rig_open(&r, 300 + row);
        memset(memory, 0, sizeof memory);
        r.tls[0].early_data = r.tls[1].early_data = true;
        r.tls[0].strikes = hf_tls_strikes_make(memory, sizeof memory, 1);
        r.config[1].version_2 = row > 0;
        rig_connect(&r);
        const size_t n = r.client.session_length, m = r.client.token_length;
        assert_true(n > 0 && m > 0);
        memcpy(session, r.client.session, n);
        memcpy(token, r.client.token, m);
        hf_quic_close(r.client.q, r.now, 0, hf_text(""));
        rig_run(&r, HF_SECONDS(5));
        hf_quic_free(r.client.q);
        hf_quic_free(r.server.q);
        hf_quic_endpoint_free(r.client.ep);
        r.client = r.server.ep == NULL ? r.client : (rig_end){ 0 };
        r.server.q = NULL;
        r.server.confirmed = false;
        r.config[1].version_2 = row == 2;
        r.w.limits.quic_half_open = 0;
        if (row < 2) /* who lies about it */
            memcpy(session, row == 0 ? "\x6b\x33\x43\xcf" : "\0\0\0\1", 4);
        rig_start_with(&r, hf_bytes_make(session, n), hf_bytes_make(token, m));
        rig_run(&r, HF_SECONDS(3));
        hf_quic_info info;
        hf_quic_info_of(r.client.q, &info);
        assert_true(r.client.confirmed);
        assert_int_equal(info.resumed, row >= 2);
        assert_int_equal(info.early, row >= 2);
        assert_int_equal(info.retried, row < 2);
        rig_close(&r);
    }
}

/* 0-RTT leaves in the first version, and all else goes on in the second. */
static void early_data_and_a_change_of_version_go_together(void **state)
{
    (void)state;
    rig r;
    static uint8_t session[2048];
    rig_open(&r, 400);
    memset(memory, 0, sizeof memory);
    r.tls[0].early_data = r.tls[1].early_data = true;
    r.tls[0].strikes = hf_tls_strikes_make(memory, sizeof memory, 1);
    rig_connect(&r); /* version 1 throughout */
    const size_t n = r.client.session_length;
    memcpy(session, r.client.session, n);
    hf_quic_endpoint_free(r.client.ep);
    hf_quic_endpoint_free(r.server.ep);
    r.client = r.server = (rig_end){ 0 };
    r.config[0].version_2 = true;
    rig_start_with(&r, hf_bytes_make(session, n), hf_text(""));
    rig_turn(&r, &r.client);
    assert_true(r.client.early);
    r.server.echo = 3000;
    const hf_lane lane = rig_send(&r, &r.client, HF_LANE_BIDIRECTIONAL, 2000);
    rig_run(&r, HF_SECONDS(2));
    assert_int_equal(rig_lane_of(&r.client, lane)->read, 3000);
    assert_int_equal(version_of(&r.client), HF_QUIC_V2);
    hf_quic_info info;
    hf_quic_info_of(r.client.q, &info);
    assert_true(info.early && info.resumed);
    rig_close(&r);
}

/* Before each of the first packets to the client, a copy that says that it is of version 2: its header is as good as any, but it does not open. */
static bool forge_version(rig *r, rig_packet *p)
{
    if (p->to_server || r->client.q->forged == 3 || (p->bytes[0] & 0xf0) != 0xc0 || r->flying + 2 > RIG_FLIGHT)
        return true;
    rig_packet forged = *p;
    forged.at = hf_time_after(p->at, -1);
    forged.bytes = malloc(p->length);
    memcpy(forged.bytes, p->bytes, p->length);
    forged.bytes[0] = (uint8_t)(forged.bytes[0] + 0x10);
    memcpy(forged.bytes + 1, "\x6b\x33\x43\xcf", 4);
    r->flight[r->flying++] = forged;
    return true;
}

/* RFC 9368 2.3 lets the server choose, and nobody on the way: a header alone changes nothing at the client. */
static void a_forged_packet_of_another_version_changes_nothing(void **state)
{
    (void)state;
    for (unsigned server = 0; server < 2; server++) {
        rig r;
        rig_open(&r, 500 + server);
        r.config[0].version_2 = server;
        r.filter = forge_version;
        rig_start(&r);
        rig_run(&r, HF_SECONDS(3));
        assert_true(server == 1 || r.client.q->forged > 0);
        r.filter = NULL;
        transfer(&r, server ? HF_QUIC_V2 : HF_QUIC_V1);
        rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_those_of_rfc_9369), cmocka_unit_test(long_headers_have_their_types),
        cmocka_unit_test(what_is_said_of_versions_is_held_to_its_form), cmocka_unit_test(versions_meet),
        cmocka_unit_test(versions_meet_whatever_is_lost), cmocka_unit_test(a_wrong_version_in_the_parameters_ends_it),
        cmocka_unit_test(sessions_and_tokens_are_of_one_version), cmocka_unit_test(early_data_and_a_change_of_version_go_together),
        cmocka_unit_test(a_forged_packet_of_another_version_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
