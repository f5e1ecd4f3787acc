/* SPDX-License-Identifier: Apache-2.0
 *
 * key_process: the process that holds private keys, and nothing else. It has no privileges, opens nothing and answers one
 * question: sign this with key number N; and, by explicit setting alone, a second: which premaster secret is this? Questions and answers are messages over a socket pair, many in flight.
 *
 *     supervisor   hf_keeper       makes the pair, starts the process, starts it again when it dies
 *     serving      hf_key_client   asks for loop threads, which never wait, and read the answers themselves
 *
 * The supervisor keeps both ends of the pair. So when a key process dies, what was asked and not read yet waits for the
 * next one; and because the next one says that it begins, what was read and not answered is asked again.
 */
#ifndef HF_SERVER_KEY_PROCESS_H
#define HF_SERVER_KEY_PROCESS_H

#include <sys/types.h>

#include "identities.h"

/* ---- in the supervisor ---------------------------------------------------------------------------------------- */

typedef struct hf_keeper {
    const hf_identities *identities; /* lent from open until close */
    int serving; /* the serving process's end; -1: closed */
    int keeping; /* the key process's end */
    pid_t pid;   /* 0: it does not run */
    int64_t started_ns;
    unsigned quick_deaths; /* in a row */
} hf_keeper;

/* Makes the pair and starts a key process; waits until it has loaded every key. False, and the reasons in `why`. */
bool hf_keeper_open(hf_keeper *k, const hf_identities *ids, hf_writer *why);
/* Starts it again after its death. What is wrong is logged. */
bool hf_keeper_restart(hf_keeper *k);
/* Closes both ends and, with `now`, ends the process at once; else it ends when no serving process asks any more. */
void hf_keeper_close(hf_keeper *k, bool now);

/* ---- in the serving process ----------------------------------------------------------------------------------- */

typedef struct hf_key_client hf_key_client;

/* What a loop thread gives to be woken, when nobody will answer. */
typedef struct hf_key_waker {
    void (*wake)(void *self);
    void *self;
} hf_key_waker;

/* Starts the thread that carries what cannot be sent at once. Gives `fd`, a keeper's `serving` end, to the client. `threads` loop threads will
 * ask, and at most `most` questions wait at once. NULL when memory or threads end (fd is closed). */
hf_key_client *hf_key_client_new(int fd, uint32_t threads, uint32_t most);
/* Ends the thread. Every loop thread was detached. */
void hf_key_client_free(hf_key_client *c);
/* One more loop thread, woken like this: its number from now on; UINT32_MAX when there are `threads` already, or no descriptors are
 * left. */
uint32_t hf_key_client_attach(hf_key_client *c, hf_key_waker waker);
/* What the loop thread watches until it detaches: there is an answer when it can be read. */
int hf_key_client_descriptor(const hf_key_client *c, uint32_t thread);
/* It can be read. */
void hf_key_client_notify(hf_key_client *c, uint32_t thread);
/* Is an answer to this thread awaited? */
bool hf_key_client_asks(const hf_key_client *c, uint32_t thread);
/* Is not woken any more; what it asked is answered to nobody. When this returns, its waker is not in use. */
void hf_key_client_detach(hf_key_client *c, uint32_t thread);
/* Asks, without waiting. Answers a place below `most`, which is this question's until its answer was taken; UINT32_MAX: too many wait,
 * or nobody will ever answer. */
uint32_t hf_key_client_ask(hf_key_client *c, uint32_t thread, size_t key, hf_scheme scheme, hf_bytes message);
/* Likewise, for a premaster secret that was encrypted to that RSA key; `version` is the one of the ClientHello. */
uint32_t hf_key_client_ask_premaster(hf_key_client *c, uint32_t thread, size_t key, uint16_t version, hf_bytes encrypted);
/* An answer for this thread, after notify or being woken: its place, and an error or `*length` bytes of signature (room for HF_SIGNATURE_MOST). */
bool hf_key_client_take(hf_key_client *c, uint32_t thread, uint32_t *place, hf_err *err, uint8_t *signature, size_t *length);

#endif
