/* SPDX-License-Identifier: Apache-2.0
 *
 * A service over a real connection whose other end is the test, with a table of small handlers.
 */
#ifndef HF_TESTS_APP_SERVICE_RIG_H
#define HF_TESTS_APP_SERVICE_RIG_H

#include "service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../stack/fake_pier.c"
#include "harness.h"
#include "text.h"

enum { BIG = 300000 };

static uint8_t big[BIG];

typedef struct rig {
    hf_test_world world;
    fake_pier pier;
    hf_app app;
    hf_service service;
    hf_dialog dialog;
    hf_web *web;
    hf_router *router;
    hf_time now;
    hf_out out;
    bool closed;
    int32_t why;
    size_t runs;      /* of any handler */
    size_t held, released;
    size_t done;
    uint16_t done_status[64];
    int32_t done_error[64];
    char done_path[64][32];
    uint64_t body_seen;
    char body_head[32];
    bool custom_errors;
    char text[1 << 19]; /* what has left, NUL-terminated */
    hf_extent pieces[64];
    uint8_t scratch[65536];
} rig;

/* ---- handlers ----------------------------------------------------------------------------------------------- */

static inline rig *of(hf_req *rq)
{
    rig *r = hf_req_context(rq);
    r->runs++;
    return r;
}

static inline void let_go(void *what)
{
    ((rig *)what)->released++;
}

static inline hf_err hold(rig *r, hf_req *rq)
{
    const hf_err err = hf_req_hold(rq, let_go, r);
    r->held += err.code == 0;
    return err;
}

static inline hf_err hello(hf_req *rq)
{
    (void)of(rq);
    return hf_reply_text(rq, 200, "hello, %.*s\n", HF_STR(hf_path_arg(rq, "name")));
}

static inline hf_err echo(hf_req *rq)
{
    (void)of(rq);
    return hf_reply(rq, 200, "application/octet-stream", hf_req_body(rq));
}

static inline hf_err lent(hf_req *rq)
{
    rig *r = of(rq);
    const hf_err err = hold(r, rq);
    const hf_extent e[] = { { .kind = HF_EXTENT_COPIED, .bytes = hf_text("begin ") },
        { .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(big, BIG) }, { .kind = HF_EXTENT_LENT },
        { .kind = HF_EXTENT_COPIED, .bytes = hf_text(" end") } };
    return err.code != 0 ? err : hf_reply_extents(rq, 200, e, HF_COUNT(e));
}

/* More copied bytes, in more pieces, than the core holds at a time. */
static inline hf_err many_pieces(hf_req *rq)
{
    hf_extent e[200];
    uint8_t here[1000];
    (void)of(rq);
    memcpy(here, big, sizeof here);
    for (size_t i = 0; i < HF_COUNT(e); i++)
        e[i] = (hf_extent){ .kind = i % 2 ? HF_EXTENT_LENT : HF_EXTENT_COPIED,
            .bytes = i % 2 ? hf_bytes_make(big + 1000 * i, 1000) : hf_bytes_make(here, sizeof here) };
    return hf_reply_extents(rq, 200, e, HF_COUNT(e));
}

static inline hf_err fails_before(hf_req *rq)
{
    rig *r = of(rq);
    const hf_err err = hold(r, rq);
    (void)hf_reply_field(rq, "X-Secret", hf_text("half an answer")).code;
    return err.code != 0 ? err : hf_err_make(HF_ERR_IO_ADDRESS_IN_USE);
}

static inline hf_err fails_after(hf_req *rq)
{
    rig *r = of(rq);
    const hf_err err = hold(r, rq);
    const hf_extent e = { .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(big, BIG) };
    if (err.code != 0 || hf_reply_extents(rq, 200, &e, 1).code != 0)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    return hf_err_make(HF_ERR_IO_SYSTEM);
}

static inline hf_err fails_amid(hf_req *rq)
{
    rig *r = of(rq);
    const hf_err err = hold(r, rq);
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(big, BIG) }; /* more than the core takes at once */
    if (err.code != 0 || hf_reply_extents(rq, 200, &e, 1).code != 0)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    return hf_err_make(HF_ERR_IO_SYSTEM);
}

static inline hf_err answers_twice(hf_req *rq)
{
    (void)of(rq);
    assert_int_equal(hf_reply_text(rq, 200, "one").code, 0);
    assert_int_equal(hf_reply_text(rq, 200, "two").code, HF_ERR_HTTP1_BAD_HEAD); /* its Content-Type comes too late */
    assert_int_equal(hf_reply_extents(rq, 200, NULL, 0).code, HF_ERR_HTTP1_NO_EXCHANGE);
    assert_int_equal(hf_reply_field(rq, "X", hf_text("y")).code, HF_ERR_HTTP1_BAD_HEAD);
    return HF_OK;
}

static inline hf_err bad_fields(hf_req *rq)
{
    (void)of(rq);
    assert_int_equal(hf_reply_field(rq, "X", hf_text("a\r\nSet-Cookie: b")).code, HF_ERR_HTTP1_BAD_HEAD);
    assert_int_equal(hf_reply_field(rq, "X y", hf_text("a")).code, HF_ERR_HTTP1_BAD_HEAD);
    assert_int_equal(hf_reply_field(rq, "", hf_text("a")).code, HF_ERR_HTTP1_BAD_HEAD);
    for (int i = 0; i < 32; i++)
        assert_int_equal(hf_reply_field(rq, "X", hf_text("ok")).code, 0);
    assert_int_equal(hf_reply_field(rq, "X", hf_text("one too many")).code, HF_ERR_BASE_LIMIT);
    return hf_reply(rq, 200, NULL, hf_text(""));
}

static inline hf_err framing_field(hf_req *rq)
{
    (void)of(rq);
    assert_int_equal(hf_reply_field(rq, "Content-Length", hf_text("5")).code, 0);
    return hf_reply_text(rq, 200, "hello");
}

static inline hf_err own_fields(hf_req *rq)
{
    (void)of(rq);
    const hf_err a = hf_reply_field(rq, "Cache-Control", hf_text("max-age=60"));
    const hf_err b = hf_reply_field(rq, "Date", hf_text("Thu, 01 Jan 1970 00:00:00 GMT"));
    return a.code != 0 || b.code != 0 ? hf_err_make(HF_ERR_BASE_USAGE) : hf_reply_text(rq, 200, "own");
}

static inline hf_err take_piece(hf_req *rq, hf_bytes piece)
{
    rig *r = hf_req_context(rq);
    if (*hf_req_word(rq) == 0 && piece.len > 0) {
        const size_t n = piece.len < sizeof r->body_head - 1 ? piece.len : sizeof r->body_head - 1;
        memcpy(r->body_head, piece.ptr, n);
    }
    *hf_req_word(rq) += piece.len;
    r->body_seen += piece.len;
    return piece.len > 0 && memchr(piece.ptr, '!', piece.len) != NULL ? hf_err_make(HF_ERR_IO_SYSTEM) : HF_OK;
}

static inline hf_err counted(hf_req *rq)
{
    (void)of(rq);
    assert_int_equal(hf_req_body(rq).len, 0);
    return hf_reply_text(rq, 200, "%llu", (unsigned long long)*hf_req_word(rq));
}

static inline hf_err last_one(hf_req *rq)
{
    (void)of(rq);
    hf_reply_close(rq);
    return hf_reply_text(rq, 200, "bye");
}

static inline hf_err moved(hf_req *rq)
{
    (void)of(rq);
    return hf_reply_redirect(rq, 303, hf_text("/elsewhere"));
}

static inline hf_err about(hf_req *rq)
{
    (void)of(rq);
    uint64_t *aligned = hf_req_alloc(rq, 3);
    assert_int_equal((uintptr_t)aligned % 16, 0);
    return hf_reply_text(rq, 200, "%.*s %llu %.*s %lld %lld", HF_STR(hf_req_id(rq)), (unsigned long long)hf_req_number(rq),
        HF_STR(hf_req_path(rq)), (long long)hf_req_wall(rq).s, (long long)hf_req_now(rq).ns);
}

/* Every type lies at the same place. */
static inline hf_err typed(hf_req *rq)
{
    static char type[128];
    (void)of(rq);
    snprintf(type, sizeof type, "text/%.*s", HF_STR(hf_path_arg(rq, "name")));
    return hf_reply(rq, 200, type, hf_text("x"));
}

static inline hf_err long_text(hf_req *rq)
{
    (void)of(rq);
    return hf_reply_text(rq, 200, "%0*d", 20000, 7);
}

static const hf_files some_files = { .root = "unused" };

static const hf_route routes[] = {
    { .method = "GET", .path = "/hello/{name}", .handle = hello },
    { .method = "POST", .path = "/echo", .handle = echo },
    { .method = "PUT", .path = "/echo", .handle = echo },
    { .method = "PATCH", .path = "/echo", .handle = echo },
    { .method = "QUERY", .path = "/echo", .handle = echo },
    { .method = "DELETE", .path = "/echo", .handle = echo },
    { .method = "GET", .path = "/lent", .handle = lent },
    { .method = "POST", .path = "/lent", .handle = lent },
    { .method = "GET", .path = "/pieces", .handle = many_pieces },
    { .method = "GET", .path = "/before", .handle = fails_before },
    { .method = "GET", .path = "/after", .handle = fails_after },
    { .method = "GET", .path = "/amid", .handle = fails_amid },
    { .method = "GET", .path = "/twice", .handle = answers_twice },
    { .method = "GET", .path = "/bad", .handle = bad_fields },
    { .method = "GET", .path = "/framing", .handle = framing_field },
    { .method = "GET", .path = "/own", .handle = own_fields },
    { .method = "POST", .path = "/own", .handle = own_fields },
    { .method = "POST", .path = "/upload", .handle = counted, .body = take_piece, .max_body = 100000000 },
    { .method = "POST", .path = "/small", .handle = echo, .max_body = 10 },
    { .method = "GET", .path = "/last", .handle = last_one },
    { .method = "GET", .path = "/moved", .handle = moved },
    { .method = "GET", .path = "/about", .handle = about },
    { .method = "GET", .path = "/count", .handle = hello, .not_early = true },
    { .method = "GET", .path = "/long", .handle = long_text },
    { .method = "GET", .path = "/typed/{name}", .handle = typed },
    { .method = "OPTIONS", .path = "/options", .handle = hello },
    { .path = "/files/{rest...}", .files = &some_files },
};

/* ---- the rig ------------------------------------------------------------------------------------------------ */

static inline hf_err answer_files(void *self, const hf_files *files, hf_req *rq, hf_bytes rest)
{
    rig *r = self;
    r->runs++;
    assert_ptr_equal(files, &some_files);
    return hf_reply_text(rq, 200, "file %.*s", HF_STR(rest));
}

static inline bool answer_error(void *self, hf_req *rq, uint16_t status)
{
    const rig *r = self;
    return r->custom_errors && status == 404 && hf_reply_text(rq, status, "our own page").code == 0;
}

static inline void done(void *self, const hf_req *rq)
{
    rig *r = self;
    assert_true(r->done < HF_COUNT(r->done_status));
    r->done_status[r->done] = rq->status;
    r->done_error[r->done] = rq->error.code;
    const size_t n = rq->head.target.len < 31 ? rq->head.target.len : 31;
    if (n > 0)
        memcpy(r->done_path[r->done], rq->head.target.ptr, n); /* still readable: the log is written now */
    r->done_path[r->done++][n] = 0;
}

static const hf_web_options rig_options = { .http2 = { .push = true } };

static inline void begin(rig *r)
{
    const hf_service_hooks hooks = { .self = r, .answer_files = answer_files, .answer_error = answer_error, .done = done };
    r->app = (hf_app){ .router = r->router, .server_name = "tested", .context = r };
    hf_service_init(&r->service, &r->world.env, &r->app, &hooks);
    hf_service_tick(&r->service, r->now, (hf_wall){ 784111777 });
    r->dialog = (hf_dialog){ .service = &r->service, .id = 0xabc };
    r->web = hf_web_new(&r->world.env, 1, fake_pier_get(&r->pier), &rig_options, r->now);
    r->dialog.web = r->web;
}

static inline void setup_with(rig *r, const hf_route *table, size_t count)
{
    memset(r, 0, sizeof *r);
    hf_test_world_init(&r->world, 1);
    fake_pier_init(&r->pier);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (uint8_t)('a' + i % 26);
    r->now = hf_time_make(HF_SECONDS(50));
    r->out = (hf_out){ .pieces = r->pieces, .capacity = HF_COUNT(r->pieces), .scratch = r->scratch,
        .scratch_capacity = sizeof r->scratch, .room = UINT64_MAX };
    char text[1000];
    hf_writer why = hf_writer_make(text, sizeof text);
    r->router = hf_router_new(&r->world.env.alloc, table, count, &why);
    assert_non_null(r->router);
    begin(r);
}

static inline void setup(rig *r)
{
    setup_with(r, routes, HF_COUNT(routes));
}

static inline void teardown(rig *r)
{
    if (r->web != NULL) {
        hf_dialog_close(&r->dialog, HF_OK);
        hf_web_free(r->web);
        assert_true(r->pier.freed);
    }
    assert_null(r->dialog.open);
    assert_int_equal(r->released, r->held); /* each once, in every ending */
    hf_service_fini(&r->service);
    hf_router_free(r->router);
    fake_pier_fini(&r->pier);
    hf_test_world_fini(&r->world);
}

static inline void drive(rig *r)
{
    hf_web_event e;
    hf_step s = HF_EVENT;
    for (size_t i = 0; i < 100000 && s == HF_EVENT; i++) {
        s = hf_web_step(r->web, r->now, &r->out, &e);
        if (s != HF_EVENT)
            break;
        if (e.kind == HF_WEB_CLOSED) {
            r->closed = true;
            r->why = e.err.code;
        }
        hf_dialog_event(&r->dialog, &e);
    }
    assert_true(s == HF_IDLE || s == HF_CLOSED);
    assert_true(r->pier.out_length < sizeof r->text);
    if (r->pier.out_length > 0)
        memcpy(r->text, r->pier.out, r->pier.out_length);
    r->text[r->pier.out_length] = 0;
}

/* Says it and returns all that was answered on the connection so far. */
static const char *ask(rig *r, const char *text)
{
    fake_pier_say(&r->pier, hf_text(text));
    drive(r);
    return r->text;
}

static inline void has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in\n%s", part, text);
}

static inline void has_not(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("\"%s\" is in\n%s", part, text);
}

/* One request on a connection of its own: the answer begins with `status` and holds `part`. */
static inline void answers(const char *request, const char *status, const char *part)
{
    static rig r;
    setup(&r);
    const char *text = ask(&r, request);
    if (strncmp(text + 9, status, strlen(status)) != 0)
        fail_msg("%s was answered %s", request, text);
    if (part != NULL)
        has(text, part);
    teardown(&r);
}

#define H " HTTP/1.1\r\nHost: a\r\n"
#define BODY(n, text) "Content-Length: " #n "\r\n\r\n" text

#endif
