/* SPDX-License-Identifier: Apache-2.0
 *
 * What security_headers, hsts, cors and rate_limit mean: held to their rules when the file is read, and the guards that know them.
 */
#ifndef HF_SERVER_CONFIG_GUARDS_H
#define HF_SERVER_CONFIG_GUARDS_H

#include <handfast/guards.h>

#include "config_plan.h"

/* Complains of every CORS policy that would be dangerous or of no use: all its mistakes. */
void hf_config_check_guards(hf_config *c, const hf_config_block *root);
/* Adds the guards of this route (NULL: the site's own action) to the row's, behind those that are there. All memory is the
 * configuration's. */
void hf_config_add_guards(hf_config *c, hf_config_plan *plan, const hf_config_item *site, const hf_config_item *route, const hf_config_item *action,
    hf_route *row);
/* Which of them such a request meets, a line each. */
void hf_config_explain_guards(hf_config *c, const hf_config_item *site, const hf_config_action *action, hf_method method, FILE *out);

/* ---- for who makes guards of other settings -------------------------------------------------------------------------- */

/* Of the route, or else of its site; NULL: neither. */
const hf_config_item *hf_config_said_of(const hf_config_said *said, const hf_config_item *route, hf_config_id id);
/* The values, as a list that ends with NULL. */
const char *const *hf_config_list_of(hf_config *c, const hf_config_item *item);
/* Before or behind those of the row. */
void hf_config_put_guard(hf_route *row, hf_guard *g, bool first);

#endif
