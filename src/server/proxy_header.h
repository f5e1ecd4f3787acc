/* SPDX-License-Identifier: Apache-2.0
 *
 * The PROXY protocol (haproxy's doc/proxy-protocol.txt), versions 1 and 2: the first bytes of a connection, in which a
 * proxy says for whom it speaks. Pure: bytes in, values out. And which addresses are listed as proxies.
 */
#ifndef HF_SERVER_PROXY_HEADER_H
#define HF_SERVER_PROXY_HEADER_H

#include "io.h"

/* Addresses whose first `bits` are those of `base`. */
typedef struct hf_network {
    hf_address base; /* without port */
    uint8_t bits;
} hf_network;

/* "10.0.0.0/8", "2001:db8::/32", or an address alone. False: it is none, or has bits beyond its prefix. */
bool hf_network_parse(hf_bytes text, hf_network *n);
bool hf_network_has(const hf_network *n, const hf_address *a);
bool hf_networks_have(const hf_network *n, size_t count, const hf_address *a);

typedef enum hf_proxy_verdict { HF_PROXY_MORE, HF_PROXY_GOOD, HF_PROXY_BAD } hf_proxy_verdict;

typedef struct hf_proxy_header {
    size_t length;       /* of the header: what follows is the client's */
    uint8_t version;     /* 1, 2 */
    bool says;           /* else the proxy speaks for itself (a health check), or does not say for whom */
    hf_address client, server; /* when it says */
} hf_proxy_header;

/* Looks at the beginning of a connection. MORE: what is there may become a header. A header longer than `most` is BAD. */
hf_proxy_verdict hf_proxy_header_parse(hf_bytes in, size_t most, hf_proxy_header *header);

#endif
