/* SPDX-License-Identifier: Apache-2.0
 *
 * What a folder's page and its JSON say, byte for byte, and that no name can say anything else.
 */
#include "listing.h"

#include "base64.h"
#include "file.h"
#include "temp_folder.h"

typedef struct shelf {
    hf_test_world world;
    temp_folder folder;
    int root;
    hf_listing listing;
    hf_queue out;
} shelf;

static shelf *setup(shelf *s)
{
    memset(s, 0, sizeof *s);
    hf_test_world_init(&s->world, 5);
    temp_make(&s->folder);
    assert_int_equal(hf_root_open(s->folder.path, &s->root).code, 0);
    hf_queue_init(&s->out, &s->world.env.alloc);
    return s;
}

static void teardown(shelf *s)
{
    hf_listing_fini(&s->listing);
    hf_queue_fini(&s->out);
    hf_root_close(s->root);
    temp_remove(&s->folder);
    hf_test_world_fini(&s->world);
}

static void read_with(shelf *s, const char *path, unsigned flags, bool hidden)
{
    assert_int_equal(hf_listing_read(&s->listing, &s->world.env, s->root, hf_text(path), flags, hidden).code, 0);
}

/* What was written, as a string. */
static const char *text(shelf *s)
{
    assert_true(hf_queue_append(&s->out, hf_bytes_make("", 1)));
    return (const char *)hf_queue_peek(&s->out).ptr;
}

static void json_lists_folders_first_then_names(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    temp_write(&s->folder, "b", "12");
    temp_write(&s->folder, "a\"\t", "1");
    temp_write(&s->folder, "B", "");
    temp_write(&s->folder, "c\\d", ""); /* no request can name it, so no link leads to it */
    temp_dir(&s->folder, "z");
    temp_date(&s->folder, "b", 784111777);
    temp_date(&s->folder, "a\"\t", 0);
    temp_date(&s->folder, "B", 0);
    temp_date(&s->folder, "z", 951782400); /* a leap day */
    read_with(s, "", 0, false);
    assert_true(hf_listing_write_json(&s->listing, hf_text("/x\ny/"), &s->out));
    assert_string_equal(text(s),
        "{\"path\":\"/x\\ny/\",\"complete\":true,\"entries\":[\n"
        "{\"name\":\"z\",\"type\":\"folder\",\"modified\":\"2000-02-29T00:00:00Z\"},\n"
        "{\"name\":\"B\",\"type\":\"file\",\"size\":0,\"modified\":\"1970-01-01T00:00:00Z\"},\n"
        "{\"name\":\"a\\\"\\t\",\"type\":\"file\",\"size\":1,\"modified\":\"1970-01-01T00:00:00Z\"},\n"
        "{\"name\":\"b\",\"type\":\"file\",\"size\":2,\"modified\":\"1994-11-06T08:49:37Z\"}]}\n");
    teardown(s);
}

static void names_are_escaped_in_text_and_links(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    temp_write(&s->folder, "<script>alert('1')&\".html", "x");
    temp_write(&s->folder, "javascript:alert(1)", "x");
    temp_write(&s->folder, "100% #a?b", "x");
    temp_dir(&s->folder, "caf\xc3\xa9");
    read_with(s, "", 0, false);
    assert_true(hf_listing_write_html(&s->listing, hf_text("/<b>/"), &s->out));
    const char *page = text(s);
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "<b>"));
    assert_non_null(strstr(page, "<title>Contents of /&lt;b&gt;/</title>"));
    assert_non_null(strstr(page, "<a href=\"./%3Cscript%3Ealert%28%271%27%29%26%22.html\">&lt;script&gt;alert(&#39;1&#39;)&amp;&quot;.html</a>"));
    assert_non_null(strstr(page, "<a href=\"./javascript%3Aalert%281%29\">"));
    assert_non_null(strstr(page, "<a href=\"./100%25%20%23a%3Fb\">100% #a?b</a>"));
    assert_non_null(strstr(page, "<a href=\"./caf%C3%A9/\">caf\xc3\xa9/</a>"));
    assert_non_null(strstr(page, "<a href=\"../\">"));
    assert_non_null(strstr(page, "lang=\"en\""));
    teardown(s);
}

static void sizes_and_dates_are_for_people(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    static const struct { const char *name; off_t size; const char *shown; } rows[] = {
        { "a", 0, "<td>0 B</td>" }, { "b", 1023, "<td>1023 B</td>" }, { "c", 1536, "<td>1.5 KiB</td>" },
        { "d", 20480, "<td>20 KiB</td>" }, { "e", 1 << 20, "<td>1.0 MiB</td>" }, { "f", (off_t)5 << 30, "<td>5.0 GiB</td>" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        temp_write(&s->folder, rows[i].name, "");
        assert_int_equal(truncate(temp_path(&s->folder, rows[i].name), rows[i].size), 0);
        temp_date(&s->folder, rows[i].name, 784111777);
    }
    read_with(s, "", 0, false);
    assert_true(hf_listing_write_html(&s->listing, hf_text("/"), &s->out));
    const char *page = text(s);
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        assert_non_null(strstr(page, rows[i].shown));
    assert_non_null(strstr(page, "<time datetime=\"1994-11-06T08:49:37Z\">1994-11-06 08:49</time>"));
    assert_null(strstr(page, "../")); /* nothing lies above the root */
    teardown(s);
}

static void only_what_would_be_served_is_listed(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    temp_write(&s->folder, "file", "x");
    temp_write(&s->folder, ".hidden", "x");
    temp_dir(&s->folder, ".well-known");
    temp_link(&s->folder, "file", "link");
    temp_link(&s->folder, "..", "out");
    temp_link(&s->folder, "nowhere", "dangling");
    assert_int_equal(mkfifo(temp_path(&s->folder, "fifo"), 0644), 0);
    read_with(s, "", 0, false);
    assert_int_equal(s->listing.count, 2);
    hf_listing_fini(&s->listing);
    read_with(s, "", HF_FILE_FOLLOW, false);
    assert_int_equal(s->listing.count, 3);
    hf_listing_fini(&s->listing);
    read_with(s, "", 0, true);
    assert_int_equal(s->listing.count, 3);
    hf_listing_fini(&s->listing);
    const hf_err err = hf_listing_read(&s->listing, &s->world.env, s->root, hf_text("file"), 0, false);
    assert_int_equal(err.code, HF_ERR_HTTP_NOT_FOUND);
    teardown(s);
}

static void an_empty_folder_says_so(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    read_with(s, "", 0, false);
    assert_true(hf_listing_write_html(&s->listing, hf_text("/"), &s->out));
    assert_non_null(strstr(text(s), "This folder is empty."));
    hf_queue_fini(&s->out);
    assert_true(hf_listing_write_json(&s->listing, hf_text("/"), &s->out));
    assert_string_equal(text(s), "{\"path\":\"/\",\"complete\":true,\"entries\":[]}\n");
    teardown(s);
}

static void no_failed_allocation_leaks(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    for (unsigned i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", i);
        temp_write(&s->folder, name, "x");
    }
    bool done = false;
    for (size_t at = 1; !done; at++) {
        s->world.memory.calls = 0;
        s->world.memory.fail_at = at;
        const hf_err err = hf_listing_read(&s->listing, &s->world.env, s->root, hf_text(""), 0, false);
        const bool whole = err.code == 0 && hf_listing_write_html(&s->listing, hf_text("/"), &s->out);
        done = s->world.memory.calls < at;
        assert_int_equal(whole, done);
        hf_listing_fini(&s->listing);
        hf_queue_fini(&s->out);
        assert_int_equal(s->world.memory.blocks, 0);
        assert_true(at < 100);
    }
    s->world.memory.fail_at = 0;
    teardown(s);
}

/* ---- the policy ---------------------------------------------------------------------------------------------- */

/* FIPS 180-4, 6.2, for one short text: the room has no libcrypto. */
static void sha256(const char *message, uint8_t digest[32])
{
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
        0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
        0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
        0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
        0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
        0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2 };
    uint32_t h[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    uint8_t padded[1024] = { 0 };
    const size_t n = strlen(message), blocks = (n + 8) / 64 + 1;
    assert_true(blocks * 64 <= sizeof padded);
    memcpy(padded, message, n);
    padded[n] = 0x80;
    for (size_t i = 0; i < 8; i++)
        padded[blocks * 64 - 1 - i] = (uint8_t)((uint64_t)n * 8 >> 8 * i);
    for (const uint8_t *p = padded; p < padded + blocks * 64; p += 64) {
        uint32_t w[64], v[8];
        for (size_t t = 0; t < 16; t++)
            w[t] = (uint32_t)p[4 * t] << 24 | (uint32_t)p[4 * t + 1] << 16 | (uint32_t)p[4 * t + 2] << 8 | p[4 * t + 3];
#define ROTATE(x, by) ((x) >> (by) | (x) << (32 - (by)))
        for (size_t t = 16; t < 64; t++)
            w[t] = (ROTATE(w[t - 2], 17) ^ ROTATE(w[t - 2], 19) ^ w[t - 2] >> 10) + w[t - 7]
                + (ROTATE(w[t - 15], 7) ^ ROTATE(w[t - 15], 18) ^ w[t - 15] >> 3) + w[t - 16];
        memcpy(v, h, sizeof v);
        for (size_t t = 0; t < 64; t++) {
            const uint32_t one = v[7] + (ROTATE(v[4], 6) ^ ROTATE(v[4], 11) ^ ROTATE(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[t] + w[t];
            const uint32_t two = (ROTATE(v[0], 2) ^ ROTATE(v[0], 13) ^ ROTATE(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            memmove(v + 1, v, 7 * sizeof *v);
            v[4] += one;
            v[0] = one + two;
        }
#undef ROTATE
        for (size_t i = 0; i < 8; i++)
            h[i] += v[i];
    }
    for (size_t i = 0; i < 32; i++)
        digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static void the_policy_allows_exactly_the_pages_style(void **state)
{
    (void)state;
    shelf place, *s = setup(&place);
    read_with(s, "", 0, false);
    assert_true(hf_listing_write_html(&s->listing, hf_text("/"), &s->out));
    const char *page = text(s), *start = strstr(page, "<style>"), *end = strstr(page, "</style>");
    assert_true(start && end);
    start += strlen("<style>");
    char style[1024], expected[128];
    snprintf(style, sizeof style, "%.*s", (int)(end - start), start);
    uint8_t digest[32];
    hf_writer w = hf_writer_make(expected, sizeof expected);
    sha256(style, digest);
    hf_write_text(&w, "style-src 'sha256-");
    hf_base64_write(&w, HF_BASE64, hf_bytes_make(digest, sizeof digest));
    hf_write_text(&w, "';");
    hf_write_byte(&w, 0);
    assert_non_null(strstr(hf_listing_policy, expected));
    assert_non_null(strstr(hf_listing_policy, "default-src 'none'"));
    assert_null(strstr(hf_listing_policy, "unsafe"));
    teardown(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_lists_folders_first_then_names),
        cmocka_unit_test(names_are_escaped_in_text_and_links),
        cmocka_unit_test(sizes_and_dates_are_for_people),
        cmocka_unit_test(only_what_would_be_served_is_listed),
        cmocka_unit_test(an_empty_folder_says_so),
        cmocka_unit_test(no_failed_allocation_leaks),
        cmocka_unit_test(the_policy_allows_exactly_the_pages_style),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
