/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "negotiate.h"

static void codings_have_the_quality_of_the_rfc(void **state)
{
    (void)state;
    static const struct {
        const char *value; /* NULL: no such field */
        unsigned identity, gzip, br;
    } rows[] = {
        /* RFC 9110 12.5.3 */
        { "compress, gzip", 1, 1000, 0 },
        { "", 1, 0, 0 },
        { "*", 1000, 1000, 1000 },
        { "compress;q=0.5, gzip;q=1.0", 1, 1000, 0 },
        { "gzip;q=1.0, identity; q=0.5, *;q=0", 500, 1000, 0 },
        { NULL, 1000, 1000, 1000 },
        { "identity;q=0", 0, 0, 0 },
        { "*;q=0", 0, 0, 0 },
        { "*;q=0, identity", 1000, 0, 0 },
        { "gzip, deflate, br, zstd", 1, 1000, 1000 },
        { "GZIP;Q=0.3", 1, 300, 0 },
        { "x-gzip", 1, 1000, 0 },
        { "gzip;q=0", 1, 0, 0 },
        { "gzip;q=0, *", 1000, 0, 1000 },
        { "gzip;q=nonsense, br", 1, 0, 1000 },
        { "gzip;q=1;x", 1, 1000, 0 },
        { "gzip x, br", 1, 0, 1000 },
        { ",,gzip,,", 1, 1000, 0 },
        { "br\t;\tq=0.001", 1, 0, 1 },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const hf_bytes value = hf_text(rows[i].value);
        const unsigned got[] = { hf_encoding_quality(value, HF_ENCODING_IDENTITY), hf_encoding_quality(value, HF_ENCODING_GZIP),
                                 hf_encoding_quality(value, HF_ENCODING_BR) };
        if (got[0] != rows[i].identity || got[1] != rows[i].gzip || got[2] != rows[i].br)
            fail_msg("\"%s\": identity %u, gzip %u, br %u", rows[i].value ? rows[i].value : "(none)", got[0], got[1], got[2]);
    }
}

enum { ID = 1 << HF_ENCODING_IDENTITY, GZ = 1 << HF_ENCODING_GZIP, BR = 1 << HF_ENCODING_BR, ZS = 1 << HF_ENCODING_ZSTD, ALL = ID | GZ | BR | ZS };

static void the_best_coding_there_is_is_chosen(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second; /* field lines; NULL: none */
        unsigned available;
        hf_encoding chosen;
    } rows[] = {
        { NULL, NULL, ALL, HF_ENCODING_IDENTITY },
        { "", NULL, ALL, HF_ENCODING_IDENTITY },
        { "gzip, deflate, br, zstd", NULL, ALL, HF_ENCODING_ZSTD },
        { "gzip, deflate, br", NULL, ALL, HF_ENCODING_BR },
        { "gzip, deflate, br, zstd", NULL, ID | GZ, HF_ENCODING_GZIP },
        { "gzip, deflate, br, zstd", NULL, ID, HF_ENCODING_IDENTITY },
        { "gzip, deflate, br, zstd", NULL, 0, HF_ENCODING_IDENTITY },
        { "gzip;q=1.0, br;q=0.9, zstd;q=0.8", NULL, ALL, HF_ENCODING_GZIP },
        { "gzip;q=1.0, br;q=0.9, zstd;q=0.8", NULL, BR | ZS, HF_ENCODING_BR },
        { "gzip", "br", ALL, HF_ENCODING_BR },
        { "gzip", "zstd;q=0.5", ALL, HF_ENCODING_GZIP },
        { "*", NULL, ALL, HF_ENCODING_ZSTD },
        { "*", "zstd;q=0", ALL, HF_ENCODING_BR },
        { "identity", NULL, ALL, HF_ENCODING_IDENTITY },
        { "identity;q=1, gzip;q=0.5", NULL, ALL, HF_ENCODING_IDENTITY },
        { "identity;q=0.5, gzip;q=0.5", NULL, ALL, HF_ENCODING_GZIP },
        { "gzip;q=0.001", NULL, ALL, HF_ENCODING_GZIP },
        { "gzip;q=0", NULL, ALL, HF_ENCODING_IDENTITY },
        /* nothing fits: sent all the same, never 406 */
        { "identity;q=0, *;q=0", NULL, ALL, HF_ENCODING_IDENTITY },
        { "identity;q=0, br", NULL, GZ, HF_ENCODING_IDENTITY },
        { "compress", NULL, ALL, HF_ENCODING_IDENTITY },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_field fields[2];
        size_t count = 0;
        if (rows[i].first)
            fields[count++] = (hf_field){ hf_text("accept-encoding"), hf_text(rows[i].first), HF_FIELD_ACCEPT_ENCODING };
        if (rows[i].second)
            fields[count++] = (hf_field){ hf_text("accept-encoding"), hf_text(rows[i].second), HF_FIELD_ACCEPT_ENCODING };
        const hf_request_head head = { .fields = { fields, count } };
        if (hf_encoding_choose(&head, rows[i].available) != rows[i].chosen)
            fail_msg("row %zu: \"%s\"", i, rows[i].first ? rows[i].first : "(none)");
    }
}

static unsigned accept(const char *value, const char *type)
{
    const hf_field field = { hf_text("Accept"), hf_text(value), HF_FIELD_ACCEPT };
    return hf_accept_quality((hf_fields){ &field, 1 }, hf_text(type));
}

/* RFC 9110 12.5.1, table 5. Its row text/html;level=3 (0.7) belongs to an older example, in which text/html had q=0.7;
 * by the rule it is 0.3. */
static void media_ranges_have_the_precedence_of_the_rfc(void **state)
{
    (void)state;
    static const char field[] = "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5";
    assert_int_equal(accept(field, "text/plain;format=flowed"), 1000);
    assert_int_equal(accept(field, "text/plain"), 700);
    assert_int_equal(accept(field, "text/html"), 300);
    assert_int_equal(accept(field, "image/jpeg"), 500);
    assert_int_equal(accept(field, "text/plain;format=fixed"), 400);
    assert_int_equal(accept(field, "text/html;level=3"), 300);
    assert_int_equal(accept("audio/*; q=0.2, audio/basic", "audio/basic"), 1000);
    assert_int_equal(accept("audio/*; q=0.2, audio/basic", "audio/mpeg"), 200);
    assert_int_equal(accept("text/plain; q=0.5, text/html, text/x-dvi; q=0.8, text/x-c", "text/x-dvi"), 800);
}

static void accept_takes_what_clients_send(void **state)
{
    (void)state;
    static const char browser[] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
    assert_int_equal(accept(browser, "text/html"), 1000);
    assert_int_equal(accept(browser, "application/problem+json"), 800);
    assert_int_equal(accept("*/*", "text/html"), 1000);
    assert_int_equal(accept("*", "text/html"), 1000);
    assert_int_equal(accept("application/json", "text/html"), 0);
    assert_int_equal(accept("", "text/html"), 0);
    assert_int_equal(accept("TEXT/HTML;q=0.4", "text/html; charset=utf-8"), 400);
    assert_int_equal(accept("text/html;charset=\"UTF-8\"", "text/html;charset=utf-8"), 1000);
    assert_int_equal(accept("text/html;charset=latin1", "text/html;charset=utf-8"), 0);
    assert_int_equal(accept("text/html;q=0.2;charset=utf-8", "text/html;charset=utf-8"), 200);
    assert_int_equal(accept("text/html;q=2, */*;q=0.1", "text/html"), 100);
    assert_int_equal(accept("tex/*, t*, text, /*, *", "text/html"), 1000);
    assert_int_equal(accept("tex/*, t*, text, /*, text*", "text/html"), 0);
    assert_int_equal(accept("text/html;q=0, */*", "text/html"), 0);
    assert_int_equal(accept("text/html;q=0.2, text/html;q=0.7", "text/html"), 700);
    assert_int_equal(accept("text/html;q=0.7, text/html;q=0.2", "text/html"), 700);
    assert_int_equal(hf_accept_quality((hf_fields){ NULL, 0 }, hf_text("text/html")), 1000);
    const hf_field lines[] = { { hf_text("Accept"), hf_text("text/html;q=0.2"), HF_FIELD_ACCEPT },
                               { hf_text("Accept"), hf_text("application/json"), HF_FIELD_ACCEPT } };
    assert_int_equal(hf_accept_quality((hf_fields){ lines, 2 }, hf_text("application/json")), 1000);
    assert_int_equal(hf_accept_quality((hf_fields){ lines, 2 }, hf_text("text/html")), 200);
}

static void encodings_have_their_registered_names(void **state)
{
    (void)state;
    assert_string_equal(hf_encoding_name(HF_ENCODING_IDENTITY), "identity");
    assert_string_equal(hf_encoding_name(HF_ENCODING_GZIP), "gzip");
    assert_string_equal(hf_encoding_name(HF_ENCODING_BR), "br");
    assert_string_equal(hf_encoding_name(HF_ENCODING_ZSTD), "zstd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codings_have_the_quality_of_the_rfc),
        cmocka_unit_test(the_best_coding_there_is_is_chosen),
        cmocka_unit_test(media_ranges_have_the_precedence_of_the_rfc),
        cmocka_unit_test(accept_takes_what_clients_send),
        cmocka_unit_test(encodings_have_their_registered_names),
    };
    return cmocka_run_group_tests_name("http negotiate", tests, NULL, NULL);
}
