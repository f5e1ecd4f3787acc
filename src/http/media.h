/* SPDX-License-Identifier: Apache-2.0
 *
 * Media types of files by their names' extensions.
 */
#ifndef HF_HTTP_MEDIA_H
#define HF_HTTP_MEDIA_H

#include <handfast/base.h>

typedef struct hf_media {
    const char *type;  /* for Content-Type: text types say "; charset=utf-8" */
    bool compressible; /* worth a content coding */
    bool text;         /* a person can read it */
} hf_media;

/* By the extension (ASCII case folded) of a file name or path; application/octet-stream when it is unknown. Never NULL.
 * Lends static memory. */
const hf_media *hf_media_by_name(hf_bytes file_name);
/* Row `index` of the table, false past the end. */
bool hf_media_row(size_t index, const char **extension, const hf_media **media);

#endif
