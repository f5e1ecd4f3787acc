/* SPDX-License-Identifier: Apache-2.0
 *
 * multipart/byteranges (RFC 9110 14.6): several ranges of one representation as the parts of one body.
 */
#ifndef HF_SERVER_MULTIPART_RANGES_H
#define HF_SERVER_MULTIPART_RANGES_H

#include "files_plan.h"

enum { HF_BOUNDARY_LENGTH = 32 };

typedef struct hf_multipart {
    char boundary[HF_BOUNDARY_LENGTH];
} hf_multipart;

/* A new boundary. Random, so that no file can hold it on purpose (RFC 2046 5.1.1: it "MUST NOT appear inside any of the
 * encapsulated parts"). */
void hf_multipart_begin(hf_multipart *m, hf_random *random);
/* "multipart/byteranges; boundary=..." */
void hf_multipart_type_write(const hf_multipart *m, hf_writer *w);
/* Room that is enough for the text around `count` parts. */
size_t hf_multipart_text_size(const char *type, size_t count);
/* How many extents `count` parts make. */
static inline size_t hf_multipart_extents(size_t count)
{
    return 2 * count + 1;
}
/* Fills `extents` with the body. Their text is written to `text` (which must not move) and lent from there. */
void hf_multipart_write(const hf_multipart *m, const hf_representation *what, const hf_range *ranges, size_t count,
                        hf_writer *text, hf_extent *extents);

#endif
