/* SPDX-License-Identifier: Apache-2.0 */
#include "outside_names.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "text.h"

const char *hf_status_means(uint16_t status)
{
    static const struct {
        uint16_t status;
        const char *means;
    } rows[] = {
        { 400, "the server did not understand the request: another protocol on the port, or a Host that it does not like" },
        { 401, "it wants to know who asks (WWW-Authenticate says how)" },
        { 403, "it understood, and refuses: permissions, or a rule in front of the server" },
        { 404, "the server works, and has nothing at this path" },
        { 405, "another method is wanted here (Allow says which)" },
        { 421, "this server does not answer for this name: a wrong address, or a connection shared by mistake" },
        { 408, "the request did not come whole in time: a slow line, or a connection that was opened ahead and not used" },
        { 413, "the body is larger than the server takes" },
        { 415, "the server does not read this Content-Type" },
        { 425, "it came in early data, which can be replayed: it is asked again after the handshake (RFC 8470)" },
        { 429, "too many requests (Retry-After says when)" },
        { 500, "the application failed: its log says why" },
        { 502, "a proxy is in front, and what is behind it answered no HTTP, or is not there" },
        { 503, "overloaded or in maintenance (Retry-After says when)" },
        { 504, "a proxy is in front, and what is behind it did not answer in time" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if (rows[i].status == status)
            return rows[i].means;
    return NULL;
}

/* Of any other errno: its name, and what the C library says. */
static bool find_other(const char *name, int number, hf_system_name *found)
{
    enum { LAST = 133 };
    for (int i = 1; i <= LAST; i++) {
        const char *const known = strerrorname_np(i);
        if (known == NULL || (i != number && strcasecmp(known, name) != 0))
            continue;
        *found = (hf_system_name){ i, known, strerrordesc_np(i), NULL };
        return true;
    }
    return false;
}

bool hf_system_name_find(const char *name, hf_system_name *found)
{
    uint64_t number = 0;
    const bool numbered = hf_parse_decimal(hf_text(name), &number) && number < 1000;
    static const hf_system_name rows[] = {
        { ECONNREFUSED, "ECONNREFUSED", "the host is there, and nothing listens on this port of this address, or a firewall refuses in its name (RST)",
          "is the server running, and bound to this address? ss -ltnp on its machine" },
        { ETIMEDOUT, "ETIMEDOUT", "no answer at all: a firewall drops the packets, the host is down, or the address is wrong", "handfast explain URL; look from another network" },
        { ECONNRESET, "ECONNRESET", "the peer, or something between, ended the connection at once (RST): it closed with unread input, crashed, or a firewall lost its state",
          "look at the peer's log for the same moment; handfast explain URL" },
        { ECONNABORTED, "ECONNABORTED", "the connection was gone before it was accepted", "none needed: accept again" },
        { EPIPE, "EPIPE", "the peer had ended the connection before the last bytes were sent", "look why it ended: the peer's log says" },
        { EHOSTUNREACH, "EHOSTUNREACH", "a router, or the neighbour itself, says that the host cannot be reached: it is down, or a firewall says so", "ip route get ADDRESS; ip neigh" },
        { ENETUNREACH, "ENETUNREACH", "this machine has no route to it: often an IPv6 address where there is no IPv6", "ip route get ADDRESS" },
        { EADDRINUSE, "EADDRINUSE", "another program listens on this address and port", "ss -ltnp names it" },
        { EADDRNOTAVAIL, "EADDRNOTAVAIL", "connecting: no port is left for connections to that destination; binding: no interface has the address",
          "handfast ports says how full it is; ip addr lists addresses" },
        { EACCES, "EACCES", "ports below 1024 need a privilege; connecting: a firewall on this machine forbids it", "CAP_NET_BIND_SERVICE, or another port" },
        { EMFILE, "EMFILE", "this process has no descriptor left", "ulimit -n, LimitNOFILE in systemd; handfast doctor" },
        { ENFILE, "ENFILE", "the system has no descriptor left", "sysctl fs.file-max; which process holds them?" },
        { ENOBUFS, "ENOBUFS", "the kernel has no room for the packet just now", "larger buffers; handfast doctor" },
        { EMSGSIZE, "EMSGSIZE", "the datagram is larger than the path takes", "path MTU discovery is at work: none needed; if it goes on, look at the MTU" },
        { EHOSTDOWN, "EHOSTDOWN", "the neighbour does not answer", "is it on, and on this link?" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if ((numbered && rows[i].number == (int)number) || strcasecmp(rows[i].name, name) == 0) {
            *found = rows[i];
            return true;
        }
    return find_other(name, numbered ? (int)number : 0, found);
}
