/* SPDX-License-Identifier: Apache-2.0
 *
 * Connection ids (RFC 9000 5.1): ours, which we issue and the peer retires; and the peer's, the other way round.
 */
#include "quic_core.h"

#include "crypto_secret.h"

/* ---- ours --------------------------------------------------------------------------------------------------- */

bool hf_quic_issue_ids(hf_quic *q)
{
    unsigned on = 0;
    const unsigned most = q->theirs.cids < HF_QUIC_OUR_IDS ? (unsigned)q->theirs.cids : HF_QUIC_OUR_IDS;
    for (unsigned i = 0; i < HF_QUIC_OUR_IDS; i++)
        on += q->our_ids[i].on;
    for (unsigned i = 0; i < HF_QUIC_OUR_IDS && on < most; i++) {
        hf_our_id *const id = &q->our_ids[i];
        if (id->on)
            continue;
        if (!hf_quic_make_id(q->ep, q, id))
            return false;
        id->sequence = q->our_next++;
        id->due = true;
        on++;
    }
    return true;
}

bool hf_quic_retire_id(hf_quic *q, const hf_frame *f)
{
    /* RFC 9000 19.16: a number that was never sent is PROTOCOL_VIOLATION, and so is the id of the packet itself */
    if (f->id >= q->our_next || f->id == q->dcid_sequence)
        return hf_quic_fail(q, HF_ERR_QUIC_ID_REUSED, f->type, "the number of an id that was issued, and not the one in use");
    for (unsigned i = 0; i < HF_QUIC_OUR_IDS; i++) {
        hf_our_id *const id = &q->our_ids[i];
        if (!id->on || id->sequence != f->id)
            continue;
        hf_quic_table_retire(q->ep, id);
        id->on = id->due = false;
    }
    return hf_quic_issue_ids(q) || hf_quic_no_memory(q);
}

/* ---- the peer's --------------------------------------------------------------------------------------------- */

hf_their_id *hf_quic_their_id(hf_quic *q, uint64_t sequence)
{
    for (unsigned i = 0; i < HF_QUIC_THEIR_IDS; i++)
        if (q->their_ids[i].on && q->their_ids[i].sequence == sequence)
            return &q->their_ids[i];
    return NULL;
}

hf_their_id *hf_quic_fresh_id(hf_quic *q)
{
    hf_their_id *best = NULL;
    for (unsigned i = 0; i < HF_QUIC_THEIR_IDS; i++) {
        hf_their_id *const id = &q->their_ids[i];
        if (id->on && !id->used && (best == NULL || id->sequence < best->sequence))
            best = id;
    }
    if (best != NULL)
        best->used = true;
    return best;
}

/* RETIRE_CONNECTION_ID becomes due. */
static bool owe_retirement(hf_quic *q, uint64_t sequence)
{
    const uint64_t limit = q->env->limits->quic_retirements < HF_QUIC_RETIRED ? q->env->limits->quic_retirements : HF_QUIC_RETIRED;
    for (unsigned i = 0; i < q->retire_count; i++)
        if (q->retire->due[i] == sequence)
            return true;
    if (q->retire_count >= limit)
        return hf_quic_fail(q, HF_ERR_QUIC_ID_LIMIT, 0x18, "fewer ids to be retired at once (limit quic_retirements)");
    if (q->retire == NULL)
        q->retire = hf_alloc(&q->env->alloc, sizeof *q->retire);
    if (q->retire == NULL)
        return hf_quic_no_memory(q);
    q->retire->due[q->retire_count] = sequence;
    q->retire->sent[q->retire_count++] = false;
    return true;
}

bool hf_quic_drop_id(hf_quic *q, uint64_t sequence)
{
    hf_their_id *const id = hf_quic_their_id(q, sequence);
    if (id == NULL)
        return true;
    id->on = false;
    return owe_retirement(q, sequence);
}

/* Retires what the peer wants back, and gives the paths that used it another. */
static bool retire_below(hf_quic *q, uint64_t prior)
{
    if (prior <= q->retire_prior)
        return true;
    q->retire_prior = prior;
    for (unsigned i = 0; i < HF_QUIC_THEIR_IDS; i++)
        if (q->their_ids[i].on && q->their_ids[i].sequence < prior && !hf_quic_drop_id(q, q->their_ids[i].sequence))
            return false;
    return true;
}

static bool replace_on_routes(hf_quic *q)
{
    for (unsigned i = 0; i < q->route_count; i++) {
        hf_route *const r = &q->routes[i];
        if (!r->on || hf_quic_their_id(q, r->id) != NULL)
            continue;
        const hf_their_id *const fresh = hf_quic_fresh_id(q);
        if (fresh == NULL && i == q->route)
            return hf_quic_fail(q, HF_ERR_QUIC_ID_LIMIT, 0x18, "an id to go on with");
        if (fresh == NULL)
            r->on = false;
        else
            r->id = fresh->sequence;
    }
    return true;
}

/* Did it come before? Then it is here, or was retired since: a frame that is late, or sent again, gives nothing back. */
static bool came_before(hf_quic *q, uint64_t sequence)
{
    if (q->their_next == 0) { /* the one of the handshake has number 0 */
        q->their_next = 1;
        q->their_seen = 1;
    }
    if (sequence < q->their_next) {
        const uint64_t age = q->their_next - 1 - sequence;
        const bool seen = age >= 64 || (q->their_seen >> age & 1);
        q->their_seen |= age < 64 ? UINT64_C(1) << age : 0;
        return seen;
    }
    const uint64_t more = sequence + 1 - q->their_next;
    q->their_seen = (more < 64 ? q->their_seen << more : 0) | 1;
    q->their_next = sequence + 1;
    return false;
}

bool hf_quic_new_id(hf_quic *q, const hf_frame *f)
{
    const hf_cid cid = hf_cid_make(f->bytes);
    hf_their_id *room = NULL;
    if (q->their_ids[0].sequence == 0 && q->their_ids[0].cid.length == 0) /* RFC 9000 19.15 */
        return hf_quic_fail(q, HF_ERR_QUIC_ID_REUSED, f->type, "no ids from a peer that chose to have none");
    for (unsigned i = 0; i < HF_QUIC_THEIR_IDS; i++) {
        const hf_their_id *const id = &q->their_ids[i];
        if (!id->on)
            continue;
        const bool same = hf_cid_equal(&id->cid, &cid);
        if (id->sequence == f->id && same && id->has_token && hf_secret_equal(id->reset_token, f->reset_token, HF_QUIC_RESET_TOKEN))
            return retire_below(q, f->offset) && replace_on_routes(q); /* it came again */
        if (same || id->sequence == f->id)
            return hf_quic_fail(q, HF_ERR_QUIC_ID_REUSED, f->type, "one id for one sequence number");
    }
    if (came_before(q, f->id))
        return retire_below(q, f->offset) && replace_on_routes(q);
    if (f->id < q->retire_prior)
        return owe_retirement(q, f->id);
    if (!retire_below(q, f->offset))
        return false;
    for (unsigned i = 0; i < HF_QUIC_THEIR_IDS && room == NULL; i++)
        if (!q->their_ids[i].on)
            room = &q->their_ids[i];
    if (room == NULL)
        return hf_quic_fail(q, HF_ERR_QUIC_ID_LIMIT, f->type, "no more ids than active_connection_id_limit");
    *room = (hf_their_id){ .cid = cid, .sequence = f->id, .on = true, .has_token = true };
    memcpy(room->reset_token, f->reset_token, HF_QUIC_RESET_TOKEN);
    return replace_on_routes(q);
}

bool hf_quic_preferred_id(hf_quic *q, const hf_quic_preferred *p)
{
    hf_their_id *const id = &q->their_ids[1];
    if (id->on || hf_cid_equal(&q->their_ids[0].cid, &p->cid))
        return false;
    *id = (hf_their_id){ .cid = p->cid, .sequence = 1, .on = true, .has_token = true };
    memcpy(id->reset_token, p->reset_token, HF_QUIC_RESET_TOKEN);
    (void)came_before(q, 1);
    return true;
}

bool hf_quic_is_reset(const hf_quic *q, hf_bytes datagram)
{
    bool found = false;
    if (datagram.len < HF_QUIC_RESET_LEAST)
        return false;
    for (unsigned i = 0; i < HF_QUIC_THEIR_IDS; i++) { /* all of them, always: RFC 9000 10.3.1 wants no timing to tell */
        const hf_their_id *const id = &q->their_ids[i];
        const bool same = hf_secret_equal(id->reset_token, datagram.ptr + datagram.len - HF_QUIC_RESET_TOKEN, HF_QUIC_RESET_TOKEN);
        found |= id->on && id->has_token && id->used && same;
    }
    return found;
}
