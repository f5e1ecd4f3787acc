/* SPDX-License-Identifier: Apache-2.0
 *
 * What a program that has nothing of its own to give is given: the C library's memory, the default limits.
 */
#include <handfast/store.h>

#include <pthread.h>

#include "allocator.h"

static hf_env usual;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make(void)
{
    usual = (hf_env){ .alloc = *hf_allocator_default(), .limits = hf_limits_default() };
}

const hf_env *hf_env_default(void)
{
    pthread_once(&once, make);
    return &usual;
}
