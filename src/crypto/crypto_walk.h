/* SPDX-License-Identifier: Apache-2.0
 *
 * A chain link by link, for people: what each certificate says, and the arithmetic by which its issuer's key vouches for it.
 */
#ifndef HF_CRYPTO_WALK_H
#define HF_CRYPTO_WALK_H

#include <handfast/crypto.h>

enum { HF_WALK_MOST = 17 /* certificates: what a chain holds, and a root */ };

typedef enum hf_link_kind {
    HF_LINK_NONE,    /* whose key it would be is not here */
    HF_LINK_RSA,     /* RFC 8017 8.2: the key turns the signature back into a DigestInfo, which holds a hash */
    HF_LINK_RSA_PSS, /* RFC 8017 8.1: what comes back is a salted code of the hash; it is checked, not read */
    HF_LINK_ECDSA,   /* an equation holds or not; nothing comes back */
    HF_LINK_ED25519, /* likewise, over the contents themselves */
    HF_LINK_OTHER
} hf_link_kind;

typedef struct hf_link {
    hf_certificate_facts facts;
    int sent;            /* at this place of what was sent, 0 is the leaf; -1: it is one of our roots */
    bool trusted;        /* the root that ends the path */
    hf_link_kind kind;   /* of the signature upon it */
    char algorithm[48];  /* "sha256WithRSAEncryption" */
    char hash[16];       /* "SHA256"; empty for Ed25519 */
    size_t contents;     /* bytes that are signed: the TBSCertificate */
    uint8_t h1[64];      /* their hash */
    uint8_t h2[64];      /* the hash in what the issuer's RSA key recovers from the signature */
    uint8_t h1_length, h2_length; /* 0: there is none */
    bool holds;
    char fetch_at[192];  /* where it says that its issuer's certificate can be had */
} hf_link;

typedef struct hf_walk {
    hf_verdict verdict;
    hf_link links[HF_WALK_MOST]; /* from the leaf upwards: the path of the verdict */
    size_t count;
    size_t roots; /* that are known here */
    bool anchored; /* the last link is a root that we believe; otherwise its issuer is missing */
} hf_walk;

/* Fills *walk (it is large: not for the stack) and returns its verdict's err. */
hf_err hf_trust_walk(hf_trust *trust, const hf_chain *chain, const hf_trust_question *question, hf_walk *walk);

#endif
