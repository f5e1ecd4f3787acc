/* SPDX-License-Identifier: Apache-2.0
 *
 * What the serving process may ask of the kernel (seccomp). It speaks with strangers, so it keeps what a server needs: open
 * descriptors, files, sockets, memory, time, threads. No program can be started, no process looked into, no identity taken,
 * no module loaded. Who asks for more is ended, and the supervisor says what it was.
 */
#ifndef HF_SERVER_SERVING_CONFINE_H
#define HF_SERVER_SERVING_CONFINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* In memory that supervisor and serving process share: 1 + the number of the call that was refused; 0: none was. */
typedef _Atomic int hf_refused_call;

/* NULL when memory ends. For the life of the process. */
hf_refused_call *hf_refused_call_new(void);

/* Confines this thread and all that it will start. NULL, or why it could not be: without seccomp in the kernel or on this
 * machine, and where sanitizers were built in, which ask for more. Lends `refused` for life. */
const char *hf_serving_confine(hf_refused_call *refused);

/* "execve"; "call 999" written into `room` where nobody knows its name. */
const char *hf_call_name(int number, char *room, size_t size);

#endif
