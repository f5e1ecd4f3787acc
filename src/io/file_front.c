/* SPDX-License-Identifier: Apache-2.0
 *
 * What is said before a file. A hot file is sent many times a second behind the same head, byte for byte, until the second is over
 * and the head has another date. Then both are laid down together, once, in a sealed memfd, and leave by one sendfile(2): nothing is
 * copied, and the kernel has one call, where a head in memory and a file behind it cost two.
 *
 * What was lent to the network is never changed: a new head is laid down anew, and the kernel keeps the old pages as long as it needs
 * them.
 */
#include "file_front.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "alloc.h"
#include "panic.h"
#include "tape.h"

enum {
    HEAD_MOST = 768, /* bytes of a head */
    WORTH = 8,       /* said so often, it is said often */
};

typedef struct hf_file_front {
    const hf_allocator *alloc;
    int handle;      /* of head and file; -1: not laid down */
    uint16_t length; /* of the head */
    uint8_t score;   /* how much more often it was said than others, at most WORTH */
    uint8_t head[HEAD_MOST];
} hf_file_front;

bool hf_file_expect_fronts(hf_file *file, const hf_allocator *alloc)
{
    HF_ASSERT(file->fixed != NULL && file->front == NULL && file->size > 0);
    if (hf_tape_here != NULL)
        return false; /* as in hf_file_fix */
    hf_file_front *const f = hf_alloc(alloc, sizeof *f);
    if (f == NULL)
        return false;
    f->alloc = alloc;
    f->handle = -1;
    f->length = f->score = 0;
    file->front = f;
    return true;
}

static void take_up(hf_file_front *f)
{
    const int kept = errno;
    if (f->handle >= 0)
        (void)close(f->handle);
    f->handle = -1;
    errno = kept;
}

void hf_file_front_free(hf_file *file)
{
    hf_file_front *const f = file->front;
    if (f == NULL)
        return;
    take_up(f);
    hf_free(f->alloc, f, sizeof *f);
    file->front = NULL;
}

/* Out of descriptors or memory there is none, and it is tried again when the head was said as often once more. */
static void lay_down(const hf_file *file, hf_file_front *f)
{
    const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    const struct iovec both[] = { { f->head, f->length }, { (void *)(uintptr_t)file->fixed, (size_t)file->size } };
    f->handle = memfd_create("hot answer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (f->handle >= 0 && writev(f->handle, both, HF_COUNT(both)) == (ssize_t)(f->length + file->size)
        && fcntl(f->handle, F_ADD_SEALS, seals) == 0)
        return;
    take_up(f);
    f->score = 0;
}

/* Of several heads the one stays that is said more often than the others together (Boyer and Moore's vote). */
int hf_file_fronted(const hf_file *file, hf_bytes head)
{
    hf_file_front *const f = file->front;
    if (f == NULL || head.len == 0 || head.len > HEAD_MOST)
        return -1;
    if (head.len == f->length && memcmp(head.ptr, f->head, head.len) == 0) {
        if (f->score < WORTH && ++f->score == WORTH && f->handle < 0)
            lay_down(file, f);
        return f->handle;
    }
    if (f->score > 0) {
        f->score--;
        return -1;
    }
    take_up(f);
    memcpy(f->head, head.ptr, head.len);
    f->length = (uint16_t)head.len;
    f->score = 1;
    return -1;
}

bool hf_file_is_open(const hf_file *file)
{
    return file->handle >= 0 || (file->front != NULL && file->front->handle >= 0);
}
