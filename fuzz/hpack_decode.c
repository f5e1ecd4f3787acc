/* SPDX-License-Identifier: Apache-2.0
 *
 * HPACK: any bytes as header blocks (a byte of length before each); what decodes is encoded again by our encoder and
 * decoded by a second decoder to the same fields. A block comes whole, or not at all (RFC 9113 4.3), and there is no time. An
 * allocation that fails ends a decoder, which says so; the encoder goes on, and what it writes can still be read.
 */
#include "fuzz_env.h"
#include "hpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool memory_ended(const hf_field_flaw *flaw)
{
    return flaw->memory && fuzz_memory_failed(&fuzz_env_memory);
}

/* False: the second decoder had no memory. */
static bool again(hf_hpack_encoder *e, hf_hpack_decoder *d, const hf_field_list *list, hf_field_list *other)
{
    static uint8_t to[1 << 18];
    hf_writer w = hf_writer_make(to, sizeof to);
    for (uint32_t i = 0; i < list->count; i++)
        if (list->at[i].name.len > HF_HPACK_NAME_MOST)
            return true; /* nothing of it: half a block would be in one of the tables alone */
    hf_hpack_begin(e, &w);
    for (uint32_t i = 0; i < list->count; i++)
        hf_hpack_field(e, &w, &list->at[i]);
    hf_field_flaw flaw = { 0 };
    if (!hf_hpack_decode(d, hf_written(&w), other, &flaw)) {
        HF_ASSERT(memory_ended(&flaw));
        return false;
    }
    HF_ASSERT(other->count == list->count && e->table.size == d->table.size);
    for (uint32_t i = 0; i < list->count; i++) {
        HF_ASSERT(hf_text_same(other->at[i].name, list->at[i].name));
        HF_ASSERT(hf_bytes_equal(other->at[i].value, list->at[i].value));
    }
    return true;
}

static void run(const uint8_t *data, size_t size)
{
    const hf_allocator alloc = fuzz_env.alloc;
    hf_hpack_decoder first, second;
    hf_hpack_encoder encoder;
    hf_field_list list, other;
    hf_hpack_decoder_init(&first, &alloc, 4096);
    hf_hpack_decoder_init(&second, &alloc, 4096);
    hf_hpack_encoder_init(&encoder, &alloc, 4096);
    hf_field_list_init(&list, &alloc, 8192, 64);
    hf_field_list_init(&other, &alloc, 1 << 16, 64);
    while (size > 0) {
        size_t n = data[0];
        n = n < size - 1 ? n : size - 1;
        uint8_t *const block = malloc(n > 0 ? n : 1);
        HF_ASSERT(block != NULL);
        memcpy(block, data + 1, n);
        hf_field_flaw flaw = { 0 };
        const bool good = hf_hpack_decode(&first, hf_bytes_make(block, n), &list, &flaw);
        HF_ASSERT(good || (flaw.wanted != NULL && (!flaw.memory || memory_ended(&flaw))));
        const bool going = good && (list.too_large || list.too_many || again(&encoder, &second, &list, &other));
        free(block);
        data += 1 + n;
        size -= 1 + n;
        if (!going)
            break;
    }
    hf_hpack_decoder_fini(&first);
    hf_hpack_decoder_fini(&second);
    hf_hpack_encoder_fini(&encoder);
    hf_field_list_fini(&list);
    hf_field_list_fini(&other);
    HF_ASSERT(fuzz_env_memory.most < 1 << 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_env_init();
    fuzz_twice(&fuzz_env_memory, run, data, size);
    return 0;
}
