/* SPDX-License-Identifier: Apache-2.0
 *
 * Every frame in every place, on every kind of lane, against the running core: the answer is the one that RFC 9114 demands.
 */
#include "http3/rig.h"

static hf_test_world w;
static rig r;
static wire out;

/* ---- the matrix --------------------------------------------------------------------------------------------- */

enum { FINE = 0 }; /* else the code of the connection error */

static const uint64_t types[] = { HF_H3_DATA, HF_H3_HEADERS, HF_H3_CANCEL_PUSH, HF_H3_SETTINGS, HF_H3_PUSH_PROMISE, HF_H3_GOAWAY,
                                  HF_H3_MAX_PUSH_ID, HF_H3_PRIORITY_UPDATE, HF_H3_PRIORITY_UPDATE_PUSH, 0x2, 0x6, 0x8, 0x9,
                                  0x21, 0x40 };
enum { TYPES = HF_COUNT(types) };
#define U HF_HTTP3_FRAME_UNEXPECTED
#define M HF_HTTP3_MISSING_SETTINGS

typedef struct cell_row {
    const char *name;
    bool server;
    hf_lane (*reach)(void);
    uint64_t want[TYPES];
} cell_row;

static hf_lane control_first(void)
{
    const bool client = r.app == RIG_CLIENT;
    wire_int(&out, HF_H3_STREAM_CONTROL);
    rig_wire(&r, RIG_CONTROL + client, &out, false);
    return RIG_CONTROL + client;
}
static hf_lane control_later(void)
{
    rig_settings(&r, NULL, 0);
    return RIG_CONTROL + (r.app == RIG_CLIENT);
}
static hf_lane server_head(void)
{
    return 0;
}
static hf_lane server_body(void)
{
    rig_wire(&r, 0, wire_headers(&out, RIG_POST), false);
    return 0;
}
static hf_lane server_tail(void)
{
    wire_headers(&out, RIG_POST);
    rig_wire(&r, 0, wire_headers(&out, "t: u\n"), false);
    return 0;
}
static hf_lane server_tunnel(void)
{
    rig_wire(&r, 0, wire_headers(&out, ":method: CONNECT\n:authority: a:443\n"), false);
    return 0;
}
static hf_lane client_head(void)
{
    assert_int_equal(rig_ask(&r, 0, "GET", "/", HF_LENGTH_NONE).code, 0);
    return 0;
}
static hf_lane client_interim(void)
{
    client_head();
    rig_wire(&r, 0, wire_headers(&out, ":status: 103\n"), false);
    return 0;
}
static hf_lane client_body(void)
{
    client_head();
    rig_wire(&r, 0, wire_headers(&out, ":status: 200\n"), false);
    return 0;
}
static hf_lane client_tail(void)
{
    client_body();
    rig_wire(&r, 0, wire_headers(&out, "t: u\n"), false);
    return 0;
}
static void promise(void)
{
    uint8_t payload[256] = { 0 };
    const size_t n = 1 + wire_section(RIG_GET, payload + 1, sizeof payload - 1);
    rig_wire(&r, 0, wire_frame(&out, HF_H3_PUSH_PROMISE, payload, n), false);
}
static hf_lane client_push_head(void)
{
    client_head();
    promise();
    wire_int(&out, HF_H3_STREAM_PUSH);
    rig_wire(&r, 15, wire_int(&out, 0), false);
    return 15;
}
static hf_lane client_push_body(void)
{
    client_push_head();
    rig_wire(&r, 15, wire_headers(&out, ":status: 200\n"), false);
    return 15;
}

static const cell_row rows[] = {
    /*                                             DATA HEAD CANC SETT PROM GOAW MAXP PRIO PRIP  2  6  8  9  0x21  0x40 */
    { "control, first (server)", true, control_first,   { M, M, M, FINE, M, M, M, M, M, M, M, M, M, M, M } },
    { "control (server)", true, control_later,          { U, U, FINE, U, U, FINE, FINE, FINE, FINE, U, U, U, U, FINE, FINE } },
    { "request, head awaited", true, server_head,       { U, FINE, U, U, U, U, U, U, U, U, U, U, U, FINE, FINE } },
    { "request, in its body", true, server_body,        { FINE, FINE, U, U, U, U, U, U, U, U, U, U, U, FINE, FINE } },
    { "request, after trailers", true, server_tail,     { U, U, U, U, U, U, U, U, U, U, U, U, U, FINE, FINE } },
    { "tunnel", true, server_tunnel,                    { FINE, U, U, U, U, U, U, U, U, U, U, U, U, FINE, FINE } },
    { "control, first (client)", false, control_first,  { M, M, M, FINE, M, M, M, M, M, M, M, M, M, M, M } },
    { "control (client)", false, control_later,         { U, U, FINE, U, U, FINE, U, U, U, U, U, U, U, FINE, FINE } },
    { "response, head awaited", false, client_head,     { U, FINE, U, U, FINE, U, U, U, U, U, U, U, U, FINE, FINE } },
    { "response, after an interim one", false, client_interim, { U, FINE, U, U, FINE, U, U, U, U, U, U, U, U, FINE, FINE } },
    { "response, in its body", false, client_body,      { FINE, FINE, U, U, FINE, U, U, U, U, U, U, U, U, FINE, FINE } },
    { "response, after trailers", false, client_tail,   { U, U, U, U, FINE, U, U, U, U, U, U, U, U, FINE, FINE } },
    { "push, head awaited", false, client_push_head,    { U, FINE, U, U, U, U, U, U, U, U, U, U, U, FINE, FINE } },
    { "push, in its body", false, client_push_body,     { FINE, FINE, U, U, U, U, U, U, U, U, U, U, U, FINE, FINE } },
};

/* A frame of the type with a content that is in order. */
static void build(uint64_t type, const cell_row *row)
{
    uint8_t payload[256] = { 0 };
    const bool head = row->reach == server_head, answer = row->reach == client_head || row->reach == client_interim ||
                                                          row->reach == client_push_head;
    switch (type) {
    case HF_H3_DATA: wire_data(&out, "x"); break;
    case HF_H3_HEADERS: wire_headers(&out, head ? RIG_POST : answer ? ":status: 200\n" : "t: u\n"); break;
    case HF_H3_SETTINGS: wire_frame(&out, type, NULL, 0); break;
    case HF_H3_PUSH_PROMISE:
        payload[0] = row->reach == client_push_body ? 1 : 0;
        wire_frame(&out, type, payload, 1 + wire_section(RIG_GET, payload + 1, sizeof payload - 1));
        break;
    case HF_H3_PRIORITY_UPDATE: wire_frame(&out, type, "\0u=1", 4); break;
    case HF_H3_CANCEL_PUSH: case HF_H3_PRIORITY_UPDATE_PUSH: case HF_H3_GOAWAY: wire_number(&out, type, 0); break;
    case HF_H3_MAX_PUSH_ID: wire_number(&out, type, 9); break;
    default: wire_frame(&out, type, "grease", 6); break;
    }
}

/* The server has promised push 0, so that the client may speak of it. */
static void prepare_push(void)
{
    const hf_request_head head = { .method = HF_METHOD_GET, .scheme = HF_LITERAL("https"), .authority = HF_LITERAL("a"),
                                   .path = HF_LITERAL("/p"), .content_length = HF_LENGTH_NONE };
    rig_wire(&r, RIG_CONTROL, wire_number(&out, HF_H3_MAX_PUSH_ID, 5), false);
    rig_wire(&r, 4, wire_headers(&out, RIG_GET), true);
    assert_int_equal(hf_http3_push(r.h, 4, &head, 19).code, 0);
}

static void every_frame_in_every_place_is_answered_as_rfc_9114_says(void **state)
{
    (void)state;
    for (const cell_row *row = rows; row < rows + HF_COUNT(rows); row++)
        for (size_t i = 0; i < TYPES; i++) {
            hf_test_world_init(&w, 1);
            out.length = 0;
            assert_true(rig_open(&r, &w.env, row->server ? RIG_SILENT : RIG_CLIENT));
            const hf_lane lane = row->reach();
            if (row->server && row->reach == control_later)
                prepare_push();
            assert_int_not_equal(r.last, HF_FAULT);
            build(types[i], row);
            rig_wire(&r, lane, &out, false);
            const uint64_t got = r.last == HF_FAULT ? hf_http3_close_code(r.h) : FINE;
            if (got != row->want[i])
                fail_msg("%s, frame %llx: %llx and not %llx: %s", row->name, (unsigned long long)types[i], (unsigned long long)got,
                         (unsigned long long)row->want[i], hf_err_text(hf_http3_fault(r.h)->err));
            rig_close(&r);
            hf_test_world_fini(&w);
        }
}

/* ---- one-way streams, endings, integers ---------------------------------------------------------------------- */

typedef struct stream_row {
    const char *name;
    bool server;
    const char *first; /* on a one-way lane of the peer */
    size_t first_length;
    const char *second; /* on another; NULL: none */
    size_t second_length;
    bool fin; /* of the last */
    uint64_t want;
} stream_row;
#define BYTES(s) s, sizeof s - 1
#define NOTHING NULL, 0

static const stream_row stream_rows[] = {
    { "two control streams", true, BYTES("\0\4\0"), BYTES("\0"), false, HF_HTTP3_STREAM_CREATION_ERROR },
    { "two encoder streams", true, BYTES("\2"), BYTES("\2"), false, HF_HTTP3_STREAM_CREATION_ERROR },
    { "two decoder streams", false, BYTES("\3"), BYTES("\3"), false, HF_HTTP3_STREAM_CREATION_ERROR },
    { "a push from a client", true, BYTES("\1"), NOTHING, false, HF_HTTP3_STREAM_CREATION_ERROR },
    { "a push that was not allowed", false, BYTES("\1\x40\x64"), NOTHING, false, HF_HTTP3_ID_ERROR },
    { "two streams for one push", false, BYTES("\1\0"), BYTES("\1\0"), false, HF_HTTP3_ID_ERROR },
    { "a push without a number", false, BYTES("\1\x40"), NOTHING, true, HF_HTTP3_FRAME_ERROR },
    { "control ends", true, BYTES("\0\4\0"), NOTHING, true, HF_HTTP3_CLOSED_CRITICAL_STREAM },
    { "control ends at once", true, BYTES("\0"), NOTHING, true, HF_HTTP3_CLOSED_CRITICAL_STREAM },
    { "control ends in a frame", true, BYTES("\0\4\5"), NOTHING, true, HF_HTTP3_CLOSED_CRITICAL_STREAM },
    { "the encoder stream ends", false, BYTES("\2"), NOTHING, true, HF_HTTP3_CLOSED_CRITICAL_STREAM },
    { "the decoder stream ends", true, BYTES("\3"), NOTHING, true, HF_HTTP3_CLOSED_CRITICAL_STREAM },
    { "an unknown stream", true, BYTES("\x21whatever"), NOTHING, false, FINE },
    { "an unknown stream that ends", true, BYTES("\x40\x40whatever"), NOTHING, true, FINE },
    { "a stream that ends before its type", true, NOTHING, NOTHING, true, FINE },
    { "half a type", true, BYTES("\x40"), NOTHING, true, FINE },
    { "an encoder instruction too far", true, BYTES("\2\x3f\xff\xff\xff\x7f"), NOTHING, false, HF_HTTP3_QPACK_ENCODER_STREAM_ERROR },
    { "an acknowledgment of nothing", true, BYTES("\3\x84"), NOTHING, false, HF_HTTP3_QPACK_DECODER_STREAM_ERROR },
    { "settings twice the same", true, BYTES("\0\4\4\6\1\6\1"), NOTHING, false, HF_HTTP3_SETTINGS_ERROR },
    { "a setting of HTTP/2", true, BYTES("\0\4\2\2\1"), NOTHING, false, HF_HTTP3_SETTINGS_ERROR },
    { "a setting of HTTP/2", true, BYTES("\0\4\2\4\1"), NOTHING, false, HF_HTTP3_SETTINGS_ERROR },
    { "connect that is no flag", true, BYTES("\0\4\2\x08\2"), NOTHING, false, HF_HTTP3_SETTINGS_ERROR },
    { "datagram that is no flag", true, BYTES("\0\4\2\x33\2"), NOTHING, false, HF_HTTP3_SETTINGS_ERROR },
    { "half a setting", true, BYTES("\0\4\1\6"), NOTHING, false, HF_HTTP3_FRAME_ERROR },
    { "reserved settings", true, BYTES("\0\4\4\x21\1\x33\1"), NOTHING, false, FINE },
    { "GOAWAY for no request", false, BYTES("\0\4\0\7\1\1"), NOTHING, false, HF_HTTP3_ID_ERROR },
    { "GOAWAY that grows", false, BYTES("\0\4\0\7\1\4\7\1\x08"), NOTHING, false, HF_HTTP3_ID_ERROR },
    { "GOAWAY of a client that grows", true, BYTES("\0\4\0\7\1\4\7\1\5"), NOTHING, false, HF_HTTP3_ID_ERROR },
    { "GOAWAY with more than a number", false, BYTES("\0\4\0\7\2\4\4"), NOTHING, false, HF_HTTP3_FRAME_ERROR },
    { "GOAWAY without a number", false, BYTES("\0\4\0\7\0"), NOTHING, false, HF_HTTP3_FRAME_ERROR },
    { "MAX_PUSH_ID that shrinks", true, BYTES("\0\4\0\x0d\1\5\x0d\1\4"), NOTHING, false, HF_HTTP3_ID_ERROR },
    { "CANCEL_PUSH of no push", true, BYTES("\0\4\0\3\1\0"), NOTHING, false, HF_HTTP3_ID_ERROR },
    { "CANCEL_PUSH beyond the limit", false, BYTES("\0\4\0\3\2\x40\x64"), NOTHING, false, HF_HTTP3_ID_ERROR },
    { "PRIORITY_UPDATE of no request", true, BYTES("\0\4\0\x80\x0f\x07\0\1\2"), NOTHING, false, HF_HTTP3_ID_ERROR },
    { "PRIORITY_UPDATE of no push", true, BYTES("\0\4\0\x80\x0f\x07\1\1\0"), NOTHING, false, HF_HTTP3_ID_ERROR },
    { "PRIORITY_UPDATE that is nonsense", true, BYTES("\0\4\0\x80\x0f\x07\0\4\0%&/"), NOTHING, false, FINE },
};

static void one_way_streams_are_held_to_their_rules(void **state)
{
    (void)state;
    for (const stream_row *s = stream_rows; s < stream_rows + HF_COUNT(stream_rows); s++) {
        hf_test_world_init(&w, 1);
        assert_true(rig_open(&r, &w.env, s->server ? RIG_SILENT : RIG_CLIENT));
        const hf_lane lane = s->server ? 2 : 3;
        if (!s->server)
            client_head(); /* something is under way */
        rig_feed(&r, lane, s->first, s->first_length, s->second == NULL && s->fin);
        if (s->second != NULL)
            rig_feed(&r, lane + 4, s->second, s->second_length, s->fin);
        const uint64_t got = r.last == HF_FAULT ? hf_http3_close_code(r.h) : FINE;
        if (got != s->want)
            fail_msg("%s: %llx and not %llx: %s", s->name, (unsigned long long)got, (unsigned long long)s->want,
                     hf_err_text(hf_http3_fault(r.h)->err));
        rig_emit(&r);
        if (s->first_length > 1 && (s->first[0] == 0x21 || s->first[0] == 0x40) && !s->fin)
            assert_int_equal(rig_lane_of(&r, lane)->stop, HF_HTTP3_STREAM_CREATION_ERROR);
        rig_close(&r);
        hf_test_world_fini(&w);
    }
}

static void vital_streams_must_not_be_given_up(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        static const char *const first[] = { "\0\4\0", "\2", "\3", "" };
        static const size_t length[] = { 3, 1, 1, 0 };
        hf_test_world_init(&w, 1);
        assert_true(rig_open(&r, &w.env, RIG_SILENT));
        rig_feed(&r, 2, first[i], length[i], false);
        const bool ours = i == 3; /* our control stream is refused with STOP */
        hf_http3_lane_ended(r.h, r.now, ours ? 3 : 2, (hf_ending){ ours ? HF_ENDING_STOP : HF_ENDING_RESET, 1 });
        assert_int_equal(rig_run(&r, HF_HTTP3_NO_LANE), HF_FAULT);
        assert_int_equal(hf_http3_close_code(r.h), HF_HTTP3_CLOSED_CRITICAL_STREAM);
        rig_close(&r);
        hf_test_world_fini(&w);
    }
}

static void a_client_takes_no_two_way_stream_of_a_server(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    assert_true(rig_open(&r, &w.env, RIG_CLIENT));
    rig_feed(&r, 1, "x", 1, false);
    assert_int_equal(r.last, HF_FAULT);
    assert_int_equal(hf_http3_close_code(r.h), HF_HTTP3_STREAM_CREATION_ERROR);
    rig_close(&r);
    hf_test_world_fini(&w);
}

static void integers_are_read_and_written(void **state)
{
    (void)state;
    /* RFC 9000 A.1 */
    static const struct { const char *bytes; size_t n; uint64_t value; } rows_[] = {
        { "\xc2\x19\x7c\x5e\xff\x14\xe8\x8c", 8, UINT64_C(151288809941952652) }, { "\x9d\x7f\x3e\x7d", 4, 494878333 },
        { "\x7b\xbd", 2, 15293 }, { "\x25", 1, 37 },
    };
    for (size_t i = 0; i < HF_COUNT(rows_); i++) {
        const uint8_t *const p = (const uint8_t *)rows_[i].bytes;
        uint8_t to[8];
        uint64_t value;
        assert_int_equal(hf_h3_int_parse(p, p + rows_[i].n, &value), rows_[i].n);
        assert_true(value == rows_[i].value);
        assert_int_equal(hf_h3_int_parse(p, p + rows_[i].n - 1, &value), 0);
        assert_int_equal(hf_h3_int_write(to, rows_[i].value), rows_[i].n);
        assert_memory_equal(to, p, rows_[i].n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_in_every_place_is_answered_as_rfc_9114_says),
        cmocka_unit_test(one_way_streams_are_held_to_their_rules),
        cmocka_unit_test(vital_streams_must_not_be_given_up),
        cmocka_unit_test(a_client_takes_no_two_way_stream_of_a_server),
        cmocka_unit_test(integers_are_read_and_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
