/* SPDX-License-Identifier: Apache-2.0 */
#include "quic_line.h"

#include <stdio.h>
#include <sys/random.h>

#include "address.h"
#include "alloc.h"
#include "udp.h"

enum { LANES = 512, SCRATCH = 65536, PIECES = 64, BATCHES = 16 };

typedef struct lane_row {
    hf_lane lane;
    bool fin, held;
} lane_row;

struct hf_quic_line {
    hf_quic_line_options options;
    char host[256];
    hf_udp *udp;
    hf_tls_config tls;
    hf_quic_endpoint *endpoint;
    hf_quic *quic;
    hf_http3 *http3;
    lane_row lanes[LANES];
    size_t lane_count, cursor;
    hf_lane lent_lane;    /* of the last event, which may point into what the lane holds: */
    size_t used, untaken; /* so many bytes of it the core has used, and so many more are BODY */
    bool lends;           /* the last event is still somebody's */
    bool over, clean;
    hf_err err;
    hf_err refused; /* the certificate: nobody waits until QUIC has said its last words */
    uint8_t scratch[SCRATCH];
};

static hf_time now_of(const hf_quic_line *q)
{
    return q->options.io->ops->clock(q->options.io);
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

/* A connected socket would tell of ICMP, but could not move: one that is bound does. */
static hf_err open_socket(hf_quic_line *q, hf_address *own)
{
    hf_err err = HF_OK;
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    const hf_address any = { .family = q->options.to.family };
    const int fd = hf_udp_socket(&any, &err);
    if (fd < 0)
        return err;
    (void)!getsockname(fd, (struct sockaddr *)&name, &size);
    hf_address_from_kernel(&name, own);
    q->udp = hf_udp_new(q->options.env, fd, own);
    if (q->udp == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    return q->options.io->ops->watch(q->options.io, hf_udp_descriptor(q->udp), q->options.owner);
}

static hf_err begin(hf_quic_line *q)
{
    static const hf_bytes protocol = HF_LITERAL("h3");
    hf_address own;
    hf_quic_target target = { .host = hf_text(q->host) };
    hf_err err = open_socket(q, &own);
    if (err.code != 0)
        return err;
    q->tls = (hf_tls_config){ .crypto = q->options.crypto, .protocols = &protocol, .protocol_count = 1, .key_log = q->options.key_log };
    /* RFC 9000 10.1.2: who only receives says a word now and then, or neither end learns that the way there is another one by now. */
    hf_quic_config config = { .tls = &q->tls, .keep_alive_ns = HF_SECONDS(5) };
    if (getrandom(config.secret, sizeof config.secret, 0) != sizeof config.secret)
        return hf_err_make(HF_ERR_IO_SYSTEM);
    q->endpoint = hf_quic_endpoint_new(q->options.env, &config, now_of(q));
    if (q->endpoint == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_address_map(&own, target.path.local.ip);
    hf_address_map(&q->options.to, target.path.remote.ip);
    target.path.local.port = own.port;
    target.path.remote.port = q->options.to.port;
    target.path.remote.zone = q->options.to.scope;
    q->quic = hf_quic_connect(q->endpoint, now_of(q), &target, q, &err);
    return err;
}

hf_quic_line *hf_quic_line_new(const hf_quic_line_options *o, hf_err *err)
{
    hf_quic_line *const q = hf_alloc_zeroed(&o->env->alloc, sizeof *q);
    *err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (q == NULL)
        return NULL;
    q->options = *o;
    snprintf(q->host, sizeof q->host, "%s", o->host);
    *err = begin(q);
    if (err->code == 0) {
        hf_quic_line_flush(q);
        return q;
    }
    hf_quic_line_free(q);
    return NULL;
}

/* ---- datagrams ---------------------------------------------------------------------------------------------- */

static void receive(hf_quic_line *q, hf_time now)
{
    hf_udp_datagram some[HF_UDP_BATCH];
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        const size_t n = hf_udp_receive(q->udp, q->options.room, some);
        for (size_t i = 0; i < n; i++) {
            hf_quic_input in = { .ecn = some[i].ecn, .segment = some[i].segment, .bytes = some[i].bytes };
            hf_quic_info info;
            hf_quic_info_of(q->quic, &info);
            in.path.local = info.path.local; /* bound to any: which address it came to, nobody asked */
            hf_address_map(&some[i].remote, in.path.remote.ip);
            in.path.remote.port = some[i].remote.port;
            in.path.remote.zone = some[i].remote.scope;
            (void)hf_quic_endpoint_input(q->endpoint, now, &in).code; /* what is dropped is nothing to us */
        }
        if (n < HF_UDP_BATCH)
            return;
    }
}

static void emit(hf_quic_line *q, hf_time now)
{
    hf_extent piece;
    hf_quic_output output;
    hf_quic_endpoint_event e;
    while (hf_quic_endpoint_step(q->endpoint, now, &e) == HF_EVENT)
        ;
    for (;;) {
        hf_out out = { .pieces = &piece, .capacity = 1, .scratch = q->scratch, .scratch_capacity = SCRATCH, .room = UINT64_MAX };
        if (!hf_quic_endpoint_emit(q->endpoint, now, &out, &output))
            return;
        hf_udp_datagram d = { .ecn = output.ecn, .segment = output.segment, .bytes = { q->scratch, output.length }, .local = *hf_udp_address(q->udp) };
        hf_address_unmap(output.path.remote.ip, &d.remote); /* where it began, or where the server prefers to be */
        d.remote.port = output.path.remote.port;
        d.remote.scope = output.path.remote.zone;
        (void)hf_udp_send(q->udp, &d); /* what does not leave is lost, as on the way */
    }
}

/* ---- QUIC --------------------------------------------------------------------------------------------------- */

static lane_row *find_lane(hf_quic_line *q, hf_lane lane)
{
    for (size_t i = 0; i < q->lane_count; i++)
        if (q->lanes[i].lane == lane)
            return &q->lanes[i];
    return NULL;
}

static bool add_lane(hf_quic_line *q, hf_lane lane)
{
    if (q->lane_count == LANES)
        return false;
    q->lanes[q->lane_count++] = (lane_row){ .lane = lane };
    return true;
}

void hf_quic_line_hold(hf_quic_line *q, hf_lane lane, bool held)
{
    lane_row *const row = find_lane(q, lane);
    if (row != NULL)
        row->held = held;
}

static void begin_http(hf_quic_line *q, hf_time now)
{
    hf_lane own[3];
    q->http3 = hf_http3_client_new(q->options.env, 1, now, NULL);
    for (size_t i = 0; i < HF_COUNT(own); i++)
        if (q->http3 == NULL || hf_quic_open(q->quic, HF_LANE_UNIDIRECTIONAL, &own[i]).code != 0) {
            q->over = true; /* RFC 9114 6.2: a server that allows fewer than three cannot be talked to */
            q->err = hf_err_make(q->http3 == NULL ? HF_ERR_BASE_MEMORY : HF_ERR_QUIC_STREAMS);
            return;
        }
    hf_http3_begin(q->http3, own[0], own[1], own[2]);
}

static void hear_quic(hf_quic_line *q, const hf_quic_event *e, hf_time now)
{
    lane_row *row;
    switch (e->kind) {
    case HF_QUIC_WANT_VERIFY:
        q->refused = q->options.judge(q->options.self, e->tls.chain, e->tls.host);
        hf_quic_answer_verify(q->quic, now, q->refused);
        break;
    case HF_QUIC_OPENED: begin_http(q, now); break;
    case HF_QUIC_STREAM:
        if (q->http3 != NULL && add_lane(q, e->lane))
            hf_http3_lane_opened(q->http3, now, e->lane);
        break;
    case HF_QUIC_WRITABLE:
        if (q->http3 != NULL)
            hf_http3_hold(q->http3, now, e->lane, false);
        break;
    case HF_QUIC_ENDED:
        row = find_lane(q, e->lane);
        if (q->http3 != NULL && e->ending.kind != HF_ENDING_FIN)
            hf_http3_lane_ended(q->http3, now, e->lane, e->ending);
        else if (row != NULL)
            row->fin = true;
        break;
    default: break;
    }
}

static bool drain_quic(hf_quic_line *q, hf_time now)
{
    hf_quic_event e;
    hf_step s;
    bool any = false;
    while (!q->over && (s = hf_quic_next(q->quic, now, &e)) != HF_IDLE) {
        any = true;
        if (s == HF_EVENT) {
            hear_quic(q, &e, now);
            continue;
        }
        const hf_quic_fault *const f = hf_quic_fault_of(q->quic);
        q->over = true;
        q->clean = s == HF_CLOSED;
        q->err = f->tls != NULL && f->tls->err.code != 0 ? f->tls->err : f->err.code != 0 ? f->err : hf_err_make(HF_ERR_HTTP3_PEER_CLOSED);
    }
    return any;
}

/* ---- HTTP/3 ------------------------------------------------------------------------------------------------- */

/* What HTTP/3 has to say goes to its lanes. */
static bool push(hf_quic_line *q, hf_time now)
{
    hf_http3_turn turn;
    bool any = false, fin;
    while (q->http3 != NULL && hf_http3_next(q->http3, now, &turn)) {
        hf_extent pieces[PIECES];
        hf_out out = { .pieces = pieces, .capacity = PIECES, .scratch = q->scratch, .scratch_capacity = SCRATCH, .room = UINT64_MAX };
        if (turn.aborts) {
            (void)hf_quic_end(q->quic, turn.lane, turn.ending).code; /* a lane that is over needs no end */
            any = true;
            continue;
        }
        if (turn.lane != HF_HTTP3_NO_LANE)
            out.room = hf_quic_room(q->quic, turn.lane);
        (void)hf_http3_emit(q->http3, now, turn.lane, &out, &fin);
        if (turn.lane == HF_HTTP3_NO_LANE)
            continue;
        if (out.count == 0 && !fin) {
            hf_http3_hold(q->http3, now, turn.lane, true);
            continue;
        }
        for (size_t i = 0; i < out.count; i++) /* a lane that waits for its acknowledgement outlives what was lent to it */
            pieces[i].kind = HF_EXTENT_COPIED;
        (void)hf_quic_put(q->quic, turn.lane, pieces, out.count);
        if (fin)
            (void)hf_quic_end(q->quic, turn.lane, (hf_ending){ HF_ENDING_FIN, 0 }).code;
        any = true;
    }
    return any;
}

static hf_step step_lane(hf_quic_line *q, hf_time now, hf_lane lane, bool fin, hf_http3_event *event, bool *moved)
{
    uint8_t nothing[1];
    const hf_span held = lane == HF_HTTP3_NO_LANE ? (hf_span){ NULL, 0 } : hf_quic_peek(q->quic, lane);
    hf_in in = { .ptr = held.len > 0 ? held.ptr : nothing, .len = held.len, .fin = fin };
    const hf_step s = hf_http3_step(q->http3, now, lane, &in, event);
    if (s == HF_EVENT) { /* http3.h: "deal with an event before the lane's buffer moves" */
        q->lent_lane = lane;
        q->used = in.used;
        q->untaken = event->kind == HF_HTTP3_BODY ? event->body.len : 0;
        q->lends = true;
        return s;
    }
    if (in.used > 0)
        hf_quic_take(q->quic, lane, in.used);
    *moved = *moved || in.used > 0;
    if (s == HF_FAULT || s == HF_CLOSED) {
        q->err = hf_http3_fault(q->http3)->err;
        q->err = q->err.code != 0 ? q->err : hf_err_make(HF_ERR_HTTP3_PEER_CLOSED);
        q->over = true;
        hf_quic_close(q->quic, now, hf_http3_close_code(q->http3), hf_bytes_make(NULL, 0));
    }
    return s;
}

static void forget_dead_lanes(hf_quic_line *q)
{
    for (size_t i = q->lane_count; i-- > 0;)
        if (!hf_quic_has(q->quic, q->lanes[i].lane))
            q->lanes[i] = q->lanes[--q->lane_count];
}

/* One round over all lanes. HF_EVENT: *event. */
static hf_step step_lanes(hf_quic_line *q, hf_time now, hf_http3_event *event, bool *moved)
{
    hf_step s = step_lane(q, now, HF_HTTP3_NO_LANE, false, event, moved);
    for (size_t i = 0; i < q->lane_count && s != HF_EVENT && !q->over; i++) {
        q->cursor = (q->cursor + 1) % q->lane_count;
        const lane_row row = q->lanes[q->cursor];
        if (row.held)
            continue;
        s = step_lane(q, now, row.lane, row.fin, event, moved);
        if (s == HF_EVENT)
            q->cursor = (q->cursor + q->lane_count - 1) % q->lane_count; /* the same again: it may have more */
    }
    return s;
}

void hf_quic_line_take(hf_quic_line *q)
{
    if (!q->lends)
        return;
    if (q->used > 0)
        hf_quic_take(q->quic, q->lent_lane, q->used);
    if (q->untaken > 0)
        hf_http3_take(q->http3, q->lent_lane, q->untaken);
    q->used = q->untaken = 0;
    q->lends = false;
}

hf_step hf_quic_line_step(hf_quic_line *q, hf_http3_event *event)
{
    const hf_time now = now_of(q);
    hf_quic_line_take(q);
    if (!q->over)
        receive(q, now);
    for (bool moved = true; moved && !q->over;) {
        hf_quic_endpoint_event e;
        while (hf_quic_endpoint_step(q->endpoint, now, &e) == HF_EVENT)
            ;
        moved = drain_quic(q, now);
        if (q->http3 != NULL && !q->over && step_lanes(q, now, event, &moved) == HF_EVENT)
            return HF_EVENT;
        moved = push(q, now) || moved;
    }
    forget_dead_lanes(q);
    emit(q, now);
    if (q->refused.code != 0 && !q->over) {
        q->over = true;
        q->err = q->refused;
    }
    return q->over ? (q->clean ? HF_CLOSED : HF_FAULT) : HF_IDLE;
}

void hf_quic_line_flush(hf_quic_line *q)
{
    const hf_time now = now_of(q);
    if (q->lends) /* a lane that is given up here would take the event with it: the next step is soon enough */
        return;
    (void)push(q, now);
    emit(q, now);
}

void hf_quic_line_free(hf_quic_line *q)
{
    if (q == NULL)
        return;
    if (q->quic != NULL && !q->over)
        hf_quic_close(q->quic, now_of(q), HF_HTTP3_NO_ERROR, hf_bytes_make(NULL, 0));
    if (q->quic != NULL && q->udp != NULL)
        emit(q, now_of(q));
    if (q->quic != NULL)
        hf_quic_free(q->quic);
    hf_http3_free(q->http3);
    hf_quic_endpoint_free(q->endpoint);
    if (q->udp != NULL)
        q->options.io->ops->unwatch(q->options.io, hf_udp_descriptor(q->udp));
    hf_udp_free(q->udp);
    hf_free(&q->options.env->alloc, q, sizeof *q);
}

hf_time hf_quic_line_wake(const hf_quic_line *q)
{
    const hf_time at = q->over ? HF_NEVER : hf_quic_endpoint_wake(q->endpoint);
    return q->http3 != NULL && !q->over ? hf_time_earlier(at, hf_http3_wake(q->http3)) : at;
}

bool hf_quic_line_is_open(const hf_quic_line *q)
{
    return q->http3 != NULL && !q->over;
}

hf_err hf_quic_line_fault(const hf_quic_line *q)
{
    return q->err;
}

hf_http3 *hf_quic_line_http3(hf_quic_line *q)
{
    return q->http3;
}

hf_quic *hf_quic_line_quic(hf_quic_line *q)
{
    return q->quic;
}

hf_err hf_quic_line_open_lane(hf_quic_line *q, hf_lane *lane)
{
    if (q->lane_count == LANES)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    const hf_err err = hf_quic_open(q->quic, HF_LANE_BIDIRECTIONAL, lane);
    if (err.code == 0)
        (void)add_lane(q, *lane);
    return err;
}

uint64_t hf_quic_line_openable(const hf_quic_line *q)
{
    const uint64_t room = LANES - q->lane_count, n = hf_quic_openable(q->quic, HF_LANE_BIDIRECTIONAL);
    return n < room ? n : room;
}
