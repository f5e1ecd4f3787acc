/* SPDX-License-Identifier: Apache-2.0
 *
 * What to answer to a GET or HEAD of something that exists, decided from values alone: no file, no clock, no request
 * object. Files, precompressed files and the files inside the program all go through here.
 */
#ifndef HF_SERVER_FILES_PLAN_H
#define HF_SERVER_FILES_PLAN_H

#include <handfast/http.h>
#include <handfast/pier.h>

#include "negotiate.h"
#include "range.h"

/* One version of one thing in one coding: facts and where its bytes are. All pointers are lent. */
typedef struct hf_representation {
    const char *type;       /* Content-Type */
    hf_bytes etag;          /* strong, with its quotes */
    hf_bytes last_modified; /* as it is sent; empty when unknown */
    hf_wall modified;       /* the same moment */
    hf_encoding encoding;
    bool varies;            /* there are other codings of it */
    hf_bytes lines;         /* type, etag, last_modified, encoding and what else a whole answer says of them, as field lines
                               for HTTP/1; empty: they were not made */
    uint64_t size;
    const hf_file *file;    /* where the bytes are, or */
    const uint8_t *bytes;   /* in memory. Both: they are in memory, and the file has a front, by which the whole of it is sent */
} hf_representation;

typedef struct hf_files_plan {
    uint16_t status;    /* 200, 206, 304, 412 or 416 */
    size_t range_count; /* 206: how many of the ranges were filled */
    bool if_range;      /* 206: the client holds the rest of this version already */
    bool too_many_ranges; /* 200 for that reason */
} hf_files_plan;

/* Which coding to send, of 1 << encoding in `variants`; identity always is there. */
hf_encoding hf_files_choose(const hf_request_head *head, unsigned variants);
/* RFC 9110 13.2.2 and 14.2 in their order. `capacity` bounds the ranges; with more asked for, the whole is sent. */
hf_files_plan hf_files_plan_make(const hf_request_head *head, const hf_representation *what, hf_wall now, hf_range *ranges,
                                 size_t capacity);
/* `length` bytes from `first` of it. */
hf_extent hf_representation_extent(const hf_representation *what, uint64_t first, uint64_t length);

/* Does a path below a root name something that may be looked for? Empty segments (but a last one), "." and "..", NUL,
 * and hidden names (unless `hidden`) are refused: one file has one name. */
bool hf_files_path_valid(hf_bytes path, bool hidden);
/* Is this a person going to a page, for single-page applications: a last segment without an extension, and a client that
 * says text/html in so many words, as browsers do then and scripts do not? */
bool hf_files_is_page(hf_bytes path, hf_fields fields);

#endif
