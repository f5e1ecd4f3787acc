/* SPDX-License-Identifier: Apache-2.0
 *
 * A libcrypto provider with one algorithm: a random generator whose bytes come from an hf_entropy. In a library context
 * where it is the generator, keys, nonces and salts follow from the seed, so that a simulated handshake can be replayed.
 * Never loaded in production: without an hf_entropy the context keeps libcrypto's own generator.
 */
#include "crypto_core.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>

/* The provider's context: found again by OSSL_PROVIDER_get0_provider_ctx, which spares us a global. */
typedef struct seeded {
    hf_entropy entropy;
} seeded;

static void *make(void *provider, void *parent, const OSSL_DISPATCH *calls)
{
    (void)parent, (void)calls;
    return provider;
}

static void drop(void *ctx)
{
    (void)ctx;
}

static int instantiate(void *ctx, unsigned strength, int resistance, const unsigned char *more, size_t n, const OSSL_PARAM params[])
{
    (void)ctx, (void)strength, (void)resistance, (void)more, (void)n, (void)params;
    return 1;
}

static int uninstantiate(void *ctx)
{
    (void)ctx;
    return 1;
}

static int generate(void *ctx, unsigned char *out, size_t n, unsigned strength, int resistance, const unsigned char *more, size_t more_n)
{
    (void)strength, (void)resistance, (void)more, (void)more_n;
    const seeded *s = ctx;
    if (s->entropy.fill == NULL)
        return 0;
    s->entropy.fill(s->entropy.ctx, out, n);
    return 1;
}

static int enable_locking(void *ctx)
{
    (void)ctx;
    return 1;
}

static const OSSL_PARAM *gettable(void *ctx, void *provider)
{
    static const OSSL_PARAM known[] = { OSSL_PARAM_int(OSSL_RAND_PARAM_STATE, NULL), OSSL_PARAM_uint(OSSL_RAND_PARAM_STRENGTH, NULL),
                                        OSSL_PARAM_size_t(OSSL_RAND_PARAM_MAX_REQUEST, NULL), OSSL_PARAM_END };
    (void)ctx, (void)provider;
    return known;
}

static int get(void *ctx, OSSL_PARAM params[])
{
    (void)ctx;
    OSSL_PARAM *p;
    return ((p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STATE)) == NULL || OSSL_PARAM_set_int(p, EVP_RAND_STATE_READY)) &&
           ((p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STRENGTH)) == NULL || OSSL_PARAM_set_uint(p, 256)) &&
           ((p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_MAX_REQUEST)) == NULL || OSSL_PARAM_set_size_t(p, 1 << 20));
}

static const OSSL_DISPATCH calls_of_rand[] = {
    { OSSL_FUNC_RAND_NEWCTX, (void (*)(void))make },
    { OSSL_FUNC_RAND_FREECTX, (void (*)(void))drop },
    { OSSL_FUNC_RAND_INSTANTIATE, (void (*)(void))instantiate },
    { OSSL_FUNC_RAND_UNINSTANTIATE, (void (*)(void))uninstantiate },
    { OSSL_FUNC_RAND_GENERATE, (void (*)(void))generate },
    { OSSL_FUNC_RAND_ENABLE_LOCKING, (void (*)(void))enable_locking },
    { OSSL_FUNC_RAND_GETTABLE_CTX_PARAMS, (void (*)(void))gettable },
    { OSSL_FUNC_RAND_GET_CTX_PARAMS, (void (*)(void))get },
    { 0, NULL },
};

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
    static const OSSL_ALGORITHM algorithms[] = { { "HANDFAST-SEEDED", "provider=handfast", calls_of_rand, "seeded" }, { NULL, NULL, NULL, NULL } };
    (void)provider;
    *no_cache = 0;
    return operation == OSSL_OP_RAND ? algorithms : NULL;
}

static void teardown(void *provider)
{
    OPENSSL_free(provider);
}

static int start(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **provider)
{
    static const OSSL_DISPATCH calls[] = {
        { OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))teardown },
        { OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query },
        { 0, NULL },
    };
    (void)handle, (void)in;
    *out = calls;
    return (*provider = OPENSSL_zalloc(sizeof(seeded))) != NULL;
}

bool hf_crypto_seed(hf_crypto *c)
{
    if (OSSL_PROVIDER_add_builtin(c->library, "handfast", start) != 1 || (c->seeded = OSSL_PROVIDER_load(c->library, "handfast")) == NULL)
        return false;
    seeded *s = OSSL_PROVIDER_get0_provider_ctx(c->seeded);
    s->entropy = c->entropy;
    return RAND_set_DRBG_type(c->library, "HANDFAST-SEEDED", "provider=handfast", NULL, NULL) == 1;
}
