/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver.h"

#include <ares.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "address.h"

enum { TRY_MS = 2000, TRIES = 2, CLASS_IN = 1, ALIASES_MOST = 8 };

struct hf_resolver {
    ares_channel channel;
    const char *servers;
    bool is_set_up;
};

hf_resolver *hf_resolver_new(const char *servers)
{
    hf_resolver *const r = calloc(1, sizeof *r);
    if (r != NULL)
        r->servers = servers;
    return r;
}

/* ares_library_init counts its calls without a lock, and resolvers are of many threads: once, for as long as the process lives. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_begun;

static void begin_library(void)
{
    is_begun = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
}

/* c-ares reads the system's settings: not for an address, which needs none of them. */
static bool set_up(hf_resolver *r)
{
    struct ares_options options = { .timeout = TRY_MS, .tries = TRIES };
    if (r->is_set_up || pthread_once(&once, begin_library) != 0 || !is_begun)
        return r->is_set_up;
    if (ares_init_options(&r->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) != ARES_SUCCESS)
        return false;
    r->is_set_up = r->servers == NULL || ares_set_servers_ports_csv(r->channel, r->servers) == ARES_SUCCESS;
    if (!r->is_set_up)
        ares_destroy(r->channel);
    return r->is_set_up;
}

void hf_resolver_free(hf_resolver *r)
{
    if (r != NULL && r->is_set_up)
        ares_destroy(r->channel); /* calls back what is pending */
    free(r);
}

/* True: nobody wants to know any more. */
static bool is_unwanted(hf_query *q)
{
    q->pending--;
    if (q->forgotten && q->pending == 0)
        free(q);
    else if (!q->forgotten)
        return false;
    return true;
}

static void take_addresses(hf_query *q, int status, struct ares_addrinfo *all, unsigned family)
{
    if (is_unwanted(q)) {
        ares_freeaddrinfo(all);
        return;
    }
    for (const struct ares_addrinfo_node *n = all != NULL ? all->nodes : NULL; n != NULL; n = n->ai_next) {
        struct sockaddr_storage from = { 0 };
        hf_address a;
        memcpy(&from, n->ai_addr, n->ai_addrlen);
        hf_address_from_kernel(&from, &a);
        hf_query_add(q, &a);
    }
    ares_freeaddrinfo(all);
    q->answered[family] = true;
    /* "no data" says that the name exists: what the other family says tells more. */
    if (status != ARES_SUCCESS && (q->words == NULL || status != ARES_ENODATA))
        q->words = ares_strerror(status);
}

static void take_ipv4(void *self, int status, int timeouts, struct ares_addrinfo *all)
{
    (void)timeouts;
    take_addresses(self, status, all, 0);
}

static void take_ipv6(void *self, int status, int timeouts, struct ares_addrinfo *all)
{
    (void)timeouts;
    take_addresses(self, status, all, 1);
}

static void end_https(hf_query *q)
{
    q->https_pending--;
    q->https_answered = q->https_pending == 0;
}

static void take_there(void *self, int status, int timeouts, struct ares_addrinfo *all)
{
    hf_query *const q = self;
    (void)status;
    (void)timeouts;
    if (!is_unwanted(q)) {
        for (const struct ares_addrinfo_node *n = all != NULL ? all->nodes : NULL; n != NULL && q->there_count < HF_QUERY_ADDRESSES; n = n->ai_next) {
            struct sockaddr_storage from = { 0 };
            memcpy(&from, n->ai_addr, n->ai_addrlen);
            hf_address_from_kernel(&from, &q->there_at[q->there_count++]);
        }
        end_https(q);
    }
    ares_freeaddrinfo(all);
}

static void take_https(void *self, int status, int timeouts, unsigned char *bytes, int length);

/* A question about the record: one more is pending, for which q outlives its asker. */
static void begin_https(hf_query *q)
{
    q->pending++;
    q->https_pending++;
}

/* RFC 9460 3: an alias has the name that it leads to asked in place of the first; what is found in the end says where the service is. */
static void follow_https(hf_query *q)
{
    const bool leads_on = q->https.found && q->https.target[0] != 0 && strcasecmp(q->https.target, q->there) != 0;
    struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NOSORT, .ai_family = AF_INET6, .ai_socktype = SOCK_STREAM };
    if (leads_on)
        memcpy(q->there, q->https.target, sizeof q->there);
    if (leads_on && q->https.alias && q->aliases++ < ALIASES_MOST) {
        begin_https(q);
        ares_query(q->asked, q->there, CLASS_IN, HF_DNS_TYPE_HTTPS, take_https, q);
        return;
    }
    if (q->there[0] == 0)
        return;
    begin_https(q);
    begin_https(q);
    ares_getaddrinfo(q->asked, q->there, NULL, &hints, take_there, q);
    hints.ai_family = AF_INET;
    ares_getaddrinfo(q->asked, q->there, NULL, &hints, take_there, q);
}

static void take_https(void *self, int status, int timeouts, unsigned char *bytes, int length)
{
    hf_query *const q = self;
    hf_https_record found = { .found = false };
    (void)timeouts;
    if (is_unwanted(q))
        return;
    if (status != ARES_SUCCESS && status != ARES_ENODATA && status != ARES_ENOTFOUND)
        q->https_words = ares_strerror(status);
    else if (status == ARES_SUCCESS && hf_https_record_parse(hf_bytes_make(bytes, (size_t)length), &found).code != 0)
        q->https_words = "the answer is malformed (RFC 9460 2.2), and nothing of it counts";
    if (found.found || q->aliases == 0)
        q->https = found; /* else the alias is all that there is: where it leads, as an ordinary name */
    if (found.found || q->aliases > 0)
        follow_https(q);
    end_https(q);
}

hf_query *hf_resolver_ask(hf_resolver *r, const char *host, uint16_t port, bool https)
{
    char service[8], name[280];
    struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NUMERICSERV | ARES_AI_NOSORT, .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
    hf_query *const q = calloc(1, sizeof *q);
    if (q == NULL || hf_query_is_local(q, host, port))
        return q;
    if (!set_up(r)) {
        q->words = r->servers != NULL ? "the name servers are written as ADDRESS[:PORT],..." : "the resolver cannot be set up";
        q->answered[0] = q->answered[1] = q->https_answered = true;
        return q;
    }
    snprintf(service, sizeof service, "%u", port);
    q->pending = https ? 3 : 2; /* a call may answer before it returns */
    q->https_pending = https;
    q->https_asked = https;
    q->https_answered = !https;
    q->asked = r->channel;
    if (https && port == 443)
        ares_query(r->channel, host, CLASS_IN, HF_DNS_TYPE_HTTPS, take_https, q);
    else if (https && snprintf(name, sizeof name, "_%u._https.%s", port, host) > 0)
        ares_query(r->channel, name, CLASS_IN, HF_DNS_TYPE_HTTPS, take_https, q);
    hints.ai_family = AF_INET6; /* RFC 8305 3: AAAA first */
    ares_getaddrinfo(r->channel, host, service, &hints, take_ipv6, q);
    hints.ai_family = AF_INET;
    ares_getaddrinfo(r->channel, host, service, &hints, take_ipv4, q);
    return q;
}

size_t hf_resolver_descriptors(hf_resolver *r, struct pollfd *to)
{
    ares_socket_t all[ARES_GETSOCK_MAXNUM];
    if (!r->is_set_up)
        return 0;
    const unsigned bits = (unsigned)ares_getsock(r->channel, all, ARES_GETSOCK_MAXNUM); /* its macros shift a 1 into the sign */
    size_t n = 0;
    for (int i = 0; i < ARES_GETSOCK_MAXNUM && n < HF_RESOLVER_DESCRIPTORS; i++) {
        const bool in = (bits >> i & 1) != 0, out = (bits >> (i + ARES_GETSOCK_MAXNUM) & 1) != 0;
        if (in || out)
            to[n++] = (struct pollfd){ .fd = all[i], .events = (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0)) };
    }
    return n;
}

void hf_resolver_turn(hf_resolver *r, const struct pollfd *polled, size_t count)
{
    if (!r->is_set_up)
        return;
    for (size_t i = 0; i < count; i++) {
        const bool in = (polled[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0, out = (polled[i].revents & POLLOUT) != 0;
        if (in || out)
            ares_process_fd(r->channel, in ? polled[i].fd : ARES_SOCKET_BAD, out ? polled[i].fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* what is late */
}

int64_t hf_resolver_patience(hf_resolver *r)
{
    struct timeval span;
    if (!r->is_set_up || ares_timeout(r->channel, NULL, &span) == NULL)
        return -1;
    return (int64_t)span.tv_sec * 1000000000 + (int64_t)span.tv_usec * 1000;
}
