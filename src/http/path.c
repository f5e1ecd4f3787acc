/* SPDX-License-Identifier: Apache-2.0
 *
 * Percent-encoding both ways: paths, queries and forms.
 */
#include "target.h"
#include "token.h"

/* The byte that an escape at `at` stands for, -1 when there is none. */
static int escape(hf_bytes b, size_t at)
{
    if (b.len - at < 3)
        return -1;
    const int high = hf_hex_digit(b.ptr[at + 1]), low = hf_hex_digit(b.ptr[at + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Nothing to decode, remove or refuse: what nearly all paths are. */
static bool is_plain_short(hf_bytes path)
{
    static const bool special[256] = { [0] = true, ['%'] = true, ['\\'] = true, ['.'] = true };
    for (size_t i = 0; i < path.len; i++)
        if (special[path.ptr[i]] && (path.ptr[i] != '.' || path.ptr[i - 1] == '/')) /* the path begins with '/' */
            return false;
    return true;
}

/* The same of a long one, where memchr is many times faster than a loop of ours, and worth its four calls. */
static bool is_plain_long(hf_bytes path)
{
    if (memchr(path.ptr, '%', path.len) || memchr(path.ptr, '\\', path.len) || memchr(path.ptr, 0, path.len))
        return false;
    const uint8_t *const end = path.ptr + path.len;
    for (const uint8_t *dot = path.ptr; (dot = memchr(dot, '.', (size_t)(end - dot))) != NULL; dot++)
        if (dot[-1] == '/') /* the path begins with '/', so there is a byte before */
            return false;
    return true;
}

/* Decodes path from *at up to the next '/' to `out`; the bytes written, or -1. */
static ptrdiff_t decode_segment(hf_bytes path, size_t *at, uint8_t *out)
{
    size_t i = *at, n = 0;
    while (i < path.len && path.ptr[i] != '/') {
        const int c = path.ptr[i] == '%' ? escape(path, i) : path.ptr[i];
        /* An escaped slash would become a separator that no route and no permission was asked about, an escaped
         * backslash likewise on systems that take it for one; NUL ends a name early. */
        if (c <= 0 || c == '/' || c == '\\')
            return -1;
        i += path.ptr[i] == '%' ? 3 : 1;
        out[n++] = (uint8_t)c;
    }
    *at = i;
    return (ptrdiff_t)n;
}

/* Where the segment before `end` begins (its '/'); `start` when there is none. */
static size_t segment_before(const uint8_t *text, size_t start, size_t end)
{
    while (end > start && text[--end] != '/')
        ;
    return end;
}

hf_err hf_path_normalise(hf_bytes path, hf_writer *w)
{
    if (path.len == 0 || path.ptr[0] != '/')
        return hf_err_make(HF_ERR_HTTP_TARGET_SYNTAX);
    /* What is written never runs ahead of what was read: this room is enough, in between too. */
    if (w->capacity - w->length < path.len)
        return hf_err_make(HF_ERR_BASE_LIMIT);
    if (path.len < 32 ? is_plain_short(path) : is_plain_long(path)) {
        hf_write(w, path);
        return HF_OK;
    }
    const size_t start = w->length;
    size_t end = start;
    for (size_t i = 0; i < path.len;) { /* at a '/' */
        i++;
        w->ptr[end] = '/';
        uint8_t *const segment = w->ptr + end + 1;
        const ptrdiff_t n = decode_segment(path, &i, segment);
        if (n < 0)
            return hf_err_make(HF_ERR_HTTP_PATH_ENCODING);
        const bool dot = n == 1 && segment[0] == '.';
        const bool dots = n == 2 && segment[0] == '.' && segment[1] == '.';
        /* RFC 3986 5.2.4, on decoded segments: 6.2.2.2 makes %2e the same as '.' */
        if (dots)
            end = segment_before(w->ptr, start, end);
        else if (!dot)
            end += 1 + (size_t)n;
        /* "/a/." and "/a/b/.." name a folder: the slash stays */
        if ((dot || dots) && i == path.len)
            w->ptr[end++] = '/';
    }
    w->length = end;
    return HF_OK;
}

static void write_escape(hf_writer *w, uint8_t byte)
{
    static const char digits[] = "0123456789ABCDEF"; /* RFC 3986 2.1: capitals for consistency */
    const uint8_t text[3] = { '%', (uint8_t)digits[byte >> 4], (uint8_t)digits[byte & 15] };
    hf_write(w, hf_bytes_make(text, 3));
}

void hf_path_write(hf_writer *w, hf_bytes path)
{
    if (path.len >= 2 && path.ptr[0] == '/' && path.ptr[1] == '/')
        hf_write(w, hf_text("/."));
    for (size_t i = 0; i < path.len; i++) {
        const uint8_t c = path.ptr[i];
        /* RFC 3986 3.3: pchar = unreserved / pct-encoded / sub-delims / ":" / "@" */
        if ((hf_byte_is(c, HF_BYTE_HOST) && c != '%') || c == ':' || c == '@' || c == '/')
            hf_write(w, hf_bytes_make(&c, 1));
        else
            write_escape(w, c);
    }
}

void hf_percent_write(hf_writer *w, hf_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (hf_byte_is(text.ptr[i], HF_BYTE_UNRESERVED))
            hf_write(w, hf_bytes_make(text.ptr + i, 1));
        else
            write_escape(w, text.ptr[i]);
    }
}

bool hf_query_next(hf_bytes *rest, hf_bytes *name, hf_bytes *value)
{
    while (rest->len > 0) {
        const uint8_t *amp = memchr(rest->ptr, '&', rest->len);
        const hf_bytes piece = hf_bytes_make(rest->ptr, amp ? (size_t)(amp - rest->ptr) : rest->len);
        const size_t used = piece.len + (amp != NULL);
        *rest = hf_bytes_make(rest->ptr + used, rest->len - used);
        if (piece.len == 0)
            continue;
        const uint8_t *equals = memchr(piece.ptr, '=', piece.len);
        const size_t n = equals ? (size_t)(equals - piece.ptr) : piece.len;
        *name = hf_bytes_make(piece.ptr, n);
        *value = equals ? hf_bytes_make(equals + 1, piece.len - n - 1) : hf_bytes_make(NULL, 0);
        return true;
    }
    return false;
}

hf_err hf_form_decode(hf_bytes text, hf_writer *w)
{
    for (size_t i = 0; i < text.len;) {
        const int escaped = text.ptr[i] == '%' ? escape(text, i) : -1;
        const uint8_t c = escaped >= 0 ? (uint8_t)escaped : text.ptr[i] == '+' ? ' ' : text.ptr[i];
        if (w->length == w->capacity) {
            w->overflowed = true;
            return hf_err_make(HF_ERR_BASE_LIMIT);
        }
        w->ptr[w->length++] = c;
        i += escaped >= 0 ? 3 : 1;
    }
    return HF_OK;
}
