/* SPDX-License-Identifier: Apache-2.0 */
#include "door.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "door_xdp.h"
#include "panic.h"

enum { IOVECS = 66, ETHERTYPE_ALL = 0x0003, TCP_FLAGS = 13, TCP_CWR = 0x80, MTU_LEAST = 576, MTU_MOST = 65000 };
_Static_assert(sizeof(struct virtio_net_hdr) == HF_DOOR_HEADER, "the legacy header, without the number of buffers");

const char *hf_door_name(hf_door_kind kind)
{
    static const char *const names[] = { "kernel", "tun", "tap", "packet", "xdp" };
    return names[kind];
}

/* ---- opening ------------------------------------------------------------------------------------------------------ */

hf_err hf_door_refuse(hf_writer *why, const char *what, const char *device, int error, const char *remedy)
{
    char words[128];
    hf_write_text(why, what);
    hf_write_text(why, device);
    hf_write_text(why, ": ");
    hf_write_text(why, strerror_r(error, words, sizeof words));
    hf_write_text(why, "; ");
    hf_write_text(why, remedy);
    return hf_err_make(error == EPERM || error == EACCES ? HF_ERR_IO_DEVICE_DENIED : error == EBUSY ? HF_ERR_IO_DEVICE_BUSY
            : error == EMFILE || error == ENFILE ? HF_ERR_IO_DESCRIPTORS : HF_ERR_IO_DEVICE_MISSING);
}

static const char *remedy_of(int error)
{
    switch (error) {
    case EPERM:
    case EACCES: return "it needs root or CAP_NET_ADMIN; or have root make the device: ip tuntap add NAME mode tun user YOU";
    case EBUSY: return "another program has this device open: end it, or choose another name";
    case EINVAL: return "a device of this name exists and is of another kind: choose another name";
    case ENOENT:
    case ENODEV:
    case ENXIO: return "this kernel offers no TUN devices: load its module with modprobe tun; in a container, pass /dev/net/tun in";
    default: return "see the system call's own manual page";
    }
}

static bool request(const char *device, struct ifreq *r)
{
    memset(r, 0, sizeof *r);
    const size_t n = strlen(device);
    memcpy(r->ifr_name, device, n < sizeof r->ifr_name ? n : 0);
    return n > 0 && n < sizeof r->ifr_name;
}

/* Up, if that may be done; and the link's MTU. */
static void bring_up(hf_door *d)
{
    struct ifreq r;
    const int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s < 0)
        return;
    if (request(d->device, &r) && ioctl(s, SIOCGIFFLAGS, &r) == 0 && (r.ifr_flags & IFF_UP) == 0) {
        r.ifr_flags = (short)(r.ifr_flags | IFF_UP);
        (void)ioctl(s, SIOCSIFFLAGS, &r); /* a device that somebody else made, and keeps down, is theirs to bring up */
    }
    if (request(d->device, &r) && ioctl(s, SIOCGIFMTU, &r) == 0)
        d->mtu = (uint16_t)(r.ifr_mtu < MTU_LEAST ? MTU_LEAST : r.ifr_mtu > MTU_MOST ? MTU_MOST : r.ifr_mtu);
    close(s);
}

static hf_err open_tun(hf_door *d, const hf_door_options *o, hf_writer *why)
{
    struct ifreq r;
    const bool tap = o->kind == HF_DOOR_TAP;
    const unsigned offload = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    d->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (d->fd < 0)
        return hf_door_refuse(why, "cannot open /dev/net/tun", "", errno, remedy_of(errno));
    if (!request(o->device, &r))
        return hf_door_refuse(why, "cannot make the device ", o->device, ENAMETOOLONG, "a device's name has 1 to 15 characters");
    r.ifr_flags = (short)((tap ? IFF_TAP : IFF_TUN) | IFF_NO_PI | (o->plain ? 0 : IFF_VNET_HDR));
    if (ioctl(d->fd, TUNSETIFF, &r) != 0)
        return hf_door_refuse(why, "cannot make the device ", o->device, errno, remedy_of(errno));
    memcpy(d->device, r.ifr_name, sizeof d->device);
    d->header = !o->plain;
    /* a device that outlives its users keeps what the last one chose: without a header nobody would say that a sum is missing */
    if (ioctl(d->fd, TUNSETOFFLOAD, d->header ? offload : 0u) != 0 && d->header)
        return hf_door_refuse(why, "cannot use the offloads of ", o->device, errno, "this kernel is too old for them: give --no-offload");
    if (tap) { /* RFC 7042 2.1: the second bit of the first byte says that nobody else gave this address */
        (void)!getrandom(d->mac.bytes, sizeof d->mac.bytes, 0);
        d->mac.bytes[0] = (uint8_t)((d->mac.bytes[0] & 0xfc) | 2);
    }
    bring_up(d);
    return HF_OK;
}

static hf_err open_packet(hf_door *d, const hf_door_options *o, hf_writer *why)
{
    struct ifreq r;
    const int yes = 1;
    d->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (d->fd < 0)
        return hf_door_refuse(why, "cannot open a packet socket on ", o->device, errno, "it needs root or CAP_NET_RAW");
    if (!request(o->device, &r) || ioctl(d->fd, SIOCGIFINDEX, &r) != 0)
        return hf_door_refuse(why, "cannot open a packet socket on ", o->device, ENODEV, "there is no such device; ip link lists them");
    memcpy(d->device, r.ifr_name, sizeof d->device);
    const struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE_ALL), .sll_ifindex = r.ifr_ifindex };
    const struct packet_mreq groups = { .mr_ifindex = r.ifr_ifindex, .mr_type = PACKET_MR_ALLMULTI };
    if (ioctl(d->fd, SIOCGIFHWADDR, &r) != 0)
        return hf_door_refuse(why, "cannot open a packet socket on ", o->device, errno, "it must be an Ethernet device");
    memcpy(d->mac.bytes, r.ifr_hwaddr.sa_data, sizeof d->mac.bytes);
    d->header = !o->plain;
    /* what we send ourselves is no news; neighbour discovery speaks to groups (RFC 4861 2.3) */
    if (setsockopt(d->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes) != 0 ||
        setsockopt(d->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &groups, sizeof groups) != 0 ||
        (d->header && setsockopt(d->fd, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof yes) != 0) ||
        bind(d->fd, (const struct sockaddr *)&at, sizeof at) != 0)
        return hf_door_refuse(why, "cannot open a packet socket on ", o->device, errno, "see packet(7)");
    bring_up(d);
    return HF_OK;
}

static hf_err open_xdp(hf_door *d, const hf_door_options *o, hf_writer *why)
{
    struct ifreq r;
    const int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s < 0)
        return hf_door_refuse(why, "cannot open an AF_XDP socket on ", o->device, errno, "see socket(2)");
    bool known = request(o->device, &r) && ioctl(s, SIOCGIFHWADDR, &r) == 0;
    memcpy(d->mac.bytes, r.ifr_hwaddr.sa_data, known ? sizeof d->mac.bytes : 0);
    known = known && ioctl(s, SIOCGIFINDEX, &r) == 0;
    close(s);
    if (!known)
        return hf_door_refuse(why, "cannot open an AF_XDP socket on ", o->device, ENODEV, "there is no such Ethernet device; ip link lists them");
    memcpy(d->device, r.ifr_name, sizeof d->device);
    bring_up(d);
    return hf_xdp_open(d, (unsigned)r.ifr_ifindex, o, why);
}

hf_err hf_door_open(hf_door *d, const hf_door_options *o, hf_writer *why)
{
    *d = (hf_door){ .fd = -1, .kind = o->kind, .ethernet = o->kind != HF_DOOR_TUN, .mtu = 1500 };
    const hf_err err = o->kind == HF_DOOR_PACKET ? open_packet(d, o, why) : o->kind == HF_DOOR_XDP ? open_xdp(d, o, why) : open_tun(d, o, why);
    if (err.code != 0)
        hf_door_close(d);
    return err;
}

void hf_door_close(hf_door *d)
{
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
    hf_xdp_close(d);
}

/* ---- packets ------------------------------------------------------------------------------------------------------ */

hf_door_result hf_door_read(const hf_door *d, uint8_t *room, hf_host_input *in)
{
    if (d->xdp != NULL)
        return hf_xdp_read(d, room, in);
    struct virtio_net_hdr header = { 0 };
    const size_t skip = d->header ? sizeof header : 0;
    const ssize_t n = read(d->fd, room, HF_DOOR_PACKET_MOST);
    if (n < 0)
        return errno == EAGAIN ? HF_DOOR_LATER : HF_DOOR_LOST; /* ENETDOWN: the device went down, and may come up again */
    if ((size_t)n < skip)
        return HF_DOOR_LOST;
    memcpy(&header, room, skip);
    /* NEEDS_CSUM: its sender, on this machine, left the sum to us, who put it on no wire. DATA_VALID: it was verified. */
    *in = (hf_host_input){ .packet = hf_bytes_make(room + skip, (size_t)n - skip),
                           .checked = (header.flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID)) != 0 };
    return HF_DOOR_DONE;
}

static struct virtio_net_hdr header_of(const hf_extent *pieces, size_t count, const hf_host_packet *p)
{
    struct virtio_net_hdr h = { .gso_type = VIRTIO_NET_HDR_GSO_NONE };
    if (p->checksum_start > 0) {
        h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        h.csum_start = p->checksum_start;
        h.csum_offset = p->checksum_at;
    }
    if (p->segment > 0) {
        h.gso_type = p->six ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
        h.gso_size = p->segment;
        h.hdr_len = p->header;
        /* RFC 3168 6.1.2: CWR is on the first segment alone, which whoever cuts this into segments must know */
        if (count > 1 && pieces[1].bytes.len > TCP_FLAGS && (pieces[1].bytes.ptr[TCP_FLAGS] & TCP_CWR) != 0)
            h.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
    }
    return h;
}

hf_door_result hf_door_write(const hf_door *d, const hf_extent *pieces, size_t count, const hf_host_packet *packet)
{
    struct iovec iov[IOVECS];
    struct virtio_net_hdr header;
    size_t n = 0;
    HF_ASSERT(count < IOVECS);
    if (d->xdp != NULL)
        return hf_xdp_write(d, pieces, count);
    if (d->header) {
        header = header_of(pieces, count, packet);
        iov[n++] = (struct iovec){ &header, sizeof header };
    }
    for (size_t i = 0; i < count; i++)
        iov[n++] = (struct iovec){ (void *)(uintptr_t)pieces[i].bytes.ptr, pieces[i].bytes.len };
    ssize_t sent;
    do
        sent = writev(d->fd, iov, (int)n);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return HF_DOOR_DONE;
    return errno == EAGAIN || errno == ENOBUFS ? HF_DOOR_LATER : HF_DOOR_LOST;
}

void hf_door_push(const hf_door *d)
{
    if (d->xdp != NULL)
        hf_xdp_push(d);
}
