/* SPDX-License-Identifier: Apache-2.0
 *
 * How many segments a connection took, as the kernel counts them: apart, since its header and the C library's cannot meet.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "epoll.h"

/* RFC 4898: tcpEStatsPerfSegsOut and SegsIn, retransmissions with them. */
bool hf_socket_segments(int descriptor, uint32_t *out, uint32_t *in)
{
    struct tcp_info i = { 0 }; /* an older kernel fills less of it */
    socklen_t size = sizeof i;
    const bool known = descriptor >= 0 && getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &i, &size) == 0 && i.tcpi_segs_out > 0;
    *out = known ? i.tcpi_segs_out : 0;
    *in = known ? i.tcpi_segs_in : 0;
    return known;
}
