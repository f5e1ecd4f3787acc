/* SPDX-License-Identifier: Apache-2.0
 *
 * A compiled CORS policy's inside, shared by guard_cors.c and guard_cors_compile.c. One block of memory, never written again.
 */
#ifndef HF_GUARD_CORS_H
#define HF_GUARD_CORS_H

#include <handfast/guard.h>

/* An origin with a wildcard: any host below one. */
typedef struct hf_cors_pattern {
    hf_bytes scheme; /* "https" */
    hf_bytes suffix; /* ".example.com:8443" */
} hf_cors_pattern;

struct hf_cors {
    const hf_allocator *alloc;
    size_t size;
    bool any_origin, any_method, any_header, credentials;
    const hf_bytes *origins; /* sorted */
    const hf_cors_pattern *patterns;
    const hf_bytes *headers; /* lower case, sorted, unique */
    const hf_bytes *methods;
    size_t origin_count, pattern_count, header_count, method_count;
    hf_bytes method_list, header_list, expose_list, max_age; /* as fields have them; empty: none */
};

int hf_cors_compare(hf_bytes a, hf_bytes b);

#endif
