/* SPDX-License-Identifier: Apache-2.0
 *
 * PROXY headers and chains of proxies. Whatever is a header must not be one when its last byte is missing, and must be the
 * same one whatever follows it: these are the slices that a parser without a state can have. It has no time, and allocates nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "forwarded.h"
#include "proxy_header.h"

static void check_header(const uint8_t *data, size_t size)
{
    hf_proxy_header whole, part;
    const hf_proxy_verdict v = hf_proxy_header_parse(hf_bytes_make(data, size), 4096, &whole);
    if (v == HF_PROXY_MORE) { /* a beginning: then its beginnings are too */
        if (size > 0 && hf_proxy_header_parse(hf_bytes_make(data, size - 1), 4096, &part) != HF_PROXY_MORE)
            abort();
        return;
    }
    if (v == HF_PROXY_BAD)
        return;
    if (whole.length == 0 || whole.length > size || whole.length > 4096)
        abort();
    if (hf_proxy_header_parse(hf_bytes_make(data, whole.length), 4096, &part) != HF_PROXY_GOOD || part.length != whole.length ||
        memcmp(&part.client, &whole.client, sizeof part.client) != 0)
        abort();
    if (hf_proxy_header_parse(hf_bytes_make(data, whole.length - 1), 4096, &part) != HF_PROXY_MORE)
        abort();
}

static void check_forwarded(const uint8_t *data, size_t size)
{
    const hf_network proxies[] = { { .base = { .family = 4, .ip = { 10 } }, .bits = 8 } };
    const hf_address peer = { .family = 4, .ip = { 10, 0, 0, 1 } }, stranger = { .family = 4, .ip = { 192, 0, 2, 1 } };
    const hf_field fields[] = { { .name = hf_text(size % 2 ? "Forwarded" : "X-Forwarded-For"), .value = hf_bytes_make(data, size) } };
    const hf_fields all = { .at = fields, .count = 1 };
    const hf_address client = hf_forwarded_client(all, &peer, proxies, 1);
    if (client.family != 4 && client.family != 6)
        abort();
    /* The bytes before the first NUL are one kind of field, those behind it another: whoever is not listed says nothing. */
    const uint8_t *const cut = memchr(data, 0, size);
    const size_t first = cut != NULL ? (size_t)(cut - data) : size;
    const hf_field two[] = { { .name = hf_text("X-Forwarded-For"), .value = hf_bytes_make(data, first) },
        { .name = hf_text(size % 2 ? "Forwarded" : "X-Forwarded-Proto"), .value = hf_bytes_make(data + first, size - first) } };
    const hf_fields both = { .at = two, .count = 2 };
    if (hf_forwarded_find(both, &peer, proxies, 1).scheme > HF_FORWARDED_HTTPS ||
        hf_forwarded_find(both, &stranger, proxies, 1).scheme != HF_FORWARDED_UNSAID)
        abort();
    const hf_address same = hf_forwarded_client(all, &stranger, proxies, 1);
    if (memcmp(&same, &stranger, sizeof same) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_header(data, size);
    if (size > 0)
        check_forwarded(data, size);
    return 0;
}
