/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are compressed when they are asked for: made once, kept with their version, and sent by the same rules as
 * every other representation.
 */
#include "files.h"

#include "compress.h"
#include "decompress.h"
#include "fake_req.h"
#include "random.h"
#include "temp_folder.h"

enum { SMALL = 5000, LARGE = 200000 };

typedef struct site {
    hf_test_world world;
    temp_folder folder;
    hf_files what;
    hf_files_cache *files;
    hf_req *rq;
} site;

static char large[LARGE + 1];

static void write_words(site *s, const char *name, size_t length, char first)
{
    for (size_t i = 0; i < length; i++)
        large[i] = (char)(' ' + (i * i / 7 + i % 31) % 40);
    large[0] = first;
    temp_write_bytes(&s->folder, name, large, length);
}

static site *setup(site *s)
{
    hf_err err;
    hf_test_needs("codings", hf_compress_codings() != 0);
    memset(s, 0, sizeof *s);
    hf_test_world_init(&s->world, 7);
    temp_make(&s->folder);
    write_words(s, "large.txt", LARGE, 'L');
    write_words(s, "tiny.txt", HF_COMPRESS_LEAST - 1, 'T');
    write_words(s, "picture.png", SMALL, 'P');
    write_words(s, "a.css", SMALL, 'A');
    temp_settle();
    s->what.root = s->folder.path;
    s->files = hf_files_open(&s->what, &s->world.env, &err);
    assert_non_null(s->files);
    return s;
}

static void close_site(site *s)
{
    if (s->rq)
        fake_end(s->rq);
    s->rq = NULL;
    hf_files_close(s->files);
    s->files = NULL;
}

static void open_again(site *s)
{
    hf_err err;
    close_site(s);
    s->files = hf_files_open(&s->what, &s->world.env, &err);
    assert_non_null(s->files);
}

static void teardown(site *s)
{
    close_site(s);
    temp_remove(&s->folder);
    hf_test_world_fini(&s->world);
}

static hf_req *ask_at(site *s, int64_t later_ns, hf_method method, const char *path, const char *const *fields)
{
    if (s->rq)
        fake_end(s->rq);
    s->rq = fake_ask(&s->world.env, method, path, fields);
    s->rq->now = hf_time_after(s->rq->now, later_ns);
    assert_int_equal(hf_files_answer(s->files, s->rq, hf_bytes_make(s->rq->path.ptr + 1, s->rq->path.len - 1)).code, 0);
    return s->rq;
}

#define ASK(s, path, ...) ask_at(s, 0, HF_METHOD_GET, path, (const char *const[]){ __VA_ARGS__, NULL })

static bool field_is(hf_req *rq, const char *name, const char *value)
{
    const char *have = fake_field(rq, name);
    return value == NULL || have == NULL ? have == value : strcmp(have, value) == 0;
}

static void keep_tag(char tag[100], const hf_req *rq)
{
    const char *have = fake_field(rq, "ETag");
    assert_non_null(have);
    assert_true(strlen(have) < 100);
    memcpy(tag, have, strlen(have) + 1);
}

/* The coded body of the last answer stands for these bytes. */
static void stands_for(site *s, hf_encoding e, const char *bytes, size_t length)
{
    size_t size, at = 0;
    const char *body = fake_body(s->rq, &size);
    hf_decompressor *d = hf_decompressor_new(&s->world.env, e);
    hf_bytes in = hf_bytes_make(body, size), piece;
    assert_true(size < length);
    do {
        assert_int_equal(hf_decompressor_next(d, &in, &piece).code, 0);
        assert_true(at + piece.len <= length);
        if (piece.len > 0)
            assert_memory_equal(bytes + at, piece.ptr, piece.len);
        at += piece.len;
    } while (piece.len > 0);
    assert_int_equal(hf_decompressor_end(d).code, 0);
    assert_int_equal(at, length);
    hf_decompressor_free(d);
}

#define EACH(e) \
    for (hf_encoding e = HF_ENCODING_GZIP; e < HF_ENCODING_COUNT; e++) \
        if (hf_compress_codings() & 1u << e)

static void a_file_is_compressed_once_and_then_kept(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    uint64_t made = 0;
    EACH(e) {
        made++;
        for (int i = 0; i < 3; i++) {
            hf_req *rq = ASK(s, "/a.css", "Accept-Encoding", hf_encoding_name(e));
            assert_int_equal(rq->status, 200);
            assert_true(field_is(rq, "Content-Encoding", hf_encoding_name(e)));
            assert_true(field_is(rq, "Vary", "Accept-Encoding"));
            assert_true(field_is(rq, "Content-Type", "text/css; charset=utf-8"));
            large[0] = 'A';
            stands_for(s, e, large, SMALL);
            assert_int_equal(hf_files_count(s->files).codings, made);
        }
    }
    hf_req *rq = ASK(s, "/a.css", "Accept-Encoding", "identity");
    assert_true(field_is(rq, "Content-Encoding", NULL));
    assert_true(field_is(rq, "Vary", "Accept-Encoding"));
    teardown(s);
}

/* Where the connection keeps fronts: from the second time on, for the first may be the last. */
static void what_was_compressed_is_sent_as_a_file_with_a_front(void **state)
{
    (void)state;
    enum { NOISE = 30000 };
    site place, *s = setup(&place);
    static char noise[NOISE];
    for (size_t i = 0; i < NOISE; i++)
        noise[i] = (char)('a' + hf_random_next(&s->world.random) % 26); /* of 8 bits, some 5 are left */
    temp_write_bytes(&s->folder, "noise.txt", noise, NOISE);
    temp_settle();
    EACH(e) {
        for (int i = 0; i < 4; i++) {
            const char *const asked[] = { "Accept-Encoding", hf_encoding_name(e), NULL };
            if (s->rq)
                fake_end(s->rq);
            s->rq = fake_ask(&s->world.env, HF_METHOD_GET, "/noise.txt", asked);
            s->rq->fronts = i != 3;
            assert_int_equal(hf_files_answer(s->files, s->rq, hf_text("noise.txt")).code, 0);
            assert_int_equal(s->rq->extents[0].kind, i == 1 || i == 2 ? HF_EXTENT_FILE : HF_EXTENT_LENT);
            stands_for(s, e, noise, NOISE);
        }
    }
    teardown(s);
}

static void a_file_too_large_to_keep_plain_is_kept_compressed(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    assert_true(LARGE > s->world.limits.hot_file_bytes);
    large[0] = 'L';
    write_words(s, "unrelated.bin", LARGE, 'L');
    EACH(e) {
        hf_req *rq = ASK(s, "/large.txt", "Accept-Encoding", hf_encoding_name(e));
        assert_true(field_is(rq, "Content-Encoding", hf_encoding_name(e)));
        stands_for(s, e, large, LARGE);
    }
    const hf_file_cache_counts counts = hf_files_count(s->files);
    assert_true(counts.bytes > 0 && counts.bytes < LARGE);
    teardown(s);
}

static void limit_compress_bytes_of_files(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    s->world.limits.compress_bytes = SMALL;
    open_again(s);
    assert_non_null(fake_field(ASK(s, "/a.css", "Accept-Encoding", "gzip, br, zstd"), "Content-Encoding"));
    hf_req *rq = ASK(s, "/large.txt", "Accept-Encoding", "gzip, br, zstd");
    assert_true(field_is(rq, "Content-Encoding", NULL) && field_is(rq, "Vary", NULL));
    s->world.limits.compress_bytes = SMALL - 1;
    open_again(s);
    assert_true(field_is(ASK(s, "/a.css", "Accept-Encoding", "gzip, br, zstd"), "Content-Encoding", NULL));
    teardown(s);
}

static void what_gains_nothing_is_sent_as_it_is(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    static const char *const rows[] = { "/tiny.txt", "/picture.png" };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_req *rq = ASK(s, rows[i], "Accept-Encoding", "gzip, br, zstd");
        assert_true(field_is(rq, "Content-Encoding", NULL) && field_is(rq, "Vary", NULL));
    }
    uint32_t x = 1;
    for (size_t i = 0; i < SMALL; i++, x = x * 1664525 + 1013904223)
        large[i] = (char)(x >> 24);
    temp_write_bytes(&s->folder, "noise.txt", large, SMALL);
    temp_settle();
    for (int i = 0; i < 3; i++)
        assert_true(field_is(ASK(s, "/noise.txt", "Accept-Encoding", "gzip, br, zstd"), "Content-Encoding", NULL));
    assert_int_equal(hf_files_count(s->files).codings, 0);
    teardown(s);
}

static void no_compression_means_none(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    s->what.no_compression = true;
    open_again(s);
    hf_req *rq = ASK(s, "/a.css", "Accept-Encoding", "gzip, br, zstd");
    assert_true(field_is(rq, "Content-Encoding", NULL) && field_is(rq, "Vary", NULL));
    teardown(s);
}

/* RFC 9110 8.8.3.3: each coding is a representation of its own, with a tag of its own. */
static void conditions_are_about_the_coding_that_would_be_sent(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    char plain[100], coded[100];
    EACH(e) {
        const char *name = hf_encoding_name(e);
        keep_tag(plain, ASK(s, "/a.css", "Accept-Encoding", "identity"));
        keep_tag(coded, ASK(s, "/a.css", "Accept-Encoding", name));
        assert_string_not_equal(plain, coded);
        hf_req *rq = ASK(s, "/a.css", "Accept-Encoding", name, "If-None-Match", coded);
        assert_int_equal(rq->status, 304);
        assert_true(field_is(rq, "ETag", coded) && field_is(rq, "Vary", "Accept-Encoding") && field_is(rq, "Content-Encoding", NULL));
        assert_int_equal(ASK(s, "/a.css", "Accept-Encoding", name, "If-None-Match", plain)->status, 200);
        assert_int_equal(ASK(s, "/a.css", "If-None-Match", coded)->status, 200);
        assert_int_equal(ASK(s, "/a.css", "If-None-Match", plain)->status, 304);
        assert_int_equal(ASK(s, "/a.css", "Accept-Encoding", name, "If-Match", plain)->status, 412);
    }
    teardown(s);
}

static void ranges_are_of_the_file_itself(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    char coded[100];
    keep_tag(coded, ASK(s, "/a.css", "Accept-Encoding", "gzip, br, zstd"));
    hf_req *rq = ASK(s, "/a.css", "Accept-Encoding", "gzip, br, zstd", "Range", "bytes=0-9");
    assert_int_equal(rq->status, 206);
    assert_true(field_is(rq, "Content-Encoding", NULL) && field_is(rq, "Content-Range", "bytes 0-9/5000"));
    rq = ASK(s, "/a.css", "Accept-Encoding", "gzip, br, zstd", "Range", "bytes=0-9", "If-Range", coded);
    assert_int_equal(rq->status, 200); /* never a part of one joined to a part of the other */
    teardown(s);
}

static void head_says_what_get_says(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    static const char *const fields[] = { "Accept-Encoding", "gzip, br, zstd", NULL };
    char etag[100];
    size_t length;
    keep_tag(etag, ask_at(s, 0, HF_METHOD_GET, "/a.css", fields));
    (void)fake_body(s->rq, &length);
    hf_req *rq = ask_at(s, 0, HF_METHOD_HEAD, "/a.css", fields);
    assert_true(field_is(rq, "ETag", etag));
    assert_int_equal(hf_extent_length(&rq->extents[0]), length);
    teardown(s);
}

static void a_new_version_is_compressed_anew(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    static const char *const fields[] = { "Accept-Encoding", "gzip, br, zstd", NULL };
    hf_encoding best = HF_ENCODING_IDENTITY;
    EACH(e)
        best = e;
    char etag[100];
    keep_tag(etag, ask_at(s, 0, HF_METHOD_GET, "/a.css", fields));
    write_words(s, "a.css", SMALL, 'B');
    temp_settle();
    hf_req *rq = ask_at(s, HF_SECONDS(2), HF_METHOD_GET, "/a.css", fields);
    assert_false(field_is(rq, "ETag", etag));
    large[0] = 'B';
    stands_for(s, best, large, SMALL);
    assert_int_equal(hf_files_count(s->files).codings, 2);
    teardown(s);
}

static void a_sibling_is_preferred_to_what_we_would_make(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    static const char *const fields[] = { "Accept-Encoding", "gzip, br, zstd", NULL };
    (void)ask_at(s, 0, HF_METHOD_GET, "/a.css", fields);
    assert_int_equal(hf_files_count(s->files).codings, 1);
    temp_write(&s->folder, "a.css.gz", "from the sibling"); /* it comes while ours is there */
    temp_settle();
    hf_req *rq = ask_at(s, HF_SECONDS(2), HF_METHOD_GET, "/a.css", fields);
    assert_true(field_is(rq, "Content-Encoding", "gzip"));
    assert_string_equal(fake_body(rq, NULL), "from the sibling");
    EACH(e) /* who does not take the sibling's coding still gets one of ours */
        if (e != HF_ENCODING_GZIP)
            assert_true(field_is(ask_at(s, HF_SECONDS(2), HF_METHOD_GET, "/a.css", (const char *const[]){ "Accept-Encoding", hf_encoding_name(e), NULL }),
                                 "Content-Encoding", hf_encoding_name(e)));
    teardown(s);
}

static void limit_hot_bytes_holds_for_what_was_compressed(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    char name[32], path[32];
    s->world.limits.hot_bytes = 3 * SMALL;
    open_again(s);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "n%d.txt", i);
        write_words(s, name, SMALL, (char)('a' + i));
    }
    temp_settle();
    for (int i = 0; i < 20; i++) {
        snprintf(path, sizeof path, "/n%d.txt", i);
        EACH(e) {
            (void)ASK(s, path, "Accept-Encoding", hf_encoding_name(e));
            assert_true(hf_files_count(s->files).bytes <= 3 * SMALL);
        }
    }
    assert_true(hf_files_count(s->files).codings >= 20);
    assert_true(hf_files_count(s->files).evictions > 10);
    s->world.limits.hot_bytes = 0;
    open_again(s);
    hf_req *rq = ASK(s, "/a.css", "Accept-Encoding", "gzip, br, zstd");
    assert_int_equal(rq->status, 200);
    assert_true(field_is(rq, "Content-Encoding", NULL)); /* made anew for each request it would cost too much */
    teardown(s);
}

static void an_answer_under_way_keeps_what_it_sends(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    hf_encoding best = HF_ENCODING_IDENTITY;
    EACH(e)
        best = e;
    (void)ASK(s, "/a.css", "Accept-Encoding", "gzip, br, zstd");
    hf_files_close(s->files);
    s->files = NULL;
    large[0] = 'A';
    stands_for(s, best, large, SMALL);
    teardown(s);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    site place, *s = setup(&place);
    static const char *const fields[] = { "Accept-Encoding", "gzip, br, zstd", NULL };
    for (int which = 0; which < 2; which++)
        for (size_t fail_at = 1;; fail_at++) {
            open_again(s);
            s->world.memory.calls = 0;
            s->world.memory.fail_at = fail_at;
            s->rq = fake_ask(&s->world.env, HF_METHOD_GET, which ? "/large.txt" : "/a.css", fields);
            const hf_err err = hf_files_answer(s->files, s->rq, hf_bytes_make(s->rq->path.ptr + 1, s->rq->path.len - 1));
            const bool reached = s->world.memory.calls >= fail_at;
            s->world.memory.fail_at = 0;
            assert_true(err.code == 0 || err.code == HF_ERR_BASE_MEMORY);
            if (err.code == 0 && fake_field(s->rq, "Content-Encoding") == NULL) {
                size_t length;
                (void)fake_body(s->rq, &length);
                assert_int_equal(length, which ? LARGE : SMALL);
                /* and the next request is not the worse for it */
                assert_non_null(fake_field(ask_at(s, 0, HF_METHOD_GET, which ? "/large.txt" : "/a.css", fields), "Content-Encoding"));
            }
            if (!reached)
                break;
            assert_true(fail_at < 500);
        }
    teardown(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_compressed_once_and_then_kept),
        cmocka_unit_test(what_was_compressed_is_sent_as_a_file_with_a_front),
        cmocka_unit_test(a_file_too_large_to_keep_plain_is_kept_compressed),
        cmocka_unit_test(limit_compress_bytes_of_files),
        cmocka_unit_test(what_gains_nothing_is_sent_as_it_is),
        cmocka_unit_test(no_compression_means_none),
        cmocka_unit_test(conditions_are_about_the_coding_that_would_be_sent),
        cmocka_unit_test(ranges_are_of_the_file_itself),
        cmocka_unit_test(head_says_what_get_says),
        cmocka_unit_test(a_new_version_is_compressed_anew),
        cmocka_unit_test(a_sibling_is_preferred_to_what_we_would_make),
        cmocka_unit_test(limit_hot_bytes_holds_for_what_was_compressed),
        cmocka_unit_test(an_answer_under_way_keeps_what_it_sends),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
