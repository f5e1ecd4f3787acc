/* SPDX-License-Identifier: Apache-2.0
 *
 * Making keys and certificates (RFC 5280 4) for a local CA; and saying what a certificate holds. Fields and extensions are
 * chosen here; DER is libcrypto's.
 */
#include "crypto_chain.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "text.h"

enum { NAMES_ROOM = 8192, SERIAL = 16 };

/* ---- keys --------------------------------------------------------------------------------------------------- */

static hf_err give(hf_crypto *c, EVP_PKEY *pkey, hf_key_kind kind, hf_key **key)
{
    ERR_clear_error();
    *key = pkey == NULL ? NULL : hf_alloc_zeroed(&c->env->alloc, sizeof **key);
    if (*key == NULL) {
        EVP_PKEY_free(pkey);
        return hf_err_make(pkey == NULL ? HF_ERR_TLS_CRYPTO : HF_ERR_BASE_MEMORY);
    }
    **key = (hf_key){ .crypto = c, .pkey = pkey, .kind = kind };
    return HF_OK;
}

hf_err hf_key_make(hf_crypto *c, hf_key **key)
{
    return give(c, EVP_PKEY_Q_keygen(c->library, NULL, "EC", "P-256"), HF_KEY_P256, key);
}

hf_err hf_key_make_rsa(hf_crypto *c, hf_key **key)
{
    return give(c, EVP_PKEY_Q_keygen(c->library, NULL, "RSA", (size_t)2048), HF_KEY_RSA, key);
}

/* What was written to `bio` into `out`. Frees `bio`. */
static hf_err take(BIO *bio, bool good, uint8_t *out, size_t *length)
{
    char *text = NULL;
    const long n = bio != NULL && good ? BIO_get_mem_data(bio, &text) : 0;
    *length = n > 0 && n <= HF_PEM_ROOM ? (size_t)n : 0;
    if (*length > 0)
        memcpy(out, text, *length);
    BIO_free(bio);
    ERR_clear_error();
    return *length > 0 ? HF_OK : hf_err_make(HF_ERR_TLS_CRYPTO);
}

hf_err hf_key_write(const hf_key *key, uint8_t *out, size_t *length)
{
    BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when it is freed */
    const bool good = bio != NULL &&
        PEM_write_bio_PrivateKey_ex(bio, key->pkey, NULL, NULL, 0, NULL, NULL, key->crypto->library, NULL) == 1;
    return take(bio, good, out, length);
}

/* ---- names -------------------------------------------------------------------------------------------------- */

static bool is_address(hf_bytes name)
{
    bool digits = true;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == ':')
            return true;
        digits = digits && (name.ptr[i] == '.' || (name.ptr[i] >= '0' && name.ptr[i] <= '9'));
    }
    return digits;
}

/* The bytes of a name become part of a list that libcrypto parses: a comma or a blank would be another entry. */
static bool is_plain(hf_bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        const uint8_t b = hf_lower(name.ptr[i]);
        const bool letter = (b >= 'a' && b <= 'z') || (b >= '0' && b <= '9') || b == '-' || b == '_' || b == '.' || b == ':';
        if (!letter && !(b == '*' && i == 0 && name.len > 2 && name.ptr[1] == '.'))
            return false;
    }
    return name.len > 0 && name.len <= HF_HOST_MOST;
}

static bool write_names(const hf_certificate_wish *wish, hf_writer *w)
{
    for (size_t i = 0; i < wish->name_count; i++) {
        if (!is_plain(wish->names[i]))
            return false;
        hf_write_text(w, i > 0 ? "," : "");
        hf_write_text(w, is_address(wish->names[i]) ? "IP:" : "DNS:");
        hf_write(w, wish->names[i]);
    }
    hf_write_byte(w, 0);
    return !w->overflowed;
}

/* ---- a certificate ------------------------------------------------------------------------------------------ */

static bool add_extension(X509V3_CTX *ctx, X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
    const bool good = e != NULL && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return good;
}

static bool add_extensions(X509 *x, X509 *issuer, const hf_certificate_wish *wish, const char *names)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&ctx);
    if (!add_extension(&ctx, x, NID_subject_key_identifier, "hash"))
        return false;
    if (wish->authority)
        return add_extension(&ctx, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
               add_extension(&ctx, x, NID_key_usage, "critical,keyCertSign,cRLSign");
    return add_extension(&ctx, x, NID_authority_key_identifier, "keyid") &&
           add_extension(&ctx, x, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(&ctx, x, NID_key_usage, wish->enciphers ? "critical,digitalSignature,keyEncipherment" : "critical,digitalSignature") &&
           add_extension(&ctx, x, NID_ext_key_usage, "serverAuth") &&
           add_extension(&ctx, x, NID_subject_alt_name, names);
}

/* RFC 5280 4.1.2.2: a positive integer of at most 20 octets. */
static bool set_serial(hf_crypto *c, X509 *x)
{
    uint8_t bytes[SERIAL];
    if (!hf_crypto_random(c, bytes, sizeof bytes))
        return false;
    bytes[0] = (uint8_t)((bytes[0] & 0x3f) | 0x40);
    BIGNUM *n = BN_bin2bn(bytes, sizeof bytes, NULL);
    const bool good = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;
    BN_free(n);
    return good;
}

static bool set_subject(X509 *x, const char *common_name)
{
    X509_NAME *name = X509_get_subject_name(x);
    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Handfast development", -1, -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) == 1;
}

static bool fill(hf_crypto *c, X509 *x, X509 *issuer, const hf_certificate_wish *wish, const hf_key *key, const char *names)
{
    return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(c, x) &&
           ASN1_TIME_set(X509_getm_notBefore(x), (time_t)wish->from.s) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(x), (time_t)wish->until.s) != NULL && X509_set_pubkey(x, key->pkey) == 1 &&
           set_subject(x, wish->common_name) && X509_set_issuer_name(x, X509_get_subject_name(issuer)) == 1 &&
           add_extensions(x, issuer, wish, names);
}

hf_err hf_certificate_issue(hf_crypto *c, const hf_certificate_wish *wish, const hf_key *key, const hf_chain *issuer,
    const hf_key *issuer_key, uint8_t *out, size_t *length)
{
    char names[NAMES_ROOM];
    hf_writer w = hf_writer_make(names, sizeof names);
    *length = 0;
    if (!write_names(wish, &w))
        return hf_err_make(HF_ERR_BASE_USAGE);
    X509 *x = X509_new_ex(c->library, NULL);
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = x != NULL && bio != NULL && fill(c, x, issuer != NULL ? issuer->certificates[0] : x, wish, key, names);
    const bool named = good;
    const hf_key *const signer = issuer_key != NULL ? issuer_key : key;
    /* Ed25519 brings its own hash */
    const EVP_MD *const hash = signer->kind == HF_KEY_ED25519 ? NULL : c->hashes[HF_HASH_SHA256];
    good = good && X509_sign(x, signer->pkey, hash) > 0 && PEM_write_bio_X509(bio, x) == 1;
    const hf_err err = take(bio, good, out, length);
    X509_free(x);
    /* What libcrypto refuses before it signs is a name: 300.1.1.1, a:b */
    return err.code != 0 && !named ? hf_err_make(HF_ERR_BASE_USAGE) : err;
}

/* ---- what one holds ----------------------------------------------------------------------------------------- */

/* As it was sent: libcrypto keeps the bytes of what it parsed. */
static void put_digest(hf_crypto *c, X509 *x, hf_certificate_facts *facts)
{
    unsigned char *der = NULL;
    const int n = i2d_X509(x, &der);
    if (n > 0)
        (void)hf_hash_of(c, HF_HASH_SHA256, hf_bytes_make(der, (size_t)n), facts->digest);
    OPENSSL_free(der);
}

void hf_certificate_describe(hf_crypto *c, X509 *x, hf_certificate_facts *facts)
{
    memset(facts, 0, sizeof *facts);
    hf_certificate_put_name(facts->subject, sizeof facts->subject, X509_get_subject_name(x));
    hf_certificate_put_name(facts->issuer, sizeof facts->issuer, X509_get_issuer_name(x));
    hf_certificate_put_names(facts->names, sizeof facts->names, x);
    hf_certificate_put_serial(facts->serial, sizeof facts->serial, x);
    put_digest(c, x, facts);
    unsigned char *key = NULL;
    const int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &key);
    if (n > 0)
        (void)hf_hash_of(c, HF_HASH_SHA256, hf_bytes_make(key, (size_t)n), facts->key_digest);
    OPENSSL_free(key);
    const EVP_PKEY *pkey = X509_get0_pubkey(x);
    facts->kind = pkey == NULL ? HF_KEY_OTHER : hf_pkey_kind(pkey);
    facts->key_bits = pkey == NULL ? 0 : (uint16_t)EVP_PKEY_get_bits(pkey);
    facts->authority = X509_check_ca(x) == 1;
    facts->self_issued = X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0;
    facts->from = hf_certificate_date(X509_get0_notBefore(x));
    facts->until = hf_certificate_date(X509_get0_notAfter(x));
    ERR_clear_error();
}

void hf_chain_describe(const hf_chain *chain, size_t index, hf_certificate_facts *facts)
{
    hf_certificate_describe(chain->crypto, chain->certificates[index], facts);
}
