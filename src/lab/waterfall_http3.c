/* SPDX-License-Identifier: Apache-2.0
 *
 * The page over HTTP/3: a client and a server of ours on two QUIC endpoints, and between them a way for datagrams that has the rate,
 * the delay and the luck of the one below TCP.
 */
#include "waterfall_core.h"

#include "alloc.h"
#include "allocator.h"
#include "http3_wire.h"
#include "random.h"
#include "web.h"

enum { FLIGHT = 2048, DATAGRAM = 1452, HEADERS = 28, QUEUE = 256 << 10, LANES = 64, SCRATCH = 65536, PIECES = 32 };

/* A datagram on its way. They arrive in the order in which they left. */
typedef struct packet {
    hf_time at;
    size_t length;
    uint8_t bytes[DATAGRAM];
} packet;

typedef struct way {
    packet *packets; /* FLIGHT of them, in a ring */
    uint64_t first, next;
    int64_t free_ns; /* the last bit of what was sent is on the line then */
    uint64_t sent, lost;
} way;

/* Walks over the frames of a lane as they pass, to add up those of heads; on an encoder's lane everything is of heads. */
typedef struct walker {
    uint8_t header[HF_H3_FRAME_HEADER_BYTES];
    size_t have;
    uint64_t left;
} walker;

typedef struct lane {
    hf_lane id;
    bool fin, over;           /* over: its answer is whole */
    bool encoder, typed;      /* typed: a one-way lane whose first byte was seen */
    unsigned part;            /* of a request's; HF_WATERFALL_PARTS: of none */
    walker walk;
} lane;

typedef struct answer {
    hf_exchange exchange;
    uint32_t left;
    bool open;
} answer;

typedef struct play {
    hf_waterfall *w;
    hf_waterfall_network network;
    hf_limits limits;
    hf_random random, entropy, luck;
    hf_env env;
    hf_crypto *crypto;
    hf_key *key;
    hf_tls_identity identity;
    hf_tls_config tls[2];
    hf_time now, began;
    hf_quic_address ends[2]; /* server, client: so all pairs are */
    hf_quic_endpoint *endpoints[2];
    way ways[2];             /* by who sends */
    hf_web *web;
    answer answers[HF_WATERFALL_PARTS];
    hf_quic *quic;           /* the client's */
    hf_http3 *http3;
    lane lanes[LANES];
    size_t lane_count;
    uint32_t got[HF_WATERFALL_PARTS];
    unsigned next, left;
    bool page, broken;
    uint8_t room[HF_WEB_ROOM], scratch[SCRATCH], emitted[SCRATCH], body[HF_WATERFALL_LARGEST];
} play;

static int64_t elapsed(const play *p)
{
    return p->now.ns - p->began.ns;
}

static void fill(void *ctx, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)hf_random_next(ctx);
}

/* ---- heads -------------------------------------------------------------------------------------------------- */

static void walk(walker *w, hf_bytes b, uint64_t *heads)
{
    while (b.len > 0) {
        const size_t passed = w->left < b.len ? (size_t)w->left : b.len;
        w->left -= passed;
        b = hf_bytes_make(b.ptr + passed, b.len - passed);
        if (b.len == 0)
            return;
        uint64_t type = 0, length = 0;
        w->header[w->have++] = *b.ptr;
        b = hf_bytes_make(b.ptr + 1, b.len - 1);
        const uint8_t *const end = w->header + w->have;
        const size_t n = hf_h3_int_parse(w->header, end, &type);
        if (n == 0 || hf_h3_int_parse(w->header + n, end, &length) == 0)
            continue;
        *heads += type == HF_H3_HEADERS ? w->have + length : 0;
        w->left = length;
        w->have = 0;
    }
}

static void note_heads(lane *l, hf_bytes b, uint64_t *heads)
{
    if (b.len == 0)
        return;
    if (!hf_lane_is_one_way(l->id)) {
        walk(&l->walk, b, heads);
        return;
    }
    l->encoder = l->typed ? l->encoder : b.ptr[0] == HF_H3_STREAM_ENCODER;
    l->typed = true;
    *heads += l->encoder ? b.len : 0;
}

/* ---- the way ------------------------------------------------------------------------------------------------ */

static void send(play *p, unsigned from, const uint8_t *bytes, size_t length)
{
    way *const w = &p->ways[from];
    const int64_t now = p->now.ns, begins = w->free_ns > now ? w->free_ns : now;
    const uint64_t rate = p->network.rate;
    w->sent++;
    if (hf_random_chance(&p->luck, p->network.loss)) {
        w->lost++;
        return;
    }
    /* what waits for the line is bounded, as in the router below TCP */
    const bool full = rate > 0 && (uint64_t)(begins - now) > (uint64_t)QUEUE * 8 * 1000000000 / rate;
    if (full || w->next - w->first == FLIGHT || length > DATAGRAM)
        return;
    w->free_ns = begins + (rate > 0 ? (int64_t)((length + HEADERS) * 8 * 1000000000 / rate) : 0);
    packet *const d = &w->packets[w->next++ % FLIGHT];
    d->at = hf_time_make(w->free_ns + p->network.delay_ns);
    d->length = length;
    memcpy(d->bytes, bytes, length);
}

static void receive(play *p, unsigned from)
{
    way *const w = &p->ways[from];
    while (w->first < w->next && !hf_time_before(p->now, w->packets[w->first % FLIGHT].at)) {
        packet *const d = &w->packets[w->first++ % FLIGHT];
        const hf_quic_input in = { .path = { p->ends[1 - from], p->ends[from] }, .bytes = { d->bytes, d->length } };
        (void)!hf_quic_endpoint_input(p->endpoints[1 - from], p->now, &in).code; /* what is dropped is sent again */
    }
}

static void emit(play *p, unsigned from)
{
    hf_extent piece;
    hf_quic_output o;
    for (;;) {
        hf_out out = { .pieces = &piece, .capacity = 1, .scratch = p->emitted, .scratch_capacity = SCRATCH, .room = UINT64_MAX };
        if (!hf_quic_endpoint_emit(p->endpoints[from], p->now, &out, &o))
            return;
        const size_t segment = o.segment > 0 ? o.segment : o.length;
        for (size_t at = 0; at < o.length; at += segment)
            send(p, from, p->emitted + at, o.length - at < segment ? o.length - at : segment);
    }
}

/* ---- the server --------------------------------------------------------------------------------------------- */

static void put_more(play *p)
{
    for (size_t i = 0; i < HF_WATERFALL_PARTS; i++) {
        answer *const a = &p->answers[i];
        hf_err err = HF_OK;
        const hf_extent e = { .kind = HF_EXTENT_LENT, .bytes = { p->body, a->left } };
        if (!a->open)
            continue;
        a->left -= (uint32_t)(a->left > 0 ? hf_web_put(p->web, a->exchange, &e, 1, &err) : 0);
        p->broken = p->broken || err.code != 0;
        if (a->left > 0)
            continue;
        a->open = false;
        p->broken = p->broken || hf_web_end(p->web, a->exchange, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 }).code != 0;
    }
}

static void answer_to(play *p, const hf_web_event *e)
{
    const unsigned i = hf_waterfall_part_at(e->head->path);
    hf_field fields[HF_WATERFALL_FIELDS];
    if (i == HF_WATERFALL_PARTS) {
        p->broken = true;
        return;
    }
    const hf_response_head head = hf_waterfall_answer(i, fields);
    p->broken = p->broken || hf_web_respond(p->web, e->exchange, &head).code != 0;
    p->answers[i] = (answer){ e->exchange, hf_waterfall_parts[i].size, true };
}

static void serve(play *p)
{
    hf_extent pieces[PIECES];
    hf_out out = { .pieces = pieces, .capacity = PIECES, .scratch = p->scratch, .scratch_capacity = SCRATCH, .room = UINT64_MAX };
    hf_web_event e;
    while (p->web != NULL && !p->broken && hf_web_step(p->web, p->now, &out, &e) == HF_EVENT) {
        p->broken = e.kind == HF_WEB_CLOSED;
        if (e.kind == HF_WEB_WANT_SIGN)
            hf_web_sign_here(p->web, &e);
        if (e.kind == HF_WEB_REQUEST)
            answer_to(p, &e);
        if (!p->broken)
            put_more(p);
    }
}

static void server_turn(play *p)
{
    const hf_web_options options = { .room = { p->room, HF_WEB_ROOM } };
    hf_quic_endpoint_event e;
    receive(p, 1);
    while (hf_quic_endpoint_step(p->endpoints[0], p->now, &e) == HF_EVENT) {
        if (e.kind == HF_QUIC_ACCEPTED && p->web == NULL) {
            p->web = hf_web_new_http3(&p->env, 2, e.quic, &options, p->now);
            p->broken = p->broken || p->web == NULL;
        }
        serve(p);
    }
    serve(p);
    emit(p, 0);
}

/* ---- the client: asking ------------------------------------------------------------------------------------- */

static lane *add_lane(play *p, hf_lane id, unsigned part)
{
    if (p->lane_count == LANES) {
        p->broken = true;
        return &p->lanes[0];
    }
    p->lanes[p->lane_count] = (lane){ .id = id, .part = part };
    return &p->lanes[p->lane_count++];
}

static lane *find_lane(play *p, hf_lane id)
{
    for (size_t i = 0; i < p->lane_count; i++)
        if (p->lanes[i].id == id)
            return &p->lanes[i];
    return NULL;
}

static void begin_http(play *p)
{
    hf_lane own[3];
    p->http3 = hf_http3_client_new(&p->env, 1, p->now, NULL);
    for (unsigned i = 0; i < HF_COUNT(own); i++) {
        p->broken = p->broken || p->http3 == NULL || hf_quic_open(p->quic, HF_LANE_UNIDIRECTIONAL, &own[i]).code != 0;
        if (p->broken)
            return;
        (void)add_lane(p, own[i], HF_WATERFALL_PARTS);
    }
    hf_http3_begin(p->http3, own[0], own[1], own[2]);
}

/* True: it was asked for. */
static bool ask(play *p)
{
    hf_lane id;
    const unsigned i = p->next;
    if (p->http3 == NULL || i == HF_WATERFALL_PARTS || (i > 0 && !p->page))
        return false;
    hf_request_head head = hf_waterfall_request(i, "https");
    head.path = head.target;
    if (hf_http3_may_request(p->http3, &head).code != 0 || hf_quic_open(p->quic, HF_LANE_BIDIRECTIONAL, &id).code != 0)
        return false;
    (void)add_lane(p, id, i);
    p->broken = p->broken || hf_http3_request(p->http3, id, &head).code != 0 ||
                hf_http3_end(p->http3, id, (hf_ending){ HF_ENDING_FIN, 0 }, (hf_fields){ NULL, 0 }).code != 0;
    p->w->bars[i].asked_ns = elapsed(p);
    p->next++;
    return true;
}

static bool flush(play *p)
{
    hf_http3_turn turn;
    bool any = false, fin = false;
    while (p->http3 != NULL && hf_http3_next(p->http3, p->now, &turn)) {
        hf_extent pieces[PIECES];
        hf_out out = { .pieces = pieces, .capacity = PIECES, .scratch = p->scratch, .scratch_capacity = SCRATCH, .room = UINT64_MAX };
        if (turn.aborts) {
            (void)hf_quic_end(p->quic, turn.lane, turn.ending).code; /* a lane that is over needs no end */
            continue;
        }
        if (turn.lane != HF_HTTP3_NO_LANE)
            out.room = hf_quic_room(p->quic, turn.lane);
        (void)hf_http3_emit(p->http3, p->now, turn.lane, &out, &fin);
        if (turn.lane == HF_HTTP3_NO_LANE)
            continue;
        if (out.count == 0 && !fin) {
            hf_http3_hold(p->http3, p->now, turn.lane, true);
            continue;
        }
        lane *const l = find_lane(p, turn.lane);
        for (size_t i = 0; i < out.count; i++) {
            pieces[i].kind = HF_EXTENT_COPIED;
            if (l != NULL)
                note_heads(l, pieces[i].bytes, &p->w->request_heads);
        }
        (void)hf_quic_put(p->quic, turn.lane, pieces, out.count);
        if (fin)
            (void)hf_quic_end(p->quic, turn.lane, (hf_ending){ HF_ENDING_FIN, 0 }).code;
        any = true;
    }
    return any;
}

/* ---- the client: hearing ------------------------------------------------------------------------------------ */

static void hear(play *p, unsigned part, const hf_http3_event *e)
{
    if (e->kind == HF_HTTP3_RESET)
        p->broken = true;
    if (part == HF_WATERFALL_PARTS)
        return;
    if (e->kind == HF_HTTP3_BODY) {
        if (p->got[part] == 0)
            p->w->bars[part].first_ns = elapsed(p);
        p->got[part] += (uint32_t)e->body.len;
        hf_http3_take(p->http3, e->lane, e->body.len);
    } else if (e->kind == HF_HTTP3_END) {
        p->broken = p->broken || p->got[part] != hf_waterfall_parts[part].size;
        hf_waterfall_whole(p->w, part, elapsed(p));
        p->page = p->page || part == 0;
        p->left--;
    }
}

/* True when anything moved. `l` NULL: the core itself has something to tell. */
static bool step(play *p, lane *l)
{
    uint8_t nothing[1];
    bool moved = false;
    for (;;) {
        const hf_span held = l == NULL ? (hf_span){ NULL, 0 } : hf_quic_peek(p->quic, l->id);
        hf_in in = { .ptr = held.len > 0 ? held.ptr : nothing, .len = held.len, .fin = l != NULL && l->fin };
        hf_http3_event e;
        const hf_step s = hf_http3_step(p->http3, p->now, l == NULL ? HF_HTTP3_NO_LANE : l->id, &in, &e);
        if (s == HF_EVENT) {
            lane *const of = find_lane(p, e.lane);
            hear(p, of != NULL ? of->part : HF_WATERFALL_PARTS, &e);
            if (of != NULL)
                of->over = e.kind == HF_HTTP3_END;
        }
        if (in.used > 0) {
            note_heads(l, hf_bytes_make(held.ptr, in.used), &p->w->answer_heads);
            hf_quic_take(p->quic, l->id, in.used);
        }
        moved = moved || s == HF_EVENT || in.used > 0;
        p->broken = p->broken || s == HF_FAULT || s == HF_CLOSED;
        if (s != HF_EVENT || p->broken)
            return moved;
    }
}

static void hear_quic(play *p, const hf_quic_event *e)
{
    lane *l;
    switch (e->kind) {
    case HF_QUIC_WANT_VERIFY: hf_quic_answer_verify(p->quic, p->now, HF_OK); break; /* nobody else is in this world */
    case HF_QUIC_OPENED: begin_http(p); break;
    case HF_QUIC_STREAM:
        (void)add_lane(p, e->lane, HF_WATERFALL_PARTS);
        hf_http3_lane_opened(p->http3, p->now, e->lane);
        break;
    case HF_QUIC_WRITABLE: hf_http3_hold(p->http3, p->now, e->lane, false); break;
    case HF_QUIC_ENDED:
        l = find_lane(p, e->lane);
        if (e->ending.kind == HF_ENDING_FIN && l != NULL)
            l->fin = true;
        else if (p->http3 != NULL)
            hf_http3_lane_ended(p->http3, p->now, e->lane, e->ending);
        break;
    default: break;
    }
}

static void client_turn(play *p)
{
    hf_quic_endpoint_event notice;
    receive(p, 0);
    while (hf_quic_endpoint_step(p->endpoints[1], p->now, &notice) == HF_EVENT)
        ;
    for (bool moved = true; moved && !p->broken;) {
        hf_quic_event e;
        hf_step s;
        moved = false;
        while (!p->broken && (s = hf_quic_next(p->quic, p->now, &e)) != HF_IDLE) {
            moved = true;
            p->broken = s != HF_EVENT;
            if (s == HF_EVENT)
                hear_quic(p, &e);
        }
        if (p->http3 == NULL || p->broken)
            continue;
        moved = step(p, NULL) || moved;
        for (size_t i = 0; i < p->lane_count && !p->broken; i++)
            if (!p->lanes[i].over)
                moved = step(p, &p->lanes[i]) || moved;
        while (!p->broken && ask(p))
            moved = true;
        moved = (!p->broken && flush(p)) || moved;
    }
    emit(p, 1);
}

/* ---- the play ----------------------------------------------------------------------------------------------- */

static bool make_identity(play *p)
{
    uint8_t pem[HF_PEM_ROOM];
    size_t n = 0;
    const hf_bytes name = hf_text("shop.example");
    const hf_certificate_wish wish = { .common_name = "shop.example", .names = &name, .name_count = 1, .from = { 1700000000 }, .until = { 1730000000 } };
    const bool good = hf_key_make(p->crypto, &p->key).code == 0 && hf_certificate_issue(p->crypto, &wish, p->key, NULL, NULL, pem, &n).code == 0 &&
                      hf_chain_load(p->crypto, hf_bytes_make(pem, n), &p->identity.chain).code == 0;
    p->identity.key = p->key;
    return good;
}

static bool set_up(play *p, const hf_waterfall_network *network)
{
    static const hf_bytes protocol = HF_LITERAL("h3");
    const hf_entropy entropy = { fill, &p->entropy };
    p->network = *network;
    p->limits = *hf_limits_default();
    hf_random_seed(&p->random, network->seed);
    hf_random_seed(&p->luck, network->seed);
    hf_random_seed(&p->entropy, ~network->seed);
    p->env = (hf_env){ .alloc = *hf_allocator_default(), .limits = &p->limits, .random = &p->random };
    p->left = HF_WATERFALL_PARTS;
    p->now = p->began = hf_time_make(HF_SECONDS(1));
    p->crypto = hf_crypto_new(&p->env, &entropy);
    if (p->crypto == NULL || !make_identity(p))
        return false;
    p->tls[0] = (hf_tls_config){ .crypto = p->crypto, .identities = &p->identity, .identity_count = 1, .protocols = &protocol, .protocol_count = 1 };
    p->tls[1] = (hf_tls_config){ .crypto = p->crypto, .protocols = &protocol, .protocol_count = 1 };
    for (unsigned i = 0; i < 2; i++) {
        const hf_quic_config config = { .tls = &p->tls[i], .secret = { (uint8_t)(i + 1) }, .accept = i == 0, .datagram_bytes = DATAGRAM, .fixed_size = true };
        p->ends[i] = (hf_quic_address){ .ip = { [10] = 0xff, 0xff, 10, 0, 0, (uint8_t)(i + 1) }, .port = i == 0 ? 443 : 50000 };
        p->endpoints[i] = hf_quic_endpoint_new(&p->env, &config, p->now);
        p->ways[i].packets = hf_alloc(&p->env.alloc, FLIGHT * sizeof(packet));
        if (p->endpoints[i] == NULL || p->ways[i].packets == NULL)
            return false;
    }
    const hf_quic_target target = { .path = { p->ends[1], p->ends[0] }, .host = hf_text("shop.example") };
    hf_err err;
    p->quic = hf_quic_connect(p->endpoints[1], p->now, &target, p, &err);
    p->w->connections = 1;
    return p->quic != NULL;
}

static void tear_down(play *p)
{
    hf_web_free(p->web);
    if (p->quic != NULL)
        hf_quic_free(p->quic);
    hf_http3_free(p->http3);
    for (unsigned i = 0; i < 2; i++) {
        hf_quic_endpoint_free(p->endpoints[i]);
        hf_free(&p->env.alloc, p->ways[i].packets, FLIGHT * sizeof(packet));
    }
    hf_chain_free(p->identity.chain);
    hf_key_free(p->key);
    if (p->crypto != NULL)
        hf_crypto_free(p->crypto);
}

/* Both have their turn, and the clock goes on to what is next. False: nothing is, or nobody waits that long. */
static bool moment(play *p)
{
    server_turn(p);
    client_turn(p);
    hf_time at = hf_time_earlier(hf_quic_endpoint_wake(p->endpoints[0]), hf_quic_endpoint_wake(p->endpoints[1]));
    at = p->web != NULL ? hf_time_earlier(at, hf_web_wake(p->web)) : at;
    at = p->http3 != NULL ? hf_time_earlier(at, hf_http3_wake(p->http3)) : at;
    for (unsigned i = 0; i < 2; i++)
        at = p->ways[i].first < p->ways[i].next ? hf_time_earlier(at, p->ways[i].packets[p->ways[i].first % FLIGHT].at) : at;
    p->now = hf_time_before(p->now, at) ? at : hf_time_after(p->now, 1000);
    return hf_time_before(p->now, hf_time_after(p->began, HF_WATERFALL_PATIENCE));
}

bool hf_waterfall_load_http3(const hf_waterfall_network *network, hf_waterfall *w)
{
    play *const p = hf_alloc_zeroed(hf_allocator_default(), sizeof *p);
    if (p == NULL)
        return false;
    hf_waterfall_begin(w);
    p->w = w;
    bool good = set_up(p, network);
    while (good && p->left > 0 && !p->broken)
        good = moment(p);
    good = good && !p->broken;
    w->packets = p->ways[0].sent + p->ways[1].sent;
    w->lost = p->ways[0].lost + p->ways[1].lost;
    tear_down(p);
    hf_free(hf_allocator_default(), p, sizeof *p);
    return good;
}
