/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <handfast/http.h>

static void every_field_is_identified_in_any_case(void **state)
{
    (void)state;
    for (unsigned id = 1; id < HF_FIELD_COUNT; id++) {
        const hf_bytes spelling = hf_field_spelling((hf_field_id)id);
        uint8_t upper[64], lower[64];
        assert_true(spelling.len > 0 && spelling.len < sizeof upper);
        for (size_t i = 0; i < spelling.len; i++) {
            const uint8_t c = spelling.ptr[i];
            const bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
            upper[i] = letter ? (uint8_t)(c & ~0x20) : c;
            lower[i] = letter ? (uint8_t)(c | 0x20) : c;
        }
        assert_int_equal(hf_field_identify(spelling), id);
        assert_int_equal(hf_field_identify(hf_bytes_make(upper, spelling.len)), id);
        assert_int_equal(hf_field_identify(hf_bytes_make(lower, spelling.len)), id);
    }
    assert_int_equal(hf_field_spelling(HF_FIELD_OTHER).len, 0);
}

static void changing_any_byte_makes_a_field_unknown(void **state)
{
    (void)state;
    for (unsigned id = 1; id < HF_FIELD_COUNT; id++) {
        const hf_bytes spelling = hf_field_spelling((hf_field_id)id);
        for (size_t i = 0; i < spelling.len; i++)
            for (unsigned c = 0; c < 256; c++) {
                uint8_t name[64];
                memcpy(name, spelling.ptr, spelling.len);
                name[i] = (uint8_t)c;
                const bool letter = (spelling.ptr[i] | 0x20) >= 'a' && (spelling.ptr[i] | 0x20) <= 'z';
                const bool same = c == spelling.ptr[i] || (letter && (c ^ 0x20) == spelling.ptr[i]);
                assert_int_equal(hf_field_identify(hf_bytes_make(name, spelling.len)), same ? id : HF_FIELD_OTHER);
            }
    }
}

static void strangers_are_other(void **state)
{
    (void)state;
    static const char *const names[] = { "", "X", "Hos", "Hostt", "Content", "Content-Lengthy", "X-Content-Type-Optionsss",
                                         "a-very-long-field-name-that-nobody-knows" };
    for (size_t i = 0; i < HF_COUNT(names); i++)
        assert_int_equal(hf_field_identify(hf_text(names[i])), HF_FIELD_OTHER);
}

static void fields_are_found_in_order(void **state)
{
    (void)state;
    const hf_field at[] = {
        { hf_text("Accept"), hf_text("1"), HF_FIELD_ACCEPT },
        { hf_text("X-Mine"), hf_text("2"), HF_FIELD_OTHER },
        { hf_text("accept"), hf_text("3"), HF_FIELD_ACCEPT },
        { hf_text("X-Mine-Is-Long"), hf_text("4"), HF_FIELD_OTHER },
    };
    const hf_fields fields = { at, HF_COUNT(at) };
    assert_ptr_equal(hf_fields_find(fields, HF_FIELD_ACCEPT), &at[0]);
    assert_ptr_equal(hf_fields_next(fields, HF_FIELD_ACCEPT, NULL), &at[0]);
    assert_ptr_equal(hf_fields_next(fields, HF_FIELD_ACCEPT, &at[0]), &at[2]);
    assert_null(hf_fields_next(fields, HF_FIELD_ACCEPT, &at[2]));
    assert_null(hf_fields_find(fields, HF_FIELD_HOST));
    assert_ptr_equal(hf_fields_find_name(fields, hf_text("x-mINE")), &at[1]);
    assert_ptr_equal(hf_fields_find_name(fields, hf_text("x-mine-is-LONG")), &at[3]);
    assert_null(hf_fields_find_name(fields, hf_text("x-mine-is-lonG?")));
    assert_null(hf_fields_find_name(fields, hf_text("x-mine-is-wrong")));
    assert_null(hf_fields_find((hf_fields){ NULL, 0 }, HF_FIELD_HOST));
    assert_null(hf_fields_next((hf_fields){ NULL, 0 }, HF_FIELD_HOST, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_identified_in_any_case),
        cmocka_unit_test(changing_any_byte_makes_a_field_unknown),
        cmocka_unit_test(strangers_are_other),
        cmocka_unit_test(fields_are_found_in_order),
    };
    return cmocka_run_group_tests_name("http field", tests, NULL, NULL);
}
