/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by dial.c, line.c and line_open.c.
 */
#ifndef HF_CLIENT_DIAL_CORE_H
#define HF_CLIENT_DIAL_CORE_H

#include "dial.h"

enum { HF_DIALER_ROOM = HF_TLS_PIER_FILE + HF_TLS_PIER_SEALED };

struct hf_dialer {
    hf_dialer_options options;
    hf_random random;
    hf_env env;
    hf_io *io;
    int outer;             /* an epoll with the loop and the resolver's descriptors in it; -1: nobody waits elsewhere */
    hf_crypto *crypto;     /* NULL: not needed yet */
    hf_trust *trust;       /* NULL: not needed yet */
    hf_resolver *resolver; /* likewise */
    unsigned asking;       /* queries under way */
    uint64_t lines;        /* so far */
    uint64_t body;         /* bytes of bodies since the last wait, after which nothing else came */
    hf_time waited;        /* when that began */
    uint8_t *datagrams;    /* HF_UDP_ROOM bytes; NULL: not needed yet */
    uint8_t *proxy_room;   /* as room, for the TLS below a TLS; NULL: not needed yet */
    uint8_t room[HF_DIALER_ROOM];
};

/* So many bytes in so long a time: is that fast enough to let more of them gather? */
bool hf_dialer_is_fast(uint64_t bytes, int64_t ns);
/* For each address, each proxy's answer, and each handshake. */
int64_t hf_dialer_patience(const hf_dialer *d);
/* Of HF_UDP_ROOM bytes, shared by all; ptr NULL: no memory. */
hf_span hf_dialer_datagrams(hf_dialer *d);
void hf_dialer_tell(const hf_dialer *d, hf_dial_event event, hf_time began);
/* Sees to it that there is libcrypto, and that there are roots. */
hf_err hf_dialer_trust(hf_dialer *d, char *words, size_t size);
/* Is the chain good for the host? `words` say why not. */
hf_err hf_dialer_judge(hf_dialer *d, const hf_chain *chain, hf_bytes host, char *words, size_t size);
/* line.c: a copy of what was believed, in place of *to: for hf_line_covers. */
void hf_line_keep_chain(const hf_line *l, const hf_chain *chain, hf_chain **to);

/* line_open.c */
void hf_opening_free(hf_line *l);
hf_time hf_opening_wake(const hf_line *l);

#endif
