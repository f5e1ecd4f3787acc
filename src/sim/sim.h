/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/sim.h - a network in one process: hosts, links and virtual time, all from one seed.
 *
 * Every host is an hf_io (io/io.h), so the server and the client that run on the kernel run here unchanged. The world
 * is the outer loop: it moves the clock to the next thing that happens - a packet arrives, a timer fires, a program
 * has something to do - and never waits. A program's `turn` calls wait(), which answers at once with what is pending.
 *
 * Between hosts lie links that carry datagrams badly (sim_link.h). On the links runs a stand-in for the kernel's TCP
 * (sim_stream.c), so what a program sees are piers: reliable, in order, with real back-pressure, until they break.
 *
 * The world refuses to know what the bytes mean, what time it really is, and what true randomness would be.
 * Two worlds made alike from the same seed, and driven alike, give the same trace.
 *
 * Memory: all through the allocator given. A world that runs out of it loses packets, refuses connections, and panics
 * only where it could no longer keep time; give the cores under test an allocator of their own to make them fail.
 */
#ifndef HF_SIM_SIM_H
#define HF_SIM_SIM_H

#include "io.h"
#include "sim_link.h"

typedef struct hf_world hf_world;

/* What runs on a host. The world calls `turn` when events are pending or wake() has come. */
typedef struct hf_program {
    void *self;
    void (*turn)(void *self, hf_io *io, hf_time now);
    hf_time (*wake)(void *self); /* asked after every turn and after hf_world_poke; HF_NEVER: only events */
} hf_program;

/* How a host behaves. May be changed at any time; streams that exist keep their buffers. */
typedef struct hf_host_options {
    size_t send_buffer;    /* bytes the stand-in holds of a stream's output */
    size_t receive_buffer; /* bytes it holds of a stream's input: the window */
    size_t backlog;        /* connections that wait to be accepted, or are half open, per listener */
    size_t descriptors;    /* connections a program may hold; 0: no bound. Above it: HF_IO_ACCEPT_FAILED */
    int64_t turn_delay_ns; /* the program gets its turn up to this long after an event: turns batch */
    int64_t give_up_ns;    /* a stream whose bytes nobody acknowledges for this long is over: TIMEOUT */
    int64_t wall_skew_s;   /* this host's civil clock minus the world's; a jump is a change */
} hf_host_options;

/* What hf_world_step did. */
typedef enum hf_world_step_result {
    HF_WORLD_MOVED,   /* one thing happened */
    HF_WORLD_UNTIL,   /* nothing is left to happen before `until`; the clock stands there now */
    HF_WORLD_QUIET,   /* nothing will ever happen again by itself */
    HF_WORLD_SPINNING /* a program asks to be woken in the past, again and again: a bug of the program's */
} hf_world_step_result;

/* Lends `alloc` and `trace` (NULL: off) until free. NULL when memory ends. */
hf_world *hf_world_new(const hf_allocator *alloc, uint64_t seed, const hf_trace_sink *trace);
/* Frees every host, stream and packet. Piers and hf_ios of this world are void then. */
void hf_world_free(hf_world *w);

/* ---- hosts --------------------------------------------------------------------------------------------------- */

/* A new host with the IP of `address`. The hf_io is the world's. NULL when memory or HF_WORLD_HOSTS ends. */
enum { HF_WORLD_HOSTS = 32 };
hf_io *hf_world_host(hf_world *w, const char *name, const hf_address *address);
/* 10.0.0.`n`, port `port`: enough for most worlds. */
hf_address hf_world_address(uint8_t n, uint16_t port);
/* Lends until the world is freed. */
hf_host_options *hf_world_options(hf_io *host);
/* Starts a program; lends `program.self`. */
void hf_world_program(hf_io *host, hf_program program);
/* Asks the program for its wake() again, after somebody else changed it. */
void hf_world_poke(hf_io *host);

/* The program stops getting turns (SIGSTOP); the host's network goes on until its buffers are full. */
void hf_world_pause(hf_io *host);
void hf_world_resume(hf_io *host);

typedef enum hf_kill {
    HF_KILL_PROCESS, /* kill -9: every connection is reset, and further ones are refused */
    HF_KILL_POWER    /* silence: peers learn of it by their own timeouts, or after the restart */
} hf_kill;
/* The program is over. Its piers say HF_FAULT and must still be freed by their owner. */
void hf_world_kill(hf_io *host, hf_kill how);
/* The host is up again, without a program. */
void hf_world_restart(hf_io *host);

/* ---- links --------------------------------------------------------------------------------------------------- */

/* The link in one direction; change it at any time. A new link is HF_LINK_CLEAN. Lends until the world is freed. */
hf_link_options *hf_world_link(hf_io *from, hf_io *to);
const hf_link_counts *hf_world_link_counts(const hf_io *from, const hf_io *to);
/* Phase two: every link becomes clean and up, every paused program goes on. */
void hf_world_heal(hf_world *w);

/* ---- files --------------------------------------------------------------------------------------------------- */

/* A file for FILE extents; the bytes are copied. False when memory ends. */
bool hf_world_file(hf_world *w, hf_bytes bytes, hf_file *file);
/* Somebody writes to it: answers under way from the older version must break, not mix. */
void hf_world_file_touch(hf_world *w, const hf_file *file);

/* ---- time ---------------------------------------------------------------------------------------------------- */

hf_time hf_world_now(const hf_world *w);
/* Lets one thing happen, if it happens no later than `until`. */
hf_world_step_result hf_world_step(hf_world *w, hf_time until);
/* Steps until `until`, quiet or spinning. */
hf_world_step_result hf_world_run(hf_world *w, hf_time until);
/* Packets delivered so far: the work done. */
uint64_t hf_world_packets(const hf_world *w);
/* Streams alive on a host, those that only linger included. */
size_t hf_world_streams(const hf_io *host);

#endif
