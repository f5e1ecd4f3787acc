/* SPDX-License-Identifier: Apache-2.0 */
#include "secure.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "crypto_hash.h"
#include "crypto_secret.h"
#include "file.h"
#include "log.h"
#include "panic.h"

/* A client that has something to ask says it right behind its Finished, and tickets leave with the answer. Who only connected, to ask later,
 * has them before it could want a second connection. */
enum { TICKET_WAIT_NS = 10000000 };

struct hf_secure {
    _Atomic uint32_t references;
    hf_identities *identities;
    hf_key_client *client; /* NULL: keys are in this process */
    hf_secure_options options;
    hf_tls_key_log log;
    uint32_t most; /* questions that wait at once */
    uint8_t quic_secret[32];
};

struct hf_secure_thread {
    hf_secure *secure;
    uint32_t number; /* to the client, when attached */
    bool attached, watching;
    const hf_env *env;
    hf_io *io;
    hf_crypto *crypto;
    hf_identity_set set;
    hf_trust *clients; /* NULL: none are asked */
    hf_tls_config config, quic;
    hf_bytes protocols[2], quic_protocol;
    hf_tls_ticket_key tickets[HF_TICKET_KEYS];
    uint64_t tickets_seen;
    uint64_t context; /* of tickets */
    hf_web_options web;
    hf_web_spares spares;
    void **waiting; /* who waits at each place; NULL: nobody of this thread, or gone */
    uint8_t signature[HF_SIGNATURE_MOST]; /* the last answer, which may be a premaster secret */
    size_t signature_length;
};

/* ---- the key log -------------------------------------------------------------------------------------------- */

/* RFC 9850 2: "label client_random secret", in hexadecimal. */
static void log_secret(void *self, const char *label, hf_bytes client_random, hf_bytes secret)
{
    const hf_secure *s = self;
    char line[512];
    hf_writer w = hf_writer_make(line, sizeof line);
    const hf_bytes parts[] = { client_random, secret };
    hf_write_text(&w, label);
    for (size_t p = 0; p < HF_COUNT(parts); p++) {
        hf_write_byte(&w, ' ');
        for (size_t i = 0; i < parts[p].len; i++) {
            hf_write_byte(&w, (uint8_t)"0123456789abcdef"[parts[p].ptr[i] >> 4]);
            hf_write_byte(&w, (uint8_t)"0123456789abcdef"[parts[p].ptr[i] & 15]);
        }
    }
    hf_write_byte(&w, '\n');
    (void)!write(s->options.key_log, line, w.length);
    hf_wipe(line, sizeof line);
}

/* ---- a generation ------------------------------------------------------------------------------------------- */

hf_secure *hf_secure_new(hf_identities *ids, int channel, const hf_secure_options *options, uint32_t threads)
{
    const uint64_t most = options->questions > 0 ? options->questions : hf_limits_default()->key_questions;
    hf_secure *s = calloc(1, sizeof *s);
    if (s != NULL) {
        atomic_init(&s->references, 1);
        s->identities = ids;
        s->options = *options;
        s->log = (hf_tls_key_log){ log_secret, s };
        s->most = (uint32_t)most;
        if (options->quic_secret != NULL)
            memcpy(s->quic_secret, options->quic_secret, sizeof s->quic_secret);
        else
            (void)!getrandom(s->quic_secret, sizeof s->quic_secret, 0);
    }
    if (channel >= 0) {
        hf_identities_forget_keys(ids);
        if (s == NULL)
            close(channel);
        else
            s->client = hf_key_client_new(channel, threads, s->most);
    }
    if (s != NULL && (channel < 0 || s->client != NULL))
        return s;
    hf_identities_free(ids);
    free(s);
    return NULL;
}

hf_secure *hf_secure_keep(hf_secure *s)
{
    atomic_fetch_add(&s->references, 1);
    return s;
}

void hf_secure_leave(hf_secure *s)
{
    if (s == NULL || atomic_fetch_sub(&s->references, 1) != 1)
        return;
    hf_key_client_free(s->client);
    hf_identities_free(s->identities);
    hf_wipe(s->quic_secret, sizeof s->quic_secret);
    free(s);
}

const uint8_t *hf_secure_quic_secret(const hf_secure *s)
{
    return s->quic_secret;
}

/* ---- one thread --------------------------------------------------------------------------------------------- */

static hf_err load_keys(hf_secure_thread *t)
{
    char text[1024];
    hf_writer why = hf_writer_make(text, sizeof text);
    for (size_t i = 0; i < t->set.count; i++)
        if ((t->set.identities[i].key = hf_identities_key(t->secure->identities, i, t->crypto, &why)) == NULL) {
            hf_log(HF_LOG_ERROR, HF_OK, "%.*s", HF_STR(hf_written(&why)));
            return hf_err_make(HF_ERR_TLS_KEY_UNUSABLE);
        }
    return HF_OK;
}

/* The roots of clients; and their digest is part of what tickets are bound to: a session outlives no change of them. */
static hf_err load_clients(hf_secure_thread *t)
{
    const hf_span roots = t->secure->identities->client_roots;
    uint8_t digest[32];
    size_t added = 0;
    if (roots.len == 0)
        return HF_OK;
    t->clients = hf_trust_new(t->crypto);
    if (t->clients == NULL || !hf_hash_of(t->crypto, HF_HASH_SHA256, hf_bytes_make(roots.ptr, roots.len), digest))
        return hf_err_make(HF_ERR_BASE_MEMORY);
    memcpy(&t->context, digest, sizeof t->context);
    return hf_trust_add(t->clients, hf_bytes_make(roots.ptr, roots.len), &added);
}

static hf_err read_file(const hf_file *file, uint64_t offset, void *to, size_t n)
{
    size_t got = 0;
    const hf_err err = hf_file_read(file, offset, to, n, &got);
    if (err.code != 0)
        return err;
    return got == n && hf_file_unchanged(file) ? HF_OK : hf_err_make(HF_ERR_IO_FILE_CHANGED);
}

static void configure(hf_secure_thread *t)
{
    const hf_secure_options *const o = &t->secure->options;
    t->protocols[0] = hf_text("h2");
    t->protocols[1] = hf_text("http/1.1");
    t->config = (hf_tls_config){ .crypto = t->crypto, .identities = t->set.identities, .identity_count = t->set.count,
        .names = t->set.names, .name_count = t->set.name_count, .protocols = t->protocols,
        .protocol_count = HF_COUNT(t->protocols), .least_version = o->least_version,
        .rsa_key_exchange = o->rsa_key_exchange, .context = t->context,
        .client_auth = t->clients == NULL ? HF_TLS_CLIENT_AUTH_NONE : o->client_optional ? HF_TLS_CLIENT_AUTH_ASK : HF_TLS_CLIENT_AUTH_REQUIRE,
        .ticket_keys = t->tickets, .ticket_wait_ns = TICKET_WAIT_NS, .early_data = o->early_data && o->tickets != NULL,
        .strikes = o->tickets != NULL ? hf_tickets_strikes(o->tickets) : NULL, .key_log = o->key_log > 0 ? &t->secure->log : NULL };
    t->quic_protocol = hf_text("h3");
    t->quic = t->config;
    t->quic.protocols = &t->quic_protocol;
    t->quic.protocol_count = 1;
    t->quic.context++; /* tickets of TLS over TCP and over QUIC are kept apart */
    t->quic.rsa_key_exchange = false; /* RFC 9001 4.2: TLS 1.3 or newer */
    t->web.read = read_file;
    t->web.tls = &t->config;
    t->web.spares = &t->spares;
    t->web.redirect_plain = o->redirect_plain;
    t->web.http2.push = true; /* where a route asks for it */
    t->web.http2.connect_protocol = true; /* RFC 8441: WebSockets; what no route takes is refused there */
}

static void wake(void *self)
{
    hf_io *io = self;
    io->ops->wake(io);
}

hf_secure_thread *hf_secure_thread_new(hf_secure *s, const hf_env *env, hf_io *io, hf_err *err)
{
    hf_secure_thread *t = calloc(1, sizeof *t);
    *err = hf_err_make(HF_ERR_BASE_MEMORY);
    if (t == NULL)
        return NULL;
    t->secure = hf_secure_keep(s);
    t->env = env;
    t->io = io;
    t->crypto = hf_crypto_new(env, NULL);
    t->waiting = calloc(s->most, sizeof *t->waiting);
    t->web.room = (hf_span){ malloc(HF_WEB_ROOM), HF_WEB_ROOM };
    if (t->crypto != NULL && t->waiting != NULL && t->web.room.ptr != NULL)
        *err = hf_identity_set_init(&t->set, s->identities, t->crypto);
    if (err->code == 0 && s->client == NULL)
        *err = load_keys(t);
    if (err->code == 0)
        *err = load_clients(t);
    if (err->code == 0 && s->client != NULL) {
        t->number = hf_key_client_attach(s->client, (hf_key_waker){ wake, io });
        t->attached = t->number != UINT32_MAX;
        if (!t->attached)
            *err = hf_err_make(HF_ERR_IO_DESCRIPTORS);
    }
    if (err->code != 0) {
        hf_secure_thread_free(t);
        return NULL;
    }
    configure(t);
    return t;
}

static void unwatch(hf_secure_thread *t)
{
    if (t->watching)
        t->io->ops->unwatch(t->io, hf_key_client_descriptor(t->secure->client, t->number));
    t->watching = false;
}

void hf_secure_thread_free(hf_secure_thread *t)
{
    if (t == NULL)
        return;
    unwatch(t);
    if (t->attached)
        hf_key_client_detach(t->secure->client, t->number);
    hf_identity_set_fini(&t->set);
    hf_trust_free(t->clients);
    if (t->crypto != NULL)
        hf_crypto_free(t->crypto);
    hf_wipe(t->tickets, sizeof t->tickets);
    hf_wipe(t->signature, sizeof t->signature);
    free(t->waiting);
    free(t->web.room.ptr);
    hf_web_spares_free(&t->spares);
    hf_secure_leave(t->secure);
    free(t);
}

const hf_web_options *hf_secure_thread_web(const hf_secure_thread *t)
{
    return &t->web;
}

const hf_tls_config *hf_secure_thread_quic(const hf_secure_thread *t)
{
    return &t->quic;
}

void hf_secure_thread_tick(hf_secure_thread *t, hf_time now, int64_t wall_ms)
{
    t->config.wall_offset_ns = wall_ms * 1000000 - now.ns;
    const hf_secure_options *const o = &t->secure->options;
    if (o->tickets != NULL && o->rotate_s > 0)
        (void)hf_tickets_rotate(o->tickets, wall_ms / 1000, (int64_t)o->rotate_s);
    if (t->secure->options.tickets != NULL)
        (void)hf_tickets_read(t->secure->options.tickets, &t->tickets_seen, t->tickets, &t->config.ticket_key_count);
    t->quic.wall_offset_ns = t->config.wall_offset_ns;
    t->quic.ticket_key_count = t->config.ticket_key_count;
}

/* ---- signatures --------------------------------------------------------------------------------------------- */

/* At the first question, because only the loop's own thread may. */
static bool watch(hf_secure_thread *t)
{
    if (!t->watching)
        t->watching = t->io->ops->watch != NULL && t->io->ops->watch(t->io, hf_key_client_descriptor(t->secure->client, t->number), t).code == 0;
    return t->watching;
}

void hf_secure_thread_readable(hf_secure_thread *t)
{
    hf_key_client_notify(t->secure->client, t->number);
}

void hf_secure_thread_rest(hf_secure_thread *t)
{
    if (t->watching && !hf_key_client_asks(t->secure->client, t->number))
        unwatch(t);
}

uint32_t hf_secure_thread_sign(hf_secure_thread *t, void *owner, hf_web *web, const hf_web_event *event)
{
    const hf_tls_event *const q = event->tls;
    if (t->secure->client == NULL) {
        hf_web_sign_here(web, event);
        return HF_SECURE_NOWHERE;
    }
    const size_t key = (size_t)(q->identity - t->set.identities);
    const uint32_t place = !watch(t) ? HF_SECURE_NOWHERE
        : q->kind == HF_TLS_WANT_DECRYPT
        ? hf_key_client_ask_premaster(t->secure->client, t->number, key, q->client_version, q->message)
        : hf_key_client_ask(t->secure->client, t->number, key, q->scheme, q->message);
    if (place == HF_SECURE_NOWHERE)
        hf_web_answer_sign(web, hf_err_make(HF_ERR_TLS_SIGNER), hf_bytes_make(NULL, 0));
    else
        t->waiting[place] = owner;
    return place;
}

void hf_secure_thread_verify(hf_secure_thread *t, hf_web *web, const hf_web_event *event, hf_wall now)
{
    const hf_trust_question question = { .at = now, .of_client = true };
    hf_verdict verdict;
    hf_err err = hf_err_make(HF_ERR_TLS_CERT_ROOT_UNKNOWN);
    if (t->clients != NULL)
        err = hf_trust_verify(t->clients, event->tls->chain, &question, &verdict);
    if (err.code != 0 && t->clients != NULL)
        hf_log(HF_LOG_INFO, err, "a client's certificate (%s, issued by %s) is refused: %s", verdict.subject, verdict.issuer, verdict.reason);
    hf_web_answer_verify(web, err);
}

void hf_secure_thread_forget(hf_secure_thread *t, uint32_t place)
{
    if (place != HF_SECURE_NOWHERE)
        t->waiting[place] = NULL;
}

bool hf_secure_thread_answer(hf_secure_thread *t, void **owner, hf_err *err, hf_bytes *signature)
{
    uint32_t place;
    hf_wipe(t->signature, t->signature_length); /* whoever had it is done with it */
    t->signature_length = 0;
    while (t->secure->client != NULL && hf_key_client_take(t->secure->client, t->number, &place, err, t->signature, &t->signature_length)) {
        *owner = t->waiting[place];
        *signature = hf_bytes_make(t->signature, t->signature_length);
        t->waiting[place] = NULL;
        if (*owner != NULL)
            return true;
    }
    return false;
}
