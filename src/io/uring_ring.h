/* SPDX-License-Identifier: Apache-2.0
 *
 * A ring of io_uring and the ring of buffers that its sockets share, as the loop wants them; made where the kernel cannot hold it
 * against a thread that lives on.
 */
#ifndef HF_IO_URING_RING_H
#define HF_IO_URING_RING_H

#include <liburing.h>
#include <stdbool.h>

/* What is there is to be given up by the caller, after a failure, too. */
typedef struct hf_uring_ring {
    unsigned entries, completions, buffers, group; /* what is wanted; buffers: a power of two */
    bool plain;                        /* without what came with Linux 6.1 */
    struct io_uring *ring;             /* disabled at first: whoever enables it is its thread */
    bool has_ring;
    struct io_uring_buf_ring *offered; /* mapped; NULL: not there. No buffer is in it yet */
} hf_uring_ring;

/* False, and errno: it cannot be had here. */
bool hf_uring_ring_make(hf_uring_ring *r);
/* Of the offered ring alone; NULL is fine. */
void hf_uring_ring_unmap(struct io_uring_buf_ring *offered, unsigned buffers);

#endif
