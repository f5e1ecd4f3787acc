/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of sim share: the world's insides. Nobody else includes this.
 */
#ifndef HF_SIM_SIM_WORLD_H
#define HF_SIM_SIM_WORLD_H

#include "alloc.h"
#include "panic.h"
#include "random.h"
#include "sim.h"
#include "timer.h"
#include "trace.h"

typedef struct hf_sim_host hf_sim_host;
typedef struct hf_sim_stream hf_sim_stream;

/* A datagram on its way. `bytes` is damaged in flight if the link says so. */
typedef struct hf_sim_packet {
    hf_time at;
    uint64_t order; /* ties in time: first sent, first delivered */
    uint16_t from, to;
    size_t len;
    uint8_t bytes[];
} hf_sim_packet;

typedef struct hf_sim_listener hf_sim_listener;
struct hf_sim_listener {
    hf_sim_listener *next;
    hf_address at;
    void *owner;
    hf_sim_stream *first, *last; /* open and not accepted yet */
    size_t waiting;              /* those, and the half open */
    hf_time rests_until;         /* after a failed accept */
};

struct hf_sim_host {
    hf_io io; /* first */
    hf_world *world;
    uint16_t index;
    char name[32];
    hf_address address;
    hf_host_options options;
    hf_program program; /* turn NULL: none */
    bool paused, off, woken, has_events;
    hf_time turn_at; /* HF_NEVER: no events wait */
    hf_time wake_at; /* the program's */
    hf_time spin_at; /* the moment at which `spins` were counted */
    unsigned spins;
    uint16_t next_port;
    size_t descriptors; /* piers that programs hold */
    hf_sim_listener *listeners;
    hf_sim_stream *streams;
    hf_sim_stream *ready, *ready_last; /* streams with events to pull */
};

typedef struct hf_sim_file {
    uint8_t *bytes;
    size_t len;
    int64_t modified_ns;
} hf_sim_file;

struct hf_world {
    hf_allocator alloc;
    hf_env env; /* for tracing */
    hf_random random;
    hf_time now;
    hf_wall epoch; /* the civil time at virtual time 0 */
    uint64_t order, delivered;
    hf_sim_packet **heap; /* ordered by at, then order */
    size_t heap_count, heap_capacity;
    hf_timers timers;
    hf_sim_host *hosts[HF_WORLD_HOSTS];
    uint16_t host_count;
    hf_link *links; /* host_count x host_count would move: HF_WORLD_HOSTS wide, made at once */
    hf_sim_file *files;
    size_t file_count;
};

/* ---- sim_world.c ---- */
/* A packet to fill, NULL when memory ends. Then send it: the world owns it from there. */
hf_sim_packet *hf_sim_packet_new(hf_world *w, size_t len);
void hf_sim_packet_send(hf_sim_host *from, uint16_t to, hf_sim_packet *p);
void hf_sim_drop(hf_world *w, const hf_sim_packet *p, hf_drop why);
/* The host that has this IP, or -1. */
int hf_sim_find(const hf_world *w, const hf_address *a);
/* The file's current state, NULL for a handle that is none. */
const hf_sim_file *hf_sim_file_get(const hf_world *w, int handle);

/* ---- sim_host.c ---- */
extern const hf_io_ops hf_sim_io_ops;
/* Something waits for the program: it gets a turn soon. */
void hf_sim_host_stir(hf_sim_host *h);
hf_sim_listener *hf_sim_listener_find(hf_sim_host *h, uint16_t port);
void hf_sim_listener_remove(hf_sim_host *h, hf_sim_stream *s); /* s leaves the line of those that wait */
void hf_sim_host_reset(hf_sim_host *h, hf_kill how);
/* Time of the host's next turn. */
hf_time hf_sim_host_next(const hf_sim_host *h);

#endif
