/* SPDX-License-Identifier: Apache-2.0
 *
 * A client by wolfSSL: wolfssl PORT HOST CA 1.2|1.3 [resume]. Prints version, suite, whether the session was resumed, and what came.
 * The chain and the name are checked.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

static void check(const char *what, int good, WOLFSSL *ssl, int code)
{
    char text[WOLFSSL_MAX_ERROR_SZ] = "";
    if (good)
        return;
    if (ssl != NULL)
        wolfSSL_ERR_error_string((unsigned long)wolfSSL_get_error(ssl, code), text);
    fprintf(stderr, "%s: %s\n", what, text);
    exit(1);
}

static WOLFSSL_SESSION *visit(WOLFSSL_CTX *ctx, int port, const char *host, WOLFSSL_SESSION *session)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    char text[4096], protocols[] = "http/1.1";
    check("connect", connect(fd, (struct sockaddr *)&at, sizeof at) == 0, NULL, 0);
    WOLFSSL *ssl = wolfSSL_new(ctx);
    check("new", ssl != NULL, NULL, 0);
    wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, host, (unsigned short)strlen(host));
    wolfSSL_check_domain_name(ssl, host);
    wolfSSL_UseALPN(ssl, protocols, (unsigned)strlen(protocols), WOLFSSL_ALPN_FAILED_ON_MISMATCH);
    wolfSSL_UseSessionTicket(ssl);
    if (session != NULL)
        wolfSSL_set_session(ssl, session);
    wolfSSL_set_fd(ssl, fd);
    int code = wolfSSL_connect(ssl);
    check("handshake", code == WOLFSSL_SUCCESS, ssl, code);
    printf("%s %s %s\n", wolfSSL_get_version(ssl), wolfSSL_get_cipher_name(ssl), wolfSSL_session_reused(ssl) ? "resumed" : "full");
    int n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host);
    check("write", wolfSSL_write(ssl, text, n) == n, ssl, 0);
    while ((n = wolfSSL_read(ssl, text, sizeof text)) > 0)
        fwrite(text, 1, (size_t)n, stdout);
    WOLFSSL_SESSION *const next = wolfSSL_get1_session(ssl);
    wolfSSL_shutdown(ssl);
    wolfSSL_free(ssl);
    close(fd);
    return next;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    wolfSSL_Init();
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(strcmp(argv[4], "1.3") == 0 ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method());
    check("ca", ctx != NULL && wolfSSL_CTX_load_verify_locations(ctx, argv[3], NULL) == WOLFSSL_SUCCESS, NULL, 0);
    WOLFSSL_SESSION *session = visit(ctx, atoi(argv[1]), argv[2], NULL);
    if (argc > 5)
        visit(ctx, atoi(argv[1]), argv[2], session);
    return 0;
}
