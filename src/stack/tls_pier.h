/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_pier: a TLS core stood on a pier, and itself a pier. Above it flows plaintext, below it records.
 *
 * Records are opened in the buffer of the pier below; what the owner leaves of one is copied, so that the next can be
 * opened behind it. Output is sealed straight into `room`, which goes below in one put; files are read into it first.
 * An idle connection holds no buffer. A lent extent is RELEASED when it was sealed.
 *
 * With early data (hf_tls_config.early_data) OPENED comes when it flows, and EARLY_ACCEPTED, or at a client EARLY_REJECTED,
 * when the handshake is complete. Until then hf_tls_is_early of the core: what a server peeks may be a replay, and what a
 * client puts must be what may be sent twice: it is sent again where the server did not take it.
 *
 * Events beside those of every pier: OPENED when the handshake is complete; ASKS for a signature or a verdict. ENDED by
 * RESET with HF_ERR_TLS_TRUNCATED says that the peer closed without close_notify: what came before may not be all, and
 * what we put still goes out. ENDED with another error of TLS: our alert and a FIN go out; pull until HF_CLOSED to see
 * the peer's.
 */
#ifndef HF_STACK_TLS_PIER_H
#define HF_STACK_TLS_PIER_H

#include <handfast/pier.h>
#include <handfast/tls.h>

typedef struct hf_tls_pier hf_tls_pier;

enum {
    HF_TLS_PIER_FILE = 64 * 1024,   /* the first bytes of room: what was read of files */
    HF_TLS_PIER_SEALED = 104 * 1024 /* the rest: records. One and a half of what is sealed at once, for the smallest
                                       records that a peer may ask for, and the handshake's last words */
};

/* Owns `core` (a new one, server or client) and `below` from now on. Lends `room` of HF_TLS_PIER_FILE +
 * HF_TLS_PIER_SEALED bytes for life, and uses it within calls only. NULL when memory ends or `core` is NULL: then both
 * are freed. */
hf_tls_pier *hf_tls_pier_new(const hf_env *env, hf_tls *core, hf_pier below, hf_span room, hf_time now);
hf_pier hf_tls_pier_get(hf_tls_pier *p);
hf_tls *hf_tls_pier_core(const hf_tls_pier *p);
/* Where ASKS and the client's SESSION put their question (lent until the call is over). NULL: signs with the identity's
 * own key, believes nobody. */
void hf_tls_pier_listen(hf_tls_pier *p, hf_tls_event *question);
/* After hf_tls_answer_sign or hf_tls_answer_verify. */
void hf_tls_pier_answered(hf_tls_pier *p);
/* When to call event although nothing happened below. */
hf_time hf_tls_pier_wake(const hf_tls_pier *p);
/* From creation to OPENED; 0 before. */
int64_t hf_tls_pier_handshake_ns(const hf_tls_pier *p);
/* After ENDED with HF_ERR_TLS_PLAIN_HTTP: gives the pier below, of which nothing was taken, and frees the rest. */
hf_pier hf_tls_pier_leave(hf_tls_pier *p);

#endif
