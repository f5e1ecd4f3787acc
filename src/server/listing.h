/* SPDX-License-Identifier: Apache-2.0
 *
 * What is in a folder, as a small page for people and as JSON for programs.
 */
#ifndef HF_SERVER_LISTING_H
#define HF_SERVER_LISTING_H

#include <handfast/base.h>

#include "queue.h"

typedef struct hf_listing_row {
    uint32_t name; /* where it begins in `names` */
    uint16_t name_length;
    bool folder;
    uint64_t size;
    int64_t modified_ns;
} hf_listing_row;

typedef struct hf_listing {
    const hf_allocator *alloc;
    hf_listing_row *rows; /* folders first, then by name, byte for byte */
    size_t count, capacity;
    hf_queue names;
    bool complete; /* false: the folder has more entries than the limit listing_entries */
} hf_listing;

/* The Content-Security-Policy of the page: its own style sheet, by its hash, and nothing else. */
extern const char hf_listing_policy[];

/* Reads the folder at `path` below `root`. `flags` as for hf_file_open_beneath; links that are not followed, and what
 * is neither file nor folder, are left out, as are hidden names unless `hidden`. fini it in any case. */
hf_err hf_listing_read(hf_listing *l, const hf_env *env, int root, hf_bytes path, unsigned flags, bool hidden);
void hf_listing_fini(hf_listing *l);
/* `title` is the folder's path as the visitor knows it, decoded. False when memory ends. */
bool hf_listing_write_html(const hf_listing *l, hf_bytes title, hf_queue *out);
bool hf_listing_write_json(const hf_listing *l, hf_bytes title, hf_queue *out);

#endif
