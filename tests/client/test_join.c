/* SPDX-License-Identifier: Apache-2.0
 *
 * References: the examples of RFC 3986 5.4, and what does not fit.
 */
#include "harness.h"

#include "client_url.h"

static void the_examples_of_rfc_3986_hold(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        { "g", "http://a/b/c/g" },            { "./g", "http://a/b/c/g" },          { "g/", "http://a/b/c/g/" },
        { "/g", "http://a/g" },               { "//g", "http://g" },                { "?y", "http://a/b/c/d;p?y" },
        { "g?y", "http://a/b/c/g?y" },        { "#s", "http://a/b/c/d;p?q" },       { "g#s", "http://a/b/c/g" },
        { "g?y#s", "http://a/b/c/g?y" },      { ";x", "http://a/b/c/;x" },          { "g;x", "http://a/b/c/g;x" },
        { "", "http://a/b/c/d;p?q" },         { ".", "http://a/b/c/" },             { "./", "http://a/b/c/" },
        { "..", "http://a/b/" },              { "../", "http://a/b/" },             { "../g", "http://a/b/g" },
        { "../..", "http://a/" },             { "../../g", "http://a/g" },          { "../../../g", "http://a/g" },
        { "/./g", "http://a/g" },             { "/../g", "http://a/g" },            { "g.", "http://a/b/c/g." },
        { ".g", "http://a/b/c/.g" },          { "g..", "http://a/b/c/g.." },        { "./../g", "http://a/b/g" },
        { "./g/.", "http://a/b/c/g/" },       { "g/./h", "http://a/b/c/g/h" },      { "g/../h", "http://a/b/c/h" },
        { "g;x=1/./y", "http://a/b/c/g;x=1/y" }, { "g;x=1/../y", "http://a/b/c/y" }, { "g?y/./x", "http://a/b/c/g?y/./x" },
        { "https://b.example/x#y", "https://b.example/x" }, { "a:80/x", "a:80/x" }, { "x/a:80", "http://a/b/c/x/a:80" },
    };
    hf_client_url base;
    assert_null(hf_client_url_parse("http://a/b/c/d;p?q", &base));
    for (size_t i = 0; i < HF_COUNT(table); i++) {
        char text[256];
        assert_true(hf_client_url_join(&base, hf_text(table[i][0]), text, sizeof text));
        assert_string_equal(text, table[i][1]);
    }
}

static void the_scheme_stays_where_none_is_named(void **state)
{
    (void)state;
    hf_client_url base;
    char text[64];
    assert_null(hf_client_url_parse("https://a.example:8443", &base));
    assert_true(hf_client_url_join(&base, hf_text("/x"), text, sizeof text));
    assert_string_equal(text, "https://a.example:8443/x");
    assert_true(hf_client_url_join(&base, hf_text("//b.example/y"), text, sizeof text));
    assert_string_equal(text, "https://b.example/y");
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    hf_client_url base;
    char text[20];
    assert_null(hf_client_url_parse("http://a/", &base));
    for (size_t size = 0; size <= sizeof text; size++)
        assert_int_equal(hf_client_url_join(&base, hf_text("/12345"), size > 0 ? text : (char[1]){ 0 }, size), size >= sizeof "http://a/12345");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_rfc_3986_hold),
        cmocka_unit_test(the_scheme_stays_where_none_is_named),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests_name("join", tests, NULL, NULL);
}
