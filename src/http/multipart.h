/* SPDX-License-Identifier: Apache-2.0
 *
 * multipart/form-data (RFC 7578, RFC 2046 5.1), read as it arrives: files of any size pass through a few kilobytes.
 */
#ifndef HF_HTTP_MULTIPART_H
#define HF_HTTP_MULTIPART_H

#include <handfast/http.h>

typedef struct hf_multipart hf_multipart;

typedef enum hf_multipart_kind {
    HF_MULTIPART_MORE,     /* all of the input is eaten */
    HF_MULTIPART_PART,     /* a part begins: name, filename, content_type */
    HF_MULTIPART_DATA,     /* bytes of it */
    HF_MULTIPART_PART_END, /* it is whole */
    HF_MULTIPART_BAD       /* the error of hf_multipart_fault. Sticky */
} hf_multipart_kind;

typedef struct hf_multipart_event {
    hf_multipart_kind kind;
    /* PART, and lent until the next PART: */
    hf_bytes name;         /* as it was sent, quoted pairs undone */
    hf_bytes filename;     /* what follows the last '/' or '\' of what was sent: RFC 7578 4.2 warns of paths in it. ptr is
                              NULL when the part is no file */
    hf_bytes content_type; /* "text/plain" where the part says none (RFC 7578 4.4) */
    /* DATA: lent until the input is. Not empty */
    hf_bytes bytes;
} hf_multipart_event;

/* A reader for a body of this Content-Type. NULL and *err when that is no multipart/form-data
 * (HF_ERR_HTTP_CONTENT_TYPE), has no boundary or a wrong one (HF_ERR_HTTP_MULTIPART_SYNTAX), or memory ends. Lends `env`
 * for life. */
hf_multipart *hf_multipart_new(const hf_env *env, hf_bytes content_type, hf_err *err);
void hf_multipart_free(hf_multipart *m);

/* Eats from the front of *in and yields one event: call until MORE. */
hf_multipart_kind hf_multipart_next(hf_multipart *m, hf_bytes *in, hf_multipart_event *event);
/* The body is over: HF_OK when the closing delimiter was there, else HF_ERR_HTTP_MULTIPART_SYNTAX or the fault. */
hf_err hf_multipart_end(hf_multipart *m);
/* What was wrong; `wanted` is static text. */
hf_err hf_multipart_fault(const hf_multipart *m, const char **wanted);

#endif
