/* SPDX-License-Identifier: Apache-2.0
 *
 * What guards cost: a session from memory, a token, a CORS decision, and a POST with all of them beside one without. The marks
 * are printed beside the figures. No table of peers: nobody else does the same.
 */
#include <handfast/guards.h>
#include <handfast/server.h>
#include <handfast/store.h>

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static hf_crypto *crypto;
static const hf_wall now = { 1800000000 };

static int64_t clock_ns(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void must(hf_err err)
{
    if (err.code == 0)
        return;
    fprintf(stderr, "bench: %s\n", hf_err_text(err));
    exit(1);
}

/* The least of five: what else the machine does only adds. */
static double measure(void (*once)(void), int rounds)
{
    double least = 1e18;
    for (int i = 0; i < 5; i++) {
        const int64_t begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        for (int j = 0; j < rounds; j++)
            once();
        const double ns = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / rounds;
        least = ns < least ? ns : least;
    }
    return least;
}

static void say(const char *what, double got, double mark, const char *unit)
{
    printf("%-42s %10.2f %-4s %s %g\n", what, got, unit, got <= mark ? "pass: at most" : "miss: at most", mark);
}

/* ---- each by itself ------------------------------------------------------------------------------------------- */

static hf_session_store store;
static hf_session kept;
static uint8_t room[65536];

static void find_session(void)
{
    static const hf_session_rules rules;
    hf_session s;
    must(hf_session_find(crypto, &rules, &store, hf_bytes_make(kept.id, HF_SESSION_COOKIE), now, (hf_span){ room, sizeof room }, &s, NULL));
}

static hf_jwt_policy policy;
static char token[2048];
static size_t token_length;

static void verify_token(void)
{
    hf_claims *claims;
    must(hf_jwt_verify(hf_env_default(), &policy, hf_bytes_make(token, token_length), now, &claims, NULL));
    hf_claims_free(claims);
}

static EVP_PKEY *key;
static uint8_t signature[128];
static size_t signature_length;

/* What libcrypto needs for the same: one ECDSA verification of as many bytes. */
static void verify_alone(void)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    if (EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestVerify(c, signature, signature_length, (const uint8_t *)token, token_length) != 1)
        abort();
    EVP_MD_CTX_free(c);
}

static void make_token(hf_alg *alg, hf_keys *keys)
{
    policy = (hf_jwt_policy){ .algs = alg, .alg_count = 1, .issuer = "bench", .audience = "bench", .keys = keys };
    must(hf_jwt_issue(crypto, hf_env_default(), &policy, &(hf_jwt_wish){ .subject = HF_LITERAL("alice"), .life_s = 900 }, now, token, sizeof token,
        &token_length, NULL, NULL));
}

static void make_ec_key(hf_keys *keys)
{
    char pem[1024];
    BIO *out = BIO_new(BIO_s_mem());
    key = EVP_EC_gen("P-256");
    PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    const int n = BIO_read(out, pem, sizeof pem);
    BIO_free(out);
    must(hf_keys_add_pem(keys, HF_ALG_ES256, hf_text("e"), hf_bytes_make(pem, (size_t)n), NULL));
}

static void sign_alone(void)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    signature_length = sizeof signature;
    if (EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key) != 1 || EVP_DigestSign(c, signature, &signature_length, (const uint8_t *)token, token_length) != 1)
        abort();
    EVP_MD_CTX_free(c);
}

static hf_cors *cors;
static hf_request_head head;

static void decide(void)
{
    hf_cors_answer answer;
    hf_cors_decide(cors, &head, false, &answer);
    if (answer.count == 0)
        abort();
}

static void make_cors(void)
{
    static char text[100][48];
    static const char *list[101];
    static hf_field fields[3] = { { HF_LITERAL("Host"), HF_LITERAL("api.example"), HF_FIELD_HOST }, { HF_LITERAL("Accept"), HF_LITERAL("*/*"), HF_FIELD_ACCEPT } };
    for (int i = 0; i < 100; i++) {
        snprintf(text[i], sizeof text[i], "https://app-%02d.customers.example.com", i);
        list[i] = text[i];
    }
    must(hf_cors_compile(hf_env_default(), &(hf_cors_rules){ .origins = list }, &cors, NULL));
    fields[2] = (hf_field){ HF_LITERAL("Origin"), hf_text(text[57]), HF_FIELD_ORIGIN };
    head = (hf_request_head){ .method = HF_METHOD_GET, .method_name = HF_LITERAL("GET"), .fields = { fields, 3 } };
}

/* ---- a whole POST --------------------------------------------------------------------------------------------- */

static hf_session_guard sessions = { .guard = HF_GUARD_SESSION };
static hf_csrf_guard csrf = { .guard = HF_GUARD_CSRF, .sessions = &sessions };
static hf_rate_guard rate = { .guard = HF_GUARD_RATE };

static hf_err done(hf_req *rq)
{
    return hf_reply_text(rq, 200, "done\n");
}

static const hf_route routes[] = {
    { "POST", "/plain", .handle = done, .takes = HF_TAKES_FORM },
    { "POST", "/guarded", .handle = done, .takes = HF_TAKES_FORM, .guards = { &rate.guard, &sessions.guard, &csrf.guard } },
};

/* What the server's threads need for one: all of the process's time but ours. */
static double post(int fd, const char *path, const char *cookie, const char *csrf_token)
{
    enum { ROUNDS = 2000 }; /* short, so that the least of many is undisturbed */
    char text[2048], answer[4096];
    const char body[] = "text=hello&name=alice&more=some+words+of+a+form";
    const int n = snprintf(text, sizeof text, "POST %s HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nCookie: __Host-sid=%.43s\r\n"
        "X-CSRF-Token: %.86s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n\r\n%s", path, cookie, csrf_token, sizeof body - 1, body);
    const int64_t begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID), own = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < ROUNDS; i++) {
        if (send(fd, text, (size_t)n, 0) != n)
            exit(1);
        const ssize_t got = recv(fd, answer, sizeof answer - 1, 0);
        answer[got > 0 ? got : 0] = 0;
        if (strstr(answer, " 200 ") == NULL) {
            fprintf(stderr, "bench: %s\n", answer);
            exit(1);
        }
    }
    return (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin - (clock_ns(CLOCK_THREAD_CPUTIME_ID) - own)) / ROUNDS;
}

static void measure_posts(void)
{
    static const hf_session_rules rules;
    hf_server *server = NULL;
    hf_limits limits = *hf_limits_default();
    char csrf_token[HF_CSRF_TOKEN];
    double plain = 1e18, guarded = 1e18;
    limits.requests_per_connection = UINT64_MAX;
    hf_session mine;
    must(hf_session_begin(crypto, &rules, (hf_wall){ time(NULL) }, &mine));
    must(hf_session_save(hf_env_default(), &store, &mine));
    must(hf_csrf_token(crypto, mine.record.csrf, csrf_token));
    sessions.store = store;
    rate.rate = hf_rate_new(hf_env_default(), &(hf_rate_rules){ .burst = 1000000, .per_minute = 100000000 }, (const uint8_t *)"0123456789abcdef");
    must(hf_server_open(&server, &(hf_server_options){ .listen = { "http://127.0.0.1:0" }, .routes = routes, .route_count = HF_COUNT(routes), .threads = 1, .limits = &limits }));
    must(hf_server_start(server));
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(hf_server_port(server, 0)), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) != 0)
        exit(1);
    for (int i = 0; i < 50; i++) {
        const double a = post(fd, "/plain", mine.id, csrf_token), b = post(fd, "/guarded", mine.id, csrf_token);
        plain = a < plain ? a : plain;
        guarded = b < guarded ? b : guarded;
    }
    close(fd);
    hf_server_close(server);
    printf("%-42s %10.2f ns\n%-42s %10.2f ns\n", "a POST without guards", plain, "with rate, session and CSRF", guarded);
    say("a guarded POST beside one without", guarded / plain, 1.25, "x");
}

int main(void)
{
    static const hf_session_rules rules;
    static hf_alg hs = HF_ALG_HS256, es = HF_ALG_ES256;
    crypto = hf_crypto_new(hf_env_default(), NULL);
    if (crypto == NULL || hf_memory_store_new(hf_env_default(), &store) == NULL)
        return 1;
    must(hf_session_begin(crypto, &rules, now, &kept));
    must(hf_session_save(hf_env_default(), &store, &kept));
    say("a session from memory", measure(find_session, 200000) / 1000, 1, "us");
    hf_keys *const secrets = hf_keys_new(crypto, hf_env_default()), *const pairs = hf_keys_new(crypto, hf_env_default());
    must(hf_keys_add_secret(secrets, HF_ALG_HS256, hf_text("h"), hf_text("0123456789abcdef0123456789abcdef"), NULL));
    make_token(&hs, secrets);
    say("a token, HS256", measure(verify_token, 50000) / 1000, 3, "us");
    make_ec_key(pairs);
    make_token(&es, pairs);
    sign_alone();
    const double whole = measure(verify_token, 2000);
    say("a token, ES256, beside libcrypto's verify", whole / measure(verify_alone, 2000), 1.1, "x");
    make_cors();
    say("a CORS decision among 100 origins", measure(decide, 1000000), 200, "ns");
    measure_posts();
    return 0;
}
