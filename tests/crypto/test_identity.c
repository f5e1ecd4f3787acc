/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys, chains and trust: what is loaded, what signs, what is believed, and why not.
 */
#include "tls/rig.h"

#include <openssl/pem.h>

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

/* A good key, of a kind that TLS has and we have not. */
static void make_p521(char *pem, size_t room)
{
    BIO *const out = BIO_new(BIO_s_mem());
    EVP_PKEY *const key = EVP_EC_gen("P-521");
    assert_true(PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1);
    const int n = BIO_read(out, pem, (int)room - 1);
    assert_true(n > 0);
    pem[n] = 0;
    EVP_PKEY_free(key);
    BIO_free(out);
}

static void what_is_no_key_is_refused(void **state)
{
    (void)state;
    hf_key *key = NULL;
    hf_chain *chain = NULL;
    assert_int_equal(hf_key_load(r.crypto, hf_text(""), &key).code, HF_ERR_TLS_KEY_UNREADABLE);
    assert_int_equal(hf_key_load(r.crypto, hf_text(identity_ca_pem), &key).code, HF_ERR_TLS_KEY_UNREADABLE);
    char p521[1024];
    make_p521(p521, sizeof p521);
    assert_int_equal(hf_key_load(r.crypto, hf_text(p521), &key).code, HF_ERR_TLS_KEY_UNUSABLE);
    assert_int_equal(hf_chain_load(r.crypto, hf_text("nothing"), &chain).code, HF_ERR_TLS_CERT_UNREADABLE);
    assert_int_equal(hf_chain_load(r.crypto, hf_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), &chain).code,
                     HF_ERR_TLS_CERT_UNREADABLE);
    assert_null(key);
    assert_null(chain);
}

/* RFC 5246 7.4.7.1: what does not decrypt as it should gives another secret, and no word. */
static void a_premaster_secret_is_decrypted_or_replaced_in_silence(void **state)
{
    (void)state;
    uint8_t secret[HF_PREMASTER] = { 3, 3, 7, 7, 7 }, encrypted[HF_SIGNATURE_MOST], other[HF_SIGNATURE_MOST], out[HF_PREMASTER], again[HF_PREMASTER];
    size_t n = 0, m = 0;
    hf_key *const key = r.identities[1].key;
    const hf_chain *const chain = r.identities[1].chain;
    assert_true(hf_chain_enciphers(chain));
    assert_false(hf_chain_enciphers(r.identities[0].chain)); /* no RSA key */
    assert_int_equal(hf_chain_encrypt(chain, hf_bytes_make(secret, sizeof secret), encrypted, &n).code, 0);
    assert_int_equal(hf_key_decrypt_premaster(key, 0x0303, hf_bytes_make(encrypted, n), out).code, 0);
    assert_memory_equal(out, secret, sizeof secret);
    assert_int_equal(hf_chain_encrypt(r.identities[0].chain, hf_bytes_make(secret, sizeof secret), other, &m).code, HF_ERR_TLS_CRYPTO);
    assert_int_equal(hf_key_decrypt_premaster(r.identities[0].key, 0x0303, hf_bytes_make(encrypted, n), out).code, HF_ERR_BASE_USAGE);
    for (int i = 0; i < 6; i++) {
        memcpy(other, encrypted, n);
        m = n;
        uint16_t version = 0x0303;
        switch (i) {
        case 0: version = 0x0302; break; /* somebody lowered it */
        case 1: other[n - 1] ^= 1; break;
        case 2: m--; break;
        case 3: memset(other, 0, n); break;
        case 4: memset(other, 255, n); break;
        case 5: assert_int_equal(hf_chain_encrypt(chain, hf_bytes_make(secret, 47), other, &m).code, 0); break;
        default: break;
        }
        assert_int_equal(hf_key_decrypt_premaster(key, version, hf_bytes_make(other, m), out).code, 0);
        assert_int_equal(hf_key_decrypt_premaster(key, version, hf_bytes_make(other, m), again).code, 0);
        assert_memory_not_equal(out, secret, sizeof secret);
        assert_memory_not_equal(out, again, 2); /* random, and no 0303 of ours that could be told */
    }
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

/* ---- making them -------------------------------------------------------------------------------------------- */

static hf_chain *issued(const hf_certificate_wish *wish, const hf_key *key, const hf_chain *issuer, const hf_key *issuer_key)
{
    uint8_t pem[HF_PEM_ROOM];
    size_t n = 0;
    hf_chain *chain = NULL;
    assert_int_equal(hf_certificate_issue(r.crypto, wish, key, issuer, issuer_key, pem, &n).code, 0);
    assert_int_equal(hf_chain_load(r.crypto, hf_bytes_make(pem, n), &chain).code, 0);
    return chain;
}

static void what_is_issued_here_is_believed_as_it_says(void **state)
{
    (void)state;
    hf_key *root_key = NULL, *leaf_key = NULL, *again = NULL;
    uint8_t pem[HF_PEM_ROOM];
    size_t n = 0, added = 0;
    hf_verdict v;
    assert_int_equal(hf_key_make(r.crypto, &root_key).code, 0);
    assert_int_equal(hf_key_make(r.crypto, &leaf_key).code, 0);
    const hf_certificate_wish root_wish = { .common_name = "a root", .from = { 1000 }, .until = { 900000 }, .authority = true };
    const hf_bytes names[] = { hf_text("a.test"), hf_text("*.b.test"), hf_text("10.0.0.1"), hf_text("::1") };
    const hf_certificate_wish leaf_wish = { .common_name = "a leaf", .names = names, .name_count = 4, .from = { 2000 }, .until = { 800000 } };
    hf_chain *root = issued(&root_wish, root_key, NULL, NULL), *leaf = issued(&leaf_wish, leaf_key, root, root_key);
    assert_true(hf_chain_matches(leaf, leaf_key));
    hf_trust *trust = hf_trust_new(r.crypto);
    assert_int_equal(hf_certificate_issue(r.crypto, &root_wish, root_key, NULL, NULL, pem, &n).code, 0);
    assert_int_equal(hf_trust_add(trust, hf_bytes_make(pem, n), &added).code, 0);
    static const struct { const char *host; int64_t at; int32_t code; } rows[] = { { "a.test", 5000, 0 }, { "x.b.test", 5000, 0 }, { "10.0.0.1", 5000, 0 },
        { "::1", 5000, 0 }, { "c.test", 5000, HF_ERR_TLS_CERT_NAME }, { "a.test", 1500, HF_ERR_TLS_CERT_NOT_YET }, { "a.test", 850000, HF_ERR_TLS_CERT_EXPIRED } };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const hf_trust_question q = { hf_text(rows[i].host), { rows[i].at }, false };
        assert_int_equal(hf_trust_verify(trust, leaf, &q, &v).code, rows[i].code);
    }
    const hf_trust_question client = { hf_text(""), { 5000 }, true };
    assert_int_equal(hf_trust_verify(trust, leaf, &client, &v).code, HF_ERR_TLS_CERT_PURPOSE);
    /* a leaf issues nothing, whatever it signs */
    hf_chain *below = issued(&leaf_wish, root_key, leaf, leaf_key);
    const hf_bytes both[] = { hf_chain_der(below, 0), hf_chain_der(leaf, 0) };
    hf_chain *long_chain = NULL;
    assert_int_equal(hf_chain_parse(r.crypto, both, 2, &long_chain).code, 0);
    const hf_trust_question q = { hf_text("a.test"), { 5000 }, false };
    assert_int_equal(hf_trust_verify(trust, long_chain, &q, &v).code, HF_ERR_TLS_CERT_NOT_A_CA);
    /* keys survive their PEM */
    assert_int_equal(hf_key_write(leaf_key, pem, &n).code, 0);
    assert_int_equal(hf_key_load(r.crypto, hf_bytes_make(pem, n), &again).code, 0);
    assert_true(hf_chain_matches(leaf, again));
    hf_key_free(again);
    hf_key_free(leaf_key);
    hf_key_free(root_key);
    hf_chain_free(long_chain);
    hf_chain_free(below);
    hf_chain_free(leaf);
    hf_chain_free(root);
    hf_trust_free(trust);
}

static void a_certificate_is_described(void **state)
{
    (void)state;
    hf_certificate_facts f;
    hf_chain_describe(r.identities[0].chain, 0, &f);
    assert_string_equal(f.subject, "/CN=p256");
    assert_string_equal(f.issuer, "/CN=Handfast test root");
    assert_string_equal(f.names, "localhost, 127.0.0.1");
    assert_int_equal(f.kind, HF_KEY_P256);
    assert_int_equal(f.key_bits, 256);
    assert_false(f.authority || f.self_issued);
    assert_true(f.until.s - f.from.s == INT64_C(36500) * 86400);
    assert_true(strlen(f.serial) >= 16);
}

static void names_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "a b", "a,IP:1.2.3.4", "*", "a*.test", "1.2.3", "1.2.3.4.5", "g::1", "a\nb" };
    hf_key *key = NULL;
    uint8_t pem[HF_PEM_ROOM];
    size_t n = 0;
    assert_int_equal(hf_key_make(r.crypto, &key).code, 0);
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        const hf_bytes name = hf_text(bad[i]);
        const hf_certificate_wish wish = { .common_name = "x", .names = &name, .name_count = 1, .from = { 1 }, .until = { 2 } };
        if (hf_certificate_issue(r.crypto, &wish, key, r.identities[0].chain, r.identities[0].key, pem, &n).code != HF_ERR_BASE_USAGE)
            fail_msg("\"%s\" is taken for a name", bad[i]);
    }
    hf_key_free(key);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(every_kind_of_key_signs_what_its_chain_checks), T(what_is_no_key_is_refused), T(a_chain_is_believed_for_its_names_and_dates),
        T(an_unknown_issuer_is_told_from_a_self_signed_leaf), T(the_same_seed_gives_the_same_secrets), T(secrets_compare_and_wipe),
        T(a_premaster_secret_is_decrypted_or_replaced_in_silence), T(what_is_issued_here_is_believed_as_it_says), T(a_certificate_is_described), T(names_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
