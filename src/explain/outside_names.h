/* SPDX-License-Identifier: Apache-2.0
 *
 * Names that are not ours: the statuses of HTTP, the errors of the operating system, and those of browsers.
 */
#ifndef HF_EXPLAIN_OUTSIDE_NAMES_H
#define HF_EXPLAIN_OUTSIDE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

/* What a status most likely means to who gets it; NULL: no more than its phrase says. Static. */
const char *hf_status_means(uint16_t status);

typedef struct hf_system_name {
    int number;
    const char *name;   /* "ECONNREFUSED" */
    const char *means, *remedy; /* remedy NULL: none is known */
} hf_system_name;

/* By name, in any case, or by number where `name` is one: of those that a connection meets more, of others what the C library says.
 * False: there is none. */
bool hf_system_name_find(const char *name, hf_system_name *found);

typedef struct hf_browser_name {
    const char *name; /* "ERR_CONNECTION_REFUSED" */
    const char *means, *remedy;
} hf_browser_name;

/* Of Chromium, in any case, with net:: or without; NULL: none of those that are known here. Static. */
const hf_browser_name *hf_browser_name_find(const char *name);

#endif
