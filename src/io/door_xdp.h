/* SPDX-License-Identifier: Apache-2.0
 *
 * AF_XDP: a network card's frames in memory that is shared with the kernel, before its own stack has seen them. A small program
 * in the kernel takes the frames that are for our addresses, and lets all others pass: the machine keeps its own network on
 * the same card. The program goes with the last descriptor of its link, whatever becomes of us.
 *
 * What it shares with the kernel outlives the process that serves: one that died loses at most a frame.
 */
#ifndef HF_IO_DOOR_XDP_H
#define HF_IO_DOOR_XDP_H

#include "door.h"

/* In words, why a door does not open: what was tried, with which device, the system's error, the remedy. */
hf_err hf_door_refuse(hf_writer *why, const char *what, const char *device, int error, const char *remedy);

/* `device` is its index; d->device, mac and mtu are set, and it is up. */
hf_err hf_xdp_open(hf_door *d, unsigned device, const hf_door_options *o, hf_writer *why);
void hf_xdp_close(hf_door *d);
hf_door_result hf_xdp_read(const hf_door *d, uint8_t *room, hf_host_input *in);
hf_door_result hf_xdp_write(const hf_door *d, const hf_extent *pieces, size_t count);
/* The kernel looks at what was written. */
void hf_xdp_push(const hf_door *d);

#endif
