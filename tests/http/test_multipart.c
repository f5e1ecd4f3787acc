/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "multipart.h"
#include "text.h"

static hf_test_world world;

static int setup(void **state)
{
    (void)state;
    hf_test_world_init(&world, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hf_test_world_fini(&world);
    return 0;
}

/* What a reader told, as text: "[name|filename|type]data." for each part. */
typedef struct telling {
    char text[4096];
    size_t length;
    int32_t err;
    const char *wanted;
} telling;

static void put(telling *t, hf_bytes b)
{
    assert_true(t->length + b.len < sizeof t->text);
    if (b.len > 0)
        memcpy(t->text + t->length, b.ptr, b.len);
    t->length += b.len;
    t->text[t->length] = 0;
}

static void note(telling *t, const hf_multipart_event *e, hf_multipart_kind kind)
{
    assert_int_equal(e->kind, kind);
    if (kind == HF_MULTIPART_PART) {
        put(t, hf_text("["));
        put(t, e->name);
        put(t, hf_text("|"));
        put(t, e->filename.ptr != NULL ? e->filename : hf_text("-"));
        put(t, hf_text("|"));
        put(t, e->content_type);
        put(t, hf_text("]"));
    } else if (kind == HF_MULTIPART_DATA) {
        assert_true(e->bytes.len > 0);
        put(t, e->bytes);
    } else {
        put(t, hf_text("."));
    }
}

/* Reads `body` in pieces of `slice` bytes, each in a block of its own. */
static void read_sliced(const char *type, hf_bytes body, size_t slice, telling *t)
{
    hf_err err;
    *t = (telling){ .wanted = "" };
    hf_multipart *m = hf_multipart_new(&world.env, hf_text(type), &err);
    t->err = err.code;
    if (m == NULL)
        return;
    for (size_t at = 0; at < body.len; at += slice) {
        const size_t n = body.len - at < slice ? body.len - at : slice;
        uint8_t *copy = malloc(n);
        memcpy(copy, body.ptr + at, n);
        hf_bytes in = hf_bytes_make(copy, n);
        hf_multipart_event e;
        hf_multipart_kind kind;
        while ((kind = hf_multipart_next(m, &in, &e)) != HF_MULTIPART_MORE && kind != HF_MULTIPART_BAD)
            note(t, &e, kind);
        assert_true(kind == HF_MULTIPART_BAD || in.len == 0);
        free(copy);
    }
    t->err = hf_multipart_end(m).code;
    const hf_err why = hf_multipart_fault(m, &t->wanted);
    assert_int_equal(why.code, t->err);
    hf_multipart_free(m);
}

static const char *const type = "multipart/form-data; boundary=B";

static void reads_as(const char *body, const char *wanted)
{
    static telling t;
    const size_t n = strlen(body);
    for (size_t slice = 1; slice <= n; slice++) { /* any slicing tells the same */
        read_sliced(type, hf_bytes_make(body, n), slice, &t);
        if (t.err != 0)
            fail_msg("\"%s\" in pieces of %zu: %s (wanted %s)", body, slice, hf_err_text((hf_err){ t.err }), t.wanted);
        assert_string_equal(t.text, wanted);
    }
}

static void is_refused(const char *body, int32_t code)
{
    static telling t, whole;
    const size_t n = strlen(body);
    read_sliced(type, hf_bytes_make(body, n), n + 1, &whole);
    for (size_t slice = 1; slice <= n; slice++) {
        read_sliced(type, hf_bytes_make(body, n), slice, &t);
        if (t.err != code)
            fail_msg("\"%s\" in pieces of %zu: %s", body, slice, hf_err_text((hf_err){ t.err }));
        assert_true(t.wanted[0] != 0);
        assert_string_equal(t.text, whole.text);
    }
}

#define DISPOSITION "Content-Disposition: form-data; name=\"a\""
#define ONE(head, data) "--B\r\n" head "\r\n\r\n" data "\r\n--B--\r\n"

static void fields_and_files_are_told_in_order(void **state)
{
    (void)state;
    reads_as("--B\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nhello\r\n"
             "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.bin\"\r\nContent-Type: image/png\r\n\r\n\r\n-\r\n--\r\r\n--A\n\r\n--B--\r\n",
        "[title|-|text/plain]hello.[f|x.bin|image/png]\r\n-\r\n--\r\r\n--A\n.");
}

static void parts_may_be_empty_and_a_form_may_have_none(void **state)
{
    (void)state;
    reads_as(ONE(DISPOSITION, ""), "[a|-|text/plain].");
    reads_as("--B\r\n" DISPOSITION "\r\n\r\n--B--", "[a|-|text/plain]."); /* RFC 2046 5.1.1: the CRLF is the delimiter's */
    reads_as("--B--\r\n", "");
    reads_as("--B--", "");
}

static void what_stands_before_and_behind_is_thrown_away(void **state)
{
    (void)state;
    reads_as("preamble --B\r\n--A\r\n" ONE(DISPOSITION, "x") "epilogue\r\n--B\r\n", "[a|-|text/plain]x.");
    reads_as("\r\n" ONE(DISPOSITION, "x"), "[a|-|text/plain]x.");
    reads_as("--B \t\r\n" DISPOSITION "\r\n\r\nx\r\n--B-- ", "[a|-|text/plain]x.");
}

static void file_names_lose_their_paths_and_quotes_are_undone(void **state)
{
    (void)state;
    reads_as(ONE(DISPOSITION "; filename=\"../../etc/passwd\"", "x"), "[a|passwd|text/plain]x.");
    reads_as(ONE(DISPOSITION "; filename=\"C:\\dir\\a.txt\"", "x"), "[a|a.txt|text/plain]x.");
    reads_as(ONE(DISPOSITION "; filename=\"a\\\"b\"", "x"), "[a|a\"b|text/plain]x.");
    reads_as(ONE(DISPOSITION "; filename=\"\"", ""), "[a||text/plain].");
    reads_as(ONE(DISPOSITION "; filename=plain.txt; filename*=UTF-8''other.txt", "x"), "[a|plain.txt|text/plain]x.");
    reads_as(ONE("content-disposition:form-data ; NAME=a\r\nX-Other: 1\r\nContent-Transfer-Encoding: binary", "x"), "[a|-|text/plain]x.");
}

static void what_breaks_the_form_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "x", "--B", "--B\r\n", "--Bx\r\n", "--B\n", "--B\rx", "--B-x", "--B\r\n" DISPOSITION "\r\n\r\nno end",
        "--B\r\n" DISPOSITION "\r\n\r\nx\r\n--B", "--B\r\n" DISPOSITION "\r\n\r\nx\r\n--B\r\n",
        ONE("Content-Type: a/b", "no name"), ONE("Content-Disposition: form-data", "x"), ONE("Content-Disposition: attachment; name=a", "x"),
        ONE("Content-Disposition: form-data; name=a; name=b", "x"), ONE(DISPOSITION "\r\n" DISPOSITION, "x"),
        ONE(DISPOSITION "; filename=a; filename=b", "x"), ONE("Content-Disposition: form-data; name=\"a", "x"),
        ONE("Content-Disposition: form-data name=a", "x"), ONE("Content-Disposition: form-data; name=", "x"),
        ONE(DISPOSITION "; filename=\"a\001b\"", "x"), ONE(DISPOSITION "\nX: y", "x"), ONE(DISPOSITION "\r\n folded", "x"),
        ONE(DISPOSITION "\r\nno colon", "x"), ONE(DISPOSITION "\r\n: no name", "x"), ONE(DISPOSITION "\r\nContent-Transfer-Encoding: base64", "eA=="),
        "--B\r\n\r\nno head\r\n--B--",
    };
    for (size_t i = 0; i < HF_COUNT(bad); i++)
        is_refused(bad[i], HF_ERR_HTTP_MULTIPART_SYNTAX);
}

static void the_content_type_names_the_boundary(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int32_t code;
    } rows[] = {
        { "multipart/form-data; boundary=B", 0 }, { "Multipart/Form-Data;charset=utf-8;Boundary=\"B\"", 0 },
        { "", HF_ERR_HTTP_CONTENT_TYPE }, { "multipart/mixed; boundary=B", HF_ERR_HTTP_CONTENT_TYPE },
        { "multipart/form-data", HF_ERR_HTTP_MULTIPART_SYNTAX }, { "multipart/form-data; boundary=\"\"", HF_ERR_HTTP_MULTIPART_SYNTAX },
        { "multipart/form-data; boundary=\"a \"", HF_ERR_HTTP_MULTIPART_SYNTAX },
        { "multipart/form-data; boundary=\"a;b\"", HF_ERR_HTTP_MULTIPART_SYNTAX },
        { "multipart/form-data; boundary=12345678901234567890123456789012345678901234567890123456789012345678901", HF_ERR_HTTP_MULTIPART_SYNTAX },
    };
    static telling t;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        read_sliced(rows[i].type, hf_text("--B--"), 100, &t);
        if (t.err != rows[i].code)
            fail_msg("%s: %s", rows[i].type, hf_err_text((hf_err){ t.err }));
        assert_int_equal(t.err, rows[i].code);
    }
    read_sliced("multipart/form-data; boundary=1234567890123456789012345678901234567890123456789012345678901234567890",
        hf_text("--1234567890123456789012345678901234567890123456789012345678901234567890--"), 7, &t);
    assert_int_equal(t.err, 0);
}

static void limit_part_head_bytes(void **state)
{
    (void)state;
    static const char body[] = ONE(DISPOSITION, "x");
    world.limits.part_head_bytes = sizeof DISPOSITION "\r\n\r\n" - 1;
    reads_as(body, "[a|-|text/plain]x.");
    world.limits.part_head_bytes--;
    is_refused(body, HF_ERR_HTTP_PART_HEAD);
}

static void limit_form_arguments(void **state)
{
    (void)state;
    static const char body[] = "--B\r\n" DISPOSITION "\r\n\r\nx\r\n" ONE(DISPOSITION, "y");
    world.limits.form_arguments = 2;
    reads_as(body, "[a|-|text/plain]x.[a|-|text/plain]y.");
    world.limits.form_arguments = 1;
    is_refused(body, HF_ERR_HTTP_FORM_ARGUMENTS);
}

static void limit_form_name_bytes(void **state)
{
    (void)state;
    world.limits.form_name_bytes = 2;
    reads_as(ONE("Content-Disposition: form-data; name=ab", "x"), "[ab|-|text/plain]x.");
    is_refused(ONE("Content-Disposition: form-data; name=abc", "x"), HF_ERR_HTTP_FORM_NAME);
}

static void without_memory_there_is_no_reader(void **state)
{
    (void)state;
    hf_err err;
    world.memory.fail_at = world.memory.calls + 1;
    assert_null(hf_multipart_new(&world.env, hf_text(type), &err));
    assert_int_equal(err.code, HF_ERR_BASE_MEMORY);
    hf_multipart_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fields_and_files_are_told_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(parts_may_be_empty_and_a_form_may_have_none, setup, teardown),
        cmocka_unit_test_setup_teardown(what_stands_before_and_behind_is_thrown_away, setup, teardown),
        cmocka_unit_test_setup_teardown(file_names_lose_their_paths_and_quotes_are_undone, setup, teardown),
        cmocka_unit_test_setup_teardown(what_breaks_the_form_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(the_content_type_names_the_boundary, setup, teardown),
        cmocka_unit_test_setup_teardown(limit_part_head_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(limit_form_arguments, setup, teardown),
        cmocka_unit_test_setup_teardown(limit_form_name_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_there_is_no_reader, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
