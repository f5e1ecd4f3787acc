/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's side: what a request is, what may be answered, how an exchange ends, who goes first.
 */
#include "http3/case.h"
static void request(hf_lane lane, const char *lines, bool fin)
{
    rig_wire(&r, lane, wire_headers(&out, lines), fin);
}

/* ---- heads -------------------------------------------------------------------------------------------------- */

static void our_settings_say_what_we_take(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    const rig_lane *const l = rig_lane_of(&r, 3);
    assert_int_equal(l->out[0], HF_H3_STREAM_CONTROL);
    hf_h3_settings s;
    hf_http3_flaw flaw;
    assert_true(hf_h3_settings_parse(rig_sent(&r, 3, HF_H3_SETTINGS, 0), &s, &flaw));
    assert_int_equal(s.table, w.limits.http3_table_bytes);
    assert_int_equal(s.blocked, w.limits.http3_blocked_streams);
    assert_int_equal(s.section, w.limits.header_bytes);
    assert_true(s.connect && !s.datagram);
    assert_int_equal(rig_lane_of(&r, 7)->out[0], HF_H3_STREAM_ENCODER);
    assert_int_equal(rig_lane_of(&r, 11)->out[0], HF_H3_STREAM_DECODER);
}

static void a_request_comes_with_its_head_and_is_answered(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    wire_headers(&out, RIG_REQUEST("POST", "/x?y") "cookie: a=1\ncookie: b=2\nn: v\n");
    wire_data(&out, "some ");
    rig_wire(&r, 0, wire_data(&out, "body"), true);
    assert_non_null(strstr(r.log, "0 REQUEST POST /x?y scheme=https authority=a path=/x query=y length=-2 upgrade= "
                                  "[cookie=a=1; b=2] [n=v]\nBODY 0 some body\n0 END\n"));
    rig_emit(&r);
    uint8_t body[16];
    assert_int_equal(rig_body_sent(&r, 0, body), 9);
    assert_memory_equal(body, "some body", 9);
    assert_true(rig_lane_of(&r, 0)->fin_out);
    assert_int_equal(rig_lane_of(&r, 0)->stop, -1);
    assert_true(hf_http3_is_idle(r.h));
    assert_int_equal(rig_count(&r, 0, HF_H3_DATA), 1); /* one frame for a body of declared length */
}

typedef struct head_row {
    const char *lines;
    int32_t want;
} head_row;

static const head_row bad_heads[] = {
    { RIG_GET "Upper: x\n", HF_ERR_HTTP3_FIELD_NAME }, { RIG_GET "a b: x\n", HF_ERR_HTTP3_FIELD_NAME },
    { RIG_GET "a: b\rc\n", HF_ERR_HTTP3_FIELD_VALUE }, { RIG_GET "a:  x\n", HF_ERR_HTTP3_FIELD_VALUE },
    { RIG_GET "connection: close\n", HF_ERR_HTTP3_FIELD_FORBIDDEN }, { RIG_GET "keep-alive: 1\n", HF_ERR_HTTP3_FIELD_FORBIDDEN },
    { RIG_GET "transfer-encoding: chunked\n", HF_ERR_HTTP3_FIELD_FORBIDDEN }, { RIG_GET "upgrade: x\n", HF_ERR_HTTP3_FIELD_FORBIDDEN },
    { RIG_GET "proxy-connection: x\n", HF_ERR_HTTP3_FIELD_FORBIDDEN }, { RIG_GET "te: gzip\n", HF_ERR_HTTP3_FIELD_FORBIDDEN },
    { ":method: GET\n", HF_ERR_HTTP3_PSEUDO }, { ":scheme: https\n:path: /\n:authority: a\n", HF_ERR_HTTP3_PSEUDO },
    { RIG_GET ":path: /\n", HF_ERR_HTTP3_PSEUDO }, { RIG_GET ":status: 200\n", HF_ERR_HTTP3_PSEUDO },
    { RIG_GET ":unknown: x\n", HF_ERR_HTTP3_PSEUDO }, { RIG_GET ":protocol: websocket\n", HF_ERR_HTTP3_PSEUDO },
    { ":method: GET\na: b\n:scheme: https\n:path: /\n:authority: a\n", HF_ERR_HTTP3_PSEUDO },
    { ":method: GET\n:scheme: https\n:path: x\n:authority: a\n", HF_ERR_HTTP3_PSEUDO },
    { ":method: GET\n:scheme: https\n:path: \n:authority: a\n", HF_ERR_HTTP3_PSEUDO },
    { ":method: GET\n:scheme: https\n:path: /\n", HF_ERR_HTTP3_PSEUDO },
    { RIG_GET "host: b\n", HF_ERR_HTTP3_PSEUDO }, { RIG_GET "host: a\nhost: a\n", HF_ERR_HTTP1_HOST_REPEATED },
    { ":method: CONNECT\n:authority: a:1\n:path: /\n", HF_ERR_HTTP3_PSEUDO }, { ":method: CONNECT\n", HF_ERR_HTTP3_PSEUDO },
    { RIG_POST "content-length: x\n", HF_ERR_HTTP3_LENGTH }, { RIG_POST "content-length: 1\ncontent-length: 1\n", HF_ERR_HTTP3_LENGTH },
};

static void a_malformed_request_is_given_up_with_message_error(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    hf_lane lane = 0;
    for (const head_row *row = bad_heads; row < bad_heads + HF_COUNT(bad_heads); row++, lane += 4) {
        request(lane, row->lines, true);
        if (r.last == HF_FAULT || hf_http3_fault(r.h)->err.code != row->want || r.requests > 0)
            fail_msg("%s: %s", row->lines, hf_err_text(hf_http3_fault(r.h)->err));
        assert_int_equal(hf_http3_fault(r.h)->err.code, row->want);
        rig_emit(&r);
        assert_int_equal(rig_lane_of(&r, lane)->reset, HF_HTTP3_MESSAGE_ERROR);
        assert_int_equal(rig_lane_of(&r, lane)->stop, HF_HTTP3_MESSAGE_ERROR);
        rig_forget(&r, lane);
    }
    request(lane, RIG_GET, true); /* the connection lives */
    assert_int_equal(r.ends, 1);
}

static void a_request_without_host_may_name_it_by_field(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    request(0, ":method: GET\n:scheme: https\n:path: /\nhost: b\n", true);
    assert_non_null(strstr(r.log, "authority=b"));
}

static void the_sum_of_the_data_is_content_length(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    wire_headers(&out, RIG_POST "content-length: 3\n");
    rig_wire(&r, 0, wire_data(&out, "four"), false);
    assert_int_equal(r.reset_err, HF_ERR_HTTP3_LENGTH);
    assert_int_equal(r.reset_code, HF_HTTP3_MESSAGE_ERROR);
    wire_headers(&out, RIG_POST "content-length: 3\n");
    rig_wire(&r, 4, wire_data(&out, "tw"), true);
    assert_int_equal(r.reset_lane, 4);
    wire_headers(&out, RIG_POST "content-length: 3\n");
    rig_wire(&r, 8, wire_headers(&out, "t: u\n"), true);
    assert_int_equal(r.reset_lane, 8);
    wire_headers(&out, RIG_POST "content-length: 3\n");
    wire_data(&out, "o");
    rig_wire(&r, 12, wire_data(&out, "ne"), true);
    assert_int_equal(r.ends, 1);
    assert_int_equal(r.resets, 3);
}

static void content_without_meaning_is_refused(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    request(0, RIG_GET, false);
    assert_int_equal(r.head.content_length, HF_LENGTH_NONE);
    rig_wire(&r, 0, wire_data(&out, "why"), false);
    assert_int_equal(r.refusal, HF_ERR_HTTP3_BODY_UNDECLARED);
    rig_emit(&r);
    assert_true(rig_lane_of(&r, 0)->fin_out);
    assert_int_equal(rig_lane_of(&r, 0)->stop, HF_HTTP3_NO_ERROR);
    wire_headers(&out, RIG_REQUEST("DELETE", "/") "content-length: 2\n"); /* declared: the route decides */
    rig_wire(&r, 4, wire_data(&out, "ok"), true);
    assert_int_equal(r.refusals, 1);
    assert_int_equal(r.ends, 1);
}

static void bad_trailers_are_message_errors(void **state)
{
    (void)state;
    static const char *const rows[] = { ":path: /\n", "content-length: 1\n", "Upper: x\n", "connection: x\n", "host: a\n" };
    open_rig(RIG_SILENT);
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        wire_headers(&out, RIG_POST);
        rig_wire(&r, 4 * i, wire_headers(&out, rows[i]), true);
        assert_int_equal(r.resets, i + 1);
        assert_int_equal(r.reset_code, HF_HTTP3_MESSAGE_ERROR);
    }
}

static void a_request_cut_short_is_incomplete(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    rig_feed(&r, 0, "", 0, true);
    rig_emit(&r);
    assert_int_equal(rig_lane_of(&r, 0)->reset, HF_HTTP3_REQUEST_INCOMPLETE);
    assert_int_equal(r.requests + r.resets, 0); /* nobody was told of it */
    rig_feed(&r, 4, "\1\5ab", 4, true);
    assert_int_equal(r.last, HF_FAULT);
    assert_int_equal(hf_http3_close_code(r.h), HF_HTTP3_FRAME_ERROR);
}

/* ---- bodies ------------------------------------------------------------------------------------------------- */

static void a_body_stays_in_its_lane_until_it_is_taken(void **state)
{
    (void)state;
    open_rig(RIG_STUCK);
    wire_headers(&out, RIG_POST);
    rig_wire(&r, 0, wire_data(&out, "not taken"), false);
    rig_lane *const l = rig_lane_of(&r, 0);
    assert_int_equal(r.last, HF_FULL);
    assert_int_equal(l->in_length - l->in_done, 9);
    const hf_bytes held = hf_http3_body(r.h, 0, hf_bytes_make(l->in + l->in_done, 9));
    assert_int_equal(held.len, 9);
    hf_http3_take(r.h, 0, 4);
    assert_int_equal(hf_http3_body(r.h, 0, hf_bytes_make(l->in + l->in_done, 9)).len, 5);
    rig_run(&r, 0);
    assert_int_equal(l->in_length - l->in_done, 5);
    request(4, RIG_GET, true); /* it holds up its lane alone */
    assert_int_equal(r.requests, 2);
    hf_http3_take(r.h, 0, 100); /* no more than was lent */
    l->fin_in = true;
    rig_run(&r, 0);
    assert_int_equal(l->in_length - l->in_done, 0);
    assert_int_equal(r.ends, 2);
}

static void lent_pieces_and_files_leave_without_a_copy(void **state)
{
    (void)state;
    static const char text[] = "lent";
    open_rig(RIG_SILENT);
    request(0, RIG_GET, true);
    assert_int_equal(rig_respond(&r, 0, 200, 4 + 6 + 6).code, 0);
    const hf_file file = { .handle = 3, .size = 100 };
    const hf_extent e[] = {
        { .kind = HF_EXTENT_COPIED, .bytes = HF_LITERAL("copied") },
        { .kind = HF_EXTENT_LENT, .bytes = { (const uint8_t *)text, 4 }, .token = 1 },
        { .kind = HF_EXTENT_FILE, .file = &file, .offset = 10, .length = 6, .token = 2 },
    };
    hf_err err;
    assert_int_equal(hf_http3_put(r.h, 0, e, 3, &err), 16);
    assert_int_equal(err.code, 0);
    assert_int_equal(rig_end(&r, 0).code, 0);
    hf_http3_turn turn;
    while (hf_http3_next(r.h, r.now, &turn) && turn.lane != 0)
        rig_emit_once(&r, 4096, 16, UINT64_MAX);
    hf_extent pieces[8];
    uint8_t scratch[512];
    hf_out o = { .pieces = pieces, .capacity = 8, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
    bool fin;
    hf_http3_emit(r.h, r.now, 0, &o, &fin);
    assert_true(fin);
    assert_int_equal(o.count, 3);
    assert_ptr_equal(pieces[1].bytes.ptr, text);
    assert_int_equal(pieces[2].kind, HF_EXTENT_FILE);
    assert_int_equal(pieces[2].offset, 10);
    assert_int_equal(pieces[1].token + pieces[2].token, 3);
}

static void tokens_come_back_when_the_client_leaves(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    request(0, RIG_POST, false);
    assert_int_equal(rig_respond(&r, 0, 200, HF_LENGTH_UNKNOWN).code, 0);
    rig_lend(&r, 0, hf_text("lent"), 7);
    hf_http3_lane_ended(r.h, r.now, 0, (hf_ending){ HF_ENDING_STOP, HF_HTTP3_REQUEST_CANCELLED });
    rig_run(&r, HF_HTTP3_NO_LANE);
    assert_int_equal(r.resets, 1);
    assert_int_equal(r.reset_err, HF_ERR_HTTP3_PEER_RESET);
    assert_int_equal(r.reset_code, HF_HTTP3_REQUEST_CANCELLED);
    rig_emit(&r);
    assert_int_equal(r.tokens, 7);
    assert_int_equal(rig_lane_of(&r, 0)->stop, HF_HTTP3_REQUEST_CANCELLED);
    assert_int_equal(hf_http3_open_lanes(r.h), 0);
    assert_int_equal(rig_respond(&r, 0, 200, 0).code, HF_ERR_HTTP3_NO_STREAM);
    hf_err err;
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = HF_LITERAL("x") };
    assert_int_equal(hf_http3_put(r.h, 0, &e, 1, &err), 0);
    assert_int_equal(err.code, HF_ERR_HTTP3_NO_STREAM);
}

static void a_request_that_is_reset_is_told_once(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    request(0, RIG_POST, false);
    hf_http3_lane_ended(r.h, r.now, 0, (hf_ending){ HF_ENDING_RESET, 77 });
    rig_run(&r, HF_HTTP3_NO_LANE);
    rig_emit(&r);
    assert_int_equal(r.resets, 1);
    assert_int_equal(r.reset_code, 77);
    assert_int_equal(rig_lane_of(&r, 0)->reset, HF_HTTP3_REQUEST_CANCELLED);
    rig_feed(&r, 0, "more", 4, true); /* eaten in silence */
    assert_int_equal(r.last, HF_IDLE);
    /* RFC 9204 2.2.2.2: a cancellation on the decoder stream, of stream 0 */
    const rig_lane *const d = rig_lane_of(&r, 11);
    assert_int_equal(d->out[d->out_length - 1], 0x40);
}

/* QUIC throws the bytes of a stream away when it is reset, which may be told a moment later. */
static void bytes_that_vanish_before_their_reset_do_no_harm(void **state)
{
    (void)state;
    open_rig(RIG_STUCK);
    wire_headers(&out, RIG_POST);
    rig_wire(&r, 0, wire_data(&out, "not taken"), false);
    rig_lane *const l = rig_lane_of(&r, 0);
    hf_http3_take(r.h, 0, 4);
    l->in_done = l->in_length;
    assert_int_equal(rig_run(&r, 0), HF_IDLE);
    hf_http3_lane_ended(r.h, r.now, 0, (hf_ending){ HF_ENDING_RESET, 5 });
    rig_run(&r, HF_HTTP3_NO_LANE);
    assert_int_equal(r.resets, 1);
    assert_int_equal(r.reset_code, 5);
}

/* ---- answers ------------------------------------------------------------------------------------------------ */

static void answers_that_must_not_leave_are_refused(void **state)
{
    (void)state;
    static const hf_field bad[] = {
        { HF_LITERAL("Connection"), HF_LITERAL("x"), HF_FIELD_CONNECTION }, { HF_LITERAL("Content-Length"), HF_LITERAL("1"), HF_FIELD_CONTENT_LENGTH },
        { HF_LITERAL("a"), HF_LITERAL("b\r\nc: d"), HF_FIELD_OTHER }, { HF_LITERAL("a b"), HF_LITERAL("c"), HF_FIELD_OTHER },
    };
    open_rig(RIG_SILENT);
    request(0, RIG_GET, true);
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        const hf_response_head head = { .status = 200, .fields = { &bad[i], 1 }, .content_length = 0 };
        assert_int_equal(hf_http3_respond(r.h, 0, &head).code, HF_ERR_HTTP3_BAD_HEAD);
    }
    assert_int_equal(rig_respond(&r, 0, 101, 0).code, HF_ERR_HTTP3_BAD_HEAD);
    assert_int_equal(rig_respond(&r, 0, 99, 0).code, HF_ERR_HTTP3_BAD_HEAD);
    assert_int_equal(rig_respond(&r, 4, 200, 0).code, HF_ERR_HTTP3_NO_STREAM);
    assert_int_equal(rig_respond(&r, 0, 200, 3).code, 0);
    assert_int_equal(rig_respond(&r, 0, 200, 3).code, HF_ERR_HTTP3_NO_STREAM);
    hf_err err;
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = HF_LITERAL("four") };
    assert_int_equal(hf_http3_put(r.h, 0, &e, 1, &err), 0);
    assert_int_equal(err.code, HF_ERR_HTTP3_BODY_LENGTH);
    assert_int_equal(rig_end(&r, 0).code, 0); /* short of three bytes: the lane is given up */
    rig_emit(&r);
    assert_int_equal(rig_lane_of(&r, 0)->reset, HF_HTTP3_INTERNAL_ERROR);
}

static void no_body_leaves_for_head_204_and_304(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    request(0, RIG_REQUEST("HEAD", "/"), true);
    request(4, RIG_GET, true);
    request(8, RIG_GET, true);
    static const uint16_t status[] = { 200, 204, 304 };
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(rig_respond(&r, 4 * i, status[i], 10).code, 0);
        assert_int_equal(rig_lend(&r, 4 * i, hf_text("0123456789"), 1), 10);
        assert_int_equal(rig_end(&r, 4 * i).code, 0);
    }
    rig_emit(&r);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(rig_body_sent(&r, 4 * i, NULL), 0);
        assert_true(rig_lane_of(&r, 4 * i)->fin_out);
    }
    assert_int_equal(r.tokens, 3);
}

static void an_early_answer_stops_the_upload(void **state)
{
    (void)state;
    open_rig(RIG_EARLY);
    request(0, RIG_POST "content-length: 100000\n", false);
    rig_emit(&r);
    assert_true(rig_lane_of(&r, 0)->fin_out);
    assert_int_equal(rig_lane_of(&r, 0)->stop, HF_HTTP3_NO_ERROR);
    request(4, RIG_GET, false); /* nothing was to come: no need to stop it */
    rig_emit(&r);
    assert_int_equal(rig_lane_of(&r, 4)->stop, -1);
    rig_feed(&r, 4, "", 0, true);
    assert_int_equal(hf_http3_open_lanes(r.h), 0);
    assert_int_equal(r.ends, 0);
}

static void interim_answers_and_100_go_first(void **state)
{
    (void)state;
    open_rig(RIG_STREAM);
    wire_headers(&out, RIG_POST);
    rig_wire(&r, 0, wire_data(&out, "x"), true);
    rig_emit(&r);
    assert_int_equal(rig_count(&r, 0, HF_H3_HEADERS), 3); /* 103, 200, trailers */
    assert_int_equal(rig_body_sent(&r, 0, NULL), 14);
    tear_down(NULL);
    set_up(NULL);
    open_rig(RIG_ECHO);
    request(0, RIG_POST "expect: 100-continue\ncontent-length: 1\n", false);
    rig_emit(&r);
    assert_int_equal(rig_count(&r, 0, HF_H3_HEADERS), 1);
}

static void back_pressure_is_told_and_lifted(void **state)
{
    (void)state;
    w.limits.output_bytes = 1000;
    open_rig(RIG_SILENT);
    request(0, RIG_GET, true);
    assert_int_equal(rig_respond(&r, 0, 200, HF_LENGTH_UNKNOWN).code, 0);
    static char many[5000];
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(many, sizeof many) };
    hf_http3_hold(r.h, r.now, 0, true);
    const uint64_t n = hf_http3_put(r.h, 0, &e, 1, NULL);
    assert_true(n > 900 && n <= 1000);
    assert_int_equal(hf_http3_put(r.h, 0, &e, 1, NULL), 0);
    rig_emit(&r);
    rig_run(&r, HF_HTTP3_NO_LANE);
    assert_int_equal(r.writables, 0); /* the lane is held */
    hf_http3_hold(r.h, r.now, 0, false);
    rig_emit(&r);
    rig_run(&r, HF_HTTP3_NO_LANE);
    assert_int_equal(r.writables, 1);
    assert_int_equal(rig_body_sent(&r, 0, NULL), n);
}

/* ---- CONNECT ------------------------------------------------------------------------------------------------ */

static void a_tunnel_carries_bytes_both_ways(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    request(0, ":method: CONNECT\n:protocol: websocket\n:scheme: https\n:path: /chat\n:authority: a\n", false);
    assert_non_null(strstr(r.log, "upgrade=websocket"));
    assert_int_equal(rig_respond(&r, 0, 200, HF_LENGTH_NONE).code, 0);
    rig_put(&r, 0, hf_text("down"));
    rig_wire(&r, 0, wire_data(&out, "up"), false);
    rig_emit(&r);
    assert_int_equal(rig_body_sent(&r, 0, NULL), 4);
    assert_non_null(strstr(r.log, "BODY 0 up"));
    r.now = hf_time_after(r.now, HF_SECONDS(1000)); /* and may be silent */
    rig_run(&r, 0);
    assert_int_equal(r.resets, 0);
}

static void extended_connect_is_refused_where_it_is_not_allowed(void **state)
{
    (void)state;
    hf_http3 *const h = hf_http3_server_new(&w.env, 1, hf_time_make(0), NULL);
    assert_non_null(h);
    uint8_t section[256];
    out.length = 0;
    wire_frame(&out, HF_H3_HEADERS, section,
               wire_section(":method: CONNECT\n:protocol: websocket\n:scheme: https\n:path: /\n:authority: a\n", section, 256));
    hf_http3_lane_opened(h, hf_time_make(0), 0);
    hf_in in = { .ptr = out.bytes, .len = out.length };
    hf_http3_event event;
    assert_int_equal(hf_http3_step(h, hf_time_make(0), 0, &in, &event), HF_IDLE);
    assert_int_equal(hf_http3_fault(h)->err.code, HF_ERR_HTTP3_PSEUDO);
    hf_http3_free(h);
}

/* ---- priorities --------------------------------------------------------------------------------------------- */

static void prepare_answers(void)
{
    static uint8_t big[60000];
    for (hf_lane lane = 0; lane <= 8; lane += 4) {
        assert_int_equal(rig_respond(&r, lane, 200, HF_LENGTH_UNKNOWN).code, 0);
        for (int i = 0; i < 8; i++)
            rig_lend(&r, lane, hf_bytes_make(big, sizeof big), 1);
        assert_int_equal(rig_end(&r, lane).code, 0);
    }
}

static hf_lane next_exchange(void)
{
    hf_http3_turn turn;
    for (;;) {
        assert_true(hf_http3_next(r.h, r.now, &turn));
        rig_emit_once(&r, 4096, 2, UINT64_MAX);
        if ((turn.lane & 2) == 0)
            return turn.lane;
    }
}

static void the_most_urgent_goes_first_and_nobody_starves(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    request(0, RIG_GET, true);
    request(4, RIG_GET "priority: u=0\n", true);
    rig_wire(&r, RIG_CONTROL, wire_frame(&out, HF_H3_PRIORITY_UPDATE, "\x08u=7", 4), false); /* before it is there */
    request(8, RIG_GET "priority: u=0\n", true);
    prepare_answers();
    unsigned turns[3] = { 0 };
    for (int i = 0; i < 8; i++)
        turns[next_exchange() / 4]++;
    assert_int_equal(turns[1], 7); /* u=0 */
    assert_int_equal(turns[2], 1); /* the least urgent, out of courtesy */
    hf_http3_prioritise(r.h, 0, 0, true); /* the server knows better */
    rig_emit(&r);
    assert_true(rig_lane_of(&r, 8)->fin_out);
}

static void a_held_lane_is_passed_over(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    for (hf_lane lane = 0; lane <= 8; lane += 4)
        request(lane, RIG_GET, true);
    prepare_answers();
    hf_http3_hold(r.h, r.now, 4, true);
    for (int i = 0; i < 4; i++)
        assert_int_not_equal(next_exchange(), 4);
    rig_emit(&r);
    assert_false(rig_lane_of(&r, 4)->fin_out);
    hf_http3_hold(r.h, r.now, 4, false);
    rig_emit(&r);
    assert_true(rig_lane_of(&r, 4)->fin_out);
}

/* ---- push --------------------------------------------------------------------------------------------------- */

static hf_err push(hf_lane parent, const char *path, hf_lane promised)
{
    const hf_request_head head = { .method = HF_METHOD_GET, .scheme = HF_LITERAL("https"), .authority = HF_LITERAL("a"),
                                   .path = hf_text(path), .content_length = HF_LENGTH_NONE };
    return hf_http3_push(r.h, parent, &head, promised);
}

static void a_push_is_promised_and_answered_on_its_lane(void **state)
{
    (void)state;
    open_rig(RIG_SILENT);
    request(0, RIG_GET, true);
    assert_false(hf_http3_can_push(r.h));
    assert_int_equal(push(0, "/p", 15).code, HF_ERR_HTTP3_PUSH);
    rig_wire(&r, RIG_CONTROL, wire_number(&out, HF_H3_MAX_PUSH_ID, 1), false);
    assert_int_equal(push(0, "/p", 15).code, 0);
    assert_int_equal(push(0, "/p", 19).code, HF_ERR_HTTP3_PUSH); /* the same again */
    assert_int_equal(push(0, "/q", 19).code, 0);
    assert_int_equal(push(0, "/r", 23).code, HF_ERR_HTTP3_PUSH); /* beyond MAX_PUSH_ID */
    assert_int_equal(rig_respond(&r, 15, 200, 2).code, 0);
    rig_put(&r, 15, hf_text("ok"));
    assert_int_equal(rig_end(&r, 15).code, 0);
    rig_emit(&r);
    assert_int_equal(rig_count(&r, 0, HF_H3_PUSH_PROMISE), 2);
    const rig_lane *const l = rig_lane_of(&r, 15);
    assert_memory_equal(l->out, "\1\0", 2);
    assert_int_equal(rig_body_sent(&r, 15, NULL), 2);
    assert_true(l->fin_out);
    rig_wire(&r, RIG_CONTROL, wire_number(&out, HF_H3_CANCEL_PUSH, 1), false);
    rig_emit(&r);
    assert_int_equal(r.resets, 1);
    assert_int_equal(r.reset_lane, 19);
    assert_int_equal(rig_lane_of(&r, 19)->reset, HF_HTTP3_REQUEST_CANCELLED);
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

static uint64_t goaway(size_t nth)
{
    const hf_bytes p = rig_sent(&r, 3, HF_H3_GOAWAY, nth);
    uint64_t id = UINT64_MAX;
    if (p.ptr != NULL)
        (void)hf_h3_int_parse(p.ptr, p.ptr + p.len, &id);
    return id;
}

static void a_drain_says_goaway_twice_and_loses_nothing(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    request(0, RIG_POST, false);
    hf_http3_drain(r.h, r.now, HF_MILLISECONDS(50));
    rig_emit(&r);
    assert_true(goaway(0) == HF_H3_INT_MAX - 3);
    request(4, RIG_GET, true); /* it was in flight */
    assert_int_equal(r.requests, 2);
    r.now = hf_time_after(r.now, HF_MILLISECONDS(50));
    rig_run(&r, HF_HTTP3_NO_LANE);
    rig_emit(&r);
    assert_int_equal(goaway(1), 8);
    request(8, RIG_GET, true);
    rig_emit(&r);
    assert_int_equal(rig_lane_of(&r, 8)->reset, HF_HTTP3_REQUEST_REJECTED);
    assert_int_equal(r.requests, 2);
    rig_wire(&r, 0, wire_data(&out, "the rest"), true);
    rig_emit(&r);
    assert_int_equal(rig_body_sent(&r, 0, NULL), 8);
    assert_int_equal(rig_run(&r, HF_HTTP3_NO_LANE), HF_CLOSED);
    assert_int_equal(hf_http3_close_code(r.h), HF_HTTP3_NO_ERROR);
}

static void an_idle_connection_ends_in_good_order(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    request(0, RIG_GET, true);
    rig_emit(&r);
    r.now = hf_time_after(r.now, (int64_t)w.limits.idle_ns);
    assert_int_equal(rig_run(&r, HF_HTTP3_NO_LANE), HF_CLOSED);
    rig_emit(&r);
    assert_int_equal(goaway(0), 4);
}

/* ---- QPACK -------------------------------------------------------------------------------------------------- */

static void a_section_waits_for_its_entry_and_no_longer(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    wire_frame(&out, HF_H3_HEADERS, "\2\0\xd1\xd7\xc1\x50\1a\x80", 9);
    rig_wire(&r, 0, &out, true);
    assert_int_equal(r.last, HF_IDLE);
    assert_int_equal(r.requests, 0);
    request(4, RIG_GET, true); /* others overtake it */
    assert_int_equal(r.requests, 1);
    wire_int(&out, HF_H3_STREAM_ENCODER);
    wire_bytes(&out, "\x3f\xe1\1\x43xyz\3abc", 11);
    rig_wire(&r, RIG_ENCODER, &out, false);
    assert_int_equal(r.readables, 1);
    assert_int_equal(r.requests, 2);
    assert_non_null(strstr(r.log, "[xyz=abc]"));
    rig_emit(&r);
    const rig_lane *const d = rig_lane_of(&r, 11);
    assert_int_equal(d->out[d->out_length - 1], 0x80); /* acknowledged: stream 0 */
}

static void what_does_not_decode_ends_the_connection(void **state)
{
    (void)state;
    open_rig(RIG_ECHO);
    wire_frame(&out, HF_H3_HEADERS, "\0\0\x80", 3);
    rig_wire(&r, 0, &out, true);
    assert_int_equal(r.last, HF_FAULT);
    assert_int_equal(hf_http3_close_code(r.h), HF_HTTP3_QPACK_DECOMPRESSION_FAILED);
    assert_int_equal(hf_http3_fault(r.h)->err.code, HF_ERR_HTTP3_COMPRESSION);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(our_settings_say_what_we_take), TEST(a_request_comes_with_its_head_and_is_answered),
        TEST(a_malformed_request_is_given_up_with_message_error), TEST(a_request_without_host_may_name_it_by_field),
        TEST(the_sum_of_the_data_is_content_length), TEST(content_without_meaning_is_refused), TEST(bad_trailers_are_message_errors),
        TEST(a_request_cut_short_is_incomplete), TEST(a_body_stays_in_its_lane_until_it_is_taken),
        TEST(lent_pieces_and_files_leave_without_a_copy), TEST(tokens_come_back_when_the_client_leaves),
        TEST(a_request_that_is_reset_is_told_once), TEST(bytes_that_vanish_before_their_reset_do_no_harm), TEST(answers_that_must_not_leave_are_refused),
        TEST(no_body_leaves_for_head_204_and_304), TEST(an_early_answer_stops_the_upload), TEST(interim_answers_and_100_go_first),
        TEST(back_pressure_is_told_and_lifted), TEST(a_tunnel_carries_bytes_both_ways),
        TEST(extended_connect_is_refused_where_it_is_not_allowed), TEST(the_most_urgent_goes_first_and_nobody_starves),
        TEST(a_held_lane_is_passed_over), TEST(a_push_is_promised_and_answered_on_its_lane),
        TEST(a_drain_says_goaway_twice_and_loses_nothing), TEST(an_idle_connection_ends_in_good_order),
        TEST(a_section_waits_for_its_entry_and_no_longer), TEST(what_does_not_decode_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
