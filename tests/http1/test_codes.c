/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests that are refused, and the code by which we call what is wrong with each: the status alone does not tell them apart.
 */
#include "http1/rig.h"

static void a_refusal_is_told_by_its_code(void **state)
{
    (void)state;
    static const struct { const char *text; int32_t code; } rows[] = {
        { "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", HF_ERR_HTTP1_REQUEST_LINE },
        { "GET / http/1.1\r\nHost: a\r\n\r\n", HF_ERR_HTTP1_REQUEST_LINE },
        { "G@T / HTTP/1.1\r\nHost: a\r\n\r\n", HF_ERR_HTTP1_METHOD_NAME },
        { "GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", HF_ERR_HTTP1_EXPECT_UNKNOWN },
        { "GET / HTTP/1.1\r\nA: b\r\n\r\n", HF_ERR_HTTP1_HOST_MISSING },
        { "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", HF_ERR_HTTP1_HOST_REPEATED },
        { "GET / HTTP/2.2\r\nHost: a\r\n\r\n", HF_ERR_HTTP1_VERSION },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_test_world w;
        rig r;
        hf_test_world_init(&w, 1);
        assert_true(rig_open(&r, &w.env, RIG_SILENT));
        rig_feed(&r, (const uint8_t *)rows[i].text, strlen(rows[i].text), false);
        assert_int_equal(hf_http1_fault(r.h)->err.code, rows[i].code);
        assert_null(strstr(r.log, "END"));
        rig_close(&r);
        hf_test_world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_refusal_is_told_by_its_code) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
