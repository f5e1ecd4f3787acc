/* SPDX-License-Identifier: Apache-2.0
 *
 * QPACK: any bytes as instructions, acknowledgments and sections (a byte of kind, one of length before each); what
 * decodes is encoded again by our encoder and decoded by a second decoder to the same fields. The parts are the slices, and
 * there is no time. An allocation that fails ends a decoder, which says so; what the encoder writes without it can still be read.
 */
#include "fuzz_env.h"
#include "qpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct world {
    hf_qpack_decoder first, second;
    hf_qpack_encoder encoder;
    hf_field_list list, other;
    uint64_t stream;
} world;

static bool memory_ended(const hf_field_flaw *flaw)
{
    return flaw->memory && fuzz_memory_failed(&fuzz_env_memory);
}

/* False: the second decoder had no memory. */
static bool again(world *w)
{
    static uint8_t to[1 << 18];
    hf_field_flaw flaw = { 0 };
    size_t used = 0;
    hf_writer writer = hf_writer_make(to, sizeof to);
    for (uint32_t i = 0; i < w->list.count; i++)
        if (w->list.at[i].name.len > HF_QPACK_NAME_MOST)
            return true;
    hf_qpack_begin(&w->encoder, w->stream, &writer);
    for (uint32_t i = 0; i < w->list.count; i++)
        hf_qpack_field(&w->encoder, &writer, &w->list.at[i]);
    const hf_bytes section = hf_qpack_finish(&w->encoder, &writer);
    const hf_span said = hf_queue_peek(&w->encoder.say);
    const bool obeyed = hf_qpack_instruct(&w->second, hf_bytes_make(said.ptr, said.len), &used, &flaw);
    HF_ASSERT(obeyed ? used == said.len : memory_ended(&flaw));
    hf_queue_take(&w->encoder.say, used);
    const hf_qpack_verdict v = obeyed ? hf_qpack_decode(&w->second, w->stream, section, &w->other, &flaw) : HF_QPACK_BAD;
    HF_ASSERT(v == HF_QPACK_GOOD || (v == HF_QPACK_BAD && memory_ended(&flaw)));
    if (v != HF_QPACK_GOOD)
        return false;
    w->stream += 4;
    HF_ASSERT(w->other.count == w->list.count && w->encoder.table.size == w->second.table.size);
    for (uint32_t i = 0; i < w->list.count; i++) {
        HF_ASSERT(hf_text_same(w->other.at[i].name, w->list.at[i].name));
        HF_ASSERT(hf_bytes_equal(w->other.at[i].value, w->list.at[i].value));
    }
    const hf_span answer = hf_queue_peek(&w->second.say);
    HF_ASSERT(hf_qpack_heed(&w->encoder, hf_bytes_make(answer.ptr, answer.len), &used, &flaw));
    hf_queue_take(&w->second.say, answer.len);
    return true;
}

static bool take_part(world *w, uint8_t kind, hf_bytes part)
{
    hf_field_flaw flaw = { 0 };
    size_t used = 0;
    switch (kind % 4) {
    case 0: {
        const bool good = hf_qpack_instruct(&w->first, part, &used, &flaw);
        HF_ASSERT(used <= part.len && (good || flaw.wanted != NULL) && (!flaw.memory || memory_ended(&flaw)));
        return good;
    }
    case 1: {
        const bool good = hf_qpack_heed(&w->encoder, part, &used, &flaw);
        HF_ASSERT(used <= part.len && (good || flaw.wanted != NULL));
        return good;
    }
    case 2:
        hf_queue_take(&w->first.say, hf_queue_length(&w->first.say));
        return hf_qpack_acknowledge(&w->first) && hf_qpack_cancel(&w->first, part.len);
    default: break;
    }
    const hf_qpack_verdict v = hf_qpack_decode(&w->first, 4, part, &w->list, &flaw);
    HF_ASSERT(v != HF_QPACK_BAD || (flaw.wanted != NULL && (!flaw.memory || memory_ended(&flaw))));
    if (v == HF_QPACK_GOOD && !w->list.too_large && !w->list.too_many)
        return again(w);
    return v != HF_QPACK_BAD;
}

static void run(const uint8_t *data, size_t size)
{
    const hf_allocator alloc = fuzz_env.alloc;
    world w = { 0 };
    hf_qpack_decoder_init(&w.first, &alloc, 1024);
    hf_qpack_decoder_init(&w.second, &alloc, 1024);
    hf_qpack_encoder_init(&w.encoder, &alloc, 4096);
    hf_qpack_encoder_allow(&w.encoder, 1024, 8);
    hf_field_list_init(&w.list, &alloc, 8192, 64);
    hf_field_list_init(&w.other, &alloc, 1 << 16, 64);
    bool good = true;
    while (size > 1 && good) {
        const size_t n = data[1] < size - 2 ? data[1] : size - 2;
        uint8_t *const part = malloc(n > 0 ? n : 1);
        HF_ASSERT(part != NULL);
        memcpy(part, data + 2, n);
        good = take_part(&w, data[0], hf_bytes_make(part, n));
        free(part);
        data += 2 + n;
        size -= 2 + n;
    }
    hf_qpack_decoder_fini(&w.first);
    hf_qpack_decoder_fini(&w.second);
    hf_qpack_encoder_fini(&w.encoder);
    hf_field_list_fini(&w.list);
    hf_field_list_fini(&w.other);
    HF_ASSERT(fuzz_env_memory.most < 1 << 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_env_init();
    fuzz_twice(&fuzz_env_memory, run, data, size);
    return 0;
}
