/* SPDX-License-Identifier: Apache-2.0
 *
 * hf_client_pause: who has enough of a body for now is sent no more of it, in every version, coded or not.
 */
#include "harness.h"

#include <handfast/client.h>
#include <handfast/server.h>

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>

#include "identities_generated.h"
#include "temp_folder.h"

enum { WHOLE = 2 << 20, PIECE = 16384, TURNS = 5, HELD_MOST = 16 << 20 }; /* windows and sockets of both sides hold less */

static _Atomic uint64_t written; /* of endless bodies */

static hf_err reply_more(hf_req *rq, uint64_t whole)
{
    static uint8_t bytes[PIECE];
    uint64_t *const at = hf_req_word(rq);
    for (size_t i = 0; i < PIECE; i++)
        bytes[i] = (uint8_t)('a' + (*at + i) * 7919 / 64 % 26);
    const hf_err err = hf_reply_write(rq, hf_bytes_make(bytes, PIECE));
    if (err.code != 0)
        return err;
    *at += PIECE;
    return *at == whole ? hf_reply_end(rq) : HF_OK;
}

static hf_err more(hf_req *rq)
{
    return reply_more(rq, WHOLE);
}

static hf_err more_without_end(hf_req *rq)
{
    atomic_fetch_add(&written, PIECE);
    return reply_more(rq, UINT64_MAX);
}

static hf_err text(hf_req *rq)
{
    return hf_reply_begin(rq, 200, "text/plain", HF_LENGTH_UNKNOWN, more);
}

static hf_err endless(hf_req *rq)
{
    return hf_reply_begin(rq, 200, "application/octet-stream", HF_LENGTH_UNKNOWN, more_without_end);
}

static hf_err small(hf_req *rq)
{
    return hf_reply_text(rq, 200, "small");
}

static const hf_route routes[] = { { "GET", "/text", .handle = text }, { "GET", "/endless", .handle = endless }, { "GET", "/small", .handle = small } };

static temp_folder folder;
static hf_server *server;

static int open_server(void **state)
{
    (void)state;
    temp_make(&folder);
    temp_write(&folder, "c.pem", identity_p256_pem);
    temp_write(&folder, "k.pem", identity_p256_key);
    const hf_server_options options = { .listen = { "https://127.0.0.1:0" }, .routes = routes, .route_count = HF_COUNT(routes), .threads = 1,
        .identities = { { temp_path(&folder, "c.pem"), temp_path(&folder, "k.pem") } }, .io = HF_SERVER_IO_EPOLL };
    if (hf_server_open(&server, &options).code == 0 && hf_server_start(server).code == 0)
        return 0;
    fprintf(stderr, "%s\n", hf_server_why(server));
    return 1;
}

static int close_server(void **state)
{
    (void)state;
    hf_server_close(server);
    temp_remove(&folder);
    return 0;
}

static const char *url_of(char url[64], const char *path)
{
    snprintf(url, 64, "https://127.0.0.1:%u%s", hf_server_port(server, 0), path);
    return url;
}

/* ---- who reads ---------------------------------------------------------------------------------------------- */

typedef struct reader {
    uint64_t bytes, pieces;
    bool pauses, paused, over;
} reader;

static hf_err read_piece(void *context, hf_client_call *call, hf_bytes piece)
{
    reader *const r = context;
    assert_false(r->paused);
    r->bytes += piece.len;
    r->pieces++;
    if (r->pauses) {
        r->paused = true;
        hf_client_pause(call);
    }
    return HF_OK;
}

static void end(void *context, hf_client_call *call, const hf_client_answer *answer)
{
    reader *const r = context;
    (void)call;
    r->paused = false; /* nothing was left of the body */
    if (answer->err.code != 0)
        fail_msg("%s", answer->words);
    r->over = true;
}

static void turn(hf_client *c)
{
    struct pollfd p = { .fd = hf_client_fd(c), .events = POLLIN };
    const int64_t ns = hf_client_wait_ns(c);
    (void)poll(&p, 1, ns < 0 ? 100 : ns < HF_MILLISECONDS(100) ? (int)((ns + 999999) / 1000000) : 100);
    (void)hf_client_turn(c);
}

static hf_client *open_client(void)
{
    hf_client *c = NULL;
    assert_int_equal(hf_client_open(&c, &(hf_client_options){ .insecure = true, .own_loop = true }).code, 0);
    return c;
}

static const hf_version versions[] = { HF_HTTP_1_1, HF_HTTP_2, HF_HTTP_3 };
static const hf_field coded = { HF_LITERAL("Accept-Encoding"), HF_LITERAL("gzip"), 0 };

/* Paused after each piece, and resumed from outside: nothing is lost, nothing comes twice. */
static void every_piece_comes_once_however_often_one_pauses(void **state)
{
    (void)state;
    char url[64];
    for (size_t i = 0; i < 2 * HF_COUNT(versions); i++) {
        hf_client *const c = open_client();
        hf_client_call *call;
        reader plain = { .bytes = 0 }, paused = { .pauses = true };
        const hf_client_request q = { .url = url_of(url, "/text"), .version = versions[i / 2], .fields = &coded, .field_count = i % 2, .piece = read_piece, .done = end, .context = &plain };
        assert_int_equal(hf_client_begin(c, &q, &call).code, 0);
        while (!plain.over)
            turn(c);
        const hf_client_answer *a = hf_client_answer_of(call);
        assert_true(a->version == versions[i / 2] || versions[i / 2] == HF_HTTP_3); /* which is tried first: TCP may be the quicker */
        assert_true((hf_fields_find_name(a->fields, hf_text("content-encoding")) != NULL) == (i % 2 == 1));
        assert_true(i % 2 == 1 || plain.bytes == WHOLE);
        hf_client_request again = q;
        again.context = &paused;
        assert_int_equal(hf_client_begin(c, &again, &call).code, 0);
        while (!paused.over) {
            turn(c);
            if (!paused.paused)
                continue;
            const uint64_t before = paused.bytes;
            (void)hf_client_turn(c);
            (void)hf_client_turn(c);
            assert_int_equal(paused.bytes, before);
            paused.paused = false;
            hf_client_continue(call);
        }
        assert_int_equal(paused.bytes, plain.bytes);
        hf_client_close(c);
    }
}

/* More than any socket holds would be written otherwise: the server cannot get rid of it. Others go on. */
static void a_server_is_held_back_and_others_go_on(void **state)
{
    (void)state;
    char url[64], other[64];
    for (size_t i = 0; i < HF_COUNT(versions); i++) {
        hf_client *const c = open_client();
        hf_client_call *call, *beside;
        hf_client_counts counts;
        reader r = { .pauses = true };
        const uint64_t before = atomic_load(&written);
        const hf_client_request q = { .url = url_of(url, "/endless"), .version = versions[i], .piece = read_piece, .context = &r };
        const hf_client_request small_one = { .url = url_of(other, "/small"), .version = versions[i] };
        assert_int_equal(hf_client_begin(c, &q, &call).code, 0);
        while (!r.paused)
            turn(c);
        for (int n = 0; n < 20; n++) {
            assert_int_equal(hf_client_begin(c, &small_one, &beside).code, 0);
            while (hf_client_answer_of(beside) == NULL)
                turn(c);
            assert_int_equal(hf_client_answer_of(beside)->err.code, 0);
            hf_client_drop(beside);
        }
        assert_int_equal(r.pieces, 1);
        hf_client_count(c, &counts);
        assert_int_equal(counts.connections, 2); /* on the first one, what waits could shut the window that all share */
        for (int n = 0; n < TURNS; n++)
            turn(c);
        assert_true(atomic_load(&written) - before < HELD_MOST);
        assert_int_equal(r.pieces, 1);
        assert_null(hf_client_answer_of(call));
        hf_client_drop(call);
        hf_client_close(c);
    }
}

static void ask_small(hf_client *c, hf_version version)
{
    char url[64];
    hf_client_call *call;
    const hf_client_request q = { .url = url_of(url, "/small"), .version = version };
    assert_int_equal(hf_client_begin(c, &q, &call).code, 0);
    while (hf_client_answer_of(call) == NULL)
        turn(c);
    assert_int_equal(hf_client_answer_of(call)->err.code, 0);
    hf_client_drop(call);
}

static hf_client_call *hold_one(hf_client *c, hf_version version, reader *r)
{
    char url[64];
    hf_client_call *call;
    *r = (reader){ .pauses = true };
    const hf_client_request q = { .url = url_of(url, "/text"), .version = version, .piece = read_piece, .done = end, .context = r };
    assert_int_equal(hf_client_begin(c, &q, &call).code, 0);
    while (!r->paused)
        turn(c);
    return call;
}

/* While one of its calls is held a line takes no others; it is not given up for that, and takes them again when the call goes on. */
static void a_line_that_was_held_serves_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_COUNT(versions); i++) {
        hf_client *const c = open_client();
        hf_client_counts counts;
        reader first, second;
        hf_client_call *const held = hold_one(c, versions[i], &first);
        ask_small(c, versions[i]);
        hf_client_count(c, &counts);
        assert_int_equal(counts.connections, 2);
        first.pauses = first.paused = false;
        hf_client_continue(held);
        while (!first.over)
            turn(c);
        assert_int_equal(first.bytes, WHOLE);
        /* Whichever of both the next is held on, the other serves: a line that was lost or is passed over would be a third one. */
        hf_client_call *const again = hold_one(c, versions[i], &second);
        ask_small(c, versions[i]);
        hf_client_count(c, &counts);
        assert_int_equal(counts.connections, 2);
        assert_int_equal(counts.repeated, 0);
        hf_client_drop(held);
        hf_client_drop(again);
        hf_client_close(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_piece_comes_once_however_often_one_pauses), cmocka_unit_test(a_server_is_held_back_and_others_go_on),
        cmocka_unit_test(a_line_that_was_held_serves_again) };
    return cmocka_run_group_tests(tests, open_server, close_server);
}
