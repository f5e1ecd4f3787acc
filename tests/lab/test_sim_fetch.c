/* SPDX-License-Identifier: Apache-2.0
 *
 * hf_sim_open_client: an application's own client code, on a bad network, from a seed.
 */
#include <handfast/sim.h>

#include "harness.h"

#include <stdio.h>

typedef struct ledger {
    unsigned added, listed;
    uint64_t bytes;
} ledger;

static ledger books;

static hf_err add(hf_req *rq)
{
    books.added++;
    books.bytes += hf_req_body(rq).len;
    return hf_reply_redirect(rq, 303, hf_text("/last"));
}

static hf_err last(hf_req *rq)
{
    books.listed++;
    return hf_reply_text(rq, 200, "%u added, %llu bytes", books.added, (unsigned long long)books.bytes);
}

static hf_err again(hf_req *rq)
{
    return hf_reply_redirect(rq, 307, hf_text("/add"));
}

static hf_err login(hf_req *rq)
{
    const hf_err err = hf_reply_field(rq, "Set-Cookie", hf_text("who=me; Path=/"));
    return err.code != 0 ? err : hf_reply_text(rq, 200, "in");
}

static hf_err who(hf_req *rq)
{
    const hf_field *const f = hf_fields_find_name(hf_req_head(rq)->fields, hf_text("cookie"));
    return hf_reply(rq, 200, "text/plain", f != NULL ? f->value : hf_text("nobody"));
}

static const hf_route routes[] = {
    { "POST", "/add", .handle = add, .max_body = 1 << 20 },
    { "POST", "/again", .handle = again, .max_body = 1 << 20 },
    { "GET", "/last", .handle = last },
    { "GET", "/login", .handle = login },
    { "GET", "/who", .handle = who },
};

typedef struct supply {
    size_t left, piece;
    unsigned pauses, rewinds;
    size_t whole;
} supply;

static hf_step give(void *context, uint8_t *to, size_t size, size_t *n)
{
    supply *const s = context;
    if (s->left == 0)
        return HF_CLOSED;
    if (s->pauses > 0 && s->left < s->whole) {
        s->pauses--;
        return HF_IDLE;
    }
    *n = s->left < s->piece ? s->left : s->piece;
    *n = *n < size ? *n : size;
    memset(to, 'x', *n);
    s->left -= *n;
    return HF_EVENT;
}

static bool once_more(void *context)
{
    supply *const s = context;
    s->left = s->whole;
    s->rewinds++;
    return true;
}

typedef struct rig {
    hf_sim *sim;
    hf_client *client;
} rig;

static rig open_rig(uint64_t seed, hf_sim_network network, const hf_client_options *options)
{
    rig r = { NULL, NULL };
    books = (ledger){ 0 };
    assert_int_equal(hf_sim_server(&r.sim, &(hf_sim_options){ .routes = routes, .route_count = HF_COUNT(routes), .seed = seed, .network = network }).code, 0);
    assert_int_equal(hf_sim_open_client(r.sim, &r.client, options).code, 0);
    return r;
}

static void close_rig(rig *r)
{
    hf_client_close(r->client);
    hf_sim_close(r->sim);
}

static void assert_answer(const hf_client_answer *a, uint16_t status, const char *body)
{
    if (a->err.code != 0)
        fail_msg("%s: %s", hf_err_text(a->err), a->words);
    assert_int_equal(a->status, status);
    assert_true(hf_bytes_equal(a->body, hf_text(body)));
}

static void client_code_runs_in_virtual_time(void **state)
{
    (void)state;
    rig r = open_rig(1, (hf_sim_network){ .delay_ns = HF_MILLISECONDS(100) }, NULL);
    const hf_client_answer *a = hf_client_ask(r.client, &(hf_client_request){ .url = "http://anybody/last" });
    assert_answer(a, 200, "0 added, 0 bytes");
    assert_false(a->reused);
    assert_true(a->took_ns >= HF_MILLISECONDS(400) && a->took_ns < HF_SECONDS(1)); /* a handshake and a round trip */
    a = hf_client_ask(r.client, &(hf_client_request){ .url = "http://anybody/last" });
    assert_answer(a, 200, "0 added, 0 bytes");
    assert_true(a->reused && a->took_ns >= HF_MILLISECONDS(200) && a->took_ns < HF_MILLISECONDS(400));
    a = hf_client_ask(r.client, &(hf_client_request){ .url = "http://anybody/add", .body = hf_text("12345"), .redirects = 3 });
    assert_answer(a, 200, "1 added, 5 bytes");
    assert_int_equal(a->redirects, 1);
    assert_string_equal(a->url, "http://anybody/last");
    assert_int_equal(a->sent, 0); /* of the last request, which is a GET */
    close_rig(&r);
}

static void bodies_that_come_piece_by_piece_are_led_on_by_redirects(void **state)
{
    (void)state;
    static const hf_version versions[] = { HF_HTTP_1_1, HF_HTTP_2 };
    for (size_t v = 0; v < HF_COUNT(versions); v++)
        for (unsigned row = 0; row < 4; row++) { /* of known length, or not; can be read again, or not */
            rig r = open_rig(10 + row, (hf_sim_network){ .delay_ns = HF_MILLISECONDS(5) }, NULL);
            supply s = { .left = 300000, .whole = 300000, .piece = 7001, .pauses = 3 };
            hf_client_request q = { .url = "http://a/add", .source = give, .context = &s, .length = row % 2 ? 300000 : 0, .version = versions[v], .redirects = 5,
                                    .rewind = row / 2 ? once_more : NULL };
            const hf_client_answer *a = hf_client_ask(r.client, &q);
            assert_answer(a, 200, "1 added, 300000 bytes");
            assert_int_equal(a->version, versions[v]);
            s = (supply){ .left = 300000, .whole = 300000, .piece = 65536 };
            q.url = "http://a/again";
            a = hf_client_ask(r.client, &q);
            assert_int_equal(a->err.code, row / 2 ? 0 : HF_ERR_CLIENT_BODY);
            assert_int_equal(s.rewinds, row / 2);
            assert_int_equal(books.added, row / 2 ? 2 : 1);
            close_rig(&r);
        }
}

static void cookies_are_kept_where_asked_for(void **state)
{
    (void)state;
    for (unsigned kept = 0; kept < 2; kept++) {
        rig r = open_rig(3, (hf_sim_network){ .loss = 0 }, &(hf_client_options){ .cookies = kept });
        assert_answer(hf_client_ask(r.client, &(hf_client_request){ .url = "http://a.example/login" }), 200, "in");
        assert_answer(hf_client_ask(r.client, &(hf_client_request){ .url = "http://a.example/who" }), 200, kept ? "who=me" : "nobody");
        assert_answer(hf_client_ask(r.client, &(hf_client_request){ .url = "http://b.example/who" }), 200, "nobody");
        close_rig(&r);
    }
}

typedef struct tally {
    hf_client *client;
    unsigned over, well, begun;
    hf_err last;
} tally;

static void begin_one(tally *t);

static void count(void *context, hf_client_call *call, const hf_client_answer *a)
{
    tally *const t = context;
    t->over++;
    t->well += a->err.code == 0 && a->status == 200;
    t->last = a->err.code != 0 ? a->err : t->last;
    if (t->begun < 40)
        begin_one(t);
    hf_client_drop(call);
}

static void begin_one(tally *t)
{
    hf_client_call *call;
    const bool adds = t->begun++ % 2 == 0;
    const hf_client_request q = { .url = adds ? "http://a/add" : "http://a/last", .body = adds ? hf_text("0123456789") : hf_text(""), .redirects = 2,
        .done = count, .context = t, .patience_ns = HF_SECONDS(600), .version = t->begun % 3 == 0 ? HF_HTTP_2 : HF_HTTP_1_1 };
    assert_int_equal(hf_client_begin(t->client, &q, &call).code, 0);
}

/* Packets are lost, doubled and late; in the middle the server dies. What is told to have gone well was done, and no POST twice. */
static void nothing_is_done_twice_whatever_the_network_does(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        uint64_t traces[2];
        for (unsigned run = 0; run < 2; run++) {
            rig r = open_rig(seed, (hf_sim_network){ .loss = 50000, .duplicate = 20000, .reorder = 50000, .delay_ns = HF_MILLISECONDS(20), .jitter_ns = HF_MILLISECONDS(10) }, NULL);
            tally t = { .client = r.client };
            for (unsigned i = 0; i < 8; i++)
                begin_one(&t);
            while (t.over < 15 && hf_client_turn(r.client))
                hf_sim_run(r.sim, HF_MILLISECONDS(5));
            if (seed % 2 == 1)
                hf_sim_kill(r.sim);
            hf_client_run(r.client);
            assert_int_equal(t.over, 40);
            assert_true(books.added <= 20);
            if (seed % 2 == 0 && t.well != 40)
                fail_msg("seed %u: %u of 40 went well: %s", (unsigned)seed, t.well, hf_err_text(t.last));
            assert_true(t.well >= 10);
            traces[run] = hf_sim_trace(r.sim);
            close_rig(&r);
        }
        assert_true(traces[0] == traces[1]);
    }
}

static void a_silent_network_ends_in_a_deadline(void **state)
{
    (void)state;
    rig r = open_rig(5, (hf_sim_network){ .down = true }, NULL);
    const hf_client_answer *a = hf_client_ask(r.client, &(hf_client_request){ .url = "http://a/last", .patience_ns = HF_SECONDS(3) });
    assert_int_equal(a->err.code, HF_ERR_CLIENT_DEADLINE);
    assert_int_equal(a->layer, HF_CLIENT_REQUEST);
    assert_true(a->took_ns >= HF_SECONDS(3) && a->took_ns < HF_SECONDS(4));
    a = hf_client_ask(r.client, &(hf_client_request){ .url = "http://a/last" });
    assert_int_equal(a->err.code, HF_ERR_IO_TIMEOUT); /* connect_ns */
    assert_int_equal(a->layer, HF_CLIENT_CONNECT);
    hf_sim_network_set(r.sim, &(hf_sim_network){ .loss = 0 });
    assert_answer(hf_client_ask(r.client, &(hf_client_request){ .url = "http://a/last" }), 200, "0 added, 0 bytes");
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_code_runs_in_virtual_time), cmocka_unit_test(bodies_that_come_piece_by_piece_are_led_on_by_redirects),
        cmocka_unit_test(cookies_are_kept_where_asked_for), cmocka_unit_test(nothing_is_done_twice_whatever_the_network_does),
        cmocka_unit_test(a_silent_network_ends_in_a_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
