/* SPDX-License-Identifier: Apache-2.0
 *
 * client_url: where a client goes, taken apart: http, https, ws and wss.
 */
#ifndef HF_CLIENT_URL_H
#define HF_CLIENT_URL_H

#include <handfast/base.h>

enum { HF_CLIENT_URL_BYTES = 8192 };

typedef struct hf_client_url {
    bool secure;         /* https, wss */
    bool live;           /* ws, wss */
    uint16_t port;       /* of the scheme where none is given */
    hf_bytes authority;  /* host[:port] as it was written: the Host field */
    hf_bytes target;     /* "/path?query", at least "/"; no fragment */
    char host[256];      /* without brackets, NUL-terminated, in lower case */
    char text[HF_CLIENT_URL_BYTES]; /* what the spans lend from */
} hf_client_url;

/* NULL, or what is wrong with it. Fills *url, which may not move afterwards. */
const char *hf_client_url_parse(const char *text, hf_client_url *url);
/* Sets (or replaces) one argument of the query; `value` needs no escapes. False when it does not fit. */
bool hf_client_url_set(hf_client_url *url, const char *name, hf_bytes value);

/* What `reference` (a Location field, a link) means on the page `base` (RFC 3986 5.2), without its fragment. False when it
 * does not fit into `size` bytes, NUL included. */
bool hf_client_url_join(const hf_client_url *base, hf_bytes reference, char *text, size_t size);

#endif
