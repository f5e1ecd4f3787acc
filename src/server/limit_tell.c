/* SPDX-License-Identifier: Apache-2.0 */
#include "limit_tell.h"

#include <handfast/guard.h>

#include "address.h"
#include "log.h"
#include "panic.h"

/* "; got GET / HT; wanted the rest of the head". What a query, a parameter or a field says may be a secret: only what is before. */
static void write_evidence(hf_writer *w, const hf_fault *fault)
{
    size_t open = 0;
    while (open < fault->got_length && memchr("?;:\r\n", fault->got[open], 5) == NULL)
        open++;
    hf_write_text(w, open > 0 ? "; got " : "");
    hf_write(w, hf_bytes_make(fault->got, open));
    hf_write_text(w, fault->wanted != NULL ? "; wanted " : "");
    hf_write_text(w, fault->wanted != NULL ? fault->wanted : "");
}

static void write_whom(hf_writer *w, const hf_dialog *d, const hf_req *rq)
{
    hf_address_write(w, &d->peer, true);
    hf_write_text(w, rq != NULL ? ", request " : ", connection c");
    if (rq != NULL)
        hf_write(w, hf_req_id(rq));
    else
        hf_write_hex(w, d->id);
    if (rq != NULL && rq->status != 0) {
        hf_write_text(w, ", answered ");
        hf_write_decimal(w, rq->status);
    } else {
        hf_write_text(w, rq != NULL ? ", cut" : ", closed");
    }
}

/* In good order, with every answer given. */
static bool is_orderly(hf_err err)
{
    switch (err.code) {
    case HF_ERR_HTTP1_IDLE:
    case HF_ERR_HTTP1_FIRST_BYTE:
    case HF_ERR_HTTP2_IDLE:
    case HF_ERR_HTTP3_IDLE:
    case HF_ERR_QUIC_IDLE:
    case HF_ERR_HTTP_REQUESTS:
    case HF_ERR_IO_LINGER:
        return true;
    default:
        return false;
    }
}

static void write_untold(hf_writer *w, uint64_t untold)
{
    if (untold == 0)
        return;
    hf_write_text(w, "; ");
    hf_write_decimal(w, untold);
    hf_write_text(w, untold == 1 ? " time more since this was last said" : " times more since this was last said");
}

void hf_limit_tell(hf_limit_tally *tally, hf_time now, const hf_dialog *d, hf_err err, const hf_req *rq)
{
    const hf_fault *fault = d->web != NULL ? hf_web_fault(d->web) : NULL;
    char text[512];
    hf_writer w = hf_writer_make(text, sizeof text);
    uint64_t untold;
    if (hf_limit_names(err).len == 0 || !hf_limit_tally_due(tally, now, err, &untold))
        return;
    hf_limits limits = *(rq != NULL ? hf_req_limits(rq) : d->service->env->limits);
    if (rq != NULL && err.code == HF_ERR_HTTP_BODY_TOO_LARGE)
        limits.body_bytes = rq->body_limit; /* the route may have said its own */
    hf_limit_write(&w, err, &limits);
    hf_write_text(&w, ": ");
    write_whom(&w, d, rq);
    if (fault != NULL && fault->err.code == err.code)
        write_evidence(&w, fault);
    write_untold(&w, untold);
    hf_log(is_orderly(err) ? HF_LOG_INFO : HF_LOG_WARNING, err, "%.*s", HF_STR(hf_written(&w)));
}

static void write_said(hf_writer *w, const char *what, const char *value)
{
    if (value[0] == 0)
        return;
    hf_write_text(w, what);
    hf_write_text(w, value);
}

/* The route's path, not the request's: what stands in its place may be a secret. */
void hf_denial_tell(hf_limit_tally *tally, hf_time now, const hf_req *rq)
{
    const hf_route *const route = rq->match.route;
    char text[1024];
    hf_writer w = hf_writer_make(text, sizeof text);
    uint64_t untold;
    if (!hf_limit_tally_due(tally, now, rq->why->err, &untold))
        return;
    write_whom(&w, rq->dialog, rq);
    if (route != NULL) {
        hf_write_text(&w, ", ");
        hf_write(&w, rq->head.method_name.len < 32 ? rq->head.method_name : hf_bytes_make(NULL, 0));
        hf_write_byte(&w, ' ');
        hf_write_text(&w, strlen(route->path) < 160 ? route->path : "...");
    }
    write_said(&w, "; got ", rq->why->got);
    write_said(&w, "; wanted ", rq->why->wanted);
    write_said(&w, "; rule ", hf_err_describe(rq->why->err)->rule);
    write_untold(&w, untold);
    hf_log(HF_LOG_WARNING, rq->why->err, "%.*s", HF_STR(hf_written(&w)));
}

void hf_limit_write_answer(hf_writer *out, hf_err why)
{
    const hf_err_info *info = hf_err_describe(why);
    char body[512];
    hf_writer b = hf_writer_make(body, sizeof body);
    hf_write_text(&b, "{\"type\":\"urn:handfast:error:");
    hf_write_text(&b, info->id);
    hf_write_text(&b, "\",\"title\":\"");
    hf_write_text(&b, info->name);
    hf_write_text(&b, "\",\"status\":");
    hf_write_decimal(&b, info->status);
    hf_write_text(&b, ",\"code\":\"");
    hf_write_text(&b, info->id);
    hf_write_text(&b, "\",\"rule\":\"");
    hf_write_text(&b, info->rule);
    hf_write_text(&b, "\"}\n");
    hf_write_text(out, info->status == 429 ? "HTTP/1.1 429 Too Many Requests" : "HTTP/1.1 503 Service Unavailable");
    hf_write_text(out, "\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\nRetry-After: 1\r\n"
        "Connection: close\r\nContent-Length: ");
    hf_write_decimal(out, b.length);
    hf_write_text(out, "\r\n\r\n");
    hf_write(out, hf_written(&b));
    HF_ASSERT(!out->overflowed && !b.overflowed);
}
