/* SPDX-License-Identifier: Apache-2.0
 *
 * Entity tags. A backslash in one escapes nothing (RFC 9110 8.8.3, note), so they have a list reader of their own.
 */
#include "etag.h"

#include "token.h"

/* The entity tag at the front: its length, 0 when there is none. */
static size_t read(hf_bytes b, hf_etag *etag)
{
    const size_t mark = b.len >= 2 && b.ptr[0] == 'W' && b.ptr[1] == '/' ? 2 : 0; /* W/ is case-sensitive */
    if (b.len < mark + 2 || b.ptr[mark] != '"')
        return 0;
    const hf_bytes inside = hf_bytes_make(b.ptr + mark + 1, b.len - mark - 1);
    const size_t n = hf_span_of(inside, HF_BYTE_ETAGC);
    if (n == inside.len || inside.ptr[n] != '"')
        return 0;
    *etag = (hf_etag){ .weak = mark > 0, .opaque = hf_bytes_make(inside.ptr, n) };
    return mark + n + 2;
}

bool hf_etag_parse(hf_bytes text, hf_etag *etag)
{
    hf_etag found;
    if (text.len == 0 || read(text, &found) != text.len)
        return false;
    *etag = found;
    return true;
}

void hf_etag_write(hf_writer *w, const hf_etag *etag)
{
    hf_write(w, etag->weak ? hf_text("W/\"") : hf_text("\""));
    hf_write(w, etag->opaque);
    hf_write(w, hf_text("\""));
}

bool hf_etag_same_strong(const hf_etag *a, const hf_etag *b)
{
    return !a->weak && !b->weak && hf_bytes_equal(a->opaque, b->opaque);
}

bool hf_etag_same_weak(const hf_etag *a, const hf_etag *b)
{
    return hf_bytes_equal(a->opaque, b->opaque);
}

static hf_bytes skip(hf_bytes b, size_t n)
{
    return n > 0 ? hf_bytes_make(b.ptr + n, b.len - n) : b; /* NULL + 0 is not defined in C */
}

static hf_bytes skip_blank(hf_bytes b)
{
    size_t n = 0;
    while (n < b.len && (b.ptr[n] == ' ' || b.ptr[n] == '\t'))
        n++;
    return skip(b, n);
}

bool hf_etag_next(hf_bytes *rest, hf_etag *etag)
{
    while (rest->len > 0) {
        const hf_bytes at = skip_blank(*rest);
        const size_t n = at.len > 0 ? read(at, etag) : 0;
        const hf_bytes after = skip_blank(skip(at, n));
        const bool whole = n > 0 && (after.len == 0 || after.ptr[0] == ',');
        /* behind the next comma; a tag with something else behind it is none */
        size_t comma = 0;
        while (comma < after.len && after.ptr[comma] != ',')
            comma++;
        *rest = skip(after, comma < after.len ? comma + 1 : comma);
        if (whole)
            return true;
    }
    return false;
}

bool hf_etag_in(hf_bytes list, const hf_etag *etag, bool strong)
{
    for (hf_etag one; hf_etag_next(&list, &one);)
        if (strong ? hf_etag_same_strong(&one, etag) : hf_etag_same_weak(&one, etag))
            return true;
    return false;
}
