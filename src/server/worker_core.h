/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of worker, shared by worker.c (connections, turns, generations), worker_quic.c (clients of HTTP/3) and worker_room.c (what gives way when there
 * is too much).
 */
#ifndef HF_SERVER_WORKER_CORE_H
#define HF_SERVER_WORKER_CORE_H

#include "files.h"
#include "limit_tell.h"
#include "mailbox.h"
#include "quic_port.h"
#include "timer.h"
#include "topics.h"
#include "worker.h"

enum {
    EVENTS = 512,         /* taken from io in one turn: more than it can have seen at once */
    STEPS = 256,          /* of one connection before others have their turn */
    COUNTED_TOGETHER = 8, /* answers of a turn for which the clock is read once */
    PIECES = 64,
    SCRATCH = 65536,
    QUIC_ROUNDS = 16,      /* of a turn: between them connections that can go on do */
    QUIC_BATCHES = 16,     /* sent in each */
    REFUSING_AT_MOST = 256, /* connections over a limit that are told so in answer to what they ask */
    TURNING_AT_MOST = 1024, /* that are told so at once, those among them, and then have time to close; beyond, none have */
    IDLE_LOOKED_AT = 1024,  /* of the oldest connections, for one that is idle */
    FILES_SHED = 32
};

typedef struct connection connection;
struct connection {
    hf_timer timer; /* first */
    hf_tenure *tenure; /* it began with: its limits */
    hf_dialog dialog;
    connection *next, *previous;
    hf_time began;
    int descriptor;
    uint32_t signature; /* the place at which it waits for one */
    hf_taped *taped; /* NULL: it is not recorded */
    hf_pier *proxy; /* until its PROXY header has come: then the web stands on it. NULL: there is none to wait for */
    uint16_t local; /* of worker.locals */
    bool secure;
    bool counted;  /* in the census */
    bool refusing;
    bool dead; /* freed at the end of the turn: events of this turn may still name it */
};

struct hf_tenure {
    hf_tenure *next;
    hf_worker *worker;
    const hf_worker_config *config; /* NULL once no request needs it */
    hf_limits limits;               /* the connections' own: they outlive the requests */
    hf_env env;
    hf_service service;
    hf_secure_thread *secure; /* the connections' own, too; NULL: no TLS */
    hf_files_cache **files; /* one for each route, NULL where the route has none */
    size_t file_count;
    hf_env *envs;           /* of files whose route has limits of its own; NULL: none has */
    hf_access_buffer *logs; /* those of config->logs, while it is the current one */
    size_t log_count;
    size_t error_files;     /* the first of them with error pages; file_count: none */
    size_t connections;     /* that began with it */
    hf_web_options plain;   /* what they are without TLS */
    char no_memory[HF_TURNED_AWAY];
    hf_web_spares spares;
};

struct hf_worker {
    const hf_env *env;
    hf_io *io;
    hf_tenure *current;  /* the first of those that live */
    hf_timers timers;
    hf_quic_port *quic;  /* NULL: no QUIC client ever comes here */
    hf_worker *const *all; /* the workers of the process, by number */
    uint32_t all_count, number;
    uint64_t quic_refused; /* as of the last look */
    hf_tapes *tapes;     /* NULL: nothing is recorded */
    hf_mailbox *mailbox; /* what other threads tell this one */
    hf_topics_member *topics; /* NULL: there are none */
    hf_access_buffer log;
    hf_counts counts;
    uint64_t answered; /* requests, since count_answered */
    connection *connections, *oldest, *dead;
    hf_address *locals; /* where its connections came in; the first is unknown. Each is kept once, and none is ever dropped */
    size_t local_count;
    size_t count, refusing;
    hf_time now;
    bool draining;
    bool looked;        /* a turn has passed since draining began: what the system had accepted by then was seen */
    hf_time drain_until;
    hf_limit_tally tally; /* of what was said of limits */
    hf_out out;
    hf_extent pieces[PIECES];
    hf_io_event events[EVENTS];
    uint8_t scratch[SCRATCH];
};

/* worker.c: closes it; what it is made of stays until the turn ends. */
void hf_worker_bury(connection *c);

/* Takes it into the list. */
void hf_worker_link(connection *c);
/* The address's place among those known; 0 when memory ends. */
uint16_t hf_worker_note_local(hf_worker *w, const hf_address *at);
/* Is the limit memory_bytes near? A sixteenth is kept back, so that there is room to refuse in. */
bool hf_worker_memory_is_short(const hf_worker *w);
/* Deals with everything the connection has to say; it may be dead then. */
void hf_worker_drive(connection *c);

/* ---- worker_quic.c ------------------------------------------------------------------------------------------ */

/* New clients get what is served now, or nothing. */
void hf_worker_aim_quic(hf_worker *w);
/* A turn of all that came by QUIC. */
void hf_worker_serve_quic(hf_worker *w);

/* ---- worker_room.c ------------------------------------------------------------------------------------------ */

/* Says which limit turned peers away, each at most once in ten seconds. */
void hf_worker_complain(hf_worker *w, hf_err err, const char *what);
/* Closes a connection on which nothing happens, so that another has its descriptor. False: there is none. */
bool hf_worker_close_spare(hf_worker *w);
/* Gives descriptors of files back that nobody asked for lately. */
void hf_worker_shed_files(hf_worker *w);
/* Answers whoever is over a limit, unheard. False: it cannot be said now. */
bool hf_worker_turn_away(connection *c, hf_err why);
/* Closes a connection that was told so, with no place left to wait until its client does. What the client has said is read
 * first, or its system would be told to forget the answer (RFC 9112 9.6). */
void hf_worker_see_off(connection *c);
/* A head is arriving, and nothing was answered yet. */
bool hf_worker_is_beginning(const connection *c);

#endif
