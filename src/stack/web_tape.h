/* SPDX-License-Identifier: Apache-2.0
 *
 * A tape of one connection: what reached its HTTP core from below (bytes as the pier lent them, what the pier took, times)
 * and from above (the commands of the application), in order. Played, the same core is told the same, without network,
 * clock or application, and must do the same: its trace folds into the same number. With TLS the tape is taken above the
 * records, so no key is on it.
 *
 * The content of answers is never on it, only how long it was. Requests' secrets and content are blanked before a tape is
 * given away, unless they are asked to be kept (hf_web_tape_blank).
 */
#ifndef HF_STACK_WEB_TAPE_H
#define HF_STACK_WEB_TAPE_H

#include "trace.h"
#include "web.h"

typedef struct hf_web_tape hf_web_tape;

/* Lends `env` for life, whose memory it holds: at most `most` bytes of tape. `secured`: TLS is below. NULL: memory ended. */
hf_web_tape *hf_web_tape_new(const hf_env *env, uint64_t most, bool secured);
/* Behind the web that it was given to. */
void hf_web_tape_free(hf_web_tape *t);
/* What its connection is to have in place of the env: the same, and whatever memory is refused is on the tape. */
const hf_env *hf_web_tape_env(const hf_web_tape *t);

/* How it went: the first reason for which the connection ended badly, or a request was refused, cut or answered 5xx. HF_OK:
 * well. What only took too long to ask for something (idle) is well. */
hf_err hf_web_tape_verdict(const hf_web_tape *t);
/* Why it cannot be played, as a sentence without a full stop; NULL: it can be. */
const char *hf_web_tape_flaw(const hf_web_tape *t);
/* Did bytes reach the core at all? */
bool hf_web_tape_has_bytes(const hf_web_tape *t);
uint64_t hf_web_tape_hash(const hf_web_tape *t);
hf_version hf_web_tape_version(const hf_web_tape *t);

/* Puts 'x' in place of requests' content, queries and the values of fields that sound secret. HTTP/1; in HTTP/2 fields are
 * compressed together, so it cannot be. False: it cannot be. Allocates nothing. */
bool hf_web_tape_blank(hf_web_tape *t);
/* Lends until the tape is free. */
hf_bytes hf_web_tape_bytes(const hf_web_tape *t);

/* ---- played ----------------------------------------------------------------------------------------------------- */

typedef struct hf_web_played {
    bool same;         /* everything was as on the tape, to its end */
    const char *why;   /* unless same: what was not. Static */
    size_t at;         /* and at which byte of the tape */
    uint64_t hash, steps, events;
    int64_t ns;        /* from the connection's beginning to the last step */
    hf_err err;        /* why it closed, where it did */
} hf_web_played;

/* Plays the tape: `env` has the limits of the time; `out` is scratch of the same size as the recorder's. `told` (may be
 * NULL) hears every event, which is lent for the call. */
void hf_web_tape_play(hf_bytes tape, const hf_env *env, hf_out *out, void (*told)(void *self, hf_time since, const hf_web_event *event),
    void *self, hf_web_played *played);

/* ---- for web.c: nothing but a look where there is no tape ---------------------------------------------------------- */

/* The pier as the core shall see it. */
hf_pier hf_web_tape_pier(hf_web_tape *t, hf_pier pier);
void hf_web_tape_begin(hf_web_tape *t, hf_time now, uint64_t id, const hf_web_options *options);
/* Is TLS below what is played? And which version did ALPN choose? */
bool hf_web_tape_is_secured(const hf_web_tape *t);
bool hf_web_tape_two(hf_web_tape *t, bool two);
void hf_web_tape_spoil(hf_web_tape *t, const char *why);

void hf_web_tape_step(hf_web_tape *t, hf_time now);
void hf_web_tape_stepped(hf_web_tape *t, hf_step step, const hf_web_event *event, hf_version version);
void hf_web_tape_take(hf_web_tape *t, hf_exchange x, size_t n);
void hf_web_tape_respond(hf_web_tape *t, hf_exchange x, const hf_response_head *head);
void hf_web_tape_put(hf_web_tape *t, hf_exchange x, const hf_extent *extents, size_t count);
void hf_web_tape_end(hf_web_tape *t, hf_exchange x, hf_ending ending, hf_fields trailers);
/* Until left: what is called meanwhile follows from it. */
void hf_web_tape_cancel(hf_web_tape *t, hf_exchange x, hf_err why);
void hf_web_tape_left(hf_web_tape *t);
void hf_web_tape_prioritise(hf_web_tape *t, hf_exchange x, unsigned urgency, bool incremental);
void hf_web_tape_pace(hf_web_tape *t, hf_exchange x, hf_pace pace);
void hf_web_tape_turn_away(hf_web_tape *t, hf_time now, hf_bytes answer, hf_err why);
void hf_web_tape_drain(hf_web_tape *t);
void hf_web_tape_abort(hf_web_tape *t, hf_err why);
void hf_web_tape_push(hf_web_tape *t, hf_exchange x, const hf_request_head *request);

/* ---- for web_http3.c: what it asks of QUIC, on the tape; played, `quic` is NULL -------------------------------------- */

enum { HF_WEB_NO_LANE = 0 };
/* What else it learns, as a number. */
uint64_t hf_web_tape_fact(hf_web_tape *t, uint64_t value);
hf_span hf_web_lane_peek(hf_web_tape *t, hf_quic *quic, hf_lane lane);
void hf_web_lane_take(hf_web_tape *t, hf_quic *quic, hf_lane lane, size_t n);
uint64_t hf_web_lane_put(hf_web_tape *t, hf_quic *quic, hf_lane lane, const hf_extent *extents, size_t count);
hf_err hf_web_lane_open(hf_web_tape *t, hf_quic *quic, hf_lane_kind kind, hf_lane *lane);
hf_err hf_web_lane_end(hf_web_tape *t, hf_quic *quic, hf_lane lane, hf_ending ending);
hf_step hf_web_lane_next(hf_web_tape *t, hf_quic *quic, hf_time now, hf_quic_event *e);

#endif
