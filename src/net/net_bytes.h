/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers in network order.
 */
#ifndef HF_NET_BYTES_H
#define HF_NET_BYTES_H

#include <handfast/base.h>

static inline uint16_t hf_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t hf_get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline void hf_set16(uint8_t *p, uint32_t n)
{
    p[0] = (uint8_t)(n >> 8);
    p[1] = (uint8_t)n;
}
static inline void hf_set32(uint8_t *p, uint32_t n)
{
    hf_set16(p, n >> 16);
    hf_set16(p + 2, n);
}

#endif
