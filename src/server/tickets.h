/* SPDX-License-Identifier: Apache-2.0
 *
 * tickets: the ring of keys that session tickets are sealed with (RFC 8446 4.6.1, RFC 5077 5.5). It lies in memory that the
 * supervisor shares with its serving processes, so that tickets outlive a serving process, and all threads have the same
 * ones. The supervisor alone writes keys; they are never on disk. Beside it lies the register of early data.
 */
#ifndef HF_SERVER_TICKETS_H
#define HF_SERVER_TICKETS_H

#include <handfast/tls.h>

enum { HF_TICKET_KEYS = 4 };

typedef struct hf_tickets hf_tickets;

/* Before the first fork. With a register of `strikes` places beside the ring. NULL when memory or entropy ends. */
hf_tickets *hf_tickets_new(uint64_t strikes);
void hf_tickets_free(hf_tickets *t);
/* The tickets whose early data was taken. All threads and processes share it; it ends with the ring, so a ticket that opens
 * is always one that it would know. */
hf_tls_strikes *hf_tickets_strikes(hf_tickets *t);
/* The supervisor, or any thread where there is none: puts a new key in front when the first is older than `every_s`. True
 * when it did. */
bool hf_tickets_rotate(hf_tickets *t, int64_t now_s, int64_t every_s);
/* How long the first key seals: so that no ticket outlives the ring, nor a key 12 hours without need. */
int64_t hf_tickets_period(uint64_t lifetime_s);
/* A thread: a consistent copy of the ring, when it changed since *seen (0: never looked). */
bool hf_tickets_read(const hf_tickets *t, uint64_t *seen, hf_tls_ticket_key keys[HF_TICKET_KEYS], size_t *count);

#endif
