/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto_walk.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "crypto_chain.h"
#include "text.h"

static void put(char *out, size_t room, const char *text)
{
    hf_writer w = hf_writer_make(out, room - 1);
    hf_write_text(&w, text != NULL ? text : "");
    out[w.length] = 0;
}

static hf_link_kind kind_of(const X509 *x)
{
    switch (X509_get_signature_nid(x)) {
    case NID_rsassaPss: return HF_LINK_RSA_PSS;
    case NID_ED25519: return HF_LINK_ED25519;
    case NID_sha1WithRSAEncryption:
    case NID_md5WithRSAEncryption:
    case NID_sha224WithRSAEncryption:
    case NID_sha256WithRSAEncryption:
    case NID_sha384WithRSAEncryption:
    case NID_sha512WithRSAEncryption: return HF_LINK_RSA;
    case NID_ecdsa_with_SHA1:
    case NID_ecdsa_with_SHA224:
    case NID_ecdsa_with_SHA256:
    case NID_ecdsa_with_SHA384:
    case NID_ecdsa_with_SHA512: return HF_LINK_ECDSA;
    default: return HF_LINK_OTHER;
    }
}

/* H1: the hash of what is signed, as the certificate was sent (libcrypto keeps those bytes). */
static void hash_contents(hf_crypto *c, X509 *x, hf_link *l)
{
    unsigned char *tbs = NULL;
    int md = NID_undef, key = 0, bits = 0;
    uint32_t flags = 0;
    unsigned n = 0;
    const int length = i2d_re_X509_tbs(x, &tbs);
    l->contents = length > 0 ? (size_t)length : 0;
    if (X509_get_signature_info(x, &md, &key, &bits, &flags) == 1 && md != NID_undef && length > 0) {
        EVP_MD *const hash = EVP_MD_fetch(c->library, OBJ_nid2sn(md), NULL);
        if (hash != NULL && EVP_Digest(tbs, (size_t)length, l->h1, &n, hash, NULL) == 1)
            l->h1_length = (uint8_t)n;
        put(l->hash, sizeof l->hash, OBJ_nid2sn(md));
        EVP_MD_free(hash);
    }
    OPENSSL_free(tbs);
}

/* H2: RFC 8017 9.2, EMSA-PKCS1-v1_5 holds a DigestInfo, and that the hash. */
static void recover(hf_crypto *c, const X509 *x, EVP_PKEY *key, hf_link *l)
{
    const ASN1_BIT_STRING *signature = NULL;
    uint8_t info[HF_SIGNATURE_MOST * 2];
    size_t n = sizeof info;
    X509_get0_signature(&signature, NULL, x);
    EVP_PKEY_CTX *const ctx = EVP_PKEY_CTX_new_from_pkey(c->library, key, NULL);
    const bool good = ctx != NULL && EVP_PKEY_get_size(key) <= (int)sizeof info && EVP_PKEY_verify_recover_init(ctx) == 1 &&
                      EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
                      EVP_PKEY_verify_recover(ctx, info, &n, ASN1_STRING_get0_data(signature), (size_t)ASN1_STRING_length(signature)) == 1;
    EVP_PKEY_CTX_free(ctx);
    const unsigned char *at = info;
    X509_SIG *const digest_info = good ? d2i_X509_SIG(NULL, &at, (long)n) : NULL;
    const ASN1_OCTET_STRING *digest = NULL;
    if (digest_info != NULL)
        X509_SIG_get0(digest_info, NULL, &digest);
    if (digest != NULL && ASN1_STRING_length(digest) <= (int)sizeof l->h2) {
        l->h2_length = (uint8_t)ASN1_STRING_length(digest);
        memcpy(l->h2, ASN1_STRING_get0_data(digest), l->h2_length);
    }
    X509_SIG_free(digest_info);
}

static int place_of(const hf_chain *chain, const X509 *x)
{
    for (size_t i = 0; i < chain->count; i++)
        if (X509_cmp(chain->certificates[i], x) == 0)
            return (int)i;
    return -1;
}

static void fill(hf_crypto *c, const hf_chain *chain, const hf_path *path, size_t i, hf_link *l)
{
    X509 *const x = path->certificates[i];
    const bool last = i + 1 == path->count;
    X509 *const issuer = !last ? path->certificates[i + 1] : hf_certificate_self_issued(x) ? x : NULL;
    hf_certificate_describe(c, x, &l->facts);
    l->sent = place_of(chain, x);
    l->trusted = last && path->anchored;
    put(l->algorithm, sizeof l->algorithm, OBJ_nid2ln(X509_get_signature_nid(x)));
    hf_certificate_put_fetch(l->fetch_at, sizeof l->fetch_at, x);
    hash_contents(c, x, l);
    EVP_PKEY *const key = issuer == NULL ? NULL : X509_get0_pubkey(issuer);
    if (key != NULL) {
        l->kind = kind_of(x);
        l->holds = X509_verify(x, key) == 1;
        if (l->kind == HF_LINK_RSA && EVP_PKEY_is_a(key, "RSA"))
            recover(c, x, key, l);
    }
    ERR_clear_error();
}

hf_err hf_trust_walk(hf_trust *trust, const hf_chain *chain, const hf_trust_question *question, hf_walk *walk)
{
    hf_path path;
    memset(walk, 0, sizeof *walk);
    hf_path_find(trust, chain, question, &path, &walk->verdict);
    walk->count = path.count;
    walk->anchored = path.anchored;
    walk->roots = trust->root_count;
    for (size_t i = 0; i < path.count; i++)
        fill(trust->crypto, chain, &path, i, &walk->links[i]);
    return walk->verdict.err;
}
