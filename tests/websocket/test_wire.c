/* SPDX-License-Identifier: Apache-2.0
 *
 * Masks, UTF-8, heads of frames and the table of states: what has no state of a connection.
 */
#include "rig.h"

#include "crypto_core.h"
#include "random.h"
#include "websocket_mask.h"
#include "websocket_state.h"
#include "websocket_utf8.h"

static void a_mask_is_the_same_at_every_length_place_and_phase(void **state)
{
    (void)state;
    static const uint8_t key[4] = { 0x12, 0xa5, 0xff, 0x01 };
    uint8_t from[300], to[300];
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (uint8_t)(i * 7);
    for (size_t n = 0; n <= 200; n++)
        for (size_t phase = 0; phase < 5; phase++) {
            const size_t place = n % 9;
            memset(to, 0xcc, sizeof to);
            hf_websocket_mask(to + place, from + 1, n, key, phase);
            for (size_t i = 0; i < n; i++)
                assert_int_equal(to[place + i], from[1 + i] ^ key[(phase + i) % 4]);
            assert_int_equal(to[place + n], 0xcc);
            hf_websocket_mask(to + place, to + place, n, key, phase);
            assert_memory_equal(to + place, from + 1, n);
        }
}

/* RFC 3629 4, written as plainly as can be: the index of the first bad byte, or that of the character that is not whole. */
static size_t plain_utf8(const uint8_t *p, size_t n, bool *whole)
{
    size_t i = 0;
    *whole = true;
    while (i < n) {
        const uint8_t c = p[i];
        const size_t length = c < 0x80 ? 1 : c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
        if (length == 0)
            return i;
        for (size_t k = 1; k < length; k++) {
            if (i + k == n) {
                *whole = false;
                return n;
            }
            const uint8_t low = k > 1 ? 0x80 : c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
            const uint8_t high = k > 1 ? 0xbf : c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
            if (p[i + k] < low || p[i + k] > high)
                return i + k;
        }
        i += length;
    }
    return n;
}

static void utf8_agrees_with_the_plain_reading_of_the_rfc(void **state)
{
    (void)state;
    static const char *const parts[] = { "a", "0123456789abcdef0123456789abcdef", "\xc2\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf", "\xef\xbf\xbf",
                                         "\xf4\x8f\xbf\xbf", "\xe0\xa0\x80", "\x80", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xe2\x82" };
    hf_random random;
    hf_random_seed(&random, 11);
    size_t goods = 0, bads = 0;
    for (int turn = 0; turn < 20000; turn++) {
        uint8_t text[400];
        size_t n = 0, cut;
        bool whole;
        const uint64_t kinds = turn % 2 == 0 ? 9 : HF_COUNT(parts);
        while (n < 300 && !hf_random_chance(&random, 60000)) {
            const char *const part = parts[hf_random_below(&random, kinds)];
            memcpy(text + n, part, strlen(part));
            n += strlen(part);
        }
        const size_t want = plain_utf8(text, n, &whole);
        hf_utf8 u = { 0 };
        cut = n > 0 ? (size_t)hf_random_below(&random, n + 1) : 0;
        size_t got = hf_utf8_check(&u, text, cut);
        if (got == cut)
            got += hf_utf8_check(&u, text + cut, n - cut);
        assert_int_equal(got, want);
        if (got == n)
            assert_int_equal(hf_utf8_is_whole(&u), whole);
        goods += got == n;
        bads += got < n;
    }
    assert_true(goods > 5000 && bads > 5000);
}

static void every_head_is_read_as_it_was_written(void **state)
{
    (void)state;
    static const uint64_t lengths[] = { 0, 1, 125, 126, 127, 65535, 65536, 1u << 31, UINT64_C(1) << 40, INT64_MAX };
    for (size_t i = 0; i < HF_COUNT(lengths); i++)
        for (int masked = 0; masked < 2; masked++) {
            hf_websocket_frame f = { .opcode = 2, .fin = i % 2, .rsv = 4, .masked = masked, .length = lengths[i], .key = { 1, 2, 3, 4 } }, g;
            uint8_t head[HF_WEBSOCKET_HEAD_MOST];
            const size_t n = hf_websocket_frame_write(head, &f);
            for (size_t k = 0; k < n; k++) {
                assert_int_equal(hf_websocket_frame_parse(hf_bytes_make(head, k), &g), HF_WEBSOCKET_FORM_SHORT);
                assert_in_range(g.head, k + 1, n);
            }
            assert_int_equal(hf_websocket_frame_parse(hf_bytes_make(head, n), &g), HF_WEBSOCKET_FORM_GOOD);
            assert_true(g.head == n && g.length == f.length && g.opcode == 2 && g.fin == f.fin && g.rsv == 4 && g.masked == f.masked);
            if (masked)
                assert_memory_equal(g.key, f.key, 4);
        }
}

static void a_length_has_one_form_only(void **state)
{
    (void)state;
    static const hf_bytes bad[] = { HF_LITERAL("\x82\x7e\x00\x7d"), HF_LITERAL("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"), HF_LITERAL("\x82\x7f\x80\x00\x00\x00\x00\x01\x00\x00") };
    hf_websocket_frame f;
    for (size_t i = 0; i < HF_COUNT(bad); i++)
        assert_int_equal(hf_websocket_frame_parse(bad[i], &f), HF_WEBSOCKET_FORM_LENGTH);
}

static void the_states_move_as_rfc_6455_7_says(void **state)
{
    (void)state;
    assert_int_equal(hf_websocket_after(HF_WEBSOCKET_OPEN, HF_WEBSOCKET_MOVE_CLOSE), HF_WEBSOCKET_CLOSING);
    assert_int_equal(hf_websocket_after(HF_WEBSOCKET_OPEN, HF_WEBSOCKET_MOVE_END), HF_WEBSOCKET_ENDED);
    assert_int_equal(hf_websocket_after(HF_WEBSOCKET_OPEN, HF_WEBSOCKET_MOVE_FAIL), HF_WEBSOCKET_FAILED);
    assert_int_equal(hf_websocket_after(HF_WEBSOCKET_CLOSING, HF_WEBSOCKET_MOVE_END), HF_WEBSOCKET_ENDED);
    assert_int_equal(hf_websocket_after(HF_WEBSOCKET_CLOSING, HF_WEBSOCKET_MOVE_FAIL), HF_WEBSOCKET_FAILED);
    assert_int_equal(hf_websocket_after(HF_WEBSOCKET_CLOSING, HF_WEBSOCKET_MOVE_CLOSE), HF_WEBSOCKET_NOWHERE);
    for (int move = 0; move < HF_WEBSOCKET_MOVES; move++) {
        assert_int_equal(hf_websocket_after(HF_WEBSOCKET_ENDED, (hf_websocket_move)move), HF_WEBSOCKET_NOWHERE);
        assert_int_equal(hf_websocket_after(HF_WEBSOCKET_FAILED, (hf_websocket_move)move), HF_WEBSOCKET_NOWHERE);
    }
}

static void a_length_in_a_longer_form_than_it_needs_ends_the_connection(void **state)
{
    (void)state;
    static const uint8_t frames[][14] = { { 0x82, 0x80 | 126, 0, 5 }, { 0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0, 1, 0 }, { 0x82, 0x80 | 127, 0x80 } };
    for (size_t i = 0; i < HF_COUNT(frames); i++) {
        hf_test_world world;
        rig r;
        uint32_t count = 0;
        hf_test_world_init(&world, 1);
        const hf_entropy entropy = { rig_entropy, &count };
        hf_crypto *const crypto = hf_crypto_new(&world.env, &entropy);
        const hf_websocket_options options = { .crypto = crypto };
        assert_true(rig_open(&r, &world.env, true, RIG_ECHO, &options));
        rig_feed(&r, frames[i], sizeof frames[i], false);
        assert_int_equal(r.last, HF_FAULT);
        assert_int_equal(hf_websocket_fault(r.w)->err.code, HF_ERR_WEBSOCKET_LENGTH);
        rig_close(&r);
        hf_crypto_free(crypto);
        hf_test_world_fini(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mask_is_the_same_at_every_length_place_and_phase),
        cmocka_unit_test(a_length_in_a_longer_form_than_it_needs_ends_the_connection),
        cmocka_unit_test(utf8_agrees_with_the_plain_reading_of_the_rfc),
        cmocka_unit_test(every_head_is_read_as_it_was_written),
        cmocka_unit_test(a_length_has_one_form_only),
        cmocka_unit_test(the_states_move_as_rfc_6455_7_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
