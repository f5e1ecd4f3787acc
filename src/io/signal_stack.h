/* SPDX-License-Identifier: Apache-2.0
 *
 * signal_stack: where a thread's handlers of signals run that have SA_ONSTACK, so that a thread whose stack is full can still be told of.
 */
#ifndef HF_IO_SIGNAL_STACK_H
#define HF_IO_SIGNAL_STACK_H

/* run(argument), with such a stack meanwhile: beside the thread's own, of which it takes nothing, and above a page that ends what
 * overflows it. A thread that has one keeps it; where there is no memory for one, it runs without. */
void *hf_signal_stack_run(void *(*run)(void *argument), void *argument);
/* The same for a thread that has begun already, for its life: the process's first, and no other. */
void hf_signal_stack_first(void);

#endif
