/* SPDX-License-Identifier: Apache-2.0
 *
 * From a plan to the answer: fields and extents.
 */
#include "files_state.h"
#include "multipart_ranges.h"
#include "panic.h"
#include "service.h"
#include "target.h"
#include "token.h"

/* Copying so little costs less than telling its owner when it has left. */
enum { COPIED_MOST = 1024, RANGES_MOST = 4096 };

hf_err hf_files_refuse(hf_req *rq, int32_t code)
{
    return hf_reply_problem(rq, 0, hf_err_make(code), hf_req_path(rq));
}

hf_err hf_files_redirect(hf_req *rq)
{
    const hf_bytes path = hf_req_path(rq), query = hf_req_head(rq)->query;
    const size_t size = 3 * (path.len + query.len) + 8;
    uint8_t *memory = hf_req_alloc(rq, size);
    if (!memory)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_writer w = hf_writer_make(memory, size);
    hf_path_write(&w, path); /* never "//" at the front: RFC 3986 4.2 makes of that another host's name */
    hf_write_byte(&w, '/');
    if (query.ptr)
        hf_write_byte(&w, '?');
    for (size_t i = 0; i < query.len; i++) {
        const hf_bytes byte = hf_bytes_make(query.ptr + i, 1);
        if (query.ptr[i] == '%' || (query.ptr[i] < 0x80 && hf_byte_is(query.ptr[i], HF_BYTE_QUERY)))
            hf_write(&w, byte);
        else
            hf_percent_write(&w, byte);
    }
    HF_ASSERT(!w.overflowed && !(w.length > 1 && memory[0] == '/' && memory[1] == '/'));
    return hf_reply_redirect(rq, 301, hf_written(&w));
}

/* ---- fields ------------------------------------------------------------------------------------------------- */

typedef struct fields {
    hf_req *rq;
    hf_err err; /* the first */
    bool in_lines; /* what is always the same leaves as ready-made lines */
} fields;

/* What is added lives in the file's entry, in constants, or in the frame of who sends the answer. */
static void add(fields *f, hf_field_id id, hf_bytes value)
{
    if (f->err.code == 0)
        f->err = hf_req_field(f->rq, id, value);
}

/* RFC 9110 15.4.5: "The server generating a 304 response MUST generate any of the following header fields that would
 * have been sent in a 200 (OK) response to the same request: Content-Location, Date, ETag, and Vary; Cache-Control and
 * Expires." */
static void add_common(fields *f, const hf_files *what, const hf_representation *rep, bool varies_by_accept)
{
    const bool coding = rep->varies;
    if (rep->etag.len > 0 && !f->in_lines)
        add(f, HF_FIELD_ETAG, rep->etag);
    if (what->cache_control || !f->in_lines) /* else no-cache, which every answer says */
        add(f, HF_FIELD_CACHE_CONTROL, hf_text(what->cache_control ? what->cache_control : "no-cache"));
    if (coding || varies_by_accept)
        add(f, HF_FIELD_VARY, hf_text(!varies_by_accept ? "Accept-Encoding" : coding ? "Accept, Accept-Encoding" : "Accept"));
}

static void add_content(fields *f, const hf_representation *rep, hf_bytes type)
{
    add(f, HF_FIELD_CONTENT_TYPE, type);
    if (rep->encoding != HF_ENCODING_IDENTITY)
        add(f, HF_FIELD_CONTENT_ENCODING, hf_text(hf_encoding_name(rep->encoding)));
    /* The type is ours to say; a browser that guesses can be made to run what was only to be shown. */
    add(f, HF_FIELD_X_CONTENT_TYPE_OPTIONS, hf_text("nosniff"));
}

/* ---- bodies ------------------------------------------------------------------------------------------------- */

/* Answers with the extents, and sees to it that what they lend from stays. Releases it in every case. */
static hf_err reply(hf_req *rq, uint16_t status, const hf_extent *extents, size_t count, const hf_sending *how)
{
    bool lends = false;
    for (size_t i = 0; i < count; i++)
        lends = lends || extents[i].kind != HF_EXTENT_COPIED;
    hf_err err = HF_OK;
    if (lends && how->release) {
        err = hf_req_hold(rq, how->release, how->held);
        if (err.code != 0)
            how->release(how->held);
        return err.code != 0 ? err : hf_reply_extents(rq, status, extents, count);
    }
    err = hf_reply_extents(rq, status, extents, count);
    if (how->release)
        how->release(how->held);
    return err;
}

static void copy_if_small(hf_extent *e)
{
    if (e->kind == HF_EXTENT_LENT && e->bytes.len <= COPIED_MOST)
        e->kind = HF_EXTENT_COPIED;
}

static hf_err send_one(fields *f, const hf_representation *what, uint16_t status, hf_range range, const hf_sending *how)
{
    if (f->err.code != 0) {
        if (how->release)
            how->release(how->held);
        return f->err;
    }
    hf_extent e = hf_representation_extent(what, range.first, what->size == 0 ? 0 : hf_range_length(range));
    copy_if_small(&e);
    return reply(f->rq, status, &e, what->size == 0 ? 0 : 1, how);
}

static hf_err send_whole(fields *f, const hf_files *files, const hf_representation *what, const hf_sending *how)
{
    const hf_range all = { 0, what->size == 0 ? 0 : what->size - 1 };
    f->in_lines = how->status == 200 && what->lines.len > 0 && hf_req_lines(f->rq, what->lines);
    if (how->status == 200) {
        add_common(f, files, what, how->varies_by_accept);
        if (what->last_modified.len > 0 && !f->in_lines)
            add(f, HF_FIELD_LAST_MODIFIED, what->last_modified);
        if (!f->in_lines)
            add(f, HF_FIELD_ACCEPT_RANGES, hf_text("bytes"));
    } else {
        add(f, HF_FIELD_CACHE_CONTROL, hf_text("no-store")); /* the page is not what lies at this path */
    }
    if (files->content_security_policy != NULL && hf_starts_with(hf_text(what->type), hf_text("text/html")))
        add(f, HF_FIELD_CONTENT_SECURITY_POLICY, hf_text(files->content_security_policy));
    if (!f->in_lines)
        add_content(f, what, hf_text(what->type));
    return send_one(f, what, how->status, all, how);
}

/* RFC 9110 15.3.7: a 206 to a request with If-Range "SHOULD NOT generate other representation header fields beyond those
 * required", for the client has them; the type is said again all the same, because nosniff needs it. */
static void add_partial(fields *f, const hf_files *files, const hf_representation *what, const hf_files_plan *plan,
                        const hf_sending *how)
{
    add_common(f, files, what, how->varies_by_accept);
    if (!plan->if_range && what->last_modified.len > 0)
        add(f, HF_FIELD_LAST_MODIFIED, what->last_modified);
    add(f, HF_FIELD_ACCEPT_RANGES, hf_text("bytes"));
}

static hf_err send_range(fields *f, const hf_files *files, const hf_representation *what, const hf_files_plan *plan,
                         hf_range range, const hf_sending *how)
{
    uint8_t text[80];
    hf_writer w = hf_writer_make(text, sizeof text);
    hf_content_range_write(&w, range, what->size);
    add_partial(f, files, what, plan, how);
    add(f, HF_FIELD_CONTENT_RANGE, hf_written(&w));
    add_content(f, what, hf_text(what->type));
    return send_one(f, what, 206, range, how);
}

static hf_err send_ranges(fields *f, hf_files_cache *files, const hf_representation *what, const hf_files_plan *plan,
                          const hf_range *ranges, const hf_sending *how)
{
    const size_t extents = hf_multipart_extents(plan->range_count);
    const size_t text_size = hf_multipart_text_size(what->type, plan->range_count);
    hf_extent *body = hf_req_alloc(f->rq, extents * sizeof *body);
    uint8_t *memory = body ? hf_req_alloc(f->rq, text_size) : NULL;
    uint8_t type_text[96];
    hf_writer text = hf_writer_make(memory, memory ? text_size : 0), type = hf_writer_make(type_text, sizeof type_text);
    hf_multipart m;
    hf_multipart_begin(&m, files->env->random);
    hf_multipart_type_write(&m, &type);
    add_partial(f, files->what, what, plan, how);
    add_content(f, what, hf_written(&type));
    if (f->err.code == 0 && !memory)
        f->err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (f->err.code != 0) {
        if (how->release)
            how->release(how->held);
        return f->err;
    }
    hf_multipart_write(&m, what, ranges, plan->range_count, &text, body);
    return reply(f->rq, 206, body, extents, how);
}

/* ---- the answer --------------------------------------------------------------------------------------------- */

/* 304, 412 and 416 say nothing of the bytes, so they are let go of at once. */
static hf_err send_nothing(fields *f, const hf_files *files, const hf_representation *what, const hf_files_plan *plan,
                           const hf_sending *how)
{
    hf_err err = hf_err_make(HF_ERR_HTTP_PRECONDITION_FAILED);
    if (plan->status == 304) {
        add_common(f, files, what, how->varies_by_accept);
        err = f->err.code != 0 ? f->err : hf_reply_extents(f->rq, 304, NULL, 0);
    } else if (plan->status == 416) {
        uint8_t text[48];
        hf_writer w = hf_writer_make(text, sizeof text);
        const hf_field *range = hf_fields_find(hf_req_head(f->rq)->fields, HF_FIELD_RANGE);
        hf_content_range_write_unsatisfied(&w, what->size);
        add(f, HF_FIELD_CONTENT_RANGE, hf_written(&w));
        err = f->err.code != 0 ? f->err : hf_reply_problem(f->rq, 0, hf_err_make(HF_ERR_HTTP_RANGE_NOT_SATISFIABLE), range->value);
    } else {
        err = hf_reply_problem(f->rq, 0, err, what->etag);
    }
    if (how->release)
        how->release(how->held);
    return err;
}

hf_err hf_files_send(hf_files_cache *files, hf_req *rq, const hf_representation *what, const hf_sending *how)
{
    fields f = { .rq = rq, .err = HF_OK };
    const hf_request_head *head = hf_req_head(rq);
    /* RFC 9110 13.2.1: a server ignores preconditions when the answer without them would be no 2xx. */
    if (how->status != 200)
        return send_whole(&f, files->what, what, how);
    const bool asks = hf_fields_find(head->fields, HF_FIELD_RANGE) != NULL;
    /* A field fits no more than about this, whatever the limit says; and the product below cannot wrap. */
    const uint64_t most = files->env->limits->ranges;
    const size_t capacity = !asks ? 0 : most < RANGES_MOST ? (size_t)most : RANGES_MOST;
    hf_range *ranges = capacity > 0 ? hf_req_alloc(rq, capacity * sizeof *ranges) : NULL;
    if (capacity > 0 && !ranges) {
        if (how->release)
            how->release(how->held);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    const hf_files_plan plan = hf_files_plan_make(head, what, hf_req_wall(rq), ranges, capacity);
    if (plan.too_many_ranges)
        hf_req_remark(rq, hf_err_make(HF_ERR_HTTP_RANGES));
    switch (plan.status) {
    case 200:
        return send_whole(&f, files->what, what, how);
    case 206:
        if (plan.range_count > 1)
            return send_ranges(&f, files, what, &plan, ranges, how);
        return send_range(&f, files->what, what, &plan, ranges[0], how);
    default:
        return send_nothing(&f, files->what, what, &plan, how);
    }
}
