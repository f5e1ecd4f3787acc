/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates for tests, each from one line of text, so that a table of chains can be read. Nothing is kept: keys and
 * certificates are made anew in every run.
 *
 *   "L<I"                a leaf L, issued by I: names that begin with L are leaves for site.test, all others are CAs
 *   "L<I@J"              says that I issued it, but J's key signed
 *   key=NAME             the subject's key, its own unless told, made when it is first named: of P-256, or what stands behind
 *                        a dash: L-rsa1024, L-p384, L-p521, L-k256, L-ed25519, L-dsa
 *   hash=sha1            what the signature is over; from=-5 until=30: days from now; v1: no extensions; serial=BYTES
 *   bc= ku= eku= san= nc= ski= aki= aia= pc=   an extension as openssl writes it; "-": without it
 *   ext=OID              an extension that nobody knows; ext!=OID: a critical one
 *   "=I"                 instead of all that: the certificate of that name which was made last, again
 */
#ifndef HF_TESTS_CHAIN_MAKER_H
#define HF_TESTS_CHAIN_MAKER_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#define MAKER_NOW INT64_C(1780000000) /* in 2026 */

typedef struct maker_key {
    char name[128];
    EVP_PKEY *pkey;
} maker_key;

typedef struct maker {
    maker_key keys[64];
    size_t key_count;
    X509 *made[64]; /* in order, for lists that revoke by name */
    size_t made_count;
} maker;

typedef struct maker_wish {
    char subject[32], issuer[32], signer[32], key[32], hash[16];
    char ext[9][128];
    char oid[32];
    bool critical, v1;
    int from, until, serial;
} maker_wish;

enum { MAKER_BC, MAKER_KU, MAKER_EKU, MAKER_SAN, MAKER_NC, MAKER_SKI, MAKER_AKI, MAKER_AIA, MAKER_PC };
static const char *const maker_names[] = { "bc=", "ku=", "eku=", "san=", "nc=", "ski=", "aki=", "aia=", "pc=" };
static const int maker_nids[] = { NID_basic_constraints, NID_key_usage, NID_ext_key_usage, NID_subject_alt_name, NID_name_constraints,
    NID_subject_key_identifier, NID_authority_key_identifier, NID_info_access, NID_policy_constraints };

static inline EVP_PKEY *maker_make_key(const char *kind)
{
    if (strncmp(kind, "rsa", 3) == 0)
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)atoi(kind + 3));
    if (strcmp(kind, "ed25519") == 0)
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (strcmp(kind, "dsa") != 0)
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", strcmp(kind, "p384") == 0 ? "P-384" : strcmp(kind, "p521") == 0 ? "P-521" : strcmp(kind, "k256") == 0 ? "secp256k1" : "P-256");
    EVP_PKEY *parameters = NULL, *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
    assert_int_equal(EVP_PKEY_paramgen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &parameters), 1);
    EVP_PKEY_CTX_free(ctx);
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, parameters, NULL);
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(parameters);
    return key;
}

/* Kept by name until the maker is freed: RSA keys take long. */
static inline EVP_PKEY *maker_key_of(maker *m, const char *name)
{
    const char *const dash = strchr(name, '-');
    for (size_t i = 0; i < m->key_count; i++)
        if (strcmp(m->keys[i].name, name) == 0)
            return m->keys[i].pkey;
    assert_true(m->key_count < HF_COUNT(m->keys));
    maker_key *k = &m->keys[m->key_count++];
    snprintf(k->name, sizeof k->name, "%s", name);
    k->pkey = maker_make_key(dash != NULL ? dash + 1 : "p256");
    assert_non_null(k->pkey);
    return k->pkey;
}

static inline void maker_defaults(maker_wish *w)
{
    const bool leaf = w->subject[0] == 'L';
    strcpy(w->ext[MAKER_BC], leaf ? "critical,CA:FALSE" : "critical,CA:TRUE");
    strcpy(w->ext[MAKER_KU], leaf ? "critical,digitalSignature" : "critical,keyCertSign,cRLSign");
    strcpy(w->ext[MAKER_EKU], leaf ? "serverAuth" : "-");
    strcpy(w->ext[MAKER_SAN], leaf ? "DNS:site.test" : "-");
    strcpy(w->ext[MAKER_SKI], "hash");
    strcpy(w->ext[MAKER_AKI], strcmp(w->subject, w->issuer) == 0 ? "-" : "keyid");
    strcpy(w->ext[MAKER_NC], "-");
    strcpy(w->ext[MAKER_AIA], "-");
    strcpy(w->ext[MAKER_PC], "-");
    w->from = -100;
    w->until = 100;
    strcpy(w->hash, "sha256");
    strcpy(w->key, w->subject);
}

static inline void maker_option(maker_wish *w, const char *word)
{
    for (size_t i = 0; i < HF_COUNT(maker_names); i++)
        if (strncmp(word, maker_names[i], strlen(maker_names[i])) == 0) {
            snprintf(w->ext[i], sizeof w->ext[i], "%s", word + strlen(maker_names[i]));
            return;
        }
    const char *const value = strchr(word, '=') != NULL ? strchr(word, '=') + 1 : "";
    if (strncmp(word, "key=", 4) == 0)
        snprintf(w->key, sizeof w->key, "%s", value);
    else if (strncmp(word, "hash=", 5) == 0)
        snprintf(w->hash, sizeof w->hash, "%s", value);
    else if (strncmp(word, "from=", 5) == 0)
        w->from = atoi(value);
    else if (strncmp(word, "until=", 6) == 0)
        w->until = atoi(value);
    else if (strncmp(word, "serial=", 7) == 0)
        w->serial = atoi(value);
    else if (strncmp(word, "ext", 3) == 0)
        snprintf(w->oid, sizeof w->oid, "%s", value), w->critical = word[3] == '!';
    else if (strcmp(word, "v1") == 0)
        w->v1 = true;
    else
        fail_msg("no option %s", word);
}

static inline maker_wish maker_parse(const char *line)
{
    maker_wish w = { .v1 = false };
    char text[512], *rest = NULL;
    snprintf(text, sizeof text, "%s", line);
    char *word = strtok_r(text, " ", &rest);
    char *by = strchr(word, '<');
    assert_non_null(by);
    *by++ = 0;
    char *at = strchr(by, '@');
    if (at != NULL)
        *at++ = 0;
    snprintf(w.subject, sizeof w.subject, "%s", word);
    snprintf(w.issuer, sizeof w.issuer, "%s", by);
    snprintf(w.signer, sizeof w.signer, "%s", at != NULL ? at : by);
    maker_defaults(&w);
    while ((word = strtok_r(NULL, " ", &rest)) != NULL)
        maker_option(&w, word);
    return w;
}

static inline void maker_name(X509_NAME *name, const char *text)
{
    if (strcmp(text, "LEMPTY") != 0)
        assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)text, -1, -1, 0), 1);
}

static inline void maker_serial(X509 *x, int bytes)
{
    unsigned char random[40] = { 0x41 };
    const int n = bytes > 0 ? bytes : 16;
    assert_int_equal(RAND_bytes(random + 1, n - 1), 1);
    BIGNUM *b = BN_bin2bn(random, n, NULL);
    assert_non_null(BN_to_ASN1_INTEGER(b, X509_get_serialNumber(x)));
    BN_free(b);
}

static inline void maker_extensions(X509 *x, const maker_wish *w, EVP_PKEY *signer)
{
    /* the issuer's key identifier is that of the key which signs, whoever else has its name */
    X509 *issuer = X509_new();
    X509_set_pubkey(issuer, signer);
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, NULL, issuer, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&ctx);
    X509_EXTENSION *ski = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_key_identifier, "hash");
    X509_add_ext(issuer, ski, -1);
    X509_EXTENSION_free(ski);
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&ctx);
    for (size_t i = 0; i < HF_COUNT(maker_names); i++) {
        if (w->ext[i][0] == '-')
            continue;
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, maker_nids[i], w->ext[i]);
        if (e == NULL)
            fail_msg("%s%s is no extension", maker_names[i], w->ext[i]);
        assert_int_equal(X509_add_ext(x, e, -1), 1);
        X509_EXTENSION_free(e);
    }
    if (w->oid[0] != 0) {
        ASN1_OBJECT *oid = OBJ_txt2obj(w->oid, 1);
        ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
        ASN1_OCTET_STRING_set(value, (const unsigned char *)"\x05\x00", 2);
        X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, oid, w->critical, value);
        assert_int_equal(X509_add_ext(x, e, -1), 1);
        X509_EXTENSION_free(e);
        ASN1_OCTET_STRING_free(value);
        ASN1_OBJECT_free(oid);
    }
    X509_free(issuer);
}

/* Lends the certificate until maker_forget. */
static inline X509 *maker_issue(maker *m, const char *line)
{
    const maker_wish w = maker_parse(line);
    X509 *x = X509_new();
    EVP_PKEY *key = maker_key_of(m, w.key), *signer = strcmp(w.subject, w.signer) == 0 ? key : maker_key_of(m, w.signer);
    assert_int_equal(X509_set_version(x, w.v1 ? X509_VERSION_1 : X509_VERSION_3), 1);
    maker_serial(x, w.serial);
    ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(MAKER_NOW + w.from * INT64_C(86400)));
    ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(MAKER_NOW + w.until * INT64_C(86400)));
    maker_name(X509_get_subject_name(x), w.subject);
    maker_name(X509_get_issuer_name(x), w.issuer);
    assert_int_equal(X509_set_pubkey(x, key), 1);
    if (!w.v1)
        maker_extensions(x, &w, signer);
    const EVP_MD *hash = EVP_PKEY_is_a(signer, "ED25519") ? NULL : EVP_get_digestbyname(w.hash);
    assert_true(X509_sign(x, signer, hash) > 0);
    assert_true(m->made_count < HF_COUNT(m->made));
    m->made[m->made_count++] = x;
    return x;
}

/* "I:L,K" - I's list that revokes L and K; "I:" an empty one. Gives. */
static inline X509_CRL *maker_list(maker *m, const char *line, int days)
{
    char text[128], *rest = NULL;
    snprintf(text, sizeof text, "%s", line);
    char *names = strchr(text, ':');
    *names++ = 0;
    X509_CRL *list = X509_CRL_new();
    X509_NAME *issuer = X509_NAME_new();
    maker_name(issuer, text);
    X509_CRL_set_version(list, 1);
    X509_CRL_set_issuer_name(list, issuer);
    ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)(MAKER_NOW - 50 * 86400)), *until = ASN1_TIME_set(NULL, (time_t)(MAKER_NOW + days * 86400));
    X509_CRL_set1_lastUpdate(list, from);
    X509_CRL_set1_nextUpdate(list, until);
    for (char *name = strtok_r(names, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest))
        for (size_t i = 0; i < m->made_count; i++) {
            char cn[64] = "";
            X509_NAME_get_text_by_NID(X509_get_subject_name(m->made[i]), NID_commonName, cn, sizeof cn);
            if (strcmp(cn, name) != 0)
                continue;
            X509_REVOKED *entry = X509_REVOKED_new();
            X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(m->made[i]));
            X509_REVOKED_set_revocationDate(entry, from);
            X509_CRL_add0_revoked(list, entry);
        }
    X509_CRL_sort(list);
    assert_true(X509_CRL_sign(list, maker_key_of(m, text), EVP_sha256()) > 0);
    X509_NAME_free(issuer);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    return list;
}

static inline void maker_forget(maker *m)
{
    for (size_t i = 0; i < m->made_count; i++)
        X509_free(m->made[i]);
    m->made_count = 0;
}

static inline void maker_free(maker *m)
{
    maker_forget(m);
    for (size_t i = 0; i < m->key_count; i++)
        EVP_PKEY_free(m->keys[i].pkey);
    m->key_count = 0;
}

/* Appends PEM to `out`. */
static inline void maker_write(char *out, size_t room, X509 *x)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    PEM_write_bio_X509(bio, x);
    const size_t n = (size_t)BIO_get_mem_data(bio, &text), at = strlen(out);
    assert_true(at + n < room);
    memcpy(out + at, text, n);
    out[at + n] = 0;
    BIO_free(bio);
}

static inline X509 *maker_find(const maker *m, const char *name)
{
    for (size_t i = m->made_count; i-- > 0;) {
        char cn[64] = "";
        X509_NAME_get_text_by_NID(X509_get_subject_name(m->made[i]), NID_commonName, cn, sizeof cn);
        if (strcmp(cn, name) == 0)
            return m->made[i];
    }
    fail_msg("no certificate %s was made", name);
    return NULL;
}

/* "L<I|I<R" as PEM, in order. */
static inline void maker_pem(maker *m, const char *lines, char *out, size_t room)
{
    char text[2048], *rest = NULL;
    snprintf(text, sizeof text, "%s", lines);
    out[0] = 0;
    for (char *line = strtok_r(text, "|", &rest); line != NULL; line = strtok_r(NULL, "|", &rest)) {
        while (*line == ' ')
            line++;
        for (size_t n = strlen(line); n > 0 && line[n - 1] == ' '; n--)
            line[n - 1] = 0;
        maker_write(out, room, line[0] == '=' ? maker_find(m, line + 1) : maker_issue(m, line));
    }
}

#endif
