/* SPDX-License-Identifier: Apache-2.0
 *
 * A loop on a tape: between a real one and whoever stands on it, noting what it answers; or in place of one, answering what
 * was noted. Who stands above cannot tell.
 */
#ifndef HF_IO_TAPE_IO_H
#define HF_IO_TAPE_IO_H

#include "io.h"
#include "tape.h"

/* Takes `inner`, which goes with it; NULL while the tape plays. Lends `env` and `tape` for life. NULL: memory ended, and
 * `inner` stays the caller's. It has no watch(): what comes by descriptors of others is not on the tape. */
hf_io *hf_tape_io_new(const hf_env *env, hf_tape *tape, hf_io *inner);
/* Connections that came so far. */
uint64_t hf_tape_io_connections(const hf_io *io);

#endif
