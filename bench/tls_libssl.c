/* SPDX-License-Identifier: Apache-2.0
 *
 * What a handshake costs libssl at the server's end: the same exchanges as in tls_core.c, by the same count and the same clock,
 * through memory. Its settings are those of a server that cares: TLS 1.3, X25519, one P-256 certificate, session tickets without
 * a cache, buffers released when idle. And what an idle connection of it holds.
 *
 *     tls_libssl CERTIFICATE KEY     prints "NAME us" for full and resumed handshakes, and bytes
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/ssl.h>

enum { ROUNDS = 2000, AT_ONCE = 50 };

static size_t held; /* bytes of all that libssl and libcrypto hold: each block begins with its size */

static void *take(size_t n, const char *file, int line)
{
    (void)file, (void)line;
    size_t *const p = malloc(n + 16);
    if (p == NULL)
        return NULL;
    *p = n;
    held += n;
    return p + 2;
}

static void give(void *at, const char *file, int line)
{
    (void)file, (void)line;
    if (at == NULL)
        return;
    size_t *const p = (size_t *)at - 2;
    held -= *p;
    free(p);
}

static void *retake(void *at, size_t n, const char *file, int line)
{
    if (at == NULL)
        return take(n, file, line);
    void *const to = n == 0 ? NULL : take(n, file, line);
    const size_t old = ((size_t *)at)[-2];
    if (to != NULL)
        memcpy(to, at, old < n ? old : n);
    if (to != NULL || n == 0)
        give(at, file, line);
    return to;
}

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void check(bool good)
{
    if (!good)
        abort();
}

static SSL_CTX *server_context, *client_context;
static SSL_SESSION *session;

static int keep_session(SSL *s, SSL_SESSION *fresh)
{
    (void)s;
    SSL_SESSION_free(session);
    session = SSL_SESSION_dup(fresh); /* a connection that is freed without its close_notify spoils its own */
    return 0;
}

static SSL *begin(SSL_CTX *context, bool server)
{
    SSL *s = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    check(s != NULL && in != NULL && out != NULL);
    SSL_set_bio(s, in, out);
    if (server)
        SSL_set_accept_state(s);
    else
        SSL_set_connect_state(s);
    return s;
}

static void step(SSL *s)
{
    uint8_t bytes[256];
    if (SSL_is_init_finished(s))
        (void)SSL_read(s, bytes, sizeof bytes); /* tickets */
    else
        (void)SSL_do_handshake(s);
}

static void carry(SSL *from, SSL *to)
{
    uint8_t bytes[16384];
    for (int n; (n = BIO_read(SSL_get_wbio(from), bytes, sizeof bytes)) > 0;)
        check(BIO_write(SSL_get_rbio(to), bytes, n) == n);
}

static SSL *servers[AT_ONCE], *clients[AT_ONCE];

/* Handshakes side by side. Returns the CPU time of the servers' part. */
static int64_t shake(size_t count, bool resume)
{
    for (size_t i = 0; i < count; i++) {
        clients[i] = begin(client_context, false);
        if (resume)
            check(SSL_set_session(clients[i], session) == 1);
    }
    int64_t cost = -cpu_ns();
    for (size_t i = 0; i < count; i++)
        servers[i] = begin(server_context, true);
    cost += cpu_ns();
    for (int turn = 0; turn < 3; turn++) {
        for (size_t i = 0; i < count; i++) {
            step(clients[i]);
            carry(clients[i], servers[i]);
        }
        cost -= cpu_ns();
        for (size_t i = 0; i < count; i++) {
            step(servers[i]);
            carry(servers[i], clients[i]);
        }
        cost += cpu_ns();
    }
    for (size_t i = 0; i < count; i++)
        check(SSL_is_init_finished(servers[i]) && (SSL_session_reused(servers[i]) == 1) == resume);
    return cost;
}

static double handshake_us(bool resume)
{
    int64_t all = 0;
    for (int i = 0; i < ROUNDS; i += AT_ONCE) {
        all += shake(AT_ONCE, resume);
        all -= cpu_ns();
        for (size_t k = 0; k < AT_ONCE; k++)
            SSL_free(servers[k]);
        all += cpu_ns();
        for (size_t k = 0; k < AT_ONCE; k++)
            SSL_free(clients[k]);
    }
    return (double)all / ROUNDS / 1000;
}

static size_t idle_bytes(void)
{
    (void)shake(1, false);
    step(clients[0]);
    SSL_free(clients[0]);
    const size_t rest = held;
    SSL_free(servers[0]);
    return rest - held;
}

int main(int argc, char **argv)
{
    if (argc != 3 || CRYPTO_set_mem_functions(take, retake, give) != 1)
        return 2;
    server_context = SSL_CTX_new(TLS_server_method());
    client_context = SSL_CTX_new(TLS_client_method());
    check(server_context != NULL && client_context != NULL);
    SSL_CTX *const both[] = { server_context, client_context };
    for (int i = 0; i < 2; i++) {
        check(SSL_CTX_set_min_proto_version(both[i], TLS1_3_VERSION) == 1 && SSL_CTX_set1_groups_list(both[i], "X25519") == 1);
        SSL_CTX_set_mode(both[i], SSL_MODE_RELEASE_BUFFERS);
    }
    check(SSL_CTX_use_certificate_chain_file(server_context, argv[1]) == 1 && SSL_CTX_use_PrivateKey_file(server_context, argv[2], SSL_FILETYPE_PEM) == 1);
    SSL_CTX_set_session_cache_mode(server_context, SSL_SESS_CACHE_OFF);
    check(SSL_CTX_set_session_id_context(server_context, (const uint8_t *)"bench", 5) == 1);
    SSL_CTX_set_session_cache_mode(client_context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client_context, keep_session);
    (void)handshake_us(false);
    printf("full     %7.1f\n", handshake_us(false));
    (void)shake(1, false); /* a session */
    step(clients[0]);
    check(session != NULL);
    printf("resumed  %7.1f\n", handshake_us(true));
    printf("idle     %zu bytes\n", idle_bytes());
    return 0;
}
