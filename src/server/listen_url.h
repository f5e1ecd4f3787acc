/* SPDX-License-Identifier: Apache-2.0
 *
 * What may stand after --listen: http://host[:port] or https://host[:port], where the host is an address, `localhost` or `*`. Names are not
 * looked up: a server that listens on whatever a name server says listens where nobody looked.
 */
#ifndef HF_SERVER_LISTEN_URL_H
#define HF_SERVER_LISTEN_URL_H

#include "io.h"

typedef struct hf_listen_url {
    const char *text;        /* as it was given. Lends it */
    hf_address addresses[2]; /* localhost: 127.0.0.1 and ::1. `*`: 0.0.0.0 and :: (bind it IPV6_V6ONLY) */
    size_t count;
    bool tls;                /* https */
    uint8_t udp;             /* UDP sockets wanted for HTTP/3: parsing says 0 */
    bool optional;           /* when the address is taken, the server goes on without it */
    bool either;             /* the addresses are one wish (localhost, *): where the machine has no IPv6, or no IPv4, the
                                other alone will do. With port 0 the second takes the port that the first was given */
} hf_listen_url;

typedef enum hf_listen_verdict {
    HF_LISTEN_OK,
    HF_LISTEN_SYNTAX /* not a listener: a mistake in the command line */
} hf_listen_verdict;

/* Lends `text` to `url`. Unless OK, `why` (of `why_size` bytes) receives a sentence that names what was got and what is
 * allowed, without a full stop. */
hf_listen_verdict hf_listen_url_parse(const char *text, hf_listen_url *url, char *why, size_t why_size);

/* Nobody but this machine reaches it. */
bool hf_listen_url_is_loopback(const hf_listen_url *url);

/* Addresses and a port that clients of HTTP/3 can be sent to: https, no *, no port 0. They go to their family's place: that of
 * IPv4 or of IPv6. False, and nothing changed, when the URL is none of that. */
bool hf_listen_url_prefer(const hf_listen_url *url, hf_address preferred[2]);

#endif
