/* SPDX-License-Identifier: Apache-2.0
 *
 * The wire: RFC 9001 appendix A byte for byte, RFC 9000 appendix A, numbers, headers, frames, parameters, sets of ranges.
 */
#include "rig.h"

#include "text.h"

/* RFC 9001 A.2 to A.4. */
static const char client_payload[] =
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c00000"
    "0010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e000500050100000000"
    "003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e"
    "0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff080110"
    "0104800075300901100f088394c8f03e51570806048000ffff";
static const char client_packet[] =
    "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9bd8bab936b47d92ec356c0bab7df5976d27"
    "cd449f63300099f3991c260ec4c60d17b31f8429157bb35a1282a643a8d2262cad67500cadb8e7378c8eb7539ec4d4905fed1bee1fc8aa"
    "fba17c750e2c7ace01e6005f80fcb7df621230c83711b39343fa028cea7f7fb5ff89eac2308249a02252155e2347b63d58c5457afd84d0"
    "5dfffdb20392844ae812154682e9cf012f9021a6f0be17ddd0c2084dce25ff9b06cde535d0f920a2db1bf362c23e596d11a4f5a6cf3948"
    "838a3aec4e15daf8500a6ef69ec4e3feb6b1d98e610ac8b7ec3faf6ad760b7bad1db4ba3485e8a94dc250ae3fdb41ed15fb6a8e5eba0fc"
    "3dd60bc8e30c5c4287e53805db059ae0648db2f64264ed5e39be2e20d82df566da8dd5998ccabdae053060ae6c7b4378e846d29f37ed7b"
    "4ea9ec5d82e7961b7f25a9323851f681d582363aa5f89937f5a67258bf63ad6f1a0b1d96dbd4faddfcefc5266ba6611722395c906556be"
    "52afe3f565636ad1b17d508b73d8743eeb524be22b3dcbc2c7468d54119c7468449a13d8e3b95811a198f3491de3e7fe942b330407abf8"
    "2a4ed7c1b311663ac69890f4157015853d91e923037c227a33cdd5ec281ca3f79c44546b9d90ca00f064c99e3dd97911d39fe9c5d0b23a"
    "229a234cb36186c4819e8b9c5927726632291d6a418211cc2962e20fe47feb3edf330f2c603a9d48c0fcb5699dbfe5896425c5bac4aee8"
    "2e57a85aaf4e2513e4f05796b07ba2ee47d80506f8d2c25e50fd14de71e6c418559302f939b0e1abd576f279c4b2e0feb85c1f28ff18f5"
    "8891ffef132eef2fa09346aee33c28eb130ff28f5b766953334113211996d20011a198e3fc433f9f2541010ae17c1bf202580f6047472f"
    "b36857fe843b19f5984009ddc324044e847a4f4a0ab34f719595de37252d6235365e9b84392b061085349d73203a4a13e96f5432ec0fd4"
    "a1ee65accdd5e3904df54c1da510b0ff20dcc0c77fcb2c0e0eb605cb0504db87632cf3d8b4dae6e705769d1de354270123cb11450efc60"
    "ac47683d7b8d0f811365565fd98c4c8eb936bcab8d069fc33bd801b03adea2e1fbc5aa463d08ca19896d2bf59a071b851e6c239052172f"
    "296bfb5e72404790a2181014f3b94a4e97d117b438130368cc39dbb2d198065ae3986547926cd2162f40a29f0c3c8745c0f50fba3852e5"
    "66d44575c29d39a03f0cda721984b6f440591f355e12d439ff150aab7613499dbd49adabc8676eef023b15b65bfc5ca06948109f23f350"
    "db82123535eb8a7433bdabcb909271a6ecbcb58b936a88cd4e8f2e6ff5800175f113253d8fa9ca8885c2f552e657dc603f252e1a8e308f"
    "76f0be79e2fb8f5d5fbbe2e30ecadd220723c8c0aea8078cdfcb3868263ff8f0940054da48781893a7e49ad5aff4af300cd804a6b6279a"
    "b3ff3afb64491c85194aab760d58a606654f9f4400e8b38591356fbf6425aca26dc85244259ff2b19c41b9f96f3ca9ec1dde434da7d2d3"
    "92b905ddf3d1f9af93d1af5950bd493f5aa731b4056df31bd267b6b90a079831aaf579be0a39013137aac6d404f518cfd46840647e78bf"
    "e706ca4cf5e9c5453e9f7cfd2b8b4c8d169a44e55c88d4a9a7f9474241e221af44860018ab0856972e194cd934";
static const char server_payload[] =
    "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a1200130100002e0033"
    "0024001d00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00020304";
static const char server_packet[] =
    "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4c"
    "f73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7a"
    "af2f58891850abbdca3d20398c276456cbc42158407dd074ee";
static const char retry_packet[] =
    "ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba";

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    for (; hex[0] != 0; hex += 2)
        out[n++] = (uint8_t)(hf_hex_digit((uint8_t)hex[0]) << 4 | hf_hex_digit((uint8_t)hex[1]));
    return n;
}

static void assert_hex(const uint8_t *got, const char *hex)
{
    uint8_t want[1500];
    const size_t n = unhex(hex, want);
    assert_memory_equal(got, want, n);
}

static void initial_packets_are_those_of_rfc_9001(void **state)
{
    (void)state;
    rig r;
    uint8_t id[8], packet[1500], want[1500];
    rig_open(&r, 1);
    unhex("8394c8f03e515708", id);
    const hf_cid dcid = hf_cid_make(hf_bytes_make(id, 8));
    hf_quic_keys client = { 0 }, server = { 0 };
    assert_true(hf_quic_keys_initial(&client, &server, r.crypto, HF_QUIC_V1, &dcid, false));
    assert_hex(client.secret, "c00cf151ca5be075ed0ebfb5c80323c42d6b7db67881289af4008f1f6c357aea");
    assert_hex(client.aead.key, "1f369613dd76d5467730efcbe3b1a22d");
    assert_hex(client.iv, "fa044b2f42a3fd3b46fb255c");
    assert_hex(client.mask.key, "9f50449e04a0e810283a1e9933adedd2");
    assert_hex(server.secret, "3c199828fd139efd216c155ad844cc81fb82fa8d7446fa7d78be803acdda951b");
    assert_hex(server.aead.key, "cf3a5331653c364c88f0f379b6067e37");
    assert_hex(server.mask.key, "c206b8d9b9f0f37644430b490eeaa314");
    /* A.2: the client's, sealed by us */
    hf_writer w = hf_writer_make(packet, sizeof packet);
    size_t length_at;
    const hf_cid none = { 0 };
    hf_quic_write_long(&w, HF_QUIC_V1, HF_QUIC_INITIAL, 4, &dcid, &none, hf_bytes_make(NULL, 0), &length_at);
    const size_t number_at = w.length;
    hf_write_number(&w, 2, 4);
    w.length += unhex(client_payload, packet + w.length);
    memset(packet + w.length, 0, 1500 - w.length);
    w.length = number_at + 4 + 1162;
    hf_put_varint2(packet + length_at, w.length + 16 - number_at);
    assert_true(hf_quic_seal(&client, 2, packet, number_at, 4, w.length));
    assert_int_equal(unhex(client_packet, want), w.length + 16);
    assert_memory_equal(packet, want, w.length + 16);
    /* A.3: the server's, opened by a client */
    const size_t n = unhex(server_packet, packet);
    hf_quic_header h;
    assert_int_equal(hf_quic_header_read(hf_bytes_make(packet, n), 0, &h).code, 0);
    assert_int_equal(h.kind, HF_QUIC_INITIAL);
    assert_int_equal(h.length, n);
    unsigned number_length;
    uint64_t truncated;
    assert_true(hf_quic_unmask(&server.mask, (hf_span){ packet, n }, h.number_at, &number_length, &truncated));
    assert_int_equal(truncated, 1);
    assert_int_equal(number_length, 2);
    assert_true(hf_quic_open_packet(&server, 1, (hf_span){ packet, n }, h.number_at + 2));
    assert_hex(packet + h.number_at + 2, server_payload);
    packet[n - 1] ^= 1;
    assert_false(hf_quic_open_packet(&server, 1, (hf_span){ packet, n }, h.number_at + 2));
    /* A.4 */
    uint8_t tag[16];
    const size_t retry = unhex(retry_packet, packet);
    assert_true(hf_quic_retry_tag(r.crypto, HF_QUIC_V1, &dcid, hf_bytes_make(packet, retry - 16), tag));
    assert_memory_equal(tag, packet + retry - 16, 16);
    hf_quic_keys_fini(&client);
    hf_quic_keys_fini(&server);
    rig_close(&r);
}

static void the_chacha_packet_is_that_of_rfc_9001(void **state)
{
    (void)state;
    rig r;
    uint8_t secret[32], packet[64] = { 0x42, 0x00, 0xbf, 0xf4, 0x01 };
    rig_open(&r, 1);
    unhex("9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b", secret);
    const hf_suite suite = { .hash = HF_HASH_SHA256, .aead = HF_AEAD_CHACHA20_POLY1305 };
    hf_quic_keys k = { 0 }, next = { 0 };
    assert_true(hf_quic_keys_set(&k, r.crypto, HF_QUIC_V1, &suite, true, secret));
    assert_hex(k.aead.key, "c6d98ff3441c3fe1b2182094f69caa2ed4b716b65488960a7a984979fb23e1c8");
    assert_hex(k.mask.key, "25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4");
    assert_true(hf_quic_keys_next(&k, &next));
    assert_hex(next.secret, "1223504755036d556342ee9361d253421a826c9ecdf3c7148684b36b714881f9");
    assert_true(hf_quic_seal(&k, 654360564, packet, 1, 3, 5));
    assert_hex(packet, "4cfe4189655e5cd55c41f69080575d7999c25a5bfb");
    hf_quic_keys_fini(&k);
    hf_quic_keys_fini(&next);
    rig_close(&r);
}

static void numbers_are_those_of_rfc_9000(void **state)
{
    (void)state;
    /* RFC 9000 A.1 */
    static const struct { const char *hex; uint64_t n; } rows[] = {
        { "c2197c5eff14e88c", UINT64_C(151288809941952652) }, { "9d7f3e7d", 494878333 }, { "7bbd", 15293 }, { "25", 37 }, { "4025", 37 },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        uint8_t bytes[8], again[8];
        const size_t length = unhex(rows[i].hex, bytes);
        hf_reader r = hf_reader_make(hf_bytes_make(bytes, length));
        assert_true(hf_read_varint(&r) == rows[i].n && hf_reader_done(&r));
        hf_reader cut = hf_reader_make(hf_bytes_make(bytes, length - 1));
        (void)hf_read_varint(&cut);
        assert_true(cut.bad);
        hf_writer w = hf_writer_make(again, sizeof again);
        hf_write_varint(&w, rows[i].n);
        if (i < 4)
            assert_true(w.length == length && memcmp(again, bytes, length) == 0);
    }
    /* A.2 and A.3 */
    assert_int_equal(hf_quic_number_length(0xac5c02, 0xabe8b3), 2);
    assert_int_equal(hf_quic_number_length(0xace8fe, 0xabe8b3), 3);
    assert_true(hf_quic_number_decode(0xa82f30eb, 0x9b32, 2) == 0xa82f9b32);
    for (uint64_t next = 1; next < 100000; next += 37)
        for (uint64_t n = next > 60 ? next - 60 : 0; n < next + 60; n++)
            assert_true(hf_quic_number_decode(next, n & 0xff, 1) == n);
}

static hf_err read_hex(const char *hex, hf_frame *f)
{
    static uint8_t bytes[200]; /* the frame lends it */
    hf_reader r = hf_reader_make(hf_bytes_make(bytes, unhex(hex, bytes)));
    return hf_frame_read(&r, f);
}

static void malformed_frames_are_refused(void **state)
{
    (void)state;
    static const struct { const char *hex; int32_t code; } rows[] = {
        { "21", HF_ERR_QUIC_FRAME_TYPE },            /* unknown */
        { "4001", HF_ERR_QUIC_FRAME_TYPE },          /* PING, not as short as it could be */
        { "0200000001", HF_ERR_QUIC_FRAME },         /* ACK below zero */
        { "02050001000500", HF_ERR_QUIC_FRAME },     /* a gap below zero */
        { "06004005aa", HF_ERR_QUIC_FRAME },         /* CRYPTO cut off */
        { "0700", HF_ERR_QUIC_FRAME },               /* NEW_TOKEN without one */
        { "06ffffffffffffffff02aabb", HF_ERR_QUIC_FRAME }, /* beyond 2^62 - 1 */
        { "12d000000000000001", HF_ERR_QUIC_FRAME }, /* MAX_STREAMS above 2^60 */
        { "1801020811", HF_ERR_QUIC_FRAME },         /* retire prior to above the sequence number */
        { "18010000", HF_ERR_QUIC_FRAME },           /* an empty id */
        { "1a0102", HF_ERR_QUIC_FRAME },             /* PATH_CHALLENGE cut off */
        { "04", HF_ERR_QUIC_FRAME },
    };
    hf_frame f;
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        assert_int_equal(read_hex(rows[i].hex, &f).code, rows[i].code);
    assert_int_equal(read_hex("0a0403aabbcc", &f).code, 0);
    assert_true(f.kind == HF_FRAME_STREAM && f.id == 4 && f.offset == 0 && f.bytes.len == 3 && !f.fin);
    assert_true(hf_frame_fits(HF_FRAME_CRYPTO, HF_QUIC_INITIAL) && !hf_frame_fits(HF_FRAME_STREAM, HF_QUIC_HANDSHAKE));
    assert_true(!hf_frame_fits(HF_FRAME_CLOSE_APPLICATION, HF_QUIC_INITIAL) && hf_frame_fits(HF_FRAME_CLOSE, HF_QUIC_INITIAL));
}

static void an_acknowledgement_walks_its_ranges(void **state)
{
    (void)state;
    hf_frame f;
    hf_ack_walk walk = { 0 };
    uint64_t from, to;
    assert_int_equal(read_hex("020a0001010001", &f).code, 0); /* 9 and 10, without 8, 6 and 7 */
    assert_true(hf_ack_next(&f.ack, &walk, &from, &to) && from == 9 && to == 11);
    assert_true(hf_ack_next(&f.ack, &walk, &from, &to) && from == 6 && to == 8);
    assert_int_equal(read_hex("020a0001010002", &f).code, 0);
}

static void parameters_are_held_to_their_bounds(void **state)
{
    (void)state;
    static const struct { const char *hex; bool server, good; } rows[] = {
        { "", false, true }, { "0102445c", false, true }, { "01014001014001", false, false } /* twice */,
        { "030244af", false, false } /* 1199 bytes */, { "0a0115", false, false } /* exponent 21 */, { "0b0480004000", false, false },
        { "0e0101", false, false }, { "0c0101", false, false }, { "020411223344", true, false },
        { "0008aabbccddaabbccdd", false, false } /* only a server says it */, { "0008aabbccddaabbccdd", true, true },
        { "0104", false, false } /* cut off */, { "1b0400000000", false, true } /* unknown */,
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        uint8_t bytes[64];
        hf_quic_params p;
        const char *wanted = NULL;
        const hf_err err = hf_quic_params_read(hf_bytes_make(bytes, unhex(rows[i].hex, bytes)), rows[i].server, &p, &wanted);
        if ((err.code == 0) != rows[i].good)
            fail_msg("parameters row %d", (int)i);
    }
}

static void ranges_are_a_set(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 3);
    hf_ranges r = { 0 };
    bool model[200] = { false };
    for (int round = 0; round < 20000; round++) {
        const uint64_t from = hf_random_below(&w.random, 190), to = from + hf_random_below(&w.random, 10);
        const bool adding = hf_random_chance(&w.random, 600000);
        assert_true(adding ? hf_ranges_add(&r, &w.env.alloc, from, to) : hf_ranges_remove(&r, &w.env.alloc, from, to));
        for (uint64_t n = from; n < to; n++)
            model[n] = adding;
        for (uint32_t i = 0; i < r.count; i++) {
            assert_true(r.at[i].from < r.at[i].to);
            assert_true(i == 0 || r.at[i - 1].to < r.at[i].from);
        }
        const uint64_t n = hf_random_below(&w.random, 200);
        assert_true(hf_ranges_has(&r, n) == model[n]);
    }
    hf_ranges_fini(&r, &w.env.alloc);
    hf_test_world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_packets_are_those_of_rfc_9001),
        cmocka_unit_test(the_chacha_packet_is_that_of_rfc_9001),
        cmocka_unit_test(numbers_are_those_of_rfc_9000),
        cmocka_unit_test(malformed_frames_are_refused),
        cmocka_unit_test(an_acknowledgement_walks_its_ranges),
        cmocka_unit_test(parameters_are_held_to_their_bounds),
        cmocka_unit_test(ranges_are_a_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
