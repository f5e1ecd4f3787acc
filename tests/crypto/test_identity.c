/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys, chains and trust: what is loaded, what signs, what is believed, and why not.
 */
#include "tls/rig.h"

static rig r;

static int set_up(void **state)
{
    (void)state;
    rig_open(&r, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(&r);
    return 0;
}

static void every_kind_of_key_signs_what_its_chain_checks(void **state)
{
    (void)state;
    static const hf_scheme schemes[] = { HF_SCHEME_ECDSA_P256_SHA256, HF_SCHEME_RSA_PSS_SHA256, HF_SCHEME_ECDSA_P384_SHA384, HF_SCHEME_ED25519 };
    for (size_t i = 0; i < 4; i++) {
        uint8_t signature[HF_SIGNATURE_MOST];
        size_t n = 0;
        const hf_tls_identity *const id = &r.identities[i];
        assert_int_equal(hf_key_sign(id->key, schemes[i], hf_text("words"), signature, &n).code, 0);
        assert_int_equal(hf_chain_check(id->chain, schemes[i], hf_text("words"), hf_bytes_make(signature, n)).code, 0);
        assert_int_equal(hf_chain_check(id->chain, schemes[i], hf_text("other"), hf_bytes_make(signature, n)).code, HF_ERR_TLS_SIGNATURE);
        signature[n / 2] ^= 1;
        assert_int_equal(hf_chain_check(id->chain, schemes[i], hf_text("words"), hf_bytes_make(signature, n)).code, HF_ERR_TLS_SIGNATURE);
        assert_int_equal(hf_key_sign(id->key, schemes[(i + 1) % 4], hf_text("words"), signature, &n).code, HF_ERR_BASE_USAGE);
        assert_false(hf_chain_matches(id->chain, r.identities[(i + 1) % 4].key));
    }
}

static void what_is_no_key_is_refused(void **state)
{
    (void)state;
    hf_key *key = NULL;
    hf_chain *chain = NULL;
    assert_int_equal(hf_key_load(r.crypto, hf_text(""), &key).code, HF_ERR_TLS_KEY_UNREADABLE);
    assert_int_equal(hf_key_load(r.crypto, hf_text(identity_ca_pem), &key).code, HF_ERR_TLS_KEY_UNREADABLE);
    assert_int_equal(hf_chain_load(r.crypto, hf_text("nothing"), &chain).code, HF_ERR_TLS_CERT_UNREADABLE);
    assert_int_equal(hf_chain_load(r.crypto, hf_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), &chain).code,
                     HF_ERR_TLS_CERT_UNREADABLE);
    assert_null(key);
    assert_null(chain);
}

static int32_t ask(size_t which, const char *host, int64_t at, hf_verdict *v)
{
    const hf_trust_question q = { hf_text(host), { at }, false };
    return hf_trust_verify(r.trust, r.identities[which].chain, &q, v).code;
}

static void a_chain_is_believed_for_its_names_and_dates(void **state)
{
    (void)state;
    hf_verdict v;
    hf_wall from, until;
    hf_chain_valid(r.identities[0].chain, &from, &until);
    assert_true(until.s - from.s == INT64_C(36500) * 86400);
    const int64_t at = from.s + 1000;
    assert_int_equal(ask(0, "localhost", at, &v), 0);
    assert_int_equal(ask(0, "LOCALHOST.", at, &v), 0);
    assert_int_equal(ask(0, "127.0.0.1", at, &v), 0);
    assert_int_equal(ask(0, "127.0.0.2", at, &v), HF_ERR_TLS_CERT_NAME);
    assert_string_equal(v.names, "localhost, 127.0.0.1");
    assert_int_equal(ask(0, "p256", at, &v), HF_ERR_TLS_CERT_NAME); /* the common name does not count */
    assert_int_equal(ask(0, "localhost", from.s - 10, &v), HF_ERR_TLS_CERT_NOT_YET);
    assert_int_equal(ask(0, "localhost", until.s + 10, &v), HF_ERR_TLS_CERT_EXPIRED);
    assert_int_equal(v.until.s, until.s);
    assert_int_equal(ask(1, "a.wild.test", at, &v), 0);
    assert_int_equal(ask(1, "a.b.wild.test", at, &v), HF_ERR_TLS_CERT_NAME);
    assert_int_equal(ask(1, "wild.test", at, &v), HF_ERR_TLS_CERT_NAME);
    assert_int_equal(ask(4, "client.test", at, &v), HF_ERR_TLS_CERT_PURPOSE);
}

static void an_unknown_issuer_is_told_from_a_self_signed_leaf(void **state)
{
    (void)state;
    hf_verdict v;
    hf_chain *root = NULL;
    hf_trust *empty = hf_trust_new(r.crypto);
    const hf_trust_question q = { hf_text("localhost"), { 2000000000 }, false };
    assert_int_equal(hf_trust_verify(empty, r.identities[0].chain, &q, &v).code, HF_ERR_TLS_CERT_ISSUER_MISSING);
    assert_non_null(strstr(v.issuer, "Handfast test root"));
    assert_int_equal(hf_chain_load(r.crypto, hf_text(identity_ca_pem), &root).code, 0);
    assert_int_equal(hf_trust_verify(empty, root, &q, &v).code, HF_ERR_TLS_CERT_SELF_SIGNED);
    hf_chain_free(root);
    hf_trust_free(empty);
}

/* With an hf_entropy everything follows from the seed: keys, nonces, salts. */
static void the_same_seed_gives_the_same_secrets(void **state)
{
    (void)state;
    uint8_t shares[2][HF_SHARE_MOST], signatures[2][HF_SIGNATURE_MOST];
    size_t lengths[2];
    for (int i = 0; i < 2; i++) {
        hf_exchange x;
        hf_random_seed(&r.entropy, 42);
        assert_true(hf_exchange_make(r.crypto, &x, HF_GROUP_P256) && hf_exchange_share(&x, shares[i]));
        hf_exchange_fini(&x);
        assert_int_equal(hf_key_sign(r.identities[0].key, HF_SCHEME_ECDSA_P256_SHA256, hf_text("x"), signatures[i], &lengths[i]).code, 0);
    }
    assert_memory_equal(shares[0], shares[1], 65);
    assert_int_equal(lengths[0], lengths[1]);
    assert_memory_equal(signatures[0], signatures[1], lengths[0]);
}

static void secrets_compare_and_wipe(void **state)
{
    (void)state;
    uint8_t a[8] = "secret", b[8] = "secret";
    assert_true(hf_secret_equal(a, b, 8));
    b[7] = 1;
    assert_false(hf_secret_equal(a, b, 8));
    hf_wipe(a, 8);
    assert_memory_equal(a, (const uint8_t[8]){ 0 }, 8);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(every_kind_of_key_signs_what_its_chain_checks), T(what_is_no_key_is_refused), T(a_chain_is_believed_for_its_names_and_dates),
        T(an_unknown_issuer_is_told_from_a_self_signed_leaf), T(the_same_seed_gives_the_same_secrets), T(secrets_compare_and_wipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
