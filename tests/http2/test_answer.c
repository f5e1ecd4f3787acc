/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole answer in one command, and heads of ready-made lines: the peer reads what respond, put and end would have written.
 */
#include "http2/rig.h"

#include "http2_core.h"
#include "message.h"

static hf_test_world w;
static rig r, twin;
static wire out;

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&w, 1);
    memset(&r, 0, sizeof r);
    memset(&twin, 0, sizeof twin);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(&r);
    if (twin.h != NULL)
        rig_close(&twin);
    hf_test_world_fini(&w);
    return 0;
}

/* A server whose client has asked for this many things, by this method, and gives each stream so much of a window. */
static void open_asked(rig *to, const char *request, uint32_t count, uint32_t window)
{
    assert_true(rig_open(to, &w.env, RIG_SILENT));
    out.length = 0;
    wire_bytes(&out, hf_http2_preface, HF_PREFACE_BYTES);
    wire_setting(&out, HF_SETTING_INITIAL_WINDOW_SIZE, window);
    for (uint32_t i = 0; i < count; i++)
        wire_headers(&out, 2 * i + 1, RIG_END, request);
    rig_wire(to, &out);
    rig_emit(to);
    to->out_length = 0;
}

static const uint8_t body[HF_HTTP2_SHORT + 1];

static hf_response_head head_of(uint16_t status, int64_t length)
{
    static const hf_field fields[] = { { HF_LITERAL("Server"), HF_LITERAL("rig"), HF_FIELD_SERVER } };
    return (hf_response_head){ .status = status, .fields = { fields, 1 }, .content_length = length };
}

static bool answer(rig *to, uint32_t stream, uint16_t status, int64_t length, size_t n)
{
    const hf_response_head head = head_of(status, length);
    bool whole;
    assert_int_equal(hf_http2_answer(to->h, stream, &head, hf_bytes_make(body, n), &whole).code, 0);
    return whole;
}

static void finish(rig *to, uint32_t stream, size_t n)
{
    rig_put(to, stream, hf_bytes_make(body, n));
    assert_int_equal(rig_end(to, stream).code, 0);
}

static void same_output(void)
{
    rig_emit(&r);
    rig_emit(&twin);
    assert_int_equal(r.out_length, twin.out_length);
    assert_memory_equal(r.out, twin.out, r.out_length);
}

static void it_leaves_as_it_would_by_three_commands(void **state)
{
    (void)state;
    static const struct { const char *request; uint16_t status; int64_t length; size_t bytes; bool whole; } rows[] = {
        { RIG_GET, 200, 5, 5, true }, { RIG_GET, 200, 0, 0, true }, { RIG_GET, 404, HF_HTTP2_SHORT, HF_HTTP2_SHORT, true },
        { RIG_GET, 200, HF_HTTP2_SHORT + 1, HF_HTTP2_SHORT + 1, false }, { RIG_GET, 204, HF_LENGTH_NONE, 0, true },
        { RIG_GET, 304, 5, 0, true }, { RIG_REQUEST("HEAD", "/"), 200, 5, 0, true }, { RIG_GET, 200, HF_LENGTH_UNKNOWN, 0, true },
        { RIG_GET, 200, HF_LENGTH_UNKNOWN, 5, false },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const size_t n = rows[i].bytes;
        open_asked(&r, rows[i].request, 1, 65535);
        open_asked(&twin, rows[i].request, 1, 65535);
        const bool whole = answer(&r, 1, rows[i].status, rows[i].length, n);
        assert_int_equal(whole, rows[i].whole);
        if (!whole)
            finish(&r, 1, n);
        const hf_response_head head = head_of(rows[i].status, rows[i].length);
        assert_int_equal(hf_http2_respond(twin.h, 1, &head).code, 0);
        finish(&twin, 1, n);
        same_output();
        assert_int_equal(hf_http2_open_streams(r.h), 0);
        assert_int_equal(r.h->send_window, twin.h->send_window);
        rig_close(&r);
        rig_close(&twin);
    }
    open_asked(&r, RIG_GET, 1, 65535);
}

/* The peer that reads nothing is owed no more than it allowed. */
static void it_waits_for_the_windows(void **state)
{
    (void)state;
    open_asked(&r, RIG_GET, 2, 4);
    assert_true(answer(&r, 1, 200, 4, 4));
    assert_false(answer(&r, 3, 200, 5, 5));
    finish(&r, 3, 5);
    rig_emit(&r);
    assert_int_equal(rig_body_sent(&r, 1), 4);
    assert_int_equal(rig_body_sent(&r, 3), 4);
    out.length = 0;
    wire_u32(&out, HF_FRAME_WINDOW_UPDATE, 3, 1);
    rig_wire(&r, &out);
    rig_emit(&r);
    assert_int_equal(rig_body_sent(&r, 3), 5);
    assert_int_equal(hf_http2_open_streams(r.h), 0);
}

static void the_connections_window_and_the_queue_bound_it(void **state)
{
    (void)state;
    enum { ASKED = 48 };
    size_t sent = 0;
    open_asked(&r, RIG_GET, ASKED, 65535);
    for (uint32_t i = 0; i < ASKED; i++) {
        const bool whole = answer(&r, 2 * i + 1, 200, HF_HTTP2_SHORT, HF_HTTP2_SHORT);
        assert_true(hf_queue_length(&r.h->control) < HF_HTTP2_SHORT_MOST + HF_HTTP2_SHORT + 256);
        assert_true(r.h->send_window >= 0);
        sent += HF_HTTP2_SHORT;
        if (!whole)
            finish(&r, 2 * i + 1, HF_HTTP2_SHORT);
        if (!whole)
            rig_emit(&r); /* now nobody waits, unless the window is closed */
    }
    rig_emit(&r);
    size_t got = 0;
    for (uint32_t i = 0; i < ASKED; i++)
        got += rig_body_sent(&r, 2 * i + 1);
    assert_true(sent > 65535);
    assert_int_equal(got, 65535);
}

static void who_waits_for_a_turn_is_not_overtaken(void **state)
{
    (void)state;
    open_asked(&r, RIG_GET, 2, 65535);
    const hf_response_head head = head_of(200, 5);
    assert_int_equal(hf_http2_respond(r.h, 1, &head).code, 0);
    rig_put(&r, 1, hf_text("first"));
    assert_false(answer(&r, 3, 200, 5, 5));
    finish(&r, 3, 5);
    assert_int_equal(rig_end(&r, 1).code, 0);
    rig_emit(&r);
    assert_int_equal(rig_body_sent(&r, 1) + rig_body_sent(&r, 3), 10);
}

static void an_interim_or_a_bad_head_ends_nothing(void **state)
{
    (void)state;
    open_asked(&r, RIG_GET, 1, 65535);
    assert_false(answer(&r, 1, 103, HF_LENGTH_NONE, 0));
    const hf_response_head bad = { .status = 101 };
    bool whole = true;
    assert_int_equal(hf_http2_answer(r.h, 1, &bad, hf_bytes_make(body, 5), &whole).code, HF_ERR_HTTP2_BAD_HEAD);
    assert_false(whole);
    assert_int_equal(hf_http2_answer(r.h, 3, &bad, hf_bytes_make(body, 5), &whole).code, HF_ERR_HTTP2_NO_STREAM);
    assert_false(answer(&r, 1, 200, 6, 5)); /* shorter than it says: that is for put and end to judge */
    assert_int_equal(rig_end(&r, 1).code, 0);
    rig_emit(&r);
    assert_int_equal(rig_code(&r, 1), HF_HTTP2_INTERNAL_ERROR);
}

/* ---- lines -------------------------------------------------------------------------------------------------- */

#define FIRST "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: rig\r\n"
#define SECOND "ETag: \"a\"\r\nX-Empty: \r\n"

static void lines_are_said_as_fields_and_known_again(void **state)
{
    (void)state;
    static const hf_field fields[] = { { HF_LITERAL("date"), HF_LITERAL("Sun, 06 Nov 1994 08:49:37 GMT"), HF_FIELD_OTHER },
        { HF_LITERAL("server"), HF_LITERAL("rig"), HF_FIELD_OTHER }, { HF_LITERAL("etag"), HF_LITERAL("\"a\""), HF_FIELD_OTHER },
        { HF_LITERAL("x-empty"), HF_LITERAL(""), HF_FIELD_OTHER }, { HF_LITERAL("last"), HF_LITERAL("z"), HF_FIELD_OTHER } };
    open_asked(&r, RIG_GET, 6, 65535);
    open_asked(&twin, RIG_GET, 6, 65535);
    const hf_response_head plain = { .status = 200, .fields = { fields, 5 }, .content_length = 0 };
    for (uint32_t i = 0; i < 6; i++) {
        char first[] = FIRST, second[] = SECOND; /* the bytes count, not where they lie */
        const hf_response_head lined = { .status = 200, .fields = { fields + 4, 1 }, .content_length = 0, .lines = { hf_text(first), hf_text(second) } };
        assert_int_equal(hf_hpack_recall(&r.h->encoder, &lined, 0).len > 0, i >= 3); /* said as literals, then by index, then known */
        assert_int_equal(hf_http2_respond(r.h, 2 * i + 1, &lined).code, 0);
        assert_int_equal(hf_http2_respond(twin.h, 2 * i + 1, &plain).code, 0);
        second[7] = 'b';
        assert_int_equal(hf_hpack_recall(&r.h->encoder, &lined, 0).len, 0);
        same_output();
    }
}

static void what_are_no_lines_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "a", "a: b", "a: b\r", "a: b\n", "a:b\r\n", "a\r\n", "\r\n", ": b\r\n", "a: b\r\n\r\n", "a b: c\r\n",
        "Connection: close\r\n", "Content-Length: 5\r\n", "a: b\nc: d\r\n", "a: b\r\nc", "a:\r\n", "a: \tb\r\n" };
    open_asked(&r, RIG_GET, 1, 65535);
    for (size_t i = 0; i < HF_COUNT(bad); i++)
        for (size_t k = 0; k < 2; k++) {
            hf_response_head head = { .status = 200, .content_length = 0 };
            char *const exact = memcpy(malloc(strlen(bad[i])), bad[i], strlen(bad[i])); /* no byte behind it */
            head.lines[k] = hf_bytes_make(exact, strlen(bad[i]));
            assert_int_equal(hf_http2_respond(r.h, 1, &head).code, HF_ERR_HTTP2_BAD_HEAD);
            free(exact);
        }
    hf_field fields[2];
    size_t count;
    const hf_bytes three[2] = { HF_LITERAL("a: b\r\nc: d\r\n"), HF_LITERAL("e: f\r\n") };
    assert_false(hf_message_lines(three, fields, 2, &count));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_leaves_as_it_would_by_three_commands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_waits_for_the_windows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_connections_window_and_the_queue_bound_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_waits_for_a_turn_is_not_overtaken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_interim_or_a_bad_head_ends_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_are_said_as_fields_and_known_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_are_no_lines_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
