/* SPDX-License-Identifier: Apache-2.0
 *
 * Which identity answers for which name: exact names, wildcards of one label, and the first for everybody else.
 */
#include "harness.h"

#include <stdlib.h>

#include "tls_core.h"

enum { IDENTITIES = 5 };

static hf_tls_identity identities[IDENTITIES];
static hf_tls_name names[] = {
    { HF_LITERAL("one.test"), 0 }, { HF_LITERAL("*.wild.test"), 1 }, { HF_LITERAL("exact.wild.test"), 2 }, { HF_LITERAL("two.test"), 3 },
    { HF_LITERAL("two.test"), 4 }, { HF_LITERAL("*.test"), 3 },
};

static int by_name(const void *a, const void *b)
{
    return hf_tls_name_order(a, b);
}

/* The places that are tried for `host`, as digits: those for the host, a bar, all. */
static const char *tried(const char *host)
{
    static char text[64];
    const hf_tls_config config = { .identities = identities, .identity_count = IDENTITIES, .names = names, .name_count = HF_COUNT(names) };
    uint8_t bytes[256];
    memcpy(bytes, host, strlen(host));
    const hf_handshake h = { .config = &config, .host = bytes, .host_length = (uint8_t)strlen(host) };
    hf_candidates c = hf_hs_candidates(&h);
    const size_t named = c.named_end - c.named;
    size_t n = 0;
    const hf_tls_identity *id;
    for (size_t i = 0; (id = hf_hs_candidate_next(&c)) != NULL; i++) {
        if (i == named)
            text[n++] = '|';
        text[n++] = (char)('0' + (id - identities));
    }
    text[n] = 0;
    return text;
}

static void names_choose_exact_before_wildcard_before_all(void **state)
{
    (void)state;
    qsort(names, HF_COUNT(names), sizeof names[0], by_name);
    static const struct { const char *host, *tried; } rows[] = {
        { "one.test", "0|01234" },        { "ONE.Test", "0|01234" },         { "one.test.", "0|01234" },  { "a.wild.test", "1|01234" },
        { "exact.wild.test", "2|01234" }, { "a.b.wild.test", "|01234" },     { "wild.test", "3|01234" },  { "two.test", "34|01234" },
        { "three.test", "3|01234" },      { "test", "|01234" },              { ".test", "|01234" },       { "", "|01234" },
        { ".", "|01234" },                { "*.wild.test", "1|01234" },      { "one.tes", "|01234" },     { "one.testx", "|01234" },
        { "x", "|01234" },                { "exact..wild.test", "|01234" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if (strcmp(tried(rows[i].host), rows[i].tried) != 0)
            fail_msg("%s: tries %s, not %s", rows[i].host, tried(rows[i].host), rows[i].tried);
}

static void the_longest_name_is_looked_up_whole(void **state)
{
    (void)state;
    char host[256];
    memset(host, 'a', 255);
    host[255] = 0;
    assert_string_equal(tried(host), "|01234");
    memcpy(host + 250, ".test", 5);
    assert_string_equal(tried(host), "3|01234");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names_choose_exact_before_wildcard_before_all),
        cmocka_unit_test(the_longest_name_is_looked_up_whole) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
