/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses as text and as the kernel's sockaddr.
 */
#ifndef HF_IO_ADDRESS_H
#define HF_IO_ADDRESS_H

#include <sys/socket.h>

#include "io.h"
#include "text.h"

/* "127.0.0.1" or "::1"; with the port "127.0.0.1:80" or "[::1]:80". */
void hf_address_write(hf_writer *w, const hf_address *a, bool with_port);
/* An IPv4 or IPv6 literal, without brackets. */
bool hf_address_parse(hf_bytes text, uint16_t port, hf_address *a);
socklen_t hf_address_to_kernel(const hf_address *a, struct sockaddr_storage *to);
void hf_address_from_kernel(const struct sockaddr_storage *from, hf_address *a);
/* As 16 bytes: an IPv4 address as ::ffff:a.b.c.d. And back; the port is not touched. */
void hf_address_map(const hf_address *a, uint8_t ip[16]);
void hf_address_unmap(const uint8_t ip[16], hf_address *a);
/* This machine itself: 127.0.0.0/8, ::1. */
bool hf_address_is_loopback(const hf_address *a);
/* Same host, whatever the ports. */
bool hf_address_same_host(const hf_address *a, const hf_address *b);
/* Same host and port. */
bool hf_address_same(const hf_address *a, const hf_address *b);

#endif
