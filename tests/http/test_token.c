/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "cache.h"
#include "conditional.h"
#include "date.h"
#include "media.h"
#include "negotiate.h"
#include "range.h"
#include "target.h"
#include "token.h"

static bool among(uint8_t c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

/* The table, held against the RFCs' grammar spelled out once more. */
static void byte_classes_follow_the_grammar(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        const uint8_t c = (uint8_t)i;
        const bool digit = c >= '0' && c <= '9';
        const bool alnum = digit || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z' && c < 0x80);
        const bool unreserved = alnum || among(c, "-._~");
        const bool host = unreserved || among(c, "!$&'()*+,;=%");
        const bool vchar = c > 0x20 && c < 0x7f;
        assert_int_equal(hf_byte_is(c, HF_BYTE_TCHAR), alnum || among(c, "!#$%&'*+-.^_`|~"));
        assert_int_equal(hf_byte_is(c, HF_BYTE_VALUE), vchar || c == ' ' || c == '\t' || c >= 0x80);
        assert_int_equal(hf_byte_is(c, HF_BYTE_HOST), host);
        assert_int_equal(hf_byte_is(c, HF_BYTE_UNRESERVED), unreserved);
        assert_int_equal(hf_byte_is(c, HF_BYTE_DIGIT), digit);
        assert_int_equal(hf_byte_is(c, HF_BYTE_ETAGC), (vchar && c != '"') || c >= 0x80);
        assert_int_equal(hf_byte_is(c, HF_BYTE_PATH), host || among(c, ":@/[]|^"));
        assert_int_equal(hf_byte_is(c, HF_BYTE_QUERY), host || among(c, ":@/?[]|^\\`{}"));
    }
}

static void tokens_are_not_empty(void **state)
{
    (void)state;
    assert_true(hf_is_token(hf_text("gzip")));
    assert_true(hf_is_token(hf_text("x!#$%&'*+-.^_`|~9")));
    assert_false(hf_is_token(hf_text("")));
    assert_false(hf_is_token(hf_text("a b")));
    assert_false(hf_is_token(hf_text("a:")));
    assert_true(hf_is_field_value(hf_text("")));
    assert_true(hf_is_field_value(hf_text("a\tb \x80\xff")));
    assert_false(hf_is_field_value(hf_text("a\rb")));
    assert_false(hf_is_field_value(hf_bytes_make("a\0b", 3)));
    assert_false(hf_is_field_value(hf_text("\x7f")));
}

static void a_word_ends_at_the_first_space_or_control(void **state)
{
    (void)state;
    uint8_t bytes[40];
    for (unsigned c = 0; c < 256; c++)
        for (size_t at = 0; at < sizeof bytes; at++) {
            memset(bytes, c % 2 == 0 ? '!' : 0xff, sizeof bytes);
            bytes[at] = (uint8_t)c;
            const bool ends = c <= ' ' || c == 0x7f;
            const uint8_t *const end = bytes + sizeof bytes;
            assert_ptr_equal(hf_word_end(bytes, end), ends ? bytes + at : end);
            assert_ptr_equal(hf_word_end(bytes, bytes + at), bytes + at);
        }
}

static void quoted_strings_end_at_their_quote(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t length;
        const char *meaning; /* of the whole, NULL: it is not one */
    } rows[] = {
        { "\"\"", 2, "" },
        { "\"a b\"", 5, "a b" },
        { "\"a\\\"b\"", 6, "a\"b" },
        { "\"a\\\\\"", 5, "a\\" },
        { "\"a,b;c\" tail", 7, NULL },
        { "token", 0, "token" },
        { "", 0, NULL },
        { "\"", 0, NULL },
        { "\"a", 0, NULL },
        { "\"a\\\"", 0, NULL },
        { "\"a\\", 0, NULL },
        { "\"a\nb\"", 0, NULL },
        { "\"a\\\nb\"", 0, NULL },
        { "to ken", 0, NULL },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        uint8_t buffer[32];
        hf_writer w = hf_writer_make(buffer, sizeof buffer);
        assert_int_equal(hf_quoted_length(hf_text(rows[i].text)), rows[i].length);
        assert_int_equal(hf_unquote(hf_text(rows[i].text), &w), rows[i].meaning != NULL);
        assert_true(hf_bytes_equal(hf_written(&w), hf_text(rows[i].meaning ? rows[i].meaning : "")));
    }
}

/* RFC 9110 5.6.1.3, and what quotes do to commas */
static void lists_skip_empty_elements_and_respect_quotes(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        const char *elements; /* joined by '|' */
    } rows[] = {
        { "foo,bar", "foo|bar|" },
        { "foo ,bar,", "foo|bar|" },
        { "foo , ,bar,charlie", "foo|bar|charlie|" },
        { "", "" },
        { ",", "" },
        { ",   ,\t", "" },
        { "a;x=\"1,2\", b", "a;x=\"1,2\"|b|" },
        { "a;x=\"1\\\",2\", b", "a;x=\"1\\\",2\"|b|" },
        { "a, \"never ends, b, c", "a|\"never ends, b, c|" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        uint8_t buffer[64];
        hf_writer w = hf_writer_make(buffer, sizeof buffer);
        hf_bytes rest = hf_text(rows[i].list);
        for (hf_bytes element; hf_list_next(&rest, &element);) {
            hf_write(&w, element);
            hf_write(&w, hf_text("|"));
        }
        assert_true(hf_bytes_equal(hf_written(&w), hf_text(rows[i].elements)));
    }
    assert_true(hf_list_has(hf_text("keep-alive, Upgrade"), "upgrade"));
    assert_true(hf_list_has(hf_text("close"), "close"));
    assert_false(hf_list_has(hf_text("closed, x-close"), "close"));
    assert_false(hf_list_has(hf_text("x=\"a,close,b\""), "close"));
    assert_false(hf_list_has(hf_bytes_make(NULL, 0), "close"));
}

static void lists_of_open_quotes_take_linear_time(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    uint8_t *text = test_malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        text[i] = (uint8_t)"\"\\"[i % 2];
    text[0] = 'a';
    hf_bytes rest = hf_bytes_make(text, SIZE), element;
    assert_true(hf_list_next(&rest, &element));
    assert_int_equal(element.len, SIZE);
    assert_false(hf_list_next(&rest, &element));
    test_free(text);
}

static void parameters_are_read_one_by_one(void **state)
{
    (void)state;
    hf_bytes rest, name, value;
    const hf_bytes head = hf_list_head(hf_text("text/html ; Charset=\"utf-8\";;q=0.5 ; "), &rest);
    assert_true(hf_bytes_equal(head, hf_text("text/html")));
    assert_true(hf_bytes_equal(hf_param_find(rest, "q"), hf_text("0.5")));
    assert_true(hf_bytes_equal(hf_param_find(rest, "charset"), hf_text("\"utf-8\"")));
    assert_null(hf_param_find(rest, "level").ptr);
    assert_true(hf_param_next(&rest, &name, &value));
    assert_true(hf_bytes_equal(name, hf_text("Charset")) && hf_bytes_equal(value, hf_text("\"utf-8\"")));
    assert_true(hf_param_next(&rest, &name, &value));
    assert_true(hf_bytes_equal(name, hf_text("q")) && hf_bytes_equal(value, hf_text("0.5")));
    assert_false(hf_param_next(&rest, &name, &value));
    assert_int_equal(rest.len, 0);
}

static void malformed_parameters_stop_the_reader(void **state)
{
    (void)state;
    static const char *const bad[] = { "a=b", ";a", ";a=", ";=b", ";a =b", ";a= b", ";a=\"b", ";a=b c", ";\x01=b" };
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        hf_bytes rest = hf_text(bad[i]), name, value;
        while (hf_param_next(&rest, &name, &value))
            ;
        assert_true(rest.len > 0);
    }
}

static void qvalues_have_three_digits_at_most(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int q;
    } rows[] = {
        { "0", 0 }, { "0.", 0 }, { "0.0", 0 }, { "0.001", 1 }, { "0.5", 500 }, { "0.25", 250 }, { "0.999", 999 }, { "1", 1000 },
        { "1.", 1000 }, { "1.0", 1000 }, { "1.000", 1000 }, { "1.001", -1 }, { "1.1", -1 }, { "0.1234", -1 }, { "1.0000", -1 },
        { "", -1 }, { ".5", -1 }, { "2", -1 }, { "-1", -1 }, { "0,5", -1 }, { "0.5a", -1 }, { "00", -1 }, { "0.-1", -1 },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        assert_int_equal(hf_qvalue_parse(hf_text(rows[i].text)), rows[i].q);
}

/* An empty run of bytes may have no address: nobody may trip over that. */
static void nothing_at_all_is_taken_calmly(void **state)
{
    (void)state;
    const hf_bytes none = { NULL, 0 };
    hf_bytes rest = none, a, b;
    hf_writer w = hf_writer_make(NULL, 0);
    hf_etag etag;
    hf_wall t;
    hf_range range;
    hf_content_range content;
    hf_request_head head = { 0 };
    size_t count;
    int32_t port;
    assert_int_equal(hf_quoted_length(none), 0);
    assert_false(hf_unquote(none, &w));
    assert_false(hf_list_next(&rest, &a));
    assert_int_equal(hf_list_head(none, &rest).len, 0);
    assert_false(hf_param_next(&rest, &a, &b));
    assert_int_equal(hf_qvalue_parse(none), -1);
    assert_false(hf_etag_parse(none, &etag) || hf_etag_next(&rest, &etag));
    assert_false(hf_date_parse(none, (hf_wall){ 0 }, &t));
    assert_int_equal(hf_range_parse(none, 1, &range, 1, &count), HF_RANGE_NONE);
    assert_false(hf_content_range_parse(none, &content));
    assert_int_equal(hf_target_parse(none, HF_METHOD_GET, &head).code, HF_ERR_HTTP_TARGET_SYNTAX);
    assert_int_equal(hf_target_parse_origin(none, &head).code, HF_ERR_HTTP_TARGET_SYNTAX);
    assert_int_equal(hf_path_normalise(none, &w).code, HF_ERR_HTTP_TARGET_SYNTAX);
    assert_int_equal(hf_authority_parse(none, &a, &port).code, 0);
    assert_int_equal(hf_form_decode(none, &w).code, 0);
    hf_path_write(&w, none);
    hf_percent_write(&w, none);
    assert_false(hf_query_next(&rest, &a, &b) || w.overflowed);
    assert_int_equal(hf_accept_quality(head.fields, none), 1000);
    assert_int_equal(hf_encoding_choose(&head, ~0u), HF_ENCODING_IDENTITY);
    assert_int_equal(hf_conditional_evaluate(&head, &(hf_validators){ 0 }, (hf_wall){ 0 }), HF_PROCEED);
    assert_string_equal(hf_media_by_name(none)->type, "application/octet-stream");
    assert_int_equal(hf_field_identify(none), HF_FIELD_OTHER);
    assert_int_equal(hf_method_parse(none), HF_METHOD_UNKNOWN);
    /* fields with empty values, in every place that reads one */
    for (unsigned id = 1; id < HF_FIELD_COUNT; id++) {
        const hf_field field = { hf_field_spelling((hf_field_id)id), none, (hf_field_id)id };
        const hf_validators current = { .exists = true, .has_modified = true };
        head = (hf_request_head){ .method = HF_METHOD_GET, .fields = { &field, 1 } };
        assert_int_equal(hf_conditional_evaluate(&head, &current, (hf_wall){ 1 }),
                         id == HF_FIELD_IF_MATCH ? HF_PRECONDITION_FAILED : HF_PROCEED);
        assert_int_equal(hf_if_range_holds(&head, &current, (hf_wall){ 1 }), id != HF_FIELD_IF_RANGE);
        assert_int_equal(hf_accept_quality(head.fields, hf_text("a/b")), id == HF_FIELD_ACCEPT ? 0 : 1000);
        assert_int_equal(hf_encoding_choose(&head, ~0u), HF_ENCODING_IDENTITY);
        assert_false(hf_cache_control_parse(head.fields).no_store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_classes_follow_the_grammar),
        cmocka_unit_test(tokens_are_not_empty),
        cmocka_unit_test(a_word_ends_at_the_first_space_or_control), cmocka_unit_test(quoted_strings_end_at_their_quote),
        cmocka_unit_test(lists_skip_empty_elements_and_respect_quotes),
        cmocka_unit_test(lists_of_open_quotes_take_linear_time),
        cmocka_unit_test(parameters_are_read_one_by_one),
        cmocka_unit_test(malformed_parameters_stop_the_reader),
        cmocka_unit_test(qvalues_have_three_digits_at_most),
        cmocka_unit_test(nothing_at_all_is_taken_calmly),
    };
    return cmocka_run_group_tests_name("http token", tests, NULL, NULL);
}
