/* SPDX-License-Identifier: Apache-2.0
 *
 * How this room starts its threads.
 */
#ifndef HF_SERVER_THREAD_H
#define HF_SERVER_THREAD_H

#include <pthread.h>

/* As pthread_create, for a thread that takes no signals: whoever started the server does. One that falls out of stack can be told of
 * (signal_stack.h). 0, or an errno. */
int hf_thread_start(pthread_t *id, void *(*run)(void *argument), void *argument);

#endif
