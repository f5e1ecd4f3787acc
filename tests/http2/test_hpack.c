/* SPDX-License-Identifier: Apache-2.0
 *
 * HPACK: the examples of RFC 7541 appendix C byte by byte, what must be refused, what must never be indexed, the public
 * stories both ways.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hpack.h"
#include "http2/story.h"
#include "random.h"

static hf_test_world w;
static hf_hpack_decoder decoder;
static hf_hpack_encoder encoder;
static hf_field_list list;

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    hf_hpack_decoder_init(&decoder, &w.env.alloc, 4096);
    hf_hpack_encoder_init(&encoder, &w.env.alloc, 4096);
    hf_field_list_init(&list, &w.env.alloc, w.limits.header_bytes, (uint32_t)w.limits.header_fields);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_hpack_decoder_fini(&decoder);
    hf_hpack_encoder_fini(&encoder);
    hf_field_list_fini(&list);
    hf_test_world_fini(&w);
    return 0;
}

static size_t unhex(const char *hex, uint8_t *to)
{
    size_t n = 0;
    for (; *hex != 0; hex++) {
        unsigned byte;
        if (*hex == ' ')
            continue;
        assert_int_equal(sscanf(hex++, "%2x", &byte), 1);
        to[n++] = (uint8_t)byte;
    }
    return n;
}

/* The block, in memory of exactly its size, gives these "name: value\n" lines. */
static void expect_decoded(const char *hex, const char *lines)
{
    uint8_t bytes[512];
    char got[1024];
    const size_t n = unhex(hex, bytes);
    uint8_t *const block = malloc(n);
    memcpy(block, bytes, n);
    hf_field_flaw flaw;
    size_t length = 0;
    assert_true(hf_hpack_decode(&decoder, hf_bytes_make(block, n), &list, &flaw));
    for (uint32_t i = 0; i < list.count; i++) {
        length += (size_t)sprintf(got + length, "%.*s: %.*s\n", HF_STR(list.at[i].name), HF_STR(list.at[i].value));
        assert_int_equal(list.at[i].id, hf_field_identify(list.at[i].name));
    }
    got[length] = 0;
    assert_string_equal(got, lines);
    free(block);
}

static void expect_table(uint32_t size, const char *lines)
{
    char got[1024];
    size_t length = 0;
    for (uint32_t age = 0; age < decoder.table.count; age++) {
        const hf_field f = hf_field_table_at(&decoder.table, age);
        length += (size_t)sprintf(got + length, "%.*s: %.*s\n", HF_STR(f.name), HF_STR(f.value));
    }
    got[length] = 0;
    assert_string_equal(got, lines);
    assert_int_equal(decoder.table.size, size);
}

static void expect_refused(const char *hex)
{
    uint8_t bytes[512];
    hf_field_flaw flaw;
    const size_t n = unhex(hex, bytes);
    hf_hpack_decoder d;
    hf_hpack_decoder_init(&d, &w.env.alloc, 4096);
    assert_false(hf_hpack_decode(&d, hf_bytes_make(bytes, n), &list, &flaw));
    assert_non_null(flaw.wanted);
    assert_false(flaw.memory);
    hf_hpack_decoder_fini(&d);
}

/* ---- RFC 7541, appendix C ----------------------------------------------------------------------------------- */

static void representations_are_those_of_c_2(void **state)
{
    (void)state;
    expect_decoded("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-key: custom-header\n");
    expect_table(55, "custom-key: custom-header\n");
    expect_decoded("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path\n");
    expect_decoded("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret\n");
    expect_decoded("82", ":method: GET\n");
    expect_table(55, "custom-key: custom-header\n");
}

#define C_REQUEST ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n"
static void requests_are_those_of_c_3_and_c_4(void **state)
{
    static const char *const blocks[2][3] = {
        { "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", "8286 84be 5808 6e6f 2d63 6163 6865",
          "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65" },
        { "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", "8286 84be 5886 a8eb 1064 9cbf",
          "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf" },
    };
    for (int i = 0; i < 2; i++) {
        expect_decoded(blocks[i][0], C_REQUEST);
        expect_table(57, ":authority: www.example.com\n");
        expect_decoded(blocks[i][1], C_REQUEST "cache-control: no-cache\n");
        expect_table(110, "cache-control: no-cache\n:authority: www.example.com\n");
        expect_decoded(blocks[i][2], ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\n"
                                     "custom-key: custom-value\n");
        expect_table(164, "custom-key: custom-value\ncache-control: no-cache\n:authority: www.example.com\n");
        tear_down(state);
        set_up(state);
    }
}

#define C_DATE "Mon, 21 Oct 2013 20:13:21 GMT\n"
#define C_COOKIE "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n"
static void responses_are_those_of_c_5_and_c_6(void **state)
{
    static const char *const blocks[2][3] = {
        { "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 "
          "7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
          "4803 3330 37c1 c0bf",
          "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 "
          "444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e "
          "3d31" },
        { "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 "
          "e9ae 82ae 43d3",
          "4883 640e ffc1 c0bf",
          "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b "
          "3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07" },
    };
    for (int i = 0; i < 2; i++) {
        hf_hpack_decoder_init(&decoder, &w.env.alloc, 256);
        expect_decoded(blocks[i][0], ":status: 302\ncache-control: private\ndate: " C_DATE "location: https://www.example.com\n");
        expect_table(222, "location: https://www.example.com\ndate: " C_DATE "cache-control: private\n:status: 302\n");
        expect_decoded(blocks[i][1], ":status: 307\ncache-control: private\ndate: " C_DATE "location: https://www.example.com\n");
        expect_table(222, ":status: 307\nlocation: https://www.example.com\ndate: " C_DATE "cache-control: private\n");
        expect_decoded(blocks[i][2], ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n"
                                     "location: https://www.example.com\ncontent-encoding: gzip\n" C_COOKIE);
        expect_table(215, C_COOKIE "content-encoding: gzip\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n");
        tear_down(state);
        set_up(state);
    }
}

/* ---- what is refused ---------------------------------------------------------------------------------------- */

static void blocks_that_break_the_rules_are_refused(void **state)
{
    (void)state;
    expect_refused("80");                       /* RFC 7541 6.1: index 0 */
    expect_refused("be");                       /* index 62 of an empty table */
    expect_refused("7f00 00");                  /* a name by an index that is not there */
    expect_refused("ff");                       /* an integer cut short */
    expect_refused("40");                       /* a literal without its strings */
    expect_refused("4003 6162");                /* a string cut short */
    expect_refused("4001 61");                  /* a value missing */
    expect_refused("4001 6181 00");             /* bad padding */
    expect_refused("4001 6184 ffff ffff");      /* EOS */
    expect_refused("3fe2 1f");                  /* RFC 7541 6.3: 4097, above what we allow */
    expect_refused("8220");                     /* RFC 7541 4.2: a size update behind a field */
    expect_refused("ff80 8080 8080 8080 8080 8080 8080 01");
}

static void size_updates_evict(void **state)
{
    (void)state;
    expect_decoded("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-key: custom-header\n");
    expect_decoded("3f18 be", "custom-key: custom-header\n"); /* 55: it just fits */
    expect_decoded("3f17 82", ":method: GET\n");               /* 54: it does not */
    expect_table(0, "");
}

/* ---- limits ------------------------------------------------------------------------------------------------- */

/* One long value in the table, then one byte a copy: the HPACK bomb. */
static void a_bomb_is_cut_short_and_costs_no_memory(void **state)
{
    (void)state;
    hf_field_flaw flaw;
    static uint8_t block[40000];
    size_t n = 0;
    memcpy(block, "\x40\x01\x61\x7f\xa1\x1e", 6); /* 4000 = 127 + (0x1e << 7 | 0x21) */
    memset(block + 6, 'x', 4000);
    n = 4006;
    memset(block + n, 0xbe, 20);
    assert_true(hf_hpack_decode(&decoder, hf_bytes_make(block, n + 20), &list, &flaw)); /* 20 copies: 431 */
    assert_true(list.too_large);
    assert_true(list.bytes > w.limits.header_bytes);
    memset(block, 0xbe, 32000);
    const size_t before = w.memory.most;
    assert_false(hf_hpack_decode(&decoder, hf_bytes_make(block, 32000), &list, &flaw)); /* 32000 copies: 128 MB */
    assert_true(w.memory.most - before < 4 * w.limits.header_bytes);
}

/* A short literal whose name is a long entry, inserted again and again. */
static void a_bomb_of_names_costs_no_memory(void **state)
{
    (void)state;
    hf_field_flaw flaw;
    static uint8_t block[40000];
    size_t n = 0;
    memcpy(block, "\x40\x7f\xa1\x1e", 4);
    memset(block + 4, 'n', 4000);
    n = 4004;
    block[n++] = 0;
    for (int i = 0; i < 25; i++) {
        block[n++] = 0x7e; /* the name of entry 62 */
        block[n++] = 1;
        block[n++] = (uint8_t)('a' + i);
    }
    assert_true(hf_hpack_decode(&decoder, hf_bytes_make(block, n), &list, &flaw));
    assert_true(list.too_large);
    assert_int_equal(decoder.table.count, 1);
    assert_int_equal(hf_field_table_at(&decoder.table, 0).value.ptr[0], 'a' + 24);
    assert_true(w.memory.most < 4 * w.limits.header_bytes);
}

static void limit_http2_table_bytes(void **state)
{
    (void)state;
    hf_hpack_encoder_allow(&encoder, 1 << 20); /* the peer allows a megabyte: we take no more than our own limit */
    assert_int_equal(encoder.table.capacity, w.limits.http2_table_bytes);
    uint8_t bytes[512];
    hf_random_seed(&w.random, 9);
    for (int i = 0; i < 5000; i++) {
        char name[32];
        const size_t n = (size_t)sprintf(name, "name-%d", i);
        hf_writer out = hf_writer_make(bytes, sizeof bytes);
        const hf_field f = { { (const uint8_t *)name, n }, HF_LITERAL("some value that is inserted"), HF_FIELD_OTHER };
        hf_hpack_begin(&encoder, &out);
        hf_hpack_field(&encoder, &out, &f);
        hf_field_flaw flaw;
        assert_true(hf_hpack_decode(&decoder, hf_written(&out), &list, &flaw));
        assert_true(decoder.table.size <= w.limits.http2_table_bytes && encoder.table.size == decoder.table.size);
    }
    assert_true(w.memory.most < 2 * (4 * w.limits.http2_table_bytes + 256 * 16) + 4096);
}

static void ids_lead_to_the_static_entries(void **state)
{
    (void)state;
    for (unsigned id = HF_FIELD_OTHER + 1; id < HF_FIELD_COUNT; id++) {
        uint8_t low[64];
        const hf_bytes name = hf_field_spelling((hf_field_id)id);
        for (size_t i = 0; i < name.len; i++)
            low[i] = hf_lower(name.ptr[i]);
        assert_int_equal(hf_hpack_static_id[id], hf_hpack_static_name(hf_bytes_make(low, name.len)));
    }
    for (unsigned i = 1; i <= HF_HPACK_STATIC; i++)
        assert_int_equal(hf_hpack_static[i].id, hf_field_identify(hf_hpack_static[i].name));
}

/* ---- encoding ----------------------------------------------------------------------------------------------- */

static size_t encode_one(const char *name, const char *value, uint8_t *to)
{
    hf_writer out = hf_writer_make(to, 512);
    const hf_field f = { hf_text(name), hf_text(value), HF_FIELD_OTHER };
    hf_hpack_begin(&encoder, &out);
    hf_hpack_field(&encoder, &out, &f);
    hf_field_flaw flaw;
    assert_true(hf_hpack_decode(&decoder, hf_written(&out), &list, &flaw));
    assert_int_equal(list.count, 1);
    assert_int_equal(list.at[0].name.len, strlen(name));
    assert_true(hf_bytes_equal(list.at[0].value, hf_text(value)));
    return out.length;
}

static void secrets_are_never_indexed(void **state)
{
    (void)state;
    static const char *const secrets[][2] = {
        { "Authorization", "Basic cm9vdDpyb290" }, { "Proxy-Authorization", "Bearer t" }, { "Set-Cookie", "id=1234567890123456789012345" },
        { "Cookie", "id=1" }, { "X-CSRF-Token", "abc" }, { "X-Api-Key", "k" },
    };
    uint8_t to[512];
    for (size_t i = 0; i < HF_COUNT(secrets); i++)
        for (int twice = 0; twice < 2; twice++) {
            encode_one(secrets[i][0], secrets[i][1], to);
            assert_int_equal(to[0] & 0xf0, 0x10);
        }
    assert_int_equal(encoder.table.count, 0);
}

static void what_repeats_becomes_one_byte(void **state)
{
    (void)state;
    uint8_t to[512];
    assert_true(encode_one("Content-Type", "text/html; charset=utf-8", to) > 10);
    assert_int_equal(encode_one("content-type", "text/html; charset=utf-8", to), 1);
    assert_true(encode_one("ETag", "\"abcdef\"", to) > 4); /* may be the only one of its kind: not inserted yet */
    assert_int_equal(encoder.table.count, 1);
    assert_true(encode_one("ETag", "\"abcdef\"", to) > 4);
    assert_int_equal(encode_one("ETag", "\"abcdef\"", to), 1);
    assert_int_equal(encode_one("Accept-Encoding", "gzip, deflate", to), 1); /* static */
}

static void a_smaller_table_is_announced(void **state)
{
    (void)state;
    uint8_t to[512];
    encode_one("a", "b", to);
    hf_hpack_encoder_allow(&encoder, 0);
    hf_hpack_encoder_allow(&encoder, 100);
    encode_one("a", "b", to);
    assert_int_equal(to[0], 0x20); /* RFC 7541 4.2: the smallest, then the final */
    assert_int_equal(to[1], 0x3f);
    assert_int_equal(to[2], 100 - 31);
    assert_int_equal(decoder.table.capacity, 100);
    encode_one("c", "d", to);
    assert_int_equal(to[0] & 0xe0, 0x40);
}

static void any_fields_go_there_and_back(void **state)
{
    (void)state;
    static const char *const names[] = { "accept", "x-a", "x-bb", "etag", "cookie", "set-cookie", "date", "via", "content-type" };
    hf_random random;
    hf_random_seed(&random, 11);
    static uint8_t to[65536], values[64][300];
    for (int i = 0; i < 5000; i++) {
        hf_field fields[32];
        const size_t count = (size_t)hf_random_below(&random, 32);
        hf_writer out = hf_writer_make(to, sizeof to);
        if (hf_random_chance(&random, 50000))
            hf_hpack_encoder_allow(&encoder, (uint32_t)hf_random_below(&random, 5000));
        hf_hpack_begin(&encoder, &out);
        size_t bytes = 0;
        for (size_t k = 0; k < count; k++) {
            const size_t n = hf_random_chance(&random, 700000) ? 1 + (size_t)hf_random_below(&random, 3) : (size_t)hf_random_below(&random, 300);
            for (size_t b = 0; b < n; b++)
                values[k][b] = (uint8_t)('a' + hf_random_below(&random, n < 4 ? 2 : 26));
            fields[k] = (hf_field){ hf_text(names[hf_random_below(&random, HF_COUNT(names))]), { values[k], n }, HF_FIELD_OTHER };
            hf_hpack_field(&encoder, &out, &fields[k]);
            bytes += fields[k].name.len + n + 32;
        }
        hf_field_flaw flaw;
        uint8_t *const block = malloc(out.length + 1);
        memcpy(block, to, out.length);
        assert_true(hf_hpack_decode(&decoder, hf_bytes_make(block, out.length), &list, &flaw));
        assert_int_equal(list.count, count);
        assert_int_equal(list.bytes, bytes);
        for (size_t k = 0; k < count; k++) {
            assert_true(hf_bytes_equal(list.at[k].name, fields[k].name));
            assert_true(hf_bytes_equal(list.at[k].value, fields[k].value));
        }
        assert_int_equal(encoder.table.size, decoder.table.size);
        free(block);
    }
}

/* What respond does: a head is recalled, or said and perhaps remembered. The length stands for content-length. */
static bool tell(hf_hpack_encoder *e, const hf_response_head *head, int64_t length, hf_writer *out)
{
    const hf_bytes known = hf_hpack_recall(e, head, length);
    hf_hpack_begin(e, out);
    if (known.len > 0) {
        hf_write(out, known);
        return true;
    }
    const uint8_t digits[3] = { (uint8_t)('0' + head->status / 100), '0', (uint8_t)('0' + head->status % 10) };
    hf_hpack_pseudo(e, out, HF_HPACK_STATUS, hf_bytes_make(digits, 3));
    for (size_t i = 0; i < head->fields.count; i++)
        hf_hpack_field(e, out, &head->fields.at[i]);
    hf_hpack_remember(e, head, length, hf_written(out));
    return false;
}

static void a_head_is_remembered_until_the_table_changes(void **state)
{
    (void)state;
    uint8_t to[512];
    hf_field fields[2] = { { HF_LITERAL("Content-Type"), HF_LITERAL("text/html; charset=utf-8"), HF_FIELD_CONTENT_TYPE },
                           { HF_LITERAL("X-A"), HF_LITERAL("one"), HF_FIELD_OTHER } };
    hf_response_head head = { .status = 200, .fields = { fields, 2 } };
    hf_writer out = hf_writer_make(to, sizeof to);
    assert_false(tell(&encoder, &head, -1, &out)); /* inserts */
    out = hf_writer_make(to, sizeof to);
    assert_false(tell(&encoder, &head, -1, &out)); /* all indexed: remembered now */
    out = hf_writer_make(to, sizeof to);
    assert_true(tell(&encoder, &head, -1, &out));
    assert_int_equal(out.length, 3);
    assert_int_equal(hf_hpack_recall(&encoder, &head, 5).len, 0); /* another length */
    head.status = 201;
    assert_int_equal(hf_hpack_recall(&encoder, &head, -1).len, 0);
    head.status = 200;
    fields[1].value = hf_text("two");
    assert_int_equal(hf_hpack_recall(&encoder, &head, -1).len, 0);
    fields[1].value = hf_text("one");
    assert_int_equal(hf_hpack_recall(&encoder, &head, -1).len, 3);
    static uint8_t ready[700]; /* more ready-made lines than are remembered, and nothing else */
    const hf_response_head large = { .status = 200, .lines = { hf_bytes_make(ready, sizeof ready) } };
    hf_hpack_remember(&encoder, &large, -1, hf_text("x"));
    assert_int_equal(hf_hpack_recall(&encoder, &large, -1).len, 0);
    for (int i = 0; i < 2; i++) {
        out = hf_writer_make(to, sizeof to);
        tell(&encoder, &head, -1, &out);
    }
    assert_int_equal(hf_hpack_recall(&encoder, &head, -1).len, 3);
    encode_one("other", "field", to); /* all indices move */
    assert_int_equal(hf_hpack_recall(&encoder, &head, -1).len, 0);
}

/* An encoder that remembers says byte for byte what its twin without a memory says. */
static void what_is_remembered_is_what_would_be_said(void **state)
{
    (void)state;
    static const char *const names[] = { "date", "etag", "X-A", "set-cookie", "content-type", "cache-control" };
    static const char *const values[] = { "a", "b", "some longer value", "c" };
    static char filler[600];
    memset(filler, 'x', sizeof filler - 1);
    hf_hpack_encoder plain;
    hf_hpack_encoder_init(&plain, &w.env.alloc, 4096);
    hf_random random;
    hf_random_seed(&random, 12);
    hf_field fields[30];
    size_t recalled = 0;
    for (int i = 0; i < 20000; i++) {
        static uint8_t one[32768], other[32768];
        hf_writer a = hf_writer_make(one, sizeof one), b = hf_writer_make(other, sizeof other);
        const size_t count = hf_random_chance(&random, 20000) ? 28 : (size_t)hf_random_below(&random, 3);
        for (size_t k = 0; k < count; k++) {
            const hf_bytes name = hf_text(names[hf_random_below(&random, HF_COUNT(names))]);
            fields[k] = (hf_field){ name, hf_text(hf_random_chance(&random, 20000) ? filler : values[hf_random_below(&random, HF_COUNT(values))]),
                                    hf_random_chance(&random, 500000) ? hf_field_identify(name) : HF_FIELD_OTHER };
        }
        const hf_response_head head = { .status = hf_random_chance(&random, 500000) ? 200 : 404, .fields = { fields, count } };
        const uint32_t allowed = (uint32_t)hf_random_below(&random, 300);
        if (hf_random_chance(&random, 30000)) {
            hf_hpack_encoder_allow(&encoder, allowed);
            hf_hpack_encoder_allow(&plain, allowed);
        }
        recalled += tell(&encoder, &head, -1, &a);
        hf_hpack_memo_free(&plain);
        tell(&plain, &head, -1, &b);
        assert_true(hf_bytes_equal(hf_written(&a), hf_written(&b)));
    }
    assert_true(recalled > 500);
    hf_hpack_encoder_fini(&plain);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t at = 1; at < 30; at++) {
        tear_down(state);
        set_up(state);
        w.memory.fail_at = at;
        w.memory.fail_on = at % 2 == 0;
        uint8_t to[4096];
        for (int i = 0; i < 30; i++) {
            char name[128];
            snprintf(name, sizeof name, "a-name-%d-%s", i, "which is quite a long value so that memory must grow now and then");
            const hf_field f = { hf_bytes_make(name, 10), hf_text(name), HF_FIELD_OTHER };
            hf_writer out = hf_writer_make(to, sizeof to);
            hf_hpack_begin(&encoder, &out);
            hf_hpack_field(&encoder, &out, &f);
            hf_hpack_field(&encoder, &out, &f);
            hf_field_flaw flaw;
            if (!hf_hpack_decode(&decoder, hf_written(&out), &list, &flaw)) {
                assert_true(flaw.memory);
                break;
            }
            assert_true(hf_bytes_equal(list.at[1].value, hf_text(name)));
        }
    }
}

/* ---- the public stories ------------------------------------------------------------------------------------- */

static void expect_fields(const story_case *c, const char *path, size_t number)
{
    if (list.count != c->count)
        fail_msg("%s case %zu: %u fields, not %zu", path, number, list.count, c->count);
    for (size_t i = 0; i < c->count; i++)
        if (!hf_bytes_equal(list.at[i].name, c->fields[i].name) || !hf_bytes_equal(list.at[i].value, c->fields[i].value))
            fail_msg("%s case %zu: field %zu is %.*s: %.*s", path, number, i, HF_STR(list.at[i].name), HF_STR(list.at[i].value));
}

static size_t tell_story(const char *folder, int number, bool encode, size_t *plain, size_t *packed)
{
    static story_case c;
    static uint8_t to[65536];
    char path[128];
    snprintf(path, sizeof path, "hpack/%s/story_%02d.json", folder, number);
    const hf_span text = hf_test_vector(path);
    const char *at = (const char *)text.ptr;
    size_t cases = 0;
    hf_hpack_decoder_init(&decoder, &w.env.alloc, 65536);
    for (; story_next(&at, &c); cases++) {
        hf_bytes wire = { c.wire, c.wire_length };
        if (encode) {
            hf_writer out = hf_writer_make(to, sizeof to);
            hf_hpack_begin(&encoder, &out);
            for (size_t i = 0; i < c.count; i++) {
                const hf_field f = { c.fields[i].name, c.fields[i].value, HF_FIELD_OTHER };
                hf_hpack_field(&encoder, &out, &f);
                *plain += f.name.len + f.value.len + 4;
            }
            *packed += out.length;
            wire = hf_written(&out);
        }
        hf_field_flaw flaw = { 0 };
        if (!hf_hpack_decode(&decoder, wire, &list, &flaw))
            fail_msg("%s case %zu: wanted %s", path, cases, flaw.wanted);
        expect_fields(&c, path, cases);
    }
    free(text.ptr);
    return cases;
}

static void the_stories_of_others_are_decoded(void **state)
{
    static const struct { const char *name; int stories; } folders[] = {
        { "nghttp2", 32 }, { "go-hpack", 32 }, { "nghttp2-change-table-size", 31 }, { "nghttp2-16384-4096", 31 },
    };
    size_t cases = 0;
    for (size_t f = 0; f < HF_COUNT(folders); f++)
        for (int i = 0; i < folders[f].stories; i++) {
            cases += tell_story(folders[f].name, i, false, NULL, NULL);
            tear_down(state);
            set_up(state);
        }
    assert_true(cases > 1000);
}

static void our_own_telling_is_decoded_and_is_short(void **state)
{
    size_t cases = 0, plain = 0, packed = 0;
    for (int i = 0; i < 32; i++) {
        cases += tell_story("raw-data", i, true, &plain, &packed);
        tear_down(state);
        set_up(state);
    }
    assert_true(cases > 200);
    if (packed * 100 > plain * 35)
        fail_msg("%zu bytes became %zu", plain, packed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(representations_are_those_of_c_2),
        TEST(requests_are_those_of_c_3_and_c_4),
        TEST(responses_are_those_of_c_5_and_c_6),
        TEST(blocks_that_break_the_rules_are_refused),
        TEST(size_updates_evict),
        TEST(a_bomb_is_cut_short_and_costs_no_memory),
        TEST(a_bomb_of_names_costs_no_memory),
        TEST(limit_http2_table_bytes),
        TEST(ids_lead_to_the_static_entries),
        TEST(secrets_are_never_indexed),
        TEST(what_repeats_becomes_one_byte),
        TEST(a_smaller_table_is_announced),
        TEST(any_fields_go_there_and_back),
        TEST(a_head_is_remembered_until_the_table_changes),
        TEST(what_is_remembered_is_what_would_be_said),
        TEST(any_allocation_may_fail),
        TEST(the_stories_of_others_are_decoded),
        TEST(our_own_telling_is_decoded_and_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
