/* SPDX-License-Identifier: Apache-2.0
 *
 * idn: a host in Unicode as the DNS knows it (IDNA2008, RFC 5890, over UTS #46, as browsers and curl have it): xn--... . By libidn2;
 * without it no such host is known.
 */
#ifndef HF_CLIENT_IDN_H
#define HF_CLIENT_IDN_H

#include <handfast/base.h>

enum { HF_IDN_BYTES = 256 };

/* The name in ASCII, NUL-terminated: letters, digits, "-", "_" and "." alone. NULL, or why there is none: static. */
const char *hf_idn_to_ascii(hf_bytes host, char to[HF_IDN_BYTES]);

#endif
