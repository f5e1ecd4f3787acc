/* SPDX-License-Identifier: Apache-2.0
 *
 * A walk along a chain in words: the two hashes of an RSA signature, the equation of the others, the end of the path.
 */
#include "crypto/chain_maker.h"

#include "chain_report.h"

static hf_test_world world;
static hf_crypto *crypto;
static maker made;
static hf_walk walk;
static char sent[1 << 16], roots[1 << 16], text[HF_CHAIN_REPORT_ROOM];

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&world, 1);
    crypto = hf_crypto_new(&world.env, NULL);
    assert_non_null(crypto);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    maker_free(&made);
    hf_crypto_free(crypto);
    hf_test_world_fini(&world);
    return 0;
}

/* Turns over a bit in the middle of the signature (its last bytes) or the contents of the first certificate. */
static hf_chain *chain_of(int bent)
{
    hf_chain *chain = NULL, *bad = NULL;
    assert_int_equal(hf_chain_load(crypto, hf_text(sent), &chain).code, 0);
    if (bent == 0)
        return chain;
    uint8_t der[4096];
    hf_bytes ders[16];
    for (size_t i = 0; i < hf_chain_length(chain); i++)
        ders[i] = hf_chain_der(chain, i);
    memcpy(der, ders[0].ptr, ders[0].len);
    const uint8_t *const name = memmem(der, ders[0].len, "site.test", 9);
    assert_non_null(name);
    der[bent < 0 ? (size_t)(name - der) : ders[0].len - 20] ^= 1;
    ders[0].ptr = der;
    assert_int_equal(hf_chain_parse(crypto, ders, hf_chain_length(chain), &bad).code, 0);
    hf_chain_free(chain);
    return bad;
}

static const char *report(const char *lines, const char *root_lines, const char *host, int bent, bool json)
{
    size_t added = 0;
    maker_forget(&made);
    maker_pem(&made, root_lines, roots, sizeof roots);
    maker_pem(&made, lines, sent, sizeof sent);
    hf_chain *chain = chain_of(bent);
    hf_trust *trust = hf_trust_new(crypto);
    assert_int_equal(hf_trust_add(trust, hf_text(roots), &added).code, 0);
    const hf_trust_question q = { .host = hf_text(host), .at = { MAKER_NOW } };
    (void)hf_trust_walk(trust, chain, &q, &walk).code;
    const hf_chain_report r = { .walk = &walk, .sent = hf_chain_length(chain), .source = hf_text("x.pem"), .host = q.host, .at = q.at };
    hf_writer w = hf_writer_make(text, sizeof text - 1);
    if (json)
        hf_chain_report_json(&r, &w);
    else
        hf_chain_report_text(&r, &w);
    assert_false(w.overflowed);
    text[w.length] = 0;
    hf_trust_free(trust);
    hf_chain_free(chain);
    return text;
}

static void says(const char *all, const char *words)
{
    if (strstr(all, words) == NULL)
        fail_msg("no \"%s\" in:\n%s", words, all);
}

static void an_rsa_link_shows_both_hashes(void **state)
{
    (void)state;
    const char *t = report("L<R@R-rsa2048", "R<R key=R-rsa2048", "site.test", 0, false);
    says(t, "H1 = H2: the signature holds");
    says(t, "the path ends here");
    says(t, "accepted for site.test");
    assert_int_equal(walk.links[0].h1_length, 32);
    assert_memory_equal(walk.links[0].h1, walk.links[0].h2, 32);
    assert_int_equal(walk.links[0].kind, HF_LINK_RSA);
    assert_true(walk.anchored && walk.links[1].trusted && walk.links[1].sent == -1);
    /* H1 is the hash that anybody computes */
    unsigned char *tbs = NULL, digest[32];
    const int n = i2d_re_X509_tbs(maker_find(&made, "L"), &tbs);
    assert_int_equal(EVP_Q_digest(NULL, "SHA256", NULL, tbs, (size_t)n, digest, NULL), 1);
    assert_memory_equal(digest, walk.links[0].h1, 32);
    OPENSSL_free(tbs);
}

static void changed_contents_show_as_two_hashes_that_differ(void **state)
{
    (void)state;
    const char *t = report("L<R@R-rsa2048", "R<R key=R-rsa2048", "", -1, false);
    says(t, "H1 is not H2");
    says(t, "refused: HF-TLS-103");
    assert_memory_not_equal(walk.links[0].h1, walk.links[0].h2, 32);
    assert_false(walk.links[0].holds);
    t = report("L<R@R-rsa2048", "R<R key=R-rsa2048", "", 1, false);
    says(t, "recovers no hash from the signature");
    assert_int_equal(walk.links[0].h2_length, 0);
}

static void an_equation_decrypts_nothing_and_the_report_says_so(void **state)
{
    (void)state;
    const char *t = report("L<I|I<R", "R<R", "", 0, false);
    says(t, "ECDSA: nothing is decrypted");
    says(t, "no host was asked for");
    assert_int_equal(walk.links[0].h2_length, 0);
    t = report("L<R", "R<R", "", 1, false);
    says(t, "does not hold");
    t = report("L<R@R-ed25519", "R<R key=R-ed25519", "", 0, false);
    says(t, "Ed25519: nothing is decrypted");
    says(t, "what is signed is not a hash but the contents");
    assert_int_equal(walk.links[0].h1_length, 0);
}

static void a_missing_link_is_named_with_the_place_where_it_could_be_had(void **state)
{
    (void)state;
    const char *t = report("L<I aia=caIssuers;URI:http://ca.test/i.der", "R<R", "site.test", 0, false);
    says(t, "2  missing: /CN=I");
    says(t, "fetch     http://ca.test/i.der");
    says(t, "ERR_CERT_AUTHORITY_INVALID");
    t = report("L<I", "R<R", "site.test", 0, false);
    says(t, "does not say where");
    t = report("L<L", "R<R", "site.test", 0, false);
    says(t, "vouches for itself");
    says(t, "HF-TLS-091");
}

static void dates_and_names_are_told(void **state)
{
    (void)state;
    const char *t = report("L<R until=-1", "R<R", "site.test", 0, false);
    says(t, "2026-05-27 20:26:40 UTC: no more, by the clock here: 2026-05-28 20:26:40 UTC");
    t = report("L<R from=1", "R<R", "site.test", 0, false);
    says(t, "not yet, by the clock here");
    t = report("L<R", "R<R", "other.test", 0, false);
    says(t, "got       site.test");
    says(t, "wanted    other.test");
    says(t, " days left");
    assert_null(strchr(t, '\x1b'));
}

static size_t count_of(const char *all, char c)
{
    size_t n = 0;
    for (; *all; all++)
        n += *all == c;
    return n;
}

static void json_says_the_same(void **state)
{
    (void)state;
    const char *t = report("L<R@R-rsa2048", "R<R key=R-rsa2048", "site.test", 0, true);
    says(t, "{\"accepted\":true,\"source\":\"x.pem\",\"host\":\"site.test\"");
    says(t, "\"signature\":\"rsa\",\"h1\":\"");
    says(t, "\"holds\":true");
    assert_int_equal(count_of(t, '{'), count_of(t, '}'));
    assert_int_equal(count_of(t, '"') % 2, 0);
    t = report("L<I aia=caIssuers;URI:http://ca.test/i.der", "R<R", "site.test", 0, true);
    says(t, "\"accepted\":false");
    says(t, "\"code\":\"HF-TLS-093\"");
    says(t, "\"missing\":\"/CN=I\",\"fetch\":\"http://ca.test/i.der\"");
    says(t, "\"chromium\":\"ERR_CERT_AUTHORITY_INVALID\"");
}

/* The longest path that there is, with the longest names, fits. */
static void the_longest_report_fits(void **state)
{
    (void)state;
    char lines[2048] = "L<A san=DNS:site.test,DNS:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test";
    world.limits.chain_intermediates = 15;
    for (char c = 'A'; c < 'A' + 15; c++) {
        if (c != 'L')
            snprintf(lines + strlen(lines), sizeof lines - strlen(lines), "|%c<%c", c, c == 'O' ? 'R' : c == 'K' ? 'M' : c + 1);
    }
    says(report(lines, "R<R", "site.test", 0, false), "accepted for site.test");
    assert_int_equal(walk.count, 16);
    says(report(lines, "R<R", "site.test", 0, true), "\"accepted\":true");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(an_rsa_link_shows_both_hashes), T(changed_contents_show_as_two_hashes_that_differ), T(an_equation_decrypts_nothing_and_the_report_says_so),
        T(a_missing_link_is_named_with_the_place_where_it_could_be_had), T(dates_and_names_are_told), T(json_says_the_same), T(the_longest_report_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
