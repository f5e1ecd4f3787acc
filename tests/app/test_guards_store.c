/* SPDX-License-Identifier: Apache-2.0
 *
 * Guards whose store blocks: the request waits while the store is asked, and the loop does not (A16, A19, A21 to A23); tokens
 * in cookies (A11) and tokens that were revoked (A43). The test is the loop: what is posted runs when it turns.
 */
#include "later_rig.h"

#include <pthread.h>
#include <unistd.h>

#include <handfast/guards.h>
#include <handfast/realtime.h>
#include <handfast/store.h>

#include "pool.h"

static hf_session_guard sessions = { .guard = HF_GUARD_SESSION }, visitors = { .guard = HF_GUARD_SESSION, .optional = true };
static hf_csrf_guard csrf = { .guard = HF_GUARD_CSRF, .sessions = &sessions }, token_csrf = { .guard = HF_GUARD_CSRF };
static hf_jwt_guard jwt = { .guard = HF_GUARD_JWT, .cookie = { .name = "at" } };
static const hf_alg hs256 = HF_ALG_HS256;
static size_t handled, closed;
static uint16_t closed_code;
static hf_test_world own;
static hf_memory_store *memory;
static hf_session_store real; /* beneath the one that fails */
static hf_crypto *crypto;
static hf_keys *keys;
static bool failing;
static char jar[256], bearer[1024], jti[22];

/* ---- a store that blocks, and fails when told ------------------------------------------------------------------- */

static hf_err or_fail(hf_err err)
{
    return failing ? hf_err_make(HF_ERR_SESSION_STORE) : err;
}
static hf_err insert(void *self, const hf_session_record *r)
{
    return or_fail(failing ? HF_OK : real.insert(self, r));
}
static _Atomic size_t looked_up;
static hf_rate *used_up_meanwhile; /* by who is denied behind the same address */
static hf_err get(void *self, const uint8_t key[32], hf_session_record *r, hf_span room)
{
    uint32_t wait;
    looked_up++;
    if (used_up_meanwhile != NULL)
        (void)hf_rate_take(used_up_meanwhile, hf_bytes_make("4\0\0\0\0no", 7), k.r.now, &wait, NULL).code;
    return or_fail(failing ? HF_OK : real.get(self, key, r, room));
}
static hf_err update(void *self, const hf_session_record *r)
{
    return or_fail(failing ? HF_OK : real.update(self, r));
}
static hf_err touch(void *self, const uint8_t key[32], hf_wall used, hf_wall until)
{
    return or_fail(failing ? HF_OK : real.touch(self, key, used, until));
}
static hf_err destroy(void *self, const uint8_t key[32])
{
    return or_fail(failing ? HF_OK : real.destroy(self, key));
}
static hf_err destroy_subject(void *self, hf_bytes subject, size_t *count)
{
    return or_fail(failing ? HF_OK : real.destroy_subject(self, subject, count));
}

/* ---- handlers --------------------------------------------------------------------------------------------------- */

static hf_err answer(hf_req *rq)
{
    handled++;
    const hf_session *const s = hf_req_session(rq);
    const hf_bytes data = s != NULL ? s->record.data : hf_text("");
    return hf_reply_text(rq, 200, "I am %s, %.*s", s != NULL ? s->record.subject : "nobody", HF_STR(data));
}
static hf_err form_with_token(hf_req *rq)
{
    hf_bytes token;
    const hf_err err = hf_req_csrf_token(rq, &token);
    return err.code != 0 ? err : hf_reply_text(rq, 200, "token=%.*s;", HF_STR(token));
}
static hf_err form(hf_req *rq)
{
    return hf_req_session_begin_then(rq, form_with_token);
}
static hf_err login(hf_req *rq)
{
    return hf_req_login_then(rq, hf_text("alice"), answer);
}
static hf_err logout(hf_req *rq)
{
    return hf_req_logout_then(rq, answer);
}
static hf_err logout_everywhere(hf_req *rq)
{
    return hf_req_logout_everywhere_then(rq, answer);
}
static hf_err save(hf_req *rq)
{
    hf_req_session(rq)->record.data = hf_text("cart=3");
    return hf_req_session_save_then(rq, answer);
}
static hf_err in_the_loop(hf_req *rq)
{
    hf_session *s;
    assert_int_equal(hf_req_session_begin(rq, &s).code, HF_ERR_BASE_USAGE);
    assert_int_equal(hf_req_session_save(rq).code, HF_ERR_BASE_USAGE);
    assert_int_equal(hf_req_login(rq, hf_text("alice")).code, HF_ERR_BASE_USAGE);
    assert_int_equal(hf_req_logout(rq).code, HF_ERR_BASE_USAGE);
    return answer(rq);
}
static hf_err take(hf_req *rq, hf_bytes piece)
{
    *hf_req_word(rq) += piece.len;
    return HF_OK;
}
static hf_err count(hf_req *rq)
{
    return hf_reply_text(rq, 200, "%u bytes", (unsigned)*hf_req_word(rq));
}
static hf_err chat(hf_req *rq, const hf_websocket_event *event)
{
    (void)rq;
    if (event != NULL && event->kind == HF_WEBSOCKET_CLOSED) {
        closed++;
        closed_code = event->code;
    }
    return HF_OK;
}
static hf_err tick(hf_req *rq)
{
    return hf_event_send(rq, &(hf_eventstream_event){ .data = HF_LITERAL("tick") });
}
static hf_err whose(hf_req *rq)
{
    handled++;
    return hf_reply_text(rq, 200, "it is %.*s", HF_STR(hf_claims_text(hf_req_claims(rq), "sub")));
}

/* ---- keys that change -------------------------------------------------------------------------------------------- */

static size_t fetches;
static const char *published; /* NULL: the issuer cannot be reached */
static hf_err fetch_published(void *self, char *out, size_t room, size_t *length)
{
    (void)self;
    fetches++;
    *length = published != NULL ? strlen(published) : 0;
    if (published == NULL || *length > room)
        return hf_err_make(HF_ERR_JWT_KEYS_UNREACHABLE);
    memcpy(out, published, *length);
    return HF_OK;
}
/* The same secret under two names. */
#define KEY(kid) "{\"kty\":\"oct\",\"kid\":\"" kid "\",\"alg\":\"HS256\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}"
static hf_jwks issuer = { .fetch = fetch_published };
static hf_jwt_guard by_issuer = { .guard = HF_GUARD_JWT, .jwks = &issuer };

/* ---- rates that are counted elsewhere, too ----------------------------------------------------------------------- */

static size_t rated;
static hf_err elsewhere;
static char rated_as[64];
static hf_err count_one(void *self, hf_bytes name, hf_bytes key, const hf_rate_rules *rules, uint32_t *wait_s)
{
    (void)self;
    rated++;
    snprintf(rated_as, sizeof rated_as, "%.*s %c%zu %u/%u", HF_STR(name), key.ptr[0], key.len, rules->burst, rules->per_minute);
    *wait_s = 7;
    return elsewhere;
}
static hf_rate_guard together = { .guard = HF_GUARD_RATE, .shared = { .take = count_one } },
                     each_session = { .guard = HF_GUARD_RATE, .by = HF_RATE_BY_SESSION, .name = "mine", .shared = { .take = count_one } };

static const hf_route guarded_routes[] = {
    { .method = "GET", .path = "/few", .handle = answer, .guards = { &together.guard } },
    { .method = "POST", .path = "/few", .handle = answer, .guards = { &together.guard } },
    { .method = "GET", .path = "/few-each", .handle = answer, .guards = { &sessions.guard, &each_session.guard } },
    { .method = "GET", .path = "/me", .handle = answer, .guards = { &sessions.guard } },
    { .method = "GET", .path = "/home", .handle = answer, .guards = { &visitors.guard } },
    { .method = "GET", .path = "/form", .handle = form, .guards = { &visitors.guard } },
    { .method = "POST", .path = "/login", .handle = login, .guards = { &visitors.guard } },
    { .method = "POST", .path = "/logout", .handle = logout, .guards = { &sessions.guard } },
    { .method = "POST", .path = "/everywhere", .handle = logout_everywhere, .guards = { &sessions.guard } },
    { .method = "POST", .path = "/save", .handle = save, .guards = { &sessions.guard } },
    { .method = "POST", .path = "/notes", .handle = answer, .takes = HF_TAKES_FORM, .guards = { &sessions.guard, &csrf.guard } },
    { .method = "POST", .path = "/count", .handle = count, .body = take, .guards = { &sessions.guard } },
    { .method = "GET", .path = "/loop", .handle = in_the_loop, .guards = { &visitors.guard } },
    { .method = "GET", .path = "/chat", .websocket = chat, .guards = { &sessions.guard } },
    { .method = "GET", .path = "/ticks", .events = tick, .guards = { &sessions.guard } },
    { .method = "GET", .path = "/token", .handle = whose, .guards = { &jwt.guard } },
    { .method = "GET", .path = "/token-form", .handle = form_with_token, .guards = { &jwt.guard } },
    { .method = "POST", .path = "/token", .handle = whose, .takes = HF_TAKES_FORM, .guards = { &jwt.guard, &token_csrf.guard } },
    { .method = "GET", .path = "/issuer", .handle = whose, .guards = { &by_issuer.guard } },
    { .method = "GET", .path = "/open", .handle = answer },
};

/* ---- the bench --------------------------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    size_t n;
    handled = closed = 0;
    failing = false;
    jar[0] = 0;
    hf_test_world_init(&own, 3);
    memory = hf_memory_store_new(&own.env, &real);
    sessions.collected = visitors.collected = jwt.collected = 0;
    sessions.store = (hf_session_store){ real.self, insert, get, update, touch, destroy, destroy_subject, real.collect, true };
    visitors.store = jwt.revoked = sessions.store;
    crypto = hf_crypto_new(&own.env, NULL);
    keys = hf_keys_new(crypto, &own.env);
    assert_int_equal(hf_keys_add_secret(keys, HF_ALG_HS256, hf_text("k"), hf_text("0123456789abcdef0123456789abcdef"), NULL).code, 0);
    jwt.policy = (hf_jwt_policy){ .algs = &hs256, .alg_count = 1, .issuer = "i", .audience = "a", .keys = keys };
    by_issuer.policy = jwt.policy;
    by_issuer.policy.keys = NULL;
    issuer = (hf_jwks){ .fetch = fetch_published };
    published = "{\"keys\":[" KEY("k") "]}";
    fetches = rated = 0;
    elsewhere = HF_OK;
    together.rate = hf_rate_new(&own.env, &(hf_rate_rules){ .burst = 2, .per_minute = 60 }, (const uint8_t *)"0123456789abcdef");
    each_session.rate = hf_rate_new(&own.env, &(hf_rate_rules){ .burst = 1, .per_minute = 60 }, (const uint8_t *)"0123456789abcdef");
    kit_begin(guarded_routes, HF_COUNT(guarded_routes));
    assert_int_equal(hf_jwt_issue(crypto, &own.env, &jwt.policy, &(hf_jwt_wish){ .subject = hf_text("alice"), .life_s = 900 }, k.r.service.wall, bearer,
                                  sizeof bearer - 1, &n, jti, NULL).code, 0);
    bearer[n] = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_end();
    hf_rate_free(together.rate);
    hf_rate_free(each_session.rate);
    hf_jwks_close(&issuer);
    hf_keys_free(keys);
    hf_crypto_free(crypto);
    hf_memory_store_free(memory);
    hf_test_world_fini(&own);
    return 0;
}

/* Says it, and turns the loop as long as that changes something. What left since. */
static const char *say(const char *head, const char *more, const char *body)
{
    static char text[4096];
    const char *const start = k.r.text + strlen(k.r.text);
    snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: app.example.com\r\n%s%sContent-Length: %zu\r\n\r\n%s", head, jar, more, strlen(body), body);
    ask(&k.r, text);
    for (int i = 0; i < 4; i++)
        kit_turn();
    return start;
}

static void keep_cookie(const char *answer)
{
    static const char name[] = "Set-Cookie: __Host-sid=";
    const char *const at = strstr(answer, name);
    assert_non_null(at);
    snprintf(jar, sizeof jar, "Cookie: __Host-sid=%.43s\r\n", at + sizeof name - 1);
}

static void log_in(void)
{
    const char *const answer = say("POST /login", "", "");
    has(answer, "I am alice");
    keep_cookie(answer);
}

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

static void a_request_waits_for_the_store_and_the_loop_does_not(void **state)
{
    (void)state;
    log_in();
    char text[512];
    const char *const start = k.r.text + strlen(k.r.text);
    snprintf(text, sizeof text, "GET /me HTTP/1.1\r\nHost: a\r\n%s\r\n", jar);
    const size_t before = handled;
    ask(&k.r, text);
    assert_string_equal(start, ""); /* the loop has other things to do */
    assert_int_equal(handled, before);
    kit_turn();
    has(start, "I am alice");
    assert_int_equal(handled, before + 1);
}

static void who_has_no_cookie_asks_no_store(void **state) /* A23 */
{
    (void)state;
    failing = true;
    has(say("GET /home", "", ""), "I am nobody");
    has(say("GET /open", "", ""), "I am nobody");
    has(say("GET /me", "", ""), "401 ");
    assert_int_equal(hf_memory_store_count(memory), 0);
}

static void an_unknown_id_is_not_let_in(void **state) /* A15 */
{
    (void)state;
    snprintf(jar, sizeof jar, "Cookie: __Host-sid=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\r\n");
    has(say("GET /me", "", ""), "401 ");
    has(say("GET /home", "", ""), "I am nobody");
    const char *const answer = say("GET /form", "", "");
    has(answer, "token=");
    has_not(answer, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
}

static void login_logout_and_back(void **state) /* A16, A19 */
{
    (void)state;
    keep_cookie(say("GET /form", "", ""));
    char before[256];
    strcpy(before, jar);
    log_in();
    assert_string_not_equal(before, jar);
    assert_int_equal(hf_memory_store_count(memory), 1);
    const char *const answer = say("POST /logout", "", "");
    has(answer, "I am nobody");
    has(answer, "Set-Cookie: __Host-sid=; Path=/; Max-Age=0");
    has(say("GET /me", "", ""), "401 ");
    assert_int_equal(hf_memory_store_count(memory), 0);
}

static void what_has_expired_is_collected_now_and_then(void **state) /* A25 */
{
    (void)state;
    const hf_session_record gone = { .key = { 1 }, .version = 1, .until = { k.r.service.wall.s - 1 } };
    assert_int_equal(real.insert(real.self, &gone).code, 0);
    log_in();
    has(say("GET /me", "", ""), "I am alice");
    k.r.service.wall.s += 299;
    has(say("GET /me", "", ""), "I am alice");
    assert_int_equal(hf_memory_store_count(memory), 2);
    k.r.service.wall.s += 2;
    has(say("GET /me", "", ""), "I am alice");
    assert_int_equal(hf_memory_store_count(memory), 1);
}

static void what_is_saved_is_there_next_time(void **state)
{
    (void)state;
    log_in();
    has(say("POST /save", "", ""), "I am alice, cart=3");
    has(say("GET /me", "", ""), "I am alice, cart=3");
}

static void a_form_is_held_until_the_session_is_there(void **state) /* A01 */
{
    (void)state;
    log_in();
    const char *at = strstr(say("GET /form", "", ""), "token=");
    assert_non_null(at);
    char body[256];
    const size_t before = handled;
    snprintf(body, sizeof body, "text=hello&csrf_token=%.86s", at + 6);
    has(say("POST /notes", "Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n", body), "I am alice");
    has(say("POST /notes", "Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n", "text=hello"), "403 ");
    has(say("POST /notes", "Sec-Fetch-Site: cross-site\r\nContent-Type: application/x-www-form-urlencoded\r\n", body), "403 ");
    assert_int_equal(handled, before + 1);
}

static void a_body_in_pieces_goes_to_nobody_before_the_session_is_there(void **state)
{
    (void)state;
    log_in();
    char text[512];
    const char *const start = k.r.text + strlen(k.r.text);
    snprintf(text, sizeof text, "POST /count HTTP/1.1\r\nHost: a\r\n%sContent-Length: 30000\r\n\r\n", jar);
    ask(&k.r, text);
    static char piece[10001];
    memset(piece, 'x', 10000);
    ask(&k.r, piece);
    kit_turn();
    ask(&k.r, piece);
    ask(&k.r, piece);
    has(start, "30000 bytes");
}

static void who_is_denied_later_is_denied_all_the_same(void **state)
{
    (void)state;
    char text[512];
    const char *const start = k.r.text + strlen(k.r.text);
    snprintf(text, sizeof text, "POST /count HTTP/1.1\r\nHost: a\r\nCookie: __Host-sid=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\r\nContent-Length: 10\r\n\r\n");
    ask(&k.r, text);
    ask(&k.r, "01234");
    kit_turn();
    ask(&k.r, "56789");
    has(start, "401 ");
    has(say("GET /open", "", ""), "I am nobody"); /* the connection goes on */
}

static void a_store_that_fails_denies_and_other_routes_answer(void **state) /* A21 */
{
    (void)state;
    log_in();
    failing = true;
    const size_t before = handled;
    has(say("GET /me", "", ""), "503 ");
    has(say("GET /home", "", ""), "503 "); /* not as if nobody were logged in */
    assert_int_equal(handled, before);
    has(say("GET /open", "", ""), "I am nobody");
    jar[0] = 0;
    const char *answer = say("POST /login", "", "");
    has(answer, "503 ");
    has_not(answer, "Set-Cookie");
    answer = say("GET /form", "", "");
    has(answer, "503 ");
    has_not(answer, "Set-Cookie");
    failing = false;
    log_in();
}

static void a_logout_that_failed_is_no_logout(void **state)
{
    (void)state;
    log_in();
    const char *const start = k.r.text + strlen(k.r.text);
    char text[512];
    snprintf(text, sizeof text, "POST /logout HTTP/1.1\r\nHost: a\r\n%sContent-Length: 0\r\n\r\n", jar);
    ask(&k.r, text); /* asked for; now the store fails */
    failing = true;
    kit_turn();
    kit_turn();
    has(start, "503 ");
    has_not(start, "Set-Cookie");
    failing = false;
    has(say("GET /me", "", ""), "I am alice");
}

static void in_a_loop_thread_nobody_asks_a_store_that_blocks(void **state)
{
    (void)state;
    has(say("GET /loop", "", ""), "I am nobody");
}

static void a_client_that_goes_while_it_waits_leaves_nothing(void **state)
{
    (void)state;
    log_in();
    char text[512];
    snprintf(text, sizeof text, "GET /me HTTP/1.1\r\nHost: a\r\n%s\r\n", jar);
    ask(&k.r, text);
    kit_hang_up();
    kit_turn();
    kit_connect();
    k.r.text[0] = 0;
    has(say("GET /me", "", ""), "I am alice");
}

static void use_is_noted_without_waiting_for_it(void **state) /* A17 */
{
    (void)state;
    log_in();
    hf_session_record r;
    uint8_t key[32];
    assert_true(hf_session_key(crypto, hf_bytes_make(jar + 19, 43), key));
    k.r.service.wall.s += 600;
    has(say("GET /me", "", ""), "I am alice");
    assert_int_equal(real.get(real.self, key, &r, (hf_span){ NULL, 0 }).code, 0);
    assert_int_equal(r.used.s, k.r.service.wall.s);
    k.r.service.wall.s += 1800;
    has(say("GET /me", "", ""), "401 ");
    assert_int_equal(real.get(real.self, key, &r, (hf_span){ NULL, 0 }).code, HF_ERR_SESSION_UNKNOWN);
}

/* ---- live routes ------------------------------------------------------------------------------------------------- */

#define OFFER "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://app.example.com\r\n"

static const char *open_live(const char *path, const char *more)
{
    static char text[1024];
    const char *const start = k.r.text + strlen(k.r.text);
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: app.example.com\r\n%s%s\r\n", path, jar, more);
    ask(&k.r, text);
    kit_turn();
    return start;
}

static void limit_session_recheck_ns(void **state) /* A22 */
{
    (void)state;
    size_t n;
    log_in();
    has(open_live("/chat", OFFER), "101 ");
    kit_pass(1);
    kit_pass((int64_t)k.r.world.limits.session_recheck_ns);
    kit_turn();
    assert_int_equal(closed, 0);
    assert_int_equal(real.destroy_subject(real.self, hf_text("alice"), &n).code, 0); /* in another process */
    kit_pass((int64_t)k.r.world.limits.session_recheck_ns / 2);
    kit_turn();
    assert_null(strstr(k.r.text, "the session has ended"));
    kit_pass((int64_t)k.r.world.limits.session_recheck_ns);
    kit_turn();
    /* 1008, and why; the bytes of the handshake hold NULs no more than this text */
    const uint8_t frame[] = { 0x88, 23, 0x03, 0xf0 };
    assert_non_null(memmem(k.r.text, sizeof k.r.text, frame, sizeof frame));
    assert_non_null(memmem(k.r.text, sizeof k.r.text, "the session has ended", 21));
}

static void an_event_stream_ends_with_its_session(void **state) /* A22 */
{
    (void)state;
    size_t n;
    log_in();
    const char *const start = open_live("/ticks", "");
    has(start, "data: tick");
    kit_pass(1);
    assert_int_equal(real.destroy_subject(real.self, hf_text("alice"), &n).code, 0);
    has_not(start, "\r\n0\r\n\r\n");
    kit_pass((int64_t)k.r.world.limits.session_recheck_ns);
    kit_turn();
    has(start, "\r\n0\r\n\r\n");
}

static void a_store_that_fails_ends_no_stream(void **state)
{
    (void)state;
    log_in();
    const char *const start = open_live("/ticks", "");
    kit_pass(1);
    failing = true;
    for (int i = 0; i < 3; i++) {
        kit_pass((int64_t)k.r.world.limits.session_recheck_ns);
        kit_turn();
    }
    has_not(start, "\r\n0\r\n\r\n");
}

static void logout_everywhere_is_for_all_sessions(void **state) /* A22 */
{
    (void)state;
    char first[256];
    log_in();
    strcpy(first, jar);
    jar[0] = 0;
    log_in();
    assert_int_equal(hf_memory_store_count(memory), 2);
    has(say("POST /everywhere", "", ""), "I am nobody");
    assert_int_equal(hf_memory_store_count(memory), 0);
    strcpy(jar, first);
    has(say("GET /me", "", ""), "401 ");
}

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

static const char *with_bearer(void)
{
    static char field[1100];
    snprintf(field, sizeof field, "Authorization: Bearer %s\r\n", bearer);
    return field;
}

static void a_revoked_token_opens_nothing(void **state) /* A43 */
{
    (void)state;
    has(say("GET /token", with_bearer(), ""), "it is alice");
    assert_int_equal(hf_revoke_token(crypto, &real, hf_bytes_make(jti, 22), k.r.service.wall, (hf_wall){ k.r.service.wall.s + 900 }).code, 0);
    const char *const answer = say("GET /token", with_bearer(), "");
    has(answer, "401 ");
    has(answer, "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n");
    assert_int_equal(handled, 1);
}

static void a_subject_logged_out_everywhere_has_no_token(void **state) /* A43 */
{
    (void)state;
    assert_int_equal(hf_revoke_subject(crypto, &real, hf_text("alice"), k.r.service.wall, 900).code, 0);
    has(say("GET /token", with_bearer(), ""), "401 ");
    assert_int_equal(handled, 0);
}

static void a_list_that_cannot_be_asked_denies(void **state)
{
    (void)state;
    failing = true;
    has(say("GET /token", with_bearer(), ""), "503 ");
    has(say("GET /token", "Authorization: Bearer a.b.c\r\n", ""), "401 ");
    assert_int_equal(handled, 0);
}

static void a_token_in_a_cookie_needs_a_csrf_token(void **state) /* A11 */
{
    (void)state;
    char field[1200], body[200];
    const char same[] = "Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    char both[1400];
    snprintf(both, sizeof both, "%s%s", with_bearer(), same);
    has(say("POST /token", both, "a=b"), "it is alice"); /* in the field it needs none */
    snprintf(field, sizeof field, "Cookie: __Host-at=%s\r\n", bearer);
    has(say("GET /token", field, ""), "it is alice");
    snprintf(both, sizeof both, "%s%s", field, same);
    has(say("POST /token", both, "a=b"), "403 ");
    const char *const at = strstr(say("GET /token-form", field, ""), "token=");
    assert_non_null(at);
    snprintf(body, sizeof body, "csrf_token=%.86s", at + 6);
    has(say("POST /token", both, body), "it is alice");
    snprintf(both, sizeof both, "%sSec-Fetch-Site: cross-site\r\nContent-Type: application/x-www-form-urlencoded\r\n", field);
    has(say("POST /token", both, body), "403 ");
    snprintf(both, sizeof both, "%s; __Host-at=x\r\n", "Cookie: __Host-at=y");
    has(say("GET /token", both, ""), "400 "); /* twice is none */
    assert_int_equal(handled, 3);
}

/* A token that this key signed, issued now. */
static const char *signed_by(const char *kid)
{
    size_t n;
    hf_keys *const own_keys = hf_keys_new(crypto, &own.env);
    assert_int_equal(hf_keys_add_secret(own_keys, HF_ALG_HS256, hf_text(kid), hf_text("0123456789abcdef0123456789abcdef"), NULL).code, 0);
    hf_jwt_policy policy = jwt.policy;
    policy.keys = own_keys;
    assert_int_equal(hf_jwt_issue(crypto, &own.env, &policy, &(hf_jwt_wish){ .subject = hf_text("alice"), .life_s = 900 }, k.r.service.wall, bearer,
                                  sizeof bearer - 1, &n, NULL, NULL).code, 0);
    bearer[n] = 0;
    hf_keys_free(own_keys);
    return with_bearer();
}

static void keys_are_fetched_once_and_serve_all(void **state)
{
    (void)state;
    assert_int_equal(hf_jwks_fetch(&issuer, k.r.service.wall, NULL).code, 0);
    for (int i = 0; i < 10; i++)
        has(say("GET /issuer", signed_by("k"), ""), "it is alice");
    assert_int_equal(fetches, 1);
}

static void the_first_request_fetches_where_nobody_did(void **state)
{
    (void)state;
    has(say("GET /issuer", signed_by("k"), ""), "it is alice");
    assert_int_equal(fetches, 1);
}

static void a_new_key_counts_without_a_restart_and_an_old_one_no_more(void **state) /* A41 */
{
    (void)state;
    assert_int_equal(hf_jwks_fetch(&issuer, k.r.service.wall, NULL).code, 0);
    k.r.service.wall.s += 60;
    published = "{\"keys\":[" KEY("k2") "]}";
    has(say("GET /issuer", signed_by("k2"), ""), "it is alice");
    assert_int_equal(fetches, 2);
    has(say("GET /issuer", signed_by("k"), ""), "401 ");
}

static void keys_grow_old_and_are_fetched_without_anybody_waiting(void **state)
{
    (void)state;
    assert_int_equal(hf_jwks_fetch(&issuer, k.r.service.wall, NULL).code, 0);
    published = "{\"keys\":[" KEY("k2") "]}";
    k.r.service.wall.s += 601;
    has(say("GET /issuer", signed_by("k"), ""), "it is alice"); /* by the keys that were there */
    assert_int_equal(fetches, 2);
    has(say("GET /issuer", signed_by("k"), ""), "401 ");
    has(say("GET /issuer", signed_by("k2"), ""), "it is alice");
}

static void unknown_names_fetch_once_a_cooldown(void **state) /* A40 */
{
    (void)state;
    assert_int_equal(hf_jwks_fetch(&issuer, k.r.service.wall, NULL).code, 0);
    k.r.service.wall.s += 60;
    for (int i = 0; i < 1000; i++) {
        k.r.done = 0; /* the rig remembers few */
        has(say("GET /issuer", signed_by("made-up"), ""), "401 ");
    }
    assert_int_equal(fetches, 2);
    k.r.service.wall.s += 29;
    has(say("GET /issuer", signed_by("made-up"), ""), "401 ");
    assert_int_equal(fetches, 2);
    k.r.service.wall.s += 1;
    has(say("GET /issuer", signed_by("made-up"), ""), "401 ");
    assert_int_equal(fetches, 3);
}

static void while_one_request_waits_for_keys_others_do_not(void **state) /* A40 */
{
    (void)state;
    hf_claims *claims;
    assert_int_equal(hf_jwks_fetch(&issuer, k.r.service.wall, NULL).code, 0);
    k.r.service.wall.s += 60;
    char text[1400];
    const char *const start = k.r.text + strlen(k.r.text);
    snprintf(text, sizeof text, "GET /issuer HTTP/1.1\r\nHost: a\r\n%s\r\n", signed_by("made-up"));
    issuer.fetching = true; /* another request has the turn */
    ask(&k.r, text);
    has(start, "401 ");
    issuer.fetching = false;
    assert_int_equal(hf_jwt_verify(&own.env, &jwt.policy, hf_text(bearer), k.r.service.wall, &claims, NULL).code, HF_ERR_JWT_KID);
}

static void keys_that_cannot_be_had_count_on_for_a_day(void **state) /* A42 */
{
    (void)state;
    assert_int_equal(hf_jwks_fetch(&issuer, k.r.service.wall, NULL).code, 0);
    const char *const down[] = { NULL, "no keys", "{\"keys\":[]}", "{}" };
    for (size_t i = 0; i < HF_COUNT(down); i++) {
        published = down[i];
        k.r.service.wall.s += 3600;
        has(say("GET /issuer", signed_by("k"), ""), "it is alice");
        assert_int_equal(fetches, 2 + i);
    }
    k.r.service.wall.s += 86400 - 4 * 3600;
    has(say("GET /issuer", signed_by("k"), ""), "it is alice");
    k.r.service.wall.s += 1;
    has(say("GET /issuer", signed_by("k"), ""), "503 ");
    published = "{\"keys\":[" KEY("k") "]}";
    has(say("GET /issuer", signed_by("k"), ""), "503 "); /* the cool-down */
    k.r.service.wall.s += 30;
    has(say("GET /issuer", signed_by("k"), ""), "it is alice");
}

static void a_file_is_a_source(void **state)
{
    (void)state;
    char path[] = "/tmp/hf-jwks-XXXXXX", out[64];
    size_t n;
    const int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "{\"keys\":[]}", 11) == 11);
    close(fd);
    assert_int_equal(hf_jwks_file(path, out, sizeof out, &n).code, 0);
    assert_int_equal(n, 11);
    assert_int_equal(hf_jwks_file(path, out, 10, &n).code, HF_ERR_JWT_KEYS_UNREACHABLE); /* too large */
    unlink(path);
    assert_int_equal(hf_jwks_file(path, out, sizeof out, &n).code, HF_ERR_JWT_KEYS_UNREACHABLE);
}

static void a_rate_is_counted_elsewhere_too(void **state)
{
    (void)state;
    has(say("GET /few", "", ""), "200 ");
    assert_int_equal(rated, 1);
    assert_memory_equal(rated_as, "GET /few ", 9);
    assert_non_null(strstr(rated_as, " 2/60"));
    elsewhere = hf_err_make(HF_ERR_GUARD_RATE);
    const char *const denied = say("GET /few", "", "");
    has(denied, "429 ");
    has(denied, "Retry-After: 7\r\n");
    assert_int_equal(rated, 2);
    has(say("GET /few", "", ""), "429 "); /* this process's own count: nobody else is asked */
    assert_int_equal(rated, 2);
    assert_int_equal(handled, 1);
}

static void a_count_that_cannot_be_asked_leaves_our_own(void **state)
{
    (void)state;
    elsewhere = hf_err_make(HF_ERR_SESSION_STORE);
    has(say("GET /few", "", ""), "200 ");
    has(say("GET /few", "", ""), "200 ");
    assert_int_equal(rated, 2);
    has(say("GET /few", "", ""), "429 ");
}

static void methods_of_one_path_have_limits_of_their_own(void **state)
{
    (void)state;
    has(say("GET /few", "", ""), "200 ");
    assert_memory_equal(rated_as, "GET /few ", 9);
    has(say("POST /few", "", ""), "200 ");
    assert_memory_equal(rated_as, "POST /few ", 10);
}

/* The pool's only thread is held until the test opens the gate; who is asked then says so. */
static struct {
    hf_job job; /* first */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open, asked, gone_asked;
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void set(bool *what)
{
    pthread_mutex_lock(&gate.lock);
    *what = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}
static void stand_at_the_gate(hf_job *job)
{
    (void)job;
    pthread_mutex_lock(&gate.lock);
    while (!gate.open)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}
static hf_err take_behind_the_gate(void *self, hf_bytes name, hf_bytes key, const hf_rate_rules *rules, uint32_t *wait_s)
{
    set(self == &gate && hf_bytes_equal(name, hf_text("lent")) && key.len == 5 && rules->burst == 2 ? &gate.asked : &gate.gone_asked);
    *wait_s = 0;
    return HF_OK;
}
static hf_err take_of_the_gone(void *self, hf_bytes name, hf_bytes key, const hf_rate_rules *rules, uint32_t *wait_s)
{
    (void)self, (void)name, (void)key, (void)rules, (void)wait_s;
    set(&gate.gone_asked);
    return HF_OK;
}

/* A reload drops a configuration, and its guards with it, once no request is left: a thread may still ask for one that is gone. */
static void a_guard_may_go_while_a_thread_asks(void **state)
{
    (void)state;
    static hf_route lent[] = { { .method = "GET", .path = "/lent", .handle = answer } };
    hf_rate_guard *const g = malloc(sizeof *g);
    *g = (hf_rate_guard){ .guard = HF_GUARD_RATE, .rate = together.rate, .name = "lent", .shared = { &gate, take_behind_the_gate } };
    lent[0].guards[0] = &g->guard;
    kit_end();
    kit_begin(lent, HF_COUNT(lent));
    hf_pool *const pool = k.r.app.pool = hf_pool_new(&hf_env_default()->alloc, 1, 2);
    gate.job = (hf_job){ .work = stand_at_the_gate, .abandon = stand_at_the_gate };
    assert_true(hf_pool_give(pool, &gate.job));
    ask(&k.r, "GET /lent HTTP/1.1\r\nHost: a\r\n\r\n"); /* the question waits behind the gate */
    kit_hang_up();
    ((volatile hf_rate_guard *)g)->shared.take = take_of_the_gone; /* what its memory is used for next */
    free(g);
    set(&gate.open);
    pthread_mutex_lock(&gate.lock);
    while (!gate.asked && !gate.gone_asked)
        pthread_cond_wait(&gate.changed, &gate.lock);
    assert_true(gate.asked && !gate.gone_asked);
    pthread_mutex_unlock(&gate.lock);
    hf_pool_free(pool);
    k.r.app.pool = NULL;
    assert_int_equal(handled, 0);
}

static void each_session_has_its_rate(void **state)
{
    (void)state;
    log_in();
    has(say("GET /few-each", "", ""), "I am alice");
    assert_string_equal(rated_as, "mine s33 1/60");
    has(say("GET /few-each", "", ""), "429 ");
    jar[0] = 0;
    log_in();
    has(say("GET /few-each", "", ""), "I am alice"); /* another session of the same address */
    assert_int_equal(rated, 2);
}

/* Nobody has sessions looked up for nothing as often as he likes; and who is denied takes nothing from who has a session. */
static void made_up_sessions_are_counted_by_address(void **state)
{
    (void)state;
    const size_t before = looked_up;
    snprintf(jar, sizeof jar, "Cookie: __Host-sid=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n");
    has(say("GET /few-each", "", ""), "401 ");
    assert_int_equal(looked_up, before + 1);
    for (int i = 0; i < 3; i++) {
        const char *const answer = say("GET /few-each", "", "");
        has(answer, "429 ");
        has(answer, "Retry-After: 1\r\n");
    }
    assert_int_equal(looked_up, before + 1); /* the store was asked once */
    assert_int_equal(handled, 0);
    kit_pass(HF_SECONDS(2));
    jar[0] = 0;
    log_in();
    handled = 0;
    has(say("GET /few-each", "", ""), "I am alice");
    assert_int_equal(handled, 1);
}

/* The look-up is paid: whom it found is not turned away for others' denials that came meanwhile. */
static void who_was_looked_up_is_let_in_whatever_others_did_meanwhile(void **state)
{
    (void)state;
    log_in();
    used_up_meanwhile = each_session.rate;
    const char *const answer = say("GET /few-each", "", "");
    used_up_meanwhile = NULL;
    has(answer, "I am alice");
    has(say("GET /few-each", "", ""), "429 "); /* it was used up */
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_request_waits_for_the_store_and_the_loop_does_not), CASE(who_has_no_cookie_asks_no_store), CASE(an_unknown_id_is_not_let_in),
        CASE(login_logout_and_back), CASE(what_has_expired_is_collected_now_and_then), CASE(what_is_saved_is_there_next_time), CASE(a_form_is_held_until_the_session_is_there),
        CASE(a_body_in_pieces_goes_to_nobody_before_the_session_is_there), CASE(who_is_denied_later_is_denied_all_the_same),
        CASE(a_store_that_fails_denies_and_other_routes_answer), CASE(a_logout_that_failed_is_no_logout),
        CASE(in_a_loop_thread_nobody_asks_a_store_that_blocks), CASE(a_client_that_goes_while_it_waits_leaves_nothing),
        CASE(use_is_noted_without_waiting_for_it), CASE(limit_session_recheck_ns), CASE(an_event_stream_ends_with_its_session),
        CASE(a_store_that_fails_ends_no_stream), CASE(logout_everywhere_is_for_all_sessions), CASE(a_revoked_token_opens_nothing),
        CASE(a_subject_logged_out_everywhere_has_no_token), CASE(a_list_that_cannot_be_asked_denies), CASE(a_token_in_a_cookie_needs_a_csrf_token),
        CASE(keys_are_fetched_once_and_serve_all), CASE(the_first_request_fetches_where_nobody_did),
        CASE(a_new_key_counts_without_a_restart_and_an_old_one_no_more), CASE(keys_grow_old_and_are_fetched_without_anybody_waiting),
        CASE(unknown_names_fetch_once_a_cooldown), CASE(while_one_request_waits_for_keys_others_do_not), CASE(keys_that_cannot_be_had_count_on_for_a_day),
        CASE(a_file_is_a_source), CASE(a_rate_is_counted_elsewhere_too), CASE(a_count_that_cannot_be_asked_leaves_our_own), CASE(methods_of_one_path_have_limits_of_their_own),
        CASE(a_guard_may_go_while_a_thread_asks), CASE(each_session_has_its_rate), CASE(made_up_sessions_are_counted_by_address),
        CASE(who_was_looked_up_is_let_in_whatever_others_did_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
