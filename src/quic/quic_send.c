/* SPDX-License-Identifier: Apache-2.0 */
#include "quic_send.h"

#include "panic.h"

/* Memory for copied bytes, which small puts share: less of it for the first, because most answers have a small head and little more. */
enum { SMALL = 256, BLOCK = 2048 };

static void free_chunk(hf_send *s, const hf_send_chunk *c, const hf_allocator *alloc)
{
    if (c->capacity > 0 && s->room != NULL && c->ptr == s->room->bytes)
        s->room->taken = false;
    else if (c->capacity > 0)
        hf_free(alloc, (void *)(uintptr_t)c->ptr, c->capacity);
}

static void free_chunks(hf_send *s, const hf_allocator *alloc)
{
    if (s->room == NULL || s->chunks != s->room->chunks)
        hf_free(alloc, s->chunks, s->capacity * sizeof *s->chunks);
    s->chunks = NULL;
    s->first = s->count = s->capacity = 0;
}

void hf_send_fini(hf_send *s, const hf_allocator *alloc)
{
    for (uint32_t i = 0; i < s->count; i++)
        free_chunk(s, &s->chunks[s->first + i], alloc);
    free_chunks(s, alloc);
    hf_ranges_fini(&s->acked, alloc);
    hf_ranges_fini(&s->lost, alloc);
    *s = (hf_send){ .room = s->room };
}

/* Place for more chunks than the room has. */
static bool grow(hf_send *s, const hf_allocator *alloc)
{
    const bool in_room = s->room != NULL && s->chunks == s->room->chunks;
    const uint32_t more = s->capacity == 0 ? 2 : s->capacity * 2;
    hf_send_chunk *const at = in_room ? hf_alloc(alloc, more * sizeof *at) : hf_resize(alloc, s->chunks, s->capacity * sizeof *at, more * sizeof *at);
    if (at == NULL)
        return false;
    if (in_room)
        memcpy(at, s->chunks, s->count * sizeof *at); /* they begin at 0: those before were moved out of the way */
    s->chunks = at;
    s->capacity = more;
    return true;
}

static hf_send_chunk *new_chunk(hf_send *s, const hf_allocator *alloc)
{
    if (s->capacity == 0 && s->room != NULL) {
        s->chunks = s->room->chunks;
        s->capacity = HF_COUNT(s->room->chunks);
    }
    if (s->first + s->count == s->capacity && s->first > 0) {
        memmove(s->chunks, s->chunks + s->first, s->count * sizeof *s->chunks);
        s->first = 0;
    }
    return s->count < s->capacity || grow(s, alloc) ? &s->chunks[s->first + s->count] : NULL;
}

/* Memory for a copy of so many bytes: the room's, where it has any left. */
static uint8_t *obtain(hf_send *s, const hf_allocator *alloc, size_t n, uint32_t *capacity)
{
    if (s->room != NULL && !s->room->taken && n <= sizeof s->room->bytes) {
        s->room->taken = true;
        *capacity = sizeof s->room->bytes;
        return s->room->bytes;
    }
    const uint32_t shared = s->count == 0 && n <= SMALL / 2 ? SMALL : BLOCK;
    *capacity = n > BLOCK / 2 ? (uint32_t)n : shared;
    return hf_alloc(alloc, *capacity);
}

bool hf_send_put(hf_send *s, const hf_allocator *alloc, hf_bytes bytes, bool copy, uint64_t token)
{
    HF_ASSERT(!s->fin);
    if (bytes.len == 0 && token == 0)
        return true;
    hf_send_chunk *last = s->count > 0 ? &s->chunks[s->first + s->count - 1] : NULL;
    if (copy && token == 0 && last != NULL && last->token == 0 && last->capacity - (last->end - last->start) >= bytes.len && last->capacity > 0) {
        memcpy((uint8_t *)(uintptr_t)last->ptr + (last->end - last->start), bytes.ptr, bytes.len);
        last->end += bytes.len;
        s->put += bytes.len;
        return true;
    }
    hf_send_chunk *const c = new_chunk(s, alloc);
    if (c == NULL)
        return false;
    *c = (hf_send_chunk){ s->put, s->put + bytes.len, bytes.ptr, token, 0 };
    if (copy && bytes.len > 0) {
        uint8_t *const memory = obtain(s, alloc, bytes.len, &c->capacity);
        if (memory == NULL)
            return false;
        memcpy(memory, bytes.ptr, bytes.len);
        c->ptr = memory;
    }
    s->count++;
    s->put += bytes.len;
    return true;
}

bool hf_send_is_ready(const hf_send *s, uint64_t allowed)
{
    return s->lost.count > 0 || s->fin_lost || (s->next < s->put && s->next < allowed) || (s->fin && !s->fin_sent && s->next == s->put);
}

bool hf_send_next(const hf_send *s, uint64_t allowed, size_t most, uint64_t *offset, size_t *length, bool *fin)
{
    uint64_t end;
    if (s->lost.count > 0) {
        *offset = s->lost.at[0].from;
        end = s->lost.at[0].to;
    } else {
        *offset = s->next;
        end = s->put < allowed ? s->put : allowed;
        end = end > s->next ? end : s->next;
    }
    *length = end - *offset < most ? (size_t)(end - *offset) : most;
    *fin = s->fin && *offset + *length == s->put && (!s->fin_sent || s->fin_lost || s->lost.count > 0);
    return *length > 0 || *fin;
}

void hf_send_copy(const hf_send *s, uint64_t offset, size_t length, uint8_t *out)
{
    uint32_t low = 0, high = s->count;
    while (low < high) { /* the first chunk that ends behind the offset */
        const uint32_t middle = low + (high - low) / 2;
        if (s->chunks[s->first + middle].end <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    while (length > 0) {
        HF_ASSERT(low < s->count);
        const hf_send_chunk *const c = &s->chunks[s->first + low++];
        const uint64_t left = c->end - offset;
        const size_t n = left < length ? (size_t)left : length;
        if (n > 0)
            memcpy(out, c->ptr + (offset - c->start), n);
        out += n;
        offset += n;
        length -= n;
    }
}

bool hf_send_sent(hf_send *s, const hf_allocator *alloc, uint64_t offset, size_t length, bool fin)
{
    if (s->lost.count > 0 && !hf_ranges_remove(&s->lost, alloc, offset, offset + length))
        return false;
    if (offset + length > s->next)
        s->next = offset + length;
    if (fin) {
        s->fin_sent = true;
        s->fin_lost = false;
    }
    return true;
}

static void release(hf_send *s, const hf_allocator *alloc, uint64_t below, const hf_send_released *released)
{
    while (s->count > 0 && s->chunks[s->first].end <= below) {
        hf_send_chunk *const c = &s->chunks[s->first];
        if (c->token != 0)
            released->tell(released->self, c->token);
        free_chunk(s, c, alloc);
        s->first++;
        s->count--;
    }
    if (s->count == 0)
        free_chunks(s, alloc);
}

bool hf_send_acked(hf_send *s, const hf_allocator *alloc, uint64_t offset, size_t length, bool fin, const hf_send_released *released)
{
    const uint64_t end = offset + length;
    if (s->lost.count > 0 && !hf_ranges_remove(&s->lost, alloc, offset, end))
        return false;
    if (fin) {
        s->fin_acked = true;
        s->fin_lost = false;
    }
    if (offset <= s->base) {
        s->base = end > s->base ? end : s->base;
        if (s->acked.count > 0 && s->acked.at[0].from <= s->base)
            s->base = s->acked.at[0].to > s->base ? s->acked.at[0].to : s->base;
        hf_ranges_drop_below(&s->acked, s->base);
        release(s, alloc, s->base, released);
        return true;
    }
    return hf_ranges_add(&s->acked, alloc, offset, end);
}

bool hf_send_lost(hf_send *s, const hf_allocator *alloc, uint64_t offset, size_t length, bool fin)
{
    uint64_t from = offset > s->base ? offset : s->base;
    const uint64_t to = offset + length;
    s->fin_lost |= fin && !s->fin_acked;
    for (uint32_t i = 0; i < s->acked.count && from < to; i++) { /* what came by another packet is not sent again */
        const hf_range r = s->acked.at[i];
        if (r.to <= from || r.from >= to)
            continue;
        if (r.from > from && !hf_ranges_add(&s->lost, alloc, from, r.from))
            return false;
        from = r.to;
    }
    return hf_ranges_add(&s->lost, alloc, from, to);
}

void hf_send_drop(hf_send *s, const hf_allocator *alloc, const hf_send_released *released)
{
    s->base = s->put = s->next; /* RFC 9000 4.5: the final size is what was sent */
    hf_ranges_fini(&s->acked, alloc);
    hf_ranges_fini(&s->lost, alloc);
    release(s, alloc, UINT64_MAX, released);
}
