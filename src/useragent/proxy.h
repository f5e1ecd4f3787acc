/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy: which requests go through a proxy, and the handshake of SOCKS 5 (RFC 1928, RFC 1929) as a core: bytes in, bytes out.
 */
#ifndef HF_USERAGENT_PROXY_H
#define HF_USERAGENT_PROXY_H

#include <handfast/base.h>

/* A list as in the variable no_proxy: names with all below them ("example.com", ".example.com"), addresses, blocks of them
 * ("10.0.0.0/8", "fd00::/8"), "*"; each perhaps with :PORT. `address`: of the host, where that is one: 4 or 16 bytes; else empty. */
bool hf_proxy_is_excepted(hf_bytes list, hf_bytes host, hf_bytes address, uint16_t port);

typedef enum hf_socks_step { HF_SOCKS_GREETING, HF_SOCKS_AUTH, HF_SOCKS_REPLY, HF_SOCKS_OPEN, HF_SOCKS_FAILED } hf_socks_step;

/* All that may have to be said at once, to a proxy that answers before it is asked: 4 for the greeting, 3 + 255 + 255 for user and
 * password, 7 + 255 for the request. */
enum { HF_SOCKS_ROOM = 4 + 3 + 2 * 255 + 7 + 255 };

/* All zero but what is asked for: a new one. Lends host, user and password for life. */
typedef struct hf_socks {
    hf_bytes host;    /* looked up by the proxy; at most 255 bytes */
    hf_bytes address; /* in its place, where it is not empty: 4 or 16 bytes */
    uint16_t port;
    hf_bytes user, password; /* empty: none */
    hf_socks_step step;
    hf_err err;       /* FAILED: HF_ERR_CLIENT_SOCKS... */
    uint8_t reply;    /* what the proxy said */
    uint8_t unsent[HF_SOCKS_ROOM];
    size_t unsent_length;
} hf_socks;

/* What is to be sent first is in `unsent`; whoever has sent it sets unsent_length to 0. */
void hf_socks_begin(hf_socks *s);
/* Eats what came: bytes used; behind the last reply nothing is. */
size_t hf_socks_input(hf_socks *s, hf_bytes bytes);

#endif
