/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/crypto.h - keys, certificates and trust over libcrypto: what TLS, QUIC and tokens need of cryptography.
 *
 * One hf_crypto belongs to one thread: it holds libcrypto's algorithms fetched once, in a library context of its own.
 * Nothing here reads a file, a clock or the environment: PEM comes as bytes, time as hf_wall.
 */
#ifndef HANDFAST_CRYPTO_H
#define HANDFAST_CRYPTO_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_crypto hf_crypto;

/* Where secrets come from instead of the system. For simulation and tests only: with it every key, nonce and salt of
 * this hf_crypto follows from what `fill` writes. */
typedef struct hf_entropy {
    void (*fill)(void *ctx, uint8_t *out, size_t n);
    void *ctx;
} hf_entropy;

/* The version of the libcrypto that is loaded: "3.0.17". Static. */
HF_API const char *hf_crypto_library(void);

/* `entropy` NULL: libcrypto's own generator. Lends `env` for life and copies *entropy. NULL when memory ends or
 * libcrypto lacks what we need. */
HF_API hf_crypto *hf_crypto_new(const hf_env *env, const hf_entropy *entropy);
/* After everything that was made with it. */
HF_API void hf_crypto_free(hf_crypto *c);
/* False: no entropy. Then nothing may go on. */
HF_NODISCARD HF_API bool hf_crypto_random(hf_crypto *c, void *out, size_t n);

/* ---- keys --------------------------------------------------------------------------------------------------- */

/* RFC 8446 4.2.3. */
typedef enum hf_scheme {
    HF_SCHEME_NONE = 0,
    HF_SCHEME_RSA_PKCS1_SHA256 = 0x0401,
    HF_SCHEME_RSA_PKCS1_SHA384 = 0x0501,
    HF_SCHEME_RSA_PKCS1_SHA512 = 0x0601,
    HF_SCHEME_ECDSA_P256_SHA256 = 0x0403,
    HF_SCHEME_ECDSA_P384_SHA384 = 0x0503,
    HF_SCHEME_RSA_PSS_SHA256 = 0x0804,
    HF_SCHEME_RSA_PSS_SHA384 = 0x0805,
    HF_SCHEME_RSA_PSS_SHA512 = 0x0806,
    HF_SCHEME_ED25519 = 0x0807
} hf_scheme;

typedef enum hf_key_kind { HF_KEY_OTHER, HF_KEY_RSA, HF_KEY_P256, HF_KEY_P384, HF_KEY_ED25519 } hf_key_kind;

enum { HF_SIGNATURE_MOST = 1024 }; /* bytes: RSA with 8192 bits */

typedef struct hf_key hf_key;

/* A private key from PEM (PKCS#8 or the older forms, not encrypted). Gives *key. HF_ERR_TLS_KEY_UNREADABLE, _UNUSABLE. */
HF_API hf_err hf_key_load(hf_crypto *c, hf_bytes pem, hf_key **key);
HF_API void hf_key_free(hf_key *key);
HF_API hf_key_kind hf_key_kind_of(const hf_key *key);
/* Does a key of this kind sign with this scheme? */
HF_API bool hf_scheme_fits(hf_scheme scheme, hf_key_kind kind);
/* Likewise in TLS 1.2, where a scheme of ECDSA names the hash alone and the curve is the certificate's (RFC 8446 4.2.3). */
HF_API bool hf_scheme_fits_old(hf_scheme scheme, hf_key_kind kind);
/* Signs `message`; `signature` has room for HF_SIGNATURE_MOST bytes. */
HF_API hf_err hf_key_sign(hf_key *key, hf_scheme scheme, hf_bytes message, uint8_t *signature, size_t *length);

enum { HF_PREMASTER = 48 }; /* bytes: RFC 5246 7.4.7.1 */

/* The premaster secret of TLS 1.2's RSA key exchange, encrypted to this RSA key (RFC 5246 7.4.7.1). `version` is the one of
 * the ClientHello. What does not decrypt gives a random secret, and nothing tells the two apart: an answer of another
 * kind would be an oracle (Bleichenbacher). An error says that the key is none for this, or that there is no entropy. */
HF_API hf_err hf_key_decrypt_premaster(hf_key *key, uint16_t version, hf_bytes encrypted, uint8_t out[HF_PREMASTER]);

/* ---- certificates ------------------------------------------------------------------------------------------- */

/* A chain, leaf first. */
typedef struct hf_chain hf_chain;

/* Gives *chain. HF_ERR_TLS_CERT_UNREADABLE. */
HF_API hf_err hf_chain_load(hf_crypto *c, hf_bytes pem, hf_chain **chain);
HF_API hf_err hf_chain_parse(hf_crypto *c, const hf_bytes *ders, size_t count, hf_chain **chain);
HF_API void hf_chain_free(hf_chain *chain);
HF_API size_t hf_chain_length(const hf_chain *chain);
/* Lends until the chain is freed. */
HF_API hf_bytes hf_chain_der(const hf_chain *chain, size_t index);
HF_API hf_key_kind hf_chain_kind(const hf_chain *chain);
/* Is this the private key of the leaf? */
HF_API bool hf_chain_matches(const hf_chain *chain, const hf_key *key);
/* Does the leaf name this host (DNS name or IP address)? Only subjectAltName counts; a wildcard is the left-most label. */
HF_API bool hf_chain_covers(const hf_chain *chain, hf_bytes host);
/* Has the leaf an RSA key to which a premaster secret may be encrypted (RFC 5280 4.2.1.3: keyEncipherment)? */
HF_API bool hf_chain_enciphers(const hf_chain *chain);
/* May the leaf's key sign handshakes (RFC 8446 4.4.2.2: digitalSignature, where there is a key usage)? */
HF_API bool hf_chain_signs(const hf_chain *chain);
/* Encrypts by PKCS#1 v1.5 to the leaf's RSA key; `out` has room for HF_SIGNATURE_MOST bytes. */
HF_API hf_err hf_chain_encrypt(const hf_chain *chain, hf_bytes secret, uint8_t *out, size_t *length);
/* From when until when all certificates of the chain are valid. */
HF_API void hf_chain_valid(const hf_chain *chain, hf_wall *from, hf_wall *until);
/* Does `signature` hold over `message` by the leaf's key? HF_ERR_TLS_SIGNATURE when not. */
HF_API hf_err hf_chain_check(const hf_chain *chain, hf_scheme scheme, hf_bytes message, hf_bytes signature);

/* What a person wants to know of one certificate. Text is cut to fit and NUL-terminated. */
typedef struct hf_certificate_facts {
    char subject[160], issuer[160]; /* as one line */
    char names[1024];               /* subjectAltNames, set apart by ", " */
    char serial[48];                /* hexadecimal */
    uint8_t digest[32];             /* SHA-256 of the whole */
    uint8_t key_digest[32];         /* SHA-256 of the SubjectPublicKeyInfo: what pins name */
    hf_key_kind kind;
    uint16_t key_bits;
    bool authority;                 /* RFC 5280 4.2.1.9: it may issue */
    bool self_issued;               /* issuer and subject are one */
    hf_wall from, until;
} hf_certificate_facts;

/* Of certificate `index`, 0 is the leaf. */
HF_API void hf_chain_describe(const hf_chain *chain, size_t index, hf_certificate_facts *facts);

/* ---- making them -------------------------------------------------------------------------------------------- */

enum { HF_PEM_ROOM = 4096 }; /* bytes: for one key or certificate made here */

/* A fresh ECDSA key on P-256. Gives *key. */
HF_API hf_err hf_key_make(hf_crypto *c, hf_key **key);
/* A fresh RSA key of 2048 bits: for what wants one. It takes some tenths of a second. */
HF_API hf_err hf_key_make_rsa(hf_crypto *c, hf_key **key);
/* PKCS#8 in PEM, not encrypted. It is a secret: wipe it. `out` has room for HF_PEM_ROOM. */
HF_API hf_err hf_key_write(const hf_key *key, uint8_t *out, size_t *length);

typedef struct hf_certificate_wish {
    const char *common_name;
    const hf_bytes *names; /* subjectAltName: DNS names (a wildcard may lead) and IP addresses */
    size_t name_count;
    hf_wall from, until;
    bool authority;        /* a root that issues leaves and no further CA; otherwise a server's leaf */
    bool enciphers;        /* a leaf to whose RSA key secrets are encrypted (keyEncipherment) */
} hf_certificate_wish;

/* A certificate for `key`, in PEM, signed by `issuer_key` for the leaf of `issuer`; both NULL: by `key` itself. `out` has
 * room for HF_PEM_ROOM. HF_ERR_BASE_USAGE: a name is neither a DNS name nor an address. */
HF_API hf_err hf_certificate_issue(hf_crypto *c, const hf_certificate_wish *wish, const hf_key *key, const hf_chain *issuer,
    const hf_key *issuer_key, uint8_t *out, size_t *length);

/* ---- trust -------------------------------------------------------------------------------------------------- */

/* The roots that we believe, and revocation lists. */
typedef struct hf_trust hf_trust;

/* Believes nobody at first. Lends `c` for life. NULL when memory ends. NULL may be freed. */
HF_API hf_trust *hf_trust_new(hf_crypto *c);
HF_API void hf_trust_free(hf_trust *trust);
/* Every certificate in the PEM becomes a root; says how many. */
HF_API hf_err hf_trust_add(hf_trust *trust, hf_bytes pem, size_t *added);
/* From now on the leaf is looked up in these lists. */
HF_API hf_err hf_trust_add_revoked(hf_trust *trust, hf_bytes pem);

typedef struct hf_trust_question {
    hf_bytes host; /* DNS name or IP address; empty: no name is asked for (client certificates) */
    hf_wall at;
    bool of_client; /* the chain is a client's: another extended key usage */
} hf_trust_question;

/* Is the time that was given likely to be what is wrong? */
typedef enum hf_clock_doubt {
    HF_CLOCK_FINE,
    HF_CLOCK_BEHIND, /* it is before this program was written, or before every certificate of the path */
    HF_CLOCK_AHEAD   /* it is after the end of the root, too, and roots last for decades */
} hf_clock_doubt;

/* The answer with its evidence. Text is cut to fit and NUL-terminated. */
typedef struct hf_verdict {
    hf_err err;     /* HF_OK, or HF_ERR_TLS_CERT_... */
    int library;    /* X509_V_ERR_... of libcrypto; 0: libcrypto was content, and our profile was not */
    int depth;      /* of the certificate at fault: 0 is the leaf */
    hf_wall from, until; /* its validity */
    char reason[96];     /* libcrypto's words, or ours */
    char subject[160];   /* of the certificate at fault */
    char issuer[160];
    char serial[48];     /* hexadecimal */
    char names[256];     /* the leaf's subjectAltNames, for a wrong host */
    char got[192], wanted[192]; /* what was found in it, and what should have been */
    char fetch_at[192];  /* where its issuer says that its own certificate can be had (RFC 5280 4.2.2.1); empty: nowhere */
    hf_clock_doubt clock;
    uint16_t paths;      /* that were tried, from the leaf to a root */
} hf_verdict;

/* RFC 5280 and RFC 9525: chain, dates, key usage, name constraints, host. Every path from the leaf over what was sent to a
 * root is tried, whatever the order it was sent in, until one holds. Fills *verdict and returns its err. */
HF_API hf_err hf_trust_verify(hf_trust *trust, const hf_chain *chain, const hf_trust_question *question, hf_verdict *verdict);

#ifdef __cplusplus
}
#endif
#endif
