/* SPDX-License-Identifier: Apache-2.0
 *
 * What a handshake costs the TLS core at the server's end, beside the least that it can cost: the same key exchange and
 * signature on the same libcrypto, with every context that can be kept made before. No system call, no second process. And
 * what an idle connection holds.
 *
 *     tls_core CERTIFICATE KEY     prints "NAME FLOOR-us CORE-us RATIO" for full and resumed handshakes, and bytes
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <handfast/tls.h>

enum { ROUNDS = 2000, AT_ONCE = 50, WIRE = 1 << 13 };

static size_t held; /* bytes of all allocations of the cores */

static void *resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
    (void)ctx;
    held += new_size - old_size;
    if (new_size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, new_size);
}

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void check(int good)
{
    if (!good)
        abort();
}

/* ---- the floor ------------------------------------------------------------------------------------------------ */

static EVP_PKEY_CTX *generator;

static double exchange_us(void)
{
    EVP_PKEY *peer = NULL;
    check(EVP_PKEY_generate(generator, &peer) == 1);
    const int64_t from = cpu_ns();
    for (int i = 0; i < ROUNDS; i++) {
        EVP_PKEY *own = NULL;
        uint8_t secret[32];
        size_t n = sizeof secret;
        check(EVP_PKEY_generate(generator, &own) == 1);
        EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(own, NULL);
        check(EVP_PKEY_derive_init(c) == 1 && EVP_PKEY_derive_set_peer_ex(c, peer, 0) == 1 && EVP_PKEY_derive(c, secret, &n) == 1);
        EVP_PKEY_CTX_free(c);
        EVP_PKEY_free(own);
    }
    const double us = (double)(cpu_ns() - from) / ROUNDS / 1000;
    EVP_PKEY_free(peer);
    return us;
}

static double sign_us(const char *path)
{
    FILE *f = fopen(path, "re");
    EVP_PKEY *key = f != NULL ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
    EVP_PKEY_CTX *c = key != NULL ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    const uint8_t digest[32] = { 1 };
    uint8_t signature[1024];
    check(c != NULL && EVP_PKEY_sign_init(c) == 1);
    const int64_t from = cpu_ns();
    for (int i = 0; i < ROUNDS; i++) {
        size_t n = sizeof signature;
        check(EVP_PKEY_sign(c, signature, &n, digest, sizeof digest) == 1);
    }
    const double us = (double)(cpu_ns() - from) / ROUNDS / 1000;
    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(key);
    fclose(f);
    return us;
}

/* ---- the core ------------------------------------------------------------------------------------------------- */

typedef struct end {
    hf_tls *t;
    uint8_t in[WIRE];
    size_t length;
    bool open;
} end;

static hf_env env;
static hf_tls_config server_config, client_config;
static uint8_t session[4096];
static size_t session_length;

static void step(end *e, hf_time now)
{
    hf_tls_event event;
    for (;;) {
        hf_in in = { .ptr = e->in, .len = e->length };
        const hf_step s = hf_tls_step(e->t, now, &in, &event);
        check(s != HF_FAULT);
        if (s == HF_EVENT && event.kind == HF_TLS_WANT_SIGN)
            hf_tls_sign_here(e->t, &event);
        if (s == HF_EVENT && event.kind == HF_TLS_WANT_VERIFY)
            hf_tls_answer_verify(e->t, HF_OK);
        if (s == HF_EVENT && event.kind == HF_TLS_SESSION) {
            memcpy(session, event.session.ptr, event.session.len);
            session_length = event.session.len;
        }
        e->open = e->open || (s == HF_EVENT && event.kind == HF_TLS_OPENED);
        memmove(e->in, e->in + in.used, e->length - in.used);
        e->length -= in.used;
        if (s != HF_EVENT)
            return;
    }
}

static void emit(end *e, end *to, hf_time now)
{
    static uint8_t scratch[1 << 15];
    hf_extent pieces[4];
    hf_out out = { .pieces = pieces, .capacity = 4, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
    (void)hf_tls_emit(e->t, now, &out);
    for (size_t i = 0; i < out.count; i++) {
        memcpy(to->in + to->length, out.pieces[i].bytes.ptr, out.pieces[i].bytes.len);
        to->length += out.pieces[i].bytes.len;
    }
}

static end servers[AT_ONCE], clients[AT_ONCE];

static void begin_client(end *e, bool resume)
{
    *e = (end){ .t = hf_tls_client_new(&env, &client_config, 2, hf_time_make(1), (hf_bytes){ (const uint8_t *)"localhost", 9 },
                                       (hf_bytes){ session, resume ? session_length : 0 }) };
}

/* Handshakes side by side, so that the clock is read once a turn of all. Returns the CPU time of the servers' part. */
static int64_t shake(size_t count, bool resume)
{
    const hf_time now = hf_time_make(1);
    for (size_t i = 0; i < count; i++)
        begin_client(&clients[i], resume);
    int64_t cost = -cpu_ns();
    for (size_t i = 0; i < count; i++)
        servers[i] = (end){ .t = hf_tls_server_new(&env, &server_config, 1, now) };
    cost += cpu_ns();
    for (int turn = 0; turn < 3; turn++) {
        for (size_t i = 0; i < count; i++) {
            step(&clients[i], now);
            emit(&clients[i], &servers[i], now);
        }
        cost -= cpu_ns();
        for (size_t i = 0; i < count; i++) {
            step(&servers[i], now);
            emit(&servers[i], &clients[i], now);
        }
        cost += cpu_ns();
    }
    for (size_t i = 0; i < count; i++)
        check(servers[i].open && clients[i].open && hf_tls_resumed(servers[i].t) == resume);
    return cost;
}

static double core_us(bool resume)
{
    int64_t all = 0;
    for (int i = 0; i < ROUNDS; i += AT_ONCE) {
        all += shake(AT_ONCE, resume);
        all -= cpu_ns();
        for (size_t k = 0; k < AT_ONCE; k++)
            hf_tls_free(servers[k].t);
        all += cpu_ns();
        for (size_t k = 0; k < AT_ONCE; k++)
            hf_tls_free(clients[k].t);
    }
    return (double)all / ROUNDS / 1000;
}

static size_t idle_bytes(void)
{
    (void)shake(1, false);
    hf_tls_free(clients[0].t);
    step(&servers[0], hf_time_make(HF_SECONDS(1))); /* quiet for a second */
    const size_t rest = held;
    hf_tls_free(servers[0].t);
    return rest - held;
}

static hf_bytes file(const char *path)
{
    static uint8_t room[2][16384];
    static int used;
    FILE *f = fopen(path, "re");
    check(f != NULL && used < 2);
    const size_t n = fread(room[used], 1, sizeof room[0], f);
    fclose(f);
    return (hf_bytes){ room[used++], n };
}

static void row(const char *name, double floor, double core)
{
    printf("%-8s %7.1f %7.1f %6.2f\n", name, floor, core, core / floor);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    hf_random random = { { 1, 2, 3, 4 } };
    env = (hf_env){ .alloc = { resize, NULL }, .random = &random, .limits = hf_limits_default() };
    hf_crypto *crypto = hf_crypto_new(&env, NULL);
    hf_tls_identity identity = { 0 };
    check(crypto != NULL && hf_chain_load(crypto, file(argv[1]), &identity.chain).code == 0 && hf_key_load(crypto, file(argv[2]), &identity.key).code == 0);
    static const hf_tls_ticket_key ticket = { { 1 }, { 2 } };
    static const hf_bytes protocol = { (const uint8_t *)"http/1.1", 8 };
    server_config = (hf_tls_config){ .crypto = crypto, .identities = &identity, .identity_count = 1, .ticket_keys = &ticket, .ticket_key_count = 1,
        .protocols = &protocol, .protocol_count = 1 };
    client_config = (hf_tls_config){ .crypto = crypto, .protocols = &protocol, .protocol_count = 1 };
    generator = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
    check(generator != NULL && EVP_PKEY_keygen_init(generator) == 1);
    (void)core_us(false);
    const double exchange = exchange_us(), sign = sign_us(argv[2]);
    row("full", exchange + sign, core_us(false));
    row("resumed", exchange, core_us(true));
    printf("idle     %zu bytes\n", idle_bytes());
    EVP_PKEY_CTX_free(generator);
    return 0;
}
