/* SPDX-License-Identifier: Apache-2.0
 *
 * Names that are not ours: the statuses of HTTP, and the errors of the operating system that a connection meets.
 */
#ifndef HF_EXPLAIN_OUTSIDE_NAMES_H
#define HF_EXPLAIN_OUTSIDE_NAMES_H

#include <stdint.h>

/* What a status most likely means to who gets it; NULL: no more than its phrase says. Static. */
const char *hf_status_means(uint16_t status);

typedef struct hf_system_name {
    int number;
    const char *name;   /* "ECONNREFUSED" */
    const char *means, *remedy;
} hf_system_name;

/* By name, in any case; NULL: none of those that are known here. Static. */
const hf_system_name *hf_system_name_find(const char *name);

#endif
