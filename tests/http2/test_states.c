/* SPDX-License-Identifier: Apache-2.0
 *
 * Every frame in every state of a stream, against the running core: the answer is the one that RFC 9113 demands. And the
 * picture drawn from the table is the one that was looked at and stored.
 */
#include "http2/rig.h"

static hf_test_world w;
static rig r;
static wire out;

/* ---- the picture -------------------------------------------------------------------------------------------- */

static void the_picture_is_the_stored_one(void **state)
{
    (void)state;
    static char drawn[16384], stored[16384];
    hf_writer writer = hf_writer_make(drawn, sizeof drawn);
    hf_stream_states_write(&writer);
    assert_false(writer.overflowed);
    const char *source = getenv("HF_SOURCE");
    char name[4096];
    snprintf(name, sizeof name, "%s/tests/http2/http2_states.dot", source ? source : ".");
    FILE *f = fopen(name, "rb");
    assert_non_null(f);
    const size_t n = fread(stored, 1, sizeof stored, f);
    fclose(f);
    if (n != writer.length || memcmp(stored, drawn, n) != 0)
        fail_msg("the table changed. If that is meant, store this as %s:\n%.*s", name, (int)writer.length, drawn);
}

static void closed_and_reset_streams_stay_so(void **state)
{
    (void)state;
    for (unsigned m = 0; m < HF_STREAM_MOVE_COUNT; m++) {
        assert_int_equal(hf_stream_after(HF_STREAM_CLOSED, (hf_stream_move)m), HF_STREAM_NOWHERE);
        assert_int_equal(hf_stream_after(HF_STREAM_RESET, (hf_stream_move)m), HF_STREAM_NOWHERE);
    }
}

/* ---- the matrix --------------------------------------------------------------------------------------------- */

/* What the core must do. Codes below 100 are of a connection error; 100 + code, of a stream error. */
enum { FINE = 99, QUIET = 98, STREAM = 100 };

static const unsigned types[] = { HF_FRAME_DATA, HF_FRAME_HEADERS, HF_FRAME_PRIORITY, HF_FRAME_RST_STREAM, HF_FRAME_PUSH_PROMISE,
                                  HF_FRAME_WINDOW_UPDATE, HF_FRAME_CONTINUATION };
enum { TYPES = HF_COUNT(types) };

#define P HF_HTTP2_PROTOCOL_ERROR
#define C HF_HTTP2_STREAM_CLOSED

typedef struct cell_row {
    const char *name;
    hf_stream_state state;
    void (*reach)(uint32_t *stream); /* brings a stream there; the frame then comes on *stream */
    int want[TYPES];
} cell_row;

static void ignore(hf_err err)
{
    (void)err.code;
}

static void send_out(void)
{
    rig_wire(&r, &out);
    rig_emit(&r);
    assert_int_not_equal(r.last, HF_FAULT);
}

static void server_idle(uint32_t *stream)
{
    *stream = 1;
}
static void server_idle_even(uint32_t *stream)
{
    *stream = 2; /* ours, not promised yet */
}
static void server_open(uint32_t *stream)
{
    wire_headers(&out, 1, RIG_MORE, RIG_POST);
    send_out();
    *stream = 1;
}
static void server_half_remote(uint32_t *stream)
{
    wire_get(&out, 1);
    send_out();
    *stream = 1;
}
static void answer(uint32_t stream)
{
    ignore(rig_respond(&r, stream, 200, 0));
    ignore(rig_end(&r, stream));
    rig_emit(&r);
}
static void server_half_local(uint32_t *stream)
{
    server_open(stream);
    answer(1);
}
static void server_closed(uint32_t *stream)
{
    server_half_remote(stream);
    answer(1);
}
static void server_reset(uint32_t *stream)
{
    server_open(stream);
    ignore(rig_reset(&r, 1, HF_HTTP2_CANCEL));
    rig_emit(&r);
}
static void server_lost(uint32_t *stream)
{
    server_open(stream);
    wire_u32(&out, HF_FRAME_RST_STREAM, 1, HF_HTTP2_CANCEL);
    send_out();
}
static void server_skipped(uint32_t *stream)
{
    wire_get(&out, 5); /* RFC 9113 5.1.1: streams below are closed by this */
    send_out();
    *stream = 3;
}
static void server_promised(uint32_t *stream)
{
    server_half_remote(stream);
    const hf_request_head head = { .method = HF_METHOD_GET, .scheme = HF_LITERAL("http"), .authority = HF_LITERAL("a"),
                                   .path = HF_LITERAL("/p"), .content_length = HF_LENGTH_NONE };
    assert_int_equal(hf_http2_push(r.h, 1, &head, stream).code, 0);
    rig_emit(&r);
}

static const cell_row server_rows[] = {
    /*                                                              DATA      HEADERS   PRI   RST    PUSH WINDOW CONT */
    { "idle", HF_STREAM_IDLE, server_idle,                        { P,        FINE,     FINE, P,     P,   P,     P } },
    { "idle, ours", HF_STREAM_IDLE, server_idle_even,             { P,        P,        FINE, P,     P,   P,     P } },
    { "reserved (local)", HF_STREAM_RESERVED_LOCAL, server_promised, { P,     P,        FINE, FINE,  P,   FINE,  P } },
    { "open", HF_STREAM_OPEN, server_open,                        { FINE,     FINE,     FINE, FINE,  P,   FINE,  P } },
    { "half-closed (remote)", HF_STREAM_HALF_REMOTE, server_half_remote, { STREAM + C, STREAM + C, FINE, FINE, P, FINE, P } },
    { "half-closed (local)", HF_STREAM_HALF_LOCAL, server_half_local, { FINE, FINE,     FINE, FINE,  P,   FINE,  P } },
    { "closed by both", HF_STREAM_CLOSED, server_closed,          { C,        C,        FINE, QUIET, P,   QUIET, P } },
    { "closed by the peer", HF_STREAM_CLOSED, server_lost,        { C,        C,        FINE, QUIET, P,   QUIET, P } },
    { "closed by a higher one", HF_STREAM_CLOSED, server_skipped, { C,        C,        FINE, QUIET, P,   QUIET, P } },
    { "reset by us", HF_STREAM_RESET, server_reset,               { QUIET,    QUIET,    FINE, QUIET, P,   QUIET, P } },
};

static void client_idle(uint32_t *stream)
{
    *stream = 1;
}
static void client_open(uint32_t *stream)
{
    *stream = rig_ask(&r, "POST", "/", HF_LENGTH_UNKNOWN);
    rig_emit(&r);
}
static void client_half_local(uint32_t *stream)
{
    *stream = rig_ask(&r, "GET", "/", HF_LENGTH_NONE);
    rig_emit(&r);
}
static void client_half_remote(uint32_t *stream)
{
    client_open(stream);
    wire_headers(&out, *stream, RIG_END, ":status: 200\n");
    send_out();
}
static void client_closed(uint32_t *stream)
{
    client_half_local(stream);
    wire_headers(&out, *stream, RIG_END, ":status: 200\n");
    send_out();
}
static void client_reset(uint32_t *stream)
{
    client_open(stream);
    ignore(rig_reset(&r, *stream, HF_HTTP2_CANCEL));
    rig_emit(&r);
}
static const uint8_t promise[] = "\0\0\0\2\x82\x86\x84\x01\x01" "a";
static void client_promised(uint32_t *stream)
{
    client_half_local(stream);
    wire_frame(&out, HF_FRAME_PUSH_PROMISE, HF_FLAG_END_HEADERS, *stream, promise, sizeof promise - 1);
    send_out();
    *stream = r.promised;
}

static const cell_row client_rows[] = {
    /*                                                              DATA      HEADERS   PRI   RST    PUSH WINDOW CONT */
    { "idle", HF_STREAM_IDLE, client_idle,                        { P,        P,        FINE, P,     P,   P,     P } },
    { "reserved (remote)", HF_STREAM_RESERVED_REMOTE, client_promised, { P,   FINE,     FINE, FINE,  P,   P,     P } },
    { "open", HF_STREAM_OPEN, client_open,                        { STREAM + P, FINE,   FINE, FINE,  FINE, FINE, P } },
    { "half-closed (local)", HF_STREAM_HALF_LOCAL, client_half_local, { STREAM + P, FINE, FINE, FINE, FINE, FINE, P } },
    { "half-closed (remote)", HF_STREAM_HALF_REMOTE, client_half_remote, { STREAM + C, STREAM + C, FINE, FINE, P, FINE, P } },
    { "closed by both", HF_STREAM_CLOSED, client_closed,          { C,        C,        FINE, QUIET, P,   QUIET, P } },
    { "reset by us", HF_STREAM_RESET, client_reset,               { QUIET,    QUIET,    FINE, QUIET, QUIET, QUIET, P } },
};

static void put_frame(unsigned type, uint32_t stream, bool server)
{
    switch (type) {
    case HF_FRAME_DATA: wire_data(&out, stream, 0, "data"); break;
    case HF_FRAME_HEADERS:
        if (server)
            wire_headers(&out, stream, RIG_END, hf_http2_open_streams(r.h) > 0 && stream == 1 ? "t: u\n" : RIG_GET);
        else
            wire_headers(&out, stream, RIG_MORE, ":status: 200\n");
        break;
    case HF_FRAME_PRIORITY: wire_frame(&out, type, 0, stream, "\0\0\0\0\1", 5); break;
    case HF_FRAME_PUSH_PROMISE: {
        uint8_t bytes[sizeof promise - 1];
        memcpy(bytes, promise, sizeof bytes);
        bytes[3] = 4;
        wire_frame(&out, type, HF_FLAG_END_HEADERS, stream, bytes, sizeof bytes);
        break;
    }
    case HF_FRAME_CONTINUATION: wire_frame(&out, type, HF_FLAG_END_HEADERS, stream, "\x82", 1); break;
    default: wire_u32(&out, type, stream, 1); break;
    }
}

static void check_cell(const cell_row *row, unsigned column, bool server)
{
    uint32_t stream = 0;
    hf_test_world_init(&w, 1);
    assert_true(rig_open(&r, &w.env, server ? RIG_SILENT : RIG_CLIENT));
    out.length = 0;
    if (server)
        wire_preface(&out);
    else
        wire_frame(&out, HF_FRAME_SETTINGS, 0, 0, NULL, 0);
    send_out();
    row->reach(&stream);
    rig_emit(&r);
    const size_t resets_before = rig_count(&r, HF_FRAME_RST_STREAM, stream);
    put_frame(types[column], stream, server);
    rig_wire(&r, &out);
    rig_emit(&r);
    const int want = row->want[column];
    const int64_t goaway = rig_code(&r, 0), reset = rig_count(&r, HF_FRAME_RST_STREAM, stream) > resets_before ? rig_code(&r, stream) : -1;
    const int got = goaway >= 0 ? (int)goaway : reset >= 0 ? STREAM + (int)reset : FINE;
    if (got != (want == QUIET ? FINE : want))
        fail_msg("%s, %s, frame type %u: %d, not %d\n%s", server ? "server" : "client", row->name, types[column], got, want, r.log);
    assert_int_equal(r.last == HF_FAULT, want < QUIET);
    rig_close(&r);
    hf_test_world_fini(&w);
}

static void every_cell_of_the_server_is_as_rfc_9113_demands(void **state)
{
    (void)state;
    for (size_t row = 0; row < HF_COUNT(server_rows); row++)
        for (unsigned column = 0; column < TYPES; column++)
            check_cell(&server_rows[row], column, true);
}

static void every_cell_of_the_client_is_as_rfc_9113_demands(void **state)
{
    (void)state;
    for (size_t row = 0; row < HF_COUNT(client_rows); row++)
        for (unsigned column = 0; column < TYPES; column++)
            check_cell(&client_rows[row], column, false);
}

/* The table itself, for every state and frame: what it says is what the rows above say. */
static void the_table_agrees_with_the_matrix(void **state)
{
    (void)state;
    static const int verdicts[] = { FINE, QUIET, STREAM + C, C, P };
    for (size_t row = 0; row < HF_COUNT(server_rows); row++)
        for (unsigned column = 0; column < TYPES - 1; column++) {
            const int said = verdicts[hf_stream_verdict(server_rows[row].state, types[column])];
            const int want = server_rows[row].want[column];
            const bool by_role = types[column] == HF_FRAME_PUSH_PROMISE || server_rows[row].reach == server_idle_even;
            assert_true(said == want || by_role);
        }
}

/* Frames that belong to the connection, sent on a stream, and the reverse. */
static void frames_in_the_wrong_place_are_protocol_errors(void **state)
{
    (void)state;
    static const struct { unsigned type; uint32_t stream; size_t length; } wrong[] = {
        { HF_FRAME_DATA, 0, 4 }, { HF_FRAME_HEADERS, 0, 1 }, { HF_FRAME_PRIORITY, 0, 5 }, { HF_FRAME_RST_STREAM, 0, 4 },
        { HF_FRAME_SETTINGS, 1, 0 }, { HF_FRAME_PUSH_PROMISE, 0, 8 }, { HF_FRAME_PING, 1, 8 }, { HF_FRAME_GOAWAY, 1, 8 },
        { HF_FRAME_CONTINUATION, 0, 1 }, { HF_FRAME_PRIORITY_UPDATE, 1, 5 },
    };
    for (size_t i = 0; i < HF_COUNT(wrong); i++) {
        static const uint8_t zeros[16];
        hf_test_world_init(&w, 1);
        assert_true(rig_open(&r, &w.env, RIG_SILENT));
        out.length = 0;
        wire_preface(&out);
        wire_frame(&out, wrong[i].type, HF_FLAG_END_HEADERS, wrong[i].stream, zeros, wrong[i].length);
        rig_wire(&r, &out);
        rig_emit(&r);
        assert_int_equal(r.last, HF_FAULT);
        assert_int_equal(rig_code(&r, 0), HF_HTTP2_PROTOCOL_ERROR);
        rig_close(&r);
        hf_test_world_fini(&w);
    }
}

static void frames_of_a_wrong_length_are_frame_size_errors(void **state)
{
    (void)state;
    static const struct { unsigned type, flags; uint32_t stream; size_t length; } wrong[] = {
        { HF_FRAME_PRIORITY, 0, 1, 4 }, { HF_FRAME_PRIORITY, 0, 1, 6 }, { HF_FRAME_RST_STREAM, 0, 1, 3 }, { HF_FRAME_RST_STREAM, 0, 1, 5 },
        { HF_FRAME_SETTINGS, 0, 0, 5 }, { HF_FRAME_SETTINGS, HF_FLAG_ACK, 0, 6 }, { HF_FRAME_PING, 0, 0, 7 }, { HF_FRAME_PING, 0, 0, 9 },
        { HF_FRAME_GOAWAY, 0, 0, 7 }, { HF_FRAME_WINDOW_UPDATE, 0, 0, 3 }, { HF_FRAME_WINDOW_UPDATE, 0, 0, 5 },
        { HF_FRAME_DATA, 0, 1, 16385 }, { HF_FRAME_DATA, HF_FLAG_PADDED, 1, 0 }, { HF_FRAME_HEADERS, HF_FLAG_PADDED, 3, 0 },
        { HF_FRAME_HEADERS, HF_FLAG_PRIORITY, 3, 4 }, { HF_FRAME_PRIORITY_UPDATE, 0, 0, 3 },
    };
    for (size_t i = 0; i < HF_COUNT(wrong); i++) {
        static const uint8_t zeros[16385];
        hf_test_world_init(&w, 1);
        assert_true(rig_open(&r, &w.env, RIG_SILENT));
        out.length = 0;
        wire_preface(&out);
        wire_headers(&out, 1, RIG_MORE, RIG_POST);
        wire_frame(&out, wrong[i].type, wrong[i].flags | (wrong[i].type == HF_FRAME_HEADERS ? HF_FLAG_END_HEADERS : 0u), wrong[i].stream,
                   zeros, wrong[i].length);
        rig_wire(&r, &out);
        rig_emit(&r);
        if (r.last != HF_FAULT || rig_code(&r, 0) != HF_HTTP2_FRAME_SIZE_ERROR)
            fail_msg("frame type %u of %zu bytes: %d", wrong[i].type, wrong[i].length, (int)rig_code(&r, 0));
        rig_close(&r);
        hf_test_world_fini(&w);
    }
}

static void nothing_comes_between_a_header_block(void **state)
{
    (void)state;
    for (unsigned type = 0; type <= HF_FRAME_CONTINUATION + 1; type++)
        for (uint32_t stream = 0; stream <= 3; stream += type == HF_FRAME_CONTINUATION ? 3 : 1) {
            hf_test_world_init(&w, 1);
            assert_true(rig_open(&r, &w.env, RIG_SILENT));
            out.length = 0;
            wire_preface(&out);
            wire_frame(&out, HF_FRAME_HEADERS, 0, 1, "\x82", 1);
            wire_frame(&out, type, 0, stream, "12345678", 8);
            rig_wire(&r, &out);
            rig_emit(&r);
            assert_int_equal(r.last, HF_FAULT);
            assert_int_equal(rig_code(&r, 0), HF_HTTP2_PROTOCOL_ERROR);
            rig_close(&r);
            hf_test_world_fini(&w);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_picture_is_the_stored_one),
        cmocka_unit_test(closed_and_reset_streams_stay_so),
        cmocka_unit_test(every_cell_of_the_server_is_as_rfc_9113_demands),
        cmocka_unit_test(every_cell_of_the_client_is_as_rfc_9113_demands),
        cmocka_unit_test(the_table_agrees_with_the_matrix),
        cmocka_unit_test(frames_in_the_wrong_place_are_protocol_errors),
        cmocka_unit_test(frames_of_a_wrong_length_are_frame_size_errors),
        cmocka_unit_test(nothing_comes_between_a_header_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
