/* SPDX-License-Identifier: Apache-2.0
 *
 * Origins as browsers write them (RFC 6454 6.2): compared byte for byte, never parsed leniently.
 */
#ifndef HF_GUARD_ORIGIN_H
#define HF_GUARD_ORIGIN_H

#include <handfast/guard.h>

typedef struct hf_origin {
    hf_bytes scheme; /* "http" or "https" */
    hf_bytes host;   /* with the brackets of an IPv6 address */
    int32_t port;    /* -1: the scheme's own */
} hf_origin;

/* HF_OK, or what is wrong by the codes of CORS: _ORIGIN_NULL, _ORIGIN_SCHEME, _ORIGIN_PATH, _ORIGIN_HOST, _DEFAULT_PORT. With
 * `wildcard` the host may begin with "*.". */
hf_err hf_origin_parse(hf_bytes text, bool wildcard, hf_origin *origin);
/* Lower-case letters, digits, '-', '_' and single dots between them. */
bool hf_origin_labels(hf_bytes text);

#endif
