/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom proxies say that they ask for: Forwarded (RFC 7239), or X-Forwarded-For and
 * X-Forwarded-Proto. Pure.
 */
#ifndef HF_SERVER_FORWARDED_H
#define HF_SERVER_FORWARDED_H

#include <handfast/http.h>

#include "proxy_header.h"

/* The client of a request that came from `peer`: the nearest address in the chain that is no listed proxy. Every proxy adds
 * behind what it got, and what a client made up stands before; so the chain is read from its end, and no further than
 * proxies that are listed vouch for. Without such proxies, or where the chain cannot be read, it is who was last vouched
 * for. Where both kinds are there and name different clients, neither is believed. */
typedef enum hf_forwarded_scheme { HF_FORWARDED_UNSAID, HF_FORWARDED_HTTP, HF_FORWARDED_HTTPS } hf_forwarded_scheme;
typedef struct hf_forwarded {
    hf_address client;
    hf_forwarded_scheme scheme; /* by which the client came to the first proxy that is listed: proto of Forwarded, or
                                   X-Forwarded-Proto. From nobody else */
} hf_forwarded;
hf_forwarded hf_forwarded_find(hf_fields fields, const hf_address *peer, const hf_network *proxies, size_t count);
/* Only who. */
hf_address hf_forwarded_client(hf_fields fields, const hf_address *peer, const hf_network *proxies, size_t count);

#endif
