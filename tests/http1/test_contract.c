/* SPDX-License-Identifier: Apache-2.0
 *
 * The laws of pier.h, held over every core: one row a core, one function a law. To add a core, add a row: how it is
 * made, stepped (with a scripted application that reacts to events), emitted and woken, and what it is fed.
 */
#include "http1/rig.h"

#include "random.h"

/* ---- the rows ----------------------------------------------------------------------------------------------- */

typedef struct input {
    const char *name;
    hf_bytes bytes;
    unsigned script; /* the core's own: which application, which commands */
} input;

/* A core under test with its application, behind one face. */
typedef struct core {
    const char *name;
    bool (*open)(rig *r, const hf_env *env, unsigned script); /* false: memory ended */
    const input *inputs;
    size_t count;
    size_t (*most_held)(const hf_limits *limits);
} core;

static bool open_server(rig *r, const hf_env *env, unsigned script)
{
    return rig_open(r, env, (rig_app)script);
}

/* A client with pipelined requests: GET, HEAD, POST with a body, GET with an upgrade. */
static bool open_client(rig *r, const hf_env *env, unsigned script)
{
    static const hf_field fields[] = { { HF_LITERAL("Host"), HF_LITERAL("a"), HF_FIELD_HOST } };
    static const hf_request_head heads[] = {
        { .method = HF_METHOD_GET, .target = HF_LITERAL("/1"), .fields = { fields, 1 }, .content_length = HF_LENGTH_NONE },
        { .method = HF_METHOD_HEAD, .target = HF_LITERAL("/2"), .fields = { fields, 1 }, .content_length = HF_LENGTH_NONE },
        { .method = HF_METHOD_POST, .target = HF_LITERAL("/3"), .fields = { fields, 1 }, .content_length = HF_LENGTH_UNKNOWN },
        { .method = HF_METHOD_GET, .target = HF_LITERAL("/4"), .fields = { fields, 1 }, .content_length = HF_LENGTH_NONE,
          .upgrade = HF_LITERAL("x") },
    };
    if (!rig_open(r, env, RIG_CLIENT))
        return false;
    for (unsigned i = 0; i < script && i < HF_COUNT(heads); i++) {
        if (hf_http1_request(r->h, &heads[i]).code != 0)
            break;
        if (heads[i].content_length == HF_LENGTH_UNKNOWN)
            rig_put(r, hf_text("some body"));
        rig_end(r);
    }
    return true;
}

static size_t http1_most_held(const hf_limits *l)
{
    /* the struct; fields; pieces; copied output, which may double; a fault */
    return 512 + (size_t)(l->header_fields * sizeof(hf_field) + 2 * l->output_extents * 64 +
                          2 * (l->output_bytes + l->header_bytes + l->trailer_bytes)) + 128;
}

#define HOST "Host: a\r\n"
static const input server_inputs[] = {
    { "get", HF_LITERAL("GET /a?b=c HTTP/1.1\r\n" HOST "Accept: */*\r\nA:\r\nB: \t x y \t\r\n\r\n"), RIG_ECHO },
    { "pipeline", HF_LITERAL("\r\nGET / HTTP/1.1\r\n" HOST "\r\nHEAD /x HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.0\r\n\r\nGET /never HTTP/1.1\r\n"), RIG_ECHO },
    { "post", HF_LITERAL("POST / HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\nhello worldGET / HTTP/1.1\r\n" HOST "\r\n"), RIG_ECHO },
    { "chunks", HF_LITERAL("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX: y\r\nZ: w\r\n\r\n"
                           "GET / HTTP/1.1\r\n" HOST "\r\n"), RIG_STREAM },
    { "expect", HF_LITERAL("PUT / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc"), RIG_ECHO },
    { "early", HF_LITERAL("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhelloPOST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                          "3\r\nabc\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), RIG_EARLY },
    { "early and broken", HF_LITERAL("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcX"), RIG_EARLY },
    { "upgrade", HF_LITERAL("GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: ws\r\n\r\nraw\r\n\r\n\0"), RIG_UPGRADE },
    { "silent", HF_LITERAL("GET / HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), RIG_SILENT },
    { "again", HF_LITERAL("GET / HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST "X: y\r\n\r\n"
                          "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\naPOST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nb"), RIG_ECHO },
    { "stream", HF_LITERAL("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), RIG_STREAM },
    { "cut", HF_LITERAL("POST / HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\nhel"), RIG_ECHO },
    { "cut head", HF_LITERAL("GET / HTTP/1.1\r\nHost: a"), RIG_ECHO },
    { "cut CR", HF_LITERAL("\r"), RIG_ECHO },
#define MALFORMED(code, rule, bytes) { #rule, HF_LITERAL(bytes), RIG_ECHO },
#include "http1/malformed.def"
#undef MALFORMED
};

static const input client_inputs[] = {
    { "four", HF_LITERAL("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 \r\nContent-Length: 9\r\n\r\n"
                         "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: u\r\n\r\n"
                         "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw"), 4 },
    { "until close", HF_LITERAL("HTTP/1.0 200 OK\r\n\r\nall there is\r\n\r\n"), 1 },
    { "unasked", HF_LITERAL("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\r\nHTTP/1.1 200 OK\r\n"), 1 },
    { "close", HF_LITERAL("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n"), 2 },
    { "not modified", HF_LITERAL("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"), 2 },
    { "no status", HF_LITERAL("HTTP/1.1 200\r\nA: b\r\n\r\n"), 1 },
    { "bad status", HF_LITERAL("HTTP/1.1 20 OK and then some\r\n\r\n"), 1 },
    { "HTTP/2", HF_LITERAL("HTTP/2.0 200 OK\r\n\r\n"), 1 },
    { "short", HF_LITERAL("HTTP/2.0 2\r\nxxxxxxxxxxxxxx\r\n"), 1 },
    { "both", HF_LITERAL("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 1 },
    { "cut", HF_LITERAL("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), 1 },
    { "fold", HF_LITERAL("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"), 1 },
    { "chunk", HF_LITERAL("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd"), 1 },
};

static const core cores[] = {
    { "http1 server", open_server, server_inputs, HF_COUNT(server_inputs), http1_most_held },
    { "http1 client", open_client, client_inputs, HF_COUNT(client_inputs), http1_most_held },
};

/* ---- running ------------------------------------------------------------------------------------------------ */

typedef struct outcome {
    char *log;
    uint8_t *out;
    size_t log_length, out_length;
    uint64_t tokens;
    hf_step last;
    int32_t fault;
    size_t left; /* of the input, not consumed */
} outcome;

static void free_outcome(outcome *o)
{
    free(o->log);
    free(o->out);
}

/* After an idle step and an empty emit, wake lies in the future. */
static void check_wake(rig *r)
{
    if (r->last == HF_IDLE && rig_emit_once(r, 4096, 16, UINT64_MAX) == 0)
        assert_true(hf_time_before(r->now, hf_http1_wake(r->h)));
}

/* CLOSED and FAULT are sticky, and eat nothing. */
static void check_sticky(rig *r)
{
    const hf_step last = r->last;
    if (last != HF_CLOSED && last != HF_FAULT)
        return;
    for (int i = 0; i < 3; i++) {
        r->now = hf_time_after(r->now, HF_SECONDS(100));
        assert_int_equal(rig_feed(r, (const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18, i == 2), last);
        assert_int_equal(r->in.used, 0);
    }
}

static outcome collect(rig *r)
{
    rig_emit(r);
    outcome o = { .log_length = r->log_length, .out_length = r->out_length, .tokens = r->tokens, .last = r->last,
                  .fault = hf_http1_fault(r->h)->err.code, .left = r->pending_length };
    o.log = malloc(r->log_length + 1);
    o.out = malloc(r->out_length + 1);
    memcpy(o.log, r->log, r->log_length + 1);
    memcpy(o.out, r->out, r->out_length);
    check_sticky(r);
    return o;
}

typedef size_t slicer(void *ctx, size_t at, size_t length);

static outcome run(const core *c, const input *in, slicer *cut, void *ctx)
{
    hf_test_world w;
    rig r;
    hf_test_world_init(&w, 1);
    assert_true(c->open(&r, &w.env, in->script));
    rig_feed_cut(&r, in->bytes, false, cut, ctx);
    rig_emit(&r);
    rig_feed(&r, r.pending, r.pending_length, false);
    check_wake(&r);
    rig_feed(&r, r.pending, r.pending_length, true);
    const outcome o = collect(&r);
    assert_true(w.memory.most <= c->most_held(&w.limits));
    rig_close(&r);
    hf_test_world_fini(&w);
    return o;
}

static void same(const core *c, const input *in, const outcome *a, outcome *b, const char *how, size_t which)
{
    const bool equal = a->log_length == b->log_length && memcmp(a->log, b->log, a->log_length) == 0 && a->out_length == b->out_length &&
                       memcmp(a->out, b->out, a->out_length) == 0 && a->tokens == b->tokens && a->last == b->last &&
                       a->fault == b->fault;
    if (!equal)
        fail_msg("%s, %s, %s %zu:\n%s--- %d %s\n%s--- %d %s", c->name, in->name, how, which, a->log, a->last,
                 hf_err_text(hf_err_make(a->fault)), b->log, b->last, hf_err_text(hf_err_make(b->fault)));
    free_outcome(b);
}

static size_t cut_once(void *ctx, size_t at, size_t length)
{
    const size_t where = *(size_t *)ctx;
    return at < where ? where : length;
}

static size_t cut_by_one(void *ctx, size_t at, size_t length)
{
    (void)ctx, (void)length;
    return at + 1;
}

static size_t cut_at_random(void *ctx, size_t at, size_t length)
{
    const uint64_t most = hf_random_chance(ctx, 500000) ? 4 : 64;
    const size_t next = at + 1 + (size_t)hf_random_below(ctx, most);
    return next < length ? next : length;
}

/* ---- the laws ----------------------------------------------------------------------------------------------- */

static void any_slicing_gives_the_same_events_and_output(void **state)
{
    (void)state;
    hf_random random;
    hf_random_seed(&random, 42);
    for (const core *c = cores; c < cores + HF_COUNT(cores); c++)
        for (const input *in = c->inputs; in < c->inputs + c->count; in++) {
            outcome whole = run(c, in, NULL, NULL), one = run(c, in, cut_by_one, NULL);
            same(c, in, &whole, &one, "byte by byte", 0);
            for (size_t at = 1; at < in->bytes.len; at++) {
                outcome two = run(c, in, cut_once, &at);
                same(c, in, &whole, &two, "cut at", at);
            }
            /* the malformed ones are many and short: every cut and few slicings do */
            const size_t slicings = in - c->inputs < 16 ? 500 : 10;
            for (size_t i = 0; i < slicings; i++) {
                outcome many = run(c, in, cut_at_random, &random);
                same(c, in, &whole, &many, "slicing", i);
            }
            free_outcome(&whole);
        }
}

static uint64_t trace_of(const core *c, const input *in, size_t cut)
{
    hf_test_world w;
    rig r;
    hf_trace_hash hash;
    hf_test_world_init(&w, 1);
    hf_trace_hash_init(&hash);
    w.env.trace = &hash.sink;
    assert_true(c->open(&r, &w.env, in->script));
    rig_feed_cut(&r, in->bytes, true, cut_once, &cut);
    rig_emit(&r);
    assert_true(hash.records > 0 || in->bytes.len < 2);
    rig_close(&r);
    hf_test_world_fini(&w);
    return hash.value;
}

static void the_same_input_gives_the_same_trace(void **state)
{
    (void)state;
    for (const core *c = cores; c < cores + HF_COUNT(cores); c++)
        for (const input *in = c->inputs; in < c->inputs + c->count; in++)
            assert_int_equal(trace_of(c, in, in->bytes.len / 2), trace_of(c, in, in->bytes.len / 2));
}

static size_t run_failing(const core *c, const input *in, size_t fail_at, bool fail_on)
{
    hf_test_world w;
    rig r;
    hf_test_world_init(&w, 1);
    w.memory.fail_at = fail_at;
    w.memory.fail_on = fail_on;
    if (c->open(&r, &w.env, in->script)) {
        rig_feed_cut(&r, in->bytes, true, NULL, NULL);
        rig_emit(&r);
        check_sticky(&r);
        rig_close(&r);
    }
    hf_test_world_fini(&w);
    return w.memory.calls;
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    for (const core *c = cores; c < cores + HF_COUNT(cores); c++)
        for (const input *in = c->inputs; in < c->inputs + c->count; in++) {
            const size_t calls = run_failing(c, in, 0, false);
            assert_true(calls > 0 && calls < 1000);
            for (size_t i = 1; i <= calls; i++) {
                run_failing(c, in, i, false);
                run_failing(c, in, i, true);
            }
        }
}

static void wake_lies_ahead_whenever_the_core_is_idle(void **state)
{
    (void)state;
    for (const core *c = cores; c < cores + HF_COUNT(cores); c++)
        for (const input *in = c->inputs; in < c->inputs + c->count; in++) {
            hf_test_world w;
            rig r;
            hf_test_world_init(&w, 1);
            assert_true(c->open(&r, &w.env, in->script));
            size_t done = 0;
            for (size_t shown = 1; shown <= in->bytes.len; shown++) {
                rig_feed(&r, in->bytes.ptr + done, shown - done, false);
                done = shown - r.pending_length;
                rig_emit(&r);
                rig_run(&r);
                check_wake(&r);
                r.now = hf_time_after(r.now, HF_MILLISECONDS(1 + shown % 300));
            }
            /* then nothing comes: time alone must end it, or leave it waiting for the application */
            for (int i = 0; i < 100 && r.last == HF_IDLE; i++) {
                check_wake(&r);
                const hf_time wake = hf_http1_wake(r.h);
                if (wake.ns == HF_NEVER_NS)
                    break;
                r.now = wake;
                rig_run(&r);
                rig_emit(&r);
                assert_true(i < 90);
            }
            rig_close(&r);
            hf_test_world_fini(&w);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_slicing_gives_the_same_events_and_output),
        cmocka_unit_test(the_same_input_gives_the_same_trace),
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(wake_lies_ahead_whenever_the_core_is_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
