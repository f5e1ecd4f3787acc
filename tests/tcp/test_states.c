/* SPDX-License-Identifier: Apache-2.0
 *
 * Every event in every state. What must happen is said a second time here, by the rules of RFC 9293 3.10.7 with RFC 5961's
 * and 1337's corrections, and held against the running endpoint: 11 states, 96 kinds of segment, the calls and the clock.
 * And the picture drawn from the table of states is the one that was looked at and stored.
 */
#include "tcp/world.h"

static world w;
static app *mine; /* the connection at end 1, whose state is looked at; end 0 is forged */
static hf_seq peer_next, our_next;
static uint16_t port; /* of ours */

/* ---- the picture ---------------------------------------------------------------------------------------------------- */

static void the_picture_is_the_stored_one(void **state)
{
    (void)state;
    static char drawn[16384], stored[16384];
    hf_writer writer = hf_writer_make(drawn, sizeof drawn);
    hf_tcp_states_write(&writer);
    assert_false(writer.overflowed);
    const char *source = getenv("HF_SOURCE");
    char name[4096];
    snprintf(name, sizeof name, "%s/tests/tcp/tcp_states.dot", source ? source : ".");
    FILE *f = fopen(name, "rb");
    assert_non_null(f);
    const size_t n = fread(stored, 1, sizeof stored, f);
    fclose(f);
    if (n != writer.length || memcmp(stored, drawn, n) != 0)
        fail_msg("the table changed. If that is meant, store this as %s:\n%.*s", name, (int)writer.length, drawn);
}

/* ---- reaching a state ------------------------------------------------------------------------------------------------ */

static hf_segment from_peer(uint8_t flags)
{
    return (hf_segment){ .source = 4000, .destination = port, .seq = peer_next, .ack = our_next, .flags = flags, .window = 60000 };
}
static void peer_says(uint8_t flags)
{
    inject(&w, 1, from_peer(flags), 0, 0);
    speak(&w, 1);
    listen_to(&w, 1);
    speak(&w, 1);
}
static void we_end(void)
{
    const hf_err err = hf_tcp_end(mine->tcp, (hf_ending){ HF_ENDING_FIN, 0 });
    assert_int_equal(err.code, 0);
    speak(&w, 1);
    our_next = hf_seq_add(our_next, 1);
}
static void peer_ends(bool with_ack)
{
    const hf_seq all = our_next;
    if (!with_ack)
        our_next = hf_seq_add(our_next, UINT32_MAX); /* it has not seen our FIN */
    peer_says(HF_FIN | HF_ACK);
    our_next = all;
    peer_next = hf_seq_add(peer_next, 1);
}

static void reach(hf_tcp_state state)
{
    world_limits(&w, 61);
    w.config[1].no_timestamps = true;
    world_begin(&w);
    w.quiet = true;
    w.link[0].cut = true;
    w.accept.end_after = false;
    mine = NULL;
    port = 80;
    peer_next = hf_seq_make(1000000);
    our_next = hf_seq_make(2000000);
    if (state == HF_TCP_CLOSED)
        return;
    if (state == HF_TCP_SYN_SENT) {
        const hf_tcp_pair pair = { .local = w.ip[1], .remote = w.ip[0], .local_port = 80, .remote_port = 4000 };
        hf_err err;
        mine = app_add(&w, 1, hf_tcp_connect(w.ep[1], w.now, &pair, 0, &err), &w.accept);
        speak(&w, 1);
        our_next = hf_seq_add(mine->tcp->iss, 1);
        return;
    }
    serve(&w, 80);
    if (state == HF_TCP_LISTEN)
        return;
    peer_says(HF_SYN);
    peer_next = hf_seq_add(peer_next, 1);
    our_next = hf_seq_add(w.last[0].seq, 1);
    if (state == HF_TCP_SYN_RECEIVED)
        return;
    peer_says(HF_ACK);
    mine = accepted_app(&w, 0);
    if (state == HF_TCP_ESTABLISHED)
        return;
    if (state == HF_TCP_CLOSE_WAIT || state == HF_TCP_LAST_ACK) {
        peer_ends(true);
        if (state == HF_TCP_LAST_ACK)
            we_end();
        return;
    }
    we_end();
    if (state == HF_TCP_CLOSING)
        peer_ends(false);
    else if (state != HF_TCP_FIN_WAIT_1)
        peer_says(HF_ACK);
    if (state == HF_TCP_TIME_WAIT)
        peer_ends(true);
}

static hf_tcp_state state_now(void)
{
    const hf_tcp_pair pair = { .local = w.ip[1], .remote = w.ip[0], .local_port = 80, .remote_port = 4000 };
    hf_time until;
    if (mine != NULL && mine->tcp->attached)
        return info_of(mine).state;
    if (counts_of(&w, 1).half_open > 0)
        return HF_TCP_SYN_RECEIVED;
    if (w.ep[1]->counts.connections > 0)
        return (hf_tcp_state)w.ep[1]->all.first->state;
    if (hf_tcp_in_timewait(w.ep[1], &pair, &until))
        return HF_TCP_TIME_WAIT;
    return mine == NULL && w.ep[1]->listener_count > 0 ? HF_TCP_LISTEN : HF_TCP_CLOSED;
}

static void let_go(void)
{
    for (unsigned i = 0; i < w.app_count; i++)
        hf_tcp_free(w.apps[i].tcp);
    world_fini(&w);
}

static void every_state_can_be_reached(void **state)
{
    (void)state;
    for (unsigned s = 0; s < HF_TCP_STATE_COUNT; s++) {
        reach((hf_tcp_state)s);
        assert_string_equal(hf_tcp_state_name(state_now()), hf_tcp_state_name((hf_tcp_state)s));
        let_go();
    }
}

/* ---- what must happen ------------------------------------------------------------------------------------------------- */

typedef enum answer { NOTHING, ACK, RST, SYN_ACK } answer;
static const char *const answer_names[] = { "nothing", "ACK", "RST", "SYN-ACK" };

typedef enum where { EXACT, INSIDE, LEFT, RIGHT } where;
static const int32_t where_offset[] = { 0, 100, -100, 200000 };
static const char *const where_names[] = { "exact", "inside", "left", "right" };

typedef struct event {
    uint8_t flags;
    where at;
    bool good_ack;
    size_t payload;
} event;
typedef struct outcome {
    hf_tcp_state state;
    answer answer;
} outcome;

static outcome must_closed(const event *e)
{
    return (outcome){ HF_TCP_CLOSED, e->flags & HF_RST ? NOTHING : RST };
}

static outcome must_listen(const event *e)
{
    if (e->flags & HF_RST)
        return (outcome){ HF_TCP_LISTEN, NOTHING };
    if (e->flags & HF_ACK)
        return (outcome){ HF_TCP_LISTEN, RST };
    if ((e->flags & HF_SYN) && !(e->flags & HF_FIN))
        return (outcome){ HF_TCP_SYN_RECEIVED, SYN_ACK };
    return (outcome){ HF_TCP_LISTEN, NOTHING };
}

static outcome must_syn_sent(const event *e)
{
    const bool ack = (e->flags & HF_ACK) != 0;
    if (ack && !e->good_ack)
        return (outcome){ HF_TCP_SYN_SENT, e->flags & HF_RST ? NOTHING : RST };
    if (e->flags & HF_RST)
        return (outcome){ ack ? HF_TCP_CLOSED : HF_TCP_SYN_SENT, NOTHING };
    if (e->flags & HF_SYN)
        return ack ? (outcome){ HF_TCP_ESTABLISHED, ACK } : (outcome){ HF_TCP_SYN_RECEIVED, SYN_ACK };
    return (outcome){ HF_TCP_SYN_SENT, NOTHING };
}

static outcome must_syn_received(const event *e)
{
    const bool inside = e->at == EXACT || e->at == INSIDE;
    if (e->flags & HF_RST) {
        if (e->at == EXACT)
            return (outcome){ HF_TCP_LISTEN, NOTHING };
        return (outcome){ HF_TCP_SYN_RECEIVED, e->at == INSIDE ? SYN_ACK : NOTHING };
    }
    if (e->flags & HF_SYN)
        return (outcome){ HF_TCP_SYN_RECEIVED, e->flags & HF_ACK ? NOTHING : SYN_ACK };
    if (!(e->flags & HF_ACK))
        return (outcome){ HF_TCP_SYN_RECEIVED, NOTHING };
    if (!e->good_ack)
        return (outcome){ HF_TCP_SYN_RECEIVED, RST };
    if (!inside)
        return (outcome){ HF_TCP_SYN_RECEIVED, ACK };
    if (e->flags & HF_FIN)
        return (outcome){ e->at == EXACT ? HF_TCP_CLOSE_WAIT : HF_TCP_ESTABLISHED, ACK };
    return (outcome){ HF_TCP_ESTABLISHED, e->payload > 0 ? ACK : NOTHING };
}

static outcome must_time_wait(const event *e)
{
    if (e->flags & HF_RST)
        return (outcome){ HF_TCP_TIME_WAIT, NOTHING };
    if ((e->flags & (HF_SYN | HF_ACK)) == HF_SYN && (e->at == INSIDE || e->at == RIGHT))
        return (outcome){ HF_TCP_SYN_RECEIVED, SYN_ACK };
    const bool empty = e->payload == 0 && !(e->flags & (HF_SYN | HF_FIN));
    return (outcome){ HF_TCP_TIME_WAIT, empty && e->at == EXACT ? NOTHING : ACK };
}

/* ESTABLISHED and all later states with a connection. */
static outcome must_open(hf_tcp_state state, const event *e)
{
    if (e->at == LEFT || e->at == RIGHT)
        return (outcome){ state, e->flags & HF_RST ? NOTHING : ACK };
    if (e->flags & HF_RST)
        return e->at == EXACT ? (outcome){ HF_TCP_CLOSED, NOTHING } : (outcome){ state, ACK };
    if (e->flags & HF_SYN)
        return (outcome){ state, ACK };
    if (!(e->flags & HF_ACK))
        return (outcome){ state, NOTHING };
    if (!e->good_ack)
        return (outcome){ state, ACK };
    if (state == HF_TCP_LAST_ACK)
        return (outcome){ HF_TCP_CLOSED, NOTHING };
    if (state == HF_TCP_CLOSING)
        return (outcome){ HF_TCP_TIME_WAIT, NOTHING };
    if (state == HF_TCP_FIN_WAIT_1)
        state = HF_TCP_FIN_WAIT_2;
    const bool something = e->payload > 0 || (e->flags & HF_FIN);
    if ((e->flags & HF_FIN) && e->at == EXACT && state != HF_TCP_CLOSE_WAIT)
        state = state == HF_TCP_ESTABLISHED ? HF_TCP_CLOSE_WAIT : HF_TCP_TIME_WAIT;
    return (outcome){ state, something ? ACK : NOTHING };
}

static outcome must(hf_tcp_state state, const event *e)
{
    switch (state) {
    case HF_TCP_CLOSED: return must_closed(e);
    case HF_TCP_LISTEN: return must_listen(e);
    case HF_TCP_SYN_SENT: return must_syn_sent(e);
    case HF_TCP_SYN_RECEIVED: return must_syn_received(e);
    case HF_TCP_TIME_WAIT: return must_time_wait(e);
    default: return must_open(state, e);
    }
}

static answer answer_seen(uint64_t before)
{
    if (w.sent[0] == before)
        return NOTHING;
    if (w.sent[0] > before + 1)
        fail_msg("more than one answer");
    const uint8_t flags = w.last[0].flags;
    return flags & HF_RST ? RST : flags & HF_SYN ? SYN_ACK : ACK;
}

static void try(hf_tcp_state state, const event *e)
{
    reach(state);
    hf_segment s = from_peer(e->flags);
    s.seq = hf_seq_add(s.seq, (uint32_t)where_offset[e->at]);
    if (!e->good_ack)
        s.ack = hf_seq_add(s.ack, 5000);
    const uint64_t before = w.sent[0];
    inject(&w, 1, s, 0, e->payload);
    speak(&w, 1);
    const answer got = answer_seen(before);
    const hf_tcp_state now = state_now();
    const outcome want = must(state, e);
    if (now != want.state || got != want.answer)
        fail_msg("%s, flags %02x, %s, %s ACK, %lu bytes: now %s and %s, wanted %s and %s", hf_tcp_state_name(state), e->flags, where_names[e->at],
            e->good_ack ? "good" : "bad", (unsigned long)e->payload, hf_tcp_state_name(now), answer_names[got], hf_tcp_state_name(want.state), answer_names[want.answer]);
    if (got == RST && !(e->flags & HF_ACK))
        assert_int_equal(w.last[0].ack.n, s.seq.n + e->payload + ((e->flags & HF_SYN) != 0) + ((e->flags & HF_FIN) != 0));
    listen_to(&w, 1);
    let_go();
}

static void every_segment_in_every_state_does_what_the_rfc_says(void **state)
{
    (void)state;
    static const uint8_t flags[] = { 0, HF_SYN, HF_SYN | HF_FIN, HF_SYN | HF_ACK, HF_SYN | HF_RST, HF_ACK, HF_RST, HF_RST | HF_ACK, HF_FIN, HF_FIN | HF_ACK, HF_ACK | HF_URG };
    unsigned cells = 0;
    for (unsigned s = 0; s < HF_TCP_STATE_COUNT; s++)
        for (unsigned at = EXACT; at <= RIGHT; at++)
            for (int good = 0; good < 2; good++) {
                for (size_t f = 0; f < HF_COUNT(flags); f++, cells++)
                    try((hf_tcp_state)s, &(event){ flags[f], (where)at, good, 0 });
                try((hf_tcp_state)s, &(event){ HF_ACK | HF_PSH, (where)at, good, 10 });
                cells++;
            }
    assert_int_equal(cells, 11 * 96);
}

/* ---- calls ------------------------------------------------------------------------------------------------------------ */

static void every_call_in_every_state_does_what_the_rfc_says(void **state)
{
    (void)state;
    static const struct {
        hf_tcp_state from, ended, reset;
        int32_t end_error;
        bool sends_rst, takes_data;
    } rows[] = {
        { HF_TCP_SYN_SENT, HF_TCP_CLOSED, HF_TCP_CLOSED, 0, false, true },
        { HF_TCP_ESTABLISHED, HF_TCP_FIN_WAIT_1, HF_TCP_CLOSED, 0, true, true },
        { HF_TCP_CLOSE_WAIT, HF_TCP_LAST_ACK, HF_TCP_CLOSED, 0, true, true },
        { HF_TCP_FIN_WAIT_1, HF_TCP_FIN_WAIT_1, HF_TCP_CLOSED, HF_ERR_TCP_ENDED, true, false },
        { HF_TCP_FIN_WAIT_2, HF_TCP_FIN_WAIT_2, HF_TCP_CLOSED, HF_ERR_TCP_ENDED, true, false },
        { HF_TCP_CLOSING, HF_TCP_CLOSING, HF_TCP_CLOSED, HF_ERR_TCP_ENDED, true, false },
        { HF_TCP_LAST_ACK, HF_TCP_LAST_ACK, HF_TCP_CLOSED, HF_ERR_TCP_ENDED, true, false },
        { HF_TCP_TIME_WAIT, HF_TCP_TIME_WAIT, HF_TCP_TIME_WAIT, 0, false, false },
    };
    const hf_extent e = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(pattern, 10) };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        reach(rows[i].from);
        assert_int_equal(hf_tcp_end(mine->tcp, (hf_ending){ HF_ENDING_FIN, 0 }).code, rows[i].end_error);
        speak(&w, 1);
        assert_string_equal(hf_tcp_state_name(state_now()), hf_tcp_state_name(rows[i].ended));
        assert_int_equal(hf_tcp_put(mine->tcp, &e, 1), 0);
        assert_int_equal(hf_tcp_end(mine->tcp, (hf_ending){ HF_ENDING_STOP, 0 }).code, HF_ERR_BASE_USAGE);
        let_go();
        reach(rows[i].from);
        const uint64_t resets = w.resets[0];
        assert_int_equal(hf_tcp_put(mine->tcp, &e, 1), rows[i].takes_data ? 10 : 0);
        assert_int_equal(hf_tcp_end(mine->tcp, (hf_ending){ HF_ENDING_RESET, 0 }).code, 0);
        speak(&w, 1);
        assert_string_equal(hf_tcp_state_name(state_now()), hf_tcp_state_name(rows[i].reset));
        assert_int_equal(w.resets[0] - resets, rows[i].sends_rst);
        let_go();
    }
}

/* ---- the clock --------------------------------------------------------------------------------------------------------- */

static void every_state_comes_to_its_end_when_the_peer_is_silent(void **state)
{
    (void)state;
    static const struct {
        hf_tcp_state from, after;
        int64_t within_s;
        bool orphan;
    } rows[] = {
        { HF_TCP_SYN_SENT, HF_TCP_CLOSED, 260, false },     { HF_TCP_SYN_RECEIVED, HF_TCP_LISTEN, 130, false },
        { HF_TCP_ESTABLISHED, HF_TCP_ESTABLISHED, 86400, false }, { HF_TCP_CLOSE_WAIT, HF_TCP_CLOSE_WAIT, 86400, false },
        { HF_TCP_FIN_WAIT_1, HF_TCP_CLOSED, 170, false },   { HF_TCP_CLOSING, HF_TCP_CLOSED, 170, false },
        { HF_TCP_LAST_ACK, HF_TCP_CLOSED, 170, false },     { HF_TCP_FIN_WAIT_2, HF_TCP_FIN_WAIT_2, 86400, false },
        { HF_TCP_FIN_WAIT_2, HF_TCP_LISTEN, 61, true },     { HF_TCP_TIME_WAIT, HF_TCP_CLOSED, 61, false },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        reach(rows[i].from);
        if (rows[i].orphan) {
            hf_tcp_free(mine->tcp);
            mine = NULL;
            w.app_count = 0;
        }
        run_for(&w, HF_SECONDS(rows[i].within_s));
        assert_string_equal(hf_tcp_state_name(state_now()), hf_tcp_state_name(rows[i].after));
        let_go();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_picture_is_the_stored_one),
        cmocka_unit_test(every_state_can_be_reached),
        cmocka_unit_test(every_segment_in_every_state_does_what_the_rfc_says),
        cmocka_unit_test(every_call_in_every_state_does_what_the_rfc_says),
        cmocka_unit_test(every_state_comes_to_its_end_when_the_peer_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
