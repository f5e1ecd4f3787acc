/* SPDX-License-Identifier: Apache-2.0
 *
 * The real server in the world: hf_worker, with a route whose handlers look each request up in the plan, check it to the
 * last byte, and answer as the plan says: copied, lent or from a file, before the body or after it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lab_http1.h"
#include "lab_worker.h"

typedef struct real_server {
    hf_lab *lab;
    hf_lab_worker worker;
} real_server;

/* A body that is lent: spoilt when it is let go of, so that whoever still reads it is found out. */
typedef struct lent_bytes {
    hf_lab *lab;
    size_t size;
    uint8_t bytes[];
} lent_bytes;

static lent_bytes *make_bytes(hf_lab *lab, const hf_lab_exchange *x)
{
    lent_bytes *b = hf_alloc(&lab->memory.alloc, sizeof *b + x->answer_size);
    *b = (lent_bytes){ .lab = lab, .size = x->answer_size };
    hf_lab_fill(hf_lab_answer_body(lab, x), 0, b->bytes, b->size);
    return b;
}

static void spoil(void *what)
{
    lent_bytes *b = what;
    memset(b->bytes, 0xdd, b->size);
    hf_free(&b->lab->memory.alloc, b, sizeof *b + b->size);
}

/* The exchange of this request, NULL (and a violation) when nobody sent it. */
static hf_lab_exchange *exchange_of(hf_req *rq)
{
    hf_lab *lab = hf_req_context(rq);
    hf_lab_exchange *x = hf_lab_find(lab, hf_req_path(rq));
    const hf_request_head *head = hf_req_head(rq);
    if (x == NULL)
        hf_lab_violate(lab, "a request for %.*s, which nobody sent", HF_STR(hf_req_path(rq)));
    else if (head->method != x->method || head->version != (x->http10 ? HF_HTTP_1_0 : HF_HTTP_1_1))
        hf_lab_violate(lab, "exchange %u arrived with another method or version", x->id);
    return x;
}

static hf_err answer_copied(hf_lab *lab, hf_req *rq, const hf_lab_exchange *x)
{
    lent_bytes *b = make_bytes(lab, x);
    const hf_err err = hf_reply(rq, 200, NULL, hf_bytes_make(b->bytes, b->size));
    spoil(b);
    return err;
}

static hf_err answer_lent(hf_lab *lab, hf_req *rq, const hf_lab_exchange *x)
{
    lent_bytes *b = make_bytes(lab, x);
    const hf_extent e = { .kind = HF_EXTENT_LENT, .bytes = { b->bytes, b->size } };
    const hf_err err = hf_req_hold(rq, spoil, b);
    if (err.code != 0) {
        spoil(b);
        return err;
    }
    return hf_reply_extents(rq, 200, &e, b->size > 0 ? 1 : 0);
}

static hf_err answer_file(hf_req *rq, const hf_lab_exchange *x)
{
    const hf_extent e = { .kind = HF_EXTENT_FILE, .file = &x->file, .length = x->answer_size };
    return hf_reply_extents(rq, 200, &e, x->answer_size > 0 ? 1 : 0);
}

static hf_err answer(hf_lab *lab, hf_req *rq, hf_lab_exchange *x)
{
    char id[24];
    const hf_bytes text = hf_bytes_make(id, (size_t)snprintf(id, sizeof id, "%u", x->id));
    if (x->served++ != 0)
        hf_lab_violate(lab, "exchange %u was served twice", x->id);
    const hf_err err = hf_reply_field(rq, "X-Id", text);
    if (err.code != 0)
        return err;
    if (x->close)
        hf_reply_close(rq);
    switch (x->how) {
    case HF_LAB_LENT: return answer_lent(lab, rq, x);
    case HF_LAB_FILE: return answer_file(rq, x);
    case HF_LAB_COPIED: break;
    }
    return answer_copied(lab, rq, x);
}

static hf_err take_piece(hf_req *rq, hf_bytes piece)
{
    hf_lab *lab = hf_req_context(rq);
    hf_lab_exchange *x = exchange_of(rq);
    if (x == NULL)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (x->request_got + piece.len > x->request_size || !hf_lab_matches(hf_lab_request_body(lab, x), x->request_got, piece))
        hf_lab_violate(lab, "the request body of exchange %u is not what was sent", x->id);
    x->request_got += piece.len;
    return x->early && x->served == 0 ? answer(lab, rq, x) : HF_OK;
}

static hf_err take_whole(hf_req *rq)
{
    hf_lab *lab = hf_req_context(rq);
    hf_lab_exchange *x = exchange_of(rq);
    if (x == NULL)
        return hf_err_make(HF_ERR_BASE_USAGE);
    x->request_whole = true;
    if (x->request_got != x->request_size)
        hf_lab_violate(lab, "exchange %u: %llu bytes of %llu arrived and counted as whole", x->id,
                       (unsigned long long)x->request_got, (unsigned long long)x->request_size);
    return answer(lab, rq, x);
}

static const hf_route routes[] = {
    { "GET", "/{id}", .handle = take_whole },
    { "POST", "/{id}", .handle = take_whole, .body = take_piece },
};

static void *real_open(hf_lab *lab, hf_io *io)
{
    char text[256] = "";
    hf_writer why = hf_writer_make(text, sizeof text - 1);
    real_server *s = calloc(1, sizeof *s);
    s->lab = lab;
    const hf_lab_worker_options options = { .routes = routes, .route_count = HF_COUNT(routes), .context = lab, .port = HF_LAB_PORT };
    const hf_err err = hf_lab_worker_open(&s->worker, &lab->env, io, &options, &why);
    if (err.code != 0)
        hf_lab_violate(lab, "the server cannot begin: %s %s", hf_err_text(err), text);
    return s;
}

static hf_program real_program(void *self)
{
    return hf_lab_worker_program(&((real_server *)self)->worker);
}

static void real_drain(void *self)
{
    hf_lab_worker_drain(&((real_server *)self)->worker);
}

static void real_close(void *self)
{
    hf_lab_worker_close(&((real_server *)self)->worker);
    free(self);
}

const hf_lab_server_ops hf_lab_real_server = { .name = "real", .open = real_open, .program = real_program, .drain = real_drain,
    .close = real_close, .only_whole = true };
