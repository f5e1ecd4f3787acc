/* SPDX-License-Identifier: Apache-2.0
 *
 * Guards beside routes: asked in order, and what a denial looks like.
 */
#include "guards_kinds.h"

#include "guard_why.h"
#include "text.h"

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

static hf_err deny(const hf_guard *g, hf_req *rq, hf_err err, const hf_why *why)
{
    const uint16_t status = hf_err_describe(err)->status;
    uint8_t told[512];
    hf_writer w = hf_writer_make(told, sizeof told);
    rq->refused = true;
    if (why->err.code == err.code)
        remember(rq, why);
    if (!g->explain || why->err.code != err.code)
        return deny_tersely(rq, status != 0 ? status : 500, err);
    hf_write_text(&w, hf_err_describe(err)->id);
    hf_write_text(&w, " got=\"");
    hf_write_text(&w, why->got);
    hf_write_text(&w, "\" want=\"");
    hf_write_text(&w, why->wanted);
    hf_write_text(&w, "\"");
    const hf_err field = hf_reply_field(rq, "Handfast-Why", hf_written(&w));
    return field.code != 0 ? field : hf_reply_problem(rq, status, err, hf_text(why->got));
}

hf_err hf_guards_deny(hf_req *rq, const hf_guard *g, hf_err err)
{
    const hf_why why = { .err = err };
    return deny(g, rq, err, &why);
}

static hf_err ask(const hf_route *route, hf_req *rq, size_t first, bool end)
{
    for (size_t i = first; i < HF_ROUTE_GUARDS && route->guards[i] != NULL; i++) {
        hf_guard *const g = route->guards[i];
        hf_guard_check *const check = end ? g->check_end : g->check;
        if (check == NULL)
            continue;
        hf_why why;
        why.err = HF_OK; /* the rest is read only with an error in it */
        why.got[0] = why.wanted[0] = 0;
        const hf_err err = check(g, rq, &why);
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
    hf_cors_decide(g->cors, &rq->head, g->guard.explain, &answer);
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
    return route != NULL && route->guards[0] != NULL ? ask(route, rq, 0, false) : HF_OK;
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
    hf_err err = ask(rq->match.route, rq, more->guards_at, false);
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
    return route->guards[0] != NULL ? ask(route, rq, 0, true) : HF_OK;
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
