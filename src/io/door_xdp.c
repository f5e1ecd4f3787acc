/* SPDX-License-Identifier: Apache-2.0 */
#include "door_xdp.h"

#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "door_filter.h"
#include "panic.h"

enum {
    FRAME = 4096,
    SLOTS = 2048,  /* of each ring, and frames each way */
    MTU_MOST = 3498, /* one frame each: 4096 less what drivers keep in front (256), behind (320), and for Ethernet */
    PUSHES = 16,   /* system calls until all is on its way: one takes 32 frames */
    SOCKETS = 1,   /* a queue */
};
#define FRAME_BYTES ((size_t)2 * SLOTS * FRAME)

/* A ring of the kernel's: one side writes `producer`, the other `consumer`, both only grow. */
typedef struct ring {
    uint32_t *producer, *consumer, *flags;
    void *slots;
    void *map;
    size_t size;
} ring;

struct hf_xdp {
    uint8_t *frames;
    ring rx, tx, fill, done;
    int sockets, filter, link; /* descriptors: map, program, and what holds it at the device */
    int groups;                /* a packet socket that hears nothing: it has the card listen to groups */
    uint32_t spare_count;      /* frames that nothing is sent from */
    uint64_t spare[SLOTS];
};

/* ---- rings -------------------------------------------------------------------------------------------------------- */

static uint32_t waiting(const ring *r)
{
    return __atomic_load_n(r->producer, __ATOMIC_ACQUIRE) - __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
}

static void advance(uint32_t *index)
{
    __atomic_store_n(index, *index + 1, __ATOMIC_RELEASE); /* ours alone to write */
}

static uint64_t *address_at(const ring *r, uint32_t index)
{
    return (uint64_t *)r->slots + index % SLOTS;
}

static struct xdp_desc *frame_at(const ring *r, uint32_t index)
{
    return (struct xdp_desc *)r->slots + index % SLOTS;
}

static void give_to_fill(struct hf_xdp *x, uint64_t frame)
{
    *address_at(&x->fill, *x->fill.producer) = frame;
    advance(x->fill.producer);
}

static bool wants_waking(const ring *r)
{
    return (__atomic_load_n(r->flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP) != 0;
}

/* ---- opening ------------------------------------------------------------------------------------------------------ */

static int call_bpf(int command, union bpf_attr *attr)
{
    return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

static bool map_ring(ring *r, int fd, uint64_t place, const struct xdp_ring_offset *at, size_t slot)
{
    r->size = at->desc + SLOTS * slot;
    r->map = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)place);
    if (r->map == MAP_FAILED)
        return false;
    r->producer = (uint32_t *)((uint8_t *)r->map + at->producer);
    r->consumer = (uint32_t *)((uint8_t *)r->map + at->consumer);
    r->flags = (uint32_t *)((uint8_t *)r->map + at->flags);
    r->slots = (uint8_t *)r->map + at->desc;
    return true;
}

static bool set_size(int fd, int which)
{
    const int slots = SLOTS;
    return setsockopt(fd, SOL_XDP, which, &slots, sizeof slots) == 0;
}

static bool share_memory(struct hf_xdp *x, int fd)
{
    struct xdp_mmap_offsets at;
    socklen_t size = sizeof at;
    const struct xdp_umem_reg memory = { .addr = (uintptr_t)x->frames, .len = FRAME_BYTES, .chunk_size = FRAME };
    if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &memory, sizeof memory) != 0 || !set_size(fd, XDP_UMEM_FILL_RING) ||
        !set_size(fd, XDP_UMEM_COMPLETION_RING) || !set_size(fd, XDP_RX_RING) || !set_size(fd, XDP_TX_RING) ||
        getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &size) != 0)
        return false;
    if (!map_ring(&x->rx, fd, XDP_PGOFF_RX_RING, &at.rx, sizeof(struct xdp_desc)) ||
        !map_ring(&x->tx, fd, XDP_PGOFF_TX_RING, &at.tx, sizeof(struct xdp_desc)) ||
        !map_ring(&x->fill, fd, XDP_UMEM_PGOFF_FILL_RING, &at.fr, sizeof(uint64_t)) ||
        !map_ring(&x->done, fd, XDP_UMEM_PGOFF_COMPLETION_RING, &at.cr, sizeof(uint64_t)))
        return false;
    for (uint64_t i = 0; i < SLOTS; i++) {
        give_to_fill(x, i * FRAME);
        x->spare[x->spare_count++] = (SLOTS + i) * FRAME;
    }
    return true;
}

static bool load_filter(struct hf_xdp *x, int fd, const hf_door_options *o)
{
    struct bpf_insn code[HF_FILTER_MOST];
    union bpf_attr attr;
    const uint32_t queue = 0;
    memset(&attr, 0, sizeof attr);
    attr.map_type = BPF_MAP_TYPE_XSKMAP;
    attr.key_size = attr.value_size = 4;
    attr.max_entries = SOCKETS;
    x->sockets = call_bpf(BPF_MAP_CREATE, &attr);
    if (x->sockets < 0)
        return false;
    memset(&attr, 0, sizeof attr);
    attr.map_fd = (uint32_t)x->sockets;
    attr.key = (uintptr_t)&queue;
    attr.value = (uintptr_t)&fd;
    if (call_bpf(BPF_MAP_UPDATE_ELEM, &attr) != 0)
        return false;
    memset(&attr, 0, sizeof attr);
    attr.prog_type = BPF_PROG_TYPE_XDP;
    attr.insns = (uintptr_t)code;
    attr.insn_cnt = (uint32_t)hf_filter_make(code, o->addresses, o->address_count, x->sockets);
    attr.license = (uintptr_t)"Apache-2.0";
    memcpy(attr.prog_name, "handfast", sizeof "handfast");
    x->filter = call_bpf(BPF_PROG_LOAD, &attr);
    return x->filter >= 0;
}

/* In the driver, or where it has no such hook, behind it. */
static bool attach(struct hf_xdp *x, unsigned device)
{
    static const uint32_t ways[] = { XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE };
    for (size_t i = 0; i < HF_COUNT(ways) && x->link < 0; i++) {
        union bpf_attr attr;
        memset(&attr, 0, sizeof attr);
        attr.link_create.prog_fd = (uint32_t)x->filter;
        attr.link_create.target_ifindex = device;
        attr.link_create.attach_type = BPF_XDP;
        attr.link_create.flags = ways[i];
        x->link = call_bpf(BPF_LINK_CREATE, &attr);
        if (x->link < 0 && (errno == EBUSY || errno == EEXIST || errno == EPERM))
            return false;
    }
    return x->link >= 0;
}

static unsigned queues_of(const char *device)
{
    char path[64];
    unsigned n = 0;
    hf_writer w = hf_writer_make(path, sizeof path - 1);
    hf_write_text(&w, "/sys/class/net/");
    hf_write_text(&w, device);
    hf_write_text(&w, "/queues");
    path[hf_written(&w).len] = 0;
    DIR *const folder = opendir(path);
    if (folder == NULL)
        return 1;
    for (struct dirent *e; (e = readdir(folder)) != NULL;)
        n += strncmp(e->d_name, "rx-", 3) == 0;
    closedir(folder);
    return n;
}

static const char *remedy_of(int error)
{
    switch (error) {
    case EPERM:
    case EACCES: return "it needs root, or CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF; a container must be given them";
    case EBUSY:
    case EEXIST: return "another program is attached to this device: ip link set dev NAME xdp off takes it away";
    case EAFNOSUPPORT:
    case EINVAL:
    case EOPNOTSUPP: return "this kernel or this card's driver has no AF_XDP: --net packet does without";
    default: return "see the system call's own manual page";
    }
}

static hf_err refuse(hf_writer *why, const hf_door *d, int error, const char *remedy)
{
    return hf_door_refuse(why, "cannot open an AF_XDP socket on ", d->device, error, remedy);
}

static bool join_all_groups(struct hf_xdp *x, unsigned device)
{
    const struct packet_mreq groups = { .mr_ifindex = (int)device, .mr_type = PACKET_MR_ALLMULTI };
    x->groups = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    return x->groups >= 0 && setsockopt(x->groups, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &groups, sizeof groups) == 0;
}

hf_err hf_xdp_open(hf_door *d, unsigned device, const hf_door_options *o, hf_writer *why)
{
    if (queues_of(d->device) > 1) /* the card would hash connections to queues that nobody reads */
        return refuse(why, d, ENOTSUP, "its frames come in several queues, and one is read here: ethtool -L NAME combined 1");
    /* shared with the processes that will serve, one after the other */
    struct hf_xdp *const x = mmap(NULL, sizeof *x, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (x == MAP_FAILED)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    d->xdp = x;
    x->sockets = x->filter = x->link = x->groups = -1;
    x->rx.map = x->tx.map = x->fill.map = x->done.map = MAP_FAILED;
    d->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    x->frames = mmap(NULL, FRAME_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct sockaddr_xdp at = { .sxdp_family = AF_XDP, .sxdp_flags = XDP_USE_NEED_WAKEUP, .sxdp_ifindex = device };
    if (d->fd < 0 || x->frames == MAP_FAILED || !share_memory(x, d->fd) || bind(d->fd, (const struct sockaddr *)&at, sizeof at) != 0 ||
        !load_filter(x, d->fd, o) || !attach(x, device) || !join_all_groups(x, device))
        return refuse(why, d, errno, remedy_of(errno));
    d->mtu = d->mtu < MTU_MOST ? d->mtu : MTU_MOST;
    return HF_OK;
}

void hf_xdp_close(hf_door *d)
{
    struct hf_xdp *const x = d->xdp;
    if (x == NULL)
        return;
    const ring *const rings[] = { &x->rx, &x->tx, &x->fill, &x->done };
    const int descriptors[] = { x->link, x->filter, x->sockets, x->groups };
    for (size_t i = 0; i < HF_COUNT(rings); i++)
        if (rings[i]->map != MAP_FAILED)
            munmap(rings[i]->map, rings[i]->size);
    for (size_t i = 0; i < HF_COUNT(descriptors); i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    if (x->frames != MAP_FAILED)
        munmap(x->frames, FRAME_BYTES);
    munmap(x, sizeof *x);
    d->xdp = NULL;
}

/* ---- packets ------------------------------------------------------------------------------------------------------ */

hf_door_result hf_xdp_read(const hf_door *d, uint8_t *room, hf_host_input *in)
{
    struct hf_xdp *const x = d->xdp;
    if (waiting(&x->rx) == 0) {
        if (wants_waking(&x->fill))
            (void)recvfrom(d->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
        return HF_DOOR_LATER;
    }
    const struct xdp_desc frame = *frame_at(&x->rx, *x->rx.consumer);
    memcpy(room, x->frames + frame.addr, frame.len); /* at most FRAME bytes: the kernel wrote them there */
    advance(x->rx.consumer);
    give_to_fill(x, frame.addr);
    *in = (hf_host_input){ .packet = hf_bytes_make(room, frame.len) };
    return HF_DOOR_DONE;
}

static void reclaim(struct hf_xdp *x)
{
    while (waiting(&x->done) > 0 && x->spare_count < SLOTS) {
        x->spare[x->spare_count++] = *address_at(&x->done, *x->done.consumer);
        advance(x->done.consumer);
    }
}

hf_door_result hf_xdp_write(const hf_door *d, const hf_extent *pieces, size_t count)
{
    struct hf_xdp *const x = d->xdp;
    uint32_t length = 0;
    if (x->spare_count == 0 || waiting(&x->tx) == SLOTS) {
        hf_xdp_push(d);
        reclaim(x);
        if (x->spare_count == 0 || waiting(&x->tx) == SLOTS)
            return HF_DOOR_LATER;
    }
    const uint64_t frame = x->spare[x->spare_count - 1];
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].bytes.len > FRAME - length)
            return HF_DOOR_LOST;
        if (pieces[i].bytes.len > 0)
            memcpy(x->frames + frame + length, pieces[i].bytes.ptr, pieces[i].bytes.len);
        length += (uint32_t)pieces[i].bytes.len;
    }
    x->spare_count--;
    *frame_at(&x->tx, *x->tx.producer) = (struct xdp_desc){ .addr = frame, .len = length };
    advance(x->tx.producer);
    return HF_DOOR_DONE;
}

/* Errors (the device is down, its queue is full) leave frames in the ring for the next time. */
void hf_xdp_push(const hf_door *d)
{
    struct hf_xdp *const x = d->xdp;
    for (int i = 0; i < PUSHES && waiting(&x->tx) > 0 && wants_waking(&x->tx); i++)
        if (sendto(d->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN)
            break;
    reclaim(x);
}
