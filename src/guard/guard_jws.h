/* SPDX-License-Identifier: Apache-2.0
 *
 * Compact JWS from the inside: the parts of a token, and what its header says.
 */
#ifndef HF_GUARD_JWS_H
#define HF_GUARD_JWS_H

#include "guard_keys.h"

typedef struct hf_jws_parts {
    hf_bytes header, payload, signature; /* base64url */
    hf_bytes signed_text;                /* header.payload */
} hf_jws_parts;

/* False: not three parts. */
bool hf_jws_split(hf_bytes compact, hf_jws_parts *parts);

/* What verifying learned of the header. */
typedef struct hf_jws_facts {
    hf_alg alg;
    uint8_t typ_length; /* 255: there is none */
    char typ[64];
} hf_jws_facts;

/* As hf_jws_verify. */
hf_err hf_jws_check(const hf_keys *keys, hf_bytes compact, uint8_t *payload, size_t *length, hf_jws_facts *facts, hf_why *why);

#endif
