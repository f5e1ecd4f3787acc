/* SPDX-License-Identifier: Apache-2.0
 *
 * From the wish to listen to bound sockets.
 */
#ifndef HF_SERVER_LISTEN_H
#define HF_SERVER_LISTEN_H

#include "engine.h"
#include "listen_url.h"

enum { HF_LISTEN_SOCKETS = 64 };

typedef struct hf_listen_set {
    hf_listening at[HF_LISTEN_SOCKETS];
    size_t count;
} hf_listen_set;

/* Binds every address of `url` and adds it. What fails is told in `why`, with the system's words. */
hf_err hf_listen_set_add(hf_listen_set *set, const hf_listen_url *url, hf_writer *why);
void hf_listen_set_close(hf_listen_set *set);

/* From one configuration to the next. Fills `next` with what `urls` ask for: sockets of `now` where they ask for the same
 * (their descriptors stay `now`'s), and new ones, which are marked in `fresh`. When one cannot be bound, `why` has a line
 * for each, the new ones are closed, and the error of the last is answered. */
hf_err hf_listen_set_change(const hf_listen_set *now, const hf_listen_url *urls, size_t count, hf_listen_set *next, bool *fresh,
    hf_writer *why);
/* Takes over what `url` asks for from sockets that are bound. False: nothing of it is there. */
bool hf_listen_set_take(const hf_listen_set *bound, const hf_listen_url *url, hf_listen_set *next);
/* The socket of `set` that listens there; NULL: none. */
const hf_listening *hf_listen_set_find(const hf_listen_set *set, const hf_address *at);

#endif
