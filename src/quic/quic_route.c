/* SPDX-License-Identifier: Apache-2.0
 *
 * Paths (RFC 9000 8 and 9): whose address is proven, challenges and their answers, moving from one to another.
 */
#include "quic_core.h"

#include "crypto_secret.h"
#include "random.h"

hf_route *hf_quic_route(hf_quic *q)
{
    return &q->routes[q->route];
}

/* False: no memory. Pointers to routes are void. */
static bool make_places(hf_quic *q)
{
    if (q->route_count == HF_QUIC_ROUTES)
        return true;
    hf_route *const more = hf_resize(&q->env->alloc, q->routes, q->route_count * sizeof *more, HF_QUIC_ROUTES * sizeof *more);
    if (more == NULL)
        return false;
    for (unsigned i = q->route_count; i < HF_QUIC_ROUTES; i++)
        more[i] = (hf_route){ .challenge_at = HF_NEVER, .give_up_at = HF_NEVER };
    q->routes = more;
    q->route_count = HF_QUIC_ROUTES;
    return true;
}

void hf_quic_routes_rest(hf_quic *q)
{
    for (unsigned i = 0; i < q->route_count; i++)
        if (i != q->route && q->routes[i].on)
            return;
    if (q->route_count == 1)
        return;
    q->routes[0] = q->routes[q->route];
    q->route = q->fallback = q->from_route = 0;
    hf_route *const one = hf_resize(&q->env->alloc, q->routes, q->route_count * sizeof *one, sizeof *one);
    if (one == NULL) { /* it could not be made smaller: no other way is there, all the same */
        for (unsigned i = 1; i < q->route_count; i++)
            q->routes[i] = (hf_route){ .challenge_at = HF_NEVER, .give_up_at = HF_NEVER };
        return;
    }
    q->routes = one;
    q->route_count = 1;
}

static bool address_equal(const hf_quic_address *a, const hf_quic_address *b, bool with_port)
{
    return memcmp(a->ip, b->ip, sizeof a->ip) == 0 && a->zone == b->zone && (!with_port || a->port == b->port);
}

bool hf_quic_address_equal(const hf_quic_address *a, const hf_quic_address *b)
{
    return address_equal(a, b, true);
}

bool hf_quic_path_equal(const hf_quic_path *a, const hf_quic_path *b)
{
    return address_equal(&a->local, &b->local, true) && address_equal(&a->remote, &b->remote, true);
}

uint64_t hf_quic_route_room(const hf_quic *q, const hf_route *r)
{
    if (r->validated || !q->server)
        return UINT64_MAX;
    /* RFC 9000 8.1: no more "than three times as many bytes as the number of bytes they have received" */
    return r->received * 3 > r->sent ? r->received * 3 - r->sent : 0;
}

static void leave_route(hf_quic *q, int i)
{
    hf_route *const r = &q->routes[i];
    if (!r->on)
        return;
    r->on = false;
    for (int k = 0; k < q->route_count; k++)
        if (q->routes[k].on && q->routes[k].id == r->id)
            return;
    if (q->their_ids[0].cid.length > 0)
        (void)hf_quic_drop_id(q, r->id);
}

/* Server: is it the address that the client was asked to go on at, or went on at before the configuration changed? */
static bool is_preferred(hf_quic *q, const hf_quic_address *local)
{
    const hf_quic_config *const config = hf_quic_config_of(q->ep);
    const hf_route *const r = hf_quic_route(q);
    return q->prefers && (address_equal(local, &config->preferred[0], true) || address_equal(local, &config->preferred[1], true) ||
                          (r->preferred && address_equal(local, &r->path.local, true)));
}

int hf_quic_route_of(hf_quic *q, const hf_quic_path *path)
{
    int room = -1;
    for (int i = 0; i < q->route_count; i++) {
        if (q->routes[i].on && hf_quic_path_equal(&q->routes[i].path, path))
            return i;
        if (i != q->route && i != q->fallback && (room < 0 || !q->routes[i].on))
            room = i;
    }
    /* RFC 9000 9: a client drops what comes from elsewhere; nobody moves before the handshake is confirmed */
    if (!q->server || !q->confirmed || (room < 0 && q->route_count == HF_QUIC_ROUTES))
        return -1;
    if (room < 0) {
        room = q->route_count; /* the first of the new ones */
        if (!make_places(q))
            return -1;
    }
    leave_route(q, room); /* with its id, if it had one of its own */
    q->routes[room] = (hf_route){ .path = *path, .on = true, .preferred = is_preferred(q, &path->local), .id = hf_quic_route(q)->id,
                                  .challenge_at = HF_NEVER, .give_up_at = HF_NEVER };
    return room;
}

void hf_quic_challenge(hf_quic *q, hf_route *r)
{
    /* an answer that is guessed would prove nothing: entropy, not the seeded generator */
    if (!hf_crypto_random(q->hs.crypto, r->challenge, sizeof r->challenge)) {
        (void)hf_quic_no_memory(q);
        return;
    }
    const int64_t timeout = hf_quic_timeout_ns(q, HF_LEVEL_APPLICATION), least = HF_SECONDS(1);
    r->challenge_due = true;
    r->challenges = 0;
    /* RFC 9000 8.2.4: "three times the larger of the current PTO or the PTO for the new path" */
    if (r->give_up_at.ns == HF_NEVER_NS)
        r->give_up_at = hf_time_after(q->now, 3 * (timeout > least ? timeout : least));
}

/* A client that moves while it still tries the server's preferred address goes on trying (RFC 9000 9.6.3). */
static bool is_tried(const hf_quic *q, const hf_route *r)
{
    return !q->server && r->on && r->preferred && !r->validated;
}

/* Client: what is still on its way to where it was is not lost because it moved. */
static void linger(hf_quic *q, hf_route *r)
{
    r->challenged = r->challenge_due = false;
    r->challenge_at = HF_NEVER;
    r->give_up_at = hf_time_after(q->now, 3 * hf_quic_timeout_ns(q, HF_LEVEL_APPLICATION));
}

static void settle_on(hf_quic *q, int before)
{
    q->fallback = q->route;
    q->tell_moved = true;
    for (int i = 0; i < q->route_count; i++)
        if (i != q->route && i != before && !is_tried(q, &q->routes[i]))
            leave_route(q, i);
    if (before >= 0)
        linger(q, &q->routes[before]);
}

static void switch_to(hf_quic *q, int to)
{
    const hf_route *const from = hf_quic_route(q);
    const bool same_host = address_equal(&from->path.remote, &q->routes[to].path.remote, false) &&
                           address_equal(&from->path.local, &q->routes[to].path.local, false);
    if (from->validated)
        q->fallback = q->route;
    q->route = (uint8_t)to;
    q->migrations++;
    hf_trace(q->env, q->now, q->id, HF_TRACE_QUIC_MOVED, q->migrations, same_host);
    if (!same_host) /* RFC 9000 9.4: a new path has a new controller, unless only the port changed */
        hf_quic_new_path_recovery(q);
}

/* Server: RFC 9000 9.5: one id is not used "when sending from more than one local address". Who has been given no other, because the
 * frames that would bring more go to where the client is no longer, shows the two to be one rather than lose it. */
static void take_own_id(hf_quic *q, hf_route *r)
{
    if (r->id != hf_quic_route(q)->id || q->their_ids[0].cid.length == 0)
        return;
    const hf_their_id *const fresh = hf_quic_fresh_id(q);
    if (fresh != NULL)
        r->id = fresh->sequence;
}

/* Server: something came to the address that it prefers. RFC 9000 9.6.2: it "MUST probe on the path toward the client from its
 * preferred address", and sends nothing but probes from there before the answer has come. */
static void probe_preferred(hf_quic *q, hf_route *r)
{
    take_own_id(q, r);
    if (!r->validated && !r->challenged && !r->challenge_due)
        hf_quic_challenge(q, r);
}

bool hf_quic_route_used(hf_quic *q, int route)
{
    hf_route *const r = &q->routes[route];
    if (route == q->route || !q->server || !q->confirmed)
        return true;
    if (hf_quic_route(q)->preferred && !r->preferred)
        return true; /* 9.6.2: it "SHOULD drop newer packets for this connection that are received on the old IP address" */
    if (r->preferred && !hf_quic_route(q)->preferred) {
        probe_preferred(q, r);
        r->wanted = true;
        if (!r->validated)
            return !q->faulted;
    }
    /* RFC 9000 9.5: a peer that took another id of ours gets another of its own */
    if (q->dcid_sequence != q->route_sequence && r->id == hf_quic_route(q)->id && q->their_ids[0].cid.length > 0) {
        const hf_their_id *const fresh = hf_quic_fresh_id(q);
        if (fresh != NULL)
            r->id = fresh->sequence;
    }
    q->route_sequence = q->dcid_sequence;
    switch_to(q, route);
    if (!r->validated)
        hf_quic_challenge(q, r);
    else
        settle_on(q, -1);
    return !q->faulted;
}

bool hf_quic_challenge_came(hf_quic *q, int route, const uint8_t data[8])
{
    hf_route *const r = &q->routes[route];
    if (q->server && r->preferred && route != q->route && !hf_quic_route(q)->preferred)
        probe_preferred(q, r);
    const uint64_t limit = q->env->limits->quic_path_answers, most = limit < HF_COUNT(r->answers) ? limit : HF_COUNT(r->answers);
    if (r->answer_count >= most) { /* CVE-2023-49295: the newest wins */
        memmove(r->answers[0], r->answers[1], sizeof r->answers - sizeof r->answers[0]);
        r->answer_count--;
    }
    memcpy(r->answers[r->answer_count++], data, 8);
    return true;
}

bool hf_quic_answer_came(hf_quic *q, const uint8_t data[8])
{
    for (int i = 0; i < q->route_count; i++) {
        hf_route *const r = &q->routes[i];
        if (!r->on || !r->challenged || !hf_secret_equal(r->challenge, data, 8))
            continue;
        r->validated = true;
        r->challenged = r->challenge_due = false;
        r->challenge_at = r->give_up_at = HF_NEVER;
        const int before = q->server || i == q->route ? -1 : q->route;
        if (i != q->route && (!q->server || r->wanted))
            switch_to(q, i);
        if (i == q->route)
            settle_on(q, before);
    }
    return true;
}

void hf_quic_route_timers(hf_quic *q)
{
    for (int i = 0; i < q->route_count; i++) {
        hf_route *const r = &q->routes[i];
        if (!r->on)
            continue;
        if (r->give_up_at.ns <= q->now.ns) {
            r->challenged = r->challenge_due = false;
            r->challenge_at = r->give_up_at = HF_NEVER;
            if (i != q->route) {
                leave_route(q, i);
            } else if (q->fallback != q->route && q->routes[q->fallback].on) {
                switch_to(q, q->fallback); /* RFC 9000 9.3.2: back to the last validated address */
                leave_route(q, i);
            } else {
                hf_quic_end_silently(q, HF_ERR_QUIC_IDLE); /* RFC 9000 9: no validated path is left */
            }
        } else if (r->challenge_at.ns <= q->now.ns) {
            r->challenge_at = HF_NEVER;
            r->challenge_due = true;
        }
    }
}

hf_time hf_quic_route_deadline(const hf_quic *q)
{
    hf_time first = HF_NEVER;
    for (int i = 0; i < q->route_count; i++)
        if (q->routes[i].on)
            first = hf_time_earlier(first, hf_time_earlier(q->routes[i].challenge_at, q->routes[i].give_up_at));
    return first;
}

/* ---- moving by our own will: clients ------------------------------------------------------------------------- */

/* Another way, that is to be proven. NULL: there is no place, or no id for it. RFC 9000 9.5: never the same id from two
 * addresses, nor to two. */
static hf_route *try_path(hf_quic *q, const hf_quic_path *path, bool preferred)
{
    int room = -1;
    if (!make_places(q))
        return NULL;
    for (int i = 0; i < q->route_count; i++) /* a free one, else one that was left not long ago */
        if (i != q->route && (!q->routes[i].on || (q->routes[i].validated && (room < 0 || q->routes[room].on))))
            room = i;
    const hf_their_id *const fresh = room >= 0 ? hf_quic_fresh_id(q) : NULL;
    if (fresh == NULL)
        return NULL;
    leave_route(q, room);
    hf_route *const r = &q->routes[room];
    *r = (hf_route){ .path = *path, .on = true, .preferred = preferred, .id = fresh->sequence, .challenge_at = HF_NEVER, .give_up_at = HF_NEVER };
    hf_quic_challenge(q, r);
    return r;
}

hf_err hf_quic_migrate(hf_quic *q, hf_time now, const hf_quic_address *local)
{
    const hf_err no = hf_err_make(HF_ERR_QUIC_MIGRATION);
    const hf_route here = *hf_quic_route(q);
    q->now = now;
    /* RFC 9000 18.2: disable_active_migration "does not prohibit connection migration after a client has acted on a
     * preferred_address" */
    if (q->server || !q->confirmed || q->state != HF_QUIC_OPEN || (q->theirs.no_migration && !here.preferred))
        return no;
    hf_quic_path path = { .local = *local, .remote = here.path.remote };
    if (hf_quic_path_equal(&path, &here.path) || try_path(q, &path, here.preferred) == NULL)
        return no;
    for (int i = 0; i < q->route_count; i++) /* 9.6.3: both addresses of the server are tried from the new one */
        if (i != q->route && is_tried(q, &q->routes[i]) && !here.preferred && !address_equal(&q->routes[i].path.local, local, true)) {
            path.remote = q->routes[i].path.remote;
            leave_route(q, i);
            (void)try_path(q, &path, true); /* without an id to spare, it is not */
            break;
        }
    hf_quic_touch(q);
    return q->faulted ? hf_err_make(q->fault.err.code) : HF_OK;
}

/* From how far something may be sent there. */
typedef enum reach { NOBODY, THIS_MACHINE, THIS_LINK, THIS_NETWORK, EVERYBODY } reach;

static bool is_of_4(const hf_quic_address *a)
{
    static const uint8_t mapped[12] = { [10] = 0xff, 0xff };
    return memcmp(a->ip, mapped, sizeof mapped) == 0;
}

static reach reach_of(const hf_quic_address *a)
{
    static const uint8_t zero[16];
    const uint8_t *const ip = a->ip, *const four = ip + 12;
    if (is_of_4(a)) {
        if (four[0] == 0 || four[0] >= 224)
            return NOBODY;
        if (four[0] == 127)
            return THIS_MACHINE;
        if (four[0] == 169 && four[1] == 254)
            return THIS_LINK;
        return four[0] == 10 || (four[0] == 172 && four[1] >> 4 == 1) || (four[0] == 192 && four[1] == 168) ? THIS_NETWORK : EVERYBODY;
    }
    if (memcmp(ip, zero, 15) == 0)
        return ip[15] == 1 ? THIS_MACHINE : NOBODY;
    if (ip[0] == 0xff)
        return NOBODY;
    if (ip[0] == 0xfe && ip[1] >> 6 == 2)
        return THIS_LINK;
    return (ip[0] & 0xfe) == 0xfc ? THIS_NETWORK : EVERYBODY;
}

const hf_quic_address *hf_quic_preferred_of(const hf_quic *q, const hf_quic_preferred *p)
{
    const hf_quic_address *const now = &q->routes[q->route].path.remote, *const to = &p->at[is_of_4(now) ? 0 : 1];
    if (to->port == 0 || is_of_4(to) != is_of_4(now) || hf_quic_config_of(q->ep)->no_preferred || address_equal(to, now, true))
        return NULL;
    /* RFC 9000 21.5.3: a server may want us to send to somebody else. Whoever is far away names nothing near us */
    const reach least = reach_of(now), got = reach_of(to);
    return got != NOBODY && got >= least ? to : NULL;
}

void hf_quic_prefer(hf_quic *q)
{
    hf_quic_path path = hf_quic_route(q)->path;
    if (q->server || q->shaking == NULL || q->shaking->preferred.port == 0 || q->state != HF_QUIC_OPEN)
        return;
    path.remote = q->shaking->preferred;
    (void)try_path(q, &path, true);
}
