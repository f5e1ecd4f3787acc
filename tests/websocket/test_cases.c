/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 6455 case by case, numbered as the well-known Autobahn test suite numbers them and written from the RFC: each case is
 * run as server and as client, whole and byte by byte, against an application that echoes.
 */
#include "rig.h"

typedef struct frame {
    uint8_t first;
    hf_bytes payload;
} frame;

/* first bytes */
enum { T = 0x81, T_ = 0x01, B = 0x82, B_ = 0x02, C = 0x80, C_ = 0x00, CLOSE = 0x88, PING = 0x89, PONG = 0x8a, END = 0xff };

typedef struct example {
    const char *name;
    frame in[12];
    frame out[12]; /* of a Close that a fault wrote only the code is compared */
    int32_t fault; /* 0: none */
    bool over;     /* closed in good order */
} example;

#define F(first, text) { first, HF_LITERAL(text) }
#define E { END, { NULL, 0 } }
#define BAD(code) { CLOSE, HF_LITERAL(code) }
#define P1002 BAD("\x03\xea")
#define P1007 BAD("\x03\xef")
#define RULE(NAME) HF_ERR_WEBSOCKET_##NAME
#define KOSME "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
#define FE10 "\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe"
#define FE125 FE10 FE10 FE10 FE10 FE10 FE10 FE10 FE10 FE10 FE10 FE10 FE10 "\xfe\xfe\xfe\xfe\xfe"
#define X10 "**********"
#define X123 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 "***"

static const example examples[] = {
    { "2.1", { F(PING, ""), E }, { F(PONG, ""), E }, 0, false },
    { "2.2", { F(PING, "Hello, world!"), E }, { F(PONG, "Hello, world!"), E }, 0, false },
    { "2.3", { F(PING, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), E }, { F(PONG, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), E }, 0, false },
    { "2.4", { F(PING, FE125), E }, { F(PONG, FE125), E }, 0, false },
    { "2.5", { F(PING, FE125 "\xfe"), E }, { P1002, E }, RULE(CONTROL), false },
    { "2.7", { F(PONG, ""), E }, { E }, 0, false },
    { "2.8", { F(PONG, "unsolicited"), E }, { E }, 0, false },
    { "2.9", { F(PONG, "unsolicited"), F(PING, "asked"), E }, { F(PONG, "asked"), E }, 0, false },
    { "2.10", { F(PING, "0"), F(PING, "1"), F(PING, "2"), F(PING, "3"), F(PING, "4"), F(PING, "5"), F(PING, "6"), F(PING, "7"), F(PING, "8"), F(PING, "9"), E },
      { F(PONG, "0"), F(PONG, "1"), F(PONG, "2"), F(PONG, "3"), F(PONG, "4"), F(PONG, "5"), F(PONG, "6"), F(PONG, "7"), F(PONG, "8"), F(PONG, "9"), E }, 0, false },

    { "3.1", { F(T | 0x10, "Hello, world!"), E }, { P1002, E }, RULE(RESERVED), false },
    { "3.2", { F(T, "Hello"), F(T | 0x20, "Hello"), F(PING, ""), E }, { F(T, "Hello"), P1002, E }, RULE(RESERVED), false },
    { "3.4", { F(T, "Hello"), F(T | 0x40, "Hello"), F(PING, ""), E }, { F(T, "Hello"), P1002, E }, RULE(RESERVED), false },
    { "3.5", { F(B | 0x50, "\x00\xff"), E }, { P1002, E }, RULE(RESERVED), false },
    { "3.6", { F(PING | 0x60, "Hello"), E }, { P1002, E }, RULE(RESERVED), false },
    { "3.7", { F(CLOSE | 0x70, ""), E }, { P1002, E }, RULE(RESERVED), false },

    { "4.1.1", { F(0x83, ""), E }, { P1002, E }, RULE(OPCODE), false },
    { "4.1.2", { F(0x84, "reserved"), E }, { P1002, E }, RULE(OPCODE), false },
    { "4.1.3", { F(T, "Hello"), F(0x85, ""), F(PING, ""), E }, { F(T, "Hello"), P1002, E }, RULE(OPCODE), false },
    { "4.1.4", { F(T, "Hello"), F(0x86, "Hello"), F(PING, ""), E }, { F(T, "Hello"), P1002, E }, RULE(OPCODE), false },
    { "4.1.5", { F(T, "Hello"), F(0x87, "Hello"), F(PING, ""), E }, { F(T, "Hello"), P1002, E }, RULE(OPCODE), false },
    { "4.2.1", { F(0x8b, ""), E }, { P1002, E }, RULE(OPCODE), false },
    { "4.2.2", { F(0x8c, "reserved"), E }, { P1002, E }, RULE(OPCODE), false },
    { "4.2.3", { F(T, "Hello"), F(0x8d, ""), F(PING, ""), E }, { F(T, "Hello"), P1002, E }, RULE(OPCODE), false },
    { "4.2.4", { F(T, "Hello"), F(0x8e, "Hello"), F(PING, ""), E }, { F(T, "Hello"), P1002, E }, RULE(OPCODE), false },
    { "4.2.5", { F(T, "Hello"), F(0x8f, "Hello"), F(PING, ""), E }, { F(T, "Hello"), P1002, E }, RULE(OPCODE), false },

    { "5.1", { F(0x09, "fragment1"), F(C, "fragment2"), E }, { P1002, E }, RULE(CONTROL), false },
    { "5.2", { F(0x0a, "fragment1"), F(C, "fragment2"), E }, { P1002, E }, RULE(CONTROL), false },
    { "5.3", { F(T_, "fragment1"), F(C, "fragment2"), E }, { F(T, "fragment1fragment2"), E }, 0, false },
    { "5.6", { F(T_, "fragment1"), F(PING, "ping"), F(C, "fragment2"), E }, { F(PONG, "ping"), F(T, "fragment1fragment2"), E }, 0, false },
    { "5.9", { F(C, "non-continuation"), F(T, "Hello"), E }, { P1002, E }, RULE(SEQUENCE), false },
    { "5.12", { F(C_, "non-continuation"), F(T, "Hello"), E }, { P1002, E }, RULE(SEQUENCE), false },
    { "5.15", { F(T_, "fragment1"), F(C, "fragment2"), F(C_, "fragment3"), F(T, "fragment4"), E },
      { F(T, "fragment1fragment2"), P1002, E }, RULE(SEQUENCE), false },
    { "5.16", { F(C_, "fragment1"), F(T_, "fragment2"), F(C, "fragment3"), E }, { P1002, E }, RULE(SEQUENCE), false },
    { "5.17", { F(C, "fragment1"), F(T_, "fragment2"), F(C, "fragment3"), E }, { P1002, E }, RULE(SEQUENCE), false },
    { "5.18", { F(T_, "fragment1"), F(T, "fragment2"), E }, { P1002, E }, RULE(SEQUENCE), false },
    { "5.19", { F(T_, "fragment1"), F(C_, "fragment2"), F(PING, "pongme 1"), F(C_, "fragment3"), F(C_, "fragment4"), F(PING, "pongme 2"), F(C, "fragment5"), E },
      { F(PONG, "pongme 1"), F(PONG, "pongme 2"), F(T, "fragment1fragment2fragment3fragment4fragment5"), E }, 0, false },

    { "6.1.1", { F(T, ""), E }, { F(T, ""), E }, 0, false },
    { "6.1.2", { F(T_, ""), F(C_, ""), F(C, ""), E }, { F(T, ""), E }, 0, false },
    { "6.1.3", { F(T_, ""), F(C_, "middle"), F(C, ""), E }, { F(T, "middle"), E }, 0, false },
    { "6.2.1", { F(T, "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!"), E },
      { F(T, "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!"), E }, 0, false },
    { "6.2.2", { F(T_, "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4"), F(C, "\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!"), E },
      { F(T, "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!"), E }, 0, false },
    { "6.2.3", { F(T_, "\xce"), F(C_, "\xba"), F(C_, "\xe1"), F(C_, "\xbd"), F(C, "\xb9"), E }, { F(T, "\xce\xba\xe1\xbd\xb9"), E }, 0, false },
    { "6.3.1", { F(T, KOSME "\xed\xa0\x80" "edited"), E }, { P1007, E }, RULE(UTF8), false },
    { "6.4.1", { F(T_, KOSME), F(C_, "\xf4\x90\x80\x80"), F(C, "edited"), E }, { P1007, E }, RULE(UTF8), false },
    { "6.4.2", { F(T_, KOSME "\xf4"), F(C_, "\x90"), F(C, ""), E }, { P1007, E }, RULE(UTF8), false },
    { "6.x whole character missing", { F(T_, KOSME), F(C, "\xe1\xbd"), E }, { P1007, E }, RULE(UTF8), false },

    { "7.1.1", { F(T, "Hello"), F(CLOSE, "\x03\xe8"), E }, { F(T, "Hello"), F(CLOSE, "\x03\xe8"), E }, 0, true },
    { "7.1.2", { F(CLOSE, "\x03\xe8"), F(CLOSE, "\x03\xe8"), E }, { F(CLOSE, "\x03\xe8"), E }, 0, true },
    { "7.1.3", { F(CLOSE, "\x03\xe8"), F(PING, ""), E }, { F(CLOSE, "\x03\xe8"), E }, 0, true },
    { "7.1.4", { F(CLOSE, "\x03\xe8"), F(T, "Hello"), E }, { F(CLOSE, "\x03\xe8"), E }, 0, true },
    { "7.1.5", { F(T_, "fragment1"), F(CLOSE, "\x03\xe8"), F(C, "fragment2"), E }, { F(CLOSE, "\x03\xe8"), E }, 0, true },
    { "7.3.1", { F(CLOSE, ""), E }, { F(CLOSE, ""), E }, 0, true },
    { "7.3.2", { F(CLOSE, "a"), E }, { P1002, E }, RULE(CLOSE_CODE), false },
    { "7.3.3", { F(CLOSE, "\x03\xe8"), E }, { F(CLOSE, "\x03\xe8"), E }, 0, true },
    { "7.3.4", { F(CLOSE, "\x03\xe8" "Hello World!"), E }, { F(CLOSE, "\x03\xe8"), E }, 0, true },
    { "7.3.5", { F(CLOSE, "\x03\xe8" X123), E }, { F(CLOSE, "\x03\xe8"), E }, 0, true },
    { "7.3.6", { F(CLOSE, "\x03\xe8" X123 "*"), E }, { P1002, E }, RULE(CONTROL), false },
    { "7.5.1", { F(CLOSE, "\x03\xe8" KOSME "\xed\xa0\x80" "edited"), E }, { P1007, E }, RULE(UTF8), false },
};

static bool matches(const frame *want, uint8_t first, hf_bytes got, bool fault)
{
    const size_t n = fault && want->first == CLOSE ? 2 : got.len;
    return want->first == first && want->payload.len <= got.len && n == want->payload.len && memcmp(want->payload.ptr, got.ptr, n) == 0;
}

static void run_example(const example *x, bool server, bool by_one)
{
    hf_test_world world;
    rig r;
    bytes wire = { 0 };
    uint32_t count = 0;
    hf_test_world_init(&world, 1);
    const hf_entropy entropy = { rig_entropy, &count };
    hf_crypto *const crypto = hf_crypto_new(&world.env, &entropy);
    const hf_websocket_options options = { .crypto = crypto };
    assert_true(rig_open(&r, &world.env, server, RIG_ECHO, &options));
    for (const frame *f = x->in; f->first != END; f++)
        peer_frame(&wire, server, f->first, f->payload);
    rig_feed_cut(&r, hf_bytes_make(wire.ptr, wire.len), false, by_one ? cut_by_one : NULL, NULL);
    rig_emit(&r);
    size_t at = 0;
    uint8_t first;
    hf_bytes payload;
    for (const frame *f = x->out; f->first != END; f++)
        if (!peer_read(&r, &at, &first, &payload) || !matches(f, first, payload, x->fault != 0))
            fail_msg("%s as %s: answer %zu differs:\n%s", x->name, server ? "server" : "client", (size_t)(f - x->out), r.log);
    if (peer_read(&r, &at, &first, &payload))
        fail_msg("%s as %s: more was said than was due:\n%s", x->name, server ? "server" : "client", r.log);
    const hf_step due = x->fault != 0 ? HF_FAULT : x->over ? HF_CLOSED : HF_IDLE;
    if (r.last != due || hf_websocket_fault(r.w)->err.code != x->fault)
        fail_msg("%s: %d, %s\n%s", x->name, r.last, hf_err_text(hf_websocket_fault(r.w)->err), r.log);
    assert_int_equal(hf_websocket_fault(r.w)->err.code, x->fault);
    bytes_free(&wire);
    rig_close(&r);
    hf_crypto_free(crypto);
    hf_test_world_fini(&world);
}

static void run_all_ways(const example *x)
{
    for (int way = 0; way < 4; way++)
        run_example(x, (way & 1) != 0, (way & 2) != 0);
}

static void cases_2_to_7_by_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_COUNT(examples); i++)
        run_all_ways(&examples[i]);
}

/* 6.5 to 6.23: what is UTF-8 and what is not. */
static void cases_6_sequences(void **state)
{
    (void)state;
    static const hf_bytes good[] = {
        HF_LITERAL("\xc2\x80"), HF_LITERAL("\xe0\xa0\x80"), HF_LITERAL("\xf0\x90\x80\x80"), HF_LITERAL("\x7f"), HF_LITERAL("\xdf\xbf"),
        HF_LITERAL("\xef\xbf\xbf"), HF_LITERAL("\xf4\x8f\xbf\xbf"), HF_LITERAL("\xed\x9f\xbf"), HF_LITERAL("\xee\x80\x80"),
        HF_LITERAL("\xef\xbf\xbd"), HF_LITERAL("\xef\xbf\xbe"), HF_LITERAL("\xf0\x9f\xbf\xbf"), HF_LITERAL("\xf3\xbf\xbf\xbe"), HF_LITERAL("\x00"),
        HF_LITERAL(KOSME), HF_LITERAL("\xef\xbb\xbf"),
    };
    static const hf_bytes bad[] = {
        HF_LITERAL("\xf8\x88\x80\x80\x80"), HF_LITERAL("\xfc\x84\x80\x80\x80\x80"), HF_LITERAL("\xf7\xbf\xbf\xbf"), HF_LITERAL("\xf4\x90\x80\x80"),
        HF_LITERAL("\x80"), HF_LITERAL("\xbf"), HF_LITERAL("\x80\xbf\x80"), HF_LITERAL("\xc0 "), HF_LITERAL("\xe0 "), HF_LITERAL("\xf0 "),
        HF_LITERAL("\xc2"), HF_LITERAL("\xe0\xa0"), HF_LITERAL("\xf0\x90\x80"), HF_LITERAL("\xfe"), HF_LITERAL("\xff"), HF_LITERAL("\xc0\xaf"),
        HF_LITERAL("\xe0\x80\xaf"), HF_LITERAL("\xf0\x80\x80\xaf"), HF_LITERAL("\xc1\xbf"), HF_LITERAL("\xe0\x9f\xbf"), HF_LITERAL("\xf0\x8f\xbf\xbf"),
        HF_LITERAL("\xc0\x80"), HF_LITERAL("\xed\xa0\x80"), HF_LITERAL("\xed\xad\xbf"), HF_LITERAL("\xed\xae\x80"), HF_LITERAL("\xed\xbf\xbf"),
        HF_LITERAL("\xed\xa0\x80\xed\xb0\x80"), HF_LITERAL("\xe1\x80\xc0"), HF_LITERAL("\xf1\x80\x80\x7f"),
    };
    for (size_t i = 0; i < HF_COUNT(good); i++) {
        const example x = { "6 good", { { T, good[i] }, E }, { { T, good[i] }, E }, 0, false };
        run_all_ways(&x);
    }
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        const example x = { "6 bad", { { T, bad[i] }, E }, { P1007, E }, RULE(UTF8), false };
        run_all_ways(&x);
    }
}

/* 7.7 and 7.9: codes that may and may not be sent. */
static void cases_7_codes(void **state)
{
    (void)state;
    static const uint16_t good[] = { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999 };
    static const uint16_t bad[] = { 0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535 };
    for (size_t i = 0; i < HF_COUNT(good) + HF_COUNT(bad); i++) {
        const bool fit = i < HF_COUNT(good);
        const uint16_t code = fit ? good[i] : bad[i - HF_COUNT(good)];
        const uint8_t body[2] = { (uint8_t)(code >> 8), (uint8_t)code };
        const example x = { "7 code", { { CLOSE, { body, 2 } }, E }, { { CLOSE, { fit ? body : (const uint8_t *)"\x03\xea", 2 } }, E },
                            fit ? 0 : RULE(CLOSE_CODE), fit };
        run_all_ways(&x);
    }
}

/* ---- long ones ---------------------------------------------------------------------------------------------- */

static size_t cut_evenly(void *ctx, size_t at, size_t length)
{
    const size_t step = *(size_t *)ctx;
    return length - at < step ? length : at + step;
}

/* One message of this size in fragments of that, fed in slices of such; it must come back the same. */
static void echo_long(bool server, uint8_t type, size_t size, size_t fragment, size_t slice, rig_app app, size_t answer_fragment)
{
    hf_test_world world;
    rig r;
    bytes wire = { 0 }, back = { 0 };
    uint32_t count = 0;
    hf_test_world_init(&world, 1);
    world.limits.websocket_message_bytes = world.limits.websocket_output_bytes = 64 << 20;
    const hf_entropy entropy = { rig_entropy, &count };
    hf_crypto *const crypto = hf_crypto_new(&world.env, &entropy);
    const hf_websocket_options options = { .crypto = crypto, .fragment_bytes = (uint32_t)answer_fragment };
    assert_true(rig_open(&r, &world.env, server, app, &options));
    uint8_t *const message = malloc(size + 1);
    memset(message, type == HF_WEBSOCKET_TEXT ? '*' : 0xfe, size);
    for (size_t at = 0; at == 0 || at < size; at += fragment) {
        const bool last = size - at <= fragment;
        peer_frame(&wire, server, (uint8_t)((at == 0 ? type : 0) | (last ? 0x80 : 0)), hf_bytes_make(message + at, last ? size - at : fragment));
    }
    rig_feed_cut(&r, hf_bytes_make(wire.ptr, wire.len), false, slice > 0 ? cut_evenly : NULL, &slice);
    rig_emit(&r);
    size_t at = 0, frames = 0;
    uint8_t first = 0;
    for (hf_bytes payload; peer_read(&r, &at, &first, &payload); frames++) {
        assert_int_equal(first & 0x0f, frames == 0 ? type : 0);
        bytes_add(&back, payload.ptr, payload.len);
    }
    assert_true((first & 0x80) != 0 && back.len == size && (size == 0 || memcmp(back.ptr, message, size) == 0));
    if (answer_fragment > 0 && app == RIG_ECHO)
        assert_int_equal(frames, (size + answer_fragment - 1) / answer_fragment);
    assert_int_equal(r.messages, 1);
    bytes_free(&wire);
    bytes_free(&back);
    free(message);
    rig_close(&r);
    hf_crypto_free(crypto);
    hf_test_world_fini(&world);
}

static void cases_1_lengths_at_the_borders_of_the_forms(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 125, 126, 127, 128, 65535, 65536 };
    for (size_t i = 0; i < HF_COUNT(sizes); i++)
        for (int way = 0; way < 8; way++)
            echo_long((way & 1) != 0, (way & 2) != 0 ? HF_WEBSOCKET_TEXT : HF_WEBSOCKET_BINARY, sizes[i], SIZE_MAX, 0,
                      (way & 4) != 0 ? RIG_PIECES : RIG_ECHO, 0);
    echo_long(true, HF_WEBSOCKET_TEXT, 65536, SIZE_MAX, 997, RIG_ECHO, 0); /* 1.1.8 */
    echo_long(false, HF_WEBSOCKET_BINARY, 65536, SIZE_MAX, 997, RIG_ECHO, 0);
}

static void cases_9_large_messages_fragments_and_slices(void **state)
{
    (void)state;
    for (int server = 0; server < 2; server++) {
        for (size_t size = 65536; size <= 16777216; size *= 4)
            echo_long(server, HF_WEBSOCKET_TEXT, size, SIZE_MAX, 0, RIG_ECHO, 0);                     /* 9.1, 9.2 */
        for (size_t fragment = 64; fragment <= 4194304; fragment *= 16)
            echo_long(server, HF_WEBSOCKET_BINARY, 4194304, fragment, 0, RIG_ECHO, 0);                /* 9.3, 9.4 */
        for (size_t slice = 512; slice <= 2048; slice *= 2)
            echo_long(server, HF_WEBSOCKET_TEXT, 1048576, SIZE_MAX, slice, RIG_PIECES, 0);            /* 9.5, 9.6 */
        echo_long(server, HF_WEBSOCKET_TEXT, 1048576, 64, 60000, RIG_PIECES, 0);
    }
}

/* 9.7, 9.8: many short messages. */
static void cases_9_many_messages(void **state)
{
    (void)state;
    hf_test_world world;
    rig r;
    bytes wire = { 0 };
    hf_test_world_init(&world, 1);
    assert_true(rig_open(&r, &world.env, true, RIG_ECHO, NULL));
    uint8_t message[64];
    memset(message, 'm', sizeof message);
    for (int i = 0; i < 1000; i++)
        peer_frame(&wire, true, T, hf_bytes_make(message, (size_t)(i % 65)));
    size_t slice = 4096;
    rig_feed_cut(&r, hf_bytes_make(wire.ptr, wire.len), false, cut_evenly, &slice);
    rig_emit(&r);
    assert_int_equal(r.messages, 1000);
    assert_int_equal(r.out.len, wire.len - 4 * 1000); /* the masks */
    bytes_free(&wire);
    rig_close(&r);
    hf_test_world_fini(&world);
}

static void case_10_messages_leave_in_fragments(void **state)
{
    (void)state;
    echo_long(true, HF_WEBSOCKET_TEXT, 65536, 1300, 0, RIG_ECHO, 1300);
    echo_long(false, HF_WEBSOCKET_BINARY, 65536, 65536, 0, RIG_ECHO, 1300);
    echo_long(true, HF_WEBSOCKET_TEXT, 65536, 1024, 1000, RIG_PIECES, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases_1_lengths_at_the_borders_of_the_forms),
        cmocka_unit_test(cases_2_to_7_by_table),
        cmocka_unit_test(cases_6_sequences),
        cmocka_unit_test(cases_7_codes),
        cmocka_unit_test(cases_9_large_messages_fragments_and_slices),
        cmocka_unit_test(cases_9_many_messages),
        cmocka_unit_test(case_10_messages_leave_in_fragments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
