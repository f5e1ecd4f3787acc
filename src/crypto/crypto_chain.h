/* SPDX-License-Identifier: Apache-2.0
 *
 * A chain's inside, and what the files of path validation share: crypto_certificate.c, crypto_trust.c, crypto_path.c,
 * crypto_profile.c, crypto_verdict.c and crypto_walk.c.
 */
#ifndef HF_CRYPTO_CHAIN_H
#define HF_CRYPTO_CHAIN_H

#include "crypto_core.h"

#include <openssl/x509.h>

enum {
    HF_CHAIN_MOST = 16, /* certificates: real chains have 2 to 4 */
    HF_PATH_MOST = HF_CHAIN_MOST + 1, /* and a root */
    HF_HOST_MOST = 255  /* RFC 1035 3.1 */
};

struct hf_chain {
    hf_crypto *crypto;
    size_t count;
    hf_key_kind kind; /* of the leaf */
    X509 *certificates[HF_CHAIN_MOST];
    uint8_t *ders[HF_CHAIN_MOST];
    uint32_t lengths[HF_CHAIN_MOST];
};

struct hf_trust {
    hf_crypto *crypto;
    X509_STORE *store; /* the revocation lists, where libcrypto looks for them */
    X509 **roots;      /* [root_room] */
    size_t root_count, root_room;
    STACK_OF(X509_CRL) *lists; /* the same lists, for the intermediates */
};

/* From the leaf upwards; lent by the chain and the trust. */
typedef struct hf_path {
    X509 *certificates[HF_PATH_MOST];
    size_t count;
    bool anchored; /* the last is a root that we believe */
    bool circle;   /* not anchored: it would go on with a certificate that it has already */
} hf_path;

/* The host with a NUL behind it, without a final dot; `text` has room for HF_HOST_MOST + 1. False: it is none. */
bool hf_host_text(hf_bytes host, char *text);
bool hf_certificate_covers(X509 *certificate, const char *host);
hf_wall hf_certificate_date(const ASN1_TIME *t);
/* Into `room` bytes, cut to fit, NUL-terminated: a name as libcrypto's one line, the subjectAltNames, the serial in
 * hexadecimal, and where the issuer's own certificate can be had (RFC 5280 4.2.2.1, caIssuers). */
void hf_certificate_put_name(char *out, size_t room, const X509_NAME *name);
void hf_certificate_put_names(char *out, size_t room, const X509 *leaf);
void hf_certificate_put_serial(char *out, size_t room, X509 *certificate);
void hf_certificate_put_fetch(char *out, size_t room, const X509 *certificate);
bool hf_certificate_self_issued(const X509 *certificate);
/* crypto_issue.c: of one that is in no chain. */
void hf_certificate_describe(hf_crypto *c, X509 *certificate, hf_certificate_facts *facts);

/* crypto_path.c: the verdict, and the path that it is about: the good one, or the best of the bad. */
void hf_path_find(hf_trust *trust, const hf_chain *chain, const hf_trust_question *question, hf_path *path, hf_verdict *verdict);

/* crypto_profile.c: what the web asks for beyond RFC 5280, of a path with which libcrypto is content. `verdict` is filled
 * when it is refused. */
bool hf_profile_accepts(const hf_trust *trust, const hf_path *path, const hf_trust_question *question, hf_verdict *verdict);

/* crypto_verdict.c */
/* As the catalogue says what libcrypto says (X509_V_ERR_...). */
hf_err hf_verdict_code(int library);
/* Fills all but paths: `depth` is the certificate at fault. `library` may be X509_V_OK for a refusal of ours. */
void hf_verdict_fill(hf_verdict *v, hf_err err, int library, const hf_path *path, size_t depth, const hf_trust_question *question);
/* Our own words instead of those that hf_verdict_fill found. Each may be NULL. */
void hf_verdict_say(hf_verdict *v, const char *reason, const char *got, const char *wanted);
/* Lower is nearer to good: of many failing paths the lowest is told. */
unsigned hf_verdict_rank(hf_err err);

#endif
