/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection of a server, spoken to by our own client cores: TLS or plain, HTTP/1 by hand or HTTP/2. The application
 * keeps a table of exchanges and answers by path; the client notes what each of its streams brought.
 */
#ifndef HF_TESTS_STACK_SECURE_RIG_H
#define HF_TESTS_STACK_SECURE_RIG_H

#include "web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_pier.c"
#include "harness.h"
#include "identities_generated.h"
#include "random.h"

enum { EXCHANGES = 64, FILE_BYTES = 300000, LENT_BYTES = 200000, WIRE = 4 << 20 };

/* An exchange as the application sees it. */
typedef struct served {
    hf_exchange x;
    char path[32];
    bool whole, answered, ended, reset, sent, lends, early;
    int32_t why;
    size_t body_seen;
    hf_extent rest; /* what put did not take */
} served;

/* A stream as the client sees it; HTTP/1 has one at a time, in order. */
typedef struct asked {
    hf_http2_stream stream;
    uint16_t status;
    size_t body;
    uint64_t sum;
    bool ended, reset;
    int32_t why;
    int order; /* in which it ended */
} asked;

typedef struct rig {
    hf_test_world world; /* the server's */
    hf_test_world other; /* the client's: it never lacks memory */
    hf_random entropy;
    hf_crypto *crypto, *client_crypto;
    hf_tls_identity identity;
    hf_bytes protocols[2], client_protocols[1];
    hf_tls_ticket_key ticket;
    hf_tls_config config, client_config;
    hf_web_options options;
    fake_pier pier;
    hf_web *web;
    hf_time now;
    hf_out out;
    hf_extent pieces[64];
    uint8_t scratch[65536];
    uint8_t *room;
    hf_file file;
    /* the application */
    served served[EXCHANGES];
    size_t count;
    bool hold_signature, closed, opened;
    hf_tls_event question; /* held */
    int32_t why;
    hf_step last;
    /* the client */
    hf_tls *tls;
    hf_http2 *http2;
    bool plain;       /* no TLS */
    bool tls_open;
    uint8_t *joined;  /* plaintext that HTTP/2's core did not eat */
    size_t joined_length;
    bool no_take;     /* the client takes no bodies */
    size_t read;      /* bytes of pier.out that it has seen */
    uint8_t *in;      /* those that its cores did not eat */
    size_t in_length;
    uint8_t *text;    /* plaintext that it got, HTTP/1 */
    size_t text_length;
    hf_err ended;     /* how the server's direction ended */
    bool end_told;
    asked asked[EXCHANGES];
    size_t asks;
    int ends;
    size_t slice;     /* of what the client says; 0: whole */
    uint8_t session[4096];
    size_t session_length;
    bool resume;
} rig;

static uint8_t lent[LENT_BYTES];

static void fill_random(void *ctx, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)hf_random_next(ctx);
}

/* ---- the application ---------------------------------------------------------------------------------------- */

static served *served_of(rig *r, hf_exchange x)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->served[i].x == x)
            return &r->served[i];
    return NULL;
}

[[maybe_unused]] static served *served_at(rig *r, const char *path)
{
    for (size_t i = r->count; i > 0; i--)
        if (strcmp(r->served[i - 1].path, path) == 0)
            return &r->served[i - 1];
    fail_msg("nobody asked for %s", path);
    return NULL;
}

static void pump(rig *r, served *s)
{
    hf_err err = HF_OK;
    if (s->ended || s->reset)
        return;
    const uint64_t length = hf_extent_length(&s->rest);
    const uint64_t n = length > 0 ? hf_web_put(r->web, s->x, &s->rest, 1, &err) : 0;
    if (err.code == HF_ERR_HTTP2_NO_STREAM)
        return;
    if (err.code != 0) {
        s->ended = true;
        hf_web_cancel(r->web, s->x, err);
        return;
    }
    assert_true(n == length || s->rest.token == 0 || n == 0);
    if (s->rest.kind == HF_EXTENT_FILE)
        s->rest.length -= n;
    else if (n > 0)
        s->rest.bytes = hf_bytes_make(s->rest.bytes.ptr + n, s->rest.bytes.len - (size_t)n);
    if (hf_extent_length(&s->rest) > 0)
        return;
    s->ended = true;
    err = hf_web_end(r->web, s->x, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ 0 });
    if (err.code == HF_ERR_BASE_MEMORY)
        hf_web_cancel(r->web, s->x, err);
}

static void answer(rig *r, served *s, uint16_t status)
{
    const bool file = strcmp(s->path, "/file") == 0, big = strcmp(s->path, "/lent") == 0;
    s->rest = (hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_text(status == 200 ? "hello" : "refused") };
    if (status == 200 && file)
        s->rest = (hf_extent){ .kind = HF_EXTENT_FILE, .token = s->x, .file = &r->file, .length = FILE_BYTES };
    if (status == 200 && big)
        s->rest = (hf_extent){ .kind = HF_EXTENT_LENT, .token = s->x, .bytes = hf_bytes_make(lent, LENT_BYTES) };
    s->lends = s->rest.kind != HF_EXTENT_COPIED;
    const hf_response_head head = { .status = status, .content_length = (int64_t)hf_extent_length(&s->rest),
        .close = status >= 400 && hf_web_version(r->web) != HF_HTTP_2 };
    s->answered = true;
    const hf_err err = hf_web_respond(r->web, s->x, &head);
    if (err.code == HF_ERR_BASE_MEMORY) {
        s->ended = true;
        hf_web_cancel(r->web, s->x, err);
        return;
    }
    if (err.code == 0)
        pump(r, s);
}

static served *open_served(rig *r, hf_exchange x, const hf_request_head *head)
{
    assert_null(served_of(r, x)); /* a number is never used twice */
    assert_true(r->count < EXCHANGES);
    served *s = &r->served[r->count++];
    *s = (served){ .x = x };
    if (head != NULL)
        snprintf(s->path, sizeof s->path, "%.*s", HF_STR(head->path));
    return s;
}

static void on_end(rig *r, served *s)
{
    assert_non_null(s);
    s->whole = true;
    if (!s->answered && strcmp(s->path, "/late") != 0)
        answer(r, s, 200);
}

static void deal(rig *r, const hf_web_event *e)
{
    served *s = served_of(r, e->exchange);
    switch (e->kind) {
    case HF_WEB_REQUEST:
        s = open_served(r, e->exchange, e->head);
        s->early = e->early;
        if (e->whole)
            on_end(r, s);
        break;
    case HF_WEB_BODY:
        assert_non_null(s);
        s->body_seen += e->body.len;
        hf_web_take(r->web, e->exchange, e->body.len);
        break;
    case HF_WEB_END:
        on_end(r, s);
        break;
    case HF_WEB_REFUSED:
        s = s != NULL ? s : open_served(r, e->exchange, e->head);
        s->why = e->fault->err.code;
        if (!s->answered)
            answer(r, s, e->fault->status);
        break;
    case HF_WEB_SENT:
        if (s != NULL) {
            assert_true(s->lends || s->reset || s->ended);
            s->sent = true;
        }
        break;
    case HF_WEB_RESET:
        assert_non_null(s);
        assert_false(s->reset);
        s->reset = true;
        s->why = e->err.code;
        break;
    case HF_WEB_WRITABLE:
        if (s != NULL && s->answered)
            pump(r, s);
        break;
    case HF_WEB_OPENED: r->opened = true; break;
    case HF_WEB_WANT_SIGN:
        r->question = *e->tls;
        if (!r->hold_signature)
            hf_web_sign_here(r->web, e);
        break;
    case HF_WEB_WANT_VERIFY: hf_web_answer_verify(r->web, HF_OK); break;
    case HF_WEB_TRAILERS: break;
    case HF_WEB_CLOSED:
        assert_false(r->closed);
        r->closed = true;
        r->why = e->err.code;
        break;
    }
}

/* The server's turn, until it is idle. */
static void drive(rig *r)
{
    hf_web_event e;
    memset(&e, 0xee, sizeof e); /* whoever reads what was not filled will be found out */
    for (size_t i = 0; i < 1000000; i++) {
        r->last = hf_web_step(r->web, r->now, &r->out, &e);
        if (r->last != HF_EVENT)
            break;
        deal(r, &e);
    }
    assert_true(r->last == HF_IDLE || r->last == HF_CLOSED);
    assert_true(hf_time_before(r->now, hf_web_wake(r->web))); /* else the loop would spin */
}

/* ---- the client --------------------------------------------------------------------------------------------- */

static asked *asked_of(rig *r, hf_http2_stream stream)
{
    for (size_t i = 0; i < r->asks; i++)
        if (r->asked[i].stream == stream)
            return &r->asked[i];
    fail_msg("no such stream");
    return NULL;
}

static void hear(rig *r, const hf_http2_event *e)
{
    asked *a = e->stream != 0 ? asked_of(r, e->stream) : NULL;
    switch (e->kind) {
    case HF_HTTP2_RESPONSE: a->status = e->response.status; break;
    case HF_HTTP2_BODY:
        if (r->no_take)
            break;
        for (size_t i = 0; i < e->body.len; i++)
            a->sum = a->sum * 31 + e->body.ptr[i];
        a->body += e->body.len;
        hf_http2_take(r->http2, e->stream, e->body.len);
        break;
    case HF_HTTP2_END:
        a->ended = true;
        a->order = ++r->ends;
        break;
    case HF_HTTP2_RESET:
        a->reset = true;
        a->why = e->err.code;
        break;
    default: break;
    }
}

static void got_text(rig *r, hf_bytes b)
{
    assert_true(r->text_length + b.len < WIRE);
    if (b.len > 0)
        memcpy(r->text + r->text_length, b.ptr, b.len);
    r->text_length += b.len;
    r->text[r->text_length] = 0;
}

/* Plaintext for the client: HTTP/2's core eats it, HTTP/1 is text. Returns what was eaten. */
static size_t client_eats(rig *r, hf_span b, bool fin)
{
    size_t used = 0;
    if (r->http2 == NULL) {
        got_text(r, hf_bytes_make(b.ptr, b.len));
        return b.len;
    }
    for (;;) {
        uint8_t nothing[1];
        hf_in in = { .ptr = b.len > used ? b.ptr + used : nothing, .len = b.len - used, .fin = fin };
        hf_http2_event e;
        const hf_step s = hf_http2_step(r->http2, r->now, &in, &e);
        used += in.used;
        if (s != HF_EVENT)
            return used;
        hear(r, &e);
    }
}

static void client_reads_tls(rig *r)
{
    for (;;) {
        uint8_t nothing[1];
        hf_in in = { .ptr = r->in_length > 0 ? r->in : nothing, .len = r->in_length, .fin = r->pier.fin_sent };
        hf_tls_event e;
        const hf_step s = hf_tls_step(r->tls, r->now, &in, &e);
        if (in.used > 0) {
            memmove(r->in, r->in + in.used, r->in_length - in.used);
            r->in_length -= in.used;
        }
        if (s == HF_EVENT && e.kind == HF_TLS_READABLE) {
            /* the event's record lies at the front now: a further step finds it */
            in = (hf_in){ .ptr = r->in, .len = r->in_length };
            assert_int_equal(hf_tls_step(r->tls, r->now, &in, &e), HF_FULL);
            const hf_span all = hf_tls_peek(r->tls);
            memcpy(r->joined + r->joined_length, all.ptr, all.len);
            r->joined_length += all.len;
            hf_tls_take(r->tls, all.len);
            const size_t used = client_eats(r, (hf_span){ r->joined, r->joined_length }, false);
            memmove(r->joined, r->joined + used, r->joined_length - used);
            r->joined_length -= used;
        } else if (s == HF_EVENT && e.kind == HF_TLS_OPENED) {
            r->tls_open = true;
        } else if (s == HF_EVENT && e.kind == HF_TLS_WANT_VERIFY) {
            hf_tls_answer_verify(r->tls, HF_OK);
        } else if (s == HF_EVENT && e.kind == HF_TLS_ENDED) {
            r->end_told = true;
            r->ended = e.err;
        } else if (s == HF_EVENT && e.kind == HF_TLS_SESSION && e.session.len <= sizeof r->session) {
            memcpy(r->session, e.session.ptr, e.session.len);
            r->session_length = e.session.len;
        } else if (s != HF_EVENT) {
            return;
        }
    }
}

static void client_says(rig *r, hf_bytes b)
{
    fake_pier_say(&r->pier, b);
}

static void client_emits(rig *r)
{
    static uint8_t scratch[1 << 18];
    for (;;) {
        hf_extent pieces[64];
        hf_out out = { .pieces = pieces, .capacity = HF_COUNT(pieces), .scratch = scratch, .scratch_capacity = sizeof scratch / 2, .room = UINT64_MAX };
        bool more = false;
        if (r->http2 != NULL && (r->plain || r->tls_open) && hf_http2_emit(r->http2, r->now, &out) > 0) {
            more = true;
            for (size_t i = 0; i < out.count; i++) {
                if (!r->plain)
                    assert_int_equal(hf_tls_put(r->tls, &(hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = out.pieces[i].bytes }, 1), out.pieces[i].bytes.len);
                else
                    client_says(r, out.pieces[i].bytes);
            }
        }
        out = (hf_out){ .pieces = pieces, .capacity = HF_COUNT(pieces), .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
        if (r->tls != NULL && hf_tls_emit(r->tls, r->now, &out) > 0) {
            more = true;
            for (size_t i = 0; i < out.count; i++)
                client_says(r, out.pieces[i].bytes);
        }
        if (!more)
            return;
        uint8_t nothing[1];
        if (r->http2 != NULL)
            (void)client_eats(r, (hf_span){ nothing, 0 }, false);
    }
}

/* The client's turn: it reads what has left the server, and says what it has to say. */
static void client(rig *r)
{
    const size_t n = r->pier.out_length - r->read;
    assert_true(r->in_length + n <= WIRE);
    if (n > 0)
        memcpy(r->in + r->in_length, r->pier.out + r->read, n);
    r->read += n;
    r->in_length += n;
    if (r->plain) {
        const size_t used = client_eats(r, (hf_span){ r->in, r->in_length }, false);
        memmove(r->in, r->in + used, r->in_length - used);
        r->in_length -= used;
    } else if (r->tls != NULL) {
        client_reads_tls(r);
    }
    client_emits(r);
}

/* Until neither has anything to say. */
static void run(rig *r)
{
    size_t before, said;
    do {
        before = r->pier.out_length;
        said = r->pier.coming_length;
        client(r);
        if (!r->closed)
            drive(r);
    } while (before != r->pier.out_length || said != r->pier.coming_length);
}

/* ---- life --------------------------------------------------------------------------------------------------- */

typedef enum speaks { H1_TLS, H2_TLS, H1_PLAIN, H2_PLAIN } speaks;

static void make_server(rig *r)
{
    r->web = hf_web_new(&r->world.env, 1, fake_pier_get(&r->pier), &r->options, r->now);
}

static void setup_world(rig *r, speaks how)
{
    memset(r, 0, sizeof *r);
    hf_test_world_init(&r->world, 1);
    hf_test_world_init(&r->other, 2);
    hf_random_seed(&r->entropy, 7);
    const hf_entropy entropy = { fill_random, &r->entropy };
    r->crypto = hf_crypto_new(&r->other.env, &entropy);
    assert_non_null(r->crypto);
    assert_int_equal(hf_chain_load(r->crypto, hf_text(identity_p256_pem), &r->identity.chain).code, 0);
    assert_int_equal(hf_key_load(r->crypto, hf_text(identity_p256_key), &r->identity.key).code, 0);
    r->protocols[0] = hf_text("h2");
    r->protocols[1] = hf_text("http/1.1");
    r->client_protocols[0] = hf_text(how == H2_TLS ? "h2" : "http/1.1");
    r->config = (hf_tls_config){ .crypto = r->crypto, .identities = &r->identity, .identity_count = 1, .protocols = r->protocols, .protocol_count = 2 };
    r->client_config = (hf_tls_config){ .crypto = r->crypto, .protocols = r->client_protocols, .protocol_count = 1 };
    r->plain = how >= H1_PLAIN;
    r->room = malloc(HF_WEB_ROOM);
    r->in = malloc(WIRE);
    r->text = malloc(WIRE);
    r->joined = malloc(WIRE);
    r->options.tls = r->plain ? NULL : &r->config;
    r->options.room = (hf_span){ r->room, HF_WEB_ROOM };
    r->now = hf_time_make(HF_SECONDS(1000));
    r->out = (hf_out){ .pieces = r->pieces, .capacity = HF_COUNT(r->pieces), .scratch = r->scratch,
        .scratch_capacity = sizeof r->scratch, .room = UINT64_MAX };
    r->file = (hf_file){ .handle = 3, .size = FILE_BYTES };
    for (size_t i = 0; i < sizeof lent; i++)
        lent[i] = (uint8_t)(i * 7);
    fake_pier_init(&r->pier);
}

static void make_client(rig *r, speaks how)
{
    if (!r->plain)
        r->tls = hf_tls_client_new(&r->other.env, &r->client_config, 2, r->now, hf_text("localhost"),
                                   hf_bytes_make(r->session, r->resume ? r->session_length : 0));
    if (how == H2_TLS || how == H2_PLAIN)
        r->http2 = hf_http2_client_new(&r->other.env, 3, r->now, NULL);
    run(r);
}

[[maybe_unused]] static void setup(rig *r, speaks how)
{
    setup_world(r, how);
    make_server(r);
    assert_non_null(r->web);
    make_client(r, how);
    run(r);
}

static void teardown(rig *r)
{
    hf_web_free(r->web);
    if (r->web != NULL)
        assert_true(r->pier.freed);
    hf_http2_free(r->http2);
    hf_tls_free(r->tls);
    hf_chain_free(r->identity.chain);
    hf_key_free(r->identity.key);
    hf_crypto_free(r->crypto);
    fake_pier_fini(&r->pier);
    free(r->room);
    free(r->in);
    free(r->text);
    free(r->joined);
    hf_test_world_fini(&r->world);
    hf_test_world_fini(&r->other);
}

/* ---- asking ------------------------------------------------------------------------------------------------- */

/* HTTP/2: opens a stream; a body of `body` bytes follows when it is not 0. */
static asked *ask(rig *r, const char *path, size_t body)
{
    static const uint8_t content[1 << 16];
    const hf_request_head head = { .method = body > 0 ? HF_METHOD_POST : HF_METHOD_GET, .scheme = hf_text(r->plain ? "http" : "https"),
        .authority = hf_text("localhost"), .target = hf_text(path), .content_length = body > 0 ? (int64_t)body : HF_LENGTH_NONE };
    asked *a = &r->asked[r->asks++];
    *a = (asked){ 0 };
    assert_int_equal(hf_http2_request(r->http2, &head, &a->stream).code, 0);
    if (body > 0)
        assert_int_equal(hf_http2_put(r->http2, a->stream, &(hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(content, body) }, 1, NULL), body);
    assert_int_equal(hf_http2_end(r->http2, a->stream, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ 0 }).code, 0);
    return a;
}

/* HTTP/1: says so. */
static void say(rig *r, const char *text)
{
    if (r->plain)
        client_says(r, hf_text(text));
    else
        assert_int_equal(hf_tls_put(r->tls, &(hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_text(text) }, 1), strlen(text));
    client_emits(r);
}

#endif
