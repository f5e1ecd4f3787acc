/* SPDX-License-Identifier: Apache-2.0
 *
 * resolver: names looked up without waiting, IPv6 and IPv4 apart, and the HTTPS record beside them: c-ares. Built without it, a
 * look-up waits in the C library, and there are no HTTPS records.
 */
#ifndef HF_CLIENT_RESOLVER_H
#define HF_CLIENT_RESOLVER_H

#include <poll.h>

#include "https_record.h"
#include "io.h"

enum { HF_QUERY_ADDRESSES = 32, HF_RESOLVER_DESCRIPTORS = 16 };

typedef struct hf_resolver hf_resolver;

/* What is known of a name so far. Owned by the resolver until hf_query_forget. */
typedef struct hf_query {
    hf_address at[HF_QUERY_ADDRESSES];
    size_t count;
    bool answered[2];      /* IPv4, IPv6: all that there is */
    bool https_asked;      /* the DNS is asked for the record: of what is known without asking there is none to be asked for */
    bool https_answered;   /* the record, whatever it leads to, and the addresses of what that is */
    const char *https_words; /* why nothing is known of the record; NULL: there is one, or none. Static */
    hf_https_record https;
    char there[HF_HTTPS_NAME]; /* the name that the record leads to, where it is another (RFC 9460 2.4); else empty */
    hf_address there_at[HF_QUERY_ADDRESSES];
    size_t there_count;
    const char *words;     /* why there are no addresses. Static */
    unsigned pending;
    unsigned https_pending, aliases; /* of the record: questions; and how often it led on */
    void *asked;           /* the library's */
    bool forgotten;
} hf_query;

/* `servers`: the name servers to ask, "ADDRESS[:PORT],...": lent; NULL: the system's. NULL when the system refuses. */
hf_resolver *hf_resolver_new(const char *servers);
/* NULL is fine. Every query has been forgotten. */
void hf_resolver_free(hf_resolver *r);
/* NULL: no memory. `https`: ask for the HTTPS record, too, of _PORT._https.HOST where the port is another than 443. */
hf_query *hf_resolver_ask(hf_resolver *r, const char *host, uint16_t port, bool https);
void hf_query_forget(hf_query *q);

/* What is to be polled; how many. */
size_t hf_resolver_descriptors(hf_resolver *r, struct pollfd *to);
/* After the poll, also one in vain. */
void hf_resolver_turn(hf_resolver *r, const struct pollfd *polled, size_t count);
/* In how many nanoseconds at most hf_resolver_turn wants to be called; -1: only when a descriptor says so. */
int64_t hf_resolver_patience(hf_resolver *r);

/* resolver_local.c: what is known without asking: addresses, localhost, .invalid (RFC 6761). False: ask. */
bool hf_query_is_local(hf_query *q, const char *host, uint16_t port);
void hf_query_add(hf_query *q, const hf_address *a);

#endif
