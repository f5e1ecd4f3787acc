/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 3629 as it comes: any cut, the first byte that no UTF-8 may have there is found at once (RFC 6455 8.1).
 */
#ifndef HF_WEBSOCKET_UTF8_H
#define HF_WEBSOCKET_UTF8_H

#include <handfast/base.h>

/* Zero-initialised: between characters. */
typedef struct hf_utf8 {
    uint8_t left;      /* bytes that the open character still lacks */
    uint8_t low, high; /* bounds of the next of them */
} hf_utf8;

/* The index of the first bad byte; n when there is none. */
size_t hf_utf8_check(hf_utf8 *u, const uint8_t *p, size_t n);

static inline bool hf_utf8_is_whole(const hf_utf8 *u)
{
    return u->left == 0;
}

static inline bool hf_utf8_is_valid(hf_bytes b)
{
    hf_utf8 u = { 0 };
    return hf_utf8_check(&u, b.ptr, b.len) == b.len && hf_utf8_is_whole(&u);
}

#endif
