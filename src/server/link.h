/* SPDX-License-Identifier: Apache-2.0
 *
 * link: what the supervisor and the serving process say to each other, over a socket pair of theirs. The supervisor has
 * the right to bind; the serving process knows the configuration. A message is one datagram, with descriptors beside it.
 */
#ifndef HF_SERVER_LINK_H
#define HF_SERVER_LINK_H

#include "listen.h"
#include "serve.h"

typedef enum hf_link_kind {
    /* the serving process says */
    HF_LINK_SERVING,   /* it has begun */
    HF_LINK_ALIVE,     /* every loop came around */
    HF_LINK_RELOADING, /* it reads the configuration again */
    HF_LINK_LISTEN,    /* owes LISTENING: bind what `urls` ask for and is not bound */
    HF_LINK_COMMIT,    /* the new configuration is in force: listeners that it does not ask for close */
    HF_LINK_ABANDON,   /* it is not: what LISTEN bound closes */
    /* the supervisor says */
    HF_LINK_APP,       /* before LISTENING: the bytes of the file `path`, as they were read: `app` comes along */
    HF_LINK_LISTENING  /* `set`: descriptors of what is new come along, in order; the others are -1 */
} hf_link_kind;

typedef struct hf_link_message {
    hf_link_kind kind;
    hf_err err;      /* LISTENING: it cannot be, and `why` says why, a line each */
    uint64_t generation; /* COMMIT */
    size_t url_count;
    hf_listen_url urls[HF_SERVE_LISTENERS]; /* LISTEN. `text` is nothing to the other side */
    hf_listen_set set;
    bool fresh[HF_LISTEN_SOCKETS];
    bool secure;     /* LISTENING: TLS is spoken, and the two descriptors below come along */
    int identities;  /* hf_secrets_packed; -1: none */
    int channel;     /* to the key process; -1: none */
    char why[2048]; /* NUL-terminated */
    int app;         /* APP */
    char path[4096]; /* APP: likewise */
} hf_link_message;

/* Both ends; false with errno. */
bool hf_link_open(int ends[2]);
/* False with errno: the other side is gone. Descriptors of `set` that are `fresh` go along. */
bool hf_link_send(int end, const hf_link_message *message);
/* Waits for the next message. False: the other side is gone, or talks nonsense. */
bool hf_link_receive(int end, hf_link_message *message);

#endif
