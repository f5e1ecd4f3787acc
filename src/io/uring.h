/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel through io_uring, with the same sockets as epoll. docs/decisions/0006-io-uring.md says when it is used.
 */
#ifndef HF_IO_URING_H
#define HF_IO_URING_H

#include "io.h"

/* Which way to wait: AUTO is the one that measured faster. */
typedef enum hf_loop_kind { HF_LOOP_AUTO, HF_LOOP_EPOLL, HF_LOOP_URING } hf_loop_kind;

/* A loop for one thread: the first that waits. Lends `env` for life. `plain`: without what only newer kernels have, even
 * where it is there. NULL and *err (errno is kept) where the kernel refuses, is older than 6.0, or the build is without
 * liburing. */
hf_io *hf_uring_new(const hf_env *env, bool plain, hf_err *err);
/* Whether this build has it at all. */
bool hf_uring_is_built(void);

/* For a loop that waits elsewhere, in the thread in which it also calls wait: is this loop one of ours? */
bool hf_uring_is(const hf_io *io);
/* Readable when there is something for `wait`; the same for life. First called before the first wait, or in its thread. -1:
 * there are no descriptors left. */
int hf_uring_descriptor(hf_io *io);
/* When `wait` is due whatever the descriptor says: at 0 where something waits already. */
hf_time hf_uring_wake(const hf_io *io);
/* What was asked for since the last wait goes to the kernel: else the descriptor knows nothing of it. */
void hf_uring_settle(hf_io *io);

#endif
