/* SPDX-License-Identifier: Apache-2.0
 *
 * x509-limbo, a public set of path-validation cases: our verdict is the expected one, or docs/tls-differences.md has a row
 * for it with the reason. Rows that are no difference (any more) fail, too.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <jansson.h>

#include <handfast/crypto.h>

#include "text.h"

static hf_test_world w;
static hf_crypto *c;
static char *differences; /* docs/tls-differences.md */

static char *read_whole(const char *path)
{
    FILE *f = fopen(path, "re");
    char *text = calloc(1, 1 << 18);
    if (f == NULL || text == NULL || fread(text, 1, (1 << 18) - 1, f) == 0)
        fail_msg("%s is not there", path);
    fclose(f);
    return text;
}

static int set_up(void **state)
{
    (void)state;
    char path[4096];
    const char *source = getenv("HF_SOURCE");
    snprintf(path, sizeof path, "%s/docs/tls-differences.md", source != NULL ? source : ".");
    differences = read_whole(path);
    hf_test_world_init(&w, 1);
    c = hf_crypto_new(&w.env, NULL);
    assert_non_null(c);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_crypto_free(c);
    hf_test_world_fini(&w);
    free(differences);
    return 0;
}

static const char *text_of(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));
    return text != NULL ? text : "";
}

/* 2016-09-01T00:00:00+00:00; a moment in 2023 when there is none. */
static hf_wall time_of(const char *text)
{
    struct tm tm = { .tm_isdst = 0 };
    if (sscanf(text, "%d-%d-%dT%d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
        return (hf_wall){ 1700000000 };
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (hf_wall){ timegm(&tm) };
}

static hf_chain *chain_of(const json_t *test)
{
    size_t i;
    json_t *one;
    char *pem = calloc(1, 1 << 18);
    hf_chain *chain = NULL;
    strcpy(pem, text_of(test, "peer_certificate"));
    json_array_foreach(json_object_get(test, "untrusted_intermediates"), i, one)
        strcat(strcat(pem, "\n"), json_string_value(one));
    (void)hf_chain_load(c, hf_text(pem), &chain).code;
    free(pem);
    return chain;
}

static int32_t judged(const json_t *test, hf_verdict *v)
{
    size_t i, added;
    json_t *one;
    hf_chain *chain = chain_of(test);
    hf_trust *trust = hf_trust_new(c);
    json_array_foreach(json_object_get(test, "trusted_certs"), i, one)
        (void)hf_trust_add(trust, hf_text(json_string_value(one)), &added).code;
    const json_t *depth = json_object_get(test, "max_chain_depth");
    w.limits.chain_intermediates = json_is_integer(depth) && json_integer_value(depth) < 16 ? (uint64_t)json_integer_value(depth) : 15;
    const hf_trust_question q = { .host = hf_text(text_of(json_object_get(test, "expected_peer_name"), "value")),
        .at = time_of(text_of(test, "validation_time")) };
    const int32_t code = chain == NULL ? HF_ERR_TLS_CERT_UNREADABLE : hf_trust_verify(trust, chain, &q, v).code;
    hf_trust_free(trust);
    hf_chain_free(chain);
    return code;
}

/* "| `id` | accepted |" */
static bool is_listed(const char *id, bool accepted)
{
    char row[200];
    snprintf(row, sizeof row, "\n| `%s` | %s |", id, accepted ? "accepted" : "refused");
    return strstr(differences, row) != NULL;
}

static size_t rows_listed(void)
{
    size_t n = 0;
    for (const char *p = differences; (p = strstr(p, "\n| `")) != NULL; p++)
        n++;
    return n;
}

static void every_verdict_is_the_expected_one_or_explained(void **state)
{
    (void)state;
    const hf_span all = hf_test_vector("certificates/limbo-2023.json");
    json_t *root = json_loadb((const char *)all.ptr, all.len, 0, NULL), *test;
    assert_non_null(root);
    size_t i, different = 0, wrong = 0;
    json_array_foreach(json_object_get(root, "testcases"), i, test) {
        hf_verdict v = { .depth = -1 };
        const bool expected = strcmp(text_of(test, "expected_result"), "SUCCESS") == 0;
        const int32_t code = judged(test, &v);
        if ((code == 0) == expected)
            continue;
        different++;
        if (is_listed(text_of(test, "id"), code == 0))
            continue;
        wrong++;
        print_error("%s: expected %s, but %s, depth %d: %s; got %s, wanted %s\n", text_of(test, "id"), text_of(test, "expected_result"),
                    hf_err_text(hf_err_make(code)), v.depth, v.reason, v.got, v.wanted);
    }
    assert_int_equal(wrong, 0);
    assert_int_equal(i, 135);
    assert_int_equal(different, rows_listed());
    json_decref(root);
    free(all.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_verdict_is_the_expected_one_or_explained, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
