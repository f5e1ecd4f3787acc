/* SPDX-License-Identifier: Apache-2.0 */
#include "limit_rules.h"

bool hf_limit_may_be_zero(const char *name)
{
    static const char *const names[] = {
        "body_bytes", "trailer_bytes", "chunk_line_bytes", "informational_responses", "linger_ns", "drain_ns", "body_rate",
        "send_rate", "compress_bytes", "ranges", "hot_files", "hot_file_bytes", "hot_bytes", "hot_check_ns", "listing_entries",
    };
    for (size_t i = 0; i < HF_COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* A head must fit into what a connection may hold of it, and a target into its head. */
bool hf_limits_conflict(const hf_limits *l, const char **smaller, uint64_t *small, const char **larger, uint64_t *large)
{
    const struct {
        const char *name;
        uint64_t value;
    } order[] = { { "input_bytes", l->input_bytes }, { "header_bytes", l->header_bytes }, { "target_bytes", l->target_bytes } };
    for (size_t i = 0; i + 1 < HF_COUNT(order); i++)
        if (order[i].value < order[i + 1].value) {
            *smaller = order[i].name;
            *small = order[i].value;
            *larger = order[i + 1].name;
            *large = order[i + 1].value;
            return true;
        }
    return false;
}
