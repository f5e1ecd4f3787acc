/* SPDX-License-Identifier: Apache-2.0
 *
 * Cache-Control (RFC 9111 5.2): the directives that a server and a simple client act on.
 */
#ifndef HF_HTTP_CACHE_H
#define HF_HTTP_CACHE_H

#include <handfast/http.h>

typedef struct hf_cache_control {
    bool no_cache; /* also when it names fields: RFC 9111 5.2.2.4 lets us take it for the unqualified form */
    bool no_store;
    bool is_private; /* likewise */
    bool is_public;
    bool must_revalidate;
    bool immutable; /* RFC 8246 */
    bool has_max_age;
    bool has_s_maxage;
    uint32_t max_age_s; /* at most 2^31: RFC 9111 1.2.2 */
    uint32_t s_maxage_s;
} hf_cache_control;

/* Over all Cache-Control lines. Unknown directives are ignored; a malformed age makes the answer stale at once (0). */
hf_cache_control hf_cache_control_parse(hf_fields fields);

#endif
