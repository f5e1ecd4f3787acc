/* SPDX-License-Identifier: Apache-2.0
 *
 * UDP ports (RFC 768, RFC 1122 4.1).
 */
#include "host_core.h"

static hf_udp_port *find(const hf_host *h, uint16_t port)
{
    for (uint32_t i = 0; i < h->port_count; i++)
        if (h->ports[i].port == port)
            return &h->ports[i];
    return NULL;
}

hf_err hf_host_udp_bind(hf_host *h, uint16_t port, uint64_t user)
{
    if (port == 0)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (find(h, port) != NULL)
        return hf_err_make(HF_ERR_TCP_ADDRESS_IN_USE);
    if (h->port_count >= h->env->limits->host_udp_ports)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    hf_udp_port *ports = hf_resize(h->alloc, h->ports, h->port_count * sizeof *ports, (h->port_count + 1) * sizeof *ports);
    if (ports == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    h->ports = ports;
    h->ports[h->port_count++] = (hf_udp_port){ port, user };
    return HF_OK;
}

void hf_host_udp_unbind(hf_host *h, uint16_t port)
{
    hf_udp_port *p = find(h, port);
    if (p == NULL)
        return;
    const uint32_t count = h->port_count;
    *p = h->ports[count - 1];
    hf_udp_port *fewer = hf_resize(h->alloc, h->ports, count * sizeof *fewer, (count - 1) * sizeof *fewer);
    if (fewer == NULL && count > 1) { /* it could not be made smaller: a port that no datagram finds stands in */
        h->ports[count - 1].port = 0;
        return;
    }
    h->ports = fewer;
    h->port_count = count - 1;
}

static void forget(hf_host *h, hf_waiting_datagram *d)
{
    if (d != NULL)
        hf_free(h->alloc, d, d->size);
}

void hf_udp_fini(hf_host *h)
{
    forget(h, h->told);
    while (h->datagrams != NULL) {
        hf_waiting_datagram *d = h->datagrams;
        h->datagrams = d->next;
        forget(h, d);
    }
    hf_free(h->alloc, h->ports, h->port_count * sizeof *h->ports);
}

hf_err hf_udp_arrive(hf_host *h, const hf_ip_packet *p, bool checked)
{
    hf_udp u;
    const hf_err err = hf_udp_read(p, checked, &u);
    if (err.code)
        return err;
    h->counts.udp_in++;
    const hf_udp_port *port = find(h, u.destination);
    if (port == NULL) {
        h->counts.udp_nobody++;
        hf_icmp_refuse(h, p, HF_ICMP_NO_PORT);
        return hf_err_make(HF_ERR_NET_NOBODY);
    }
    const size_t size = sizeof(hf_waiting_datagram) + u.payload.len;
    hf_waiting_datagram *d = h->datagram_bytes + size <= h->env->limits->host_udp_bytes ? hf_alloc(h->alloc, size) : NULL;
    if (d == NULL) {
        h->counts.udp_dropped++;
        return hf_err_make(HF_ERR_BASE_LIMIT);
    }
    *d = (hf_waiting_datagram){ .user = port->user, .size = size };
    d->d = (hf_host_datagram){ .local = p->destination, .remote = p->source, .local_port = u.destination, .remote_port = u.source, .ecn = p->ecn,
                               .bytes = hf_bytes_make(d->bytes, u.payload.len) };
    if (u.payload.len > 0)
        memcpy(d->bytes, u.payload.ptr, u.payload.len);
    if (h->datagrams != NULL)
        h->datagrams_last->next = d;
    else
        h->datagrams = d;
    h->datagrams_last = d;
    h->datagram_bytes += size;
    return HF_OK;
}

bool hf_udp_tell(hf_host *h, hf_host_event *event)
{
    forget(h, h->told);
    h->told = h->datagrams;
    if (h->told == NULL)
        return false;
    h->datagrams = h->told->next;
    h->datagram_bytes -= h->told->size;
    *event = (hf_host_event){ .kind = HF_HOST_DATAGRAM, .user = h->told->user, .datagram = h->told->d };
    return true;
}

hf_err hf_host_udp_send(hf_host *h, hf_time now, const hf_host_datagram *d)
{
    if (h->now.ns < now.ns)
        h->now = now;
    const size_t header = hf_ip_is4(&d->remote) ? HF_IP4_HEADER : HF_IP6_HEADER;
    if (header + HF_UDP_HEADER + d->bytes.len > hf_host_mtu(h) || !hf_host_is_own(h, &d->local) || hf_ip_is4(&d->local) != hf_ip_is4(&d->remote))
        return hf_err_make(HF_ERR_BASE_USAGE);
    hf_parcel *p = hf_parcel_new(h, HF_UDP_HEADER + d->bytes.len);
    if (p == NULL)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    const hf_udp u = { .source = d->local_port, .destination = d->remote_port, .payload = d->bytes };
    uint8_t *const at = hf_parcel_ip(h, p) + header;
    hf_udp_write(at, &d->local, &d->remote, &u);
    if (d->bytes.len > 0)
        memcpy(at + HF_UDP_HEADER, d->bytes.ptr, d->bytes.len);
    const hf_ip_packet ip = { .source = d->local, .destination = d->remote, .protocol = HF_PROTOCOL_UDP, .hops = 64, .ecn = d->ecn, .whole = true };
    hf_host_post(h, &ip, p, HF_UDP_HEADER + d->bytes.len);
    h->counts.udp_out++;
    return HF_OK;
}
