/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are explained: captures, qlog, HAR, lines of logs; and pages that are read for mixed content. The kind is told by the bytes,
 * or by the first one where they tell none. Whatever comes, what is told is printable, and no more than there is room for. A file
 * is read whole, at no time; an allocation that fails is told as that, and leaks nothing.
 */
#include "fuzz_env.h"
#include "mixed_content.h"
#include "reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(hf_file_kind kind, hf_bytes file)
{
    static hf_finding findings[HF_FINDINGS_MOST];
    static char facts[4096];
    hf_reading r = { .facts = hf_writer_make(facts, sizeof facts), .findings = { .at = findings, .capacity = HF_FINDINGS_MOST } };
    const hf_err err = hf_reading_make(&fuzz_env, kind, file, &r);
    HF_ASSERT(err.code == 0 || (err.code == HF_ERR_BASE_MEMORY && fuzz_memory_failed(&fuzz_env_memory)));
    HF_ASSERT(r.findings.count <= HF_FINDINGS_MOST);
    for (size_t i = 0; i < r.facts.length; i++)
        HF_ASSERT(facts[i] == '\n' || (facts[i] >= 0x20 && facts[i] < 0x7f));
    for (size_t i = 0; i < r.findings.count; i++) {
        HF_ASSERT(i == 0 || err.code != 0 || findings[i - 1].weight >= findings[i].weight);
        for (const char *p = findings[i].found; *p != 0; p++)
            HF_ASSERT(*p >= 0x20 && *p < 0x7f);
    }
}

static void run(const uint8_t *data, size_t size)
{
    static const hf_file_kind kinds[] = { HF_FILE_PCAP, HF_FILE_PCAPNG, HF_FILE_QLOG, HF_FILE_HAR, HF_FILE_LOG };
    uint8_t *const copy = malloc(size); /* a block of its own, so that reading past its end is seen */
    HF_ASSERT(copy != NULL);
    memcpy(copy, data, size);
    const hf_bytes file = hf_bytes_make(copy, size);
    const hf_file_kind kind = hf_file_kind_of(file);
    look(kind == HF_FILE_UNKNOWN ? kinds[data[0] % HF_COUNT(kinds)] : kind, file);
    const hf_mixed mixed = hf_mixed_content(file);
    HF_ASSERT((mixed.active + mixed.passive > 0) == (mixed.first.ptr != NULL));
    HF_ASSERT(mixed.first.ptr == NULL || (mixed.first.ptr >= copy && mixed.first.ptr + mixed.first.len <= copy + size));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 65536)
        return 0;
    fuzz_env_init();
    fuzz_limits.capture_connections = 64;
    fuzz_limits.capture_packets = 1000;
    fuzz_twice(&fuzz_env_memory, run, data, size);
    return 0;
}
