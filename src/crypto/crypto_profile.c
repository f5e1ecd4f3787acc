/* SPDX-License-Identifier: Apache-2.0
 *
 * The web's profile: what browsers refuse although RFC 5280's path validation lets it pass. Each check speaks of one
 * certificate below the root; a root that was given is believed as it is (RFC 5280 6.1.1 (d): an anchor is a name and a
 * key).
 */
#include "crypto_chain.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "text.h"

enum { SERIAL_MOST = 20 /* RFC 5280 4.1.2.2: "longer than 20 octets" is not conforming */ };

typedef struct case_at {
    const hf_trust *trust;
    const hf_path *path;
    const hf_trust_question *question;
    hf_verdict *verdict;
    size_t depth;
    X509 *x;
} case_at;

/* Always false. */
static bool refuse(const case_at *c, int32_t code, const char *reason, const char *got, const char *wanted)
{
    hf_verdict_fill(c->verdict, hf_err_make(code), X509_V_OK, c->path, c->depth, c->question);
    hf_verdict_say(c->verdict, reason, got, wanted);
    return false;
}

/* ---- the key -------------------------------------------------------------------------------------------------- */

static bool is_known_curve(const EVP_PKEY *key)
{
    char curve[32];
    size_t n = 0;
    static const char *const known[] = { "prime256v1", "secp384r1", "secp521r1" };
    if (EVP_PKEY_get_group_name(key, curve, sizeof curve, &n) != 1)
        return false;
    for (size_t i = 0; i < HF_COUNT(known); i++)
        if (strcmp(curve, known[i]) == 0)
            return true;
    return false;
}

static bool has_good_key(const case_at *c)
{
    EVP_PKEY *const key = X509_get0_pubkey(c->x);
    const bool rsa = key != NULL && (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS"));
    const bool known = rsa || (key != NULL && (EVP_PKEY_is_a(key, "ED25519") || (EVP_PKEY_is_a(key, "EC") && is_known_curve(key))));
    const char *const kind = key == NULL ? NULL : EVP_PKEY_get0_type_name(key);
    ERR_clear_error();
    if (!known)
        return refuse(c, HF_ERR_TLS_CERT_KEY_KIND, "a kind of key that TLS has no use for", kind != NULL ? kind : "no key that can be read", NULL);
    /* libcrypto's level 2 has refused it already, unless its build has other levels */
    return !rsa || EVP_PKEY_get_bits(key) >= 2048 || refuse(c, HF_ERR_TLS_CERT_WEAK, "RSA key too short", NULL, NULL);
}

/* What basicConstraints says, whatever the key usage. */
static bool is_ca(X509 *x)
{
    const bool ca = (X509_get_extension_flags(x) & EXFLAG_CA) != 0;
    ERR_clear_error();
    return ca;
}

/* ---- form ----------------------------------------------------------------------------------------------------- */

static bool has_good_frame(const case_at *c)
{
    if (X509_get_version(c->x) != X509_VERSION_3)
        return refuse(c, HF_ERR_TLS_CERT_VERSION, "certificate without extensions", X509_get_version(c->x) == X509_VERSION_1 ? "version 1" : "version 2", "version 3");
    if (ASN1_STRING_length(X509_get0_serialNumber(c->x)) > SERIAL_MOST)
        return refuse(c, HF_ERR_TLS_CERT_ENCODING, "serial number too long", NULL, "at most 20 octets");
    return true;
}

/* Every extension that libcrypto knows decodes: RFC 5280 4.2 gives each its ASN.1. */
static bool extensions_decode(const case_at *c)
{
    for (int i = 0; i < X509_get_ext_count(c->x); i++) {
        X509_EXTENSION *const e = X509_get_ext(c->x, i);
        const X509V3_EXT_METHOD *const method = X509V3_EXT_get(e);
        void *const value = method == NULL ? NULL : X509V3_EXT_d2i(e);
        ERR_clear_error();
        if (method != NULL && value == NULL)
            return refuse(c, HF_ERR_TLS_CERT_ENCODING, "an extension does not decode", OBJ_nid2ln(OBJ_obj2nid(X509_EXTENSION_get_object(e))), NULL);
        if (value == NULL)
            continue;
        if (method->it != NULL)
            ASN1_item_free(value, ASN1_ITEM_ptr(method->it));
        else
            method->ext_free(value);
    }
    return true;
}

/* RFC 5280 4.2.2.1: SEQUENCE SIZE (1..MAX) OF AccessDescription. */
static bool says_where(const case_at *c)
{
    AUTHORITY_INFO_ACCESS *const info = X509_get_ext_d2i(c->x, NID_info_access, NULL, NULL);
    const bool empty = info != NULL && sk_ACCESS_DESCRIPTION_num(info) == 0;
    AUTHORITY_INFO_ACCESS_free(info);
    ERR_clear_error();
    return !empty || refuse(c, HF_ERR_TLS_CERT_ENCODING, "authorityInfoAccess holds nothing", "an empty list", "one place or more");
}

/* RFC 5280 4.2.1.10: "MUST be used only in a CA certificate", and "either the permittedSubtrees field or the
 * excludedSubtrees MUST be present", of SIZE (1..MAX). */
static bool constraints_stand_well(const case_at *c)
{
    NAME_CONSTRAINTS *const nc = X509_get_ext_d2i(c->x, NID_name_constraints, NULL, NULL);
    ERR_clear_error();
    if (nc == NULL)
        return true;
    const int n = (nc->permittedSubtrees == NULL ? 0 : sk_GENERAL_SUBTREE_num(nc->permittedSubtrees)) +
                  (nc->excludedSubtrees == NULL ? 0 : sk_GENERAL_SUBTREE_num(nc->excludedSubtrees));
    NAME_CONSTRAINTS_free(nc);
    if (n == 0)
        return refuse(c, HF_ERR_TLS_CERT_ENCODING, "name constraints that constrain nothing", "no subtree", "a permitted or excluded subtree");
    if (!is_ca(c->x))
        return refuse(c, HF_ERR_TLS_CERT_ENCODING, "name constraints in a certificate that issues none", "nameConstraints with cA FALSE", "nameConstraints in CA certificates only");
    return true;
}

/* ---- names ---------------------------------------------------------------------------------------------------- */

/* RFC 5280 4.2.1.6: "preferred name syntax", and browsers take '_', too. A wildcard where it means nothing is let through: it
 * covers nothing. */
static bool is_dns_name(const ASN1_STRING *value)
{
    const uint8_t *const p = ASN1_STRING_get0_data(value);
    const int n = ASN1_STRING_length(value);
    int label = 0;
    for (int i = 0; i < n; i++) {
        const uint8_t b = hf_lower(p[i]);
        const bool good = (b >= 'a' && b <= 'z') || (b >= '0' && b <= '9') || b == '-' || b == '_' || b == '*';
        if (b == '.' ? label == 0 : !good || label == 63)
            return false;
        label = b == '.' ? 0 : label + 1;
    }
    return n > 0 && n <= HF_HOST_MOST && label > 0;
}

static bool names_are_names(const case_at *c)
{
    GENERAL_NAMES *const names = X509_get_ext_d2i(c->x, NID_subject_alt_name, NULL, NULL);
    const char *wrong = NULL;
    char got[128] = "";
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && wrong == NULL; i++) {
        int kind = 0;
        const ASN1_STRING *const value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &kind);
        if (kind == GEN_DNS && !is_dns_name(value))
            wrong = "a DNS name in subjectAltName is none";
        if (kind == GEN_IPADD && ASN1_STRING_length(value) != 4 && ASN1_STRING_length(value) != 16)
            wrong = "an address in subjectAltName is none";
        if (wrong != NULL && kind == GEN_DNS) {
            hf_writer w = hf_writer_make(got, sizeof got - 1);
            for (int k = 0; k < ASN1_STRING_length(value); k++) { /* hostile bytes go to a terminal */
                const uint8_t b = ASN1_STRING_get0_data(value)[k];
                hf_write_byte(&w, b > ' ' && b < 0x7f ? b : '?');
            }
            got[w.length] = 0;
        }
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    return wrong == NULL || refuse(c, HF_ERR_TLS_CERT_ENCODING, wrong, got[0] != 0 ? got : NULL, NULL);
}

/* ---- revocation of the intermediates -------------------------------------------------------------------------- */

/* libcrypto asks for a list for the leaf. For those above it a list counts when there is one. */
static bool is_revoked(const case_at *c, X509 *issuer)
{
    bool revoked = false;
    for (int i = 0; i < sk_X509_CRL_num(c->trust->lists) && !revoked; i++) {
        X509_CRL *const list = sk_X509_CRL_value(c->trust->lists, i);
        X509_REVOKED *entry = NULL;
        revoked = X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_issuer_name(c->x)) == 0 &&
                  X509_CRL_get0_by_cert(list, &entry, c->x) == 1 && X509_CRL_verify(list, X509_get0_pubkey(issuer)) == 1;
    }
    ERR_clear_error();
    return revoked;
}

/* ---- all of it ------------------------------------------------------------------------------------------------ */

bool hf_profile_accepts(const hf_trust *trust, const hf_path *path, const hf_trust_question *question, hf_verdict *verdict)
{
    case_at c = { .trust = trust, .path = path, .question = question, .verdict = verdict };
    for (size_t i = 0; i + 1 < path->count; i++) {
        c.depth = i;
        c.x = path->certificates[i];
        if (!has_good_frame(&c) || !has_good_key(&c) || !extensions_decode(&c) || !says_where(&c) || !constraints_stand_well(&c) ||
            !names_are_names(&c))
            return false;
        if (i == 0 && is_ca(c.x))
            return refuse(&c, HF_ERR_TLS_CERT_CA_AS_LEAF, "the leaf is a CA", "cA TRUE", "cA FALSE");
        if (i > 0 && is_revoked(&c, path->certificates[i + 1]))
            return refuse(&c, HF_ERR_TLS_CERT_REVOKED, "an intermediate was revoked", NULL, NULL);
    }
    return true;
}
