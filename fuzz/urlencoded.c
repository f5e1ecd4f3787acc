/* SPDX-License-Identifier: Apache-2.0
 *
 * Queries and forms from hostile bytes: what is accepted decodes into exactly the room it was said to need, and encoded
 * again it means the same. A form is there whole, and the room is the caller's: no slices, no time, no allocations.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "form.h"
#include "panic.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count, room, again_count, again_room;
    const hf_limits *limits = hf_limits_default();
    if (size > 4096)
        return 0;
    uint8_t *copy = malloc(size + (size == 0)); /* a block of its own, so that reading past its end is seen */
    HF_ASSERT(copy != NULL);
    memcpy(copy, data, size);
    const hf_bytes text = hf_bytes_make(copy, size);
    if (hf_urlencoded_check(text, limits, &count, &room).code == 0) {
        HF_ASSERT(count <= limits->form_arguments && room <= size);
        hf_argument *at = calloc(count + 1, sizeof *at);
        uint8_t *decoded = malloc(room + (room == 0)), *encoded = malloc(3 * size + 2 * count + 1);
        HF_ASSERT(at != NULL && decoded != NULL && encoded != NULL);
        hf_writer w = hf_writer_make(decoded, room), e = hf_writer_make(encoded, 3 * size + 2 * count + 1);
        hf_urlencoded_decode(text, at, &w);
        HF_ASSERT(w.length == room && !w.overflowed);
        for (size_t i = 0; i < count; i++) {
            hf_percent_write(&e, at[i].name);
            if (at[i].value.ptr != NULL || at[i].name.len == 0)
                hf_write_text(&e, "=");
            hf_percent_write(&e, at[i].value);
            hf_write_text(&e, "&");
            HF_ASSERT(hf_argument_find(at, count, at[i].name) <= &at[i]);
        }
        HF_ASSERT(!e.overflowed && hf_urlencoded_check(hf_written(&e), limits, &again_count, &again_room).code == 0);
        HF_ASSERT(again_count == count && again_room == room);
        free(encoded);
        free(decoded);
        free(at);
    }
    free(copy);
    return 0;
}
