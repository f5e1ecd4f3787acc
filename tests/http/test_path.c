/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "target.h"

static int32_t normalise(hf_bytes path, uint8_t *buffer, hf_writer *w)
{
    *w = hf_writer_make(buffer, path.len);
    return hf_path_normalise(path, w).code;
}

static void paths_are_decoded_and_lose_their_dot_segments(void **state)
{
    (void)state;
    static const struct {
        const char *path, *normal;
    } rows[] = {
        { "/", "/" },
        { "/a/b.txt", "/a/b.txt" },
        { "/a%20b", "/a b" },
        { "/%41%7e%7E", "/A~~" },
        { "/%c3%a4", "/\xc3\xa4" },
        { "/a+b", "/a+b" },
        { "/%252e%252e/", "/%2e%2e/" }, /* decoded once, never twice */
        { "/%25", "/%" },
        { "/%0a", "/\n" },
        /* RFC 3986 5.2.4 */
        { "/a/b/c/./../../g", "/a/g" },
        { "/./a", "/a" },
        { "/.", "/" },
        { "/..", "/" },
        { "/../", "/" },
        { "/../../../etc/passwd", "/etc/passwd" },
        { "/a/..", "/" },
        { "/a/../", "/" },
        { "/a/.", "/a/" },
        { "/a/./", "/a/" },
        { "/a/b/..", "/a/" },
        { "/a/b/../c", "/a/c" },
        { "/%2e%2e/%2E%2E/etc", "/etc" },
        { "/a/%2e%2e/b", "/b" },
        { "/a/.%2e/b", "/b" },
        { "/a/%2e/b", "/a/b" },
        { "/a/%2e%2e", "/" },
        /* names that only look like them */
        { "/...", "/..." },
        { "/.a", "/.a" },
        { "/a./b", "/a./b" },
        { "/..a/a..", "/..a/a.." },
        { "/.%20", "/. " },
        /* empty segments stay, and ".." takes one */
        { "//", "//" },
        { "//a//b/", "//a//b/" },
        { "/a//../b", "/a/b" },
        { "//..", "/" },
        { "//../..", "/" },
        { "/.//a", "//a" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        uint8_t buffer[64];
        hf_writer w;
        assert_int_equal(normalise(hf_text(rows[i].path), buffer, &w), 0);
        if (!hf_bytes_equal(hf_written(&w), hf_text(rows[i].normal)))
            fail_msg("\"%s\" became \"%.*s\"", rows[i].path, HF_STR(hf_written(&w)));
    }
}

static void paths_with_smuggled_separators_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "/%", "/%2", "/%zz", "/%2g", "/%g2", "/a%", "/%%41", "/%00", "/a%00.html", "/a%2fb", "/a%2Fb", "/..%2f..%2fetc",
                                       "/%2e%2e%2f", "/a%5cb", "/..%5C..%5cx", "/a\\b", "/..\\x", "/a/../%00", "/%-1" };
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        uint8_t buffer[64];
        hf_writer w;
        if (normalise(hf_text(bad[i]), buffer, &w) != HF_ERR_HTTP_PATH_ENCODING)
            fail_msg("took \"%s\"", bad[i]);
        assert_int_equal(w.length, 0);
    }
    uint8_t buffer[64];
    hf_writer w;
    assert_int_equal(normalise(hf_bytes_make("/a\0b", 4), buffer, &w), HF_ERR_HTTP_PATH_ENCODING);
}

static void paths_begin_with_a_slash(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "*", "a", "a/b", "%2f", "." };
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        uint8_t buffer[16];
        hf_writer w;
        assert_int_equal(normalise(hf_text(bad[i]), buffer, &w), HF_ERR_HTTP_TARGET_SYNTAX);
    }
}

static void a_path_needs_room_for_its_own_length(void **state)
{
    (void)state;
    uint8_t buffer[8] = "xxxxxxx";
    hf_writer w = hf_writer_make(buffer, 4);
    assert_int_equal(hf_path_normalise(hf_text("/abcd"), &w).code, HF_ERR_BASE_LIMIT);
    assert_int_equal(hf_path_normalise(hf_text("/%41b"), &w).code, HF_ERR_BASE_LIMIT);
    assert_int_equal(w.length, 0);
    assert_memory_equal(buffer, "xxxxxxx", 8);
    /* it appends, and never reaches back before where it began */
    w = hf_writer_make(buffer, 8);
    hf_write(&w, hf_text("/z"));
    assert_int_equal(hf_path_normalise(hf_text("/../.."), &w).code, 0);
    assert_true(hf_bytes_equal(hf_written(&w), hf_text("/z/")));
}

static void encoded_paths_come_back(void **state)
{
    (void)state;
    static const struct {
        const char *path, *encoded;
    } rows[] = {
        { "/", "/" },
        { "/a b", "/a%20b" },
        { "/\xc3\xa4?#%", "/%C3%A4%3F%23%25" },
        { "/a\"<>`{}|^[]", "/a%22%3C%3E%60%7B%7D%7C%5E%5B%5D" },
        { "/a:b@c;d=e,f+g", "/a:b@c;d=e,f+g" },
        { "//evil.example/x", "/.//evil.example/x" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        uint8_t buffer[64], again[64];
        hf_writer w = hf_writer_make(buffer, sizeof buffer), back;
        hf_path_write(&w, hf_text(rows[i].path));
        assert_true(hf_bytes_equal(hf_written(&w), hf_text(rows[i].encoded)));
        assert_int_equal(normalise(hf_written(&w), again, &back), 0);
        assert_true(hf_bytes_equal(hf_written(&back), hf_text(rows[i].path)));
    }
    uint8_t buffer[64];
    hf_writer w = hf_writer_make(buffer, sizeof buffer);
    hf_percent_write(&w, hf_text("a/b c&d=é~"));
    assert_true(hf_bytes_equal(hf_written(&w), hf_text("a%2Fb%20c%26d%3D%C3%A9~")));
}

static void queries_fall_into_pairs(void **state)
{
    (void)state;
    static const struct {
        const char *query, *pairs;
    } rows[] = {
        { "a=1&b=2", "a:1|b:2|" },
        { "", "" },
        { "&&&", "" },
        { "a", "a:-|" },
        { "a=", "a:|" },
        { "=b", ":b|" },
        { "=", ":|" },
        { "&a=1&&b&", "a:1|b:-|" },
        { "a=b=c", "a:b=c|" },
        { "a=1;b=2", "a:1;b=2|" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        uint8_t buffer[64];
        hf_writer w = hf_writer_make(buffer, sizeof buffer);
        hf_bytes rest = hf_text(rows[i].query);
        for (hf_bytes name, value; hf_query_next(&rest, &name, &value);) {
            hf_write(&w, name);
            hf_write(&w, hf_text(":"));
            hf_write(&w, value.ptr ? value : hf_text("-"));
            hf_write(&w, hf_text("|"));
        }
        assert_true(hf_bytes_equal(hf_written(&w), hf_text(rows[i].pairs)));
    }
    hf_bytes none = hf_bytes_make(NULL, 0), name, value;
    assert_false(hf_query_next(&none, &name, &value));
}

static void forms_are_decoded_as_browsers_encode_them(void **state)
{
    (void)state;
    static const struct {
        const char *text, *meaning;
    } rows[] = {
        { "", "" }, { "a+b", "a b" }, { "a%2Bb", "a+b" }, { "%C3%A9", "\xc3\xa9" }, { "100%", "100%" }, { "%4", "%4" }, { "%zz%41", "%zzA" },
        { "%%41", "%A" }, { "a%2fb%26c", "a/b&c" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        uint8_t buffer[32];
        hf_writer w = hf_writer_make(buffer, sizeof buffer);
        assert_int_equal(hf_form_decode(hf_text(rows[i].text), &w).code, 0);
        assert_true(hf_bytes_equal(hf_written(&w), hf_text(rows[i].meaning)));
    }
    uint8_t buffer[3];
    hf_writer w = hf_writer_make(buffer, sizeof buffer);
    assert_int_equal(hf_form_decode(hf_text("%00b+"), &w).code, 0);
    assert_memory_equal(buffer, "\0b ", 3);
    w = hf_writer_make(buffer, sizeof buffer);
    assert_int_equal(hf_form_decode(hf_text("abcd"), &w).code, HF_ERR_BASE_LIMIT);
    assert_true(w.overflowed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_decoded_and_lose_their_dot_segments),
        cmocka_unit_test(paths_with_smuggled_separators_are_refused),
        cmocka_unit_test(paths_begin_with_a_slash),
        cmocka_unit_test(a_path_needs_room_for_its_own_length),
        cmocka_unit_test(encoded_paths_come_back),
        cmocka_unit_test(queries_fall_into_pairs),
        cmocka_unit_test(forms_are_decoded_as_browsers_encode_them),
    };
    return cmocka_run_group_tests_name("http path", tests, NULL, NULL);
}
