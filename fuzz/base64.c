/* SPDX-License-Identifier: Apache-2.0
 *
 * Strict base64: what decodes must encode to the very same text, since there is one canonical form (RFC 4648 3.5). With a byte of
 * room too few it is refused, and nothing is written behind that room. No state, no time, no allocation: the writer's room is all.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base64.h"

/* A block of its own, so that writing past its end is seen. */
static void check_room(hf_base64_kind kind, hf_bytes text, size_t room)
{
    uint8_t *const block = malloc(room + (room == 0));
    if (block == NULL)
        abort();
    hf_writer w = hf_writer_make(block, room);
    if (hf_base64_parse(&w, kind, text).code != HF_ERR_BASE_LIMIT || w.length > room)
        abort();
    free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[4096], text[8192];
    if (size < 1 || size > 4000)
        return 0;
    const hf_base64_kind kind = data[0] & 1 ? HF_BASE64URL : HF_BASE64;
    hf_writer decoded = hf_writer_make(bytes, sizeof bytes);
    if (hf_base64_parse(&decoded, kind, hf_bytes_make(data + 1, size - 1)).code != 0)
        return 0;
    hf_writer encoded = hf_writer_make(text, sizeof text);
    hf_base64_write(&encoded, kind, hf_written(&decoded));
    if (!hf_bytes_equal(hf_written(&encoded), hf_bytes_make(data + 1, size - 1)))
        abort();
    if (decoded.length > 0)
        check_room(kind, hf_bytes_make(data + 1, size - 1), (data[0] >> 1) % decoded.length);
    return 0;
}
