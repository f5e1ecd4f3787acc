/* SPDX-License-Identifier: Apache-2.0
 *
 * What session, jwt, csrf and idempotency mean: whom a route answers, and how often. Held to their rules when the file is
 * read, and the guards that know them.
 */
#ifndef HF_SERVER_CONFIG_VISITORS_H
#define HF_SERVER_CONFIG_VISITORS_H

#include "config_guards.h"

/* Complains of what such settings of a route (NULL: of its site) say together. */
void hf_config_check_visitors(hf_config *c, const hf_config_said *said, const hf_config_item *route);
/* Adds their guards to the row's, behind those that are there. */
void hf_config_add_visitors(hf_config *c, const hf_config_said *said, const hf_config_item *route, hf_route *row);
/* Whom of such requests they let in, a line each. */
void hf_config_explain_visitors(hf_config *c, const hf_config_said *said, const hf_config_item *route, hf_method method, FILE *out);

#endif
