/* SPDX-License-Identifier: Apache-2.0
 *
 * The decisions without any file: status, ranges, coding, paths, and the bytes of a multipart body.
 */
#include "files_plan.h"

#include <stdio.h>

#include "harness.h"
#include "multipart_ranges.h"
#include "random.h"

enum { MOST = 8 };

typedef struct asked {
    hf_field fields[4];
    hf_request_head head;
    hf_range ranges[MOST];
} asked;

static const uint8_t bytes[] = "abcdefghij";

static hf_representation thing(void)
{
    return (hf_representation){ .type = "text/plain", .etag = hf_text("\"v1\""), .last_modified = hf_text("Sun, 06 Nov 1994 08:49:37 GMT"),
        .modified = { .s = 784111777 }, .size = 10, .bytes = bytes };
}

static hf_request_head *ask(asked *a, hf_method method, const char *const *pairs)
{
    size_t n = 0;
    memset(a, 0, sizeof *a);
    for (; pairs && pairs[0]; pairs += 2)
        a->fields[n++] = (hf_field){ .name = hf_text(pairs[0]), .value = hf_text(pairs[1]), .id = hf_field_identify(hf_text(pairs[0])) };
    a->head = (hf_request_head){ .method = method, .fields = { a->fields, n } };
    return &a->head;
}

static hf_files_plan plan(asked *a, hf_method method, const char *const *pairs)
{
    const hf_representation what = thing();
    return hf_files_plan_make(ask(a, method, pairs), &what, (hf_wall){ .s = 2000000000 }, a->ranges, MOST);
}

#define PAIRS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void preconditions_go_before_ranges(void **state)
{
    (void)state;
    asked a;
    assert_int_equal(plan(&a, HF_METHOD_GET, NULL).status, 200);
    assert_int_equal(plan(&a, HF_METHOD_GET, PAIRS("Range", "bytes=0-1", "If-None-Match", "\"v1\"")).status, 304);
    assert_int_equal(plan(&a, HF_METHOD_GET, PAIRS("Range", "bytes=0-1", "If-None-Match", "W/\"v1\"")).status, 304);
    assert_int_equal(plan(&a, HF_METHOD_GET, PAIRS("Range", "bytes=0-1", "If-Match", "\"v0\"")).status, 412);
    assert_int_equal(plan(&a, HF_METHOD_GET, PAIRS("Range", "bytes=0-1", "If-Match", "\"v1\"")).status, 206);
    assert_int_equal(plan(&a, HF_METHOD_GET, PAIRS("Range", "bytes=10-")).status, 416);
    assert_int_equal(plan(&a, HF_METHOD_HEAD, PAIRS("Range", "bytes=10-")).status, 200);
}

static void the_plan_names_its_ranges(void **state)
{
    (void)state;
    asked a;
    hf_files_plan p = plan(&a, HF_METHOD_GET, PAIRS("Range", "bytes=1-2, -3"));
    assert_int_equal(p.status, 206);
    assert_int_equal(p.range_count, 2);
    assert_int_equal(a.ranges[0].first, 1);
    assert_int_equal(a.ranges[0].last, 2);
    assert_int_equal(a.ranges[1].first, 7);
    assert_int_equal(a.ranges[1].last, 9);
    assert_false(p.if_range);
    p = plan(&a, HF_METHOD_GET, PAIRS("Range", "bytes=1-2", "If-Range", "\"v1\""));
    assert_int_equal(p.status, 206);
    assert_true(p.if_range);
    assert_int_equal(plan(&a, HF_METHOD_GET, PAIRS("Range", "bytes=1-2", "If-Range", "W/\"v1\"")).status, 200);
    assert_int_equal(plan(&a, HF_METHOD_GET, PAIRS("Range", "bytes=2-1")).status, 200);
}

static void a_thing_without_a_date_has_its_tag_alone(void **state)
{
    (void)state;
    asked a;
    hf_representation what = thing();
    what.last_modified = hf_text("");
    const hf_wall now = { .s = 2000000000 };
    hf_request_head *head = ask(&a, HF_METHOD_GET, PAIRS("If-Modified-Since", "Sun, 06 Nov 2033 08:49:37 GMT"));
    assert_int_equal(hf_files_plan_make(head, &what, now, NULL, 0).status, 200);
    head = ask(&a, HF_METHOD_GET, PAIRS("If-None-Match", "\"v1\""));
    assert_int_equal(hf_files_plan_make(head, &what, now, NULL, 0).status, 304);
}

static void a_coding_is_chosen_only_for_the_whole(void **state)
{
    (void)state;
    asked a;
    const unsigned both = 1u << HF_ENCODING_GZIP | 1u << HF_ENCODING_BR;
    assert_int_equal(hf_files_choose(ask(&a, HF_METHOD_GET, PAIRS("Accept-Encoding", "gzip, br")), both), HF_ENCODING_BR);
    assert_int_equal(hf_files_choose(ask(&a, HF_METHOD_GET, PAIRS("Accept-Encoding", "gzip, br")), 0), HF_ENCODING_IDENTITY);
    assert_int_equal(hf_files_choose(ask(&a, HF_METHOD_GET, PAIRS("Accept-Encoding", "br", "Range", "bytes=0-1")), both), HF_ENCODING_IDENTITY);
    assert_int_equal(hf_files_choose(ask(&a, HF_METHOD_HEAD, PAIRS("Accept-Encoding", "br", "Range", "bytes=0-1")), both), HF_ENCODING_BR);
    assert_int_equal(hf_files_choose(ask(&a, HF_METHOD_GET, PAIRS("Accept-Encoding", "br;q=0, gzip;q=0, identity;q=0")), both), HF_ENCODING_IDENTITY);
}

static void paths_have_one_spelling(void **state)
{
    (void)state;
    static const char *const good[] = { "", "a", "a/", "a/b", "a/b/", "a.b/..c/d", ".well-known/x", "..." };
    static const char *const bad[] = { "/", "//", "/a", "a//", "a//b", "a//b/", ".", "..", "./a", "a/.", "a/..", "a/../b", "../a", "./" };
    for (size_t i = 0; i < HF_COUNT(good); i++)
        assert_true(hf_files_path_valid(hf_text(good[i]), true));
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        assert_false(hf_files_path_valid(hf_text(bad[i]), true));
        assert_false(hf_files_path_valid(hf_text(bad[i]), false));
    }
    assert_false(hf_files_path_valid(hf_bytes_make("a\0b", 3), true));
    assert_true(hf_files_path_valid(hf_text("a/.b"), true));
    assert_false(hf_files_path_valid(hf_text("a/.b"), false));
    assert_false(hf_files_path_valid(hf_text(".git/config"), false));
    assert_false(hf_files_path_valid(hf_text("..."), false));
    assert_true(hf_files_path_valid(hf_text(".well-known/a"), false));
    assert_false(hf_files_path_valid(hf_text(".well-known2/a"), false));
}

static void pages_are_told_from_other_requests(void **state)
{
    (void)state;
    asked a;
    const hf_fields browser = ask(&a, HF_METHOD_GET, PAIRS("Accept", "image/png, Text/HTML;q=0.9"))->fields;
    assert_true(hf_files_is_page(hf_text("a/b"), browser));
    assert_true(hf_files_is_page(hf_text("a.d/b"), browser));
    assert_true(hf_files_is_page(hf_text("a.d/"), browser));
    assert_true(hf_files_is_page(hf_text(""), browser));
    assert_false(hf_files_is_page(hf_text("a/b.js"), browser));
    asked b;
    assert_false(hf_files_is_page(hf_text("a"), ask(&b, HF_METHOD_GET, PAIRS("Accept", "*/*"))->fields));
    assert_false(hf_files_is_page(hf_text("a"), ask(&b, HF_METHOD_GET, PAIRS("Accept", "text/html;q=0, */*"))->fields));
    assert_false(hf_files_is_page(hf_text("a"), ask(&b, HF_METHOD_GET, NULL)->fields));
}

static void extents_lie_where_the_bytes_are(void **state)
{
    (void)state;
    hf_representation what = thing();
    hf_extent e = hf_representation_extent(&what, 2, 3);
    assert_int_equal(e.kind, HF_EXTENT_LENT);
    assert_ptr_equal(e.bytes.ptr, bytes + 2);
    assert_int_equal(e.bytes.len, 3);
    const hf_file file = { .handle = 9, .size = 10 };
    what.file = &file; /* both: the whole of it is sent as the file that has a front */
    e = hf_representation_extent(&what, 2, 3);
    assert_int_equal(e.kind, HF_EXTENT_LENT);
    e = hf_representation_extent(&what, 0, what.size);
    assert_int_equal(e.kind, HF_EXTENT_FILE);
    what.bytes = NULL;
    e = hf_representation_extent(&what, 2, 3);
    assert_int_equal(e.kind, HF_EXTENT_FILE);
    assert_ptr_equal(e.file, &file);
    assert_int_equal(e.offset, 2);
    assert_int_equal(hf_extent_length(&e), 3);
}

static void a_multipart_body_fits_its_room_with_the_largest_numbers(void **state)
{
    (void)state;
    hf_random random;
    hf_multipart m, other;
    hf_random_seed(&random, 3);
    hf_multipart_begin(&m, &random);
    hf_multipart_begin(&other, &random);
    assert_memory_not_equal(m.boundary, other.boundary, HF_BOUNDARY_LENGTH);
    const hf_file file = { .handle = -1 };
    const hf_representation what = { .type = "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        .size = UINT64_MAX, .file = &file };
    const hf_range ranges[2] = { { UINT64_MAX - 9, UINT64_MAX - 8 }, { UINT64_MAX - 3, UINT64_MAX - 1 } };
    uint8_t memory[1024];
    hf_writer text = hf_writer_make(memory, hf_multipart_text_size(what.type, 2));
    assert_true(text.capacity <= sizeof memory);
    hf_extent body[5];
    assert_int_equal(hf_multipart_extents(2), HF_COUNT(body));
    hf_multipart_write(&m, &what, ranges, 2, &text, body);
    assert_false(text.overflowed);
    char expected[512];
    snprintf(expected, sizeof expected, "--%.32s\r\nContent-Type: %s\r\n"
             "Content-Range: bytes 18446744073709551606-18446744073709551607/18446744073709551615\r\n\r\n", m.boundary, what.type);
    assert_int_equal(body[0].bytes.len, strlen(expected));
    assert_memory_equal(body[0].bytes.ptr, expected, strlen(expected));
    assert_int_equal(body[1].length, 2);
    assert_true(body[3].offset == UINT64_MAX - 3);
    snprintf(expected, sizeof expected, "\r\n--%.32s--\r\n", m.boundary);
    assert_int_equal(body[4].bytes.len, strlen(expected));
    assert_memory_equal(body[4].bytes.ptr, expected, strlen(expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preconditions_go_before_ranges),
        cmocka_unit_test(the_plan_names_its_ranges),
        cmocka_unit_test(a_thing_without_a_date_has_its_tag_alone),
        cmocka_unit_test(a_coding_is_chosen_only_for_the_whole),
        cmocka_unit_test(paths_have_one_spelling),
        cmocka_unit_test(pages_are_told_from_other_requests),
        cmocka_unit_test(extents_lie_where_the_bytes_are),
        cmocka_unit_test(a_multipart_body_fits_its_room_with_the_largest_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
