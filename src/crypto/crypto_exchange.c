/* SPDX-License-Identifier: Apache-2.0
 *
 * Key exchange. Contexts are kept, because making one looks names up and takes locks: a tenth of an exchange. libcrypto checks that a NIST point lies on its curve, and refuses the all-zero result of X25519.
 */
#include "crypto_core.h"
#include "crypto_exchange.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/params.h>

size_t hf_group_share(hf_group group)
{
    switch (group) {
    case HF_GROUP_X25519: return 32;
    case HF_GROUP_P256: return 65;
    case HF_GROUP_P384: return 97;
    case HF_GROUP_NONE: break;
    }
    return 0;
}

static const char *curve_of(hf_group group)
{
    return group == HF_GROUP_P256 ? "P-256" : "P-384";
}

static EVP_PKEY_CTX *context(hf_crypto *c, hf_group group)
{
    return EVP_PKEY_CTX_new_from_name(c->library, group == HF_GROUP_X25519 ? "X25519" : "EC", NULL);
}

static size_t place_of(hf_group group)
{
    return group == HF_GROUP_X25519 ? 0 : group == HF_GROUP_P256 ? 1 : 2;
}

/* What makes keys of the group. NULL: libcrypto failed. */
static EVP_PKEY_CTX *maker_of(hf_crypto *c, hf_group group)
{
    EVP_PKEY_CTX **const at = &c->makers[place_of(group)];
    if (*at != NULL)
        return *at;
    EVP_PKEY_CTX *ctx = context(c, group);
    if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
        (group != HF_GROUP_X25519 && EVP_PKEY_CTX_set_group_name(ctx, curve_of(group)) != 1)) {
        EVP_PKEY_CTX_free(ctx);
        return NULL;
    }
    return *at = ctx;
}

/* What reads keys of the group. */
static EVP_PKEY_CTX *importer_of(hf_crypto *c, hf_group group)
{
    EVP_PKEY_CTX **const at = &c->importers[place_of(group)];
    if (*at != NULL)
        return *at;
    EVP_PKEY_CTX *ctx = context(c, group);
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1) {
        EVP_PKEY_CTX_free(ctx);
        return NULL;
    }
    return *at = ctx;
}

bool hf_exchange_make(hf_crypto *c, hf_exchange *x, hf_group group)
{
    *x = (hf_exchange){ .crypto = c, .group = group };
    EVP_PKEY_CTX *ctx = maker_of(c, group);
    return ctx != NULL && EVP_PKEY_generate(ctx, &x->pkey) == 1;
}

void hf_exchange_fini(hf_exchange *x)
{
    EVP_PKEY_free(x->pkey);
    x->pkey = NULL;
}

bool hf_exchange_share(const hf_exchange *x, uint8_t *out)
{
    size_t n = hf_group_share(x->group);
    if (x->group == HF_GROUP_X25519)
        return EVP_PKEY_get_raw_public_key(x->pkey, out, &n) == 1;
    size_t written = 0;
    return EVP_PKEY_get_octet_string_param(x->pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, out, n, &written) == 1 && written == n;
}

/* The peer's share as a key, NULL when it is none. */
static EVP_PKEY *peer_of(const hf_exchange *x, hf_bytes share)
{
    const bool nist = x->group != HF_GROUP_X25519;
    if (nist && share.ptr[0] != 4) /* RFC 8446 4.2.8.2: legacy_form is 4, uncompressed */
        return NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)share.ptr, share.len),
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)curve_of(x->group), 0),
        OSSL_PARAM_construct_end(),
    };
    if (!nist)
        params[1] = OSSL_PARAM_construct_end();
    EVP_PKEY *peer = NULL;
    EVP_PKEY_CTX *ctx = importer_of(x->crypto, x->group);
    return ctx != NULL && EVP_PKEY_fromdata(ctx, &peer, EVP_PKEY_PUBLIC_KEY, params) == 1 ? peer : NULL;
}

hf_err hf_exchange_finish(const hf_exchange *x, hf_bytes peer, uint8_t *secret, size_t *length)
{
    if (peer.len != hf_group_share(x->group))
        return hf_err_make(HF_ERR_TLS_KEY_SHARE);
    EVP_PKEY *other = peer_of(x, peer);
    EVP_PKEY_CTX *ctx = other == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(x->crypto->library, x->pkey, NULL);
    *length = HF_SHARED_MOST;
    const int check = x->group != HF_GROUP_X25519; /* every 32 bytes are a key there (RFC 7748 6.1) */
    const bool good = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer_ex(ctx, other, check) == 1 &&
                      EVP_PKEY_derive(ctx, secret, length) == 1;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(other);
    ERR_clear_error();
    return good ? HF_OK : hf_err_make(HF_ERR_TLS_KEY_SHARE);
}
