/* SPDX-License-Identifier: Apache-2.0
 *
 * Early data (0-RTT) at the server: the register of tickets, and what must hold.
 */
#ifndef HF_TLS_EARLY_H
#define HF_TLS_EARLY_H

#include "tls_core.h"

enum { HF_STRIKE_ID = HF_AEAD_TAG };

/* 0 for no register. */
uint64_t hf_strikes_id(const hf_tls_strikes *s);
/* False when this id was added before, lately; or when there is no room, or doubt. */
bool hf_strikes_add(hf_tls_strikes *s, const uint8_t id[HF_STRIKE_ID], hf_time now, int64_t window_ns);

/* The clock by which tickets age for early data. */
uint64_t hf_early_now_ms(const hf_handshake *h);
/* Does this server take any? */
bool hf_early_is_taken(const hf_handshake *h);
/* May early data come with this ticket, all but whether it came before? */
bool hf_early_fits(const hf_handshake *h, const hf_ticket *t, uint32_t hidden_age);

#endif
