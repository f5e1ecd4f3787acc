/* SPDX-License-Identifier: Apache-2.0
 *
 * Cookies from hostile bytes: pieces lie within what was sent, a found one stands there once, and what is written is one
 * field that reads back. Origins and redirects ride along. All are functions of a field that is there whole: no slices, no time, no
 * allocations.
 */
#include <stdlib.h>

#include <handfast/guard.h>

#include "panic.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_back(hf_bytes text)
{
    const hf_field field = { hf_text("Cookie"), text, HF_FIELD_COOKIE };
    hf_bytes rest = text, name, value, found;
    while (hf_cookie_next(&rest, &name, &value)) {
        size_t same = 0;
        hf_bytes other, its, all = text;
        HF_ASSERT(name.ptr >= text.ptr && value.ptr + value.len <= text.ptr + text.len);
        while (hf_cookie_next(&all, &other, &its))
            same += hf_bytes_equal(other, name);
        const hf_err err = hf_cookie_find((hf_fields){ &field, 1 }, name, &found, NULL);
        HF_ASSERT(same > 0 && (err.code == 0) == (same == 1));
        HF_ASSERT(err.code != 0 || hf_bytes_equal(found, value));
    }
}

static void write(hf_bytes value)
{
    char out[HF_COOKIE_FIELD_MOST];
    size_t n;
    hf_bytes rest, name, again;
    const hf_cookie cookie = { .name = "sid" };
    if (hf_cookie_write(&cookie, value, out, &n, NULL).code != 0)
        return;
    rest = hf_bytes_make(out, n);
    HF_ASSERT(memchr(out, '\n', n) == NULL && memchr(out, '\r', n) == NULL);
    HF_ASSERT(hf_cookie_next(&rest, &name, &again));
    HF_ASSERT(hf_bytes_equal(name, hf_text("__Host-sid")) && hf_bytes_equal(again, value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char origin[HF_ORIGIN_MOST], again[HF_ORIGIN_MOST];
    if (size > 4096)
        return 0;
    uint8_t *copy = malloc(size + (size == 0)); /* a block of its own, so that reading past its end is seen */
    HF_ASSERT(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    const hf_bytes text = hf_bytes_make(copy, size);
    read_back(text);
    write(text);
    const hf_bytes target = hf_redirect_local(text, NULL);
    HF_ASSERT(target.ptr[0] == '/' && (target.len < 2 || (target.ptr[1] != '/' && target.ptr[1] != '\\')));
    const size_t n = hf_origin_write(hf_text("https"), text, origin);
    if (n > 0)
        HF_ASSERT(hf_origin_write(hf_text("https"), hf_bytes_make(origin + 8, n - 8), again) == n && memcmp(origin, again, n) == 0);
    free(copy);
    return 0;
}
