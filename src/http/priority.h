/* SPDX-License-Identifier: Apache-2.0
 *
 * How urgent an answer is, and whether its parts are of use before the whole (RFC 9218).
 */
#ifndef HF_HTTP_PRIORITY_H
#define HF_HTTP_PRIORITY_H

#include <handfast/base.h>

/* A Priority field, or the value of PRIORITY_UPDATE (RFC 9218 4): what it names is set, the rest stays. */
typedef struct hf_priority {
    uint8_t urgency; /* 0 to 7 */
    bool incremental;
} hf_priority;
enum { HF_URGENCIES = 8, HF_URGENCY_USUAL = 3 };
void hf_priority_parse(hf_bytes value, hf_priority *out);

#endif
