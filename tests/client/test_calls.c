/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/client.h on the kernel: what is refused, what is bounded, streams, and turns made from a loop of one's own. The simulated
 * network has the rest: tests/lab/test_sim_fetch.c.
 */
#include <handfast/client.h>
#include <handfast/server.h>
#include <handfast/version.h>

#include "harness.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a server ----------------------------------------------------------------------------------------------- */

static hf_err size(hf_req *rq)
{
    return hf_reply_text(rq, 200, "%zu", hf_req_body(rq).len);
}

static hf_err echo_fields(hf_req *rq)
{
    const hf_field *const agent = hf_fields_find_name(hf_req_head(rq)->fields, hf_text("user-agent")), *const own = hf_fields_find_name(hf_req_head(rq)->fields, hf_text("x-own"));
    return hf_reply_text(rq, 200, "%.*s %.*s %.*s", HF_STR(hf_req_head(rq)->authority), agent != NULL ? (int)agent->value.len : 0, agent != NULL ? (const char *)agent->value.ptr : "",
                         own != NULL ? (int)own->value.len : 0, own != NULL ? (const char *)own->value.ptr : "");
}

static hf_err big(hf_req *rq)
{
    static uint8_t bytes[300000];
    return hf_reply(rq, 200, "application/octet-stream", hf_bytes_make(bytes, sizeof bytes));
}

static hf_err more_of_unknown(hf_req *rq)
{
    static uint8_t bytes[10000];
    const hf_err err = hf_reply_write(rq, hf_bytes_make(bytes, sizeof bytes));
    return err.code == 0 && ++*hf_req_word(rq) == 30 ? hf_reply_end(rq) : err;
}

static hf_err unknown(hf_req *rq)
{
    return hf_reply_begin(rq, 200, "application/octet-stream", HF_LENGTH_UNKNOWN, more_of_unknown);
}

static hf_err loop(hf_req *rq)
{
    return hf_reply_redirect(rq, 302, hf_text("/loop"));
}

static hf_err elsewhere(hf_req *rq)
{
    return hf_reply_redirect(rq, 302, hf_text("ftp://x/"));
}

static const hf_route routes[] = {
    { "POST", "/size", .handle = size, .max_body = 8 << 20 }, { "PUT", "/size", .handle = size, .max_body = 8 << 20 }, { "GET", "/fields", .handle = echo_fields },
    { "GET", "/big", .handle = big },   { "GET", "/unknown", .handle = unknown },
    { "GET", "/loop", .handle = loop }, { "GET", "/elsewhere", .handle = elsewhere },
};

static hf_server *server;
static char urls[4][64];

static const char *url_of(const char *path)
{
    static unsigned at;
    char *const url = urls[at++ % HF_COUNT(urls)];
    snprintf(url, sizeof urls[0], "http://127.0.0.1:%u%s", hf_server_port(server, 0), path);
    return url;
}

static int open_server(void **state)
{
    (void)state;
    if (hf_server_open(&server, &(hf_server_options){ .listen = { "http://127.0.0.1:0" }, .routes = routes, .route_count = HF_COUNT(routes), .threads = 1, .io = HF_SERVER_IO_EPOLL }).code == 0 &&
        hf_server_start(server).code == 0)
        return 0;
    fprintf(stderr, "%s\n", hf_server_why(server));
    return 1;
}

static int close_server(void **state)
{
    (void)state;
    hf_server_close(server);
    return 0;
}

static hf_client *open_client(const hf_client_options *options)
{
    hf_client *c = NULL;
    const hf_err err = hf_client_open(&c, options);
    if (err.code != 0)
        fail_msg("%s", hf_client_why(c));
    return c;
}

/* ---- misuse ------------------------------------------------------------------------------------------------- */

static hf_step nothing(void *context, uint8_t *to, size_t room, size_t *n)
{
    (void)context, (void)to, (void)room, (void)n;
    return HF_CLOSED;
}

static hf_err swallow(void *context, hf_client_call *call, hf_bytes piece)
{
    (void)call;
    *(uint64_t *)context += piece.len;
    return HF_OK;
}

static void what_cannot_be_asked_is_refused_with_its_reason(void **state)
{
    (void)state;
    static const hf_field framing = { HF_LITERAL("Content-Length"), HF_LITERAL("5"), 0 }, split = { HF_LITERAL("X"), HF_LITERAL("a\r\nb"), 0 }, spaced = { HF_LITERAL("X y"), HF_LITERAL("a"), 0 },
                          typed = { HF_LITERAL("content-Type"), HF_LITERAL("a/b"), 0 };
    const struct {
        hf_client_request request;
        int32_t code;
        const char *says;
    } rows[] = {
        { { .url = NULL }, HF_ERR_BASE_USAGE, "no url" },
        { { .url = "ftp://x/" }, HF_ERR_CLIENT_URL, "does not begin with http" },
        { { .url = "ws://x/" }, HF_ERR_CLIENT_URL, "does not begin with http" },
        { { .url = "http://user:pw@x/" }, HF_ERR_CLIENT_URL, "passwords do not belong" },
        { { .url = "http://x/", .method = "GE T" }, HF_ERR_BASE_USAGE, "GE T" },
        { { .url = "http://x/", .method = "CONNECT" }, HF_ERR_BASE_USAGE, "CONNECT" },
        { { .url = "http://x/", .fields = &framing, .field_count = 1 }, HF_ERR_BASE_USAGE, "connection's own" },
        { { .url = "http://x/", .fields = &split, .field_count = 1 }, HF_ERR_BASE_USAGE, "fields[0]" },
        { { .url = "http://x/", .fields = &spaced, .field_count = 1 }, HF_ERR_BASE_USAGE, "X y" },
        { { .url = "http://x/", .fields = &split, .field_count = 65 }, HF_ERR_BASE_USAGE, "at most 64" },
        { { .url = "http://x/", .content_type = "a\nb" }, HF_ERR_BASE_USAGE, "content_type" },
        { { .url = "http://x/", .fields = &typed, .field_count = 1, .content_type = "a/b" }, HF_ERR_BASE_USAGE, "both say" },
        { { .url = "http://x/", .body = HF_LITERAL("a"), .source = nothing }, HF_ERR_BASE_USAGE, "`body` or from `source`" },
        { { .url = "http://x/", .length = 5 }, HF_ERR_BASE_USAGE, "there is none" },
        { { .url = "http://x/", .source = nothing, .length = -1 }, HF_ERR_BASE_USAGE, "0 or more" },
        { { .url = "http://x/", .source = nothing, .version = HF_HTTP_1_0 }, HF_ERR_BASE_USAGE, "HTTP/1.0" },
        { { .url = "http://x/", .version = (hf_version)4 }, HF_ERR_BASE_USAGE, "no HTTP 4" },
        { { .url = "http://x/", .piece = swallow, .body_most = 5 }, HF_ERR_BASE_USAGE, "body_most" },
    };
    hf_client *const c = open_client(NULL);
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_client_call *call = (hf_client_call *)c;
        assert_int_equal(hf_client_begin(c, &rows[i].request, &call).code, rows[i].code);
        assert_null(call);
        if (strstr(hf_client_why(c), rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, hf_client_why(c));
        const hf_client_answer *const a = hf_client_ask(c, &rows[i].request);
        assert_int_equal(a->err.code, rows[i].code);
        assert_non_null(strstr(a->words, rows[i].says));
        assert_int_equal(a->layer, HF_CLIENT_REQUEST);
    }
    hf_client_counts counts;
    hf_client_count(c, &counts);
    assert_int_equal(counts.connections, 0);
    hf_client_close(c);
}

static void options_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const hf_client_alias nowhere = { .host = "a" };
    const hf_client_options rows[] = { { .connect_ns = -1 }, { .idle_ns = -1 }, { .connections = 257 }, { .connections_per_origin = 1000 }, { .aliases = &nowhere, .alias_count = 1 } };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        hf_client *c = NULL;
        hf_client_call *call = NULL;
        assert_int_equal(hf_client_open(&c, &rows[i]).code, HF_ERR_BASE_USAGE);
        assert_true(strlen(hf_client_why(c)) > 10);
        assert_int_equal(hf_client_begin(c, &(hf_client_request){ .url = "http://x/" }, &call).code, HF_ERR_BASE_USAGE); /* who goes on all the same */
        assert_int_equal(hf_client_ask(c, &(hf_client_request){ .url = "http://x/" })->err.code, HF_ERR_BASE_USAGE);
        assert_false(hf_client_turn(c));
        assert_int_equal(hf_client_fd(c), -1);
        hf_client_close(c);
    }
    hf_client_close(NULL);
    hf_client_drop(NULL);
}

/* ---- answers ------------------------------------------------------------------------------------------------ */

static void assert_is(const hf_client_answer *a, const char *body)
{
    if (a->err.code != 0)
        fail_msg("%s: %s", hf_err_text(a->err), a->words);
    assert_int_equal(a->status, 200);
    if (!hf_bytes_equal(a->body, hf_text(body)))
        fail_msg("got %.*s", HF_STR(a->body));
}

static void one_call_is_enough(void **state)
{
    (void)state;
    static const hf_field own = { HF_LITERAL("X-Own"), HF_LITERAL("mine"), 0 }, host = { HF_LITERAL("Host"), HF_LITERAL("other"), 0 };
    char wanted[100];
    hf_client *const c = open_client(NULL);
    const char *const url = url_of("/fields");
    snprintf(wanted, sizeof wanted, "%.*s handfast/" HF_VERSION " mine", (int)(strlen(url) - strlen("http:///fields")), url + 7);
    assert_is(hf_client_ask(c, &(hf_client_request){ .url = url, .fields = &own, .field_count = 1 }), wanted);
    assert_is(hf_client_ask(c, &(hf_client_request){ .url = url, .fields = &host, .field_count = 1 }), "other handfast/" HF_VERSION " ");
    assert_is(hf_client_ask(c, &(hf_client_request){ .url = url_of("/size"), .body = hf_text("12345") }), "5");
    assert_is(hf_client_ask(c, &(hf_client_request){ .url = url_of("/size"), .method = "PUT" }), "0");
    const hf_client_answer *a = hf_client_ask(c, &(hf_client_request){ .url = url_of("/none") });
    assert_int_equal(a->err.code, 0);
    assert_int_equal(a->status, 404);
    assert_true(a->reused && a->layer == HF_CLIENT_HTTP && a->took_ns >= a->first_ns && a->first_ns > 0);
    assert_non_null(hf_fields_find_name(a->fields, hf_text("content-type")));
    a = hf_client_ask(c, &(hf_client_request){ .url = "http://no-such.invalid/" });
    assert_int_equal(a->layer, HF_CLIENT_NAME);
    assert_non_null(strstr(a->words, "RFC 6761"));
    a = hf_client_ask(c, &(hf_client_request){ .url = url_of("/loop"), .redirects = 4 });
    assert_int_equal(a->err.code, HF_ERR_CLIENT_REDIRECTS);
    assert_int_equal(a->redirects, 4);
    a = hf_client_ask(c, &(hf_client_request){ .url = url_of("/loop") });
    assert_true(a->err.code == 0 && a->status == 302);
    a = hf_client_ask(c, &(hf_client_request){ .url = url_of("/elsewhere"), .redirects = 4 });
    assert_int_equal(a->err.code, HF_ERR_CLIENT_URL);
    assert_non_null(strstr(a->words, "it redirects to ftp://x/"));
    hf_client_counts counts;
    hf_client_count(c, &counts);
    assert_int_equal(counts.connections, 2); /* the second for the name that is none */
    hf_client_close(c);
}

static hf_err refuse(void *context, hf_client_call *call, hf_bytes piece)
{
    (void)call, (void)piece;
    ++*(uint64_t *)context;
    return hf_err_make(HF_ERR_CLIENT_TOO_LARGE);
}

static hf_err leave(void *context, hf_client_call *call, hf_bytes piece)
{
    (void)piece;
    ++*(uint64_t *)context;
    hf_client_drop(call);
    return HF_OK;
}

static void bodies_are_bounded_or_come_in_pieces(void **state)
{
    (void)state;
    hf_client *const c = open_client(NULL);
    static const char *const paths[] = { "/big", "/unknown" };
    static const hf_version versions[] = { HF_HTTP_1_1, HF_HTTP_2 };
    for (size_t i = 0; i < 4; i++) {
        uint64_t bytes = 0;
        hf_client_request q = { .url = url_of(paths[i % 2]), .version = versions[i / 2] };
        const hf_client_answer *a = hf_client_ask(c, &q);
        assert_true(a->err.code == 0 && a->body.len == 300000 && a->received == 300000 && a->version == versions[i / 2]);
        q.body_most = 299999;
        a = hf_client_ask(c, &q);
        assert_int_equal(a->err.code, HF_ERR_CLIENT_TOO_LARGE);
        assert_true(a->status == 200 && a->body.len <= 299999);
        q.body_most = 0;
        q.piece = swallow;
        q.context = &bytes;
        a = hf_client_ask(c, &q);
        assert_true(a->err.code == 0 && bytes == 300000 && a->received == 300000 && a->body.len == 0);
        q.piece = refuse;
        bytes = 0;
        assert_int_equal(hf_client_ask(c, &q)->err.code, HF_ERR_CLIENT_TOO_LARGE);
        assert_int_equal(bytes, 1);
        hf_client_call *call;
        q.piece = leave;
        bytes = 0;
        assert_int_equal(hf_client_begin(c, &q, &call).code, 0);
        hf_client_run(c); /* the call is gone before its end */
        assert_int_equal(bytes, 1);
    }
    hf_client_close(c);
}

typedef struct supply {
    size_t left;
    bool breaks, pauses, overfull;
} supply;

static hf_step give(void *context, uint8_t *to, size_t room, size_t *n)
{
    supply *const s = context;
    if (s->left < 500000 && s->breaks)
        return HF_FAULT;
    if (s->overfull)
        *n = room + 1; /* it says that it wrote more than there was room for */
    if (s->overfull)
        return HF_EVENT;
    s->pauses = !s->pauses;
    if (s->left == 0)
        return HF_CLOSED;
    if (s->pauses && s->left % 3 == 0)
        return HF_IDLE;
    *n = s->left < room ? s->left : room;
    memset(to, 'x', *n);
    s->left -= *n;
    return HF_EVENT;
}

static void bodies_of_any_size_leave_as_they_come(void **state)
{
    (void)state;
    hf_client *const c = open_client(NULL);
    static const hf_version versions[] = { HF_HTTP_1_1, HF_HTTP_2 };
    for (size_t i = 0; i < 4; i++) {
        supply s = { .left = 3000000 };
        hf_client_request q = { .url = url_of("/size"), .source = give, .context = &s, .length = i % 2 ? 3000000 : 0, .version = versions[i / 2] };
        const hf_client_answer *a = hf_client_ask(c, &q);
        assert_is(a, "3000000");
        assert_int_equal(a->sent, 3000000);
        s = (supply){ .left = 1000000, .breaks = true };
        assert_int_equal(hf_client_ask(c, &q)->err.code, HF_ERR_CLIENT_BODY);
        s = (supply){ .left = 1000000, .overfull = true };
        assert_int_equal(hf_client_ask(c, &q)->err.code, HF_ERR_CLIENT_BODY);
        if (q.length != 0) { /* fewer than were promised, and more */
            s = (supply){ .left = 2999999 };
            assert_int_equal(hf_client_ask(c, &q)->err.code, HF_ERR_CLIENT_BODY);
            s = (supply){ .left = 3000001 };
            assert_int_equal(hf_client_ask(c, &q)->err.code, HF_ERR_CLIENT_BODY);
        }
        s = (supply){ .left = 10 };
        q.length = 0;
        assert_is(hf_client_ask(c, &q), "10");
    }
    hf_client_close(c);
}

/* ---- loops -------------------------------------------------------------------------------------------------- */

typedef struct tally {
    hf_client *client;
    unsigned begun, well;
} tally;

static void begin(tally *t);

static void count(void *context, hf_client_call *call, const hf_client_answer *a)
{
    tally *const t = context;
    t->well += a->err.code == 0 && a->body.len == 300000;
    assert_null(hf_client_finish(call) == NULL ? call : NULL); /* it is over, and says so */
    assert_int_equal(hf_client_ask(t->client, &(hf_client_request){ .url = "http://x/" })->err.code, HF_ERR_BASE_USAGE); /* nothing waits in here */
    if (t->begun < 30)
        begin(t);
    hf_client_drop(call);
}

static void begin(tally *t)
{
    hf_client_call *call;
    t->begun++;
    assert_int_equal(hf_client_begin(t->client, &(hf_client_request){ .url = url_of("/big"), .done = count, .context = t, .version = t->begun % 2 ? HF_HTTP_2 : 0 }, &call).code, 0);
    assert_null(hf_client_answer_of(call));
}

static void turns_are_made_from_a_loop_of_ones_own(void **state)
{
    (void)state;
    hf_client *const c = open_client(&(hf_client_options){ .own_loop = true });
    tally t = { .client = c };
    struct pollfd p = { .fd = hf_client_fd(c), .events = POLLIN };
    unsigned waits = 0;
    assert_true(p.fd >= 0);
    assert_int_equal(hf_client_ask(c, &(hf_client_request){ .url = url_of("/big") })->err.code, HF_ERR_BASE_USAGE);
    assert_non_null(strstr(hf_client_why(c), "own_loop"));
    for (unsigned i = 0; i < 5; i++)
        begin(&t);
    assert_int_equal(hf_client_wait_ns(c), 0); /* they were asked for, and not yet begun */
    hf_client_run(c);
    assert_int_equal(t.well, 0); /* it does nothing here */
    do {
        const int64_t ns = hf_client_wait_ns(c);
        assert_int_equal(hf_client_fd(c), p.fd);
        waits += poll(&p, 1, ns < 0 ? -1 : (int)((ns + 999999) / 1000000)) >= 0;
    } while (hf_client_turn(c));
    assert_int_equal(t.begun, 30);
    assert_int_equal(t.well, 30);
    assert_true(waits < 30 * 300); /* it was waited for, not spun */
    hf_client_close(c);
}

static void calls_may_be_given_up_and_clients_closed_at_any_time(void **state)
{
    (void)state;
    hf_client *c = open_client(NULL);
    tally t = { .client = c, .begun = 1000 };
    hf_client_call *call[3];
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(hf_client_begin(c, &(hf_client_request){ .url = url_of("/big"), .done = count, .context = &t }, &call[i]).code, 0);
    hf_client_drop(call[1]);
    hf_client_run(c);
    assert_int_equal(t.well, 2);
    for (unsigned turns = 0; turns < 6; turns++) {
        assert_int_equal(hf_client_begin(c, &(hf_client_request){ .url = url_of("/big"), .done = count, .context = &t }, &call[0]).code, 0);
        for (unsigned i = 0; i < turns; i++)
            (void)hf_client_turn(c);
        hf_client_close(c);
        c = open_client(NULL);
        t.client = c;
    }
    hf_client_close(c);
}

static void a_proxys_password_is_not_told(void **state)
{
    (void)state;
    static const char *const proxies[] = { "http://me:sesame@[bad", "ftp://me:sesame@[bad", "socks5://me:ses@sesame@[bad" };
    for (size_t i = 0; i < HF_COUNT(proxies); i++) {
        hf_client *const c = open_client(&(hf_client_options){ .proxy_http = proxies[i] });
        const hf_client_answer *const a = hf_client_ask(c, &(hf_client_request){ .url = "http://x/" });
        assert_int_equal(a->err.code, HF_ERR_CLIENT_URL);
        if (strstr(a->words, "sesame") != NULL || strstr(a->words, "me:") != NULL || strstr(a->words, "[bad: this is no URL of a proxy") == NULL)
            fail_msg("%s", a->words);
        hf_client_close(c);
    }
}

/* ---- dropped from within ------------------------------------------------------------------------------------ */

typedef struct dropper {
    hf_client_call *victim; /* NULL: the call itself */
    unsigned told;
} dropper;

static void drop_it(void *context, hf_client_call *call, const hf_client_answer *a)
{
    dropper *const d = context;
    (void)a;
    d->told++;
    hf_client_drop(d->victim != NULL ? d->victim : call);
}

static hf_step drop_from_source(void *context, uint8_t *to, size_t room, size_t *n)
{
    dropper *const d = context;
    (void)to, (void)room;
    if (d->victim != NULL)
        hf_client_drop(d->victim);
    d->victim = NULL;
    *n = 1;
    return HF_EVENT;
}

static void who_waits_for_a_call_learns_that_it_was_dropped(void **state)
{
    (void)state;
    hf_client *const c = open_client(NULL);
    hf_client_call *call, *other;
    for (unsigned i = 0; i < 2; i++) {
        dropper d = { .told = 0 }, quiet = { .told = 0 };
        const hf_client_request big = { .url = url_of("/big"), .version = i == 0 ? HF_HTTP_1_1 : HF_HTTP_2, .done = drop_it, .context = &d };
        assert_int_equal(hf_client_begin(c, &big, &call).code, 0);
        assert_null(hf_client_finish(call));
        assert_int_equal(d.told, 1);
        /* by another's end, in the middle: nothing more is told of it */
        hf_client_request endless = { .url = url_of("/loop"), .redirects = UINT32_MAX, .done = drop_it, .context = &quiet };
        assert_int_equal(hf_client_begin(c, &endless, &call).code, 0);
        assert_int_equal(hf_client_begin(c, &big, &other).code, 0);
        d = (dropper){ .victim = call };
        assert_null(hf_client_finish(call));
        assert_int_equal(d.told, 1);
        assert_int_equal(quiet.told, 0);
        hf_client_drop(other);
        uint64_t pieces = 0;
        const hf_client_answer *const a = hf_client_ask(c, &(hf_client_request){ .url = url_of("/big"), .piece = leave, .context = &pieces });
        assert_int_equal(a->err.code, HF_ERR_BASE_USAGE);
        assert_non_null(strstr(a->words, "dropped"));
        assert_int_equal(pieces, 1);
        assert_is(hf_client_ask(c, &(hf_client_request){ .url = url_of("/size"), .body = hf_text("12345") }), "5");
    }
    hf_client_close(c);
}

static void a_source_that_drops_its_call_is_the_last_that_is_heard_of_it(void **state)
{
    (void)state;
    hf_client *const c = open_client(NULL);
    static const hf_version versions[] = { HF_HTTP_1_1, HF_HTTP_2 };
    for (size_t i = 0; i < 4; i++) {
        dropper d = { .told = 0 };
        hf_client_call *call;
        const hf_client_request q = { .url = url_of("/size"), .source = drop_from_source, .done = drop_it, .context = &d, .version = versions[i / 2] };
        assert_int_equal(hf_client_begin(c, &q, &call).code, 0);
        d.victim = call;
        if (i % 2)
            assert_null(hf_client_finish(call));
        else
            hf_client_run(c);
        assert_int_equal(d.told, 0);
        assert_null(d.victim);
        assert_is(hf_client_ask(c, &(hf_client_request){ .url = url_of("/size"), .body = hf_text("12345") }), "5");
    }
    hf_client_close(c);
}

static void what_waited_behind_a_dropped_call_is_due_at_once(void **state)
{
    (void)state;
    hf_client *const c = open_client(&(hf_client_options){ .own_loop = true, .connections_per_origin = 1 });
    struct pollfd p = { .fd = hf_client_fd(c), .events = POLLIN };
    hf_client_call *first, *second;
    hf_client_counts n = { 0 };
    const hf_client_request q = { .url = url_of("/big"), .version = HF_HTTP_1_1 };
    assert_int_equal(hf_client_begin(c, &q, &first).code, 0);
    assert_int_equal(hf_client_begin(c, &q, &second).code, 0);
    for (; n.requests == 0; hf_client_count(c, &n)) {
        const int64_t ns = hf_client_wait_ns(c);
        (void)poll(&p, 1, ns < 0 ? -1 : (int)((ns + 999999) / 1000000));
        (void)hf_client_turn(c);
    }
    assert_null(hf_client_answer_of(first));
    hf_client_drop(first);
    assert_int_equal(hf_client_wait_ns(c), 0);
    hf_client_close(c);
}

/* ---- a server that goes away in the middle ------------------------------------------------------------------ */

/* HTTP/2, over two connections, one behind the other. The first is ended when a piece of a body has come there. */
typedef struct leaver {
    int listener;
    pthread_t thread;
    size_t received[2]; /* bytes of bodies */
    bool in_order;      /* that end is the connection's; else a frame that cannot be */
} leaver;

static bool read_whole(int s, uint8_t *to, size_t n)
{
    for (size_t at = 0; at < n;) {
        const ssize_t got = recv(s, to + at, n - at, 0);
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

static void send_frame(int s, uint8_t kind, uint8_t flags, uint8_t stream, hf_bytes payload)
{
    uint8_t frame[16] = { 0, 0, (uint8_t)payload.len, kind, flags, 0, 0, 0, stream };
    memcpy(frame + 9, payload.ptr, payload.len);
    (void)!send(s, frame, 9 + payload.len, MSG_NOSIGNAL);
}

static void serve_one(leaver *v, unsigned which, int s)
{
    static const uint8_t ok[] = { 0x88 };
    uint8_t head[24], payload[16384];
    if (!read_whole(s, head, 24))
        return;
    send_frame(s, 4, 0, 0, hf_bytes_make(ok, 0)); /* SETTINGS */
    while (read_whole(s, head, 9)) {
        const size_t n = (size_t)(head[0] << 16 | head[1] << 8 | head[2]);
        if (n > sizeof payload || !read_whole(s, payload, n))
            return;
        v->received[which] += head[3] == 0 ? n : 0;
        if (head[3] == 4 && head[4] == 0)
            send_frame(s, 4, 1, 0, hf_bytes_make(ok, 0));
        if (head[3] <= 1 && (head[4] & 1)) /* END_STREAM */
            send_frame(s, 1, 5, head[8], hf_bytes_make(ok, 1));
        else if (which == 0 && head[3] == 0 && v->in_order)
            (void)shutdown(s, SHUT_WR);
        else if (which == 0 && head[3] == 0)
            send_frame(s, 0, 0, 0, hf_bytes_make(ok, 1)); /* RFC 9113 6.1: DATA of no stream */
    }
}

static void *leave_them(void *self)
{
    leaver *const v = self;
    for (unsigned i = 0; i < 2; i++) {
        const int s = accept(v->listener, NULL, NULL);
        if (s < 0)
            break;
        serve_one(v, i, s);
        (void)close(s);
    }
    return NULL;
}

static const char *open_leaver(leaver *v, bool in_order)
{
    static char url[64];
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    *v = (leaver){ .listener = socket(AF_INET, SOCK_STREAM, 0), .in_order = in_order };
    assert_int_equal(bind(v->listener, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(v->listener, 4), 0);
    assert_int_equal(getsockname(v->listener, (struct sockaddr *)&a, &n), 0);
    assert_int_equal(pthread_create(&v->thread, NULL, leave_them, v), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", ntohs(a.sin_port));
    return url;
}

static void close_leaver(leaver *v)
{
    (void)shutdown(v->listener, SHUT_RDWR);
    (void)pthread_join(v->thread, NULL);
    (void)close(v->listener);
}

/* Five pieces of 8 bytes; the first time, nothing comes behind the first. */
typedef struct halting {
    unsigned pieces, rewound, told, read_late;
    bool drops, breaks;
} halting;

static hf_step give_halting(void *context, uint8_t *to, size_t room, size_t *n)
{
    halting *const h = context;
    assert_true(room >= 8);
    h->read_late += h->told;
    if (h->told > 0 && h->breaks)
        return HF_FAULT;
    if (h->pieces == 5)
        return HF_CLOSED;
    if (h->pieces == 1 && h->rewound == 0)
        return HF_IDLE;
    h->pieces++;
    memset(to, 'x', *n = 8);
    return HF_EVENT;
}

static bool rewind_halting(void *context)
{
    halting *const h = context;
    h->rewound++;
    h->pieces = 0;
    return true;
}

static void hear_halting(void *context, hf_client_call *call, const hf_client_answer *a)
{
    halting *const h = context;
    h->told += a->err.code != 0;
    if (h->drops)
        hf_client_drop(call);
}

static void a_body_is_not_read_for_a_connection_that_is_gone(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        leaver v;
        halting h = { .drops = i & 1, .breaks = i & 2 };
        hf_client *const c = open_client(NULL);
        hf_client_call *call;
        const hf_client_request q = { .url = open_leaver(&v, i & 4), .source = give_halting, .done = hear_halting, .context = &h, .version = HF_HTTP_2 };
        assert_int_equal(hf_client_begin(c, &q, &call).code, 0);
        hf_client_run(c);
        assert_int_equal(h.told, 1);
        assert_int_equal(h.read_late, 0);
        hf_client_close(c);
        close_leaver(&v);
    }
}

static void a_body_that_is_sent_again_arrives_whole(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        leaver v;
        halting h = { .told = 0 };
        hf_client *const c = open_client(NULL);
        hf_client_request q = { .url = open_leaver(&v, i == 1), .version = HF_HTTP_2 };
        assert_int_equal(hf_client_ask(c, &q)->err.code, 0);
        q.method = "PUT";
        q.source = give_halting;
        q.rewind = rewind_halting;
        q.context = &h;
        const hf_client_answer *const a = hf_client_ask(c, &q);
        if (a->err.code != 0)
            fail_msg("%s", a->words);
        assert_int_equal(a->status, 200);
        assert_int_equal(a->sent, 40);
        assert_int_equal(h.rewound, 1);
        hf_client_close(c);
        close_leaver(&v);
        assert_int_equal(v.received[0], 8);
        assert_int_equal(v.received[1], 40);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_asked_is_refused_with_its_reason), cmocka_unit_test(options_that_cannot_be_are_refused),
        cmocka_unit_test(one_call_is_enough), cmocka_unit_test(bodies_are_bounded_or_come_in_pieces), cmocka_unit_test(bodies_of_any_size_leave_as_they_come),
        cmocka_unit_test(turns_are_made_from_a_loop_of_ones_own), cmocka_unit_test(calls_may_be_given_up_and_clients_closed_at_any_time),
        cmocka_unit_test(a_proxys_password_is_not_told), cmocka_unit_test(who_waits_for_a_call_learns_that_it_was_dropped),
        cmocka_unit_test(a_source_that_drops_its_call_is_the_last_that_is_heard_of_it), cmocka_unit_test(what_waited_behind_a_dropped_call_is_due_at_once),
        cmocka_unit_test(a_body_is_not_read_for_a_connection_that_is_gone), cmocka_unit_test(a_body_that_is_sent_again_arrives_whole),
    };
    return cmocka_run_group_tests(tests, open_server, close_server);
}
