/* SPDX-License-Identifier: Apache-2.0
 *
 * What a page of https would load by http (Mixed Content 3): found by reading its tags, as far as the page was read.
 */
#ifndef HF_EXPLAIN_MIXED_CONTENT_H
#define HF_EXPLAIN_MIXED_CONTENT_H

#include <handfast/base.h>

typedef struct hf_mixed {
    size_t active;  /* scripts, styles, frames, objects: blocked */
    size_t passive; /* pictures, sounds, films: asked for by https instead */
    hf_bytes first; /* the first address, active ones before passive ones; lends from the page */
} hf_mixed;

hf_mixed hf_mixed_content(hf_bytes page);

#endif
