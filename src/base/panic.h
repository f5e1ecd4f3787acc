/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HF_BASE_PANIC_H
#define HF_BASE_PANIC_H

/* The one symbol that pure rooms leave to the outside: io defines it (prints and aborts). */
[[gnu::cold]] _Noreturn void hf_panic(const char *file, int line, const char *what);

/* Guards our own invariants. Stays on in release; never fires on what a peer sent. */
#define HF_ASSERT(claim) ((claim) ? (void)0 : hf_panic(__FILE__, __LINE__, #claim))

#endif
