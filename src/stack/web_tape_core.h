/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a connection's tape, shared by web_tape.c (recorded), web_tape_play.c and web_tape_blank.c.
 */
#ifndef HF_STACK_WEB_TAPE_CORE_H
#define HF_STACK_WEB_TAPE_CORE_H

#include "queue.h"
#include "web_tape.h"

/* A byte that says which, then numbers as LEB128 and texts with their length. */
typedef enum tape_entry {
    TAPE_BEGIN = 1, TAPE_STEP, TAPE_STEPPED,
    TAPE_EVENT, TAPE_PEEK, TAPE_PUT, TAPE_END, TAPE_UNSENT, TAPE_UNTAKEN,    /* what the core asked of its pier */
    TAPE_TWO,                                                                /* ... of TLS */
    TAPE_REFUSED,                                                            /* ... of memory */
    TAPE_DO_TAKE, TAPE_DO_RESPOND, TAPE_DO_PUT, TAPE_DO_END, TAPE_DO_CANCEL, /* commands */
    TAPE_DO_PRIORITISE, TAPE_DO_TURN_AWAY, TAPE_DO_DRAIN, TAPE_DO_ABORT, TAPE_DO_PUSH,
    TAPE_LANE_EVENT, TAPE_LANE_PEEK, TAPE_LANE_PUT, TAPE_LANE_OPEN, TAPE_LANE_END, TAPE_FACT, /* what HTTP/3 asked of QUIC */
    TAPE_DO_PACE
} tape_entry;

/* Where bytes of the request stream are on the tape. */
typedef struct tape_chunk {
    uint64_t stream;
    size_t at, length;
} tape_chunk;

/* Of HTTP/1. TAPE_WHOLE: a head that is the whole request. TAPE_COMPLETE: here a request ends, and the next begins. */
typedef enum tape_mark_kind { TAPE_NOTHING, TAPE_HEAD, TAPE_WHOLE, TAPE_CONTENT, TAPE_COMPLETE } tape_mark_kind;

/* What bytes of the stream are, in its order. */
typedef struct tape_mark {
    tape_mark_kind kind;
    uint64_t begin, end;
} tape_mark;

/* What may be taken of an exchange: a command that takes more is not ours. */
enum { TAPE_LENT = 256, TAPE_ZEROS = 7, TAPE_ZEROS_LEAST = 64 << 10 };
typedef struct tape_lent {
    hf_exchange exchange;
    size_t length;
} tape_lent;

/* HTTP/3: a lane with bytes that the core has seen and not eaten: so many are on the tape; played, they are `in`. */
typedef struct tape_lane {
    hf_lane lane;
    size_t known;
    hf_queue in;
} tape_lane;

struct hf_web_tape {
    const hf_env *below; /* the recorder's */
    hf_env env;          /* what the connection has */
    hf_trace_hash hash;
    uint64_t hash_at_end; /* of what lies on the tape, where it ended before the connection did */
    uint64_t allocations;
    uint8_t *bytes;
    size_t length, capacity, most;
    hf_time last;
    bool plays, secured, full, ended, inside;
    const char *flaw;
    hf_err verdict;
    hf_version version;
    hf_pier inner;
    hf_pier_ops ops;
    /* recorded: what the core was lent */
    const uint8_t *held;
    size_t held_length;
    uint64_t base;  /* of held[0], in the stream */
    uint64_t known; /* of the stream is on the tape */
    tape_chunk *chunks;
    size_t chunk_count, chunk_capacity;
    tape_mark *marks;
    size_t mark_count, mark_capacity;
    uint64_t late; /* marks that were to be made when it was full already */
    tape_chunk *values; /* of answers' fields that sound secret */
    size_t value_count, value_capacity;
    tape_mark_kind pending; /* its end is where the core has eaten to when it comes back */
    uint64_t pending_from;
    tape_lane *lanes; /* recorded, and played */
    size_t lane_count, lane_capacity;
    /* played */
    bool laned, opened; /* HTTP/3; the core is there, or with TLS the version chosen */
    size_t at, failed_at;
    hf_queue in;
    uint8_t *zeros[TAPE_ZEROS]; /* of 64 KiB, 128 KiB, ...: what answers' content was is not on a tape, only its length counts */
    tape_lent lent[TAPE_LENT]; /* more than a core has open at once */
};

/* Is it a field whose value may let somebody in, or say where somebody was? */
bool tape_sounds_secret(hf_bytes name);

/* True: its values follow, if it is not full. */
bool tape_begin(hf_web_tape *t, tape_entry kind);
void tape_write(hf_web_tape *t, uint64_t value);
void tape_write_bytes(hf_web_tape *t, hf_bytes b);
/* Here it ends: what follows is not on it. */
void tape_fill(hf_web_tape *t);
uint64_t tape_read(hf_web_tape *t);
/* Lends from the tape. */
hf_bytes tape_read_bytes(hf_web_tape *t);
/* The next entry is of this kind, and its values follow. */
bool tape_expect(hf_web_tape *t, tape_entry kind);
void tape_differ(hf_web_tape *t, const char *why);

/* web_tape_lanes.c */
void tape_leave_lanes(hf_web_tape *t);

#endif
