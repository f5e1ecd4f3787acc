/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "media.h"

static void the_table_is_sorted_and_found_whole(void **state)
{
    (void)state;
    const char *extension, *before = "";
    const hf_media *media;
    size_t n = 0;
    for (; hf_media_row(n, &extension, &media); n++) {
        char name[32] = "x.";
        assert_true(strcmp(before, extension) < 0);
        assert_non_null(strchr(media->type, '/'));
        strcpy(name + 2, extension);
        assert_ptr_equal(hf_media_by_name(hf_text(name)), media);
        /* text says its charset, and nothing else does */
        assert_int_equal(strncmp(media->type, "text/", 5) == 0, strstr(media->type, "; charset=utf-8") != NULL);
        assert_true(strncmp(media->type, "text/", 5) != 0 || (media->text && media->compressible));
        before = extension;
    }
    assert_true(n >= 90);
}

static void files_have_the_types_that_browsers_want(void **state)
{
    (void)state;
    static const struct {
        const char *name, *type;
    } rows[] = {
        { "index.html", "text/html; charset=utf-8" }, { "a.css", "text/css; charset=utf-8" }, { "a.js", "text/javascript; charset=utf-8" },
        { "a.mjs", "text/javascript; charset=utf-8" }, { "a.json", "application/json" }, { "a.js.map", "application/json" },
        { "a.wasm", "application/wasm" }, { "a.svg", "image/svg+xml" }, { "a.png", "image/png" }, { "a.jpg", "image/jpeg" },
        { "a.jpeg", "image/jpeg" }, { "a.webp", "image/webp" }, { "a.avif", "image/avif" }, { "favicon.ico", "image/vnd.microsoft.icon" },
        { "a.woff2", "font/woff2" }, { "a.ttf", "font/ttf" }, { "a.pdf", "application/pdf" }, { "a.txt", "text/plain; charset=utf-8" },
        { "a.md", "text/markdown; charset=utf-8" }, { "a.xml", "text/xml; charset=utf-8" }, { "a.zip", "application/zip" },
        { "a.tar.gz", "application/gzip" }, { "a.mp4", "video/mp4" }, { "a.webm", "video/webm" }, { "a.mp3", "audio/mpeg" },
        { "a.ogg", "audio/ogg" }, { "a.csv", "text/csv; charset=utf-8" }, { "site.webmanifest", "application/manifest+json" },
        { "/dir.d/PHOTO.JPG", "image/jpeg" }, { ".html", "text/html; charset=utf-8" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        assert_string_equal(hf_media_by_name(hf_text(rows[i].name))->type, rows[i].type);
}

static void unknown_extensions_are_bytes(void **state)
{
    (void)state;
    static const char *const names[] = { "", ".", "a", "a.", "Makefile", "a.unknown", "html", "/x.html/", "/x.html/readme", "a.html.", "a.htmlhtmlhtmlhtml",
                                         "a.ht", "a.jp g", "a.p" };
    for (size_t i = 0; i < HF_COUNT(names); i++) {
        assert_string_equal(hf_media_by_name(hf_text(names[i]))->type, "application/octet-stream");
        assert_false(hf_media_by_name(hf_text(names[i]))->compressible);
    }
    assert_string_equal(hf_media_by_name(hf_bytes_make("a.js\0", 5))->type, "application/octet-stream");
    assert_string_equal(hf_media_by_name(hf_bytes_make("a.\xff", 3))->type, "application/octet-stream");
}

static void what_is_compressed_already_is_not_compressible(void **state)
{
    (void)state;
    static const char *const no[] = { "a.png", "a.jpg", "a.gz", "a.zst", "a.woff2", "a.mp4", "a.zip", "a.svgz" };
    static const char *const yes[] = { "a.html", "a.svg", "a.wasm", "a.json", "a.ttf", "a.ico" };
    for (size_t i = 0; i < HF_COUNT(no); i++)
        assert_false(hf_media_by_name(hf_text(no[i]))->compressible);
    for (size_t i = 0; i < HF_COUNT(yes); i++)
        assert_true(hf_media_by_name(hf_text(yes[i]))->compressible);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_sorted_and_found_whole),
        cmocka_unit_test(files_have_the_types_that_browsers_want),
        cmocka_unit_test(unknown_extensions_are_bytes),
        cmocka_unit_test(what_is_compressed_already_is_not_compressible),
    };
    return cmocka_run_group_tests_name("http media", tests, NULL, NULL);
}
