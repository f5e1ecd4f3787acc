/* SPDX-License-Identifier: Apache-2.0
 *
 * A verdict in words that a person can act on: which certificate, what was found in it, what was wanted.
 */
#include "crypto_chain.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "text.h"

typedef struct row {
    int library;
    int32_t code;
} row;

/* What libcrypto says, as the catalogue says it. What is not here is CERT_BAD. */
static const row rows[] = {
    { X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, HF_ERR_TLS_CERT_SELF_SIGNED },
    { X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, HF_ERR_TLS_CERT_ROOT_UNKNOWN },
    { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, HF_ERR_TLS_CERT_ISSUER_MISSING },
    { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, HF_ERR_TLS_CERT_ISSUER_MISSING },
    { X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, HF_ERR_TLS_CERT_ISSUER_MISSING },
    { X509_V_ERR_CERT_UNTRUSTED, HF_ERR_TLS_CERT_ROOT_UNKNOWN },
    { X509_V_ERR_CERT_HAS_EXPIRED, HF_ERR_TLS_CERT_EXPIRED },
    { X509_V_ERR_CERT_NOT_YET_VALID, HF_ERR_TLS_CERT_NOT_YET },
    { X509_V_ERR_HOSTNAME_MISMATCH, HF_ERR_TLS_CERT_NAME },
    { X509_V_ERR_IP_ADDRESS_MISMATCH, HF_ERR_TLS_CERT_NAME },
    { X509_V_ERR_CERT_REVOKED, HF_ERR_TLS_CERT_REVOKED },
    { X509_V_ERR_UNABLE_TO_GET_CRL, HF_ERR_TLS_CERT_NO_LIST },
    { X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER, HF_ERR_TLS_CERT_NO_LIST },
    { X509_V_ERR_CRL_SIGNATURE_FAILURE, HF_ERR_TLS_CERT_NO_LIST },
    { X509_V_ERR_CRL_HAS_EXPIRED, HF_ERR_TLS_CERT_NO_LIST },
    { X509_V_ERR_CRL_NOT_YET_VALID, HF_ERR_TLS_CERT_NO_LIST },
    { X509_V_ERR_INVALID_PURPOSE, HF_ERR_TLS_CERT_PURPOSE },
    { X509_V_ERR_INVALID_CA, HF_ERR_TLS_CERT_NOT_A_CA },
    { X509_V_ERR_KEYUSAGE_NO_CERTSIGN, HF_ERR_TLS_CERT_NOT_A_CA },
    { X509_V_ERR_PATH_LENGTH_EXCEEDED, HF_ERR_TLS_CERT_PATH_LENGTH },
    { X509_V_ERR_CERT_CHAIN_TOO_LONG, HF_ERR_TLS_CERT_PATH_LENGTH },
    { X509_V_ERR_PERMITTED_VIOLATION, HF_ERR_TLS_CERT_CONSTRAINTS },
    { X509_V_ERR_EXCLUDED_VIOLATION, HF_ERR_TLS_CERT_CONSTRAINTS },
    { X509_V_ERR_SUBTREE_MINMAX, HF_ERR_TLS_CERT_CONSTRAINTS },
    { X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE, HF_ERR_TLS_CERT_CONSTRAINTS },
    { X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX, HF_ERR_TLS_CERT_CONSTRAINTS },
    { X509_V_ERR_UNSUPPORTED_NAME_SYNTAX, HF_ERR_TLS_CERT_CONSTRAINTS },
    { X509_V_ERR_CERT_SIGNATURE_FAILURE, HF_ERR_TLS_CERT_SIGNATURE },
    { X509_V_ERR_EE_KEY_TOO_SMALL, HF_ERR_TLS_CERT_WEAK },
    { X509_V_ERR_CA_KEY_TOO_SMALL, HF_ERR_TLS_CERT_WEAK },
    { X509_V_ERR_CA_MD_TOO_WEAK, HF_ERR_TLS_CERT_WEAK },
    { X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, HF_ERR_TLS_CERT_CRITICAL },
    { X509_V_ERR_AUTHORITY_KEY_IDENTIFIER_CRITICAL, HF_ERR_TLS_CERT_ENCODING },
    { X509_V_ERR_SUBJECT_KEY_IDENTIFIER_CRITICAL, HF_ERR_TLS_CERT_ENCODING },
    { X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER, HF_ERR_TLS_CERT_ENCODING },
    { X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER, HF_ERR_TLS_CERT_ENCODING },
    { X509_V_ERR_EMPTY_SUBJECT_ALT_NAME, HF_ERR_TLS_CERT_ENCODING },
    { X509_V_ERR_EMPTY_SUBJECT_SAN_NOT_CRITICAL, HF_ERR_TLS_CERT_ENCODING },
    { X509_V_ERR_CA_BCONS_NOT_CRITICAL, HF_ERR_TLS_CERT_ENCODING },
    { X509_V_ERR_CA_CERT_MISSING_KEY_USAGE, HF_ERR_TLS_CERT_ENCODING },
    { X509_V_ERR_KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA, HF_ERR_TLS_CERT_ENCODING },
    { X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA, HF_ERR_TLS_CERT_ENCODING },
    { X509_V_ERR_PATHLEN_WITHOUT_KU_KEY_CERT_SIGN, HF_ERR_TLS_CERT_ENCODING },
    { X509_V_ERR_ISSUER_NAME_EMPTY, HF_ERR_TLS_CERT_ENCODING },
    { X509_V_ERR_SUBJECT_NAME_EMPTY, HF_ERR_TLS_CERT_ENCODING },
    { X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH, HF_ERR_TLS_CERT_ENCODING },
    { X509_V_ERR_SIGNATURE_ALGORITHM_INCONSISTENCY, HF_ERR_TLS_CERT_ENCODING },
    { X509_V_ERR_INVALID_EXTENSION, HF_ERR_TLS_CERT_ENCODING },
    { X509_V_ERR_EXTENSIONS_REQUIRE_VERSION_3, HF_ERR_TLS_CERT_VERSION },
    { X509_V_ERR_EC_KEY_EXPLICIT_PARAMS, HF_ERR_TLS_CERT_KEY_KIND },
    { X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY, HF_ERR_TLS_CERT_KEY_KIND },
    { X509_V_ERR_OUT_OF_MEM, HF_ERR_BASE_MEMORY },
};

hf_err hf_verdict_code(int library)
{
    if (library == X509_V_OK)
        return HF_OK;
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if (rows[i].library == library)
            return hf_err_make(rows[i].code);
    return hf_err_make(HF_ERR_TLS_CERT_BAD);
}

/* Of many bad paths that one is told which got farthest: what is wrong with the leaf is so on every path; a signature that
 * does not hold says only that this is no path. */
unsigned hf_verdict_rank(hf_err err)
{
    static const int32_t order[] = { HF_ERR_NONE, HF_ERR_BASE_MEMORY, HF_ERR_TLS_CERT_REVOKED, HF_ERR_TLS_CERT_NAME, HF_ERR_TLS_CERT_NO_NAMES,
        HF_ERR_TLS_CERT_NO_LIST, HF_ERR_TLS_CERT_EXPIRED, HF_ERR_TLS_CERT_NOT_YET, HF_ERR_TLS_CERT_WEAK, HF_ERR_TLS_CERT_CONSTRAINTS,
        HF_ERR_TLS_CERT_PURPOSE, HF_ERR_TLS_CERT_CA_AS_LEAF, HF_ERR_TLS_CERT_KEY_KIND, HF_ERR_TLS_CERT_VERSION, HF_ERR_TLS_CERT_CRITICAL,
        HF_ERR_TLS_CERT_ENCODING, HF_ERR_TLS_CERT_PATH_LENGTH, HF_ERR_TLS_CERT_NOT_A_CA, HF_ERR_TLS_CERT_BAD };
    for (unsigned i = 0; i < HF_COUNT(order); i++)
        if (order[i] == err.code)
            return i;
    return HF_COUNT(order);
}

/* ---- pieces of text ------------------------------------------------------------------------------------------- */

static void put_text(char *out, size_t room, const char *text)
{
    hf_writer w = hf_writer_make(out, room - 1);
    const size_t n = strlen(text);
    hf_write(&w, hf_bytes_make(text, n < room - 1 ? n : room - 1));
    out[w.length] = 0;
}

static void write_hex(hf_writer *w, uint8_t b)
{
    hf_write_byte(w, (uint8_t)"0123456789abcdef"[b >> 4]);
    hf_write_byte(w, (uint8_t)"0123456789abcdef"[b & 15]);
}

/* What a certificate says is hostile until it is believed, and goes to terminals and logs. */
static void write_plain(hf_writer *w, const ASN1_STRING *value)
{
    for (int i = 0; i < ASN1_STRING_length(value); i++) {
        const uint8_t b = ASN1_STRING_get0_data(value)[i];
        hf_write_byte(w, b >= ' ' && b < 0x7f ? b : '?');
    }
}

static void write_address(hf_writer *w, const ASN1_STRING *value)
{
    const uint8_t *const p = ASN1_STRING_get0_data(value);
    const int n = ASN1_STRING_length(value);
    for (int i = 0; i < n; i++) {
        if (n == 4 || n == 8) { /* 8: an address and its mask, in name constraints */
            hf_write_text(w, i == 0 ? "" : i == 4 ? "/" : ".");
            hf_write_decimal(w, p[i]);
        } else {
            hf_write_text(w, i == 0 ? "" : i == 16 ? "/" : i % 2 == 0 ? ":" : "");
            write_hex(w, p[i]);
        }
    }
}

static bool write_name(hf_writer *w, const GENERAL_NAME *name, bool more)
{
    int kind = 0;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &kind);
    if (kind != GEN_DNS && kind != GEN_IPADD)
        return false;
    hf_write_text(w, more ? ", " : "");
    if (kind == GEN_DNS)
        write_plain(w, value);
    else
        write_address(w, value);
    return true;
}

void hf_certificate_put_name(char *out, size_t room, const X509_NAME *name)
{
    char *text = X509_NAME_oneline(name, NULL, 0); /* what is not plain is escaped there */
    put_text(out, room, text == NULL ? "" : text);
    OPENSSL_free(text);
}

/* "a.example, b.example, 127.0.0.1": what the leaf is for. */
void hf_certificate_put_names(char *out, size_t room, const X509 *leaf)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    hf_writer w = hf_writer_make(out, room - 1);
    bool any = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        any = write_name(&w, sk_GENERAL_NAME_value(names, i), any) || any;
    out[w.length] = 0;
    GENERAL_NAMES_free(names);
    ERR_clear_error();
}

void hf_certificate_put_serial(char *out, size_t room, X509 *certificate)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    hf_writer w = hf_writer_make(out, room - 1);
    hf_write_text(&w, ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER ? "-" : "");
    for (int i = 0; i < ASN1_STRING_length(serial) && i < 20; i++)
        write_hex(&w, ASN1_STRING_get0_data(serial)[i]);
    out[w.length] = 0;
}

void hf_certificate_put_fetch(char *out, size_t room, const X509 *certificate)
{
    AUTHORITY_INFO_ACCESS *info = X509_get_ext_d2i(certificate, NID_info_access, NULL, NULL);
    hf_writer w = hf_writer_make(out, room - 1);
    for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(info) && w.length == 0; i++) {
        const ACCESS_DESCRIPTION *const d = sk_ACCESS_DESCRIPTION_value(info, i);
        int kind = 0;
        const ASN1_STRING *const value = GENERAL_NAME_get0_value(d->location, &kind);
        if (OBJ_obj2nid(d->method) == NID_ad_ca_issuers && kind == GEN_URI)
            write_plain(&w, value);
    }
    out[w.length] = 0;
    AUTHORITY_INFO_ACCESS_free(info);
    ERR_clear_error();
}

bool hf_certificate_self_issued(const X509 *certificate)
{
    return X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0;
}

/* 2026-01-31 12:00:00 UTC */
static void write_date(hf_writer *w, hf_wall at)
{
    struct tm tm;
    ASN1_TIME *const t = ASN1_TIME_set(NULL, (time_t)at.s);
    if (t != NULL && ASN1_TIME_to_tm(t, &tm) == 1) {
        const int parts[] = { tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec };
        for (size_t i = 0; i < HF_COUNT(parts); i++) {
            hf_write_text(w, i == 0 ? "" : i < 3 ? "-" : i == 3 ? " " : ":");
            hf_write_padded(w, (uint64_t)parts[i], i == 0 ? 4 : 2);
        }
        hf_write_text(w, " UTC");
    }
    ASN1_TIME_free(t);
    ERR_clear_error();
}

/* ---- what was found, what was wanted -------------------------------------------------------------------------- */

static void write_usages(hf_writer *w, const X509 *x)
{
    EXTENDED_KEY_USAGE *const usages = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
    for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++) {
        char text[64];
        hf_write_text(w, i > 0 ? ", " : "");
        if (OBJ_obj2txt(text, sizeof text, sk_ASN1_OBJECT_value(usages, i), 0) > 0)
            hf_write_text(w, text);
    }
    if (usages == NULL)
        hf_write_text(w, "keyUsage that lets it neither sign nor agree on keys");
    sk_ASN1_OBJECT_pop_free(usages, ASN1_OBJECT_free);
    ERR_clear_error();
}

static void write_subtrees(hf_writer *w, const char *word, const STACK_OF(GENERAL_SUBTREE) *trees)
{
    bool any = false;
    for (int i = 0; i < sk_GENERAL_SUBTREE_num(trees); i++) {
        hf_writer before = *w;
        hf_write_text(w, any ? "" : word);
        if (!write_name(w, sk_GENERAL_SUBTREE_value(trees, i)->base, any))
            *w = before;
        else
            any = true;
    }
}

/* The constraints of every CA above: which of them it was is in the name that does not fit. */
static void write_constraints(hf_writer *w, const hf_path *path)
{
    for (size_t i = 1; i < path->count; i++) {
        NAME_CONSTRAINTS *const nc = X509_get_ext_d2i(path->certificates[i], NID_name_constraints, NULL, NULL);
        if (nc != NULL) {
            hf_write_text(w, w->length > 0 ? "; " : "");
            write_subtrees(w, "permitted ", nc->permittedSubtrees);
            hf_write_text(w, nc->excludedSubtrees != NULL && nc->permittedSubtrees != NULL ? ", " : "");
            write_subtrees(w, "excluded ", nc->excludedSubtrees);
        }
        NAME_CONSTRAINTS_free(nc);
    }
    ERR_clear_error();
}

static void write_strength(hf_writer *w, const X509 *x)
{
    const EVP_PKEY *const key = X509_get0_pubkey(x);
    const char *const kind = key == NULL ? NULL : EVP_PKEY_get0_type_name(key);
    hf_write_text(w, kind == NULL ? "a key of unknown kind" : kind);
    hf_write_text(w, " of ");
    hf_write_decimal(w, key == NULL ? 0 : (uint64_t)EVP_PKEY_get_bits(key));
    hf_write_text(w, " bits, signed with ");
    hf_write_text(w, OBJ_nid2ln(X509_get_signature_nid(x)));
    ERR_clear_error();
}

static void write_critical(hf_writer *w, const X509 *x)
{
    for (int i = 0; i < X509_get_ext_count(x); i++) {
        X509_EXTENSION *const e = X509_get_ext(x, i);
        char text[64];
        if (X509_EXTENSION_get_critical(e) && X509_supported_extension(e) != 1 && OBJ_obj2txt(text, sizeof text, X509_EXTENSION_get_object(e), 0) > 0) {
            hf_write_text(w, w->length > 0 ? ", " : "");
            hf_write_text(w, text);
        }
    }
}

static void write_ca(hf_writer *w, X509 *x)
{
    hf_write_text(w, (X509_get_extension_flags(x) & EXFLAG_CA) == 0 ? "cA FALSE" : "cA TRUE");
    hf_write_text(w, (X509_get_key_usage(x) & KU_KEY_CERT_SIGN) != 0 ? ", keyUsage with keyCertSign" : ", keyUsage without keyCertSign");
    ERR_clear_error();
}

static void write_path(hf_writer *w, const hf_path *path, size_t depth)
{
    const long most = X509_get_pathlen(path->certificates[depth]);
    hf_write_decimal(w, path->count < 2 ? 0 : path->count - 2);
    hf_write_text(w, " intermediates");
    if (most >= 0) {
        hf_write_text(w, "; this CA allows ");
        hf_write_decimal(w, (uint64_t)most);
        hf_write_text(w, " below it");
    }
}

static void write_got(hf_writer *w, const hf_verdict *v, const hf_path *path, size_t depth)
{
    X509 *const x = path->certificates[depth];
    switch (v->err.code) {
    case HF_ERR_TLS_CERT_EXPIRED: hf_write_text(w, "valid until "); write_date(w, v->until); break;
    case HF_ERR_TLS_CERT_NOT_YET: hf_write_text(w, "valid from "); write_date(w, v->from); break;
    case HF_ERR_TLS_CERT_NAME: hf_write_text(w, v->names); break;
    case HF_ERR_TLS_CERT_NO_NAMES: hf_write_text(w, "no DNS name and no address, subject "); hf_write_text(w, v->subject); break;
    case HF_ERR_TLS_CERT_PURPOSE: write_usages(w, x); break;
    case HF_ERR_TLS_CERT_CONSTRAINTS: hf_write_text(w, v->subject); hf_write_text(w, " with "); hf_write_text(w, v->names); break;
    case HF_ERR_TLS_CERT_WEAK: write_strength(w, x); break;
    case HF_ERR_TLS_CERT_CRITICAL: write_critical(w, x); break;
    case HF_ERR_TLS_CERT_NOT_A_CA: write_ca(w, x); break;
    case HF_ERR_TLS_CERT_PATH_LENGTH: write_path(w, path, depth); break;
    default: break;
    }
}

static void write_wanted(hf_writer *w, const hf_verdict *v, const hf_path *path, const hf_trust_question *q)
{
    switch (v->err.code) {
    case HF_ERR_TLS_CERT_EXPIRED:
    case HF_ERR_TLS_CERT_NOT_YET: hf_write_text(w, "valid at "); write_date(w, q->at); break;
    case HF_ERR_TLS_CERT_NAME:
    case HF_ERR_TLS_CERT_NO_NAMES: hf_write(w, hf_bytes_make(q->host.ptr, q->host.len < 180 ? q->host.len : 180)); break;
    case HF_ERR_TLS_CERT_PURPOSE: hf_write_text(w, q->of_client ? "clientAuth" : "serverAuth"); break;
    case HF_ERR_TLS_CERT_CONSTRAINTS: write_constraints(w, path); break;
    case HF_ERR_TLS_CERT_WEAK: hf_write_text(w, "RSA of 2048 bits or more, or an elliptic curve; SHA-256 or better"); break;
    case HF_ERR_TLS_CERT_KEY_KIND: hf_write_text(w, "RSA, ECDSA on P-256, P-384 or P-521, Ed25519"); break;
    case HF_ERR_TLS_CERT_NOT_A_CA: hf_write_text(w, "cA TRUE, keyUsage with keyCertSign"); break;
    case HF_ERR_TLS_CERT_ISSUER_MISSING:
    case HF_ERR_TLS_CERT_ROOT_UNKNOWN:
    case HF_ERR_TLS_CERT_LOOP: hf_write_text(w, "a certificate of "); hf_write_text(w, v->issuer); break;
    default: break;
    }
}

/* ---- the clock ------------------------------------------------------------------------------------------------ */

static hf_clock_doubt doubt(const hf_verdict *v, const hf_path *path, hf_wall now)
{
    const int64_t written = 1767225600; /* 2026-01-01: no clock that is right shows less */
    size_t early = 0;
    for (size_t i = 0; i < path->count; i++)
        early += hf_certificate_date(X509_get0_notBefore(path->certificates[i])).s > now.s;
    const hf_wall end = hf_certificate_date(X509_get0_notAfter(path->certificates[path->count - 1]));
    if (v->err.code == HF_ERR_TLS_CERT_NOT_YET && (now.s < written || early == path->count))
        return HF_CLOCK_BEHIND;
    return v->err.code == HF_ERR_TLS_CERT_EXPIRED && path->anchored && path->count > 1 && end.s < now.s ? HF_CLOCK_AHEAD : HF_CLOCK_FINE;
}

/* ---- together ------------------------------------------------------------------------------------------------- */

void hf_verdict_fill(hf_verdict *v, hf_err err, int library, const hf_path *path, size_t depth, const hf_trust_question *question)
{
    X509 *const at = path->certificates[depth];
    memset(v, 0, sizeof *v);
    v->err = err;
    v->library = library;
    v->depth = (int)depth;
    put_text(v->reason, sizeof v->reason, X509_verify_cert_error_string(library));
    hf_certificate_put_name(v->subject, sizeof v->subject, X509_get_subject_name(at));
    hf_certificate_put_name(v->issuer, sizeof v->issuer, X509_get_issuer_name(at));
    hf_certificate_put_serial(v->serial, sizeof v->serial, at);
    hf_certificate_put_names(v->names, sizeof v->names, path->certificates[0]);
    hf_certificate_put_fetch(v->fetch_at, sizeof v->fetch_at, at);
    v->from = hf_certificate_date(X509_get0_notBefore(at));
    v->until = hf_certificate_date(X509_get0_notAfter(at));
    v->clock = doubt(v, path, question->at);
    hf_writer got = hf_writer_make(v->got, sizeof v->got - 1), wanted = hf_writer_make(v->wanted, sizeof v->wanted - 1);
    write_got(&got, v, path, depth);
    write_wanted(&wanted, v, path, question);
    v->got[got.length] = 0;
    v->wanted[wanted.length] = 0;
}

void hf_verdict_say(hf_verdict *v, const char *reason, const char *got, const char *wanted)
{
    if (reason != NULL)
        put_text(v->reason, sizeof v->reason, reason);
    if (got != NULL)
        put_text(v->got, sizeof v->got, got);
    if (wanted != NULL)
        put_text(v->wanted, sizeof v->wanted, wanted);
}
