/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/eventstream.h - server-sent events: text/event-stream as the WHATWG HTML standard has it (9.2.5, 9.2.6).
 *
 * Three things that do not know one another: events as text; a parser that takes the text in any slices; and a ring of
 * past events, from which a client that comes back with Last-Event-ID is told what it missed.
 */
#ifndef HANDFAST_EVENTSTREAM_H
#define HANDFAST_EVENTSTREAM_H

#include "http.h"
#include "pier.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Text is UTF-8. What a parsed event points to is lent until the next step. */
typedef struct hf_eventstream_event {
    hf_bytes id;   /* writing: ptr NULL writes none. parsed: the last id of the stream, which outlives its event */
    hf_bytes name; /* empty: "message" */
    hf_bytes data; /* lines end with LF, CR or CRLF; parsed: LF. Writing: ptr NULL writes none, and makes no event */
    int64_t retry_ms; /* 0: none */
} hf_eventstream_event;

/* ---- writing ------------------------------------------------------------------------------------------------ */

/* The length of the event as text; written to `to` if it fits in `room`. 0: the id or name has a CR, LF or NUL. */
HF_API size_t hf_eventstream_write(uint8_t *to, size_t room, const hf_eventstream_event *event);
/* A comment: a sign of life that no application sees. Lends static memory. */
HF_API hf_bytes hf_eventstream_comment(void);
/* The fields of an answer that streams: Content-Type, and those that keep everything between from gathering or changing
 * it: Cache-Control, Incremental (RFC 10036), X-Accel-Buffering. Lends static memory. */
HF_API hf_fields hf_eventstream_fields(void);

/* ---- parsing ------------------------------------------------------------------------------------------------ */

typedef struct hf_eventstream hf_eventstream;

/* Lends `env` for life. NULL when memory runs out. */
HF_API hf_eventstream *hf_eventstream_new(const hf_env *env);
HF_API void hf_eventstream_free(hf_eventstream *s);
/* Eats bytes; HF_EVENT fills *event. HF_CLOSED after in->fin: an event without its empty line is none. HF_FAULT: an event
 * or a line beyond limit eventstream_event_bytes, or memory: see hf_eventstream_fault. */
HF_API hf_step hf_eventstream_step(hf_eventstream *s, hf_in *in, hf_eventstream_event *event);
/* What a reconnect sends as Last-Event-ID: the id of the last event that was dispatched. Lends until the next step. */
HF_API hf_bytes hf_eventstream_last_id(const hf_eventstream *s);
/* The last `retry`, or -1. */
HF_API int64_t hf_eventstream_retry_ms(const hf_eventstream *s);
HF_API hf_err hf_eventstream_fault(const hf_eventstream *s);

/* ---- the ring ----------------------------------------------------------------------------------------------- */

/* Past events, encoded once, bounded by limits eventstream_replay_bytes and eventstream_replay_events. An id is
 * "EPOCH-NUMBER" in hexadecimal and decimal: the epoch tells this ring from one of a process before it. */
typedef struct hf_eventstream_ring hf_eventstream_ring;

/* An empty ring. Lends `env` for life. NULL when memory ends. NULL may be freed. */
HF_API hf_eventstream_ring *hf_eventstream_ring_new(const hf_env *env, uint64_t epoch);
HF_API void hf_eventstream_ring_free(hf_eventstream_ring *ring);
/* Numbers, encodes and keeps an event; the oldest go. HF_ERR_BASE_USAGE: a name with CR, LF or NUL. HF_ERR_BASE_LIMIT: more
 * than the ring holds at all. HF_ERR_BASE_MEMORY. */
HF_API hf_err hf_eventstream_ring_push(hf_eventstream_ring *ring, hf_bytes name, hf_bytes data);
/* The number that the next event gets; the first is 1. */
HF_API uint64_t hf_eventstream_ring_next(const hf_eventstream_ring *ring);
/* The event with this number as text; ptr NULL when it is gone or not there yet. Lends until the next push. */
HF_API hf_bytes hf_eventstream_ring_at(const hf_eventstream_ring *ring, uint64_t number);

typedef enum hf_eventstream_resume {
    HF_EVENTSTREAM_FRESH, /* no id: from now on */
    HF_EVENTSTREAM_WHOLE, /* nothing is missed when it is told from *number on */
    HF_EVENTSTREAM_GAP    /* of another epoch, or gone: *number is the oldest that is kept */
} hf_eventstream_resume;

/* Where a client goes on that has seen `last_id` (the value of Last-Event-ID; empty: none). */
HF_API hf_eventstream_resume hf_eventstream_ring_resume(const hf_eventstream_ring *ring, hf_bytes last_id, uint64_t *number);

#ifdef __cplusplus
}
#endif
#endif
