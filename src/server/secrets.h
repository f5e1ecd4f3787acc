/* SPDX-License-Identifier: Apache-2.0
 *
 * secrets: what the supervisor holds so that the serving process can speak TLS: which certificates are in force, the key
 * process behind them, the ring of ticket keys, and the files that it watches. A reload tries another set first.
 */
#ifndef HF_SERVER_SECRETS_H
#define HF_SERVER_SECRETS_H

#include "key_process.h"
#include "secure.h"
#include "serve.h"

enum { HF_SECRETS_RETIRED = 32 };

typedef struct hf_secrets_set {
    hf_identities *identities; /* NULL: no listener speaks TLS */
    hf_keeper keeper;
} hf_secrets_set;

typedef struct hf_secrets {
    hf_tickets *tickets;
    int key_log; /* -1: none */
    uint8_t quic[32]; /* of all serving processes: one that was started again knows what the one before gave out */
    hf_secrets_set now, tried;
    bool trying;
    pid_t retired[HF_SECRETS_RETIRED]; /* key processes of sets that are over: they end when their last connection does */
    size_t retired_count;
    uint64_t seen, pending; /* how the files looked when they were read, and at the last look */
    int64_t warned_s;
} hf_secrets;

/* Before privileges are given up. False, and every reason in `why`. */
bool hf_secrets_open(hf_secrets *s, const hf_serve_options *o, hf_writer *why);
/* Key processes are told to end at once with `now`. */
void hf_secrets_close(hf_secrets *s, bool now);

/* In the new serving process: its part, and nothing of the rest stays. NULL without TLS; false when that cannot be. */
bool hf_secrets_take(hf_secrets *s, const hf_serve_options *o, hf_secure **secure);
/* The same of identities and a channel that came by the link. Takes both. */
hf_secure *hf_secrets_secure(const hf_secrets *s, const hf_serve_options *o, hf_identities *ids, int channel);

/* A reload: makes a set for these options beside the one in force. */
bool hf_secrets_try(hf_secrets *s, const hf_serve_options *o, hf_writer *why);
/* Its identities as bytes in a file without a name, for the serving process; -1 without TLS, or when that cannot be. */
int hf_secrets_packed(const hf_secrets *s);
void hf_secrets_commit(hf_secrets *s);
void hf_secrets_abandon(hf_secrets *s);

/* A child has ended, maybe one of ours: it is started again. */
void hf_secrets_reap(hf_secrets *s);
/* Every few seconds: rotates ticket keys, warns of certificates that end. True: files changed, and a reload is due. */
bool hf_secrets_tick(hf_secrets *s, const hf_serve_options *o, int64_t now_s);
enum { HF_SECRETS_TICK_MS = 3000 };

#endif
