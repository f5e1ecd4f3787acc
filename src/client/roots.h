/* SPDX-License-Identifier: Apache-2.0
 *
 * roots: whom a client believes.
 */
#ifndef HF_CLIENT_ROOTS_H
#define HF_CLIENT_ROOTS_H

#include <handfast/crypto.h>

#include "text.h"

/* Adds the roots of the PEM file `path`, "-" being standard input; NULL: those of SSL_CERT_FILE, or of the system. `why` says what is wrong. */
hf_err hf_roots_add(hf_trust *trust, const char *path, hf_writer *why);

#endif
