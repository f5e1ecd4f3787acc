/* SPDX-License-Identifier: Apache-2.0
 *
 * Responses that a client must not believe, whole and byte by byte, each with the verdict that names its fault; and
 * those that only look wrong, which must be taken.
 */
#include "http1/malformed_rows.h"

static const row rows[] = {
#define RESPONSE(code, rule, bytes) { HF_ERR_##code, RULE_##rule, false, HF_LITERAL(bytes) },
#define RESPONSE_CUT(code, rule, bytes) { HF_ERR_##code, RULE_##rule, true, HF_LITERAL(bytes) },
#define RESPONSE_TAKEN(rule, bytes) { 0, RULE_##rule, false, HF_LITERAL(bytes) },
#include "http1/malformed_responses.def"
#undef RESPONSE
#undef RESPONSE_CUT
#undef RESPONSE_TAKEN
};

static void ask(rig *r)
{
    static const hf_field host[] = { { HF_LITERAL("Host"), HF_LITERAL("a"), HF_FIELD_HOST } };
    const hf_request_head head = { .method = HF_METHOD_GET, .target = HF_LITERAL("/x"), .fields = { host, 1 },
                                   .content_length = HF_LENGTH_NONE };
    assert_int_equal(hf_http1_request(r->h, &head).code, 0);
    rig_end(r);
    rig_emit(r);
}

static void check(const row *m, bool whole)
{
    hf_test_world w;
    rig r;
    hf_test_world_init(&w, 1);
    assert_true(rig_open(&r, &w.env, RIG_CLIENT));
    ask(&r);
    if (m->bytes.len > 0)
        rig_feed_cut(&r, m->bytes, m->cut, whole ? NULL : by_one, NULL);
    else
        rig_feed(&r, NULL, 0, m->cut);
    if (r.refused != m->code || (r.last == HF_FAULT) != (m->code != 0))
        ROW_FAILS(m, r.refused);
    assert_null(strstr(r.log, "REFUSED")); /* a client answers nothing */
    if (m->code == 0)
        assert_non_null(strstr(r.log, "END\n"));
    else
        assert_true(hf_http1_fault(r.h)->offset <= m->bytes.len);
    if (m->code == HF_ERR_HTTP1_TRUNCATED) /* what was cut short never looks complete */
        assert_null(strstr(r.log, "END\n"));
    rig_close(&r);
    hf_test_world_fini(&w);
}

static void malformed_responses_are_faults_whole(void **state)
{
    (void)state;
    assert_true(HF_COUNT(rows) >= 100);
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        check(&rows[i], true);
}

static void malformed_responses_are_faults_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        check(&rows[i], false);
}

static void no_row_comes_twice(void **state)
{
    (void)state;
    no_two_are_alike(rows, HF_COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_responses_are_faults_whole),
        cmocka_unit_test(malformed_responses_are_faults_byte_by_byte),
        cmocka_unit_test(no_row_comes_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
