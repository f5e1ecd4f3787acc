/* SPDX-License-Identifier: Apache-2.0
 *
 * The core's inside: what a lane and a connection are, shared by the files of this room.
 */
#ifndef HF_HTTP3_CORE_H
#define HF_HTTP3_CORE_H

#include <handfast/http3.h>

#include "http3_wire.h"
#include "id_table.h"
#include "outlet.h"
#include "priority.h"
#include "qpack.h"
#include "queue.h"
#include "trace.h"

enum {
    HF_HTTP3_EARLY = 8,          /* PRIORITY_UPDATE frames kept for requests that are not there yet (RFC 9218 7.2) */
    HF_HTTP3_SPARE = 32,         /* lanes kept for reuse */
    HF_HTTP3_SPARE_BYTES = 4096, /* and how much memory each may keep */
    HF_HTTP3_QUANTUM = 65536,    /* bytes that a lane sends before others have a turn */
    HF_HTTP3_PATIENCE = 16,      /* turns of a lane that wants to be sent before others of its urgency */
    HF_HTTP3_COURTESY = 8        /* every so many turns, one of the least urgent */
};
#define HF_HTTP3_TRIM_NS HF_MILLISECONDS(200)
#define HF_HTTP3_RATE_GRACE_NS HF_SECONDS(10)

/* What a lane is for. */
typedef enum hf_http3_use {
    HF_USE_EXCHANGE, /* a request and its answer */
    HF_USE_PUSH,     /* an answer that was pushed */
    HF_USE_UNKNOWN,  /* one way, of the peer: its type is awaited */
    HF_USE_PUSH_ID,  /* a push stream: its number is awaited */
    HF_USE_CONTROL,
    HF_USE_ENCODER,
    HF_USE_DECODER
} hf_http3_use;

/* What the next bytes of a lane are. */
typedef enum hf_http3_reading {
    HF_READ_FRAME, /* a frame's header, or the rest of a frame that is eaten whole */
    HF_READ_DATA,
    HF_READ_SKIP
} hf_http3_reading;

/* What becomes of a direction of a lane. */
typedef enum hf_http3_half {
    HF_HALF_OPEN,
    HF_HALF_ENDED,  /* in good order */
    HF_HALF_GIVEN_UP /* by us: what still comes is thrown away; or by the peer */
} hf_http3_half;

/* What the application may still do with an exchange. */
typedef enum hf_http3_phase {
    HF_PHASE_OWED,    /* server: respond, then as below */
    HF_PHASE_SENDING, /* put and end */
    HF_PHASE_ENDED    /* end was called */
} hf_http3_phase;

/* What the application is still to be told about a lane. */
enum { HF_DUE_READABLE = 1, HF_DUE_WRITABLE = 2, HF_DUE_RESET = 4, HF_DUE_REFUSED = 8, HF_DUE_UNPUSHED = 16 };

typedef struct hf_http3_lane hf_http3_lane;
struct hf_http3_lane {
    hf_lane id;
    uint8_t use;     /* hf_http3_use */
    uint8_t reading; /* hf_http3_reading */
    uint8_t place;   /* hf_h3_place */
    uint8_t in, out; /* hf_http3_half */
    uint8_t phase;   /* hf_http3_phase */
    uint8_t due;     /* HF_DUE_... */
    hf_priority priority;
    uint8_t turns;
    uint16_t interims;

    bool nowhere;         /* the peer wants no more of ours: what is put is dropped */
    bool known : 1;       /* the application was told of it, or made it */
    bool listed : 1;      /* among those with something due */
    bool ready : 1;       /* among those with something to send */
    bool held_back : 1;   /* hf_http3_hold */
    bool acting : 1;      /* among those to be aborted */
    bool abort_out : 1;   /* RESET is due to the lane */
    bool abort_in : 1;    /* STOP is */
    bool explicit_priority : 1;
    bool bodiless : 1;    /* no body leaves: HEAD, 204, 304 */
    bool head : 1;        /* the request was HEAD */
    bool connect : 1;     /* the request was CONNECT (2xx makes it a tunnel) */
    bool undeclared : 1;  /* no body is expected: a method that has none, without Content-Length */
    bool discarding : 1;  /* nobody reads what still comes */
    bool put_short : 1;   /* a WRITABLE is owed */
    bool told_end : 1;    /* END was told */
    bool refused : 1;     /* REFUSED was told: nothing more of the request is */
    bool continue_owed : 1; /* the client waits for 100 */
    bool waiting : 1;     /* the peer's next byte is awaited since `since` */
    bool blocked : 1;     /* held back with bytes to send, since `blocked_since` */
    bool starved : 1;     /* its field section waits for entries */
    bool skipped : 1;     /* bytes were thrown away that may have been a field section */

    hf_http3_lane *next, *previous; /* of all */
    hf_http3_lane *next_due, *next_ready, *previous_ready, *next_act;

    /* receiving */
    uint64_t offset;      /* of the next input's first byte, in the lane */
    uint64_t left;        /* of the frame at hand */
    int64_t declared;     /* Content-Length, or -1 */
    uint64_t received;    /* bytes of DATA frames that began */
    size_t shown, taken;  /* of the last BODY */
    uint64_t required;    /* starved: the insertions it waits for */
    uint64_t push;        /* PUSH: its number */
    hf_time since;
    hf_pace pace;         /* server: of the body */
    int64_t waited_ns;
    int32_t why;          /* RESET, REFUSED: hf_err */
    uint64_t code;        /* RESET: what to tell; abort: what to say */
    uint64_t abort_code;

    /* sending */
    int64_t put_left;     /* of the declared length, or -1 */
    uint64_t framed_left; /* body bytes that the last DATA header still covers */
    uint64_t put_bytes;   /* all that was put */
    hf_outlet output;
    hf_time blocked_since;
    int64_t blocked_ns;
};

/* One-way lanes of ours. */
typedef struct hf_http3_own {
    hf_lane lane;
    hf_queue *queue;
    bool held_back;
} hf_http3_own;
enum { HF_OWN_CONTROL, HF_OWN_ENCODER, HF_OWN_DECODER, HF_OWN_COUNT };

/* A leaky bucket: `due` is when it would be empty. */
typedef struct hf_http3_bucket {
    int64_t due_ns;
} hf_http3_bucket;

/* A push by its number, on either side. */
typedef enum hf_http3_push_state {
    HF_PUSH_NONE,
    HF_PUSH_PROMISED,
    HF_PUSH_LANE, /* its stream is there */
    HF_PUSH_CANCELLED
} hf_http3_push_state;
typedef struct hf_http3_promise {
    uint8_t state;
    bool head;
    hf_lane lane;
    uint64_t hash; /* server: of what was pushed. client: of the promised fields */
} hf_http3_promise;

/* A PRIORITY_UPDATE that came before its request. `lane` HF_HTTP3_NO_LANE: none. */
typedef struct hf_http3_early {
    hf_lane lane;
    hf_priority priority;
} hf_http3_early;

typedef enum hf_http3_state { HF_HTTP3_RUNNING, HF_HTTP3_CLOSED, HF_HTTP3_FAULT } hf_http3_state;

struct hf_http3 {
    const hf_env *env;
    uint64_t id;
    hf_time now;
    hf_http3_options options;
    uint8_t state;              /* hf_http3_state */
    bool server : 1;
    bool begun : 1;
    bool settings_received : 1;
    bool ready_due : 1;
    bool goaway_received : 1;
    bool goaway_due : 1;
    bool goaway_sent : 1;       /* the final one */
    bool draining : 1;
    bool out_of_memory : 1;     /* in a command: told by the next step */
    bool peer_connect : 1;      /* SETTINGS_ENABLE_CONNECT_PROTOCOL */

    hf_http3_own own[HF_OWN_COUNT];
    hf_queue control;
    hf_lane peer_lanes[HF_OWN_COUNT]; /* the peer's, HF_HTTP3_NO_LANE until there */

    /* lanes */
    hf_id_table table;
    uint32_t exchanges;    /* lanes of use EXCHANGE or PUSH */
    uint32_t starving;
    hf_http3_lane *all;
    hf_http3_lane *spare;  /* by `next` */
    uint32_t spare_count;
    hf_http3_lane *due_first, *due_last;
    hf_http3_lane *ready[HF_URGENCIES]; /* rings */
    hf_http3_lane *acts, *acts_last;
    uint32_t turn;
    uint32_t short_count;  /* lanes with put_short */
    hf_lane peer_next;     /* server: above the highest request that was taken on */
    uint64_t goaway_at;    /* what our last GOAWAY named */
    uint64_t peer_goaway;  /* what the peer's did */
    uint64_t requests;
    hf_http3_early *early; /* HF_HTTP3_EARLY places; NULL: nothing is kept */
    uint8_t early_next;

    /* pushes */
    hf_http3_promise *promises; /* limit http3_pushes; NULL before the first */
    uint64_t push_allowed;      /* MAX_PUSH_ID + 1: server, of the client; client, ours */
    uint64_t push_next;         /* server */
    uint64_t unpushed;          /* client: to be told, HF_HTTP3_NO_LANE for none */

    /* fields */
    hf_qpack_encoder encoder;
    hf_qpack_decoder decoder;
    hf_field_list list;
    hf_queue scratch;           /* where a section is encoded */
    hf_fault fault;
    uint64_t code;              /* to close with */

    /* output */
    uint64_t copied_bytes;      /* copies, in all lanes' `output` */
    hf_token_list tokens;       /* of pieces that will not leave */

    /* time */
    hf_time opened;
    hf_time since;              /* quiet since */
    hf_time drain_at;
    hf_time lane_wake;          /* no lane's deadline is before this */
    hf_http3_bucket resets, voids;
};

/* ---- http3.c ------------------------------------------------------------------------------------------------ */

/* Ends the connection. `in` and `l` may be NULL. */
hf_step hf_http3_fail(hf_http3 *h, const hf_http3_lane *l, const hf_in *in, hf_http3_flaw flaw);
uint64_t hf_http3_code_of(int32_t err);
/* Keeps evidence and traces it. */
void hf_http3_note(hf_http3 *h, const hf_http3_lane *l, const hf_in *in, hf_http3_flaw flaw);
bool hf_http3_spend(const hf_http3 *h, hf_http3_bucket *b, uint64_t burst, uint64_t rate);
void hf_http3_finish_drain(hf_http3 *h);

/* ---- http3_lane.c ------------------------------------------------------------------------------------------- */

hf_http3_lane *hf_http3_find(const hf_http3 *h, hf_lane id);
/* A new lane. NULL when memory ends. */
hf_http3_lane *hf_http3_add(hf_http3 *h, hf_lane id, hf_http3_use use);
/* Something is to be told. */
void hf_http3_owe(hf_http3 *h, hf_http3_lane *l, unsigned due);
bool hf_http3_tell(hf_http3 *h, hf_http3_event *event);
/* Gives up what is open of the lane, and tells the application if it knows it. */
void hf_http3_reset(hf_http3 *h, hf_http3_lane *l, int32_t err, uint64_t code);
/* Gives up reading alone. */
void hf_http3_stop(hf_http3 *h, hf_http3_lane *l, uint64_t code);
/* Lets the lane go if nobody needs it any more. */
void hf_http3_settle(hf_http3 *h, hf_http3_lane *l);
void hf_http3_drop_output(hf_http3 *h, hf_http3_lane *l);
void hf_http3_return_token(hf_http3 *h, uint64_t token);
void hf_http3_starve(hf_http3 *h, hf_http3_lane *l, bool starved);
typedef void hf_http3_visit(hf_http3 *h, hf_http3_lane *l);
/* Calls for every lane; the visitor may let the lane go. */
void hf_http3_each(hf_http3 *h, hf_http3_visit *visit);
void hf_http3_lanes_fini(hf_http3 *h);
void hf_http3_trim_spare(hf_http3 *h);
static inline bool hf_http3_is_exchange(const hf_http3_lane *l)
{
    return l->use == HF_USE_EXCHANGE || l->use == HF_USE_PUSH;
}

/* ---- http3_clock.c ------------------------------------------------------------------------------------------ */

void hf_http3_touch(hf_http3 *h, const hf_http3_lane *l);
/* Bytes of the lane came. */
void hf_http3_progress(hf_http3 *h, hf_http3_lane *l);
/* The peer's next bytes are awaited from now on, if there can be any and the application has all there are. */
void hf_http3_await(hf_http3 *h, hf_http3_lane *l);
void hf_http3_block(hf_http3 *h, hf_http3_lane *l);
/* Acts on what is late. True: *answer is the step's. */
bool hf_http3_check_clock(hf_http3 *h, hf_step *answer);

/* ---- http3_read.c, http3_control.c, http3_head.c, http3_push.c ----------------------------------------------- */

/* One frame, or a part of one. False: nothing to answer yet, another turn is due. */
bool hf_http3_read_turn(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_http3_event *event, hf_step *answer);
/* A frame that carries nothing. False: one too many; then *answer. */
bool hf_http3_tolerate(hf_http3 *h, const hf_http3_lane *l, const hf_in *in, const uint8_t *at, hf_step *answer);
/* A stream error: the exchange is given up; false when that makes the connection fail: then *answer. */
bool hf_http3_stream_error(hf_http3 *h, hf_http3_lane *l, const hf_in *in, hf_http3_flaw flaw, hf_step *answer);
/* A request that is answered without being handed on (again). As read_turn. */
bool hf_http3_refuse(hf_http3 *h, hf_http3_lane *l, const hf_in *in, hf_http3_flaw flaw, hf_http3_event *event,
                     hf_step *answer);
/* A whole frame of the control stream. */
bool hf_http3_read_control(hf_http3 *h, hf_http3_lane *l, hf_in *in, const hf_h3_frame *f, hf_bytes payload,
                           hf_step *answer);
/* A field section. *waits: it is BLOCKED, and to be read again. As read_turn. */
bool hf_http3_read_section(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_bytes section, bool *waits, hf_http3_event *event,
                           hf_step *answer);
typedef enum hf_http3_decoded { HF_DECODED, HF_DECODE_WAITS, HF_DECODE_FAILED } hf_http3_decoded;
hf_http3_decoded hf_http3_decode(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_bytes section, hf_step *answer);
extern const hf_message_rules hf_http3_rules;
bool hf_http3_read_promise(hf_http3 *h, hf_http3_lane *l, hf_in *in, hf_bytes payload, bool *waits, hf_http3_event *event,
                           hf_step *answer);
/* The number of a push stream is there. */
bool hf_http3_begin_push(hf_http3 *h, hf_http3_lane *l, hf_in *in, uint64_t push, const uint8_t *at, hf_step *answer);
bool hf_http3_read_cancel_push(hf_http3 *h, hf_http3_lane *l, hf_in *in, uint64_t push, const uint8_t *at,
                               hf_step *answer);
hf_http3_promise *hf_http3_promise_of(hf_http3 *h, uint64_t push);

/* ---- http3_write.c ------------------------------------------------------------------------------------------ */

/* A frame of one integer on the control lane. */
bool hf_http3_say(hf_http3 *h, uint64_t type, uint64_t value);
bool hf_http3_say_settings(hf_http3 *h);
/* Encodes a section for the lane into a frame at the end of its output; PUSH_PROMISE has its number in front. */
typedef struct hf_http3_section {
    hf_writer w;
    hf_lane lane;
    size_t most;
} hf_http3_section;
bool hf_http3_open_section(hf_http3 *h, hf_lane lane, size_t most, hf_http3_section *s);
bool hf_http3_close_section(hf_http3 *h, hf_http3_lane *l, hf_http3_section *s, uint64_t type, uint64_t push);
size_t hf_http3_request_most(const hf_message_request_out *o);
void hf_http3_write_request(hf_http3 *h, hf_writer *w, const hf_message_request_out *o);
uint64_t hf_http3_copied_room(const hf_http3 *h, const hf_http3_lane *l);
size_t hf_http3_piece_room(const hf_http3 *h, const hf_http3_lane *l);

/* ---- http3_emit.c ------------------------------------------------------------------------------------------- */

/* Puts the lane among the ready ones, or takes it out, as its output says. */
void hf_http3_schedule(hf_http3 *h, hf_http3_lane *l);
void hf_http3_unschedule(hf_http3 *h, hf_http3_lane *l);
void hf_http3_set_priority(hf_http3 *h, hf_http3_lane *l, hf_priority priority);
/* What waits on our one-way lanes. */
size_t hf_http3_own_waiting(const hf_http3 *h);
static inline bool hf_http3_wants_to_end(const hf_http3_lane *l)
{
    return l->phase == HF_PHASE_ENDED && l->out == HF_HALF_OPEN;
}

#endif
