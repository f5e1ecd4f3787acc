/* SPDX-License-Identifier: Apache-2.0
 *
 * What is unwise in a token that nobody has verified.
 */
#ifndef HF_CLI_JWT_LINT_H
#define HF_CLI_JWT_LINT_H

#include <handfast/base.h>
#include <stdio.h>

/* Tells each on `out`, with its remedy. How many there were. */
size_t hf_jwt_lint_token(FILE *out, hf_bytes token, hf_bytes header, hf_bytes payload);

#endif
