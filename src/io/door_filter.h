/* SPDX-License-Identifier: Apache-2.0
 *
 * door_filter: the program that a network card's driver runs for each frame (BPF): what is for our addresses goes to our socket,
 * all else to the kernel. Instructions are made here, one for one; there is no compiler in between.
 */
#ifndef HF_IO_DOOR_FILTER_H
#define HF_IO_DOOR_FILTER_H

#include <handfast/host.h>

#include <linux/bpf.h>

enum { HF_FILTER_MOST = 192 };

/* Into `code`: IPv4 and ARP for an address of ours; IPv6 for one, or for the group in which its neighbours are asked for (RFC 4291
 * 2.7.1). `sockets` is the descriptor of a map of AF_XDP sockets by queue. The number of instructions. */
size_t hf_filter_make(struct bpf_insn code[HF_FILTER_MOST], const hf_host_address *addresses, size_t count, int sockets);

#endif
