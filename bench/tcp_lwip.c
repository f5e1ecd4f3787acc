/* SPDX-License-Identifier: Apache-2.0
 *
 * tcp_peer's server on lwIP, as a distribution ships it: its own thread and its own options, on a TAP device without offload.
 *
 *     tcp_lwip DEVICE ADDRESS/PREFIX PORT     a TAP device that is there and up
 *
 * lwIP calls everything here in its own thread. The driver is ours and does what its contrib/ports/unix/port/netif/tapif.c does, but for one thing:
 * it asks for memory of just the packet's length. Debian 12's library was compiled with two opinions of how long a block of its pool is (592 and
 * 1520 bytes), so that the driver that it brings writes behind such a block, and the program ends, with the first full segment.
 * What a connection is for is told as to tcp_peer.
 */
#include <lwip/etharp.h>
#include <lwip/ethip6.h>
#include <lwip/netif.h>
#include <lwip/tcp.h>
#include <lwip/tcpip.h>

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { FRAME_MOST = 1514, REQUEST = 64, ANSWER = 100, DIGITS = 10, CHUNK = 32 * 1024 };

static const uint8_t chunk[CHUNK];
static struct netif interface;

[[gnu::noreturn]] static void die(const char *what)
{
    fprintf(stderr, "tcp_lwip: %s\n", what);
    exit(1);
}

typedef struct job {
    char what;       /* 0: not known yet */
    size_t heard;    /* bytes of the request */
    char digits[DIGITS + 1];
    uint64_t to_send;
    bool whole;      /* the request is */
} job;

static void hear(job *j, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n && !j->whole; i++) {
        if (j->heard == 0)
            j->what = (char)bytes[i];
        else if (j->what == 'G' && j->heard <= DIGITS)
            j->digits[j->heard - 1] = (char)bytes[i];
        j->heard++;
        j->whole = j->what == 'G' ? j->heard == DIGITS + 1 : j->what == 'Q' ? j->heard == REQUEST : true;
        if (j->whole)
            j->to_send = j->what == 'G' ? strtoull(j->digits, NULL, 10) * 1000000 : j->what == 'Q' ? ANSWER : 0;
    }
}

/* ---- what lwIP calls ------------------------------------------------------------------------------------------------ */

/* ERR_ABRT is what it wants to hear when the connection is gone within its call. */
static err_t leave(struct tcp_pcb *pcb, job *j)
{
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    free(j);
    if (tcp_close(pcb) == ERR_OK)
        return ERR_OK;
    tcp_abort(pcb);
    return ERR_ABRT;
}

/* As much as it takes now. */
static err_t send_more(struct tcp_pcb *pcb, job *j)
{
    while (j->to_send > 0) {
        size_t n = tcp_sndbuf(pcb);
        n = n < CHUNK ? n : CHUNK;
        n = n < j->to_send ? n : (size_t)j->to_send;
        if (n == 0 || tcp_write(pcb, chunk, (u16_t)n, 0) != ERR_OK)
            break;
        j->to_send -= n;
    }
    if (j->whole && j->what != 'S' && j->to_send == 0)
        return leave(pcb, j);
    (void)tcp_output(pcb);
    return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t n)
{
    (void)n;
    return arg != NULL ? send_more(pcb, arg) : ERR_OK;
}

static err_t on_receive(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    job *j = arg;
    (void)err;
    if (p == NULL)
        return j != NULL ? leave(pcb, j) : ERR_OK;
    for (const struct pbuf *q = p; q != NULL && j != NULL; q = q->next)
        hear(j, q->payload, q->len);
    tcp_recved(pcb, p->tot_len);
    (void)pbuf_free(p);
    return j != NULL ? send_more(pcb, j) : ERR_OK;
}

static void on_error(void *arg, err_t err)
{
    (void)err;
    free(arg);
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg;
    job *const j = err == ERR_OK && pcb != NULL ? calloc(1, sizeof *j) : NULL;
    if (j == NULL)
        return ERR_MEM;
    tcp_arg(pcb, j);
    tcp_recv(pcb, on_receive);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    tcp_nagle_disable(pcb);
    return ERR_OK;
}

/* ---- the driver ------------------------------------------------------------------------------------------------------ */

static int tap = -1;

static err_t on_output(struct netif *on, struct pbuf *p)
{
    uint8_t frame[FRAME_MOST];
    (void)on;
    if (p->tot_len > sizeof frame)
        return ERR_IF;
    const u16_t n = pbuf_copy_partial(p, frame, p->tot_len, 0);
    return write(tap, frame, n) == (ssize_t)n ? ERR_OK : ERR_IF;
}

static err_t on_interface(struct netif *made)
{
    static const uint8_t mac[] = { 2, 0x12, 0x34, 0x56, 0x78, 0xab };
    memcpy(made->hwaddr, mac, sizeof mac);
    made->hwaddr_len = sizeof mac;
    made->name[0] = 't', made->name[1] = 'p';
    made->mtu = 1500;
    made->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_LINK_UP;
    made->output = etharp_output;
    made->output_ip6 = ethip6_output;
    made->linkoutput = on_output;
    return ERR_OK;
}

static void *read_frames(void *nothing)
{
    uint8_t frame[FRAME_MOST];
    for (ssize_t n; (n = read(tap, frame, sizeof frame)) > 0;) {
        struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)n, PBUF_RAM);
        if (p == NULL)
            continue;
        (void)pbuf_take(p, frame, (u16_t)n);
        if (interface.input(p, &interface) != ERR_OK)
            (void)pbuf_free(p);
    }
    return nothing;
}

static void open_tap(const char *device)
{
    struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
    tap = open("/dev/net/tun", O_RDWR);
    if (tap < 0 || ioctl(tap, TUNSETIFF, &r) != 0)
        die("no such TAP device");
}

/* ---- life -------------------------------------------------------------------------------------------------------------- */

static void begin(void *arg)
{
    char **const argv = arg;
    char *const slash = strchr(argv[2], '/');
    const unsigned prefix = slash != NULL ? (unsigned)strtoul(slash + 1, NULL, 10) : 24;
    ip4_addr_t at, mask, gateway = { 0 };
    if (slash != NULL)
        *slash = 0;
    mask.addr = lwip_htonl(prefix == 0 ? 0 : 0xffffffffu << (32 - prefix));
    if (!ip4addr_aton(argv[2], &at) || netif_add(&interface, &at, &mask, &gateway, NULL, on_interface, tcpip_input) == NULL)
        die("no interface");
    netif_set_default(&interface);
    netif_set_up(&interface);
    netif_set_link_up(&interface);
    struct tcp_pcb *pcb = tcp_new();
    if (pcb == NULL || tcp_bind(pcb, IP_ADDR_ANY, (u16_t)atoi(argv[3])) != ERR_OK || (pcb = tcp_listen_with_backlog(pcb, 255)) == NULL)
        die("it does not listen");
    tcp_accept(pcb, on_accept);
    pthread_t reader;
    if (pthread_create(&reader, NULL, read_frames, NULL) != 0)
        die("no thread");
    puts("ready");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    open_tap(argv[1]);
    tcpip_init(begin, argv);
    for (;;)
        pause();
}
