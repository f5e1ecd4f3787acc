/* SPDX-License-Identifier: Apache-2.0
 *
 * One TLS handshake with a server, to see the chain that it sends. Nothing is asked of it, and we hang up.
 */
#ifndef HF_EXPLAIN_TLS_PROBE_H
#define HF_EXPLAIN_TLS_PROBE_H

#include <handfast/tls.h>

#include "crypto_walk.h"

typedef enum hf_probe_stage { HF_PROBE_NAME, HF_PROBE_CONNECT, HF_PROBE_TLS, HF_PROBE_DONE } hf_probe_stage;

typedef struct hf_probe {
    hf_probe_stage stage; /* where it stopped */
    char words[320];      /* why, when it is not DONE */
    hf_err err;           /* of TLS, when it stopped there */
    bool walked;          /* a chain came, and `walk` is filled; also when the handshake failed later */
    size_t sent;
    char version[8], suite[48], group[32]; /* DONE: what was agreed */
} hf_probe;

/* `host` without brackets, NUL-terminated; `port` likewise, a number. At most the limit tls_handshake_ns goes by. The walk
 * is as of `at`. True: DONE. */
bool hf_probe_run(const hf_env *env, hf_crypto *crypto, hf_trust *trust, const char *host, const char *port, hf_wall at, hf_walk *walk,
    hf_probe *probe);

#endif
