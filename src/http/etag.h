/* SPDX-License-Identifier: Apache-2.0
 *
 * Entity tags (RFC 9110 8.8.3).
 */
#ifndef HF_HTTP_ETAG_H
#define HF_HTTP_ETAG_H

#include <handfast/http.h>

#include "text.h"

typedef struct hf_etag {
    bool weak;
    hf_bytes opaque; /* without the quotes */
} hf_etag;

/* The whole of `text` is one entity tag. Lends from it. */
bool hf_etag_parse(hf_bytes text, hf_etag *etag);
/* W/"opaque" or "opaque". */
void hf_etag_write(hf_writer *w, const hf_etag *etag);
/* RFC 9110 8.8.3.2: neither is weak, and they are the same. */
bool hf_etag_same_strong(const hf_etag *a, const hf_etag *b);
/* They are the same, weak or not. */
bool hf_etag_same_weak(const hf_etag *a, const hf_etag *b);

/* The next entity tag of a list; what is none is passed over (some clients forget the quotes: such a tag matches
 * nothing). False at the end. */
bool hf_etag_next(hf_bytes *rest, hf_etag *etag);
/* Does the list of an If-Match (strong) or If-None-Match (weak) field hold `etag`? "*" is the caller's to see. */
bool hf_etag_in(hf_bytes list, const hf_etag *etag, bool strong);

#endif
