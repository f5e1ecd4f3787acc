/* SPDX-License-Identifier: Apache-2.0
 *
 * 0-RTT through the stack: requests that come with the first bytes, told to be early; and the client's pier, which sends again
 * what the server did not take.
 */
#include "secure_rig.h"

#include <stdalign.h>

#include "tls_pier.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

static alignas(64) uint8_t memory[64 + 512];

static size_t count_of(const rig *r, const char *what)
{
    size_t n = 0;
    const uint8_t *at = r->text, *const end = r->text + r->text_length;
    for (; (at = memmem(at, (size_t)(end - at), what, strlen(what))) != NULL; at += strlen(what))
        n++;
    return n;
}

/* A fresh connection; what the client said of the one before is forgotten. */
static void connect_again(rig *r, speaks how)
{
    hf_web_free(r->web);
    hf_http2_free(r->http2);
    hf_tls_free(r->tls);
    r->http2 = NULL;
    fake_pier_fini(&r->pier);
    fake_pier_init(&r->pier);
    r->read = r->in_length = r->count = r->joined_length = r->text_length = r->asks = 0;
    r->tls_open = r->closed = r->opened = false;
    r->resume = true;
    make_server(r);
    r->tls = hf_tls_client_new(&r->other.env, &r->client_config, 2, r->now, hf_text("localhost"), hf_bytes_make(r->session, r->session_length));
    if (how == H2_TLS)
        r->http2 = hf_http2_client_new(&r->other.env, 3, r->now, NULL);
    client_reads_tls(r); /* EARLY */
}

static void setup_early(rig *r, speaks how)
{
    setup_world(r, how);
    memset(&r->ticket, 7, sizeof r->ticket);
    memset(memory, 0, sizeof memory);
    r->config.ticket_keys = &r->ticket;
    r->config.ticket_key_count = 1;
    r->config.early_data = r->client_config.early_data = true;
    r->config.strikes = hf_tls_strikes_make(memory, sizeof memory, 1);
    make_server(r);
    make_client(r, how);
    run(r);
    assert_true(r->session_length > 0);
}

static void a_request_is_answered_before_the_handshake_is_complete(void **state)
{
    (void)state;
    static rig r;
    setup_early(&r, H1_TLS);
    connect_again(&r, H1_TLS);
    assert_true(hf_tls_is_early(r.tls));
    say(&r, GET("/text"));
    drive(&r);
    assert_true(r.opened);
    assert_int_equal(r.count, 1);
    assert_true(r.served[0].early && r.served[0].ended);
    client(&r); /* reads the server's first flight, and the answer behind it */
    assert_int_equal(count_of(&r, "hello"), 1);
    say(&r, GET("/late"));
    run(&r);
    assert_int_equal(r.count, 2);
    assert_false(r.served[1].early);
    hf_web_security s;
    assert_true(hf_web_security_of(r.web, &s));
    assert_true(s.resumed);
    assert_true(hf_tls_early_accepted(r.tls));
    teardown(&r);
}

static void large_answers_flow_early(void **state)
{
    (void)state;
    static rig r;
    setup_early(&r, H1_TLS);
    connect_again(&r, H1_TLS);
    say(&r, GET("/file") GET("/lent"));
    run(&r);
    assert_int_equal(r.count, 2);
    assert_true(r.served[0].early);
    assert_true(r.served[0].sent && r.served[1].sent);
    assert_int_equal(count_of(&r, "HTTP/1.1 200"), 2);
    assert_true(r.text_length > FILE_BYTES + LENT_BYTES);
    teardown(&r);
}

/* In HTTP/2 the preface, the settings and the request come together. */
static void http2_begins_early(void **state)
{
    (void)state;
    static rig r;
    setup_early(&r, H2_TLS);
    connect_again(&r, H2_TLS);
    ask(&r, "/text", 0);
    r.tls_open = true; /* the rig's leave to put */
    client_emits(&r);
    drive(&r);
    assert_int_equal(r.count, 1);
    assert_true(r.served[0].early);
    run(&r);
    assert_int_equal(r.asked[0].status, 200);
    assert_int_equal(r.asked[0].body, 5);
    ask(&r, "/text", 0);
    run(&r);
    assert_false(r.served[1].early);
    teardown(&r);
}

static void any_slicing_serves_it_alike(void **state)
{
    (void)state;
    static const size_t slices[] = { 1, 2, 7, 100, 517 };
    for (size_t i = 0; i < HF_COUNT(slices); i++) {
        static rig r;
        setup_early(&r, H1_TLS);
        connect_again(&r, H1_TLS);
        r.pier.slice = slices[i];
        say(&r, GET("/text"));
        run(&r);
        assert_int_equal(r.count, 1);
        assert_true(r.served[0].early);
        assert_int_equal(count_of(&r, "hello"), 1);
        teardown(&r);
    }
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    size_t calls = 0;
    for (size_t i = 0; i <= calls; i++) { /* 0: none fails */
        static rig r;
        setup_early(&r, H1_TLS);
        hf_web_free(r.web);
        hf_tls_free(r.tls);
        r.web = NULL;
        r.tls = NULL;
        fake_pier_fini(&r.pier);
        fake_pier_init(&r.pier);
        r.read = r.in_length = r.count = r.text_length = 0;
        r.world.memory.calls = 0;
        r.world.memory.fail_at = i;
        make_server(&r);
        if (r.web == NULL) {
            r.world.memory.fail_at = 0;
            teardown(&r);
            continue;
        }
        r.tls = hf_tls_client_new(&r.other.env, &r.client_config, 2, r.now, hf_text("localhost"), hf_bytes_make(r.session, r.session_length));
        client_reads_tls(&r);
        say(&r, GET("/text"));
        run(&r);
        calls = i == 0 ? r.world.memory.calls : calls;
        assert_true(calls < 400);
        r.world.memory.fail_at = 0;
        teardown(&r);
    }
    assert_true(calls > 10);
}

/* ---- the client's pier ---------------------------------------------------------------------------------------- */

/* A server core by hand, and a client's pier over the fake one. */
typedef struct ends {
    rig r;
    hf_tls *server;
    hf_tls_pier *own;
    hf_pier pier;
    size_t seen;       /* of what left the pier */
    uint8_t wire[1 << 17];
    size_t wire_length;
    char got[1 << 17]; /* what the server read */
    size_t got_length;
    bool early;        /* it was told so, at any time */
    unsigned counts[16];
    hf_err err;
} ends;

static void server_turn(ends *e)
{
    const size_t n = e->r.pier.out_length - e->seen;
    if (n > 0) {
        memcpy(e->wire + e->wire_length, e->r.pier.out + e->seen, n);
        e->seen += n;
        e->wire_length += n;
    }
    for (;;) {
        hf_tls_event event;
        hf_in in = { .ptr = e->wire, .len = e->wire_length };
        const hf_step s = hf_tls_step(e->server, e->r.now, &in, &event);
        if (s == HF_EVENT && event.kind == HF_TLS_WANT_SIGN)
            hf_tls_sign_here(e->server, &event);
        if (s == HF_EVENT && event.kind == HF_TLS_EARLY)
            e->early = true;
        if (s == HF_EVENT && event.kind == HF_TLS_READABLE) {
            const hf_span all = hf_tls_peek(e->server);
            memcpy(e->got + e->got_length, all.ptr, all.len);
            e->got_length += all.len;
            hf_tls_take(e->server, all.len);
        }
        memmove(e->wire, e->wire + in.used, e->wire_length - in.used);
        e->wire_length -= in.used;
        if (s != HF_EVENT)
            break;
    }
    for (;;) {
        static uint8_t scratch[1 << 17];
        hf_extent pieces[4];
        hf_out out = { .pieces = pieces, .capacity = 4, .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
        if (hf_tls_emit(e->server, e->r.now, &out) == 0)
            break;
        for (size_t i = 0; i < out.count; i++)
            fake_pier_say(&e->r.pier, out.pieces[i].bytes);
    }
}

static void client_turn(ends *e)
{
    hf_pier_event event;
    hf_tls_event question = { 0 };
    hf_tls_pier_listen(e->own, &question);
    while (e->pier.ops->event(e->pier.self, e->r.now, &event) == HF_EVENT) {
        e->counts[event.kind]++;
        if (event.kind == HF_PIER_ENDED)
            e->err = event.err;
        if (event.kind == HF_PIER_ASKS && question.kind == HF_TLS_WANT_VERIFY) {
            hf_tls_answer_verify(hf_tls_pier_core(e->own), HF_OK);
            hf_tls_pier_answered(e->own);
        }
        if (event.kind == HF_PIER_ASKS && question.kind == HF_TLS_SESSION) {
            memcpy(e->r.session, question.session.ptr, question.session.len);
            e->r.session_length = question.session.len;
        }
    }
}

static void turns(ends *e)
{
    for (int i = 0; i < 8; i++) {
        client_turn(e);
        server_turn(e);
    }
}

static void begin(ends *e, bool session)
{
    fake_pier_fini(&e->r.pier);
    fake_pier_init(&e->r.pier);
    hf_tls_free(e->server);
    e->seen = e->wire_length = e->got_length = 0;
    e->early = false;
    memset(e->counts, 0, sizeof e->counts);
    e->server = hf_tls_server_new(&e->r.world.env, &e->r.config, 1, e->r.now);
    hf_tls *const core = hf_tls_client_new(&e->r.other.env, &e->r.client_config, 2, e->r.now, hf_text("localhost"),
                                           hf_bytes_make(e->r.session, session ? e->r.session_length : 0));
    e->own = hf_tls_pier_new(&e->r.other.env, core, fake_pier_get(&e->r.pier), e->r.options.room, e->r.now);
    e->pier = hf_tls_pier_get(e->own);
}

static void end(ends *e)
{
    e->pier.ops->free(e->pier.self);
    e->own = NULL;
}

static void setup_ends(ends *e)
{
    memset(e, 0, sizeof *e);
    setup_world(&e->r, H1_TLS);
    memset(&e->r.ticket, 7, sizeof e->r.ticket);
    memset(memory, 0, sizeof memory);
    e->r.config.ticket_keys = &e->r.ticket;
    e->r.config.ticket_key_count = 1;
    e->r.config.early_data = e->r.client_config.early_data = true;
    e->r.config.strikes = hf_tls_strikes_make(memory, sizeof memory, 1);
    begin(e, false);
    turns(e);
    assert_int_equal(e->counts[HF_PIER_OPENED], 1);
    assert_true(e->r.session_length > 0);
    end(e);
}

static void teardown_ends(ends *e)
{
    end(e);
    hf_tls_free(e->server);
    teardown(&e->r);
}

static void put_all(ends *e, const uint8_t *bytes, size_t n)
{
    const hf_extent x = { .kind = HF_EXTENT_LENT, .token = 4, .bytes = hf_bytes_make(bytes, n) };
    assert_int_equal(e->pier.ops->put(e->pier.self, 0, &x, 1), n);
}

static void expect(const ends *e, size_t n)
{
    assert_int_equal(e->got_length, n);
    assert_memory_equal(e->got, lent, n);
    assert_int_equal(e->counts[HF_PIER_RELEASED], 1);
}

static void what_a_client_puts_early_arrives_early(void **state)
{
    (void)state;
    static ends e;
    setup_ends(&e);
    begin(&e, true);
    client_turn(&e);
    assert_int_equal(e.counts[HF_PIER_OPENED], 1);
    put_all(&e, lent, 1000);
    server_turn(&e);
    assert_true(e.early);
    assert_int_equal(e.got_length, 1000);
    turns(&e);
    assert_int_equal(e.counts[HF_PIER_EARLY_ACCEPTED], 1);
    expect(&e, 1000);
    teardown_ends(&e);
}

/* More than the ticket allows: the rest goes behind the handshake. */
static void what_is_too_much_for_early_data_follows_later(void **state)
{
    (void)state;
    static ends e;
    setup_ends(&e);
    begin(&e, true);
    client_turn(&e);
    put_all(&e, lent, 60000);
    server_turn(&e);
    assert_int_equal(e.got_length, 16384);
    turns(&e);
    expect(&e, 60000);
    teardown_ends(&e);
}

static void what_the_server_did_not_take_is_sent_again(void **state)
{
    (void)state;
    static const uint16_t wanted = 0x0017; /* secp256r1 */
    for (int how = 0; how < 3; how++)
        for (size_t n = 1000; n < 70000; n += 59000) {
            static ends e;
            setup_ends(&e);
            if (how == 0) /* it has it off now */
                e.r.config.early_data = false;
            if (how == 1) { /* it asks for another share */
                e.r.config.groups = &wanted;
                e.r.config.group_count = 1;
            }
            if (how == 2) /* it does not know the ticket any more */
                e.r.ticket.name[0] ^= 1;
            begin(&e, true);
            client_turn(&e);
            put_all(&e, lent, n);
            turns(&e);
            if (e.counts[HF_PIER_EARLY_REJECTED] != 1) fail_msg("how %d n %zu: opened %u accepted %u, %s, %s; %s", how, n, e.counts[0], e.counts[HF_PIER_EARLY_ACCEPTED], hf_err_text(e.err), hf_err_text(hf_tls_fault_of(e.server)->err), hf_err_text(hf_tls_fault_of(hf_tls_pier_core(e.own))->err));
            assert_false(e.early);
            assert_int_equal(e.counts[HF_PIER_EARLY_REJECTED], 1);
            assert_int_equal(e.counts[HF_PIER_OPENED], 1);
            expect(&e, n);
            teardown_ends(&e);
        }
}

/* RFC 8446 4.2.10: not to another protocol. */
static void nothing_is_sent_again_to_another_protocol(void **state)
{
    (void)state;
    static ends e;
    static hf_bytes both[2];
    both[0] = hf_text("http/1.1");
    both[1] = hf_text("h2");
    setup_ends(&e); /* with http/1.1 */
    e.r.client_config.protocols = both;
    e.r.client_config.protocol_count = 2;
    begin(&e, true);
    client_turn(&e);
    put_all(&e, lent, 1000);
    turns(&e); /* the server prefers h2 */
    assert_int_equal(e.got_length, 0);
    assert_int_equal(e.err.code, HF_ERR_TLS_EARLY_ANSWER);
    teardown_ends(&e);
}

static void an_early_end_waits_for_the_handshake(void **state)
{
    (void)state;
    static ends e;
    setup_ends(&e);
    begin(&e, true);
    client_turn(&e);
    put_all(&e, lent, 10);
    assert_int_equal(e.pier.ops->end(e.pier.self, 0, (hf_ending){ HF_ENDING_FIN, 0 }).code, 0);
    assert_false(e.r.pier.fin_sent);
    turns(&e);
    assert_true(e.r.pier.fin_sent);
    expect(&e, 10);
    teardown_ends(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered_before_the_handshake_is_complete), cmocka_unit_test(large_answers_flow_early),
        cmocka_unit_test(http2_begins_early), cmocka_unit_test(any_slicing_serves_it_alike), cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(what_a_client_puts_early_arrives_early), cmocka_unit_test(what_is_too_much_for_early_data_follows_later),
        cmocka_unit_test(what_the_server_did_not_take_is_sent_again), cmocka_unit_test(nothing_is_sent_again_to_another_protocol),
        cmocka_unit_test(an_early_end_waits_for_the_handshake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
