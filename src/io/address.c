/* SPDX-License-Identifier: Apache-2.0 */
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

void hf_address_write(hf_writer *w, const hf_address *a, bool with_port)
{
    char text[INET6_ADDRSTRLEN] = "?";
    if (a->family == 4)
        inet_ntop(AF_INET, a->ip, text, sizeof text);
    else if (a->family == 6)
        inet_ntop(AF_INET6, a->ip, text, sizeof text);
    const bool brackets = with_port && a->family == 6;
    if (brackets)
        hf_write_byte(w, '[');
    hf_write_text(w, text);
    if (brackets)
        hf_write_byte(w, ']');
    if (with_port) {
        hf_write_byte(w, ':');
        hf_write_decimal(w, a->port);
    }
}

bool hf_address_parse(hf_bytes text, uint16_t port, hf_address *a)
{
    char name[INET6_ADDRSTRLEN];
    if (text.len == 0 || text.len >= sizeof name || memchr(text.ptr, 0, text.len) != NULL)
        return false;
    memcpy(name, text.ptr, text.len);
    name[text.len] = 0;
    *a = (hf_address){ .port = port };
    if (inet_pton(AF_INET, name, a->ip) == 1)
        a->family = 4;
    else if (inet_pton(AF_INET6, name, a->ip) == 1)
        a->family = 6;
    return a->family != 0;
}

socklen_t hf_address_to_kernel(const hf_address *a, struct sockaddr_storage *to)
{
    memset(to, 0, sizeof *to);
    if (a->family == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)to;
        in->sin_family = AF_INET;
        in->sin_port = htons(a->port);
        memcpy(&in->sin_addr, a->ip, 4);
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(a->port);
    in6->sin6_scope_id = a->scope;
    memcpy(&in6->sin6_addr, a->ip, 16);
    return sizeof *in6;
}

void hf_address_from_kernel(const struct sockaddr_storage *from, hf_address *a)
{
    *a = (hf_address){ 0 };
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        a->family = 4;
        a->port = ntohs(in->sin_port);
        memcpy(a->ip, &in->sin_addr, 4);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) { /* a socket for both families (ours are for one): IPv4 nevertheless */
            a->family = 4;
            a->port = ntohs(in6->sin6_port);
            memcpy(a->ip, in6->sin6_addr.s6_addr + 12, 4);
            return;
        }
        a->family = 6;
        a->port = ntohs(in6->sin6_port);
        a->scope = in6->sin6_scope_id;
        memcpy(a->ip, &in6->sin6_addr, 16);
    }
}

bool hf_address_is_loopback(const hf_address *a)
{
    static const uint8_t one[16] = { [15] = 1 };
    return a->family == 4 ? a->ip[0] == 127 : a->family == 6 && memcmp(a->ip, one, sizeof one) == 0;
}

bool hf_address_same_host(const hf_address *a, const hf_address *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, a->family == 4 ? 4 : 16) == 0;
}

bool hf_address_same(const hf_address *a, const hf_address *b)
{
    return a->port == b->port && hf_address_same_host(a, b);
}

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

void hf_address_map(const hf_address *a, uint8_t ip[16])
{
    const bool is_ipv6 = a->family == 6;
    if (!is_ipv6)
        memcpy(ip, mapped, sizeof mapped);
    memcpy(ip + (is_ipv6 ? 0 : 12), a->ip, is_ipv6 ? 16 : 4);
}

void hf_address_unmap(const uint8_t ip[16], hf_address *a)
{
    const bool is_ipv4 = memcmp(ip, mapped, sizeof mapped) == 0;
    a->family = is_ipv4 ? 4 : 6;
    memcpy(a->ip, ip + (is_ipv4 ? 12 : 0), is_ipv4 ? 4 : 16);
}
