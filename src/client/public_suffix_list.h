/* SPDX-License-Identifier: Apache-2.0
 *
 * The list itself: public_suffix_psl.c, or public_suffix_none.c.
 */
#ifndef HF_CLIENT_PUBLIC_SUFFIX_LIST_H
#define HF_CLIENT_PUBLIC_SUFFIX_LIST_H

#include <stdbool.h>

bool hf_public_suffix_has(const char *domain);

#endif
