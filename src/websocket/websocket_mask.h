/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 6455 5.3: masking, and its undoing, which is the same. At the speed of memory: 64 bytes a turn.
 */
#ifndef HF_WEBSOCKET_MASK_H
#define HF_WEBSOCKET_MASK_H

#include <handfast/base.h>

/* `to` may be `from`, and must not overlap it otherwise. `phase`: how many bytes of the payload came before. */
void hf_websocket_mask(uint8_t *to, const uint8_t *from, size_t n, const uint8_t key[4], uint64_t phase);

#endif
