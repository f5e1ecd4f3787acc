/* SPDX-License-Identifier: Apache-2.0
 *
 * What a redirect asks for, and what may be sent again: a POST never.
 */
#include "harness.h"
#include "resend.h"

static void redirects_change_the_method_as_written(void **state)
{
    (void)state;
    static const struct {
        uint16_t status;
        const char *method;
        bool follows, becomes_get;
    } cases[] = {
        { 301, "GET", true, false }, { 301, "POST", true, true }, { 302, "POST", true, true }, { 301, "PUT", true, false }, { 302, "DELETE", true, false },
        { 303, "POST", true, true }, { 303, "PUT", true, true }, { 303, "HEAD", true, false }, { 303, "GET", true, false }, { 307, "POST", true, false },
        { 308, "POST", true, false }, { 304, "GET", false, false }, { 300, "GET", false, false }, { 305, "GET", false, false }, { 200, "POST", false, false },
        { 301, "post", true, false },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        const hf_redirect r = hf_redirect_of(cases[i].status, hf_text(cases[i].method), true);
        if (r.follows != cases[i].follows || r.becomes_get != cases[i].becomes_get)
            fail_msg("%u %s", cases[i].status, cases[i].method);
        assert_false(hf_redirect_of(cases[i].status, hf_text(cases[i].method), false).follows);
    }
}

static void a_post_is_sent_again_only_where_it_was_not_acted_upon(void **state)
{
    (void)state;
    const hf_err lost = hf_err_make(HF_ERR_IO_RESET);
    const struct {
        hf_attempt a;
        hf_resend want;
    } cases[] = {
        { { hf_text("GET"), lost, .reused = true, .sent = true }, HF_RESEND_IDEMPOTENT },
        { { hf_text("PUT"), lost, .reused = true, .sent = true }, HF_RESEND_IDEMPOTENT },
        { { hf_text("QUERY"), lost, .reused = true, .sent = true }, HF_RESEND_IDEMPOTENT },
        { { hf_text("GET"), lost, .reused = false, .sent = true }, HF_RESEND_NO },
        { { hf_text("GET"), lost, .reused = true, .sent = true, .begun = true }, HF_RESEND_NO },
        { { hf_text("POST"), lost, .reused = true, .sent = true }, HF_RESEND_NO },
        { { hf_text("PATCH"), lost, .reused = true, .sent = true }, HF_RESEND_NO },
        { { hf_text("POST"), lost, .reused = true, .sent = true, .has_key = true }, HF_RESEND_IDEMPOTENT },
        { { hf_text("POST"), lost, .reused = true }, HF_RESEND_UNSENT },
        { { hf_text("POST"), hf_err_make(HF_ERR_HTTP2_NOT_PROCESSED), .reused = true, .sent = true }, HF_RESEND_UNPROCESSED },
        { { hf_text("POST"), hf_err_make(HF_ERR_HTTP3_NOT_PROCESSED), .sent = true }, HF_RESEND_UNPROCESSED },
        { { hf_text("POST"), .status = 425, .sent = true, .begun = true }, HF_RESEND_UNPROCESSED },
        { { hf_text("POST"), .status = 421, .sent = true, .begun = true, .reused = true }, HF_RESEND_UNPROCESSED },
        { { hf_text("POST"), .status = 421, .sent = true, .begun = true }, HF_RESEND_NO },
        { { hf_text("GET"), .status = 500, .sent = true, .begun = true, .reused = true }, HF_RESEND_NO },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++)
        if (hf_resend_of(&cases[i].a) != cases[i].want)
            fail_msg("case %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redirects_change_the_method_as_written),
        cmocka_unit_test(a_post_is_sent_again_only_where_it_was_not_acted_upon),
    };
    return cmocka_run_group_tests_name("resend", tests, NULL, NULL);
}
