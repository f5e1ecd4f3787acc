/* SPDX-License-Identifier: Apache-2.0
 *
 * A request without a connection: stands in for the application room's hf_req functions, so that what answers requests
 * can be asked directly. It defines them, so exactly one file of a test program includes it.
 *
 * Answers are kept as extents; fake_body reads them, as late as the test likes, and fake_end is "the answer has left".
 */
#ifndef HF_TESTS_FAKE_REQ_H
#define HF_TESTS_FAKE_REQ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <handfast/app.h>

#include "alloc.h"
#include "file.h"
#include "harness.h"

enum { FAKE_FIELDS = 16, FAKE_BLOCKS = 64, FAKE_HOLDS = 8, FAKE_EXTENTS = 80 };

struct hf_req {
    const hf_env *env;
    hf_time now;
    hf_wall wall;
    hf_request_head head;
    hf_field asked[FAKE_FIELDS];
    hf_bytes path;
    bool fronts; /* hf_req_takes_fronts */
    bool (*answer_error)(hf_req *rq, uint16_t status); /* what a problem is offered to first; NULL: nobody */

    uint16_t status; /* 0: not answered */
    int32_t problem; /* the error's code */
    int32_t noted;
    hf_field fields[FAKE_FIELDS];
    size_t field_count;
    hf_extent extents[FAKE_EXTENTS];
    size_t extent_count;
    char *body; /* of the last fake_body */
    struct { void *ptr; size_t size; } blocks[FAKE_BLOCKS];
    size_t block_count;
    struct { void (*release)(void *); void *what; } holds[FAKE_HOLDS];
    size_t hold_count;
};

void hf_req_remark(hf_req *rq, hf_err what); /* as service.h declares it */
void hf_req_remark(hf_req *rq, hf_err what)
{
    rq->noted = what.code;
}
const hf_request_head *hf_req_head(const hf_req *rq)
{
    return &rq->head;
}
hf_bytes hf_req_path(const hf_req *rq)
{
    return rq->path;
}
hf_wall hf_req_wall(const hf_req *rq)
{
    return rq->wall;
}
hf_time hf_req_now(const hf_req *rq)
{
    return rq->now;
}
const hf_limits *hf_req_limits(const hf_req *rq)
{
    return rq->env->limits;
}

void *hf_req_alloc(hf_req *rq, size_t size)
{
    void *ptr = hf_alloc(&rq->env->alloc, size);
    assert_true(rq->block_count < FAKE_BLOCKS);
    if (ptr) {
        rq->blocks[rq->block_count].ptr = ptr;
        rq->blocks[rq->block_count++].size = size;
    }
    return ptr;
}

static hf_bytes fake_copy(hf_req *rq, hf_bytes b)
{
    uint8_t *copy = hf_req_alloc(rq, b.len + 1);
    if (copy && b.len > 0)
        memcpy(copy, b.ptr, b.len);
    return hf_bytes_make(copy, b.len);
}

hf_err hf_req_hold(hf_req *rq, void (*release)(void *what), void *what)
{
    assert_true(rq->hold_count < FAKE_HOLDS);
    if (!hf_req_alloc(rq, 16)) /* the real one needs memory for it */
        return hf_err_make(HF_ERR_BASE_MEMORY);
    rq->holds[rq->hold_count].release = release;
    rq->holds[rq->hold_count++].what = what;
    return HF_OK;
}

hf_err hf_reply_field(hf_req *rq, const char *name, hf_bytes value)
{
    assert_int_equal(rq->status, 0);
    assert_true(rq->field_count < FAKE_FIELDS);
    const hf_bytes copy = fake_copy(rq, value);
    if (!copy.ptr)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    rq->fields[rq->field_count++] = (hf_field){ .name = hf_text(name), .value = copy };
    return HF_OK;
}

/* The fields one by one are what these tests look at; test_worker looks at the whole on the wire. */
bool hf_req_takes_fronts(const hf_req *rq);
bool hf_req_takes_fronts(const hf_req *rq)
{
    return rq->fronts;
}
bool hf_req_lines(hf_req *rq, hf_bytes lines);
bool hf_req_lines(hf_req *rq, hf_bytes lines)
{
    (void)rq, (void)lines;
    return false;
}

hf_err hf_req_field(hf_req *rq, hf_field_id id, hf_bytes value);
hf_err hf_req_field(hf_req *rq, hf_field_id id, hf_bytes value)
{
    return hf_reply_field(rq, (const char *)hf_field_spelling(id).ptr, value);
}

hf_err hf_reply_extents(hf_req *rq, uint16_t status, const hf_extent *extents, size_t count)
{
    assert_int_equal(rq->status, 0);
    assert_true(count <= FAKE_EXTENTS);
    for (size_t i = 0; i < count; i++) {
        rq->extents[i] = extents[i];
        if (extents[i].kind == HF_EXTENT_COPIED) {
            rq->extents[i].bytes = fake_copy(rq, extents[i].bytes);
            if (!rq->extents[i].bytes.ptr)
                return hf_err_make(HF_ERR_BASE_MEMORY);
        }
    }
    rq->extent_count = count;
    rq->status = status;
    return HF_OK;
}

hf_err hf_reply_redirect(hf_req *rq, uint16_t status, hf_bytes location)
{
    const hf_err err = hf_reply_field(rq, "Location", location);
    return err.code != 0 ? err : hf_reply_extents(rq, status, NULL, 0);
}

hf_err hf_reply_problem(hf_req *rq, uint16_t status, hf_err why, hf_bytes got)
{
    (void)got;
    rq->problem = why.code;
    status = status != 0 ? status : hf_err_describe(why)->status;
    if (rq->answer_error && rq->answer_error(rq, status))
        return HF_OK;
    const hf_extent page = { .kind = HF_EXTENT_COPIED, .bytes = hf_text("built-in page") };
    return hf_reply_extents(rq, status, &page, 1);
}

/* `path` is both what was asked (decoded) and what hf_req_path says; "?" begins the query. The asked fields are pairs of
 * name and value, ended by NULL. All strings are lent until fake_end. */
static inline hf_req *fake_ask(const hf_env *env, hf_method method, const char *path, const char *const *asked)
{
    hf_req *rq = calloc(1, sizeof *rq);
    assert_non_null(rq);
    const char *mark = strchr(path, '?');
    rq->env = env;
    rq->now = hf_time_make(HF_SECONDS(1000));
    rq->wall = (hf_wall){ .s = 4000000000 };
    rq->path = hf_bytes_make(path, mark ? (size_t)(mark - path) : strlen(path));
    rq->head = (hf_request_head){ .method = method, .version = HF_HTTP_1_1, .target = hf_text(path), .path = rq->path,
        .query = mark ? hf_text(mark + 1) : hf_bytes_make(NULL, 0), .content_length = HF_LENGTH_NONE };
    size_t n = 0;
    for (; asked && asked[0]; asked += 2) {
        assert_true(n < FAKE_FIELDS);
        rq->asked[n++] = (hf_field){ .name = hf_text(asked[0]), .value = hf_text(asked[1]), .id = hf_field_identify(hf_text(asked[0])) };
    }
    rq->head.fields = (hf_fields){ .at = rq->asked, .count = n };
    return rq;
}

/* The whole body as a string; *length when it may hold NUL. A file that changed is a body cut short: NULL. */
static inline const char *fake_body(hf_req *rq, size_t *length)
{
    size_t size = 0, at = 0, got;
    for (size_t i = 0; i < rq->extent_count; i++)
        size += (size_t)hf_extent_length(&rq->extents[i]);
    free(rq->body);
    rq->body = malloc(size + 1);
    assert_non_null(rq->body);
    for (size_t i = 0; i < rq->extent_count; i++) {
        const hf_extent *e = &rq->extents[i];
        const size_t n = (size_t)hf_extent_length(e);
        if (e->kind == HF_EXTENT_FILE) {
            assert_int_equal(hf_file_read(e->file, e->offset, rq->body + at, n, &got).code, 0);
            if (got != n || !hf_file_unchanged(e->file))
                return NULL;
        } else if (n > 0) {
            memcpy(rq->body + at, e->bytes.ptr, n);
        }
        at += n;
    }
    rq->body[size] = 0;
    if (length)
        *length = size;
    return rq->body;
}

/* A field of the answer, or NULL. Lends until the next call. */
static inline const char *fake_field(const hf_req *rq, const char *name)
{
    static char value[4096];
    const char *found = NULL;
    for (size_t i = 0; i < rq->field_count; i++)
        if (hf_bytes_equal(rq->fields[i].name, hf_text(name))) {
            assert_null(found); /* never twice */
            snprintf(value, sizeof value, "%.*s", HF_STR(rq->fields[i].value));
            found = value;
        }
    return found;
}

/* The answer has left. */
static inline void fake_end(hf_req *rq)
{
    for (size_t i = 0; i < rq->hold_count; i++)
        rq->holds[i].release(rq->holds[i].what);
    for (size_t i = 0; i < rq->block_count; i++)
        hf_free(&rq->env->alloc, rq->blocks[i].ptr, rq->blocks[i].size);
    free(rq->body);
    free(rq);
}

#endif
