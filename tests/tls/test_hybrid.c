/* SPDX-License-Identifier: Apache-2.0
 *
 * X25519MLKEM768. Where libcrypto has ML-KEM it is used; where it has none (before OpenSSL 3.5) a toy with the sizes of ML-KEM-768
 * stands in for it, as a provider of libcrypto's: it hides nothing, but keys, ciphertexts and secrets go the same ways. The
 * handshake with the real one says "skipped" there.
 */
#include "tls/rig.h"

#include "tls_core.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>

enum { KEY = 1184, TEXT = 1088, SECRET = 32 };
static const hf_group hybrid = HF_GROUP_X25519MLKEM768;

/* ---- the toy -------------------------------------------------------------------------------------------------- */

typedef struct toy {
    uint8_t public[KEY];
    bool has;
} toy;

static uint8_t drawn; /* another key, another secret each time */

static void *toy_new(void *provider)
{
    (void)provider;
    return calloc(1, sizeof(toy));
}

static void toy_free(void *key)
{
    free(key);
}

static int toy_has(const void *key, int selection)
{
    (void)selection;
    return ((const toy *)key)->has;
}

static void *toy_gen_init(void *provider, int selection, const OSSL_PARAM *params)
{
    (void)provider, (void)selection, (void)params;
    return &drawn;
}

static void *toy_gen(void *ctx, OSSL_CALLBACK *callback, void *argument)
{
    (void)ctx, (void)callback, (void)argument;
    toy *k = toy_new(NULL);
    drawn++;
    for (size_t i = 0; k != NULL && i < KEY; i++)
        k->public[i] = (uint8_t)(drawn * 7 + i);
    if (k != NULL)
        k->has = true;
    return k;
}

static void toy_gen_cleanup(void *ctx)
{
    (void)ctx;
}

static int toy_import(void *key, int selection, const OSSL_PARAM *params)
{
    toy *const k = key;
    void *to = k->public;
    size_t n = 0;
    const OSSL_PARAM *const p = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PUB_KEY);
    (void)selection;
    /* As FIPS 203 7.2 refuses some keys: this one those that end in 0xff. */
    k->has = p != NULL && OSSL_PARAM_get_octet_string(p, &to, KEY, &n) == 1 && n == KEY && k->public[KEY - 1] != 0xff;
    return k->has;
}

static const OSSL_PARAM *toy_types(int selection)
{
    static const OSSL_PARAM types[] = { OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0), OSSL_PARAM_END };
    (void)selection;
    return types;
}

static const OSSL_PARAM *toy_gettable(void *provider)
{
    (void)provider;
    return toy_types(0);
}

static int toy_get(void *key, OSSL_PARAM *params)
{
    OSSL_PARAM *const p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_PUB_KEY);
    return p == NULL || OSSL_PARAM_set_octet_string(p, ((toy *)key)->public, KEY);
}

static void *toy_kem_new(void *provider)
{
    (void)provider;
    return calloc(1, sizeof(const toy *));
}

static int toy_kem_init(void *ctx, void *key, const OSSL_PARAM *params)
{
    (void)params;
    *(toy **)ctx = key;
    return 1;
}

static int toy_encapsulate(void *ctx, unsigned char *out, size_t *n, unsigned char *secret, size_t *m)
{
    const toy *const k = *(toy **)ctx;
    drawn++;
    for (size_t i = 0; i < TEXT; i++)
        out[i] = (uint8_t)(k->public[i] ^ (i < SECRET ? (drawn + i) & 255 : 0));
    for (size_t i = 0; i < SECRET; i++)
        secret[i] = (uint8_t)(drawn + i);
    *n = TEXT;
    *m = SECRET;
    return 1;
}

static int toy_decapsulate(void *ctx, unsigned char *out, size_t *n, const unsigned char *in, size_t length)
{
    const toy *const k = *(toy **)ctx;
    for (size_t i = 0; i < SECRET; i++)
        out[i] = in[i] ^ k->public[i];
    *n = SECRET;
    return length == TEXT;
}

#define ENTRY(id, function) { id, (void (*)(void))(function) }
static const OSSL_DISPATCH toy_keys[] = {
    ENTRY(OSSL_FUNC_KEYMGMT_NEW, toy_new), ENTRY(OSSL_FUNC_KEYMGMT_FREE, toy_free), ENTRY(OSSL_FUNC_KEYMGMT_HAS, toy_has),
    ENTRY(OSSL_FUNC_KEYMGMT_GEN_INIT, toy_gen_init), ENTRY(OSSL_FUNC_KEYMGMT_GEN, toy_gen), ENTRY(OSSL_FUNC_KEYMGMT_GEN_CLEANUP, toy_gen_cleanup),
    ENTRY(OSSL_FUNC_KEYMGMT_IMPORT, toy_import), ENTRY(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, toy_types),
    ENTRY(OSSL_FUNC_KEYMGMT_GET_PARAMS, toy_get), ENTRY(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, toy_gettable), { 0, NULL },
};
static const OSSL_DISPATCH toy_kem[] = {
    ENTRY(OSSL_FUNC_KEM_NEWCTX, toy_kem_new), ENTRY(OSSL_FUNC_KEM_FREECTX, toy_free), ENTRY(OSSL_FUNC_KEM_ENCAPSULATE_INIT, toy_kem_init),
    ENTRY(OSSL_FUNC_KEM_ENCAPSULATE, toy_encapsulate), ENTRY(OSSL_FUNC_KEM_DECAPSULATE_INIT, toy_kem_init),
    ENTRY(OSSL_FUNC_KEM_DECAPSULATE, toy_decapsulate), { 0, NULL },
};

static const OSSL_ALGORITHM *toy_query(void *provider, int operation, int *no_store)
{
    static const OSSL_ALGORITHM keys[] = { { "ML-KEM-768", "provider=toy", toy_keys, NULL }, { NULL, NULL, NULL, NULL } };
    static const OSSL_ALGORITHM kems[] = { { "ML-KEM-768", "provider=toy", toy_kem, NULL }, { NULL, NULL, NULL, NULL } };
    (void)provider;
    *no_store = 0;
    return operation == OSSL_OP_KEYMGMT ? keys : operation == OSSL_OP_KEM ? kems : NULL;
}

static int toy_begin(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **provider)
{
    static const OSSL_DISPATCH table[] = { ENTRY(OSSL_FUNC_PROVIDER_QUERY_OPERATION, toy_query), { 0, NULL } };
    (void)in;
    *out = table;
    *provider = (void *)(uintptr_t)handle;
    return 1;
}

/* ---- tests ---------------------------------------------------------------------------------------------------- */

static rig r;
static OSSL_PROVIDER *provider;

static int set_up(void **state)
{
    (void)state;
    rig_open(&r, 1);
    if (r.crypto->mlkem)
        return 0;
    assert_int_equal(OSSL_PROVIDER_add_builtin(r.crypto->library, "toy", toy_begin), 1);
    provider = OSSL_PROVIDER_load(r.crypto->library, "toy");
    assert_non_null(provider);
    r.crypto->mlkem = true;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    OSSL_PROVIDER *const held = provider;
    provider = NULL;
    hf_tls_free(r.server.t);
    hf_tls_free(r.client.t);
    r.server.t = r.client.t = NULL;
    if (held != NULL)
        OSSL_PROVIDER_unload(held);
    rig_close(&r);
    return 0;
}

static void expect_group(const char *name)
{
    if (!rig_is_open(&r.server) || !rig_is_open(&r.client))
        fail_msg("%s", rig_why(&r.server));
    assert_string_equal(hf_tls_group(r.server.t), name);
    assert_string_equal(hf_tls_group(r.client.t), name);
    r.server.data_length = 0;
    assert_int_equal(rig_put(&r.client, "words"), 5);
    rig_pump(&r);
    assert_int_equal(r.server.data_length, 5);
}

static void both_have_it_and_take_it(void **state)
{
    (void)state;
    rig_start(&r, "localhost");
    rig_emit(&r, &r.client);
    assert_true(r.client.wire_length > 1216); /* one record still */
    rig_pump(&r);
    expect_group("X25519MLKEM768");
    uint8_t session[4096];
    const size_t n = r.client.session_length;
    memcpy(session, r.client.session, n);
    rig_start_session(&r, "localhost", hf_bytes_make(session, n));
    rig_pump(&r);
    expect_group("X25519MLKEM768");
    assert_true(hf_tls_resumed(r.server.t));
}

/* The share of X25519 comes along, and is taken without a further round trip. */
static void a_server_without_it_takes_the_other_half(void **state)
{
    (void)state;
    static const uint16_t groups[] = { HF_GROUP_X25519, HF_GROUP_P256 };
    r.server_config.groups = groups;
    r.server_config.group_count = 2;
    rig_start(&r, "localhost");
    rig_emit(&r, &r.client);
    rig_feed(&r, &r.server, &r.client, SIZE_MAX);
    assert_int_not_equal(r.server.t->hs.state, HF_HS_WAIT_RETRY);
    rig_pump(&r);
    expect_group("x25519");
    r.server_config.groups = groups + 1;
    r.server_config.group_count = 1;
    rig_start(&r, "localhost");
    rig_pump(&r);
    expect_group("secp256r1");
}

static void it_may_be_asked_for_by_a_retry(void **state)
{
    (void)state;
    static const uint16_t client[] = { HF_GROUP_P256, HF_GROUP_X25519MLKEM768 }, server[] = { HF_GROUP_X25519MLKEM768 };
    r.client_config.groups = client;
    r.client_config.group_count = 2;
    r.server_config.groups = server;
    r.server_config.group_count = 1;
    rig_start(&r, "localhost");
    rig_pump(&r);
    expect_group("X25519MLKEM768");
}

static void tls_1_2_does_not_know_it(void **state)
{
    (void)state;
    r.client_config.most_version = HF_TLS_1_2;
    rig_start(&r, "localhost");
    rig_pump(&r);
    expect_group("x25519");
}

/* One byte wrong in either half of either share, and the two sides have different secrets, or the share is refused. */
static void a_changed_share_opens_nothing(void **state)
{
    (void)state;
    hf_exchange x;
    uint8_t share[HF_SHARE_MOST], reply[HF_SHARE_MOST], ours[HF_SHARED_MOST], theirs[HF_SHARED_MOST];
    size_t n = 0, m = 0;
    assert_int_equal(hf_group_share(hybrid), 1216);
    assert_int_equal(hf_group_reply(hybrid), 1120);
    assert_true(hf_exchange_make(r.crypto, &x, hybrid) && hf_exchange_share(&x, share));
    assert_int_equal(hf_exchange_reply(r.crypto, hybrid, hf_bytes_make(share, 1216), reply, ours, &n).code, 0);
    assert_int_equal(hf_exchange_finish(&x, hf_bytes_make(reply, 1120), theirs, &m).code, 0);
    assert_int_equal(n, 64);
    assert_int_equal(m, 64);
    assert_memory_equal(ours, theirs, 64);
    assert_memory_not_equal(ours, ours + 32, 32);
    const size_t places[] = { 0, 31, TEXT, TEXT + 20 };
    for (size_t i = 0; i < HF_COUNT(places); i++) {
        reply[places[i]] ^= 1;
        const hf_err err = hf_exchange_finish(&x, hf_bytes_make(reply, 1120), theirs, &m);
        assert_true(err.code != 0 || memcmp(ours, theirs, 64) != 0);
        reply[places[i]] ^= 1;
    }
    for (size_t cut = 0; cut < 1216; cut += 152)
        assert_int_equal(hf_exchange_reply(r.crypto, hybrid, hf_bytes_make(share, cut), reply, ours, &n).code, HF_ERR_TLS_KEY_SHARE);
    memset(share, 0xff, KEY); /* no key of ML-KEM: FIPS 203 7.2, the modulus check */
    assert_int_equal(hf_exchange_reply(r.crypto, hybrid, hf_bytes_make(share, 1216), reply, ours, &n).code, HF_ERR_TLS_KEY_SHARE);
    hf_exchange_fini(&x);
}

static void expect_nothing(const uint8_t *secret, size_t n)
{
    static const uint8_t zeros[HF_SHARED_MOST];
    assert_memory_equal(secret, zeros, HF_SHARED_MOST);
    assert_int_equal(n, 0);
}

/* The first half of the secret is there when the second fails: whoever is told of an error has neither. */
static void a_share_that_fails_leaves_no_secret(void **state)
{
    (void)state;
    static const hf_group groups[] = { HF_GROUP_X25519MLKEM768, HF_GROUP_X25519, HF_GROUP_P256 };
    for (size_t i = 0; i < HF_COUNT(groups); i++) {
        hf_exchange x;
        uint8_t share[HF_SHARE_MOST], reply[HF_SHARE_MOST], secret[HF_SHARED_MOST];
        const size_t asked = hf_group_share(groups[i]), answered = hf_group_reply(groups[i]);
        const size_t last = groups[i] == HF_GROUP_P256 ? 64 : 32; /* the part that is a point: zeros are none, or give a zero */
        size_t n = 77;
        assert_true(hf_exchange_make(r.crypto, &x, groups[i]) && hf_exchange_share(&x, share));
        assert_int_equal(hf_exchange_reply(r.crypto, groups[i], hf_bytes_make(share, asked), reply, secret, &n).code, 0);
        memset(share + asked - last, 0, last);
        memset(secret, 0xaa, sizeof secret);
        assert_int_equal(hf_exchange_reply(r.crypto, groups[i], hf_bytes_make(share, asked), reply, secret, &n).code, HF_ERR_TLS_KEY_SHARE);
        expect_nothing(secret, n);
        memset(reply + answered - last, 0, last);
        memset(secret, 0xaa, sizeof secret);
        assert_int_equal(hf_exchange_finish(&x, hf_bytes_make(reply, answered), secret, &n).code, HF_ERR_TLS_KEY_SHARE);
        expect_nothing(secret, n);
        memset(secret, 0xaa, sizeof secret);
        assert_int_equal(hf_exchange_finish(&x, hf_bytes_make(reply, answered - 1), secret, &n).code, HF_ERR_TLS_KEY_SHARE);
        expect_nothing(secret, n);
        hf_exchange_fini(&x);
    }
}

static void with_the_real_ml_kem(void **state)
{
    (void)state;
    hf_test_needs("a libcrypto with ML-KEM (OpenSSL 3.5)", provider == NULL);
    rig_start(&r, "localhost");
    rig_pump(&r);
    expect_group("X25519MLKEM768");
}

static void without_it_nothing_of_it_is_said(void **state)
{
    (void)state;
    r.crypto->mlkem = false;
    rig_start(&r, "localhost");
    rig_emit(&r, &r.client);
    assert_true(r.client.wire_length < 512);
    assert_int_equal(hf_hs_group(&r.client.t->hs, 0), HF_GROUP_X25519);
    rig_pump(&r);
    expect_group("x25519");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(both_have_it_and_take_it), T(a_server_without_it_takes_the_other_half), T(it_may_be_asked_for_by_a_retry),
        T(tls_1_2_does_not_know_it), T(a_changed_share_opens_nothing), T(a_share_that_fails_leaves_no_secret), T(with_the_real_ml_kem),
        T(without_it_nothing_of_it_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
