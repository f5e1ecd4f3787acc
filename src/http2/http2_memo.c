/* SPDX-License-Identifier: Apache-2.0
 *
 * A request that is made again. The same block means the same for as long as the dynamic table stays as it is; and as long as
 * no other block is decoded, the fields that were read from it lie where they lay. So who asks for the same thing many times
 * in a row is understood by comparing some bytes.
 */
#include "http2_core.h"

#include "alloc.h"

enum { MEMO_BLOCK = 128 }; /* bytes of a block that is worth to be kept */

struct hf_http2_memo {
    uint32_t inserted; /* into the table, before the block was decoded */
    uint8_t length;    /* of `block`; 0: it holds nothing */
    uint8_t block[MEMO_BLOCK];
    hf_request_head head; /* its fields are those in the list */
};
_Static_assert(MEMO_BLOCK <= UINT8_MAX, "a length fits into a byte");

bool hf_http2_is_said_again(const hf_http2 *h, hf_bytes block)
{
    const hf_http2_memo *const m = h->memo;
    return m != NULL && m->length > 0 && m->length == block.len && (h->block_flags & HF_FLAG_END_STREAM) != 0 &&
           memcmp(m->block, block.ptr, block.len) == 0;
}

const hf_request_head *hf_http2_said(const hf_http2 *h)
{
    return &h->memo->head;
}

void hf_http2_listen_anew(hf_http2 *h)
{
    if (h->memo == NULL)
        return;
    h->memo->length = 0;
    h->memo->inserted = h->decoder.table.inserted;
}

static bool lies_in(hf_bytes block, hf_bytes b)
{
    return b.len > 0 && (uintptr_t)b.ptr - (uintptr_t)block.ptr < block.len;
}

/* What is lent from the block is gone with the input. */
static bool outlives(const hf_field_list *l, hf_bytes block)
{
    for (uint32_t i = 0; i < l->count; i++)
        if (lies_in(block, l->at[i].name) || lies_in(block, l->at[i].value))
            return false;
    return true;
}

void hf_http2_remember(hf_http2 *h, hf_bytes block, const hf_request_head *head)
{
    const hf_allocator *const a = &h->env->alloc;
    if (h->memo == NULL) { /* who asks but once needs none; the others are listened to from the next request on */
        h->memo = h->requests > 1 ? hf_alloc_zeroed(a, sizeof *h->memo) : NULL;
        return;
    }
    hf_http2_memo *const m = h->memo;
    if (block.len > MEMO_BLOCK || m->inserted != h->decoder.table.inserted || !outlives(&h->list, block))
        return;
    memcpy(m->block, block.ptr, block.len);
    m->head = *head;
    m->length = (uint8_t)block.len;
}

void hf_http2_memo_free(hf_http2 *h)
{
    hf_free(&h->env->alloc, h->memo, sizeof *h->memo);
    h->memo = NULL;
}
