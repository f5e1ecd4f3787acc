/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring of records and its three sums.
 */
#include "tcp_record.h"

#include "panic.h"

enum { FIRST = 8 };

bool hf_records_reserve(hf_records *r, const hf_allocator *a, uint32_t n)
{
    if (r->capacity - r->count >= n)
        return true;
    uint32_t capacity = r->capacity > 0 ? r->capacity : FIRST;
    while (capacity - r->count < n)
        capacity *= 2;
    hf_record *ring = hf_alloc(a, capacity * sizeof *ring);
    if (ring == NULL)
        return false;
    for (uint32_t i = 0; i < r->count; i++)
        ring[i] = *hf_record_at(r, i);
    hf_free(a, r->ring, r->capacity * sizeof *ring);
    r->ring = ring;
    r->capacity = capacity;
    r->head = 0;
    return true;
}

static void count_in(hf_records *r, const hf_record *record, bool in)
{
    uint32_t *sum = record->flags & HF_RECORD_SACKED ? &r->sacked : record->flags & HF_RECORD_LOST ? &r->lost : &r->flight;
    HF_ASSERT(in || *sum >= record->length);
    *sum = in ? *sum + record->length : *sum - record->length;
}

void hf_records_push(hf_records *r, const hf_record *record)
{
    HF_ASSERT(r->count < r->capacity && record->length > 0);
    *hf_record_at(r, r->count++) = *record;
    count_in(r, record, true);
}

void hf_records_split(hf_records *r, uint32_t i, hf_seq at)
{
    HF_ASSERT(i < r->count && r->count < r->capacity);
    hf_record *whole = hf_record_at(r, i);
    const uint32_t first = (uint32_t)hf_seq_from(at, whole->start);
    HF_ASSERT(first > 0 && first < whole->length);
    r->count++;
    for (uint32_t k = r->count - 1; k > i + 1; k--)
        *hf_record_at(r, k) = *hf_record_at(r, k - 1);
    hf_record *rest = hf_record_at(r, i + 1);
    *rest = *whole;
    rest->start = at;
    rest->length = whole->length - first;
    whole->length = first;
}

void hf_records_drop(hf_records *r, const hf_allocator *a, hf_seq una)
{
    while (r->count > 0) {
        hf_record *first = hf_record_at(r, 0);
        if (hf_seq_upto(una, first->start))
            break;
        count_in(r, first, false);
        if (hf_seq_upto(hf_record_end(first), una)) {
            r->head = (r->head + 1) & (r->capacity - 1);
            r->count--;
            continue;
        }
        first->length -= (uint32_t)hf_seq_from(una, first->start);
        first->start = una;
        count_in(r, first, true);
    }
    if (r->count == 0)
        hf_records_fini(r, a);
}

void hf_records_mark(hf_records *r, hf_record *record, uint8_t set, uint8_t clear)
{
    count_in(r, record, false);
    record->flags = (uint8_t)((record->flags & ~clear) | set);
    count_in(r, record, true);
}

uint32_t hf_records_find(const hf_records *r, hf_seq seq)
{
    uint32_t low = 0, high = r->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (hf_seq_before(seq, hf_record_end(hf_record_at(r, middle))))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void hf_records_fini(hf_records *r, const hf_allocator *a)
{
    hf_free(a, r->ring, r->capacity * sizeof *r->ring);
    *r = (hf_records){ 0 };
}

bool hf_records_sound(const hf_records *r, hf_seq una, hf_seq nxt)
{
    uint32_t flight = 0, sacked = 0, lost = 0;
    hf_seq at = una;
    for (uint32_t i = 0; i < r->count; i++) {
        const hf_record *record = hf_record_at(r, i);
        if (!hf_seq_same(record->start, at) || record->length == 0)
            return false;
        at = hf_record_end(record);
        *(record->flags & HF_RECORD_SACKED ? &sacked : record->flags & HF_RECORD_LOST ? &lost : &flight) += record->length;
    }
    return hf_seq_same(at, nxt) && flight == r->flight && sacked == r->sacked && lost == r->lost;
}
