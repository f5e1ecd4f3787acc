/* SPDX-License-Identifier: Apache-2.0
 *
 * The three libraries behind one interface: what goes in comes out again, in bounded memory.
 */
#include "compress.h"

#include "coding_kit.h"

enum { LONG = 300000 };

static uint8_t text[LONG];

static hf_bytes words(size_t length)
{
    kit_fill(text, LONG);
    return hf_bytes_make(text, length);
}

static void every_coding_that_is_built_in_names_its_library(void **state)
{
    (void)state;
    size_t count = 0;
    const char *name;
    uint8_t version[32];
    hf_writer w = hf_writer_make(version, sizeof version);
    for (; hf_compress_library(count, &name, &w); count++, w.length = 0) {
        assert_true(strlen(name) > 3);
        assert_true(w.length >= 5 && !w.overflowed && memchr(version, '.', w.length) != NULL);
    }
    assert_int_equal(count, __builtin_popcount(hf_compress_codings()));
    assert_int_equal(hf_compress_codings() & 1u << HF_ENCODING_IDENTITY, 0);
    hf_test_needs("codings", count == 3);
}

static void what_goes_in_comes_out_whatever_the_slices(void **state)
{
    (void)state;
    static const size_t lengths[] = { 1, 2, 511, 512, 4095, 4096, 65536, LONG }, slices[] = { 1, 7, 1000, LONG };
    hf_test_world w;
    hf_test_world_init(&w, 1);
    KIT_EACH(e)
        for (size_t i = 0; i < HF_COUNT(lengths); i++)
            for (size_t k = 0; k < HF_COUNT(slices); k++) {
                hf_queue coded, plain;
                hf_queue_init(&coded, &w.env.alloc);
                hf_queue_init(&plain, &w.env.alloc);
                hf_compressor *c = hf_compressor_new(&w.env, e, k % 2 ? lengths[i] : HF_COMPRESS_UNKNOWN);
                const hf_bytes all = words(lengths[i]);
                for (size_t at = 0; at < all.len; at += slices[k])
                    assert_int_equal(hf_compressor_feed(c, hf_bytes_make(all.ptr + at, at + slices[k] < all.len ? slices[k] : all.len - at), &coded).code, 0);
                assert_int_equal(hf_compressor_end(c, &coded).code, 0);
                hf_compressor_free(c);
                assert_int_equal(kit_undo(&w.env, e, kit_held(&coded), slices[k], &plain).code, 0);
                assert_true(hf_bytes_equal(kit_held(&plain), all));
                if (lengths[i] > 4000)
                    assert_true(hf_queue_length(&coded) < lengths[i]);
                hf_queue_fini(&coded);
                hf_queue_fini(&plain);
            }
    hf_test_world_fini(&w);
}

static void nothing_at_all_is_a_stream_too(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    KIT_EACH(e) {
        hf_queue coded, plain;
        hf_queue_init(&coded, &w.env.alloc);
        hf_queue_init(&plain, &w.env.alloc);
        kit_compress(&w.env, e, hf_bytes_make(NULL, 0), &coded);
        assert_true(hf_queue_length(&coded) > 0);
        assert_int_equal(kit_undo(&w.env, e, kit_held(&coded), 1, &plain).code, 0);
        assert_int_equal(hf_queue_length(&plain), 0);
        hf_queue_fini(&coded);
    }
    hf_test_world_fini(&w);
}

/* A stream of events must not keep one back until the next comes. */
static void each_event_can_be_read_once_it_is_flushed(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    KIT_EACH(e) {
        hf_compressor *c = hf_compressor_new(&w.env, e, HF_COMPRESS_UNKNOWN);
        hf_decompressor *d = hf_decompressor_new(&w.env, e);
        for (int i = 0; i < 200; i++) {
            hf_queue coded;
            char event[64];
            hf_bytes piece;
            hf_queue_init(&coded, &w.env.alloc);
            hf_writer line = hf_writer_make(event, sizeof event);
            hf_write_text(&line, "data: event number ");
            hf_write_decimal(&line, (uint64_t)i);
            hf_write_text(&line, "\n\n");
            assert_int_equal(hf_compressor_feed(c, hf_written(&line), &coded).code, 0);
            assert_int_equal(hf_compressor_flush(c, &coded).code, 0);
            hf_bytes in = kit_held(&coded);
            assert_int_equal(hf_decompressor_next(d, &in, &piece).code, 0);
            assert_true(hf_bytes_equal(piece, hf_written(&line)));
            hf_queue_fini(&coded);
        }
        hf_decompressor_free(d);
        hf_compressor_free(c);
    }
    hf_test_world_fini(&w);
}

static void a_large_event_is_flushed_whole(void **state)
{
    (void)state;
    hf_test_world w;
    static uint8_t noise[100000];
    hf_test_world_init(&w, 1);
    kit_noise(noise, sizeof noise);
    KIT_EACH(e) {
        hf_queue coded;
        size_t got = 0;
        hf_bytes piece = { NULL, 0 };
        hf_queue_init(&coded, &w.env.alloc);
        hf_compressor *c = hf_compressor_new(&w.env, e, HF_COMPRESS_UNKNOWN);
        hf_decompressor *d = hf_decompressor_new(&w.env, e);
        assert_int_equal(hf_compressor_feed(c, hf_bytes_make(noise, sizeof noise), &coded).code, 0);
        assert_int_equal(hf_compressor_flush(c, &coded).code, 0);
        hf_bytes in = kit_held(&coded);
        do {
            assert_int_equal(hf_decompressor_next(d, &in, &piece).code, 0);
            if (piece.len > 0)
                assert_memory_equal(noise + got, piece.ptr, piece.len);
            got += piece.len;
        } while (piece.len > 0);
        assert_int_equal(got, sizeof noise);
        hf_decompressor_free(d);
        hf_compressor_free(c);
        hf_queue_fini(&coded);
    }
    hf_test_world_fini(&w);
}

static void pieces_become_one_stream(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    const hf_bytes all = words(50000);
    const hf_extent pieces[] = { { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(all.ptr, 10) }, { .kind = HF_EXTENT_LENT },
        { .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(all.ptr + 10, 49990) } };
    KIT_EACH(e) {
        hf_span out;
        hf_queue plain;
        hf_queue_init(&plain, &w.env.alloc);
        assert_int_equal(hf_compress_whole(&w.env, e, pieces, HF_COUNT(pieces), &out).code, 0);
        assert_non_null(out.ptr);
        assert_true(out.len < 40000);
        assert_int_equal(kit_undo(&w.env, e, hf_bytes_make(out.ptr, out.len), out.len, &plain).code, 0);
        assert_true(hf_bytes_equal(kit_held(&plain), all));
        hf_free(&w.env.alloc, out.ptr, out.len);
        hf_queue_fini(&plain);
    }
    hf_test_world_fini(&w);
}

static void what_saves_nothing_is_left_as_it_is(void **state)
{
    (void)state;
    hf_test_world w;
    static uint8_t noise[20000];
    hf_test_world_init(&w, 1);
    kit_noise(noise, sizeof noise);
    KIT_EACH(e)
        for (size_t length = 0; length <= sizeof noise; length += 5000) {
            const hf_extent piece = { .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(noise, length) };
            hf_span out;
            assert_int_equal(hf_compress_whole(&w.env, e, &piece, 1, &out).code, 0);
            assert_null(out.ptr);
        }
    hf_test_world_fini(&w);
}

static void identity_is_no_coding_to_compress_with(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    assert_null(hf_compressor_new(&w.env, HF_ENCODING_IDENTITY, 10));
    assert_null(hf_decompressor_new(&w.env, HF_ENCODING_IDENTITY));
    hf_test_world_fini(&w);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    const hf_extent piece = { .kind = HF_EXTENT_LENT, .bytes = words(40000) };
    KIT_EACH(e)
        for (int on = 0; on < 2; on++)
            for (size_t fail_at = 1;; fail_at++) {
                hf_test_world w;
                hf_span out;
                hf_test_world_init(&w, 1);
                w.memory.fail_at = fail_at;
                w.memory.fail_on = on == 1;
                const hf_err err = hf_compress_whole(&w.env, e, &piece, 1, &out);
                const bool reached = w.memory.calls >= fail_at;
                assert_true(err.code == 0 || (err.code == HF_ERR_BASE_MEMORY && out.ptr == NULL));
                assert_true(reached || out.ptr != NULL);
                if (out.ptr != NULL)
                    hf_free(&w.env.alloc, out.ptr, out.len);
                hf_test_world_fini(&w); /* nothing is held */
                if (!reached)
                    break;
                assert_true(fail_at < 200);
            }
}

static void a_stream_that_ran_out_of_memory_says_so_for_ever(void **state)
{
    (void)state;
    KIT_EACH(e)
        for (size_t fail_at = 1;; fail_at++) {
            hf_test_world w;
            hf_queue out;
            hf_test_world_init(&w, 1);
            hf_queue_init(&out, &w.env.alloc);
            hf_compressor *c = hf_compressor_new(&w.env, e, HF_COMPRESS_UNKNOWN);
            assert_non_null(c);
            w.memory.calls = 0;
            w.memory.fail_at = fail_at;
            const hf_err fed = hf_compressor_feed(c, words(200000), &out);
            const hf_err ended = hf_compressor_end(c, &out);
            const bool reached = w.memory.calls >= fail_at;
            assert_true(fed.code == 0 || ended.code == fed.code);
            assert_int_equal(reached, ended.code == HF_ERR_BASE_MEMORY);
            hf_compressor_free(c);
            hf_queue_fini(&out);
            hf_test_world_fini(&w);
            if (!reached)
                break;
        }
}

static void limit_coding_bytes(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    KIT_EACH(e) {
        const hf_extent piece = { .kind = HF_EXTENT_LENT, .bytes = words(LONG) };
        hf_span out;
        w.limits.coding_bytes = hf_limits_default()->coding_bytes;
        w.memory.most = 0;
        assert_int_equal(hf_compress_whole(&w.env, e, &piece, 1, &out).code, 0);
        assert_non_null(out.ptr);
        hf_free(&w.env.alloc, out.ptr, out.len);
        const size_t needs = w.memory.most;
        assert_true(needs < 8 << 20); /* far below the bound: it is there for what others made */
        w.limits.coding_bytes = 2000;
        w.memory.most = 0;
        assert_int_equal(hf_compress_whole(&w.env, e, &piece, 1, &out).code, HF_ERR_BASE_MEMORY);
        assert_null(out.ptr);
        assert_true(w.memory.most < LONG + 4096); /* the block for the result, and no more than the limit */
    }
    hf_test_world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_coding_that_is_built_in_names_its_library),
        cmocka_unit_test(what_goes_in_comes_out_whatever_the_slices),
        cmocka_unit_test(nothing_at_all_is_a_stream_too),
        cmocka_unit_test(each_event_can_be_read_once_it_is_flushed),
        cmocka_unit_test(a_large_event_is_flushed_whole),
        cmocka_unit_test(pieces_become_one_stream),
        cmocka_unit_test(what_saves_nothing_is_left_as_it_is),
        cmocka_unit_test(identity_is_no_coding_to_compress_with),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(a_stream_that_ran_out_of_memory_says_so_for_ever),
        cmocka_unit_test(limit_coding_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
