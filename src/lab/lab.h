/* SPDX-License-Identifier: Apache-2.0
 *
 * lab/lab.h - worlds in the simulator: servers and clients of this repo under faults, from one seed.
 *
 * A run has two phases. Under faults nothing wrong may happen (safety): every answer belongs to its request, nothing is
 * altered, lost silently or done twice. Then all faults heal, and everything must come to its end within a stated time
 * (liveness). What went wrong is said in one sentence, and the same seed shows it again.
 */
#ifndef HF_LAB_LAB_H
#define HF_LAB_LAB_H

#include <handfast/base.h>
#include <handfast/pier.h>

/* Also the exit codes of the runner; 1 is a crash: the process died. 2 and 3 mean with every command wrong usage and a
 * wrong configuration. */
typedef enum hf_lab_verdict { HF_LAB_PASS = 0, HF_LAB_CRASH = 1, HF_LAB_SAFETY = 4, HF_LAB_LIVENESS = 5 } hf_lab_verdict;

typedef struct hf_lab_report {
    hf_lab_verdict verdict;
    uint64_t seed;
    uint64_t trace, records; /* what the whole trace folds to, and its length */
    uint64_t exchanges, answered, failed; /* failed: each with a named error */
    uint64_t packets, faults;
    int64_t virtual_ns;
    bool calm;      /* a seed without faults: then every exchange must be answered */
    char what[240]; /* the first thing that went wrong; empty for a pass */
} hf_lab_report;

/* Where tests reach in: a run whose piers pass through `wrap` shows that the lab can fail. */
typedef struct hf_lab_seams {
    hf_pier (*wrap)(void *ctx, hf_pier pier, bool server); /* NULL: none */
    const hf_trace_sink *trace;                            /* gets every record as well; NULL: none */
    void *ctx;
    bool calm; /* no faults, whatever the seed says */
} hf_lab_seams;

/* Every 50th seed is run twice and compared: see hf_lab_run_checked. False: no world has that name. `seams` may be NULL. */
bool hf_lab_run_with(const char *world, uint64_t seed, const hf_lab_seams *seams, hf_lab_report *report);
/* The verdict. An unknown world is HF_LAB_CRASH with a sentence. */
int hf_lab_run(const char *world, uint64_t seed, hf_lab_report *report);
/* As hf_lab_run; when seed % 50 == 0, a second run must give the same trace. */
int hf_lab_run_checked(const char *world, uint64_t seed, hf_lab_report *report);
/* The names of the worlds, NULL past the end. Lends static memory. */
const char *hf_lab_world(size_t index);

/* `handfast sim`: runs worlds from the command line. Returns the exit code: 0 pass, 2 wrong usage, 4 safety, 5 liveness; a
 * crash prints its repro line and exits with 1. */
int hf_lab_main(int argc, char **argv);

#endif
