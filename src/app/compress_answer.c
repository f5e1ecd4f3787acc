/* SPDX-License-Identifier: Apache-2.0 */
#include "compress_answer.h"

#include "media.h"
#include "request.h"
#include "text.h"
#include "token.h"

static hf_fields given(const hf_req *rq)
{
    return (hf_fields){ rq->room->fields, rq->field_count };
}

static bool has(hf_fields fields, hf_field_id id)
{
    return hf_fields_find(fields, id) != NULL;
}

/* ---- is it the kind of thing that is compressed? --------------------------------------------------------------- */

static bool ends_with(hf_bytes whole, const char *end)
{
    const hf_bytes e = hf_text(end);
    return whole.len > e.len && hf_text_same(hf_bytes_make(whole.ptr + whole.len - e.len, e.len), e);
}

/* As the table of media types has it; those that it does not know by what their names say of them. */
static bool type_is_compressible(hf_bytes content_type)
{
    const hf_media *media;
    const char *extension;
    hf_bytes parameters;
    const hf_bytes type = hf_list_head(content_type, &parameters);
    if (type.len > 5 && hf_text_same(hf_bytes_make(type.ptr, 5), hf_text("text/")))
        return true;
    if (hf_text_same(type, hf_text("application/json")) || ends_with(type, "+json") || ends_with(type, "+xml"))
        return true;
    for (size_t i = 0; hf_media_row(i, &extension, &media); i++)
        if (media->compressible && hf_text_same(type, hf_list_head(hf_text(media->type), &parameters)))
            return true;
    return false;
}

static bool in_memory(const hf_extent *extents, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (extents[i].kind == HF_EXTENT_FILE)
            return false;
    return true;
}

/* RFC 9110 8.8.1: "if the origin server sends the same validator for a representation with a gzip content coding applied
 * as it does for a representation with no content coding, then that validator is weak." A strong one of the handler's own
 * means these bytes: it will be compared with If-Match, and must come back as it was given. */
static bool is_bound_to_its_bytes(hf_fields fields)
{
    const hf_field *etag = hf_fields_find(fields, HF_FIELD_ETAG);
    return etag != NULL && !hf_starts_with(etag->value, hf_text("W/"));
}

static bool forbids_transformation(hf_fields fields)
{
    for (const hf_field *f = NULL; (f = hf_fields_next(fields, HF_FIELD_CACHE_CONTROL, f)) != NULL;)
        if (hf_list_has(f->value, "no-transform"))
            return true;
    return false;
}

/* What is the same for everybody who asks: it decides about Vary. */
static bool kind_is_worth_it(const hf_req *rq, uint16_t status)
{
    const hf_fields fields = given(rq);
    const hf_route *route = rq->match.route;
    if (status < 200 || status == 204 || status == 205 || status == 206 || status == 304)
        return false;
    if (route != NULL && route->compress == HF_COMPRESS_NEVER)
        return false;
    const hf_field *type = hf_fields_find(fields, HF_FIELD_CONTENT_TYPE);
    return type != NULL && !has(fields, HF_FIELD_CONTENT_ENCODING) && !has(fields, HF_FIELD_CONTENT_RANGE) &&
        !is_bound_to_its_bytes(fields) && type_is_compressible(type->value);
}

static bool is_worth_it(const hf_req *rq, uint16_t status, const hf_extent *extents, size_t count, uint64_t length)
{
    return length >= HF_COMPRESS_LEAST && length <= hf_req_limits(rq)->compress_bytes && kind_is_worth_it(rq, status) &&
        !forbids_transformation(given(rq)) && in_memory(extents, count);
}

/* Who states a length promises these bytes. Event streams only where their route says so: each client costs the work of every
 * event again, and one stream mixes what many say. (Their no-transform is ours, and meant for proxies, which must not gather
 * events: RFC 9111 5.2.2.6, "an intermediary [...] MUST NOT transform the content".) */
static bool stream_is_worth_it(const hf_req *rq, uint16_t status, int64_t length)
{
    const hf_route *route = rq->match.route;
    const bool events = route != NULL && route->events != NULL;
    if (length != HF_LENGTH_UNKNOWN || !kind_is_worth_it(rq, status))
        return false;
    return events ? route->compress == HF_COMPRESS_ALWAYS : !forbids_transformation(given(rq));
}

/* ---- may it be, here? ------------------------------------------------------------------------------------------ */

/* Could a secret of this client be in the answer? (BREACH: see hf_compression.) */
static bool may_hold_a_secret(const hf_req *rq)
{
    const hf_fields asked = rq->head.fields;
    const hf_route *route = rq->match.route;
    if (route != NULL && route->compress == HF_COMPRESS_ALWAYS)
        return false;
    return has(asked, HF_FIELD_COOKIE) || has(asked, HF_FIELD_AUTHORIZATION) || has(asked, HF_FIELD_PROXY_AUTHORIZATION) ||
        has(given(rq), HF_FIELD_SET_COOKIE);
}

/* ---- doing it -------------------------------------------------------------------------------------------------- */

static void compress(hf_req *rq, hf_encoding encoding, const hf_extent *extents, size_t count, hf_answer_coding *c)
{
    const hf_env *env = rq->service->env;
    hf_body_block *b = hf_req_memory(rq, sizeof *b);
    if (b == NULL)
        return;
    b->alloc = &env->alloc;
    if (hf_compress_whole(env, encoding, extents, count, &b->bytes).code != 0 || b->bytes.ptr == NULL)
        return;
    if (hf_req_hold(rq, hf_body_block_free, b).code != 0) {
        hf_body_block_free(b);
        return;
    }
    c->encoding = encoding;
    c->body = hf_bytes_make(b->bytes.ptr, b->bytes.len);
}

hf_answer_coding hf_answer_code(hf_req *rq, uint16_t status, const hf_extent *extents, size_t count, uint64_t length)
{
    hf_answer_coding c = { .encoding = HF_ENCODING_IDENTITY };
    if (!is_worth_it(rq, status, extents, count, length))
        return c;
    c.varies = hf_compress_codings() != 0;
    /* Who asks for a range wants a part of the thing itself; a handler that ignores it sends all of the thing itself. */
    if (may_hold_a_secret(rq) || has(rq->head.fields, HF_FIELD_RANGE))
        return c;
    const hf_encoding encoding = hf_encoding_choose(&rq->head, hf_compress_codings() | 1u << HF_ENCODING_IDENTITY);
    if (encoding != HF_ENCODING_IDENTITY)
        compress(rq, encoding, extents, count, &c);
    return c;
}

/* ---- piece by piece -------------------------------------------------------------------------------------------- */

/* Of a stream: br takes three times the memory of the others, and is taken where the client knows no other. */
static hf_encoding choose_live(const hf_req *rq)
{
    const unsigned all = hf_compress_codings() | 1u << HF_ENCODING_IDENTITY;
    const hf_encoding small = hf_encoding_choose(&rq->head, all & ~(1u << HF_ENCODING_BR));
    return small != HF_ENCODING_IDENTITY ? small : hf_encoding_choose(&rq->head, all);
}

hf_answer_coding hf_stream_code(hf_req *rq, uint16_t status, int64_t length, bool bodiless, hf_compressor **coder)
{
    hf_answer_coding c = { .encoding = HF_ENCODING_IDENTITY };
    hf_service *s = rq->service;
    *coder = NULL;
    if (!stream_is_worth_it(rq, status, length))
        return c;
    c.varies = hf_compress_codings() != 0;
    if (may_hold_a_secret(rq) || has(rq->head.fields, HF_FIELD_RANGE))
        return c;
    const hf_encoding encoding = choose_live(rq);
    if (encoding == HF_ENCODING_IDENTITY || s->refusing || s->coders >= s->env->limits->stream_coding_bytes)
        return c;
    if (!bodiless && (*coder = hf_compressor_new_counted(s->env, encoding, HF_COMPRESS_LIVE, &s->coders)) == NULL)
        return c;
    c.encoding = encoding;
    return c;
}
