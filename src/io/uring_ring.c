/* SPDX-License-Identifier: Apache-2.0 */
#include "uring_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <handfast/base.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

/* SINGLE_ISSUER came with Linux 6.0, as did the multishot receive, which cannot be asked for by name; DEFER_TASKRUN with
 * 6.1. Disabled at first, because the thread that makes the ring is not the one that waits. */
static bool open_ring(hf_uring_ring *r)
{
    int result = 0;
    static const unsigned wanted[] = { IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_COOP_TASKRUN };
    for (size_t i = r->plain; i < HF_COUNT(wanted) && !r->has_ring; i++) {
        struct io_uring_params p = { .flags = wanted[i] | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_R_DISABLED |
            IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP, .cq_entries = r->completions };
        result = io_uring_queue_init_params(r->entries, r->ring, &p);
        r->has_ring = result == 0;
    }
    errno = -result;
    return r->has_ring && fcntl(r->ring->ring_fd, F_SETFD, FD_CLOEXEC) == 0;
}

static bool open_buffers(hf_uring_ring *r)
{
    void *memory = mmap(NULL, r->buffers * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    r->offered = memory;
    struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t)memory, .ring_entries = r->buffers, .bgid = (uint16_t)r->group };
    const int result = io_uring_register_buf_ring(r->ring, &reg, 0);
    errno = -result;
    if (result == 0)
        io_uring_buf_ring_init(r->offered);
    return result == 0;
}

typedef struct birth {
    hf_uring_ring *ring;
    bool good;
    int error;
} birth;

static void *bear(void *argument)
{
    birth *b = argument;
    b->good = open_ring(b->ring) && open_buffers(b->ring);
    b->error = errno;
    return NULL;
}

/* When a ring is closed, the kernel interrupts every thread that made or used it, as if by a signal: whoever closes a
 * server would see EINTR where no handler ran. So the ring is made in a thread that ends at once. */
bool hf_uring_ring_make(hf_uring_ring *r)
{
    birth b = { .ring = r };
    sigset_t all, before;
    pthread_t id;
    sigfillset(&all);
    sigdelset(&all, SIGSYS); /* comes from the thread itself, when it is confined and asks for too much */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int result = pthread_create(&id, NULL, bear, &b);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result == 0)
        pthread_join(id, NULL);
    errno = result != 0 ? result : b.error;
    return b.good;
}

void hf_uring_ring_unmap(struct io_uring_buf_ring *offered, unsigned buffers)
{
    if (offered != NULL)
        munmap(offered, buffers * sizeof(struct io_uring_buf));
}
