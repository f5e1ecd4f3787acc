/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands at the beginning of a recording: which version wrote it, what it was asked to do, and where it listened. The
 * rest is the loop's own (tape.h).
 */
#ifndef HF_SERVER_RECORDING_H
#define HF_SERVER_RECORDING_H

#include "listen.h"
#include "serve.h"
#include "tape.h"

enum { HF_RECORDING_ARGUMENTS = 128, HF_RECORDING_ARGUMENT = 4096 };

typedef struct hf_recording {
    char version[32];
    size_t argument_count;
    char *arguments[HF_RECORDING_ARGUMENTS + 1]; /* as of `handfast serve`, without the command; NULL behind them */
    hf_listen_set listening; /* without descriptors */
} hf_recording;

/* Why these options cannot be recorded, as a sentence without a full stop; NULL: they can. */
const char *hf_recording_refuses(const hf_serve_options *options);

/* Writes it, or reads what was written. False: memory ended, or the tape says why not. */
bool hf_recording_note(hf_recording *r, hf_tape *t);
void hf_recording_fini(hf_recording *r);

/* Makes the file, which must not be there yet: no recording is ever overwritten. -1 and errno. */
int hf_recording_create(const char *path);

/* How a replay went. */
typedef struct hf_replayed {
    uint64_t connections, requests;
} hf_replayed;

/* Serves `options` from the tape, of which the beginning has been read. False: the server cannot be made, and `why` says so. */
bool hf_recording_replay(const hf_recording *r, const hf_serve_options *options, hf_tape *t, hf_replayed *went, hf_writer *why);

#endif
