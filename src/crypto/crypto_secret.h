/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets are wiped, and compared in constant time.
 */
#ifndef HF_CRYPTO_SECRET_H
#define HF_CRYPTO_SECRET_H

#include <handfast/base.h>

/* A wipe that the compiler may not leave out. */
void hf_wipe(void *secret, size_t n);
/* The time taken tells nothing of where they differ. */
bool hf_secret_equal(const void *a, const void *b, size_t n);

#endif
