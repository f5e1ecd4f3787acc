/* SPDX-License-Identifier: Apache-2.0
 *
 * public_suffix: below which names strangers register names: com, co.uk, github.io. The list that libpsl was built with; without
 * libpsl, every name of one label.
 */
#ifndef HF_CLIENT_PUBLIC_SUFFIX_H
#define HF_CLIENT_PUBLIC_SUFFIX_H

#include <handfast/base.h>

/* As hf_jar_options wants it. */
bool hf_public_suffix_is(void *ctx, hf_bytes domain);
/* The site of a host (HTML 7.1.1): the suffix and one label more; the host itself where it is an address or a suffix. Lends from it. */
hf_bytes hf_public_suffix_site(hf_bytes host);

#endif
