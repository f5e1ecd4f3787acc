/* SPDX-License-Identifier: Apache-2.0
 *
 * What a handler asks of its request: head, path and arguments, from where it came, when, and under which limits.
 */
#include "request.h"
#include "service.h"
#include "text.h"

const hf_request_head *hf_req_head(const hf_req *rq)
{
    return &rq->head;
}
hf_bytes hf_req_path(const hf_req *rq)
{
    return rq->path;
}
hf_bytes hf_path_arg(const hf_req *rq, const char *name)
{
    const size_t n = strlen(name);
    for (size_t i = 0; i < rq->match.argument_count; i++) {
        const hf_path_argument *a = &rq->match.arguments[i];
        if (a->name_length == n && memcmp(a->name, name, n) == 0)
            return a->value;
    }
    return hf_text("");
}
hf_bytes hf_req_body(const hf_req *rq)
{
    if (rq->more != NULL && rq->more->multipart != NULL) /* what is held are the values of the form */
        return hf_text("");
    const hf_span all = hf_queue_peek(&rq->body);
    return hf_bytes_make(all.ptr, all.len);
}
hf_bytes hf_req_id(const hf_req *rq)
{
    hf_req *own = (hf_req *)rq; /* the text is made on first use */
    uint8_t id[40];
    if (own->id.len == 0) {
        hf_writer w = hf_writer_make(id, sizeof id);
        hf_write_byte(&w, 'c');
        hf_write_hex(&w, rq->dialog->id);
        hf_write_byte(&w, '-');
        hf_write_decimal(&w, rq->number);
        own->id = hf_written(&w);
        if (!hf_req_keep_bytes(own, &own->id))
            own->id = hf_text("");
    }
    return own->id;
}
hf_req_source hf_req_source_of(const hf_req *rq)
{
    const hf_service *s = rq->service;
    hf_web_security security;
    hf_req_source source = { .client = rq->dialog->peer,
        .secure = rq->dialog->web != NULL && hf_web_security_of(rq->dialog->web, &security) };
    if (s->hooks.source != NULL)
        s->hooks.source(s->hooks.self, rq, &source);
    return source;
}
bool hf_req_is_secure(const hf_req *rq)
{
    return hf_req_source_of(rq).secure;
}
bool hf_req_is_early(const hf_req *rq)
{
    return rq->early;
}
bool hf_req_handshake_of(const hf_req *rq, hf_req_handshake *to)
{
    hf_web_security s;
    if (rq->dialog->web == NULL || !hf_web_security_of(rq->dialog->web, &s))
        return false;
    *to = (hf_req_handshake){ .version = s.version, .suite = s.suite, .group = s.group, .protocol = s.protocol, .host = s.host, .client = s.peer,
        .resumed = s.resumed, .duration_ns = s.handshake_ns };
    return true;
}
hf_wall hf_req_wall(const hf_req *rq)
{
    return rq->service->wall;
}
hf_time hf_req_now(const hf_req *rq)
{
    return rq->service->now;
}
const hf_limits *hf_req_limits(const hf_req *rq)
{
    const hf_route *const route = rq->match.route;
    return route != NULL && route->limits != NULL ? route->limits : rq->service->env->limits;
}
uint64_t *hf_req_word(hf_req *rq)
{
    return &rq->word;
}
void *hf_req_context(const hf_req *rq)
{
    const hf_route *const route = rq->match.route;
    return route != NULL && route->context != NULL ? route->context : rq->service->app->context;
}
uint64_t hf_req_number(const hf_req *rq)
{
    return rq->number;
}
void *hf_req_alloc(hf_req *rq, size_t size)
{
    return hf_req_memory(rq, size);
}
