/* SPDX-License-Identifier: Apache-2.0
 *
 * The text between the parts, and the parts as extents.
 */
#include "multipart_ranges.h"

#include "panic.h"
#include "random.h"

void hf_multipart_begin(hf_multipart *m, hf_random *random)
{
    for (size_t i = 0; i < HF_BOUNDARY_LENGTH;) {
        uint64_t bits = hf_random_next(random);
        for (size_t digit = 0; digit < 16; digit++, bits >>= 4)
            m->boundary[i++] = "0123456789abcdef"[bits & 15];
    }
}

static void write_boundary(const hf_multipart *m, hf_writer *w)
{
    hf_write(w, hf_bytes_make(m->boundary, HF_BOUNDARY_LENGTH));
}

void hf_multipart_type_write(const hf_multipart *m, hf_writer *w)
{
    hf_write_text(w, "multipart/byteranges; boundary=");
    write_boundary(m, w);
}

size_t hf_multipart_text_size(const char *type, size_t count)
{
    /* Per part: two line ends, "--" and the boundary, two field names, three numbers of up to 20 digits. */
    return (count + 1) * (HF_BOUNDARY_LENGTH + 160 + strlen(type));
}

static hf_extent lend(const hf_writer *text, size_t start)
{
    return (hf_extent){ .kind = HF_EXTENT_LENT, .bytes = hf_bytes_make(text->ptr + start, text->length - start) };
}

void hf_multipart_write(const hf_multipart *m, const hf_representation *what, const hf_range *ranges, size_t count,
                        hf_writer *text, hf_extent *extents)
{
    for (size_t i = 0; i < count; i++) {
        const size_t start = text->length;
        hf_write_text(text, i == 0 ? "--" : "\r\n--");
        write_boundary(m, text);
        /* RFC 9110 15.3.7.2: "a server that generates a multipart response MUST NOT generate a Content-Range header field
         * in the HTTP header section": each part has its own; and Content-Type "if it would have been in a 200". */
        hf_write_text(text, "\r\nContent-Type: ");
        hf_write_text(text, what->type);
        hf_write_text(text, "\r\nContent-Range: ");
        hf_content_range_write(text, ranges[i], what->size);
        hf_write_text(text, "\r\n\r\n");
        *extents++ = lend(text, start);
        *extents++ = hf_representation_extent(what, ranges[i].first, hf_range_length(ranges[i]));
    }
    const size_t start = text->length;
    hf_write_text(text, "\r\n--");
    write_boundary(m, text);
    hf_write_text(text, "--\r\n");
    *extents = lend(text, start);
    HF_ASSERT(!text->overflowed);
}
