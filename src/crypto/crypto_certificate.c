/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificate chains. Parsing DER is libcrypto's; what lies here is which bytes belong together and what they are for.
 */
#include "crypto_chain.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

void hf_chain_free(hf_chain *chain)
{
    if (chain == NULL)
        return;
    for (size_t i = 0; i < chain->count; i++) {
        X509_free(chain->certificates[i]);
        OPENSSL_free(chain->ders[i]);
    }
    hf_free(&chain->crypto->env->alloc, chain, sizeof *chain);
}

/* Gives `certificate` to the chain in any case. */
static hf_err append(hf_chain *chain, X509 *certificate)
{
    if (chain->count == HF_CHAIN_MOST) {
        X509_free(certificate);
        return hf_err_make(HF_ERR_TLS_CERT_UNREADABLE);
    }
    const size_t i = chain->count++;
    chain->certificates[i] = certificate;
    const int n = i2d_X509(certificate, &chain->ders[i]);
    if (n <= 0)
        return hf_err_make(HF_ERR_TLS_CERT_UNREADABLE);
    chain->lengths[i] = (uint32_t)n;
    return HF_OK;
}

/* Hands over a finished chain, or frees it. */
static hf_err finish(hf_chain *made, hf_err err, hf_chain **chain)
{
    ERR_clear_error();
    if (err.code == 0 && (made->count == 0 || X509_get0_pubkey(made->certificates[0]) == NULL))
        err = hf_err_make(HF_ERR_TLS_CERT_UNREADABLE);
    ERR_clear_error();
    if (err.code != 0) {
        hf_chain_free(made);
        return err;
    }
    made->kind = hf_pkey_kind(X509_get0_pubkey(made->certificates[0]));
    *chain = made;
    return HF_OK;
}

static hf_chain *make(hf_crypto *c)
{
    hf_chain *made = hf_alloc_zeroed(&c->env->alloc, sizeof *made);
    if (made != NULL)
        made->crypto = c;
    return made;
}

hf_err hf_chain_load(hf_crypto *c, hf_bytes pem, hf_chain **chain)
{
    *chain = NULL;
    if (pem.len == 0 || pem.len > INT32_MAX)
        return hf_err_make(HF_ERR_TLS_CERT_UNREADABLE);
    hf_chain *made = make(c);
    BIO *bio = made == NULL ? NULL : BIO_new_mem_buf(pem.ptr, (int)pem.len);
    hf_err err = bio == NULL ? hf_err_make(HF_ERR_BASE_MEMORY) : HF_OK;
    while (err.code == 0) {
        X509 *certificate = X509_new_ex(c->library, NULL);
        X509 *read = certificate;
        if (PEM_read_bio_X509(bio, &read, NULL, NULL) == NULL) {
            /* the end of the PEM is the one error that is none */
            if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
                err = hf_err_make(HF_ERR_TLS_CERT_UNREADABLE);
            X509_free(read);
            break;
        }
        err = append(made, read);
    }
    BIO_free(bio);
    return made == NULL ? err : finish(made, err, chain);
}

hf_err hf_chain_parse(hf_crypto *c, const hf_bytes *ders, size_t count, hf_chain **chain)
{
    *chain = NULL;
    hf_chain *made = make(c);
    if (made == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_err err = HF_OK;
    for (size_t i = 0; i < count && err.code == 0; i++) {
        X509 *certificate = X509_new_ex(c->library, NULL);
        const unsigned char *at = ders[i].ptr;
        if (certificate == NULL || d2i_X509(&certificate, &at, (long)ders[i].len) == NULL || at != ders[i].ptr + ders[i].len) {
            X509_free(certificate);
            err = hf_err_make(HF_ERR_TLS_CERT_UNREADABLE);
        } else {
            err = append(made, certificate);
        }
    }
    return finish(made, err, chain);
}

size_t hf_chain_length(const hf_chain *chain)
{
    return chain->count;
}

hf_bytes hf_chain_der(const hf_chain *chain, size_t index)
{
    return hf_bytes_make(chain->ders[index], chain->lengths[index]);
}

hf_key_kind hf_chain_kind(const hf_chain *chain)
{
    return chain->kind;
}

bool hf_chain_matches(const hf_chain *chain, const hf_key *key)
{
    const bool same = EVP_PKEY_eq(X509_get0_pubkey(chain->certificates[0]), key->pkey) == 1;
    ERR_clear_error();
    return same;
}

hf_err hf_chain_check(const hf_chain *chain, hf_scheme scheme, hf_bytes message, hf_bytes signature)
{
    return hf_pkey_verify(chain->crypto, X509_get0_pubkey(chain->certificates[0]), scheme, message, signature);
}

bool hf_chain_signs(const hf_chain *chain)
{
    return (X509_get_key_usage(chain->certificates[0]) & KU_DIGITAL_SIGNATURE) != 0; /* every bit without the extension */
}

bool hf_chain_enciphers(const hf_chain *chain)
{
    return hf_chain_kind(chain) == HF_KEY_RSA && (X509_get_key_usage(chain->certificates[0]) & KU_KEY_ENCIPHERMENT) != 0;
}

hf_err hf_chain_encrypt(const hf_chain *chain, hf_bytes secret, uint8_t *out, size_t *length)
{
    return hf_pkey_encrypt(chain->crypto, X509_get0_pubkey(chain->certificates[0]), secret, out, length);
}

/* ---- names -------------------------------------------------------------------------------------------------- */

bool hf_host_text(hf_bytes host, char *text)
{
    if (host.len == 0 || host.len > HF_HOST_MOST || memchr(host.ptr, 0, host.len) != NULL)
        return false;
    const bool dot = host.len > 1 && host.ptr[host.len - 1] == '.'; /* an absolute name is the same name */
    const size_t n = host.len - dot;
    memcpy(text, host.ptr, n);
    text[n] = 0;
    return true;
}

bool hf_certificate_covers(X509 *certificate, const char *host)
{
    const int ip = X509_check_ip_asc(certificate, host, 0);
    ERR_clear_error();
    if (ip != -2) /* -2: it is no address */
        return ip == 1;
    /* RFC 9525 6.3: the common name is never looked at, and a wildcard is a whole left-most label */
    return X509_check_host(certificate, host, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

bool hf_chain_covers(const hf_chain *chain, hf_bytes host)
{
    char text[HF_HOST_MOST + 1];
    return hf_host_text(host, text) && hf_certificate_covers(chain->certificates[0], text);
}

/* ---- dates -------------------------------------------------------------------------------------------------- */

hf_wall hf_certificate_date(const ASN1_TIME *t)
{
    int days = 0, seconds = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    const bool good = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, t) == 1;
    ASN1_TIME_free(epoch);
    ERR_clear_error();
    return (hf_wall){ good ? (int64_t)days * 86400 + seconds : 0 };
}

void hf_chain_valid(const hf_chain *chain, hf_wall *from, hf_wall *until)
{
    for (size_t i = 0; i < chain->count; i++) {
        const hf_wall a = hf_certificate_date(X509_get0_notBefore(chain->certificates[i]));
        const hf_wall b = hf_certificate_date(X509_get0_notAfter(chain->certificates[i]));
        if (i == 0 || a.s > from->s)
            *from = a;
        if (i == 0 || b.s < until->s)
            *until = b;
    }
}
