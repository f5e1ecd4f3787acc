/* SPDX-License-Identifier: Apache-2.0
 *
 * Multipart bodies from hostile bytes: whatever the slicing, the same is told. The first byte seeds the slicing, the
 * second is the length of the Content-Type's boundary, which follows; the rest is the body. It is read whole, sliced, and sliced
 * while an allocation fails, which leaks nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_memory.h"
#include "multipart.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct told {
    uint64_t hash;
    uint64_t bytes, parts;
    int32_t err;
} told;

static void mix(told *t, hf_bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        t->hash = (t->hash ^ b.ptr[i]) * 1099511628211u;
}

static told run(hf_bytes type, hf_bytes body, unsigned seed, fuzz_memory *memory)
{
    told t = { .hash = 14695981039346656037u };
    hf_limits limits = *hf_limits_default();
    const hf_env env = { .alloc = fuzz_alloc(memory), .limits = &limits };
    hf_err err;
    limits.part_head_bytes = 256;
    limits.form_arguments = 8;
    hf_multipart *m = hf_multipart_new(&env, type, &err);
    t.err = err.code;
    if (m == NULL) {
        HF_ASSERT(err.code != 0 && memory->held == 0);
        return t;
    }
    bool in_part = false;
    for (size_t at = 0; at < body.len;) {
        size_t n = seed == 0 ? body.len : 1 + (seed = seed * 1103515245u + 12345u) / 65536 % 7;
        n = n < body.len - at ? n : body.len - at;
        uint8_t *copy = malloc(n);
        HF_ASSERT(copy != NULL);
        memcpy(copy, body.ptr + at, n);
        hf_bytes in = hf_bytes_make(copy, n);
        hf_multipart_event e;
        hf_multipart_kind kind;
        while ((kind = hf_multipart_next(m, &in, &e)) != HF_MULTIPART_MORE && kind != HF_MULTIPART_BAD) {
            const uint8_t mark = (uint8_t)kind;
            HF_ASSERT(in_part == (kind != HF_MULTIPART_PART));
            in_part = kind != HF_MULTIPART_PART_END;
            if (kind == HF_MULTIPART_DATA) {
                HF_ASSERT(e.bytes.len > 0);
                t.bytes += e.bytes.len;
                mix(&t, e.bytes);
                continue;
            }
            mix(&t, hf_bytes_make(&mark, 1));
            if (kind != HF_MULTIPART_PART)
                continue;
            t.parts++;
            mix(&t, e.name);
            mix(&t, e.filename);
            mix(&t, e.content_type);
            HF_ASSERT(e.filename.len == 0 || (!memchr(e.filename.ptr, '/', e.filename.len) && !memchr(e.filename.ptr, 0, e.filename.len)));
        }
        HF_ASSERT(kind == HF_MULTIPART_BAD || in.len == 0);
        free(copy);
        at += n;
    }
    t.err = hf_multipart_end(m).code;
    HF_ASSERT(t.bytes <= body.len && t.parts <= limits.form_arguments && (t.err != 0 || !in_part));
    hf_multipart_free(m);
    HF_ASSERT(memory->held == 0);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 16384 || (size_t)data[1] % 80 > size - 2)
        return 0;
    const size_t n = (size_t)data[1] % 80;
    uint8_t text[160];
    hf_writer w = hf_writer_make(text, sizeof text);
    hf_write_text(&w, "multipart/form-data; boundary=\"");
    hf_write(&w, hf_bytes_make(data + 2, n));
    hf_write_text(&w, "\"");
    const hf_bytes body = hf_bytes_make(data + 2 + n, size - 2 - n);
    fuzz_memory lasting = { 0 }, other = { 0 };
    const told whole = run(hf_written(&w), body, 0, &other), sliced = run(hf_written(&w), body, data[0] + 1u, &lasting);
    HF_ASSERT(whole.hash == sliced.hash && whole.bytes == sliced.bytes && whole.err == sliced.err);
    if (lasting.calls > 0) {
        fuzz_memory failing = { .fail_at = 1 + fuzz_choice(data, size) % lasting.calls };
        const told less = run(hf_written(&w), body, data[0] + 1u, &failing);
        HF_ASSERT(less.err == HF_ERR_BASE_MEMORY && less.bytes <= sliced.bytes && less.parts <= sliced.parts);
    }
    return 0;
}
