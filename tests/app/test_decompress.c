/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies with a content coding: undone as they come, whatever they were cut into; bombs and broken ones refused.
 */
#include "service_rig.h"

#include "coding_kit.h"

enum { LONG = 200000 };

static uint8_t text[LONG];

static hf_err size_and_ends(hf_req *rq)
{
    (void)of(rq);
    const hf_bytes b = hf_req_body(rq);
    return hf_reply_text(rq, 200, "%zu %c%c", b.len, b.len > 0 ? b.ptr[0] : '-', b.len > 0 ? b.ptr[b.len - 1] : '-');
}

static const hf_route own_routes[] = {
    { .method = "POST", .path = "/refused", .handle = size_and_ends },
    { .method = "POST", .path = "/undone", .handle = size_and_ends, .coding = HF_CODING_UNDONE },
    { .method = "POST", .path = "/kept", .handle = size_and_ends, .coding = HF_CODING_KEPT },
    { .method = "POST", .path = "/streamed", .handle = counted, .body = take_piece, .max_body = UINT64_C(1) << 40, .coding = HF_CODING_UNDONE },
    { .method = "POST", .path = "/small", .handle = size_and_ends, .max_body = 10000, .coding = HF_CODING_UNDONE },
};

static void own(rig *r)
{
    char words[1000];
    hf_writer why = hf_writer_make(words, sizeof words);
    setup(r);
    hf_router_free(r->router);
    r->router = hf_router_new(&r->world.env.alloc, own_routes, HF_COUNT(own_routes), &why);
    r->app.router = r->router;
}

static void say(rig *r, hf_bytes b)
{
    fake_pier_say(&r->pier, b);
    drive(r);
}

/* Posts bytes with a coding, in pieces of `slice`; what was answered. */
static const char *post(rig *r, const char *path, const char *coding, hf_bytes body, size_t slice)
{
    char head[300];
    snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Encoding: %s\r\nContent-Length: %zu\r\n\r\n", path, coding, body.len);
    say(r, hf_text(head));
    for (size_t at = 0; at < body.len; at += slice)
        say(r, hf_bytes_make(body.ptr + at, at + slice < body.len ? slice : body.len - at));
    return r->text;
}

static hf_bytes coded_words(hf_test_world *w, hf_encoding e, size_t length, hf_queue *q)
{
    kit_fill(text, LONG);
    hf_queue_init(q, &w->env.alloc);
    kit_compress(&w->env, e, hf_bytes_make(text, length), q);
    return kit_held(q);
}

/* `megabytes` of zeros in few bytes. */
static hf_bytes bomb(hf_test_world *w, hf_encoding e, size_t megabytes, hf_queue *q)
{
    static const uint8_t zeros[1 << 20];
    hf_queue_init(q, &w->env.alloc);
    hf_compressor *c = hf_compressor_new(&w->env, e, HF_COMPRESS_UNKNOWN);
    for (size_t i = 0; i < megabytes; i++)
        assert_int_equal(hf_compressor_feed(c, hf_bytes_make(zeros, sizeof zeros), q).code, 0);
    assert_int_equal(hf_compressor_end(c, q).code, 0);
    hf_compressor_free(c);
    return kit_held(q);
}

/* ---- the stream ---------------------------------------------------------------------------------------------- */

static void a_stream_cut_short_anywhere_is_incomplete(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    KIT_EACH(e) {
        hf_queue coded, plain;
        const hf_bytes all = coded_words(&w, e, 3000, &coded);
        for (size_t n = 1; n < all.len; n++) {
            hf_queue_init(&plain, &w.env.alloc);
            assert_int_equal(kit_undo(&w.env, e, hf_bytes_make(all.ptr, n), 100, &plain).code, HF_ERR_HTTP_CODING_INVALID);
            assert_true(hf_queue_length(&plain) <= 3000);
            hf_queue_fini(&plain);
        }
        hf_queue_init(&plain, &w.env.alloc);
        assert_int_equal(kit_undo(&w.env, e, hf_bytes_make(all.ptr, 0), 1, &plain).code, 0); /* no bytes: an empty body */
        hf_queue_fini(&coded);
    }
    hf_test_world_fini(&w);
}

static void bytes_that_are_no_stream_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = { "{\"json\": \"as it is, where a stream was promised\"}", "\x1f\x8b\x08\xff\xff\xff", "\xff\xff\xff\xff\xff",
        "\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff\xff\xff" };
    hf_test_world w;
    hf_test_world_init(&w, 1);
    KIT_EACH(e)
        for (size_t i = 0; i < HF_COUNT(rows); i++) {
            hf_queue plain;
            hf_queue_init(&plain, &w.env.alloc);
            const int32_t code = kit_undo(&w.env, e, hf_text(rows[i]), 3, &plain).code;
            assert_true(code == HF_ERR_HTTP_CODING_INVALID || code == HF_ERR_HTTP_CODING_MEMORY);
            hf_queue_fini(&plain);
        }
    hf_test_world_fini(&w);
}

static void gzip_notices_a_changed_byte(void **state)
{
    (void)state;
    hf_test_needs("zlib", hf_compress_codings() & 1u << HF_ENCODING_GZIP);
    hf_test_world w;
    hf_test_world_init(&w, 1);
    hf_queue coded;
    const hf_bytes all = coded_words(&w, HF_ENCODING_GZIP, 3000, &coded);
    for (size_t i = 10; i < all.len; i++) { /* behind the head, whose time and system nobody checks */
        hf_queue plain;
        hf_queue_init(&plain, &w.env.alloc);
        ((uint8_t *)all.ptr)[i] ^= 4;
        assert_int_equal(kit_undo(&w.env, HF_ENCODING_GZIP, all, all.len, &plain).code, HF_ERR_HTTP_CODING_INVALID);
        ((uint8_t *)all.ptr)[i] ^= 4;
        hf_queue_fini(&plain);
    }
    hf_queue_fini(&coded);
    hf_test_world_fini(&w);
}

/* RFC 1952 2.2 and RFC 8878 3 let streams follow one another; RFC 7932 does not. Anything else behind the end is refused. */
static void what_follows_the_end_is_another_stream_or_refused(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    KIT_EACH(e)
        for (size_t slice = 1; slice < 5000; slice += 1237) {
            hf_queue coded, plain;
            (void)coded_words(&w, e, 1000, &coded);
            kit_compress(&w.env, e, hf_bytes_make(text, 500), &coded);
            hf_queue_init(&plain, &w.env.alloc);
            const int32_t code = kit_undo(&w.env, e, kit_held(&coded), slice, &plain).code;
            assert_int_equal(code, e == HF_ENCODING_BR ? HF_ERR_HTTP_CODING_INVALID : 0);
            if (code == 0)
                assert_int_equal(hf_queue_length(&plain), 1500);
            hf_queue_fini(&plain);
            hf_queue_init(&plain, &w.env.alloc);
            assert_true(hf_queue_append(&coded, hf_text("and more")));
            assert_int_equal(kit_undo(&w.env, e, kit_held(&coded), slice, &plain).code, HF_ERR_HTTP_CODING_INVALID);
            hf_queue_fini(&plain);
            hf_queue_fini(&coded);
        }
    hf_test_world_fini(&w);
}

/* RFC 9659: 8 MB of window at most, and that much must be taken. */
static void zstd_windows_are_at_most_8_mebibytes(void **state)
{
    (void)state;
    hf_test_needs("zstd", hf_compress_codings() & 1u << HF_ENCODING_ZSTD);
    uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, (23 - 10) << 3, 0x09, 0, 0, 'x' };
    hf_test_world w;
    hf_queue plain;
    hf_test_world_init(&w, 1);
    hf_queue_init(&plain, &w.env.alloc);
    assert_int_equal(kit_undo(&w.env, HF_ENCODING_ZSTD, hf_bytes_make(frame, sizeof frame), 1, &plain).code, 0);
    assert_int_equal(hf_queue_length(&plain), 1);
    frame[5] += 1; /* an eighth more */
    assert_int_equal(kit_undo(&w.env, HF_ENCODING_ZSTD, hf_bytes_make(frame, sizeof frame), 1, &plain).code, HF_ERR_HTTP_CODING_MEMORY);
    hf_queue_fini(&plain);
    hf_test_world_fini(&w);
}

/* A frame that promises 208 bytes and holds none: the same verdict whatever it is cut into. */
static void a_zstd_frame_holds_what_its_head_promises(void **state)
{
    (void)state;
    hf_test_needs("zstd", hf_compress_codings() & 1u << HF_ENCODING_ZSTD);
    static const uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x20, 0xd0, 0x01, 0, 0 };
    hf_test_world w;
    hf_test_world_init(&w, 1);
    for (size_t slice = 1; slice <= sizeof frame; slice++) {
        hf_queue plain;
        hf_queue_init(&plain, &w.env.alloc);
        assert_int_equal(kit_undo(&w.env, HF_ENCODING_ZSTD, hf_bytes_make(frame, sizeof frame), slice, &plain).code, HF_ERR_HTTP_CODING_INVALID);
        hf_queue_fini(&plain);
    }
    hf_test_world_fini(&w);
}

static void limit_coding_bytes_of_a_decompressor(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    KIT_EACH(e) {
        hf_queue coded, plain;
        w.limits.coding_bytes = hf_limits_default()->coding_bytes;
        const hf_bytes all = coded_words(&w, e, LONG, &coded);
        hf_queue_init(&plain, &w.env.alloc);
        w.limits.coding_bytes = e == HF_ENCODING_ZSTD ? 200000 : 30000;
        hf_decompressor *d = hf_decompressor_new(&w.env, e);
        if (d != NULL) {
            hf_bytes in = all, piece = { NULL, 0 };
            hf_err err = HF_OK;
            do
                err = hf_decompressor_next(d, &in, &piece);
            while (err.code == 0 && piece.len > 0);
            assert_int_equal(err.code, HF_ERR_HTTP_CODING_MEMORY);
            hf_decompressor_free(d);
        }
        hf_queue_fini(&coded);
    }
    hf_test_world_fini(&w);
}

static void limit_body_ratio(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    KIT_EACH(e) {
        hf_queue coded;
        uint64_t given = 0;
        hf_bytes in = bomb(&w, e, 64, &coded), piece = { NULL, 0 };
        hf_decompressor *d = hf_decompressor_new(&w.env, e);
        hf_err err = HF_OK;
        w.memory.most = w.memory.held;
        const size_t before = w.memory.held;
        do {
            err = hf_decompressor_next(d, &in, &piece);
            given += piece.len;
        } while (err.code == 0 && piece.len > 0);
        assert_int_equal(err.code, HF_ERR_HTTP_BODY_RATIO);
        assert_in_range(given, 1 << 20, 8 << 20); /* noticed early */
        assert_true(w.memory.most - before < 9 << 20);
        hf_decompressor_free(d);
        w.limits.body_ratio = UINT64_C(1) << 40; /* and the limit is what refused it */
        hf_queue plain;
        hf_queue_init(&plain, &w.env.alloc);
        assert_int_equal(kit_undo(&w.env, e, kit_held(&coded), 1 << 20, &plain).code, 0);
        assert_int_equal(hf_queue_length(&plain), 64 << 20);
        hf_queue_fini(&plain);
        w.limits.body_ratio = hf_limits_default()->body_ratio;
        hf_queue_fini(&coded);
    }
    hf_test_world_fini(&w);
}

static void a_small_body_may_grow_as_it_likes(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    KIT_EACH(e) {
        hf_queue coded, plain;
        (void)bomb(&w, e, 1, &coded);
        hf_queue_init(&plain, &w.env.alloc);
        assert_true(hf_queue_length(&coded) < 5000);
        assert_int_equal(kit_undo(&w.env, e, kit_held(&coded), 11, &plain).code, 0);
        assert_int_equal(hf_queue_length(&plain), 1 << 20);
        hf_queue_fini(&plain);
        hf_queue_fini(&coded);
    }
    hf_test_world_fini(&w);
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

static void a_handler_gets_what_the_body_stands_for(void **state)
{
    (void)state;
    static rig r;
    KIT_EACH(e) {
        hf_queue coded;
        own(&r);
        const hf_bytes all = coded_words(&r.world, e, 5000, &coded);
        char wanted[64];
        snprintf(wanted, sizeof wanted, "\r\n\r\n5000 %c%c", text[0], text[4999]);
        has(post(&r, "/undone", hf_encoding_name(e), all, 97), wanted);
        assert_int_equal(r.runs, 1);
        hf_queue_fini(&coded);
        teardown(&r);
    }
}

static void a_body_handler_gets_it_piece_by_piece(void **state)
{
    (void)state;
    static rig r;
    KIT_EACH(e) {
        hf_queue coded;
        own(&r);
        const hf_bytes all = coded_words(&r.world, e, LONG, &coded);
        has(post(&r, "/streamed", hf_encoding_name(e), all, 1000), "\r\n\r\n200000");
        assert_int_equal(r.body_seen, LONG);
        assert_memory_equal(r.body_head, text, 20);
        hf_queue_fini(&coded);
        teardown(&r);
    }
}

static void codings_go_by_any_spelling(void **state)
{
    (void)state;
    hf_test_needs("zlib", hf_compress_codings() & 1u << HF_ENCODING_GZIP);
    static const char *const rows[] = { "gzip", "GZip", "x-gzip", "identity, gzip", " , gzip,", "gzip\r\nContent-Encoding: identity" };
    static rig r;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_queue coded;
        own(&r);
        has(post(&r, "/undone", rows[i], coded_words(&r.world, HF_ENCODING_GZIP, 700, &coded), 10000), "\r\n\r\n700 ");
        hf_queue_fini(&coded);
        teardown(&r);
    }
}

static void a_body_without_a_coding_is_taken_as_it_is(void **state)
{
    (void)state;
    static rig r;
    own(&r);
    has(ask(&r, "POST /undone" H BODY(3, "abc")), "\r\n\r\n3 ac");
    has(ask(&r, "POST /undone" H "Content-Encoding: identity\r\n" BODY(3, "abd")), "\r\n\r\n3 ad");
    has(ask(&r, "POST /refused" H "Content-Encoding: identity\r\n" BODY(3, "abe")), "\r\n\r\n3 ae");
    has(ask(&r, "POST /kept" H "Content-Encoding: compress\r\n" BODY(3, "abf")), "\r\n\r\n3 af");
    has(ask(&r, "POST /undone" H "Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"), "\r\n\r\n0 --");
    teardown(&r);
}

/* RFC 9110 15.5.16 and 12.5.3. */
static void an_unknown_coding_is_answered_415_with_those_that_are_taken(void **state)
{
    (void)state;
    static const char *const rows[] = { "compress", "deflate", "gzip, br", "br, br", "gzip;q=1", "none" };
    static rig r;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        own(&r);
        const char *answer = post(&r, "/undone", rows[i], hf_text("xyz"), 10);
        has(answer, "HTTP/1.1 415 ");
        has(answer, "HF-HTTP-021");
        KIT_EACH(e)
            has(answer, hf_encoding_name(e));
        assert_int_equal(r.runs, 0);
        has(ask(&r, "POST /undone" H BODY(3, "abc")), "\r\n\r\n3 ac"); /* and the connection goes on */
        teardown(&r);
    }
}

static void a_route_takes_no_coding_unless_it_says_so(void **state)
{
    (void)state;
    static rig r;
    own(&r);
    const char *answer = post(&r, "/refused", "gzip", hf_text("xyz"), 10);
    has(answer, "HTTP/1.1 415 ");
    has(answer, "Accept-Encoding: identity\r\n");
    assert_int_equal(r.runs, 0);
    teardown(&r);
}

static void an_unknown_coding_is_refused_before_the_body_is_sent(void **state)
{
    (void)state;
    static rig r;
    own(&r);
    has_not(ask(&r, "POST /undone" H "Expect: 100-continue\r\nContent-Encoding: compress\r\nContent-Length: 3\r\n\r\n"), "100 Continue");
    has(r.text, "HTTP/1.1 415 ");
    teardown(&r);
}

static void a_broken_body_is_answered_400_and_no_handler_runs(void **state)
{
    (void)state;
    static rig r;
    KIT_EACH(e)
        for (int cut = 0; cut < 2; cut++) {
            hf_queue coded;
            own(&r);
            hf_bytes all = coded_words(&r.world, e, 3000, &coded);
            if (cut)
                all.len -= 3;
            else
                memset((uint8_t *)all.ptr, 0xff, 12);
            const char *answer = post(&r, "/undone", hf_encoding_name(e), all, 500);
            has(answer, "HTTP/1.1 400 ");
            has(answer, "HF-HTTP-022");
            assert_int_equal(r.runs, 0);
            hf_queue_fini(&coded);
            teardown(&r);
        }
}

static void the_limit_of_a_route_counts_what_the_body_becomes(void **state)
{
    (void)state;
    static rig r;
    KIT_EACH(e)
        for (size_t over = 0; over < 2; over++) {
            hf_queue coded;
            own(&r);
            const hf_bytes all = coded_words(&r.world, e, 10000 + over, &coded);
            assert_true(all.len < 10000);
            const char *answer = post(&r, "/small", hf_encoding_name(e), all, 10000);
            has(answer, over ? "HTTP/1.1 413 " : "HTTP/1.1 200 ");
            has(answer, over ? "HF-HTTP-004" : "\r\n\r\n10000 ");
            hf_queue_fini(&coded);
            teardown(&r);
        }
}

static void a_bomb_is_answered_413_in_little_memory(void **state)
{
    (void)state;
    static rig r;
    KIT_EACH(e) {
        hf_queue coded;
        own(&r);
        const hf_bytes all = bomb(&r.world, e, 64, &coded);
        r.world.memory.most = r.world.memory.held;
        const size_t before = r.world.memory.held;
        const char *answer = post(&r, "/streamed", hf_encoding_name(e), all, 4096);
        has(answer, "HTTP/1.1 413 ");
        has(answer, "HF-HTTP-023");
        assert_true(r.body_seen < 8 << 20);
        assert_true(r.world.memory.most - before < 10 << 20);
        assert_int_equal(r.runs, 0);
        hf_queue_fini(&coded);
        teardown(&r);
    }
}

static void a_handler_that_fails_on_a_piece_ends_it(void **state)
{
    (void)state;
    static rig r;
    KIT_EACH(e) {
        hf_queue coded;
        own(&r);
        (void)coded_words(&r.world, e, 100, &coded);
        hf_queue_take(&coded, hf_queue_length(&coded));
        kit_compress(&r.world.env, e, hf_text("this one fails! and is not gone on with"), &coded);
        has(post(&r, "/streamed", hf_encoding_name(e), kit_held(&coded), 1000), "HTTP/1.1 500 ");
        hf_queue_fini(&coded);
        teardown(&r);
    }
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    static rig r;
    KIT_EACH(e)
        for (size_t fail_at = 1;; fail_at++) {
            hf_queue coded;
            own(&r);
            const hf_bytes all = coded_words(&r.world, e, 20000, &coded);
            r.world.memory.calls = 0;
            r.world.memory.fail_at = fail_at;
            (void)post(&r, "/undone", hf_encoding_name(e), all, 500);
            const bool reached = r.world.memory.calls >= fail_at;
            r.world.memory.fail_at = 0;
            if (!reached)
                has(r.text, "\r\n\r\n20000 ");
            hf_queue_fini(&coded);
            teardown(&r);
            if (!reached)
                break;
            assert_true(fail_at < 500);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_cut_short_anywhere_is_incomplete),
        cmocka_unit_test(bytes_that_are_no_stream_are_refused),
        cmocka_unit_test(gzip_notices_a_changed_byte),
        cmocka_unit_test(what_follows_the_end_is_another_stream_or_refused),
        cmocka_unit_test(zstd_windows_are_at_most_8_mebibytes),
        cmocka_unit_test(a_zstd_frame_holds_what_its_head_promises),
        cmocka_unit_test(limit_coding_bytes_of_a_decompressor),
        cmocka_unit_test(limit_body_ratio),
        cmocka_unit_test(a_small_body_may_grow_as_it_likes),
        cmocka_unit_test(a_handler_gets_what_the_body_stands_for),
        cmocka_unit_test(a_body_handler_gets_it_piece_by_piece),
        cmocka_unit_test(codings_go_by_any_spelling),
        cmocka_unit_test(a_body_without_a_coding_is_taken_as_it_is),
        cmocka_unit_test(an_unknown_coding_is_answered_415_with_those_that_are_taken),
        cmocka_unit_test(a_route_takes_no_coding_unless_it_says_so),
        cmocka_unit_test(an_unknown_coding_is_refused_before_the_body_is_sent),
        cmocka_unit_test(a_broken_body_is_answered_400_and_no_handler_runs),
        cmocka_unit_test(the_limit_of_a_route_counts_what_the_body_becomes),
        cmocka_unit_test(a_bomb_is_answered_413_in_little_memory),
        cmocka_unit_test(a_handler_that_fails_on_a_piece_ends_it),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
