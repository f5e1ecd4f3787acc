/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTPS records and Alt-Svc, as they should be and as nobody should write them.
 */
#include <stdlib.h>

#include "harness.h"
#include "https_record.h"

#define HEAD "\x00\x01\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" /* one question, one answer */
#define QUESTION "\x01" "a" "\x00\x00\x41\x00\x01"
#define ANSWER "\xc0\x0c\x00\x41\x00\x01\x00\x00\x00\x3c"

static hf_err parse(const char *bytes, size_t n, hf_https_record *r)
{
    uint8_t *const copy = malloc(n); /* a block of its own, so that reading past its end is seen */
    memcpy(copy, bytes, n);
    const hf_err err = hf_https_record_parse(hf_bytes_make(copy, n), r);
    free(copy);
    return err;
}
#define PARSE(rdata_length, rdata) parse(HEAD QUESTION ANSWER rdata_length rdata, sizeof(HEAD QUESTION ANSWER rdata_length rdata) - 1, &r)

static void a_record_says_what_is_spoken(void **state)
{
    (void)state;
    hf_https_record r;
    assert_int_equal(PARSE("\x00\x28", "\x00\x01\x00" "\x00\x01\x00\x06\x02h3\x02h2" "\x00\x03\x00\x02\x20\xfb" "\x00\x04\x00\x08\x01\x02\x03\x04\x05\x06\x07\x08"
        "\x00\x05\x00\x01x" "\x01\x00\x00\x00").code, 0);
    assert_true(r.found && !r.alias && r.h3 && r.h2 && r.http1 && r.ech && r.port == 8443 && r.ipv4_count == 2 && r.ipv4[1][3] == 8 && r.ttl_s == 60 && r.target[0] == 0);
    assert_int_equal(PARSE("\x00\x06", "\x00\x00\x01x\x00" "").code, HF_ERR_CLIENT_DNS); /* the length lies */
    assert_int_equal(PARSE("\x00\x08", "\x00\x00\x01X\x01y\x00" "\x00").code, 0);
    assert_true(r.found && r.alias);
    assert_string_equal(r.target, "x.y");
    assert_int_equal(PARSE("\x00\x07", "\x00\x01\x00" "\x00\x02\x00\x00").code, 0); /* no-default-alpn */
    assert_true(r.found && !r.http1);
}

static void what_must_be_known_and_is_not_is_passed_over(void **state)
{
    (void)state;
    hf_https_record r;
    assert_int_equal(PARSE("\x00\x0d", "\x00\x01\x00" "\x00\x00\x00\x02\x00\x63" "\x00\x63\x00\x00").code, 0);
    assert_false(r.found);
    assert_int_equal(PARSE("\x00\x0f", "\x00\x01\x00" "\x00\x00\x00\x02\x00\x03" "\x00\x03\x00\x02\x00\x50").code, 0);
    assert_true(r.found && r.port == 80);
}

static void what_is_malformed_counts_for_nothing(void **state)
{
    (void)state;
    hf_https_record r;
    assert_int_equal(PARSE("\x00\x0b", "\x00\x01\x00" "\x00\x02\x00\x00\x00\x02\x00\x00").code, HF_ERR_CLIENT_DNS); /* twice */
    assert_int_equal(PARSE("\x00\x09", "\x00\x01\x00" "\x00\x03\x00\x02\x01").code, HF_ERR_CLIENT_DNS);
    assert_int_equal(PARSE("\x00\x08", "\x00\x01\x00" "\x00\x03\x00\x01\x01").code, HF_ERR_CLIENT_DNS);
    assert_int_equal(PARSE("\x00\x0a", "\x00\x01\x00" "\x00\x04\x00\x03\x01\x02\x03").code, HF_ERR_CLIENT_DNS);
    assert_int_equal(PARSE("\x00\x08", "\x00\x01\x00" "\x00\x01\x00\x01\x00").code, HF_ERR_CLIENT_DNS);
    assert_int_equal(PARSE("\x00\x06", "\x00\x01\x02" "a/" "\x00").code, HF_ERR_CLIENT_DNS); /* no host */
    assert_false(r.found);
    static const char whole[] = HEAD QUESTION ANSWER "\x00\x0d" "\x00\x01\x00" "\x00\x01\x00\x06\x02h3\x02h2";
    for (size_t n = 0; n < sizeof whole - 1; n++)
        if (parse(whole, n, &r).code != HF_ERR_CLIENT_DNS)
            fail_msg("%zu bytes were enough", n);
    assert_int_equal(parse(whole, sizeof whole - 1, &r).code, 0);
}

static void alt_svc_names_http3(void **state)
{
    (void)state;
    static const struct {
        const char *value, *host;
        uint16_t port;
        uint64_t age;
        bool h3, clear;
    } cases[] = {
        { "h3=\":443\"; ma=60", "", 443, 60, true, false },
        { "h2=\":444\", h3-29=\":1\", h3=\"Alt.example:8443\"", "alt.example", 8443, 86400, true, false },
        { "clear", "", 0, 86400, false, true },
        { " clear ", "", 0, 86400, false, true },
        { "h3=\":0\"", "", 0, 86400, false, false },
        { "h3=\":99999\"", "", 0, 86400, false, false },
        { "h3=443", "", 0, 86400, false, false },
        { "h3=\"a b:443\"", "", 0, 86400, false, false },
        { "", "", 0, 86400, false, false },
        { "h3=\":443\"; ma=x; persist=1", "", 443, 86400, true, false },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        hf_alt_svc alt;
        const bool any = hf_alt_svc_parse(hf_text(cases[i].value), &alt);
        if (any != (cases[i].h3 || cases[i].clear) || alt.h3 != cases[i].h3 || alt.clear != cases[i].clear ||
            (alt.h3 && (alt.port != cases[i].port || strcmp(alt.host, cases[i].host) != 0 || alt.age_s != cases[i].age)))
            fail_msg("%s", cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_says_what_is_spoken), cmocka_unit_test(what_must_be_known_and_is_not_is_passed_over),
        cmocka_unit_test(what_is_malformed_counts_for_nothing), cmocka_unit_test(alt_svc_names_http3),
    };
    return cmocka_run_group_tests_name("https_record", tests, NULL, NULL);
}
