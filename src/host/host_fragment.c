/* SPDX-License-Identifier: Apache-2.0
 *
 * Reassembly (RFC 791 3.2, RFC 8200 4.5). Parts that overlap end the packet (RFC 5722 4, for IPv4 as well: RFC 1858 and
 * teardrop). What all of them hold is bounded; when it is full, the oldest makes room.
 */
#include "host_core.h"

enum { COST = 64 }; /* of a part, beside its bytes: a flood of tiny ones must not cost more than it is charged */

static uint64_t cost_of(uint32_t length)
{
    return sizeof(hf_fragment) + COST + length;
}

static void drop(hf_host *h, hf_partial *p)
{
    hf_partial **at = &h->partials, *before = NULL;
    while (*at != p) {
        before = *at;
        at = &(*at)->next;
    }
    *at = p->next;
    if (h->partials_last == p)
        h->partials_last = before;
    while (p->parts != NULL) {
        hf_fragment *f = p->parts;
        p->parts = f->next;
        hf_free(h->alloc, f, sizeof *f + f->length);
    }
    h->partial_count--;
    h->partial_bytes -= p->cost;
    hf_free(h->alloc, p, sizeof *p);
}

static void give_up(hf_host *h, hf_partial *p)
{
    h->counts.fragments_dropped++;
    drop(h, p);
}

void hf_fragments_expire(hf_host *h)
{
    while (h->partials != NULL && h->partials->until.ns <= h->now.ns)
        give_up(h, h->partials);
}

void hf_fragments_fini(hf_host *h)
{
    while (h->partials != NULL)
        drop(h, h->partials);
}

/* RFC 791 3.2: source, destination, protocol and identification; in IPv6 without the protocol. */
static hf_partial *find(const hf_host *h, const hf_ip_packet *p)
{
    const bool four = hf_ip_is4(&p->destination);
    for (hf_partial *at = h->partials; at != NULL; at = at->next)
        if (at->id == p->id && (!four || at->protocol == p->protocol) && hf_ip_equal(&at->source, &p->source) && hf_ip_equal(&at->destination, &p->destination))
            return at;
    return NULL;
}

static hf_partial *begin(hf_host *h, const hf_ip_packet *p)
{
    while (h->partials != NULL && h->partial_count >= h->env->limits->host_fragments)
        give_up(h, h->partials);
    hf_partial *n = hf_alloc_zeroed(h->alloc, sizeof *n);
    if (n == NULL)
        return NULL;
    n->source = p->source;
    n->destination = p->destination;
    n->id = p->id;
    n->protocol = p->protocol;
    n->until = hf_time_after(h->now, (int64_t)h->env->limits->host_fragment_ns);
    if (h->partials_last != NULL)
        h->partials_last->next = n;
    else
        h->partials = n;
    h->partials_last = n;
    h->partial_count++;
    return n;
}

typedef enum verdict { GOOD, AGAIN, WRONG } verdict;

/* Where the part belongs. AGAIN: it is there already, byte for byte in its place. */
static verdict place(hf_partial *n, const hf_ip_packet *p, hf_fragment ***where)
{
    const uint32_t start = p->offset, end = start + (uint32_t)p->payload.len;
    if ((n->ended && (end > n->total || (!p->more && end != n->total))) || end == start)
        return WRONG;
    hf_fragment **at = &n->parts;
    uint32_t last = 0;
    for (; *at != NULL && (*at)->offset < start; at = &(*at)->next)
        last = (*at)->offset + (*at)->length;
    *where = at;
    if (*at != NULL && (*at)->offset == start && (*at)->length == p->payload.len)
        return AGAIN;
    if (last > start || (*at != NULL && (*at)->offset < end))
        return WRONG;
    return !p->more && *at != NULL ? WRONG : GOOD; /* nothing lies behind the last */
}

static bool make_room(hf_host *h, const hf_partial *keep, uint64_t cost)
{
    const uint64_t most = h->env->limits->host_fragment_bytes;
    while (h->partial_bytes + cost > most && h->partials != NULL && h->partials != keep)
        give_up(h, h->partials);
    return h->partial_bytes + cost <= most;
}

/* Puts the parts together as one packet, and hands it on. */
static hf_err deliver_whole(hf_host *h, hf_partial *n)
{
    const size_t size = HF_IP_HEADER_MOST + n->total;
    uint8_t *whole = hf_alloc(h->alloc, size);
    if (whole == NULL) {
        give_up(h, n);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    const hf_ip_packet header = { .source = n->source, .destination = n->destination, .protocol = n->protocol, .hops = n->hops, .ecn = n->ecn };
    const size_t at = hf_ip_write(whole, &header, n->total);
    for (const hf_fragment *f = n->parts; f != NULL; f = f->next)
        memcpy(whole + at + f->offset, f->bytes, f->length);
    const size_t length = at + n->total;
    drop(h, n);
    h->counts.reassembled++;
    hf_ip_packet p;
    const hf_host_input in = { .packet = hf_bytes_make(whole, length) };
    hf_err err = hf_ip_read(h->env->limits, in.packet, &p);
    if (err.code == 0)
        err = p.fragment ? hf_err_make(HF_ERR_NET_FRAGMENT) : hf_host_deliver(h, &p, &in);
    hf_free(h->alloc, whole, size);
    return err;
}

static hf_fragment *keep(hf_host *h, hf_partial *n, const hf_ip_packet *p)
{
    const uint64_t cost = cost_of((uint32_t)p->payload.len);
    hf_fragment *f = make_room(h, n, cost) ? hf_alloc(h->alloc, sizeof *f + p->payload.len) : NULL;
    if (f == NULL)
        return NULL;
    *f = (hf_fragment){ .offset = p->offset, .length = (uint32_t)p->payload.len };
    memcpy(f->bytes, p->payload.ptr, p->payload.len);
    n->cost += cost;
    h->partial_bytes += cost;
    n->have += f->length;
    return f;
}

hf_err hf_fragment_arrive(hf_host *h, const hf_ip_packet *p)
{
    const hf_err refused = hf_err_make(HF_ERR_NET_FRAGMENT);
    hf_fragment **where = NULL;
    h->counts.fragments_in++;
    if (p->payload.len == 0)
        return refused;
    hf_partial *n = find(h, p);
    if (n == NULL)
        n = begin(h, p);
    if (n == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    const verdict v = place(n, p, &where);
    if (v == AGAIN)
        return HF_OK;
    hf_fragment *f = v == GOOD ? keep(h, n, p) : NULL;
    if (f == NULL) {
        give_up(h, n);
        return refused;
    }
    f->next = *where;
    *where = f;
    /* RFC 3168 5.3: if any part met congestion, the whole did */
    n->ecn = p->ecn == HF_ECN_CE ? HF_ECN_CE : n->ecn == HF_ECN_CE ? n->ecn : p->ecn;
    if (p->offset == 0) {
        n->protocol = p->protocol; /* RFC 8200 4.5: of the first part's header */
        n->hops = p->hops;
    }
    if (!p->more) {
        n->ended = true;
        n->total = p->offset + f->length;
    }
    return n->ended && n->have == n->total ? deliver_whole(h, n) : HF_OK;
}
