/* SPDX-License-Identifier: Apache-2.0
 *
 * secure: what loop threads need to speak TLS. hf_secure is one generation, shared by the threads: chains, the channel to the
 * key process, tickets, settings. hf_secure_thread is one thread's own: its libcrypto, its parsed chains, and which
 * connection waits for which signature.
 */
#ifndef HF_SERVER_SECURE_H
#define HF_SERVER_SECURE_H

#include "io.h"
#include "key_process.h"
#include "tickets.h"
#include "web.h"

typedef struct hf_secure_options {
    hf_tickets *tickets;       /* NULL: none are given. Lent for life */
    uint64_t rotate_s;         /* the threads rotate them, every so many seconds; 0: somebody else does */
    bool early_data;           /* 0-RTT, with tickets */
    uint16_t least_version;    /* HF_TLS_1_2 where 0 */
    int key_log;               /* an open file for secrets, lent for life; 0 or less: none */
    uint32_t questions;        /* limit key_questions; its default where 0 */
    bool client_optional;      /* where identities have client_roots: a client without a certificate is served */
    bool rsa_key_exchange;     /* hf_tls_config */
    bool redirect_plain;       /* plain HTTP on the TLS port is sent on to https */
    const uint8_t *quic_secret; /* 32 bytes, copied: whoever has the same reads our QUIC tokens and knows our connection ids.
                                   NULL: this generation's own */
} hf_secure_options;

typedef struct hf_secure hf_secure;

/* Takes `ids` and `channel`, a keeper's serving end, also when it fails: NULL when memory or threads end. `channel` -1:
 * keys are read and used here, in this process. At most `threads` loop threads attach. One reference: the caller's. */
hf_secure *hf_secure_new(hf_identities *ids, int channel, const hf_secure_options *options, uint32_t threads);
hf_secure *hf_secure_keep(hf_secure *s);
void hf_secure_leave(hf_secure *s);

typedef struct hf_secure_thread hf_secure_thread;

/* One more loop thread begins with it; any thread may call this. Keeps `s`; lends `env` and `io`, the thread's. NULL and *err. */
hf_secure_thread *hf_secure_thread_new(hf_secure *s, const hf_env *env, hf_io *io, hf_err *err);
void hf_secure_thread_free(hf_secure_thread *t);
/* For hf_web_new. Lends until free. */
const hf_web_options *hf_secure_thread_web(const hf_secure_thread *t);
/* For QUIC connections, whose protocol is HTTP/3, likewise. */
const hf_tls_config *hf_secure_thread_quic(const hf_secure_thread *t);
/* The 32 bytes. */
const uint8_t *hf_secure_quic_secret(const hf_secure *s);
/* Once a turn: the clock, and newer ticket keys. */
void hf_secure_thread_tick(hf_secure_thread *t, hf_time now, int64_t wall_ms);

#define HF_SECURE_NOWHERE UINT32_MAX

/* HF_IO_READABLE of `io`, whose owner is the thread: answers came. */
void hf_secure_thread_readable(hf_secure_thread *t);
/* There is a newer generation: when it awaits nothing it watches nothing. */
void hf_secure_thread_rest(hf_secure_thread *t);
/* HF_WEB_WANT_SIGN of `web`. Answers at once where the key is here or nobody answers; otherwise returns the place where
 * `owner` waits (else HF_SECURE_NOWHERE). */
uint32_t hf_secure_thread_sign(hf_secure_thread *t, void *owner, hf_web *web, const hf_web_event *event);
/* HF_WEB_WANT_VERIFY of `web`: is the client's chain one of our roots', in force at `now`? Answers at once. */
void hf_secure_thread_verify(hf_secure_thread *t, hf_web *web, const hf_web_event *event, hf_wall now);
/* Its connection is gone: the answer will be dropped. */
void hf_secure_thread_forget(hf_secure_thread *t, uint32_t place);
/* An answer that came: whose it is, and what to tell hf_web_answer_sign. Lends until the next call. False: none. */
bool hf_secure_thread_answer(hf_secure_thread *t, void **owner, hf_err *err, hf_bytes *signature);

#endif
