/* SPDX-License-Identifier: Apache-2.0
 *
 * mailbox: what other threads tell a loop thread. One for each loop; it outlives the loop as long as somebody may write.
 */
#ifndef HF_APP_MAILBOX_H
#define HF_APP_MAILBOX_H

#include "io.h"

/* Embedded in what is told. Nobody else holds it between post and run. */
typedef struct hf_message hf_message;
struct hf_message {
    hf_message *next;
    void (*run)(hf_message *m); /* in the loop thread; owns the message */
};

typedef struct hf_mailbox hf_mailbox;

/* The first reference is the caller's, who is the loop's owner: hf_mailbox_close lets go of it. Lends `io` until then.
 * `alloc` (copied) must be thread-safe and outlive every reference. `most` bounds hf_mailbox_has_room. */
hf_mailbox *hf_mailbox_new(const hf_allocator *alloc, hf_io *io, uint64_t most);
const hf_allocator *hf_mailbox_allocator(const hf_mailbox *b);
hf_mailbox *hf_mailbox_keep(hf_mailbox *b);
void hf_mailbox_drop(hf_mailbox *b);

/* From any thread. Never fails: once the loop is gone the message runs here and now. */
void hf_mailbox_post(hf_mailbox *b, hf_message *m);
/* From any thread: fewer messages wait than the bound. */
bool hf_mailbox_has_room(const hf_mailbox *b);
/* In the loop thread, once a turn: runs what was posted before. */
void hf_mailbox_turn(hf_mailbox *b);
/* The loop ends: runs what is left; nothing wakes `io` any more. NULL is fine. */
void hf_mailbox_close(hf_mailbox *b);

#endif
