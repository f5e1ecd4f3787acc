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

#endif
