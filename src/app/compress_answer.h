/* SPDX-License-Identifier: Apache-2.0
 *
 * compress_answer: whether an answer is compressed, and the compressed body. All the rules are here: types, sizes, what the
 * handler said, and what must stay secret.
 */
#ifndef HF_APP_COMPRESS_ANSWER_H
#define HF_APP_COMPRESS_ANSWER_H

#include "compress.h"
#include "service.h"

typedef struct hf_answer_coding {
    hf_encoding encoding; /* identity: it leaves as it is */
    bool varies;          /* another client could have got another coding of it: for Vary */
    hf_bytes body;        /* unless identity. Lends until the request is over */
} hf_answer_coding;

/* Decides about the answer whose fields were given, and compresses it. A body that cannot be compressed for want of
 * memory leaves as it is. */
hf_answer_coding hf_answer_code(hf_req *rq, uint16_t status, const hf_extent *extents, size_t count, uint64_t length);

/* The same for an answer that is written piece by piece. Gives *coder, which compresses it; NULL where `encoding` is
 * identity, and where there is no body (`bodiless`). */
hf_answer_coding hf_stream_code(hf_req *rq, uint16_t status, int64_t length, bool bodiless, hf_compressor **coder);

#endif
