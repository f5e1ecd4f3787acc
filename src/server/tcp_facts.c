/* SPDX-License-Identifier: Apache-2.0 */
#include "tcp_facts.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

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
