/* SPDX-License-Identifier: Apache-2.0
 *
 * A client by mbedTLS: mbedtls PORT HOST CA [resume]. Prints version, suite, whether the session was resumed, and what came. Fails where
 * anything fails: the chain and the name are checked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>

static void check(const char *what, int code)
{
    char text[200];
    if (code == 0)
        return;
    mbedtls_strerror(code, text, sizeof text);
    fprintf(stderr, "%s: %s\n", what, text);
    exit(1);
}

static void visit(mbedtls_ssl_config *config, const char *port, const char *host, mbedtls_ssl_session *session, int resume)
{
    mbedtls_net_context net;
    mbedtls_ssl_context ssl;
    unsigned char text[4096];
    int n;
    mbedtls_net_init(&net);
    mbedtls_ssl_init(&ssl);
    check("setup", mbedtls_ssl_setup(&ssl, config));
    check("host", mbedtls_ssl_set_hostname(&ssl, host));
    if (resume)
        check("session", mbedtls_ssl_set_session(&ssl, session));
    check("connect", mbedtls_net_connect(&net, "127.0.0.1", port, MBEDTLS_NET_PROTO_TCP));
    mbedtls_ssl_set_bio(&ssl, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
    check("handshake", mbedtls_ssl_handshake(&ssl));
    printf("%s %s\n", mbedtls_ssl_get_version(&ssl), mbedtls_ssl_get_ciphersuite(&ssl));
    check("get session", mbedtls_ssl_get_session(&ssl, session));
    n = snprintf((char *)text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host);
    if (mbedtls_ssl_write(&ssl, text, (size_t)n) != n)
        exit(1);
    while ((n = mbedtls_ssl_read(&ssl, text, sizeof text)) > 0)
        fwrite(text, 1, (size_t)n, stdout);
    if (n != 0 && n != MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
        check("read", n);
    mbedtls_ssl_close_notify(&ssl);
    mbedtls_net_free(&net);
    mbedtls_ssl_free(&ssl);
}

int main(int argc, char **argv)
{
    mbedtls_ssl_config config;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_x509_crt ca;
    mbedtls_ssl_session session;
    static const char *protocols[] = { "http/1.1", NULL };
    if (argc < 4)
        return 2;
    mbedtls_ssl_config_init(&config);
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    mbedtls_x509_crt_init(&ca);
    mbedtls_ssl_session_init(&session);
    check("random", mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0));
    check("ca", mbedtls_x509_crt_parse_file(&ca, argv[3]));
    check("config", mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT));
    mbedtls_ssl_conf_ca_chain(&config, &ca, NULL);
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
    check("alpn", mbedtls_ssl_conf_alpn_protocols(&config, protocols));
    visit(&config, argv[1], argv[2], &session, 0);
    if (argc > 4)
        visit(&config, argv[1], argv[2], &session, 1);
    return 0;
}
