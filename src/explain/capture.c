/* SPDX-License-Identifier: Apache-2.0
 *
 * A capture, connection by connection: how it began, what was sent again, who had no room, what TLS said in clear, how it ended.
 */
#include <handfast/tls.h>
#include <stdio.h>

#include "alloc.h"
#include "capture_wire.h"
#include "reading.h"
#include "tls_wire.h"

enum { TOLD = 24, PLACE = HF_IP_TEXT + 10, NAME = 80, ALERT_LENGTH = 2, EMPTY = 0 };

/* One of the two ends: what it has sent. */
typedef struct end {
    bool sent, syn, fin, rst;
    uint32_t next;       /* the sequence number behind all that was seen */
    uint64_t bytes, packets;
    uint32_t again;      /* segments with what was sent before */
    uint32_t no_room;    /* segments that say: window 0 */
    bool alert;
    uint8_t alert_number;
} end;

typedef struct connection {
    hf_ip ip[2];         /* of who began, as far as it was seen, and of the other */
    uint16_t port[2];
    bool udp, quic, hello, answered_hello;
    end ends[2];
    uint32_t syns;       /* of who began */
    int64_t began_ns, syn_ack_ns, last_ns;
    int first_fin;       /* -1: none */
    char name[NAME];     /* SNI */
} connection;

typedef struct reader {
    const hf_env *env;
    connection *all;
    size_t count, capacity;
    uint32_t *slots;     /* index + 1; EMPTY: none */
    size_t slot_count;
    uint64_t packets, other, beyond; /* neither TCP nor UDP; of connections beyond the limit, or behind its packets */
    int64_t first_ns, last_ns;
} reader;

/* ---- which connection ----------------------------------------------------------------------------------------- */

static size_t hash_end(const hf_ip *ip, uint16_t port)
{
    size_t h = port;
    for (size_t i = 0; i < sizeof ip->bytes; i++)
        h = h * 31 + ip->bytes[i];
    return h;
}

/* Whichever way it goes. */
static size_t hash_of(const hf_capture_segment *s)
{
    const size_t h = hash_end(&s->from, s->from_port) + hash_end(&s->to, s->to_port) + s->udp;
    return h * 0x9e3779b97f4a7c15u >> 20;
}

static bool is_of(const connection *c, const hf_capture_segment *s, int from)
{
    return c->udp == s->udp && c->port[from] == s->from_port && c->port[1 - from] == s->to_port && hf_ip_equal(&c->ip[from], &s->from) && hf_ip_equal(&c->ip[1 - from], &s->to);
}

static bool is_over(const connection *c)
{
    return c->ends[0].rst || c->ends[1].rst || (c->ends[0].fin && c->ends[1].fin);
}

static void begin(connection *c, const hf_capture_segment *s, int64_t ns)
{
    /* A capture that begins later: who has the smaller port is taken for the server. */
    const int from = s->syn && s->has_ack ? 1 : s->syn || s->from_port >= s->to_port ? 0 : 1;
    *c = (connection){ .udp = s->udp, .began_ns = ns, .first_fin = -1 };
    c->ip[from] = s->from;
    c->ip[1 - from] = s->to;
    c->port[from] = s->from_port;
    c->port[1 - from] = s->to_port;
}

/* NULL: there are too many. *from: which end sent it. */
static connection *find(reader *r, const hf_capture_segment *s, int64_t ns, int *from)
{
    size_t i = hash_of(s) % r->slot_count;
    for (; r->slots[i] != EMPTY; i = (i + 1) % r->slot_count) {
        connection *const c = &r->all[r->slots[i] - 1];
        *from = is_of(c, s, 0) ? 0 : is_of(c, s, 1) ? 1 : -1;
        if (*from >= 0 && !(s->syn && !s->has_ack && is_over(c)))
            return c;
        if (*from >= 0)
            break; /* the same ports again: a new connection takes the place */
    }
    if (r->count == r->capacity)
        return NULL;
    connection *const c = &r->all[r->count];
    begin(c, s, ns);
    r->slots[i] = (uint32_t)++r->count;
    *from = is_of(c, s, 0) ? 0 : 1;
    return c;
}

/* ---- TLS in clear --------------------------------------------------------------------------------------------- */

/* RFC 6066 3: of the ClientHello, as far as its first segment has it. */
static void read_name(connection *c, hf_bytes hello)
{
    hf_reader r = hf_reader_make(hello);
    (void)hf_read(&r, 5 + 4 + 2 + 32);
    (void)hf_read_vector(&r, 1);
    (void)hf_read_vector(&r, 2);
    (void)hf_read_vector(&r, 1);
    (void)hf_read_number(&r, 2);
    while (!r.bad && hf_reader_left(&r) >= 4) {
        const uint64_t type = hf_read_number(&r, 2);
        hf_reader body = hf_reader_make(hf_read_vector(&r, 2));
        if (type != 0 || r.bad)
            continue;
        (void)hf_read_number(&body, 3); /* of the list, and host_name */
        const hf_bytes name = hf_read_vector(&body, 2);
        if (!body.bad)
            snprintf(c->name, sizeof c->name, "%.*s", name.len < NAME - 1 ? (int)name.len : NAME - 1, (const char *)name.ptr);
        return;
    }
}

static void read_tls(connection *c, int from, hf_bytes payload)
{
    end *const e = &c->ends[from];
    if (payload.len < 6 || payload.ptr[1] != 3)
        return;
    if (payload.ptr[0] == HF_RECORD_HANDSHAKE && payload.ptr[5] == HF_MESSAGE_CLIENT_HELLO && !c->hello) {
        c->hello = true;
        read_name(c, payload);
    }
    if (payload.ptr[0] == HF_RECORD_HANDSHAKE && payload.ptr[5] == HF_MESSAGE_SERVER_HELLO)
        c->answered_hello = true;
    /* Two bytes: in clear. close_notify (0) is no complaint. */
    if (payload.ptr[0] == HF_RECORD_ALERT && payload.ptr[3] == 0 && payload.ptr[4] == ALERT_LENGTH && payload.len >= 7 && payload.ptr[6] != 0) {
        e->alert = true;
        e->alert_number = payload.ptr[6];
    }
}

/* ---- a segment ------------------------------------------------------------------------------------------------ */

static void see_tcp(connection *c, int from, const hf_capture_segment *s, int64_t ns)
{
    end *const e = &c->ends[from];
    const uint32_t length = s->length + s->syn + s->fin, last = s->seq + length;
    if (s->syn && !s->has_ack)
        c->syns++;
    if (s->syn && s->has_ack && c->syn_ack_ns == 0)
        c->syn_ack_ns = ns;
    /* RFC 9293 3.8.1: what lies before NXT was sent before. A keep-alive repeats one byte at most, on purpose (3.8.4). */
    const bool old = e->sent && length > 0 && (int32_t)(last - e->next) <= 0;
    const bool keep_alive = s->length <= 1 && s->seq == e->next - 1;
    if (old && !keep_alive && !(s->syn && !s->has_ack))
        e->again++;
    if (!e->sent || (int32_t)(last - e->next) > 0)
        e->next = last;
    e->sent = true;
    e->syn = e->syn || s->syn;
    e->rst = e->rst || s->rst;
    if (s->fin && !e->fin) {
        e->fin = true;
        c->first_fin = c->first_fin < 0 ? from : c->first_fin;
    }
    e->no_room += s->window == 0 && !s->rst && !s->syn;
    e->bytes += old ? 0 : s->length;
    read_tls(c, from, s->payload);
}

static void see(reader *r, const hf_capture_packet *p)
{
    hf_capture_segment s;
    int from;
    r->first_ns = r->packets == 0 ? p->ns : r->first_ns;
    r->last_ns = p->ns;
    if (++r->packets > r->env->limits->capture_packets) {
        r->beyond++;
        return;
    }
    if (!hf_capture_segment_read(p, &s)) {
        r->other++;
        return;
    }
    connection *const c = find(r, &s, p->ns, &from);
    if (c == NULL) {
        r->beyond++;
        return;
    }
    c->last_ns = p->ns;
    c->ends[from].packets++;
    if (!s.udp) {
        see_tcp(c, from, &s, p->ns);
        return;
    }
    c->ends[from].sent = true;
    c->ends[from].bytes += s.length;
    c->quic = c->quic || (s.payload.len >= 1200 && (s.payload.ptr[0] & 0xc0) == 0xc0); /* RFC 9000 17.2: a long header, in a datagram of an Initial */
}

/* ---- words ---------------------------------------------------------------------------------------------------- */

static void place(const connection *c, int which, char text[PLACE])
{
    char ip[HF_IP_TEXT];
    hf_ip_print(&c->ip[which], ip);
    snprintf(text, PLACE, hf_ip_is4(&c->ip[which]) ? "%s:%u" : "[%s]:%u", ip, c->port[which]);
}

static const char *ending_of(const connection *c)
{
    if (c->ends[0].rst || c->ends[1].rst)
        return c->ends[0].rst ? "reset by the client" : "reset by the server";
    if (c->ends[0].fin && c->ends[1].fin)
        return c->first_fin == 0 ? "closed, the client first: TIME_WAIT is with it, for 60 s" : "closed, the server first: TIME_WAIT is with it, for 60 s";
    return c->ends[0].fin ? "closed by the client alone" : c->ends[1].fin ? "closed by the server alone" : "open at the end of the capture";
}

static void tell(const connection *c, hf_reading *r)
{
    char from[PLACE], to[PLACE], trip[48] = "";
    place(c, 0, from);
    place(c, 1, to);
    if (c->udp) {
        hf_reading_fact(r, "%s -> %s: %s, %llu packets there, %llu back", from, to, c->quic ? "QUIC" : "UDP", (unsigned long long)c->ends[0].packets, (unsigned long long)c->ends[1].packets);
        return;
    }
    if (c->syn_ack_ns != 0 && c->ends[0].syn)
        snprintf(trip, sizeof trip, "handshake in %.1f ms, ", (double)(c->syn_ack_ns - c->began_ns) / 1e6);
    hf_reading_fact(r, "%s -> %s: %s%s%s%s%s%llu bytes there, %llu back, %.1f ms; %s", from, to, trip, c->hello ? "TLS" : "", c->name[0] != 0 ? " for " : "", c->name, c->hello ? ", " : "", (unsigned long long)c->ends[0].bytes,
        (unsigned long long)c->ends[1].bytes, (double)(c->last_ns - c->began_ns) / 1e6, ending_of(c));
}

static void judge_beginning(const connection *c, const char *from, const char *to, hf_finding_list *l)
{
    const bool quiet = c->ends[0].sent && !c->ends[1].sent, explained = c->first_fin >= 0 || c->ends[0].alert || c->ends[1].alert;
    if (c->udp && c->quic && quiet)
        hf_finding_say(l, HF_WEIGHT_WRONG, hf_err_make(HF_ERR_EXPLAIN_H3_NO_ANSWER), "QUIC", "%s sends to %s, and nothing comes back", from, to);
    if (c->udp)
        return;
    if (c->ends[0].syn && quiet)
        hf_finding_say(l, HF_WEIGHT_WRONG, hf_err_make(HF_ERR_EXPLAIN_SYN_UNANSWERED), "TCP", "%s sends %u SYN to %s, and nothing comes back", from, c->syns, to);
    else if (c->ends[0].syn && !c->ends[1].syn && c->ends[1].rst)
        hf_finding_say(l, HF_WEIGHT_WRONG, hf_err_make(HF_ERR_EXPLAIN_SYN_REFUSED), "TCP", "%s answers the SYN of %s with RST", to, from);
    else if (c->ends[0].rst || (c->ends[1].rst && c->ends[1].syn) || (c->ends[1].rst && !c->ends[0].syn))
        hf_finding_say(l, explained ? HF_WEIGHT_NOTE : HF_WEIGHT_WRONG, hf_err_make(HF_ERR_EXPLAIN_RESET_SEEN), "TCP", "%s resets %s -> %s%s after %llu bytes there and %llu back%s",
            c->ends[0].rst ? from : to, from, to, c->name[0] != 0 ? ", TLS," : "", (unsigned long long)c->ends[0].bytes, (unsigned long long)c->ends[1].bytes,
            c->hello && !c->answered_hello ? ", right behind the ClientHello" : c->first_fin >= 0 ? ", which was closing" : "");
    else if (c->hello && !c->answered_hello && c->ends[1].bytes == 0)
        hf_finding_say(l, HF_WEIGHT_WRONG, hf_err_make(HF_ERR_EXPLAIN_HELLO_UNANSWERED), "TLS", "%s says nothing to the ClientHello of %s", to, from);
}

static void judge(const connection *c, hf_finding_list *l)
{
    char at[2][PLACE];
    place(c, 0, at[0]);
    place(c, 1, at[1]);
    judge_beginning(c, at[0], at[1], l);
    for (int i = 0; i < 2 && !c->udp; i++) {
        const end *const e = &c->ends[i];
        if (e->alert)
            hf_finding_say(l, HF_WEIGHT_WRONG, hf_err_make(HF_ERR_EXPLAIN_ALERT_SEEN), "TLS", "%s says %s (%u) to %s", at[i], hf_tls_alert_name(e->alert_number), e->alert_number, at[1 - i]);
        if (e->again > 0)
            hf_finding_say(l, e->again * 50 > e->packets ? HF_WEIGHT_WEAK : HF_WEIGHT_NOTE, hf_err_make(HF_ERR_EXPLAIN_SEGMENTS_AGAIN), "TCP", "%s sends %u of %llu segments to %s again", at[i], e->again,
                (unsigned long long)e->packets, at[1 - i]);
        if (e->no_room > 0)
            hf_finding_say(l, HF_WEIGHT_WEAK, hf_err_make(HF_ERR_EXPLAIN_WINDOW_CLOSED), "TCP", "%s says %u times that it has no room for what %s sends", at[i], e->no_room, at[1 - i]);
        if (e->fin && !c->ends[1 - i].fin && !c->ends[1 - i].rst && !e->rst)
            hf_finding_say(l, HF_WEIGHT_NOTE, hf_err_make(HF_ERR_EXPLAIN_HALF_CLOSED), "TCP", "%s closed, and %s did not", at[i], at[1 - i]);
    }
}

/* ---- all ------------------------------------------------------------------------------------------------------ */

static void report(const reader *r, const hf_capture_file *f, hf_reading *out)
{
    hf_reading_fact(out, "%llu packets in %.3f s: %zu connections%s", (unsigned long long)r->packets, (double)(r->last_ns - r->first_ns) / 1e9, r->count,
        r->other > 0 ? ", and packets of other protocols" : "");
    for (size_t i = 0; i < r->count; i++) {
        if (i < TOLD)
            tell(&r->all[i], out);
        judge(&r->all[i], &out->findings);
    }
    if (r->count > TOLD)
        hf_reading_fact(out, "and %zu more", r->count - TOLD);
    if (f->cut)
        hf_finding_say(&out->findings, HF_WEIGHT_WEAK, hf_err_make(HF_ERR_EXPLAIN_FILE_CUT), "file", "what follows packet %llu is cut or malformed", (unsigned long long)r->packets);
    if (r->beyond > 0)
        hf_finding_say(&out->findings, HF_WEIGHT_NOTE, hf_err_make(HF_ERR_EXPLAIN_FILE_LARGE), "file", "%llu packets were not looked at", (unsigned long long)r->beyond);
}

hf_err hf_reading_capture(const hf_env *env, hf_bytes file, hf_reading *out)
{
    reader r = { .env = env, .capacity = (size_t)env->limits->capture_connections };
    hf_capture_file f;
    hf_capture_packet p;
    r.slot_count = 2 * r.capacity + 1;
    r.all = hf_alloc(&env->alloc, r.capacity * sizeof *r.all);
    r.slots = hf_alloc_zeroed(&env->alloc, r.slot_count * sizeof *r.slots);
    const bool ready = r.all != NULL && r.slots != NULL;
    if (ready && hf_capture_open(&f, file)) {
        while (hf_capture_next(&f, &p))
            see(&r, &p);
        report(&r, &f, out);
    }
    hf_free(&env->alloc, r.slots, r.slot_count * sizeof *r.slots);
    hf_free(&env->alloc, r.all, r.capacity * sizeof *r.all);
    return ready ? HF_OK : hf_err_make(HF_ERR_BASE_MEMORY);
}
