/* SPDX-License-Identifier: Apache-2.0
 *
 * Path validation by libcrypto's X509_STORE (RFC 5280), the host by RFC 9525, and the verdict in words that a person can
 * act on. The path code is libcrypto's own; ours is the question and the reading of the answer.
 */
#include "crypto_chain.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "text.h"

struct hf_trust {
    hf_crypto *crypto;
    X509_STORE *store;
    bool revocation;
};

hf_trust *hf_trust_new(hf_crypto *c)
{
    hf_trust *t = hf_alloc_zeroed(&c->env->alloc, sizeof *t);
    if (t == NULL)
        return NULL;
    t->crypto = c;
    if ((t->store = X509_STORE_new()) == NULL) {
        hf_trust_free(t);
        return NULL;
    }
    return t;
}

void hf_trust_free(hf_trust *trust)
{
    if (trust == NULL)
        return;
    X509_STORE_free(trust->store);
    hf_free(&trust->crypto->env->alloc, trust, sizeof *trust);
}

hf_err hf_trust_add(hf_trust *trust, hf_bytes pem, size_t *added)
{
    *added = 0;
    BIO *bio = pem.len == 0 || pem.len > INT32_MAX ? NULL : BIO_new_mem_buf(pem.ptr, (int)pem.len);
    bool good = bio != NULL;
    while (good) {
        X509 *root = X509_new_ex(trust->crypto->library, NULL), *read = root;
        if (PEM_read_bio_X509(bio, &read, NULL, NULL) == NULL) {
            good = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
            X509_free(read);
            break;
        }
        good = X509_STORE_add_cert(trust->store, read) == 1;
        X509_free(read);
        *added += good;
    }
    BIO_free(bio);
    ERR_clear_error();
    return good && *added > 0 ? HF_OK : hf_err_make(HF_ERR_TLS_CERT_UNREADABLE);
}

hf_err hf_trust_add_revoked(hf_trust *trust, hf_bytes pem)
{
    BIO *bio = pem.len == 0 || pem.len > INT32_MAX ? NULL : BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509_CRL *crl = NULL;
    size_t added = 0;
    while (bio != NULL && (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
        added += X509_STORE_add_crl(trust->store, crl) == 1;
        X509_CRL_free(crl);
    }
    BIO_free(bio);
    ERR_clear_error();
    trust->revocation |= added > 0;
    return added > 0 ? HF_OK : hf_err_make(HF_ERR_TLS_CERT_UNREADABLE);
}

/* ---- the verdict -------------------------------------------------------------------------------------------- */

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
    { X509_V_ERR_CRL_HAS_EXPIRED, HF_ERR_TLS_CERT_NO_LIST },
    { X509_V_ERR_CRL_NOT_YET_VALID, HF_ERR_TLS_CERT_NO_LIST },
    { X509_V_ERR_INVALID_PURPOSE, HF_ERR_TLS_CERT_PURPOSE },
    { X509_V_ERR_INVALID_CA, HF_ERR_TLS_CERT_NOT_A_CA },
    { X509_V_ERR_KEYUSAGE_NO_CERTSIGN, HF_ERR_TLS_CERT_NOT_A_CA },
    { X509_V_ERR_PATH_LENGTH_EXCEEDED, HF_ERR_TLS_CERT_PATH_LENGTH },
    { X509_V_ERR_CERT_CHAIN_TOO_LONG, HF_ERR_TLS_CERT_PATH_LENGTH },
    { X509_V_ERR_PERMITTED_VIOLATION, HF_ERR_TLS_CERT_CONSTRAINTS },
    { X509_V_ERR_EXCLUDED_VIOLATION, HF_ERR_TLS_CERT_CONSTRAINTS },
    { X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE, HF_ERR_TLS_CERT_CONSTRAINTS },
    { X509_V_ERR_CERT_SIGNATURE_FAILURE, HF_ERR_TLS_CERT_SIGNATURE },
    { X509_V_ERR_EE_KEY_TOO_SMALL, HF_ERR_TLS_CERT_WEAK },
    { X509_V_ERR_CA_KEY_TOO_SMALL, HF_ERR_TLS_CERT_WEAK },
    { X509_V_ERR_CA_MD_TOO_WEAK, HF_ERR_TLS_CERT_WEAK },
    { X509_V_ERR_OUT_OF_MEM, HF_ERR_BASE_MEMORY },
};

static hf_err err_of(int library)
{
    if (library == X509_V_OK)
        return HF_OK;
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if (rows[i].library == library)
            return hf_err_make(rows[i].code);
    return hf_err_make(HF_ERR_TLS_CERT_BAD);
}

static void put_text(char *out, size_t room, const char *text)
{
    hf_writer w = hf_writer_make(out, room - 1);
    const size_t n = strlen(text);
    hf_write(&w, hf_bytes_make(text, n < room - 1 ? n : room - 1));
    out[w.length] = 0;
}

static void put_name(char *out, size_t room, const X509_NAME *name)
{
    char *text = X509_NAME_oneline(name, NULL, 0);
    put_text(out, room, text == NULL ? "" : text);
    OPENSSL_free(text);
}

/* "a.example, b.example, 127.0.0.1": what the leaf is for. */
static void put_names(char *out, size_t room, const X509 *leaf)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    hf_writer w = hf_writer_make(out, room - 1);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        int kind = 0;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &kind);
        if (kind != GEN_DNS && kind != GEN_IPADD)
            continue;
        hf_write_text(&w, w.length > 0 ? ", " : "");
        const hf_bytes bytes = hf_bytes_make(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
        if (kind == GEN_DNS)
            hf_write(&w, bytes);
        for (size_t j = 0; kind == GEN_IPADD && j < bytes.len; j++) {
            hf_write_text(&w, j == 0 ? "" : bytes.len == 4 ? "." : j % 2 == 0 ? ":" : "");
            if (bytes.len == 4)
                hf_write_decimal(&w, bytes.ptr[j]);
            else
                hf_write_text(&w, (const char[]){ "0123456789abcdef"[bytes.ptr[j] >> 4], "0123456789abcdef"[bytes.ptr[j] & 15], 0 });
        }
    }
    out[w.length] = 0;
    GENERAL_NAMES_free(names);
}

static void explain(X509_STORE_CTX *ctx, const hf_chain *chain, hf_verdict *v)
{
    v->library = X509_STORE_CTX_get_error(ctx);
    v->err = err_of(v->library);
    v->depth = X509_STORE_CTX_get_error_depth(ctx);
    put_text(v->reason, sizeof v->reason, X509_verify_cert_error_string(v->library));
    X509 *at = X509_STORE_CTX_get_current_cert(ctx);
    if (at == NULL)
        at = chain->certificates[0];
    put_name(v->subject, sizeof v->subject, X509_get_subject_name(at));
    put_name(v->issuer, sizeof v->issuer, X509_get_issuer_name(at));
    put_names(v->names, sizeof v->names, chain->certificates[0]);
    v->from = hf_certificate_date(X509_get0_notBefore(at));
    v->until = hf_certificate_date(X509_get0_notAfter(at));
}

/* The host is asked for after the path, so that a missing link is told before a wrong name. */
static void check_host(const hf_chain *chain, hf_bytes host, hf_verdict *v)
{
    char text[HF_HOST_MOST + 1];
    if (host.len == 0 || v->err.code != 0)
        return;
    if (hf_host_text(host, text) && hf_certificate_covers(chain->certificates[0], text))
        return;
    v->library = X509_V_ERR_HOSTNAME_MISMATCH;
    v->err = hf_err_make(HF_ERR_TLS_CERT_NAME);
    v->depth = 0;
    put_text(v->reason, sizeof v->reason, X509_verify_cert_error_string(v->library));
}

hf_err hf_trust_verify(hf_trust *trust, const hf_chain *chain, const hf_trust_question *question, hf_verdict *verdict)
{
    memset(verdict, 0, sizeof *verdict);
    X509_STORE_CTX *ctx = X509_STORE_CTX_new_ex(trust->crypto->library, NULL);
    STACK_OF(X509) *others = sk_X509_new_null();
    bool good = ctx != NULL && others != NULL;
    for (size_t i = 1; good && i < chain->count; i++)
        good = sk_X509_push(others, chain->certificates[i]) > 0;
    good = good && X509_STORE_CTX_init(ctx, trust->store, chain->certificates[0], others) == 1;
    if (!good) {
        verdict->err = hf_err_make(HF_ERR_BASE_MEMORY);
    } else {
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
        X509_VERIFY_PARAM_set_time(param, (time_t)question->at.s);
        X509_VERIFY_PARAM_set_purpose(param, question->of_client ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER);
        X509_VERIFY_PARAM_set_auth_level(param, 2); /* 112 bits: RSA of 2048 bits, no SHA-1 */
        X509_VERIFY_PARAM_set_depth(param, 8);
        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_X509_STRICT | X509_V_FLAG_TRUSTED_FIRST |
                                               (trust->revocation ? X509_V_FLAG_CRL_CHECK : 0));
        (void)X509_verify_cert(ctx);
        explain(ctx, chain, verdict);
        check_host(chain, question->host, verdict);
    }
    sk_X509_free(others);
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return verdict->err;
}
