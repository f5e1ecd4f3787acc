/* SPDX-License-Identifier: Apache-2.0
 *
 * From the wish to listen to bound sockets.
 */
#ifndef HF_SERVER_LISTEN_H
#define HF_SERVER_LISTEN_H

#include "engine.h"
#include "listen_url.h"

/* UDP sockets of all listeners together: a message to another process takes no more descriptors. */
enum { HF_LISTEN_SOCKETS = 64, HF_LISTEN_UDP = 128 };

typedef struct hf_listen_set {
    hf_listening at[HF_LISTEN_SOCKETS];
    size_t count;
    bool own; /* they are our own network stack's: nothing is bound, and no descriptor is there */
} hf_listen_set;

/* Binds every address of `url` and adds it. What fails is told in `why`, with the system's words. */
hf_err hf_listen_set_add(hf_listen_set *set, const hf_listen_url *url, hf_writer *why);
void hf_listen_set_close(hf_listen_set *set);
/* Its descriptors, which are -1 then. */
void hf_listening_close(hf_listening *l);
/* Binds `count` UDP sockets (at most HF_ENGINE_UDP) at the address of `l`, which is one of `set`. Where that cannot be, it is said,
 * and HTTP/3 is not served there. */
void hf_listening_add_udp(hf_listen_set *set, hf_listening *l, unsigned count);

/* From one configuration to the next. Fills `next` with what `urls` ask for: sockets of `now` where they ask for the same
 * (their descriptors stay `now`'s), and new ones, which are marked in `fresh`. When one cannot be bound, `why` has a line
 * for each, the new ones are closed, and the error of the last is answered. */
hf_err hf_listen_set_change(const hf_listen_set *now, const hf_listen_url *urls, size_t count, hf_listen_set *next, bool *fresh,
    hf_writer *why);
/* Takes over what `url` asks for from sockets that are bound. False: nothing of it is there. */
bool hf_listen_set_take(const hf_listen_set *bound, const hf_listen_url *url, hf_listen_set *next);
/* The socket of `set` that listens there; NULL: none. */
const hf_listening *hf_listen_set_find(const hf_listen_set *set, const hf_address *at);
/* The port of the first socket that is secure; 0: there is none. */
uint16_t hf_listen_set_https(const hf_listen_set *set);

#endif
