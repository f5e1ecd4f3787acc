/* SPDX-License-Identifier: Apache-2.0
 *
 * The security chapter attacks itself: a page of another site, evil.NAME, sends forms in the visitor's name to routes on which one
 * defence after the other is switched off. What it may take is ten coins of a purse that nobody else has.
 */
#include "tour.h"

#include <handfast/guards.h>
#include <handfast/store.h>

#include "text.h"

#define PURSE(called, from, any) { .guard = { hf_guard_session_check, NULL, true }, .cookie = { .name = called, .same_site = from }, .optional = any }
#define CSRF(how, whose) { .guard = { hf_guard_csrf_check, hf_guard_csrf_check_end, true }, .policy = { .mode = how }, .sessions = &(whose) }

static hf_session_guard strict = PURSE("purse", HF_SAME_SITE_STRICT, false), loose = PURSE("loose-purse", HF_SAME_SITE_NONE, false),
                        first_strict = PURSE("purse", HF_SAME_SITE_STRICT, true), first_loose = PURSE("loose-purse", HF_SAME_SITE_NONE, true);
static hf_csrf_guard all = CSRF(HF_CSRF_ORIGIN_AND_TOKEN, strict), without_cookie = CSRF(HF_CSRF_ORIGIN_AND_TOKEN, loose), without_origin = CSRF(HF_CSRF_TOKEN_ONLY, loose),
                     without_token = CSRF(HF_CSRF_ORIGIN_ONLY, loose), without_any = CSRF(HF_CSRF_DANGEROUS_OFF, loose);
static hf_memory_store *memory;

hf_err hf_tour_attack_open(void)
{
    memory = hf_memory_store_new(hf_env_default(), &strict.store);
    loose.store = first_strict.store = first_loose.store = strict.store;
    return memory != NULL ? HF_OK : hf_err_make(HF_ERR_BASE_MEMORY);
}

void hf_tour_attack_close(void)
{
    hf_memory_store_free(memory);
    memory = NULL;
}

/* ---- the purse ---------------------------------------------------------------------------------------------------- */

enum { COINS = 100, TAKEN = 10 };

static uint64_t coins_in(const hf_session *s)
{
    uint64_t n = COINS;
    return s->record.data.len > 0 && hf_parse_decimal(s->record.data, &n) ? n : COINS;
}

/* A new purse is full. */
static hf_err purse(hf_req *rq)
{
    char text[64];
    hf_session *s;
    hf_writer w = hf_writer_make(text, sizeof text);
    const hf_err err = hf_req_session_begin(rq, &s);
    if (err.code != 0)
        return err;
    hf_write_text(&w, "{\"coins\":");
    hf_write_decimal(&w, coins_in(s));
    hf_write_text(&w, "}\n");
    return hf_reply(rq, 200, "application/json", hf_written(&w));
}

static hf_err pay(hf_req *rq)
{
    char text[24];
    hf_session *const s = hf_req_session(rq);
    hf_writer w = hf_writer_make(text, sizeof text);
    const uint64_t had = coins_in(s), has = had >= TAKEN ? had - TAKEN : COINS;
    hf_write_decimal(&w, has);
    s->record.data = hf_written(&w);
    const hf_err err = hf_req_session_save(rq);
    return err.code != 0 ? err : hf_reply(rq, 200, "text/html; charset=utf-8",
        hf_text("<!doctype html><title>Paid</title><h1>Ten coins are paid</h1><p>The handler ran: nothing told this form from one of your own.\n"));
}

/* ---- the other site ----------------------------------------------------------------------------------------------- */

static const char *const attacks[] = { "all", "cookie", "origin", "token", "none" };

/* The page is for one host alone, and what it attacks is the host that it is below: it is of no use against anybody else. */
static hf_err attack(hf_req *rq)
{
    const hf_bytes own = hf_req_head(rq)->authority, evil = hf_text("evil."), with = hf_req_query(rq, "with");
    char text[1024];
    size_t i = 0;
    while (i < HF_COUNT(attacks) && !hf_bytes_equal(with, hf_text(attacks[i])))
        i++;
    if (!hf_starts_with(own, evil) || i == HF_COUNT(attacks))
        return hf_reply_problem(rq, 0, hf_err_make(HF_ERR_HTTP_NOT_FOUND), hf_text("this page is of the host evil."));
    hf_writer w = hf_writer_make(text, sizeof text);
    hf_write_text(&w, "<!doctype html><meta charset=utf-8><title>You have won</title><h1>You have won!</h1><p>This page is of another site. It sends a form in your "
        "name.<form method=post action=\"");
    hf_write_text(&w, hf_req_is_secure(rq) ? "https://" : "http://");
    hf_write_html(&w, hf_bytes_make(own.ptr + evil.len, own.len - evil.len));
    hf_write_text(&w, "/api/attack/");
    hf_write_text(&w, attacks[i]);
    hf_write_text(&w, "\"><button>Claim your prize</button></form><script>document.forms[0].submit()</script>\n");
    return w.overflowed ? hf_err_make(HF_ERR_BASE_LIMIT) : hf_reply(rq, 200, "text/html; charset=utf-8", hf_written(&w));
}

const hf_route *hf_tour_attack_routes(size_t *count)
{
    static const hf_route table[] = {
        { .method = "GET", .path = "/api/attack/page", .handle = attack },
        { .method = "GET", .path = "/api/attack/purse", .handle = purse, .guards = { &first_strict.guard } },
        { .method = "GET", .path = "/api/attack/loose-purse", .handle = purse, .guards = { &first_loose.guard } },
        { .method = "POST", .path = "/api/attack/all", .handle = pay, .takes = HF_TAKES_FORM, .guards = { &strict.guard, &all.guard } },
        { .method = "POST", .path = "/api/attack/cookie", .handle = pay, .takes = HF_TAKES_FORM, .guards = { &loose.guard, &without_cookie.guard } },
        { .method = "POST", .path = "/api/attack/origin", .handle = pay, .takes = HF_TAKES_FORM, .guards = { &loose.guard, &without_origin.guard } },
        { .method = "POST", .path = "/api/attack/token", .handle = pay, .takes = HF_TAKES_FORM, .guards = { &loose.guard, &without_token.guard } },
        { .method = "POST", .path = "/api/attack/none", .handle = pay, .takes = HF_TAKES_FORM, .guards = { &loose.guard, &without_any.guard } },
    };
    *count = HF_COUNT(table);
    return table;
}
