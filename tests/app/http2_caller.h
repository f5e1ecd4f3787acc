/* SPDX-License-Identifier: Apache-2.0
 *
 * A client that speaks HTTP/2 to the rig's connection.
 */
#ifndef HF_TESTS_APP_HTTP2_CALLER_H
#define HF_TESTS_APP_HTTP2_CALLER_H

#include "service_rig.h"

#include <handfast/http2.h>

enum { STREAMS = 16 };

typedef struct answer {
    hf_http2_stream stream;
    uint16_t status;
    char body[4096];
    size_t length;
    bool ended, reset;
    char hints[1024];  /* the Link fields of 103 answers, a line each */
    char pushed[64];   /* the target that was promised, where it was */
    char language[16]; /* and the Accept-Language that it was promised with */
} answer;

typedef struct caller {
    hf_test_world world;
    hf_http2 *http2;
    size_t read;
    answer answers[STREAMS];
    size_t count;
} caller;

static inline answer *answer_of(caller *c, hf_http2_stream stream)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->answers[i].stream == stream)
            return &c->answers[i];
    fail_msg("no such stream");
    return NULL;
}

static inline void promised(caller *c, const hf_http2_event *e)
{
    assert_true(c->count < STREAMS);
    answer *const a = &c->answers[c->count++];
    const hf_field *const language = hf_fields_find_name(e->request.fields, hf_text("accept-language"));
    a->stream = e->promised;
    snprintf(a->pushed, sizeof a->pushed, "%.*s", HF_STR(e->request.target));
    if (language != NULL)
        snprintf(a->language, sizeof a->language, "%.*s", HF_STR(language->value));
}

static inline void hear(caller *c, const hf_http2_event *e)
{
    answer *a = e->stream != 0 ? answer_of(c, e->stream) : NULL;
    switch (e->kind) {
    case HF_HTTP2_RESPONSE:
        a->status = e->response.status;
        if (a->status == 103) {
            const hf_field *const link = hf_fields_find_name(e->response.fields, hf_text("link"));
            assert_non_null(link);
            snprintf(a->hints + strlen(a->hints), sizeof a->hints - strlen(a->hints), "%.*s\n", HF_STR(link->value));
        }
        break;
    case HF_HTTP2_PUSHED:
        promised(c, e);
        break;
    case HF_HTTP2_BODY:
        for (size_t i = 0; i < e->body.len && a->length < sizeof a->body - 1; i++)
            a->body[a->length++] = (char)e->body.ptr[i];
        hf_http2_take(c->http2, e->stream, e->body.len);
        break;
    case HF_HTTP2_END: a->ended = true; break;
    case HF_HTTP2_RESET: a->reset = true; break;
    default: break;
    }
}

static inline void listen_to(rig *r, caller *c)
{
    while (r->pier.out != NULL) {
        hf_in in = { .ptr = r->pier.out + c->read, .len = r->pier.out_length - c->read };
        hf_http2_event e;
        const hf_step s = hf_http2_step(c->http2, r->now, &in, &e);
        c->read += in.used;
        if (s != HF_EVENT)
            return;
        hear(c, &e);
    }
}

static inline void talk(rig *r, caller *c)
{
    static uint8_t scratch[65536];
    size_t said;
    do {
        hf_extent pieces[64];
        hf_out out = { .pieces = pieces, .capacity = 64, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
        said = r->pier.coming_length;
        (void)hf_http2_emit(c->http2, r->now, &out);
        for (size_t i = 0; i < out.count; i++)
            fake_pier_say(&r->pier, out.pieces[i].bytes);
        drive(r);
        listen_to(r, c);
    } while (said != r->pier.coming_length);
}

/* The rig was set up with routes of the test's own. */
static inline void call_there(rig *r, caller *c, const hf_http2_options *options)
{
    memset(c, 0, sizeof *c);
    hf_test_world_init(&c->world, 2);
    c->http2 = hf_http2_client_new(&c->world.env, 9, r->now, options);
    talk(r, c);
    assert_int_equal(hf_web_version(r->web), HF_HTTP_2);
}

static inline void call(rig *r, caller *c, const hf_http2_options *options)
{
    setup(r);
    call_there(r, c, options);
}

static inline void hang_up(rig *r, caller *c)
{
    hf_http2_free(c->http2);
    hf_test_world_fini(&c->world);
    teardown(r);
}

static inline answer *send_with(caller *c, const char *method, const char *target, const char *body, hf_fields fields)
{
    const size_t n = strlen(body);
    const hf_request_head head = { .method_name = hf_text(method), .scheme = hf_text("http"), .authority = hf_text("a"),
        .target = hf_text(target), .fields = fields, .content_length = n > 0 ? (int64_t)n : HF_LENGTH_NONE };
    assert_true(c->count < STREAMS);
    answer *a = &c->answers[c->count++];
    assert_int_equal(hf_http2_request(c->http2, &head, &a->stream).code, 0);
    if (n > 0)
        assert_int_equal(hf_http2_put(c->http2, a->stream, &(hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_text(body) }, 1, NULL), n);
    assert_int_equal(hf_http2_end(c->http2, a->stream, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ 0 }).code, 0);
    return a;
}

static inline answer *send(caller *c, const char *method, const char *target, const char *body, const char *type)
{
    const hf_field field = { .name = hf_text("content-type"), .value = hf_text(type) };
    return send_with(c, method, target, body, (hf_fields){ &field, body[0] != 0 });
}

#endif
