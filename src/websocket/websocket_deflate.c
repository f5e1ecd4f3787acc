/* SPDX-License-Identifier: Apache-2.0 */
#define ZLIB_CONST
#include <limits.h>
#include <zlib.h>

#include "websocket_deflate.h"

#include "panic.h"

/* Level 3 costs a third of level 6 and gives away some 5 % with the short, similar messages that WebSockets carry. */
enum { LEVEL = 3, MEMORY_LEVEL = 8, STAGE_BYTES = 2048, WINDOW_MOST = 32768 };
static const uint8_t lost[4] = { 0x00, 0x00, 0xff, 0xff };

bool hf_deflate_is_built(void)
{
    return true;
}

/* zlib does not say how much it frees: a head before each block remembers. */
typedef union head {
    size_t size;
    max_align_t align;
} head;

static void *take(void *alloc, unsigned items, unsigned size)
{
    const size_t bytes = sizeof(head) + (size_t)items * size;
    head *h = hf_alloc((const hf_allocator *)alloc, bytes);
    if (h == NULL)
        return NULL;
    h->size = bytes;
    return h + 1;
}

static void give(void *alloc, void *block)
{
    head *h = (head *)block - 1;
    hf_free((const hf_allocator *)alloc, h, h->size);
}

static void lend_memory(z_stream *z, const hf_allocator *alloc)
{
    z->zalloc = take;
    z->zfree = give;
    z->opaque = (void *)(uintptr_t)alloc;
}

/* ---- deflating ---------------------------------------------------------------------------------------------- */

struct hf_deflater {
    z_stream z;
    const hf_allocator *alloc;
};

hf_deflater *hf_deflater_new(const hf_allocator *alloc, unsigned bits)
{
    hf_deflater *d = hf_alloc_zeroed(alloc, sizeof *d);
    if (d == NULL)
        return NULL;
    d->alloc = alloc;
    lend_memory(&d->z, alloc);
    /* zlib has no window of 8 bits. Its 9 do for that: matches reach back 512 - 262 bytes and no further (MAX_DIST). */
    const int window = bits < 9 ? 9 : (int)bits;
    if (deflateInit2(&d->z, LEVEL, Z_DEFLATED, -window, window < MEMORY_LEVEL + 7 ? window - 7 : MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK)
        return d;
    hf_free(alloc, d, sizeof *d);
    return NULL;
}

void hf_deflater_free(hf_deflater *d)
{
    if (d == NULL)
        return;
    (void)deflateEnd(&d->z);
    hf_free(d->alloc, d, sizeof *d);
}

/* One turn: true when all is said that `flush` asked for. */
static bool deflate_turn(hf_deflater *d, hf_bytes *rest, hf_queue *to, bool *good)
{
    const size_t most = rest->len < INT_MAX / 4 ? rest->len : INT_MAX / 4;
    const hf_span room = hf_queue_reserve(to, deflateBound(&d->z, (uLong)most) + 16);
    if (room.ptr == NULL) {
        *good = false;
        return true;
    }
    const unsigned space = room.len < UINT_MAX ? (unsigned)room.len : UINT_MAX;
    d->z.next_in = rest->ptr;
    d->z.avail_in = (unsigned)most;
    d->z.next_out = room.ptr;
    d->z.avail_out = space;
    const int result = deflate(&d->z, most < rest->len ? Z_NO_FLUSH : Z_SYNC_FLUSH);
    hf_queue_commit(to, space - d->z.avail_out);
    *rest = hf_bytes_make(d->z.next_in, rest->len - (most - d->z.avail_in));
    *good = result == Z_OK || result == Z_BUF_ERROR; /* the latter: nothing was left to flush */
    return !*good || (rest->len == 0 && d->z.avail_out > 0);
}

bool hf_deflater_add(hf_deflater *d, hf_bytes piece, bool last, bool forget, hf_queue *to)
{
    const size_t before = hf_queue_length(to);
    bool good = true;
    while (!deflate_turn(d, &piece, to, &good))
        ;
    if (!good || !last)
        return good;
    /* 7.2.1: "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end." Where the flush before left nothing to
     * say, what remains of the empty block that would end the message is one octet (7.2.3.6). */
    const hf_span held = hf_queue_peek(to);
    if (held.len == before) {
        const uint8_t empty = 0;
        good = hf_queue_append(to, hf_bytes_make(&empty, 1));
    } else {
        HF_ASSERT(held.len - before >= sizeof lost && memcmp(held.ptr + held.len - sizeof lost, lost, sizeof lost) == 0);
        to->tail -= (uint32_t)sizeof lost;
    }
    return good && (!forget || deflateReset(&d->z) == Z_OK);
}

/* ---- inflating ---------------------------------------------------------------------------------------------- */

struct hf_inflater {
    z_stream z;
    const hf_allocator *alloc;
    uint8_t stage[STAGE_BYTES];
    bool pending; /* zlib had no room left at the last turn: it may still hold output */
};

hf_inflater *hf_inflater_new(const hf_allocator *alloc, unsigned bits)
{
    hf_inflater *i = hf_alloc(alloc, sizeof *i);
    if (i == NULL)
        return NULL;
    memset(&i->z, 0, sizeof i->z);
    i->alloc = alloc;
    i->pending = false;
    lend_memory(&i->z, alloc);
    if (inflateInit2(&i->z, -(int)bits) == Z_OK)
        return i;
    hf_free(alloc, i, sizeof *i);
    return NULL;
}

void hf_inflater_free(hf_inflater *i)
{
    if (i == NULL)
        return;
    (void)inflateEnd(&i->z);
    hf_free(i->alloc, i, sizeof *i);
}

uint8_t *hf_inflater_stage(hf_inflater *i, size_t *room)
{
    *room = STAGE_BYTES;
    return i->z.avail_in > 0 || i->pending ? NULL : i->stage;
}

void hf_inflater_staged(hf_inflater *i, size_t n)
{
    HF_ASSERT(i->z.avail_in == 0 && n <= STAGE_BYTES);
    i->z.next_in = i->stage;
    i->z.avail_in = (unsigned)n;
}

void hf_inflater_finish(hf_inflater *i)
{
    HF_ASSERT(i->z.avail_in == 0);
    i->z.next_in = lost;
    i->z.avail_in = sizeof lost;
}

/* 7.2.3.5: a block may have BFINAL set, and others follow it in the same message and context. For zlib the stream is then
 * over: another is begun with the window of this one. */
static hf_inflated go_on(hf_inflater *i)
{
    uint8_t *window = hf_alloc(i->alloc, WINDOW_MOST);
    unsigned length = 0;
    bool good = window != NULL && inflateGetDictionary(&i->z, window, &length) == Z_OK;
    good = good && inflateReset(&i->z) == Z_OK && inflateSetDictionary(&i->z, window, length) == Z_OK;
    hf_free(i->alloc, window, WINDOW_MOST);
    return good ? HF_INFLATED_ROOM : HF_INFLATED_MEMORY;
}

hf_inflated hf_inflater_some(hf_inflater *i, uint8_t *to, size_t room, size_t *written)
{
    const unsigned space = room < UINT_MAX ? (unsigned)room : UINT_MAX;
    i->z.next_out = to;
    i->z.avail_out = space;
    const int result = inflate(&i->z, Z_SYNC_FLUSH);
    *written = space - i->z.avail_out;
    i->pending = i->z.avail_out == 0;
    if (result == Z_STREAM_END)
        return go_on(i);
    if (result == Z_MEM_ERROR)
        return HF_INFLATED_MEMORY;
    if (result != Z_OK && result != Z_BUF_ERROR)
        return HF_INFLATED_BAD;
    return i->z.avail_in > 0 || i->pending ? HF_INFLATED_ROOM : HF_INFLATED_HUNGRY;
}

bool hf_inflater_forget(hf_inflater *i)
{
    return inflateReset(&i->z) == Z_OK;
}
