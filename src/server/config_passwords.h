/* SPDX-License-Identifier: Apache-2.0
 *
 * What basic_auth means: the password files, held against the limits, and the guards that know them.
 */
#ifndef HF_SERVER_CONFIG_PASSWORDS_H
#define HF_SERVER_CONFIG_PASSWORDS_H

#include "config_plan.h"
#include "guards_password.h"

/* Complains of every account that cannot be used, and of passwords that nobody could send. */
void hf_config_check_passwords(hf_config *c, const hf_config_block *root);
/* The basic_auth of a route, or else of its site; NULL: neither has one. `route` may be NULL. */
const hf_config_item *hf_config_auth_of(const hf_config_item *site, const hf_config_item *route);
/* One for each basic_auth, whatever routes it is for. All memory is the configuration's. NULL when that ends. */
hf_password_guard *hf_config_password_guard(hf_config *c, hf_config_plan *plan, const hf_config_item *auth);

#endif
