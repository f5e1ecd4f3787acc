/* SPDX-License-Identifier: Apache-2.0
 *
 * What limits may be set to: from where to where, and which need one another. For the command line and the configuration.
 */
#ifndef HF_SERVER_LIMIT_RULES_H
#define HF_SERVER_LIMIT_RULES_H

#include <handfast/base.h>

/* With the least, a request can still be served; the most keeps sums of limits and of moments within their types. */
typedef struct hf_limit_bounds {
    uint64_t least, most;
} hf_limit_bounds;

/* Of the limit of that name and unit. */
hf_limit_bounds hf_limit_bounds_of(const char *name, const char *unit);
/* Why `amount` cannot be, after "NAME ": "got ...; it must be from 16 KiB to 1 GiB". False: it can be. */
bool hf_limit_refuses(const char *name, const char *unit, uint64_t amount, char *why, size_t size);
/* The first two limits that contradict one another: `smaller` is less than `larger`, and must not be. False: none do. */
bool hf_limits_conflict(const hf_limits *limits, const char **smaller, uint64_t *small, const char **larger, uint64_t *large);

#endif
