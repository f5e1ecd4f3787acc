/* SPDX-License-Identifier: Apache-2.0
 *
 * A guestbook with everything in its place: logging in, forms that no other site can send, a live feed, and an API by token.
 *     guestbook [URL [STORE]]   STORE: nothing (memory), a file (SQLite), redis://host:6379/0 or unix:///path (Redis)
 *
 * Anybody may log in, under any name. With Redis several of these share sessions; notes stay in each one's memory.
 */
#include <handfast/guards.h>
#include <handfast/realtime.h>
#include <handfast/server.h>
#include <handfast/store.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTES = 100 };
static char notes[NOTES][400]; /* "who: what", the last hundred in turn */
static unsigned long written; /* one thread answers all: no lock is needed */

static const hf_alg algs[] = { HF_ALG_HS256 };
static hf_headers_guard headers = { .guard = HF_GUARD_HEADERS };
static hf_session_guard visitor = { .guard = HF_GUARD_SESSION, .optional = true }, member = { .guard = HF_GUARD_SESSION };
static hf_csrf_guard own_form = { .guard = HF_GUARD_CSRF, .sessions = &visitor }, member_form = { .guard = HF_GUARD_CSRF, .sessions = &member };
static hf_rate_guard slowly = { .guard = HF_GUARD_RATE };
static hf_cors_guard partner = { .guard = HF_GUARD_CORS };
static hf_jwt_guard bearer = { .guard = HF_GUARD_JWT, .policy = { .algs = algs, .alg_count = 1, .issuer = "guestbook", .audience = "api", .max_life_s = 900 } };

/* Each note since number `from`, newest last: a list item or a line. How many there ever were. */
static unsigned long put_notes(FILE *out, unsigned long from, bool html)
{
    for (unsigned long n = written > NOTES + from ? written - NOTES : from; n < written; n++) {
        fputs(html ? "<li>" : "", out);
        for (const char *c = notes[n % NOTES]; *c; c++)
            fprintf(out, html && strchr("<>&\"", *c) != NULL ? "&#%d;" : "%c", *c);
        fputs("\n", out);
    }
    return written;
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
    const unsigned long seen = put_notes(page, 0, true);
    fprintf(page, "</ul><form method=post action=%s><input type=hidden name=csrf_token value=%.*s><input name=%s autofocus><button>%s</button></form>",
            known ? "/notes" : "/login", HF_STR(token), known ? "text" : "name", known ? "Write" : "Log in");
    if (known)
        fprintf(page, "<form method=post action=/logout><input type=hidden name=csrf_token value=%.*s><button>Log out</button>"
                      "<button formaction=/logout-everywhere>Log out everywhere</button></form>"
                      "<script nonce=%.*s>new EventSource('/feed?from=%lu').onmessage = e => { const li = document.createElement('li');"
                      " li.textContent = e.data; document.getElementById('notes').append(li) }</script>", HF_STR(token), HF_STR(hf_req_nonce(rq)), seen);
    fclose(page);
    err = hf_reply(rq, 200, "text/html; charset=utf-8", hf_bytes_make(text, length));
    free(text);
    return err;
}

static hf_err go_home(hf_req *rq) { return hf_reply_redirect(rq, 303, hf_text("/")); }
static hf_err show(hf_req *rq) { return hf_req_session_begin_then(rq, send_page); } /* before logging in, too: for the form's token */
static hf_err login(hf_req *rq) { return hf_req_login_then(rq, hf_req_form(rq, "name"), go_home); }
static hf_err logout(hf_req *rq) { return hf_req_logout_then(rq, go_home); }
static hf_err logout_everywhere(hf_req *rq) { return hf_req_logout_everywhere_then(rq, go_home); }

static hf_err add(hf_req *rq)
{
    const hf_bytes text = hf_req_form(rq, "text");
    snprintf(notes[written++ % NOTES], sizeof notes[0], "%s: %.*s", hf_req_session(rq)->record.subject, HF_STR(text));
    return go_home(rq);
}

/* Once a second: what was written since. */
static hf_err feed(hf_req *rq)
{
    char *text = NULL, id[24];
    size_t length = 0;
    uint64_t *seen = hf_req_word(rq); /* one more than it is, so that 0 is the beginning */
    const hf_bytes last = hf_event_last_id(rq), from = last.len > 0 ? last : hf_req_query(rq, "from");
    snprintf(id, sizeof id, "%.*s", HF_STR(from));
    FILE *out = open_memstream(&text, &length);
    *seen = 1 + (out != NULL ? put_notes(out, *seen > 0 ? *seen - 1 : strtoul(id, NULL, 10), false) : 0);
    if (out == NULL || fclose(out) != 0)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    snprintf(id, sizeof id, "%lu", (unsigned long)*seen - 1);
    const hf_err err = length > 0 ? hf_event_send(rq, &(hf_eventstream_event){ .id = hf_text(id), .data = hf_bytes_make(text, length - 1) }) : HF_OK;
    free(text);
    return err;
}

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
    { "GET", "/feed", .events = feed, .every_ns = HF_SECONDS(1), .guards = { &member.guard } },
    { "POST", "/token", .handle = give_token, .takes = HF_TAKES_FORM, .guards = { &member.guard, &member_form.guard } },
    { "GET", "/api/me", .handle = whoami, .guards = { &partner.guard, &bearer.guard } },
};

static hf_err open_store(const char *where, hf_why *why)
{
    hf_sqlite_store *sqlite;
    hf_redis_store *redis;
    return where == NULL ? hf_err_make(hf_memory_store_new(hf_env_default(), &member.store) != NULL ? 0 : HF_ERR_BASE_MEMORY)
         : strstr(where, "://") != NULL ? hf_redis_store_open(hf_env_default(), where, &redis, &member.store, why)
         : hf_sqlite_store_open(hf_env_default(), where, &sqlite, &member.store, why);
}

int main(int argc, char **argv)
{
    hf_server *server = NULL;
    hf_cors *cors;
    hf_why why = { .got = "" };
    uint8_t random[48];
    hf_crypto *crypto = hf_crypto_new(hf_env_default(), NULL);
    hf_keys *keys = crypto != NULL && hf_crypto_random(crypto, random, sizeof random) ? hf_keys_new(crypto, hf_env_default()) : NULL;
    hf_err err = keys != NULL ? open_store(argc > 2 ? argv[2] : NULL, &why) : hf_err_make(HF_ERR_BASE_MEMORY);
    err = err.code != 0 ? err : hf_keys_add_secret(keys, HF_ALG_HS256, hf_text("1"), hf_bytes_make(random, 32), &why);
    err = err.code != 0 ? err : hf_cors_compile(hf_env_default(), &(hf_cors_rules){ .origins = (const char *const[]){ "http://partner.localhost:8081", NULL },
        .request_headers = (const char *const[]){ "Authorization", NULL } }, &cors, NULL);
    if (err.code != 0)
        return fprintf(stderr, "%s %s\n", hf_err_text(err), why.got), 1;
    visitor.store = member.store, partner.cors = cors, bearer.policy.keys = keys;
    slowly.rate = hf_rate_new(hf_env_default(), &(hf_rate_rules){ .burst = 10, .per_minute = 60 }, random + 32);
    err = hf_server_open(&server, &(hf_server_options){ .listen = { argc > 1 ? argv[1] : "http://localhost:8080" }, .threads = 1,
        .routes = routes, .route_count = HF_COUNT(routes) });
    if (err.code != 0)
        return fprintf(stderr, "%s", hf_server_why(server)), 1;
    fprintf(stderr, "listening on port %u\n", hf_server_port(server, 0));
    err = hf_server_run(server);
    hf_server_close(server); /* what it stood on goes with the process */
    return err.code != 0;
}
