/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalogue is prose that people read in trouble: every row is held to the same form.
 */
#include "harness.h"

#include <stdio.h>

#include "text.h"

static bool is_plain(const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            return false;
    const size_t n = strlen(text);
    return n > 0 && text[0] != ' ' && text[n - 1] != ' ' && text[n - 1] != '.' && strstr(text, "  ") == NULL;
}

static void every_row_says_rule_cause_and_remedy(void **state)
{
    (void)state;
    hf_err err;
    const hf_err_info *info;
    for (size_t i = 0; hf_err_row(i, &err, &info); i++) {
        const char *const texts[] = { info->name, info->rule, info->cause, info->remedy };
        for (size_t k = 0; k < HF_COUNT(texts); k++)
            if (texts[k] == NULL || !is_plain(texts[k]))
                fail_msg("%s: \"%s\" is empty, not ASCII, or ends with a full stop or a space", info->id, texts[k]);
        if (strlen(info->name) > 48)
            fail_msg("%s: \"%s\" is no short name", info->id, info->name);
        if (info->status != 0 && (info->status < 400 || info->status > 599))
            fail_msg("%s: status %d reports no error", info->id, info->status);
    }
}

static bool names_a_source(const char *rule)
{
    static const char *const sources[] = {
        "RFC ", "Fetch ", "limit ", "limits ", "limits.def: ", "SIGTERM: ", "hf_allocator: ",
        "the function's contract in its header", "the system call's own manual page",
        "two versions must never be mixed in one answer", /* our own rule: no document states it */
    };
    for (size_t i = 0; i < HF_COUNT(sources); i++)
        if (hf_starts_with(hf_text(rule), hf_text(sources[i])))
            return true;
    /* A header, or a page of the manual: "http1.h: ...", "bind(2): ...". */
    const size_t word = strcspn(rule, ": ");
    return rule[word] == ':' && word > 3 && (memcmp(rule + word - 2, ".h", 2) == 0 || rule[word - 1] == ')');
}

static void every_rule_begins_with_its_source(void **state)
{
    (void)state;
    hf_err err;
    const hf_err_info *info;
    for (size_t i = 0; hf_err_row(i, &err, &info); i++)
        if (!names_a_source(info->rule))
            fail_msg("%s: \"%s\" names no source", info->id, info->rule);
    assert_false(names_a_source("lines end with CRLF"));
    assert_false(names_a_source("note: lines end with CRLF"));
}

static void ids_are_well_formed_and_unique(void **state)
{
    (void)state;
    hf_err err, other_err;
    const hf_err_info *info, *other;
    size_t rows = 0;
    for (; hf_err_row(rows, &err, &info); rows++) {
        char area[16];
        unsigned number;
        int end = 0;
        if (sscanf(info->id, "HF-%15[A-Z0-9]-%3u%n", area, &number, &end) != 2 || info->id[end] != 0)
            fail_msg("\"%s\" is no id", info->id);
        char again[32];
        snprintf(again, sizeof again, "HF-%s-%03u", area, number);
        assert_string_equal(info->id, again);
        assert_int_equal(err.code & 0xffff, number);
        assert_in_range(number, 1, 999);
        assert_true(err.code >> 16 > 0);
        for (size_t k = 0; k < rows && hf_err_row(k, &other_err, &other); k++) {
            assert_string_not_equal(info->id, other->id);
            assert_true(err.code != other_err.code);
        }
    }
    assert_true(rows > 50);
    assert_false(hf_err_row(SIZE_MAX, &err, &info));
}

static void a_code_finds_its_row_and_text(void **state)
{
    (void)state;
    HF_TEST_LOOKS_UP();
    hf_err err;
    const hf_err_info *info;
    for (size_t i = 0; hf_err_row(i, &err, &info); i++) {
        assert_ptr_equal(hf_err_describe(err), info);
        char text[200];
        snprintf(text, sizeof text, "%s %s", info->id, info->name);
        assert_string_equal(hf_err_text(err), text);
    }
    assert_string_equal(hf_err_text(hf_err_make(HF_ERR_HTTP1_BARE_LF)), "HF-HTTP1-003 bare LF");
    assert_string_equal(hf_err_describe(hf_err_make(HF_ERR_HTTP1_CHUNK_SIZE))->id, "HF-HTTP1-020");
    assert_int_equal(hf_err_describe(hf_err_make(HF_ERR_HTTP1_BARE_LF))->status, 400);
    assert_int_equal(HF_ERR_HTTP1_BARE_LF, HF_AREA_HTTP1 << 16 | 3);
}

static void a_code_that_no_row_has_gets_a_row_that_says_so(void **state)
{
    (void)state;
    static const int32_t codes[] = {
        -1, 1, 0xffff, HF_AREA_HTTP << 16, HF_AREA_HTTP << 16 | 0xffff, INT32_MAX, INT32_MIN,
    };
    for (size_t i = 0; i < HF_COUNT(codes); i++) {
        const hf_err_info *info = hf_err_describe(hf_err_make(codes[i]));
        assert_string_equal(info->id, "HF-UNKNOWN");
        assert_true(is_plain(info->name) && is_plain(info->rule) && is_plain(info->cause) && is_plain(info->remedy));
        assert_string_equal(hf_err_text(hf_err_make(codes[i])), "HF-UNKNOWN unknown error");
    }
    assert_string_equal(hf_err_text(HF_OK), "HF-OK no error");
    assert_string_equal(hf_err_describe(HF_OK)->id, "HF-OK");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_says_rule_cause_and_remedy),
        cmocka_unit_test(every_rule_begins_with_its_source),
        cmocka_unit_test(ids_are_well_formed_and_unique),
        cmocka_unit_test(a_code_finds_its_row_and_text),
        cmocka_unit_test(a_code_that_no_row_has_gets_a_row_that_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
