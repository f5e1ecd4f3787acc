/* SPDX-License-Identifier: Apache-2.0
 *
 * Our own network stack as an hf_io: a host (handfast/host.h) behind a door (door.h). What stands on it cannot tell it from
 * the kernel. host_io.c waits, listens and connects; host_pier.c is a connection.
 */
#ifndef HF_IO_HOST_IO_H
#define HF_IO_HOST_IO_H

#include "door.h"
#include "io.h"
#include "queue.h"

/* A loop for the calling thread. Lends `env` and `door` for life. `config`: addresses and gateways, and what TCP shall do;
 * the rest is the door's and entropy's. */
hf_io *hf_host_io_new(const hf_env *env, const hf_door *door, const hf_host_config *config, hf_err *err);
/* NULL for another kind of loop. */
hf_host *hf_host_io_host(hf_io *io);
/* What the connection between these two knows of itself; false when there is none, or the loop is of another kind. */
bool hf_host_io_info(hf_io *io, const hf_address *local, const hf_address *remote, hf_tcp_info *info);
/* What the connection below a pier knows of itself; false when it is none of ours. */
bool hf_host_pier_info(hf_pier pier, hf_tcp_info *info);

/* ---- between host_io.c and host_pier.c ------------------------------------------------------------------------ */

typedef struct hf_host_pier hf_host_pier;

/* Bytes of a file on their way: read once, lent to TCP until they are acknowledged. */
enum { HF_HOST_BLOCK = 65536, HF_HOST_SPARES = 64 };
typedef struct hf_host_block {
    struct hf_host_block *next;
    uint8_t bytes[HF_HOST_BLOCK];
} hf_host_block;

/* What a loop lends its connections. */
typedef struct hf_host_home {
    const hf_env *env;
    hf_host_block *spares;
    uint32_t spare_count;
} hf_host_home;

hf_pier hf_host_pier_new(hf_host_home *home, hf_tcp *tcp);
void hf_host_pier_own(hf_pier pier, void *owner);
void *hf_host_pier_owner(const hf_host_pier *p);
void hf_host_home_fini(hf_host_home *home);

#endif
