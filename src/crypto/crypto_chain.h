/* SPDX-License-Identifier: Apache-2.0
 *
 * A chain's inside, shared by crypto_certificate.c and crypto_trust.c.
 */
#ifndef HF_CRYPTO_CHAIN_H
#define HF_CRYPTO_CHAIN_H

#include "crypto_core.h"

#include <openssl/x509.h>

enum {
    HF_CHAIN_MOST = 16, /* certificates: real chains have 2 to 4 */
    HF_HOST_MOST = 255  /* RFC 1035 3.1 */
};

struct hf_chain {
    hf_crypto *crypto;
    size_t count;
    X509 *certificates[HF_CHAIN_MOST];
    uint8_t *ders[HF_CHAIN_MOST];
    uint32_t lengths[HF_CHAIN_MOST];
};

/* The host with a NUL behind it, without a final dot; `text` has room for HF_HOST_MOST + 1. False: it is none. */
bool hf_host_text(hf_bytes host, char *text);
bool hf_certificate_covers(X509 *certificate, const char *host);
hf_wall hf_certificate_date(const ASN1_TIME *t);

#endif
