/* SPDX-License-Identifier: Apache-2.0
 *
 * permessage-deflate: the examples of RFC 7692 7.2.3, and groups 12 and 13 of the Autobahn numbering: sizes, windows and
 * contexts in all combinations, our client against our server, and our compressor against a plain inflate.
 */
#include "rig.h"

#include <zlib.h>

#include "random.h"

static const hf_websocket_deflate on = { .on = true };

typedef struct talk {
    hf_test_world world;
    uint32_t count;
    hf_entropy entropy;
    hf_crypto *crypto;
    rig r;
    bytes wire;
} talk;

static void talk_begin(talk *t, bool server, rig_app app, const hf_websocket_deflate *agreed)
{
    memset(t, 0, sizeof *t);
    hf_test_world_init(&t->world, 1);
    t->entropy = (hf_entropy){ rig_entropy, &t->count };
    t->crypto = hf_crypto_new(&t->world.env, &t->entropy);
    const hf_websocket_options options = { .deflate = *agreed, .crypto = t->crypto };
    assert_true(rig_open(&t->r, &t->world.env, server, app, &options));
}

static void talk_end(talk *t)
{
    bytes_free(&t->wire);
    rig_close(&t->r);
    hf_crypto_free(t->crypto);
    hf_test_world_fini(&t->world);
}

static void heard(rig_app app, size_t count, const hf_bytes *frames, const uint8_t *firsts, const char *log)
{
    for (int way = 0; way < 4; way++) {
        talk t;
        talk_begin(&t, (way & 1) != 0, app, &on);
        for (size_t i = 0; i < count; i++)
            peer_frame(&t.wire, (way & 1) != 0, firsts[i], frames[i]);
        rig_feed_cut(&t.r, hf_bytes_make(t.wire.ptr, t.wire.len), false, (way & 2) != 0 ? cut_by_one : NULL, NULL);
        assert_string_equal(t.r.log, log);
        talk_end(&t);
    }
}

static void the_examples_of_the_rfc_are_understood(void **state)
{
    (void)state;
    static const hf_bytes one = HF_LITERAL("\xf2\x48\xcd\xc9\xc9\x07\x00"), first = HF_LITERAL("\xf2\x48\xcd"), rest = HF_LITERAL("\xc9\xc9\x07\x00"),
                          again = HF_LITERAL("\xf2\x00\x11\x00\x00"), stored = HF_LITERAL("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
                          final = HF_LITERAL("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), two = HF_LITERAL("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00");
    const hf_bytes fragments[] = { first, rest }, twice[] = { one, one }, back[] = { one, again }, finals[] = { final, one, again };
    static const uint8_t c1[] = { 0xc1, 0xc1, 0xc1 }, cut[] = { 0x41, 0x80 };
    for (int app = RIG_ECHO; app <= RIG_PIECES; app++) {
        heard((rig_app)app, 1, &one, c1, "MESSAGE text Hello\n");                                    /* 7.2.3.1 */
        heard((rig_app)app, 2, fragments, cut, "MESSAGE text Hello\n");
        heard((rig_app)app, 2, twice, c1, "MESSAGE text Hello\nMESSAGE text Hello\n");               /* 7.2.3.2 */
        heard((rig_app)app, 2, back, c1, "MESSAGE text Hello\nMESSAGE text Hello\n");                /* the window is shared */
        heard((rig_app)app, 1, &stored, c1, "MESSAGE text Hello\n");                                 /* 7.2.3.3 */
        heard((rig_app)app, 1, &final, c1, "MESSAGE text Hello\n");                                  /* 7.2.3.4: BFINAL */
        heard((rig_app)app, 3, finals, c1, "MESSAGE text Hello\nMESSAGE text Hello\nMESSAGE text Hello\n");
        heard((rig_app)app, 1, &two, c1, "MESSAGE text Hello\n");                                    /* 7.2.3.5: two blocks */
    }
}

static void we_say_hello_as_the_rfc_does(void **state)
{
    (void)state;
    talk t;
    talk_begin(&t, true, RIG_SINK, &on);
    hf_websocket_free(t.r.w);
    const hf_websocket_options options = { .deflate = on, .compress_from = 1 };
    t.r.w = hf_websocket_server_new(&t.world.env, 1, &options, t.r.now);
    for (int i = 0; i < 2; i++)
        assert_int_equal(hf_websocket_send(t.r.w, HF_WEBSOCKET_TEXT, hf_text("Hello")).code, 0);
    rig_emit(&t.r);
    assert_true(hf_bytes_equal(hf_bytes_make(t.r.out.ptr, t.r.out.len), (hf_bytes)HF_LITERAL("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00" "\xc1\x05\xf2\x00\x11\x00\x00")));
    talk_end(&t);
}

/* Half like text, half like noise, the same for the same seed. */
static void make_message(uint8_t *to, size_t n, hf_random *random)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)(i % 200 < 150 ? "the quick brown fox jumps over a lazy dog "[(i + i / 997) % 42] : (char)('a' + (int)hf_random_below(random, 26)));
}

/* 12 and 13: what one side says arrives at the other, message after message. */
static void exchange(const hf_websocket_deflate *agreed, size_t size, size_t count, rig_app app, size_t fragment)
{
    talk client, server;
    hf_random random;
    uint8_t *const message = malloc(size + 1);
    hf_random_seed(&random, size);
    talk_begin(&server, true, app, agreed);
    talk_begin(&client, false, RIG_SINK, agreed);
    for (size_t i = 0; i < count; i++) {
        make_message(message, size, &random);
        assert_int_equal(hf_websocket_send(client.r.w, HF_WEBSOCKET_TEXT, hf_bytes_make(message, size)).code, 0);
        rig_emit(&client.r);
        rig_feed_cut(&server.r, hf_bytes_make(client.r.out.ptr, client.r.out.len), false, NULL, NULL);
        rig_emit(&server.r);
        const size_t before = client.r.message_bytes;
        bytes echo = { 0 };
        bytes_add(&echo, server.r.out.ptr, server.r.out.len);
        if (size >= 1024)
            assert_true(echo.len < size);
        rig_feed_cut(&client.r, hf_bytes_make(echo.ptr, echo.len), false, fragment > 0 ? cut_by_one : NULL, NULL);
        if (client.r.message_bytes - before != size || client.r.messages != i + 1)
            fail_msg("message %zu of %zu bytes came back as %zu: %s", i, size, client.r.message_bytes - before, client.r.log);
        if (size < 300 && i == 0) /* and as what it was */
            assert_true(memcmp(client.r.log + strlen("MESSAGE text "), message, size) == 0);
        client.r.out.len = server.r.out.len = 0;
        bytes_free(&echo);
    }
    free(message);
    talk_end(&client);
    talk_end(&server);
}

static void cases_12_and_13_every_size_in_every_agreement(void **state)
{
    (void)state;
    static const hf_websocket_deflate agreements[] = {
        { .on = true },
        { .on = true, .server_no_context_takeover = true },
        { .on = true, .client_no_context_takeover = true, .server_no_context_takeover = true },
        { .on = true, .server_window_bits = 9, .client_window_bits = 9 },
        { .on = true, .server_window_bits = 8, .client_window_bits = 8 },
        { .on = true, .server_window_bits = 9, .server_no_context_takeover = true, .client_window_bits = 12 },
        { .on = true, .server_window_bits = 15, .client_window_bits = 15, .client_no_context_takeover = true },
    };
    static const size_t sizes[] = { 16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072 };
    for (size_t a = 0; a < HF_COUNT(agreements); a++)
        for (size_t s = 0; s < HF_COUNT(sizes); s++)
            exchange(&agreements[a], sizes[s], sizes[s] <= 4096 ? 50 : 6, s % 2 == 0 ? RIG_ECHO : RIG_PIECES, s == 5);
}

/* zlib's window of 9 bits must do for the 8 that a peer may ask for: it reaches back no further than 256 bytes. A plain
 * inflate with exactly that window, one byte of output at a time, would say so if it did. */
static void a_window_of_8_bits_is_kept(void **state)
{
    (void)state;
    static const hf_websocket_deflate narrow = { .on = true, .server_window_bits = 8 };
    talk t;
    hf_random random;
    static uint8_t message[60000], back[60000];
    hf_random_seed(&random, 5);
    talk_begin(&t, true, RIG_SINK, &narrow);
    for (size_t i = 0; i < sizeof message; i++) /* much repeats at distances about 256 */
        message[i] = i > 300 && !hf_random_chance(&random, 100000) ? message[i - 240 - hf_random_below(&random, 30)] : (uint8_t)hf_random_next(&random);
    assert_int_equal(hf_websocket_send(t.r.w, HF_WEBSOCKET_BINARY, hf_bytes_make(message, sizeof message)).code, 0);
    rig_emit(&t.r);
    size_t at = 0;
    uint8_t first = 0;
    hf_bytes payload = { NULL, 0 };
    assert_true(peer_read(&t.r, &at, &first, &payload) && first == 0xc2);
    z_stream z = { 0 };
    assert_int_equal(inflateInit2(&z, -8), Z_OK);
    z.next_in = (uint8_t *)(uintptr_t)payload.ptr;
    z.avail_in = (unsigned)payload.len;
    for (size_t i = 0; i < sizeof back; i++) {
        z.next_out = back + i;
        z.avail_out = 1;
        assert_int_equal(inflate(&z, Z_SYNC_FLUSH), Z_OK);
    }
    assert_memory_equal(message, back, sizeof back);
    inflateEnd(&z);
    talk_end(&t);
}

static void what_does_not_inflate_is_1007_and_what_grows_too_large_is_1009(void **state)
{
    (void)state;
    static const hf_bytes broken[] = { HF_LITERAL("\xff\xff\xff\xff"), HF_LITERAL("\x06\x00"), HF_LITERAL("\x00\x05\x00\x00\x00Hello") };
    for (int way = 0; way < 8; way++) {
        for (size_t i = 0; i < HF_COUNT(broken); i++) {
            talk t;
            talk_begin(&t, (way & 1) != 0, (way & 4) != 0 ? RIG_PIECES : RIG_ECHO, &on);
            peer_frame(&t.wire, (way & 1) != 0, 0xc2, broken[i]);
            rig_feed_cut(&t.r, hf_bytes_make(t.wire.ptr, t.wire.len), false, (way & 2) != 0 ? cut_by_one : NULL, NULL);
            assert_int_equal(t.r.last, HF_FAULT);
            assert_int_equal(hf_websocket_fault(t.r.w)->err.code, HF_ERR_WEBSOCKET_COMPRESSED);
            assert_int_equal(t.r.closed.code, HF_WEBSOCKET_BAD_DATA);
            talk_end(&t);
        }
    }
}

/* A megabyte of zeros is a kilobyte on the wire. */
static void a_bomb_is_defused_at_the_limit(void **state)
{
    (void)state;
    static uint8_t zeros[400000];
    for (int app = RIG_ECHO; app <= RIG_PIECES; app++) {
        talk sender, t;
        talk_begin(&sender, false, RIG_SINK, &on);
        talk_begin(&t, true, (rig_app)app, &on);
        t.world.limits.websocket_message_bytes = 100000;
        assert_int_equal(hf_websocket_send(sender.r.w, HF_WEBSOCKET_BINARY, hf_bytes_make(zeros, sizeof zeros)).code, 0);
        rig_emit(&sender.r);
        assert_true(sender.r.out.len < 2000);
        const size_t before = t.world.memory.held;
        rig_feed_cut(&t.r, hf_bytes_make(sender.r.out.ptr, sender.r.out.len), false, NULL, NULL);
        assert_int_equal(hf_websocket_fault(t.r.w)->err.code, HF_ERR_WEBSOCKET_MESSAGE_TOO_LARGE);
        assert_int_equal(t.r.closed.code, HF_WEBSOCKET_TOO_BIG);
        assert_int_equal(t.r.message_bytes, app == RIG_PIECES ? 100000 : 0);
        assert_true(t.world.memory.most < before + 1000000);
        talk_end(&t);
        talk_end(&sender);
    }
}

static void a_reserved_bit_needs_an_agreement_and_a_first_frame(void **state)
{
    (void)state;
    static const struct {
        uint8_t first[2];
        bool agreed;
    } cases[] = { { { 0xc1, 0 }, false }, { { 0x41, 0xc0 }, true }, { { 0xc9, 0 }, true }, { { 0xa1, 0 }, true } };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        talk t;
        const hf_websocket_deflate agreed = { .on = cases[i].agreed };
        talk_begin(&t, true, RIG_ECHO, &agreed);
        for (int k = 0; k < 2 && cases[i].first[k] != 0; k++)
            peer_frame(&t.wire, true, cases[i].first[k], hf_text(k == 0 ? "\xf2\x48" : "\xcd"));
        rig_feed_cut(&t.r, hf_bytes_make(t.wire.ptr, t.wire.len), false, NULL, NULL);
        assert_int_equal(hf_websocket_fault(t.r.w)->err.code, HF_ERR_WEBSOCKET_RESERVED);
        talk_end(&t);
    }
}

/* One message for many: those who agreed on compression understand it between their own, and those who did not as well. */
static void a_shared_message_fits_among_others(void **state)
{
    (void)state;
    static const char text[] = "a message for everybody, a message for everybody, and again a message for everybody here";
    for (int deflated = 0; deflated < 2; deflated++) {
        talk client, server;
        hf_websocket_shared shared;
        const hf_websocket_deflate agreed = { .on = deflated };
        talk_begin(&server, true, RIG_SINK, &agreed);
        talk_begin(&client, false, RIG_SINK, &agreed);
        assert_int_equal(hf_websocket_share(&server.world.env, HF_WEBSOCKET_TEXT, hf_text(text), deflated, &shared).code, 0);
        assert_true(deflated ? shared.len < strlen(text) : shared.len == strlen(text) + 2);
        assert_int_equal(hf_websocket_shares(server.r.w), deflated ? HF_WEBSOCKET_SHARED_DEFLATED : HF_WEBSOCKET_SHARED_PLAIN);
        assert_int_equal(hf_websocket_shares(client.r.w), HF_WEBSOCKET_SHARED_NOT);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(hf_websocket_send(server.r.w, HF_WEBSOCKET_TEXT, hf_text(text)).code, 0);
            assert_int_equal(hf_websocket_send_shared(server.r.w, &shared, i == 1 ? 9 : 0).code, 0);
        }
        rig_emit(&server.r);
        assert_int_equal(server.r.tokens, 9);
        rig_feed(&client.r, server.r.out.ptr, server.r.out.len, false);
        assert_int_equal(client.r.messages, 6);
        assert_int_equal(client.r.message_bytes, 6 * strlen(text));
        hf_websocket_shared_free(&server.world.env, &shared);
        talk_end(&client);
        talk_end(&server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_rfc_are_understood),
        cmocka_unit_test(we_say_hello_as_the_rfc_does),
        cmocka_unit_test(cases_12_and_13_every_size_in_every_agreement),
        cmocka_unit_test(a_window_of_8_bits_is_kept),
        cmocka_unit_test(what_does_not_inflate_is_1007_and_what_grows_too_large_is_1009),
        cmocka_unit_test(a_bomb_is_defused_at_the_limit),
        cmocka_unit_test(a_reserved_bit_needs_an_agreement_and_a_first_frame),
        cmocka_unit_test(a_shared_message_fits_among_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
