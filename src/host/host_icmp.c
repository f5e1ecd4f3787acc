/* SPDX-License-Identifier: Apache-2.0
 *
 * ICMP: echo, errors that others report to us, errors that we report. Everything that answers is bounded (RFC 4443 2.4 f,
 * RFC 1812 4.3.2.8): an answer must not be an amplifier.
 */
#include "host_core.h"

/* May one more leave? */
static bool may_send(hf_host *h)
{
    const uint64_t rate = h->env->limits->host_icmp_rate;
    const uint64_t earned = rate == 0 ? 0 : (uint64_t)(h->now.ns - h->icmp_at.ns) / (1000000000u / rate + 1);
    if (earned > 0) {
        h->icmp_tokens = h->icmp_tokens + earned < rate ? h->icmp_tokens + earned : rate;
        h->icmp_at = h->now;
    }
    if (h->icmp_tokens == 0) {
        h->counts.icmp_held++;
        return false;
    }
    h->icmp_tokens--;
    h->counts.icmp_out++;
    return true;
}

static void send_message(hf_host *h, const hf_ip *from, const hf_ip *to, const hf_icmp *m)
{
    const bool six = !hf_ip_is4(to);
    const hf_ip_packet ip = { .source = *from, .destination = *to, .protocol = six ? HF_PROTOCOL_ICMPV6 : HF_PROTOCOL_ICMP, .hops = 64, .whole = true };
    const size_t room = m->payload.len + 40;
    hf_parcel *p = may_send(h) ? hf_parcel_new(h, room) : NULL;
    if (p == NULL)
        return;
    const size_t header = six ? HF_IP6_HEADER : HF_IP4_HEADER;
    const size_t length = hf_icmp_write(hf_parcel_ip(h, p) + header, room, from, to, m);
    hf_host_post(h, &ip, p, length);
}

/* ---- errors that others report ---------------------------------------------------------------------------------- */

/* RFC 1191 7.1: a router that does not say its MTU has one of these. */
static uint32_t plateau_below(uint32_t length)
{
    static const uint16_t plateaus[] = { 32000, 17914, 8166, 4352, 2002, 1492, 1006, 576 };
    for (size_t i = 0; i < HF_COUNT(plateaus); i++)
        if (plateaus[i] < length)
            return plateaus[i];
    return 576;
}

static hf_err hear_error(hf_host *h, const hf_icmp *m)
{
    hf_ip_packet quoted;
    if (!hf_icmp_quoted(m, &quoted) || !hf_host_is_own(h, &quoted.source))
        return hf_err_make(HF_ERR_NET_NOT_HERE);
    if (quoted.protocol != HF_PROTOCOL_TCP)
        return HF_OK; /* QUIC finds its own path MTU (RFC 9000 14.2), and believes nobody else */
    uint32_t mtu = m->mtu;
    if (m->kind == HF_ICMP_TOO_BIG && mtu == 0)
        mtu = plateau_below(hf_get16(quoted.header.ptr + 2));
    const bool four = hf_ip_is4(&quoted.source);
    /* RFC 1122 4.2.3.9: protocol and port unreachable; RFC 4443 3.1: port unreachable, and what a firewall forbids */
    const bool hard = m->kind == HF_ICMP_UNREACHABLE && (four ? m->code == 2 || m->code == 3 : m->code == 1 || m->code == 4);
    if (m->kind == HF_ICMP_TOO_BIG || hard)
        hf_tcp_endpoint_icmp(h->tcp, h->now, &quoted.source, &quoted.destination, quoted.payload, hard, m->kind == HF_ICMP_TOO_BIG ? mtu : 0);
    return HF_OK;
}

/* ---- arrival ---------------------------------------------------------------------------------------------------- */

static hf_err answer_echo(hf_host *h, const hf_ip_packet *p, const hf_icmp *m)
{
    /* RFC 1122 3.2.2.6 lets us ignore what went to a group, and smurfs are why; nothing answers nobody */
    if (!hf_host_is_own(h, &p->destination) || hf_ip_is_any(&p->source))
        return hf_err_make(HF_ERR_NET_NOT_HERE);
    hf_icmp reply = *m;
    reply.kind = HF_ICMP_ECHO_REPLY;
    reply.code = 0;
    send_message(h, &p->destination, &p->source, &reply);
    return HF_OK;
}

hf_err hf_icmp_arrive(hf_host *h, const hf_ip_packet *p)
{
    hf_icmp m;
    const hf_err err = hf_icmp_read(p, &m);
    if (err.code)
        return err;
    h->counts.icmp_in++;
    switch (m.kind) {
    case HF_ICMP_ECHO: return answer_echo(h, p, &m);
    case HF_ICMP_UNREACHABLE:
    case HF_ICMP_TOO_BIG:
    case HF_ICMP_TIME_EXCEEDED:
    case HF_ICMP_PARAMETER: return hear_error(h, &m);
    case HF_ICMP_ROUTER_SOLICITATION:
    case HF_ICMP_ROUTER_ADVERTISEMENT:
    case HF_ICMP_NEIGHBOUR_SOLICITATION:
    case HF_ICMP_NEIGHBOUR_ADVERTISEMENT: return hf_neighbour_discover(h, p, &m);
    case HF_ICMP_ECHO_REPLY:
    case HF_ICMP_OTHER: break;
    }
    return HF_OK; /* RFC 1122 3.2.2: unknown kinds are dropped in silence */
}

/* ---- errors that we report -------------------------------------------------------------------------------------- */

void hf_icmp_refuse(hf_host *h, const hf_ip_packet *p, hf_icmp_reason why)
{
    const bool six = !hf_ip_is4(&p->destination);
    if (hf_ip_is_any(&p->source) || hf_ip_is_multicast(&p->source) || !hf_host_is_own(h, &p->destination))
        return; /* RFC 1122 3.2.2, RFC 4443 2.4 (e) */
    /* As much of the packet as fits into what every link carries: RFC 1812 4.3.2.3, RFC 4443 3.1. */
    const size_t most = six ? 1280 - HF_IP6_HEADER - 8 : 576 - HF_IP4_HEADER - 8;
    const size_t whole = p->header.len + p->payload.len; /* they lie behind one another */
    hf_icmp m = { .kind = HF_ICMP_UNREACHABLE, .code = six ? 4 : 3, .payload = hf_bytes_make(p->header.ptr, whole < most ? whole : most) };
    if (why == HF_ICMP_NO_PROTOCOL) {
        m.kind = six ? HF_ICMP_PARAMETER : HF_ICMP_UNREACHABLE; /* RFC 8200 4: code 1, "unrecognized Next Header type" */
        m.code = six ? 1 : 2;
    }
    send_message(h, &p->destination, &p->source, &m);
}
