/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands in for uring.c in a build without liburing.
 */
#include "uring.h"

#include <errno.h>

hf_io *hf_uring_new(const hf_env *env, bool plain, hf_err *err)
{
    (void)env, (void)plain;
    *err = hf_err_make(HF_ERR_IO_SYSTEM);
    errno = ENOSYS;
    return NULL;
}

bool hf_uring_is_built(void)
{
    return false;
}

bool hf_uring_is(const hf_io *io)
{
    (void)io;
    return false;
}

int hf_uring_descriptor(hf_io *io)
{
    (void)io;
    return -1;
}

hf_time hf_uring_wake(const hf_io *io)
{
    (void)io;
    return HF_NEVER;
}

void hf_uring_settle(hf_io *io)
{
    (void)io;
}
