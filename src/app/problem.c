/* SPDX-License-Identifier: Apache-2.0
 *
 * Every refusal names the rule that fired, what was got, what was wanted, and the fix: as a problem document (RFC 9457)
 * for programs, as a page for people.
 */
#include <handfast/guard.h>

#include "negotiate.h"
#include "request.h"
#include "service.h"
#include "text.h"

enum { PAGE_BYTES = 12288 };

static const hf_bytes plain_page = HF_LITERAL(
    "<!doctype html>\n<html lang=en><meta charset=utf-8><title>{{status}} {{phrase}}</title>\n"
    "<h1>{{status}} {{phrase}}</h1>\n<p>{{code}}: {{name}}\n<p>{{rule}}\n<p>Got: <code>{{got}}</code>\n"
    "<p>Wanted: {{wanted}}\n<p>{{remedy}}\n<p>Request {{request_id}}\n</html>\n");

typedef struct problem {
    uint16_t status;
    const hf_err_info *info;
    hf_bytes got, wanted, request_id;
} problem;

static void json_member(hf_writer *w, const char *name, hf_bytes value)
{
    if (value.len == 0)
        return;
    hf_write_text(w, ",\"");
    hf_write_text(w, name);
    hf_write_text(w, "\":\"");
    hf_write_json(w, value);
    hf_write_text(w, "\"");
}

static void write_document(hf_writer *w, const problem *p)
{
    hf_write_text(w, "{\"type\":\"urn:handfast:error:");
    hf_write_text(w, p->info->id);
    hf_write_text(w, "\",\"title\":\"");
    hf_write_json(w, hf_text(p->info->name));
    hf_write_text(w, "\",\"status\":");
    hf_write_decimal(w, p->status);
    json_member(w, "code", hf_text(p->info->id));
    json_member(w, "rule", hf_text(p->info->rule));
    json_member(w, "got", p->got);
    json_member(w, "wanted", p->wanted);
    json_member(w, "cause", hf_text(p->info->cause));
    json_member(w, "remedy", hf_text(p->info->remedy));
    json_member(w, "request_id", p->request_id);
    hf_write_text(w, "}\n");
}

static void write_slot(hf_writer *w, hf_bytes name, const problem *p)
{
    const struct {
        const char *name;
        hf_bytes value;
    } slots[] = {
        { "phrase", hf_status_phrase(p->status) }, { "code", hf_text(p->info->id) },     { "name", hf_text(p->info->name) },
        { "rule", hf_text(p->info->rule) },        { "got", p->got },                    { "wanted", p->wanted },
        { "cause", hf_text(p->info->cause) },      { "remedy", hf_text(p->info->remedy) }, { "request_id", p->request_id },
    };
    if (hf_bytes_equal(name, hf_text("status")))
        hf_write_decimal(w, p->status);
    for (size_t i = 0; i < HF_COUNT(slots); i++)
        if (hf_bytes_equal(name, hf_text(slots[i].name)))
            hf_write_html(w, slots[i].value);
}

static void write_page(hf_writer *w, hf_bytes template, const problem *p)
{
    while (template.len > 0) {
        const uint8_t *open = memmem(template.ptr, template.len, "{{", 2);
        const size_t before = open != NULL ? (size_t)(open - template.ptr) : template.len;
        hf_write(w, hf_bytes_make(template.ptr, before));
        template = hf_bytes_make(template.ptr + before, template.len - before);
        const uint8_t *close = template.len > 0 ? memmem(template.ptr, template.len, "}}", 2) : NULL;
        if (close == NULL) {
            hf_write(w, template);
            return;
        }
        const size_t length = (size_t)(close - template.ptr);
        write_slot(w, hf_bytes_make(template.ptr + 2, length - 2), p);
        template = hf_bytes_make(close + 2, template.len - length - 2);
    }
}

/* A page for whom text/html is worth more than a problem document: browsers. */
bool hf_req_wants_page(const hf_req *rq)
{
    const hf_fields fields = rq->head.fields;
    return !rq->headless && hf_fields_find(fields, HF_FIELD_ACCEPT) != NULL &&
        hf_accept_quality(fields, hf_text("text/html")) > hf_accept_quality(fields, hf_text("application/problem+json"));
}

/* As whom it is for understands it. */
static hf_err send(hf_req *rq, const problem *p)
{
    uint8_t *room = hf_req_memory(rq, PAGE_BYTES);
    if (room == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_writer w = hf_writer_make(room, PAGE_BYTES);
    const bool page = hf_req_wants_page(rq);
    const hf_app *app = rq->service->app;
    if (page)
        write_page(&w, app->error_page.len > 0 ? app->error_page : plain_page, p);
    else
        write_document(&w, p);
    if (page && app->error_page_policy != NULL) {
        const hf_err err = hf_reply_field(rq, "Content-Security-Policy", hf_text(app->error_page_policy));
        if (err.code != 0)
            return err;
    }
    /* What was got is repeated here: no browser may take a document for a page. */
    const hf_err err = hf_reply_field(rq, "X-Content-Type-Options", hf_text("nosniff"));
    if (err.code != 0)
        return err;
    return hf_reply(rq, p->status, page ? "text/html; charset=utf-8" : "application/problem+json", hf_written(&w));
}

/* Nothing is kept back, whatever the status; and a page of the site's own would say less. */
hf_err hf_reply_denial(hf_req *rq, const hf_why *why)
{
    const hf_err_info *const info = hf_err_describe(why->err);
    const problem p = { .status = info->status != 0 ? info->status : 500, .info = info, .got = hf_text(why->got), .wanted = hf_text(why->wanted),
        .request_id = hf_req_id(rq) };
    if (rq->error.code == 0)
        rq->error = why->err;
    return send(rq, &p);
}

hf_err hf_reply_problem(hf_req *rq, uint16_t status, hf_err why, hf_bytes got)
{
    const hf_fault *fault = hf_web_fault(rq->dialog->web);
    problem p = { .info = hf_err_describe(why), .got = got, .request_id = hf_req_id(rq) };
    p.status = status != 0 ? status : p.info->status != 0 ? p.info->status : 500;
    if (fault->err.code == why.code && fault->wanted != NULL)
        p.wanted = hf_text(fault->wanted);
    if (p.got.len > 256)
        p.got.len = 256;
    if (rq->error.code == 0)
        rq->error = why;
    const hf_service_hooks *hooks = &rq->service->hooks;
    if (!rq->headless && hooks->answer_error != NULL && hooks->answer_error(hooks->self, rq, p.status))
        return HF_OK;
    if (p.status >= 500 && p.status != 501 && p.status != 503 && p.status != 505) {
        /* What broke inside is for the log; the page names the request, so that the two can be brought together. */
        p.info = hf_err_describe(hf_err_make(HF_ERR_HTTP_HANDLER));
        p.got = p.wanted = hf_text("");
    }
    /* RFC 9110 10.2.3: "how long the service is expected to be unavailable": limits pass as soon as others let go. */
    if (p.status == 503 || why.code == HF_ERR_HTTP_CONNECTIONS_PER_ADDRESS) {
        const hf_err retry = hf_reply_field(rq, "Retry-After", hf_text("1"));
        if (retry.code != 0)
            return retry;
    }
    return send(rq, &p);
}
