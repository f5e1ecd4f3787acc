/* SPDX-License-Identifier: Apache-2.0
 *
 * Guards beside routes (A01, A09, A12, A16, A27, A46, A50 to A53): a request that is denied reaches no handler.
 */
#include "service_rig.h"

#include <handfast/guards.h>
#include <handfast/store.h>

#include "../../src/app/guards_kinds.h"

static hf_session_guard sessions = { .guard = HF_GUARD_SESSION }, visitors = { .guard = HF_GUARD_SESSION, .optional = true };
static hf_csrf_guard csrf = { .guard = HF_GUARD_CSRF, .sessions = &sessions }, login_csrf = { .guard = HF_GUARD_CSRF, .sessions = &visitors },
                     public_csrf = { .guard = HF_GUARD_CSRF };
static hf_jwt_guard jwt = { .guard = HF_GUARD_JWT };
static hf_cors_guard cors = { .guard = HF_GUARD_CORS };
static hf_headers_guard headers = { .guard = HF_GUARD_HEADERS };
static hf_rate_guard rate = { .guard = HF_GUARD_RATE };
static const hf_alg hs256 = HF_ALG_HS256;
static size_t handled;

static hf_err form(hf_req *rq)
{
    hf_session *s;
    hf_bytes token;
    hf_err err = hf_req_session_begin(rq, &s);
    if (err.code == 0)
        err = hf_req_csrf_token(rq, &token);
    return err.code != 0 ? err : hf_reply_text(rq, 200, "token=%.*s;", HF_STR(token));
}

static hf_err carry_out(hf_req *rq)
{
    handled++;
    return hf_reply_text(rq, 200, "done");
}

static hf_err login(hf_req *rq)
{
    handled++;
    const hf_err err = hf_req_login(rq, hf_req_form(rq, "name"));
    return err.code != 0 ? err : hf_reply_text(rq, 200, "welcome");
}

static hf_err logout(hf_req *rq)
{
    const hf_err err = hf_req_logout(rq);
    return err.code != 0 ? err : hf_reply_text(rq, 200, "bye");
}

static hf_err me(hf_req *rq)
{
    handled++;
    return hf_reply_text(rq, 200, "I am %.*s", HF_STR(hf_claims_text(hf_req_claims(rq), "sub")));
}

static hf_err breaks(hf_req *rq)
{
    (void)rq;
    return hf_err_make(HF_ERR_BASE_USAGE);
}

static hf_err answer_as_asked(hf_req *rq)
{
    uint64_t status = 0;
    assert_true(hf_parse_decimal(hf_path_arg(rq, "status"), &status));
    const hf_err err = hf_reply_field(rq, "Vary", hf_text("Accept"));
    return err.code != 0 ? err : hf_reply(rq, (uint16_t)status, NULL, hf_text(""));
}

static hf_jwt_guard issuer = { .guard = HF_GUARD_JWT };

static hf_err publish(hf_req *rq)
{
    return hf_reply_keys(rq, &issuer);
}

static const hf_route table[] = {
    { .method = "GET", .path = "/form", .handle = form, .guards = { &visitors.guard } },
    { .method = "POST", .path = "/login", .handle = login, .takes = HF_TAKES_FORM, .guards = { &visitors.guard, &login_csrf.guard } },
    { .method = "POST", .path = "/notes", .handle = carry_out, .takes = HF_TAKES_FORM, .guards = { &sessions.guard, &csrf.guard } },
    { .method = "POST", .path = "/logout", .handle = logout, .guards = { &sessions.guard, &csrf.guard } },
    { .method = "POST", .path = "/public", .handle = carry_out, .guards = { &public_csrf.guard } },
    { .method = "GET", .path = "/me", .handle = me, .guards = { &cors.guard, &jwt.guard } },
    { .method = "PUT", .path = "/me", .handle = me, .guards = { &cors.guard, &jwt.guard } },
    { .method = "GET", .path = "/break", .handle = breaks, .guards = { &cors.guard } },
    { .method = "GET", .path = "/as/{status}", .handle = answer_as_asked, .guards = { &cors.guard } },
    { .method = "POST", .path = "/small", .handle = carry_out, .max_body = 3, .guards = { &cors.guard } },
    { .method = "GET", .path = "/few-read", .handle = carry_out, .guards = { &cors.guard, &rate.guard } },
    { .method = "GET", .path = "/keys", .handle = publish },
    { .method = "GET", .path = "/page", .handle = carry_out, .guards = { &headers.guard } },
    { .method = "GET", .path = "/few", .handle = carry_out, .guards = { &rate.guard } },
};

typedef struct bench {
    rig r;
    hf_test_world world;
    hf_memory_store *store;
    hf_crypto *crypto;
    hf_keys *keys;
    hf_cors *compiled;
    const char *last; /* the last answer */
    char token[128], cookie[512], jwt[1024];
} bench;

static void open_bench(bench *b)
{
    static const char *const origins[] = { "https://app.example.com", "https://b.example.com", NULL }, *const methods[] = { "PUT", NULL };
    const hf_cors_rules rules = { .origins = origins, .methods = methods };
    size_t n;
    memset(b, 0, sizeof *b);
    hf_test_world_init(&b->world, 2);
    b->store = hf_memory_store_new(&b->world.env, &sessions.store);
    visitors.store = sessions.store;
    b->crypto = hf_crypto_new(&b->world.env, NULL);
    b->keys = hf_keys_new(b->crypto, &b->world.env);
    assert_int_equal(hf_keys_add_secret(b->keys, HF_ALG_HS256, hf_text("k"), hf_text("0123456789abcdef0123456789abcdef"), NULL).code, 0);
    jwt.policy = (hf_jwt_policy){ .algs = &hs256, .alg_count = 1, .issuer = "i", .audience = "a", .keys = b->keys };
    assert_int_equal(hf_cors_compile(&b->world.env, &rules, &b->compiled, NULL).code, 0);
    cors.cors = b->compiled;
    rate.rate = hf_rate_new(&b->world.env, &(hf_rate_rules){ .burst = 2, .per_minute = 60 }, (const uint8_t *)"0123456789abcdef");
    handled = 0;
    setup_with(&b->r, table, HF_COUNT(table));
    assert_int_equal(hf_jwt_issue(b->crypto, &b->world.env, &jwt.policy, &(hf_jwt_wish){ .subject = hf_text("alice"), .life_s = 900 }, b->r.service.wall, b->jwt,
                                  sizeof b->jwt - 1, &n, NULL, NULL).code, 0);
    b->jwt[n] = 0;
}

static void close_bench(bench *b)
{
    teardown(&b->r);
    hf_rate_free(rate.rate);
    hf_cors_free(b->compiled);
    hf_keys_free(b->keys);
    hf_crypto_free(b->crypto);
    hf_memory_store_free(b->store);
    hf_test_world_fini(&b->world);
}

/* The bytes of what left between `start` and `stop`. */
static void between(const char *text, const char *start, char stop, char *out, size_t room)
{
    const char *at = strstr(text, start);
    assert_non_null(at);
    at += strlen(start);
    const char *const end = strchr(at, stop);
    assert_true(end != NULL && (size_t)(end - at) < room);
    memcpy(out, at, (size_t)(end - at));
    out[end - at] = 0;
}

static const char *spoken_to = "app.example.com"; /* Host */

static void say(bench *b, const char *head, const char *fields, const char *body)
{
    char text[4096];
    const size_t before = strlen(b->r.text);
    snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: %s\r\n%s%s", head, spoken_to, fields, strncmp(head, "POST", 4) != 0 ? "\r\n" : "");
    if (strncmp(head, "POST", 4) == 0)
        snprintf(text + strlen(text), sizeof text - strlen(text), "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    ask(&b->r, text);
    b->last = b->r.text + before;
}

/* A form is loaded: its token, and the cookie of its session. */
static void load(bench *b, const char *cookie)
{
    say(b, "GET /form", cookie, "");
    between(b->last, "token=", ';', b->token, sizeof b->token);
    assert_int_equal(strlen(b->token), 86);
    if (cookie[0] != 0)
        return;
    char id[64];
    between(b->last, "Set-Cookie: __Host-sid=", ';', id, sizeof id);
    assert_int_equal(strlen(id), 43);
    has(b->last, "; Path=/; Secure; HttpOnly; SameSite=Strict\r\n");
    snprintf(b->cookie, sizeof b->cookie, "Cookie: __Host-sid=%s\r\n", id);
}

static void post(bench *b, const char *path, const char *more, const char *body, const char *status)
{
    char fields[2048], head[64];
    snprintf(fields, sizeof fields, "%s%s", b->cookie, more);
    snprintf(head, sizeof head, "POST %s", path);
    say(b, head, fields, body);
    if (strstr(b->last, status) == NULL)
        fail_msg("%s: %s", path, b->last);
}

#define SAME "Sec-Fetch-Site: same-origin\r\n"

static void a_form_needs_its_token_and_login_changes_it(void **state) /* A01, A09, A16 */
{
    (void)state;
    static bench b;
    char body[256], old[512];
    open_bench(&b);
    post(&b, "/login", SAME, "name=alice", "403 ");
    has(b.last, "{\"type\":\"about:blank\",\"title\":\"Forbidden\",\"status\":403,\"request_id\":\"");
    has_not(b.last, "HF-CSRF");
    assert_int_equal(handled, 0);
    load(&b, "");
    snprintf(body, sizeof body, "name=alice&csrf_token=%s", b.token);
    post(&b, "/login", "Sec-Fetch-Site: cross-site\r\nOrigin: http://evil.localhost\r\n", body, "403 ");
    post(&b, "/login", SAME, "name=alice&csrf_token=", "403 ");
    assert_int_equal(handled, 0);
    strcpy(old, b.cookie);
    post(&b, "/login", SAME, body, "200 ");
    assert_int_equal(handled, 1);
    char id[64];
    between(b.last, "Set-Cookie: __Host-sid=", ';', id, sizeof id);
    snprintf(b.cookie, sizeof b.cookie, "Cookie: __Host-sid=%s\r\n", id);
    assert_string_not_equal(old, b.cookie);
    post(&b, "/notes", SAME, body, "403 "); /* the token from before login */
    load(&b, b.cookie);
    snprintf(body, sizeof body, "text=x&csrf_token=%s", b.token);
    post(&b, "/notes", SAME, body, "200 ");
    post(&b, "/notes", "", body, "403 "); /* no witness at all */
    assert_int_equal(handled, 2);
    strcpy(b.cookie, old);
    post(&b, "/notes", SAME, body, "401 ");
    snprintf(b.cookie, sizeof b.cookie, "Cookie: __Host-sid=%s\r\nX-CSRF-Token: %s\r\n", id, b.token);
    post(&b, "/logout", SAME, "", "200 ");
    has(b.last, "Set-Cookie: __Host-sid=; Path=/; Max-Age=0; Secure");
    post(&b, "/notes", SAME, body, "401 ");
    assert_int_equal(handled, 2);
    assert_int_equal(hf_memory_store_count(b.store), 0);
    close_bench(&b);
}

static void a_cookie_sent_twice_is_no_session(void **state) /* A27 */
{
    (void)state;
    static bench b;
    open_bench(&b);
    load(&b, "");
    char both[600];
    snprintf(both, sizeof both, "%.*s; __Host-sid=x\r\n", (int)strlen(b.cookie) - 2, b.cookie);
    snprintf(b.cookie, sizeof b.cookie, "%.500s", both);
    post(&b, "/notes", SAME, "", "400 ");
    assert_int_equal(b.r.done_error[b.r.done - 1], HF_ERR_COOKIE_TWICE);
    say(&b, "GET /form", both, "");
    has(b.last, "Set-Cookie: __Host-sid="); /* another one, for who is let in without */
    close_bench(&b);
}

static void a_public_route_takes_what_programs_send(void **state) /* A12 */
{
    (void)state;
    static bench b;
    open_bench(&b);
    post(&b, "/public", "", "a=b", "200 ");
    post(&b, "/public", "Origin: https://evil.example\r\n", "a=b", "403 ");
    assert_int_equal(handled, 1);
    assert_int_equal(b.r.done_error[b.r.done - 1], HF_ERR_CSRF_ORIGIN_MISMATCH);
    assert_int_equal(hf_memory_store_count(b.store), 0); /* A23 */
    close_bench(&b);
}

/* Everything that a request must be so that it is told why it is denied. */
static void at_home(bench *b)
{
    b->r.dialog.peer = (hf_address){ .family = 4, .ip = { 127, 0, 0, 1 } };
    spoken_to = "localhost:8080";
}

static void the_dev_profile_explains(void **state)
{
    (void)state;
    static bench b;
    open_bench(&b);
    at_home(&b);
    public_csrf.guard.explain = true;
    post(&b, "/public", "Origin: https://evil.example\r\n", "a=b", "403 ");
    has(b.last, "Handfast-Why: HF-CSRF-003 got=\"https://evil.example\" want=\"http://localhost:8080\" fix=\"if that page is yours, add its exact origin to trusted_origins\"\r\n");
    has(b.last, "\"code\":\"HF-CSRF-003\"");
    has(b.last, "\"rule\":\"RFC 6454 7");
    has(b.last, "\"wanted\":\"http://localhost:8080\"");
    has(b.last, "trusted_origins");
    post(&b, "/public", "Accept: text/html\r\nOrigin: https://<b>.example\r\n", "a=b", "403 ");
    has(b.last, "https://&lt;b&gt;.example");
    b.r.app.terse = true; /* whoever runs the server has the last word */
    post(&b, "/public", "Origin: https://evil.example\r\n", "a=b", "403 ");
    has_not(b.last, "HF-CSRF");
    b.r.app.terse = false;
    public_csrf.guard.explain = false;
    post(&b, "/public", "Origin: https://evil.example\r\n", "a=b", "403 ");
    has_not(b.last, "HF-CSRF");
    spoken_to = "app.example.com";
    close_bench(&b);
}

/* Whoever is not at this machine learns a status and an id, whatever the guard was told. */
static void only_who_is_at_home_is_told_why(void **state)
{
    (void)state;
    static const struct {
        const char *host, *fields;
        hf_address peer;
        bool told;
    } rows[] = {
        { "localhost", "", { .family = 4, .ip = { 127, 0, 0, 1 } }, true },
        { "LOCALHOST:8080", "", { .family = 4, .ip = { 127, 8, 9, 1 } }, true },
        { "app.localhost", "", { .family = 6, .ip = { [15] = 1 } }, true },
        { "127.0.0.1:80", "", { .family = 4, .ip = { 127, 0, 0, 1 } }, true },
        { "[::1]:80", "", { .family = 6, .ip = { [15] = 1 } }, true },
        /* a connection from elsewhere */
        { "localhost", "", { .family = 4, .ip = { 192, 0, 2, 1 } }, false },
        { "localhost", "", { .family = 4, .ip = { 10, 0, 0, 1 } }, false },
        { "localhost", "", { .family = 6, .ip = { 0xfe, 0x80, [15] = 1 } }, false },
        { "localhost", "", { .family = 6, .ip = { [10] = 0xff, 0xff, 192, 0, 2, 1 } }, false },
        /* a name that leads here today (DNS rebinding) */
        { "app.example.com", "", { .family = 4, .ip = { 127, 0, 0, 1 } }, false },
        { "evillocalhost", "", { .family = 4, .ip = { 127, 0, 0, 1 } }, false },
        { "localhost.evil.example", "", { .family = 4, .ip = { 127, 0, 0, 1 } }, false },
        { "127.0.0.1.evil.example", "", { .family = 4, .ip = { 127, 0, 0, 1 } }, false },
        { "192.0.2.1", "", { .family = 4, .ip = { 127, 0, 0, 1 } }, false },
        { "0.0.0.0", "", { .family = 4, .ip = { 127, 0, 0, 1 } }, false },
        /* a proxy of this machine, that nobody listed */
        { "localhost", "X-Forwarded-For: 127.0.0.1\r\n", { .family = 4, .ip = { 127, 0, 0, 1 } }, false },
        { "localhost", "x-real-ip: 127.0.0.1\r\n", { .family = 4, .ip = { 127, 0, 0, 1 } }, false },
        { "localhost", "Forwarded: for=127.0.0.1\r\n", { .family = 4, .ip = { 127, 0, 0, 1 } }, false },
        { "localhost", "X-Forwarded-Proto: http\r\n", { .family = 4, .ip = { 127, 0, 0, 1 } }, false },
        { "localhost", "X-Forwarded-Host: localhost\r\n", { .family = 4, .ip = { 127, 0, 0, 1 } }, false },
        { "localhost", "Via: 1.1 cache\r\n", { .family = 4, .ip = { 127, 0, 0, 1 } }, false },
    };
    static bench b;
    char fields[256];
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        open_bench(&b);
        spoken_to = rows[i].host;
        b.r.dialog.peer = rows[i].peer;
        public_csrf.guard.explain = true;
        snprintf(fields, sizeof fields, "Origin: https://evil.example\r\n%s", rows[i].fields);
        post(&b, "/public", fields, "a=b", "403 ");
        public_csrf.guard.explain = false;
        if ((strstr(b.last, "Handfast-Why") != NULL) != rows[i].told || (strstr(b.last, "HF-CSRF") != NULL) != rows[i].told)
            fail_msg("row %zu, %s: %s", i, rows[i].host, b.last);
        has(b.last, rows[i].told ? "\"remedy\":" : "{\"type\":\"about:blank\",\"title\":\"Forbidden\",\"status\":403,\"request_id\":\"");
        close_bench(&b);
    }
    spoken_to = "app.example.com";
}

/* A listed proxy of this machine says who asks, by fields or by the PROXY protocol. */
static void from_afar(void *self, const hf_req *rq, hf_req_source *s)
{
    (void)self;
    (void)rq;
    s->client = (hf_address){ .family = 4, .ip = { 192, 0, 2, 7 } };
}

static void who_comes_by_a_listed_proxy_is_not_told_why(void **state)
{
    (void)state;
    static bench b;
    open_bench(&b);
    at_home(&b);
    b.r.service.hooks.source = from_afar;
    public_csrf.guard.explain = true;
    post(&b, "/public", "Origin: https://evil.example\r\n", "a=b", "403 ");
    public_csrf.guard.explain = false;
    has_not(b.last, "HF-CSRF");
    spoken_to = "app.example.com";
    close_bench(&b);
}

static void a_bearer_token_opens_and_401_says_how(void **state) /* A46, A51 */
{
    (void)state;
    static bench b;
    char fields[2048];
    open_bench(&b);
    snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\nOrigin: https://app.example.com\r\n", b.jwt);
    say(&b, "GET /me", fields, "");
    has(b.last, "I am alice");
    has(b.last, "Access-Control-Allow-Origin: https://app.example.com\r\n");
    has(b.last, "Vary: Origin");
    say(&b, "GET /me", "Origin: https://app.example.com\r\n", "");
    has(b.last, "401 ");
    has(b.last, "WWW-Authenticate: Bearer\r\n");
    has(b.last, "Access-Control-Allow-Origin: https://app.example.com\r\n");
    say(&b, "GET /me", "Authorization: Bearer a.b.c\r\n", "");
    has(b.last, "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n");
    has(b.last, "Vary: Origin");
    has_not(b.last, "Access-Control-Allow");
    has_not(b.last, "HF-JWT");
    assert_int_equal(handled, 1);
    close_bench(&b);
}

static void preflights_reach_no_handler(void **state) /* A50 to A53 */
{
    (void)state;
    static bench b;
    open_bench(&b);
    say(&b, "OPTIONS /me", "Origin: https://b.example.com\r\nAccess-Control-Request-Method: PUT\r\n", "");
    has(b.last, "204 ");
    has(b.last, "Access-Control-Allow-Origin: https://b.example.com\r\n");
    has(b.last, "Access-Control-Allow-Methods: PUT\r\n");
    say(&b, "OPTIONS /me", "Origin: https://b.example.com\r\nAccess-Control-Request-Method: DELETE\r\n", "");
    has(b.last, "403 ");
    has_not(b.last, "Access-Control-Allow");
    assert_int_equal(b.r.done_error[b.r.done - 1], HF_ERR_CORS_METHOD_REFUSED);
    cors.guard.explain = true;
    say(&b, "OPTIONS /me", "Origin: https://b.example.com\r\nAccess-Control-Request-Method: DELETE\r\n", "");
    has(b.last, "403 ");
    has_not(b.last, "Access-Control-Allow");
    at_home(&b);
    say(&b, "OPTIONS /me", "Origin: https://b.example.com\r\nAccess-Control-Request-Method: DELETE\r\n", "");
    cors.guard.explain = false;
    spoken_to = "app.example.com";
    has(b.last, "204 ");
    has(b.last, "Access-Control-Allow-Methods: PUT\r\n");
    say(&b, "OPTIONS /me", "Origin: https://evil.example\r\nAccess-Control-Request-Method: PUT\r\n", "");
    has(b.last, "403 ");
    say(&b, "OPTIONS /me", "", "");
    has(b.last, "Allow: ");
    say(&b, "GET /break", "Origin: https://b.example.com\r\n", "");
    has(b.last, "500 ");
    has(b.last, "Access-Control-Allow-Origin: https://b.example.com\r\n"); /* A51 */
    has(b.last, "Vary: Origin");
    assert_int_equal(handled, 0);
    close_bench(&b);
}

/* Answers to who has an origin, and to who has none: the first may be read, and the second is no answer for the first. */
static void check_read(bench *b, const char *head, const char *body, const char *status)
{
    for (int from = 0; from < 2; from++) {
        say(b, head, from ? "Origin: https://app.example.com\r\n" : "", body);
        has(b->last, status);
        has(b->last, "Vary: Origin\r\n");
        assert_true((strstr(b->last, "Access-Control-Allow-Origin: https://app.example.com\r\n") != NULL) == (from == 1));
    }
}

static void every_status_says_that_it_varies_and_who_may_read_it(void **state) /* A50, A51 */
{
    (void)state;
    static bench b;
    static const char *const statuses[] = { "200", "304", "401", "403", "404", "413", "429", "500" };
    open_bench(&b);
    for (size_t i = 0; i < HF_COUNT(statuses); i++) {
        char head[64];
        snprintf(head, sizeof head, "GET /as/%s", statuses[i]);
        check_read(&b, head, "", statuses[i]);
        has(b.last, "Vary: Accept\r\n"); /* beside the handler's own */
    }
    check_read(&b, "POST /small", "too much", "413 ");
    check_read(&b, "GET /me", "", "401 ");
    for (int i = 0; i < 2; i++)
        check_read(&b, "GET /few-read", "", i == 0 ? "200 " : "429 ");
    check_read(&b, "GET /break", "", "500 ");
    close_bench(&b);
}

/* Two keys, of which the second signs: who knows the first alone fetches the set, and knows both (A41, A45). RFC 8037 A.1. */
static void what_is_published_verifies_what_is_signed_and_holds_no_secret(void **state)
{
    (void)state;
    static bench b;
    static const hf_alg eddsa = HF_ALG_EDDSA;
    static const char pairs[] = "{\"keys\":["
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"old\",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},"
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"new\",\"d\":\"TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs\",\"x\":\"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw\"}]}";
    char token[1024], *set;
    size_t n;
    hf_claims *claims;
    open_bench(&b);
    hf_keys *const own = hf_keys_new(b.crypto, &b.world.env), *const theirs = hf_keys_new(b.crypto, &b.world.env);
    assert_int_equal(hf_keys_add_jwks(own, HF_ALG_UNSET, hf_text(pairs), true, NULL).code, 0);
    issuer.policy = (hf_jwt_policy){ .algs = &eddsa, .alg_count = 1, .issuer = "i", .audience = "a", .keys = own };
    say(&b, "GET /keys", "", "");
    has(b.last, "Content-Type: application/jwk-set+json\r\n");
    has(b.last, "Cache-Control: public, max-age=300\r\n");
    has_not(b.last, "\"d\"");
    has_not(b.last, "nWGxne");
    set = strstr(b.last, "\r\n\r\n") + 4;
    assert_int_equal(hf_keys_add_jwks(theirs, HF_ALG_UNSET, hf_text(set), true, NULL).code, 0);
    hf_jwt_policy policy = issuer.policy;
    policy.keys = theirs;
    for (int i = 0; i < 2; i++) {
        const hf_jwt_wish wish = { .subject = hf_text("alice"), .kid = hf_text(i == 0 ? "old" : "new") };
        assert_int_equal(hf_jwt_issue(b.crypto, &b.world.env, &issuer.policy, &wish, b.r.service.wall, token, sizeof token, &n, NULL, NULL).code, 0);
        assert_int_equal(hf_jwt_verify(&b.world.env, &policy, hf_bytes_make(token, n), b.r.service.wall, &claims, NULL).code, 0);
        hf_claims_free(claims);
    }
    hf_keys_free(own);
    hf_keys_free(theirs);
    close_bench(&b);
}

static void over_tls(void *self, const hf_req *rq, hf_req_source *source)
{
    (void)self, (void)rq;
    source->secure = true;
}

static void only_hosts_that_last_are_held_to_https(void **state) /* A58 */
{
    (void)state;
    static bench b;
    static const char *const lasting[] = { "app.example.com", "app.example.com.", "example.com:8443", "notlocalhost", "localhost.example.com" },
                      *const passing[] = { "localhost", "LOCALHOST:8443", "app.localhost", "app.localhost.", "127.0.0.1", "[::1]:8443" };
    open_bench(&b);
    for (int secure = 0; secure < 2; secure++)
        for (size_t i = 0; i < HF_COUNT(lasting) + HF_COUNT(passing); i++) {
            char text[256];
            const bool lasts = i < HF_COUNT(lasting);
            const char *const start = b.r.text + strlen(b.r.text);
            b.r.service.hooks.source = secure ? over_tls : NULL;
            snprintf(text, sizeof text, "GET /page HTTP/1.1\r\nHost: %s\r\n\r\n", lasts ? lasting[i] : passing[i - HF_COUNT(lasting)]);
            ask(&b.r, text);
            has(start, "200 OK");
            if ((strstr(start, "Strict-Transport-Security: max-age=31536000\r\n") != NULL) != (secure && lasts))
                fail_msg("%s%s", text, start);
        }
    close_bench(&b);
}

static void names_of_local_networks_are_not_public(void **state)
{
    (void)state;
    static const char *const public[] = { "example.com", "www.example.com:443", "local.example", "a.lan.example" },
                      *const own[] = { "localhost", "box", "box.", "box.local", "box.LOCAL.", "nas.lan:8443", "a.internal", "a.home.arpa", "a.test", "192.0.2.1", "[2001:db8::1]", "" };
    for (size_t i = 0; i < HF_COUNT(public); i++)
        assert_true(hf_host_is_public(hf_text(public[i])));
    for (size_t i = 0; i < HF_COUNT(own); i++)
        assert_false(hf_host_is_public(hf_text(own[i])));
}

static void browsers_are_denied_by_a_page_that_tells_as_little(void **state)
{
    (void)state;
    static bench b;
    open_bench(&b);
    say(&b, "GET /me", "Accept: text/html,*/*;q=0.8\r\n", "");
    has(b.last, "401 Unauthorized");
    has(b.last, "<h1>401 Unauthorized</h1><p>Request ");
    has_not(b.last, "HF-JWT");
    say(&b, "GET /me", "Accept: */*\r\n", "");
    has(b.last, "application/problem+json");
    has_not(b.last, "HF-JWT");
    close_bench(&b);
}

static void too_many_requests_are_told_when(void **state)
{
    (void)state;
    static bench b;
    open_bench(&b);
    say(&b, "GET /few", "", "");
    say(&b, "GET /few", "", "");
    has(b.last, "200 ");
    say(&b, "GET /few", "", "");
    has(b.last, "429 ");
    has(b.last, "Retry-After: 1\r\n");
    assert_int_equal(handled, 2);
    close_bench(&b);
}

static void a_store_that_fails_denies_and_other_routes_go_on(void **state) /* A21 */
{
    (void)state;
    static bench b;
    open_bench(&b);
    b.world.memory.fail_at = b.world.memory.calls + 1;
    b.world.memory.fail_on = true;
    say(&b, "GET /form", "", "");
    has(b.last, "HTTP/1.1 5");
    b.world.memory.fail_at = 0;
    say(&b, "GET /few", "", "");
    has(b.last, "200 ");
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_form_needs_its_token_and_login_changes_it),
        cmocka_unit_test(a_cookie_sent_twice_is_no_session),
        cmocka_unit_test(a_public_route_takes_what_programs_send),
        cmocka_unit_test(the_dev_profile_explains), cmocka_unit_test(only_who_is_at_home_is_told_why),
        cmocka_unit_test(who_comes_by_a_listed_proxy_is_not_told_why),
        cmocka_unit_test(a_bearer_token_opens_and_401_says_how),
        cmocka_unit_test(preflights_reach_no_handler),
        cmocka_unit_test(every_status_says_that_it_varies_and_who_may_read_it),
        cmocka_unit_test(what_is_published_verifies_what_is_signed_and_holds_no_secret),
        cmocka_unit_test(only_hosts_that_last_are_held_to_https),
        cmocka_unit_test(names_of_local_networks_are_not_public),
        cmocka_unit_test(browsers_are_denied_by_a_page_that_tells_as_little),
        cmocka_unit_test(too_many_requests_are_told_when),
        cmocka_unit_test(a_store_that_fails_denies_and_other_routes_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
