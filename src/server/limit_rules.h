/* SPDX-License-Identifier: Apache-2.0
 *
 * What limits may be set to: which may be 0, and which need one another. For the command line and the configuration.
 */
#ifndef HF_SERVER_LIMIT_RULES_H
#define HF_SERVER_LIMIT_RULES_H

#include <handfast/base.h>

/* 0 means "none" or "at once"; elsewhere it means that nothing works. */
bool hf_limit_may_be_zero(const char *name);
/* The first two limits that contradict one another: `smaller` is less than `larger`, and must not be. False: none do. */
bool hf_limits_conflict(const hf_limits *limits, const char **smaller, uint64_t *small, const char **larger, uint64_t *large);

#endif
