/* SPDX-License-Identifier: Apache-2.0
 *
 * Trace points: one line in the code, one branch when off.
 */
#ifndef HF_BASE_TRACE_H
#define HF_BASE_TRACE_H

#include <handfast/base.h>

typedef enum hf_trace_kind {
#define HF_TRACE_EVENT(NAME, text, first, second, meaning) HF_TRACE_##NAME,
#include <handfast/trace.def>
#undef HF_TRACE_EVENT
    HF_TRACE_COUNT
} hf_trace_kind;

typedef struct hf_trace_record {
    hf_time at;
    hf_trace_kind kind;
    uint64_t connection; /* the id that runs through logs, traces and metrics */
    uint64_t first, second;
} hf_trace_record;

typedef struct hf_trace_info {
    const char *name, *first, *second, *meaning;
} hf_trace_info;

/* Lends static memory. */
const hf_trace_info *hf_trace_describe(hf_trace_kind kind);

/* What hf_trace does when somebody listens: out of the way of the code around the trace point. */
[[gnu::cold]] void hf_trace_tell(const hf_env *env, hf_time at, uint64_t connection, hf_trace_kind kind, uint64_t first,
                                 uint64_t second);

static inline void hf_trace(const hf_env *env, hf_time at, uint64_t connection, hf_trace_kind kind, uint64_t first, uint64_t second)
{
    if (__builtin_expect(env->trace != NULL, 0))
        hf_trace_tell(env, at, connection, kind, first, second);
}

/* A sink that folds every record into one number: the same seed and input must give the same. */
typedef struct hf_trace_hash {
    hf_trace_sink sink; /* give &hash.sink to hf_env */
    uint64_t value;
    uint64_t records;
} hf_trace_hash;
void hf_trace_hash_init(hf_trace_hash *hash);

#endif
