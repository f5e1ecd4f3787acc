/* SPDX-License-Identifier: Apache-2.0
 *
 * The endpoint: whose datagram it is, new connections, and answers without a connection: Version Negotiation, Retry,
 * stateless reset (RFC 9000 5.2, 6, 8.1, 10.3).
 */
#include "crypto_secret.h"
#include "panic.h"
#include "quic_core.h"
#include "quic_token.h"
#include "random.h"

/* An answer without a connection. */
typedef struct reply {
    struct reply *next;
    hf_quic_path path;
    size_t length;
    uint8_t bytes[256];
} reply;

struct hf_quic_endpoint {
    const hf_env *env;
    hf_quic_config config;
    hf_quic_secrets secrets;
    hf_timers timers;
    hf_time now;
    hf_our_id **buckets;
    uint32_t bucket_count, id_count;
    uint64_t hash[8];        /* of the table: ids of new connections are the clients' choice */
    hf_link ready, noticed, all;
    reply *replies, **last_reply;
    uint64_t reply_count;
    hf_cid retired[32];      /* ids that peers gave up last, in a ring */
    uint32_t retired_next;
    uint64_t reset_level;    /* the bucket of limit quic_reset_rate, in billionths */
    hf_time reset_at;
    hf_quic_space no_space;
    hf_stream *spares;       /* of streams that are over: linked by `bucket` */
    uint32_t spare_count;
    hf_quic_counts counts;
};

#define QUIC_OF(link, member) ((hf_quic *)((uint8_t *)(link) - offsetof(hf_quic, member)))

/* ---- life --------------------------------------------------------------------------------------------------- */

hf_quic_endpoint *hf_quic_endpoint_new(const hf_env *env, const hf_quic_config *config, hf_time now)
{
    hf_quic_endpoint *ep = hf_alloc_zeroed(&env->alloc, sizeof *ep);
    if (ep == NULL)
        return NULL;
    ep->env = env;
    ep->config = *config;
    ep->now = ep->reset_at = now;
    ep->last_reply = &ep->replies;
    ep->reset_level = env->limits->quic_reset_rate * 1000000000;
    ep->no_space = (hf_quic_space){ .ack_at = HF_NEVER, .loss_at = HF_NEVER, .largest_acked = UINT64_MAX, .eliciting_at = { -1 }, .gone = true };
    hf_timers_init(&ep->timers, &env->alloc);
    hf_list_init(&ep->ready);
    hf_list_init(&ep->noticed);
    hf_list_init(&ep->all);
    if (!hf_quic_secrets_init(&ep->secrets, config->tls->crypto, config->secret, config->machine, config->thread) ||
        !hf_crypto_random(config->tls->crypto, ep->hash, sizeof ep->hash)) {
        hf_quic_endpoint_free(ep);
        return NULL;
    }
    return ep;
}

void hf_quic_endpoint_free(hf_quic_endpoint *ep)
{
    if (ep == NULL)
        return;
    const hf_env *const env = ep->env;
    while (!hf_list_is_empty(&ep->all)) {
        hf_quic *const q = QUIC_OF(ep->all.next, all);
        if (q->state != HF_QUIC_OVER)
            hf_quic_move(q, HF_QUIC_OVER);
        hf_quic_destroy(q);
    }
    hf_quic_spares_free(ep);
    for (reply *r = ep->replies, *next; r != NULL; r = next) {
        next = r->next;
        hf_free(&env->alloc, r, sizeof *r);
    }
    hf_timers_fini(&ep->timers);
    hf_free(&env->alloc, ep->buckets, ep->bucket_count * sizeof(hf_our_id *));
    hf_quic_secrets_fini(&ep->secrets);
    hf_wipe(ep, sizeof *ep);
    hf_free(&env->alloc, ep, sizeof *ep);
}

hf_stream *hf_quic_spare_take(hf_quic_endpoint *ep)
{
    hf_stream *const s = ep->spares;
    if (s != NULL) {
        ep->spares = s->bucket;
        ep->spare_count--;
    }
    return s;
}

bool hf_quic_spare_give(hf_quic_endpoint *ep, hf_stream *s)
{
    if (ep->spare_count >= HF_QUIC_SPARES)
        return false;
    s->bucket = ep->spares;
    ep->spares = s;
    ep->spare_count++;
    return true;
}

void hf_quic_spares_free(hf_quic_endpoint *ep)
{
    for (hf_stream *s; (s = hf_quic_spare_take(ep)) != NULL;)
        hf_stream_free_spare(s, &ep->env->alloc);
}

const hf_env *hf_quic_env(const hf_quic_endpoint *ep)
{
    return ep->env;
}

hf_quic_space *hf_quic_no_space(hf_quic_endpoint *ep)
{
    return &ep->no_space;
}

const hf_quic_config *hf_quic_config_of(const hf_quic_endpoint *ep)
{
    return &ep->config;
}

void hf_quic_endpoint_accept(hf_quic_endpoint *ep, bool accept)
{
    ep->config.accept = accept;
}

void hf_quic_endpoint_retarget(hf_quic_endpoint *ep, const hf_tls_config *tls)
{
    ep->config.tls = tls;
}

void hf_quic_endpoint_settings(hf_quic_endpoint *ep, uint64_t settings)
{
    ep->config.settings = settings;
}

void hf_quic_endpoint_prefer(hf_quic_endpoint *ep, const hf_quic_address preferred[2])
{
    memcpy(ep->config.preferred, preferred, sizeof ep->config.preferred);
}

bool hf_quic_endpoint_uses(const hf_quic_endpoint *ep, const hf_tls_config *tls)
{
    for (const hf_link *link = ep->all.next; link != &ep->all; link = link->next)
        if (QUIC_OF(link, all)->hs.config == tls)
            return true;
    return false;
}

int hf_quic_thread_of(hf_bytes datagram)
{
    hf_quic_header h;
    if (hf_quic_header_read(datagram, HF_QUIC_ID, &h).code != 0 || h.dcid.length != HF_QUIC_ID)
        return -1;
    return h.kind == HF_QUIC_SHORT || h.kind == HF_QUIC_HANDSHAKE ? h.dcid.bytes[0] : -1;
}

void hf_quic_endpoint_counts(const hf_quic_endpoint *ep, hf_quic_counts *counts)
{
    *counts = ep->counts;
}

void hf_quic_count_forged(hf_quic_endpoint *ep)
{
    ep->counts.undecryptable++;
}

/* ---- the table ---------------------------------------------------------------------------------------------- */

/* Multilinear hashing with keys from entropy: whoever chooses an id without knowing them finds no collisions. The sum grows by a fixed
 * step from one id to the next where they count up, and with some keys such steps meet in few places: it is mixed before it is cut. */
static uint32_t slot(const hf_quic_endpoint *ep, const hf_cid *cid)
{
    uint64_t sum = ep->hash[0] + ep->hash[1] * cid->length;
    for (unsigned i = 0; i < 5; i++) {
        uint32_t word;
        memcpy(&word, cid->bytes + 4 * i, 4);
        sum += ep->hash[2 + i] * word;
    }
    sum ^= sum >> 32;
    sum *= 0x9e3779b97f4a7c15u;
    return (uint32_t)(sum >> 32) & (ep->bucket_count - 1);
}

static hf_our_id *find(const hf_quic_endpoint *ep, const hf_cid *cid)
{
    hf_our_id *id = ep->bucket_count == 0 ? NULL : ep->buckets[slot(ep, cid)];
    while (id != NULL && !hf_cid_equal(&id->cid, cid))
        id = id->bucket;
    return id;
}

static bool grow(hf_quic_endpoint *ep)
{
    const uint32_t before = ep->bucket_count, count = before == 0 ? 16 : before * 2;
    hf_our_id **old = ep->buckets, **buckets = hf_alloc_zeroed(&ep->env->alloc, count * sizeof(hf_our_id *));
    if (buckets == NULL)
        return false;
    ep->buckets = buckets;
    ep->bucket_count = count;
    for (uint32_t i = 0; i < before; i++)
        for (hf_our_id *id = old[i], *next; id != NULL; id = next) {
            next = id->bucket;
            hf_our_id **const at = &buckets[slot(ep, &id->cid)];
            id->bucket = *at;
            *at = id;
        }
    hf_free(&ep->env->alloc, old, before * sizeof(hf_our_id *));
    return true;
}

bool hf_quic_table_add(hf_quic_endpoint *ep, hf_our_id *id)
{
    if (ep->id_count >= ep->bucket_count && !grow(ep))
        return false;
    hf_our_id **const at = &ep->buckets[slot(ep, &id->cid)];
    id->bucket = *at;
    *at = id;
    id->on = true;
    ep->id_count++;
    return true;
}

void hf_quic_table_remove(hf_quic_endpoint *ep, hf_our_id *id)
{
    if (!id->on)
        return;
    hf_our_id **at = &ep->buckets[slot(ep, &id->cid)];
    while (*at != id)
        at = &(*at)->bucket;
    *at = id->bucket;
    id->on = false;
    ep->id_count--;
}

uint64_t hf_quic_table_effort(const hf_quic_endpoint *ep)
{
    uint64_t looked = 0;
    for (uint32_t i = 0; i < ep->bucket_count; i++) {
        uint64_t before = 0;
        for (const hf_our_id *id = ep->buckets[i]; id != NULL; id = id->bucket)
            looked += ++before;
    }
    return ep->id_count == 0 ? 0 : looked * 100 / ep->id_count;
}

bool hf_quic_make_id(hf_quic_endpoint *ep, hf_quic *q, hf_our_id *id)
{
    id->quic = q;
    return hf_quic_id_make(&ep->secrets, &id->cid) && hf_quic_table_add(ep, id);
}

bool hf_quic_reset_token(hf_quic_endpoint *ep, const hf_cid *cid, uint8_t token[HF_QUIC_RESET_TOKEN])
{
    return hf_quic_reset_make(&ep->secrets, cid, token);
}

bool hf_quic_later_token(hf_quic_endpoint *ep, hf_time now, uint32_t version, const hf_quic_address *remote, hf_writer *w)
{
    return hf_quic_token_write(&ep->secrets, HF_QUIC_TOKEN_LATER, version, remote, now, NULL, w);
}

/* ---- what connections tell the endpoint --------------------------------------------------------------------- */

void hf_quic_schedule(hf_quic *q, hf_time wake, bool ready, bool notice)
{
    hf_quic_endpoint *const ep = q->ep;
    if (q->state != HF_QUIC_OVER) {
        /* what is due now is for emit, which sets the timer anew */
        const hf_time at = ready && wake.ns <= ep->now.ns ? hf_time_after(ep->now, 1) : wake;
        (void)hf_timer_set(&ep->timers, &q->timer, at); /* its place was reserved when the connection was made */
        if (ready && !hf_link_is_in(&q->ready))
            hf_list_push(&ep->ready, &q->ready);
    }
    if (notice)
        hf_quic_notice(q);
}

void hf_quic_notice(hf_quic *q)
{
    if (!q->orphan && !hf_link_is_in(&q->noticed))
        hf_list_push(&q->ep->noticed, &q->noticed);
}

void hf_quic_opened(hf_quic *q)
{
    hf_quic_endpoint *const ep = q->ep;
    if (q->half_open) {
        q->half_open = false;
        ep->counts.half_open--;
    }
    if (q->shaking != NULL)
        hf_quic_table_remove(ep, &q->shaking->first_id);
}

void hf_quic_forget(hf_quic *q)
{
    hf_quic_endpoint *const ep = q->ep;
    for (unsigned i = 0; i < HF_QUIC_OUR_IDS; i++)
        hf_quic_table_remove(ep, &q->our_ids[i]);
    hf_quic_opened(q);
    hf_timer_unset(&ep->timers, &q->timer);
    hf_link_leave(&q->ready);
    ep->counts.connections--;
    ep->counts.resets_in += q->fault.err.code == HF_ERR_QUIC_RESET;
}

/* A connection with its first id and its place among the timers. NULL: no memory. */
static hf_quic *make(hf_quic_endpoint *ep, hf_time now, bool server, uint32_t version, const hf_quic_path *path)
{
    hf_quic *q = hf_quic_new(ep, now, server, version, path);
    if (q == NULL)
        return NULL;
    if (!hf_quic_make_id(ep, q, &q->our_ids[0]) || !hf_timer_set(&ep->timers, &q->timer, hf_quic_deadline(q))) {
        hf_quic_table_remove(ep, &q->our_ids[0]);
        hf_quic_destroy(q);
        return NULL;
    }
    q->our_next = 1;
    q->id = hf_random_next(ep->env->random) >> 16; /* one that no other thread's connection has, either */
    hf_trace(ep->env, now, q->id, HF_TRACE_QUIC_BEGUN, server, version);
    hf_list_push(&ep->all, &q->all);
    ep->counts.connections++;
    ep->counts.half_open++;
    return q;
}

static void unmake(hf_quic *q)
{
    q->orphan = true;
    if (q->state != HF_QUIC_OVER)
        hf_quic_move(q, HF_QUIC_OVER);
    hf_quic_destroy(q);
}

/* ---- answers without a connection --------------------------------------------------------------------------- */

static reply *new_reply(hf_quic_endpoint *ep, const hf_quic_path *path)
{
    if (ep->reply_count >= ep->env->limits->quic_replies)
        return NULL;
    reply *r = hf_alloc(&ep->env->alloc, sizeof *r);
    if (r == NULL)
        return NULL;
    r->next = NULL;
    r->path = *path;
    r->length = 0;
    *ep->last_reply = r;
    ep->last_reply = &r->next;
    ep->reply_count++;
    return r;
}

static hf_err negotiate(hf_quic_endpoint *ep, const hf_quic_input *in, const hf_quic_header *h)
{
    /* RFC 9000 6.1: only to what could begin a connection */
    if (!ep->config.accept || in->bytes.len < HF_QUIC_DATAGRAM_LEAST)
        return hf_err_make(HF_ERR_QUIC_VERSION);
    reply *const r = new_reply(ep, &in->path);
    if (r == NULL)
        return hf_err_make(HF_ERR_QUIC_BUSY);
    hf_writer w = hf_writer_make(r->bytes, sizeof r->bytes);
    hf_quic_write_negotiation(&w, &h->scid, &h->dcid, (uint32_t)hf_random_next(ep->env->random));
    r->length = w.length;
    ep->counts.versions++;
    return HF_OK;
}

static hf_err send_retry(hf_quic_endpoint *ep, const hf_quic_input *in, const hf_quic_header *h)
{
    uint8_t token[HF_QUIC_TOKEN_MOST], tag[HF_QUIC_TAG];
    hf_writer t = hf_writer_make(token, sizeof token);
    hf_cid scid;
    size_t length_at;
    if (!hf_quic_id_make(&ep->secrets, &scid) || !hf_quic_token_write(&ep->secrets, HF_QUIC_TOKEN_RETRY, h->version, &in->path.remote, ep->now, &h->dcid, &t))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    reply *const r = new_reply(ep, &in->path);
    if (r == NULL)
        return hf_err_make(HF_ERR_QUIC_BUSY);
    hf_writer w = hf_writer_make(r->bytes, sizeof r->bytes);
    hf_quic_write_long(&w, h->version, HF_QUIC_RETRY, 1, &h->scid, &scid, hf_bytes_make(NULL, 0), &length_at);
    w.length = length_at; /* a Retry has neither length nor number */
    hf_write(&w, hf_written(&t));
    if (!hf_quic_retry_tag(ep->config.tls->crypto, h->version, &h->dcid, hf_written(&w), tag))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_write(&w, hf_bytes_make(tag, sizeof tag));
    HF_ASSERT(!w.overflowed);
    r->length = w.length;
    ep->counts.retries++;
    return HF_OK;
}

void hf_quic_table_retire(hf_quic_endpoint *ep, hf_our_id *id)
{
    ep->retired[ep->retired_next++ % HF_COUNT(ep->retired)] = id->cid;
    hf_quic_table_remove(ep, id);
}

static bool was_retired(const hf_quic_endpoint *ep, const hf_cid *cid)
{
    for (size_t i = 0; i < HF_COUNT(ep->retired); i++)
        if (hf_cid_equal(&ep->retired[i], cid))
            return true;
    return false;
}

/* RFC 9000 10.3. What a peer sent before it gave an id up may come after it did, by another path: its connection lives, and a
 * reset would end it (10.3.1: a peer may know the token still). */
static hf_err send_reset(hf_quic_endpoint *ep, const hf_quic_input *in, const hf_quic_header *h)
{
    enum { USUAL = 42 };
    const hf_err dropped = hf_err_make(HF_ERR_QUIC_NO_CONNECTION);
    const uint64_t full = ep->env->limits->quic_reset_rate * 1000000000, cost = 1000000000;
    const uint64_t passed = (uint64_t)(ep->now.ns - ep->reset_at.ns);
    const uint64_t gained = passed > 1000000000 ? full : passed * ep->env->limits->quic_reset_rate;
    ep->reset_at = ep->now;
    ep->reset_level = ep->reset_level + gained < full ? ep->reset_level + gained : full;
    /* 10.3.3: always smaller than what it answers, so that two endpoints do not answer each other for ever */
    const size_t length = in->bytes.len <= USUAL ? in->bytes.len - 1 : USUAL;
    if (length < HF_QUIC_RESET_LEAST || ep->reset_level < cost || was_retired(ep, &h->dcid))
        return dropped;
    reply *const r = new_reply(ep, &in->path);
    if (r == NULL)
        return dropped;
    if (!hf_crypto_random(ep->config.tls->crypto, r->bytes, length) ||
        !hf_quic_reset_token(ep, &h->dcid, r->bytes + length - HF_QUIC_RESET_TOKEN))
        return dropped;
    ep->reset_level -= cost;
    r->bytes[0] = (uint8_t)((r->bytes[0] & 0x3f) | 0x40);
    r->length = length;
    ep->counts.resets++;
    return dropped;
}

/* ---- new connections ---------------------------------------------------------------------------------------- */

static hf_err begin(hf_quic_endpoint *ep, const hf_quic_input *in, const hf_quic_header *h, bool retried, bool proven, const hf_cid *original)
{
    hf_quic *const q = make(ep, ep->now, true, h->version, &in->path);
    if (q == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    hf_quic_space *const s = q->spaces[HF_LEVEL_INITIAL];
    q->shaking->original = *original;
    q->retried = retried;
    q->shaking->retry_scid = h->dcid;
    q->shaking->first_scid = h->scid;
    q->their_ids[0] = (hf_their_id){ .cid = h->scid, .on = true, .used = true };
    q->routes[0].validated = proven;
    q->shaking->first_id.cid = h->dcid;
    q->shaking->first_id.quic = q;
    if (!hf_quic_keys_initial(&s->read, &s->write, ep->config.tls->crypto, h->version, &h->dcid, true) || !hf_quic_write_parameters(q) ||
        !hf_quic_table_add(ep, &q->shaking->first_id)) {
        unmake(q);
        return hf_err_make(HF_ERR_BASE_MEMORY);
    }
    const hf_err err = hf_quic_datagram(q, ep->now, &in->path, in->ecn, in->bytes);
    if (q->got_packet) {
        ep->counts.accepted++;
        return err;
    }
    unmake(q); /* nothing in it was authentic: nothing is kept */
    return err.code != 0 ? err : hf_err_make(HF_ERR_QUIC_UNDECRYPTABLE);
}

static hf_err initial(hf_quic_endpoint *ep, const hf_quic_input *in, const hf_quic_header *h)
{
    const hf_limits *const l = ep->env->limits;
    hf_quic_token_kind kind = HF_QUIC_TOKEN_LATER;
    hf_cid original = h->dcid, told = { 0 };
    if (!ep->config.accept)
        return hf_err_make(HF_ERR_QUIC_NO_CONNECTION);
    if (in->bytes.len < HF_QUIC_DATAGRAM_LEAST || h->dcid.length < HF_QUIC_CLIENT_CID_LEAST) /* RFC 9000 14.1, 7.2 */
        return hf_err_make(HF_ERR_QUIC_SHORT);
    const bool proven = h->token.len > 0 && hf_quic_token_open(&ep->secrets, h->version, h->token, &in->path.remote, ep->now, (int64_t)l->quic_retry_ns,
                                                               (int64_t)l->quic_token_ns, &kind, &told);
    ep->counts.tokens_good += proven;
    ep->counts.tokens_bad += h->token.len > 0 && !proven;
    const bool retried = proven && kind == HF_QUIC_TOKEN_RETRY;
    if (retried)
        original = told;
    else if (h->token.len > 0 && h->token.ptr[0] == HF_QUIC_TOKEN_RETRY)
        return hf_err_make(HF_ERR_QUIC_TOKEN); /* it would take no second Retry */
    if (ep->counts.connections >= l->quic_connections) {
        ep->counts.refused++;
        return hf_err_make(HF_ERR_QUIC_BUSY);
    }
    if (!proven && (ep->config.always_retry || ep->counts.half_open >= l->quic_half_open))
        return send_retry(ep, in, h);
    return begin(ep, in, h, retried, proven, &original);
}

/* RFC 9369 5: a session, and the token beside it, are good for their own version alone; to use them is worth more than a wish. */
static uint32_t version_to_begin_with(const hf_quic_endpoint *ep, hf_bytes session)
{
    hf_reader r = hf_reader_make(session);
    const uint32_t version = (uint32_t)hf_read_number(&r, 4);
    if (!r.bad && hf_quic_speaks(version))
        return version;
    return ep->config.version_2 ? HF_QUIC_V2 : HF_QUIC_V1;
}

hf_quic *hf_quic_connect(hf_quic_endpoint *ep, hf_time now, const hf_quic_target *target, void *user, hf_err *err)
{
    uint8_t random[HF_QUIC_CLIENT_CID_LEAST + 8];
    ep->now = now;
    *err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (ep->counts.connections >= ep->env->limits->quic_connections) {
        *err = hf_err_make(HF_ERR_QUIC_BUSY);
        return NULL;
    }
    hf_quic *const q = make(ep, now, false, version_to_begin_with(ep, target->session), &target->path);
    if (q == NULL)
        return NULL;
    hf_quic_space *const s = q->spaces[HF_LEVEL_INITIAL];
    q->user = user;
    q->accepted = true;
    if (!hf_crypto_random(ep->config.tls->crypto, random, sizeof random)) {
        unmake(q);
        return NULL;
    }
    q->shaking->original = hf_cid_make(hf_bytes_make(random, sizeof random));
    q->their_ids[0] = (hf_their_id){ .cid = q->shaking->original, .on = true, .used = true };
    if (!hf_quic_keys_initial(&s->write, &s->read, ep->config.tls->crypto, q->version, &q->shaking->original, false) || !hf_quic_write_parameters(q) ||
        !hf_queue_append(&q->token, target->token) || !hf_quic_hello_begin(q, target->host, target->session)) {
        unmake(q);
        return NULL;
    }
    ep->counts.connected++;
    *err = HF_OK;
    hf_quic_touch(q);
    return q;
}

/* RFC 9000 10.3.1: a reset has no connection id that we know, but a token of one of our peers. An endpoint that serves would
 * have to look through all its connections for every stray datagram: it leaves that to the idle timeout. */
static bool is_reset(hf_quic_endpoint *ep, const hf_quic_input *in)
{
    if (ep->config.accept)
        return false;
    for (hf_link *link = ep->all.next; link != &ep->all; link = link->next) {
        hf_quic *const q = QUIC_OF(link, all);
        if (q->state >= HF_QUIC_CLOSING || !hf_quic_path_equal(&hf_quic_route(q)->path, &in->path) ||
            !hf_quic_is_reset(q, hf_bytes_make(in->bytes.ptr, in->bytes.len)))
            continue;
        q->now = ep->now;
        hf_quic_end_silently(q, HF_ERR_QUIC_RESET);
        hf_quic_touch(q);
        return true;
    }
    return false;
}

/* ---- below -------------------------------------------------------------------------------------------------- */

static hf_err one(hf_quic_endpoint *ep, const hf_quic_input *in)
{
    hf_quic_header h;
    const hf_err err = hf_quic_header_read(hf_bytes_make(in->bytes.ptr, in->bytes.len), HF_QUIC_ID, &h);
    ep->counts.datagrams_in++;
    ep->counts.bytes_in += in->bytes.len;
    if (err.code != 0)
        return err;
    const hf_our_id *const id = find(ep, &h.dcid);
    if (id != NULL) {
        id->quic->dcid_sequence = id->quic->shaking != NULL && id == &id->quic->shaking->first_id ? 0 : id->sequence;
        return hf_quic_datagram(id->quic, ep->now, &in->path, in->ecn, in->bytes);
    }
    if (h.kind == HF_QUIC_SHORT && is_reset(ep, in))
        return HF_OK;
    switch (h.kind) {
    case HF_QUIC_INITIAL: return initial(ep, in, &h);
    case HF_QUIC_OTHER: return negotiate(ep, in, &h);
    case HF_QUIC_SHORT: return send_reset(ep, in, &h);
    default: return hf_err_make(HF_ERR_QUIC_NO_CONNECTION);
    }
}

hf_err hf_quic_endpoint_input(hf_quic_endpoint *ep, hf_time now, const hf_quic_input *in)
{
    hf_err err = hf_err_make(HF_ERR_QUIC_HEADER);
    const size_t step = in->segment > 0 ? in->segment : in->bytes.len;
    ep->now = now;
    for (size_t at = 0; at < in->bytes.len; at += step) {
        hf_quic_input part = *in;
        part.bytes = (hf_span){ in->bytes.ptr + at, in->bytes.len - at < step ? in->bytes.len - at : step };
        err = one(ep, &part);
        ep->counts.dropped += err.code != 0;
    }
    return err;
}

hf_step hf_quic_endpoint_step(hf_quic_endpoint *ep, hf_time now, hf_quic_endpoint_event *event)
{
    ep->now = now;
    for (hf_timer *t; (t = hf_timers_expire(&ep->timers, now)) != NULL;) {
        hf_quic *const q = (hf_quic *)t;
        q->now = now;
        hf_quic_timers(q);
        if (q->orphan && q->state == HF_QUIC_OVER)
            hf_quic_destroy(q);
        else
            hf_quic_touch(q);
    }
    while (!hf_list_is_empty(&ep->noticed)) {
        hf_quic *const q = QUIC_OF(ep->noticed.next, noticed);
        if (!q->accepted) {
            q->accepted = true;
            *event = (hf_quic_endpoint_event){ HF_QUIC_ACCEPTED, q, NULL };
            return HF_EVENT;
        }
        hf_link_leave(&q->noticed);
        if (!hf_quic_has_events(q))
            continue;
        *event = (hf_quic_endpoint_event){ HF_QUIC_NOTICE, q, q->user };
        return HF_EVENT;
    }
    return HF_IDLE;
}

static bool emit_reply(hf_quic_endpoint *ep, hf_out *out, hf_quic_output *output)
{
    while (ep->replies != NULL) {
        reply *const r = ep->replies;
        const size_t length = r->length;
        uint8_t *const at = out->scratch + out->scratch_used;
        memcpy(at, r->bytes, length);
        *output = (hf_quic_output){ r->path, 0, 0, (uint32_t)length };
        ep->replies = r->next;
        if (ep->replies == NULL)
            ep->last_reply = &ep->replies;
        ep->reply_count--;
        hf_free(&ep->env->alloc, r, sizeof *r);
        if (length == 0) /* it could not be made */
            continue;
        out->pieces[out->count++] = (hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(at, length) };
        out->scratch_used += length;
        out->bytes += length;
        out->segment = 0;
        out->ecn = 0;
        return true;
    }
    return false;
}

bool hf_quic_endpoint_emit(hf_quic_endpoint *ep, hf_time now, hf_out *out, hf_quic_output *output)
{
    ep->now = now;
    if (out->count == out->capacity || out->scratch_capacity - out->scratch_used < HF_QUIC_DATAGRAM_MOST || out->room < HF_QUIC_DATAGRAM_MOST)
        return false;
    bool did = emit_reply(ep, out, output);
    while (!did && !hf_list_is_empty(&ep->ready)) {
        hf_quic *const q = QUIC_OF(ep->ready.next, ready);
        hf_link_leave(&q->ready);
        did = hf_quic_emit(q, now, out, output);
        hf_quic_schedule(q, hf_quic_deadline(q), did, hf_quic_has_events(q)); /* to the back: others have their turn */
    }
    if (did) {
        ep->counts.datagrams_out += output->segment > 0 ? (output->length + output->segment - 1u) / output->segment : 1;
        ep->counts.bytes_out += output->length;
    }
    return did;
}

hf_time hf_quic_endpoint_wake(const hf_quic_endpoint *ep)
{
    if (ep->replies != NULL || !hf_list_is_empty(&ep->ready) || !hf_list_is_empty(&ep->noticed))
        return ep->now;
    return hf_timers_next(&ep->timers);
}
