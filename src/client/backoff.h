/* SPDX-License-Identifier: Apache-2.0
 *
 * backoff: how long to wait before the next try. Each failure doubles the span, up to a bound; of the span a random half
 * is waited for, so that clients that lost one server do not come back together.
 */
#ifndef HF_CLIENT_BACKOFF_H
#define HF_CLIENT_BACKOFF_H

#include <handfast/base.h>

typedef struct hf_backoff {
    int64_t first_ns, most_ns; /* 0: half a second, half a minute */
    uint32_t failures;         /* in a row */
} hf_backoff;

/* One failure more: how long to wait. `draw` is a random number. */
int64_t hf_backoff_next(hf_backoff *b, uint64_t draw);
/* It went well. */
void hf_backoff_reset(hf_backoff *b);

#endif
