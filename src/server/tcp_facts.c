/* SPDX-License-Identifier: Apache-2.0 */
#include "tcp_facts.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "host_io.h"

bool hf_tcp_facts_own(hf_io *io, const hf_address *local, const hf_address *remote, hf_tcp_facts *facts)
{
    hf_tcp_info i;
    if (!hf_host_io_info(io, local, remote, &i))
        return false;
    *facts = (hf_tcp_facts){ .rtt_us = (uint32_t)(i.rtt_ns / 1000), .rtt_deviation_us = (uint32_t)(i.rtt_variation_ns / 1000),
        .retransmits = (uint32_t)i.retransmitted, .window_segments = i.segment > 0 ? (uint32_t)(i.congestion_window / i.segment) : 0,
        .bytes_received = i.bytes_received, .bytes_acknowledged = i.bytes_acked };
    return true;
}

bool hf_tcp_has_input(int descriptor)
{
    int n = 0;
    return ioctl(descriptor, FIONREAD, &n) == 0 && n > 0;
}

void hf_tcp_discard_input(int descriptor)
{
    for (int i = 0; i < 8; i++) /* tcp(7): with MSG_TRUNC the bytes "are discarded, rather than saved in a caller-supplied buffer" */
        if (recv(descriptor, NULL, 65536, MSG_TRUNC | MSG_DONTWAIT) <= 0)
            return;
}

bool hf_tcp_facts_read(int descriptor, hf_tcp_facts *facts)
{
    struct tcp_info i = { 0 }; /* an older kernel fills less of it */
    socklen_t size = sizeof i;
    if (descriptor < 0 || getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &i, &size) != 0)
        return false;
    *facts = (hf_tcp_facts){ .rtt_us = i.tcpi_rtt, .rtt_deviation_us = i.tcpi_rttvar, .retransmits = i.tcpi_total_retrans,
        .window_segments = i.tcpi_snd_cwnd, .bytes_received = i.tcpi_bytes_received, .bytes_acknowledged = i.tcpi_bytes_acked };
    return true;
}
