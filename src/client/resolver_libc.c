/* SPDX-License-Identifier: Apache-2.0
 *
 * Where c-ares is missing: the C library looks up, and waits.
 */
#include "resolver.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "address.h"

struct hf_resolver {
    const char *servers;
};

hf_resolver *hf_resolver_new(const char *servers)
{
    hf_resolver *const r = calloc(1, sizeof *r);
    if (r != NULL)
        r->servers = servers;
    return r;
}

void hf_resolver_free(hf_resolver *r)
{
    free(r);
}

hf_query *hf_resolver_ask(hf_resolver *r, const char *host, uint16_t port, bool https)
{
    char service[8];
    struct addrinfo *all = NULL;
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    hf_query *const q = calloc(1, sizeof *q);
    (void)https;
    if (q == NULL || hf_query_is_local(q, host, port))
        return q;
    if (r->servers != NULL) {
        q->words = "this build has no c-ares: the system's name servers alone are asked";
        q->answered[0] = q->answered[1] = q->https_answered = true;
        return q;
    }
    snprintf(service, sizeof service, "%u", port);
    const int e = getaddrinfo(host, service, &hints, &all);
    for (const struct addrinfo *a = e == 0 ? all : NULL; a != NULL; a = a->ai_next) {
        struct sockaddr_storage from = { 0 };
        hf_address address;
        memcpy(&from, a->ai_addr, a->ai_addrlen);
        hf_address_from_kernel(&from, &address);
        hf_query_add(q, &address);
    }
    if (e == 0)
        freeaddrinfo(all);
    q->words = e != 0 ? gai_strerror(e) : NULL;
    q->answered[0] = q->answered[1] = q->https_answered = true;
    return q;
}

size_t hf_resolver_descriptors(hf_resolver *r, struct pollfd *to)
{
    (void)r;
    (void)to;
    return 0;
}

void hf_resolver_turn(hf_resolver *r, const struct pollfd *polled, size_t count)
{
    (void)r;
    (void)polled;
    (void)count;
}

int64_t hf_resolver_patience(hf_resolver *r)
{
    (void)r;
    return -1;
}
