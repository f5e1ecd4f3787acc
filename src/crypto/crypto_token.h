/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of tokens (RFC 7518): each is bound to one algorithm when it is made, and signs and verifies with no other.
 */
#ifndef HF_CRYPTO_TOKEN_H
#define HF_CRYPTO_TOKEN_H

#include "crypto_hash.h"

/* RFC 7518 3.1, RFC 8037. There is no "none". */
typedef enum hf_jws_alg {
    HF_JWS_UNSET,
    HF_JWS_HS256,
    HF_JWS_HS384,
    HF_JWS_HS512,
    HF_JWS_RS256,
    HF_JWS_RS384,
    HF_JWS_RS512,
    HF_JWS_PS256,
    HF_JWS_PS384,
    HF_JWS_PS512,
    HF_JWS_ES256,
    HF_JWS_ES384,
    HF_JWS_ES512,
    HF_JWS_EDDSA
} hf_jws_alg;

typedef enum hf_token_kind { HF_TOKEN_NONE, HF_TOKEN_HMAC, HF_TOKEN_RSA, HF_TOKEN_EC, HF_TOKEN_ED25519 } hf_token_kind;

/* The kind of key that an algorithm takes. */
hf_token_kind hf_jws_kind(hf_jws_alg alg);
/* HMAC: the hash, and with it the least length of the key. */
hf_hash hf_jws_hash(hf_jws_alg alg);
/* The coordinate length of the algorithm's curve: 32, 48, 66; 0 for none. */
size_t hf_jws_coordinate(hf_jws_alg alg);

/* Numbers as in a JWK: big-endian. What is absent is empty. */
typedef struct hf_token_numbers {
    hf_bytes n, e, d, p, q, dp, dq, qi; /* RSA; d alone is not enough to sign: all of them or none */
    hf_bytes x, y;                      /* EC, with d; Ed25519: x, with d */
} hf_token_numbers;

typedef struct hf_token_key hf_token_key;

/* HF_ERR_JWT_KEY_SYNTAX: the numbers are no key of this kind; _KEY_SHORT; _KEY_WEAK; _KEY_ALG; HF_ERR_BASE_MEMORY. */
hf_err hf_token_key_make(hf_crypto *c, hf_jws_alg alg, const hf_token_numbers *numbers, hf_token_key **key);
/* From PEM: a private key, or a public one (SubjectPublicKeyInfo). Not for HMAC. */
hf_err hf_token_key_load(hf_crypto *c, hf_jws_alg alg, hf_bytes pem, hf_token_key **key);
hf_err hf_token_key_secret(hf_crypto *c, hf_jws_alg alg, hf_bytes secret, hf_token_key **key);
void hf_token_key_free(hf_token_key *key);
bool hf_token_key_signs(const hf_token_key *key);
hf_jws_alg hf_token_key_alg(const hf_token_key *key);
/* The public numbers as a JWK has them, into `room`; lent from there. False for HMAC keys, which have none. */
bool hf_token_key_public(const hf_token_key *key, hf_span room, hf_token_numbers *numbers);

/* `signature` has room for HF_SIGNATURE_MOST. */
hf_err hf_token_sign(hf_token_key *key, hf_bytes message, uint8_t *signature, size_t *length);
/* HF_ERR_JWT_SIGNATURE when it does not hold. */
hf_err hf_token_verify(hf_token_key *key, hf_bytes message, hf_bytes signature);

#endif
