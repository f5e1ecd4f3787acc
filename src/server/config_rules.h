/* SPDX-License-Identifier: Apache-2.0
 *
 * What statements of one block owe one another: nothing missing, nothing twice, nothing that contradicts; and the
 * defaults of what was not said.
 */
#ifndef HF_SERVER_CONFIG_RULES_H
#define HF_SERVER_CONFIG_RULES_H

#include "config_check.h"

/* Called behind the last statement of a block. `good`: nothing in it was refused, so that what is missing is missing. */
void hf_config_finish_block(hf_config *c, hf_config_block *block, bool good);

/* What a Content-Security-Policy of an answer says for a nonce of each answer's own; {nonce} alone in its text. */
#define HF_CONFIG_NONCE "'nonce-{nonce}'"
/* Is this `header` such a policy, and is `with` in it? */
bool hf_config_is_policy(const hf_config_item *header, const char *with);

/* Whether two patterns match the same paths: arguments may be named differently. */
bool hf_config_same_pattern(const char *a, const char *b);

#endif
