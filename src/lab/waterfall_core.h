/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the waterfall share: the page and its parts, and the load over HTTP/3, which stands on datagrams.
 */
#ifndef HF_LAB_WATERFALL_CORE_H
#define HF_LAB_WATERFALL_CORE_H

#include <handfast/http.h>

#include "waterfall.h"

enum { HF_WATERFALL_LARGEST = 65536 };
#define HF_WATERFALL_PATIENCE HF_SECONDS(600)

typedef struct hf_waterfall_part {
    const char *path, *type;
    uint32_t size;
} hf_waterfall_part;

extern const hf_waterfall_part hf_waterfall_parts[HF_WATERFALL_PARTS];

/* HF_WATERFALL_PARTS: there is none. */
unsigned hf_waterfall_part_at(hf_bytes path);
hf_request_head hf_waterfall_request(unsigned part, const char *scheme);
enum { HF_WATERFALL_FIELDS = 6 };
/* `fields` is lent by the head. */
hf_response_head hf_waterfall_answer(unsigned part, hf_field fields[HF_WATERFALL_FIELDS]);

/* The four moments of a part, and the end of all. */
void hf_waterfall_begin(hf_waterfall *w);
void hf_waterfall_whole(hf_waterfall *w, unsigned part, int64_t at_ns);

/* waterfall_http3.c */
bool hf_waterfall_load_http3(const hf_waterfall_network *network, hf_waterfall *w);

#endif
