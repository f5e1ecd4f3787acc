/* SPDX-License-Identifier: Apache-2.0
 *
 * tapes: a folder of recorded connections (web_tape.h): those that ended badly, or all. What is kept has been played once
 * already and came to the same end, so that `handfast replay` will, too.
 */
#ifndef HF_SERVER_TAPES_H
#define HF_SERVER_TAPES_H

#include "log_text.h"
#include "text.h"
#include "web_tape.h"

typedef struct hf_tapes hf_tapes;

/* The folder must be there. Counts what it holds already against record_files and record_bytes. NULL, and `why` says why. */
hf_tapes *hf_tapes_open(const char *folder, bool all, bool secrets, const hf_limits *limits, hf_writer *why);
void hf_tapes_close(hf_tapes *t);
/* Counts anew what is there. */
void hf_tapes_count(hf_tapes *t);

/* One connection under record. */
typedef struct hf_taped hf_taped;

/* NULL: memory ended, and it is not recorded. Lends all until given up. */
hf_taped *hf_taped_new(hf_tapes *t, const hf_env *env, uint64_t id, const hf_web_options *options, bool secured);
/* What its web is to have. */
const hf_env *hf_taped_env(const hf_taped *r);
const hf_web_options *hf_taped_options(const hf_taped *r);
/* The web is freed: writes the tape if it is worth it. `out` is the worker's scratch. NULL is nothing. */
void hf_taped_end(hf_taped *r, hf_out *out);

/* ---- when the process falls -------------------------------------------------------------------------------------- */

/* The connection that this thread works for; NULL: none. */
void hf_tapes_here(hf_taped *r);
/* From now on a signal that ends the process writes the tape of the connection at hand first. */
void hf_tapes_watch(hf_tapes *t);
/* The tape that process `pid` left when it fell, as a path. False: none. */
bool hf_tapes_left(const char *folder, int pid, char *path, size_t size);

/* ---- read again --------------------------------------------------------------------------------------------------- */

#define HF_TAPED_FORMAT "handfast connection 1\n"

typedef struct hf_taped_file {
    char version[32], ended[32];
    uint64_t hash;
    bool secrets, fell;
    hf_limits limits;
    hf_bytes tape;
} hf_taped_file;

/* Reads a file's bytes, which are lent. False: it is none of ours, or damaged, and `why` says how. */
bool hf_taped_read(hf_bytes file, hf_taped_file *to, hf_writer *why);

#endif
