/* SPDX-License-Identifier: Apache-2.0
 *
 * The clients of HTTP/3: they share sockets, so that each one's bytes are found by connection ids, in this thread or another.
 */
#include "worker_core.h"

#include "allocator.h"

/* What was received here and belongs to another worker. */
typedef struct stray {
    hf_message message; /* first */
    hf_worker *to;
    hf_udp_datagram datagram;
    uint8_t bytes[];
} stray;

static void take_stray(hf_message *m)
{
    stray *s = (stray *)m;
    if (s->to->quic != NULL)
        hf_quic_port_input(s->to->quic, &s->datagram, s->to->now);
    hf_free(hf_allocator_default(), s, sizeof *s + s->datagram.bytes.len);
}

/* Dropped where the other has enough to do: QUIC sends again. */
static void pass_stray(void *self, const hf_quic_stray *found)
{
    const hf_worker *w = self;
    hf_worker *to = (uint32_t)found->thread < w->all_count ? w->all[found->thread] : NULL;
    const size_t n = found->datagram.bytes.len;
    if (to == NULL || !hf_mailbox_has_room(to->mailbox))
        return;
    stray *s = hf_alloc(hf_allocator_default(), sizeof *s + n);
    if (s == NULL)
        return;
    *s = (stray){ .message.run = take_stray, .to = to, .datagram = found->datagram };
    memcpy(s->bytes, found->datagram.bytes.ptr, n);
    s->datagram.bytes = (hf_span){ s->bytes, n };
    hf_mailbox_post(to->mailbox, &s->message);
}

/* Where clients are asked to go on: some of the configuration's addresses may have sockets, and others have none. */
static void prefer(hf_worker *w)
{
    if (w->current->config != NULL)
        hf_quic_port_prefer(w->quic, w->current->config->preferred);
}

/* New clients get what is served now, or nothing. */
void hf_worker_aim_quic(hf_worker *w)
{
    const hf_tenure *t = w->current;
    if (w->quic == NULL)
        return;
    prefer(w);
    hf_quic_port_aim(w->quic, t->secure != NULL ? hf_secure_thread_quic(t->secure) : NULL,
        t->config != NULL && t->config->http3 && !w->draining);
    if (t->secure != NULL)
        hf_quic_endpoint_settings(hf_quic_port_endpoint(w->quic), hf_web_http3_settings(&t->env, hf_secure_thread_web(t->secure)));
}

hf_err hf_worker_listen_quic(hf_worker *w, const hf_address *at, int fd)
{
    const hf_tenure *t = w->current;
    if (t->secure == NULL || w->number > UINT8_MAX)
        return hf_err_make(HF_ERR_BASE_USAGE);
    if (w->quic == NULL) {
        const hf_quic_port_options o = { .secret = hf_secure_quic_secret(t->config->secure),
            .thread = (uint8_t)w->number, .pass = w->all_count > 1 ? pass_stray : NULL, .self = w };
        w->quic = hf_quic_port_new(w->env, w->io, &o, w->io->ops->now(w->io));
        if (w->quic == NULL)
            return hf_err_make(HF_ERR_BASE_MEMORY);
        hf_worker_aim_quic(w);
    }
    const hf_err err = hf_quic_port_listen(w->quic, at, fd);
    prefer(w);
    return err;
}

void hf_worker_unlisten_quic(hf_worker *w, const hf_address *at)
{
    if (w->quic != NULL)
        hf_quic_port_unlisten_at(w->quic, at);
    if (w->quic != NULL)
        prefer(w);
}

/* A client begins a handshake. */
static void accept_quic(hf_worker *w, hf_quic *quic)
{
    hf_tenure *t = w->current;
    hf_quic_info info;
    hf_address peer, local;
    hf_quic_info_of(quic, &info);
    hf_quic_address_from(&info.path.remote, &peer);
    hf_quic_address_from(&info.path.local, &local);
    hf_err over = hf_census_enter(t->config->census, &peer);
    if (over.code == HF_ERR_IO_DESCRIPTORS_KEPT) /* it takes none */
        over = HF_OK;
    if (over.code == 0 && hf_worker_memory_is_short(w))
        over = hf_err_make(HF_ERR_HTTP_MEMORY_LIMIT);
    hf_count(&w->counts.quic, 1);
    hf_count(&w->counts.accepted, 1);
    hf_count(&w->counts.turned_away, over.code != 0);
    connection *c = NULL;
    const bool admitted = t->secure != NULL && (t->config->admits == NULL || t->config->admits(-1));
    if (admitted && (over.code == 0 || w->refusing < REFUSING_AT_MOST))
        c = hf_alloc_zeroed(&w->env->alloc, sizeof *c);
    if (c == NULL) {
        hf_worker_complain(w, over.code != 0 ? over : hf_err_make(HF_ERR_BASE_MEMORY), "new HTTP/3 connections are refused");
        hf_quic_free(quic);
        hf_count(&w->counts.closed, 1);
        hf_census_leave(t->config->census, &peer);
        return;
    }
    c->tenure = t;
    c->began = w->now;
    c->descriptor = -1;
    c->signature = HF_SECURE_NOWHERE;
    c->secure = c->counted = true;
    c->local = hf_worker_note_local(w, &local);
    c->refusing = over.code != 0;
    c->timer.deadline = HF_NEVER;
    c->dialog = (hf_dialog){ .service = &t->service, .id = info.id, .peer = peer, .refusal = over };
    hf_quic_set_user(quic, c);
    hf_worker_link(c);
    const hf_web_options *const options = hf_secure_thread_web(t->secure);
    c->taped = w->tapes != NULL ? hf_taped_new(w->tapes, &t->env, c->dialog.id, options, true) : NULL;
    c->dialog.web = hf_web_new_http3(c->taped != NULL ? hf_taped_env(c->taped) : &t->env, c->dialog.id, quic,
        c->taped != NULL ? hf_taped_options(c->taped) : options, w->now);
    if (c->dialog.web == NULL) {
        hf_worker_complain(w, hf_err_make(HF_ERR_BASE_MEMORY), "new HTTP/3 connections are refused");
        hf_worker_bury(c);
        return;
    }
    if (w->draining)
        hf_web_drain(c->dialog.web);
    hf_worker_drive(c);
}

static void look_at_quic_limits(hf_worker *w)
{
    hf_quic_counts counts;
    hf_quic_endpoint_counts(hf_quic_port_endpoint(w->quic), &counts);
    if (counts.refused != w->quic_refused)
        hf_worker_complain(w, hf_err_make(HF_ERR_QUIC_BUSY), "limit quic_connections: new HTTP/3 clients are not answered");
    w->quic_refused = counts.refused;
}

/* Connections that have something to say say it, and it leaves, until there is nothing more or others are to have their turn. */
void hf_worker_serve_quic(hf_worker *w)
{
    hf_quic_endpoint_event event;
    bool more = w->quic != NULL;
    for (unsigned i = 0; i < QUIC_ROUNDS && more; i++) {
        while (hf_quic_endpoint_step(hf_quic_port_endpoint(w->quic), w->now, &event) == HF_EVENT) {
            connection *c = event.user;
            if (event.kind == HF_QUIC_ACCEPTED)
                accept_quic(w, event.quic);
            else if (c != NULL && !c->dead)
                hf_worker_drive(c);
        }
        more = hf_quic_port_send(w->quic, w->now, QUIC_BATCHES);
        more = more || hf_quic_endpoint_wake(hf_quic_port_endpoint(w->quic)).ns <= w->now.ns;
    }
    if (w->quic != NULL)
        look_at_quic_limits(w);
}
