/* SPDX-License-Identifier: Apache-2.0
 *
 * The names of the trace points, generated from trace.def, and the sink that folds a run into one number.
 */
#include "trace.h"

static const hf_trace_info infos[HF_TRACE_COUNT] = {
#define HF_TRACE_EVENT(NAME, text, first, second, meaning) { text, first, second, meaning },
#include <handfast/trace.def>
#undef HF_TRACE_EVENT
};

const hf_trace_info *hf_trace_describe(hf_trace_kind kind)
{
    /* A stored trace may come from a version that knows more kinds than this one. */
    static const hf_trace_info unknown = {
        "unknown", "first", "second", "a trace point that this version does not know",
    };
    return (size_t)kind < HF_COUNT(infos) ? &infos[kind] : &unknown;
}

void hf_trace_tell(const hf_env *env, hf_time at, uint64_t connection, hf_trace_kind kind, uint64_t first, uint64_t second)
{
    const hf_trace_record record = { at, kind, connection, first, second };
    env->trace->record(env->trace->ctx, &record);
}

/* Each step depends on all before it, and every bit of `word` reaches every bit of the result: order counts. */
static uint64_t fold(uint64_t value, uint64_t word)
{
    value = (value ^ word) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 29)) * 0x94d049bb133111ebu;
    return value ^ (value >> 32);
}

static void record_hash(void *ctx, const hf_trace_record *record)
{
    hf_trace_hash *hash = ctx;
    uint64_t value = hash->value;
    value = fold(value, (uint64_t)record->at.ns);
    value = fold(value, (uint64_t)record->kind);
    value = fold(value, record->connection);
    value = fold(value, record->first);
    value = fold(value, record->second);
    hash->value = value;
    hash->records++;
}

void hf_trace_hash_init(hf_trace_hash *hash)
{
    *hash = (hf_trace_hash){ .sink = { record_hash, hash }, .value = 0x9e3779b97f4a7c15u };
}
