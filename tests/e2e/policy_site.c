/* SPDX-License-Identifier: Apache-2.0
 *
 * A site for browsers to attack: forms, cookies, policies, live routes. It counts what reaches a handler, and tells it at
 * /told, so that a test knows what a browser sent and what got through.
 *
 *   policy_site [CERTIFICATE KEY]     says its ports on standard error; with a certificate the second one speaks TLS
 */
#include <handfast/guards.h>
#include <handfast/realtime.h>
#include <handfast/server.h>
#include <handfast/store.h>

#include <stdio.h>
#include <string.h>

enum { TOLD = 65536 };
static char told[TOLD]; /* one line for each thing that happened; one thread answers all */
static size_t told_length;

static hf_session_guard strict = { .guard = HF_GUARD_SESSION, .optional = true },
                        loose = { .guard = HF_GUARD_SESSION, .optional = true, .cookie = { .name = "loose", .same_site = HF_SAME_SITE_NONE } };
static hf_csrf_guard form_guard = { .guard = HF_GUARD_CSRF, .sessions = &strict }, loose_guard = { .guard = HF_GUARD_CSRF, .sessions = &loose };
static hf_headers_guard headers = { .guard = HF_GUARD_HEADERS };
static hf_cors_guard plain = { .guard = HF_GUARD_CORS }, rich = { .guard = HF_GUARD_CORS }, star = { .guard = HF_GUARD_CORS }, below = { .guard = HF_GUARD_CORS };

static hf_bytes field(const hf_req *rq, const char *name)
{
    const hf_field *const f = hf_fields_find_name(hf_req_head(rq)->fields, hf_text(name));
    return f != NULL ? f->value : hf_text("-");
}

/* "what tag origin site cookies": the names of cookies alone. */
static void note(hf_req *rq, const char *what)
{
    const hf_bytes tag = hf_req_query(rq, "tag"), origin = field(rq, "Origin"), site = field(rq, "Sec-Fetch-Site");
    char names[256] = "";
    size_t n = 0;
    hf_bytes rest = field(rq, "Cookie"), name, value;
    while (hf_cookie_next(&rest, &name, &value))
        n += name.len > 0 && n + name.len + 2 < sizeof names ? (size_t)snprintf(names + n, sizeof names - n, "%s%.*s", n > 0 ? "," : "", HF_STR(name)) : 0;
    const int length = snprintf(told + told_length, TOLD - told_length, "%s %.*s %.*s %.*s %s\n", what, HF_STR(tag), HF_STR(origin), HF_STR(site), n > 0 ? names : "-");
    told_length = told_length + (size_t)length < TOLD ? told_length + (size_t)length : told_length;
}

static hf_err tell(hf_req *rq)
{
    const hf_err err = hf_reply(rq, 200, "text/plain", hf_bytes_make(told, told_length));
    told_length = 0;
    return err;
}

static hf_err html(hf_req *rq, const char *text)
{
    return hf_reply(rq, 200, "text/html; charset=utf-8", hf_text(text));
}

/* A page for scripts to stand on. */
static hf_err blank(hf_req *rq)
{
    return html(rq, "<!doctype html><title>blank</title><link rel=icon href=data:,>");
}

static hf_err form(hf_req *rq)
{
    hf_session *session;
    hf_bytes token;
    char text[1024];
    const hf_bytes policy = hf_req_query(rq, "referrer");
    hf_err err = hf_req_session_begin(rq, &session);
    if (err.code == 0)
        err = hf_req_csrf_token(rq, &token);
    if (err.code == 0 && policy.len > 0)
        err = hf_reply_field(rq, "Referrer-Policy", policy);
    if (err.code != 0)
        return err;
    snprintf(text, sizeof text, "<!doctype html><title>form</title><form method=post action='/note?tag=%.*s'><input name=csrf_token value=%.*s></form>", HF_STR(policy), HF_STR(token));
    return html(rq, text);
}

static hf_err begin(hf_req *rq)
{
    hf_session *session;
    const hf_err err = hf_req_session_begin(rq, &session);
    return err.code != 0 ? err : blank(rq);
}

static hf_err done(hf_req *rq)
{
    note(rq, "done");
    return html(rq, "<!doctype html><title>done</title>");
}

/* Four cookies, as strict as they are called; the last says nothing. */
static hf_err bake(hf_req *rq)
{
    static const char *const values[] = { "strict=1; Secure; SameSite=Strict", "lax=1; Secure; SameSite=Lax", "none=1; Secure; SameSite=None", "unset=1; Secure" };
    hf_err err = { 0 };
    for (size_t i = 0; err.code == 0 && i < HF_COUNT(values); i++)
        err = hf_reply_field(rq, "Set-Cookie", hf_text(values[i]));
    return err.code != 0 ? err : blank(rq);
}

static hf_err seen(hf_req *rq)
{
    note(rq, "seen");
    return blank(rq);
}

static hf_err denied(hf_req *rq)
{
    note(rq, "seen");
    return hf_reply_text(rq, 401, "denied\n");
}

static hf_err exposing(hf_req *rq)
{
    note(rq, "seen");
    hf_err err = hf_reply_field(rq, "X-Shown", hf_text("1"));
    if (err.code == 0)
        err = hf_reply_field(rq, "X-Hidden", hf_text("1"));
    return err.code != 0 ? err : hf_reply_text(rq, 200, "ok\n");
}

/* To wherever the test wants: no page of a real site should. */
static hf_err send_on(hf_req *rq)
{
    return hf_reply_redirect(rq, 307, hf_req_query(rq, "to"));
}

/* ---- live ----------------------------------------------------------------------------------------------------- */

static hf_err chat(hf_req *rq, const hf_websocket_event *event)
{
    if (event == NULL)
        note(rq, "chat");
    else if (event->kind == HF_WEBSOCKET_MESSAGE)
        return hf_socket_send(rq, event->type, event->bytes);
    return (hf_err){ 0 };
}

static hf_err tick(hf_req *rq)
{
    note(rq, "tick");
    return hf_event_send(rq, &(hf_eventstream_event){ .data = HF_LITERAL("tick") });
}

/* Two events, each at the end of an answer; then there is nothing to come back for. */
static hf_err resume(hf_req *rq)
{
    const hf_bytes last = hf_event_last_id(rq);
    note(rq, last.len == 0 ? "first" : last.ptr[0] == '1' ? "second" : "third");
    if (last.len == 0)
        return hf_reply(rq, 200, "text/event-stream", hf_text("retry: 50\nid: 1\ndata: one\n\n"));
    if (last.ptr[0] == '1')
        return hf_reply(rq, 200, "text/event-stream", hf_text("id: 2\ndata: two\n\n"));
    return hf_reply(rq, 204, NULL, hf_text(""));
}

/* ---- a page with a policy --------------------------------------------------------------------------------------- */

static hf_err scripted(hf_req *rq)
{
    char text[1024];
    const hf_bytes nonce = hf_req_nonce(rq);
    snprintf(text, sizeof text, "<!doctype html><title>csp</title><script nonce=%.*s>window.ran = ['nonce']; window.broken = [];"
        "addEventListener('securitypolicyviolation', e => window.broken.push(e.effectiveDirective))</script>"
        "<script>window.ran.push('none')</script><script nonce=AAAAAAAAAAAAAAAAAAAAAA>window.ran.push('wrong')</script>", HF_STR(nonce));
    return html(rq, text);
}

static const hf_route routes[] = {
    { "GET", "/blank", .handle = blank },
    { "GET", "/told", .handle = tell },
    { "GET", "/form", .handle = form, .guards = { &strict.guard } },
    { "GET", "/loose", .handle = begin, .guards = { &loose.guard } },
    { "POST", "/note", .handle = done, .takes = HF_TAKES_FORM, .guards = { &strict.guard, &form_guard.guard } },
    { "POST", "/loose-note", .handle = done, .guards = { &loose.guard, &loose_guard.guard } },
    { "GET", "/bake", .handle = bake },
    { "GET", "/seen", .handle = seen },
    { "POST", "/seen", .handle = seen },
    { "GET", "/to", .handle = send_on },
    { "POST", "/to", .handle = send_on },
    { "GET", "/plain", .handle = seen, .guards = { &plain.guard } },
    { "GET", "/plain/denied", .handle = denied, .guards = { &plain.guard } },
    { "GET", "/plain/exposing", .handle = exposing, .guards = { &plain.guard } },
    { "GET", "/plain/to", .handle = send_on, .guards = { &plain.guard } },
    { "GET", "/rich", .handle = seen, .guards = { &rich.guard } },
    { "PUT", "/rich", .handle = seen, .guards = { &rich.guard } },
    { "DELETE", "/rich", .handle = seen, .guards = { &rich.guard } },
    { "PATCH", "/rich", .handle = seen, .guards = { &rich.guard } },
    { "GET", "/star", .handle = seen, .guards = { &star.guard } },
    { "GET", "/below", .handle = seen, .guards = { &below.guard } },
    { "GET", "/chat", .websocket = chat },
    { "GET", "/ticks", .events = tick },
    { "GET", "/partner-ticks", .events = tick, .guards = { &plain.guard } },
    { "GET", "/resume", .handle = resume },
    { "GET", "/csp", .handle = scripted, .guards = { &headers.guard } },
};

static hf_err compile(const char *origin, hf_cors_rules rules, hf_cors_guard *g)
{
    hf_cors *cors;
    const char *const origins[] = { origin, NULL };
    rules.origins = origins;
    const hf_err err = hf_cors_compile(hf_env_default(), &rules, &cors, NULL);
    g->cors = cors;
    return err;
}

static hf_err set_up(unsigned port)
{
    static const char *const shown[] = { "X-Shown", NULL }, *const methods[] = { "PUT", "PATCH", NULL }, *const one[] = { "X-One", NULL }, *const any[] = { "*", NULL };
    char partner[64], all[64];
    snprintf(partner, sizeof partner, "http://partner.localhost:%u", port);
    snprintf(all, sizeof all, "http://*.below.localhost:%u", port);
    hf_err err = compile(partner, (hf_cors_rules){ .expose = shown }, &plain);
    if (err.code == 0) /* credentials over plain http: localhost alone is as good as TLS */
        err = compile(partner, (hf_cors_rules){ .methods = methods, .request_headers = one, .credentials = true, .max_age_s = 600, .dangerous_insecure_origins = true }, &rich);
    if (err.code == 0)
        err = compile("*", (hf_cors_rules){ .request_headers = any }, &star);
    return err.code != 0 ? err : compile(all, (hf_cors_rules){ .dangerous_insecure_origins = true }, &below);
}

int main(int argc, char **argv)
{
    hf_server *server = NULL;
    hf_server_options options = { .listen = { "http://localhost:0", argc > 2 ? "https://localhost:0" : NULL }, .threads = 1, .routes = routes, .route_count = HF_COUNT(routes), .no_http3 = true };
    if (argc > 2)
        options.identities[0] = (hf_server_identity){ argv[1], argv[2] };
    if (hf_memory_store_new(hf_env_default(), &strict.store) == NULL)
        return 1;
    loose.store = strict.store;
    hf_err err = hf_server_open(&server, &options);
    if (err.code != 0)
        return fprintf(stderr, "%s\n", hf_server_why(server)), 1;
    err = set_up(hf_server_port(server, 0));
    if (err.code == 0) {
        fprintf(stderr, "ports %u %u\n", hf_server_port(server, 0), hf_server_port(server, 1));
        err = hf_server_run(server);
    }
    if (err.code != 0)
        fprintf(stderr, "%s\n", hf_err_text(err));
    hf_server_close(server);
    return err.code != 0;
}
