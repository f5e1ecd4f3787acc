/* SPDX-License-Identifier: Apache-2.0
 *
 * A guestbook with everything in its place: logging in, forms that no other site can send, a live feed, and an API by token.
 *     guestbook [URL [STORE [KEYS]]]   STORE: a file (SQLite; guestbook.db), memory, redis://host:6379/0 or unix:///path (Redis)
 *
 * Anybody may log in, under any name. With Redis several of these share sessions, revocations, rates and the feed; with KEYS, a file with
 * a JWK set of one HS256 key, tokens as well. The list of notes stays in each one's memory.
 */
#include "guestbook.h"

#include <handfast/realtime.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTES = 100, TOKEN_S = 900 };
static char notes[NOTES][400]; /* "who: what", the last hundred in turn */
static unsigned long written; /* one thread answers all: no lock is needed */

static const hf_alg algs[] = { HF_ALG_HS256 };
static hf_headers_guard headers = { .guard = HF_GUARD_HEADERS };
static hf_session_guard visitor = { .guard = HF_GUARD_SESSION, .optional = true }, member = { .guard = HF_GUARD_SESSION };
static hf_csrf_guard own_form = { .guard = HF_GUARD_CSRF, .sessions = &visitor }, member_form = { .guard = HF_GUARD_CSRF, .sessions = &member };
static hf_rate_guard slowly = { .guard = HF_GUARD_RATE };
static hf_cors_guard partner = { .guard = HF_GUARD_CORS };
static hf_jwt_guard bearer = { .guard = HF_GUARD_JWT, .policy = { .algs = algs, .alg_count = 1, .issuer = "guestbook", .audience = "api", .max_life_s = TOKEN_S } };

/* Each note, newest last. */
static void put_notes(FILE *out)
{
    for (unsigned long n = written > NOTES ? written - NOTES : 0; n < written; n++) {
        fputs("<li>", out);
        for (const char *c = notes[n % NOTES]; *c; c++)
            fprintf(out, strchr("<>&\"", *c) != NULL ? "&#%d;" : "%c", *c);
        fputs("\n", out);
    }
}

static hf_err send_page(hf_req *rq)
{
    char *text = NULL;
    size_t length = 0;
    hf_bytes token;
    const bool known = hf_req_session(rq)->record.subject[0] != 0;
    hf_err err = hf_req_csrf_token(rq, &token);
    FILE *page = err.code == 0 ? open_memstream(&text, &length) : NULL;
    if (page == NULL)
        return err.code != 0 ? err : hf_err_make(HF_ERR_BASE_MEMORY);
    fputs("<!doctype html><meta charset=utf-8><title>Guestbook</title><h1>Guestbook</h1><ul id=notes>", page);
    put_notes(page);
    fprintf(page, "</ul><form method=post action=%s><input type=hidden name=csrf_token value=%.*s><input name=%s autofocus><button>%s</button></form>",
            known ? "/notes" : "/login", HF_STR(token), known ? "text" : "name", known ? "Write" : "Log in");
    if (known)
        fprintf(page, "<form method=post action=/logout><input type=hidden name=csrf_token value=%.*s><button>Log out</button>"
                      "<button formaction=/logout-everywhere>Log out everywhere</button></form>"
                      "<script nonce=%.*s>new EventSource('/feed').onmessage = e => { const li = document.createElement('li');"
                      " li.textContent = e.data; document.getElementById('notes').append(li) }</script>", HF_STR(token), HF_STR(hf_req_nonce(rq)));
    fclose(page);
    err = hf_reply(rq, 200, "text/html; charset=utf-8", hf_bytes_make(text, length));
    free(text);
    return err;
}

static hf_err go_home(hf_req *rq) { return hf_reply_redirect(rq, 303, hf_text("/")); }
static hf_err show(hf_req *rq) { return hf_req_session_begin_then(rq, send_page); } /* before logging in, too: for the form's token */
static hf_err login(hf_req *rq) { return hf_req_login_then(rq, hf_req_form(rq, "name"), go_home); }
static hf_err logout(hf_req *rq) { return hf_req_logout_then(rq, go_home); }

/* Tokens do not end with the session: who logs out everywhere has those revoked that he has by now. */
static hf_err end_all(hf_req *rq) { return hf_req_logout_everywhere_then(rq, go_home); }
static hf_err logout_everywhere(hf_req *rq) { return guestbook_revoke(rq, &member.store, TOKEN_S, end_all); }

/* Whoever follows the feed is told at once, by whichever process. */
static hf_err add(hf_req *rq)
{
    const hf_bytes text = hf_req_form(rq, "text");
    char *const note = notes[written++ % NOTES];
    snprintf(note, sizeof notes[0], "%s: %.*s", hf_req_session(rq)->record.subject, HF_STR(text));
    const hf_err err = hf_topic_publish(rq, hf_text("notes"), hf_text(""), hf_text(note));
    return err.code != 0 ? err : go_home(rq);
}

static hf_err feed(hf_req *rq) { return hf_topic_subscribe(rq, hf_text("notes"), hf_topic_resume(rq)); }

static hf_err give_token(hf_req *rq)
{
    hf_bytes token;
    const hf_err err = hf_req_issue_token(rq, &bearer, &(hf_jwt_wish){ .subject = hf_text(hf_req_session(rq)->record.subject) }, &token, NULL);
    return err.code != 0 ? err : hf_reply(rq, 200, "text/plain", token);
}
static hf_err whoami(hf_req *rq) { return hf_reply_text(rq, 200, "%.*s\n", HF_STR(hf_claims_text(hf_req_claims(rq), "sub"))); }

static const hf_route routes[] = {
    { "GET", "/", .handle = show, .guards = { &headers.guard, &visitor.guard } },
    { "POST", "/login", .handle = login, .takes = HF_TAKES_FORM, .guards = { &headers.guard, &slowly.guard, &visitor.guard, &own_form.guard } },
    { "POST", "/notes", .handle = add, .takes = HF_TAKES_FORM, .guards = { &headers.guard, &member.guard, &member_form.guard } },
    { "POST", "/logout", .handle = logout, .takes = HF_TAKES_FORM, .guards = { &headers.guard, &member.guard, &member_form.guard } },
    { "POST", "/logout-everywhere", .handle = logout_everywhere, .takes = HF_TAKES_FORM, .guards = { &headers.guard, &member.guard, &member_form.guard } },
    { "GET", "/feed", .events = feed, .guards = { &member.guard } },
    { "POST", "/token", .handle = give_token, .takes = HF_TAKES_FORM, .guards = { &member.guard, &member_form.guard } },
    { "GET", "/api/me", .handle = whoami, .guards = { &partner.guard, &bearer.guard } },
};

int main(int argc, char **argv)
{
    const char *const where = argc > 2 ? argv[2] : "guestbook.db";
    hf_server *server = NULL;
    hf_cors *cors;
    hf_why why = { .got = "" };
    uint8_t random[48];
    hf_crypto *crypto = hf_crypto_new(hf_env_default(), NULL);
    hf_keys *keys = crypto != NULL && hf_crypto_random(crypto, random, sizeof random) ? hf_keys_new(crypto, hf_env_default()) : NULL;
    hf_err err = keys != NULL ? guestbook_open_store(where, &member.store, &slowly.shared, &why) : hf_err_make(HF_ERR_BASE_MEMORY);
    err = err.code != 0 ? err : guestbook_open_keys(keys, argc > 3 ? argv[3] : NULL, random, &why);
    err = err.code != 0 ? err : hf_cors_compile(hf_env_default(), &(hf_cors_rules){ .origins = (const char *const[]){ "http://partner.localhost:8081", NULL },
        .request_headers = (const char *const[]){ "Authorization", NULL } }, &cors, NULL);
    if (err.code != 0)
        return fprintf(stderr, "%s %s\n", hf_err_text(err), why.got), 1;
    visitor.store = bearer.revoked = member.store, partner.cors = cors, bearer.policy.keys = keys;
    slowly.rate = hf_rate_new(hf_env_default(), &(hf_rate_rules){ .burst = 10, .per_minute = 60 }, random + 32);
    err = hf_server_open(&server, &(hf_server_options){ .listen = { argc > 1 ? argv[1] : "http://localhost:8080" }, .threads = 1,
        .routes = routes, .route_count = HF_COUNT(routes), .topics_redis = strstr(where, "://") != NULL ? where : NULL });
    if (err.code != 0)
        return fprintf(stderr, "%s\n", hf_server_why(server)), 1;
    fprintf(stderr, "listening on port %u\n", hf_server_port(server, 0));
    err = hf_server_run(server);
    hf_server_close(server); /* what it stood on goes with the process */
    return err.code != 0;
}
