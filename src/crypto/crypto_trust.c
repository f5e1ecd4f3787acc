/* SPDX-License-Identifier: Apache-2.0
 *
 * What we believe: roots, and revocation lists. The roots are kept in an array of our own, because we choose the paths
 * that libcrypto verifies (crypto_path.c); the lists lie in an X509_STORE, where libcrypto looks for them.
 */
#include "crypto_chain.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

hf_trust *hf_trust_new(hf_crypto *c)
{
    hf_trust *t = hf_alloc_zeroed(&c->env->alloc, sizeof *t);
    if (t == NULL)
        return NULL;
    t->crypto = c;
    t->store = X509_STORE_new();
    t->lists = sk_X509_CRL_new_null();
    if (t->store == NULL || t->lists == NULL) {
        hf_trust_free(t);
        return NULL;
    }
    return t;
}

void hf_trust_free(hf_trust *trust)
{
    if (trust == NULL)
        return;
    for (size_t i = 0; i < trust->root_count; i++)
        X509_free(trust->roots[i]);
    const hf_allocator *const alloc = &trust->crypto->env->alloc;
    hf_free(alloc, trust->roots, trust->root_room * sizeof *trust->roots);
    sk_X509_CRL_pop_free(trust->lists, X509_CRL_free);
    X509_STORE_free(trust->store);
    hf_free(alloc, trust, sizeof *trust);
}

/* Gives `root` to the trust in any case. */
static hf_err keep(hf_trust *trust, X509 *root)
{
    if (trust->root_count == trust->root_room) {
        const size_t room = trust->root_room == 0 ? 8 : trust->root_room * 2;
        X509 **const roots = hf_resize(&trust->crypto->env->alloc, trust->roots, trust->root_room * sizeof *roots, room * sizeof *roots);
        if (roots == NULL) {
            X509_free(root);
            return hf_err_make(HF_ERR_BASE_MEMORY);
        }
        trust->roots = roots;
        trust->root_room = room;
    }
    trust->roots[trust->root_count++] = root;
    return HF_OK;
}

hf_err hf_trust_add(hf_trust *trust, hf_bytes pem, size_t *added)
{
    *added = 0;
    BIO *bio = pem.len == 0 || pem.len > INT32_MAX ? NULL : BIO_new_mem_buf(pem.ptr, (int)pem.len);
    hf_err err = bio != NULL ? HF_OK : hf_err_make(HF_ERR_TLS_CERT_UNREADABLE);
    while (err.code == 0) {
        X509 *root = X509_new_ex(trust->crypto->library, NULL), *read = root;
        if (PEM_read_bio_X509(bio, &read, NULL, NULL) == NULL) {
            if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
                err = hf_err_make(HF_ERR_TLS_CERT_UNREADABLE);
            X509_free(read);
            break;
        }
        err = keep(trust, read);
        *added += err.code == 0;
    }
    BIO_free(bio);
    ERR_clear_error();
    return err.code == 0 && *added == 0 ? hf_err_make(HF_ERR_TLS_CERT_UNREADABLE) : err;
}

hf_err hf_trust_add_revoked(hf_trust *trust, hf_bytes pem)
{
    BIO *bio = pem.len == 0 || pem.len > INT32_MAX ? NULL : BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509_CRL *list = NULL;
    size_t added = 0;
    bool memory = true;
    while (bio != NULL && memory && (list = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
        memory = X509_STORE_add_crl(trust->store, list) == 1 && sk_X509_CRL_push(trust->lists, list) > 0;
        if (!memory)
            X509_CRL_free(list);
        added += memory;
    }
    BIO_free(bio);
    ERR_clear_error();
    return !memory ? hf_err_make(HF_ERR_BASE_MEMORY) : added > 0 ? HF_OK : hf_err_make(HF_ERR_TLS_CERT_UNREADABLE);
}

hf_err hf_trust_verify(hf_trust *trust, const hf_chain *chain, const hf_trust_question *question, hf_verdict *verdict)
{
    hf_path path;
    hf_path_find(trust, chain, question, &path, verdict);
    return verdict->err;
}
