/* SPDX-License-Identifier: Apache-2.0
 *
 * A body in a content coding, of any bytes: whatever it is cut into, the same comes out of it and the same is said of it;
 * what it may hold and what it may grow to is bounded; an allocation that fails leaks nothing.
 *
 * The first byte chooses the coding and, in its upper bits, the slices; the second which allocation fails (0: none).
 */
#include <stdlib.h>

#include "compress.h"
#include "decompress.h"
#include "fuzz_memory.h"
#include "panic.h"

typedef struct result {
    int32_t code;
    uint64_t length, hash;
} result;

/* So much is looked at of what comes out: a bomb that keeps to the ratio would take long. */
enum { LOOKED_AT = 4 << 20 };

static result undo(const hf_env *env, hf_encoding e, hf_bytes all, size_t slice)
{
    result r = { 0, 0, 14695981039346656037u };
    hf_decompressor *d = hf_decompressor_new(env, e);
    if (d == NULL)
        return (result){ .code = HF_ERR_BASE_MEMORY };
    for (size_t at = 0; r.code == 0 && at < all.len && r.length < LOOKED_AT; at += slice) {
        hf_bytes in = hf_bytes_make(all.ptr + at, slice < all.len - at ? slice : all.len - at), piece;
        do {
            r.code = hf_decompressor_next(d, &in, &piece).code;
            for (size_t i = 0; i < piece.len; i++)
                r.hash = (r.hash ^ piece.ptr[i]) * 1099511628211u;
            r.length += piece.len;
        } while (r.code == 0 && piece.len > 0 && r.length < LOOKED_AT);
    }
    HF_ASSERT(hf_decompressor_given(d) >= r.length);
    if (r.code == 0 && r.length < LOOKED_AT)
        r.code = hf_decompressor_end(d).code;
    hf_decompressor_free(d);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_memory m = { 0 };
    hf_limits limits = *hf_limits_default();
    const hf_env env = { .alloc = fuzz_alloc(&m), .limits = &limits };
    if (size < 2)
        return 0;
    const hf_encoding e = (hf_encoding)(1 + data[0] % 3);
    const size_t slice = 1u + (data[0] >> 2);
    const hf_bytes all = hf_bytes_make(data + 2, size - 2);
    if ((hf_compress_codings() & 1u << e) == 0)
        return 0;
    m.fail_at = data[1];
    const result first = undo(&env, e, all, slice);
    HF_ASSERT(m.held == 0 && m.most <= limits.coding_bytes + 65536);
    if (m.fail_at != 0) {
        HF_ASSERT(m.calls < m.fail_at || first.code != 0);
        return 0;
    }
    const result whole = undo(&env, e, all, all.len + 1);
    HF_ASSERT(m.held == 0);
    /* How much comes out before an error is the library's affair; whether it is good, and what it then is, is not. (Near the
     * ratio it depends on how far ahead the library has eaten.) */
    const bool ratio = first.code == HF_ERR_HTTP_BODY_RATIO || whole.code == HF_ERR_HTTP_BODY_RATIO;
    if (!ratio && first.length < LOOKED_AT && whole.length < LOOKED_AT) {
        HF_ASSERT((first.code == 0) == (whole.code == 0));
        HF_ASSERT(first.code != 0 || (first.length == whole.length && first.hash == whole.hash));
    }
    HF_ASSERT(first.code == 0 || first.code == HF_ERR_HTTP_CODING_INVALID || first.code == HF_ERR_HTTP_BODY_RATIO ||
        first.code == HF_ERR_HTTP_CODING_MEMORY);
    return 0;
}
