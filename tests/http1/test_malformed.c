/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests that must be refused, whole and byte by byte, each with the verdict that names its fault; and those that only
 * look wrong, which must be taken.
 */
#include "http1/malformed_rows.h"

static const row rows[] = {
#define MALFORMED(code, rule, bytes) { HF_ERR_##code, RULE_##rule, false, HF_LITERAL(bytes) },
#include "http1/malformed.def"
#undef MALFORMED
};

static const row ambiguous[] = {
#define AMBIGUOUS(rule, bytes) { 0, RULE_##rule, false, HF_LITERAL(bytes) },
#include "http1/malformed_ambiguous.def"
#undef AMBIGUOUS
};

static void check(const row *m, bool whole)
{
    hf_test_world w;
    rig r;
    hf_test_world_init(&w, 1);
    assert_true(rig_open(&r, &w.env, RIG_ECHO));
    rig_feed_cut(&r, m->bytes, false, whole ? NULL : by_one, NULL);
    rig_emit(&r);
    if (r.refused != m->code || r.last != HF_FAULT)
        ROW_FAILS(m, r.refused);
    assert_non_null(strstr(r.log, "REFUSED "));
    r.out[r.out_length] = 0;
    assert_non_null(strstr((char *)r.out, "Connection: close\r\n"));
    assert_true(hf_http1_fault(r.h)->offset <= m->bytes.len);
    rig_close(&r);
    hf_test_world_fini(&w);
}

static void check_taken(const row *m, bool whole)
{
    hf_test_world w;
    rig r;
    hf_test_world_init(&w, 1);
    assert_true(rig_open(&r, &w.env, RIG_ECHO));
    rig_feed_cut(&r, m->bytes, false, whole ? NULL : by_one, NULL);
    rig_emit(&r);
    if (r.refused != 0 || r.requests != 1 || strstr(r.log, "END\n") == NULL || r.pending_length > 0)
        ROW_FAILS(m, r.refused);
    assert_memory_equal(r.out, "HTTP/1.1 200 OK\r\n", 17);
    rig_close(&r);
    hf_test_world_fini(&w);
}

static void malformed_requests_are_refused_whole(void **state)
{
    (void)state;
    assert_true(HF_COUNT(rows) >= 300);
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        check(&rows[i], true);
}

static void malformed_requests_are_refused_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        check(&rows[i], false);
}

static void ambiguous_requests_are_taken_whole_and_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_COUNT(ambiguous); i++) {
        check_taken(&ambiguous[i], true);
        check_taken(&ambiguous[i], false);
    }
}

static void no_row_comes_twice(void **state)
{
    (void)state;
    no_two_are_alike(rows, HF_COUNT(rows));
    no_two_are_alike(ambiguous, HF_COUNT(ambiguous));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_requests_are_refused_whole),
        cmocka_unit_test(malformed_requests_are_refused_byte_by_byte),
        cmocka_unit_test(ambiguous_requests_are_taken_whole_and_byte_by_byte),
        cmocka_unit_test(no_row_comes_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
