/* SPDX-License-Identifier: Apache-2.0
 *
 * What a person typed, on a command line or in a configuration: the nearest spelling, and amounts with units.
 */
#ifndef HF_SERVER_SPELLING_H
#define HF_SERVER_SPELLING_H

#include <handfast/base.h>

/* Edits between two words: insertions, deletions, replacements, and swaps of neighbours. Case is folded. At least
 * HF_WORD_MOST for words that are longer than that. */
enum { HF_WORD_MOST = 64 };
size_t hf_word_distance(const char *a, const char *b);

/* Remembers the best of many candidates. */
typedef struct hf_nearest {
    const char *word; /* what was typed */
    const char *best; /* NULL while nothing is near enough to be meant */
    size_t distance;
} hf_nearest;
void hf_nearest_try(hf_nearest *n, const char *candidate);

/* "10s", "500ms", "64k", "1M", "100" in the unit of a limit ("ns", "bytes", "bytes/s", anything counted). False when it
 * is no amount of that unit, or larger than INT64_MAX. */
bool hf_amount_parse(const char *text, const char *unit, uint64_t *amount);
/* What hf_amount_parse accepts, for messages. */
const char *hf_amount_forms(const char *unit);
/* "10 s", "64 KiB", "100 fields". */
void hf_amount_write(char *text, size_t size, uint64_t amount, const char *unit);

#endif
