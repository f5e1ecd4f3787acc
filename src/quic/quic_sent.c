/* SPDX-License-Identifier: Apache-2.0 */
#include "quic_sent.h"

#include "alloc.h"
#include "panic.h"

void hf_sent_fini(hf_sent *s, const hf_allocator *alloc)
{
    hf_free(alloc, s->packets, s->packet_capacity * sizeof *s->packets);
    hf_free(alloc, s->frames, s->frame_capacity * sizeof *s->frames);
    *s = (hf_sent){ 0 };
}

/* Both hold all that is in them, in rings of `more` places: a power of two. False: no memory, and nothing changed. */
static bool resize_packets(hf_sent *s, const hf_allocator *alloc, uint32_t more)
{
    hf_sent_packet *at = hf_alloc(alloc, more * sizeof *at);
    if (at == NULL)
        return false;
    for (uint64_t n = s->first; n < s->next; n++)
        at[n & (more - 1)] = s->packets[n & (s->packet_capacity - 1)];
    hf_free(alloc, s->packets, s->packet_capacity * sizeof *at);
    s->packets = at;
    s->packet_capacity = more;
    return true;
}

static bool resize_frames(hf_sent *s, const hf_allocator *alloc, uint32_t more)
{
    hf_sent_frame *at = hf_alloc(alloc, more * sizeof *at);
    if (at == NULL)
        return false;
    for (uint64_t n = s->first_frame; n < s->next_frame; n++)
        at[n & (more - 1)] = s->frames[n & (s->frame_capacity - 1)];
    hf_free(alloc, s->frames, s->frame_capacity * sizeof *at);
    s->frames = at;
    s->frame_capacity = more;
    return true;
}

static bool grow_packets(hf_sent *s, const hf_allocator *alloc)
{
    return resize_packets(s, alloc, s->packet_capacity == 0 ? 8 : s->packet_capacity * 2);
}

static bool grow_frames(hf_sent *s, const hf_allocator *alloc, uint64_t needed)
{
    uint32_t more = s->frame_capacity == 0 ? 16 : s->frame_capacity * 2;
    while (more < needed)
        more *= 2;
    return resize_frames(s, alloc, more);
}

/* Acknowledgements are not acknowledged, so the last few packets stay: rings that have grown shrink to what holds them. */
void hf_sent_rest(hf_sent *s, const hf_allocator *alloc)
{
    enum { SMALL = 16, LARGE = 64 };
    if (s->first == s->next && s->first_frame == s->next_frame) {
        hf_free(alloc, s->packets, s->packet_capacity * sizeof *s->packets);
        hf_free(alloc, s->frames, s->frame_capacity * sizeof *s->frames);
        s->packets = NULL;
        s->frames = NULL;
        s->packet_capacity = s->frame_capacity = 0;
        return;
    }
    if (s->packet_capacity > LARGE && s->next - s->first <= SMALL / 2)
        (void)resize_packets(s, alloc, SMALL);
    if (s->frame_capacity > LARGE && s->next_frame - s->first_frame <= SMALL / 2)
        (void)resize_frames(s, alloc, SMALL);
}

bool hf_sent_reserve(hf_sent *s, const hf_allocator *alloc, uint32_t frames)
{
    const uint64_t needed = s->next_frame - s->first_frame + frames;
    return (s->next - s->first < s->packet_capacity || grow_packets(s, alloc)) && (needed <= s->frame_capacity || grow_frames(s, alloc, needed));
}

void hf_sent_add(hf_sent *s, const hf_sent_frame *f)
{
    HF_ASSERT(s->next_frame - s->first_frame < s->frame_capacity);
    s->frames[s->next_frame++ & (s->frame_capacity - 1)] = *f;
}

void hf_sent_push(hf_sent *s, const hf_sent_packet *p)
{
    HF_ASSERT(s->next - s->first < s->packet_capacity);
    const hf_sent_packet *const last = hf_sent_find(s, s->next - 1);
    const uint64_t first = last != NULL ? last->first_frame + last->frames : s->first_frame;
    hf_sent_packet *const at = &s->packets[s->next & (s->packet_capacity - 1)];
    *at = *p;
    at->first_frame = first;
    at->frames = (uint16_t)(s->next_frame - first);
    s->next++;
    s->eliciting += at->state == HF_SENT_OUT && at->eliciting;
}

hf_sent_packet *hf_sent_find(const hf_sent *s, uint64_t number)
{
    return number >= s->first && number < s->next ? &s->packets[number & (s->packet_capacity - 1)] : NULL;
}

const hf_sent_frame *hf_sent_frame_of(const hf_sent *s, const hf_sent_packet *p, uint32_t index)
{
    HF_ASSERT(index < p->frames);
    return &s->frames[(p->first_frame + index) & (s->frame_capacity - 1)];
}

void hf_sent_trim(hf_sent *s)
{
    while (s->first < s->next) {
        const hf_sent_packet *const p = &s->packets[s->first & (s->packet_capacity - 1)];
        /* a number that was left out stays as bait as long as what follows it is out */
        const bool bait = p->state == HF_SENT_SKIPPED && (s->first + 1 == s->next || hf_sent_find(s, s->first + 1)->state == HF_SENT_OUT);
        if (p->state == HF_SENT_OUT || bait)
            return;
        s->first_frame = p->first_frame + p->frames;
        s->first++;
    }
}
