/* SPDX-License-Identifier: Apache-2.0
 *
 * Queries and bodies as the route says they must be, before its handler runs.
 */
#include "alloc.h"
#include "form.h"
#include "request.h"
#include "text.h"
#include "token.h"

static hf_value_node *add(hf_req *rq, hf_values *values, const hf_value *value)
{
    hf_value_node *n = hf_req_memory(rq, sizeof *n);
    if (n == NULL)
        return NULL;
    *n = (hf_value_node){ .value = *value };
    if (values->last != NULL)
        values->last->next = n;
    else
        values->first = n;
    values->last = n;
    return n;
}

static hf_err read_urlencoded(hf_req *rq, hf_bytes text, hf_values *values, hf_bytes *got)
{
    size_t count, room;
    const hf_err err = hf_urlencoded_check(text, rq->service->env->limits, &count, &room);
    if (err.code == HF_ERR_HTTP_FORM_ENCODING)
        *got = hf_urlencoded_fault(text);
    if (err.code != 0 || count == 0)
        return err;
    hf_argument *at = hf_req_memory(rq, count * sizeof *at);
    uint8_t *memory = hf_req_memory(rq, room + 1);
    if (at == NULL || memory == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_writer w = hf_writer_make(memory, room);
    hf_urlencoded_decode(text, at, &w);
    for (size_t i = 0; i < count; i++)
        if (add(rq, values, &(hf_value){ .name = at[i].name, .value = at[i].value }) == NULL)
            return hf_err_make(HF_ERR_BASE_MEMORY);
    return HF_OK;
}

hf_err hf_query_begin(hf_req *rq, hf_bytes *got)
{
    if (rq->head.query.len == 0 || rq->match.route->raw_query)
        return HF_OK;
    struct hf_req_more *more = hf_req_more_of(rq);
    return more != NULL ? read_urlencoded(rq, rq->head.query, &more->query, got) : hf_err_make(HF_ERR_BASE_MEMORY);
}

/* ---- the body's type ---------------------------------------------------------------------------------------- */

/* RFC 9110 15.5.16: "If the problem was an unsupported media type, the Accept header field can be used to tell what is." */
static hf_err refuse_type(hf_req *rq)
{
    const hf_err err = hf_reply_field(rq, "Accept", hf_text(rq->match.route->takes == HF_TAKES_JSON
        ? "application/json" : "application/x-www-form-urlencoded, multipart/form-data"));
    return err.code != 0 ? err : hf_err_make(HF_ERR_HTTP_CONTENT_TYPE);
}

static bool is_json(hf_bytes type)
{
    static const hf_bytes suffix = HF_LITERAL("+json");
    return hf_text_same(type, hf_text("application/json")) ||
        (type.len > suffix.len && hf_text_same(hf_bytes_make(type.ptr + type.len - suffix.len, suffix.len), suffix));
}

hf_err hf_content_begin(hf_req *rq, hf_bytes *got)
{
    const hf_takes takes = rq->match.route->takes;
    hf_bytes parameters;
    hf_err err = HF_OK;
    if (takes == HF_TAKES_ANY)
        return HF_OK;
    struct hf_req_more *more = hf_req_more_of(rq);
    const hf_field *f = hf_fields_find(rq->head.fields, HF_FIELD_CONTENT_TYPE);
    if (more == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    if (f == NULL)
        return refuse_type(rq);
    *got = f->value;
    const hf_bytes type = hf_list_head(f->value, &parameters);
    if (takes == HF_TAKES_JSON)
        return is_json(type) ? HF_OK : refuse_type(rq);
    if (hf_text_same(type, hf_text("application/x-www-form-urlencoded")))
        return HF_OK;
    more->multipart = hf_multipart_new(rq->service->env, f->value, &err);
    return err.code == HF_ERR_HTTP_CONTENT_TYPE ? refuse_type(rq) : err;
}

/* ---- multipart ---------------------------------------------------------------------------------------------- */

static bool copy(hf_req *rq, hf_bytes *b)
{
    if (b->ptr == NULL)
        return true;
    uint8_t *memory = hf_req_memory(rq, b->len + 1);
    if (memory == NULL)
        return false;
    if (b->len > 0)
        memcpy(memory, b->ptr, b->len);
    b->ptr = memory;
    return true;
}

static hf_err call_upload(hf_req *rq, hf_bytes piece, bool first, bool last)
{
    struct hf_req_more *more = rq->more;
    more->upload->piece = piece;
    more->upload->first = first;
    more->upload->last = last;
    return rq->match.route->upload(rq, more->upload);
}

static hf_err begin_part(hf_req *rq, const hf_multipart_event *e)
{
    struct hf_req_more *more = rq->more;
    more->in_file = e->filename.ptr != NULL && rq->match.route->upload != NULL;
    if (more->in_file) {
        if (more->upload == NULL && (more->upload = hf_req_memory(rq, sizeof *more->upload)) == NULL)
            return hf_err_make(HF_ERR_BASE_MEMORY);
        *more->upload = (hf_upload){ .name = e->name, .filename = e->filename, .content_type = e->content_type };
        return call_upload(rq, hf_text(""), true, false);
    }
    hf_value value = { .name = e->name, .filename = e->filename, .content_type = e->content_type, .value = hf_text("") };
    hf_value_node *n = copy(rq, &value.name) && copy(rq, &value.filename) && copy(rq, &value.content_type)
        ? add(rq, &more->form, &value) : NULL;
    if (n == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    n->offset = hf_queue_length(&rq->body);
    return HF_OK;
}

static hf_err part_data(hf_req *rq, hf_bytes piece)
{
    struct hf_req_more *more = rq->more;
    if (more->in_file)
        return call_upload(rq, piece, false, false);
    more->form_bytes += piece.len;
    if (more->form_bytes > rq->service->env->limits->form_bytes) {
        more->fault = true;
        more->got = more->form.last->value.name;
        return hf_err_make(HF_ERR_HTTP_FORM_BYTES);
    }
    if (!hf_queue_append(&rq->body, piece))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    more->form.last->value.value.len += piece.len;
    return HF_OK;
}

/* The queue moves while it grows, and its bytes lie still afterwards or until the next of them: each time it may have
 * moved, the values are told where they lie. */
static void place_values(hf_req *rq)
{
    const hf_span held = hf_queue_peek(&rq->body);
    for (hf_value_node *n = rq->more->form.first; n != NULL; n = n->next)
        n->value.value.ptr = held.ptr != NULL && n->value.value.len > 0 ? held.ptr + n->offset : (const uint8_t *)"";
}

hf_err hf_form_feed(hf_req *rq, hf_bytes piece)
{
    struct hf_req_more *more = rq->more;
    hf_multipart_event e;
    hf_multipart_kind kind;
    const char *wanted;
    while ((kind = hf_multipart_next(more->multipart, &piece, &e)) != HF_MULTIPART_MORE) {
        hf_err err = HF_OK;
        switch (kind) {
        case HF_MULTIPART_PART:
            err = begin_part(rq, &e);
            break;
        case HF_MULTIPART_DATA:
            err = part_data(rq, e.bytes);
            break;
        case HF_MULTIPART_PART_END:
            if (more->in_file)
                err = call_upload(rq, hf_text(""), false, true);
            else
                place_values(rq);
            break;
        case HF_MULTIPART_BAD:
            err = hf_multipart_fault(more->multipart, &wanted);
            more->fault = true;
            more->got = hf_text(wanted);
            break;
        case HF_MULTIPART_MORE:
            break;
        }
        if (err.code != 0 || rq->answered)
            return err;
    }
    return HF_OK;
}

hf_err hf_content_end(hf_req *rq, hf_bytes *got)
{
    struct hf_req_more *more = rq->more;
    const char *wanted;
    *got = rq->head.method_name;
    if (rq->match.route->takes == HF_TAKES_JSON)
        return hf_json_read(rq, got);
    if (rq->match.route->takes != HF_TAKES_FORM)
        return HF_OK;
    if (more->multipart == NULL)
        return read_urlencoded(rq, hf_req_body(rq), &more->form, got);
    const hf_err err = hf_multipart_end(more->multipart);
    (void)!hf_multipart_fault(more->multipart, &wanted).code;
    if (err.code != 0)
        *got = hf_text(wanted);
    return err;
}

/* ---- what handlers ask -------------------------------------------------------------------------------------- */

static const hf_value *next(const hf_values *values, const hf_value *after)
{
    const hf_value_node *n = after != NULL ? ((const hf_value_node *)after)->next : values->first;
    return n != NULL ? &n->value : NULL;
}

static hf_bytes find(const hf_values *values, const char *name)
{
    const hf_bytes wanted = hf_text(name);
    for (const hf_value *v = NULL; (v = next(values, v)) != NULL;)
        if (hf_bytes_equal(v->name, wanted))
            return v->value;
    return hf_bytes_make(NULL, 0);
}

static const hf_values none;

hf_bytes hf_req_query(const hf_req *rq, const char *name)
{
    return find(rq->more != NULL ? &rq->more->query : &none, name);
}
const hf_value *hf_req_query_next(const hf_req *rq, const hf_value *after)
{
    return next(rq->more != NULL ? &rq->more->query : &none, after);
}
hf_bytes hf_req_form(const hf_req *rq, const char *name)
{
    return find(rq->more != NULL ? &rq->more->form : &none, name);
}
const hf_value *hf_req_form_next(const hf_req *rq, const hf_value *after)
{
    return next(rq->more != NULL ? &rq->more->form : &none, after);
}
