/* SPDX-License-Identifier: Apache-2.0
 *
 * The core's inside, shared by http1.c (life, time, step), http1_head.c (what a head means), http1_read.c (bytes in) and
 * http1_write.c (bytes out). An idle connection is this struct and nothing else.
 */
#ifndef HF_HTTP1_CORE_H
#define HF_HTTP1_CORE_H

#include <handfast/http1.h>

#include "http1_body.h"
#include "http1_state.h"
#include "queue.h"
#include "trace.h"

enum {
    HF_HTTP1_PIPELINE = 16,          /* client: requests on their way */
    HF_HTTP1_BLANK_LINES = 4,        /* empty lines skipped before a request line */
    HF_HTTP1_DISCARD_BYTES = 65536,  /* of an unread body, swallowed to keep the connection */
    HF_HTTP1_START_EXTRA = 64,       /* a start line may be this much longer than its target: method, spaces, version */
    HF_HTTP1_FRAMING_BYTES = 24,     /* around a chunk: its size, two CRLF */
};
#define HF_HTTP1_TRIM_NS HF_MILLISECONDS(200) /* quiet for so long: memory is given back */
#define HF_HTTP1_RATE_GRACE_NS HF_SECONDS(10)

/* A LENT or FILE extent in the output, and how many copied bytes leave between the one before it and this one. */
typedef struct hf_http1_piece {
    uint64_t before;
    hf_extent extent;
} hf_http1_piece;

/* What a client must know of a request until its answer is there (RFC 9112 6.3). */
enum { HF_SENT_HEAD = 1, HF_SENT_CONNECT = 2, HF_SENT_UPGRADE = 4 };

/* A head that was said, whole, and what it meant: `head` leads into `more`, where its fields are, and behind them its bytes. */
typedef struct hf_http1_memo {
    hf_request_head head;
    hf_bytes said;    /* empty: none yet */
    size_t capacity;  /* of `more` */
    uint8_t vain;     /* so often one was kept since one was recalled */
    uint8_t host_length, host[62]; /* a Host that was found good. A longer one is judged each time */
    _Alignas(8) uint8_t more[];
} hf_http1_memo;

struct hf_http1 {
    const hf_env *env;
    uint64_t id;
    hf_time now;   /* of the last step or emit */
    hf_time since; /* the deadline of the reading state counts from here */

    /* reading */
    uint64_t offset; /* in the stream, of the first byte of the next input */
    uint64_t left;   /* bytes of the body or chunk to come */
    uint64_t body_bytes; /* of the message being read */
    hf_field *fields;
    hf_http1_memo *memo; /* server: of a head that may be said again, made when one was parsed. NULL: none was, or there was no memory */
    const hf_fault *fault; /* NULL: none. Else allocated, or the static one for memory */
    int64_t waited_ns;     /* how long the peer let us wait for this body, all pauses added */
    uint32_t line, seen;   /* of an unfinished section: start of the unfinished line, bytes searched for its end */
    uint32_t lent, taken;  /* of the last BODY event */
    uint32_t discard_left;
    uint32_t requests; /* heads read (server) */
    uint16_t field_count, field_capacity;
    union {
        hf_pace pace;                    /* server: of this body */
        uint8_t sent[HF_HTTP1_PIPELINE]; /* client: what was asked, oldest first */
    };

    /* writing */
    uint64_t put_left;   /* LENGTH: what is still owed */
    uint64_t sent_bytes; /* of the message being written */
    hf_queue copied;
    uint64_t tail;       /* copied bytes behind the last piece */
    hf_http1_piece *pieces;
    uint16_t piece_first, piece_count, piece_capacity; /* count: end of the used part */

    uint8_t reading, writing; /* hf_http1_read, hf_http1_write */
    uint8_t blanks;           /* empty lines skipped, or interim responses read */
    uint8_t outstanding;      /* client: requests without their final answer */

    bool server : 1;
    bool resumed : 1;     /* the section was cut: its fields are to be parsed again */
    bool waiting : 1;     /* a body's next byte is awaited since `since` */
    bool discarding : 1;  /* the answer is over: the rest of the request's body is swallowed */
    bool closing : 1;     /* no exchange follows this one */
    bool abandoned : 1;   /* the rest of the request is not worth reading */
    bool draining : 1;
    bool expecting : 1;   /* the client waits for 100 (Continue) */
    bool keep_alive : 1;  /* by the request's own words */
    bool bodiless : 1;    /* the request is HEAD */
    bool connect : 1;     /* the request is CONNECT */
    bool upgradable : 1;  /* the request offers an upgrade */
    bool version_1_0 : 1; /* the peer, by its last head (or unknown: then spoken to as to 1.0) */
    bool raw : 1;         /* client: the answer ended HTTP */
    bool merges : 1;      /* server: REQUEST tells the END of a request without a body */
    bool final : 1;       /* server: closed behind a request that said so and was read whole */
};

static inline hf_fields hf_http1_fields_of(const hf_http1 *h)
{
    return (hf_fields){ h->fields, h->field_count };
}
static inline bool hf_http1_output_empty(const hf_http1 *h)
{
    return h->copied.head == h->copied.tail && h->piece_first == h->piece_count;
}

/* An illegal move is our own fault. Inline, for a request makes seven of them, each a constant of the code. */
static inline void hf_http1_move_reading(hf_http1 *h, hf_http1_read_move move)
{
    const hf_http1_read to = hf_http1_read_after((hf_http1_read)h->reading, move);
    HF_ASSERT(to != HF_READ_NOWHERE);
    hf_trace(h->env, h->now, h->id, HF_TRACE_HTTP1_STATE, h->reading, to);
    h->reading = (uint8_t)to;
    h->waiting = false;
}
static inline void hf_http1_move_writing(hf_http1 *h, hf_http1_write_move move)
{
    const hf_http1_write to = hf_http1_write_after((hf_http1_write)h->writing, move);
    HF_ASSERT(to != HF_WRITE_NOWHERE);
    h->writing = (uint8_t)to;
}

/* http1.c */
/* Breaks the connection: REFUSED while the request can still be answered, else HF_FAULT. `in` may be NULL: a fault that
 * no byte of the input shows. */
hf_step hf_http1_refuse(hf_http1 *h, const hf_in *in, hf_http1_flaw flaw, hf_http1_event *event);
hf_step hf_http1_close(hf_http1 *h);
/* The fault is that no request came, or none at all: for who closes the connection, and says why. */
void hf_http1_note_silence(hf_http1 *h, bool first);
/* How long a body may still be awaited, from h->since. */
int64_t hf_http1_body_patience_ns(const hf_http1 *h);

/* http1_head.c: fills the event from a head whose fields are parsed, and moves on. False: the flaw says why not. */
bool hf_http1_accept_request(hf_http1 *h, const hf_http1_start *start, hf_http1_event *event, hf_http1_flaw *flaw);
/* The same of a request that is known to be good. */
void hf_http1_admit_request(hf_http1 *h, hf_http1_event *event);
bool hf_http1_accept_response(hf_http1 *h, const hf_http1_start *start, hf_http1_event *event, hf_http1_flaw *flaw);

/* http1_memo.c: is what lies at `at` a head that was said before? Then *head is what it meant. There is a memo. */
bool hf_http1_recall(hf_http1 *h, const uint8_t *at, size_t there, hf_request_head *head);
/* A head was parsed and found good: it is kept, if it may be said again. */
void hf_http1_remember(hf_http1 *h, hf_bytes said, const hf_request_head *head);
void hf_http1_forget(hf_http1 *h);

/* http1_read.c: one step in the reading state; false: the state changed and another turn is due. */
bool hf_http1_read_turn(hf_http1 *h, hf_in *in, hf_http1_event *event, hf_step *answer);
/* Accounts for what was taken of the last BODY event; false: nothing was. */
bool hf_http1_settle(hf_http1 *h, hf_in *in);

/* http1_write.c */
void hf_http1_trim(hf_http1 *h);

#endif
