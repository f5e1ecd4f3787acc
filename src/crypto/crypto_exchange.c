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

enum { KEM_KEY = 1184, KEM_TEXT = 1088, KEM_SECRET = 32, X25519 = 32 }; /* FIPS 203 8, ML-KEM-768 */
static const char kem_name[] = "ML-KEM-768";

size_t hf_group_share(hf_group group)
{
    switch (group) {
    case HF_GROUP_X25519: return X25519;
    case HF_GROUP_X25519MLKEM768: return KEM_KEY + X25519;
    case HF_GROUP_P256: return 65;
    case HF_GROUP_P384: return 97;
    case HF_GROUP_NONE: break;
    }
    return 0;
}

size_t hf_group_reply(hf_group group)
{
    return group == HF_GROUP_X25519MLKEM768 ? KEM_TEXT + X25519 : hf_group_share(group);
}

bool hf_group_is_offered(const hf_crypto *c, hf_group group)
{
    return hf_group_share(group) > 0 && (group != HF_GROUP_X25519MLKEM768 || c->mlkem);
}

/* In the hybrid group the other half. */
static bool is_x25519(hf_group group)
{
    return group == HF_GROUP_X25519 || group == HF_GROUP_X25519MLKEM768;
}

static const char *curve_of(hf_group group)
{
    return group == HF_GROUP_P256 ? "P-256" : "P-384";
}

static EVP_PKEY_CTX *context(hf_crypto *c, hf_group group)
{
    return EVP_PKEY_CTX_new_from_name(c->library, is_x25519(group) ? "X25519" : "EC", NULL);
}

static size_t place_of(hf_group group)
{
    return is_x25519(group) ? 0 : group == HF_GROUP_P256 ? 1 : 2;
}

/* What makes keys of the group. NULL: libcrypto failed. */
static EVP_PKEY_CTX *maker_of(hf_crypto *c, hf_group group)
{
    EVP_PKEY_CTX **const at = &c->makers[place_of(group)];
    if (*at != NULL)
        return *at;
    EVP_PKEY_CTX *ctx = context(c, group);
    if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
        (!is_x25519(group) && EVP_PKEY_CTX_set_group_name(ctx, curve_of(group)) != 1)) {
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

static bool make_kem(hf_crypto *c, EVP_PKEY **kem)
{
    EVP_PKEY_CTX **const at = &c->makers[HF_EXCHANGE_KINDS - 1];
    EVP_PKEY_CTX *const ctx = *at != NULL ? *at : EVP_PKEY_CTX_new_from_name(c->library, kem_name, NULL);
    if (*at == NULL && ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1)
        *at = ctx;
    else if (*at == NULL)
        EVP_PKEY_CTX_free(ctx);
    return *at != NULL && EVP_PKEY_generate(*at, kem) == 1;
}

bool hf_exchange_make(hf_crypto *c, hf_exchange *x, hf_group group)
{
    *x = (hf_exchange){ .crypto = c, .group = group };
    EVP_PKEY_CTX *ctx = maker_of(c, group);
    const bool good = ctx != NULL && EVP_PKEY_generate(ctx, &x->pkey) == 1;
    return good && (group != HF_GROUP_X25519MLKEM768 || make_kem(c, &x->kem));
}

void hf_exchange_fini(hf_exchange *x)
{
    EVP_PKEY_free(x->pkey);
    EVP_PKEY_free(x->kem); /* libcrypto wipes it */
    x->pkey = x->kem = NULL;
}

bool hf_exchange_share(const hf_exchange *x, uint8_t *out)
{
    size_t n = hf_group_share(x->group), written = 0;
    if (x->group == HF_GROUP_X25519MLKEM768) { /* draft-ietf-tls-ecdhe-mlkem 4.1: ML-KEM's part comes first */
        if (EVP_PKEY_get_octet_string_param(x->kem, OSSL_PKEY_PARAM_PUB_KEY, out, KEM_KEY, &written) != 1 || written != KEM_KEY)
            return false;
        out += KEM_KEY;
        n = X25519;
    }
    if (is_x25519(x->group))
        return EVP_PKEY_get_raw_public_key(x->pkey, out, &n) == 1;
    return EVP_PKEY_get_octet_string_param(x->pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, out, n, &written) == 1 && written == n;
}

/* A key of X25519 is made once, and then given each new peer's bytes: to make one looks up what it is by its names, and costs
 * more than hashing a kilobyte. */
static EVP_PKEY *peer_again(hf_crypto *c, hf_bytes share)
{
    if (c->peer == NULL || EVP_PKEY_set1_encoded_public_key(c->peer, share.ptr, share.len) != 1 || EVP_PKEY_up_ref(c->peer) != 1)
        return NULL;
    return c->peer;
}

static void keep_peer(hf_crypto *c, EVP_PKEY *peer)
{
    if (c->peer == NULL && peer != NULL && EVP_PKEY_up_ref(peer) == 1)
        c->peer = peer;
}

/* The peer's share as a key, NULL when it is none. */
static EVP_PKEY *peer_of(const hf_exchange *x, hf_bytes share)
{
    const bool nist = !is_x25519(x->group);
    EVP_PKEY *peer = nist ? NULL : peer_again(x->crypto, share);
    if (peer != NULL)
        return peer;
    if (nist && share.ptr[0] != 4) /* RFC 8446 4.2.8.2: legacy_form is 4, uncompressed */
        return NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)share.ptr, share.len),
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)curve_of(x->group), 0),
        OSSL_PARAM_construct_end(),
    };
    if (!nist)
        params[1] = OSSL_PARAM_construct_end();
    EVP_PKEY_CTX *ctx = importer_of(x->crypto, x->group);
    if (ctx == NULL || EVP_PKEY_fromdata(ctx, &peer, EVP_PKEY_PUBLIC_KEY, params) != 1)
        return NULL;
    if (!nist)
        keep_peer(x->crypto, peer);
    return peer;
}

/* The Diffie-Hellman half, which is all of it in the groups of old. */
static bool derive(const hf_exchange *x, hf_bytes peer, uint8_t *secret, size_t *length)
{
    EVP_PKEY *other = peer_of(x, peer);
    EVP_PKEY_CTX *ctx = other == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(x->crypto->library, x->pkey, NULL);
    const int check = !is_x25519(x->group); /* every 32 bytes are a key there (RFC 7748 6.1) */
    const bool good = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer_ex(ctx, other, check) == 1 &&
                      EVP_PKEY_derive(ctx, secret, length) == 1;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(other);
    return good;
}

/* A client's: what the server's ciphertext holds. */
static bool decapsulate(const hf_exchange *x, const uint8_t *text, uint8_t *secret)
{
    size_t n = KEM_SECRET;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(x->crypto->library, x->kem, NULL);
    const bool good = ctx != NULL && EVP_PKEY_decapsulate_init(ctx, NULL) == 1 && EVP_PKEY_decapsulate(ctx, secret, &n, text, KEM_TEXT) == 1 &&
                      n == KEM_SECRET;
    EVP_PKEY_CTX_free(ctx);
    return good;
}

/* A server's: a secret for the client's key. libcrypto checks the key (FIPS 203 7.2). */
static bool encapsulate(hf_crypto *c, const uint8_t *key, uint8_t *text, uint8_t *secret)
{
    size_t n = KEM_TEXT, m = KEM_SECRET;
    EVP_PKEY *const peer = EVP_PKEY_new_raw_public_key_ex(c->library, kem_name, NULL, key, KEM_KEY);
    EVP_PKEY_CTX *ctx = peer == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(c->library, peer, NULL);
    const bool good = ctx != NULL && EVP_PKEY_encapsulate_init(ctx, NULL) == 1 && EVP_PKEY_encapsulate(ctx, text, &n, secret, &m) == 1 &&
                      n == KEM_TEXT && m == KEM_SECRET;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(peer);
    return good;
}

/* Whoever gets an error has no secret, not even the half that was there before the other failed. */
static hf_err forget(uint8_t *secret, size_t *length, int32_t code)
{
    hf_wipe(secret, HF_SHARED_MOST);
    *length = 0;
    ERR_clear_error();
    return hf_err_make(code);
}

hf_err hf_exchange_finish(const hf_exchange *x, hf_bytes peer, uint8_t *secret, size_t *length)
{
    const bool hybrid = x->group == HF_GROUP_X25519MLKEM768;
    if (peer.len != hf_group_reply(x->group))
        return forget(secret, length, HF_ERR_TLS_KEY_SHARE);
    bool good = true;
    *length = HF_SHARED_MOST;
    if (hybrid) { /* 4.3: its secret comes first, too */
        good = decapsulate(x, peer.ptr, secret);
        peer = hf_bytes_make(peer.ptr + KEM_TEXT, X25519);
        *length = X25519;
    }
    good = good && derive(x, peer, secret + (hybrid ? KEM_SECRET : 0), length);
    *length += hybrid ? KEM_SECRET : 0u;
    return good ? HF_OK : forget(secret, length, HF_ERR_TLS_KEY_SHARE);
}

hf_err hf_exchange_reply(hf_crypto *c, hf_group group, hf_bytes peer, uint8_t *reply, uint8_t *secret, size_t *length)
{
    const bool hybrid = group == HF_GROUP_X25519MLKEM768;
    const size_t before = hybrid ? KEM_KEY : 0, behind = hybrid ? KEM_TEXT : 0, first = hybrid ? KEM_SECRET : 0;
    hf_exchange x = { .crypto = NULL };
    if (peer.len != hf_group_share(group) || (hybrid && !encapsulate(c, peer.ptr, reply, secret)))
        return forget(secret, length, HF_ERR_TLS_KEY_SHARE);
    int32_t code = 0;
    if (!hf_exchange_make(c, &x, hybrid ? HF_GROUP_X25519 : group) || !hf_exchange_share(&x, reply + behind))
        code = HF_ERR_TLS_CRYPTO;
    *length = HF_SHARED_MOST - first;
    if (code == 0 && !derive(&x, hf_bytes_make(peer.ptr + before, peer.len - before), secret + first, length))
        code = HF_ERR_TLS_KEY_SHARE;
    *length += first;
    hf_exchange_fini(&x);
    return code == 0 ? HF_OK : forget(secret, length, code);
}
