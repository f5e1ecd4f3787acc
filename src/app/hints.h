/* SPDX-License-Identifier: Apache-2.0
 *
 * hints: what a page needs besides itself, told before its answer is made. 103 Early Hints names it (RFC 8297); who still
 * allows server push (RFC 9113 8.4) gets it pushed where the route says so.
 */
#ifndef HF_APP_HINTS_H
#define HF_APP_HINTS_H

#include "service.h"

/* Before the route of a request answers. */
void hf_hints_give(hf_req *rq);
/* The head of the final answer, just before it leaves: what it links to may be hinted at next time. */
void hf_hints_learn(hf_req *rq, uint16_t status, hf_fields fields);
void hf_hints_fini(hf_service *s);

#endif
