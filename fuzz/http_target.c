/* SPDX-License-Identifier: Apache-2.0
 *
 * Request targets, authorities, paths, queries and forms from hostile bytes. The first byte chooses the method. The text is there
 * whole, and writers have room of the caller's: no slices, no time, no allocations.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "panic.h"
#include "target.h"
#include "token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 4096 };

static bool lies_in(hf_bytes part, hf_bytes whole)
{
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

/* Begins with '/', no NUL, no segment "." or "..". */
static void check_normal(hf_bytes path)
{
    HF_ASSERT(path.len > 0 && path.ptr[0] == '/');
    HF_ASSERT(memchr(path.ptr, 0, path.len) == NULL && memchr(path.ptr, '\\', path.len) == NULL);
    hf_bytes rest = hf_bytes_make(path.ptr + 1, path.len - 1);
    for (hf_bytes segment; hf_split(&rest, '/', &segment);)
        HF_ASSERT(!hf_bytes_equal(segment, hf_text(".")) && !hf_bytes_equal(segment, hf_text("..")));
}

static void check_path(hf_bytes path)
{
    static uint8_t first[MOST], encoded[MOST * 3 + 2], second[MOST * 3 + 2];
    hf_writer a = hf_writer_make(first, path.len), b = hf_writer_make(encoded, sizeof encoded);
    if (hf_path_normalise(path, &a).code != 0) {
        HF_ASSERT(a.length == 0);
        return;
    }
    HF_ASSERT(!a.overflowed);
    check_normal(hf_written(&a));
    /* encoded again it is a target of ours, and means the same */
    hf_path_write(&b, hf_written(&a));
    HF_ASSERT(!b.overflowed);
    hf_request_head head;
    HF_ASSERT(hf_target_parse(hf_written(&b), HF_METHOD_GET, &head).code == 0);
    HF_ASSERT(head.form == HF_TARGET_ORIGIN && hf_bytes_equal(head.path, hf_written(&b)) && !head.query.ptr);
    HF_ASSERT(b.length < 2 || encoded[1] != '/');
    hf_writer c = hf_writer_make(second, b.length);
    HF_ASSERT(hf_path_normalise(hf_written(&b), &c).code == 0);
    HF_ASSERT(hf_bytes_equal(hf_written(&a), hf_written(&c)));
}

static void check_authority(hf_bytes authority)
{
    hf_bytes host = { 0 };
    int32_t port = -2;
    if (hf_authority_parse(authority, &host, &port).code != 0)
        return;
    HF_ASSERT(port >= -1 && port <= 65535 && lies_in(host, authority));
    HF_ASSERT((host.len == 0) == (authority.len == 0));
    for (size_t i = 0; i < host.len; i++)
        HF_ASSERT(hf_byte_is(host.ptr[i], HF_BYTE_HOST) || (host.ptr[i] == ':' && authority.ptr[0] == '['));
}

static void check_query(hf_bytes query)
{
    static uint8_t decoded[MOST], encoded[MOST * 3], again[MOST * 3];
    hf_bytes rest = query;
    for (hf_bytes name, value; hf_query_next(&rest, &name, &value);) {
        HF_ASSERT(lies_in(name, query) && lies_in(value, query) && name.len + value.len <= query.len);
        HF_ASSERT(memchr(name.ptr, '&', name.len) == NULL && memchr(name.ptr, '=', name.len) == NULL);
    }
    hf_writer a = hf_writer_make(decoded, query.len), b = hf_writer_make(encoded, sizeof encoded);
    HF_ASSERT(hf_form_decode(query, &a).code == 0);
    hf_percent_write(&b, hf_written(&a));
    hf_writer c = hf_writer_make(again, sizeof again);
    HF_ASSERT(!b.overflowed && hf_form_decode(hf_written(&b), &c).code == 0);
    HF_ASSERT(hf_bytes_equal(hf_written(&a), hf_written(&c)));
}

static void check_target(hf_bytes target, hf_method method)
{
    hf_request_head head = { 0 };
    if (hf_target_parse(target, method, &head).code != 0)
        return;
    HF_ASSERT(hf_bytes_equal(head.target, target));
    HF_ASSERT(lies_in(head.scheme, target) && lies_in(head.authority, target) && lies_in(head.query, target));
    for (size_t i = 0; i < target.len; i++)
        HF_ASSERT(target.ptr[i] > ' ' && target.ptr[i] < 0x7f && target.ptr[i] != '#' && target.ptr[i] != '"');
    HF_ASSERT((head.form == HF_TARGET_AUTHORITY) == (method == HF_METHOD_CONNECT));
    HF_ASSERT((head.form == HF_TARGET_ABSOLUTE) == (head.scheme.len > 0));
    if (head.form == HF_TARGET_AUTHORITY)
        HF_ASSERT(head.path.len == 0);
    else
        HF_ASSERT(head.path.ptr[0] == '/' || (method == HF_METHOD_OPTIONS && hf_bytes_equal(head.path, hf_text("*"))));
    if (head.form == HF_TARGET_ORIGIN)
        HF_ASSERT(head.path.len + (head.query.ptr ? head.query.len + 1 : 0) == target.len);
    check_authority(head.authority);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > MOST)
        return 0;
    /* a block of its own, so that reading past its end is seen */
    uint8_t *copy = malloc(size - 1 + (size == 1));
    HF_ASSERT(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    const hf_bytes text = hf_bytes_make(copy, size - 1);
    check_target(text, (hf_method)(data[0] % HF_METHOD_COUNT));
    check_path(text);
    check_authority(text);
    check_query(text);
    free(copy);
    return 0;
}
