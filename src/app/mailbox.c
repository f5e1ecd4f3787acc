/* SPDX-License-Identifier: Apache-2.0
 *
 * A list under a lock: it is held for a few instructions, and only the first message of a batch wakes the loop.
 */
#include "mailbox.h"

#include <pthread.h>
#include <stdatomic.h>

#include "alloc.h"
#include "panic.h"

struct hf_mailbox {
    hf_allocator alloc;
    hf_io *io; /* NULL: the loop is gone */
    _Atomic uint32_t references;
    _Atomic uint64_t count;
    uint64_t most;
    pthread_mutex_t lock; /* of io, first and last */
    hf_message *first, *last;
};

hf_mailbox *hf_mailbox_new(const hf_allocator *alloc, hf_io *io, uint64_t most)
{
    hf_mailbox *b = hf_alloc_zeroed(alloc, sizeof *b);
    if (b == NULL)
        return NULL;
    b->alloc = *alloc;
    b->io = io;
    b->most = most;
    atomic_init(&b->references, 1);
    pthread_mutex_init(&b->lock, NULL);
    return b;
}

const hf_allocator *hf_mailbox_allocator(const hf_mailbox *b)
{
    return &b->alloc;
}

hf_mailbox *hf_mailbox_keep(hf_mailbox *b)
{
    atomic_fetch_add_explicit(&b->references, 1, memory_order_relaxed);
    return b;
}

void hf_mailbox_drop(hf_mailbox *b)
{
    if (atomic_fetch_sub_explicit(&b->references, 1, memory_order_acq_rel) > 1)
        return;
    HF_ASSERT(b->first == NULL);
    pthread_mutex_destroy(&b->lock);
    const hf_allocator alloc = b->alloc;
    hf_free(&alloc, b, sizeof *b);
}

void hf_mailbox_post(hf_mailbox *b, hf_message *m)
{
    m->next = NULL;
    pthread_mutex_lock(&b->lock);
    hf_io *const io = b->io;
    if (io != NULL) {
        const bool first = b->first == NULL;
        if (first)
            b->first = m;
        else
            b->last->next = m;
        b->last = m;
        atomic_fetch_add_explicit(&b->count, 1, memory_order_relaxed);
        if (first)
            io->ops->wake(io); /* under the lock: the loop cannot go away meanwhile */
    }
    pthread_mutex_unlock(&b->lock);
    if (io == NULL)
        m->run(m);
}

bool hf_mailbox_has_room(const hf_mailbox *b)
{
    return atomic_load_explicit(&b->count, memory_order_relaxed) < b->most;
}

static void run_all(hf_message *m)
{
    while (m != NULL) {
        hf_message *next = m->next;
        m->run(m);
        m = next;
    }
}

static hf_message *take_all(hf_mailbox *b, bool close)
{
    pthread_mutex_lock(&b->lock);
    hf_message *all = b->first;
    b->first = b->last = NULL;
    atomic_store_explicit(&b->count, 0, memory_order_relaxed);
    if (close)
        b->io = NULL;
    pthread_mutex_unlock(&b->lock);
    return all;
}

void hf_mailbox_turn(hf_mailbox *b)
{
    if (atomic_load_explicit(&b->count, memory_order_relaxed) > 0) /* the wake that comes with it is seen in any case */
        run_all(take_all(b, false));
}

void hf_mailbox_close(hf_mailbox *b)
{
    if (b == NULL)
        return;
    run_all(take_all(b, true));
    hf_mailbox_drop(b);
}
