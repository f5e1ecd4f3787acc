/* SPDX-License-Identifier: Apache-2.0
 *
 * Sequence numbers (RFC 9293 3.4): a circle of 2^32. A struct, so that `<` does not compile.
 */
#ifndef HF_TCP_SEQ_H
#define HF_TCP_SEQ_H

#include <handfast/base.h>

typedef struct hf_seq {
    uint32_t n;
} hf_seq;

static inline hf_seq hf_seq_make(uint32_t n)
{
    return (hf_seq){ n };
}
static inline hf_seq hf_seq_add(hf_seq s, uint32_t n)
{
    return (hf_seq){ s.n + n };
}
/* How far `a` lies ahead of `b`; negative when behind. */
static inline int32_t hf_seq_from(hf_seq a, hf_seq b)
{
    return (int32_t)(a.n - b.n);
}
static inline bool hf_seq_before(hf_seq a, hf_seq b)
{
    return hf_seq_from(a, b) < 0;
}
static inline bool hf_seq_upto(hf_seq a, hf_seq b)
{
    return hf_seq_from(a, b) <= 0;
}
static inline bool hf_seq_same(hf_seq a, hf_seq b)
{
    return a.n == b.n;
}

#endif
