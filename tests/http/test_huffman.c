/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#include "huffman.h"
#include "random.h"

/* Decodes out of a block of exactly its size into one of exactly the room that is promised to be enough. */
static bool decodes(const void *code, size_t length, const void *text, size_t text_length)
{
    uint8_t *from = malloc(length + 1), *to = malloc(hf_huffman_most(length) + 1);
    memcpy(from, code, length);
    uint8_t *const end = malloc(hf_huffman_most(length) > 0 ? hf_huffman_most(length) : 1);
    size_t n = 0;
    const bool good = hf_huffman_decode(hf_bytes_make(from, length), end, &n);
    const bool same = good && n == text_length && memcmp(end, text, n) == 0;
    free(from);
    free(to);
    free(end);
    return same;
}

static void it_decodes_the_examples_of_rfc_7541_c(void **state)
{
    (void)state;
    assert_true(decodes("\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff", 12, "www.example.com", 15));
    assert_true(decodes("\xa8\xeb\x10\x64\x9c\xbf", 6, "no-cache", 8));
    assert_true(decodes("\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3", 17, "https://www.example.com", 23));
    assert_true(decodes("", 0, "", 0));
}

static void every_symbol_goes_there_and_back(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++)
        for (size_t n = 1; n < 24; n++) {
            uint8_t text[24], code[24 * 4];
            memset(text, (int)c, n);
            const size_t length = hf_huffman_encode(hf_bytes_make(text, n), code, sizeof code);
            assert_true(decodes(code, length, text, n));
        }
}

static void it_writes_no_more_than_it_may(void **state)
{
    (void)state;
    hf_random random;
    hf_random_seed(&random, 4);
    for (int i = 0; i < 5000; i++) {
        uint8_t text[40], code[160], again[160];
        const size_t n = 1 + (size_t)hf_random_below(&random, sizeof text);
        for (size_t k = 0; k < n; k++)
            text[k] = (uint8_t)(hf_random_chance(&random, 900000) ? 'a' + hf_random_below(&random, 26) : hf_random_below(&random, 256));
        const size_t length = hf_huffman_encode(hf_bytes_make(text, n), code, sizeof code);
        assert_true(length > 0);
        memset(again, 0xa5, sizeof again);
        const size_t less = (size_t)hf_random_below(&random, length);
        assert_int_equal(hf_huffman_encode(hf_bytes_make(text, n), again, less), 0);
        for (size_t k = less; k < sizeof again; k++)
            assert_int_equal(again[k], 0xa5);
        assert_int_equal(hf_huffman_encode(hf_bytes_make(text, n), again, length), length);
        assert_memory_equal(again, code, length);
        assert_int_equal(again[length], 0xa5);
    }
}

static void any_text_goes_there_and_back(void **state)
{
    (void)state;
    hf_random random;
    hf_random_seed(&random, 3);
    for (int i = 0; i < 20000; i++) {
        uint8_t text[200], code[800];
        const size_t n = (size_t)hf_random_below(&random, sizeof text);
        const bool plain = hf_random_chance(&random, 500000);
        for (size_t k = 0; k < n; k++)
            text[k] = (uint8_t)(plain ? 'a' + hf_random_below(&random, 26) : hf_random_below(&random, 256));
        const size_t length = hf_huffman_encode(hf_bytes_make(text, n), code, sizeof code);
        assert_true(decodes(code, length, text, n));
    }
}

static bool is_code(const void *code, size_t length)
{
    uint8_t to[256];
    size_t n;
    return hf_huffman_decode(hf_bytes_make(code, length), to, &n);
}

static void padding_is_at_most_seven_ones(void **state)
{
    (void)state;
    assert_true(is_code("\x07", 1));          /* "0", 111 */
    assert_false(is_code("\x06", 1));         /* "0", 110 */
    assert_false(is_code("\x00", 1));         /* "0", 000 */
    assert_false(is_code("\xff", 1));         /* nothing but padding */
    assert_false(is_code("\x07\xff", 2));     /* eight bits more */
    assert_true(is_code("\xf8", 1));          /* '&', a code of eight bits */
    assert_false(is_code("\xf8\xff", 2));
    assert_false(is_code("\xf8\xf8\xf8\xf8\xf8\xf8\xf8\xf8\xf8\xf8\xff", 11));
}

static void eos_is_refused(void **state)
{
    (void)state;
    assert_false(is_code("\xff\xff\xff\xff", 4));
    assert_false(is_code("\x07\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 13)); /* on the fast path as well */
}

/* A slow decoder, bit by bit, must agree with the fast one about every short input. */
static void it_agrees_with_a_decoder_by_bits(void **state)
{
    (void)state;
    uint8_t code[256][4];
    size_t bits[256];
    for (unsigned c = 0; c < 256; c++) { /* the length in bits: how much eight of them take, in bytes */
        uint8_t text[8], eight[32];
        memset(text, (int)c, 8);
        bits[c] = hf_huffman_encode(hf_bytes_make(text, 8), eight, sizeof eight);
        hf_huffman_encode(hf_bytes_make(text, 1), eight, sizeof eight);
        memcpy(code[c], eight, 4);
    }
    hf_random random;
    hf_random_seed(&random, 5);
    for (int i = 0; i < 3000; i++) {
        uint8_t in[12], fast[32], slow[32];
        const size_t n = 1 + (size_t)hf_random_below(&random, sizeof in);
        for (size_t k = 0; k < n; k++)
            in[k] = (uint8_t)(hf_random_chance(&random, 300000) ? 0xff : hf_random_below(&random, 256));
        size_t at = 0, length = 0, got = 0;
        for (bool found = true; found;) {
            found = false;
            for (unsigned c = 0; c < 256 && !found; c++) {
                bool same = at + bits[c] <= n * 8;
                for (size_t b = 0; same && b < bits[c]; b++)
                    same = (code[c][b / 8] >> (7 - b % 8) & 1) == (in[(at + b) / 8] >> (7 - (at + b) % 8) & 1);
                if (same) {
                    slow[length++] = (uint8_t)c;
                    at += bits[c];
                    found = true;
                }
            }
        }
        bool good = n * 8 - at < 8;
        for (size_t b = at; b < n * 8; b++)
            good = good && (in[b / 8] >> (7 - b % 8) & 1) == 1;
        assert_int_equal(hf_huffman_decode(hf_bytes_make(in, n), fast, &got), good);
        if (good) {
            assert_int_equal(got, length);
            assert_memory_equal(fast, slow, length);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_decodes_the_examples_of_rfc_7541_c),
        cmocka_unit_test(every_symbol_goes_there_and_back),
        cmocka_unit_test(it_writes_no_more_than_it_may),
        cmocka_unit_test(any_text_goes_there_and_back),
        cmocka_unit_test(padding_is_at_most_seven_ones),
        cmocka_unit_test(eos_is_refused),
        cmocka_unit_test(it_agrees_with_a_decoder_by_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
