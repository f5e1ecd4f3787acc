/* SPDX-License-Identifier: Apache-2.0
 *
 * https_record: the HTTPS records of a name (RFC 9460), out of an answer of the DNS: which protocols are spoken, at which port,
 * and the addresses that it hints at. And Alt-Svc (RFC 7838), which says the same in HTTP.
 */
#ifndef HF_USERAGENT_HTTPS_RECORD_H
#define HF_USERAGENT_HTTPS_RECORD_H

#include <handfast/base.h>

enum { HF_HTTPS_HINTS = 8, HF_HTTPS_NAME = 256, HF_DNS_TYPE_HTTPS = 65 };

/* The best record in ServiceMode; or an alias. All zero: none. */
typedef struct hf_https_record {
    bool found, alias;    /* alias: AliasMode: ask for `target` in place of the name */
    uint16_t priority;
    char target[HF_HTTPS_NAME]; /* empty: the name itself */
    bool h3, h2, http1;   /* what it offers; http1 unless no-default-alpn */
    bool ech;
    uint16_t port;        /* 0: the URL's */
    uint8_t ipv4[HF_HTTPS_HINTS][4], ipv6[HF_HTTPS_HINTS][16];
    size_t ipv4_count, ipv6_count;
    uint32_t ttl_s;
} hf_https_record;

/* A whole answer of the DNS. HF_ERR_CLIENT_DNS: it is malformed, and nothing of it counts. Records that this program may not use
 * (a mandatory key that it does not know) are passed over. */
hf_err hf_https_record_parse(hf_bytes message, hf_https_record *record);

/* What a value of Alt-Svc says about HTTP/3. */
typedef struct hf_alt_svc {
    bool clear;      /* forget all */
    bool h3;         /* offered at host and port */
    char host[HF_HTTPS_NAME]; /* empty: the same */
    uint16_t port;
    uint64_t age_s;  /* how long it holds */
} hf_alt_svc;
/* The first h3 that it names. False: neither that nor "clear". */
bool hf_alt_svc_parse(hf_bytes value, hf_alt_svc *alt);

#endif
