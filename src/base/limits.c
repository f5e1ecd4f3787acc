/* SPDX-License-Identifier: Apache-2.0
 *
 * Every bound's default and reason, generated from limits.def.
 */
#include <handfast/base.h>

static const hf_limits defaults = {
#define HF_LIMIT(name, value, unit, why) .name = (value),
#include <handfast/limits.def>
#undef HF_LIMIT
};

static const hf_limit_info rows[] = {
#define HF_LIMIT(name, value, unit, why) { #name, unit, why, (value) },
#include <handfast/limits.def>
#undef HF_LIMIT
};

const hf_limits *hf_limits_default(void)
{
    return &defaults;
}

bool hf_limit_row(size_t index, hf_limit_info *info)
{
    if (index >= HF_COUNT(rows))
        return false;
    *info = rows[index];
    return true;
}
