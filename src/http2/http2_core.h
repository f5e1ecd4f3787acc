/* SPDX-License-Identifier: Apache-2.0
 *
 * The core's inside: what a stream and a connection are, shared by the files of this room.
 */
#ifndef HF_HTTP2_CORE_H
#define HF_HTTP2_CORE_H

#include <handfast/http2.h>

#include "hpack.h"
#include "http2_state.h"
#include "id_table.h"
#include "outlet.h"
#include "queue.h"
#include "trace.h"

enum {
    HF_HTTP2_WINDOW = 65535,     /* RFC 9113 6.9.2: every window's first size */
    HF_HTTP2_FORGOTTEN = 64,     /* streams that we reset and still know about */
    HF_HTTP2_EARLY = 8,          /* PRIORITY_UPDATE frames kept for streams that are not there yet (RFC 9218 7) */
    HF_HTTP2_SPARE = 32,         /* streams kept for reuse */
    HF_HTTP2_LINES = 24,         /* fields in the ready-made lines of an answer */
    HF_HTTP2_SHORT = 2048,       /* a body that may leave right behind its head */
    HF_HTTP2_SHORT_MOST = 16384, /* bytes waiting before it, beyond which it takes its turn */
    HF_HTTP2_SPARE_BYTES = 4096, /* and how much memory each may keep */
    HF_HTTP2_QUANTUM = 16,       /* frames that a stream which wants to go first sends before others have a turn */
    HF_HTTP2_COURTESY = 8        /* every so many frames, one of the least urgent */
};
#define HF_HTTP2_TRIM_NS HF_MILLISECONDS(200)
#define HF_HTTP2_RATE_GRACE_NS HF_SECONDS(10)
#define HF_HTTP2_DRAIN_NS HF_SECONDS(1) /* the second GOAWAY follows at the latest after this */
#define HF_HTTP2_NO_DEADLINE HF_NEVER_NS

/* What the application may still do with a stream. */
typedef enum hf_http2_phase {
    HF_PHASE_OWED,    /* server: respond, then as below */
    HF_PHASE_SENDING, /* put and end */
    HF_PHASE_ENDED    /* end was called */
} hf_http2_phase;

/* What the application is still to be told about a stream, in this order. */
enum {
    HF_DUE_BODY = 1,
    HF_DUE_TRAILERS = 2,
    HF_DUE_END = 4,
    HF_DUE_WRITABLE = 8,
    HF_DUE_RESET = 16,
    HF_DUE_REFUSED = 32
};

typedef struct hf_http2_exchange hf_http2_exchange;
struct hf_http2_exchange {
    uint32_t id;
    uint8_t state; /* hf_stream_state */
    uint8_t phase; /* hf_http2_phase */
    uint8_t due;   /* HF_DUE_... */
    hf_priority priority;
    uint8_t turns; /* frames sent since others had one */

    bool ours : 1;        /* we opened it */
    bool listed : 1;      /* among those with something due */
    bool ready : 1;       /* among those with something to send */
    bool dirty : 1;       /* its receive window may be worth an update */
    bool explicit_priority : 1;
    bool bodiless : 1;    /* no body leaves: HEAD, 204, 304 */
    bool head : 1;        /* the request was HEAD */
    bool connect : 1;     /* the request was CONNECT (2xx makes it a tunnel) */
    bool promised : 1;    /* a push */
    bool responded : 1;   /* a final head was received (client) */
    bool discarding : 1;  /* nobody reads what still comes */
    bool put_short : 1;   /* a WRITABLE is owed */
    bool end_sent : 1;    /* END_STREAM left or is queued */
    bool told_end : 1;    /* END was told */
    bool refused : 1;     /* REFUSED was told: nothing more of the request is */
    bool continue_owed : 1; /* the client waits for 100 */
    bool waiting : 1;     /* the peer's next byte is awaited since `since` */
    bool blocked : 1;     /* the peer's window has been closed since `blocked_since` */
    bool stopping : 1;    /* the answer is whole: RST_STREAM(NO_ERROR) as soon as it has left */

    hf_http2_exchange *next, *previous; /* of all */
    hf_http2_exchange *next_due, *next_ready, *previous_ready, *next_dirty;

    /* receiving */
    int64_t declared;     /* Content-Length, or -1 */
    uint64_t received;    /* bytes of DATA */
    int64_t recv_window;  /* what the peer may still send */
    uint32_t recv_size;   /* the window when it is open */
    uint32_t consumed;    /* taken and not given back to the peer yet */
    hf_time window_at;    /* of the last update */
    hf_queue held;        /* bytes that nobody took in time */
    hf_field *trailers;   /* kept while the body is held; text and fields in one block */
    size_t trailers_bytes;
    uint32_t trailers_count;
    hf_time since;
    hf_pace pace;         /* server: of the body */
    int64_t waited_ns;
    int32_t why;          /* RESET, REFUSED: hf_err */
    uint32_t code;        /* RESET: hf_http2_code */

    /* sending */
    int64_t send_window;
    int64_t put_left;     /* of the declared length, or -1 */
    uint64_t put_bytes;   /* all that was put */
    uint64_t head_at;     /* of the flags of the last HEADERS in the control queue + 1; 0: none */
    hf_outlet output;
    hf_field *end_fields; /* trailers to send, once the body has left */
    size_t end_bytes;
    uint32_t end_count;
    hf_time blocked_since;
    int64_t blocked_ns;
};

/* What the next bytes of the input are. */
typedef enum hf_http2_reading {
    HF_READING_PREFACE,  /* server: the client's 24 bytes */
    HF_READING_SETTINGS, /* the first frame */
    HF_READING_FRAME,    /* a frame's header, or the rest of a frame that is eaten whole */
    HF_READING_DATA,     /* the content of a DATA frame */
    HF_READING_SKIP,     /* bytes that nobody wants */
    HF_READING_CLOSED,
    HF_READING_FAULT
} hf_http2_reading;

/* What to do with a header block when it is whole. */
typedef enum hf_http2_purpose {
    HF_BLOCK_NONE,
    HF_BLOCK_REQUEST, /* opens a stream */
    HF_BLOCK_MESSAGE, /* a response, or trailers */
    HF_BLOCK_PROMISE,
    HF_BLOCK_DISCARD, /* decoded for the table's sake */
    HF_BLOCK_REFUSE   /* likewise, then the stream is reset with block_error */
} hf_http2_purpose;

/* A leaky bucket: `due` is when it would be empty. */
typedef struct hf_http2_bucket {
    int64_t due_ns;
} hf_http2_bucket;

typedef struct hf_http2_early {
    uint32_t stream;
    hf_priority priority;
} hf_http2_early;

typedef struct hf_http2_memo hf_http2_memo;

struct hf_http2 {
    const hf_env *env;
    uint64_t id;
    hf_time now;
    hf_http2_options options;
    bool server : 1;
    bool settings_acked : 1;    /* ours, by the peer */
    bool settings_received : 1; /* the first of the peer */
    bool ready_due : 1;
    bool goaway_received : 1;
    bool goaway_due : 1;     /* to be told */
    bool goaway_sent : 1;    /* the final one: streams above goaway_last are not acted upon */
    bool draining : 1;
    bool drain_ping : 1;     /* the PING between the two GOAWAY frames is on its way */
    bool user_ping : 1;
    bool pong_due : 1;
    bool slot_due : 1;       /* client: a request was turned away, and a stream has ended since */
    bool slot_wanted : 1;
    bool fin_seen : 1;
    bool out_of_memory : 1;  /* in a command: told by the next step */
    bool blocked : 1;        /* bytes wait for the connection's window */
    bool peer_push : 1;      /* SETTINGS_ENABLE_PUSH */
    bool peer_connect : 1;   /* SETTINGS_ENABLE_CONNECT_PROTOCOL */
    bool partial : 1;        /* a frame or block has begun at `since_frame` */

    /* reading */
    uint8_t reading;     /* hf_http2_reading */
    uint64_t offset;     /* in the stream, of the next input's first byte */
    hf_frame frame;      /* DATA */
    uint32_t left;       /* of its content, or of what is skipped */
    uint8_t padding;     /* behind it */
    uint32_t lent, taken;   /* of the last BODY event that lends from the input */
    uint32_t lent_stream;
    uint8_t *lent_at;
    uint8_t block_purpose;
    uint8_t block_flags;
    uint16_t block_frames;
    uint32_t block_stream, block_promised;
    int32_t block_error;
    hf_queue block;
    hf_hpack_decoder decoder;
    hf_field_list list;
    hf_http2_memo *memo; /* NULL: nothing is remembered */
    hf_fault fault;

    /* streams */
    hf_id_table table;
    uint32_t peer_open, own_open;
    uint32_t last_peer, next_own;
    hf_http2_exchange *all;
    hf_http2_exchange *spare; /* by `next` */
    uint32_t spare_count;
    hf_http2_exchange *due_first, *due_last;
    hf_http2_exchange *ready[HF_URGENCIES]; /* rings */
    hf_http2_exchange *dirty;
    uint32_t *forgotten; /* HF_HTTP2_FORGOTTEN, a ring; NULL before the first */
    uint32_t forgotten_next;
    hf_http2_early early[HF_HTTP2_EARLY];
    uint8_t early_next;
    bool early_kept;      /* there may be some */
    uint32_t short_count; /* streams with put_short */
    uint64_t *pushed; /* hashes of what was pushed */
    uint32_t pushed_count, pushed_open;
    uint32_t requests;
    uint32_t goaway_last;
    uint32_t peer_last; /* of the peer's GOAWAY */
    uint32_t peer_code;

    /* windows */
    int64_t recv_window;
    uint32_t recv_size, consumed;
    hf_time window_at;
    int64_t send_window;
    uint32_t peer_window, peer_frame, peer_streams, peer_list;
    int64_t round_trip_ns;
    uint64_t held_bytes; /* in all streams' `held` */
    hf_time blocked_since;
    int64_t blocked_ns;
    uint64_t data_sent;

    /* writing */
    hf_hpack_encoder encoder;
    hf_queue control;      /* every frame but DATA, in order; and short bodies behind their heads */
    uint64_t control_in, control_out; /* bytes ever appended and taken */
    uint64_t copied_bytes; /* copies, in all streams' `output` */
    hf_token_list tokens;  /* of pieces that will not leave */
    uint32_t turn;

    /* time */
    hf_time since;        /* the connection is quiet since */
    hf_time since_frame;
    hf_time settings_at, ping_at, drain_at;
    hf_time stream_wake;  /* no stream's deadline is before this */
    hf_http2_bucket resets, controls, voids;
};

/* ---- http2.c: faults, guards, time -------------------------------------------------------------------------- */

/* Ends the connection with GOAWAY. `in` may be NULL. */
hf_step hf_http2_fail(hf_http2 *h, const hf_in *in, hf_http2_flaw flaw);
/* What RFC 9113 calls this error. */
hf_http2_code hf_http2_code_of(int32_t err);
/* Takes one from a bucket; false when it was empty. */
bool hf_http2_spend(const hf_http2 *h, hf_http2_bucket *b, uint64_t burst, uint64_t rate);
void hf_http2_earn(hf_http2_bucket *b, uint64_t rate, unsigned n);
/* Keeps evidence for REFUSED and traces it. */
void hf_http2_note(hf_http2 *h, const hf_in *in, hf_http2_flaw flaw);

/* ---- http2_memo.c: a request that is made again ------------------------------------------------------------- */

/* The bytes that made the last request, when no other block came between and nothing of it was lost: the list holds its fields. */
bool hf_http2_is_said_again(const hf_http2 *h, hf_bytes block);
/* The request that they make. */
const hf_request_head *hf_http2_said(const hf_http2 *h);
/* Before any other block is decoded: the list will hold other fields. */
void hf_http2_listen_anew(hf_http2 *h);
/* A request that ends with this block and has no body, as it was understood. */
void hf_http2_remember(hf_http2 *h, hf_bytes block, const hf_request_head *head);
/* With the list's memory. */
void hf_http2_memo_free(hf_http2 *h);

/* ---- http2_stream.c ----------------------------------------------------------------------------------------- */

hf_http2_exchange *hf_http2_find(const hf_http2 *h, uint32_t id);
/* The state of any stream number, whether we still have the stream or not. */
hf_stream_state hf_http2_state_of(const hf_http2 *h, uint32_t id, const hf_http2_exchange *s);
/* A new stream, IDLE. NULL when memory ends. */
hf_http2_exchange *hf_http2_open(hf_http2 *h, uint32_t id, bool ours);
void hf_http2_move(hf_http2 *h, hf_http2_exchange *s, hf_stream_move move);
/* Something is to be told. */
void hf_http2_owe(hf_http2 *h, hf_http2_exchange *s, unsigned due);
/* Resets the stream from our side, and tells the application if it knows the stream. */
void hf_http2_reset(hf_http2 *h, hf_http2_exchange *s, int32_t err, uint32_t code);
/* The same for a number without a stream. */
void hf_http2_reset_id(hf_http2 *h, uint32_t id, uint32_t code);
/* The peer reset it, or it will never be answered. */
void hf_http2_lose(hf_http2 *h, hf_http2_exchange *s, int32_t err, uint32_t code);
/* Lets the stream go if nobody needs it any more. */
void hf_http2_settle(hf_http2 *h, hf_http2_exchange *s);
/* Is the number still the application's? */
bool hf_http2_is_known(const hf_http2 *h, const hf_http2_exchange *s);
/* Tells what is due. False: nothing is. */
bool hf_http2_tell(hf_http2 *h, hf_http2_event *event);
static inline bool hf_http2_remote_open(const hf_http2_exchange *s)
{
    return s->state == HF_STREAM_OPEN || s->state == HF_STREAM_HALF_LOCAL;
}
static inline bool hf_http2_local_open(const hf_http2_exchange *s)
{
    return s->state == HF_STREAM_OPEN || s->state == HF_STREAM_HALF_REMOTE;
}
/* Drops what waits to be sent; tokens leave with the next emit. */
void hf_http2_drop_output(hf_http2 *h, hf_http2_exchange *s);
/* The piece will not leave: its token does, with the next emit. */
void hf_http2_return_token(hf_http2 *h, uint64_t token);
/* Nobody will take what the stream holds. */
void hf_http2_drop_held(hf_http2 *h, hf_http2_exchange *s);
/* Gives back bytes that were consumed: of a stream (may be NULL) and of the connection. */
void hf_http2_consume(hf_http2 *h, hf_http2_exchange *s, uint32_t n);
/* A copy of fields in one block. False when memory ends. */
bool hf_http2_copy_fields(const hf_allocator *alloc, hf_fields fields, hf_field **out, size_t *bytes);
void hf_http2_streams_fini(hf_http2 *h);
void hf_http2_trim_spare(hf_http2 *h);
typedef void hf_http2_visit(hf_http2 *h, hf_http2_exchange *s);
/* Calls for every stream; the visitor may let the stream go. */
void hf_http2_each(hf_http2 *h, hf_http2_visit *visit);

/* ---- http2_clock.c ------------------------------------------------------------------------------------------ */

/* The stream's next deadline may have come nearer. */
void hf_http2_touch(hf_http2 *h, const hf_http2_exchange *s);
/* Bytes of the stream came. */
void hf_http2_progress(hf_http2 *h, hf_http2_exchange *s);
/* The peer's next bytes are awaited from now on, if there can be any and the application has all there are. */
void hf_http2_await(hf_http2 *h, hf_http2_exchange *s);
/* The peer's window for the stream closed, or opened. */
void hf_http2_block(hf_http2 *h, hf_http2_exchange *s, bool blocked);
void hf_http2_block_all(hf_http2 *h, bool blocked);
/* Acts on what is late. True: *answer is the step's. */
bool hf_http2_check_clock(hf_http2 *h, hf_step *answer);
bool hf_http2_is_at_rest(const hf_http2 *h);

/* ---- http2_read.c, http2_head.c ----------------------------------------------------------------------------- */

/* One frame, or a part of one. False: nothing to answer yet, another turn is due. */
bool hf_http2_read_turn(hf_http2 *h, hf_in *in, hf_http2_event *event, hf_step *answer);
/* Accounts for the last BODY event: what was not taken is copied. False: no memory. */
bool hf_http2_account(hf_http2 *h, hf_in *in);
/* A header block is whole. As read_turn. */
bool hf_http2_end_block(hf_http2 *h, hf_in *in, hf_bytes block, hf_http2_event *event, hf_step *answer);
/* The peer has ended the stream: checks the length. False: it was reset, or *failed. */
bool hf_http2_end_of_message(hf_http2 *h, hf_in *in, hf_http2_exchange *s, bool *failed);
/* A stream error; false when that makes the connection fail: then *answer. */
bool hf_http2_stream_error(hf_http2 *h, const hf_in *in, uint32_t id, hf_http2_exchange *s, hf_http2_flaw flaw,
                           hf_step *answer);

/* ---- http2_write.c ------------------------------------------------------------------------------------------ */

/* Appends a frame to the control queue: `payload` may be empty. False when memory ends. */
bool hf_http2_send(hf_http2 *h, unsigned type, unsigned flags, uint32_t stream, hf_bytes payload);
bool hf_http2_send_u32(hf_http2 *h, unsigned type, uint32_t stream, uint32_t value);
bool hf_http2_send_goaway(hf_http2 *h, uint32_t last, hf_http2_code code, hf_bytes text);
bool hf_http2_send_settings(hf_http2 *h);
/* Encodes a HEADERS frame with these fields and END_STREAM. */
bool hf_http2_send_trailers(hf_http2 *h, hf_http2_exchange *s, hf_fields fields);
/* Bytes that put would copy for this stream now. */
uint64_t hf_http2_copied_room(const hf_http2 *h, const hf_http2_exchange *s);
size_t hf_http2_piece_room(const hf_http2 *h, const hf_http2_exchange *s);
/* END_STREAM was queued: the sending half is over. */
void hf_http2_sent_end(hf_http2 *h, hf_http2_exchange *s);
/* The final GOAWAY of a drain. */
void hf_http2_finish_drain(hf_http2 *h);

/* ---- http2_emit.c ------------------------------------------------------------------------------------------- */

/* So many bytes of body leave in a frame: the windows shrink. */
void hf_http2_charge(hf_http2 *h, hf_http2_exchange *s, uint64_t sent);
/* Puts the stream among the ready ones, or takes it out, as its output and windows say. */
void hf_http2_schedule(hf_http2 *h, hf_http2_exchange *s);
void hf_http2_unschedule(hf_http2 *h, hf_http2_exchange *s);
void hf_http2_set_priority(hf_http2 *h, hf_http2_exchange *s, hf_priority priority);
static inline bool hf_http2_output_empty(const hf_http2 *h)
{
    return h->control.head == h->control.tail && !hf_tokens_wait(&h->tokens);
}

#endif
