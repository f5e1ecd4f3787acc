/* SPDX-License-Identifier: Apache-2.0
 *
 * QPACK: the examples of RFC 9204 appendix B byte by byte, what must be refused, sections that overtake the table, and
 * the files that other encoders wrote.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qpack.h"
#include "random.h"

static hf_test_world w;
static hf_qpack_decoder decoder;
static hf_qpack_encoder encoder;
static hf_field_list list;
static hf_field_flaw flaw;

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    hf_qpack_decoder_init(&decoder, &w.env.alloc, 220);
    hf_qpack_encoder_init(&encoder, &w.env.alloc, 4096);
    hf_field_list_init(&list, &w.env.alloc, w.limits.header_bytes, (uint32_t)w.limits.header_fields);
    flaw = (hf_field_flaw){ 0 };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_qpack_decoder_fini(&decoder);
    hf_qpack_encoder_fini(&encoder);
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

/* The instructions, a byte at a time, each time in memory of exactly their size. */
static bool instruct(const char *hex)
{
    uint8_t bytes[512];
    const size_t n = unhex(hex, bytes);
    size_t begun = 0;
    for (size_t end = 1; end <= n; end++) {
        uint8_t *const held = malloc(end - begun);
        size_t used;
        memcpy(held, bytes + begun, end - begun);
        const bool good = hf_qpack_instruct(&decoder, hf_bytes_make(held, end - begun), &used, &flaw);
        free(held);
        if (!good)
            return false;
        begun += used;
    }
    assert_int_equal(begun, n);
    return true;
}

static hf_qpack_verdict decode(uint64_t stream, const char *hex, const char *lines)
{
    uint8_t bytes[512];
    char got[1024] = "";
    const size_t n = unhex(hex, bytes);
    uint8_t *const section = malloc(n > 0 ? n : 1);
    size_t length = 0;
    memcpy(section, bytes, n);
    const hf_qpack_verdict verdict = hf_qpack_decode(&decoder, stream, hf_bytes_make(section, n), &list, &flaw);
    for (uint32_t i = 0; verdict == HF_QPACK_GOOD && i < list.count; i++) {
        length += (size_t)sprintf(got + length, "%.*s: %.*s\n", HF_STR(list.at[i].name), HF_STR(list.at[i].value));
        assert_int_equal(list.at[i].id, hf_field_identify(list.at[i].name));
    }
    if (verdict == HF_QPACK_GOOD)
        assert_string_equal(got, lines);
    free(section);
    return verdict;
}

static void expect_table(uint32_t size, const char *lines)
{
    char got[1024] = "";
    size_t length = 0;
    for (uint32_t age = decoder.table.count; age-- > 0;) {
        const hf_field f = hf_field_table_at(&decoder.table, age);
        length += (size_t)sprintf(got + length, "%u %.*s: %.*s\n", (unsigned)decoder.inserted - 1 - age, HF_STR(f.name),
                                  HF_STR(f.value));
    }
    assert_string_equal(got, lines);
    assert_int_equal(decoder.table.size, size);
}

static void expect_said(hf_queue *said, const char *hex)
{
    uint8_t bytes[512];
    const size_t n = unhex(hex, bytes);
    const hf_span held = hf_queue_peek(said);
    assert_int_equal(held.len, n);
    assert_memory_equal(held.ptr, bytes, n);
    hf_queue_take(said, n);
}

static void rfc9204_appendix_b(void **state)
{
    (void)state;
    assert_int_equal(decode(0, "0000 510b 2f69 6e64 6578 2e68 746d 6c", ":path: /index.html\n"), HF_QPACK_GOOD);
    expect_said(&decoder.say, "");

    assert_int_equal(decode(4, "0381 10 11", ""), HF_QPACK_BLOCKED);
    uint64_t required;
    assert_true(hf_qpack_required(&decoder, hf_text("\x03\x81"), &required));
    assert_int_equal(required, 2);
    assert_true(instruct("3fbd01 c00f 7777 772e 6578 616d 706c 652e 636f 6d c10c 2f73 616d 706c 652f 7061 7468"));
    expect_table(106, "0 :authority: www.example.com\n1 :path: /sample/path\n");
    assert_int_equal(decode(4, "0381 10 11", ":authority: www.example.com\n:path: /sample/path\n"), HF_QPACK_GOOD);
    expect_said(&decoder.say, "84");
    assert_true(hf_qpack_acknowledge(&decoder)); /* the section told of both */
    expect_said(&decoder.say, "");

    assert_true(instruct("4a63 7573 746f 6d2d 6b65 790c 6375 7374 6f6d 2d76 616c 7565"));
    expect_table(160, "0 :authority: www.example.com\n1 :path: /sample/path\n2 custom-key: custom-value\n");
    assert_true(hf_qpack_acknowledge(&decoder));
    expect_said(&decoder.say, "01");

    assert_int_equal(decode(8, "0500 80 c1 81", ""), HF_QPACK_BLOCKED);
    assert_true(hf_qpack_cancel(&decoder, 8));
    expect_said(&decoder.say, "48");
    assert_true(instruct("02"));
    expect_table(217, "0 :authority: www.example.com\n1 :path: /sample/path\n2 custom-key: custom-value\n"
                      "3 :authority: www.example.com\n");
    assert_int_equal(decode(8, "0500 80 c1 81", ":authority: www.example.com\n:path: /\ncustom-key: custom-value\n"),
                     HF_QPACK_GOOD);
    expect_said(&decoder.say, "88");

    assert_true(instruct("810d 6375 7374 6f6d 2d76 616c 7565 32"));
    expect_table(215, "1 :path: /sample/path\n2 custom-key: custom-value\n3 :authority: www.example.com\n"
                      "4 custom-key: custom-value2\n");
}

static void the_static_table_is_found_by_name_and_by_id(void **state)
{
    (void)state;
    for (unsigned i = 0; i < HF_QPACK_STATIC; i++) {
        const hf_field *const f = &hf_qpack_static[i];
        unsigned at = hf_qpack_static_name(f->name);
        assert_int_equal(f->id, hf_field_identify(f->name));
        assert_true(at > 0);
        if (f->id != HF_FIELD_OTHER)
            assert_int_equal(hf_qpack_static_id[f->id], at);
        while (at - 1 != i) { /* the chain leads to every entry with the name */
            assert_true(hf_bytes_equal(hf_qpack_static[at - 1].name, f->name));
            assert_true(hf_qpack_static_next[at - 1] > at - 1);
            at = hf_qpack_static_next[at - 1] + 1u;
        }
    }
    for (unsigned id = 0; id < HF_FIELD_COUNT; id++)
        if (hf_qpack_static_id[id] != 0)
            assert_int_equal(hf_qpack_static[hf_qpack_static_id[id] - 1].id, id);
    assert_int_equal(hf_qpack_static_name(hf_text("x-unheard-of")), 0);
    assert_int_equal(hf_qpack_static_name(hf_text("")), 0);
}

typedef struct refused {
    const char *why, *instructions, *section, *wanted;
} refused;

static void what_no_encoder_may_send_is_refused(void **state)
{
    (void)state;
    static const refused cases[] = {
        { "an empty section", "", "", "a representation that ends within the section" },
        { "a static index past the table", "", "0000 ff24", "an index into the static table, 0 to 98" },
        { "a dynamic index with nothing required", "", "0000 80", "an entry below the Required Insert Count" },
        { "a post-base index with nothing required", "", "0000 10", "an entry below the Required Insert Count" },
        { "a negative base", "3f45 4161 0162", "0281 80", "a Base that is not negative" },
        { "an entry at the required count", "3f45 4161 0162 4163 0164", "0280 11",
          "an entry below the Required Insert Count" },
        { "a count that wraps to nothing", "3f45", "ff", "a representation that ends within the section" },
        { "a count beyond the range", "3f45", "0d00", "a Required Insert Count that an encoder can produce" },
        { "a string that runs over", "", "0000 5105 2f", "a representation that ends within the section" },
        { "a bad Huffman code", "", "0000 5181 00",
          "a string in the Huffman code, padded with less than eight ones" },
        { "a capacity above ours", "3fbe01", NULL, "a capacity within SETTINGS_QPACK_MAX_TABLE_CAPACITY" },
        { "an entry before there is a table", "4161 0162", NULL, "an entry that fits into the table" },
        { "an entry larger than the table", "3f01 4161 0162", NULL, "an entry that fits into the table" },
        { "a string that can never fit", "3f01 41 61 7f ff7f", NULL, "an entry that fits into the table" },
        { "a duplicate of nothing", "3f45 00", NULL, "an entry of the dynamic table that there is" },
        { "a name from nothing", "3f45 80 0161", NULL, "an entry of the dynamic table that there is" },
        { "a name past the static table", "3f45 ff24 0161", NULL, "an index into the static table, 0 to 98" },
        { "an evicted entry duplicated", "3f01 4000 4000 01", NULL, "an entry of the dynamic table that was not evicted" },
        { "an evicted entry in a section", "3f01 4000 4000", "0300 81", "an entry of the dynamic table that was not evicted" },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        const bool obeyed = instruct(cases[i].instructions);
        assert_int_equal(obeyed, cases[i].section != NULL);
        if (obeyed)
            assert_int_equal(decode(0, cases[i].section, ""), HF_QPACK_BAD);
        if (flaw.wanted == NULL || strcmp(flaw.wanted, cases[i].wanted) != 0)
            fail_msg("%s: %s", cases[i].why, flaw.wanted ? flaw.wanted : "no flaw");
        tear_down(NULL);
        set_up(NULL);
    }
}

static void the_decoder_stream_is_held_to_what_was_sent(void **state)
{
    (void)state;
    size_t used;
    hf_qpack_encoder_allow(&encoder, 4096, 16);
    assert_false(hf_qpack_heed(&encoder, hf_text("\x80"), &used, &flaw)); /* nothing was sent */
    assert_string_equal(flaw.wanted, "the acknowledgment of a section that waits for one");
    assert_false(hf_qpack_heed(&encoder, hf_bytes_make((const uint8_t[]){ 0x00 }, 1), &used, &flaw));
    assert_string_equal(flaw.wanted, "an increment of at least 1, and within what was inserted");
    assert_false(hf_qpack_heed(&encoder, hf_text("\x01"), &used, &flaw));
    assert_true(hf_qpack_heed(&encoder, hf_text("\x40"), &used, &flaw)); /* a cancelled stream may have had none */
    assert_int_equal(used, 1);
    assert_true(hf_qpack_heed(&encoder, hf_text("\xff"), &used, &flaw)); /* more of it comes */
    assert_int_equal(used, 0);
}

static hf_bytes encode(uint64_t stream, const hf_field *fields, size_t count)
{
    static uint8_t to[8192];
    hf_writer writer = hf_writer_make(to, sizeof to);
    hf_qpack_begin(&encoder, stream, &writer);
    for (size_t i = 0; i < count; i++)
        hf_qpack_field(&encoder, &writer, &fields[i]);
    return hf_qpack_finish(&encoder, &writer);
}

static void secrets_stay_out_of_the_table(void **state)
{
    (void)state;
    static const hf_field secrets[] = {
        { HF_LITERAL("Authorization"), HF_LITERAL("Bearer abcdefghijklmnopqrstuvwxyz"), HF_FIELD_OTHER },
        { HF_LITERAL("Set-Cookie"), HF_LITERAL("id=abcdefghijklmnopqrstuvwxyz"), HF_FIELD_OTHER },
        { HF_LITERAL("X-Csrf-Token"), HF_LITERAL("abcdefghijklmnopqrstuvwxyz"), HF_FIELD_OTHER },
    };
    hf_qpack_encoder_allow(&encoder, 4096, 16);
    for (int again = 0; again < 3; again++) {
        for (size_t i = 0; i < HF_COUNT(secrets); i++) {
            const hf_bytes section = encode(0, &secrets[i], 1);
            assert_int_equal(section.ptr[0], 0); /* nothing required */
            assert_true(section.ptr[2] >> 4 == 7 || section.ptr[2] >> 4 == 3); /* literal, marked never to be indexed */
        }
    }
    assert_int_equal(encoder.inserted, 0);
}

static const hf_field agent = { HF_LITERAL("User-Agent"), HF_LITERAL("a browser of some kind/1.0"), HF_FIELD_OTHER };

static void no_section_refers_to_what_may_not_have_arrived_unless_the_peer_lets_streams_wait(void **state)
{
    (void)state;
    hf_qpack_encoder_allow(&encoder, 4096, 0);
    assert_int_equal(encode(0, &agent, 1).ptr[0], 0);
    assert_int_equal(encoder.inserted, 1); /* for later */
    assert_int_equal(encode(4, &agent, 1).ptr[0], 0);
    size_t used;
    assert_true(hf_qpack_heed(&encoder, hf_text("\x01"), &used, &flaw)); /* it has arrived */
    assert_int_equal(encode(8, &agent, 1).ptr[0], 2);
}

static void after_a_rest_the_table_is_found_again(void **state)
{
    (void)state;
    static const hf_field fields[] = {
        { HF_LITERAL("User-Agent"), HF_LITERAL("a browser of some kind/1.0"), HF_FIELD_OTHER }, /* its name is in the static table */
        { HF_LITERAL("X-Own"), HF_LITERAL("a value that comes again and again"), HF_FIELD_OTHER },
    };
    hf_qpack_encoder_allow(&encoder, 4096, 16);
    for (uint64_t stream = 0; stream < 12; stream += 4)
        (void)encode(stream, fields, HF_COUNT(fields));
    const hf_bytes before = encode(12, fields, HF_COUNT(fields));
    const uint64_t inserted = encoder.inserted;
    assert_true(inserted >= 2);
    uint8_t text[64];
    assert_true(before.len < sizeof text);
    memcpy(text, before.ptr, before.len);
    const size_t held = w.memory.held;
    assert_false(hf_qpack_encoder_is_at_rest(&encoder));
    hf_qpack_encoder_rest(&encoder);
    assert_true(hf_qpack_encoder_is_at_rest(&encoder));
    assert_true(w.memory.held + 1500 < held);
    const hf_bytes after = encode(16, fields, HF_COUNT(fields));
    assert_int_equal(after.len, before.len);
    assert_memory_equal(after.ptr, text, after.len);
    assert_int_equal(encoder.inserted, inserted);
}

static void only_so_many_streams_wait_as_the_peer_allows(void **state)
{
    (void)state;
    hf_qpack_encoder_allow(&encoder, 4096, 1);
    assert_int_equal(encode(0, &agent, 1).ptr[0], 2);
    assert_int_equal(encode(0, &agent, 1).ptr[0], 2); /* the same stream counts once */
    assert_int_equal(encode(4, &agent, 1).ptr[0], 0);
    size_t used;
    assert_true(hf_qpack_heed(&encoder, hf_text("\x80"), &used, &flaw)); /* RFC 9204 4.4.1: the section of stream 0 */
    assert_int_equal(encode(4, &agent, 1).ptr[0], 2);
}

static void nothing_is_evicted_that_a_section_still_needs(void **state)
{
    (void)state;
    char value[40];
    hf_qpack_encoder_allow(&encoder, 200, 100);
    size_t used;
    for (int i = 0; i < 20; i++) {
        hf_field f = { HF_LITERAL("x-thing"), { (const uint8_t *)value, 0 }, HF_FIELD_OTHER };
        f.value.len = (size_t)snprintf(value, sizeof value, "value number %d of many", i);
        (void)encode((uint64_t)i * 4, &f, 1);
    }
    const uint64_t inserted = encoder.inserted;
    assert_true(inserted >= 2 && inserted <= 3); /* what fits: none of it was acknowledged */
    while (encoder.section_count > 0)
        assert_true(hf_qpack_heed(&encoder, hf_bytes_make((const uint8_t[]){ (uint8_t)(0x80 | encoder.sections[0].stream) }, 1),
                                  &used, &flaw));
    for (int i = 20; i < 24; i++) {
        hf_field f = { HF_LITERAL("x-thing"), { (const uint8_t *)value, 0 }, HF_FIELD_OTHER };
        f.value.len = (size_t)snprintf(value, sizeof value, "value number %d of many", i);
        (void)encode((uint64_t)i * 4, &f, 1);
    }
    assert_true(encoder.inserted > inserted);
}

/* ---- both halves, with a network in between ------------------------------------------------------------------ */

enum { WAITING = 64, SECTION_BYTES = 2048 };

typedef struct waiting {
    uint64_t stream;
    uint32_t seed; /* of its fields */
    size_t length;
    uint8_t bytes[SECTION_BYTES];
} waiting;

static hf_field made_field(hf_random *r, char *name, char *value)
{
    static const char *const names[] = { "accept", ":path", "cookie", "content-length", "x-one", "x-two", "etag", "authorization" };
    const unsigned which = (unsigned)hf_random_below(r, HF_COUNT(names));
    strcpy(name, names[which]);
    sprintf(value, "value-%u", (unsigned)hf_random_below(r, 6));
    for (unsigned pad = (unsigned)hf_random_below(r, 3) * 20; pad > 0; pad--)
        strcat(value, "p");
    return (hf_field){ hf_text(name), hf_text(value), hf_field_identify(hf_text(name)) };
}

static void send_section(hf_random *r, waiting *s, uint64_t stream)
{
    static uint8_t to[8192];
    s->stream = stream;
    s->seed = (uint32_t)hf_random_below(r, UINT32_MAX);
    hf_random own;
    hf_random_seed(&own, s->seed);
    hf_writer writer = hf_writer_make(to, sizeof to);
    hf_qpack_begin(&encoder, stream, &writer);
    for (unsigned n = (unsigned)hf_random_below(&own, 8); n > 0; n--) {
        char name[32], value[128];
        const hf_field f = made_field(&own, name, value);
        hf_qpack_field(&encoder, &writer, &f);
    }
    const hf_bytes section = hf_qpack_finish(&encoder, &writer);
    assert_true(section.len <= sizeof s->bytes);
    memcpy(s->bytes, section.ptr, section.len);
    s->length = section.len;
}

static bool deliver_section(const waiting *s)
{
    const hf_qpack_verdict verdict = hf_qpack_decode(&decoder, s->stream, hf_bytes_make(s->bytes, s->length), &list, &flaw);
    if (verdict == HF_QPACK_BLOCKED)
        return false;
    assert_int_equal(verdict, HF_QPACK_GOOD);
    hf_random own;
    hf_random_seed(&own, s->seed);
    const unsigned n = (unsigned)hf_random_below(&own, 8);
    assert_int_equal(list.count, n);
    for (unsigned i = 0; i < n; i++) {
        char name[32], value[128];
        const hf_field f = made_field(&own, name, value);
        assert_true(hf_bytes_equal(list.at[i].name, f.name));
        assert_true(hf_bytes_equal(list.at[i].value, f.value));
    }
    return true;
}

static void move(hf_random *r, hf_queue *from, bool to_decoder)
{
    const hf_span held = hf_queue_peek(from);
    const size_t n = held.len > 0 ? (size_t)hf_random_below(r, held.len + 1) : 0;
    size_t used = 0;
    if (to_decoder)
        assert_true(hf_qpack_instruct(&decoder, hf_bytes_make(held.ptr, n), &used, &flaw));
    else
        assert_true(hf_qpack_heed(&encoder, hf_bytes_make(held.ptr, n), &used, &flaw));
    hf_queue_take(from, used);
}

static unsigned blocked_streams(const waiting *list_of, unsigned count)
{
    unsigned blocked = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t required;
        assert_true(hf_qpack_required(&decoder, hf_bytes_make(list_of[i].bytes, list_of[i].length), &required));
        blocked += required > decoder.inserted;
    }
    return blocked;
}

/* Sections and instructions arrive in any order that streams allow; everything is told as it was meant, nobody waits in
 * vain, and never more streams wait than were allowed. */
static void sections_overtake_the_table_and_all_are_understood(void **state)
{
    (void)state;
    static waiting waits[WAITING];
    for (uint64_t seed = 0; seed < 200; seed++) {
        hf_random r;
        hf_random_seed(&r, seed);
        const uint32_t capacity = (uint32_t)hf_random_below(&r, 600);
        const unsigned may_wait = (unsigned)hf_random_below(&r, 5);
        hf_qpack_decoder_fini(&decoder);
        hf_qpack_encoder_fini(&encoder);
        hf_qpack_decoder_init(&decoder, &w.env.alloc, capacity);
        hf_qpack_encoder_init(&encoder, &w.env.alloc, 400);
        hf_qpack_encoder_allow(&encoder, capacity, may_wait);
        unsigned count = 0;
        uint64_t stream = 0;
        for (int turn = 0; turn < 400; turn++) {
            const unsigned what = (unsigned)hf_random_below(&r, 6);
            if (hf_random_below(&r, 20) == 0)
                hf_qpack_encoder_rest(&encoder);
            if (what <= 1 && count < WAITING) {
                send_section(&r, &waits[count++], stream);
                stream += 4;
                assert_true(blocked_streams(waits, count) <= may_wait);
            } else if (what == 2) {
                move(&r, &encoder.say, true);
            } else if (what == 3) {
                assert_true(hf_qpack_acknowledge(&decoder));
                move(&r, &decoder.say, false);
            } else if (count > 0) {
                const unsigned at = (unsigned)hf_random_below(&r, count);
                const bool cancel = hf_random_below(&r, 10) == 0;
                if (cancel)
                    assert_true(hf_qpack_cancel(&decoder, waits[at].stream));
                if (cancel || deliver_section(&waits[at]))
                    waits[at] = waits[--count];
            }
        }
        while (hf_queue_length(&encoder.say) > 0)
            move(&r, &encoder.say, true);
        while (count > 0)
            assert_true(deliver_section(&waits[--count]));
        assert_true(decoder.inserted == encoder.inserted && decoder.table.size == encoder.table.size);
    }
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t fails = 1;; fails++) {
        hf_test_world t;
        hf_test_world_init(&t, 1);
        t.memory.fail_at = fails;
        hf_qpack_decoder d;
        hf_qpack_encoder e;
        hf_field_list l;
        hf_qpack_decoder_init(&d, &t.env.alloc, 4096);
        hf_qpack_encoder_init(&e, &t.env.alloc, 4096);
        hf_field_list_init(&l, &t.env.alloc, 8192, 64);
        hf_qpack_encoder_allow(&e, 4096, 10);
        uint8_t to[2048];
        bool whole = true;
        for (uint64_t stream = 0; stream < 8 && whole; stream += 4) {
            hf_writer writer = hf_writer_make(to, sizeof to);
            hf_qpack_begin(&e, stream, &writer);
            hf_qpack_field(&e, &writer, &agent);
            const hf_bytes section = hf_qpack_finish(&e, &writer);
            const hf_span said = hf_queue_peek(&e.say);
            size_t used;
            whole = hf_qpack_instruct(&d, hf_bytes_make(said.ptr, said.len), &used, &flaw);
            if (!whole)
                assert_true(flaw.memory);
            hf_queue_take(&e.say, used);
            if (whole && hf_qpack_decode(&d, stream, section, &l, &flaw) != HF_QPACK_GOOD) {
                assert_true(flaw.memory);
                whole = false;
            }
        }
        hf_qpack_decoder_fini(&d);
        hf_qpack_encoder_fini(&e);
        hf_field_list_fini(&l);
        const bool failed = t.memory.calls >= fails;
        hf_test_world_fini(&t); /* asserts that nothing is held */
        if (!failed)
            return;
    }
}

/* ---- what other encoders wrote ------------------------------------------------------------------------------- */

/* Writes a section as the file has it: "name\tvalue\n" lines and an empty one. */
static void append_section(char **at)
{
    for (uint32_t i = 0; i < list.count; i++)
        *at += sprintf(*at, "%.*s\t%.*s\n", HF_STR(list.at[i].name), HF_STR(list.at[i].value));
    *(*at)++ = '\n';
    **at = 0;
}

static uint64_t big_endian(const uint8_t *p, int n)
{
    uint64_t value = 0;
    while (n-- > 0)
        value = value << 8 | *p++;
    return value;
}

enum { LEFT_MOST = 1024 };
typedef struct left {
    uint64_t stream;
    hf_bytes section;
    char *text;
} left;

/* Streams of the file are in order of their sections; blocked ones are tried again after each instruction. */
static void decode_file(const char *name, const char *qif, uint32_t capacity, uint32_t may_wait)
{
    char path[128];
    snprintf(path, sizeof path, "qpack/encoded/%s", name);
    const hf_span file = hf_test_vector(path);
    static left sections[LEFT_MOST * 4];
    unsigned count = 0, done = 0;
    uint8_t *const instructions = malloc(file.len);
    size_t held = 0;
    hf_qpack_decoder_fini(&decoder);
    hf_qpack_decoder_init(&decoder, &w.env.alloc, capacity);
    hf_field_table_resize(&decoder.table, capacity); /* the files presume it: they were written before RFC 9204 3.2.3 */
    hf_field_list_fini(&list);
    hf_field_list_init(&list, &w.env.alloc, 1 << 20, 1024);
    for (size_t at = 0; at < file.len;) {
        const uint64_t stream = big_endian(file.ptr + at, 8), length = big_endian(file.ptr + at + 8, 4);
        const hf_bytes bytes = hf_bytes_make(file.ptr + at + 12, length);
        at += 12 + length;
        if (stream == 0) {
            size_t used;
            memcpy(instructions + held, bytes.ptr, bytes.len);
            held += bytes.len;
            if (!hf_qpack_instruct(&decoder, hf_bytes_make(instructions, held), &used, &flaw))
                fail_msg("%s: an instruction: wanted %s", name, flaw.wanted);
            memmove(instructions, instructions + used, held - used);
            held -= used;
        } else {
            assert_true(count < HF_COUNT(sections));
            sections[count++] = (left){ stream, bytes, NULL };
        }
        unsigned waiting_now = 0;
        for (unsigned i = done; i < count; i++) {
            if (sections[i].text != NULL)
                continue;
            const hf_qpack_verdict v = hf_qpack_decode(&decoder, sections[i].stream, sections[i].section, &list, &flaw);
            if (v == HF_QPACK_BAD)
                fail_msg("%s, stream %llu: wanted %s", name, (unsigned long long)sections[i].stream, flaw.wanted);
            if (v == HF_QPACK_BLOCKED) {
                waiting_now++;
                continue;
            }
            char *end = sections[i].text = malloc(1 << 16);
            append_section(&end);
        }
        assert_true(waiting_now <= may_wait);
        while (done < count && sections[done].text != NULL)
            done++;
    }
    assert_int_equal(held, 0);
    assert_int_equal(done, count);
    snprintf(path, sizeof path, "qpack/qifs/%s", qif);
    const hf_span wanted = hf_test_vector(path);
    const char *at = (const char *)wanted.ptr;
    for (unsigned i = 0; i < count; i++) { /* streams are numbered from 1, in the order of the text */
        while (*at == '#')
            at = strchr(at, '\n') + 1;
        const left *of = NULL;
        for (unsigned j = 0; j < count; j++)
            if (sections[j].stream == i + 1)
                of = &sections[j];
        assert_non_null(of);
        if (strncmp(at, of->text, strlen(of->text)) != 0)
            fail_msg("%s, stream %u differs: %.200s", name, i + 1, of->text);
        at += strlen(of->text);
    }
    for (unsigned i = 0; i < count; i++)
        free(sections[i].text);
    free(instructions);
    free(wanted.ptr);
    free(file.ptr);
}

static void files_of_other_encoders_are_understood(void **state)
{
    (void)state;
    static const char *const encoders[] = { "ls-qpack", "nghttp3" };
    static const char *const texts[] = { "fb-req", "fb-req-hq", "fb-resp", "fb-resp-hq", "netbsd", "netbsd-hq" };
    static const unsigned capacities[] = { 0, 256, 512, 4096 }, waits[] = { 0, 100 };
    unsigned files = 0;
    for (size_t e = 0; e < HF_COUNT(encoders); e++)
        for (size_t t = 0; t < HF_COUNT(texts); t++)
            for (size_t c = 0; c < HF_COUNT(capacities); c++)
                for (size_t b = 0; b < HF_COUNT(waits); b++)
                    for (unsigned ack = 0; ack < 2; ack++) {
                        char name[96], qif[48];
                        snprintf(name, sizeof name, "%s/%s.out.%u.%u.%u", encoders[e], texts[t], capacities[c], waits[b], ack);
                        snprintf(qif, sizeof qif, "%s.qif", texts[t]);
                        decode_file(name, qif, capacities[c], waits[b]);
                        files++;
                    }
    assert_int_equal(files, 192);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rfc9204_appendix_b, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_static_table_is_found_by_name_and_by_id, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_no_encoder_may_send_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_decoder_stream_is_held_to_what_was_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(secrets_stay_out_of_the_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_section_refers_to_what_may_not_have_arrived_unless_the_peer_lets_streams_wait,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(after_a_rest_the_table_is_found_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_so_many_streams_wait_as_the_peer_allows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_evicted_that_a_section_still_needs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sections_overtake_the_table_and_all_are_understood, set_up, tear_down),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test_setup_teardown(files_of_other_encoders_are_understood, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("qpack", tests, NULL, NULL);
}
