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

static bool address_equal(const hf_quic_address *a, const hf_quic_address *b, bool with_port)
{
    return memcmp(a->ip, b->ip, sizeof a->ip) == 0 && a->zone == b->zone && (!with_port || a->port == b->port);
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
    for (int k = 0; k < HF_QUIC_ROUTES; k++)
        if (q->routes[k].on && q->routes[k].id == r->id)
            return;
    if (q->their_ids[0].cid.length > 0)
        (void)hf_quic_drop_id(q, r->id);
}

int hf_quic_route_of(hf_quic *q, const hf_quic_path *path)
{
    int room = -1;
    for (int i = 0; i < HF_QUIC_ROUTES; i++) {
        if (q->routes[i].on && hf_quic_path_equal(&q->routes[i].path, path))
            return i;
        if (i != q->route && i != q->fallback && (room < 0 || !q->routes[i].on))
            room = i;
    }
    /* RFC 9000 9: a client drops what comes from elsewhere; nobody moves before the handshake is confirmed */
    if (!q->server || !q->confirmed || room < 0)
        return -1;
    leave_route(q, room); /* with its id, if it had one of its own */
    q->routes[room] = (hf_route){ .path = *path, .on = true, .id = hf_quic_route(q)->id, .challenge_at = HF_NEVER, .give_up_at = HF_NEVER };
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
    /* RFC 9000 8.2.4: "three times the larger of the current PTO or the PTO for the new path" */
    if (r->give_up_at.ns == HF_NEVER_NS)
        r->give_up_at = hf_time_after(q->now, 3 * (timeout > least ? timeout : least));
}

static void settle_on(hf_quic *q)
{
    q->fallback = q->route;
    q->tell_moved = true;
    for (int i = 0; i < HF_QUIC_ROUTES; i++)
        if (i != q->route)
            leave_route(q, i);
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

bool hf_quic_route_used(hf_quic *q, int route)
{
    hf_route *const r = &q->routes[route];
    if (route == q->route || !q->server || !q->confirmed)
        return true;
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
        settle_on(q);
    return !q->faulted;
}

bool hf_quic_challenge_came(hf_quic *q, int route, const uint8_t data[8])
{
    hf_route *const r = &q->routes[route];
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
    for (int i = 0; i < HF_QUIC_ROUTES; i++) {
        hf_route *const r = &q->routes[i];
        if (!r->on || !r->challenged || !hf_secret_equal(r->challenge, data, 8))
            continue;
        r->validated = true;
        r->challenged = r->challenge_due = false;
        r->challenge_at = r->give_up_at = HF_NEVER;
        if (!q->server && i != q->route)
            switch_to(q, i);
        if (i == q->route)
            settle_on(q);
    }
    return true;
}

void hf_quic_route_timers(hf_quic *q)
{
    for (int i = 0; i < HF_QUIC_ROUTES; i++) {
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
    for (int i = 0; i < HF_QUIC_ROUTES; i++)
        if (q->routes[i].on)
            first = hf_time_earlier(first, hf_time_earlier(q->routes[i].challenge_at, q->routes[i].give_up_at));
    return first;
}

hf_err hf_quic_migrate(hf_quic *q, hf_time now, const hf_quic_address *local)
{
    int room = -1;
    const hf_err no = hf_err_make(HF_ERR_QUIC_MIGRATION);
    q->now = now;
    if (q->server || !q->confirmed || q->state != HF_QUIC_OPEN || q->theirs.no_migration)
        return no;
    for (int i = 0; i < HF_QUIC_ROUTES; i++)
        if (i != q->route && !q->routes[i].on)
            room = i;
    hf_quic_path path = hf_quic_route(q)->path;
    path.local = *local;
    if (room < 0 || hf_quic_path_equal(&path, &hf_quic_route(q)->path))
        return no;
    const hf_their_id *const fresh = hf_quic_fresh_id(q); /* RFC 9000 9.5: never the same id from two addresses */
    if (fresh == NULL)
        return no;
    q->routes[room] = (hf_route){ .path = path, .on = true, .id = fresh->sequence, .challenge_at = HF_NEVER, .give_up_at = HF_NEVER };
    hf_quic_challenge(q, &q->routes[room]);
    hf_quic_touch(q);
    return q->faulted ? hf_err_make(q->fault.err.code) : HF_OK;
}
