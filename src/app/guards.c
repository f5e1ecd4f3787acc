/* SPDX-License-Identifier: Apache-2.0
 *
 * Guards beside routes: asked in order, and what a denial looks like.
 */
#include "guards_kinds.h"

#include "address.h"
#include "guard_why.h"
#include "target.h"
#include "text.h"

/* ---- who may be told why ---------------------------------------------------------------------------------------- */

/* What somebody in between adds. A proxy on this machine that adds none of it (proxy_pass of nginx as it comes, ssh -R, socat)
 * cannot be told from a browser here: nothing that arrives differs, but for the name that was asked for. Who is between us and
 * the client may be anywhere, and so may the client: it does not matter whether that somebody may be believed. */
static bool was_passed_on(hf_fields fields)
{
    static const char *const names[] = { "Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP" };
    for (size_t i = 0; i < HF_COUNT(names); i++)
        if (hf_fields_find_name(fields, hf_text(names[i])) != NULL)
            return true;
    return false;
}

/* A page of elsewhere whose own name leads to 127.0.0.1 today (DNS rebinding) may read what its name answers. These names lead
 * nowhere else: RFC 6761 6.3, "users are free to use localhost names as they would any other domain names", and browsers
 * resolve them to loopback by themselves. */
static bool is_name_of_here(hf_bytes authority)
{
    hf_bytes host;
    int32_t port;
    hf_address a;
    if (hf_authority_parse(authority, &host, &port).code != 0)
        return false;
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = hf_bytes_make(host.ptr + 1, host.len - 2);
    if (hf_address_parse(host, 0, &a))
        return hf_address_is_loopback(&a);
    const hf_bytes local = hf_text("localhost");
    const size_t before = host.len - local.len;
    return host.len >= local.len && hf_text_same(hf_bytes_make(host.ptr + before, local.len), local) && (before == 0 || host.ptr[before - 1] == '.');
}

bool hf_req_is_at_home(const hf_req *rq)
{
    const hf_address client = hf_req_source_of(rq).client;
    return hf_address_is_loopback(&rq->dialog->peer) && hf_address_is_loopback(&client) && !was_passed_on(rq->head.fields) &&
        is_name_of_here(rq->head.authority);
}

bool hf_guard_explains(const hf_guard *g, const hf_req *rq)
{
    return g->explain && !rq->dialog->service->app->terse && hf_req_is_at_home(rq);
}

/* ---- denials -------------------------------------------------------------------------------------------------- */

static void write_terse_page(hf_writer *w, uint16_t status, hf_bytes id)
{
    hf_write_text(w, "<!doctype html><title>");
    hf_write_html(w, hf_status_phrase(status));
    hf_write_text(w, "</title><h1>");
    hf_write_decimal(w, status);
    hf_write_byte(w, ' ');
    hf_write_html(w, hf_status_phrase(status));
    hf_write_text(w, "</h1><p>Request ");
    hf_write_html(w, id);
    hf_write_byte(w, '\n');
}

/* Who may not see why is told what, and the id by which the log can be asked. */
static hf_err deny_tersely(hf_req *rq, uint16_t status, hf_err why)
{
    uint8_t *const room = hf_req_memory(rq, 512);
    if (room == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_writer w = hf_writer_make(room, 512);
    if (rq->error.code == 0)
        rq->error = why;
    const hf_err sniff = hf_reply_field(rq, "X-Content-Type-Options", hf_text("nosniff"));
    if (sniff.code != 0)
        return sniff;
    if (hf_req_wants_page(rq)) {
        write_terse_page(&w, status, hf_req_id(rq));
        return hf_reply(rq, status, "text/html; charset=utf-8", hf_written(&w));
    }
    hf_write_text(&w, "{\"type\":\"about:blank\",\"title\":\"");
    hf_write_json(&w, hf_status_phrase(status));
    hf_write_text(&w, "\",\"status\":");
    hf_write_decimal(&w, status);
    hf_write_text(&w, ",\"request_id\":\"");
    hf_write_json(&w, hf_req_id(rq));
    hf_write_text(&w, "\"}\n");
    return hf_reply(rq, status, "application/problem+json", hf_written(&w));
}

/* For the log. That it has no room costs the evidence, not the code. */
static void remember(hf_req *rq, const hf_why *why)
{
    hf_why *const kept = hf_req_memory(rq, sizeof *kept);
    if (kept != NULL)
        *kept = *why;
    rq->why = kept;
}

void hf_req_deny(hf_req *rq, int32_t code, hf_bytes got, const char *wanted)
{
    hf_why why;
    (void)hf_why_tell(&why, code, got, wanted).code;
    remember(rq, &why);
}

static hf_err explain(hf_req *rq, const hf_why *why)
{
    uint8_t told[1024];
    hf_writer w = hf_writer_make(told, sizeof told);
    hf_write_text(&w, hf_err_describe(why->err)->id);
    hf_write_text(&w, " got=\"");
    hf_write_text(&w, why->got);
    hf_write_text(&w, "\" want=\"");
    hf_write_text(&w, why->wanted);
    hf_write_text(&w, "\" fix=\"");
    hf_write_text(&w, hf_err_describe(why->err)->remedy);
    hf_write_text(&w, "\"");
    const hf_err field = hf_reply_field(rq, "Handfast-Why", hf_written(&w));
    return field.code != 0 ? field : hf_reply_denial(rq, why);
}

static hf_err deny(const hf_guard *g, hf_req *rq, hf_err err, const hf_why *why)
{
    const uint16_t status = hf_err_describe(err)->status;
    rq->refused = true;
    if (why->err.code == err.code)
        remember(rq, why);
    if (why->err.code == err.code && hf_guard_explains(g, rq))
        return explain(rq, why);
    return deny_tersely(rq, status != 0 ? status : 500, err);
}

hf_err hf_guards_turn_away(hf_req *rq, hf_err err, hf_bytes got)
{
    const hf_route *const route = rq->match.route;
    hf_why why = { .err = err };
    (void)hf_why_tell(&why, err.code, got, rq->why != NULL ? rq->why->wanted : NULL).code;
    rq->refused = true;
    for (size_t i = 0; i < HF_ROUTE_GUARDS && route->guards[i] != NULL; i++)
        if (hf_guard_explains(route->guards[i], rq))
            return explain(rq, &why);
    return deny_tersely(rq, hf_err_describe(err)->status, err);
}

hf_err hf_guards_deny(hf_req *rq, const hf_guard *g, hf_err err)
{
    const hf_why why = { .err = err };
    return deny(g, rq, err, &why);
}

static bool looks_up(hf_guard_check *check)
{
    return check == hf_guard_session_check || check == hf_guard_jwt_check;
}

/* It was the client's doing, and no rate's, whose denials cost nothing. */
static bool is_denial(hf_err err)
{
    const uint16_t status = hf_err_describe(err)->status;
    return status == 401 || status == 403;
}

typedef enum asking { ASK_FIRST, ASK_AGAIN /* who had waited */, ASK_END } asking;

static hf_err ask(const hf_route *route, hf_req *rq, size_t first, asking when)
{
    for (size_t i = first; i < HF_ROUTE_GUARDS && route->guards[i] != NULL; i++) {
        hf_guard *const g = route->guards[i];
        const bool again = when == ASK_AGAIN && i == first; /* what it waited for is paid, and not turned away now */
        const bool end = when == ASK_END;
        hf_guard_check *const check = end ? g->check_end : g->check;
        if (check == NULL)
            continue;
        hf_why why;
        why.err = HF_OK; /* the rest is read only with an error in it */
        why.got[0] = why.wanted[0] = 0;
        hf_err err = !end && !again && looks_up(check) ? hf_guards_foresee_rate(rq, i, &why) : HF_OK;
        if (err.code == 0 && (err = check(g, rq, &why)).code != 0 && !end && is_denial(err))
            hf_guards_count_denial(rq, i);
        rq->field_floor = rq->answered ? rq->field_floor : rq->field_count;
        if (rq->more != NULL && rq->more->guards_wait) {
            rq->more->guards_at = (uint8_t)i;
            return err;
        }
        if (err.code == HF_ERR_BASE_MEMORY)
            return err;
        if (err.code != 0)
            return deny(g, rq, err, &why);
        if (rq->answered)
            return HF_OK;
    }
    return HF_OK;
}

/* ---- preflights ----------------------------------------------------------------------------------------------- */

static hf_cors_guard *cors_of(const hf_route *route)
{
    for (size_t i = 0; route != NULL && i < HF_ROUTE_GUARDS && route->guards[i] != NULL; i++)
        if (route->guards[i]->check == hf_guard_cors_check)
            return (hf_cors_guard *)route->guards[i];
    return NULL;
}

/* The policy of the route that the request itself would reach; where there is none, that of any method of the path, so that
 * a script learns that the method is the trouble. */
static hf_cors_guard *policy_of(const hf_req *rq, const hf_router *router, hf_bytes method)
{
    static const hf_method others[] = { HF_METHOD_GET, HF_METHOD_POST, HF_METHOD_PUT, HF_METHOD_PATCH, HF_METHOD_DELETE };
    hf_route_match match = { .route = NULL };
    hf_router_match(router, hf_method_parse(method), rq->path, &match);
    hf_cors_guard *g = cors_of(match.route);
    for (size_t i = 0; g == NULL && match.route == NULL && i < HF_COUNT(others); i++) {
        hf_route_match other = { .route = NULL };
        hf_router_match(router, others[i], rq->path, &other);
        g = cors_of(other.route);
    }
    return g;
}

static hf_err answer_preflight(hf_req *rq, const hf_router *router)
{
    const hf_field *const method = hf_fields_find_name(rq->head.fields, hf_text("Access-Control-Request-Method"));
    hf_cors_guard *const g = method != NULL && hf_fields_find(rq->head.fields, HF_FIELD_ORIGIN) != NULL ? policy_of(rq, router, method->value) : NULL;
    hf_cors_answer answer;
    if (g == NULL)
        return HF_OK;
    hf_cors_decide(g->cors, &rq->head, hf_guard_explains(&g->guard, rq), &answer);
    const hf_err err = hf_cors_put(rq, &answer);
    if (err.code != 0 || !answer.preflight)
        return err;
    rq->error = answer.why.err;
    if (answer.denied)
        remember(rq, &answer.why);
    return answer.denied ? deny_tersely(rq, 403, answer.why.err) : hf_reply(rq, 204, NULL, hf_text(""));
}

/* ---- in between ----------------------------------------------------------------------------------------------- */

hf_err hf_guards_begin(hf_req *rq, const hf_router *router)
{
    const hf_route *const route = rq->match.route;
    if (rq->head.method == HF_METHOD_OPTIONS && route == NULL)
        return answer_preflight(rq, router);
    return route != NULL && route->guards[0] != NULL ? ask(route, rq, 0, ASK_FIRST) : HF_OK;
}

hf_err hf_guards_wait(hf_req *rq)
{
    struct hf_req_more *const more = rq->more;
    more->guards_wait = true;
    more->paused = !rq->complete;
    more->deadline = hf_req_patience(rq);
    return HF_OK;
}

hf_err hf_guards_go_on(hf_req *rq)
{
    struct hf_req_more *const more = rq->more;
    more->guards_wait = false;
    more->deadline = HF_NEVER;
    hf_err err = ask(rq->match.route, rq, more->guards_at, ASK_AGAIN);
    if (more->guards_wait)
        return err;
    const bool held_back = more->paused;
    more->paused = false;
    if (err.code == 0 && !rq->answered)
        err = hf_req_let_in(rq);
    if (err.code == 0)
        hf_req_feed_early(rq);
    if (more->paused) /* by who was fed */
        return err;
    more->paused = held_back;
    hf_req_resume(rq);
    return err;
}

hf_err hf_guards_end(hf_req *rq)
{
    const hf_route *const route = rq->match.route;
    return route->guards[0] != NULL ? ask(route, rq, 0, ASK_END) : HF_OK;
}

struct hf_guarded *hf_guarded_of(hf_req *rq)
{
    struct hf_req_more *const more = hf_req_more_of(rq);
    if (more == NULL)
        return NULL;
    if (more->guarded == NULL && (more->guarded = hf_req_memory(rq, sizeof *more->guarded)) != NULL)
        memset(more->guarded, 0, sizeof *more->guarded);
    return more->guarded;
}
