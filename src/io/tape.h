/* SPDX-License-Identifier: Apache-2.0
 *
 * A tape: everything that one loop thread is told by the outside, in order. Written while a server runs, it is played again
 * later through the very same code, which is told the same and must therefore do the same: what it gave to the outside is
 * on the tape as checksums, so that the first difference is found where it happens.
 *
 * Each question to the outside is one entry, written once for both directions:
 *
 *     if (!hf_tape_plays(t))
 *         value = ask_the_system();
 *     if (hf_tape_begin(t, HF_TAPE_NUMBER, key)) {
 *         hf_tape_u64(t, &value);   recording: writes it; playing: it becomes what was recorded
 *         hf_tape_end(t);
 *     }
 *
 * A tape that has ended, or from which the code departed, answers nothing more: values stay what they were before, so they
 * should be harmless ones. Nothing is ever read from the outside while a tape plays.
 *
 * The file: a line that names the format, then pieces of {length, CRC-32, bytes}, each written by one write() before what
 * it holds is acted upon: of a server that falls in the middle of a turn, the turn's input is on the tape.
 */
#ifndef HF_IO_TAPE_H
#define HF_IO_TAPE_H

#include <handfast/base.h>

#include "text.h"

typedef enum hf_tape_kind {
    HF_TAPE_ENDED,  /* in good order */
    HF_TAPE_TEXT,
    HF_TAPE_NUMBER, /* a seed, a decision */
    HF_TAPE_WAIT, HF_TAPE_CLOCK, HF_TAPE_LISTEN, HF_TAPE_CONNECT,                                       /* of an hf_io */
    HF_TAPE_EVENT, HF_TAPE_PEEK, HF_TAPE_PUT, HF_TAPE_END, HF_TAPE_UNSENT, HF_TAPE_UNTAKEN, HF_TAPE_READ, /* of a pier */
    HF_TAPE_ROOT, HF_TAPE_OPEN, HF_TAPE_LOOK, HF_TAPE_UNCHANGED, HF_TAPE_CONTENTS, HF_TAPE_FOLDER, HF_TAPE_NAME, /* of files */
    HF_TAPE_KINDS
} hf_tape_kind;

enum { HF_TAPE_WHY = 320 };

typedef struct hf_tape hf_tape;

/* The tape of this thread, for what is asked of the outside by other ways than hf_io: files. NULL: none. */
extern _Thread_local hf_tape *hf_tape_here;

/* Writes into the empty file `fd`, which stays the caller's, at most `most` bytes: whatever comes then is not recorded. */
hf_tape *hf_tape_record(int fd, uint64_t most, hf_err *err);
/* Reads all of `fd`. NULL and the reason in `why`: it is no recording, or was damaged. A last piece that is cut off is how a
 * recording ends whose server fell. */
hf_tape *hf_tape_play(int fd, uint64_t most, hf_writer *why);
/* The same from the bytes inside of the pieces, which are lent. NULL when memory ends. */
hf_tape *hf_tape_play_bytes(hf_bytes bytes);
void hf_tape_free(hf_tape *t);

bool hf_tape_plays(const hf_tape *t); /* NULL: no */
/* Nothing more comes from it: it has ended, or `differs`. A recording one: it is full, or could not be written. */
bool hf_tape_is_over(const hf_tape *t);
bool hf_tape_is_whole(const hf_tape *t); /* it ended in good order */
bool hf_tape_differs(const hf_tape *t);
/* Why it is over, as a sentence without a full stop; "" while it is not. Lends. */
const char *hf_tape_why(const hf_tape *t);
/* What is asked in between is asked of the outside, and not noted; while playing, of nobody. */
void hf_tape_pause(hf_tape *t, bool paused);

/* Where trace points go: their checksum is compared at every turn. */
const hf_trace_sink *hf_tape_trace(hf_tape *t);
uint64_t hf_tape_hash(const hf_tape *t);
uint64_t hf_tape_turns(const hf_tape *t);
/* For messages: the time since the recording began; and that a turn begins. Checks the trace. */
void hf_tape_turn(hf_tape *t, hf_time now);

/* True: the entry's values follow, then end. `key` says what the question was about, and must be the same when it plays. */
bool hf_tape_begin(hf_tape *t, hf_tape_kind kind, uint64_t key);
void hf_tape_u64(hf_tape *t, uint64_t *value);
void hf_tape_i64(hf_tape *t, int64_t *value);
void hf_tape_err(hf_tape *t, hf_err *err);
void hf_tape_flag(hf_tape *t, bool *value);
/* `n` bytes, as many both times. */
void hf_tape_bytes(hf_tape *t, void *bytes, size_t n);
/* A length, at most `most`: more is no recording of ours. */
void hf_tape_length(hf_tape *t, size_t *n, size_t most);
/* What the code says must be the same; `what` it is, and at which place of it. */
void hf_tape_same(hf_tape *t, uint64_t value, const char *what, uint64_t at);
/* What a recording of ours never says: it is over. */
void hf_tape_spoil(hf_tape *t, const char *what);
/* Ends the entry. hf_tape_tell: and it is in the file before anything is done with it. */
void hf_tape_end(hf_tape *t);
void hf_tape_tell(hf_tape *t);

/* Ready entries. */
bool hf_tape_number(hf_tape *t, uint64_t *value);
bool hf_tape_decision(hf_tape *t, bool value); /* the value that holds */
/* Up to `room` bytes with a NUL behind them. */
bool hf_tape_text(hf_tape *t, char *text, size_t room);
/* The last entry. Nothing is noted, or played, after it. */
void hf_tape_finish(hf_tape *t);

/* A checksum of bytes, to be continued from `so_far`. Finds differences; hides nothing. */
uint64_t hf_tape_sum(uint64_t so_far, hf_bytes bytes);
uint32_t hf_tape_crc(hf_bytes bytes);

#endif
