/* SPDX-License-Identifier: Apache-2.0
 *
 * What others call our errors: both ways, and complete for alerts and verdicts.
 */
#include "harness.h"

#include <stdio.h>

#include <handfast/tls.h>

#include "error_names.h"
#include "text.h"

/* The alerts that a peer may send have rows 50 to 77, the verdicts 90 to 112. */
static bool is_named(int32_t code)
{
    return (code >= HF_ERR_TLS_ALERT_CLOSE_NOTIFY && code <= HF_ERR_TLS_ALERT_NO_APPLICATION_PROTOCOL) ||
           (code >= HF_ERR_TLS_CERT_BAD && code <= HF_ERR_TLS_CERT_PATHS);
}

static void every_alert_and_every_verdict_has_a_name_elsewhere(void **state)
{
    (void)state;
    hf_err err;
    const hf_err_info *info;
    size_t n = 0;
    for (size_t i = 0; hf_err_row(i, &err, &info); i++) {
        if (!is_named(err.code))
            continue;
        const hf_error_names *const names = hf_error_names_of(err.code);
        if (names == NULL || names->alert == NULL || names->firefox == NULL)
            fail_msg("%s has no row in error_names.c, or no alert or Firefox name", info->id);
        n++;
    }
    assert_true(n >= 28 + 23);
}

static void each_code_stands_once_and_is_in_the_catalogue(void **state)
{
    (void)state;
    const hf_error_names *names;
    for (size_t i = 0; (names = hf_error_names_at(i)) != NULL; i++) {
        assert_string_not_equal(hf_err_describe(hf_err_make(names->code))->id, "HF-UNKNOWN");
        assert_ptr_equal(hf_error_names_of(names->code), names);
    }
    assert_null(hf_error_names_of(HF_ERR_BASE_MEMORY));
}

static bool begins_well(hf_bytes word, const char *const *starts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (hf_starts_with(word, hf_text(starts[i])))
            return true;
    return false;
}

static void every_name_leads_back_to_its_row(void **state)
{
    (void)state;
    static const char *const chromium[] = { "ERR_" }, *const firefox[] = { "SSL_ERROR_", "SEC_ERROR_", "MOZILLA_PKIX_ERROR_", "PR_" };
    const hf_error_names *names;
    for (size_t i = 0; (names = hf_error_names_at(i)) != NULL; i++) {
        const char *const columns[] = { names->alert, names->chromium, names->firefox };
        for (size_t k = 0; k < HF_COUNT(columns); k++) {
            hf_bytes rest = hf_text(columns[k] != NULL ? columns[k] : ""), word;
            while (columns[k] != NULL && hf_split(&rest, ' ', &word)) {
                char text[96], with_net[110];
                snprintf(text, sizeof text, "%.*s", (int)word.len, (const char *)word.ptr);
                snprintf(with_net, sizeof with_net, "NET::%s", text);
                assert_true(hf_error_names_hold(names, text) && hf_error_names_hold(names, with_net));
                if ((k == 1 && !begins_well(word, chromium, 1)) || (k == 2 && !begins_well(word, firefox, HF_COUNT(firefox))))
                    fail_msg("%s is no name of that browser", text);
            }
        }
        assert_false(hf_error_names_hold(names, "ERR_"));
        assert_false(hf_error_names_hold(names, ""));
    }
    assert_true(hf_error_names_hold(hf_error_names_of(HF_ERR_TLS_CERT_EXPIRED), "err_cert_date_invalid"));
    assert_false(hf_error_names_hold(hf_error_names_of(HF_ERR_TLS_CERT_EXPIRED), "ERR_CERT_DATE"));
}

static void an_alert_has_the_name_that_the_core_gives_it(void **state)
{
    (void)state;
    for (unsigned alert = 0; alert < 256; alert++) {
        const char *const name = hf_tls_alert_name((uint8_t)alert);
        bool known = false;
        const hf_error_names *names;
        for (size_t i = 0; (names = hf_error_names_at(i)) != NULL; i++)
            known |= names->alert != NULL && strcmp(names->alert, name) == 0 && names->code >= HF_ERR_TLS_ALERT_CLOSE_NOTIFY &&
                     names->code < HF_ERR_TLS_ALERT_OTHER;
        if (!known && strncmp(name, "unknown", 7) != 0)
            fail_msg("alert %u, %s, has no row", alert, name);
    }
}

static void the_four_of_every_day_say_how_to_tell_the_causes_apart(void **state)
{
    (void)state;
    static const int32_t codes[] = { HF_ERR_TLS_CERT_SELF_SIGNED, HF_ERR_TLS_CERT_ISSUER_MISSING, HF_ERR_TLS_CERT_ROOT_UNKNOWN, HF_ERR_TLS_CERT_EXPIRED,
        HF_ERR_TLS_CERT_NOT_YET, HF_ERR_TLS_CERT_NAME, HF_ERR_TLS_CERT_NO_NAMES, HF_ERR_TLS_NOT_TLS };
    for (size_t i = 0; i < HF_COUNT(codes); i++)
        assert_true(strlen(hf_error_names_of(codes[i])->tell) > 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_alert_and_every_verdict_has_a_name_elsewhere), cmocka_unit_test(each_code_stands_once_and_is_in_the_catalogue),
        cmocka_unit_test(every_name_leads_back_to_its_row), cmocka_unit_test(an_alert_has_the_name_that_the_core_gives_it),
        cmocka_unit_test(the_four_of_every_day_say_how_to_tell_the_causes_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
