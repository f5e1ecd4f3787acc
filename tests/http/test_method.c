/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <handfast/http.h>

static void every_method_is_found_by_its_name(void **state)
{
    (void)state;
    for (unsigned m = HF_METHOD_UNKNOWN + 1; m < HF_METHOD_COUNT; m++) {
        const hf_method_contract *c = hf_method_describe((hf_method)m);
        assert_true(strlen(c->name) >= 3);
        assert_int_equal(hf_method_parse(hf_text(c->name)), m);
    }
}

static void methods_are_case_sensitive(void **state)
{
    (void)state;
    static const char *const strangers[] = { "", "get", "Get", "GE", "GETS", "PUST", "OPTIONZ", "OPTIONSS", "QUERYING", "\0\0\0" };
    for (size_t i = 0; i < HF_COUNT(strangers); i++)
        assert_int_equal(hf_method_parse(hf_text(strangers[i])), HF_METHOD_UNKNOWN);
    assert_int_equal(hf_method_parse(hf_bytes_make("\0\0\0", 3)), HF_METHOD_UNKNOWN);
}

/* RFC 9110 18.2, table 7; RFC 10008 for QUERY; RFC 5789 for PATCH */
static void contracts_are_those_of_the_registry(void **state)
{
    (void)state;
    static const struct {
        hf_method method;
        bool safe, idempotent;
    } rows[] = {
        { HF_METHOD_CONNECT, false, false }, { HF_METHOD_DELETE, false, true }, { HF_METHOD_GET, true, true },
        { HF_METHOD_HEAD, true, true },      { HF_METHOD_OPTIONS, true, true }, { HF_METHOD_POST, false, false },
        { HF_METHOD_PUT, false, true },      { HF_METHOD_TRACE, true, true },   { HF_METHOD_PATCH, false, false },
        { HF_METHOD_QUERY, true, true },     { HF_METHOD_UNKNOWN, false, false },
    };
    assert_int_equal(HF_COUNT(rows), HF_METHOD_COUNT);
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const hf_method_contract *c = hf_method_describe(rows[i].method);
        assert_int_equal(c->safe, rows[i].safe);
        assert_int_equal(c->idempotent, rows[i].idempotent);
        assert_true(!c->safe || c->idempotent); /* RFC 9110 9.2.2: safe methods are idempotent */
        assert_true(!c->cacheable || c->safe);
    }
    assert_int_equal(hf_method_describe(HF_METHOD_QUERY)->body, HF_BODY_REQUIRED);
    assert_int_equal(hf_method_describe(HF_METHOD_GET)->body, HF_BODY_MEANINGLESS);
    assert_int_equal(hf_method_describe(HF_METHOD_POST)->body, HF_BODY_ALLOWED);
    assert_true(hf_method_describe(HF_METHOD_QUERY)->cacheable);
    assert_false(hf_method_describe(HF_METHOD_OPTIONS)->cacheable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_is_found_by_its_name),
        cmocka_unit_test(methods_are_case_sensitive),
        cmocka_unit_test(contracts_are_those_of_the_registry),
    };
    return cmocka_run_group_tests_name("http method", tests, NULL, NULL);
}
